/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_decide.h"
#include "pki/pki_ext.h"
#include "pki/pki_reqattr.h"
#include "pki/pki_reqext.h"
#include "pki/pki_time.h"
#include "policy_names.h"

#include <apr_strings.h>
#include <string.h>

/* What the rules work on: the request, and the grant that they fill step by step */
typedef struct {
    const policy_request_t *req;
    const policy_profile_t *profile;
    policy_grant_t *grant;
    apr_pool_t *pool;
    int not_applicable; /* set by a rule that has nothing to say here */
} judge_t;

static est_err_t *rule_alias_active(judge_t *j)
{
    const policy_alias_t *alias = j->req->alias;

    if (!alias->profile)
        return EST_FAIL(j->pool, alias_inactive, "alias \"%s\" has no profile", alias->name);
    if (!alias->profile_active)
        return EST_FAIL(j->pool, alias_inactive, "profile \"%s\" is switched off at alias \"%s\"", alias->profile->name,
                        alias->name);
    if (!alias->group || !alias->group_active)
        return EST_FAIL(j->pool, alias_inactive, "alias \"%s\" has no active group", alias->name);
    return NULL;
}

static est_err_t *rule_key(judge_t *j)
{
    for (int i = 0; i < j->profile->n_keys; i++)
        if (pki_key_rule_allows(&j->profile->keys[i], j->req->csr->key))
            return NULL;
    return EST_FAIL(j->pool, key_not_allowed, "%s, profile \"%s\" wants %s", j->req->csr->key->label, j->profile->name,
                    j->profile->keys_text);
}

/* Whoever has the key of a CA or of a TLS server here needs no certificate for it, and whoever gets one could take the
 * other's place (C-16) */
static est_err_t *rule_key_reserved(judge_t *j)
{
    est_slice_t spki = j->req->csr->key->spki;
    unsigned char *hash = j->grant->spki_hash;

    if (est_slice_equal(spki, j->req->ca->certs[0]->spki))
        return EST_FAIL(j->pool, key_reserved, "the key is the CA's own");
    pki_sha256(hash, spki);
    for (int i = 0; i < j->req->n_reserved_keys; i++)
        if (!memcmp(hash, j->req->reserved_keys[i], PKI_SHA256_SIZE))
            return EST_FAIL(j->pool, key_reserved, "the key is that of a CA or a TLS server of this httpd");
    return NULL;
}

static est_err_t *rule_key_quality(judge_t *j)
{
    return pki_key_check_quality(j->req->csr->key, j->pool);
}

