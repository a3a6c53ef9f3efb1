/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_template.h"
#include "pki/pki_text.h"
#include "policy_profile.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <string.h>

/* The twin of est.subject_attributes() */
static const char *const attributes[] = {
    "C",
    "ST",
    "L",
    "O",
    "OU",
    "CN",
    "serialNumber",
    "emailAddress",
    "UID",
    "DC",
    "SN",
    "GN",
    "initials",
    "title",
    "generationQualifier",
    "dnQualifier",
    "pseudonym",
    "name",
    "description",
    "street",
    "postalCode",
    "postOfficeBox",
    "telephoneNumber",
    "houseIdentifier",
    "businessCategory",
    "organizationIdentifier",
    "jurisdictionC",
    "jurisdictionST",
    "jurisdictionL",
    "unstructuredName",
    "unstructuredAddress",
};

static const char *attribute_of(const char *name)
{
    for (apr_size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
        if (!strcmp(attributes[i], name))
            return attributes[i];
    return NULL;
}

int policy_template_is_attribute(const char *name)
{
    return attribute_of(name) != NULL;
}

/* ---- parsing */

typedef struct {
    const char *whole; /* for messages */
    const char *at;    /* what is left */
    int variables;     /* can there be some? */
    apr_pool_t *pool;
} parser_t;

static est_err_t *bad(const parser_t *p, const char *why)
{
    return EST_FAIL(p->pool, config, "\"%s\", behind %d octets: %s", p->whole, (int)(p->at - p->whole), why);
}

static void skip_blanks(parser_t *p)
{
    p->at += strspn(p->at, " ");
}

static int starts_with(const char *s, const char *prefix)
{
    return !strncmp(s, prefix, strlen(prefix));
}

/* "csr.CN", without the braces */
static est_err_t *read_variable(policy_part_t *part, parser_t *p)
{
    const char *name = p->at + 2, *end = strchr(name, '}');
    const char *variable = end ? apr_pstrmemdup(p->pool, name, (apr_size_t)(end - name)) : NULL;

    if (!p->variables || p->at[1] != '{' || !variable)
        return bad(p, "a dollar sign that is none of a variable is written \\$");
    if (!strcmp(variable, "entity")) {
        part->kind = POLICY_PART_ENTITY;
    } else if (!strcmp(variable, "user")) {
        part->kind = POLICY_PART_USER;
    } else if (starts_with(variable, "csr.")) {
        part->kind = POLICY_PART_CSR;
        part->text = attribute_of(variable + 4);
    } else if (starts_with(variable, "entity.")) {
        part->kind = POLICY_PART_ENTITY_ATTR;
        part->text = attribute_of(variable + 7);
    } else {
        return bad(p, "no such variable");
    }
    if ((part->kind == POLICY_PART_CSR || part->kind == POLICY_PART_ENTITY_ATTR) && !part->text)
        return bad(p, "no such attribute");
    part->nid = part->text ? pki_name_attr_nid(part->text) : 0;
    p->at = end + 1;
    return NULL;
}

/* Text up to a comma, a variable or the end, without its backslashes; blanks at its end count where a variable follows
 */
static est_err_t *read_text(policy_part_t *part, parser_t *p)
{
    char *text = apr_palloc(p->pool, strlen(p->at) + 1), *w = text, *solid = text;

    for (; *p->at && *p->at != ',' && *p->at != '$'; p->at++) {
        if (*p->at == '\\' && (!*++p->at || !strchr(",\\$", *p->at)))
            return bad(p, "a backslash stands before a comma, a dollar sign or a backslash");
        *w++ = *p->at;
        if (*p->at != ' ')
            solid = w;
    }
    *(*p->at == '$' ? w : solid) = '\0';
    part->kind = POLICY_PART_TEXT;
    part->text = text;
    return NULL;
}

static est_err_t *read_value(policy_template_t *out, parser_t *p)
{
    apr_array_header_t *parts = apr_array_make(p->pool, 2, sizeof(policy_part_t));

    skip_blanks(p);
    while (*p->at && *p->at != ',') {
        policy_part_t part = {0};

        EST_TRY(*p->at == '$' ? read_variable(&part, p) : read_text(&part, p));
        if (part.kind != POLICY_PART_TEXT || *part.text)
            APR_ARRAY_PUSH(parts, policy_part_t) = part;
        out->uses_csr |= part.kind == POLICY_PART_CSR;
        out->uses_entity |= part.kind == POLICY_PART_ENTITY;
    }
    if (!parts->nelts)
        return bad(p, "nothing stands there");
    out->parts = (const policy_part_t *)parts->elts;
    out->n_parts = parts->nelts;
    return NULL;
}

static int count_chars(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += (*s & 0xc0) != 0x80;
    return n;
}

static est_err_t *start(parser_t *p, const char *text, int variables, apr_pool_t *pool)
{
    const char *flaw = pki_text_flaw(text, strlen(text));

    *p = (parser_t){apr_pstrdup(pool, text), NULL, variables, pool};
    p->at = p->whole;
    if (!flaw && count_chars(text) > POLICY_TEMPLATE_MAX)
        flaw = "longer than 1000 characters";
    return flaw ? bad(p, flaw) : NULL;
}

est_err_t *policy_template_parse(policy_template_t *out, const char *text, apr_pool_t *pool)
{
    parser_t p;

    memset(out, 0, sizeof(*out));
    EST_TRY(start(&p, text, 1, pool));
    EST_TRY(read_value(out, &p));
    return *p.at ? bad(&p, "a comma is written \\,") : NULL;
}

static est_err_t *read_attr(policy_template_attr_t *attr, parser_t *p)
{
    apr_size_t n;

    skip_blanks(p);
    n = strcspn(p->at, " =,");
    attr->attribute = attribute_of(apr_pstrmemdup(p->pool, p->at, n));
    if (!attr->attribute)
        return bad(p, "no such attribute");
    attr->nid = pki_name_attr_nid(attr->attribute);
    p->at += n;
    skip_blanks(p);
    if (*p->at != '=')
        return bad(p, "an equals sign is missing");
    p->at++;
    return read_value(&attr->value, p);
}

static est_err_t *parse_subject(policy_subject_template_t *out, const char *text, int variables, apr_pool_t *pool)
{
    policy_template_attr_t *attrs = apr_pcalloc(pool, PKI_NAME_MAX_ATTRIBUTES * sizeof(*attrs));
    parser_t p;

    memset(out, 0, sizeof(*out));
    EST_TRY(start(&p, text, variables, pool));
    for (;;) {
        if (out->n_attrs == PKI_NAME_MAX_ATTRIBUTES)
            return bad(&p, "too many attributes");
        out->n_attrs++;
        /* from the end: what is written last is the topmost */
        EST_TRY(read_attr(&attrs[PKI_NAME_MAX_ATTRIBUTES - out->n_attrs], &p));
        out->uses_entity |= attrs[PKI_NAME_MAX_ATTRIBUTES - out->n_attrs].value.uses_entity;
        if (!*p.at)
            break;
        p.at++;
    }
    out->attrs = attrs + PKI_NAME_MAX_ATTRIBUTES - out->n_attrs;
    return NULL;
}

est_err_t *policy_template_parse_subject(policy_subject_template_t *out, const char *text, apr_pool_t *pool)
{
    return parse_subject(out, text, 1, pool);
}

/* ---- expanding */

static const char *first_value(const pki_attr_t *attrs, int n, int nid)
{
    for (int i = 0; i < n; i++)
        if (attrs[i].nid == nid)
            return attrs[i].value;
    return NULL;
}

static const char *value_of(const policy_part_t *part, const policy_values_t *values)
{
    switch (part->kind) {
    case POLICY_PART_TEXT:
        return part->text;
    case POLICY_PART_CSR:
        return values->csr ? first_value(values->csr->attrs, values->csr->n_attrs, part->nid) : NULL;
    case POLICY_PART_ENTITY:
        return values->entity;
    case POLICY_PART_ENTITY_ATTR:
        return first_value(values->row, values->n_row, part->nid);
    case POLICY_PART_USER:
        return values->user;
    }
    return NULL;
}

static const char *variable_text(const policy_part_t *part, apr_pool_t *pool)
{
    const char *name = part->kind == POLICY_PART_CSR ? "csr" : part->kind == POLICY_PART_USER ? "user" : "entity";

    return apr_pstrcat(pool, "${", name, part->text ? "." : "", part->text ? part->text : "", "}", NULL);
}

est_err_t *policy_template_expand(const char **out, const policy_template_t *template, const policy_values_t *values,
                                  apr_pool_t *pool)
{
    const policy_part_t *absent = NULL;
    const char *text = "";
    int has_text = 0;

    for (int i = 0; i < template->n_parts; i++) {
        const policy_part_t *part = &template->parts[i];
        const char *value = value_of(part, values);

        has_text |= part->kind == POLICY_PART_TEXT;
        if (!value || !*value)
            absent = part;
        else
            text = *text ? apr_pstrcat(pool, text, value, NULL) : value;
    }
    if (has_text && absent)
        return EST_FAIL(pool, name_invalid, "the profile makes a name with %s, which the request does not have",
                        variable_text(absent, pool));
    *out = *text ? text : NULL;
    return NULL;
}

est_err_t *policy_template_expand_subject(pki_attr_t *attrs, int *given, int *n,
                                          const policy_subject_template_t *template, const policy_values_t *values,
                                          apr_pool_t *pool)
{
    *n = 0;
    for (int i = 0; i < template->n_attrs; i++) {
        const policy_template_attr_t *attr = &template->attrs[i];
        const char *value;

        EST_TRY(policy_template_expand(&value, &attr->value, values, pool));
        if (!value)
            continue;
        given[*n] = !attr->value.uses_csr;
        attrs[*n] = (pki_attr_t){attr->nid, attr->attribute, value, *n};
        (*n)++;
    }
    return NULL;
}

/* ---- rows of end entities */

est_err_t *policy_template_row_subject(const pki_attr_t **out, int *n, const char *text, apr_pool_t *pool)
{
    policy_subject_template_t subject;
    pki_attr_t *attrs;

    EST_TRY(parse_subject(&subject, text, 0, pool));
    attrs = apr_palloc(pool, (apr_size_t)subject.n_attrs * sizeof(*attrs));
    for (int i = 0; i < subject.n_attrs; i++) /* without variables there is one part, text */
        attrs[i] =
            (pki_attr_t){subject.attrs[i].nid, subject.attrs[i].attribute, subject.attrs[i].value.parts[0].text, i};
    *out = attrs;
    *n = subject.n_attrs;
    return NULL;
}

est_err_t *policy_template_row_san(pki_san_t *out, const char *text, apr_pool_t *pool)
{
    const char *colon = strchr(text, ':');
    int type = colon ? pki_san_type_from_name(apr_pstrmemdup(pool, text, (apr_size_t)(colon - text))) : -1;
    est_err_t *err;

    if (type < 0 || !policy_profile_has_san_type((pki_san_type_t)type))
        return EST_FAIL(pool, config, "\"%s\" is no name with dns:, ip:, email: or uri: before it", text);
    err = pki_san_make(out, (pki_san_type_t)type, colon + 1, pool);
    return err ? EST_FAIL(pool, config, "%s", est_err_text(err)) : NULL;
}
