/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* The matrix of authentication modes, credentials and operations */
#include "access_test.h"

enum {
    PASSWORD_NONE,   /* no Authorization header */
    PASSWORD_UNREAD, /* a header, not looked at yet */
    PASSWORD_GOOD    /* verified by a provider */
};

typedef struct {
    policy_op_t op;
    policy_auth_t auth;
    int auth_cacerts, cert, password;
    answer_t answer;
} access_row_t;

/* The six combinations of what may be brought, in the order of the enumerations: expected, for an operation under a
 * mode */
static const access_row_t access_rows[] = {
#define ROWS(op, auth, on, e00, e01, e02, e10, e11, e12)                                                               \
    {op, auth, on, CERT_NONE, PASSWORD_NONE, e00}, {op, auth, on, CERT_NONE, PASSWORD_UNREAD, e01},                    \
        {op, auth, on, CERT_NONE, PASSWORD_GOOD, e02}, {op, auth, on, CERT_GOOD, PASSWORD_NONE, e10},                  \
        {op, auth, on, CERT_GOOD, PASSWORD_UNREAD, e11},                                                               \
    {                                                                                                                  \
        op, auth, on, CERT_GOOD, PASSWORD_GOOD, e12                                                                    \
    }
    ROWS(POLICY_OP_ENROLL, POLICY_AUTH_BASIC, 0, NEED_USER, NEED_USER, GRANTED(USER), NEED_USER, NEED_USER,
         GRANTED(USER)),
    ROWS(POLICY_OP_ENROLL, POLICY_AUTH_CERT, 0, DENIED(certificate_required), DENIED(certificate_required),
         DENIED(certificate_required), GRANTED(CERTIFICATE), GRANTED(CERTIFICATE), GRANTED(CERTIFICATE)),
    /* a password that was sent is looked at, even beside a good certificate */
    ROWS(POLICY_OP_ENROLL, POLICY_AUTH_BASIC_OR_CERT, 0, NEED_USER, NEED_USER, GRANTED(USER), GRANTED(CERTIFICATE),
         NEED_USER, GRANTED(USER)),
    /* both are needed, the certificate first */
    ROWS(POLICY_OP_ENROLL, POLICY_AUTH_BASIC_AND_CERT, 0, DENIED(certificate_required), DENIED(certificate_required),
         DENIED(certificate_required), NEED_USER, NEED_USER, GRANTED(USER)),
/* decision 6: re-enrolment takes the certificate that is renewed, whatever enrolment takes */
#define REENROLL(auth)                                                                                                 \
    ROWS(POLICY_OP_REENROLL, auth, 0, DENIED(certificate_required), DENIED(certificate_required),                      \
         DENIED(certificate_required), GRANTED(CERTIFICATE), GRANTED(CERTIFICATE), GRANTED(CERTIFICATE))
    REENROLL(POLICY_AUTH_BASIC),
    REENROLL(POLICY_AUTH_CERT),
    REENROLL(POLICY_AUTH_BASIC_OR_CERT),
    REENROLL(POLICY_AUTH_BASIC_AND_CERT),
#undef REENROLL
    ROWS(POLICY_OP_CACERTS, POLICY_AUTH_BASIC_AND_CERT, 0, GRANTED(NONE), GRANTED(NONE), GRANTED(NONE), GRANTED(NONE),
         GRANTED(NONE), GRANTED(NONE)),
    ROWS(POLICY_OP_CSRATTRS, POLICY_AUTH_BASIC_AND_CERT, 0, GRANTED(NONE), GRANTED(NONE), GRANTED(NONE), GRANTED(NONE),
         GRANTED(NONE), GRANTED(NONE)),
    ROWS(POLICY_OP_CSRATTRS, POLICY_AUTH_BASIC, 1, NEED_USER, NEED_USER, GRANTED(USER), NEED_USER, NEED_USER,
         GRANTED(USER)),
    ROWS(POLICY_OP_CACERTS, POLICY_AUTH_BASIC, 1, NEED_USER, NEED_USER, GRANTED(USER), NEED_USER, NEED_USER,
         GRANTED(USER)),
    ROWS(POLICY_OP_CACERTS, POLICY_AUTH_CERT, 1, DENIED(certificate_required), DENIED(certificate_required),
         DENIED(certificate_required), GRANTED(CERTIFICATE), GRANTED(CERTIFICATE), GRANTED(CERTIFICATE)),
    ROWS(POLICY_OP_CACERTS, POLICY_AUTH_BASIC_OR_CERT, 1, NEED_USER, NEED_USER, GRANTED(USER), GRANTED(CERTIFICATE),
         NEED_USER, GRANTED(USER)),
    ROWS(POLICY_OP_CACERTS, POLICY_AUTH_BASIC_AND_CERT, 1, DENIED(certificate_required), DENIED(certificate_required),
         DENIED(certificate_required), NEED_USER, NEED_USER, GRANTED(USER)),
#undef ROWS
};

static void bring(policy_credentials_t *cred, const pki_cert_t *cert, int password)
{
    policy_client_row_t client = good_row();

    cred->cert = cert;
    cred->has_authorization = password != PASSWORD_NONE;
    cred->user = password == PASSWORD_GOOD ? "dev7" : NULL;
    cred->client = password == PASSWORD_GOOD ? client_of(&client) : NULL;
}

