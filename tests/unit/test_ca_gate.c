/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "ca/ca_gate.h"

#define SECOND APR_USEC_PER_SEC
#define NOW APR_TIME_C(1770091506789012) /* no whole second */

/* A gate of the test's own, its rules and its clock */
static struct {
    ca_gate_t *gate;
    ca_gate_rules_t rules;
    apr_time_t now;
    int wait;
} t;

static void prepare(int places, int failures)
{
    t.gate = apr_pcalloc(pool, ca_gate_size());
    t.rules.places = places;
    t.rules.failures = failures;
    t.rules.cooldown = 10 * SECOND;
    t.rules.lease = 15 * SECOND;
    t.now = NOW;
}

/* Goes through; returns the place */
static int enter(void)
{
    int place;

    assert_int_equal(ca_gate_enter(&place, &t.wait, t.gate, &t.rules, t.now), CA_GATE_OPEN);
    return place;
}

static void assert_verdict(ca_gate_verdict_t verdict)
{
    int place;

    assert_int_equal(ca_gate_enter(&place, &t.wait, t.gate, &t.rules, t.now), verdict);
}

/* The gate is closed for that many seconds, and not for one more */
static void assert_closed_for(int seconds)
{
    assert_verdict(CA_GATE_CLOSED);
    assert_int_equal(t.wait, seconds);
    assert_int_equal(ca_gate_wait(t.gate, &t.rules, t.now), seconds);
    t.now += seconds * SECOND - SECOND / 4;
    assert_verdict(CA_GATE_CLOSED);
    assert_int_equal(t.wait, 1);
    t.now += SECOND / 4 + SECOND / 8;
    assert_int_equal(ca_gate_wait(t.gate, &t.rules, t.now), 0);
}

static ca_gate_change_t leave(int place, ca_gate_result_t result)
{
    return ca_gate_leave(t.gate, &t.rules, place, result, t.now);
}

static void fail_times(int n)
{
    for (int i = 0; i < n; i++)
        assert_int_equal(leave(enter(), CA_GATE_BAD), CA_GATE_SAME);
}

/* ---- places */

static void test_as_many_as_there_are_places(void **state)
{
    static const int sizes[] = {1, 2, 8, CA_GATE_MAX};
    int places[CA_GATE_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        prepare(sizes[i], 3);
        for (int k = 0; k < sizes[i]; k++)
            places[k] = enter();
        assert_verdict(CA_GATE_FULL);
        leave(places[sizes[i] / 2], CA_GATE_GOOD);
        places[sizes[i] / 2] = enter();
        assert_verdict(CA_GATE_FULL);
        for (int k = 0; k < sizes[i]; k++)
            leave(places[k], CA_GATE_GOOD);
        for (int k = 0; k < sizes[i]; k++)
            enter();
        assert_verdict(CA_GATE_FULL);
    }
}

static void test_a_place_is_left_once(void **state)
{
    (void)state;
    prepare(2, 3);
    int first = enter();
    enter();
    leave(first, CA_GATE_GOOD);
    int third = enter(); /* in the place of the first */
    leave(first, CA_GATE_BAD);
    assert_verdict(CA_GATE_FULL);
    leave(third, CA_GATE_GOOD);
    enter();
}

/* Who died leaves its place, but not before the lease is over; and that was a failure */
static void test_a_place_whose_lease_ran_out_is_taken(void **state)
{
    (void)state;
    prepare(1, 2);
    int dead = enter();
    t.now += 15 * SECOND - SECOND / 8;
    assert_verdict(CA_GATE_FULL);
    t.now += SECOND / 4;
    int next = enter();
    /* not dead after all: it has nothing to say any more, and the place stays another's */
    assert_int_equal(leave(dead, CA_GATE_GOOD), CA_GATE_SAME);
    assert_verdict(CA_GATE_FULL);
    assert_int_equal(leave(next, CA_GATE_BAD), CA_GATE_WENT_DOWN); /* the second failure */
}

