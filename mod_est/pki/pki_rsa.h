/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_RSA_H
#define PKI_RSA_H

/* Quality of RSA moduli: what OpenSSL's public check does not see, or sees at ten times the price. Private to pki/. */

#include <openssl/bn.h>

/*
 * What makes the odd modulus n worthless, as a static text, or NULL: a small factor (K-04), the fingerprint of
 * CVE-2017-15361 "ROCA" (K-10), factors so close that 100 rounds of Fermat's method find them (K-05, squares included),
 * n prime or a power of a prime (K-04). The last costs a modular exponentiation (1.5 ms for 2048 bits, 90 ms for 8192)
 * and comes last. "out of memory" when that is so.
 */
const char *pki_rsa_flaw(const BIGNUM *n);

#endif
