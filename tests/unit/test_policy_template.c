/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Subjects and names that a profile makes of text and variables. */

#include "policy_test.h"

#include "policy/policy_template.h"

/* What variables stand for in these tests: ${csr.O}, ${entity.O} and ${csr.serialNumber} are absent */
static policy_template_values_t values(void)
{
    return (policy_template_values_t){
        .csr = name_of("CN=dev7,OU=a,OU=b"), .entity = "lamp7", .row = name_of("CN=row,OU=r"), .user = "ra"};
}

static void test_subjects(void **state)
{
    static const struct {
        const char *template, *subject; /* NULL: refused with name_invalid */
        const char *reason;
    } rows[] = {
        {"CN=${csr.CN}", "CN=dev7", "of the request"},
        {"CN=${csr.CN},O=Example,OU=${user}", "CN=dev7,O=Example,OU=ra", "text and who asks"},
        {"CN=${entity},OU=${entity.OU}", "CN=lamp7,OU=r", "the end entity and its row"},
        {"CN=${csr.OU}", "CN=a", "the first of several in the request"},
        {"CN=a-${csr.CN}-${entity.CN}-z", "CN=a-dev7-row-z", "within text"},
        {" CN = ${user} , O = Ex ample ", "CN=ra,O=Ex ample", "blanks around commas and signs"},
        {"CN=a\\,b,O=c\\\\d,OU=\\${user}", "CN=a\\,b,O=c\\\\d,OU=${user}", "escapes"},
        {"CN=${user},O=${csr.O}", "CN=ra", "an attribute all of whose variables are absent is left out"},
        {"CN=${user},O=${csr.O}${csr.serialNumber}", "CN=ra", "two that are absent"},
        {"CN=${user},O=x${csr.O}", NULL, "text beside an absent variable"},
        {"CN=${user},O=${csr.CN}${csr.O}", NULL, "a variable beside an absent one"},
        {"CN=${user},C=Deutschland", NULL, "no country"},
        {"DC=${csr.CN},DC=example", "DC=dev7,DC=example", "an attribute twice"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_template_values_t of = values();
        policy_template_t *template;
        const pki_name_t *name = NULL;

        ASSERT_OK(policy_template_subject(&template, rows[i].template, pool));
        est_err_t *err = policy_template_fill_subject(&name, template, &of, pool);
        if (!rows[i].subject) {
            ASSERT_ROW(err, EST_E_name_invalid, "", rows[i].reason);
            continue;
        }
        if (err || strcmp(name->text, rows[i].subject) != 0)
            fail_msg("%s: %s instead of %s", rows[i].reason, err ? est_err_text(err) : name->text, rows[i].subject);
    }
}

static void test_names(void **state)
{
    static const struct {
        const char *template, *name; /* NULL: no name */
    } rows[] = {
        {"www.example", "www.example"},
        {"${csr.CN}.devices.example", "dev7.devices.example"},
        {"${entity}-${user}", "lamp7-ra"},
        {"a\\,b", "a,b"},
        {"${csr.O}", NULL},
        {"x.${csr.O}.example", NULL},
        {"${entity.O}${csr.CN}", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_template_values_t of = values();
        policy_template_t *template;

        ASSERT_OK(policy_template_name(&template, rows[i].template, pool));
        const char *name = policy_template_fill_name(template, &of, pool);
        if (!rows[i].name != !name || (name && strcmp(name, rows[i].name) != 0))
            fail_msg("%s: %s", rows[i].template, name ? name : "none");
    }
}

/* As est.check_subject_template() has it; see tests/sql/settings_test.sql */
static void test_what_is_no_template(void **state)
{
    static const char *const rows[] = {
        "",         " ",         "CN",         "CN=",           "CN= ",           "cn=a",         "X=a",
        "=a",       "CN=a,",     ",CN=a",      "CN=a,,O=b",     "CN=a,b",         "CN=$",         "CN=${csr.CN",
        "CN=${x}",  "CN=${csr}", "CN=${csr.}", "CN=${csr.cn}",  "CN=${csr.CN.x}", "CN=${Entity}", "CN=${env.PATH}",
        "CN=$user", "CN=a\\",    "CN=a\\x",    "CN=$ENV::PATH",
    };
    policy_template_t *template;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ASSERT_ROW(policy_template_subject(&template, rows[i], pool), EST_E_config, "template", rows[i]);
    ASSERT_FAILS(policy_template_name(&template, "a,b", pool), config, "a comma is written");
    ASSERT_FAILS(policy_template_name(&template, "", pool), config, "an empty value");
    ASSERT_FAILS(policy_template_name(&template, "${csr.x}", pool), config, "no attribute");
}

/* What of the request became a name is told, for the rules on whose it may be; what became no name is not */
static void test_what_is_taken_of_the_request(void **state)
{
    static const struct {
        const char *template, *entity_asked, *taken;
    } rows[] = {
        {"CN=${csr.CN}", NULL, "dev7"},       {"CN=a.${csr.CN}", NULL, "dev7"},          {"OU=${csr.CN}", NULL, ""},
        {"CN=${user},O=${csr.OU}", NULL, ""}, {"CN=${csr.CN}${csr.OU}", NULL, "dev7 a"}, {"CN=${entity}", NULL, ""},
        {"CN=${entity}", "asked", "asked"},   {"CN=${entity.CN}", "asked", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_template_values_t of = values();
        policy_template_t *template;
        const pki_name_t *name;
        const char *taken = "";

        of.taken = apr_array_make(pool, 2, sizeof(pki_attr_t));
        of.entity_asked = rows[i].entity_asked;
        ASSERT_OK(policy_template_subject(&template, rows[i].template, pool));
        ASSERT_OK(policy_template_fill_subject(&name, template, &of, pool));
        for (int j = 0; j < of.taken->nelts; j++)
            taken = apr_pstrcat(pool, taken, *taken ? " " : "", APR_ARRAY_IDX(of.taken, j, pki_attr_t).value, NULL);
        if (strcmp(taken, rows[i].taken) != 0)
            fail_msg("%s: took \"%s\"", rows[i].template, taken);
    }
}

static void test_subjects_of_rows(void **state)
{
    const pki_name_t *name;

    (void)state;
    ASSERT_OK(policy_template_fixed(&name, NULL, pool));
    assert_null(name);
    ASSERT_OK(policy_template_fixed(&name, "CN=lamp8, O=Example\\, Inc", pool));
    assert_string_equal(name->text, "CN=lamp8,O=Example\\, Inc");
    ASSERT_FAILS(policy_template_fixed(&name, "CN=${user}", pool), config, "no variables here");
    ASSERT_FAILS(policy_template_fixed(&name, "CN=a,C=Germany", pool), config, "subject \"CN=a,C=Germany\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_subjects),
        EST_TEST(test_names),
        EST_TEST(test_what_is_no_template),
        EST_TEST(test_what_is_taken_of_the_request),
        EST_TEST(test_subjects_of_rows),
    };
    return EST_TEST_RUN(tests);
}
