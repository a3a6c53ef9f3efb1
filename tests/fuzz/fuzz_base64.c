/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include <string.h>

/* What decodes, encodes to the same octets; what decodes is, blanks apart, what encoding gives back */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    est_slice_t in = est_slice(data, size), out, again;
    if (!est_base64_decode(&out, in, pool)) {
        apr_size_t len, at = 0;
        const char *text = est_base64_encode(out, 0, &len, pool);
        for (size_t i = 0; i < size; i++) {
            if (!memchr(" \t\r\n", data[i], 4))
                FUZZ_ASSERT(at < len && (uint8_t)text[at++] == data[i]);
        }
        FUZZ_ASSERT(at + 1 == len);
        text = est_base64_encode(out, 64, &len, pool);
        FUZZ_ASSERT(!est_base64_decode(&again, est_slice(text, len), pool));
        FUZZ_ASSERT(est_slice_equal(out, again));
    }
    apr_size_t n;
    const char *hex = est_hex(in, pool);
    const unsigned char *octets = est_unhex(hex, &n, pool);
    FUZZ_ASSERT(octets && est_slice_equal(est_slice(octets, n), in));
    for (const char *s = est_escape(in, 100, pool); *s; s++)
        FUZZ_ASSERT(*s >= 0x20 && *s < 0x7f);
    apr_pool_destroy(pool);
    return 0;
}
