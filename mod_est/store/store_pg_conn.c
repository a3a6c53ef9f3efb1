/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store_pg_conn.h"

#include "store_pg.h"
#include "store_pg_cancel.h"
#include "store_sql.h"

#include <apr_strings.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define DRAIN APR_TIME_C(500000) /* for the answer to a statement that was cancelled */

static const struct {
    const char *name, *sql;
    int prepare;
} statements[] = {
#define X(name, macro, prepare) {#name, STORE_SQL_##macro, prepare},
    STORE_PG_STATEMENTS(X)
#undef X
};

/* A statement on its way */
typedef struct {
    const char *name; /* for messages; of the prepared statement too */
    const char *sql;
    const store_pg_params_t *params;
    apr_time_t deadline;
} sending_t;

typedef enum { DONE, TIMED_OUT, LOST } wait_t;

apr_time_t store_pg_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return apr_time_from_sec((apr_time_t)now.tv_sec) + now.tv_nsec / 1000;
}

/* libpq's text in one line, without the lines that explain (they begin with a tab): several remain when several hosts
 * were tried */
static const char *connection_error(const store_pg_conn_t *conn, apr_pool_t *pool)
{
    char *state;
    const char *all = NULL;

    for (const char *line = apr_strtok(apr_pstrdup(pool, PQerrorMessage(conn->pg)), "\n", &state); line;
         line = apr_strtok(NULL, "\n", &state))
        if (*line != '\t')
            all = all ? apr_pstrcat(pool, all, "; ", line, NULL) : line;
    return all ? all : "connection lost";
}

/* --- parameters and results */

void store_pg_params_text(store_pg_params_t *params, const char *value)
{
    params->values[params->n] = value;
    params->formats[params->n++] = 0;
}

void store_pg_params_bytes(store_pg_params_t *params, const unsigned char *value, apr_size_t n)
{
    params->values[params->n] = (const char *)value;
    params->lengths[params->n] = (int)n;
    params->formats[params->n++] = 1;
}

est_err_t *store_pg_column(const char **out, const PGresult *result, int row, const char *column, apr_pool_t *pool)
{
    int number = PQfnumber(result, column);

    if (number < 0 || row >= PQntuples(result))
        return EST_FAIL(pool, store_failed, "result has no %s \"%s\"", number < 0 ? "column" : "row for column",
                        column);
    *out = PQgetisnull(result, row, number) ? NULL : PQgetvalue(result, row, number);
    return NULL;
}

static apr_status_t result_clear(void *data)
{
    PQclear(data);
    return APR_SUCCESS;
}

/* --- one statement */

static int is_one_of(const char *sqlstate, const char *const *list)
{
    for (; sqlstate && *list; list++)
        if (!strcmp(sqlstate, *list))
            return 1;
    return 0;
}

static wait_t wait_readable(store_pg_conn_t *conn, apr_time_t deadline)
{
    for (;;) {
        struct pollfd pfd = {.fd = PQsocket(conn->pg), .events = POLLIN};
        int unsent = PQflush(conn->pg);
        apr_interval_time_t left = deadline - store_pg_clock();

        if (unsent < 0)
            return LOST;
        if (!PQisBusy(conn->pg))
            return DONE;
        if (left <= 0)
            return TIMED_OUT;
        if (unsent)
            pfd.events |= POLLOUT;
        if (poll(&pfd, 1, (int)(left / 1000) + 1) > 0 && pfd.revents & ~POLLOUT && !PQconsumeInput(conn->pg))
            return LOST;
    }
}

/* Reads to the end of the answer; *out the first result that failed, else the last. Cleared with pool */
static wait_t gather(PGresult **out, store_pg_conn_t *conn, apr_time_t deadline, apr_pool_t *pool)
{
    for (;;) {
        wait_t waited = wait_readable(conn, deadline);
        PGresult *result;

        if (waited != DONE)
            return waited;
        if (!(result = PQgetResult(conn->pg)))
            return *out ? DONE : LOST;
        apr_pool_cleanup_register(pool, result, result_clear, apr_pool_cleanup_null);
        if (!*out || PQresultStatus(*out) != PGRES_FATAL_ERROR)
            *out = result;
    }
}

static void discard_notifies(store_pg_conn_t *conn)
{
    PGnotify *notify;

    while ((notify = PQnotifies(conn->pg)))
        PQfreemem(notify);
}

