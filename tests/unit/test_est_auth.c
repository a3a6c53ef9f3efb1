/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* What Require est says, and the CA of an alias */
#include "auth_test.h"

/* ---- what Require est says */

static void test_anonymous_operations_look_at_nothing(void **state)
{
    cert_spec_t expired = {.subject = "CN=dev7", .until = TEST_NOW - TEST_DAY};
    est_req_t *req;

    (void)state;
    op_start();
    req = op_routed("/cacerts");
    req->leaf = client_cert(&expired);
    op_grant(req);
    assert_int_equal(req->identity.kind, POLICY_IDENTITY_NONE);
    assert_int_equal(est_lru_size(op.service.paths), 0);
    op.store.down = 1;
    req = op_request(EST_METHOD_GET);
    op.now += apr_time_from_sec(1);
    ASSERT_OK(est_route(req, &op.service, "/cacerts", NULL, 0));
    op_grant(req);
}

static void test_a_grant_is_for_one_operation_of_one_alias(void **state)
{
    est_req_t *req;

    (void)state;
    op_start();
    req = op_granted("/other/simpleenroll", "ra", NULL);
    assert_true(req->granted);
    assert_ptr_equal(req->granted_op, est_op_find("simpleenroll"));
    assert_int_equal(req->granted_alias, 2);
    assert_int_equal(req->identity.kind, POLICY_IDENTITY_USER);
}

static void test_a_later_refusal_takes_the_grant_back(void **state)
{
    est_req_t *req;
    policy_access_t access;
    est_err_t *why;

    (void)state;
    op_start();
    req = op_granted("/simpleenroll", "ra", NULL);
    req->cred.client->enabled = 0;
    ASSERT_OK(est_auth_require(&access, &why, req, &op.service));
    assert_int_equal(access, POLICY_ACCESS_DENIED);
    assert_int_equal(why->code, EST_E_not_authorized);
    assert_false(req->granted);
    req->cred.user = NULL;
    ASSERT_OK(est_auth_require(&access, &why, req, &op.service));
    assert_int_equal(access, POLICY_ACCESS_NEED_USER);
    assert_null(why);
    assert_false(req->granted);
}

/* Issuing looks a certificate up in its transaction; an operation that issues nothing does it here */
static void test_cacerts_behind_authentication_looks_the_certificate_up(void **state)
{
    static const struct {
        store_holder_t holder;
        const char *auth;
        const char *user;
        est_err_code_t code; /* EST_E__COUNT: granted */
        const char *reason;
    } rows[] = {
        {STORE_HOLDER_VALID, "basic-or-cert", NULL, EST_E__COUNT, "on record"},
        {STORE_HOLDER_REVOKED, "basic-or-cert", NULL, EST_E_certificate_revoked, "revoked"},
        {STORE_HOLDER_UNKNOWN, "basic-or-cert", NULL, EST_E_certificate_unknown, "not on record"},
        {STORE_HOLDER_REVOKED, "basic-or-cert", "ra", EST_E_certificate_revoked, "revoked, beside a password"},
        {STORE_HOLDER_UNKNOWN, "basic-or-cert", "ra", EST_E__COUNT, "not on record, but the password decides"},
        {STORE_HOLDER_VALID, "basic-and-cert", "ra", EST_E__COUNT, "both, on record"},
        {STORE_HOLDER_UNKNOWN, "basic-and-cert", "ra", EST_E_certificate_unknown, "both are needed: not on record"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_access_t access;
        est_req_t *req;
        est_err_t *why, *again;

        op_start();
        op.store.aliases[0].auth_cacerts = "t";
        op.store.aliases[0].auth_enroll = rows[i].auth;
        op.store.holder = rows[i].holder;
        req = op_routed("/cacerts");
        req->leaf = op_holder("CN=dev7", NULL);
        if (rows[i].user)
            op_log_in(req, rows[i].user);
        ASSERT_OK(est_auth_require(&access, &why, req, &op.service));
        ASSERT_OK(est_auth_require(&access, &again, req, &op.service)); /* httpd asks twice */
        assert_ptr_equal(again, why);
        assert_int_equal(op.store.holder_calls, 1);
        if ((why ? why->code : EST_E__COUNT) != rows[i].code)
            fail_msg("%s: got %s", rows[i].reason, why ? est_err_row(why->code)->name : "granted");
        assert_int_equal(access, why ? POLICY_ACCESS_DENIED : POLICY_ACCESS_GRANTED);
        assert_int_equal(req->granted, why == NULL);
    }
    op_start();
    op_granted("/simpleenroll", NULL, op_holder("CN=dev7", NULL));
    assert_int_equal(op.store.holder_calls, 0);
}

/* ---- the CA of an alias */

static void test_the_ca_of_an_alias(void **state)
{
    policy_alias_t alias = {.name = "est", .ca = "issuing"};
    const ca_facts_t *facts = NULL;
    ca_t *ca = NULL;

    (void)state;
    op_start();
    op.cas[1] = op_ca("second", op.ca_cert, op.ca_key);
    op.service.n_cas = 2;
    ASSERT_OK(est_auth_ca(&ca, &facts, &alias, &op.service, pool));
    assert_ptr_equal(ca, op.cas[0]);
    alias.ca = "second";
    ASSERT_OK(est_auth_ca(&ca, &facts, &alias, &op.service, pool));
    assert_ptr_equal(ca, op.cas[1]);
    alias.ca = "third";
    ASSERT_FAILS(est_auth_ca(&ca, &facts, &alias, &op.service, pool), alias_broken, "alias \"est\" names CA \"third\"");
    alias.ca = NULL;
    ASSERT_FAILS(est_auth_ca(&ca, &facts, &alias, &op.service, pool), alias_broken, "alias \"est\" has no CA");
    ASSERT_OK(est_auth_ca(&ca, &facts, NULL, &op.service, pool));
    assert_ptr_equal(ca, op.cas[0]);
}

/* httpd may ask more than once in a request */
static void test_trouble_does_not_turn_into_no_certificate(void **state)
{
    est_req_t *req;
    policy_access_t access;
    est_err_t *why;

    (void)state;
    op_start();
    op.store.aliases[0].ca = "elsewhere";
    req = op_routed("/simpleenroll");
    req->leaf = op_holder("CN=dev7", NULL);
    for (int i = 0; i < 2; i++) {
        ASSERT_FAILS(est_auth_require(&access, &why, req, &op.service), alias_broken, "elsewhere");
        assert_false(req->granted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_anonymous_operations_look_at_nothing),
        EST_TEST(test_a_grant_is_for_one_operation_of_one_alias),
        EST_TEST(test_a_later_refusal_takes_the_grant_back),
        EST_TEST(test_cacerts_behind_authentication_looks_the_certificate_up),
        EST_TEST(test_the_ca_of_an_alias),
        EST_TEST(test_trouble_does_not_turn_into_no_certificate),
    };

    return EST_TEST_RUN(tests);
}
