/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* est_issue where an upstream CA issues: what is asked of it, and what is on record of every way in which that ends. */
#include "forward_test.h"

#include <limits.h>

/* ---- a certificate */

static store_issue_t seen_order;

static void keep_order(const store_issue_t *row)
{
    seen_order = *row;
}

static void test_the_order_is_opened_and_then_the_stored_request_forwarded(void **state)
{
    est_issued_t issued;
    est_slice_t stored;

    (void)state;
    start();
    stored = some_csr()->der;
    op.store.on_order = keep_order;
    op.store.on_issue = keep_row;
    op_order_says((store_outcome_t){.kind = STORE_FORWARD,
                                    .order = ORDER,
                                    .attempt = 2,
                                    .csr = stored,
                                    .upstream = UPSTREAM,
                                    .state = est_slice_of("state")});
    ASSERT_OK(ask(&issued));
    assert_int_equal(issued.pending, 0);
    assert_int_equal(seen_order.lease, 15);
    assert_string_equal(seen_order.ca, "issuing");
    assert_true(seen_order.csr.n > 0);
    assert_int_equal(up.calls, 1);
    ASSERT_SLICE(up.seen.csr, stored);
    assert_string_equal(up.seen.upstream, UPSTREAM);
    ASSERT_SLICE(up.seen.state, est_slice_of("state"));
    assert_null(up.seen.holder);

    /* recorded with what the certificate says, and nothing else of the order */
    assert_int_equal(op.store.issue_calls, 1);
    assert_int_equal(op.store.forward_calls, 0);
    assert_string_equal(seen_row.order, ORDER);
    assert_string_equal(seen_row.issuer, "O=Example,CN=Issuing");
    assert_int_equal(seen_row.serial.n, 1);
    assert_int_equal(seen_row.serial.p[0], 0x42);
    ASSERT_SLICE(seen_row.der, issued.der);
    unsigned char hash[PKI_SHA256_SIZE];
    pki_sha256(hash, name_of("CN=Issuing,O=Example")->der);
    assert_memory_equal(seen_issuer, hash, sizeof(hash));
}

static void test_a_renewal_names_the_certificate_that_is_renewed(void **state)
{
    est_issued_t issued;
    X509 *holder;

    (void)state;
    start();
    holder = op_holder("CN=dev7", NULL);
    to_forward();
    ASSERT_OK(est_issue(&issued, op_granted("/simplereenroll", NULL, holder), &op.service, some_csr()));
    assert_ptr_equal(up.seen.holder, holder);
}

/* ---- none yet */

static void test_what_waits_there_is_on_record_before_the_client_hears_of_it(void **state)
{
    est_issued_t issued;
    est_resp_t resp = {0};

    (void)state;
    start();
    to_forward();
    up.waits = 1;
    up.answer.retry_after = 30;
    up.answer.state = est_slice_of("there");
    ASSERT_OK(ask(&issued));
    assert_int_equal(issued.pending, 30);
    assert_int_equal(issued.der.n, 0);
    assert_int_equal(op.store.forward_calls, 1);
    assert_int_equal(op.store.forwarded.kind, STORE_FORWARD_WAITS);
    assert_int_equal(op.store.forwarded.retry_after, 30);
    assert_int_equal(op.store.forwarded.attempt, 3);
    assert_string_equal(op.store.forwarded.upstream, UPSTREAM);
    ASSERT_SLICE(op.store.forwarded.state, est_slice_of("there"));
    assert_int_equal(op.store.issue_calls, 0);
    est_issue_wait(&resp, op_request(EST_METHOD_POST), &issued);
    assert_int_equal(resp.status, 202);
    assert_string_equal(resp.summary, "\"CN=dev7\" waits for the CA, order " ORDER);
}

/* Whatever number comes: a device that is told a year is lost */
static void test_a_client_waits_a_day_at_most(void **state)
{
    est_issued_t issued;
    est_resp_t resp = {0};

    (void)state;
    start();
    to_forward();
    up.waits = 1;
    up.answer.retry_after = INT_MAX;
    ASSERT_OK(ask(&issued));
    assert_int_equal(op.store.forwarded.retry_after, INT_MAX); /* and the CA is not asked before */
    est_issue_wait(&resp, op_request(EST_METHOD_POST), &issued);
    assert_int_equal(resp.retry_after, 24 * 3600);
}

static void test_where_the_ca_does_not_say_how_long_the_alias_does(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    to_forward();
    up.waits = 1;
    ASSERT_OK(ask(&issued));
    assert_int_equal(issued.pending, 77);
    assert_int_equal(op.store.forwarded.retry_after, 0);
}

