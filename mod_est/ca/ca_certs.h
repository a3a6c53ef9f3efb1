/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_CERTS_H
#define CA_CERTS_H

/* The certificates of a CA: what every driver has, wherever its key is. */

#include "ca.h"

/* From the files of config, the CA's own first. whole: the chain must lead to a root (RFC 7030 4.1.3). Everything lives
 * in pool. Fails with config or file. */
est_err_t *ca_certs_load(ca_facts_t **out, const ca_config_t *config, int whole, apr_pool_t *pool);

/* Devices get the whole way from an issued certificate to a root (RFC 7030 4.1.3): NULL when it is there, else the
 * subject of a certificate on it whose issuer is not. */
const char *ca_certs_gap(const ca_facts_t *facts, apr_pool_t *pool);

/* For a warning: what has the gap, name of the block, subject */
#define CA_CERTS_GAP "%s of <EstCA %s> has no issuer of \"%s\": cacerts leads devices to no root (RFC 7030 4.1.3)"

/*
 * From certificates in any order, as a cacerts message has them. The CA's own, which sign certificates of end entities,
 * are those that are above no other CA, and where one of these is itself below another CA, no roots: old and new ones
 * of one name all count, an old root beside a CA that another root has certified does not. The one that ends last comes
 * first. What is no CA's certificate is left out: devices would trust it.
 * pool has a reference to each, and everything else. Fails with config: no CA certificate among them.
 */
est_err_t *ca_certs_sort(ca_facts_t **out, STACK_OF(X509) *certs, apr_pool_t *pool);

/* A CA of which the certificates are all that is known: it signs nothing */
ca_t *ca_certs_only(const char *name, const ca_facts_t *facts, apr_pool_t *pool);

#endif
