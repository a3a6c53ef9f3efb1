/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Names that policy makes, by templates and rows of end entities, and what of them somebody has asked for. */

#include "decide_test.h"

#include "policy/policy_names.h"

/* The client "ra", who may ask for its own name, and no alternative names */
static void own_request(const char *template, const char *asked)
{
    good_request();
    t.names[0] = "own";
    t.csr.exts[0] = NULL;
    t.rows.profile.subject_template = template;
    t.csr.subject = asked;
}

/* The subject granted, or the rule that refuses */
static const char *outcome(const policy_grant_t **out)
{
    policy_grant_t *grant = NULL, *explained;
    const policy_request_t *judged = request();
    est_err_t *err = policy_decide(&grant, judged, pool);
    int n;

    policy_explain(&explained, &n, judged, pool);
    assert_int_equal(explained == NULL, err != NULL);
    *out = grant;
    return err ? err->rule : grant->subject->text;
}

/* What a template takes out of the request is asked for, wherever in the request it stood; what it makes of other
 * things is given */
static void test_what_a_template_makes_of_a_request_is_asked_for(void **state)
{
    static const struct {
        const char *template, *asked;
        const char *subject; /* or the rule that refuses */
        const char *dropped;
    } rows[] = {
        {"CN=${csr.CN},O=Example", "CN=ra", "CN=ra,O=Example", NULL},
        {"CN=${csr.CN}", "CN=dev8", "own_names", NULL},
        {"CN=${csr.OU}", "CN=ra,OU=admin", "own_names", NULL},
        {"CN=${csr.OU}", "OU=admin", "own_names", NULL},
        {"CN=${csr.OU}", "OU=ra", "CN=ra", "OU=ra"},
        {"CN=x${csr.CN}", "CN=ra", "CN=xra", "CN=ra"},
        {"CN=${user},CN=${csr.L}", "L=admin", "own_names", NULL},
        {"CN=${user},O=${csr.O}", "O=Asked", "CN=ra,O=Asked", NULL},
        {"CN=${user}.devices,O=Example", "CN=ra", "CN=ra.devices,O=Example", "CN=ra"},
        {"CN=${user}.devices", "", "CN=ra.devices", NULL},
        {"CN=gateway,O=Example", "CN=ra,L=Paris", "CN=gateway,O=Example", "CN=ra, L=Paris"},
        {"CN=${entity}", "CN=ra", "CN=ra", NULL},
        {"CN=${entity}", "CN=dev8", "own_names", NULL},
        {"CN=ra,O=${entity}", "CN=dev8", "own_names", NULL}, /* it would be on record as dev8's */
        {"CN=a  b", "CN=ra", "disguise", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_subject_row_t subject_rules[] = {GOOD_SUBJECT("CN"), GOOD_SUBJECT("O")};
        const policy_grant_t *grant;
        const char *got;

        own_request(rows[i].template, rows[i].asked);
        subject_rules[0].max_count = "2";
        t.rows.subject_rules = subject_rules;
        got = outcome(&grant);
        if (strcmp(got, rows[i].subject) != 0)
            fail_msg("%s of %s: %s", rows[i].template, rows[i].asked, got);
        if (grant &&
            (!rows[i].dropped != !grant->dropped || (grant->dropped && strcmp(grant->dropped, rows[i].dropped) != 0)))
            fail_msg("%s of %s: dropped %s", rows[i].template, rows[i].asked, grant->dropped);
    }
}

static void test_so_it_is_with_alternative_names(void **state)
{
    static const struct {
        const char *template, *asked;
        const char *san; /* NULL: refused */
    } rows[] = {
        {"${user}.example", "CN=ra", "dns:ra.example"},
        {"${csr.CN}", "CN=ra", "dns:ra"},
        {"${csr.CN}.example", "CN=ra", "dns:ra.example"},
        {"${csr.OU}.example", "CN=ra,OU=admin", NULL},
        {"${csr.OU}", "CN=ra", "(none)"},
        {"${csr.OU}.example", "CN=ra", "(none)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const policy_grant_t *grant;
        const char *got;

        own_request(NULL, rows[i].asked);
        t.rows.profile.subject_other = "drop";
        t.san_rules[0].source = "template";
        t.san_rules[0].template = rows[i].template;
        got = outcome(&grant);
        if (!rows[i].san)
            assert_string_equal(got, "own_names");
        else if (!grant || strcmp(policy_names_text(&grant->san, pool), rows[i].san) != 0)
            fail_msg("%s of %s: %s", rows[i].template, rows[i].asked, got);
    }
}

/* A holder's certificate says what it may be called: the whole of what comes out is compared with it */
static void test_holders_are_held_to_their_names_whoever_makes_them(void **state)
{
    pki_cert_t cert = {.subject = name_of("CN=dev7,OU=admin")};
    const policy_grant_t *grant;

    (void)state;
    own_request("CN=${csr.OU}", "CN=dev7,OU=admin");
    t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_CERTIFICATE, .name = "CN=dev7", .cert = &cert};
    assert_string_equal(outcome(&grant), "own_names");
    /* of whatever the names that it has are made */
    cert.subject = name_of("CN=admin,O=admin");
    own_request("O=${csr.O},CN=${csr.O}", "CN=admin,O=admin");
    t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_CERTIFICATE, .name = "CN=admin", .cert = &cert};
    assert_string_equal(outcome(&grant), "O=admin,CN=admin");
    cert.subject = name_of("CN=dev7,O=admin");
    own_request("O=${csr.O},CN=${csr.O}", "CN=dev7,O=admin");
    t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_CERTIFICATE, .name = "CN=dev7", .cert = &cert};
    assert_string_equal(outcome(&grant), "own_names");
}

