/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store_pg_admin.h"

#include "store_admin_sql.h"
#include "store_pg.h"

#include <apr_strings.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#define COPY_CHUNK 65536
#define STORE_TIMEOUT apr_time_from_sec(60) /* a person can wait, or press Ctrl-C */

struct store_pg_admin_t {
    PGconn *pg;
    store_pg_place_t place;
};

static const struct {
    const char *name, *sql;
} statements[] = {
#define X(name, macro) {#name, STORE_ADMIN_SQL_##macro},
    STORE_ADMIN_SQL_STATEMENTS(X)
#undef X
};

static const char *sql_of(const char *name)
{
    for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++)
        if (!strcmp(statements[i].name, name))
            return statements[i].sql;
    return NULL;
}

/* --- errors */

/* Several lines as one, without the ends of lines and the tabs in front of some */
static const char *one_line(const char *text, apr_pool_t *pool)
{
    char *state;
    const char *all = NULL;

    for (const char *line = apr_strtok(apr_pstrdup(pool, text), "\r\n\t", &state); line;
         line = apr_strtok(NULL, "\r\n\t", &state))
        all = all ? apr_pstrcat(pool, all, "; ", line, NULL) : line;
    return all ? all : "";
}

static est_err_t *lost(const store_pg_admin_t *admin, apr_pool_t *pool)
{
    const char *text = one_line(PQerrorMessage(admin->pg), pool);

    return EST_FAIL(pool, store_unavailable, "%s", *text ? text : "the connection to the database is lost");
}

/* What mends it, where PostgreSQL cannot know */
static const char *remedy(const char *sqlstate)
{
    /* A table, column, function, parameter or schema that is not there */
    static const char *const unfit[] = {"42P01", "42703", "42883", "42P02", "3F000"};

    for (size_t i = 0; i < sizeof(unfit) / sizeof(*unfit); i++)
        if (!strcmp(sqlstate, unfit[i]))
            return " (estctl and schema do not fit: is this the right database? If so, run sql/install.sql of "
                   "estctl's version)";
    return strcmp(sqlstate, "42501") ? "" : " (your role has to be a member of est_admin)";
}

/* Is the database in trouble, or did it refuse what was asked? By class of SQLSTATE: connection, rights, transaction,
 * resources, operator, system, internal. A lock that is not given (55P03) is trouble too. */
static int is_trouble(const char *sqlstate)
{
    static const char *const classes[] = {"08", "0A", "25", "28", "3D", "3F", "40",
                                          "42", "53", "54", "57", "58", "F0", "XX"};

    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
        if (!strncmp(sqlstate, classes[i], 2))
            return 1;
    return !strcmp(sqlstate, "55P03");
}

/* Where PostgreSQL says that the error is. Words of a context are translated, what counts here is not: "unnamed portal
 * parameter $7 = ...", and "COPY t, line 3, column c: ..." with what stands in that line, and no digits in front */
static store_pg_place_t place_of(const char *context)
{
    store_pg_place_t place = {0, 0};
    const char *dollar;

    if (!context)
        return place;
    if (!strncmp(context, "COPY ", 5))
        place.line = atoi(context + strcspn(context, "0123456789"));
    else if (!strchr(context, '\n') && (dollar = strstr(context, " $"))) /* several lines are a function's */
        place.parameter = atoi(dollar + 2);
    return place;
}

static est_err_t *judge(store_pg_admin_t *admin, const PGresult *result, apr_pool_t *pool)
{
    ExecStatusType status = PQresultStatus(result);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);
    const char *text;

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN)
        return NULL;
    if (!sqlstate || !message || PQstatus(admin->pg) != CONNECTION_OK)
        return lost(admin, pool);
    admin->place = place_of(context);
    text = one_line(message, pool);
    if (hint)
        text = apr_psprintf(pool, "%s (%s)", text, one_line(hint, pool));
    if (is_trouble(sqlstate))
        return EST_FAIL(pool, store_unavailable, "%s%s", text, hint ? "" : remedy(sqlstate));
    return EST_FAIL(pool, store_failed, "%s", text);
}

