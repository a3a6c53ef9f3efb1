/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "http_test.h"

#include "ca/ca_est.h"
#include "pki/pki_cert.h"

#include <apr_thread_proc.h>

/* Driver est with an upstream that has cacerts alone, and somebody who calls refresh, by the test's clock. */

#define REFRESH 3600
#define LATE 5 /* seconds that it is late by, at most */

static struct {
    const char *cacerts; /* base64; NULL: 500 */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int hold, is_held;
} up;

static struct {
    apr_time_t now;
    int n_warnings, n_notices;
} world;

static struct {
    const char *dir;
    ca_config_t config;
    http_server_t *server;
    ca_t *ca;
} t;

static int answer(http_connection_t *connection)
{
    const char *cacerts;

    pthread_mutex_lock(&up.lock);
    up.is_held = up.hold;
    pthread_cond_broadcast(&up.changed);
    while (up.hold)
        pthread_cond_wait(&up.changed, &up.lock);
    cacerts = up.cacerts;
    pthread_mutex_unlock(&up.lock);
    if (cacerts)
        http_answer(connection, "200 OK", "Content-Type: application/pkcs7-mime\r\n", cacerts);
    else
        http_answer(connection, "500 Oops", "Content-Type: text/plain\r\n", "oops");
    return 1;
}

static apr_time_t now_of(const est_env_t *env)
{
    (void)env;
    return world.now;
}

static void log_line(const est_env_t *env, est_log_level_t level, const char *line)
{
    (void)env;
    (void)line;
    world.n_warnings += level == EST_LOG_WARNING;
    world.n_notices += level == EST_LOG_NOTICE;
}

static const est_env_t env = {.now = now_of, .log = log_line};

/* cacerts of a CA of that name from now on */
static void has_ca(const char *name)
{
    EVP_PKEY *key = make_key("P-256");
    est_slice_t der = cert_der(make_ca(name, key, NULL, NULL));
    apr_size_t n;
    const char *message = est_base64_encode(pki_certs_only(&der, 1, pool), 64, &n, pool);

    pthread_mutex_lock(&up.lock);
    up.cacerts = message;
    pthread_mutex_unlock(&up.lock);
}

static void is_broken(void)
{
    pthread_mutex_lock(&up.lock);
    up.cacerts = NULL;
    pthread_mutex_unlock(&up.lock);
}

static void start_driver(void)
{
    ASSERT_OK(ca_est_driver.open(&t.ca, &t.config, pool));
    ASSERT_OK(t.ca->driver->start(t.ca, &env, pool));
}

static void prepare(void)
{
    EVP_PKEY *root_key = make_key("P-256"), *key = make_key("P-256");
    X509 *root = make_ca("CN=TLS Root", root_key, NULL, NULL);
    apr_array_header_t *upstreams = apr_array_make(pool, 1, sizeof(const char *));
    cert_spec_t spec = {.subject = "CN=localhost", .key = key, .issuer = root, .issuer_key = root_key,
                        .exts = {"subjectAltName=IP:127.0.0.1", "extendedKeyUsage=serverAuth"}};

    memset(&up, 0, sizeof(up));
    memset(&world, 0, sizeof(world));
    memset(&t, 0, sizeof(t));
    pthread_mutex_init(&up.lock, NULL);
    pthread_cond_init(&up.changed, NULL);
    world.now = TEST_NOW;
    t.dir = temp_dir();
    t.server = http_start(answer, http_tls(make_cert(&spec), key, NULL));
    APR_ARRAY_PUSH(upstreams, const char *) = apr_psprintf(pool, "https://127.0.0.1:%d/est", t.server->port);
    t.config = (ca_config_t){.name = "central",
                             .driver = "est",
                             .where = "est.conf:7",
                             .upstreams = upstreams,
                             .trust = cert_file(t.dir, "trust.pem", 1, &root),
                             .timeout = 10,
                             .connect_timeout = 3,
                             .refresh = REFRESH,
                             .concurrency = 8,
                             .failures = 100,
                             .cooldown = 10};
    has_ca("CN=Issuing");
    start_driver();
}

static const ca_facts_t *facts_now(void)
{
    const ca_facts_t *facts = NULL;

    ASSERT_OK(t.ca->driver->facts(t.ca, &facts, pool));
    return facts;
}

static void assert_ca(const char *name)
{
    assert_string_equal(pki_cert_subject_text(facts_now()->cert, pool), name);
}

/* As the watchdog does: what is left in its pool is gone */
static void refresh(void)
{
    apr_pool_t *p;

    apr_pool_create(&p, pool);
    t.ca->driver->refresh(t.ca, p);
    apr_pool_destroy(p);
}

