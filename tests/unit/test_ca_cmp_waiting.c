/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cmp_test.h"

#include "ca/ca_cmp_state.h"

/* Transactions that go on in another process: each run of these has nothing of the one before but its state */

static void test_a_request_that_waits_is_asked_for_by_whoever_has_its_state(void **state)
{
    static const char *const kinds[] = {"p10cr", "ir", "cr"};

    (void)state;
    for (int row = 0; row < 6; row++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = cmp_test_config(ca);
        ca_request_t *request = request_of(ca, cmp_test_settings(&config));
        est_slice_t kept = {0};
        ca_answer_t answer;

        if (row >= 3)
            cmp_test_share(ca, &config, "correct horse");
        config.cmp_request = kinds[row % 3];
        ca->n_polls = 3;
        for (int i = 0; i < 3; i++) {
            ASSERT_OK(run(&answer, kept, ca, &config, request));
            assert_int_equal(answer.der.n, 0);
            assert_int_equal(answer.retry_after, 7);
            assert_true(answer.state.n > 0);
            assert_int_equal(ca->n_messages, i + 2); /* of each run after the first: one pollReq, and nothing else */
            assert_int_equal(ca->bodies[i + 1], CMP_TEST_POLLREQ);
            kept = answer.state;
        }
        ASSERT_OK(run(&answer, kept, ca, &config, request));
        assert_certificate(&answer, ca);
        assert_int_equal(ca->n_messages, 6); /* with the confirmation */
        assert_int_equal(ca->n_confirmed, 1);
    }
}

/* Its kind is that of the state, whatever the settings say by now */
static void test_a_renewal_that_waits_goes_on(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_request_t *request = request_of(ca, cmp_test_settings(&config));
    ca_answer_t answer;

    (void)state;
    request->holder = make_cert(&(cert_spec_t){.subject = "CN=old", .issuer = ca->cert, .issuer_key = ca->key});
    ca->n_polls = 1;
    config.cmp_request = "ir";
    ASSERT_OK(run(&answer, est_slice("", 0), ca, &config, request));
    config.cmp_request = "p10cr";
    ASSERT_OK(run(&answer, answer.state, ca, &config, request));
    assert_certificate(&answer, ca);
    assert_int_equal(ca->bodies[0], OSSL_CMP_KUR);
    assert_int_equal(ca->bodies[2], CMP_TEST_POLLREQ);
}

/* It is at the CA, which has said so: whatever happens to a later message, it waits */
static void test_a_request_that_was_accepted_is_not_lost_when_the_wire_breaks(void **state)
{
    static const est_err_code_t rows[] = {EST_E_ca_unavailable, EST_E_ca_timeout, EST_E_ca_answer};

    (void)state;
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = cmp_test_config(ca);
        ca_answer_t answer;

        ca->n_polls = 1;
        ca->break_at = 2;
        ca->broken = rows[i];
        ASSERT_OK(run_new(&answer, ca, &config));
        assert_int_equal(answer.der.n, 0);
        assert_true(answer.state.n > 0);
        ASSERT_OK(run(&answer, answer.state, ca, &config, NULL)); /* the CA says again that it waits */
        assert_int_equal(answer.retry_after, 7);
        ASSERT_OK(run(&answer, answer.state, ca, &config, NULL));
        assert_certificate(&answer, ca);
    }
}

static void test_a_poll_that_gets_no_answer_fails_and_the_state_stays(void **state)
{
    static const est_err_code_t rows[] = {EST_E_ca_unavailable, EST_E_ca_timeout};

    (void)state;
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = cmp_test_config(ca);
        est_slice_t kept;
        ca_answer_t answer;

        ca->n_polls = 1;
        ASSERT_OK(run_new(&answer, ca, &config));
        kept = answer.state;
        ca->break_at = 3;
        ca->broken = rows[i];
        ASSERT_ROW(run(&answer, kept, ca, &config, NULL), rows[i], "the wire broke", "poll");
        ASSERT_SLICE(answer.state, kept);
        ASSERT_OK(run(&answer, kept, ca, &config, NULL));
        assert_certificate(&answer, ca);
    }
}

