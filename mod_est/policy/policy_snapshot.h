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
typedef enum { POLICY_BINDING_IF_PRESENT, POLICY_BINDING_REQUIRED, POLICY_BINDING_OFF } policy_binding_t;
typedef enum { POLICY_BASE64_AUTO, POLICY_BASE64_LINE, POLICY_BASE64_WRAP } policy_base64_t;
typedef enum { POLICY_COMPAT_NONE, POLICY_COMPAT_LIBEST } policy_compat_t;

typedef struct {
    int id;
    const char *name;
    const char *const *names; /* patterns that every requested name must match, whatever the profile says */
    int n_names;
} policy_group_t;

/* A CA certificate that an alias trusts besides its own CA */
typedef struct {
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
    policy_auth_t auth_enroll;
    int auth_cacerts;
    policy_binding_t binding;
    int idempotency; /* seconds; 0 = off */
    int other_users; /* users of other providers count as members of the alias's group */
    int enroll_chain;
    policy_base64_t base64;
    int transfer_encoding;
    int reason_text;
    policy_compat_t compat; /* clients that know few statuses (decision 19) */
    const policy_anchor_t *anchors;
    int n_anchors;
} policy_alias_t;

typedef struct policy_snapshot_t policy_snapshot_t;

/* Rows as text, members named after the columns; see policy_profile_row_t */
typedef struct {
    const char *id, *name, *enabled, *mode, *profile_id, *profile_active, *group_id, *group_active, *ca, *auth_enroll,
        *auth_reenroll, *auth_cacerts, *binding, *idempotency, *unknown_holder, *other_users, *enroll_chain, *base64,
        *transfer_encoding, *reason_text, *compat;
} policy_alias_row_t;
typedef struct {
    const char *id, *name, *names;
} policy_group_row_t;
typedef struct {
    const char *alias_id, *use, *certificate; /* hex of the DER */
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
