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
    };
    return EST_TEST_RUN(tests);
}
