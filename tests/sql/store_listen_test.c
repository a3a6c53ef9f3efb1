/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* store_pg: how changes of policy and clients are heard of. Part of store_pg_test */

#include "store_pg_test.h"

typedef struct {
    apr_pool_t *pool;
    store_cache_t *cache;
} listening_t;

static void listen_start(listening_t *l, const char *info)
{
    store_pg_config_t config = {info, 2, apr_time_from_sec(5)};
    store_t *store;

    apr_pool_create(&l->pool, t.pool);
    succeed(store_pg_open(&store, &config, &t.env, l->pool));
    succeed(store_cache_make(&l->cache, store, &t.env, l->pool));
    succeed(store_pg_listen(store, l->cache, l->pool));
}

static apr_int64_t cached_version(const listening_t *l)
{
    const policy_snapshot_t *snapshot;
    apr_pool_t *request;
    apr_int64_t version;

    apr_pool_create(&request, l->pool);
    succeed(store_cache_policy(l->cache, &snapshot, 0, request));
    version = policy_snapshot_version(snapshot);
    apr_pool_destroy(request);
    return version;
}

static apr_int64_t cached_client(const listening_t *l, const char *user)
{
    policy_client_t *client;

    succeed(store_cache_client(l->cache, &client, user, t.pool));
    return client ? client->version : 0;
}

/* Until a change of policy is seen; how long that took */
static apr_interval_time_t await_version(const listening_t *l, apr_int64_t version)
{
    apr_time_t began = apr_time_now();

    while (cached_version(l) != version) {
        assert_true(apr_time_now() - began < LIMIT);
        apr_sleep(MS);
    }
    return apr_time_now() - began;
}

/* Until a change of a client is seen: nothing but a notification drops one from memory */
static void await_listening(const listening_t *l)
{
    apr_time_t until = apr_time_now() + LIMIT;

    for (;;) {
        apr_int64_t version = cached_client(l, "ping"), next;

        sql("UPDATE est.client SET description = 'x' WHERE user_name = 'ping'");
        for (int i = 0; i < 100 && (next = cached_client(l, "ping")) == version; i++)
            apr_sleep(MS);
        if (next != version)
            return;
        assert_true(apr_time_now() < until);
    }
}

static void change_policy(void)
{
    sql("UPDATE est.entity_group SET description = coalesce(description, '') || '.'");
}

/* Changes are seen within a second: most of them, as the machine may stand still for a moment; await_version() has a
 * limit for each */
static void follow_changes(const listening_t *l, int n)
{
    int in_time = 0;

    for (int i = 0; i < n; i++) {
        change_policy();
        in_time += await_version(l, policy_now()) <= apr_time_from_sec(1);
    }
    assert_in_range(in_time, n / 2 + 1, n);
}

void test_changes_arrive_by_notification(void **state)
{
    listening_t l;
    apr_int64_t version;

    (void)state;
    sql("SELECT est.register_client('ping')");
    sql("SELECT est.register_client('ping2')");
    listen_start(&l, conninfo("5432", "est_module", "est"));
    await_listening(&l);

    follow_changes(&l, 5);

    version = cached_client(&l, "ping2");
    sql("UPDATE est.client SET enabled = false WHERE user_name = 'ping2'");
    for (int i = 0; cached_client(&l, "ping2") == version; i++) {
        assert_in_range(i, 0, 10000); /* nothing but a notification ends this */
        apr_sleep(MS);
    }

    /* What else is said on the channel does no harm */
    sql("SELECT pg_notify('est', x) FROM unnest(ARRAY['', 'probe', 'probe abc', 'policy', 'policy x', 'client', "
        "'client ', 'nonsense']) x");
    follow_changes(&l, 3);
    apr_pool_destroy(l.pool);
    wait_until("SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'est_module'");
}

void test_a_listener_that_lost_its_connection_misses_nothing(void **state)
{
    listening_t l;
    apr_int64_t client;
    int before = t.warnings;

    (void)state;
    listen_start(&l, conninfo("5432", "est_module", "est"));
    await_listening(&l);
    client = cached_client(&l, "ping2");
    stop_server("fast");
    start_server();
    change_policy();
    sql("UPDATE est.client SET description = 'y' WHERE user_name = 'ping2'");
    assert_in_range(await_version(&l, policy_now()), 0, apr_time_from_sec(5));
    await_listening(&l);
    assert_true(cached_client(&l, "ping2") != client);
    assert_in_range(t.warnings - before, 1, 2); /* once by the listener, perhaps by a request that asked meanwhile */
    follow_changes(&l, 3);
    apr_pool_destroy(l.pool);
}

void test_a_pooler_in_transaction_mode_works(void **state)
{
    const char *info = conninfo("6432", "est_module", "est");
    store_t *direct = t.store;
    policy_client_row_t row;
    listening_t l;

    (void)state;
    t.store = open_store_at(info, 4, apr_time_from_sec(30));
    for (int round = 0; round < 10; round++) {
        caller_t callers[4];

        for (int i = 0; i < 4; i++)
            call_start(&callers[i], t.store, "pooled");
        for (int i = 0; i < 4; i++) {
            call_end(&callers[i]);
            succeed(callers[i].err);
            assert_int_equal(callers[i].outcome.kind, STORE_ISSUED);
            apr_pool_destroy(callers[i].pool);
        }
        succeed(t.store->vt->client_get(t.store, &row, "ping", t.pool));
    }
    assert_int_equal(certificates_of("pooled"), 40);
    t.store = direct;

    /* Notifications do not come through: the listener finds that out and asks */
    listen_start(&l, info);
    for (int i = 0; !t.polling; i++) {
        assert_in_range(i, 0, 10000);
        apr_sleep(MS);
    }
    follow_changes(&l, 5);
    apr_pool_destroy(l.pool);
}
