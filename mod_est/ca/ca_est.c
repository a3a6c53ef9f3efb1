/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_est.h"

#include "ca_est_certs.h"
#include "ca_settings.h"
#include "pki/pki_certs.h"
#include "pki/pki_csr.h"
#include "pki/pki_der.h"
#include "pki/pki_ext.h"
#include "pki/pki_ossl.h"

#include <apr_strings.h>
#include <openssl/err.h>
#include <stdatomic.h>
#include <string.h>

#define LINE_WIDTH 64
/* The upstream's csrattrs explain a refusal: not asked for more often, and not waited for longer */
#define CSRATTRS_PAUSE apr_time_from_sec(60)
#define CSRATTRS_TIME apr_time_from_sec(3)

typedef struct {
    ca_remote_t remote;
    ca_est_certs_t *certs;
    _Atomic apr_time_t csrattrs_at; /* when they were asked for; 0: never */
    atomic_int wants_binding;       /* what they said */
} ca_est_t;

/* One with one upstream */
typedef struct {
    ca_est_t *est;
    const char *upstream;
    const ca_request_t *request;
    const pki_csr_t *csr; /* that of the request */
    apr_time_t deadline;
    apr_pool_t *pool;
} exchange_t;

/* EST keeps no state: the same request is sent again (RFC 7030 4.2.3). This says that it is to be sent there alone. */
static const est_slice_t pending = PKI_DER_LITERAL("pending");

/* ---- why an upstream refuses */

static int is_binding(const pki_der_t *oid)
{
    static const est_slice_t challenge_password = PKI_OID("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07");
    static const est_slice_t identity_linking = PKI_OID("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x3a");

    return oid->tag == PKI_DER_OID &&
           (est_slice_equal(oid->body, challenge_password) || est_slice_equal(oid->body, identity_linking));
}

/* CsrAttrs ::= SEQUENCE OF (OID | Attribute), RFC 7030 4.5.2 */
static int lists_binding(est_slice_t attributes)
{
    pki_der_t all, item, type;

    if (!pki_der_take(&attributes, PKI_DER_SEQUENCE, &all))
        return 0;
    while (pki_der_next(&all.body, &item)) {
        if (item.tag == PKI_DER_SEQUENCE && pki_der_next(&item.body, &type))
            item = type;
        if (is_binding(&item))
            return 1;
    }
    return 0;
}

/* Does the upstream's csrattrs ask for what binds a request to the connection that it comes by? */
static int wants_binding(const exchange_t *x)
{
    ca_est_t *est = x->est;
    apr_time_t now = est->remote.env->now(est->remote.env), before = atomic_load(&est->csrattrs_at);
    ca_est_get_t get = {.upstream = x->upstream,
                        .operation = "csrattrs",
                        .deadline = x->deadline < now + CSRATTRS_TIME ? x->deadline : now + CSRATTRS_TIME};
    est_slice_t attributes;

    if (before && now >= before && now - before < CSRATTRS_PAUSE)
        return atomic_load(&est->wants_binding);
    if (!atomic_compare_exchange_strong(&est->csrattrs_at, &before, now)) /* another one asks just now */
        return atomic_load(&est->wants_binding);
    atomic_store(&est->wants_binding,
                 !ca_est_get(&attributes, &est->remote, &get, x->pool) && lists_binding(attributes));
    return atomic_load(&est->wants_binding);
}

/* What is neither a certificate nor a wait */
static est_err_t *failure(const exchange_t *x, const ca_http_answer_t *http)
{
    int status = http->status, is_refusal = status >= 400 && status < 500;
    const char *otherwise = !is_refusal                      ? "no certificate"
                            : status == 401                  ? "not authenticated"
                            : status == 404 || status == 405 ? "not found"
                                                             : "no reason given";
    const char *own = "", *theirs = "";
    est_err_t *err = ca_remote_status(http, otherwise, x->pool);

    if (err->code != EST_E_ca_refused)
        return err;
    if (status == 401) {
        own = ": EstCAUser and EstCAPassword, or EstCAClientCertificate, are not accepted there";
    } else if (status == 404 || status == 405) {
        own = ": is EstCAUpstream the URL that /simpleenroll is appended to?";
    } else {
        if (x->csr->challenge)
            own = "; the request has a challengePassword, which is good for the connection that the client sent it by "
                  "alone";
        if (wants_binding(x))
            theirs = "; the upstream demands channel binding, which a request that is forwarded cannot have: exempt "
                     "this registration authority from it there";
    }
    err->detail = apr_pstrcat(x->pool, err->detail, own, theirs, NULL);
    return err;
}

