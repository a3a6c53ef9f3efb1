/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef STORE_PG_POOL_H
#define STORE_PG_POOL_H

/*
 * The connections of one process, each used by one thread at a time. One is made when it is first needed, by the thread
 * that needs it and outside any lock, so that a database that does not answer holds up nobody else.
 *
 *     do {
 *         EST_TRY(store_pg_pool_acquire(&conn, pool, deadline, p));
 *         err = ... store_pg_conn_run(..., conn, ..., deadline, p);
 *     } while (store_pg_pool_release(pool, conn, deadline) && err);
 */

#include "store_pg_conn.h"

typedef struct store_pg_pool_t store_pg_pool_t;

/* target is borrowed. Connections are closed when p is cleared; none may be in use then. */
est_err_t *store_pg_pool_make(store_pg_pool_t **out, const store_pg_target_t *target, int size, apr_pool_t *p);

/* A connection that was alive just now: waits for a free one and connects, both until deadline (but see
 * store_pg_conn_open). Fails with store_unavailable, or store_failed when the schema is not ours. */
est_err_t *store_pg_pool_acquire(store_pg_conn_t **out, store_pg_pool_t *pool, apr_time_t deadline, apr_pool_t *p);

/* Gives it back. 1, after a short pause, when what failed on it was the connection's or another transaction's fault and
 * there is time to do all of it again. */
int store_pg_pool_release(store_pg_pool_t *pool, store_pg_conn_t *conn, apr_time_t deadline);

#endif
