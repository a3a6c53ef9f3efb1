/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_http_test.h"

/* ---- answers */

static void test_answers(void **state)
{
    static const struct {
        const char *path;
        int status, retry_after;
        const char *type, *body;
    } rows[] = {
        {"/ok", 200, 0, "text/plain", "fine"},
        {"/wait", 202, 42, NULL, ""},
        {"/past", 202, 0, NULL, ""},
        {"/long", 503, INT_MAX, NULL, ""},
        {"/401", 401, 0, "text/plain", "who?"},
        {"/500", 500, 0, NULL, "oops"},
        {"/moved", 302, 0, NULL, ""},
        {"/informed", 200, 0, NULL, "fine"},
        {"/chunks", 200, 0, NULL, "fine!"},
        {"/none", 404, 0, NULL, ""},
        {"/trailer", 200, 0, NULL, "fine"},
    };
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *server = http_start(answer_by_path, NULL);
    ca_http_t *http = make_client();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ASSERT_OK(ask(&answer, http, url_of(server, rows[i].path)));
        assert_int_equal(answer.status, rows[i].status);
        assert_int_equal(answer.retry_after, rows[i].retry_after);
        if (rows[i].type)
            assert_string_equal(answer.content_type, rows[i].type);
        else
            assert_null(answer.content_type);
        ASSERT_SLICE(answer.body, text(rows[i].body));
    }
    assert_int_equal(http_count(&server->n_requests),
                     sizeof(rows) / sizeof(rows[0])); /* the redirection was not followed */
}

static void test_retry_after_as_a_date(void **state)
{
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *server = http_start(answer_by_path, NULL);
    ASSERT_OK(ask(&answer, make_client(), url_of(server, "/date")));
    assert_int_equal(answer.status, 202);
    assert_in_range(answer.retry_after, 60, 101);
}

static void test_what_is_sent(void **state)
{
    ca_http_answer_t answer;
    ca_http_ask_t get = {.accept = "application/pkcs7-mime", .timeout = 20 * SECOND};

    (void)state;
    prepare();
    http_server_t *server = http_start(answer_by_path, NULL);
    ca_http_t *http = make_client();
    ASSERT_OK(ask(&answer, http, url_of(server, "/echo")));
    ASSERT_SLICE(answer.body,
                 text(apr_psprintf(pool,
                                   "POST /echo HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: mod_est\r\n"
                                   "Content-Type: application/pkcs10\r\nContent-Length: 9\r\n\r\na request",
                                   server->port)));
    get.url = url_of(server, "/echo");
    ASSERT_OK(ca_http_do(&answer, http, &get, pool));
    ASSERT_SLICE(answer.body, text(apr_psprintf(pool,
                                                "GET /echo HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: mod_est\r\n"
                                                "Accept: application/pkcs7-mime\r\n\r\n",
                                                server->port)));
}

/* ---- what does not come back */

static void test_nobody_there(void **state)
{
    ca_http_answer_t answer;
    int port, fd;

    (void)state;
    prepare();
    fd = http_port(&port);
    apr_time_t before = apr_time_now();
    ASSERT_FAILS(ask(&answer, make_client(), apr_psprintf(pool, "http://127.0.0.1:%d/", port)), ca_unavailable,
                 apr_psprintf(pool, "127.0.0.1:%d: ", port));
    assert_true(apr_time_now() - before < 15 * SECOND); /* not the time in which a connection has to come about */
    close(fd);
    ASSERT_FAILS(ask(&answer, make_client(), "http://upstream.invalid/"), ca_unavailable, "upstream.invalid: ");
}

static int say_nothing(http_connection_t *c)
{
    char octet;

    return read(c->fd, &octet, 1) > 0;
}

/* The answer of one that stops in between is none, either */
static int stop_in_between(http_connection_t *c)
{
    http_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
    return say_nothing(c);
}

static void test_time_is_limited(void **state)
{
    static http_handler_t *const handlers[] = {say_nothing, stop_in_between};
    ca_http_answer_t answer;

    (void)state;
    prepare();
    for (size_t i = 0; i < 2; i++) {
        http_server_t *server = http_start(handlers[i], NULL);
        ca_http_ask_t question = {.url = url_of(server, "/"), .timeout = SECOND / 5};
        ca_http_t *http = make_client();
        apr_time_t before = apr_time_now();
        est_err_t *err;

        /* Of a machine that is too busy to send it in that time nothing is to be learnt */
        while ((err = ca_http_do(&answer, http, &question, pool)) && err->code == EST_E_ca_unavailable &&
               question.timeout < 20 * SECOND) {
            question.timeout *= 5;
            before = apr_time_now();
        }
        ASSERT_FAILS(err, ca_timeout, "no whole answer");
        assert_true(apr_time_now() - before >= question.timeout);
        assert_true(apr_time_now() - before < question.timeout + 5 * SECOND);
    }
    /* TLS never comes about: nothing was sent */
    t.config.trust = t.trust;
    http_server_t *server = http_start(say_nothing, NULL);
    ca_http_ask_t question = {.timeout = SECOND / 5};
    question.url = apr_psprintf(pool, "https://127.0.0.1:%d/", server->port);
    ASSERT_FAILS(ca_http_do(&answer, make_client(), &question, pool), ca_unavailable, "127.0.0.1");
    /* EstCAConnectTimeout is shorter than what is left */
    t.config.connect_timeout = 1;
    apr_time_t before = apr_time_now();
    ASSERT_FAILS(ask(&answer, make_client(), question.url), ca_unavailable, "127.0.0.1");
    assert_true(apr_time_now() - before < 10 * SECOND);
}

