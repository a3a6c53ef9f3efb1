/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Extensions that the CA adds, changes or leaves out */
#include "issued_test.h"

#include "pki/pki_der.h"

#define SCTS "1.3.6.1.4.1.11129.2.4.2"
#define TEMPLATE "1.3.6.1.4.1.311.21.7"

static void test_extensions_of_the_ca(void **state)
{
    static const row_t rows[] = {
        {"where to find it", NULL,
         .cert = {"authorityInfoAccess=OCSP;URI:http://ocsp.example/,caIssuers;URI:http://ca.example/ca.cer",
                  "crlDistributionPoints=URI:http://ca.example/ca.crl", "freshestCRL=URI:http://ca.example/delta.crl",
                  "subjectInfoAccess=ad_timestamping;URI:http://ca.example/"}},
        {"what it says", NULL,
         .cert = {"issuerAltName=DNS:ca.example", "nsComment=made by a CA", "privateKeyUsagePeriod=DER:3000",
                  SCTS "=DER:04020000"}},
        {"other policies", NULL, .cert = {"certificatePolicies=1.2.3.5,2.23.140.1.2.1"}},
        {"no policies", NULL, .cert = {"certificatePolicies="}},
        {"policies where none are granted", NULL, .grant = {"certificatePolicies="}},
        {"other identifiers", NULL, .cert = {"subjectKeyIdentifier=0102", "authorityKeyIdentifier="}},
        {"critical policies", "critical extension certificatePolicies (2.5.29.32) was not granted",
         .cert = {"certificatePolicies=critical,1.2.3.4"}},
        {"critical policies, granted", NULL, .cert = {"certificatePolicies=critical,1.2.3.5"},
         .grant = {"certificatePolicies=critical,1.2.3.4"}},
        {"critical CRL", "critical extension crlDistributionPoints (2.5.29.31) was not granted",
         .cert = {"crlDistributionPoints=critical,URI:http://ca.example/ca.crl"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_granted_extensions(void **state)
{
    static const row_t rows[] = {
        {"left out, which restricts nothing", NULL, .cert = {"1.2.3.4.5="}},
        {"another value", "extension 1.2.3.4.5 is \"", .cert = {"1.2.3.4.5=ASN1:UTF8String:eight"}},
        {"critical", "critical extension 1.2.3.4.5 was not granted",
         .cert = {"1.2.3.4.5=critical,ASN1:UTF8String:seven"}},
        {"critical, granted", NULL, .cert = {"1.2.3.4.5=critical,ASN1:UTF8String:seven"},
         .grant = {"1.2.3.4.5=critical,ASN1:UTF8String:seven"}},
        {"no more critical", "extension 1.2.3.4.5 is not critical, as was granted",
         .cert = {"1.2.3.4.5=ASN1:UTF8String:seven"}, .grant = {"1.2.3.4.5=critical,ASN1:UTF8String:seven"}},
        {"critical, left out", "extension 1.2.3.4.5 was granted, and is not there", .cert = {"1.2.3.4.5="},
         .grant = {"1.2.3.4.5=critical,ASN1:UTF8String:seven"}},
        {"must-staple left out", "extension tlsfeature (1.3.6.1.5.5.7.1.24) was granted, and is not there",
         .cert = {"tlsfeature="}},
        {"must-staple of another kind",
         "extension tlsfeature (1.3.6.1.5.5.7.1.24) is \"status_request_v2\"; granted: \"s",
         .cert = {"tlsfeature=status_request_v2"}},
        {"Netscape type left out", "extension nsCertType (2.16.840.1.113730.1.1) was granted, and is not there",
         .grant = {"nsCertType=client"}},
        {"Netscape type wider", "extension nsCertType (2.16.840.1.113730.1.1) is \"SSL Client, S/MIME\"; granted",
         .cert = {"nsCertType=client,email"}, .grant = {"nsCertType=client"}},
        {"critical one of the CA's left out", NULL, .cert = {"certificatePolicies="},
         .grant = {"certificatePolicies=critical,1.2.3.4"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_other_extensions(void **state)
{
    static const row_t rows[] = {
        {"must-staple of the CA's own",
         "extension tlsfeature (1.3.6.1.5.5.7.1.24) was not granted; if this CA adds it to "
         "all certificates, EstCAExtensions can say so",
         .grant = {"tlsfeature="}},
        {"not checked by OCSP", "extension noCheck (1.3.6.1.5.5.7.48.1.5) was not granted",
         .cert = {"noCheck=ignored"}},
        {"unknown", "extension " TEMPLATE " was not granted; if this CA", .cert = {TEMPLATE "=DER:3000"}},
        {"unknown, named", NULL, .cert = {TEMPLATE "=DER:3000"}, .extra = {TEMPLATE}},
        {"two, named", NULL, .cert = {TEMPLATE "=DER:3000", "noCheck=ignored"},
         .extra = {"1.3.6.1.5.5.7.48.1.5", TEMPLATE}},
        {"named, and no DER", NULL, .cert = {TEMPLATE "=DER:ff"}, .extra = {TEMPLATE}},
        {"another one named", "extension " TEMPLATE " was not granted", .cert = {TEMPLATE "=DER:3000"},
         .extra = {TEMPLATE "1"}},
        {"named and critical", "critical extension " TEMPLATE " was not granted",
         .cert = {TEMPLATE "=critical,DER:3000"}, .extra = {TEMPLATE}},
        {"granted and named, another value", "extension 1.2.3.4.5 is \"", .cert = {"1.2.3.4.5=ASN1:UTF8String:eight"},
         .extra = {"1.2.3.4.5"}},
        {"no number that fits", "was not granted",
         .cert = {"2.5.4294967295.340282366920938463463374607431768211456=DER:3000"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

/* A certificate with what is given behind the key in the place of its extensions; nobody verifies its signature here */
static est_slice_t with_tail(est_slice_t der, est_slice_t tail)
{
    pki_der_t cert, tbs, item;
    est_slice_t head;

    assert_true(pki_der_take(&der, PKI_DER_SEQUENCE, &cert));
    assert_true(pki_der_take(&cert.body, PKI_DER_SEQUENCE, &tbs));
    head = tbs.body;
    while (pki_der_next(&tbs.body, &item) && item.tag != PKI_DER_CONTEXT_CONSTRUCTED(3))
        head.n = (apr_size_t)(item.whole.p - head.p) + item.whole.n;
    return tlv(0x30, join(2, tlv(0x30, join(2, head, tail)), cert.body));
}

/* What OpenSSL does not write: FALSE, which is the default and has no place in DER (some CAs write it), among others */
static void test_extensions_by_hand(void **state)
{
    static const struct {
        const char *tail, *part;
    } rows[] = {
        {"", NULL},
        {"a317 3015 3013 06092b0601040182371507 010100 0403020100", NULL},
        {"a317 3015 3013 06092b0601040182371507 0101ff 0403020100", "critical extension " TEMPLATE},
        {"a302 3000", "empty list of extensions"},
        {"a300", "not the DER of a certificate"},
        {"8102 0001", "unique identifiers"},
        {"8202 0001", "unique identifiers"},
    };
    static const char *const extra[] = {TEMPLATE, NULL};
    row_t row = {.cert = {NULL}, .grant = {"keyUsage=", "extendedKeyUsage=", "subjectAltName=", "tlsfeature="}};

    (void)state;
    make_ca_and_key();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t der = with_tail(make_issued(&row), hex(rows[i].tail));
        est_err_t *err = policy_issued_check(make_grant(row.grant), spki_of(t.key), der, extra, pool);

        assert_int_equal(ERR_peek_error(), 0);
        if (rows[i].part)
            ASSERT_ROW(err, EST_E_ca_wrong, rows[i].part, rows[i].tail);
        else
            est_test_ok(err, rows[i].tail, __FILE__, __LINE__);
    }
}

/* As many as nobody has */
static void test_too_many_extensions(void **state)
{
    static const char *const none[MAX_CHANGES];
    row_t row = {.label = ""};
    X509V3_CTX ctx = {0};
    X509 *cert;

    (void)state;
    make_ca_and_key();
    cert = parse_cert(make_issued(&row));
    for (int i = 0; i < 64; i++) {
        X509_EXTENSION *ext = make_ext(&ctx, apr_psprintf(pool, "1.2.3.4.6.%d=DER:0500", i));

        X509_add_ext(cert, ext, -1);
        X509_EXTENSION_free(ext);
    }
    assert_true(X509_sign(cert, t.ca_key, EVP_sha256()) > 0);
    ASSERT_FAILS(policy_issued_check(make_grant(none), spki_of(t.key), cert_der(cert), NULL, pool), ca_wrong,
                 "more than 64 extensions");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_extensions_of_the_ca),
        EST_TEST(test_granted_extensions),
        EST_TEST(test_other_extensions),
        EST_TEST(test_extensions_by_hand),
        EST_TEST(test_too_many_extensions),
    };

    return EST_TEST_RUN(tests);
}
