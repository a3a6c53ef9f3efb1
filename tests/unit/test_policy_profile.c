/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_test.h"

#include "policy/policy_glob.h"

static policy_subject_row_t subject_rows[2];
static policy_san_row_t san_rows[2];
static pki_ext_row_t ext_rows[2];
static policy_request_ext_row_t request_ext_rows[2];

/* A profile with one row in each table */
static policy_profile_rows_t good_rows(void)
{
    policy_profile_rows_t rows = {.profile = GOOD_PROFILE};

    subject_rows[0] = (policy_subject_row_t)GOOD_SUBJECT("CN");
    subject_rows[1] = (policy_subject_row_t)GOOD_SUBJECT("O");
    san_rows[0] = (policy_san_row_t)GOOD_SAN("dns");
    san_rows[1] = (policy_san_row_t)GOOD_SAN("ip");
    san_rows[1].pattern = "10.0.0.0/8";
    ext_rows[0] = (pki_ext_row_t){"keyUsage", 1, "digitalSignature"};
    ext_rows[1] = (pki_ext_row_t){"extendedKeyUsage", 0, "clientAuth"};
    rows.subject_rules = subject_rows;
    rows.san_rules = san_rows;
    rows.exts = ext_rows;
    rows.request_exts = request_ext_rows;
    rows.n_subject_rules = rows.n_san_rules = rows.n_exts = 2;
    return rows;
}

static void test_a_good_profile_says_what_its_rows_say(void **state)
{
    policy_profile_rows_t rows = good_rows();
    policy_profile_t *profile;

    (void)state;
    rows.profile.latest_end = "1798761599";
    rows.profile.beyond_ca = "refuse";
    rows.profile.digest = "sha384";
    rows.profile.san_other = "drop";
    rows.profile.dns_wildcards = "t";
    subject_rows[0].required = "t";
    subject_rows[1].max_count = "3";
    subject_rows[1].on_violation = "drop";
    san_rows[0].required = "t";
    ASSERT_OK(policy_profile_make(&profile, &rows, pool));
    assert_int_equal(profile->id, 1);
    assert_string_equal(profile->name, "device");
    assert_int_equal(profile->validity, 31536000);
    assert_int_equal(profile->backdate, 300);
    assert_int_equal(profile->latest_end, apr_time_from_sec(1798761599));
    assert_int_equal(profile->beyond_ca, POLICY_BEYOND_CA_REFUSE);
    assert_int_equal(profile->digest, PKI_DIGEST_SHA384);
    assert_int_equal(profile->subject_other, POLICY_REFUSE);
    assert_int_equal(profile->san_other, POLICY_DROP);
    assert_true(profile->dns_wildcards);
    assert_int_equal(profile->n_keys, 2);
    assert_int_equal(profile->keys[0].type, PKI_KEY_EC);
    assert_int_equal(profile->keys[1].type, PKI_KEY_RSA);
    assert_string_equal(profile->keys_text, "ec:P-256 rsa:2048-4096");

    assert_int_equal(profile->n_subject_rules, 2);
    assert_int_equal(profile->subject_rules[0].nid, NID_commonName);
    assert_true(profile->subject_rules[0].required);
    assert_int_equal(profile->subject_rules[1].nid, NID_organizationName);
    assert_int_equal(profile->subject_rules[1].max_count, 3);
    assert_int_equal(profile->subject_rules[1].on_violation, POLICY_DROP);
    assert_int_equal(profile->n_san_rules, 2);
    assert_int_equal(profile->san_rules[0].type, PKI_SAN_DNS);
    assert_true(profile->san_rules[0].required);
    assert_string_equal(profile->san_rules[1].pattern, "10.0.0.0/8");
    assert_int_equal(profile->n_exts, 2);
    ASSERT_SLICE(profile->exts[0], hex("300e 0603551d0f 0101ff 0404 03020780"));
}

