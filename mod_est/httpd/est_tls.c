/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_tls.h"
#include "est_config.h"

#include <apr_optional_hooks.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_log.h>
#include <http_main.h>
#include <http_protocol.h>
#include <http_ssl.h>
#include <mod_ssl.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

APLOG_USE_MODULE(est);

/* mod_ssl's hooks, declared here because their header comes in a package of its own */
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, pre_handshake, (conn_rec * c, SSL *ssl, int is_proxy))
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, init_server, (server_rec * s, apr_pool_t *p, int is_proxy, SSL_CTX *ctx))

#define EXPORTER_LABEL "EXPORTER-Channel-Binding" /* RFC 9266 2 */
#define EXPORTER_LENGTH 32

static apr_status_t forget(void *c)
{
    ap_set_module_config(((conn_rec *)c)->conn_config, &est_module, NULL);
    return APR_SUCCESS;
}

static int remember(conn_rec *c, SSL *ssl, int is_proxy)
{
    if (is_proxy)
        return OK;
    ap_set_module_config(c->conn_config, &est_module, ssl);
    apr_pool_cleanup_register(c->pool, c, forget, apr_pool_cleanup_null);
    return OK;
}

/* Every chain passes the handshake; the module verifies it per alias, per request. Proof of possession of the key is
 * another step of the handshake and stays. */
static int accept_any(X509_STORE_CTX *ctx, void *arg)
{
    (void)arg;
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    return 1;
}

/* A host has a certificate for each type of key. The one that is current, which mod_ssl may rely on, is so again
 * afterwards. */
static void reserve_keys(server_rec *s, apr_pool_t *p, SSL_CTX *ctx)
{
    X509 *current = SSL_CTX_get0_certificate(ctx);

    for (long next = SSL_CERT_SET_FIRST; SSL_CTX_set_current_cert(ctx, next); next = SSL_CERT_SET_NEXT) {
        X509 *cert = SSL_CTX_get0_certificate(ctx);
        est_slice_t der;

        if (cert && !pki_cert_der(&der, cert, p))
            est_config_reserve_key(est_config_global(s), der);
    }
    if (current)
        SSL_CTX_select_current_cert(ctx, current);
    ERR_clear_error();
}

static int init_server(server_rec *s, apr_pool_t *p, int is_proxy, SSL_CTX *ctx)
{
    if (is_proxy)
        return OK;
    reserve_keys(s, p, ctx);
    if (est_config_server(s)->verify_client == EST_VERIFY_OFF)
        return OK;
    est_config_server(s)->accepts_any = ctx;
    SSL_CTX_set_cert_verify_callback(ctx, accept_any, NULL);
    /* A resumed session has the client's certificate but not its chain, and would outlive a revocation */
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    if (SSL_CTX_get_verify_mode(ctx) == SSL_VERIFY_NONE)
        ap_log_error(
            APLOG_MARK, APLOG_WARNING, 0, s,
            "EstVerifyClient is on, but clients are not asked for a certificate: set SSLVerifyClient optional_no_ca");
    return OK;
}

/* HTTP/2 has a connection for each stream; TLS is the master's */
static conn_rec *tls_connection(request_rec *r)
{
    return r->connection->master ? r->connection->master : r->connection;
}

/* When a client speaks plain HTTP instead of a handshake, mod_ssl frees the SSL that it announced, and says so only
 * here */
static SSL *ssl_of(request_rec *r)
{
    conn_rec *c = tls_connection(r);

    return ap_ssl_conn_is_ssl(c) ? ap_get_module_config(c->conn_config, &est_module) : NULL;
}

int est_tls_is_missing(request_rec *r)
{
    conn_rec *c = tls_connection(r);

    return ap_get_module_config(c->conn_config, &est_module) && !ap_ssl_conn_is_ssl(c);
}

/* The handshake was that of a host that accepts any certificate, the Host header names one that does not: mod_ssl,
 * which compares their settings but not the callback, would believe the certificate there. RFC 9110 15.5.20 */
