/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store/store_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <string.h>

#define START apr_time_from_sec(1000000)
#define THREADS 8

/* A store that counts what it is asked. Threads use it only where a test says so: gate then holds them up. */
typedef struct {
    store_t base;
    apr_int64_t version;
    int failing;
    atomic_int loads, versions, clients, destroyed;
    const char *row_version; /* of the client "known"; NULL: there is none */
    store_cache_t *during;   /* cache whose client is dropped while client_get is under way */
    apr_thread_mutex_t *gate;
    atomic_int at_gate;   /* calls that it holds up */
    atomic_int reloaders; /* threads about to reload */
} fake_t;

static struct {
    apr_pool_t *pool;
    est_env_t env;
    apr_time_t now;
    int warnings, notices;
    fake_t store;
    store_cache_t *cache;
} t;

static apr_time_t fake_now(const est_env_t *env)
{
    (void)env;
    return t.now;
}

static void fake_log(const est_env_t *env, est_log_level_t level, const char *line)
{
    (void)env;
    assert_non_null(line);
    t.warnings += level == EST_LOG_WARNING;
    t.notices += level == EST_LOG_NOTICE;
}

static apr_status_t count_destroyed(void *data)
{
    ++*(atomic_int *)data;
    return APR_SUCCESS;
}

static est_err_t *fake_load(store_t *store, policy_snapshot_t **out, apr_pool_t *pool)
{
    fake_t *fake = (fake_t *)store;
    policy_rows_t rows = {.version = fake->version};

    fake->loads++;
    if (fake->gate) {
        fake->at_gate++;
        apr_thread_mutex_lock(fake->gate);
        apr_thread_mutex_unlock(fake->gate);
    }
    apr_pool_cleanup_register(pool, &fake->destroyed, count_destroyed, apr_pool_cleanup_null);
    if (fake->failing)
        return EST_FAIL(pool, store_unavailable, "fake is down");
    return policy_snapshot_make(out, &rows, pool);
}

static est_err_t *fake_version(store_t *store, apr_int64_t *out, apr_pool_t *pool)
{
    fake_t *fake = (fake_t *)store;

    fake->versions++;
    *out = fake->version;
    return fake->failing ? EST_FAIL(pool, store_unavailable, "fake is down") : NULL;
}

static est_err_t *fake_client(store_t *store, policy_client_row_t *row, const char *user, apr_pool_t *pool)
{
    fake_t *fake = (fake_t *)store;

    fake->clients++;
    if (fake->failing)
        return EST_FAIL(pool, store_unavailable, "fake is down");
    memset(row, 0, sizeof(*row));
    if (fake->row_version) {
        row->id = "7";
        row->version = apr_pstrdup(pool, fake->row_version);
        row->user_name = apr_pstrdup(pool, user);
        row->enabled = "t";
    }
    if (fake->during)
        store_cache_drop_client(fake->during, user);
    return NULL;
}

/* The first octet of the fingerprint is the user's name */
static est_err_t *fake_by_certificate(store_t *store, policy_client_row_t *row, const pki_cert_t *cert,
                                      apr_pool_t *pool)
{
    return fake_client(store, row, apr_pstrmemdup(pool, (const char *)cert->fingerprint, 1), pool);
}

static int setup(void **state)
{
    static const store_vtable_t vtable = {.load_policy = fake_load,
                                          .policy_version = fake_version,
                                          .client_get = fake_client,
                                          .client_by_certificate = fake_by_certificate};

    (void)state;
    memset(&t, 0, sizeof(t));
    apr_pool_create(&t.pool, NULL);
    t.now = START;
    t.env.now = fake_now;
    t.env.log = fake_log;
    t.store.base.vt = &vtable;
    t.store.version = 1;
    assert_null(store_cache_make(&t.cache, &t.store.base, &t.env, t.pool));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    apr_pool_destroy(t.pool);
    return 0;
}

/* The version a request of now gets; -1: policy_unavailable */
static apr_int64_t version_now(apr_interval_time_t max_age)
{
    const policy_snapshot_t *snapshot;
    apr_pool_t *request;
    apr_int64_t version = -1;
    est_err_t *err;

    apr_pool_create(&request, t.pool);
    err = store_cache_policy(t.cache, &snapshot, max_age, request);
    if (!err)
        version = policy_snapshot_version(snapshot);
    else
        assert_int_equal(err->code, EST_E_policy_unavailable);
    apr_pool_destroy(request);
    return version;
}

