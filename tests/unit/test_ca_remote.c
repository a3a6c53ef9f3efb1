/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "ca/ca_certs.h"
#include "ca/ca_remote.h"

#include <openssl/err.h>

#define SECOND APR_USEC_PER_SEC
#define A "http://a.example.com/est"
#define B "http://b.example.com/est"
#define C "http://c.example.com/est"
#define MAX_CALLS 16

/* What an attempt is to do at an upstream, and what has come */
typedef struct {
    const char *upstream;
    const char *fails; /* name of an error; NULL: a certificate */
    const char *detail;
    int retry_after;
    apr_interval_time_t takes;
} script_t;

typedef struct {
    const char *upstream;
    int resume;
    apr_interval_time_t left; /* until the deadline */
    est_slice_t state;
    const char *request_upstream;
} call_t;

static struct {
    ca_remote_t remote;
    ca_config_t config;
    ca_request_t request;
    ca_answer_t answer;
    apr_time_t now;
    const script_t *script; /* ends with upstream NULL */
    call_t calls[MAX_CALLS];
    int n_calls;
    const char *log; /* lines with their level */
    est_env_t env;
} t;

static apr_time_t fake_now(const est_env_t *env)
{
    (void)env;
    return t.now;
}

static void fake_log(const est_env_t *env, est_log_level_t level, const char *line)
{
    (void)env;
    t.log = apr_psprintf(pool, "%s%d %s\n", t.log, (int)level, line);
}

static apr_array_header_t *list(const char *const *items)
{
    apr_array_header_t *array = apr_array_make(pool, 4, sizeof(char *));

    for (; *items; items++)
        APR_ARRAY_PUSH(array, const char *) = *items;
    return array;
}

static void prepare(const char *const *urls)
{
    memset(&t, 0, sizeof(t));
    t.config.name = "far";
    t.config.where = "est.conf:7";
    t.config.upstreams = list(urls);
    t.config.timeout = 10;
    t.config.connect_timeout = 3;
    t.config.concurrency = 2;
    t.config.failures = 2;
    t.config.cooldown = 10;
    t.now = TEST_NOW;
    t.log = "";
    t.env.now = fake_now;
    t.env.log = fake_log;
}

static void start(const char *const *urls)
{
    prepare(urls);
    ASSERT_OK(ca_remote_open(&t.remote, &t.config, "https http", pool));
    ASSERT_OK(ca_remote_start(&t.remote, &t.env, pool));
}

static const char *const three[] = {A, B, C, NULL};

static est_err_code_t code_of(const char *name)
{
    for (int i = 0; i < EST_E__COUNT; i++)
        if (!strcmp(est_err_row((est_err_code_t)i)->name, name))
            return (est_err_code_t)i;
    fail_msg("there is no error %s", name);
    return EST_E_internal;
}

static est_err_t *attempt(ca_remote_t *remote, const char *upstream, int resume, ca_answer_t *answer,
                          const ca_request_t *request, apr_time_t deadline, apr_pool_t *p)
{
    call_t *call = &t.calls[t.n_calls++];

    assert_ptr_equal(remote, &t.remote);
    assert_true(t.n_calls < MAX_CALLS);
    assert_int_equal(answer->der.n + answer->state.n, 0);
    assert_null(answer->upstream);
    call->upstream = upstream;
    call->resume = resume;
    call->left = deadline - t.now;
    call->state = request->state;
    call->request_upstream = request->upstream;
    for (const script_t *s = t.script; s && s->upstream; s++)
        if (!strcmp(s->upstream, upstream)) {
            t.now += s->takes;
            if (!s->fails)
                break;
            est_err_t *err = est_err_make(p, code_of(s->fails), __FILE__, __LINE__, "%s", s->detail);
            err->retry_after = s->retry_after;
            if (!strcmp(s->fails, "ca_wrong"))
                answer->der = text("wrong");
            return err;
        }
    answer->der = text("certificate");
    return NULL;
}

static est_err_t *try(const script_t *script)
{
    t.script = script;
    t.n_calls = 0;
    memset(t.calls, 0, sizeof(t.calls));
    return ca_remote_try(&t.remote, &t.answer, &t.request, attempt, pool);
}

