/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* The rules of policy_decide.c where end entities are registered (mode client), and the names of those that are not. */

#include "decide_test.h"

/* An entity "dev7" that has proved its code; tests change row and request */
static void good_entity(void)
{
    good_request();
    t.alias.mode = POLICY_MODE_CLIENT;
    t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_ENTITY, .name = "dev7", .entity = &t.entity};
    t.csr.exts[0] = NULL;
}

static void test_entity(void **state)
{
    static const char *const broken[] = {"a.example"};

    (void)state;
    good_entity();
    granted();
    t.identity.entity = NULL;
    assert_fails_alone("entity", EST_E_entity_unknown, NULL);
    good_entity();
    t.entity.suspended = 1;
    assert_fails_alone("entity", EST_E_entity_suspended, "\"dev7\" is suspended");
    good_entity();
    t.entity.valid_until = TEST_NOW;
    assert_fails_alone("entity", EST_E_entity_suspended, "registered until 2026-02-03");
    t.entity.valid_until = TEST_NOW + 1;
    granted();
    good_entity(); /* nobody is told what is in the row */
    t.entity.subject = "CN=${user}";
    assert_fails_alone("entity", EST_E_alias_broken, "row of end entity \"dev7\"");
    good_entity();
    t.entity.san = broken;
    t.entity.n_san = 1;
    assert_fails_alone("entity", EST_E_alias_broken, "\"a.example\" is no name");
    good_entity(); /* in RA mode nobody is registered */
    t.alias.mode = POLICY_MODE_RA;
    t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_USER, .name = "ra", .client = &t.client};
    t.identity.entity = NULL;
    granted();
}

/* The entity of a certificate that is renewed the database knows; that of a code is at hand */
static void test_entity_when_a_certificate_is_renewed(void **state)
{
    pki_cert_t cert = {.subject = name_of("CN=dev7,O=Example")};

    (void)state;
    good_entity();
    t.request.op = POLICY_OP_REENROLL;
    t.entity.suspended = 1;
    t.identity = (policy_identity_t){
        .kind = POLICY_IDENTITY_CERTIFICATE, .name = "O=Example,CN=dev7", .cert = &cert, .entity = NULL};
    assert_string_equal(granted()->entity, "dev7");
    t.identity =
        (policy_identity_t){.kind = POLICY_IDENTITY_ENTITY, .name = "dev7", .cert = &cert, .entity = &t.entity};
    assert_fails_alone("entity", EST_E_entity_suspended, NULL);
    t.entity.suspended = 0;
    granted();
    t.entity.subject = "CN=dev7,C=DE"; /* what the row has today is for new certificates */
    assert_string_equal(granted()->subject->text, "O=Example,CN=dev7");
    t.entity.name = "dev8"; /* somebody else's certificate */
    t.entity.subject = NULL;
    assert_fails_alone("own_names", EST_E_name_not_yours, "end entity \"dev8\"");
    t.identity.cert = NULL; /* a code in the place of the certificate */
    t.entity.name = "dev7";
    assert_fails_alone("same_names", EST_E_certificate_required, NULL);
    t.alias.reenroll_by_password = 1;
    granted();
}

