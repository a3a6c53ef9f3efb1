/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_path.h"

#include "pki_ossl.h"
#include "pki_time.h"

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#define MAX_DEPTH 10
#define SECURITY_LEVEL 2 /* that of Debian's TLS: RSA 2048, SHA-256 (the anchor's own signature does not count) */

struct pki_anchors_t {
    X509_STORE *store;
    STACK_OF(X509) *helpers;
};

static est_err_t *copy_stack(STACK_OF(X509) **out, STACK_OF(X509) *certs, apr_pool_t *pool)
{
    STACK_OF(X509) *copy = certs ? X509_chain_up_ref(certs) : sk_X509_new_null();

    if (!copy)
        return EST_FAIL(pool, internal, "trust anchors: %s", pki_ossl_reason(pool));
    *out = pki_ossl_own_certs(copy, pool);
    return NULL;
}

est_err_t *pki_anchors_make(pki_anchors_t **out, STACK_OF(X509) *certs, STACK_OF(X509) *helpers, apr_pool_t *pool)
{
    pki_anchors_t *anchors = apr_pcalloc(pool, sizeof(*anchors));

    anchors->store = X509_STORE_new();
    if (!anchors->store)
        return EST_FAIL(pool, internal, "trust anchors: %s", pki_ossl_reason(pool));
    pki_ossl_own_store(anchors->store, pool);
    for (int i = 0; i < sk_X509_num(certs); i++) {
        if (!X509_STORE_add_cert(anchors->store, sk_X509_value(certs, i)))
            return EST_FAIL(pool, internal, "trust anchor %d: %s", i + 1, pki_ossl_reason(pool));
    }
    EST_TRY(copy_stack(&anchors->helpers, helpers, pool));
    *out = anchors;
    return NULL;
}

/* What was found wrong, by verdict: the first error of each kind. OpenSSL looks for the purpose before it checks a
 * signature, so that the first error alone could say "wrong purpose" of a certificate that has nothing to do with us:
 * the callback lets it go on to the end. */
typedef struct {
    int errors[PKI_PATH_INVALID + 1];
    int depths[PKI_PATH_INVALID + 1];
} findings_t;

static pki_path_t verdict_of(int error, int depth)
{
    switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: /* merely names an issuer that we know */
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_SUBJECT_ISSUER_MISMATCH:
    case X509_V_ERR_AKID_SKID_MISMATCH:
    case X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH:
        return PKI_PATH_NO_ANCHOR;
    case X509_V_ERR_CERT_HAS_EXPIRED: /* an expired CA is another matter: no grace for it */
        return depth == 0 ? PKI_PATH_EXPIRED : PKI_PATH_INVALID;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return depth == 0 ? PKI_PATH_NOT_YET : PKI_PATH_INVALID;
    case X509_V_ERR_INVALID_PURPOSE:
        return depth == 0 ? PKI_PATH_PURPOSE : PKI_PATH_INVALID;
    default:
        return PKI_PATH_INVALID;
    }
}

static int note_error(int ok, X509_STORE_CTX *ctx)
{
    if (!ok) {
        findings_t *found = X509_STORE_CTX_get_app_data(ctx);
        int error = X509_STORE_CTX_get_error(ctx), depth = X509_STORE_CTX_get_error_depth(ctx);
        pki_path_t verdict = verdict_of(error, depth);

        if (!found->errors[verdict]) {
            found->errors[verdict] = error;
            found->depths[verdict] = depth;
        }
    }
    return 1;
}

/* The gravest finding: EXPIRED is said only of certificates of which nothing else is wrong, since that may be forgiven
 */
static pki_path_t gravest(const findings_t *found)
{
    static const pki_path_t order[] = {PKI_PATH_NO_ANCHOR, PKI_PATH_INVALID, PKI_PATH_PURPOSE, PKI_PATH_NOT_YET,
                                       PKI_PATH_EXPIRED};

    for (apr_size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (found->errors[order[i]])
            return order[i];
    }
    return PKI_PATH_OK;
}

static est_err_t *earliest_end(apr_time_t *until, const STACK_OF(X509) *path, apr_pool_t *pool)
{
    for (int i = 0; i < sk_X509_num(path); i++) {
        apr_time_t end;

        if (!pki_time_from_asn1(&end, X509_get0_notAfter(sk_X509_value(path, i))))
            return EST_FAIL(pool, certificate_refused, "end of validity cannot be read: %s", pki_ossl_reason(pool));
        if (i == 0 || end < *until)
            *until = end;
    }
    return NULL;
}

static est_err_t *judge(pki_path_t *out, const char **detail, apr_time_t *until, X509_STORE_CTX *ctx, apr_pool_t *pool)
{
    findings_t found = {{0}, {0}};

    X509_STORE_CTX_set_app_data(ctx, &found);
    X509_STORE_CTX_set_verify_cb(ctx, note_error);
    if (X509_verify_cert(ctx) != 1) { /* not a finding: it could not go on */
        int error = X509_STORE_CTX_get_error(ctx);
        if (error == X509_V_ERR_OUT_OF_MEM || error == X509_V_ERR_INVALID_CALL)
            return EST_FAIL(pool, internal, "path validation: %s", X509_verify_cert_error_string(error));
        *out = PKI_PATH_NO_ANCHOR;
        *detail = "malformed certificate";
        return NULL;
    }
    *out = gravest(&found);
    *detail = X509_verify_cert_error_string(found.errors[*out]);
    if (found.depths[*out] > 0)
        *detail = apr_psprintf(pool, "%s (issuer at depth %d)", *detail, found.depths[*out]);
    return *out == PKI_PATH_OK ? earliest_end(until, X509_STORE_CTX_get0_chain(ctx), pool) : NULL;
}

/* The chain sent and the helpers, borrowed; untrusted both */
static STACK_OF(X509) *join(STACK_OF(X509) *chain, STACK_OF(X509) *helpers)
{
    STACK_OF(X509) *joined = chain ? sk_X509_dup(chain) : sk_X509_new_null();

    for (int i = 0; joined && i < sk_X509_num(helpers); i++) {
        if (!sk_X509_push(joined, sk_X509_value(helpers, i))) {
            sk_X509_free(joined);
            joined = NULL;
        }
    }
    return joined;
}

est_err_t *pki_path_check(pki_path_t *out, const char **detail, apr_time_t *until, const pki_anchors_t *anchors,
                          X509 *leaf, STACK_OF(X509) *chain, apr_time_t now, apr_pool_t *pool)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *untrusted = join(chain, anchors->helpers);
    est_err_t *err;

    if (ctx && untrusted && X509_STORE_CTX_init(ctx, anchors->store, leaf, untrusted)) {
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
        X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT);
        X509_VERIFY_PARAM_set_depth(param, MAX_DEPTH);
        X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
        X509_VERIFY_PARAM_set_time(param, (time_t)apr_time_sec(now));
        err = judge(out, detail, until, ctx, pool);
    } else {
        err = EST_FAIL(pool, internal, "path validation: %s", pki_ossl_reason(pool));
    }
    X509_STORE_CTX_free(ctx);
    sk_X509_free(untrusted);
    ERR_clear_error();
    return err;
}
