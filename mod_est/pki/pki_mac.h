/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_MAC_H
#define PKI_MAC_H

/* Keyed digests of secrets, so that a table can know them without holding them. */

#include "base/est_bytes.h"

/* HMAC-SHA-256; 0 when OpenSSL fails */
int pki_mac_sha256(unsigned char out[32], est_slice_t key, est_slice_t data);
/* Overwrites in a way that the compiler keeps */
void pki_mac_cleanse(void *p, apr_size_t n);

#endif
