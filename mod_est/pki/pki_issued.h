/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_ISSUED_H
#define PKI_ISSUED_H

/* A certificate that somebody else has issued and that we are to hand out: more is asked of it than of one that is
 * presented, and all of its extensions are seen. */

#include "pki_cert.h"
#include "pki_ext.h"

#define PKI_ISSUED_MAX_EXTS 64

typedef struct {
    pki_cert_t *facts;
    const pki_ext_t *exts; /* each of another OID, in their order, borrowed from der */
    int n_exts;
} pki_issued_t;

/* der is a certificate: DER throughout, whole, version 3, its serial number a positive INTEGER of at most 20 octets, no
 * unique identifiers, extensions none of which is there twice and all of which OpenSSL can read as far as it knows
 * them, not signed with less than SHA-224 is worth. der must live as long as pool. Fails with ca_wrong, which says what
 * is wrong. */
est_err_t *pki_issued_read(pki_issued_t *out, est_slice_t der, apr_pool_t *pool);

/* The extension of that OID (contents octets); NULL: there is none */
const pki_ext_t *pki_issued_ext(const pki_ext_t *exts, int n, est_slice_t oid);

#endif
