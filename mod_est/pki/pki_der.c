/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_der.h"

#include <string.h>

#include <apr_strings.h>

#define CLASS_MASK 0xc0
#define CONSTRUCTED 0x20
#define NUMBER_MASK 0x1f

/* Octets of a long-form tag number after the first identifier octet; 0 when it is not minimal, fits the short form or
 * exceeds 28 bits (X.690 8.1.2.4) */
static apr_size_t long_tag(const unsigned char *p, apr_size_t n)
{
    unsigned number = 0;

    for (apr_size_t i = 0; i < n && i < 4; i++) {
        if (i == 0 && p[0] == 0x80)
            return 0;
        number = number << 7 | (p[i] & 0x7fu);
        if (!(p[i] & 0x80))
            return number > 30 ? i + 1 : 0;
    }
    return 0;
}

int pki_der_next(est_slice_t *in, pki_der_t *out)
{
    if (in->n < 2 || in->p[0] == 0) /* 00 00 would be BER's end of contents */
        return 0;
    const unsigned char *p = in->p, *end = in->p + in->n;
    unsigned tag = *p++;
    if ((tag & NUMBER_MASK) == NUMBER_MASK) {
        apr_size_t more = long_tag(p, (apr_size_t)(end - p));

        if (more == 0 || more == (apr_size_t)(end - p))
            return 0;
        p += more;
    }

    apr_size_t len = *p++;
    if (len >= 0x80) { /* X.690 10.1: definite, in as few octets as can be */
        apr_size_t octets = len & 0x7f;
        if (octets < 1 || octets > 4 || octets > (apr_size_t)(end - p) || *p == 0)
            return 0;
        for (len = 0; octets > 0; octets--)
            len = len << 8 | *p++;
        if (len < 0x80)
            return 0;
    }
    if (len > (apr_size_t)(end - p))
        return 0;

    out->tag = tag;
    out->body = est_slice(p, len);
    out->whole = est_slice(in->p, (apr_size_t)(p - in->p) + len);
    in->p += out->whole.n;
    in->n -= out->whole.n;
    return 1;
}

int pki_der_take(est_slice_t *in, unsigned tag, pki_der_t *out)
{
    return in->n > 0 && in->p[0] == tag && pki_der_next(in, out);
}

typedef struct {
    const unsigned char *start;
    int elements;
    apr_pool_t *pool;
} walk_t;

static est_err_t *flaw(const walk_t *walk, const unsigned char *at, const char *what)
{
    return EST_FAIL(walk->pool, der_invalid, "%s at offset %" APR_SIZE_T_FMT, what, (apr_size_t)(at - walk->start));
}

/* X.690 8.19: subidentifiers complete and without leading 80 */
static int is_oid(est_slice_t s)
{
    int first = 1;

    if (s.n == 0 || s.p[s.n - 1] & 0x80)
        return 0;
    for (apr_size_t i = 0; i < s.n; i++) {
        if (first && s.p[i] == 0x80)
            return 0;
        first = !(s.p[i] & 0x80);
    }
    return 1;
}

/* X.690 11.7, 11.8: YYMMDDHHMMSSZ, or YYYYMMDDHHMMSS[.f]Z with a fraction that does not end in 0. OpenSSL reads no
 * certificate with a shorter one anywhere in it. */
