/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef OP_CSRATTRS_H
#define OP_CSRATTRS_H

#include "est_op.h"

/* RFC 7030 4.5: what a request should contain. So far that is challengePassword where the alias wants channel binding
 * (RFC 7030 3.5) or takes enrolment codes from there, otpChallenge (RFC 7894) where it takes them from that, and
 * otherwise nothing: 204. */
est_err_t *op_csrattrs(est_resp_t *resp, est_req_t *req, est_service_t *service);

#endif
