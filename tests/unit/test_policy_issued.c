/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Names, validity, serial number and key of a certificate that has come */
#include "issued_test.h"

/* ---- names and time */

/* The subject once more, its values of another string type */
static void retype(X509 *cert, int type)
{
    X509_NAME *name = X509_get_subject_name(cert);

    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i));
        const char *text =
            apr_pstrmemdup(pool, (const char *)ASN1_STRING_get0_data(value), (apr_size_t)ASN1_STRING_length(value));

        assert_true(X509_NAME_ENTRY_set_data(X509_NAME_get_entry(name, i), type, (const unsigned char *)text, -1));
    }
}

static void as_printable(X509 *cert)
{
    retype(cert, V_ASN1_PRINTABLESTRING);
}

static void as_t61(X509 *cert)
{
    retype(cert, V_ASN1_T61STRING);
}

static void test_names(void **state)
{
    static const row_t rows[] = {
        {.label = "as granted"},
        {"PrintableString", NULL, .tamper = as_printable},
        {"T61String", NULL, .tamper = as_t61},
        {"letter case and blanks", NULL, .subject = "C=DE,O=EXAMPLE,CN=dev  7"},
        {"another CN", "subject \"CN=Dev 8,O=Example,C=DE\"; granted: \"CN=Dev 7,",
         .subject = "C=DE,O=Example,CN=Dev 8"},
        {"without C", "subject \"CN=Dev 7,O=Example\"", .subject = "O=Example,CN=Dev 7"},
        {"one more", "subject \"OU=x,CN=Dev 7", .subject = SUBJECT ",OU=x"},
        {"another order", "subject \"O=Example,CN=Dev 7", .subject = "C=DE,CN=Dev 7,O=Example"},
        {"none", "subject \"\"; granted", .subject = ""},
        {"unreadable", "subject of the certificate", .subject = "C=DE,O=Example,CN=Dev\n7"},
        {"order of alternative names", NULL, .cert = {"subjectAltName=URI:urn:dev:7,IP:10.0.0.7,DNS:dev7.example"}},
        {"one twice", NULL, .cert = {"subjectAltName=DNS:dev7.example,IP:10.0.0.7,DNS:dev7.example,URI:urn:dev:7"}},
        {"case of DNS names", NULL, .cert = {"subjectAltName=DNS:Dev7.EXAMPLE,IP:10.0.0.7,URI:urn:dev:7"}},
        {"critical", NULL, .cert = {"subjectAltName=critical,DNS:dev7.example,IP:10.0.0.7,URI:urn:dev:7"}},
        {"case of URIs", "subjectAltName uri:urn:DEV:7 was not granted",
         .cert = {"subjectAltName=DNS:dev7.example,IP:10.0.0.7,URI:urn:DEV:7"}},
        {"one more name", "subjectAltName dns:evil.example was not granted; granted: dns:dev7.example, ip:10.0.0.7",
         .cert = {"subjectAltName=DNS:dev7.example,IP:10.0.0.7,URI:urn:dev:7,DNS:evil.example"}},
        {"CN as a name", "subjectAltName dns:dev7 was not granted",
         .cert = {"subjectAltName=DNS:dev7,DNS:dev7.example,IP:10.0.0.7,URI:urn:dev:7"}},
        {"wildcard", "subjectAltName dns:*.example was not granted",
         .cert = {"subjectAltName=DNS:*.example,DNS:dev7.example,IP:10.0.0.7,URI:urn:dev:7"}},
        {"one less", "subjectAltName ip:10.0.0.7 was granted, and is not there; there: dns:dev7.example, uri:urn",
         .cert = {"subjectAltName=DNS:dev7.example,URI:urn:dev:7"}},
        {"no names", "was granted, and is not there; there: (none)", .cert = {"subjectAltName="}},
        {"names where none are granted", "was not granted; granted: (none)", .grant = {"subjectAltName="}},
        {"none where none are granted", NULL, .cert = {"subjectAltName="}, .grant = {"subjectAltName="}},
        {"empty list of names", "subjectAltName", .cert = {"subjectAltName=DER:3000"}},
        {"name of another type", "subjectAltName other:1.2.3 was not granted",
         .cert = {"subjectAltName=DNS:dev7.example,IP:10.0.0.7,URI:urn:dev:7,otherName:1.2.3;UTF8:x"}},
        {"names that EstCAExtensions has", "subjectAltName dns:evil.example was not granted",
         .cert = {"subjectAltName=DNS:evil.example"}, .extra = {"2.5.29.17"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_time(void **state)
{
    static const row_t rows[] = {
        {"shorter", NULL, .until = UNTIL - 300 * TEST_DAY},
        {"begins long ago", NULL, .from = TEST_NOW - 30 * TEST_DAY},
        {"clocks that differ", NULL, .until = UNTIL + 9 * MINUTE},
        {"as much as they may", NULL, .until = UNTIL + 10 * MINUTE},
        {"a second more", "valid until 2027-02-03T04:15:07Z", .until = UNTIL + 10 * MINUTE + apr_time_from_sec(1)},
        {"longer", "valid until 2027-02-03T04:16:06Z; granted: until 2027-02-03T04:05:06Z",
         .until = UNTIL + 11 * MINUTE},
        {"for ever", "valid until 9999-12-31T23:59:59Z", .until = apr_time_from_sec(APR_INT64_C(253402300799))},
        {"ended long ago", "it has ended 2026-01-", .from = TEST_NOW - 60 * TEST_DAY,
         .until = TEST_NOW - 20 * TEST_DAY},
        {"ended when it was granted", "it has ended", .until = TEST_NOW - 5 * MINUTE},
        {"ends soon", NULL, .until = TEST_NOW + MINUTE},
        {"ends as it begins", "before it begins", .from = UNTIL, .until = UNTIL},
        {"ends before it begins", "before it begins", .from = UNTIL, .until = UNTIL - MINUTE},
    };

    (void)state;
    CHECK_ROWS(rows);
}

/* ---- the certificate as such */

static void negative_serial(X509 *cert)
{
    ASN1_INTEGER_set(X509_get_serialNumber(cert), -5);
}

static void zero_serial(X509 *cert)
{
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 0);
}

static void set_serial(X509 *cert, const char *digits)
{
    BIGNUM *n = NULL;

    assert_true(BN_hex2bn(&n, digits));
    assert_non_null(BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)));
    BN_free(n);
}

static void long_serial(X509 *cert)
{
    set_serial(cert, "8000000000000000000000000000000000000000"); /* 20 octets, and one for the sign */
}

static void longest_serial(X509 *cert)
{
    set_serial(cert, "7fffffffffffffffffffffffffffffffffffffff");
}

static void version_2(X509 *cert)
{
    X509_set_version(cert, X509_VERSION_2);
}

static void version_huge(X509 *cert)
{
    X509_set_version(cert, 1000000);
}

static void version_1(X509 *cert)
{
    while (X509_get_ext_count(cert))
        X509_EXTENSION_free(X509_delete_ext(cert, 0));
    X509_set_version(cert, X509_VERSION_1);
}

static void test_the_certificate(void **state)
{
    static const row_t rows[] = {
        {"largest serial number", NULL, .tamper = longest_serial},
        {"negative serial number", "serial number fb", .tamper = negative_serial},
        {"serial number zero", "serial number 00", .tamper = zero_serial},
        {"serial number of 21 octets", "at most 20 octets", .tamper = long_serial},
        {"version 1", "version 3", .tamper = version_1},
        {"version 2", "version 3", .tamper = version_2},
        {"a version that there is not", "version 3", .tamper = version_huge},
        {"an extension twice", "extension certificatePolicies is there twice",
         .cert = {"+certificatePolicies=1.2.3.5"}},
        {"the names twice", "subjectAltName", .cert = {"+subjectAltName=DNS:dev7.example"}},
        {"key usage twice", "extension keyUsage is there twice", .cert = {"+keyUsage=digitalSignature"}},
        {"one of the CA's that cannot be read", "extension crlDistributionPoints is malformed",
         .cert = {"crlDistributionPoints=DER:0500"}},
        {"policies in BER", "extension certificatePolicies (2.5.29.32) is malformed",
         .cert = {"certificatePolicies=DER:30800000"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

/* ---- the key */

/* rsaEncryption without the NULL that RFC 3279 2.3.1 wants */
static void drop_parameters(X509 *cert)
{
    ASN1_OBJECT *oid;
    X509_ALGOR *algorithm;

    assert_true(X509_PUBKEY_get0_param(&oid, NULL, NULL, &algorithm, X509_get_X509_PUBKEY(cert)));
    assert_true(X509_ALGOR_set0(algorithm, OBJ_dup(oid), V_ASN1_UNDEF, NULL));
}

static void test_the_key(void **state)
{
    static const char *const none[MAX_CHANGES];
    row_t row = {.label = ""};
    policy_grant_t *grant;
    EVP_PKEY *rsa;

    (void)state;
    make_ca_and_key();
    grant = make_grant(none);
    row.key = make_key("P-256");
    ASSERT_FAILS(policy_issued_check(grant, spki_of(t.key), make_issued(&row), NULL, pool), ca_wrong, "another key");
    row.key = t.ca_key;
    ASSERT_FAILS(policy_issued_check(grant, spki_of(t.key), make_issued(&row), NULL, pool), ca_wrong, "another key");
    row.key = rsa = make_key("RSA");
    ASSERT_OK(policy_issued_check(grant, spki_of(rsa), make_issued(&row), NULL, pool));
    row.tamper = drop_parameters;
    ASSERT_OK(policy_issued_check(grant, spki_of(rsa), make_issued(&row), NULL, pool));
    row.key = make_key("RSA");
    ASSERT_FAILS(policy_issued_check(grant, spki_of(rsa), make_issued(&row), NULL, pool), ca_wrong, "another key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_names),
        EST_TEST(test_time),
        EST_TEST(test_the_certificate),
        EST_TEST(test_the_key),
    };

    return EST_TEST_RUN(tests);
}