/* AUTH-12: subject and names of the row go into the certificate, and no others that say who somebody is */
static void test_names_from_the_row(void **state)
{
    static const struct {
        const char *subject, *san; /* row */
        const char *asked, *asked_san, *verdict;
    } rows[] = {
        {NULL, NULL, "CN=dev7,O=Example", NULL, "O=Example,CN=dev7 | (none)"},
        {NULL, NULL, "CN=dev8", NULL, "own_names: end entity \"dev7\" asks for CN \"dev8\""},
        {NULL, NULL, "CN=DEV7", NULL, "own_names: ..."},
        {NULL, NULL, "O=Example", NULL, "group_names: subject \"O=Example\"..."},
        {NULL, NULL, "", NULL, "named: ..."},
        {"CN=dev7,O=Example", NULL, "", NULL, "CN=dev7,O=Example | (none)"},
        {"CN=dev7,O=Example", NULL, "CN=dev7", NULL, "CN=dev7,O=Example | (none)"},
        {"CN=dev7,O=Example", NULL, "CN=dev8", NULL, "subject: end entity \"dev7\" asks for another CN, \"dev8\""},
        {"CN=dev7,O=Example", NULL, "CN=dev7,O=Evil", NULL, "subject: end entity \"dev7\" asks for another O..."},
        {"O=Example", NULL, "CN=dev7", NULL, "O=Example,CN=dev7 | (none)"},
        {"CN=Device 7", NULL, "O=Example", NULL, "CN=Device 7,O=Example | (none)"},
        {"CN=dev7,L=Paris", NULL, "", NULL, "subject: subject L=\"Paris\": there is no rule..."},
        {NULL, "dns:a.example", "CN=dev7", NULL, "CN=dev7 | dns:a.example"},
        {NULL, "dns:a.example", "CN=dev7", "DNS:a.example", "CN=dev7 | dns:a.example"},
        {NULL, "dns:a.example", "CN=dev7", "DNS:A.example", "CN=dev7 | dns:a.example"},
        {NULL, "dns:a.example", "CN=dev7", "DNS:b.example", "own_names: end entity \"dev7\" asks for dns:b.example"},
        {NULL, "dns:a.example", "CN=dev7", "DNS:dev7", "CN=dev7 | dns:a.example, dns:dev7"},
        {NULL, "dns:a.example", "", NULL, " | dns:a.example"},
        {NULL, "dns:*.example", "CN=dev7", NULL, "san: dns:*.example: wildcards are not allowed..."},
        {NULL, "ip:10.0.0.1", "CN=dev7", NULL, "CN=dev7 | (none)"}, /* no rule wants those */
        {NULL, "ip:10.0.0.1", "CN=dev7", "IP:10.0.0.1", "san: ip:10.0.0.1: there is no rule..."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_entity();
        t.entity.subject = rows[i].subject;
        t.entity.san = &rows[i].san;
        t.entity.n_san = rows[i].san != NULL;
        t.csr.subject = rows[i].asked;
        t.csr.exts[0] = rows[i].asked_san ? apr_pstrcat(pool, "subjectAltName=", rows[i].asked_san, NULL) : NULL;
        t.san_rules[1] = (policy_san_row_t)GOOD_SAN("dns");
        t.san_rules[1].source = "entity";
        t.rows.n_san_rules = 2;
        assert_verdict(rows[i].verdict, apr_psprintf(pool, "row %d", (int)i));
    }
}

/* A rule that requires a name of the row has none where there is no row, or none in it */
static void test_a_required_name_of_the_row(void **state)
{
    static const char *const san[] = {"ip:10.0.0.1", "dns:a.example"};

    (void)state;
    good_entity();
    t.san_rules[0].source = "entity";
    t.san_rules[0].required = "t";
    assert_fails_alone("san", EST_E_name_invalid, "requires a subjectAltName of type dns");
    t.entity.san = san;
    t.entity.n_san = 1;
    assert_fails_alone("san", EST_E_name_invalid, "requires a subjectAltName of type dns");
    t.entity.n_san = 2;
    granted();
    t.csr.exts[0] = "subjectAltName=DNS:a.example"; /* whoever asks for it gets it once */
    assert_int_equal(granted()->san.n_names, 1);
}

/* AUTH-10, AUTH-11, AUTH-12: who may ask on behalf of an entity */
static void test_who_asks_for_an_entity(void **state)
{
    static const char *const own[] = {"own"}, *const star[] = {"*"}, *const devs[] = {"dev*"}, *const ras[] = {"ra*"};
    const struct {
        policy_identity_kind_t kind;
        const char *name;
        const char *const *names; /* NULL: there is no row of the client */
        const char *entity, *asked;
        const char *verdict;
    } rows[] = {
        {POLICY_IDENTITY_USER, "ra", star, "dev7", "CN=dev7", "CN=dev7 | (none)"},
        {POLICY_IDENTITY_USER, "ra", star, "dev7", "CN=dev8", "own_names: end entity \"dev7\"..."},
        {POLICY_IDENTITY_USER, "ra", devs, "dev7", "CN=dev7", "CN=dev7 | (none)"},
        {POLICY_IDENTITY_USER, "ra", ras, "dev7", "CN=dev7", "own_names: \"ra\" asks for end entity \"dev7\""},
        {POLICY_IDENTITY_USER, "ra", own, "dev7", "CN=dev7", "own_names: \"ra\" asks for end entity \"dev7\""},
        {POLICY_IDENTITY_USER, "dev7", own, "dev7", "CN=dev7", "CN=dev7 | (none)"},
        {POLICY_IDENTITY_USER, "DEV7", own, "dev7", "CN=dev7", "own_names: \"DEV7\"..."},
        {POLICY_IDENTITY_USER, "dev*", own, "dev7", "CN=dev7", "own_names: \"dev*\"..."},
        {POLICY_IDENTITY_USER, "dev7", NULL, "dev7", "CN=dev7", "CN=dev7 | (none)"},
        {POLICY_IDENTITY_USER, "ldap", NULL, "dev7", "CN=dev7", "own_names: \"ldap\"..."},
        {POLICY_IDENTITY_RA, "CN=ra", NULL, "dev7", "CN=dev7", "CN=dev7 | (none)"},
        {POLICY_IDENTITY_RA, "CN=ra", NULL, "dev7", "CN=dev8", "own_names: end entity \"dev7\"..."},
        {POLICY_IDENTITY_RA, "CN=ra", star, "dev7", "CN=dev7", "CN=dev7 | (none)"},
        {POLICY_IDENTITY_RA, "CN=ra", devs, "dev7", "CN=dev7", "CN=dev7 | (none)"},
        {POLICY_IDENTITY_RA, "CN=ra", ras, "dev7", "CN=dev7", "own_names: \"CN=ra\"..."},
        {POLICY_IDENTITY_RA, "CN=ra", own, "dev7", "CN=dev7", "own_names: \"CN=ra\"..."},
        {POLICY_IDENTITY_VENDOR, "42", NULL, "dev7", "CN=dev7", "CN=dev7 | (none)"},
        {POLICY_IDENTITY_VENDOR, "42", NULL, "dev7", "CN=ra", "own_names: end entity \"dev7\"..."},
        {POLICY_IDENTITY_CERTIFICATE, "CN=ra", NULL, "ra", "CN=ra", "CN=ra | (none)"},
        {POLICY_IDENTITY_CERTIFICATE, "CN=ra", NULL, "ra", "CN=RA", "CN=ra | (none)"},
        {POLICY_IDENTITY_CERTIFICATE, "CN=ra", NULL, "dev7", "CN=dev7", "own_names: certificate of \"CN=ra\"..."},
        {POLICY_IDENTITY_CERTIFICATE, "CN=ra", NULL, "dev7", "CN=ra", "own_names: end entity \"dev7\"..."},
    };
    pki_cert_t cert = {.subject = name_of("CN=ra")};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_entity();
        t.client.names = rows[i].names;
        t.client.user = rows[i].name;
        t.entity.name = rows[i].entity;
        t.identity = (policy_identity_t){.kind = rows[i].kind,
                                         .name = rows[i].name,
                                         .client = rows[i].names ? &t.client : NULL,
                                         .cert = rows[i].kind == POLICY_IDENTITY_USER ? NULL : &cert,
                                         .entity = &t.entity};
        t.csr.subject = rows[i].asked;
        assert_verdict(rows[i].verdict, apr_psprintf(pool, "row %d", (int)i));
    }
    good_entity(); /* the subject of the row, and who acts for it is asked all the same */
    t.names[0] = "own";
    t.entity.subject = "CN=dev7";
    t.csr.subject = "";
    t.identity =
        (policy_identity_t){.kind = POLICY_IDENTITY_USER, .name = "ra", .client = &t.client, .entity = &t.entity};
    assert_fails_alone("own_names", EST_E_name_not_yours, "\"ra\" asks for end entity");
}