static void test_a_202_that_is_not_on_record_is_none(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    to_forward();
    up.waits = 1;
    op.store.forward_error = EST_FAIL(pool, store_unavailable, "down");
    ASSERT_FAILS(ask(&issued), store_unavailable, "down");
}

static void test_an_order_that_somebody_else_sees_to_is_left_alone(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    op_order_says((store_outcome_t){.kind = STORE_PENDING, .order = ORDER, .retry_after = 4, .waits_for_ca = 1});
    ASSERT_OK(ask(&issued));
    assert_int_equal(issued.pending, 4);
    assert_true(issued.waits_for_ca);
    assert_int_equal(up.calls, 0);
    assert_int_equal(op.store.forward_calls, 0);
}

/* ---- no certificate */

static void test_how_an_exchange_may_fail(void **state)
{
    static const struct {
        est_err_code_t code;
        const char *upstream;
        store_forward_kind_t kind;
    } rows[] = {
        {EST_E_ca_unavailable, NULL, STORE_FORWARD_UNSENT},      {EST_E_ca_busy, NULL, STORE_FORWARD_UNSENT},
        {EST_E_ca_unavailable, UPSTREAM, STORE_FORWARD_UNSURE},  {EST_E_ca_timeout, UPSTREAM, STORE_FORWARD_UNSURE},
        {EST_E_ca_refused, UPSTREAM, STORE_FORWARD_FAILED},      {EST_E_ca_answer, UPSTREAM, STORE_FORWARD_FAILED},
        {EST_E_alias_broken, NULL, STORE_FORWARD_FAILED},        {EST_E_internal, NULL, STORE_FORWARD_UNSENT},
    };
    est_issued_t issued;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start();
        to_forward();
        up.answer.upstream = rows[i].upstream;
        up.err = est_err_make(pool, rows[i].code, __FILE__, __LINE__, "its reason");
        assert_ptr_equal(ask(&issued), up.err);
        assert_int_equal(op.store.forward_calls, 1);
        assert_int_equal(op.store.forwarded.kind, rows[i].kind);
        assert_string_equal(op.store.forwarded.order, ORDER);
        if (rows[i].kind == STORE_FORWARD_FAILED) {
            assert_failed(est_err_row(rows[i].code)->name);
            assert_string_equal(op.store.forwarded.reason, "its reason");
            assert_int_equal(op.store.forwarded.answer.n, 0);
        }
        if (rows[i].upstream)
            assert_string_equal(op.store.forwarded.upstream, rows[i].upstream);
        else
            assert_null(op.store.forwarded.upstream);
        assert_int_equal(op.store.issue_calls, 0);
        assert_int_equal(op.store.refusal_calls, 0);
    }
}

static void test_a_failure_that_is_not_on_record_stays_the_failure(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    to_forward();
    up.err = EST_FAIL(pool, ca_timeout, "slow");
    op.store.forward_error = EST_FAIL(pool, store_unavailable, "down");
    ASSERT_FAILS(ask(&issued), ca_timeout, "slow");
    assert_non_null(strstr(op.logged, "what became of order " ORDER " is not on record: down"));
}

static void test_another_certificate_than_was_granted_is_kept_and_not_handed_out(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    to_forward();
    up.other_subject = "CN=dev8";
    ASSERT_FAILS(ask(&issued), ca_wrong, "certificate 42 of order " ORDER ": ");
    assert_failed("ca_wrong");
    assert_non_null(strstr(op.store.forwarded.reason, "dev8"));
    assert_true(op.store.forwarded.answer.n > 0);
    assert_int_equal(op.store.issue_calls, 0);
    assert_int_equal(issued.der.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_the_order_is_opened_and_then_the_stored_request_forwarded),
        EST_TEST(test_a_renewal_names_the_certificate_that_is_renewed),
        EST_TEST(test_what_waits_there_is_on_record_before_the_client_hears_of_it),
        EST_TEST(test_a_client_waits_a_day_at_most),
        EST_TEST(test_where_the_ca_does_not_say_how_long_the_alias_does),
        EST_TEST(test_a_202_that_is_not_on_record_is_none),
        EST_TEST(test_an_order_that_somebody_else_sees_to_is_left_alone),
        EST_TEST(test_how_an_exchange_may_fail),
        EST_TEST(test_a_failure_that_is_not_on_record_stays_the_failure),
        EST_TEST(test_another_certificate_than_was_granted_is_kept_and_not_handed_out),
    };

    return EST_TEST_RUN(tests);
}
