/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_ROUTE_H
#define EST_ROUTE_H

/* From a path to an alias and an operation. */

#include "est_op.h"

/*
 * path is what follows the mount point, starting with '/'. aliases, unless n_aliases is 0, are the only ones served
 * here. Fills req->op, snapshot and alias. Fails with path_invalid, operation_unknown (404), alias_unknown (400;
 * decision 2), method_not_allowed, policy_unavailable. req->op is set on method_not_allowed too, for the
 * Allow header.
 */
est_err_t *est_route(est_req_t *req, est_service_t *service, const char *path, const char *const *aliases,
                     int n_aliases);

#endif
