/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_PROXY_H
#define EST_PROXY_H

/*
 * Clients behind a proxy that ends their TLS connection: EstTrustedProxy and EstClientCertHeader.
 *
 * Who the proxy is, is told by the TCP peer alone. No header and no module that rewrites the client's address (that is
 * mod_remoteip) has a say in it, and the certificate of the proxy's own TLS connection is nobody's identity.
 */

#include "est_config.h"
#include "pki/pki_certhdr.h"

/* EstClientCertHeader */
struct est_cert_header_t {
    pki_certhdr_form_t form;
    const char *name;
    const char *chain_name; /* NULL: the form has no header of its own for the chain */
};

/* Values of the two directives; the text that is returned says what is wrong with them, NULL = nothing */
const char *est_proxy_read_networks(apr_array_header_t **out, int argc, char *const argv[], apr_pool_t *pool);
const char *est_proxy_read_header(const est_cert_header_t **out, int argc, char *const argv[], apr_pool_t *pool);
/* For configtest: the one directive is of no use without the other */
est_err_t *est_proxy_check(server_rec *s, apr_pool_t *pool);

/* Takes the headers out of every request before any other module looks at it */
void est_proxy_register_hooks(void);

/* Did the request come from a trusted proxy? */
int est_proxy_is_peer(request_rec *r);
/* The client's certificate as the proxy says; *leaf NULL when it says nothing. What is handed out lives in r's pool.
 * Only for a request from a trusted proxy; is_tls: of the connection from it. Fails with proxy_insecure,
 * proxy_certificate. */
est_err_t *est_proxy_certificate(X509 **leaf, STACK_OF(X509) **chain, request_rec *r, int is_tls);

#endif
