/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_env.h"

#include <stdarg.h>

#include <apr_strings.h>

void est_env_log(const est_env_t *env, est_log_level_t level, const char *fmt, ...)
{
    char line[2048]; /* longer lines are cut: no pool is at hand here */
    va_list ap;

    va_start(ap, fmt);
    apr_vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    env->log(env, level, line);
}
