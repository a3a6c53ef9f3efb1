/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_names.h"
#include "policy_glob.h"
#include "policy_network.h"

#include <apr_cstr.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

int policy_names_like_dns(const char *s)
{
    return strchr(s, '.') && !s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.*")];
}

void policy_names_add_dropped(const char **dropped, const char *type, const char *value, apr_pool_t *pool)
{
    *dropped = apr_psprintf(pool, "%s%s%s=%s", *dropped ? *dropped : "", *dropped ? ", " : "", type, value);
}

/* ---- the profile's rules for the subject */

static const policy_subject_rule_t *subject_rule(const policy_profile_t *profile, const pki_attr_t *attr)
{
    for (int i = 0; i < profile->n_subject_rules; i++)
        if (profile->subject_rules[i].nid == attr->nid)
            return &profile->subject_rules[i];
    return NULL;
}

/* NULL: the rule is content; else what is wrong */
static const char *subject_flaw(const policy_subject_rule_t *rule, const pki_attr_t *attr, int seen, apr_pool_t *pool)
{
    if (!rule)
        return "there is no rule for it";
    if (seen >= rule->max_count)
        return apr_psprintf(pool, "at most %d allowed", rule->max_count);
    if (!policy_glob_match(rule->pattern, attr->value, policy_names_like_dns(attr->value)))
        return apr_psprintf(pool, "pattern is \"%s\"", rule->pattern);
    return NULL;
}

static int count_attr(const pki_attr_t *attrs, int n, int nid)
{
    int count = 0;

    for (int i = 0; i < n; i++)
        count += attrs[i].nid == nid;
    return count;
}

est_err_t *policy_names_subject(const pki_name_t **out, const char **dropped, const policy_profile_t *profile,
                                const pki_name_t *wanted, apr_pool_t *pool)
{
    pki_attr_t *kept = apr_palloc(pool, ((apr_size_t)wanted->n_attrs + 1) * sizeof(*kept));
    pki_name_t *name;
    int n = 0;

    for (int i = 0; i < wanted->n_attrs; i++) {
        const pki_attr_t *attr = &wanted->attrs[i];
        const policy_subject_rule_t *rule = subject_rule(profile, attr);
        const char *flaw = subject_flaw(rule, attr, count_attr(kept, n, attr->nid), pool);

        if (!flaw)
            kept[n++] = *attr;
        else if ((rule ? rule->on_violation : profile->subject_other) == POLICY_DROP)
            policy_names_add_dropped(dropped, attr->type, attr->value, pool);
        else
            return EST_FAIL(pool, name_refused, "subject %s=\"%s\": %s in profile \"%s\"", attr->type, attr->value,
                            flaw, profile->name);
    }
    for (int i = 0; i < profile->n_subject_rules; i++)
        if (profile->subject_rules[i].required && !count_attr(kept, n, profile->subject_rules[i].nid))
            return EST_FAIL(pool, name_invalid, "profile \"%s\" requires %s in the subject", profile->name,
                            profile->subject_rules[i].attribute);
    EST_TRY(pki_name_encode(&name, kept, n, pool));
    *out = name;
    return NULL;
}

/* ---- and for the subjectAltName */

static int in_network(const char *network, const char *address, apr_pool_t *pool)
{
    apr_sockaddr_t *sa;

    /* address is numeric already: nothing is looked up */
    return apr_sockaddr_info_get(&sa, address, APR_UNSPEC, 0, 0, pool) == APR_SUCCESS &&
           policy_network_has(network, sa, pool);
}

static int san_matches(const policy_san_rule_t *rule, const pki_san_t *san, apr_pool_t *pool)
{
    if (rule->type == PKI_SAN_IP && strcmp(rule->pattern, "**") != 0)
        return in_network(rule->pattern, san->value, pool);
    return policy_glob_match(rule->pattern, san->value, san->type == PKI_SAN_DNS);
}

/* While the names are gathered */
typedef struct {
    const policy_profile_t *profile;
    pki_san_t *kept;
    int n;
    int *counts; /* by rule */
    const char **dropped;
    apr_pool_t *pool;
} gathered_t;

#define ANY_SOURCE (-1)
#define ANY_RULE (-1)

/* Several rules of one type are alternatives, each with a count of its own. *rule: one of its type whose
 * on_violation holds when none takes the name, the strictest; NULL when there is none. A name of a template is that
 * rule's alone. */
