/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_network.h"

#include <apr_strings.h>
#include <string.h>

/* Address and prefix length; *length NULL when there is none */
static void split(char **address, char **length, const char *network, apr_pool_t *pool)
{
    *address = apr_pstrdup(pool, network);
    *length = strchr(*address, '/');
    if (*length)
        *(*length)++ = '\0';
}

static int subnet_has(const char *network, const char *length, apr_sockaddr_t *address, apr_pool_t *pool)
{
    apr_ipsubnet_t *subnet;

    return apr_ipsubnet_create(&subnet, network, length, pool) == APR_SUCCESS && apr_ipsubnet_test(subnet, address);
}

/* The one length that APR does not take, though 0.0.0.0/0 and ::/0 are networks as others */
static int is_everything(const char *length)
{
    return length && !strcmp(length, "0");
}

int policy_network_is_valid(const char *network, apr_pool_t *pool)
{
    apr_ipsubnet_t *subnet;
    char *address, *length;

    split(&address, &length, network, pool);
    return apr_ipsubnet_create(&subnet, address, is_everything(length) ? NULL : length, pool) == APR_SUCCESS;
}

int policy_network_has(const char *network, apr_sockaddr_t *address, apr_pool_t *pool)
{
    char *start, *length;

    split(&start, &length, network, pool);
    if (!is_everything(length))
        return subnet_has(start, length, address, pool);
    if (!policy_network_is_valid(network, pool))
        return 0;
    if (strchr(start, ':')) /* both halves */
        return subnet_has("::", "1", address, pool) || subnet_has("8000::", "1", address, pool);
    return subnet_has("0.0.0.0", "1", address, pool) || subnet_has("128.0.0.0", "1", address, pool);
}