static void test_every_column_that_cannot_be_understood_is_refused(void **state)
{
    static const struct {
        size_t column; /* offset in policy_profile_row_t */
        const char *value, *detail, *reason;
    } rows[] = {
#define COLUMN(name) offsetof(policy_profile_row_t, name)
        {COLUMN(id), NULL, "device", "no id"},
        {COLUMN(id), "0", "device", "id 0"},
        {COLUMN(id), "x", "device", "id that is no number"},
        {COLUMN(validity), NULL, "device", "no validity"},
        {COLUMN(validity), "0", "device", "validity of nothing"},
        {COLUMN(validity), "-1", "device", "negative validity"},
        {COLUMN(validity), "3162240001", "device", "over a hundred years"},
        {COLUMN(backdate), "-1", "device", "starts in the future"},
        {COLUMN(backdate), NULL, "device", "no backdate"},
        {COLUMN(latest_end), "tomorrow", "device", "no time"},
        {COLUMN(latest_end), "Infinity", "device", "no end of time"},
        {COLUMN(beyond_ca), "ignore", "device", "unknown word"},
        {COLUMN(beyond_ca), NULL, "device", "no word"},
        {COLUMN(digest), "sha1", "device", "digest that we do not sign with"},
        {COLUMN(digest), NULL, "device", "no digest"},
        {COLUMN(subject_other), "copy", "device", "unknown word"},
        {COLUMN(san_other), "copy", "device", "unknown word"},
        {COLUMN(san_other), NULL, "device", "no word"},
        {COLUMN(keys), NULL, "allows no key type", "no keys"},
        {COLUMN(keys), "", "allows no key type", "no keys"},
        {COLUMN(keys), "dsa:2048", "dsa:2048", "unknown key type"},
        {COLUMN(keys), "rsa:1024", "rsa:1024", "below the ceiling's floor"},
        {COLUMN(keys), "rsa:2048-16384", "rsa:2048-16384", "above the ceiling"},
        {COLUMN(keys), "ec:P-256\nec:P-192", "ec:P-192", "the second is bad"},
        {COLUMN(subject_template), "", "template \"\"", "no attribute"},
        {COLUMN(subject_template), "CN=${csr.colour}", "no attribute \"colour\"", "unknown attribute"},
        {COLUMN(subject_template), "CN=${RANDOM}", "no variable \"RANDOM\"", "unknown variable"},
#undef COLUMN
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_profile_rows_t bad = good_rows();
        policy_profile_t *profile;

        *(const char **)(void *)((char *)&bad.profile + rows[i].column) = rows[i].value;
        ASSERT_ROW(policy_profile_make(&profile, &bad, pool), EST_E_config, rows[i].detail, rows[i].reason);
    }
}

static void test_bad_subject_rules_are_refused(void **state)
{
    const char *longest = apr_pstrcat(pool, "*", NULL);
    char *too_long = apr_palloc(pool, POLICY_GLOB_MAX + 2);
    policy_profile_t *profile;

    (void)state;
    memset(too_long, 'a', POLICY_GLOB_MAX + 1);
    too_long[POLICY_GLOB_MAX + 1] = '\0';
    const struct {
        policy_subject_row_t row;
        const char *reason;
    } rows[] = {
        {{NULL, "f", "**", "1", "refuse"}, "no attribute"},
        {{"", "f", "**", "1", "refuse"}, "empty attribute"},
        {{"favouriteColour", "f", "**", "1", "refuse"}, "attribute that nobody knows"},
        {{"CN", "f", "**", "0", "refuse"}, "none allowed"},
        {{"CN", "f", "**", "1001", "refuse"}, "too many allowed"},
        {{"CN", "f", "**", NULL, "refuse"}, "no count"},
        {{"CN", "f", "**", "1", "ignore"}, "unknown word"},
        {{"CN", "f", "**", "1", NULL}, "no word"},
        {{"CN", "f", too_long, "1", "refuse"}, "a pattern that would match nothing"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_profile_rows_t bad = good_rows();

        subject_rows[1] = rows[i].row;
        ASSERT_ROW(policy_profile_make(&profile, &bad, pool), EST_E_config, "of profile \"device\"", rows[i].reason);
    }
    too_long[POLICY_GLOB_MAX] = '\0';
    policy_profile_rows_t good = good_rows();
    subject_rows[0].pattern = longest;
    subject_rows[1].pattern = too_long;
    ASSERT_OK(policy_profile_make(&profile, &good, pool));
}

static void test_bad_san_rules_are_refused(void **state)
{
    static const struct {
        policy_san_row_t row;
        const char *reason;
    } rows[] = {
        {{NULL, "**", "1", "f", "refuse", "csr", NULL}, "no type"},
        {{"DNS", "**", "1", "f", "refuse", "csr", NULL}, "types are lower case"},
        {{"x500", "**", "1", "f", "refuse", "csr", NULL}, "no type there is"},
        {{"x400", "**", "1", "f", "refuse", "csr", NULL}, "type that is never issued"},
        {{"other", "**", "1", "f", "refuse", "csr", NULL}, "type that is never issued"},
        {{"dirname", "**", "1", "f", "refuse", "csr", NULL}, "type that is never issued"},
        {{"dns", "**", "0", "f", "refuse", "csr", NULL}, "none allowed"},
        {{"dns", "**", "many", "f", "refuse", "csr", NULL}, "no number"},
        {{"dns", "**", "1", "f", "keep", "csr", NULL}, "unknown word"},
        {{"ip", "10.0.0.*", "1", "f", "refuse", "csr", NULL}, "a glob for addresses"},
        {{"ip", "*", "1", "f", "refuse", "csr", NULL}, "a single star for addresses"},
        {{"ip", NULL, "1", "f", "refuse", "csr", NULL}, "no network"},
        {{"ip", "10.0.0.0/33", "1", "f", "refuse", "csr", NULL}, "longer than an address"},
        {{"ip", "host.example", "1", "f", "refuse", "csr", NULL}, "a name instead of a network"},
    };
    static const char *const networks[] = {"10.0.0.0/8", "10.1.2.3", "2001:db8::/32", "::1/128", "**", "0.0.0.0/0"};
    policy_profile_t *profile;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_profile_rows_t bad = good_rows();

        san_rows[1] = rows[i].row;
        ASSERT_ROW(policy_profile_make(&profile, &bad, pool), EST_E_config, "SAN rule 2", rows[i].reason);
    }
    for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
        policy_profile_rows_t good = good_rows();

        san_rows[1].pattern = networks[i];
        ASSERT_OK(policy_profile_make(&profile, &good, pool));
    }
}

