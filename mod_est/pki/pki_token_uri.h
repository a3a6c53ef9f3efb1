/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_TOKEN_URI_H
#define PKI_TOKEN_URI_H

/* pkcs11: URIs (RFC 7512) of a configuration that people print and mail. */

#include "base/est_err.h"

/* Is it one at all, and no file name? */
int pki_token_is_uri(const char *text);

/* Is it one that names a private key, and nothing that does not belong there? The PIN does not, nor the module: each
 * has a directive. No message repeats what may be a secret. *out is the URI to load the key by, with type=private.
 * Fails with config. */
est_err_t *pki_token_uri_check(const char **out, const char *uri, apr_pool_t *pool);

#endif
