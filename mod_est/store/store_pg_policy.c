/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "store_pg_policy.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <stddef.h>
#include <string.h>

#define MAX_FIELDS 37

/* A column and the `const char *` member that takes it */
typedef struct {
    const char *column;
    size_t offset;
} field_t;

#define FIELD(type, member)                                                                                            \
    {                                                                                                                  \
#member, offsetof(type, member)                                                                                \
    }

/* How the rows of one table are read */
typedef struct {
    store_pg_stmt_t stmt;
    size_t size; /* of a row */
    int n_fields;
    field_t fields[MAX_FIELDS];
} table_t;

/* An extension's row: critical is a number there */
typedef struct {
    const char *name, *critical, *value;
} extension_row_t;

#define ROW policy_alias_row_t
static const table_t aliases = {
    STORE_PG_STMT_POLICY_ALIASES,
    sizeof(ROW),
    37,
    {FIELD(ROW, id),
     FIELD(ROW, name),
     FIELD(ROW, enabled),
     FIELD(ROW, mode),
     FIELD(ROW, profile_id),
     FIELD(ROW, profile_active),
     FIELD(ROW, group_id),
     FIELD(ROW, group_active),
     FIELD(ROW, ca),
     FIELD(ROW, auth_enroll),
     FIELD(ROW, auth_reenroll),
     FIELD(ROW, auth_cacerts),
     FIELD(ROW, binding),
     FIELD(ROW, idempotency),
     FIELD(ROW, unknown_holder),
     FIELD(ROW, other_users),
     FIELD(ROW, enroll_chain),
     FIELD(ROW, base64),
     FIELD(ROW, transfer_encoding),
     FIELD(ROW, reason_text),
     FIELD(ROW, compat),
     FIELD(ROW, code_source),
     FIELD(ROW, entity_from),
     FIELD(ROW, name_scheme),
     FIELD(ROW, name_prefix),
     FIELD(ROW, name_postfix),
     FIELD(ROW, vendor),
     FIELD(ROW, vendor_patterns),
     FIELD(ROW, ra_certificates),
     FIELD(ROW, ra_binding),
     FIELD(ROW, same_key),
     FIELD(ROW, change_subject),
     FIELD(ROW, renew_window),
     FIELD(ROW, renew_expired),
     FIELD(ROW, approval),
     FIELD(ROW, rate_client),
     FIELD(ROW, rate_alias)},
};
#undef ROW

#define ROW policy_profile_row_t
static const table_t profiles = {
    STORE_PG_STMT_POLICY_PROFILES,
    sizeof(ROW),
    12,
    {FIELD(ROW, id), FIELD(ROW, name), FIELD(ROW, validity), FIELD(ROW, backdate), FIELD(ROW, latest_end),
     FIELD(ROW, beyond_ca), FIELD(ROW, keys), FIELD(ROW, digest), FIELD(ROW, subject_other), FIELD(ROW, san_other),
     FIELD(ROW, dns_wildcards), FIELD(ROW, subject_template)},
};
#undef ROW

#define ROW policy_subject_row_t
static const table_t subject_rules = {
    STORE_PG_STMT_POLICY_SUBJECT_RULES,
    sizeof(ROW),
    5,
    {FIELD(ROW, attribute), FIELD(ROW, required), FIELD(ROW, pattern), FIELD(ROW, max_count), FIELD(ROW, on_violation)},
};
#undef ROW

#define ROW policy_san_row_t
static const table_t san_rules = {
    STORE_PG_STMT_POLICY_SAN_RULES,
    sizeof(ROW),
    7,
    {FIELD(ROW, type), FIELD(ROW, pattern), FIELD(ROW, max_count), FIELD(ROW, required), FIELD(ROW, on_violation),
     FIELD(ROW, source), FIELD(ROW, template)},
};
#undef ROW

#define ROW extension_row_t
static const table_t extensions = {
    STORE_PG_STMT_POLICY_EXTENSIONS,
    sizeof(ROW),
    3,
    {FIELD(ROW, name), FIELD(ROW, critical), FIELD(ROW, value)},
};
#undef ROW

#define ROW pki_ext_section_t
static const table_t sections = {
    STORE_PG_STMT_POLICY_EXTENSION_SECTIONS,
    sizeof(ROW),
    3,
    {FIELD(ROW, section), FIELD(ROW, name), FIELD(ROW, value)},
};
#undef ROW

#define ROW policy_request_ext_row_t
static const table_t request_extensions = {
    STORE_PG_STMT_POLICY_REQUEST_EXTENSIONS, sizeof(ROW), 2, {FIELD(ROW, name), FIELD(ROW, action)}};
