/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_LOG_H
#define EST_LOG_H

/* Lines of the error log that belong to no request. Those that do are est_answer.c's. */

#include "base/est_err.h"

#include <httpd.h>

/* httpd's number of a level */
int est_log_level(est_log_level_t level);

/* "mod_est: EST1130: detail". At start a line goes to the terminal too. more is added when it is not NULL. */
void est_log_error(server_rec *s, est_log_level_t level, const est_err_t *err, const char *more);

#endif
