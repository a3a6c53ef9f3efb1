/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOAD_CPU_H
#define LOAD_CPU_H

#include "load.h"

/* User and system seconds that each of load_options.trees has used so far, in ticks of 10 ms. Children that ended and
 * were waited for are in it, so a server that replaces its workers is counted in full. */
void load_cpu_read(double seconds[LOAD_MAX_TREES]);

/* The same for this process */
double load_cpu_own(void);

#endif
