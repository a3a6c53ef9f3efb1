/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_issue.h"
#include "est_auth.h"
#include "est_entity.h"
#include "est_forward.h"
#include "est_refusal.h"
#include "pki/pki_reqattr.h"

#include <apr_strings.h>
#include <string.h>

/* How often policy may change under one request before it is told to come back */
#define MAX_JUDGEMENTS 4
/* Seconds that a client is told to wait; the CA is asked when it said, however early the client comes */
#define WAIT_MAX (24 * 3600)

/* One judgement and, when it is favourable, one signature */
typedef struct {
    policy_grant_t *grant;
    ca_t *ca;
    const ca_facts_t *facts;
    store_issue_t row;
    char random[POLICY_RANDOM + 1];
    unsigned char issuer_hash[PKI_SHA256_SIZE];
    unsigned char idem_key[PKI_SHA256_SIZE], order_key[PKI_SHA256_SIZE], holder_hash[PKI_SHA256_SIZE];
    unsigned char modulus_hash[PKI_KEY_MODULUS_HASH_SIZE];
} attempt_t;

/* What an upstream has issued, and for which order, though it is on no record yet */
typedef struct {
    est_slice_t der;
    store_outcome_t order;
    const ca_t *ca; /* that has issued it */
} in_hand_t;

/* ---- what makes two requests the same */

const char *est_issue_who(const policy_identity_t *identity, apr_pool_t *pool)
{
    return identity->kind == POLICY_IDENTITY_USER || identity->kind == POLICY_IDENTITY_ENTITY
               ? identity->name
               : est_hex(est_slice(identity->cert->fingerprint, PKI_SHA256_SIZE), pool);
}

/* Of a request that is answered with the same certificate (decision 7): who asks, where, for which key, names and
 * extensions, under which policy */
static void make_idem_key(unsigned char key[PKI_SHA256_SIZE], const est_req_t *req, const pki_csr_t *csr,
                          const policy_grant_t *grant)
{
    est_slice_t spki = csr->key->spki, subject = grant->subject->der, san = pki_san_encode(&grant->san, req->pool);
    const char *head = apr_psprintf(req->pool, "%d %d %" APR_INT64_T_FMT " %d %d %d %d %s", req->alias->id, req->op->op,
                                    policy_snapshot_version(req->snapshot), req->identity.kind, (int)spki.n,
                                    (int)subject.n, (int)san.n, est_issue_who(&req->identity, req->pool));
    est_slice_t parts[4 + POLICY_MAX_EXTS] = {est_slice(head, strlen(head) + 1), spki, subject, san};

    /* Those taken over from the request are among them */
    memcpy(parts + 4, grant->exts, (apr_size_t)grant->n_exts * sizeof(*parts));
    pki_sha256_parts(key, parts, 4 + grant->n_exts);
}

/* The extensions that are asked for, in their order: a profile may take them over */
static void hash_extensions(unsigned char hash[PKI_SHA256_SIZE], const pki_csr_t *csr, apr_pool_t *pool)
{
    est_slice_t *parts = apr_palloc(pool, (2 * (apr_size_t)csr->n_exts + 1) * sizeof(*parts));

    for (int i = 0; i < csr->n_exts; i++) {
        const pki_req_ext_t *ext = &csr->exts[i];

        parts[2 * i] = est_slice_of(apr_psprintf(pool, "%s %d %d ", ext->oid, ext->critical, (int)ext->value.n));
        parts[2 * i + 1] = ext->value;
    }
    pki_sha256_parts(hash, parts, 2 * csr->n_exts);
}

/* Of a request that somebody has to approve: the same, but the names are those asked for, and policy may change while
 * it waits. So are the extensions: what was approved is all that may become of it. The octets of the request do not
 * count: it is signed anew for each connection that it is bound to (PE-04) */
