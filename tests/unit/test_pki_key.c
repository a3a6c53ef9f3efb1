/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "pki/pki_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <time.h>

#define RSA_ALGORITHM "300d06092a864886f70d0101010500"
#define P256_ALGORITHM "301306072a8648ce3d020106082a8648ce3d030107"
#define ED25519_ALGORITHM "300506032b6570"
#define ED448_ALGORITHM "300506032b6571"

static est_slice_t generated(EVP_PKEY *key)
{
    assert_non_null(key);
    est_slice_t spki = spki_of(key);
    EVP_PKEY_free(key);
    return spki;
}

static est_slice_t make_spki(est_slice_t algorithm, est_slice_t bits)
{
    return tlv(0x30, join(2, algorithm, tlv(0x03, join(2, hex("00"), bits))));
}

static est_err_t *decode(est_slice_t spki)
{
    pki_key_t *key;
    est_err_t *err = pki_key_decode(&key, spki, pool);
    assert_int_equal(ERR_peek_error(), 0); /* nothing is left for mod_ssl's log */
    return err;
}

/* What happens to a key before anything is issued for it */
static est_err_t *decode_and_check(est_slice_t spki)
{
    pki_key_t *key;
    EST_TRY(pki_key_decode(&key, spki, pool));
    est_err_t *err = pki_key_check_quality(key, pool);
    assert_int_equal(ERR_peek_error(), 0);
    return err;
}

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

/* ---- RSA ---- */

static est_slice_t integer(const BIGNUM *n)
{
    unsigned char buf[4096];
    buf[0] = 0;
    int len = BN_bn2bin(n, buf + 1);
    int skip = len > 0 && !(buf[1] & 0x80);
    return tlv(0x02, est_slice_dup(est_slice(buf + skip, (apr_size_t)(len + 1 - skip)), pool));
}

static est_slice_t rsa_spki(const BIGNUM *n, const BIGNUM *e)
{
    return make_spki(hex(RSA_ALGORITHM), tlv(0x30, join(2, integer(n), integer(e))));
}

/* Of a real key pair */
static BIGNUM *real_modulus(unsigned bits)
{
    EVP_PKEY *key = EVP_RSA_gen(bits);
    BIGNUM *n = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
    EVP_PKEY_free(key);
    return n;
}

/* 2^bits + add */
static BIGNUM *power(int bits, unsigned add)
{
    BIGNUM *n = BN_new();
    BN_set_bit(n, bits);
    BN_add_word(n, add);
    return n;
}

