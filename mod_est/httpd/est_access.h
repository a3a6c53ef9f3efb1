/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_ACCESS_H
#define EST_ACCESS_H

/* Before a request reaches its handler: what can be answered without asking who it is, and `Require est`. */

#include "est_request.h"

/* The service of this process; set before the first request */
void est_access_use(est_service_t *service);
void est_access_register(apr_pool_t *pconf);

#endif
