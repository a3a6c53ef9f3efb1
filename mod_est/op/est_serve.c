/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_serve.h"
#include "op_cacerts.h"
#include "op_csrattrs.h"
#include "op_enroll.h"

#include <apr_strings.h>
#include <string.h>

/* The operations of RFC 7030, a row each */
static const est_op_t operations[] = {
    {"cacerts", POLICY_OP_CACERTS, EST_METHOD_GET | EST_METHOD_HEAD, NULL, op_cacerts},
    {"csrattrs", POLICY_OP_CSRATTRS, EST_METHOD_GET | EST_METHOD_HEAD, NULL, op_csrattrs},
    {"simpleenroll", POLICY_OP_ENROLL, EST_METHOD_POST, "application/pkcs10", op_enroll},
    {"simplereenroll", POLICY_OP_REENROLL, EST_METHOD_POST, "application/pkcs10", op_enroll},
};

const est_op_t *est_op_find(const char *name)
{
    for (apr_size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        if (!strcmp(operations[i].name, name))
            return &operations[i];
    return NULL;
}

est_err_t *est_serve(est_resp_t *resp, est_req_t *req, est_service_t *service)
{
    memset(resp, 0, sizeof(*resp));
    if (!req->granted || req->granted_op != req->op || req->granted_alias != (req->alias ? req->alias->id : 0))
        return EST_FAIL(req->pool, not_granted, "httpd let this request through, but \"Require est\" did not grant it");
    return req->op->serve(resp, req, service);
}

/* ---- errors */

/* libest ends with "unhandled status" on any other than these (decision 19), so that its user hears nothing of the
 * reason: to clients of such an alias each becomes the one of its kind, wrong or later. */
int est_serve_status(const policy_alias_t *alias, int status)
{
    static const int known[] = {400, 401, 404, 423, 500, 502, 504};

    if (!alias || alias->compat != POLICY_COMPAT_LIBEST)
        return status;
    for (apr_size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i] == status)
            return status;
    return status == 429 || status >= 500 ? 500 : 400;
}

static int shows_detail(const est_req_t *req, const est_err_t *err)
{
    /* Why a code is not accepted would tell who guesses which entities and codes there are */
    return err->detail && est_err_row(err->code)->status < 500 && err->code != EST_E_code_refused &&
           req->identity.kind != POLICY_IDENTITY_NONE && !req->identity.code_to_come &&
           (!req->alias || req->alias->reason_text);
}

const char *est_serve_error_text(const est_req_t *req, const est_err_t *err, apr_pool_t *pool)
{
    const est_err_row_t *row = est_err_row(err->code);
    int detail = shows_detail(req, err);

    return apr_pstrcat(pool, row->name, ": ", row->text, detail ? ": " : "", detail ? err->detail : "", NULL);
}
