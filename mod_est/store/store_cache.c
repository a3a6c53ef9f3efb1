/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store_cache.h"

#include <apr_atomic.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CLIENTS 4096
#define MAX_CERTIFICATES 1024
#define ABSENT_TTL apr_time_from_sec(5)
#define ABSENT_CERTIFICATE_TTL apr_time_from_sec(1)
#define PATIENCE apr_time_from_sec(5)
#define WAIT apr_time_from_sec(5) /* for a thread that is asking the store already */

/* A snapshot and how many hold it: the cache itself and readers */
typedef struct {
    const policy_snapshot_t *snapshot;
    apr_pool_t *pool; /* the snapshot's own, with its own allocator: any thread may free it. NULL: a seed, not ours */
    volatile apr_uint32_t refs;
} held_t;

/* Asking the store is a flight: one at a time, numbered */
struct store_cache_t {
    store_t *store;
    const est_env_t *env;
    apr_pool_t *pool;
    est_lru_t *clients;      /* by user name */
    est_lru_t *certificates; /* by fingerprint */

    apr_thread_mutex_t *lock; /* for all below */
    apr_thread_cond_t *landed;
    held_t *current;             /* NULL: none yet */
    apr_time_t confirmed, asked; /* when a flight succeeded, when one ended; 0 = never */
    int listening;
    unsigned generation; /* of clients: goes up with every drop */
    int flying;
    unsigned long started; /* flights begun */
    unsigned long loaded;  /* the last flight that did more than see its version confirmed */
    est_err_code_t failed; /* how the last flight ended; EST_E__COUNT: well */
    char failure[512];
};

static void lock(store_cache_t *cache)
{
    apr_thread_mutex_lock(cache->lock);
}

static void unlock(store_cache_t *cache)
{
    apr_thread_mutex_unlock(cache->lock);
}

static held_t *held_make(const policy_snapshot_t *snapshot, apr_pool_t *pool)
{
    held_t *held = malloc(sizeof(*held));

    if (held)
        *held = (held_t){.snapshot = snapshot, .pool = pool, .refs = 1};
    return held;
}

static apr_status_t held_release(void *data)
{
    held_t *held = data;

    if (apr_atomic_dec32(&held->refs) == 0) {
        if (held->pool)
            apr_pool_destroy(held->pool);
        free(held);
    }
    return APR_SUCCESS;
}

static apr_status_t cache_close(void *data)
{
    store_cache_t *cache = data;

    if (cache->current)
        held_release(cache->current);
    cache->current = NULL;
    return APR_SUCCESS;
}

