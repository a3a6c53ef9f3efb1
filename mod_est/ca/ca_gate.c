/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_gate.h"

struct ca_gate_t {
    apr_uint64_t unused;
};

apr_size_t ca_gate_size(void)
{
    return sizeof(ca_gate_t);
}
