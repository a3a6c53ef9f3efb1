/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store_pg_pool.h"

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>

/* Long enough for a server that comes up again not to be pestered, short enough to be there at once when it does */
#define PAUSE APR_TIME_C(50000)
#define LONG_PAUSE APR_TIME_C(250000)
#define IMPATIENT apr_time_from_sec(1)
/* A database that has been away for so long is no restart. From then on one request at a time asks whether it is back,
 * and the others are told at once, so that they do not hold all threads while they wait. */
#define OUTAGE apr_time_from_sec(5)
#define OUTAGE_POLL APR_TIME_C(500000)

struct store_pg_pool_t {
    const store_pg_target_t *target;
    store_pg_conn_t *conns;
    int size;
    apr_thread_mutex_t *lock; /* for all below */
    apr_thread_cond_t *freed;
    store_pg_conn_t **idle, **empty; /* connected, last used on top; not connected */
    int n_idle, n_empty;
    apr_time_t down_since, next_try; /* 0: the last attempt to connect was well; in an outage, when to try again */
};

static apr_status_t pool_close(void *data)
{
    store_pg_pool_t *pool = data;

    for (int i = 0; i < pool->size; i++)
        store_pg_conn_close(&pool->conns[i]);
    return APR_SUCCESS;
}

est_err_t *store_pg_pool_make(store_pg_pool_t **out, const store_pg_target_t *target, int size, apr_pool_t *p)
{
    store_pg_pool_t *pool = apr_pcalloc(p, sizeof(*pool));

    pool->target = target;
    pool->size = size > 0 ? size : 1;
    pool->conns = apr_pcalloc(p, (apr_size_t)pool->size * sizeof(*pool->conns));
    pool->idle = apr_pcalloc(p, (apr_size_t)pool->size * sizeof(*pool->idle));
    pool->empty = apr_pcalloc(p, (apr_size_t)pool->size * sizeof(*pool->empty));
    for (int i = 0; i < pool->size; i++)
        pool->empty[pool->n_empty++] = &pool->conns[i];
    if (apr_thread_mutex_create(&pool->lock, APR_THREAD_MUTEX_DEFAULT, p) != APR_SUCCESS ||
        apr_thread_cond_create(&pool->freed, p) != APR_SUCCESS)
        return EST_FAIL(p, internal, "no mutex for the database connections");
    apr_pool_cleanup_register(p, pool, pool_close, apr_pool_cleanup_null);
    *out = pool;
    return NULL;
}

/* NULL when all stay in use until deadline */
static store_pg_conn_t *take(store_pg_pool_t *pool, apr_time_t deadline)
{
    store_pg_conn_t *conn = NULL;
    apr_interval_time_t left;

    apr_thread_mutex_lock(pool->lock);
    while (!pool->n_idle && !pool->n_empty && (left = deadline - store_pg_clock()) > 0)
        (void)apr_thread_cond_timedwait(pool->freed, pool->lock, left);
    if (pool->n_idle)
        conn = pool->idle[--pool->n_idle];
    else if (pool->n_empty)
        conn = pool->empty[--pool->n_empty];
    apr_thread_mutex_unlock(pool->lock);
    return conn;
}

static void give(store_pg_pool_t *pool, store_pg_conn_t *conn)
{
    apr_thread_mutex_lock(pool->lock);
    if (conn->pg)
        pool->idle[pool->n_idle++] = conn;
    else
        pool->empty[pool->n_empty++] = conn;
    apr_thread_cond_signal(pool->freed);
    apr_thread_mutex_unlock(pool->lock);
}

typedef enum { RETRY, ONCE, NOT_NOW } patience_t;

/* How an attempt to connect may go about it */
static patience_t patience(store_pg_pool_t *pool)
{
    apr_time_t now = store_pg_clock();
    patience_t result = RETRY;

    apr_thread_mutex_lock(pool->lock);
    if (pool->down_since && now - pool->down_since > OUTAGE) {
        result = now < pool->next_try ? NOT_NOW : ONCE;
        if (result == ONCE)
            pool->next_try = now + OUTAGE_POLL;
    }
    apr_thread_mutex_unlock(pool->lock);
    return result;
}

static void note_attempt(store_pg_pool_t *pool, int connected)
{
    apr_thread_mutex_lock(pool->lock);
    if (connected)
        pool->down_since = 0;
    else if (!pool->down_since)
        pool->down_since = store_pg_clock();
    apr_thread_mutex_unlock(pool->lock);
}

/* Again and again while another attempt that takes as long as the last would end in time */
static est_err_t *connect_by(store_pg_conn_t *conn, store_pg_pool_t *pool, apr_time_t deadline, apr_pool_t *p)
{
    patience_t how = patience(pool);
    apr_time_t first = store_pg_clock();

    if (how == NOT_NOW)
        return EST_FAIL(p, store_unavailable, "the database has not answered for a while");
    for (;;) {
        apr_time_t began = store_pg_clock(), ended;
        apr_interval_time_t pause = began - first < IMPATIENT ? PAUSE : LONG_PAUSE;
        est_err_t *err = store_pg_conn_open(conn, pool->target, deadline, p);

        ended = store_pg_clock();
        note_attempt(pool, !err || err->code != EST_E_store_unavailable);
        if (!err || err->code != EST_E_store_unavailable || how == ONCE || ended + pause + (ended - began) > deadline)
            return err;
        apr_sleep(pause);
    }
}

est_err_t *store_pg_pool_acquire(store_pg_conn_t **out, store_pg_pool_t *pool, apr_time_t deadline, apr_pool_t *p)
{
    store_pg_conn_t *conn = take(pool, deadline);
    est_err_t *err;

    if (!conn)
        return EST_FAIL(p, store_unavailable, "all %d database connections of this process stayed in use", pool->size);
    if (conn->pg && !store_pg_conn_is_alive(conn))
        store_pg_conn_close(conn);
    if (!conn->pg && (err = connect_by(conn, pool, deadline, p))) {
        give(pool, conn);
        return err->code == EST_E_schema_version ? EST_FAIL(p, store_failed, "%s", err->detail) : err;
    }
    *out = conn;
    return NULL;
}

int store_pg_pool_release(store_pg_pool_t *pool, store_pg_conn_t *conn, apr_time_t deadline)
{
    int repeat = (conn->lost || conn->again) && !conn->not_durable;

    conn->again = 0;
    /* Inside a transaction still: what was to be done there failed */
    if (conn->lost || PQtransactionStatus(conn->pg) != PQTRANS_IDLE)
        store_pg_conn_close(conn);
    give(pool, conn);
    if (!repeat || store_pg_clock() + PAUSE >= deadline)
        return 0;
    apr_sleep(PAUSE);
    return 1;
}
