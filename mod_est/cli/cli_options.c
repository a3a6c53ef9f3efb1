/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_options.h"

#include "cli_commands.h"

#include <apr_strings.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define COMMON_COUNT 5
#define FIRST_VALUE 256 /* getopt's numbers of options without a letter begin behind those of letters */
#define HELP_COLUMN 30

const cli_option_t cli_options_common[COMMON_COUNT + 1] = {
    {"dbname", "CONNECTION", "database name, or connection string or URI of libpq"},
    {"json", NULL, "print JSON"},
    {"quiet", NULL, "print no headings and no remarks"},
    {"help", NULL, "explain the command"},
    {"version", NULL, "print the version"},
    {NULL, NULL, NULL}};
static const char common_letters[] = "dJqhV"; /* in the same order */

static int count(const cli_option_t *options)
{
    int n = 0;

    while (options && options[n].name)
        n++;
    return n;
}

/* --- getopt */

static void fill(struct option *row, const cli_option_t *option, int value)
{
    *row = (struct option){option->name, option->value ? required_argument : no_argument, NULL, value};
}

/* getopt's table of the common options and of those of command, which may be NULL */
static struct option *table_make(const cli_command_t *command, apr_pool_t *pool)
{
    int own = command ? count(command->options) : 0, n = 0;
    struct option *table = apr_pcalloc(pool, (apr_size_t)(own + COMMON_COUNT + 1) * sizeof(*table));

    for (; n < own; n++)
        fill(&table[n], &command->options[n], FIRST_VALUE + n);
    for (int i = 0; i < COMMON_COUNT; i++)
        fill(&table[n++], &cli_options_common[i], common_letters[i]);
    return table;
}

static const char *help_words(const cli_command_t *command, apr_pool_t *pool)
{
    return apr_pstrcat(pool, "; see estctl ", command ? command->name : "", command ? " " : "", "--help", NULL);
}

/* What getopt did not like. It has moved on, the culprit is behind it */
static est_err_t *complain(const cli_t *cli, int what, char **argv)
{
    const char *word = argv[optind - 1], *equals = strchr(word, '=');
    int is_long = !strncmp(word, "--", 2);

    if (is_long && equals) /* the value may be a secret */
        word = apr_pstrndup(cli->pool, word, (apr_size_t)(equals - word));
    else if (!is_long)
        word = apr_psprintf(cli->pool, "-%c", optopt);
    if (what == ':')
        return EST_FAIL(cli->pool, config, "option %s needs a value%s", word, help_words(cli->command, cli->pool));
    if (is_long && equals && optopt)
        return EST_FAIL(cli->pool, config, "option %s takes no value%s", word, help_words(cli->command, cli->pool));
    return EST_FAIL(cli->pool, config, "no such option: %s%s", word, help_words(cli->command, cli->pool));
}

/* Options up to the first operand (stop), or all of them: then getopt moves the operands behind */
static est_err_t *take_options(cli_wish_t *wish, cli_t *cli, int argc, char **argv, int stop)
{
    struct option *table = table_make(cli->command, cli->pool);
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, stop ? "+:d:qhV" : ":d:qhV", table, NULL)) != -1) {
        if (option == 'd')
            cli->dbname = optarg;
        else if (option == 'J')
            cli->json = 1;
        else if (option == 'q')
            cli->quiet = 1;
        else if (option == 'h')
            *wish = CLI_HELP;
        else if (option == 'V')
            *wish = CLI_VERSION;
        else if (option >= FIRST_VALUE)
            APR_ARRAY_PUSH(cli->values[option - FIRST_VALUE], const char *) = optarg ? optarg : "";
        else
            return complain(cli, option, argv);
    }
    return NULL;
}

/* --- the command line */

static est_err_t *no_command(cli_t *cli, int n, const char *const *words)
{
    if (n == 0)
        return EST_FAIL(cli->pool, config, "no command given; estctl --help lists them");
    if (cli_commands_is_group(words[0]))
        return n == 1 ? EST_FAIL(cli->pool, config, "\"%s\" needs a second word; estctl --help lists them", words[0])
                      : EST_FAIL(cli->pool, config, "no such command: %s %s; estctl --help lists them", words[0],
                                 words[1]);
    return EST_FAIL(cli->pool, config, "no such command: %s; estctl --help lists them", words[0]);
}

static est_err_t *check_operands(const cli_t *cli)
{
    const cli_command_t *command = cli->command;

    if (cli->n_operands < command->min)
        return EST_FAIL(cli->pool, config, "%s is missing%s", command->operands, help_words(command, cli->pool));
    if (command->max >= 0 && cli->n_operands > command->max)
        return EST_FAIL(cli->pool, config, "one argument too many: %s%s", cli->operands[command->max],
                        help_words(command, cli->pool));
    return NULL;
}

/* A copy that getopt may permute; the texts stay the caller's */
static char **argv_copy(int argc, const char *const *argv, apr_pool_t *pool)
{
    char **copy = apr_pcalloc(pool, (apr_size_t)(argc + 1) * sizeof(char *));

    memcpy(copy, argv, (apr_size_t)argc * sizeof(char *));
    return copy;
}

