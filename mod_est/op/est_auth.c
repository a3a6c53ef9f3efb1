/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_auth.h"

#include <apr_strings.h>
#include <string.h>

#define PATH_TTL apr_time_from_sec(60)

est_err_t *est_auth_ca(ca_t **out, const policy_alias_t *alias, const est_service_t *service, apr_pool_t *pool)
{
    const char *name = alias ? alias->ca : service->cas[0]->name;

    for (int i = 0; name && i < service->n_cas; i++)
        if (!strcmp(service->cas[i]->name, name)) {
            *out = service->cas[i];
            return NULL;
        }
    return name ? EST_FAIL(pool, alias_broken, "alias \"%s\" names CA \"%s\", for which there is no <EstCA> in this httpd",
                           alias->name, name)
                : EST_FAIL(pool, alias_broken, "alias \"%s\" has no CA: column ca wants the name of an <EstCA>",
                           alias->name);
}

/* ---- the certificate path */

/* What is remembered of a path; detail is what pki_path_check says, cut */
typedef struct {
    pki_path_t verdict;
    char detail[80];
} path_memo_t;

/* Alias and policy version as text up to a blank, a fingerprint of fixed size, DER that says its own length */
static est_err_t *path_key(unsigned char key[PKI_SHA256_SIZE], const est_req_t *req, const pki_cert_t *leaf)
{
    int n_chain = req->chain ? sk_X509_num(req->chain) : 0;
    est_slice_t *parts = apr_palloc(req->pool, ((apr_size_t)n_chain + 2) * sizeof(*parts));

    parts[0] = est_slice_of(
        apr_psprintf(req->pool, "%d %" APR_INT64_T_FMT " ", req->alias->id, policy_snapshot_version(req->snapshot)));
    parts[1] = est_slice(leaf->fingerprint, sizeof(leaf->fingerprint));
    for (int i = 0; i < n_chain; i++)
        EST_TRY(pki_cert_der(&parts[2 + i], sk_X509_value(req->chain, i), req->pool));
    pki_sha256_parts(key, parts, n_chain + 2);
    return NULL;
}

/* The alias's anchors: its own CA, and the rows of est.trust_anchor */
static est_err_t *make_anchors(pki_anchors_t **out, const policy_alias_t *alias, const ca_t *ca, apr_pool_t *pool)
{
    STACK_OF(X509) *anchors = sk_X509_new_null(), *helpers = sk_X509_new_null();
    est_err_t *err = NULL;
    int ok = anchors && helpers && sk_X509_push(anchors, ca->cert);

    for (int i = 0; ok && i < alias->n_anchors; i++)
        ok = sk_X509_push(alias->anchors[i].helper ? helpers : anchors, alias->anchors[i].cert);
    err = ok ? pki_anchors_make(out, anchors, helpers, pool) : EST_FAIL(pool, internal, "out of memory");
    sk_X509_free(anchors);
    sk_X509_free(helpers);
    return err;
}

static est_err_t *judge_path(path_memo_t *memo, est_req_t *req, est_service_t *service, est_slice_t key)
{
    pki_anchors_t *anchors;
    const char *detail = NULL;
    apr_time_t until = 0, expires = req->now + PATH_TTL;
    ca_t *ca;

    EST_TRY(est_auth_ca(&ca, req->alias, service, req->pool));
    EST_TRY(make_anchors(&anchors, req->alias, ca, req->pool));
    EST_TRY(pki_path_check(&memo->verdict, &detail, &until, anchors, req->leaf, req->chain, req->now, req->pool));
    apr_cpystrn(memo->detail, detail ? detail : "", sizeof(memo->detail));
    if (memo->verdict == PKI_PATH_OK && until < expires)
        expires = until;
    est_lru_put(service->paths, key, expires, est_slice(memo, sizeof(*memo)));
    return NULL;
}

