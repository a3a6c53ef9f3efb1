/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_cert.h"

#include "pki_der.h"
#include "pki_ext.h"
#include "pki_ossl.h"
#include "pki_time.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#define HARDWARE_MODULE_NAME "1.3.6.1.5.5.7.8.4" /* id-on-hardwareModuleName */
#define HARDWARE_SERIAL_MAX 64                   /* octets */

/* ---- Facts ---- */

static est_err_t *refused(const char *what, const est_err_t *err, apr_pool_t *pool)
{
    if (err)
        return EST_FAIL(pool, certificate_refused, "%s of the certificate: %s", what, err->detail);
    return EST_FAIL(pool, certificate_refused, "certificate is malformed: %s", what);
}

/* ExtKeyUsageSyntax ::= SEQUENCE SIZE (1..MAX) OF KeyPurposeId (RFC 5280 4.2.1.12) */
static est_err_t *read_purposes(pki_cert_t *cert, est_slice_t value, apr_pool_t *pool)
{
    static const struct {
        est_slice_t oid;
        unsigned bit;
    } known[] = {
        {PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x02"), PKI_CERT_CLIENT_AUTH},
        {PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x01"), PKI_CERT_SERVER_AUTH},
        {PKI_OID("\x2b\x06\x01\x05\x05\x07\x03\x1c"), PKI_CERT_CMC_RA},
        {PKI_OID("\x55\x1d\x25\x00"), PKI_CERT_ANY_PURPOSE},
    };
    pki_der_t list, oid;

    if (cert->purposes || !pki_der_take(&value, PKI_DER_SEQUENCE, &list) || value.n || !list.body.n)
        return refused("extendedKeyUsage", NULL, pool);
    while (list.body.n) {
        unsigned bit = PKI_CERT_OTHER_PURPOSE;

        if (!pki_der_take(&list.body, PKI_DER_OID, &oid))
            return refused("extendedKeyUsage", NULL, pool);
        for (apr_size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            if (est_slice_equal(oid.body, known[i].oid))
                bit = known[i].bit;
        cert->purposes |= bit;
    }
    return NULL;
}

/*
 * otherName [0] { type-id id-on-hardwareModuleName, value [0] EXPLICIT
 *     HardwareModuleName ::= SEQUENCE { hwType OBJECT IDENTIFIER, hwSerialNum OCTET STRING } }  (RFC 4108 5)
 *
 * It names one device: two of them in a certificate would be two devices.
 */
static est_err_t *read_hardware_name(pki_cert_t *cert, est_slice_t name, apr_pool_t *pool)
{
    pki_der_t other, oid, value, module, type, serial;

    if (cert->hardware_type || !pki_der_take(&name, PKI_DER_CONTEXT_CONSTRUCTED(0), &other) ||
        !pki_der_take(&other.body, PKI_DER_OID, &oid) ||
        !pki_der_take(&other.body, PKI_DER_CONTEXT_CONSTRUCTED(0), &value) || other.body.n ||
        !pki_der_take(&value.body, PKI_DER_SEQUENCE, &module) || value.body.n ||
        !pki_der_take(&module.body, PKI_DER_OID, &type) || !pki_der_take(&module.body, PKI_DER_OCTET_STRING, &serial) ||
        module.body.n || !serial.body.n || serial.body.n > HARDWARE_SERIAL_MAX)
        return refused("hardwareModuleName", NULL, pool);
    cert->hardware_type = pki_oid_to_text(type.body, pool);
    cert->hardware_serial = est_hex(serial.body, pool);
    return cert->hardware_type ? NULL : refused("hardwareModuleName", NULL, pool);
}

static est_err_t *read_san(pki_cert_t *cert, est_slice_t value, apr_pool_t *pool)
{
    est_err_t *err = pki_san_decode(&cert->san, value, pool);

    if (err)
        return refused("subjectAltName", err, pool);
    for (int i = 0; i < cert->san.n_names; i++)
        if (cert->san.names[i].type == PKI_SAN_OTHER && !strcmp(cert->san.names[i].value, HARDWARE_MODULE_NAME))
            EST_TRY(read_hardware_name(cert, cert->san.names[i].der, pool));
    return NULL;
}

/* extensions [3] EXPLICIT SEQUENCE OF Extension; of interest here are subjectAltName and extendedKeyUsage */
static est_err_t *read_extensions(pki_cert_t *cert, est_slice_t in, apr_pool_t *pool)
{
    static const est_slice_t ext_key_usage = PKI_OID("\x55\x1d\x25");
    pki_der_t explicit, list, ext, oid, critical, value;

    if (in.n == 0)
        return NULL;
    if (!pki_der_take(&in, PKI_DER_CONTEXT_CONSTRUCTED(3), &explicit) || in.n ||
        !pki_der_take(&explicit.body, PKI_DER_SEQUENCE, &list))
        return refused("extensions", NULL, pool);
    while (list.body.n) {
        if (!pki_der_take(&list.body, PKI_DER_SEQUENCE, &ext) || !pki_der_take(&ext.body, PKI_DER_OID, &oid))
            return refused("extension", NULL, pool);
        int is_san = est_slice_equal(oid.body, pki_san_oid);
        if (!is_san && !est_slice_equal(oid.body, ext_key_usage))
            continue;
        pki_der_take(&ext.body, PKI_DER_BOOLEAN, &critical);
        if (!pki_der_take(&ext.body, PKI_DER_OCTET_STRING, &value) || (is_san && cert->san.n_names))
            return refused(is_san ? "subjectAltName" : "extendedKeyUsage", NULL, pool);
        EST_TRY(is_san ? read_san(cert, value.body, pool) : read_purposes(cert, value.body, pool));
    }
    return NULL;
}

/* TBSCertificate of RFC 5280 4.1 */
static est_err_t *read_tbs(pki_cert_t *cert, est_slice_t in, apr_pool_t *pool)
{
    pki_der_t v, serial, issuer, validity, subject, spki;

    pki_der_take(&in, PKI_DER_CONTEXT_CONSTRUCTED(0), &v); /* version; absent in v1 */
    if (!pki_der_take(&in, PKI_DER_INTEGER, &serial) || !pki_der_take(&in, PKI_DER_SEQUENCE, &v) ||
        !pki_der_take(&in, PKI_DER_SEQUENCE, &issuer) || !pki_der_take(&in, PKI_DER_SEQUENCE, &validity) ||
        !pki_der_take(&in, PKI_DER_SEQUENCE, &subject) || !pki_der_take(&in, PKI_DER_SEQUENCE, &spki))
        return refused("fields", NULL, pool);
    if (!pki_time_take(&cert->not_before, &validity.body) || !pki_time_take(&cert->not_after, &validity.body))
        return refused("validity", NULL, pool);
    cert->serial = serial.body;
    cert->issuer = issuer.whole;
    cert->spki = spki.whole;
    est_err_t *err = pki_name_decode(&cert->subject, subject.whole, pool);
    if (err)
        return refused("subject", err, pool);
    for (int i = cert->subject->n_attrs; i-- > 0;)
        if (cert->subject->attrs[i].nid == NID_serialNumber)
            cert->serial_number = cert->subject->attrs[i].value;
    pki_der_take(&in, PKI_DER_CONTEXT(1), &v); /* issuerUniqueID, subjectUniqueID */
    pki_der_take(&in, PKI_DER_CONTEXT(2), &v);
    return read_extensions(cert, in, pool);
}

est_err_t *pki_cert_der(est_slice_t *out, X509 *x509, apr_pool_t *pool)
{
    int n = i2d_X509(x509, NULL);
    unsigned char *buf = n > 0 ? apr_palloc(pool, (apr_size_t)n) : NULL, *p = buf;

    if (n <= 0 || i2d_X509(x509, &p) != n)
        return EST_FAIL(pool, certificate_refused, "certificate cannot be encoded: %s", pki_ossl_reason(pool));
    *out = est_slice(buf, (apr_size_t)n);
    return NULL;
}

est_err_t *pki_cert_facts(pki_cert_t **out, X509 *x509, apr_pool_t *pool)
{
    pki_cert_t *cert = apr_pcalloc(pool, sizeof(*cert));

    EST_TRY(pki_cert_der(&cert->der, x509, pool));
    est_err_t *err = pki_der_check(cert->der, pool);
    if (err)
        return refused("encoding", err, pool);
    est_slice_t rest = cert->der;
    pki_der_t whole, tbs;
    if (!pki_der_take(&rest, PKI_DER_SEQUENCE, &whole) || !pki_der_take(&whole.body, PKI_DER_SEQUENCE, &tbs))
        return refused("fields", NULL, pool);
    EST_TRY(read_tbs(cert, tbs.body, pool));
    pki_sha256(cert->fingerprint, cert->der);
    *out = cert;
    return NULL;
}

est_slice_t pki_cert_serial(est_slice_t der)
{
    pki_der_t cert, tbs, item;

    if (!pki_der_take(&der, PKI_DER_SEQUENCE, &cert) || !pki_der_take(&cert.body, PKI_DER_SEQUENCE, &tbs))
        return est_slice(NULL, 0);
    pki_der_take(&tbs.body, PKI_DER_CONTEXT_CONSTRUCTED(0), &item); /* version */
    return pki_der_take(&tbs.body, PKI_DER_INTEGER, &item) ? item.body : est_slice(NULL, 0);
}

est_slice_t pki_cert_spki(est_slice_t der)
{
    pki_der_t cert, tbs, item;

    if (!pki_der_take(&der, PKI_DER_SEQUENCE, &cert) || !pki_der_take(&cert.body, PKI_DER_SEQUENCE, &tbs))
        return est_slice(NULL, 0);
    pki_der_take(&tbs.body, PKI_DER_CONTEXT_CONSTRUCTED(0), &item); /* version */
    if (!pki_der_take(&tbs.body, PKI_DER_INTEGER, &item))
        return est_slice(NULL, 0);
    for (int i = 0; i < 5; i++) /* signature, issuer, validity, subject, subjectPublicKeyInfo */
        if (!pki_der_take(&tbs.body, PKI_DER_SEQUENCE, &item))
            return est_slice(NULL, 0);
    return item.whole;
}

const char *pki_cert_serial_text(est_slice_t der, apr_pool_t *pool)
{
    est_slice_t serial = pki_cert_serial(der);

    return serial.n ? est_hex(serial, pool) : "";
}

int pki_cert_is_issued_by(X509 *x509, X509 *ca)
{
    EVP_PKEY *key = X509_get0_pubkey(ca);
    int is = key && X509_check_issued(ca, x509) == X509_V_OK && X509_verify(x509, key) == 1;

    ERR_clear_error();
    return is;
}

int pki_cert_is_ca(X509 *x509)
{
    /* without keyUsage X509_get_key_usage answers with every bit set */
    return X509_check_ca(x509) == 1 && (X509_get_key_usage(x509) & KU_KEY_CERT_SIGN) != 0;
}

const char *pki_cert_subject_text(X509 *x509, apr_pool_t *pool)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text = "?";
    char *p;
    /* unlike XN_FLAG_RFC2253 alone, UTF-8 stays readable */
    unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;

    if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(x509), 0, flags) >= 0) {
        long n = BIO_get_mem_data(bio, &p);

        text = n > 0 ? apr_pstrmemdup(pool, p, (apr_size_t)n) : ""; /* without a subject p may be NULL */
    }
    BIO_free(bio);
    return text;
}

