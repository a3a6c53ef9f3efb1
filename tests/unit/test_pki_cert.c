/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Certificates that are signed here, and the signers */
#include "cert_test.h"

#include <openssl/cms.h>
#include <openssl/err.h>

/* ---- Signing ---- */

/* CP-05, CP-26 */
static void test_every_ca_key_signs_what_openssl_verifies(void **state)
{
    static const struct {
        const char *kind;
        pki_digest_t digest;
        int nid;
    } rows[] = {
        {"P-256", PKI_DIGEST_DEFAULT, NID_ecdsa_with_SHA256},
        {"P-256", PKI_DIGEST_SHA512, NID_ecdsa_with_SHA512},
        {"P-384", PKI_DIGEST_DEFAULT, NID_ecdsa_with_SHA384},
        {"P-384", PKI_DIGEST_SHA256, NID_ecdsa_with_SHA256},
        {"P-521", PKI_DIGEST_DEFAULT, NID_ecdsa_with_SHA512},
        {"RSA", PKI_DIGEST_DEFAULT, NID_sha256WithRSAEncryption},
        {"RSA", PKI_DIGEST_SHA384, NID_sha384WithRSAEncryption},
        {"RSA 3072", PKI_DIGEST_SHA512, NID_sha512WithRSAEncryption},
        {"Ed25519", PKI_DIGEST_DEFAULT, NID_ED25519},
        {"Ed25519", PKI_DIGEST_SHA256, NID_ED25519},
        {"Ed448", PKI_DIGEST_DEFAULT, NID_ED448},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fixture_t f = make_fixture(rows[i].kind);
        f.tbs.digest = rows[i].digest;
        X509 *cert = issued(&f);
        assert_int_equal(X509_verify(cert, f.key), 1);
        assert_int_equal(X509_get_signature_nid(cert), rows[i].nid);
        /* RFC 5280 4.1.1.2: both AlgorithmIdentifiers are the same */
        const X509_ALGOR *outer;
        X509_get0_signature(NULL, &outer, cert);
        assert_int_equal(X509_ALGOR_cmp(outer, X509_get0_tbs_sigalg(cert)), 0);
        assert_int_equal(X509_check_issued(f.ca, cert), X509_V_OK);
    }
}

/* CP-01, CP-14, CP-23 */
static void test_fields_are_as_given(void **state)
{
    (void)state;
    fixture_t f = make_fixture("P-256");
    est_slice_t own_aki;
    ASSERT_OK(pki_cert_aki(&own_aki, f.ca, pool));
    est_slice_t exts[] = {own_aki, pki_ext_ski(f.tbs.spki, pool),
                          pki_ext_encode("2.5.29.15", 1, hex("03020780"), pool)};
    f.tbs.exts = exts;
    f.tbs.n_exts = 3;
    X509 *cert = issued(&f);
    assert_int_equal(X509_get_version(cert), 2);
    assert_int_equal(ASN1_INTEGER_get(X509_get0_serialNumber(cert)), 7);
    ASSERT_SLICE(DER_OF(i2d_X509_NAME, X509_get_issuer_name(cert)), DER_OF(i2d_X509_NAME, X509_get_subject_name(f.ca)));
    assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(cert), f.ee), 1);
    assert_int_equal(X509_get_ext_count(cert), 3);
    assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE);

    /* CP-07, CP-08 */
    const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(cert), *aki = X509_get0_authority_key_id(cert);
    unsigned char digest[20];
    assert_int_equal(X509_pubkey_digest(cert, EVP_sha1(), digest, NULL), 1);
    assert_int_equal(ASN1_STRING_length(ski), 20);
    assert_memory_equal(ASN1_STRING_get0_data(ski), digest, 20);
    assert_int_equal(ASN1_OCTET_STRING_cmp(aki, X509_get0_subject_key_id(f.ca)), 0);
    assert_int_equal(X509_EXTENSION_get_critical(X509_get_ext(cert, 0)), 0);
    assert_int_equal(X509_EXTENSION_get_critical(X509_get_ext(cert, 2)), 1);

    f.tbs.n_exts = 0; /* an empty list of extensions is left out */
    cert = issued(&f);
    assert_int_equal(X509_get_ext_count(cert), 0);
    assert_int_equal(X509_get0_extensions(cert) == NULL, 1);
}

/* CP-01 */
static void test_serial_numbers(void **state)
{
    static const struct {
        const char *serial, *contents; /* NULL: refused */
    } rows[] = {
        {"0000000000000000000000000000000000000001", "01"},
        {"000000000000000000000000000000000000007f", "7f"},
        {"0000000000000000000000000000000000000080", "0080"},
        {"00000000000000000000000000000000000000ff", "00ff"},
        {"0000000000000000000000000000000000000100", "0100"},
        {"7fffffffffffffffffffffffffffffffffffffff", "7fffffffffffffffffffffffffffffffffffffff"},
        {"0080ffffffffffffffffffffffffffffffffffff", "0080ffffffffffffffffffffffffffffffffffff"},
        {"8000000000000000000000000000000000000000", NULL},
        {"ffffffffffffffffffffffffffffffffffffffff", NULL},
        {"0000000000000000000000000000000000000000", NULL},
    };
    (void)state;
    fixture_t f = make_fixture("P-256");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t der;
        memcpy(f.tbs.serial, hex(rows[i].serial).p, 20);
        est_err_t *err = pki_cert_sign(&der, &f.tbs, f.signer, pool);
        if (!rows[i].contents) {
            ASSERT_ROW(err, EST_E_ca_failed, "serial number", rows[i].serial);
            continue;
        }
        ASSERT_OK(err);
        X509 *cert = parsed(der);
        pki_cert_t *facts;
        ASSERT_OK(pki_cert_facts(&facts, cert, pool));
        ASSERT_SLICE(facts->serial, hex(rows[i].contents));
    }
}

