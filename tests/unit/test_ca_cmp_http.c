/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cmp_test.h"
#include "http_test.h"

#include "ca/ca_cmp.h"

#include <sys/wait.h>

/* The driver as a whole, over HTTP: the CA is a process of its own */

#define GOOD_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/pkixcmp\r\nConnection: close\r\n"

typedef struct {
    const char *head, *body; /* what everyone is answered; NULL: nothing at all */
    int is_ca;               /* answers with head, and what the CA says */
} server_t;

static pid_t servers[4];
static int n_servers;

/* Reads a request to its end. 0: it is none that a CMP CA would look at */
static int read_request(int fd, est_slice_t *body)
{
    static char buffer[65536];
    apr_size_t n = 0, size;
    const char *end, *length;

    for (;;) {
        ssize_t got = read(fd, buffer + n, sizeof(buffer) - 1 - n);

        if (got <= 0)
            return 0;
        n += (apr_size_t)got;
        buffer[n] = '\0';
        end = strstr(buffer, "\r\n\r\n");
        length = strstr(buffer, "Content-Length: ");
        if (!end || !length)
            continue;
        end += 4;
        size = (apr_size_t)atol(length + strlen("Content-Length: "));
        if ((apr_size_t)(buffer + n - end) >= size)
            break;
    }
    *body = est_slice(end, size);
    return !strncmp(buffer, "POST /pkix/ HTTP/1.1\r\n", 22) && strstr(buffer, "Content-Type: application/pkixcmp\r\n");
}

static void answer_all(int listener, const server_t *server, cmp_test_t *ca)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        est_slice_t in, out = {0};

        if (fd < 0)
            _exit(1);
        if (!read_request(fd, &in)) {
            dprintf(fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        } else if (server->head) {
            if (server->is_ca)
                ca->wire.send(&ca->wire, &out, in, pool);
            else
                out = text(server->body);
            dprintf(fd, "%sContent-Length: %d\r\n\r\n", server->head, (int)out.n);
            if (out.n && write(fd, out.p, out.n) != (ssize_t)out.n)
                _exit(1);
        } else {
            pause(); /* until the test ends it */
        }
        close(fd);
    }
}

/* A socket with a port of 127.0.0.1, which nobody else can have, and its URL; the slash at the end is part of it */
static int take_port(const char **url)
{
    int port, fd = http_port(&port);

    *url = apr_psprintf(pool, "http://127.0.0.1:%d/pkix/", port);
    return fd;
}

static const char *serve(const server_t *server, cmp_test_t *ca)
{
    const char *url;
    int listener = take_port(&url);

    assert_int_equal(listen(listener, 16), 0);
    assert_true(n_servers < 4);
    servers[n_servers] = fork();
    assert_true(servers[n_servers] >= 0);
    if (!servers[n_servers])
        answer_all(listener, server, ca);
    n_servers++;
    close(listener);
    return url;
}

static apr_status_t close_port(void *fd)
{
    close(*(int *)fd);
    return APR_SUCCESS;
}

/* Where nobody listens, as long as the pool is there */
static const char *nobody(void)
{
    const char *url;
    int *fd = apr_palloc(pool, sizeof(*fd));

    *fd = take_port(&url);
    apr_pool_cleanup_register(pool, fd, close_port, apr_pool_cleanup_null);
    return url;
}

static int end_servers(void **state)
{
    while (n_servers > 0) {
        kill(servers[--n_servers], SIGKILL);
        waitpid(servers[n_servers], NULL, 0);
    }
    return est_test_teardown(state);
}

static apr_time_t now(const est_env_t *env)
{
    (void)env;
    return apr_time_now();
}

static void log_nothing(const est_env_t *env, est_log_level_t level, const char *line)
{
    (void)env;
    (void)level;
    (void)line;
}

static const est_env_t env = {.now = now, .log = log_nothing};

static const ca_config_t *config_of(const cmp_test_t *ca, const char *url, const char *second)
{
    ca_config_t *config = apr_palloc(pool, sizeof(*config));
    apr_array_header_t *urls = apr_array_make(pool, 2, sizeof(const char *));

    *config = cmp_test_config(ca);
    APR_ARRAY_PUSH(urls, const char *) = url;
    if (second)
        APR_ARRAY_PUSH(urls, const char *) = second;
    config->upstreams = urls;
    config->timeout = config->connect_timeout = 10;
    config->concurrency = config->failures = config->cooldown = 5;
    return config;
}

