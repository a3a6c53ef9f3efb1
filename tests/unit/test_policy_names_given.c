/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* The rules of policy_names.c on names that policy gives, and on what it makes of a request. */

#include "policy_test.h"

#include "policy/policy_names.h"

static const policy_template_t *name_template(const char *text)
{
    policy_template_t *template;

    ASSERT_OK(policy_template_name(&template, text, pool));
    return template;
}

#define RULE(kind, where, what, needed, most, action)                                                                  \
    {                                                                                                                  \
        .type = kind, .source = where, .pattern = what, .required = needed, .max_count = most, .on_violation = action  \
    }

/* Rules 0 and 1 are about requests, 2 and 3 templates, 4 and 5 about the row of the end entity */
static void test_sources_of_names(void **state)
{
    policy_san_rule_t rules[] = {
        RULE(PKI_SAN_DNS, POLICY_SAN_CSR, "*.req", 0, 2, POLICY_REFUSE),
        RULE(PKI_SAN_IP, POLICY_SAN_CSR, "10.0.0.0/8", 0, 9, POLICY_DROP),
        RULE(PKI_SAN_DNS, POLICY_SAN_TEMPLATE, "*.tpl", 0, 9, POLICY_REFUSE),
        RULE(PKI_SAN_DNS, POLICY_SAN_TEMPLATE, "**", 0, 9, POLICY_DROP),
        RULE(PKI_SAN_DNS, POLICY_SAN_ENTITY, "*.row", 0, 1, POLICY_DROP),
        RULE(PKI_SAN_EMAIL, POLICY_SAN_ENTITY, "**", 0, 9, POLICY_REFUSE),
    };
    static const struct {
        const char *user, *entity, *row, *asked; /* NULL = none; entity: of the second template */
        const char *names, *chosen, *dropped;    /* names: or "! part of the detail" */
    } rows[] = {
        {NULL, NULL, NULL, "", "(none)", "(none)", NULL},
        {"a.tpl", NULL, NULL, "", "dns:a.tpl", "(none)", NULL},
        {"a.tpl", "b.any", NULL, "", "dns:a.tpl, dns:b.any", "(none)", NULL},
        {"a.b", NULL, NULL, "", "! dns:a.b: pattern is \"*.tpl\"", NULL, NULL}, /* the other's rule does not help */
        {NULL, "a.b.tpl", NULL, "", "dns:a.b.tpl", "(none)", NULL},
        {"A.tpl", "a.TPL", NULL, "DNS:a.tpl", "dns:a.tpl", "(none)", NULL},
        {"a..b", NULL, NULL, "", "! subjectAltName dns", NULL, NULL},
        {"*.tpl", NULL, NULL, "", "! wildcards", NULL, NULL},
        {NULL, "*.tpl", NULL, "", "(none)", "(none)", "dns=*.tpl"}, /* as its own rule says */
        {NULL, NULL, "DNS:a.row", "", "dns:a.row", "(none)", NULL},
        {NULL, NULL, "DNS:a.row,DNS:b.row,DNS:c.any", "", "dns:a.row", "(none)", "dns=b.row, dns=c.any"},
        {NULL, NULL, "IP:10.0.0.1", "", "(none)", "(none)", NULL}, /* no rule wants it */
        {NULL, NULL, "email:a@b.example", "", "email:a@b.example", "(none)", NULL},
        {NULL, NULL, NULL, "DNS:a.req", "dns:a.req", "dns:a.req", NULL},
        {NULL, NULL, NULL, "DNS:a.tpl", "! dns:a.tpl: pattern is \"*.req\"", NULL, NULL},
        {NULL, NULL, NULL, "DNS:a.row", "! dns:a.row: pattern is \"*.req\"", NULL, NULL},
        {NULL, NULL, NULL, "email:a@b.example", "! there is no rule for this type", NULL, NULL},
        {"a.tpl", NULL, "DNS:a.row", "IP:10.0.0.1,DNS:a.req,DNS:A.row,IP:11.0.0.1",
         "dns:a.tpl, dns:a.row, ip:10.0.0.1, dns:a.req", "ip:10.0.0.1, dns:a.req", "ip=11.0.0.1"},
        {NULL, "a.req", NULL, "DNS:b.req,DNS:c.req", "dns:a.req, dns:b.req, dns:c.req", "dns:b.req, dns:c.req", NULL},
    };

    (void)state;
    rules[2].template = name_template("${user}");
    rules[3].template = name_template("${entity}");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_profile_t profile = {.name = "device", .san_rules = rules, .n_san_rules = 6};
        policy_template_values_t values = {.user = rows[i].user, .entity = rows[i].entity};
        pki_sans_t row = sans_of(rows[i].row ? rows[i].row : ""), asked = sans_of(rows[i].asked), out, chosen;
        policy_names_sans_t wanted = {
            .csr = &asked, .entity = rows[i].row ? &row : NULL, .values = &values, .chosen = &chosen};
        const char *dropped = NULL;
        est_err_t *err = policy_names_san(&out, &dropped, &profile, &wanted, pool);

        if (rows[i].names[0] == '!') {
            assert_non_null(err);
            ASSERT_ROW(err, err->code, rows[i].names + 2, rows[i].asked);
            continue;
        }
        ASSERT_OK(err);
        assert_string_equal(policy_names_text(&out, pool), rows[i].names);
        assert_string_equal(policy_names_text(&chosen, pool), rows[i].chosen);
        assert_int_equal(!dropped, !rows[i].dropped);
        if (dropped)
            assert_string_equal(dropped, rows[i].dropped);
    }
}

