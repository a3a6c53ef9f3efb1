/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_MAINTAIN_H
#define EST_MAINTAIN_H

/* What has to be done now and then, in one process of this httpd (mod_watchdog sees to that): certificates that were
 * replaced are revoked, orders expire, and refusals that were not recorded one by one are, as one row. */

#include "est_config.h"
#include "store/store_pg.h"

/* From post_config. Each time opens a connection of its own and closes it again, so that nothing is there to be forked
 * or left behind. store: with a pool of 1. */
void est_maintain_start(const store_pg_config_t *store, const est_env_t *env, server_rec *s, apr_pool_t *pconf);

#endif
