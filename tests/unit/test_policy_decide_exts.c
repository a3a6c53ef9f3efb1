/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* The rules of policy_decide.c on requested extensions where the profile has rows about them. */

#include "decide_test.h"

#include "pki/pki_ext.h"

/* One row of profile_request_extension */
static void good_rule(const char *name, const char *action)
{
    good_request();
    t.request_exts[0] = (policy_request_ext_row_t){name, action};
    t.rows.n_request_exts = 1;
}

/* The extension of that OID as hex, with "critical " before; NULL = there is none */
static const char *granted_ext(const policy_grant_t *grant, const char *oid)
{
    est_slice_t wanted = pki_oid_from_text(oid, pool);
    const char *found = NULL;

    for (int i = 0; i < grant->n_exts; i++) {
        pki_ext_t ext = pki_ext_parse(grant->exts[i]);

        if (!est_slice_equal(ext.oid.body, wanted))
            continue;
        assert_null(found); /* CP-14 */
        found = apr_pstrcat(pool, ext.critical ? "critical " : "", est_hex(ext.value, pool), NULL);
    }
    return found;
}

#define OTHER "1.2.3.4.5"

static void test_actions(void **state)
{
    static const struct {
        const char *action, *ext, *got, *dropped; /* got: NULL = none, "! part of the detail" */
    } rows[] = {
        {"ignore", NULL, NULL, NULL},
        {"ignore", "DER:0500", NULL, "extension=1.2.3.4.5"},
        {"ignore", "critical,DER:0500", NULL, "extension=1.2.3.4.5"},
        {"copy", NULL, NULL, NULL},
        {"copy", "DER:0500", "0500", NULL},
        {"copy", "critical,DER:0500", "critical 0500", NULL},
        {"require", NULL, "! requires extension 1.2.3.4.5", NULL},
        {"require", "DER:0500", "0500", NULL},
        {"refuse", NULL, NULL, NULL},
        {"refuse", "DER:0500", "! takes no extension 1.2.3.4.5", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *got;

        good_rule(OTHER, rows[i].action);
        t.csr.exts[1] = rows[i].ext ? apr_pstrcat(pool, OTHER "=", rows[i].ext, NULL) : NULL;
        if (rows[i].got && rows[i].got[0] == '!') {
            assert_fails_alone("extensions", EST_E_extension_refused, rows[i].got + 2);
            continue;
        }
        policy_grant_t *grant = granted();
        got = granted_ext(grant, OTHER);
        if (!got != !rows[i].got || (got && strcmp(got, rows[i].got) != 0))
            fail_msg("row %d: %s", (int)i, got ? got : "none");
        assert_int_equal(!grant->dropped, !rows[i].dropped);
        if (grant->dropped)
            assert_string_equal(grant->dropped, rows[i].dropped);
        assert_int_equal(grant->n_exts, got ? 6 : 5);
    }
    good_rule(OTHER, "copy"); /* others are as without the rule */
    t.csr.exts[1] = "1.2.3.4.6=critical,DER:0500";
    assert_fails_alone("extensions", EST_E_extension_refused, "critical extension 1.2.3.4.6");
}

/* A copy takes the place of the profile's own, which is there where nothing is asked for */
static void test_a_copy_takes_the_place_of_the_profiles(void **state)
{
    (void)state;
    for (int critical = 0; critical < 2; critical++) {
        good_rule(OTHER, "copy");
        t.exts[1] = (pki_ext_row_t){OTHER, critical, "DER:0101ff"};
        assert_string_equal(granted_ext(granted(), OTHER), critical ? "critical 0101ff" : "0101ff");
        t.csr.exts[1] = OTHER "=critical,DER:0500"; /* as critical as the profile has it */
        assert_string_equal(granted_ext(granted(), OTHER), critical ? "critical 0500" : "0500");
        t.csr.exts[1] = OTHER "=DER:0500";
        assert_string_equal(granted_ext(granted(), OTHER), critical ? "critical 0500" : "0500");
        assert_int_equal(granted()->n_exts, 5);
    }
    good_rule("tlsfeature", "copy");
    t.csr.exts[1] = "tlsfeature=status_request";
    assert_string_equal(granted_ext(granted(), "1.3.6.1.5.5.7.1.24"), "3003020105");
}

/* EN-08, CP-10: keyUsage is the request's, but for what the key cannot do */
static void test_key_usage_is_cut_to_the_key(void **state)
{
    static const struct {
        const char *key, *own, *purposes, *asked; /* own: the profile's; NULL = it has none */
        const char *got, *dropped;                /* "! rule" */
    } rows[] = {
        {"P-256", "digitalSignature", NULL, "digitalSignature", "critical 03020780", NULL},
        {"P-256", "digitalSignature", NULL, "keyAgreement", "critical 03020308", NULL},
        {"P-256", "digitalSignature", NULL, "nonRepudiation,keyEncipherment", "critical 03020640",
         "keyUsage=keyEncipherment"},
        {"P-256", "digitalSignature", NULL, "keyEncipherment", "! extensions", NULL},
        {"P-256", "digitalSignature", NULL, "digitalSignature,decipherOnly", "critical 03020780",
         "keyUsage=decipherOnly"},
        {"P-256", "digitalSignature", NULL, "keyAgreement,decipherOnly", "critical 0303070880", NULL},
        {"P-256", "digitalSignature", NULL, "decipherOnly", "! extensions", NULL},
        {"Ed25519", "digitalSignature", NULL, "digitalSignature,keyAgreement,encipherOnly", "critical 03020780",
         "keyUsage=keyAgreement encipherOnly"},
        {"RSA", "digitalSignature", NULL, "keyEncipherment,keyAgreement", "critical 03020520", "keyUsage=keyAgreement"},
        {"P-256", "keyEncipherment", NULL, "digitalSignature", "critical 03020780",
         NULL}, /* the profile's has nothing */
        {"P-256", "keyEncipherment", NULL, NULL, "! key_usage", NULL},
        {"P-256", NULL, NULL, "digitalSignature", "03020780", NULL},
        {"P-256", NULL, NULL, "critical,digitalSignature", "critical 03020780", NULL},
        {"P-256", NULL, NULL, NULL, NULL, NULL},
        {"P-256", "digitalSignature", "clientAuth", "nonRepudiation", "! extensions_fit", NULL}, /* CP-11 */
        {"P-256", "digitalSignature", "clientAuth", "keyAgreement", "critical 03020308", NULL},
        {"P-256", "digitalSignature", "codeSigning", "keyAgreement", "! extensions_fit", NULL},
        {"RSA", NULL, "emailProtection", "dataEncipherment", "! extensions_fit", NULL},
        {"P-256", "digitalSignature", NULL, "DER:03020700", "! extensions_fit", NULL}, /* no bit */
        {"P-256", "digitalSignature", NULL, "DER:030100", "! extensions", NULL},
        {"P-256", "digitalSignature", NULL, "DER:0303008001", "critical 03020780", NULL}, /* a bit without a name */
        {"P-256", "digitalSignature", NULL, "DER:0303000001", "! extensions", NULL},
        {"P-256", "digitalSignature", NULL, "DER:0500", "! extensions", NULL},
        {"P-256", "digitalSignature", NULL, "digitalSignature,keyCertSign", "! extensions", NULL}, /* EN-09 */
        {"P-256", "digitalSignature", NULL, "cRLSign", "! extensions", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_ext_row_t *next = t.exts;

        good_rule("keyUsage", i % 2 && rows[i].asked ? "require" : "copy");
        t.rows.profile.keys = "ec:P-256\nrsa:2048\ned25519";
        t.csr.key = make_key(rows[i].key);
        if (rows[i].own)
            *next++ = (pki_ext_row_t){"keyUsage", 1, rows[i].own};
        if (rows[i].purposes)
            *next++ = (pki_ext_row_t){"extendedKeyUsage", 0, rows[i].purposes};
        t.rows.n_exts = (int)(next - t.exts);
        t.csr.exts[1] = rows[i].asked ? apr_pstrcat(pool, "keyUsage=", rows[i].asked, NULL) : NULL;
        if (rows[i].got && rows[i].got[0] == '!') {
            assert_verdict(apr_pstrcat(pool, rows[i].got + 2, ": ...", NULL), apr_psprintf(pool, "row %d", (int)i));
            continue;
        }
        policy_grant_t *grant = granted();
        const char *got = granted_ext(grant, "2.5.29.15");
        if (!got != !rows[i].got || (got && strcmp(got, rows[i].got) != 0))
            fail_msg("row %d: %s", (int)i, got ? got : "none");
        if (!grant->dropped != !rows[i].dropped || (grant->dropped && strcmp(grant->dropped, rows[i].dropped) != 0))
            fail_msg("row %d: dropped %s", (int)i, grant->dropped ? grant->dropped : "nothing");
    }
}

/* CP-12, EN-09: whatever the rule is */
static void test_powers_are_never_copied(void **state)
{
    static const char *const actions[] = {"ignore", "copy", "require", "refuse"};
    static const char *const purposes[] = {"1.3.6.1.5.5.7.3.28",  "clientAuth,1.3.6.1.5.5.7.3.28",
                                           "1.3.6.1.5.5.7.3.27",  "1.3.6.1.5.5.7.3.29",
                                           "OCSPSigning",         "timeStamping",
                                           "anyExtendedKeyUsage", "critical,anyExtendedKeyUsage"};

    (void)state;
    for (size_t k = 0; k < sizeof(actions) / sizeof(actions[0]); k++) {
        for (size_t i = 0; i < sizeof(purposes) / sizeof(purposes[0]); i++) {
            good_rule("extendedKeyUsage", actions[k]);
            t.csr.exts[1] = apr_pstrcat(pool, "extendedKeyUsage=", purposes[i], NULL);
            assert_fails_alone("extensions", EST_E_extension_refused, "is never given to an end entity");
        }
        good_rule("keyUsage", actions[k]);
        t.csr.exts[1] = "keyUsage=digitalSignature,keyCertSign";
        assert_fails_alone("extensions", EST_E_extension_refused, "keyCertSign is never given");
        good_rule("extendedKeyUsage", actions[k]);
        t.csr.exts[1] = "extendedKeyUsage=DER:3000";
        assert_fails_alone("extensions", EST_E_extension_refused, "malformed");
        t.csr.exts[1] = "basicConstraints=CA:TRUE"; /* there can be no rule about it */
        if (k < 2 || k == 3)
            assert_fails_alone("extensions", EST_E_extension_refused, "CA:TRUE is never given");
    }
}

/* CP-11, CP-12 */
static void test_purposes(void **state)
{
    static const struct {
        const char *usage, *own, *asked; /* own NULL: the profile gives none */
        const char *got;                 /* "! part of the detail" */
    } rows[] = {
        {"digitalSignature", "clientAuth", NULL, "300a06082b06010505070302"},
        {"digitalSignature", "clientAuth", "serverAuth", "300a06082b06010505070301"},
        {"digitalSignature", "clientAuth", "critical,serverAuth", "300a06082b06010505070301"},
        {"digitalSignature", NULL, "critical,serverAuth", "critical 300a06082b06010505070301"},
        {"keyAgreement", "clientAuth", "codeSigning", "! codeSigning needs the key usage digitalSignature"},
        {"nonRepudiation", "1.2.3", "clientAuth", "! clientAuth needs one of the key usages"},
        {"digitalSignature", "clientAuth", "1.2.3.4", "300506032a0304"},
        {"digitalSignature", "clientAuth", "clientAuth,clientAuth", "! the same is there twice"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_rule("extendedKeyUsage", "copy");
        t.exts[0].value = rows[i].usage;
        t.exts[1].value = rows[i].own;
        t.rows.n_exts = rows[i].own ? 2 : 1;
        t.csr.exts[1] = rows[i].asked ? apr_pstrcat(pool, "extendedKeyUsage=", rows[i].asked, NULL) : NULL;
        if (rows[i].got[0] == '!')
            assert_fails_alone("extensions_fit", EST_E_extension_refused, rows[i].got + 2);
        else
            assert_string_equal(granted_ext(granted(), "2.5.29.37"), rows[i].got);
    }
}

/* An extension that no rule is about, and names, are judged as ever */
static void test_both_usages_are_copied(void **state)
{
    (void)state;
    good_rule("keyUsage", "copy");
    t.request_exts[1] = (policy_request_ext_row_t){"extendedKeyUsage", "require"};
    t.rows.n_request_exts = 2;
    t.csr.exts[1] = "keyUsage=keyAgreement";
    t.csr.exts[2] = "extendedKeyUsage=serverAuth";
    policy_grant_t *grant = granted();
    assert_string_equal(granted_ext(grant, "2.5.29.15"), "critical 03020308");
    assert_string_equal(granted_ext(grant, "2.5.29.37"), "300a06082b06010505070301");
    assert_non_null(granted_ext(grant, "2.5.29.17"));
    t.csr.exts[2] = "extendedKeyUsage=codeSigning";
    assert_fails_alone("extensions_fit", EST_E_extension_refused, "codeSigning");
    t.csr.exts[2] = NULL;
    assert_fails_alone("extensions", EST_E_extension_refused, "requires extension extendedKeyUsage");
}

/* An explanation goes on with what the rules before have left: copies, but no keyUsage that the key could have */
static void test_an_explanation_behind_a_failure(void **state)
{
    const policy_finding_t *findings;
    policy_grant_t *grant;
    int n;

    (void)state;
    good_rule(OTHER, "copy");
    t.exts[0].value = "keyEncipherment";
    t.rows.n_exts = 1;
    t.csr.exts[1] = OTHER "=DER:0500";
    assert_fails_alone("key_usage", EST_E_key_not_allowed, NULL);
    t.request_exts[1] = (policy_request_ext_row_t){"keyUsage", "copy"};
    t.rows.n_request_exts = 2;
    t.csr.exts[2] = "keyUsage=keyEncipherment";
    findings = policy_explain(&grant, &n, request(), pool);
    assert_null(grant);
    assert_true(n > 0 && findings[n - 1].verdict == POLICY_PASS);
    assert_verdict("extensions: ...", "nothing left");
}

static void test_as_many_as_fit(void **state)
{
    static pki_ext_row_t many[POLICY_PROFILE_MAX_EXTS];
    static policy_request_ext_row_t rules[POLICY_PROFILE_MAX_REQUEST_EXTS + 1];
    policy_profile_t *profile;

    (void)state;
    good_request();
    for (int i = 0; i < POLICY_PROFILE_MAX_EXTS; i++)
        many[i] = (pki_ext_row_t){apr_psprintf(pool, "1.2.3.4.%d", i), 0, "DER:0500"};
    for (int i = 0; i <= POLICY_PROFILE_MAX_REQUEST_EXTS; i++)
        rules[i] = (policy_request_ext_row_t){apr_psprintf(pool, "1.2.3.5.%d", i), "require"};
    t.rows.exts = many;
    t.rows.n_exts = POLICY_PROFILE_MAX_EXTS;
    t.rows.request_exts = rules;
    t.rows.n_request_exts = X509_TEST_EXTS - 1;
    for (int i = 1; i < X509_TEST_EXTS; i++)
        t.csr.exts[i] = apr_psprintf(pool, "1.2.3.5.%d=DER:0500", i - 1);
    assert_int_equal(granted()->n_exts, POLICY_PROFILE_MAX_EXTS + X509_TEST_EXTS - 1 + 3);
    t.rows.n_request_exts = POLICY_PROFILE_MAX_REQUEST_EXTS;
    ASSERT_OK(policy_profile_make(&profile, &t.rows, pool));
    t.rows.n_request_exts++;
    ASSERT_FAILS(policy_profile_make(&profile, &t.rows, pool), config, "over 16 requested extensions");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_actions),
        EST_TEST(test_a_copy_takes_the_place_of_the_profiles),
        EST_TEST(test_key_usage_is_cut_to_the_key),
        EST_TEST(test_powers_are_never_copied),
        EST_TEST(test_purposes),
        EST_TEST(test_both_usages_are_copied),
        EST_TEST(test_an_explanation_behind_a_failure),
        EST_TEST(test_as_many_as_fit),
    };
    return EST_TEST_RUN(tests);
}
