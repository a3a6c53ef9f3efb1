/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_EST_TEST_H
#define CA_EST_TEST_H

/* What the tests of driver est share: an upstream that does as they say, and a driver with a request for it. */

#include "x509_test.h"

#include "ca/ca_certs.h"
#include "ca/ca_est.h"
#include "ca/ca_gate.h"
#include "ca/ca_http.h"
#include "pki/pki_cert.h"
#include "pki/pki_load.h"

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <openssl/err.h>

/*
 * The upstream, in the stead of ca_http.c: what it is asked is written down, what it answers is set by the tests.
 * ca_http.c has tests of its own, and tests/integration/harness/upstream.py is a server for both together.
 */
#define URL "https://ca.example/.well-known/est/label"

typedef struct {
    int status, retry_after;
    const char *type;
    est_slice_t body;
} reply_t;

static struct {
    int is_down;
    reply_t enroll, cacerts, csrattrs;
    int n_enroll, n_cacerts, n_csrattrs;
    ca_http_ask_t last; /* of enroll */
    /* cacerts waits until it may go on */
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *changed;
    int hold, is_held;
} up;

struct ca_http_t {
    int follows;
};

est_err_t *ca_http_make(ca_http_t **out, const ca_config_t *config, apr_pool_t *p)
{
    (void)config;
    *out = apr_pcalloc(p, sizeof(**out));
    return NULL;
}

void ca_http_follow(ca_http_t *http)
{
    http->follows = 1;
}

const char *ca_http_warning(const ca_http_t *http)
{
    (void)http;
    return NULL;
}

est_slice_t ca_http_client_certificate(const ca_http_t *http)
{
    (void)http;
    return est_slice(NULL, 0);
}

est_err_t *ca_http_start(ca_http_t *http, apr_pool_t *p)
{
    (void)http;
    (void)p;
    return NULL;
}

static inline void wait_while_held(void)
{
    apr_thread_mutex_lock(up.lock);
    up.is_held = up.hold;
    apr_thread_cond_broadcast(up.changed);
    while (up.hold)
        apr_thread_cond_wait(up.changed, up.lock);
    apr_thread_mutex_unlock(up.lock);
}

est_err_t *ca_http_do(ca_http_answer_t *out, ca_http_t *http, const ca_http_ask_t *ask, apr_pool_t *p)
{
    const char *operation = strrchr(ask->url, '/') + 1;
    const reply_t *reply;

    assert_true(http->follows); /* whatever is asked for (RFC 7030 3.2.1) */
    assert_true(ask->timeout > 0);
    if (!strcmp(operation, "simpleenroll")) {
        assert_string_equal(ask->content_type, "application/pkcs10");
        up.n_enroll++;
        up.last = *ask;
        reply = &up.enroll;
    } else {
        assert_null(ask->content_type);
        if (!strcmp(operation, "cacerts")) {
            up.n_cacerts++;
            wait_while_held();
            reply = &up.cacerts;
        } else {
            assert_string_equal(operation, "csrattrs");
            up.n_csrattrs++;
            reply = &up.csrattrs;
        }
    }
    if (up.is_down)
        return EST_FAIL(p, ca_unavailable, "ca.example: connection refused");
    if (!reply->status)
        return EST_FAIL(p, ca_timeout, "ca.example: no answer in time");
    *out = (ca_http_answer_t){reply->status, reply->type, est_slice_dup(reply->body, p), reply->retry_after};
    return NULL;
}

/* ---- the world */

static struct {
    apr_time_t now;
    int n_lines[EST_LOG_ERROR + 1];
    char line[1024]; /* the last one */
} world;

static inline apr_time_t now_of(const est_env_t *env)
{
    (void)env;
    return world.now;
}

static inline void log_line(const est_env_t *env, est_log_level_t level, const char *line)
{
    (void)env;
    world.n_lines[level]++;
    apr_cpystrn(world.line, line, sizeof(world.line));
}

static const est_env_t env = {.now = now_of, .log = log_line};

/* ---- CAs, and what they sign */

typedef struct {
    EVP_PKEY *root_key, *key;
    X509 *root, *cert;
} hierarchy_t;

static struct {
    hierarchy_t ca;
    EVP_PKEY *key; /* of the request */
    const char *dir;
    ca_config_t config;
    ca_t *driver;
    pki_tbs_t tbs;
    ca_request_t request;
    ca_answer_t answer;
    const char *fault; /* that the check finds */
} t;

static inline hierarchy_t make_hierarchy(const char *name)
{
    hierarchy_t h = {.root_key = make_key("P-256"), .key = make_key("P-256")};

    h.root = make_ca("CN=Root", h.root_key, NULL, NULL);
    h.cert = make_ca(name, h.key, h.root, h.root_key);
    return h;
}

