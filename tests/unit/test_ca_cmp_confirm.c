/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cmp_test.h"

/* What the CA is told of its certificate, and what becomes of one of which it is not sure that it was told */

static ca_config_t explicit_config(const cmp_test_t *ca)
{
    ca_config_t config = cmp_test_config(ca);

    config.cmp_confirm = "explicit";
    return config;
}

/* ---- who is told */

static void test_the_certificate_is_confirmed_where_the_ca_wants_it(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_answer_t answer;

    (void)state;
    ASSERT_OK(run_new(&answer, ca, &config));
    assert_int_equal(ca->n_messages, 2);
    assert_int_equal(ca->bodies[1], CMP_TEST_CERTCONF);
    assert_int_equal(ca->n_confirmed, 1);
}

static void test_nothing_is_confirmed_where_the_ca_does_without(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_answer_t answer;

    (void)state;
    assert_true(OSSL_CMP_SRV_CTX_set_grant_implicit_confirm(ca->server, 1));
    ASSERT_OK(run_new(&answer, ca, &config));
    assert_certificate(&answer, ca);
    assert_int_equal(ca->n_messages, 1);
    assert_int_equal(ca->n_kept, 0);
}

/* A CA that would do without is told all the same, of each kind of request */
static void test_explicit_confirmation_does_not_let_the_ca_do_without(void **state)
{
    static const char *const kinds[] = {"p10cr", "ir", "cr"};

    (void)state;
    for (apr_size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = explicit_config(ca);
        ca_answer_t answer;

        config.cmp_request = kinds[i];
        assert_true(OSSL_CMP_SRV_CTX_set_grant_implicit_confirm(ca->server, 1));
        ASSERT_OK(run_new(&answer, ca, &config));
        assert_certificate(&answer, ca);
        assert_int_equal(ca->n_messages, 2);
        assert_int_equal(ca->bodies[1], CMP_TEST_CERTCONF);
        assert_int_equal(ca->n_confirmed, 1);
        assert_int_equal(ca->n_issued, 1);
    }
}

static void test_a_certificate_that_was_waited_for_is_confirmed_too(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = explicit_config(ca);
    ca_answer_t answer;

    (void)state;
    assert_true(OSSL_CMP_SRV_CTX_set_grant_implicit_confirm(ca->server, 1));
    ca->n_polls = 1;
    ASSERT_OK(run_new(&answer, ca, &config));
    assert_int_equal(ca->n_kept, 0);
    ASSERT_OK(run(&answer, answer.state, ca, &config, NULL));
    assert_certificate(&answer, ca);
    assert_int_equal(ca->n_kept, 1);
    assert_int_equal(ca->n_confirmed, 1);
}

/* ---- a certificate that is wrong */

static est_err_t *not_granted(const ca_request_t *request, est_slice_t der, apr_pool_t *p)
{
    (void)request;
    (void)der;
    return EST_FAIL(p, ca_wrong, "not granted: \"CN=G\xc3\xbcte\"");
}

/* settings, whether the CA would do without: is it told? */
static const struct {
    const char *confirm;
    int grants, is_told;
} tellings[] = {{"implicit", 0, 1}, {"implicit", 1, 0}, {"explicit", 0, 1}, {"explicit", 1, 1}};

