/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_name.h"

#include "pki_der.h"
#include "pki_ossl.h"
#include "pki_text.h"

#include <stdlib.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/objects.h>

/* String types of X.680 that the enumeration of pki_der.h has no use for */
enum { NUMERIC_STRING = 0x12, T61_STRING = 0x14 };

/* ---- Attribute types ---- */

/* Where RFC 5280 has no bound: every value is compared with every pattern */
#define OTHER_MAX 1024

typedef struct {
    int nid;
    est_slice_t oid;
    const char *type;
    int max; /* characters, RFC 5280 appendix A */
    unsigned tag;
} attr_type_t;

#define X520(n) PKI_OID("\x55\x04" n)

/* Those that have a bound or a string type of their own, the frequent ones first; OpenSSL's table knows the rest */
static const attr_type_t attr_types[] = {
    {NID_commonName, X520("\x03"), "CN", 64, PKI_DER_UTF8_STRING},
    {NID_organizationName, X520("\x0a"), "O", 64, PKI_DER_UTF8_STRING},
    {NID_organizationalUnitName, X520("\x0b"), "OU", 64, PKI_DER_UTF8_STRING},
    {NID_countryName, X520("\x06"), "C", 2, PKI_DER_PRINTABLE_STRING},
    {NID_serialNumber, X520("\x05"), "serialNumber", 64, PKI_DER_PRINTABLE_STRING},
    {NID_localityName, X520("\x07"), "L", 128, PKI_DER_UTF8_STRING},
    {NID_stateOrProvinceName, X520("\x08"), "ST", 128, PKI_DER_UTF8_STRING},
    {NID_domainComponent, PKI_OID("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"), "DC", OTHER_MAX, PKI_DER_IA5_STRING},
    {NID_userId, PKI_OID("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01"), "UID", 256, PKI_DER_UTF8_STRING},
    {NID_pkcs9_emailAddress, PKI_OID("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"), "emailAddress", 255, PKI_DER_IA5_STRING},
    {NID_dnQualifier, X520("\x2e"), "dnQualifier", OTHER_MAX, PKI_DER_PRINTABLE_STRING},
    {NID_title, X520("\x0c"), "title", 64, PKI_DER_UTF8_STRING},
    {NID_surname, X520("\x04"), "SN", 32768, PKI_DER_UTF8_STRING},
    {NID_givenName, X520("\x2a"), "GN", 32768, PKI_DER_UTF8_STRING},
    {NID_initials, X520("\x2b"), "initials", 32768, PKI_DER_UTF8_STRING},
    {NID_generationQualifier, X520("\x2c"), "generationQualifier", 32768, PKI_DER_UTF8_STRING},
    {NID_pseudonym, X520("\x41"), "pseudonym", 128, PKI_DER_UTF8_STRING},
    {NID_name, X520("\x29"), "name", 32768, PKI_DER_UTF8_STRING},
};
#define N_ATTR_TYPES (sizeof(attr_types) / sizeof(attr_types[0]))

static const attr_type_t *type_of_oid(est_slice_t oid)
{
    for (apr_size_t i = 0; i < N_ATTR_TYPES; i++) {
        if (est_slice_equal(attr_types[i].oid, oid))
            return &attr_types[i];
    }
    return NULL;
}

/* ---- Characters ---- */

static int count_chars(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += (*s & 0xc0) != 0x80;
    return n;
}

static char *put_char(char *w, unsigned long c)
{
    if (c < 0x80) {
        *w++ = (char)c;
        return w;
    }
    if (c >= 0x10000) {
        *w++ = (char)(0xf0 | c >> 18);
        *w++ = (char)(0x80 | (c >> 12 & 0x3f));
    } else if (c >= 0x800) {
        *w++ = (char)(0xe0 | c >> 12);
    }
    *w++ = (char)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | c >> 6);
    *w++ = (char)(0x80 | (c & 0x3f));
    return w;
}

/* UTF-8 of ISO 8859-1 (width 1), a BMPString (2) or a UniversalString (4); characters that do not exist become ones
 * that pki_text_flaw refuses. NULL when the length is no multiple of width. */
static const char *from_wide(est_slice_t in, apr_size_t width, apr_size_t *len, apr_pool_t *pool)
{
    if (in.n % width)
        return NULL;
    char *buf = apr_palloc(pool, in.n / width * 4 + 1), *w = buf;
    for (apr_size_t i = 0; i < in.n; i += width) {
        unsigned long c = 0;

        for (apr_size_t j = 0; j < width; j++)
            c = c << 8 | in.p[i + j];
        w = put_char(w, c > 0x10ffff ? 0 : c);
    }
    *w = '\0';
    *len = (apr_size_t)(w - buf);
    return buf;
}