static void test_who_is_late_is_heard_when_nobody_has_taken_its_place(void **state)
{
    (void)state;
    prepare(1, 1);
    int late = enter();
    t.now += 60 * SECOND;
    assert_int_equal(leave(late, CA_GATE_GOOD), CA_GATE_SAME);
    assert_int_equal(leave(enter(), CA_GATE_GOOD), CA_GATE_SAME);
}

/* The gate closes by that, which the next one that can say so says */
static void test_a_dead_one_can_close_the_gate(void **state)
{
    (void)state;
    prepare(2, 1);
    enter();
    t.now += 16 * SECOND;
    assert_closed_for(10);
    assert_int_equal(leave(enter(), CA_GATE_BAD), CA_GATE_WENT_DOWN);
    assert_closed_for(20);
    assert_int_equal(leave(enter(), CA_GATE_GOOD), CA_GATE_CAME_BACK);

    /* never said that it was down: nor that it came back */
    prepare(2, 1);
    enter();
    t.now += 16 * SECOND;
    assert_closed_for(10);
    assert_int_equal(leave(enter(), CA_GATE_GOOD), CA_GATE_SAME);
    assert_int_equal(leave(enter(), CA_GATE_GOOD), CA_GATE_SAME);
}

/* A reload made it smaller: those that are beyond count, and leave as ever */
static void test_fewer_places_than_are_taken(void **state)
{
    int places[8];

    (void)state;
    prepare(8, 3);
    for (int i = 0; i < 8; i++)
        places[i] = enter();
    t.rules.places = 4;
    assert_verdict(CA_GATE_FULL);
    for (int i = 0; i < 4; i++) {
        leave(places[i], CA_GATE_GOOD);
        assert_verdict(CA_GATE_FULL);
    }
    leave(places[7], CA_GATE_GOOD);
    int one = enter();
    assert_verdict(CA_GATE_FULL);
    for (int i = 4; i < 7; i++)
        leave(places[i], CA_GATE_GOOD);
    for (int i = 0; i < 3; i++)
        enter();
    assert_verdict(CA_GATE_FULL);
    leave(one, CA_GATE_GOOD);
    enter();

    /* those beyond that died are in nobody's way for longer than their lease */
    prepare(8, 3);
    for (int i = 0; i < 8; i++)
        places[i] = enter();
    t.rules.places = 1;
    leave(places[0], CA_GATE_GOOD);
    assert_verdict(CA_GATE_FULL);
    t.now += 16 * SECOND;
    enter();
    assert_verdict(CA_GATE_FULL);
}

/* ---- the circuit breaker */

static void test_failures_in_a_row_close_it(void **state)
{
    (void)state;
    prepare(8, 3);
    fail_times(2);
    assert_int_equal(leave(enter(), CA_GATE_GOOD), CA_GATE_SAME);
    fail_times(2);
    assert_int_equal(leave(enter(), CA_GATE_UNTRIED), CA_GATE_SAME);
    assert_int_equal(leave(enter(), CA_GATE_BAD), CA_GATE_WENT_DOWN);
    assert_closed_for(10);
}

static void test_one_is_let_through_to_see(void **state)
{
    (void)state;
    prepare(8, 1);
    assert_int_equal(leave(enter(), CA_GATE_BAD), CA_GATE_WENT_DOWN);
    assert_closed_for(10);
    int probe = enter();
    for (int i = 0; i < 20; i++)
        assert_verdict(CA_GATE_CLOSED);
    assert_int_equal(t.wait, 10);
    t.now += 14 * SECOND;
    assert_verdict(CA_GATE_CLOSED);
    assert_in_range(t.wait, 1, 2);
    assert_int_equal(leave(probe, CA_GATE_GOOD), CA_GATE_CAME_BACK);
    for (int i = 0; i < 8; i++)
        enter();
    assert_verdict(CA_GATE_FULL);
}

