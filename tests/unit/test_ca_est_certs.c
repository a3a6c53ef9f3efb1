/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_est_test.h"

/* ---- the CA's certificates */

static void test_cacerts_are_asked_for_when_they_are_wanted_and_when_they_are_old(void **state)
{
    (void)state;
    ready();
    assert_int_equal(up.n_cacerts, 0);
    const ca_facts_t *facts = facts_now();
    assert_int_equal(facts->n_certs, 2);
    assert_int_equal(facts->n_issuers, 1);
    ASSERT_SLICE(cert_der(facts->cert), cert_der(t.ca.cert));
    world.now += apr_time_from_sec(3599);
    assert_ptr_equal(facts_now(), facts);
    assert_int_equal(up.n_cacerts, 1);
    world.now += apr_time_from_sec(1);
    assert_ptr_equal(facts_now(), facts); /* the same octets */
    assert_int_equal(up.n_cacerts, 2);
    hierarchy_t other = make_hierarchy("CN=Other");
    up.cacerts = cacerts_of(&other);
    world.now += apr_time_from_sec(3600);
    const ca_facts_t *newer = facts_now();
    ASSERT_SLICE(cert_der(newer->cert), cert_der(other.cert));
    ASSERT_SLICE(cert_der(facts->cert), cert_der(t.ca.cert)); /* who works with them may go on */
    assert_non_null(strstr(world.line, "has other certificates now: \"CN=Other\""));
    up.cacerts = cacerts_of(&t.ca);
    world.now += apr_time_from_sec(3600);
    assert_ptr_equal(facts_now(), facts); /* those of before, not a third copy */
    /* a clock that is set back does not keep anybody from asking */
    world.now -= apr_time_from_sec(100000);
    facts_now();
    assert_int_equal(up.n_cacerts, 5);
}

/* RFC 7030 4.1.3 */
static void test_cacerts_without_a_root_is_a_warning(void **state)
{
    static const char gap[] = "<EstCA central> has no issuer of \"CN=Issuing\": cacerts leads devices to no root";

    (void)state;
    ready();
    facts_now();
    assert_null(strstr(world.line, "no root"));
    ready();
    up.cacerts = message(1, &t.ca.cert);
    assert_int_equal(facts_now()->n_certs, 1);
    assert_non_null(strstr(world.line, gap));
    t.config.certificate = cert_file(t.dir, "ca.pem", 1, &t.ca.cert);
    ASSERT_OK(open_driver());
    assert_non_null(strstr(t.driver->warning, gap));
    t.config.chain = cert_file(t.dir, "chain.pem", 1, &t.ca.root);
    ASSERT_OK(open_driver());
    assert_null(t.driver->warning);
}

static void test_the_last_good_copy_is_used_while_there_is_no_better_one(void **state)
{
    X509 *no_ca;

    (void)state;
    ready();
    no_ca = issued_by(&t.ca, t.key);
    const struct {
        int is_down;
        reply_t reply;
        const char *why;
    } rows[] = {
        {1, {.status = 200}, "connection refused"},
        {0, {.status = 0}, "no answer in time"},
        {0, plain(500, "oops"), "HTTP 500: oops"},
        {0, plain(404, "nothing here"), "HTTP 404: nothing here"},
        {0, plain(200, "<html>"), "/cacerts: "},
        {0, plain(200, "MAMCAQE="), "not a certs-only message"},
        {0, message(1, &no_ca), "none of 1 certificates is that of a CA"},
    };
    const ca_facts_t *facts = facts_now();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        world.now += apr_time_from_sec(3600);
        up.n_cacerts = 0;
        up.is_down = rows[i].is_down;
        up.cacerts = rows[i].reply;
        world.n_lines[EST_LOG_WARNING] = 0;
        assert_ptr_equal(facts_now(), facts);
        if (!strstr(world.line, rows[i].why))
            fail_msg("\"%s\" does not say \"%s\"", world.line, rows[i].why);
        world.now += apr_time_from_sec(29);
        assert_ptr_equal(facts_now(), facts);
        assert_int_equal(up.n_cacerts, 1);
        world.now += apr_time_from_sec(1);
        assert_ptr_equal(facts_now(), facts);
        assert_int_equal(up.n_cacerts, 2);
        assert_int_equal(world.n_lines[EST_LOG_WARNING], 1); /* not each time */
        up.is_down = 0;
        up.cacerts = cacerts_of(&t.ca);
        world.now += apr_time_from_sec(30);
        assert_ptr_equal(facts_now(), facts);
        assert_non_null(strstr(world.line, "can be looked at again"));
    }
}

