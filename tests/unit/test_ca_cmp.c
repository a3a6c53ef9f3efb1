/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cmp_test.h"

/* One transaction from its beginning to its end */

/* ---- requests */

static void test_p10cr_has_the_request_as_it_was_sent(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_request_t *request = request_of(ca, cmp_test_settings(&config));
    ca_answer_t answer;

    (void)state;
    ASSERT_OK(run(&answer, est_slice("", 0), ca, &config, request));
    assert_certificate(&answer, ca);
    assert_int_equal(ca->bodies[0], OSSL_CMP_P10CR);
    ASSERT_SLICE(ca->csr, request->csr);
}

static int contains(est_slice_t all, est_slice_t part)
{
    return memmem(all.p, all.n, part.p, part.n) != NULL;
}

/* The names and extensions of the PKCS#10 are not in it, and what the CA makes of keys is left to it */
static void test_ir_and_cr_say_what_was_granted(void **state)
{
    static const struct {
        const char *name;
        int body;
    } rows[] = {{"ir", OSSL_CMP_IR}, {"cr", OSSL_CMP_CR}};

    (void)state;
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = cmp_test_config(ca);
        ca_request_t *request = request_of(ca, cmp_test_settings(&config));
        est_slice_t key = request->tbs->spki;
        ca_answer_t answer;

        config.cmp_request = rows[i].name;
        ASSERT_OK(run(&answer, est_slice("", 0), ca, &config, request));
        assert_certificate(&answer, ca);
        assert_int_equal(ca->bodies[0], rows[i].body);
        ASSERT_SLICE(ca->tmpl_subject, request->tbs->subject);
        /* [6] IMPLICIT, so but for the first octet */
        assert_true(contains(ca->template, est_slice(key.p + 1, key.n - 1)));
        assert_int_equal(ca->n_exts, 1);
        assert_int_equal(ca->n_key_identifiers, 0);
        assert_false(ca->has_old);
    }
}

/* That we have verified the proof is what ir and cr say; a CA that does not take our word refuses */
static void test_a_ca_that_does_not_take_our_word_for_the_proof_of_possession(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_answer_t answer;

    (void)state;
    assert_true(OSSL_CMP_SRV_CTX_set_accept_raverified(ca->server, 0));
    config.cmp_request = "ir";
    ASSERT_FAILS(run_new(&answer, ca, &config), ca_refused, "badPOP");
    config.cmp_request = "p10cr";
    ASSERT_OK(run_new(&answer, ca, &config));
}

static void test_a_renewal_is_a_key_update_with_the_old_certificate(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_request_t *request = request_of(ca, cmp_test_settings(&config));
    ca_answer_t answer;

    (void)state;
    request->holder = make_cert(&(cert_spec_t){.subject = "CN=old", .issuer = ca->cert, .issuer_key = ca->key});
    config.cmp_request = "cr";
    ASSERT_OK(run(&answer, est_slice("", 0), ca, &config, request));
    assert_certificate(&answer, ca);
    assert_int_equal(ca->bodies[0], OSSL_CMP_KUR);
    assert_true(ca->has_old);
    ASSERT_SLICE(ca->tmpl_subject, request->tbs->subject);
}

/* It has no certificate of that number, or another's */
static void test_a_certificate_of_another_ca_is_not_updated_but_asked_for(void **state)
{
    static const struct {
        const char *name;
        int body;
    } rows[] = {{"ir", OSSL_CMP_IR}, {"cr", OSSL_CMP_CR}};
    EVP_PKEY *key = make_key("P-256");
    X509 *before = make_ca("CN=the CA of before", key, NULL, NULL);

    (void)state;
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = cmp_test_config(ca);
        ca_request_t *request = request_of(ca, cmp_test_settings(&config));
        ca_answer_t answer;

        request->holder = make_cert(&(cert_spec_t){.subject = "CN=old", .issuer = before, .issuer_key = key});
        config.cmp_request = rows[i].name;
        ASSERT_OK(run(&answer, est_slice("", 0), ca, &config, request));
        assert_certificate(&answer, ca);
        assert_int_equal(ca->bodies[0], rows[i].body);
        assert_false(ca->has_old);
    }
}

