/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef STORE_PG_LISTEN_H
#define STORE_PG_LISTEN_H

/*
 * The thread that hears of changes and keeps a store_cache current.
 *
 * It listens with a connection of its own and asks for the policy's version every 5 seconds besides, which also proves
 * that the connection is alive. A pooler in transaction mode takes LISTEN and delivers nothing, so the thread first
 * sends itself a notification over another connection. Where that does not arrive it asks for the policy's version more
 * often than STORE_CACHE_POLL instead, and tries to listen again every minute; a client's changed row is then found by
 * record_issued's comparison of versions, or after STORE_CACHE_CLIENT_TTL.
 */

#include "base/est_env.h"
#include "store_cache.h"
#include "store_pg_pool.h"

typedef struct {
    store_pg_pool_t *connections; /* for the notification to itself */
    const store_pg_target_t *target;
    apr_interval_time_t timeout; /* of connecting and of each statement */
    const est_env_t *env;
    store_cache_t *cache;
} store_pg_listen_config_t;

/* Everything in config is borrowed and must outlive the thread, which is stopped and joined when pool is cleared
 * (pre-cleanup) */
est_err_t *store_pg_listen_start(const store_pg_listen_config_t *config, apr_pool_t *pool);

#endif
