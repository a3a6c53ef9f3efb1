/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op_test.h"

/* Conformance decision 2, HTTP-01 and section 17.2 */
static void test_paths(void **state)
{
    static const char too_long[] = "/12345678901234567890123456789012345678901234567890123456789012345/cacerts";
    static const struct {
        unsigned method;
        const char *path;
        est_err_code_t code; /* EST_E__COUNT: found */
        const char *alias, *operation, *reason;
    } rows[] = {
#define FOUND EST_E__COUNT
        {EST_METHOD_GET, "/cacerts", FOUND, "est", "cacerts", "one segment is an operation of est"},
        {EST_METHOD_HEAD, "/cacerts", FOUND, "est", "cacerts", "HTTP-02"},
        {EST_METHOD_POST, "/simpleenroll", FOUND, "est", "simpleenroll", "enrolment"},
        {EST_METHOD_POST, "/simplereenroll", FOUND, "est", "simplereenroll", "re-enrolment"},
        {EST_METHOD_GET, "/est/cacerts", FOUND, "est", "cacerts", "est by its label"},
        {EST_METHOD_POST, "/other/simpleenroll", FOUND, "other", "simpleenroll", "label and operation"},

        {EST_METHOD_GET, "/simpleenroll", EST_E_method_not_allowed, "est", "simpleenroll", "HTTP-01"},
        {EST_METHOD_HEAD, "/simpleenroll", EST_E_method_not_allowed, "est", "simpleenroll", "HTTP-02"},
        {EST_METHOD_POST, "/cacerts", EST_E_method_not_allowed, "est", "cacerts", "HTTP-01"},
        {EST_METHOD_OTHER, "/cacerts", EST_E_method_not_allowed, "est", "cacerts", "DELETE, OPTIONS, post"},
        {EST_METHOD_OTHER, "/other/simpleenroll", EST_E_method_not_allowed, "other", "simpleenroll",
         "the same, labelled"},

        {EST_METHOD_GET, "", EST_E_path_invalid, NULL, NULL, "the mount point alone"},
        {EST_METHOD_GET, "/", EST_E_path_invalid, NULL, NULL, "no segment"},
        {EST_METHOD_GET, "cacerts", EST_E_path_invalid, NULL, NULL, "no slash"},
        {EST_METHOD_GET, "/cacerts/", EST_E_path_invalid, NULL, NULL, "P-06: empty last segment"},
        {EST_METHOD_POST, "/other/simpleenroll/", EST_E_path_invalid, NULL, NULL, "three, the last empty"},
        {EST_METHOD_POST, "/other/simpleenroll/x", EST_E_path_invalid, NULL, NULL, "three segments"},
        {EST_METHOD_POST, "/a/b/c/d", EST_E_path_invalid, NULL, NULL, "four segments"},
        {EST_METHOD_GET, "//cacerts", EST_E_path_invalid, NULL, NULL, "an empty label"},
        {EST_METHOD_GET, "/est//cacerts", EST_E_path_invalid, NULL, NULL, "an empty segment within"},
        {EST_METHOD_POST, "/simpleenroll;a=b", EST_E_path_invalid, NULL, NULL, "P-08: parameters"},
        {EST_METHOD_GET, "/other;x/cacerts", EST_E_path_invalid, NULL, NULL, "P-08: parameters of the label"},
        {EST_METHOD_GET, "/;", EST_E_path_invalid, NULL, NULL, "nothing but a parameter"},

        {EST_METHOD_GET, "/CACERTS", EST_E_operation_unknown, NULL, NULL, "P-06: case counts"},
        {EST_METHOD_GET, "/nothing", EST_E_operation_unknown, NULL, NULL, "unknown operation"},
        {EST_METHOD_GET, "/other", EST_E_operation_unknown, NULL, NULL, "a label alone is no operation"},
        {EST_METHOD_POST, "/fullcmc", EST_E_operation_unknown, NULL, NULL, "an operation that is not there"},
        {EST_METHOD_GET, "/other/nothing", EST_E_operation_unknown, NULL, NULL, "unknown operation of a known label"},
        {EST_METHOD_POST, "/other/..", EST_E_operation_unknown, NULL, NULL, "dots are nothing special here"},

        {EST_METHOD_GET, "/nowhere/cacerts", EST_E_alias_unknown, NULL, NULL, "unknown label"},
        {EST_METHOD_GET, "/OTHER/cacerts", EST_E_alias_unknown, NULL, NULL, "case counts"},
        {EST_METHOD_GET, "/nowhere/nothing", EST_E_alias_unknown, NULL, NULL, "the label is judged first"},
        {EST_METHOD_GET, "/cacerts/cacerts", EST_E_alias_unknown, NULL, NULL, "P-11: an operation is no label"},
        {EST_METHOD_GET, "/simpleenroll/x", EST_E_alias_unknown, NULL, NULL, "P-06: an operation is no label"},
        {EST_METHOD_GET, "/ca/cacerts", EST_E_alias_unknown, NULL, NULL, "reserved"},
        {EST_METHOD_GET, too_long, EST_E_alias_unknown, NULL, NULL, "P-09: 65 characters"},
        {EST_METHOD_GET, "/'; DROP TABLE x;--/cacerts", EST_E_path_invalid, NULL, NULL,
         "P-09, but decision 2 refuses ';'"},
        {EST_METHOD_GET, "/' OR 1=1 --/cacerts", EST_E_alias_unknown, NULL, NULL, "P-09"},
        {EST_METHOD_GET, "/a%2Fb/cacerts", EST_E_alias_unknown, NULL, NULL, "P-04: decoded once, by httpd"},
        {EST_METHOD_GET, "/a\\b/cacerts", EST_E_alias_unknown, NULL, NULL, "P-03: a backslash is no slash"},
        {EST_METHOD_GET, "/%s%n/cacerts", EST_E_alias_unknown, NULL, NULL, "P-09"},
        {EST_METHOD_GET, "/a\r\nb/cacerts", EST_E_alias_unknown, NULL, NULL, "P-10"},
        {EST_METHOD_GET, "/\xe2\x80\xae/cacerts", EST_E_alias_unknown, NULL, NULL, "P-10: U+202E"},
        {EST_METHOD_GET, "/../cacerts", EST_E_alias_unknown, NULL, NULL, "P-01"},
#undef FOUND
    };

    (void)state;
    op_start();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_req_t *req = op_request(rows[i].method);
        est_err_t *err = est_route(req, &op.service, rows[i].path, NULL, 0);

        if (rows[i].code != EST_E__COUNT) {
            ASSERT_ROW(err, rows[i].code, NULL, rows[i].reason);
            /* P-10, P-12: the path goes into the log alone, fit for it: nobody is authenticated yet */
            for (const char *c = err->detail; c && *c; c++)
                assert_in_range(*c, ' ', '~');
            assert_int_equal(req->identity.kind, POLICY_IDENTITY_NONE);
        } else {
            ASSERT_OK(err);
        }
        assert_int_equal(req->op != NULL, rows[i].operation != NULL);
        if (rows[i].operation)
            assert_string_equal(req->op->name, rows[i].operation);
        if (rows[i].alias)
            assert_string_equal(req->alias->name, rows[i].alias);
        assert_false(req->granted);
    }
}

