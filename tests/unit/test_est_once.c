/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "base/est_once.h"

#include <stdatomic.h>

#include <apr_thread_proc.h>

#define MANY 100

static est_once_t *make(int max)
{
    est_once_t *once;
    ASSERT_OK(est_once_make(&once, max, MANY, pool));
    return once;
}

static const unsigned char *key_of(int i)
{
    unsigned char *key = apr_pcalloc(pool, EST_ONCE_KEY);
    key[EST_ONCE_KEY - 1] = (unsigned char)i;
    return key;
}

static void test_a_work_is_mine_until_it_ends(void **state)
{
    (void)state;
    est_once_t *once = make(2);
    assert_int_equal(est_once_begin(once, key_of(1)), EST_ONCE_MINE);
    assert_int_equal(est_once_begin(once, key_of(2)), EST_ONCE_MINE);
    est_once_end(once, key_of(1));
    assert_int_equal(est_once_begin(once, key_of(1)), EST_ONCE_MINE);
}

static void test_over_so_many_nobody_waits(void **state)
{
    (void)state;
    est_once_t *once = make(2);
    assert_int_equal(est_once_begin(once, key_of(1)), EST_ONCE_MINE);
    assert_int_equal(est_once_begin(once, key_of(2)), EST_ONCE_MINE);
    assert_int_equal(est_once_begin(once, key_of(3)), EST_ONCE_FULL);
    est_once_end(once, key_of(2));
    assert_int_equal(est_once_begin(once, key_of(3)), EST_ONCE_MINE);
    assert_int_equal(est_once_begin(once, key_of(2)), EST_ONCE_FULL);
}

static void test_the_end_of_what_nobody_does_is_nothing(void **state)
{
    (void)state;
    est_once_t *once = make(1);
    est_once_end(once, key_of(1));
    assert_int_equal(est_once_begin(once, key_of(1)), EST_ONCE_MINE);
    est_once_end(once, key_of(2));
    assert_int_equal(est_once_begin(once, key_of(2)), EST_ONCE_FULL);
}

static void test_there_is_room_for_one_at_least(void **state)
{
    (void)state;
    est_once_t *once;
    ASSERT_FAILS(est_once_make(&once, 0, 1, pool), config, "at least one");
    ASSERT_FAILS(est_once_make(&once, 2, 1, pool), config, "as many threads");
}

/* --- threads */

typedef struct {
    est_once_t *once;
    apr_thread_t *thread;
    const unsigned char *key;
    atomic_int *done, *waiting, *full;
    est_once_turn_t turn;
    int seen; /* of *done, when it could go on */
} waiter_t;

static void *APR_THREAD_FUNC want(apr_thread_t *thread, void *data)
{
    waiter_t *waiter = data;
    (void)thread;
    atomic_fetch_add(waiter->waiting, 1);
    waiter->turn = est_once_begin(waiter->once, waiter->key);
    waiter->seen = atomic_load(waiter->done);
    if (waiter->turn == EST_ONCE_FULL && waiter->full)
        atomic_fetch_add(waiter->full, 1);
    if (waiter->turn == EST_ONCE_MINE) /* it came when the work had ended already */
        est_once_end(waiter->once, waiter->key);
    return NULL;
}

static void end(apr_thread_t *thread)
{
    apr_status_t status;
    assert_int_equal(apr_thread_join(&status, thread), APR_SUCCESS);
}

/* However many want it, and though no other would have a place: none goes on before the one that works has ended */
static void test_who_wants_the_same_waits_for_it(void **state)
{
    (void)state;
    atomic_int done = 0, waiting = 0;
    waiter_t waiters[12];
    est_once_t *once = make(1);
    const unsigned char *key = key_of(7);

    assert_int_equal(est_once_begin(once, key), EST_ONCE_MINE);
    for (int i = 0; i < 12; i++) {
        waiters[i] = (waiter_t){.once = once, .key = key, .done = &done, .waiting = &waiting};
        assert_int_equal(apr_thread_create(&waiters[i].thread, NULL, want, &waiters[i], pool), APR_SUCCESS);
    }
    while (atomic_load(&waiting) < 12)
        apr_sleep(1000);
    atomic_store(&done, 1);
    est_once_end(once, key);
    for (int i = 0; i < 12; i++) {
        end(waiters[i].thread);
        assert_int_equal(waiters[i].seen, 1);
        assert_int_not_equal(waiters[i].turn, EST_ONCE_FULL);
    }
}

