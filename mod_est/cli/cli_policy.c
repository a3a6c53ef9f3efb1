/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_policy.h"

#include "store/store_pg.h"

#include <apr_strings.h>
#include <string.h>

static apr_time_t now(const est_env_t *env)
{
    (void)env;
    return apr_time_now();
}

/* Nothing is made here that has to be hard to guess */
static int no_random(const est_env_t *env, unsigned char *buf, apr_size_t len)
{
    (void)env;
    memset(buf, 0, len);
    return 0;
}

static void log_line(const est_env_t *env, est_log_level_t level, const char *line)
{
    (void)env;
    if (level >= EST_LOG_WARNING)
        fprintf(stderr, "estctl: %s\n", line);
}

static const est_env_t environment = {.now = now, .random = no_random, .log = log_line};

/* Of another version the tables may be other ones */
static est_err_t *check_version(cli_t *cli)
{
    const char *known = apr_itoa(cli->pool, STORE_PG_SCHEMA_VERSION);
    store_pg_table_t *table;

    EST_TRY(cli_sql(&table, cli, "check_version", &known, 1));
    return table->n_rows ? EST_FAIL(cli->pool, schema_version, "%s", cli_cell(table, "finding")) : NULL;
}

est_err_t *cli_policy_open(est_service_t *service, cli_t *cli)
{
    memset(service, 0, sizeof(*service));
    EST_TRY(check_version(cli));
    EST_TRY(cli_sql(NULL, cli, "is_admin", NULL, 0));
    EST_TRY(cli_sql(NULL, cli, "read_only", NULL, 0));
    EST_TRY(store_pg_admin_store(&service->store, cli->db, cli->pool));
    service->env = &environment;
    EST_TRY(store_cache_make(&service->cache, service->store, service->env, cli->pool));
    return est_lru_make(&service->paths, 1, cli->pool);
}
