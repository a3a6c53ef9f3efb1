/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_ISSUED_H
#define POLICY_ISSUED_H

/* What an upstream CA has issued, against what policy granted: it decides how a certificate is made, and not who gets
 * which names, powers and time. */

#include "policy_decide.h"

/*
 * NULL: der is within grant. Its key is spki; its subject is the one that was granted (as RFC 5280 7.1 compares, since
 * CAs choose other string types); its alternative names are those, no more and no less. It has no CA's powers. Key
 * usages and purposes are among those granted; where the grant restricts them, so does it. It ends no later than
 * granted. Extensions are those granted, with their values, those that say where the CA is to be found and what it
 * stands for, and those that extra lists (dotted OIDs, NULL behind the last; NULL: none). Who has signed it is not
 * looked at.
 *
 * Else ca_wrong, which says what is wrong and what was wanted.
 */
est_err_t *policy_issued_check(const policy_grant_t *grant, est_slice_t spki, est_slice_t der, const char *const *extra,
                               apr_pool_t *pool);

#endif