#define WAITERS 5

/* One works, two wait: the others are sent away while it lasts, and there is room again when it has ended */
static void test_no_more_than_so_many_threads_wait(void **state)
{
    (void)state;
    atomic_int done = 0, waiting = 0, full = 0;
    waiter_t waiters[WAITERS];
    est_once_t *once;
    const unsigned char *key = key_of(7);
    int n_full = 0;

    ASSERT_OK(est_once_make(&once, 2, 3, pool));
    assert_int_equal(est_once_begin(once, key), EST_ONCE_MINE);
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (waiter_t){.once = once, .key = key, .done = &done, .waiting = &waiting, .full = &full};
        assert_int_equal(apr_thread_create(&waiters[i].thread, NULL, want, &waiters[i], pool), APR_SUCCESS);
    }
    for (int i = 0; i < 10000 && atomic_load(&full) < WAITERS - 2; i++)
        apr_sleep(1000);
    n_full = atomic_load(&full);
    if (n_full == WAITERS - 2)
        assert_int_equal(est_once_begin(once, key_of(8)), EST_ONCE_FULL); /* a place is free, and no thread for it */
    est_once_end(once, key);
    for (int i = 0; i < WAITERS; i++)
        end(waiters[i].thread);
    assert_int_equal(n_full, WAITERS - 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(est_once_begin(once, key_of(i)), EST_ONCE_MINE);
}

#define KEYS 3
#define PLACES 2
#define ROUNDS 20000

static struct {
    est_once_t *once;
    const unsigned char *keys[KEYS];
    atomic_int at[KEYS], works, wrong;
} shared;

static void *APR_THREAD_FUNC hammer(apr_thread_t *thread, void *data)
{
    int *turns = data;
    (void)thread;
    for (int i = 0; i < ROUNDS; i++) {
        int k = i % KEYS;
        est_once_turn_t turn = est_once_begin(shared.once, shared.keys[k]);
        turns[turn]++;
        if (turn != EST_ONCE_MINE)
            continue;
        if (atomic_fetch_add(&shared.at[k], 1) != 0 || atomic_fetch_add(&shared.works, 1) >= PLACES)
            atomic_fetch_add(&shared.wrong, 1);
        apr_thread_yield();
        atomic_fetch_sub(&shared.works, 1);
        atomic_fetch_sub(&shared.at[k], 1);
        est_once_end(shared.once, shared.keys[k]);
    }
    return NULL;
}

static void test_threads_never_do_the_same_at_once(void **state)
{
    (void)state;
    apr_thread_t *threads[4];
    int turns[4][3] = {{0}};

    memset(&shared, 0, sizeof(shared));
    shared.once = make(PLACES);
    for (int k = 0; k < KEYS; k++)
        shared.keys[k] = key_of(k + 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(apr_thread_create(&threads[i], NULL, hammer, turns[i], pool), APR_SUCCESS);
    for (int i = 0; i < 4; i++) {
        end(threads[i]);
        assert_int_equal(turns[i][EST_ONCE_MINE] + turns[i][EST_ONCE_DONE] + turns[i][EST_ONCE_FULL], ROUNDS);
        assert_true(turns[i][EST_ONCE_MINE] > 0);
    }
    assert_int_equal(atomic_load(&shared.wrong), 0);
    assert_int_equal(est_once_begin(shared.once, shared.keys[0]), EST_ONCE_MINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_a_work_is_mine_until_it_ends),
        EST_TEST(test_over_so_many_nobody_waits),
        EST_TEST(test_the_end_of_what_nobody_does_is_nothing),
        EST_TEST(test_there_is_room_for_one_at_least),
        EST_TEST(test_who_wants_the_same_waits_for_it),
        EST_TEST(test_no_more_than_so_many_threads_wait),
        EST_TEST(test_threads_never_do_the_same_at_once),
    };
    return EST_TEST_RUN(tests);
}
