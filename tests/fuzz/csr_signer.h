/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CSR_SIGNER_H
#define CSR_SIGNER_H

/* Makes a request that was mutated one that its key has signed: else the fuzzer never gets past proof of possession. */

#include "der_tree.h"

typedef enum { CSR_SIGNER_P256, CSR_SIGNER_ED25519 } csr_signer_key_t;

/* Puts the key's public half, algorithm and signature into the CertificationRequest at the top of tree; the signature
 * of P-256 is another one each time. 0 when there is none there. What was put in is good until the next call. */
int csr_signer_sign(der_tree_t *tree, csr_signer_key_t key);

#endif
