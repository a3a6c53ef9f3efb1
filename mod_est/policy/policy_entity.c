/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_entity.h"

#include <apr_strings.h>
#include <string.h>

#define NAME_MAX_OCTETS 1024 /* as the table has it */
#define RANDOM_NAME 12       /* letters of a name that is nothing else */
#define RANDOM_PART 10       /* those of ${RANDOM} */

_Static_assert(RANDOM_NAME + RANDOM_PART <= 24, "POLICY_RANDOM is too small");

/* ---- rows */

/* "dns:a.example" */
static est_err_t *read_san(pki_san_t *out, const char *text, apr_pool_t *pool)
{
    const char *colon = strchr(text, ':');
    int type = colon ? pki_san_type_from_name(apr_pstrmemdup(pool, text, (apr_size_t)(colon - text))) : -1;

    if (type < 0)
        return EST_FAIL(pool, config, "\"%s\" is no name of a known type", text);
    return pki_san_make(out, (pki_san_type_t)type, colon + 1, pool);
}

static est_err_t *read_row(policy_entity_names_t *out, const policy_entity_t *entity, apr_pool_t *pool)
{
    pki_san_t *names = apr_palloc(pool, ((apr_size_t)entity->n_san + 1) * sizeof(*names));

    EST_TRY(policy_template_fixed(&out->subject, entity->subject, pool));
    for (int i = 0; i < entity->n_san; i++)
        EST_TRY(read_san(&names[i], entity->san[i], pool));
    out->name = entity->name;
    out->san = (pki_sans_t){names, entity->n_san};
    return NULL;
}

est_err_t *policy_entity_names(policy_entity_names_t *out, const policy_entity_t *entity, apr_pool_t *pool)
{
    est_err_t *err = read_row(out, entity, pool);

    return err ? EST_FAIL(pool, alias_broken, "row of end entity \"%s\": %s", entity->name, est_err_text(err)) : NULL;
}

/* ---- what a row makes of a request */

static int has_type(const pki_name_t *name, int nid)
{
    for (int i = 0; i < name->n_attrs; i++)
        if (name->attrs[i].nid == nid)
            return 1;
    return 0;
}

static int has_all(const pki_name_t *name, const pki_name_t *attrs)
{
    for (int i = 0; i < attrs->n_attrs; i++)
        if (!pki_name_has(name, &attrs->attrs[i]))
            return 0;
    return 1;
}

/* By its name, which is how it is found (alias.entity_from), and not always that in its row */
static int calls_itself(const policy_entity_names_t *names, const pki_attr_t *attr)
{
    return pki_name_attr_is_identity(attr->nid) &&
           policy_names_same(names->name, attr->value, policy_names_like_dns(attr->value));
}

est_err_t *policy_entity_subject(const pki_name_t **out, const policy_entity_names_t *names, const pki_name_t *wanted,
                                 apr_pool_t *pool)
{
    const pki_name_t *row = names->subject;
    pki_attr_t *attrs;
    pki_name_t *made;
    int n = 0, replaced = 0;

    *out = wanted;
    if (!row)
        return NULL;
    attrs = apr_palloc(pool, (apr_size_t)(row->n_attrs + wanted->n_attrs) * sizeof(*attrs));
    for (int i = 0; i < wanted->n_attrs; i++) {
        const pki_attr_t *attr = &wanted->attrs[i];

        if (pki_name_has(row, attr))
            continue;
        if (has_type(row, attr->nid) && calls_itself(names, attr)) {
            replaced = 1;
            continue;
        }
        if (has_type(row, attr->nid))
            return EST_FAIL(pool, name_not_yours, "end entity \"%s\" asks for another %s, \"%s\"", names->name,
                            attr->type, attr->value);
        attrs[n++] = *attr;
    }
    if (!replaced && has_all(wanted, row))
        return NULL;
    for (int i = 0; i < row->n_attrs; i++) {
        attrs[n] = row->attrs[i];
        attrs[n++].rdn += PKI_NAME_MAX_ATTRIBUTES; /* no relative name of the request's */
    }
    EST_TRY(pki_name_encode(&made, attrs, n, pool));
    *out = made;
    return NULL;
}

static int row_has_san(const policy_entity_names_t *names, const pki_san_t *san)
{
    for (int i = 0; i < names->san.n_names; i++)
        if (pki_san_same(&names->san.names[i], san))
            return 1;
    return 0;
}

