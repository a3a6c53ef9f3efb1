/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_san.h"

#include "pki_der.h"
#include "pki_name.h"
#include "pki_san_syntax.h"
#include "pki_text.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include <apr_lib.h>
#include <apr_strings.h>

const est_slice_t pki_san_oid = PKI_OID("\x55\x1d\x11");

/* GeneralName, RFC 5280 4.2.1.6:
 *   otherName [0] AnotherName, rfc822Name [1] IA5String, dNSName [2] IA5String, x400Address [3], directoryName [4]
 * Name, ediPartyName [5], uniformResourceIdentifier [6] IA5String, iPAddress [7] OCTET STRING, registeredID [8] OBJECT
 * IDENTIFIER */
enum {
    TAG_OTHER = PKI_DER_CONTEXT_CONSTRUCTED(0),
    TAG_EMAIL = PKI_DER_CONTEXT(1),
    TAG_DNS = PKI_DER_CONTEXT(2),
    TAG_X400 = PKI_DER_CONTEXT_CONSTRUCTED(3),
    TAG_DIRNAME = PKI_DER_CONTEXT_CONSTRUCTED(4),
    TAG_EDI = PKI_DER_CONTEXT_CONSTRUCTED(5),
    TAG_URI = PKI_DER_CONTEXT(6),
    TAG_IP = PKI_DER_CONTEXT(7),
    TAG_RID = PKI_DER_CONTEXT(8)
};

static const char *const type_names[] = {
    [PKI_SAN_DNS] = "dns",     [PKI_SAN_IP] = "ip",           [PKI_SAN_URI] = "uri",
    [PKI_SAN_EMAIL] = "email", [PKI_SAN_DIRNAME] = "dirname", [PKI_SAN_OTHER] = "other",
    [PKI_SAN_RID] = "rid",     [PKI_SAN_X400] = "x400",       [PKI_SAN_EDI] = "edi",
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

/* An IA5String by X.680; more than ASCII is left to pki_san_check, so that what others have issued can be read */
static est_err_t *decode_text(pki_san_t *san, pki_san_type_t type, est_slice_t body, apr_pool_t *pool)
{
    const char *flaw = pki_text_flaw((const char *)body.p, body.n);

    if (flaw)
        return EST_FAIL(pool, name_invalid, "subjectAltName %s \"%s\": %s", type_names[type],
                        est_escape(body, 64, pool), flaw);
    san->type = type;
    san->value = apr_pstrmemdup(pool, (const char *)body.p, body.n);
    if (type == PKI_SAN_DNS) {
        san->value = lower(body, pool);
        san->der = encode_lower_dns(san->value, pool);
    }
    return NULL;
}

static est_err_t *decode_name(pki_san_t *san, const pki_der_t *v, apr_pool_t *pool)
{
    const char *flaw = NULL;

    san->der = v->whole;
    switch (v->tag) {
    case TAG_DNS:
        return decode_text(san, PKI_SAN_DNS, v->body, pool);
    case TAG_URI:
        return decode_text(san, PKI_SAN_URI, v->body, pool);
    case TAG_EMAIL:
        return decode_text(san, PKI_SAN_EMAIL, v->body, pool);
    case TAG_IP:
        san->type = PKI_SAN_IP;
        flaw = decode_ip(san, v->body, pool);
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
    case TAG_X400:
    case TAG_EDI:
        san->type = v->tag == TAG_X400 ? PKI_SAN_X400 : PKI_SAN_EDI;
        san->value = "?";
        break;
    default:
        return EST_FAIL(pool, name_invalid, "subjectAltName of a type that is not known (tag 0x%02x)", v->tag);
    }
    return flaw ? EST_FAIL(pool, name_invalid, "subjectAltName %s: %s", type_names[san->type], flaw) : NULL;
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

est_err_t *pki_san_check(const pki_sans_t *sans, apr_pool_t *pool)
{
    for (int i = 0; i < sans->n_names; i++) {
        const pki_san_t *san = &sans->names[i];
        const char *flaw = pki_san_syntax_flaw(san);

        if (flaw)
            return EST_FAIL(pool, name_invalid, "subjectAltName %s \"%s\": %s", type_names[san->type],
                            est_escape(est_slice_of(san->value), 64, pool), flaw);
    }
    return NULL;
}

est_err_t *pki_san_make(pki_san_t *out, pki_san_type_t type, const char *text, apr_pool_t *pool)
{
    unsigned char address[16];
    est_slice_t octets = est_slice_of(text);
    pki_der_out_t *der;
    pki_sans_t sans;
    unsigned tag = 0;

    if (type == PKI_SAN_IP) {
        int is_v4 = inet_pton(AF_INET, text, address) == 1;

        if (!is_v4 && inet_pton(AF_INET6, text, address) != 1)
            return EST_FAIL(pool, name_invalid, "subjectAltName ip \"%s\": no address", text);
        octets = est_slice(address, is_v4 ? 4 : 16);
        tag = TAG_IP;
    } else if (type == PKI_SAN_DNS) {
        tag = TAG_DNS;
    } else if (type == PKI_SAN_URI) {
        tag = TAG_URI;
    } else if (type == PKI_SAN_EMAIL) {
        tag = TAG_EMAIL;
    }
    if (!tag)
        return EST_FAIL(pool, name_invalid, "this type of subjectAltName is made of no text");
    der = pki_der_out_make(octets.n + 16, pool);
    pki_der_put_value(der, tag, octets);
    pki_der_wrap(der, PKI_DER_SEQUENCE, 0);
    EST_TRY(pki_san_decode(&sans, pki_der_result(der), pool));
    EST_TRY(pki_san_check(&sans, pool));
    *out = sans.names[0];
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

int pki_san_same(const pki_san_t *a, const pki_san_t *b)
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
        est_slice_t host = pki_san_syntax_authority(est_slice(a->value, n));
        return host.n && equal_fold(a->value, b->value, 0, (apr_size_t)((const char *)host.p - a->value) + host.n);
    case PKI_SAN_DIRNAME:
        return equal_dirnames(a->der, b->der);
    case PKI_SAN_DNS:
    case PKI_SAN_IP:
    case PKI_SAN_OTHER:
    case PKI_SAN_RID:
    case PKI_SAN_X400:
    case PKI_SAN_EDI:
        break;
    }
    return 0;
}

int pki_san_subset(const pki_sans_t *a, const pki_sans_t *b)
{
    for (int i = 0; i < a->n_names; i++) {
        int found = 0;

        for (int j = 0; j < b->n_names && !found; j++)
            found = pki_san_same(&a->names[i], &b->names[j]);
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
