/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AUTH_TEST_H
#define AUTH_TEST_H

/* What a client's certificate counts as; certificates of our CA and of others. */

#include "op_test.h"

typedef enum { COUNTS, COUNTS_AS_NONE, REFUSED } verdict_t;

/* What the certificate counts as, at path; part: of the reason why it is refused */
static inline verdict_t verdict(const char *path, X509 *leaf, STACK_OF(X509) *chain, const char *part)
{
    est_req_t *req = op_routed(path);
    policy_access_t access;
    est_err_t *why;

    req->leaf = leaf;
    req->chain = chain;
    ASSERT_OK(est_auth_require(&access, &why, req, &op.service));
    if (req->cred.cert_error) {
        ASSERT_ROW(req->cred.cert_error, EST_E_certificate_refused, part, path);
        assert_int_equal(access, POLICY_ACCESS_DENIED);
        assert_ptr_equal(why, req->cred.cert_error);
        assert_false(req->granted);
        return REFUSED;
    }
    /* the log is told why */
    assert_int_equal(req->cred.cert_ignored != NULL, leaf && !req->cred.cert);
    return req->cred.cert ? COUNTS : COUNTS_AS_NONE;
}

/* One of our CA */
static inline X509 *client_cert(const cert_spec_t *spec)
{
    cert_spec_t full = *spec;

    full.issuer = op.ca_cert;
    full.issuer_key = op.ca_key;
    return make_cert(&full);
}

/* A CA of somebody else, as the anchor of an alias */
typedef struct {
    EVP_PKEY *key;
    X509 *cert;
} foreign_t;

static inline foreign_t foreign_anchor(const char *kind, int i)
{
    foreign_t ca = {.key = make_key("P-256")};

    ca.cert = make_ca(apr_pstrcat(pool, "CN=CA of a ", kind, NULL), ca.key, NULL, NULL);
    op.store.anchors[i] = (policy_anchor_row_t){"1", kind, "anchor", est_hex(cert_der(ca.cert), pool)};
    op.store.n_anchors = i + 1;
    return ca;
}

static inline X509 *of_foreign(const foreign_t *ca, const char *subject, const char *ext)
{
    cert_spec_t spec = {.subject = subject, .issuer = ca->cert, .issuer_key = ca->key, .exts = {ext}};

    return make_cert(&spec);
}

#endif