static void assert_calls(const char *first, const char *second, const char *third)
{
    const char *const wanted[] = {first, second, third};

    for (int i = 0; i < 3; i++)
        if (wanted[i])
            assert_string_equal(t.calls[i].upstream, wanted[i]);
        else
            assert_null(t.calls[i].upstream);
}

/* The gate of an upstream, of which all places are taken */
static void fill(int number, int *places)
{
    ca_gate_t *gate = (ca_gate_t *)((char *)t.remote.ca.gates + (apr_size_t)number * ca_gate_size());
    int wait;

    for (int i = 0; i < t.remote.rules.places; i++)
        assert_int_equal(ca_gate_enter(&places[i], &wait, gate, &t.remote.rules, t.now), CA_GATE_OPEN);
}

/* ---- fail-over */

static void test_the_first_that_answers(void **state)
{
    static const script_t down[] = {{A, "ca_unavailable", "refused", 0, SECOND}, {NULL}};

    (void)state;
    start(three);
    ASSERT_OK(try(NULL));
    assert_calls(A, NULL, NULL);
    assert_string_equal(t.answer.upstream, A);
    ASSERT_SLICE(t.answer.der, text("certificate"));
    assert_int_equal(t.calls[0].left, 10 * SECOND);
    assert_int_equal(t.calls[0].resume, 0);

    ASSERT_OK(try(down));
    assert_calls(A, B, NULL);
    assert_string_equal(t.answer.upstream, B);
    assert_int_equal(t.calls[1].left, 9 * SECOND); /* what is left */
    assert_string_equal(t.log, "");
}

static void test_answers_end_it(void **state)
{
    static const struct {
        const char *error, *upstream;
    } rows[] = {{"ca_timeout", A}, {"ca_refused", A},      {"ca_answer", A},
                {"ca_wrong", A},   {"alias_broken", NULL}, {"internal", NULL}};

    (void)state;
    start(three);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        script_t script[] = {{A, rows[i].error, "so it is", 0, 0}, {NULL}};

        ASSERT_ROW(try(script), code_of(rows[i].error), "so it is", rows[i].error);
        assert_calls(A, NULL, NULL);
        if (rows[i].upstream)
            assert_string_equal(t.answer.upstream, rows[i].upstream);
        else
            assert_null(t.answer.upstream);
        assert_int_equal(t.answer.der.n, strcmp(rows[i].error, "ca_wrong") ? 0 : 5);
    }
}

static void test_nobody_answers(void **state)
{
    static const script_t down[] = {{A, "ca_unavailable", "a.example.com: refused", 0, 0},
                                    {B, "ca_unavailable", "no address", 0, 0},
                                    {C, "ca_unavailable", "busy", 7, 0},
                                    {NULL}};

    (void)state;
    start(three);
    est_err_t *err = try(down);
    ASSERT_FAILS(err, ca_unavailable,
                 "a.example.com: refused; http://b.example.com/est: no address; http://c.example.com/est: busy");
    assert_int_equal(err->retry_after, 7); /* the shortest */
    assert_null(t.answer.upstream);
    assert_string_equal(t.log, "");
    try(down); /* the second failure */
    assert_string_equal(t.log, "3 upstream http://a.example.com/est of <EstCA far> is left alone for 10 s: "
                               "a.example.com: refused\n"
                               "3 upstream http://b.example.com/est of <EstCA far> is left alone for 10 s: "
                               "http://b.example.com/est: no address\n"
                               "3 upstream http://c.example.com/est of <EstCA far> is left alone for 10 s: "
                               "http://c.example.com/est: busy\n");
    t.now += 4 * SECOND;
    err = try(down);
    ASSERT_FAILS(err, ca_unavailable, "http://b.example.com/est is left alone for 6 s after it failed; ");
    assert_int_equal(err->retry_after, 6);
    assert_calls(NULL, NULL, NULL);
}

