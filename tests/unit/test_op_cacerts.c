/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op_test.h"

#include "op/op_cacerts.h"

#include <openssl/pkcs7.h>

/* The certificates of an answer, read by OpenSSL */
static int n_certs(const est_resp_t *resp, X509 *first)
{
    est_slice_t der;
    const unsigned char *p;
    PKCS7 *message;
    int n;

    ASSERT_OK(est_base64_decode(&der, est_slice(resp->body, resp->length), pool));
    p = der.p;
    message = d2i_PKCS7(NULL, &p, (long)der.n);
    assert_non_null(message);
    assert_true(PKCS7_type_is_signed(message));
    n = sk_X509_num(message->d.sign->cert);
    if (first)
        assert_int_equal(X509_cmp(sk_X509_value(message->d.sign->cert, 0), first), 0);
    PKCS7_free(message);
    return n;
}

static void test_the_certificates_of_the_aliass_ca(void **state)
{
    est_resp_t resp = {0};
    EVP_PKEY *key = make_key("P-256");
    X509 *second = make_ca("CN=Second", key, NULL, NULL);

    (void)state;
    op_start();
    op.cas[1] = op_ca("second", second, key);
    op.service.n_cas = 2;
    op.store.aliases[1].ca = "second";
    ASSERT_OK(op_cacerts(&resp, op_granted("/cacerts", NULL, NULL), &op.service));
    assert_int_equal(resp.status, 200);
    assert_string_equal(resp.content_type, "application/pkcs7-mime"); /* bare */
    assert_false(resp.no_store);
    assert_true(resp.transfer_encoding);
    assert_int_equal(n_certs(&resp, op.ca_cert), 1);
    ASSERT_OK(op_cacerts(&resp, op_granted("/other/cacerts", NULL, NULL), &op.service));
    assert_int_equal(n_certs(&resp, second), 1);
}

/* RFC 9440 2.4 */
static void test_what_not_everybody_may_have_is_not_stored(void **state)
{
    est_resp_t resp = {0};

    (void)state;
    op_start();
    op.store.aliases[1].auth_cacerts = "t";
    ASSERT_OK(op_cacerts(&resp, op_granted("/other/cacerts", "dev7", NULL), &op.service));
    assert_int_equal(resp.status, 200);
    assert_true(resp.no_store);
}

static void test_without_policy_those_of_the_only_ca(void **state)
{
    est_resp_t resp = {0};

    (void)state;
    op_start();
    op.store.down = 1;
    ASSERT_OK(op_cacerts(&resp, op_granted("/cacerts", NULL, NULL), &op.service));
    assert_int_equal(n_certs(&resp, op.ca_cert), 1);
}

/* What is wrong with the profile is not wrong with the CA */
static void test_a_broken_profile_does_not_matter(void **state)
{
    est_resp_t resp = {0};

    (void)state;
    op_start();
    op.store.profile.profile.keys = "dsa:2048";
    ASSERT_OK(op_cacerts(&resp, op_granted("/cacerts", NULL, NULL), &op.service));
    assert_int_equal(n_certs(&resp, op.ca_cert), 1);
}

static void test_an_alias_without_ca_answers_503(void **state)
{
    est_resp_t resp = {0};

    (void)state;
    op_start();
    op.store.aliases[0].ca = NULL;
    ASSERT_FAILS(op_cacerts(&resp, op_granted("/cacerts", NULL, NULL), &op.service), alias_broken, "has no CA");
    assert_int_equal(est_err_row(EST_E_alias_broken)->status, 503);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_the_certificates_of_the_aliass_ca),
        EST_TEST(test_what_not_everybody_may_have_is_not_stored),
        EST_TEST(test_without_policy_those_of_the_only_ca),
        EST_TEST(test_a_broken_profile_does_not_matter),
        EST_TEST(test_an_alias_without_ca_answers_503),
    };
    return EST_TEST_RUN(tests);
}