/* ---- Signers ---- */

struct pki_signer_t {
    X509 *ca;
    pki_sign_t *sign;
    void *data;                   /* for sign */
    const pki_sigalg_t *standard; /* for PKI_DIGEST_DEFAULT */
    est_slice_t issuer;
};

static const pki_sigalg_t *standard_ecdsa(const EVP_PKEY *key)
{
    static const struct {
        const char *group;
        pki_digest_t digest;
    } rows[] = {
        {SN_X9_62_prime256v1, PKI_DIGEST_SHA256},
        {SN_secp384r1, PKI_DIGEST_SHA384},
        {SN_secp521r1, PKI_DIGEST_SHA512},
    };
    char group[64];
    size_t len;

    if (EVP_PKEY_get_group_name(key, group, sizeof(group), &len) != 1)
        return NULL;
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(group, rows[i].group) == 0)
            return pki_sigalg_get(PKI_KEY_EC, rows[i].digest);
    }
    return NULL;
}

/* NULL: no key that a CA may have here */
static const pki_sigalg_t *standard_algorithm(const EVP_PKEY *key)
{
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        return pki_sigalg_get(PKI_KEY_RSA, PKI_DIGEST_SHA256);
    case EVP_PKEY_EC:
        return standard_ecdsa(key);
    case EVP_PKEY_ED25519:
        return pki_sigalg_get(PKI_KEY_ED25519, PKI_DIGEST_DEFAULT);
    case EVP_PKEY_ED448:
        return pki_sigalg_get(PKI_KEY_ED448, PKI_DIGEST_DEFAULT);
    default:
        return NULL;
    }
}