/* What a rule requires is one name of its own source, and may have come by another rule as well */
static void test_required_names_of_every_source(void **state)
{
    policy_san_rule_t rules[] = {
        RULE(PKI_SAN_DNS, POLICY_SAN_CSR, "**", 1, 9, POLICY_REFUSE),
        RULE(PKI_SAN_DNS, POLICY_SAN_TEMPLATE, "**", 1, 9, POLICY_REFUSE),
        RULE(PKI_SAN_DNS, POLICY_SAN_TEMPLATE, "**", 1, 9, POLICY_REFUSE),
        RULE(PKI_SAN_DNS, POLICY_SAN_ENTITY, "**", 1, 9, POLICY_REFUSE),
    };
    static const struct {
        const char *user, *entity, *row, *asked;
        int renewed, good;
    } rows[] = {
        {"a.x", "b.x", "DNS:c.x", "DNS:d.x", 0, 1},
        {"a.x", "a.x", "DNS:a.x", "DNS:a.x", 0, 1},
        {"a.x", "a.x", "DNS:a.x", "", 0, 0},
        {"a.x", "a.x", NULL, "DNS:a.x", 0, 0},
        {"a.x", "a.x", "IP:10.0.0.1", "DNS:a.x", 0, 0},
        {"a.x", NULL, "DNS:a.x", "DNS:a.x", 0, 0},
        {NULL, "a.x", "DNS:a.x", "DNS:a.x", 0, 0},
        {NULL, NULL, NULL, "DNS:a.x", 1, 1}, /* a renewal: which names are whose nobody knows any more */
        {NULL, NULL, NULL, "", 1, 0},
    };

    (void)state;
    rules[1].template = name_template("${user}");
    rules[2].template = name_template("${entity}");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_profile_t profile = {.name = "device", .san_rules = rules, .n_san_rules = 4};
        policy_template_values_t values = {.user = rows[i].user, .entity = rows[i].entity};
        pki_sans_t row = sans_of(rows[i].row ? rows[i].row : ""), asked = sans_of(rows[i].asked), out;
        policy_names_sans_t wanted = {.csr = &asked,
                                      .entity = rows[i].row ? &row : NULL,
                                      .values = rows[i].renewed ? NULL : &values,
                                      .renewed = rows[i].renewed};
        const char *dropped = NULL;
        est_err_t *err = policy_names_san(&out, &dropped, &profile, &wanted, pool);

        if (rows[i].good)
            ASSERT_OK(err);
        else
            ASSERT_ROW(err, EST_E_name_invalid, "requires", apr_psprintf(pool, "row %d", (int)i));
    }
}

/* ---- what templates have taken */