/* K-01, K-02, K-03 */
static void test_rsa_exponents(void **state)
{
    (void)state;
    BIGNUM *n = real_modulus(2048), *e = NULL;
    const struct {
        int bit;
        unsigned add;
        int accepted;
    } rows[] = {
        {0, 0, 0},      /* 1 */
        {1, 0, 0},      /* 2 */
        {1, 1, 0},      /* 3 */
        {4, 1, 0},      /* 17 */
        {15, 32767, 0}, /* 65535 */
        {16, 0, 0},     /* 65536 */
        {16, 1, 1},     /* 65537 */
        {16, 3, 1},     {32, 1, 1}, {255, 1, 1}, {255, 0, 0}, {256, 1, 0}, {2047, 1, 0}, {2100, 1, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        e = power(rows[i].bit, rows[i].add);
        est_err_t *err = decode(rsa_spki(n, e));
        if (rows[i].accepted)
            ASSERT_OK(err);
        else
            ASSERT_ROW(err, EST_E_key_rejected, "exponent",
                       apr_psprintf(pool, "2^%d+%d", rows[i].bit, (int)rows[i].add));
        BN_free(e);
    }
    e = BN_new(); /* 0: an INTEGER 00 is not positive */
    est_slice_t zero = make_spki(hex(RSA_ALGORITHM), tlv(0x30, join(2, integer(n), hex("020100"))));
    ASSERT_FAILS(decode(zero), key_rejected, "two positive INTEGERs");
    BN_free(e);
    BN_free(n);
}

/* K-04, K-05, K-10 and the even modulus of K-02 */
static void test_rsa_moduli_that_are_worthless(void **state)
{
    (void)state;
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *e = power(16, 1), *n = BN_new(), *m = BN_new();
    BIGNUM *p1024 = BN_get_rfc2409_prime_1024(NULL), *p768 = BN_get_rfc2409_prime_768(NULL);
    BIGNUM *p2048 = BN_get_rfc3526_prime_2048(NULL);

    ASSERT_FAILS(decode_and_check(rsa_spki(p2048, e)), key_rejected, "modulus is prime");

    BN_sqr(n, p1024, ctx);
    ASSERT_FAILS(decode_and_check(rsa_spki(n, e)), key_rejected, "too close");

    BN_sqr(n, p768, ctx);
    BN_mul(n, n, p768, ctx);
    ASSERT_FAILS(decode_and_check(rsa_spki(n, e)), key_rejected, "power of a prime");

    for (BN_copy(m, p1024);;) { /* the next prime but 50 thousand or so: far inside 100 rounds */
        BN_add_word(m, 2);
        if (BN_check_prime(m, ctx, NULL) == 1)
            break;
    }
    BN_mul(n, p1024, m, ctx);
    ASSERT_FAILS(decode_and_check(rsa_spki(n, e)), key_rejected, "too close");

    BN_copy(n, p2048);
    BN_mul_word(n, 167);
    ASSERT_FAILS(decode_and_check(rsa_spki(n, e)), key_rejected, "small factor");
    BN_copy(n, p2048);
    BN_mul_word(n, 3);
    ASSERT_FAILS(decode_and_check(rsa_spki(n, e)), key_rejected, "small factor");
    BN_copy(n, p2048);
    BN_sub_word(n, 1);
    ASSERT_FAILS(decode_and_check(rsa_spki(n, e)), key_rejected, "even");

    BN_free(e);
    BN_free(n);
    BN_free(m);
    BN_free(p768);
    BN_free(p1024);
    BN_free(p2048);
    BN_CTX_free(ctx);
}

/* K-10: a modulus that is a power of 65537 modulo every prime up to 167, as CVE-2017-15361 makes them */
static void test_roca_fingerprint(void **state)
{
    (void)state;
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *e = power(16, 1), *product = power(0, 0), *n = BN_new(), *k = BN_new(), *exponent = BN_new();
    for (unsigned p = 2; p <= 167; p++) {
        int prime = 1;
        for (unsigned d = 2; d * d <= p; d++)
            prime = prime && p % d;
        if (prime)
            BN_mul_word(product, p);
    }
    BN_set_word(exponent, 1234567);
    BN_mod_exp(n, e, exponent, product, ctx);
    BN_rand(k, 2050 - BN_num_bits(product), BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ANY);
    BN_mul(k, k, product, ctx);
    BN_add(n, n, k);
    assert_in_range(BN_num_bits(n), 2049, 2050);
    ASSERT_FAILS(decode_and_check(rsa_spki(n, e)), key_rejected, "ROCA");
    BN_free(e);
    BN_free(product);
    BN_free(n);
    BN_free(k);
    BN_free(exponent);
    BN_CTX_free(ctx);
}

/* EN-12: what is dear about a key is not asked when it is decoded */
static void test_decoding_does_no_arithmetic_with_the_modulus(void **state)
{
    (void)state;
    BIGNUM *e = power(16, 1), *n = BN_get_rfc3526_prime_8192(NULL);
    est_slice_t spki = rsa_spki(n, e);
    clock_t start = clock();
    for (int i = 0; i < 20; i++)
        ASSERT_OK(decode(spki));
    assert_true(clock() - start < CLOCKS_PER_SEC / 20);
    ASSERT_FAILS(decode_and_check(spki), key_rejected, "RSA 8192 modulus is prime");
    BN_free(n);
    BN_free(e);
}

/* K-11: a key of Debian's list, with the fingerprint that it has there */
static void test_the_fingerprint_of_a_modulus_is_that_of_the_lists(void **state)
{
    static const char debian[] = "d673252af6723c3f72529403eab7c30def3c52f97e799825f4a70191c616adcf1ece1113f1625971074c4"
                                 "92c592025fdeadbdb146a081826"
                                 "bdf0d77c3c913dcf1b6f0b3b78f5108d2e493ad0eee8ca5c021711adc13d358e61133870fcd19c8e5c224"
                                 "03959782aa82e72aee53a3d491e"
                                 "3912ce27b27e1a85ea69c19a527d28f7934c9823b7e56fdd657dac83fdc65bb22a98d843df73238919781"
                                 "b714c81a5e2afec71f5c54aa2a2"
                                 "7c590ad94c03c1062d50efcffac743e3c8a3ae056846a1d756eb862bf4224169d467c35215ade0afcc11e"
                                 "85fe629afb802c4786ff2e9c929"
                                 "bccf502b3d3b8876c6a11785cc398b389f1d86bdd9cb0bd4ec13956ec3fa270d";
    unsigned char hash[PKI_KEY_MODULUS_HASH_SIZE];
    pki_key_t *key;
    BIGNUM *n = NULL, *e = power(16, 1);
    (void)state;
    assert_int_equal(BN_hex2bn(&n, debian), 512);
    ASSERT_OK(pki_key_decode(&key, rsa_spki(n, e), pool));
    ASSERT_OK(pki_key_check_quality(key, pool)); /* nothing but the list tells */
    assert_int_equal(pki_key_modulus_hash(hash, key, pool), 1);
    ASSERT_SLICE(est_slice(hash, sizeof(hash)), hex("8df20e6961a16398b85a"));
    BN_free(n);

    n = power(2048, 3); /* 2049 bits: openssl prints no leading zero */
    ASSERT_OK(pki_key_decode(&key, rsa_spki(n, e), pool));
    assert_int_equal(pki_key_modulus_hash(hash, key, pool), 1);
    char *line = apr_psprintf(pool, "Modulus=1%0511d3\n", 0);
    unsigned char sha1[20];
    SHA1((unsigned char *)line, strlen(line), sha1);
    ASSERT_SLICE(est_slice(hash, sizeof(hash)), est_slice(sha1 + 10, 10));
    BN_free(n);
    BN_free(e);

    ASSERT_OK(pki_key_decode(&key, generated(EVP_EC_gen("P-256")), pool));
    assert_int_equal(pki_key_modulus_hash(hash, key, pool), 0);
}

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

/* K-06, K-08, EN-12 */
static void test_rsa_sizes_are_looked_at_first(void **state)
{
    static const int bits[] = {512, 1024, 2047, 8193, 16384, 16400};
    (void)state;
    BIGNUM *e = power(16, 1);
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        BIGNUM *n = power(bits[i] - 1, 1);
        clock_t start = clock();
        ASSERT_FAILS(decode(rsa_spki(n, e)), key_rejected, "allowed are 2048 to 8192 bits");
        assert_true(clock() - start < CLOCKS_PER_SEC / 20);
        BN_free(n);
    }
    BN_free(e);
}

