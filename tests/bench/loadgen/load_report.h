/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

/* Figures of a run, of one thread and of all. */

#include "load_conn.h"
#include "load_csr.h"

typedef struct {
    float *latency; /* seconds */
    size_t n, room;
} load_series_t;

typedef struct {
    load_series_t answers, put_off; /* of what was measured, all but the warm-up; put_off: 202 and 503, with -P */
    long status[600],
        errors[LOAD_N_RESULTS]; /* warm-up included: a server must have status[200] enrolments on record */
    long connections, resumed;
    int tls_version;
} load_report_t;

/* What holds for all threads together */
typedef struct {
    double seconds, own_cpu, cpu[LOAD_MAX_TREES];
    load_csr_findings_t findings;
    int exhausted;   /* the requests did not suffice */
    int interrupted; /* by a signal */
} load_run_t;

/* 202 and 503 are what they are, and no failure */
int load_report_is_put_off(int status);
void load_report_latency(load_report_t *report, int status, double seconds);
/* Adds part to sum */
void load_report_add(load_report_t *sum, const load_report_t *part);
/* Prints; false when anything was not as it should be */
int load_report_print(load_report_t *sum, const load_run_t *run);

#endif
