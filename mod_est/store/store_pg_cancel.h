/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef STORE_PG_CANCEL_H
#define STORE_PG_CANCEL_H

/*
 * Asking the server to cancel a statement, by a thread that may hang: PQcancel connects anew and waits for the server
 * without any limit, so for ever when the server or a pooler is frozen.
 */

#include <apr_time.h>
#include <libpq-fe.h>

typedef struct store_pg_cancel_t store_pg_cancel_t;

/* Starts it; NULL when that was not possible, or when as many as are allowed hang already. Every start has its end. */
store_pg_cancel_t *store_pg_cancel_start(PGconn *pg);
/* 1 when it is over, after waiting at most left microseconds; 0: the connection must not be used again, since the next
 * statement could be the one that is cancelled. NULL is over. */
int store_pg_cancel_end(store_pg_cancel_t *cancel, apr_interval_time_t left);

#endif
