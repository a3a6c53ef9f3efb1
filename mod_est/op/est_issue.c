/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_issue.h"
#include "est_auth.h"
#include "policy/policy_decide.h"

#include <apr_strings.h>
#include <string.h>

/* How often policy may change under one request before it is told to come back */
#define MAX_JUDGEMENTS 4

/* Everything that makes two requests the same (decision 7): who asks, where, for which key and names, under
 * which policy */
static void make_idem_key(unsigned char key[PKI_SHA256_SIZE], const est_req_t *req, const pki_csr_t *csr,
                          const policy_grant_t *grant)
{
    const policy_identity_t *identity = &req->identity;
    est_slice_t spki = csr->key->spki, subject = grant->subject->der, san = pki_san_encode(&grant->san, req->pool);
    const char *who = identity->kind == POLICY_IDENTITY_USER
                          ? identity->name
                          : est_hex(est_slice(identity->cert->fingerprint, PKI_SHA256_SIZE), req->pool);
    const char *head = apr_psprintf(req->pool, "%d %d %" APR_INT64_T_FMT " %d %d %d %d %s", req->alias->id, req->op->op,
                                    policy_snapshot_version(req->snapshot), identity->kind, (int)spki.n, (int)subject.n,
                                    (int)san.n, who);
    const est_slice_t parts[] = {est_slice(head, strlen(head) + 1), spki, subject, san};

    pki_sha256_parts(key, parts, 4);
}

/* 159 random bits: 20 octets with the sign bit clear, and not 0 (RFC 5280 4.1.2.2) */
static est_err_t *make_serial(unsigned char serial[20], const est_env_t *env, apr_pool_t *pool)
{
    if (!env->random(env, serial, 20))
        return EST_FAIL(pool, internal, "no random numbers");
    serial[0] &= 0x7f;
    for (int i = 0; i < 20; i++)
        if (serial[i])
            return NULL;
    return EST_FAIL(pool, internal, "the random numbers are all zero");
}

/* One judgement and, when it is favourable, one signature */
typedef struct {
    policy_grant_t *grant;
    ca_t *ca;
    unsigned char idem_key[PKI_SHA256_SIZE], holder_hash[PKI_SHA256_SIZE];
    unsigned char modulus_hash[PKI_KEY_MODULUS_HASH_SIZE];
    est_slice_t der;
} attempt_t;

/* RFC 7030 3.5: a challengePassword is the channel binding value of this very connection, in base64. Verified whenever
 * it is there. */
static est_err_t *check_binding(const est_req_t *req, const pki_csr_t *csr)
{
    policy_binding_t wanted = req->alias->binding;
    est_slice_t binding;
    const char *expected;
    apr_size_t n;

    if (!csr->challenge && wanted != POLICY_BINDING_REQUIRED)
        return NULL;
    if (wanted == POLICY_BINDING_OFF)
        return EST_FAIL(req->pool, binding_failed, "alias \"%s\" takes no challengePassword", req->alias->name);
    if (req->behind_proxy)
        return wanted == POLICY_BINDING_REQUIRED
                   ? EST_FAIL(req->pool, binding_unreachable, "alias \"%s\"", req->alias->name)
                   : EST_FAIL(req->pool, binding_behind_proxy, NULL);
    if (!csr->challenge)
        return EST_FAIL(req->pool, binding_required, NULL);
    binding = req->binding(req);
    if (!binding.n)
        return EST_FAIL(req->pool, binding_failed,
                        "this connection has no channel binding value: in TLS 1.2 that takes RFC 7627");
    expected = est_base64_encode(binding, 0, &n, req->pool);
    n--; /* without the newline */
    if (strlen(csr->challenge) != n || !est_bytes_equal_ct(csr->challenge, expected, n))
        return EST_FAIL(req->pool, binding_failed, NULL);
    return NULL;
}

static est_err_t *judge_and_sign(attempt_t *a, est_req_t *req, est_service_t *service, const pki_csr_t *csr)
{
    policy_request_t judged = {
        .alias = req->alias, .op = req->op->op, .identity = &req->identity, .csr = csr, .now = req->now};
    pki_tbs_t tbs;

    if (req->alias->broken)
        return EST_FAIL(req->pool, alias_broken, "%s", req->alias->broken);
    EST_TRY(check_binding(req, csr));
    EST_TRY(est_auth_ca(&a->ca, req->alias, service, req->pool));
    judged.ca = &a->ca->issuer;
    judged.reserved_keys = service->reserved_keys;
    judged.n_reserved_keys = service->n_reserved_keys;
    EST_TRY(policy_decide(&a->grant, &judged, req->pool));

    memset(&tbs, 0, sizeof(tbs));
    EST_TRY(make_serial(tbs.serial, service->env, req->pool));
    tbs.not_before = a->grant->not_before;
    tbs.not_after = a->grant->not_after;
    tbs.subject = a->grant->subject->der;
    tbs.spki = csr->key->spki;
    tbs.exts = a->grant->exts;
    tbs.n_exts = a->grant->n_exts;
    tbs.digest = a->grant->digest;
    return a->ca->driver->issue(a->ca, &a->der, &tbs, req->pool);
}

