/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_answer.h"
#include "est_log.h"
#include "op/est_serve.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>

APLOG_USE_MODULE(est);

#define RETRY_AFTER 30     /* seconds, where nothing better is known */
#define BODY_MAX 512       /* octets of an error body */
#define DISCARD_MAX 262144 /* octets of an unread body that are swallowed to keep the connection */
#define FILTER_NAME "EST_ERROR"

/* ---- the log line */

static const char *who(const est_request_t *request)
{
    const est_req_t *req = &request->req;
    /* Refused before a provider was asked, for too many failures say: the name that was given */
    const char *user = request->r->user ? request->r->user : request->basic_user, *name;
    const pki_cert_t *cert =
        req->identity.kind == POLICY_IDENTITY_CERTIFICATE || (!user && !req->claimed) ? req->cred.cert : NULL;
    const char *label = cert ? " cert=" : user ? " user=" : " entity=";

    name = cert ? cert->subject->text : user ? user : req->claimed;
    return name ? apr_pstrcat(request->r->pool, label, est_escape(est_slice_of(name), 200, request->r->pool), NULL)
                : "";
}

static const char *context(const est_request_t *request)
{
    const est_req_t *req = &request->req;

    return apr_psprintf(request->r->pool, "[alias=%s operation=%s%s id=%s]", req->alias ? req->alias->name : "-",
                        req->op ? req->op->name : "-", who(request), req->id);
}

static void log_error(est_request_t *request, const est_err_t *err)
{
    const est_err_row_t *row = est_err_row(err->code);

    if (request->logged)
        return;
    request->logged = 1;
    ap_log_rerror(APLOG_MARK, est_log_level(row->level), 0, request->r, "EST%d: %s%s%s%s%s %s", row->id, row->text,
                  err->detail ? ": " : "", err->detail ? err->detail : "", err->rule ? ", rule " : "",
                  err->rule ? err->rule : "", context(request));
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, request->r, "EST%d came from %s:%d", row->id, err->file, err->line);
}

/* ---- the environment, for LogFormat */

static void set_env(est_request_t *request, const char *result, const char *serial, const char *reason)
{
    apr_table_t *env = request->r->subprocess_env;

    if (request->req.alias)
        apr_table_setn(env, "EST_ALIAS", request->req.alias->name);
    if (request->req.op)
        apr_table_setn(env, "EST_OPERATION", request->req.op->name);
    apr_table_setn(env, "EST_ID", request->req.id);
    apr_table_setn(env, "EST_RESULT", result);
    if (serial)
        apr_table_setn(env, "EST_SERIAL", serial);
    if (reason)
        apr_table_setn(env, "EST_REASON", reason);
    /* A compressed body would lose its Content-Length, which devices need */
    apr_table_setn(env, "no-gzip", "1");
    apr_table_setn(env, "no-brotli", "1");
}

/* ---- errors */

/* Bouncy Castle's client fails on a challenge with a body, which it does not read. It sends no User-Agent; people's
 * tools do, and their users want to be told. */
static int is_bare_challenge(const request_rec *r, int status)
{
    return status == HTTP_UNAUTHORIZED && !apr_table_get(r->headers_in, "Authorization") &&
           !apr_table_get(r->headers_in, "User-Agent");
}

static const char *error_body(const est_request_t *request, const est_err_t *err)
{
    const est_err_row_t *row = est_err_row(err->code);
    apr_pool_t *pool = request->r->pool;
    const char *tail = apr_psprintf(pool, " (request %s)\n", request->req.id);
    const char *head = est_serve_error_text(&request->req, err, pool);
    apr_size_t room = BODY_MAX - strlen(tail);

    if (is_bare_challenge(request->r, row->status))
        return "";
    if (strlen(head) > room) {
        while (room && ((unsigned char)head[room] & 0xc0) == 0x80)
            room--;
        head = apr_pstrmemdup(pool, head, room);
    }
    return apr_pstrcat(pool, head, tail, NULL);
}

static const char *allow_of(const est_op_t *op, apr_pool_t *pool)
{
    return apr_pstrcat(pool, op->methods & EST_METHOD_GET ? "GET, HEAD" : "",
                       op->methods & EST_METHOD_POST ? "POST" : "", NULL);
}