/* The certificate is there, and was not confirmed: the CA would take it back */
static void test_a_confirmation_that_was_not_sent_is_sent_later(void **state)
{
    (void)state;
    for (int n_polls = 0; n_polls < 2; n_polls++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = cmp_test_config(ca);
        ca_answer_t answer = {0};

        ca->n_polls = n_polls;
        if (n_polls)
            ASSERT_OK(run_new(&answer, ca, &config));
        ca->break_at = n_polls ? 4 : 2;
        ca->broken = EST_E_ca_unavailable;
        ASSERT_OK(run(&answer, answer.state, ca, &config, NULL));
        assert_int_equal(answer.der.n, 0);
        assert_int_equal(ca->n_confirmed, 0);
        ASSERT_OK(run(&answer, answer.state, ca, &config, NULL));
        assert_certificate(&answer, ca);
        assert_int_equal(ca->n_confirmed, 1);
        assert_int_equal(ca->n_messages, n_polls ? 5 : 3);
    }
}

/* OpenSSL's server, to which the transaction is over, does not say more than that: the certificate may be good, or
 * taken back by now. Another one is asked for. */
static void test_a_confirmation_of_which_the_ca_knows_nothing_any_more(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_answer_t answer;

    (void)state;
    ca->break_at = 2;
    ca->break_after = 1;
    ca->broken = EST_E_ca_timeout;
    ASSERT_OK(run_new(&answer, ca, &config));
    assert_int_equal(answer.der.n, 0);
    assert_int_equal(ca->n_confirmed, 1);
    ASSERT_OK(run(&answer, answer.state, ca, &config, NULL));
    assert_certificate(&answer, ca);
    assert_int_equal(ca->bodies[2], CMP_TEST_CERTCONF);
    assert_int_equal(ca->bodies[3], OSSL_CMP_P10CR);
    assert_int_equal(ca->n_confirmed, 2);
}

/* Of a poll whose answer was lost we do not know the nonce. A process that ended before it could write down what it got
 * leaves the same state. */
static void test_a_transaction_that_the_ca_takes_for_another_is_begun_anew(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_answer_t answer;
    est_slice_t kept;

    (void)state;
    ca->n_polls = 2;
    ASSERT_OK(run_new(&answer, ca, &config));
    kept = answer.state;
    ca->break_at = 3;
    ca->break_after = 1;
    ca->broken = EST_E_ca_timeout;
    ASSERT_FAILS(run(&answer, kept, ca, &config, NULL), ca_timeout, NULL);
    ASSERT_SLICE(answer.state, kept);
    ASSERT_OK(run(&answer, kept, ca, &config, NULL));
    assert_certificate(&answer, ca);
    assert_int_equal(ca->bodies[3], CMP_TEST_POLLREQ);
    assert_int_equal(ca->bodies[4], OSSL_CMP_P10CR);
}

/* That is no loss of the transaction */
static void test_a_request_that_is_refused_after_waiting_is_not_begun_anew(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_answer_t answer;

    (void)state;
    ca->n_polls = 1;
    ASSERT_OK(run_new(&answer, ca, &config));
    ca->status = OSSL_CMP_PKISTATUS_rejection;
    ca->fail_info = 1 << OSSL_CMP_PKIFAILUREINFO_badRequest;
    ASSERT_FAILS(run(&answer, answer.state, ca, &config, NULL), ca_refused, "not today");
    assert_int_equal(answer.state.n, 0);
    assert_int_equal(ca->n_messages, 3);
}

static void test_a_first_message_that_is_not_answered_has_no_state(void **state)
{
    static const est_err_code_t rows[] = {EST_E_ca_unavailable, EST_E_ca_timeout, EST_E_ca_answer, EST_E_ca_refused};

    (void)state;
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = cmp_test_config(ca);
        ca_answer_t answer;

        ca->break_at = 1;
        ca->broken = rows[i];
        ASSERT_ROW(run_new(&answer, ca, &config), rows[i], "the wire broke", "first message");
        assert_int_equal(answer.state.n, 0);
    }
}