/* What signs for key when that digest is asked for */
static const pki_sigalg_t *algorithm_for(const pki_sigalg_t *standard, pki_digest_t digest)
{
    return standard->md && digest != PKI_DIGEST_DEFAULT ? pki_sigalg_get(standard->type, digest) : standard;
}

const char *pki_cert_digest_text(X509 *ca, pki_digest_t digest)
{
    static const char *const names[] = {NULL, "sha256", "sha384", "sha512"};
    const pki_sigalg_t *standard = ca ? standard_algorithm(X509_get0_pubkey(ca)) : NULL;

    return names[standard ? algorithm_for(standard, digest)->digest : digest];
}

est_err_t *pki_cert_aki(est_slice_t *aki, X509 *ca, apr_pool_t *pool)
{
    const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(ca);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len;
    est_slice_t id;

    if (ski)
        id = est_slice(ASN1_STRING_get0_data(ski), (apr_size_t)ASN1_STRING_length(ski));
    else if (X509_pubkey_digest(ca, EVP_sha1(), digest, &digest_len))
        id = est_slice(digest, digest_len);
    else
        return EST_FAIL(pool, config, "no key identifier of the CA: %s", pki_ossl_reason(pool));
    pki_der_out_t *out = pki_der_out_make(id.n + 8, pool);
    pki_der_put_value(out, PKI_DER_CONTEXT(0), id);
    pki_der_wrap(out, PKI_DER_SEQUENCE, 0);
    *aki = pki_ext_encode("2.5.29.35", 0, pki_der_result(out), pool);
    return NULL;
}