/* Whatever number an upstream sends */
static void test_a_client_waits_a_day_at_most(void **state)
{
    static const char *const one[] = {A, NULL};
    static const script_t down[] = {{A, "ca_unavailable", "a.example.com: in a year", INT_MAX, 0}, {NULL}};

    (void)state;
    start(one);
    est_err_t *err = try(down);
    ASSERT_FAILS(err, ca_unavailable, "in a year");
    assert_int_equal(err->retry_after, 24 * 3600);
}

static void test_it_comes_back(void **state)
{
    static const script_t down[] = {{A, "ca_timeout", "hangs", 0, 0}, {NULL}};

    (void)state;
    start(three);
    ASSERT_FAILS(try(down), ca_timeout, NULL);
    ASSERT_FAILS(try(down), ca_timeout, NULL);
    t.log = "";
    ASSERT_OK(try(down)); /* closed: the next one */
    assert_calls(B, NULL, NULL);
    t.now += 11 * SECOND;
    ASSERT_OK(try(NULL));
    assert_calls(A, NULL, NULL);
    assert_string_equal(t.log, "2 upstream http://a.example.com/est of <EstCA far> answers again\n");
}

/* What it says no to, it has answered */
static void test_a_refusal_is_no_failure(void **state)
{
    static const script_t refuses[] = {{A, "ca_refused", "no", 0, 0}, {NULL}};

    (void)state;
    start(three);
    for (int i = 0; i < 5; i++)
        ASSERT_FAILS(try(refuses), ca_refused, "no");
    assert_string_equal(t.log, "");
}

static void test_full_upstreams(void **state)
{
    static const script_t busy[] = {{C, "ca_busy", "429", 30, 0}, {NULL}};
    static const script_t down[] = {{C, "ca_unavailable", "refused", 0, 0}, {NULL}};
    int places[CA_GATE_MAX];

    (void)state;
    start(three);
    fill(0, places);
    ASSERT_OK(try(NULL));
    assert_calls(B, NULL, NULL);
    fill(1, places);
    est_err_t *err = try(busy);
    ASSERT_FAILS(err, ca_busy, "http://a.example.com/est: 2 requests are there already; ");
    assert_in_range(err->retry_after, 1, 5);
    assert_calls(C, NULL, NULL);
    ASSERT_FAILS(try(down), ca_unavailable, "refused");
    fill(2, places);
    err = try(NULL);
    ASSERT_FAILS(err, ca_busy, "http://c.example.com/est: 2 requests are there already");
    assert_in_range(err->retry_after, 1, 5);
    assert_calls(NULL, NULL, NULL);
    assert_null(t.answer.upstream);
}

static void test_time_is_shared(void **state)
{
    static const script_t slow[] = {{A, "ca_unavailable", "no connection", 0, 6 * SECOND},
                                    {B, "ca_unavailable", "no connection", 0, 5 * SECOND},
                                    {NULL}};

    (void)state;
    start(three);
    est_err_t *err = try(slow);
    ASSERT_FAILS(err, ca_unavailable, "http://c.example.com/est: no time was left to ask it");
    assert_calls(A, B, NULL);
    assert_int_equal(t.calls[1].left, 4 * SECOND);
}

/* ---- requests that are somewhere already */

static void test_a_request_that_may_be_there_goes_there_first(void **state)
{
    static const script_t down[] = {{B, "ca_unavailable", "refused", 0, 0}, {NULL}};
    static const script_t all_down[] = {{A, "ca_unavailable", "refused", 0, 0},
                                        {B, "ca_unavailable", "refused", 0, 0},
                                        {C, "ca_unavailable", "refused", 0, 0},
                                        {NULL}};

    (void)state;
    start(three);
    t.request.upstream = B;
    ASSERT_OK(try(NULL));
    assert_calls(B, NULL, NULL);
    assert_int_equal(t.calls[0].resume, 1);
    assert_string_equal(t.answer.upstream, B);
    ASSERT_OK(try(down));
    assert_calls(B, A, NULL);
    assert_int_equal(t.calls[1].resume, 0);
    assert_string_equal(t.answer.upstream, A);
    start(three);
    t.request.upstream = B;
    ASSERT_FAILS(try(all_down), ca_unavailable, NULL);
    assert_calls(B, A, C);
    assert_string_equal(t.answer.upstream, B); /* it may still have it */
}

