/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_est_certs.h"

#include "ca_certs.h"
#include "pki/pki_certs.h"
#include "pki/pki_load.h"
#include "pki/pki_ossl.h"

#include <apr_allocator.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* After a look in vain */
#define PAUSE apr_time_from_sec(30)
#define PAUSE_WITHOUT_ANY apr_time_from_sec(1)
/* Children that begin together do not ask together, and so fill no gate: each is late by a time of its own */
#define SPREAD_MAX apr_time_from_sec(5)
#define SPREAD_PART 8 /* of EstCARefresh, at most */
/* Since ca_est_certs_refresh was called last, after which requests look themselves */
#define ATTENDED apr_time_from_sec(60)
#define REASON_MAX 512
#define CACHE_MAX ((apr_size_t)2 * CA_HTTP_MAX) /* octets of the file: PEM of what fits into an answer */
#define GENERATIONS_MAX 64

/* All that there ever were: requests may still be at work with them, and those of before come back when upstreams
 * differ. No process lives to see more than a few, unless an upstream is out to fill its memory. */
typedef struct generation_t {
    ca_facts_t *facts;
    struct generation_t *next;
} generation_t;

struct ca_est_certs_t {
    ca_remote_t *remote;
    const char *name, *cache; /* cache: NULL, or the file */
    const ca_facts_t *pinned; /* NULL: ask */
    apr_interval_time_t refresh;
    _Atomic(const ca_facts_t *) current; /* NULL: none yet */
    _Atomic apr_time_t next_look;
    _Atomic apr_time_t attended; /* when ca_est_certs_refresh was called last; 0: never */
    apr_time_t next_first;      /* of ca_est_certs_refresh alone: before, it does not try again to get the first ones */
    apr_interval_time_t spread; /* that it is late by */
    apr_thread_mutex_t *flight; /* held by the one that asks */
    int failing;                /* with flight: that it fails has been said */
    char reason[REASON_MAX];    /* with flight: why there are none */
    apr_thread_mutex_t *lock;   /* for what follows, and the file */
    apr_pool_t *pool;           /* with an allocator of its own */
    generation_t *generations;
    int n_generations;
    int cache_failed; /* that it cannot be written has been said */
};

/* ---- making */

static est_err_t *sort(ca_facts_t **out, STACK_OF(X509) *stack, apr_pool_t *pool)
{
    est_err_t *err = ca_certs_sort(out, stack, pool);

    return err && err->code == EST_E_config ? EST_FAIL(pool, ca_answer, "%s", err->detail) : err;
}

/* With lock, or before there are threads. stack is what facts were made of. *out in certs->pool, or of before */
static est_err_t *keep(ca_est_certs_t *certs, const ca_facts_t **out, STACK_OF(X509) *stack, const ca_facts_t *facts,
                       apr_pool_t *pool)
{
    generation_t *generation = certs->generations;
    apr_pool_t *own;

    while (generation && !est_slice_equal(generation->facts->cacerts, facts->cacerts))
        generation = generation->next;
    if (!generation && certs->n_generations == GENERATIONS_MAX)
        return EST_FAIL(pool, ca_answer, "they have changed %d times since this process began, no more are taken",
                        GENERATIONS_MAX);
    if (!generation) {
        apr_pool_create(&own, certs->pool);
        generation = apr_pcalloc(own, sizeof(*generation));
        EST_TRY(sort(&generation->facts, stack, own));
        generation->next = certs->generations;
        certs->generations = generation;
        certs->n_generations++;
    }
    *out = generation->facts;
    atomic_store(&certs->current, generation->facts);
    return NULL;
}

/* ---- the file */

/* That there is none is fine. The parent, which is root, reads what its children have written: no pipe is to stop it.
 */
static est_err_t *read_cache(ca_est_certs_t *certs, apr_pool_t *pool)
{
    STACK_OF(X509) *stack;
    ca_facts_t *facts;
    const ca_facts_t *kept;

    if (!certs->cache || access(certs->cache, F_OK) != 0)
        return NULL;
    EST_TRY(pki_load_certs_of_others(&stack, certs->cache, CACHE_MAX, pool));
    EST_TRY(sort(&facts, stack, pool));
    return keep(certs, &kept, stack, facts, pool);
}

