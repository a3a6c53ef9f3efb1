/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_H
#define CA_H

/* Certificate authorities: a driver table, a row per way of having a certificate signed. */

#include "base/est_env.h"
#include "pki/pki_cert.h"
#include "pki/pki_path.h"

typedef struct ca_t ca_t;

/* The members of an <EstCA> block, as text; NULL = not given */
typedef struct {
    const char *name;
    const char *driver, *certificate, *key, *passphrase, *chain;
    const char *where; /* "file:line" of the block, for messages */
} ca_config_t;

typedef struct {
    const char *name; /* of EstCADriver */
    /* Loads and checks everything that needs no network: fails with config or file. Called in the parent, at
     * configuration check. Everything lives in pool. */
    est_err_t *(*open)(ca_t **out, const ca_config_t *config, apr_pool_t *pool);
    /* Signs; the request was judged before. The issuer is the CA's own subject, everything else is as tbs says. *der in
     * pool. */
    est_err_t *(*issue)(ca_t *ca, est_slice_t *der, const pki_tbs_t *tbs, apr_pool_t *pool);
} ca_driver_t;

/* Drivers put this first in their own struct. Immutable once opened, shared by processes and threads. */
struct ca_t {
    const ca_driver_t *driver;
    const char *name;
    X509 *cert;
    pki_issuer_t issuer;
    unsigned char issuer_hash[PKI_SHA256_SIZE]; /* of its subject, DER */
    const est_slice_t *certs; /* what cacerts returns: itself first, then the chain to the root, DER */
    int n_certs;
    est_slice_t cacerts; /* the certs-only message of these, DER */
    const char *warning; /* worth a line in the log at start, or NULL */
};

/* Finds the driver by config->driver (default local) and opens it */
est_err_t *ca_open(ca_t **out, const ca_config_t *config, apr_pool_t *pool);

#endif
