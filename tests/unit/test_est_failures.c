/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"
#include "httpd/est_failures.h"

#include <sys/wait.h>
#include <unistd.h>

#define START apr_time_from_sec(1700000000)

/* A digest of which the first octets say the set, and the next ones the key in it */
static est_slice_t key(const char *text)
{
    return est_slice(text, 8);
}

static unsigned count(const char *text, int second)
{
    int left = 0;

    return est_failures_count(key(text), START + apr_time_from_sec(second), &left);
}

static void failed_at(const char *text, int second)
{
    est_failures_add(key(text), START + apr_time_from_sec(second));
}

static void test_failures_count_for_a_minute_from_the_first(void **state)
{
    int left = 0;

    (void)state;
    ASSERT_OK(est_failures_make(pool));
    assert_int_equal(count("setAkey1", 0), 0);
    failed_at("setAkey1", 0);
    failed_at("setAkey1", 30);
    assert_int_equal(count("setAkey1", 59), 2);
    assert_int_equal(est_failures_count(key("setAkey1"), START + apr_time_from_sec(45), &left), 2);
    assert_int_equal(left, 15);
    assert_int_equal(count("setAkey1", 60), 0);
    failed_at("setAkey1", 61);
    assert_int_equal(count("setAkey1", 61), 1);
}

static void test_keys_are_kept_apart(void **state)
{
    (void)state;
    ASSERT_OK(est_failures_make(pool));
    failed_at("setAkey1", 0);
    assert_int_equal(count("setAkey2", 0), 0);
    assert_int_equal(count("xetAkey1", 0), 0);
    failed_at("setA\0\0\0\0", 0); /* a key of zeros is not an empty place */
    assert_int_equal(count("setA\0\0\0\0", 0), 1);
    assert_int_equal(count("setAkey1", 0), 1);
}

/* Eight places a set: a newcomer takes the one with the fewest failures, never the one with the most */
static void test_a_counter_is_not_pushed_out_by_single_failures(void **state)
{
    char text[16];

    (void)state;
    ASSERT_OK(est_failures_make(pool));
    for (int i = 0; i < 10; i++)
        failed_at("setAlock", 0);
    for (int i = 0; i < 5000; i++) {
        apr_snprintf(text, sizeof(text), "setA%04d", i);
        failed_at(text, 1);
    }
    assert_int_equal(count("setAlock", 2), 10);
}

static void test_a_clock_set_back_ends_the_window(void **state)
{
    (void)state;
    ASSERT_OK(est_failures_make(pool));
    failed_at("setAkey1", 100);
    assert_int_equal(count("setAkey1", 0), 0);
}

static void test_processes_share_it(void **state)
{
    int status;
    pid_t child;

    (void)state;
    ASSERT_OK(est_failures_make(pool));
    failed_at("setAkey1", 0);
    if ((child = fork()) == 0) {
        failed_at("setAkey1", 1);
        _exit(count("setAkey1", 1) == 2 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(count("setAkey1", 2), 2);
}

static void test_without_memory_nothing_is_counted(void **state)
{
    (void)state;
    failed_at("setAkey1", 0);
    assert_int_equal(count("setAkey1", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_failures_count_for_a_minute_from_the_first),
        EST_TEST(test_keys_are_kept_apart),
        EST_TEST(test_a_counter_is_not_pushed_out_by_single_failures),
        EST_TEST(test_a_clock_set_back_ends_the_window),
        EST_TEST(test_processes_share_it),
        EST_TEST(test_without_memory_nothing_is_counted),
    };
    return EST_TEST_RUN(tests);
}
