/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_CAS_H
#define EST_CAS_H

/* The life of the CAs in httpd: opened by the parent, which may read their keys; their gates shared by all processes;
 * started in each child. */

#include "est_config.h"

/* Every <EstCA> block, at the configuration check: fills in cas and reserved_keys of global. Logs each error; OK, or
 * httpd's status when there was one. */
int est_cas_open(est_global_t *global, apr_pool_t *pconf, server_rec *s);

/* In the parent, before it forks. Without shared memory each process has limits of its own, and the log says so. */
void est_cas_share(est_global_t *global, apr_pool_t *pconf, server_rec *s);

/* In a child. What fails is logged, and its CA answers 503; the others serve. env lives as long as pchild. */
void est_cas_start(const est_global_t *global, const est_env_t *env, apr_pool_t *pchild, server_rec *s);

#endif