static void test_sources_of_names(void **state)
{
    static const struct {
        const char *source, *template, *why; /* NULL: good */
    } rows[] = {
        {"csr", NULL, NULL},
        {"entity", NULL, NULL},
        {"template", "${csr.CN}.example", NULL},
        {"template", "10.0.0.1", NULL},
        {NULL, NULL, "SAN rule 2"},
        {"row", NULL, "SAN rule 2"},
        {"template", NULL, "SAN rule 2"},
        {"csr", "${csr.CN}", "SAN rule 2"},
        {"entity", "${csr.CN}", "SAN rule 2"},
        {NULL, "${csr.CN}", "SAN rule 2"},
        {"template", "", "an empty value"},
        {"template", "a,b", "a comma is written as"},
        {"template", "${csr.colour}", "no attribute \"colour\""},
    };
    policy_profile_t *profile;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_profile_rows_t made = good_rows();
        est_err_t *err;

        san_rows[1].source = rows[i].source;
        san_rows[1].template = rows[i].template;
        err = policy_profile_make(&profile, &made, pool);
        if (rows[i].why) {
            ASSERT_ROW(err, EST_E_config, rows[i].why, rows[i].template);
            continue;
        }
        ASSERT_OK(err);
        assert_int_equal(profile->san_rules[1].template != NULL, rows[i].template != NULL);
        assert_int_equal(profile->has_san_templates, rows[i].template != NULL);
        assert_int_equal(profile->san_rules[1].source, rows[i].template                 ? POLICY_SAN_TEMPLATE
                                                       : !strcmp(rows[i].source, "csr") ? POLICY_SAN_CSR
                                                                                        : POLICY_SAN_ENTITY);
    }
}

