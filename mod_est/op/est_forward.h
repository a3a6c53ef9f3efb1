/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_FORWARD_H
#define EST_FORWARD_H

/* Orders that an upstream CA carries out. What becomes of one is in its row before the client hears of it. */

#include "est_op.h"
#include "policy/policy_decide.h"

/* What was granted, and by which CA */
typedef struct {
    ca_t *ca;
    const ca_facts_t *facts;
    const policy_grant_t *grant;
    const pki_csr_t *csr;
} est_forward_t;

/* Can requests like this one go to the CA? alias_broken, or csr_attribute, when not: asked before an order is opened.
 */
est_err_t *est_forward_check(const est_forward_t *what, const est_req_t *req);

/* Sends the order, that order_open() has told to forward, to the CA. *der: the certificate, which is within the grant,
 * to be recorded; n == 0: it waits there, to be asked after *retry_after seconds. No connection of the database is held
 * meanwhile. Fails as ca_driver_t.issue. */
est_err_t *est_forward(est_slice_t *der, int *retry_after, const est_forward_t *what, const store_outcome_t *order,
                       const est_req_t *req, est_service_t *service);

/* Is a certificate that was got under an earlier judgement within this one? ca_wrong. */
est_err_t *est_forward_check_again(const est_forward_t *what, est_slice_t der, apr_pool_t *pool);

/* The CA has made a certificate, and it is not handed out because of err: on record, and in the log, since it is the
 * CA's operator who can revoke it. Trouble of our own (status 5xx, but ca_wrong) is passed over: the order will be
 * resumed. */
void est_forward_give_up(const est_err_t *err, est_slice_t der, const store_outcome_t *order, const est_req_t *req,
                         est_service_t *service);

/* A line in the log, and nothing else */
void est_forward_report(est_slice_t der, const char *why, const store_outcome_t *order, const est_req_t *req,
                        const est_service_t *service);

/* The members of *row that the certificate says: der, ca, issuer, serial, validity. issuer_hash: room for it. Fails
 * with ca_wrong. */
est_err_t *est_forward_describe(store_issue_t *row, unsigned char issuer_hash[PKI_SHA256_SIZE],
                                const est_forward_t *what, est_slice_t der, apr_pool_t *pool);

#endif
