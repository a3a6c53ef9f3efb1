/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_password.h"
#include "base/est_once.h"
#include "est_failures.h"
#include "est_guard.h"
#include "pki/pki_cert.h"
#include "pki/pki_digest.h"

#include <ap_provider.h>
#include <apr_cstr.h>
#include <apr_md5.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_auth.h>

APLOG_USE_MODULE(est);

#define GOOD_TTL apr_time_from_sec(300)
#define BAD_TTL apr_time_from_sec(60)
#define FAILURES_MAX 10
#define PASSWORD_MAX 72 /* octets that bcrypt looks at; a longer one is refused, not cut */
#define BUSY_RETRY 2    /* seconds */
#define VERDICTS_MAX 8192

/* Verified for users that are not there, so that they cost the same: bcrypt, cost 10, of a random text nobody has kept
 */
#define NOBODYS_HASH "$2y$10$yQb0H2rK5pJq1sX9dT7vUOe1m3kW8zLhC6nF4gA0iBtRxPjSvMuDa"

struct est_password_t {
    const est_env_t *env;
    unsigned char key[32]; /* of this process; what it makes is worth nothing elsewhere */
    est_lru_t *verdicts;
    est_once_t *hashing;
};

static est_password_t *the_passwords;

static apr_status_t cleanse(void *passwords)
{
    est_bytes_cleanse(((est_password_t *)passwords)->key, sizeof(the_passwords->key));
    the_passwords = NULL;
    return APR_SUCCESS;
}

est_err_t *est_password_make(est_password_t **out, const est_env_t *env, int threads, apr_pool_t *pool)
{
    est_password_t *passwords = apr_pcalloc(pool, sizeof(*passwords));

    passwords->env = env;
    if (!env->random(env, passwords->key, sizeof(passwords->key)))
        return EST_FAIL(pool, internal, "no random numbers");
    apr_pool_cleanup_register(pool, passwords, cleanse, apr_pool_cleanup_null);
    EST_TRY(est_lru_make(&passwords->verdicts, VERDICTS_MAX, pool));
    /* A quarter of the threads hash at most, and a quarter is left to requests that have no password to verify */
    EST_TRY(est_once_make(&passwords->hashing, threads >= 8 ? threads / 4 : 1,
                          threads >= 2 ? threads - (threads + 3) / 4 : 1, pool));
    *out = passwords;
    return NULL;
}

void est_password_use(est_password_t *passwords)
{
    the_passwords = passwords;
}

/* ---- failures of an address and user */

static est_slice_t failure_key(unsigned char key[32], const char *network, const char *user, apr_pool_t *pool)
{
    pki_sha256(key, est_slice_of(apr_pstrcat(pool, network, " ", user, NULL)));
    return est_slice(key, 32);
}

static est_err_t *check_failures(const est_req_t *req, const char *user)
{
    unsigned char hash[32];
    est_slice_t key = failure_key(hash, req->network, user, req->pool);
    est_err_t *err;
    int left;

    if (est_failures_count(key, req->now, &left) < FAILURES_MAX)
        return NULL;
    err = EST_FAIL(req->pool, too_many_failures, "%d within a minute", FAILURES_MAX);
    err->retry_after = left;
    return err;
}

static void add_failure(const est_req_t *req, const char *user)
{
    unsigned char hash[32];

    est_failures_add(failure_key(hash, req->network, user, req->pool), req->now);
}

/* RFC 7617 2, strictly: httpd would take the first of two headers, which it makes one of with a comma, and a name up to
 * a NUL */
static est_err_t *read_pair(const char **user, const char *base64, apr_pool_t *pool)
{
    est_slice_t pair;
    const char *colon;

    if (base64[strcspn(base64, " \t")])
        return EST_FAIL(pool, authentication_required, "Authorization: blank in the credentials");
    est_err_t *err = est_base64_decode(&pair, est_slice_of(base64), pool);
    if (err)
        return EST_FAIL(pool, authentication_required, "Authorization: %s", est_err_text(err));
    colon = pair.n ? memchr(pair.p, ':', pair.n) : NULL;
    if (!colon || memchr(pair.p, '\0', pair.n))
        return EST_FAIL(pool, authentication_required, "Authorization: %s", colon ? "NUL in it" : "no colon in it");
    *user = apr_pstrmemdup(pool, (const char *)pair.p, (apr_size_t)(colon - (const char *)pair.p));
    return NULL;
}