static int has_octets(const char *path, const char *octets, apr_size_t n, apr_pool_t *pool)
{
    char *there = apr_palloc(pool, n + 1);
    struct stat st;
    FILE *file = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "re") : NULL;
    apr_size_t n_there = file ? fread(there, 1, n + 1, file) : 0;

    if (file)
        fclose(file);
    return n_there == n && !memcmp(there, octets, n);
}

/* 0: errno says why not */
static int write_all(int fd, const char *octets, apr_size_t n)
{
    while (n) {
        ssize_t written = write(fd, octets, n);

        if (written < 0 && errno != EINTR)
            return 0;
        octets += written > 0 ? written : 0;
        n -= written > 0 ? (apr_size_t)written : 0;
    }
    return fchmod(fd, 0644) == 0 && fsync(fd) == 0;
}

/* Whoever reads it finds the old copy or the new one, never a part; 0: errno says why not */
static int replace(const char *path, const char *octets, apr_size_t n, apr_pool_t *pool)
{
    char *temporary = apr_pstrcat(pool, path, ".XXXXXX", NULL);
    int fd = mkostemp(temporary, O_CLOEXEC), ok, reason;

    if (fd < 0)
        return 0;
    ok = write_all(fd, octets, n);
    reason = errno;
    ok = close(fd) == 0 && ok && rename(temporary, path) == 0;
    if (!ok) {
        reason = errno ? errno : reason;
        unlink(temporary);
        errno = reason;
    }
    return ok;
}

/* With lock */
static void write_cache(ca_est_certs_t *certs, const ca_facts_t *facts, apr_pool_t *pool)
{
    BIO *bio = certs->cache ? BIO_new(BIO_s_mem()) : NULL;
    char *octets;
    long n;
    int ok = 1;

    if (!bio)
        return;
    for (int i = 0; i < facts->issuer.n_certs && ok; i++) {
        const unsigned char *p = facts->certs[i].p;
        X509 *cert = d2i_X509(NULL, &p, (long)facts->certs[i].n);

        ok = cert && PEM_write_bio_X509(bio, cert);
        X509_free(cert);
    }
    n = BIO_get_mem_data(bio, &octets);
    errno = ok ? 0 : ENOMEM;
    /* Each process finds out for itself, most of them that another has written it */
    if (ok && !has_octets(certs->cache, octets, (apr_size_t)n, pool))
        ok = replace(certs->cache, octets, (apr_size_t)n, pool);
    if (!ok && !certs->cache_failed)
        est_env_log(certs->remote->env, EST_LOG_WARNING,
                    "EstCACacheFile %s of <EstCA %s> cannot be written, so a restart while the upstream is down would "
                    "leave none of its certificates: %s",
                    certs->cache, certs->name, strerror(errno));
    certs->cache_failed = !ok;
    BIO_free(bio);
    ERR_clear_error();
}

/* ---- asking */

est_err_t *ca_est_get(est_slice_t *out, ca_remote_t *remote, const ca_est_get_t *get, apr_pool_t *pool)
{
    ca_http_ask_t ask = {
        .url = apr_pstrcat(pool, get->upstream, "/", get->operation, NULL), .accept = "*/*", .ending = get->ending};
    ca_http_answer_t answer;
    est_err_t *err;

    ask.timeout = get->deadline - remote->env->now(remote->env);
    if (ask.timeout <= 0)
        return EST_FAIL(pool, ca_unavailable, "no time is left to ask %s", ask.url);
    err = ca_http_do(&answer, remote->http, &ask, pool);
    if (err) {
        if (err->code == EST_E_ca_timeout) /* nothing is carried out: another upstream may be asked */
            err->code = EST_E_ca_unavailable;
        return err;
    }
    if (answer.status != 200) {
        err = ca_remote_status(&answer, "no reason given", pool);
        err->code = answer.status >= 500 || err->code == EST_E_ca_unavailable ? EST_E_ca_unavailable : EST_E_ca_answer;
        err->detail = apr_psprintf(pool, "%s: %s%s", ask.url, err->detail,
                                   answer.status == 404 ? ": is EstCAUpstream right?" : "");
        return err;
    }
    err = est_base64_decode(out, answer.body, pool);
    return err ? EST_FAIL(pool, ca_answer, "%s: %s", ask.url, est_err_text(err)) : NULL;
}

