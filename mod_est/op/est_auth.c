/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_auth.h"

#include <apr_strings.h>
#include <string.h>

#define PATH_TTL apr_time_from_sec(60)

est_err_t *est_auth_ca(ca_t **out, const ca_facts_t **facts, const policy_alias_t *alias, const est_service_t *service,
                       apr_pool_t *pool)
{
    const char *name = alias ? alias->ca : service->cas[0]->name;

    for (int i = 0; name && i < service->n_cas; i++)
        if (!strcmp(service->cas[i]->name, name)) {
            *out = service->cas[i];
            return (*out)->driver->facts(*out, facts, pool);
        }
    return name ? EST_FAIL(pool, alias_broken,
                           "alias \"%s\" names CA \"%s\", for which there is no <EstCA> in this httpd", alias->name,
                           name)
                : EST_FAIL(pool, alias_broken, "alias \"%s\" has no CA: column ca wants the name of an <EstCA>",
                           alias->name);
}

/* ---- the certificate path */

/* What is remembered of a path: under anchors of which kind it is, and what pki_path_check says there; detail is cut */
typedef struct {
    policy_anchor_kind_t kind;
    pki_path_t verdict;
    int ours; /* looked at where it matters: the alias's own CA has issued a certificate for an RA */
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

static int has_anchors(const policy_alias_t *alias, policy_anchor_kind_t kind)
{
    if (kind == POLICY_ANCHOR_HOLDER)
        return 1;
    if (kind == POLICY_ANCHOR_VENDOR && alias->vendor == POLICY_VENDOR_OFF)
        return 0;
    for (int i = 0; i < alias->n_anchors; i++)
        if (alias->anchors[i].kind == kind && !alias->anchors[i].helper)
            return 1;
    return 0;
}

/* The alias's anchors of one kind: the rows of est.trust_anchor, and of holders its own CA. A helper is no anchor, so
 * that each may help all. */
static est_err_t *make_anchors(pki_anchors_t **out, const policy_alias_t *alias, policy_anchor_kind_t kind,
                               const ca_facts_t *ca, apr_pool_t *pool)
{
    STACK_OF(X509) *anchors = sk_X509_new_null(), *helpers = sk_X509_new_null();
    est_err_t *err = NULL;
    int ok = anchors && helpers;

    for (int i = 0; ok && ca && kind == POLICY_ANCHOR_HOLDER && i < ca->n_issuers; i++)
        ok = sk_X509_push(anchors, ca->issuers[i]);
    for (int i = 0; ok && i < alias->n_anchors; i++)
        if (alias->anchors[i].helper || alias->anchors[i].kind == kind)
            ok = sk_X509_push(alias->anchors[i].helper ? helpers : anchors, alias->anchors[i].cert);
    err = ok ? pki_anchors_make(out, anchors, helpers, pool) : EST_FAIL(pool, internal, "out of memory");
    sk_X509_free(anchors);
    sk_X509_free(helpers);
    return err;
}

static int is_issued_by_any(X509 *cert, const ca_facts_t *ca)
{
    for (int i = 0; i < ca->n_issuers; i++)
        if (pki_cert_is_issued_by(cert, ca->issuers[i]))
            return 1;
    return 0;
}

/* Each kind by itself, so that what is under anchors of one is never taken for another (conformance TLS-13). The first
 * that knows the certificate has the say, also when it is not good there. */
static est_err_t *judge_path(path_memo_t *memo, est_req_t *req, est_service_t *service, const pki_cert_t *cert,
                             est_slice_t key)
{
    static const policy_anchor_kind_t kinds[] = {POLICY_ANCHOR_HOLDER, POLICY_ANCHOR_RA, POLICY_ANCHOR_VENDOR};
    apr_time_t until = 0, expires = req->now + PATH_TTL;
    const ca_facts_t *facts = NULL;
    ca_t *ca = NULL;

    /* An explanation may know of no CA (est_explain.c) */
    if (service->n_cas || !req->alias->ca)
        EST_TRY(est_auth_ca(&ca, &facts, req->alias, service, req->pool));
    memo->verdict = PKI_PATH_NO_ANCHOR;
    for (int i = 0; i < 3 && memo->verdict == PKI_PATH_NO_ANCHOR; i++) {
        const char *detail = NULL;
        pki_anchors_t *anchors;

        if (!has_anchors(req->alias, kinds[i]))
            continue;
        EST_TRY(make_anchors(&anchors, req->alias, kinds[i], facts, req->pool));
        EST_TRY(pki_path_check(&memo->verdict, &detail, &until, anchors, req->leaf, req->chain, req->now, req->pool));
        memo->kind = kinds[i];
        apr_cpystrn(memo->detail, detail ? detail : "", sizeof(memo->detail));
    }
    memo->ours = facts && memo->verdict == PKI_PATH_OK && memo->kind == POLICY_ANCHOR_HOLDER &&
                 (cert->purposes & PKI_CERT_CMC_RA) && is_issued_by_any(req->leaf, facts);
    if (memo->verdict == PKI_PATH_OK && until < expires)
        expires = until;
    est_lru_put(service->paths, key, expires, est_slice(memo, sizeof(*memo)));
    return NULL;
}

/* EXPIRED says that nothing else is wrong, and no more than that is forgiven, to those who renew */
static int is_forgiven(const path_memo_t *memo, const est_req_t *req, const pki_cert_t *cert)
{
    return memo->verdict == PKI_PATH_EXPIRED && memo->kind == POLICY_ANCHOR_HOLDER &&
           req->op->op == POLICY_OP_REENROLL && req->alias->renew_expired &&
           req->now <= cert->not_after + apr_time_from_sec(req->alias->renew_expired);
}

/* Fills cred.cert, or cred.cert_error, or cred.cert_ignored when the certificate counts as none (decision 12) */
static est_err_t *apply_verdict(const path_memo_t *memo, est_req_t *req, est_service_t *service, pki_cert_t *cert)
{
    policy_credentials_t *cred = &req->cred;

    if (memo->verdict == PKI_PATH_NO_ANCHOR) {
        cred->cert_ignored =
            apr_psprintf(req->pool, "the certificate sent, of \"%s\", is under no trust anchor of alias \"%s\": %s",
                         cert->subject->text, req->alias->name, memo->detail);
        return NULL;
    }
    if (memo->verdict != PKI_PATH_OK && !is_forgiven(memo, req, cert))
        cred->cert_error = EST_FAIL(req->pool, certificate_refused, "\"%s\": %s", cert->subject->text, memo->detail);
    else if (req->leaf_refused)
        cred->cert_error =
            EST_FAIL(req->pool, certificate_refused, "\"%s\": %s", cert->subject->text, req->leaf_refused);
    if (cred->cert_error)
        return NULL;
    cred->cert = cert;
    cred->cert_kind = memo->kind;
    cred->cert_is_ours = memo->ours;
    return policy_access_is_ra(req->alias, req->op->op, cred)
               ? store_cache_client_by_certificate(service->cache, &cred->ra, cert, req->pool)
               : NULL;
}

static est_err_t *check_certificate(est_req_t *req, est_service_t *service)
{
    path_memo_t memo;
    unsigned char hash[PKI_SHA256_SIZE];
    est_slice_t key, value;
    pki_cert_t *cert;
    est_err_t *err;

    req->cred.cert = NULL;
    req->cred.cert_error = NULL;
    req->cred.cert_ignored = NULL;
    req->cred.cert_is_ours = 0;
    req->cred.ra = NULL;
    if (!req->leaf)
        return NULL;
    err = pki_cert_facts(&cert, req->leaf, req->pool);
    if (err) {
        /* Unreadable names: only a refusal if one of our own anchors vouches for them, which cannot be told. Count it
         * as none. */
        req->cred.cert_ignored = apr_psprintf(req->pool, "the certificate sent counts as none: %s", est_err_text(err));
        return NULL;
    }
    EST_TRY(path_key(hash, req, cert));
    key = est_slice(hash, sizeof(hash));
    memset(&memo, 0, sizeof(memo)); /* with its padding: it is kept as octets */
    if (est_lru_get(service->paths, key, req->now, &value, req->pool) && value.n == sizeof(memo))
        memcpy(&memo, value.p, sizeof(memo));
    else
        EST_TRY(judge_path(&memo, req, service, cert, key));
    return apply_verdict(&memo, req, service, cert);
}

/* Operations that issue look the certificate up in the transaction that issues. The others do it here, once: httpd asks
 * who is authorised more than once. */
static est_err_t *check_holder_now(est_err_t **why, est_req_t *req, est_service_t *service)
{
    store_holder_t holder;

    *why = req->holder_refused;
    if ((req->op->methods & EST_METHOD_POST) || !req->identity.cert ||
        req->identity.cert_kind != POLICY_ANCHOR_HOLDER || req->holder_checked)
        return NULL;
    EST_TRY(service->store->vt->holder_status(service->store, &holder, req->alias->id, req->identity.cert, req->pool));
    if (holder == STORE_HOLDER_REVOKED)
        *why = EST_FAIL(req->pool, certificate_revoked, NULL);
    else if (holder == STORE_HOLDER_UNKNOWN &&
             (req->identity.kind == POLICY_IDENTITY_CERTIFICATE || req->identity.kind == POLICY_IDENTITY_RA ||
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

static est_err_t *reload_entity(est_req_t *req, est_service_t *service)
{
    const policy_entity_t *before = req->cred.entity;
    policy_entity_t *entity;

    EST_TRY(service->store->vt->entity_get(service->store, &entity, req->alias->id, before->name, req->pool));
    if (!entity || !same_text(before->code_hash, entity->code_hash))
        return EST_FAIL(req->pool, code_refused, "the code of end entity \"%s\" was changed", before->name);
    req->cred.entity = entity;
    return NULL;
}

static est_err_t *reload_client(est_req_t *req, est_service_t *service)
{
    const policy_client_t *before = req->cred.client;
    policy_client_t *client = NULL;

    if (req->cred.ra)
        store_cache_drop_client(service->cache, req->cred.ra->user);
    if (req->cred.entity)
        return reload_entity(req, service);
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
