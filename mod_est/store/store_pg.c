/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store_pg.h"

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

static est_err_t *client_get(store_t *store, policy_client_row_t *row, const char *user, apr_pool_t *pool)
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
    store_pg_params_t params = {0};
    PGresult *result;

    memset(row, 0, sizeof(*row));
    /* The database would call it an error; it cannot hold such a client */
    if (!est_is_utf8(user))
        return NULL;
    store_pg_params_text(&params, user);
    EST_TRY(call(&result, store, STORE_PG_STMT_CLIENT_GET, &params, pool));
    for (size_t i = 0; PQntuples(result) && i < sizeof(columns) / sizeof(*columns); i++)
        EST_TRY(store_pg_column(columns[i].member, result, 0, columns[i].column, pool));
    return NULL;
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

/* --- record_issued */

/* An array literal of text: {"dns:a.example","ip:10.0.0.1"} */
static const char *san_array(const pki_sans_t *san, apr_pool_t *pool)
{
    const char **texts = apr_palloc(pool, ((apr_size_t)san->n_names + 1) * sizeof(*texts));
    apr_size_t size = sizeof("{}");
    char *array, *p;

    for (int i = 0; i < san->n_names; i++) {
        texts[i] = pki_san_text(&san->names[i], pool);
        size += 2 * strlen(texts[i]) + 3; /* every octet escaped, quotes, comma */
    }
    p = array = apr_palloc(pool, size);
    *p++ = '{';
    for (int i = 0; i < san->n_names; i++) {
        if (i)
            *p++ = ',';
        *p++ = '"';
        for (const char *s = texts[i]; *s; s++) {
            if (*s == '"' || *s == '\\')
                *p++ = '\\';
            *p++ = *s;
        }
        *p++ = '"';
    }
    *p++ = '}';
    *p = '\0';
    return array;
}

static const char *number(apr_int64_t n, apr_pool_t *pool)
{
    return apr_psprintf(pool, "%" APR_INT64_T_FMT, n);
}

/* $1 to $25 of the statement */
static void issue_params(store_pg_params_t *params, const store_issue_t *issue, apr_pool_t *pool)
{
    static const char *const kinds[] = {NULL, "user", "certificate"};
    const policy_identity_t *identity = issue->identity;
    const policy_client_t *client = identity->client;
    const pki_cert_t *holder = issue->holder_issuer_hash ? identity->cert : NULL;

    store_pg_params_text(params, issue->id);
    store_pg_params_text(params, number(issue->alias, pool));
    store_pg_params_text(params, number(issue->policy_version, pool));
    store_pg_params_text(params, issue->operation);
    store_pg_params_text(params, kinds[identity->kind]);
    store_pg_params_text(params, identity->name);
    store_pg_params_text(params, client ? number(client->id, pool) : NULL);
    store_pg_params_text(params, client ? number(client->version, pool) : NULL);
    store_pg_params_text(params, issue->network);
    store_pg_params_bytes(params, holder ? issue->holder_issuer_hash : NULL, HASH);
    store_pg_params_text(params, holder ? est_hex(holder->serial, pool) : NULL);
    store_pg_params_text(params, issue->entity);
    store_pg_params_bytes(params, issue->idem_key, HASH);
    store_pg_params_text(params, number(issue->idem_seconds, pool));
    store_pg_params_text(params, issue->ca);
    store_pg_params_text(params, issue->issuer);
    store_pg_params_bytes(params, issue->issuer_hash, HASH);
    store_pg_params_text(params, est_hex(issue->serial, pool));
    store_pg_params_text(params, issue->subject);
    store_pg_params_text(params, san_array(issue->san, pool));
    store_pg_params_bytes(params, issue->spki_hash, HASH);
    store_pg_params_text(params, number(apr_time_sec(issue->not_before), pool));
    store_pg_params_text(params, number(apr_time_sec(issue->not_after), pool));
    store_pg_params_bytes(params, issue->der.p, issue->der.n);
    store_pg_params_bytes(params, issue->modulus_hash, PKI_KEY_MODULUS_HASH_SIZE);
}

static est_err_t *record_issued(store_t *store, store_outcome_t *out, const store_issue_t *issue, apr_pool_t *pool)
{
    static const char *const kinds[] = {"issued", "replay", "refused", "stale"};
    store_pg_params_t params = {0};
    PGresult *result;
    const char *kind, *der;
    int k = 0;

    memset(out, 0, sizeof(*out));
    issue_params(&params, issue, pool);
    EST_TRY(call(&result, store, STORE_PG_STMT_RECORD_ISSUED, &params, pool));
    EST_TRY(store_pg_column(&kind, result, 0, "outcome", pool));
    EST_TRY(store_pg_column(&out->rule, result, 0, "rule", pool));
    EST_TRY(store_pg_column(&out->detail, result, 0, "detail", pool));
    EST_TRY(store_pg_column(&der, result, 0, "der", pool));
    while (k < 4 && kind && strcmp(kind, kinds[k]) != 0)
        k++;
    if (!kind || k == 4)
        return EST_FAIL(pool, store_failed, "record_issued: unknown outcome \"%s\"", kind ? kind : "NULL");
    out->kind = (store_outcome_kind_t)k;
    if (der) {
        size_t n;
        unsigned char *octets = PQunescapeBytea((const unsigned char *)der, &n);

        if (!octets)
            return EST_FAIL(pool, store_failed, "record_issued: no memory for the certificate");
        out->der = est_slice_dup(est_slice(octets, n), pool);
        PQfreemem(octets);
    }
    if (out->kind == STORE_REPLAY && !out->der.n)
        return EST_FAIL(pool, store_failed, "record_issued: replay without a certificate");
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
                                          .holder_status = holder_status};
    store_pg_t *pg = apr_pcalloc(pool, sizeof(*pg));

    pg->base.vt = &vtable;
    pg->timeout = config->timeout;
    pg->env = env;
    EST_TRY(store_pg_target_make(&pg->target, config->conninfo, pool));
    EST_TRY(store_pg_pool_make(&pg->connections, pg->target, config->pool_size, pool));
    *out = &pg->base;
    return NULL;
}

est_err_t *store_pg_listen(store_t *store, store_cache_t *cache, apr_pool_t *pool)
{
    const store_pg_t *pg = (const store_pg_t *)store;
    store_pg_listen_config_t config = {pg->connections, pg->target, pg->timeout, pg->env, cache};

    return store_pg_listen_start(&config, pool);
}