static int close_at_once(http_connection_t *c)
{
    (void)c;
    return 0;
}

static int reset_at_once(http_connection_t *c)
{
    struct linger linger = {1, 0};

    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    return 0;
}

static int close_in_between(http_connection_t *c)
{
    http_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
    return 0;
}

static int close_in_headers(http_connection_t *c)
{
    http_say(c, "HTTP/1.1 200 OK\r\nContent-Len");
    return 0;
}

static int say_anything(http_connection_t *c)
{
    http_say(c, "220 mail.example.com ESMTP\r\n");
    return 0;
}

static int break_chunks(http_connection_t *c)
{
    http_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nfine\r\n");
    return 0;
}

static int announce_much(http_connection_t *c)
{
    http_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n");
    return say_nothing(c);
}

/* The end of the connection is the end of the answer */
static int send_much(http_connection_t *c)
{
    char block[4096];

    memset(block, 'x', sizeof(block));
    http_say(c, "HTTP/1.1 200 OK\r\n\r\n");
    for (int i = 0; i < 2 * CA_HTTP_MAX / 4096; i++)
        http_send(c, block, sizeof(block));
    return 0;
}

static int send_many_headers(http_connection_t *c)
{
    char line[1024];

    http_say(c, "HTTP/1.1 200 OK\r\n");
    snprintf(line, sizeof(line), "X: %0900d\r\n", 1);
    for (int i = 0; i < 2 * CA_HTTP_MAX / 900; i++)
        http_say(c, line);
    return 0;
}

static int inform_for_ever(http_connection_t *c)
{
    for (int i = 0; i < CA_HTTP_MAX / 20; i++)
        http_say(c, "HTTP/1.1 103 Early Hints\r\n\r\n");
    return 0;
}

static int switch_protocols(http_connection_t *c)
{
    http_say(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
    return 0;
}

static void test_bad_answers(void **state)
{
    static const struct {
        http_handler_t *handler;
        est_err_code_t code;
        const char *label, *part;
    } rows[] = {
        {close_at_once, EST_E_ca_timeout, "closed", "the request was sent, its answer was lost"},
        {reset_at_once, EST_E_ca_timeout, "reset", "the request was sent, its answer was lost"},
        {close_in_between, EST_E_ca_timeout, "closed in its body", "the request was sent"},
        {close_in_headers, EST_E_ca_timeout, "closed in its headers", "it ends in its headers"},
        {say_anything, EST_E_ca_answer, "no HTTP", "no HTTP answer"},
        {break_chunks, EST_E_ca_timeout, "broken chunks", NULL},
        {announce_much, EST_E_ca_answer, "announced", "is longer than 1048576 octets"},
        {send_much, EST_E_ca_answer, "much", "is longer than 1048576 octets"},
        {send_many_headers, EST_E_ca_answer, "many headers", "octets of headers"},
        {inform_for_ever, EST_E_ca_answer, "1xx for ever", "octets of headers"},
        {switch_protocols, EST_E_ca_timeout, "101", "the request was sent"},
    };
    ca_http_answer_t answer;

    (void)state;
    prepare();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        http_server_t *server = http_start(rows[i].handler, NULL);
        est_err_t *err = ask(&answer, make_client(), url_of(server, "/"));

        ASSERT_ROW(err, rows[i].code, rows[i].part, rows[i].label);
        ASSERT_ROW(err, rows[i].code, apr_psprintf(pool, "127.0.0.1:%d", server->port), rows[i].label);
        assert_int_equal(http_count(&server->n_requests), 1);
    }
}

static int send_just_enough(http_connection_t *c)
{
    char *block = malloc(CA_HTTP_MAX);

    memset(block, 'x', CA_HTTP_MAX);
    http_say(c, "HTTP/1.1 200 OK\r\n\r\n");
    http_send(c, block, CA_HTTP_MAX);
    free(block);
    return 0;
}

static void test_the_longest_answer(void **state)
{
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *server = http_start(send_just_enough, NULL);
    ASSERT_OK(ask(&answer, make_client(), url_of(server, "/")));
    assert_int_equal(answer.body.n, CA_HTTP_MAX);
    assert_int_equal(answer.body.p[CA_HTTP_MAX - 1], 'x');
}

