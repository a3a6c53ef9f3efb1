/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_ISSUED_H
#define POLICY_ISSUED_H

#include "policy_decide.h"

est_err_t *policy_issued_check(const policy_grant_t *grant, est_slice_t spki, est_slice_t der, const char *const *extra,
                               apr_pool_t *pool);

#endif
