/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_san.h"

#include "pki_der.h"
#include "pki_name.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include <apr_lib.h>
#include <apr_strings.h>

#define DNS_MAX 253
#define LABEL_MAX 63
#define LOCAL_PART_MAX 64
#define URI_MAX 2048

const est_slice_t pki_san_oid = PKI_OID("\x55\x1d\x11");

/* GeneralName, RFC 5280 4.2.1.6:
 *   otherName [0] AnotherName, rfc822Name [1] IA5String, dNSName [2] IA5String, x400Address [3], directoryName [4]
 * Name, ediPartyName [5], uniformResourceIdentifier [6] IA5String, iPAddress [7] OCTET STRING, registeredID [8] OBJECT
 * IDENTIFIER */
enum {
    TAG_OTHER = PKI_DER_CONTEXT_CONSTRUCTED(0),
    TAG_EMAIL = PKI_DER_CONTEXT(1),
    TAG_DNS = PKI_DER_CONTEXT(2),
    TAG_DIRNAME = PKI_DER_CONTEXT_CONSTRUCTED(4),
    TAG_URI = PKI_DER_CONTEXT(6),
    TAG_IP = PKI_DER_CONTEXT(7),
    TAG_RID = PKI_DER_CONTEXT(8)
};

static const char *const type_names[] = {
    [PKI_SAN_DNS] = "dns",         [PKI_SAN_IP] = "ip",       [PKI_SAN_URI] = "uri", [PKI_SAN_EMAIL] = "email",
    [PKI_SAN_DIRNAME] = "dirname", [PKI_SAN_OTHER] = "other", [PKI_SAN_RID] = "rid",
};
#define N_TYPES ((int)(sizeof(type_names) / sizeof(type_names[0])))

const char *pki_san_type_name(pki_san_type_t type)
{
    return type_names[type];
}

int pki_san_type_from_name(const char *name)
{
    for (int i = 0; i < N_TYPES; i++) {
        if (strcmp(type_names[i], name) == 0)
            return i;
    }
    return -1;
}

/* ---- Syntax ---- */

static int is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Does what follows "xn--" decode (RFC 3492 6.2) to something that is not plain ASCII? */
static int is_punycode(const unsigned char *p, apr_size_t n)
{
    enum { BASE = 36, TMIN = 1, TMAX = 26, SKEW = 38, DAMP = 700 };
    const unsigned limit = 0x110000 * (LABEL_MAX + 1); /* no valid label gets beyond; far from overflow */
    unsigned code = 0x80, i = 0, bias = 72, chars = 0;
    apr_size_t at = 0;
    for (apr_size_t j = n; j-- > 0;) {
        if (p[j] == '-') {
            chars = (unsigned)j;
            at = j + 1;
            break;
        }
    }
    if (at == n)
        return 0;
    while (at < n) {
        unsigned before = i, weight = 1;

        for (unsigned k = BASE;; k += BASE) {
            if (at == n)
                return 0;
            unsigned char c = p[at++];
            unsigned digit = c >= '0' && c <= '9' ? c - '0' + 26u : (c | 0x20u) - 'a';
            if (digit >= BASE || weight > limit || i + digit * weight > limit)
                return 0;
            i += digit * weight;
            unsigned t = k <= bias ? TMIN : k >= bias + TMAX ? TMAX : k - bias;
            if (digit < t)
                break;
            weight *= BASE - t;
        }
        chars++;
        unsigned delta = before ? (i - before) / 2 : i / DAMP;
        delta += delta / chars;
        for (bias = 0; delta > (BASE - TMIN) * TMAX / 2; bias += BASE)
            delta /= BASE - TMIN;
        bias += (BASE - TMIN + 1) * delta / (delta + SKEW);
        code += i / chars;
        i = i % chars + 1;
        if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return 0;
    }
    return 1;
}

static const char *label_flaw(const unsigned char *p, apr_size_t n)
{
    if (n == 0)
        return "empty label";
    if (n > LABEL_MAX)
        return "label of more than 63 characters";
    for (apr_size_t i = 0; i < n; i++) {
        if (!is_alnum(p[i]) && p[i] != '-')
            return "character other than letter, digit and hyphen";
    }
    if (p[0] == '-' || p[n - 1] == '-')
        return "label that starts or ends with a hyphen";
    if (n > 4 && strncasecmp((const char *)p, "xn--", 4) == 0 && !is_punycode(p + 4, n - 4))
        return "A-label that is not Punycode";
    return NULL;
}

