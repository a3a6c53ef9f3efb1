/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_EXTCHECK_H
#define PKI_EXTCHECK_H

/* What RFC 5280 forbids in the certificate of an end entity and OpenSSL would write all the same, because a profile's
 * row says so. */

#include "base/est_bytes.h"

/* exts: whole Extensions, DER; exts[n - 1] is looked at, alone and beside those before it. NULL, or a static text that
 * says what is wrong with it. */
const char *pki_extcheck_flaw(const est_slice_t *exts, int n);

/* NULL where each purpose that the extendedKeyUsage among exts names goes with one of these key usages (PKI_USAGE_...)
 * at least, as RFC 5280 4.2.1.12 has it; else a static text about the first that does not. Purposes of which that says
 * nothing go with any. */
const char *pki_extcheck_usage_flaw(unsigned usage, const est_slice_t *exts, int n);

#endif
