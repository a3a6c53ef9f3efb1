/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef REMOTE_TEST_H
#define REMOTE_TEST_H

/* A CA with several upstreams, which are none: nothing is sent by what these tests look at. */

#include "x509_test.h"

#include "ca/ca_remote.h"

#define SECOND APR_USEC_PER_SEC
#define A "http://a.example.com/est"
#define B "http://b.example.com/est"
#define C "http://c.example.com/est"

static struct {
    ca_remote_t remote;
    ca_config_t config;
    ca_request_t request;
    ca_answer_t answer;
    apr_time_t now;
    const char *log; /* lines with their level */
    est_env_t env;
} t;

static inline apr_time_t fake_now(const est_env_t *env)
{
    (void)env;
    return t.now;
}

static inline void fake_log(const est_env_t *env, est_log_level_t level, const char *line)
{
    (void)env;
    t.log = apr_psprintf(pool, "%s%d %s\n", t.log, (int)level, line);
}

static inline apr_array_header_t *list(const char *const *items)
{
    apr_array_header_t *array = apr_array_make(pool, 4, sizeof(char *));

    for (; *items; items++)
        APR_ARRAY_PUSH(array, const char *) = *items;
    return array;
}

static inline void prepare(const char *const *urls)
{
    memset(&t, 0, sizeof(t));
    t.config.name = "far";
    t.config.where = "est.conf:7";
    t.config.upstreams = list(urls);
    t.config.timeout = 10;
    t.config.connect_timeout = 3;
    t.config.concurrency = 2;
    t.config.failures = 2;
    t.config.cooldown = 10;
    t.now = TEST_NOW;
    t.log = "";
    t.env.now = fake_now;
    t.env.log = fake_log;
}

static const char *const three[] = {A, B, C, NULL};

#endif
