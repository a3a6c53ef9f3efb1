/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Rules on the extensions that a request asks for. */

#include "pki/pki_ext.h"
#include "pki/pki_extcheck.h"
#include "pki/pki_reqext.h"
#include "policy_rules.h"

#include <string.h>

#define KEY_USAGE "2.5.29.15"

/* keyUsage as it was asked for, but for what the key cannot do (CP-10) */
static est_err_t *copy_usage(est_slice_t *out, policy_judge_t *j, est_slice_t requested, unsigned wanted)
{
    unsigned bits = wanted & pki_key_usages(j->req->csr->key->type);
    const char *left_out;

    if (!(bits & PKI_USAGE_KEY_AGREEMENT)) /* RFC 5280 4.2.1.3: undefined without it */
        bits &= ~(unsigned)(PKI_USAGE_ENCIPHER_ONLY | PKI_USAGE_DECIPHER_ONLY);
    if (!bits)
        return EST_FAIL(j->pool, extension_refused, "%s can do nothing of the requested keyUsage",
                        j->req->csr->key->label);
    left_out = policy_profile_usage_names(wanted & ~bits, j->pool); /* NULL: none, or bits that have no name */
    if (left_out)
        policy_names_add_dropped(&j->grant->dropped, "keyUsage", left_out, j->pool);
    *out = pki_reqext_with_key_usage(requested, bits, j->pool);
    return NULL;
}

/* As critical as the profile's own, else as it was asked for */
static est_err_t *copy(policy_judge_t *j, const policy_request_ext_t *rule, const pki_req_ext_t *ext)
{
    policy_copied_ext_t *copied = &j->copied[j->n_copied];
    int critical = rule->at < 0 ? ext->critical : pki_ext_parse(j->profile->exts[rule->at]).critical;
    unsigned usage = pki_reqext_key_usage(ext);

    if (pki_der_check(ext->value, j->pool))
        return EST_FAIL(j->pool, extension_refused, "extension %s is malformed", rule->name);
    copied->at = rule->at;
    copied->ext = pki_ext_encode(ext->oid, critical, ext->value, j->pool);
    if (usage)
        EST_TRY(copy_usage(&copied->ext, j, copied->ext, usage));
    j->n_copied++;
    return NULL;
}

/* Is something of that kind in the certificate all the same, or does it say no more than its being left out? */
static int is_given(const policy_judge_t *j, const pki_req_ext_t *ext)
{
    /* subjectKeyIdentifier, subjectAltName, basicConstraints, authorityKeyIdentifier */
    static const char *const always[] = {"2.5.29.14", "2.5.29.17", "2.5.29.19", "2.5.29.35"};

    for (apr_size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        if (!strcmp(always[i], ext->oid))
            return 1;
    for (int i = 0; i < j->profile->n_exts; i++)
        if (!strcmp(j->profile->ext_oids[i], ext->oid))
            return 1;
    return 0;
}

/* What is asked for and not given is left out, but never turned into its opposite (conformance EN-08): a key wanted
 * only for what the profile does not give is refused. */
static est_err_t *leave_out(policy_judge_t *j, const pki_req_ext_t *ext, pki_reqext_kind_t kind, const char *what)
{
    const policy_key_usage_t *usage = policy_rules_usage(j);
    unsigned wanted = pki_reqext_key_usage(ext), given = usage ? usage->bits : 0;

    if (kind == PKI_REQEXT_UNKNOWN && ext->critical)
        return EST_FAIL(j->pool, extension_refused, "critical extension %s is not taken from requests", what);
    if (wanted && given && !(wanted & given))
        return EST_FAIL(j->pool, extension_refused, "profile \"%s\" gives none of the requested key usages to %s",
                        j->profile->name, j->req->csr->key->label);
    if (!is_given(j, ext))
        policy_names_add_dropped(&j->grant->dropped, "extension", pki_reqext_name(ext), j->pool);
    return NULL;
}

static est_err_t *judge_extension(policy_judge_t *j, const pki_req_ext_t *ext)
{
    const policy_request_ext_t *rule = policy_profile_request_ext(j->profile, ext->oid);
    const char *what;
    pki_reqext_kind_t kind = pki_reqext_judge(&what, ext);

    if (kind == PKI_REQEXT_MALFORMED)
        return EST_FAIL(j->pool, extension_refused, "extension %s is malformed", ext->oid);
    if (kind == PKI_REQEXT_POWER)
        return EST_FAIL(j->pool, extension_refused, "%s is never given to an end entity", what);
    if (!rule)
        return leave_out(j, ext, kind, what);
    switch (rule->action) {
    case POLICY_EXT_IGNORE:
        policy_names_add_dropped(&j->grant->dropped, "extension", rule->name, j->pool);
        return NULL;
    case POLICY_EXT_COPY:
    case POLICY_EXT_REQUIRE:
        return copy(j, rule, ext);
    case POLICY_EXT_REFUSE:
        break;
    }
    return EST_FAIL(j->pool, extension_refused, "profile \"%s\" takes no extension %s from requests", j->profile->name,
                    rule->name);
}

static int asks_for(const pki_csr_t *csr, const char *oid)
{
    for (int i = 0; i < csr->n_exts; i++)
        if (!strcmp(csr->exts[i].oid, oid))
            return 1;
    return 0;
}

est_err_t *policy_rules_extensions(policy_judge_t *j)
{
    const pki_csr_t *csr = j->req->csr;

    j->n_copied = 0;
    if (!csr->n_exts && !j->profile->n_request_exts)
        j->not_applicable = 1;
    for (int i = 0; i < csr->n_exts; i++)
        EST_TRY(judge_extension(j, &csr->exts[i]));
    for (int i = 0; i < j->profile->n_request_exts; i++) {
        const policy_request_ext_t *rule = &j->profile->request_exts[i];

        if (rule->action == POLICY_EXT_REQUIRE && !asks_for(csr, rule->oid))
            return EST_FAIL(j->pool, extension_refused, "profile \"%s\" requires extension %s in the request",
                            j->profile->name, rule->name);
    }
    return NULL;
}

/* ---- what goes into the certificate */

static est_slice_t in_place(const policy_judge_t *j, int at)
{
    for (int i = 0; i < j->n_copied; i++)
        if (j->copied[i].at == at)
            return j->copied[i].ext;
    return at == j->profile->key_usage_at ? policy_rules_usage(j)->ext : j->profile->exts[at];
}

est_err_t *policy_rules_fit(policy_judge_t *j)
{
    policy_grant_t *grant = j->grant;
    const char *flaw = NULL;

    grant->n_exts = 0;
    for (int i = 0; i < j->profile->n_exts; i++)
        grant->exts[grant->n_exts++] = in_place(j, i);
    for (int i = 0; i < j->n_copied; i++)
        if (j->copied[i].at < 0)
            grant->exts[grant->n_exts++] = j->copied[i].ext;
    if (!j->n_copied) {
        j->not_applicable = 1; /* the profile's own were looked at when it was loaded */
        return NULL;
    }
    for (int i = 1; i <= grant->n_exts && !flaw; i++) {
        unsigned usage = pki_reqext_given_key_usage(grant->exts[i - 1]);

        flaw = pki_extcheck_flaw(grant->exts, i);
        if (!flaw && usage)
            flaw = pki_extcheck_usage_flaw(usage, grant->exts, grant->n_exts);
    }
    return flaw ? EST_FAIL(j->pool, extension_refused, "what is asked for does not go with profile \"%s\": %s",
                           j->profile->name, flaw)
                : NULL;
}
