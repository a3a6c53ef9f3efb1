/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_NAMES_H
#define POLICY_NAMES_H

/* The rules about names: what the profile allows, what the group allows, and what this client may ask for. */

#include "pki/pki_name.h"
#include "policy_access.h"

/* The subject as the profile has it: *out encoded anew. Attributes that a rule drops are added to *dropped (text, may
 * be NULL before and after). Fails with name_refused, or name_invalid where something required is missing. */
est_err_t *policy_names_subject(const pki_name_t **out, const char **dropped, const policy_profile_t *profile,
                                const pki_name_t *wanted, apr_pool_t *pool);
/* The same for subjectAltName: each name once, in the order of the request. A type that no profile can allow is
 * name_invalid, or dropped as all that has no rule. */
est_err_t *policy_names_san(pki_sans_t *out, const char **dropped, const policy_profile_t *profile,
                            const pki_sans_t *wanted, apr_pool_t *pool);

/* Adds "TYPE=VALUE" to such a list */
void policy_names_add_dropped(const char **dropped, const char *type, const char *value, apr_pool_t *pool);

/* The first emailAddress of the subject that is no rfc822Name of san; NULL when there is none */
const char *policy_names_lone_email(const pki_name_t *subject, const pki_sans_t *san);

/* Is subject the name, by RFC 5280 7.1, or has it a CN that spells it out in the form of RFC 2253 (letter case and
 * blanks do not count)? */
int policy_names_is(const pki_name_t *subject, const pki_name_t *name);

/* Every name that says who somebody is (identity attributes of the subject, every SAN) matches one of the group's
 * patterns: name_refused */
est_err_t *policy_names_group(const policy_group_t *group, const pki_name_t *subject, const pki_sans_t *san,
                              apr_pool_t *pool);

/* Who may ask for which name (docs/sql.md, client): `own` is the user's own name, and for a certificate
 * its own subject and SANs; patterns; `*` is anything. name_not_yours. */
est_err_t *policy_names_identity(const policy_identity_t *identity, const pki_name_t *subject, const pki_sans_t *san,
                                 apr_pool_t *pool);

/* Name of the end entity: the first CN, else the first SAN, else the whole subject */
const char *policy_names_entity(const pki_name_t *subject, const pki_sans_t *san, apr_pool_t *pool);

/* "dns:a.example, ip:10.0.0.1" or "(none)", for messages */
const char *policy_names_text(const pki_sans_t *san, apr_pool_t *pool);

#endif
