/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef HTTP_TEST_H
#define HTTP_TEST_H

/* An HTTP server on the loopback for tests, with TLS or without: a thread for each connection, and a function of the
 * test's that answers. Ends with the running test's pool. Nothing in it may assert: that is for the test's own thread.
 */

#include "x509_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#define HTTP_TEST_CONNECTIONS 256
#define HTTP_TEST_REQUEST 65536

typedef struct http_server_t http_server_t;

/* A connection with the request that came last */
typedef struct {
    http_server_t *server;
    pthread_t thread;
    int fd;
    SSL *ssl;
    const char *client; /* subject of the client's certificate; "" = none */
    char request[HTTP_TEST_REQUEST];
    size_t n;
    const char *body; /* in request */
} http_connection_t;

/* Answers a request; 0: the connection is to be closed */
typedef int http_handler_t(http_connection_t *connection);

struct http_server_t {
    http_handler_t *handler;
    SSL_CTX *tls; /* NULL: none */
    int port, listener;
    pthread_t thread;
    pthread_mutex_t lock; /* for connections' fd */
    http_connection_t *connections[HTTP_TEST_CONNECTIONS];
    int n_connections; /* that there were; atomic */
    int n_requests;    /* atomic */
    int n_closed;      /* connections that the server has closed; atomic */
};

static inline void http_send(http_connection_t *connection, const void *data, size_t n)
{
    const char *p = data;

    while (n > 0) {
        ssize_t sent = connection->ssl ? SSL_write(connection->ssl, p, (int)n) : write(connection->fd, p, n);

        if (sent <= 0)
            return;
        p += sent;
        n -= (size_t)sent;
    }
}

static inline void http_say(http_connection_t *connection, const char *text)
{
    http_send(connection, text, strlen(text));
}

/* status: "200 OK"; headers: each with its CRLF */
static inline void http_answer(http_connection_t *connection, const char *status, const char *headers, const char *body)
{
    char head[2048];

    snprintf(head, sizeof(head), "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", status, headers, strlen(body));
    http_say(connection, head);
    http_say(connection, body);
}

static inline int http_is_for(const http_connection_t *connection, const char *start)
{
    return strncmp(connection->request, start, strlen(start)) == 0;
}

/* Reads the next request; 0: there is none */
static inline int http_read(http_connection_t *connection)
{
    connection->n = 0;
    connection->body = NULL;
    for (;;) {
        char *end, *length;
        size_t room = sizeof(connection->request) - 1 - connection->n;
        char *to = connection->request + connection->n;
        ssize_t got = connection->ssl ? SSL_read(connection->ssl, to, (int)room) : read(connection->fd, to, room);

        if (got <= 0)
            return 0;
        connection->n += (size_t)got;
        connection->request[connection->n] = '\0';
        end = strstr(connection->request, "\r\n\r\n");
        if (!end)
            continue;
        connection->body = end + 4;
        length = strcasestr(connection->request, "\r\ncontent-length:");
        if (!length || length > end ||
            connection->n - (size_t)(connection->body - connection->request) >= strtoul(length + 17, NULL, 10))
            return 1;
    }
}

/* What it still sends is read, so that it gets what was sent to it last, and no reset */
static inline void http_drain(int fd)
{
    char rest[1024];

    shutdown(fd, SHUT_WR);
    while (read(fd, rest, sizeof(rest)) > 0)
        ;
}

static inline void *http_serve(void *data)
{
    http_connection_t *connection = data;
    http_server_t *server = connection->server;
    char name[256] = "";

    connection->client = name;
    if (server->tls) {
        connection->ssl = SSL_new(server->tls);
        SSL_set_fd(connection->ssl, connection->fd);
        if (SSL_accept(connection->ssl) == 1) {
            X509 *cert = SSL_get0_peer_certificate(connection->ssl);

            if (cert)
                X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof(name));
        } else {
            http_drain(connection->fd);
        }
    }
    while ((!server->tls || SSL_is_init_finished(connection->ssl)) && http_read(connection)) {
        __atomic_add_fetch(&server->n_requests, 1, __ATOMIC_SEQ_CST);
        if (!server->handler(connection))
            break;
    }
    SSL_free(connection->ssl);
    pthread_mutex_lock(&server->lock);
    close(connection->fd);
    connection->fd = -1;
    pthread_mutex_unlock(&server->lock);
    __atomic_add_fetch(&server->n_closed, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static inline void *http_listen(void *data)
{
    http_server_t *server = data;
    int fd;

    while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
        int i = server->n_connections;
        http_connection_t *connection = i < HTTP_TEST_CONNECTIONS ? calloc(1, sizeof(*connection)) : NULL;

        if (!connection) {
            close(fd);
            continue;
        }
        connection->server = server;
        connection->fd = fd;
        server->connections[i] = connection;
        __atomic_store_n(&server->n_connections, i + 1, __ATOMIC_SEQ_CST); /* before anything is answered */
        if (pthread_create(&connection->thread, NULL, http_serve, connection) != 0)
            abort();
    }
    return NULL;
}

/* No more connections */
static inline void http_hang_up(http_server_t *server)
{
    shutdown(server->listener, SHUT_RDWR);
}

static inline apr_status_t http_stop(void *data)
{
    http_server_t *server = data;

    http_hang_up(server);
    pthread_join(server->thread, NULL);
    close(server->listener);
    for (int i = 0; i < server->n_connections; i++) {
        pthread_mutex_lock(&server->lock);
        if (server->connections[i]->fd >= 0)
            shutdown(server->connections[i]->fd, SHUT_RDWR);
        pthread_mutex_unlock(&server->lock);
        pthread_join(server->connections[i]->thread, NULL);
        free(server->connections[i]);
    }
    SSL_CTX_free(server->tls);
    pthread_mutex_destroy(&server->lock);
    return APR_SUCCESS;
}

/* A socket with a port of its own. Nobody can connect to it, and nobody else can have the port. */
static inline int http_port(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* One that listens */
static inline int http_listener(int *port)
{
    int fd = http_port(port);

    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

/* tls becomes the server's */
static inline http_server_t *http_start(http_handler_t *handler, SSL_CTX *tls)
{
    http_server_t *server = apr_pcalloc(pool, sizeof(*server));

    signal(SIGPIPE, SIG_IGN); /* as httpd does */
    server->handler = handler;
    server->tls = tls;
    server->listener = http_listener(&server->port);
    pthread_mutex_init(&server->lock, NULL);
    assert_int_equal(pthread_create(&server->thread, NULL, http_listen, server), 0);
    apr_pool_cleanup_register(pool, server, http_stop, apr_pool_cleanup_null);
    return server;
}

/* client: whom clients' certificates must come from; NULL: none is asked for */
static inline SSL_CTX *http_tls(X509 *cert, EVP_PKEY *key, X509 *client)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    assert_non_null(ctx);
    assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"test", 4);
    if (client) {
        assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), client), 1);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return ctx;
}

/* One of the server's counts as it is now */
static inline int http_count(const int *count)
{
    return __atomic_load_n(count, __ATOMIC_SEQ_CST);
}

/* Is it there within a few seconds? */
static inline int http_comes_to(const int *count, int n)
{
    for (int i = 0; i < 5000; i++) {
        if (http_count(count) >= n)
            return 1;
        apr_sleep(1000);
    }
    return 0;
}

#endif
