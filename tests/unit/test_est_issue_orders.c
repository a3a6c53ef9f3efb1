/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* est_issue where somebody has to approve first, and whose binding value a request may carry. */
#include "op_test.h"
#include "policy/policy_decide.h"

#define ORDER "00112233-4455-6677-8899-aabbccddeeff"

static pki_csr_t *csr_with(const char *subject, const char *san, EVP_PKEY *key, const char *challenge)
{
    return op_csr(&(csr_spec_t){.subject = subject, .key = key, .exts = {san}, .challenge = challenge});
}

static pki_csr_t *csr_of(const char *subject, const char *san, EVP_PKEY *key)
{
    return csr_with(subject, san, key, NULL);
}

static void wants_approval(void)
{
    op_start();
    op.store.aliases[0].approval = op.store.aliases[1].approval = "all";
}

/* dev7 asks for its own name */
static est_err_t *ask(est_issued_t *issued)
{
    return est_issue(issued, op_granted("/simpleenroll", "dev7", NULL), &op.service, csr_of("CN=dev7", NULL, op.key));
}

/* Of the last call; its strings are in pool */
static store_issue_t seen;
static unsigned char seen_key[PKI_SHA256_SIZE];

static void keep(const store_issue_t *row)
{
    seen = *row;
    if (row->order_key)
        memcpy(seen_key, row->order_key, sizeof(seen_key));
}

/* ---- outcomes of order_open */

/* PE-01 */
static void test_what_waits_is_not_signed(void **state)
{
    est_issued_t issued;
    est_resp_t resp = {0};
    est_req_t *req;

    (void)state;
    wants_approval();
    op.store.on_order = keep;
    op_order_says((store_outcome_t){.kind = STORE_PENDING, .retry_after = 45, .order = "an-order"});
    req = op_granted("/simpleenroll", "dev7", NULL);
    ASSERT_OK(est_issue(&issued, req, &op.service, csr_of("CN=dev7", NULL, op.key)));
    assert_int_equal(issued.pending, 45);
    assert_int_equal(issued.der.n, 0);
    assert_int_equal(op.store.issue_calls, 0);
    assert_int_equal(op.store.refusal_calls, 0);
    assert_string_equal(seen.id, req->id);
    assert_string_equal(seen.operation, "simpleenroll");
    assert_string_equal(seen.entity, "dev7");
    assert_string_equal(seen.subject, "CN=dev7");
    assert_non_null(seen.idem_key);
    assert_true(seen.csr.n > 0);

    est_issue_wait(&resp, req, &issued);
    assert_string_equal(resp.summary, "\"CN=dev7\" waits for approval, order an-order");
    assert_int_equal(resp.status, 202);
    assert_int_equal(resp.retry_after, 45);
    assert_true(resp.no_store);
    assert_null(resp.content_type);
    assert_int_equal(resp.length, 0);
}

static void test_what_is_approved_is_signed_and_recorded_with_its_order(void **state)
{
    est_issued_t issued;

    (void)state;
    wants_approval();
    op.store.on_issue = keep;
    op_order_says((store_outcome_t){.kind = STORE_GO, .order = ORDER});
    ASSERT_OK(ask(&issued));
    assert_int_equal(issued.pending, 0);
    assert_true(issued.der.n > 0);
    assert_string_equal(seen.order, ORDER);
    assert_int_equal(op.store.order_calls, 1);
    assert_int_equal(op.store.issue_calls, 1);
}

/* first: this entity has had its certificate */
static void test_where_no_approval_is_needed_after_all_there_is_no_order(void **state)
{
    est_issued_t issued;

    (void)state;
    wants_approval();
    op.store.on_issue = keep;
    ASSERT_OK(ask(&issued));
    assert_true(issued.der.n > 0);
    assert_null(seen.order);
}

static void test_other_answers_of_an_order(void **state)
{
    est_issued_t issued, earlier;
    est_err_t *err;

    (void)state;
    op_start();
    ASSERT_OK(ask(&earlier));
    wants_approval();
    op_order_says((store_outcome_t){.kind = STORE_REPLAY, .der = earlier.der});
    ASSERT_OK(ask(&issued));
    ASSERT_SLICE(issued.der, earlier.der);
    op_order_says((store_outcome_t){.kind = STORE_REFUSED, .rule = "approval_denied", .detail = "not bought"});
    err = ask(&issued);
    ASSERT_ROW(err, EST_E_approval_denied, "not bought", "denied");
    op_order_says((store_outcome_t){.kind = STORE_REFUSED, .rule = "too_many_orders", .detail = "10 open"});
    ASSERT_ROW(ask(&issued), EST_E_too_many_orders, "10 open", "too many");
    assert_int_equal(op.store.issue_calls, 0);
}

