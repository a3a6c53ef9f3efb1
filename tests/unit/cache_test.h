/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CACHE_TEST_H
#define CACHE_TEST_H

/* The cache over a store that counts what it is asked, with a clock that tests set. A test is made by CACHE_TEST(). */

#include "est_test.h"

#include "store/store_cache.h"

#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <stdatomic.h>

#define START apr_time_from_sec(1000000)

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
    est_env_t env;
    apr_time_t now;
    int warnings, notices;
    fake_t store;
    store_cache_t *cache;
} t;

static inline apr_time_t fake_now(const est_env_t *env)
{
    (void)env;
    return t.now;
}

static inline void fake_log(const est_env_t *env, est_log_level_t level, const char *line)
{
    (void)env;
    assert_non_null(line);
    t.warnings += level == EST_LOG_WARNING;
    t.notices += level == EST_LOG_NOTICE;
}

static inline apr_status_t count_destroyed(void *data)
{
    ++*(atomic_int *)data;
    return APR_SUCCESS;
}

static inline est_err_t *fake_load(store_t *store, policy_snapshot_t **out, apr_pool_t *own)
{
    fake_t *fake = (fake_t *)store;
    policy_rows_t rows = {.version = fake->version};

    fake->loads++;
    if (fake->gate) {
        fake->at_gate++;
        apr_thread_mutex_lock(fake->gate);
        apr_thread_mutex_unlock(fake->gate);
    }
    apr_pool_cleanup_register(own, &fake->destroyed, count_destroyed, apr_pool_cleanup_null);
    if (fake->failing)
        return EST_FAIL(own, store_unavailable, "fake is down");
    return policy_snapshot_make(out, &rows, own);
}

static inline est_err_t *fake_version(store_t *store, apr_int64_t *out, apr_pool_t *request)
{
    fake_t *fake = (fake_t *)store;

    fake->versions++;
    *out = fake->version;
    return fake->failing ? EST_FAIL(request, store_unavailable, "fake is down") : NULL;
}

static inline est_err_t *fake_client(store_t *store, policy_client_row_t *row, const char *user,
                                     apr_pool_t *request)
{
    fake_t *fake = (fake_t *)store;

    fake->clients++;
    if (fake->failing)
        return EST_FAIL(request, store_unavailable, "fake is down");
    memset(row, 0, sizeof(*row));
    if (fake->row_version) {
        row->id = "7";
        row->version = apr_pstrdup(request, fake->row_version);
        row->user_name = apr_pstrdup(request, user);
        row->enabled = "t";
    }
    if (fake->during)
        store_cache_drop_client(fake->during, user);
    return NULL;
}

/* The first octet of the fingerprint is the user's name */
static inline est_err_t *fake_by_certificate(store_t *store, policy_client_row_t *row, const pki_cert_t *cert,
                                             apr_pool_t *request)
{
    return fake_client(store, row, apr_pstrmemdup(request, (const char *)cert->fingerprint, 1), request);
}

static inline int cache_test_setup(void **state)
{
    static const store_vtable_t vtable = {.load_policy = fake_load,
                                          .policy_version = fake_version,
                                          .client_get = fake_client,
                                          .client_by_certificate = fake_by_certificate};

    if (est_test_setup(state))
        return 1;
    memset(&t, 0, sizeof(t));
    t.now = START;
    t.env.now = fake_now;
    t.env.log = fake_log;
    t.store.base.vt = &vtable;
    t.store.version = 1;
    ASSERT_OK(store_cache_make(&t.cache, &t.store.base, &t.env, pool));
    return 0;
}

#define CACHE_TEST(function) cmocka_unit_test_setup_teardown(function, cache_test_setup, est_test_teardown)

/* The version a request of now gets; -1: policy_unavailable */
static inline apr_int64_t version_now(apr_interval_time_t max_age)
{
    const policy_snapshot_t *snapshot;
    apr_pool_t *request;
    apr_int64_t version = -1;
    est_err_t *err;

    apr_pool_create(&request, pool);
    err = store_cache_policy(t.cache, &snapshot, max_age, request);
    if (!err)
        version = policy_snapshot_version(snapshot);
    else
        assert_int_equal(err->code, EST_E_policy_unavailable);
    apr_pool_destroy(request);
    return version;
}

#endif