static const char *san_flaw(const policy_san_rule_t **rule, gathered_t *g, const pki_san_t *san, int source, int only)
{
    int wildcard = san->type == PKI_SAN_DNS && san->value[0] == '*' && !g->profile->dns_wildcards;
    const char *flaw = "there is no rule for this type";

    *rule = NULL;
    for (int i = 0; i < g->profile->n_san_rules; i++) {
        const policy_san_rule_t *candidate = &g->profile->san_rules[i];

        if (candidate->type != san->type || (source != ANY_SOURCE && (int)candidate->source != source) ||
            (only != ANY_RULE && only != i))
            continue;
        if (!*rule || candidate->on_violation == POLICY_REFUSE)
            *rule = candidate;
        if (wildcard) {
            flaw = "wildcards are not allowed";
        } else if (!san_matches(candidate, san, g->pool)) {
            flaw = apr_psprintf(g->pool, "pattern is \"%s\"", candidate->pattern);
        } else if (g->counts[i] >= candidate->max_count) {
            flaw = apr_psprintf(g->pool, "at most %d allowed", candidate->max_count);
        } else {
            g->counts[i]++;
            return NULL;
        }
    }
    return flaw;
}

static int has_san(const pki_san_t *names, int n, const pki_san_t *san)
{
    for (int i = 0; i < n; i++)
        if (pki_san_same(&names[i], san))
            return 1;
    return 0;
}

static est_err_t *take_san(gathered_t *g, const pki_san_t *san, int source, int only)
{
    const policy_san_rule_t *rule;
    const char *flaw;

    if (has_san(g->kept, g->n, san)) {
        if (only != ANY_RULE) /* for what it requires */
            san_flaw(&rule, g, san, source, only);
        return NULL;
    }
    flaw = san_flaw(&rule, g, san, source, only);
    if (!flaw)
        g->kept[g->n++] = *san;
    else if ((rule ? rule->on_violation : g->profile->san_other) == POLICY_DROP)
        policy_names_add_dropped(g->dropped, pki_san_type_name(san->type), san->value, g->pool);
    else if (!policy_profile_has_san_type(san->type))
        return EST_FAIL(g->pool, name_invalid, "%s: this type of subjectAltName is never issued",
                        pki_san_text(san, g->pool));
    else
        return EST_FAIL(g->pool, name_refused, "%s: %s in profile \"%s\"", pki_san_text(san, g->pool), flaw,
                        g->profile->name);
    return NULL;
}

static int has_entity_rule(const policy_profile_t *profile, pki_san_type_t type)
{
    for (int i = 0; i < profile->n_san_rules; i++)
        if (profile->san_rules[i].source == POLICY_SAN_ENTITY && profile->san_rules[i].type == type)
            return 1;
    return 0;
}

/* Names that the request need not have: one of each template, and of the end entity's row those of the types that
 * rules want from there */
static est_err_t *take_given(gathered_t *g, const policy_names_sans_t *wanted)
{
    for (int i = 0; i < g->profile->n_san_rules; i++) {
        const policy_san_rule_t *rule = &g->profile->san_rules[i];
        const char *text = NULL;
        pki_san_t san;

        if (rule->source == POLICY_SAN_TEMPLATE && wanted->values)
            text = policy_template_fill_name(rule->template, wanted->values, g->pool);
        if (text) {
            EST_TRY(pki_san_make(&san, rule->type, text, g->pool));
            EST_TRY(take_san(g, &san, POLICY_SAN_TEMPLATE, i));
        }
    }
    for (int i = 0; wanted->entity && i < wanted->entity->n_names; i++)
        if (has_entity_rule(g->profile, wanted->entity->names[i].type))
            EST_TRY(take_san(g, &wanted->entity->names[i], POLICY_SAN_ENTITY, ANY_RULE));
    return NULL;
}

/* Is one of these names, which may have come by another rule, too, what this one requires? */
static int has_required(gathered_t *g, const policy_san_rule_t *rule, const pki_sans_t *names)
{
    for (int i = 0; names && i < names->n_names; i++)
        if (names->names[i].type == rule->type && san_matches(rule, &names->names[i], g->pool) &&
            has_san(g->kept, g->n, &names->names[i]))
            return 1;
    return 0;
}

