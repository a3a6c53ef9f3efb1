/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* estctl revoke */

#include "cli_commands.h"
#include "cli_print.h"

static const cli_option_t options[] = {{"reason", "REASON", "of RFC 5280 (default: unspecified)"},
                                       {"ca", "NAME", "EstCA or issuer, where several CAs have used the serial"},
                                       {NULL, NULL, NULL}};

static est_err_t *revoke_certificate(cli_t *cli)
{
    store_pg_table_t *table;

    EST_TRY(CLI_SQL(&table, cli, "revoke", cli->operands[0], cli_option(cli, "reason"), cli_option(cli, "ca")));
    return cli_print_one(cli, cli_cell(table, "result"), NULL, "result", cli_cell(table, "result"), NULL);
}

const cli_command_t cli_revoke = {
    .name = "revoke",
    .operands = "SERIAL",
    .min = 1,
    .max = 1,
    .summary = "Revoke a certificate: from now on it is worth nothing at any alias",
    .text = "SERIAL is hexadecimal as any tool prints it: either case, with or without colons, 0x and leading zeros.\n"
            "Reasons: unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation,\n"
            "certificateHold, privilegeWithdrawn, aACompromise.",
    .options = options,
    .run = revoke_certificate};