/* status is that of the error, not what a client may be sent for it: Retry-After and Allow are true in any case */
static void set_headers(const est_request_t *request, const est_err_t *err, int status, apr_table_t *headers)
{
    apr_pool_t *pool = request->r->pool;

    apr_table_setn(headers, "Cache-Control", "no-store");
    if (status == HTTP_SERVICE_UNAVAILABLE || status == HTTP_TOO_MANY_REQUESTS || status == HTTP_GATEWAY_TIME_OUT)
        apr_table_setn(headers, "Retry-After", apr_itoa(pool, err->retry_after ? err->retry_after : RETRY_AFTER));
    if (status == HTTP_METHOD_NOT_ALLOWED && request->req.op)
        apr_table_setn(headers, "Allow", allow_of(request->req.op, pool));
    if (err->code == EST_E_content_encoding)
        apr_table_setn(headers, "Accept-Encoding", "identity");
}

/* Reads what nobody has read, below the filters that would inflate it. APR_EOF when that was all, APR_EAGAIN when the
 * rest has not come yet (only without block), or what else is wrong, such as that it is too much. */
static apr_status_t drain(request_rec *r, apr_read_type_e block)
{
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_off_t total = 0, n = 0;

    while (total <= DISCARD_MAX) {
        apr_status_t status =
            ap_get_brigade(r->proto_input_filters, brigade, AP_MODE_READBYTES, block, HUGE_STRING_LEN);

        if (status == APR_SUCCESS && APR_BRIGADE_EMPTY(brigade))
            status = block == APR_NONBLOCK_READ ? APR_EAGAIN : APR_EGENERAL;
        if (status != APR_SUCCESS)
            return APR_STATUS_IS_EAGAIN(status) ? APR_EAGAIN : status;
        if (APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(brigade)))
            return APR_EOF;
        apr_brigade_length(brigade, 0, &n);
        total += n;
        apr_brigade_cleanup(brigade);
    }
    return APR_ENOSPC;
}

/* A connection stays usable only if the body that nobody read is out of the way, and a stream of HTTP/2 that ends
 * before its request does is an error to some clients, whatever the answer was. Takes what has come, without waiting;
 * 1 when there is more to come, for which take_rest() waits once the answer is on its way. */
static int dispose_of_body(est_request_t *request, int status)
{
    request_rec *r = request->r;
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    int is_http2 = r->proto_num >= HTTP_VERSION(2, 0);
    apr_status_t drained;

    if (request->body_was_read || r->main)
        return 0;
    request->body_was_read = 1;
    /* Where httpd closes the connection (after a 417 too, without saying so) there is nothing to wait for. If it could
     * not even read the header, what would be read as the body is the next request. */
    if (!is_http2 &&
        (ap_status_drops_connection(status) || status == HTTP_EXPECTATION_FAILED || r->expecting_100 ||
         (length ? apr_atoi64(length) > DISCARD_MAX : apr_table_get(r->headers_in, "Transfer-Encoding") != NULL))) {
        r->connection->keepalive = AP_CONN_CLOSE;
        return 0;
    }
    if (!is_http2 && !length)
        return 0;
    drained = drain(r, APR_NONBLOCK_READ);
    if (drained != APR_EOF && drained != APR_EAGAIN)
        r->connection->keepalive = AP_CONN_CLOSE;
    return drained == APR_EAGAIN;
}

/* The answer has been flushed: who never sends the body that it announced need not wait for it, only we do */
static void take_rest(request_rec *r)
{
    if (drain(r, APR_BLOCK_READ) != APR_EOF)
        r->connection->keepalive = AP_CONN_CLOSE;
}

/* Everything about an error but its body. status: its own, or the one that httpd's core came to. 1 when the request's
 * body has yet to come. */
static int prepare_error(est_request_t *request, const est_err_t *err, int status)
{
    request_rec *r = request->r;
    int more;

    log_error(request, err);
    set_env(request, "refused", NULL, est_err_row(err->code)->name);
    more = dispose_of_body(request, status);
    set_headers(request, err, status, r->err_headers_out);
    r->status = est_serve_status(request->req.alias, status);
    r->status_line = NULL;
    return more;
}