/* P-12, decision 1 */
static void test_statuses(void **state)
{
    (void)state;
    assert_int_equal(est_err_row(EST_E_path_invalid)->status, 404);
    assert_int_equal(est_err_row(EST_E_operation_unknown)->status, 404);
    assert_int_equal(est_err_row(EST_E_alias_unknown)->status, 400);
    assert_int_equal(est_err_row(EST_E_method_not_allowed)->status, 405);
    assert_int_equal(est_err_row(EST_E_policy_unavailable)->status, 503);
}

static void test_a_disabled_alias_is_unknown(void **state)
{
    (void)state;
    op_start();
    op.store.aliases[1].enabled = "f";
    ASSERT_FAILS(est_route(op_request(EST_METHOD_GET), &op.service, "/other/cacerts", NULL, 0), alias_unknown, NULL);
    op_routed("/cacerts");
}

/* EstAliases */
static void test_a_location_serves_the_aliases_that_it_names(void **state)
{
    static const char *const other[] = {"other"}, *const both[] = {"other", "est"};
    static const char *const similar[] = {"othe", "other2", "OTHER", ""};
    static const struct {
        const char *const *aliases;
        int n;
        const char *path;
        int served;
    } rows[] = {
        {NULL, 0, "/cacerts", 1},       {NULL, 0, "/other/cacerts", 1},    {other, 1, "/other/cacerts", 1},
        {other, 1, "/cacerts", 0},      {other, 1, "/est/cacerts", 0},     {both, 2, "/cacerts", 1},
        {both, 2, "/other/cacerts", 1}, {similar, 4, "/other/cacerts", 0},
    };

    (void)state;
    op_start();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_req_t *req = op_request(EST_METHOD_GET);
        est_err_t *err = est_route(req, &op.service, rows[i].path, rows[i].aliases, rows[i].n);

        if (rows[i].served)
            ASSERT_OK(err);
        else
            ASSERT_ROW(err, EST_E_alias_unknown, NULL, rows[i].path);
        assert_int_equal(req->alias != NULL, rows[i].served);
    }
    ASSERT_FAILS(est_route(op_request(EST_METHOD_GET), &op.service, "/est/nothing", other, 1), alias_unknown, NULL);
}

