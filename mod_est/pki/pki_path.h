/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_PATH_H
#define PKI_PATH_H

/* Path validation of client certificates against an alias's own anchors (RFC 5280 section 6 as OpenSSL does it). */

#include "base/est_err.h"

#include <apr_time.h>
#include <openssl/x509.h>

typedef struct pki_anchors_t pki_anchors_t;

typedef enum {
    PKI_PATH_OK,
    PKI_PATH_NO_ANCHOR, /* chains to none of these anchors: counts as no certificate (decision 12) */
    PKI_PATH_EXPIRED,
    PKI_PATH_NOT_YET,
    PKI_PATH_PURPOSE, /* key usage or extended key usage does not allow TLS client authentication */
    PKI_PATH_INVALID  /* chains to an anchor but something else is wrong, an expired intermediate for one */
} pki_path_t;

/* Anchors are trusted as they are, self-signed or not (X509_V_FLAG_PARTIAL_CHAIN); helpers are intermediates that a
 * client may leave out. Both are up-ref'ed; all freed with pool. Immutable afterwards, so shared by threads. */
est_err_t *pki_anchors_make(pki_anchors_t **out, STACK_OF(X509) *anchors, STACK_OF(X509) *helpers, apr_pool_t *pool);

/* Judges leaf with the chain the client sent (may be NULL) at now. *detail: OpenSSL's reason, static or in pool.
 * *until: earliest notAfter of the path when PKI_PATH_OK. A signature or constraint failure is INVALID only if the
 * leaf's issuer is really known: a certificate that merely names our CA as issuer but is not signed by it is NO_ANCHOR
 * . EXPIRED, NOT_YET and PURPOSE speak of the leaf; EXPIRED says that nothing else is wrong, so that a grace can
 * forgive it. Keys and signatures of the path have at least the strength of OpenSSL's security level 2. */
est_err_t *pki_path_check(pki_path_t *out, const char **detail, apr_time_t *until, const pki_anchors_t *anchors,
                          X509 *leaf, STACK_OF(X509) *chain, apr_time_t now, apr_pool_t *pool);

#endif
