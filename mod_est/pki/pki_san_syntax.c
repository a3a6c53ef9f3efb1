/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_san_syntax.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include <apr_lib.h>
#include <idn2.h>

#define DNS_MAX 253
#define LABEL_MAX 63
#define LOCAL_PART_MAX 64
#define URI_MAX 2048

static int is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* An A-label that RFC 5891 4 would register: it decodes to a U-label in NFC with assigned and allowed characters, in an
 * allowed order, and encodes to itself. All of that changes with Unicode; libidn2 follows it. Lower case. */
static const char *a_label_flaw(const unsigned char *p, apr_size_t n)
{
    unsigned char label[LABEL_MAX + 1];
    unsigned char *result = NULL;

    memcpy(label, p, n);
    label[n] = '\0';
    for (apr_size_t i = 0; i < n; i++)
        label[i] |= label[i] >= 'A' && label[i] <= 'Z' ? 0x20 : 0;
    int rc = idn2_register_u8(NULL, label, &result, 0);
    idn2_free(result);
    switch (rc) {
    case IDN2_OK:
        return NULL;
    case IDN2_NOT_NFC:
        return "A-label of a name that is not in NFC";
    case IDN2_MALLOC: /* nothing was found out: not good */
        return "A-label that could not be checked";
    default:
        return "A-label that is not one of IDNA 2008";
    }
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
    return n >= 4 && strncasecmp((const char *)p, "xn--", 4) == 0 ? a_label_flaw(p, n) : NULL;
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

est_slice_t pki_san_syntax_authority(est_slice_t uri)
{
    apr_size_t start = scheme_length(uri), end = start;

    if (!start)
        return est_slice(uri.p, 0);
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
    return host_flaw(pki_san_syntax_authority(s));
}

/* The unspecified address is nobody's, and an IPv4-mapped one (RFC 4291 2.5.5.2) a second way to write one of IPv4 */
static const char *ip_flaw(const char *text)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    unsigned char address[16];

    if (!strcmp(text, "0.0.0.0") || !strcmp(text, "::"))
        return "unspecified address";
    if (inet_pton(AF_INET6, text, address) == 1 && memcmp(address, mapped, sizeof(mapped)) == 0)
        return "IPv4 address in the form of IPv6";
    return NULL;
}

const char *pki_san_syntax_flaw(const pki_san_t *san)
{
    switch (san->type) {
    case PKI_SAN_DNS:
        return dns_flaw(est_slice_of(san->value), 1);
    case PKI_SAN_IP:
        return ip_flaw(san->value);
    case PKI_SAN_URI:
        return uri_flaw(est_slice_of(san->value));
    case PKI_SAN_EMAIL:
        return email_flaw(est_slice_of(san->value));
    case PKI_SAN_DIRNAME:
    case PKI_SAN_OTHER:
    case PKI_SAN_RID:
    case PKI_SAN_X400:
    case PKI_SAN_EDI:
        break;
    }
    return NULL;
}
