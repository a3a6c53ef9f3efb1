/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store_pg.h"

#include "policy/policy_text.h"
#include "store_pg_issue.h"
#include "store_pg_listen.h"
#include "store_pg_policy.h"
#include "store_pg_pool.h"

#include <apr_strings.h>
#include <string.h>

#define HASH 32 /* octets of a SHA-256 */

typedef struct {
    store_t base;
    store_pg_target_t *target;
    store_pg_pool_t *connections;
    store_pg_conn_t *lent; /* in the place of these, not ours */
    apr_interval_time_t timeout;
    const est_env_t *env;
} store_pg_t;

/* What a request may still spend: microseconds, in its pool */
#define BUDGET "est_store_pg_budget"
#define TOO_LITTLE APR_TIME_C(50000)

void store_pg_share_timeout(const store_t *store, apr_interval_time_t limit, apr_pool_t *pool)
{
    apr_interval_time_t *left = apr_palloc(pool, sizeof(*left));

    *left = ((const store_pg_t *)store)->timeout;
    if (limit && limit < *left)
        *left = limit;
    apr_pool_userdata_setn(left, BUDGET, NULL, pool);
}

static est_err_t *call_until(PGresult **out, const store_pg_t *pg, store_pg_stmt_t stmt,
                             const store_pg_params_t *params, apr_time_t deadline, apr_pool_t *pool)
{
    store_pg_conn_t *conn;
    est_err_t *err;

    if (pg->lent)
        return store_pg_conn_run(out, pg->lent, stmt, params, deadline, pool);
    do {
        EST_TRY(store_pg_pool_acquire(&conn, pg->connections, deadline, pool));
        err = store_pg_conn_run(out, conn, stmt, params, deadline, pool);
    } while (store_pg_pool_release(pg->connections, conn, deadline) && err);
    return err;
}

/* One statement that is a transaction of its own, over whichever connection, again when the connection is lost */
static est_err_t *call(PGresult **out, store_t *store, store_pg_stmt_t stmt, const store_pg_params_t *params,
                       apr_pool_t *pool)
{
    const store_pg_t *pg = (const store_pg_t *)store;
    apr_time_t began = store_pg_clock();
    void *shared = NULL;
    apr_interval_time_t *left;
    est_err_t *err;

    apr_pool_userdata_get(&shared, BUDGET, pool);
    left = shared;
    if (left && *left < TOO_LITTLE)
        return EST_FAIL(pool, store_unavailable, "this request has used up its time for the database");
    err = call_until(out, pg, stmt, params, began + (left ? *left : pg->timeout), pool);
    if (left)
        *left -= store_pg_clock() - began;
    return err;
}

/* --- policy */

static est_err_t *load_policy(store_t *store, policy_snapshot_t **out, apr_pool_t *pool)
{
    store_pg_t *pg = (store_pg_t *)store;
    apr_time_t deadline = store_pg_clock() + pg->timeout;
    store_pg_conn_t *conn;
    apr_pool_t *scratch;
    est_err_t *err;

    apr_pool_create(&scratch, pool);
    if (pg->lent)
        return store_pg_policy_load(out, pg->lent, deadline, pool, scratch);
    do {
        EST_TRY(store_pg_pool_acquire(&conn, pg->connections, deadline, pool));
        apr_pool_clear(scratch);
        err = store_pg_policy_load(out, conn, deadline, pool, scratch);
    } while (store_pg_pool_release(pg->connections, conn, deadline) && err);
    if (!err)
        apr_pool_destroy(scratch); /* else the error is in it */
    return err;
}

static est_err_t *policy_version(store_t *store, apr_int64_t *out, apr_pool_t *pool)
{
    PGresult *result;

    EST_TRY(call(&result, store, STORE_PG_STMT_POLICY_VERSION, NULL, pool));
    return store_pg_policy_version_of(out, result, pool);
}

/* --- clients and certificates */