static int refuse_misdirected(request_rec *r)
{
    SSL *ssl = ssl_of(r);

    if (!ssl || est_config_server(r->server)->verify_client != EST_VERIFY_OFF)
        return DECLINED;
    for (server_rec *s = ap_server_conf; s; s = s->next)
        if (est_config_server(s)->accepts_any == SSL_get_SSL_CTX(ssl))
            return HTTP_MISDIRECTED_REQUEST;
    return DECLINED;
}

void est_tls_register_hooks(void)
{
    ap_hook_post_read_request(refuse_misdirected, NULL, NULL, APR_HOOK_FIRST);
    APR_OPTIONAL_HOOK(ssl, pre_handshake, remember, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ssl, init_server, init_server, NULL, NULL, APR_HOOK_MIDDLE);
}

/* RFC 5929 3.1: the first Finished message of the handshake, the client's in a full one, the server's in a resumed one.
 * Without the extended master secret the value can be made equal on two connections (RFC 9266 1), so there is none
 * then. */
static est_slice_t tls_unique(SSL *ssl, apr_pool_t *pool)
{
    unsigned char *value = apr_palloc(pool, EVP_MAX_MD_SIZE);
    size_t n;

    if (SSL_get_extms_support(ssl) != 1)
        return est_slice(NULL, 0);
    n = SSL_session_reused(ssl) ? SSL_get_finished(ssl, value, EVP_MAX_MD_SIZE)
                                : SSL_get_peer_finished(ssl, value, EVP_MAX_MD_SIZE);
    return est_slice(value, n);
}

static est_slice_t tls_exporter(SSL *ssl, apr_pool_t *pool)
{
    unsigned char *value = apr_palloc(pool, EXPORTER_LENGTH);

    /* A context of length zero is not the same as none: RFC 9266 has one */
    if (SSL_export_keying_material(ssl, value, EXPORTER_LENGTH, EXPORTER_LABEL, sizeof(EXPORTER_LABEL) - 1,
                                   (const unsigned char *)"", 0, 1) != 1)
        return est_slice(NULL, 0);
    return est_slice(value, EXPORTER_LENGTH);
}

/* SSLVerifyClient optional_no_ca lets a certificate in with one of these, and mod_ssl forgets them on TLS 1.2 but not
 * on 1.3. They say that mod_ssl has no CA for it, and nothing against it: whether there is an anchor is for the alias
 * to say. With SSLVerifyClient optional the handshake has failed. */
static int is_want_of_ca(long result)
{
    return result == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT || result == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           result == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY || result == X509_V_ERR_CERT_UNTRUSTED ||
           result == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
}

void est_tls_get(est_tls_t *out, request_rec *r)
{
    SSL *ssl = ssl_of(r);
    long result;

    memset(out, 0, sizeof(*out));
    if (!ssl)
        return;
    out->is_tls = 1;
    out->leaf = SSL_get0_peer_certificate(ssl);
    out->chain = SSL_get_peer_cert_chain(ssl);
    result = SSL_get_verify_result(ssl);
    if (out->leaf && est_config_server(r->server)->verify_client == EST_VERIFY_OFF && result != X509_V_OK &&
        !is_want_of_ca(result))
        out->leaf_refused = X509_verify_cert_error_string(result);
}

est_slice_t est_tls_binding(request_rec *r)
{
    SSL *ssl = ssl_of(r);

    if (ssl && SSL_version(ssl) == TLS1_2_VERSION)
        return tls_unique(ssl, r->pool);
    return ssl && SSL_version(ssl) >= TLS1_3_VERSION ? tls_exporter(ssl, r->pool) : est_slice(NULL, 0);
}

int est_tls_random(unsigned char *buf, apr_size_t len)
{
    return RAND_bytes(buf, (int)len) == 1;
}

void est_tls_clear_errors(void)
{
    ERR_clear_error();
}
