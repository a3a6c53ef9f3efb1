/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

/* The judgement of a certificate request: a table of rules, each a pure function. */

#include "pki/pki_csr.h"
#include "pki/pki_digest.h"
#include "policy_access.h"

/* A profile's, those taken over from the request, and subjectKeyIdentifier, authorityKeyIdentifier, subjectAltName */
#define POLICY_MAX_EXTS (POLICY_PROFILE_MAX_EXTS + POLICY_PROFILE_MAX_REQUEST_EXTS + 3)

#define POLICY_RANDOM 24 /* letters and digits of policy_request_t.random */

typedef struct {
    const policy_alias_t *alias;
    policy_op_t op;
    const policy_identity_t *identity;
    const pki_csr_t *csr;
    apr_time_t now;
    const pki_issuer_t *ca; /* that would sign; an explanation may do without: NULL */
    /* SHA-256 of SubjectPublicKeyInfos that are nobody's to ask for: of CAs and TLS servers (conformance C-16) */
    const unsigned char (*reserved_keys)[PKI_SHA256_SIZE];
    int n_reserved_keys;
    const char *random; /* POLICY_RANDOM characters for names that have some in them */
} policy_request_t;

/* The certificate that may be issued; borrows from request and profile */
typedef struct {
    const char *entity; /* name of the end entity */
    const pki_name_t *subject;
    pki_sans_t san;
    apr_time_t not_before, not_after;
    pki_digest_t digest;
    unsigned char spki_hash[PKI_SHA256_SIZE]; /* of the request's SubjectPublicKeyInfo */
    est_slice_t exts[POLICY_MAX_EXTS];
    int n_exts;
    const char *dropped; /* what was left out of the request, for the log; NULL = nothing */
} policy_grant_t;

typedef enum { POLICY_PASS, POLICY_FAIL, POLICY_NOT_APPLICABLE } policy_verdict_t;

/* What one rule found, for an explanation */
typedef struct {
    const char *rule;
    policy_verdict_t verdict;
    const est_err_t *err; /* FAIL */
} policy_finding_t;

/* Runs the rules in order up to the first that fails and returns its error, with err->rule set; NULL: *out is filled.
 */
est_err_t *policy_decide(policy_grant_t **out, const policy_request_t *request, apr_pool_t *pool);

/* What is to be signed when grant was made for the key spki; without a serial number. Borrows from both. */
pki_tbs_t policy_grant_tbs(const policy_grant_t *grant, est_slice_t spki);

/* Runs every rule and lists what each found; *n of them, in pool. *out as policy_decide when all pass, else NULL. */
const policy_finding_t *policy_explain(policy_grant_t **out, int *n, const policy_request_t *request, apr_pool_t *pool);

/* The rules by name with one line of explanation each, for the manual; NULL behind the last */
const char *policy_rule_name(int i);
const char *policy_rule_text(int i);

#endif