/* ---- when there is no policy */

static void test_without_policy_a_server_of_one_ca_serves_its_cacerts(void **state)
{
    static const char *const other[] = {"other"};
    est_req_t *req;

    (void)state;
    op_start();
    op.store.down = 1;
    req = op_request(EST_METHOD_GET);
    ASSERT_OK(est_route(req, &op.service, "/cacerts", NULL, 0));
    assert_null(req->alias);
    assert_null(req->snapshot);
    assert_string_equal(req->op->name, "cacerts");
    ASSERT_FAILS(est_route(op_request(EST_METHOD_POST), &op.service, "/cacerts", NULL, 0), method_not_allowed, NULL);
    ASSERT_FAILS(est_route(op_request(EST_METHOD_GET), &op.service, "/est/cacerts", NULL, 0), policy_unavailable, NULL);
    ASSERT_FAILS(est_route(op_request(EST_METHOD_GET), &op.service, "/other/cacerts", NULL, 0), policy_unavailable,
                 NULL);
    ASSERT_FAILS(est_route(op_request(EST_METHOD_POST), &op.service, "/simpleenroll", NULL, 0), policy_unavailable,
                 "fake is down");
    /* where est is not served, it is not served without policy either */
    ASSERT_FAILS(est_route(op_request(EST_METHOD_GET), &op.service, "/cacerts", other, 1), alias_unknown, NULL);
}

static void test_without_policy_nobody_can_say_which_of_two_cas(void **state)
{
    (void)state;
    op_start();
    op.store.down = 1;
    op.cas[1] = op.cas[0];
    op.service.n_cas = 2;
    ASSERT_FAILS(est_route(op_request(EST_METHOD_GET), &op.service, "/cacerts", NULL, 0), policy_unavailable, NULL);
}

static void test_what_cannot_be_an_operation_needs_no_policy(void **state)
{
    (void)state;
    op_start();
    op.store.down = 1;
    ASSERT_FAILS(est_route(op_request(EST_METHOD_GET), &op.service, "/nothing", NULL, 0), operation_unknown, NULL);
    ASSERT_FAILS(est_route(op_request(EST_METHOD_GET), &op.service, "/a.b/cacerts", NULL, 0), alias_unknown, NULL);
    ASSERT_FAILS(est_route(op_request(EST_METHOD_GET), &op.service, "/a/b/c", NULL, 0), path_invalid, NULL);
    assert_int_equal(op.store.loads, 0);
}

static void test_without_a_database_there_is_no_policy(void **state)
{
    (void)state;
    op_start();
    op.service.cache = NULL;
    ASSERT_FAILS(est_route(op_request(EST_METHOD_POST), &op.service, "/simpleenroll", NULL, 0), policy_unavailable,
                 "EstDatabase");
}

/* EstPolicyMaxAge is for what issues; reading goes on with an old policy */
static void test_an_old_policy_issues_nothing(void **state)
{
    (void)state;
    op_start();
    op.service.policy_max_age = apr_time_from_sec(60);
    op_routed("/simpleenroll");
    op.store.down = 1;
    op.now += apr_time_from_sec(61);
    ASSERT_FAILS(est_route(op_request(EST_METHOD_POST), &op.service, "/simpleenroll", NULL, 0), policy_unavailable,
                 "61 s");
    op_routed("/other/cacerts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_paths),
        EST_TEST(test_statuses),
        EST_TEST(test_a_disabled_alias_is_unknown),
        EST_TEST(test_a_location_serves_the_aliases_that_it_names),
        EST_TEST(test_without_policy_a_server_of_one_ca_serves_its_cacerts),
        EST_TEST(test_without_policy_nobody_can_say_which_of_two_cas),
        EST_TEST(test_what_cannot_be_an_operation_needs_no_policy),
        EST_TEST(test_without_a_database_there_is_no_policy),
        EST_TEST(test_an_old_policy_issues_nothing),
    };
    return EST_TEST_RUN(tests);
}
