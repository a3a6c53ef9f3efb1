/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_proxy.h"
#include "policy/policy_network.h"

#include <apr_cstr.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>

#define NOTE "est_proxy" /* key of the headers in the request's pool */
/* tchar of RFC 9110 5.6.2, without what no proxy has in a name */
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

/* What the proxy sent; of a request that came from none there is no such thing */
typedef struct {
    const est_cert_header_t *header;
    const char *value, *chain_value; /* NULL = not sent */
    const char *peer;
    int is_loopback;
} proxied_t;

/* ---- directives */

static int is_ipv4(const char *address)
{
    int dots = 0;

    for (const char *p = address; (p = strchr(p, '.')); p++)
        dots++;
    return dots == 3;
}

/* APR would take an address cut short ("10.1") and a mask, and so a typing error would trust strangers */
static int is_cidr(const char *network, apr_pool_t *pool)
{
    const char *length = strchr(network, '/');
    const char *address = apr_pstrmemdup(pool, network, length ? (apr_size_t)(length - network) : strlen(network));

    if (length && (length[1] < '1' || length[1] > '9' || length[1 + strspn(length + 1, "0123456789")]))
        return 0;
    return (strchr(address, ':') || is_ipv4(address)) && policy_network_is_valid(network, pool);
}

const char *est_proxy_read_networks(apr_array_header_t **out, int argc, char *const argv[], apr_pool_t *pool)
{
    *out = apr_array_make(pool, argc, sizeof(const char *));
    for (int i = 0; i < argc; i++) {
        if (!is_cidr(argv[i], pool))
            return apr_psprintf(pool,
                                "EstTrustedProxy: \"%s\" is neither an address nor a network (192.0.2.0/24, "
                                "2001:db8::/32) that could be trusted",
                                argv[i]);
        APR_ARRAY_PUSH(*out, const char *) = apr_pstrdup(pool, argv[i]);
    }
    return NULL;
}

