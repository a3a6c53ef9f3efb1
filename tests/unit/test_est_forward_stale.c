/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* est_issue where an upstream CA has issued, and policy has changed meanwhile or the row is not what it was */
#include "forward_test.h"

static void test_after_stale_the_certificate_in_hand_is_judged_and_not_asked_for_again(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    to_forward();
    to_forward();
    op_record_says((store_outcome_t){.kind = STORE_STALE, .rule = "policy"});
    op.store.on_issue = keep_row;
    op_policy_changed();
    ASSERT_OK(ask(&issued));
    assert_int_equal(up.calls, 1);
    assert_int_equal(op.store.order_calls, 2);
    assert_int_equal(op.store.issue_calls, 2);
    assert_true(issued.der.n > 0);
    ASSERT_SLICE(seen_row.der, issued.der);
}

static ca_t other;
static int other_calls;

static est_err_t *other_issue(ca_t *ca, ca_answer_t *answer, const ca_request_t *request, apr_pool_t *request_pool)
{
    other_calls++;
    return up_issue(&up.ca, answer, request, ca == &other ? request_pool : NULL);
}

static const ca_driver_t other_driver = {.name = "other", .remote = 1, .facts = up_facts, .issue = other_issue};

static void become_local(const store_issue_t *row)
{
    (void)row;
    if (op.store.issue_calls > 1)
        return;
    op.cas[0] = up.signer;
    op_policy_changed();
}

static void change_ca(const store_issue_t *row)
{
    (void)row;
    if (op.store.issue_calls > 1)
        return;
    op.cas[0] = &other;
    op_policy_changed();
}

static void test_the_certificate_of_the_ca_before_is_not_that_of_the_ca_now(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    to_forward();
    to_forward();
    other = up.ca;
    other.driver = &other_driver;
    other_calls = 0;
    op_record_says((store_outcome_t){.kind = STORE_STALE, .rule = "policy"});
    op.store.on_issue = change_ca;
    ASSERT_OK(ask(&issued));
    assert_int_equal(other_calls, 1); /* it is asked for its own */
    assert_true(issued.der.n > 0);
    assert_failed("ca_wrong");
    assert_true(op.store.forwarded.answer.n > 0);
    assert_non_null(strstr(op.logged, "the CA has issued certificate 42, which is not handed out (ca_wrong)"));
}

/* And not forgotten either, when the CA now is a local one */
static void test_a_local_ca_signs_after_an_upstream_has(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    to_forward();
    op_record_says((store_outcome_t){.kind = STORE_STALE, .rule = "policy"});
    op.store.on_issue = become_local;
    ASSERT_OK(ask(&issued));
    assert_int_equal(up.calls, 1);
    assert_failed("ca_wrong");
    assert_false(est_slice_equal(issued.der, op.store.forwarded.answer));
}

static void forbid_names(const store_issue_t *row)
{
    (void)row;
    op.store.subject_rules[0].pattern = "other*";
    op_policy_changed();
}

static void test_what_policy_no_longer_grants_is_on_record_and_not_handed_out(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    to_forward();
    op_record_says((store_outcome_t){.kind = STORE_STALE, .rule = "policy"});
    op.store.on_issue = forbid_names;
    ASSERT_FAILS(ask(&issued), name_refused, "dev7");
    assert_failed("name_refused");
    assert_true(op.store.forwarded.answer.n > 0);
    assert_non_null(strstr(op.logged, "the CA has issued certificate 42, which is not handed out (name_refused)"));
    assert_int_equal(issued.der.n, 0);
}

static void test_what_the_database_refuses_then_is_on_record_and_not_handed_out(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    to_forward();
    op_record_says((store_outcome_t){.kind = STORE_REFUSED, .rule = "entity_suspended", .detail = "dev7 is suspended"});
    ASSERT_FAILS(ask(&issued), entity_suspended, "dev7 is suspended");
    assert_failed("entity_suspended");
    assert_true(op.store.forwarded.answer.n > 0);
}

static void test_trouble_of_our_own_leaves_the_order_to_be_resumed(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    to_forward();
    op.store.issue_error = EST_FAIL(pool, store_unavailable, "down");
    ASSERT_FAILS(ask(&issued), store_unavailable, "down");
    assert_int_equal(op.store.forward_calls, 0);
    assert_int_equal(issued.der.n, 0);
}

static void test_another_process_was_faster(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    to_forward();
    op_record_says((store_outcome_t){.kind = STORE_REPLAY, .der = est_slice_of("earlier")});
    ASSERT_OK(ask(&issued));
    ASSERT_SLICE(issued.der, est_slice_of("earlier"));
    assert_int_equal(op.store.forward_calls, 0);
    assert_non_null(strstr(op.logged, "certificate 42, which is not handed out (another one was recorded first)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_after_stale_the_certificate_in_hand_is_judged_and_not_asked_for_again),
        EST_TEST(test_the_certificate_of_the_ca_before_is_not_that_of_the_ca_now),
        EST_TEST(test_a_local_ca_signs_after_an_upstream_has),
        EST_TEST(test_what_policy_no_longer_grants_is_on_record_and_not_handed_out),
        EST_TEST(test_what_the_database_refuses_then_is_on_record_and_not_handed_out),
        EST_TEST(test_trouble_of_our_own_leaves_the_order_to_be_resumed),
        EST_TEST(test_another_process_was_faster),
    };

    return EST_TEST_RUN(tests);
}