/* CP-03, CP-04 */
static void test_times(void **state)
{
    static const struct {
        apr_int64_t from, to;
        const char *from_text, *to_text; /* as they stand in the certificate; NULL: refused */
    } rows[] = {
        {START, END_2027, "260101000000Z", "270101000000Z"},
        {2524607999, 2524608000, "491231235959Z", "20500101000000Z"},
        {0, 253402300799, "700101000000Z", "99991231235959Z"},
        {951782400, 951868800, "000229000000Z", "000301000000Z"},
        {START, 253402300800, NULL, NULL},
        {START, START, NULL, NULL},
        {END_2027, START, NULL, NULL},
    };
    (void)state;
    fixture_t f = make_fixture("P-256");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t der;
        f.tbs.not_before = SECONDS(rows[i].from) + 999999; /* whole seconds are used */
        f.tbs.not_after = SECONDS(rows[i].to);
        est_err_t *err = pki_cert_sign(&der, &f.tbs, f.signer, pool);
        const char *label = apr_psprintf(pool, "row %d", (int)i);
        if (!rows[i].from_text) {
            ASSERT_ROW(err, EST_E_ca_failed, "validity", label);
            continue;
        }
        est_test_ok(err, label, __FILE__, __LINE__);
        X509 *cert = parsed(der);
        assert_string_equal((const char *)ASN1_STRING_get0_data(X509_get0_notBefore(cert)), rows[i].from_text);
        assert_string_equal((const char *)ASN1_STRING_get0_data(X509_get0_notAfter(cert)), rows[i].to_text);
        assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notAfter(cert), (time_t)rows[i].to), 0);
        pki_cert_t *facts;
        ASSERT_OK(pki_cert_facts(&facts, cert, pool));
        assert_true(facts->not_before == SECONDS(rows[i].from));
        assert_true(facts->not_after == SECONDS(rows[i].to));
    }
}

/* ---- Signers ---- */

static void test_signers_that_are_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = make_key("P-256"), *other = make_key("P-256"), *k1 = make_key("secp256k1");
    pki_signer_t *signer;
    X509 *ca = make_odd_ca(key, "critical,CA:TRUE", NULL, 1);
    ASSERT_FAILS(pki_signer_make(&signer, ca, other, pool), config, "does not belong");
    ASSERT_OK(pki_signer_make(&signer, ca, key, pool));

    ca = make_odd_ca(key, "critical,CA:FALSE", NULL, 1);
    ASSERT_FAILS(pki_signer_make(&signer, ca, key, pool), config, "not one of a CA");
    ca = make_odd_ca(key, "critical,CA:TRUE", "critical,cRLSign", 1);
    ASSERT_FAILS(pki_signer_make(&signer, ca, key, pool), config, "not one of a CA");
    ca = make_odd_ca(k1, "critical,CA:TRUE", NULL, 1);
    ASSERT_FAILS(pki_signer_make(&signer, ca, k1, pool), config, "none of RSA, EC P-256");
    assert_int_equal(ERR_peek_error(), 0);

    /* a CA without SKI: the identifier is what its SKI would be */
    ca = make_odd_ca(key, "critical,CA:TRUE", NULL, 0);
    unsigned char digest[20];
    X509_pubkey_digest(ca, EVP_sha1(), digest, NULL);
    ASSERT_OK(pki_signer_make(&signer, ca, key, pool));
    est_slice_t aki;
    ASSERT_OK(pki_cert_aki(&aki, ca, pool));
    ASSERT_SLICE(aki, tlv(0x30, join(2, hex("0603551d23"), tlv(0x04, tlv(0x30, tlv(0x80, est_slice(digest, 20)))))));
}

/* ---- Certs-only ---- */

/* CA-08, B64-07: byte for byte what OpenSSL's CMS writes (its PKCS7 leaves the SET unsorted) */
static void test_certs_only_message(void **state)
{
    (void)state;
    fixture_t f = make_fixture("P-256");
    for (int count = 1; count <= 4; count++) {
        est_slice_t certs[4];
        CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, CMS_PARTIAL | CMS_DETACHED);
        for (int i = 0; i < count; i++) {
            f.tbs.serial[19] = (unsigned char)(100 - i * 7); /* not in the order of DER */
            f.tbs.subject = subject_of(apr_pstrndup(pool, "ddcbbbaaaa", (apr_size_t)(10 - 2 * i)));
            ASSERT_OK(pki_cert_sign(&certs[i], &f.tbs, f.signer, pool));
            assert_int_equal(CMS_add1_cert(cms, parsed(certs[i])), 1);
        }
        est_slice_t out = pki_certs_only(certs, count, pool);
        ASSERT_SLICE(out, DER_OF(i2d_CMS_ContentInfo, cms));
        ASSERT_OK(pki_der_check(out, pool));
        CMS_ContentInfo_free(cms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_every_ca_key_signs_what_openssl_verifies),
        EST_TEST(test_fields_are_as_given),
        EST_TEST(test_serial_numbers),
        EST_TEST(test_times),
        EST_TEST(test_signers_that_are_refused),
        EST_TEST(test_certs_only_message),
    };

    return EST_TEST_RUN(tests);
}
