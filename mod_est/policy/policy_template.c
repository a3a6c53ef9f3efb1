/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_template.h"
#include "policy_text.h"

#include <apr_strings.h>
#include <string.h>

#define MAX_TEMPLATE 1000 /* characters, as the tables have it */

typedef enum { LITERAL, CSR, ENTITY, ROW, USER } part_kind_t;

typedef struct {
    part_kind_t kind;
    const char *text; /* LITERAL */
    int nid;          /* CSR, ROW: the attribute */
} part_t;

typedef struct {
    const char *attribute; /* short name; NULL: a name that is no attribute */
    int nid;
    const part_t *parts;
    int n_parts, n_variables;
} field_t;

struct policy_template_t {
    const field_t *fields;
    int n_fields;
};

/* Where the reading stands */
typedef struct {
    const char *p;
    const char *whole; /* for messages */
    int variables;     /* are there any? */
    apr_pool_t *pool;
} reader_t;

#define FAIL_AT(r, ...)                                                                                                \
    EST_FAIL((r)->pool, config, "template \"%s\": %s", (r)->whole, apr_psprintf((r)->pool, __VA_ARGS__))

/* ---- reading */

static void skip_blanks(reader_t *r)
{
    r->p += strspn(r->p, " ");
}

int policy_template_has_attribute(const char *name)
{
    static const char *const names[] = {"C",
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
                                        "unstructuredAddress"};

    for (apr_size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcmp(names[i], name))
            return 1;
    return 0;
}

static est_err_t *attribute_nid(int *nid, const reader_t *r, const char *name)
{
    *nid = policy_template_has_attribute(name) ? pki_name_attr_nid(name) : 0;
    return *nid ? NULL : FAIL_AT(r, "there is no attribute \"%s\"", name);
}

/* What is in ${...} */
static est_err_t *read_variable(part_t *part, reader_t *r)
{
    const char *end = r->p[1] == '{' ? strchr(r->p, '}') : NULL, *name;

    if (!end)
        return FAIL_AT(r, "a $ begins no variable ${...}: \\$ is the sign itself");
    if (!r->variables)
        return FAIL_AT(r, "there are no variables here");
    name = apr_pstrmemdup(r->pool, r->p + 2, (apr_size_t)(end - r->p - 2));
    r->p = end + 1;
    if (!strcmp(name, "entity")) {
        part->kind = ENTITY;
    } else if (!strcmp(name, "user")) {
        part->kind = USER;
    } else if (!strncmp(name, "csr.", 4)) {
        part->kind = CSR;
        return attribute_nid(&part->nid, r, name + 4);
    } else if (!strncmp(name, "entity.", 7)) {
        part->kind = ROW;
        return attribute_nid(&part->nid, r, name + 7);
    } else {
        return FAIL_AT(r, "there is no variable \"%s\"", name);
    }
    return NULL;
}

/* Up to the next thing that is not itself; \, \\ and \$ are characters */
static est_err_t *read_literal(part_t *part, reader_t *r, int ends_at_comma)
{
    char *text = apr_palloc(r->pool, strlen(r->p) + 1), *out = text;

    while (*r->p && *r->p != '$' && !(*r->p == ',' && ends_at_comma)) {
        if (*r->p == '\\' && (!r->p[1] || !strchr(",\\$", r->p[1])))
            return FAIL_AT(r, "a \\ stands before a comma, a \\ or a $ only");
        if (*r->p == '\\')
            r->p++;
        else if (*r->p == ',')
            return FAIL_AT(r, "a comma is written as \\,");
        *out++ = *r->p++;
    }
    *out = '\0';
    part->kind = LITERAL;
    part->text = text;
    return NULL;
}