static est_err_t *make_order_key(unsigned char key[PKI_SHA256_SIZE], const est_req_t *req, const pki_csr_t *csr)
{
    unsigned char exts[PKI_SHA256_SIZE];
    pki_reqattrs_t attrs = {0};
    est_slice_t parts[7];
    const char *head;

    if (req->alias->change_subject)
        EST_TRY(pki_reqattr_read(&attrs, csr, req->pool));
    parts[1] = csr->key->spki;
    parts[2] = csr->subject->der;
    parts[3] = pki_san_encode(&csr->san, req->pool);
    parts[4] = attrs.subject ? attrs.subject->der : est_slice("", 0);
    parts[5] = pki_san_encode(&attrs.san, req->pool);
    hash_extensions(exts, csr, req->pool);
    parts[6] = est_slice(exts, sizeof(exts));
    head = apr_psprintf(req->pool, "%d %d %d %d %d %d %d %d %d %s", req->alias->id, req->op->op, req->identity.kind,
                        (int)parts[1].n, (int)parts[2].n, (int)parts[3].n, attrs.has_change, (int)parts[4].n,
                        (int)parts[5].n, est_issue_who(&req->identity, req->pool));
    parts[0] = est_slice(head, strlen(head) + 1);
    pki_sha256_parts(key, parts, 7);
    return NULL;
}

/* ---- judging */

static est_err_t *check_foreign_binding(const est_req_t *req, const pki_csr_t *csr)
{
    est_slice_t value;

    if (est_base64_decode(&value, est_slice_of(csr->challenge), req->pool) || !value.n)
        return EST_FAIL(req->pool, binding_failed, "challengePassword is not base64");
    return NULL;
}

/* One that was an enrolment code is here no more */
est_err_t *est_issue_check_binding(const est_req_t *req, const pki_csr_t *csr)
{
    policy_binding_t wanted = req->alias->binding;
    est_slice_t binding;
    const char *expected;
    apr_size_t n;

    if (!csr->challenge && wanted != POLICY_BINDING_REQUIRED)
        return NULL;
    if (wanted == POLICY_BINDING_OFF)
        return EST_FAIL(req->pool, binding_failed, "alias \"%s\" takes no challengePassword", req->alias->name);
    if (csr->challenge && req->identity.kind == POLICY_IDENTITY_RA && req->alias->ra_binding)
        return check_foreign_binding(req, csr);
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

/* Letters and digits for names that have some in them; 32 of them, so that each is as likely as the others */
static est_err_t *make_random(char random[POLICY_RANDOM + 1], const policy_alias_t *alias, const est_env_t *env,
                              apr_pool_t *pool)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned char octets[POLICY_RANDOM];

    if (alias->name_scheme != POLICY_NAME_RANDOM && !strstr(alias->name_prefix, "${RANDOM}") &&
        !strstr(alias->name_postfix, "${RANDOM}"))
        return NULL;
    if (!env->random(env, octets, sizeof(octets)))
        return EST_FAIL(pool, internal, "no random numbers");
    for (int i = 0; i < POLICY_RANDOM; i++)
        random[i] = letters[octets[i] % 32];
    return NULL;
}

static est_forward_t to_forward(const attempt_t *a, const pki_csr_t *csr)
{
    return (est_forward_t){.ca = a->ca, .facts = a->facts, .grant = a->grant, .csr = csr};
}

static est_err_t *judge(attempt_t *a, est_req_t *req, est_service_t *service, const pki_csr_t *csr)
{
    est_forward_t what;
    policy_request_t judged = {
        .alias = req->alias, .op = req->op->op, .identity = &req->identity, .csr = csr, .now = req->now};

    if (req->alias->broken)
        return EST_FAIL(req->pool, alias_broken, "%s", req->alias->broken);
    EST_TRY(est_issue_check_binding(req, csr));
    EST_TRY(est_entity_resolve(req, service, csr));
    EST_TRY(est_auth_ca(&a->ca, &a->facts, req->alias, service, req->pool));
    EST_TRY(make_random(a->random, req->alias, service->env, req->pool));
    judged.ca = &a->facts->issuer;
    judged.reserved_keys = service->reserved_keys;
    judged.n_reserved_keys = service->n_reserved_keys;
    judged.random = a->random;
    EST_TRY(policy_decide(&a->grant, &judged, req->pool));
    what = to_forward(a, csr);
    return est_forward_check(&what, req);
}

