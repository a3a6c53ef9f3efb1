/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* The rules of policy_decide.c for renewals, and for those who ask for other names than they have. */

#include "decide_test.h"

static pki_cert_t cert;

/* The holder of a certificate for 30 days more renews it */
static void good_renewal(void)
{
    good_request();
    t.request.op = POLICY_OP_REENROLL;
    t.csr.key = make_key("P-256");
    cert = (pki_cert_t){.subject = name_of("CN=dev7,O=Example"),
                        .san = sans_of("DNS:dev7.example"),
                        .spki = spki_of(t.csr.key),
                        .not_before = TEST_NOW - 30 * TEST_DAY,
                        .not_after = TEST_NOW + 30 * TEST_DAY};
    t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_CERTIFICATE, .name = cert.subject->text, .cert = &cert};
}

/* RE-05: the same key renews, another one replaces */
static void test_same_key(void **state)
{
    static const struct {
        policy_same_key_t wanted;
        int same, good;
        const char *why;
    } rows[] = {
        {POLICY_SAME_KEY_ALLOW, 1, 1, NULL},         {POLICY_SAME_KEY_ALLOW, 0, 1, NULL},
        {POLICY_SAME_KEY_FORBID, 1, 0, "a new key"}, {POLICY_SAME_KEY_FORBID, 0, 1, NULL},
        {POLICY_SAME_KEY_REQUIRE, 1, 1, NULL},       {POLICY_SAME_KEY_REQUIRE, 0, 0, "keeps its key"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_renewal();
        t.alias.same_key = rows[i].wanted;
        if (!rows[i].same)
            t.csr.key = make_key("P-256");
        if (rows[i].good)
            granted();
        else
            assert_fails_alone("same_key", EST_E_key_reuse, rows[i].why);
        t.request.op = POLICY_OP_ENROLL; /* a first enrolment renews nothing */
        granted();
    }
}

/* RE-10 */
static void test_renew_window(void **state)
{
    static const struct {
        apr_int64_t window; /* seconds */
        apr_time_t left;    /* until the certificate ends */
        int good;
    } rows[] = {
        {0, 300 * TEST_DAY, 1},
        {86400, 2 * TEST_DAY, 0},
        {86400, TEST_DAY + 1, 0},
        {86400, TEST_DAY, 1},
        {86400, 1, 1},
        {86400, -TEST_DAY, 1}, /* whether one that has ended is renewed is asked elsewhere */
        {APR_INT64_C(100) * 366 * 86400, 10000 * TEST_DAY, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_renewal();
        t.alias.renew_window = rows[i].window;
        cert.not_after = TEST_NOW + rows[i].left;
        if (rows[i].good)
            granted();
        else
            assert_fails_alone("renew_window", EST_E_renewal_early, "can be renewed from");
        t.request.op = POLICY_OP_ENROLL;
        granted();
    }
}

/* RE-06: a maker's certificate is for the first enrolment */
static void test_vendor(void **state)
{
    (void)state;
    good_renewal();
    t.identity.kind = POLICY_IDENTITY_VENDOR;
    assert_fails_alone("same_names", EST_E_vendor_refused, "first enrolment");
    t.csr.subject = "CN=other"; /* whatever it asks for */
    t.csr.exts[0] = NULL;
    assert_verdict("same_names: it is for a first enrolment...", "other names");
    t.alias.reenroll_by_password = 1;
    assert_verdict("same_names: it is for a first enrolment...", "where passwords are enough");
    good_renewal();
    t.identity.kind = POLICY_IDENTITY_VENDOR;
    t.request.op = POLICY_OP_ENROLL;
    granted();
}

/* AUTH-12: in RA mode a device gets the names that its maker gave it */
static void test_names_of_vendors(void **state)
{
    static const struct {
        const char *subject, *san, *hardware; /* of the certificate */
        const char *asked, *asked_san;
        int good;
    } rows[] = {
        {"serialNumber=dev-42", "", NULL, "CN=dev-42", NULL, 1},
        {"serialNumber=dev-42", "", NULL, "CN=dev-42,O=Example", "DNS:dev-42", 1},
        {"serialNumber=dev-42", "", NULL, "CN=dev-43", NULL, 0},
        {"serialNumber=dev-42", "", NULL, "CN=dev-42", "DNS:dev-43", 0},
        {"CN=Device 42,O=Maker", "", NULL, "CN=Device 42", NULL, 1},
        {"CN=Device 42,O=Maker", "", NULL, "CN=Maker", NULL, 0},
        {"CN=dev42,O=Example", "DNS:dev42.example", NULL, "CN=dev42,O=Example", "DNS:dev42.example", 1},
        {"CN=dev42,O=Example", "DNS:dev42.example", NULL, "CN=dev42,O=Example", "DNS:dev43.example", 0},
        {"CN=dev42,O=Example", "DNS:dev42.example", NULL, "CN=dev42", "DNS:dev42.example", 0},
        {"", "", "0a1b", "CN=0a1b", NULL, 1},
        {"", "", "0a1b", "CN=0A1B", NULL, 0},
        {"", "", "0a1b", "CN=0a1", NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_renewal();
        cert.subject = name_of(rows[i].subject);
        cert.san = sans_of(rows[i].san);
        cert.hardware_serial = rows[i].hardware;
        t.identity.kind = POLICY_IDENTITY_VENDOR;
        t.request.op = POLICY_OP_ENROLL;
        t.csr.subject = rows[i].asked;
        t.csr.exts[0] = rows[i].asked_san ? apr_pstrcat(pool, "subjectAltName=", rows[i].asked_san, NULL) : NULL;
        if (rows[i].good)
            granted();
        else
            assert_fails_alone("own_names", EST_E_name_not_yours, "vendor certificate of");
    }
}

/* AUTH-11 */
static void test_names_of_registration_authorities(void **state)
{
    static const char *const own[] = {"own"}, *const star[] = {"*"}, *const devs[] = {"dev*", "*.example"};
    const struct {
        const char *const *names; /* NULL: no row */
        int n_names;
        const char *asked;
        int good;
    } rows[] = {
        {NULL, 0, "CN=any", 1}, {NULL, 0, "O=Example", 1},        {star, 1, "CN=any", 1}, {devs, 2, "CN=dev9", 1},
        {devs, 2, "CN=ra", 0},  {own, 1, "CN=dev7,O=Example", 1}, {own, 1, "CN=dev9", 0}, {own, 0, "CN=dev9", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_renewal();
        t.client.names = rows[i].names;
        t.client.n_names = rows[i].n_names;
        t.identity.client = rows[i].names ? &t.client : NULL;
        t.identity.kind = POLICY_IDENTITY_RA;
        t.request.op = POLICY_OP_ENROLL;
        t.csr.subject = rows[i].asked;
        if (rows[i].good)
            granted();
        else
            assert_fails_alone("own_names", EST_E_name_not_yours, NULL);
    }
    good_renewal(); /* the group's patterns hold for it, too */
    t.identity.kind = POLICY_IDENTITY_RA;
    t.request.op = POLICY_OP_ENROLL;
    t.patterns[0] = "host*";
    assert_fails_alone("group_names", EST_E_name_refused, "dev7");
}

/* A password in the place of the certificate is good for its owner's names alone */
static void test_renewal_by_password(void **state)
{
    (void)state;
    good_renewal();
    t.names[0] = "own";
    t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_USER, .name = "dev7", .client = &t.client};
    t.csr.exts[0] = NULL;
    assert_fails_alone("same_names", EST_E_certificate_required, NULL);
    t.alias.reenroll_by_password = 1;
    granted();
    t.csr.subject = "CN=dev8";
    assert_fails_alone("own_names", EST_E_name_not_yours, "dev8");
    t.csr.subject = "CN=dev7"; /* there is no certificate that would have to agree */
    t.alias.renew_window = 60;
    t.alias.same_key = POLICY_SAME_KEY_FORBID;
    granted();
    t.identity.cert = &cert; /* and where there is one, it does */
    t.alias.same_key = POLICY_SAME_KEY_ALLOW;
    t.alias.renew_window = 0;
    assert_fails_alone("same_names", EST_E_names_differ, NULL);
}

/* A renewal keeps its names, whatever the profile would make of them today; its rules hold */
static void test_renewals_and_templates(void **state)
{
    (void)state;
    good_renewal();
    t.rows.profile.subject_template = "CN=${csr.CN}-new,O=Example";
    t.san_rules[1] = (policy_san_row_t)GOOD_SAN("dns");
    t.san_rules[1].source = "template";
    t.san_rules[1].template = "${csr.CN}.example";
    t.san_rules[1].required = "t";
    t.rows.n_san_rules = 2;
    assert_verdict("O=Example,CN=dev7 | dns:dev7.example", "the names it has");
    t.san_rules[0].required = "t"; /* both rules want one, and it is one for both */
    assert_verdict("O=Example,CN=dev7 | dns:dev7.example", "required by two rules");
    t.san_rules[0].pattern = t.san_rules[1].pattern = "*.example.com";
    assert_verdict("san: dns:dev7.example: pattern is...", "no rule allows it any more");
    t.san_rules[1].pattern = "dev7.example";
    t.san_rules[0].required = "f";
    assert_verdict("O=Example,CN=dev7 | dns:dev7.example", "the template's rule allows it");
}

/* EN-10 at a first enrolment: what ChangeSubjectName leaves out is empty, and judged is what it asks for */
static void test_changed_names(void **state)
{
    static const struct {
        const char *names, *subject, *san, *verdict; /* names: of the client */
    } rows[] = {
        {"*", "CN=dev8", "DNS:dev8.example", "CN=dev8 | dns:dev8.example"},
        {"*", "CN=dev8", NULL, "CN=dev8 | (none)"},
        {"*", NULL, "DNS:dev8.example", " | dns:dev8.example"},
        {"*", "", "DNS:dev8.example", " | dns:dev8.example"},
        {"*", "", NULL, "named: ..."},
        {"*", "CN=dev8,L=Paris", NULL, "subject: subject L=\"Paris\"..."},
        {"*", "CN=dev8", "IP:10.0.0.1", "san: ip:10.0.0.1..."},
        {"*", "CN=dev  8", NULL, "disguise: ..."},
        {"*", "CN=CA,O=Example", NULL, "not_the_ca: ..."},
        {"dev*", "CN=dev8", NULL, "CN=dev8 | (none)"},
        {"dev*", "CN=root", NULL, "own_names: client \"ra\" asks for CN \"root\""},
        {"own", "CN=ra", NULL, "CN=ra | (none)"},
        {"own", "CN=dev8", NULL, "own_names: client \"ra\" asks for CN \"dev8\""},
        {"own", "CN=ra", "DNS:dev8.example", "own_names: client \"ra\" asks for dns:dev8.example"},
        {"own", NULL, "DNS:dev8.example", "own_names: client \"ra\" asks for dns:dev8.example"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_request();
        t.names[0] = rows[i].names;
        change_names(rows[i].subject, rows[i].san);
        assert_verdict("attributes: ChangeSubjectName is not allowed at alias \"est\"", "not allowed");
        t.alias.change_subject = 1;
        assert_verdict(rows[i].verdict, apr_psprintf(pool, "row %d", (int)i));
    }
    good_renewal(); /* a holder has its own names, also at a first enrolment */
    t.request.op = POLICY_OP_ENROLL;
    t.alias.change_subject = 1;
    change_names("CN=dev8", NULL);
    assert_fails_alone("own_names", EST_E_name_not_yours, "asks for \"CN=dev8\"");
    change_names("CN=DEV7,O=Example", NULL); /* and as they are written */
    assert_verdict("O=Example,CN=dev7 | (none)", "one name less");
    t.identity.kind = POLICY_IDENTITY_VENDOR;
    change_names("CN=dev8", NULL);
    assert_fails_alone("own_names", EST_E_name_not_yours, "vendor certificate");
}

/* C-12: what no request may have, ChangeSubjectName may not */
static void test_changed_names_that_are_unfit(void **state)
{
    (void)state;
    good_request();
    t.alias.change_subject = 1;
    /* O as T61String beyond ASCII */
    t.attrs[0] = (pki_req_attr_t){"1.3.6.1.5.5.7.7.36", hex("3010 300e 310c 300a 0603 55040a 1403 6162fc")};
    t.n_attrs = 1;
    assert_verdict("attributes: ChangeSubjectName: T61String...", "T61String");
    t.attrs[0].values = hex("3000");
    assert_verdict("attributes: ...", "neither");
    t.attrs[0].values = hex("3006 a104 8202 615f"); /* dns:a_ */
    assert_verdict("attributes: ...", "no name of a host");
}

/* RE-08: the subject stays the old one, the certificate has the new one; profile and group say which there may be */
static void test_changed_names_in_a_renewal(void **state)
{
    static const struct {
        const char *subject, *san, *verdict;
    } rows[] = {
        {"CN=dev8,O=Example", "DNS:dev8.example", "O=Example,CN=dev8 | dns:dev8.example"},
        {"CN=dev8", NULL, "CN=dev8 | (none)"},
        {NULL, "DNS:dev8.example", " | dns:dev8.example"},
        {"", NULL, "named: ..."},
        {"CN=host8", NULL, "group_names: CN \"host8\" matches no pattern..."},
        {"CN=dev8", "DNS:host8.example", "group_names: dns \"host8.example\" matches no pattern..."},
        {"CN=dev8,L=Paris", NULL, "subject: subject L=\"Paris\"..."},
        {"CN=dev  8", NULL, "disguise: ..."},
        {"CN=CA,O=Example", NULL, "not_the_ca: ..."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_renewal();
        t.group.names = (const char *const[]){"dev*", "dev*.example"};
        t.group.n_names = 2;
        change_names(rows[i].subject, rows[i].san);
        assert_verdict("attributes: ChangeSubjectName is not allowed...", "not allowed");
        t.alias.change_subject = 1;
        assert_verdict(rows[i].verdict, apr_psprintf(pool, "row %d", (int)i));
    }
    good_renewal();
    t.alias.change_subject = 1;
    change_names("CN=dev8", NULL);
    t.csr.subject = "CN=dev8"; /* the new one has no place there */
    assert_fails_alone("same_names", EST_E_names_differ, "certificate \"O=Example,CN=dev7\"");
    good_renewal(); /* a user is held to its names, with a certificate beside or without */
    t.alias.change_subject = 1;
    change_names("CN=dev8", NULL);
    t.names[0] = "own";
    t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_USER, .name = "ra", .client = &t.client, .cert = &cert};
    assert_fails_alone("own_names", EST_E_name_not_yours, "dev8");
    t.identity.cert = NULL;
    t.alias.reenroll_by_password = 1;
    assert_fails_alone("own_names", EST_E_name_not_yours, "dev8");
    good_renewal(); /* new names are made as at a first enrolment */
    t.alias.change_subject = 1;
    change_names("CN=dev8", NULL);
    t.rows.profile.subject_template = "CN=${csr.CN},O=Example";
    assert_verdict("CN=dev8,O=Example | (none)", "template");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_same_key),
        EST_TEST(test_renew_window),
        EST_TEST(test_vendor),
        EST_TEST(test_names_of_vendors),
        EST_TEST(test_names_of_registration_authorities),
        EST_TEST(test_renewal_by_password),
        EST_TEST(test_renewals_and_templates),
        EST_TEST(test_changed_names),
        EST_TEST(test_changed_names_that_are_unfit),
        EST_TEST(test_changed_names_in_a_renewal),
    };
    return EST_TEST_RUN(tests);
}