static est_err_t *read_client(policy_client_row_t *row, const PGresult *result, apr_pool_t *pool)
{
    const struct {
        const char *column, **member;
    } columns[] = {
        {"id", &row->id},
        {"version", &row->version},
        {"user_name", &row->user_name},
        {"password_hash", &row->password_hash},
        {"names", &row->names},
        {"networks", &row->networks},
        {"groups", &row->groups},
        {"enabled", &row->enabled},
        {"valid_from", &row->valid_from},
        {"valid_until", &row->valid_until},
    };

    memset(row, 0, sizeof(*row));
    for (size_t i = 0; PQntuples(result) && i < sizeof(columns) / sizeof(*columns); i++)
        EST_TRY(store_pg_column(columns[i].member, result, 0, columns[i].column, pool));
    return NULL;
}

static est_err_t *client_get(store_t *store, policy_client_row_t *row, const char *user, apr_pool_t *pool)
{
    store_pg_params_t params = {0};
    PGresult *result;

    memset(row, 0, sizeof(*row));
    /* The database would call it an error; it cannot hold such a client */
    if (!est_is_utf8(user))
        return NULL;
    store_pg_params_text(&params, user);
    EST_TRY(call(&result, store, STORE_PG_STMT_CLIENT_GET, &params, pool));
    return read_client(row, result, pool);
}

static est_err_t *holder_status(store_t *store, store_holder_t *out, int alias, const pki_cert_t *cert,
                                apr_pool_t *pool)
{
    unsigned char issuer_hash[HASH];
    store_pg_params_t params = {0};
    PGresult *result;
    const char *status;

    pki_sha256(issuer_hash, cert->issuer);
    store_pg_params_text(&params, apr_itoa(pool, alias));
    store_pg_params_bytes(&params, issuer_hash, HASH);
    store_pg_params_text(&params, est_hex(cert->serial, pool));
    EST_TRY(call(&result, store, STORE_PG_STMT_HOLDER_STATUS, &params, pool));
    EST_TRY(store_pg_column(&status, result, 0, "holder_status", pool));
    *out = STORE_HOLDER_UNKNOWN;
    if (status && !strcmp(status, "valid"))
        *out = STORE_HOLDER_VALID;
    else if (status && !strcmp(status, "revoked"))
        *out = STORE_HOLDER_REVOKED;
    return NULL;
}

static est_err_t *client_by_certificate(store_t *store, policy_client_row_t *row, const pki_cert_t *cert,
                                        apr_pool_t *pool)
{
    store_pg_params_t params = {0};
    PGresult *result;

    store_pg_params_bytes(&params, cert->fingerprint, sizeof(cert->fingerprint));
    store_pg_params_text(&params, cert->subject->text);
    EST_TRY(call(&result, store, STORE_PG_STMT_CLIENT_BY_CERTIFICATE, &params, pool));
    return read_client(row, result, pool);
}

static est_err_t *read_entity(policy_entity_t *entity, const PGresult *result, apr_pool_t *pool)
{
    const char *id, *version, *status, *preregistered, *san, *valid_until, *code_id;
    int bad = 0;

    EST_TRY(store_pg_column(&id, result, 0, "id", pool));
    EST_TRY(store_pg_column(&version, result, 0, "version", pool));
    EST_TRY(store_pg_column(&entity->name, result, 0, "name", pool));
    EST_TRY(store_pg_column(&status, result, 0, "status", pool));
    EST_TRY(store_pg_column(&preregistered, result, 0, "preregistered", pool));
    EST_TRY(store_pg_column(&entity->subject, result, 0, "subject", pool));
    EST_TRY(store_pg_column(&san, result, 0, "san", pool));
    EST_TRY(store_pg_column(&valid_until, result, 0, "valid_until", pool));
    EST_TRY(store_pg_column(&code_id, result, 0, "code_id", pool));
    EST_TRY(store_pg_column(&entity->code_hash, result, 0, "code_hash", pool));
    if (!version || !entity->name || !status)
        return EST_FAIL(pool, store_failed, "entity_get: an entity without version, name or status");
    entity->id = apr_atoi64(id);
    entity->version = apr_atoi64(version);
    entity->suspended = strcmp(status, "active") != 0;
    entity->preregistered = policy_text_bool(preregistered);
    entity->valid_until = policy_text_time(valid_until, &bad);
    entity->code_id = code_id ? apr_atoi64(code_id) : 0;
    if (bad)
        return EST_FAIL(pool, store_failed, "entity_get: valid_until is no time");
    entity->san = policy_text_list(&entity->n_san, san, pool);
    return NULL;
}

