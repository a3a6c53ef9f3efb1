/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_EST_H
#define CA_EST_H

/* A CA behind another EST server (RFC 7030), to which requests are forwarded. */

#include "ca.h"

extern const ca_driver_t ca_est_driver;

#endif
