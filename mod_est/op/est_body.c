/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_body.h"

#include <apr_cstr.h>
#include <apr_strings.h>
#include <string.h>

#define ONE_LINE_MAX 1023 /* characters that libest reads as one line */
#define LINE_WIDTH 64
#define WHITE_SPACE " \t\r\n"

/* Media types compare without case, parameters do not count (conformance HTTP-04) */
static int is_media_type(const char *value, const char *type)
{
    apr_size_t n = strlen(type);

    return value && apr_cstr_casecmpn(value, type, n) == 0 && (!value[n] || strchr("; \t", value[n]));
}

static est_err_t *check_headers(const est_req_t *req)
{
    if (!is_media_type(req->content_type, req->op->media_type))
        return EST_FAIL(req->pool, media_type, "want %s", req->op->media_type);
    if (req->content_encoding && apr_cstr_casecmp(req->content_encoding, "identity") != 0)
        return EST_FAIL(req->pool, content_encoding, NULL);
    return NULL;
}

/* What stands between the BEGIN and END lines, which are the first and the last ones: of two requests none is ignored
 */
static est_err_t *take_armoured(est_slice_t *out, est_slice_t body, apr_pool_t *pool)
{
    static const char *const labels[] = {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"};
    char *text = apr_pstrmemdup(pool, (const char *)body.p, body.n);

    for (int i = 0; i < 2; i++) {
        const char *begin_line = apr_pstrcat(pool, "-----BEGIN ", labels[i], "-----", NULL);
        const char *end_line = apr_pstrcat(pool, "-----END ", labels[i], "-----", NULL);
        apr_size_t n = strlen(begin_line);
        const char *end = strncmp(text, begin_line, n) == 0 ? strstr(text + n, end_line) : NULL, *rest;

        if (!end)
            continue;
        rest = end + strlen(end_line);
        rest += strspn(rest, WHITE_SPACE);
        if (rest != text + body.n)
            return EST_FAIL(pool, base64_invalid, "something follows the END line");
        *out = est_slice(text + n, (apr_size_t)(end - text) - n);
        return NULL;
    }
    return EST_FAIL(pool, base64_invalid, "PEM lines are there, but not those of a certificate request");
}

est_err_t *est_body_read(est_slice_t *der, est_req_t *req)
{
    est_slice_t body;

    EST_TRY(check_headers(req));
    EST_TRY(req->read_body(&body, req));
    while (body.n && strchr(WHITE_SPACE, body.p[0]) && body.p[0]) {
        body.p++;
        body.n--;
    }
    if (!body.n)
        return EST_FAIL(req->pool, body_empty, NULL);
    /* A SEQUENCE of over 127 octets: no base64 starts like that */
    if (body.n > 1 && body.p[0] == 0x30 && body.p[1] > 0x80) {
        if (req->strict_body)
            return EST_FAIL(req->pool, body_der, NULL);
        *der = body;
        return NULL;
    }
    if (body.p[0] == '-') {
        if (req->strict_body)
            return EST_FAIL(req->pool, body_armoured, NULL);
        EST_TRY(take_armoured(&body, body, req->pool));
    }
    return est_base64_decode(der, body, req->pool);
}

static int width_of(const est_req_t *req, apr_size_t characters)
{
    policy_base64_t how = req->alias ? req->alias->base64 : POLICY_BASE64_AUTO;

    if (req->base64 && !strcmp(req->base64, "wrap"))
        return LINE_WIDTH;
    if (req->base64 && !strcmp(req->base64, "line"))
        return 0;
    if (how == POLICY_BASE64_WRAP)
        return LINE_WIDTH;
    return how == POLICY_BASE64_LINE || characters <= ONE_LINE_MAX || !req->has_user_agent ? 0 : LINE_WIDTH;
}

void est_body_write(est_resp_t *resp, const est_req_t *req, est_slice_t der)
{
    resp->body = est_base64_encode(der, width_of(req, (der.n + 2) / 3 * 4), &resp->length, req->pool);
    resp->transfer_encoding = req->alias ? req->alias->transfer_encoding : 1;
}
