/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef STORE_PG_ADMIN_H
#define STORE_PG_ADMIN_H

/*
 * The database as a person uses it: a connection made the way psql makes one, over which the named statements of
 * sql/estctl.sql are run with parameters and results of text. For the program estctl; httpd has store_pg.h.
 *
 * Errors: store_unavailable when the database cannot be used (no connection, no right, another schema), store_failed
 * when it refused what was asked: the detail is PostgreSQL's message with its hint, in one line. Parameters are never
 * quoted by us, and only the primary line of the message is taken.
 */

#include "store.h"

typedef struct store_pg_admin_t store_pg_admin_t;

/* What a column holds, for those who write numbers and texts differently */
typedef enum { STORE_PG_TEXT, STORE_PG_NUMBER, STORE_PG_BOOLEAN, STORE_PG_TIME, STORE_PG_JSON } store_pg_type_t;

/* A result: cells[row * n_columns + column], NULL for SQL's NULL */
typedef struct {
    int n_rows, n_columns;
    const char **names;
    store_pg_type_t *types;
    const char **cells;
} store_pg_table_t;

/* conninfo: a database name, a connection string or URI, or NULL for what the environment says (PGHOST, PGSERVICE,
 * ...). Closed with pool. Fails with config for a conninfo that cannot be read, and store_unavailable. */
est_err_t *store_pg_admin_open(store_pg_admin_t **out, const char *conninfo, apr_pool_t *pool);

/* Runs the statement of that name with n texts as $1, $2, ...; NULL = SQL's NULL. The table lives in pool. out may be
 * NULL. */
est_err_t *store_pg_admin_run(store_pg_table_t **out, store_pg_admin_t *admin, const char *name,
                              const char *const *params, int n, apr_pool_t *pool);

/* The store that the module reads of, over this connection; it records nothing. Lives as long as admin. */
est_err_t *store_pg_admin_store(store_t **out, store_pg_admin_t *admin, apr_pool_t *pool);

/* The place that an error of PostgreSQL names, after a call that failed with store_failed: the parameter whose text its
 * type does not take, from 1, and the line of a COPY; 0 when it names none */
typedef struct {
    int parameter, line;
} store_pg_place_t;
store_pg_place_t store_pg_admin_place(const store_pg_admin_t *admin);

/* Where the octets of a COPY come from: fills buf with at most size of them; *n = 0 at the end */
typedef est_err_t *store_pg_read_t(void *ctx, char *buf, apr_size_t size, apr_size_t *n);

/* COPY table (columns) FROM STDIN (FORMAT csv, HEADER). table and columns, NULL at the end, are constants of the
 * caller: lower-case letters and underscores. What read fails with ends the COPY, and is returned. */
est_err_t *store_pg_admin_copy(store_pg_admin_t *admin, const char *table, const char *const *columns,
                               store_pg_read_t *read, void *ctx, apr_pool_t *pool);

#endif