static void test_an_answer_that_is_no_message(void **state)
{
    (void)state;
    /* the last octet is missing, or there is one too many: as OpenSSL's reader sees it */
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_answer_t answer;

    ca->cut_at = 1;
    ASSERT_FAILS(run_new(&answer, ca, &config), ca_answer, "no PKIMessage");
}

/* ---- the state */

static void test_a_state_that_is_none_is_refused(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_answer_t answer;
    est_slice_t good, body;
    ca_cmp_state_t parts;

    (void)state;
    ca->n_polls = 1;
    ASSERT_OK(run_new(&answer, ca, &config));
    good = answer.state;
    assert_true(ca_cmp_state_decode(&parts, good));
    assert_int_equal(parts.n, 2);
    body = parts.answers[0];
    const est_slice_t rows[] = {
        text("x"),
        hex("30 00"),
        est_slice(good.p, good.n - 1),
        join(2, good, hex("00")),
        tlv(0x30, join(3, hex("020102"), hex("020104"), tlv(0x30, body))),                      /* another version */
        tlv(0x30, join(3, hex("020101"), hex("020104"), tlv(0x30, join(3, body, body, body)))), /* too many answers */
        tlv(0x30, join(3, hex("020101"), hex("020104"), tlv(0x30, text("")))),                  /* none */
        tlv(0x30, join(3, hex("020101"), hex("020100"), tlv(0x30, body))),                  /* ip to what cp answered */
        tlv(0x30, join(3, hex("020101"), hex("020105"), tlv(0x30, body))),                  /* no request */
        tlv(0x30, join(3, hex("020101"), hex("020107"), tlv(0x30, body))),                  /* a renewal of nothing */
        tlv(0x30, join(3, hex("020101"), hex("020104"), tlv(0x30, hex("30 03 02 01 01")))), /* no message */
        tlv(0x30, join(3, hex("020101"), hex("020104"), tlv(0x30, parts.answers[1]))),      /* the middle alone */
    };
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ASSERT_ROW(run(&answer, rows[i], ca, &config, NULL), EST_E_ca_answer, "what is kept of the transaction",
                   apr_psprintf(pool, "row %d", (int)i));
    assert_int_equal(ca->n_messages, 2); /* nothing was sent */
    ASSERT_OK(run(&answer, good, ca, &config, NULL));
    assert_certificate(&answer, ca);
}

/* It is believed only with its protection */
static void test_a_state_that_was_tampered_with_is_refused(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_answer_t answer;

    (void)state;
    cmp_test_share(ca, &config, "correct horse");
    ca->n_polls = 1;
    ASSERT_OK(run_new(&answer, ca, &config));
    ((unsigned char *)answer.state.p)[answer.state.n - 1] ^= 1;
    ASSERT_FAILS(run(&answer, answer.state, ca, &config, NULL), ca_answer,
                 "what is kept of the transaction: wrong pbm value");
    assert_int_equal(ca->n_messages, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_a_request_that_waits_is_asked_for_by_whoever_has_its_state),
        EST_TEST(test_a_renewal_that_waits_goes_on),
        EST_TEST(test_a_request_that_was_accepted_is_not_lost_when_the_wire_breaks),
        EST_TEST(test_a_poll_that_gets_no_answer_fails_and_the_state_stays),
        EST_TEST(test_a_confirmation_that_was_not_sent_is_sent_later),
        EST_TEST(test_a_confirmation_of_which_the_ca_knows_nothing_any_more),
        EST_TEST(test_a_transaction_that_the_ca_takes_for_another_is_begun_anew),
        EST_TEST(test_a_request_that_is_refused_after_waiting_is_not_begun_anew),
        EST_TEST(test_a_first_message_that_is_not_answered_has_no_state),
        EST_TEST(test_an_answer_that_is_no_message),
        EST_TEST(test_a_state_that_is_none_is_refused),
        EST_TEST(test_a_state_that_was_tampered_with_is_refused),
    };
    return EST_TEST_RUN(tests);
}