#undef ROW

#define ROW policy_group_row_t
static const table_t groups = {STORE_PG_STMT_POLICY_GROUPS,
                               sizeof(ROW),
                               4,
                               {FIELD(ROW, id), FIELD(ROW, name), FIELD(ROW, names), FIELD(ROW, approval)}};
#undef ROW

#define ROW policy_anchor_row_t
static const table_t anchors = {STORE_PG_STMT_POLICY_ANCHORS,
                                sizeof(ROW),
                                4,
                                {FIELD(ROW, alias_id), FIELD(ROW, kind), FIELD(ROW, use), FIELD(ROW, certificate)}};
#undef ROW

/* The rows of a table, values borrowed from the result */
typedef struct {
    PGresult *result;
    char *rows;
    int n;
} read_t;

/* Where the reading takes place */
typedef struct {
    store_pg_conn_t *conn;
    apr_time_t deadline;
    apr_pool_t *pool;
} reader_t;

static est_err_t *read_table(read_t *out, const reader_t *reader, const table_t *table)
{
    int numbers[MAX_FIELDS];

    EST_TRY(store_pg_conn_run(&out->result, reader->conn, table->stmt, NULL, reader->deadline, reader->pool));
    for (int f = 0; f < table->n_fields; f++)
        if ((numbers[f] = PQfnumber(out->result, table->fields[f].column)) < 0)
            return EST_FAIL(reader->pool, store_failed, "policy table has no column \"%s\"", table->fields[f].column);
    out->n = PQntuples(out->result);
    out->rows = apr_pcalloc(reader->pool, ((apr_size_t)out->n + 1) * table->size);
    for (int i = 0; i < out->n; i++)
        for (int f = 0; f < table->n_fields; f++)
            if (!PQgetisnull(out->result, i, numbers[f])) {
                const char *value = PQgetvalue(out->result, i, numbers[f]);

                memcpy(out->rows + (size_t)i * table->size + table->fields[f].offset, &value, sizeof(value));
            }
    return NULL;
}

/* The rows that belong to each profile, in the order in which they came */
typedef struct {
    char *rows;
    int *first; /* index of a profile's first row; one more entry, the end, behind the last profile */
} by_profile_t;

/* index: profile id -> its index + 1. Rows of a profile that is not there are left out; there is no such profile within
 * one transaction. */
static est_err_t *read_by_profile(by_profile_t *out, const reader_t *reader, const table_t *table, apr_hash_t *index,
                                  int n_profiles)
{
    read_t read;
    int column, *owner, *next;

    EST_TRY(read_table(&read, reader, table));
    if ((column = PQfnumber(read.result, "profile_id")) < 0)
        return EST_FAIL(reader->pool, store_failed, "policy table has no column \"profile_id\"");
    out->rows = apr_pcalloc(reader->pool, ((apr_size_t)read.n + 1) * table->size);
    out->first = apr_pcalloc(reader->pool, ((apr_size_t)n_profiles + 1) * sizeof(int));
    owner = apr_pcalloc(reader->pool, ((apr_size_t)read.n + 1) * sizeof(int));
    for (int i = 0; i < read.n; i++) {
        const int *found = apr_hash_get(index, PQgetvalue(read.result, i, column), APR_HASH_KEY_STRING);

        owner[i] = found ? *found : -1;
        if (found)
            out->first[*found + 1]++;
    }
    for (int p = 0; p < n_profiles; p++)
        out->first[p + 1] += out->first[p];
    next = apr_pmemdup(reader->pool, out->first, ((apr_size_t)n_profiles + 1) * sizeof(int));
    for (int i = 0; i < read.n; i++)
        if (owner[i] >= 0)
            memcpy(out->rows + (size_t)next[owner[i]]++ * table->size, read.rows + (size_t)i * table->size,
                   table->size);
    return NULL;
}

/* Profile id -> index */
static apr_hash_t *index_profiles(const policy_profile_row_t *rows, int n, apr_pool_t *pool)
{
    apr_hash_t *index = apr_hash_make(pool);
    int *numbers = apr_palloc(pool, ((apr_size_t)n + 1) * sizeof(int));

    for (int i = 0; i < n; i++) {
        numbers[i] = i;
        if (rows[i].id)
            apr_hash_set(index, rows[i].id, APR_HASH_KEY_STRING, &numbers[i]);
    }
    return index;
}

