/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_TIME_H
#define PKI_TIME_H

/* Times of certificates: read, written, and for people. */

#include "pki_der.h"

#include <apr_time.h>
#include <openssl/asn1.h>

/* Takes the UTCTime or GeneralizedTime at the start of *in, in the one form that RFC 5280 4.1.2.5 allows; 0 when there
 * is none */
int pki_time_take(apr_time_t *out, est_slice_t *in);
/* UTCTime until 2049, GeneralizedTime from 2050 (RFC 5280 4.1.2.5). 0 when the year has not four digits. */
int pki_time_put(pki_der_out_t *out, apr_time_t t);
/* What OpenSSL read; 0 when it is no time */
int pki_time_from_asn1(apr_time_t *out, const ASN1_TIME *t);

/* RFC 3339 text, "2026-01-31T12:00:00Z", in pool */
const char *pki_time_text(apr_time_t t, apr_pool_t *pool);

#endif
