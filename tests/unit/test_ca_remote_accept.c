/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Whether a certificate that an upstream has sent is one of the CA's, for the key that was certified */
#include "remote_test.h"

#include <openssl/err.h>

static est_err_t *check_result;
static int n_checks;

static est_err_t *check(const ca_request_t *request, est_slice_t der, apr_pool_t *p)
{
    (void)p;
    assert_non_null(request->tbs);
    assert_true(der.n > 0);
    n_checks++;
    return check_result;
}

static void test_certificates_that_come_back(void **state)
{
    EVP_PKEY *key = make_key("P-256"), *ca_key = make_key("P-256"), *old_key = make_key("RSA");
    X509 *issuers[] = {make_ca("CN=Issuing", ca_key, NULL, NULL), make_ca("CN=Issuing", old_key, NULL, NULL)};
    ca_facts_t facts = {.cert = issuers[0], .issuers = issuers, .n_issuers = 2};
    cert_spec_t spec = {.subject = "CN=dev7", .key = key, .issuer = issuers[0], .issuer_key = ca_key};
    pki_tbs_t tbs = {.spki = spki_of(key)};
    ca_answer_t answer = {0};
    int unknown = 7;

    (void)state;
    prepare(three);
    t.request.tbs = &tbs;
    t.request.check = check;
    check_result = NULL;
    n_checks = 0;
    est_slice_t good = cert_der(make_cert(&spec));
    ASSERT_OK(ca_remote_accept(&answer, &unknown, good, &facts, &t.request, pool));
    ASSERT_SLICE(answer.der, good);
    assert_int_equal(unknown, 0);
    spec.issuer = issuers[1]; /* the one of before, during a rollover */
    spec.issuer_key = old_key;
    ASSERT_OK(ca_remote_accept(&answer, NULL, cert_der(make_cert(&spec)), &facts, &t.request, pool));
    assert_int_equal(n_checks, 2);

    check_result = EST_FAIL(pool, ca_wrong, "has a name too many");
    ASSERT_FAILS(ca_remote_accept(&answer, &unknown, good, &facts, &t.request, pool), ca_wrong, "a name too many");
    assert_int_equal(unknown, 0);
    ASSERT_SLICE(answer.der, good);
    check_result = NULL;
    n_checks = 0;

    /* a namesake's */
    spec.issuer = make_ca("CN=Issuing", key, NULL, NULL);
    spec.issuer_key = key;
    est_slice_t bad = cert_der(make_cert(&spec));
    ASSERT_FAILS(ca_remote_accept(&answer, &unknown, bad, &facts, &t.request, pool), ca_wrong,
                 "of \"CN=dev7\", was not issued by \"CN=Issuing\"");
    assert_int_equal(unknown, 1);
    ASSERT_SLICE(answer.der, bad);
    /* signed by the right key in another name */
    spec.issuer = make_ca("CN=Other", ca_key, NULL, NULL);
    spec.issuer_key = ca_key;
    ASSERT_FAILS(ca_remote_accept(&answer, NULL, cert_der(make_cert(&spec)), &facts, &t.request, pool), ca_wrong,
                 "was not issued by");
    spec.issuer = issuers[0];
    spec.key = make_key("P-256");
    ASSERT_FAILS(ca_remote_accept(&answer, &unknown, cert_der(make_cert(&spec)), &facts, &t.request, pool), ca_wrong,
                 "is for another key");
    assert_int_equal(unknown, 0);
    ASSERT_FAILS(ca_remote_accept(&answer, &unknown, text("rubbish"), &facts, &t.request, pool), ca_wrong,
                 "is no certificate");
    ASSERT_FAILS(ca_remote_accept(&answer, &unknown, join(2, good, text("x")), &facts, &t.request, pool), ca_wrong,
                 "is no certificate");
    ASSERT_FAILS(ca_remote_accept(&answer, &unknown, est_slice(NULL, 0), &facts, &t.request, pool), ca_wrong,
                 "is no certificate");
    assert_int_equal(n_checks, 0);
    assert_int_equal(ERR_peek_error(), 0);
}

/* RSA parameters: NULL in what was granted, left out by the CA */
static void test_a_key_that_is_written_in_another_way(void **state)
{
    EVP_PKEY *key = make_key("RSA"), *ca_key = make_key("P-256");
    X509 *issuer = make_ca("CN=Issuing", ca_key, NULL, NULL);
    ca_facts_t facts = {.cert = issuer, .issuers = &issuer, .n_issuers = 1};
    cert_spec_t spec = {.subject = "CN=dev7", .key = key, .issuer = issuer, .issuer_key = ca_key};
    pki_tbs_t tbs = {.spki = spki_of(key)};
    ca_answer_t answer = {0};
    X509_ALGOR *algorithm;

    (void)state;
    prepare(three);
    t.request.tbs = &tbs;
    X509 *cert = make_cert(&spec);
    X509_PUBKEY_get0_param(NULL, NULL, NULL, &algorithm, X509_get_X509_PUBKEY(cert));
    X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_rsaEncryption), V_ASN1_UNDEF, NULL);
    assert_true(X509_sign(cert, ca_key, EVP_sha256()) > 0);
    est_slice_t der = cert_der(cert);
    assert_false(est_slice_equal(pki_cert_spki(der), tbs.spki));
    ASSERT_OK(ca_remote_accept(&answer, NULL, der, &facts, &t.request, pool));
}

/* RFC 6712 3.3 warns of following; EST's redirections do not come here (test_ca_http_redirect) */
static void test_redirections_of_a_cmp_ca_are_not_followed(void **state)
{
    ca_http_answer_t answer = {.status = 301, .content_type = "text/plain", .body = text("moved")};

    (void)state;
    ASSERT_FAILS(ca_remote_status(&answer, "no CMP message", pool), ca_answer,
                 "HTTP 301: redirections are not followed with CMP (RFC 6712 3.3)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_certificates_that_come_back),
        EST_TEST(test_a_key_that_is_written_in_another_way),
        EST_TEST(test_redirections_of_a_cmp_ca_are_not_followed),
    };

    return EST_TEST_RUN(tests);
}
