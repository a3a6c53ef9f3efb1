/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_certhdr.h"

#include "pki_der.h"
#include "pki_ossl.h"

#include <string.h>

#include <openssl/err.h>

/* The certificates of a header in their order; the leaf is the first */
typedef struct {
    X509 *leaf;
    STACK_OF(X509) *chain;
    apr_pool_t *pool;
} reader_t;

static est_err_t *reader_make(reader_t *out, apr_pool_t *pool)
{
    STACK_OF(X509) *chain = sk_X509_new_null();

    if (!chain)
        return EST_FAIL(pool, internal, "client certificate header: %s", pki_ossl_reason(pool));
    out->leaf = NULL;
    out->chain = pki_ossl_own_certs(chain, pool);
    out->pool = pool;
    return NULL;
}

static int count_of(const reader_t *reader)
{
    return (reader->leaf != NULL) + sk_X509_num(reader->chain);
}

/* ---- one certificate */

static est_err_t *parse(X509 **out, est_slice_t der, int number, apr_pool_t *pool)
{
    const unsigned char *p = der.p;
    est_err_t *err = pki_der_check(der, pool);

    if (err)
        return EST_FAIL(pool, proxy_certificate, "certificate %d: %s", number, est_err_text(err));
    *out = d2i_X509(NULL, &p, (long)der.n);
    if (*out && p == der.p + der.n)
        return NULL;
    X509_free(*out);
    return EST_FAIL(pool, proxy_certificate, "certificate %d is none: %s", number, pki_ossl_reason(pool));
}

static est_err_t *add_base64(reader_t *reader, est_slice_t base64)
{
    int number = count_of(reader) + 1;
    est_slice_t der;
    X509 *cert;

    if (number > PKI_CERTHDR_MAX_CHAIN + 1)
        return EST_FAIL(reader->pool, proxy_certificate, "more than %d issuers", PKI_CERTHDR_MAX_CHAIN);
    est_err_t *err = est_base64_decode(&der, base64, reader->pool);
    if (err)
        return EST_FAIL(reader->pool, proxy_certificate, "certificate %d: %s", number, est_err_text(err));
    EST_TRY(parse(&cert, der, number, reader->pool));
    if (!reader->leaf) {
        reader->leaf = pki_ossl_own_x509(cert, reader->pool);
    } else if (!sk_X509_push(reader->chain, cert)) {
        X509_free(cert);
        return EST_FAIL(reader->pool, internal, "client certificate header: %s", pki_ossl_reason(reader->pool));
    }
    return NULL;
}

/* ---- text */

static int is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void advance(est_slice_t *in, apr_size_t n)
{
    in->p += n;
    in->n -= n;
}

static void skip_blanks(est_slice_t *in)
{
    while (in->n && is_blank(*in->p))
        advance(in, 1);
}

static int take(est_slice_t *in, char c)
{
    if (!in->n || *in->p != (unsigned char)c)
        return 0;
    advance(in, 1);
    return 1;
}

/* Everything in front of the first c, or all; *in stands there then */
static est_slice_t take_until(est_slice_t *in, char c)
{
    const unsigned char *end = in->n ? memchr(in->p, c, in->n) : NULL;
    est_slice_t part = est_slice(in->p, end ? (apr_size_t)(end - in->p) : in->n);

    advance(in, part.n);
    return part;
}

/* ---- RFC 9440 */

static est_err_t *take_byte_sequence(reader_t *reader, est_slice_t *in)
{
    if (!take(in, ':'))
        return EST_FAIL(reader->pool, proxy_certificate, "a certificate does not begin with a colon");
    est_slice_t base64 = take_until(in, ':');
    if (!take(in, ':'))
        return EST_FAIL(reader->pool, proxy_certificate, "a certificate does not end with a colon");
    for (apr_size_t i = 0; i < base64.n; i++) { /* which est_base64_decode would pass over */
        if (is_blank(base64.p[i]))
            return EST_FAIL(reader->pool, proxy_certificate, "blank in a Byte Sequence");
    }
    return add_base64(reader, base64);
}

static est_err_t *read_rfc9440_chain(reader_t *reader, est_slice_t in)
{
    do {
        skip_blanks(&in);
        EST_TRY(take_byte_sequence(reader, &in));
        skip_blanks(&in);
    } while (take(&in, ','));
    if (in.n)
        return EST_FAIL(reader->pool, proxy_certificate, "something behind the chain");
    return NULL;
}