/* As a process that has just been started */
static est_err_t *issue(ca_answer_t *answer, const cmp_test_t *ca, const ca_config_t *config, const ca_answer_t *before)
{
    ca_request_t *request = request_of(ca, cmp_test_settings(config));
    est_err_t *err;
    ca_t *opened;

    if (before) {
        request->upstream = before->upstream;
        request->state = before->state;
    }
    est_test_ok(ca_open(&opened, config, pool), "open", __FILE__, __LINE__);
    est_test_ok(opened->driver->start(opened, &env, pool), "start", __FILE__, __LINE__);
    memset(answer, 0, sizeof(*answer));
    err = opened->driver->issue(opened, answer, request, pool);
    assert_int_equal(ERR_peek_error(), 0);
    return err;
}

static void test_a_certificate_comes_over_http(void **state)
{
    static const char *const heads[] = {
        GOOD_HEAD,
        "HTTP/1.1 200 OK\r\ncontent-type: Application/PKIXCMP; charset=binary\r\nConnection: close\r\n",
        "HTTP/1.0 200 OK\r\nContent-Type: application/pkixcmp\r\n",
    };

    (void)state;
    for (apr_size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        const server_t server = {heads[i], NULL, 1};
        const char *url = serve(&server, ca);
        ca_answer_t answer;

        ASSERT_OK(issue(&answer, ca, config_of(ca, url, NULL), NULL));
        assert_certificate(&answer, ca);
        assert_string_equal(answer.upstream, url);
    }
}

static void test_answers_that_carry_no_message(void **state)
{
    static const struct {
        server_t server;
        est_err_code_t code;
        const char *part;
        int received; /* may the upstream have it? */
    } rows[] = {
        {{"HTTP/1.1 503 X\r\nContent-Type: text/plain\r\nRetry-After: 9\r\n", "gone fishing", 0},
         EST_E_ca_unavailable,
         "HTTP 503: gone fishing",
         0},
        {{"HTTP/1.1 429 X\r\n", "", 0}, EST_E_ca_unavailable, "HTTP 429", 0},
        {{"HTTP/1.1 408 X\r\n", "", 0}, EST_E_ca_unavailable, "HTTP 408", 0},
        {{"HTTP/1.1 504 X\r\n", "", 0}, EST_E_ca_timeout, "HTTP 504", 1},
        {{"HTTP/1.1 502 X\r\nContent-Type: text/html\r\n", "<html>", 0},
         EST_E_ca_timeout,
         "HTTP 502: no CMP message",
         1},
        {{"HTTP/1.1 502 X\r\nContent-Type: text/plain\r\n", "no CA", 0}, EST_E_ca_answer, "HTTP 502: no CA", 1},
        {{"HTTP/1.1 403 X\r\nContent-Type: text/plain\r\n", "not from there", 0},
         EST_E_ca_refused,
         "HTTP 403: not from there",
         1},
        {{"HTTP/1.1 404 X\r\n", "", 0}, EST_E_ca_refused, "HTTP 404: no CMP message: is EstCAUpstream the URL", 1},
        {{"HTTP/1.1 500 X\r\n", "", 0}, EST_E_ca_answer, "HTTP 500", 1},
        {{"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/\r\n", "", 0}, EST_E_ca_answer, "HTTP 302", 1},
        {{"HTTP/1.1 204 X\r\n", "", 0}, EST_E_ca_answer, "HTTP 204", 1},
        {{"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", "<html>", 0},
         EST_E_ca_answer,
         "the answer is text/html, not application/pkixcmp",
         1},
        {{"HTTP/1.1 200 OK\r\nContent-Type: application/pkixcmpx\r\n", "x", 0}, EST_E_ca_answer, "pkixcmpx", 1},
        {{"HTTP/1.1 200 OK\r\n", "x", 0}, EST_E_ca_answer, "of no type", 1},
        {{GOOD_HEAD, "x", 0}, EST_E_ca_answer, "no PKIMessage", 1},
        {{GOOD_HEAD, "", 0}, EST_E_ca_answer, "no PKIMessage", 1},
    };

    (void)state;
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        const char *url = serve(&rows[i].server, ca);
        ca_answer_t answer;
        est_err_t *err = issue(&answer, ca, config_of(ca, url, NULL), NULL);

        ASSERT_ROW(err, rows[i].code, rows[i].part, rows[i].part);
        assert_int_equal(answer.upstream != NULL, rows[i].received);
        assert_int_equal(answer.der.n, 0);
        if (strstr(rows[i].server.head, "Retry-After"))
            assert_int_equal(err->retry_after, 9);
        kill(servers[--n_servers], SIGKILL);
        waitpid(servers[n_servers], NULL, 0);
    }
}

