/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* est_issue where an upstream CA issues: what is asked of it, and what is on record of every way in which that ends. */
#include "op_test.h"
#include "policy/policy_decide.h"

#include <limits.h>

#define ORDER "00112233-4455-6677-8899-aabbccddeeff"
#define UPSTREAM "https://ca.example/est"

/* ---- an upstream CA */

static struct {
    ca_t ca;
    ca_t *signer;   /* a local CA that signs for it */
    est_err_t *err; /* what it fails with; NULL: it issues */
    ca_answer_t answer; /* besides the certificate */
    int waits;
    const char *other_subject; /* which it puts into the certificate; NULL: what was granted */
    int calls;
    ca_request_t seen;
    int forwards_when_recorded; /* how often order_forwarded() had been called then */
} up;

static est_err_t *up_facts(ca_t *ca, const ca_facts_t **out, apr_pool_t *request)
{
    (void)ca;
    return up.signer->driver->facts(up.signer, out, request);
}

static est_slice_t name_der(const char *subject)
{
    csr_spec_t spec = {.subject = subject, .key = op.key};
    pki_csr_t *csr;

    ASSERT_OK(pki_csr_decode(&csr, make_csr(&spec), pool));
    return csr->subject->der;
}

static est_err_t *up_issue(ca_t *ca, ca_answer_t *answer, const ca_request_t *request, apr_pool_t *request_pool)
{
    ca_request_t local = *request;
    const ca_request_t copy = *request; /* as drivers do that have found newer certificates of the CA */
    pki_tbs_t tbs = *request->tbs;

    assert_ptr_equal(ca, &up.ca);
    up.calls++;
    up.seen = *request;
    *answer = up.answer;
    if (up.err || up.waits)
        return up.err;
    tbs.serial[19] = 0x42;
    if (up.other_subject)
        tbs.subject = name_der(up.other_subject);
    local.tbs = &tbs;
    ASSERT_OK(up.signer->driver->issue(up.signer, answer, &local, request_pool));
    return request->check(&copy, answer->der, request_pool);
}

static const ca_driver_t up_driver = {.name = "upstream", .remote = 1, .facts = up_facts, .issue = up_issue};

static void start(void)
{
    op_start();
    memset(&up, 0, sizeof(up));
    up.signer = op.cas[0];
    up.ca.driver = &up_driver;
    up.ca.name = "issuing";
    up.ca.lease = 15;
    up.answer.upstream = UPSTREAM;
    op.cas[0] = &up.ca;
}

static void order_says(store_outcome_t outcome)
{
    op.store.orders[op.store.n_orders++] = outcome;
}

static void record_says(store_outcome_t outcome)
{
    op.store.outcomes[op.store.n_outcomes++] = outcome;
}

static est_slice_t some_csr(void)
{
    csr_spec_t spec = {.subject = "CN=dev7", .key = op.key};

    return make_csr(&spec);
}

static void to_forward(void)
{
    order_says((store_outcome_t){
        .kind = STORE_FORWARD, .order = ORDER, .attempt = 3, .csr = some_csr(), .retry_after = 77});
}

static est_err_t *ask_with(est_issued_t *issued, const pki_csr_t *csr)
{
    return est_issue(issued, op_granted("/simpleenroll", "dev7", NULL), &op.service, csr);
}

/* dev7 asks for its own name */
static est_err_t *ask(est_issued_t *issued)
{
    pki_csr_t *csr;

    ASSERT_OK(pki_csr_decode(&csr, some_csr(), pool));
    return ask_with(issued, csr);
}

static store_issue_t seen_order, seen_row;
static unsigned char seen_issuer[PKI_SHA256_SIZE];

static void keep_order(const store_issue_t *row)
{
    seen_order = *row;
}

static void keep_row(const store_issue_t *row)
{
    seen_row = *row;
    memcpy(seen_issuer, row->issuer_hash, sizeof(seen_issuer));
    up.forwards_when_recorded = op.store.forward_calls;
}

