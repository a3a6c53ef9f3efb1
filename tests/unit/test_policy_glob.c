/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "policy/policy_glob.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- tests/glob.tsv, shared with est.glob_match() */

/* Takes the next column of a line, NULL behind the last */
static char *take_column(char **line)
{
    char *column = *line, *tab;

    if (!column)
        return NULL;
    tab = strchr(column, '\t');
    if (tab)
        *tab++ = '\0';
    *line = tab;
    return column;
}

static void test_the_table_that_sql_shares(void **state)
{
    const char *top = getenv("top_srcdir");
    FILE *file = fopen(apr_pstrcat(pool, top ? top : ".", "/tests/glob.tsv", NULL), "r");
    char buffer[4096];
    int rows = 0, wrong = 0;

    (void)state;
    assert_non_null(file);
    while (fgets(buffer, sizeof(buffer), file)) {
        char *line = buffer, *pattern, *value, *dns, *expected, *reason;

        buffer[strcspn(buffer, "\n")] = '\0';
        if (buffer[0] == '#' && (buffer[1] == ' ' || !buffer[1]))
            continue;
        pattern = take_column(&line);
        value = take_column(&line);
        dns = take_column(&line);
        expected = take_column(&line);
        reason = take_column(&line);
        assert_non_null(reason);
        assert_true(!strcmp(dns, "t") || !strcmp(dns, "f"));
        assert_true(!strcmp(expected, "t") || !strcmp(expected, "f"));
        rows++;
        if (policy_glob_match(pattern, value, *dns == 't') != (*expected == 't')) {
            print_error("\"%s\" against \"%s\", dns %s: expected %s (%s)\n", pattern, value, dns, expected, reason);
            wrong++;
        }
    }
    fclose(file);
    assert_true(rows >= 100);
    assert_int_equal(wrong, 0);
}

/* ---- against the definition itself, written as recursion over characters */

