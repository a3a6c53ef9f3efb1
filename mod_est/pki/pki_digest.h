/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_DIGEST_H
#define PKI_DIGEST_H

/* SHA-256, plain for identifying and keyed for secrets, so that a table can know them without holding them. */

#include "base/est_bytes.h"

#define PKI_SHA256_SIZE 32

/* Ends the process when OpenSSL has no memory, as pools do: a digest of nothing would be taken for another's */
void pki_sha256(unsigned char out[PKI_SHA256_SIZE], est_slice_t in);
/* The same of n parts one after another; where one ends and the next begins is for the caller to make plain */
void pki_sha256_parts(unsigned char out[PKI_SHA256_SIZE], const est_slice_t *parts, int n);

/* HMAC-SHA-256; 0 when OpenSSL fails */
int pki_hmac_sha256(unsigned char out[PKI_SHA256_SIZE], est_slice_t key, est_slice_t data);

#endif
