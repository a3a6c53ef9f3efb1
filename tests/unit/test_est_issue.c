/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op_test.h"

#include "op/est_issue.h"

static pki_csr_t *csr_of(const char *subject, const char *san, EVP_PKEY *key)
{
    return op_csr(&(csr_spec_t){.subject = subject, .key = key, .exts = {san}});
}

static est_err_t *issue_to(est_slice_t *der, est_req_t *req, const pki_csr_t *csr)
{
    est_issued_t issued;
    est_err_t *err = est_issue(&issued, req, &op.service, csr);

    *der = err ? est_slice(NULL, 0) : issued.der;
    return err;
}

/* Issued to dev7 for its own name */
static est_err_t *issue(est_slice_t *der)
{
    return issue_to(der, op_granted("/simpleenroll", "dev7", NULL), csr_of("CN=dev7", NULL, op.key));
}

/* ---- what is recorded */

static est_slice_t sha256_of(est_slice_t octets)
{
    unsigned char hash[32];

    assert_int_equal(EVP_Digest(octets.p, octets.n, hash, NULL, EVP_sha256(), NULL), 1);
    return est_slice_dup(est_slice(hash, 32), pool);
}

static const char *rfc2253(const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *p;
    const char *text;
    long n;

    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
    n = BIO_get_mem_data(bio, &p);
    text = n > 0 ? apr_pstrmemdup(pool, p, (apr_size_t)n) : "";
    BIO_free(bio);
    return text;
}

static apr_time_t seconds_of(const ASN1_TIME *t)
{
    struct tm tm;
    apr_time_exp_t exp = {0};
    apr_time_t out;

    assert_true(ASN1_TIME_to_tm(t, &tm));
    exp.tm_year = tm.tm_year;
    exp.tm_mon = tm.tm_mon;
    exp.tm_mday = tm.tm_mday;
    exp.tm_hour = tm.tm_hour;
    exp.tm_min = tm.tm_min;
    exp.tm_sec = tm.tm_sec;
    apr_time_exp_gmt_get(&out, &exp);
    return out;
}

static void assert_same_serial(est_slice_t recorded, const X509 *cert)
{
    BIGNUM *theirs = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    BIGNUM *ours = BN_bin2bn(recorded.p, (int)recorded.n, NULL);

    /* RFC 5280 4.1.2.2: positive, at most 20 octets; and as DER has it */
    assert_true(recorded.n >= 1 && recorded.n <= 20);
    assert_false(recorded.p[0] & 0x80);
    assert_false(recorded.n > 1 && recorded.p[0] == 0 && !(recorded.p[1] & 0x80));
    assert_false(BN_is_negative(theirs) || BN_is_zero(theirs));
    assert_int_equal(BN_cmp(ours, theirs), 0);
    BN_free(ours);
    BN_free(theirs);
}

static void assert_same_names(const pki_sans_t *recorded, const X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

    assert_int_equal(names ? sk_GENERAL_NAME_num(names) : 0, recorded->n_names);
    for (int i = 0; i < recorded->n_names; i++) {
        const ASN1_IA5STRING *dns = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), NULL);

        assert_int_equal(recorded->names[i].type, PKI_SAN_DNS);
        ASSERT_SLICE(est_slice(ASN1_STRING_get0_data(dns), (apr_size_t)ASN1_STRING_length(dns)),
                     text(recorded->names[i].value));
    }
    GENERAL_NAMES_free(names);
}

/* The row says what OpenSSL reads in the certificate */
static void assert_row_is_the_certificate(const store_issue_t *row)
{
    X509 *cert = parse_cert(row->der);

    assert_int_equal(X509_verify(cert, op.ca_key), 1);
    assert_same_serial(row->serial, cert);
    assert_same_names(row->san, cert);
    assert_string_equal(row->subject, rfc2253(X509_get_subject_name(cert)));
    assert_string_equal(row->issuer, rfc2253(X509_get_issuer_name(cert)));
    assert_int_equal(row->not_before, seconds_of(X509_get0_notBefore(cert)));
    assert_int_equal(row->not_after, seconds_of(X509_get0_notAfter(cert)));
    ASSERT_SLICE(est_slice(row->issuer_hash, 32), sha256_of(DER_OF(i2d_X509_NAME, X509_get_issuer_name(cert))));
    ASSERT_SLICE(est_slice(row->spki_hash, 32), sha256_of(DER_OF(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(cert))));
    assert_int_equal(row->modulus_hash != NULL, EVP_PKEY_is_a(X509_get0_pubkey(cert), "RSA")); /* K-11 */
}

