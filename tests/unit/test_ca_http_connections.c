/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_http_test.h"

/* ---- TLS */

static void test_the_client_certificate_arrives(void **state)
{
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *server = start_tls(t.root);
    set_client("CN=registrar", t.root, t.root_key);
    ca_http_t *http = make_client();
    ASSERT_OK(ask(&answer, http, url_of(server, "/who")));
    ASSERT_SLICE(answer.body, text("registrar"));
    X509 *cert = parse_cert(ca_http_client_certificate(http));
    assert_int_equal(X509_verify(cert, t.root_key), 1);
}

/* In TLS 1.3 the request was written by then: nobody has read it all the same */
static void test_a_refused_client_certificate_is_as_if_nothing_was_sent(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    ca_http_answer_t answer;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        prepare();
        http_server_t *server = start_tls(t.root);
        SSL_CTX_set_max_proto_version(server->tls, versions[i]);
        est_err_t *err = ask(&answer, make_client(), url_of(server, "/ok"));
        ASSERT_FAILS(err, ca_unavailable, apr_psprintf(pool, "127.0.0.1:%d", server->port));
        X509 *other = make_ca("CN=Other", NULL, NULL, NULL);
        server = start_tls(other);
        SSL_CTX_set_max_proto_version(server->tls, versions[i]);
        set_client("CN=registrar", t.root, t.root_key);
        ASSERT_FAILS(ask(&answer, make_client(), url_of(server, "/ok")), ca_unavailable,
                     "ended the TLS handshake: unknown CA");
        assert_int_equal(http_count(&server->n_requests), 0);
    }
}

static void test_basic_is_sent_at_once(void **state)
{
    ca_http_answer_t answer;
    FILE *file;
    const char *path;

    (void)state;
    prepare();
    http_server_t *server = start_tls(NULL);
    file = temp_file(&path, t.dir, "password");
    fputs("open sesame\n", file);
    fclose(file);
    t.config.user = "registrar";
    t.config.password = apr_pstrcat(pool, "file:", path, NULL);
    ASSERT_OK(ask(&answer, make_client(), url_of(server, "/echo")));
    assert_non_null(strstr((const char *)est_slice_dup(answer.body, pool).p,
                           "\r\nAuthorization: Basic cmVnaXN0cmFyOm9wZW4gc2VzYW1l\r\n"));
    assert_int_equal(http_count(&server->n_requests), 1);
}

static void test_servers_of_others_are_refused(void **state)
{
    ca_http_answer_t answer;
    cert_spec_t spec = {.subject = "CN=server", .exts = {"subjectAltName=DNS:est.example.com"}};

    (void)state;
    prepare();
    http_server_t *server = start_tls(NULL);
    X509 *other = make_ca("CN=Other", NULL, NULL, NULL);
    t.config.trust = cert_file(t.dir, "other.pem", 1, &other);
    est_err_t *err = ask(&answer, make_client(), url_of(server, "/ok"));
    ASSERT_FAILS(err, ca_unavailable, "unable to get local issuer certificate");
    ASSERT_FAILS(err, ca_unavailable, apr_psprintf(pool, "127.0.0.1:%d: ", server->port));

    spec.key = t.key;
    spec.issuer = t.root;
    spec.issuer_key = t.root_key;
    t.cert = make_cert(&spec);
    server = start_tls(NULL);
    ASSERT_FAILS(ask(&answer, make_client(), url_of(server, "/ok")), ca_unavailable, "127.0.0.1");
    assert_int_equal(http_count(&server->n_requests), 0);

    memset(spec.exts, 0, sizeof(spec.exts));
    spec.exts[0] = "subjectAltName=IP:127.0.0.1";
    spec.until = apr_time_now() - TEST_DAY;
    t.cert = make_cert(&spec);
    server = start_tls(NULL);
    ASSERT_FAILS(ask(&answer, make_client(), url_of(server, "/ok")), ca_unavailable, "certificate has expired");
}

