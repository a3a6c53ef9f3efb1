/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "pki/pki_cert.h"
#include "pki/pki_der.h"
#include "pki/pki_ext.h"

#include <openssl/cms.h>
#include <openssl/err.h>

#define SECONDS(s) ((apr_time_t)(s)*1000000)
#define START 1767225600 /* 2026-01-01T00:00:00Z */
#define END_2027 1798761600

/* ---- A CA ---- */

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

/* basic: value of basicConstraints, usage: of keyUsage; NULL: without */
static X509 *make_odd_ca(EVP_PKEY *key, const EVP_MD *digest, const char *basic, const char *usage, int ski)
{
    X509 *ca = X509_new();
    X509_NAME *name = X509_get_subject_name(ca);
    /* a string type that writing the name anew would change */
    X509_NAME_add_entry_by_txt(name, "O", V_ASN1_T61STRING, (const unsigned char *)"Example", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"Test CA", -1, -1, 0);
    X509_set_issuer_name(ca, name);
    X509_set_version(ca, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(ca), 1);
    ASN1_TIME_set(X509_getm_notBefore(ca), START - 86400);
    ASN1_TIME_set(X509_getm_notAfter(ca), START + 3650L * 86400);
    X509_set_pubkey(ca, key);
    if (basic)
        add_extension(ca, NID_basic_constraints, basic);
    if (usage)
        add_extension(ca, NID_key_usage, usage);
    if (ski)
        add_extension(ca, NID_subject_key_identifier, "hash");
    assert_true(X509_sign(ca, key, digest) > 0);
    return ca;
}

static est_slice_t subject_of(const char *cn)
{
    pki_name_t *name;
    pki_attr_t attr = {NID_commonName, "CN", cn, 0};
    ASSERT_OK(pki_name_encode(&name, &attr, 1, pool));
    return name->der;
}

static X509 *parsed(est_slice_t der)
{
    const unsigned char *p = der.p;
    X509 *cert = d2i_X509(NULL, &p, (long)der.n);
    assert_non_null(cert);
    assert_ptr_equal(p, der.p + der.n);
    ASSERT_OK(pki_der_check(der, pool));
    return cert;
}

typedef struct {
    EVP_PKEY *key, *ee;
    X509 *ca;
    pki_signer_t *signer;
    pki_tbs_t tbs;
} fixture_t;

static fixture_t make_fixture(EVP_PKEY *key, const EVP_MD *digest)
{
    fixture_t f = {key, EVP_EC_gen("P-256"), NULL, NULL, {.serial = {[19] = 7}}};
    f.ca = make_odd_ca(key, digest, "critical,CA:TRUE", "critical,keyCertSign,cRLSign", 1);
    ASSERT_OK(pki_signer_make(&f.signer, f.ca, key, pool));
    f.tbs.not_before = SECONDS(START);
    f.tbs.not_after = SECONDS(END_2027);
    f.tbs.subject = subject_of("device");
    f.tbs.spki = spki_of(f.ee);
    return f;
}

static fixture_t make_p256(void)
{
    return make_fixture(EVP_EC_gen("P-256"), EVP_sha256());
}

static void free_fixture(fixture_t *f)
{
    X509_free(f->ca);
    EVP_PKEY_free(f->key);
    EVP_PKEY_free(f->ee);
}

static X509 *issued(const fixture_t *f)
{
    est_slice_t der;
    ASSERT_OK(pki_cert_sign(&der, &f->tbs, f->signer, pool));
    return parsed(der);
}

/* ---- Signing ---- */

/* CP-05, CP-26 */
static void test_every_ca_key_signs_what_openssl_verifies(void **state)
{
    const struct {
        EVP_PKEY *key;
        const EVP_MD *ca_digest;
        pki_digest_t digest;
        int nid;
    } rows[] = {
        {EVP_EC_gen("P-256"), EVP_sha256(), PKI_DIGEST_DEFAULT, NID_ecdsa_with_SHA256},
        {EVP_EC_gen("P-256"), EVP_sha256(), PKI_DIGEST_SHA512, NID_ecdsa_with_SHA512},
        {EVP_EC_gen("P-384"), EVP_sha384(), PKI_DIGEST_DEFAULT, NID_ecdsa_with_SHA384},
        {EVP_EC_gen("P-384"), EVP_sha384(), PKI_DIGEST_SHA256, NID_ecdsa_with_SHA256},
        {EVP_EC_gen("P-521"), EVP_sha512(), PKI_DIGEST_DEFAULT, NID_ecdsa_with_SHA512},
        {EVP_RSA_gen(2048), EVP_sha256(), PKI_DIGEST_DEFAULT, NID_sha256WithRSAEncryption},
        {EVP_RSA_gen(2048), EVP_sha256(), PKI_DIGEST_SHA384, NID_sha384WithRSAEncryption},
        {EVP_RSA_gen(3072), EVP_sha256(), PKI_DIGEST_SHA512, NID_sha512WithRSAEncryption},
        {EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, PKI_DIGEST_DEFAULT, NID_ED25519},
        {EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, PKI_DIGEST_SHA256, NID_ED25519},
        {EVP_PKEY_Q_keygen(NULL, NULL, "ED448"), NULL, PKI_DIGEST_DEFAULT, NID_ED448},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fixture_t f = make_fixture(rows[i].key, rows[i].ca_digest);
        f.tbs.digest = rows[i].digest;
        X509 *cert = issued(&f);
        assert_int_equal(X509_verify(cert, rows[i].key), 1);
        assert_int_equal(X509_get_signature_nid(cert), rows[i].nid);
        /* RFC 5280 4.1.1.2: both AlgorithmIdentifiers are the same */
        const X509_ALGOR *outer;
        X509_get0_signature(NULL, &outer, cert);
        assert_int_equal(X509_ALGOR_cmp(outer, X509_get0_tbs_sigalg(cert)), 0);
        assert_int_equal(X509_check_issued(f.ca, cert), X509_V_OK);
        X509_free(cert);
        free_fixture(&f);
    }
}