static void test_without_any_copy_nothing_can_be_judged(void **state)
{
    (void)state;
    ready();
    up.is_down = 1;
    ASSERT_FAILS(facts_error(), ca_unavailable, "connection refused");
    ASSERT_FAILS(facts_error(), ca_unavailable, "connection refused"); /* told what the one before has found */
    assert_int_equal(up.n_cacerts, 1);
    world.now += apr_time_from_sec(1);
    up.is_down = 0;
    up.cacerts = plain(200, "MAMCAQE=");
    ASSERT_FAILS(facts_error(), ca_unavailable, "not a certs-only message");
    assert_int_equal(up.n_cacerts, 2);
    world.now += apr_time_from_sec(1);
    up.cacerts = cacerts_of(&t.ca);
    assert_int_equal(facts_now()->n_certs, 2);
}

static void *APR_THREAD_FUNC look(apr_thread_t *thread, void *out)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    if (t.driver->driver->facts(t.driver, out, p))
        *(const ca_facts_t **)out = NULL;
    apr_pool_destroy(p);
    (void)thread;
    return NULL; /* AddressSanitizer does not see the end of a stack by apr_thread_exit() */
}

static void test_one_looks_and_the_others_go_on(void **state)
{
    const ca_facts_t *found = NULL;
    apr_thread_t *thread;
    apr_status_t status;

    (void)state;
    ready();
    const ca_facts_t *facts = facts_now();
    hierarchy_t other = make_hierarchy("CN=Other");
    up.cacerts = cacerts_of(&other);
    world.now += apr_time_from_sec(3600);
    up.hold = 1;
    assert_int_equal(apr_thread_create(&thread, NULL, look, &found, pool), APR_SUCCESS);
    apr_thread_mutex_lock(up.lock);
    while (!up.is_held)
        apr_thread_cond_wait(up.changed, up.lock);
    apr_thread_mutex_unlock(up.lock);
    assert_ptr_equal(facts_now(), facts);
    apr_thread_mutex_lock(up.lock);
    up.hold = 0;
    apr_thread_cond_broadcast(up.changed);
    apr_thread_mutex_unlock(up.lock);
    apr_thread_join(&status, thread);
    assert_non_null(found);
    ASSERT_SLICE(cert_der(found->cert), cert_der(other.cert));
    assert_ptr_equal(facts_now(), found);
    assert_int_equal(up.n_cacerts, 2);
}

/* ---- the file */

static const char *cache_file(void)
{
    const char *path = apr_pstrcat(pool, t.dir, "/cache.pem", NULL);

    apr_pool_cleanup_register(pool, path, x509_test_remove, apr_pool_cleanup_null);
    return path;
}

/* As after a restart of httpd */
static void restart(void)
{
    start_driver();
    up.n_cacerts = 0;
}

static const char *temp_file_at(const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fclose(file);
    return path;
}

