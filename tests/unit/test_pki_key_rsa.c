/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* RSA keys in pki_key.c: their numbers, and how dear it is to look at them. */

#include "key_test.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <time.h>

/* What happens to a key before anything is issued for it */
static est_err_t *decode_and_check(est_slice_t spki)
{
    pki_key_t *key;
    EST_TRY(pki_key_decode(&key, spki, pool));
    est_err_t *err = pki_key_check_quality(key, pool);
    assert_int_equal(ERR_peek_error(), 0);
    return err;
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_rsa_exponents),
        EST_TEST(test_rsa_moduli_that_are_worthless),
        EST_TEST(test_roca_fingerprint),
        EST_TEST(test_decoding_does_no_arithmetic_with_the_modulus),
        EST_TEST(test_the_fingerprint_of_a_modulus_is_that_of_the_lists),
        EST_TEST(test_rsa_sizes_are_looked_at_first),
        EST_TEST(test_rsa_integers_are_positive_and_minimal),
        EST_TEST(test_rsa_without_parameters_gets_null),
    };
    return EST_TEST_RUN(tests);
}