/* Its disk is full, its memory or its connections are used up (class 53), or its machine fails (58): the statement is
 * not to blame */
static int is_servers_plight(const char *sqlstate)
{
    return !strncmp(sqlstate, "53", 2) || !strncmp(sqlstate, "58", 2);
}

/* What mends it, for those that say nothing to who has not seen the schema */
static const char *remedy(const char *sqlstate)
{
    /* A table, column, function or parameter that is not there: what is loaded is older than the schema, or younger */
    static const char *const unfit[] = {"42P01", "42703", "42883", "3F000", NULL};

    if (is_one_of(sqlstate, unfit))
        return ": module and schema do not fit: run sql/install.sql of the module's version, and restart httpd";
    return strcmp(sqlstate, "42501") ? "" : ": the role of EstDatabase has to be est_module or a member of it";
}

/* What a result means. Only the message's primary line is quoted: detail and context may hold parameters. */
static est_err_t *judge(store_pg_conn_t *conn, const PGresult *result, const char *name, apr_pool_t *pool)
{
    /* read-only: the server was demoted. 57P0x: it goes down or comes up */
    static const char *const lost[] = {"25006", "57P01", "57P02", "57P03", NULL};
    static const char *const again[] = {"40001", "40P01", NULL};       /* serialization failure, deadlock */
    static const char *const unavailable[] = {"57014", "55P03", NULL}; /* cancelled, lock not available */
    ExecStatusType status = PQresultStatus(result);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (conn->not_durable)
        return EST_FAIL(pool, not_durable, "%s: the wait for the synchronous standby was cancelled", name);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return NULL;
    conn->again = is_one_of(sqlstate, again);
    /* Of a connection that broke, libpq makes a result with or without a SQLSTATE */
    conn->lost = PQstatus(conn->pg) != CONNECTION_OK || is_one_of(sqlstate, lost);
    if (!sqlstate)
        return EST_FAIL(pool, store_unavailable, "%s: %s", name, connection_error(conn, pool));
    if (conn->lost || conn->again || is_one_of(sqlstate, unavailable) || is_servers_plight(sqlstate))
        return EST_FAIL(pool, store_unavailable, "%s: %s %s", name, sqlstate, message);
    return EST_FAIL(pool, store_failed, "%s: %s %s%s", name, sqlstate, message, remedy(sqlstate));
}

/* The answer did not come to its end */
static est_err_t *give_up(store_pg_conn_t *conn, wait_t waited, const char *name, apr_pool_t *pool)
{
    conn->lost = 1;
    if (conn->not_durable)
        return EST_FAIL(pool, not_durable, "%s: the wait for the synchronous standby was cancelled", name);
    return EST_FAIL(pool, store_unavailable, "%s: %s", name,
                    waited == TIMED_OUT ? "no answer in time" : connection_error(conn, pool));
}

static est_err_t *finish(PGresult **out, store_pg_conn_t *conn, const sending_t *sending, apr_pool_t *pool)
{
    wait_t waited = gather(out, conn, sending->deadline, pool);
    int dangling = 0;
    est_err_t *err;

    if (waited == TIMED_OUT) {
        store_pg_cancel_t *cancel = store_pg_cancel_start(conn->pg);
        apr_time_t until = store_pg_clock() + DRAIN;

        waited = gather(out, conn, until, pool);
        dangling = !store_pg_cancel_end(cancel, until - store_pg_clock());
    }
    if (!conn->keep_notifies)
        discard_notifies(conn);
    err = waited == DONE ? judge(conn, *out, sending->name, pool) : give_up(conn, waited, sending->name, pool);
    conn->lost |= dangling;
    return err;
}

static est_err_t *unsent(store_pg_conn_t *conn, const sending_t *sending, apr_pool_t *pool)
{
    conn->lost = 1;
    return EST_FAIL(pool, store_unavailable, "%s: %s", sending->name, connection_error(conn, pool));
}

static est_err_t *send_text(PGresult **out, store_pg_conn_t *conn, const sending_t *sending, apr_pool_t *pool)
{
    static const store_pg_params_t none;
    const store_pg_params_t *p = sending->params ? sending->params : &none;

    *out = NULL;
    conn->again = conn->not_durable = 0;
    if (!PQsendQueryParams(conn->pg, sending->sql, p->n, NULL, p->values, p->lengths, p->formats, 0))
        return unsent(conn, sending, pool);
    return finish(out, conn, sending, pool);
}