static void refresh_after(int seconds)
{
    world.now += apr_time_from_sec(seconds);
    refresh();
}

static void assert_asked(int n)
{
    assert_int_equal(http_count(&t.server->n_requests), n);
}

/* ---- */

static void test_it_is_looked_at_again_and_requests_go_on_with_what_there_is(void **state)
{
    (void)state;
    prepare();
    assert_ca("CN=Issuing");
    const ca_facts_t *before = facts_now();
    assert_asked(1);
    has_ca("CN=Newer");
    refresh();
    refresh_after(REFRESH - 1);
    assert_asked(1);
    world.now += apr_time_from_sec(1 + LATE);
    assert_ptr_equal(facts_now(), before);
    assert_asked(1);
    refresh();
    assert_asked(2);
    assert_ca("CN=Newer");
    assert_string_equal(pki_cert_subject_text(before->cert, pool), "CN=Issuing"); /* who has them keeps them */
    for (int i = 0; i < 10; i++)
        refresh_after(1);
    assert_ca("CN=Newer");
    assert_asked(2);
    refresh_after(REFRESH);
    assert_asked(3);
}

static void test_the_first_are_had_before_any_request(void **state)
{
    (void)state;
    prepare();
    refresh_after(LATE);
    assert_asked(1);
    is_broken();
    assert_ca("CN=Issuing");
    assert_asked(1);
}

static void test_while_there_are_none_it_is_said_once_and_tried_again(void **state)
{
    const ca_facts_t *facts;

    (void)state;
    prepare();
    is_broken();
    for (int i = 1; i <= 3; i++) {
        refresh_after(30);
        assert_asked(i);
        refresh_after(0);
        assert_asked(i);
    }
    assert_int_equal(world.n_warnings, 1);
    ASSERT_FAILS(t.ca->driver->facts(t.ca, &facts, pool), ca_unavailable, "HTTP 500");
    assert_asked(3); /* that it fails was found out in this second */
    world.now += apr_time_from_sec(1);
    ASSERT_FAILS(t.ca->driver->facts(t.ca, &facts, pool), ca_unavailable, "HTTP 500");
    assert_asked(4);
    has_ca("CN=Issuing");
    world.n_notices = 0;
    refresh_after(28);
    assert_asked(4);
    refresh_after(1 + LATE);
    assert_asked(5);
    assert_ca("CN=Issuing");
    assert_int_equal(world.n_notices, 1);
}

/* An upstream that is down for a night is there for the first request of the morning. */
static void test_failures_of_what_nobody_waits_for_close_no_gate(void **state)
{
    (void)state;
    prepare();
    t.config.failures = 1;
    t.config.cooldown = 300;
    start_driver();
    is_broken();
    for (int i = 1; i <= 5; i++) {
        refresh_after(30 + LATE);
        assert_asked(i);
    }
    has_ca("CN=Issuing");
    world.now += apr_time_from_sec(1);
    assert_ca("CN=Issuing");
    assert_asked(6);
}

static void test_an_upstream_that_fails_is_asked_no_more_often(void **state)
{
    (void)state;
    prepare();
    const ca_facts_t *before = facts_now();
    is_broken();
    refresh_after(REFRESH + LATE);
    assert_asked(2);
    for (int i = 0; i < 29; i++) {
        refresh_after(1);
        assert_ptr_equal(facts_now(), before);
    }
    assert_asked(2);
    refresh_after(1 + LATE);
    assert_asked(3);
    assert_int_equal(world.n_warnings, 1);
    has_ca("CN=Newer");
    world.n_notices = 0;
    refresh_after(30 + LATE);
    assert_asked(4);
    assert_int_equal(world.n_notices, 2); /* other certificates; and that it works again */
    assert_ca("CN=Newer");
}

/* A thread that hangs, or has gone: as without any */
static void test_requests_look_when_nobody_else_does(void **state)
{
    (void)state;
    prepare();
    assert_ca("CN=Issuing");
    refresh_after(REFRESH - 30);
    has_ca("CN=Newer");
    world.now += apr_time_from_sec(59);
    assert_ca("CN=Issuing");
    assert_asked(1);
    world.now += apr_time_from_sec(1);
    assert_ca("CN=Newer");
    assert_asked(2);

    /* the clock was put back after it had been called last */
    refresh();
    world.now -= apr_time_from_sec(2 * REFRESH);
    has_ca("CN=Third");
    assert_ca("CN=Third");
    assert_asked(3);
}

