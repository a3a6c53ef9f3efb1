/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_test.h"

#include "policy/policy_entity.h"

/* ---- rows */

static void test_rows_that_can_be_understood(void **state)
{
    static const struct {
        const char *subject, *san, *names; /* NULL: cannot */
    } rows[] = {
        {NULL, NULL, "(none)"},
        {"CN=dev1,O=Example", "dns:A.example", "dns:a.example"},
        {NULL, "ip:10.0.0.1", "ip:10.0.0.1"},
        {NULL, "ip:2001:DB8:0::1", "ip:2001:db8::1"},
        {NULL, "email:a@b.example", "email:a@b.example"},
        {NULL, "uri:https://a.example/x:y", "uri:https://a.example/x:y"},
        {"CN=${user}", NULL, NULL},
        {"CN=a,", NULL, NULL},
        {NULL, "", NULL},
        {NULL, "dns:", NULL},
        {NULL, "dns:a b", NULL},
        {NULL, "DNS:a.example", NULL},
        {NULL, "a.example", NULL},
        {NULL, "ip:a.example", NULL},
        {NULL, "ip:10.0.0.0/8", NULL},
        {NULL, "email:a", NULL},
        {NULL, "uri:/x", NULL},
        {NULL, "rid:1.2.3", NULL},
        {NULL, "dirname:CN=a", NULL},
        {NULL, "other:1.2.3", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_entity_t entity = {.name = "dev1", .subject = rows[i].subject, .san = &rows[i].san};
        policy_entity_names_t names = {0};
        est_err_t *err;

        entity.n_san = rows[i].san != NULL;
        err = policy_entity_names(&names, &entity, pool);
        if (!rows[i].names) {
            ASSERT_ROW(err, EST_E_alias_broken, "row of end entity \"dev1\"", rows[i].san);
            assert_null(names.name); /* a row that was read by half is none */
            continue;
        }
        ASSERT_OK(err);
        assert_string_equal(names.name, "dev1");
        assert_string_equal(policy_names_text(&names.san, pool), rows[i].names);
        assert_int_equal(names.subject != NULL, rows[i].subject != NULL);
    }
}

static policy_entity_names_t names_of(const char *name, const char *subject, const char *san)
{
    return (policy_entity_names_t){name, subject ? name_of(subject) : NULL, sans_of(san)};
}

static void test_the_subject_that_a_row_makes(void **state)
{
    static const struct {
        const char *row, *wanted, *subject; /* as in the DER; NULL: refused */
        const char *reason;
    } rows[] = {
        {NULL, "CN=any", "CN=any", "no subject in the row"},
        {"O=Example,CN=dev1", "", "O=Example,CN=dev1", "asks for none"},
        {"O=Example,CN=dev1", "CN=dev1", "O=Example,CN=dev1", "asks for a part"},
        {"O=Example,CN=dev1", "CN=dev1,O=Example", "CN=dev1,O=Example", "has all of it, and keeps its order"},
        {"CN=dev1", "C=DE,O=Example,CN=dev1", "C=DE,O=Example,CN=dev1", "has all of it, and more"},
        {"CN=dev1", "C=DE,O=Example", "C=DE,O=Example,CN=dev1", "where it belongs stands above"},
        {"O=Example,CN=dev1", "UID=7", "UID=7,O=Example,CN=dev1", "judged by other rules"},
        {"O=Example,CN=dev1", "CN=dev1,CN=dev1", "O=Example,CN=dev1", "twice is once"},
        {"CN=dev1", "CN=dev2", NULL, "another CN"},
        {"CN=dev1", "CN=DEV1", NULL, "another spelling"},
        {"CN=dev1", "CN=dev1,CN=dev2", NULL, "another CN besides"},
        {"O=Example,CN=dev1", "O=Evil", NULL, "another O"},
        {"OU=a,OU=b,CN=dev1", "OU=b", "OU=a,OU=b,CN=dev1", "one of two"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_entity_names_t names = names_of("dev1", rows[i].row, "");
        const pki_name_t *subject;
        est_err_t *err = policy_entity_subject(&subject, &names, name_of(rows[i].wanted), pool);

        if (!rows[i].subject) {
            ASSERT_ROW(err, EST_E_name_not_yours, "end entity \"dev1\" asks for another", rows[i].reason);
            continue;
        }
        ASSERT_OK(err);
        if (strcmp(subject->text, name_of(rows[i].subject)->text) != 0)
            fail_msg("%s: %s", rows[i].reason, subject->text);
    }
}

static const char *subject_of(int n, const char *item)
{
    const char *dn = apr_psprintf(pool, item, 0);

    for (int i = 1; i < n; i++)
        dn = apr_pstrcat(pool, dn, ",", apr_psprintf(pool, item, i), NULL);
    return dn;
}

static void test_row_and_request_together_may_be_too_much(void **state)
{
    policy_entity_names_t names = names_of("dev1", subject_of(16, "OU=%d"), "");
    const pki_name_t *subject;

    (void)state;
    ASSERT_OK(policy_entity_subject(&subject, &names, name_of(subject_of(16, "CN=%d")), pool));
    assert_int_equal(subject->n_attrs, 32);
    ASSERT_FAILS(policy_entity_subject(&subject, &names, name_of(subject_of(17, "CN=%d")), pool), name_invalid, "32");
    ASSERT_FAILS(policy_entity_subject(&subject, &names, name_of(subject_of(32, "CN=%d")), pool), name_invalid, "32");
}

/* AUTH-12 */
static void test_names_that_are_the_entitys(void **state)
{
    static const struct {
        const char *name, *row, *row_san, *subject, *san;
        int good;
    } rows[] = {
        {"dev1", NULL, "", "CN=dev1,O=Any", "", 1},
        {"dev1", NULL, "", "CN=dev2", "", 0},
        {"dev1", NULL, "", "CN=DEV1", "", 0},
        {"dev1", NULL, "", "O=Any", "", 0},
        {"dev1", NULL, "", "", "", 0},
        {"dev1", NULL, "", "CN=dev1,UID=7", "", 0},
        {"dev1", "UID=7", "", "CN=dev1,UID=7", "", 1},
        {"dev1", "CN=device one", "", "CN=device one", "", 1},
        {"dev1", "CN=device one", "", "serialNumber=dev1", "", 1},
        {"dev1", "OU=dev2", "", "CN=dev2", "", 0}, /* of another type */
        {"dev1", NULL, "", "CN=dev1", "DNS:dev1", 1},
        {"dev1", NULL, "", "CN=dev1", "DNS:dev1.example", 0},
        {"dev1", NULL, "DNS:dev1.example", "CN=dev1", "DNS:DEV1.example", 1},
        {"dev1", NULL, "DNS:dev1.example", "CN=dev1", "DNS:dev1.example,IP:10.0.0.1", 0},
        {"dev1", NULL, "DNS:dev1.example", "CN=dev1.example", "", 0}, /* a name of the row, as another */
        {"dev1", NULL, "DNS:dev1.example", "", "DNS:dev1.example", 1},
        {"dev*", NULL, "", "CN=dev1", "", 0},
        {"a.example", NULL, "", "CN=A.example", "DNS:a.example", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_entity_names_t names = names_of(rows[i].name, rows[i].row, rows[i].row_san);
        pki_sans_t san = sans_of(rows[i].san);
        est_err_t *err = policy_entity_owns(&names, name_of(rows[i].subject), &san, pool);

        if (rows[i].good)
            ASSERT_OK(err);
        else
            ASSERT_ROW(err, EST_E_name_not_yours, rows[i].name, apr_psprintf(pool, "row %d", (int)i));
    }
}

static void test_what_was_taken_is_the_entitys(void **state)
{
    policy_entity_names_t names = names_of("dev1", "OU=Sales,UID=7", "");
    static const struct {
        pki_attr_t taken;
        int good;
    } rows[] = {
        {{NID_commonName, "CN", "dev1", 0}, 1},   {{NID_organizationalUnitName, "OU", "Sales", 0}, 1},
        {{NID_userId, "UID", "7", 0}, 1},         {{NID_commonName, "CN", "7", 0}, 0},
        {{NID_commonName, "CN", "dev2", 0}, 0},   {{NID_organizationalUnitName, "OU", "dev1", 0}, 1},
        {{NID_organizationName, "O", "x", 0}, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_err_t *err = policy_entity_owns_taken(&names, &rows[i].taken, 1, pool);

        if (rows[i].good)
            ASSERT_OK(err);
        else
            ASSERT_ROW(err, EST_E_name_not_yours, rows[i].taken.value, rows[i].taken.value);
    }
    ASSERT_OK(policy_entity_owns_taken(&names, NULL, 0, pool));
}

/* ---- names of entities */

#define RANDOM "abcdefghijklmnopqrstuvwx"

static void test_names_by_scheme(void **state)
{
    static const char *const cn[] = {"CN"}, *const uid_first[] = {"UID", "CN"}, *const belongs[] = {"OU"};
    static const struct {
        policy_name_scheme_t scheme;
        const char *const *attributes;
        int n_attributes;
        const char *prefix, *postfix, *subject, *san, *name; /* NULL: refused */
        const char *asked;                                   /* what of the request is in it */
    } rows[] = {
        {POLICY_NAME_DN, cn, 1, "", "", "CN=dev7,O=Example", "", "dev7", "dev7"},
        {POLICY_NAME_DN, cn, 1, "", "", "CN=dev7,CN=dev8", "", "dev7", "dev7"},
        {POLICY_NAME_DN, uid_first, 2, "", "", "CN=dev7,UID=8", "", "8", "8"},
        {POLICY_NAME_DN, uid_first, 2, "", "", "CN=dev7", "", "dev7", "dev7"},
        {POLICY_NAME_DN, belongs, 1, "", "", "OU=a,CN=dev7", "", "a", "a"},
        {POLICY_NAME_DN, cn, 1, "", "", "O=Example", "DNS:a.example", "dns:a.example", "a.example"},
        {POLICY_NAME_DN, cn, 1, "", "", "O=Example", "", "O=Example", "O=Example"},
        {POLICY_NAME_DN, cn, 1, "", "", "", "", NULL, ""},
        {POLICY_NAME_DN, cn, 1, "x-", "", "", "", NULL, ""},
        {POLICY_NAME_DN, cn, 1, "x-", "-y", "CN=dev7", "", "x-dev7-y", "dev7"},
        {POLICY_NAME_DN, cn, 1, "", "-${RANDOM}", "CN=dev7", "", "dev7-mnopqrstuv", "dev7"},
        {POLICY_NAME_DN, cn, 1, "${RANDOM}${RANDOM}-", "", "CN=dev7", "", "mnopqrstuvmnopqrstuv-dev7", "dev7"},
        {POLICY_NAME_DN, cn, 1, "", "", "CN=${RANDOM}", "", "${RANDOM}", "${RANDOM}"},
        {POLICY_NAME_USERNAME, NULL, 0, "", "", "O=Example,CN=dev7", "", "CN=dev7,O=Example", "CN=dev7,O=Example"},
        {POLICY_NAME_USERNAME, NULL, 0, "", "", "", "DNS:a.example", NULL, ""},
        {POLICY_NAME_RANDOM, NULL, 0, "", "", "CN=dev7", "", "abcdefghijkl", NULL},
        {POLICY_NAME_RANDOM, NULL, 0, "d-", "-${RANDOM}", "CN=dev7", "", "d-abcdefghijkl-mnopqrstuv", NULL},
        {POLICY_NAME_FIXED, NULL, 0, "", "", "CN=dev7", "", "all", NULL},
        {POLICY_NAME_FIXED, NULL, 0, "", "-${RANDOM}", "", "", "all-mnopqrstuv", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_alias_t alias = {.name_scheme = rows[i].scheme,
                                .name_attributes = rows[i].attributes,
                                .n_name_attributes = rows[i].n_attributes,
                                .name_prefix = rows[i].prefix,
                                .name_postfix = rows[i].postfix,
                                .fixed_name = "all"};
        pki_sans_t san = sans_of(rows[i].san);
        const pki_name_t *subject = name_of(rows[i].subject);
        const char *name = NULL, *asked = policy_entity_call_asked(&alias, subject, &san);
        est_err_t *err = policy_entity_call(&name, &alias, subject, &san, RANDOM, pool);

        if (!asked != !rows[i].asked || (asked && strcmp(asked, rows[i].asked) != 0))
            fail_msg("row %d: asked %s", (int)i, asked ? asked : "for nothing");
        if (!rows[i].name) {
            ASSERT_ROW(err, EST_E_name_refused, "empty", rows[i].subject);
            assert_null(name);
            continue;
        }
        ASSERT_OK(err);
        assert_string_equal(name, rows[i].name);
    }
}

static void test_names_that_are_too_long_or_lack_their_letters(void **state)
{
    policy_alias_t alias = {.name_scheme = POLICY_NAME_FIXED, .name_prefix = "", .name_postfix = ""};
    const pki_name_t *subject = name_of("CN=dev7");
    char *longest = apr_palloc(pool, 1026);
    pki_sans_t none = {0};
    const char *name;

    (void)state;
    memset(longest, 'a', 1024);
    longest[1024] = '\0';
    alias.fixed_name = longest;
    ASSERT_OK(policy_entity_call(&name, &alias, subject, &none, NULL, pool));
    alias.name_postfix = "b";
    ASSERT_FAILS(policy_entity_call(&name, &alias, subject, &none, NULL, pool), name_refused, "over 1024 octets");
    alias.fixed_name = "all";
    alias.name_postfix = "${RANDOM}";
    ASSERT_FAILS(policy_entity_call(&name, &alias, subject, &none, NULL, pool), internal, "random");
    alias.name_postfix = "";
    alias.name_scheme = POLICY_NAME_RANDOM;
    ASSERT_FAILS(policy_entity_call(&name, &alias, subject, &none, NULL, pool), internal, "random");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_rows_that_can_be_understood),
        EST_TEST(test_the_subject_that_a_row_makes),
        EST_TEST(test_row_and_request_together_may_be_too_much),
        EST_TEST(test_names_that_are_the_entitys),
        EST_TEST(test_what_was_taken_is_the_entitys),
        EST_TEST(test_names_by_scheme),
        EST_TEST(test_names_that_are_too_long_or_lack_their_letters),
    };
    return EST_TEST_RUN(tests);
}
