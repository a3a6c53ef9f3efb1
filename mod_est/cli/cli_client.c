/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* estctl client ...: registered clients */

#include "cli_commands.h"
#include "cli_print.h"
#include "cli_text.h"

#include "base/est_bytes.h"

#include <apr_strings.h>
#include <string.h>

#define MAX_PASSWORD 1024 /* the database has the rule; this is for files given by mistake */
#define MAX_CERTIFICATE 65536

/* --- client add */

static const cli_option_t add_options[] = {
    {"password-stdin", NULL, "read the password from standard input"},
    {"groups", "LIST", "names or ids of groups (default: default)"},
    {"names", "LIST", "own, *, or patterns of names it may ask for (default: own)"},
    {"networks", "LIST", "networks it may come from (default: any)"},
    {"valid-until", "TIME", "when it ends, such as 2027-01-31"},
    {"certificate", "FILE", "PEM: known by this certificate, no password is made"},
    {"description", "TEXT", "for people"},
    {NULL, NULL, NULL}};

/* The first line of standard input */
static est_err_t *read_password(const char **out, const cli_t *cli)
{
    const char *text;

    EST_TRY(cli_text_read(&text, "-", MAX_PASSWORD, cli->pool));
    *out = apr_pstrndup(cli->pool, text, strcspn(text, "\r\n"));
    if (text[strcspn(text, "\n")] && text[strcspn(text, "\n") + 1])
        return EST_FAIL(cli->pool, config, "standard input has more than one line, which is no password");
    return NULL;
}

static est_err_t *add(cli_t *cli)
{
    const char *user = cli->operands[0], *password = NULL, *certificate = NULL, *made;
    store_pg_table_t *table;

    if (cli_option(cli, "password-stdin"))
        EST_TRY(read_password(&password, cli));
    if (cli_option(cli, "certificate"))
        EST_TRY(cli_text_read(&certificate, cli_option(cli, "certificate"), MAX_CERTIFICATE, cli->pool));
    EST_TRY(CLI_SQL(&table, cli, "client_add", user, password, cli_option(cli, "groups"), cli_option(cli, "names"),
                    cli_option(cli, "networks"), cli_option(cli, "valid-until"), cli_option(cli, "description"),
                    certificate));
    made = cli_cell(table, "password");
    return cli_print_one(cli,
                         apr_psprintf(cli->pool, "client %s is registered%s", user,
                                      made ? "; its password, which is shown this once:" : ""),
                         made, "user", user, "password", made, NULL);
}

const cli_command_t cli_client_add = {
    .name = "client add",
    .operands = "USER",
    .min = 1,
    .max = 1,
    .summary = "Register a client, and print the password that is made for it",
    .text =
        "A client may enrol at the aliases of its groups. With names \"own\" it asks for a name equal to USER, with\n"
        "patterns for names that match, with \"*\" for any: a registration authority. LIST has commas.",
    .options = add_options,
    .run = add};

/* --- client list */

static est_err_t *list(cli_t *cli)
{
    const char *pattern = cli->n_operands ? cli->operands[0] : NULL;
    store_pg_table_t *table;

    EST_TRY(CLI_SQL(&table, cli, "client_list", cli_text_like(pattern, cli->pool)));
    EST_TRY(cli_print_table(cli, table));
    if (pattern && !table->n_rows)
        return EST_FAIL(cli->pool, not_found, "no client matches \"%s\"", pattern);
    return NULL;
}

const cli_command_t cli_client_list = {
    .name = "client list",
    .operands = "[PATTERN]",
    .max = 1,
    .summary = "List clients, all of them or those whose name matches",
    .text =
        "In PATTERN * is any run of characters and ? is one; a text without them is looked for anywhere in the name.",
    .run = list};

/* --- client enable, client disable */

static est_err_t *switch_client(cli_t *cli, const char *enabled, const char *what)
{
    const char *user = cli->operands[0];
    store_pg_table_t *table;

    EST_TRY(CLI_SQL(&table, cli, "client_switch", user, enabled));
    if (!table->n_rows)
        return EST_FAIL(cli->pool, not_found, "there is no client \"%s\"", user);
    return cli_print_one(cli, apr_psprintf(cli->pool, "client %s is %s", user, what), NULL, "user", user, "state", what,
                         NULL);
}

static est_err_t *enable(cli_t *cli)
{
    return switch_client(cli, "true", "enabled");
}

static est_err_t *disable(cli_t *cli)
{
    return switch_client(cli, "false", "disabled");
}

const cli_command_t cli_client_enable = {
    .name = "client enable", .operands = "USER", .min = 1, .max = 1, .summary = "Let a client in again", .run = enable};

const cli_command_t cli_client_disable = {.name = "client disable",
                                          .operands = "USER",
                                          .min = 1,
                                          .max = 1,
                                          .summary = "Shut a client out, at once",
                                          .text = "Certificates that it has got stay valid: see estctl revoke.",
                                          .run = disable};
