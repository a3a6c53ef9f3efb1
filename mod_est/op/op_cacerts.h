/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef OP_CACERTS_H
#define OP_CACERTS_H

#include "est_op.h"

/* RFC 7030 4.1: the certificates of the alias's CA, itself and up to the root */
est_err_t *op_cacerts(est_resp_t *resp, est_req_t *req, est_service_t *service);

#endif
