/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_H
#define CLI_H

/*
 * The program estctl: what a command is, and what it is given. A command is a function and a row of data about it in a
 * file of its own, and a row in cli_commands.def. It returns an error instead of printing one: cli_main() alone does
 * that, and makes the exit status of it.
 */

#include "base/est_err.h"
#include "store/store_pg_admin.h"

#include <apr_tables.h>
#include <stdio.h>

/* An option of a command. value: what its argument is called in the help; NULL: it has none. An option may be repeated:
 * cli_option() has the last, cli_options() all. */
typedef struct {
    const char *name;
    const char *value;
    const char *text; /* one line for the help */
} cli_option_t;

typedef struct cli_t cli_t;

typedef struct {
    const char *name;            /* its words: "client add" */
    const char *operands;        /* for the help: "USER" */
    int min, max;                /* how many operands; max -1: any number */
    const char *summary;         /* one line */
    const char *text;            /* more lines for its help, or NULL */
    const cli_option_t *options; /* a row of NULLs at the end; NULL: none */
    est_err_t *(*run)(cli_t *cli);
} cli_command_t;

struct cli_t {
    apr_pool_t *pool;
    const char *dbname; /* -d, or NULL */
    int json, quiet;    /* --json, --quiet */
    int findings;       /* set by a command that did its work and has bad news: exit status 1 */
    const cli_command_t *command;
    apr_array_header_t **values; /* of const char *, one array for each option of the command */
    int n_operands;
    const char *const *operands;
    store_pg_admin_t *db; /* NULL until the first statement */
};

/* The last value of an option, "" for one without argument, NULL when it was not given */
const char *cli_option(const cli_t *cli, const char *name);
/* Fails with config when the option is given with a value that is none of words, which end with NULL */
est_err_t *cli_option_check(const cli_t *cli, const char *name, const char *const *words);
/* All values, of const char * */
const apr_array_header_t *cli_options(const cli_t *cli, const char *name);

/* store_pg_admin_run() over the connection of this run, which is opened when it is first needed. Parameters are texts
 * or NULL. out may be NULL. */
est_err_t *cli_sql(store_pg_table_t **out, cli_t *cli, const char *statement, const char *const *params, int n);
#define CLI_SQL(out, cli, statement, ...)                                                                              \
    cli_sql((out), (cli), (statement), (const char *const[]){__VA_ARGS__},                                             \
            (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)))
/* The cell of the first row in a column of that name, NULL when there is none of either */
const char *cli_cell(const store_pg_table_t *table, const char *column);

/* Exit status of an error: 1 refused or not found, 2 usage, 3 database trouble */
int cli_status(const est_err_t *err);

/* The program without the process: parses, runs, prints errors; the exit status */
int cli_main(int argc, const char *const *argv, apr_pool_t *pool);

#endif
