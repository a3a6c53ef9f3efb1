/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "load_conn.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_MAX (1u << 20) /* octets, header included */

static SSL_CTX *ctx;
static struct addrinfo *address;

/* ---- the connection */

void load_conn_setup(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const char *host = strcmp(load_options.host, "localhost") ? load_options.host : "127.0.0.1";
    const char *key = load_options.key ? load_options.key : load_options.cert;

    if (getaddrinfo(host, load_options.port, &hints, &address))
        load_die("cannot resolve %s", host);
    ctx = load_need(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_mode(ctx, SSL_MODE_AUTO_RETRY | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(ctx, load_options.resume ? SSL_SESS_CACHE_CLIENT : SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (load_options.tls_version) {
        SSL_CTX_set_min_proto_version(ctx, load_options.tls_version);
        SSL_CTX_set_max_proto_version(ctx, load_options.tls_version);
    }
    if (load_options.ca) {
        if (!SSL_CTX_load_verify_locations(ctx, load_options.ca, NULL))
            load_die("cannot load %s", load_options.ca);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    }
    if (load_options.cert && (SSL_CTX_use_certificate_chain_file(ctx, load_options.cert) != 1 ||
                              SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1))
        load_die("cannot load the client certificate or its key");
}

void load_conn_init(load_conn_t *conn)
{
    memset(conn, 0, sizeof(*conn));
    conn->fd = -1;
    conn->buffer = load_need(malloc(ANSWER_MAX));
}

static void keep_session(load_conn_t *conn)
{
    SSL_SESSION *session = SSL_get1_session(conn->ssl);

    if (!session || !SSL_SESSION_is_resumable(session)) {
        SSL_SESSION_free(session);
        return;
    }
    SSL_SESSION_free(conn->session);
    conn->session = session;
}

void load_conn_close(load_conn_t *conn)
{
    if (conn->ssl) {
        if (load_options.resume)
            keep_session(conn);
        SSL_shutdown(conn->ssl); /* says good-bye and does not wait for an answer */
        SSL_free(conn->ssl);
        conn->ssl = NULL;
    }
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
    conn->requests = 0;
}

static void set_quickack(int fd)
{
    int one = 1;

    if (load_options.quickack)
        setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
}

static load_result_t open_connection(load_conn_t *conn)
{
    struct timeval timeout = {.tv_sec = load_options.timeout};
    int one = 1;

    conn->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        return LOAD_CONNECT;
    setsockopt(conn->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(conn->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(conn->fd, address->ai_addr, address->ai_addrlen))
        return LOAD_CONNECT;
    set_quickack(conn->fd);
    conn->ssl = load_need(SSL_new(ctx));
    SSL_set_fd(conn->ssl, conn->fd);
    SSL_set_tlsext_host_name(conn->ssl, load_options.host);
    if (conn->session)
        SSL_set_session(conn->ssl, conn->session);
    ERR_clear_error();
    if (SSL_connect(conn->ssl) != 1)
        return LOAD_TLS;
    conn->tls_version = SSL_version(conn->ssl);
    conn->connections++;
    conn->resumed += SSL_session_reused(conn->ssl);
    return LOAD_OK;
}

/* ---- the answer */

static load_result_t fill(load_conn_t *conn)
{
    int n;

    if (conn->n == ANSWER_MAX)
        return LOAD_PROTOCOL;
    set_quickack(conn->fd);
    ERR_clear_error();
    errno = 0;
    n = SSL_read(conn->ssl, conn->buffer + conn->n, (int)(ANSWER_MAX - conn->n));
    if (n <= 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? LOAD_TIMEOUT : LOAD_READ;
    conn->n += (size_t)n;
    return LOAD_OK;
}

/* Reads until there are n octets from the start */
static load_result_t fill_to(load_conn_t *conn, size_t n)
{
    load_result_t result = LOAD_OK;

    while (conn->n < n && result == LOAD_OK)
        result = fill(conn);
    return result;
}

/* Value of a header field, NULL when it is not there */
static const char *field(const char *head, const char *end, const char *name)
{
    size_t n = strlen(name);

    while (head < end) {
        const char *line_end = memmem(head, (size_t)(end - head), "\r\n", 2);

        if (!line_end)
            line_end = end;
        if ((size_t)(line_end - head) > n && head[n] == ':' && !strncasecmp(head, name, n)) {
            for (head += n + 1; head < line_end && (*head == ' ' || *head == '\t'); head++)
                ;
            return head;
        }
        head = line_end + 2;
    }
    return NULL;
}

/* Joins the chunks where they stand; *end is where the body ends */
static load_result_t read_chunks(size_t *end, load_conn_t *conn, size_t start)
{
    size_t in = start, size;

    for (*end = start;; *end += size, in += size + 2) {
        const char *line_end;
        load_result_t result;

        while (!(line_end = memmem(conn->buffer + in, conn->n - in, "\r\n", 2)))
            if ((result = fill(conn)))
                return result;
        size = strtoul(conn->buffer + in, NULL, 16);
        in = (size_t)(line_end - conn->buffer) + 2;
        if (size > ANSWER_MAX)
            return LOAD_PROTOCOL;
        if ((result = fill_to(conn, in + size + 2)) || !size)
            return result;
        memmove(conn->buffer + *end, conn->buffer + in, size);
    }
}

static load_result_t read_head(size_t *head, load_answer_t *answer, load_conn_t *conn)
{
    const char *end;
    load_result_t result;

    while (!(end = memmem(conn->buffer, conn->n, "\r\n\r\n", 4)))
        if ((result = fill(conn)))
            return result;
    *head = (size_t)(end - conn->buffer) + 4;
    if (*head < 16 || strncmp(conn->buffer, "HTTP/1.", 7) != 0)
        return LOAD_PROTOCOL;
    answer->status = atoi(conn->buffer + 9);
    /* An interim answer cannot come: no request says Expect */
    return answer->status >= 200 && answer->status <= 599 ? LOAD_OK : LOAD_PROTOCOL;
}

static load_result_t read_answer(load_answer_t *answer, load_conn_t *conn)
{
    size_t head, end;
    const char *value;
    load_result_t result;

    conn->n = 0;
    if ((result = read_head(&head, answer, conn)))
        return result;
    value = field(conn->buffer, conn->buffer + head, "Connection");
    answer->reusable = conn->buffer[7] == '1' && !(value && !strncasecmp(value, "close", 5));
    answer->retry_after = (value = field(conn->buffer, conn->buffer + head, "Retry-After")) ? atoi(value) : 0;
    if ((value = field(conn->buffer, conn->buffer + head, "Transfer-Encoding")) && !strncasecmp(value, "chunked", 7))
        result = read_chunks(&end, conn, head);
    else if ((value = field(conn->buffer, conn->buffer + head, "Content-Length")))
        result = fill_to(conn, end = head + strtoul(value, NULL, 10));
    else
        return LOAD_PROTOCOL; /* neither: an EST server tells the length (RFC 8951 3) */
    answer->body = conn->buffer + head;
    answer->n_body = end - head;
    return result;
}

load_result_t load_conn_exchange(load_answer_t *answer, load_conn_t *conn, const char *request, size_t n)
{
    load_result_t result = conn->ssl ? LOAD_OK : open_connection(conn);

    ERR_clear_error();
    if (result == LOAD_OK && SSL_write(conn->ssl, request, (int)n) != (int)n)
        result = LOAD_WRITE;
    if (result == LOAD_OK)
        result = read_answer(answer, conn);
    conn->requests++;
    return result;
}
