/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_HTTP_H
#define CA_HTTP_H

/* HTTP requests to upstreams, by libcurl: TLS with explicit trust anchors, client certificate, Basic, a limit of time
 * and of size on everything. No file sees libcurl but those of this name, ca_http*. */

#include "ca.h"

#define CA_HTTP_MAX (1024 * 1024) /* octets of an answer */

/* The settings of an <EstCA> block, and its connections, which are kept for the next request. Shared by threads. */
typedef struct ca_http_t ca_http_t;

/* In the parent, at configuration check: reads trust, client certificate and key, password (the children may not be
 * able to), opens nothing. Wants an https: URL to have EstCATrust, and a password to go to https: URLs alone. Fails
 * with config or file. */
est_err_t *ca_http_make(ca_http_t **out, const ca_config_t *config, apr_pool_t *pool);
/* Redirections to the same origin are followed from now on (RFC 7030 3.2.1); before ca_http_start */
void ca_http_follow(ca_http_t *http);
/* The TLS client certificate, DER; n == 0: none */
est_slice_t ca_http_client_certificate(const ca_http_t *http);
/* What is wrong with it, for the log at start; NULL: nothing */
const char *ca_http_warning(const ca_http_t *http);
/* In each process, before the first request */
est_err_t *ca_http_start(ca_http_t *http, apr_pool_t *pool);

typedef struct {
    const char *url;
    est_slice_t body;            /* with content_type */
    const char *content_type;    /* NULL: GET, else POST */
    const char *accept;          /* NULL: none */
    apr_interval_time_t timeout; /* of all of it, connecting included; > 0 */
    const atomic_int *ending;    /* NULL, or: once it is not 0 the request is given up, within a second or so */
} ca_http_ask_t;

typedef struct {
    int status;
    const char *content_type; /* NULL: none */
    est_slice_t body;
    int retry_after; /* seconds, from Retry-After as a number or a date; 0 = none */
} ca_http_answer_t;

/* Any HTTP status is an answer, 1xx are passed over. Fails with ca_unavailable (nothing was sent: no address, no
 * connection, TLS refused), ca_timeout (sent, perhaps in part, and no whole answer), ca_answer (no HTTP, or too long).
 * A request that was sent by a connection of before, which the peer then closed without a word, is sent once more by a
 * new one. With ca_http_follow, 3xx is no answer: the same request is sent again, in what is left of the time, or it
 * fails with ca_answer (ca_http_redirect.h). The details name the host and libcurl's reason, never a password.
 * One that is given up fails with internal: the upstream is not to blame. Everything in pool. */
est_err_t *ca_http_do(ca_http_answer_t *out, ca_http_t *http, const ca_http_ask_t *ask, apr_pool_t *pool);

#endif
