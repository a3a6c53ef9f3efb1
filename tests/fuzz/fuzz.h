/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FUZZ_H
#define FUZZ_H

/* What the fuzz targets share */

#include "base/est_bytes.h"

#include <apr_general.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A pool for one input */
static inline apr_pool_t *fuzz_pool(void)
{
    static int initialized;
    apr_pool_t *pool;
    if (!initialized && apr_initialize() != APR_SUCCESS)
        abort();
    initialized = 1;
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS)
        abort();
    return pool;
}

/* A property that must hold whatever the input is */
#define FUZZ_ASSERT(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

#endif