/* --- the connection */

static apr_status_t close_connection(void *data)
{
    PQfinish(data);
    return APR_SUCCESS;
}

/* In a URI, an "@" that is not the one in front of the host: of a password that is not percent-encoded, of which libpq
 * would take a part for the host or the port, and say so */
static int has_stray_at(const char *conninfo)
{
    const char *start = strstr(conninfo, "://"), *at, *slash;
    size_t n;

    if (!start)
        return 0;
    start += 3;
    n = strcspn(start, "?");
    at = memchr(start, '@', n);
    slash = memchr(start, '/', n);
    return at && ((slash && slash < at) || memchr(at + 1, '@', n - (size_t)(at + 1 - start)));
}

/* libpq's message for a string that it cannot read quotes from it, which may be the password */
static est_err_t *check_conninfo(const char *conninfo, apr_pool_t *pool)
{
    PQconninfoOption *options;
    char *message = NULL;
    const char *shown = "";

    if (!conninfo || (!strchr(conninfo, '=') && !strstr(conninfo, "://")))
        return NULL; /* a name */
    if (has_stray_at(conninfo))
        return EST_FAIL(pool, config,
                        "connection string cannot be read: \"@\" and \"/\" of a password are %%40 and %%2F");
    if ((options = PQconninfoParse(conninfo, &message))) {
        PQconninfoFree(options);
        return NULL;
    }
    if (message && !strstr(conninfo, "pass") && !strchr(conninfo, '@'))
        shown = apr_pstrcat(pool, ": ", one_line(message, pool), NULL);
    PQfreemem(message);
    return EST_FAIL(pool, config, "connection string cannot be read%s", shown);
}

est_err_t *store_pg_admin_open(store_pg_admin_t **out, const char *conninfo, apr_pool_t *pool)
{
    store_pg_admin_t *admin = apr_pcalloc(pool, sizeof(*admin));
    /* In front of dbname: what comes first gives way to what a connection string says */
    const char *keywords[] = {"connect_timeout", "dbname", "fallback_application_name", "client_encoding", NULL};
    const char *values[] = {getenv("PGCONNECT_TIMEOUT") ? NULL : "10", conninfo, "estctl", "UTF8", NULL};

    EST_TRY(check_conninfo(conninfo, pool));
    if (!(admin->pg = PQconnectdbParams(keywords, values, 1)))
        return EST_FAIL(pool, store_unavailable, "no memory for a database connection");
    apr_pool_cleanup_register(pool, admin->pg, close_connection, apr_pool_cleanup_null);
    if (PQstatus(admin->pg) != CONNECTION_OK)
        return EST_FAIL(pool, store_unavailable, "%s%s", one_line(PQerrorMessage(admin->pg), pool),
                        PQconnectionNeedsPassword(admin->pg) ? " (put it into ~/.pgpass)" : "");
    *out = admin;
    return NULL;
}

/* --- statements */

static store_pg_type_t type_of(Oid oid)
{
    switch (oid) { /* catalog/pg_type_d.h of the server, whose numbers are fixed */
    case 16:
        return STORE_PG_BOOLEAN;
    case 20: /* int8, int2, int4, float4, float8, numeric */
    case 21:
    case 23:
    case 700:
    case 701:
    case 1700:
        return STORE_PG_NUMBER;
    case 1184:
        return STORE_PG_TIME;
    case 114: /* json, jsonb */
    case 3802:
        return STORE_PG_JSON;
    default:
        return STORE_PG_TEXT;
    }
}