static int is_numeric(const unsigned char *p, apr_size_t n)
{
    while (n > 0 && apr_isdigit(p[n - 1]))
        n--;
    return n == 0;
}

/* RFC 5280 4.2.1.6, RFC 1034 3.5 as changed by RFC 1123 2.1 */
static const char *dns_flaw(est_slice_t s, int wildcard_allowed)
{
    if (s.n == 0)
        return "empty";
    if (s.n > DNS_MAX)
        return "more than 253 characters";
    const unsigned char *p = s.p, *end = s.p + s.n;
    if (wildcard_allowed && s.n > 2 && p[0] == '*' && p[1] == '.')
        p += 2;
    for (;;) {
        const unsigned char *dot = memchr(p, '.', (apr_size_t)(end - p));
        apr_size_t n = (apr_size_t)((dot ? dot : end) - p);
        const char *flaw = label_flaw(p, n);

        if (flaw)
            return flaw;
        if (!dot) /* no top-level domain is a number: this would be read as an address (RFC 3696 2) */
            return is_numeric(p, n) ? "IP address" : NULL;
        p = dot + 1;
    }
}

/* Dot-string "@" domain of RFC 5321 4.1.2, in ASCII */
static const char *email_flaw(est_slice_t s)
{
    const unsigned char *at = s.n ? memchr(s.p, '@', s.n) : NULL;

    if (!at)
        return "no @";
    apr_size_t local = (apr_size_t)(at - s.p);
    if (local == 0 || local > LOCAL_PART_MAX)
        return "local part empty or of more than 64 characters";
    for (apr_size_t i = 0; i < local; i++) {
        unsigned char c = s.p[i];

        if (c == '.' ? i == 0 || i == local - 1 || s.p[i - 1] == '.'
                     : !is_alnum(c) && (c == 0 || !strchr("!#$%&'*+-/=?^_`{|}~", c)))
            return "bad character in the local part";
    }
    return dns_flaw(est_slice(at + 1, s.n - local - 1), 0);
}

/* scheme "://" of RFC 3986 3.1; its length, or 0 */
static apr_size_t scheme_length(est_slice_t s)
{
    apr_size_t n = 0;

    while (n < s.n && (is_alnum(s.p[n]) || (n > 0 && s.p[n] && strchr("+-.", s.p[n]))))
        n++;
    if (n == 0 || apr_isdigit(s.p[0]) || s.n - n < 3 || memcmp(s.p + n, "://", 3) != 0)
        return 0;
    return n + 3;
}

/* The authority of an absolute URI: from behind "://" to the first of "/?#" */
static est_slice_t authority_of(est_slice_t uri)
{
    apr_size_t start = scheme_length(uri), end = start;

    while (end < uri.n && !(uri.p[end] == '/' || uri.p[end] == '?' || uri.p[end] == '#'))
        end++;
    return est_slice(uri.p + start, end - start);
}

static int is_ip_text(int family, const unsigned char *p, apr_size_t n)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];

    if (n >= sizeof(text))
        return 0;
    memcpy(text, p, n);
    text[n] = '\0';
    return inet_pton(family, text, address) == 1;
}

static const char *host_flaw(est_slice_t authority)
{
    const unsigned char *p = authority.p, *end = p + authority.n, *colon;

    if (authority.n == 0)
        return "no host";
    if (memchr(p, '@', authority.n))
        return "user information";
    if (*p == '[') {
        const unsigned char *close = memchr(p, ']', authority.n);

        if (!close || !is_ip_text(AF_INET6, p + 1, (apr_size_t)(close - p - 1)))
            return "malformed IPv6 host";
        if (close + 1 == end)
            return NULL;
        colon = close + 1;
        if (*colon != ':')
            return "malformed host";
    } else {
        colon = memchr(p, ':', authority.n);
        est_slice_t host = est_slice(p, (apr_size_t)((colon ? colon : end) - p));
        const char *flaw = is_ip_text(AF_INET, host.p, host.n) ? NULL : dns_flaw(host, 0);
        if (flaw || !colon)
            return flaw;
    }
    apr_size_t digits = (apr_size_t)(end - colon - 1);
    return digits > 5 || !is_numeric(colon + 1, digits) ? "malformed port" : NULL;
}

