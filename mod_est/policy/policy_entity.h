/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_ENTITY_H
#define POLICY_ENTITY_H

/* End entities: what they are called, and what the row of a registered one says of its certificates. */

#include "policy_names.h"

/* A registered entity's names */
typedef struct {
    const char *name;
    const pki_name_t *subject; /* NULL = none given */
    pki_sans_t san;
} policy_entity_names_t;

/* Of its row; fails with alias_broken when that cannot be understood */
est_err_t *policy_entity_names(policy_entity_names_t *out, const policy_entity_t *entity, apr_pool_t *pool);

/* The subject of the row, below those attributes of wanted that are of types which the row has not; wanted itself where
 * it has all that the row has. name_not_yours when wanted has another value for one that the row has, but for the
 * entity's name, in the place of which the row's stands. */
est_err_t *policy_entity_subject(const pki_name_t **out, const policy_entity_names_t *names, const pki_name_t *wanted,
                                 apr_pool_t *pool);
/* Every name that says who somebody is stands in the row, or is the entity's name: name_not_yours */
est_err_t *policy_entity_owns(const policy_entity_names_t *names, const pki_name_t *subject, const pki_sans_t *san,
                              apr_pool_t *pool);

/* The same of what the profile's templates have taken from the request */
est_err_t *policy_entity_owns_taken(const policy_entity_names_t *names, const pki_attr_t *taken, int n,
                                    apr_pool_t *pool);

/* What RA mode calls the entity of these names, by the alias's scheme. random: as in policy_request_t; NULL where the
 * scheme has none. Fails with name_refused when it is empty or too long, internal without the random letters. */
est_err_t *policy_entity_call(const char **out, const policy_alias_t *alias, const pki_name_t *subject,
                              const pki_sans_t *san, const char *random, apr_pool_t *pool);
/* The part of that which is one of these names; NULL where the scheme has none */
const char *policy_entity_call_asked(const policy_alias_t *alias, const pki_name_t *subject, const pki_sans_t *san);

#endif
