/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOAD_CSR_H
#define LOAD_CSR_H

/* The PKCS#10 requests of a run, and what was answered to each. */

#include "load.h"

#include <openssl/x509.h>

typedef struct {
    char *body; /* as sent: base64, lines of 64 */
    size_t n_body;
    unsigned char *spki; /* SubjectPublicKeyInfo, DER */
    int n_spki;
    char *answer; /* body of the answer with status 200; NULL = none. One thread owns a request, so no lock. */
    size_t n_answer;
} load_csr_t;

/* Makes load_options.requests of them */
void load_csr_prepare(void);
/* NULL when none is left: a request is sent once */
load_csr_t *load_csr_get(long i);

/* Findings of load_csr_check, numbers of answers */
typedef struct {
    long answers;
    long not_a_message, wrong_key, wrong_subject, wrong_signature, repeated_serial;
} load_csr_findings_t;

/* Every answer so far: a certs-only message with a certificate for the request's key and subject, signed by
 * load_options.issuer where that is given, and no two with one serial number. Returns how many are wrong. */
long load_csr_check(load_csr_findings_t *findings);

#endif
