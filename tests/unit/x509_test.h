/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef X509_TEST_H
#define X509_TEST_H

/* Keys, certificates, requests and files for tests, made by OpenSSL alone: nothing of mod_est's own encoders is in
 * them. Everything lives until the running test's pool is destroyed. */

#include "est_test.h"

#include <apr_time.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* 2026-02-03T04:05:06.789012Z, which is no whole second */
#define TEST_NOW APR_TIME_C(1770091506789012)
#define TEST_DAY apr_time_from_sec(86400)
#define X509_TEST_EXTS 14

/* What one of OpenSSL's i2d functions has written */
static inline est_slice_t x509_test_taken(unsigned char *der, int n)
{
    est_slice_t copy;

    assert_true(n > 0);
    copy = est_slice_dup(est_slice(der, (apr_size_t)n), pool);
    OPENSSL_free(der);
    return copy;
}
/* DER_OF(i2d_X509, cert) */
#define DER_OF(i2d, object)                                                                                            \
    ({                                                                                                                 \
        unsigned char *der_of_ = NULL;                                                                                 \
        int n_der_of_ = i2d((object), &der_of_);                                                                       \
        x509_test_taken(der_of_, n_der_of_);                                                                           \
    })

static inline apr_status_t x509_test_free_key(void *key)
{
    EVP_PKEY_free(key);
    return APR_SUCCESS;
}

static inline apr_status_t x509_test_free_cert(void *cert)
{
    X509_free(cert);
    return APR_SUCCESS;
}

/* kind: "RSA" (2048), "RSA 3072", "Ed25519", "Ed448", or a curve ("P-256") */
static inline EVP_PKEY *make_key(const char *kind)
{
    EVP_PKEY *key;

    if (!strncmp(kind, "RSA", 3))
        key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", kind[3] ? (size_t)atoi(kind + 3) : (size_t)2048);
    else if (!strncmp(kind, "Ed", 2))
        key = EVP_PKEY_Q_keygen(NULL, NULL, kind);
    else
        key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
    assert_non_null(key);
    apr_pool_cleanup_register(pool, key, x509_test_free_key, apr_pool_cleanup_null);
    return key;
}

/* "CN=a,O=b", no comma inside a value; "" is the empty name */
static inline void fill_name(X509_NAME *name, const char *dn)
{
    char *last, *copy = apr_pstrdup(pool, dn);

    for (char *item = apr_strtok(copy, ",", &last); item; item = apr_strtok(NULL, ",", &last)) {
        char *value = strchr(item, '=');

        assert_non_null(value);
        *value++ = '\0';
        assert_true(X509_NAME_add_entry_by_txt(name, item, MBSTRING_UTF8, (unsigned char *)value, -1, -1, 0));
    }
}

/* text: "keyUsage=critical,digitalSignature" */
static inline X509_EXTENSION *make_ext(X509V3_CTX *ctx, const char *ext)
{
    char *name = apr_pstrdup(pool, ext), *value = strchr(name, '=');
    X509_EXTENSION *made;
    CONF *conf = NCONF_new(NULL);

    assert_non_null(value);
    *value++ = '\0';
    X509V3_set_nconf(ctx, conf); /* empty, and all the same some extensions cannot be made without one */
    made = X509V3_EXT_nconf(conf, ctx, name, value);
    NCONF_free(conf);
    if (!made)
        fail_msg("OpenSSL does not take extension %s", ext);
    return made;
}

static inline est_slice_t ext_der(X509V3_CTX *ctx, const char *ext)
{
    X509_EXTENSION *made = make_ext(ctx, ext);
    est_slice_t der = DER_OF(i2d_X509_EXTENSION, made);

    X509_EXTENSION_free(made);
    return der;
}

static inline const EVP_MD *digest_for(EVP_PKEY *key)
{
    return EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448") ? NULL : EVP_sha256();
}

/* What makes a certificate. Members left out: a new P-256 key, self-signed, valid from 2020 to 2049 */
typedef struct {
    const char *subject;
    EVP_PKEY *key;
    X509 *issuer;
    EVP_PKEY *issuer_key;
    apr_time_t from, until;
    const char *exts[X509_TEST_EXTS];
} cert_spec_t;

static inline X509 *make_cert(const cert_spec_t *spec)
{
    static long serial = 1000;
    X509 *cert = X509_new();
    EVP_PKEY *key = spec->key ? spec->key : make_key("P-256"), *signer = spec->issuer_key ? spec->issuer_key : key;
    X509V3_CTX ctx;

    assert_non_null(cert);
    apr_pool_cleanup_register(pool, cert, x509_test_free_cert, apr_pool_cleanup_null);
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    fill_name(X509_get_subject_name(cert), spec->subject);
    X509_set_issuer_name(cert, X509_get_subject_name(spec->issuer ? spec->issuer : cert));
    ASN1_TIME_adj(X509_getm_notBefore(cert), spec->from ? (time_t)apr_time_sec(spec->from) : 1577836800, 0, 0);
    ASN1_TIME_adj(X509_getm_notAfter(cert), spec->until ? (time_t)apr_time_sec(spec->until) : 2493072000, 0, 0);
    X509_set_pubkey(cert, key);
    X509V3_set_ctx(&ctx, spec->issuer ? spec->issuer : cert, cert, NULL, NULL, 0);
    for (int i = 0; i < X509_TEST_EXTS && spec->exts[i]; i++) {
        X509_EXTENSION *ext = make_ext(&ctx, spec->exts[i]);

        X509_add_ext(cert, ext, -1);
        X509_EXTENSION_free(ext);
    }
    assert_true(X509_sign(cert, signer, digest_for(signer)) > 0);
    return cert;
}