static est_err_t *send_prepared(PGresult **out, store_pg_conn_t *conn, store_pg_stmt_t stmt, const sending_t *sending,
                                apr_pool_t *pool)
{
    const store_pg_params_t *p = sending->params;

    *out = NULL;
    conn->again = conn->not_durable = 0;
    if (!(conn->prepared & 1U << stmt)) {
        if (!PQsendPrepare(conn->pg, sending->name, sending->sql, 0, NULL))
            return unsent(conn, sending, pool);
        EST_TRY(finish(out, conn, sending, pool));
        conn->prepared |= 1U << stmt;
        *out = NULL;
    }
    if (!PQsendQueryPrepared(conn->pg, sending->name, p ? p->n : 0, p ? p->values : NULL, p ? p->lengths : NULL,
                             p ? p->formats : NULL, 0))
        return unsent(conn, sending, pool);
    return finish(out, conn, sending, pool);
}

est_err_t *store_pg_conn_run(PGresult **out, store_pg_conn_t *conn, store_pg_stmt_t stmt,
                             const store_pg_params_t *params, apr_time_t deadline, apr_pool_t *pool)
{
    /* No such prepared statement, or it is there already: a pooler that find_pooler did not see gave us another
     * session. The last: its result would have other columns than when it was prepared, after a migration. */
    static const char *const unprepared[] = {"26000", "42P05", "08P01", "0A000", NULL};
    sending_t sending = {statements[stmt].name, statements[stmt].sql, params, deadline};
    PGresult *result = NULL;
    est_err_t *err;

    if (conn->direct && statements[stmt].prepare) {
        err = send_prepared(&result, conn, stmt, &sending, pool);
        if (!err || !result || conn->lost || !is_one_of(PQresultErrorField(result, PG_DIAG_SQLSTATE), unprepared)) {
            *out = result;
            return err;
        }
        conn->direct = 0;
    }
    err = send_text(&result, conn, &sending, pool);
    *out = result;
    return err;
}

est_err_t *store_pg_conn_command(PGresult **out, store_pg_conn_t *conn, const char *sql,
                                 const store_pg_params_t *params, apr_time_t deadline, apr_pool_t *pool)
{
    sending_t sending = {sql, sql, params, deadline};

    return send_text(out, conn, &sending, pool);
}

/* --- the connection */

/* A WARNING out of the wait for a synchronous standby: the commit is local only. One of its two forms has no SQLSTATE
 * of its own (01000), the other shares 57P01 with an immediate shutdown, and texts are translated, so the place in the
 * server's source counts. Where something between us took that away, a SQLSTATE that may mean it does. */
static void on_notice(void *data, const PGresult *notice)
{
    store_pg_conn_t *conn = data;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *file = PQresultErrorField(notice, PG_DIAG_SOURCE_FILE);
    static const char *const cancelled[] = {"57014", "57P01", NULL};

    if (severity && !strcmp(severity, "WARNING") &&
        (file ? strstr(file, "syncrep") != NULL : is_one_of(PQresultErrorField(notice, PG_DIAG_SQLSTATE), cancelled)))
        conn->not_durable = 1;
}

/* Behind a pooler the process id of the start-up packet is not the server's. */
static est_err_t *find_pooler(store_pg_conn_t *conn, apr_time_t deadline, apr_pool_t *pool)
{
    PGresult *result;
    const char *pid;

    EST_TRY(store_pg_conn_command(&result, conn, "SELECT pg_catalog.pg_backend_pid() AS pid", NULL, deadline, pool));
    EST_TRY(store_pg_column(&pid, result, 0, "pid", pool));
    conn->direct = pid && apr_atoi64(pid) == PQbackendPID(conn->pg);
    return NULL;
}

static est_err_t *check_version(const char *db, apr_int64_t version, apr_pool_t *pool)
{
    if (version < STORE_PG_SCHEMA_VERSION)
        return EST_FAIL(pool, schema_version,
                        "schema est of database \"%s\" has version %" APR_INT64_T_FMT
                        ", this module needs %d: run sql/install.sql, which brings migration %04d",
                        db, version, STORE_PG_SCHEMA_VERSION, STORE_PG_SCHEMA_VERSION);
    if (version > STORE_PG_SCHEMA_VERSION)
        return EST_FAIL(pool, schema_version,
                        "schema est of database \"%s\" has version %" APR_INT64_T_FMT
                        ", this module knows %d: install the mod_est that has migration %04" APR_INT64_T_FMT,
                        db, version, STORE_PG_SCHEMA_VERSION, version);
    return NULL;
}

