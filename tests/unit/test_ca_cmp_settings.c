/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cmp_test.h"

#include "ca/ca.h"
#include "ca/ca_cmp.h"
#include "pki/pki_load.h"

/* What an <EstCA> block with EstCADriver cmp may say, and what it gets told otherwise */

static ca_config_t whole_config(const cmp_test_t *ca)
{
    ca_config_t config = cmp_test_config(ca);
    apr_array_header_t *urls = apr_array_make(pool, 1, sizeof(const char *));

    APR_ARRAY_PUSH(urls, const char *) = "http://127.0.0.1:1/pkix";
    config.upstreams = urls;
    config.timeout = config.connect_timeout = config.concurrency = config.failures = config.cooldown = 1;
    return config;
}

static est_err_t *open_it(ca_t **out, const ca_config_t *config)
{
    est_err_t *err = ca_open(out, config, pool);

    assert_int_equal(ERR_peek_error(), 0);
    return err;
}

static void test_the_driver_is_remote_and_its_keys_are_reserved(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = whole_config(ca);
    const ca_facts_t *facts;
    STACK_OF(X509) *signer;
    ca_t *opened;

    (void)state;
    ASSERT_OK(open_it(&opened, &config));
    assert_ptr_equal(opened->driver, &ca_cmp_driver);
    assert_string_equal(opened->driver->name, "cmp");
    assert_true(opened->driver->remote);
    assert_true(opened->lease > 1);
    assert_int_equal(opened->n_gates, 1);
    assert_null(opened->warning);
    assert_int_equal(opened->n_keys, 1);
    ASSERT_OK(pki_load_certs(&signer, config.cmp_certificate, pool));
    ASSERT_SLICE(opened->keys[0], cert_der(sk_X509_value(signer, 0)));
    ASSERT_OK(opened->driver->facts(opened, &facts, pool));
    assert_int_equal(X509_cmp(facts->cert, ca->cert), 0);
}

/* The key to the TLS connection is reserved too */
static void test_both_keys_are_reserved(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = whole_config(ca);
    EVP_PKEY *key = make_key("P-256");
    X509 *cert = make_cert(&(cert_spec_t){.subject = "CN=TLS", .key = key});
    ca_t *opened;

    (void)state;
    config.client_certificate = cert_file(ca->dir, "tls.pem", 1, &cert);
    config.client_key = key_file(ca->dir, "tls.key", key);
    APR_ARRAY_IDX(config.upstreams, 0, const char *) = "https://127.0.0.1:1/pkix";
    config.trust = config.certificate;
    ASSERT_OK(open_it(&opened, &config));
    assert_int_equal(opened->n_keys, 2);
    ASSERT_SLICE(opened->keys[0], cert_der(cert));
}

static void test_a_chain_without_its_root_will_do(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = whole_config(ca);
    EVP_PKEY *root_key = make_key("P-256");
    X509 *root = make_ca("CN=Root", root_key, NULL, NULL), *below = make_ca("CN=CA", ca->key, root, root_key);
    ca_t *opened;

    (void)state;
    config.certificate = cert_file(ca->dir, "below.pem", 1, &below);
    ASSERT_OK(open_it(&opened, &config));
}

typedef struct {
    const char *label; /* what the error says */
    apr_size_t member; /* offset in ca_config_t */
    const char *value; /* NULL: it is missing */
} config_row_t;

#define MEMBER(name) offsetof(ca_config_t, name)

