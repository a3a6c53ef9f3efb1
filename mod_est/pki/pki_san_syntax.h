/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_SAN_SYNTAX_H
#define PKI_SAN_SYNTAX_H

/* What RFC 5280 4.2.1.6 and 7.2 ask of a dNSName, iPAddress, uniformResourceIdentifier or rfc822Name, and what is asked
 * here besides. */

#include "pki_san.h"

/* NULL, or a static text that says what is wrong with san->value. dNSName: LDH labels of 1..63 characters, 253 in all,
 * no leading or trailing dot, no address, '*' only as the whole leftmost label, A-labels of IDNA 2008 in NFC.
 * iPAddress: not the unspecified one, no IPv4-mapped one. URI: absolute with scheme and host, no userinfo, at most 2048
 * characters. rfc822Name: local@domain in ASCII. Types of which only the shape is known are always good. */
const char *pki_san_syntax_flaw(const pki_san_t *san);

/* The authority of an absolute URI: from behind "://" to the first of "/?#"; n == 0 when it has none */
est_slice_t pki_san_syntax_authority(est_slice_t uri);

#endif
