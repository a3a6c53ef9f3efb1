/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
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
    int unused;
};

est_err_t *ca_http_make(ca_http_t **out, const ca_config_t *config, apr_pool_t *p)
{
    (void)config;
    *out = apr_pcalloc(p, sizeof(**out));
    return NULL;
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

static void wait_while_held(void)
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

    (void)http;
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

const char *ca_http_reason(const ca_http_answer_t *answer, apr_pool_t *p)
{
    return apr_pstrmemdup(p, (const char *)answer->body.p, answer->body.n);
}

/* ---- the world */

static struct {
    apr_time_t now;
    int n_lines[EST_LOG_ERROR + 1];
    char line[1024]; /* the last one */
} world;

static apr_time_t now_of(const est_env_t *env)
{
    (void)env;
    return world.now;
}

static void log_line(const est_env_t *env, est_log_level_t level, const char *line)
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

static hierarchy_t make_hierarchy(const char *name)
{
    hierarchy_t h = {.root_key = make_key("P-256"), .key = make_key("P-256")};

    h.root = make_ca("CN=Root", h.root_key, NULL, NULL);
    h.cert = make_ca(name, h.key, h.root, h.root_key);
    return h;
}

static reply_t plain(int status, const char *words)
{
    return (reply_t){status, 0, "text/plain", text(words)};
}

/* certs-only, base64 */
static reply_t message(int n, X509 *const *certs)
{
    est_slice_t ders[8];
    apr_size_t size;

    assert_true(n <= 8);
    for (int i = 0; i < n; i++)
        ders[i] = cert_der(certs[i]);
    const char *octets = est_base64_encode(pki_certs_only(ders, n, pool), 64, &size, pool);
    return (reply_t){200, 0, "application/pkcs7-mime; smime-type=certs-only", est_slice(octets, size)};
}

static reply_t cacerts_of(const hierarchy_t *h)
{
    X509 *certs[] = {h->cert, h->root};

    return message(2, certs);
}

static X509 *issued_by(const hierarchy_t *h, EVP_PKEY *key)
{
    cert_spec_t spec = {.subject = "CN=dev7", .key = key, .issuer = h->cert, .issuer_key = h->key};

    return make_cert(&spec);
}

static void answers_with(X509 *cert)
{
    up.enroll = message(1, &cert);
}

static est_err_t *check(const ca_request_t *request, est_slice_t der, apr_pool_t *p)
{
    assert_ptr_equal(request->tbs, &t.tbs);
    assert_ptr_equal(request->granted, &t);
    assert_true(der.n > 0);
    return t.fault ? EST_FAIL(p, ca_wrong, "%s", t.fault) : NULL;
}

static est_slice_t name_of(const char *dn)
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

static void ask_for(const csr_spec_t *spec)
{
    t.tbs = (pki_tbs_t){.subject = name_of("CN=dev7"), .spki = spki_of(t.key)};
    t.request = (ca_request_t){.tbs = &t.tbs, .now = world.now, .csr = make_csr(spec), .check = check, .granted = &t};
}

static est_err_t *issue(void)
{
    memset(&t.answer, 0, sizeof(t.answer));
    if (!t.request.facts)
        ASSERT_OK(t.driver->driver->facts(t.driver, &t.request.facts, pool));
    est_err_t *err = t.driver->driver->issue(t.driver, &t.answer, &t.request, pool);
    assert_int_equal(ERR_peek_error(), 0); /* nothing is left for mod_ssl's log */
    return err;
}

static const ca_facts_t *facts_now(void)
{
    const ca_facts_t *facts = NULL;

    ASSERT_OK(t.driver->driver->facts(t.driver, &facts, pool));
    return facts;
}

static est_err_t *facts_error(void)
{
    const ca_facts_t *facts = NULL;

    return t.driver->driver->facts(t.driver, &facts, pool);
}

static est_err_t *open_driver(void)
{
    return ca_est_driver.open(&t.driver, &t.config, pool);
}

static void start_driver(void)
{
    ASSERT_OK(open_driver());
    ASSERT_OK(t.driver->driver->start(t.driver, &env, pool));
}

static void prepare(void)
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
static void ready(void)
{
    csr_spec_t spec = {.subject = "CN=dev7"};

    prepare();
    spec.key = t.key;
    start_driver();
    ask_for(&spec);
}

/* ---- requests and answers */

static void test_a_request_is_forwarded_as_it_is(void **state)
{
    est_slice_t body;

    (void)state;
    ready();
    X509 *cert = issued_by(&t.ca, t.key);
    answers_with(cert);
    ASSERT_OK(issue());
    ASSERT_SLICE(t.answer.der, cert_der(cert));
    assert_string_equal(t.answer.upstream, URL);
    assert_int_equal(t.answer.state.n, 0);
    assert_string_equal(up.last.url, URL "/simpleenroll");
    const unsigned char *end = memchr(up.last.body.p, '\n', up.last.body.n);
    assert_int_equal(end - up.last.body.p, 64);
    assert_int_equal(up.last.body.p[up.last.body.n - 1], '\n');
    ASSERT_OK(est_base64_decode(&body, up.last.body, pool));
    ASSERT_SLICE(body, t.request.csr);
    /* a renewal: the certificate that is renewed is not ours to present */
    t.request.holder = cert;
    ASSERT_OK(issue());
    assert_string_equal(up.last.url, URL "/simpleenroll");
}

static void test_the_certificate_is_found_among_those_of_the_chain(void **state)
{
    (void)state;
    ready();
    X509 *cert = issued_by(&t.ca, t.key), *chain[] = {t.ca.root, t.ca.cert, cert};
    up.enroll = message(3, chain);
    ASSERT_OK(issue());
    ASSERT_SLICE(t.answer.der, cert_der(cert));
    up.enroll = message(2, chain);
    ASSERT_FAILS(issue(), ca_answer, "no certificate came but those of 2 CAs");
    assert_int_equal(t.answer.der.n, 0);
}

static void test_a_certificate_for_another_key_is_wrong(void **state)
{
    (void)state;
    ready();
    X509 *cert = issued_by(&t.ca, make_key("P-256")), *chain[] = {t.ca.cert, cert, t.ca.root};
    for (int turn = 0; turn < 2; turn++) {
        up.enroll = turn ? message(3, chain) : message(1, &cert);
        ASSERT_FAILS(issue(), ca_wrong, "another key");
        ASSERT_SLICE(t.answer.der, cert_der(cert)); /* for the record */
        assert_string_equal(t.answer.upstream, URL);
    }
}

static void test_a_wait_is_handed_on(void **state)
{
    static const struct {
        int said, means;
    } rows[] = {{0, 0}, {17, 17}, {604800, 604800}, {604801, 604800}, {2000000000, 604800}};

    (void)state;
    ready();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        up.enroll = (reply_t){.status = 202, .retry_after = rows[i].said};
        ASSERT_OK(issue());
        assert_int_equal(t.answer.der.n, 0);
        assert_int_equal(t.answer.retry_after, rows[i].means);
        assert_string_equal(t.answer.upstream, URL);
        assert_true(t.answer.state.n > 0);
    }
    /* asked again: the same request */
    t.request.upstream = t.answer.upstream;
    t.request.state = t.answer.state;
    est_slice_t first = up.last.body;
    answers_with(issued_by(&t.ca, t.key));
    ASSERT_OK(issue());
    assert_true(t.answer.der.n > 0 && !t.answer.state.n);
    ASSERT_SLICE(up.last.body, first);
}

