/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op_cacerts.h"
#include "est_auth.h"
#include "est_body.h"

#include <apr_strings.h>

est_err_t *op_cacerts(est_resp_t *resp, est_req_t *req, est_service_t *service)
{
    const ca_facts_t *facts;
    ca_t *ca;

    EST_TRY(est_auth_ca(&ca, &facts, req->alias, service, req->pool));
    resp->status = 200;
    resp->content_type = "application/pkcs7-mime";
    resp->no_store = req->alias && req->alias->auth_cacerts; /* RFC 9440 2.4: the answer depends on who asks */
    resp->summary = apr_psprintf(req->pool, "certificates of CA \"%s\"", ca->name);
    est_body_write(resp, req, facts->cacerts);
    return NULL;
}