/* A CA that lets nobody but the holder ask for a kur */
static void test_renewals_can_be_the_same_as_enrolments(void **state)
{
    static const struct {
        const char *name;
        int body;
    } rows[] = {{"ir", OSSL_CMP_IR}, {"cr", OSSL_CMP_CR}, {"p10cr", OSSL_CMP_P10CR}};

    (void)state;
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = cmp_test_config(ca);
        ca_request_t *request = request_of(ca, cmp_test_settings(&config));
        ca_answer_t answer;

        request->holder = make_cert(&(cert_spec_t){.subject = "CN=old", .issuer = ca->cert, .issuer_key = ca->key});
        config.cmp_request = rows[i].name;
        config.cmp_renewal = "same";
        ASSERT_OK(run(&answer, est_slice("", 0), ca, &config, request));
        assert_certificate(&answer, ca);
        assert_int_equal(ca->bodies[0], rows[i].body);
        assert_false(ca->has_old);
    }
}

static void test_p10cr_is_p10cr_in_renewals_too(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_request_t *request = request_of(ca, cmp_test_settings(&config));
    ca_answer_t answer;

    (void)state;
    request->holder = make_cert(&(cert_spec_t){.subject = "CN=old", .issuer = ca->cert, .issuer_key = ca->key});
    ASSERT_OK(run(&answer, est_slice("", 0), ca, &config, request));
    assert_int_equal(ca->bodies[0], OSSL_CMP_P10CR);
}

/* ---- protection */

static void test_a_shared_secret_protects_every_kind(void **state)
{
    static const char *const rows[] = {"p10cr", "ir", "cr"};

    (void)state;
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = cmp_test_config(ca);
        ca_answer_t answer;

        cmp_test_share(ca, &config, "correct horse");
        config.cmp_request = rows[i];
        ASSERT_OK(run_new(&answer, ca, &config));
        assert_certificate(&answer, ca);
    }
}

/* The CA cannot read the request, nor we its answer: nothing of the secret is said */
static void test_another_secret_is_no_proper_answer(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_answer_t answer;
    est_err_t *err;

    (void)state;
    cmp_test_share(ca, &config, "wrong horse");
    err = run_new(&answer, ca, &config);
    ASSERT_FAILS(err, ca_answer, "wrong pbm value");
    assert_null(strstr(err->detail, "horse"));
    assert_int_equal(answer.der.n, 0);
}

static void test_an_error_that_is_not_protected_is_not_believed(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_answer_t answer;

    (void)state;
    assert_true(OSSL_CMP_SRV_CTX_set_send_unprotected_errors(ca->server, 1));
    assert_true(OSSL_CMP_CTX_set_option(cmp_test_ctx(ca), OSSL_CMP_OPT_UNPROTECTED_SEND, 1));
    ca->status = OSSL_CMP_PKISTATUS_rejection;
    ASSERT_FAILS(run_new(&answer, ca, &config), ca_answer, "missing protection");
}

static void test_a_spoiled_answer_is_refused(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_answer_t answer;

    (void)state;
    cmp_test_share(ca, &config, "correct horse");
    ca->spoil_at = 1;
    ASSERT_FAILS(run_new(&answer, ca, &config), ca_answer, "wrong pbm value, error validating protection: is EstCACmpSecret");
}

static void test_an_answer_without_end_is_not_read(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_answer_t answer;

    (void)state;
    cmp_test_share(ca, &config, "correct horse");
    ca->swell_at = 1;
    ASSERT_FAILS(run_new(&answer, ca, &config), ca_answer, "the answer has 131073 octets; wanted: at most 131072");
}

