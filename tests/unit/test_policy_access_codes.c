/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Client mode: enrolment codes of entities */
#include "access_test.h"

enum { CODE_NONE, CODE_GOOD };

/* A code in the request stands in the place of user and password; Authorization is not looked at then */
static void test_codes_in_requests(void **state)
{
    static const struct {
        policy_op_t op;
        policy_auth_t auth;
        int by_password, cert, code;
        answer_t answer;
        int to_come;
    } rows[] = {
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC, 0, CERT_NONE, CODE_NONE, GRANTED(ENTITY), 1},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC, 0, CERT_GOOD, CODE_NONE, GRANTED(ENTITY), 1},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC, 0, CERT_NONE, CODE_GOOD, GRANTED(ENTITY), 0},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC_OR_CERT, 0, CERT_NONE, CODE_NONE, GRANTED(ENTITY), 1},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC_OR_CERT, 0, CERT_GOOD, CODE_NONE, GRANTED(CERTIFICATE), 0},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC_OR_CERT, 0, CERT_GOOD, CODE_GOOD, GRANTED(ENTITY), 0},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC_AND_CERT, 0, CERT_NONE, CODE_NONE, DENIED(certificate_required), 0},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC_AND_CERT, 0, CERT_NONE, CODE_GOOD, DENIED(certificate_required), 0},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC_AND_CERT, 0, CERT_GOOD, CODE_NONE, GRANTED(ENTITY), 1},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC_AND_CERT, 0, CERT_GOOD, CODE_GOOD, GRANTED(ENTITY), 0},
        {POLICY_OP_ENROLL, POLICY_AUTH_CERT, 0, CERT_NONE, CODE_GOOD, DENIED(certificate_required), 0},
        {POLICY_OP_ENROLL, POLICY_AUTH_CERT, 0, CERT_GOOD, CODE_GOOD, GRANTED(CERTIFICATE), 0},
        {POLICY_OP_REENROLL, POLICY_AUTH_BASIC, 0, CERT_NONE, CODE_GOOD, DENIED(certificate_required), 0},
        {POLICY_OP_REENROLL, POLICY_AUTH_BASIC, 0, CERT_GOOD, CODE_NONE, GRANTED(CERTIFICATE), 0},
        {POLICY_OP_REENROLL, POLICY_AUTH_CERT, 1, CERT_NONE, CODE_NONE, GRANTED(ENTITY), 1},
        {POLICY_OP_REENROLL, POLICY_AUTH_CERT, 1, CERT_GOOD, CODE_NONE, GRANTED(CERTIFICATE), 0},
        {POLICY_OP_REENROLL, POLICY_AUTH_CERT, 1, CERT_GOOD, CODE_GOOD, GRANTED(ENTITY), 0},
        /* a GET has no request to look for a code in: registered clients have passwords */
        {POLICY_OP_CACERTS, POLICY_AUTH_BASIC, 0, CERT_NONE, CODE_NONE, NEED_USER, 0},
        {POLICY_OP_CACERTS, POLICY_AUTH_BASIC_OR_CERT, 0, CERT_GOOD, CODE_NONE, NEED_USER, 0},
    };
    static const policy_code_source_t sources[] = {POLICY_CODE_CHALLENGE, POLICY_CODE_OTP, POLICY_CODE_DN};
    const policy_entity_t entity = {.id = 3, .name = "dev1"};
    pki_cert_t cert = {.subject = name_of("CN=dev7"), .purposes = PKI_CERT_CLIENT_AUTH};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int j = 0; j < 3; j++) {
            question_t q = good_question();

            q.cred.has_authorization = 1;
            q.alias.mode = POLICY_MODE_CLIENT;
            q.alias.code_source = sources[j];
            q.alias.auth_enroll = rows[i].auth;
            q.alias.auth_cacerts = 1;
            q.alias.reenroll_by_password = rows[i].by_password;
            q.cred.cert = rows[i].cert ? &cert : NULL;
            q.cred.entity = rows[i].code ? &entity : NULL;
            ask(&q, rows[i].op);
            ASSERT_ANSWER(&q, rows[i].answer, row_label(i));
            if (q.access != POLICY_ACCESS_GRANTED)
                continue;
            if (q.identity.code_to_come != rows[i].to_come)
                fail_msg("%s: %d", row_label(i), q.identity.code_to_come);
            assert_ptr_equal(q.identity.cert, q.cred.cert);
            if (q.identity.kind == POLICY_IDENTITY_ENTITY) {
                assert_ptr_equal(q.identity.entity, q.cred.entity);
                assert_string_equal(q.identity.name, q.cred.entity ? "dev1" : "");
            }
            /* nobody is asked for a password where it plays no role */
            if (rows[i].op == POLICY_OP_ENROLL)
                assert_false(policy_access_takes_user(&q.alias, rows[i].op));
        }
}

/* code_source basic: the password of a user was the code of the entity of that name */
static void test_codes_as_passwords(void **state)
{
    const policy_entity_t entity = {.id = 3, .name = "dev7"};
    policy_client_row_t row = good_row();
    question_t q = good_question();

    (void)state;
    q.alias.auth_enroll = POLICY_AUTH_BASIC;
    q.alias.mode = POLICY_MODE_CLIENT;
    q.cred.has_authorization = 1;
    assert_true(policy_access_takes_user(&q.alias, POLICY_OP_ENROLL));
    assert_false(policy_access_takes_code(&q.alias, POLICY_OP_ENROLL));
    ask(&q, POLICY_OP_ENROLL);
    ASSERT_ANSWER(&q, (answer_t)NEED_USER, "a header that is not looked at yet");
    q.cred.user = "dev7";
    q.cred.entity = &entity;
    ask(&q, POLICY_OP_ENROLL);
    ASSERT_ANSWER(&q, (answer_t)GRANTED(ENTITY), "the entity's code");
    assert_ptr_equal(q.identity.entity, &entity);
    assert_false(q.identity.code_to_come);
    q.alias.mode = POLICY_MODE_RA;
    ask(&q, POLICY_OP_ENROLL);
    ASSERT_ANSWER(&q, (answer_t)DENIED(not_authorized), "it is nobody's in the other mode");
    q.alias.mode = POLICY_MODE_CLIENT;
    q.cred.entity = NULL;
    q.cred.client = client_of(&row);
    ask(&q, POLICY_OP_ENROLL);
    ASSERT_ANSWER(&q, (answer_t)GRANTED(USER), "a registered client may act for entities");
    assert_null(q.identity.entity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_codes_in_requests),
        EST_TEST(test_codes_as_passwords),
    };

    return EST_TEST_RUN(tests);
}