/* The message goes where certificates go otherwise */
static est_err_t *attempt(ca_remote_t *remote, const char *upstream, int resume, ca_answer_t *answer,
                          const ca_request_t *request, apr_time_t deadline, apr_pool_t *pool)
{
    ca_est_get_t get = {.upstream = upstream,
                        .operation = "cacerts",
                        .deadline = deadline,
                        .ending = request->background ? remote->ca.ending : NULL};
    apr_time_t now = remote->env->now(remote->env);

    (void)resume;
    if (remote->n_upstreams > 1) /* one that hangs leaves time for the next */
        get.deadline = now + (deadline - now) / 2;
    return ca_est_get(&answer->der, remote, &get, pool);
}

/* What came replaces those of before, if it is any good */
static est_err_t *take(ca_est_certs_t *certs, const ca_facts_t **out, est_slice_t message, apr_pool_t *pool)
{
    STACK_OF(X509) *stack;
    const ca_facts_t *before;
    ca_facts_t *facts;
    const char *gap;
    est_err_t *err;

    EST_TRY(pki_certs_read(&stack, message, pool));
    EST_TRY(sort(&facts, stack, pool));
    apr_thread_mutex_lock(certs->lock);
    before = atomic_load(&certs->current);
    err = keep(certs, out, stack, facts, pool);
    if (!err && (*out != before || certs->cache_failed || (certs->cache && access(certs->cache, F_OK))))
        write_cache(certs, *out, pool);
    apr_thread_mutex_unlock(certs->lock);
    if (!err && before && *out != before)
        est_env_log(certs->remote->env, EST_LOG_NOTICE, "the upstream of <EstCA %s> has other certificates now: \"%s\"",
                    certs->name, pki_cert_subject_text((*out)->cert, pool));
    gap = !err && *out != before ? ca_certs_gap(*out, pool) : NULL;
    if (gap)
        est_env_log(certs->remote->env, EST_LOG_WARNING, CA_CERTS_GAP, "cacerts of the upstream", certs->name, gap);
    return err;
}

/* ---- those of now */

/* most: that it can be ahead, unless the clock was set back */
static int is_over(apr_time_t next, apr_interval_time_t most, apr_time_t now)
{
    return now >= next || next - now > most;
}

static int is_due(ca_est_certs_t *certs, apr_interval_time_t late, apr_time_t now)
{
    return is_over(atomic_load(&certs->next_look) + late, certs->refresh + late, now);
}

/* For ca_est_certs_refresh. Requests want the first ones more urgently, and try again sooner. */
static int is_to_be_refreshed(ca_est_certs_t *certs, apr_time_t now)
{
    return is_due(certs, certs->spread, now) &&
           (atomic_load(&certs->current) || is_over(certs->next_first, PAUSE, now));
}

/* By somebody who is no request */
static int is_attended(ca_est_certs_t *certs, apr_time_t now)
{
    apr_time_t last = atomic_load(&certs->attended);

    return last && now - last < ATTENDED && last - now < ATTENDED;
}

static void failed(ca_est_certs_t *certs, const est_err_t *err, const ca_facts_t *known, apr_time_t now)
{
    apr_interval_time_t pause = known ? PAUSE : PAUSE_WITHOUT_ANY;

    atomic_store(&certs->next_look, now + (pause < certs->refresh ? pause : certs->refresh));
    apr_cpystrn(certs->reason, est_err_text(err), sizeof(certs->reason));
    if (known && !certs->failing)
        est_env_log(
            certs->remote->env, EST_LOG_WARNING,
            "the certificates of the upstream of <EstCA %s> cannot be looked at again, those of before are used: %s",
            certs->name, certs->reason);
    if (known)
        certs->failing = 1;
}

