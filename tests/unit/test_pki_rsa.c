/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "pki/pki_rsa.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

static void expect(const BIGNUM *n, const char *part, const char *label)
{
    const char *flaw = pki_rsa_flaw(n);
    if (part ? !flaw || !strstr(flaw, part) : flaw != NULL)
        fail_msg("%s: wanted \"%s\", got \"%s\"", label, part ? part : "none", flaw ? flaw : "none");
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_real_moduli_have_no_flaw(void **state)
{
    static const unsigned bits[] = {2048, 2048, 2050, 3072};
    (void)state;
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        EVP_PKEY *key = EVP_RSA_gen(bits[i]);
        BIGNUM *n = NULL;
        assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
        expect(n, NULL, "real modulus");
        BN_free(n);
        EVP_PKEY_free(key);
    }
}

/* The next prime after p + 2^bit */
static void prime_after(BIGNUM *out, const BIGNUM *p, int bit, BN_CTX *ctx)
{
    BIGNUM *distance = BN_new();
    BN_set_bit(distance, bit);
    BN_add(out, p, distance);
    BN_set_bit(out, 0);
    while (BN_check_prime(out, ctx, NULL) != 1)
        BN_add_word(out, 2);
    BN_free(distance);
}

/* K-05: 100 rounds find |p - q| up to some 2^(bits/4 + 4); what is farther apart is what FIPS 186-4 allows */
static void test_how_close_is_too_close(void **state)
{
    static const struct {
        int bit;
        const char *flaw;
    } rows[] = {{1, "too close"}, {256, "too close"}, {514, "too close"}, {600, NULL}, {920, NULL}};
    (void)state;
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *p = BN_get_rfc2409_prime_1024(NULL), *q = BN_new(), *n = BN_new();
    BN_clear_bit(p, 1020); /* away from 2^1024 */
    while (BN_check_prime(p, ctx, NULL) != 1)
        BN_sub_word(p, 2);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        prime_after(q, p, rows[i].bit, ctx);
        BN_mul(n, p, q, ctx);
        expect(n, rows[i].flaw, apr_psprintf(pool, "2^%d apart", rows[i].bit));
    }
    BN_free(p);
    BN_free(q);
    BN_free(n);
    BN_CTX_free(ctx);
}

/* K-04 */
static void test_primes_and_their_powers(void **state)
{
    (void)state;
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *n = BN_get_rfc3526_prime_2048(NULL), *p = BN_get_rfc2409_prime_768(NULL), *power = BN_dup(p);
    expect(n, "is prime", "p");
    BN_sqr(power, p, ctx);
    expect(power, "too close", "p^2");
    BN_mul(power, power, p, ctx);
    expect(power, "power of a prime", "p^3");
    BN_mul(power, power, p, ctx);
    expect(power, "too close", "p^4");
    BN_mul(power, power, p, ctx);
    expect(power, "power of a prime", "p^5");
    BN_free(n);
    BN_free(p);
    BN_free(power);
    BN_CTX_free(ctx);
}

static void test_small_factors(void **state)
{
    static const unsigned factors[] = {3, 5, 7, 11, 101, 163, 167};
    (void)state;
    for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
        BIGNUM *n = BN_get_rfc3526_prime_2048(NULL);
        BN_mul_word(n, factors[i]);
        expect(n, "small factor", apr_psprintf(pool, "%u", factors[i]));
        BN_free(n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_real_moduli_have_no_flaw),
        EST_TEST(test_how_close_is_too_close),
        EST_TEST(test_primes_and_their_powers),
        EST_TEST(test_small_factors),
    };
    return EST_TEST_RUN(tests);
}
