/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op_test.h"

#include "op/est_explain.h"

static struct {
    store_vtable_t vtable;
    store_finding_t rows[4];
    int n_rows, calls;
    store_issue_t issue; /* what was asked last */
} explain;

static est_err_t *explain_request(store_t *store, store_finding_t **out, int *n, const store_issue_t *issue,
                                  apr_pool_t *request)
{
    assert_non_null(store);
    assert_non_null(request);
    explain.calls++;
    explain.issue = *issue;
    *out = explain.rows;
    *n = explain.n_rows;
    return NULL;
}

static void start(void)
{
    op_start();
    memset(&explain, 0, sizeof(explain));
    explain.vtable = *op.store.base.vt;
    explain.vtable.explain_request = explain_request;
    op.store.base.vt = &explain.vtable;
}

static est_slice_t csr_of(const char *subject)
{
    csr_spec_t spec = {.subject = subject, .key = op.key};

    return make_csr(&spec);
}

static est_explain_ask_t ask_of(const char *subject, const char *user)
{
    est_explain_ask_t ask = {.alias = "est",
                             .operation = "simpleenroll",
                             .body = csr_of(subject),
                             .user = user,
                             .network = "192.0.2.1",
                             .now = op.now};

    assert_int_equal(apr_sockaddr_info_get(&ask.address, ask.network, APR_UNSPEC, 0, 0, pool), APR_SUCCESS);
    return ask;
}

static est_explanation_t explained(const est_explain_ask_t *ask)
{
    est_explanation_t out;

    ASSERT_OK(est_explain(&out, ask, &op.service, pool));
    /* Whatever it says, nothing is written */
    assert_int_equal(op.store.issue_calls + op.store.order_calls + op.store.refusal_calls, 0);
    return out;
}

static const est_finding_t *finding(const est_explanation_t *x, const char *rule)
{
    for (int i = 0; i < x->n; i++)
        if (!strcmp(x->findings[i].rule, rule))
            return &x->findings[i];
    fail_msg("no rule %s", rule);
    return NULL;
}

static int count(const est_explanation_t *x)
{
    int n = 0;

    for (int i = 0; i < x->n; i++)
        n += x->findings[i].counts;
    return n;
}

static void test_what_would_be_issued(void **state)
{
    est_explain_ask_t ask;
    est_explanation_t x;

    (void)state;
    start();
    ask = ask_of("CN=dev7", "dev7");
    x = explained(&ask);
    assert_int_equal(x.status, 200);
    assert_null(x.err);
    assert_null(x.text);
    assert_int_equal(count(&x), 0);
    assert_string_equal(x.grant->subject->text, "CN=dev7");
    assert_int_equal(X509_cmp(x.ca->cert, op.ca_cert), 0);
    assert_int_equal(explain.calls, 1);
    assert_string_equal(explain.issue.entity, "dev7");
    assert_string_equal(explain.issue.network, "192.0.2.1");
    assert_non_null(explain.issue.order_key); /* a CA upstream may have it, though nobody approves */
}

static void test_all_rules_are_asked_and_the_first_that_fails_is_heard_of(void **state)
{
    est_explain_ask_t ask;
    est_explanation_t x;

    (void)state;
    start();
    ask = ask_of("CN=else,OU=none", "dev7");
    x = explained(&ask);
    assert_int_equal(x.err->code, EST_E_name_refused);
    assert_int_equal(x.status, 403);
    assert_int_equal(finding(&x, "own_names")->verdict, POLICY_FAIL);
    assert_true(finding(&x, "subject")->counts);
    assert_int_equal(count(&x), 1);
    assert_int_equal(finding(&x, "database")->verdict, POLICY_NOT_APPLICABLE);
    assert_null(x.grant);
    assert_int_equal(explain.calls, 0);
}

static void test_nobody_is_told_no_detail(void **state)
{
    est_explain_ask_t ask;
    est_explanation_t x;

    (void)state;
    start();
    ask = ask_of("CN=dev7", NULL);
    x = explained(&ask);
    assert_int_equal(x.status, 401);
    assert_string_equal(x.text, "authentication_required: authentication required");
    op.store.clients[0].enabled = "f";
    store_cache_drop_client(op.cache, NULL);
    ask = ask_of("CN=dev7", "dev7");
    x = explained(&ask);
    assert_string_equal(x.text, "not_authorized: not authorized");
    assert_string_equal(finding(&x, "access")->got, "client \"dev7\" is disabled");
}

static void test_alias_and_request_that_are_none(void **state)
{
    est_explain_ask_t ask;
    est_explanation_t x;

    (void)state;
    start();
    ask = ask_of("CN=dev7", "dev7");
    ask.alias = "nowhere";
    x = explained(&ask);
    assert_int_equal(x.err->code, EST_E_alias_unknown);
    assert_int_equal(x.n, 1);
    assert_null(x.alias);
    ask = ask_of("CN=dev7", "dev7");
    ask.body = est_slice_of("AAAA");
    x = explained(&ask);
    assert_int_equal(x.status, 400);
    assert_string_equal(x.findings[x.n - 1].rule, "request");
}