/* Sends what is left of an answer that goes first. A stream of HTTP/2 must not end now; in HTTP/1 an answer without a
 * body does not leave before its end, and takes no flush with it. */
static apr_status_t send_now(ap_filter_t *filter, apr_bucket_brigade *brigade, request_rec *r)
{
    int is_http2 = r->proto_num >= HTTP_VERSION(2, 0);
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_status_t status;

    APR_BRIGADE_INSERT_TAIL(brigade, is_http2 ? apr_bucket_flush_create(alloc) : apr_bucket_eos_create(alloc));
    status = ap_pass_brigade(filter, brigade);
    apr_brigade_cleanup(brigade);
    if (is_http2 || status != APR_SUCCESS)
        return status;
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_flush_create(alloc));
    return ap_pass_brigade(r->connection->output_filters, brigade);
}

/* more: the request's body has yet to come */
static int send_body(request_rec *r, int more, const char *type, const char *body, apr_size_t n)
{
    if (type) {
        ap_set_content_type(r, type);
        ap_set_content_length(r, (apr_off_t)n);
        ap_rwrite(body, (int)n, r);
    }
    if (more) {
        send_now(r->output_filters, apr_brigade_create(r->pool, r->connection->bucket_alloc), r);
        take_rest(r);
    }
    return OK;
}

int est_answer_error(est_request_t *request, est_err_t *err)
{
    request_rec *r = request->r;
    const char *body;
    int status = est_err_row(err->code)->status, more;

    /* httpd adds the challenge */
    if (status == HTTP_UNAUTHORIZED)
        ap_note_auth_failure(r);
    more = prepare_error(request, err, status);
    body = error_body(request, err);
    return send_body(r, more, "text/plain; charset=utf-8", body, strlen(body));
}

/* A request that failed before it reached us has no est_request_t yet */
static est_request_t *stand_in(request_rec *r)
{
    est_request_t *request = apr_pcalloc(r->pool, sizeof(*request));
    const char *id = est_request_new_id(r->pool);

    request->r = r;
    request->req.pool = r->pool;
    request->req.id = id ? id : "-";
    return request;
}

void est_answer_outside(request_rec *r, est_err_t *err)
{
    est_answer_error(stand_in(r), err);
}

int est_answer_send(est_request_t *request, const est_resp_t *resp)
{
    request_rec *r = request->r;
    int more = dispose_of_body(request, resp->status);

    set_env(request, resp->status == HTTP_ACCEPTED ? "pending" : "ok", resp->serial, NULL);
    if (resp->summary)
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "EST: %s %s", resp->summary, context(request));
    r->status = resp->status;
    if (resp->no_store)
        apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    if (resp->transfer_encoding)
        apr_table_setn(r->headers_out, "Content-Transfer-Encoding", "base64");
    if (resp->retry_after)
        apr_table_setn(r->headers_out, "Retry-After", apr_itoa(r->pool, resp->retry_after));
    if (resp->status ==
        HTTP_ACCEPTED) /* Bouncy Castle's client reads no body here, and wants to be told that (PE-09) */
        ap_set_content_length(r, 0);
    return send_body(r, more, resp->content_type, resp->body, resp->length);
}

/* ---- errors that httpd's core answers */

/* What httpd would say on its page; markup follows, with what the client sent in it */
static const char *reason_of_httpd(request_rec *r)
{
    const char *note = apr_table_get(r->notes, "error-notes");

    return note ? apr_pstrmemdup(r->pool, note, strcspn(note, "<\n")) : NULL;
}