static int is_time(est_slice_t s, apr_size_t digits)
{
    apr_size_t n = 0;

    if (s.n <= digits || s.p[s.n - 1] != 'Z')
        return 0;
    for (s.n--; n < s.n && s.p[n] >= '0' && s.p[n] <= '9';)
        n++;
    if (n != digits)
        return 0;
    if (n == s.n)
        return 1;
    if (digits == 12 || s.p[n] != '.' || s.n - n < 2 || s.p[s.n - 1] == '0')
        return 0;
    while (++n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
        ;
    return n == s.n;
}

/* What is wrong with a value of a universal type, or NULL */
static const char *primitive_flaw(const pki_der_t *v)
{
    est_slice_t b = v->body;

    switch (v->tag) {
    case PKI_DER_BOOLEAN:
        return b.n == 1 && (b.p[0] == 0 || b.p[0] == 0xff) ? NULL : "BOOLEAN that is neither 00 nor FF";
    case PKI_DER_INTEGER:
    case 0x0a: /* ENUMERATED */
        if (b.n == 0)
            return "empty INTEGER";
        if (b.n > 1 && ((b.p[0] == 0 && !(b.p[1] & 0x80)) || (b.p[0] == 0xff && b.p[1] & 0x80)))
            return "INTEGER that is not minimal";
        return NULL;
    case PKI_DER_BIT_STRING:
        if (b.n == 0 || b.p[0] > 7 || (b.n == 1 && b.p[0] != 0))
            return "BIT STRING with a bad count of unused bits";
        return b.p[b.n - 1] & ((1u << b.p[0]) - 1) && b.n > 1 ? "BIT STRING with unused bits that are not zero" : NULL;
    case PKI_DER_NULL:
        return b.n == 0 ? NULL : "NULL with contents";
    case PKI_DER_OID:
        return is_oid(b) ? NULL : "malformed OBJECT IDENTIFIER";
    case PKI_DER_UTC_TIME:
        return is_time(b, 12) ? NULL : "malformed UTCTime";
    case PKI_DER_GENERALIZED_TIME:
        return is_time(b, 14) ? NULL : "malformed GeneralizedTime";
    case PKI_DER_UNIVERSAL_STRING:
        return b.n % 4 == 0 ? NULL : "UniversalString with a part of a character";
    case PKI_DER_BMP_STRING:
        return b.n % 2 == 0 ? NULL : "BMPString with a part of a character";
    default:
        return NULL;
    }
}

/* Universal types have one form each in DER: EXTERNAL, EMBEDDED PDV, SEQUENCE, SET and CHARACTER STRING are
 * constructed, everything else, strings included, is primitive (X.690 10.2) */
static int has_right_form(unsigned tag)
{
    if ((tag & CLASS_MASK) != 0)
        return 1;
    unsigned number = tag & NUMBER_MASK;
    int constructed = number == 8 || number == 11 || number == 16 || number == 17 || number == 29;
    return ((tag & CONSTRUCTED) != 0) == constructed;
}

int pki_der_compare(const void *a, const void *b)
{
    const est_slice_t *x = a, *y = b;
    int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static est_err_t *walk_values(walk_t *walk, est_slice_t in, int depth, int sorted)
{
    est_slice_t previous = {NULL, 0};

    while (in.n > 0) {
        const unsigned char *at = in.p;
        pki_der_t v;

        if (depth > PKI_DER_MAX_DEPTH)
            return flaw(walk, at, "nested too deep");
        if (++walk->elements > PKI_DER_MAX_ELEMENTS)
            return flaw(walk, at, "too many values");
        if (!pki_der_next(&in, &v))
            return flaw(walk, at, "identifier or length that is not DER");
        if (!has_right_form(v.tag))
            return flaw(walk, at, "constructed and primitive form confused");
        if (sorted && previous.p && pki_der_compare(&previous, &v.whole) > 0)
            return flaw(walk, at, "SET OF that is not sorted");
        previous = v.whole;
        if (v.tag & CONSTRUCTED) {
            EST_TRY(walk_values(walk, v.body, depth + 1, v.tag == PKI_DER_SET));
        } else {
            const char *what = primitive_flaw(&v);

            if (what)
                return flaw(walk, at, what);
        }
    }
    return NULL;
}

est_err_t *pki_der_check(est_slice_t in, apr_pool_t *pool)
{
    walk_t walk = {in.p, 0, pool};
    est_slice_t rest = in;
    pki_der_t top;

    if (!pki_der_next(&rest, &top))
        return flaw(&walk, in.p, in.n ? "identifier or length that is not DER" : "nothing");
    if (rest.n)
        return flaw(&walk, rest.p, "trailing octets");
    return walk_values(&walk, in, 1, 0);
}

struct pki_der_out_t {
    apr_pool_t *pool;
    unsigned char *buf;
    apr_size_t size, used; /* used octets stand at the end of buf */
};

pki_der_out_t *pki_der_out_make(apr_size_t hint, apr_pool_t *pool)
{
    pki_der_out_t *out = apr_pcalloc(pool, sizeof(*out));

    out->pool = pool;
    out->size = hint < 32 ? 32 : hint;
    out->buf = apr_palloc(pool, out->size);
    return out;
}

/* Room for n octets in front, counted as used */
static unsigned char *reserve(pki_der_out_t *out, apr_size_t n)
{
    if (out->size - out->used < n) {
        apr_size_t size = out->size * 2 + n;
        unsigned char *buf = apr_palloc(out->pool, size);

        memcpy(buf + size - out->used, out->buf + out->size - out->used, out->used);
        out->buf = buf;
        out->size = size;
    }
    out->used += n;
    return out->buf + out->size - out->used;
}

void pki_der_put(pki_der_out_t *out, est_slice_t octets)
{
    if (octets.n)
        memcpy(reserve(out, octets.n), octets.p, octets.n);
}

apr_size_t pki_der_mark(const pki_der_out_t *out)
{
    return out->used;
}

void pki_der_wrap(pki_der_out_t *out, unsigned tag, apr_size_t mark)
{
    apr_size_t len = out->used - mark;

    if (len < 0x80) {
        *reserve(out, 1) = (unsigned char)len;
    } else {
        unsigned char octets = 0;

        for (; len; len >>= 8, octets++)
            *reserve(out, 1) = (unsigned char)len;
        *reserve(out, 1) = 0x80 | octets;
    }
    *reserve(out, 1) = (unsigned char)tag;
}

void pki_der_put_value(pki_der_out_t *out, unsigned tag, est_slice_t contents)
{
    apr_size_t mark = pki_der_mark(out);

    pki_der_put(out, contents);
    pki_der_wrap(out, tag, mark);
}

void pki_der_put_bits(pki_der_out_t *out, est_slice_t octets)
{
    apr_size_t mark = pki_der_mark(out);

    pki_der_put(out, octets);
    *reserve(out, 1) = 0;
    pki_der_wrap(out, PKI_DER_BIT_STRING, mark);
}

est_slice_t pki_der_result(const pki_der_out_t *out)
{
    return est_slice(out->buf + out->size - out->used, out->used);
}

/* Wide enough for 2.25.{UUID} (X.667), the longest arcs there are */
__extension__ typedef unsigned __int128 arc_t;
#define ARC_MAX (~(arc_t)0)

static int read_arc(const char **text, arc_t *arc)
{
    const char *p = *text;

    if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9'))
        return 0;
    for (*arc = 0; *p >= '0' && *p <= '9'; p++) {
        unsigned digit = (unsigned)(*p - '0');

        if (*arc > (ARC_MAX - digit - 80) / 10) /* 80: room for what the first subidentifier adds */
            return 0;
        *arc = *arc * 10 + digit;
    }
    *text = p;
    return 1;
}

static void put_subidentifier(pki_der_out_t *out, arc_t arc)
{
    *reserve(out, 1) = (unsigned char)(arc & 0x7f);
    while (arc >>= 7)
        *reserve(out, 1) = (unsigned char)(0x80 | (arc & 0x7f));
}

#define MAX_ARCS 32

est_slice_t pki_oid_from_text(const char *text, apr_pool_t *pool)
{
    const est_slice_t none = {NULL, 0};
    arc_t arcs[MAX_ARCS];
    int n = 0;

    for (;;) {
        if (n == MAX_ARCS || !read_arc(&text, &arcs[n]))
            return none;
        n++;
        if (*text == '\0')
            break;
        if (*text++ != '.')
            return none;
    }
    if (n < 2 || arcs[0] > 2 || (arcs[0] < 2 && arcs[1] > 39))
        return none;

    pki_der_out_t *out = pki_der_out_make(32, pool);
    for (int i = n - 1; i > 1; i--)
        put_subidentifier(out, arcs[i]);
    put_subidentifier(out, arcs[0] * 40 + arcs[1]);
    return pki_der_result(out);
}

/* Decimal digits of arc, ending before end */
static char *arc_digits(char *end, arc_t arc)
{
    do {
        *--end = (char)('0' + (int)(arc % 10));
    } while (arc /= 10);
    return end;
}

const char *pki_oid_to_text(est_slice_t oid, apr_pool_t *pool)
{
    if (!is_oid(oid))
        return NULL;
    /* an octet carries 7 bits, that is at most three digits and a dot; the first subidentifier becomes two arcs */
    char *text = apr_palloc(pool, oid.n * 4 + 4), *w = text;
    char digits[40], *digits_end = digits + sizeof(digits);
    arc_t arc = 0;
    int first = 1;
    for (apr_size_t i = 0; i < oid.n; i++) {
        if (arc > ARC_MAX >> 7)
            return NULL;
        arc = arc << 7 | (oid.p[i] & 0x7f);
        if (oid.p[i] & 0x80)
            continue;
        if (first) {
            unsigned top = arc < 40 ? 0 : arc < 80 ? 1 : 2;

            *w++ = (char)('0' + (int)top);
            arc -= top * 40;
            first = 0;
        }
        *w++ = '.';
        const char *d = arc_digits(digits_end, arc);
        memcpy(w, d, (apr_size_t)(digits_end - d));
        w += digits_end - d;
        arc = 0;
    }
    *w = '\0';
    return text;
}
