/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_PASSWORD_H
#define EST_PASSWORD_H

/*
 * The authn provider "est": passwords of registered clients, and enrolment codes of end entities. bcrypt is slow on
 * purpose, so a pair that was verified is remembered for a while under a keyed digest, and what strangers can make us
 * compute is bounded (decision 16).
 */

#include "est_request.h"

typedef struct est_password_t est_password_t;

/* threads: of this process; a quarter of them may hash at once. Lives until pool is cleared. */
est_err_t *est_password_make(est_password_t **out, const est_env_t *env, int threads, apr_pool_t *pool);
/* The provider has no argument for it: one per process, set before the first request */
void est_password_use(est_password_t *passwords);

/* What verifies secrets that do not come as a password, under the same limits: est_guard, with these members */
const est_guard_t *est_password_guard(void);

/*
 * Before httpd authenticates anybody: when the request brings a user name that could matter, looks up the row of the
 * end entity, in client mode, or of the client (so that an outage is a 503, which a provider cannot say) and the
 * failures of this address and user (429, without hashing).
 */
est_err_t *est_password_prepare(est_request_t *request);

void est_password_register(apr_pool_t *pconf);

#endif