static void test_the_cooldown_doubles_up_to_the_most(void **state)
{
    static const int seconds[] = {10, 20, 40, 80, 160, 300, 300, 300, 300, 300, 300, 300};

    (void)state;
    prepare(8, 2);
    for (int turn = 0; turn < 2; turn++) { /* when it has come back, it begins anew */
        fail_times(1);
        assert_int_equal(leave(enter(), CA_GATE_BAD), CA_GATE_WENT_DOWN);
        for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
            assert_closed_for(seconds[i]);
            assert_int_equal(leave(enter(), CA_GATE_BAD), CA_GATE_SAME);
        }
        assert_closed_for(300);
        assert_int_equal(leave(enter(), CA_GATE_GOOD), CA_GATE_CAME_BACK);
    }
    t.rules.cooldown = 400 * SECOND; /* no directive gives that */
    fail_times(1);
    leave(enter(), CA_GATE_BAD);
    assert_closed_for(300);
    prepare(8, 1);
    t.rules.cooldown = SECOND;
    leave(enter(), CA_GATE_BAD);
    for (int i = 1; i <= 256; i *= 2) {
        assert_closed_for(i);
        leave(enter(), CA_GATE_BAD);
    }
    assert_closed_for(300);
}

/* Whoever was let through may not have asked anybody, for want of time */
static void test_who_has_not_asked_lets_the_next_one_see(void **state)
{
    (void)state;
    prepare(8, 1);
    leave(enter(), CA_GATE_BAD);
    assert_closed_for(10);
    int probe = enter();
    assert_verdict(CA_GATE_CLOSED);
    assert_int_equal(leave(probe, CA_GATE_UNTRIED), CA_GATE_SAME);
    probe = enter();
    assert_verdict(CA_GATE_CLOSED);
    assert_int_equal(leave(probe, CA_GATE_BAD), CA_GATE_SAME);
    assert_closed_for(20);
}

/* One that died on its way to see has failed when its lease was over */
static void test_who_was_let_through_may_die(void **state)
{
    (void)state;
    prepare(8, 1);
    leave(enter(), CA_GATE_BAD);
    assert_closed_for(10);
    int dead = enter();
    t.now += 14 * SECOND;
    assert_verdict(CA_GATE_CLOSED);
    t.now += SECOND + SECOND / 8;
    assert_verdict(CA_GATE_CLOSED);
    assert_int_equal(t.wait, 20);
    assert_int_equal(leave(dead, CA_GATE_GOOD), CA_GATE_SAME); /* too late: another one will see */
    assert_verdict(CA_GATE_CLOSED);
    t.now += 20 * SECOND;
    int probe = enter();
    assert_verdict(CA_GATE_CLOSED);
    assert_int_equal(leave(probe, CA_GATE_GOOD), CA_GATE_CAME_BACK);

    /* a long time later, the next one may see at once */
    leave(enter(), CA_GATE_BAD);
    assert_closed_for(10);
    enter();
    t.now += 3600 * SECOND;
    probe = enter();
    assert_verdict(CA_GATE_CLOSED);
    assert_int_equal(leave(probe, CA_GATE_GOOD), CA_GATE_CAME_BACK);
}

/* What was under way when the gate closed has no say in whether it opens, or closes for longer */
static void test_results_of_before_do_not_count(void **state)
{
    static const ca_gate_result_t results[] = {CA_GATE_GOOD, CA_GATE_BAD, CA_GATE_UNTRIED};
    int old[6];

    (void)state;
    prepare(8, 2);
    for (int i = 0; i < 6; i++)
        old[i] = enter();
    fail_times(1);
    assert_int_equal(leave(enter(), CA_GATE_BAD), CA_GATE_WENT_DOWN);
    for (int i = 0; i < 3; i++) /* while it is closed */
        assert_int_equal(leave(old[i], results[i]), CA_GATE_SAME);
    assert_closed_for(10);
    int probe = enter();
    for (int i = 0; i < 2; i++) /* while one is there to see */
        assert_int_equal(leave(old[3 + i], results[i]), CA_GATE_SAME);
    assert_verdict(CA_GATE_CLOSED);
    assert_int_equal(leave(probe, CA_GATE_GOOD), CA_GATE_CAME_BACK);
    fail_times(1);
    assert_int_equal(leave(old[5], CA_GATE_BAD), CA_GATE_SAME); /* when it is open again */
    assert_int_equal(leave(enter(), CA_GATE_BAD), CA_GATE_WENT_DOWN);
    assert_closed_for(10);
}

