/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_test.h"

#include "policy/policy_glob.h"

/* Two of everything: alias "est" uses profile 1 and group 1, "other" profile 2 and group 2 */
static struct {
    policy_alias_row_t aliases[3];
    policy_profile_rows_t profiles[2];
    policy_group_row_t groups[2];
    policy_anchor_row_t anchors[3];
    policy_rows_t rows;
} t;

static void good_rows(void)
{
    memset(&t, 0, sizeof(t));
    t.aliases[0] = t.aliases[1] = t.aliases[2] = (policy_alias_row_t)GOOD_ALIAS;
    t.aliases[1].id = "2";
    t.aliases[1].name = "other";
    t.aliases[1].profile_id = t.aliases[1].group_id = "2";
    t.profiles[0].profile = t.profiles[1].profile = (policy_profile_row_t)GOOD_PROFILE;
    t.profiles[1].profile.id = "2";
    t.profiles[1].profile.name = "server";
    t.groups[0] = t.groups[1] = (policy_group_row_t)GOOD_GROUP;
    t.groups[1].id = "2";
    t.groups[1].name = "servers";
    t.rows = (policy_rows_t){.version = 7,
                             .aliases = t.aliases,
                             .n_aliases = 2,
                             .profiles = t.profiles,
                             .n_profiles = 2,
                             .groups = t.groups,
                             .n_groups = 2,
                             .anchors = t.anchors};
}

static policy_snapshot_t *make(void)
{
    policy_snapshot_t *snapshot;

    ASSERT_OK(policy_snapshot_make(&snapshot, &t.rows, pool));
    return snapshot;
}

static void test_good_rows_make_good_aliases(void **state)
{
    policy_snapshot_t *snapshot;
    const policy_alias_t *alias;

    (void)state;
    good_rows();
    t.aliases[1].auth_enroll = "basic-and-cert";
    t.aliases[1].auth_cacerts = "t";
    t.aliases[1].binding = "required";
    t.aliases[1].idempotency = "0";
    t.aliases[1].other_users = "group";
    t.aliases[1].enroll_chain = "t";
    t.aliases[1].base64 = "wrap";
    t.aliases[1].transfer_encoding = "f";
    t.aliases[1].reason_text = "f";
    t.aliases[1].compat = "libest";
    snapshot = make();
    assert_int_equal(policy_snapshot_version(snapshot), 7);

    alias = policy_snapshot_alias(snapshot, "est");
    assert_non_null(alias);
    assert_ptr_equal(policy_snapshot_alias(snapshot, NULL), alias);
    assert_null(alias->broken);
    assert_true(alias->enabled);
    assert_string_equal(alias->profile->name, "device");
    assert_string_equal(alias->group->name, "devices");
    assert_string_equal(alias->ca, "issuing");
    assert_int_equal(alias->auth_enroll, POLICY_AUTH_BASIC_OR_CERT);
    assert_int_equal(alias->binding, POLICY_BINDING_IF_PRESENT);
    assert_int_equal(alias->idempotency, 600);
    assert_int_equal(alias->base64, POLICY_BASE64_AUTO);
    assert_int_equal(alias->compat, POLICY_COMPAT_NONE);
    assert_false(alias->auth_cacerts || alias->other_users || alias->enroll_chain);
    assert_true(alias->transfer_encoding && alias->reason_text);

    alias = policy_snapshot_alias(snapshot, "other");
    assert_string_equal(alias->profile->name, "server");
    assert_string_equal(alias->group->name, "servers");
    assert_int_equal(alias->auth_enroll, POLICY_AUTH_BASIC_AND_CERT);
    assert_int_equal(alias->binding, POLICY_BINDING_REQUIRED);
    assert_int_equal(alias->idempotency, 0);
    assert_int_equal(alias->base64, POLICY_BASE64_WRAP);
    assert_int_equal(alias->compat, POLICY_COMPAT_LIBEST);
    assert_true(alias->auth_cacerts && alias->other_users && alias->enroll_chain);
    assert_false(alias->transfer_encoding || alias->reason_text);

    assert_null(policy_snapshot_alias(snapshot, "third"));
    assert_string_equal(policy_snapshot_alias_at(snapshot, 0)->name, "est");
    assert_string_equal(policy_snapshot_alias_at(snapshot, 1)->name, "other");
    assert_null(policy_snapshot_alias_at(snapshot, 2));
    assert_null(policy_snapshot_alias_at(snapshot, -1));
}

static void test_an_empty_policy_has_no_alias(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    assert_null(policy_snapshot_alias(make(), NULL));
    assert_null(policy_snapshot_alias_at(make(), 0));
}

