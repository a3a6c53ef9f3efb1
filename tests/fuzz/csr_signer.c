/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "csr_signer.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define INFO_MAX 65536
#define SIGNATURE_MAX 128

/* Private keys that protect nothing, made for this: ECPrivateKey and PrivateKeyInfo */
static const uint8_t p256[] = {
    0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20, 0x12, 0x47, 0x3c, 0x35, 0x99, 0x5b, 0x8b, 0xe7, 0x00, 0x31, 0x76,
    0x55, 0x49, 0x34, 0xbe, 0xc1, 0x25, 0x5e, 0x2c, 0x0d, 0xd9, 0x9a, 0xb0, 0x31, 0x3a, 0xdf, 0xb5, 0xcf, 0x2a,
    0x91, 0x89, 0xdf, 0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0xa1, 0x44, 0x03,
    0x42, 0x00, 0x04, 0x20, 0x2f, 0x30, 0x78, 0x5a, 0x58, 0x79, 0x83, 0x1c, 0x4c, 0x1f, 0x75, 0xaa, 0x28, 0xef,
    0x18, 0x5c, 0xaf, 0xa1, 0xf5, 0x23, 0x5f, 0x3d, 0x17, 0x1c, 0x99, 0xd9, 0xcf, 0xac, 0x5d, 0xb9, 0x12, 0x11,
    0xcc, 0x45, 0xff, 0xe2, 0x22, 0x4f, 0xbe, 0xfe, 0xd9, 0xcd, 0x65, 0xe6, 0x35, 0x7c, 0xfa, 0xcb, 0xb5, 0x04,
    0x5c, 0x27, 0xfd, 0xd4, 0x3d, 0x6f, 0x22, 0x27, 0x68, 0x3e, 0xf7, 0xb8, 0xe1};
static const uint8_t ed25519[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70,
                                  0x04, 0x22, 0x04, 0x20, 0x14, 0x46, 0xb4, 0x66, 0x0f, 0xdb, 0x2a, 0x81,
                                  0xe1, 0x41, 0x7c, 0x81, 0x35, 0x78, 0x07, 0xba, 0x02, 0xf7, 0x1d, 0x5a,
                                  0x6d, 0x26, 0xc3, 0xdc, 0x7e, 0x86, 0x88, 0xd8, 0xe6, 0x10, 0x3e, 0x9a};

static const uint8_t ecdsa_sha256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
static const uint8_t edwards[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70};

typedef struct {
    const uint8_t *der, *algorithm;
    size_t n_der, n_algorithm;
    EVP_PKEY *key;
    uint8_t *spki;
    int n_spki;
} signer_t;

static signer_t signers[] = {
    [CSR_SIGNER_P256] = {p256, ecdsa_sha256, sizeof(p256), sizeof(ecdsa_sha256), NULL, NULL, 0},
    [CSR_SIGNER_ED25519] = {ed25519, edwards, sizeof(ed25519), sizeof(edwards), NULL, NULL, 0},
};

static void load(signer_t *signer)
{
    const uint8_t *p = signer->der;

    signer->key = d2i_AutoPrivateKey(NULL, &p, (long)signer->n_der);
    signer->n_spki = signer->key ? i2d_PUBKEY(signer->key, &signer->spki) : 0;
    if (signer->n_spki <= 0)
        abort();
}

/* A whole value instead of what node is; its place among its siblings stays */
static void replace(der_node_t *node, const uint8_t *octets, size_t n)
{
    der_node_t *next = node->next;

    memset(node, 0, sizeof(*node));
    node->leaf = octets;
    node->n_leaf = n;
    node->next = next;
}

/* The contents of a BIT STRING in out */
static size_t sign(uint8_t *out, size_t max, signer_t *signer, der_node_t *info)
{
    static uint8_t octets[INFO_MAX];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = der_tree_write(octets, sizeof(octets), info), length = max - 1;
    const EVP_MD *md = signer == &signers[CSR_SIGNER_ED25519] ? NULL : EVP_sha256();
    int ok = ctx && n && EVP_DigestSignInit(ctx, NULL, md, NULL, signer->key) == 1 &&
             EVP_DigestSign(ctx, out + 1, &length, octets, n) == 1;

    EVP_MD_CTX_free(ctx);
    out[0] = 0;
    return ok ? length + 1 : 0;
}

int csr_signer_sign(der_tree_t *tree, csr_signer_key_t key)
{
    static uint8_t bits[SIGNATURE_MAX];
    signer_t *signer = &signers[key];
    der_node_t *request = tree->top.first, *info = request ? request->first : NULL;
    der_node_t *algorithm = info ? info->next : NULL, *signature = algorithm ? algorithm->next : NULL;
    der_node_t *subject = info && info->first ? info->first->next : NULL, *spki = subject ? subject->next : NULL;
    size_t n;

    if (!signature || !spki)
        return 0;
    if (!signer->key)
        load(signer);
    replace(spki, signer->spki, (size_t)signer->n_spki);
    replace(algorithm, signer->algorithm, signer->n_algorithm);
    n = sign(bits, sizeof(bits), signer, info);
    if (!n)
        return 0;
    replace(signature, bits, n);
    signature->tag[0] = 0x03;
    signature->n_tag = 1;
    return 1;
}
