/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Rules on names: which are asked for, which are granted, to whom. */

#include "policy_rules.h"

#include <string.h>

int policy_rules_keeps_names(const policy_judge_t *j)
{
    return j->req->op == POLICY_OP_REENROLL && j->req->identity->cert && !j->changes_names;
}

/* The names of ChangeSubjectName are those asked for; what it leaves out is to be empty (EN-10) */
static est_err_t *change_names(policy_judge_t *j)
{
    pki_name_t *empty;

    if (!j->req->alias->change_subject)
        return EST_FAIL(j->pool, name_refused, "ChangeSubjectName is not allowed at alias \"%s\"", j->req->alias->name);
    EST_TRY(pki_name_encode(&empty, NULL, 0, j->pool));
    j->subject = j->attrs.subject ? j->attrs.subject : empty;
    j->san = &j->attrs.san;
    j->chosen_subject = j->subject;
    j->chosen_san = *j->san;
    j->changes_names = 1;
    return NULL;
}

/* All other attributes may be ignored, these may not: who sends a challenge relies on its being verified (RFC 7894 3),
 * and who asks for other names than those of the request would get the wrong ones (RFC 7030 4.2.1). An otpChallenge
 * that carried the enrolment code was verified, and is here no more. */
est_err_t *policy_rules_attributes(policy_judge_t *j)
{
    const char *challenge;

    if (!j->req->csr->n_attrs) {
        j->not_applicable = 1;
        return NULL;
    }
    EST_TRY(pki_reqattr_read(&j->attrs, j->req->csr, j->pool));
    challenge = j->attrs.identity_linking ? "estIdentityLinking"
                : j->attrs.otp            ? "otpChallenge"
                : j->attrs.revocation     ? "revocationChallenge"
                                          : NULL;
    if (challenge)
        return EST_FAIL(j->pool, csr_attribute, "%s is not supported here", challenge);
    return j->attrs.has_change ? change_names(j) : NULL;
}

/* RFC 7030 4.2.2: subject and subjectAltName "MUST be identical" to those of the certificate that is renewed */
est_err_t *policy_rules_same_names(policy_judge_t *j)
{
    const policy_identity_t *identity = j->req->identity;
    const pki_cert_t *cert = identity->cert;

    if (j->req->op != POLICY_OP_REENROLL || (!cert && j->req->alias->reenroll_by_password)) {
        j->not_applicable = 1;
        return NULL;
    }
    if (!cert)
        return EST_FAIL(j->pool, certificate_required, NULL);
    if (identity->kind == POLICY_IDENTITY_VENDOR)
        return EST_FAIL(j->pool, vendor_refused, "it is for a first enrolment, not for renewals");
    if (!pki_name_equal(j->req->csr->subject, cert->subject))
        return EST_FAIL(j->pool, names_differ, "request \"%s\", certificate \"%s\"", j->req->csr->subject->text,
                        cert->subject->text);
    if (!pki_san_equal(&j->req->csr->san, &cert->san))
        return EST_FAIL(j->pool, names_differ, "request %s, certificate %s",
                        policy_names_text(&j->req->csr->san, j->pool), policy_names_text(&cert->san, j->pool));
    return NULL;
}

/* Equal by RFC 5280 7.1 is not yet the same: a holder that asks for its name gets the name it has, not one that differs
 * in case or blanks and may be somebody else's */
static int has_its_name(const policy_judge_t *j)
{
    const policy_identity_t *identity = j->req->identity;

    return identity->kind == POLICY_IDENTITY_CERTIFICATE && pki_name_equal(j->subject, identity->cert->subject);
}

/* As it is spelled in the certificate, also in a vendor's */
static const pki_name_t *name_asked(const policy_judge_t *j)
{
    const policy_identity_t *identity = j->req->identity;

    if (has_its_name(j) ||
        (identity->kind == POLICY_IDENTITY_VENDOR && pki_name_equal(j->subject, identity->cert->subject)))
        return identity->cert->subject;
    return j->subject;
}

