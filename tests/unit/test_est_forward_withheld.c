/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* est_issue where an upstream CA issues: what is not forwarded to it */
#include "forward_test.h"

static void test_a_local_decision_comes_first(void **state)
{
    est_issued_t issued;

    (void)state;
    start();
    ASSERT_FAILS(ask_with(&issued, op_csr(&(csr_spec_t){.subject = "CN=dev8"})), name_not_yours, "dev8");
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
        csr = some_csr();
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
    static const unsigned char extensions[] =
        "\x30\x11\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x05\x30\x03\x01\x01\xff";
    est_slice_t der = some_csr()->der;
    const unsigned char *p = der.p;
    X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)der.n);

    assert_true(X509_REQ_add1_attr_by_txt(req, oid, V_ASN1_SEQUENCE, extensions, sizeof(extensions) - 1));
    assert_true(X509_REQ_sign(req, op.key, EVP_sha256()) > 0);
    der = DER_OF(i2d_X509_REQ, req);
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
    op_order_says((store_outcome_t){.kind = STORE_FORWARD, .order = ORDER, .attempt = 3,
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
    op_order_says((store_outcome_t){.kind = STORE_GO});
    ASSERT_FAILS(ask(&issued), store_failed, "as if the CA were");
    assert_int_equal(up.calls, 0);
    assert_int_equal(op.store.issue_calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_a_local_decision_comes_first),
        EST_TEST(test_a_request_that_had_a_code_in_it_cannot_go_unchanged),
        EST_TEST(test_nothing_unjudged_is_carried_to_the_ca),
        EST_TEST(test_nothing_unjudged_is_carried_by_the_stored_request),
        EST_TEST(test_the_database_must_know_that_it_is_forwarded),
    };

    return EST_TEST_RUN(tests);
}
