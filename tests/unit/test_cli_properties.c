/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "cli/cli_properties.h"

/* What java.util.Properties.load() makes of these texts */
static const struct {
    const char *text, *key, *value;
} rows[] = {
    {"a=b", "a", "b"},
    {"a = b", "a", "b"},
    {"a:b", "a", "b"},
    {"a b", "a", "b"},
    {"a\tb", "a", "b"},
    {"a  =  b ", "a", "b "},
    {"  a=b", "a", "b"},
    {"a==b", "a", "=b"},
    {"a = : b", "a", ": b"},
    {"a", "a", ""},
    {"a=", "a", ""},
    {"a \n", "a", ""},
    {"# comment\n! another\n\n \t\na=b", "a", "b"},
    {"a=b # no comment", "a", "b # no comment"},
    {"a\\ b\\=c\\:d=e", "a b=c:d", "e"},
    {"a=\\t\\n\\r\\f", "a", "\t\n\r\f"},
    {"a=\\q\\\\\\#", "a", "q\\#"},
    {"a=b\\\n   c", "a", "bc"},
    {"a=b\\\r\n\tc\r\n", "a", "bc"},
    {"a=b\\\\\n", "a", "b\\"},
    {"a\\\n =b", "a", "b"},
    {"a=\\\n b", "a", "b"},
    {"a \\\n = b", "a", "b"},
    {"a=b\\", "a", "b"},
    {"a=b\rc=d", "a", "b"},
    {"a=\\u00e4\\u20AC", "a", "\xc3\xa4\xe2\x82\xac"},
    {"a=\\ud83d\\ude00", "a", "\xf0\x9f\x98\x80"},
    {"a=\xc3\xa4", "a", "\xc3\xa4"},
    {"a=\xe4", "a", "\xc3\xa4"}, /* ISO 8859-1 */
    {"\xef\xbb\xbf"
     "a=b",
     "a", "b"},
    {"est.x.ra.namegenerationprefix=\\ ${RANDOM}", "est.x.ra.namegenerationprefix", " ${RANDOM}"},
};

static void test_one_property(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        apr_array_header_t *all;
        const cli_property_t *first;

        ASSERT_OK(cli_properties_parse(&all, rows[i].text, pool));
        assert_true(all->nelts >= 1);
        first = &APR_ARRAY_IDX(all, 0, cli_property_t);
        if (strcmp(first->key, rows[i].key) != 0 || strcmp(first->value, rows[i].value) != 0)
            fail_msg("%s: got \"%s\" and \"%s\"", rows[i].text, first->key, first->value);
    }
}

static void test_lines_are_counted(void **state)
{
    static const char text[] = "# one\na=b\\\n c\\\r\n d\n\nx=y\rz=";
    static const int lines[] = {2, 6, 7};
    apr_array_header_t *all;

    (void)state;
    ASSERT_OK(cli_properties_parse(&all, text, pool));
    assert_int_equal(all->nelts, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(APR_ARRAY_IDX(all, i, cli_property_t).line, lines[i]);
    assert_string_equal(APR_ARRAY_IDX(all, 0, cli_property_t).value, "bcd");
}

static void test_nothing(void **state)
{
    static const char *const texts[] = {"", "\n", "# a=b", "  \n!x\n", "\xef\xbb\xbf"};
    apr_array_header_t *all;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        ASSERT_OK(cli_properties_parse(&all, texts[i], pool));
        assert_int_equal(all->nelts, 0);
    }
}

static void test_what_is_refused(void **state)
{
    static const char *const rows_refused[][2] = {
        {"a=\\u12", "line 1: \\u"},          {"x=y\na=\\u12g4", "line 2: \\u"}, {"a=\\u0000", "line 1: \\u"},
        {"a=\\ud83d", "line 1: \\u"},        {"a=\\ud83dx", "line 1: \\u"},     {"a=\\ude00", "line 1: \\u"},
        {"a=\\ud83d\\u0041", "line 1: \\u"}, {"=b", "line 1: has no key"},      {"\n : b", "line 2: has no key"}};
    apr_array_header_t *all;

    (void)state;
    for (size_t i = 0; i < sizeof(rows_refused) / sizeof(*rows_refused); i++)
        ASSERT_ROW(cli_properties_parse(&all, rows_refused[i][0], pool), EST_E_file, rows_refused[i][1],
                   rows_refused[i][0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_one_property),
        EST_TEST(test_lines_are_counted),
        EST_TEST(test_nothing),
        EST_TEST(test_what_is_refused),
    };
    return EST_TEST_RUN(tests);
}
