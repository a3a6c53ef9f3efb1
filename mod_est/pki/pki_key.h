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
    est_slice_t modulus; /* RSA only: magnitude, big-endian, without leading zero octet; borrows from spki */
    EVP_PKEY *pkey;      /* freed with the pool */
    const char *label;   /* for people: "RSA 2048", "EC P-256", "Ed25519" */
} pki_key_t;

/* Decodes and checks against the ceiling: RSA 2048..8192 bits with odd modulus and odd exponent, 65537 <= e < 2^256;
 * named curves P-256/384/521 with an uncompressed point on the curve; Ed25519/Ed448 not of small order and canonically
 * encoded. key->spki borrows from spki unless it had to be encoded anew. Fails with key_rejected and a detail. Nothing
 * here takes a millisecond (EN-12): what does is pki_key_check_quality(). Thread-safe. */
est_err_t *pki_key_decode(pki_key_t **out, est_slice_t spki, apr_pool_t *pool);

/* Refuses RSA moduli of known weakness (pki_rsa.h): key_rejected and a detail. Up to 90 ms for 8192 bits, so it is for
 * keys that everything else allows, whose holder is known and has signed; nothing may be issued without it. */
est_err_t *pki_key_check_quality(const pki_key_t *key, apr_pool_t *pool);

/* The fingerprint by which published lists of weak keys name an RSA modulus (openssl-vulnkey(1)): the last 80 bits of
 * the SHA-1 of what `openssl rsa -noout -modulus` prints. 0 when the key is not RSA. */
#define PKI_KEY_MODULUS_HASH_SIZE 10
int pki_key_modulus_hash(unsigned char out[PKI_KEY_MODULUS_HASH_SIZE], const pki_key_t *key, apr_pool_t *pool);

/* Bits of keyUsage: bit i of RFC 5280 4.2.1.3 is 1 << i */
enum {
    PKI_USAGE_DIGITAL_SIGNATURE = 1 << 0,
    PKI_USAGE_NON_REPUDIATION = 1 << 1,
    PKI_USAGE_KEY_ENCIPHERMENT = 1 << 2,
    PKI_USAGE_DATA_ENCIPHERMENT = 1 << 3,
    PKI_USAGE_KEY_AGREEMENT = 1 << 4,
    PKI_USAGE_KEY_CERT_SIGN = 1 << 5,
    PKI_USAGE_CRL_SIGN = 1 << 6,
    PKI_USAGE_ENCIPHER_ONLY = 1 << 7,
    PKI_USAGE_DECIPHER_ONLY = 1 << 8
};

/* Those that an end entity's key of this type may have: RFC 3279 2.3.1, RFC 5480 3 with RFC 8813 3, RFC 8410 5 */
unsigned pki_key_usages(pki_key_type_t type);

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
