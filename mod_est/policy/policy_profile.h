/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_PROFILE_H
#define POLICY_PROFILE_H

/* Certificate profiles: what a certificate may be. Made once per policy snapshot from rows, validated, then immutable.
 */

#include "pki/pki_ext.h"
#include "pki/pki_key.h"
#include "pki/pki_san.h"
#include "pki/pki_sigalg.h"
#include "policy_template.h"

#define POLICY_PROFILE_MAX_EXTS 37
#define POLICY_PROFILE_MAX_REQUEST_EXTS 16

typedef enum { POLICY_REFUSE, POLICY_DROP } policy_violation_t;
typedef enum { POLICY_BEYOND_CA_CAP, POLICY_BEYOND_CA_REFUSE } policy_beyond_ca_t;

typedef struct {
    const char *attribute; /* as in the row, for messages */
    int nid;
    int required;
    const char *pattern;
    int max_count;
    policy_violation_t on_violation;
} policy_subject_rule_t;

/* Where names come from: the request, a template, the row of the end entity */
typedef enum { POLICY_SAN_CSR, POLICY_SAN_TEMPLATE, POLICY_SAN_ENTITY } policy_san_source_t;

typedef struct {
    pki_san_type_t type;
    const char *pattern; /* IP: a network in CIDR notation or ** */
    int required;
    int max_count;
    policy_violation_t on_violation;
    policy_san_source_t source;
    const policy_template_t *template; /* of POLICY_SAN_TEMPLATE */
} policy_san_rule_t;

/* What becomes of an extension that a request asks for */
typedef enum { POLICY_EXT_IGNORE, POLICY_EXT_COPY, POLICY_EXT_REQUIRE, POLICY_EXT_REFUSE } policy_ext_action_t;

typedef struct {
    const char *name; /* as in the row, for messages */
    const char *oid;  /* dotted */
    policy_ext_action_t action;
    int at; /* which of the profile's extensions it takes the place of; -1: of none */
} policy_request_ext_t;

#define POLICY_PROFILE_KEY_TYPES (PKI_KEY_ED448 + 1)

/* What is left of the profile's keyUsage for a type of key (conformance CP-10) */
typedef struct {
    unsigned bits;        /* PKI_USAGE_...; 0: nothing that makes sense */
    est_slice_t ext;      /* the Extension with these bits */
    const char *left_out; /* names of the bits that such a key cannot have, or NULL */
} policy_key_usage_t;

typedef struct {
    int id;
    const char *name;
    apr_int64_t validity, backdate; /* seconds */
    apr_time_t latest_end;          /* 0 = none */
    policy_beyond_ca_t beyond_ca;
    pki_digest_t digest;
    policy_violation_t subject_other, san_other; /* attributes and types without a rule */
    int dns_wildcards;
    const pki_key_rule_t *keys;
    int n_keys;
    const char *keys_text; /* for messages */
    const policy_subject_rule_t *subject_rules;
    int n_subject_rules;
    const policy_san_rule_t *san_rules;
    int n_san_rules;
    int has_san_templates;
    int names_entity;            /* ${entity} is in some template */
    const est_slice_t *exts;     /* constant extensions, each a whole Extension, DER */
    const char *const *ext_oids; /* of each, dotted */
    int n_exts;
    int key_usage_at;                                       /* which of exts is keyUsage, -1 = none */
    policy_key_usage_t key_usage[POLICY_PROFILE_KEY_TYPES]; /* by pki_key_type_t; to stand in the place of that */
    const policy_template_t *subject_template;              /* NULL: the subject is the request's */
    const policy_request_ext_t *request_exts;
    int n_request_exts;
} policy_profile_t;

/* Rows of the tables as text, NULL where SQL says NULL; the members are named after the columns. */
typedef struct {
    const char *id, *name, *validity, *backdate, *latest_end, *beyond_ca, *keys, *digest, *subject_other, *san_other,
        *dns_wildcards, *subject_template;
} policy_profile_row_t;
typedef struct {
    const char *attribute, *required, *pattern, *max_count, *on_violation;
} policy_subject_row_t;
typedef struct {
    const char *type, *pattern, *max_count, *required, *on_violation, *source, *template;
} policy_san_row_t;
typedef struct {
    const char *name, *action; /* of a requested extension: keyUsage, extendedKeyUsage, tlsfeature or dotted OID */
} policy_request_ext_row_t;

typedef struct {
    policy_profile_row_t profile;
    const policy_subject_row_t *subject_rules;
    int n_subject_rules;
    const policy_san_row_t *san_rules;
    int n_san_rules;
    const pki_ext_row_t *exts;
    int n_exts;
    const pki_ext_section_t *sections;
    int n_sections;
    const policy_request_ext_row_t *request_exts;
    int n_request_exts;
} policy_profile_rows_t;

/* Can a profile allow names of this type at all (column type of profile_san_rule)? */
int policy_profile_has_san_type(pki_san_type_t type);

/* Names of keyUsage bits (PKI_USAGE_...), in pool; NULL for none */
const char *policy_profile_usage_names(unsigned bits, apr_pool_t *pool);
/* The rule on a requested extension, by dotted OID; NULL when there is none */
const policy_request_ext_t *policy_profile_request_ext(const policy_profile_t *profile, const char *oid);

/* Validates and builds; everything is copied into pool. Fails with config, the detail names row and value. */
est_err_t *policy_profile_make(policy_profile_t **out, const policy_profile_rows_t *rows, apr_pool_t *pool);

#endif
