/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_REQEXT_H
#define PKI_REQEXT_H

/* What a requested extension asks for: facts on which policy refuses it (conformance EN-08, EN-09, EN-11, CP-12). */

#include "pki_csr.h"

typedef enum {
    PKI_REQEXT_PLAIN,    /* may be left out or given as the profile says */
    PKI_REQEXT_POWER,    /* asks for what an end entity never gets: a CA's or an RA's powers */
    PKI_REQEXT_UNKNOWN,  /* nothing is known of it, or it is critical and never taken from a request */
    PKI_REQEXT_MALFORMED /* not an encoding of what its OID says */
} pki_reqext_kind_t;

/* *what names the power ("keyCertSign", "id-kp-cmcRA") or the flaw; static */
pki_reqext_kind_t pki_reqext_judge(const char **what, const pki_req_ext_t *ext);

/* The name of a purpose (contents octets of its OID) that makes who holds it speak for others, or NULL; static */
const char *pki_reqext_purpose_power(est_slice_t purpose);

/* Short name ("keyUsage"), or the OID where there is none; static, or borrowed from ext */
const char *pki_reqext_name(const pki_req_ext_t *ext);

/* keyUsage bits that a requested extension asks for, PKI_USAGE_...; 0 when it is another extension or malformed */
unsigned pki_reqext_key_usage(const pki_req_ext_t *ext);

/* The same of a whole Extension, DER, as a profile gives it */
unsigned pki_reqext_given_key_usage(est_slice_t extension);
/* A keyUsage as such an Extension with other bits, as critical as it was; usage must not be 0. Whole, in pool */
est_slice_t pki_reqext_with_key_usage(est_slice_t extension, unsigned usage, apr_pool_t *pool);
/* Would such an Extension make its holder a CA? Then *what names the power, static. Purposes (OCSPSigning, id-kp-cmcRA)
 * are a profile's to give. */
int pki_reqext_given_ca_power(const char **what, est_slice_t extension);

#endif
