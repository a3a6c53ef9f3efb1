/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_CMP_H
#define CA_CMP_H

/* Forwards to an upstream CA that speaks CMP (RFC 4210, RFC 9480; over HTTP: RFC 6712). */

#include "ca.h"

extern const ca_driver_t ca_cmp_driver;

#endif
