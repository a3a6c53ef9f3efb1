/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Threads that want the policy at the same time */
#include "cache_test.h"

#define THREADS 8

typedef struct {
    apr_thread_t *thread;
    int reload;
    apr_int64_t version; /* what it got; -1: an error */
} worker_t;

static void *APR_THREAD_FUNC work(apr_thread_t *thread, void *data)
{
    worker_t *worker = data;
    const policy_snapshot_t *snapshot;
    apr_pool_t *own;
    est_err_t *err = NULL;

    (void)thread;
    apr_pool_create_unmanaged(&own);
    if (worker->reload && ++t.store.reloaders)
        err = store_cache_reload(t.cache, own);
    if (!err)
        err = store_cache_policy(t.cache, &snapshot, 0, own);
    worker->version = err ? -1 : policy_snapshot_version(snapshot);
    apr_pool_destroy(own);
    return NULL;
}

static void start(worker_t *workers, int n, int reload)
{
    for (int i = 0; i < n; i++) {
        workers[i] = (worker_t){.reload = reload};
        assert_int_equal(apr_thread_create(&workers[i].thread, NULL, work, &workers[i], pool), APR_SUCCESS);
    }
}

static void finish(worker_t *workers, int n)
{
    apr_status_t ended;

    for (int i = 0; i < n; i++)
        assert_int_equal(apr_thread_join(&ended, workers[i].thread), APR_SUCCESS);
}

static void close_gate(void)
{
    apr_thread_mutex_create(&t.store.gate, APR_THREAD_MUTEX_DEFAULT, pool);
    apr_thread_mutex_lock(t.store.gate);
}

static void await(atomic_int *counter, int n)
{
    for (int i = 0; i < 5000 && *counter < n; i++)
        apr_sleep(1000);
    assert_int_equal(*counter, n);
}

static void test_threads_without_a_snapshot_share_one_load(void **state)
{
    worker_t workers[THREADS];

    (void)state;
    close_gate();
    start(workers, THREADS, 0);
    await(&t.store.at_gate, 1);
    apr_thread_mutex_unlock(t.store.gate);
    finish(workers, THREADS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(workers[i].version, 1);
    assert_int_equal(t.store.loads, 1);
}

static void test_a_thread_with_a_snapshot_does_not_wait_for_the_one_that_asks(void **state)
{
    worker_t worker;

    (void)state;
    assert_int_equal(version_now(0), 1);
    close_gate();
    start(&worker, 1, 1);
    await(&t.store.at_gate, 1);
    t.now += STORE_CACHE_POLL + 1;
    assert_int_equal(version_now(0), 1);
    apr_thread_mutex_unlock(t.store.gate);
    finish(&worker, 1);
    assert_int_equal(t.store.loads, 2);
}

/* A load that began before the reload was asked for may have read what was before the change */
static void test_reload_does_not_trust_a_load_under_way(void **state)
{
    worker_t first, others[THREADS];

    (void)state;
    close_gate();
    start(&first, 1, 0);
    await(&t.store.at_gate, 1);
    t.store.version = 2; /* the load under way has read version 1 */
    start(others, THREADS, 1);
    await(&t.store.reloaders, THREADS);
    apr_thread_mutex_unlock(t.store.gate);
    finish(&first, 1);
    finish(others, THREADS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(others[i].version, 2);
    assert_in_range(t.store.loads, 2, 1 + THREADS); /* one that came late loads for itself */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(test_threads_without_a_snapshot_share_one_load),
        CACHE_TEST(test_a_thread_with_a_snapshot_does_not_wait_for_the_one_that_asks),
        CACHE_TEST(test_reload_does_not_trust_a_load_under_way),
    };

    return EST_TEST_RUN(tests);
}
