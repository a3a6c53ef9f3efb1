/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* The driver local with a key in a token: settings, the gate, what stands in the log */
#include "token_test.h"

#include "ca/ca.h"
#include "ca/ca_gate.h"

#include <apr_thread_mutex.h>

#define PIN "pin-7391"
#define URI "pkcs11:token=est;object=ca"

static struct {
    EVP_PKEY *key;
    ca_config_t config;
    est_env_t env;
    apr_time_t now;
    apr_thread_mutex_t *mutex;
    char log[8192];
} t;

static apr_time_t fake_now(const est_env_t *env)
{
    (void)env;
    return t.now;
}

static void fake_log(const est_env_t *env, est_log_level_t level, const char *line)
{
    (void)env;
    apr_thread_mutex_lock(t.mutex); /* the thread that opens the token writes here, too */
    apr_snprintf(t.log + strlen(t.log), sizeof(t.log) - strlen(t.log), "%d %s\n", level, line);
    apr_thread_mutex_unlock(t.mutex);
}

static int is_logged(const char *text)
{
    int is;

    apr_thread_mutex_lock(t.mutex);
    is = strstr(t.log, text) != NULL;
    apr_thread_mutex_unlock(t.mutex);
    return is;
}

static void wait_for_log(const char *text)
{
    for (int i = 0; i < 1000 && !is_logged(text); i++)
        apr_sleep(10000);
    if (!is_logged(text))
        fail_msg("not in the log: %s\n%s", text, t.log);
}

static const char *put(const char *name, const char *content)
{
    const char *path;
    FILE *file = temp_file(&path, token_home, name);

    fputs(content, file);
    fclose(file);
    return path;
}

static void setup(void)
{
    X509 *cert;

    memset(&t, 0, sizeof(t));
    make_hsm();
    t.key = make_key("P-256");
    cert = make_ca("CN=Issuing", t.key, NULL, NULL);
    t.config.name = "issuing";
    t.config.where = "est.conf:7";
    t.config.certificate = cert_file(token_home, "ca.pem", 1, &cert);
    t.config.key = URI;
    t.config.key_module = SOFTHSM;
    t.config.passphrase = apr_pstrcat(pool, "file:", put("pin", PIN "\n"), NULL);
    t.config.concurrency = 2;
    t.config.failures = 2;
    t.config.cooldown = 10;
    t.config.timeout = 5;
    t.env.now = fake_now;
    t.env.log = fake_log;
    t.now = TEST_NOW;
    assert_int_equal(apr_thread_mutex_create(&t.mutex, APR_THREAD_MUTEX_DEFAULT, pool), APR_SUCCESS);
}

static void put_key(void)
{
    make_token("est", PIN);
    import_key("est", PIN, t.key, "ca", "01");
}

static ca_t *open_ca(void)
{
    ca_t *ca;

    ASSERT_OK(ca_open(&ca, &t.config, pool));
    return ca;
}

static est_err_t *issue(ca_t *ca)
{
    est_slice_t spki = spki_of(make_key("P-256"));
    const ca_facts_t *facts;
    pki_tbs_t tbs = {.serial = {[19] = 1}, .not_before = TEST_NOW, .not_after = TEST_NOW + TEST_DAY};
    ca_request_t request = {.tbs = &tbs, .now = t.now};
    ca_answer_t answer = {.retry_after = 0};
    est_err_t *err;

    ASSERT_OK(ca->driver->facts(ca, &facts, pool));
    request.facts = facts;
    tbs.subject = hex("300f310d300b06035504030c0464657637"); /* CN=dev7 */
    tbs.spki = spki;
    err = ca->driver->issue(ca, &answer, &request, pool);
    if (!err)
        assert_int_equal(X509_verify(parse_cert(answer.der), t.key), 1);
    return err;
}

/* ---- settings */

/* The place of what became of the PIN is no gate to look at */
static void test_one_gate_is_seen_and_no_pin(void **state)
{
    const ca_gate_status_t *gates;

    (void)state;
    setup();
    assert_int_equal(ca_status(&gates, open_ca(), t.now, pool), 1);
    assert_string_equal(gates[0].name, URI ";type=private");
    assert_int_equal(gates[0].look.state, CA_GATE_IS_OPEN);
    assert_int_equal(gates[0].places, 2);
    assert_int_equal(gates[0].failures, 2);
}

