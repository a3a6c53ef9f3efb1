/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_TLS_H
#define CA_TLS_H

/* TLS to upstreams: whom to trust, and who this server is. */

#include "ca.h"

#include <openssl/ssl.h>

/* Immutable, shared by threads */
typedef struct ca_tls_t ca_tls_t;

/* EstCATrust, EstCAClientCertificate, EstCAClientKey, EstCAClientKeyPassphrase, each of which may be missing; proves
 * that OpenSSL takes them. Everything lives in pool. Fails with config or file. */
est_err_t *ca_tls_load(ca_tls_t **out, const ca_config_t *config, apr_pool_t *pool);
/* The client certificate, DER; n == 0: none */
est_slice_t ca_tls_certificate(const ca_tls_t *tls);
/* Worth a line in the log at start: the certificate has ended, others can read its key; or NULL */
const char *ca_tls_warning(const ca_tls_t *tls);
/* Makes a client's context use them, with TLS 1.2 at least; 0 when OpenSSL has no memory */
int ca_tls_set(SSL_CTX *ctx, const ca_tls_t *tls);

#endif
