/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_mac.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

int pki_mac_sha256(unsigned char out[32], est_slice_t key, est_slice_t data)
{
    unsigned n = 0;

    return HMAC(EVP_sha256(), key.p, (int)key.n, data.p, data.n, out, &n) && n == 32;
}

void pki_mac_cleanse(void *p, apr_size_t n)
{
    OPENSSL_cleanse(p, n);
}
