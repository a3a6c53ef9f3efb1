/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_digest.h"

#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

void pki_sha256(unsigned char out[PKI_SHA256_SIZE], est_slice_t in)
{
    pki_sha256_parts(out, &in, 1);
}

void pki_sha256_parts(unsigned char out[PKI_SHA256_SIZE], const est_slice_t *parts, int n)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);

    for (int i = 0; ok && i < n; i++)
        ok = EVP_DigestUpdate(ctx, parts[i].p, parts[i].n);
    if (!ok || !EVP_DigestFinal_ex(ctx, out, NULL))
        abort();
    EVP_MD_CTX_free(ctx);
}

int pki_hmac_sha256(unsigned char out[PKI_SHA256_SIZE], est_slice_t key, est_slice_t data)
{
    unsigned n = 0;

    return HMAC(EVP_sha256(), key.p, (int)key.n, data.p, data.n, out, &n) && n == PKI_SHA256_SIZE;
}
