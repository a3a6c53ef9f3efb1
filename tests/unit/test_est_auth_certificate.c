/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Which certificates of clients count, and for how long that is remembered */
#include "auth_test.h"

/* Conformance decision 12, A-07, A-08, A-10 */
static void test_which_certificates_count(void **state)
{
    (void)state;
    op_start();
    assert_int_equal(verdict("/simpleenroll", op_holder("CN=dev7", NULL), NULL, NULL), COUNTS);

    cert_spec_t foreign = {.subject = "CN=dev7", .exts = {"extendedKeyUsage=clientAuth"}};
    assert_int_equal(verdict("/simpleenroll", make_cert(&foreign), NULL, NULL), COUNTS_AS_NONE);
    /* a stranger's CA of the same name */
    EVP_PKEY *namesake_key = make_key("P-256");
    foreign.issuer = make_ca("CN=Issuing,O=Example", namesake_key, NULL, NULL);
    foreign.issuer_key = namesake_key;
    assert_int_equal(verdict("/simpleenroll", make_cert(&foreign), NULL, NULL), COUNTS_AS_NONE);

    cert_spec_t expired = {.subject = "CN=dev7", .from = TEST_NOW - 9 * TEST_DAY, .until = TEST_NOW - TEST_DAY};
    assert_int_equal(verdict("/simpleenroll", client_cert(&expired), NULL, "\"CN=dev7\": certificate has expired"),
                     REFUSED);
    cert_spec_t early = {.subject = "CN=dev7", .from = TEST_NOW + TEST_DAY};
    assert_int_equal(verdict("/simpleenroll", client_cert(&early), NULL, "not yet valid"), REFUSED);
    cert_spec_t server = {.subject = "CN=dev7", .exts = {"extendedKeyUsage=serverAuth"}};
    assert_int_equal(verdict("/simpleenroll", client_cert(&server), NULL, "purpose"), REFUSED);
    cert_spec_t ra = {.subject = "CN=dev7", .exts = {"extendedKeyUsage=1.3.6.1.5.5.7.3.28"}};
    assert_int_equal(verdict("/simpleenroll", client_cert(&ra), NULL, "purpose"), REFUSED);
    assert_int_equal(verdict("/simpleenroll", NULL, NULL, NULL), COUNTS_AS_NONE);
}

/* SSLVerifyClient optional: mod_ssl's verdict is a precondition. Of a certificate that counts as none, nobody asks. */
static void test_the_transports_refusal_counts(void **state)
{
    est_req_t *req;
    policy_access_t access;
    est_err_t *why;

    (void)state;
    op_start();
    req = op_routed("/simpleenroll");
    req->leaf = op_holder("CN=dev7", NULL);
    req->leaf_refused = "revoked by the CRL";
    ASSERT_OK(est_auth_require(&access, &why, req, &op.service));
    assert_int_equal(access, POLICY_ACCESS_DENIED);
    ASSERT_FAILS(why, certificate_refused, "revoked by the CRL");

    cert_spec_t foreign = {.subject = "CN=dev7"};
    req = op_routed("/simpleenroll");
    req->leaf = make_cert(&foreign);
    req->leaf_refused = "self-signed";
    ASSERT_OK(est_auth_require(&access, &why, req, &op.service));
    assert_int_equal(access, POLICY_ACCESS_NEED_USER);
}

/* Names that we do not read are nobody's name */
static void test_a_certificate_with_unreadable_names_counts_as_none(void **state)
{
    cert_spec_t spec = {.subject = "CN=dev7", .exts = {"subjectAltName=DNS:a\x01name", "extendedKeyUsage=clientAuth"}};

    (void)state;
    op_start();
    assert_int_equal(verdict("/simpleenroll", client_cert(&spec), NULL, NULL), COUNTS_AS_NONE);
}

/* ---- grace for those who renew too late */

