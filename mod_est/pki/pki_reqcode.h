/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_REQCODE_H
#define PKI_REQCODE_H

/* Enrolment codes inside certificate requests, and the request without them: what is kept, shown and put into
 * certificates has no secret in it. */

#include "pki_csr.h"

typedef enum {
    PKI_REQCODE_CHALLENGE, /* challengePassword (RFC 2985 5.4.1) */
    PKI_REQCODE_OTP,       /* otpChallenge (RFC 7894 3.1) */
    PKI_REQCODE_SUBJECT    /* an attribute of the subject */
} pki_reqcode_place_t;

/* *code is what stands in place (attribute: short name, for SUBJECT alone), NULL when nothing does. *without is the
 * request as if it had not been there, csr itself when there is none: no challengePassword, no otpChallenge, a subject
 * that was encoded anew; in its der, which still is DER, the code's characters are `*`, so that its signature no longer
 * fits. Fails with csr_attribute, also when there are two, and name_invalid. */
est_err_t *pki_reqcode_take(const char **code, const pki_csr_t **without, const pki_csr_t *csr,
                            pki_reqcode_place_t place, const char *attribute, apr_pool_t *pool);

#endif