static inline reply_t plain(int status, const char *words)
{
    return (reply_t){status, 0, "text/plain", text(words)};
}

/* certs-only, base64 */
static inline reply_t message(int n, X509 *const *certs)
{
    est_slice_t ders[8];
    apr_size_t size;

    assert_true(n <= 8);
    for (int i = 0; i < n; i++)
        ders[i] = cert_der(certs[i]);
    const char *octets = est_base64_encode(pki_certs_only(ders, n, pool), 64, &size, pool);
    return (reply_t){200, 0, "application/pkcs7-mime; smime-type=certs-only", est_slice(octets, size)};
}

static inline reply_t cacerts_of(const hierarchy_t *h)
{
    X509 *certs[] = {h->cert, h->root};

    return message(2, certs);
}

static inline X509 *issued_by(const hierarchy_t *h, EVP_PKEY *key)
{
    cert_spec_t spec = {.subject = "CN=dev7", .key = key, .issuer = h->cert, .issuer_key = h->key};

    return make_cert(&spec);
}

static inline void answers_with(X509 *cert)
{
    up.enroll = message(1, &cert);
}

static inline est_err_t *check(const ca_request_t *request, est_slice_t der, apr_pool_t *p)
{
    assert_ptr_equal(request->tbs, &t.tbs);
    assert_ptr_equal(request->granted, &t);
    assert_true(der.n > 0);
    return t.fault ? EST_FAIL(p, ca_wrong, "%s", t.fault) : NULL;
}

static inline est_slice_t name_of(const char *dn)
{
    X509_NAME *name = X509_NAME_new();
    unsigned char *der = NULL;

    fill_name(name, dn);
    int n = i2d_X509_NAME(name, &der);
    est_slice_t copy = est_slice_dup(est_slice(der, (apr_size_t)n), pool);
    OPENSSL_free(der);
    X509_NAME_free(name);
    return copy;
}

static inline void ask_for(const csr_spec_t *spec)
{
    t.tbs = (pki_tbs_t){.subject = name_of("CN=dev7"), .spki = spki_of(t.key)};
    t.request = (ca_request_t){.tbs = &t.tbs, .now = world.now, .csr = make_csr(spec), .check = check, .granted = &t};
}

static inline est_err_t *issue(void)
{
    memset(&t.answer, 0, sizeof(t.answer));
    if (!t.request.facts)
        ASSERT_OK(t.driver->driver->facts(t.driver, &t.request.facts, pool));
    est_err_t *err = t.driver->driver->issue(t.driver, &t.answer, &t.request, pool);
    assert_int_equal(ERR_peek_error(), 0); /* nothing is left for mod_ssl's log */
    return err;
}

static inline const ca_facts_t *facts_now(void)
{
    const ca_facts_t *facts = NULL;

    ASSERT_OK(t.driver->driver->facts(t.driver, &facts, pool));
    return facts;
}

static inline est_err_t *facts_error(void)
{
    const ca_facts_t *facts = NULL;

    return t.driver->driver->facts(t.driver, &facts, pool);
}

static inline est_err_t *open_driver(void)
{
    return ca_est_driver.open(&t.driver, &t.config, pool);
}

static inline void start_driver(void)
{
    ASSERT_OK(open_driver());
    ASSERT_OK(t.driver->driver->start(t.driver, &env, pool));
}

static inline void prepare(void)
{
    apr_array_header_t *upstreams = apr_array_make(pool, 1, sizeof(const char *));

    memset(&up, 0, sizeof(up));
    memset(&world, 0, sizeof(world));
    memset(&t, 0, sizeof(t));
    world.now = TEST_NOW;
    assert_int_equal(apr_thread_mutex_create(&up.lock, APR_THREAD_MUTEX_DEFAULT, pool), APR_SUCCESS);
    assert_int_equal(apr_thread_cond_create(&up.changed, pool), APR_SUCCESS);
    APR_ARRAY_PUSH(upstreams, const char *) = URL "/";
    t.dir = temp_dir();
    t.config = (ca_config_t){.name = "central",
                             .driver = "est",
                             .where = "est.conf:7",
                             .upstreams = upstreams,
                             .user = "ra",
                             .timeout = 10,
                             .connect_timeout = 3,
                             .refresh = 3600,
                             .concurrency = 8,
                             .failures = 100,
                             .cooldown = 10};
    t.ca = make_hierarchy("CN=Issuing");
    t.key = make_key("P-256");
    up.cacerts = cacerts_of(&t.ca);
    up.csrattrs = plain(204, "");
}

/* A driver that knows its CA, and a request */
static inline void ready(void)
{
    csr_spec_t spec = {.subject = "CN=dev7"};

    prepare();
    spec.key = t.key;
    start_driver();
    ask_for(&spec);
}

#endif
