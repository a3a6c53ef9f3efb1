/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_ENTITY_H
#define EST_ENTITY_H

/* Client mode: which registered end entity a certificate is for, and the enrolment code that proves it. */

#include "est_op.h"
#include "pki/pki_csr.h"

/*
 * Where codes come inside requests (policy_access_takes_code): verifies the one in *csr, of which the signature was
 * verified, and makes req->identity its entity. A request that needs none may come without. *csr is what is to be
 * judged from then on: the request without the code. Fails with code_refused, the same whatever the reason, which only
 * the log has; too_many_failures; busy; and as pki_reqcode_take does.
 */
est_err_t *est_entity_authenticate(const pki_csr_t **csr, est_req_t *req, est_service_t *service);

/* Before each judgement: req->identity.entity is the one that the request names, or a vendor's certificate, where no
 * code has said it. In RA mode, and for a renewal by the certificate, nothing is asked and it stays NULL. Fails with
 * entity_unknown. */
est_err_t *est_entity_resolve(est_req_t *req, est_service_t *service, const pki_csr_t *csr);

/* Names of the device in the vendor's certificate that the request was authenticated with, in req's pool; NULL when
 * it was not with one. There can be none: *n == 0. */
const char *const *est_entity_vendor_names(int *n, const est_req_t *req);

#endif