static void test_a_ca_that_does_not_answer_may_have_the_request(void **state)
{
    static const server_t server = {NULL, NULL, 0};
    cmp_test_t *ca = cmp_test_make();
    const char *url = serve(&server, ca);
    ca_config_t config = *config_of(ca, url, nobody());
    ca_answer_t answer;
    est_err_t *err;

    (void)state;
    config.timeout = config.connect_timeout = 1;
    err = issue(&answer, ca, &config, NULL);
    if (err && err->code == EST_E_ca_unavailable) { /* a machine that was too busy to send it in that time */
        config.timeout = config.connect_timeout = 10;
        err = issue(&answer, ca, &config, NULL);
    }
    ASSERT_FAILS(err, ca_timeout, NULL);
    assert_string_equal(answer.upstream, url);
}

static void test_the_next_upstream_gets_what_the_first_cannot_have(void **state)
{
    static const server_t good = {GOOD_HEAD, NULL, 1}, busy = {"HTTP/1.1 503 X\r\n", "", 0};
    cmp_test_t *ca = cmp_test_make();
    const char *second = serve(&good, ca);
    ca_answer_t answer;

    (void)state;
    ASSERT_OK(issue(&answer, ca, config_of(ca, nobody(), second), NULL));
    assert_certificate(&answer, ca);
    assert_string_equal(answer.upstream, second);
    ASSERT_FAILS(issue(&answer, ca, config_of(ca, nobody(), nobody()), NULL), ca_unavailable, NULL);
    assert_null(answer.upstream);
    ca = cmp_test_make();
    second = serve(&good, ca);
    ASSERT_OK(issue(&answer, ca, config_of(ca, serve(&busy, ca), second), NULL));
    assert_string_equal(answer.upstream, second);
}

static void test_a_request_that_waits_goes_on_at_its_upstream_alone(void **state)
{
    static const server_t good = {GOOD_HEAD, NULL, 1};
    cmp_test_t *ca = cmp_test_make();
    const char *first, *second;
    const ca_config_t *config;
    ca_answer_t answer, kept;

    (void)state;
    ca->n_polls = 1;
    second = serve(&good, ca);
    ca->n_polls = 0;
    first = serve(&good, ca); /* it would issue at once, and knows nothing of the transaction */
    config = config_of(ca, first, second);
    ASSERT_OK(issue(&answer, ca, config_of(ca, second, NULL), NULL));
    assert_int_equal(answer.der.n, 0);
    assert_int_equal(answer.retry_after, 7);
    assert_string_equal(answer.upstream, second);
    kept = answer;
    ASSERT_OK(issue(&answer, ca, config, &kept));
    assert_certificate(&answer, ca);
    assert_string_equal(answer.upstream, second);
    kill(servers[0], SIGKILL); /* now it cannot be reached: the other one is not asked */
    waitpid(servers[0], NULL, 0);
    ASSERT_FAILS(issue(&answer, ca, config, &kept), ca_unavailable, NULL);
    assert_string_equal(answer.upstream, second);
    ASSERT_SLICE(answer.state, kept.state);
}

#define SERVER_TEST(function) cmocka_unit_test_setup_teardown(function, est_test_setup, end_servers)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_a_certificate_comes_over_http),
        SERVER_TEST(test_answers_that_carry_no_message),
        SERVER_TEST(test_a_ca_that_does_not_answer_may_have_the_request),
        SERVER_TEST(test_the_next_upstream_gets_what_the_first_cannot_have),
        SERVER_TEST(test_a_request_that_waits_goes_on_at_its_upstream_alone),
    };
    return EST_TEST_RUN(tests);
}
