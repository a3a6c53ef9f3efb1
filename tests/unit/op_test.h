/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef OP_TEST_H
#define OP_TEST_H

/*
 * A whole service without httpd and PostgreSQL: a local CA, the policy cache over a store that is a few rows in memory,
 * and a clock and random numbers that tests set. Each test begins with op_start(). The alias "est" takes passwords and
 * certificates; the client "dev7" may ask for its own name, and "ra" for any.
 */

#include "policy_test.h"

#include "ca/ca_local.h"
#include "op/est_auth.h"
#include "op/est_issue.h"
#include "op/est_route.h"
#include "op/est_serve.h"

#define OP_TEST_OUTCOMES 8

typedef struct {
    store_t base;
    int down; /* every call fails */

    apr_int64_t version;
    policy_alias_row_t aliases[2]; /* "est" and "other", alike */
    int n_aliases;
    policy_subject_row_t subject_rules[2];
    policy_san_row_t san_rules[1];
    policy_profile_rows_t profile;
    policy_group_row_t group;
    policy_anchor_row_t anchors[2];
    int n_anchors;
    policy_client_row_t clients[2]; /* "dev7" and "ra" */
    int loads;

    store_outcome_t outcomes[OP_TEST_OUTCOMES]; /* of the first calls of record_issued; those after: issued */
    int n_outcomes, issue_calls;
    est_err_t *issue_error; /* what record_issued fails with, if not NULL */
    void (*on_issue)(const store_issue_t *issue);
    store_holder_t holder; /* of every certificate */
    int holder_calls;

    store_outcome_t orders[OP_TEST_OUTCOMES]; /* of the first calls of order_open; those after: go, without an order */
    int n_orders, order_calls;
    void (*on_order)(const store_issue_t *issue);

    int forward_calls; /* of order_forwarded */
    est_err_t *forward_error;
    store_forward_t forwarded; /* what it was told last */

    int refusal_calls, refusal_wait; /* what record_refused answers */
    est_err_t *refusal_error;
    void (*on_refusal)(const store_refusal_t *refusal);
    policy_entity_t *entity;       /* whom entity_get finds, whatever the name; NULL: nobody */
    policy_client_row_t ra_client; /* what client_by_certificate finds */
} op_store_t;

static struct {
    op_store_t store;
    est_env_t env;
    apr_time_t now;
    int random_fails;
    int random_octet; /* -1: a different one each time */
    EVP_PKEY *ca_key, *key;
    X509 *ca_cert;
    ca_t *cas[2];
    store_cache_t *cache;
    est_service_t service;
    est_slice_t body; /* what the request carries */
    int body_reads;
    int full;                               /* the guard lets no refusal be recorded */
    int wait;                               /* for how many seconds the guard refuses everybody */
    apr_time_t until;                       /* until when the guard was last told to refuse somebody */
    unsigned char limited[PKI_SHA256_SIZE]; /* whom */
    const char *logged;                     /* the last line of the environment's log */
    est_slice_t binding;                    /* channel binding value of every connection */
    int behind_proxy;                       /* of every request */
} op;

/* ---- the store */

static est_err_t *op_load_policy(store_t *store, policy_snapshot_t **out, apr_pool_t *own)
{
    op_store_t *fake = (op_store_t *)store;
    policy_rows_t rows = {.version = fake->version,
                          .aliases = fake->aliases,
                          .n_aliases = fake->n_aliases,
                          .profiles = &fake->profile,
                          .n_profiles = 1,
                          .groups = &fake->group,
                          .n_groups = 1,
                          .anchors = fake->anchors,
                          .n_anchors = fake->n_anchors};

    fake->loads++;
    if (fake->down)
        return EST_FAIL(own, store_unavailable, "fake is down");
    return policy_snapshot_make(out, &rows, own);
}

static est_err_t *op_policy_version(store_t *store, apr_int64_t *out, apr_pool_t *request)
{
    op_store_t *fake = (op_store_t *)store;

    *out = fake->version;
    return fake->down ? EST_FAIL(request, store_unavailable, "fake is down") : NULL;
}

