/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_test.h"

#include "policy/policy_template.h"

/* ---- reading */

static void test_attributes_are_those_of_subject_rules(void **state)
{
    static const char *const good[] = {"CN", "C", "serialNumber", "UID", "DC", "unstructuredAddress", "jurisdictionC"};
    static const char *const bad[] = {"", "cn", "commonName", "2.5.4.3", "clientAuth", "SHA256", "favouriteColour"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(policy_template_has_attribute(good[i]));
        assert_int_not_equal(pki_name_attr_nid(good[i]), 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(policy_template_has_attribute(bad[i]));
}

/* As est.check_subject_template() has it */
static void test_subjects_that_can_be_understood(void **state)
{
    static const struct {
        const char *text, *why; /* NULL: it can */
    } rows[] = {
        {"CN=a", NULL},
        {"CN=${csr.CN},O=Example", NULL},
        {" CN = a , O = b ", NULL},
        {"CN=a b  c", NULL},
        {"CN=a=b+c;d\"<>#", NULL},
        {"CN=\\,", NULL},
        {"CN=\\\\\\$\\,", NULL},
        {"CN=${csr.CN}${entity}${user}${entity.serialNumber}", NULL},
        {"CN=a ${user}", NULL},
        {"OU=a,OU=b", NULL},
        {"", "\"\" has no value"},
        {" ", "\"\" has no value"},
        {"CN", "\"CN\" has no value"},
        {"CN a=b", "\"CN\" has no value"},
        {"CN=", "an empty value"},
        {"CN=  ", "an empty value"},
        {"CN=,O=b", "an empty value"},
        {"CN= ,O=b", "an empty value"},
        {"CN=a,", "\"\" has no value"},
        {"CN=a,,O=b", "\"\" has no value"},
        {",CN=a", "\"\" has no value"},
        {"=a", "no attribute \"\""},
        {"cn=a", "no attribute \"cn\""},
        {"commonName=a", "no attribute \"commonName\""},
        {"2.5.4.3=a", "no attribute \"2.5.4.3\""},
        {"CN+O=a", "no attribute \"CN+O\""},
        {"CN=a\\b", "stands before"},
        {"CN=a\\", "stands before"},
        {"CN=\\ ", "stands before"},
        {"CN=$", "begins no variable"},
        {"CN=a$b", "begins no variable"},
        {"CN=${user", "begins no variable"},
        {"CN=$ {user}", "begins no variable"},
        {"CN=${}", "no variable \"\""},
        {"CN=${USER}", "no variable \"USER\""},
        {"CN=${ user}", "no variable \" user\""},
        {"CN=${csr}", "no variable \"csr\""},
        {"CN=${csr.}", "no attribute \"\""},
        {"CN=${csr.cn}", "no attribute \"cn\""},
        {"CN=${csr.commonName}", "no attribute \"commonName\""},
        {"CN=${csr.2.5.4.3}", "no attribute \"2.5.4.3\""},
        {"CN=${entity.X}", "no attribute \"X\""},
        {"CN=${RANDOM}", "no variable \"RANDOM\""},
    };
    policy_template_t *template;
    const char *many = "CN=a";

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_err_t *err = policy_template_subject(&template, rows[i].text, pool);

        if (rows[i].why)
            ASSERT_ROW(err, EST_E_config, rows[i].why, rows[i].text);
        else
            ASSERT_OK(err);
    }
    for (int i = 1; i < PKI_NAME_MAX_ATTRIBUTES; i++)
        many = apr_pstrcat(pool, many, ",CN=a", NULL);
    ASSERT_OK(policy_template_subject(&template, many, pool));
    ASSERT_FAILS(policy_template_subject(&template, apr_pstrcat(pool, many, ",CN=a", NULL), pool), config,
                 "over 32 attributes");
}

/* As est.check_name_template() has it */
static void test_names_that_can_be_understood(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"${csr.CN}.example", NULL},
        {"a\\,b", NULL},
        {"CN=a", NULL},
        {"https://a.example/${entity}?x=y", NULL},
        {"", "an empty value"},
        {" ", "an empty value"},
        {"a,b", "a comma is written as"},
        {"a,", "a comma is written as"},
        {"a\\b", "stands before"},
        {"${csr.colour}", "no attribute \"colour\""},
    };
    policy_template_t *template;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_err_t *err = policy_template_name(&template, rows[i].text, pool);

        if (rows[i].why)
            ASSERT_ROW(err, EST_E_config, rows[i].why, rows[i].text);
        else
            ASSERT_OK(err);
    }
}

