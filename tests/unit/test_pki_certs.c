/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "pki/pki_cert.h"
#include "pki/pki_certs.h"

#include <openssl/cms.h>
#include <openssl/err.h>

#define SIGNED_DATA "06 09 2a 86 48 86 f7 0d 01 07 02"
#define DATA "06 09 2a 86 48 86 f7 0d 01 07 01"

static est_err_t *read_certs(STACK_OF(X509) **out, est_slice_t message)
{
    est_err_t *err = pki_certs_read(out, message, pool);

    assert_int_equal(ERR_peek_error(), 0); /* nothing is left for mod_ssl's log */
    return err;
}

static est_slice_t set(est_slice_t body)
{
    return tlv(0x31, body);
}

/* content: [0] of EncapsulatedContentInfo; certs: contents of certificates [0]; tail: what follows these */
static est_slice_t message_of(const char *type, est_slice_t content, est_slice_t certs, est_slice_t tail)
{
    est_slice_t info = tlv(0x30, join(2, hex(type), content));
    est_slice_t signed_data =
        tlv(0x30, join(5, hex("020101"), set(text("")), info, certs.n ? tlv(0xa0, certs) : certs, tail));

    return tlv(0x30, join(2, hex(SIGNED_DATA), tlv(0xa0, signed_data)));
}

static est_slice_t plain_message(est_slice_t certs)
{
    return message_of(DATA, text(""), certs, set(text("")));
}

static void test_certificates_in_their_order(void **state)
{
    STACK_OF(X509) *certs;

    (void)state;
    X509 *made[] = {make_ca("CN=z", NULL, NULL, NULL), make_ca("CN=a", NULL, NULL, NULL),
                    make_ca("CN=m", NULL, NULL, NULL)};
    ASSERT_OK(read_certs(&certs, plain_message(join(3, cert_der(made[0]), cert_der(made[1]), cert_der(made[2])))));
    assert_int_equal(sk_X509_num(certs), 3);
    for (int i = 0; i < 3; i++)
        ASSERT_SLICE(cert_der(sk_X509_value(certs, i)), cert_der(made[i]));
}

static void test_our_own_message_and_that_of_openssl(void **state)
{
    est_slice_t der = cert_der(make_ca("CN=a", NULL, NULL, NULL));
    STACK_OF(X509) *certs;

    (void)state;
    ASSERT_OK(read_certs(&certs, pki_certs_only(&der, 1, pool)));
    ASSERT_SLICE(cert_der(sk_X509_value(certs, 0)), der);
    PKCS7 *p7 = PKCS7_new();
    assert_true(PKCS7_set_type(p7, NID_pkcs7_signed) && PKCS7_content_new(p7, NID_pkcs7_data));
    ASN1_OCTET_STRING_free(p7->d.sign->contents->d.data);
    p7->d.sign->contents->d.data = NULL;
    assert_true(PKCS7_add_certificate(p7, sk_X509_value(certs, 0)));
    ASSERT_OK(read_certs(&certs, DER_OF(i2d_PKCS7, p7)));
    assert_int_equal(sk_X509_num(certs), 1);
    PKCS7_free(p7);
}

/* Bouncy Castle writes indefinite lengths where nobody asks it for DER */
static void test_indefinite_lengths_are_read(void **state)
{
    est_slice_t der = cert_der(make_ca("CN=a", NULL, NULL, NULL)), end = hex("0000");
    STACK_OF(X509) *certs;

    (void)state;
    est_slice_t signed_data = join(7, hex("3080 020101 3100 3080" DATA), end, hex("a080"), der, end, hex("3100"), end);
    ASSERT_OK(read_certs(&certs, join(5, hex("3080" SIGNED_DATA "a080"), signed_data, end, end, text(""))));
    ASSERT_SLICE(cert_der(sk_X509_value(certs, 0)), der);
}

static void test_an_empty_content_is_none(void **state)
{
    est_slice_t der = cert_der(make_ca("CN=a", NULL, NULL, NULL));
    STACK_OF(X509) *certs;

    (void)state;
    ASSERT_OK(read_certs(&certs, message_of(DATA, hex("a002 0400"), der, set(text("")))));
    ASSERT_FAILS(read_certs(&certs, message_of(DATA, hex("a003 040141"), der, set(text("")))), ca_answer,
                 "has a content");
    /* a full PKI response (RFC 5272 4.2) */
    ASSERT_FAILS(
        read_certs(&certs, message_of("06 08 2b 06 01 05 05 07 0c 03", hex("a004 0402 3000"), der, set(text("")))),
        ca_answer, "has a content");
}

