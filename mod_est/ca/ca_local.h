/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_LOCAL_H
#define CA_LOCAL_H

/* A CA whose key this server holds. */

#include "ca.h"

extern const ca_driver_t ca_local_driver;

#endif
