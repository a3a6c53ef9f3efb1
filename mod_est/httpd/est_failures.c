/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_failures.h"

#include <apr_atomic.h>
#include <apr_shm.h>
#include <string.h>

/* A key has a few places where it may stand. A new one takes the place that is over or, when none is, the one with the
 * fewest failures: who wants to push a counter out has to fail as often himself, and each failure costs a password
 * hash. */
#define SETS 4096
#define WAYS 8

typedef struct {
    apr_uint32_t key;   /* 0: empty */
    apr_uint32_t begin; /* of the window, seconds since 1970 */
    apr_uint32_t count;
} counter_t;

/* Processes write without a lock: two that take the same place at once lose a count at most */
static counter_t *counters;

static apr_status_t forget(void *unused)
{
    (void)unused;
    counters = NULL;
    return APR_SUCCESS;
}

est_err_t *est_failures_make(apr_pool_t *pool)
{
    apr_size_t size = sizeof(counter_t) * SETS * WAYS;
    apr_shm_t *shm;

    if (apr_shm_create(&shm, size, NULL, pool) != APR_SUCCESS)
        return EST_FAIL(pool, internal, "no shared memory to count failed logins in");
    counters = apr_shm_baseaddr_get(shm);
    memset(counters, 0, size);
    apr_pool_cleanup_register(pool, NULL, forget, apr_pool_cleanup_null);
    return NULL;
}

/* The set that a key belongs to, and the number it has there */
static counter_t *set_of(apr_uint32_t *number, est_slice_t key)
{
    apr_uint32_t index;

    memcpy(&index, key.p, sizeof(index));
    memcpy(number, key.p + sizeof(index), sizeof(*number));
    if (!*number)
        *number = 1;
    return counters + (apr_size_t)(index % SETS) * WAYS;
}

static int is_over(counter_t *counter, apr_uint32_t now)
{
    /* Unsigned: a window that begins after now, since the clock was set back, is over too */
    return !apr_atomic_read32(&counter->key) || now - apr_atomic_read32(&counter->begin) >= EST_FAILURES_WINDOW;
}

void est_failures_add(est_slice_t key, apr_time_t time)
{
    apr_uint32_t number, now = (apr_uint32_t)apr_time_sec(time);
    counter_t *set, *place;

    if (!counters)
        return;
    place = set = set_of(&number, key);
    for (int i = 0; i < WAYS; i++) {
        counter_t *counter = &set[i];

        if (apr_atomic_read32(&counter->key) == number && !is_over(counter, now)) {
            apr_atomic_inc32(&counter->count);
            return;
        }
        if (!is_over(place, now) &&
            (is_over(counter, now) || apr_atomic_read32(&counter->count) < apr_atomic_read32(&place->count)))
            place = counter;
    }
    apr_atomic_set32(&place->begin, now);
    apr_atomic_set32(&place->count, 1);
    apr_atomic_set32(&place->key, number);
}

unsigned est_failures_count(est_slice_t key, apr_time_t time, int *left)
{
    apr_uint32_t number, now = (apr_uint32_t)apr_time_sec(time);
    counter_t *set = counters ? set_of(&number, key) : NULL;

    for (int i = 0; set && i < WAYS; i++) {
        if (apr_atomic_read32(&set[i].key) != number || is_over(&set[i], now))
            continue;
        *left = (int)(EST_FAILURES_WINDOW - (now - apr_atomic_read32(&set[i].begin)));
        return apr_atomic_read32(&set[i].count);
    }
    return 0;
}
