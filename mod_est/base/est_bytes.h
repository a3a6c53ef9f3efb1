/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_BYTES_H
#define EST_BYTES_H

/* Octet strings: slices, base64 (RFC 4648 section 4), hex, comparison. */

#include "est_err.h"

/* A borrowed run of octets; who owns them is said where the slice is handed out */
typedef struct {
    const unsigned char *p;
    apr_size_t n;
} est_slice_t;

est_slice_t est_slice(const void *p, apr_size_t n);
/* The octets of a text without its NUL */
est_slice_t est_slice_of(const char *text);
/* Copy into pool */
est_slice_t est_slice_dup(est_slice_t s, apr_pool_t *pool);
int est_slice_equal(est_slice_t a, est_slice_t b);
/* Equal contents, in time that depends on n alone */
int est_bytes_equal_ct(const void *a, const void *b, apr_size_t n);
/* Overwrites a secret in a way that the compiler keeps */
void est_bytes_cleanse(void *p, apr_size_t n);

/* Strict decoding: CR, LF, space and tab are ignored anywhere (RFC 8951 3.1); any other octet outside the alphabet,
 * missing or misplaced padding and non-zero trailing bits fail with base64_invalid. Nothing but blanks decodes to no
 * octets. *out is allocated in pool. */
est_err_t *est_base64_decode(est_slice_t *out, est_slice_t in, apr_pool_t *pool);

/* NUL-terminated base64 with a newline after every width characters (0 = no inner breaks; else a multiple of 4) and
 * a newline at the end. *len, when not NULL, gets the length without the NUL. */
const char *est_base64_encode(est_slice_t in, int width, apr_size_t *len, apr_pool_t *pool);

/* Lower-case hex, NUL-terminated, in pool */
const char *est_hex(est_slice_t in, apr_pool_t *pool);
/* Of one hex digit, both cases accepted; -1 when c is none */
int est_hex_value(char c);
/* Both cases accepted; NULL when s is not an even number of hex digits */
const unsigned char *est_unhex(const char *s, apr_size_t *n, apr_pool_t *pool);

/* Takes the character at the start of *in, which must not be empty, and moves *in behind it; -1, and *in stays, when it
 * is not well-formed UTF-8 (RFC 3629: shortest form, no surrogates) */
long est_utf8_next(est_slice_t *in);
/* Well-formed UTF-8 throughout? */
int est_is_utf8(const char *s);

/* s with every octet outside printable ASCII, and the backslash, as \xHH: fit for a log line. At most max octets of s
 * are used and "..." marks a cut. */
const char *est_escape(est_slice_t s, apr_size_t max, apr_pool_t *pool);

#endif