static void assert_failed(const char *rule)
{
    assert_int_equal(op.store.forward_calls, 1);
    assert_int_equal(op.store.forwarded.kind, STORE_FORWARD_FAILED);
    assert_string_equal(op.store.forwarded.rule, rule);
    assert_string_equal(op.store.forwarded.order, ORDER);
    assert_int_equal(op.store.forwarded.attempt, 3);
    assert_int_equal(op.store.refusal_calls, 0);
}

/* ---- a certificate */

static void test_the_order_is_opened_and_then_the_stored_request_forwarded(void **state)
{
    est_issued_t issued;
    est_slice_t stored;

    (void)state;
    start();
    stored = some_csr();
    op.store.on_order = keep_order;
    op.store.on_issue = keep_row;
    order_says((store_outcome_t){.kind = STORE_FORWARD,
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
    pki_sha256(hash, name_der("CN=Issuing,O=Example"));
    assert_memory_equal(seen_issuer, hash, sizeof(hash));
}

static void test_a_renewal_names_the_certificate_that_is_renewed(void **state)
{
    est_issued_t issued;
    pki_csr_t *csr;
    X509 *holder;

    (void)state;
    start();
    holder = op_holder("CN=dev7", NULL);
    to_forward();
    ASSERT_OK(pki_csr_decode(&csr, some_csr(), pool));
    ASSERT_OK(est_issue(&issued, op_granted("/simplereenroll", NULL, holder), &op.service, csr));
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
    order_says((store_outcome_t){.kind = STORE_PENDING, .order = ORDER, .retry_after = 4, .waits_for_ca = 1});
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

/* ---- a certificate, and policy that changes meanwhile */

static void test_after_stale_the_certificate_in_hand_is_judged_and_not_asked_for_again(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    to_forward();
    to_forward();
    record_says((store_outcome_t){.kind = STORE_STALE, .rule = "policy"});
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
    record_says((store_outcome_t){.kind = STORE_STALE, .rule = "policy"});
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
    record_says((store_outcome_t){.kind = STORE_STALE, .rule = "policy"});
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
    record_says((store_outcome_t){.kind = STORE_STALE, .rule = "policy"});
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
    record_says((store_outcome_t){.kind = STORE_REFUSED, .rule = "entity_suspended", .detail = "dev7 is suspended"});
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
    record_says((store_outcome_t){.kind = STORE_REPLAY, .der = est_slice_of("earlier")});
    ASSERT_OK(ask(&issued));
    ASSERT_SLICE(issued.der, est_slice_of("earlier"));
    assert_int_equal(op.store.forward_calls, 0);
    assert_non_null(strstr(op.logged, "certificate 42, which is not handed out (another one was recorded first)"));
}

/* ---- what is not forwarded at all */

static void test_a_local_decision_comes_first(void **state)
{
    csr_spec_t spec = {.subject = "CN=dev8", .key = op.key};
    est_issued_t issued;
    pki_csr_t *csr;

    (void)state;
    start();
    spec.key = op.key;
    ASSERT_OK(pki_csr_decode(&csr, make_csr(&spec), pool));
    ASSERT_FAILS(ask_with(&issued, csr), name_not_yours, "dev8");
    assert_int_equal(op.store.order_calls, 0);
    assert_int_equal(up.calls, 0);
    assert_int_equal(op.store.refusal_calls, 1);
}

static void test_a_request_that_had_a_code_in_it_cannot_go_unchanged(void **state)
{
    est_issued_t issued;
    pki_csr_t *csr;

    (void)state;
    for (int unchanged = 0; unchanged < 2; unchanged++) {
        start();
        to_forward();
        up.ca.unchanged = unchanged;
        ASSERT_OK(pki_csr_decode(&csr, some_csr(), pool));
        csr->altered = 1;
        if (unchanged)
            ASSERT_FAILS(ask_with(&issued, csr), alias_broken, "code_source");
        else
            ASSERT_OK(ask_with(&issued, csr));
        assert_int_equal(op.store.order_calls, !unchanged);
        assert_int_equal(up.calls, !unchanged);
    }
}

/* The request of dev7 with an attribute that wants a CA's power */
static est_slice_t csr_with_attribute(const char *oid)
{
    static const unsigned char extensions[] = "\x30\x11\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x05\x30\x03\x01\x01\xff";
    est_slice_t der = some_csr();
    const unsigned char *p = der.p;
    X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)der.n);
    unsigned char *octets = NULL;
    int n;

    assert_true(X509_REQ_add1_attr_by_txt(req, oid, V_ASN1_SEQUENCE, extensions, sizeof(extensions) - 1));
    assert_true(X509_REQ_sign(req, op.key, EVP_sha256()) > 0);
    n = i2d_X509_REQ(req, &octets);
    assert_true(n > 0);
    der = est_slice_dup(est_slice(octets, (apr_size_t)n), pool);
    OPENSSL_free(octets);
    X509_REQ_free(req);
    return der;
}

/* What is ignored here is not what the CA ignores */
static void test_nothing_unjudged_is_carried_to_the_ca(void **state)
{
    static const struct {
        const char *oid, *name;
    } rows[] = {
        {"1.3.6.1.4.1.311.2.1.14", "Microsoft's extensionRequest"},
        {"1.3.6.1.4.1.311.13.2.1", "Microsoft's enrollmentNameValuePair"},
        {"1.3.6.1.4.1.311.13.2.3", NULL}, /* the version of an operating system */
    };
    est_issued_t issued;
    pki_csr_t *csr;

    (void)state;
    for (int unchanged = 0; unchanged < 2; unchanged++)
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            int refused = unchanged && rows[i].name;

            start();
            to_forward();
            up.ca.unchanged = unchanged;
            ASSERT_OK(pki_csr_decode(&csr, csr_with_attribute(rows[i].oid), pool));
            if (refused)
                ASSERT_FAILS(ask_with(&issued, csr), csr_attribute, rows[i].name);
            else
                ASSERT_OK(ask_with(&issued, csr));
            assert_int_equal(op.store.order_calls, !refused);
            assert_int_equal(up.calls, !refused);
        }
}