/* Client mode: as well */
static void test_entities_ask_for_their_own_names(void **state)
{
    static const struct {
        const char *row, *template, *asked;
        const char *subject; /* or the rule that refuses */
        const char *dropped;
    } rows[] = {
        {NULL, "CN=${csr.OU}", "CN=dev7,OU=admin", "own_names", NULL},
        {NULL, "CN=${csr.OU}", "OU=admin", "own_names", NULL},
        {NULL, "CN=${entity}.example", "CN=dev7", "CN=dev7.example", "CN=dev7"},
        {"CN=Device 7,O=Example", "CN=${entity.CN}", "CN=dev7", "CN=Device 7", "CN=dev7"},
        /* the name by which it is found is not always that in its row */
        {"CN=Device 7", NULL, "CN=dev7", "CN=Device 7", "CN=dev7"},
        {"CN=Device 7", NULL, "CN=Device 7", "CN=Device 7", NULL},
        {"CN=Device 7,O=Example", NULL, "CN=dev7,O=Example", "CN=Device 7,O=Example", "CN=dev7"},
        {"CN=Device 7,O=Example", NULL, "CN=dev7,O=dev7", "subject", NULL}, /* O is no name of somebody */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_entity_t entity = {.id = 3, .name = "dev7", .preregistered = 1, .subject = rows[i].row};
        const policy_grant_t *grant;
        const char *got;

        own_request(rows[i].template, rows[i].asked);
        t.alias.mode = POLICY_MODE_CLIENT;
        t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_ENTITY, .name = "dev7", .entity = &entity};
        got = outcome(&grant);
        if (strcmp(got, rows[i].subject) != 0)
            fail_msg("row %s, asked %s: %s", rows[i].row, rows[i].asked, got);
        if (grant &&
            (!rows[i].dropped != !grant->dropped || (grant->dropped && strcmp(grant->dropped, rows[i].dropped) != 0)))
            fail_msg("row %s, asked %s: dropped %s", rows[i].row, rows[i].asked, grant->dropped);
    }
}

