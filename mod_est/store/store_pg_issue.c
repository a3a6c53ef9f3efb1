/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store_pg_issue.h"

#include "policy/policy_text.h"

#include <apr_strings.h>
#include <string.h>

#define HASH 32 /* octets of a SHA-256 */

/* ---- values */

static const char *number(apr_int64_t n, apr_pool_t *pool)
{
    return apr_psprintf(pool, "%" APR_INT64_T_FMT, n);
}

/* NULL for what has no number */
static const char *number_if(apr_int64_t n, apr_pool_t *pool)
{
    return n ? number(n, pool) : NULL;
}

/* An array literal of text: {"dns:a.example","ip:10.0.0.1"} */
static const char *text_array(const char *const *texts, int n, apr_pool_t *pool)
{
    apr_size_t size = sizeof("{}");
    char *array, *p;

    for (int i = 0; i < n; i++)
        size += 2 * strlen(texts[i]) + 3; /* every octet escaped, quotes, comma */
    p = array = apr_palloc(pool, size);
    *p++ = '{';
    for (int i = 0; i < n; i++) {
        if (i)
            *p++ = ',';
        *p++ = '"';
        for (const char *s = texts[i]; *s; s++) {
            if (*s == '"' || *s == '\\')
                *p++ = '\\';
            *p++ = *s;
        }
        *p++ = '"';
    }
    *p++ = '}';
    *p = '\0';
    return array;
}

static const char *san_array(const pki_sans_t *san, apr_pool_t *pool)
{
    const char **texts = apr_palloc(pool, ((apr_size_t)san->n_names + 1) * sizeof(*texts));

    for (int i = 0; i < san->n_names; i++)
        texts[i] = pki_san_text(&san->names[i], pool);
    return text_array(texts, san->n_names, pool);
}

static const char *kind_of(const policy_identity_t *identity)
{
    static const char *const kinds[] = {NULL, "user", "certificate", "entity", "vendor", "ra"};

    return kinds[identity->kind];
}

/* ---- parameters that several statements have */

static void put_who(store_pg_params_t *params, const store_issue_t *issue, apr_pool_t *pool)
{
    const policy_identity_t *identity = issue->identity;
    const policy_client_t *client = identity->client;
    const pki_cert_t *holder = issue->holder_issuer_hash ? identity->cert : NULL;

    store_pg_params_text(params, number(issue->alias, pool));
    store_pg_params_text(params, number(issue->policy_version, pool));
    store_pg_params_text(params, issue->operation);
    store_pg_params_text(params, kind_of(identity));
    store_pg_params_text(params, identity->name);
    store_pg_params_text(params, client ? number(client->id, pool) : NULL);
    store_pg_params_text(params, client ? number(client->version, pool) : NULL);
    store_pg_params_text(params, issue->network);
    store_pg_params_bytes(params, holder ? issue->holder_issuer_hash : NULL, HASH);
    store_pg_params_text(params, holder ? est_hex(holder->serial, pool) : NULL);
    store_pg_params_text(params, issue->entity);
}

static void put_idempotency(store_pg_params_t *params, const store_issue_t *issue, apr_pool_t *pool)
{
    store_pg_params_bytes(params, issue->idem_key, HASH);
    store_pg_params_text(params, number(issue->idem_seconds, pool));
}

static void put_code(store_pg_params_t *params, const store_issue_t *issue, apr_pool_t *pool)
{
    const policy_entity_t *entity = issue->identity->entity;

    store_pg_params_text(params, issue->dropped);
    store_pg_params_text(params, number_if(issue->code, pool));
    store_pg_params_text(params, entity ? number(entity->version, pool) : NULL);
}

static void put_vendor(store_pg_params_t *params, const store_issue_t *issue, apr_pool_t *pool)
{
    store_pg_params_text(params, issue->vendor ? text_array(issue->vendor, issue->n_vendor, pool) : NULL);
}

/* ---- the statements */

