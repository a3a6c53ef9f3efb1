/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_forward.h"
#include "pki/pki_load.h"
#include "policy/policy_issued.h"

#include <apr_strings.h>
#include <string.h>

/* How long a client is told to wait where neither the CA nor the database has said it */
#define SOME_SECONDS 60

/* Attributes that are not looked at here, since they mean nothing to EST (EN-11), and by which CAs are asked for
 * extensions and names all the same. NULL: there is none */
static const char *unjudged(const pki_csr_t *csr)
{
    static const struct {
        const char *oid, *name;
    } rows[] = {
        {"1.3.6.1.4.1.311.2.1.14", "Microsoft's extensionRequest"}, /* OpenSSL reads it like that of PKCS#9 */
        {"1.3.6.1.4.1.311.13.2.1", "Microsoft's enrollmentNameValuePair"},
    };

    for (int i = 0; i < csr->n_attrs; i++)
        for (apr_size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
            if (csr->attrs[i].oid && !strcmp(csr->attrs[i].oid, rows[k].oid))
                return rows[k].name;
    return NULL;
}

est_err_t *est_forward_check(const est_forward_t *what, const est_req_t *req)
{
    const char *attribute = what->ca->unchanged ? unjudged(what->csr) : NULL;

    if (attribute)
        return EST_FAIL(
            req->pool, csr_attribute,
            "attribute %s: CA \"%s\" is sent the request as it is, and would be asked for what was not judged",
            attribute, what->ca->name);
    if (what->ca->unchanged && what->csr->altered)
        return EST_FAIL(
            req->pool, alias_broken,
            "alias \"%s\" takes enrolment codes from inside the request (code_source), and CA \"%s\" is sent the "
            "request as it is, code included: let codes come by Basic, or EstCADriver be cmp with "
            "EstCACmpRequest ir",
            req->alias->name, what->ca->name);
    return NULL;
}

/* The stored request may be of a time when the alias had a CA of another kind */
static est_err_t *check_stored(const est_forward_t *what, est_slice_t der, apr_pool_t *pool)
{
    const char *attribute;
    pki_csr_t *csr;

    if (!what->ca->unchanged)
        return NULL;
    EST_TRY(pki_csr_decode(&csr, der, pool));
    attribute = unjudged(csr);
    if (attribute)
        return EST_FAIL(pool, alias_broken,
                        "the request was first sent with attribute %s, with which it cannot go to CA \"%s\"", attribute,
                        what->ca->name);
    return NULL;
}

/* ---- what is asked of the CA */

est_err_t *est_forward_check_again(const est_forward_t *what, est_slice_t der, apr_pool_t *pool)
{
    return policy_issued_check(what->grant, what->csr->key->spki, der, what->ca->extensions, pool);
}

/* What is behind ca_request_t.granted */
typedef struct {
    const est_forward_t *what;
    const store_outcome_t *order;
    est_service_t *service;
} exchange_t;

/* ca_check_t */
static est_err_t *check(const ca_request_t *request, est_slice_t der, apr_pool_t *pool)
{
    const exchange_t *exchange = request->granted;

    return est_forward_check_again(exchange->what, der, pool);
}

/* ca_keep_t. Nobody else resumes the order before the lease is over. */
static est_err_t *keep(const ca_request_t *request, const char *upstream, est_slice_t state, apr_pool_t *pool)
{
    const exchange_t *exchange = request->granted;
    store_t *store = exchange->service->store;
    store_forward_t so_far = {.order = exchange->order->order,
                              .attempt = exchange->order->attempt,
                              .kind = STORE_FORWARD_KEPT,
                              .upstream = upstream,
                              .state = state};

    return store->vt->order_forwarded(store, &so_far, pool);
}

/* ---- what became of it */

static void put(const store_forward_t *result, const est_req_t *req, est_service_t *service)
{
    est_err_t *err = service->store->vt->order_forwarded(service->store, result, req->pool);

    /* The row says that it may be at the CA, which is true, and goes on when the lease is over */
    if (err)
        est_env_log(service->env, EST_LOG_WARNING, "what became of order %s is not on record: %s", result->order,
                    est_err_text(err));
}

static int is_final(est_err_code_t code)
{
    return code == EST_E_ca_refused || code == EST_E_ca_answer || code == EST_E_ca_wrong || code == EST_E_alias_broken;
}

static void put_failure(const est_err_t *err, const ca_answer_t *answer, store_forward_t *result, const est_req_t *req,
                        est_service_t *service)
{
    result->kind = STORE_FORWARD_UNSENT;
    result->upstream = answer->upstream;
    if (is_final(err->code)) {
        result->kind = STORE_FORWARD_FAILED;
        result->rule = est_err_row(err->code)->name;
        result->reason = est_err_text(err);
        result->answer = answer->der;
    } else if (answer->upstream) {
        result->kind = STORE_FORWARD_UNSURE;
        result->state = answer->state;
    }
    put(result, req, service);
}

static est_err_t *ask_ca(ca_answer_t *answer, const est_forward_t *what, const store_outcome_t *order,
                         const est_req_t *req, est_service_t *service)
{
    exchange_t exchange = {what, order, service};
    int renews = req->op->op == POLICY_OP_REENROLL && req->identity.cert;
    ca_request_t request = {.facts = what->facts,
                            .now = req->now,
                            .csr = order->csr,
                            .holder = renews ? req->leaf : NULL,
                            .check = check,
                            .keep = keep,
                            .granted = &exchange,
                            .upstream = order->upstream,
                            .state = order->state};
    pki_tbs_t tbs = policy_grant_tbs(what->grant, what->csr->key->spki);

    request.tbs = &tbs;
    EST_TRY(check_stored(what, order->csr, req->pool));
    return what->ca->driver->issue(what->ca, answer, &request, req->pool);
}

est_err_t *est_forward(est_slice_t *der, int *retry_after, const est_forward_t *what, const store_outcome_t *order,
                       const est_req_t *req, est_service_t *service)
{
    store_forward_t result = {.order = order->order, .attempt = order->attempt};
    ca_answer_t answer = {0};
    est_err_t *err = ask_ca(&answer, what, order, req, service);

    *der = est_slice("", 0);
    if (err) {
        put_failure(err, &answer, &result, req, service);
        if (answer.der.n) /* whoever has to have it revoked looks for these */
            err->detail = apr_psprintf(req->pool, "certificate %s of order %s: %s",
                                       pki_cert_serial_text(answer.der, req->pool), order->order, est_err_text(err));
        return err;
    }
    if (answer.der.n) {
        *der = answer.der;
        return NULL;
    }
    result.kind = STORE_FORWARD_WAITS;
    result.upstream = answer.upstream;
    result.state = answer.state;
    result.retry_after = answer.retry_after;
    *retry_after = answer.retry_after ? answer.retry_after : order->retry_after ? order->retry_after : SOME_SECONDS;
    /* A client that was told to come again must find it there */
    return service->store->vt->order_forwarded(service->store, &result, req->pool);
}

void est_forward_give_up(const est_err_t *err, est_slice_t der, const store_outcome_t *order, const est_req_t *req,
                         est_service_t *service)
{
    store_forward_t result = {.order = order->order,
                              .attempt = order->attempt,
                              .kind = STORE_FORWARD_FAILED,
                              .rule = est_err_row(err->code)->name,
                              .reason = est_err_text(err),
                              .answer = der};

    if (est_err_row(err->code)->status >= 500 && !is_final(err->code))
        return;
    put(&result, req, service);
    est_forward_report(der, est_err_row(err->code)->name, order, req, service);
}

void est_forward_report(est_slice_t der, const char *why, const store_outcome_t *order, const est_req_t *req,
                        const est_service_t *service)
{
    est_env_log(service->env, EST_LOG_ERROR,
                "order %s: the CA has issued certificate %s, which is not handed out (%s): it should be revoked there",
                order->order, pki_cert_serial_text(der, req->pool), why);
}

/* ---- the row */

/* Of one of the issuers, which ca_remote_accept() has seen to */
static const char *issuer_text(const est_forward_t *what, est_slice_t issuer, apr_pool_t *pool)
{
    const ca_facts_t *now = what->facts; /* an upstream may have a new certificate since */
    const pki_issuer_t *known;

    (void)what->ca->driver->facts(what->ca, &now, pool);
    known = &now->issuer;

    for (int i = 0; i < known->n_certs; i++)
        if (est_slice_equal(known->certs[i]->subject->der, issuer))
            return known->certs[i]->subject->text;
    return known->certs[0]->subject->text;
}

est_err_t *est_forward_describe(store_issue_t *row, unsigned char issuer_hash[PKI_SHA256_SIZE],
                                const est_forward_t *what, est_slice_t der, apr_pool_t *pool)
{
    pki_cert_t *cert;
    X509 *x509;

    if (pki_load_der(&x509, der, pool) || pki_cert_facts(&cert, x509, pool))
        return EST_FAIL(pool, ca_wrong, "the certificate cannot be read");
    row->der = der;
    row->ca = what->ca->name;
    row->issuer = issuer_text(what, cert->issuer, pool);
    pki_sha256(issuer_hash, cert->issuer);
    row->issuer_hash = issuer_hash;
    row->serial = cert->serial;
    row->not_before = cert->not_before;
    row->not_after = cert->not_after;
    return NULL;
}
