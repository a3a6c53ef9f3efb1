/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* What is read from a certificate */
#include "cert_test.h"

#include <openssl/err.h>

static void test_facts_of_a_certificate(void **state)
{
    (void)state;
    fixture_t f = make_fixture("P-256");
    est_slice_t exts[] = {pki_ext_encode("2.5.29.15", 1, hex("03020780"), pool),
                          pki_ext_encode("2.5.29.17", 1, tlv(0x30, tlv(0x82, text("A.example"))), pool)};
    f.tbs.exts = exts;
    f.tbs.n_exts = 2;
    est_slice_t der;
    ASSERT_OK(pki_cert_sign(&der, &f.tbs, f.signer, pool));
    X509 *cert = X509_dup(parsed(der));
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
}

/* */
static void test_certificates_whose_names_are_refused(void **state)
{
    (void)state;
    fixture_t f = make_fixture("P-256");
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
    }
}

/* Contents octets of the object identifiers below */
#define CLIENT_AUTH "06082b06010505070302"
#define SERVER_AUTH "06082b06010505070301"
#define CMC_RA "06082b0601050507031c"
#define EMAIL_PROTECTION "06082b06010505070304"
#define ANY_PURPOSE "0604551d2500"
#define HARDWARE_NAME "06082b06010505070804"
#define HARDWARE_TYPE "06062b0601040109"

static est_slice_t key_purposes(const char *oids)
{
    return pki_ext_encode("2.5.29.37", 0, tlv(0x30, hex(oids)), pool);
}

/* value: what stands in HardwareModuleName, in hex */
static est_slice_t hardware_name(const char *value)
{
    return tlv(0xa0, join(2, hex(HARDWARE_NAME), tlv(0xa0, tlv(0x30, hex(value)))));
}

static est_slice_t alternative_names(est_slice_t names)
{
    return pki_ext_encode("2.5.29.17", 0, tlv(0x30, names), pool);
}

/* The facts of a certificate with these extensions */
static est_err_t *facts_with(pki_cert_t **facts, fixture_t *f, const est_slice_t *exts, int n_exts)
{
    f->tbs.exts = exts;
    f->tbs.n_exts = n_exts;
    return pki_cert_facts(facts, issued(f), pool);
}

static void test_what_a_certificate_is_for(void **state)
{
    static const struct {
        const char *oids; /* NULL: without extendedKeyUsage */
        unsigned purposes;
    } rows[] = {
        {NULL, 0},
        {CLIENT_AUTH, PKI_CERT_CLIENT_AUTH},
        {CMC_RA, PKI_CERT_CMC_RA},
        {CMC_RA CLIENT_AUTH, PKI_CERT_CLIENT_AUTH | PKI_CERT_CMC_RA},
        {SERVER_AUTH CLIENT_AUTH CMC_RA, PKI_CERT_CLIENT_AUTH | PKI_CERT_SERVER_AUTH | PKI_CERT_CMC_RA},
        {ANY_PURPOSE, PKI_CERT_ANY_PURPOSE},
        {EMAIL_PROTECTION, PKI_CERT_OTHER_PURPOSE},
        {"06092b0601050507031c01", PKI_CERT_OTHER_PURPOSE}, /* below cmcRA is not cmcRA */
    };
    fixture_t f = make_fixture("P-256");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t ext = rows[i].oids ? key_purposes(rows[i].oids) : est_slice(NULL, 0);
        pki_cert_t *facts;

        ASSERT_OK(facts_with(&facts, &f, &ext, rows[i].oids != NULL));
        assert_int_equal(facts->purposes, rows[i].purposes);
    }
}

static void test_which_device_a_certificate_names(void **state)
{
    const pki_attr_t attrs[] = {{NID_commonName, "CN", "box", 0},
                                {NID_serialNumber, "serialNumber", "S1", 1},
                                {NID_serialNumber, "serialNumber", "S2", 2}};
    est_slice_t name = hardware_name(HARDWARE_TYPE "04020aFB");
    est_slice_t ext = alternative_names(join(2, tlv(0x82, text("a.example")), name));
    fixture_t f = make_fixture("P-256");
    pki_name_t *subject;
    pki_cert_t *facts;

    (void)state;
    ASSERT_OK(facts_with(&facts, &f, &ext, 1));
    assert_string_equal(facts->hardware_type, "1.3.6.1.4.1.9");
    assert_string_equal(facts->hardware_serial, "0afb");
    assert_null(facts->serial_number);
    assert_int_equal(facts->san.n_names, 2);

    ASSERT_OK(pki_name_encode(&subject, attrs, 3, pool));
    f.tbs.subject = subject->der;
    /* otherName of another kind */
    ext = alternative_names(tlv(0xa0, join(2, hex("06082b06010505070805"), tlv(0xa0, tlv(0x0c, text("a"))))));
    ASSERT_OK(facts_with(&facts, &f, &ext, 1));
    assert_string_equal(facts->serial_number, "S1");
    assert_null(facts->hardware_type);
    assert_null(facts->hardware_serial);
}

