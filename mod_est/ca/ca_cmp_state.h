/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_CMP_STATE_H
#define CA_CMP_STATE_H

/*
 * A CMP transaction that waits, as it is kept between two processes:
 *
 *     State ::= SEQUENCE {
 *         version  INTEGER (1),
 *         request  INTEGER,                              -- tag of the request in PKIBody
 *         answers  SEQUENCE SIZE (1..2) OF PKIMessage }  -- the CA's first, and its last
 *
 * An answer has all that the next message refers to: transactionID, senderNonce, and in recipNonce what we had sent.
 */

#include "base/est_bytes.h"

#define CA_CMP_STATE_ANSWERS 2

typedef struct {
    int request;
    int n;
    est_slice_t answers[CA_CMP_STATE_ANSWERS];
} ca_cmp_state_t;

/* In pool; state->n >= 1 */
est_slice_t ca_cmp_state_encode(const ca_cmp_state_t *state, apr_pool_t *pool);
/* Borrowed from in; 0 when it is none. That the answers are PKIMessages is not looked at. */
int ca_cmp_state_decode(ca_cmp_state_t *state, est_slice_t in);

#endif
