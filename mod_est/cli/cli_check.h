/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

/* What estctl check finds. A part of the check is a function that adds findings, and a row of parts[] in cli_check.c.
 */

#include "cli.h"

typedef enum { CLI_NOTICE, CLI_WARNING, CLI_FAULT } cli_severity_t;

typedef struct {
    store_pg_table_t *table; /* columns severity, check, object, finding */
    int n[CLI_FAULT + 1];    /* how many of each severity */
} cli_findings_t;

/* check: what was looked at, one word; object: the row or file that it is about. Borrowed */
void cli_check_add(cli_findings_t *findings, cli_severity_t severity, const char *check, const char *object,
                   const char *finding, apr_pool_t *pool);

/* The part of cli_check_policy.c: the policy as httpd reads it, what cannot be understood there, and what can never be
 * kept */
est_err_t *cli_check_policy(cli_t *cli, cli_findings_t *findings);

#endif
