/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_TEMPLATE_H
#define POLICY_TEMPLATE_H

/*
 * Names made of text and variables, as a profile has them: a subject "CN=${csr.CN},O=Example", or one name of a
 * subjectAltName. A subject is in the order of RFC 2253, as records have it. Immutable once made.
 */

#include "pki/pki_name.h"
#include "pki/pki_san.h"

#include <apr_tables.h>

typedef struct policy_template_t policy_template_t;

/* What variables stand for; NULL: it is absent */
typedef struct {
    const pki_name_t *csr; /* ${csr.ATTRIBUTE}: the first of the requested subject */
    const char *entity;    /* ${entity}: name of the end entity */
    const pki_name_t *row; /* ${entity.ATTRIBUTE}: of the subject that the entity is registered with */
    const char *user;      /* ${user}: who is authenticated */

    const char *entity_asked;  /* what of the request is in entity; NULL = nothing */
    apr_array_header_t *taken; /* out, of pki_attr_t, NULL = not asked: what of the request went into names that say who
                                  somebody is. The client has chosen it, whatever is around it. */
} policy_template_values_t;

/* Can it stand in a template and in the row of an end entity? Those of profile_subject_rule, by short name */
int policy_template_has_attribute(const char *name);

/* From text; fails with config and says what is wrong. Everything is copied into pool. */
est_err_t *policy_template_subject(policy_template_t **out, const char *text, apr_pool_t *pool);
est_err_t *policy_template_name(policy_template_t **out, const char *text, apr_pool_t *pool);

/* Is ${entity} in it? */
int policy_template_names_entity(const policy_template_t *template);

/* An attribute whose text is variables alone, all absent, is left out; one where some are absent is name_invalid, as is
 * what cannot be encoded. */
est_err_t *policy_template_fill_subject(const pki_name_t **out, const policy_template_t *template,
                                        const policy_template_values_t *values, apr_pool_t *pool);
/* A name of one type; NULL when anything in it is absent */
const char *policy_template_fill_name(const policy_template_t *template, const policy_template_values_t *values,
                                      apr_pool_t *pool);

/* The i-th attribute of a subject, NULL behind the last. *value: its text where that has no variables, else NULL;
 * *always: is there any text, so that it is never left out? */
const char *policy_template_attribute(const char **value, int *always, const policy_template_t *template, int i,
                                      apr_pool_t *pool);

/* The subject of an end entity's row: the language without variables. text NULL: *out NULL. Fails with config. */
est_err_t *policy_template_fixed(const pki_name_t **out, const char *text, apr_pool_t *pool);

#endif