static void test_the_last_good_copy_outlives_a_restart(void **state)
{
    STACK_OF(X509) *certs;
    struct stat st;

    (void)state;
    prepare();
    t.config.cache = cache_file();
    start_driver();
    assert_null(t.driver->warning); /* that there is none yet */
    facts_now();
    assert_int_equal(stat(t.config.cache, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    ASSERT_OK(pki_load_certs(&certs, t.config.cache, pool));
    assert_int_equal(sk_X509_num(certs), 2);
    up.is_down = 1;
    restart();
    ASSERT_SLICE(cert_der(facts_now()->cert), cert_der(t.ca.cert));
    assert_int_equal(up.n_cacerts, 1); /* it was tried */
    /* before start, for those who only read the configuration */
    ASSERT_OK(open_driver());
    ASSERT_SLICE(cert_der(facts_now()->cert), cert_der(t.ca.cert));
    assert_int_equal(up.n_cacerts, 1);
    /* another process has written newer ones since */
    hierarchy_t other = make_hierarchy("CN=Other");
    X509 *both[] = {other.cert, other.root};
    FILE *file = fopen(t.config.cache, "w");
    for (int i = 0; i < 2; i++)
        assert_true(PEM_write_X509(file, both[i]));
    fclose(file);
    ASSERT_OK(t.driver->driver->start(t.driver, &env, pool));
    ASSERT_SLICE(cert_der(facts_now()->cert), cert_der(other.cert));
    assert_int_equal(world.n_lines[EST_LOG_ERROR], 0);
}

/* It has begun before the file was there, and has asked nobody until the upstream went down. */
static void test_what_another_process_has_kept_will_do(void **state)
{
    const ca_facts_t *facts;

    (void)state;
    prepare();
    t.config.cache = cache_file();
    start_driver();
    ca_t *late = t.driver;
    start_driver();
    up.is_down = 1;
    ASSERT_FAILS(late->driver->facts(late, &facts, pool), ca_unavailable, "");
    up.is_down = 0;
    facts_now();
    up.is_down = 1;
    world.now += apr_time_from_sec(1);
    ASSERT_OK(late->driver->facts(late, &facts, pool));
    ASSERT_SLICE(cert_der(facts->cert), cert_der(t.ca.cert));
    assert_int_equal(world.n_lines[EST_LOG_WARNING], 1); /* "those of before are used" */
}

static void test_the_file_changes_when_the_certificates_do(void **state)
{
    struct stat before, after;

    (void)state;
    prepare();
    t.config.cache = cache_file();
    start_driver();
    facts_now();
    assert_int_equal(stat(t.config.cache, &before), 0);
    world.now += apr_time_from_sec(3600);
    facts_now();
    assert_int_equal(stat(t.config.cache, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* not written anew */
    restart();
    facts_now();
    assert_int_equal(stat(t.config.cache, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    hierarchy_t other = make_hierarchy("CN=Other");
    up.cacerts = cacerts_of(&other);
    world.now += apr_time_from_sec(3600);
    facts_now();
    assert_int_equal(stat(t.config.cache, &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);
    up.is_down = 1;
    restart();
    ASSERT_SLICE(cert_der(facts_now()->cert), cert_der(other.cert));
    /* that somebody has removed it is noticed by the next who looks */
    up.is_down = 0;
    assert_int_equal(remove(t.config.cache), 0);
    world.now += apr_time_from_sec(3600);
    facts_now();
    assert_int_equal(stat(t.config.cache, &after), 0);
}

static void test_a_file_that_cannot_be_written_is_a_warning(void **state)
{
    (void)state;
    prepare();
    t.config.cache = apr_pstrcat(pool, t.dir, "/none/cache.pem", NULL);
    start_driver();
    facts_now();
    assert_int_equal(world.n_lines[EST_LOG_WARNING], 1);
    assert_non_null(strstr(world.line, "/none/cache.pem of <EstCA central> cannot be written"));
    assert_non_null(strstr(world.line, strerror(ENOENT)));
    for (int i = 0; i < 3; i++) { /* not each time */
        world.now += apr_time_from_sec(3600);
        facts_now();
    }
    assert_int_equal(world.n_lines[EST_LOG_WARNING], 1);
}

static void test_a_file_of_no_use_is_a_warning(void **state)
{
    FILE *file;

    (void)state;
    prepare();
    file = temp_file(&t.config.cache, t.dir, "cache.pem");
    fputs("what is this?\n", file);
    fclose(file);
    start_driver();
    assert_non_null(t.driver->warning);
    assert_non_null(strstr(t.driver->warning, "cache.pem of <EstCA central> is of no use: "));
    facts_now();
    restart(); /* it was replaced */
    assert_null(t.driver->warning);
}

/* Root reads at a start what the children have written. Were it to wait for what never comes, httpd would not start. */
static void test_a_file_that_is_none_keeps_nobody_waiting(void **state)
{
    const char *const what[] = {"a pipe", "/dev/zero", "too long"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        prepare();
        t.config.cache = cache_file();
        if (i == 0)
            assert_int_equal(mkfifo(t.config.cache, 0600), 0);
        else if (i == 1)
            assert_int_equal(symlink(what[i], t.config.cache), 0);
        else
            assert_int_equal(truncate(temp_file_at(t.config.cache), 3 * 1024 * 1024), 0);
        alarm(60);
        start_driver();
        assert_non_null(t.driver->warning);
        assert_non_null(strstr(t.driver->warning, i < 2 ? "is no regular file" : "is too long"));
        facts_now();
        alarm(0);
        restart(); /* it was replaced, and not what it pointed to */
        assert_null(t.driver->warning);
        assert_int_equal(remove(t.config.cache), 0);
    }
}

/* ---- rollover */

static void test_an_upstream_cannot_fill_the_memory_with_its_certificates(void **state)
{
    (void)state;
    ready();
    facts_now();
    for (int i = 1; i < 64; i++) {
        hierarchy_t other = make_hierarchy(apr_psprintf(pool, "CN=CA %d", i));
        up.cacerts = cacerts_of(&other);
        world.now += apr_time_from_sec(3600);
        ASSERT_SLICE(cert_der(facts_now()->cert), cert_der(other.cert));
    }
    const ca_facts_t *last = facts_now();
    hierarchy_t one_more = make_hierarchy("CN=One more");
    up.cacerts = cacerts_of(&one_more);
    world.now += apr_time_from_sec(3600);
    assert_ptr_equal(facts_now(), last);
    assert_non_null(strstr(world.line, "have changed 64 times"));
    answers_with(issued_by(&one_more, t.key));
    ASSERT_FAILS(issue(), ca_wrong, "was not issued by");
    /* one of before is no other */
    up.cacerts = cacerts_of(&t.ca);
    world.now += apr_time_from_sec(3600);
    ASSERT_SLICE(cert_der(facts_now()->cert), cert_der(t.ca.cert));
}

static void test_another_ca_makes_the_driver_look_again(void **state)
{
    (void)state;
    ready();
    facts_now();
    hierarchy_t other = make_hierarchy("CN=Issuing");
    X509 *cert = issued_by(&other, t.key);
    answers_with(cert);
    up.cacerts = cacerts_of(&other);
    ASSERT_OK(issue());
    ASSERT_SLICE(t.answer.der, cert_der(cert));
    assert_int_equal(up.n_cacerts, 2);
    ASSERT_SLICE(cert_der(facts_now()->cert), cert_der(other.cert));
    /* a request that was granted before: nobody has to ask once more */
    ASSERT_OK(issue());
    assert_int_equal(up.n_cacerts, 2);
    /* the first CA again, which cacerts has no more */
    answers_with(issued_by(&t.ca, t.key));
    t.request.facts = NULL;
    ASSERT_FAILS(issue(), ca_wrong, "was not issued by");
    assert_int_equal(up.n_cacerts, 3);
    /* both: during a rollover */
    X509 *all[] = {t.ca.cert, t.ca.root, other.cert, other.root};
    up.cacerts = message(4, all);
    ASSERT_OK(issue());
    assert_int_equal(facts_now()->n_issuers, 2);
    /* what else is wrong is found with the new certificates, too */
    t.fault = "it is too long";
    t.request.facts = NULL;
    ASSERT_FAILS(issue(), ca_wrong, t.fault);
}

static void test_cacerts_that_cannot_be_had_leave_the_issuer_unknown(void **state)
{
    (void)state;
    ready();
    facts_now();
    hierarchy_t other = make_hierarchy("CN=Issuing");
    answers_with(issued_by(&other, t.key));
    up.cacerts = plain(500, "oops");
    ASSERT_FAILS(issue(), ca_wrong, "was not issued by");
    up.cacerts = plain(200, "MAMCAQE=");
    ASSERT_FAILS(issue(), ca_wrong, "was not issued by");
    assert_true(t.answer.der.n > 0);
}

static void test_a_pinned_ca_is_never_asked_for(void **state)
{
    csr_spec_t spec = {.subject = "CN=dev7"};

    (void)state;
    prepare();
    t.config.certificate = cert_file(t.dir, "ca.pem", 1, &t.ca.cert);
    spec.key = t.key;
    start_driver();
    ask_for(&spec);
    assert_int_equal(facts_now()->n_certs, 1); /* the chain need not be whole: it is the upstream's business */
    answers_with(issued_by(&t.ca, t.key));
    ASSERT_OK(issue());
    hierarchy_t other = make_hierarchy("CN=Issuing");
    up.cacerts = cacerts_of(&other);
    answers_with(issued_by(&other, t.key));
    ASSERT_FAILS(issue(), ca_wrong, "EstCACertificate says which CA it must be");
    world.now += apr_time_from_sec(100000);
    facts_now();
    assert_int_equal(up.n_cacerts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_cacerts_are_asked_for_when_they_are_wanted_and_when_they_are_old),
        EST_TEST(test_cacerts_without_a_root_is_a_warning),
        EST_TEST(test_the_last_good_copy_is_used_while_there_is_no_better_one),
        EST_TEST(test_without_any_copy_nothing_can_be_judged),
        EST_TEST(test_one_looks_and_the_others_go_on),
        EST_TEST(test_the_last_good_copy_outlives_a_restart),
        EST_TEST(test_what_another_process_has_kept_will_do),
        EST_TEST(test_the_file_changes_when_the_certificates_do),
        EST_TEST(test_a_file_that_cannot_be_written_is_a_warning),
        EST_TEST(test_a_file_of_no_use_is_a_warning),
        EST_TEST(test_a_file_that_is_none_keeps_nobody_waiting),
        EST_TEST(test_an_upstream_cannot_fill_the_memory_with_its_certificates),
        EST_TEST(test_another_ca_makes_the_driver_look_again),
        EST_TEST(test_cacerts_that_cannot_be_had_leave_the_issuer_unknown),
        EST_TEST(test_a_pinned_ca_is_never_asked_for),
    };
    return EST_TEST_RUN(tests);
}