static est_err_t *template_values(policy_template_values_t *out, policy_judge_t *j)
{
    const pki_name_t *asked = name_asked(j);
    est_err_t *err;

    *out = (policy_template_values_t){.csr = asked,
                                      .entity = j->entity.name,
                                      .row = j->entity.subject,
                                      .user = j->req->identity->name,
                                      .taken = j->taken};
    if (out->entity)
        return NULL;
    /* RA mode: what the entity would be called by the names asked for; who asks for none has no name yet */
    out->entity_asked = policy_entity_call_asked(j->req->alias, asked, j->san);
    err = policy_entity_call(&out->entity, j->req->alias, asked, j->san, j->req->random, j->pool);
    if (j->profile->names_entity)
        j->grant->entity = out->entity; /* the record says the same as the certificate */
    return err && err->code != EST_E_name_refused ? err : NULL;
}

/* Of what is asked for that which is not in the name made instead */
static void drop_replaced(policy_judge_t *j, const pki_name_t *made)
{
    for (int i = 0; i < j->subject->n_attrs; i++)
        if (!pki_name_has(made, &j->subject->attrs[i]))
            policy_names_add_dropped(&j->grant->dropped, j->subject->attrs[i].type, j->subject->attrs[i].value,
                                     j->pool);
}

est_err_t *policy_rules_subject(policy_judge_t *j)
{
    const pki_name_t *asked = name_asked(j), *wanted = asked;
    policy_template_values_t values;

    if (j->entity.name && !policy_rules_keeps_names(j))
        EST_TRY(policy_entity_subject(&wanted, &j->entity, wanted, j->pool));
    /* What the template takes of the request the client has chosen; what it makes of that the profile has */
    j->chosen_subject = wanted;
    if (j->profile->subject_template && (j->req->op != POLICY_OP_REENROLL || j->changes_names)) {
        EST_TRY(template_values(&values, j));
        EST_TRY(policy_template_fill_subject(&wanted, j->profile->subject_template, &values, j->pool));
    }
    if (wanted != asked)
        drop_replaced(j, wanted);
    EST_TRY(policy_names_subject(&j->grant->subject, &j->grant->dropped, j->profile, wanted, j->pool));
    if (wanted == j->chosen_subject)
        j->chosen_subject = j->grant->subject;
    return NULL;
}

est_err_t *policy_rules_san(policy_judge_t *j)
{
    policy_names_sans_t wanted = {.csr = j->san, .renewed = policy_rules_keeps_names(j), .chosen = &j->chosen_san};
    policy_template_values_t values;

    if (j->entity.name && !wanted.renewed)
        wanted.entity = &j->entity.san;
    if (j->profile->has_san_templates && !wanted.renewed) {
        EST_TRY(template_values(&values, j));
        wanted.values = &values;
    }
    return policy_names_san(&j->grant->san, &j->grant->dropped, j->profile, &wanted, j->pool);
}

/* RFC 5280 4.1.2.6: a certificate without a subject says who it is for in the subjectAltName */
est_err_t *policy_rules_named(policy_judge_t *j)
{
    if (j->grant->subject->n_attrs || j->grant->san.n_names)
        return NULL;
    return EST_FAIL(j->pool, name_invalid, "neither subject nor subjectAltName%s%s",
                    j->grant->dropped ? " is left of " : "", j->grant->dropped ? j->grant->dropped : "");
}

/* Conformance N-09. What a holder is called already is no new name that could be taken for an old one; devices whose
 * certificates come from a CA with other habits can renew them. */
est_err_t *policy_rules_disguise(policy_judge_t *j)
{
    if (has_its_name(j) && pki_name_equal(j->grant->subject, j->req->identity->cert->subject)) {
        j->not_applicable = 1;
        return NULL;
    }
    return pki_name_check(j->grant->subject, j->pool);
}

/* RFC 5280 4.1.2.6: an address in the subject is one in the subjectAltName, too */
est_err_t *policy_rules_email(policy_judge_t *j)
{
    const char *missing = policy_names_lone_email(j->grant->subject, &j->grant->san);

    if (!missing)
        return NULL;
    return EST_FAIL(j->pool, name_invalid,
                    "emailAddress \"%s\" of the subject is no e-mail address of the subjectAltName", missing);
}

