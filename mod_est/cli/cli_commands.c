/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_commands.h"

#include <string.h>

const cli_command_t *const cli_commands[] = {
#define CLI_COMMAND(name) &name,
#include "cli_commands.def"
#undef CLI_COMMAND
    NULL};

/* How many words of name the arguments begin with; 0 unless with all of them */
static int words_matched(const char *name, int n, const char *const *words)
{
    int used = 0;

    while (*name) {
        size_t length = strcspn(name, " ");

        if (used == n || strlen(words[used]) != length || strncmp(words[used], name, length) != 0)
            return 0;
        used++;
        name += length;
        name += *name == ' ';
    }
    return used;
}

const cli_command_t *cli_commands_find(int *used, int n, const char *const *words)
{
    for (const cli_command_t *const *command = cli_commands; *command; command++)
        if ((*used = words_matched((*command)->name, n, words)))
            return *command;
    return NULL;
}

int cli_commands_is_group(const char *word)
{
    size_t length = strlen(word);

    for (const cli_command_t *const *command = cli_commands; *command; command++)
        if (!strncmp((*command)->name, word, length) && (*command)->name[length] == ' ')
            return 1;
    return 0;
}