/* C-16 */
static void test_reserved_keys_are_handed_down(void **state)
{
    unsigned char reserved[2][PKI_SHA256_SIZE] = {{0}};
    EVP_PKEY *key = make_key("P-256");
    est_slice_t der;
    est_req_t *req;

    (void)state;
    op_start();
    op.service.reserved_keys = (const unsigned char(*)[PKI_SHA256_SIZE])reserved;
    op.service.n_reserved_keys = 2;
    pki_sha256(reserved[1], spki_of(key));
    req = op_granted("/simpleenroll", "ra", NULL);
    ASSERT_FAILS(issue_to(&der, req, csr_of("CN=dev9", NULL, key)), key_reserved, "a TLS server");
    assert_int_equal(op.store.issue_calls, 0);
    ASSERT_OK(issue_to(&der, req, csr_of("CN=dev9", NULL, op.key)));
}

static void test_the_row_says_what_the_certificate_says(void **state)
{
    est_slice_t der;
    est_req_t *req;

    (void)state;
    op_start();
    op.store.on_issue = assert_row_is_the_certificate;
    req = op_granted("/simpleenroll", "ra", NULL);
    ASSERT_OK(
        issue_to(&der, req, csr_of("CN=dev9,O=Example", "subjectAltName=DNS:dev9.example,DNS:b.example", op.key)));
    ASSERT_OK(issue_to(&der, req, csr_of("CN=dev9", NULL, op.key)));
    ASSERT_OK(issue_to(&der, req, csr_of("", "subjectAltName=DNS:dev9.example", op.key)));
    ASSERT_OK(issue_to(&der, req, csr_of("CN=dev9", NULL, make_key("RSA"))));
    assert_int_equal(op.store.issue_calls, 4);
}

static store_issue_t seen;

static void keep(const store_issue_t *row)
{
    seen = *row;
    seen.serial = est_slice_dup(row->serial, pool);
    seen.idem_key = row->idem_key ? apr_pmemdup(pool, row->idem_key, 32) : NULL;
    seen.holder_issuer_hash = row->holder_issuer_hash ? apr_pmemdup(pool, row->holder_issuer_hash, 32) : NULL;
}

static void test_the_row_says_who_asked_for_what_where(void **state)
{
    est_slice_t der;
    est_req_t *req;

    (void)state;
    op_start();
    op.store.on_issue = keep;
    req = op_granted("/other/simpleenroll", "ra", NULL);
    ASSERT_OK(issue_to(&der, req, csr_of("CN=dev9", NULL, op.key)));
    assert_string_equal(seen.id, req->id);
    assert_int_equal(seen.alias, 2);
    assert_int_equal(seen.policy_version, 3);
    assert_string_equal(seen.operation, "simpleenroll");
    assert_ptr_equal(seen.identity, &req->identity);
    assert_int_equal(seen.identity->client->id, 8);
    assert_string_equal(seen.network, "192.0.2.1");
    assert_string_equal(seen.entity, "dev9");
    assert_string_equal(seen.ca, "issuing");
    assert_int_equal(seen.idem_seconds, 600);
    assert_null(seen.holder_issuer_hash);
    ASSERT_SLICE(seen.der, der);
}

static void test_the_row_names_the_certificate_presented(void **state)
{
    X509 *leaf;
    est_slice_t der;
    est_req_t *req;

    (void)state;
    op_start();
    op.store.on_issue = keep;
    leaf = op_holder("CN=dev7", NULL);
    req = op_granted("/simplereenroll", NULL, leaf);
    ASSERT_OK(issue_to(&der, req, csr_of("CN=dev7", NULL, op.key)));
    assert_string_equal(seen.operation, "simplereenroll");
    assert_ptr_equal(seen.identity->cert, req->cred.cert);
    ASSERT_SLICE(est_slice(seen.holder_issuer_hash, 32), sha256_of(DER_OF(i2d_X509_NAME, X509_get_issuer_name(leaf))));
}

