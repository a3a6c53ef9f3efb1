/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op_csrattrs.h"
#include "est_body.h"
#include "pki/pki_der.h"

/* CsrAttrs ::= SEQUENCE SIZE (0..MAX) OF AttrOrOID (RFC 8951 4) */
static const est_slice_t challenge_password = PKI_OID("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07");
static const est_slice_t otp_challenge = PKI_OID("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x38");

/* What a request has to bring, in which the alias looks for it */
static int wants_challenge(const policy_alias_t *alias)
{
    return alias->binding == POLICY_BINDING_REQUIRED ||
           (policy_access_takes_code(alias, POLICY_OP_ENROLL) && alias->code_source == POLICY_CODE_CHALLENGE);
}

static int wants_otp(const policy_alias_t *alias)
{
    return policy_access_takes_code(alias, POLICY_OP_ENROLL) && alias->code_source == POLICY_CODE_OTP;
}

est_err_t *op_csrattrs(est_resp_t *resp, est_req_t *req, est_service_t *service)
{
    int challenge = req->alias && wants_challenge(req->alias), otp = req->alias && wants_otp(req->alias);
    pki_der_out_t *out;

    (void)service;
    resp->no_store = 1;
    if (!challenge && !otp) {
        resp->status = 204;
        resp->summary = "no attributes wanted";
        return NULL;
    }
    out = pki_der_out_make(32, req->pool); /* written from its end */
    if (otp)
        pki_der_put_value(out, PKI_DER_OID, otp_challenge);
    if (challenge)
        pki_der_put_value(out, PKI_DER_OID, challenge_password);
    pki_der_wrap(out, PKI_DER_SEQUENCE, 0);
    resp->status = 200;
    resp->content_type = "application/csrattrs";
    resp->summary = challenge && otp ? "attributes challengePassword and otpChallenge wanted"
                    : otp            ? "attribute otpChallenge wanted"
                                     : "attribute challengePassword wanted";
    est_body_write(resp, req, pki_der_result(out));
    return NULL;
}