/* ---- the certificate */

/* A certificate that came */
typedef struct {
    est_slice_t der;
    int is_for_key; /* of the request */
} received_t;

/* A message may have the chain as well. A certificate of somebody else is still one that was issued, a wrong one. */
static est_err_t *pick(received_t *out, STACK_OF(X509) *certs, const pki_csr_t *csr, apr_pool_t *pool)
{
    int n = sk_X509_num(certs), other = -1;

    for (int i = 0; i < n; i++) {
        const EVP_PKEY *key = X509_get0_pubkey(sk_X509_value(certs, i));

        out->is_for_key = key && EVP_PKEY_eq(key, csr->key->pkey) == 1;
        ERR_clear_error();
        if (out->is_for_key)
            return pki_cert_der(&out->der, sk_X509_value(certs, i), pool);
        if (other < 0 && !pki_cert_is_ca(sk_X509_value(certs, i)))
            other = i;
    }
    if (other < 0)
        return EST_FAIL(pool, ca_answer, "no certificate came but those of %d CAs, none for the key of the request", n);
    return pki_cert_der(&out->der, sk_X509_value(certs, other), pool);
}

static est_err_t *read_answer(received_t *out, const ca_http_answer_t *http, const pki_csr_t *csr, apr_pool_t *pool)
{
    const char *type = http->content_type ? apr_pstrcat(pool, " of type ", http->content_type, NULL) : "";
    STACK_OF(X509) *certs;
    est_slice_t message;
    est_err_t *err = est_base64_decode(&message, http->body, pool);

    if (err)
        return EST_FAIL(pool, ca_answer, "HTTP 200, and the answer%s is no base64: %s", type, est_err_text(err));
    err = pki_certs_read(&certs, message, pool);
    if (!err)
        err = pick(out, certs, csr, pool);
    if (err && err->code == EST_E_certificate_refused)
        err->code = EST_E_ca_answer;
    return err;
}

/* Are the names that were granted those of the request? */
static int names_are_as_asked(const pki_tbs_t *tbs, const pki_csr_t *csr, apr_pool_t *pool)
{
    pki_name_t *subject;
    pki_sans_t san = {0};

    if (pki_name_decode(&subject, tbs->subject, pool) || !pki_name_equal(subject, csr->subject))
        return 0;
    for (int i = 0; i < tbs->n_exts; i++) {
        pki_ext_t ext = pki_ext_parse(tbs->exts[i]);

        if (est_slice_equal(ext.oid.body, pki_san_oid) && pki_san_decode(&san, ext.value, pool))
            return 0;
    }
    return pki_san_equal(&san, &csr->san);
}

/* ca_remote_accept, with newer certificates of the CA when it has others than those of before; and words for what this
 * driver cannot do */
static est_err_t *accept_certificate(const exchange_t *x, ca_answer_t *answer, const received_t *cert)
{
    ca_est_certs_t *certs = x->est->certs;
    const ca_facts_t *before = x->request->facts;
    ca_request_t again = *x->request;
    const char *hint = NULL;
    int unknown = 0;
    est_err_t *err = ca_remote_accept(answer, &unknown, cert->der, before, x->request, x->pool);

    if (err && unknown && !ca_est_certs_renew(certs, &again.facts, before, x->upstream, x->deadline, x->pool) &&
        again.facts)
        err = ca_remote_accept(answer, &unknown, cert->der, again.facts, &again, x->pool);
    if (!err || err->code != EST_E_ca_wrong)
        return err;
    if (unknown && ca_est_certs_pinned(certs))
        hint = "; EstCACertificate says which CA it must be";
    else if (!unknown && cert->is_for_key && !names_are_as_asked(x->request->tbs, x->csr, x->pool))
        hint = "; the profile grants other names than the request has, and driver est forwards requests as they are "
               "(driver cmp with EstCACmpRequest ir asks for what is granted)";
    if (hint)
        err->detail = apr_pstrcat(x->pool, est_err_text(err), hint, NULL);
    return err;
}

