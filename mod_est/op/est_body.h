/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_BODY_H
#define EST_BODY_H

/* Bodies of requests and answers. */

#include "est_op.h"

/* Reads and decodes the body: base64 of DER (RFC 8951 3), and unless req->strict_body, PEM and raw DER too (conformance
 * decision 3). Content-Type and -Encoding are checked before anything is read. */
est_err_t *est_body_read(est_slice_t *der, est_req_t *req);

/* Gives the answer a base64 body. Below 1024 characters one line; from there on lines of 64, or one line where the
 * alias, the environment or a client without User-Agent asks for it (libest needs the breaks, strongSwan up to 5.9.10
 * tolerates none). */
void est_body_write(est_resp_t *resp, const est_req_t *req, est_slice_t der);

#endif