est_err_t *policy_entity_owns(const policy_entity_names_t *names, const pki_name_t *subject, const pki_sans_t *san,
                              apr_pool_t *pool)
{
    int named = san->n_names > 0;

    for (int i = 0; i < subject->n_attrs; i++) {
        const pki_attr_t *attr = &subject->attrs[i];

        if (!pki_name_attr_is_identity(attr->nid))
            continue;
        named = 1;
        if (!(names->subject && pki_name_has(names->subject, attr)) &&
            !policy_names_same(names->name, attr->value, policy_names_like_dns(attr->value)))
            return EST_FAIL(pool, name_not_yours, "end entity \"%s\" asks for %s \"%s\"", names->name, attr->type,
                            attr->value);
    }
    for (int i = 0; i < san->n_names; i++)
        if (!row_has_san(names, &san->names[i]) &&
            !policy_names_same(names->name, san->names[i].value, san->names[i].type == PKI_SAN_DNS))
            return EST_FAIL(pool, name_not_yours, "end entity \"%s\" asks for %s", names->name,
                            pki_san_text(&san->names[i], pool));
    return named ? NULL
                 : EST_FAIL(pool, name_not_yours, "end entity \"%s\" asks for \"%s\"", names->name, subject->text);
}

est_err_t *policy_entity_owns_taken(const policy_entity_names_t *names, const pki_attr_t *taken, int n,
                                    apr_pool_t *pool)
{
    for (int i = 0; i < n; i++)
        if (!(names->subject && pki_name_has(names->subject, &taken[i])) &&
            !policy_names_same(names->name, taken[i].value, policy_names_like_dns(taken[i].value)))
            return EST_FAIL(pool, name_not_yours, "end entity \"%s\" asks for %s \"%s\", which becomes a name here",
                            names->name, taken[i].type, taken[i].value);
    return NULL;
}

/* ---- names of entities */

static const char *first_of(const policy_alias_t *alias, const pki_name_t *subject)
{
    for (int i = 0; i < alias->n_name_attributes; i++)
        for (int j = 0; j < subject->n_attrs; j++)
            if (!strcmp(subject->attrs[j].type, alias->name_attributes[i]))
                return subject->attrs[j].value;
    return NULL;
}

/* Without any of the attributes an entity is called by its first alternative name, else by all of its subject */
static const char *call_by(const policy_alias_t *alias, const pki_name_t *subject, const pki_sans_t *san,
                           const char *random, apr_pool_t *pool)
{
    const char *name;

    switch (alias->name_scheme) {
    case POLICY_NAME_DN:
        name = first_of(alias, subject);
        return name ? name : san->n_names ? pki_san_text(&san->names[0], pool) : subject->text;
    case POLICY_NAME_USERNAME:
        return subject->text;
    case POLICY_NAME_RANDOM:
        return random ? apr_pstrmemdup(pool, random, RANDOM_NAME) : NULL;
    case POLICY_NAME_FIXED:
        return alias->fixed_name;
    }
    return NULL;
}

/* NULL: there are no random letters */
static const char *affix(const char *text, const char *random, apr_pool_t *pool)
{
    static const char variable[] = "${RANDOM}";
    const char *at;

    while ((at = strstr(text, variable))) {
        if (!random)
            return NULL;
        text = apr_pstrcat(pool, apr_pstrmemdup(pool, text, (apr_size_t)(at - text)),
                           apr_pstrmemdup(pool, random + RANDOM_NAME, RANDOM_PART), at + sizeof(variable) - 1, NULL);
    }
    return text;
}

const char *policy_entity_call_asked(const policy_alias_t *alias, const pki_name_t *subject, const pki_sans_t *san)
{
    const char *name = alias->name_scheme == POLICY_NAME_DN ? first_of(alias, subject) : NULL;

    if (alias->name_scheme != POLICY_NAME_DN && alias->name_scheme != POLICY_NAME_USERNAME)
        return NULL;
    if (!name && alias->name_scheme == POLICY_NAME_DN && san->n_names)
        name = san->names[0].value;
    return name ? name : subject->text;
}

est_err_t *policy_entity_call(const char **out, const policy_alias_t *alias, const pki_name_t *subject,
                              const pki_sans_t *san, const char *random, apr_pool_t *pool)
{
    const char *name = call_by(alias, subject, san, random, pool);
    const char *prefix = affix(alias->name_prefix, random, pool), *postfix = affix(alias->name_postfix, random, pool);

    if (!name || !prefix || !postfix)
        return EST_FAIL(pool, internal, "no random letters for the name of an end entity");
    if (!*name)
        return EST_FAIL(pool, name_refused, "name of the end entity is empty");
    if (*prefix || *postfix)
        name = apr_pstrcat(pool, prefix, name, postfix, NULL);
    if (strlen(name) > NAME_MAX_OCTETS)
        return EST_FAIL(pool, name_refused, "name of the end entity is over %d octets", NAME_MAX_OCTETS);
    *out = name;
    return NULL;
}