/* What another process has kept in the file since this one has read it; NULL: nothing */
static const ca_facts_t *kept_by_another(ca_est_certs_t *certs, apr_pool_t *pool)
{
    apr_thread_mutex_lock(certs->lock);
    (void)read_cache(certs, pool); /* a broken file is said to be one at the start */
    apr_thread_mutex_unlock(certs->lock);
    return atomic_load(&certs->current);
}

/* With flight. background as in ca_request_t */
static est_err_t *look(ca_est_certs_t *certs, const ca_facts_t **out, int background, apr_pool_t *pool)
{
    const est_env_t *env = certs->remote->env;
    const ca_facts_t *known = atomic_load(&certs->current);
    ca_request_t request = {.now = env->now(env), .background = background};
    ca_answer_t answer = {0};
    est_err_t *err;

    *out = known;
    if (!is_due(certs, 0, request.now)) /* another one has looked meanwhile */
        return known ? NULL : EST_FAIL(pool, ca_unavailable, "%s", certs->reason);
    err = ca_remote_try(certs->remote, &answer, &request, attempt, pool);
    if (err && err->code == EST_E_internal) /* given up, or out of memory: not the upstream's fault */
        return known ? NULL : err;
    if (!err)
        err = take(certs, out, answer.der, pool);
    if (err) {
        if (!known)
            *out = known = kept_by_another(certs, pool);
        failed(certs, err, known, env->now(env));
        if (known)
            return NULL;
        if (err->code == EST_E_ca_answer)
            err->code = EST_E_ca_unavailable;
        return err;
    }
    if (certs->failing)
        est_env_log(env, EST_LOG_NOTICE, "the certificates of the upstream of <EstCA %s> can be looked at%s",
                    certs->name, known ? " again" : "");
    certs->failing = 0;
    atomic_store(&certs->next_look, env->now(env) + certs->refresh);
    return NULL;
}

est_err_t *ca_est_certs_get(ca_est_certs_t *certs, const ca_facts_t **out, apr_pool_t *pool)
{
    const est_env_t *env = certs->remote->env;
    apr_time_t now = env ? env->now(env) : 0;
    est_err_t *err;

    *out = certs->pinned ? certs->pinned : atomic_load(&certs->current);
    if (certs->pinned || (*out && (!env || !is_due(certs, 0, now) || is_attended(certs, now))))
        return NULL;
    if (!env || !certs->flight)
        return EST_FAIL(pool, ca_unavailable, "the certificates of <EstCA %s> are not known yet", certs->name);
    if (!*out)
        apr_thread_mutex_lock(certs->flight);
    else if (apr_thread_mutex_trylock(certs->flight) != APR_SUCCESS)
        return NULL;
    err = look(certs, out, 0, pool);
    apr_thread_mutex_unlock(certs->flight);
    return err;
}

/* Requests that have certificates go on with them meanwhile; the others wait for flight, as for a request that asks */
void ca_est_certs_refresh(ca_est_certs_t *certs, apr_pool_t *pool)
{
    const est_env_t *env = certs->remote->env;
    const ca_facts_t *facts;
    est_err_t *err;
    apr_time_t now;

    if (certs->pinned || !env || !certs->flight)
        return;
    now = env->now(env);
    atomic_store(&certs->attended, now);
    if (!is_to_be_refreshed(certs, now) || apr_thread_mutex_trylock(certs->flight) != APR_SUCCESS)
        return;
    err = look(certs, &facts, 1, pool);
    certs->next_first = now + PAUSE;
    if (err && err->code != EST_E_internal && !certs->failing) {
        est_env_log(env, EST_LOG_WARNING, "the certificates of the upstream of <EstCA %s> are not known yet: %s",
                    certs->name, certs->reason);
        certs->failing = 1;
    }
    apr_thread_mutex_unlock(certs->flight);
    atomic_store(&certs->attended, env->now(env));
}

est_err_t *ca_est_certs_renew(ca_est_certs_t *certs, const ca_facts_t **out, const ca_facts_t *before,
                              const char *upstream, apr_time_t deadline, apr_pool_t *pool)
{
    est_slice_t message;

    *out = certs->pinned ? before : atomic_load(&certs->current);
    if (*out == before && !certs->pinned) {
        ca_est_get_t get = {.upstream = upstream, .operation = "cacerts", .deadline = deadline};

        EST_TRY(ca_est_get(&message, certs->remote, &get, pool));
        EST_TRY(take(certs, out, message, pool));
    }
    if (*out == before)
        *out = NULL;
    return NULL;
}