static void test_after_a_restart_the_copy_serves_until_it_has_looked(void **state)
{
    (void)state;
    prepare();
    t.config.cache = apr_pstrcat(pool, t.dir, "/cache.pem", NULL);
    apr_pool_cleanup_register(pool, t.config.cache, x509_test_remove, apr_pool_cleanup_null);
    start_driver();
    assert_ca("CN=Issuing");
    assert_asked(1);
    start_driver();
    has_ca("CN=Newer");
    world.now -= 1; /* nothing is late already */
    refresh();
    assert_ca("CN=Issuing");
    assert_asked(1);
    refresh_after(LATE + 1);
    assert_asked(2);
    assert_ca("CN=Newer");
}

static void *APR_THREAD_FUNC refresh_apart(apr_thread_t *thread, void *data)
{
    apr_pool_t *p;

    (void)thread;
    (void)data;
    apr_pool_create(&p, NULL);
    t.ca->driver->refresh(t.ca, p);
    apr_pool_destroy(p);
    return NULL;
}

/* Of a thread of its own, when it is time to; returns when it hangs at the upstream */
static apr_thread_t *refresh_that_hangs(void)
{
    apr_thread_t *thread;

    up.hold = 1;
    world.now += apr_time_from_sec(REFRESH + LATE);
    assert_int_equal(apr_thread_create(&thread, NULL, refresh_apart, NULL, pool), APR_SUCCESS);
    pthread_mutex_lock(&up.lock);
    while (!up.is_held)
        pthread_cond_wait(&up.changed, &up.lock);
    pthread_mutex_unlock(&up.lock);
    return thread;
}

static void let_go(void)
{
    pthread_mutex_lock(&up.lock);
    up.hold = 0;
    pthread_cond_broadcast(&up.changed);
    pthread_mutex_unlock(&up.lock);
}

static void test_nobody_waits_for_one_that_is_under_way(void **state)
{
    apr_status_t status;

    (void)state;
    prepare();
    const ca_facts_t *before = facts_now();
    has_ca("CN=Newer");
    apr_thread_t *thread = refresh_that_hangs();
    assert_ptr_equal(facts_now(), before);
    refresh();
    assert_ptr_equal(facts_now(), before);
    assert_asked(2);
    let_go();
    apr_thread_join(&status, thread);
    assert_ca("CN=Newer");
    assert_asked(2);
}

/* As the end of a process does, from another thread */
static void test_the_end_waits_for_no_upstream(void **state)
{
    apr_status_t status;
    atomic_int ending = 0;

    (void)state;
    prepare();
    t.ca->ending = &ending;
    assert_ca("CN=Issuing");
    apr_thread_t *thread = refresh_that_hangs();
    apr_time_t begin = apr_time_now();
    atomic_store(&ending, 1);
    apr_thread_join(&status, thread);
    assert_true(apr_time_now() - begin < apr_time_from_sec(t.config.timeout) / 2);
    assert_int_equal(world.n_warnings, 0); /* it is not the upstream's failure: nothing is said */
    assert_ca("CN=Issuing");
    let_go();
}

/* A process that ends gracefully goes on with those that it has. */
static void test_requests_ask_until_the_end(void **state)
{
    atomic_int ending = 1;

    (void)state;
    prepare();
    t.ca->ending = &ending;
    refresh_after(LATE);
    assert_int_equal(world.n_warnings, 0);
    assert_ca("CN=Issuing");
}

static void test_what_is_pinned_is_never_asked_for(void **state)
{
    X509 *ca = make_ca("CN=Pinned", make_key("P-256"), NULL, NULL);

    (void)state;
    prepare();
    t.config.certificate = cert_file(t.dir, "ca.pem", 1, &ca);
    start_driver();
    refresh();
    refresh_after(2 * REFRESH);
    assert_ca("CN=Pinned");
    assert_asked(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_it_is_looked_at_again_and_requests_go_on_with_what_there_is),
        EST_TEST(test_the_first_are_had_before_any_request),
        EST_TEST(test_while_there_are_none_it_is_said_once_and_tried_again),
        EST_TEST(test_failures_of_what_nobody_waits_for_close_no_gate),
        EST_TEST(test_an_upstream_that_fails_is_asked_no_more_often),
        EST_TEST(test_requests_look_when_nobody_else_does),
        EST_TEST(test_after_a_restart_the_copy_serves_until_it_has_looked),
        EST_TEST(test_nobody_waits_for_one_that_is_under_way),
        EST_TEST(test_the_end_waits_for_no_upstream),
        EST_TEST(test_requests_ask_until_the_end),
        EST_TEST(test_what_is_pinned_is_never_asked_for),
    };
    return EST_TEST_RUN(tests);
}
