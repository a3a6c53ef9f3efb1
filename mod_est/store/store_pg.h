/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef STORE_PG_H
#define STORE_PG_H

/* The store over PostgreSQL. */

#include "base/est_env.h"
#include "store.h"
#include "store_cache.h"

#define STORE_PG_SCHEMA_VERSION 4

typedef struct {
    const char *conninfo;
    int pool_size; /* connections of this process, the listener's not counted */
    /* For one request's database work: waiting for a connection, connecting, retries, the statement. A host that does
     * not answer at all is given connect_timeout, at least 2 s, even when that ends later; a cancelled statement has
     * 0.5 s more to say so. */
    apr_interval_time_t timeout;
} store_pg_config_t;

/* Checks the conninfo's syntax and that it holds no password; no connection is made. Fails with config. */
est_err_t *store_pg_config_check(const char *conninfo, apr_pool_t *pool);

/* Connects once, checks the schema version, reads the policy into snapshot_pool, disconnects. For the parent process at
 * start. Fails with schema_version (the text says which migration to run) or store_unavailable. */
est_err_t *store_pg_probe(policy_snapshot_t **snapshot, const store_pg_config_t *config, apr_pool_t *snapshot_pool,
                          apr_pool_t *pool);

/* Opens the store in a child process. Connections are made when they are first needed. Closed with pool. */
est_err_t *store_pg_open(store_t **out, const store_pg_config_t *config, const est_env_t *env, apr_pool_t *pool);

/* A store over a connection that its owner has made and closes, for reading alone: nothing is recorded through it */
struct pg_conn;
est_err_t *store_pg_lend(store_t **out, struct pg_conn *connection, apr_interval_time_t timeout, apr_pool_t *pool);

/* All that is asked of the store with this pool from now on shares one time-out, the configured one or limit where that
 * is less and not 0: pool is a request's, and only the time spent here counts. Without it each call has a time-out of
 * its own; reading the whole policy always has. */
void store_pg_share_timeout(const store_t *store, apr_interval_time_t limit, apr_pool_t *pool);

/* Starts the thread that listens for changes with a connection of its own and keeps cache current; stopped and joined
 * when pool is cleared (pre-cleanup). Not for prefork. */
est_err_t *store_pg_listen(store_t *store, store_cache_t *cache, apr_pool_t *pool);

#endif
