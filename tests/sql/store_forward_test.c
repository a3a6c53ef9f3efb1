/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* store_pg: orders that are forwarded to a CA elsewhere. Part of store_pg_test */

#include "store_pg_test.h"

#include <stdlib.h>
#include <string.h>

#define UPSTREAM "https://ca.example/.well-known/est"

static void forward_init(order_t *o, const char *entity)
{
    order_init(o, entity);
    o->request.issue.ca = "upstream";
    o->request.issue.lease = 15;
}

/* The same request, by another connection of the client */
static void come_again(order_t *o)
{
    strcpy(o->request.id, sql("SELECT replace(gen_random_uuid()::text, '-', '')"));
}

static void ended(const store_forward_t *forward)
{
    succeed(t.store->vt->order_forwarded(t.store, forward, t.pool));
}

/* What the row of an order has, as text */
static const char *row_of(const char *order, const char *columns)
{
    return sql("SELECT concat_ws(' ', %s) FROM est.enrollment WHERE id = '%s'", columns, order);
}

static void assert_forward(const store_outcome_t *outcome, int attempt, const char *upstream)
{
    assert_int_equal(outcome->kind, STORE_FORWARD);
    assert_int_equal(outcome->attempt, attempt);
    assert_true(est_slice_equal(outcome->csr, est_slice("\x30\x01\x00", 3)));
    if (upstream)
        assert_string_equal(outcome->upstream, upstream);
    else
        assert_null(outcome->upstream);
}

void test_an_order_is_forwarded_and_its_certificate_recorded(void **state)
{
    const est_slice_t said = est_slice("\x00\xff'\\x", 5);
    store_outcome_t outcome;
    const char *order;
    order_t o;

    (void)state;
    sql("UPDATE est.alias SET retry_after = '9 seconds' WHERE name = 'est'");
    forward_init(&o, "forwarded");
    open_order(&outcome, &o);
    assert_forward(&outcome, 1, NULL);
    assert_int_equal(outcome.state.n, 0);
    order = outcome.order;
    assert_string_equal(row_of(order, "outcome, ca, encode(csr, 'hex'), attempt, round(extract(epoch FROM busy_until - at))"),
                        "forwarded upstream 300100 1 15");
    open_order(&outcome, &o); /* a repetition of the same call */
    assert_forward(&outcome, 1, NULL);
    assert_string_equal(outcome.order, order);
    come_again(&o);
    o.request.issue.csr = est_slice("\x30\x02\x00\x00", 4); /* signed anew */
    open_order(&outcome, &o);
    assert_int_equal(outcome.kind, STORE_PENDING);
    assert_true(outcome.waits_for_ca);
    assert_in_range(outcome.retry_after, 1, 5);

    ended(&(store_forward_t){order, 1, STORE_FORWARD_KEPT, UPSTREAM, est_slice("so far", 6), 0, NULL, NULL, {NULL, 0}});
    assert_string_equal(row_of(order, "outcome, upstream, state = 'so far', ask_at, round(extract(epoch FROM busy_until - at))"),
                        "forwarded " UPSTREAM " t 15");
    open_order(&outcome, &o);
    assert_int_equal(outcome.kind, STORE_PENDING);

    ended(&(store_forward_t){order, 1, STORE_FORWARD_WAITS, UPSTREAM, said, 0, NULL, NULL, {NULL, 0}});
    open_order(&outcome, &o);
    assert_int_equal(outcome.kind, STORE_PENDING);
    assert_true(outcome.waits_for_ca);
    assert_in_range(outcome.retry_after, 1, 9);
    sql("UPDATE est.enrollment SET ask_at = now() WHERE id = '%s'", order);
    open_order(&outcome, &o);
    assert_forward(&outcome, 2, UPSTREAM);
    assert_true(est_slice_equal(outcome.state, said));

    o.request.issue.order = outcome.order;
    o.request.issue.idem_seconds = 600;
    record(&outcome, &o.request);
    assert_int_equal(outcome.kind, STORE_ISSUED);
    assert_string_equal(row_of(order, "outcome, upstream, encode(state, 'hex'), busy_until"), "issued " UPSTREAM);
    open_order(&outcome, &o);
    assert_int_equal(outcome.kind, STORE_REPLAY);
    assert_true(est_slice_equal(outcome.der, o.request.issue.der));
    assert_int_equal(certificates_of("forwarded"), 1);
}

void test_what_became_of_an_order_is_recorded(void **state)
{
    store_forward_t forward = {.attempt = 1, .kind = STORE_FORWARD_UNSENT, .upstream = NULL, .retry_after = 7};
    store_outcome_t outcome;
    order_t o;

    (void)state;
    forward_init(&o, "ends");
    open_order(&outcome, &o);
    assert_forward(&outcome, 1, NULL);
    forward.order = outcome.order;
    ended(&forward);
    assert_string_equal(row_of(forward.order, "outcome, upstream, busy_until, ask_at"), "forwarded");
    come_again(&o);
    open_order(&outcome, &o);
    assert_forward(&outcome, 2, NULL);

    forward.attempt = 2;
    forward.kind = STORE_FORWARD_UNSURE;
    forward.upstream = UPSTREAM;
    ended(&forward);
    assert_string_equal(row_of(forward.order, "outcome, upstream, busy_until, ask_at"), "forwarded " UPSTREAM);
    open_order(&outcome, &o);
    assert_forward(&outcome, 3, UPSTREAM);

    forward.attempt = 3;
    forward.kind = STORE_FORWARD_FAILED;
    forward.upstream = NULL;
    forward.rule = "ca_wrong";
    forward.reason = "the key is another's";
    forward.answer = est_slice("\x30\x00\xff", 3);
    ended(&forward);
    ended(&forward); /* once more, as after a lost connection */
    assert_string_equal(row_of(forward.order, "outcome, upstream, rule, reason, encode(answer, 'hex'), busy_until"),
                        "failed " UPSTREAM " ca_wrong the key is another's 3000ff");
    o.request.issue.order = forward.order;
    record(&outcome, &o.request);
    ASSERT_OUTCOME(outcome, STORE_STALE, "approval");
    open_order(&outcome, &o); /* the next one of the same request */
    assert_forward(&outcome, 1, NULL);
    assert_string_not_equal(outcome.order, forward.order);
}