/* ---- an exchange */

static est_err_t *ask_for_it(ca_http_answer_t *out, const exchange_t *x)
{
    ca_http_ask_t ask = {.content_type = "application/pkcs10", .accept = "application/pkcs7-mime"};
    const est_env_t *env = x->est->remote.env;
    apr_size_t n;

    /* A renewal is a simpleenroll as well: simplereenroll is for the holder of the certificate that is renewed, who is
     * the TLS client then (RFC 7030 3.3.2, 4.2.2), and that certificate is not ours to present. */
    ask.url = apr_pstrcat(x->pool, x->upstream, "/simpleenroll", NULL);
    ask.body.p = (const unsigned char *)est_base64_encode(x->request->csr, LINE_WIDTH, &n, x->pool);
    ask.body.n = n;
    ask.timeout = x->deadline - env->now(env);
    if (ask.timeout <= 0)
        return EST_FAIL(x->pool, ca_unavailable, "no time is left to ask it");
    return ca_http_do(out, x->est->remote.http, &ask, x->pool);
}

static est_err_t *attempt(ca_remote_t *remote, const char *upstream, int resume, ca_answer_t *answer,
                          const ca_request_t *request, apr_time_t deadline, apr_pool_t *pool)
{
    exchange_t x = {(ca_est_t *)remote, upstream, request, NULL, deadline, pool};
    ca_http_answer_t http;
    received_t cert = {0};
    pki_csr_t *csr;

    (void)resume; /* the same request again, in any case */
    EST_TRY(pki_csr_decode(&csr, request->csr, pool));
    x.csr = csr;
    EST_TRY(ask_for_it(&http, &x));
    if (http.status == 202) {
        answer->retry_after = http.retry_after;
        answer->state = pending;
        return NULL;
    }
    if (http.status != 200)
        return failure(&x, &http);
    EST_TRY(read_answer(&cert, &http, csr, pool));
    return accept_certificate(&x, answer, &cert);
}

/* ---- the driver */

static est_err_t *est_open(ca_t **out, const ca_config_t *config, apr_pool_t *pool)
{
    ca_est_t *est = apr_pcalloc(pool, sizeof(*est));
    ca_t *ca = &est->remote.ca;
    const char *warning;

    EST_TRY(ca_in_block(ca_settings_check(config, ca_est_driver.name, pool), config, pool));
    EST_TRY(ca_remote_open(&est->remote, config, "https", pool));
    ca_http_follow(est->remote.http);
    ca->driver = &ca_est_driver;
    ca->unchanged = 1;
    EST_TRY(ca_in_block(ca_est_certs_open(&est->certs, &warning, &est->remote, config, pool), config, pool));
    if (!warning && !config->client_certificate && !config->user)
        warning = apr_psprintf(
            pool, "<EstCA %s> has neither EstCAClientCertificate nor EstCAUser: will its upstream know us?",
            config->name);
    if (!ca->warning)
        ca->warning = warning;
    *out = ca;
    return NULL;
}

static est_err_t *est_start(ca_t *ca, const est_env_t *env, apr_pool_t *pool)
{
    ca_est_t *est = (ca_est_t *)ca;

    EST_TRY(ca_remote_start(&est->remote, env, pool));
    return ca_est_certs_start(est->certs, pool);
}

static est_err_t *est_facts(ca_t *ca, const ca_facts_t **out, apr_pool_t *pool)
{
    return ca_est_certs_get(((ca_est_t *)ca)->certs, out, pool);
}

static est_err_t *est_issue(ca_t *ca, ca_answer_t *answer, const ca_request_t *request, apr_pool_t *pool)
{
    return ca_remote_try(&((ca_est_t *)ca)->remote, answer, request, attempt, pool);
}

static void est_refresh(ca_t *ca, apr_pool_t *pool)
{
    ca_est_certs_refresh(((ca_est_t *)ca)->certs, pool);
}

const ca_driver_t ca_est_driver = {"est", 1, est_open, est_start, est_facts, est_issue, est_refresh};