/* K-09 and other shapes of the two INTEGERs */
static void test_rsa_integers_are_positive_and_minimal(void **state)
{
    (void)state;
    BIGNUM *bn = real_modulus(2048);
    est_slice_t n = integer(bn), e = hex("0203010001"), magnitude = est_slice(n.p + n.n - 256, 256);
    const est_slice_t bits[] = {
        tlv(0x30, join(2, tlv(2, magnitude), e)), /* no sign octet: negative */
        tlv(0x30, join(2, tlv(2, join(2, hex("0000"), magnitude)), e)),
        tlv(0x30, join(2, hex("0200"), e)),
        tlv(0x30, n),
        tlv(0x30, join(3, n, e, e)),
        join(2, tlv(0x30, join(2, n, e)), hex("00")),
        tlv(0x30, join(2, n, hex("0203ff0001"))),
        tlv(0x30, join(2, n, hex("020400010001"))),
        hex(""),
    };
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
        ASSERT_ROW(decode(make_spki(hex(RSA_ALGORITHM), bits[i])), EST_E_key_rejected, "two positive INTEGERs",
                   apr_psprintf(pool, "row %d", (int)i));
    ASSERT_OK(decode(make_spki(hex(RSA_ALGORITHM), tlv(0x30, join(2, n, e)))));
    BN_free(bn);
    (void)state;
}

/* K-12, CP-06 */
static void test_rsa_without_parameters_gets_null(void **state)
{
    (void)state;
    BIGNUM *n = real_modulus(2048);
    est_slice_t bits = tlv(0x30, join(2, integer(n), hex("0203010001"))), with = make_spki(hex(RSA_ALGORITHM), bits);
    pki_key_t *key;
    ASSERT_OK(pki_key_decode(&key, make_spki(hex("300b06092a864886f70d010101"), bits), pool));
    ASSERT_SLICE(key->spki, with);
    ASSERT_OK(pki_key_decode(&key, with, pool));
    ASSERT_SLICE(key->spki, with);
    ASSERT_FAILS(decode(make_spki(hex("300e06092a864886f70d010101020100"), bits)), key_rejected, "other than NULL");
    ASSERT_FAILS(decode(make_spki(hex("300e06092a864886f70d010101050100"), bits)), key_rejected, "other than NULL");
    BN_free(n);
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

/* ---- Rules ---- */

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
        EST_TEST(test_rsa_exponents),
        EST_TEST(test_rsa_moduli_that_are_worthless),
        EST_TEST(test_roca_fingerprint),
        EST_TEST(test_decoding_does_no_arithmetic_with_the_modulus),
        EST_TEST(test_the_fingerprint_of_a_modulus_is_that_of_the_lists),
        EST_TEST(test_what_keys_are_for),
        EST_TEST(test_rsa_sizes_are_looked_at_first),
        EST_TEST(test_rsa_integers_are_positive_and_minimal),
        EST_TEST(test_rsa_without_parameters_gets_null),
        EST_TEST(test_points_that_are_refused),
        EST_TEST(test_curves_that_are_refused),
        EST_TEST(test_edwards_keys_of_small_order),
        EST_TEST(test_forged_signature_under_a_small_key_does_verify_in_openssl),
        EST_TEST(test_edwards_keys_of_wrong_shape),
        EST_TEST(test_rules_of_profiles),
        EST_TEST(test_malformed_rules),
    };
    return EST_TEST_RUN(tests);
}
