/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_TLS_H
#define EST_TLS_H

/* Everything that mod_est has to do with mod_ssl. */

#include "base/est_bytes.h"

#include <httpd.h>
#include <openssl/x509.h>

typedef struct {
    int is_tls;
    X509 *leaf;               /* borrowed from the connection; NULL = none */
    STACK_OF(X509) *chain;    /* what the client sent besides, borrowed; may be NULL */
    const char *leaf_refused; /* why mod_ssl's own verification refuses the leaf; NULL = it does not, or EstVerifyClient
                                 is on */
} est_tls_t;

/* mod_ssl's hooks; they never fire where mod_ssl is not loaded */
void est_tls_register_hooks(void);

/* Facts of the connection that carries r; the connection of an HTTP/2 stream is its master */
void est_tls_get(est_tls_t *out, request_rec *r);

/* Whether plain HTTP came where a TLS handshake should have: mod_ssl refuses such a request with 400 */
int est_tls_is_missing(request_rec *r);

/* Channel binding value of that connection (RFC 7030 3.5), in r's pool: tls-unique on TLS 1.2, tls-exporter (RFC 9266)
 * on TLS 1.3; n == 0 when there is none */
est_slice_t est_tls_binding(request_rec *r);

/* OpenSSL's random numbers; 0 when there are none */
int est_tls_random(unsigned char *buf, apr_size_t len);

/* What OpenSSL left in this thread's error queue would turn up in mod_ssl's own error handling */
void est_tls_clear_errors(void);

#endif