static void test_files_have_no_gate(void **state)
{
    const ca_gate_status_t *gates;
    ca_t *ca;

    (void)state;
    setup();
    t.config.key = key_file(token_home, "ca.key", t.key);
    t.config.key_module = t.config.passphrase = NULL;
    ca = open_ca();
    assert_int_equal(ca->n_gates, 0);
    assert_int_equal(ca_status(&gates, ca, t.now, pool), 0);
    assert_int_equal(ca_shared_size(ca), 0);
    ASSERT_OK(ca->driver->start(ca, &t.env, pool));
    ASSERT_OK(issue(ca));
    assert_string_equal(t.log, "");
}

/* What configtest does: nothing of it needs the token */
static void test_the_token_need_not_be_there(void **state)
{
    ca_t *ca;

    (void)state;
    setup();
    ca = open_ca();
    assert_true(ca_shared_size(ca) > 0);
    assert_int_equal(ca->lease, 0);
    ASSERT_FAILS(issue(ca), ca_unavailable, "<EstCA issuing> was not made ready");
}

static void test_settings_that_are_refused(void **state)
{
    ca_config_t good;
    ca_t *ca;

    (void)state;
    setup();
    good = t.config;
    t.config.key = URI "?pin-value=1";
    ASSERT_FAILS(ca_open(&ca, &t.config, pool), config, "<EstCA issuing> at est.conf:7: pkcs11:...: the PIN");
    t.config.key = "pkcs11:token=est";
    ASSERT_FAILS(ca_open(&ca, &t.config, pool), config, "names no key");
    t.config = good;
    t.config.key_module = "/nowhere/libhsm.so";
    ASSERT_FAILS(ca_open(&ca, &t.config, pool), file, "EstCAKeyModule /nowhere/libhsm.so cannot be read");
    t.config = good;
    t.config.passphrase = "file:/nowhere/pin";
    ASSERT_FAILS(ca_open(&ca, &t.config, pool), file, "/nowhere/pin");
    t.config = good;
    t.config.key = key_file(token_home, "ca.key", t.key);
    ASSERT_FAILS(ca_open(&ca, &t.config, pool), config, "EstCAKeyModule is for keys in tokens");
    t.config = good;
    t.config.concurrency = CA_GATE_MAX + 1;
    ASSERT_FAILS(ca_open(&ca, &t.config, pool), config, "EstCAConcurrency");
    t.config = good;
    t.config.certificate = NULL;
    ASSERT_FAILS(ca_open(&ca, &t.config, pool), config, "EstCACertificate is missing");
}

static void test_what_belongs_to_drivers_that_forward(void **state)
{
    static const struct {
        const char *directive;
        size_t member;
    } rows[] = {
        {"EstCAUpstream", offsetof(ca_config_t, upstreams)},
        {"EstCATrust", offsetof(ca_config_t, trust)},
        {"EstCAClientCertificate", offsetof(ca_config_t, client_certificate)},
        {"EstCAClientKey", offsetof(ca_config_t, client_key)},
        {"EstCAClientKeyPassphrase", offsetof(ca_config_t, client_passphrase)},
        {"EstCAUser", offsetof(ca_config_t, user)},
        {"EstCAPassword", offsetof(ca_config_t, password)},
        {"EstCAProxy", offsetof(ca_config_t, proxy)},
        {"EstCACacheFile", offsetof(ca_config_t, cache)},
        {"EstCAExtensions", offsetof(ca_config_t, extensions)},
        {"EstCACmpRequest", offsetof(ca_config_t, cmp_request)},
        {"EstCACmpRecipient", offsetof(ca_config_t, cmp_recipient)},
        {"EstCACmpCertificate", offsetof(ca_config_t, cmp_certificate)},
        {"EstCACmpKey", offsetof(ca_config_t, cmp_key)},
        {"EstCACmpKeyPassphrase", offsetof(ca_config_t, cmp_passphrase)},
        {"EstCACmpReference", offsetof(ca_config_t, cmp_reference)},
        {"EstCACmpSecret", offsetof(ca_config_t, cmp_secret)},
        {"EstCACmpTrust", offsetof(ca_config_t, cmp_trust)},
    };

    (void)state;
    setup();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ca_config_t config = t.config;
        ca_t *ca;

        *(const void **)((char *)&config + rows[i].member) = "something";
        ASSERT_ROW(ca_open(&ca, &config, pool), EST_E_config,
                   apr_pstrcat(pool, rows[i].directive, " makes no sense with EstCADriver local", NULL),
                   rows[i].directive);
    }
}

/* ---- signing */

