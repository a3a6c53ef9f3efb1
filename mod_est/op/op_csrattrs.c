/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op_csrattrs.h"
#include "est_body.h"

/* CsrAttrs ::= SEQUENCE SIZE (0..MAX) OF AttrOrOID (RFC 8951 4): the one OID pkcs-9-at-challengePassword */
static const unsigned char challenge_password[] = {0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48,
                                                   0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07};

est_err_t *op_csrattrs(est_resp_t *resp, est_req_t *req, est_service_t *service)
{
    (void)service;
    resp->no_store = 1;
    if (!req->alias || req->alias->binding != POLICY_BINDING_REQUIRED) {
        resp->status = 204;
        resp->summary = "no attributes wanted";
        return NULL;
    }
    resp->status = 200;
    resp->content_type = "application/csrattrs";
    resp->summary = "attribute challengePassword wanted";
    est_body_write(resp, req, est_slice(challenge_password, sizeof(challenge_password)));
    return NULL;
}
