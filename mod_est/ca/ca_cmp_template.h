/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_CMP_TEMPLATE_H
#define CA_CMP_TEMPLATE_H

/* Requests of ir, cr and kur: a CertTemplate (RFC 4211) with what policy granted. */

#include "ca.h"

#include <openssl/crmf.h>

/*
 * Subject, key and extensions of request->tbs, but for the identifiers of keys, which are the CA's to make (RFC 9483
 * 4.1.1), and without validity, which is the CA's to know. That the key is the client's was proved to us, by its
 * PKCS#10: raVerified. old: the certificate that is renewed, NULL = none. The caller frees *out. Fails with
 * alias_broken.
 */
est_err_t *ca_cmp_template(OSSL_CRMF_MSG **out, const pki_tbs_t *tbs, X509 *old, apr_pool_t *pool);

#endif
