/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_ISSUE_H
#define EST_ISSUE_H

/* The one path by which anything is ever issued. */

#include "est_op.h"
#include "policy/policy_decide.h"

typedef struct {
    est_slice_t der;     /* the certificate, whose row is committed; n == 0 when it has to wait */
    const char *dropped; /* what policy left out of the request, or NULL */
    const char *subject; /* as granted */
    int pending;         /* seconds after which the client asks again, since it has to wait; 0 = issued */
    const char *order;   /* id of the order that waits */
    int waits_for_ca;    /* not for somebody who approves */
} est_issued_t;

/* Judges csr, has it signed, or forwarded to an upstream CA, and records it. When the database says that policy, client
 * or entity have changed meanwhile, they are read anew and the request is judged again, so req->alias and req->identity
 * may be others afterwards. */
est_err_t *est_issue(est_issued_t *out, est_req_t *req, est_service_t *service, const pki_csr_t *csr);

/* What tells one identity of a kind from another: a name, or the fingerprint of a certificate, in pool */
const char *est_issue_who(const policy_identity_t *identity, apr_pool_t *pool);

/* The parts of est_issue that an explanation shares (est_explain.h). RFC 7030 3.5: is the challengePassword what the
 * alias wants it to be? */
est_err_t *est_issue_check_binding(const est_req_t *req, const pki_csr_t *csr);
/* What the database is told of the request, all but what signing makes; order_key where somebody has to approve */
est_err_t *est_issue_describe(const store_issue_t **out, const est_req_t *req, const pki_csr_t *csr,
                              policy_grant_t *grant);
/* What the client hears of a rule of the database */
est_err_t *est_issue_refusal(const store_outcome_t *outcome, apr_pool_t *pool);

/* The answer to a request that has to wait (RFC 7030 4.2.3): 202 without a body */
void est_issue_wait(est_resp_t *resp, const est_req_t *req, const est_issued_t *issued);

#endif