/* The order was denied, or ran out, between order_open and record_issued */
static void test_an_order_that_ends_meanwhile(void **state)
{
    est_issued_t issued;

    (void)state;
    wants_approval();
    op_order_says((store_outcome_t){.kind = STORE_GO, .order = ORDER});
    op_record_says((store_outcome_t){.kind = STORE_REFUSED, .rule = "approval_denied", .detail = "no"});
    ASSERT_ROW(ask(&issued), EST_E_approval_denied, "no", "denied");
    op_order_says((store_outcome_t){.kind = STORE_GO, .order = ORDER});
    op_record_says((store_outcome_t){.kind = STORE_PENDING, .retry_after = 5});
    ASSERT_OK(ask(&issued));
    assert_int_equal(issued.pending, 5);
    assert_int_equal(issued.der.n, 0);
}

/* ---- what changed meanwhile */

static void test_approval_that_is_wanted_now_opens_an_order(void **state)
{
    est_issued_t issued;

    (void)state;
    op_start();
    op_record_says((store_outcome_t){.kind = STORE_STALE, .rule = "approval"});
    op_order_says((store_outcome_t){.kind = STORE_PENDING, .retry_after = 60});
    ASSERT_OK(ask(&issued));
    assert_int_equal(issued.pending, 60);
    assert_int_equal(op.store.issue_calls, 1);
    assert_int_equal(op.store.order_calls, 1);
}

static void test_without_approval_no_order_is_asked_for(void **state)
{
    est_issued_t issued;

    (void)state;
    op_start();
    ASSERT_OK(ask(&issued));
    assert_int_equal(op.store.order_calls, 0);
    assert_int_equal(op.store.issue_calls, 1);
}

static void test_a_stale_order_is_judged_again(void **state)
{
    static const char *const rules[] = {"policy", "client", "entity"};

    (void)state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        est_issued_t issued;

        wants_approval();
        op_order_says((store_outcome_t){.kind = STORE_STALE, .rule = rules[i]});
        op_order_says((store_outcome_t){.kind = STORE_PENDING, .retry_after = 1});
        ASSERT_OK(ask(&issued));
        assert_int_equal(issued.pending, 1);
        assert_int_equal(op.store.order_calls, 2);
    }
}

static void test_an_order_that_never_rests_is_given_up(void **state)
{
    est_issued_t issued;

    (void)state;
    wants_approval();
    for (int i = 0; i < OP_TEST_OUTCOMES; i++)
        op_order_says((store_outcome_t){.kind = STORE_STALE, .rule = "policy"});
    ASSERT_FAILS(ask(&issued), policy_changing, "4 times");
    assert_int_equal(op.store.order_calls, 4);
}

static void test_record_issued_gives_no_go(void **state)
{
    est_issued_t issued;

    (void)state;
    op_start();
    op_record_says((store_outcome_t){.kind = STORE_GO});
    ASSERT_FAILS(ask(&issued), store_failed, "order");
    assert_int_equal(issued.der.n, 0);
}

/* ---- the order's key (PE-04) */

static const unsigned char *key_of(const char *path, const char *user, X509 *leaf, const pki_csr_t *csr)
{
    est_issued_t issued;

    op.store.on_order = keep;
    ASSERT_OK(est_issue(&issued, op_granted(path, user, leaf), &op.service, csr));
    return apr_pmemdup(pool, seen_key, sizeof(seen_key));
}

