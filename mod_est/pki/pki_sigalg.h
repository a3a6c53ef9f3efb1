/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_SIGALG_H
#define PKI_SIGALG_H

/* Signature algorithms: what a request may be signed with, and what a CA signs with. */

#include "pki_key.h"

/* DEFAULT: what fits the key; Ed25519 and Ed448 know nothing else */
typedef enum { PKI_DIGEST_DEFAULT, PKI_DIGEST_SHA256, PKI_DIGEST_SHA384, PKI_DIGEST_SHA512 } pki_digest_t;

typedef struct {
    est_slice_t der; /* whole AlgorithmIdentifier */
    pki_key_type_t type;
    pki_digest_t digest;
    const EVP_MD *(*md)(void); /* NULL where the algorithm leaves no choice of a digest */
} pki_sigalg_t;

/* Both return a row of a constant table, or NULL when there is none */
const pki_sigalg_t *pki_sigalg_from_der(est_slice_t der);
const pki_sigalg_t *pki_sigalg_get(pki_key_type_t type, pki_digest_t digest);

#endif