static est_err_t *op_client_get(store_t *store, policy_client_row_t *row, const char *user, apr_pool_t *request)
{
    op_store_t *fake = (op_store_t *)store;

    if (fake->down)
        return EST_FAIL(request, store_unavailable, "fake is down");
    memset(row, 0, sizeof(*row));
    for (int i = 0; i < 2; i++)
        if (fake->clients[i].id && !strcmp(fake->clients[i].user_name, user))
            *row = fake->clients[i];
    return NULL;
}

static est_err_t *op_record_issued(store_t *store, store_outcome_t *out, const store_issue_t *issue,
                                   apr_pool_t *request)
{
    op_store_t *fake = (op_store_t *)store;
    int call = fake->issue_calls++;

    if (fake->down)
        return EST_FAIL(request, store_unavailable, "fake is down");
    if (fake->on_issue)
        fake->on_issue(issue);
    if (fake->issue_error)
        return fake->issue_error;
    *out = call < fake->n_outcomes ? fake->outcomes[call] : (store_outcome_t){.kind = STORE_ISSUED};
    return NULL;
}

static est_err_t *op_holder_status(store_t *store, store_holder_t *out, int alias, const pki_cert_t *cert,
                                   apr_pool_t *request)
{
    op_store_t *fake = (op_store_t *)store;

    assert_true(alias > 0 && cert);
    fake->holder_calls++;
    *out = fake->holder;
    return fake->down ? EST_FAIL(request, store_unavailable, "fake is down") : NULL;
}

static est_err_t *op_order_open(store_t *store, store_outcome_t *out, const store_issue_t *issue, apr_pool_t *request)
{
    op_store_t *fake = (op_store_t *)store;
    int call = fake->order_calls++;

    if (fake->down)
        return EST_FAIL(request, store_unavailable, "fake is down");
    if (fake->on_order)
        fake->on_order(issue);
    *out = call < fake->n_orders ? fake->orders[call] : (store_outcome_t){.kind = STORE_GO};
    return NULL;
}

static est_err_t *op_order_forwarded(store_t *store, const store_forward_t *forward, apr_pool_t *request)
{
    op_store_t *fake = (op_store_t *)store;

    assert_non_null(request);
    fake->forward_calls++;
    fake->forwarded = *forward;
    return fake->forward_error;
}

static est_err_t *op_record_refused(store_t *store, int *retry_after, const store_refusal_t *refusal,
                                    apr_pool_t *request)
{
    op_store_t *fake = (op_store_t *)store;

    fake->refusal_calls++;
    if (fake->down)
        return EST_FAIL(request, store_unavailable, "fake is down");
    if (fake->on_refusal)
        fake->on_refusal(refusal);
    *retry_after = fake->refusal_wait;
    return fake->refusal_error;
}

static est_err_t *op_client_by_certificate(store_t *store, policy_client_row_t *row, const pki_cert_t *cert,
                                           apr_pool_t *request)
{
    op_store_t *fake = (op_store_t *)store;

    assert_non_null(cert);
    *row = fake->ra_client;
    return fake->down ? EST_FAIL(request, store_unavailable, "fake is down") : NULL;
}

static est_err_t *op_entity_get(store_t *store, policy_entity_t **out, int alias, const char *name, apr_pool_t *request)
{
    op_store_t *fake = (op_store_t *)store;

    assert_true(alias > 0 && name);
    *out = fake->entity;
    return fake->down ? EST_FAIL(request, store_unavailable, "fake is down") : NULL;
}

/* ---- the guard */

static int op_may_record(const est_req_t *req)
{
    assert_non_null(req);
    return !op.full;
}

static int op_limited(est_slice_t key, apr_time_t now)
{
    assert_int_equal(key.n, PKI_SHA256_SIZE);
    assert_int_equal(now, op.now);
    return op.wait;
}