static est_err_t *read_value(field_t *field, reader_t *r, int ends_at_comma)
{
    apr_array_header_t *parts = apr_array_make(r->pool, 2, sizeof(part_t));

    skip_blanks(r);
    while (*r->p && !(*r->p == ',' && ends_at_comma)) {
        part_t *part = apr_array_push(parts);

        if (*r->p == '$') {
            EST_TRY(read_variable(part, r));
            field->n_variables++;
        } else {
            EST_TRY(read_literal(part, r, ends_at_comma));
        }
    }
    if (!parts->nelts)
        return FAIL_AT(r, "an empty value");
    field->parts = (const part_t *)parts->elts;
    field->n_parts = parts->nelts;
    /* Blanks before a comma are none of the name */
    part_t *last = &APR_ARRAY_IDX(parts, parts->nelts - 1, part_t);
    if (last->kind == LITERAL) {
        char *text = apr_pstrdup(r->pool, last->text);
        apr_size_t n = strlen(text);

        while (n && text[n - 1] == ' ')
            text[--n] = '\0';
        last->text = text;
        field->n_parts -= !n;
    }
    return NULL;
}

static est_err_t *read_attribute(field_t *field, reader_t *r)
{
    apr_size_t n;

    skip_blanks(r);
    n = strcspn(r->p, "= ,");
    field->attribute = apr_pstrmemdup(r->pool, r->p, n);
    r->p += n;
    skip_blanks(r);
    if (*r->p != '=')
        return FAIL_AT(r, "\"%s\" has no value", field->attribute);
    r->p++;
    return attribute_nid(&field->nid, r, field->attribute);
}

static est_err_t *read_subject(policy_template_t **out, const char *text, int variables, apr_pool_t *pool)
{
    reader_t r = {.p = text, .whole = apr_pstrdup(pool, text), .variables = variables, .pool = pool};
    policy_template_t *template = apr_pcalloc(pool, sizeof(*template));
    apr_array_header_t *fields = apr_array_make(pool, 4, sizeof(field_t));

    for (;;) {
        field_t *field = apr_array_push(fields);

        EST_TRY(read_attribute(field, &r));
        EST_TRY(read_value(field, &r, 1));
        if (!*r.p)
            break;
        r.p++;
    }
    if (fields->nelts > PKI_NAME_MAX_ATTRIBUTES)
        return FAIL_AT(&r, "over %d attributes", PKI_NAME_MAX_ATTRIBUTES);
    template->fields = (const field_t *)fields->elts;
    template->n_fields = fields->nelts;
    *out = template;
    return NULL;
}

est_err_t *policy_template_subject(policy_template_t **out, const char *text, apr_pool_t *pool)
{
    if (policy_text_chars(text) > MAX_TEMPLATE)
        return EST_FAIL(pool, config, "a template of over %d characters", MAX_TEMPLATE);
    return read_subject(out, text, 1, pool);
}

est_err_t *policy_template_name(policy_template_t **out, const char *text, apr_pool_t *pool)
{
    reader_t r = {.p = text, .whole = apr_pstrdup(pool, text), .variables = 1, .pool = pool};
    policy_template_t *template = apr_pcalloc(pool, sizeof(*template));
    field_t *field = apr_pcalloc(pool, sizeof(*field));

    EST_TRY(read_value(field, &r, 0));
    template->fields = field;
    template->n_fields = 1;
    *out = template;
    return NULL;
}

/* ---- filling in */

static const pki_attr_t *first(const pki_name_t *name, int nid)
{
    for (int i = 0; name && i < name->n_attrs; i++)
        if (name->attrs[i].nid == nid)
            return &name->attrs[i];
    return NULL;
}

static const char *first_value(const pki_name_t *name, int nid)
{
    const pki_attr_t *attr = first(name, nid);

    return attr ? attr->value : NULL;
}

static const char *value_of(const part_t *part, const policy_template_values_t *values)
{
    switch (part->kind) {
    case LITERAL:
        return part->text;
    case CSR:
        return first_value(values->csr, part->nid);
    case ENTITY:
        return values->entity;
    case ROW:
        return first_value(values->row, part->nid);
    case USER:
        return values->user;
    }
    return NULL;
}

