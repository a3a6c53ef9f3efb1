/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* mod_est: makes an httpd with mod_ssl an EST (RFC 7030) registration authority. The module structure and the life of a
 * process. */

#include "est_access.h"
#include "est_answer.h"
#include "est_cas.h"
#include "est_config.h"
#include "est_failures.h"
#include "est_guard.h"
#include "est_log.h"
#include "est_maintain.h"
#include "est_password.h"
#include "est_proxy.h"
#include "est_refresh.h"
#include "est_refusals.h"
#include "est_status.h"
#include "est_tls.h"
#include "op/est_serve.h"
#include "store/store_pg.h"

#include <ap_mpm.h>
#include <http_core.h>
#include <http_log.h>

APLOG_USE_MODULE(est);

#define PATHS_KEPT 4096 /* verdicts on certificate paths that a process remembers */

/* The policy as the parent read it at start, which children begin with */
static const policy_snapshot_t *parents_snapshot;
static est_service_t *the_service;

/* ---- the environment of the layers below */

static apr_time_t env_now(const est_env_t *env)
{
    (void)env;
    return apr_time_now();
}

static int env_random(const est_env_t *env, unsigned char *buf, apr_size_t len)
{
    (void)env;
    return est_tls_random(buf, len);
}

static void env_log(const est_env_t *env, est_log_level_t level, const char *line)
{
    ap_log_error(APLOG_MARK, est_log_level(level), 0, (const server_rec *)env->log_ctx, "mod_est: %s", line);
}

static est_env_t *make_env(server_rec *s, apr_pool_t *pool)
{
    est_env_t *env = apr_pcalloc(pool, sizeof(*env));

    env->now = env_now;
    env->random = env_random;
    env->log = env_log;
    env->log_ctx = s;
    return env;
}

/* ---- the parent */

static store_pg_config_t store_config(const est_global_t *global, int pool_size)
{
    store_pg_config_t config = {global->database, pool_size, apr_time_from_sec(global->database_timeout)};

    return config;
}

static apr_status_t forget_snapshot(void *unused)
{
    (void)unused;
    parents_snapshot = NULL;
    return APR_SUCCESS;
}

static int is_restart(void)
{
    int generation = 0;

    return ap_mpm_query(AP_MPMQ_GENERATION, &generation) == APR_SUCCESS && generation > 0;
}

/* One look at the database: a schema that this module does not know stops httpd at its start (but not a running one at
 * a graceful restart); a database that cannot be reached does not. */
static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    est_global_t *global = est_config_global(s);
    store_pg_config_t config = store_config(global, 1);
    policy_snapshot_t *snapshot = NULL;
    apr_pool_t *snapshot_pool;
    est_err_t *err;

    (void)plog;
    if (!global->database)
        return OK;
    if ((err = est_failures_make(pconf)))
        est_log_error(s, EST_LOG_ERROR, err, "failed logins are not limited");
    if ((err = est_refusals_make(global->refusal_limit, pconf)))
        est_log_error(s, EST_LOG_ERROR, err, "rows of refusals are not limited");
    est_cas_share(global, pconf, s);
    est_maintain_start(&config, make_env(s, pconf), s, pconf);
    est_refresh_register(global, pconf);
    apr_pool_create(&snapshot_pool, pconf);
    err = store_pg_probe(&snapshot, &config, snapshot_pool, ptemp);
    est_tls_clear_errors();
    if (!err) {
        parents_snapshot = snapshot;
        apr_pool_cleanup_register(pconf, NULL, forget_snapshot, apr_pool_cleanup_null);
        return OK;
    }
    if (err->code == EST_E_schema_version && !is_restart()) {
        est_log_error(s, EST_LOG_ERROR, err, NULL);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    est_log_error(s, EST_LOG_WARNING, err,
                  err->code == EST_E_schema_version
                      ? "enrolments are answered with 503 until module and schema fit and httpd is restarted"
                      : "enrolments are answered with 503 until the database can be reached");
    return OK;
}

/* ---- a child */

static int query_mpm(int what, int otherwise)
{
    int result = 0;

    return ap_mpm_query(what, &result) == APR_SUCCESS && result > 0 ? result : otherwise;
}

static est_err_t *open_store(est_service_t *service, const est_global_t *global, int threads, apr_pool_t *pchild)
{
    int threaded = query_mpm(AP_MPMQ_IS_THREADED, 0) && threads > 1;
    store_pg_config_t config = store_config(global, threaded ? global->database_pool : 1);

    if (!global->database)
        return NULL;
    EST_TRY(store_pg_open(&service->store, &config, service->env, pchild));
    EST_TRY(store_cache_make(&service->cache, service->store, service->env, pchild));
    if (parents_snapshot)
        store_cache_seed(service->cache, parents_snapshot);
    return threaded ? store_pg_listen(service->store, service->cache, pchild) : NULL;
}

static est_err_t *open_service(est_service_t **out, server_rec *s, apr_pool_t *pchild)
{
    const est_global_t *global = est_config_global(s);
    est_service_t *service = apr_pcalloc(pchild, sizeof(*service));
    int threads = query_mpm(AP_MPMQ_MAX_THREADS, 1);
    est_password_t *passwords;

    service->env = make_env(s, pchild);
    service->cas = global->cas;
    service->n_cas = global->n_cas;
    service->reserved_keys = (const unsigned char(*)[PKI_SHA256_SIZE])global->reserved_keys->elts;
    service->n_reserved_keys = global->reserved_keys->nelts;
    service->policy_max_age = apr_time_from_sec(global->policy_max_age);
    EST_TRY(est_lru_make(&service->paths, PATHS_KEPT, pchild));
    EST_TRY(open_store(service, global, threads, pchild));
    EST_TRY(est_password_make(&passwords, service->env, threads, pchild));
    est_password_use(passwords);
    est_password_guard();
    service->guard = &est_guard;
    est_cas_start(global, service->env, pchild, s);
    est_refresh_begin();
    *out = service;
    return NULL;
}

static void child_init(apr_pool_t *pchild, server_rec *s)
{
    est_err_t *err;

    if (!est_config_global(s)->locations->nelts)
        return;
    err = open_service(&the_service, s, pchild);
    if (err) {
        est_log_error(s, EST_LOG_ERROR, err, "this process serves no EST");
        the_service = NULL;
    }
    est_access_use(the_service);
}

/* ---- a request */

static int handler(request_rec *r)
{
    est_request_t *request = est_request_get(r);
    est_resp_t resp;
    est_err_t *err;
    int status;

    if (!est_config_location(r)->engine)
        return DECLINED;
    if (!request || !request->req.op)
        return HTTP_FORBIDDEN;
    err = est_serve(&resp, &request->req, request->service);
    status = err ? est_answer_error(request, err) : est_answer_send(request, &resp);
    est_tls_clear_errors();
    return status;
}

static void register_hooks(apr_pool_t *pconf)
{
    est_password_register(pconf);
    est_access_register(pconf);
    est_answer_register_hooks();
    est_tls_register_hooks();
    est_proxy_register_hooks();
    est_status_register_hooks();
    ap_hook_check_config(est_config_check, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_FIRST);
}

__attribute__((visibility("default"))) module AP_MODULE_DECLARE_DATA est_module = {
    STANDARD20_MODULE_STUFF, est_config_make_location, est_config_merge_location,
    est_config_make_server,  est_config_merge_server,  est_config_commands,
    register_hooks,          AP_MODULE_FLAG_NONE};
