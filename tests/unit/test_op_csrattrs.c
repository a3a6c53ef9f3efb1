/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op_test.h"

#include "op/op_csrattrs.h"

static void test_nothing_wanted_is_204(void **state)
{
    static const char *const bindings[] = {"if-present", "off"};
    est_resp_t resp;

    (void)state;
    for (size_t i = 0; i < sizeof(bindings) / sizeof(bindings[0]); i++) {
        op_start();
        op.store.aliases[0].binding = bindings[i];
        ASSERT_OK(est_serve(&resp, op_granted("/csrattrs", NULL, NULL), &op.service));
        assert_int_equal(resp.status, 204);
        assert_null(resp.content_type);
        assert_int_equal(resp.length, 0);
        assert_false(resp.transfer_encoding);
        assert_true(resp.no_store);
    }
}

/* EN-07: a binding that is required is announced */
static void test_a_required_binding_is_announced(void **state)
{
    est_resp_t resp;

    (void)state;
    op_start();
    op.store.aliases[0].binding = "required";
    ASSERT_OK(est_serve(&resp, op_granted("/csrattrs", NULL, NULL), &op.service));
    assert_int_equal(resp.status, 200);
    assert_string_equal(resp.content_type, "application/csrattrs");
    assert_int_equal(resp.length, strlen("MAsGCSqGSIb3DQEJBw==\n"));
    assert_memory_equal(resp.body, "MAsGCSqGSIb3DQEJBw==\n", resp.length);
    assert_true(resp.transfer_encoding);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_nothing_wanted_is_204),
        EST_TEST(test_a_required_binding_is_announced),
    };
    return EST_TEST_RUN(tests);
}
