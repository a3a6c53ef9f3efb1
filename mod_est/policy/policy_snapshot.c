/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_snapshot.h"
#include "pki/pki_load.h"
#include "pki/pki_name.h"
#include "pki/pki_text.h"
#include "policy_glob.h"
#include "policy_text.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <string.h>

#define MAX_IDEMPOTENCY 86400                         /* seconds, as the table has it */
#define MAX_INTERVAL (APR_INT64_C(100) * 366 * 86400) /* seconds: a hundred years */
#define MAX_GRACE (APR_INT64_C(10) * 366 * 86400)     /* seconds: ten years */
#define MAX_RATE 1000000
#define MAX_NAME_TEXT 100 /* characters of a fixed name, a prefix or a postfix */

struct policy_snapshot_t {
    apr_int64_t version;
    policy_alias_t *aliases;
    int n_aliases;
    apr_hash_t *by_name;
};

/* While it is being built. What is broken stays a reason that the aliases using it inherit. */
typedef struct {
    const policy_rows_t *rows;
    apr_pool_t *pool;
    policy_profile_t **profiles; /* NULL where profile_errors says why */
    const char **profile_errors;
    policy_group_t *groups;
    const char **group_errors;
} builder_t;

/* Paths under .well-known/est of RFC 7030, 8295, 9148 and 8995, and what the face `est.<alias>.<setting>` keeps */
/* clang-format off */
static const char *const reserved[] = {
    "cacerts", "simpleenroll", "simplereenroll", "fullcmc", "serverkeygen", "csrattrs",
    "pal", "eecerts", "crls", "symmetrickeys", "firmware", "tamp", "return",
    "crts", "sen", "sren", "skg", "skc", "att",
    "requestvoucher", "voucher_status", "requestauditlog", "enrollstatus",
    "ca", NULL};
/* clang-format on */