static const char *uri_flaw(est_slice_t s)
{
    if (s.n > URI_MAX)
        return "more than 2048 characters";
    for (apr_size_t i = 0; i < s.n; i++) {
        unsigned char c = s.p[i];

        if (c <= 0x20 || c >= 0x7f || strchr("\"<>\\^`{|}", c))
            return "character that a URI cannot have";
        if (c == '%' && (s.n - i < 3 || !apr_isxdigit(s.p[i + 1]) || !apr_isxdigit(s.p[i + 2])))
            return "malformed percent-encoding";
    }
    if (scheme_length(s) == 0)
        return "not absolute with a scheme and a host";
    return host_flaw(authority_of(s));
}

/* ---- Decoding ---- */

static const char *lower(est_slice_t s, apr_pool_t *pool)
{
    char *text = apr_pstrmemdup(pool, (const char *)s.p, s.n);

    for (char *p = text; *p; p++)
        *p = (char)apr_tolower(*p);
    return text;
}

static est_slice_t encode_lower_dns(const char *value, apr_pool_t *pool)
{
    apr_size_t n = strlen(value);
    pki_der_out_t *out = pki_der_out_make(n + 4, pool);

    pki_der_put_value(out, TAG_DNS, est_slice(value, n));
    return pki_der_result(out);
}

static const char *decode_ip(pki_san_t *san, est_slice_t body, apr_pool_t *pool)
{
    char text[INET6_ADDRSTRLEN];

    if (body.n != 4 && body.n != 16)
        return "not 4 or 16 octets";
    inet_ntop(body.n == 4 ? AF_INET : AF_INET6, body.p, text, sizeof(text));
    san->value = apr_pstrdup(pool, text);
    return NULL;
}

/* AnotherName ::= SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY } under an implicit tag */
static const char *decode_other(pki_san_t *san, est_slice_t body, apr_pool_t *pool)
{
    pki_der_t oid, value, inner;

    if (!pki_der_take(&body, PKI_DER_OID, &oid) || !pki_der_take(&body, PKI_DER_CONTEXT_CONSTRUCTED(0), &value) ||
        body.n || !pki_der_next(&value.body, &inner) || value.body.n)
        return "malformed";
    san->value = pki_oid_to_text(oid.body, pool);
    return san->value ? NULL : "malformed";
}

static est_err_t *decode_dirname(pki_san_t *san, est_slice_t body, apr_pool_t *pool)
{
    pki_name_t *name;

    EST_TRY(pki_name_decode(&name, body, pool));
    if (name->n_attrs == 0)
        return EST_FAIL(pool, name_invalid, "subjectAltName dirname: empty");
    san->value = name->text;
    return NULL;
}

static est_err_t *decode_name(pki_san_t *san, const pki_der_t *v, apr_pool_t *pool)
{
    const char *flaw = NULL;

    san->der = v->whole;
    switch (v->tag) {
    case TAG_DNS:
        san->type = PKI_SAN_DNS;
        flaw = dns_flaw(v->body, 1);
        break;
    case TAG_IP:
        san->type = PKI_SAN_IP;
        flaw = decode_ip(san, v->body, pool);
        break;
    case TAG_URI:
        san->type = PKI_SAN_URI;
        flaw = uri_flaw(v->body);
        break;
    case TAG_EMAIL:
        san->type = PKI_SAN_EMAIL;
        flaw = email_flaw(v->body);
        break;
    case TAG_DIRNAME:
        san->type = PKI_SAN_DIRNAME;
        return decode_dirname(san, v->body, pool);
    case TAG_OTHER:
        san->type = PKI_SAN_OTHER;
        flaw = decode_other(san, v->body, pool);
        break;
    case TAG_RID:
        san->type = PKI_SAN_RID;
        san->value = pki_oid_to_text(v->body, pool);
        flaw = san->value ? NULL : "malformed";
        break;
    default:
        return EST_FAIL(pool, name_invalid, "subjectAltName of a type that is not supported (tag 0x%02x)", v->tag);
    }
    if (flaw && (san->type == PKI_SAN_DNS || san->type == PKI_SAN_URI || san->type == PKI_SAN_EMAIL))
        return EST_FAIL(pool, name_invalid, "subjectAltName %s \"%s\": %s", type_names[san->type],
                        est_escape(v->body, 64, pool), flaw);
    if (flaw)
        return EST_FAIL(pool, name_invalid, "subjectAltName %s: %s", type_names[san->type], flaw);

    if (san->type == PKI_SAN_DNS) {
        san->value = lower(v->body, pool);
        san->der = encode_lower_dns(san->value, pool);
    } else if (!san->value) {
        san->value = apr_pstrmemdup(pool, (const char *)v->body.p, v->body.n);
    }
    return NULL;
}