/* Places that the dead have left do not count when they are taken by the one that is let through to see, either */
static void test_the_dead_of_before_do_not_count(void **state)
{
    (void)state;
    prepare(2, 1);
    enter();
    t.now += 5 * SECOND;
    assert_int_equal(leave(enter(), CA_GATE_BAD), CA_GATE_WENT_DOWN);
    assert_closed_for(10);
    t.now += SECOND;
    int probe = enter(); /* in the dead one's place */
    assert_verdict(CA_GATE_CLOSED);
    assert_int_equal(leave(probe, CA_GATE_GOOD), CA_GATE_CAME_BACK);
}

static void test_one_that_is_to_see_needs_a_place(void **state)
{
    int old[2];

    (void)state;
    prepare(2, 1);
    old[0] = enter();
    assert_int_equal(leave(enter(), CA_GATE_BAD), CA_GATE_WENT_DOWN);
    t.now += 2 * SECOND;
    t.rules.places = 1;
    t.now += 9 * SECOND;
    assert_verdict(CA_GATE_FULL);
    leave(old[0], CA_GATE_GOOD);
    assert_int_equal(leave(enter(), CA_GATE_GOOD), CA_GATE_CAME_BACK);
}

/* A clock that was an hour ahead and is put right does not keep the gate closed, or places taken, for that hour */
static void test_the_clock_may_be_put_back(void **state)
{
    (void)state;
    prepare(1, 1);
    t.now += 3600 * SECOND;
    assert_int_equal(leave(enter(), CA_GATE_BAD), CA_GATE_WENT_DOWN);
    assert_verdict(CA_GATE_CLOSED);
    t.now = NOW;
    assert_int_equal(leave(enter(), CA_GATE_GOOD), CA_GATE_CAME_BACK);

    prepare(1, 2);
    t.now += 3600 * SECOND;
    enter();
    assert_verdict(CA_GATE_FULL);
    t.now = NOW;
    assert_int_equal(leave(enter(), CA_GATE_GOOD), CA_GATE_SAME);

    prepare(1, 1);
    t.now += 3600 * SECOND;
    leave(enter(), CA_GATE_BAD);
    assert_closed_for(10);
    enter();
    t.now = NOW;
    assert_closed_for(20);
}

/* Epochs and tickets are counted in few bits */
static void test_it_works_for_ever(void **state)
{
    (void)state;
    prepare(2, 1);
    int stays = enter();
    t.rules.lease = 300 * SECOND;
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(leave(enter(), CA_GATE_BAD), CA_GATE_WENT_DOWN);
        assert_verdict(CA_GATE_CLOSED);
        t.now += 11 * SECOND;
        assert_int_equal(leave(enter(), CA_GATE_GOOD), CA_GATE_CAME_BACK);
    }
    assert_int_equal(leave(stays, CA_GATE_BAD), CA_GATE_SAME);
}

/* ---- a look from outside */

static void assert_look(ca_gate_state_t state, int wait, int inside, int failures)
{
    ca_gate_look_t look;
    char *before = apr_pmemdup(pool, t.gate, ca_gate_size());

    memset(&look, 0xff, sizeof(look));
    ca_gate_look(&look, t.gate, &t.rules, t.now);
    assert_int_equal(look.state, state);
    assert_int_equal(look.wait, wait);
    assert_int_equal(look.inside, inside);
    assert_int_equal(look.failures, failures);
    assert_memory_equal(before, t.gate, ca_gate_size());
}

static void test_a_look_counts_who_is_there(void **state)
{
    (void)state;
    prepare(3, 3);
    assert_look(CA_GATE_IS_OPEN, 0, 0, 0);
    int first = enter();
    enter();
    assert_look(CA_GATE_IS_OPEN, 0, 2, 0);
    leave(first, CA_GATE_GOOD);
    assert_look(CA_GATE_IS_OPEN, 0, 1, 0);
    enter();
    enter();
    t.rules.places = 1; /* those beyond are there all the same */
    assert_look(CA_GATE_IS_OPEN, 0, 3, 0);
    t.now += 16 * SECOND; /* those that died are not, though nobody has taken their places yet */
    assert_look(CA_GATE_IS_OPEN, 0, 0, 0);
}

