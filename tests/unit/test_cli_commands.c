/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "cli/cli_commands.h"
#include "cli/cli_options.h"

static void test_each_row_is_whole(void **state)
{
    int n = 0;

    (void)state;
    for (const cli_command_t *const *c = cli_commands; *c; c++, n++) {
        assert_true(*(*c)->name && *(*c)->summary);
        assert_non_null((*c)->operands);
        assert_true((*c)->max == -1 || (*c)->min <= (*c)->max);
        assert_int_equal(*(*c)->operands != '\0', (*c)->max != 0);
        assert_non_null((*c)->run);
        assert_int_not_equal((*c)->summary[strlen((*c)->summary) - 1], '.'); /* the help puts it there */
    }
    assert_true(n >= 17);
}

static void test_options_have_a_name_and_a_text_and_stand_once(void **state)
{
    (void)state;
    for (const cli_command_t *const *c = cli_commands; *c; c++)
        for (const cli_option_t *o = (*c)->options; o && o->name; o++) {
            assert_true(*o->name && *o->text);
            for (const cli_option_t *other = (*c)->options; other != o; other++)
                assert_string_not_equal(other->name, o->name);
            for (const cli_option_t *other = cli_options_common; other->name; other++)
                assert_string_not_equal(other->name, o->name);
        }
}

static void test_commands_are_found_by_all_of_their_words(void **state)
{
    static const struct {
        const char *words[3];
        int n;
        const cli_command_t *command;
        int used;
    } rows[] = {{{"client", "add", "x"}, 3, &cli_client_add, 2},
                {{"client", "list", NULL}, 2, &cli_client_list, 2},
                {{"code", "client", "add"}, 3, &cli_code, 1},
                {{"import-ejbca", NULL, NULL}, 1, &cli_import_ejbca, 1},
                {{"client", NULL, NULL}, 1, NULL, 0},
                {{"client", "ad", NULL}, 2, NULL, 0},
                {{"add", "client", NULL}, 2, NULL, 0},
                {{"entity", "add", NULL}, 1, NULL, 0},
                {{"", NULL, NULL}, 1, NULL, 0},
                {{NULL, NULL, NULL}, 0, NULL, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int used = -1;

        assert_ptr_equal(cli_commands_find(&used, rows[i].n, rows[i].words), rows[i].command);
        assert_int_equal(used, rows[i].used);
    }
}

static void test_groups(void **state)
{
    (void)state;
    assert_true(cli_commands_is_group("client") && cli_commands_is_group("entity"));
    assert_false(cli_commands_is_group("code"));
    assert_false(cli_commands_is_group("cli"));
    assert_false(cli_commands_is_group(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_each_row_is_whole),
        EST_TEST(test_options_have_a_name_and_a_text_and_stand_once),
        EST_TEST(test_commands_are_found_by_all_of_their_words),
        EST_TEST(test_groups),
    };
    return EST_TEST_RUN(tests);
}
