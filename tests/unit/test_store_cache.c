/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* The cache of policy */
#include "cache_test.h"

static const policy_snapshot_t *make_seed(apr_int64_t version)
{
    policy_rows_t rows = {.version = version};
    policy_snapshot_t *seed;

    ASSERT_OK(policy_snapshot_make(&seed, &rows, pool));
    return seed;
}

static void test_policy_is_loaded_once_and_its_version_asked_for_every_500_ms(void **state)
{
    (void)state;
    assert_int_equal(version_now(0), 1);
    t.now += STORE_CACHE_POLL;
    assert_int_equal(version_now(0), 1);
    assert_int_equal(t.store.loads, 1);
    assert_int_equal(t.store.versions, 0);

    t.now += 1;
    assert_int_equal(version_now(0), 1);
    assert_int_equal(t.store.versions, 1);
    assert_int_equal(t.store.loads, 1);

    t.store.version = 2;
    assert_int_equal(version_now(0), 1);
    t.now += STORE_CACHE_POLL + 1;
    assert_int_equal(version_now(0), 2);
    assert_int_equal(t.store.loads, 2);
}

static void test_a_clock_set_back_makes_the_cache_ask(void **state)
{
    (void)state;
    assert_int_equal(version_now(0), 1);
    t.store.version = 2;
    t.now -= apr_time_from_sec(3600);
    assert_int_equal(version_now(0), 2);
}

static void test_nothing_is_asked_while_somebody_listens(void **state)
{
    (void)state;
    ASSERT_OK(store_cache_reload(t.cache, pool));
    store_cache_set_listening(t.cache, 1);
    t.store.version = 2;
    t.now += apr_time_from_sec(60);
    assert_int_equal(version_now(0), 1);
    assert_int_equal(t.store.versions, 0);

    store_cache_set_listening(t.cache, 0);
    assert_int_equal(version_now(0), 2);
}

static void test_a_reader_keeps_its_snapshot_until_its_pool_is_cleared(void **state)
{
    const policy_snapshot_t *held;
    apr_pool_t *reader;

    (void)state;
    apr_pool_create(&reader, pool);
    ASSERT_OK(store_cache_policy(t.cache, &held, 0, reader));
    t.store.version = 2;
    ASSERT_OK(store_cache_reload(t.cache, pool));
    assert_int_equal(version_now(0), 2);
    assert_int_equal(t.store.destroyed, 0);
    assert_int_equal(policy_snapshot_version(held), 1);
    apr_pool_clear(reader);
    assert_int_equal(t.store.destroyed, 1);

    /* A snapshot outlives even the cache when a reader holds it */
    ASSERT_OK(store_cache_policy(t.cache, &held, 0, reader));
    {
        apr_pool_t *own;

        apr_pool_create(&own, NULL);
        apr_pool_destroy(reader);
        ASSERT_OK(store_cache_make(&t.cache, &t.store.base, &t.env, own));
        apr_pool_create(&reader, pool);
        ASSERT_OK(store_cache_policy(t.cache, &held, 0, reader));
        apr_pool_destroy(own);
    }
    assert_int_equal(t.store.destroyed, 1);
    assert_int_equal(policy_snapshot_version(held), 2);
    apr_pool_destroy(reader);
    assert_int_equal(t.store.destroyed, 2);
}

static void test_an_older_snapshot_serves_while_the_store_fails(void **state)
{
    (void)state;
    assert_int_equal(version_now(0), 1);
    t.store.failing = 1;
    t.store.version = 2;
    for (int i = 0; i < 3; i++) {
        t.now += STORE_CACHE_POLL + 1;
        assert_int_equal(version_now(0), 1);
        assert_int_equal(version_now(0), 1); /* this one does not ask again */
        assert_int_equal(t.store.versions, i + 1);
    }
    assert_int_equal(t.warnings, 1);

    t.store.failing = 0;
    t.now += STORE_CACHE_POLL + 1;
    assert_int_equal(version_now(0), 2);
    assert_int_equal(t.warnings, 1);
    assert_int_equal(t.notices, 1);
}

static void test_what_changes_nothing_is_content_with_the_snapshot_at_hand(void **state)
{
    const policy_snapshot_t *snapshot;

    (void)state;
    ASSERT_OK(store_cache_policy_at_hand(t.cache, &snapshot, pool));
    assert_int_equal(t.store.loads, 1);
    t.store.failing = 1;
    t.now += STORE_CACHE_POLL + 1;
    ASSERT_OK(store_cache_policy_at_hand(t.cache, &snapshot, pool));
    assert_int_equal(t.store.versions, 1);
    t.now += apr_time_from_sec(5); /* failed less than 5 seconds ago: nobody is asked */
    ASSERT_OK(store_cache_policy_at_hand(t.cache, &snapshot, pool));
    assert_int_equal(t.store.versions, 1);
    t.now += 1;
    ASSERT_OK(store_cache_policy_at_hand(t.cache, &snapshot, pool));
    assert_int_equal(t.store.versions, 2);
    assert_int_equal(policy_snapshot_version(snapshot), 1);
}

