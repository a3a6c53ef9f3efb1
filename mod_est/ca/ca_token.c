/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_token.h"
#include "ca_gate.h"
#include "ca_settings.h"
#include "pki/pki_load.h"
#include "pki/pki_token.h"
#include "pki/pki_token_uri.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <apr_atomic.h>
#include <apr_strings.h>

#define BUSY_RETRY 2    /* seconds */
#define LAST_PATIENCE 1 /* seconds, at the end of a process */

struct ca_token_t {
    ca_t *ca;
    const char *uri, *guarded[2];
    pki_token_key_t *key;
    pki_signer_t *signer;
    ca_gate_rules_t rules;
    volatile apr_uint32_t inside; /* threads of this process: those that hang are more than the gate knows of */
    const est_env_t *env;         /* NULL: not started */
};

/* Two of ca's gates are ours: one is a gate, the other has what became of the PIN */
static ca_gate_t *gate_of(const ca_token_t *token)
{
    return token->ca->gates;
}

static pki_token_pin_t *pin_of(const ca_token_t *token)
{
    return (pki_token_pin_t *)((char *)token->ca->gates + ca_gate_size());
}

/* ---- settings */

static est_err_t *check_module(const ca_config_t *config, apr_pool_t *pool)
{
    if (config->key_module && access(config->key_module, R_OK) != 0)
        return EST_FAIL(pool, file, "EstCAKeyModule %s cannot be read: %s", config->key_module, strerror(errno));
    return NULL;
}

static est_err_t *sign_in_token(est_slice_t *signature, est_slice_t octets, const EVP_MD *md, void *data,
                                apr_pool_t *pool)
{
    return pki_token_sign(signature, octets, md, data, pool);
}

est_err_t *ca_token_open(ca_token_t **out, ca_t *ca, const ca_config_t *config, X509 *cert, apr_pool_t *pool)
{
    ca_token_t *token = apr_pcalloc(pool, sizeof(*token));
    pki_token_spec_t spec = {.module = config->key_module, .cert = cert};

    EST_TRY(pki_token_uri_check(&spec.uri, config->key, pool));
    EST_TRY(check_module(config, pool));
    if (config->passphrase)
        EST_TRY(pki_load_passphrase(&spec.pin, config->passphrase, pool));
    EST_TRY(ca_settings_rules(&token->rules, config, pool));
    spec.patience = apr_time_from_sec(config->timeout);
    pki_token_key_make(&token->key, &spec, pool);
    EST_TRY(pki_signer_make_for(&token->signer, cert, sign_in_token, token->key, pool));
    token->ca = ca;
    token->uri = spec.uri;
    ca->n_gates = 2;
    ca->gates = apr_pcalloc(pool, ca_shared_size(ca)); /* until ca_share */
    token->guarded[0] = token->uri;
    ca->guarded = token->guarded;
    ca->rules = &token->rules;
    *out = token;
    return NULL;
}

/* ---- the token is opened by a thread of its own */

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int users;         /* the process's pool, and the thread */
    ca_token_t *token; /* NULL: the pool has gone, and with it who would listen */
} opener_t;

static void release_opener(opener_t *opener)
{
    int users = --opener->users;

    pthread_cond_signal(&opener->changed);
    pthread_mutex_unlock(&opener->mutex);
    if (!users) {
        pthread_cond_destroy(&opener->changed);
        pthread_mutex_destroy(&opener->mutex);
        free(opener);
    }
}

static void tell(const ca_token_t *token, const est_err_t *err, const char *how)
{
    if (err)
        est_env_log(token->env, EST_LOG_WARNING, "<EstCA %s> cannot sign yet, requests are answered with 503: %s",
                    token->ca->name, est_err_text(err));
    else
        est_env_log(token->env, EST_LOG_NOTICE, "<EstCA %s> signs with %s, by OpenSSL's %s pkcs11", token->ca->name,
                    token->uri, how);
}

static void *open_token(void *data)
{
    opener_t *opener = data;
    pki_token_key_t *key;
    apr_pool_t *pool;
    const char *how = "";
    est_err_t *err;

    pthread_mutex_lock(&opener->mutex);
    key = opener->token ? opener->token->key : NULL;
    pthread_mutex_unlock(&opener->mutex);
    if (key && apr_pool_create_unmanaged_ex(&pool, NULL, NULL) == APR_SUCCESS) {
        err = pki_token_key_open(&how, key, pool);
        pthread_mutex_lock(&opener->mutex);
        if (opener->token)
            tell(opener->token, err, how);
        pthread_mutex_unlock(&opener->mutex);
        apr_pool_destroy(pool);
    }
    pthread_mutex_lock(&opener->mutex);
    release_opener(opener);
    return NULL;
}

