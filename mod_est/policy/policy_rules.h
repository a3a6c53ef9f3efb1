/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_RULES_H
#define POLICY_RULES_H

/* The rules of policy_decide.c, which has them in a table: for that and policy_rules_*.c alone. A rule returns its
 * error, or NULL; it may use what those before it have put into judge and grant. */

#include "pki/pki_reqattr.h"
#include "policy_decide.h"
#include "policy_entity.h"

/* An extension of the request that goes into the certificate */
typedef struct {
    int at; /* in the place of which of the profile's; -1: of none */
    est_slice_t ext;
} policy_copied_ext_t;

/* What the rules work on: the request, and the grant that they fill step by step */
typedef struct {
    const policy_request_t *req;
    const policy_profile_t *profile;
    policy_grant_t *grant;
    apr_pool_t *pool;
    int not_applicable; /* set by a rule that has nothing to say here */

    /* The names asked for: the request's own, or those of ChangeSubjectName */
    const pki_name_t *subject;
    const pki_sans_t *san;
    pki_reqattrs_t attrs;
    int changes_names;
    /* Of the names granted those that the client has chosen, and not policy: own_names judges these */
    const pki_name_t *chosen_subject;
    pki_sans_t chosen_san;
    apr_array_header_t *taken; /* of pki_attr_t: what templates have taken of the request into names */
    /* Client mode: names of the end entity, once rule entity has read its row; name NULL: there is none */
    policy_entity_names_t entity;
    policy_copied_ext_t copied[POLICY_PROFILE_MAX_REQUEST_EXTS];
    int n_copied;
} policy_judge_t;

/* A certificate is renewed, and keeps its names */
int policy_rules_keeps_names(const policy_judge_t *j);
/* Client mode: is the end entity looked at here? That of a renewal by certificate is the database's to judge. */
int policy_rules_wants_entity(const policy_judge_t *j);
/* What the profile's keyUsage is for this key; NULL when the profile gives none */
const policy_key_usage_t *policy_rules_usage(const policy_judge_t *j);

/* policy_rules_alias.c */
est_err_t *policy_rules_alias_active(policy_judge_t *j);
est_err_t *policy_rules_entity(policy_judge_t *j);
est_err_t *policy_rules_renew_window(policy_judge_t *j);
est_err_t *policy_rules_validity(policy_judge_t *j);
est_err_t *policy_rules_entity_name(policy_judge_t *j);

/* policy_rules_key.c */
est_err_t *policy_rules_key(policy_judge_t *j);
est_err_t *policy_rules_key_reserved(policy_judge_t *j);
est_err_t *policy_rules_key_quality(policy_judge_t *j);
est_err_t *policy_rules_same_key(policy_judge_t *j);
est_err_t *policy_rules_key_usage(policy_judge_t *j);

/* policy_rules_names.c */
est_err_t *policy_rules_attributes(policy_judge_t *j);
est_err_t *policy_rules_same_names(policy_judge_t *j);
est_err_t *policy_rules_subject(policy_judge_t *j);
est_err_t *policy_rules_san(policy_judge_t *j);
est_err_t *policy_rules_named(policy_judge_t *j);
est_err_t *policy_rules_disguise(policy_judge_t *j);
est_err_t *policy_rules_email(policy_judge_t *j);
est_err_t *policy_rules_not_the_ca(policy_judge_t *j);
est_err_t *policy_rules_group_names(policy_judge_t *j);
est_err_t *policy_rules_own_names(policy_judge_t *j);

/* policy_rules_exts.c */
est_err_t *policy_rules_extensions(policy_judge_t *j);
/* The extensions of the certificate, all but the names: extension_refused when what was taken over contradicts the
 * profile's */
est_err_t *policy_rules_fit(policy_judge_t *j);

#endif
