/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_csr.h"

#include "pki_der.h"
#include "pki_reqattr.h"
#include "pki_sigalg.h"
#include "pki_text.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/objects.h>

/* pkcs-9-at-challengePassword, pkcs-9-at-extensionRequest (RFC 2985 5.4) */
static const est_slice_t challenge_password = PKI_OID("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07");
static const est_slice_t extension_request = PKI_OID("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e");

/* ---- Requested extensions ---- */

/* Extension ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING } */
static est_err_t *decode_extension(pki_req_ext_t *ext, est_slice_t *in, apr_pool_t *pool)
{
    pki_der_t seq, oid, critical, value;

    if (!pki_der_take(in, PKI_DER_SEQUENCE, &seq) || !pki_der_take(&seq.body, PKI_DER_OID, &oid))
        return EST_FAIL(pool, csr_attribute, "requested extension is malformed");
    ext->oid = pki_oid_to_text(oid.body, pool);
    if (!ext->oid)
        return EST_FAIL(pool, csr_attribute, "OID of a requested extension is malformed");
    ext->nid = OBJ_txt2nid(ext->oid);
    if (pki_der_take(&seq.body, PKI_DER_BOOLEAN, &critical)) {
        ext->critical = 1;
        if (critical.body.n != 1 || critical.body.p[0] == 0) /* X.690 11.5: a default is not encoded */
            return EST_FAIL(pool, csr_attribute, "extension %s: critical FALSE must be left out", ext->oid);
    }
    if (!pki_der_take(&seq.body, PKI_DER_OCTET_STRING, &value) || seq.body.n)
        return EST_FAIL(pool, csr_attribute, "extension %s is malformed", ext->oid);
    if (value.body.n > PKI_CSR_MAX_VALUE)
        return EST_FAIL(pool, csr_attribute, "extension %s of %d octets; allowed are %d", ext->oid, (int)value.body.n,
                        PKI_CSR_MAX_VALUE);
    ext->value = value.body;
    est_err_t *err = pki_der_check(value.body, pool);
    return err ? EST_FAIL(pool, csr_attribute, "value of extension %s: %s", ext->oid, err->detail) : NULL;
}

static est_err_t *decode_san(pki_sans_t *out, est_slice_t value, apr_pool_t *pool)
{
    EST_TRY(pki_san_decode(out, value, pool));
    return pki_san_check(out, pool);
}

static est_err_t *decode_extensions(pki_csr_t *csr, est_slice_t in, apr_pool_t *pool)
{
    pki_req_ext_t exts[PKI_CSR_MAX_EXTENSIONS];
    pki_der_t list;
    int n = 0;

    if (!pki_der_take(&in, PKI_DER_SEQUENCE, &list) || in.n || list.body.n == 0)
        return EST_FAIL(pool, csr_attribute, "extensionRequest does not hold one non-empty Extensions");
    while (list.body.n) {
        if (n == PKI_CSR_MAX_EXTENSIONS)
            return EST_FAIL(pool, csr_attribute, "more than %d requested extensions", PKI_CSR_MAX_EXTENSIONS);
        memset(&exts[n], 0, sizeof(exts[n]));
        EST_TRY(decode_extension(&exts[n], &list.body, pool));
        for (int i = 0; i < n; i++) {
            if (strcmp(exts[i].oid, exts[n].oid) == 0)
                return EST_FAIL(pool, csr_attribute, "extension %s is requested twice", exts[n].oid);
        }
        if (exts[n].nid == NID_subject_alt_name)
            EST_TRY(decode_san(&csr->san, exts[n].value, pool));
        n++;
    }
    csr->exts = apr_pmemdup(pool, exts, sizeof(exts[0]) * (apr_size_t)n);
    csr->n_exts = n;
    return NULL;
}

/* ---- Attributes ---- */

/* Attributes ::= SET OF Attribute, under [0] IMPLICIT. Their order is not asked for: Go's x509 package, and with it
 * globalsign/est, writes them as they come, and nothing of this SET is ever written again. */
static est_err_t *decode_attributes(pki_csr_t *csr, est_slice_t in, apr_pool_t *pool)
{
    pki_req_attr_t others[PKI_CSR_MAX_ATTRIBUTES];
    int n = 0;

    while (in.n) {
        pki_der_t attr, oid, values;

        if (!pki_der_take(&in, PKI_DER_SEQUENCE, &attr) || !pki_der_take(&attr.body, PKI_DER_OID, &oid) ||
            !pki_der_take(&attr.body, PKI_DER_SET, &values) || attr.body.n || values.body.n == 0)
            return EST_FAIL(pool, csr_attribute, "attribute is malformed or without a value");
        if (est_slice_equal(oid.body, extension_request)) {
            if (csr->exts)
                return EST_FAIL(pool, csr_attribute, "two extensionRequest attributes");
            EST_TRY(decode_extensions(csr, values.body, pool));
        } else if (est_slice_equal(oid.body, challenge_password)) {
            if (csr->challenge)
                return EST_FAIL(pool, csr_attribute, "two challengePassword attributes");
            EST_TRY(pki_reqattr_text(&csr->challenge, "challengePassword", values.body, pool));
        } else {
            if (n == PKI_CSR_MAX_ATTRIBUTES)
                return EST_FAIL(pool, csr_attribute, "more than %d other attributes", PKI_CSR_MAX_ATTRIBUTES);
            others[n++] = (pki_req_attr_t){pki_oid_to_text(oid.body, pool), values.body};
        }
    }
    csr->attrs = n ? apr_pmemdup(pool, others, sizeof(others[0]) * (apr_size_t)n) : NULL;
    csr->n_attrs = n;
    return NULL;
}

