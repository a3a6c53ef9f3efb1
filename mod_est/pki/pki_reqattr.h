/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_REQATTR_H
#define PKI_REQATTR_H

/* The attributes of a certificate request that an EST server must understand or refuse: the challenges of RFC 7894, and
 * ChangeSubjectName (RFC 6402 2.8, RFC 7030 4.2.1). All others may be ignored (EN-11). */

#include "pki_csr.h"

/* Octets of a challenge (RFC 2985 5.4.1 and RFC 7894 3: ub 255) */
#define PKI_REQATTR_TEXT_MAX 255

typedef struct {
    const char *otp;              /* otpChallenge as UTF-8 without NUL; NULL when absent, as the next two */
    const char *revocation;       /* revocationChallenge */
    const char *identity_linking; /* estIdentityLinking */
    int has_change;               /* ChangeSubjectName is there: at least one of the next two is then */
    pki_name_t *subject;          /* its subject; NULL when absent, which asks for the empty name */
    pki_sans_t san;               /* its subjectAlt; n_names 0 when absent, which asks for none */
} pki_reqattrs_t;

/* Reads them out of csr, from whose octets nothing is borrowed. An attribute that is there twice, or with other than
 * one value, or malformed, fails with csr_attribute. */
est_err_t *pki_reqattr_read(pki_reqattrs_t *out, const pki_csr_t *csr, apr_pool_t *pool);

/* The one value of a challenge: UTF8String, PrintableString or IA5String of 1..255 octets, without control and format
 * characters; values are the contents of the attribute's SET, name is for the error, which is csr_attribute. *out is
 * in pool. BMPString and the other wide types of DirectoryString are refused: what is compared with a secret has one
 * form. */
est_err_t *pki_reqattr_text(const char **out, const char *name, est_slice_t values, apr_pool_t *pool);

#endif
