/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_remote.h"
#include "ca_http_text.h"
#include "ca_settings.h"
#include "pki/pki_load.h"

#include <string.h>

#include <apr_strings.h>
#include <apr_uri.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

/* Seconds, whatever an upstream says: that an order waits there, and that a client of which nobody has the request is
 * told to wait */
#define ORDER_WAIT_MAX (7 * 24 * 3600)
#define CLIENT_WAIT_MAX (24 * 3600)
#define BUSY_RETRY 5 /* seconds: who comes sooner costs a handshake, and is told the same again */

/* ---- settings */

static int is_one_of(const char *word, const char *words)
{
    apr_size_t n = strlen(word);

    for (const char *p = words; (p = strstr(p, word)) != NULL; p += n)
        if ((p == words || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
            return 1;
    return 0;
}

/* The URL without a slash at the end. What a URL has that is none for an upstream is refused, not repaired: a password
 * would come up in messages, and what a driver appends would end up in a query. */
static est_err_t *check_url(const char **out, const char *url, const char *schemes, apr_pool_t *pool)
{
    apr_uri_t uri;
    apr_size_t n = strlen(url);

    if (strchr(url, '@'))
        return EST_FAIL(pool, config, "EstCAUpstream: a URL has no user and password here, see EstCAUser");
    for (const char *p = url; *p; p++)
        if (*p <= ' ' || *p >= 0x7f)
            return EST_FAIL(pool, config,
                            "EstCAUpstream \"%s\": blanks and characters beyond ASCII are to be written "
                            "as %%XX",
                            url);
    if (apr_uri_parse(pool, url, &uri) != APR_SUCCESS || !uri.scheme || !is_one_of(uri.scheme, schemes))
        return EST_FAIL(pool, config, "EstCAUpstream %s is no URL of these schemes: %s", url, schemes);
    if (!uri.hostname || !*uri.hostname)
        return EST_FAIL(pool, config, "EstCAUpstream %s names no host", url);
    if (!ca_settings_port_is_valid(&uri))
        return EST_FAIL(pool, config, "EstCAUpstream %s has a port that cannot be (1 to 65535)", url);
    if (uri.query || uri.fragment)
        return EST_FAIL(pool, config, "EstCAUpstream %s has a query or a fragment, which nothing can follow", url);
    while (url[n - 1] == '/')
        n--;
    *out = apr_pstrmemdup(pool, url, n);
    return NULL;
}

static est_err_t *check_urls(ca_remote_t *remote, const ca_config_t *config, const char *schemes, apr_pool_t *pool)
{
    int n = config->upstreams ? config->upstreams->nelts : 0;
    const char **urls = apr_pcalloc(pool, (apr_size_t)(n + 1) * sizeof(*urls));

    if (!n)
        return EST_FAIL(pool, config, "EstCAUpstream is missing");
    for (int i = 0; i < n; i++) {
        EST_TRY(check_url(&urls[i], APR_ARRAY_IDX(config->upstreams, i, const char *), schemes, pool));
        for (int k = 0; k < i; k++)
            if (!strcmp(urls[i], urls[k]))
                return EST_FAIL(pool, config, "EstCAUpstream has %s twice", urls[i]);
    }
    remote->upstreams = urls;
    remote->n_upstreams = n;
    return NULL;
}

static est_err_t *check_numbers(ca_remote_t *remote, const ca_config_t *config, apr_pool_t *pool)
{
    if (config->connect_timeout < 1 || config->connect_timeout > 60)
        return EST_FAIL(pool, config, "EstCAConnectTimeout is a number from 1 to 60, not %d", config->connect_timeout);
    EST_TRY(ca_settings_rules(&remote->rules, config, pool));
    remote->timeout = apr_time_from_sec(config->timeout);
    remote->ca.lease = (int)apr_time_sec(remote->rules.lease);
    return NULL;
}

static est_err_t *check_extensions(ca_remote_t *remote, const ca_config_t *config, apr_pool_t *pool)
{
    int n = config->extensions ? config->extensions->nelts : 0;
    const char **oids = apr_pcalloc(pool, (apr_size_t)(n + 1) * sizeof(*oids));

    for (int i = 0; i < n; i++) {
        const char *name = APR_ARRAY_IDX(config->extensions, i, const char *);
        ASN1_OBJECT *oid = OBJ_txt2obj(name, 0);
        char text[128];
        int size = oid ? OBJ_obj2txt(text, sizeof(text), oid, 1) : 0;

        ASN1_OBJECT_free(oid);
        ERR_clear_error();
        if (size <= 0 || (apr_size_t)size >= sizeof(text))
            return EST_FAIL(pool, config,
                            "EstCAExtensions: \"%s\" is neither a name that OpenSSL knows nor a dotted OID", name);
        oids[i] = apr_pstrdup(pool, text);
    }
    remote->ca.extensions = oids;
    return NULL;
}

static est_err_t *open_all(ca_remote_t *remote, const ca_config_t *config, const char *schemes, apr_pool_t *pool)
{
    est_slice_t *keys = apr_pcalloc(pool, sizeof(*keys));
    ca_t *ca = &remote->ca;

    EST_TRY(check_urls(remote, config, schemes, pool));
    EST_TRY(check_numbers(remote, config, pool));
    EST_TRY(check_extensions(remote, config, pool));
    EST_TRY(ca_http_make(&remote->http, config, pool));
    ca->n_gates = remote->n_upstreams;
    ca->gates = apr_pcalloc(pool, ca_shared_size(ca)); /* until ca_share */
    ca->guarded = remote->upstreams;
    ca->rules = &remote->rules;
    ca->warning = ca_http_warning(remote->http);
    keys[0] = ca_http_client_certificate(remote->http);
    ca->keys = keys;
    ca->n_keys = keys[0].n > 0;
    return NULL;
}

est_err_t *ca_remote_open(ca_remote_t *remote, const ca_config_t *config, const char *schemes, apr_pool_t *pool)
{
    remote->ca.name = apr_pstrdup(pool, config->name);
    return ca_in_block(open_all(remote, config, schemes, pool), config, pool);
}

est_err_t *ca_remote_start(ca_remote_t *remote, const est_env_t *env, apr_pool_t *pool)
{
    remote->env = env;
    return ca_http_start(remote->http, pool);
}

/* ---- fail-over */

/* What the tries of one request have come to */
typedef struct {
    ca_remote_t *remote;
    ca_answer_t *answer;
    const ca_request_t *request;
    ca_attempt_t *attempt;
    apr_time_t deadline;
    int n_tried, n_full;
    int wait;            /* seconds after which the first of them is tried again; 0 = not known yet */
    const char *reasons; /* "" at first */
} tries_t;

static void add_reason(tries_t *tries, const char *reason, int wait, apr_pool_t *pool)
{
    tries->n_tried++;
    tries->reasons = apr_pstrcat(pool, tries->reasons, *tries->reasons ? "; " : "", reason, NULL);
    if (wait > 0 && (!tries->wait || wait < tries->wait))
        tries->wait = wait;
}

/* The reason with the upstream's name, where it has not got that already */
static const char *reason_of(const est_err_t *err, const char *url, apr_pool_t *pool)
{
    const char *text = est_err_text(err), *host = strstr(url, "://");
    char *name = apr_pstrdup(pool, host ? host + 3 : url);

    name[strcspn(name, "/")] = '\0';
    return strstr(text, name) ? text : apr_psprintf(pool, "%s: %s", url, text);
}

/* Nobody has it but who had it before */
static void reset_answer(tries_t *tries)
{
    memset(tries->answer, 0, sizeof(*tries->answer));
    tries->answer->upstream = tries->request->upstream;
    tries->answer->state = tries->request->state;
}

/* Who has it, after an attempt that did not fail with ca_unavailable or the like */
static void name_upstream(tries_t *tries, const char *url, int resume, const est_err_t *err)
{
    tries->answer->upstream = url;
    if (err && err->code == EST_E_ca_timeout && resume && !tries->answer->state.n)
        tries->answer->state = tries->request->state; /* to be asked for again in the same way */
}

static ca_gate_result_t result_of(const est_err_t *err, const ca_request_t *request)
{
    if (!err)
        return CA_GATE_GOOD;
    switch (err->code) {
    case EST_E_ca_unavailable:
    case EST_E_ca_timeout:
        return request->background ? CA_GATE_UNTRIED : CA_GATE_BAD;
    case EST_E_alias_broken: /* nothing to do with the upstream */
    case EST_E_internal:
        return CA_GATE_UNTRIED;
    default:
        return CA_GATE_GOOD;
    }
}

static void log_change(const ca_remote_t *remote, ca_gate_change_t change, const char *url, int wait,
                       const char *reason)
{
    if (change == CA_GATE_WENT_DOWN)
        est_env_log(remote->env, EST_LOG_WARNING, "upstream %s of <EstCA %s> is left alone for %d s: %s", url,
                    remote->ca.name, wait, reason);
    else if (change == CA_GATE_CAME_BACK)
        est_env_log(remote->env, EST_LOG_NOTICE, "upstream %s of <EstCA %s> answers again", url, remote->ca.name);
}

static void cap(int *retry_after, int most)
{
    if (*retry_after > most)
        *retry_after = most;
}

/* Asks the upstream of that number. *next: nothing was sent, the next one may be asked. */
static est_err_t *try_one(int *next, tries_t *tries, int number, int resume, apr_pool_t *pool)
{
    ca_remote_t *remote = tries->remote;
    const char *url = remote->upstreams[number];
    ca_gate_t *gate = (ca_gate_t *)((char *)remote->ca.gates + (apr_size_t)number * ca_gate_size());
    apr_time_t now = remote->env->now(remote->env);
    int place, wait;

    *next = 1;
    if (now >= tries->deadline) {
        add_reason(tries, apr_psprintf(pool, "%s: no time was left to ask it", url), 0, pool);
        return NULL;
    }
    switch (ca_gate_enter(&place, &wait, gate, &remote->rules, now)) {
    case CA_GATE_CLOSED:
        add_reason(tries, apr_psprintf(pool, "%s is left alone for %d s after it failed", url, wait), wait, pool);
        return NULL;
    case CA_GATE_FULL:
        tries->n_full++;
        add_reason(tries, apr_psprintf(pool, "%s: %d requests are there already", url, remote->rules.places),
                   BUSY_RETRY, pool);
        return NULL;
    default:
        break;
    }
    memset(tries->answer, 0, sizeof(*tries->answer));
    est_err_t *err = tries->attempt(remote, url, resume, tries->answer, tries->request, tries->deadline, pool);
    cap(&tries->answer->retry_after, ORDER_WAIT_MAX);
    if (err)
        cap(&err->retry_after, CLIENT_WAIT_MAX);
    const char *reason = err ? reason_of(err, url, pool) : "";
    now = remote->env->now(remote->env);
    ca_gate_change_t change = ca_gate_leave(gate, &remote->rules, place, result_of(err, tries->request), now);
    wait = ca_gate_wait(gate, &remote->rules, now);
    log_change(remote, change, url, wait, reason);
    *next = err && (err->code == EST_E_ca_unavailable || err->code == EST_E_ca_busy);
    if (!*next) {
        if (result_of(err, tries->request) == CA_GATE_UNTRIED)
            reset_answer(tries);
        else
            name_upstream(tries, url, resume, err);
        return err;
    }
    tries->n_full += err->code == EST_E_ca_busy;
    if (err->retry_after > wait)
        wait = err->retry_after;
    add_reason(tries, reason, wait ? wait : (int)apr_time_sec(remote->rules.cooldown), pool);
    return NULL;
}

static int find_upstream(const ca_remote_t *remote, const char *url)
{
    for (int i = 0; url && i < remote->n_upstreams; i++)
        if (!strcmp(remote->upstreams[i], url))
            return i;
    return -1;
}

static est_err_t *nobody(const tries_t *tries, apr_pool_t *pool)
{
    est_err_t *err = tries->n_full == tries->n_tried ? EST_FAIL(pool, ca_busy, "%s", tries->reasons)
                                                     : EST_FAIL(pool, ca_unavailable, "%s", tries->reasons);

    err->retry_after = tries->wait > 0 ? tries->wait : 1;
    return err;
}

est_err_t *ca_remote_try(ca_remote_t *remote, ca_answer_t *answer, const ca_request_t *request, ca_attempt_t *attempt,
                         apr_pool_t *pool)
{
    tries_t tries = {remote, answer, request, attempt, remote->env->now(remote->env) + remote->timeout, 0, 0, 0, ""};
    int own = find_upstream(remote, request->upstream), next;
    ca_request_t anew;

    if (own < 0 && request->upstream) { /* it is configured no more: nobody has the request */
        anew = *request;
        anew.upstream = NULL;
        anew.state = est_slice(NULL, 0);
        tries.request = &anew;
    }
    for (int i = own < 0 ? 0 : -1; i < remote->n_upstreams; i++) {
        est_err_t *err;

        if (i == own && i >= 0)
            continue; /* that was the first */
        err = try_one(&next, &tries, i < 0 ? own : i, i < 0, pool);
        if (!next)
            return err;
        /* One that is only busy may have carried it out, and will say so soon: another one would do it a second time */
        if (i < 0 && (request->state.n || tries.n_full))
            break;
    }
    reset_answer(&tries);
    return nobody(&tries, pool);
}

/* ---- what came back */

est_err_t *ca_remote_status(const ca_http_answer_t *http, const char *otherwise, apr_pool_t *pool)
{
    const char *words = ca_http_text_reason(http, pool);
    int status = http->status;
    est_err_code_t code = status >= 400 && status < 500 ? EST_E_ca_refused : EST_E_ca_answer;
    est_err_t *err;

    if (!*words)
        words = otherwise;
    if (status == 408 || status == 429 || status == 503)
        code = EST_E_ca_unavailable;
    else if (status == 504 || (status == 502 && ca_http_text_is_page(http)))
        code = EST_E_ca_timeout;
    else if (status >= 300 && status < 400) /* EST's are ca_http_do's, followed or not */
        words = "redirections are not followed with CMP (RFC 6712 3.3)";
    err = est_err_make(pool, code, __FILE__, __LINE__, "HTTP %d: %s", status, words);
    if (code == EST_E_ca_unavailable)
        err->retry_after = http->retry_after;
    return err;
}

/* Octet by octet, or where the encodings differ (a CA may write RSA parameters as it likes), as keys */
static int is_for_key(est_slice_t der, X509 *cert, est_slice_t spki)
{
    const unsigned char *p = spki.p;
    EVP_PKEY *wanted, *key;
    int same;

    if (est_slice_equal(pki_cert_spki(der), spki))
        return 1;
    wanted = d2i_PUBKEY(NULL, &p, (long)spki.n);
    key = X509_get0_pubkey(cert);
    same = wanted && key && EVP_PKEY_eq(wanted, key) == 1;
    EVP_PKEY_free(wanted);
    ERR_clear_error();
    return same;
}

est_err_t *ca_remote_accept(ca_answer_t *answer, int *issuer_unknown, est_slice_t der, const ca_facts_t *facts,
                            const ca_request_t *request, apr_pool_t *pool)
{
    X509 *cert;
    est_err_t *err;
    int known = 0;

    if (issuer_unknown)
        *issuer_unknown = 0;
    answer->der = est_slice_dup(der, pool);
    err = pki_load_der(&cert, answer->der, pool);
    if (err)
        return EST_FAIL(pool, ca_wrong, "what came back is no certificate: %s", err->detail);
    if (!is_for_key(answer->der, cert, request->tbs->spki))
        return EST_FAIL(pool, ca_wrong, "the certificate that came back, of \"%s\", is for another key",
                        pki_cert_subject_text(cert, pool));
    for (int i = 0; i < facts->n_issuers && !known; i++)
        known = pki_cert_is_issued_by(cert, facts->issuers[i]);
    if (!known) {
        if (issuer_unknown)
            *issuer_unknown = 1;
        return EST_FAIL(pool, ca_wrong, "the certificate that came back, of \"%s\", was not issued by \"%s\"",
                        pki_cert_subject_text(cert, pool), pki_cert_subject_text(facts->cert, pool));
    }
    return request->check ? request->check(request, answer->der, pool) : NULL;
}
