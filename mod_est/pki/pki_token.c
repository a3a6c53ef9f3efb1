/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_token.h"
#include "pki_token_driver.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <apr_atomic.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <openssl/err.h>

#define LAST_PATIENCE apr_time_from_sec(1) /* at the end of a process, for signatures under way */
#define TICK 10000                         /* microseconds */

/* A module, of one process. Never freed: a thread may hang in it. */
typedef struct pki_token_t pki_token_t;
struct pki_token_t {
    pki_token_t *next;
    char *module;              /* as identify() says */
    apr_allocator_t *memory;   /* of mutex and condition; only here is it seen that they are not lost */
    apr_thread_mutex_t *mutex; /* of what follows */
    apr_thread_cond_t *changed;
    int inside;            /* threads that sign */
    int exclusive;         /* a thread opens keys, or waits for those to leave: nobody else comes in */
    pki_token_key_t *keys; /* those that are started; taken away by the exclusive thread alone */
    /* changed by the exclusive thread alone, as is pkey of the keys */
    unsigned generation; /* how many times the module was initialised anew */
    const pki_token_driver_t *driver;
    void *context; /* the driver's; NULL: not open yet */
};

struct pki_token_key_t {
    pki_token_spec_t spec;
    pki_token_pin_t *pin;
    pki_token_t *token; /* NULL: not started */
    pki_token_key_t *next;
    EVP_PKEY *pkey; /* NULL: not open */
};

static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static pki_token_t *registry;

/* ---- modules of this process */

/* By the file it is, since it is initialised once whatever its name */
static char *identify(const char *module)
{
    char *path = strchr(module, '/') ? realpath(module, NULL) : NULL;

    return path ? path : strdup(module);
}

