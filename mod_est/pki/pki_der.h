/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_DER_H
#define PKI_DER_H

/*
 * DER (X.690), read strictly and written exactly.
 *
 * The reader refuses what DER refuses: indefinite and non-minimal lengths, high tag numbers in long form that fit the
 * short one, trailing octets. OpenSSL's own parser accepts those, so this one comes first (conformance DER-01..03).
 */

#include "base/est_bytes.h"

/* Identifier octets as they stand in the encoding; only low tag numbers occur in what we read */
enum {
    PKI_DER_BOOLEAN = 0x01,
    PKI_DER_INTEGER = 0x02,
    PKI_DER_BIT_STRING = 0x03,
    PKI_DER_OCTET_STRING = 0x04,
    PKI_DER_NULL = 0x05,
    PKI_DER_OID = 0x06,
    PKI_DER_UTF8_STRING = 0x0c,
    PKI_DER_PRINTABLE_STRING = 0x13,
    PKI_DER_IA5_STRING = 0x16,
    PKI_DER_UTC_TIME = 0x17,
    PKI_DER_GENERALIZED_TIME = 0x18,
    PKI_DER_UNIVERSAL_STRING = 0x1c,
    PKI_DER_BMP_STRING = 0x1e,
    PKI_DER_SEQUENCE = 0x30,
    PKI_DER_SET = 0x31
};
#define PKI_DER_CONTEXT(n) (0x80 | (n))             /* [n] IMPLICIT primitive */
#define PKI_DER_CONTEXT_CONSTRUCTED(n) (0xa0 | (n)) /* [n] constructed */

#define PKI_DER_MAX_DEPTH 32
#define PKI_DER_MAX_ELEMENTS 4096

/* One value, borrowed from the input */
typedef struct {
    unsigned tag;      /* identifier octet */
    est_slice_t whole; /* identifier, length and contents */
    est_slice_t body;  /* contents */
} pki_der_t;

/* Takes the value at the start of *in and moves *in behind it. 0 when there is none or it is not DER. */
int pki_der_next(est_slice_t *in, pki_der_t *out);
/* The same, when its tag is tag; otherwise *in stays and 0 is returned */
int pki_der_take(est_slice_t *in, unsigned tag, pki_der_t *out);

/*
 * Walks the whole of in: exactly one value, every constructed one walked into, at most PKI_DER_MAX_DEPTH deep and
 * PKI_DER_MAX_ELEMENTS values; BOOLEAN contents 00 or FF, INTEGER minimal and non-empty, OID well-formed, NULL empty,
 * BIT STRING with 0..7 unused bits that are zero, times in their one form, BMPString and UniversalString of whole
 * characters, SET OF sorted, string types primitive. Fails with der_invalid that says what and at which offset. The
 * contents of OCTET STRING and BIT STRING are not walked into.
 */
est_err_t *pki_der_check(est_slice_t in, apr_pool_t *pool);

/* X.690 11.6, the order of a SET OF: of two est_slice_t with one encoding each, for qsort. One encoding is never the
 * start of another, so that the padding of that clause does not come into it. */
int pki_der_compare(const void *a, const void *b);

/* A growing buffer that is written from the end towards the start, so that lengths are known when they are written:
 * contents first, header after. */
typedef struct pki_der_out_t pki_der_out_t;

/* hint: expected size in octets; it grows when needed */
pki_der_out_t *pki_der_out_make(apr_size_t hint, apr_pool_t *pool);
/* Puts raw octets in front of what is there */
void pki_der_put(pki_der_out_t *out, est_slice_t octets);
/* How much is there: take it before writing contents, pass it to pki_der_wrap after */
apr_size_t pki_der_mark(const pki_der_out_t *out);
/* Puts identifier and length in front of everything written since mark */
void pki_der_wrap(pki_der_out_t *out, unsigned tag, apr_size_t mark);
/* One primitive value */
void pki_der_put_value(pki_der_out_t *out, unsigned tag, est_slice_t contents);
/* BIT STRING without unused bits */
void pki_der_put_bits(pki_der_out_t *out, est_slice_t octets);
/* What was written; borrowed from out's pool, valid until the next put */
est_slice_t pki_der_result(const pki_der_out_t *out);

/* Initializers of an est_slice_t from a string literal: DER that never changes, and the contents octets of an object
 * identifier */
#define PKI_DER_LITERAL(octets)                                                                                        \
    {                                                                                                                  \
        (const unsigned char *)(octets), sizeof(octets) - 1                                                            \
    }
#define PKI_OID(octets) PKI_DER_LITERAL(octets)

/* Contents octets of an object identifier in dotted form, in pool; n == 0 when text is not one */
est_slice_t pki_oid_from_text(const char *text, apr_pool_t *pool);
/* Dotted form of contents octets, in pool; NULL when malformed */
const char *pki_oid_to_text(est_slice_t oid, apr_pool_t *pool);

#endif
