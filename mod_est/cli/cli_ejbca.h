/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_EJBCA_H
#define CLI_EJBCA_H

/*
 * The EST aliases of EJBCA, from the properties of its export, as settings of ours. Without a database: what becomes of
 * each key is data, for the import and its report.
 */

#include "base/est_err.h"

#include <apr_hash.h>
#include <apr_tables.h>

typedef enum {
    CLI_EJBCA_CARRIED,  /* is a setting of ours now */
    CLI_EJBCA_NONE,     /* has no counterpart */
    CLI_EJBCA_DECISION, /* somebody has to say what it shall be */
    CLI_EJBCA_UNUSED    /* EJBCA does not look at it in the mode of the alias */
} cli_ejbca_verdict_t;

/* A key of an alias, and what became of it */
typedef struct {
    const char *alias, *key;
    const char *value; /* as it may be shown: never a password */
    cli_ejbca_verdict_t verdict;
    const char *setting; /* "auth_enroll = cert", or NULL */
    const char *remark;  /* or NULL */
} cli_ejbca_row_t;

/* An alias: columns of est.alias, NULL where they stay as they are */
typedef struct {
    const char *name;
    const char *mode, *profile, *group, *ca, *auth_enroll, *same_key, *name_scheme, *name_prefix, *name_postfix,
        *vendor, *code_source, *entity_from, *change_subject;
    const char *user, *password; /* the static pair of an RA, or NULL */
    int client_row;              /* index of its row in rows: that of requsername */
    apr_array_header_t *rows;    /* of cli_ejbca_row_t */
} cli_ejbca_alias_t;

/* Ids and names of EJBCA -> names of ours (const char *) */
typedef struct {
    apr_hash_t *cas, *profiles, *groups;
    int register_clients;
} cli_ejbca_maps_t;

/* *out: of cli_ejbca_alias_t *, in the order of the file. text is the export. Fails with file when it is no file of
 * properties or has no EST alias. */
est_err_t *cli_ejbca_read(apr_array_header_t **out, const char *text, const cli_ejbca_maps_t *maps, apr_pool_t *pool);

#endif