/* ---- the row: what record_issued and order_open are told */

static void describe_identity(attempt_t *a, const est_req_t *req)
{
    const policy_identity_t *identity = &req->identity;
    store_issue_t *row = &a->row;

    row->identity = identity;
    if (identity->kind == POLICY_IDENTITY_ENTITY && identity->entity)
        row->code = identity->entity->code_id;
    if (identity->cert && identity->cert_kind == POLICY_ANCHOR_HOLDER) {
        pki_sha256(a->holder_hash, identity->cert->issuer);
        row->holder_issuer_hash = a->holder_hash;
    }
    row->vendor = est_entity_vendor_names(&row->n_vendor, req);
}

static est_err_t *describe(attempt_t *a, const est_req_t *req, const pki_csr_t *csr)
{
    store_issue_t *row = &a->row;

    row->id = req->id;
    row->alias = req->alias->id;
    row->policy_version = policy_snapshot_version(req->snapshot);
    row->operation = req->op->name;
    row->network = req->network;
    row->entity = a->grant->entity;
    describe_identity(a, req);
    if (req->alias->idempotency) {
        make_idem_key(a->idem_key, req, csr, a->grant);
        row->idem_key = a->idem_key;
        row->idem_seconds = req->alias->idempotency;
    }
    row->subject = a->grant->subject->text;
    row->san = &a->grant->san;
    row->spki_hash = a->grant->spki_hash;
    row->dropped = a->grant->dropped;
    if (csr->key->type != PKI_KEY_RSA)
        return NULL;
    if (!pki_key_modulus_hash(a->modulus_hash, csr->key, req->pool))
        return EST_FAIL(req->pool, internal, "no SHA-1, by which lists of weak keys name RSA moduli");
    row->modulus_hash = a->modulus_hash;
    return NULL;
}

est_err_t *est_issue_describe(const store_issue_t **out, const est_req_t *req, const pki_csr_t *csr,
                              policy_grant_t *grant)
{
    attempt_t *a = apr_pcalloc(req->pool, sizeof(*a));

    a->grant = grant;
    EST_TRY(describe(a, req, csr));
    EST_TRY(make_order_key(a->order_key, req, csr)); /* it may be at a CA upstream, whether or not people approve */
    a->row.order_key = a->order_key;
    *out = &a->row;
    return NULL;
}

/* ---- signing */

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

static est_err_t *sign(attempt_t *a, const est_req_t *req, const est_service_t *service, const pki_csr_t *csr)
{
    store_issue_t *row = &a->row;
    ca_request_t request = {0};
    ca_answer_t answer = {0};
    pki_tbs_t tbs = policy_grant_tbs(a->grant, csr->key->spki);

    EST_TRY(make_serial(tbs.serial, service->env, req->pool));
    request.tbs = &tbs;
    request.facts = a->facts;
    request.now = req->now;
    EST_TRY(a->ca->driver->issue(a->ca, &answer, &request, req->pool));
    row->der = answer.der;
    row->ca = a->ca->name;
    row->issuer = a->facts->issuer.certs[0]->subject->text;
    pki_sha256(a->issuer_hash, a->facts->issuer.certs[0]->subject->der);
    row->issuer_hash = a->issuer_hash;
    row->serial = pki_cert_serial(row->der);
    row->not_before = a->grant->not_before;
    row->not_after = a->grant->not_after;
    return NULL;
}

/* ---- what the database says */

/* Errors that are also the names of its rules */
static const est_err_code_t rules[] = {
    EST_E_certificate_revoked, EST_E_certificate_unknown, EST_E_key_blocked,     EST_E_name_refused,
    EST_E_entity_unknown,      EST_E_entity_suspended,    EST_E_code_refused,    EST_E_vendor_refused,
    EST_E_name_taken,          EST_E_key_taken,           EST_E_active_limit,    EST_E_quota_exceeded,
    EST_E_rate_exceeded,       EST_E_approval_denied,     EST_E_too_many_orders, EST_E_ca_wrong,
};