static void test_serial_numbers(void **state)
{
    static const struct {
        int octet;
        const char *hex;
    } rows[] = {
        {0xff, "7fffffffffffffffffffffffffffffffffffffff"},
        {0x80, "0080808080808080808080808080808080808080"},
        {0x01, "0101010101010101010101010101010101010101"},
        {0x7f, "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f"},
    };
    est_slice_t der;

    (void)state;
    op_start();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        op.random_octet = rows[i].octet;
        op.store.on_issue = assert_row_is_the_certificate;
        ASSERT_OK(issue(&der));
        op.store.on_issue = keep;
        ASSERT_OK(issue(&der));
        assert_string_equal(est_hex(seen.serial, pool), rows[i].hex);
        assert_string_equal(pki_cert_serial_text(der, pool), rows[i].hex);
    }
}

static void test_bad_random_numbers_issue_nothing(void **state)
{
    est_slice_t der;

    (void)state;
    op_start();
    op.random_octet = 0;
    ASSERT_FAILS(issue(&der), internal, "zero");
    op.random_octet = -1;
    op.random_fails = 1;
    ASSERT_FAILS(issue(&der), internal, "random");
    assert_int_equal(op.store.issue_calls, 0);
}

/* ---- the idempotency key (decision 7; PE-04, PE-07) */

static const unsigned char *key_of(const char *path, const char *user, X509 *leaf, const pki_csr_t *csr)
{
    est_slice_t der;

    op.store.on_issue = keep;
    ASSERT_OK(issue_to(&der, op_granted(path, user, leaf), csr));
    assert_non_null(seen.idem_key);
    return seen.idem_key;
}

static void test_the_same_request_has_the_same_key(void **state)
{
    const unsigned char *first;

    (void)state;
    op_start();
    first = key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev9", "subjectAltName=DNS:dev9.example", op.key));
    op.now += apr_time_from_sec(5);
    /* signed anew, so not the same octets (PE-04) */
    assert_memory_equal(
        first, key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev9", "subjectAltName=DNS:dev9.example", op.key)), 32);
    assert_memory_equal(
        first, key_of("/est/simpleenroll", "ra", NULL, csr_of("CN=dev9", "subjectAltName=DNS:DEV9.example", op.key)),
        32);
}

static void test_each_difference_makes_another_key(void **state)
{
    const unsigned char *keys[16];
    EVP_PKEY *other_key;
    X509 *leaf;
    int n = 0;

    (void)state;
    op_start();
    other_key = make_key("P-256");
    leaf = op_holder("CN=dev9", NULL);
    op.store.clients[0].names = "*";
    keys[n++] = key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev9", NULL, op.key));
    keys[n++] = key_of("/other/simpleenroll", "ra", NULL, csr_of("CN=dev9", NULL, op.key)); /* alias */
    keys[n++] = key_of("/simpleenroll", "dev7", NULL, csr_of("CN=dev9", NULL, op.key));     /* user */
    keys[n++] = key_of("/simpleenroll", NULL, leaf, csr_of("CN=dev9", NULL, op.key));       /* kind of identity */
    keys[n++] =
        key_of("/simpleenroll", NULL, op_holder("CN=dev9", NULL), csr_of("CN=dev9", NULL, op.key)); /* certificate */
    keys[n++] = key_of("/simplereenroll", NULL, leaf, csr_of("CN=dev9", NULL, op.key));             /* operation */
    keys[n++] = key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev9", NULL, other_key));            /* key */
    keys[n++] = key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev8", NULL, op.key));               /* subject */
    keys[n++] = key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev9,O=Example", NULL, op.key));
    keys[n++] =
        key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev9", "subjectAltName=DNS:dev9.example", op.key)); /* SAN */
    keys[n++] = key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev9", "subjectAltName=DNS:dev8.example", op.key));
    op_policy_changed(); /* policy version */
    op.now += apr_time_from_sec(1);
    keys[n++] = key_of("/simpleenroll", "ra", NULL, csr_of("CN=dev9", NULL, op.key));
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            if (memcmp(keys[i], keys[j], 32) == 0)
                fail_msg("keys %d and %d are the same", j, i);
}

static void test_without_window_there_is_no_key(void **state)
{
    est_slice_t der;

    (void)state;
    op_start();
    op.store.aliases[0].idempotency = "0";
    op.store.on_issue = keep;
    ASSERT_OK(issue(&der));
    assert_null(seen.idem_key);
    assert_int_equal(seen.idem_seconds, 0);
}

/* ---- outcomes */

static void test_a_replay_hands_out_what_is_on_record(void **state)
{
    est_slice_t der, earlier;

    (void)state;
    op_start();
    ASSERT_OK(issue(&earlier));
    op.store.issue_calls = 0;
    op_record_says((store_outcome_t){.kind = STORE_REPLAY, .der = earlier});
    ASSERT_OK(issue(&der));
    ASSERT_SLICE(der, earlier);
}

static void test_a_replay_of_nothing_hands_out_nothing(void **state)
{
    est_slice_t der;

    (void)state;
    op_start();
    op_record_says((store_outcome_t){.kind = STORE_REPLAY});
    ASSERT_FAILS(issue(&der), store_failed, "replay");
    assert_int_equal(der.n, 0);
}

/* An ambiguous commit asked for again: the row may hold another signature than the one at hand */
static void test_the_recorded_body_wins(void **state)
{
    est_slice_t der, recorded;

    (void)state;
    op_start();
    ASSERT_OK(issue(&recorded));
    op.store.issue_calls = 0;
    op_record_says((store_outcome_t){.kind = STORE_ISSUED, .der = recorded});
    ASSERT_OK(issue(&der));
    ASSERT_SLICE(der, recorded);
}

static void test_refusals_of_the_database(void **state)
{
    static const struct {
        const char *rule, *detail;
        est_err_code_t code;
    } rows[] = {
        {"certificate_revoked", "serial 1", EST_E_certificate_revoked},
        {"certificate_unknown", "serial 2", EST_E_certificate_unknown},
        {"name_refused", "entity x", EST_E_name_refused},
        {"key_blocked", "it is listed (a list)", EST_E_key_blocked}, /* K-11 */
        {"something_new", NULL, EST_E_store_failed},
        {NULL, NULL, EST_E_store_failed},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t der;
        est_err_t *err;

        op_start();
        op_record_says((store_outcome_t){.kind = STORE_REFUSED, .rule = rows[i].rule, .detail = rows[i].detail});
        err = issue(&der);
        ASSERT_ROW(err, rows[i].code, rows[i].detail, rows[i].rule ? rows[i].rule : "none");
        assert_int_equal(der.n, 0);
        assert_int_equal(op.store.issue_calls, 1);
    }
}

/* EN-14: no certificate leaves unless its row is committed */
static void test_trouble_of_the_store_issues_nothing(void **state)
{
    static const est_err_code_t codes[] = {EST_E_store_unavailable, EST_E_store_failed, EST_E_not_durable};

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        est_slice_t der;

        op_start();
        op.store.issue_error = est_err_make(pool, codes[i], __FILE__, __LINE__, "fake");
        ASSERT_ROW(issue(&der), codes[i], "fake", est_err_row(codes[i])->name);
        assert_int_equal(der.n, 0);
        assert_int_equal(est_err_row(codes[i])->status, 503);
    }
}

