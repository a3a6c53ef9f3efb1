/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* estctl check: what the policy says, as httpd understands it. An error is what certainly is refused or fails, a
 * warning what may be meant so. */

#include "cli_check.h"

#include "base/est_bytes.h"
#include "cli_policy.h"
#include "policy/policy_glob.h"
#include "policy/policy_names.h"

#include <apr_strings.h>
#include <string.h>

typedef struct {
    cli_findings_t *findings;
    const policy_alias_t *alias;
    const policy_profile_t *profile;
    apr_pool_t *pool;
} check_t;

static void of_alias(const check_t *c, cli_severity_t severity, const char *finding)
{
    cli_check_add(c->findings, severity, "alias", c->alias->name, finding, c->pool);
}

static void of_profile(const check_t *c, cli_severity_t severity, const char *finding)
{
    cli_check_add(c->findings, severity, "profile", c->profile->name, finding, c->pool);
}

/* --- profiles */

static const policy_subject_rule_t *rule_of(const policy_profile_t *profile, const char *attribute)
{
    for (int i = 0; i < profile->n_subject_rules; i++)
        if (!strcmp(profile->subject_rules[i].attribute, attribute))
            return &profile->subject_rules[i];
    return NULL;
}

/* What becomes of an attribute that the template always gives, and the rules do not allow */
static void add_not_allowed(const check_t *c, const char *attribute, const char *why, policy_violation_t violation,
                            int certain)
{
    int refuses = violation == POLICY_REFUSE;

    of_profile(c, refuses && certain ? CLI_FAULT : CLI_WARNING,
               apr_psprintf(c->pool, "subject_template gives %s, %s: %s", attribute, why,
                            !refuses  ? "it is left out"
                            : certain ? "every simpleenroll is refused"
                                      : "a request that it is made from is refused"));
}

static void check_template_attribute(const check_t *c, const char *attribute, const char *value, int always)
{
    const policy_subject_rule_t *rule = rule_of(c->profile, attribute);

    if (!rule)
        add_not_allowed(c, attribute, "for which there is no rule", c->profile->subject_other, always);
    else if (value && !policy_glob_match(rule->pattern, value, policy_names_like_dns(value)))
        add_not_allowed(c, attribute,
                        apr_psprintf(c->pool, "and \"%s\" does not match the pattern \"%s\"", value, rule->pattern),
                        rule->on_violation, 1);
}

static int template_gives(const check_t *c, const char *wanted)
{
    const char *attribute, *value;
    int always;

    for (int i = 0; (attribute = policy_template_attribute(&value, &always, c->profile->subject_template, i, c->pool));
         i++)
        if (!strcmp(attribute, wanted))
            return 1;
    return 0;
}

static void check_template(const check_t *c)
{
    const policy_template_t *template = c->profile->subject_template;
    const char *attribute, *value;
    int always;

    if (!template)
        return;
    for (int i = 0; (attribute = policy_template_attribute(&value, &always, template, i, c->pool)); i++)
        check_template_attribute(c, attribute, value, always);
    for (int i = 0; i < c->profile->n_subject_rules; i++) {
        const policy_subject_rule_t *rule = &c->profile->subject_rules[i];

        if (rule->required && !template_gives(c, rule->attribute))
            of_profile(c, CLI_FAULT,
                       apr_psprintf(c->pool,
                                    "requires %s, which subject_template does not give: every simpleenroll is refused",
                                    rule->attribute));
    }
}

/* keyUsage that a key cannot have is cut; where nothing is left, nothing is issued. A request may bring its own. */
static void check_key_usage(const check_t *c)
{
    const policy_request_ext_t *requested = policy_profile_request_ext(c->profile, "2.5.29.15");
    int may_bring = requested && (requested->action == POLICY_EXT_COPY || requested->action == POLICY_EXT_REQUIRE);
    int n_useless = 0;

    if (c->profile->key_usage_at < 0)
        return;
    for (int i = 0; i < c->profile->n_keys; i++)
        n_useless += !c->profile->key_usage[c->profile->keys[i].type].bits;
    if (!n_useless)
        return;
    of_profile(c, n_useless == c->profile->n_keys && !may_bring ? CLI_FAULT : CLI_WARNING,
               n_useless == c->profile->n_keys
                   ? "has a keyUsage that no key type which it allows can have: requests are refused"
                   : "has a keyUsage that some of the key types which it allows cannot have: "
                     "requests for such keys are refused");
}

/* Names are taken by the first rule that has room for them */
static void check_order(const check_t *c)
{
    for (int i = 0; i < c->profile->n_san_rules; i++) {
        const policy_san_rule_t *rule = &c->profile->san_rules[i];

        for (int j = 0; j < i; j++) {
            const policy_san_rule_t *before = &c->profile->san_rules[j];
            int takes_all = !strcmp(before->pattern, "**") || !strcmp(before->pattern, rule->pattern);

            if (!takes_all || before->type != rule->type || before->source != rule->source ||
                rule->source == POLICY_SAN_TEMPLATE)
                continue;
            of_profile(c, rule->required ? CLI_WARNING : CLI_NOTICE,
                       apr_psprintf(c->pool,
                                    "the rule for %s \"%s\" gets only what an earlier one, \"%s\", has no room for%s",
                                    pki_san_type_name(rule->type), rule->pattern, before->pattern,
                                    rule->required ? ", and is required" : ""));
            break;
        }
    }
}

static void check_profile(const check_t *c)
{
    check_template(c);
    check_key_usage(c);
    check_order(c);
}

/* --- profile and group */

