/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_CSR_H
#define PKI_CSR_H

/* PKCS#10 certificate requests (RFC 2986) and the attributes EST reads. */

#include "pki_key.h"
#include "pki_name.h"
#include "pki_san.h"

#define PKI_CSR_MAX_EXTENSIONS 64
#define PKI_CSR_MAX_ATTRIBUTES 64
#define PKI_CSR_MAX_VALUE (32 * 1024) /* octets of a requested extension: PKI_SAN_MAX names of over 100 each */

/* A requested extension, not judged yet */
typedef struct {
    const char *oid; /* dotted */
    int nid;         /* NID_undef when OpenSSL does not know it */
    int critical;
    est_slice_t value; /* contents of extnValue */
} pki_req_ext_t;

/* An attribute that is not read here (pki_reqattr.h reads some; those of other protocols) */
typedef struct {
    const char *oid;    /* dotted; NULL when it has arcs over 128 bits */
    est_slice_t values; /* contents of the SET: at least one value, DER */
} pki_req_attr_t;

typedef struct {
    est_slice_t der;
    est_slice_t info;                /* CertificationRequestInfo: the signed octets */
    est_slice_t signature_algorithm; /* AlgorithmIdentifier */
    est_slice_t signature;
    pki_name_t *subject;
    pki_key_t *key;
    pki_sans_t san;            /* from the requested extensions; n_names 0 when there is none */
    const pki_req_ext_t *exts; /* all requested extensions, SAN included */
    int n_exts;
    const char *challenge;       /* challengePassword as UTF-8 without NUL; NULL when absent */
    const pki_req_attr_t *attrs; /* all others, in their order */
    int n_attrs;
    int altered; /* something was taken out (pki_reqcode.h): the signature does not fit */
} pki_csr_t;

/*
 * Strict decoding: version 0, one value, DER throughout, no extension twice, at most one extensionRequest attribute
 * (1.2.840.113549.1.9.14) with one value, at most one challengePassword with one value of type UTF8String,
 * PrintableString or IA5String and 1..255 octets. Attributes that EST does not know are ignored (EN-11). The key passes
 * the ceiling. All slices borrow from der, which must live as long as pool. Fails with csr_invalid, csr_attribute,
 * der_invalid, key_rejected or name_invalid.
 */
est_err_t *pki_csr_decode(pki_csr_t **out, est_slice_t der, apr_pool_t *pool);

/* Proof of possession: the signature over info by key (RFC 7030 3.4). The algorithm must be one of RSA PKCS#1 v1.5 or
 * ECDSA with SHA-256/384/512, Ed25519, Ed448, and fit the key: csr_algorithm, csr_signature. */
est_err_t *pki_csr_verify(const pki_csr_t *csr, apr_pool_t *pool);

#endif