static est_err_t *record(store_outcome_t *outcome, attempt_t *a, est_req_t *req, est_service_t *service,
                         const pki_csr_t *csr)
{
    store_issue_t row = {
        .id = req->id, .alias = req->alias->id, .operation = req->op->name, .identity = &req->identity};

    row.policy_version = policy_snapshot_version(req->snapshot);
    row.network = req->network;
    row.entity = a->grant->entity;
    if (req->alias->idempotency) {
        make_idem_key(a->idem_key, req, csr, a->grant);
        row.idem_key = a->idem_key;
        row.idem_seconds = req->alias->idempotency;
    }
    row.ca = a->ca->name;
    row.issuer = a->ca->issuer.certs[0]->subject->text;
    row.issuer_hash = a->ca->issuer_hash;
    row.serial = pki_cert_serial(a->der);
    row.subject = a->grant->subject->text;
    row.san = &a->grant->san;
    row.spki_hash = a->grant->spki_hash;
    if (csr->key->type == PKI_KEY_RSA) {
        if (!pki_key_modulus_hash(a->modulus_hash, csr->key, req->pool))
            return EST_FAIL(req->pool, internal, "no SHA-1, by which lists of weak keys name RSA moduli");
        row.modulus_hash = a->modulus_hash;
    }
    row.not_before = a->grant->not_before;
    row.not_after = a->grant->not_after;
    row.der = a->der;
    if (req->identity.cert) {
        pki_sha256(a->holder_hash, req->identity.cert->issuer);
        row.holder_issuer_hash = a->holder_hash;
    }
    return service->store->vt->record_issued(service->store, outcome, &row, req->pool);
}

static est_err_t *refusal(const store_outcome_t *outcome, apr_pool_t *pool)
{
    const char *detail = outcome->detail ? outcome->detail : "";

    if (outcome->rule && !strcmp(outcome->rule, "certificate_revoked"))
        return EST_FAIL(pool, certificate_revoked, "%s", detail);
    if (outcome->rule && !strcmp(outcome->rule, "certificate_unknown"))
        return EST_FAIL(pool, certificate_unknown, "%s", detail);
    if (outcome->rule && !strcmp(outcome->rule, "name_refused"))
        return EST_FAIL(pool, name_refused, "%s", detail);
    if (outcome->rule && !strcmp(outcome->rule, "key_blocked"))
        return EST_FAIL(pool, key_blocked, "%s", detail);
    return EST_FAIL(pool, store_failed, "refused by unknown rule \"%s\"", outcome->rule ? outcome->rule : "");
}

est_err_t *est_issue(est_slice_t *der, const char **dropped, est_req_t *req, est_service_t *service,
                     const pki_csr_t *csr)
{
    for (int i = 0; i < MAX_JUDGEMENTS; i++) {
        attempt_t attempt = {0};
        store_outcome_t outcome = {0};

        EST_TRY(judge_and_sign(&attempt, req, service, csr));
        EST_TRY(record(&outcome, &attempt, req, service, csr));
        *dropped = attempt.grant->dropped;
        switch (outcome.kind) {
        case STORE_ISSUED:
            *der = outcome.der.n ? outcome.der : attempt.der;
            return NULL;
        case STORE_REPLAY: /* what was signed just now is on no record */
            *der = outcome.der;
            return der->n ? NULL : EST_FAIL(req->pool, store_failed, "replay without a certificate");
        case STORE_REFUSED:
            return refusal(&outcome, req->pool);
        case STORE_STALE:
            if (outcome.rule && !strcmp(outcome.rule, "policy"))
                EST_TRY(store_cache_reload(service->cache, req->pool));
            EST_TRY(est_auth_again(req, service));
            break;
        case STORE_PENDING:
        case STORE_GO:
            return EST_FAIL(req->pool, store_failed, "record_issued answered as if it had been asked for an order");
        }
    }
    return EST_FAIL(req->pool, policy_changing, "judged %d times, and changed each time", MAX_JUDGEMENTS);
}
