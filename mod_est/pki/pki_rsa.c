/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_rsa.h"

#include <openssl/err.h>

static const char no_memory[] = "out of memory";

/* Odd primes whose product has the bits of what ROCA's test looks at, and a good part of what trial division is for */
static const unsigned char primes[] = {3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,
                                       47,  53,  59,  61,  67,  71,  73,  79,  83,  89,  97,  101, 103,
                                       107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167};
#define N_PRIMES (sizeof(primes) / sizeof(primes[0]))

/* Is r a power of 65537 modulo p? */
static int is_power_of_f4(unsigned r, unsigned p)
{
    unsigned g = 65537 % p, power = 1;

    do {
        if (power == r)
            return 1;
        power = power * g % p;
    } while (power != 1);
    return 0;
}

/* Keys of CVE-2017-15361 have primes k * M + (65537^a mod M), M a product of small primes: their modulus is a power of
 * 65537 modulo every one of these. By chance that happens with probability 2^-28. */
static const char *small_prime_flaw(const BIGNUM *n)
{
    int roca = 1;

    for (unsigned i = 0; i < N_PRIMES; i++) {
        unsigned p = primes[i];
        unsigned r = (unsigned)BN_mod_word(n, p);

        if (r == 0)
            return "modulus has a small factor";
        roca = roca && is_power_of_f4(r, p);
    }
    return roca ? "modulus has the ROCA fingerprint (CVE-2017-15361)" : NULL;
}

/* root = floor(sqrt(n)) for n > 0, by Newton's method from above */
static int integer_root(BIGNUM *root, const BIGNUM *n, BN_CTX *ctx)
{
    BN_CTX_start(ctx);
    BIGNUM *next = BN_CTX_get(ctx);
    int ok = next && BN_set_word(root, 1) && BN_lshift(root, root, (BN_num_bits(n) + 1) / 2);
    while (ok) {
        ok = BN_div(next, NULL, n, root, ctx) && BN_add(next, next, root) && BN_rshift1(next, next);
        if (ok && BN_cmp(next, root) >= 0)
            break;
        ok = ok && BN_copy(root, next);
    }
    BN_CTX_end(ctx);
    return ok;
}

static int is_square_modulo(unsigned r, unsigned m)
{
    for (unsigned i = 0; i <= m / 2; i++) {
        if (i * i % m == r)
            return 1;
    }
    return 0;
}

/* 1, 0, or -1 when memory is out. One number in about 120 that is no square gets as far as the root. */
static int is_square(const BIGNUM *n, BN_CTX *ctx)
{
    unsigned r = (unsigned)BN_mod_word(n, 63 * 65 * 11);

    if (BN_is_zero(n))
        return 1;
    if (!is_square_modulo((unsigned)BN_mod_word(n, 64), 64) || !is_square_modulo(r % 63, 63) ||
        !is_square_modulo(r % 65, 65) || !is_square_modulo(r % 11, 11))
        return 0;

    BN_CTX_start(ctx);
    BIGNUM *root = BN_CTX_get(ctx), *square = BN_CTX_get(ctx);
    int result = -1;
    if (square && integer_root(root, n, ctx) && BN_sqr(square, root, ctx))
        result = BN_cmp(square, n) == 0;
    BN_CTX_end(ctx);
    return result;
}

#define FERMAT_ROUNDS 100

/* Looks for n = a^2 - b^2 with a close to sqrt(n) */
static const char *close_factors_flaw(const BIGNUM *n, BN_CTX *ctx)
{
    BN_CTX_start(ctx);
    BIGNUM *a = BN_CTX_get(ctx), *b2 = BN_CTX_get(ctx);
    const char *flaw = no_memory;
    if (!b2 || !integer_root(a, n, ctx) || !BN_sqr(b2, a, ctx))
        goto end;
    if (BN_cmp(b2, n) < 0 && (!BN_add_word(a, 1) || !BN_sqr(b2, a, ctx)))
        goto end;
    if (!BN_sub(b2, b2, n))
        goto end;
    for (int i = 0; i < FERMAT_ROUNDS; i++) {
        int found = is_square(b2, ctx);

        if (found != 0) {
            flaw = found < 0 ? no_memory : "modulus has factors that are too close";
            goto end;
        }
        /* (a + 1)^2 - n = b2 + 2a + 1 */
        if (!BN_add(b2, b2, a) || !BN_add(b2, b2, a) || !BN_add_word(b2, 1) || !BN_add_word(a, 1))
            goto end;
    }
    flaw = NULL;
end:
    BN_CTX_end(ctx);
    return flaw;
}

/* 2^n = 2 modulo every prime n, and modulo p for every n = p^k. For a product of two random primes neither 2^n - 2 is
 * zero nor has it a factor with n in common. */
static const char *prime_power_flaw(const BIGNUM *n, BN_CTX *ctx)
{
    BN_CTX_start(ctx);
    BIGNUM *x = BN_CTX_get(ctx), *two = BN_CTX_get(ctx), *inverse = BN_CTX_get(ctx);
    const char *flaw = no_memory;
    if (inverse && BN_set_word(two, 2) && BN_mod_exp(x, two, n, n, ctx)) {
        if (BN_cmp(x, two) == 0)
            flaw = "modulus is prime";
        else if (BN_mod_sub(x, x, two, n, ctx))
            flaw = BN_mod_inverse(inverse, x, n, ctx) ? NULL : "modulus is a power of a prime";
        ERR_clear_error();
    }
    BN_CTX_end(ctx);
    return flaw;
}

const char *pki_rsa_flaw(const BIGNUM *n)
{
    const char *flaw = small_prime_flaw(n);

    if (flaw)
        return flaw;
    BN_CTX *ctx = BN_CTX_new();
    if (!ctx)
        return no_memory;
    flaw = close_factors_flaw(n, ctx);
    if (!flaw)
        flaw = prime_power_flaw(n, ctx);
    BN_CTX_free(ctx);
    return flaw;
}
