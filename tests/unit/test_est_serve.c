/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op_test.h"

static void test_the_table_of_operations(void **state)
{
    static const struct {
        const char *name;
        policy_op_t op;
        unsigned methods;
        const char *media_type;
    } rows[] = {
        {"cacerts", POLICY_OP_CACERTS, EST_METHOD_GET | EST_METHOD_HEAD, NULL},
        {"csrattrs", POLICY_OP_CSRATTRS, EST_METHOD_GET | EST_METHOD_HEAD, NULL},
        {"simpleenroll", POLICY_OP_ENROLL, EST_METHOD_POST, "application/pkcs10"},
        {"simplereenroll", POLICY_OP_REENROLL, EST_METHOD_POST, "application/pkcs10"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const est_op_t *found = est_op_find(rows[i].name);

        assert_non_null(found);
        assert_string_equal(found->name, rows[i].name);
        assert_int_equal(found->op, rows[i].op);
        assert_int_equal(found->methods, rows[i].methods);
        assert_int_equal(found->media_type == NULL, rows[i].media_type == NULL);
        if (found->media_type)
            assert_string_equal(found->media_type, rows[i].media_type);
        assert_false(policy_label_is_valid(found->name)); /* or a path could mean two things */
    }
    assert_null(est_op_find(""));
    assert_null(est_op_find("CACERTS"));
    assert_null(est_op_find("cacert"));
    assert_null(est_op_find("cacertss"));
}

/* An inherited Require all granted, or a RequireAny, cannot open the door */
static void test_what_was_not_granted_is_not_served(void **state)
{
    csr_spec_t spec = {.subject = "CN=dev7"};
    est_resp_t resp;
    est_req_t *req, *other;

    (void)state;
    op_start();
    spec.key = op.key;
    op.body = make_csr(&spec);
    ASSERT_FAILS(est_serve(&resp, op_routed("/cacerts"), &op.service), not_granted, "Require est");
    assert_int_equal(resp.status, 0);
    req = op_routed("/simpleenroll");
    op_log_in(req, "dev7");
    ASSERT_FAILS(est_serve(&resp, req, &op.service), not_granted, NULL);

    /* granted, but for another operation */
    req = op_granted("/simpleenroll", "dev7", NULL);
    req->op = est_op_find("simplereenroll");
    ASSERT_FAILS(est_serve(&resp, req, &op.service), not_granted, NULL);
    /* granted, but at another alias */
    req = op_granted("/simpleenroll", "dev7", NULL);
    other = op_routed("/other/simpleenroll");
    req->alias = other->alias;
    ASSERT_FAILS(est_serve(&resp, req, &op.service), not_granted, NULL);
    /* granted at an alias, and then without any */
    req = op_granted("/cacerts", NULL, NULL);
    req->alias = NULL;
    ASSERT_FAILS(est_serve(&resp, req, &op.service), not_granted, NULL);
    /* granted without policy, and then at an alias */
    op.store.down = 1;
    ASSERT_OK(store_cache_make(&op.cache, &op.store.base, &op.env, pool));
    op.service.cache = op.cache;
    req = op_routed("/cacerts");
    op_grant(req);
    req->alias = other->alias;
    ASSERT_FAILS(est_serve(&resp, req, &op.service), not_granted, NULL);
    assert_int_equal(op.body_reads, 0);
    assert_int_equal(op.store.issue_calls, 0);
    assert_int_equal(est_err_row(EST_E_not_granted)->status, 403);
}

static void test_what_was_granted_is_served(void **state)
{
    csr_spec_t spec = {.subject = "CN=dev7"};
    est_resp_t resp;

    (void)state;
    op_start();
    spec.key = op.key;
    op.body = text(est_base64_encode(make_csr(&spec), 0, NULL, pool));
    memset(&resp, 0xff, sizeof(resp));
    ASSERT_OK(est_serve(&resp, op_granted("/cacerts", NULL, NULL), &op.service));
    assert_int_equal(resp.status, 200);
    assert_null(resp.serial); /* the answer begins empty */
    ASSERT_OK(est_serve(&resp, op_granted("/simpleenroll", "dev7", NULL), &op.service));
    assert_int_equal(resp.status, 200);
    ASSERT_OK(est_serve(&resp, op_granted("/simplereenroll", NULL, op_holder("CN=dev7", NULL)), &op.service));
    assert_int_equal(resp.status, 200);
    assert_int_equal(op.store.issue_calls, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_the_table_of_operations),
        EST_TEST(test_what_was_not_granted_is_not_served),
        EST_TEST(test_what_was_granted_is_served),
    };
    return EST_TEST_RUN(tests);
}