static int is_ascii(est_slice_t s)
{
    for (apr_size_t i = 0; i < s.n; i++) {
        if (s.p[i] & 0x80)
            return 0;
    }
    return 1;
}

/* UTF-8 of a string value; NULL when it is none */
static const char *to_utf8(const pki_der_t *v, apr_size_t *len, apr_pool_t *pool)
{
    switch (v->tag) {
    case PKI_DER_PRINTABLE_STRING:
    case PKI_DER_IA5_STRING:
    case NUMERIC_STRING:
        if (!is_ascii(v->body))
            return NULL;
        /* fallthrough */
    case PKI_DER_UTF8_STRING:
        *len = v->body.n;
        return apr_pstrmemdup(pool, (const char *)v->body.p, v->body.n);
    case T61_STRING: /* as OpenSSL, and all CAs that ever wrote it, have it: ISO 8859-1 */
        return from_wide(v->body, 1, len, pool);
    case PKI_DER_BMP_STRING:
        return from_wide(v->body, 2, len, pool);
    case PKI_DER_UNIVERSAL_STRING:
        return from_wide(v->body, 4, len, pool);
    default:
        return NULL;
    }
}

/* ---- Decoding ---- */

static est_err_t *decode_attr(pki_attr_t *attr, pki_der_t *value, est_slice_t *rdn, apr_pool_t *pool)
{
    pki_der_t pair, oid;

    if (!pki_der_take(rdn, PKI_DER_SEQUENCE, &pair) || !pki_der_take(&pair.body, PKI_DER_OID, &oid) ||
        !pki_der_next(&pair.body, value) || pair.body.n)
        return EST_FAIL(pool, name_invalid, "distinguished name is malformed");
    const attr_type_t *type = type_of_oid(oid.body);
    if (type) {
        attr->nid = type->nid;
        attr->type = type->type;
    } else {
        attr->type = pki_oid_to_text(oid.body, pool);
        if (!attr->type)
            return EST_FAIL(pool, name_invalid, "attribute type is malformed");
        attr->nid = OBJ_txt2nid(attr->type);
        if (attr->nid != NID_undef)
            attr->type = OBJ_nid2sn(attr->nid);
    }

    apr_size_t len = 0;
    attr->value = to_utf8(value, &len, pool);
    const char *flaw = !attr->value ? "not a string" : len == 0 ? "empty" : pki_text_flaw(attr->value, len);
    return flaw ? EST_FAIL(pool, name_invalid, "value of %s: %s", attr->type, flaw) : NULL;
}

/* What certificates have and a request must not; NULL */
static const char *type_flaw(const pki_attr_t *attr, const pki_der_t *value)
{
    if (value->tag == T61_STRING && !is_ascii(value->body))
        return "T61String beyond ASCII";
    if (attr->nid == NID_countryName && value->tag != PKI_DER_PRINTABLE_STRING)
        return "countryName that is no PrintableString";
    return NULL;
}

/* OpenSSL's canonical form, which folds the other string types, has no NumericString: such values compare with their
 * tag. Their octets are those of the same UTF8String, which takes their place in a copy. */
static void fold_numeric(unsigned char **copy, est_slice_t der, const pki_der_t *value, apr_pool_t *pool)
{
    if (value->tag != NUMERIC_STRING)
        return;
    if (!*copy)
        *copy = apr_pmemdup(pool, der.p, der.n);
    (*copy)[value->whole.p - der.p] = PKI_DER_UTF8_STRING;
}

/* RFC 2253 2.4 */
static char *put_escaped(char *w, const char *value)
{
    for (const char *s = value; *s; s++) {
        if (strchr(",+\"\\<>;", *s) || (s == value && (*s == '#' || *s == ' ')) || (*s == ' ' && s[1] == '\0'))
            *w++ = '\\';
        *w++ = *s;
    }
    return w;
}

static char *put_text(char *w, const char *text)
{
    apr_size_t n = strlen(text);

    memcpy(w, text, n);
    return w + n;
}