static est_err_t *entity_get(store_t *store, policy_entity_t **out, int alias, const char *name, apr_pool_t *pool)
{
    store_pg_params_t params = {0};
    PGresult *result;
    const char *id;

    *out = NULL;
    if (!est_is_utf8(name)) /* as in client_get */
        return NULL;
    store_pg_params_text(&params, apr_itoa(pool, alias));
    store_pg_params_text(&params, name);
    EST_TRY(call(&result, store, STORE_PG_STMT_ENTITY_GET, &params, pool));
    if (!PQntuples(result))
        return NULL;
    EST_TRY(store_pg_column(&id, result, 0, "id", pool));
    if (!id)
        return NULL;
    *out = apr_pcalloc(pool, sizeof(**out));
    return read_entity(*out, result, pool);
}

/* --- what is recorded */

static est_err_t *record_issued(store_t *store, store_outcome_t *out, const store_issue_t *issue, apr_pool_t *pool)
{
    store_pg_params_t params = {0};
    PGresult *result;

    store_pg_issue_params(&params, issue, pool);
    EST_TRY(call(&result, store, STORE_PG_STMT_RECORD_ISSUED, &params, pool));
    return store_pg_issue_outcome(out, result, "record_issued", pool);
}

static est_err_t *order_open(store_t *store, store_outcome_t *out, const store_issue_t *issue, apr_pool_t *pool)
{
    store_pg_params_t params = {0};
    PGresult *result;

    store_pg_issue_order_params(&params, issue, pool);
    EST_TRY(call(&result, store, STORE_PG_STMT_ORDER_OPEN, &params, pool));
    EST_TRY(store_pg_issue_outcome(out, result, "order_open", pool));
    return store_pg_issue_forward(out, result, pool);
}

/* Safe to send again: of an attempt that is over, another one is no news */
static est_err_t *order_forwarded(store_t *store, const store_forward_t *forward, apr_pool_t *pool)
{
    store_pg_params_t params = {0};
    PGresult *result;
    const char *done;

    store_pg_issue_forwarded_params(&params, forward, pool);
    EST_TRY(call(&result, store, STORE_PG_STMT_ORDER_FORWARDED, &params, pool));
    EST_TRY(store_pg_column(&done, result, 0, "order_forwarded", pool));
    if (forward->kind == STORE_FORWARD_KEPT && (!done || *done != 't'))
        return EST_FAIL(pool, store_failed, "order %s was ended, or taken over, meanwhile", forward->order);
    return NULL;
}

/* A column that is a whole number */
static est_err_t *read_count(int *out, const PGresult *result, const char *column, apr_pool_t *pool)
{
    const char *text;

    EST_TRY(store_pg_column(&text, result, 0, column, pool));
    *out = text ? atoi(text) : 0;
    return NULL;
}

static est_err_t *record_refused(store_t *store, int *retry_after, const store_refusal_t *refusal, apr_pool_t *pool)
{
    store_pg_params_t params = {0};
    PGresult *result;

    store_pg_issue_refusal_params(&params, refusal, pool);
    EST_TRY(call(&result, store, STORE_PG_STMT_RECORD_REFUSED, &params, pool));
    return read_count(retry_after, result, "retry_after", pool);
}

static est_err_t *maintain(store_t *store, int *revoked, int *expired, apr_pool_t *pool)
{
    PGresult *result;

    EST_TRY(call(&result, store, STORE_PG_STMT_MAINTAIN, NULL, pool));
    EST_TRY(read_count(revoked, result, "revoked", pool));
    return read_count(expired, result, "expired", pool);
}

/* --- for administrators */

