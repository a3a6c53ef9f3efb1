/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

/* The command line: options of every command, the command's words, its own options and its operands */

#include "cli.h"

/* What every command takes; a row of NULLs at the end */
extern const cli_option_t cli_options_common[];

typedef enum { CLI_RUN, CLI_HELP, CLI_VERSION } cli_wish_t;

/* Fills cli (json, quiet, dbname, command, values, operands) from argv, whose texts it borrows. Options may stand
 * anywhere; "--" ends them. With CLI_HELP, command is the one to explain, or NULL for all. Fails with config: the
 * message is for people, and ends with where help is. */
est_err_t *cli_options_parse(cli_wish_t *wish, cli_t *cli, int argc, const char *const *argv);

/* The help of a command, or with NULL of the program */
void cli_options_help(FILE *out, const cli_command_t *command);

#endif
