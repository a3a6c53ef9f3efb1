/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_refusals.h"
#include "est_guard.h"
#include "op/est_refusal.h"

#include <apr_atomic.h>
#include <apr_shm.h>
#include <string.h>

/* A key has a few places where it may stand. A new one takes the place whose time ends first. */
#define SETS 1024
#define WAYS 8
#define LONGEST 86400 /* seconds that anybody is told to wait; more is a clock that was set back */

typedef struct {
    apr_uint32_t key; /* 0: empty */
    apr_uint32_t end; /* seconds since 1970 */
    apr_uint32_t count;
} place_t;

/* Processes write without a lock: two that take the same place at once lose one of the two at most */
typedef struct {
    apr_uint32_t limit;
    apr_uint32_t begin, rows;       /* of the window: seconds since 1970, and what was recorded in it */
    apr_uint32_t suppressed, taken; /* not recorded since then */
    place_t recorded[SETS * WAYS], waiting[SETS * WAYS];
} shared_t;

static shared_t *shared;

static apr_uint32_t seconds(apr_time_t time)
{
    return (apr_uint32_t)apr_time_sec(time);
}

/* The place of key in a table, empty or another's when it has none */
static place_t *find(apr_uint32_t *number, place_t *table, est_slice_t key)
{
    apr_uint32_t index;
    place_t *set, *place;

    memcpy(&index, key.p, sizeof(index));
    memcpy(number, key.p + sizeof(index), sizeof(*number));
    if (!*number)
        *number = 1;
    place = set = table + (apr_size_t)(index % SETS) * WAYS;
    for (int i = 0; i < WAYS; i++) {
        if (apr_atomic_read32(&set[i].key) == *number)
            return &set[i];
        if (apr_atomic_read32(&set[i].end) < apr_atomic_read32(&place->end))
            place = &set[i];
    }
    return place;
}

static void take(place_t *place, apr_uint32_t number, apr_uint32_t end)
{
    apr_atomic_set32(&place->end, end);
    apr_atomic_set32(&place->count, 1);
    apr_atomic_set32(&place->key, number);
}

/* Seconds until the time of key is over; 0 = it is, or the place is not its own. Unsigned: an end before now is far off
 */
static apr_uint32_t left(place_t *place, apr_uint32_t number, apr_uint32_t now, apr_uint32_t longest)
{
    apr_uint32_t until = apr_atomic_read32(&place->end) - now;

    return apr_atomic_read32(&place->key) == number && until <= longest ? until : 0;
}

/* ---- what may be recorded */

static int admit_identity(est_slice_t key, apr_uint32_t now)
{
    apr_uint32_t number;
    place_t *place = find(&number, shared->recorded, key);

    if (left(place, number, now, EST_REFUSALS_WINDOW))
        return apr_atomic_inc32(&place->count) < EST_REFUSALS_OF_A_KEY;
    take(place, number, now + EST_REFUSALS_WINDOW);
    return 1;
}

static int admit_any(apr_uint32_t now)
{
    apr_uint32_t begin = apr_atomic_read32(&shared->begin);

    if (now - begin >= EST_REFUSALS_WINDOW && apr_atomic_cas32(&shared->begin, now, begin) == begin)
        apr_atomic_set32(&shared->rows, 0);
    return apr_atomic_inc32(&shared->rows) < shared->limit;
}

int est_refusals_admit(est_slice_t key, apr_time_t now)
{
    if (!shared || (admit_identity(key, seconds(now)) && admit_any(seconds(now))))
        return 1;
    apr_atomic_inc32(&shared->suppressed);
    return 0;
}

unsigned est_refusals_take(apr_time_t now)
{
    unsigned suppressed = 0;

    if (!shared || seconds(now) - apr_atomic_read32(&shared->taken) < EST_REFUSALS_WINDOW)
        return 0;
    suppressed = apr_atomic_xchg32(&shared->suppressed, 0);
    if (suppressed)
        apr_atomic_set32(&shared->taken, seconds(now));
    return suppressed;
}

void est_refusals_give_back(unsigned suppressed)
{
    if (shared)
        apr_atomic_add32(&shared->suppressed, suppressed);
}

/* ---- who has to wait */

int est_refusals_wait_of(est_slice_t key, apr_time_t now)
{
    apr_uint32_t number;
    place_t *place = shared ? find(&number, shared->waiting, key) : NULL;

    return place ? (int)left(place, number, seconds(now), LONGEST) : 0;
}

void est_refusals_wait_until(est_slice_t key, apr_time_t until)
{
    apr_uint32_t number;
    place_t *place = shared ? find(&number, shared->waiting, key) : NULL;

    if (place)
        take(place, number, seconds(until));
}

/* ---- for the operations */

static int may_record(const est_req_t *req)
{
    unsigned char key[PKI_SHA256_SIZE];

    est_refusal_key(key, req, 1);
    return est_refusals_admit(est_slice(key, sizeof(key)), req->now);
}

static apr_status_t forget(void *unused)
{
    (void)unused;
    shared = NULL;
    return APR_SUCCESS;
}

est_err_t *est_refusals_make(int limit, apr_pool_t *pool)
{
    apr_shm_t *shm;

    est_guard.may_record = may_record;
    est_guard.limited = est_refusals_wait_of;
    est_guard.limit = est_refusals_wait_until;
    if (apr_shm_create(&shm, sizeof(shared_t), NULL, pool) != APR_SUCCESS)
        return EST_FAIL(pool, internal, "no shared memory to count refusals in");
    shared = apr_shm_baseaddr_get(shm);
    memset(shared, 0, sizeof(*shared));
    shared->limit = (apr_uint32_t)limit;
    apr_pool_cleanup_register(pool, NULL, forget, apr_pool_cleanup_null);
    return NULL;
}
