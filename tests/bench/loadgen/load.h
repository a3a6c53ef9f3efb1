/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOAD_H
#define LOAD_H

/* What the parts of estload share. Everything lives until the process ends; what goes wrong in preparing ends it. */

#include <stddef.h>

#define LOAD_MAX_THREADS 256
#define LOAD_MAX_SECONDS 600
#define LOAD_MAX_TREES 8

/* A process and all its descendants */
typedef struct {
    const char *name;
    int pid;
} load_tree_t;

typedef struct {
    char host[256], port[16], path[512];
    const char *user;       /* USER:PASSWORD, NULL = no Authorization */
    const char *cert, *key; /* of the client, PEM */
    const char *ca;         /* verifies the server */
    const char *issuer;     /* verifies the certificates in the answers */
    const char *key_type, *prefix;
    int threads, keep, per_connection, resume, tls_version, quickack, check, machine, timeout;
    long count, requests; /* -n, -g; 0 = not given */
    double seconds, warmup, rate;
    double patience; /* -P; 0 = answers 202 and 503 are failures */
    load_tree_t trees[LOAD_MAX_TREES];
    int n_trees;
} load_options_t;

extern load_options_t load_options;

/* Prints to standard error and exits with status 2 */
void load_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* p, unless it is NULL */
void *load_need(void *p);
/* Seconds of a clock that never jumps */
double load_now(void);

#endif
