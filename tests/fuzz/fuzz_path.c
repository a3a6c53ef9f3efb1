/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "op/est_route.h"

#include <apr_strings.h>
#include <string.h>

/* A store with the aliases "est", "other" and "off", of which the last is disabled */

static est_err_t *load_policy(store_t *store, policy_snapshot_t **out, apr_pool_t *pool)
{
    policy_alias_row_t aliases[3] = {{.id = "1",
                                      .name = "est",
                                      .enabled = "t",
                                      .mode = "ra",
                                      .auth_enroll = "basic-or-cert",
                                      .auth_reenroll = "cert",
                                      .binding = "if-present",
                                      .idempotency = "600",
                                      .unknown_holder = "refuse",
                                      .other_users = "refuse",
                                      .base64 = "auto"}};
    policy_rows_t rows = {.version = 1, .aliases = aliases, .n_aliases = 3};

    (void)store;
    aliases[1] = aliases[2] = aliases[0];
    aliases[1].id = "2";
    aliases[1].name = "other";
    aliases[2].id = "3";
    aliases[2].name = "off";
    aliases[2].enabled = "f";
    return policy_snapshot_make(out, &rows, pool);
}

static est_err_t *policy_version(store_t *store, apr_int64_t *out, apr_pool_t *pool)
{
    (void)store;
    (void)pool;
    *out = 1;
    return NULL;
}

static apr_time_t now(const est_env_t *env)
{
    (void)env;
    return apr_time_from_sec(1000000);
}

static void ignore(const est_env_t *env, est_log_level_t level, const char *line)
{
    (void)env;
    (void)level;
    (void)line;
}

/* Anew for each input: nothing that one leaves behind changes what the next one does */
static est_service_t make_service(apr_pool_t *pool)
{
    static const store_vtable_t vtable = {.load_policy = load_policy, .policy_version = policy_version};
    static store_t store = {&vtable};
    static const est_env_t env = {.now = now, .log = ignore};
    est_service_t service = {.env = &env, .store = &store};

    FUZZ_ASSERT(!store_cache_make(&service.cache, &store, &env, pool));
    return service;
}

static int has_segments(const char *path, int n)
{
    for (const char *p = path; *p; p++)
        n -= *p == '/';
    return n == 0;
}

/* The first octet chooses the method and what is served, the rest is the path. Whatever it is, the answer is one of
 * five; what is found is what the path says, letter by letter; and nobody is told what exists (P-12). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned methods[] = {EST_METHOD_GET, EST_METHOD_HEAD, EST_METHOD_POST, EST_METHOD_OTHER};
    static const char *const served[] = {"other"};
    apr_pool_t *pool = fuzz_pool();
    est_service_t service = make_service(pool);
    est_req_t req = {.pool = pool};
    int n_served = size && data[0] & 4 ? 1 : 0;
    char *path = apr_pstrmemdup(pool, size ? (const char *)data + 1 : "", size ? size - 1 : 0);
    est_err_t *err;

    req.method = methods[size ? data[0] & 3 : 0];
    err = est_route(&req, &service, path, served, n_served);
    if (err) {
        FUZZ_ASSERT(err->code == EST_E_path_invalid || err->code == EST_E_operation_unknown ||
                    err->code == EST_E_alias_unknown || err->code == EST_E_method_not_allowed);
        for (const char *c = err->detail; c && *c; c++)
            FUZZ_ASSERT(*c >= ' ' && *c <= '~');
        FUZZ_ASSERT((err->code == EST_E_method_not_allowed) == (req.op != NULL));
    } else {
        FUZZ_ASSERT(req.op && (req.op->methods & req.method));
    }
    if (req.op) {
        const char *bare = apr_pstrcat(pool, "/", req.op->name, NULL);

        FUZZ_ASSERT(req.alias && req.alias->enabled && strcmp(req.alias->name, "off") != 0);
        FUZZ_ASSERT(!n_served || !strcmp(req.alias->name, "other"));
        if (has_segments(path, 1))
            FUZZ_ASSERT(!strcmp(path, bare) && !strcmp(req.alias->name, "est"));
        else
            FUZZ_ASSERT(!strcmp(path, apr_pstrcat(pool, "/", req.alias->name, bare, NULL)));
    }
    FUZZ_ASSERT(!req.granted);
    apr_pool_destroy(pool);
    return 0;
}