#define CA_EXTS                                                                                                        \
    {                                                                                                                  \
        "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash",     \
            "authorityKeyIdentifier=keyid"                                                                             \
    }

/* A CA under issuer, NULL = a root */
static inline X509 *make_ca(const char *subject, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
    cert_spec_t spec = {.subject = subject, .key = key, .issuer = issuer, .issuer_key = issuer_key, .exts = CA_EXTS};

    if (!issuer)
        spec.exts[3] = NULL; /* there is nothing yet that could be named */
    return make_cert(&spec);
}

static inline est_slice_t cert_der(X509 *cert)
{
    return DER_OF(i2d_X509, cert);
}

/* SubjectPublicKeyInfo */
static inline est_slice_t spki_of(EVP_PKEY *key)
{
    return DER_OF(i2d_PUBKEY, key);
}

static inline X509 *parse_cert(est_slice_t der)
{
    const unsigned char *p = der.p;
    X509 *cert = d2i_X509(NULL, &p, (long)der.n);

    assert_non_null(cert);
    assert_ptr_equal(p, der.p + der.n);
    apr_pool_cleanup_register(pool, cert, x509_test_free_cert, apr_pool_cleanup_null);
    return cert;
}

/* What makes a certificate request. Members left out: a new P-256 key, nothing asked for */
typedef struct {
    const char *subject;
    EVP_PKEY *key;
    const char *challenge, *otp;
    const char *exts[X509_TEST_EXTS];
} csr_spec_t;

static inline est_slice_t make_csr(const csr_spec_t *spec)
{
    X509_REQ *req = X509_REQ_new();
    EVP_PKEY *key = spec->key ? spec->key : make_key("P-256");
    STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
    est_slice_t der;
    X509V3_CTX ctx;

    assert_non_null(req);
    fill_name(X509_REQ_get_subject_name(req), spec->subject);
    X509_REQ_set_pubkey(req, key);
    X509V3_set_ctx(&ctx, NULL, NULL, req, NULL, 0);
    for (int i = 0; i < X509_TEST_EXTS && spec->exts[i]; i++)
        sk_X509_EXTENSION_push(exts, make_ext(&ctx, spec->exts[i]));
    if (sk_X509_EXTENSION_num(exts))
        assert_true(X509_REQ_add_extensions(req, exts));
    sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    if (spec->challenge)
        assert_true(X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword, MBSTRING_UTF8,
                                              (const unsigned char *)spec->challenge, -1));
    if (spec->otp) /* otpChallenge of RFC 7894 */
        assert_true(X509_REQ_add1_attr_by_txt(req, "1.2.840.113549.1.9.16.2.56", MBSTRING_UTF8,
                                              (const unsigned char *)spec->otp, -1));
    assert_true(X509_REQ_sign(req, key, digest_for(key)) > 0);
    der = DER_OF(i2d_X509_REQ, req);
    X509_REQ_free(req);
    return der;
}

/* ---- files */

static inline apr_status_t x509_test_remove(void *path)
{
    return remove(path) == 0 ? APR_SUCCESS : APR_EGENERAL;
}

/* A new directory, which must be empty again when the pool goes: what temp_file puts into it is */
static inline const char *temp_dir(void)
{
    const char *base = getenv("TMPDIR");
    char *dir = apr_pstrcat(pool, base ? base : "/tmp", "/est-test-XXXXXX", NULL);

    assert_non_null(mkdtemp(dir));
    apr_pool_cleanup_register(pool, dir, x509_test_remove, apr_pool_cleanup_null);
    return dir;
}

/* Opens a new file, only its owner's; *path gets its name */
static inline FILE *temp_file(const char **path, const char *dir, const char *name)
{
    FILE *file;
    char *full = apr_pstrcat(pool, dir, "/", name, NULL);

    *path = full;
    file = fopen(full, "wx");
    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    apr_pool_cleanup_register(pool, full, x509_test_remove, apr_pool_cleanup_null);
    return file;
}

static inline const char *cert_file(const char *dir, const char *name, int n, X509 *const *certs)
{
    const char *path;
    FILE *file = temp_file(&path, dir, name);

    for (int i = 0; i < n; i++)
        assert_true(PEM_write_X509(file, certs[i]));
    fclose(file);
    return path;
}

static inline const char *key_file(const char *dir, const char *name, EVP_PKEY *key)
{
    const char *path;
    FILE *file = temp_file(&path, dir, name);

    assert_true(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
    fclose(file);
    return path;
}

#endif
