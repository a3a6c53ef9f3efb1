/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_ext.h"

#include "pki_ossl.h"
#include "pki_text.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

est_slice_t pki_ext_encode(const char *oid, int critical, est_slice_t value, apr_pool_t *pool)
{
    pki_der_out_t *out = pki_der_out_make(value.n + 32, pool);

    pki_der_put_value(out, PKI_DER_OCTET_STRING, value);
    if (critical)
        pki_der_put_value(out, PKI_DER_BOOLEAN, est_slice("\xff", 1));
    pki_der_put_value(out, PKI_DER_OID, pki_oid_from_text(oid, pool));
    pki_der_wrap(out, PKI_DER_SEQUENCE, 0);
    return pki_der_result(out);
}

est_slice_t pki_ext_ski(est_slice_t spki, apr_pool_t *pool)
{
    unsigned char value[2 + 20] = {PKI_DER_OCTET_STRING, 20};
    pki_der_t info, algorithm, bits;
    est_slice_t key = {NULL, 0};

    if (pki_der_take(&spki, PKI_DER_SEQUENCE, &info) && pki_der_take(&info.body, PKI_DER_SEQUENCE, &algorithm) &&
        pki_der_take(&info.body, PKI_DER_BIT_STRING, &bits) && bits.body.n)
        key = est_slice(bits.body.p + 1, bits.body.n - 1);
    EVP_Digest(key.p, key.n, value + 2, NULL, EVP_sha1(), NULL);
    return pki_ext_encode("2.5.29.14", 0, est_slice(value, sizeof(value)), pool);
}

pki_ext_t pki_ext_parse(est_slice_t extension)
{
    pki_ext_t ext = {0};
    pki_der_t whole, v;

    if (!pki_der_take(&extension, PKI_DER_SEQUENCE, &whole) || !pki_der_take(&whole.body, PKI_DER_OID, &ext.oid))
        return ext;
    ext.whole = whole.whole;
    ext.critical = pki_der_take(&whole.body, PKI_DER_BOOLEAN, &v) && v.body.n == 1 && v.body.p[0];
    if (pki_der_take(&whole.body, PKI_DER_OCTET_STRING, &v))
        ext.value = v.body;
    return ext;
}

/* ---- From a profile's text ---- */

/*
 * What x509v3_config(5) offers and a profile must not use. SKI and AKI come from keys, and proxyCertInfo's "file:"
 * reads files.
 */
static const int refused_nids[] = {NID_subject_key_identifier, NID_authority_key_identifier, NID_proxyCertInfo};

/* "critical" is the row's column. email:copy and issuer:copy need no rule: OpenSSL finds no subject or issuer. */
static const char *value_flaw(const char *value)
{
    if (!*value)
        return "empty value";
    if (strncmp(value, "critical", 8) == 0 && (value[8] == ',' || value[8] == '\0'))
        return "\"critical\" does not belong into the value";
    return pki_text_flaw(value, strlen(value));
}

/* X509V3_EXT_nconf knows short names and, for DER: and ASN1:, OIDs. This knows either for both. */
static const char *short_name(const pki_ext_row_t *row)
{
    int nid = OBJ_txt2nid(row->name);

    ERR_clear_error();
    return nid != NID_undef ? OBJ_nid2sn(nid) : row->name;
}

static const char *row_flaw(const pki_ext_row_t *row, const pki_ext_section_t *sections, int n_sections)
{
    const char *flaw = value_flaw(row->value);
    int nid = OBJ_txt2nid(row->name);

    ERR_clear_error();
    for (apr_size_t i = 0; i < sizeof(refused_nids) / sizeof(refused_nids[0]) && !flaw; i++) {
        if (nid == refused_nids[i])
            flaw = "this extension cannot be given as text";
    }
    for (int i = 0; i < n_sections && !flaw; i++) {
        flaw = value_flaw(sections[i].value);
        if (!flaw && (!*sections[i].section || !*sections[i].name))
            flaw = "row of a section without a name";
    }
    return flaw;
}

/* The sections as OpenSSL asks for them. A CONF could be filled by parsing text alone (libcrypto does not export what
 * inserts a pair), so there is none: '$', '.include' and '.pragma' are what they look like, text, and the environment
 * is out of reach. */
typedef struct {
    const char *name;
    STACK_OF(CONF_VALUE) *pairs;
} section_t;

typedef struct {
    section_t *all;
    int n;
} database_t;

static STACK_OF(CONF_VALUE) *find_section(const database_t *db, const char *name)
{
    for (int i = 0; i < db->n; i++) {
        if (strcmp(db->all[i].name, name) == 0)
            return db->all[i].pairs;
    }
    return NULL;
}

static STACK_OF(CONF_VALUE) *get_section(void *db, const char *name)
{
    return find_section(db, name);
}

static apr_status_t free_database(void *data)
{
    database_t *db = data;

    for (int i = 0; i < db->n; i++)
        sk_CONF_VALUE_pop_free(db->all[i].pairs, X509V3_conf_free);
    db->n = 0;
    return APR_SUCCESS;
}

static est_err_t *make_database(database_t **out, const pki_ext_section_t *rows, int n_rows, apr_pool_t *pool)
{
    database_t *db = apr_pcalloc(pool, sizeof(*db));

    db->all = apr_pcalloc(pool, sizeof(*db->all) * ((apr_size_t)n_rows + 1));
    apr_pool_cleanup_register(pool, db, free_database, apr_pool_cleanup_null);
    for (int i = 0; i < n_rows; i++) {
        int at = 0;

        while (at < db->n && strcmp(db->all[at].name, rows[i].section) != 0)
            at++;
        db->all[at].name = rows[i].section;
        if (at == db->n)
            db->n++;
        if (!X509V3_add_value(rows[i].name, rows[i].value, &db->all[at].pairs))
            return EST_FAIL(pool, internal, "section %s: %s", rows[i].section, pki_ossl_reason(pool));
    }
    *out = db;
    return NULL;
}

