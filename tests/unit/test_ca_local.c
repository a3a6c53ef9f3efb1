/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "ca/ca_local.h"

/* A root, an intermediate under it and the issuing CA under that, each with its key, and a directory for files */
static struct {
    EVP_PKEY *root_key, *middle_key, *key;
    X509 *root, *middle, *cert;
    const char *dir;
} t;

static void make_hierarchy(void)
{
    memset(&t, 0, sizeof(t));
    t.root_key = make_key("P-256");
    t.middle_key = make_key("P-256");
    t.key = make_key("P-256");
    t.root = make_ca("CN=Root", t.root_key, NULL, NULL);
    t.middle = make_ca("CN=Middle", t.middle_key, t.root, t.root_key);
    t.cert = make_ca("CN=Issuing,O=Example", t.key, t.middle, t.middle_key);
    t.dir = temp_dir();
}

/* chain: n certificates, 0 = no EstCAChain */
static est_err_t *open_with(ca_t **ca, X509 *cert, EVP_PKEY *key, int n, X509 *const *chain)
{
    static int number;
    ca_config_t config = {.name = "issuing", .where = "est.conf:7"};

    number++;
    config.certificate = cert_file(t.dir, apr_psprintf(pool, "%d.pem", number), 1, &cert);
    config.key = key_file(t.dir, apr_psprintf(pool, "%d.key", number), key);
    if (n)
        config.chain = cert_file(t.dir, apr_psprintf(pool, "%d.chain", number), n, chain);
    return ca_local_driver.open(ca, &config, pool);
}

static const ca_facts_t *facts_of(ca_t *ca)
{
    const ca_facts_t *facts;

    ASSERT_OK(ca->driver->facts(ca, &facts, pool));
    return facts;
}

/* ---- what is loaded */

static void test_a_ca_with_its_chain(void **state)
{
    ca_t *ca;

    (void)state;
    make_hierarchy();
    X509 *chain[] = {t.middle, t.root};
    ASSERT_OK(open_with(&ca, t.cert, t.key, 2, chain));
    assert_string_equal(ca->name, "issuing");
    assert_string_equal(facts_of(ca)->issuer.certs[0]->subject->text, "O=Example,CN=Issuing");
    assert_int_equal(X509_cmp(facts_of(ca)->cert, t.cert), 0);
    assert_int_equal(facts_of(ca)->issuer.certs[0]->not_before, apr_time_from_sec(1577836800));
    assert_int_equal(facts_of(ca)->issuer.certs[0]->not_after, apr_time_from_sec(2493072000));
    assert_null(ca->warning);

    /* itself first, then up to the root; and the message of cacerts has the same */
    assert_int_equal(facts_of(ca)->n_certs, 3);
    ASSERT_SLICE(facts_of(ca)->certs[0], cert_der(t.cert));
    ASSERT_SLICE(facts_of(ca)->certs[1], cert_der(t.middle));
    ASSERT_SLICE(facts_of(ca)->certs[2], cert_der(t.root));
    ASSERT_SLICE(facts_of(ca)->cacerts, pki_certs_only(facts_of(ca)->certs, 3, pool));
    assert_int_equal(facts_of(ca)->issuer.n_certs, 3);
    for (int i = 0; i < 3; i++)
        ASSERT_SLICE(facts_of(ca)->issuer.certs[i]->der, facts_of(ca)->certs[i]);
    ASSERT_SLICE(facts_of(ca)->issuer.certs[2]->spki, spki_of(t.root_key));

    assert_int_equal(facts_of(ca)->n_issuers, 1);
    assert_ptr_equal(facts_of(ca)->issuers[0], facts_of(ca)->cert);
    const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(t.cert);
    est_slice_t id = est_slice(ASN1_STRING_get0_data(ski), (apr_size_t)ASN1_STRING_length(ski));
    ASSERT_SLICE(facts_of(ca)->issuer.aki, tlv(0x30, join(2, hex("0603551d23"), tlv(0x04, tlv(0x30, tlv(0x80, id))))));
}