/* ---- filling in */

static policy_template_values_t values_of(const char *csr)
{
    return (policy_template_values_t){
        .csr = name_of(csr), .entity = "device 7", .row = name_of("O=Row & Sons,OU=first,OU=second"), .user = "ra"};
}

static const char *filled(const char *text, const policy_template_values_t *values)
{
    policy_template_t *template;
    const pki_name_t *name;
    est_err_t *err;

    ASSERT_OK(policy_template_subject(&template, text, pool));
    err = policy_template_fill_subject(&name, template, values, pool);
    if (!err)
        return name->text;
    assert_int_equal(err->code, EST_E_name_invalid);
    return apr_pstrcat(pool, "! ", err->detail, NULL);
}

static void test_a_subject_is_filled_in(void **state)
{
    static const struct {
        const char *template, *subject; /* "! detail" */
    } rows[] = {
        {"CN=${csr.CN},O=Example", "CN=dev7,O=Example"},
        {" CN = ${csr.CN} ,  O = Example ", "CN=dev7,O=Example"},
        {"CN=a ${csr.CN} b", "CN=a dev7 b"},
        {"CN=${csr.CN}${csr.CN}.example", "CN=dev7dev7.example"},
        {"CN=${user}@${entity}", "CN=ra@device 7"},
        {"CN=a\\, b\\\\c\\$d", "CN=a\\, b\\\\c$d"},
        {"CN=a+b", "CN=a\\+b"},
        {"OU=${entity.OU},O=${entity.O}", "OU=first,O=Row & Sons"},
        {"CN=${entity.CN}", ""},
        {"CN=dev,OU=${csr.OU},OU=${entity.L}${csr.L}", "CN=dev"},
        {"CN=${csr.OU}.example", "! the request has not all that the profile makes CN of"},
        {"CN=dev-${entity.CN}", "! the request has not all that the profile makes CN of"},
        {"CN=${csr.CN}${csr.OU}", "! the request has not all that the profile makes CN of"},
        {"C=Germany", "! value of C: too long (at most 2 characters)"},
        {"C=de", "! value of C: not two upper-case letters (at most 2 characters)"},
        {"serialNumber=${entity.O}", "! value of serialNumber: not a PrintableString (at most 64 characters)"},
    };
    policy_template_values_t values = values_of("CN=dev7,CN=dev8"), nothing = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(filled(rows[i].template, &values), rows[i].subject);
    assert_string_equal(filled("CN=${csr.CN}${entity}${user}${entity.CN}", &nothing), "");
    assert_string_equal(filled("CN=x${user}", &nothing), "! the request has not all that the profile makes CN of");
}

/* Records have the last relative name first, and so do templates */
static void test_the_order_is_that_of_rfc_2253(void **state)
{
    policy_template_values_t values = values_of("CN=dev7");
    policy_template_t *template;
    const pki_name_t *name;

    (void)state;
    ASSERT_OK(policy_template_subject(&template, "CN=${csr.CN},OU=b,OU=a,O=Example", pool));
    ASSERT_OK(policy_template_fill_subject(&name, template, &values, pool));
    assert_int_equal(name->n_attrs, 4);
    assert_string_equal(name->attrs[0].type, "O");
    assert_string_equal(name->attrs[1].value, "a");
    assert_string_equal(name->attrs[2].value, "b");
    assert_string_equal(name->attrs[3].value, "dev7");
    ASSERT_SLICE(name->der, name_of("O=Example,OU=a,OU=b,CN=dev7")->der);
}