/* User name of the Authorization header; NULL when there is none, or it is not for us to read */
static est_err_t *read_user(const char **user, const est_request_t *request)
{
    const char *line = request->authorization, *type = ap_auth_type(request->r);
    apr_pool_t *pool = request->req.pool;

    if (!line || !type || apr_cstr_casecmp(type, "Basic") != 0)
        return NULL;
    /* The word that stands for the scheme is not told: it is a password where somebody has forgotten the scheme */
    if (apr_cstr_casecmp(ap_getword_white(pool, &line), "Basic") != 0)
        return EST_FAIL(pool, authentication_required, "the scheme of Authorization is not Basic");
    return read_pair(user, line, pool);
}

/* A user name is that of an end entity first, if there is a code for it here, and of a client else: one bcrypt for
 * either, and for neither */
static est_err_t *find_entity(est_request_t *request)
{
    const est_req_t *req = &request->req;
    store_t *store = request->service->store;
    policy_entity_t *entity;

    if (req->alias->mode != POLICY_MODE_CLIENT || req->alias->code_source != POLICY_CODE_BASIC)
        return NULL;
    EST_TRY(store->vt->entity_get(store, &entity, req->alias->id, request->basic_user, req->pool));
    if (entity && entity->code_hash)
        request->entity = entity;
    return NULL;
}

est_err_t *est_password_prepare(est_request_t *request)
{
    est_req_t *req = &request->req;

    if (!req->alias || !policy_access_takes_user(req->alias, req->op->op))
        return NULL;
    request->bad_credentials = read_user(&request->basic_user, request);
    if (!request->basic_user)
        return NULL;
    EST_TRY(check_failures(req, request->basic_user));
    EST_TRY(find_entity(request));
    if (request->entity)
        return NULL;
    return store_cache_client(request->service->cache, &req->cred.client, request->basic_user, req->pool);
}

/* Before the answer, so that whoever has it finds it counted. Whatever provider refused the pair, the answer is a 401.
 * So is one to the right code, when it was used up meanwhile: no guess. Whom authorization denies is a 401 of httpd's
 * too, before the error filter makes what it is of it. */
static void count_failure(request_rec *r)
{
    est_request_t *request = est_request_get(r);
    int status = request && request->err ? est_err_row(request->err->code)->status : r->status;

    if (!request || !request->basic_user || request->code_verified || request->failure_counted || !the_passwords ||
        status != HTTP_UNAUTHORIZED)
        return;
    request->failure_counted = 1;
    add_failure(&request->req, request->basic_user);
}

/* ---- verdicts */

static int verdict_key(unsigned char key[32], const char *user, const char *password, const char *hash,
                       apr_pool_t *pool)
{
    /* Length first: no other triple gives the same octets. The hash is in it, so that a changed password forgets the
     * old one. */
    char *text = apr_psprintf(pool, "%d %d %s%s%s", (int)strlen(user), (int)strlen(password), user, password, hash);
    int ok = pki_hmac_sha256(key, est_slice(the_passwords->key, sizeof(the_passwords->key)), est_slice_of(text));

    est_bytes_cleanse(text, strlen(text));
    return ok;
}

static est_err_t *busy_error(const est_req_t *req)
{
    est_err_t *err = EST_FAIL(req->pool, busy, "as many passwords are being verified, or waited for, as may be");

    err->retry_after = BUSY_RETRY;
    return err;
}

static int recall(unsigned char *good, est_slice_t key, const est_req_t *req)
{
    est_slice_t value;

    if (!est_lru_get(the_passwords->verdicts, key, req->now, &value, req->pool) || value.n != 1)
        return 0;
    *good = value.p[0];
    return 1;
}

/* Too long a one is no password, and as dear as any other that is wrong: free ones could flush what is remembered */
static unsigned char verify(const char *secret, const char *hash)
{
    if (strlen(secret) <= PASSWORD_MAX)
        return apr_password_validate(secret, hash) == APR_SUCCESS;
    (void)apr_password_validate("", NOBODYS_HASH);
    return 0;
}

