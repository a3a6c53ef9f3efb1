/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_KEY_H
#define PKI_KEY_H

/* Public keys: decoding a SubjectPublicKeyInfo without OpenSSL's generic decoder (which takes longer than the
 * signature check), and the ceiling of docs/architecture.md, decision 8. */

#include "base/est_bytes.h"

#include <openssl/evp.h>

typedef enum { PKI_KEY_RSA, PKI_KEY_EC, PKI_KEY_ED25519, PKI_KEY_ED448 } pki_key_type_t;
typedef enum { PKI_CURVE_NONE, PKI_CURVE_P256, PKI_CURVE_P384, PKI_CURVE_P521 } pki_curve_t;

typedef struct {
    pki_key_type_t type;
    pki_curve_t curve; /* EC only */
    int bits;          /* RSA: of the modulus; EC: 256, 384, 521; Ed25519 256, Ed448 456 */
    est_slice_t spki; /* canonical DER SubjectPublicKeyInfo (RSA parameters NULL; point uncompressed), as it goes into a
                         certificate */
    EVP_PKEY *pkey;   /* freed with the pool */
    const char *label; /* for people: "RSA 2048", "EC P-256", "Ed25519" */
} pki_key_t;

/* Decodes and checks against the ceiling: RSA 2048..8192 bits with odd modulus and odd exponent, 65537 <= e < 2^256;
 * named curves P-256/384/521 with an uncompressed point on the curve; Ed25519/Ed448 not of small order and canonically
 * encoded; RSA moduli of known weakness are refused (pki_rsa.h). key->spki borrows from spki unless it had to be
 * encoded anew. Fails with key_rejected and a detail. Cheap checks come before any arithmetic (EN-12). Thread-safe. */
est_err_t *pki_key_decode(pki_key_t **out, est_slice_t spki, apr_pool_t *pool);

/* A profile's key rule: "rsa:2048-8192", "rsa:3072", "ec:P-256,P-384", "ed25519", "ed448" */
typedef struct {
    pki_key_type_t type;
    int min_bits, max_bits; /* RSA */
    unsigned curves;        /* EC: bit 1 << pki_curve_t */
} pki_key_rule_t;

/* One rule from text; fails with config and says what is allowed */
est_err_t *pki_key_rule_parse(pki_key_rule_t *out, const char *text, apr_pool_t *pool);
int pki_key_rule_allows(const pki_key_rule_t *rule, const pki_key_t *key);

#endif
