/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_sigalg.h"

#include "pki_der.h"

#define RSA_WITH(n) PKI_DER_LITERAL("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01" n "\x05\x00")
#define ECDSA_WITH(n) PKI_DER_LITERAL("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03" n)

/* Parameters: NULL for RSA (RFC 4055 5), absent for ECDSA (RFC 5758 3.2) and Edwards curves (RFC 8410 3) */
static const pki_sigalg_t rows[] = {
    {ECDSA_WITH("\x02"), PKI_KEY_EC, PKI_DIGEST_SHA256, EVP_sha256},
    {ECDSA_WITH("\x03"), PKI_KEY_EC, PKI_DIGEST_SHA384, EVP_sha384},
    {ECDSA_WITH("\x04"), PKI_KEY_EC, PKI_DIGEST_SHA512, EVP_sha512},
    {RSA_WITH("\x0b"), PKI_KEY_RSA, PKI_DIGEST_SHA256, EVP_sha256},
    {RSA_WITH("\x0c"), PKI_KEY_RSA, PKI_DIGEST_SHA384, EVP_sha384},
    {RSA_WITH("\x0d"), PKI_KEY_RSA, PKI_DIGEST_SHA512, EVP_sha512},
    {PKI_DER_LITERAL("\x30\x05\x06\x03\x2b\x65\x70"), PKI_KEY_ED25519, PKI_DIGEST_DEFAULT, NULL},
    {PKI_DER_LITERAL("\x30\x05\x06\x03\x2b\x65\x71"), PKI_KEY_ED448, PKI_DIGEST_DEFAULT, NULL},
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

const pki_sigalg_t *pki_sigalg_from_der(est_slice_t der)
{
    for (apr_size_t i = 0; i < N_ROWS; i++) {
        if (est_slice_equal(rows[i].der, der))
            return &rows[i];
    }
    return NULL;
}

const pki_sigalg_t *pki_sigalg_get(pki_key_type_t type, pki_digest_t digest)
{
    for (apr_size_t i = 0; i < N_ROWS; i++) {
        if (rows[i].type == type && rows[i].digest == digest)
            return &rows[i];
    }
    return NULL;
}