static void test_what_makes_no_sense_is_refused_by_the_name_of_its_directive(void **state)
{
    static const config_row_t rows[] = {
        {"EstCACertificate is missing", MEMBER(certificate), NULL},
        {"EstCAKey makes no sense with EstCADriver cmp: it is for local", MEMBER(key), "ca.key"},
        {"EstCAKeyPassphrase makes no sense with EstCADriver cmp", MEMBER(passphrase), "file:x"},
        {"EstCAKeyModule makes no sense with EstCADriver cmp", MEMBER(key_module), "x.so"},
        {"EstCACacheFile makes no sense with EstCADriver cmp: it is for est", MEMBER(cache), "x"},
        {"EstCACmpRequest \"kur\": there is no such request (known: p10cr, ir, cr)", MEMBER(cmp_request), "kur"},
        {"EstCACmpRenewal is kur or same, not \"ir\"", MEMBER(cmp_renewal), "ir"},
        {"EstCACmpRenewal kur needs EstCACmpRequest ir or cr", MEMBER(cmp_renewal), "kur"},
        {"EstCACmpConfirm is implicit or explicit, not \"on\"", MEMBER(cmp_confirm), "on"},
        {"EstCACmpCertificate needs EstCACmpKey", MEMBER(cmp_key), NULL},
        {"EstCACmpKey needs EstCACmpCertificate", MEMBER(cmp_certificate), NULL},
        {"EstCACmpCertificate and EstCACmpKey, or EstCACmpReference and EstCACmpSecret: not both",
         MEMBER(cmp_reference), "ra"},
        {"EstCACmpCertificate and EstCACmpKey, or EstCACmpReference and EstCACmpSecret: not both", MEMBER(cmp_secret),
         "file:x"},
        {"/nonexistent", MEMBER(cmp_trust), "/nonexistent"},
        {"EstCACmpRecipient \"CN=CA\" does not begin with \"/\"", MEMBER(cmp_recipient), "CN=CA"},
        {"EstCACmpRecipient \"/CN\": \"=\" is missing after \"CN\"", MEMBER(cmp_recipient), "/CN"},
        {"EstCACmpRecipient \"/WHAT=CA\": WHAT=CA", MEMBER(cmp_recipient), "/WHAT=CA"},
        {"EstCACmpRecipient \"/C=Germany\": C=Germany", MEMBER(cmp_recipient), "/C=Germany"},
        {"EstCACmpRecipient \"/\" has no attributes", MEMBER(cmp_recipient), "/"},
    };

    (void)state;
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ca_config_t config = whole_config(cmp_test_make());
        ca_t *opened;
        est_err_t *err;

        *(const char **)((char *)&config + rows[i].member) = rows[i].value;
        err = open_it(&opened, &config);
        if (!err || (err->code != EST_E_config && err->code != EST_E_file))
            fail_msg("%s: it was opened, or failed with something else", rows[i].label);
        ASSERT_ROW(err, err->code, rows[i].label, rows[i].label);
        ASSERT_ROW(err, err->code, "<EstCA issuing> at est.conf:7: ", rows[i].label);
    }
}

static void test_how_renewals_and_confirmations_are_sent(void **state)
{
    static const struct {
        const char *request, *renewal, *confirm;
        int updates, confirms;
    } rows[] = {
        {NULL, NULL, NULL, 0, 0},      {"ir", NULL, "implicit", 1, 0},   {"cr", "kur", "explicit", 1, 1},
        {"ir", "same", NULL, 0, 0},    {"p10cr", "same", NULL, 0, 0},    {NULL, NULL, "explicit", 0, 1},
    };

    (void)state;
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ca_config_t config = cmp_test_config(cmp_test_make());
        const ca_cmp_settings_t *settings;

        config.cmp_request = rows[i].request;
        config.cmp_renewal = rows[i].renewal;
        config.cmp_confirm = rows[i].confirm;
        settings = cmp_test_settings(&config);
        if (settings->updates != rows[i].updates || settings->confirms != rows[i].confirms)
            fail_msg("row %d", (int)i);
    }
}

static void test_half_a_secret_and_none_at_all(void **state)
{
    ca_config_t config = whole_config(cmp_test_make());
    ca_t *opened;

    (void)state;
    config.cmp_certificate = config.cmp_key = NULL;
    ASSERT_FAILS(open_it(&opened, &config), config, "or EstCACmpReference and EstCACmpSecret, are missing");
    config.cmp_passphrase = "file:x";
    ASSERT_FAILS(open_it(&opened, &config), config, "EstCACmpKeyPassphrase needs EstCACmpKey");
    config.cmp_passphrase = NULL;
    config.cmp_reference = "ra";
    ASSERT_FAILS(open_it(&opened, &config), config, "EstCACmpReference needs EstCACmpSecret");
    config.cmp_reference = NULL;
    config.cmp_secret = "file:x";
    ASSERT_FAILS(open_it(&opened, &config), config, "EstCACmpSecret needs EstCACmpReference");
    config.cmp_reference = "";
    ASSERT_FAILS(open_it(&opened, &config), config, "EstCACmpReference is empty");
}