void store_pg_issue_params(store_pg_params_t *params, const store_issue_t *issue, apr_pool_t *pool)
{
    store_pg_params_text(params, issue->id);
    put_who(params, issue, pool);
    put_idempotency(params, issue, pool);
    store_pg_params_text(params, issue->ca);
    store_pg_params_text(params, issue->issuer);
    store_pg_params_bytes(params, issue->issuer_hash, HASH);
    store_pg_params_text(params, est_hex(issue->serial, pool));
    store_pg_params_text(params, issue->subject);
    store_pg_params_text(params, san_array(issue->san, pool));
    store_pg_params_bytes(params, issue->spki_hash, HASH);
    store_pg_params_text(params, number(apr_time_sec(issue->not_before), pool));
    store_pg_params_text(params, number(apr_time_sec(issue->not_after), pool));
    store_pg_params_bytes(params, issue->der.p, issue->der.n);
    store_pg_params_bytes(params, issue->modulus_hash, PKI_KEY_MODULUS_HASH_SIZE);
    put_code(params, issue, pool);
    store_pg_params_text(params, issue->order);
    put_vendor(params, issue, pool);
}

void store_pg_issue_order_params(store_pg_params_t *params, const store_issue_t *issue, apr_pool_t *pool)
{
    store_pg_params_text(params, issue->id);
    put_who(params, issue, pool);
    store_pg_params_bytes(params, issue->order_key, HASH);
    put_idempotency(params, issue, pool);
    store_pg_params_text(params, issue->subject);
    store_pg_params_text(params, san_array(issue->san, pool));
    store_pg_params_bytes(params, issue->spki_hash, HASH);
    store_pg_params_bytes(params, issue->modulus_hash, PKI_KEY_MODULUS_HASH_SIZE);
    store_pg_params_bytes(params, issue->csr.p, issue->csr.n);
    put_code(params, issue, pool);
    put_vendor(params, issue, pool);
    store_pg_params_text(params, issue->ca);
    store_pg_params_text(params, number(issue->lease, pool));
}

void store_pg_issue_forwarded_params(store_pg_params_t *params, const store_forward_t *forward, apr_pool_t *pool)
{
    static const char *const kinds[] = {"waits", "unsure", "unsent", "failed", "kept"};

    store_pg_params_text(params, forward->order);
    store_pg_params_text(params, number(forward->attempt, pool));
    store_pg_params_text(params, kinds[forward->kind]);
    store_pg_params_text(params, forward->upstream);
    store_pg_params_bytes(params, forward->state.n ? forward->state.p : NULL, forward->state.n);
    store_pg_params_text(params, number(forward->retry_after, pool));
    store_pg_params_text(params, forward->rule);
    store_pg_params_text(params, forward->reason);
    store_pg_params_bytes(params, forward->answer.n ? forward->answer.p : NULL, forward->answer.n);
}

void store_pg_issue_explain_params(store_pg_params_t *params, const store_issue_t *issue, apr_pool_t *pool)
{
    const pki_cert_t *holder = issue->holder_issuer_hash ? issue->identity->cert : NULL;

    store_pg_params_text(params, number(issue->alias, pool));
    store_pg_params_text(params, issue->operation);
    store_pg_params_text(params, kind_of(issue->identity));
    store_pg_params_text(params, issue->identity->name);
    store_pg_params_text(params, issue->network);
    store_pg_params_bytes(params, holder ? issue->holder_issuer_hash : NULL, HASH);
    store_pg_params_text(params, holder ? est_hex(holder->serial, pool) : NULL);
    store_pg_params_text(params, issue->entity);
    store_pg_params_text(params, issue->subject);
    store_pg_params_bytes(params, issue->spki_hash, HASH);
    store_pg_params_bytes(params, issue->modulus_hash, PKI_KEY_MODULUS_HASH_SIZE);
    store_pg_params_text(params, number_if(issue->code, pool));
    put_vendor(params, issue, pool);
    store_pg_params_bytes(params, issue->order_key, HASH);
    put_idempotency(params, issue, pool);
}