/* Version of the client's row, 0 when there is no such client */
static apr_int64_t client_now(const char *user)
{
    policy_client_t *client;
    apr_pool_t *request;
    apr_int64_t version;

    apr_pool_create(&request, t.pool);
    assert_null(store_cache_client(t.cache, &client, user, request));
    if (client)
        assert_string_equal(client->user, user);
    version = client ? client->version : 0;
    apr_pool_destroy(request);
    return version;
}

/* The same of the client whose certificate has a fingerprint that begins with user, of one character */
static apr_int64_t holder_now(const char *user)
{
    pki_cert_t cert = {.fingerprint = {(unsigned char)*user}};
    policy_client_t *client;
    apr_pool_t *request;
    apr_int64_t version;

    apr_pool_create(&request, t.pool);
    assert_null(store_cache_client_by_certificate(t.cache, &client, &cert, request));
    if (client)
        assert_string_equal(client->user, user);
    version = client ? client->version : 0;
    apr_pool_destroy(request);
    return version;
}

static const policy_snapshot_t *make_seed(apr_int64_t version)
{
    policy_rows_t rows = {.version = version};
    policy_snapshot_t *seed;

    assert_null(policy_snapshot_make(&seed, &rows, t.pool));
    return seed;
}

/* --- policy */

static void test_policy_is_loaded_once_and_its_version_asked_for_every_500_ms(void **state)
{
    (void)state;
    assert_int_equal(version_now(0), 1);
    t.now += STORE_CACHE_POLL;
    assert_int_equal(version_now(0), 1);
    assert_int_equal(t.store.loads, 1);
    assert_int_equal(t.store.versions, 0);

    t.now += 1;
    assert_int_equal(version_now(0), 1);
    assert_int_equal(t.store.versions, 1);
    assert_int_equal(t.store.loads, 1);

    t.store.version = 2;
    assert_int_equal(version_now(0), 1);
    t.now += STORE_CACHE_POLL + 1;
    assert_int_equal(version_now(0), 2);
    assert_int_equal(t.store.loads, 2);
}

static void test_a_clock_set_back_makes_the_cache_ask(void **state)
{
    (void)state;
    assert_int_equal(version_now(0), 1);
    t.store.version = 2;
    t.now -= apr_time_from_sec(3600);
    assert_int_equal(version_now(0), 2);
}

static void test_nothing_is_asked_while_somebody_listens(void **state)
{
    (void)state;
    assert_null(store_cache_reload(t.cache, t.pool));
    store_cache_set_listening(t.cache, 1);
    t.store.version = 2;
    t.now += apr_time_from_sec(60);
    assert_int_equal(version_now(0), 1);
    assert_int_equal(t.store.versions, 0);

    store_cache_set_listening(t.cache, 0);
    assert_int_equal(version_now(0), 2);
}

static void test_a_reader_keeps_its_snapshot_until_its_pool_is_cleared(void **state)
{
    const policy_snapshot_t *held;
    apr_pool_t *reader;

    (void)state;
    apr_pool_create(&reader, t.pool);
    assert_null(store_cache_policy(t.cache, &held, 0, reader));
    t.store.version = 2;
    assert_null(store_cache_reload(t.cache, t.pool));
    assert_int_equal(version_now(0), 2);
    assert_int_equal(t.store.destroyed, 0);
    assert_int_equal(policy_snapshot_version(held), 1);
    apr_pool_clear(reader);
    assert_int_equal(t.store.destroyed, 1);

    /* A snapshot outlives even the cache when a reader holds it */
    assert_null(store_cache_policy(t.cache, &held, 0, reader));
    {
        apr_pool_t *own;

        apr_pool_create(&own, NULL);
        apr_pool_destroy(reader);
        assert_null(store_cache_make(&t.cache, &t.store.base, &t.env, own));
        apr_pool_create(&reader, t.pool);
        assert_null(store_cache_policy(t.cache, &held, 0, reader));
        apr_pool_destroy(own);
    }
    assert_int_equal(t.store.destroyed, 1);
    assert_int_equal(policy_snapshot_version(held), 2);
    apr_pool_destroy(reader);
    assert_int_equal(t.store.destroyed, 2);
}