static void test_what_each_status_means(void **state)
{
    static const struct {
        int status, retry_after;
        const char *words;
        est_err_code_t code;
        const char *detail;
        int wait;
    } rows[] = {
        {200, 0, "<html>Hello</html>", EST_E_ca_answer, "HTTP 200, and the answer of type text/plain is no base64", 0},
        {200, 0, "", EST_E_ca_answer, "it is empty", 0},
        {200, 0, "MAMCAQE=", EST_E_ca_answer, "not a certs-only message", 0},
        {201, 0, "made", EST_E_ca_answer, "HTTP 201: made", 0},
        {204, 0, "", EST_E_ca_answer, "HTTP 204: no certificate", 0},
        {302, 0, "there", EST_E_ca_answer, "HTTP 302: redirections are not followed", 0},
        {400, 0, "bad name", EST_E_ca_refused, "HTTP 400: bad name", 0},
        {401, 0, "", EST_E_ca_refused, "EstCAUser and EstCAPassword, or EstCAClientCertificate, are not accepted", 0},
        {403, 0, "", EST_E_ca_refused, "HTTP 403: no reason given", 0},
        {404, 0, "nothing here", EST_E_ca_refused, "HTTP 404: nothing here: is EstCAUpstream the URL", 0},
        {405, 0, "", EST_E_ca_refused, "HTTP 405", 0},
        {409, 0, "is there already", EST_E_ca_refused, "HTTP 409: is there already", 0},
        {413, 0, "too long", EST_E_ca_refused, "HTTP 413: too long", 0},
        {415, 0, "what is that?", EST_E_ca_refused, "HTTP 415: what is that?", 0},
        {408, 0, "too slow", EST_E_ca_unavailable, "HTTP 408: too slow", 10},
        {429, 40, "slowly", EST_E_ca_unavailable, "HTTP 429: slowly", 40},
        {500, 0, "oops", EST_E_ca_answer, "HTTP 500: oops", 0},
        {501, 0, "what?", EST_E_ca_answer, "HTTP 501: what?", 0},
        {502, 0, "", EST_E_ca_answer, "HTTP 502", 0},
        {503, 50, "closed", EST_E_ca_unavailable, "HTTP 503: closed", 50},
        {503, 2000000000, "closed", EST_E_ca_unavailable, "HTTP 503: closed", 86400},
        {504, 0, "no answer", EST_E_ca_timeout, "HTTP 504: no answer", 0},
        {0, 0, "", EST_E_ca_timeout, "no answer in time", 0},
    };

    (void)state;
    ready();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        up.enroll = plain(rows[i].status, rows[i].words);
        up.enroll.retry_after = rows[i].retry_after;
        est_err_t *err = issue();
        ASSERT_ROW(err, rows[i].code, rows[i].detail, rows[i].detail);
        if (rows[i].wait)
            assert_int_equal(err->retry_after, rows[i].wait);
        assert_int_equal(t.answer.der.n, 0);
        assert_int_equal(t.answer.state.n, 0);
        /* who may have it */
        if (rows[i].code == EST_E_ca_unavailable)
            assert_null(t.answer.upstream);
        else
            assert_string_equal(t.answer.upstream, URL);
    }
    up.is_down = 1;
    ASSERT_FAILS(issue(), ca_unavailable, "connection refused");
    assert_null(t.answer.upstream);
}

