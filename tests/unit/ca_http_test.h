/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_HTTP_TEST_H
#define CA_HTTP_TEST_H

/* What the tests of ca_http*.c share: a client, its settings, and a server that answers by path. */

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

static inline void prepare(void)
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
    t.config.connect_timeout = 20;
    t.config.concurrency = 8;
}

static inline ca_http_t *make_client(void)
{
    ca_http_t *http;

    ASSERT_OK(ca_http_make(&http, &t.config, pool));
    ASSERT_OK(ca_http_start(http, pool));
    return http;
}

static inline const char *url_of(const http_server_t *server, const char *path)
{
    return apr_psprintf(pool, "%s://127.0.0.1:%d%s", server->tls ? "https" : "http", server->port, path);
}

/* POST, with a limit that no test comes near to */
static inline est_err_t *ask(ca_http_answer_t *answer, ca_http_t *http, const char *url)
{
    ca_http_ask_t question = {.url = url, .content_type = "application/pkcs10", .timeout = 20 * SECOND};
    est_err_t *err;

    question.body = text("a request");
    err = ca_http_do(answer, http, &question, pool);
    assert_int_equal(ERR_peek_error(), 0);
    return err;
}

/* ---- a server whose answer depends on the path */

static inline int answer_by_path(http_connection_t *c)
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

/* ---- TLS */

static inline http_server_t *start_tls(X509 *client)
{
    t.config.trust = t.trust;
    return http_start(answer_by_path, http_tls(t.cert, t.key, client));
}

static inline void set_client(const char *subject, X509 *issuer, EVP_PKEY *issuer_key)
{
    cert_spec_t spec = {.subject = subject, .issuer = issuer, .issuer_key = issuer_key, .key = make_key("P-256")};
    X509 *cert = make_cert(&spec);

    t.config.client_certificate = cert_file(t.dir, "client.pem", 1, &cert);
    t.config.client_key = key_file(t.dir, "client.key", spec.key);
}

#endif