/* AUTH-12, AUTH-11: it becomes a name, in whichever attribute it stood */
static void test_what_was_taken_is_judged_as_a_name(void **state)
{
    static const char *const own[] = {"own"}, *const star[] = {"*"}, *const patterns[] = {"dev*"};
    pki_cert_t cert = {
        .subject = name_of("O=Example,CN=dev7"), .san = sans_of("DNS:dev7.example"), .hardware_serial = "0a1b"};
    static const struct {
        policy_identity_kind_t kind;
        const char *const *names; /* NULL: no row */
        const char *taken;
        int good;
    } rows[] = {
        {POLICY_IDENTITY_USER, own, "CN=dev7", 1},
        {POLICY_IDENTITY_USER, own, "OU=dev7", 1},
        {POLICY_IDENTITY_USER, own, "OU=dev8", 0},
        {POLICY_IDENTITY_USER, NULL, "OU=dev7", 1},
        {POLICY_IDENTITY_USER, NULL, "OU=dev8", 0},
        {POLICY_IDENTITY_USER, patterns, "OU=dev8", 1},
        {POLICY_IDENTITY_USER, patterns, "OU=dev8,L=root", 0},
        {POLICY_IDENTITY_USER, star, "OU=root", 1},
        {POLICY_IDENTITY_CERTIFICATE, NULL, "CN=dev7", 1},
        {POLICY_IDENTITY_CERTIFICATE, NULL, "O=Example", 0}, /* where it belongs */
        {POLICY_IDENTITY_CERTIFICATE, NULL, "CN=dev7.example", 1},
        {POLICY_IDENTITY_CERTIFICATE, NULL, "CN=dev8", 0},
        {POLICY_IDENTITY_CERTIFICATE, NULL, "CN=DEV7", 0},
        {POLICY_IDENTITY_CERTIFICATE, star, "CN=dev8", 0},
        {POLICY_IDENTITY_VENDOR, NULL, "OU=dev7", 1},
        {POLICY_IDENTITY_VENDOR, NULL, "OU=0a1b", 1},
        {POLICY_IDENTITY_VENDOR, NULL, "O=Example", 0},
        {POLICY_IDENTITY_VENDOR, NULL, "CN=dev7,OU=dev8", 0},
        {POLICY_IDENTITY_RA, NULL, "OU=root", 1},
        {POLICY_IDENTITY_RA, star, "OU=root", 1},
        {POLICY_IDENTITY_RA, patterns, "OU=root", 0},
        {POLICY_IDENTITY_RA, patterns, "OU=dev8", 1},
        {POLICY_IDENTITY_RA, own, "OU=dev8", 0},
        {POLICY_IDENTITY_RA, own, "OU=dev7", 1},
        {POLICY_IDENTITY_ENTITY, NULL, "CN=dev7", 0}, /* is judged by its row */
        {POLICY_IDENTITY_NONE, NULL, "CN=dev7", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_client_t client = {.user = "dev7", .names = rows[i].names, .n_names = 1};
        policy_identity_t identity = {
            .kind = rows[i].kind, .name = "dev7", .client = rows[i].names ? &client : NULL, .cert = &cert};
        const pki_name_t *taken = name_of(rows[i].taken);
        est_err_t *err = policy_names_taken(&identity, taken->attrs, taken->n_attrs, pool);

        if (rows[i].good)
            ASSERT_OK(err);
        else
            ASSERT_ROW(err, EST_E_name_not_yours, NULL, apr_psprintf(pool, "row %d", (int)i));
        ASSERT_OK(policy_names_taken(&identity, NULL, 0, pool));
    }
}

/* Who may act for an end entity: patterns are for those who have some, and names are names */
static void test_who_may_act(void **state)
{
    static const char *const own[] = {"own"}, *const star[] = {"*"}, *const patterns[] = {"dev*", "*.example"};
    static const struct {
        policy_identity_kind_t kind;
        const char *name;
        const char *const *names;
        int n_names;
        const char *entity;
        int good;
    } rows[] = {
        {POLICY_IDENTITY_USER, "dev7", NULL, 0, "dev7", 1},
        {POLICY_IDENTITY_USER, "dev7", NULL, 0, "dev8", 0},
        {POLICY_IDENTITY_USER, "dev*", own, 1, "dev8", 0},
        {POLICY_IDENTITY_USER, "dev7", own, 1, "dev7", 1},
        {POLICY_IDENTITY_USER, "ra", star, 1, "any", 1},
        {POLICY_IDENTITY_USER, "ra", patterns, 2, "dev7", 1},
        {POLICY_IDENTITY_USER, "ra", patterns, 2, "a.example", 1},
        {POLICY_IDENTITY_USER, "ra", patterns, 2, "a.b.example", 0},
        {POLICY_IDENTITY_USER, "ra", patterns, 2, "ra", 0},
        {POLICY_IDENTITY_USER, "ra", patterns, 0, "ra", 0},
        {POLICY_IDENTITY_RA, "CN=ra", NULL, 0, "any", 1},
        {POLICY_IDENTITY_RA, "CN=ra", own, 1, "CN=ra", 0},
        {POLICY_IDENTITY_RA, "CN=ra", patterns, 2, "dev7", 1},
        {POLICY_IDENTITY_RA, "CN=ra", patterns, 2, "root", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_client_t client = {.user = rows[i].name, .names = rows[i].names, .n_names = rows[i].n_names};
        policy_identity_t identity = {
            .kind = rows[i].kind, .name = rows[i].name, .client = rows[i].names ? &client : NULL};
        est_err_t *err = policy_names_may_act(&identity, rows[i].entity, pool);

        if (rows[i].good)
            ASSERT_OK(err);
        else
            ASSERT_ROW(err, EST_E_name_not_yours, rows[i].entity, apr_psprintf(pool, "row %d", (int)i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_sources_of_names),
        EST_TEST(test_required_names_of_every_source),
        EST_TEST(test_what_was_taken_is_judged_as_a_name),
        EST_TEST(test_who_may_act),
    };
    return EST_TEST_RUN(tests);
}