static void test_a_root_needs_no_chain(void **state)
{
    ca_t *ca;

    (void)state;
    make_hierarchy();
    ASSERT_OK(open_with(&ca, t.root, t.root_key, 0, NULL));
    assert_int_equal(facts_of(ca)->n_certs, 1);
}

static void test_the_order_of_the_chain_does_not_matter(void **state)
{
    ca_t *ca;

    (void)state;
    make_hierarchy();
    X509 *chain[] = {t.root, t.middle};
    ASSERT_OK(open_with(&ca, t.cert, t.key, 2, chain));
    assert_int_equal(facts_of(ca)->n_certs, 3);
}

static void test_the_chain_may_stand_in_the_certificates_file(void **state)
{
    ca_config_t config = {.name = "issuing", .where = "est.conf:7"};
    ca_t *ca;

    (void)state;
    make_hierarchy();
    X509 *all[] = {t.cert, t.middle, t.root};
    config.certificate = cert_file(t.dir, "all.pem", 3, all);
    config.key = key_file(t.dir, "all.key", t.key);
    ASSERT_OK(ca_local_driver.open(&ca, &config, pool));
    assert_int_equal(facts_of(ca)->n_certs, 3);
    ASSERT_SLICE(facts_of(ca)->certs[0], cert_der(t.cert));
}

/* RFC 7030 4.1.3: roots of before, for devices that still have them */
static void test_old_roots_are_handed_out_too_and_nothing_twice(void **state)
{
    ca_t *ca;

    (void)state;
    make_hierarchy();
    X509 *old = make_ca("CN=Old Root", NULL, NULL, NULL);
    X509 *chain[] = {t.cert, t.middle, t.root, t.middle, old};
    ASSERT_OK(open_with(&ca, t.cert, t.key, 5, chain));
    assert_int_equal(facts_of(ca)->n_certs, 4);
    ASSERT_SLICE(facts_of(ca)->certs[3], cert_der(old));
}

/* CA-05: after a root's rollover its old and its new certificate, and those that each key gave to the other (RFC 4210
 * 4.4). The issuing CA may be under either, and whatever the order, every certificate is handed out. */
static void test_CA_05_certificates_of_a_rollover(void **state)
{
    cert_spec_t spec = {.subject = "CN=Root", .exts = CA_EXTS};
    EVP_PKEY *new_key;
    X509 *new_root, *of[2], *chain[4];
    ca_t *ca;

    (void)state;
    make_hierarchy();
    new_key = make_key("P-256");
    new_root = make_ca("CN=Root", new_key, NULL, NULL);
    spec.key = t.root_key; /* OldWithNew */
    spec.issuer = new_root;
    spec.issuer_key = new_key;
    chain[0] = make_cert(&spec);
    spec.key = new_key; /* NewWithOld */
    spec.issuer = t.root;
    spec.issuer_key = t.root_key;
    chain[1] = make_cert(&spec);
    chain[2] = t.root;
    chain[3] = new_root;
    of[0] = make_ca("CN=Issuing", t.key, t.root, t.root_key);
    of[1] = make_ca("CN=Issuing", t.key, new_root, new_key);
    for (int i = 0; i < 2; i++)
        for (int turn = 0; turn < 4; turn++) {
            X509 *turned[] = {chain[turn], chain[(turn + 1) % 4], chain[(turn + 2) % 4], chain[(turn + 3) % 4]};

            ASSERT_OK(open_with(&ca, of[i], t.key, 4, turned));
            assert_int_equal(facts_of(ca)->n_certs, 5);
            assert_null(ca->warning);
        }
    /* the two cross certificates alone lead round and round */
    ASSERT_FAILS(open_with(&ca, of[1], t.key, 2, chain), config, "has a gap");
}

/* ---- what is refused */