static void test_why_a_forwarded_request_may_be_refused(void **state)
{
    /* CsrAttrs: challengePassword as an OID; estIdentityLinking with a value behind another one; neither */
    static const struct {
        const char *csrattrs;
        int is_binding;
    } rows[] = {
        {"300b 0609 2a864886f70d010907", 1},
        {"301c 0608 2a8648ce3d040302 3010 060b 2a864886f70d010910023a 3101 00", 1},
        {"300a 0608 2a8648ce3d040302", 0},
        {"3000", 0},
        {"0609 2a864886f70d010907", 0},
        {"30", 0},
    };

    (void)state;
    ready();
    up.enroll = plain(400, "no");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        up.csrattrs = plain(200, est_base64_encode(hex(rows[i].csrattrs), 0, NULL, pool));
        up.n_csrattrs = 0;
        world.now += apr_time_from_sec(61);
        for (int again = 0; again < 2; again++) { /* at most once in a minute */
            est_err_t *err = issue();
            ASSERT_ROW(err, EST_E_ca_refused, "HTTP 400: no", rows[i].csrattrs);
            assert_int_equal(strstr(err->detail, "demands channel binding") != NULL, rows[i].is_binding);
            assert_null(strstr(err->detail, "challengePassword"));
        }
        assert_int_equal(up.n_csrattrs, 1);
    }
    /* that the upstream does not say it is no harm */
    up.csrattrs = plain(404, "nothing here");
    world.now += apr_time_from_sec(61);
    ASSERT_FAILS(issue(), ca_refused, "HTTP 400: no");
    csr_spec_t spec = {.subject = "CN=dev7", .key = t.key, .challenge = "dGxzLXVuaXF1ZQ=="};
    ask_for(&spec);
    ASSERT_FAILS(issue(), ca_refused, "HTTP 400: no; the request has a challengePassword");
}

