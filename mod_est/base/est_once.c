/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_once.h"

#include <string.h>

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>

typedef struct {
    unsigned char key[EST_ONCE_KEY];
    unsigned long number; /* of this work; 0: the place is free */
} work_t;

struct est_once_t {
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *ended;
    unsigned long last; /* number given */
    int threads;        /* that work or wait */
    int max, max_threads;
    work_t works[];
};

est_err_t *est_once_make(est_once_t **out, int max, int max_threads, apr_pool_t *pool)
{
    est_once_t *once;

    if (max < 1 || max_threads < max)
        return EST_FAIL(pool, config, "at least one work at a time and as many threads, got %d and %d", max,
                        max_threads);
    once = apr_pcalloc(pool, sizeof(*once) + (apr_size_t)max * sizeof(once->works[0]));
    once->max = max;
    once->max_threads = max_threads;
    if (apr_thread_mutex_create(&once->lock, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS ||
        apr_thread_cond_create(&once->ended, pool) != APR_SUCCESS)
        return EST_FAIL(pool, internal, "no mutex or condition for work that is done once");
    *out = once;
    return NULL;
}

/* The work of that key that is under way, or NULL; *place: a free one, or NULL */
static work_t *find(work_t **place, est_once_t *once, const unsigned char *key)
{
    *place = NULL;
    for (work_t *work = once->works; work < once->works + once->max; work++) {
        if (!work->number)
            *place = work;
        else if (!memcmp(work->key, key, EST_ONCE_KEY))
            return work;
    }
    return NULL;
}

est_once_turn_t est_once_begin(est_once_t *once, const unsigned char key[EST_ONCE_KEY])
{
    est_once_turn_t turn = EST_ONCE_FULL;
    work_t *work, *place;

    apr_thread_mutex_lock(once->lock);
    if ((work = find(&place, once, key)) && once->threads < once->max_threads) {
        once->threads++;
        /* The number tells its end from the beginning of the next one in the same place */
        for (unsigned long number = work->number; work->number == number;)
            apr_thread_cond_wait(once->ended, once->lock);
        once->threads--;
        turn = EST_ONCE_DONE;
    } else if (!work && place && once->threads < once->max_threads) {
        memcpy(place->key, key, EST_ONCE_KEY);
        place->number = ++once->last;
        once->threads++;
        turn = EST_ONCE_MINE;
    }
    apr_thread_mutex_unlock(once->lock);
    return turn;
}

void est_once_end(est_once_t *once, const unsigned char key[EST_ONCE_KEY])
{
    work_t *work, *place;

    apr_thread_mutex_lock(once->lock);
    if ((work = find(&place, once, key))) {
        est_bytes_cleanse(work->key, EST_ONCE_KEY);
        work->number = 0;
        once->threads--;
        apr_thread_cond_broadcast(once->ended);
    }
    apr_thread_mutex_unlock(once->lock);
}
