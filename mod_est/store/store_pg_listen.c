/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store_pg_listen.h"

#include "store_pg_policy.h"

#include <apr_atomic.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define HEARTBEAT apr_time_from_sec(5)
#define HEARTBEAT_AFTER_FAILURE APR_TIME_C(500000)
#define SELF_TEST apr_time_from_sec(2)
#define POLL (STORE_CACHE_POLL * 4 / 5) /* so that no request has to ask */
#define POLL_UNTIL apr_time_from_sec(60)
#define MIN_BACKOFF APR_TIME_C(100000)
#define MAX_BACKOFF apr_time_from_sec(2)
#define NONCE 16

typedef enum { NEW, LISTENING, POLLING, DOWN } state_t;

typedef struct {
    store_pg_listen_config_t config;
    apr_thread_t *thread;
    int wake; /* eventfd, readable once the thread shall end */
    volatile apr_uint32_t stop;
    store_pg_conn_t conn;
    state_t state;
    const char *nonce; /* of the self-test under way, else NULL */
    int heard_nonce;
} listener_t;

static int is_stopping(listener_t *l)
{
    return apr_atomic_read32(&l->stop) != 0;
}

/* Until something arrives, the time has come or the thread shall end. pg -1: no connection to look at */
static void wait_for(const listener_t *l, int pg, apr_time_t until)
{
    struct pollfd fds[2] = {{.fd = l->wake, .events = POLLIN}, {.fd = pg, .events = POLLIN}};
    apr_interval_time_t left = until - store_pg_clock();

    if (left > 0)
        (void)poll(fds, 2, (int)(left / 1000) + 1);
}

/* Only what is different from before is worth a line */
static void enter(listener_t *l, state_t state, const est_err_t *err)
{
    const est_env_t *env = l->config.env;
    state_t before = l->state;

    l->state = state;
    if (state == before)
        return;
    if (state == DOWN)
        est_env_log(env, EST_LOG_WARNING, "EST%d: %s: %s", est_err_row(err->code)->id,
                    before == NEW ? "database cannot be asked for changes" : "database connection lost",
                    err->detail ? err->detail : "");
    else if (state == POLLING)
        est_env_log(env, EST_LOG_NOTICE,
                    "no notifications arrive from the database (is there a pooler in transaction mode?): "
                    "asking for changes of policy instead");
    else
        est_env_log(env, before == NEW ? EST_LOG_INFO : EST_LOG_NOTICE, "%slistening for changes in the database",
                    before == DOWN ? "database connection restored: " : "");
}

/* --- what arrives */

/* Takes what has arrived. *version is set to what the last notification about policy says. Others on this channel may
 * say what they like: unknown payloads are passed over. */
static est_err_t *take_notifies(listener_t *l, apr_int64_t *version, apr_pool_t *pool)
{
    PGnotify *notify;

    EST_TRY(store_pg_conn_receive(&l->conn, pool));
    while ((notify = PQnotifies(l->conn.pg))) {
        const char *text = notify->extra;

        if (!strncmp(text, "policy ", 7))
            *version = apr_atoi64(text + 7);
        else if (!strncmp(text, "client ", 7))
            store_cache_drop_client(l->config.cache, text + 7);
        else if (!strcmp(text, "clients"))
            store_cache_drop_client(l->config.cache, NULL);
        else if (l->nonce && !strncmp(text, "probe ", 6) && !strcmp(text + 6, l->nonce))
            l->heard_nonce = 1;
        PQfreemem(notify);
    }
    return NULL;
}

/* Over another connection: in a pooler's transaction mode our own would now and then get back what it sends itself */
static est_err_t *send_nonce(listener_t *l, apr_time_t deadline, apr_pool_t *pool)
{
    store_pg_params_t params = {0};
    store_pg_conn_t *conn;
    PGresult *result;
    est_err_t *err;

    store_pg_params_text(&params, apr_pstrcat(pool, "probe ", l->nonce, NULL));
    do {
        EST_TRY(store_pg_pool_acquire(&conn, l->config.connections, deadline, pool));
        err = store_pg_conn_command(&result, conn, "SELECT pg_catalog.pg_notify('est', $1::text)", &params, deadline,
                                    pool);
    } while (store_pg_pool_release(l->config.connections, conn, deadline) && err);
    return err;
}

/* Does LISTEN work here? Answered by l->heard_nonce */
static est_err_t *self_test(listener_t *l, apr_time_t deadline, apr_pool_t *pool)
{
    unsigned char octets[NONCE];
    apr_int64_t ignored;
    apr_time_t until;
    est_err_t *err;

    if (!l->config.env->random(l->config.env, octets, sizeof(octets)))
        return EST_FAIL(pool, internal, "no random octets");
    l->nonce = est_hex(est_slice(octets, sizeof(octets)), pool);
    l->heard_nonce = 0;
    err = send_nonce(l, deadline, pool);
    until = store_pg_clock() + SELF_TEST;
    while (!err && !(err = take_notifies(l, &ignored, pool)) && !l->heard_nonce && store_pg_clock() < until &&
           !is_stopping(l))
        wait_for(l, PQsocket(l->conn.pg), until);
    l->nonce = NULL;
    return err;
}

