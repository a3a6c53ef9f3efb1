/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_SNAPSHOT_H
#define POLICY_SNAPSHOT_H

/* The whole policy at one version: immutable once made, shared by all threads of a process. */

#include "pki/pki_path.h"
#include "policy_profile.h"

#define POLICY_DEFAULT_ALIAS "est" /* serves the paths without label */

typedef enum {
    POLICY_AUTH_BASIC,
    POLICY_AUTH_CERT,
    POLICY_AUTH_BASIC_OR_CERT,
    POLICY_AUTH_BASIC_AND_CERT
} policy_auth_t;
typedef enum { POLICY_MODE_RA, POLICY_MODE_CLIENT } policy_mode_t;
/* Where the enrolment code of client mode is. DN: in an attribute of the request's subject */
typedef enum { POLICY_CODE_BASIC, POLICY_CODE_CHALLENGE, POLICY_CODE_OTP, POLICY_CODE_DN } policy_code_source_t;
/* How RA mode names an end entity. DN: by the first attribute of a list that is there; USERNAME: by the whole subject
 */
typedef enum { POLICY_NAME_DN, POLICY_NAME_USERNAME, POLICY_NAME_RANDOM, POLICY_NAME_FIXED } policy_name_scheme_t;
typedef enum { POLICY_VENDOR_OFF, POLICY_VENDOR_PATTERN, POLICY_VENDOR_LISTED } policy_vendor_t;
typedef enum { POLICY_SAME_KEY_ALLOW, POLICY_SAME_KEY_FORBID, POLICY_SAME_KEY_REQUIRE } policy_same_key_t;
/* The greater is the stricter */
typedef enum { POLICY_APPROVAL_NONE, POLICY_APPROVAL_FIRST, POLICY_APPROVAL_ALL } policy_approval_t;
typedef enum { POLICY_BINDING_IF_PRESENT, POLICY_BINDING_REQUIRED, POLICY_BINDING_OFF } policy_binding_t;
typedef enum { POLICY_BASE64_AUTO, POLICY_BASE64_LINE, POLICY_BASE64_WRAP } policy_base64_t;
typedef enum { POLICY_COMPAT_NONE, POLICY_COMPAT_LIBEST } policy_compat_t;

typedef struct {
    int id;
    const char *name;
    const char *const *names; /* patterns that every requested name must match, whatever the profile says */
    int n_names;
    policy_approval_t approval;
} policy_group_t;

/* What certificates under an anchor count as */
typedef enum { POLICY_ANCHOR_HOLDER, POLICY_ANCHOR_VENDOR, POLICY_ANCHOR_RA } policy_anchor_kind_t;

/* A CA certificate that an alias trusts besides its own CA */
typedef struct {
    policy_anchor_kind_t kind;
    X509 *cert;
    int helper; /* only an intermediate that clients may leave out, not an anchor */
} policy_anchor_t;

typedef struct {
    int id;
    const char *name;
    const char *broken; /* why this alias answers 503, or NULL */
    int enabled;
    const policy_profile_t *profile; /* NULL: none set */
    int profile_active;
    const policy_group_t *group; /* NULL: none set */
    int group_active;
    const char *ca; /* name of the <EstCA>; NULL: none set */
    policy_mode_t mode;
    policy_auth_t auth_enroll;
    int reenroll_by_password; /* a password may stand in for the certificate that is renewed */
    int auth_cacerts;
    policy_binding_t binding;
    int idempotency; /* seconds; 0 = off */
    int other_users; /* users of other providers count as members of the alias's group */
    int enroll_chain;
    policy_base64_t base64;
    int transfer_encoding;
    int reason_text;
    policy_compat_t compat; /* clients that know few statuses (decision 19) */
    policy_code_source_t code_source;
    const char *code_attribute;   /* of POLICY_CODE_DN: short name */
    const char *entity_attribute; /* client mode: the attribute that names the entity; NULL: the whole subject */
    policy_name_scheme_t name_scheme;
    const char *const *name_attributes; /* of POLICY_NAME_DN: short names */
    int n_name_attributes;
    const char *fixed_name;                 /* of POLICY_NAME_FIXED */
    const char *name_prefix, *name_postfix; /* "" or text, ${RANDOM} in it */
    policy_vendor_t vendor;
    const char *const *vendor_patterns;
    int n_vendor_patterns;
    int ra_certificates, ra_binding;
    policy_same_key_t same_key;
    int change_subject;
    apr_int64_t renew_window, renew_expired; /* seconds; 0 = none */
    policy_approval_t approval;              /* the stricter of alias and group */
    int has_rates, has_client_rate;
    const policy_anchor_t *anchors;
    int n_anchors;
} policy_alias_t;

typedef struct policy_snapshot_t policy_snapshot_t;

/* Rows as text, members named after the columns; see policy_profile_row_t */
typedef struct {
    const char *id, *name, *enabled, *mode, *profile_id, *profile_active, *group_id, *group_active, *ca, *auth_enroll,
        *auth_reenroll, *auth_cacerts, *binding, *idempotency, *unknown_holder, *other_users, *enroll_chain, *base64,
        *transfer_encoding, *reason_text, *compat, *code_source, *entity_from, *name_scheme, *name_prefix,
        *name_postfix, *vendor, *vendor_patterns, *ra_certificates, *ra_binding, *same_key, *change_subject,
        *renew_window, *renew_expired, *approval, *rate_client, *rate_alias;
} policy_alias_row_t;
typedef struct {
    const char *id, *name, *names, *approval;
} policy_group_row_t;
typedef struct {
    const char *alias_id, *kind, *use, *certificate; /* hex of the DER */
} policy_anchor_row_t;

typedef struct {
    apr_int64_t version;
    const policy_alias_row_t *aliases;
    int n_aliases;
    const policy_profile_rows_t *profiles;
    int n_profiles;
    const policy_group_row_t *groups;
    int n_groups;
    const policy_anchor_row_t *anchors;
    int n_anchors;
} policy_rows_t;

/* Builds the snapshot in pool, which becomes its own: the caller makes the pool for it alone. A row that cannot be
 * understood breaks only the aliases that use it (policy_alias_t.broken); this fails only when memory does. */
est_err_t *policy_snapshot_make(policy_snapshot_t **out, const policy_rows_t *rows, apr_pool_t *pool);

apr_int64_t policy_snapshot_version(const policy_snapshot_t *snapshot);
/* NULL when there is none of this label; NULL as label: the default alias `est` */
const policy_alias_t *policy_snapshot_alias(const policy_snapshot_t *snapshot, const char *label);
/* The i-th alias, NULL behind the last */
const policy_alias_t *policy_snapshot_alias_at(const policy_snapshot_t *snapshot, int i);

/* [A-Za-z0-9_-]{1,64} and not a reserved word (conformance URI-04; docs/sql.md, alias) */
int policy_label_is_valid(const char *label);

#endif
