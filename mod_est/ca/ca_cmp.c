/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_cmp.h"

#include "ca_cmp_settings.h"
#include "ca_remote.h"
#include "pki/pki_load.h"

#include <apr_strings.h>
#include <openssl/cmp.h>
#include <string.h>
#include <strings.h>

static const char pkixcmp[] = "application/pkixcmp"; /* RFC 6712 3.4 */

typedef struct {
    ca_remote_t remote;
    ca_cmp_settings_t *settings;
} ca_cmp_t;

/* To one upstream, until the deadline */
typedef struct {
    ca_cmp_wire_t wire;
    const ca_remote_t *remote;
    const char *upstream;
    const ca_request_t *request;
    apr_time_t deadline;
    const est_err_t *err; /* why the last message got no answer; it names the upstream */
} http_wire_t;

static int is_pkixcmp(const char *type)
{
    apr_size_t n = sizeof(pkixcmp) - 1;

    return type && !strncasecmp(type, pkixcmp, n) && (!type[n] || strchr("; \t", type[n]));
}

/* An answer that carries no PKIMessage: the words are those of a server in front of the CA, or of one that is none */
static est_err_t *no_message(const http_wire_t *http, const ca_http_answer_t *answer, apr_pool_t *pool)
{
    est_err_t *err;

    if (answer->status == 200)
        return EST_FAIL(pool, ca_answer, "%s: the answer is %s, not %s", http->upstream,
                        answer->content_type ? answer->content_type : "of no type", pkixcmp);
    err = ca_remote_status(answer, "no CMP message", pool);
    err->detail = apr_psprintf(
        pool, "%s: %s%s", http->upstream, err->detail,
        answer->status == 404 || answer->status == 405 ? ": is EstCAUpstream the URL of the CA's CMP service?" : "");
    return err;
}

static est_err_t *exchange(http_wire_t *http, est_slice_t *answer, est_slice_t message, apr_pool_t *pool)
{
    const est_env_t *env = http->remote->env;
    ca_http_ask_t ask = {.url = http->upstream,
                         .body = message,
                         .content_type = pkixcmp,
                         .accept = pkixcmp,
                         .timeout = http->deadline - env->now(env)};
    ca_http_answer_t got;

    if (ask.timeout <= 0)
        return EST_FAIL(pool, ca_unavailable, "%s: no time is left for another message", http->upstream);
    EST_TRY(ca_http_do(&got, http->remote->http, &ask, pool));
    if (got.status != 200 || !is_pkixcmp(got.content_type))
        return no_message(http, &got, pool);
    *answer = got.body;
    return NULL;
}

/* ca_cmp_wire_t.send */
static est_err_t *http_send(ca_cmp_wire_t *wire, est_slice_t *answer, est_slice_t message, apr_pool_t *pool)
{
    http_wire_t *http = (http_wire_t *)wire;
    est_err_t *err = exchange(http, answer, message, pool);

    http->err = err;
    return err;
}

/* ca_cmp_wire_t.keep */
static est_err_t *http_keep(ca_cmp_wire_t *wire, est_slice_t state, apr_pool_t *pool)
{
    const http_wire_t *http = (const http_wire_t *)wire;
    const ca_request_t *request = http->request;

    return request->keep ? request->keep(request, http->upstream, state, pool) : NULL;
}

/* As in the other lines about it: by its subject, the line with the order's id is found */
static const char *certificate_text(est_slice_t der, apr_pool_t *pool)
{
    const char *serial = pki_cert_serial_text(der, pool);
    X509 *cert;

    if (pki_load_der(&cert, der, pool))
        return apr_psprintf(pool, "certificate %s", serial);
    return apr_psprintf(pool, "certificate %s for \"%s\"", serial, pki_cert_subject_text(cert, pool));
}

/* ca_cmp_wire_t.unconfirmed */
static void http_unconfirmed(ca_cmp_wire_t *wire, est_slice_t der, const char *why, apr_pool_t *pool)
{
    const http_wire_t *http = (const http_wire_t *)wire;

    est_env_log(http->remote->env, EST_LOG_WARNING,
                "upstream %s of <EstCA %s> has not acknowledged the confirmation of %s: certConf is sent again when "
                "the client comes again: %s",
                http->upstream, http->remote->ca.name, certificate_text(der, pool), why);
}

