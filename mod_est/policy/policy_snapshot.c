/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_snapshot.h"
#include "pki/pki_load.h"
#include "policy_glob.h"
#include "policy_text.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <string.h>

#define MAX_IDEMPOTENCY 86400 /* seconds, as the table has it */

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
        for (int j = 0; j < group->n_names; j++)
            bad |= strlen(group->names[j]) > POLICY_GLOB_MAX;
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

static void make_anchors(builder_t *b, policy_alias_t *alias, const char *alias_id)
{
    apr_array_header_t *list = apr_array_make(b->pool, 2, sizeof(policy_anchor_t));

    for (int i = 0; i < b->rows->n_anchors; i++) {
        const policy_anchor_row_t *row = &b->rows->anchors[i];
        policy_anchor_t anchor = {.helper = same(row->use, "helper")};
        est_slice_t der = {0};

        if (!same(row->alias_id, alias_id))
            continue;
        der.p = row->certificate ? est_unhex(row->certificate, &der.n, b->pool) : NULL;
        if (!der.p || pki_load_der(&anchor.cert, der, b->pool))
            alias->broken = apr_psprintf(b->pool, "a trust anchor of alias \"%s\" is not a certificate", alias->name);
        else
            APR_ARRAY_PUSH(list, policy_anchor_t) = anchor;
    }
    alias->anchors = (const policy_anchor_t *)list->elts;
    alias->n_anchors = list->nelts;
}

static void make_alias(builder_t *b, policy_alias_t *alias, const policy_alias_row_t *row)
{
    static const char *const modes[] = {"ra", NULL};
    static const char *const auths[] = {"basic", "cert", "basic-or-cert", "basic-and-cert", NULL};
    static const char *const reenroll_auths[] = {"cert", NULL};
    static const char *const bindings[] = {"if-present", "required", "off", NULL};
    static const char *const base64s[] = {"auto", "line", "wrap", NULL};
    static const char *const compats[] = {"none", "libest", NULL};
    static const char *const holders[] = {"refuse", "accept", NULL};
    static const char *const users[] = {"refuse", "group", NULL};
    int bad = 0;

    alias->id = (int)policy_text_int(row->id, 1, APR_INT32_MAX, &bad);
    alias->name = apr_pstrdup(b->pool, row->name);
    alias->enabled = policy_text_bool(row->enabled);
    policy_text_word(row->mode, modes, &bad);
    find_profile(b, alias, row->profile_id);
    alias->profile_active = policy_text_bool(row->profile_active);
    find_group(b, alias, row->group_id);
    alias->group_active = policy_text_bool(row->group_active);
    alias->ca = row->ca ? apr_pstrdup(b->pool, row->ca) : NULL;
    alias->auth_enroll = (policy_auth_t)policy_text_word(row->auth_enroll, auths, &bad);
    policy_text_word(row->auth_reenroll, reenroll_auths, &bad);
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
