/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_route.h"

#include <apr_strings.h>
#include <string.h>

/* Splits "/a/b" at its slashes; 0 when there are not one or two segments, or one of them is empty or has parameters */
static int split(const char **label, const char **operation, const char *path, apr_pool_t *pool)
{
    const char *slash;

    if (*path++ != '/' || !*path || strchr(path, ';'))
        return 0;
    slash = strchr(path, '/');
    *label = slash ? apr_pstrmemdup(pool, path, (apr_size_t)(slash - path)) : NULL;
    *operation = slash ? slash + 1 : path;
    return **operation && !strchr(*operation, '/') && (!*label || **label);
}

static int is_served(const char *name, const char *const *aliases, int n_aliases)
{
    for (int i = 0; i < n_aliases; i++)
        if (!strcmp(aliases[i], name))
            return 1;
    return n_aliases == 0;
}

/* A segment of the path for the log, in which a stranger's text must not look like ours */
static const char *shown(const char *segment, apr_pool_t *pool)
{
    return est_escape(est_slice_of(segment), 64, pool);
}

/* A label is judged before its operation is looked at, so that a path tells nobody which operations a foreign label has
 */
static est_err_t *find_alias(est_req_t *req, const char *label, const char *const *aliases, int n_aliases)
{
    req->alias = policy_snapshot_alias(req->snapshot, label);
    if (req->alias && req->alias->enabled && is_served(req->alias->name, aliases, n_aliases))
        return NULL;
    req->alias = NULL;
    return EST_FAIL(req->pool, alias_unknown, "\"%s\"", shown(label ? label : POLICY_DEFAULT_ALIAS, req->pool));
}

/* The policy, as fresh as the method needs it: what changes nothing does not wait for a database that is away. The CA
 * certificates of a server with one CA are nobody's secret and need no policy: a device gets them however the database
 * is. */
static est_err_t *get_policy(est_req_t *req, est_service_t *service, const char *label, const est_op_t *op)
{
    est_err_t *err;

    if (!service->cache)
        return EST_FAIL(req->pool, policy_unavailable, "EstDatabase is not set");
    err = req->method == EST_METHOD_POST
              ? store_cache_policy(service->cache, &req->snapshot, service->policy_max_age, req->pool)
              : store_cache_policy_at_hand(service->cache, &req->snapshot, req->pool);
    if (err && op && op->op == POLICY_OP_CACERTS && !label && service->n_cas == 1) {
        req->snapshot = NULL;
        return NULL;
    }
    return err;
}

est_err_t *est_route(est_req_t *req, est_service_t *service, const char *path, const char *const *aliases,
                     int n_aliases)
{
    const char *label, *operation;
    const est_op_t *op;

    if (!split(&label, &operation, path, req->pool))
        return EST_FAIL(req->pool, path_invalid, NULL);
    op = est_op_find(operation);
    if (!label && !op)
        return EST_FAIL(req->pool, operation_unknown, "\"%s\"", shown(operation, req->pool));
    if (label && !policy_label_is_valid(label))
        return EST_FAIL(req->pool, alias_unknown, "\"%s\"", shown(label, req->pool));
    EST_TRY(get_policy(req, service, label, op));
    if (req->snapshot)
        EST_TRY(find_alias(req, label, aliases, n_aliases));
    else if (!is_served(POLICY_DEFAULT_ALIAS, aliases, n_aliases))
        return EST_FAIL(req->pool, alias_unknown, "\"%s\"", POLICY_DEFAULT_ALIAS);
    if (!op)
        return EST_FAIL(req->pool, operation_unknown, "\"%s\"", shown(operation, req->pool));
    req->op = op;
    if (!(req->method & op->methods))
        return EST_FAIL(req->pool, method_not_allowed, "%s takes %s", op->name,
                        op->methods & EST_METHOD_POST ? "POST" : "GET and HEAD");
    return NULL;
}
