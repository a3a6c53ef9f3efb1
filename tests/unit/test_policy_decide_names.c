/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* The rules of policy_decide.c about subject and subjectAltName. */

#include "decide_test.h"

/* CP-15 */
static void test_san_is_critical_where_there_is_no_subject(void **state)
{
    policy_grant_t *grant;

    (void)state;
    good_request();
    t.csr.subject = "";
    grant = granted();
    assert_string_equal(grant->entity, "dns:dev7.example");
    ASSERT_SLICE(grant->exts[4], join(2, hex("301a 0603551d11 0101ff 0410 300e 820c"), text("dev7.example")));
}

static void test_without_san_there_is_no_extension(void **state)
{
    (void)state;
    good_request();
    t.csr.exts[0] = NULL;
    assert_int_equal(granted()->n_exts, 4);
}

/* RFC 7030 4.2.2 */
static void test_same_names(void **state)
{
    static const struct {
        const char *subject, *san;
        int good;
        const char *reason;
    } rows[] = {
        {"CN=dev7,O=Example", "subjectAltName=DNS:dev7.example,DNS:b.example", 1, "the same"},
        {"CN=dev7,O=Example", "subjectAltName=DNS:b.example,DNS:dev7.example", 1, "C-13: SAN in another order"},
        {"CN=DEV7,O=Example", "subjectAltName=DNS:dev7.example,DNS:b.example", 1, "C-13: case folded"},
        {"CN=dev7,O=Example", "subjectAltName=DNS:DEV7.example,DNS:b.example", 1, "DNS without case"},
        {"CN=dev7,O=Example", "subjectAltName=DNS:dev7.example", 0, "a SAN less"},
        {"CN=dev7,O=Example", NULL, 0, "no SAN"},
        {"CN=dev7,O=Example", "subjectAltName=DNS:dev7.example,DNS:b.example,DNS:c.example", 0, "a SAN more"},
        {"CN=dev8,O=Example", "subjectAltName=DNS:dev7.example,DNS:b.example", 0, "another subject"},
        {"O=Example,CN=dev7", "subjectAltName=DNS:dev7.example,DNS:b.example", 0, "C-13: RDNs in another order"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_cert_t cert = {.subject = name_of("CN=dev7,O=Example"), .san = sans_of("DNS:dev7.example,DNS:b.example")};

        good_request();
        t.request.op = POLICY_OP_REENROLL;
        t.identity.cert = &cert; /* beside the RA's name, so that own_names has nothing against it */
        t.csr.subject = rows[i].subject;
        t.csr.exts[0] = rows[i].san;
        if (rows[i].good)
            granted();
        else
            assert_fails_alone("same_names", EST_E_names_differ, "certificate");
        t.request.op = POLICY_OP_ENROLL;
        granted();
    }
    good_request();
    t.request.op = POLICY_OP_REENROLL;
    assert_fails_alone("same_names", EST_E_certificate_required, NULL);
}

static void test_subject(void **state)
{
    (void)state;
    good_request();
    t.csr.subject = "CN=dev7,L=Paris";
    assert_fails_alone("subject", EST_E_name_refused, "L=");
    t.rows.profile.subject_other = "drop";
    policy_grant_t *grant = granted();
    assert_string_equal(grant->subject->text, "CN=dev7");
    assert_string_equal(grant->dropped, "L=Paris");
}

static void test_san(void **state)
{
    (void)state;
    good_request();
    t.csr.exts[0] = "subjectAltName=DNS:dev7.example,IP:10.0.0.1";
    assert_fails_alone("san", EST_E_name_refused, "ip:10.0.0.1");
    t.rows.profile.san_other = "drop";
    policy_grant_t *grant = granted();
    assert_int_equal(grant->san.n_names, 1);
    assert_string_equal(grant->dropped, "ip=10.0.0.1");
    /* with a subject that is empty: the explanation does not say "named" too, for without the flaw there would be a
     * name */
    good_request();
    t.csr.subject = "";
    t.csr.exts[0] = "subjectAltName=IP:10.0.0.1";
    assert_fails_alone("san", EST_E_name_refused, "ip:10.0.0.1");
}

static void test_named(void **state)
{
    (void)state;
    good_request(); /* C-15 */
    t.csr.subject = "";
    t.csr.exts[0] = NULL;
    t.patterns[0] = "**";
    policy_grant_t *grant = NULL;
    est_err_t *err = policy_decide(&grant, request(), pool);
    ASSERT_ROW(err, EST_E_name_invalid, "neither subject nor subjectAltName", "empty");
    assert_string_equal(err->rule, "named");

    good_request(); /* everything dropped */
    t.csr.subject = "L=Paris";
    t.csr.exts[0] = NULL;
    t.rows.profile.subject_other = "drop";
    err = policy_decide(&grant, request(), pool);
    ASSERT_ROW(err, EST_E_name_invalid, "L=Paris", "dropped");
    assert_string_equal(err->rule, "named");
}

/* N-09 */
static void test_disguise(void **state)
{
    pki_cert_t cert = {.subject = name_of("CN=dev  7")};

    (void)state;
    good_request();
    t.csr.subject = "CN=dev  7";
    assert_fails_alone("disguise", EST_E_name_invalid, "value of CN: two blanks");
    t.csr.subject = "CN=d\xd0\xb5v7,O=Example";
    assert_fails_alone("disguise", EST_E_name_invalid, "Cyrillic");
    t.csr.subject = "CN=dev7,O= Example";
    assert_fails_alone("disguise", EST_E_name_invalid, "value of O: blank");
    t.subject_rules[1].pattern = "Example"; /* what is dropped does not count */
    t.subject_rules[1].on_violation = "drop";
    assert_string_equal(granted()->subject->text, "CN=dev7");

    good_request(); /* a holder keeps the name it has, and gets no other of that kind */
    t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_CERTIFICATE, .name = "dev  7", .cert = &cert};
    t.csr.exts[0] = NULL;
    t.csr.subject = "CN=dev 7";
    assert_string_equal(granted()->subject->text, "CN=dev  7");
    t.csr.subject = "CN=dev  8";
    policy_grant_t *grant;
    est_err_t *err = policy_decide(&grant, request(), pool);
    ASSERT_ROW(err, EST_E_name_invalid, "two blanks", "another name");
}