/* EN-09: there is no rule on what only a CA writes. As est.check_request_extension() has it */
static void test_rules_on_requested_extensions(void **state)
{
    static const struct {
        const char *name, *action, *oid; /* NULL: refused */
    } rows[] = {
        {"keyUsage", "copy", "2.5.29.15"},
        {"extendedKeyUsage", "require", "2.5.29.37"},
        {"tlsfeature", "refuse", "1.3.6.1.5.5.7.1.24"},
        {"2.5.29.9", "ignore", "2.5.29.9"},
        {"2.5.29.16", "copy", "2.5.29.16"},
        {"1.3.6.1.4.1.311.21.10", "copy", "1.3.6.1.4.1.311.21.10"},
        {NULL, "copy", NULL},
        {"keyUsage", NULL, NULL},
        {"keyUsage", "drop", NULL},
        {"", "copy", NULL},
        {"KeyUsage", "copy", NULL},
        {"basicConstraints", "copy", NULL},
        {"subjectAltName", "copy", NULL},
        {"2.5.29.15", "copy", NULL}, /* by name */
        {"2.5.29.37", "copy", NULL},
        {"1.3.6.1.5.5.7.1.24", "copy", NULL},
        {"2.5.29.14", "copy", NULL},
        {"2.5.29.17", "copy", NULL},
        {"2.5.29.19", "ignore", NULL},
        {"2.5.29.30", "copy", NULL},
        {"2.5.29.35", "copy", NULL},
        {"2.5.29.54", "copy", NULL},
        {"2.5.29.9999", "copy", NULL},
        {"2.5.29.09", "copy", NULL},
        {"02.5.29.19", "copy", NULL},
        {"1.3.6.1.5.5.7.1.1", "copy", NULL},
        {"1.3.6.1.5.5.7.1.01", "copy", NULL},
        {"1.3.6.1.5.5.7.1.7", "copy", NULL},
        {"1.3.6.1.5.5.7.1.11", "copy", NULL},
        {"1.3.6.1.5.5.7.1.14", "copy", NULL},
        {"1.3.6.1.5.5.7.1.29", "copy", NULL},
        {"1.3.6.1.5.5.7.48.1.5", "copy", NULL},
        {"1.3.6.1.4.1.11129.2.4.3", "copy", NULL},
        {"2.16.840.1.113730.1.1", "copy", NULL},
        {"2.16.840.1.113730.1.13", "copy", NULL},
        {"1.2.3.x", "copy", NULL},
        {"1", "copy", NULL},
    };
    policy_profile_t *profile;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_profile_rows_t made = good_rows();
        est_err_t *err;

        request_ext_rows[0] = (policy_request_ext_row_t){rows[i].name, rows[i].action};
        made.n_request_exts = 1;
        err = policy_profile_make(&profile, &made, pool);
        if (!rows[i].oid) {
            ASSERT_ROW(err, EST_E_config, "rule on requested extension", rows[i].name ? rows[i].name : "no name");
            continue;
        }
        ASSERT_OK(err);
        assert_string_equal(profile->request_exts[0].oid, rows[i].oid);
        assert_ptr_equal(policy_profile_request_ext(profile, rows[i].oid), &profile->request_exts[0]);
        assert_null(policy_profile_request_ext(profile, "1.2.3"));
        assert_int_equal(profile->request_exts[0].at, i < 2 ? (int)i : -1);
    }
    policy_profile_rows_t twice = good_rows();
    request_ext_rows[0] = (policy_request_ext_row_t){"1.2.3", "copy"};
    request_ext_rows[1] = (policy_request_ext_row_t){"1.2.3", "ignore"};
    twice.n_request_exts = 2;
    ASSERT_FAILS(policy_profile_make(&profile, &twice, pool), config, "\"1.2.3\"");
}

/* The tables refuse these too; a restored dump or a disabled constraint must not make them a certificate */
static void test_bad_extensions_are_refused(void **state)
{
    static const struct {
        pki_ext_row_t first, second;
        const char *reason;
    } rows[] = {
#define NO_MORE {"nsComment", 0, "x"}
        {{"keyUsage", 1, "flyToTheMoon"}, NO_MORE, "no such key usage"},
        {{"noSuchExtension", 0, "x"}, NO_MORE, "no such extension"},
        {{"subjectKeyIdentifier", 0, "hash"}, NO_MORE, "is written from the key"},
        {{"keyUsage", 1, ""}, NO_MORE, "no value"},
        {{"crlDistributionPoints", 0, "@crl"}, NO_MORE, "section that is not there"},
        {{"keyUsage", 1, "digitalSignature"}, {"keyUsage", 0, "keyAgreement"}, "one extension twice (CP-14)"},
        {{"keyUsage", 1, "digitalSignature"}, {"2.5.29.15", 0, "DER:03020780"}, "twice, once as OID"},
        {{"subjectAltName", 0, "DNS:a.example"}, NO_MORE, "names come from the request"},
        {{"basicConstraints", 1, "CA:TRUE"}, NO_MORE, "a CA"},
        {{"keyUsage", 1, "digitalSignature, keyCertSign"}, NO_MORE, "signs certificates"},
        {{"keyUsage", 1, "cRLSign"}, NO_MORE, "signs revocation lists"},
        {{"nameConstraints", 1, "permitted;DNS:example.com"}, NO_MORE, "only CAs have name constraints"},
#undef NO_MORE
    };
    policy_profile_t *profile;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_profile_rows_t bad = good_rows();

        ext_rows[0] = rows[i].first;
        ext_rows[1] = rows[i].second;
        ASSERT_ROW(policy_profile_make(&profile, &bad, pool), EST_E_config, NULL, rows[i].reason);
    }
}