static est_err_t *denied_error(const store_pg_conn_t *conn, const char *what, apr_pool_t *pool)
{
    return EST_FAIL(pool, schema_version,
                    "role \"%s\" %s in database \"%s\": connect as est_module, or grant est_module to it",
                    PQuser(conn->pg), what, PQdb(conn->pg));
}

static est_err_t *check_schema(store_pg_conn_t *conn, apr_time_t deadline, apr_pool_t *pool)
{
    static const char *const missing[] = {"42P01", "3F000", NULL}, *const denied[] = {"42501", NULL};
    const char *db = PQdb(conn->pg), *text, *is_module, *sqlstate;
    PGresult *result;
    est_err_t *err = store_pg_conn_run(&result, conn, STORE_PG_STMT_SCHEMA_VERSION, NULL, deadline, pool);

    if (err && (err->code != EST_E_store_failed || !result))
        return err;
    sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (err && is_one_of(sqlstate, missing))
        return EST_FAIL(pool, schema_version, "database \"%s\" has no schema est: run sql/install.sql in it", db);
    if (err && is_one_of(sqlstate, denied))
        return denied_error(conn, "may not read schema est", pool);
    EST_TRY(err);
    EST_TRY(store_pg_column(&text, result, 0, "max", pool));
    EST_TRY(store_pg_column(&is_module, result, 0, "is_module", pool));
    EST_TRY(check_version(db, text ? apr_atoi64(text) : 0, pool));
    return is_module && *is_module == 't' ? NULL : denied_error(conn, "has not the rights of est_module", pool);
}

est_err_t *store_pg_conn_open(store_pg_conn_t *conn, const store_pg_target_t *target, apr_time_t deadline,
                              apr_pool_t *pool)
{
    apr_size_t n = (apr_size_t)target->n, skip = target->has_timeout ? 0 : 1;
    const char **keywords = apr_pcalloc(pool, (n + skip + 1) * sizeof(*keywords));
    const char **values = apr_pcalloc(pool, (n + skip + 1) * sizeof(*values));
    est_err_t *err;

    if (skip) {
        keywords[0] = "connect_timeout";
        values[0] = apr_itoa(pool, store_pg_target_timeout(target, deadline - store_pg_clock()));
    }
    memcpy(keywords + skip, target->keywords, n * sizeof(*keywords));
    memcpy(values + skip, target->values, n * sizeof(*values));
    /* Not PQconnectStart: that ignores connect_timeout and never leaves a host that hangs */
    conn->pg = PQconnectdbParams(keywords, values, 0);
    if (!conn->pg)
        return EST_FAIL(pool, store_unavailable, "no memory for a database connection");
    if (PQstatus(conn->pg) != CONNECTION_OK) {
        err = EST_FAIL(pool, store_unavailable, "%s", connection_error(conn, pool));
    } else {
        PQsetNoticeReceiver(conn->pg, on_notice, conn);
        (void)PQsetnonblocking(conn->pg, 1);
        if (!(err = find_pooler(conn, deadline, pool)))
            err = check_schema(conn, deadline, pool);
    }
    if (err)
        store_pg_conn_close(conn);
    return err;
}

void store_pg_conn_close(store_pg_conn_t *conn)
{
    if (conn->pg)
        PQfinish(conn->pg);
    *conn = (store_pg_conn_t){.keep_notifies = conn->keep_notifies};
}

int store_pg_conn_is_alive(store_pg_conn_t *conn)
{
    struct pollfd pfd = {.fd = PQsocket(conn->pg), .events = POLLIN};

    while (poll(&pfd, 1, 0) > 0)
        if (!PQconsumeInput(conn->pg) || PQstatus(conn->pg) != CONNECTION_OK ||
            pfd.revents & (POLLERR | POLLHUP | POLLNVAL))
            return 0;
    return PQstatus(conn->pg) == CONNECTION_OK;
}

est_err_t *store_pg_conn_receive(store_pg_conn_t *conn, apr_pool_t *pool)
{
    if (PQconsumeInput(conn->pg) && PQstatus(conn->pg) == CONNECTION_OK)
        return NULL;
    conn->lost = 1;
    return EST_FAIL(pool, store_unavailable, "%s", connection_error(conn, pool));
}