/* Nothing of the request becomes somebody's name unseen */
static void note_taken(const field_t *field, const policy_template_values_t *values)
{
    if (!values->taken || (field->attribute && !pki_name_attr_is_identity(field->nid)))
        return;
    for (int i = 0; i < field->n_parts; i++) {
        const part_t *part = &field->parts[i];

        if (part->kind == CSR)
            APR_ARRAY_PUSH(values->taken, pki_attr_t) = *first(values->csr, part->nid);
        else if (part->kind == ENTITY && values->entity_asked)
            APR_ARRAY_PUSH(values->taken, pki_attr_t) =
                (pki_attr_t){.nid = pki_name_attr_nid("CN"), .type = "CN", .value = values->entity_asked};
    }
}

/* How many variables are absent; *out is NULL then */
static int fill(const char **out, const field_t *field, const policy_template_values_t *values, apr_pool_t *pool)
{
    const char *text = "";
    int absent = 0;

    for (int i = 0; i < field->n_parts; i++) {
        const char *value = value_of(&field->parts[i], values);

        if (value)
            text = apr_pstrcat(pool, text, value, NULL);
        else
            absent++;
    }
    *out = absent ? NULL : text;
    if (!absent)
        note_taken(field, values);
    return absent;
}

est_err_t *policy_template_fill_subject(const pki_name_t **out, const policy_template_t *template,
                                        const policy_template_values_t *values, apr_pool_t *pool)
{
    pki_attr_t *attrs = apr_palloc(pool, (apr_size_t) template->n_fields * sizeof(*attrs));
    pki_name_t *name;
    int n = 0;

    /* RFC 2253 writes the last relative name first */
    for (int i = template->n_fields - 1; i >= 0; i--) {
        const field_t *field = &template->fields[i];
        const char *value;
        int absent = fill(&value, field, values, pool);

        if (absent && (absent < field->n_variables || field->n_variables < field->n_parts))
            return EST_FAIL(pool, name_invalid, "the request has not all that the profile makes %s of",
                            field->attribute);
        if (value) {
            attrs[n] = (pki_attr_t){.nid = field->nid, .type = field->attribute, .value = value, .rdn = n};
            n++;
        }
    }
    EST_TRY(pki_name_encode(&name, attrs, n, pool));
    *out = name;
    return NULL;
}

int policy_template_names_entity(const policy_template_t *template)
{
    for (int i = 0; i < template->n_fields; i++)
        for (int k = 0; k < template->fields[i].n_parts; k++)
            if (template->fields[i].parts[k].kind == ENTITY)
                return 1;
    return 0;
}

const char *policy_template_fill_name(const policy_template_t *template, const policy_template_values_t *values,
                                      apr_pool_t *pool)
{
    const char *text;

    fill(&text, &template->fields[0], values, pool);
    return text;
}

est_err_t *policy_template_fixed(const pki_name_t **out, const char *text, apr_pool_t *pool)
{
    const policy_template_values_t nothing = {0};
    policy_template_t *template;
    est_err_t *err;

    *out = NULL;
    if (!text)
        return NULL;
    EST_TRY(read_subject(&template, text, 0, pool));
    err = policy_template_fill_subject(out, template, &nothing, pool);
    return err ? EST_FAIL(pool, config, "subject \"%s\": %s", text, est_err_text(err)) : NULL;
}

const char *policy_template_attribute(const char **value, int *always, const policy_template_t *template, int i,
                                      apr_pool_t *pool)
{
    const field_t *field;

    *value = NULL;
    *always = 0;
    if (i >= template->n_fields)
        return NULL;
    field = &template->fields[i];
    *always = field->n_variables < field->n_parts;
    if (!field->n_variables) {
        *value = "";
        for (int j = 0; j < field->n_parts; j++)
            *value = apr_pstrcat(pool, *value, field->parts[j].text, NULL);
    }
    return field->attribute;
}
