/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op_test.h"

#include "op/op_enroll.h"

#include <openssl/pkcs7.h>

/* dev7 asks for its own name; challenge may be NULL */
static void ask(const char *challenge)
{
    csr_spec_t spec = {.subject = "CN=dev7", .key = op.key, .challenge = challenge};

    op.body = text(est_base64_encode(make_csr(&spec), 64, NULL, pool));
}

static est_err_t *enroll(est_resp_t *resp)
{
    memset(resp, 0, sizeof(*resp));
    return op_enroll(resp, op_granted("/simpleenroll", "dev7", NULL), &op.service);
}

static PKCS7 *message_of(const est_resp_t *resp)
{
    est_slice_t der;
    const unsigned char *p;
    PKCS7 *message;

    ASSERT_OK(est_base64_decode(&der, est_slice(resp->body, resp->length), pool));
    p = der.p;
    message = d2i_PKCS7(NULL, &p, (long)der.n);
    assert_non_null(message);
    assert_ptr_equal(p, der.p + der.n);
    assert_true(PKCS7_type_is_signed(message));
    assert_true(sk_PKCS7_SIGNER_INFO_num(PKCS7_get_signer_info(message)) <= 0);
    return message;
}

/* ---- answers */

/* EN-01, EN-02 */
static void test_the_answer_is_one_certificate(void **state)
{
    est_resp_t resp;
    PKCS7 *message;
    X509 *cert;

    (void)state;
    op_start();
    ask(NULL);
    ASSERT_OK(enroll(&resp));
    assert_int_equal(resp.status, 200);
    assert_string_equal(resp.content_type, "application/pkcs7-mime; smime-type=certs-only");
    assert_true(resp.no_store);
    assert_true(resp.transfer_encoding);
    message = message_of(&resp);
    assert_int_equal(sk_X509_num(message->d.sign->cert), 1);
    cert = sk_X509_value(message->d.sign->cert, 0);
    assert_int_equal(X509_verify(cert, op.ca_key), 1);
    assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(cert), op.key), 1);
    assert_string_equal(resp.serial, pki_cert_serial_text(cert_der(cert), pool));
    assert_string_equal(resp.summary, apr_pstrcat(pool, "certificate ", resp.serial, " for \"CN=dev7\"", NULL));
    PKCS7_free(message);
}

static void test_the_summary_says_what_was_left_out(void **state)
{
    csr_spec_t spec = {.subject = "CN=dev7,L=Paris"};
    est_resp_t resp;

    (void)state;
    op_start();
    spec.key = op.key;
    op.body = text(est_base64_encode(make_csr(&spec), 0, NULL, pool));
    op.store.profile.profile.subject_other = "drop";
    ASSERT_OK(enroll(&resp));
    assert_non_null(strstr(resp.summary, "left out: L=Paris"));
}

static int has(STACK_OF(X509) *certs, X509 *cert)
{
    for (int i = 0; i < sk_X509_num(certs); i++)
        if (X509_cmp(sk_X509_value(certs, i), cert) == 0)
            return 1;
    return 0;
}

static void test_the_chain_comes_along_where_the_alias_says_so(void **state)
{
    EVP_PKEY *root_key = make_key("P-256");
    X509 *root = make_ca("CN=Root", root_key, NULL, NULL);
    est_resp_t resp;
    PKCS7 *message;

    (void)state;
    op_start();
    op.ca_cert = make_ca("CN=Issuing,O=Example", op.ca_key, root, root_key);
    const char *dir = temp_dir();
    X509 *both[] = {op.ca_cert, root};
    ca_config_t config = {.name = "issuing", .where = "here"};
    config.certificate = cert_file(dir, "ca.pem", 2, both);
    config.key = key_file(dir, "ca.key", op.ca_key);
    ASSERT_OK(ca_open(&op.cas[0], &config, pool));
    op.store.aliases[0].enroll_chain = "t";
    ask(NULL);
    ASSERT_OK(enroll(&resp));
    message = message_of(&resp);
    assert_int_equal(sk_X509_num(message->d.sign->cert), 3);
    assert_true(has(message->d.sign->cert, op.ca_cert));
    assert_true(has(message->d.sign->cert, root));
    PKCS7_free(message);

    op.store.aliases[0].enroll_chain = "f";
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    ASSERT_OK(enroll(&resp));
    message = message_of(&resp);
    assert_int_equal(sk_X509_num(message->d.sign->cert), 1);
    PKCS7_free(message);
}

