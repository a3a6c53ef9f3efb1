/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_profile.h"
#include "pki/pki_extcheck.h"
#include "pki/pki_name.h"
#include "pki/pki_reqext.h"
#include "policy_glob.h"
#include "policy_network.h"
#include "policy_text.h"

#include <apr_strings.h>
#include <string.h>

/* The constraints of the tables refuse all this when it is written. A restored dump or a disabled trigger can still
 * bring it here, and then it must not become a certificate. */

static const char *const violations[] = {"refuse", "drop", NULL};
static const char *const beyond_ca[] = {"cap", "refuse", NULL};
static const char *const digests[] = {"default", "sha256", "sha384", "sha512", NULL};

#define MAX_SECONDS (APR_INT64_C(100) * 366 * 86400)
#define MAX_COUNT 1000

static est_err_t *make_keys(policy_profile_t *profile, const char *text, apr_pool_t *pool)
{
    const char *const *rules = policy_text_list(&profile->n_keys, text, pool);
    pki_key_rule_t *keys = apr_pcalloc(pool, ((apr_size_t)profile->n_keys + 1) * sizeof(*keys));

    if (!profile->n_keys)
        return EST_FAIL(pool, config, "profile \"%s\" allows no key type", profile->name);
    for (int i = 0; i < profile->n_keys; i++)
        EST_TRY(pki_key_rule_parse(&keys[i], rules[i], pool));
    profile->keys = keys;
    profile->keys_text = rules[0];
    for (int i = 1; i < profile->n_keys; i++)
        profile->keys_text = apr_pstrcat(pool, profile->keys_text, " ", rules[i], NULL);
    return NULL;
}

static est_err_t *make_subject_rules(policy_profile_t *profile, const policy_profile_rows_t *rows, apr_pool_t *pool)
{
    policy_subject_rule_t *rules = apr_pcalloc(pool, ((apr_size_t)rows->n_subject_rules + 1) * sizeof(*rules));

    for (int i = 0; i < rows->n_subject_rules; i++) {
        const policy_subject_row_t *row = &rows->subject_rules[i];
        policy_subject_rule_t *rule = &rules[i];
        int bad = 0;

        rule->attribute = row->attribute ? apr_pstrdup(pool, row->attribute) : "";
        rule->nid = pki_name_attr_nid(rule->attribute);
        rule->required = policy_text_bool(row->required);
        rule->pattern = row->pattern ? apr_pstrdup(pool, row->pattern) : "";
        rule->max_count = (int)policy_text_int(row->max_count, 1, MAX_COUNT, &bad);
        rule->on_violation = (policy_violation_t)policy_text_word(row->on_violation, violations, &bad);
        if (bad || !rule->nid || strlen(rule->pattern) > POLICY_GLOB_MAX)
            return EST_FAIL(pool, config, "subject rule for \"%s\" of profile \"%s\" cannot be understood",
                            rule->attribute, profile->name);
    }
    profile->subject_rules = rules;
    profile->n_subject_rules = rows->n_subject_rules;
    return NULL;
}

/* Is this something that policy_names_san can compare an address with? */
static int is_network(const char *pattern, apr_pool_t *pool)
{
    return !strcmp(pattern, "**") || policy_network_is_valid(pattern, pool);
}

int policy_profile_has_san_type(pki_san_type_t type)
{
    return type == PKI_SAN_DNS || type == PKI_SAN_IP || type == PKI_SAN_URI || type == PKI_SAN_EMAIL;
}

/* err, with the profile that it is about */
static est_err_t *of_profile(est_err_t *err, const policy_profile_t *profile, apr_pool_t *pool)
{
    if (err)
        err->detail = apr_psprintf(pool, "profile \"%s\": %s", profile->name, est_err_text(err));
    return err;
}