/* Whoever has a certificate of the CA is not the CA */
static void test_who_may_sign_for_the_ca(void **state)
{
    static const struct {
        const char *subject, *usage, *recipient;
        int by_other, trust_other;
        int accepted;
    } rows[] = {
        {"CN=somebody", "extendedKeyUsage=clientAuth", NULL, 0, 0, 0},
        {"CN=CMP server", "extendedKeyUsage=1.3.6.1.5.5.7.3.27", NULL, 0, 0, 1},
        {"CN=RA", "extendedKeyUsage=cmcRA", NULL, 0, 0, 0},
        {"CN=CMP server", "extendedKeyUsage=clientAuth", "/CN=CMP server", 0, 0, 1},
        {"CN=CA", "extendedKeyUsage=clientAuth", NULL, 0, 0, 1},
        {"CN=CMP server", "extendedKeyUsage=1.3.6.1.5.5.7.3.27", NULL, 1, 0, 0},
        {"CN=CMP server", "extendedKeyUsage=clientAuth", NULL, 1, 1, 1},
        {"CN=somebody", "extendedKeyUsage=clientAuth", NULL, 0, 1, 0},
    };

    (void)state;
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = cmp_test_config(ca);
        EVP_PKEY *other_key = make_key("P-256"), *key = make_key("P-256");
        X509 *other = make_ca("CN=Other", other_key, NULL, NULL), *trusted[] = {other, ca->cert};
        X509 *cert = make_cert(&(cert_spec_t){.subject = rows[i].subject,
                                              .key = key,
                                              .issuer = rows[i].by_other ? other : ca->cert,
                                              .issuer_key = rows[i].by_other ? other_key : ca->key,
                                              .exts = {"keyUsage=digitalSignature", rows[i].usage,
                                                       "subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid"}});
        ca_answer_t answer;
        est_err_t *err;

        cmp_test_signs(ca, cert, key);
        config.cmp_recipient = rows[i].recipient;
        if (rows[i].trust_other)
            config.cmp_trust = cert_file(ca->dir, "trust.pem", 2, trusted);
        err = run_new(&answer, ca, &config);
        if (rows[i].accepted)
            est_test_ok(err, apr_psprintf(pool, "row %d", (int)i), __FILE__, __LINE__);
        else
            ASSERT_ROW(err, EST_E_ca_answer, rows[i].by_other ? "no suitable sender cert" : "must not sign for the CA",
                       apr_psprintf(pool, "row %d", (int)i));
    }
}

/* By the CA's own key, and by another one */
static void test_who_needs_a_key_usage(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config;
    EVP_PKEY *key = make_key("P-256");
    X509 *cert;
    ca_answer_t answer;

    (void)state;
    ca->cert = make_ca("CN=CA", ca->key, NULL, NULL);
    assert_int_equal(X509_get_key_usage(ca->cert) & KU_DIGITAL_SIGNATURE, 0);
    config = cmp_test_config(ca);
    cmp_test_signs(ca, ca->cert, ca->key);
    ASSERT_OK(run_new(&answer, ca, &config));
    ca = cmp_test_make();
    config = cmp_test_config(ca);
    cert = make_cert(&(cert_spec_t){.subject = "CN=CMP server",
                                    .key = key,
                                    .issuer = ca->cert,
                                    .issuer_key = ca->key,
                                    .exts = {"keyUsage=keyAgreement", "extendedKeyUsage=1.3.6.1.5.5.7.3.27",
                                             "subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid"}});
    cmp_test_signs(ca, cert, key);
    ASSERT_FAILS(run_new(&answer, ca, &config), ca_answer, "must not sign for the CA");
}

/* A signer that is trusted as it is needs nobody above it */
static void test_a_signer_can_be_trusted_by_its_own_certificate(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    EVP_PKEY *key = make_key("RSA");
    X509 *cert = make_cert(&(cert_spec_t){.subject = "CN=CMP server",
                                          .key = key,
                                          .issuer = ca->cert,
                                          .issuer_key = ca->key,
                                          .exts = {"keyUsage=digitalSignature"}});
    ca_answer_t answer;

    (void)state;
    cmp_test_signs(ca, cert, key);
    config.cmp_trust = cert_file(ca->dir, "trust.pem", 1, &cert);
    ASSERT_OK(run_new(&answer, ca, &config));
    assert_certificate(&answer, ca);
}

/* ---- the CA says no */

static void test_the_words_of_a_refusal_are_passed_on(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_answer_t answer;
    est_err_t *err;

    (void)state;
    ca->status = OSSL_CMP_PKISTATUS_rejection;
    ca->fail_info = 1 << OSSL_CMP_PKIFAILUREINFO_badCertTemplate;
    err = run_new(&answer, ca, &config);
    ASSERT_FAILS(err, ca_refused, "not today");
    ASSERT_FAILS(err, ca_refused, "rejection");
    ASSERT_FAILS(err, ca_refused, "badCertTemplate");
    assert_int_equal(answer.der.n, 0);
    assert_int_equal(answer.state.n, 0);
}