static pki_ext_row_t *convert_extensions(const by_profile_t *read, int n, apr_pool_t *pool)
{
    pki_ext_row_t *out = apr_pcalloc(pool, ((apr_size_t)n + 1) * sizeof(*out));
    const extension_row_t *rows = (const void *)read->rows;

    for (int i = 0; i < n; i++)
        out[i] = (pki_ext_row_t){rows[i].name, rows[i].critical && *rows[i].critical == 't', rows[i].value};
    return out;
}

static est_err_t *read_profiles(policy_rows_t *out, const reader_t *reader)
{
    read_t read;
    by_profile_t subject, san, ext, section, requested;
    const policy_profile_row_t *rows;
    const pki_ext_row_t *exts;
    policy_profile_rows_t *made;
    apr_hash_t *index;

    EST_TRY(read_table(&read, reader, &profiles));
    rows = (const void *)read.rows;
    index = index_profiles(rows, read.n, reader->pool);
    EST_TRY(read_by_profile(&subject, reader, &subject_rules, index, read.n));
    EST_TRY(read_by_profile(&san, reader, &san_rules, index, read.n));
    EST_TRY(read_by_profile(&ext, reader, &extensions, index, read.n));
    EST_TRY(read_by_profile(&section, reader, &sections, index, read.n));
    EST_TRY(read_by_profile(&requested, reader, &request_extensions, index, read.n));
    exts = convert_extensions(&ext, ext.first[read.n], reader->pool);

    made = apr_pcalloc(reader->pool, ((apr_size_t)read.n + 1) * sizeof(*made));
    for (int i = 0; i < read.n; i++)
        made[i] = (policy_profile_rows_t){
            .profile = rows[i],
            .subject_rules = (const policy_subject_row_t *)(const void *)subject.rows + subject.first[i],
            .n_subject_rules = subject.first[i + 1] - subject.first[i],
            .san_rules = (const policy_san_row_t *)(const void *)san.rows + san.first[i],
            .n_san_rules = san.first[i + 1] - san.first[i],
            .exts = exts + ext.first[i],
            .n_exts = ext.first[i + 1] - ext.first[i],
            .sections = (const pki_ext_section_t *)(const void *)section.rows + section.first[i],
            .n_sections = section.first[i + 1] - section.first[i],
            .request_exts = (const policy_request_ext_row_t *)(const void *)requested.rows + requested.first[i],
            .n_request_exts = requested.first[i + 1] - requested.first[i],
        };
    out->profiles = made;
    out->n_profiles = read.n;
    return NULL;
}

static est_err_t *read_rows(policy_rows_t *out, const reader_t *reader)
{
    read_t read;

    EST_TRY(store_pg_policy_version(&out->version, reader->conn, reader->deadline, reader->pool));
    EST_TRY(read_table(&read, reader, &aliases));
    out->aliases = (const void *)read.rows;
    out->n_aliases = read.n;
    EST_TRY(read_profiles(out, reader));
    EST_TRY(read_table(&read, reader, &groups));
    out->groups = (const void *)read.rows;
    out->n_groups = read.n;
    EST_TRY(read_table(&read, reader, &anchors));
    out->anchors = (const void *)read.rows;
    out->n_anchors = read.n;
    return NULL;
}

est_err_t *store_pg_policy_version_of(apr_int64_t *out, const PGresult *result, apr_pool_t *pool)
{
    const char *version;

    EST_TRY(store_pg_column(&version, result, 0, "version", pool));
    if (!version)
        return EST_FAIL(pool, store_failed, "policy_version: version is NULL");
    *out = apr_atoi64(version);
    return NULL;
}

est_err_t *store_pg_policy_version(apr_int64_t *out, store_pg_conn_t *conn, apr_time_t deadline, apr_pool_t *pool)
{
    PGresult *result;

    EST_TRY(store_pg_conn_run(&result, conn, STORE_PG_STMT_POLICY_VERSION, NULL, deadline, pool));
    return store_pg_policy_version_of(out, result, pool);
}

est_err_t *store_pg_policy_load(policy_snapshot_t **out, store_pg_conn_t *conn, apr_time_t deadline,
                                apr_pool_t *snapshot_pool, apr_pool_t *pool)
{
    reader_t reader = {conn, deadline, pool};
    policy_rows_t rows = {0};
    PGresult *result;

    EST_TRY(
        store_pg_conn_command(&result, conn, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", NULL, deadline, pool));
    EST_TRY(read_rows(&rows, &reader));
    EST_TRY(store_pg_conn_command(&result, conn, "COMMIT", NULL, deadline, pool));
    return policy_snapshot_make(out, &rows, snapshot_pool);
}
