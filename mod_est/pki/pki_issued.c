/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_issued.h"
#include "pki_load.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

/* RFC 5280 4.1.2.2 */
static est_err_t *check_serial(est_slice_t serial, apr_pool_t *pool)
{
    int zero = 1;

    for (apr_size_t i = 0; i < serial.n; i++)
        zero &= !serial.p[i];
    if (!serial.n || serial.n > 20 || (serial.p[0] & 0x80) || zero)
        return EST_FAIL(pool, ca_wrong, "serial number %s; wanted: positive, of at most 20 octets",
                        est_hex(serial, pool));
    return NULL;
}

/* How hard the digest is to collide, in bits: SHA-1 has 63 of them, SHA-224 112 */
#define MIN_SECURITY 112

static est_err_t *check_signature(X509 *cert, apr_pool_t *pool)
{
    int known, bits = 0;

    known = X509_get_signature_info(cert, NULL, NULL, &bits, NULL);
    ERR_clear_error();
    if (!known || bits < MIN_SECURITY)
        return EST_FAIL(pool, ca_wrong, "signed with %s; wanted: SHA-256 or better",
                        OBJ_nid2ln(X509_get_signature_nid(cert)));
    return NULL;
}

static int is_readable(X509_EXTENSION *ext)
{
    const X509V3_EXT_METHOD *method = X509V3_EXT_get(ext);
    void *value = method ? X509V3_EXT_d2i(ext) : NULL;

    if (value && method->it)
        ASN1_item_free(value, ASN1_ITEM_ptr(method->it));
    else if (value)
        method->ext_free(value);
    ERR_clear_error();
    return value || !method;
}

/* What OpenSSL cannot read, who verifies with it refuses: an extension that is malformed, or against RFC 5280 */
static est_err_t *check_readable(X509 *cert, apr_pool_t *pool)
{
    uint32_t flags = X509_get_extension_flags(cert);

    ERR_clear_error();
    if (!(flags & EXFLAG_INVALID))
        return NULL;
    for (int i = 0; i < X509_get_ext_count(cert); i++) {
        X509_EXTENSION *ext = X509_get_ext(cert, i);

        if (!is_readable(ext))
            return EST_FAIL(pool, ca_wrong, "extension %s is malformed",
                            OBJ_nid2sn(OBJ_obj2nid(X509_EXTENSION_get_object(ext))));
    }
    return EST_FAIL(pool, ca_wrong, "malformed extensions, or some that do not go together");
}

/* TBSCertificate of RFC 5280 4.1 from behind the subjectPublicKeyInfo; pki_cert_facts() has read what is before */
static est_err_t *find_extensions(est_slice_t *out, est_slice_t der, apr_pool_t *pool)
{
    static const est_slice_t version_3 = PKI_DER_LITERAL("\xa0\x03\x02\x01\x02");
    pki_der_t cert, tbs, item, list;

    if (!pki_der_take(&der, PKI_DER_SEQUENCE, &cert) || !pki_der_take(&cert.body, PKI_DER_SEQUENCE, &tbs) ||
        !pki_der_take(&tbs.body, PKI_DER_CONTEXT_CONSTRUCTED(0), &item) || !est_slice_equal(item.whole, version_3) ||
        !pki_der_take(&tbs.body, PKI_DER_INTEGER, &item))
        return EST_FAIL(pool, ca_wrong, "not a certificate of version 3");
    for (int i = 0; i < 5; i++) /* signature, issuer, validity, subject, subjectPublicKeyInfo */
        if (!pki_der_take(&tbs.body, PKI_DER_SEQUENCE, &item))
            return EST_FAIL(pool, ca_wrong, "not a certificate");
    *out = est_slice("", 0);
    if (!tbs.body.n)
        return NULL;
    if (!pki_der_take(&tbs.body, PKI_DER_CONTEXT_CONSTRUCTED(3), &item) || tbs.body.n ||
        !pki_der_take(&item.body, PKI_DER_SEQUENCE, &list) || item.body.n || !list.body.n)
        return EST_FAIL(pool, ca_wrong, "unique identifiers, or an empty list of extensions");
    *out = list.body;
    return NULL;
}

const pki_ext_t *pki_issued_ext(const pki_ext_t *exts, int n, est_slice_t oid)
{
    for (int i = 0; i < n; i++)
        if (est_slice_equal(exts[i].oid.body, oid))
            return &exts[i];
    return NULL;
}

static est_err_t *read_extensions(pki_issued_t *out, est_slice_t list, apr_pool_t *pool)
{
    pki_ext_t *exts = apr_pcalloc(pool, PKI_ISSUED_MAX_EXTS * sizeof(*exts));
    pki_der_t item;

    out->exts = exts;
    while (list.n) {
        if (out->n_exts == PKI_ISSUED_MAX_EXTS)
            return EST_FAIL(pool, ca_wrong, "more than %d extensions", PKI_ISSUED_MAX_EXTS);
        if (!pki_der_next(&list, &item))
            return EST_FAIL(pool, ca_wrong, "malformed extensions");
        exts[out->n_exts] = pki_ext_parse(item.whole);
        if (!exts[out->n_exts].oid.tag)
            return EST_FAIL(pool, ca_wrong, "malformed extension");
        if (pki_issued_ext(exts, out->n_exts, exts[out->n_exts].oid.body))
            return EST_FAIL(pool, ca_wrong, "extension %s is there twice", pki_ext_text(item.whole, pool).name);
        out->n_exts++;
    }
    return NULL;
}

est_err_t *pki_issued_read(pki_issued_t *out, est_slice_t der, apr_pool_t *pool)
{
    est_slice_t list;
    est_err_t *err;
    X509 *cert;

    out->n_exts = 0;
    err = pki_der_check(der, pool);
    if (!err)
        err = pki_load_der(&cert, der, pool);
    if (!err)
        err = pki_cert_facts(&out->facts, cert, pool);
    if (err)
        return EST_FAIL(pool, ca_wrong, "%s", est_err_text(err));
    EST_TRY(find_extensions(&list, der, pool));
    EST_TRY(check_serial(out->facts->serial, pool));
    EST_TRY(check_signature(cert, pool));
    EST_TRY(read_extensions(out, list, pool));
    return check_readable(cert, pool);
}