static void test_old_tls_is_refused(void **state)
{
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *server = start_tls(NULL);
    SSL_CTX_set_security_level(server->tls, 0);
    SSL_CTX_set_min_proto_version(server->tls, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(server->tls, TLS1_1_VERSION);
    ASSERT_FAILS(ask(&answer, make_client(), url_of(server, "/ok")), ca_unavailable, NULL);
}

/* Whom the upstream's own CA has signed is trusted as it is, though it is below another */
static void test_an_intermediate_can_be_trusted(void **state)
{
    ca_http_answer_t answer;
    EVP_PKEY *key = make_key("P-256");
    cert_spec_t spec = {.subject = "CN=server", .issuer_key = key, .exts = {"subjectAltName=IP:127.0.0.1"}};

    (void)state;
    prepare();
    spec.issuer = make_ca("CN=Middle", key, t.root, t.root_key);
    spec.key = t.key;
    t.cert = make_cert(&spec);
    http_server_t *server = start_tls(NULL);
    t.config.trust = cert_file(t.dir, "middle.pem", 1, &spec.issuer);
    ASSERT_OK(ask(&answer, make_client(), url_of(server, "/ok")));
}

/* ---- connections */

static void test_a_connection_is_used_again(void **state)
{
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *servers[] = {http_start(answer_by_path, NULL), start_tls(NULL)};
    for (int i = 0; i < 2; i++) {
        ca_http_t *http = make_client();

        for (int k = 0; k < 5; k++)
            ASSERT_OK(ask(&answer, http, url_of(servers[i], k % 2 ? "/ok" : "/401")));
        assert_int_equal(http_count(&servers[i]->n_requests), 5);
        assert_int_equal(http_count(&servers[i]->n_connections), 1);
    }
}

static void test_a_connection_that_the_peer_has_closed_is_survived(void **state)
{
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *servers[] = {http_start(answer_by_path, NULL), start_tls(NULL)};
    for (int i = 0; i < 2; i++) {
        ca_http_t *http = make_client();

        ASSERT_OK(ask(&answer, http, url_of(servers[i], "/closed")));
        assert_true(http_comes_to(&servers[i]->n_closed, 1));
        ASSERT_OK(ask(&answer, http, url_of(servers[i], "/ok")));
        assert_int_equal(http_count(&servers[i]->n_connections), 2);
        assert_int_equal(http_count(&servers[i]->n_requests), 2);
    }
}

/* Answers the first request, closes the connection at the second one */
static int close_at_the_second(http_connection_t *c)
{
    int n = http_count(&c->server->n_requests);

    if (n != 2)
        http_answer(c, "200 OK", "", "fine");
    return n != 2;
}

static void test_a_connection_that_ends_under_the_request_is_survived(void **state)
{
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *server = http_start(close_at_the_second, NULL);
    ca_http_t *http = make_client();
    ASSERT_OK(ask(&answer, http, url_of(server, "/")));
    ASSERT_OK(ask(&answer, http, url_of(server, "/")));
    assert_int_equal(http_count(&server->n_connections), 2);
    assert_int_equal(http_count(&server->n_requests), 3);
}

static int end_at_the_second(http_connection_t *c)
{
    if (http_count(&c->server->n_requests) == 2) {
        http_hang_up(c->server);
        return 0;
    }
    http_answer(c, "200 OK", "", "fine");
    return 1;
}

/* That the second connection is refused does not say that nobody has the request */
static void test_a_server_that_ends_under_the_request_may_have_it(void **state)
{
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *server = http_start(end_at_the_second, NULL);
    ca_http_t *http = make_client();
    ASSERT_OK(ask(&answer, http, url_of(server, "/")));
    ASSERT_FAILS(ask(&answer, http, url_of(server, "/")), ca_timeout, "the request was sent");
    assert_int_equal(http_count(&server->n_requests), 2);
}

static void *ask_often(void *data)
{
    const char *const *argument = data;
    ca_http_t *http = (ca_http_t *)(uintptr_t)argument[0];
    apr_pool_t *own;
    intptr_t n_good = 0;

    apr_pool_create(&own, NULL);
    for (int i = 0; i < 20; i++) {
        ca_http_ask_t question = {.url = argument[1], .timeout = 20 * SECOND};
        ca_http_answer_t answer;

        n_good += !ca_http_do(&answer, http, &question, own) && answer.status == 200;
    }
    apr_pool_destroy(own);
    return (void *)n_good;
}

static void test_threads_share_a_client(void **state)
{
    pthread_t threads[12]; /* more than are kept */
    const char *argument[2];

    (void)state;
    prepare();
    http_server_t *server = start_tls(NULL);
    argument[0] = (const char *)make_client();
    argument[1] = url_of(server, "/ok");
    for (int i = 0; i < 12; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, argument), 0);
    for (int i = 0; i < 12; i++) {
        void *n_good;

        pthread_join(threads[i], &n_good);
        assert_int_equal((intptr_t)n_good, 20);
    }
    assert_true(http_count(&server->n_connections) < 240);
}

/* ---- proxies */

static void test_the_environment_has_no_proxy(void **state)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *servers[] = {http_start(answer_by_path, NULL), start_tls(NULL)};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        setenv(names[i], "http://127.0.0.1:1", 1);
    ca_http_t *http = make_client();
    est_err_t *first = ask(&answer, http, url_of(servers[0], "/ok"));
    est_err_t *second = ask(&answer, http, url_of(servers[1], "/ok"));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    ASSERT_OK(first);
    ASSERT_OK(second);
}

static int be_a_proxy(http_connection_t *c)
{
    if (http_is_for(c, "CONNECT "))
        http_answer(c, "403 Forbidden", "", "");
    else
        http_answer(c, "200 OK", "", c->request);
    return 1;
}

static void test_the_proxy_that_is_set(void **state)
{
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *proxy = http_start(be_a_proxy, NULL);
    t.config.proxy = apr_psprintf(pool, "http://127.0.0.1:%d", proxy->port);
    t.config.trust = t.trust;
    ca_http_t *http = make_client();
    setenv("no_proxy", "*", 1);
    est_err_t *err = ask(&answer, http, "http://upstream.invalid/x");
    unsetenv("no_proxy");
    ASSERT_OK(err);
    assert_int_equal(strncmp((const char *)answer.body.p, "POST http://upstream.invalid/x ", 31), 0);
    /* what the proxy got was no request of ours */
    ASSERT_FAILS(ask(&answer, http, "https://upstream.invalid/x"), ca_unavailable, "upstream.invalid: ");
    assert_int_equal(http_count(&proxy->n_requests), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_the_client_certificate_arrives),
        EST_TEST(test_a_refused_client_certificate_is_as_if_nothing_was_sent),
        EST_TEST(test_basic_is_sent_at_once),
        EST_TEST(test_servers_of_others_are_refused),
        EST_TEST(test_old_tls_is_refused),
        EST_TEST(test_an_intermediate_can_be_trusted),
        EST_TEST(test_a_connection_is_used_again),
        EST_TEST(test_a_connection_that_the_peer_has_closed_is_survived),
        EST_TEST(test_a_connection_that_ends_under_the_request_is_survived),
        EST_TEST(test_a_server_that_ends_under_the_request_may_have_it),
        EST_TEST(test_threads_share_a_client),
        EST_TEST(test_the_environment_has_no_proxy),
        EST_TEST(test_the_proxy_that_is_set),
    };
    return EST_TEST_RUN(tests);
}
