/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_ENV_H
#define EST_ENV_H

/* What the layers below httpd/ need of the world, as pointers, so that tests can give them another one. */

#include "est_err.h"

#include <apr_time.h>

typedef struct est_env_t est_env_t;

struct est_env_t {
    /* Wall clock, microseconds since 1970 UTC */
    apr_time_t (*now)(const est_env_t *env);
    /* Fill buf with len octets of a CSPRNG; 0 when that failed */
    int (*random)(const est_env_t *env, unsigned char *buf, apr_size_t len);
    /* One line for the error log, for events that belong to no request */
    void (*log)(const est_env_t *env, est_log_level_t level, const char *line);
    void *log_ctx; /* the log function's own */
};

/* log with an APR format */
void est_env_log(const est_env_t *env, est_log_level_t level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
