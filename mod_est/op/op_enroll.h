/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef OP_ENROLL_H
#define OP_ENROLL_H

#include "est_op.h"

/* RFC 7030 4.2: simpleenroll and simplereenroll, a PKCS#10 request in and one certificate out. They differ by the rules
 * that policy asks (policy_decide.c), not here. */
est_err_t *op_enroll(est_resp_t *resp, est_req_t *req, est_service_t *service);

#endif