/* CP-21 */
static void test_email(void **state)
{
    (void)state;
    good_request();
    t.subject_rules[1] = (policy_subject_row_t)GOOD_SUBJECT("emailAddress");
    t.san_rules[0] = (policy_san_row_t)GOOD_SAN("email");
    t.csr.subject = "CN=dev7,emailAddress=dev7@b.example";
    t.csr.exts[0] = NULL;
    assert_fails_alone("email", EST_E_name_invalid, "emailAddress \"dev7@b.example\"");
    t.csr.exts[0] = "subjectAltName=email:dev8@b.example";
    assert_fails_alone("email", EST_E_name_invalid, "emailAddress \"dev7@b.example\"");
    t.csr.exts[0] = "subjectAltName=email:dev7@b.example";
    assert_int_equal(granted()->san.n_names, 1);
    t.san_rules[0].pattern = "*@c.example"; /* dropped: it would not be in the certificate */
    t.san_rules[0].on_violation = "drop";
    assert_fails_alone("email", EST_E_name_invalid, "emailAddress");
}

/* N-14 */
static void test_not_the_ca(void **state)
{
    (void)state;
    good_request();
    t.csr.subject = "CN=CA,O=Example";
    assert_fails_alone("not_the_ca", EST_E_name_invalid, "that of a CA, \"O=Example,CN=CA\"");
    t.csr.subject = "CN=ca,O=EXAMPLE"; /* the same by RFC 5280 7.1 */
    assert_fails_alone("not_the_ca", EST_E_name_invalid, "that of a CA");
    t.csr.subject = "CN=Root,O=Example";
    assert_fails_alone("not_the_ca", EST_E_name_invalid, "\"O=Example,CN=Root\"");
    t.csr.subject = "CN=CA"; /* the whole name counts */
    granted();
}

static void test_group_names(void **state)
{
    (void)state;
    good_request();
    t.patterns[0] = "dev*";
    assert_fails_alone("group_names", EST_E_name_refused, "dev7.example");
    t.csr.exts[0] = NULL;
    granted();
}

static void test_own_names(void **state)
{
    (void)state;
    good_request();
    t.names[0] = "own";
    assert_fails_alone("own_names", EST_E_name_not_yours, "client \"ra\"");
    t.identity.name = "dev7";
    t.csr.exts[0] = NULL;
    granted();
}

