/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

/* The report of estctl explain */

#include "cli.h"
#include "op/est_explain.h"

/* A table of the rules, the outcome as the client hears of it, and the certificate; or all of it as JSON */
est_err_t *cli_explain_print(const cli_t *cli, const est_explain_ask_t *ask, const est_explanation_t *explanation);

#endif
