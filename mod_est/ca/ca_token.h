/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_TOKEN_H
#define CA_TOKEN_H

/* The key of a local CA that is in a token: the gate before it, and what is said of it in the log. */

#include "ca.h"

typedef struct ca_token_t ca_token_t;

/* EstCAKey, EstCAKeyModule, EstCAKeyPassphrase; takes gates of ca. Touches no token. cert is the CA's own. */
est_err_t *ca_token_open(ca_token_t **out, ca_t *ca, const ca_config_t *config, X509 *cert, apr_pool_t *pool);

/* As of a driver. The token is opened meanwhile: httpd's child does not wait for it. */
est_err_t *ca_token_start(ca_token_t *token, const est_env_t *env, apr_pool_t *pool);

/* Fails with ca_unavailable, ca_busy, ca_failed */
est_err_t *ca_token_sign(est_slice_t *der, const pki_tbs_t *tbs, ca_token_t *token, apr_pool_t *pool);

#endif