static void test_an_older_snapshot_serves_while_the_store_fails(void **state)
{
    (void)state;
    assert_int_equal(version_now(0), 1);
    t.store.failing = 1;
    t.store.version = 2;
    for (int i = 0; i < 3; i++) {
        t.now += STORE_CACHE_POLL + 1;
        assert_int_equal(version_now(0), 1);
        assert_int_equal(version_now(0), 1); /* this one does not ask again */
        assert_int_equal(t.store.versions, i + 1);
    }
    assert_int_equal(t.warnings, 1);

    t.store.failing = 0;
    t.now += STORE_CACHE_POLL + 1;
    assert_int_equal(version_now(0), 2);
    assert_int_equal(t.warnings, 1);
    assert_int_equal(t.notices, 1);
}

static void test_what_changes_nothing_is_content_with_the_snapshot_at_hand(void **state)
{
    const policy_snapshot_t *snapshot;

    (void)state;
    assert_null(store_cache_policy_at_hand(t.cache, &snapshot, t.pool));
    assert_int_equal(t.store.loads, 1);
    t.store.failing = 1;
    t.now += STORE_CACHE_POLL + 1;
    assert_null(store_cache_policy_at_hand(t.cache, &snapshot, t.pool));
    assert_int_equal(t.store.versions, 1);
    t.now += apr_time_from_sec(5); /* failed less than 5 seconds ago: nobody is asked */
    assert_null(store_cache_policy_at_hand(t.cache, &snapshot, t.pool));
    assert_int_equal(t.store.versions, 1);
    t.now += 1;
    assert_null(store_cache_policy_at_hand(t.cache, &snapshot, t.pool));
    assert_int_equal(t.store.versions, 2);
    assert_int_equal(policy_snapshot_version(snapshot), 1);
}

static void test_without_any_snapshot_policy_is_unavailable(void **state)
{
    const policy_snapshot_t *snapshot;
    est_err_t *err;

    (void)state;
    t.store.failing = 1;
    err = store_cache_policy(t.cache, &snapshot, 0, t.pool);
    assert_int_equal(err->code, EST_E_policy_unavailable);
    assert_non_null(strstr(err->detail, "fake is down"));
    assert_int_equal(version_now(0), -1);
    assert_int_equal(t.store.loads, 1);

    t.store.failing = 0;
    t.now += STORE_CACHE_POLL + 1;
    assert_int_equal(version_now(0), 1);
}

static void test_a_snapshot_over_max_age_is_not_handed_out(void **state)
{
    const apr_interval_time_t limit = apr_time_from_sec(60);

    (void)state;
    assert_int_equal(version_now(limit), 1);
    t.store.failing = 1;
    t.now += limit;
    assert_int_equal(version_now(limit), 1);
    t.now += 1;
    assert_int_equal(version_now(limit), -1);
    assert_int_equal(version_now(0), 1);

    /* Also when somebody listens, but hears nothing any more */
    store_cache_set_listening(t.cache, 1);
    assert_int_equal(version_now(limit), -1);
    assert_null(store_cache_confirm(t.cache, 1, t.pool));
    assert_int_equal(version_now(limit), 1);
}

static void test_a_seed_is_never_confirmed(void **state)
{
    (void)state;
    store_cache_seed(t.cache, make_seed(1));
    t.store.failing = 1;
    assert_int_equal(version_now(0), 1);
    assert_int_equal(t.store.versions, 1);
    assert_int_equal(version_now(apr_time_from_sec(60)), -1);

    t.store.failing = 0;
    t.now += STORE_CACHE_POLL + 1;
    assert_int_equal(version_now(apr_time_from_sec(60)), 1);
    assert_int_equal(t.store.loads, 0); /* the version was still the same */
}

static void test_a_seed_gives_way_to_a_newer_policy_at_the_first_request(void **state)
{
    (void)state;
    store_cache_seed(t.cache, make_seed(1));
    t.store.version = 5;
    assert_int_equal(version_now(0), 5);
}

