/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* The rules of policy_decide.c about what an alias says: renewals, other names, end entities and what they are called.
 */

#include "decide_test.h"

#define MINUTE apr_time_from_sec(60)

/* A renewal by the holder of a certificate that ends in 30 days */
static pki_cert_t held;

static void good_renewal(void)
{
    good_request();
    t.csr.key = make_key("P-256");
    held = (pki_cert_t){.subject = name_of("CN=dev7,O=Example"),
                        .san = sans_of("DNS:dev7.example"),
                        .spki = spki_of(t.csr.key),
                        .not_after = TEST_NOW + 30 * TEST_DAY};
    t.request.op = POLICY_OP_REENROLL;
    t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_CERTIFICATE, .name = "CN=dev7,O=Example", .cert = &held};
}

/* RE-05 */
static void test_same_key(void **state)
{
    static const struct {
        policy_same_key_t setting;
        int same, good;
    } rows[] = {
        {POLICY_SAME_KEY_ALLOW, 1, 1},  {POLICY_SAME_KEY_ALLOW, 0, 1},   {POLICY_SAME_KEY_FORBID, 1, 0},
        {POLICY_SAME_KEY_FORBID, 0, 1}, {POLICY_SAME_KEY_REQUIRE, 1, 1}, {POLICY_SAME_KEY_REQUIRE, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_renewal();
        t.alias.same_key = rows[i].setting;
        if (!rows[i].same)
            held.spki = spki_of(make_key("P-256"));
        if (rows[i].good)
            granted();
        else
            assert_fails_alone("same_key", EST_E_key_reuse, "a renewal");
        t.request.op = POLICY_OP_ENROLL; /* where nothing is renewed */
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
        {0, 1000 * TEST_DAY, 1},          {86400, TEST_DAY, 1}, {86400, TEST_DAY + MINUTE, 0},
        {86400, TEST_DAY - MINUTE, 1},    {86400, -MINUTE, 1}, /* renew_expired has its say elsewhere */
        {3155760000, 1000 * TEST_DAY, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_renewal();
        t.alias.renew_window = rows[i].window;
        held.not_after = TEST_NOW + rows[i].left;
        if (rows[i].good)
            granted();
        else
            assert_fails_alone("renew_window", EST_E_renewal_early, "can be renewed from");
        t.request.op = POLICY_OP_ENROLL;
        granted();
    }
}

/* Judges t with ChangeSubjectName of these octets: what is granted, or the error */
static est_err_t *change(const char **subject, const char **san, const char *octets)
{
    const policy_request_t *asked = request();
    const pki_req_attr_t attr = {"1.3.6.1.5.5.7.7.36", hex(octets)};
    pki_csr_t csr = *asked->csr;
    policy_grant_t *grant;

    csr.attrs = &attr;
    csr.n_attrs = 1;
    t.request.csr = &csr;
    EST_TRY(policy_decide(&grant, asked, pool));
    *subject = grant->subject->text;
    *san = grant->san.n_names ? pki_san_text(&grant->san.names[0], pool) : "";
    return NULL;
}

#define CN_NEW "300e 310c 300a 0603550403 0c03 6e6577" /* CN=new */
#define DNS_NEW "a105 8203 6e2e65"                     /* dns:n.e */

/* EN-10, RE-08: absent is not unchanged */
static void test_change_of_names(void **state)
{
    static const struct {
        const char *octets, *subject, *san;
    } rows[] = {
        {"3010" CN_NEW, "CN=new", ""},
        {"3007" DNS_NEW, "", "dns:n.e"},
        {"3017" CN_NEW DNS_NEW, "CN=new", "dns:n.e"},
    };
    const char *subject, *san;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int renewal = 0; renewal < 2; renewal++) {
            if (renewal)
                good_renewal();
            else
                good_request();
            assert_int_equal(change(&subject, &san, rows[i].octets)->code, EST_E_name_refused);
            t.alias.change_subject = 1;
            ASSERT_OK(change(&subject, &san, rows[i].octets));
            assert_string_equal(subject, rows[i].subject);
            assert_string_equal(san, rows[i].san);
        }
}

static void test_who_may_change_names(void **state)
{
    const char *subject, *san;

    (void)state;
    good_renewal(); /* the request keeps the old ones */
    t.alias.change_subject = 1;
    t.csr.subject = "CN=new";
    ASSERT_FAILS(change(&subject, &san, "3010" CN_NEW), names_differ, "request \"CN=new\"");
    good_renewal(); /* the group's limits hold */
    t.alias.change_subject = 1;
    t.patterns[0] = "dev*";
    assert_string_equal(change(&subject, &san, "3010" CN_NEW)->rule, "group_names");
    good_renewal(); /* the profile's too */
    t.alias.change_subject = 1;
    t.subject_rules[0].pattern = "dev*";
    assert_string_equal(change(&subject, &san, "3010" CN_NEW)->rule, "subject");
    good_request(); /* a client's names */
    t.alias.change_subject = 1;
    t.names[0] = "dev*";
    ASSERT_FAILS(change(&subject, &san, "3010" CN_NEW), name_not_yours, "");
    good_request(); /* a certificate gives no right to another name but at its renewal */
    good_renewal();
    t.alias.change_subject = 1;
    t.request.op = POLICY_OP_ENROLL;
    ASSERT_FAILS(change(&subject, &san, "3010" CN_NEW), name_not_yours, "");
}

static void test_end_entities_of_client_mode(void **state)
{
    policy_entity_t entity;

    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        entity = (policy_entity_t){.id = 3, .version = 1, .name = "dev7", .preregistered = 1};
        good_request();
        t.csr.exts[0] = NULL;
        t.alias.mode = POLICY_MODE_CLIENT;
        if (kind)
            t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_ENTITY, .name = "dev7"};
        assert_int_equal(policy_decide(&(policy_grant_t *){NULL}, request(), pool)->code, EST_E_entity_unknown);
        t.identity.entity = &entity;
        assert_string_equal(granted()->entity, "dev7");
        entity.suspended = 1;
        assert_fails_alone("entity", EST_E_entity_suspended, "is suspended");
        entity.suspended = 0;
        entity.valid_until = TEST_NOW;
        assert_fails_alone("entity", EST_E_entity_suspended, "was registered until");
        entity.valid_until = TEST_NOW + 1;
        granted();
        t.csr.subject = "CN=dev8,O=Example";
        assert_fails_alone("own_names", EST_E_name_not_yours, "dev8");
    }
}

