/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CERT_TEST_H
#define CERT_TEST_H

/* A CA, and certificates that pki_cert_sign() makes for it; they live until the running test's pool is destroyed. */

#include "x509_test.h"

#include "pki/pki_cert.h"
#include "pki/pki_der.h"
#include "pki/pki_ext.h"

#define SECONDS(s) ((apr_time_t)(s)*1000000)
#define START 1767225600 /* 2026-01-01T00:00:00Z */
#define END_2027 1798761600

static inline void add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

/* basic: value of basicConstraints, usage: of keyUsage; NULL: without */
static inline X509 *make_odd_ca(EVP_PKEY *key, const char *basic, const char *usage, int ski)
{
    X509 *ca = X509_new();
    X509_NAME *name = X509_get_subject_name(ca);

    apr_pool_cleanup_register(pool, ca, x509_test_free_cert, apr_pool_cleanup_null);
    /* a string type that writing the name anew would change */
    X509_NAME_add_entry_by_txt(name, "O", V_ASN1_T61STRING, (const unsigned char *)"Example", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"Test CA", -1, -1, 0);
    X509_set_issuer_name(ca, name);
    X509_set_version(ca, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(ca), 1);
    ASN1_TIME_set(X509_getm_notBefore(ca), START - 86400);
    ASN1_TIME_set(X509_getm_notAfter(ca), START + 3650L * 86400);
    X509_set_pubkey(ca, key);
    if (basic)
        add_extension(ca, NID_basic_constraints, basic);
    if (usage)
        add_extension(ca, NID_key_usage, usage);
    if (ski)
        add_extension(ca, NID_subject_key_identifier, "hash");
    assert_true(X509_sign(ca, key, digest_for(key)) > 0);
    return ca;
}

static inline est_slice_t subject_of(const char *cn)
{
    pki_name_t *name;
    pki_attr_t attr = {NID_commonName, "CN", cn, 0};
    ASSERT_OK(pki_name_encode(&name, &attr, 1, pool));
    return name->der;
}

static inline X509 *parsed(est_slice_t der)
{
    ASSERT_OK(pki_der_check(der, pool));
    return parse_cert(der);
}

typedef struct {
    EVP_PKEY *key, *ee;
    X509 *ca;
    pki_signer_t *signer;
    pki_tbs_t tbs;
} fixture_t;

/* kind: of the CA's key */
static inline fixture_t make_fixture(const char *kind)
{
    fixture_t f = {make_key(kind), make_key("P-256"), NULL, NULL, {.serial = {[19] = 7}}};
    f.ca = make_odd_ca(f.key, "critical,CA:TRUE", "critical,keyCertSign,cRLSign", 1);
    ASSERT_OK(pki_signer_make(&f.signer, f.ca, f.key, pool));
    f.tbs.not_before = SECONDS(START);
    f.tbs.not_after = SECONDS(END_2027);
    f.tbs.subject = subject_of("device");
    f.tbs.spki = spki_of(f.ee);
    return f;
}

static inline X509 *issued(const fixture_t *f)
{
    est_slice_t der;
    ASSERT_OK(pki_cert_sign(&der, &f->tbs, f->signer, pool));
    return parsed(der);
}

#endif