static void op_limit(est_slice_t key, apr_time_t until)
{
    memcpy(op.limited, key.p, sizeof(op.limited));
    op.until = until;
}

/* ---- the environment */

static apr_time_t op_now(const est_env_t *env)
{
    (void)env;
    return op.now;
}

static int op_random(const est_env_t *env, unsigned char *buf, apr_size_t len)
{
    static unsigned counter = 1;

    (void)env;
    for (apr_size_t i = 0; i < len; i++) {
        counter = counter * 1103515245u + 12345u;
        buf[i] = (unsigned char)(op.random_octet < 0 ? counter >> 16 : (unsigned)op.random_octet);
    }
    return !op.random_fails;
}

static void op_log(const est_env_t *env, est_log_level_t level, const char *line)
{
    (void)env;
    (void)level;
    assert_non_null(line);
    op.logged = apr_pstrdup(pool, line);
}

/* ---- the service */

static inline void op_fill_store(op_store_t *fake)
{
    static const store_vtable_t vtable = {.load_policy = op_load_policy,
                                          .policy_version = op_policy_version,
                                          .client_get = op_client_get,
                                          .record_issued = op_record_issued,
                                          .holder_status = op_holder_status,
                                          .order_open = op_order_open,
                                          .order_forwarded = op_order_forwarded,
                                          .record_refused = op_record_refused,
                                          .client_by_certificate = op_client_by_certificate,
                                          .entity_get = op_entity_get};

    fake->base.vt = &vtable;
    fake->version = 3;
    fake->aliases[0] = fake->aliases[1] = (policy_alias_row_t)GOOD_ALIAS;
    fake->aliases[1].id = "2";
    fake->aliases[1].name = "other";
    fake->n_aliases = 2;
    fake->subject_rules[0] = (policy_subject_row_t)GOOD_SUBJECT("CN");
    fake->subject_rules[1] = (policy_subject_row_t)GOOD_SUBJECT("O");
    fake->san_rules[0] = (policy_san_row_t)GOOD_SAN("dns");
    fake->profile = (policy_profile_rows_t){.profile = GOOD_PROFILE,
                                            .subject_rules = fake->subject_rules,
                                            .n_subject_rules = 2,
                                            .san_rules = fake->san_rules,
                                            .n_san_rules = 1};
    fake->group = (policy_group_row_t)GOOD_GROUP;
    fake->clients[0] = (policy_client_row_t){.id = "7",
                                             .version = "1",
                                             .user_name = "dev7",
                                             .password_hash = "$2y$a",
                                             .names = "own",
                                             .groups = "1",
                                             .enabled = "t"};
    fake->clients[1] = (policy_client_row_t){.id = "8",
                                             .version = "1",
                                             .user_name = "ra",
                                             .password_hash = "$2y$b",
                                             .names = "*",
                                             .groups = "1",
                                             .enabled = "t"};
}

static inline ca_t *op_ca(const char *name, X509 *cert, EVP_PKEY *key)
{
    const char *dir = temp_dir();
    ca_config_t config = {.name = name, .where = "here"};
    ca_t *ca;

    config.certificate = cert_file(dir, "ca.pem", 1, &cert);
    config.key = key_file(dir, "ca.key", key);
    ASSERT_OK(ca_open(&ca, &config, pool));
    return ca;
}

/* The first line of each test */
static inline void op_start(void)
{
    static const est_guard_t guard = {.may_record = op_may_record, .limited = op_limited, .limit = op_limit};

    memset(&op, 0, sizeof(op));
    op.now = TEST_NOW;
    op.random_octet = -1;
    op.env = (est_env_t){.now = op_now, .random = op_random, .log = op_log};
    op_fill_store(&op.store);
    op.ca_key = make_key("P-256");
    op.ca_cert = make_ca("CN=Issuing,O=Example", op.ca_key, NULL, NULL);
    op.cas[0] = op_ca("issuing", op.ca_cert, op.ca_key);
    op.key = make_key("P-256");
    ASSERT_OK(store_cache_make(&op.cache, &op.store.base, &op.env, pool));
    op.service = (est_service_t){.env = &op.env,
                                 .store = &op.store.base,
                                 .cache = op.cache,
                                 .cas = (ca_t *const *)op.cas,
                                 .n_cas = 1,
                                 .guard = &guard};
    ASSERT_OK(est_lru_make(&op.service.paths, 100, pool));
}