/* PE-07: what was recorded before is what is handed out */
static void test_a_replay_is_answered_like_the_first_time(void **state)
{
    est_resp_t first, second;
    PKCS7 *message;

    (void)state;
    op_start();
    ask(NULL);
    ASSERT_OK(enroll(&first));
    message = message_of(&first);
    op.store.issue_calls = 0;
    op.store.n_outcomes = 1;
    op.store.outcomes[0] =
        (store_outcome_t){.kind = STORE_REPLAY, .der = cert_der(sk_X509_value(message->d.sign->cert, 0))};
    PKCS7_free(message);
    ASSERT_OK(enroll(&second));
    assert_string_equal(second.body, first.body);
    assert_string_equal(second.serial, first.serial);
}

/* ---- requests that are refused before policy looks at them */

static void test_bad_requests_are_refused_and_nothing_is_recorded(void **state)
{
    csr_spec_t spec = {.subject = "CN=dev7"};
    unsigned char *flipped;
    est_slice_t der;
    est_resp_t resp;

    (void)state;
    op_start();
    spec.key = op.key;
    der = make_csr(&spec);
    op.body = text("AAAA");
    ASSERT_FAILS(enroll(&resp), der_invalid, NULL);
    op.body = text("!");
    ASSERT_FAILS(enroll(&resp), base64_invalid, NULL);
    op.body = text(est_base64_encode(cert_der(op.ca_cert), 0, NULL, pool));
    ASSERT_FAILS(enroll(&resp), csr_invalid, "but a certificate"); /* B-03 */
    flipped = apr_pmemdup(pool, der.p, der.n);
    flipped[der.n - 1] ^= 1; /* C-01, EN-03 */
    op.body = text(est_base64_encode(est_slice(flipped, der.n), 0, NULL, pool));
    ASSERT_FAILS(enroll(&resp), csr_signature, NULL);
    op.body = text(est_base64_encode(join(2, der, hex("00")), 0, NULL, pool)); /* B-05 */
    ASSERT_FAILS(enroll(&resp), der_invalid, NULL);
    assert_int_equal(op.store.issue_calls, 0);
    assert_int_equal(resp.status, 0);
}

static void test_a_broken_alias_does_not_even_read(void **state)
{
    est_resp_t resp;

    (void)state;
    op_start();
    op.store.profile.profile.keys = "dsa:2048";
    ask(NULL);
    ASSERT_FAILS(enroll(&resp), alias_broken, "dsa:2048");
    assert_int_equal(op.body_reads, 0);
}

static void test_reenrolment_keeps_the_names(void **state)
{
    est_resp_t resp = {0};

    (void)state;
    op_start();
    ask(NULL);
    ASSERT_OK(op_enroll(&resp, op_granted("/simplereenroll", NULL, op_holder("CN=dev7", NULL)), &op.service));
    ASSERT_FAILS(op_enroll(&resp, op_granted("/simplereenroll", NULL, op_holder("CN=dev8", NULL)), &op.service),
                 names_differ, NULL);
    ASSERT_FAILS(op_enroll(&resp,
                           op_granted("/simplereenroll", NULL, op_holder("CN=dev7", "subjectAltName=DNS:dev7.example")),
                           &op.service),
                 names_differ, "dns:dev7.example");
}

/* ---- channel binding, RFC 7030 3.5: the matrix of CB-02, CB-04, CB-05, CB-08, CB-10 */

