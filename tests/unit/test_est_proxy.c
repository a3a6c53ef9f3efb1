/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "httpd/est_proxy.h"

#include <http_protocol.h>

/* What est_proxy.c wants of httpd: the place where it hangs its hook in, and the configuration of a server. Addresses
 * that are not this machine's cannot be had from a real one. */

static ap_HOOK_post_read_request_t *hook;
static int hook_order;
static est_server_t config;

void ap_hook_post_read_request(ap_HOOK_post_read_request_t *function, const char *const *before,
                               const char *const *after, int order)
{
    assert_null(before);
    assert_null(after);
    hook = function;
    hook_order = order;
}

est_server_t *est_config_server(server_rec *s)
{
    (void)s;
    return &config;
}

/* ---- */

static void trust(const char *network)
{
    char *argv[] = {apr_pstrdup(pool, network)}, *form[] = {apr_pstrdup(pool, "rfc9440")};

    assert_null(est_proxy_read_networks(&config.proxies, 1, argv, pool));
    assert_null(est_proxy_read_header(&config.cert_header, 1, form, pool));
    est_proxy_register_hooks();
}

static request_rec *request_from(const char *address, const char *certificate)
{
    request_rec *r = apr_pcalloc(pool, sizeof(*r));
    conn_rec *c = apr_pcalloc(pool, sizeof(*c));
    apr_pool_t *own;

    assert_int_equal(apr_pool_create(&own, pool), APR_SUCCESS);
    r->pool = own;
    r->connection = c;
    r->headers_in = apr_table_make(pool, 4);
    c->client_ip = apr_pstrdup(pool, address);
    assert_int_equal(apr_sockaddr_info_get(&c->client_addr, address, APR_UNSPEC, 4711, 0, pool), APR_SUCCESS);
    r->useragent_addr = c->client_addr;
    if (certificate)
        apr_table_setn(r->headers_in, "client-cert", certificate);
    return r;
}

static const char *good_header(void)
{
    cert_spec_t spec = {.subject = "CN=dev7"};
    est_slice_t der = cert_der(make_cert(&spec));

    return apr_psprintf(pool, ":%.*s:", (int)((der.n + 2) / 3 * 4), est_base64_encode(der, 0, NULL, pool));
}

static est_err_t *certificate_of(request_rec *r, int is_tls, int expected)
{
    STACK_OF(X509) *chain;
    X509 *leaf;
    est_err_t *err = est_proxy_certificate(&leaf, &chain, r, is_tls);

    assert_int_equal(leaf != NULL, expected);
    return err;
}

static void test_the_hook_comes_before_all_others(void **state)
{
    (void)state;
    trust("192.0.2.0/24");
    assert_int_equal(hook_order, APR_HOOK_REALLY_FIRST);
}