static pki_token_t *make_token(char *module)
{
    pki_token_t *token = calloc(1, sizeof(*token));
    apr_pool_t *pool;

    /* of no other pool: at the end of the process they go, and a thread that hangs does not */
    if (!token || !module || apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS ||
        apr_thread_mutex_create(&token->mutex, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS ||
        apr_thread_cond_create(&token->changed, pool) != APR_SUCCESS)
        abort();
    token->memory = apr_pool_allocator_get(pool);
    token->module = module;
    return token;
}

static pki_token_t *find_token(const char *module)
{
    char *name = identify(module);
    pki_token_t *token;

    pthread_mutex_lock(&registry_mutex);
    for (token = registry; token && name && strcmp(token->module, name) != 0; token = token->next)
        ;
    if (token) {
        free(name);
    } else {
        token = make_token(name);
        token->next = registry;
        registry = token;
    }
    pthread_mutex_unlock(&registry_mutex);
    return token;
}

/* ---- who is in it */

/* 0: not before deadline */
static int enter(pki_token_t *token, int exclusive, apr_time_t deadline)
{
    int in_time = 1;

    apr_thread_mutex_lock(token->mutex);
    while (token->exclusive && in_time) {
        apr_time_t left = deadline - apr_time_now();

        in_time = left > 0;
        if (in_time)
            apr_thread_cond_timedwait(token->changed, token->mutex, left);
    }
    if (in_time && !exclusive)
        token->inside++;
    if (in_time && exclusive) {
        token->exclusive = 1;
        while (token->inside && in_time) {
            apr_time_t left = deadline - apr_time_now();

            in_time = left > 0;
            if (in_time)
                apr_thread_cond_timedwait(token->changed, token->mutex, left);
        }
        if (!in_time) {
            token->exclusive = 0;
            apr_thread_cond_broadcast(token->changed);
        }
    }
    apr_thread_mutex_unlock(token->mutex);
    return in_time;
}

static void leave(pki_token_t *token, int exclusive)
{
    apr_thread_mutex_lock(token->mutex);
    if (exclusive)
        token->exclusive = 0;
    else
        token->inside--;
    apr_thread_cond_broadcast(token->changed);
    apr_thread_mutex_unlock(token->mutex);
}

/* ---- why OpenSSL failed */

/* CKR_PIN_INCORRECT, _INVALID, _LEN_RANGE, _EXPIRED, _LOCKED, as engine and provider hand them on */
static int is_about_pin(unsigned long error)
{
    return ERR_GET_LIB(error) >= ERR_LIB_USER && ERR_GET_REASON(error) >= 0xa0 && ERR_GET_REASON(error) <= 0xa4;
}

/* Empties the queue. The first reason is the module's, what follows is where it was noticed. */
static const char *reason(int *pin_refused)
{
    const char *text = NULL;
    unsigned long error;

    while ((error = ERR_get_error()) != 0) {
        if (is_about_pin(error))
            *pin_refused = 1;
        if (!text)
            text = ERR_reason_error_string(error);
    }
    return text ? text : "no reason given";
}

/* ---- the PIN: tried by one process until the token has accepted it, and by nobody once it was refused */

enum { PIN_UNTRIED, PIN_ACCEPTED, PIN_REFUSED, PIN_FIRST_TIME }; /* from there on: seconds, when the trial began */

static const char *module_of(const pki_token_key_t *key)
{
    return key->spec.module ? key->spec.module : PKI_TOKEN_DEFAULT_MODULE;
}

static est_err_t *pin_was_refused(const pki_token_key_t *key, apr_pool_t *pool)
{
    return EST_FAIL(pool, ca_failed,
                    "%s: the token refuses the PIN of EstCAKeyPassphrase; it is not tried again before httpd is "
                    "restarted, since tokens lock after a few wrong ones",
                    key->spec.uri);
}

static est_err_t *claim_pin(apr_uint32_t *claim, const pki_token_key_t *key, apr_time_t deadline, apr_pool_t *pool)
{
    *claim = 0;
    if (!key->spec.pin)
        return NULL;
    for (;;) {
        apr_uint32_t state = apr_atomic_read32(&key->pin->state);
        apr_time_t now = apr_time_now();
        apr_uint32_t seconds = (apr_uint32_t)apr_time_sec(now);
        int over = state >= PIN_FIRST_TIME && seconds - state > (apr_uint32_t)apr_time_sec(key->spec.patience) + 1;

        if (state == PIN_ACCEPTED)
            return NULL;
        if (state == PIN_REFUSED)
            return pin_was_refused(key, pool);
        if ((state == PIN_UNTRIED || over) && apr_atomic_cas32(&key->pin->state, seconds, state) == state) {
            *claim = seconds;
            return NULL;
        }
        if (now >= deadline)
            return EST_FAIL(pool, ca_unavailable, "%s: another process is still trying the PIN", key->spec.uri);
        apr_sleep(TICK);
    }
}

static void settle_pin(const pki_token_key_t *key, apr_uint32_t claim, int opened, int refused)
{
    if (!key->spec.pin)
        return;
    if (refused)
        apr_atomic_set32(&key->pin->state, PIN_REFUSED);
    else if (claim)
        apr_atomic_cas32(&key->pin->state, opened ? PIN_ACCEPTED : PIN_UNTRIED, claim);
}

/* ---- signing */

static int sign_with(unsigned char *buf, size_t *n, est_slice_t octets, const EVP_MD *md, const pki_token_key_t *key)
{
    OSSL_LIB_CTX *library = key->token->driver->library(key->token->context);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx != NULL;

    ERR_clear_error();
    if (ok && library)
        ok = EVP_DigestSignInit_ex(ctx, NULL, md ? EVP_MD_get0_name(md) : NULL, library, NULL, key->pkey, NULL) == 1;
    else if (ok)
        ok = EVP_DigestSignInit(ctx, NULL, md, NULL, key->pkey) == 1;
    ok = ok && EVP_DigestSign(ctx, buf, n, octets.p, octets.n) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

static size_t signature_size(const pki_token_key_t *key)
{
    int size = EVP_PKEY_get_size(X509_get0_pubkey(key->spec.cert));

    return size > 0 ? (size_t)size : 0;
}

static int verify(const unsigned char *signature, size_t n, est_slice_t octets, const EVP_MD *md,
                  const pki_token_key_t *key)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, X509_get0_pubkey(key->spec.cert)) == 1 &&
             EVP_DigestVerify(ctx, signature, n, octets.p, octets.n) == 1;

    EVP_MD_CTX_free(ctx);
    return ok;
}

#define PAIR "a signature to see whether key and certificate are a pair"

/* What the token says that its public key is does not matter: a signature has to verify */
static est_err_t *check_pair(const pki_token_key_t *key, apr_pool_t *pool)
{
    est_slice_t octets = est_slice(PAIR, sizeof(PAIR) - 1);
    int type = EVP_PKEY_get_base_id(X509_get0_pubkey(key->spec.cert)), unused = 0;
    const EVP_MD *md = type == EVP_PKEY_RSA || type == EVP_PKEY_EC ? EVP_sha256() : NULL;
    size_t size = signature_size(key), n = size;
    unsigned char *buf = apr_palloc(pool, size + 1);

    if (EVP_PKEY_get_size(key->pkey) <= 0) /* the token went away meanwhile */
        return EST_FAIL(pool, ca_unavailable, "%s could not be read as a whole: %s", key->spec.uri, reason(&unused));
    if (EVP_PKEY_get_base_id(key->pkey) == type && EVP_PKEY_get_size(key->pkey) == (int)size) {
        if (!sign_with(buf, &n, octets, md, key))
            return EST_FAIL(pool, ca_unavailable, "%s does not sign: %s", key->spec.uri, reason(&unused));
        if (verify(buf, n, octets, md, key))
            return NULL;
    }
    ERR_clear_error();
    return EST_FAIL(pool, ca_failed, "EstCAKey %s does not fit EstCACertificate", key->spec.uri);
}