static void test_without_any_snapshot_policy_is_unavailable(void **state)
{
    const policy_snapshot_t *snapshot;

    (void)state;
    t.store.failing = 1;
    ASSERT_FAILS(store_cache_policy(t.cache, &snapshot, 0, pool), policy_unavailable, "fake is down");
    assert_int_equal(version_now(0), -1);
    assert_int_equal(t.store.loads, 1);

    t.store.failing = 0;
    t.now += STORE_CACHE_POLL + 1;
    assert_int_equal(version_now(0), 1);
}

static void test_a_snapshot_over_max_age_is_not_handed_out(void **state)
{
    const apr_interval_time_t limit = apr_time_from_sec(60);

    (void)state;
    assert_int_equal(version_now(limit), 1);
    t.store.failing = 1;
    t.now += limit;
    assert_int_equal(version_now(limit), 1);
    t.now += 1;
    assert_int_equal(version_now(limit), -1);
    assert_int_equal(version_now(0), 1);

    /* Also when somebody listens, but hears nothing any more */
    store_cache_set_listening(t.cache, 1);
    assert_int_equal(version_now(limit), -1);
    ASSERT_OK(store_cache_confirm(t.cache, 1, pool));
    assert_int_equal(version_now(limit), 1);
}

static void test_a_seed_is_never_confirmed(void **state)
{
    (void)state;
    store_cache_seed(t.cache, make_seed(1));
    t.store.failing = 1;
    assert_int_equal(version_now(0), 1);
    assert_int_equal(t.store.versions, 1);
    assert_int_equal(version_now(apr_time_from_sec(60)), -1);

    t.store.failing = 0;
    t.now += STORE_CACHE_POLL + 1;
    assert_int_equal(version_now(apr_time_from_sec(60)), 1);
    assert_int_equal(t.store.loads, 0); /* the version was still the same */
}

static void test_a_seed_gives_way_to_a_newer_policy_at_the_first_request(void **state)
{
    (void)state;
    store_cache_seed(t.cache, make_seed(1));
    t.store.version = 5;
    assert_int_equal(version_now(0), 5);
}

static void test_confirm_reloads_only_another_version(void **state)
{
    (void)state;
    ASSERT_OK(store_cache_confirm(t.cache, 1, pool));
    assert_int_equal(t.store.loads, 1);
    ASSERT_OK(store_cache_confirm(t.cache, 1, pool));
    assert_int_equal(t.store.loads, 1);
    t.store.version = 2;
    ASSERT_OK(store_cache_confirm(t.cache, 2, pool));
    assert_int_equal(t.store.loads, 2);
    t.store.version = 1; /* an older dump was restored */
    ASSERT_OK(store_cache_confirm(t.cache, 1, pool));
    assert_int_equal(version_now(0), 1);

    t.store.failing = 1;
    ASSERT_FAILS(store_cache_confirm(t.cache, 9, pool), store_unavailable, NULL);
    assert_int_equal(version_now(0), 1);
}

static void test_reload_reads_even_an_equal_version(void **state)
{
    (void)state;
    assert_int_equal(version_now(0), 1);
    ASSERT_OK(store_cache_reload(t.cache, pool));
    assert_int_equal(t.store.loads, 2);
    assert_int_equal(t.store.versions, 0);
    assert_int_equal(t.store.destroyed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(test_policy_is_loaded_once_and_its_version_asked_for_every_500_ms),
        CACHE_TEST(test_a_clock_set_back_makes_the_cache_ask),
        CACHE_TEST(test_nothing_is_asked_while_somebody_listens),
        CACHE_TEST(test_a_reader_keeps_its_snapshot_until_its_pool_is_cleared),
        CACHE_TEST(test_an_older_snapshot_serves_while_the_store_fails),
        CACHE_TEST(test_what_changes_nothing_is_content_with_the_snapshot_at_hand),
        CACHE_TEST(test_without_any_snapshot_policy_is_unavailable),
        CACHE_TEST(test_a_snapshot_over_max_age_is_not_handed_out),
        CACHE_TEST(test_a_seed_is_never_confirmed),
        CACHE_TEST(test_a_seed_gives_way_to_a_newer_policy_at_the_first_request),
        CACHE_TEST(test_confirm_reloads_only_another_version),
        CACHE_TEST(test_reload_reads_even_an_equal_version),
    };

    return EST_TEST_RUN(tests);
}