/* hash NULL: of nobody, and never good. Threads that come with the same pair at once wait for one of them: a crowd of
 * devices with one password would else be too many to verify each time that its verdict is forgotten. */
static est_err_t *check_secret(int *fits, const char *user, const char *secret, const char *hash, const est_req_t *req)
{
    const char *compared = hash ? hash : NOBODYS_HASH;
    unsigned char key[EST_ONCE_KEY] = {0}, good;
    est_slice_t remembered = est_slice(key, sizeof(key));
    est_once_turn_t turn = EST_ONCE_DONE;

    *fits = 0;
    if (!verdict_key(key, user, secret, compared, req->pool))
        return EST_FAIL(req->pool, internal, "no digest of a password");
    while (!recall(&good, remembered, req)) {
        if (turn == EST_ONCE_MINE) {
            good = verify(secret, compared) && hash;
            est_lru_put(the_passwords->verdicts, remembered, req->now + (good ? GOOD_TTL : BAD_TTL),
                        est_slice(&good, 1));
            break;
        }
        turn = est_once_begin(the_passwords->hashing, key);
        if (turn == EST_ONCE_FULL)
            return busy_error(req);
    }
    if (turn == EST_ONCE_MINE)
        est_once_end(the_passwords->hashing, key);
    *fits = good && hash;
    return NULL;
}

/* ---- for codes that come in requests */

static est_err_t *verify_code(int *good, const char *secret, const char *hash, const est_req_t *req)
{
    if (!the_passwords)
        return EST_FAIL(req->pool, internal, "nothing verifies passwords in this process");
    /* A verdict is remembered for the name that was claimed: else one on nobody's hash would be known already for the
     * next name that is nobody's, and the time it takes would say so */
    return check_secret(good, req->claimed ? req->claimed : "", secret, hash, req);
}

const est_guard_t *est_password_guard(void)
{
    est_guard.verify = verify_code;
    est_guard.check_failures = check_failures;
    est_guard.add_failure = add_failure;
    return &est_guard;
}

/* ---- the provider */

/* The hash that this user's password has to fit; NULL when there is none. Whose it is stays in request. */
static est_err_t *find_hash(const char **hash, est_request_t *request, const char *user)
{
    policy_credentials_t *cred = &request->req.cred;

    request->code_verified = 0;
    *hash = NULL;
    if (request->entity && !strcmp(request->entity->name, user)) {
        *hash = request->entity->code_hash;
        return NULL;
    }
    request->entity = NULL;
    if (!cred->client || strcmp(cred->client->user, user) != 0)
        EST_TRY(store_cache_client(request->service->cache, &cred->client, user, request->r->pool));
    if (cred->client)
        *hash = cred->client->hash;
    return NULL;
}

/* Trouble is AUTH_DENIED with request->err set: a general error would make httpd answer 500. A user who has no password
 * here may have one at the provider that stands next. */
static authn_status check_password(request_rec *r, const char *user, const char *password)
{
    est_request_t *request = est_request_get(r);
    const char *hash;
    int good = 0;

    if (!request || !the_passwords) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "AuthBasicProvider est works only where EstEngine is on");
        return AUTH_DENIED;
    }
    request->err = find_hash(&hash, request, user);
    if (!request->err)
        request->err = check_secret(&good, user, password, hash, &request->req);
    if (request->err)
        return AUTH_DENIED;
    if (!good)
        return hash ? AUTH_DENIED : AUTH_USER_NOT_FOUND;
    request->code_verified = request->entity != NULL;
    return AUTH_GRANTED;
}

static const authn_provider provider = {check_password, NULL};

void est_password_register(apr_pool_t *pconf)
{
    ap_hook_insert_error_filter(count_failure, NULL, NULL, APR_HOOK_MIDDLE);
    ap_register_auth_provider(pconf, AUTHN_PROVIDER_GROUP, "est", AUTHN_PROVIDER_VERSION, &provider,
                              AP_AUTH_INTERNAL_PER_CONF);
}
