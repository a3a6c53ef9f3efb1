/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "http_test.h"

#include "ca/ca_http.h"

#include <openssl/err.h>

#define SECOND APR_USEC_PER_SEC

static struct {
    EVP_PKEY *root_key, *key;
    X509 *root, *cert; /* of the server 127.0.0.1 */
    const char *dir, *trust;
    ca_config_t config;
} t;

static void prepare(void)
{
    static int number;
    cert_spec_t spec = {.subject = "CN=server", .exts = {"subjectAltName=IP:127.0.0.1", "extendedKeyUsage=serverAuth"}};

    memset(&t, 0, sizeof(t));
    t.root_key = make_key("P-256");
    t.key = make_key("P-256");
    t.root = make_ca("CN=Root", t.root_key, NULL, NULL);
    spec.key = t.key;
    spec.issuer = t.root;
    spec.issuer_key = t.root_key;
    t.cert = make_cert(&spec);
    t.dir = temp_dir();
    t.trust = cert_file(t.dir, apr_psprintf(pool, "root%d.pem", ++number), 1, &t.root);
    t.config.name = "upstream";
    t.config.where = "est.conf:7";
    t.config.connect_timeout = 3;
    t.config.concurrency = 8;
}

static ca_http_t *make_client(void)
{
    ca_http_t *http;

    ASSERT_OK(ca_http_make(&http, &t.config, pool));
    ASSERT_OK(ca_http_start(http, pool));
    return http;
}

static const char *url_of(const http_server_t *server, const char *path)
{
    return apr_psprintf(pool, "%s://127.0.0.1:%d%s", server->tls ? "https" : "http", server->port, path);
}

/* POST, with a limit that no test comes near to */
static est_err_t *ask(ca_http_answer_t *answer, ca_http_t *http, const char *url)
{
    ca_http_ask_t question = {.url = url, .content_type = "application/pkcs10", .timeout = 20 * SECOND};
    est_err_t *err;

    question.body = text("a request");
    err = ca_http_do(answer, http, &question, pool);
    assert_int_equal(ERR_peek_error(), 0);
    return err;
}

/* ---- a server whose answer depends on the path */

