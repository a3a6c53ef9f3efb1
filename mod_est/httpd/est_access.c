/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_access.h"
#include "est_answer.h"
#include "est_password.h"
#include "op/est_auth.h"
#include "op/est_route.h"

#include <ap_provider.h>
#include <http_core.h>
#include <http_log.h>
#include <http_request.h>
#include <mod_auth.h>

APLOG_USE_MODULE(est);

static est_service_t *the_service;

void est_access_use(est_service_t *service)
{
    the_service = service;
}

static est_err_t *route(est_request_t *request)
{
    const apr_array_header_t *aliases = request->location->aliases;

    return est_route(&request->req, request->service, est_request_path(request),
                     aliases ? (const char *const *)aliases->elts : NULL, aliases ? aliases->nelts : 0);
}

/* On such a virtual host mod_ssl believes every client certificate, so nothing else may be served there unknowingly */
static int refuse_on_reserved_vhost(request_rec *r)
{
    if (est_config_server(r->server)->verify_client != EST_VERIFY_ON)
        return DECLINED;
    if (r->method_number == M_CONNECT) /* nothing here is a tunnel, so nothing has a path that could be refused */
        return HTTP_METHOD_NOT_ALLOWED;
    est_answer_outside(r, EST_FAIL(r->pool, vhost_reserved,
                                   "%s is outside any EST location, and with EstVerifyClient on mod_ssl's verdict on "
                                   "client certificates means nothing here (\"on shared\" if that is known)",
                                   r->uri));
    return DONE;
}

/* check_access() has emptied both: what stands there now comes from an authentication. Not if FakeBasicAuth has written
 * the header that was authenticated, from a certificate that nobody verified. */
static const char *verified_user(const est_request_t *request)
{
    request_rec *r = request->r;
    const char *now = apr_table_get(r->headers_in, "Authorization");

    if (!r->ap_auth_type)
        return NULL;
    if (est_config_server(r->server)->verify_client != EST_VERIFY_OFF && now &&
        (!request->authorization || strcmp(now, request->authorization) != 0))
        return NULL;
    return r->user;
}

static est_err_t *require(policy_access_t *access, est_err_t **why, est_request_t *request)
{
    est_req_t *req = &request->req;

    req->cred.user = verified_user(request);
    req->cred.entity = req->cred.user && request->code_verified ? request->entity : NULL;
    if (req->cred.user && !req->cred.entity &&
        (!req->cred.client || strcmp(req->cred.client->user, req->cred.user) != 0))
        EST_TRY(store_cache_client(request->service->cache, &req->cred.client, req->cred.user, req->pool));
    return est_auth_require(access, why, req, request->service);
}

/* What no password could mend is refused here, before mod_authz_core does it with a line in the log that explains
 * nothing */
static est_err_t *refusal_without_user(est_request_t *request)
{
    policy_access_t access;
    est_err_t *why;

    EST_TRY(require(&access, &why, request));
    request->req.granted = 0; /* only mod_authz_core's question counts as one */
    return access == POLICY_ACCESS_DENIED ? why : NULL;
}

/* An ErrorDocument would send devices a page, and from a host where only EST is served not even that. An empty text
 * instead, which the error filter replaces. */
static void own_the_errors(request_rec *r)
{
    static const int statuses[] = {
        HTTP_BAD_REQUEST,
        HTTP_UNAUTHORIZED,
        HTTP_FORBIDDEN,
        HTTP_NOT_FOUND,
        HTTP_METHOD_NOT_ALLOWED,
        HTTP_REQUEST_TIME_OUT,
        HTTP_LENGTH_REQUIRED,
        HTTP_REQUEST_ENTITY_TOO_LARGE,
        HTTP_UNSUPPORTED_MEDIA_TYPE,
        HTTP_TOO_MANY_REQUESTS,
        HTTP_INTERNAL_SERVER_ERROR,
        HTTP_SERVICE_UNAVAILABLE,
    };

    for (apr_size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        ap_custom_response(r, statuses[i], "\"");
}

/* First of all access checkers: path, alias, operation and method (400, 404, 405), failed logins (429) and an outage
 * (503), before anybody is asked for a password */
static int check_access(request_rec *r)
{
    est_request_t *request;
    est_err_t *err;

    if (!est_config_location(r)->engine)
        return refuse_on_reserved_vhost(r);
    if (!the_service)
        return HTTP_SERVICE_UNAVAILABLE; /* child_init has logged why */
    own_the_errors(r);
    /* Nobody has been authenticated yet. SSLUserName has filled r->user by now all the same, from a certificate that
     * nobody verified, and ap_auth_type may be set with it. */
    r->user = NULL;
    r->ap_auth_type = NULL;
    err = est_request_make(&request, r, the_service);
    if (!err)
        err = route(request);
    if (!err)
        err = est_password_prepare(request);
    if (!err)
        err = refusal_without_user(request);
    if (!err)
        err = request->bad_credentials;
    if (!err)
        return DECLINED;
    est_answer_error(request, err);
    return DONE;
}

/* `Require est`. Trouble and refusals leave their reason in request->err, which the error filter turns into the answer.
 */
static authz_status check_authorization(request_rec *r, const char *line, const void *parsed)
{
    est_request_t *request = est_request_get(r);
    policy_access_t access;
    est_err_t *why;

    (void)line;
    (void)parsed;
    if (!request || !request->req.op)
        return AUTHZ_DENIED;
    request->err = require(&access, &why, request);
    if (request->err)
        return AUTHZ_DENIED;
    if (access == POLICY_ACCESS_NEED_USER)
        return verified_user(request) ? AUTHZ_DENIED : AUTHZ_DENIED_NO_USER;
    request->err = why;
    return access == POLICY_ACCESS_GRANTED ? AUTHZ_GRANTED : AUTHZ_DENIED;
}

static const char *parse_require(cmd_parms *cmd, const char *line, const void **parsed)
{
    (void)cmd;
    (void)parsed;
    return *line ? "Require est takes no arguments" : NULL;
}

static const authz_provider provider = {check_authorization, parse_require};

/* Nothing of EST is a file. Without a file name httpd walks no directory and looks for no .htaccess, which would cost
 * more than the other access checks together, and no <Directory> applies. After everybody else's translation, before
 * httpd's own. */
static int translate_name(request_rec *r)
{
    return est_config_location(r)->engine ? OK : DECLINED;
}

/* httpd answers two methods by itself, before any access checker. TRACE, as TraceEnable says: with the Authorization
 * header when it is on, with an empty Allow when it is off. Not here; when httpd maps names to storage, the location is
 * forgotten, so now. OPTIONS of the whole server: without saying what that knows, which here can be said. */
static int precede_httpd(request_rec *r)
{
    if (r->method_number == M_TRACE && est_config_location(r)->engine)
        return check_access(r);
    if (r->method_number == M_OPTIONS && !strcmp(r->uri, "*") &&
        est_config_server(r->server)->verify_client == EST_VERIFY_ON)
        apr_table_setn(r->headers_out, "Allow", "GET, HEAD, POST");
    return DECLINED;
}

void est_access_register(apr_pool_t *pconf)
{
    ap_hook_translate_name(precede_httpd, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_translate_name(translate_name, NULL, NULL, APR_HOOK_LAST);
    ap_register_auth_provider(pconf, AUTHZ_PROVIDER_GROUP, "est", AUTHZ_PROVIDER_VERSION, &provider,
                              AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_check_access_ex(check_access, NULL, NULL, APR_HOOK_REALLY_FIRST, AP_AUTH_INTERNAL_PER_URI);
}