/* Conformance URI-04; docs/sql.md, alias */
static void test_labels(void **state)
{
    static const struct {
        const char *label;
        int valid;
        const char *reason;
    } rows[] = {
        {"est", 1, "the default alias, by its name"},
        {"a", 1, "one character"},
        {"Aa0_-", 1, "every kind of character"},
        {"1234567890123456789012345678901234567890123456789012345678901234", 1, "64 characters"},
        {"12345678901234567890123456789012345678901234567890123456789012345", 0, "65 characters"},
        {"", 0, "empty"},
        {"a.b", 0, "dot"},
        {"a b", 0, "blank"},
        {"a/b", 0, "slash"},
        {"a%2fb", 0, "percent"},
        {"\xc3\xa9", 0, "beyond ASCII"},
        {"a\n", 0, "line feed"},
        {"'; DROP TABLE x;--", 0, "P-09"},
        {"cacerts", 0, "operation"},
        {"simpleenroll", 0, "operation"},
        {"simplereenroll", 0, "operation"},
        {"fullcmc", 0, "operation"},
        {"serverkeygen", 0, "operation"},
        {"csrattrs", 0, "operation"},
        {"crts", 0, "RFC 9148"},
        {"sen", 0, "RFC 9148"},
        {"sren", 0, "RFC 9148"},
        {"skg", 0, "RFC 9148"},
        {"skc", 0, "RFC 9148"},
        {"att", 0, "RFC 9148"},
        {"pal", 0, "RFC 8295"},
        {"eecerts", 0, "RFC 8295"},
        {"crls", 0, "RFC 8295"},
        {"symmetrickeys", 0, "RFC 8295"},
        {"firmware", 0, "RFC 8295"},
        {"tamp", 0, "RFC 8295"},
        {"return", 0, "RFC 8295"},
        {"requestvoucher", 0, "RFC 8995"},
        {"voucher_status", 0, "RFC 8995"},
        {"requestauditlog", 0, "RFC 8995"},
        {"enrollstatus", 0, "RFC 8995"},
        {"ca", 0, "est.ca.* are keys of api_properties"},
        {"CACERTS", 1, "labels and operations differ by case"},
        {"cacerts2", 1, "merely begins like an operation"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (policy_label_is_valid(rows[i].label) != rows[i].valid)
            fail_msg("label \"%s\" (%s)", rows[i].label, rows[i].reason);
        good_rows();
        t.aliases[1].name = rows[i].label;
        if (strcmp(rows[i].label, "est") != 0)
            assert_int_equal(policy_snapshot_alias(make(), rows[i].label) != NULL, rows[i].valid);
    }
    good_rows();
    t.aliases[1].name = NULL;
    assert_null(policy_snapshot_alias_at(make(), 1));
}

static void test_a_bad_column_breaks_its_alias_alone(void **state)
{
    static const struct {
        size_t column;
        const char *value, *part, *reason;
    } rows[] = {
#define COLUMN(name) offsetof(policy_alias_row_t, name)
        {COLUMN(id), NULL, "column", "no id"},
        {COLUMN(id), "0", "column", "id 0"},
        {COLUMN(mode), "server", "column", "a mode of a later version"},
        {COLUMN(mode), NULL, "column", "no mode"},
        {COLUMN(profile_id), "99", "profile 99 does not exist", "profile that is not there"},
        {COLUMN(group_id), "99", "group 99 does not exist", "group that is not there"},
        {COLUMN(auth_enroll), "none", "column", "never without credentials"},
        {COLUMN(auth_enroll), NULL, "column", "no auth_enroll"},
        {COLUMN(auth_reenroll), "basic", "column", "a value of a later version"},
        {COLUMN(code_source), "mail", "column", "unknown word"},
        {COLUMN(code_source), "dn:", "column", "no attribute"},
        {COLUMN(code_source), "dn:XX", "column", "unknown attribute"},
        {COLUMN(entity_from), "XX", "column", "unknown attribute"},
        {COLUMN(entity_from), NULL, "column", "no attribute"},
        {COLUMN(name_scheme), "cn", "column", "unknown word"},
        {COLUMN(name_scheme), "dn:", "column", "no attribute"},
        {COLUMN(name_scheme), "dn:CN,XX", "column", "unknown attribute"},
        {COLUMN(name_scheme), "fixed:", "column", "no name"},
        {COLUMN(name_scheme), "dn:CN,", "column", "an attribute without a name"},
        {COLUMN(name_scheme), "fixed:a\nb", "column", "a control character"},
        {COLUMN(name_prefix), "${OTHER}", "column", "unknown variable"},
        {COLUMN(name_prefix), NULL, "column", "no prefix"},
        {COLUMN(name_postfix), "$", "column", "no variable"},
        {COLUMN(vendor_patterns), "", "column", "no pattern"},
        {COLUMN(renew_expired), "345600000", "column", "over ten years"},
        {COLUMN(vendor), "on", "column", "unknown word"},
        {COLUMN(same_key), "maybe", "column", "unknown word"},
        {COLUMN(renew_window), "-1", "column", "negative interval"},
        {COLUMN(renew_expired), "soon", "column", "no interval"},
        {COLUMN(approval), "some", "column", "unknown word"},
        {COLUMN(rate_client), "0", "column", "none at all"},
        {COLUMN(rate_alias), "many", "column", "no number"},
        {COLUMN(binding), "maybe", "column", "unknown word"},
        {COLUMN(idempotency), "-1", "column", "negative window"},
        {COLUMN(idempotency), "604801", "column", "over a week"},
        {COLUMN(unknown_holder), "maybe", "column", "unknown word"},
        {COLUMN(other_users), "accept", "column", "unknown word"},
        {COLUMN(base64), "76", "column", "unknown word"},
#undef COLUMN
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_snapshot_t *snapshot;
        const policy_alias_t *broken;

        good_rows();
        *(const char **)(void *)((char *)&t.aliases[1] + rows[i].column) = rows[i].value;
        snapshot = make();
        broken = policy_snapshot_alias(snapshot, "other");
        assert_non_null(broken);
        if (!broken->broken || !strstr(broken->broken, rows[i].part))
            fail_msg("%s: broken is \"%s\"", rows[i].reason, broken->broken ? broken->broken : "(null)");
        assert_null(policy_snapshot_alias(snapshot, NULL)->broken);
    }
}

static void test_how_entities_are_named(void **state)
{
    const policy_alias_t *alias;

    (void)state;
    good_rows();
    t.aliases[0].mode = "client";
    t.aliases[0].code_source = "dn:UID";
    t.aliases[0].entity_from = "DN";
    t.aliases[0].name_scheme = "dn:UID,serialNumber, CN";
    t.aliases[0].name_prefix = "a-${RANDOM}";
    alias = policy_snapshot_alias(make(), NULL);
    assert_null(alias->broken);
    assert_int_equal(alias->mode, POLICY_MODE_CLIENT);
    assert_int_equal(alias->code_source, POLICY_CODE_DN);
    assert_string_equal(alias->code_attribute, "UID");
    assert_null(alias->entity_attribute);
    assert_int_equal(alias->name_scheme, POLICY_NAME_DN);
    assert_int_equal(alias->n_name_attributes, 3);
    assert_string_equal(alias->name_attributes[2], "CN");
    assert_string_equal(alias->name_prefix, "a-${RANDOM}");
    t.aliases[0].code_source = "otp-challenge";
    t.aliases[0].name_scheme = "fixed:shared";
    alias = policy_snapshot_alias(make(), NULL);
    assert_int_equal(alias->code_source, POLICY_CODE_OTP);
    assert_int_equal(alias->name_scheme, POLICY_NAME_FIXED);
    assert_string_equal(alias->fixed_name, "shared");
    t.aliases[0].name_scheme = "random";
    assert_int_equal(policy_snapshot_alias(make(), NULL)->name_scheme, POLICY_NAME_RANDOM);
    t.aliases[0].name_scheme = "username";
    assert_int_equal(policy_snapshot_alias(make(), NULL)->name_scheme, POLICY_NAME_USERNAME);
}

static void test_the_stricter_approval_of_alias_and_group_holds(void **state)
{
    static const struct {
        const char *alias, *group;
        policy_approval_t holds;
    } rows[] = {{"none", "none", POLICY_APPROVAL_NONE},
                {"first", "none", POLICY_APPROVAL_FIRST},
                {"none", "first", POLICY_APPROVAL_FIRST},
                {"all", "first", POLICY_APPROVAL_ALL},
                {"first", "all", POLICY_APPROVAL_ALL}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_rows();
        t.aliases[0].approval = rows[i].alias;
        t.groups[0].approval = rows[i].group;
        assert_int_equal(policy_snapshot_alias(make(), NULL)->approval, rows[i].holds);
    }
}

static void test_a_bad_profile_or_group_breaks_the_aliases_that_use_it(void **state)
{
    char *too_long = apr_palloc(pool, POLICY_GLOB_MAX + 2);
    policy_snapshot_t *snapshot;

    (void)state;
    memset(too_long, 'a', POLICY_GLOB_MAX + 1);
    too_long[POLICY_GLOB_MAX + 1] = '\0';
    good_rows();
    t.profiles[1].profile.keys = "dsa:2048";
    snapshot = make();
    assert_non_null(strstr(policy_snapshot_alias(snapshot, "other")->broken, "dsa:2048"));
    assert_null(policy_snapshot_alias(snapshot, NULL)->broken);

    good_rows();
    t.groups[1].names = too_long;
    snapshot = make();
    assert_non_null(strstr(policy_snapshot_alias(snapshot, "other")->broken, "servers"));
    assert_null(policy_snapshot_alias(snapshot, NULL)->broken);

    good_rows();
    t.groups[1].names = too_long;
    t.aliases[0].group_id = "2";
    snapshot = make();
    assert_non_null(policy_snapshot_alias(snapshot, "other")->broken);
    assert_non_null(policy_snapshot_alias(snapshot, NULL)->broken);
}

/* An alias that is not finished is not broken: enrolment is inactive, cacerts works */
static void test_missing_references_do_not_break(void **state)
{
    const policy_alias_t *alias;

    (void)state;
    good_rows();
    t.aliases[0].profile_id = t.aliases[0].group_id = t.aliases[0].ca = NULL;
    alias = policy_snapshot_alias(make(), NULL);
    assert_null(alias->broken);
    assert_null(alias->profile);
    assert_null(alias->group);
    assert_null(alias->ca);
}

static void test_of_two_aliases_with_one_name_none_is_served(void **state)
{
    policy_snapshot_t *snapshot;

    (void)state;
    good_rows();
    t.rows.n_aliases = 3; /* the third is "est" again */
    t.aliases[2].id = "3";
    snapshot = make();
    assert_non_null(policy_snapshot_alias(snapshot, NULL)->broken);
    assert_null(policy_snapshot_alias(snapshot, "other")->broken);
    assert_null(policy_snapshot_alias_at(snapshot, 2));
}

static void test_anchors_and_helpers(void **state)
{
    X509 *ca = make_ca("CN=Vendor", NULL, NULL, NULL);
    est_slice_t der = cert_der(ca);
    const policy_alias_t *alias;

    (void)state;
    good_rows();
    t.rows.n_anchors = 3;
    t.anchors[0] = (policy_anchor_row_t){"1", "holder", "anchor", est_hex(der, pool)};
    t.anchors[1] = (policy_anchor_row_t){"1", "holder", "helper", est_hex(der, pool)};
    t.anchors[2] = (policy_anchor_row_t){"2", "holder", "anchor", est_hex(der, pool)};
    alias = policy_snapshot_alias(make(), NULL);
    assert_null(alias->broken);
    assert_int_equal(alias->n_anchors, 2);
    assert_false(alias->anchors[0].helper);
    assert_true(alias->anchors[1].helper);
    assert_int_equal(X509_cmp(alias->anchors[0].cert, ca), 0);
}

static void test_an_anchor_that_is_no_certificate_breaks_its_alias(void **state)
{
    const char *good = est_hex(cert_der(make_ca("CN=Vendor", NULL, NULL, NULL)), pool);
    const char *const bad[] = {
        NULL, "", "3000", "xyz", apr_pstrcat(pool, good, "00", NULL), apr_pstrmemdup(pool, good, 200)};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        policy_snapshot_t *snapshot;

        good_rows();
        t.rows.n_anchors = 2;
        t.anchors[0] = (policy_anchor_row_t){"1", "holder", "anchor", good};
        t.anchors[1] = (policy_anchor_row_t){"2", "holder", "anchor", bad[i]};
        snapshot = make();
        assert_non_null(strstr(policy_snapshot_alias(snapshot, "other")->broken, "anchor"));
        assert_null(policy_snapshot_alias(snapshot, NULL)->broken);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_good_rows_make_good_aliases),
        EST_TEST(test_an_empty_policy_has_no_alias),
        EST_TEST(test_labels),
        EST_TEST(test_a_bad_column_breaks_its_alias_alone),
        EST_TEST(test_how_entities_are_named),
        EST_TEST(test_the_stricter_approval_of_alias_and_group_holds),
        EST_TEST(test_a_bad_profile_or_group_breaks_the_aliases_that_use_it),
        EST_TEST(test_missing_references_do_not_break),
        EST_TEST(test_of_two_aliases_with_one_name_none_is_served),
        EST_TEST(test_anchors_and_helpers),
        EST_TEST(test_an_anchor_that_is_no_certificate_breaks_its_alias),
    };
    return EST_TEST_RUN(tests);
}