/* ---- The request ---- */

/* What people send instead (B-03), told by the first inner values */
static const char *other_kind(est_slice_t first)
{
    pki_der_t v;

    if (first.n && first.p[0] == PKI_DER_OID)
        return " but a CMS or PKCS#7 message";
    if (first.n && first.p[0] == PKI_DER_INTEGER)
        return " but a PKCS#12 or private key";
    if (!pki_der_take(&first, PKI_DER_SEQUENCE, &v) || !v.body.n)
        return "";
    if (v.body.p[0] == PKI_DER_CONTEXT_CONSTRUCTED(0))
        return " but a certificate";
    return v.body.p[0] == PKI_DER_OID ? " but a public key" : "";
}

/* CertificationRequestInfo ::= SEQUENCE { version INTEGER { v1(0) }, subject Name, subjectPKInfo SubjectPublicKeyInfo,
 * attributes [0] Attributes }. Attributes are left out by some clients, though RFC 2986 has them always; accepted. */
static est_err_t *decode_info(pki_csr_t *csr, est_slice_t in, apr_pool_t *pool)
{
    pki_der_t version, subject, spki, attributes = {0};

    if (!pki_der_take(&in, PKI_DER_INTEGER, &version) || version.body.n != 1 || version.body.p[0] != 0)
        return EST_FAIL(pool, csr_invalid, "version is not 0");
    if (!pki_der_take(&in, PKI_DER_SEQUENCE, &subject) || !pki_der_take(&in, PKI_DER_SEQUENCE, &spki))
        return EST_FAIL(pool, csr_invalid, "subject or public key is missing");
    if (in.n && (!pki_der_take(&in, PKI_DER_CONTEXT_CONSTRUCTED(0), &attributes) || in.n))
        return EST_FAIL(pool, csr_invalid, "something other than attributes after the public key");
    EST_TRY(pki_name_decode(&csr->subject, subject.whole, pool));
    if (csr->subject->unfit)
        return EST_FAIL(pool, name_invalid, "%s in the subject", csr->subject->unfit);
    EST_TRY(decode_attributes(csr, attributes.body, pool));
    return pki_key_decode(&csr->key, spki.whole, pool); /* last: the dear one for RSA */
}

/* CertificationRequest ::= SEQUENCE { certificationRequestInfo, signatureAlgorithm AlgorithmIdentifier,
 * signature BIT STRING } */
est_err_t *pki_csr_decode(pki_csr_t **out, est_slice_t der, apr_pool_t *pool)
{
    EST_TRY(pki_der_check(der, pool));
    pki_csr_t *csr = apr_pcalloc(pool, sizeof(*csr));
    est_slice_t rest = der;
    pki_der_t request, info, algorithm, signature;
    if (!pki_der_take(&rest, PKI_DER_SEQUENCE, &request))
        return EST_FAIL(pool, csr_invalid, "not a SEQUENCE");
    est_slice_t inside = request.body;
    if (!pki_der_take(&inside, PKI_DER_SEQUENCE, &info) || !info.body.n || info.body.p[0] != PKI_DER_INTEGER ||
        !pki_der_take(&inside, PKI_DER_SEQUENCE, &algorithm) ||
        !pki_der_take(&inside, PKI_DER_BIT_STRING, &signature) || inside.n)
        return EST_FAIL(pool, csr_invalid, "not a PKCS#10 certificate request%s", other_kind(request.body));
    if (signature.body.n < 2 || signature.body.p[0] != 0)
        return EST_FAIL(pool, csr_invalid, "signature is empty or has unused bits");
    csr->der = der;
    csr->info = info.whole;
    csr->signature_algorithm = algorithm.whole;
    csr->signature = est_slice(signature.body.p + 1, signature.body.n - 1);
    EST_TRY(decode_info(csr, info.body, pool));
    *out = csr;
    return NULL;
}

/* ---- Proof of possession ---- */

static est_err_t *bad_algorithm(const pki_csr_t *csr, apr_pool_t *pool)
{
    est_slice_t in = csr->signature_algorithm;
    pki_der_t algorithm, oid;
    const char *text = NULL;

    if (pki_der_take(&in, PKI_DER_SEQUENCE, &algorithm) && pki_der_take(&algorithm.body, PKI_DER_OID, &oid))
        text = pki_oid_to_text(oid.body, pool);
    int nid = text ? OBJ_txt2nid(text) : NID_undef;
    return EST_FAIL(pool, csr_algorithm,
                    "%s with a key of type %s; accepted are RSA PKCS#1 v1.5 and ECDSA with SHA-256, SHA-384 or "
                    "SHA-512, Ed25519 and Ed448",
                    nid != NID_undef ? OBJ_nid2sn(nid)
                    : text           ? text
                                     : "unknown",
                    csr->key->label);
}

est_err_t *pki_csr_verify(const pki_csr_t *csr, apr_pool_t *pool)
{
    const pki_sigalg_t *algorithm = pki_sigalg_from_der(csr->signature_algorithm);

    if (!algorithm || algorithm->type != csr->key->type)
        return bad_algorithm(csr, pool);

    /* anything but 1 is a failure: some inputs make it negative */
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int verified = ctx &&
                   EVP_DigestVerifyInit(ctx, NULL, algorithm->md ? algorithm->md() : NULL, NULL, csr->key->pkey) == 1 &&
                   EVP_DigestVerify(ctx, csr->signature.p, csr->signature.n, csr->info.p, csr->info.n) == 1;
    EVP_MD_CTX_free(ctx);
    if (verified)
        return NULL;
    ERR_clear_error();
    return EST_FAIL(pool, csr_signature, "not made by the key of the request (%s) over the request", csr->key->label);
}