est_err_t *pki_san_decode(pki_sans_t *out, est_slice_t der, apr_pool_t *pool)
{
    /* the value of an extension is an OCTET STRING, into which the check of what is around it did not look */
    est_err_t *err = pki_der_check(der, pool);
    pki_der_t list, v;
    if (err)
        return EST_FAIL(pool, name_invalid, "subjectAltName: %s", err->detail);
    if (!pki_der_take(&der, PKI_DER_SEQUENCE, &list))
        return EST_FAIL(pool, name_invalid, "subjectAltName is malformed");

    int n = 0;
    for (est_slice_t rest = list.body; pki_der_next(&rest, &v);)
        n++;
    if (n == 0 || n > PKI_SAN_MAX)
        return EST_FAIL(pool, name_invalid, "subjectAltName with %d names; allowed are 1 to %d", n, PKI_SAN_MAX);
    pki_san_t *names = apr_pcalloc(pool, sizeof(*names) * (apr_size_t)n);
    for (int i = 0; pki_der_next(&list.body, &v); i++)
        EST_TRY(decode_name(&names[i], &v, pool));
    out->names = names;
    out->n_names = n;
    return NULL;
}

/* ---- Comparison ---- */

/* Equal but for the case of the octets from..to */
static int equal_fold(const char *a, const char *b, apr_size_t from, apr_size_t to)
{
    return strncmp(a, b, from) == 0 && strncasecmp(a + from, b + from, to - from) == 0 && strcmp(a + to, b + to) == 0;
}

/* RFC 5280 7.1 */
static int equal_dirnames(est_slice_t a, est_slice_t b)
{
    pki_der_t va, vb;

    if (!pki_der_next(&a, &va) || !pki_der_next(&b, &vb))
        return 0;
    const unsigned char *pa = va.body.p, *pb = vb.body.p;
    X509_NAME *na = d2i_X509_NAME(NULL, &pa, (long)va.body.n), *nb = d2i_X509_NAME(NULL, &pb, (long)vb.body.n);
    int equal = na && nb && X509_NAME_cmp(na, nb) == 0;
    X509_NAME_free(na);
    X509_NAME_free(nb);
    return equal;
}

static int equal(const pki_san_t *a, const pki_san_t *b)
{
    if (a->type != b->type)
        return 0;
    if (est_slice_equal(a->der, b->der))
        return 1;
    apr_size_t n;
    switch (a->type) {
    case PKI_SAN_EMAIL:
        n = strlen(a->value);
        return n == strlen(b->value) && equal_fold(a->value, b->value, strcspn(a->value, "@"), n);
    case PKI_SAN_URI:
        n = strlen(a->value);
        if (n != strlen(b->value))
            return 0;
        est_slice_t host = authority_of(est_slice(a->value, n));
        return equal_fold(a->value, b->value, 0, (apr_size_t)((const char *)host.p - a->value) + host.n);
    case PKI_SAN_DIRNAME:
        return equal_dirnames(a->der, b->der);
    case PKI_SAN_DNS:
    case PKI_SAN_IP:
    case PKI_SAN_OTHER:
    case PKI_SAN_RID:
        break;
    }
    return 0;
}

int pki_san_subset(const pki_sans_t *a, const pki_sans_t *b)
{
    for (int i = 0; i < a->n_names; i++) {
        int found = 0;

        for (int j = 0; j < b->n_names && !found; j++)
            found = equal(&a->names[i], &b->names[j]);
        if (!found)
            return 0;
    }
    return 1;
}

int pki_san_equal(const pki_sans_t *a, const pki_sans_t *b)
{
    return pki_san_subset(a, b) && pki_san_subset(b, a);
}

/* ---- Encoding ---- */

est_slice_t pki_san_encode(const pki_sans_t *sans, apr_pool_t *pool)
{
    apr_size_t size = 8;

    for (int i = 0; i < sans->n_names; i++)
        size += sans->names[i].der.n;
    pki_der_out_t *out = pki_der_out_make(size, pool);
    for (int i = sans->n_names - 1; i >= 0; i--)
        pki_der_put(out, sans->names[i].der);
    pki_der_wrap(out, PKI_DER_SEQUENCE, 0);
    return pki_der_result(out);
}

const char *pki_san_text(const pki_san_t *san, apr_pool_t *pool)
{
    return apr_pstrcat(pool, type_names[san->type], ":", san->value, NULL);
}
