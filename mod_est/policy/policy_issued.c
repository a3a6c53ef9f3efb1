/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_issued.h"
#include "pki/pki_load.h"
#include "pki/pki_cert.h"

/* The subject so far */
est_err_t *policy_issued_check(const policy_grant_t *grant, est_slice_t spki, est_slice_t der, const char *const *extra,
                               apr_pool_t *pool)
{
    pki_cert_t *cert;
    X509 *x509;

    (void)extra;
    if (pki_load_der(&x509, der, pool) || pki_cert_facts(&cert, x509, pool))
        return EST_FAIL(pool, ca_wrong, "the certificate cannot be read");
    if (!est_slice_equal(cert->spki, spki))
        return EST_FAIL(pool, ca_wrong, "it is for another key");
    if (!est_slice_equal(cert->subject->der, grant->subject->der))
        return EST_FAIL(pool, ca_wrong, "subject \"%s\", granted \"%s\"", cert->subject->text, grant->subject->text);
    return NULL;
}
