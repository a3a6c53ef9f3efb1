/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

/* Results on standard output: tables for people, JSON for programs */

#include "cli.h"

#include <jansson.h>

/* A result: with --json an array of objects; else a table with headings, or, on a terminal that is too narrow for it, a
 * line for each value. With --quiet without headings. */
est_err_t *cli_print_table(const cli_t *cli, const store_pg_table_t *table);

/* The same, of which people see those columns alone (NULL at the end); JSON has all */
est_err_t *cli_print_some(const cli_t *cli, const store_pg_table_t *table, const char *const *columns);

/* A table of our own making, to be filled row by row and printed as one of the database. names are borrowed and end
 * with NULL; all columns are texts. */
store_pg_table_t *cli_print_table_make(const char *const *names, apr_pool_t *pool);
/* Appends a row; cells are borrowed, as many as there are columns */
void cli_print_table_add(store_pg_table_t *table, const char *const *cells, apr_pool_t *pool);

/* With --json an object of pairs of name and value (NULL: null), NULL at the end; else the remark, unless --quiet, and
 * below it the essence, for scripts and eyes. Both may be NULL. */
est_err_t *cli_print_one(const cli_t *cli, const char *remark, const char *essence, ...) __attribute__((sentinel));

/* The result as JSON; to be released */
json_t *cli_print_json(const store_pg_table_t *table, apr_pool_t *pool);
/* Prints it, and releases it */
est_err_t *cli_print_json_out(const cli_t *cli, json_t *json);

/* A text without what could do something to a terminal */
const char *cli_print_shown(const char *text, apr_pool_t *pool);

/* The lines of a table as printed into that many columns (0: as many as it needs) */
const char *cli_print_text(const store_pg_table_t *table, int width, int headings, apr_pool_t *pool);

#endif
