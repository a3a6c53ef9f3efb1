/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "ca/ca_http_redirect.h"

#include <apr_strings.h>
#include <string.h>

#define ORIGIN "https://ca.example:8443/"

/* However an upstream words its Location: we stay where we are, or go nowhere, and no message is long or has controls.
 * A target that was found leads to itself. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    const char *location = apr_pstrmemdup(pool, (const char *)data, size), *target, *again;
    ca_http_redirect_t redirect = {ORIGIN ".well-known/est/simpleenroll", 307, location, 1, 0};
    est_err_t *err = ca_http_redirect(&target, &redirect, pool);

    if (err) {
        FUZZ_ASSERT(err->code == EST_E_ca_answer && !target);
        FUZZ_ASSERT(strlen(err->detail) < 400);
        for (const char *p = err->detail; *p; p++)
            FUZZ_ASSERT((unsigned char)*p >= 0x20 && *p != 0x7f);
    } else {
        FUZZ_ASSERT(!strncasecmp(target, ORIGIN, strlen(ORIGIN)));
        FUZZ_ASSERT(!strpbrk(target, "\\# \t\r\n"));
        redirect.location = target;
        FUZZ_ASSERT(!ca_http_redirect(&again, &redirect, pool));
        FUZZ_ASSERT(!strcmp(target, again));
    }
    apr_pool_destroy(pool);
    return 0;
}