static void test_a_key_that_does_not_fit_or_cannot_sign_messages(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = whole_config(ca);
    EVP_PKEY *key = make_key("Ed25519");
    X509 *cert = make_cert(&(cert_spec_t){.subject = "CN=RA", .key = key});
    ca_t *opened;

    (void)state;
    config.cmp_key = key_file(ca->dir, "other.key", key);
    ASSERT_FAILS(open_it(&opened, &config), config, "does not fit EstCACmpCertificate");
    config.cmp_certificate = cert_file(ca->dir, "other.pem", 1, &cert);
    ASSERT_FAILS(open_it(&opened, &config), config, "RSA and EC keys sign CMP messages");
}

static void test_what_is_worth_a_warning(void **state)
{
    cmp_test_t *ca = cmp_test_make();
    ca_config_t config = whole_config(ca);
    EVP_PKEY *key = make_key("P-256");
    X509 *cert = make_cert(&(cert_spec_t){.subject = "CN=RA", .key = key, .until = TEST_NOW - 400 * TEST_DAY});
    ca_t *opened;

    (void)state;
    assert_int_equal(chmod(config.cmp_key, 0644), 0);
    ASSERT_OK(open_it(&opened, &config));
    assert_non_null(strstr(opened->warning, "can be read by others"));
    config.cmp_certificate = cert_file(ca->dir, "old.pem", 1, &cert);
    config.cmp_key = key_file(ca->dir, "old.key", key);
    ASSERT_OK(open_it(&opened, &config));
    assert_non_null(strstr(opened->warning, "has ended"));
    config = whole_config(ca);
    cert = make_ca("CN=Issuing", key, make_ca("CN=Root", key, NULL, NULL), key);
    config.certificate = cert_file(ca->dir, "issuing.pem", 1, &cert);
    ASSERT_OK(open_it(&opened, &config));
    assert_non_null(strstr(opened->warning, "has no issuer of \"CN=Issuing\": cacerts leads devices to no root"));
}

static void test_a_recipient_is_written_as_openssl_takes_it(void **state)
{
    static const struct {
        const char *text, *name;
    } rows[] = {
        {"/CN=CA", "CN=CA"},         {"/C=DE/O=Example\\/Sons/CN=CMP", "C=DE,O=Example/Sons,CN=CMP"},
        {"/O=a\\+b\\\\", "O=a+b\\"}, {"/O=G\xc3\xbcte", "O=G\xc3\xbcte"},
        {"/1.2.3.4=x", "1.2.3.4=x"},
    };

    (void)state;
    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ca_config_t config = cmp_test_config(cmp_test_make());
        X509_NAME *want = X509_NAME_new();

        fill_name(want, rows[i].name);
        config.cmp_recipient = rows[i].text;
        if (X509_NAME_cmp(cmp_test_settings(&config)->recipient, want) != 0)
            fail_msg("%s", rows[i].text);
        X509_NAME_free(want);
    }
}

static void test_attributes_of_one_rdn_are_joined_by_a_plus(void **state)
{
    ca_config_t config = cmp_test_config(cmp_test_make());
    const X509_NAME *name;

    (void)state;
    config.cmp_recipient = "/O=Example/CN=a+serialNumber=1";
    name = cmp_test_settings(&config)->recipient;
    assert_int_equal(X509_NAME_entry_count(name), 3);
    assert_int_equal(X509_NAME_ENTRY_set(X509_NAME_get_entry(name, 1)),
                     X509_NAME_ENTRY_set(X509_NAME_get_entry(name, 2)));
    assert_int_not_equal(X509_NAME_ENTRY_set(X509_NAME_get_entry(name, 0)),
                         X509_NAME_ENTRY_set(X509_NAME_get_entry(name, 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_the_driver_is_remote_and_its_keys_are_reserved),
        EST_TEST(test_both_keys_are_reserved),
        EST_TEST(test_a_chain_without_its_root_will_do),
        EST_TEST(test_what_makes_no_sense_is_refused_by_the_name_of_its_directive),
        EST_TEST(test_how_renewals_and_confirmations_are_sent),
        EST_TEST(test_half_a_secret_and_none_at_all),
        EST_TEST(test_a_key_that_does_not_fit_or_cannot_sign_messages),
        EST_TEST(test_what_is_worth_a_warning),
        EST_TEST(test_a_recipient_is_written_as_openssl_takes_it),
        EST_TEST(test_attributes_of_one_rdn_are_joined_by_a_plus),
    };
    return EST_TEST_RUN(tests);
}