static void test_PE_04_the_same_order(void **state)
{
    const char *san = "subjectAltName=DNS:dev9.example";
    const unsigned char *first;

    (void)state;
    wants_approval();
    first = key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev9", san, op.key));
    /* signed anew, another value of a binding, another policy */
    assert_memory_equal(first, key_of("/est/simpleenroll", "ra", NULL, csr_of("CN=dev9", san, op.key)), 32);
    op.store.profile.profile.validity = "86400";
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    assert_memory_equal(first, key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev9", san, op.key)), 32);
}

static void test_each_difference_makes_another_order(void **state)
{
    const unsigned char *keys[16];
    EVP_PKEY *other_key;
    X509 *leaf;
    int n = 0;

    (void)state;
    wants_approval();
    other_key = make_key("P-256");
    leaf = op_holder("CN=dev9", NULL);
    op.store.clients[0].names = "*";
    keys[n++] = key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev9", NULL, op.key));
    keys[n++] = key_of("/other/simpleenroll", "ra", NULL, csr_of("CN=dev9", NULL, op.key));
    keys[n++] = key_of("/simpleenroll", "dev7", NULL, csr_of("CN=dev9", NULL, op.key)); /* PE-05 */
    keys[n++] = key_of("/simpleenroll", NULL, leaf, csr_of("CN=dev9", NULL, op.key));
    keys[n++] = key_of("/simpleenroll", NULL, op_holder("CN=dev9", NULL), csr_of("CN=dev9", NULL, op.key));
    keys[n++] = key_of("/simplereenroll", NULL, leaf, csr_of("CN=dev9", NULL, op.key));
    keys[n++] = key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev9", NULL, other_key));
    keys[n++] = key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev8", NULL, op.key));
    keys[n++] = key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev9,O=Example", NULL, op.key));
    keys[n++] = key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev9", "subjectAltName=DNS:dev9.example", op.key));
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            if (memcmp(keys[i], keys[j], 32) == 0)
                fail_msg("orders %d and %d are the same", j, i);
}

/* ---- binding values of other connections (AUTH-11, CB-11) */

static est_err_t *ask_as(policy_identity_kind_t kind, const char *challenge)
{
    est_req_t *req = op_granted("/simpleenroll", NULL, op_holder("CN=dev7", NULL));
    est_issued_t issued;

    req->identity.kind = kind;
    return est_issue(&issued, req, &op.service, csr_with("CN=dev7", NULL, op.key, challenge));
}

static void test_CB_11_an_RA_carries_values_of_other_connections(void **state)
{
    static const char foreign[] = "AAECAwQFBgcICQoL";

    (void)state;
    op_start();
    op.binding = text("twelve octet");
    ASSERT_FAILS(ask_as(POLICY_IDENTITY_RA, foreign), binding_failed, NULL);
    op.store.aliases[0].ra_binding = "t";
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    ASSERT_OK(ask_as(POLICY_IDENTITY_RA, foreign));
    ASSERT_FAILS(ask_as(POLICY_IDENTITY_RA, "no base64!"), binding_failed, "base64");
    ASSERT_FAILS(ask_as(POLICY_IDENTITY_RA, " "), binding_failed, "base64");
    ASSERT_FAILS(ask_as(POLICY_IDENTITY_CERTIFICATE, foreign), binding_failed, NULL);
    op.store.aliases[0].binding = "required";
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    ASSERT_OK(ask_as(POLICY_IDENTITY_RA, foreign));
    ASSERT_FAILS(ask_as(POLICY_IDENTITY_RA, NULL), binding_required, NULL);
    op.store.aliases[0].binding = "off";
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    ASSERT_FAILS(ask_as(POLICY_IDENTITY_RA, foreign), binding_failed, "takes no challengePassword");
}

/* ---- random names */

static const char *entity_of(const char *scheme, const char *postfix)
{
    est_issued_t issued;

    op_start();
    op.store.on_issue = keep;
    op.store.aliases[0].name_scheme = scheme;
    op.store.aliases[0].name_postfix = postfix;
    ASSERT_OK(ask(&issued));
    return seen.entity;
}

static void test_names_have_random_letters_where_the_scheme_wants_them(void **state)
{
    const char *name = entity_of("random", "");

    (void)state;
    assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz234567"), strlen(name));
    assert_in_range(strlen(name), 10, POLICY_RANDOM);
    assert_string_not_equal(name, entity_of("random", ""));
    name = entity_of("dn:CN", "-${RANDOM}");
    assert_memory_equal(name, "dev7-", 5);
    assert_string_not_equal(name, entity_of("dn:CN", "-${RANDOM}"));
    assert_string_equal(entity_of("dn:CN", "-x"), "dev7-x");
}

static void test_without_random_numbers_nothing_is_named_by_them(void **state)
{
    est_issued_t issued;

    (void)state;
    op_start();
    op.store.aliases[0].name_postfix = "-${RANDOM}";
    op.random_fails = 1;
    ASSERT_FAILS(ask(&issued), internal, "random");
    assert_int_equal(op.store.issue_calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_what_waits_is_not_signed),
        EST_TEST(test_what_is_approved_is_signed_and_recorded_with_its_order),
        EST_TEST(test_where_no_approval_is_needed_after_all_there_is_no_order),
        EST_TEST(test_other_answers_of_an_order),
        EST_TEST(test_an_order_that_ends_meanwhile),
        EST_TEST(test_approval_that_is_wanted_now_opens_an_order),
        EST_TEST(test_without_approval_no_order_is_asked_for),
        EST_TEST(test_a_stale_order_is_judged_again),
        EST_TEST(test_an_order_that_never_rests_is_given_up),
        EST_TEST(test_record_issued_gives_no_go),
        EST_TEST(test_PE_04_the_same_order),
        EST_TEST(test_each_difference_makes_another_order),
        EST_TEST(test_CB_11_an_RA_carries_values_of_other_connections),
        EST_TEST(test_names_have_random_letters_where_the_scheme_wants_them),
        EST_TEST(test_without_random_numbers_nothing_is_named_by_them),
    };
    return EST_TEST_RUN(tests);
}