/* Fills cred.cert, or cred.cert_error, or cred.cert_ignored when the certificate counts as none (decision 12) */
static est_err_t *check_certificate(est_req_t *req, est_service_t *service)
{
    path_memo_t memo = {0};
    unsigned char hash[PKI_SHA256_SIZE];
    est_slice_t key, value;
    pki_cert_t *cert;

    req->cred.cert = NULL;
    req->cred.cert_error = NULL;
    req->cred.cert_ignored = NULL;
    if (!req->leaf)
        return NULL;
    req->cred.cert_error = pki_cert_facts(&cert, req->leaf, req->pool);
    if (req->cred.cert_error) {
        /* Unreadable names: only a refusal if one of our own anchors vouches for them, which cannot be told. Count it
         * as none. */
        req->cred.cert_ignored =
            apr_psprintf(req->pool, "the certificate sent counts as none: %s", est_err_text(req->cred.cert_error));
        req->cred.cert_error = NULL;
        return NULL;
    }
    EST_TRY(path_key(hash, req, cert));
    key = est_slice(hash, sizeof(hash));
    if (est_lru_get(service->paths, key, req->now, &value, req->pool) && value.n == sizeof(memo))
        memcpy(&memo, value.p, sizeof(memo));
    else
        EST_TRY(judge_path(&memo, req, service, key));

    if (memo.verdict == PKI_PATH_NO_ANCHOR)
        req->cred.cert_ignored =
            apr_psprintf(req->pool, "the certificate sent, of \"%s\", is under no trust anchor of alias \"%s\": %s",
                         cert->subject->text, req->alias->name, memo.detail);
    else if (memo.verdict != PKI_PATH_OK)
        req->cred.cert_error = EST_FAIL(req->pool, certificate_refused, "\"%s\": %s", cert->subject->text, memo.detail);
    else if (req->leaf_refused)
        req->cred.cert_error =
            EST_FAIL(req->pool, certificate_refused, "\"%s\": %s", cert->subject->text, req->leaf_refused);
    else
        req->cred.cert = cert;
    return NULL;
}

/* Operations that issue look the certificate up in the transaction that issues. The others do it here, once: httpd asks
 * who is authorised more than once. */
static est_err_t *check_holder_now(est_err_t **why, est_req_t *req, est_service_t *service)
{
    store_holder_t holder;

    *why = req->holder_refused;
    if ((req->op->methods & EST_METHOD_POST) || !req->identity.cert || req->holder_checked)
        return NULL;
    EST_TRY(service->store->vt->holder_status(service->store, &holder, req->alias->id, req->identity.cert, req->pool));
    if (holder == STORE_HOLDER_REVOKED)
        *why = EST_FAIL(req->pool, certificate_revoked, NULL);
    else if (holder == STORE_HOLDER_UNKNOWN && (req->identity.kind == POLICY_IDENTITY_CERTIFICATE ||
                                                req->alias->auth_enroll == POLICY_AUTH_BASIC_AND_CERT))
        *why = EST_FAIL(req->pool, certificate_unknown, NULL);
    req->holder_refused = *why;
    req->holder_checked = 1;
    return NULL;
}

est_err_t *est_auth_require(policy_access_t *access, est_err_t **why, est_req_t *req, est_service_t *service)
{
    *why = NULL;
    *access = POLICY_ACCESS_GRANTED;
    if (req->alias && !policy_access_is_anonymous(req->alias, req->op->op)) {
        if (!req->cert_checked)
            EST_TRY(check_certificate(req, service));
        req->cert_checked = 1; /* not when that failed: it would count as none the next time */
        req->cred.address = req->address;
        *access = policy_access(&req->identity, why, req->alias, req->op->op, &req->cred, req->now, req->pool);
        if (*access == POLICY_ACCESS_GRANTED)
            EST_TRY(check_holder_now(why, req, service));
        if (*why)
            *access = POLICY_ACCESS_DENIED;
    }
    req->granted = *access == POLICY_ACCESS_GRANTED;
    req->granted_op = req->op;
    req->granted_alias = req->alias ? req->alias->id : 0;
    return NULL;
}

static int same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static est_err_t *reload_client(est_req_t *req, est_service_t *service)
{
    const policy_client_t *before = req->cred.client;
    policy_client_t *client = NULL;

    if (!req->cred.user)
        return NULL;
    store_cache_drop_client(service->cache, req->cred.user);
    EST_TRY(store_cache_client(service->cache, &client, req->cred.user, req->pool));
    if (before && (!client || !same_text(before->hash, client->hash)))
        return EST_FAIL(req->pool, authentication_required, "client \"%s\" was changed", req->cred.user);
    req->cred.client = client;
    return NULL;
}

est_err_t *est_auth_again(est_req_t *req, est_service_t *service)
{
    policy_access_t access;
    est_err_t *why;

    EST_TRY(store_cache_policy(service->cache, &req->snapshot, 0, req->pool));
    req->alias = policy_snapshot_alias(req->snapshot, req->alias->name);
    if (!req->alias || !req->alias->enabled || req->alias->id != req->granted_alias)
        return EST_FAIL(req->pool, alias_unknown, NULL);
    EST_TRY(reload_client(req, service));
    req->cert_checked = 0;
    EST_TRY(est_auth_require(&access, &why, req, service));
    if (access == POLICY_ACCESS_GRANTED)
        return NULL;
    return access == POLICY_ACCESS_NEED_USER ? EST_FAIL(req->pool, authentication_required, NULL) : why;
}