static void test_what_entities_are_called(void **state)
{
    static const char *const attributes[] = {"serialNumber", "CN"};
    static const struct {
        policy_name_scheme_t scheme;
        const char *prefix, *postfix, *subject, *name;
    } rows[] = {
        {POLICY_NAME_DN, "", "", "CN=dev7,O=Example", "dev7"},
        {POLICY_NAME_DN, "a-", "-z", "CN=dev7,O=Example", "a-dev7-z"},
        {POLICY_NAME_DN, "${RANDOM}.", "", "CN=dev7,O=Example", "mnopqrstuv.dev7"},
        {POLICY_NAME_DN, "", "${RANDOM}-${RANDOM}", "CN=dev7", "dev7mnopqrstuv-mnopqrstuv"},
        {POLICY_NAME_DN, "", "", "O=Example", "dns:dev7.example"},
        {POLICY_NAME_USERNAME, "", "", "CN=dev7,O=Example", "O=Example,CN=dev7"},
        {POLICY_NAME_RANDOM, "", "", "CN=dev7", "abcdefghijkl"},
        {POLICY_NAME_RANDOM, "p-", "${RANDOM}", "CN=dev7", "p-abcdefghijklmnopqrstuv"},
        {POLICY_NAME_FIXED, "", "", "CN=dev7", "all of them"},
        {POLICY_NAME_FIXED, "", " ${RANDOM}", "CN=dev7", "all of them mnopqrstuv"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_request();
        t.request.random = "abcdefghijklmnopqrstuvwx";
        t.alias.name_scheme = rows[i].scheme;
        t.alias.name_attributes = attributes;
        t.alias.n_name_attributes = 2;
        t.alias.fixed_name = "all of them";
        t.alias.name_prefix = rows[i].prefix;
        t.alias.name_postfix = rows[i].postfix;
        t.csr.subject = rows[i].subject;
        assert_string_equal(granted()->entity, rows[i].name);
    }
    t.alias.name_scheme = POLICY_NAME_DN;
    t.alias.name_prefix = apr_pstrmemdup(pool, apr_psprintf(pool, "%01100d", 0), 1021);
    t.alias.name_postfix = "";
    assert_fails_alone("entity_name", EST_E_name_refused, "over 1024");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_same_key),
        EST_TEST(test_renew_window),
        EST_TEST(test_change_of_names),
        EST_TEST(test_who_may_change_names),
        EST_TEST(test_end_entities_of_client_mode),
        EST_TEST(test_what_entities_are_called),
    };
    return EST_TEST_RUN(tests);
}
