/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "pki/pki_sigalg.h"

static const struct {
    pki_key_type_t type;
    pki_digest_t digest;
    int nid;
} rows[] = {
    {PKI_KEY_EC, PKI_DIGEST_SHA256, NID_ecdsa_with_SHA256},
    {PKI_KEY_EC, PKI_DIGEST_SHA384, NID_ecdsa_with_SHA384},
    {PKI_KEY_EC, PKI_DIGEST_SHA512, NID_ecdsa_with_SHA512},
    {PKI_KEY_RSA, PKI_DIGEST_SHA256, NID_sha256WithRSAEncryption},
    {PKI_KEY_RSA, PKI_DIGEST_SHA384, NID_sha384WithRSAEncryption},
    {PKI_KEY_RSA, PKI_DIGEST_SHA512, NID_sha512WithRSAEncryption},
    {PKI_KEY_ED25519, PKI_DIGEST_DEFAULT, NID_ED25519},
    {PKI_KEY_ED448, PKI_DIGEST_DEFAULT, NID_ED448},
};

/* What OpenSSL writes for the algorithm */
static est_slice_t encoded(int nid, int parameters)
{
    X509_ALGOR *algorithm = X509_ALGOR_new();

    assert_int_equal(X509_ALGOR_set0(algorithm, OBJ_nid2obj(nid), parameters, NULL), 1);
    est_slice_t der = DER_OF(i2d_X509_ALGOR, algorithm);
    X509_ALGOR_free(algorithm);
    return der;
}

static void test_every_algorithm_is_encoded_as_openssl_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const pki_sigalg_t *algorithm = pki_sigalg_get(rows[i].type, rows[i].digest);
        est_slice_t der = encoded(rows[i].nid, rows[i].type == PKI_KEY_RSA ? V_ASN1_NULL : V_ASN1_UNDEF);
        int digest, type;

        assert_non_null(algorithm);
        ASSERT_SLICE(algorithm->der, der);
        assert_ptr_equal(pki_sigalg_from_der(der), algorithm);
        assert_int_equal(OBJ_find_sigid_algs(rows[i].nid, &digest, &type), 1);
        assert_int_equal(algorithm->md ? EVP_MD_get_type(algorithm->md()) : NID_undef, digest);
    }
}

static void test_there_is_no_other(void **state)
{
    (void)state;
    assert_null(pki_sigalg_get(PKI_KEY_EC, PKI_DIGEST_DEFAULT));
    assert_null(pki_sigalg_get(PKI_KEY_RSA, PKI_DIGEST_DEFAULT));
    assert_null(pki_sigalg_get(PKI_KEY_ED25519, PKI_DIGEST_SHA512));
    assert_null(pki_sigalg_get(PKI_KEY_ED448, PKI_DIGEST_SHA256));
    assert_null(pki_sigalg_from_der(encoded(NID_sha1WithRSAEncryption, V_ASN1_NULL)));
    assert_null(pki_sigalg_from_der(encoded(NID_rsassaPss, V_ASN1_UNDEF)));
    assert_null(pki_sigalg_from_der(encoded(NID_sha256WithRSAEncryption, V_ASN1_UNDEF)));
    assert_null(pki_sigalg_from_der(encoded(NID_ecdsa_with_SHA256, V_ASN1_NULL)));
    assert_null(pki_sigalg_from_der(hex("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_every_algorithm_is_encoded_as_openssl_does),
        EST_TEST(test_there_is_no_other),
    };
    return EST_TEST_RUN(tests);
}