/* name=@section: X509V3_EXT_nconf would look for that section in a CONF */
static X509_EXTENSION *build_from_section(const database_t *db, X509V3_CTX *ctx, int nid, const char *section)
{
    const X509V3_EXT_METHOD *method = X509V3_EXT_get_nid(nid);
    STACK_OF(CONF_VALUE) *pairs = find_section(db, section);

    if (!pairs || !method->it) {
        ERR_raise_data(ERR_LIB_X509V3, X509V3_R_SECTION_NOT_FOUND, "%s", section);
        return NULL;
    }
    void *value = method->v2i(method, ctx, pairs);
    X509_EXTENSION *ext = value ? X509V3_EXT_i2d(nid, 0, value) : NULL;
    ASN1_item_free(value, ASN1_ITEM_ptr(method->it));
    return ext;
}

static X509_EXTENSION *build(database_t *db, const pki_ext_row_t *row)
{
    X509V3_CONF_METHOD access = {NULL, get_section, NULL, NULL};
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, NULL, NULL, NULL, NULL, 0);
    ctx.db_meth = &access;
    ctx.db = db;
    const char *name = short_name(row);
    const X509V3_EXT_METHOD *method = X509V3_EXT_get_nid(OBJ_sn2nid(name));
    if (row->value[0] == '@' && method && method->v2i)
        return build_from_section(db, &ctx, OBJ_sn2nid(name), row->value + 1);
    return X509V3_EXT_nconf(NULL, &ctx, name, row->value);
}

/* DER: takes any octets as a value, and a value must be DER, too */
static est_err_t *check_extension(est_slice_t der, apr_pool_t *pool)
{
    pki_der_t ext = {0}, v = {0};

    EST_TRY(pki_der_check(der, pool));
    pki_der_take(&der, PKI_DER_SEQUENCE, &ext);
    while (pki_der_next(&ext.body, &v))
        ;
    return pki_der_check(v.body, pool);
}

est_err_t *pki_ext_build(est_slice_t *der, const pki_ext_row_t *row, const pki_ext_section_t *sections, int n_sections,
                         apr_pool_t *pool)
{
    const char *flaw = row_flaw(row, sections, n_sections);

    if (flaw)
        return EST_FAIL(pool, config, "extension %s = \"%s\": %s", row->name, row->value, flaw);
    database_t *db = NULL;
    EST_TRY(make_database(&db, sections, n_sections, pool));
    X509_EXTENSION *ext = build(db, row);
    est_err_t *err = NULL;
    unsigned char *buf = NULL;
    int n = -1;
    if (ext && X509_EXTENSION_set_critical(ext, row->critical != 0))
        n = i2d_X509_EXTENSION(ext, &buf);
    if (n > 0) {
        *der = est_slice_dup(est_slice(buf, (apr_size_t)n), pool);
        err = check_extension(*der, pool);
    }
    if (n <= 0 || err)
        err = EST_FAIL(pool, config, "extension %s = \"%s\": %s", row->name, row->value,
                       err ? err->detail : pki_ossl_reason(pool));
    ERR_clear_error();
    OPENSSL_free(buf);
    X509_EXTENSION_free(ext);
    return err;
}

/* ---- for people */

/* What X509V3_EXT_print wrote, in one line */
static const char *one_line(BIO *bio, apr_pool_t *pool)
{
    char *p, *state;
    long n = BIO_get_mem_data(bio, &p);
    const char *all = NULL;

    if (n <= 0)
        return NULL;
    for (char *line = apr_strtok(apr_pstrmemdup(pool, p, (apr_size_t)n), "\r\n", &state); line;
         line = apr_strtok(NULL, "\r\n", &state)) {
        char *end = line + strlen(line);

        line += strspn(line, " ");
        while (end > line && end[-1] == ' ')
            *--end = '\0';
        if (*line)
            all = all ? apr_pstrcat(pool, all, "; ", line, NULL) : line;
    }
    return all;
}

static const char *value_text(est_slice_t extension, apr_pool_t *pool)
{
    const unsigned char *p = extension.p;
    X509_EXTENSION *ext = d2i_X509_EXTENSION(NULL, &p, (long)extension.n);
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text = NULL;

    if (ext && bio && X509V3_EXT_print(bio, ext, X509V3_EXT_DEFAULT, 0))
        text = one_line(bio, pool);
    BIO_free(bio);
    X509_EXTENSION_free(ext);
    ERR_clear_error();
    return text ? text : est_hex(pki_ext_parse(extension).value, pool);
}

pki_ext_text_t pki_ext_text(est_slice_t extension, apr_pool_t *pool)
{
    pki_ext_t ext = pki_ext_parse(extension);
    pki_ext_text_t out = {"", "", ext.critical, ""};
    int nid;

    if (!ext.oid.tag || !(out.oid = pki_oid_to_text(ext.oid.body, pool)))
        return (pki_ext_text_t){"", "", 0, ""};
    nid = OBJ_txt2nid(out.oid);
    out.name = nid == NID_undef ? out.oid : OBJ_nid2sn(nid);
    out.text = value_text(extension, pool);
    return out;
}
