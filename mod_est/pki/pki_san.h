/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_SAN_H
#define PKI_SAN_H

/* subjectAltName: decoding with the syntax rules of RFC 5280 4.2.1.6, set comparison, encoding. */

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
    PKI_SAN_RID
} pki_san_type_t;

typedef struct {
    pki_san_type_t type;
    const char *value; /* for rules and records: DNS lower-cased, IP in presentation form ("10.0.0.1", "2001:db8::1"),
                          URI and e-mail as sent, directoryName in RFC 2253, otherName and registeredID as dotted OID */
    est_slice_t der;   /* the GeneralName, canonical */
} pki_san_t;

typedef struct {
    const pki_san_t *names;
    int n_names;
} pki_sans_t;

/* "dns", "ip", "uri", "email", "dirname", "other", "rid" */
const char *pki_san_type_name(pki_san_type_t type);
/* -1 when there is no such type */
int pki_san_type_from_name(const char *name);

/* Decodes the extension's value (GeneralNames). Fails with name_invalid for an empty list, over PKI_SAN_MAX names, bad
 * syntax: dNSName LDH labels of 1..63, 253 in all, no leading or trailing dot, no IP literal, '*' only as the whole
 * leftmost label, A-labels at least syntactically valid; iPAddress of 4 or 16 octets; URI absolute with scheme and
 * host, no userinfo, at most 2048 characters; rfc822Name local@domain in ASCII. */
est_err_t *pki_san_decode(pki_sans_t *out, est_slice_t der, apr_pool_t *pool);

/* The same set: order and repetition do not count; DNS names and the domain of e-mail and the scheme and host of URIs
 * compare without case */
int pki_san_equal(const pki_sans_t *a, const pki_sans_t *b);
/* Every name of a is in b */
int pki_san_subset(const pki_sans_t *a, const pki_sans_t *b);

/* The extension's value: GeneralNames of the DER of each name, in the given order */
est_slice_t pki_san_encode(const pki_sans_t *sans, apr_pool_t *pool);

/* "dns:a.example" for a record or a log line, in pool */
const char *pki_san_text(const pki_san_t *san, apr_pool_t *pool);

#endif
