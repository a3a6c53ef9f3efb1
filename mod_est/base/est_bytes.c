/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_bytes.h"

#include <string.h>

#include <apr_strings.h>

est_slice_t est_slice(const void *p, apr_size_t n)
{
    return (est_slice_t){p, n};
}

est_slice_t est_slice_of(const char *text)
{
    return est_slice(text, strlen(text));
}

est_slice_t est_slice_dup(est_slice_t s, apr_pool_t *pool)
{
    return est_slice(s.n ? apr_pmemdup(pool, s.p, s.n) : "", s.n);
}

int est_slice_equal(est_slice_t a, est_slice_t b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int est_bytes_equal_ct(const void *a, const void *b, apr_size_t n)
{
    const volatile unsigned char *pa = a, *pb = b;
    unsigned char diff = 0;

    for (apr_size_t i = 0; i < n; i++)
        diff |= (unsigned char)(pa[i] ^ pb[i]);
    return diff == 0;
}

void est_bytes_cleanse(void *p, apr_size_t n)
{
    explicit_bzero(p, n);
}

/* Values of the base64 characters, and the three kinds of octets that have none */
enum { XX = 64, WS, PA };

/* clang-format off */
static const unsigned char base64_values[128] = {
    XX, XX, XX, XX, XX, XX, XX, XX, XX, WS, WS, XX, XX, WS, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    WS, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, 62, XX, XX, XX, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, XX, XX, XX, PA, XX, XX,
    XX,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, XX, XX, XX, XX, XX,
    XX, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, XX, XX, XX, XX, XX,
};
/* clang-format on */

est_err_t *est_base64_decode(est_slice_t *out, est_slice_t in, apr_pool_t *pool)
{
    unsigned char *buf = apr_palloc(pool, in.n / 4 * 3 + 3), *w = buf;
    unsigned bits = 0; /* the characters of the current group of four */
    int have = 0, pads = 0;

    for (apr_size_t i = 0; i < in.n; i++) {
        unsigned v = in.p[i] < 128 ? base64_values[in.p[i]] : XX;

        if (v == WS)
            continue;
        if (v == XX)
            return EST_FAIL(pool, base64_invalid, "octet 0x%02x at offset %" APR_SIZE_T_FMT " is not base64",
                            (unsigned)in.p[i], i);
        if (v == PA) {
            if (++pads > 2 || have + pads > 4 || have < 2)
                return EST_FAIL(pool, base64_invalid, "misplaced padding at offset %" APR_SIZE_T_FMT, i);
            continue;
        }
        if (pads)
            return EST_FAIL(pool, base64_invalid, "data after the padding at offset %" APR_SIZE_T_FMT, i);
        bits = bits << 6 | v;
        if (++have == 4) {
            *w++ = (unsigned char)(bits >> 16);
            *w++ = (unsigned char)(bits >> 8);
            *w++ = (unsigned char)bits;
            bits = 0;
            have = 0;
        }
    }
    if (have) {
        if (have + pads != 4)
            return EST_FAIL(pool, base64_invalid, "padding is missing at the end");
        bits <<= 6 * pads;
        if (bits & (pads == 2 ? 0xffffu : 0xffu))
            return EST_FAIL(pool, base64_invalid, "trailing bits are not zero");
        *w++ = (unsigned char)(bits >> 16);
        if (pads == 1)
            *w++ = (unsigned char)(bits >> 8);
    }
    *out = est_slice(buf, (apr_size_t)(w - buf));
    return NULL;
}

const char *est_base64_encode(est_slice_t in, int width, apr_size_t *len, apr_pool_t *pool)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    apr_size_t chars = (in.n + 2) / 3 * 4;
    apr_size_t breaks = width > 0 ? chars / (apr_size_t)width : 0;
    char *buf = apr_palloc(pool, chars + breaks + 2), *w = buf;
    int column = 0;

    for (apr_size_t i = 0; i < in.n; i += 3) {
        apr_size_t rest = in.n - i;
        unsigned bits = (unsigned)in.p[i] << 16 | (rest > 1 ? (unsigned)in.p[i + 1] << 8 : 0) |
                        (rest > 2 ? (unsigned)in.p[i + 2] : 0);

        if (width > 0 && column == width) {
            *w++ = '\n';
            column = 0;
        }
        *w++ = alphabet[bits >> 18];
        *w++ = alphabet[bits >> 12 & 63];
        *w++ = rest > 1 ? alphabet[bits >> 6 & 63] : '=';
        *w++ = rest > 2 ? alphabet[bits & 63] : '=';
        column += 4;
    }
    *w++ = '\n';
    *w = '\0';
    if (len)
        *len = (apr_size_t)(w - buf);
    return buf;
}

static const char hex_digits[] = "0123456789abcdef";

const char *est_hex(est_slice_t in, apr_pool_t *pool)
{
    char *buf = apr_palloc(pool, in.n * 2 + 1), *w = buf;

    for (apr_size_t i = 0; i < in.n; i++) {
        *w++ = hex_digits[in.p[i] >> 4];
        *w++ = hex_digits[in.p[i] & 15];
    }
    *w = '\0';
    return buf;
}

int est_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

const unsigned char *est_unhex(const char *s, apr_size_t *n, apr_pool_t *pool)
{
    apr_size_t len = strlen(s);

    if (len % 2)
        return NULL;
    unsigned char *buf = apr_palloc(pool, len / 2 + 1);
    for (apr_size_t i = 0; i < len; i += 2) {
        int hi = est_hex_value(s[i]), lo = est_hex_value(s[i + 1]);

        if (hi < 0 || lo < 0)
            return NULL;
        buf[i / 2] = (unsigned char)(hi << 4 | lo);
    }
    *n = len / 2;
    return buf;
}

/* Octets behind the first one c of a character; -1 when no character begins with it. C0 and C1 would be overlong. */
static int continuations(unsigned c)
{
    if (c < 0x80)
        return 0;
    if (c < 0xc2 || c > 0xf4)
        return -1;
    return c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
}

long est_utf8_next(est_slice_t *in)
{
    static const unsigned least[] = {0, 0x80, 0x800, 0x10000};
    unsigned c = *in->p;
    int more = continuations(c);

    if (more < 0 || in->n <= (apr_size_t)more)
        return -1;
    if (more)
        c &= 0x3fu >> more;
    for (int i = 1; i <= more; i++) {
        if ((in->p[i] & 0xc0) != 0x80)
            return -1;
        c = c << 6 | (in->p[i] & 0x3fu);
    }
    if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return -1;
    in->p += more + 1;
    in->n -= (apr_size_t)more + 1;
    return (long)c;
}

int est_is_utf8(const char *s)
{
    est_slice_t rest = est_slice_of(s);

    while (rest.n) {
        if (est_utf8_next(&rest) < 0)
            return 0;
    }
    return 1;
}

const char *est_escape(est_slice_t s, apr_size_t max, apr_pool_t *pool)
{
    apr_size_t n = s.n < max ? s.n : max;
    char *buf = apr_palloc(pool, n * 4 + sizeof("...")), *w = buf;

    for (apr_size_t i = 0; i < n; i++) {
        unsigned char c = s.p[i];

        if (c >= 0x20 && c < 0x7f && c != '\\') {
            *w++ = (char)c;
        } else {
            *w++ = '\\';
            *w++ = 'x';
            *w++ = hex_digits[c >> 4];
            *w++ = hex_digits[c & 15];
        }
    }
    if (n < s.n) {
        memcpy(w, "...", 3);
        w += 3;
    }
    *w = '\0';
    return buf;
}
