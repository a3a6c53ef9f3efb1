/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DER_MUTATOR_H
#define DER_MUTATOR_H

/*
 * A mutator that knows DER, and a little of certificate requests. libFuzzer's own, which changes octets, almost never
 * gets beyond the lengths of what it changes. This one changes values: their types, contents and places, adds what the
 * decoders look for, and writes the lengths of everything around them anew. Lengths are broken too, but on purpose and
 * one at a time. The same arguments give the same result, but for signatures of ECDSA.
 */

#include <stddef.h>
#include <stdint.h>

/* What may be done about the signature of a certificate request */
typedef enum { DER_MUTATOR_PLAIN, DER_MUTATOR_SIGN, DER_MUTATOR_SIGN_ED25519 } der_mutator_sign_t;

/* In place; data has room for max octets. The first prefix octets are options of the target, not DER. */
size_t der_mutator_mutate(uint8_t *data, size_t size, size_t max, unsigned seed, size_t prefix,
                          der_mutator_sign_t sign);

/* A value of b in the place of one of a */
size_t der_mutator_cross(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out, size_t max,
                         unsigned seed, size_t prefix);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,
                                 size_t max, unsigned int seed);

/* In a target: libFuzzer is to use it */
#define DER_MUTATOR(prefix, sign)                                                                                      \
    size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)                          \
    {                                                                                                                  \
        return der_mutator_mutate(data, size, max, seed, prefix, sign);                                                \
    }                                                                                                                  \
    size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,   \
                                     size_t max, unsigned int seed)                                                    \
    {                                                                                                                  \
        return der_mutator_cross(a, a_size, b, b_size, out, max, seed, prefix);                                        \
    }

#endif