static store_pg_table_t *table_of(const PGresult *result, apr_pool_t *pool)
{
    store_pg_table_t *table = apr_pcalloc(pool, sizeof(*table));
    apr_size_t columns = (apr_size_t)PQnfields(result), rows = (apr_size_t)PQntuples(result);

    table->n_columns = PQnfields(result);
    table->n_rows = PQntuples(result);
    table->names = apr_pcalloc(pool, (columns + 1) * sizeof(char *));
    table->types = apr_pcalloc(pool, (columns + 1) * sizeof(*table->types));
    table->cells = apr_pcalloc(pool, (rows * columns + 1) * sizeof(char *));
    for (int c = 0; c < table->n_columns; c++) {
        table->names[c] = apr_pstrdup(pool, PQfname(result, c));
        table->types[c] = type_of(PQftype(result, c));
    }
    for (int r = 0; r < table->n_rows; r++)
        for (int c = 0; c < table->n_columns; c++)
            if (!PQgetisnull(result, r, c))
                table->cells[r * table->n_columns + c] = apr_pstrdup(pool, PQgetvalue(result, r, c));
    return table;
}

/* Reads all results of what was sent; the first failure counts */
static est_err_t *finish(store_pg_table_t **out, store_pg_admin_t *admin, apr_pool_t *pool)
{
    est_err_t *err = NULL;
    PGresult *result;

    while ((result = PQgetResult(admin->pg))) {
        ExecStatusType status = PQresultStatus(result);

        if (!err)
            err = judge(admin, result, pool);
        if (!err && out)
            *out = table_of(result, pool);
        PQclear(result);
        if (status == PGRES_COPY_IN || PQstatus(admin->pg) != CONNECTION_OK)
            break;
    }
    return err;
}

est_err_t *store_pg_admin_run(store_pg_table_t **out, store_pg_admin_t *admin, const char *name,
                              const char *const *params, int n, apr_pool_t *pool)
{
    const char *sql = sql_of(name);

    admin->place = (store_pg_place_t){0, 0};
    if (!sql)
        return EST_FAIL(pool, internal, "no statement \"%s\"", name);
    if (!PQsendQueryParams(admin->pg, sql, n, NULL, params, NULL, NULL, 0))
        return lost(admin, pool);
    return finish(out, admin, pool);
}

est_err_t *store_pg_admin_store(store_t **out, store_pg_admin_t *admin, apr_pool_t *pool)
{
    return store_pg_lend(out, admin->pg, STORE_TIMEOUT, pool);
}

store_pg_place_t store_pg_admin_place(const store_pg_admin_t *admin)
{
    return admin->place;
}

/* --- COPY */

static int is_plain(const char *name)
{
    return *name && name[strspn(name, "abcdefghijklmnopqrstuvwxyz_")] == '\0';
}

static est_err_t *copy_statement(const char **out, const char *table, const char *const *columns, apr_pool_t *pool)
{
    const char *list = NULL;
    int plain = is_plain(table);

    for (; *columns; columns++) {
        plain &= is_plain(*columns);
        list = list ? apr_pstrcat(pool, list, ", ", *columns, NULL) : *columns;
    }
    if (!plain || !list)
        return EST_FAIL(pool, internal, "COPY of names that are no constants");
    *out = apr_psprintf(pool, "COPY pg_temp.%s (%s) FROM STDIN (FORMAT csv, HEADER)", table, list);
    return NULL;
}

est_err_t *store_pg_admin_copy(store_pg_admin_t *admin, const char *table, const char *const *columns,
                               store_pg_read_t *read, void *ctx, apr_pool_t *pool)
{
    char *buf = apr_palloc(pool, COPY_CHUNK);
    apr_size_t got = 0;
    const char *sql = NULL;
    est_err_t *err, *ended;

    admin->place = (store_pg_place_t){0, 0};
    EST_TRY(copy_statement(&sql, table, columns, pool));
    if (!PQsendQueryParams(admin->pg, sql, 0, NULL, NULL, NULL, NULL, 0))
        return lost(admin, pool);
    EST_TRY(finish(NULL, admin, pool));
    while (!(err = read(ctx, buf, COPY_CHUNK, &got)) && got)
        if (PQputCopyData(admin->pg, buf, (int)got) != 1)
            return lost(admin, pool);
    if (PQputCopyEnd(admin->pg, err ? "the file cannot be read" : NULL) != 1)
        return lost(admin, pool);
    ended = finish(NULL, admin, pool);
    return err ? err : ended;
}