static void test_rules_of_the_database(void **state)
{
    static const struct {
        store_finding_t rows[3];
        int status, pending;
        const char *error;
    } cases[] = {
        {{{"approval", "fail", "approved", "no order", 60}}, 202, 60, NULL},
        {{{"approval", "fail", "approved", "no order", 60}, {"too_many_orders", "fail", "fewer", "10", 0}},
         403,
         0,
         "too_many_orders"},
        {{{"order", "fail", "approved", "waits", 7}, {"quota_exceeded", "fail", "fewer", "10", 0}}, 202, 7, NULL},
        {{{"replay", "pass", "the same", "certificate 01", 0}, {"active_limit", "fail", "fewer", "1", 0}},
         200,
         0,
         NULL},
        {{{"replay", "n/a", NULL, NULL, 0}, {"active_limit", "fail", "fewer", "1", 0}}, 403, 0, "active_limit"},
        {{{"rate_exceeded", "fail", "fewer", "more", 9}, {"approval", "fail", "approved", "no", 60}},
         429,
         0,
         "rate_exceeded"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        est_explain_ask_t ask;
        est_explanation_t x;

        start();
        for (explain.n_rows = 0; explain.n_rows < 3 && cases[i].rows[explain.n_rows].rule; explain.n_rows++)
            explain.rows[explain.n_rows] = cases[i].rows[explain.n_rows];
        ask = ask_of("CN=dev7", "dev7");
        x = explained(&ask);
        assert_int_equal(x.status, cases[i].status);
        assert_int_equal(x.pending, cases[i].pending);
        assert_int_equal(x.err == NULL, cases[i].error == NULL);
        if (x.err)
            assert_string_equal(est_err_row(x.err->code)->name, cases[i].error);
        assert_int_equal(x.grant == NULL, x.err != NULL);
    }
}

/* Whose a name is stays a secret to the client, and not to those who ask here */
static void test_what_the_client_does_not_hear(void **state)
{
    est_explain_ask_t ask;
    est_explanation_t x;

    (void)state;
    start();
    explain.rows[0] = (store_finding_t){"name_taken", "fail", "a free name", "certificate 01 of 'x'", 0};
    explain.n_rows = 1;
    ask = ask_of("CN=dev7", "dev7");
    x = explained(&ask);
    assert_string_equal(finding(&x, "name_taken")->got, "certificate 01 of 'x'");
    assert_non_null(strstr(x.text, ": wanted: a free name"));
    assert_null(strstr(x.text, "01"));
}

static void test_without_the_ca(void **state)
{
    est_explain_ask_t ask;
    est_explanation_t x;

    (void)state;
    start();
    op.service.n_cas = 0;
    ask = ask_of("CN=dev7", "dev7");
    x = explained(&ask);
    assert_int_equal(x.status, 200);
    assert_null(x.ca);
    assert_int_equal(finding(&x, "not_the_ca")->verdict, POLICY_NOT_APPLICABLE);
    assert_int_equal(finding(&x, "key_reserved")->verdict, POLICY_NOT_APPLICABLE);

    ask = ask_of("CN=dev7", NULL);
    ask.leaf = op_holder("CN=dev7", NULL);
    ask.operation = "simplereenroll";
    x = explained(&ask);
    assert_int_equal(x.status, 200);
    assert_int_equal(finding(&x, "certificate")->verdict, POLICY_NOT_APPLICABLE);
    assert_int_equal(x.identity->kind, POLICY_IDENTITY_CERTIFICATE);
    op.service.n_cas = 1;
    ASSERT_OK(est_lru_make(&op.service.paths, 1, pool)); /* which remembers that it was under no anchor */
    x = explained(&ask);
    assert_int_equal(finding(&x, "certificate")->verdict, POLICY_PASS);
}

static void test_no_ca_is_set(void **state)
{
    est_explain_ask_t ask;
    est_explanation_t x;

    (void)state;
    start();
    op.store.aliases[0].ca = NULL;
    for (int n = 0; n < 2; n++) {
        op.service.n_cas = n;
        ask = ask_of("CN=dev7", "dev7");
        x = explained(&ask);
        assert_int_equal(x.err->code, EST_E_alias_broken);
        assert_true(finding(&x, "ca")->counts);
    }
}

static void test_trouble_is_no_refusal(void **state)
{
    est_explain_ask_t ask;
    est_explanation_t x;
    est_err_t *err;

    (void)state;
    start();
    op.store.down = 1;
    ask = ask_of("CN=dev7", "dev7");
    err = est_explain(&x, &ask, &op.service, pool);
    assert_non_null(err);
    assert_int_equal(est_err_row(err->code)->status, 503);
}

static void test_a_code_at_an_alias_that_knows_none(void **state)
{
    est_explain_ask_t ask;
    est_explanation_t x;

    (void)state;
    start();
    ask = ask_of("CN=dev7", NULL);
    ask.entity = "dev7";
    ASSERT_FAILS(est_explain(&x, &ask, &op.service, pool), config, "mode ra");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_what_would_be_issued),
        EST_TEST(test_all_rules_are_asked_and_the_first_that_fails_is_heard_of),
        EST_TEST(test_nobody_is_told_no_detail),
        EST_TEST(test_alias_and_request_that_are_none),
        EST_TEST(test_rules_of_the_database),
        EST_TEST(test_what_the_client_does_not_hear),
        EST_TEST(test_without_the_ca),
        EST_TEST(test_no_ca_is_set),
        EST_TEST(test_trouble_is_no_refusal),
        EST_TEST(test_a_code_at_an_alias_that_knows_none),
    };
    return EST_TEST_RUN(tests);
}