static void test_a_look_at_a_gate_that_closes_and_opens(void **state)
{
    (void)state;
    prepare(8, 2);
    fail_times(1);
    assert_look(CA_GATE_IS_OPEN, 0, 0, 1);
    leave(enter(), CA_GATE_GOOD);
    assert_look(CA_GATE_IS_OPEN, 0, 0, 0);
    fail_times(1);
    int old = enter();
    leave(enter(), CA_GATE_BAD);
    assert_look(CA_GATE_IS_CLOSED, 10, 1, 2);
    leave(old, CA_GATE_BAD);
    t.now += 7 * SECOND;
    assert_look(CA_GATE_IS_CLOSED, 3, 0, 2);
    t.now += 3 * SECOND + SECOND / 8;
    assert_look(CA_GATE_IS_HALF_OPEN, 0, 0, 2); /* the next one will see */
    int probe = enter();
    assert_look(CA_GATE_IS_HALF_OPEN, 0, 1, 2);
    assert_int_equal(leave(probe, CA_GATE_BAD), CA_GATE_SAME);
    assert_look(CA_GATE_IS_CLOSED, 20, 0, 2);
    t.now += 20 * SECOND + SECOND / 8;
    assert_int_equal(leave(enter(), CA_GATE_GOOD), CA_GATE_CAME_BACK);
    assert_look(CA_GATE_IS_OPEN, 0, 0, 0);
}

/* What the next one that comes will find, though nobody has come yet */
static void test_a_look_after_the_one_that_was_to_see_has_died(void **state)
{
    (void)state;
    prepare(8, 1);
    leave(enter(), CA_GATE_BAD);
    t.now += 11 * SECOND;
    enter();
    t.now += 14 * SECOND;
    assert_look(CA_GATE_IS_HALF_OPEN, 0, 1, 1);
    t.now += 6 * SECOND; /* five of the twenty seconds since its lease ended */
    assert_look(CA_GATE_IS_CLOSED, 16, 0, 1);
    assert_verdict(CA_GATE_CLOSED);
    assert_int_equal(t.wait, 16);
    t.now += 3600 * SECOND;
    assert_look(CA_GATE_IS_HALF_OPEN, 0, 0, 1);
}

static void test_a_look_after_the_clock_was_put_back(void **state)
{
    (void)state;
    prepare(1, 1);
    t.now += 3600 * SECOND;
    leave(enter(), CA_GATE_BAD);
    assert_look(CA_GATE_IS_CLOSED, 10, 0, 1);
    t.now = NOW;
    assert_look(CA_GATE_IS_HALF_OPEN, 0, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_as_many_as_there_are_places),
        EST_TEST(test_a_place_is_left_once),
        EST_TEST(test_a_place_whose_lease_ran_out_is_taken),
        EST_TEST(test_who_is_late_is_heard_when_nobody_has_taken_its_place),
        EST_TEST(test_a_dead_one_can_close_the_gate),
        EST_TEST(test_fewer_places_than_are_taken),
        EST_TEST(test_failures_in_a_row_close_it),
        EST_TEST(test_one_is_let_through_to_see),
        EST_TEST(test_the_cooldown_doubles_up_to_the_most),
        EST_TEST(test_who_has_not_asked_lets_the_next_one_see),
        EST_TEST(test_who_was_let_through_may_die),
        EST_TEST(test_results_of_before_do_not_count),
        EST_TEST(test_the_dead_of_before_do_not_count),
        EST_TEST(test_one_that_is_to_see_needs_a_place),
        EST_TEST(test_the_clock_may_be_put_back),
        EST_TEST(test_it_works_for_ever),
        EST_TEST(test_a_look_counts_who_is_there),
        EST_TEST(test_a_look_at_a_gate_that_closes_and_opens),
        EST_TEST(test_a_look_after_the_one_that_was_to_see_has_died),
        EST_TEST(test_a_look_after_the_clock_was_put_back),
    };
    return EST_TEST_RUN(tests);
}