/* RFC 2253: the last RDN first */
static const char *name_text(const pki_attr_t *attrs, int n, apr_pool_t *pool)
{
    apr_size_t size = 1;

    for (int i = 0; i < n; i++)
        size += strlen(attrs[i].type) + 2 * strlen(attrs[i].value) + 2;
    char *buf = apr_palloc(pool, size), *w = buf;
    for (int end = n; end > 0;) {
        int first = end - 1;

        while (first > 0 && attrs[first - 1].rdn == attrs[first].rdn)
            first--;
        for (int i = first; i < end; i++) {
            if (w > buf)
                *w++ = i > first ? '+' : ',';
            w = put_text(w, attrs[i].type);
            *w++ = '=';
            w = put_escaped(w, attrs[i].value);
        }
        end = first;
    }
    *w = '\0';
    return buf;
}

est_err_t *pki_name_decode(pki_name_t **out, est_slice_t der, apr_pool_t *pool)
{
    pki_attr_t attrs[PKI_NAME_MAX_ATTRIBUTES];
    int n = 0, rdn = 0;
    est_slice_t rest = der;
    unsigned char *folded = NULL;
    const char *unfit = NULL;
    pki_der_t name;

    if (!pki_der_take(&rest, PKI_DER_SEQUENCE, &name) || rest.n)
        return EST_FAIL(pool, name_invalid, "distinguished name is malformed");
    for (; name.body.n; rdn++) {
        pki_der_t set, value;

        if (!pki_der_take(&name.body, PKI_DER_SET, &set) || set.body.n == 0)
            return EST_FAIL(pool, name_invalid, "relative distinguished name is malformed or empty");
        while (set.body.n) {
            if (n == PKI_NAME_MAX_ATTRIBUTES)
                return EST_FAIL(pool, name_invalid, "more than %d attributes", PKI_NAME_MAX_ATTRIBUTES);
            EST_TRY(decode_attr(&attrs[n], &value, &set.body, pool));
            unfit = unfit ? unfit : type_flaw(&attrs[n], &value);
            fold_numeric(&folded, der, &value, pool);
            attrs[n++].rdn = rdn;
        }
    }

    pki_name_t *result = apr_pcalloc(pool, sizeof(*result));
    const unsigned char *p = folded ? folded : der.p;
    result->x509 = d2i_X509_NAME(NULL, &p, (long)der.n);
    if (!result->x509)
        return EST_FAIL(pool, name_invalid, "distinguished name: %s", pki_ossl_reason(pool));
    pki_ossl_own_name(result->x509, pool);
    result->der = der;
    result->attrs = n ? apr_pmemdup(pool, attrs, sizeof(attrs[0]) * (apr_size_t)n) : NULL;
    result->n_attrs = n;
    result->unfit = unfit;
    result->text = name_text(attrs, n, pool);
    *out = result;
    return NULL;
}

/* ---- Encoding ---- */

/* X.680 41.4 */
static int is_printable(const char *s)
{
    for (; *s; s++) {
        if (!apr_isalnum(*s) && !strchr(" '()+,-./:=?", *s))
            return 0;
    }
    return 1;
}

static const char *value_flaw(const attr_type_t *type, const char *value)
{
    if (!*value)
        return "empty";
    const char *flaw = pki_text_flaw(value, strlen(value));
    if (flaw)
        return flaw;
    if (count_chars(value) > type->max)
        return "too long";
    if (type->tag == PKI_DER_PRINTABLE_STRING && !is_printable(value))
        return "not a PrintableString";
    if (type->tag == PKI_DER_IA5_STRING && !is_ascii(est_slice_of(value)))
        return "not ASCII";
    if (type->nid == NID_countryName && (!apr_isupper(value[0]) || !apr_isupper(value[1]) || value[2]))
        return "not two upper-case letters";
    return NULL;
}

/* The row for an attribute, or scratch filled for one that has none; NULL when its type is unknown */
static const attr_type_t *type_of_attr(const pki_attr_t *attr, attr_type_t *scratch, apr_pool_t *pool)
{
    int nid = attr->nid;
    est_slice_t oid = {NULL, 0};

    if (nid == NID_undef && attr->type) {
        oid = pki_oid_from_text(attr->type, pool);
        if (oid.n == 0)
            nid = OBJ_sn2nid(attr->type);
    }
    if (nid != NID_undef) {
        const ASN1_OBJECT *object = OBJ_nid2obj(nid);

        if (object)
            oid = est_slice(OBJ_get0_data(object), OBJ_length(object));
    }
    if (oid.n == 0)
        return NULL;
    const attr_type_t *known = type_of_oid(oid);
    if (known)
        return known;
    *scratch = (attr_type_t){nid, oid, attr->type, OTHER_MAX, PKI_DER_UTF8_STRING};
    return scratch;
}

