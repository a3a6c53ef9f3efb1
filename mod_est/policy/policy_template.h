/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_TEMPLATE_H
#define POLICY_TEMPLATE_H

/* Names that policy writes: templates of profiles, and the subject and names in the row of an end entity. Templates are
 * parsed once, when a profile is loaded.
 *
 *   subject  ATTR=text, separated by commas, in the order of RFC 2253, as records have names: the last is the topmost
 *   text     characters, \, \\ \$, and in templates ${csr.ATTR} ${entity} ${user} ${entity.ATTR}
 *
 * Blanks at either end of a text, and before ATTR and the equals sign, do not count. ATTR are the attributes of
 * profile_subject_rule. */

#include "pki/pki_name.h"
#include "pki/pki_san.h"

#define POLICY_TEMPLATE_MAX 1000 /* characters, as the tables have it */

typedef enum {
    POLICY_PART_TEXT,
    POLICY_PART_CSR,         /* ${csr.ATTR} */
    POLICY_PART_ENTITY,      /* ${entity} */
    POLICY_PART_ENTITY_ATTR, /* ${entity.ATTR} */
    POLICY_PART_USER         /* ${user} */
} policy_part_kind_t;

typedef struct {
    policy_part_kind_t kind;
    const char *text; /* TEXT; or short name of the attribute */
    int nid;          /* of the attribute */
} policy_part_t;

/* One value */
typedef struct {
    const policy_part_t *parts;
    int n_parts;
    int uses_csr, uses_entity; /* has ${csr.ATTR}, ${entity} in it */
} policy_template_t;

typedef struct {
    const char *attribute; /* short name */
    int nid;
    policy_template_t value;
} policy_template_attr_t;

typedef struct {
    const policy_template_attr_t *attrs; /* in the order of a certificate: the topmost first */
    int n_attrs;
    int uses_entity;
} policy_subject_template_t;

/* What variables stand for; NULL = absent */
typedef struct {
    const pki_name_t *csr; /* requested subject */
    const char *entity, *user;
    const pki_attr_t *row; /* subject in the end entity's row */
    int n_row;
} policy_values_t;

/* Is this the short name of an attribute that a profile can have a rule for? */
int policy_template_is_attribute(const char *name);

/* Both copy into pool and fail with config, the detail quotes text */
est_err_t *policy_template_parse(policy_template_t *out, const char *text, apr_pool_t *pool);
est_err_t *policy_template_parse_subject(policy_subject_template_t *out, const char *text, apr_pool_t *pool);

/* *out is NULL where everything in template is absent. Something absent beside text is name_invalid; beside other
 * variables it is empty. */
est_err_t *policy_template_expand(const char **out, const policy_template_t *template, const policy_values_t *values,
                                  apr_pool_t *pool);
/* The attributes, each an RDN of its own; left out where nothing is left of the value. given[i]: no part of it is from
 * the request. *attrs and *given have room for n_attrs of template. */
est_err_t *policy_template_expand_subject(pki_attr_t *attrs, int *given, int *n,
                                          const policy_subject_template_t *template, const policy_values_t *values,
                                          apr_pool_t *pool);

/* The subject in an entity's row, "CN=dev1,O=Example", in the order of a certificate; config when it cannot be
 * understood */
est_err_t *policy_template_row_subject(const pki_attr_t **out, int *n, const char *text, apr_pool_t *pool);
/* A name in it, "dns:a.example"; config when it cannot be understood or issued */
est_err_t *policy_template_row_san(pki_san_t *out, const char *text, apr_pool_t *pool);

#endif