static est_err_t *sign_by_key(est_slice_t *signature, est_slice_t octets, const EVP_MD *md, void *key, apr_pool_t *pool)
{
    int max = EVP_PKEY_get_size(key);
    size_t n = max > 0 ? (size_t)max : 0;
    unsigned char *buf = apr_palloc(pool, n);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx && n && EVP_DigestSignInit(ctx, NULL, md, NULL, key) == 1 &&
             EVP_DigestSign(ctx, buf, &n, octets.p, octets.n) == 1;

    EVP_MD_CTX_free(ctx);
    if (!ok)
        return EST_FAIL(pool, ca_failed, "signing failed: %s", pki_ossl_reason(pool));
    *signature = est_slice(buf, n);
    return NULL;
}

est_err_t *pki_signer_make(pki_signer_t **out, X509 *ca, EVP_PKEY *key, apr_pool_t *pool)
{
    EVP_PKEY *public_key = X509_get0_pubkey(ca);

    if (!public_key || EVP_PKEY_eq(public_key, key) != 1) {
        ERR_clear_error();
        return EST_FAIL(pool, config, "key does not belong to the CA certificate");
    }
    return pki_signer_make_for(out, ca, sign_by_key, key, pool);
}

est_err_t *pki_signer_make_for(pki_signer_t **out, X509 *ca, pki_sign_t *sign, void *data, apr_pool_t *pool)
{
    pki_signer_t *signer = apr_pcalloc(pool, sizeof(*signer));

    if (!pki_cert_is_ca(ca))
        return EST_FAIL(pool, config, "certificate is not one of a CA (basicConstraints, keyCertSign)");
    signer->standard = X509_get0_pubkey(ca) ? standard_algorithm(X509_get0_pubkey(ca)) : NULL;
    if (!signer->standard)
        return EST_FAIL(pool, config, "CA key is none of RSA, EC P-256, P-384, P-521, Ed25519, Ed448");

    unsigned char *der = NULL;
    int n = i2d_X509_NAME(X509_get_subject_name(ca), &der);
    if (n <= 0 || X509_NAME_entry_count(X509_get_subject_name(ca)) == 0) {
        OPENSSL_free(der);
        return EST_FAIL(pool, config, "CA certificate has no subject");
    }
    signer->issuer = est_slice_dup(est_slice(der, (apr_size_t)n), pool);
    OPENSSL_free(der);
    X509_up_ref(ca);
    signer->ca = pki_ossl_own_x509(ca, pool);
    signer->sign = sign;
    signer->data = data;
    *out = signer;
    return NULL;
}

/* ---- Signing ---- */

static est_err_t *put_serial(pki_der_out_t *out, const unsigned char serial[20], apr_pool_t *pool)
{
    apr_size_t skip = 0;

    while (skip < 20 && serial[skip] == 0)
        skip++;
    if (skip == 20 || serial[0] & 0x80) /* would be 0, or of more than 20 octets (CP-01) */
        return EST_FAIL(pool, ca_failed, "serial number is zero or of more than 159 bits");
    if (serial[skip] & 0x80)
        skip--;
    pki_der_put_value(out, PKI_DER_INTEGER, est_slice(serial + skip, 20 - skip));
    return NULL;
}