static void test_a_gap_in_the_chain_is_refused(void **state)
{
    ca_t *ca;

    (void)state;
    make_hierarchy();
    ASSERT_FAILS(open_with(&ca, t.cert, t.key, 0, NULL), config,
                 "EstCAChain (not set) has a gap: no issuer of \"O=Example,CN=Issuing\"");
    ASSERT_FAILS(open_with(&ca, t.cert, t.key, 1, &t.middle), config, "has a gap: no issuer of \"CN=Middle\"");
    ASSERT_FAILS(open_with(&ca, t.cert, t.key, 1, &t.root), config, "has a gap: no issuer of \"O=Example,CN=Issuing\"");
}

static void test_a_namesake_is_no_issuer(void **state)
{
    ca_t *ca;

    (void)state;
    make_hierarchy();
    X509 *chain[] = {make_ca("CN=Middle", NULL, t.root, t.root_key), t.root};
    ASSERT_FAILS(open_with(&ca, t.cert, t.key, 2, chain), config, "has a gap: no issuer of \"O=Example,CN=Issuing\"");
}

/* Two that certify each other never reach a root */
static void test_a_circle_is_no_chain(void **state)
{
    ca_t *ca;

    (void)state;
    make_hierarchy();
    cert_spec_t from_a = {
        .subject = "CN=A", .key = t.root_key, .exts = {"basicConstraints=critical,CA:TRUE", "keyUsage=keyCertSign"}};
    cert_spec_t from_b = from_a;
    X509 *a = make_cert(&from_a);
    from_b.subject = "CN=B";
    from_b.key = t.middle_key;
    from_b.issuer = a;
    from_b.issuer_key = t.root_key;
    X509 *b = make_cert(&from_b);
    from_a.issuer = b;
    from_a.issuer_key = t.middle_key;
    X509 *circle[] = {make_cert(&from_a)};
    ASSERT_FAILS(open_with(&ca, b, t.middle_key, 1, circle), config, "has a gap");
}

static void test_what_is_no_ca_is_refused(void **state)
{
    static const struct {
        const char *exts[X509_TEST_EXTS];
        const char *reason;
    } rows[] = {
        {{NULL}, "no extension at all"},
        {{"keyUsage=keyCertSign"}, "no basicConstraints"},
        {{"basicConstraints=critical,CA:FALSE", "keyUsage=keyCertSign"}, "CA:FALSE"},
        {{"basicConstraints=critical,CA:TRUE", "keyUsage=digitalSignature,cRLSign"}, "no keyCertSign"},
        {{"keyUsage=digitalSignature", "extendedKeyUsage=serverAuth"}, "a server's"},
    };
    ca_t *ca;

    (void)state;
    make_hierarchy();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cert_spec_t spec = {.subject = "CN=Nobody", .key = t.key};

        memcpy(spec.exts, rows[i].exts, sizeof(spec.exts));
        X509 *self_signed = make_cert(&spec);
        ASSERT_ROW(open_with(&ca, self_signed, t.key, 0, NULL), EST_E_config, "\"CN=Nobody\" is not a CA certificate",
                   rows[i].reason);
        ASSERT_ROW(open_with(&ca, t.root, t.root_key, 1, &self_signed), EST_E_config,
                   "\"CN=Nobody\" is not a CA certificate", apr_pstrcat(pool, rows[i].reason, ", in the chain", NULL));
    }
}

static void test_the_file_of_what_is_no_ca_is_named(void **state)
{
    cert_spec_t spec = {.subject = "CN=Nobody"};
    ca_config_t config = {.name = "issuing", .where = "est.conf:7"};
    ca_t *ca;

    (void)state;
    make_hierarchy();
    X509 *both[] = {t.root, make_cert(&spec)};
    config.certificate = cert_file(t.dir, "both.pem", 2, both);
    config.key = key_file(t.dir, "both.key", t.root_key);
    ASSERT_FAILS(ca_local_driver.open(&ca, &config, pool), config, "/both.pem: \"CN=Nobody\" is not a CA certificate");
}