static void test_a_request_that_may_be_where_it_is_full_waits(void **state)
{
    int places[CA_GATE_MAX];

    (void)state;
    start(three);
    t.request.upstream = B;
    fill(1, places);
    ASSERT_FAILS(try(NULL), ca_busy, "http://b.example.com/est: 2 requests are there already");
    assert_calls(NULL, NULL, NULL);
    assert_string_equal(t.answer.upstream, B);
}

static void test_a_request_that_waits_goes_there_alone(void **state)
{
    static const script_t down[] = {{B, "ca_unavailable", "refused", 0, 0}, {NULL}};
    static const script_t slow[] = {{B, "ca_timeout", "hangs", 0, 0}, {NULL}};

    (void)state;
    start(three);
    t.request.upstream = B;
    t.request.state = text("transaction 7");
    ASSERT_OK(try(NULL));
    assert_calls(B, NULL, NULL);
    ASSERT_SLICE(t.calls[0].state, text("transaction 7"));
    assert_int_equal(t.answer.state.n, 0);
    ASSERT_FAILS(try(slow), ca_timeout, "hangs");
    assert_string_equal(t.answer.upstream, B);
    ASSERT_SLICE(t.answer.state, text("transaction 7"));
    ASSERT_FAILS(try(down), ca_unavailable, "refused");
    assert_calls(B, NULL, NULL);
    assert_string_equal(t.answer.upstream, B);
    ASSERT_SLICE(t.answer.state, text("transaction 7"));
    est_err_t *err = try(down); /* closed by now */
    ASSERT_FAILS(err, ca_unavailable, "left alone");
    assert_int_equal(err->retry_after, 10);
    assert_calls(NULL, NULL, NULL);
}

/* Who has it is configured no more: the others have not heard of it */
static void test_a_request_at_an_upstream_that_is_gone_begins_anew(void **state)
{
    static const script_t down[] = {{A, "ca_unavailable", "refused", 0, 0},
                                    {B, "ca_unavailable", "refused", 0, 0},
                                    {C, "ca_unavailable", "refused", 0, 0},
                                    {NULL}};

    (void)state;
    start(three);
    t.request.upstream = "http://gone.example.com";
    t.request.state = text("transaction 7");
    ASSERT_OK(try(NULL));
    assert_calls(A, NULL, NULL);
    assert_int_equal(t.calls[0].resume, 0);
    assert_int_equal(t.calls[0].state.n, 0);
    assert_null(t.calls[0].request_upstream);
    ASSERT_FAILS(try(down), ca_unavailable, NULL);
    assert_null(t.answer.upstream);
    assert_int_equal(t.answer.state.n, 0);
}

/* ---- settings */

static void test_what_is_opened(void **state)
{
    static const char *const urls[] = {"https://a.example.com/.well-known/est//", "http://[::1]:8080/", NULL};
    static const char *const names[] = {"authorityInfoAccess", "1.3.6.1.4.1.11129.2.4.2", "crlDistributionPoints",
                                        NULL};
    EVP_PKEY *key = make_key("P-256");
    X509 *root = make_ca("CN=Root", key, NULL, NULL);
    const char *dir = temp_dir();

    (void)state;
    prepare(urls);
    t.config.extensions = list(names);
    t.config.trust = cert_file(dir, "trust.pem", 1, &root);
    t.config.client_certificate = t.config.trust;
    t.config.client_key = key_file(dir, "client.key", key);
    ASSERT_OK(ca_remote_open(&t.remote, &t.config, "https http", pool));
    assert_int_equal(t.remote.n_upstreams, 2);
    assert_string_equal(t.remote.upstreams[0], "https://a.example.com/.well-known/est");
    assert_string_equal(t.remote.upstreams[1], "http://[::1]:8080");
    assert_string_equal(t.remote.ca.extensions[0], "1.3.6.1.5.5.7.1.1");
    assert_string_equal(t.remote.ca.extensions[1], names[1]);
    assert_string_equal(t.remote.ca.extensions[2], "2.5.29.31");
    assert_null(t.remote.ca.extensions[3]);
    assert_string_equal(t.remote.ca.name, "far");
    assert_int_equal(t.remote.ca.lease, 15);
    assert_int_equal(t.remote.timeout, 10 * SECOND);
    assert_int_equal(t.remote.rules.lease, 15 * SECOND);
    assert_int_equal(t.remote.rules.places, 2);
    assert_int_equal(t.remote.rules.failures, 2);
    assert_int_equal(t.remote.rules.cooldown, 10 * SECOND);
    assert_int_equal(t.remote.ca.n_gates, 2);
    assert_non_null(t.remote.ca.gates);
    assert_int_equal(ca_shared_size(&t.remote.ca), 2 * ca_gate_size());
    assert_int_equal(t.remote.ca.n_keys, 1);
    ASSERT_SLICE(t.remote.ca.keys[0], cert_der(root));
}