/* A row of tests on templates */
typedef struct {
    const char *names;             /* of client "dev7" */
    const char *subject, *san;     /* templates; NULL = none */
    const char *asked, *asked_san; /* in the request */
    const char *verdict;
} template_row_t;

static void assert_templates(const template_row_t *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        good_request();
        t.identity.name = t.client.user = "dev7";
        t.names[0] = rows[i].names;
        t.rows.profile.subject_template = rows[i].subject;
        t.csr.subject = rows[i].asked;
        t.csr.exts[0] = rows[i].asked_san ? apr_pstrcat(pool, "subjectAltName=", rows[i].asked_san, NULL) : NULL;
        t.san_rules[1] = (policy_san_row_t)GOOD_SAN("dns");
        t.san_rules[1].source = "template";
        t.san_rules[1].template = rows[i].san;
        t.rows.n_san_rules = rows[i].san ? 2 : 1;
        t.subject_rules[2] = (policy_subject_row_t)GOOD_SUBJECT("OU");
        t.rows.n_subject_rules = 3;
        assert_verdict(rows[i].verdict, apr_psprintf(pool, "row %d", (int)i));
    }
}

static void test_subject_templates(void **state)
{
    static const template_row_t rows[] = {
        {"own", "CN=${csr.CN},O=Example", NULL, "CN=dev7", NULL, "CN=dev7,O=Example | (none)"},
        {"own", "CN=${csr.CN},O=Example", NULL, "O=Evil,CN=dev7", NULL, "CN=dev7,O=Example | (none)"},
        {"own", "CN=${csr.CN},O=Example", NULL, "CN=dev7,OU=any", NULL, "CN=dev7,O=Example | (none)"},
        {"own", "CN=${user},O=Example", NULL, "", NULL, "CN=dev7,O=Example | (none)"},
        {"own", "CN=${user},O=Example", NULL, "O=any", NULL, "CN=dev7,O=Example | (none)"},
        {"own", "CN=${user}.example", NULL, "CN=dev7", NULL, "CN=dev7.example | (none)"},
        {"own", "CN=${csr.CN}.example", NULL, "CN=dev7", NULL, "CN=dev7.example | (none)"},
        {"own", "CN=${csr.CN},OU=${csr.OU}", NULL, "CN=dev7,OU=a", NULL, "CN=dev7,OU=a | (none)"},
        {"own", "CN=${csr.CN},OU=${csr.OU}", NULL, "CN=dev7", NULL, "CN=dev7 | (none)"},
        {"own", "CN=${csr.CN},OU=x-${csr.OU}", NULL, "CN=dev7", NULL, "subject: the request has not all that..."},
        {"own", "CN=${entity},O=Example", NULL, "CN=dev7", NULL, "CN=dev7,O=Example | (none)"},
        {"own", "O=Example,OU=${csr.OU}", NULL, "OU=a", NULL, "group_names: subject..."},
        {"own", "CN=${user},L=Paris", NULL, "", NULL, "subject: subject L=\"Paris\": there is no rule..."},
        {"own", "CN=${csr.O}", NULL, "", "DNS:dev7", " | dns:dev7"},
        {"own", "CN=a  b", NULL, "", NULL, "disguise: ..."},
        {"*", "CN=${csr.CN}.example", NULL, "CN=dev9", NULL, "CN=dev9.example | (none)"},
        {"dev*", "CN=${csr.CN}.example", NULL, "CN=dev9", NULL, "CN=dev9.example | (none)"},
    };

    (void)state;
    assert_templates(rows, sizeof(rows) / sizeof(rows[0]));
}