static void test_the_grace_of_renew_expired(void **state)
{
    static const struct {
        const char *path, *grace; /* seconds; NULL: none */
        apr_time_t over;          /* since when the certificate is over */
        verdict_t verdict;
        const char *reason;
    } rows[] = {
        {"/simplereenroll", NULL, APR_TIME_C(1000000), REFUSED, "no grace"},
        {"/simplereenroll", "86400", APR_TIME_C(1000000), COUNTS, "just over"},
        {"/simplereenroll", "86400", TEST_DAY, COUNTS, "its last second"},
        {"/simplereenroll", "86400", TEST_DAY + APR_TIME_C(1000000), REFUSED, "too late"},
        {"/simpleenroll", "86400", APR_TIME_C(1000000), REFUSED, "not to enrol"},
        {"/other/simplereenroll", "86400", APR_TIME_C(1000000), REFUSED, "of another alias"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        op_start();
        op.now = apr_time_from_sec(apr_time_sec(op.now));
        op.store.aliases[0].renew_expired = rows[i].grace;
        cert_spec_t spec = {.subject = "CN=dev7", .until = op.now - rows[i].over};
        X509 *leaf = client_cert(&spec);
        for (int j = 0; j < 2; j++) /* the second time from memory */
            if (verdict(rows[i].path, leaf, NULL, "expired") != rows[i].verdict)
                fail_msg("%s", rows[i].reason);
    }
}

/* It forgives that the certificate is over, and nothing else */
static void test_the_grace_forgives_nothing_else(void **state)
{
    EVP_PKEY *middle_key = make_key("P-256");
    cert_spec_t over = {.subject = "CN=dev7", .until = TEST_NOW - TEST_DAY}, spec;
    STACK_OF(X509) *chain = sk_X509_new_null();
    foreign_t vendor;

    (void)state;
    op_start();
    op.store.aliases[0].renew_expired = "8640000";
    op.store.aliases[0].vendor = "pattern";
    vendor = foreign_anchor("vendor", 0);
    assert_int_equal(verdict("/simplereenroll", client_cert(&over), NULL, NULL), COUNTS);
    spec = over;
    spec.exts[0] = "extendedKeyUsage=serverAuth";
    assert_int_equal(verdict("/simplereenroll", client_cert(&spec), NULL, "purpose"), REFUSED);
    spec = over;
    spec.issuer = vendor.cert;
    spec.issuer_key = vendor.key;
    assert_int_equal(verdict("/simplereenroll", make_cert(&spec), NULL, "expired"), REFUSED);
    /* an issuer that is over is another matter */
    cert_spec_t middle = {.subject = "CN=Middle",
                          .key = middle_key,
                          .issuer = op.ca_cert,
                          .issuer_key = op.ca_key,
                          .until = TEST_NOW - TEST_DAY,
                          .exts = CA_EXTS};
    spec = over;
    spec.issuer = make_cert(&middle);
    spec.issuer_key = middle_key;
    sk_X509_push(chain, spec.issuer);
    assert_int_equal(verdict("/simplereenroll", make_cert(&spec), chain, "expired"), REFUSED);
    sk_X509_free(chain);

    est_req_t *req = op_routed("/simplereenroll");
    policy_access_t access;
    est_err_t *why;
    req->leaf = client_cert(&over);
    req->leaf_refused = "revoked by the CRL";
    ASSERT_OK(est_auth_require(&access, &why, req, &op.service));
    ASSERT_FAILS(why, certificate_refused, "CRL");
}

/* ---- what is remembered of a path */

static void test_a_verdict_is_remembered_for_a_minute(void **state)
{
    X509 *leaf;

    (void)state;
    op_start();
    leaf = op_holder("CN=dev7", NULL);
    assert_int_equal(verdict("/simpleenroll", leaf, NULL, NULL), COUNTS);
    assert_int_equal(est_lru_size(op.service.paths), 1);
    assert_int_equal(verdict("/simpleenroll", leaf, NULL, NULL), COUNTS);
    assert_int_equal(verdict("/simplereenroll", leaf, NULL, NULL), COUNTS);
    assert_int_equal(est_lru_size(op.service.paths), 1);

    /* proof that it is the memory that speaks: another CA under the same name and policy */
    EVP_PKEY *key = make_key("P-256");
    op.cas[0] = op_ca("issuing", make_ca("CN=Elsewhere", key, NULL, NULL), key);
    assert_int_equal(verdict("/simpleenroll", leaf, NULL, NULL), COUNTS);
    op.now += apr_time_from_sec(60);
    assert_int_equal(verdict("/simpleenroll", leaf, NULL, NULL), COUNTS_AS_NONE);
}

static void test_a_bad_verdict_is_remembered_with_its_reason(void **state)
{
    cert_spec_t expired = {.subject = "CN=dev7", .until = TEST_NOW - TEST_DAY};
    X509 *leaf;

    (void)state;
    op_start();
    leaf = client_cert(&expired);
    for (int i = 0; i < 2; i++)
        assert_int_equal(verdict("/simpleenroll", leaf, NULL, "certificate has expired"), REFUSED);
    assert_int_equal(est_lru_size(op.service.paths), 1);
}

static void test_a_verdict_is_not_shared_between_aliases_policies_and_chains(void **state)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *leaf;

    (void)state;
    op_start();
    leaf = op_holder("CN=dev7", NULL);
    verdict("/simpleenroll", leaf, NULL, NULL);
    assert_int_equal(est_lru_size(op.service.paths), 1);
    verdict("/other/simpleenroll", leaf, NULL, NULL);
    assert_int_equal(est_lru_size(op.service.paths), 2);
    sk_X509_push(chain, op.ca_cert);
    verdict("/simpleenroll", leaf, chain, NULL);
    assert_int_equal(est_lru_size(op.service.paths), 3);
    verdict("/simpleenroll", op_holder("CN=dev7", NULL), NULL, NULL);
    assert_int_equal(est_lru_size(op.service.paths), 4);
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    verdict("/simpleenroll", leaf, NULL, NULL);
    assert_int_equal(est_lru_size(op.service.paths), 5);
    sk_X509_free(chain);
}

static void test_a_verdict_is_not_remembered_beyond_the_certificate(void **state)
{
    cert_spec_t spec = {.subject = "CN=dev7", .until = TEST_NOW + apr_time_from_sec(20)};
    X509 *leaf;

    (void)state;
    op_start();
    leaf = client_cert(&spec);
    assert_int_equal(verdict("/simpleenroll", leaf, NULL, NULL), COUNTS);
    op.now += apr_time_from_sec(21);
    assert_int_equal(verdict("/simpleenroll", leaf, NULL, "certificate has expired"), REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_which_certificates_count),
        EST_TEST(test_the_transports_refusal_counts),
        EST_TEST(test_a_certificate_with_unreadable_names_counts_as_none),
        EST_TEST(test_the_grace_of_renew_expired),
        EST_TEST(test_the_grace_forgives_nothing_else),
        EST_TEST(test_a_verdict_is_remembered_for_a_minute),
        EST_TEST(test_a_bad_verdict_is_remembered_with_its_reason),
        EST_TEST(test_a_verdict_is_not_shared_between_aliases_policies_and_chains),
        EST_TEST(test_a_verdict_is_not_remembered_beyond_the_certificate),
    };

    return EST_TEST_RUN(tests);
}
