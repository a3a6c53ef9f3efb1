/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef STORE_PG_CONN_H
#define STORE_PG_CONN_H

/*
 * One connection to the database and the statements sent over it, each with a deadline. For store_pg*.c alone.
 *
 * Nothing relies on the state of a session: there may be a pooler in transaction mode between us and the server.
 */

#include "store_pg_target.h"

#include <libpq-fe.h>

/* The statements of sql/queries.sql that are sent: its name, and 1 when it is worth preparing */
#define STORE_PG_STATEMENTS(X)                                                                                         \
    X(schema_version, SCHEMA_VERSION, 0)                                                                               \
    X(policy_version, POLICY_VERSION, 1)                                                                               \
    X(policy_aliases, POLICY_ALIASES, 0)                                                                               \
    X(policy_profiles, POLICY_PROFILES, 0)                                                                             \
    X(policy_subject_rules, POLICY_SUBJECT_RULES, 0)                                                                   \
    X(policy_san_rules, POLICY_SAN_RULES, 0)                                                                           \
    X(policy_extensions, POLICY_EXTENSIONS, 0)                                                                         \
    X(policy_extension_sections, POLICY_EXTENSION_SECTIONS, 0)                                                         \
    X(policy_request_extensions, POLICY_REQUEST_EXTENSIONS, 0)                                                         \
    X(policy_groups, POLICY_GROUPS, 0)                                                                                 \
    X(policy_anchors, POLICY_ANCHORS, 0)                                                                               \
    X(client_get, CLIENT_GET, 1)                                                                                       \
    X(client_by_certificate, CLIENT_BY_CERTIFICATE, 1)                                                                 \
    X(entity_get, ENTITY_GET, 1)                                                                                       \
    X(record_issued, RECORD_ISSUED, 1)                                                                                 \
    X(order_open, ORDER_OPEN, 1)                                                                                       \
    X(order_forwarded, ORDER_FORWARDED, 1)                                                                             \
    X(record_refused, RECORD_REFUSED, 1)                                                                               \
    X(maintain, MAINTAIN, 0)                                                                                           \
    X(holder_status, HOLDER_STATUS, 1)                                                                                 \
    X(explain_request, EXPLAIN_REQUEST, 0)                                                                             \
    X(listen, LISTEN, 0)

typedef enum {
#define X(name, macro, prepare) STORE_PG_STMT_##macro,
    STORE_PG_STATEMENTS(X)
#undef X
        STORE_PG_STMT__COUNT
} store_pg_stmt_t;

/* Microseconds of a clock that nobody sets; deadlines are of it */
apr_time_t store_pg_clock(void);

typedef struct {
    PGconn *pg; /* NULL: not connected */
    int direct; /* the server itself is at the other end, so that a session is ours and can hold prepared statements */
    unsigned prepared; /* a bit per statement */
    int keep_notifies; /* set by a listener; else notifications that a pooler lets through are thrown away */
    int lost;          /* of no use any more: close it. The statement may be sent again over another connection */
    int again;         /* the last statement was rolled back for the sake of another one: it may be sent again */
    int not_durable;   /* a commit did not wait for the synchronous standby */
} store_pg_conn_t;

/* One attempt at every host of target; conn is not connected before. A host that does not answer is given up after
 * connect_timeout, at least 2 s, even when that is beyond deadline. Checks the schema. Fails with store_unavailable or
 * schema_version; then conn is not connected. */
est_err_t *store_pg_conn_open(store_pg_conn_t *conn, const store_pg_target_t *target, apr_time_t deadline,
                              apr_pool_t *pool);
void store_pg_conn_close(store_pg_conn_t *conn);
/* Has the server said good-bye since the last use? Costs one system call. */
int store_pg_conn_is_alive(store_pg_conn_t *conn);

/* Reads what has arrived, without waiting. Fails with store_unavailable when the connection is lost. */
est_err_t *store_pg_conn_receive(store_pg_conn_t *conn, apr_pool_t *pool);

#define STORE_PG_MAX_PARAMS 30

typedef struct {
    int n;
    const char *values[STORE_PG_MAX_PARAMS];
    int lengths[STORE_PG_MAX_PARAMS];
    int formats[STORE_PG_MAX_PARAMS];
} store_pg_params_t;

/* Appends the next parameter, borrowed; NULL = SQL's NULL */
void store_pg_params_text(store_pg_params_t *params, const char *value);
void store_pg_params_bytes(store_pg_params_t *params, const unsigned char *value, apr_size_t n);

/* Sends a named statement and waits for its result, which is cleared with pool; at the deadline it is cancelled. params
 * may be NULL. *out is set on failure too: NULL, or the result that says why. Fails with store_unavailable (conn->lost
 * may be set), store_failed or not_durable. */
est_err_t *store_pg_conn_run(PGresult **out, store_pg_conn_t *conn, store_pg_stmt_t stmt,
                             const store_pg_params_t *params, apr_time_t deadline, apr_pool_t *pool);
/* The same for a constant text that is not in sql/queries.sql: transaction control */
est_err_t *store_pg_conn_command(PGresult **out, store_pg_conn_t *conn, const char *sql,
                                 const store_pg_params_t *params, apr_time_t deadline, apr_pool_t *pool);

/* The value in a named column, NULL for SQL's NULL; borrowed from result. Fails with store_failed when there is no such
 * column or row. */
est_err_t *store_pg_column(const char **out, const PGresult *result, int row, const char *column, apr_pool_t *pool);

#endif
