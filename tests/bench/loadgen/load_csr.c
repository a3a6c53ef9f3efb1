/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "load_csr.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_WIDTH 64
#define MAKERS 2
#define SERIAL_ROOM 24 /* 20 octets (RFC 5280 4.1.2.2), and their number */

static load_csr_t *csrs;

/* ---- making */

static EVP_PKEY *make_key(void)
{
    const char *type = load_options.key_type;

    if (!strcmp(type, "p256"))
        return load_need(EVP_EC_gen("P-256"));
    if (!strcmp(type, "p384"))
        return load_need(EVP_EC_gen("P-384"));
    if (!strcmp(type, "rsa2048"))
        return load_need(EVP_RSA_gen(2048));
    if (!strcmp(type, "ed25519"))
        return load_need(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    load_die("unknown key type %s", type);
}

static void common_name(char *out, size_t n, long i)
{
    snprintf(out, n, "%s-%ld", load_options.prefix, i);
}

static void encode(load_csr_t *csr, const unsigned char *der, int n)
{
    size_t n_text = (size_t)(n + 2) / 3 * 4;
    unsigned char *text = load_need(malloc(n_text + 1));

    EVP_EncodeBlock(text, der, n);
    csr->body = load_need(malloc(n_text + n_text / LINE_WIDTH + 2));
    for (size_t i = 0; i < n_text; i += LINE_WIDTH) {
        size_t take = n_text - i < LINE_WIDTH ? n_text - i : LINE_WIDTH;

        memcpy(csr->body + csr->n_body, text + i, take);
        csr->n_body += take;
        csr->body[csr->n_body++] = '\n';
    }
    free(text);
}

static void make(load_csr_t *csr, long i)
{
    const EVP_MD *digest = strcmp(load_options.key_type, "ed25519") ? EVP_sha256() : NULL;
    X509_REQ *req = load_need(X509_REQ_new());
    EVP_PKEY *key = make_key();
    unsigned char *der = NULL;
    char cn[96];
    int n;

    common_name(cn, sizeof(cn), i);
    if (!X509_REQ_set_version(req, 0) || !X509_REQ_set_pubkey(req, key) ||
        !X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", MBSTRING_UTF8, (unsigned char *)cn, -1, -1,
                                    0) ||
        !X509_REQ_sign(req, key, digest) || (n = i2d_X509_REQ(req, &der)) <= 0)
        load_die("cannot make a request");
    encode(csr, der, n);
    csr->n_spki = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(req), &csr->spki);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    X509_REQ_free(req);
}

static void *make_some(void *first)
{
    for (long i = (long)(intptr_t)first; i < load_options.requests; i += MAKERS)
        make(&csrs[i], i);
    return NULL;
}

void load_csr_prepare(void)
{
    pthread_t makers[MAKERS];

    if (!load_options.requests)
        return;
    csrs = load_need(calloc((size_t)load_options.requests, sizeof(*csrs)));
    for (intptr_t i = 0; i < MAKERS; i++)
        if (pthread_create(&makers[i], NULL, make_some, (void *)i))
            load_die("cannot start a thread");
    for (int i = 0; i < MAKERS; i++)
        pthread_join(makers[i], NULL);
}

load_csr_t *load_csr_get(long i)
{
    return i < load_options.requests ? &csrs[i] : NULL;
}

/* ---- checking */

static PKCS7 *decode_message(const char *body, size_t n)
{
    unsigned char *text = load_need(malloc(n + 4)), *der = load_need(malloc(n + 4));
    const unsigned char *p = der;
    size_t n_text = 0;
    PKCS7 *message = NULL;
    int n_der;

    for (size_t i = 0; i < n; i++)
        if (!isspace((unsigned char)body[i]))
            text[n_text++] = (unsigned char)body[i];
    if (n_text && n_text % 4 == 0 && (n_der = EVP_DecodeBlock(der, text, (int)n_text)) > 0)
        message = d2i_PKCS7(NULL, &p, n_der);
    free(text);
    free(der);
    if (message && PKCS7_type_is_signed(message))
        return message;
    PKCS7_free(message);
    return NULL;
}