static void test_other_names_than_the_request_has_cannot_be_had(void **state)
{
    const char *const hint = "the profile grants other names than the request has";

    (void)state;
    ready();
    answers_with(issued_by(&t.ca, t.key));
    t.fault = "its subject is CN=dev7";
    est_err_t *err = issue();
    ASSERT_ROW(err, EST_E_ca_wrong, t.fault, "the same names");
    assert_null(strstr(err->detail, hint));
    t.tbs.subject = name_of("CN=dev7,O=Example");
    ASSERT_FAILS(issue(), ca_wrong, t.fault);
    ASSERT_FAILS(issue(), ca_wrong, hint);
    answers_with(issued_by(&t.ca, make_key("P-256")));
    err = issue();
    ASSERT_ROW(err, EST_E_ca_wrong, "another key", "names are not all that is wrong");
    assert_null(strstr(err->detail, hint));
    answers_with(issued_by(&t.ca, t.key));
    /* the subject is the same, other names are not */
    csr_spec_t spec = {.subject = "CN=dev7", .key = t.key, .exts = {"subjectAltName=DNS:a.example"}};
    ask_for(&spec);
    ASSERT_FAILS(issue(), ca_wrong, hint);
    est_slice_t value = hex("300b 8209 612e6578616d706c65");
    est_slice_t san = tlv(0x30, join(2, hex("0603551d11"), tlv(0x04, value)));
    t.tbs.exts = &san;
    t.tbs.n_exts = 1;
    err = issue();
    ASSERT_ROW(err, EST_E_ca_wrong, t.fault, "the same subjectAltName");
    assert_null(strstr(err->detail, hint));
    t.fault = NULL;
    ASSERT_OK(issue()); /* nobody asks why when all is well */
}

/* ---- the CA's certificates */

static void test_cacerts_are_asked_for_when_they_are_wanted_and_when_they_are_old(void **state)
{
    (void)state;
    ready();
    assert_int_equal(up.n_cacerts, 0);
    const ca_facts_t *facts = facts_now();
    assert_int_equal(facts->n_certs, 2);
    assert_int_equal(facts->n_issuers, 1);
    ASSERT_SLICE(cert_der(facts->cert), cert_der(t.ca.cert));
    world.now += apr_time_from_sec(3599);
    assert_ptr_equal(facts_now(), facts);
    assert_int_equal(up.n_cacerts, 1);
    world.now += apr_time_from_sec(1);
    assert_ptr_equal(facts_now(), facts); /* the same octets */
    assert_int_equal(up.n_cacerts, 2);
    hierarchy_t other = make_hierarchy("CN=Other");
    up.cacerts = cacerts_of(&other);
    world.now += apr_time_from_sec(3600);
    const ca_facts_t *newer = facts_now();
    ASSERT_SLICE(cert_der(newer->cert), cert_der(other.cert));
    ASSERT_SLICE(cert_der(facts->cert), cert_der(t.ca.cert)); /* who works with them may go on */
    assert_non_null(strstr(world.line, "has other certificates now: \"CN=Other\""));
    up.cacerts = cacerts_of(&t.ca);
    world.now += apr_time_from_sec(3600);
    assert_ptr_equal(facts_now(), facts); /* those of before, not a third copy */
    /* a clock that is set back does not keep anybody from asking */
    world.now -= apr_time_from_sec(100000);
    facts_now();
    assert_int_equal(up.n_cacerts, 5);
}

/* RFC 7030 4.1.3 */
static void test_cacerts_without_a_root_is_a_warning(void **state)
{
    static const char gap[] = "<EstCA central> has no issuer of \"CN=Issuing\": cacerts leads devices to no root";

    (void)state;
    ready();
    facts_now();
    assert_null(strstr(world.line, "no root"));
    ready();
    up.cacerts = message(1, &t.ca.cert);
    assert_int_equal(facts_now()->n_certs, 1);
    assert_non_null(strstr(world.line, gap));
    t.config.certificate = cert_file(t.dir, "ca.pem", 1, &t.ca.cert);
    ASSERT_OK(open_driver());
    assert_non_null(strstr(t.driver->warning, gap));
    t.config.chain = cert_file(t.dir, "chain.pem", 1, &t.ca.root);
    ASSERT_OK(open_driver());
    assert_null(t.driver->warning);
}