static est_err_t *explain_request(store_t *store, store_finding_t **out, int *n, const store_issue_t *issue,
                                  apr_pool_t *pool)
{
    store_pg_params_t params = {0};
    PGresult *result;

    store_pg_issue_explain_params(&params, issue, pool);
    EST_TRY(call(&result, store, STORE_PG_STMT_EXPLAIN_REQUEST, &params, pool));
    *n = PQntuples(result);
    *out = apr_pcalloc(pool, ((apr_size_t)*n + 1) * sizeof(**out));
    for (int i = 0; i < *n; i++) {
        store_finding_t *finding = &(*out)[i];
        const char *retry_after;

        EST_TRY(store_pg_column(&finding->rule, result, i, "rule", pool));
        EST_TRY(store_pg_column(&finding->verdict, result, i, "verdict", pool));
        EST_TRY(store_pg_column(&finding->wanted, result, i, "wanted", pool));
        EST_TRY(store_pg_column(&finding->got, result, i, "got", pool));
        EST_TRY(store_pg_column(&retry_after, result, i, "retry_after", pool));
        finding->retry_after = retry_after ? atoi(retry_after) : 0;
    }
    return NULL;
}

/* --- the store */

est_err_t *store_pg_config_check(const char *conninfo, apr_pool_t *pool)
{
    store_pg_target_t *target;

    return store_pg_target_make(&target, conninfo, pool);
}

est_err_t *store_pg_probe(policy_snapshot_t **snapshot, const store_pg_config_t *config, apr_pool_t *snapshot_pool,
                          apr_pool_t *pool)
{
    apr_time_t deadline = store_pg_clock() + config->timeout;
    store_pg_conn_t conn = {0};
    store_pg_target_t *target;
    est_err_t *err;

    EST_TRY(store_pg_target_make(&target, config->conninfo, pool));
    EST_TRY(store_pg_conn_open(&conn, target, deadline, pool));
    err = store_pg_policy_load(snapshot, &conn, deadline, snapshot_pool, pool);
    store_pg_conn_close(&conn);
    return err;
}

est_err_t *store_pg_open(store_t **out, const store_pg_config_t *config, const est_env_t *env, apr_pool_t *pool)
{
    static const store_vtable_t vtable = {.load_policy = load_policy,
                                          .policy_version = policy_version,
                                          .client_get = client_get,
                                          .record_issued = record_issued,
                                          .holder_status = holder_status,
                                          .order_open = order_open,
                                          .order_forwarded = order_forwarded,
                                          .record_refused = record_refused,
                                          .client_by_certificate = client_by_certificate,
                                          .entity_get = entity_get,
                                          .maintain = maintain};
    store_pg_t *pg = apr_pcalloc(pool, sizeof(*pg));

    pg->base.vt = &vtable;
    pg->timeout = config->timeout;
    pg->env = env;
    EST_TRY(store_pg_target_make(&pg->target, config->conninfo, pool));
    EST_TRY(store_pg_pool_make(&pg->connections, pg->target, config->pool_size, pool));
    *out = &pg->base;
    return NULL;
}

est_err_t *store_pg_lend(store_t **out, struct pg_conn *connection, apr_interval_time_t timeout, apr_pool_t *pool)
{
    static const store_vtable_t vtable = {.load_policy = load_policy,
                                          .policy_version = policy_version,
                                          .client_get = client_get,
                                          .holder_status = holder_status,
                                          .client_by_certificate = client_by_certificate,
                                          .entity_get = entity_get,
                                          .explain_request = explain_request};
    store_pg_t *pg = apr_pcalloc(pool, sizeof(*pg));

    pg->base.vt = &vtable;
    pg->timeout = timeout;
    pg->lent = apr_pcalloc(pool, sizeof(*pg->lent));
    pg->lent->pg = connection;
    *out = &pg->base;
    return NULL;
}

est_err_t *store_pg_listen(store_t *store, store_cache_t *cache, apr_pool_t *pool)
{
    const store_pg_t *pg = (const store_pg_t *)store;
    store_pg_listen_config_t config = {pg->connections, pg->target, pg->timeout, pg->env, cache};

    return store_pg_listen_start(&config, pool);
}
