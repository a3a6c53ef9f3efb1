/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Encodings that another reader may read in another way, and signatures */
#include "issued_test.h"

#include "pki/pki_der.h"

/* The signature as BER may have it, in parts, which OpenSSL reads */
static est_slice_t in_parts(est_slice_t der)
{
    pki_der_t cert, tbs, algorithm, signature;

    assert_true(pki_der_take(&der, PKI_DER_SEQUENCE, &cert));
    assert_true(pki_der_take(&cert.body, PKI_DER_SEQUENCE, &tbs));
    assert_true(pki_der_take(&cert.body, PKI_DER_SEQUENCE, &algorithm));
    assert_true(pki_der_take(&cert.body, PKI_DER_BIT_STRING, &signature));
    return tlv(0x30, join(3, tbs.whole, algorithm.whole, tlv(0x23, signature.whole)));
}

static void test_encoding(void **state)
{
    row_t row = {.label = ""};
    est_slice_t der;

    (void)state;
    make_ca_and_key();
    der = make_issued(&row);
    ASSERT_OK(check_der(der));
    ASSERT_FAILS(check_der(join(2, der, hex("00"))), ca_wrong, NULL);
    ASSERT_FAILS(check_der(join(2, der, der)), ca_wrong, NULL);
    ASSERT_FAILS(check_der(join(3, hex("3080"), est_slice(der.p + 4, der.n - 4), hex("0000"))), ca_wrong, NULL);
    ASSERT_FAILS(check_der(in_parts(der)), ca_wrong, NULL);
    ASSERT_FAILS(check_der(hex("")), ca_wrong, NULL);
    ASSERT_FAILS(check_der(text("-----BEGIN CERTIFICATE-----")), ca_wrong, NULL);
    ASSERT_FAILS(check_der(spki_of(t.key)), ca_wrong, NULL);
    for (apr_size_t n = 0; n < der.n; n += 7)
        ASSERT_FAILS(check_der(est_slice(der.p, n)), ca_wrong, NULL);
}

/* der with the length of its at-th value (counted as they begin) one octet longer than it need be, and those around it
 * as that makes them. What is in an extension's OCTET STRING counts, too. */
static est_slice_t lengthen(est_slice_t der, int *at, int in_octets)
{
    est_slice_t out = est_slice("", 0);
    pki_der_t item;

    while (pki_der_next(&der, &item)) {
        int is_this = (*at)-- == 0, is_octets = item.tag == PKI_DER_OCTET_STRING && !in_octets;
        est_slice_t body = item.body, value;

        if ((item.tag & 0x20) || is_octets)
            body = lengthen(body, at, in_octets || is_octets);
        value = tlv(item.tag, body);
        if (is_this && value.p[1] < 0x80)
            value = join(3, est_slice(value.p, 1), hex("81"), est_slice(value.p + 1, value.n - 1));
        else if (is_this)
            value = join(4, est_slice(value.p, 1), est_slice((unsigned char[]){(unsigned char)(value.p[1] + 1)}, 1),
                         hex("00"), est_slice(value.p + 2, value.n - 2));
        out = join(2, out, value);
    }
    return out;
}

/* Wherever it stands, BER is none of what we hand out: another reader may see other names in it */
static void test_lengths_of_ber(void **state)
{
    row_t row = {.label = ""};
    est_slice_t der;
    int left = -1, n;

    (void)state;
    make_ca_and_key();
    der = make_issued(&row);
    ASSERT_SLICE(lengthen(der, &left, 0), der);
    for (n = 0;; n++) {
        int at = n;
        est_slice_t longer = lengthen(der, &at, 0);

        if (at >= 0)
            break;
        assert_true(longer.n > der.n);
        ASSERT_ROW(check_der(longer), EST_E_ca_wrong, NULL, apr_psprintf(pool, "value %d", n));
    }
    assert_true(n > 80); /* what the certificate has, at least */
}

static est_slice_t signed_by(EVP_PKEY *key, const EVP_MD *md, int pss)
{
    X509 *cert = make_cert(&(cert_spec_t){
        .subject = SUBJECT, .key = t.key, .until = UNTIL, .exts = {base[0], base[1], base[2], base[3], base[7]}});
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx;

    assert_true(EVP_DigestSignInit(ctx, &pctx, md, NULL, key));
    if (pss)
        assert_true(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) > 0);
    assert_true(X509_sign_ctx(cert, ctx) > 0);
    EVP_MD_CTX_free(ctx);
    return cert_der(cert);
}

/* Only what is signed with is looked at: RSA-PSS is no request's, but a CA's to choose */
static void test_signatures(void **state)
{
    EVP_PKEY *rsa;

    (void)state;
    make_ca_and_key();
    rsa = make_key("RSA");
    ASSERT_OK(check_der(signed_by(t.ca_key, EVP_sha384(), 0)));
    ASSERT_OK(check_der(signed_by(rsa, EVP_sha256(), 0)));
    ASSERT_OK(check_der(signed_by(rsa, EVP_sha512(), 1)));
    ASSERT_OK(check_der(signed_by(make_key("Ed25519"), NULL, 0)));
    ASSERT_FAILS(check_der(signed_by(rsa, EVP_sha1(), 0)), ca_wrong, "signed with sha1WithRSAEncryption");
    ASSERT_FAILS(check_der(signed_by(rsa, EVP_sha1(), 1)), ca_wrong, "signed with rsassaPss; wanted: SHA-256");
    ASSERT_FAILS(check_der(signed_by(t.ca_key, EVP_sha1(), 0)), ca_wrong, "signed with ecdsa-with-SHA1");
    ASSERT_FAILS(check_der(signed_by(rsa, EVP_md5(), 0)), ca_wrong, "signed with md5WithRSAEncryption");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_encoding),
        EST_TEST(test_lengths_of_ber),
        EST_TEST(test_signatures),
    };

    return EST_TEST_RUN(tests);
}
