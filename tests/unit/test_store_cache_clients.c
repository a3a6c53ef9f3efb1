/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* The cache of clients, by name and by certificate */
#include "cache_test.h"

/* Version of the client's row, 0 when there is no such client */
static apr_int64_t found_now(const char *user, const pki_cert_t *cert)
{
    policy_client_t *client;
    apr_pool_t *request;
    apr_int64_t version;

    apr_pool_create(&request, pool);
    if (cert)
        ASSERT_OK(store_cache_client_by_certificate(t.cache, &client, cert, request));
    else
        ASSERT_OK(store_cache_client(t.cache, &client, user, request));
    if (client)
        assert_string_equal(client->user, user);
    version = client ? client->version : 0;
    apr_pool_destroy(request);
    return version;
}

static apr_int64_t client_now(const char *user)
{
    return found_now(user, NULL);
}

/* The client whose certificate has a fingerprint that begins with user, of one character */
static apr_int64_t holder_now(const char *user)
{
    return found_now(user, &(pki_cert_t){.fingerprint = {(unsigned char)*user}});
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
    ASSERT_FAILS(store_cache_client(t.cache, &client, "known", pool), store_unavailable, NULL);
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
    ASSERT_FAILS(store_cache_client_by_certificate(t.cache, &client, &cert, pool), store_unavailable, NULL);
    t.store.failing = 0;
    t.store.row_version = "3";
    assert_int_equal(holder_now("a"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(test_a_client_is_fetched_once),
        CACHE_TEST(test_an_absent_client_is_remembered_for_5_seconds),
        CACHE_TEST(test_where_nobody_listens_a_client_is_asked_for_anew),
        CACHE_TEST(test_a_dropped_client_is_fetched_again),
        CACHE_TEST(test_a_row_read_before_its_change_was_told_is_not_kept),
        CACHE_TEST(test_a_failure_to_fetch_a_client_is_not_remembered),
        CACHE_TEST(test_long_user_names_are_kept_apart),
        CACHE_TEST(test_a_client_is_known_by_its_certificate_for_a_minute),
        CACHE_TEST(test_an_unknown_certificate_is_remembered_for_a_second),
        CACHE_TEST(test_any_change_of_a_client_forgets_all_certificates),
        CACHE_TEST(test_a_failure_to_fetch_by_certificate_is_not_remembered),
    };

    return EST_TEST_RUN(tests);
}