est_err_t *est_issue_refusal(const store_outcome_t *outcome, apr_pool_t *pool)
{
    for (apr_size_t i = 0; outcome->rule && i < sizeof(rules) / sizeof(rules[0]); i++)
        if (!strcmp(outcome->rule, est_err_row(rules[i])->name)) {
            est_err_t *err =
                est_err_make(pool, rules[i], __FILE__, __LINE__, outcome->detail ? "%s" : NULL, outcome->detail);

            err->retry_after = outcome->retry_after;
            return err;
        }
    return EST_FAIL(pool, store_failed, "refused by unknown rule \"%s\"", outcome->rule ? outcome->rule : "");
}

static int is_rule(const store_outcome_t *outcome, const char *rule)
{
    return outcome->rule && !strcmp(outcome->rule, rule);
}

/* Finds or opens the order, before anything is signed or forwarded */
static est_err_t *open_order(store_outcome_t *outcome, attempt_t *a, est_req_t *req, est_service_t *service,
                             const pki_csr_t *csr)
{
    store_outcome_kind_t go = a->ca->lease ? STORE_FORWARD : STORE_GO;

    EST_TRY(make_order_key(a->order_key, req, csr));
    a->row.order_key = a->order_key;
    a->row.csr = csr->der;
    a->row.ca = a->ca->name;
    a->row.lease = a->ca->lease;
    EST_TRY(service->store->vt->order_open(service->store, outcome, &a->row, req->pool));
    if ((outcome->kind == STORE_GO || outcome->kind == STORE_FORWARD) && outcome->kind != go)
        return EST_FAIL(req->pool, store_failed, "order_open answered as if the CA were %s",
                        a->ca->lease ? "a local one" : "an upstream's");
    a->row.order = outcome->order;
    return NULL;
}

/* Gets the certificate from the CA, unless it is in hand from a judgement before; outcome PENDING: it waits there */
static est_err_t *forward(store_outcome_t *outcome, attempt_t *a, in_hand_t *hand, const est_req_t *req,
                          est_service_t *service, const pki_csr_t *csr)
{
    est_forward_t what = to_forward(a, csr);

    hand->order = *outcome;
    hand->ca = a->ca;
    if (hand->der.n)
        EST_TRY(est_forward_check_again(&what, hand->der, req->pool));
    else
        EST_TRY(est_forward(&hand->der, &outcome->retry_after, &what, &hand->order, req, service));
    if (!hand->der.n) {
        outcome->kind = STORE_PENDING;
        outcome->waits_for_ca = 1;
        return NULL;
    }
    return est_forward_describe(&a->row, a->issuer_hash, &what, hand->der, req->pool);
}

/* Asks for what the row describes: whether it has to wait, and then, signed, whether it is on record */
static est_err_t *put_on_record(store_outcome_t *outcome, attempt_t *a, int needs_order, in_hand_t *hand,
                                est_req_t *req, est_service_t *service, const pki_csr_t *csr)
{
    store_t *store = service->store;

    outcome->kind = STORE_GO;
    if (needs_order || a->ca->lease)
        EST_TRY(open_order(outcome, a, req, service, csr));
    if (outcome->kind == STORE_GO)
        EST_TRY(sign(a, req, service, csr));
    else if (outcome->kind == STORE_FORWARD)
        EST_TRY(forward(outcome, a, hand, req, service, csr));
    if (outcome->kind != STORE_GO && outcome->kind != STORE_FORWARD)
        return NULL;
    EST_TRY(store->vt->record_issued(store, outcome, &a->row, req->pool));
    if (outcome->kind == STORE_GO || outcome->kind == STORE_FORWARD)
        return EST_FAIL(req->pool, store_failed, "record_issued answered as if it had been asked for an order");
    return NULL;
}

/* What was judged is no longer so */
static est_err_t *read_anew(const store_outcome_t *outcome, est_req_t *req, est_service_t *service)
{
    if (is_rule(outcome, "policy"))
        EST_TRY(store_cache_reload(service->cache, req->pool));
    return est_auth_again(req, service);
}