/* Whoever is in the midst of an exchange has to know that nothing was put on record: it may go no further */
void test_what_is_kept_of_an_order_is_on_record_or_fails(void **state)
{
    store_forward_t kept = {.attempt = 1, .kind = STORE_FORWARD_KEPT, .upstream = UPSTREAM, .state = est_slice("half", 4)};
    store_outcome_t outcome;
    order_t o;

    (void)state;
    forward_init(&o, "kept");
    open_order(&outcome, &o);
    assert_forward(&outcome, 1, NULL);
    kept.order = outcome.order;
    ended(&kept);
    assert_string_equal(row_of(kept.order, "outcome, upstream, encode(state, 'escape'), busy_until > now(), ask_at"),
                        "forwarded " UPSTREAM " half t");
    kept.attempt = 2;
    expect(t.store->vt->order_forwarded(t.store, &kept, t.pool), EST_E_store_failed, "taken over");
    kept.attempt = 1;
    sql("SELECT est.give_up('%s')", kept.order);
    expect(t.store->vt->order_forwarded(t.store, &kept, t.pool), EST_E_store_failed, "ended");
    assert_string_equal(row_of(kept.order, "outcome"), "failed");
}

void test_an_attempt_that_was_taken_over_changes_nothing(void **state)
{
    static const store_forward_kind_t kinds[] = {STORE_FORWARD_WAITS, STORE_FORWARD_UNSURE, STORE_FORWARD_UNSENT,
                                                 STORE_FORWARD_FAILED};
    store_outcome_t outcome;
    order_t o;

    (void)state;
    forward_init(&o, "taken over");
    open_order(&outcome, &o);
    assert_forward(&outcome, 1, NULL);
    sql("UPDATE est.enrollment SET busy_until = now() WHERE id = '%s'", outcome.order);
    come_again(&o);
    open_order(&outcome, &o);
    assert_forward(&outcome, 2, NULL);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        store_forward_t late = {.order = outcome.order, .attempt = 1, .kind = kinds[i], .upstream = UPSTREAM};

        late.rule = "ca_refused";
        ended(&late);
        assert_string_equal(row_of(outcome.order, "outcome, upstream, busy_until > now()"), "forwarded t");
    }
    /* but a certificate is one */
    o.request.issue.order = outcome.order;
    record(&outcome, &o.request);
    assert_int_equal(outcome.kind, STORE_ISSUED);
}

void test_an_order_is_forwarded_when_it_is_approved(void **state)
{
    store_outcome_t outcome;
    order_t o;

    (void)state;
    set_approval("all");
    forward_init(&o, "approved first");
    open_order(&outcome, &o);
    assert_int_equal(outcome.kind, STORE_PENDING);
    assert_false(outcome.waits_for_ca);
    sql("SELECT est.approve('%s')", o.request.id);
    come_again(&o);
    open_order(&outcome, &o);
    assert_forward(&outcome, 1, NULL);
    assert_string_not_equal(outcome.order, o.request.id);
    set_approval("none");
}

void test_an_order_whose_connection_is_ended_is_forwarded_once(void **state)
{
    PGconn *holder = lock_entity("cut off");
    unsigned char key[32] = {8};
    caller_t c;

    (void)state;
    call_prepare(&c, t.store, "cut off");
    c.opens_order = 1;
    c.request.issue.order_key = key;
    c.request.issue.csr = est_slice("\x30\x01\x00", 3);
    c.request.issue.lease = 15;
    call_run(&c);
    cut_off(holder);
    call_end(&c);
    succeed(c.err);
    assert_forward(&c.outcome, 1, NULL);
    assert_string_equal(sql("SELECT count(*) FROM est.enrollment WHERE outcome = 'forwarded' "
                            "AND order_key = decode(rpad('08', 64, '0'), 'hex')"),
                        "1");
    apr_pool_destroy(c.pool);
}

static void *APR_THREAD_FUNC end_order(apr_thread_t *thread, void *data)
{
    caller_t *c = data;
    store_forward_t forward = {.order = c->outcome.order, .attempt = 1, .kind = STORE_FORWARD_UNSURE, .upstream = UPSTREAM};

    (void)thread;
    c->err = c->store->vt->order_forwarded(c->store, &forward, c->pool);
    return NULL;
}

void test_what_became_of_an_order_is_sent_again_when_the_connection_is_ended(void **state)
{
    PGconn *holder = connect_as("postgres", "est");
    order_t o;
    caller_t c;

    (void)state;
    forward_init(&o, "cut off at the end");
    call_prepare(&c, t.store, "cut off at the end");
    open_order(&c.outcome, &o);
    sql_on(holder, "BEGIN");
    sql_on(holder, "SELECT FROM est.enrollment WHERE id = '%s' FOR UPDATE", c.outcome.order);
    assert_int_equal(apr_thread_create(&c.thread, NULL, end_order, &c, t.pool), APR_SUCCESS);
    cut_off(holder);
    call_end(&c);
    succeed(c.err);
    assert_string_equal(row_of(c.outcome.order, "outcome, upstream, busy_until"), "forwarded " UPSTREAM);
    apr_pool_destroy(c.pool);
}
