/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "cli/cli_print.h"

#include <locale.h>

static const char *const names[] = {"name", "n", "since", "up", "san", NULL};

/* Columns of every type, as PostgreSQL writes values */
static store_pg_table_t *table_of_all_types(void)
{
    static const store_pg_type_t types[] = {STORE_PG_TEXT, STORE_PG_NUMBER, STORE_PG_TIME, STORE_PG_BOOLEAN,
                                            STORE_PG_JSON};
    store_pg_table_t *table = cli_print_table_make(names, pool);

    memcpy(table->types, types, sizeof(types));
    cli_print_table_add(
        table, (const char *const[]){"dev1", "7", "2026-01-02 03:04:05.678901+00", "t", "[\"dns:a\", \"ip:::1\"]"},
        pool);
    cli_print_table_add(table, (const char *const[]){"d", "1234", "2026-01-02 03:04:05+05:30", "f", "[]"}, pool);
    cli_print_table_add(table, (const char *const[]){NULL, NULL, NULL, NULL, NULL}, pool);
    return table;
}

static void test_tables_are_aligned(void **state)
{
    (void)state;
    assert_string_equal(cli_print_text(table_of_all_types(), 0, 1, pool),
                        "name     n  since                      up   san\n"
                        "dev1     7  2026-01-02 03:04:05+00     yes  dns:a, ip:::1\n"
                        "d     1234  2026-01-02 03:04:05+05:30  no\n"
                        "\n");
}

static void test_without_headings_columns_are_as_wide_as_their_values(void **state)
{
    static const char *const one[] = {"a long heading", "b", NULL};
    store_pg_table_t *table = cli_print_table_make(one, pool);

    (void)state;
    cli_print_table_add(table, (const char *const[]){"x", "y"}, pool);
    cli_print_table_add(table, (const char *const[]){"xx", "yy"}, pool);
    assert_string_equal(cli_print_text(table, 0, 0, pool), "x   y\nxx  yy\n");
}

static void test_a_narrow_terminal_gets_a_line_for_each_value(void **state)
{
    (void)state;
    assert_string_equal(cli_print_text(table_of_all_types(), 40, 1, pool), "name   dev1\n"
                                                                           "n      7\n"
                                                                           "since  2026-01-02 03:04:05+00\n"
                                                                           "up     yes\n"
                                                                           "san    dns:a, ip:::1\n"
                                                                           "\n"
                                                                           "name   d\n"
                                                                           "n      1234\n"
                                                                           "since  2026-01-02 03:04:05+05:30\n"
                                                                           "up     no\n"
                                                                           "\n");
    assert_string_equal(cli_print_text(table_of_all_types(), 200, 1, pool),
                        cli_print_text(table_of_all_types(), 0, 1, pool));
}

static void test_json_has_types(void **state)
{
    json_t *array = cli_print_json(table_of_all_types(), pool), *first = json_array_get(array, 0),
           *second = json_array_get(array, 1), *third = json_array_get(array, 2);

    (void)state;
    assert_int_equal(json_array_size(array), 3);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "dev1");
    assert_int_equal(json_integer_value(json_object_get(first, "n")), 7);
    assert_string_equal(json_string_value(json_object_get(first, "since")), "2026-01-02T03:04:05.678901+00:00");
    assert_string_equal(json_string_value(json_object_get(second, "since")), "2026-01-02T03:04:05+05:30");
    assert_true(json_is_true(json_object_get(first, "up")) && json_is_false(json_object_get(second, "up")));
    assert_int_equal(json_array_size(json_object_get(first, "san")), 2);
    for (int i = 0; names[i]; i++)
        assert_true(json_is_null(json_object_get(third, names[i])));
    json_decref(array);
}

/* Names come from strangers */
static void test_nothing_reaches_the_terminal_that_could_do_something(void **state)
{
    (void)state;
    assert_string_equal(cli_print_shown("a\x1b[2Jb\r\n\x7f\xc2\x9b"
                                        "31mc\xc3\xa4",
                                        pool),
                        "a?[2Jb????31mc\xc3\xa4");
}

static void test_width_is_that_of_characters(void **state)
{
    static const char *const two[] = {"a", "b", NULL};
    store_pg_table_t *table = cli_print_table_make(two, pool);

    (void)state;
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        fail_msg("no locale C.UTF-8");
    cli_print_table_add(table, (const char *const[]){"\xc3\xa4", "x"}, pool);
    cli_print_table_add(table, (const char *const[]){"\xe6\xbc\xa2", "x"}, pool); /* two columns wide */
    cli_print_table_add(table, (const char *const[]){"e\xcc\x81", "x"}, pool);    /* combining: one */
    assert_string_equal(cli_print_text(table, 0, 0, pool), "\xc3\xa4   x\n\xe6\xbc\xa2  x\ne\xcc\x81   x\n");
}

static void test_a_table_grows(void **state)
{
    static const char *const one[] = {"n", NULL};
    store_pg_table_t *table = cli_print_table_make(one, pool);

    (void)state;
    for (int i = 0; i < 1000; i++)
        cli_print_table_add(table, (const char *const[]){apr_itoa(pool, i)}, pool);
    for (int i = 0; i < 1000; i++)
        assert_string_equal(table->cells[i], apr_itoa(pool, i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_tables_are_aligned),
        EST_TEST(test_without_headings_columns_are_as_wide_as_their_values),
        EST_TEST(test_a_narrow_terminal_gets_a_line_for_each_value),
        EST_TEST(test_json_has_types),
        EST_TEST(test_nothing_reaches_the_terminal_that_could_do_something),
        EST_TEST(test_width_is_that_of_characters),
        EST_TEST(test_a_table_grows),
    };
    return EST_TEST_RUN(tests);
}