static est_err_t *read_rfc9440(reader_t *reader, est_slice_t in)
{
    EST_TRY(take_byte_sequence(reader, &in));
    if (in.n)
        return EST_FAIL(reader->pool, proxy_certificate, "something behind the certificate");
    return NULL;
}

/* ---- PEM */

static est_err_t *percent_decode(est_slice_t *out, est_slice_t in, apr_pool_t *pool)
{
    unsigned char *buf = apr_palloc(pool, in.n + 1), *w = buf;

    while (in.n) {
        if (*in.p == '%') {
            int high = in.n >= 3 ? est_hex_value((char)in.p[1]) : -1;
            int low = in.n >= 3 ? est_hex_value((char)in.p[2]) : -1;

            if (high < 0 || low < 0)
                return EST_FAIL(pool, proxy_certificate, "\"%%\" without two hexadecimal digits");
            *w++ = (unsigned char)(high << 4 | low);
            advance(&in, 3);
        } else {
            *w++ = *in.p;
            advance(&in, 1);
        }
    }
    *out = est_slice(buf, (apr_size_t)(w - buf));
    return NULL;
}

/* A web server makes two headers of one name into one, with a comma and a blank between them (RFC 9110 5.3). One of
 * them would be the client's, that the proxy did not take away. */
static est_err_t *check_commas(est_slice_t in, apr_pool_t *pool)
{
    for (apr_size_t i = 1; i < in.n; i++) {
        if (in.p[i - 1] == ',' && is_blank(in.p[i]))
            return EST_FAIL(pool, proxy_certificate, "two headers of this name");
    }
    return NULL;
}

static int take_armour(est_slice_t *in, const char *armour)
{
    apr_size_t n = strlen(armour);

    if (in->n < n)
        return 0;
    for (apr_size_t i = 0; i < n; i++) {
        char c = (char)in->p[i];

        if (c != armour[i] && !(c == '+' && armour[i] == ' '))
            return 0;
    }
    advance(in, n);
    return 1;
}

static est_err_t *read_armoured(reader_t *reader, est_slice_t in)
{
    while (in.n) {
        if (!take_armour(&in, "-----BEGIN CERTIFICATE-----"))
            return EST_FAIL(reader->pool, proxy_certificate, "BEGIN CERTIFICATE expected");
        est_slice_t base64 = take_until(&in, '-');
        if (!take_armour(&in, "-----END CERTIFICATE-----"))
            return EST_FAIL(reader->pool, proxy_certificate, "END CERTIFICATE expected");
        EST_TRY(add_base64(reader, base64));
        skip_blanks(&in);
        if (take(&in, ',') && !in.n)
            return EST_FAIL(reader->pool, proxy_certificate, "nothing behind the last comma");
    }
    return NULL;
}

static est_err_t *read_pem(reader_t *reader, est_slice_t value)
{
    est_slice_t in;

    EST_TRY(percent_decode(&in, value, reader->pool));
    EST_TRY(check_commas(in, reader->pool));
    skip_blanks(&in);
    if (in.n && *in.p == '-')
        return read_armoured(reader, in);
    do
        EST_TRY(add_base64(reader, take_until(&in, ',')));
    while (take(&in, ','));
    return NULL;
}

/* ---- X-Forwarded-Client-Cert */

/* The two values of an element that count, as they stand there; p NULL = not there */
typedef struct {
    est_slice_t cert, chain;
} element_t;

/* Up to the closing quotation mark. A backslash takes the next character with it, be that a quotation mark of Envoy's
 * or a comma of the subject's own notation. */
static int take_quoted(est_slice_t *out, est_slice_t *in)
{
    const unsigned char *start = in->p;

    while (in->n && *in->p != '"')
        advance(in, *in->p == '\\' && in->n > 1 ? 2 : 1);
    *out = est_slice(start, (apr_size_t)(in->p - start));
    return take(in, '"');
}

static int take_value(est_slice_t *out, est_slice_t *in)
{
    const unsigned char *start = in->p;

    if (take(in, '"'))
        return take_quoted(out, in);
    while (in->n && *in->p != ',' && *in->p != ';' && *in->p != '"')
        advance(in, 1);
    *out = est_slice(start, (apr_size_t)(in->p - start));
    return !in->n || *in->p != '"';
}

static int is_key(est_slice_t key, const char *name)
{
    return key.n == strlen(name) && strncasecmp((const char *)key.p, name, key.n) == 0;
}

