/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_CERTS_H
#define PKI_CERTS_H

/* The certs-only message (RFC 5272 4.1, RFC 7030 4.1.3) of another server; our own are made by pki_certs_only(). */

#include "base/est_bytes.h"

#include <openssl/x509.h>

#define PKI_CERTS_MAX 64 /* certificates of a message */

/*
 * The certificates in their order, at least one; each is freed with pool. The message is one SignedData without
 * signers, as there is nobody whose signature would be checked, and without content. It may be BER, as some servers
 * write it, but nothing may follow it; CRLs beside the certificates are passed over. Fails with ca_answer.
 */
est_err_t *pki_certs_read(STACK_OF(X509) **out, est_slice_t message, apr_pool_t *pool);

#endif
