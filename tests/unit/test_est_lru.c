/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "base/est_lru.h"

#include <apr_thread_proc.h>

static est_lru_t *make(int max)
{
    est_lru_t *lru;
    ASSERT_OK(est_lru_make(&lru, max, pool));
    return lru;
}

static est_slice_t key_of(int i)
{
    return text(apr_psprintf(pool, "key%d", i));
}

static const char *value_of(est_lru_t *lru, const char *key, apr_time_t now)
{
    est_slice_t value;
    return est_lru_get(lru, text(key), now, &value, pool) ? apr_pstrmemdup(pool, (const char *)value.p, value.n) : NULL;
}

static void test_a_value_is_found_until_it_expires(void **state)
{
    (void)state;
    est_lru_t *lru = make(4);
    est_lru_put(lru, text("a"), 100, text("one"));
    assert_string_equal(value_of(lru, "a", 99), "one");
    assert_null(value_of(lru, "b", 99));
    assert_null(value_of(lru, "a", 100));
    assert_int_equal(est_lru_size(lru), 0);
}

static void test_a_value_is_replaced(void **state)
{
    (void)state;
    est_lru_t *lru = make(4);
    est_lru_put(lru, text("a"), 100, text("one"));
    est_lru_put(lru, text("a"), 200, text("a longer one"));
    assert_string_equal(value_of(lru, "a", 150), "a longer one");
    assert_int_equal(est_lru_size(lru), 1);
    est_lru_put(lru, text("a"), 200, est_slice(NULL, 0));
    assert_string_equal(value_of(lru, "a", 150), "");
}

static void test_the_least_recently_used_leaves(void **state)
{
    (void)state;
    est_lru_t *lru = make(3);
    est_lru_put(lru, text("a"), 100, text("1"));
    est_lru_put(lru, text("b"), 100, text("2"));
    est_lru_put(lru, text("c"), 100, text("3"));
    assert_non_null(value_of(lru, "a", 1));
    est_lru_put(lru, text("d"), 100, text("4"));
    assert_null(value_of(lru, "b", 1));
    assert_non_null(value_of(lru, "a", 1));
    assert_non_null(value_of(lru, "c", 1));
    assert_non_null(value_of(lru, "d", 1));
    assert_int_equal(est_lru_size(lru), 3);
}

static void test_many_keys_keep_the_bound(void **state)
{
    (void)state;
    est_lru_t *lru = make(100);
    for (int i = 0; i < 10000; i++)
        est_lru_put(lru, key_of(i), 100, text("v"));
    assert_int_equal(est_lru_size(lru), 100);
    for (int i = 9900; i < 10000; i++) {
        est_slice_t value;
        assert_true(est_lru_get(lru, key_of(i), 1, &value, pool));
    }
}

static void test_dropping(void **state)
{
    (void)state;
    est_lru_t *lru = make(4);
    est_lru_put(lru, text("a"), 100, text("1"));
    est_lru_put(lru, text("b"), 100, text("2"));
    est_lru_drop(lru, text("a"));
    est_lru_drop(lru, text("nothing"));
    assert_null(value_of(lru, "a", 1));
    assert_non_null(value_of(lru, "b", 1));
    est_lru_drop_all(lru);
    assert_int_equal(est_lru_size(lru), 0);
    assert_null(value_of(lru, "b", 1));
}

static void test_keys_out_of_size_are_not_stored(void **state)
{
    (void)state;
    est_lru_t *lru = make(4);
    char key[EST_LRU_KEY_MAX + 1];
    memset(key, 'k', sizeof(key));
    est_slice_t value;
    est_lru_put(lru, est_slice(key, sizeof(key)), 100, text("1"));
    est_lru_put(lru, est_slice(key, 0), 100, text("1"));
    assert_int_equal(est_lru_size(lru), 0);
    est_lru_put(lru, est_slice(key, EST_LRU_KEY_MAX), 100, text("1"));
    assert_true(est_lru_get(lru, est_slice(key, EST_LRU_KEY_MAX), 1, &value, pool));
    assert_false(est_lru_get(lru, est_slice(key, EST_LRU_KEY_MAX - 1), 1, &value, pool));
}

/* Keys are octets: one with a NUL in it is another one */
static void test_keys_are_octets(void **state)
{
    (void)state;
    est_lru_t *lru = make(4);
    est_slice_t value;
    est_lru_put(lru, est_slice("a\0b", 3), 100, text("1"));
    assert_false(est_lru_get(lru, est_slice("a\0c", 3), 1, &value, pool));
    assert_false(est_lru_get(lru, est_slice("a", 1), 1, &value, pool));
    assert_true(est_lru_get(lru, est_slice("a\0b", 3), 1, &value, pool));
}

static void test_no_room_is_refused(void **state)
{
    (void)state;
    est_lru_t *lru;
    ASSERT_FAILS(est_lru_make(&lru, 0, pool), config, "0");
}

#define THREADS 4
#define ROUNDS 20000

typedef struct {
    est_lru_t *lru;
    int foreign; /* values seen under another key than their own */
} hammer_t;

static void *APR_THREAD_FUNC hammer(apr_thread_t *thread, void *data)
{
    hammer_t *job = data;
    est_lru_t *lru = job->lru;
    apr_pool_t *own;
    (void)thread;
    apr_pool_create(&own, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        char key[16];
        est_slice_t value, k = est_slice(key, (apr_size_t)apr_snprintf(key, sizeof(key), "k%d", i % 97));
        est_lru_put(lru, k, 100, k);
        if (est_lru_get(lru, k, 1, &value, own) && !est_slice_equal(value, k))
            job->foreign++;
        if (i % 1000 == 0)
            est_lru_drop(lru, k);
        apr_pool_clear(own);
    }
    apr_pool_destroy(own);
    return NULL;
}

static void test_threads_share_it(void **state)
{
    (void)state;
    est_lru_t *lru = make(50);
    apr_thread_t *threads[THREADS];
    hammer_t jobs[THREADS];
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (hammer_t){lru, 0};
        assert_int_equal(apr_thread_create(&threads[i], NULL, hammer, &jobs[i], pool), APR_SUCCESS);
    }
    for (int i = 0; i < THREADS; i++) {
        apr_status_t status;
        assert_int_equal(apr_thread_join(&status, threads[i]), APR_SUCCESS);
        assert_int_equal(jobs[i].foreign, 0);
    }
    assert_int_equal(est_lru_size(lru), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_a_value_is_found_until_it_expires),
        EST_TEST(test_a_value_is_replaced),
        EST_TEST(test_the_least_recently_used_leaves),
        EST_TEST(test_many_keys_keep_the_bound),
        EST_TEST(test_dropping),
        EST_TEST(test_keys_out_of_size_are_not_stored),
        EST_TEST(test_keys_are_octets),
        EST_TEST(test_no_room_is_refused),
        EST_TEST(test_threads_share_it),
    };
    return EST_TEST_RUN(tests);
}