static void test_crls_are_passed_over(void **state)
{
    EVP_PKEY *key = make_key("P-256");
    X509 *ca = make_ca("CN=a", key, NULL, NULL);
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
    STACK_OF(X509) *certs;

    (void)state;
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca));
    X509_CRL_set1_lastUpdate(crl, now);
    X509_CRL_set1_nextUpdate(crl, now);
    assert_true(X509_CRL_sign(crl, key, EVP_sha256()) > 0);
    est_slice_t crls = tlv(0xa1, DER_OF(i2d_X509_CRL, crl));
    ASSERT_OK(read_certs(&certs, message_of(DATA, text(""), cert_der(ca), join(2, crls, set(text(""))))));
    assert_int_equal(sk_X509_num(certs), 1);
    ASSERT_FAILS(read_certs(&certs, message_of(DATA, text(""), text(""), join(2, crls, set(text(""))))), ca_answer,
                 "holds no certificate");
    ASN1_TIME_free(now);
    X509_CRL_free(crl);
}

static void test_a_signed_message_is_refused(void **state)
{
    EVP_PKEY *key = make_key("P-256");
    X509 *cert = make_ca("CN=a", key, NULL, NULL);
    BIO *nothing = BIO_new(BIO_s_mem());
    STACK_OF(X509) *certs;

    (void)state;
    CMS_ContentInfo *cms = CMS_sign(cert, key, NULL, nothing, CMS_BINARY | CMS_DETACHED);
    assert_non_null(cms);
    est_slice_t der = DER_OF(i2d_CMS_ContentInfo, cms);
    ERR_clear_error();
    ASSERT_FAILS(read_certs(&certs, der), ca_answer, "is signed");
    CMS_ContentInfo_free(cms);
    BIO_free(nothing);
}

static void test_how_many_there_may_be(void **state)
{
    est_slice_t der = cert_der(make_ca("CN=a", NULL, NULL, NULL)), all = text("");
    STACK_OF(X509) *certs;

    (void)state;
    for (int i = 0; i < PKI_CERTS_MAX; i++)
        all = join(2, all, der);
    ASSERT_OK(read_certs(&certs, plain_message(all)));
    assert_int_equal(sk_X509_num(certs), PKI_CERTS_MAX);
    ASSERT_FAILS(read_certs(&certs, plain_message(join(2, all, der))), ca_answer, "65 certificates, more than 64");
    ASSERT_FAILS(read_certs(&certs, plain_message(text(""))), ca_answer, "holds no certificate");
}

static void test_what_is_no_such_message_is_refused(void **state)
{
    est_slice_t der = cert_der(make_ca("CN=a", NULL, NULL, NULL)), good = plain_message(der);
    STACK_OF(X509) *certs;

    (void)state;
    ASSERT_FAILS(read_certs(&certs, text("")), ca_answer, "it is empty");
    ASSERT_FAILS(read_certs(&certs, der), ca_answer, "not a certs-only message");
    ASSERT_FAILS(read_certs(&certs, join(2, good, hex("00"))), ca_answer, "octets follow it");
    ASSERT_FAILS(read_certs(&certs, join(2, good, good)), ca_answer, "octets follow it");
    /* EnvelopedData, data, SignedData of which there is nothing */
    ASSERT_FAILS(read_certs(&certs, tlv(0x30, join(2, hex(DATA), tlv(0xa0, hex("0400"))))), ca_answer, "no SignedData");
    ASSERT_FAILS(read_certs(&certs, tlv(0x30, hex(SIGNED_DATA))), ca_answer, "no SignedData");
    for (apr_size_t n = 0; n < good.n; n++)
        ASSERT_FAILS(read_certs(&certs, est_slice(good.p, n)), ca_answer, "not a certs-only message");
    for (apr_size_t i = 0; i < good.n; i++) { /* one bit wrong: whatever it makes, it is refused or read, and no more */
        unsigned char *octets = apr_pmemdup(pool, good.p, good.n);

        octets[i] ^= (unsigned char)(1 << i % 8);
        est_err_t *err = read_certs(&certs, est_slice(octets, good.n));
        if (err)
            assert_int_equal(err->code, EST_E_ca_answer);
        else
            assert_int_equal(sk_X509_num(certs), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_certificates_in_their_order),
        EST_TEST(test_our_own_message_and_that_of_openssl),
        EST_TEST(test_indefinite_lengths_are_read),
        EST_TEST(test_an_empty_content_is_none),
        EST_TEST(test_crls_are_passed_over),
        EST_TEST(test_a_signed_message_is_refused),
        EST_TEST(test_how_many_there_may_be),
        EST_TEST(test_what_is_no_such_message_is_refused),
    };
    return EST_TEST_RUN(tests);
}