/* As the alias had a CA of another kind when the order was opened. A new order takes the request that comes now. */
static void test_nothing_unjudged_is_carried_by_the_stored_request(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    order_says((store_outcome_t){.kind = STORE_FORWARD, .order = ORDER, .attempt = 3,
                                 .csr = csr_with_attribute("1.3.6.1.4.1.311.2.1.14")});
    up.ca.unchanged = 1;
    ASSERT_FAILS(ask(&issued), alias_broken, "was first sent with attribute Microsoft's extensionRequest");
    assert_int_equal(up.calls, 0);
    assert_failed("alias_broken");
}

static void test_the_database_must_know_that_it_is_forwarded(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    order_says((store_outcome_t){.kind = STORE_GO});
    ASSERT_FAILS(ask(&issued), store_failed, "as if the CA were");
    assert_int_equal(up.calls, 0);
    assert_int_equal(op.store.issue_calls, 0);
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
        EST_TEST(test_after_stale_the_certificate_in_hand_is_judged_and_not_asked_for_again),
        EST_TEST(test_what_policy_no_longer_grants_is_on_record_and_not_handed_out),
        EST_TEST(test_what_the_database_refuses_then_is_on_record_and_not_handed_out),
        EST_TEST(test_trouble_of_our_own_leaves_the_order_to_be_resumed),
        EST_TEST(test_another_process_was_faster),
        EST_TEST(test_the_certificate_of_the_ca_before_is_not_that_of_the_ca_now),
        EST_TEST(test_a_local_ca_signs_after_an_upstream_has),
        EST_TEST(test_a_local_decision_comes_first),
        EST_TEST(test_a_request_that_had_a_code_in_it_cannot_go_unchanged),
        EST_TEST(test_nothing_unjudged_is_carried_to_the_ca),
        EST_TEST(test_nothing_unjudged_is_carried_by_the_stored_request),
        EST_TEST(test_the_database_must_know_that_it_is_forwarded),
    };
    return EST_TEST_RUN(tests);
}
