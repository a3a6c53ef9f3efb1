/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store_pg_target.h"

#include <apr_strings.h>
#include <libpq-fe.h>
#include <string.h>

#define MIN_TIMEOUT 2
#define MAX_DEFAULTS 8

static apr_status_t options_free(void *data)
{
    PQconninfoFree(data);
    return APR_SUCCESS;
}

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword; options++)
        if (!strcmp(options->keyword, keyword))
            return options->val && *options->val ? options->val : NULL;
    return NULL;
}

static int count_hosts(const PQconninfoOption *options)
{
    const char *list = value_of(options, "hostaddr");
    int n = 1;

    if (!list)
        list = value_of(options, "host");
    if (!list)
        return value_of(options, "service") ? 2 : 1; /* the service file may name several */
    for (; *list; list++)
        n += *list == ',';
    return n;
}

static void add(store_pg_target_t *target, const char *keyword, const char *value)
{
    target->keywords[target->n] = keyword;
    target->values[target->n++] = value;
}

static void add_defaults(store_pg_target_t *target, const PQconninfoOption *options)
{
    /* A dead peer is noticed in a minute between statements, in three seconds once something was sent to it */
    static const char *const tcp[][2] = {{"keepalives_idle", "30"},
                                         {"keepalives_interval", "10"},
                                         {"keepalives_count", "3"},
                                         {"tcp_user_timeout", "3000"}};

    add(target, "client_encoding", "UTF8");
    add(target, "fallback_application_name", "mod_est");
    if (value_of(options, "service")) /* what is given here would go before what the service file says */
        return;
    for (size_t i = 0; i < sizeof(tcp) / sizeof(*tcp); i++)
        if (!value_of(options, tcp[i][0]))
            add(target, tcp[i][0], tcp[i][1]);
    /* A server that cannot be written to is of no use: everything ends in a row. With this it is away, as one that is
     * down, and each attempt says why. */
    if (!value_of(options, "target_session_attrs"))
        add(target, "target_session_attrs", "read-write");
}

est_err_t *store_pg_target_make(store_pg_target_t **out, const char *conninfo, apr_pool_t *pool)
{
    static const char *const secrets[] = {"password", "sslpassword"};
    store_pg_target_t *target = apr_pcalloc(pool, sizeof(*target));
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, &message);
    apr_size_t max = MAX_DEFAULTS + 1;

    if (!options) {
        const char *text = apr_pstrdup(pool, message ? message : "out of memory");

        PQfreemem(message);
        return EST_FAIL(pool, config, "database connection string: %s", text);
    }
    apr_pool_cleanup_register(pool, options, options_free, apr_pool_cleanup_null);
    for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++)
        if (value_of(options, secrets[i]))
            return EST_FAIL(pool, config,
                            "%s= does not belong into the database connection string, which mod_info shows: use "
                            "passfile= or service=",
                            secrets[i]);

    for (const PQconninfoOption *o = options; o->keyword; o++)
        max += o->val != NULL;
    target->keywords = apr_pcalloc(pool, max * sizeof(char *));
    target->values = apr_pcalloc(pool, max * sizeof(char *));
    target->has_timeout = value_of(options, "connect_timeout") != NULL;
    target->n_hosts = count_hosts(options);
    for (const PQconninfoOption *o = options; o->keyword; o++)
        if (o->val && strcmp(o->keyword, "client_encoding") != 0)
            add(target, o->keyword, o->val);
    add_defaults(target, options);
    *out = target;
    return NULL;
}

int store_pg_target_timeout(const store_pg_target_t *target, apr_interval_time_t left)
{
    apr_int64_t seconds = apr_time_sec(left) / (target->n_hosts + 1);

    return seconds < MIN_TIMEOUT ? MIN_TIMEOUT : (int)seconds;
}