/* AUTH-12: nobody gets a name by way of a template that it could not ask for, in whichever attribute it stands */
static void test_templates_give_nobody_anothers_name(void **state)
{
    static const template_row_t rows[] = {
        {"own", "CN=${csr.CN},O=Example", NULL, "CN=dev8", NULL, "own_names: client \"dev7\" asks for CN \"dev8\""},
        {"own", "CN=${csr.CN}.example", NULL, "CN=dev8", NULL, "own_names: client \"dev7\" asks for CN \"dev8\""},
        {"own", "CN=${csr.OU}", NULL, "OU=dev8", NULL, "own_names: client \"dev7\" asks for OU \"dev8\""},
        {"own", "CN=${csr.OU}", NULL, "CN=dev7,OU=dev8", NULL, "own_names: client \"dev7\" asks for OU \"dev8\""},
        {"own", "CN=${csr.OU}", NULL, "OU=dev7", NULL, "CN=dev7 | (none)"},
        {"own", "CN=${csr.CN}${csr.OU}", NULL, "CN=dev7,OU=1", NULL, "own_names: client \"dev7\" asks for OU \"1\""},
        {"own", "CN=${user}-${csr.OU}", NULL, "OU=1", NULL, "own_names: client \"dev7\" asks for OU \"1\""},
        {"dev*", "CN=${csr.OU}", NULL, "OU=dev8", NULL, "CN=dev8 | (none)"},
        {"dev*", "CN=${csr.OU}", NULL, "OU=root", NULL, "own_names: client \"dev7\" asks for OU \"root\""},
        {"own", "CN=${entity}", NULL, "CN=dev8", NULL, "own_names: client \"dev7\" asks for CN \"dev8\""},
        {"own", "CN=${entity}", NULL, "OU=dev8", NULL, "own_names: ..."}, /* named by all of its subject */
        {"own", "CN=${user}", NULL, "CN=dev8", NULL, "own_names: client \"dev7\" asks for CN \"dev8\""},
        {"own", "CN=${user}", NULL, "", "DNS:dev8", "own_names: client \"dev7\" asks for dns:dev8"},
        {"own", NULL, "${csr.OU}.example", "CN=dev7,OU=dev8", NULL, "own_names: client \"dev7\" asks for OU \"dev8\""},
        {"own", "CN=${user}", "${csr.CN}.example", "CN=dev8", NULL, "own_names: ..."},
        {"own", "CN=${user}", "${csr.OU}.example", "OU=dev8", NULL, "own_names: ..."},
        {"own", "CN=${user}", "${entity}.example", "CN=dev8", NULL, "own_names: ..."},
    };
    pki_cert_t cert = {.subject = name_of("O=Example")};

    (void)state;
    assert_templates(rows, sizeof(rows) / sizeof(rows[0]));
    /* the subject's CN is dropped, and would be the template's all the same */
    for (int holder = 0; holder < 2; holder++) {
        good_request();
        t.names[0] = "own";
        if (holder)
            t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_CERTIFICATE, .name = "O=Example", .cert = &cert};
        t.csr.subject = "O=Example,CN=dev8";
        t.csr.exts[0] = NULL;
        t.subject_rules[0].pattern = "host*";
        t.subject_rules[0].on_violation = "drop";
        t.san_rules[0].source = "template";
        t.san_rules[0].template = "${csr.CN}.example";
        assert_fails_alone("own_names", EST_E_name_not_yours, "CN \"dev8\"");
    }
}

/* The group's patterns hold for what is granted, wherever it is from */
static void test_templates_and_the_group(void **state)
{
    (void)state;
    good_request();
    t.patterns[0] = "dev*";
    t.rows.profile.subject_template = "CN=host-${csr.CN}";
    t.csr.exts[0] = NULL;
    assert_fails_alone("group_names", EST_E_name_refused, "host-dev7");
    good_request();
    t.patterns[0] = "dev*";
    t.san_rules[0].source = "template";
    t.san_rules[0].template = "host.example";
    t.csr.exts[0] = NULL;
    assert_fails_alone("group_names", EST_E_name_refused, "host.example");
    good_request(); /* N-14 */
    t.rows.profile.subject_template = "CN=CA,O=Example";
    t.csr.subject = "";
    assert_verdict("CN=CA,O=Example | dns:dev7.example", "in this order it is another name");
    t.rows.profile.subject_template = "O=Example,CN=CA";
    assert_fails_alone("not_the_ca", EST_E_name_invalid, "that of a CA");
}