static void test_a_wrong_certificate_is_rejected_to_the_ca(void **state)
{
    (void)state;
    for (apr_size_t i = 0; i < sizeof(tellings) / sizeof(tellings[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = cmp_test_config(ca);
        ca_request_t *request = request_of(ca, cmp_test_settings(&config));
        ca_answer_t answer;
        est_err_t *err;

        config.cmp_confirm = tellings[i].confirm;
        assert_true(OSSL_CMP_SRV_CTX_set_grant_implicit_confirm(ca->server, tellings[i].grants));
        ca->device = make_key("P-256");
        err = run(&answer, est_slice("", 0), ca, &config, request);
        ASSERT_FAILS(err, ca_wrong, "is for another key");
        assert_int_equal(strstr(err->detail, "the CA does without confirmation") == NULL, tellings[i].is_told);
        ASSERT_SLICE(spki_of(X509_get0_pubkey(parse_cert(answer.der))), spki_of(ca->device));
        assert_int_equal(answer.state.n, 0);
        assert_int_equal(ca->n_rejected, tellings[i].is_told);
        assert_int_equal(ca->n_confirmed, 0);
        assert_int_equal(ca->n_kept, 0); /* the order is over */
    }
}

/* With the reason, as far as it is ASCII */
static void test_what_policy_does_not_accept_is_rejected_to_the_ca(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = explicit_config(ca);
    ca_request_t *request = request_of(ca, cmp_test_settings(&config));
    ca_answer_t answer;
    est_err_t *err;

    (void)state;
    request->check = not_granted;
    err = run(&answer, est_slice("", 0), ca, &config, request);
    ASSERT_FAILS(err, ca_wrong, "not granted");
    assert_string_equal(err->detail, "not granted: \"CN=G\xc3\xbcte\"");
    assert_true(answer.der.n > 0);
    assert_int_equal(ca->n_rejected, 1);
    assert_non_null(strstr(ca->rejection, "not granted: \"CN=G??te\""));
    assert_non_null(strstr(ca->rejection, "incorrectData"));
}

/* The order ends with the certificate on record, and says that somebody may have to see to it */
static void test_a_rejection_that_may_not_have_arrived(void **state)
{
    static const struct {
        int breaks, after, refuses, spoils;
        const char *words;
    } rows[] = {
        {2, 0, 0, 0, "is not sure: the wire broke"},
        {2, 1, 0, 0, "is not sure: the wire broke"},
        {0, 0, 1, 0, "is not sure: PKIStatus: rejection"},
        {0, 0, 0, 2, "is not sure: wrong pbm value"},
    };

    (void)state;
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = explicit_config(ca);
        ca_request_t *request = request_of(ca, cmp_test_settings(&config));
        ca_answer_t answer;
        est_err_t *err;

        request->check = not_granted;
        cmp_test_share(ca, &config, "correct horse");
        ca->break_at = rows[i].breaks;
        ca->break_after = rows[i].after;
        ca->broken = EST_E_ca_timeout;
        ca->refuses_confirmations = rows[i].refuses;
        ca->spoil_at = rows[i].spoils;
        err = run(&answer, est_slice("", 0), ca, &config, request);
        ASSERT_ROW(err, EST_E_ca_wrong, "not granted", "row");
        ASSERT_ROW(err, EST_E_ca_wrong, rows[i].words, "row");
        assert_true(answer.der.n > 0);
        assert_int_equal(answer.state.n, 0);
        assert_int_equal(ca->n_messages, 2);
    }
}

/* ---- between the certificate and its confirmation */

/* A process that ends anywhere behind that point has left what the next one needs */
static void test_the_state_is_kept_before_the_confirmation_is_sent(void **state)
{
    static const char *const kinds[] = {"p10cr", "ir"};

    (void)state;
    for (apr_size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = explicit_config(ca);
        ca_answer_t answer;

        config.cmp_request = kinds[i];
        ca->break_at = 2;
        ca->broken = EST_E_ca_timeout;
        ASSERT_OK(run_new(&answer, ca, &config));
        assert_int_equal(ca->n_kept, 1);
        assert_int_equal(ca->messages_when_kept, 1);
        assert_int_equal(ca->n_confirmed, 0);
        ASSERT_OK(run(&answer, ca->kept, ca, &config, NULL));
        assert_certificate(&answer, ca);
        assert_int_equal(ca->n_issued, 1);
        assert_int_equal(ca->n_confirmed, 1);
        assert_int_equal(ca->n_kept, 1); /* it is on record already */
        assert_int_equal(ca->bodies[2], CMP_TEST_CERTCONF);
        assert_int_equal(ca->n_messages, 3);
    }
}

/* What a server in front of the CA says, or nobody, ends no order: the CA may have had the confirmation. Whoever runs
 * this hears of it, for nobody else does. */
static void test_a_confirmation_is_sent_until_the_ca_itself_answers(void **state)
{
    static const est_err_code_t codes[] = {EST_E_ca_answer, EST_E_ca_refused};

    (void)state;
    for (apr_size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = explicit_config(ca);
        ca_answer_t answer = {0};

        ca->broken = codes[i];
        for (int turn = 1; turn <= 3; turn++) {
            ca->break_at = turn + 1;
            ASSERT_OK(run(&answer, answer.state, ca, &config, NULL));
            assert_int_equal(answer.der.n, 0);
            assert_true(answer.state.n > 0);
            assert_int_equal(ca->n_unconfirmed, turn);
            assert_string_equal(ca->unconfirmed, "the wire broke");
        }
        ASSERT_OK(run(&answer, answer.state, ca, &config, NULL));
        assert_certificate(&answer, ca);
        assert_int_equal(ca->n_issued, 1);
        assert_int_equal(ca->n_confirmed, 1);
        assert_int_equal(ca->n_unconfirmed, 3);
    }
}

/* That one is said to the client, and counts at the gate; the order goes on */
static void test_a_ca_that_is_away_when_it_is_to_be_told_again(void **state)
{
    static const est_err_code_t codes[] = {EST_E_ca_unavailable, EST_E_ca_timeout};

    (void)state;
    for (apr_size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = explicit_config(ca);
        ca_answer_t answer;

        ca->broken = codes[i];
        ca->break_at = 2;
        ASSERT_OK(run_new(&answer, ca, &config));
        ca->break_at = 3;
        ASSERT_ROW(run(&answer, ca->kept, ca, &config, NULL), codes[i], "the wire broke", "again");
        assert_true(answer.state.n > 0);
        assert_int_equal(answer.der.n, 0);
        ASSERT_OK(run(&answer, answer.state, ca, &config, NULL));
        assert_certificate(&answer, ca);
        assert_int_equal(ca->n_issued, 1);
    }
}

/* The CA takes back what nobody confirms; what nobody knows of must not count */
static void test_what_cannot_be_kept_is_not_confirmed(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = explicit_config(ca);
    ca_answer_t answer;

    (void)state;
    ca->keep_error = EST_FAIL(pool, store_unavailable, "no database");
    ASSERT_OK(run_new(&answer, ca, &config));
    assert_int_equal(answer.der.n, 0);
    assert_true(answer.state.n > 0);
    assert_int_equal(ca->n_messages, 1);
    assert_int_equal(ca->n_unconfirmed, 0); /* it is not the CA that they should look at */
    ca->keep_error = NULL;
    ASSERT_OK(run(&answer, answer.state, ca, &config, NULL));
    assert_certificate(&answer, ca);
    assert_int_equal(ca->n_issued, 1);
    assert_int_equal(ca->n_confirmed, 1);
}

/* Of a certificate that may or may not count, somebody is told; the device gets another one */
static void test_a_certificate_of_which_the_ca_knows_nothing_any_more_is_not_forgotten(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = explicit_config(ca);
    ca_answer_t answer;

    (void)state;
    ca->break_at = 2;
    ca->break_after = 1;
    ca->broken = EST_E_ca_timeout;
    ASSERT_OK(run_new(&answer, ca, &config));
    assert_int_equal(ca->lost.n, 0);
    ASSERT_OK(run(&answer, ca->kept, ca, &config, NULL));
    assert_certificate(&answer, ca);
    assert_int_equal(ca->n_issued, 2);
    assert_true(ca->lost.n > 0);
    assert_false(est_slice_equal(ca->lost, answer.der));
    assert_int_equal(ca->n_kept, 2);
}

/* The CA says no to a confirmation, or says something that is not to be believed: the certificate is on record */
static void test_a_confirmation_that_is_not_taken(void **state)
{
    (void)state;
    for (int spoilt = 0; spoilt < 2; spoilt++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = explicit_config(ca);
        ca_answer_t answer;

        cmp_test_share(ca, &config, "correct horse");
        ca->spoil_at = spoilt ? 2 : 0;
        ca->refuses_confirmations = !spoilt;
        ASSERT_ROW(run_new(&answer, ca, &config), spoilt ? EST_E_ca_answer : EST_E_ca_refused,
                   spoilt ? "its confirmation: " : "its confirmation: PKIStatus: rejection", "answer");
        assert_int_equal(ca->n_unconfirmed, 0); /* the error says it */
        assert_true(answer.der.n > 0);
        assert_int_equal(answer.state.n, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_the_certificate_is_confirmed_where_the_ca_wants_it),
        EST_TEST(test_nothing_is_confirmed_where_the_ca_does_without),
        EST_TEST(test_explicit_confirmation_does_not_let_the_ca_do_without),
        EST_TEST(test_a_certificate_that_was_waited_for_is_confirmed_too),
        EST_TEST(test_a_wrong_certificate_is_rejected_to_the_ca),
        EST_TEST(test_what_policy_does_not_accept_is_rejected_to_the_ca),
        EST_TEST(test_a_rejection_that_may_not_have_arrived),
        EST_TEST(test_the_state_is_kept_before_the_confirmation_is_sent),
        EST_TEST(test_a_confirmation_is_sent_until_the_ca_itself_answers),
        EST_TEST(test_a_ca_that_is_away_when_it_is_to_be_told_again),
        EST_TEST(test_what_cannot_be_kept_is_not_confirmed),
        EST_TEST(test_a_certificate_of_which_the_ca_knows_nothing_any_more_is_not_forgotten),
        EST_TEST(test_a_confirmation_that_is_not_taken),
    };
    return EST_TEST_RUN(tests);
}