/* ---- what was judged before anything was signed */

static void test_a_refused_request_is_not_recorded(void **state)
{
    est_slice_t der;
    est_err_t *err;

    (void)state;
    op_start();
    err = issue_to(&der, op_granted("/simpleenroll", "dev7", NULL), csr_of("CN=dev8", NULL, op.key));
    ASSERT_ROW(err, EST_E_name_not_yours, NULL, "another's name");
    assert_string_equal(err->rule, "own_names");
    op.store.aliases[0].ca = "elsewhere";
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    ASSERT_FAILS(issue(&der), alias_broken, "elsewhere");
    op.store.aliases[0].ca = "issuing";
    op.store.aliases[0].base64 = "76";
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    ASSERT_FAILS(issue(&der), alias_broken, "column");
    assert_int_equal(op.store.issue_calls, 0);
    assert_int_equal(der.n, 0);
}

static void test_what_was_dropped_is_told(void **state)
{
    est_issued_t issued;
    est_req_t *req;

    (void)state;
    op_start();
    op.store.profile.profile.subject_other = "drop";
    req = op_granted("/simpleenroll", "ra", NULL);
    ASSERT_OK(est_issue(&issued, req, &op.service, csr_of("CN=dev9,L=Paris", NULL, op.key)));
    assert_string_equal(issued.dropped, "L=Paris");
    ASSERT_OK(est_issue(&issued, req, &op.service, csr_of("CN=dev9", NULL, op.key)));
    assert_null(issued.dropped);
}

/* ---- stale: policy or client have changed between judgement and record */

static void shorten_validity(const store_issue_t *row)
{
    keep(row);
    if (op.store.issue_calls == 1) {
        op.store.profile.profile.validity = "86400";
        op_policy_changed();
    }
}

