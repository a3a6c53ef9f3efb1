/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOAD_OPT_H
#define LOAD_OPT_H

/* Fills load_options, or ends the process with a usage message */
void load_opt_parse(int argc, char **argv);

#endif