/* The gates of every process are the same memory */
static void test_gates_are_where_they_were_put(void **state)
{
    static const script_t down[] = {{A, "ca_timeout", "hangs", 0, 0}, {NULL}};

    (void)state;
    start(three);
    char *shared = apr_pcalloc(pool, ca_shared_size(&t.remote.ca));
    ca_share(&t.remote.ca, shared);
    ASSERT_FAILS(try(down), ca_timeout, NULL);
    int used = 0;
    for (apr_size_t i = 0; i < ca_shared_size(&t.remote.ca); i++)
        used |= shared[i] != 0;
    assert_true(used);
}

static void test_urls_that_are_refused(void **state)
{
    static const struct {
        const char *url, *part;
    } rows[] = {
        {"ftp://a.example.com", "is no URL of these schemes: https http"},
        {"htt://a.example.com", "is no URL of these schemes: https http"},
        {"a.example.com", "is no URL"},
        {"", "is no URL"},
        {"/", "is no URL"},
        {"https://", "names no host"},
        {"https:///path", "names no host"},
        {"https://user:word@a.example.com/", "has no user and password here"},
        {"https://user@a.example.com/", "has no user and password here"},
        {"https://a.example.com/?x=y", "has a query or a fragment"},
        {"https://a.example.com/#x", "has a query or a fragment"},
        {"https://a.example.com:0/", "has a port that cannot be"},
        {"https://a.example.com:99999/", "has a port that cannot be"},
        {"https://a.example.com:x/", NULL},
        {"https://a.example.com/a b", "blanks"},
        {"https://user:word@a.example.com/a b", "has no user and password here"},
        {"https://a.example.com/\n", "blanks"},
        {"https://\xc3\xbc.example.com/", "beyond ASCII"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *const urls[] = {A, rows[i].url, NULL};

        prepare(urls);
        est_err_t *err = ca_remote_open(&t.remote, &t.config, "https http", pool);
        ASSERT_ROW(err, EST_E_config, rows[i].part, rows[i].url);
        ASSERT_ROW(err, EST_E_config, "<EstCA far> at est.conf:7: ", rows[i].url);
        assert_null(strstr(err->detail, "word@"));
    }
    static const char *const twice[] = {A, A "/", NULL}, *const none[] = {NULL};
    prepare(twice);
    ASSERT_FAILS(ca_remote_open(&t.remote, &t.config, "https http", pool), config, "twice");
    ASSERT_FAILS(ca_remote_open(&t.remote, &t.config, "https", pool), config, "is no URL of these schemes: https");
    prepare(none);
    ASSERT_FAILS(ca_remote_open(&t.remote, &t.config, "https http", pool), config,
                 "<EstCA far> at est.conf:7: EstCAUpstream is missing");
    t.config.upstreams = NULL;
    ASSERT_FAILS(ca_remote_open(&t.remote, &t.config, "https http", pool), config, "EstCAUpstream is missing");
}

static void test_other_settings_that_are_refused(void **state)
{
    static const char *const names[] = {"keyUsage", "no such thing", NULL};

    (void)state;
    prepare(three);
    const struct {
        const char *part;
        int *number, most;
    } rows[] = {{"EstCATimeout", &t.config.timeout, 120},
                {"EstCAConnectTimeout", &t.config.connect_timeout, 60},
                {"EstCAConcurrency", &t.config.concurrency, 64},
                {"EstCAFailures", &t.config.failures, 100},
                {"EstCACooldown", &t.config.cooldown, 300}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *rows[i].number = 0;
        ASSERT_ROW(ca_remote_open(&t.remote, &t.config, "http", pool), EST_E_config, rows[i].part, rows[i].part);
        *rows[i].number = rows[i].most + 1;
        ASSERT_ROW(ca_remote_open(&t.remote, &t.config, "http", pool), EST_E_config, rows[i].part, rows[i].part);
        *rows[i].number = rows[i].most;
        ASSERT_OK(ca_remote_open(&t.remote, &t.config, "http", pool));
    }
    t.config.extensions = list(names);
    ASSERT_FAILS(ca_remote_open(&t.remote, &t.config, "http", pool), config, "EstCAExtensions: \"no such thing\"");
    assert_int_equal(ERR_peek_error(), 0);
    t.config.extensions = NULL;
    t.config.trust = "/none.pem";
    ASSERT_FAILS(ca_remote_open(&t.remote, &t.config, "http", pool), file, "<EstCA far> at est.conf:7: ");
}

/* ---- what came back */

static est_err_t *check_result;
static int n_checks;

static est_err_t *check(const ca_request_t *request, est_slice_t der, apr_pool_t *p)
{
    (void)p;
    assert_non_null(request->tbs);
    assert_true(der.n > 0);
    n_checks++;
    return check_result;
}

static void test_certificates_that_come_back(void **state)
{
    EVP_PKEY *key = make_key("P-256"), *ca_key = make_key("P-256"), *old_key = make_key("RSA");
    X509 *issuers[] = {make_ca("CN=Issuing", ca_key, NULL, NULL), make_ca("CN=Issuing", old_key, NULL, NULL)};
    ca_facts_t facts = {.cert = issuers[0], .issuers = issuers, .n_issuers = 2};
    cert_spec_t spec = {.subject = "CN=dev7", .key = key, .issuer = issuers[0], .issuer_key = ca_key};
    pki_tbs_t tbs = {.spki = spki_of(key)};
    ca_answer_t answer = {0};
    int unknown = 7;

    (void)state;
    prepare(three);
    t.request.tbs = &tbs;
    t.request.check = check;
    check_result = NULL;
    n_checks = 0;
    est_slice_t good = cert_der(make_cert(&spec));
    ASSERT_OK(ca_remote_accept(&answer, &unknown, good, &facts, &t.request, pool));
    ASSERT_SLICE(answer.der, good);
    assert_int_equal(unknown, 0);
    spec.issuer = issuers[1]; /* the one of before, during a rollover */
    spec.issuer_key = old_key;
    ASSERT_OK(ca_remote_accept(&answer, NULL, cert_der(make_cert(&spec)), &facts, &t.request, pool));
    assert_int_equal(n_checks, 2);

    check_result = EST_FAIL(pool, ca_wrong, "has a name too many");
    ASSERT_FAILS(ca_remote_accept(&answer, &unknown, good, &facts, &t.request, pool), ca_wrong, "a name too many");
    assert_int_equal(unknown, 0);
    ASSERT_SLICE(answer.der, good);
    check_result = NULL;
    n_checks = 0;

    /* a namesake's */
    spec.issuer = make_ca("CN=Issuing", key, NULL, NULL);
    spec.issuer_key = key;
    est_slice_t bad = cert_der(make_cert(&spec));
    ASSERT_FAILS(ca_remote_accept(&answer, &unknown, bad, &facts, &t.request, pool), ca_wrong,
                 "of \"CN=dev7\", was not issued by \"CN=Issuing\"");
    assert_int_equal(unknown, 1);
    ASSERT_SLICE(answer.der, bad);
    /* signed by the right key in another name */
    spec.issuer = make_ca("CN=Other", ca_key, NULL, NULL);
    spec.issuer_key = ca_key;
    ASSERT_FAILS(ca_remote_accept(&answer, NULL, cert_der(make_cert(&spec)), &facts, &t.request, pool), ca_wrong,
                 "was not issued by");
    spec.issuer = issuers[0];
    spec.key = make_key("P-256");
    ASSERT_FAILS(ca_remote_accept(&answer, &unknown, cert_der(make_cert(&spec)), &facts, &t.request, pool), ca_wrong,
                 "is for another key");
    assert_int_equal(unknown, 0);
    ASSERT_FAILS(ca_remote_accept(&answer, &unknown, text("rubbish"), &facts, &t.request, pool), ca_wrong,
                 "is no certificate");
    ASSERT_FAILS(ca_remote_accept(&answer, &unknown, join(2, good, text("x")), &facts, &t.request, pool), ca_wrong,
                 "is no certificate");
    ASSERT_FAILS(ca_remote_accept(&answer, &unknown, est_slice(NULL, 0), &facts, &t.request, pool), ca_wrong,
                 "is no certificate");
    assert_int_equal(n_checks, 0);
    assert_int_equal(ERR_peek_error(), 0);
}

/* RSA parameters: NULL in what was granted, left out by the CA */
static void test_a_key_that_is_written_in_another_way(void **state)
{
    EVP_PKEY *key = make_key("RSA"), *ca_key = make_key("P-256");
    X509 *issuer = make_ca("CN=Issuing", ca_key, NULL, NULL);
    ca_facts_t facts = {.cert = issuer, .issuers = &issuer, .n_issuers = 1};
    cert_spec_t spec = {.subject = "CN=dev7", .key = key, .issuer = issuer, .issuer_key = ca_key};
    pki_tbs_t tbs = {.spki = spki_of(key)};
    ca_answer_t answer = {0};
    X509_ALGOR *algorithm;

    (void)state;
    prepare(three);
    t.request.tbs = &tbs;
    X509 *cert = make_cert(&spec);
    X509_PUBKEY_get0_param(NULL, NULL, NULL, &algorithm, X509_get_X509_PUBKEY(cert));
    X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_rsaEncryption), V_ASN1_UNDEF, NULL);
    assert_true(X509_sign(cert, ca_key, EVP_sha256()) > 0);
    est_slice_t der = cert_der(cert);
    assert_false(est_slice_equal(pki_cert_spki(der), tbs.spki));
    ASSERT_OK(ca_remote_accept(&answer, NULL, der, &facts, &t.request, pool));
}

