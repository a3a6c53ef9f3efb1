/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_serve.h"
#include "op_cacerts.h"
#include "op_csrattrs.h"
#include "op_enroll.h"

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