static est_err_t *take_pair(element_t *element, est_slice_t *in, apr_pool_t *pool)
{
    est_slice_t key = take_until(in, '='), value, *kept;

    for (apr_size_t i = 0; i < key.n; i++) {
        if (key.p[i] == ',' || key.p[i] == ';' || key.p[i] == '"')
            return EST_FAIL(pool, proxy_certificate, "key without a value");
    }
    if (!key.n || !take(in, '='))
        return EST_FAIL(pool, proxy_certificate, "key and \"=\" expected");
    if (!take_value(&value, in))
        return EST_FAIL(pool, proxy_certificate, "quotation marks do not match");
    kept = is_key(key, "Cert") ? &element->cert : is_key(key, "Chain") ? &element->chain : NULL;
    if (kept && kept->p)
        return EST_FAIL(pool, proxy_certificate, "a key that counts stands twice in one element");
    if (kept)
        *kept = value;
    return NULL;
}

/* All are read, since only so the last one is found */
static est_err_t *last_element(element_t *out, est_slice_t in, apr_pool_t *pool)
{
    do {
        memset(out, 0, sizeof(*out));
        if (in.n && is_blank(*in.p))
            return EST_FAIL(pool, proxy_certificate, "blank in front of an element: two headers of this name");
        do
            EST_TRY(take_pair(out, &in, pool));
        while (take(&in, ';'));
    } while (take(&in, ','));
    if (in.n)
        return EST_FAIL(pool, proxy_certificate, "comma or semicolon expected behind a value");
    return NULL;
}

static est_err_t *read_xfcc(reader_t *reader, est_slice_t in)
{
    element_t element;
    reader_t alone;

    EST_TRY(last_element(&element, in, reader->pool));
    if (!element.cert.p && !element.chain.p)
        return EST_FAIL(reader->pool, proxy_certificate, "the last element has neither Cert nor Chain");
    if (!element.chain.p || !element.cert.p) {
        EST_TRY(read_pem(reader, element.chain.p ? element.chain : element.cert));
    } else {
        EST_TRY(reader_make(&alone, reader->pool));
        EST_TRY(read_pem(&alone, element.cert));
        EST_TRY(read_pem(reader, element.chain));
        int differ = count_of(&alone) != 1 || X509_cmp(alone.leaf, reader->leaf) != 0;
        ERR_clear_error(); /* it reads the extensions, too */
        if (differ)
            return EST_FAIL(reader->pool, proxy_certificate, "Chain does not begin with Cert");
    }
    if (!element.chain.p && count_of(reader) != 1)
        return EST_FAIL(reader->pool, proxy_certificate, "Cert holds %d certificates", count_of(reader));
    return NULL;
}

/* ---- */

static est_err_t *read_form(reader_t *reader, pki_certhdr_form_t form, est_slice_t value)
{
    switch (form) {
    case PKI_CERTHDR_RFC9440:
        return read_rfc9440(reader, value);
    case PKI_CERTHDR_PEM:
        return read_pem(reader, value);
    case PKI_CERTHDR_XFCC:
        return read_xfcc(reader, value);
    }
    return EST_FAIL(reader->pool, internal, "form %d of a client certificate header", (int)form);
}

est_err_t *pki_certhdr_decode(X509 **leaf, STACK_OF(X509) **chain, pki_certhdr_form_t form, const char *value,
                              const char *chain_value, apr_pool_t *pool)
{
    est_slice_t chain_in = est_slice_of(chain_value ? chain_value : "");
    reader_t reader;

    if (strlen(value) > PKI_CERTHDR_MAX_SIZE || chain_in.n > PKI_CERTHDR_MAX_SIZE)
        return EST_FAIL(pool, proxy_certificate, "longer than %d octets", PKI_CERTHDR_MAX_SIZE);
    if (!*value)
        return EST_FAIL(pool, proxy_certificate, "empty; without a certificate no header is to be sent");
    if (chain_value && form != PKI_CERTHDR_RFC9440)
        return EST_FAIL(pool, proxy_certificate, "this form has no second header for the chain");
    EST_TRY(reader_make(&reader, pool));
    EST_TRY(read_form(&reader, form, est_slice_of(value)));
    if (chain_value)
        EST_TRY(read_rfc9440_chain(&reader, chain_in));
    *leaf = reader.leaf;
    *chain = reader.chain;
    return NULL;
}