static void test_confirm_reloads_only_another_version(void **state)
{
    (void)state;
    assert_null(store_cache_confirm(t.cache, 1, t.pool));
    assert_int_equal(t.store.loads, 1);
    assert_null(store_cache_confirm(t.cache, 1, t.pool));
    assert_int_equal(t.store.loads, 1);
    t.store.version = 2;
    assert_null(store_cache_confirm(t.cache, 2, t.pool));
    assert_int_equal(t.store.loads, 2);
    t.store.version = 1; /* an older dump was restored */
    assert_null(store_cache_confirm(t.cache, 1, t.pool));
    assert_int_equal(version_now(0), 1);

    t.store.failing = 1;
    assert_int_equal(store_cache_confirm(t.cache, 9, t.pool)->code, EST_E_store_unavailable);
    assert_int_equal(version_now(0), 1);
}

static void test_reload_reads_even_an_equal_version(void **state)
{
    (void)state;
    assert_int_equal(version_now(0), 1);
    assert_null(store_cache_reload(t.cache, t.pool));
    assert_int_equal(t.store.loads, 2);
    assert_int_equal(t.store.versions, 0);
    assert_int_equal(t.store.destroyed, 1);
}

/* --- threads */

typedef struct {
    apr_thread_t *thread;
    int reload;
    apr_int64_t version; /* what it got; -1: an error */
} worker_t;

static void *APR_THREAD_FUNC work(apr_thread_t *thread, void *data)
{
    worker_t *worker = data;
    const policy_snapshot_t *snapshot;
    apr_pool_t *pool;
    est_err_t *err = NULL;

    (void)thread;
    apr_pool_create_unmanaged(&pool);
    if (worker->reload && ++t.store.reloaders)
        err = store_cache_reload(t.cache, pool);
    if (!err)
        err = store_cache_policy(t.cache, &snapshot, 0, pool);
    worker->version = err ? -1 : policy_snapshot_version(snapshot);
    apr_pool_destroy(pool);
    return NULL;
}

static void start(worker_t *workers, int n, int reload)
{
    for (int i = 0; i < n; i++) {
        workers[i] = (worker_t){.reload = reload};
        assert_int_equal(apr_thread_create(&workers[i].thread, NULL, work, &workers[i], t.pool), APR_SUCCESS);
    }
}

static void join(worker_t *workers, int n)
{
    apr_status_t ended;

    for (int i = 0; i < n; i++)
        assert_int_equal(apr_thread_join(&ended, workers[i].thread), APR_SUCCESS);
}

static void close_gate(void)
{
    apr_thread_mutex_create(&t.store.gate, APR_THREAD_MUTEX_DEFAULT, t.pool);
    apr_thread_mutex_lock(t.store.gate);
}

static void await(atomic_int *counter, int n)
{
    for (int i = 0; i < 5000 && *counter < n; i++)
        apr_sleep(1000);
    assert_int_equal(*counter, n);
}