static void test_the_last_good_copy_is_used_while_there_is_no_better_one(void **state)
{
    X509 *no_ca;

    (void)state;
    ready();
    no_ca = issued_by(&t.ca, t.key);
    const struct {
        int is_down;
        reply_t reply;
        const char *why;
    } rows[] = {
        {1, {.status = 200}, "connection refused"},
        {0, {.status = 0}, "no answer in time"},
        {0, plain(500, "oops"), "HTTP 500: oops"},
        {0, plain(404, "nothing here"), "HTTP 404: nothing here"},
        {0, plain(200, "<html>"), "/cacerts: "},
        {0, plain(200, "MAMCAQE="), "not a certs-only message"},
        {0, message(1, &no_ca), "none of 1 certificates is that of a CA"},
    };
    const ca_facts_t *facts = facts_now();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        world.now += apr_time_from_sec(3600);
        up.n_cacerts = 0;
        up.is_down = rows[i].is_down;
        up.cacerts = rows[i].reply;
        world.n_lines[EST_LOG_WARNING] = 0;
        assert_ptr_equal(facts_now(), facts);
        if (!strstr(world.line, rows[i].why))
            fail_msg("\"%s\" does not say \"%s\"", world.line, rows[i].why);
        world.now += apr_time_from_sec(29);
        assert_ptr_equal(facts_now(), facts);
        assert_int_equal(up.n_cacerts, 1);
        world.now += apr_time_from_sec(1);
        assert_ptr_equal(facts_now(), facts);
        assert_int_equal(up.n_cacerts, 2);
        assert_int_equal(world.n_lines[EST_LOG_WARNING], 1); /* not each time */
        up.is_down = 0;
        up.cacerts = cacerts_of(&t.ca);
        world.now += apr_time_from_sec(30);
        assert_ptr_equal(facts_now(), facts);
        assert_non_null(strstr(world.line, "can be looked at again"));
    }
}

static void test_without_any_copy_nothing_can_be_judged(void **state)
{
    (void)state;
    ready();
    up.is_down = 1;
    ASSERT_FAILS(facts_error(), ca_unavailable, "connection refused");
    ASSERT_FAILS(facts_error(), ca_unavailable, "connection refused"); /* told what the one before has found */
    assert_int_equal(up.n_cacerts, 1);
    world.now += apr_time_from_sec(1);
    up.is_down = 0;
    up.cacerts = plain(200, "MAMCAQE=");
    ASSERT_FAILS(facts_error(), ca_unavailable, "not a certs-only message");
    assert_int_equal(up.n_cacerts, 2);
    world.now += apr_time_from_sec(1);
    up.cacerts = cacerts_of(&t.ca);
    assert_int_equal(facts_now()->n_certs, 2);
}

static void *APR_THREAD_FUNC look(apr_thread_t *thread, void *out)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    if (t.driver->driver->facts(t.driver, out, p))
        *(const ca_facts_t **)out = NULL;
    apr_pool_destroy(p);
    (void)thread;
    return NULL; /* AddressSanitizer does not see the end of a stack by apr_thread_exit() */
}

static void test_one_looks_and_the_others_go_on(void **state)
{
    const ca_facts_t *found = NULL;
    apr_thread_t *thread;
    apr_status_t status;

    (void)state;
    ready();
    const ca_facts_t *facts = facts_now();
    hierarchy_t other = make_hierarchy("CN=Other");
    up.cacerts = cacerts_of(&other);
    world.now += apr_time_from_sec(3600);
    up.hold = 1;
    assert_int_equal(apr_thread_create(&thread, NULL, look, &found, pool), APR_SUCCESS);
    apr_thread_mutex_lock(up.lock);
    while (!up.is_held)
        apr_thread_cond_wait(up.changed, up.lock);
    apr_thread_mutex_unlock(up.lock);
    assert_ptr_equal(facts_now(), facts);
    apr_thread_mutex_lock(up.lock);
    up.hold = 0;
    apr_thread_cond_broadcast(up.changed);
    apr_thread_mutex_unlock(up.lock);
    apr_thread_join(&status, thread);
    assert_non_null(found);
    ASSERT_SLICE(cert_der(found->cert), cert_der(other.cert));
    assert_ptr_equal(facts_now(), found);
    assert_int_equal(up.n_cacerts, 2);
}

/* ---- the file */

static const char *cache_file(void)
{
    const char *path = apr_pstrcat(pool, t.dir, "/cache.pem", NULL);

    apr_pool_cleanup_register(pool, path, x509_test_remove, apr_pool_cleanup_null);
    return path;
}

/* As after a restart of httpd */
static void restart(void)
{
    start_driver();
    up.n_cacerts = 0;
}

static const char *temp_file_at(const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fclose(file);
    return path;
}