static int group_may_have(const check_t *c, const char *pattern, int dns)
{
    for (int i = 0; i < c->alias->group->n_names; i++)
        if (policy_glob_may_meet(pattern, c->alias->group->names[i], dns, c->pool))
            return 1;
    return 0;
}

static int group_has(const check_t *c, const char *value)
{
    for (int i = 0; i < c->alias->group->n_names; i++)
        if (policy_glob_match(c->alias->group->names[i], value, policy_names_like_dns(value)))
            return 1;
    return 0;
}

static void add_never(const check_t *c, const char *what, const char *pattern, int required)
{
    of_alias(c, required ? CLI_FAULT : CLI_WARNING,
             apr_psprintf(c->pool,
                          "profile \"%s\" has a rule for %s \"%s\", and group \"%s\" no pattern that fits it: %s",
                          c->profile->name, what, pattern, c->alias->group->name,
                          required ? "it is required, so every request is refused" : "such names are refused"));
}

static void check_group_subject(const check_t *c)
{
    for (int i = 0; i < c->profile->n_subject_rules; i++) {
        const policy_subject_rule_t *rule = &c->profile->subject_rules[i];

        if (pki_name_attr_is_identity(rule->nid) && !group_may_have(c, rule->pattern, 0))
            add_never(c, rule->attribute, rule->pattern, rule->required);
    }
}

/* Patterns of addresses are networks, which are not compared with those of a group */
static void check_group_san(const check_t *c)
{
    for (int i = 0; i < c->profile->n_san_rules; i++) {
        const policy_san_rule_t *rule = &c->profile->san_rules[i];

        if (rule->type != PKI_SAN_IP && !group_may_have(c, rule->pattern, rule->type == PKI_SAN_DNS))
            add_never(c, pki_san_type_name(rule->type), rule->pattern, rule->required);
    }
}

static void check_group_template(const check_t *c)
{
    const char *attribute, *value;
    int always;

    for (int i = 0; c->profile->subject_template &&
                    (attribute = policy_template_attribute(&value, &always, c->profile->subject_template, i, c->pool));
         i++)
        if (value && pki_name_attr_is_identity(pki_name_attr_nid(attribute)) && rule_of(c->profile, attribute) &&
            !group_has(c, value))
            of_alias(c, CLI_WARNING,
                     apr_psprintf(c->pool,
                                  "subject_template of profile \"%s\" gives %s=%s, which group \"%s\" does not allow",
                                  c->profile->name, attribute, value, c->alias->group->name));
}

/* --- aliases */

static void check_san_sources(const check_t *c)
{
    for (int i = 0; i < c->profile->n_san_rules; i++) {
        const policy_san_rule_t *rule = &c->profile->san_rules[i];

        if (rule->source == POLICY_SAN_ENTITY && c->alias->mode == POLICY_MODE_RA)
            of_alias(
                c, CLI_WARNING,
                apr_psprintf(c->pool,
                             "profile \"%s\" takes names of type %s from end entities, of which mode ra knows none",
                             c->profile->name, pki_san_type_name(rule->type)));
    }
}

static void check_renewal(const check_t *c)
{
    if (c->alias->renew_window > c->profile->validity)
        of_alias(
            c, CLI_WARNING,
            apr_psprintf(c->pool,
                         "renew_window is longer than the validity of profile \"%s\": it keeps nobody from renewing",
                         c->profile->name));
}

/* cas: names with commas, or NULL */
static void check_ca(const check_t *c, const char *cas)
{
    char *state, *rest;

    if (!cas || !c->alias->ca)
        return;
    rest = apr_pstrdup(c->pool, cas);
    for (const char *name = apr_strtok(rest, ", ", &state); name; name = apr_strtok(NULL, ", ", &state))
        if (!strcmp(name, c->alias->ca))
            return;
    of_alias(
        c, CLI_FAULT,
        apr_psprintf(c->pool, "names CA \"%s\", for which httpd has no <EstCA>: enrolment answers 503", c->alias->ca));
}

static void check_alias(const check_t *c, const char *cas)
{
    if (c->alias->broken) {
        of_alias(c, CLI_FAULT, apr_pstrcat(c->pool, "is broken and answers 503: ", c->alias->broken, NULL));
        return;
    }
    if (!c->alias->enabled)
        return;
    check_ca(c, cas);
    if (!c->profile)
        return;
    check_san_sources(c);
    check_renewal(c);
    if (!c->alias->group)
        return;
    check_group_subject(c);
    check_group_san(c);
    check_group_template(c);
}

/* Is this the first alias that has its profile? */
static int is_first(const policy_snapshot_t *snapshot, int n)
{
    const policy_profile_t *profile = policy_snapshot_alias_at(snapshot, n)->profile;

    for (int i = 0; i < n; i++)
        if (policy_snapshot_alias_at(snapshot, i)->profile == profile)
            return 0;
    return 1;
}

est_err_t *cli_check_policy(cli_t *cli, cli_findings_t *findings)
{
    const policy_snapshot_t *snapshot;
    est_service_t service;
    const policy_alias_t *alias;

    EST_TRY(cli_policy_open(&service, cli));
    EST_TRY(store_cache_policy(service.cache, &snapshot, 0, cli->pool));
    for (int i = 0; (alias = policy_snapshot_alias_at(snapshot, i)); i++) {
        check_t c = {findings, alias, alias->profile, cli->pool};

        check_alias(&c, cli_option(cli, "cas"));
        if (c.profile && is_first(snapshot, i))
            check_profile(&c);
    }
    return NULL;
}