/* Has a row a template exactly when its names come from one? */
static est_err_t *make_san_source(policy_san_rule_t *rule, const policy_san_row_t *row, int *bad, apr_pool_t *pool)
{
    static const char *const sources[] = {"csr", "template", "entity", NULL};
    policy_template_t *template;

    rule->source = (policy_san_source_t)policy_text_word(row->source, sources, bad);
    *bad |= (rule->source == POLICY_SAN_TEMPLATE) != (row->template != NULL);
    if (!row->template)
        return NULL;
    EST_TRY(policy_template_name(&template, row->template, pool));
    rule->template = template;
    return NULL;
}

static est_err_t *make_san_rules(policy_profile_t *profile, const policy_profile_rows_t *rows, apr_pool_t *pool)
{
    policy_san_rule_t *rules = apr_pcalloc(pool, ((apr_size_t)rows->n_san_rules + 1) * sizeof(*rules));

    for (int i = 0; i < rows->n_san_rules; i++) {
        const policy_san_row_t *row = &rows->san_rules[i];
        policy_san_rule_t *rule = &rules[i];
        int bad = 0, type = row->type ? pki_san_type_from_name(row->type) : -1;

        rule->type = (pki_san_type_t)type;
        rule->pattern = row->pattern ? apr_pstrdup(pool, row->pattern) : "";
        rule->required = policy_text_bool(row->required);
        rule->max_count = (int)policy_text_int(row->max_count, 1, MAX_COUNT, &bad);
        rule->on_violation = (policy_violation_t)policy_text_word(row->on_violation, violations, &bad);
        EST_TRY(of_profile(make_san_source(rule, row, &bad, pool), profile, pool));
        profile->has_san_templates |= rule->template != NULL;
        profile->names_entity |= rule->template && policy_template_names_entity(rule->template);
        if (bad || type < 0 || !policy_profile_has_san_type(rule->type) || strlen(rule->pattern) > POLICY_GLOB_MAX ||
            (rule->type == PKI_SAN_IP && !is_network(rule->pattern, pool)))
            return EST_FAIL(pool, config, "SAN rule %d (type \"%s\") of profile \"%s\" cannot be understood", i + 1,
                            row->type ? row->type : "", profile->name);
    }
    profile->san_rules = rules;
    profile->n_san_rules = rows->n_san_rules;
    return NULL;
}

/* Is exts[n] none that the module writes itself, none of a CA, not there before (RFC 5280 4.2), and right? */
static est_err_t *check_ext(const policy_profile_t *profile, const est_slice_t *exts, int n, const char *name,
                            apr_pool_t *pool)
{
    est_slice_t oid = pki_ext_parse(exts[n]).oid.body;
    const char *what = NULL;

    for (int i = 0; i < n; i++)
        if (est_slice_equal(oid, pki_ext_parse(exts[i]).oid.body))
            what = "is there twice";
    if (est_slice_equal(oid, pki_san_oid))
        what = "holds the names of the request";
    if (!what && !pki_reqext_given_ca_power(&what, exts[n]))
        what = pki_extcheck_flaw(exts, n + 1);
    if (what)
        return EST_FAIL(pool, config, "extension %s of profile \"%s\" is not possible: %s", name, profile->name, what);
    return NULL;
}

static est_err_t *make_exts(policy_profile_t *profile, const policy_profile_rows_t *rows, apr_pool_t *pool)
{
    est_slice_t *exts = apr_pcalloc(pool, ((apr_size_t)rows->n_exts + 1) * sizeof(*exts));
    const char **oids = apr_pcalloc(pool, ((apr_size_t)rows->n_exts + 1) * sizeof(*oids));

    for (int i = 0; i < rows->n_exts; i++) {
        EST_TRY(pki_ext_build(&exts[i], &rows->exts[i], rows->sections, rows->n_sections, pool));
        EST_TRY(check_ext(profile, exts, i, rows->exts[i].name, pool));
        oids[i] = pki_oid_to_text(pki_ext_parse(exts[i]).oid.body, pool);
        if (!oids[i])
            return EST_FAIL(pool, config, "extension %s of profile \"%s\" has an OID that cannot be read",
                            rows->exts[i].name, profile->name);
    }
    profile->exts = exts;
    profile->ext_oids = oids;
    profile->n_exts = rows->n_exts;
    return NULL;
}

/* ---- extensions of requests */

