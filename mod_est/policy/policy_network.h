/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_NETWORK_H
#define POLICY_NETWORK_H

/* Networks of policy tables: CIDR notation, or one address; IPv4 or IPv6. An IPv4 address inside IPv6 (::ffff:10.0.0.1)
 * is an IPv4 address. */

#include <apr_network_io.h>

int policy_network_is_valid(const char *network, apr_pool_t *pool);
/* 0 also when network is not valid */
int policy_network_has(const char *network, apr_sockaddr_t *address, apr_pool_t *pool);

#endif
