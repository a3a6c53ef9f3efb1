/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_SERVE_H
#define EST_SERVE_H

/* The single entry: a routed and authorized request in, an answer out. */

#include "est_op.h"

/* Fails with not_granted when `Require est` did not grant this operation at this alias: an inherited `Require all
 * granted` or a RequireAny cannot open the door. */
est_err_t *est_serve(est_resp_t *resp, est_req_t *req, est_service_t *service);

/* The status that is sent for an error of this one, at the alias, which may be NULL */
int est_serve_status(const policy_alias_t *alias, int status);
/* What the client is told of an error: "name: text", and the detail where it is for its ears */
const char *est_serve_error_text(const est_req_t *req, const est_err_t *err, apr_pool_t *pool);

#endif
