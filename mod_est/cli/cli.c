/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli.h"

#include "base/est_bytes.h"
#include "cli_options.h"

#include <errno.h>
#include <string.h>

#ifndef CLI_VERSION_TEXT
#error "CLI_VERSION_TEXT is the package's version"
#endif

est_err_t *cli_sql(store_pg_table_t **out, cli_t *cli, const char *statement, const char *const *params, int n)
{
    if (!cli->db)
        EST_TRY(store_pg_admin_open(&cli->db, cli->dbname, cli->pool));
    return store_pg_admin_run(out, cli->db, statement, params, n, cli->pool);
}

const char *cli_cell(const store_pg_table_t *table, const char *column)
{
    for (int i = 0; table->n_rows && i < table->n_columns; i++)
        if (!strcmp(table->names[i], column))
            return table->cells[i];
    return NULL;
}

int cli_status(const est_err_t *err)
{
    switch (err->code) {
    case EST_E_config:
        return 2;
    case EST_E_store_unavailable:
    case EST_E_schema_version:
        return 3;
    default:
        return 1;
    }
}

/* One line, of which no octet does anything to a terminal */
static int print_error(const est_err_t *err)
{
    fprintf(stderr, "estctl: %s\n", est_err_text(err));
    return cli_status(err);
}

/* What was printed may not have arrived: the disk is full, the reader has gone */
static est_err_t *flush(const cli_t *cli)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return NULL;
    return EST_FAIL(cli->pool, file, "standard output: %s", strerror(errno));
}

int cli_main(int argc, const char *const *argv, apr_pool_t *pool)
{
    cli_t cli = {.pool = pool};
    cli_wish_t wish;
    est_err_t *err = cli_options_parse(&wish, &cli, argc, argv), *written;

    if (!err && wish == CLI_HELP)
        cli_options_help(stdout, cli.command);
    else if (!err && wish == CLI_VERSION)
        printf("estctl %s\n", CLI_VERSION_TEXT);
    else if (!err)
        err = cli.command->run(&cli);
    if ((written = flush(&cli)) && !err)
        err = written;
    return err ? print_error(err) : cli.findings ? 1 : 0;
}
