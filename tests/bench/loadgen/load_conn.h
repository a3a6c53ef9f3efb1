/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOAD_CONN_H
#define LOAD_CONN_H

/* One connection at a time of one thread, and the exchange of a request and an answer over it. */

#include "load.h"

#include <openssl/ssl.h>

typedef enum {
    LOAD_OK,
    LOAD_CONNECT,
    LOAD_TLS,
    LOAD_WRITE,
    LOAD_READ,
    LOAD_TIMEOUT,
    LOAD_PROTOCOL,
    LOAD_N_RESULTS
} load_result_t;

typedef struct {
    int fd;
    SSL *ssl; /* NULL = not connected */
    SSL_SESSION *session;
    long requests; /* on this connection */
    char *buffer;
    size_t n;
    /* totals */
    long connections, resumed;
    int tls_version;
} load_conn_t;

typedef struct {
    int status;
    int retry_after;  /* seconds; 0 = not said */
    const char *body; /* in the buffer, until the next request */
    size_t n_body;
    int reusable;
} load_answer_t;

/* Once, before any thread */
void load_conn_setup(void);
void load_conn_init(load_conn_t *conn);
/* Connects when necessary. A request that failed is never sent again: it may have been served. */
load_result_t load_conn_exchange(load_answer_t *answer, load_conn_t *conn, const char *request, size_t n);
void load_conn_close(load_conn_t *conn);

#endif