/* ---- opening; each of these is called by the exclusive thread */

static est_err_t *open_driver(const pki_token_key_t *key, apr_pool_t *pool)
{
    static const pki_token_driver_t *const drivers[] = {&pki_token_provider, &pki_token_engine};
    pki_token_t *token = key->token;
    int unused = 0;

    for (apr_size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]) && !token->context; i++) {
        ERR_clear_error();
        token->driver = drivers[i];
        token->context = drivers[i]->open(token->module);
    }
    if (!token->context)
        return EST_FAIL(pool, ca_unavailable, "%s: OpenSSL has neither a provider nor an engine pkcs11 for %s (%s)",
                        key->spec.uri, module_of(key), reason(&unused));
    ERR_clear_error(); /* of a provider that is not there */
    return NULL;
}

static void reset(pki_token_t *token)
{
    pki_token_key_t *key;

    apr_thread_mutex_lock(token->mutex);
    key = token->keys;
    apr_thread_mutex_unlock(token->mutex);
    for (; key; key = key->next) { /* more may come before these meanwhile: they are not open */
        EVP_PKEY_free(key->pkey);
        key->pkey = NULL;
    }
    token->driver->reset(token->context);
    token->generation++;
    ERR_clear_error();
}

static est_err_t *load(pki_token_key_t *key, int *pin_refused, apr_pool_t *pool)
{
    pki_token_t *token = key->token;
    est_err_t *err;

    key->pkey = token->driver->load(token->context, key->spec.uri, key->spec.pin);
    if (!key->pkey) {
        const char *why = reason(pin_refused);

        return *pin_refused ? pin_was_refused(key, pool)
                            : EST_FAIL(pool, ca_unavailable, "%s cannot be had from %s (%s: %s)%s", key->spec.uri,
                                       module_of(key), token->driver->name, why,
                                       key->spec.pin ? "" : "; no PIN was given: EstCAKeyPassphrase");
    }
    ERR_clear_error();
    err = check_pair(key, pool);
    if (err) {
        EVP_PKEY_free(key->pkey);
        key->pkey = NULL;
    }
    return err;
}

/* The engine remembers the last PIN, and would try it for a key that has none: in another token, perhaps */
static est_err_t *check_pins(const pki_token_key_t *key, apr_pool_t *pool)
{
    const pki_token_key_t *other;

    apr_thread_mutex_lock(key->token->mutex);
    for (other = key->token->keys; other && !other->spec.pin; other = other->next)
        ;
    apr_thread_mutex_unlock(key->token->mutex);
    if (other && !key->spec.pin)
        return EST_FAIL(pool, ca_failed, "%s: EstCAKeyPassphrase is missing, which %s of the same module has",
                        key->spec.uri, other->spec.uri);
    return NULL;
}

/* renew: with the module initialised anew. So it is, too, when the token is not there, or what there is does not sign,
 * or wrongly: a module may not see that a token has come back. */
static est_err_t *load_or_reset(pki_token_key_t *key, int renew, int *pin_refused, apr_pool_t *pool)
{
    est_err_t *err;

    EST_TRY(check_pins(key, pool));
    if (!key->token->context)
        EST_TRY(open_driver(key, pool));
    if (renew)
        reset(key->token);
    err = load(key, pin_refused, pool);
    if (!err || renew || *pin_refused)
        return err;
    reset(key->token);
    return load(key, pin_refused, pool);
}

/* failed: the key of that generation is open and does not sign */
static est_err_t *open_key(pki_token_key_t *key, int failed, unsigned generation, apr_time_t deadline, apr_pool_t *pool)
{
    pki_token_t *token = key->token;
    int refused = 0, opened;
    apr_uint32_t claim;
    est_err_t *err = NULL;

    EST_TRY(claim_pin(&claim, key, deadline, pool));
    if (!enter(token, 1, deadline)) {
        settle_pin(key, claim, 0, 0);
        return EST_FAIL(pool, ca_unavailable, "%s: the token hangs, or others are still opening it", key->spec.uri);
    }
    failed = failed && token->generation == generation; /* else another has opened it anew meanwhile */
    if (failed || !key->pkey)
        err = load_or_reset(key, failed, &refused, pool);
    opened = key->pkey != NULL;
    leave(token, 1);
    settle_pin(key, claim, opened, refused);
    return err;
}