/* AUTH-12: names that the profile makes of entity and row are the entity's; what it takes of the request is not */
static void test_templates_of_entities(void **state)
{
    static const struct {
        const char *template, *san_template, *asked, *verdict;
    } rows[] = {
        {"CN=${entity},O=${entity.O}", NULL, "", "CN=dev7,O=Example | (none)"},
        {"CN=${entity},O=${entity.O}", NULL, "CN=dev7", "CN=dev7,O=Example | (none)"},
        {"CN=${entity},O=${entity.O}", NULL, "CN=dev8", "own_names: end entity \"dev7\" asks for CN \"dev8\""},
        {"CN=${entity},O=${entity.O}", NULL, "CN=dev7,O=Evil", "subject: end entity \"dev7\" asks for another O..."},
        {"CN=${entity.O}", NULL, "", "CN=Example | (none)"},
        {"CN=${entity.UID}", NULL, "O=Example", "named: ..."},
        {"CN=${csr.CN}", NULL, "CN=dev7", "CN=dev7 | (none)"},
        {"CN=${csr.OU}", NULL, "CN=dev7,OU=dev8", "own_names: end entity \"dev7\" asks for OU \"dev8\"..."},
        {"CN=${csr.OU}", NULL, "OU=dev8", "own_names: end entity \"dev7\" asks for OU \"dev8\"..."},
        {"CN=${csr.OU}", NULL, "OU=dev7", "CN=dev7 | (none)"},
        {"CN=${csr.O}", NULL, "O=Example", "CN=Example | (none)"}, /* in the row */
        {"CN=${entity},O=${csr.OU}", NULL, "OU=Any", "CN=dev7,O=Any | (none)"},
        {"CN=${entity}", "${entity}.example", "", "CN=dev7 | dns:dev7.example"},
        {"CN=${entity}", "${csr.OU}.example", "OU=dev8", "own_names: end entity \"dev7\" asks for OU \"dev8\"..."},
        {"CN=${entity}", "${csr.OU}.example", "", "CN=dev7 | (none)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_entity();
        t.entity.subject = "O=Example";
        t.rows.profile.subject_template = rows[i].template;
        t.csr.subject = rows[i].asked;
        if (rows[i].san_template) {
            t.san_rules[0].source = "template";
            t.san_rules[0].template = rows[i].san_template;
        }
        assert_verdict(rows[i].verdict, apr_psprintf(pool, "row %d", (int)i));
    }
}

/* EN-10: names of ChangeSubjectName are no freer than those of the subject */
static void test_changed_names_of_entities(void **state)
{
    pki_cert_t cert = {.subject = name_of("CN=dev7")};

    (void)state;
    good_entity();
    t.alias.change_subject = 1;
    change_names("CN=dev8", NULL);
    assert_verdict("own_names: end entity \"dev7\" asks for CN \"dev8\"", "another");
    t.csr.subject = "CN=dev8"; /* what stands in the subject does not count then */
    change_names("CN=dev7", "DNS:dev7");
    assert_verdict("CN=dev7 | dns:dev7", "its own");
    change_names("CN=dev7", "DNS:dev8");
    assert_verdict("own_names: end entity \"dev7\" asks for dns:dev8", "another SAN");
    t.entity.subject = "CN=dev7";
    change_names("CN=dev8", NULL);
    assert_verdict("subject: end entity \"dev7\" asks for another CN...", "not that of the row");
    /* RE-08: nor when a certificate is renewed, whose entity is not looked at here */
    t.request.op = POLICY_OP_REENROLL;
    t.csr.subject = "CN=dev7";
    t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_CERTIFICATE, .name = "CN=dev7", .cert = &cert};
    assert_fails_alone("own_names", EST_E_name_not_yours, "certificate of \"CN=dev7\" asks for \"CN=dev8\"");
}

