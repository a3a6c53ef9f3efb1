/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_EXT_H
#define PKI_EXT_H

/* Extensions of certificates: each a whole Extension, DER. */

#include "pki_der.h"

/* oid: dotted; value: contents of extnValue */
est_slice_t pki_ext_encode(const char *oid, int critical, est_slice_t value, apr_pool_t *pool);
/* SubjectKeyIdentifier: SHA-1 of the subjectPublicKey bits (RFC 5280 4.2.1.2 method 1) */
est_slice_t pki_ext_ski(est_slice_t spki, apr_pool_t *pool);

/* An Extension taken apart, borrowed from it */
typedef struct {
    est_slice_t whole; /* n == 0: it was none */
    pki_der_t oid;     /* tag 0: it was none */
    int critical;      /* FALSE, which DER leaves out, may stand there */
    est_slice_t value; /* contents of extnValue */
} pki_ext_t;

pki_ext_t pki_ext_parse(est_slice_t extension);

/* An Extension for people, in pool */
typedef struct {
    const char *name; /* as in x509v3_config; a dotted OID where OpenSSL has none */
    const char *oid;  /* dotted */
    int critical;
    const char *text; /* of one line; hex where OpenSSL has no words for the value */
} pki_ext_text_t;

/* Of one that can be parsed; else all is empty */
pki_ext_text_t pki_ext_text(est_slice_t extension, apr_pool_t *pool);

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

#endif
