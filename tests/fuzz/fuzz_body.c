/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "op/est_body.h"

#include <string.h>

static est_slice_t body;

static est_err_t *read_body(est_slice_t *out, est_req_t *req)
{
    (void)req;
    *out = body;
    return NULL;
}

/* The first octet says whether EstStrictBody is on; the rest is the body */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    est_req_t req = {.pool = pool,
                     .op = est_op_find("simpleenroll"),
                     .method = EST_METHOD_POST,
                     .content_type = "application/pkcs10",
                     .read_body = read_body,
                     .strict_body = size && data[0] & 1};
    est_slice_t der = {NULL, 0}, again;
    est_err_t *err;

    body = size ? est_slice(data + 1, size - 1) : est_slice(NULL, 0);
    err = est_body_read(&der, &req);
    FUZZ_ASSERT(!err || est_err_row(err->code)->status == 400);
    if (!err && req.strict_body) {
        FUZZ_ASSERT(!est_base64_decode(&again, body, pool) && est_slice_equal(der, again));
    } else if (err && !req.strict_body) {
        req.strict_body = 1; /* takes nothing that the other does not */
        FUZZ_ASSERT(est_body_read(&der, &req));
    }
    apr_pool_destroy(pool);
    return 0;
}