/* In RA mode the entity is called by what is granted */
static void test_entity_name(void **state)
{
    static const char *const belongs[] = {"O"};

    (void)state;
    good_request();
    assert_string_equal(granted()->entity, "dev7");
    t.alias.name_prefix = "site-";
    t.alias.name_postfix = "-${RANDOM}";
    assert_string_equal(granted()->entity, "site-dev7-mnopqrstuv");
    t.alias.name_scheme = POLICY_NAME_RANDOM;
    t.alias.name_postfix = "";
    assert_string_equal(granted()->entity, "site-abcdefghijkl");
    t.request.random = NULL;
    assert_fails_alone("entity_name", EST_E_internal, "random");
    t.alias.name_prefix = "";
    t.alias.name_scheme = POLICY_NAME_FIXED;
    t.alias.fixed_name = "all";
    assert_string_equal(granted()->entity, "all");
    t.alias.name_scheme = POLICY_NAME_USERNAME;
    assert_string_equal(granted()->entity, "O=Example,CN=dev7");
    t.alias.name_scheme = POLICY_NAME_DN;
    t.alias.name_attributes = belongs;
    t.subject_rules[1].pattern = "Other"; /* what is dropped names nobody */
    t.subject_rules[1].on_violation = "drop";
    assert_string_equal(granted()->entity, "dns:dev7.example");
    good_entity(); /* a registered one is called as it is registered */
    t.alias.name_prefix = "site-";
    t.csr.subject = "CN=Device 7,O=Example";
    t.entity.subject = "CN=Device 7";
    assert_string_equal(granted()->entity, "dev7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_entity),
        EST_TEST(test_entity_when_a_certificate_is_renewed),
        EST_TEST(test_names_from_the_row),
        EST_TEST(test_a_required_name_of_the_row),
        EST_TEST(test_who_asks_for_an_entity),
        EST_TEST(test_templates_of_entities),
        EST_TEST(test_changed_names_of_entities),
        EST_TEST(test_entity_name),
    };
    return EST_TEST_RUN(tests);
}