static est_err_t *encode_attr(est_slice_t *der, const pki_attr_t *attr, apr_pool_t *pool)
{
    attr_type_t scratch;
    const attr_type_t *type = type_of_attr(attr, &scratch, pool);
    const char *label = attr->type ? attr->type : type && type->type ? type->type : "attribute";

    if (!type)
        return EST_FAIL(pool, name_invalid, "attribute type %s is not known", label);
    const char *flaw = value_flaw(type, attr->value);
    if (flaw)
        return EST_FAIL(pool, name_invalid, "value of %s: %s (at most %d characters)", label, flaw, type->max);

    est_slice_t value = est_slice_of(attr->value);
    pki_der_out_t *out = pki_der_out_make(value.n + type->oid.n + 16, pool);
    pki_der_put_value(out, type->tag, value);
    pki_der_put_value(out, PKI_DER_OID, type->oid);
    pki_der_wrap(out, PKI_DER_SEQUENCE, 0);
    *der = pki_der_result(out);
    return NULL;
}

/* X.501 9.3: the parts of a relative name are of different types */
static est_err_t *check_types(const pki_attr_t *attrs, int n_attrs, apr_pool_t *pool)
{
    for (int i = 1; i < n_attrs; i++)
        for (int j = i - 1; j >= 0 && attrs[j].rdn == attrs[i].rdn; j--)
            if (!strcmp(attrs[j].type, attrs[i].type))
                return EST_FAIL(pool, name_invalid, "%s stands twice in a relative name", attrs[i].type);
    return NULL;
}

est_err_t *pki_name_encode(pki_name_t **out, const pki_attr_t *attrs, int n_attrs, apr_pool_t *pool)
{
    est_slice_t encoded[PKI_NAME_MAX_ATTRIBUTES];
    apr_size_t size = 16;

    if (n_attrs > PKI_NAME_MAX_ATTRIBUTES)
        return EST_FAIL(pool, name_invalid, "more than %d attributes", PKI_NAME_MAX_ATTRIBUTES);
    EST_TRY(check_types(attrs, n_attrs, pool));
    for (int i = 0; i < n_attrs; i++) {
        EST_TRY(encode_attr(&encoded[i], &attrs[i], pool));
        size += encoded[i].n + 4;
    }

    pki_der_out_t *buf = pki_der_out_make(size, pool);
    for (int end = n_attrs; end > 0;) {
        int first = end - 1;

        while (first > 0 && attrs[first - 1].rdn == attrs[first].rdn)
            first--;
        qsort(encoded + first, (apr_size_t)(end - first), sizeof(encoded[0]), pki_der_compare);
        apr_size_t mark = pki_der_mark(buf);
        while (end > first)
            pki_der_put(buf, encoded[--end]);
        pki_der_wrap(buf, PKI_DER_SET, mark);
    }
    pki_der_wrap(buf, PKI_DER_SEQUENCE, 0);
    return pki_name_decode(out, pki_der_result(buf), pool);
}

/* ---- Use ---- */

est_err_t *pki_name_check(const pki_name_t *name, apr_pool_t *pool)
{
    for (int i = 0; i < name->n_attrs; i++) {
        const char *disguise = pki_text_disguise(name->attrs[i].value);

        if (disguise)
            return EST_FAIL(pool, name_invalid, "value of %s: %s", name->attrs[i].type, disguise);
    }
    return NULL;
}

int pki_name_has(const pki_name_t *name, const pki_attr_t *attr)
{
    for (int i = 0; i < name->n_attrs; i++)
        if (name->attrs[i].nid == attr->nid && !strcmp(name->attrs[i].value, attr->value))
            return 1;
    return 0;
}

int pki_name_equal(const pki_name_t *a, const pki_name_t *b)
{
    return est_slice_equal(a->der, b->der) || X509_NAME_cmp(a->x509, b->x509) == 0;
}

int pki_name_attr_nid(const char *name)
{
    return OBJ_txt2nid(name);
}

int pki_name_attr_is_identity(int nid)
{
    switch (nid) {
    case NID_commonName:
    case NID_userId:
    case NID_serialNumber:
    case NID_pkcs9_emailAddress:
    case NID_dnQualifier:
    case NID_pseudonym:
    case NID_pkcs9_unstructuredName:
    case NID_pkcs9_unstructuredAddress:
        return 1;
    default:
        return 0;
    }
}