int policy_label_is_valid(const char *label)
{
    apr_size_t n = strspn(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

    if (n < 1 || n > 64 || label[n])
        return 0;
    for (int i = 0; reserved[i]; i++)
        if (!strcmp(label, reserved[i]))
            return 0;
    return 1;
}

static void make_profiles(builder_t *b)
{
    b->profiles = apr_pcalloc(b->pool, ((apr_size_t)b->rows->n_profiles + 1) * sizeof(*b->profiles));
    b->profile_errors = apr_pcalloc(b->pool, ((apr_size_t)b->rows->n_profiles + 1) * sizeof(*b->profile_errors));
    for (int i = 0; i < b->rows->n_profiles; i++) {
        est_err_t *err = policy_profile_make(&b->profiles[i], &b->rows->profiles[i], b->pool);

        if (err)
            b->profile_errors[i] = err->detail ? err->detail : est_err_row(err->code)->text;
    }
}

static int has_long_pattern(const char *const *patterns, int n)
{
    for (int i = 0; i < n; i++)
        if (strlen(patterns[i]) > POLICY_GLOB_MAX)
            return 1;
    return 0;
}

static const char *const approvals[] = {"none", "first", "all", NULL};

static void make_groups(builder_t *b)
{
    b->groups = apr_pcalloc(b->pool, ((apr_size_t)b->rows->n_groups + 1) * sizeof(*b->groups));
    b->group_errors = apr_pcalloc(b->pool, ((apr_size_t)b->rows->n_groups + 1) * sizeof(*b->group_errors));
    for (int i = 0; i < b->rows->n_groups; i++) {
        const policy_group_row_t *row = &b->rows->groups[i];
        policy_group_t *group = &b->groups[i];
        int bad = 0;

        group->id = (int)policy_text_int(row->id, 1, APR_INT32_MAX, &bad);
        group->name = row->name ? apr_pstrdup(b->pool, row->name) : "";
        group->names = policy_text_list(&group->n_names, row->names, b->pool);
        bad |= has_long_pattern(group->names, group->n_names);
        group->approval = (policy_approval_t)policy_text_word(row->approval, approvals, &bad);
        if (bad)
            b->group_errors[i] = apr_psprintf(b->pool, "group \"%s\" cannot be understood", group->name);
    }
}

static int same(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

static void find_profile(builder_t *b, policy_alias_t *alias, const char *id)
{
    for (int i = 0; i < b->rows->n_profiles; i++) {
        if (!same(b->rows->profiles[i].profile.id, id))
            continue;
        alias->profile = b->profiles[i];
        if (b->profile_errors[i])
            alias->broken = b->profile_errors[i];
        return;
    }
    if (id)
        alias->broken = apr_psprintf(b->pool, "profile %s does not exist", id);
}

static void find_group(builder_t *b, policy_alias_t *alias, const char *id)
{
    for (int i = 0; i < b->rows->n_groups; i++) {
        if (!same(b->rows->groups[i].id, id))
            continue;
        alias->group = &b->groups[i];
        if (b->group_errors[i])
            alias->broken = b->group_errors[i];
        return;
    }
    if (id)
        alias->broken = apr_psprintf(b->pool, "group %s does not exist", id);
}

static int starts_with(const char *s, const char *prefix)
{
    return s && !strncmp(s, prefix, strlen(prefix));
}

/* A subject attribute's short name */
static const char *attribute(builder_t *b, const char *name, int *bad)
{
    if (!name || !pki_name_attr_nid(name))
        *bad = 1;
    return name ? apr_pstrdup(b->pool, name) : "";
}

/* "CN,UID,serialNumber" */
static const char *const *attribute_list(int *n, builder_t *b, const char *names, int *bad)
{
    apr_array_header_t *list = apr_array_make(b->pool, 2, sizeof(const char *));

    for (const char *rest = names, *comma; rest; rest = comma ? comma + 1 : NULL) {
        char *name;

        comma = strchr(rest, ',');
        name = apr_pstrmemdup(b->pool, rest, comma ? (apr_size_t)(comma - rest) : strlen(rest));
        apr_collapse_spaces(name, name);
        APR_ARRAY_PUSH(list, const char *) = attribute(b, name, bad);
    }
    *n = list->nelts;
    return (const char *const *)list->elts;
}

/* Text of a name, without control characters; $ only as ${RANDOM}, where that is a variable */
static const char *name_text(builder_t *b, const char *text, int variable, int *bad)
{
    if (!text || policy_text_chars(text) > MAX_NAME_TEXT || (*text && pki_text_flaw(text, strlen(text))))
        *bad = 1;
    for (const char *at = text; variable && at && (at = strchr(at, '$')); at++)
        *bad |= !starts_with(at, "${RANDOM}");
    return text ? apr_pstrdup(b->pool, text) : "";
}

static void make_anchors(builder_t *b, policy_alias_t *alias, const char *alias_id)
{
    apr_array_header_t *list = apr_array_make(b->pool, 2, sizeof(policy_anchor_t));

    for (int i = 0; i < b->rows->n_anchors; i++) {
        const policy_anchor_row_t *row = &b->rows->anchors[i];
        static const char *const kinds[] = {"holder", "vendor", "ra", NULL};
        policy_anchor_t anchor = {.helper = same(row->use, "helper")};
        est_slice_t der = {0};
        int bad = 0;

        if (!same(row->alias_id, alias_id))
            continue;
        anchor.kind = (policy_anchor_kind_t)policy_text_word(row->kind, kinds, &bad);
        if (bad)
            alias->broken = apr_psprintf(b->pool, "a trust anchor of alias \"%s\" is of an unknown kind", alias->name);
        der.p = row->certificate ? est_unhex(row->certificate, &der.n, b->pool) : NULL;
        if (!der.p || pki_load_der(&anchor.cert, der, b->pool))
            alias->broken = apr_psprintf(b->pool, "a trust anchor of alias \"%s\" is not a certificate", alias->name);
        else
            APR_ARRAY_PUSH(list, policy_anchor_t) = anchor;
    }
    alias->anchors = (const policy_anchor_t *)list->elts;
    alias->n_anchors = list->nelts;
}

/* How end entities are named and known */
static void make_entities(builder_t *b, policy_alias_t *alias, const policy_alias_row_t *row, int *bad)
{
    static const char *const modes[] = {"ra", "client", NULL};
    static const char *const sources[] = {"basic", "challenge-password", "otp-challenge", NULL};
    static const char *const schemes[] = {"username", "random", NULL};

    alias->mode = (policy_mode_t)policy_text_word(row->mode, modes, bad);
    if (starts_with(row->code_source, "dn:")) {
        alias->code_source = POLICY_CODE_DN;
        alias->code_attribute = attribute(b, row->code_source + 3, bad);
    } else {
        alias->code_source = (policy_code_source_t)policy_text_word(row->code_source, sources, bad);
    }
    if (!same(row->entity_from, "DN"))
        alias->entity_attribute = attribute(b, row->entity_from, bad);
    if (starts_with(row->name_scheme, "dn:")) {
        alias->name_scheme = POLICY_NAME_DN;
        alias->name_attributes = attribute_list(&alias->n_name_attributes, b, row->name_scheme + 3, bad);
    } else if (starts_with(row->name_scheme, "fixed:")) {
        alias->name_scheme = POLICY_NAME_FIXED;
        alias->fixed_name = name_text(b, row->name_scheme + 6, 0, bad);
        *bad |= !*alias->fixed_name;
    } else {
        alias->name_scheme =
            policy_text_word(row->name_scheme, schemes, bad) ? POLICY_NAME_RANDOM : POLICY_NAME_USERNAME;
    }
    alias->name_prefix = name_text(b, row->name_prefix, 1, bad);
    alias->name_postfix = name_text(b, row->name_postfix, 1, bad);
    /* A code that stands where something else of the request does: its binding, or the name of its entity */
    *bad |= alias->code_source == POLICY_CODE_CHALLENGE && alias->binding == POLICY_BINDING_REQUIRED;
    *bad |= alias->code_source == POLICY_CODE_DN && same(alias->code_attribute, alias->entity_attribute);
}

/* Whose certificates count, for what, and how they are renewed */
static void make_certificates(builder_t *b, policy_alias_t *alias, const policy_alias_row_t *row, int *bad)
{
    static const char *const vendors[] = {"off", "pattern", "listed", NULL};
    static const char *const same_keys[] = {"allow", "forbid", "require", NULL};

    alias->vendor = (policy_vendor_t)policy_text_word(row->vendor, vendors, bad);
    alias->vendor_patterns = policy_text_list(&alias->n_vendor_patterns, row->vendor_patterns, b->pool);
    *bad |= !alias->n_vendor_patterns || has_long_pattern(alias->vendor_patterns, alias->n_vendor_patterns);
    alias->ra_certificates = policy_text_bool(row->ra_certificates);
    alias->ra_binding = policy_text_bool(row->ra_binding);
    alias->same_key = (policy_same_key_t)policy_text_word(row->same_key, same_keys, bad);
    alias->change_subject = policy_text_bool(row->change_subject);
    alias->renew_window = row->renew_window ? policy_text_int(row->renew_window, 1, MAX_INTERVAL, bad) : 0;
    alias->renew_expired = row->renew_expired ? policy_text_int(row->renew_expired, 1, MAX_GRACE, bad) : 0;
}

static void make_limits(policy_alias_t *alias, const policy_alias_row_t *row, int *bad)
{
    alias->approval = (policy_approval_t)policy_text_word(row->approval, approvals, bad);
    if (alias->group && alias->group->approval > alias->approval)
        alias->approval = alias->group->approval;
    if (row->rate_client)
        alias->has_client_rate = policy_text_int(row->rate_client, 1, MAX_RATE, bad) > 0;
    alias->has_rates = alias->has_client_rate;
    if (row->rate_alias)
        alias->has_rates |= policy_text_int(row->rate_alias, 1, MAX_RATE, bad) > 0;
}

static void make_alias(builder_t *b, policy_alias_t *alias, const policy_alias_row_t *row)
{
    static const char *const auths[] = {"basic", "cert", "basic-or-cert", "basic-and-cert", NULL};
    static const char *const reenroll_auths[] = {"cert", "cert-or-basic", NULL};
    static const char *const bindings[] = {"if-present", "required", "off", NULL};
    static const char *const base64s[] = {"auto", "line", "wrap", NULL};
    static const char *const compats[] = {"none", "libest", NULL};
    static const char *const holders[] = {"refuse", "accept", NULL};
    static const char *const users[] = {"refuse", "group", NULL};
    int bad = 0;

    alias->id = (int)policy_text_int(row->id, 1, APR_INT32_MAX, &bad);
    alias->name = apr_pstrdup(b->pool, row->name);
    alias->enabled = policy_text_bool(row->enabled);
    find_profile(b, alias, row->profile_id);
    alias->profile_active = policy_text_bool(row->profile_active);
    find_group(b, alias, row->group_id);
    alias->group_active = policy_text_bool(row->group_active);
    alias->ca = row->ca ? apr_pstrdup(b->pool, row->ca) : NULL;
    alias->auth_enroll = (policy_auth_t)policy_text_word(row->auth_enroll, auths, &bad);
    alias->reenroll_by_password = policy_text_word(row->auth_reenroll, reenroll_auths, &bad) == 1;
    alias->auth_cacerts = policy_text_bool(row->auth_cacerts);
    alias->binding = (policy_binding_t)policy_text_word(row->binding, bindings, &bad);
    alias->idempotency = (int)policy_text_int(row->idempotency, 0, MAX_IDEMPOTENCY, &bad);
    policy_text_word(row->unknown_holder, holders, &bad);
    alias->other_users = policy_text_word(row->other_users, users, &bad) == 1;
    alias->enroll_chain = policy_text_bool(row->enroll_chain);
    alias->base64 = (policy_base64_t)policy_text_word(row->base64, base64s, &bad);
    alias->transfer_encoding = policy_text_bool(row->transfer_encoding);
    alias->reason_text = policy_text_bool(row->reason_text);
    alias->compat = (policy_compat_t)policy_text_word(row->compat, compats, &bad);
    make_entities(b, alias, row, &bad);
    make_certificates(b, alias, row, &bad);
    make_limits(alias, row, &bad);
    make_anchors(b, alias, row->id);
    if (bad)
        alias->broken = apr_psprintf(b->pool, "a column of alias \"%s\" cannot be understood", alias->name);
}

est_err_t *policy_snapshot_make(policy_snapshot_t **out, const policy_rows_t *rows, apr_pool_t *pool)
{
    policy_snapshot_t *snapshot = apr_pcalloc(pool, sizeof(*snapshot));
    builder_t b = {.rows = rows, .pool = pool};

    make_profiles(&b);
    make_groups(&b);
    snapshot->version = rows->version;
    snapshot->aliases = apr_pcalloc(pool, ((apr_size_t)rows->n_aliases + 1) * sizeof(*snapshot->aliases));
    snapshot->by_name = apr_hash_make(pool);
    for (int i = 0; i < rows->n_aliases; i++) {
        policy_alias_t *alias = &snapshot->aliases[snapshot->n_aliases], *twin;

        /* A label that the path parser would never accept cannot be reached: leave it out */
        if (!rows->aliases[i].name || !policy_label_is_valid(rows->aliases[i].name))
            continue;
        twin = apr_hash_get(snapshot->by_name, rows->aliases[i].name, APR_HASH_KEY_STRING);
        if (twin) {
            twin->broken = apr_psprintf(pool, "there are two aliases \"%s\"", twin->name);
            continue;
        }
        make_alias(&b, alias, &rows->aliases[i]);
        apr_hash_set(snapshot->by_name, alias->name, APR_HASH_KEY_STRING, alias);
        snapshot->n_aliases++;
    }
    *out = snapshot;
    return NULL;
}

apr_int64_t policy_snapshot_version(const policy_snapshot_t *snapshot)
{
    return snapshot->version;
}

const policy_alias_t *policy_snapshot_alias(const policy_snapshot_t *snapshot, const char *label)
{
    return apr_hash_get(snapshot->by_name, label ? label : POLICY_DEFAULT_ALIAS, APR_HASH_KEY_STRING);
}

const policy_alias_t *policy_snapshot_alias_at(const policy_snapshot_t *snapshot, int i)
{
    return i >= 0 && i < snapshot->n_aliases ? &snapshot->aliases[i] : NULL;
}