static void test_a_name_is_filled_in(void **state)
{
    static const struct {
        const char *template, *name; /* NULL: there is none */
    } rows[] = {
        {"${csr.CN}.example", "dev7.example"},
        {"a\\,b", "a,b"},
        {"a ", "a"},
        {"${csr.OU}", NULL},
        {"${csr.OU}.example", NULL},
        {"${csr.CN}${csr.OU}", NULL},
    };
    policy_template_values_t values = values_of("CN=dev7");
    policy_template_t *template;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *name;

        ASSERT_OK(policy_template_name(&template, rows[i].template, pool));
        name = policy_template_fill_name(template, &values, pool);
        if (!name != !rows[i].name || (name && strcmp(name, rows[i].name) != 0))
            fail_msg("%s: %s", rows[i].template, name ? name : "none");
    }
}

/* AUTH-12: what the client has chosen is told, wherever in the request it stands */
static void test_what_names_have_taken_of_the_request(void **state)
{
    static const struct {
        const char *template, *taken;
    } rows[] = {
        {"CN=${csr.CN}", "CN=dev7"},
        {"CN=${csr.OU}", "OU=Sales"},
        {"CN=x-${csr.OU}-${csr.UID}", "OU=Sales UID=7"},
        {"O=${csr.O},OU=${csr.CN}", ""},
        {"CN=${user}${entity.O}Example", ""},
        {"CN=${entity}", "CN=asked"},
        {"OU=${entity}", ""},
        {"CN=${csr.L}", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_template_values_t values = values_of("CN=dev7,O=Evil,OU=Sales,UID=7");
        const char *got = "";

        values.taken = apr_array_make(pool, 1, sizeof(pki_attr_t));
        values.entity_asked = "asked";
        filled(rows[i].template, &values);
        for (int k = 0; k < values.taken->nelts; k++) {
            const pki_attr_t *attr = &APR_ARRAY_IDX(values.taken, k, pki_attr_t);

            got = apr_pstrcat(pool, got, *got ? " " : "", attr->type, "=", attr->value, NULL);
        }
        assert_string_equal(got, rows[i].taken);
        apr_array_clear(values.taken);
        values.entity_asked = NULL;
        filled("CN=${entity}", &values);
        assert_int_equal(values.taken->nelts, 0);
    }
}

/* ---- rows of end entities */

static void test_the_subject_of_a_row(void **state)
{
    static const struct {
        const char *text, *subject, *why;
    } rows[] = {
        {"CN=dev1,O=Example", "CN=dev1,O=Example", NULL}, {" CN = dev1 , O=a\\$b ", "CN=dev1,O=a$b", NULL},
        {"CN=${user}", NULL, "no variables here"},        {"CN=${csr.CN}", NULL, "no variables here"},
        {"CN=a$b", NULL, "begins no variable"},           {"", NULL, "has no value"},
        {"C=de", NULL, "not two upper-case letters"},     {"CN=a\xe2\x80\x8b", NULL, "format character"},
    };
    const pki_name_t *name;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_err_t *err = policy_template_fixed(&name, rows[i].text, pool);

        if (rows[i].why) {
            ASSERT_ROW(err, EST_E_config, rows[i].why, rows[i].text);
            continue;
        }
        ASSERT_OK(err);
        assert_string_equal(name->text, rows[i].subject);
    }
    ASSERT_OK(policy_template_fixed(&name, NULL, pool));
    assert_null(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_attributes_are_those_of_subject_rules), EST_TEST(test_subjects_that_can_be_understood),
        EST_TEST(test_names_that_can_be_understood),          EST_TEST(test_a_subject_is_filled_in),
        EST_TEST(test_the_order_is_that_of_rfc_2253),         EST_TEST(test_a_name_is_filled_in),
        EST_TEST(test_what_names_have_taken_of_the_request),  EST_TEST(test_the_subject_of_a_row),
    };
    return EST_TEST_RUN(tests);
}