static void test_certificates_that_are_unclear_are_refused(void **state)
{
    est_slice_t one = hardware_name(HARDWARE_TYPE "040101"), purposes = key_purposes(CLIENT_AUTH);
    const struct {
        est_slice_t exts[2];
        const char *part, *reason;
    } rows[] = {
        {{purposes, purposes}, "extendedKeyUsage", "there twice"},
        {{key_purposes(""), {0}}, "extendedKeyUsage", "no purpose"},
        {{key_purposes("0500"), {0}}, "extendedKeyUsage", "no OID"},
        {{pki_ext_encode("2.5.29.37", 0, hex(CLIENT_AUTH), pool), {0}}, "extendedKeyUsage", "no SEQUENCE"},
        {{pki_ext_encode("2.5.29.37", 0, join(2, tlv(0x30, hex(CLIENT_AUTH)), hex("0500")), pool), {0}},
         "extendedKeyUsage",
         "something behind it"},
        {{alternative_names(join(2, one, one)), {0}}, "hardwareModuleName", "two devices"},
        {{alternative_names(hardware_name("")), {0}}, "hardwareModuleName", "empty"},
        {{alternative_names(hardware_name(HARDWARE_TYPE)), {0}}, "hardwareModuleName", "no serial number"},
        {{alternative_names(hardware_name("040101")), {0}}, "hardwareModuleName", "no type"},
        {{alternative_names(hardware_name(HARDWARE_TYPE "0400")), {0}}, "hardwareModuleName", "empty serial number"},
        {{alternative_names(hardware_name(HARDWARE_TYPE "0c0131")), {0}}, "hardwareModuleName", "a string"},
        {{alternative_names(hardware_name(HARDWARE_TYPE "0401010500")), {0}}, "hardwareModuleName", "more behind it"},
        {{alternative_names(tlv(0xa0, join(2, hex(HARDWARE_NAME), tlv(0xa0, hex("040101"))))), {0}},
         "hardwareModuleName",
         "no SEQUENCE"},
    };
    fixture_t f = make_fixture("P-256");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_cert_t *facts;

        ASSERT_ROW(facts_with(&facts, &f, rows[i].exts, rows[i].exts[1].n ? 2 : 1), EST_E_certificate_refused,
                   rows[i].part, rows[i].reason);
    }
}

/* 64 octets are a serial number, 65 are something else */
static void test_how_long_a_hardware_serial_number_may_be(void **state)
{
    fixture_t f = make_fixture("P-256");

    (void)state;
    for (apr_size_t n = 64; n <= 65; n++) {
        unsigned char *octets = apr_pcalloc(pool, n);
        const char *value =
            apr_psprintf(pool, HARDWARE_TYPE "04%02x%s", (unsigned)n, est_hex(est_slice(octets, n), pool));
        est_slice_t ext = alternative_names(hardware_name(value));
        pki_cert_t *facts;
        est_err_t *err = facts_with(&facts, &f, &ext, 1);

        if (n == 64)
            ASSERT_OK(err);
        else
            ASSERT_FAILS(err, certificate_refused, "hardwareModuleName");
    }
}

static void test_whose_signature_a_certificate_has(void **state)
{
    fixture_t f = make_fixture("P-256"), namesake = make_fixture("P-256");
    X509 *cert = issued(&f);

    (void)state;
    assert_true(pki_cert_is_issued_by(cert, f.ca));
    assert_false(pki_cert_is_issued_by(cert, namesake.ca));
    assert_false(pki_cert_is_issued_by(f.ca, cert));
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_text_of_no_subject(void **state)
{
    X509 *cert = X509_new();

    (void)state;
    assert_string_equal(pki_cert_subject_text(cert, pool), "");
    X509_free(cert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_facts_of_a_certificate),
        EST_TEST(test_certificates_whose_names_are_refused),
        EST_TEST(test_what_a_certificate_is_for),
        EST_TEST(test_which_device_a_certificate_names),
        EST_TEST(test_certificates_that_are_unclear_are_refused),
        EST_TEST(test_how_long_a_hardware_serial_number_may_be),
        EST_TEST(test_whose_signature_a_certificate_has),
        EST_TEST(test_text_of_no_subject),
    };

    return EST_TEST_RUN(tests);
}
