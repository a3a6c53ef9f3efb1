/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_GUARD_H
#define EST_GUARD_H

/* What the processes of this httpd know together (est_op.h, est_guard_t), gathered from those who know it:
 * est_password.c fills verify, check_failures and add_failure in. Members that nobody has filled in are NULL. Complete
 * before the first request, and not changed after that. */

#include "op/est_op.h"

extern est_guard_t est_guard;

#endif
