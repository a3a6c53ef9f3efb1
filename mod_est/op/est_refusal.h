/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_REFUSAL_H
#define EST_REFUSAL_H

/* What a refusal leaves behind: a row for those who look for it, and the memory of who asks too often. */

#include "est_op.h"
#include "pki/pki_csr.h"

/* SHA-256 of who asks, at req->alias or (anywhere) at all. Of an identity, not of a connection or address. */
void est_refusal_key(unsigned char key[PKI_SHA256_SIZE], const est_req_t *req, int anywhere);

/* Fails with rate_exceeded while the client has been told to wait: nothing is asked of the database meanwhile */
est_err_t *est_refusal_check_rate(const est_req_t *req, const est_service_t *service);

/* csr was read, and is refused with err: records it, if it is a refusal of somebody who is authenticated, and as far as
 * the guard lets. That fails quietly, but for a line in the log: the answer is the same. */
void est_refusal_note(const est_err_t *err, const est_req_t *req, est_service_t *service, const pki_csr_t *csr);

#endif