/* A dotted OID, as the table has it; NULL when no rule may be about it: CA powers, and what the module writes itself */
static const char *request_ext_oid(const char *name, apr_pool_t *pool)
{
    static const struct {
        const char *name, *oid;
    } named[] = {{"keyUsage", "2.5.29.15"}, {"extendedKeyUsage", "2.5.29.37"}, {"tlsfeature", "1.3.6.1.5.5.7.1.24"}};
    static const char *const reserved[] = {"1.3.6.1.5.5.7.1.1",
                                           "1.3.6.1.5.5.7.1.24",
                                           "1.3.6.1.5.5.7.1.7",
                                           "1.3.6.1.5.5.7.1.8",
                                           "1.3.6.1.5.5.7.1.11",
                                           "1.3.6.1.5.5.7.1.14",
                                           "1.3.6.1.5.5.7.1.28",
                                           "1.3.6.1.5.5.7.1.29",
                                           "1.3.6.1.5.5.7.48.1.5",
                                           "1.3.6.1.4.1.11129.2.4.3",
                                           "2.16.840.1.113730.1.1",
                                           "2.16.840.1.113730.1.13",
                                           NULL};

    for (apr_size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
        if (!strcmp(name, named[i].name))
            return named[i].oid;
    for (int i = 0; reserved[i]; i++)
        if (!strcmp(name, reserved[i]))
            return NULL;
    /* id-ce, but for subjectDirectoryAttributes and privateKeyUsagePeriod */
    if (!strncmp(name, "2.5.29.", 7) && strcmp(name, "2.5.29.9") != 0 && strcmp(name, "2.5.29.16") != 0)
        return NULL;
    return pki_oid_from_text(name, pool).n ? apr_pstrdup(pool, name) : NULL;
}

static int ext_at(const policy_profile_t *profile, const char *oid, apr_pool_t *pool)
{
    est_slice_t wanted = pki_oid_from_text(oid, pool);

    for (int i = 0; i < profile->n_exts; i++)
        if (est_slice_equal(wanted, pki_ext_parse(profile->exts[i]).oid.body))
            return i;
    return -1;
}

static est_err_t *make_request_exts(policy_profile_t *profile, const policy_profile_rows_t *rows, apr_pool_t *pool)
{
    static const char *const actions[] = {"ignore", "copy", "require", "refuse", NULL};
    policy_request_ext_t *made = apr_pcalloc(pool, ((apr_size_t)rows->n_request_exts + 1) * sizeof(*made));

    if (rows->n_request_exts > POLICY_PROFILE_MAX_REQUEST_EXTS)
        return EST_FAIL(pool, config, "profile \"%s\" has rules on over %d requested extensions", profile->name,
                        POLICY_PROFILE_MAX_REQUEST_EXTS);
    for (int i = 0; i < rows->n_request_exts; i++) {
        const policy_request_ext_row_t *row = &rows->request_exts[i];
        int bad = 0;

        made[i].name = row->name ? apr_pstrdup(pool, row->name) : "";
        made[i].oid = request_ext_oid(made[i].name, pool);
        made[i].action = (policy_ext_action_t)policy_text_word(row->action, actions, &bad);
        profile->request_exts = made;
        if (bad || !made[i].oid || policy_profile_request_ext(profile, made[i].oid))
            return EST_FAIL(pool, config, "rule on requested extension \"%s\" of profile \"%s\" cannot be understood",
                            made[i].name, profile->name);
        made[i].at = ext_at(profile, made[i].oid, pool);
        profile->n_request_exts = i + 1;
    }
    return NULL;
}

const policy_request_ext_t *policy_profile_request_ext(const policy_profile_t *profile, const char *oid)
{
    for (int i = 0; i < profile->n_request_exts; i++)
        if (!strcmp(profile->request_exts[i].oid, oid))
            return &profile->request_exts[i];
    return NULL;
}

const char *policy_profile_usage_names(unsigned bits, apr_pool_t *pool)
{
    static const char *const names[] = {"digitalSignature", "nonRepudiation", "keyEncipherment",
                                        "dataEncipherment", "keyAgreement",   "keyCertSign",
                                        "cRLSign",          "encipherOnly",   "decipherOnly"};
    const char *text = "";

    for (int i = 0; i < 9; i++)
        if (bits & 1u << i)
            text = apr_pstrcat(pool, text, *text ? " " : "", names[i], NULL);
    return *text ? text : NULL;
}

/* keyUsage says what a key is for, and no key is for everything. Made here, once, and not for each certificate. */
static void make_key_usages(policy_profile_t *profile, apr_pool_t *pool)
{
    const unsigned only = PKI_USAGE_ENCIPHER_ONLY | PKI_USAGE_DECIPHER_ONLY;
    unsigned given = 0;

    profile->key_usage_at = -1;
    for (int i = 0; i < profile->n_exts; i++) {
        unsigned bits = pki_reqext_given_key_usage(profile->exts[i]);

        if (bits) {
            given = bits;
            profile->key_usage_at = i;
        }
    }
    for (int type = 0; given && type < POLICY_PROFILE_KEY_TYPES; type++) {
        policy_key_usage_t *usage = &profile->key_usage[type];
        unsigned bits = given & pki_key_usages((pki_key_type_t)type);

        if (!(bits & PKI_USAGE_KEY_AGREEMENT)) /* RFC 5280 4.2.1.3: undefined without it */
            bits &= ~only;
        usage->left_out = policy_profile_usage_names(given & ~bits, pool);
        if (!usage->left_out)
            usage->ext = profile->exts[profile->key_usage_at];
        else if (pki_extcheck_usage_flaw(bits, profile->exts, profile->n_exts))
            bits = 0; /* what is left would make the certificate one of no use */
        else if (bits)
            usage->ext = pki_reqext_with_key_usage(profile->exts[profile->key_usage_at], bits, pool);
        usage->bits = bits;
    }
}

est_err_t *policy_profile_make(policy_profile_t **out, const policy_profile_rows_t *rows, apr_pool_t *pool)
{
    const policy_profile_row_t *row = &rows->profile;
    policy_profile_t *profile = apr_pcalloc(pool, sizeof(*profile));
    int bad = 0;

    profile->id = (int)policy_text_int(row->id, 1, APR_INT32_MAX, &bad);
    profile->name = row->name ? apr_pstrdup(pool, row->name) : "";
    profile->validity = policy_text_int(row->validity, 1, MAX_SECONDS, &bad);
    profile->backdate = policy_text_int(row->backdate, 0, MAX_SECONDS, &bad);
    profile->latest_end = policy_text_time(row->latest_end, &bad);
    profile->beyond_ca = (policy_beyond_ca_t)policy_text_word(row->beyond_ca, beyond_ca, &bad);
    profile->digest = (pki_digest_t)policy_text_word(row->digest, digests, &bad);
    profile->subject_other = (policy_violation_t)policy_text_word(row->subject_other, violations, &bad);
    profile->san_other = (policy_violation_t)policy_text_word(row->san_other, violations, &bad);
    profile->dns_wildcards = policy_text_bool(row->dns_wildcards);
    if (bad)
        return EST_FAIL(pool, config, "a column of profile \"%s\" cannot be understood", profile->name);
    EST_TRY(make_keys(profile, row->keys, pool));
    EST_TRY(make_subject_rules(profile, rows, pool));
    EST_TRY(make_san_rules(profile, rows, pool));
    if (rows->n_exts > POLICY_PROFILE_MAX_EXTS)
        return EST_FAIL(pool, config, "profile \"%s\" has over %d extensions", profile->name, POLICY_PROFILE_MAX_EXTS);
    EST_TRY(make_exts(profile, rows, pool));
    make_key_usages(profile, pool);
    EST_TRY(make_request_exts(profile, rows, pool));
    if (row->subject_template) {
        policy_template_t *template;

        EST_TRY(of_profile(policy_template_subject(&template, row->subject_template, pool), profile, pool));
        profile->subject_template = template;
        profile->names_entity |= policy_template_names_entity(template);
    }
    *out = profile;
    return NULL;
}