/* ---- settings */

static void test_settings_that_are_refused(void **state)
{
    const char *url = "https://127.0.0.1/";
    ca_http_t *http;
    FILE *file;

    (void)state;
    prepare();
    t.config.upstreams = apr_array_make(pool, 1, sizeof(char *));
    APR_ARRAY_PUSH((apr_array_header_t *)(uintptr_t)t.config.upstreams, const char *) = url;
    ASSERT_FAILS(ca_http_make(&http, &t.config, pool), config, "EstCATrust is missing");
    t.config.trust = "/none.pem";
    ASSERT_FAILS(ca_http_make(&http, &t.config, pool), file, "/none.pem");
    t.config.trust = t.trust;
    ASSERT_OK(ca_http_make(&http, &t.config, pool));
    assert_int_equal(ca_http_client_certificate(http).n, 0);

    ca_config_t good = t.config;
    t.config.client_certificate = t.trust;
    ASSERT_FAILS(ca_http_make(&http, &t.config, pool), config, "both");
    t.config.client_key = key_file(t.dir, "other.key", t.key);
    ASSERT_FAILS(ca_http_make(&http, &t.config, pool), config, "does not fit EstCAClientCertificate");
    file = temp_file(&t.config.client_key, t.dir, "encrypted.key");
    assert_true(PEM_write_PKCS8PrivateKey(file, t.root_key, EVP_aes_128_cbc(), "open sesame", 11, NULL, NULL));
    fclose(file);
    ASSERT_FAILS(ca_http_make(&http, &t.config, pool), config, "EstCAClientKeyPassphrase");
    const char *path;
    file = temp_file(&path, t.dir, "passphrase");
    fputs("open sesame", file);
    fclose(file);
    t.config.client_passphrase = apr_pstrcat(pool, "file:", path, NULL);
    ASSERT_OK(ca_http_make(&http, &t.config, pool));
    ASSERT_SLICE(ca_http_client_certificate(http), cert_der(t.root));

    t.config = good;
    t.config.user = "registrar";
    ASSERT_FAILS(ca_http_make(&http, &t.config, pool), config, "both");
    t.config.password = t.config.client_passphrase = apr_pstrcat(pool, "file:", path, NULL);
    ASSERT_OK(ca_http_make(&http, &t.config, pool));
    t.config.user = "a:b";
    ASSERT_FAILS(ca_http_make(&http, &t.config, pool), config, "colon");
    t.config.user = "registrar";
    APR_ARRAY_IDX(t.config.upstreams, 0, const char *) = "http://127.0.0.1/";
    ASSERT_FAILS(ca_http_make(&http, &t.config, pool), config, "password without TLS");
}

static void test_proxies_that_are_refused(void **state)
{
    static const char *const rows[] = {"proxy.example.com",
                                       "proxy.example.com:3128",
                                       "http://proxy.example.com",
                                       "socks5://proxy.example.com:1080",
                                       "http://user:word@proxy.example.com:3128",
                                       "http://proxy.example.com:3128/path",
                                       "http://:3128",
                                       ""};
    ca_http_t *http;

    (void)state;
    prepare();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        t.config.proxy = rows[i];
        ASSERT_ROW(ca_http_make(&http, &t.config, pool), EST_E_config, "EstCAProxy is http://HOST:PORT", rows[i]);
    }
}

/* What a client certificate may be is OpenSSL's to say, before the first request */
static void test_a_weak_client_certificate_is_refused(void **state)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    ca_http_t *http;

    (void)state;
    assert_non_null(key);
    apr_pool_cleanup_register(pool, key, x509_test_free_key, apr_pool_cleanup_null);
    prepare();
    cert_spec_t spec = {.subject = "CN=weak", .key = key};
    X509 *cert = make_cert(&spec);
    t.config.client_certificate = cert_file(t.dir, "weak.pem", 1, &cert);
    t.config.client_key = key_file(t.dir, "weak.key", key);
    ASSERT_FAILS(ca_http_make(&http, &t.config, pool), config, "cannot be used: ee key too small");
}

static void test_a_client_that_was_not_started(void **state)
{
    ca_http_answer_t answer;
    ca_http_t *http;

    (void)state;
    prepare();
    ASSERT_OK(ca_http_make(&http, &t.config, pool));
    ASSERT_FAILS(ask(&answer, http, "http://127.0.0.1:1/"), internal, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_answers),
        EST_TEST(test_retry_after_as_a_date),
        EST_TEST(test_what_is_sent),
        EST_TEST(test_nobody_there),
        EST_TEST(test_time_is_limited),
        EST_TEST(test_bad_answers),
        EST_TEST(test_the_longest_answer),
        EST_TEST(test_settings_that_are_refused),
        EST_TEST(test_proxies_that_are_refused),
        EST_TEST(test_a_weak_client_certificate_is_refused),
        EST_TEST(test_a_client_that_was_not_started),
    };
    return EST_TEST_RUN(tests);
}