/* A certificate says the same of its entity as the record */
static void test_the_entity_of_a_template_is_the_one_on_record(void **state)
{
    (void)state;
    good_request();
    t.alias.name_prefix = "n-";
    t.rows.profile.subject_template = "CN=${entity}";
    assert_string_equal(granted()->subject->text, "CN=n-dev7");
    assert_string_equal(granted()->entity, "n-dev7");
    t.alias.name_prefix = "";
    t.rows.profile.subject_template = "O=${entity}";
    assert_string_equal(granted()->entity, "dev7");

    good_request(); /* nothing is wrong with a name that nobody needs */
    t.alias.name_scheme = POLICY_NAME_USERNAME;
    t.rows.profile.subject_template = "CN=${user}";
    t.csr.subject = "";
    assert_string_equal(granted()->entity, "CN=ra");
}

/* Rules about names that policy gives are for new certificates: one that is renewed keeps what it has */
static void test_renewals_lack_no_names_of_templates(void **state)
{
    pki_cert_t cert = {.subject = name_of("CN=dev7"), .san = sans_of("DNS:dev7.example")};
    policy_san_row_t rules[] = {GOOD_SAN("dns"), GOOD_SAN("dns")};

    (void)state;
    good_request();
    rules[1].source = "template";
    rules[1].template = "${csr.CN}.example.org";
    rules[1].required = "t";
    t.rows.san_rules = rules;
    t.rows.n_san_rules = 2;
    t.request.op = POLICY_OP_REENROLL;
    t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_CERTIFICATE, .name = "CN=dev7", .cert = &cert};
    t.csr.subject = "CN=dev7";
    assert_string_equal(policy_names_text(&granted()->san, pool), "dns:dev7.example");
}

/* What is left out of itself is named as well */
static void test_what_is_left_out_is_listed(void **state)
{
    static const struct {
        const char *asked, *dropped;
    } rows[] = {
        {"1.2.3.4.5=DER:0500", "extension=1.2.3.4.5"},
        {"certificatePolicies=DER:3007300506032a0304", "extension=certificatePolicies"},
        {"keyUsage=digitalSignature", NULL},
        {"extendedKeyUsage=clientAuth", NULL},
        {"basicConstraints=CA:FALSE", NULL},
        {"subjectKeyIdentifier=00112233", NULL},
        {"subjectAltName=DNS:a.example", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_request();
        t.csr.exts[0] = rows[i].asked;
        const char *dropped = granted()->dropped;
        if (!rows[i].dropped != !dropped || (dropped && strcmp(dropped, rows[i].dropped) != 0))
            fail_msg("%s: %s", rows[i].asked, dropped);
    }
}

/* RFC 7633 4.1: Features ::= SEQUENCE OF INTEGER */
static void test_copied_features_are_features(void **state)
{
    static const policy_request_ext_row_t rule = {"tlsfeature", "copy"};
    static const char *const bad[] = {"tlsfeature=DER:3000", "tlsfeature=DER:30030c0161", "tlsfeature=DER:0500"};

    (void)state;
    good_request();
    t.rows.request_exts = &rule;
    t.rows.n_request_exts = 1;
    t.csr.exts[0] = "tlsfeature=status_request";
    assert_int_equal(granted()->n_exts, 5);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        t.csr.exts[0] = bad[i];
        assert_fails_alone("extensions", EST_E_extension_refused, "malformed");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_what_a_template_makes_of_a_request_is_asked_for),
        EST_TEST(test_so_it_is_with_alternative_names),
        EST_TEST(test_holders_are_held_to_their_names_whoever_makes_them),
        EST_TEST(test_entities_ask_for_their_own_names),
        EST_TEST(test_the_entity_of_a_template_is_the_one_on_record),
        EST_TEST(test_renewals_lack_no_names_of_templates),
        EST_TEST(test_what_is_left_out_is_listed),
        EST_TEST(test_copied_features_are_features),
    };
    return EST_TEST_RUN(tests);
}
