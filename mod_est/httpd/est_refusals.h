/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_REFUSALS_H
#define EST_REFUSALS_H

/* How many refusals may be recorded, and who has been told to wait: counted in memory that all processes of this httpd
 * share. */

#include "op/est_op.h"

#define EST_REFUSALS_WINDOW 60   /* seconds */
#define EST_REFUSALS_OF_A_KEY 10 /* that are recorded of one identity in a window */

/* Made by the parent before it forks, gone with pool; without it (no memory) everything is recorded, and nobody
 * remembered. limit: rows in a window, EstRefusalLimit. Fills in may_record, limited and limit of est_guard. */
est_err_t *est_refusals_make(int limit, apr_pool_t *pool);

/* May one more of this identity (a digest) be recorded? Those that may not are counted. */
int est_refusals_admit(est_slice_t key, apr_time_t now);
/* How many were not since some were last taken, of which that makes one row: 0 as well when that is less than a window
 * ago. They are the caller's then. */
unsigned est_refusals_take(apr_time_t now);
/* What was taken could not be written */
void est_refusals_give_back(unsigned suppressed);

/* Seconds for which key (a digest) has to wait yet; 0 = none */
int est_refusals_wait_of(est_slice_t key, apr_time_t now);
void est_refusals_wait_until(est_slice_t key, apr_time_t until);

#endif
