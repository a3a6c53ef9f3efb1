/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"
#include "httpd/est_guard.h"
#include "httpd/est_refusals.h"
#include "op/est_refusal.h"

#include <apr_strings.h>
#include <sys/wait.h>
#include <unistd.h>

#define START apr_time_from_sec(1700000000)

/* In place of op/, which is not linked: a key out of the request's id */
void est_refusal_key(unsigned char key[PKI_SHA256_SIZE], const est_req_t *req, int anywhere)
{
    assert_true(anywhere);
    memset(key, 0, PKI_SHA256_SIZE);
    memcpy(key, req->id, 8);
}

static apr_time_t at(int second)
{
    return START + apr_time_from_sec(second);
}

/* Digests: the first octets say the set, and the next ones the key in it */
static int admit(const char *text, int second)
{
    return est_refusals_admit(est_slice(text, 8), at(second));
}

static int admit_many(int n, int identities, int second)
{
    int admitted = 0;

    for (int i = 0; i < n; i++)
        admitted += admit(apr_psprintf(pool, "id%06d", i % identities), second);
    return admitted;
}

static int wait_of(const char *text, int second)
{
    return est_refusals_wait_of(est_slice(text, 8), at(second));
}

static void wait_until(const char *text, int second)
{
    est_refusals_wait_until(est_slice(text, 8), at(second));
}

static void test_an_identity_has_its_share(void **state)
{
    (void)state;
    ASSERT_OK(est_refusals_make(1000, pool));
    assert_int_equal(admit_many(25, 1, 0), EST_REFUSALS_OF_A_KEY);
    assert_int_equal(admit_many(25, 1, 59), 0);
    assert_int_equal(admit("other id", 59), 1);
    assert_int_equal(admit_many(25, 1, 60), EST_REFUSALS_OF_A_KEY);
    assert_int_equal(est_refusals_take(at(60)), 15 + 25 + 15);
}

static void test_all_together_have_the_limit(void **state)
{
    (void)state;
    ASSERT_OK(est_refusals_make(30, pool));
    assert_int_equal(admit_many(100, 50, 0), 30);
    assert_int_equal(admit_many(100, 100, 59), 0);
    assert_int_equal(admit_many(100, 100, 121), 30);
    ASSERT_OK(est_refusals_make(0, pool));
    assert_int_equal(admit_many(5, 5, 0), 0);
    assert_int_equal(est_refusals_take(at(0)), 5);
}

static void test_the_rest_is_taken_once_in_a_window(void **state)
{
    (void)state;
    ASSERT_OK(est_refusals_make(0, pool));
    assert_int_equal(est_refusals_take(at(0)), 0);
    admit_many(3, 3, 1);
    assert_int_equal(est_refusals_take(at(2)), 3);
    admit_many(4, 4, 3);
    assert_int_equal(est_refusals_take(at(61)), 0);
    admit_many(1, 1, 61);
    assert_int_equal(est_refusals_take(at(62)), 5);
    est_refusals_give_back(5);
    assert_int_equal(est_refusals_take(at(63)), 0);
    assert_int_equal(est_refusals_take(at(122)), 5);
    assert_int_equal(est_refusals_take(at(200)), 0);
}

static void test_who_waits_is_remembered_until_then(void **state)
{
    (void)state;
    ASSERT_OK(est_refusals_make(60, pool));
    assert_int_equal(wait_of("who waits", 0), 0);
    wait_until("who waits", 30);
    assert_int_equal(wait_of("who waits", 0), 30);
    assert_int_equal(wait_of("who waits", 29), 1);
    assert_int_equal(wait_of("who waits", 30), 0);
    assert_int_equal(wait_of("who is not", 0), 0);
    wait_until("who waits", 40);
    assert_int_equal(wait_of("who waits", 30), 10);
    /* A clock that was set back: nobody waits for years */
    assert_int_equal(wait_of("who waits", -100000), 0);
    /* What may be recorded is another matter */
    assert_int_equal(admit("who waits", 0), 1);
}

/* A set has eight places; who waits longest stays */
static void test_a_full_set_loses_whose_time_ends_first(void **state)
{
    (void)state;
    ASSERT_OK(est_refusals_make(60, pool));
    for (int i = 0; i < 9; i++)
        wait_until(apr_psprintf(pool, "set key%d", i), 100 + i);
    assert_int_equal(wait_of("set key0", 0), 0);
    for (int i = 1; i < 9; i++)
        assert_int_equal(wait_of(apr_psprintf(pool, "set key%d", i), 0), 100 + i);
}

static void test_processes_count_together(void **state)
{
    int status;
    pid_t child;

    (void)state;
    ASSERT_OK(est_refusals_make(60, pool));
    child = fork();
    if (!child) {
        admit_many(12, 1, 0);
        wait_until("who waits", 30);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(admit("id000000", 1), 0);
    assert_int_equal(wait_of("who waits", 0), 30);
    assert_int_equal(est_refusals_take(at(1)), 3);
}

static void test_the_guard_asks_for_the_identity(void **state)
{
    est_req_t req = {.pool = pool, .id = "id000001", .now = at(0)};

    (void)state;
    ASSERT_OK(est_refusals_make(60, pool));
    for (int i = 0; i < EST_REFUSALS_OF_A_KEY; i++)
        assert_true(est_guard.may_record(&req));
    assert_false(est_guard.may_record(&req));
    est_guard.limit(est_slice("who waits", 8), at(5));
    assert_int_equal(est_guard.limited(est_slice("who waits", 8), at(0)), 5);
}

/* The pool of another test has gone, and the memory with it */
static void test_without_memory_everything_is_recorded_and_nobody_remembered(void **state)
{
    (void)state;
    assert_int_equal(admit_many(100, 1, 0), 100);
    wait_until("who waits", 30);
    assert_int_equal(wait_of("who waits", 0), 0);
    assert_int_equal(est_refusals_take(at(100)), 0);
    est_refusals_give_back(3);
    assert_int_equal(est_refusals_take(at(100)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_an_identity_has_its_share),
        EST_TEST(test_all_together_have_the_limit),
        EST_TEST(test_the_rest_is_taken_once_in_a_window),
        EST_TEST(test_who_waits_is_remembered_until_then),
        EST_TEST(test_a_full_set_loses_whose_time_ends_first),
        EST_TEST(test_processes_count_together),
        EST_TEST(test_the_guard_asks_for_the_identity),
        EST_TEST(test_without_memory_everything_is_recorded_and_nobody_remembered),
    };
    return EST_TEST_RUN(tests);
}