/* A 401 is the challenge that every login begins with, unless a password came: fail2ban tells the two by the detail */
static est_err_t *error_of_status(const est_request_t *request)
{
    static const struct {
        int status;
        est_err_code_t code;
    } table[] = {
        {HTTP_BAD_REQUEST, EST_E_bad_request},
        {HTTP_UNAUTHORIZED, EST_E_authentication_required},
        {HTTP_FORBIDDEN, EST_E_forbidden},
        {HTTP_NOT_FOUND, EST_E_not_found},
        {HTTP_METHOD_NOT_ALLOWED, EST_E_method_not_allowed},
        {HTTP_REQUEST_TIME_OUT, EST_E_request_timeout},
        {HTTP_REQUEST_ENTITY_TOO_LARGE, EST_E_body_too_large},
        {HTTP_REQUEST_URI_TOO_LARGE, EST_E_target_too_long},
        {HTTP_EXPECTATION_FAILED, EST_E_expectation_failed},
        {HTTP_NOT_IMPLEMENTED, EST_E_not_implemented},
        {HTTP_SERVICE_UNAVAILABLE, EST_E_core_unavailable},
        {HTTP_INTERNAL_SERVER_ERROR, EST_E_core_internal},
    };
    request_rec *r = request->r;
    est_err_code_t code = EST_E_http_error;
    const char *note = reason_of_httpd(r);

    if (r->status == HTTP_UNAUTHORIZED && request->basic_user)
        return EST_FAIL(r->pool, authentication_required, "login failed");
    for (apr_size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].status == r->status)
            code = table[i].code;
    if (code == EST_E_authentication_required && request->req.cred.cert_ignored)
        return EST_FAIL(r->pool, authentication_required, "%s", request->req.cred.cert_ignored);
    return est_err_make(r->pool, code, __FILE__, __LINE__, note ? "%s" : NULL, note);
}

static apr_status_t error_filter(ap_filter_t *f, apr_bucket_brigade *in)
{
    request_rec *r = f->r;
    est_request_t *request = est_request_get(r) ? est_request_get(r) : stand_in(r);
    est_err_t *err = request->err ? request->err : error_of_status(request);
    apr_bucket_brigade *out = apr_brigade_create(r->pool, f->c->bucket_alloc);
    const char *body = error_body(request, err);
    int more;

    if (f->ctx) /* of insert_error_filter() */
        r->connection->keepalive = AP_CONN_UNKNOWN;
    if (request->err && est_err_row(err->code)->status != HTTP_UNAUTHORIZED)
        apr_table_unset(r->headers_out, "WWW-Authenticate"); /* where the core has moved it to */
    more = prepare_error(request, err, request->err ? est_err_row(err->code)->status : r->status);
    /* httpd's own list of methods is empty here; RFC 9110 15.6.2 wants none beside a 501 */
    if (r->status == HTTP_NOT_IMPLEMENTED)
        apr_table_unset(r->headers_out, "Allow");
    ap_set_content_type(r, "text/plain; charset=utf-8");
    ap_set_content_length(r, (apr_off_t)strlen(body));
    apr_brigade_cleanup(in);
    ap_remove_output_filter(f);
    APR_BRIGADE_INSERT_TAIL(out, apr_bucket_pool_create(body, strlen(body), r->pool, f->c->bucket_alloc));
    if (more) {
        apr_status_t sent = send_now(f->next, out, r);

        apr_brigade_cleanup(out);
        take_rest(r);
        if (sent != APR_SUCCESS || r->proto_num < HTTP_VERSION(2, 0)) /* it has ended */
            return sent;
    }
    APR_BRIGADE_INSERT_TAIL(out, apr_bucket_eos_create(f->c->bucket_alloc));
    return ap_pass_brigade(f->next, out);
}

/* httpd would read the whole body, however long, before its answer reaches the filter, unless the connection is to be
 * closed. So it is, until the filter has had a look. */
static void insert_error_filter(request_rec *r)
{
    conn_rec *c = r->connection;
    int held = !r->main && c->keepalive == AP_CONN_UNKNOWN;

    if (!est_config_is_est(r))
        return;
    if (held)
        c->keepalive = AP_CONN_CLOSE;
    ap_add_output_filter(FILTER_NAME, held ? c : NULL, r, c);
}

void est_answer_register_hooks(void)
{
    ap_register_output_filter(FILTER_NAME, error_filter, NULL, AP_FTYPE_CONTENT_SET);
    ap_hook_insert_error_filter(insert_error_filter, NULL, NULL, APR_HOOK_MIDDLE);
}