static void test_a_key_of_another_certificate_is_refused(void **state)
{
    ca_t *ca;

    (void)state;
    make_hierarchy();
    ASSERT_FAILS(open_with(&ca, t.root, t.key, 0, NULL), config, "does not fit EstCACertificate");
    ASSERT_FAILS(open_with(&ca, t.root, make_key("RSA"), 0, NULL), config, "does not fit EstCACertificate");
}

static void test_missing_settings_and_files_are_named(void **state)
{
    ca_config_t good = {.name = "issuing", .where = "est.conf:7"}, config;
    ca_t *ca;

    (void)state;
    make_hierarchy();
    good.certificate = cert_file(t.dir, "root.pem", 1, &t.root);
    good.key = key_file(t.dir, "root.key", t.root_key);
    ASSERT_OK(ca_local_driver.open(&ca, &good, pool));
    config = good;
    config.certificate = NULL;
    ASSERT_FAILS(ca_local_driver.open(&ca, &config, pool), config,
                 "<EstCA issuing> at est.conf:7: EstCACertificate is missing");
    config = good;
    config.key = NULL;
    ASSERT_FAILS(ca_local_driver.open(&ca, &config, pool), config,
                 "<EstCA issuing> at est.conf:7: EstCAKey is missing");
    config = good;
    config.certificate = apr_pstrcat(pool, t.dir, "/none.pem", NULL);
    ASSERT_FAILS(ca_local_driver.open(&ca, &config, pool), file, "/none.pem");
    config = good;
    config.key = apr_pstrcat(pool, t.dir, "/none.key", NULL);
    ASSERT_FAILS(ca_local_driver.open(&ca, &config, pool), file, "/none.key");
    config = good;
    config.chain = apr_pstrcat(pool, t.dir, "/none.chain", NULL);
    ASSERT_FAILS(ca_local_driver.open(&ca, &config, pool), file, "/none.chain");
    config = good;
    config.certificate = good.key;
    ASSERT_FAILS(ca_local_driver.open(&ca, &config, pool), file, "<EstCA issuing> at est.conf:7: ");
    config = good;
    config.passphrase = apr_pstrcat(pool, "file:", t.dir, "/none.pass", NULL);
    ASSERT_FAILS(ca_local_driver.open(&ca, &config, pool), file, "/none.pass");
}

static void test_an_encrypted_key_needs_its_passphrase(void **state)
{
    ca_config_t config = {.name = "issuing", .where = "est.conf:7"};
    const char *path;
    ca_t *ca;

    (void)state;
    make_hierarchy();
    config.certificate = cert_file(t.dir, "root.pem", 1, &t.root);
    FILE *file = temp_file(&config.key, t.dir, "root.key");
    assert_true(PEM_write_PKCS8PrivateKey(file, t.root_key, EVP_aes_128_cbc(), "open sesame", 11, NULL, NULL));
    fclose(file);
    ASSERT_FAILS(ca_local_driver.open(&ca, &config, pool), config, "EstCAKeyPassphrase");
    file = temp_file(&path, t.dir, "pass");
    fputs("open sesame\n", file);
    fclose(file);
    config.passphrase = apr_pstrcat(pool, "file:", path, NULL);
    ASSERT_OK(ca_local_driver.open(&ca, &config, pool));
}

/* ---- what is only worth a warning */

static void test_a_ca_that_has_ended_is_a_warning(void **state)
{
    cert_spec_t spec = {.subject = "CN=Ended", .until = apr_time_now() - TEST_DAY, .exts = CA_EXTS};
    ca_t *ca;

    (void)state;
    make_hierarchy();
    spec.key = t.key;
    spec.exts[3] = NULL;
    ASSERT_OK(open_with(&ca, make_cert(&spec), t.key, 0, NULL));
    assert_non_null(ca->warning);
    assert_non_null(strstr(ca->warning, "<EstCA issuing> ended 2"));
}