static size_t char_length(const char *s)
{
    size_t n = 1;

    while (((unsigned char)s[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static int defined(const char *pattern, const char *value, int dns)
{
    if (!*pattern)
        return !*value;
    if (*pattern == '*') {
        size_t stars = strspn(pattern, "*");

        if (defined(pattern + stars, value, dns))
            return 1;
        return *value && (stars > 1 || !dns || *value != '.') && defined(pattern, value + char_length(value), dns);
    }
    if (!*value)
        return 0;
    if (*pattern == '?')
        return defined(pattern + 1, value + char_length(value), dns);
    if (dns ? lower(*pattern) != lower(*value) : *pattern != *value)
        return 0;
    return defined(pattern + 1, value + 1, dns);
}

/* The number-th word over letters, in buf; 0 when it is longer than max letters */
static int word(char *buf, unsigned number, const char *const *letters, unsigned n_letters, int max)
{
    buf[0] = '\0';
    for (; number; number = (number - 1) / n_letters) {
        if (max-- == 0)
            return 0;
        strcat(buf, letters[(number - 1) % n_letters]);
    }
    return 1;
}

static void test_every_short_pattern_and_value_is_matched_as_defined(void **state)
{
    static const char *const pattern_letters[] = {"a", ".", "?", "*", "\xc3\xa9"};
    static const char *const value_letters[] = {"a", "A", ".", "\xc3\xa9"};
    char pattern[16], value[16];
    unsigned matches = 0;

    (void)state;
    for (unsigned p = 0; word(pattern, p, pattern_letters, 5, 5); p++)
        for (unsigned v = 0; word(value, v, value_letters, 4, 4); v++)
            for (int dns = 0; dns < 2; dns++) {
                int expected = defined(pattern, value, dns);

                matches += (unsigned)expected;
                if (policy_glob_match(pattern, value, dns) != expected)
                    fail_msg("\"%s\" against \"%s\", dns %d: expected %d", pattern, value, dns, expected);
            }
    assert_true(matches > 1000);
}

/* ---- bounds */

static void test_a_pattern_has_at_most_512_octets(void **state)
{
    char pattern[POLICY_GLOB_MAX + 2];

    (void)state;
    memset(pattern, 'a', sizeof(pattern));
    pattern[POLICY_GLOB_MAX] = '\0';
    assert_int_equal(policy_glob_match(pattern, pattern, 0), 1);
    assert_int_equal(policy_glob_match(pattern, pattern, 1), 1);
    pattern[POLICY_GLOB_MAX] = 'a';
    pattern[POLICY_GLOB_MAX + 1] = '\0';
    assert_int_equal(policy_glob_match(pattern, pattern, 0), 0);
}

static void test_stars_alone_may_fill_a_pattern(void **state)
{
    char pattern[POLICY_GLOB_MAX + 1];

    (void)state;
    memset(pattern, '*', POLICY_GLOB_MAX);
    pattern[POLICY_GLOB_MAX] = '\0';
    assert_int_equal(policy_glob_match(pattern, "a.b", 1), 1);
    assert_int_equal(policy_glob_match(pattern, "", 1), 1);
    for (int i = 1; i < POLICY_GLOB_MAX; i += 2)
        pattern[i] = '?';
    assert_int_equal(policy_glob_match(pattern, "abc", 0), 0);
}

/* A name may be as long as a request: the time is a product, not a power */
static void test_a_long_value_takes_no_exponential_time(void **state)
{
    char *value = apr_palloc(pool, 65536);

    (void)state;
    memset(value, 'a', 65535);
    value[65535] = '\0';
    assert_int_equal(policy_glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*b", value, 0), 0);
    assert_int_equal(policy_glob_match("**a**a**a**a**a**a?", value, 1), 1);
}

/* ---- two patterns */

/* The n-th text over an alphabet, the empty one first */
static const char *nth(char text[16], const char *alphabet, int n)
{
    int base = (int)strlen(alphabet), i = 0;

    for (; n; n = (n - 1) / base)
        text[i++] = alphabet[(n - 1) % base];
    text[i] = '\0';
    return text;
}

static int one_has_both(const char *a, const char *b, int dns)
{
    for (int n = 0; n < 1 + 3 + 9 + 27 + 81 + 243 + 729; n++) {
        char text[16];
        const char *value = nth(text, "ab.", n);

        if (policy_glob_match(a, value, dns) && policy_glob_match(b, value, dns))
            return 1;
    }
    return 0;
}

/* Six characters are enough for any two patterns of three */
static void test_whether_two_patterns_may_meet(void **state)
{
    const int all = 1 + 4 + 16 + 64;
    int n_meet = 0, n_never = 0;

    (void)state;
    for (int i = 0; i < all; i++)
        for (int j = 0; j < all; j += 3) {
            char texts[2][16];
            const char *a = nth(texts[0], "a.?*", i), *b = nth(texts[1], "a.?*", j);
            int meet = policy_glob_may_meet(a, b, 1, pool), expected = one_has_both(a, b, 1);

            if (meet != expected)
                fail_msg("\"%s\" and \"%s\" as DNS names: expected %d", a, b, expected);
            if (policy_glob_may_meet(a, b, 0, pool) < (expected || one_has_both(a, b, 0)))
                fail_msg("\"%s\" and \"%s\" meet", a, b);
            n_meet += meet;
            n_never += !meet;
        }
    assert_true(n_meet > 100 && n_never > 100);
}

static void test_letters_of_two_patterns(void **state)
{
    (void)state;
    assert_int_equal(policy_glob_may_meet("Plant-*", "plant-1?", 0, pool), 1);
    assert_int_equal(policy_glob_may_meet("\xc3\xa9?", "?x", 0, pool), 1); /* a character of two octets */
    assert_int_equal(policy_glob_may_meet("plant-*", "office-*", 0, pool), 0);
    assert_int_equal(policy_glob_may_meet("plant-*", "*.office.example", 0, pool), 1);
    assert_int_equal(policy_glob_may_meet("plant-*", "*.office.example", 1, pool), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_the_table_that_sql_shares),
        EST_TEST(test_every_short_pattern_and_value_is_matched_as_defined),
        EST_TEST(test_a_pattern_has_at_most_512_octets),
        EST_TEST(test_stars_alone_may_fill_a_pattern),
        EST_TEST(test_a_long_value_takes_no_exponential_time),
        EST_TEST(test_whether_two_patterns_may_meet),
        EST_TEST(test_letters_of_two_patterns),
    };
    return EST_TEST_RUN(tests);
}
