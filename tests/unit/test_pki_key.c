/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* pki_key.c but for RSA, which test_pki_key_rsa.c has. */

#include "key_test.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

/* ---- Good keys ---- */

static void test_keys_that_are_accepted(void **state)
{
    const struct {
        est_slice_t spki;
        pki_key_type_t type;
        pki_curve_t curve;
        int bits;
        const char *label;
    } rows[] = {
        {generated(EVP_EC_gen("P-256")), PKI_KEY_EC, PKI_CURVE_P256, 256, "EC P-256"},
        {generated(EVP_EC_gen("P-384")), PKI_KEY_EC, PKI_CURVE_P384, 384, "EC P-384"},
        {generated(EVP_EC_gen("P-521")), PKI_KEY_EC, PKI_CURVE_P521, 521, "EC P-521"},
        {generated(EVP_RSA_gen(2048)), PKI_KEY_RSA, PKI_CURVE_NONE, 2048, "RSA 2048"},
        {generated(EVP_RSA_gen(2050)), PKI_KEY_RSA, PKI_CURVE_NONE, 2050, "RSA 2050"}, /* K-07 */
        {generated(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")), PKI_KEY_ED25519, PKI_CURVE_NONE, 256, "Ed25519"},
        {generated(EVP_PKEY_Q_keygen(NULL, NULL, "ED448")), PKI_KEY_ED448, PKI_CURVE_NONE, 456, "Ed448"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_key_t *key;
        ASSERT_OK(pki_key_decode(&key, rows[i].spki, pool));
        assert_int_equal(key->type, rows[i].type);
        assert_int_equal(key->curve, rows[i].curve);
        assert_int_equal(key->bits, rows[i].bits);
        assert_string_equal(key->label, rows[i].label);
        ASSERT_SLICE(key->spki, rows[i].spki);
        ASSERT_SLICE(spki_of(key->pkey), rows[i].spki); /* OpenSSL holds the same key */
    }
}

static void test_the_same_key_as_openssl_verifies_its_signature(void **state)
{
    (void)state;
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    unsigned char sig[100];
    size_t n = sizeof(sig);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pair), 1);
    assert_int_equal(EVP_DigestSign(ctx, sig, &n, (const unsigned char *)"abc", 3), 1);
    EVP_MD_CTX_free(ctx);
    for (int i = 0; i < 2; i++) { /* twice: the second decoding shares what the first one set up */
        pki_key_t *key;
        ASSERT_OK(pki_key_decode(&key, spki_of(pair), pool));
        ctx = EVP_MD_CTX_new();
        assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key->pkey), 1);
        assert_int_equal(EVP_DigestVerify(ctx, sig, n, (const unsigned char *)"abc", 3), 1);
        EVP_MD_CTX_free(ctx);
    }
    EVP_PKEY_free(pair);
}

/* ---- Shape ---- */

