/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_SAN_H
#define PKI_SAN_H

/* subjectAltName: decoding, the check of what is to be issued, set comparison, encoding. */

#include "base/est_bytes.h"

#define PKI_SAN_MAX 256

/* id-ce-subjectAltName, contents octets */
extern const est_slice_t pki_san_oid;

typedef enum {
    PKI_SAN_DNS,
    PKI_SAN_IP,
    PKI_SAN_URI,
    PKI_SAN_EMAIL,
    PKI_SAN_DIRNAME,
    PKI_SAN_OTHER,
    PKI_SAN_RID,
    PKI_SAN_X400,
    PKI_SAN_EDI
} pki_san_type_t;

typedef struct {
    pki_san_type_t type;
    const char *value; /* for rules and records: DNS lower-cased, IP in presentation form ("10.0.0.1", "2001:db8::1"),
                          URI and e-mail as sent, directoryName in RFC 2253, otherName and registeredID as dotted OID;
                          "?" for the last two */
    est_slice_t der;   /* the GeneralName, canonical */
} pki_san_t;

typedef struct {
    const pki_san_t *names;
    int n_names;
} pki_sans_t;

/* "dns", "ip", "uri", "email", "dirname", "other", "rid", "x400", "edi" */
const char *pki_san_type_name(pki_san_type_t type);
/* -1 when there is no such type */
int pki_san_type_from_name(const char *name);

/* Decodes the extension's value (GeneralNames), of a request or of a certificate that exists. Fails with name_invalid
 * for an empty list, over PKI_SAN_MAX names, values that are malformed, an iPAddress of other than 4 or 16 octets, and
 * text that pki_text_flaw finds fault with. */
est_err_t *pki_san_decode(pki_sans_t *out, est_slice_t der, apr_pool_t *pool);

/* A name of type dns, ip, uri or email from its text, in pool, fit to be issued; name_invalid otherwise */
est_err_t *pki_san_make(pki_san_t *out, pki_san_type_t type, const char *text, apr_pool_t *pool);

/* May these names be issued, as far as their syntax goes (pki_san_syntax.h)? name_invalid says which not, and why. */
est_err_t *pki_san_check(const pki_sans_t *sans, apr_pool_t *pool);

/* The same name: DNS names, the domain of e-mail, and the scheme and host of URIs compare without case */
int pki_san_same(const pki_san_t *a, const pki_san_t *b);

/* The same set of names: order and repetition do not count */
int pki_san_equal(const pki_sans_t *a, const pki_sans_t *b);
/* Every name of a is in b */
int pki_san_subset(const pki_sans_t *a, const pki_sans_t *b);

/* The extension's value: GeneralNames of the DER of each name, in the given order */
est_slice_t pki_san_encode(const pki_sans_t *sans, apr_pool_t *pool);

/* "dns:a.example" for a record or a log line, in pool */
const char *pki_san_text(const pki_san_t *san, apr_pool_t *pool);

#endif