/* Options in front of the command. *rest: where its words begin */
static est_err_t *take_command(cli_wish_t *wish, cli_t *cli, int *rest, int argc, char **argv)
{
    int n, used = 0;
    const char *const *words;

    optind = 0; /* glibc: begin anew */
    EST_TRY(take_options(wish, cli, argc, argv, 1));
    words = (const char *const *)argv + optind;
    n = argc - optind;
    if (n > 0 && !strcmp(words[0], "help")) { /* as people try it */
        *wish = CLI_HELP;
        words++;
        n--;
    }
    if (n == 2 && cli_commands_is_group(words[0]) && (!strcmp(words[1], "--help") || !strcmp(words[1], "-h"))) {
        *wish = CLI_HELP;
        return NULL;
    }
    cli->command = cli_commands_find(&used, n, words);
    *rest = argc - n + used;
    if (!cli->command && (*wish == CLI_RUN || n > 0))
        return *wish == CLI_HELP && n == 1 && cli_commands_is_group(words[0]) ? NULL : no_command(cli, n, words);
    return NULL;
}

est_err_t *cli_options_parse(cli_wish_t *wish, cli_t *cli, int argc, const char *const *argv)
{
    char **copy = argv_copy(argc, argv, cli->pool);
    int rest = 0, n;

    *wish = CLI_RUN;
    EST_TRY(take_command(wish, cli, &rest, argc, copy));
    if (!cli->command)
        return NULL;
    n = count(cli->command->options);
    cli->values = apr_pcalloc(cli->pool, (apr_size_t)(n + 1) * sizeof(*cli->values));
    for (int i = 0; i < n; i++)
        cli->values[i] = apr_array_make(cli->pool, 1, sizeof(const char *));
    /* The last word of the command stands where getopt expects the program's name */
    optind = 0;
    EST_TRY(take_options(wish, cli, argc - rest + 1, copy + rest - 1, 0));
    cli->operands = (const char *const *)copy + rest - 1 + optind;
    cli->n_operands = argc - rest + 1 - optind;
    return *wish == CLI_RUN ? check_operands(cli) : NULL;
}

const apr_array_header_t *cli_options(const cli_t *cli, const char *name)
{
    for (int i = 0; cli->command->options && cli->command->options[i].name; i++)
        if (!strcmp(cli->command->options[i].name, name))
            return cli->values[i];
    abort(); /* the command asks for an option that it does not declare */
}

const char *cli_option(const cli_t *cli, const char *name)
{
    const apr_array_header_t *values = cli_options(cli, name);

    return values->nelts ? APR_ARRAY_IDX(values, values->nelts - 1, const char *) : NULL;
}

est_err_t *cli_option_check(const cli_t *cli, const char *name, const char *const *words)
{
    const char *value = cli_option(cli, name), *list = words[0];

    for (int i = 0; value && words[i]; i++)
        if (!strcmp(value, words[i]))
            return NULL;
    for (int i = 1; words[i]; i++)
        list = apr_pstrcat(cli->pool, list, ", ", words[i], NULL);
    return value ? EST_FAIL(cli->pool, config, "--%s %s: it is one of %s", name, value, list) : NULL;
}

/* --- help */

static void print_options(FILE *out, const cli_option_t *options, const char *letters)
{
    for (int i = 0; options && options[i].name; i++) {
        const cli_option_t *o = &options[i];
        int letter = letters && letters[i] != 'J' ? letters[i] : 0;
        int n = letter ? fprintf(out, "  -%c, ", letter) : fprintf(out, "      ");

        n += fprintf(out, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        fprintf(out, "%*s%s\n", n < HELP_COLUMN - 1 ? HELP_COLUMN - n : 2, "", o->text);
    }
}

static void print_program(FILE *out)
{
    fprintf(out, "usage: estctl [OPTION...] COMMAND [ARGUMENT...]\n\n"
                 "Runs the registration authority whose policy and records are in a PostgreSQL database.\n\n"
                 "Commands; \"estctl COMMAND --help\" explains one:\n");
    for (const cli_command_t *const *c = cli_commands; *c; c++)
        fprintf(out, "  %-18s %s\n", (*c)->name, (*c)->summary);
    fprintf(out, "\nOptions of every command:\n");
    print_options(out, cli_options_common, common_letters);
    fprintf(out, "\nThe database is found as psql finds it: PGHOST, PGDATABASE, PGSERVICE, ~/.pgpass and so on.\n"
                 "Exit status: 0 done, 1 refused or not found, 2 wrong usage, 3 trouble with the database.\n");
}

void cli_options_help(FILE *out, const cli_command_t *command)
{
    if (!command) {
        print_program(out);
        return;
    }
    fprintf(out, "usage: estctl %s [OPTION...]%s%s\n\n%s.\n", command->name, *command->operands ? " " : "",
            command->operands, command->summary);
    if (command->text)
        fprintf(out, "\n%s\n", command->text);
    if (command->options)
        fprintf(out, "\nOptions:\n");
    print_options(out, command->options, NULL);
    fprintf(out, "\nOptions of every command:\n");
    print_options(out, cli_options_common, common_letters);
}
