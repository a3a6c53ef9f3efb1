/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_REFRESH_H
#define EST_REFRESH_H

/* What CAs have from elsewhere (an upstream's certificates) is fetched, and looked at again, by a thread of
 * mod_watchdog's in each child, since each child has its own. Without mod_watchdog requests do that. */

#include "est_config.h"

/* From post_config */
void est_refresh_register(const est_global_t *global, apr_pool_t *pconf);

/* In a child, when its CAs have started */
void est_refresh_begin(void);

#endif