/* cmcRA makes an RA, OCSPSigning a responder: those who write profiles may say so, a request may not */
static void test_a_profile_may_give_purposes_that_no_request_gets(void **state)
{
    policy_profile_rows_t rows = good_rows();
    policy_profile_t *profile;

    (void)state;
    ext_rows[1].value = "clientAuth, cmcRA";
    ASSERT_OK(policy_profile_make(&profile, &rows, pool));
    ext_rows[1].value = "OCSPSigning";
    ASSERT_OK(policy_profile_make(&profile, &rows, pool));
    ext_rows[0] = (pki_ext_row_t){"basicConstraints", 1, "CA:FALSE"};
    ASSERT_OK(policy_profile_make(&profile, &rows, pool));
}

/* Rows come from a query's result, which goes when it has been read */
static void test_nothing_is_borrowed_from_the_rows(void **state)
{
    policy_profile_rows_t rows = good_rows();
    char name[] = "device", pattern[] = "a*", attribute[] = "CN", network[] = "10.0.0.0/8", keys[] = "ec:P-256";
    char subject[] = "CN=${user},O=a", name_template[] = "${user}.example", oid[] = "1.2.3";
    const policy_template_values_t values = {.user = "ra"};
    policy_profile_t *profile;
    const pki_name_t *made;

    (void)state;
    rows.profile.name = name;
    rows.profile.keys = keys;
    subject_rows[0].pattern = pattern;
    subject_rows[0].attribute = attribute;
    san_rows[1].pattern = network;
    rows.profile.subject_template = subject;
    san_rows[0].source = "template";
    san_rows[0].template = name_template;
    request_ext_rows[0] = (policy_request_ext_row_t){oid, "copy"};
    rows.n_request_exts = 1;
    ASSERT_OK(policy_profile_make(&profile, &rows, pool));
    memset(subject, 'X', sizeof(subject) - 1);
    memset(name_template, 'X', sizeof(name_template) - 1);
    oid[0] = 'X';
    name[0] = pattern[0] = attribute[0] = network[0] = keys[0] = 'X';
    assert_string_equal(profile->name, "device");
    assert_string_equal(profile->keys_text, "ec:P-256");
    assert_string_equal(profile->subject_rules[0].pattern, "a*");
    assert_string_equal(profile->subject_rules[0].attribute, "CN");
    assert_string_equal(profile->san_rules[1].pattern, "10.0.0.0/8");
    ASSERT_OK(policy_template_fill_subject(&made, profile->subject_template, &values, pool));
    assert_string_equal(made->text, "CN=ra,O=a");
    assert_string_equal(policy_template_fill_name(profile->san_rules[0].template, &values, pool), "ra.example");
    assert_string_equal(profile->request_exts[0].name, "1.2.3");
    assert_string_equal(profile->request_exts[0].oid, "1.2.3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_a_good_profile_says_what_its_rows_say),
        EST_TEST(test_every_column_that_cannot_be_understood_is_refused),
        EST_TEST(test_bad_subject_rules_are_refused),
        EST_TEST(test_bad_san_rules_are_refused),
        EST_TEST(test_sources_of_names),
        EST_TEST(test_rules_on_requested_extensions),
        EST_TEST(test_bad_extensions_are_refused),
        EST_TEST(test_a_profile_may_give_purposes_that_no_request_gets),
        EST_TEST(test_nothing_is_borrowed_from_the_rows),
    };
    return EST_TEST_RUN(tests);
}