static void test_a_key_that_others_can_read_is_a_warning(void **state)
{
    static const struct {
        mode_t mode;
        int warning;
    } rows[] = {{0600, 0}, {0400, 0}, {0640, 1}, {0604, 1}, {0644, 1}};
    ca_config_t config = {.name = "issuing", .where = "est.conf:7"};
    ca_t *ca;

    (void)state;
    make_hierarchy();
    config.certificate = cert_file(t.dir, "root.pem", 1, &t.root);
    config.key = key_file(t.dir, "root.key", t.root_key);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(chmod(config.key, rows[i].mode), 0);
        ASSERT_OK(ca_local_driver.open(&ca, &config, pool));
        assert_int_equal(ca->warning != NULL, rows[i].warning);
        if (ca->warning)
            assert_non_null(strstr(ca->warning, "chmod 600"));
    }
}

/* ---- issuing */

static void test_each_type_of_key_signs(void **state)
{
    static const char *const kinds[] = {"RSA", "P-256", "P-384", "P-521", "Ed25519"};

    (void)state;
    make_hierarchy();
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        EVP_PKEY *key = make_key(kinds[i]);
        X509 *cert = make_ca(apr_pstrcat(pool, "CN=", kinds[i], NULL), key, NULL, NULL);
        csr_spec_t spec = {.subject = "CN=dev7"};
        est_slice_t csr = make_csr(&spec);
        ca_request_t request = {0};
        ca_answer_t answer = {0};
        const unsigned char *p = csr.p;
        X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)csr.n);
        ca_t *ca;

        ASSERT_OK(open_with(&ca, cert, key, 0, NULL));
        pki_tbs_t tbs = {.serial = {[19] = 1}, .not_before = TEST_NOW, .not_after = TEST_NOW + TEST_DAY};
        tbs.subject = DER_OF(i2d_X509_NAME, X509_REQ_get_subject_name(req));
        tbs.spki = DER_OF(i2d_X509_PUBKEY, X509_REQ_get_X509_PUBKEY(req));
        tbs.exts = &facts_of(ca)->issuer.aki;
        tbs.n_exts = 1;
        request.tbs = &tbs;
        ASSERT_OK(ca->driver->issue(ca, &answer, &request, pool));
        X509 *issued = parse_cert(answer.der);
        assert_int_equal(X509_verify(issued, key), 1);
        assert_int_equal(X509_check_issued(cert, issued), X509_V_OK);
        X509_REQ_free(req);
    }
}

static void test_a_curve_that_is_not_ours_is_refused(void **state)
{
    EVP_PKEY *key = make_key("secp256k1");
    ca_t *ca;

    (void)state;
    make_hierarchy();
    ASSERT_FAILS(open_with(&ca, make_ca("CN=CA", key, NULL, NULL), key, 0, NULL), config, "EC P-256, P-384, P-521");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_a_ca_with_its_chain),
        EST_TEST(test_a_root_needs_no_chain),
        EST_TEST(test_the_order_of_the_chain_does_not_matter),
        EST_TEST(test_the_chain_may_stand_in_the_certificates_file),
        EST_TEST(test_old_roots_are_handed_out_too_and_nothing_twice),
        EST_TEST(test_CA_05_certificates_of_a_rollover),
        EST_TEST(test_a_gap_in_the_chain_is_refused),
        EST_TEST(test_a_namesake_is_no_issuer),
        EST_TEST(test_a_circle_is_no_chain),
        EST_TEST(test_what_is_no_ca_is_refused),
        EST_TEST(test_the_file_of_what_is_no_ca_is_named),
        EST_TEST(test_a_key_of_another_certificate_is_refused),
        EST_TEST(test_missing_settings_and_files_are_named),
        EST_TEST(test_an_encrypted_key_needs_its_passphrase),
        EST_TEST(test_a_ca_that_has_ended_is_a_warning),
        EST_TEST(test_a_key_that_others_can_read_is_a_warning),
        EST_TEST(test_each_type_of_key_signs),
        EST_TEST(test_a_curve_that_is_not_ours_is_refused),
    };
    return EST_TEST_RUN(tests);
}
