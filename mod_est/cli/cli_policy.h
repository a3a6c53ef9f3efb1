/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_POLICY_H
#define CLI_POLICY_H

/* The policy as the module reads it */

#include "cli.h"
#include "op/est_op.h"

/* A service over the connection of this run, which reads alone: with a store and a cache, without CAs. Fails with
 * schema_version where the schema is another one. */
est_err_t *cli_policy_open(est_service_t *service, cli_t *cli);

#endif