/* RFC 6712 3.3 warns of following; EST's redirections do not come here (test_ca_http_redirect) */
static void test_redirections_of_a_cmp_ca_are_not_followed(void **state)
{
    ca_http_answer_t answer = {.status = 301, .content_type = "text/plain", .body = text("moved")};

    (void)state;
    ASSERT_FAILS(ca_remote_status(&answer, "no CMP message", pool), ca_answer,
                 "HTTP 301: redirections are not followed with CMP (RFC 6712 3.3)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_the_first_that_answers),
        EST_TEST(test_answers_end_it),
        EST_TEST(test_nobody_answers),
        EST_TEST(test_a_client_waits_a_day_at_most),
        EST_TEST(test_it_comes_back),
        EST_TEST(test_a_refusal_is_no_failure),
        EST_TEST(test_full_upstreams),
        EST_TEST(test_time_is_shared),
        EST_TEST(test_a_request_that_may_be_there_goes_there_first),
        EST_TEST(test_a_request_that_may_be_where_it_is_full_waits),
        EST_TEST(test_a_request_that_waits_goes_there_alone),
        EST_TEST(test_a_request_at_an_upstream_that_is_gone_begins_anew),
        EST_TEST(test_what_is_opened),
        EST_TEST(test_gates_are_where_they_were_put),
        EST_TEST(test_urls_that_are_refused),
        EST_TEST(test_other_settings_that_are_refused),
        EST_TEST(test_certificates_that_come_back),
        EST_TEST(test_a_key_that_is_written_in_another_way),
        EST_TEST(test_redirections_of_a_cmp_ca_are_not_followed),
    };
    return EST_TEST_RUN(tests);
}
