/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* store_pg: orders that wait for approval. Part of store_pg_test */

#include "store_pg_test.h"

#include <apr_strings.h>
#include <string.h>

void test_an_order_waits_is_approved_and_issued(void **state)
{
    store_outcome_t outcome;
    const char *first;
    order_t o;

    (void)state;
    set_approval("all");
    order_init(&o, "ordered");
    open_order(&outcome, &o);
    assert_int_equal(outcome.kind, STORE_PENDING);
    assert_int_equal(outcome.retry_after, 9);
    assert_string_equal(sql("SELECT (outcome, subject, encode(csr, 'hex'), dropped, identity, order_key = "
                            "decode('%s', 'hex')) = ('pending', 'CN=ordered', '300100', 'L=Paris', 'someone', true) "
                            "FROM est.enrollment WHERE id = '%s'",
                            est_hex(est_slice(o.key, 32), t.pool), o.request.id),
                        "t");
    first = apr_pstrdup(t.pool, o.request.id);
    open_order(&outcome, &o); /* a repetition of the same call */
    assert_int_equal(outcome.kind, STORE_PENDING);
    strcpy(o.request.id, "000102030405060708090a0b0c0d0e0f"); /* the client comes again */
    open_order(&outcome, &o);
    assert_int_equal(outcome.kind, STORE_PENDING);
    sql("SELECT est.approve('%s')", first);
    open_order(&outcome, &o);
    assert_int_equal(outcome.kind, STORE_GO);
    assert_non_null(outcome.order);
    o.request.issue.order = outcome.order;
    record(&outcome, &o.request);
    assert_int_equal(outcome.kind, STORE_ISSUED);
    assert_string_equal(sql("SELECT outcome FROM est.enrollment WHERE id = '%s'", first), "issued");
    record(&outcome, &o.request);
    assert_int_equal(outcome.kind, STORE_REPLAY);
    assert_true(est_slice_equal(outcome.der, o.request.issue.der));
    assert_int_equal(certificates_of("ordered"), 1);
    set_approval("none");
}

void test_a_denied_order_says_why(void **state)
{
    store_outcome_t outcome;
    order_t o;

    (void)state;
    set_approval("all");
    order_init(&o, "denied");
    open_order(&outcome, &o);
    sql("SELECT est.deny('%s', 'not bought')", o.request.id);
    strcpy(o.request.id, "100102030405060708090a0b0c0d0e0f");
    open_order(&outcome, &o);
    ASSERT_OUTCOME(outcome, STORE_REFUSED, "approval_denied");
    assert_string_equal(outcome.detail, "not bought");
    set_approval("none");
}

void test_without_an_order_what_needs_one_is_stale(void **state)
{
    store_outcome_t outcome;
    order_t o;

    (void)state;
    set_approval("first");
    order_init(&o, "first of its name");
    record(&outcome, &o.request);
    ASSERT_OUTCOME(outcome, STORE_STALE, "approval");
    set_approval("none");
    order_init(&o, "needs no order");
    open_order(&outcome, &o);
    assert_int_equal(outcome.kind, STORE_GO);
    assert_null(outcome.order);
}

void test_an_order_whose_connection_is_ended_is_opened_once(void **state)
{
    PGconn *holder = lock_entity("cut");
    unsigned char key[32] = {9};
    caller_t c;

    (void)state;
    set_approval("all");
    call_prepare(&c, t.store, "cut");
    c.opens_order = 1;
    c.request.issue.order_key = key;
    call_run(&c);
    cut_off(holder);
    call_end(&c);
    succeed(c.err);
    assert_int_equal(c.outcome.kind, STORE_PENDING);
    assert_string_equal(sql("SELECT count(*) FROM est.enrollment WHERE identity = 'someone' AND outcome = 'pending' "
                            "AND order_key = decode(rpad('09', 64, '0'), 'hex')"),
                        "1");
    set_approval("none");
    apr_pool_destroy(c.pool);
}

void test_maintenance_says_what_it_did(void **state)
{
    store_outcome_t outcome;
    int revoked = -1, expired = -1;
    order_t o;

    (void)state;
    set_approval("all");
    order_init(&o, "forgotten");
    open_order(&outcome, &o);
    set_approval("none");
    succeed(t.store->vt->maintain(t.store, &revoked, &expired, t.pool));
    sql("UPDATE est.enrollment SET expires_at = now() WHERE id = '%s'", o.request.id);
    succeed(t.store->vt->maintain(t.store, &revoked, &expired, t.pool));
    assert_int_equal(revoked, 0);
    assert_int_equal(expired, 1);
    assert_string_equal(sql("SELECT outcome FROM est.enrollment WHERE id = '%s'", o.request.id), "expired");
}
