/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

/* The table of commands */

#include "cli.h"

#define CLI_COMMAND(name) extern const cli_command_t name;
#include "cli_commands.def"
#undef CLI_COMMAND

/* NULL at the end */
extern const cli_command_t *const cli_commands[];

/* The command that the words begin with, and how many of them are its name; NULL: there is none */
const cli_command_t *cli_commands_find(int *used, int n, const char *const *words);

/* Does a command begin with this word, such as "client"? */
int cli_commands_is_group(const char *word);

#endif
