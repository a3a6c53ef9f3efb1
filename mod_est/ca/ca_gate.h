/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_GATE_H
#define CA_GATE_H

/*
 * The gate before an upstream, or a token: how many requests are there at the same time, and whether it is left alone
 * for a while after it failed (circuit breaker). Lies in memory that all processes of this httpd share, and needs no
 * lock: a process that dies with requests at the upstream leaves their places to be taken when their lease is over.
 */

#include "base/est_err.h"

#include <apr_time.h>

#define CA_GATE_MAX 64           /* places: largest EstCAConcurrency */
#define CA_GATE_MAX_COOLDOWN 300 /* seconds */

/* All zero: nobody there, nothing failed yet */
typedef struct ca_gate_t ca_gate_t;

typedef struct {
    int places;                   /* 1 to CA_GATE_MAX */
    int failures;                 /* in a row, after which it is closed */
    apr_interval_time_t cooldown; /* that it is closed for a first time; doubles each time, up to the most */
    apr_interval_time_t lease;    /* after which a place is free, whatever has become of who took it */
} ca_gate_rules_t;

typedef enum {
    CA_GATE_OPEN,   /* go through, and tell ca_gate_leave what became of it */
    CA_GATE_CLOSED, /* it is left alone: *wait until it is tried again */
    CA_GATE_FULL    /* every place is taken */
} ca_gate_verdict_t;

/* What became of who went through */
typedef enum {
    CA_GATE_GOOD,   /* it answered, whatever it said */
    CA_GATE_BAD,    /* it did not */
    CA_GATE_UNTRIED /* nobody asked it, or nobody waited for what it had to say */
} ca_gate_result_t;

/* What a result changed, worth a line in the log once */
typedef enum { CA_GATE_SAME, CA_GATE_WENT_DOWN, CA_GATE_CAME_BACK } ca_gate_change_t;

typedef enum { CA_GATE_IS_OPEN, CA_GATE_IS_CLOSED, CA_GATE_IS_HALF_OPEN } ca_gate_state_t;

/* As it is seen from outside */
typedef struct {
    ca_gate_state_t state; /* half-open: one is there to see, or the next one will be */
    int wait;              /* closed: seconds until it is tried again, at least 1; else 0 */
    int inside;            /* requests, those whose lease ran out not counted */
    int failures;          /* in a row */
} ca_gate_look_t;

apr_size_t ca_gate_size(void);

/* A closed gate whose time is over lets one through to see (half-open); the others find it closed until that one is
 * back. A lease that ran out counts as BAD. *place is for ca_gate_leave; *wait in seconds, at least 1. Thread- and
 * process-safe. */
ca_gate_verdict_t ca_gate_enter(int *place, int *wait, ca_gate_t *gate, const ca_gate_rules_t *rules, apr_time_t now);
ca_gate_change_t ca_gate_leave(ca_gate_t *gate, const ca_gate_rules_t *rules, int place, ca_gate_result_t result,
                               apr_time_t now);
/* Seconds that it is still left alone, at least 1; 0: one could try */
int ca_gate_wait(const ca_gate_t *gate, const ca_gate_rules_t *rules, apr_time_t now);
/* Changes nothing, not even what is due to change with the next one that comes. A moment later it may be otherwise. */
void ca_gate_look(ca_gate_look_t *out, const ca_gate_t *gate, const ca_gate_rules_t *rules, apr_time_t now);

#endif
