/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "cli/cli_commands.h"
#include "cli/cli_options.h"

#define MAX_WORDS 16

/* Parses the words of line, which have single blanks between them, behind the program's name */
static est_err_t *parse(cli_wish_t *wish, cli_t *cli, const char *line)
{
    const char *argv[MAX_WORDS + 1] = {"estctl"};
    char *state;
    int argc = 1;

    *cli = (cli_t){.pool = pool};
    for (char *word = apr_strtok(apr_pstrdup(pool, line), " ", &state); word; word = apr_strtok(NULL, " ", &state))
        argv[argc++] = word;
    return cli_options_parse(wish, cli, argc, apr_pmemdup(pool, argv, sizeof(argv)));
}

static void test_options_stand_anywhere(void **state)
{
    static const char *const lines[] = {
        "--json -d db client add dev1 --names a,b", "client add --names a,b --json dev1 -d db",
        "client add dev1 --dbname=db --names=a,b --json", "client add --names x dev1 --names a,b -ddb --json",
        "-d x client add --json --dbname db --names a,b -- dev1"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        cli_wish_t wish;
        cli_t cli;

        ASSERT_OK(parse(&wish, &cli, lines[i]));
        assert_int_equal(wish, CLI_RUN);
        assert_ptr_equal(cli.command, &cli_client_add);
        assert_true(cli.json && !cli.quiet);
        assert_string_equal(cli.dbname, "db");
        assert_string_equal(cli_option(&cli, "names"), "a,b");
        assert_null(cli_option(&cli, "groups"));
        assert_int_equal(cli.n_operands, 1);
        assert_string_equal(cli.operands[0], "dev1");
    }
}

static void test_operands(void **state)
{
    cli_wish_t wish;
    cli_t cli;

    (void)state;
    ASSERT_OK(parse(&wish, &cli, "client list -- --odd"));
    assert_string_equal(cli.operands[0], "--odd");
    ASSERT_OK(parse(&wish, &cli, "entity import -"));
    assert_string_equal(cli.operands[0], "-");
    ASSERT_OK(parse(&wish, &cli, "code --uses 3 dev1 devices"));
    assert_int_equal(cli.n_operands, 2);
    assert_string_equal(cli.operands[1], "devices");
    ASSERT_OK(parse(&wish, &cli, "pending"));
    assert_int_equal(cli.n_operands, 0);
}

static void test_options_that_are_repeated_and_those_without_value(void **state)
{
    cli_wish_t wish;
    cli_t cli;
    const apr_array_header_t *values;

    (void)state;
    ASSERT_OK(parse(&wish, &cli, "import-ejbca f --ca-map 1=a --ca-map 2=b -q --dry-run"));
    values = cli_options(&cli, "ca-map");
    assert_int_equal(values->nelts, 2);
    assert_string_equal(APR_ARRAY_IDX(values, 0, const char *), "1=a");
    assert_string_equal(APR_ARRAY_IDX(values, 1, const char *), "2=b");
    assert_string_equal(cli_option(&cli, "dry-run"), "");
    assert_null(cli_option(&cli, "register-clients"));
    assert_int_equal(cli_options(&cli, "alias")->nelts, 0);
    assert_true(cli.quiet && !cli.json);
}

static void test_help_and_version(void **state)
{
    static const struct {
        const char *line;
        cli_wish_t wish;
        const cli_command_t *command;
    } rows[] = {{"--help", CLI_HELP, NULL},
                {"-h", CLI_HELP, NULL},
                {"help", CLI_HELP, NULL},
                {"client --help", CLI_HELP, NULL},
                {"help client", CLI_HELP, NULL},
                {"client add --help", CLI_HELP, &cli_client_add},
                {"--help client add", CLI_HELP, &cli_client_add},
                {"help client add", CLI_HELP, &cli_client_add},
                {"revoke -h", CLI_HELP, &cli_revoke},
                {"--version", CLI_VERSION, NULL},
                {"-V", CLI_VERSION, NULL},
                {"revoke 00 -V", CLI_VERSION, &cli_revoke}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        cli_wish_t wish;
        cli_t cli;

        est_test_ok(parse(&wish, &cli, rows[i].line), rows[i].line, __FILE__, __LINE__);
        assert_int_equal(wish, rows[i].wish);
        assert_ptr_equal(cli.command, rows[i].command);
    }
}

static void test_wrong_usage(void **state)
{
    static const char *const rows[][2] = {
        {"", "no command given"},
        {"--json", "no command given"},
        {"client", "\"client\" needs a second word"},
        {"frob", "no such command: frob"},
        {"client frob", "no such command: client frob"},
        {"help frob", "no such command: frob"},
        {"clien add x", "no such command: clien"},
        {"--frob pending", "no such option: --frob; see estctl --help"},
        {"pending --frob", "no such option: --frob; see estctl pending --help"},
        {"pending -x", "no such option: -x; see estctl pending --help"},
        {"pending --frob=secret", "no such option: --frob; see"},
        {"pending --json=secret", "option --json takes no value"},
        {"pending --alias", "option --alias needs a value"},
        {"pending -d", "option -d needs a value"},
        {"pending more", "one argument too many: more"},
        {"client add", "USER is missing; see estctl client add --help"},
        {"client add a b", "one argument too many: b"},
        {"code dev1", "NAME ALIAS is missing"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        cli_wish_t wish;
        cli_t cli;
        est_err_t *err = parse(&wish, &cli, rows[i][0]);

        ASSERT_ROW(err, EST_E_config, rows[i][1], rows[i][0]);
        assert_null(strstr(err->detail, "secret"));
        assert_int_equal(cli_status(err), 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_options_stand_anywhere),
        EST_TEST(test_operands),
        EST_TEST(test_options_that_are_repeated_and_those_without_value),
        EST_TEST(test_help_and_version),
        EST_TEST(test_wrong_usage),
    };
    return EST_TEST_RUN(tests);
}