int ca_est_certs_pinned(const ca_est_certs_t *certs)
{
    return certs->pinned != NULL;
}

/* ---- life */

static const char *gap_in(const char *what, const ca_facts_t *facts, const ca_config_t *config, apr_pool_t *pool)
{
    const char *gap = ca_certs_gap(facts, pool);

    return gap ? apr_psprintf(pool, CA_CERTS_GAP, what, config->name, gap) : NULL;
}

static const char *directory_of(const char *path, apr_pool_t *pool)
{
    const char *end = strrchr(path, '/');

    return end ? apr_pstrmemdup(pool, path, (apr_size_t)(end - path) + 1) : ".";
}

est_err_t *ca_est_certs_open(ca_est_certs_t **out, const char **warning, ca_remote_t *remote, const ca_config_t *config,
                             apr_pool_t *pool)
{
    ca_est_certs_t *certs = apr_pcalloc(pool, sizeof(*certs));
    ca_facts_t *pinned = NULL;
    est_err_t *err;

    *out = certs;
    *warning = NULL;
    certs->remote = remote;
    certs->name = apr_pstrdup(pool, config->name);
    certs->refresh = apr_time_from_sec(config->refresh);
    certs->pool = pool;
    if (config->certificate) {
        if (config->cache)
            return EST_FAIL(pool, config, "EstCACacheFile makes no sense with EstCACertificate: nothing is asked for");
        EST_TRY(ca_certs_load(&pinned, config, 0, pool));
        certs->pinned = pinned;
        *warning = gap_in("EstCAChain", pinned, config, pool);
        return NULL;
    }
    if (config->chain)
        return EST_FAIL(pool, config, "EstCAChain makes no sense without EstCACertificate");
    certs->cache = config->cache ? apr_pstrdup(pool, config->cache) : NULL;
    err = read_cache(certs, pool);
    if (err)
        *warning = apr_psprintf(pool, "EstCACacheFile %s of <EstCA %s> is of no use: %s", certs->cache, certs->name,
                                est_err_text(err));
    else if (certs->current)
        *warning = gap_in("EstCACacheFile", certs->current, config, pool);
    else if (certs->cache && access(directory_of(certs->cache, pool), F_OK) != 0)
        *warning = apr_psprintf(pool, "EstCACacheFile %s of <EstCA %s>: there is no such directory", certs->cache,
                                certs->name);
    return NULL;
}

/* Numbers of processes that begin together are close to each other, their products are not */
static apr_interval_time_t spread_of(apr_interval_time_t refresh)
{
    apr_interval_time_t most = refresh / SPREAD_PART < SPREAD_MAX ? refresh / SPREAD_PART : SPREAD_MAX;

    return (apr_interval_time_t)((unsigned)getpid() * 2654435761u) % most;
}

est_err_t *ca_est_certs_start(ca_est_certs_t *certs, apr_pool_t *pool)
{
    apr_allocator_t *allocator;
    apr_pool_t *own, *scratch;

    if (certs->pinned)
        return NULL;
    if (apr_allocator_create(&allocator) != APR_SUCCESS ||
        apr_pool_create_ex(&own, pool, NULL, allocator) != APR_SUCCESS)
        return EST_FAIL(pool, internal, "out of memory");
    apr_allocator_owner_set(allocator, own);
    if (apr_thread_mutex_create(&certs->lock, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS ||
        apr_thread_mutex_create(&certs->flight, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS)
        return EST_FAIL(pool, internal, "no lock");
    certs->pool = own;
    certs->spread = spread_of(certs->refresh);
    atomic_store(&certs->next_look, certs->remote->env->now(certs->remote->env));
    /* Another process may have written it since the parent has read it. What is wrong with it, the parent has said. */
    apr_pool_create(&scratch, pool);
    (void)read_cache(certs, scratch);
    apr_pool_destroy(scratch);
    return NULL;
}
