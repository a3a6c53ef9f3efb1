/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_STATUS_H
#define EST_STATUS_H

/* The state of the CAs on the page of mod_status, where that is loaded. The keys of ?auto are an interface: they are
 * described in docs/backends.md. */
void est_status_register_hooks(void);

#endif
