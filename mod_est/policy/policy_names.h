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
/* Alternative names by where they come from */
typedef struct {
    const pki_sans_t *csr;                  /* requested */
    const pki_sans_t *entity;               /* of the end entity's row; NULL = there is none */
    const policy_template_values_t *values; /* for templates; NULL = none is filled in */
    int renewed;        /* csr are the names of the certificate that is renewed: rules of every source are asked */
    pki_sans_t *chosen; /* out, borrowed from the result: those that the request has brought; NULL = not asked */
} policy_names_sans_t;

/* The same for subjectAltName: each name once, those of the row and of templates first, then in the order of the
 * request. A type that no profile can allow is name_invalid, or dropped as all that has no rule. */
est_err_t *policy_names_san(pki_sans_t *out, const char **dropped, const policy_profile_t *profile,
                            const policy_names_sans_t *wanted, apr_pool_t *pool);

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

/* Who may ask for which name (docs/sql.md, client): `own` is the user's own name, and for a certificate its own subject
 * and SANs, for a vendor's also what it calls the device; patterns; `*` is anything, and so is what an RA without a row
 * asks for. name_not_yours. */
est_err_t *policy_names_identity(const policy_identity_t *identity, const pki_name_t *subject, const pki_sans_t *san,
                                 apr_pool_t *pool);
/* The same of what the profile's templates have taken from the request into such names */
est_err_t *policy_names_taken(const policy_identity_t *identity, const pki_attr_t *taken, int n, apr_pool_t *pool);
/* May this client, of whom there may be no row, act for the end entity of that name? name_not_yours */
est_err_t *policy_names_may_act(const policy_identity_t *identity, const char *entity, apr_pool_t *pool);

/* Is value, letter by letter, that name? In DNS names the case of letters does not count. */
int policy_names_same(const char *name, const char *value, int dns);
/* Does the text look like a DNS name, so that patterns treat its dots as label ends? */
int policy_names_like_dns(const char *s);

/* "dns:a.example, ip:10.0.0.1" or "(none)", for messages */
const char *policy_names_text(const pki_sans_t *san, apr_pool_t *pool);

#endif