/* The certificate in hand is of a CA that the alias had before: it is not handed out as one of the new one */
static void leave_behind(in_hand_t *hand, const attempt_t *a, const est_req_t *req, est_service_t *service)
{
    if (!hand->der.n || hand->ca == a->ca)
        return;
    est_forward_give_up(EST_FAIL(req->pool, ca_wrong, "it is of CA \"%s\", and alias \"%s\" has \"%s\" now",
                                 hand->ca->name, req->alias->name, a->ca->name),
                        hand->der, &hand->order, req, service);
    memset(hand, 0, sizeof(*hand));
}

static est_err_t *issue(est_issued_t *out, in_hand_t *hand, est_req_t *req, est_service_t *service,
                        const pki_csr_t *csr)
{
    int needs_order = 0;

    for (int i = 0; i < MAX_JUDGEMENTS; i++) {
        attempt_t *attempt = apr_pcalloc(req->pool, sizeof(*attempt));
        store_outcome_t outcome = {0};

        EST_TRY(judge(attempt, req, service, csr));
        leave_behind(hand, attempt, req, service);
        EST_TRY(describe(attempt, req, csr));
        needs_order |= req->alias->approval != POLICY_APPROVAL_NONE;
        EST_TRY(put_on_record(&outcome, attempt, needs_order, hand, req, service, csr));
        out->dropped = attempt->grant->dropped;
        out->subject = attempt->row.subject;
        switch (outcome.kind) {
        case STORE_ISSUED:
            out->der = outcome.der.n ? outcome.der : attempt->row.der;
            return NULL;
        case STORE_REPLAY: /* what was signed just now is on no record */
            out->der = outcome.der;
            if (hand->der.n && !est_slice_equal(hand->der, outcome.der))
                est_forward_report(hand->der, "another one was recorded first", &hand->order, req, service);
            return out->der.n ? NULL : EST_FAIL(req->pool, store_failed, "replay without a certificate");
        case STORE_PENDING:
            out->pending = outcome.retry_after;
            out->order = outcome.order;
            out->waits_for_ca = outcome.waits_for_ca;
            return NULL;
        case STORE_REFUSED:
            return est_issue_refusal(&outcome, req->pool);
        case STORE_STALE:
            if (is_rule(&outcome, "approval"))
                needs_order = 1;
            else
                EST_TRY(read_anew(&outcome, req, service));
            break;
        case STORE_GO: /* put_on_record() has gone on */
        case STORE_FORWARD:
            break;
        }
    }
    return EST_FAIL(req->pool, policy_changing, "judged %d times, and changed each time", MAX_JUDGEMENTS);
}

est_err_t *est_issue(est_issued_t *out, est_req_t *req, est_service_t *service, const pki_csr_t *csr)
{
    in_hand_t hand = {.der = {NULL, 0}};
    est_err_t *err;

    memset(out, 0, sizeof(*out));
    err = est_refusal_check_rate(req, service);
    if (!err)
        err = issue(out, &hand, req, service, csr);
    if (err && hand.der.n)
        est_forward_give_up(err, hand.der, &hand.order, req, service); /* the order is what is on record of it */
    else if (err)
        est_refusal_note(err, req, service, csr);
    /* A code that counts no more is worth what a wrong one is: the reason is for the log alone (est_entity.c) */
    if (err && err->code == EST_E_code_refused)
        memset(&req->identity, 0, sizeof(req->identity));
    return err;
}

void est_issue_wait(est_resp_t *resp, const est_req_t *req, const est_issued_t *issued)
{
    resp->status = 202;
    resp->no_store = 1;
    resp->retry_after = issued->waits_for_ca && issued->pending > WAIT_MAX ? WAIT_MAX : issued->pending;
    /* A poll has a request id of its own: people decide by that of the order */
    resp->summary = apr_psprintf(req->pool, "\"%s\" waits for %s, order %s", issued->subject,
                                 issued->waits_for_ca ? "the CA" : "approval", issued->order);
}
