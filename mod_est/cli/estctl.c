/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The process around cli_main() */

#include "cli.h"

#include <apr_general.h>
#include <locale.h>
#include <stdlib.h>

int main(int argc, const char *const *argv)
{
    apr_pool_t *pool;
    int status;

    setlocale(LC_CTYPE, ""); /* for the width of characters on a terminal */
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return 3;
    status = cli_main(argc, argv, pool);
    apr_pool_destroy(pool);
    apr_terminate();
    return status;
}