/* TBSCertificate of RFC 5280 4.1, written from its end */
static est_err_t *put_tbs(pki_der_out_t *out, const pki_tbs_t *tbs, const pki_signer_t *signer, est_slice_t algorithm,
                          apr_pool_t *pool)
{
    apr_size_t start = pki_der_mark(out);

    if (tbs->n_exts) {
        for (int i = tbs->n_exts - 1; i >= 0; i--)
            pki_der_put(out, tbs->exts[i]);
        pki_der_wrap(out, PKI_DER_SEQUENCE, start);
        pki_der_wrap(out, PKI_DER_CONTEXT_CONSTRUCTED(3), start);
    }
    pki_der_put(out, tbs->spki);
    pki_der_put(out, tbs->subject);

    apr_size_t validity = pki_der_mark(out);
    if (apr_time_sec(tbs->not_after) <= apr_time_sec(tbs->not_before) || !pki_time_put(out, tbs->not_after) ||
        !pki_time_put(out, tbs->not_before))
        return EST_FAIL(pool, ca_failed, "validity from %s to %s is not possible", pki_time_text(tbs->not_before, pool),
                        pki_time_text(tbs->not_after, pool));
    pki_der_wrap(out, PKI_DER_SEQUENCE, validity);

    pki_der_put(out, signer->issuer);
    pki_der_put(out, algorithm);
    EST_TRY(put_serial(out, tbs->serial, pool));
    pki_der_put(out, est_slice("\xa0\x03\x02\x01\x02", 5)); /* version [0] EXPLICIT v3(2) */
    pki_der_wrap(out, PKI_DER_SEQUENCE, start);
    return NULL;
}

est_err_t *pki_cert_sign(est_slice_t *der, const pki_tbs_t *tbs, const pki_signer_t *signer, apr_pool_t *pool)
{
    const pki_sigalg_t *how = algorithm_for(signer->standard, tbs->digest);
    apr_size_t size = 160 + signer->issuer.n + tbs->subject.n + tbs->spki.n;
    for (int i = 0; i < tbs->n_exts; i++)
        size += tbs->exts[i].n;

    pki_der_out_t *body = pki_der_out_make(size, pool);
    EST_TRY(put_tbs(body, tbs, signer, how->der, pool));
    est_slice_t octets = pki_der_result(body), signature;
    EST_TRY(signer->sign(&signature, octets, how->md ? how->md() : NULL, signer->data, pool));

    pki_der_out_t *out = pki_der_out_make(octets.n + signature.n + 48, pool);
    pki_der_put_bits(out, signature);
    pki_der_put(out, how->der);
    pki_der_put(out, octets);
    pki_der_wrap(out, PKI_DER_SEQUENCE, 0);
    *der = pki_der_result(out);
    return NULL;
}

/* ---- Certs-only message ---- */

/* ContentInfo { signedData, [0] SignedData { version 1, digestAlgorithms {}, encapContentInfo { id-data },
 * certificates [0] IMPLICIT, signerInfos {} } }, RFC 5652 5.1 */
est_slice_t pki_certs_only(const est_slice_t *certs, int n_certs, apr_pool_t *pool)
{
    static const est_slice_t empty_set = PKI_DER_LITERAL("\x31\x00");
    static const est_slice_t head =
        PKI_DER_LITERAL("\x02\x01\x01\x31\x00\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01");
    static const est_slice_t signed_data = PKI_OID("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02");
    apr_size_t count = n_certs > 0 ? (apr_size_t)n_certs : 0, size = 64;
    est_slice_t *sorted = apr_pmemdup(pool, certs, sizeof(*certs) * count);

    qsort(sorted, count, sizeof(*sorted), pki_der_compare);
    for (apr_size_t i = 0; i < count; i++)
        size += sorted[i].n;

    pki_der_out_t *out = pki_der_out_make(size, pool);
    pki_der_put(out, empty_set);
    apr_size_t mark = pki_der_mark(out);
    for (apr_size_t i = count; i-- > 0;)
        pki_der_put(out, sorted[i]);
    if (count)
        pki_der_wrap(out, PKI_DER_CONTEXT_CONSTRUCTED(0), mark);
    pki_der_put(out, head);
    pki_der_wrap(out, PKI_DER_SEQUENCE, 0);
    pki_der_wrap(out, PKI_DER_CONTEXT_CONSTRUCTED(0), 0);
    pki_der_put_value(out, PKI_DER_OID, signed_data);
    pki_der_wrap(out, PKI_DER_SEQUENCE, 0);
    return pki_der_result(out);
}