static void test_channel_binding(void **state)
{
    static const char right[] = "YSB2YWx1ZQ=="; /* of "a value" */
    static const struct {
        const char *mode;
        enum { NO, YES, PROXY } available; /* PROXY: not of the connection that the client has */
        const char *challenge;
        est_err_code_t code; /* EST_E__COUNT: issued */
        const char *reason;
    } rows[] = {
        {"if-present", YES, NULL, EST_E__COUNT, "none sent, none demanded"},
        {"if-present", YES, right, EST_E__COUNT, "the right one"},
        {"if-present", YES, "hunter2", EST_E_binding_failed, "CB-02: a static password"},
        {"if-present", YES, "b3RoZXIgdmFsdWU=", EST_E_binding_failed, "CB-04: of another connection"},
        {"if-present", YES, "YSB2YWx1ZQ==A", EST_E_binding_failed, "CB-05: longer"},
        {"if-present", YES, "YSB2YWx1", EST_E_binding_failed, "CB-05: a prefix"},
        {"if-present", YES, "YSB2YWx1ZQ", EST_E_binding_failed, "without padding"},
        {"if-present", YES, "YSB2YWx1ZR==", EST_E_binding_failed, "other characters for the same octets"},
        {"if-present", YES, "ysb2ywx1zq==", EST_E_binding_failed, "other case"},
        {"if-present", YES, " YSB2YWx1ZQ==", EST_E_binding_failed, "a blank in front"},
        {"if-present", NO, NULL, EST_E__COUNT, "none sent, none can be had"},
        {"if-present", NO, right, EST_E_binding_failed, "CB-10: cannot be verified"},
        {"required", YES, NULL, EST_E_binding_required, "CB-08: none sent"},
        {"required", YES, right, EST_E__COUNT, "the right one"},
        {"required", YES, "hunter2", EST_E_binding_failed, "a static password"},
        {"required", NO, NULL, EST_E_binding_required, "TLS-17: none sent, none can be had"},
        {"required", NO, right, EST_E_binding_failed, "TLS-17: the client's TLS has none"},
        {"off", YES, NULL, EST_E__COUNT, "none sent"},
        {"off", YES, right, EST_E_binding_failed, "not wanted"},
        {"off", YES, "hunter2", EST_E_binding_failed, "decision 4: a static value is 400"},
        {"off", NO, NULL, EST_E__COUNT, "none sent"},
        {"off", NO, right, EST_E_binding_failed, "not wanted"},
        {"if-present", PROXY, NULL, EST_E__COUNT, "none sent, none demanded"},
        {"if-present", PROXY, right, EST_E_binding_behind_proxy, "CB-10: right, but of the proxy's connection"},
        {"if-present", PROXY, "hunter2", EST_E_binding_behind_proxy, "CB-10: a static password"},
        {"required", PROXY, NULL, EST_E_binding_unreachable, "CB-10: none can be had"},
        {"required", PROXY, right, EST_E_binding_unreachable, "CB-10: none can be had"},
        {"off", PROXY, NULL, EST_E__COUNT, "none sent"},
        {"off", PROXY, right, EST_E_binding_failed, "not wanted"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_resp_t resp;
        est_err_t *err;

        op_start();
        op.store.aliases[0].binding = rows[i].mode;
        op.behind_proxy = rows[i].available == PROXY;
        op.binding = rows[i].available ? text("a value") : est_slice(NULL, 0);
        ask(rows[i].challenge);
        err = enroll(&resp);
        if (rows[i].code == EST_E__COUNT)
            ASSERT_OK(err);
        else
            ASSERT_ROW(err, rows[i].code, NULL, rows[i].reason);
        assert_int_equal(op.store.issue_calls, err == NULL);
        /* neither value is told */
        assert_false(err && err->detail && (strstr(err->detail, right) || strstr(err->detail, "hunter2")));
    }
    assert_int_equal(est_err_row(EST_E_binding_failed)->status, 400);
    assert_int_equal(est_err_row(EST_E_binding_required)->status, 400);
}

/* ---- enrolment codes */

static est_err_t *verify_code(int *good, const char *secret, const char *hash, const est_req_t *req)
{
    assert_true(hash && req);
    *good = !strcmp(secret, "correct-code");
    return NULL;
}

static est_err_t *no_failures(const est_req_t *req, const char *who)
{
    assert_true(req && who);
    return NULL;
}

static void forget_failure(const est_req_t *req, const char *who)
{
    assert_true(req && who);
}

static int may_not_record(const est_req_t *req)
{
    assert_non_null(req);
    return 0;
}

static const store_issue_t *recorded;

static void remember_issue(const store_issue_t *issue)
{
    recorded = apr_pmemdup(pool, issue, sizeof(*issue));
}

/* The code decides who it is, is used up with the certificate, and is not in it */
static void test_a_code_in_the_subject_is_not_in_the_certificate(void **state)
{
    static const est_guard_t guard = {.verify = verify_code,
                                      .check_failures = no_failures,
                                      .add_failure = forget_failure,
                                      .may_record = may_not_record};
    policy_entity_t entity = {
        .id = 5, .version = 2, .name = "dev1", .preregistered = 1, .code_id = 9, .code_hash = "$2y$c"};
    csr_spec_t spec = {.subject = "CN=dev1,serialNumber=correct-code"};
    est_resp_t resp;

    (void)state;
    op_start();
    op.store.entity = &entity;
    op.store.on_issue = remember_issue;
    op.store.aliases[0].mode = "client";
    op.store.aliases[0].code_source = "dn:serialNumber";
    op.service.guard = &guard;
    spec.key = op.key;
    op.body = text(est_base64_encode(make_csr(&spec), 0, NULL, pool));
    ASSERT_OK(op_enroll(&resp, op_granted("/simpleenroll", NULL, NULL), &op.service));
    assert_int_equal(resp.status, 200);
    assert_int_equal(recorded->identity->kind, POLICY_IDENTITY_ENTITY);
    assert_int_equal(recorded->code, 9);
    assert_string_equal(recorded->subject, "CN=dev1");
    assert_null(memmem(recorded->der.p, recorded->der.n, "correct-code", 12));
    assert_null(strstr(resp.summary, "correct-code"));

    spec.subject = "CN=dev1,serialNumber=wrong-code";
    op.body = text(est_base64_encode(make_csr(&spec), 0, NULL, pool));
    ASSERT_FAILS(op_enroll(&resp, op_granted("/simpleenroll", NULL, NULL), &op.service), code_refused, NULL);
    assert_int_equal(op.store.issue_calls, 1);
}

/* Who cannot prove to have the key is not asked for a code: guesses cost a signature */
static void test_the_signature_comes_before_the_code(void **state)
{
    csr_spec_t spec = {.subject = "CN=dev1", .challenge = "correct-code"};
    est_slice_t der;
    unsigned char *broken;
    est_resp_t resp;

    (void)state;
    op_start();
    op.store.aliases[0].mode = "client";
    op.store.aliases[0].code_source = "challenge-password";
    op.service.guard = NULL;
    spec.key = op.key;
    der = make_csr(&spec);
    broken = apr_pmemdup(pool, der.p, der.n);
    broken[der.n - 1] ^= 1;
    op.body = text(est_base64_encode(est_slice(broken, der.n), 0, NULL, pool));
    ASSERT_FAILS(op_enroll(&resp, op_granted("/simpleenroll", NULL, NULL), &op.service), csr_signature, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_the_answer_is_one_certificate),
        EST_TEST(test_the_summary_says_what_was_left_out),
        EST_TEST(test_the_chain_comes_along_where_the_alias_says_so),
        EST_TEST(test_a_replay_is_answered_like_the_first_time),
        EST_TEST(test_bad_requests_are_refused_and_nothing_is_recorded),
        EST_TEST(test_a_broken_alias_does_not_even_read),
        EST_TEST(test_reenrolment_keeps_the_names),
        EST_TEST(test_channel_binding),
        EST_TEST(test_a_code_in_the_subject_is_not_in_the_certificate),
        EST_TEST(test_the_signature_comes_before_the_code),
    };
    return EST_TEST_RUN(tests);
}