static X509 *find_certificate(PKCS7 *message, const load_csr_t *csr)
{
    STACK_OF(X509) *certs = message->d.sign->cert;
    X509 *found = NULL;

    for (int i = 0; i < sk_X509_num(certs) && !found; i++) {
        unsigned char *spki = NULL;
        int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(sk_X509_value(certs, i)), &spki);

        if (n == csr->n_spki && !memcmp(spki, csr->spki, (size_t)n))
            found = sk_X509_value(certs, i);
        OPENSSL_free(spki);
    }
    return found;
}

static int has_subject(X509 *cert, long i)
{
    X509_NAME *wanted = load_need(X509_NAME_new());
    char cn[96];
    int same;

    common_name(cn, sizeof(cn), i);
    same = X509_NAME_add_entry_by_txt(wanted, "CN", MBSTRING_UTF8, (unsigned char *)cn, -1, -1, 0) &&
           !X509_NAME_cmp(X509_get_subject_name(cert), wanted);
    X509_NAME_free(wanted);
    return same;
}

static X509 *read_issuer(void)
{
    FILE *f;
    X509 *issuer;

    if (!load_options.issuer)
        return NULL;
    if (!(f = fopen(load_options.issuer, "r")) || !(issuer = PEM_read_X509(f, NULL, NULL, NULL)))
        load_die("cannot read a certificate from %s", load_options.issuer);
    fclose(f);
    return issuer;
}

static int is_signed_by(X509 *cert, X509 *issuer)
{
    return !X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(issuer)) &&
           X509_verify(cert, X509_get0_pubkey(issuer)) == 1;
}

static void check_one(load_csr_findings_t *findings, unsigned char *serial, long i, X509 *issuer)
{
    PKCS7 *message = decode_message(csrs[i].answer, csrs[i].n_answer);
    X509 *cert = message ? find_certificate(message, &csrs[i]) : NULL;

    findings->answers++;
    if (!message)
        findings->not_a_message++;
    else if (!cert)
        findings->wrong_key++;
    else if (!has_subject(cert, i))
        findings->wrong_subject++;
    else if (issuer && !is_signed_by(cert, issuer))
        findings->wrong_signature++;
    if (cert) {
        const ASN1_INTEGER *number = X509_get0_serialNumber(cert);

        serial[0] = (unsigned char)number->length;
        memcpy(serial + 1, number->data, number->length < SERIAL_ROOM ? (size_t)number->length : SERIAL_ROOM - 1);
    }
    PKCS7_free(message);
    ERR_clear_error();
}

static int compare_serials(const void *a, const void *b)
{
    return memcmp(a, b, SERIAL_ROOM);
}

long load_csr_check(load_csr_findings_t *findings)
{
    unsigned char *serials = load_need(calloc((size_t)load_options.requests + 1, SERIAL_ROOM));
    X509 *issuer = read_issuer();
    long n = 0;

    memset(findings, 0, sizeof(*findings));
    for (long i = 0; i < load_options.requests; i++) {
        if (!csrs[i].answer)
            continue;
        check_one(findings, serials + n * SERIAL_ROOM, i, issuer);
        n += serials[n * SERIAL_ROOM] != 0;
    }
    qsort(serials, (size_t)n, SERIAL_ROOM, compare_serials);
    for (long i = 1; i < n; i++)
        findings->repeated_serial += !memcmp(serials + i * SERIAL_ROOM, serials + (i - 1) * SERIAL_ROOM, SERIAL_ROOM);
    free(serials);
    X509_free(issuer);
    return findings->not_a_message + findings->wrong_key + findings->wrong_subject + findings->wrong_signature +
           findings->repeated_serial;
}
