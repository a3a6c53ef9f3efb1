/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_FAILURES_H
#define EST_FAILURES_H

/* Failed logins of an address and user, counted in memory that all processes of this httpd share. */

#include "base/est_bytes.h"

#include <apr_time.h>

#define EST_FAILURES_WINDOW 60 /* seconds */

/* Made by the parent before it forks; without it (no memory) nothing is counted. Gone with pool. */
est_err_t *est_failures_make(apr_pool_t *pool);

/* key: a digest, at least 8 octets of which count */
void est_failures_add(est_slice_t key, apr_time_t now);
/* Failures in the window that holds now; *left, when there are any, the seconds until it ends */
unsigned est_failures_count(est_slice_t key, apr_time_t now, int *left);

#endif
