/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "ca/ca_gate.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND APR_USEC_PER_SEC
#define NOW APR_TIME_C(1770091506789012) /* no whole second */

/* Threads and processes at one gate at the same time */

#define HAMMERS 8
#define BLOWS 20000

typedef struct {
    ca_gate_t *gate;
    ca_gate_rules_t rules;
    apr_time_t now; /* atomic, as all below */
    int inside, most, n_hammers;
    int entered, full, closed, down, back;
} anvil_t;

static void add(int *n)
{
    __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST);
}

static void count_in(anvil_t *anvil)
{
    int n = __atomic_add_fetch(&anvil->inside, 1, __ATOMIC_SEQ_CST),
        most = __atomic_load_n(&anvil->most, __ATOMIC_SEQ_CST);

    while (n > most && !__atomic_compare_exchange_n(&anvil->most, &most, n, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
}

/* Time goes on with each blow, but for less than a minute in all; all are in each other's way as much as can be */
static void hammer(anvil_t *anvil, unsigned seed)
{
    for (int i = 0; i < BLOWS; i++) {
        int place, wait = 0;
        apr_time_t now = __atomic_add_fetch(&anvil->now, SECOND / 4096, __ATOMIC_SEQ_CST);

        switch (ca_gate_enter(&place, &wait, anvil->gate, &anvil->rules, now)) {
        case CA_GATE_OPEN:
            count_in(anvil);
            add(&anvil->entered);
            seed = seed * 1103515245 + 12345;
            if (seed & 0x40000)
                sched_yield();
            ca_gate_result_t result = seed & 0x10000 ? CA_GATE_GOOD : seed & 0x20000 ? CA_GATE_BAD : CA_GATE_UNTRIED;
            __atomic_sub_fetch(&anvil->inside, 1, __ATOMIC_SEQ_CST);
            ca_gate_change_t change = ca_gate_leave(anvil->gate, &anvil->rules, place, result, now);
            if (change == CA_GATE_WENT_DOWN)
                add(&anvil->down);
            else if (change == CA_GATE_CAME_BACK)
                add(&anvil->back);
            break;
        case CA_GATE_FULL:
            add(&anvil->full);
            sched_yield();
            break;
        default:
            add(&anvil->closed);
            if (wait < 1)
                abort();
        }
    }
}

static void *hammer_thread(void *data)
{
    anvil_t *anvil = data;

    hammer(anvil, 77777u * (unsigned)__atomic_add_fetch(&anvil->n_hammers, 1, __ATOMIC_SEQ_CST));
    return NULL;
}

static anvil_t *make_anvil(int places, int failures)
{
    anvil_t *anvil =
        mmap(NULL, sizeof(*anvil) + ca_gate_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(anvil, MAP_FAILED);
    anvil->gate = (ca_gate_t *)(anvil + 1);
    anvil->rules.places = places;
    anvil->rules.failures = failures;
    anvil->rules.cooldown = SECOND / 16;
    anvil->now = NOW;
    anvil->rules.lease = 3600 * SECOND;
    return anvil;
}

static void check_anvil(anvil_t *anvil)
{
    int places[CA_GATE_MAX];

    print_message("entered %d, full %d, closed %d, down %d, back %d, most %d\n", anvil->entered, anvil->full,
                  anvil->closed, anvil->down, anvil->back, anvil->most);
    assert_int_equal(anvil->entered + anvil->full + anvil->closed, HAMMERS * BLOWS);
    assert_true(anvil->entered > 0);
    assert_true(anvil->most <= anvil->rules.places);
    assert_int_equal(anvil->inside, 0);
    /* it goes down and comes back by turns */
    assert_in_range(anvil->down - anvil->back, 0, 1);
    /* and in the end every place is free */
    apr_time_t later = anvil->now + 300 * SECOND;
    int wait;
    if (ca_gate_enter(&places[0], &wait, anvil->gate, &anvil->rules, later) == CA_GATE_OPEN)
        ca_gate_leave(anvil->gate, &anvil->rules, places[0], CA_GATE_GOOD, later);
    for (int i = 0; i < anvil->rules.places; i++)
        assert_int_equal(ca_gate_enter(&places[i], &wait, anvil->gate, &anvil->rules, later), CA_GATE_OPEN);
    assert_int_equal(ca_gate_enter(&places[0], &wait, anvil->gate, &anvil->rules, later), CA_GATE_FULL);
    munmap(anvil, sizeof(*anvil) + ca_gate_size());
}

static void test_threads(void **state)
{
    static const int failures[] = {1, 100};
    pthread_t threads[HAMMERS];

    (void)state;
    for (int i = 0; i < 2; i++) {
        anvil_t *anvil = make_anvil(3, failures[i]);

        for (int k = 0; k < HAMMERS; k++)
            assert_int_equal(pthread_create(&threads[k], NULL, hammer_thread, anvil), 0);
        for (int k = 0; k < HAMMERS; k++)
            pthread_join(threads[k], NULL);
        check_anvil(anvil);
    }
}

static void test_processes(void **state)
{
    pid_t children[HAMMERS];

    (void)state;
    anvil_t *anvil = make_anvil(3, 2);
    for (int i = 0; i < HAMMERS; i++) {
        children[i] = fork();
        if (!children[i]) {
            hammer(anvil, (unsigned)i * 77777);
            _exit(0);
        }
        assert_true(children[i] > 0);
    }
    for (int i = 0; i < HAMMERS; i++) {
        int status;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    check_anvil(anvil);
}

typedef struct {
    anvil_t *anvil;
    apr_time_t now;
    pthread_barrier_t *barrier;
    int verdict, place;
} racer_t;

static void *race(void *data)
{
    racer_t *racer = data;
    int wait;

    pthread_barrier_wait(racer->barrier);
    racer->verdict = (int)ca_gate_enter(&racer->place, &wait, racer->anvil->gate, &racer->anvil->rules, racer->now);
    return NULL;
}

/* However many come at once */
static void test_exactly_one_is_let_through_to_see(void **state)
{
    pthread_barrier_t barrier;
    pthread_t threads[HAMMERS];
    racer_t racers[HAMMERS];
    apr_time_t now = NOW;
    int place, wait;

    (void)state;
    anvil_t *anvil = make_anvil(CA_GATE_MAX, 1);
    anvil->rules.cooldown = SECOND;
    assert_int_equal(ca_gate_enter(&place, &wait, anvil->gate, &anvil->rules, now), CA_GATE_OPEN);
    ca_gate_leave(anvil->gate, &anvil->rules, place, CA_GATE_BAD, now);
    pthread_barrier_init(&barrier, NULL, HAMMERS);
    for (int turn = 0; turn < 100; turn++) {
        int n_open = 0, probe = 0;

        now += 301 * SECOND;
        for (int i = 0; i < HAMMERS; i++) {
            racers[i].anvil = anvil;
            racers[i].now = now;
            racers[i].barrier = &barrier;
            assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < HAMMERS; i++) {
            pthread_join(threads[i], NULL);
            if (racers[i].verdict == CA_GATE_OPEN) {
                n_open++;
                probe = racers[i].place;
            } else {
                assert_int_equal(racers[i].verdict, CA_GATE_CLOSED);
            }
        }
        assert_int_equal(n_open, 1);
        assert_int_equal(ca_gate_leave(anvil->gate, &anvil->rules, probe, CA_GATE_BAD, now), CA_GATE_SAME);
    }
    pthread_barrier_destroy(&barrier);
    munmap(anvil, sizeof(*anvil) + ca_gate_size());
}

/* A process that ends with a request at the upstream */
static void test_a_process_dies_inside(void **state)
{
    int place, wait, status;
    apr_time_t now = NOW;

    (void)state;
    anvil_t *anvil = make_anvil(1, 100);
    anvil->rules.lease = 15 * SECOND;
    pid_t child = fork();
    if (!child) {
        ca_gate_enter(&place, &wait, anvil->gate, &anvil->rules, now);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(ca_gate_enter(&place, &wait, anvil->gate, &anvil->rules, now), CA_GATE_FULL);
    now += 16 * SECOND;
    assert_int_equal(ca_gate_enter(&place, &wait, anvil->gate, &anvil->rules, now), CA_GATE_OPEN);
    munmap(anvil, sizeof(*anvil) + ca_gate_size());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_threads),
        EST_TEST(test_processes),
        EST_TEST(test_exactly_one_is_let_through_to_see),
        EST_TEST(test_a_process_dies_inside),
    };
    return EST_TEST_RUN(tests);
}
