/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "cli/cli_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void test_patterns_become_those_of_like(void **state)
{
    static const char *const rows[][2] = {{"dev", "%dev%"},     {"dev*", "dev%"},   {"*.example", "%.example"},
                                          {"dev?", "dev_"},     {"50%", "%50\\%%"}, {"a_b*", "a\\_b%"},
                                          {"a\\b", "%a\\\\b%"}, {"", "%%"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(cli_text_like(rows[i][0], pool), rows[i][1]);
    assert_null(cli_text_like(NULL, pool));
}

/* The same rows as est.serial_parse() has */
static void test_serial_numbers(void **state)
{
    static const char *const rows[][2] = {{"3AF01127", "3af01127"},
                                          {"3a:f0:11:27", "3af01127"},
                                          {"0x3AF01127", "3af01127"},
                                          {"003af01127", "3af01127"},
                                          {"af", "00af"},
                                          {"0000af", "00af"},
                                          {"1", "01"},
                                          {"101", "0101"},
                                          {"0", "00"},
                                          {"00:00", "00"},
                                          {"801", "0801"},
                                          {"3a f0", "3af0"}};
    static const char *const none[] = {"", "0x", ":", "xyz", "12g4", "-1"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(cli_text_serial(rows[i][0], pool), rows[i][1]);
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        assert_null(cli_text_serial(none[i], pool));
}

static void test_fields_of_csv(void **state)
{
    static const char *const rows[][2] = {
        {"a", "a"},           {"a b", "a b"},   {"a,b", "\"a,b\""}, {"a\"b", "\"a\"\"b\""},
        {"a\nb", "\"a\nb\""}, {" a", "\" a\""}, {"a ", "\"a \""},   {"", "\"\""}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(cli_text_csv(rows[i][0], pool), rows[i][1]);
}

static void test_lists_have_commas(void **state)
{
    static const char *const values[] = {"a", "b", "c"};

    (void)state;
    assert_string_equal(cli_text_join(values, 3, pool), "a, b, c");
    assert_string_equal(cli_text_join(values, 1, pool), "a");
    assert_null(cli_text_join(values, 0, pool));
}

/* A file of n octets, each c */
static const char *file_of(size_t n, int c)
{
    char *path = apr_pstrdup(pool, "/tmp/test_cli_text.XXXXXX");
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");

    assert_non_null(file);
    for (size_t i = 0; i < n; i++)
        putc(c, file);
    fclose(file);
    return path;
}

static void test_files_are_read_whole_up_to_a_limit(void **state)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 10000};
    const char *text, *path;

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        path = file_of(sizes[i], 'x');
        ASSERT_OK(cli_text_read(&text, path, 10000, pool));
        assert_int_equal(strlen(text), sizes[i]);
        if (sizes[i] > 1)
            ASSERT_FAILS(cli_text_read(&text, path, sizes[i] - 1, pool), file, "has more than");
        unlink(path);
    }
}

static void test_files_that_are_no_texts(void **state)
{
    const char *text, *path = file_of(3, '\0');

    (void)state;
    ASSERT_FAILS(cli_text_read(&text, path, 10, pool), file, "is not a text");
    unlink(path);
    ASSERT_FAILS(cli_text_read(&text, path, 10, pool), file, "No such file");
    ASSERT_FAILS(cli_text_read(&text, "/", 10, pool), file, "/: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_patterns_become_those_of_like),
        EST_TEST(test_serial_numbers),
        EST_TEST(test_fields_of_csv),
        EST_TEST(test_lists_have_commas),
        EST_TEST(test_files_are_read_whole_up_to_a_limit),
        EST_TEST(test_files_that_are_no_texts),
    };
    return EST_TEST_RUN(tests);
}
