/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FUZZ_H
#define FUZZ_H

/* What the fuzz targets share. A target runs in one thread. */

#include "base/est_bytes.h"

#include <apr_general.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A pool for one input, whose memory AddressSanitizer watches (pool.c) */
apr_pool_t *fuzz_pool(void);

/* A property that must hold whatever the input is */
#define FUZZ_ASSERT(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

#endif
