/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "pki/pki_der.h"
#include "pki/pki_ext.h"

#include <openssl/err.h>

static est_slice_t built(const char *name, int critical, const char *value, const pki_ext_section_t *sections, int n)
{
    est_slice_t der;
    pki_ext_row_t row = {name, critical, value};
    est_test_ok(pki_ext_build(&der, &row, sections, n, pool), value, __FILE__, __LINE__);
    return der;
}

/* A whole Extension, with critical TRUE or none */
static est_slice_t extension(const char *oid, int critical, const char *value)
{
    return tlv(0x30, join(3, hex(oid), hex(critical ? "0101ff" : ""), tlv(0x04, hex(value))));
}

static void test_an_extension_by_hand(void **state)
{
    (void)state;
    ASSERT_SLICE(pki_ext_encode("2.5.29.15", 1, hex("03020780"), pool), extension("0603551d0f", 1, "03020780"));
    ASSERT_SLICE(pki_ext_encode("2.5.29.37", 0, hex("3000"), pool), extension("0603551d25", 0, "3000"));
}

/* CP-08: RFC 5280 4.2.1.2 (1) */
static void test_subject_key_identifier(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_PUBKEY *pubkey = NULL;
    X509_PUBKEY_set(&pubkey, key);
    const unsigned char *bits;
    int n;
    X509_PUBKEY_get0_param(NULL, &bits, &n, NULL, pubkey);
    unsigned char digest[20];
    EVP_Digest(bits, (size_t)n, digest, NULL, EVP_sha1(), NULL);
    ASSERT_SLICE(pki_ext_ski(DER_OF(i2d_X509_PUBKEY, pubkey), pool),
                 tlv(0x30, join(2, hex("0603551d0e"), tlv(0x04, tlv(0x04, est_slice(digest, 20))))));
    X509_PUBKEY_free(pubkey);
    EVP_PKEY_free(key);
}