static void test_it_signs_and_says_how(void **state)
{
    ca_t *ca;

    (void)state;
    setup();
    put_key();
    ca = open_ca();
    ca_share(ca, apr_pcalloc(pool, ca_shared_size(ca)));
    ASSERT_OK(ca->driver->start(ca, &t.env, pool));
    wait_for_log(
        apr_psprintf(pool, "%d <EstCA issuing> signs with " URI ";type=private, by OpenSSL's ", EST_LOG_NOTICE));
    for (int i = 0; i < 5; i++)
        ASSERT_OK(issue(ca));
    assert_null(strstr(t.log, PIN));
}

static void test_a_token_that_fails_is_left_alone(void **state)
{
    ca_t *ca;
    est_err_t *err;

    (void)state;
    setup();
    ca = open_ca();
    ASSERT_OK(ca->driver->start(ca, &t.env, pool));
    wait_for_log(apr_psprintf(pool, "%d <EstCA issuing> cannot sign yet, requests are answered with 503: " URI,
                              EST_LOG_WARNING));
    ASSERT_FAILS(issue(ca), ca_unavailable, "cannot be had");
    assert_false(is_logged("left alone"));
    err = issue(ca);
    ASSERT_ROW(err, EST_E_ca_unavailable, "cannot be had", "the second failure");
    assert_int_equal(err->retry_after, 10);
    assert_true(is_logged("the token is left alone for a while: " URI));
    /* it has come meanwhile, and nobody looks */
    put_key();
    t.now += apr_time_from_sec(4);
    err = issue(ca);
    ASSERT_ROW(err, EST_E_ca_unavailable, "left alone for 6 s more", "while it is closed");
    assert_int_equal(err->retry_after, 6);
    t.now += apr_time_from_sec(7);
    ASSERT_OK(issue(ca));
    assert_true(is_logged("<EstCA issuing>: the token signs again"));
    ASSERT_OK(issue(ca));
}

static void test_a_full_gate(void **state)
{
    ca_gate_rules_t rules = {
        .places = 2, .failures = 2, .cooldown = apr_time_from_sec(10), .lease = apr_time_from_sec(10)};
    int places[2], wait;
    est_err_t *err;
    ca_t *ca;

    (void)state;
    setup();
    put_key();
    ca = open_ca();
    ASSERT_OK(ca->driver->start(ca, &t.env, pool));
    ASSERT_OK(issue(ca));
    for (int i = 0; i < 2; i++) /* of other processes */
        assert_int_equal(ca_gate_enter(&places[i], &wait, ca->gates, &rules, t.now), CA_GATE_OPEN);
    err = issue(ca);
    ASSERT_ROW(err, EST_E_ca_busy, "2 requests are at the token already (EstCAConcurrency)", "full");
    assert_true(err->retry_after >= 1);
    ca_gate_leave(ca->gates, &rules, places[0], CA_GATE_GOOD, t.now);
    ASSERT_OK(issue(ca));
}

/* A wrong PIN says nothing of the token: it does not close the gate, whose opening would try it again */
static void test_a_wrong_pin(void **state)
{
    ca_t *ca;

    (void)state;
    setup();
    put_key();
    t.config.passphrase = apr_pstrcat(pool, "file:", put("wrong", "wrong-5150\n"), NULL);
    ca = open_ca();
    ASSERT_OK(ca->driver->start(ca, &t.env, pool));
    wait_for_log("refuses the PIN of EstCAKeyPassphrase");
    for (int i = 0; i < 4; i++)
        ASSERT_FAILS(issue(ca), ca_failed, "it is not tried again before httpd is restarted");
    assert_null(strstr(t.log, "5150"));
    assert_false(is_logged("left alone"));
}

static void test_what_a_request_is_to_blame_for(void **state)
{
    ca_t *ca;
    pki_tbs_t tbs = {.serial = {0}};
    ca_request_t request = {.tbs = &tbs};
    ca_answer_t answer;

    (void)state;
    setup();
    put_key();
    ca = open_ca();
    ASSERT_OK(ca->driver->start(ca, &t.env, pool));
    for (int i = 0; i < 5; i++)
        ASSERT_FAILS(ca->driver->issue(ca, &answer, &request, pool), ca_failed, "");
    ASSERT_OK(issue(ca));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_one_gate_is_seen_and_no_pin),
        EST_TEST(test_files_have_no_gate),
        EST_TEST(test_the_token_need_not_be_there),
        EST_TEST(test_settings_that_are_refused),
        EST_TEST(test_what_belongs_to_drivers_that_forward),
        EST_TEST(test_it_signs_and_says_how),
        EST_TEST(test_a_token_that_fails_is_left_alone),
        EST_TEST(test_a_full_gate),
        EST_TEST(test_a_wrong_pin),
        EST_TEST(test_what_a_request_is_to_blame_for),
    };
    return EST_TEST_RUN(tests);
}
