/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* estctl search: what was asked for, and what was issued */

#include "cli_commands.h"
#include "cli_print.h"
#include "cli_text.h"

#include <string.h>

static const cli_option_t options[] = {
    {"serial", "HEX", "serial number, as any tool prints it"},
    {"subject", "TEXT", "subject, as in CN=dev1,O=Example"},
    {"san", "TEXT", "a name in subjectAltName, as in dns:dev1.example.com"},
    {"entity", "TEXT", "name of the end entity"},
    {"identity", "TEXT", "who asked: user name, or subject of its certificate"},
    {"alias", "NAME", "alias, as it was called then"},
    {"status", "STATUS", "of the certificate: valid, revoked, expired"},
    {"outcome", "OUTCOME", "issued, pending, approved, denied, forwarded, failed, expired, refused, suppressed"},
    {"issued-after", "TIME", "asked for or issued at this time or later"},
    {"issued-before", "TIME", "earlier than this"},
    {"expires-before", "TIME", "certificates that end before this"},
    {"limit", "N", "at most so many, the newest first (default: 100)"},
    {"pem", NULL, "print the certificates themselves"},
    {NULL, NULL, NULL}};

static const char *const columns[] = {"at",     "outcome", "alias",   "operation", "identity",
                                      "entity", "serial",  "subject", "san",       "not_after",
                                      "status", "rule",    "reason",  "id",        NULL};

static const char *const states[] = {"valid", "revoked", "expired", NULL};
static const char *const outcomes[] = {"issued", "pending", "approved", "denied",     "forwarded",
                                       "failed", "expired", "refused",  "suppressed", NULL};

static const char *like(const cli_t *cli, const char *option)
{
    return cli_text_like(cli_option(cli, option), cli->pool);
}

/* Certificates in PEM, each below a line that says what it is */
static void print_pem(const cli_t *cli, const store_pg_table_t *table)
{
    int pem = -1, subject = -1;

    for (int c = 0; c < table->n_columns; c++) {
        if (!strcmp(table->names[c], "pem"))
            pem = c;
        else if (!strcmp(table->names[c], "subject"))
            subject = c;
    }
    for (int r = 0; pem >= 0 && r < table->n_rows; r++) {
        const char *const *row = table->cells + r * table->n_columns;

        if (row[pem] && !cli->quiet && subject >= 0 && row[subject])
            printf("%s\n", cli_print_shown(row[subject], cli->pool));
        if (row[pem])
            printf("%s\n", row[pem]);
    }
}

static est_err_t *search(cli_t *cli)
{
    const char *serial = cli_option(cli, "serial"), *text = cli->n_operands ? cli->operands[0] : NULL;
    const char *limit = cli_option(cli, "limit"), *pem = cli_option(cli, "pem") ? "true" : "false";
    store_pg_table_t *table;

    if (serial && !(serial = cli_text_serial(serial, cli->pool)))
        return EST_FAIL(cli->pool, config, "--serial %s is not a hexadecimal number", cli_option(cli, "serial"));
    EST_TRY(cli_option_check(cli, "status", states));
    EST_TRY(cli_option_check(cli, "outcome", outcomes));
    EST_TRY(CLI_SQL(&table, cli, "search", serial, like(cli, "subject"), like(cli, "san"), like(cli, "entity"),
                    like(cli, "identity"), cli_option(cli, "alias"), cli_option(cli, "status"),
                    cli_option(cli, "outcome"), cli_option(cli, "issued-after"), cli_option(cli, "issued-before"),
                    cli_option(cli, "expires-before"), cli_text_like(text, cli->pool),
                    text ? cli_text_serial(text, cli->pool) : NULL, limit ? limit : "100", pem));
    if (cli_option(cli, "pem") && !cli->json)
        print_pem(cli, table);
    else
        EST_TRY(cli_print_some(cli, table, columns));
    return table->n_rows ? NULL : EST_FAIL(cli->pool, not_found, "nothing found");
}

const cli_command_t cli_search = {
    .name = "search",
    .operands = "[TEXT]",
    .max = 1,
    .summary = "Find certificates and enrolments",
    .text = "All options that are given have to fit. TEXT is looked for in serial, names, entity and identity. In "
            "texts * is\n"
            "any run of characters and ? is one; a text without them is looked for anywhere in the value. Letters of\n"
            "either case are the same. TIME is as PostgreSQL takes it: 2026-01-31, '2026-01-31 12:00', yesterday.",
    .options = options,
    .run = search};
