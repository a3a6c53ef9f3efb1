/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_CERTS_H
#define CA_CERTS_H

/* The certificates of a CA: what every driver has, wherever its key is. */

#include "ca.h"

/* Fills in cert, issuer, issuer_hash, certs and cacerts from the files of config. whole: the chain must lead to a root
 * (RFC 7030 4.1.3). Everything lives in pool. Fails with config or file. */
est_err_t *ca_certs_load(ca_t *ca, const ca_config_t *config, int whole, apr_pool_t *pool);

#endif
