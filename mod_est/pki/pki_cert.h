/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_CERT_H
#define PKI_CERT_H

/* Certificates: facts of a given one, the building of a new one, and the certs-only message that carries it. */

#include "pki_key.h"
#include "pki_name.h"
#include "pki_san.h"
#include "pki_sigalg.h"

#include <apr_time.h>

/* What the judgement needs of a certificate somebody presented */
typedef struct {
    est_slice_t der;
    unsigned char fingerprint[32]; /* SHA-256 of der */
    est_slice_t serial;            /* contents of the INTEGER */
    est_slice_t issuer;            /* Name, DER */
    est_slice_t spki;              /* DER, as it stands */
    pki_name_t *subject;
    pki_sans_t san;
    apr_time_t not_before, not_after;
} pki_cert_t;

/* Facts of cert; everything in pool, nothing borrowed from cert. A certificate whose names do not pass the rules of
 * pki_name and pki_san fails with certificate_refused. */
est_err_t *pki_cert_facts(pki_cert_t **out, X509 *cert, apr_pool_t *pool);

/* Lower-case hex of the serial number's contents, as est.certificate has it, of a certificate that we made; "" when der
 * is none */
const char *pki_cert_serial_text(est_slice_t der, apr_pool_t *pool);

/* A key that signs certificates, with what every certificate of it has in common. Immutable, shared by threads. */
typedef struct pki_signer_t pki_signer_t;

/* The CA's certificate must hold the public half of key and be allowed to sign certificates (basicConstraints,
 * keyCertSign): config. RSA, EC P-256/384/521, Ed25519 and Ed448 keys. key is
 * borrowed and must outlive pool. */
est_err_t *pki_signer_make(pki_signer_t **out, X509 *ca, EVP_PKEY *key, apr_pool_t *pool);
X509 *pki_signer_cert(const pki_signer_t *signer);
/* AuthorityKeyIdentifier extension (whole Extension, DER): keyIdentifier = the CA's SKI */
est_slice_t pki_signer_aki(const pki_signer_t *signer);

/* What goes into a new certificate; version 3 always */
typedef struct {
    unsigned char serial[20];         /* big-endian, positive, at most 159 bits; leading zeros are dropped */
    apr_time_t not_before, not_after; /* whole seconds are used */
    est_slice_t subject;              /* Name, DER */
    est_slice_t spki;                 /* SubjectPublicKeyInfo, DER */
    const est_slice_t *exts;          /* each a whole Extension, DER, in the order in which they shall stand */
    int n_exts;
    pki_digest_t digest; /* DEFAULT: SHA-256 for RSA and P-256, SHA-384 for P-384, SHA-512 for P-521 */
} pki_tbs_t;

/* Builds and signs; *der in pool. UTCTime until 2049, GeneralizedTime from 2050 (RFC 5280 4.1.2.5). Issuer is byte for
 * byte the CA's subject. Fails with ca_failed. Thread-safe. */
est_err_t *pki_cert_sign(est_slice_t *der, const pki_tbs_t *tbs, const pki_signer_t *signer, apr_pool_t *pool);

/* A whole Extension, DER */
est_slice_t pki_ext_encode(const char *oid, int critical, est_slice_t value, apr_pool_t *pool);
/* SubjectKeyIdentifier: SHA-1 of the subjectPublicKey bits (RFC 5280 4.2.1.2 method 1) */
est_slice_t pki_ext_ski(est_slice_t spki, apr_pool_t *pool);

/* A row of a profile's extension table */
typedef struct {
    const char *name; /* x509v3_config name ("keyUsage") or dotted OID */
    int critical;
    const char *value; /* in the syntax of x509v3_config(5), without "critical," */
} pki_ext_row_t;
/* A row of a section that an extension's value refers to by @section */
typedef struct {
    const char *section, *name, *value;
} pki_ext_section_t;

/* Encodes one row with OpenSSL's x509v3 code, which gets the sections as pairs: database text is never loaded as a
 * configuration file, so $ENV and .include stay text. Rows that need the subject or issuer (SKI, AKI, email:copy,
 * issuer:copy) are refused. *der is a whole Extension. Fails with config, the detail names the row and OpenSSL's
 * reason. */
est_err_t *pki_ext_build(est_slice_t *der, const pki_ext_row_t *row, const pki_ext_section_t *sections, int n_sections,
                         apr_pool_t *pool);

/* Degenerate SignedData (RFC 5272 4.1 Simple PKI Response): certs as DER, written as the SET OF that DER orders */
est_slice_t pki_certs_only(const est_slice_t *certs, int n_certs, apr_pool_t *pool);

/* SHA-256 of in */
void pki_sha256(unsigned char out[32], est_slice_t in);

/* RFC 3339 text of a time, "2026-01-31T12:00:00Z" */
const char *pki_time_text(apr_time_t t, apr_pool_t *pool);

#endif