static est_err_t *check_required(gathered_t *g, const policy_names_sans_t *wanted)
{
    for (int i = 0; i < g->profile->n_san_rules; i++) {
        const policy_san_rule_t *rule = &g->profile->san_rules[i];

        if (!rule->required || g->counts[i])
            continue;
        if ((wanted->renewed || rule->source == POLICY_SAN_CSR) && has_required(g, rule, wanted->csr))
            continue;
        if (rule->source == POLICY_SAN_ENTITY && has_required(g, rule, wanted->entity))
            continue;
        return EST_FAIL(g->pool, name_invalid, "profile \"%s\" requires a subjectAltName of type %s (%s)",
                        g->profile->name, pki_san_type_name(rule->type), rule->pattern);
    }
    return NULL;
}

est_err_t *policy_names_san(pki_sans_t *out, const char **dropped, const policy_profile_t *profile,
                            const policy_names_sans_t *wanted, apr_pool_t *pool)
{
    apr_size_t rules = (apr_size_t)profile->n_san_rules + 1;
    apr_size_t room =
        rules + (apr_size_t)wanted->csr->n_names + (wanted->entity ? (apr_size_t)wanted->entity->n_names : 0);
    gathered_t g = {.profile = profile, .dropped = dropped, .pool = pool};
    int n_given;

    g.kept = apr_palloc(pool, room * sizeof(*g.kept));
    g.counts = apr_pcalloc(pool, rules * sizeof(*g.counts));
    EST_TRY(take_given(&g, wanted));
    n_given = g.n;
    for (int i = 0; i < wanted->csr->n_names; i++)
        EST_TRY(take_san(&g, &wanted->csr->names[i], wanted->renewed ? ANY_SOURCE : (int)POLICY_SAN_CSR, ANY_RULE));
    EST_TRY(check_required(&g, wanted));
    if (g.n > PKI_SAN_MAX)
        return EST_FAIL(pool, name_invalid, "%d subjectAltNames; allowed are %d", g.n, PKI_SAN_MAX);
    out->names = g.kept;
    out->n_names = g.n;
    if (wanted->chosen)
        *wanted->chosen = (pki_sans_t){g.kept + n_given, g.n - n_given};
    return NULL;
}

/* ---- subject and subjectAltName together */

static int has_email(const pki_sans_t *san, const char *address)
{
    pki_san_t wanted = {PKI_SAN_EMAIL, address, {NULL, 0}};

    return has_san(san->names, san->n_names, &wanted);
}

const char *policy_names_lone_email(const pki_name_t *subject, const pki_sans_t *san)
{
    int nid = pki_name_attr_nid("emailAddress");

    for (int i = 0; i < subject->n_attrs; i++)
        if (subject->attrs[i].nid == nid && !has_email(san, subject->attrs[i].value))
            return subject->attrs[i].value;
    return NULL;
}

/* Equal but for letter case and blanks */
static int same_spelling(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, " ");
        b += strspn(b, " ");
        if (apr_tolower(*a) != apr_tolower(*b))
            return 0;
        if (!*a)
            return 1;
    }
}

int policy_names_is(const pki_name_t *subject, const pki_name_t *name)
{
    if (pki_name_equal(subject, name))
        return 1;
    for (int i = 0; i < subject->n_attrs; i++)
        if (!strcmp(subject->attrs[i].type, "CN") && same_spelling(subject->attrs[i].value, name->text))
            return 1;
    return 0;
}

/* ---- names against lists of patterns */

static int matches_any(const char *const *patterns, int n, const char *value, int dns)
{
    for (int i = 0; i < n; i++)
        if (policy_glob_match(patterns[i], value, dns))
            return 1;
    return 0;
}

/* The first name that no pattern covers, or NULL; *type says what it is. O=Example alone is nobody's name. */
static const char *uncovered(const char **type, const char *const *patterns, int n, const pki_name_t *subject,
                             const pki_sans_t *san)
{
    int named = san->n_names > 0;

    for (int i = 0; i < subject->n_attrs; i++) {
        const pki_attr_t *attr = &subject->attrs[i];

        if (!pki_name_attr_is_identity(attr->nid))
            continue;
        named = 1;
        *type = attr->type;
        if (!matches_any(patterns, n, attr->value, policy_names_like_dns(attr->value)))
            return attr->value;
    }
    for (int i = 0; i < san->n_names; i++) {
        *type = pki_san_type_name(san->names[i].type);
        if (!matches_any(patterns, n, san->names[i].value, san->names[i].type == PKI_SAN_DNS))
            return san->names[i].value;
    }
    *type = "subject";
    return named ? NULL : subject->text;
}

