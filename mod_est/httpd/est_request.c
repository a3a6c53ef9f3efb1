/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_request.h"
#include "est_proxy.h"
#include "est_tls.h"
#include "store/store_pg.h"

#include <apr_cstr.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>

/* Of the database time of a request that changes nothing: cacerts is answered without a database too, and soon */
#define READ_LIMIT apr_time_from_sec(1)

est_request_t *est_request_get(request_rec *r)
{
    return ap_get_module_config(r->request_config, &est_module);
}

const char *est_request_path(const est_request_t *request)
{
    const char *mount = request->location->mount;
    apr_size_t n = strlen(mount);

    while (n && mount[n - 1] == '/')
        n--;
    return strlen(request->r->uri) >= n ? request->r->uri + n : "";
}

const char *est_request_new_id(apr_pool_t *pool)
{
    unsigned char id[16];

    return est_tls_random(id, sizeof(id)) ? est_hex(est_slice(id, sizeof(id)), pool) : NULL;
}

/* Tells an over-long body by its header, before anything is read (conformance HTTP-07). A request of HTTP/2 may have no
 * length: framing ends it. */
static est_err_t *check_length(const est_request_t *request)
{
    request_rec *r = request->r;
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t n;
    char *end;

    if (!length)
        return r->proto_num >= HTTP_VERSION(2, 0) || apr_table_get(r->headers_in, "Transfer-Encoding")
                   ? NULL
                   : EST_FAIL(r->pool, length_required, NULL);
    if (apr_strtoff(&n, length, &end, 10) != APR_SUCCESS || *end || n < 0)
        return EST_FAIL(r->pool, body_read, "Content-Length is not a number");
    if (n > request->location->max_body)
        return EST_FAIL(r->pool, body_too_large, "%s octets, at most %d allowed", length, request->location->max_body);
    return NULL;
}

static est_err_t *read_failed(request_rec *r, apr_status_t status)
{
    r->connection->keepalive = AP_CONN_CLOSE;
    if (APR_STATUS_IS_TIMEUP(status))
        return EST_FAIL(r->pool, request_timeout, NULL);
    return EST_FAIL(r->pool, body_read, r->connection->aborted ? "the client went away" : NULL);
}

/* Appends what has arrived to body, of which *n of room octets are there */
static est_err_t *take_brigade(char *body, apr_size_t *n, apr_size_t room, int *ended, request_rec *r,
                               apr_bucket_brigade *brigade)
{
    for (apr_bucket *b = APR_BRIGADE_FIRST(brigade); b != APR_BRIGADE_SENTINEL(brigade); b = APR_BUCKET_NEXT(b)) {
        apr_status_t status;
        const char *data;
        apr_size_t got;

        if (APR_BUCKET_IS_EOS(b))
            *ended = 1;
        if (APR_BUCKET_IS_METADATA(b))
            continue;
        if ((status = apr_bucket_read(b, &data, &got, APR_BLOCK_READ)) != APR_SUCCESS)
            return read_failed(r, status);
        if (got > room - *n)
            return EST_FAIL(r->pool, body_too_large, "at most %d octets allowed", (int)room);
        memcpy(body + *n, data, got);
        *n += got;
    }
    return NULL;
}

/* By brigades: ap_get_client_block() loses the reason of a failure, and a time-out is 408 */
static est_err_t *read_all(est_slice_t *out, est_request_t *request)
{
    request_rec *r = request->r;
    /* What httpd read from the header; a chunked body has none */
    apr_size_t room = r->remaining ? (apr_size_t)r->remaining : (apr_size_t)request->location->max_body, n = 0;
    char *body = apr_palloc(r->pool, room + 1);
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);

    for (int ended = 0; !ended;) {
        apr_status_t status =
            ap_get_brigade(r->input_filters, brigade, AP_MODE_READBYTES, APR_BLOCK_READ, HUGE_STRING_LEN);

        if (status != APR_SUCCESS || APR_BRIGADE_EMPTY(brigade))
            return read_failed(r, status);
        EST_TRY(take_brigade(body, &n, room, &ended, r, brigade));
        apr_brigade_cleanup(brigade);
    }
    *out = est_slice(body, n);
    return NULL;
}

static est_err_t *read_body(est_slice_t *out, est_req_t *req)
{
    est_request_t *request = (est_request_t *)req;
    int status;

    EST_TRY(check_length(request));
    status = ap_setup_client_block(request->r, REQUEST_CHUNKED_DECHUNK);
    if (status == HTTP_NOT_IMPLEMENTED)
        return EST_FAIL(req->pool, not_implemented, NULL);
    if (status != OK)
        return EST_FAIL(req->pool, body_read, "httpd says %d", status);
    request->body_was_read = 1;
    return read_all(out, request);
}

static est_slice_t binding(const est_req_t *req)
{
    return est_tls_binding(((const est_request_t *)req)->r);
}

static unsigned method_of(const request_rec *r)
{
    if (r->method_number == M_GET)
        return r->header_only ? EST_METHOD_HEAD : EST_METHOD_GET;
    return r->method_number == M_POST ? EST_METHOD_POST : EST_METHOD_OTHER;
}

/* The client's certificate: of its own connection, or as its proxy says */
static est_err_t *take_certificate(est_req_t *req, request_rec *r)
{
    est_tls_t tls;

    est_tls_get(&tls, r);
    req->behind_proxy = est_proxy_is_peer(r);
    if (req->behind_proxy)
        return est_proxy_certificate(&req->leaf, &req->chain, r, tls.is_tls);
    req->leaf = tls.leaf;
    req->chain = tls.chain;
    req->leaf_refused = tls.leaf_refused;
    /* RFC 7030 3.3: before anybody is asked for a password that all could read */
    return tls.is_tls ? NULL : EST_FAIL(r->pool, tls_required, NULL);
}

est_err_t *est_request_make(est_request_t **out, request_rec *r, est_service_t *service)
{
    est_request_t *request = apr_pcalloc(r->pool, sizeof(*request));
    est_req_t *req = &request->req;

    *out = request;
    ap_set_module_config(r->request_config, &est_module, request);
    request->r = r;
    request->location = est_config_location(r);
    request->service = service;
    req->pool = r->pool;
    if (service->store)
        store_pg_share_timeout(service->store, method_of(r) == EST_METHOD_POST ? 0 : READ_LIMIT, r->pool);
    req->now = service->env->now(service->env);
    req->id = est_request_new_id(r->pool);
    if (!req->id) {
        req->id = "-";
        return EST_FAIL(r->pool, internal, "no random numbers");
    }
    req->method = method_of(r);
    req->content_type = apr_table_get(r->headers_in, "Content-Type");
    req->content_encoding = apr_table_get(r->headers_in, "Content-Encoding");
    req->has_user_agent = apr_table_get(r->headers_in, "User-Agent") != NULL;
    req->base64 = apr_table_get(r->subprocess_env, "EST_BASE64");
    req->network = r->useragent_ip;
    /* PostgreSQL's inet has no scope of a link-local address */
    if (strchr(req->network, '%'))
        req->network = apr_pstrmemdup(r->pool, req->network, strcspn(req->network, "%"));
    req->address = r->useragent_addr;
    req->strict_body = request->location->strict_body;
    req->read_body = read_body;
    req->binding = binding;
    request->authorization = apr_table_get(r->headers_in, "Authorization");
    req->cred.has_authorization = request->authorization != NULL;
    /* Half a certificate is of no use to anybody, and a POST has no ranges (RFC 9110 14.2) */
    apr_table_unset(r->headers_in, "Range");
    apr_table_unset(r->headers_in, "If-Range");
    return take_certificate(req, r);
}
