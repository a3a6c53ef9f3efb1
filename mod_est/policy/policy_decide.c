/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_decide.h"
#include "pki/pki_ext.h"
#include "policy_rules.h"

#include <string.h>

typedef struct {
    const char *name;
    const char *text;
    est_err_t *(*judge)(policy_judge_t *j);
} rule_t;

/* In the order in which they are asked. A rule may use what those before it put into the grant. */
static const rule_t rules[] = {
    {"alias_active", "the alias has an active profile and an active group", policy_rules_alias_active},
    {"entity", "client mode: the end entity is registered, active and not over", policy_rules_entity},
    {"key", "the profile allows the key's type and size", policy_rules_key},
    {"key_reserved", "the key is neither that of a CA nor that of a TLS server of this httpd",
     policy_rules_key_reserved},
    {"key_quality", "the key shows no known weakness", policy_rules_key_quality},
    {"same_key", "re-enrolment: the key is the one of the certificate, or another one, as the alias says",
     policy_rules_same_key},
    {"renew_window", "re-enrolment: the end of the certificate is as near as the alias says",
     policy_rules_renew_window},
    {"same_names", "re-enrolment: subject and subjectAltName equal those of the certificate being renewed",
     policy_rules_same_names},
    {"attributes",
     "no attribute has a challenge that is not verified here, or asks for other names where the alias allows none",
     policy_rules_attributes},
    {"subject", "the profile allows each attribute of the subject, and none that it requires is missing",
     policy_rules_subject},
    {"san", "the profile allows each subjectAltName, and none that it requires is missing", policy_rules_san},
    {"named", "there is a subject or a subjectAltName", policy_rules_named},
    {"disguise", "no new name in the subject has odd blanks or letters, such as look like others",
     policy_rules_disguise},
    {"email", "an emailAddress of the subject is in the subjectAltName, too", policy_rules_email},
    {"not_the_ca", "the subject is not that of a CA above", policy_rules_not_the_ca},
    {"group_names", "each name matches a pattern of the alias's group", policy_rules_group_names},
    {"own_names", "each name is one that this client may ask for", policy_rules_own_names},
    {"entity_name", "the name of the end entity, by the alias's scheme, is not empty or too long",
     policy_rules_entity_name},
    {"key_usage", "something is left of the profile's keyUsage that the key is able to do", policy_rules_key_usage},
    {"extensions",
     "no extension asks for the powers of a CA or an RA, no unknown one is critical, and the profile's rules on others "
     "are kept",
     policy_rules_extensions},
    {"extensions_fit", "extensions taken over from the request do not contradict the profile's", policy_rules_fit},
    {"validity", "the validity ends before the CA's, or is cut there", policy_rules_validity},
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

static void start(policy_judge_t *j, const policy_request_t *request, apr_pool_t *pool)
{
    memset(j, 0, sizeof(*j));
    j->req = request;
    j->profile = request->alias->profile;
    j->grant = apr_pcalloc(pool, sizeof(*j->grant));
    j->pool = pool;
    j->subject = request->csr->subject;
    j->san = &request->csr->san;
    /* As the rules on names leave them; where they fail, an explanation judges what was asked for */
    j->chosen_subject = j->subject;
    j->chosen_san = *j->san;
    j->taken = apr_array_make(pool, 2, sizeof(pki_attr_t));
}

static void finish(policy_judge_t *j)
{
    policy_grant_t *grant = j->grant;

    grant->exts[grant->n_exts++] = pki_ext_ski(j->req->csr->key->spki, j->pool);
    if (j->req->ca)
        grant->exts[grant->n_exts++] = j->req->ca->aki;
    if (grant->san.n_names)
        grant->exts[grant->n_exts++] =
            pki_ext_encode("2.5.29.17", grant->subject->n_attrs == 0, pki_san_encode(&grant->san, j->pool), j->pool);
    grant->digest = j->profile->digest;
}

est_err_t *policy_decide(policy_grant_t **out, const policy_request_t *request, apr_pool_t *pool)
{
    policy_judge_t j;

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
    policy_judge_t j;
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

pki_tbs_t policy_grant_tbs(const policy_grant_t *grant, est_slice_t spki)
{
    pki_tbs_t tbs = {.not_before = grant->not_before,
                     .not_after = grant->not_after,
                     .subject = grant->subject->der,
                     .spki = spki,
                     .exts = grant->exts,
                     .n_exts = grant->n_exts,
                     .digest = grant->digest};

    return tbs;
}