est_err_t *policy_names_group(const policy_group_t *group, const pki_name_t *subject, const pki_sans_t *san,
                              apr_pool_t *pool)
{
    const char *type, *value = uncovered(&type, group->names, group->n_names, subject, san);

    if (!value)
        return NULL;
    return EST_FAIL(pool, name_refused, "%s \"%s\" matches no pattern of group \"%s\"", type, value, group->name);
}

/* A pattern would give the stars in a user name a meaning */
int policy_names_same(const char *name, const char *value, int dns)
{
    return dns ? apr_cstr_casecmp(name, value) == 0 : strcmp(name, value) == 0;
}

static est_err_t *check_own_user(const char *user, const pki_name_t *subject, const pki_sans_t *san, apr_pool_t *pool)
{
    int named = 0;

    for (int i = 0; i < subject->n_attrs; i++) {
        const pki_attr_t *attr = &subject->attrs[i];

        if (!pki_name_attr_is_identity(attr->nid))
            continue;
        if (!policy_names_same(user, attr->value, policy_names_like_dns(attr->value)))
            return EST_FAIL(pool, name_not_yours, "client \"%s\" asks for %s \"%s\"", user, attr->type, attr->value);
        named = 1;
    }
    for (int i = 0; i < san->n_names; i++) {
        if (!policy_names_same(user, san->names[i].value, san->names[i].type == PKI_SAN_DNS))
            return EST_FAIL(pool, name_not_yours, "client \"%s\" asks for %s", user,
                            pki_san_text(&san->names[i], pool));
        named = 1;
    }
    return named ? NULL : EST_FAIL(pool, name_not_yours, "client \"%s\" asks for \"%s\"", user, subject->text);
}

static est_err_t *check_own_cert(const pki_cert_t *cert, const pki_name_t *subject, const pki_sans_t *san,
                                 apr_pool_t *pool)
{
    if (!pki_name_equal(subject, cert->subject))
        return EST_FAIL(pool, name_not_yours, "certificate of \"%s\" asks for \"%s\"", cert->subject->text,
                        subject->text);
    if (!pki_san_subset(san, &cert->san))
        return EST_FAIL(pool, name_not_yours, "certificate has %s, asks for %s", policy_names_text(&cert->san, pool),
                        policy_names_text(san, pool));
    return NULL;
}

/* Does it stand in the certificate, as whatever? */
static int has_text(const pki_cert_t *cert, const char *value)
{
    for (int i = 0; i < cert->subject->n_attrs; i++)
        if (pki_name_attr_is_identity(cert->subject->attrs[i].nid) && !strcmp(cert->subject->attrs[i].value, value))
            return 1;
    for (int i = 0; i < cert->san.n_names; i++)
        if (!strcmp(cert->san.names[i].value, value))
            return 1;
    return !strcmp(cert->subject->text, value);
}

/* What a vendor's certificate calls its device */
static int is_device(const pki_cert_t *cert, const char *value, int dns)
{
    for (int i = 0; i < cert->subject->n_attrs; i++)
        if (pki_name_attr_is_identity(cert->subject->attrs[i].nid) &&
            policy_names_same(cert->subject->attrs[i].value, value, dns))
            return 1;
    return cert->hardware_serial && policy_names_same(cert->hardware_serial, value, dns);
}

static est_err_t *check_device(const pki_cert_t *cert, const pki_name_t *subject, const pki_sans_t *san,
                               apr_pool_t *pool)
{
    int named = 0;

    for (int i = 0; i < subject->n_attrs; i++) {
        const pki_attr_t *attr = &subject->attrs[i];

        if (!pki_name_attr_is_identity(attr->nid))
            continue;
        named = 1;
        if (!is_device(cert, attr->value, policy_names_like_dns(attr->value)))
            return EST_FAIL(pool, name_not_yours, "vendor certificate of \"%s\" asks for %s \"%s\"",
                            cert->subject->text, attr->type, attr->value);
    }
    for (int i = 0; i < san->n_names; i++) {
        named = 1;
        if (!is_device(cert, san->names[i].value, san->names[i].type == PKI_SAN_DNS))
            return EST_FAIL(pool, name_not_yours, "vendor certificate of \"%s\" asks for %s", cert->subject->text,
                            pki_san_text(&san->names[i], pool));
    }
    return named ? NULL
                 : EST_FAIL(pool, name_not_yours, "vendor certificate of \"%s\" asks for \"%s\"", cert->subject->text,
                            subject->text);
}

