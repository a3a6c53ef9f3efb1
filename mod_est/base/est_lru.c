/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_lru.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_thread_mutex.h>

typedef struct entry_t entry_t;

struct entry_t {
    entry_t *newer, *older; /* in order of use */
    entry_t *chain;         /* same bucket */
    uint64_t hash;
    apr_time_t expires;
    unsigned char key_len;
    unsigned char key[EST_LRU_KEY_MAX];
    apr_size_t n;
    unsigned char value[];
};

struct est_lru_t {
    apr_thread_mutex_t *lock;
    uint64_t seed[2]; /* clients choose keys: without a secret they could also choose collisions */
    int max, size;
    apr_size_t mask;
    entry_t **buckets;
    entry_t *newest, *oldest;
};

static uint64_t rotate(uint64_t v, int bits)
{
    return v << bits | v >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

/* SipHash-2-4 but for the byte order of words, which only has to be the same within this process */
static uint64_t hash_of(const est_lru_t *lru, est_slice_t key)
{
    uint64_t v[4] = {lru->seed[0] ^ 0x736f6d6570736575u, lru->seed[1] ^ 0x646f72616e646f6du,
                     lru->seed[0] ^ 0x6c7967656e657261u, lru->seed[1] ^ 0x7465646279746573u};

    for (apr_size_t at = 0; at <= key.n; at += 8) {
        unsigned char block[8] = {0, 0, 0, 0, 0, 0, 0, (unsigned char)key.n};
        apr_size_t n = key.n - at < 8 ? key.n - at : 8;
        uint64_t word;

        if (n)
            memcpy(block, key.p + at, n);
        memcpy(&word, block, 8);
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void link_newest(est_lru_t *lru, entry_t *e)
{
    e->newer = NULL;
    e->older = lru->newest;
    if (lru->newest)
        lru->newest->newer = e;
    else
        lru->oldest = e;
    lru->newest = e;
}

static void unlink_use(est_lru_t *lru, entry_t *e)
{
    if (e->newer)
        e->newer->older = e->older;
    else
        lru->newest = e->older;
    if (e->older)
        e->older->newer = e->newer;
    else
        lru->oldest = e->newer;
}

static void discard(est_lru_t *lru, entry_t *e)
{
    entry_t **at = &lru->buckets[e->hash & lru->mask];

    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    unlink_use(lru, e);
    lru->size--;
    est_bytes_cleanse(e, sizeof(*e) + e->n);
    free(e);
}

static entry_t *find(est_lru_t *lru, est_slice_t key, uint64_t hash)
{
    entry_t *e = lru->buckets[hash & lru->mask];

    while (e && (e->hash != hash || e->key_len != key.n || memcmp(e->key, key.p, key.n) != 0))
        e = e->chain;
    return e;
}

/* A new entry in place of what was under key; NULL when memory is out, which a cache survives */
static entry_t *replace(est_lru_t *lru, est_slice_t key, uint64_t hash, apr_size_t n)
{
    entry_t *e = find(lru, key, hash);

    if (e)
        discard(lru, e);
    else if (lru->size >= lru->max)
        discard(lru, lru->oldest);

    e = calloc(1, sizeof(*e) + n);
    if (!e)
        return NULL;
    e->hash = hash;
    e->key_len = (unsigned char)key.n;
    memcpy(e->key, key.p, key.n);
    e->n = n;
    e->chain = lru->buckets[hash & lru->mask];
    lru->buckets[hash & lru->mask] = e;
    link_newest(lru, e);
    lru->size++;
    return e;
}

static int usable(est_slice_t key)
{
    return key.n > 0 && key.n <= EST_LRU_KEY_MAX;
}

/* The entry of that kind which is valid at now, moved to the fresh end; stale ones are dropped on sight */
static entry_t *touch(est_lru_t *lru, est_slice_t key, uint64_t hash, apr_time_t now)
{
    entry_t *e = find(lru, key, hash);

    if (!e)
        return NULL;
    if (e->expires <= now) {
        discard(lru, e);
        return NULL;
    }
    unlink_use(lru, e);
    link_newest(lru, e);
    return e;
}

static apr_status_t destroy(void *data)
{
    est_lru_t *lru = data;

    est_lru_drop_all(lru);
    free(lru->buckets);
    return APR_SUCCESS;
}

est_err_t *est_lru_make(est_lru_t **out, int max, apr_pool_t *pool)
{
    if (max < 1)
        return EST_FAIL(pool, config, "a cache needs room for at least one entry, got %d", max);
    est_lru_t *lru = apr_pcalloc(pool, sizeof(*lru));
    lru->max = max;
    if (apr_generate_random_bytes((unsigned char *)lru->seed, sizeof(lru->seed)) != APR_SUCCESS)
        return EST_FAIL(pool, internal, "no random octets for a cache");
    if (apr_thread_mutex_create(&lru->lock, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS)
        return EST_FAIL(pool, internal, "no mutex for a cache");

    apr_size_t buckets = 16;
    while (buckets < (apr_size_t)max)
        buckets *= 2;
    lru->mask = buckets - 1;
    lru->buckets = calloc(buckets, sizeof(*lru->buckets));
    if (!lru->buckets)
        return EST_FAIL(pool, internal, "no memory for a cache of %d entries", max);
    apr_pool_cleanup_register(pool, lru, destroy, apr_pool_cleanup_null);
    *out = lru;
    return NULL;
}

int est_lru_get(est_lru_t *lru, est_slice_t key, apr_time_t now, est_slice_t *value, apr_pool_t *pool)
{
    if (!usable(key))
        return 0;
    uint64_t hash = hash_of(lru, key);
    apr_thread_mutex_lock(lru->lock);
    entry_t *e = touch(lru, key, hash, now);
    if (e)
        *value = est_slice_dup(est_slice(e->value, e->n), pool);
    apr_thread_mutex_unlock(lru->lock);
    return e != NULL;
}

void est_lru_put(est_lru_t *lru, est_slice_t key, apr_time_t expires, est_slice_t value)
{
    if (!usable(key))
        return;
    uint64_t hash = hash_of(lru, key);
    apr_thread_mutex_lock(lru->lock);
    entry_t *e = replace(lru, key, hash, value.n);
    if (e) {
        e->expires = expires;
        if (value.n)
            memcpy(e->value, value.p, value.n);
    }
    apr_thread_mutex_unlock(lru->lock);
}

void est_lru_drop(est_lru_t *lru, est_slice_t key)
{
    if (!usable(key))
        return;
    uint64_t hash = hash_of(lru, key);
    apr_thread_mutex_lock(lru->lock);
    entry_t *e = find(lru, key, hash);
    if (e)
        discard(lru, e);
    apr_thread_mutex_unlock(lru->lock);
}

void est_lru_drop_all(est_lru_t *lru)
{
    apr_thread_mutex_lock(lru->lock);
    while (lru->oldest)
        discard(lru, lru->oldest);
    apr_thread_mutex_unlock(lru->lock);
}

int est_lru_size(est_lru_t *lru)
{
    apr_thread_mutex_lock(lru->lock);
    int size = lru->size;
    apr_thread_mutex_unlock(lru->lock);
    return size;
}