static void test_malformed_structures(void **state)
{
    (void)state;
    est_slice_t good = generated(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    est_slice_t key = est_slice(good.p + good.n - 32, 32);
    const struct {
        est_slice_t spki;
        const char *why;
    } rows[] = {
        {hex(""), "not a SubjectPublicKeyInfo"},
        {hex("3000"), "not a SubjectPublicKeyInfo"},
        {join(2, good, hex("00")), "not a SubjectPublicKeyInfo"},
        {est_slice(good.p, good.n - 1), "not a SubjectPublicKeyInfo"},
        {tlv(0x30, join(2, hex("3000"), tlv(3, join(2, hex("00"), key)))), "not a SubjectPublicKeyInfo"},
        {tlv(0x30, join(2, hex(ED25519_ALGORITHM), tlv(3, join(2, hex("01"), key)))), "not a SubjectPublicKeyInfo"},
        {tlv(0x30, join(2, hex(ED25519_ALGORITHM), hex("0300"))), "not a SubjectPublicKeyInfo"},
        {tlv(0x30, join(3, hex(ED25519_ALGORITHM), tlv(3, join(2, hex("00"), key)), hex("0500"))),
         "not a SubjectPublicKeyInfo"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ASSERT_ROW(decode(rows[i].spki), EST_E_key_rejected, rows[i].why, apr_psprintf(pool, "row %d", (int)i));
}

/* K-13, K-20, K-21 */
static void test_other_algorithms(void **state)
{
    (void)state;
    est_slice_t rsa_bits = hex("300602010302010 3");
    const struct {
        est_slice_t spki;
        const char *why;
    } rows[] = {
        {make_spki(hex("300b06092a864886f70d01010a"), rsa_bits), "RSASSA-PSS"},
        {generated(EVP_PKEY_Q_keygen(NULL, NULL, "X25519")), "X25519"},
        {generated(EVP_PKEY_Q_keygen(NULL, NULL, "X448")), "X448"},
        {make_spki(hex("300906072a8648ce380401"), rsa_bits), "DSA"},
        {make_spki(hex("300b06092a864886f70d010301"), rsa_bits), "1.2.840.113549.1.3.1"},
        {make_spki(hex("300b0609608648016503040311"), rsa_bits), "2.16.840.1.101.3.4.3.17"}, /* ML-DSA-44 */
        {make_spki(hex("300406028001"), rsa_bits), "malformed"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ASSERT_ROW(decode(rows[i].spki), EST_E_key_rejected, rows[i].why, rows[i].why);
}

/* ---- Elliptic curves ---- */

static est_slice_t p256_point(void)
{
    est_slice_t spki = generated(EVP_EC_gen("P-256"));
    return est_slice(spki.p + spki.n - 65, 65);
}

/* A point of P-256 with a small x, its x given as x + p: not reduced, still 32 octets */
static est_slice_t unreduced_point(void)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = EC_POINT_new(group);
    BIGNUM *p = BN_new(), *x = BN_new(), *y = BN_new();
    unsigned char out[65] = {4};
    unsigned small = 1;
    BN_set_word(x, small);
    while (!EC_POINT_set_compressed_coordinates(group, point, x, 0, NULL))
        BN_set_word(x, ++small);
    ERR_clear_error();
    assert_int_equal(EC_POINT_get_affine_coordinates(group, point, x, y, NULL), 1);
    assert_int_equal(EC_GROUP_get_curve(group, p, NULL, NULL, NULL), 1);
    BN_bn2binpad(x, out + 1, 32);
    BN_bn2binpad(y, out + 33, 32);
    ASSERT_OK(decode(make_spki(hex(P256_ALGORITHM), est_slice(out, 65)))); /* reduced it is a good one */
    BN_add(x, x, p);
    assert_int_equal(BN_bn2binpad(x, out + 1, 32), 32);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    BN_free(p);
    BN_free(x);
    BN_free(y);
    return est_slice_dup(est_slice(out, 65), pool);
}

static est_slice_t changed(est_slice_t in, apr_size_t at, int to)
{
    unsigned char *copy = apr_pmemdup(pool, in.p, in.n);
    copy[at] = (unsigned char)to;
    return est_slice(copy, in.n);
}

/* K-15, K-16, K-17 */
static void test_points_that_are_refused(void **state)
{
    (void)state;
    est_slice_t point = p256_point();
    const struct {
        est_slice_t point;
        const char *why;
    } rows[] = {
        {changed(point, 64, point.p[64] ^ 1), "EC P-256 point: point is not on curve"},
        {unreduced_point(), "EC P-256 point"},
        {changed(est_slice(apr_pcalloc(pool, 65), 65), 0, 4), "EC P-256 point"}, /* x = y = 0 */
        {hex("00"), "not in uncompressed form"},
        {join(2, hex("02"), est_slice(point.p + 1, 32)), "not in uncompressed form"},
        {join(2, hex("03"), est_slice(point.p + 1, 32)), "not in uncompressed form"},
        {changed(point, 0, 6 + (point.p[64] & 1)), "not in uncompressed form"},
        {changed(point, 0, 7 - (point.p[64] & 1)), "not in uncompressed form"},
        {changed(point, 0, 0), "not in uncompressed form"},
        {est_slice(point.p, 64), "not in uncompressed form"},
        {join(2, point, hex("00")), "not in uncompressed form"},
        {hex(""), "not in uncompressed form"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ASSERT_ROW(decode(make_spki(hex(P256_ALGORITHM), rows[i].point)), EST_E_key_rejected, rows[i].why,
                   apr_psprintf(pool, "row %d", (int)i));
}

static est_slice_t explicit_parameters(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_int_equal(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, "explicit"), 1);
    return generated(key);
}

/* K-14, K-15, K-18 */
static void test_curves_that_are_refused(void **state)
{
    (void)state;
    est_slice_t point = p256_point();
    const struct {
        est_slice_t spki;
        const char *why;
    } rows[] = {
        {explicit_parameters(), "without a named curve"},
        {make_spki(hex("300906072a8648ce3d0201"), point), "without a named curve"},
        {make_spki(hex("300b06072a8648ce3d02010500"), point), "without a named curve"},
        {make_spki(hex("301506072a8648ce3d020106082a8648ce3d0301070500"), point), "without a named curve"},
        {make_spki(hex("300d06072a8648ce3d020106022a03"), point), "curve 1.2.3"},
        {generated(EVP_EC_gen("secp224r1")), "curve 1.3.132.0.33"},
        {generated(EVP_EC_gen("secp256k1")), "curve 1.3.132.0.10"},
        {generated(EVP_EC_gen("prime192v1")), "curve 1.2.840.10045.3.1.1"},
        {generated(EVP_EC_gen("secp112r1")), "curve 1.3.132.0.6"},
        {generated(EVP_EC_gen("secp160r1")), "curve 1.3.132.0.8"},
        {generated(EVP_EC_gen("sect163k1")), "curve 1.3.132.0.1"},
        {generated(EVP_EC_gen("brainpoolP256r1")), "curve 1.3.36.3.3.2.8.1.1.7"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ASSERT_ROW(decode(rows[i].spki), EST_E_key_rejected, rows[i].why, rows[i].why);
}

/* ---- Edwards curves ---- */

static est_slice_t with_sign(est_slice_t key)
{
    return changed(key, key.n - 1, key.p[key.n - 1] | 0x80);
}

static const char *ff(int n)
{
    char *text = apr_palloc(pool, (apr_size_t)n * 2 + 1);
    memset(text, 'f', (apr_size_t)n * 2);
    text[n * 2] = '\0';
    return text;
}

/* K-19: a forged signature verifies under each of these */
static void test_edwards_keys_of_small_order(void **state)
{
    const char *const zeros = "00000000000000000000000000000000000000000000000000000000000000";
    const struct {
        est_slice_t key;
        const char *why;
    } rows[] = {
        {hex(apr_pstrcat(pool, zeros, "00", NULL)), "small order"},
        {hex(apr_pstrcat(pool, "01", zeros, NULL)), "small order"},
        {hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), "small order"},
        {hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "small order"},
        {hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "small order"},
        {hex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), "not canonically"}, /* p: 0 */
        {hex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), "not canonically"}, /* p + 1 */
        {hex("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), "not canonically"},
        {hex(apr_pstrcat(pool, "00", zeros, "00000000000000000000000000000000000000000000000000", NULL)),
         "small order"},
        {hex(apr_pstrcat(pool, "01", zeros, "00000000000000000000000000000000000000000000000000", NULL)),
         "small order"},
        {hex(apr_pstrcat(pool, "fe", ff(27), "fe", ff(27), "00", NULL)), "small order"}, /* -1 */
        {hex(apr_pstrcat(pool, ff(28), "fe", ff(27), "00", NULL)), "not canonically"},   /* p */
        {hex(apr_pstrcat(pool, "00", zeros, "00000000000000000000000000000000000000000000000001", NULL)),
         "not canonically"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t algorithm = hex(rows[i].key.n == 32 ? ED25519_ALGORITHM : ED448_ALGORITHM);
        const char *label = apr_psprintf(pool, "row %d (%d octets)", (int)i, (int)rows[i].key.n);
        assert_true(rows[i].key.n == 32 || rows[i].key.n == 57);
        ASSERT_ROW(decode(make_spki(algorithm, rows[i].key)), EST_E_key_rejected, rows[i].why, label);
        ASSERT_ROW(decode(make_spki(algorithm, with_sign(rows[i].key))), EST_E_key_rejected, rows[i].why, label);
    }
}

/* K-19: why the list is needed */
static void test_forged_signature_under_a_small_key_does_verify_in_openssl(void **state)
{
    (void)state;
    unsigned char zero_key[32] = {0}, zero_signature[64] = {0};
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, zero_key, sizeof(zero_key));
    int forged = 0;
    for (unsigned char i = 0; i < 64; i++) { /* one message in four or so fits */
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key), 1);
        forged += EVP_DigestVerify(ctx, zero_signature, sizeof(zero_signature), &i, 1) == 1;
        EVP_MD_CTX_free(ctx);
    }
    ERR_clear_error();
    EVP_PKEY_free(key);
    assert_true(forged > 0);
    ASSERT_FAILS(decode(make_spki(hex(ED25519_ALGORITHM), est_slice(zero_key, 32))), key_rejected, "small order");
}

/* K-15 */
static void test_edwards_keys_of_wrong_shape(void **state)
{
    (void)state;
    est_slice_t spki = generated(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")), key = est_slice(spki.p + spki.n - 32, 32);
    ASSERT_FAILS(decode(make_spki(hex(ED25519_ALGORITHM), est_slice(key.p, 31))), key_rejected, "31 octets, not 32");
    ASSERT_FAILS(decode(make_spki(hex(ED25519_ALGORITHM), join(2, key, hex("00")))), key_rejected, "33 octets");
    ASSERT_FAILS(decode(make_spki(hex(ED448_ALGORITHM), key)), key_rejected, "32 octets, not 57");
    ASSERT_FAILS(decode(make_spki(hex("300706032b65700500"), key)), key_rejected, "with parameters");
}

/* ---- Use and rules ---- */

/* CP-10 */
static void test_what_keys_are_for(void **state)
{
    static const struct {
        pki_key_type_t type;
        unsigned usages;
    } rows[] = {
        {PKI_KEY_RSA, 0x0f},     /* digitalSignature, nonRepudiation, keyEncipherment, dataEncipherment */
        {PKI_KEY_EC, 0x193},     /* digitalSignature, nonRepudiation, keyAgreement with its two qualifiers */
        {PKI_KEY_ED25519, 0x03}, /* digitalSignature, nonRepudiation */
        {PKI_KEY_ED448, 0x03},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(pki_key_usages(rows[i].type), rows[i].usages);
}

static void test_rules_of_profiles(void **state)
{
    static const struct {
        const char *rule;
        int rsa2048, rsa2051, p256, p384, ed25519, ed448;
    } rows[] = {
        {"rsa:2048-8192", 1, 1, 0, 0, 0, 0},  {"rsa:2048", 1, 0, 0, 0, 0, 0}, {"rsa:2049-4096", 0, 1, 0, 0, 0, 0},
        {"rsa:3072", 0, 0, 0, 0, 0, 0},       {"ec:P-256", 0, 0, 1, 0, 0, 0}, {"ec:P-384,P-256", 0, 0, 1, 1, 0, 0},
        {"ec:P-521,P-384", 0, 0, 0, 1, 0, 0}, {"ed25519", 0, 0, 0, 0, 1, 0},  {"ed448", 0, 0, 0, 0, 0, 1},
    };
    const pki_key_t keys[] = {
        {.type = PKI_KEY_RSA, .bits = 2048},
        {.type = PKI_KEY_RSA, .bits = 2051},
        {.type = PKI_KEY_EC, .curve = PKI_CURVE_P256, .bits = 256},
        {.type = PKI_KEY_EC, .curve = PKI_CURVE_P384, .bits = 384},
        {.type = PKI_KEY_ED25519, .bits = 256},
        {.type = PKI_KEY_ED448, .bits = 456},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const int wanted[] = {rows[i].rsa2048, rows[i].rsa2051, rows[i].p256,
                              rows[i].p384,    rows[i].ed25519, rows[i].ed448};
        pki_key_rule_t rule;
        ASSERT_OK(pki_key_rule_parse(&rule, rows[i].rule, pool));
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
            if (pki_key_rule_allows(&rule, &keys[k]) != wanted[k])
                fail_msg("%s, key %d", rows[i].rule, (int)k);
        }
    }
}

static void test_malformed_rules(void **state)
{
    static const char *const rows[] = {
        "",          "rsa",       "rsa:",          "rsa:1024",
        "rsa:2048-", "rsa:-4096", "rsa:4096-2048", "rsa:2048-16384",
        "rsa:2048x", "rsa: 2048", "rsa:+2048",     "rsa:2048-+4096",
        "ec",        "ec:",       "ec:P-224",      "ec:P-256,",
        "ec:,P-256", "ec:p-256",  "ec:P-256 ",     "ec:P-2567",
        "ed25519:",  "ED25519",   "dsa:2048",      "rsa:99999999999999999999",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_key_rule_t rule;
        ASSERT_ROW(pki_key_rule_parse(&rule, rows[i], pool), EST_E_config, "ed25519, ed448", rows[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_keys_that_are_accepted),
        EST_TEST(test_the_same_key_as_openssl_verifies_its_signature),
        EST_TEST(test_malformed_structures),
        EST_TEST(test_other_algorithms),
        EST_TEST(test_points_that_are_refused),
        EST_TEST(test_curves_that_are_refused),
        EST_TEST(test_edwards_keys_of_small_order),
        EST_TEST(test_forged_signature_under_a_small_key_does_verify_in_openssl),
        EST_TEST(test_edwards_keys_of_wrong_shape),
        EST_TEST(test_what_keys_are_for),
        EST_TEST(test_rules_of_profiles),
        EST_TEST(test_malformed_rules),
    };
    return EST_TEST_RUN(tests);
}
