/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_CMP_TRUST_H
#define CA_CMP_TRUST_H

/* Who may sign the CA's messages. */

#include "ca_cmp_session.h"

typedef struct {
    const ca_cmp_settings_t *settings;
    apr_pool_t *pool;
    const char *stranger; /* subject of one who has signed and must not; NULL = none. In pool */
} ca_cmp_trust_t;

/*
 * trust->settings->trusted, each of which is enough by itself. As everyone who has a certificate of the CA could else
 * speak for it, one who was certified by the CA, or by one above it, must be
 *   one of trusted themselves,
 *   or named as the CA, or as the recipient: names that the CA gives to nobody else,
 *   or be certified as a CA's server for CMP (id-kp-cmcCA, RFC 9480 2.2).
 * All but the first also need digitalSignature, where they have a keyUsage.
 * trust must live as long as the store. The caller frees it; NULL: out of memory.
 */
X509_STORE *ca_cmp_trust_store(ca_cmp_trust_t *trust);

#endif
