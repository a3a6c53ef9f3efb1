/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_MAC_H
#define PKI_MAC_H

/* Former names of what pki_digest.h and est_bytes.h declare */

#include "pki_digest.h"

#define pki_mac_sha256 pki_hmac_sha256
#define pki_mac_cleanse est_bytes_cleanse

#endif