/* ca_cmp_wire_t.lost */
static void http_lost(ca_cmp_wire_t *wire, est_slice_t der, apr_pool_t *pool)
{
    const http_wire_t *http = (const http_wire_t *)wire;

    est_env_log(http->remote->env, EST_LOG_WARNING,
                "upstream %s of <EstCA %s> does not know any more whether %s was confirmed: another one is "
                "asked for, and this one should be revoked there if it counts",
                http->upstream, http->remote->ca.name, certificate_text(der, pool));
}

/* ca_attempt_t */
static est_err_t *attempt(ca_remote_t *remote, const char *upstream, int resume, ca_answer_t *answer,
                          const ca_request_t *request, apr_time_t deadline, apr_pool_t *pool)
{
    ca_cmp_t *cmp = (ca_cmp_t *)remote;
    http_wire_t http = {{http_send, http_keep, http_unconfirmed, http_lost}, remote, upstream, request, deadline, NULL};
    est_slice_t none = {0};
    est_err_t *err = ca_cmp_session(answer, resume ? request->state : none, cmp->settings, &http.wire, request, pool);

    if (err && err != http.err)
        err->detail = apr_psprintf(pool, "%s: %s", upstream, est_err_text(err));
    return err;
}

/* The certificate that signs messages, after what ca_remote_open has put there */
static void add_key(ca_t *ca, est_slice_t der, apr_pool_t *pool)
{
    est_slice_t *keys = apr_pcalloc(pool, (apr_size_t)(ca->n_keys + 1) * sizeof(*keys));

    for (int i = 0; i < ca->n_keys; i++)
        keys[i] = ca->keys[i];
    keys[ca->n_keys++] = der;
    ca->keys = keys;
}

/* Nothing is appended to these URLs, so that a slash at the end is part of the path (as in .../pkix/) */
static void take_urls_literally(ca_remote_t *remote, const ca_config_t *config, apr_pool_t *pool)
{
    const char **urls = apr_pcalloc(pool, (apr_size_t)(remote->n_upstreams + 1) * sizeof(*urls));

    for (int i = 0; i < remote->n_upstreams; i++)
        urls[i] = apr_pstrdup(pool, APR_ARRAY_IDX(config->upstreams, i, const char *));
    remote->upstreams = remote->ca.guarded = urls;
}

static est_err_t *cmp_open(ca_t **out, const ca_config_t *config, apr_pool_t *pool)
{
    ca_cmp_t *cmp = apr_pcalloc(pool, sizeof(*cmp));
    ca_t *ca = &cmp->remote.ca;
    est_slice_t der;

    ca->driver = &ca_cmp_driver;
    EST_TRY(ca_remote_open(&cmp->remote, config, "http https", pool));
    take_urls_literally(&cmp->remote, config, pool);
    EST_TRY(ca_in_block(ca_cmp_settings_read(&cmp->settings, &ca->warning, config, pool), config, pool));
    ca->unchanged = cmp->settings->request == OSSL_CMP_P10CR;
    if (cmp->settings->cert) {
        EST_TRY(pki_cert_der(&der, cmp->settings->cert, pool));
        add_key(ca, der, pool);
    }
    *out = ca;
    return NULL;
}

static est_err_t *cmp_start(ca_t *ca, const est_env_t *env, apr_pool_t *pool)
{
    return ca_remote_start((ca_remote_t *)ca, env, pool);
}

static est_err_t *cmp_facts(ca_t *ca, const ca_facts_t **out, apr_pool_t *pool)
{
    (void)pool;
    *out = ((ca_cmp_t *)ca)->settings->facts;
    return NULL;
}

static est_err_t *cmp_issue(ca_t *ca, ca_answer_t *answer, const ca_request_t *request, apr_pool_t *pool)
{
    return ca_remote_try((ca_remote_t *)ca, answer, request, attempt, pool);
}

const ca_driver_t ca_cmp_driver = {"cmp", 1, cmp_open, cmp_start, cmp_facts, cmp_issue, NULL};
