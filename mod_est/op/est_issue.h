/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_ISSUE_H
#define EST_ISSUE_H

/* The one path by which anything is ever issued. */

#include "est_op.h"
#include "pki/pki_csr.h"

/* Judges csr, has it signed, and records it; *der is the certificate, whose row is committed. When the database says
 * that policy or client have changed meanwhile, both are read anew and the request is judged again, so req->alias and
 * req->identity may be others afterwards. *dropped: what policy left out of the request, or NULL. */
est_err_t *est_issue(est_slice_t *der, const char **dropped, est_req_t *req, est_service_t *service,
                     const pki_csr_t *csr);

#endif
