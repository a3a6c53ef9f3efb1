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

/* EN-07: what a request has to bring is announced; code_source counts only where an enrolment takes a code */
static void test_what_is_wanted_is_announced(void **state)
{
    static const struct {
        const char *binding, *mode, *code_source, *auth;
        const char *body; /* NULL: 204 */
    } rows[] = {
        {"required", "ra", "basic", "basic-or-cert", "MAsGCSqGSIb3DQEJBw==\n"},
        {"off", "client", "challenge-password", "basic", "MAsGCSqGSIb3DQEJBw==\n"},
        {"off", "client", "challenge-password", "basic-and-cert", "MAsGCSqGSIb3DQEJBw==\n"},
        {"off", "client", "otp-challenge", "basic-or-cert", "MA0GCyqGSIb3DQEJEAI4\n"},
        {"required", "client", "otp-challenge", "basic", "MBgGCSqGSIb3DQEJBwYLKoZIhvcNAQkQAjg=\n"},
        {"off", "client", "challenge-password", "cert", NULL},
        {"off", "client", "otp-challenge", "cert", NULL},
        {"off", "client", "basic", "basic", NULL},
        {"off", "client", "dn:serialNumber", "basic", NULL},
        {"off", "ra", "challenge-password", "basic", NULL},
        {"off", "ra", "otp-challenge", "basic", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_resp_t resp;

        op_start();
        op.store.aliases[0].binding = rows[i].binding;
        op.store.aliases[0].mode = rows[i].mode;
        op.store.aliases[0].code_source = rows[i].code_source;
        op.store.aliases[0].auth_enroll = rows[i].auth;
        ASSERT_OK(est_serve(&resp, op_granted("/csrattrs", NULL, NULL), &op.service));
        if (resp.status != (rows[i].body ? 200 : 204))
            fail_msg("row %d: %d", (int)i, resp.status);
        if (!rows[i].body)
            continue;
        assert_string_equal(resp.content_type, "application/csrattrs");
        assert_int_equal(resp.length, strlen(rows[i].body));
        assert_memory_equal(resp.body, rows[i].body, resp.length);
        assert_true(resp.transfer_encoding);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_nothing_wanted_is_204),
        EST_TEST(test_what_is_wanted_is_announced),
    };
    return EST_TEST_RUN(tests);
}