/* The next call of order_open(), of record_issued() ends so */
static inline void op_order_says(store_outcome_t outcome)
{
    op.store.orders[op.store.n_orders++] = outcome;
}

static inline void op_record_says(store_outcome_t outcome)
{
    op.store.outcomes[op.store.n_outcomes++] = outcome;
}

/* The policy of the store has changed, and the cache will see it when it asks next */
static inline void op_policy_changed(void)
{
    op.store.version++;
}

/* ---- certificates of clients */

/* One of our CA, for TLS clients */
static inline X509 *op_holder(const char *subject, const char *san)
{
    cert_spec_t spec = {.subject = subject,
                        .key = op.key,
                        .issuer = op.ca_cert,
                        .issuer_key = op.ca_key,
                        .exts = {"keyUsage=critical,digitalSignature", "extendedKeyUsage=clientAuth", san}};

    return make_cert(&spec);
}

/* ---- requests */

/* A certificate request as it is decoded; its key is op.key when spec names none */
static inline pki_csr_t *op_csr(const csr_spec_t *spec)
{
    csr_spec_t full = *spec;
    pki_csr_t *csr;

    if (!full.key)
        full.key = op.key;
    ASSERT_OK(pki_csr_decode(&csr, make_csr(&full), pool));
    return csr;
}

static est_err_t *op_read_body(est_slice_t *out, est_req_t *req)
{
    (void)req;
    op.body_reads++;
    *out = op.body;
    return NULL;
}

static est_slice_t op_binding(const est_req_t *req)
{
    (void)req;
    return op.binding;
}

/* A request as the transport gives it, before routing */
static inline est_req_t *op_request(unsigned method)
{
    est_req_t *req = apr_pcalloc(pool, sizeof(*req));

    req->pool = pool;
    req->now = op.now;
    req->id = "0123456789abcdef0123456789abcdef";
    req->method = method;
    req->content_type = method == EST_METHOD_POST ? "application/pkcs10" : NULL;
    req->has_user_agent = 1;
    req->network = "192.0.2.1";
    assert_int_equal(apr_sockaddr_info_get(&req->address, req->network, APR_UNSPEC, 0, 0, pool), APR_SUCCESS);
    req->read_body = op_read_body;
    req->binding = op_binding;
    req->behind_proxy = op.behind_proxy;
    return req;
}

/* Routed to path; the method is that of the operation */
static inline est_req_t *op_routed(const char *path)
{
    est_req_t *req = op_request(strstr(path, "cacerts") || strstr(path, "csrattrs") ? EST_METHOD_GET : EST_METHOD_POST);

    ASSERT_OK(est_route(req, &op.service, path, NULL, 0));
    return req;
}

/* As httpd does it when a provider has verified the password of user */
static inline void op_log_in(est_req_t *req, const char *user)
{
    req->cred.user = user;
    req->cred.has_authorization = 1;
    ASSERT_OK(store_cache_client(op.cache, &req->cred.client, user, pool));
}

static inline void op_grant(est_req_t *req)
{
    policy_access_t access;
    est_err_t *why;

    ASSERT_OK(est_auth_require(&access, &why, req, &op.service));
    ASSERT_OK(why);
    assert_int_equal(access, POLICY_ACCESS_GRANTED);
}

/* Routed and granted: to a user, or with leaf to a certificate */
static inline est_req_t *op_granted(const char *path, const char *user, X509 *leaf)
{
    est_req_t *req = op_routed(path);

    req->leaf = leaf;
    if (user)
        op_log_in(req, user);
    op_grant(req);
    return req;
}

#endif