void store_pg_issue_refusal_params(store_pg_params_t *params, const store_refusal_t *refusal, apr_pool_t *pool)
{
    const policy_identity_t *identity = refusal->identity;
    const policy_client_t *client = identity ? identity->client : NULL;

    store_pg_params_text(params, refusal->id);
    store_pg_params_text(params, number_if(refusal->alias, pool));
    store_pg_params_text(params, refusal->operation);
    store_pg_params_text(params, identity ? kind_of(identity) : NULL);
    store_pg_params_text(params, identity ? identity->name : NULL);
    store_pg_params_text(params, client ? number(client->id, pool) : NULL);
    store_pg_params_text(params, refusal->network);
    store_pg_params_text(params, refusal->subject);
    store_pg_params_text(params, refusal->san ? san_array(refusal->san, pool) : NULL);
    store_pg_params_bytes(params, refusal->spki_hash, HASH);
    store_pg_params_text(params, refusal->rule);
    store_pg_params_text(params, refusal->reason);
}

/* ---- outcomes */

static est_err_t *read_kind(store_outcome_kind_t *out, const char *text, const char *statement, apr_pool_t *pool)
{
    static const char *const kinds[] = {"issued", "replay", "refused", "stale", "pending", "go", "forward"};

    for (apr_size_t i = 0; text && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!strcmp(text, kinds[i])) {
            *out = (store_outcome_kind_t)i;
            return NULL;
        }
    return EST_FAIL(pool, store_failed, "%s: unknown outcome \"%s\"", statement, text ? text : "NULL");
}

static est_err_t *read_bytes(est_slice_t *out, const char *text, const char *statement, apr_pool_t *pool)
{
    size_t n;
    unsigned char *octets;

    if (!text)
        return NULL;
    octets = PQunescapeBytea((const unsigned char *)text, &n);
    if (!octets)
        return EST_FAIL(pool, store_failed, "%s: no memory for what it answered", statement);
    *out = est_slice_dup(est_slice(octets, n), pool);
    PQfreemem(octets);
    return NULL;
}

est_err_t *store_pg_issue_outcome(store_outcome_t *out, const PGresult *result, const char *statement, apr_pool_t *pool)
{
    const char *kind, *der, *retry_after;

    memset(out, 0, sizeof(*out));
    EST_TRY(store_pg_column(&kind, result, 0, "outcome", pool));
    EST_TRY(store_pg_column(&out->rule, result, 0, "rule", pool));
    EST_TRY(store_pg_column(&out->detail, result, 0, "detail", pool));
    EST_TRY(store_pg_column(&der, result, 0, "der", pool));
    EST_TRY(store_pg_column(&out->order, result, 0, "order_id", pool));
    EST_TRY(store_pg_column(&retry_after, result, 0, "retry_after", pool));
    EST_TRY(read_kind(&out->kind, kind, statement, pool));
    EST_TRY(read_bytes(&out->der, der, statement, pool));
    out->retry_after = retry_after ? atoi(retry_after) : 0;
    if (out->kind == STORE_REPLAY && !out->der.n)
        return EST_FAIL(pool, store_failed, "%s: replay without a certificate", statement);
    if (out->kind == STORE_PENDING && out->retry_after <= 0)
        return EST_FAIL(pool, store_failed, "%s: pending, but not for how long", statement);
    return NULL;
}

est_err_t *store_pg_issue_forward(store_outcome_t *out, const PGresult *result, apr_pool_t *pool)
{
    const char *attempt, *csr, *state, *waits_for_ca;

    EST_TRY(store_pg_column(&attempt, result, 0, "attempt", pool));
    EST_TRY(store_pg_column(&csr, result, 0, "csr", pool));
    EST_TRY(store_pg_column(&out->upstream, result, 0, "upstream", pool));
    EST_TRY(store_pg_column(&state, result, 0, "state", pool));
    EST_TRY(store_pg_column(&waits_for_ca, result, 0, "waits_for_ca", pool));
    EST_TRY(read_bytes(&out->csr, csr, "order_open", pool));
    EST_TRY(read_bytes(&out->state, state, "order_open", pool));
    out->attempt = attempt ? atoi(attempt) : 0;
    out->waits_for_ca = policy_text_bool(waits_for_ca);
    if (out->kind == STORE_FORWARD && (!out->order || out->attempt <= 0 || !out->csr.n))
        return EST_FAIL(pool, store_failed, "order_open: forward, but not what");
    return NULL;
}