static void test_the_last_good_copy_outlives_a_restart(void **state)
{
    STACK_OF(X509) *certs;
    struct stat st;

    (void)state;
    prepare();
    t.config.cache = cache_file();
    start_driver();
    assert_null(t.driver->warning); /* that there is none yet */
    facts_now();
    assert_int_equal(stat(t.config.cache, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    ASSERT_OK(pki_load_certs(&certs, t.config.cache, pool));
    assert_int_equal(sk_X509_num(certs), 2);
    up.is_down = 1;
    restart();
    ASSERT_SLICE(cert_der(facts_now()->cert), cert_der(t.ca.cert));
    assert_int_equal(up.n_cacerts, 1); /* it was tried */
    /* before start, for those who only read the configuration */
    ASSERT_OK(open_driver());
    ASSERT_SLICE(cert_der(facts_now()->cert), cert_der(t.ca.cert));
    assert_int_equal(up.n_cacerts, 1);
    /* another process has written newer ones since */
    hierarchy_t other = make_hierarchy("CN=Other");
    X509 *both[] = {other.cert, other.root};
    FILE *file = fopen(t.config.cache, "w");
    for (int i = 0; i < 2; i++)
        assert_true(PEM_write_X509(file, both[i]));
    fclose(file);
    ASSERT_OK(t.driver->driver->start(t.driver, &env, pool));
    ASSERT_SLICE(cert_der(facts_now()->cert), cert_der(other.cert));
    assert_int_equal(world.n_lines[EST_LOG_ERROR], 0);
}

static void test_the_file_changes_when_the_certificates_do(void **state)
{
    struct stat before, after;

    (void)state;
    prepare();
    t.config.cache = cache_file();
    start_driver();
    facts_now();
    assert_int_equal(stat(t.config.cache, &before), 0);
    world.now += apr_time_from_sec(3600);
    facts_now();
    assert_int_equal(stat(t.config.cache, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* not written anew */
    restart();
    facts_now();
    assert_int_equal(stat(t.config.cache, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    hierarchy_t other = make_hierarchy("CN=Other");
    up.cacerts = cacerts_of(&other);
    world.now += apr_time_from_sec(3600);
    facts_now();
    assert_int_equal(stat(t.config.cache, &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);
    up.is_down = 1;
    restart();
    ASSERT_SLICE(cert_der(facts_now()->cert), cert_der(other.cert));
    /* that somebody has removed it is noticed by the next who looks */
    up.is_down = 0;
    assert_int_equal(remove(t.config.cache), 0);
    world.now += apr_time_from_sec(3600);
    facts_now();
    assert_int_equal(stat(t.config.cache, &after), 0);
}

static void test_a_file_that_cannot_be_written_is_a_warning(void **state)
{
    (void)state;
    prepare();
    t.config.cache = apr_pstrcat(pool, t.dir, "/none/cache.pem", NULL);
    start_driver();
    facts_now();
    assert_int_equal(world.n_lines[EST_LOG_WARNING], 1);
    assert_non_null(strstr(world.line, "/none/cache.pem of <EstCA central> cannot be written"));
    assert_non_null(strstr(world.line, strerror(ENOENT)));
    for (int i = 0; i < 3; i++) { /* not each time */
        world.now += apr_time_from_sec(3600);
        facts_now();
    }
    assert_int_equal(world.n_lines[EST_LOG_WARNING], 1);
}

static void test_a_file_of_no_use_is_a_warning(void **state)
{
    FILE *file;

    (void)state;
    prepare();
    file = temp_file(&t.config.cache, t.dir, "cache.pem");
    fputs("what is this?\n", file);
    fclose(file);
    start_driver();
    assert_non_null(t.driver->warning);
    assert_non_null(strstr(t.driver->warning, "cache.pem of <EstCA central> is of no use: "));
    facts_now();
    restart(); /* it was replaced */
    assert_null(t.driver->warning);
}

/* Root reads at a start what the children have written. Were it to wait for what never comes, httpd would not start. */
static void test_a_file_that_is_none_keeps_nobody_waiting(void **state)
{
    const char *const what[] = {"a pipe", "/dev/zero", "too long"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        prepare();
        t.config.cache = cache_file();
        if (i == 0)
            assert_int_equal(mkfifo(t.config.cache, 0600), 0);
        else if (i == 1)
            assert_int_equal(symlink(what[i], t.config.cache), 0);
        else
            assert_int_equal(truncate(temp_file_at(t.config.cache), 3 * 1024 * 1024), 0);
        alarm(60);
        start_driver();
        assert_non_null(t.driver->warning);
        assert_non_null(strstr(t.driver->warning, i < 2 ? "is no regular file" : "is too long"));
        facts_now();
        alarm(0);
        restart(); /* it was replaced, and not what it pointed to */
        assert_null(t.driver->warning);
        assert_int_equal(remove(t.config.cache), 0);
    }
}

/* ---- rollover */

static void test_an_upstream_cannot_fill_the_memory_with_its_certificates(void **state)
{
    (void)state;
    ready();
    facts_now();
    for (int i = 1; i < 64; i++) {
        hierarchy_t other = make_hierarchy(apr_psprintf(pool, "CN=CA %d", i));
        up.cacerts = cacerts_of(&other);
        world.now += apr_time_from_sec(3600);
        ASSERT_SLICE(cert_der(facts_now()->cert), cert_der(other.cert));
    }
    const ca_facts_t *last = facts_now();
    hierarchy_t one_more = make_hierarchy("CN=One more");
    up.cacerts = cacerts_of(&one_more);
    world.now += apr_time_from_sec(3600);
    assert_ptr_equal(facts_now(), last);
    assert_non_null(strstr(world.line, "have changed 64 times"));
    answers_with(issued_by(&one_more, t.key));
    ASSERT_FAILS(issue(), ca_wrong, "was not issued by");
    /* one of before is no other */
    up.cacerts = cacerts_of(&t.ca);
    world.now += apr_time_from_sec(3600);
    ASSERT_SLICE(cert_der(facts_now()->cert), cert_der(t.ca.cert));
}

static void test_another_ca_makes_the_driver_look_again(void **state)
{
    (void)state;
    ready();
    facts_now();
    hierarchy_t other = make_hierarchy("CN=Issuing");
    X509 *cert = issued_by(&other, t.key);
    answers_with(cert);
    up.cacerts = cacerts_of(&other);
    ASSERT_OK(issue());
    ASSERT_SLICE(t.answer.der, cert_der(cert));
    assert_int_equal(up.n_cacerts, 2);
    ASSERT_SLICE(cert_der(facts_now()->cert), cert_der(other.cert));
    /* a request that was granted before: nobody has to ask once more */
    ASSERT_OK(issue());
    assert_int_equal(up.n_cacerts, 2);
    /* the first CA again, which cacerts has no more */
    answers_with(issued_by(&t.ca, t.key));
    t.request.facts = NULL;
    ASSERT_FAILS(issue(), ca_wrong, "was not issued by");
    assert_int_equal(up.n_cacerts, 3);
    /* both: during a rollover */
    X509 *all[] = {t.ca.cert, t.ca.root, other.cert, other.root};
    up.cacerts = message(4, all);
    ASSERT_OK(issue());
    assert_int_equal(facts_now()->n_issuers, 2);
    /* what else is wrong is found with the new certificates, too */
    t.fault = "it is too long";
    t.request.facts = NULL;
    ASSERT_FAILS(issue(), ca_wrong, t.fault);
}

static void test_cacerts_that_cannot_be_had_leave_the_issuer_unknown(void **state)
{
    (void)state;
    ready();
    facts_now();
    hierarchy_t other = make_hierarchy("CN=Issuing");
    answers_with(issued_by(&other, t.key));
    up.cacerts = plain(500, "oops");
    ASSERT_FAILS(issue(), ca_wrong, "was not issued by");
    up.cacerts = plain(200, "MAMCAQE=");
    ASSERT_FAILS(issue(), ca_wrong, "was not issued by");
    assert_true(t.answer.der.n > 0);
}

static void test_a_pinned_ca_is_never_asked_for(void **state)
{
    csr_spec_t spec = {.subject = "CN=dev7"};

    (void)state;
    prepare();
    t.config.certificate = cert_file(t.dir, "ca.pem", 1, &t.ca.cert);
    spec.key = t.key;
    start_driver();
    ask_for(&spec);
    assert_int_equal(facts_now()->n_certs, 1); /* the chain need not be whole: it is the upstream's business */
    answers_with(issued_by(&t.ca, t.key));
    ASSERT_OK(issue());
    hierarchy_t other = make_hierarchy("CN=Issuing");
    up.cacerts = cacerts_of(&other);
    answers_with(issued_by(&other, t.key));
    ASSERT_FAILS(issue(), ca_wrong, "EstCACertificate says which CA it must be");
    world.now += apr_time_from_sec(100000);
    facts_now();
    assert_int_equal(up.n_cacerts, 0);
}

/* ---- configuration */

static void test_what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    prepare();
    const ca_config_t good = t.config;
    const struct {
        const char **member;
        const char *directive;
    } rows[] = {
        {&t.config.key, "EstCAKey"},
        {&t.config.passphrase, "EstCAKeyPassphrase"},
        {&t.config.key_module, "EstCAKeyModule"},
        {&t.config.cmp_request, "EstCACmpRequest"},
        {&t.config.cmp_recipient, "EstCACmpRecipient"},
        {&t.config.cmp_certificate, "EstCACmpCertificate"},
        {&t.config.cmp_key, "EstCACmpKey"},
        {&t.config.cmp_passphrase, "EstCACmpKeyPassphrase"},
        {&t.config.cmp_reference, "EstCACmpReference"},
        {&t.config.cmp_secret, "EstCACmpSecret"},
        {&t.config.cmp_trust, "EstCACmpTrust"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        t.config = good;
        *rows[i].member = "x";
        ASSERT_ROW(open_driver(), EST_E_config,
                   apr_psprintf(pool, "<EstCA central> at est.conf:7: %s makes no sense with EstCADriver est",
                                rows[i].directive),
                   rows[i].directive);
    }
    t.config = good;
    t.config.chain = cert_file(t.dir, "chain.pem", 1, &t.ca.root);
    ASSERT_FAILS(open_driver(), config, "EstCAChain makes no sense without EstCACertificate");
    t.config.certificate = cert_file(t.dir, "ca.pem", 1, &t.ca.cert);
    ASSERT_OK(open_driver());
    t.config.cache = "cache.pem";
    ASSERT_FAILS(open_driver(), config, "EstCACacheFile makes no sense with EstCACertificate");
    t.config = good;
    t.config.certificate = "/none.pem";
    ASSERT_FAILS(open_driver(), file, "<EstCA central> at est.conf:7: certificate file /none.pem");
    t.config = good;
    t.config.upstreams = NULL;
    ASSERT_FAILS(open_driver(), config, "EstCAUpstream is missing");
}

static void test_who_does_not_say_who_he_is_gets_a_warning(void **state)
{
    (void)state;
    prepare();
    ASSERT_OK(open_driver());
    assert_null(t.driver->warning);
    t.config.user = NULL;
    ASSERT_OK(open_driver());
    assert_non_null(strstr(t.driver->warning, "neither EstCAClientCertificate nor EstCAUser"));
    t.config.client_certificate = "ra.pem";
    ASSERT_OK(open_driver());
    assert_null(t.driver->warning);
    assert_true(t.driver->driver->remote);
    assert_int_equal(t.driver->lease, 15);
    assert_int_equal(t.driver->n_gates, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_a_request_is_forwarded_as_it_is),
        EST_TEST(test_the_certificate_is_found_among_those_of_the_chain),
        EST_TEST(test_a_certificate_for_another_key_is_wrong),
        EST_TEST(test_a_wait_is_handed_on),
        EST_TEST(test_what_each_status_means),
        EST_TEST(test_why_a_forwarded_request_may_be_refused),
        EST_TEST(test_other_names_than_the_request_has_cannot_be_had),
        EST_TEST(test_cacerts_are_asked_for_when_they_are_wanted_and_when_they_are_old),
        EST_TEST(test_cacerts_without_a_root_is_a_warning),
        EST_TEST(test_the_last_good_copy_is_used_while_there_is_no_better_one),
        EST_TEST(test_without_any_copy_nothing_can_be_judged),
        EST_TEST(test_one_looks_and_the_others_go_on),
        EST_TEST(test_the_last_good_copy_outlives_a_restart),
        EST_TEST(test_the_file_changes_when_the_certificates_do),
        EST_TEST(test_a_file_that_cannot_be_written_is_a_warning),
        EST_TEST(test_a_file_of_no_use_is_a_warning),
        EST_TEST(test_a_file_that_is_none_keeps_nobody_waiting),
        EST_TEST(test_another_ca_makes_the_driver_look_again),
        EST_TEST(test_an_upstream_cannot_fill_the_memory_with_its_certificates),
        EST_TEST(test_cacerts_that_cannot_be_had_leave_the_issuer_unknown),
        EST_TEST(test_a_pinned_ca_is_never_asked_for),
        EST_TEST(test_what_makes_no_sense_is_refused),
        EST_TEST(test_who_does_not_say_who_he_is_gets_a_warning),
    };
    return EST_TEST_RUN(tests);
}