/* Waits for it, but not for one that hangs: that one gets no further than to see that it is forgotten */
static apr_status_t forget_opener(void *data)
{
    opener_t *opener = data;
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += LAST_PATIENCE;
    pthread_mutex_lock(&opener->mutex);
    opener->token = NULL;
    while (opener->users == 2 && pthread_cond_timedwait(&opener->changed, &opener->mutex, &end) == 0)
        ;
    release_opener(opener);
    return APR_SUCCESS;
}

/* Detached: where it hangs, nobody may wait for it */
static int start_opener(ca_token_t *token, apr_pool_t *pool)
{
    opener_t *opener = calloc(1, sizeof(*opener));
    sigset_t all, before;
    pthread_t thread;
    int status;

    if (!opener)
        return 0;
    pthread_mutex_init(&opener->mutex, NULL);
    pthread_cond_init(&opener->changed, NULL);
    opener->token = token;
    opener->users = 2;
    sigfillset(&all); /* signals are for the threads of the server that this runs in */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = pthread_create(&thread, NULL, open_token, opener);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status) {
        free(opener);
        return 0;
    }
    pthread_detach(thread);
    apr_pool_cleanup_register(pool, opener, forget_opener, apr_pool_cleanup_null);
    return 1;
}

est_err_t *ca_token_start(ca_token_t *token, const est_env_t *env, apr_pool_t *pool)
{
    token->env = env;
    pki_token_key_start(token->key, pin_of(token), pool);
    if (!start_opener(token, pool))
        return EST_FAIL(pool, internal, "no thread to open the token with");
    return NULL;
}

/* ---- signing */

static est_err_t *busy(const ca_token_t *token, apr_pool_t *pool)
{
    est_err_t *err = EST_FAIL(pool, ca_busy, "<EstCA %s>: %d requests are at the token already (EstCAConcurrency)",
                              token->ca->name, token->rules.places);

    err->retry_after = BUSY_RETRY;
    return err;
}

static est_err_t *left_alone(const ca_token_t *token, int wait, apr_pool_t *pool)
{
    est_err_t *err = EST_FAIL(pool, ca_unavailable, "<EstCA %s>: the token failed, and is left alone for %d s more",
                              token->ca->name, wait);

    err->retry_after = wait;
    return err;
}

/* What became of it; err NULL: signed */
static void come_back(ca_token_t *token, int place, est_err_t *err)
{
    apr_time_t now = token->env->now(token->env);
    ca_gate_result_t result = CA_GATE_GOOD;
    ca_gate_change_t change;

    if (err)
        result = err->code == EST_E_ca_unavailable ? CA_GATE_BAD : CA_GATE_UNTRIED;
    change = ca_gate_leave(gate_of(token), &token->rules, place, result, now);
    if (result == CA_GATE_BAD)
        err->retry_after = ca_gate_wait(gate_of(token), &token->rules, now);
    if (change == CA_GATE_WENT_DOWN)
        est_env_log(token->env, EST_LOG_WARNING, "<EstCA %s>: the token is left alone for a while: %s", token->ca->name,
                    err ? est_err_text(err) : "");
    else if (change == CA_GATE_CAME_BACK)
        est_env_log(token->env, EST_LOG_NOTICE, "<EstCA %s>: the token signs again", token->ca->name);
}

static est_err_t *sign(est_slice_t *der, const pki_tbs_t *tbs, ca_token_t *token, apr_pool_t *pool)
{
    est_err_t *err;
    int place, wait;

    switch (ca_gate_enter(&place, &wait, gate_of(token), &token->rules, token->env->now(token->env))) {
    case CA_GATE_CLOSED:
        return left_alone(token, wait, pool);
    case CA_GATE_FULL:
        return busy(token, pool);
    case CA_GATE_OPEN:
        break;
    }
    err = pki_cert_sign(der, tbs, token->signer, pool);
    come_back(token, place, err);
    return err;
}

/* The gate gives a place away when its lease is over, though a thread may hang in the token for longer: no more of them
 * than EstCAConcurrency says, in each process */
est_err_t *ca_token_sign(est_slice_t *der, const pki_tbs_t *tbs, ca_token_t *token, apr_pool_t *pool)
{
    est_err_t *err;

    if (!token->env)
        return EST_FAIL(pool, ca_unavailable, "<EstCA %s> was not made ready in this process", token->ca->name);
    if (apr_atomic_inc32(&token->inside) < (apr_uint32_t)token->rules.places)
        err = sign(der, tbs, token, pool);
    else
        err = busy(token, pool);
    apr_atomic_dec32(&token->inside);
    return err;
}