/* CP-01, CP-14, CP-23 */
static void test_fields_are_as_given(void **state)
{
    (void)state;
    fixture_t f = make_p256();
    est_slice_t own_aki;
    ASSERT_OK(pki_cert_aki(&own_aki, f.ca, pool));
    est_slice_t exts[] = {own_aki, pki_ext_ski(f.tbs.spki, pool),
                          pki_ext_encode("2.5.29.15", 1, hex("03020780"), pool)};
    f.tbs.exts = exts;
    f.tbs.n_exts = 3;
    X509 *cert = issued(&f);
    assert_int_equal(X509_get_version(cert), 2);
    assert_int_equal(ASN1_INTEGER_get(X509_get0_serialNumber(cert)), 7);
    unsigned char *issuer = NULL, *subject = NULL;
    int issuer_len = i2d_X509_NAME(X509_get_issuer_name(cert), &issuer);
    int subject_len = i2d_X509_NAME(X509_get_subject_name(f.ca), &subject);
    ASSERT_SLICE(est_slice(issuer, (apr_size_t)issuer_len), est_slice(subject, (apr_size_t)subject_len));
    OPENSSL_free(issuer);
    OPENSSL_free(subject);
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
    X509_free(cert);

    f.tbs.n_exts = 0; /* an empty list of extensions is left out */
    cert = issued(&f);
    assert_int_equal(X509_get_ext_count(cert), 0);
    assert_int_equal(X509_get0_extensions(cert) == NULL, 1);
    X509_free(cert);
    free_fixture(&f);
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
    fixture_t f = make_p256();
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
        X509_free(cert);
    }
    free_fixture(&f);
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
    fixture_t f = make_p256();
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
        X509_free(cert);
    }
    free_fixture(&f);
}

/* ---- Signers ---- */

static void test_signers_that_are_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256"), *k1 = EVP_EC_gen("secp256k1");
    pki_signer_t *signer;
    X509 *ca = make_odd_ca(key, EVP_sha256(), "critical,CA:TRUE", NULL, 1);
    ASSERT_FAILS(pki_signer_make(&signer, ca, other, pool), config, "does not belong");
    ASSERT_OK(pki_signer_make(&signer, ca, key, pool));
    X509_free(ca);

    ca = make_odd_ca(key, EVP_sha256(), "critical,CA:FALSE", NULL, 1);
    ASSERT_FAILS(pki_signer_make(&signer, ca, key, pool), config, "not one of a CA");
    X509_free(ca);
    ca = make_odd_ca(key, EVP_sha256(), "critical,CA:TRUE", "critical,cRLSign", 1);
    ASSERT_FAILS(pki_signer_make(&signer, ca, key, pool), config, "not one of a CA");
    X509_free(ca);
    ca = make_odd_ca(k1, EVP_sha256(), "critical,CA:TRUE", NULL, 1);
    ASSERT_FAILS(pki_signer_make(&signer, ca, k1, pool), config, "none of RSA, EC P-256");
    X509_free(ca);
    assert_int_equal(ERR_peek_error(), 0);

    /* a CA without SKI: the identifier is what its SKI would be */
    ca = make_odd_ca(key, EVP_sha256(), "critical,CA:TRUE", NULL, 0);
    unsigned char digest[20];
    X509_pubkey_digest(ca, EVP_sha1(), digest, NULL);
    ASSERT_OK(pki_signer_make(&signer, ca, key, pool));
    est_slice_t aki;
    ASSERT_OK(pki_cert_aki(&aki, ca, pool));
    ASSERT_SLICE(aki, tlv(0x30, join(2, hex("0603551d23"), tlv(0x04, tlv(0x30, tlv(0x80, est_slice(digest, 20)))))));
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    EVP_PKEY_free(k1);
}

/* ---- Facts ---- */