static void test_threads_without_a_snapshot_share_one_load(void **state)
{
    worker_t workers[THREADS];

    (void)state;
    close_gate();
    start(workers, THREADS, 0);
    await(&t.store.at_gate, 1);
    apr_thread_mutex_unlock(t.store.gate);
    join(workers, THREADS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(workers[i].version, 1);
    assert_int_equal(t.store.loads, 1);
}

static void test_a_thread_with_a_snapshot_does_not_wait_for_the_one_that_asks(void **state)
{
    worker_t worker;

    (void)state;
    assert_int_equal(version_now(0), 1);
    close_gate();
    start(&worker, 1, 1);
    await(&t.store.at_gate, 1);
    t.now += STORE_CACHE_POLL + 1;
    assert_int_equal(version_now(0), 1);
    apr_thread_mutex_unlock(t.store.gate);
    join(&worker, 1);
    assert_int_equal(t.store.loads, 2);
}

/* A load that began before the reload was asked for may have read what was before the change */
static void test_reload_does_not_trust_a_load_under_way(void **state)
{
    worker_t first, others[THREADS];

    (void)state;
    close_gate();
    start(&first, 1, 0);
    await(&t.store.at_gate, 1);
    t.store.version = 2; /* the load under way has read version 1 */
    start(others, THREADS, 1);
    await(&t.store.reloaders, THREADS);
    apr_thread_mutex_unlock(t.store.gate);
    join(&first, 1);
    join(others, THREADS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(others[i].version, 2);
    assert_in_range(t.store.loads, 2, 1 + THREADS); /* one that came late loads for itself */
}

/* --- clients */

static void test_a_client_is_fetched_once(void **state)
{
    (void)state;
    store_cache_set_listening(t.cache, 1);
    t.store.row_version = "3";
    assert_int_equal(client_now("known"), 3);
    t.store.row_version = "4";
    t.now += STORE_CACHE_CLIENT_TTL - 1;
    assert_int_equal(client_now("known"), 3);
    assert_int_equal(t.store.clients, 1);
    t.now += 2;
    assert_int_equal(client_now("known"), 4);
    assert_int_equal(t.store.clients, 2);
}

static void test_an_absent_client_is_remembered_for_5_seconds(void **state)
{
    (void)state;
    store_cache_set_listening(t.cache, 1);
    assert_int_equal(client_now("absent"), 0);
    t.store.row_version = "1";
    t.now += apr_time_from_sec(5) - 1;
    assert_int_equal(client_now("absent"), 0);
    assert_int_equal(t.store.clients, 1);
    t.now += 2;
    assert_int_equal(client_now("absent"), 1);
}

/* A pooler in transaction mode, or prefork: what changed is seen as soon as a change of policy is */
static void test_where_nobody_listens_a_client_is_asked_for_anew(void **state)
{
    (void)state;
    store_cache_set_listening(t.cache, 1);
    t.store.row_version = "3";
    assert_int_equal(client_now("known"), 3);
    t.store.row_version = "4";
    store_cache_set_listening(t.cache, 0); /* and what was heard of until then is forgotten */
    assert_int_equal(client_now("known"), 4);
    t.store.row_version = "5";
    t.now += STORE_CACHE_POLL - 1;
    assert_int_equal(client_now("known"), 4);
    t.now += 2;
    assert_int_equal(client_now("known"), 5);
    t.store.row_version = NULL;
    assert_int_equal(holder_now("a"), 0);
    t.store.row_version = "6";
    t.now += STORE_CACHE_POLL + 1;
    assert_int_equal(holder_now("a"), 6);
}

static void test_a_dropped_client_is_fetched_again(void **state)
{
    (void)state;
    t.store.row_version = "3";
    client_now("a");
    client_now("b");
    t.store.row_version = "4";
    store_cache_drop_client(t.cache, "a");
    assert_int_equal(client_now("a"), 4);
    assert_int_equal(client_now("b"), 3);
    t.store.row_version = "5";
    store_cache_drop_client(t.cache, NULL);
    assert_int_equal(client_now("a"), 5);
    assert_int_equal(client_now("b"), 5);
}

static void test_a_row_read_before_its_change_was_told_is_not_kept(void **state)
{
    (void)state;
    t.store.row_version = "3";
    t.store.during = t.cache;
    assert_int_equal(client_now("known"), 3);
    t.store.during = NULL;
    t.store.row_version = "4";
    assert_int_equal(client_now("known"), 4);
    assert_int_equal(client_now("known"), 4);
    assert_int_equal(t.store.clients, 2);
}

static void test_a_failure_to_fetch_a_client_is_not_remembered(void **state)
{
    policy_client_t *client;

    (void)state;
    t.store.failing = 1;
    assert_int_equal(store_cache_client(t.cache, &client, "known", t.pool)->code, EST_E_store_unavailable);
    t.store.failing = 0;
    t.store.row_version = "3";
    assert_int_equal(client_now("known"), 3);
}

static void test_long_user_names_are_kept_apart(void **state)
{
    char a[300], b[300];

    (void)state;
    memset(a, 'x', sizeof(a));
    a[sizeof(a) - 1] = '\0';
    memcpy(b, a, sizeof(a));
    b[sizeof(b) - 2] = 'y';
    t.store.row_version = "3";
    assert_int_equal(client_now(a), 3);
    t.store.row_version = "4";
    assert_int_equal(client_now(b), 4);
    assert_int_equal(client_now(a), 3);
    store_cache_drop_client(t.cache, a);
    assert_int_equal(client_now(a), 4);
    assert_int_equal(t.store.clients, 3);
}

/* --- clients known by a certificate */

static void test_a_client_is_known_by_its_certificate_for_a_minute(void **state)
{
    (void)state;
    store_cache_set_listening(t.cache, 1);
    t.store.row_version = "3";
    assert_int_equal(holder_now("a"), 3);
    t.store.row_version = "4";
    assert_int_equal(holder_now("b"), 4);
    t.now += STORE_CACHE_CERTIFICATE_TTL - 1;
    assert_int_equal(holder_now("a"), 3);
    assert_int_equal(t.store.clients, 2);
    t.now += 2;
    assert_int_equal(holder_now("a"), 4);
}

static void test_an_unknown_certificate_is_remembered_for_a_second(void **state)
{
    (void)state;
    store_cache_set_listening(t.cache, 1);
    assert_int_equal(holder_now("a"), 0);
    t.store.row_version = "1";
    t.now += apr_time_from_sec(1) - 1;
    assert_int_equal(holder_now("a"), 0);
    assert_int_equal(t.store.clients, 1);
    t.now += 2;
    assert_int_equal(holder_now("a"), 1);
}

static void test_any_change_of_a_client_forgets_all_certificates(void **state)
{
    (void)state;
    for (int version = 3; version < 5; version++) {
        t.store.row_version = version == 3 ? "3" : "4";
        assert_int_equal(holder_now("a"), version);
        assert_int_equal(holder_now("b"), version);
        t.store.row_version = "9";
        store_cache_drop_client(t.cache, version == 3 ? "someone-else" : NULL);
        assert_int_equal(holder_now("a"), 9);
        store_cache_drop_client(t.cache, NULL);
    }
    t.store.row_version = "3";
    t.store.during = t.cache; /* changed while it was read */
    assert_int_equal(holder_now("c"), 3);
    t.store.during = NULL;
    t.store.row_version = "4";
    assert_int_equal(holder_now("c"), 4);
}

static void test_a_failure_to_fetch_by_certificate_is_not_remembered(void **state)
{
    pki_cert_t cert = {.fingerprint = {'a'}};
    policy_client_t *client;

    (void)state;
    t.store.failing = 1;
    assert_int_equal(store_cache_client_by_certificate(t.cache, &client, &cert, t.pool)->code, EST_E_store_unavailable);
    t.store.failing = 0;
    t.store.row_version = "3";
    assert_int_equal(holder_now("a"), 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_policy_is_loaded_once_and_its_version_asked_for_every_500_ms),
        TEST(test_a_clock_set_back_makes_the_cache_ask),
        TEST(test_nothing_is_asked_while_somebody_listens),
        TEST(test_a_reader_keeps_its_snapshot_until_its_pool_is_cleared),
        TEST(test_an_older_snapshot_serves_while_the_store_fails),
        TEST(test_what_changes_nothing_is_content_with_the_snapshot_at_hand),
        TEST(test_without_any_snapshot_policy_is_unavailable),
        TEST(test_a_snapshot_over_max_age_is_not_handed_out),
        TEST(test_a_seed_is_never_confirmed),
        TEST(test_a_seed_gives_way_to_a_newer_policy_at_the_first_request),
        TEST(test_confirm_reloads_only_another_version),
        TEST(test_reload_reads_even_an_equal_version),
        TEST(test_threads_without_a_snapshot_share_one_load),
        TEST(test_a_thread_with_a_snapshot_does_not_wait_for_the_one_that_asks),
        TEST(test_reload_does_not_trust_a_load_under_way),
        TEST(test_a_client_is_fetched_once),
        TEST(test_an_absent_client_is_remembered_for_5_seconds),
        TEST(test_where_nobody_listens_a_client_is_asked_for_anew),
        TEST(test_a_dropped_client_is_fetched_again),
        TEST(test_a_row_read_before_its_change_was_told_is_not_kept),
        TEST(test_a_failure_to_fetch_a_client_is_not_remembered),
        TEST(test_long_user_names_are_kept_apart),
        TEST(test_a_client_is_known_by_its_certificate_for_a_minute),
        TEST(test_an_unknown_certificate_is_remembered_for_a_second),
        TEST(test_any_change_of_a_client_forgets_all_certificates),
        TEST(test_a_failure_to_fetch_by_certificate_is_not_remembered),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