/* A CA that takes it of the holder alone says no more than that we are not authorised: the directive is named with it */
static void test_a_refusal_of_a_key_update_says_what_was_refused(void **state)
{
    static const struct {
        const char *renewal, *words;
    } rows[] = {{"kur", "the kur (EstCACmpRenewal): PKIStatus: rejection"}, {"same", "PKIStatus: rejection"}};

    (void)state;
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cmp_test_t *ca = cmp_test_make();
        ca_config_t config = cmp_test_config(ca);
        ca_request_t *request = request_of(ca, cmp_test_settings(&config));
        ca_answer_t answer;
        est_err_t *err;

        request->holder = make_cert(&(cert_spec_t){.subject = "CN=old", .issuer = ca->cert, .issuer_key = ca->key});
        config.cmp_request = "ir";
        config.cmp_renewal = rows[i].renewal;
        ca->status = OSSL_CMP_PKISTATUS_rejection;
        ca->fail_info = 1 << OSSL_CMP_PKIFAILUREINFO_notAuthorized;
        err = run(&answer, est_slice("", 0), ca, &config, request);
        ASSERT_ROW(err, EST_E_ca_refused, rows[i].words, rows[i].renewal);
        assert_ptr_equal(strstr(err->detail, rows[i].words), err->detail);
    }
}

static void test_a_ca_that_is_not_available_has_not_got_the_request(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    ca_answer_t answer;

    (void)state;
    ca->status = OSSL_CMP_PKISTATUS_rejection;
    ca->fail_info = 1 << OSSL_CMP_PKIFAILUREINFO_systemUnavail;
    ASSERT_FAILS(run_new(&answer, ca, &config), ca_unavailable, "systemUnavail");
}

/* OpenSSL's client logs to stderr when nobody tells it not to */
static void test_nothing_is_written_to_stderr(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = cmp_test_config(ca);
    const char *path;
    FILE *file = temp_file(&path, ca->dir, "stderr");
    ca_answer_t answer;
    struct stat info;
    int before = dup(2);
    est_err_t *err;

    (void)state;
    cmp_test_share(ca, &config, "wrong horse");
    fflush(stderr);
    assert_true(dup2(fileno(file), 2) == 2);
    err = run_new(&answer, ca, &config);
    fflush(stderr);
    assert_true(dup2(before, 2) == 2);
    close(before);
    ASSERT_FAILS(err, ca_answer, NULL);
    assert_int_equal(fstat(fileno(file), &info), 0);
    fclose(file);
    assert_int_equal(info.st_size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_p10cr_has_the_request_as_it_was_sent),
        EST_TEST(test_ir_and_cr_say_what_was_granted),
        EST_TEST(test_a_ca_that_does_not_take_our_word_for_the_proof_of_possession),
        EST_TEST(test_a_renewal_is_a_key_update_with_the_old_certificate),
        EST_TEST(test_a_certificate_of_another_ca_is_not_updated_but_asked_for),
        EST_TEST(test_renewals_can_be_the_same_as_enrolments),
        EST_TEST(test_p10cr_is_p10cr_in_renewals_too),
        EST_TEST(test_a_shared_secret_protects_every_kind),
        EST_TEST(test_another_secret_is_no_proper_answer),
        EST_TEST(test_an_error_that_is_not_protected_is_not_believed),
        EST_TEST(test_a_spoiled_answer_is_refused),
        EST_TEST(test_an_answer_without_end_is_not_read),
        EST_TEST(test_who_may_sign_for_the_ca),
        EST_TEST(test_who_needs_a_key_usage),
        EST_TEST(test_a_signer_can_be_trusted_by_its_own_certificate),
        EST_TEST(test_the_words_of_a_refusal_are_passed_on),
        EST_TEST(test_a_refusal_of_a_key_update_says_what_was_refused),
        EST_TEST(test_a_ca_that_is_not_available_has_not_got_the_request),
        EST_TEST(test_nothing_is_written_to_stderr),
    };
    return EST_TEST_RUN(tests);
}