/* AUTH-09 */
static void test_who_is_a_proxy(void **state)
{
    static const struct {
        const char *network, *peer;
        int trusted;
    } rows[] = {
        {"192.0.2.0/24", "192.0.2.7", 1},
        {"192.0.2.0/24", "192.0.3.7", 0},
        {"192.0.2.7", "192.0.2.7", 1},
        {"192.0.2.7", "192.0.2.8", 0},
        {"192.0.2.0/24", "::ffff:192.0.2.7", 1},
        {"192.0.2.0/24", "2001:db8::1", 0},
        {"2001:db8::/32", "2001:db8::1", 1},
        {"2001:db8::/32", "2001:db9::1", 0},
        {"::1", "::1", 1},
        {"127.0.0.0/8", "::1", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        request_rec *r = request_from(rows[i].peer, good_header());

        trust(rows[i].network);
        assert_int_equal(hook(r), DECLINED);
        if (est_proxy_is_peer(r) != rows[i].trusted)
            fail_msg("%s in %s: %d expected", rows[i].peer, rows[i].network, rows[i].trusted);
        assert_null(apr_table_get(r->headers_in, "Client-Cert"));
    }
}

/* What mod_remoteip changes is the address of the user agent */
static void test_the_peer_counts_and_no_other_address(void **state)
{
    request_rec *stranger = request_from("192.0.3.7", good_header()),
                *proxied = request_from("192.0.2.7", good_header());

    (void)state;
    trust("192.0.2.7");
    stranger->useragent_addr = proxied->connection->client_addr;
    proxied->useragent_addr = stranger->connection->client_addr;
    hook(stranger);
    hook(proxied);
    assert_false(est_proxy_is_peer(stranger));
    assert_true(est_proxy_is_peer(proxied));
}

static void test_the_peer_of_a_stream_is_its_connections(void **state)
{
    request_rec *r = request_from("192.0.3.7", good_header());

    (void)state;
    trust("192.0.2.7");
    r->connection->master = request_from("192.0.2.7", NULL)->connection;
    hook(r);
    assert_true(est_proxy_is_peer(r));
    ASSERT_OK(certificate_of(r, 1, 1));
}

/* A password or a claim to be someone is not sent over a network in the clear, RFC 7030 3.3 */
static void test_the_way_from_a_proxy_is_tls_or_loopback(void **state)
{
    static const struct {
        const char *network, *peer;
        int is_tls, allowed;
    } rows[] = {
        {"192.0.2.7", "192.0.2.7", 1, 1},        {"192.0.2.7", "192.0.2.7", 0, 0},
        {"2001:db8::1", "2001:db8::1", 0, 0},    {"127.0.0.0/8", "127.0.0.1", 0, 1},
        {"127.0.0.0/8", "127.9.9.9", 0, 1},      {"::1", "::1", 0, 1},
        {"127.0.0.1", "::ffff:127.0.0.1", 0, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int with = 0; with < 2; with++) {
            request_rec *r = request_from(rows[i].peer, with ? good_header() : NULL);
            est_err_t *err;

            trust(rows[i].network);
            hook(r);
            err = certificate_of(r, rows[i].is_tls, with && rows[i].allowed);
            if (rows[i].allowed)
                ASSERT_OK(err);
            else
                ASSERT_ROW(err, EST_E_proxy_insecure, rows[i].peer, rows[i].peer);
        }
    assert_int_equal(est_err_row(EST_E_proxy_insecure)->status, 403);
    assert_int_equal(est_err_row(EST_E_proxy_insecure)->level, EST_LOG_ERROR);
}

static void test_headers_of_the_proxy(void **state)
{
    request_rec *r;

    (void)state;
    trust("192.0.2.7");
    r = request_from("192.0.2.7", NULL);
    hook(r);
    ASSERT_OK(certificate_of(r, 1, 0));

    r = request_from("192.0.2.7", "rubbish");
    hook(r);
    ASSERT_FAILS(certificate_of(r, 1, 0), proxy_certificate, "Client-Cert from 192.0.2.7: ");

    r = request_from("192.0.2.7", NULL);
    apr_table_setn(r->headers_in, "Client-Cert-Chain", good_header());
    hook(r);
    assert_null(apr_table_get(r->headers_in, "Client-Cert-Chain"));
    ASSERT_FAILS(certificate_of(r, 1, 0), proxy_certificate, "Client-Cert-Chain from 192.0.2.7 without Client-Cert");
}

/* An internal redirect has the pool and the headers of the first request, a subrequest has a pool of its own */
static void test_redirects_and_subrequests_are_the_same_clients(void **state)
{
    request_rec *r = request_from("192.0.2.7", good_header()), *redirect, *sub;

    (void)state;
    trust("192.0.2.7");
    hook(r);
    redirect = request_from("192.0.2.7", NULL);
    redirect->pool = r->pool;
    hook(redirect);
    ASSERT_OK(certificate_of(redirect, 1, 1));
    sub = request_from("192.0.2.7", NULL);
    sub->main = redirect;
    ASSERT_OK(certificate_of(sub, 1, 1));
}

static void test_a_server_without_the_directives_does_nothing(void **state)
{
    request_rec *r = request_from("192.0.2.7", "kept");

    (void)state;
    trust("192.0.2.7");
    config.proxies = NULL;
    config.cert_header = NULL;
    hook(r);
    assert_string_equal(apr_table_get(r->headers_in, "Client-Cert"), "kept");
    assert_false(est_proxy_is_peer(r));
}

static void test_one_directive_without_the_other(void **state)
{
    server_rec s = {.defn_name = "a.conf", .defn_line_number = 7};

    (void)state;
    trust("192.0.2.7");
    ASSERT_OK(est_proxy_check(&s, pool));
    config.cert_header = NULL;
    ASSERT_FAILS(est_proxy_check(&s, pool), config, "a.conf:7: EstTrustedProxy, but no EstClientCertHeader");
    trust("192.0.2.7");
    config.proxies = NULL;
    ASSERT_FAILS(est_proxy_check(&s, pool), config, "a.conf:7: EstClientCertHeader, but no EstTrustedProxy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_the_hook_comes_before_all_others),
        EST_TEST(test_who_is_a_proxy),
        EST_TEST(test_the_peer_counts_and_no_other_address),
        EST_TEST(test_the_peer_of_a_stream_is_its_connections),
        EST_TEST(test_the_way_from_a_proxy_is_tls_or_loopback),
        EST_TEST(test_headers_of_the_proxy),
        EST_TEST(test_redirects_and_subrequests_are_the_same_clients),
        EST_TEST(test_a_server_without_the_directives_does_nothing),
        EST_TEST(test_one_directive_without_the_other),
    };
    return EST_TEST_RUN(tests);
}
