/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_CMP_SETTINGS_H
#define CA_CMP_SETTINGS_H

/* What an <EstCA> block says about CMP. */

#include "ca_cmp_session.h"

/* Reads and checks everything, in the parent: files that the children may not be able to read. Everything lives in
 * pool. *warning: worth a line in the log, or as it was. Fails with config or file; the errors do not name the block.
 */
est_err_t *ca_cmp_settings_read(ca_cmp_settings_t **out, const char **warning, const ca_config_t *config,
                                apr_pool_t *pool);

#endif
