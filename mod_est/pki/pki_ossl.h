/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_OSSL_H
#define PKI_OSSL_H

/* Between OpenSSL and APR: objects that a pool frees, and the error queue. For pki/ and ca/. */

#include "base/est_err.h"

#include <openssl/x509.h>

/* Each hands its object (not NULL) to pool, which frees it, and returns it: to be called on the line on which the
 * object is made. */
EVP_PKEY *pki_ossl_own_pkey(EVP_PKEY *pkey, apr_pool_t *pool);
X509 *pki_ossl_own_x509(X509 *cert, apr_pool_t *pool);
X509_NAME *pki_ossl_own_name(X509_NAME *name, apr_pool_t *pool);
X509_STORE *pki_ossl_own_store(X509_STORE *store, apr_pool_t *pool);
/* Frees the certificates in it, too */
STACK_OF(X509) *pki_ossl_own_certs(STACK_OF(X509) *certs, apr_pool_t *pool);

/* Is cert, the same octets, among certs? */
int pki_ossl_has_cert(const STACK_OF(X509) *certs, const X509 *cert);

/* Why OpenSSL failed: the first and the last reason in its queue, in pool, without data such as paths. Clears the
 * queue; leftovers would come up in mod_ssl's log. */
const char *pki_ossl_reason(apr_pool_t *pool);

#endif