est_err_t *store_cache_make(store_cache_t **out, store_t *store, const est_env_t *env, apr_pool_t *pool)
{
    store_cache_t *cache = apr_pcalloc(pool, sizeof(*cache));

    cache->store = store;
    cache->env = env;
    cache->pool = pool;
    cache->failed = EST_E__COUNT;
    EST_TRY(est_lru_make(&cache->clients, MAX_CLIENTS, pool));
    EST_TRY(est_lru_make(&cache->certificates, MAX_CERTIFICATES, pool));
    if (apr_thread_mutex_create(&cache->lock, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS ||
        apr_thread_cond_create(&cache->landed, pool) != APR_SUCCESS)
        return EST_FAIL(pool, internal, "no mutex for the policy cache");
    apr_pool_cleanup_register(pool, cache, cache_close, apr_pool_cleanup_null);
    *out = cache;
    return NULL;
}

void store_cache_seed(store_cache_t *cache, const policy_snapshot_t *snapshot)
{
    held_t *held = held_make(snapshot, NULL), *old;

    if (!held)
        return;
    lock(cache);
    old = cache->current;
    cache->current = held;
    unlock(cache);
    if (old)
        held_release(old);
}

/* A clock that was set back makes everything old */
static int is_older(apr_time_t now, apr_time_t then, apr_interval_time_t limit)
{
    return !then || now < then || now - then > limit;
}

/* An error of a pool that goes away, again in pool */
static est_err_t *error_copy(const est_err_t *err, apr_pool_t *pool)
{
    return est_err_make(pool, err->code, err->file, err->line, "%s", err->detail ? err->detail : "");
}

/* The snapshot of now, in a pool of its own */
static est_err_t *load(store_cache_t *cache, held_t **out, apr_pool_t *pool)
{
    apr_pool_t *own;
    policy_snapshot_t *snapshot;
    est_err_t *err;

    if (apr_pool_create_unmanaged_ex(&own, apr_pool_abort_get(cache->pool), NULL) != APR_SUCCESS)
        return EST_FAIL(pool, internal, "no pool for a policy snapshot");
    err = cache->store->vt->load_policy(cache->store, &snapshot, own);
    if (err)
        err = error_copy(err, pool);
    else if (!(*out = held_make(snapshot, own)))
        err = EST_FAIL(pool, internal, "no memory for a policy snapshot");
    if (err)
        apr_pool_destroy(own);
    return err;
}

/* Notes how a flight ended; the first failure and the first success after one are logged, what is between is not. */
static void note(store_cache_t *cache, const est_err_t *err)
{
    int failed_before = cache->failed != EST_E__COUNT;

    cache->failed = err ? err->code : EST_E__COUNT;
    apr_cpystrn(cache->failure, err && err->detail ? err->detail : "", sizeof(cache->failure));
    if (err && !failed_before)
        est_env_log(cache->env, EST_LOG_WARNING, "EST%d: policy cannot be read, %s: %s",
                    est_err_row(EST_E_policy_unavailable)->id,
                    cache->current ? "the one read before stays in use" : "and none was read before", cache->failure);
    else if (!err && failed_before)
        est_env_log(cache->env, EST_LOG_NOTICE, "policy is read again, version %" APR_INT64_T_FMT,
                    policy_snapshot_version(cache->current->snapshot));
}

/* Asks the store: with forced for the policy, else for its version and then for the policy if it is another one.
 * Called with the lock, returns without. */
static est_err_t *fly(store_cache_t *cache, int forced, apr_pool_t *pool)
{
    unsigned long flight = ++cache->started;
    int had = cache->current != NULL, same = 0;
    apr_int64_t ours = had ? policy_snapshot_version(cache->current->snapshot) : 0, theirs;
    apr_time_t began = cache->env->now(cache->env);
    held_t *fresh = NULL, *old = NULL;
    est_err_t *err = NULL;

    cache->flying = 1;
    unlock(cache);

    if (had && !forced) {
        err = cache->store->vt->policy_version(cache->store, &theirs, pool);
        same = !err && theirs == ours;
    }
    if (!err && !same)
        err = load(cache, &fresh, pool);

    lock(cache);
    if (fresh) {
        old = cache->current;
        cache->current = fresh;
    }
    if (!err)
        cache->confirmed = began;
    if (!same)
        cache->loaded = flight;
    cache->asked = cache->env->now(cache->env);
    cache->flying = 0;
    note(cache, err);
    apr_thread_cond_broadcast(cache->landed);
    unlock(cache);
    if (old)
        held_release(old);
    return err;
}

/* Called with the lock: waits for the end of a flight, not beyond until of the real clock; 0 when that passed */
static int await_landing(store_cache_t *cache, apr_time_t until)
{
    apr_interval_time_t left = until - apr_time_now();

    return left > 0 && apr_thread_cond_timedwait(cache->landed, cache->lock, left) == APR_SUCCESS;
}

static int must_ask(const store_cache_t *cache, apr_interval_time_t max_age)
{
    apr_time_t now = cache->env->now(cache->env);

    if (cache->failed != EST_E__COUNT && !is_older(now, cache->asked, STORE_CACHE_POLL))
        return 0; /* not every request shall wait for a database that does not answer */
    return !cache->confirmed || (!cache->listening && is_older(now, cache->confirmed, STORE_CACHE_POLL)) ||
           (max_age && is_older(now, cache->confirmed, max_age));
}

/* Called with the lock */
static est_err_t *hold_current(store_cache_t *cache, const policy_snapshot_t **out, apr_interval_time_t max_age,
                               apr_pool_t *pool)
{
    apr_time_t now = cache->env->now(cache->env);

    if (!cache->current)
        return EST_FAIL(pool, policy_unavailable, "no policy was read yet: %s",
                        cache->failed == EST_E__COUNT ? "the first reading takes too long" : cache->failure);
    if (max_age && is_older(now, cache->confirmed, max_age)) {
        if (!cache->confirmed)
            return EST_FAIL(pool, policy_unavailable, "policy was not confirmed since start: %s", cache->failure);
        return EST_FAIL(pool, policy_unavailable,
                        "policy was last confirmed %" APR_TIME_T_FMT " s ago, limit %" APR_TIME_T_FMT " s: %s",
                        apr_time_sec(now - cache->confirmed), apr_time_sec(max_age), cache->failure);
    }
    apr_atomic_inc32(&cache->current->refs);
    apr_pool_cleanup_register(pool, cache->current, held_release, apr_pool_cleanup_null);
    *out = cache->current->snapshot;
    return NULL;
}

est_err_t *store_cache_policy(store_cache_t *cache, const policy_snapshot_t **out, apr_interval_time_t max_age,
                              apr_pool_t *pool)
{
    apr_time_t until = apr_time_now() + WAIT;
    est_err_t *err;

    lock(cache);
    /* A seed may be old: nobody goes on with it before it was asked once whether it still holds */
    while (cache->flying && (!cache->current || cache->started == 1) && await_landing(cache, until))
        ;
    if (!cache->flying && must_ask(cache, max_age)) {
        (void)fly(cache, 0, pool); /* noted; what is at hand decides below */
        lock(cache);
    }
    err = hold_current(cache, out, max_age, pool);
    unlock(cache);
    return err;
}

est_err_t *store_cache_policy_at_hand(store_cache_t *cache, const policy_snapshot_t **out, apr_pool_t *pool)
{
    est_err_t *err;
    int will_do;

    lock(cache);
    will_do = cache->current && (cache->flying || (cache->failed != EST_E__COUNT &&
                                                   !is_older(cache->env->now(cache->env), cache->asked, PATIENCE)));
    err = will_do ? hold_current(cache, out, 0, pool) : NULL;
    unlock(cache);
    return will_do ? err : store_cache_policy(cache, out, 0, pool);
}

est_err_t *store_cache_reload(store_cache_t *cache, apr_pool_t *pool)
{
    apr_time_t until = apr_time_now() + WAIT;
    unsigned long wanted;
    est_err_t *err = NULL;

    lock(cache);
    /* What is in the air may have read before the change that the caller knows of: the next flight is the one to share
     */
    wanted = cache->started + 1;
    while (cache->flying && cache->loaded < wanted)
        if (!await_landing(cache, until)) {
            unlock(cache);
            return EST_FAIL(pool, policy_unavailable, "another thread is reading the policy and does not finish");
        }
    if (cache->loaded < wanted)
        return fly(cache, 1, pool);
    if (cache->failed != EST_E__COUNT)
        err = est_err_make(pool, cache->failed, __FILE__, __LINE__, "%s", cache->failure);
    unlock(cache);
    return err;
}

est_err_t *store_cache_confirm(store_cache_t *cache, apr_int64_t version, apr_pool_t *pool)
{
    int same;

    lock(cache);
    same = cache->current && policy_snapshot_version(cache->current->snapshot) == version;
    if (same) {
        cache->confirmed = cache->env->now(cache->env);
        note(cache, NULL);
    }
    unlock(cache);
    return same ? NULL : store_cache_reload(cache, pool);
}

void store_cache_set_listening(store_cache_t *cache, int listening)
{
    lock(cache);
    cache->listening = listening;
    unlock(cache);
    if (!listening)
        store_cache_drop_client(cache, NULL); /* nobody says any more when one of them changes */
}

/* User names have any length, keys have not. The first octet keeps names and hashes apart. */
static est_slice_t client_key(unsigned char key[EST_LRU_KEY_MAX], const char *user)
{
    apr_size_t n = strlen(user);

    if (n < EST_LRU_KEY_MAX) {
        key[0] = 'n';
        memcpy(key + 1, user, n);
        return est_slice(key, n + 1);
    }
    key[0] = 'h';
    pki_sha256(key + 1, est_slice(user, n));
    return est_slice(key, 33);
}

/* The value under a client's key is the packed row and a last octet: */
enum { ABSENT = 0, PRESENT = 1 };

static est_slice_t client_pack(const policy_client_row_t *row, apr_pool_t *pool)
{
    est_slice_t packed = row->id ? policy_client_pack(row, pool) : est_slice("", 0);
    unsigned char *value = apr_palloc(pool, packed.n + 1);

    memcpy(value, packed.p, packed.n);
    value[packed.n] = row->id ? PRESENT : ABSENT;
    return est_slice(value, packed.n + 1);
}

static est_err_t *client_unpack(policy_client_t **out, est_slice_t value, apr_pool_t *pool)
{
    *out = NULL;
    if (value.p[value.n - 1] == ABSENT)
        return NULL;
    return policy_client_unpack(out, est_slice(value.p, value.n - 1), pool);
}

/* How long a client's row is good: without notifications no longer than a policy */
static apr_interval_time_t lifetime(store_cache_t *cache, apr_interval_time_t when_told)
{
    int listening;

    lock(cache);
    listening = cache->listening;
    unlock(cache);
    return listening || when_told < STORE_CACHE_POLL ? when_told : STORE_CACHE_POLL;
}

static unsigned generation_of(store_cache_t *cache)
{
    unsigned generation;

    lock(cache);
    generation = cache->generation;
    unlock(cache);
    return generation;
}

/* Remembers a row, unless it may have changed after it was read: generation is the one of before */
static est_slice_t remember(store_cache_t *cache, est_lru_t *lru, est_slice_t key, const policy_client_row_t *row,
                            unsigned generation, apr_time_t until, apr_pool_t *pool)
{
    est_slice_t value = client_pack(row, pool);

    lock(cache);
    if (generation == cache->generation)
        est_lru_put(lru, key, until, value);
    unlock(cache);
    return value;
}

est_err_t *store_cache_client(store_cache_t *cache, policy_client_t **out, const char *user, apr_pool_t *pool)
{
    apr_time_t now = cache->env->now(cache->env);
    unsigned char buffer[EST_LRU_KEY_MAX];
    est_slice_t key = client_key(buffer, user), value;
    policy_client_row_t row = {0};
    unsigned generation;

    if (est_lru_get(cache->clients, key, now, &value, pool))
        return client_unpack(out, value, pool);
    generation = generation_of(cache);
    EST_TRY(cache->store->vt->client_get(cache->store, &row, user, pool));
    value = remember(cache, cache->clients, key, &row, generation,
                     now + lifetime(cache, row.id ? STORE_CACHE_CLIENT_TTL : ABSENT_TTL), pool);
    return client_unpack(out, value, pool);
}

est_err_t *store_cache_client_by_certificate(store_cache_t *cache, policy_client_t **out, const pki_cert_t *cert,
                                             apr_pool_t *pool)
{
    apr_time_t now = cache->env->now(cache->env);
    est_slice_t key = est_slice(cert->fingerprint, sizeof(cert->fingerprint)), value;
    policy_client_row_t row = {0};
    unsigned generation;

    if (est_lru_get(cache->certificates, key, now, &value, pool))
        return client_unpack(out, value, pool);
    generation = generation_of(cache);
    EST_TRY(cache->store->vt->client_by_certificate(cache->store, &row, cert, pool));
    value = remember(cache, cache->certificates, key, &row, generation,
                     now + lifetime(cache, row.id ? STORE_CACHE_CERTIFICATE_TTL : ABSENT_CERTIFICATE_TTL), pool);
    return client_unpack(out, value, pool);
}

void store_cache_drop_client(store_cache_t *cache, const char *user)
{
    unsigned char key[EST_LRU_KEY_MAX];

    lock(cache);
    cache->generation++;
    if (user)
        est_lru_drop(cache->clients, client_key(key, user));
    else
        est_lru_drop_all(cache->clients);
    est_lru_drop_all(cache->certificates);
    unlock(cache);
}