/* --- following */

static est_err_t *ask_version(listener_t *l, apr_int64_t *version, apr_pool_t *pool)
{
    return store_pg_policy_version(version, &l->conn, store_pg_clock() + l->config.timeout, pool);
}

/* Until the connection is lost (an error) or the thread shall end (NULL) */
static est_err_t *follow_notifies(listener_t *l, apr_pool_t *pool)
{
    apr_time_t heartbeat = store_pg_clock() + HEARTBEAT;

    while (!is_stopping(l)) {
        apr_int64_t version = -1;

        apr_pool_clear(pool);
        if (store_pg_clock() >= heartbeat) {
            EST_TRY(ask_version(l, &version, pool));
            heartbeat = store_pg_clock() + HEARTBEAT;
        }
        EST_TRY(take_notifies(l, &version, pool)); /* also those that came in together with an answer */
        /* The cache logs why it could not read */
        if (version >= 0 && store_cache_confirm(l->config.cache, version, pool))
            heartbeat = store_pg_clock() + HEARTBEAT_AFTER_FAILURE;
        wait_for(l, PQsocket(l->conn.pg), heartbeat);
    }
    return NULL;
}

/* The same for a while where notifications do not arrive */
static est_err_t *follow_version(listener_t *l, apr_pool_t *pool)
{
    apr_time_t until = store_pg_clock() + POLL_UNTIL;

    while (!is_stopping(l) && store_pg_clock() < until) {
        apr_int64_t version;

        apr_pool_clear(pool);
        wait_for(l, -1, store_pg_clock() + POLL);
        EST_TRY(ask_version(l, &version, pool));
        EST_TRY(take_notifies(l, &version, pool)); /* a pooler may let one through now and then */
        (void)store_cache_confirm(l->config.cache, version, pool);
    }
    return NULL;
}

/* One connection's life. NULL: it ended because the thread shall end, or to try to listen again */
static est_err_t *session(listener_t *l, apr_pool_t *pool, apr_pool_t *round)
{
    apr_time_t deadline = store_pg_clock() + l->config.timeout;
    PGresult *result;

    EST_TRY(store_pg_conn_open(&l->conn, l->config.target, deadline, pool));
    EST_TRY(store_pg_conn_run(&result, &l->conn, STORE_PG_STMT_LISTEN, NULL, deadline, pool));
    EST_TRY(self_test(l, deadline, pool));
    /* What changed while nobody listened: only now nothing can slip through */
    store_cache_drop_client(l->config.cache, NULL);
    EST_TRY(store_cache_reload(l->config.cache, pool));
    store_cache_set_listening(l->config.cache, l->heard_nonce);
    enter(l, l->heard_nonce ? LISTENING : POLLING, NULL);
    return l->heard_nonce ? follow_notifies(l, round) : follow_version(l, round);
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    listener_t *l = data;
    apr_interval_time_t backoff = MIN_BACKOFF;
    apr_pool_t *pool, *round;

    (void)thread;
    /* Of its own: a child of a pool that other threads use would share their allocator */
    if (apr_pool_create_unmanaged(&pool) != APR_SUCCESS)
        return NULL;
    while (!is_stopping(l)) {
        est_err_t *err;

        apr_pool_create(&round, pool);
        err = session(l, pool, round);
        store_cache_set_listening(l->config.cache, 0);
        if (l->state == LISTENING || l->state == POLLING)
            backoff = MIN_BACKOFF;
        if (err && !is_stopping(l))
            enter(l, DOWN, err);
        store_pg_conn_close(&l->conn);
        apr_pool_clear(pool); /* also the results of the connection */
        if (err)
            wait_for(l, -1, store_pg_clock() + backoff);
        backoff = backoff * 2 < MAX_BACKOFF ? backoff * 2 : MAX_BACKOFF;
    }
    apr_pool_destroy(pool);
    return NULL;
}

static apr_status_t stop(void *data)
{
    static const apr_uint64_t one = 1;
    listener_t *l = data;
    apr_status_t ended;

    apr_atomic_set32(&l->stop, 1);
    if (write(l->wake, &one, sizeof(one)) == (ssize_t)sizeof(one))
        (void)apr_thread_join(&ended, l->thread);
    close(l->wake);
    return APR_SUCCESS;
}

/* Signals are for the threads of the server that this runs in */
static apr_status_t start_without_signals(listener_t *l, apr_pool_t *pool)
{
    sigset_t all, before;
    apr_status_t status;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = apr_thread_create(&l->thread, NULL, run, l, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

est_err_t *store_pg_listen_start(const store_pg_listen_config_t *config, apr_pool_t *pool)
{
    listener_t *l = apr_pcalloc(pool, sizeof(*l));

    l->config = *config;
    l->conn.keep_notifies = 1;
    if ((l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        return EST_FAIL(pool, internal, "no eventfd for the listener");
    if (start_without_signals(l, pool) != APR_SUCCESS) {
        close(l->wake);
        return EST_FAIL(pool, internal, "no thread for the listener");
    }
    apr_pool_pre_cleanup_register(pool, l, stop);
    return NULL;
}