static void test_a_changed_policy_judges_anew(void **state)
{
    est_slice_t der;
    est_req_t *req;

    (void)state;
    op_start();
    op_record_says((store_outcome_t){.kind = STORE_STALE, .rule = "policy"});
    op.store.on_issue = shorten_validity;
    req = op_granted("/simpleenroll", "dev7", NULL);
    ASSERT_OK(issue_to(&der, req, csr_of("CN=dev7", NULL, op.key)));
    assert_int_equal(op.store.issue_calls, 2);
    assert_int_equal(seen.policy_version, 4);
    assert_int_equal(policy_snapshot_version(req->snapshot), 4);
    assert_int_equal(seconds_of(X509_get0_notAfter(parse_cert(der))),
                     apr_time_from_sec(apr_time_sec(TEST_NOW) + 86400));
}

static void deactivate(const store_issue_t *row)
{
    (void)row;
    op.store.aliases[0].profile_active = "f";
    op_policy_changed();
}

static void require_binding(const store_issue_t *row)
{
    (void)row;
    op.store.aliases[0].binding = "required";
    op_policy_changed();
}

static void take_names(const store_issue_t *row)
{
    (void)row;
    op.store.clients[0].names = "nothing";
}

static void change_hash(const store_issue_t *row)
{
    (void)row;
    op.store.clients[0].password_hash = "$2y$z";
}

static void remove_alias(const store_issue_t *row)
{
    (void)row;
    op.store.aliases[0].enabled = "f";
    op_policy_changed();
}

static void lose_the_store(const store_issue_t *row)
{
    (void)row;
    op.store.down = 1;
}

static void test_what_has_changed_can_refuse(void **state)
{
    static const struct {
        const char *rule;
        void (*change)(const store_issue_t *row);
        est_err_code_t code;
        const char *reason;
    } rows[] = {
        {"policy", deactivate, EST_E_alias_inactive, "profile not active any more"},
        {"policy", remove_alias, EST_E_alias_unknown, "alias disabled"},
        {"policy", require_binding, EST_E_binding_required, "channel binding demanded now"},
        {"client", take_names, EST_E_name_not_yours, "names taken away"},
        {"client", change_hash, EST_E_authentication_required, "password changed"},
        {"policy", lose_the_store, EST_E_store_unavailable, "policy cannot be read"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t der;

        op_start();
        op.binding = text("a value");
        op_record_says((store_outcome_t){.kind = STORE_STALE, .rule = rows[i].rule});
        op.store.on_issue = rows[i].change;
        ASSERT_ROW(issue(&der), rows[i].code, NULL, rows[i].reason);
        assert_int_equal(op.store.issue_calls, 1);
        assert_int_equal(der.n, 0);
    }
}

static void test_policy_that_never_rests_is_given_up(void **state)
{
    est_slice_t der;

    (void)state;
    op_start();
    for (int i = 0; i < OP_TEST_OUTCOMES; i++)
        op_record_says((store_outcome_t){.kind = STORE_STALE, .rule = i % 2 ? "client" : "policy"});
    ASSERT_FAILS(issue(&der), policy_changing, "4 times");
    assert_int_equal(op.store.issue_calls, 4);
    assert_int_equal(der.n, 0);
    assert_int_equal(est_err_row(EST_E_policy_changing)->status, 503);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_reserved_keys_are_handed_down),
        EST_TEST(test_the_row_says_what_the_certificate_says),
        EST_TEST(test_the_row_says_who_asked_for_what_where),
        EST_TEST(test_the_row_names_the_certificate_presented),
        EST_TEST(test_serial_numbers),
        EST_TEST(test_bad_random_numbers_issue_nothing),
        EST_TEST(test_the_same_request_has_the_same_key),
        EST_TEST(test_each_difference_makes_another_key),
        EST_TEST(test_without_window_there_is_no_key),
        EST_TEST(test_a_replay_hands_out_what_is_on_record),
        EST_TEST(test_a_replay_of_nothing_hands_out_nothing),
        EST_TEST(test_the_recorded_body_wins),
        EST_TEST(test_refusals_of_the_database),
        EST_TEST(test_trouble_of_the_store_issues_nothing),
        EST_TEST(test_a_refused_request_is_not_recorded),
        EST_TEST(test_what_was_dropped_is_told),
        EST_TEST(test_a_changed_policy_judges_anew),
        EST_TEST(test_what_has_changed_can_refuse),
        EST_TEST(test_policy_that_never_rests_is_given_up),
    };
    return EST_TEST_RUN(tests);
}