static void test_every_mode_with_every_credential_for_every_operation(void **state)
{
    pki_name_t subject = {.text = "CN=dev7"};
    pki_cert_t cert = {.subject = &subject};

    (void)state;
    for (size_t i = 0; i < sizeof(access_rows) / sizeof(access_rows[0]); i++) {
        const access_row_t *row = &access_rows[i];
        question_t q = good_question();

        q.alias.auth_enroll = row->auth;
        q.alias.auth_cacerts = row->auth_cacerts;
        bring(&q.cred, row->cert == CERT_GOOD ? &cert : NULL, row->password);
        ask(&q, row->op);
        ASSERT_ANSWER(&q, row->answer, row_label(i));
        if (q.access != POLICY_ACCESS_GRANTED)
            continue;
        if (q.identity.kind == POLICY_IDENTITY_USER) {
            assert_string_equal(q.identity.name, "dev7");
            assert_ptr_equal(q.identity.client, q.cred.client);
        }
        if (q.identity.kind == POLICY_IDENTITY_CERTIFICATE)
            assert_string_equal(q.identity.name, "CN=dev7");
        if (q.identity.kind != POLICY_IDENTITY_NONE)
            assert_ptr_equal(q.identity.cert, q.cred.cert); /* also beside a user */
        else
            assert_true(!q.identity.cert && !q.identity.name && !q.identity.client);
    }
}

/* Conformance decision 12 */
static void test_a_bad_certificate_is_refused_even_beside_a_good_password(void **state)
{
    static const policy_auth_t modes[] = {POLICY_AUTH_BASIC, POLICY_AUTH_CERT, POLICY_AUTH_BASIC_OR_CERT,
                                          POLICY_AUTH_BASIC_AND_CERT};
    static const policy_op_t ops[] = {POLICY_OP_ENROLL, POLICY_OP_REENROLL, POLICY_OP_CACERTS};

    (void)state;
    for (int m = 0; m < 4; m++)
        for (int o = 0; o < 3; o++) {
            question_t q = good_question();

            q.alias.auth_enroll = modes[m];
            q.alias.auth_cacerts = 1;
            bring(&q.cred, NULL, PASSWORD_GOOD);
            q.cred.cert_error = EST_FAIL(pool, certificate_refused, "expired");
            ask(&q, ops[o]);
            assert_int_equal(q.access, POLICY_ACCESS_DENIED);
            assert_ptr_equal(q.why, q.cred.cert_error);
            q.alias.auth_cacerts = 0;
            ask(&q, ops[o]);
            if (ops[o] == POLICY_OP_CACERTS)
                assert_int_equal(q.access, POLICY_ACCESS_GRANTED);
        }
}

static void test_which_operations_take_what(void **state)
{
    policy_alias_t alias = good_question().alias;

    (void)state;
    alias.auth_enroll = POLICY_AUTH_BASIC;
    assert_true(policy_access_is_anonymous(&alias, POLICY_OP_CACERTS));
    assert_false(policy_access_is_anonymous(&alias, POLICY_OP_ENROLL));
    assert_false(policy_access_is_anonymous(&alias, POLICY_OP_REENROLL));
    assert_false(policy_access_takes_user(&alias, POLICY_OP_CACERTS));
    assert_true(policy_access_takes_user(&alias, POLICY_OP_ENROLL));
    assert_false(policy_access_takes_user(&alias, POLICY_OP_REENROLL));
    alias.auth_cacerts = 1;
    assert_false(policy_access_is_anonymous(&alias, POLICY_OP_CACERTS));
    assert_true(policy_access_takes_user(&alias, POLICY_OP_CACERTS));
    alias.auth_enroll = POLICY_AUTH_CERT;
    assert_false(policy_access_takes_user(&alias, POLICY_OP_CACERTS));
    assert_false(policy_access_takes_user(&alias, POLICY_OP_ENROLL));
    alias.auth_enroll = POLICY_AUTH_BASIC_AND_CERT;
    assert_true(policy_access_takes_user(&alias, POLICY_OP_ENROLL));
}

/* auth_reenroll cert-or-basic */
static void test_a_password_in_the_place_of_the_certificate_that_is_renewed(void **state)
{
    static const struct {
        int cert, password;
        answer_t answer;
    } rows[] = {
        {CERT_NONE, PASSWORD_NONE, NEED_USER},     {CERT_NONE, PASSWORD_UNREAD, NEED_USER},
        {CERT_NONE, PASSWORD_GOOD, GRANTED(USER)}, {CERT_GOOD, PASSWORD_NONE, GRANTED(CERTIFICATE)},
        {CERT_GOOD, PASSWORD_UNREAD, NEED_USER},   {CERT_GOOD, PASSWORD_GOOD, GRANTED(USER)},
    };
    pki_cert_t cert = {.subject = name_of("CN=dev7"), .purposes = PKI_CERT_CLIENT_AUTH};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        question_t q = good_question();

        q.alias.auth_enroll = POLICY_AUTH_CERT;
        q.alias.reenroll_by_password = 1;
        bring(&q.cred, rows[i].cert ? &cert : NULL, rows[i].password);
        assert_true(policy_access_takes_user(&q.alias, POLICY_OP_REENROLL));
        assert_false(policy_access_takes_user(&q.alias, POLICY_OP_ENROLL));
        ask(&q, POLICY_OP_REENROLL);
        ASSERT_ANSWER(&q, rows[i].answer, row_label(i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_every_mode_with_every_credential_for_every_operation),
        EST_TEST(test_a_bad_certificate_is_refused_even_beside_a_good_password),
        EST_TEST(test_which_operations_take_what),
        EST_TEST(test_a_password_in_the_place_of_the_certificate_that_is_renewed),
    };

    return EST_TEST_RUN(tests);
}
