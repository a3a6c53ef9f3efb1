/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* estctl pending, approve, deny: what waits for people; forwarded, give-up: what waits for a CA elsewhere */

#include "cli_commands.h"
#include "cli_print.h"

static const cli_option_t pending_options[] = {{"alias", "NAME", "only orders at this alias"}, {NULL, NULL, NULL}};

/* Orders as the statement lists them, of the alias that was named */
static est_err_t *list(cli_t *cli, const char *statement, const char *const *columns)
{
    const char *alias = cli_option(cli, "alias");
    store_pg_table_t *table;

    if (alias) {
        EST_TRY(CLI_SQL(&table, cli, "alias_find", alias));
        if (!table->n_rows)
            return EST_FAIL(cli->pool, not_found, "there is no alias \"%s\"", alias);
    }
    EST_TRY(CLI_SQL(&table, cli, statement, alias));
    return cli_print_some(cli, table, columns);
}

static est_err_t *pending(cli_t *cli)
{
    static const char *const columns[] = {"id",      "age", "alias",     "operation",  "identity", "entity",
                                          "subject", "san", "approvals", "expires_at", NULL};

    return list(cli, "pending", columns);
}

const cli_command_t cli_pending = {.name = "pending",
                                   .operands = "",
                                   .summary = "List the orders that wait for approval, the oldest first",
                                   .options = pending_options,
                                   .run = pending};

/* Prints the line that the function returned */
static est_err_t *print_line(const cli_t *cli, const store_pg_table_t *table)
{
    return cli_print_one(cli, cli_cell(table, "result"), NULL, "result", cli_cell(table, "result"), NULL);
}

static const cli_option_t approve_options[] = {{"note", "TEXT", "why, for the record"}, {NULL, NULL, NULL}};

static est_err_t *approve(cli_t *cli)
{
    store_pg_table_t *table;

    EST_TRY(CLI_SQL(&table, cli, "approve", cli->operands[0], cli_option(cli, "note")));
    return print_line(cli, table);
}

const cli_command_t cli_approve = {
    .name = "approve",
    .operands = "ID",
    .min = 1,
    .max = 1,
    .summary = "Approve an order: its client gets the certificate when it asks again",
    .text =
        "ID is as estctl pending prints it, or the first digits of it, at least four. Who approves is the database's\n"
        "user. Where an alias wants several approvals, each has to come from somebody else.",
    .options = approve_options,
    .run = approve};

static const cli_option_t deny_options[] = {{"reason", "TEXT", "why; the client reads it (required)"},
                                            {NULL, NULL, NULL}};

static est_err_t *deny(cli_t *cli)
{
    store_pg_table_t *table;

    if (!cli_option(cli, "reason"))
        return EST_FAIL(cli->pool, config, "--reason is missing; see estctl deny --help");
    EST_TRY(CLI_SQL(&table, cli, "deny", cli->operands[0], cli_option(cli, "reason")));
    return print_line(cli, table);
}

const cli_command_t cli_deny = {.name = "deny",
                                .operands = "ID",
                                .min = 1,
                                .max = 1,
                                .summary = "Deny an order, with a reason that its client reads",
                                .text = "ID is as estctl pending prints it, or the first digits of it, at least four.",
                                .options = deny_options,
                                .run = deny};

static est_err_t *forwarded(cli_t *cli)
{
    static const char *const columns[] = {"id",     "age",     "alias",      "operation", "identity",
                                          "entity", "subject", "upstream",   "attempt",   "ask_at",
                                          "busy",   "ca",      "expires_at", NULL};

    return list(cli, "forwarded", columns);
}

const cli_command_t cli_forwarded = {.name = "forwarded",
                                     .operands = "",
                                     .summary =
                                         "List the orders that CAs elsewhere have, or are to get, the oldest first",
                                     .text = "An order is asked for when its client comes again, not before ask_at. "
                                             "Without an upstream it has not been sent:\n"
                                             "none could be reached. One that is busy is being asked just now.",
                                     .options = pending_options,
                                     .run = forwarded};

static const cli_option_t give_up_options[] = {{"reason", "TEXT", "why, for the record"}, {NULL, NULL, NULL}};

static est_err_t *give_up(cli_t *cli)
{
    store_pg_table_t *table;

    EST_TRY(CLI_SQL(&table, cli, "give_up", cli->operands[0], cli_option(cli, "reason")));
    return print_line(cli, table);
}

const cli_command_t cli_give_up = {
    .name = "give-up",
    .operands = "ID",
    .min = 1,
    .max = 1,
    .summary = "End an order that a CA elsewhere has: the same request starts anew when it comes again",
    .text =
        "ID is as estctl forwarded prints it, or the first digits of it, at least four. The CA is not told: what it\n"
        "issues for the order is not known here.",
    .options = give_up_options,
    .run = give_up};
