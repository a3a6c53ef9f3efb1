/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store_pg_cancel.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define MAX_UNDER_WAY 4

struct store_pg_cancel_t {
    PGcancel *handle;
    atomic_int refs; /* the thread's and the one of store_pg_cancel_end */
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int over;
};

static atomic_int under_way;

static void release(store_pg_cancel_t *cancel)
{
    if (--cancel->refs)
        return;
    PQfreeCancel(cancel->handle);
    pthread_cond_destroy(&cancel->ended);
    pthread_mutex_destroy(&cancel->lock);
    free(cancel);
}

static void *run(void *data)
{
    store_pg_cancel_t *cancel = data;
    char message[256];

    (void)PQcancel(cancel->handle, message,
                   sizeof(message)); /* without success the statement's answer stays away, which is seen */
    pthread_mutex_lock(&cancel->lock);
    cancel->over = 1;
    pthread_cond_signal(&cancel->ended);
    pthread_mutex_unlock(&cancel->lock);
    under_way--;
    release(cancel);
    return NULL;
}

static store_pg_cancel_t *make(PGconn *pg)
{
    store_pg_cancel_t *cancel = calloc(1, sizeof(*cancel));
    pthread_condattr_t attributes;

    if (!cancel)
        return NULL;
    if (!(cancel->handle = PQgetCancel(pg))) {
        free(cancel);
        return NULL;
    }
    atomic_init(&cancel->refs, 2);
    pthread_mutex_init(&cancel->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&cancel->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    return cancel;
}

store_pg_cancel_t *store_pg_cancel_start(PGconn *pg)
{
    store_pg_cancel_t *cancel = NULL;
    pthread_t thread;
    sigset_t all, before;
    int status;

    if (++under_way > MAX_UNDER_WAY || !(cancel = make(pg))) {
        under_way--;
        return NULL;
    }
    sigfillset(&all); /* signals are for the threads of the server that this runs in */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = pthread_create(&thread, NULL, run, cancel);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status) {
        under_way--;
        release(cancel);
        release(cancel);
        return NULL;
    }
    pthread_detach(thread);
    return cancel;
}

int store_pg_cancel_end(store_pg_cancel_t *cancel, apr_interval_time_t left)
{
    struct timespec until;
    int over, status = 0;

    if (!cancel)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &until);
    left = (left > 0 ? left : 0) + until.tv_nsec / 1000;
    until.tv_sec += apr_time_sec(left);
    until.tv_nsec = (long)apr_time_usec(left) * 1000;
    pthread_mutex_lock(&cancel->lock);
    while (!cancel->over && !status)
        status = pthread_cond_timedwait(&cancel->ended, &cancel->lock, &until);
    over = cancel->over;
    pthread_mutex_unlock(&cancel->lock);
    release(cancel);
    return over;
}