static int answer_by_path(http_connection_t *c)
{
    char date[APR_RFC822_DATE_LEN], header[100];
    char *path = strchr(c->request, ' ');

    if (!path || !c->body)
        return 0;
    path++;
    if (!strncmp(path, "/ok ", 4)) {
        http_answer(c, "200 OK", "Content-Type: text/plain\r\n", "fine");
    } else if (!strncmp(path, "/echo ", 6)) {
        http_answer(c, "200 OK", "", c->request);
    } else if (!strncmp(path, "/who ", 5)) {
        http_answer(c, "200 OK", "", c->client);
    } else if (!strncmp(path, "/wait ", 6)) {
        http_answer(c, "202 Accepted", "Retry-After: 42\r\n", "");
    } else if (!strncmp(path, "/date ", 6)) {
        apr_rfc822_date(date, apr_time_now() + 100 * SECOND);
        snprintf(header, sizeof(header), "Retry-After: %s\r\n", date);
        http_answer(c, "202 Accepted", header, "");
    } else if (!strncmp(path, "/past ", 6)) {
        http_answer(c, "202 Accepted", "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n", "");
    } else if (!strncmp(path, "/long ", 6)) {
        http_answer(c, "503 Busy", "Retry-After: 99999999999999\r\n", "");
    } else if (!strncmp(path, "/401 ", 5)) {
        http_answer(c, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\nContent-Type: text/plain\r\n",
                    "who?");
    } else if (!strncmp(path, "/500 ", 5)) {
        http_answer(c, "500 Oops", "", "oops");
    } else if (!strncmp(path, "/moved ", 7)) {
        http_answer(c, "302 Found", "Location: /ok\r\n", "");
    } else if (!strncmp(path, "/informed ", 10)) {
        http_say(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
        http_answer(c, "200 OK", "", "fine");
    } else if (!strncmp(path, "/chunks ", 8)) {
        http_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n1\r\n!\r\n0\r\n\r\n");
    } else if (!strncmp(path, "/trailer ", 9)) {
        http_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\nX: y\r\n\r\n");
    } else if (!strncmp(path, "/closed ", 8)) { /* it does not say so */
        http_answer(c, "200 OK", "", "fine");
        return 0;
    } else {
        http_answer(c, "404 Not Found", "", "");
    }
    return 1;
}

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

/* ---- TLS */

static http_server_t *start_tls(X509 *client)
{
    t.config.trust = t.trust;
    return http_start(answer_by_path, http_tls(t.cert, t.key, client));
}

static void set_client(const char *subject, X509 *issuer, EVP_PKEY *issuer_key)
{
    cert_spec_t spec = {.subject = subject, .issuer = issuer, .issuer_key = issuer_key, .key = make_key("P-256")};
    X509 *cert = make_cert(&spec);

    t.config.client_certificate = cert_file(t.dir, "client.pem", 1, &cert);
    t.config.client_key = key_file(t.dir, "client.key", spec.key);
}

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

/* ---- what does not come back */

static void test_nobody_there(void **state)
{
    ca_http_answer_t answer;
    int port, fd;

    (void)state;
    prepare();
    fd = http_listener(&port);
    close(fd);
    apr_time_t before = apr_time_now();
    ASSERT_FAILS(ask(&answer, make_client(), apr_psprintf(pool, "http://127.0.0.1:%d/", port)), ca_unavailable,
                 apr_psprintf(pool, "127.0.0.1:%d: ", port));
    assert_true(apr_time_now() - before < 3 * SECOND);
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
        apr_time_t before = apr_time_now();

        ASSERT_FAILS(ca_http_do(&answer, make_client(), &question, pool), ca_timeout, "no whole answer");
        assert_true(apr_time_now() - before >= SECOND / 5);
        assert_true(apr_time_now() - before < 5 * SECOND);
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

/* ---- texts */

static void test_reasons(void **state)
{
    static const struct {
        const char *type, *body, *reason;
    } rows[] = {
        {"text/plain", "no such profile\r\nmore", "no such profile"},
        {"text/plain; charset=utf-8", "\r\n  no\tsuch\x1b[1m profile", "no?such?[1m profile"},
        {"text/plain", "Schl\xc3\xbcssel \xc2\x85 fehlt", "Schl\xc3\xbcssel ? fehlt"},
        {"text/plain", "Schl\xfcssel", "Schl?ssel"},
        {"application/problem+json", "{\"title\":\"no\"}", "{\"title\":\"no\"}"},
        {"text/html", "<!DOCTYPE html>", ""},
        {"application/pkcs7-mime", "MIIB", ""},
        {"text/plain", "", ""},
        {"text/plain", " \r\n ", ""},
        {NULL, "plainly no", "plainly no"},
        {NULL, "\x30\x82\xff", ""},
    };
    ca_http_answer_t answer = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        answer.content_type = rows[i].type;
        answer.body = text(rows[i].body);
        assert_string_equal(ca_http_reason(&answer, pool), rows[i].reason);
    }
    char *much = apr_palloc(pool, 1000);
    memset(much, 'x', 1000);
    answer.content_type = "text/plain";
    answer.body = est_slice(much, 200);
    assert_int_equal(strlen(ca_http_reason(&answer, pool)), 200);
    answer.body = est_slice(much, 1000);
    assert_int_equal(strlen(ca_http_reason(&answer, pool)), 203);
    memcpy(much + 199, "\xc3\xbc", 2); /* is not cut in two */
    assert_string_equal(ca_http_reason(&answer, pool) + 195, "xxxx...");
    answer.body = est_slice(NULL, 0);
    assert_string_equal(ca_http_reason(&answer, pool), "");
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
        EST_TEST(test_nobody_there),
        EST_TEST(test_time_is_limited),
        EST_TEST(test_bad_answers),
        EST_TEST(test_the_longest_answer),
        EST_TEST(test_the_environment_has_no_proxy),
        EST_TEST(test_the_proxy_that_is_set),
        EST_TEST(test_settings_that_are_refused),
        EST_TEST(test_proxies_that_are_refused),
        EST_TEST(test_a_weak_client_certificate_is_refused),
        EST_TEST(test_reasons),
        EST_TEST(test_a_client_that_was_not_started),
    };
    return EST_TEST_RUN(tests);
}