/* ---- keys */

void pki_token_key_make(pki_token_key_t **out, const pki_token_spec_t *spec, apr_pool_t *pool)
{
    pki_token_key_t *key = apr_pcalloc(pool, sizeof(*key));

    key->spec = *spec;
    key->pin = apr_pcalloc(pool, sizeof(*key->pin));
    *out = key;
}

/* The module is not ended: it goes with the process, and where it hangs that must not wait for it. Neither does a key
 * that a thread hangs with. */
static apr_status_t close_key(void *data)
{
    pki_token_key_t *key = data, **p;
    pki_token_t *token = key->token;

    if (!enter(token, 1, apr_time_now() + LAST_PATIENCE))
        return APR_SUCCESS;
    EVP_PKEY_free(key->pkey);
    key->pkey = NULL;
    apr_thread_mutex_lock(token->mutex);
    for (p = &token->keys; *p != key; p = &(*p)->next)
        ;
    *p = key->next;
    apr_thread_mutex_unlock(token->mutex);
    key->token = NULL;
    leave(token, 1);
    return APR_SUCCESS;
}

void pki_token_key_start(pki_token_key_t *key, pki_token_pin_t *pin, apr_pool_t *pool)
{
    pki_token_t *token = find_token(module_of(key));

    if (pin)
        key->pin = pin;
    key->token = token;
    apr_thread_mutex_lock(token->mutex); /* and not as the exclusive thread, for another key may hang already */
    key->next = token->keys;
    token->keys = key;
    apr_thread_mutex_unlock(token->mutex);
    apr_pool_cleanup_register(pool, key, close_key, apr_pool_cleanup_null);
}

static est_err_t *not_started(const pki_token_key_t *key, apr_pool_t *pool)
{
    return EST_FAIL(pool, ca_unavailable, "%s was not made ready in this process", key->spec.uri);
}

est_err_t *pki_token_key_open(const char **how, pki_token_key_t *key, apr_pool_t *pool)
{
    pki_token_t *token = key->token;

    if (!token)
        return not_started(key, pool);
    EST_TRY(open_key(key, 0, 0, apr_time_now() + key->spec.patience, pool));
    *how = token->driver->name;
    return NULL;
}

typedef enum { SIGNED, NOT_OPEN, FAILED, LATE } result_t;

static result_t attempt(unsigned char *buf, size_t *n, est_slice_t octets, const EVP_MD *md, pki_token_key_t *key,
                        unsigned *generation, apr_time_t deadline)
{
    pki_token_t *token = key->token;
    result_t result = NOT_OPEN;

    if (!enter(token, 0, deadline))
        return LATE;
    *generation = token->generation;
    /* Verified, since a token that came back may have something else under a handle that it gave out before; and a
     * fault in an RSA signature would give the key away */
    if (key->pkey)
        result = sign_with(buf, n, octets, md, key) && verify(buf, *n, octets, md, key) ? SIGNED : FAILED;
    leave(token, 0);
    return result;
}

est_err_t *pki_token_sign(est_slice_t *signature, est_slice_t octets, const EVP_MD *md, pki_token_key_t *key,
                          apr_pool_t *pool)
{
    apr_time_t deadline = apr_time_now() + key->spec.patience;
    size_t size = signature_size(key), n = size;
    unsigned char *buf = apr_palloc(pool, size + 1);
    unsigned generation = 0;
    int unused = 0, turns = 0;
    result_t result;

    if (!key->token)
        return not_started(key, pool);
    /* A turn to open it, where that was not done yet, and one to open it anew */
    for (int renewed = 0; (result = attempt(buf, &n, octets, md, key, &generation, deadline)) != SIGNED && !renewed;) {
        if (result == LATE)
            return EST_FAIL(pool, ca_unavailable, "%s: others are still opening the token", key->spec.uri);
        EST_TRY(open_key(key, result == FAILED, generation, deadline, pool));
        renewed = result == FAILED || ++turns == 2;
        n = size;
    }
    if (result != SIGNED)
        return EST_FAIL(pool, ca_unavailable, "%s does not sign, or wrongly: %s", key->spec.uri, reason(&unused));
    ERR_clear_error();
    *signature = est_slice(buf, n);
    return NULL;
}