static void test_facts_of_a_certificate(void **state)
{
    (void)state;
    fixture_t f = make_p256();
    est_slice_t exts[] = {pki_ext_encode("2.5.29.15", 1, hex("03020780"), pool),
                          pki_ext_encode("2.5.29.17", 1, tlv(0x30, tlv(0x82, text("A.example"))), pool)};
    f.tbs.exts = exts;
    f.tbs.n_exts = 2;
    est_slice_t der;
    ASSERT_OK(pki_cert_sign(&der, &f.tbs, f.signer, pool));
    X509 *cert = parsed(der);
    pki_cert_t *facts;
    ASSERT_OK(pki_cert_facts(&facts, cert, pool));
    unsigned char digest[32];
    X509_digest(cert, EVP_sha256(), digest, NULL);
    X509_free(cert); /* nothing is borrowed from it */
    ASSERT_SLICE(facts->der, der);
    assert_memory_equal(facts->fingerprint, digest, 32);
    ASSERT_SLICE(facts->serial, hex("07"));
    ASSERT_SLICE(facts->spki, f.tbs.spki);
    assert_string_equal(facts->subject->text, "CN=device");
    assert_int_equal(facts->san.n_names, 1);
    assert_string_equal(facts->san.names[0].value, "a.example");
    assert_true(facts->not_before == SECONDS(START));
    assert_true(facts->not_after == SECONDS(END_2027));

    ASSERT_OK(pki_cert_facts(&facts, f.ca, pool));
    ASSERT_SLICE(pki_cert_spki(facts->der), facts->spki);
    assert_int_equal(pki_cert_spki(est_slice(facts->der.p, facts->der.n - 1)).n, 0);
    assert_int_equal(pki_cert_spki(hex("3003 3001 00")).n, 0);
    assert_string_equal(facts->subject->text, "CN=Test CA,O=Example");
    assert_int_equal(facts->san.n_names, 0);
    free_fixture(&f);
}

/* */
static void test_certificates_whose_names_are_refused(void **state)
{
    (void)state;
    fixture_t f = make_p256();
    est_slice_t nul = tlv(0x30, tlv(0x31, tlv(0x30, join(2, hex("0603550403"), tlv(0x0c, est_slice("a\0b", 3))))));
    est_slice_t san = pki_ext_encode("2.5.29.17", 0, tlv(0x30, tlv(0x82, text("a"))), pool);
    est_slice_t twice[] = {san, san},
                bad[] = {pki_ext_encode("2.5.29.17", 0, tlv(0x30, tlv(0x82, text("a\x1b"))), pool)};
    const struct {
        est_slice_t subject;
        const est_slice_t *exts;
        int n_exts;
        const char *why;
    } rows[] = {
        {nul, NULL, 0, "control character"},
        {f.tbs.subject, twice, 2, "subjectAltName"},
        {f.tbs.subject, bad, 1, "a\\x1b"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        f.tbs.subject = rows[i].subject;
        f.tbs.exts = rows[i].exts;
        f.tbs.n_exts = rows[i].n_exts;
        X509 *cert = issued(&f);
        pki_cert_t *facts;
        ASSERT_ROW(pki_cert_facts(&facts, cert, pool), EST_E_certificate_refused, rows[i].why, rows[i].why);
        X509_free(cert);
    }
    free_fixture(&f);
}

/* ---- Certs-only ---- */

/* CA-08, B64-07: byte for byte what OpenSSL's CMS writes (its PKCS7 leaves the SET unsorted) */
static void test_text_of_no_subject(void **state)
{
    X509 *cert = X509_new();

    (void)state;
    assert_string_equal(pki_cert_subject_text(cert, pool), "");
    X509_free(cert);
}

static void test_certs_only_message(void **state)
{
    (void)state;
    fixture_t f = make_p256();
    for (int count = 1; count <= 4; count++) {
        est_slice_t certs[4];
        CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, CMS_PARTIAL | CMS_DETACHED);
        for (int i = 0; i < count; i++) {
            f.tbs.serial[19] = (unsigned char)(100 - i * 7); /* not in the order of DER */
            f.tbs.subject = subject_of(apr_pstrndup(pool, "ddcbbbaaaa", (apr_size_t)(10 - 2 * i)));
            ASSERT_OK(pki_cert_sign(&certs[i], &f.tbs, f.signer, pool));
            X509 *cert = parsed(certs[i]);
            assert_int_equal(CMS_add1_cert(cms, cert), 1);
            X509_free(cert);
        }
        unsigned char *der = NULL;
        int n = i2d_CMS_ContentInfo(cms, &der);
        est_slice_t out = pki_certs_only(certs, count, pool);
        ASSERT_SLICE(out, est_slice(der, (apr_size_t)n));
        ASSERT_OK(pki_der_check(out, pool));
        OPENSSL_free(der);
        CMS_ContentInfo_free(cms);
    }
    free_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_every_ca_key_signs_what_openssl_verifies),
        EST_TEST(test_fields_are_as_given),
        EST_TEST(test_serial_numbers),
        EST_TEST(test_times),
        EST_TEST(test_signers_that_are_refused),
        EST_TEST(test_facts_of_a_certificate),
        EST_TEST(test_certificates_whose_names_are_refused),
        EST_TEST(test_text_of_no_subject),
        EST_TEST(test_certs_only_message),
    };
    return EST_TEST_RUN(tests);
}