/* RFC 7030 4.2.2: subject and subjectAltName "MUST be identical" to those of the certificate that is renewed */
static est_err_t *rule_same_names(judge_t *j)
{
    const pki_cert_t *cert = j->req->identity->cert;

    if (j->req->op != POLICY_OP_REENROLL) {
        j->not_applicable = 1;
        return NULL;
    }
    if (!cert)
        return EST_FAIL(j->pool, certificate_required, NULL);
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
static int has_its_name(const judge_t *j)
{
    const policy_identity_t *identity = j->req->identity;

    return identity->kind == POLICY_IDENTITY_CERTIFICATE &&
           pki_name_equal(j->req->csr->subject, identity->cert->subject);
}

static est_err_t *rule_subject(judge_t *j)
{
    const pki_name_t *wanted = has_its_name(j) ? j->req->identity->cert->subject : j->req->csr->subject;

    return policy_names_subject(&j->grant->subject, &j->grant->dropped, j->profile, wanted, j->pool);
}

static est_err_t *rule_san(judge_t *j)
{
    return policy_names_san(&j->grant->san, &j->grant->dropped, j->profile, &j->req->csr->san, j->pool);
}

/* RFC 5280 4.1.2.6: a certificate without a subject says who it is for in the subjectAltName */
static est_err_t *rule_named(judge_t *j)
{
    if (j->grant->subject->n_attrs || j->grant->san.n_names)
        return NULL;
    return EST_FAIL(j->pool, name_invalid, "neither subject nor subjectAltName%s%s",
                    j->grant->dropped ? " is left of " : "", j->grant->dropped ? j->grant->dropped : "");
}

/* Conformance N-09. What a holder is called already is no new name that could be taken for an old one; devices whose
 * certificates come from a CA with other habits can renew them. */
static est_err_t *rule_disguise(judge_t *j)
{
    if (has_its_name(j)) {
        j->not_applicable = 1;
        return NULL;
    }
    return pki_name_check(j->grant->subject, j->pool);
}

/* RFC 5280 4.1.2.6: an address in the subject is one in the subjectAltName, too */
static est_err_t *rule_email(judge_t *j)
{
    const char *missing = policy_names_lone_email(j->grant->subject, &j->grant->san);

    if (!missing)
        return NULL;
    return EST_FAIL(j->pool, name_invalid,
                    "emailAddress \"%s\" of the subject is no e-mail address of the subjectAltName", missing);
}

/* A certificate with a CA's own name would look like that CA's, or self-issued (conformance N-14) */
static est_err_t *rule_not_the_ca(judge_t *j)
{
    const pki_issuer_t *ca = j->req->ca;

    for (int i = 0; i < ca->n_certs; i++)
        if (policy_names_is(j->grant->subject, ca->certs[i]->subject))
            return EST_FAIL(j->pool, name_invalid, "the subject is that of a CA, \"%s\"", ca->certs[i]->subject->text);
    return NULL;
}

static est_err_t *rule_group_names(judge_t *j)
{
    if (!j->req->alias->group) { /* only an explanation gets here */
        j->not_applicable = 1;
        return NULL;
    }
    return policy_names_group(j->req->alias->group, j->grant->subject, &j->grant->san, j->pool);
}

static est_err_t *rule_own_names(judge_t *j)
{
    return policy_names_identity(j->req->identity, j->grant->subject, &j->grant->san, j->pool);
}

/* What the profile's keyUsage is for this key; NULL when the profile gives none */
static const policy_key_usage_t *key_usage(const judge_t *j)
{
    return j->profile->key_usage_at < 0 ? NULL : &j->profile->key_usage[j->req->csr->key->type];
}

/* CP-10: a key is never said to be for what it cannot do */
static est_err_t *rule_key_usage(judge_t *j)
{
    const policy_key_usage_t *usage = key_usage(j);

    if (!usage) {
        j->not_applicable = 1;
        return NULL;
    }
    if (!usage->bits)
        return EST_FAIL(j->pool, key_not_allowed, "%s; profile \"%s\" gives no purpose that it can serve without %s",
                        j->req->csr->key->label, j->profile->name, usage->left_out);
    if (usage->left_out)
        policy_names_add_dropped(&j->grant->dropped, "keyUsage", usage->left_out, j->pool);
    return NULL;
}

/* What is asked for and not given is left out, but never turned into its opposite (conformance EN-08): a key wanted
 * only for what the profile does not give is refused. */
static est_err_t *check_extension(judge_t *j, const pki_req_ext_t *ext)
{
    const policy_key_usage_t *usage = key_usage(j);
    unsigned wanted = pki_reqext_key_usage(ext), given = usage ? usage->bits : 0;
    const char *what;

    switch (pki_reqext_judge(&what, ext)) {
    case PKI_REQEXT_MALFORMED:
        return EST_FAIL(j->pool, extension_refused, "extension %s is malformed", ext->oid);
    case PKI_REQEXT_POWER:
        return EST_FAIL(j->pool, extension_refused, "%s is never given to an end entity", what);
    case PKI_REQEXT_UNKNOWN:
        if (ext->critical)
            return EST_FAIL(j->pool, extension_refused, "critical extension %s is not taken from requests", what);
        return NULL;
    case PKI_REQEXT_PLAIN:
        break;
    }
    if (wanted && given && !(wanted & given))
        return EST_FAIL(j->pool, extension_refused, "profile \"%s\" gives none of the requested key usages to %s",
                        j->profile->name, j->req->csr->key->label);
    return NULL;
}

static est_err_t *rule_extensions(judge_t *j)
{
    if (!j->req->csr->n_exts)
        j->not_applicable = 1;
    for (int i = 0; i < j->req->csr->n_exts; i++)
        EST_TRY(check_extension(j, &j->req->csr->exts[i]));
    return NULL;
}

/* All other attributes may be ignored, these may not: who sends a challenge relies on its being verified (RFC 7894 3),
 * and who asks for other names than those of the request would get the wrong ones (RFC 7030 4.2.1). None is offered. */
static est_err_t *rule_attributes(judge_t *j)
{
    pki_reqattrs_t asked;

    if (!j->req->csr->n_attrs) {
        j->not_applicable = 1;
        return NULL;
    }
    EST_TRY(pki_reqattr_read(&asked, j->req->csr, j->pool));
    const char *challenge = asked.identity_linking ? "estIdentityLinking"
                            : asked.otp            ? "otpChallenge"
                            : asked.revocation     ? "revocationChallenge"
                                                   : NULL;
    if (challenge)
        return EST_FAIL(j->pool, csr_attribute, "%s is not supported here", challenge);
    if (asked.has_change)
        return EST_FAIL(j->pool, name_refused, "ChangeSubjectName is allowed to nobody here");
    return NULL;
}

static est_err_t *rule_validity(judge_t *j)
{
    const policy_request_t *req = j->req;
    const pki_cert_t *ca = req->ca->certs[0];
    apr_time_t now = apr_time_from_sec(apr_time_sec(req->now)); /* certificates know whole seconds */
    apr_time_t start = now - apr_time_from_sec(j->profile->backdate);
    apr_time_t end = now + apr_time_from_sec(j->profile->validity);

    if (j->profile->latest_end && end > j->profile->latest_end)
        end = j->profile->latest_end;
    if (end > ca->not_after && j->profile->beyond_ca == POLICY_BEYOND_CA_REFUSE)
        return EST_FAIL(j->pool, ca_ends, "the CA ends %s, the certificate would %s",
                        pki_time_text(ca->not_after, j->pool), pki_time_text(end, j->pool));
    if (end > ca->not_after)
        end = ca->not_after;
    if (start < ca->not_before)
        start = ca->not_before;
    if (end <= now || start >= end)
        return EST_FAIL(j->pool, ca_ends, "nothing is left of the validity: it would end %s",
                        pki_time_text(end, j->pool));
    j->grant->not_before = start;
    j->grant->not_after = end;
    return NULL;
}

typedef struct {
    const char *name;
    const char *text;
    est_err_t *(*judge)(judge_t *j);
} rule_t;

/* In the order in which they are asked. A rule may use what those before it put into the grant. */
static const rule_t rules[] = {
    {"alias_active", "the alias has an active profile and an active group", rule_alias_active},
    {"key", "the profile allows the key's type and size", rule_key},
    {"key_reserved", "the key is neither that of a CA nor that of a TLS server of this httpd", rule_key_reserved},
    {"key_quality", "the key shows no known weakness", rule_key_quality},
    {"same_names", "re-enrolment: subject and subjectAltName equal those of the certificate being renewed",
     rule_same_names},
    {"subject", "the profile allows each attribute of the subject, and none that it requires is missing", rule_subject},
    {"san", "the profile allows each subjectAltName, and none that it requires is missing", rule_san},
    {"named", "there is a subject or a subjectAltName", rule_named},
    {"disguise", "no new name in the subject has odd blanks or letters, such as look like others", rule_disguise},
    {"email", "an emailAddress of the subject is in the subjectAltName, too", rule_email},
    {"not_the_ca", "the subject is not that of a CA above", rule_not_the_ca},
    {"group_names", "each name matches a pattern of the alias's group", rule_group_names},
    {"own_names", "each name is one that this client may ask for", rule_own_names},
    {"key_usage", "something is left of the profile's keyUsage that the key is able to do", rule_key_usage},
    {"extensions", "no extension asks for the powers of a CA or an RA, and no unknown one is critical",
     rule_extensions},
    {"attributes", "no attribute asks for a challenge to be verified or for other names than those of the request",
     rule_attributes},
    {"validity", "the validity ends before the CA's, or is cut there", rule_validity},
};
#define N_RULES ((int)(sizeof(rules) / sizeof(rules[0])))

const char *policy_rule_name(int i)
{
    return i >= 0 && i < N_RULES ? rules[i].name : NULL;
}

const char *policy_rule_text(int i)
{
    return i >= 0 && i < N_RULES ? rules[i].text : NULL;
}

static void start(judge_t *j, const policy_request_t *request, apr_pool_t *pool)
{
    memset(j, 0, sizeof(*j));
    j->req = request;
    j->profile = request->alias->profile;
    j->grant = apr_pcalloc(pool, sizeof(*j->grant));
    j->pool = pool;
}

static void finish(judge_t *j)
{
    policy_grant_t *grant = j->grant;

    for (int i = 0; i < j->profile->n_exts; i++)
        grant->exts[grant->n_exts++] = i == j->profile->key_usage_at ? key_usage(j)->ext : j->profile->exts[i];
    grant->exts[grant->n_exts++] = pki_ext_ski(j->req->csr->key->spki, j->pool);
    grant->exts[grant->n_exts++] = j->req->ca->aki;
    if (grant->san.n_names)
        grant->exts[grant->n_exts++] =
            pki_ext_encode("2.5.29.17", grant->subject->n_attrs == 0, pki_san_encode(&grant->san, j->pool), j->pool);
    grant->digest = j->profile->digest;
    grant->entity = policy_names_entity(grant->subject, &grant->san, j->pool);
}

est_err_t *policy_decide(policy_grant_t **out, const policy_request_t *request, apr_pool_t *pool)
{
    judge_t j;

    start(&j, request, pool);
    for (int i = 0; i < N_RULES; i++) {
        est_err_t *err = rules[i].judge(&j);

        if (err) {
            err->rule = rules[i].name;
            return err;
        }
    }
    finish(&j);
    *out = j.grant;
    return NULL;
}

const policy_finding_t *policy_explain(policy_grant_t **out, int *n, const policy_request_t *request, apr_pool_t *pool)
{
    policy_finding_t *findings = apr_pcalloc(pool, N_RULES * sizeof(*findings));
    judge_t j;
    int failed = 0;

    *out = NULL;
    start(&j, request, pool);
    /* Where a rule fails that would have filled these in, later ones judge what was asked for */
    j.grant->subject = request->csr->subject;
    j.grant->san = request->csr->san;
    for (*n = 0; *n < N_RULES; (*n)++) {
        policy_finding_t *finding = &findings[*n];
        est_err_t *err;

        j.not_applicable = 0;
        err = rules[*n].judge(&j);
        finding->rule = rules[*n].name;
        finding->verdict = err ? POLICY_FAIL : j.not_applicable ? POLICY_NOT_APPLICABLE : POLICY_PASS;
        finding->err = err;
        failed |= err != NULL;
        /* Without a profile the rules behind the first have nothing to compare with */
        if (err && !j.profile) {
            (*n)++;
            break;
        }
    }
    if (!failed) {
        finish(&j);
        *out = j.grant;
    }
    return findings;
}
