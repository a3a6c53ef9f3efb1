/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "remote_test.h"

#include <openssl/err.h>

static void test_what_is_opened(void **state)
{
    static const char *const urls[] = {"https://a.example.com/.well-known/est//", "http://[::1]:8080/", NULL};
    static const char *const names[] = {"authorityInfoAccess", "1.3.6.1.4.1.11129.2.4.2", "crlDistributionPoints",
                                        NULL};
    EVP_PKEY *key = make_key("P-256");
    X509 *root = make_ca("CN=Root", key, NULL, NULL);
    const char *dir = temp_dir();

    (void)state;
    prepare(urls);
    t.config.extensions = list(names);
    t.config.trust = cert_file(dir, "trust.pem", 1, &root);
    t.config.client_certificate = t.config.trust;
    t.config.client_key = key_file(dir, "client.key", key);
    ASSERT_OK(ca_remote_open(&t.remote, &t.config, "https http", pool));
    assert_int_equal(t.remote.n_upstreams, 2);
    assert_string_equal(t.remote.upstreams[0], "https://a.example.com/.well-known/est");
    assert_string_equal(t.remote.upstreams[1], "http://[::1]:8080");
    assert_string_equal(t.remote.ca.extensions[0], "1.3.6.1.5.5.7.1.1");
    assert_string_equal(t.remote.ca.extensions[1], names[1]);
    assert_string_equal(t.remote.ca.extensions[2], "2.5.29.31");
    assert_null(t.remote.ca.extensions[3]);
    assert_string_equal(t.remote.ca.name, "far");
    assert_int_equal(t.remote.ca.lease, 15);
    assert_int_equal(t.remote.timeout, 10 * SECOND);
    assert_int_equal(t.remote.rules.lease, 15 * SECOND);
    assert_int_equal(t.remote.rules.places, 2);
    assert_int_equal(t.remote.rules.failures, 2);
    assert_int_equal(t.remote.rules.cooldown, 10 * SECOND);
    assert_int_equal(t.remote.ca.n_gates, 2);
    assert_non_null(t.remote.ca.gates);
    assert_int_equal(ca_shared_size(&t.remote.ca), 2 * ca_gate_size());
    assert_int_equal(t.remote.ca.n_keys, 1);
    ASSERT_SLICE(t.remote.ca.keys[0], cert_der(root));
}

static void test_urls_that_are_refused(void **state)
{
    static const struct {
        const char *url, *part;
    } rows[] = {
        {"ftp://a.example.com", "is no URL of these schemes: https http"},
        {"htt://a.example.com", "is no URL of these schemes: https http"},
        {"a.example.com", "is no URL"},
        {"", "is no URL"},
        {"/", "is no URL"},
        {"https://", "names no host"},
        {"https:///path", "names no host"},
        {"https://user:word@a.example.com/", "has no user and password here"},
        {"https://user@a.example.com/", "has no user and password here"},
        {"https://a.example.com/?x=y", "has a query or a fragment"},
        {"https://a.example.com/#x", "has a query or a fragment"},
        {"https://a.example.com:0/", "has a port that cannot be"},
        {"https://a.example.com:99999/", "has a port that cannot be"},
        {"https://a.example.com:x/", NULL},
        {"https://a.example.com/a b", "blanks"},
        {"https://user:word@a.example.com/a b", "has no user and password here"},
        {"https://a.example.com/\n", "blanks"},
        {"https://\xc3\xbc.example.com/", "beyond ASCII"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *const urls[] = {A, rows[i].url, NULL};

        prepare(urls);
        est_err_t *err = ca_remote_open(&t.remote, &t.config, "https http", pool);
        ASSERT_ROW(err, EST_E_config, rows[i].part, rows[i].url);
        ASSERT_ROW(err, EST_E_config, "<EstCA far> at est.conf:7: ", rows[i].url);
        assert_null(strstr(err->detail, "word@"));
    }
    static const char *const twice[] = {A, A "/", NULL}, *const none[] = {NULL};
    prepare(twice);
    ASSERT_FAILS(ca_remote_open(&t.remote, &t.config, "https http", pool), config, "twice");
    ASSERT_FAILS(ca_remote_open(&t.remote, &t.config, "https", pool), config, "is no URL of these schemes: https");
    prepare(none);
    ASSERT_FAILS(ca_remote_open(&t.remote, &t.config, "https http", pool), config,
                 "<EstCA far> at est.conf:7: EstCAUpstream is missing");
    t.config.upstreams = NULL;
    ASSERT_FAILS(ca_remote_open(&t.remote, &t.config, "https http", pool), config, "EstCAUpstream is missing");
}

static void test_other_settings_that_are_refused(void **state)
{
    static const char *const names[] = {"keyUsage", "no such thing", NULL};

    (void)state;
    prepare(three);
    const struct {
        const char *part;
        int *number, most;
    } rows[] = {{"EstCATimeout", &t.config.timeout, 120},
                {"EstCAConnectTimeout", &t.config.connect_timeout, 60},
                {"EstCAConcurrency", &t.config.concurrency, 64},
                {"EstCAFailures", &t.config.failures, 100},
                {"EstCACooldown", &t.config.cooldown, 300}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *rows[i].number = 0;
        ASSERT_ROW(ca_remote_open(&t.remote, &t.config, "http", pool), EST_E_config, rows[i].part, rows[i].part);
        *rows[i].number = rows[i].most + 1;
        ASSERT_ROW(ca_remote_open(&t.remote, &t.config, "http", pool), EST_E_config, rows[i].part, rows[i].part);
        *rows[i].number = rows[i].most;
        ASSERT_OK(ca_remote_open(&t.remote, &t.config, "http", pool));
    }
    t.config.extensions = list(names);
    ASSERT_FAILS(ca_remote_open(&t.remote, &t.config, "http", pool), config, "EstCAExtensions: \"no such thing\"");
    assert_int_equal(ERR_peek_error(), 0);
    t.config.extensions = NULL;
    t.config.trust = "/none.pem";
    ASSERT_FAILS(ca_remote_open(&t.remote, &t.config, "http", pool), file, "<EstCA far> at est.conf:7: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_what_is_opened),
        EST_TEST(test_urls_that_are_refused),
        EST_TEST(test_other_settings_that_are_refused),
    };

    return EST_TEST_RUN(tests);
}