static int has_only(const policy_client_t *client, const char *word)
{
    return client->n_names == 1 && !strcmp(client->names[0], word);
}

est_err_t *policy_names_identity(const policy_identity_t *identity, const pki_name_t *subject, const pki_sans_t *san,
                                 apr_pool_t *pool)
{
    const policy_client_t *client = identity->client;
    const char *type, *value;

    if (identity->kind == POLICY_IDENTITY_CERTIFICATE)
        return check_own_cert(identity->cert, subject, san, pool);
    if (identity->kind == POLICY_IDENTITY_VENDOR)
        return check_own_cert(identity->cert, subject, san, pool) ? check_device(identity->cert, subject, san, pool)
                                                                  : NULL;
    if (identity->kind == POLICY_IDENTITY_RA && (!client || has_only(client, "own")))
        return client ? check_own_cert(identity->cert, subject, san, pool) : NULL;
    if (identity->kind != POLICY_IDENTITY_USER && identity->kind != POLICY_IDENTITY_RA)
        return EST_FAIL(pool, name_not_yours, "nobody is authenticated");
    if (!client || has_only(client, "own"))
        return check_own_user(identity->name, subject, san, pool);
    if (has_only(client, "*"))
        return NULL;
    value = uncovered(&type, client->names, client->n_names, subject, san);
    if (!value)
        return NULL;
    return EST_FAIL(pool, name_not_yours, "client \"%s\" asks for %s \"%s\"", client->user, type, value);
}

est_err_t *policy_names_taken(const policy_identity_t *identity, const pki_attr_t *taken, int n, apr_pool_t *pool)
{
    const policy_client_t *client = identity->client;
    pki_attr_t *attrs = apr_pcalloc(pool, ((apr_size_t)n + 1) * sizeof(*attrs));
    pki_name_t name = {.attrs = attrs, .n_attrs = n, .text = ""};
    pki_sans_t none = {NULL, 0};
    int is_holder = identity->kind == POLICY_IDENTITY_CERTIFICATE ||
                    (identity->kind == POLICY_IDENTITY_RA && client && has_only(client, "own"));

    for (int i = 0; i < n; i++) {
        if (is_holder && !has_text(identity->cert, taken[i].value))
            return EST_FAIL(pool, name_not_yours, "certificate of \"%s\" asks for %s \"%s\", which becomes a name here",
                            identity->cert->subject->text, taken[i].type, taken[i].value);
        attrs[i] = taken[i];
        if (!pki_name_attr_is_identity(attrs[i].nid))
            attrs[i].nid = pki_name_attr_nid("CN"); /* here it says who somebody is */
    }
    if (!n || is_holder)
        return NULL;
    return identity->kind == POLICY_IDENTITY_VENDOR ? check_device(identity->cert, &name, &none, pool)
                                                    : policy_names_identity(identity, &name, &none, pool);
}

est_err_t *policy_names_may_act(const policy_identity_t *identity, const char *entity, apr_pool_t *pool)
{
    const policy_client_t *client = identity->client;
    int may;

    if (!client || has_only(client, "own"))
        may = identity->kind == POLICY_IDENTITY_USER ? !strcmp(identity->name, entity) : !client;
    else
        may =
            has_only(client, "*") || matches_any(client->names, client->n_names, entity, policy_names_like_dns(entity));
    return may ? NULL : EST_FAIL(pool, name_not_yours, "\"%s\" asks for end entity \"%s\"", identity->name, entity);
}

const char *policy_names_text(const pki_sans_t *san, apr_pool_t *pool)
{
    const char *text = NULL;

    for (int i = 0; i < san->n_names; i++)
        text = text ? apr_pstrcat(pool, text, ", ", pki_san_text(&san->names[i], pool), NULL)
                    : pki_san_text(&san->names[i], pool);
    return text ? text : "(none)";
}