static void test_san_templates(void **state)
{
    static const template_row_t rows[] = {
        {"own", NULL, "${csr.CN}.example", "CN=dev7", NULL, "CN=dev7 | dns:dev7.example"},
        {"own", NULL, "${user}.example", "CN=dev7", NULL, "CN=dev7 | dns:dev7.example"},
        {"own", NULL, "${user}.example", "CN=dev7", "DNS:dev7", "CN=dev7 | dns:dev7.example, dns:dev7"},
        {"own", NULL, "${user}.example", "CN=dev7", "DNS:DEV7.example", "CN=dev7 | dns:dev7.example"}, /* once */
        {"own", NULL, "${user}.example", "CN=dev7", "DNS:dev8", "own_names: client \"dev7\" asks for dns:dev8"},
        {"own", NULL, "${user}.example", "", NULL, " | dns:dev7.example"},
        {"own", NULL, "${csr.OU}.example", "CN=dev7", NULL, "CN=dev7 | (none)"}, /* absent: adds nothing */
        {"own", NULL, "${csr.OU}", "CN=dev7", NULL, "CN=dev7 | (none)"},
        {"own", NULL, "all.example", "CN=dev7", NULL, "CN=dev7 | dns:all.example"},
        {"own", NULL, "*.${user}.example", "CN=dev7", NULL, "san: dns:*.dev7.example: wildcards are not allowed..."},
        {"own", NULL, "a b ${user}", "CN=dev7", NULL, "san: subjectAltName dns..."},
        {"own", NULL, "${csr.OU}.example", "CN=dev7,OU=a..b", NULL, "san: subjectAltName dns..."},
    };

    (void)state;
    assert_templates(rows, sizeof(rows) / sizeof(rows[0]));
    good_request(); /* required, and absent */
    t.san_rules[1] = (policy_san_row_t)GOOD_SAN("dns");
    t.san_rules[1].source = "template";
    t.san_rules[1].template = "${csr.OU}.example";
    t.san_rules[1].required = "t";
    t.rows.n_san_rules = 2;
    assert_fails_alone("san", EST_E_name_invalid, "requires a subjectAltName of type dns");
}

/* A holder's template is filled from the name that it has */
static void test_templates_of_holders(void **state)
{
    pki_cert_t cert = {.subject = name_of("CN=dev7,O=Example"), .san = sans_of("DNS:dev7.example")};

    (void)state;
    good_request();
    t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_CERTIFICATE, .name = "O=Example,CN=dev7", .cert = &cert};
    t.rows.profile.subject_template = "CN=${csr.CN},O=New";
    assert_verdict("CN=dev7,O=New | dns:dev7.example", "its own name");
    t.csr.subject = "CN=DEV7,O=Example";
    assert_verdict("CN=dev7,O=New | dns:dev7.example", "as it is written there");
    t.csr.subject = "CN=dev8,O=Example";
    assert_fails_alone("own_names", EST_E_name_not_yours, "asks for \"O=Example,CN=dev8\"");
    t.csr.subject = "CN=dev7";
    assert_fails_alone("own_names", EST_E_name_not_yours, "asks for \"CN=dev7\"");
    t.csr.subject = "CN=dev7,O=Example"; /* N-09: what a template makes is a new name */
    t.rows.profile.subject_template = "CN=${csr.CN}  x";
    assert_fails_alone("disguise", EST_E_name_invalid, "two blanks");
}

/* Who asks for no name has none yet */
static void test_templates_of_those_who_ask_for_no_name(void **state)
{
    (void)state;
    good_request();
    t.csr.subject = "";
    t.csr.exts[0] = NULL;
    t.alias.name_prefix = "x-";
    t.rows.profile.subject_template = "CN=${user},O=${entity}";
    assert_string_equal(granted()->subject->text, "CN=ra");
    assert_string_equal(granted()->entity, "x-ra");
    t.rows.profile.subject_template = "CN=${user}${entity}";
    assert_verdict("subject: the request has not all that the profile makes CN of", "no name");
    t.alias.name_scheme = POLICY_NAME_RANDOM;
    assert_string_equal(granted()->subject->text, "CN=rax-abcdefghijkl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_san_is_critical_where_there_is_no_subject),
        EST_TEST(test_without_san_there_is_no_extension),
        EST_TEST(test_same_names),
        EST_TEST(test_subject),
        EST_TEST(test_san),
        EST_TEST(test_named),
        EST_TEST(test_disguise),
        EST_TEST(test_email),
        EST_TEST(test_not_the_ca),
        EST_TEST(test_group_names),
        EST_TEST(test_own_names),
        EST_TEST(test_subject_templates),
        EST_TEST(test_templates_give_nobody_anothers_name),
        EST_TEST(test_templates_and_the_group),
        EST_TEST(test_san_templates),
        EST_TEST(test_templates_of_holders),
        EST_TEST(test_templates_of_those_who_ask_for_no_name),
    };
    return EST_TEST_RUN(tests);
}
