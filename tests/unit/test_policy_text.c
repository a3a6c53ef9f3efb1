/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "policy/policy_text.h"

static void test_only_t_is_true(void **state)
{
    (void)state;
    assert_int_equal(policy_text_bool("t"), 1);
    assert_int_equal(policy_text_bool("f"), 0);
    assert_int_equal(policy_text_bool(""), 0);
    assert_int_equal(policy_text_bool(NULL), 0);
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        apr_int64_t min, max, value;
        int bad;
        const char *reason;
    } rows[] = {
        {"5", 1, 9, 5, 0, "within"},
        {"1", 1, 9, 1, 0, "lower bound"},
        {"9", 1, 9, 9, 0, "upper bound"},
        {"0", 1, 9, 1, 1, "below"},
        {"10", 1, 9, 1, 1, "above"},
        {"-3", -5, 5, -3, 0, "negative"},
        {"9223372036854775807", 0, APR_INT64_MAX, APR_INT64_MAX, 0, "the greatest"},
        {"9223372036854775808", 0, APR_INT64_MAX, 0, 1, "overflow"},
        {"-9223372036854775809", APR_INT64_MIN, 0, APR_INT64_MIN, 1, "overflow below"},
        {"", 1, 9, 1, 1, "empty"},
        {NULL, 1, 9, 1, 1, "NULL"},
        {"5x", 1, 9, 1, 1, "something behind"},
        {"5 ", 1, 9, 1, 1, "blank behind"},
        {"5.5", 1, 9, 1, 1, "not whole"},
        {"0x5", 0, 9, 0, 1, "hexadecimal"},
        {"Infinity", 0, 9, 0, 1, "what SQL calls infinity"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int bad = 0;
        apr_int64_t value = policy_text_int(rows[i].text, rows[i].min, rows[i].max, &bad);

        if (value != rows[i].value || bad != rows[i].bad)
            fail_msg("%s: got %" APR_INT64_T_FMT ", bad %d", rows[i].reason, value, bad);
    }
}

static void test_bad_is_never_reset(void **state)
{
    static const char *const words[] = {"a", NULL};
    int bad = 1;

    (void)state;
    policy_text_int("1", 0, 9, &bad);
    policy_text_time("1", &bad);
    policy_text_word("a", words, &bad);
    assert_int_equal(bad, 1);
}

static void test_times_are_seconds_and_become_microseconds(void **state)
{
    int bad = 0;

    (void)state;
    assert_int_equal(policy_text_time(NULL, &bad), 0);
    assert_int_equal(policy_text_time("1767225600", &bad), APR_INT64_C(1767225600000000));
    assert_int_equal(policy_text_time("253402300799", &bad), APR_INT64_C(253402300799000000));
    assert_int_equal(policy_text_time("-1", &bad), -1000000);
    assert_int_equal(bad, 0);
    policy_text_time("253402300800", &bad); /* the year 10000 cannot stand in a certificate */
    assert_int_equal(bad, 1);
    bad = 0;
    policy_text_time("", &bad);
    assert_int_equal(bad, 1);
}

static void test_words(void **state)
{
    static const char *const words[] = {"if-present", "required", "off", NULL};
    int bad = 0;

    (void)state;
    assert_int_equal(policy_text_word("if-present", words, &bad), 0);
    assert_int_equal(policy_text_word("off", words, &bad), 2);
    assert_int_equal(bad, 0);
    static const char *const wrong[] = {"OFF", "of", "offf", "", NULL};
    for (int i = 0; i < 5; i++) {
        bad = 0;
        assert_int_equal(policy_text_word(wrong[i], words, &bad), 0);
        assert_int_equal(bad, 1);
    }
}

static void test_lists(void **state)
{
    int n = -1;
    const char *const *list = policy_text_list(&n, "a\nb c\n**", pool);

    (void)state;
    assert_int_equal(n, 3);
    assert_string_equal(list[0], "a");
    assert_string_equal(list[1], "b c");
    assert_string_equal(list[2], "**");
    policy_text_list(&n, "", pool);
    assert_int_equal(n, 0);
    n = -1;
    policy_text_list(&n, NULL, pool);
    assert_int_equal(n, 0);
    list = policy_text_list(&n, "one", pool);
    assert_int_equal(n, 1);
    assert_string_equal(list[0], "one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_only_t_is_true),
        EST_TEST(test_numbers),
        EST_TEST(test_bad_is_never_reset),
        EST_TEST(test_times_are_seconds_and_become_microseconds),
        EST_TEST(test_words),
        EST_TEST(test_lists),
    };
    return EST_TEST_RUN(tests);
}