/* CP-09, CP-12, CP-13 and other rows that profiles have */
static void test_rows_of_a_profile(void **state)
{
    static const pki_ext_section_t sections[] = {
        {"crl", "fullname", "URI:http://a/x.crl"},
        {"pol", "policyIdentifier", "1.2.3"},
        {"pol", "CPS.1", "http://a/cps"},
        {"alt", "DNS.1", "a.example"},
        {"alt", "DNS.2", "b.example"},
        {"usage", "digitalSignature", "x"},
    };
    static const struct {
        const char *name;
        int critical;
        const char *value, *oid, *contents; /* contents NULL: only that it works */
    } rows[] = {
        {"keyUsage", 1, "digitalSignature", "0603551d0f", "03020780"},
        {"2.5.29.15", 0, "digitalSignature,keyAgreement", "0603551d0f", "03020388"},
        {"X509v3 Key Usage", 1, "keyEncipherment", "0603551d0f", "03020520"},
        {"extendedKeyUsage", 0, "clientAuth,1.2.3.4", "0603551d25", "300f06082b0601050507030206032a0304"},
        {"basicConstraints", 1, "CA:FALSE", "0603551d13", "3000"},
        {"1.2.3.4", 0, "DER:0c0161", "06032a0304", "0c0161"},
        {"1.2.3.4", 0, "ASN1:UTF8:a", "06032a0304", "0c0161"},
        {"certificatePolicies", 0, "1.2.3", "0603551d20", "300630040602 2a03"},
        {"certificatePolicies", 0, "@pol", "0603551d20", NULL},
        {"certificatePolicies", 0, "1.2.4,@pol", "0603551d20", NULL},
        {"crlDistributionPoints", 0, "URI:http://a/x.crl", "0603551d1f",
         "3016 3014 a012 a010 860e 687474703a2f2f612f782e63726c"},
        {"crlDistributionPoints", 0, "crl", "0603551d1f", "3016 3014 a012 a010 860e 687474703a2f2f612f782e63726c"},
        {"subjectAltName", 0, "@alt", "0603551d11", "3016 8209 612e6578616d706c65 8209 622e6578616d706c65"},
        {"authorityInfoAccess", 0, "OCSP;URI:http://a/", "06082b06010505070101", NULL},
        {"tlsfeature", 0, "status_request", "06082b06010505070118", "3003020105"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t der = built(rows[i].name, rows[i].critical, rows[i].value, sections, 6);
        if (rows[i].contents)
            ASSERT_SLICE(der, extension(rows[i].oid, rows[i].critical, rows[i].contents));
        ASSERT_OK(pki_der_check(der, pool));
        assert_non_null(memmem(der.p, der.n, hex(rows[i].oid).p, hex(rows[i].oid).n));
        assert_int_equal(ERR_peek_error(), 0);
    }
}

static void test_parts_of_an_extension(void **state)
{
    pki_ext_t ext = pki_ext_parse(hex("300b 0603551d0f 0404 030205a0"));

    (void)state;
    ASSERT_SLICE(ext.oid.body, hex("551d0f"));
    assert_int_equal(ext.critical, 0);
    ASSERT_SLICE(ext.value, hex("030205a0"));
    assert_int_equal(pki_ext_parse(hex("300e 0603551d0f 0101ff 0404 030205a0")).critical, 1);
    assert_null(pki_ext_parse(hex("3005 0603551d0f")).value.p);
    assert_int_equal(pki_ext_parse(hex("3002 0500")).oid.tag, 0);
    assert_int_equal(pki_ext_parse(hex("")).oid.tag, 0);
}

/* docs/sql.md, profile_extension: what a configuration file would do with such text */
static void test_text_is_never_more_than_text(void **state)
{
    (void)state;
    setenv("EST_TEST_SECRET", "leaked", 1);
    static const struct {
        const char *value, *utf8;
    } rows[] = {
        {"ASN1:UTF8:$ENV::EST_TEST_SECRET", "$ENV::EST_TEST_SECRET"},
        {"ASN1:UTF8:${ENV::EST_TEST_SECRET}", "${ENV::EST_TEST_SECRET}"},
        {"ASN1:UTF8:$EST_TEST_SECRET", "$EST_TEST_SECRET"},
        {"ASN1:UTF8:.include /etc/passwd", ".include /etc/passwd"},
        {"ASN1:UTF8:a\\nb", "a\\nb"},
        {"ASN1:UTF8:\"quoted\" # not a comment", "\"quoted\" # not a comment"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t der = built("1.2.3.4", 0, rows[i].value, NULL, 0);
        ASSERT_SLICE(der, tlv(0x30, join(2, hex("06032a0304"), tlv(0x04, tlv(0x0c, text(rows[i].utf8))))));
    }
    pki_ext_section_t section = {"s", "f", "UTF8:$ENV::EST_TEST_SECRET"};
    est_slice_t der = built("1.2.3.4", 0, "ASN1:SEQUENCE:s", &section, 1);
    assert_non_null(memmem(der.p, der.n, "$ENV::EST_TEST_SECRET", 21));
}

/* N-08 of policy text, EN-09 and rows that need a subject or an issuer */
static void test_rows_that_are_refused(void **state)
{
    static const pki_ext_section_t sections[] = {
        {"env", "email", "copy"}, {"line", "DNS.1", "a\nb"},    {"", "DNS.1", "a"},
        {"s", "", "a"},           {"pci", "language", "1.2.3"},
    };
    static const struct {
        const char *name, *value;
        int section; /* index, -1: none */
        const char *why;
    } rows[] = {
        {"noSuchExtension", "x", -1, "extension noSuchExtension = \"x\": unknown extension"},
        {"keyUsage", "noSuchUsage", -1, "unknown bit string argument"},
        {"keyUsage", "", -1, "empty value"},
        {"keyUsage", "critical,digitalSignature", -1, "\"critical\""},
        {"keyUsage", "digitalSignature\nkeyCertSign", -1, "control character"},
        {"keyUsage", "digitalSignature\r", -1, "control character"},
        {"1.2.3.4", "ASN1:UTF8:\xe2\x80\xae", -1, "format character"},
        {"1.2.3.4", "DER:zz", -1, "1.2.3.4"},
        {"1.2.3.4", "DER:0c0261", -1, "not DER"},
        {"1.2.3.4", "DER:30800000", -1, "not DER"},
        {"1.2.3.4", "value", -1, "unknown extension"},
        {"subjectKeyIdentifier", "hash", -1, "cannot be given as text"},
        {"2.5.29.14", "DER:0400", -1, "cannot be given as text"},
        {"authorityKeyIdentifier", "keyid", -1, "cannot be given as text"},
        {"proxyCertInfo", "language:1.2.3,policy:file:/etc/passwd", -1, "cannot be given as text"},
        {"subjectAltName", "email:copy", -1, "no subject details"},
        {"subjectAltName", "email:move", -1, "no subject details"},
        {"issuerAltName", "issuer:copy", -1, "no issuer details"},
        {"subjectAltName", "@env", 0, "no subject details"},
        {"subjectAltName", "@missing", -1, "section not found"},
        {"subjectAltName", "@ENV", -1, "section not found"},
        {"subjectAltName", "@", -1, "section not found"},
        {"certificatePolicies", "@missing", -1, NULL},
        {"crlDistributionPoints", "missing", -1, NULL},
        {"1.2.3.4", "ASN1:SEQUENCE:missing", -1, NULL},
        {"subjectAltName", "@line", 1, "control character"},
        {"subjectAltName", "@s", 2, "without a name"},
        {"subjectAltName", "@s", 3, "without a name"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t der;
        pki_ext_row_t row = {rows[i].name, 0, rows[i].value};
        est_err_t *err = pki_ext_build(&der, &row, rows[i].section < 0 ? NULL : &sections[rows[i].section],
                                       rows[i].section < 0 ? 0 : 1, pool);
        ASSERT_ROW(err, EST_E_config, rows[i].why, rows[i].value);
        assert_int_equal(ERR_peek_error(), 0);
    }
}

/* ASN1: sections may refer to themselves: OpenSSL stops at a depth of its own */
static void test_sections_that_refer_to_themselves(void **state)
{
    (void)state;
    est_slice_t der;
    pki_ext_section_t section = {"loop", "a", "SEQUENCE:loop"};
    pki_ext_row_t row = {"1.2.3.4", 0, "ASN1:SEQUENCE:loop"};
    ASSERT_FAILS(pki_ext_build(&der, &row, &section, 1, pool), config, "1.2.3.4");
}

/* ---- for people */

static void test_extensions_as_text(void **state)
{
    static const struct {
        pki_ext_row_t row;
        const char *name, *oid, *text;
    } rows[] = {
        {{"keyUsage", 1, "digitalSignature,keyAgreement"}, "keyUsage", "2.5.29.15", "Digital Signature, Key Agreement"},
        {{"certificatePolicies", 0, "1.2.3.4,1.2.3.5"},
         "certificatePolicies",
         "2.5.29.32",
         "Policy: 1.2.3.4; Policy: 1.2.3.5"},
        {{"1.2.3.4", 0, "DER:0500"}, "1.2.3.4", "1.2.3.4", "0500"},
    };
    est_slice_t der;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_ext_text_t text;

        ASSERT_OK(pki_ext_build(&der, &rows[i].row, NULL, 0, pool));
        text = pki_ext_text(der, pool);
        assert_string_equal(text.name, rows[i].name);
        assert_string_equal(text.oid, rows[i].oid);
        assert_int_equal(text.critical, rows[i].row.critical);
        assert_string_equal(text.text, rows[i].text);
        assert_int_equal(ERR_peek_error(), 0);
    }
    assert_string_equal(pki_ext_text(est_slice("\x30\x00", 2), pool).name, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_an_extension_by_hand),
        EST_TEST(test_subject_key_identifier),
        EST_TEST(test_parts_of_an_extension),
        EST_TEST(test_rows_of_a_profile),
        EST_TEST(test_text_is_never_more_than_text),
        EST_TEST(test_rows_that_are_refused),
        EST_TEST(test_sections_that_refer_to_themselves),
        EST_TEST(test_extensions_as_text),
    };
    return EST_TEST_RUN(tests);
}