/* Headers that are taken out of every request must not be those that make it one */
static int is_needed(const char *name)
{
    static const char *const needed[] = {
        "Authorization",  "Connection", "Content-Encoding", "Content-Length",    "Content-Type", "Cookie",     "Expect",
        "Host",           "TE",         "Trailer",          "Transfer-Encoding", "Upgrade",      "User-Agent", "Via",
        "X-Forwarded-For"};

    for (apr_size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (!apr_cstr_casecmp(name, needed[i]))
            return 1;
    return 0;
}

const char *est_proxy_read_header(const est_cert_header_t **out, int argc, char *const argv[], apr_pool_t *pool)
{
    static const struct {
        const char *word;
        est_cert_header_t header;
    } forms[] = {
        {"rfc9440", {PKI_CERTHDR_RFC9440, "Client-Cert", "Client-Cert-Chain"}},
        {"pem", {PKI_CERTHDR_PEM, "X-SSL-Client-Cert", NULL}},
        {"xfcc", {PKI_CERTHDR_XFCC, "X-Forwarded-Client-Cert", NULL}},
    };
    est_cert_header_t *header = NULL;

    for (apr_size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (!apr_cstr_casecmp(argv[0], forms[i].word))
            header = apr_pmemdup(pool, &forms[i].header, sizeof(*header));
    if (!header || argc > 2)
        return "EstClientCertHeader is rfc9440, pem or xfcc, and a header's name if it is not the usual one";
    if (argc == 2) {
        if (!*argv[1] || strspn(argv[1], NAME_CHARACTERS) != strlen(argv[1]))
            return apr_psprintf(pool, "EstClientCertHeader: \"%s\" is not the name of a header", argv[1]);
        if (is_needed(argv[1]))
            return apr_psprintf(pool, "EstClientCertHeader: requests need their \"%s\" for something else", argv[1]);
        header->name = apr_pstrdup(pool, argv[1]);
        if (header->chain_name)
            header->chain_name = apr_pstrcat(pool, argv[1], "-Chain", NULL);
    }
    *out = header;
    return NULL;
}

est_err_t *est_proxy_check(server_rec *s, apr_pool_t *pool)
{
    const est_server_t *server = est_config_server(s);
    const char *where =
        s->defn_name ? apr_psprintf(pool, "%s:%u", s->defn_name, s->defn_line_number) : "the main server";

    if (server->proxies && !server->cert_header)
        return EST_FAIL(pool, config, "%s: EstTrustedProxy, but no EstClientCertHeader that says what the proxy sends",
                        where);
    if (server->cert_header && !server->proxies)
        return EST_FAIL(pool, config, "%s: EstClientCertHeader, but no EstTrustedProxy that may send it", where);
    return NULL;
}

/* ---- requests */

static int is_loopback(apr_sockaddr_t *address, apr_pool_t *pool)
{
    return policy_network_has("127.0.0.0/8", address, pool) || policy_network_has("::1", address, pool);
}

/* The connection of an HTTP/2 stream is its master's */
static const conn_rec *connection_of(const request_rec *r)
{
    return r->connection->master ? r->connection->master : r->connection;
}

static int is_trusted(const est_server_t *server, const conn_rec *c, apr_pool_t *pool)
{
    for (int i = 0; i < server->proxies->nelts; i++)
        if (policy_network_has(APR_ARRAY_IDX(server->proxies, i, const char *), c->client_addr, pool))
            return 1;
    return 0;
}

/* A value that stays when the header is gone; NULL when there is none. Several headers of a name are one by now. */
static const char *take(request_rec *r, const char *name)
{
    const char *value = name ? apr_table_get(r->headers_in, name) : NULL;

    if (value)
        apr_table_unset(r->headers_in, name);
    return value;
}

/* In front of all others, since what stands in the headers turns up in the environment of programs, in conditions of
 * the configuration and at a server behind this one */
static int take_headers(request_rec *r)
{
    const est_server_t *server = est_config_server(r->server);
    const conn_rec *c = connection_of(r);
    const char *value, *chain_value;
    proxied_t *proxied;
    void *before;

    if (!server->cert_header || !server->proxies)
        return DECLINED;
    /* An internal redirect comes by again, with the headers of which it has been taken out */
    apr_pool_userdata_get(&before, NOTE, r->pool);
    if (before)
        return DECLINED;
    value = take(r, server->cert_header->name);
    chain_value = take(r, server->cert_header->chain_name);
    if (!is_trusted(server, c, r->pool))
        return DECLINED;
    proxied = apr_pcalloc(r->pool, sizeof(*proxied));
    proxied->header = server->cert_header;
    proxied->value = value;
    proxied->chain_value = chain_value;
    proxied->peer = c->client_ip;
    proxied->is_loopback = is_loopback(c->client_addr, r->pool);
    apr_pool_userdata_setn(proxied, NOTE, NULL, r->pool);
    return DECLINED;
}

void est_proxy_register_hooks(void)
{
    ap_hook_post_read_request(take_headers, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

static const proxied_t *proxied_of(request_rec *r)
{
    void *proxied;

    while (r->main)
        r = r->main;
    apr_pool_userdata_get(&proxied, NOTE, r->pool);
    return proxied;
}

int est_proxy_is_peer(request_rec *r)
{
    return proxied_of(r) != NULL;
}

est_err_t *est_proxy_certificate(X509 **leaf, STACK_OF(X509) **chain, request_rec *r, int is_tls)
{
    const proxied_t *proxied = proxied_of(r);
    est_err_t *err;

    *leaf = NULL;
    *chain = NULL;
    if (!is_tls && !proxied->is_loopback)
        return EST_FAIL(r->pool, proxy_insecure,
                        "%s is a trusted proxy, but its connection is not TLS: passwords could be read and "
                        "certificates claimed on the way",
                        proxied->peer);
    if (!proxied->value)
        return proxied->chain_value ? EST_FAIL(r->pool, proxy_certificate, "%s from %s without %s",
                                               proxied->header->chain_name, proxied->peer, proxied->header->name)
                                    : NULL;
    err = pki_certhdr_decode(leaf, chain, proxied->header->form, proxied->value, proxied->chain_value, r->pool);
    if (err && err->code == EST_E_proxy_certificate)
        return EST_FAIL(r->pool, proxy_certificate, "%s from %s: %s", proxied->header->name, proxied->peer,
                        est_err_text(err));
    return err;
}
