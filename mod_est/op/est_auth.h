/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_AUTH_H
#define EST_AUTH_H

/* Who is asking: the client certificate judged by the alias's anchors, and the decision of `Require est`. */

#include "est_op.h"

/* Decides for req->op at req->alias with req->cred.user, req->cred.client and req->cred.has_authorization as they are
 * now. Judges the certificate first, once per alias and policy. GRANTED marks the request so that est_serve lets it
 * through. Fails on trouble of our own: store_unavailable and the like. */
est_err_t *est_auth_require(policy_access_t *access, est_err_t **why, est_req_t *req, est_service_t *service);

/* Judges anew under the policy and with the rows of client and end entity as they are now: after `stale`. A verified
 * password or code stays good only while the row's hash is the same; otherwise authentication_required or
 * code_refused. */
est_err_t *est_auth_again(est_req_t *req, est_service_t *service);

/* The CA of an alias, and what is known of its certificates now: alias_broken when none is set or configured,
 * ca_unavailable while nothing is known. alias NULL: the only one. */
est_err_t *est_auth_ca(ca_t **out, const ca_facts_t **facts, const policy_alias_t *alias, const est_service_t *service,
                       apr_pool_t *pool);

#endif
