/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_maintain.h"
#include "est_refusals.h"
#include "est_tls.h"

#include <apr_strings.h>
#include <http_core.h>
#include <mod_watchdog.h>

#define WATCHDOG "est"

typedef struct {
    server_rec *server;
    store_pg_config_t store;
    const est_env_t *env;
    int failing; /* the last time went wrong, and it was said */
} maintain_t;

/* ---- one time */

static est_err_t *record_suppressed(store_t *store, const maintain_t *m, apr_pool_t *pool)
{
    unsigned suppressed = est_refusals_take(m->env->now(m->env));
    store_refusal_t row = {.rule = "suppressed", .reason = apr_psprintf(pool, "%u", suppressed)};
    est_err_t *err;
    int wait;

    if (!suppressed)
        return NULL;
    err = store->vt->record_refused(store, &wait, &row, pool);
    if (err)
        est_refusals_give_back(suppressed);
    else
        est_env_log(m->env, EST_LOG_NOTICE, "%u refusals were not recorded one by one (EstRefusalLimit)", suppressed);
    return err;
}

static est_err_t *maintain(const maintain_t *m, int interval, apr_pool_t *pool)
{
    int revoked = 0, expired = 0;
    store_t *store;

    EST_TRY(store_pg_open(&store, &m->store, m->env, pool));
    EST_TRY(record_suppressed(store, m, pool));
    if (interval)
        EST_TRY(store->vt->maintain(store, &revoked, &expired, pool));
    if (revoked)
        est_env_log(m->env, EST_LOG_NOTICE, "revoked since they were replaced: %d certificates (revoke_replaced)",
                    revoked);
    if (expired)
        est_env_log(m->env, EST_LOG_NOTICE, "expired before anybody decided: %d requests (order_expiry)", expired);
    return NULL;
}

/* An outage is said once, and when it is over */
static void report(maintain_t *m, const est_err_t *err)
{
    if (err && !m->failing)
        est_env_log(m->env, EST_LOG_WARNING, "EST%d: %s; maintenance has to wait", est_err_row(err->code)->id,
                    est_err_text(err));
    else if (!err && m->failing)
        est_env_log(m->env, EST_LOG_NOTICE, "maintenance goes on");
    m->failing = err != NULL;
}

/* ---- by the watchdog */

static apr_status_t run(int state, void *data, apr_pool_t *pool)
{
    maintain_t *m = data;

    if (state != AP_WATCHDOG_STATE_RUNNING)
        return APR_SUCCESS;
    report(m, maintain(m, est_config_global(m->server)->maintenance_interval, pool));
    est_tls_clear_errors();
    return APR_SUCCESS;
}

void est_maintain_start(const store_pg_config_t *store, const est_env_t *env, server_rec *s, apr_pool_t *pconf)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    int interval = est_config_global(s)->maintenance_interval;
    maintain_t *m = apr_pcalloc(pconf, sizeof(*m));
    ap_watchdog_t *watchdog = NULL;

    m->server = s;
    m->store = *store;
    m->env = env;
    /* Without maintenance there are refusals to write yet, once in a window */
    if (!interval)
        interval = EST_REFUSALS_WINDOW;
    if (get && add && get(&watchdog, WATCHDOG, 0, 1, pconf) == APR_SUCCESS &&
        add(watchdog, apr_time_from_sec(interval), m, run) == APR_SUCCESS)
        return;
    est_env_log(env, EST_LOG_NOTICE,
                "no maintenance by this httpd (EstMaintenanceInterval): it has no mod_watchdog. "
                "Have est.maintain() called by other means");
}
