/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_NAME_H
#define PKI_NAME_H

/* Distinguished names: decoding, comparison by RFC 5280 7.1, encoding as RFC 5280 4.1.2.4 wants it. */

#include "base/est_bytes.h"

#include <openssl/x509.h>

#define PKI_NAME_MAX_ATTRIBUTES 32

/* One attribute of a distinguished name */
typedef struct {
    int nid;           /* OpenSSL's number; NID_undef for attributes it does not know */
    const char *type;  /* short name ("CN", "O", "serialNumber"), or dotted OID */
    const char *value; /* UTF-8, NUL-terminated, without NUL inside */
    int rdn;           /* index of the RDN it belongs to: equal for the parts of a multi-valued RDN */
} pki_attr_t;

typedef struct {
    est_slice_t der; /* Name; of pki_name_decode: as received, of pki_name_encode: canonical */
    const pki_attr_t *attrs;
    int n_attrs;
    X509_NAME *x509;  /* for comparison; freed with the pool */
    const char *text; /* RFC 2253 form for records and logs, UTF-8 */
    /* Why no request may have this name, although certificates do: a T61String beyond ASCII, which was read as
     * ISO 8859-1, but what it meant is a guess; a countryName that is no PrintableString (RFC 5280 appendix A). Or NULL
     */
    const char *unfit;
} pki_name_t;

/* Decodes an RDNSequence, of a request or of a certificate that exists. Values become UTF-8; NUL, control and format
 * characters (bidi, zero width, BOM), empty values, values that are not strings, empty RDNs and over
 * PKI_NAME_MAX_ATTRIBUTES attributes fail with name_invalid (conformance rows N). */
est_err_t *pki_name_decode(pki_name_t **out, est_slice_t der, apr_pool_t *pool);

/* May a certificate be issued to a name that looks like this (pki_text_disguise)? name_invalid names the attribute. */
est_err_t *pki_name_check(const pki_name_t *name, apr_pool_t *pool);

/* Encodes attributes (their rdn grouping kept) with UTF8String, or PrintableString for countryName, serialNumber and
 * dnQualifier, IA5String for emailAddress and domainComponent. Upper bounds of RFC 5280 appendix A and countryName of
 * two upper-case letters are enforced, and different types within an RDN: name_invalid. An empty list gives the empty
 * name. */
est_err_t *pki_name_encode(pki_name_t **out, const pki_attr_t *attrs, int n_attrs, apr_pool_t *pool);

/* Same name by RFC 5280 7.1 (case, blanks and string type folded, RDN order kept) */
int pki_name_equal(const pki_name_t *a, const pki_name_t *b);

/* Is an attribute of that type and value, letter by letter, in name? */
int pki_name_has(const pki_name_t *name, const pki_attr_t *attr);

/* The attribute's number by short name ("CN"), long name or dotted OID; 0 (NID_undef) when it is not known */
int pki_name_attr_nid(const char *name);
/* Does this attribute say who somebody is (CN, UID, serialNumber, emailAddress, dnQualifier, pseudonym,
 * unstructuredName, unstructuredAddress), and not only where they belong (C, O, OU ...)? */
int pki_name_attr_is_identity(int nid);

#endif
