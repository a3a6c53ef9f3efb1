/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef STORE_PG_TARGET_H
#define STORE_PG_TARGET_H

/* Where to connect: a conninfo (libpq 34.1.1), checked, with our defaults for what it does not say. */

#include "base/est_err.h"

#include <apr_time.h>

typedef struct {
    const char **keywords, **values; /* for PQconnectdbParams; NULL behind the last */
    int n;
    int has_timeout; /* connect_timeout is among them */
    int n_hosts;     /* how many may have to be tried in vain */
} store_pg_target_t;

/* Everything in pool. Fails with config: bad syntax, unknown keyword, a password in it. */
est_err_t *store_pg_target_make(store_pg_target_t **out, const char *conninfo, apr_pool_t *pool);

/* connect_timeout, seconds a host, for an attempt that may take left microseconds, the first statement included. libpq
 * rounds 1 up to 2, so less is never given. */
int store_pg_target_timeout(const store_pg_target_t *target, apr_interval_time_t left);

#endif