/* A certificate with a CA's own name would look like that CA's, or self-issued (conformance N-14) */
est_err_t *policy_rules_not_the_ca(policy_judge_t *j)
{
    const pki_issuer_t *ca = j->req->ca;

    if (!ca) { /* only an explanation gets here */
        j->not_applicable = 1;
        return NULL;
    }
    for (int i = 0; i < ca->n_certs; i++)
        if (policy_names_is(j->grant->subject, ca->certs[i]->subject))
            return EST_FAIL(j->pool, name_invalid, "the subject is that of a CA, \"%s\"", ca->certs[i]->subject->text);
    return NULL;
}

est_err_t *policy_rules_group_names(policy_judge_t *j)
{
    if (!j->req->alias->group) { /* only an explanation gets here */
        j->not_applicable = 1;
        return NULL;
    }
    return policy_names_group(j->req->alias->group, j->grant->subject, &j->grant->san, j->pool);
}

static int names_somebody(const pki_name_t *subject, const pki_sans_t *san)
{
    for (int i = 0; i < subject->n_attrs; i++)
        if (pki_name_attr_is_identity(subject->attrs[i].nid))
            return 1;
    return san->n_names > 0;
}

/* What templates have taken of the request, those who ask choose as they do names */
static est_err_t *check_taken(policy_judge_t *j)
{
    const pki_attr_t *taken = (const pki_attr_t *)j->taken->elts;

    if (!j->entity.name)
        return policy_names_taken(j->req->identity, taken, j->taken->nelts, j->pool);
    EST_TRY(policy_entity_owns_taken(&j->entity, taken, j->taken->nelts, j->pool));
    return j->req->identity->kind == POLICY_IDENTITY_CERTIFICATE
               ? policy_names_taken(j->req->identity, taken, j->taken->nelts, j->pool)
               : NULL;
}

/* In client mode the names are the entity's, and what is asked is whether the client is it, or acts for it */
static est_err_t *check_entity(policy_judge_t *j, int given)
{
    const policy_identity_t *identity = j->req->identity;

    if (!given)
        EST_TRY(policy_entity_owns(&j->entity, j->chosen_subject, &j->chosen_san, j->pool));
    if (identity->kind == POLICY_IDENTITY_USER || identity->kind == POLICY_IDENTITY_RA)
        return policy_names_may_act(identity, j->entity.name, j->pool);
    return identity->kind == POLICY_IDENTITY_CERTIFICATE
               ? policy_names_identity(identity, j->chosen_subject, &j->chosen_san, j->pool)
               : NULL;
}

/* A holder takes other names when it renews its certificate: the alias allows that, as far as profile and group do.
 * Those of end entities that are registered stay theirs. */
static int may_change(const policy_judge_t *j)
{
    return j->req->op == POLICY_OP_REENROLL && j->changes_names && j->req->alias->mode == POLICY_MODE_RA &&
           j->req->identity->kind == POLICY_IDENTITY_CERTIFICATE;
}

est_err_t *policy_rules_own_names(policy_judge_t *j)
{
    /* All who is named, the profile names */
    int given = !names_somebody(j->chosen_subject, &j->chosen_san) && names_somebody(j->grant->subject, &j->grant->san);

    /* Without the end entity only an explanation gets here */
    if (may_change(j) || (policy_rules_wants_entity(j) && !j->entity.name)) {
        j->not_applicable = 1;
        return NULL;
    }
    if (j->entity.name)
        EST_TRY(check_entity(j, given));
    else if (!given)
        EST_TRY(policy_names_identity(j->req->identity, j->chosen_subject, &j->chosen_san, j->pool));
    /* A holder that gets the names which it has, of whatever they were made */
    if (j->req->identity->kind == POLICY_IDENTITY_CERTIFICATE &&
        !policy_names_identity(j->req->identity, j->grant->subject, &j->grant->san, j->pool))
        return NULL;
    return check_taken(j);
}
