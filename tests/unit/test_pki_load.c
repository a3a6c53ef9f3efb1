/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "pki/pki_load.h"

#include <dirent.h>
#include <openssl/err.h>
#include <time.h>

/* ---- Files ---- */

/* A file that lives as long as the test, in a directory of its own: a test may use a name twice */
static const char *file_with(const char *name, const char *contents, size_t n)
{
    const char *path;
    FILE *f = temp_file(&path, temp_dir(), name);

    assert_int_equal(fwrite(contents, 1, n, f), n);
    fclose(f);
    return path;
}

static const char *text_file(const char *name, const char *contents)
{
    return file_with(name, contents, strlen(contents));
}

/* What was written into bio, as a file */
static const char *file_of(const char *name, BIO *bio)
{
    char *p;
    long n = BIO_get_mem_data(bio, &p);
    const char *path = file_with(name, p, (size_t)n);
    BIO_free(bio);
    return path;
}

static X509 *make_numbered(EVP_PKEY *key, int serial)
{
    X509 *cert = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    return cert;
}

/* ---- Certificates ---- */

static void test_certificates_in_their_order(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    for (int i = 1; i <= 3; i++) {
        X509 *cert = make_numbered(key, i);
        BIO_puts(bio, "some words before a certificate\n");
        PEM_write_bio_X509(bio, cert);
        X509_free(cert);
    }
    EVP_PKEY_free(key);
    STACK_OF(X509) *certs;
    ASSERT_OK(pki_load_certs(&certs, file_of("certs.pem", bio), pool));
    assert_int_equal(sk_X509_num(certs), 3);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(ASN1_INTEGER_get(X509_get0_serialNumber(sk_X509_value(certs, i - 1))), i);
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_certificate_files_that_cannot_be_used(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = make_numbered(key, 1);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, cert);
    BIO_puts(bio, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    X509_free(cert);
    EVP_PKEY_free(key);
    const struct {
        const char *path, *why;
    } rows[] = {
        {apr_pstrcat(pool, temp_dir(), "/missing.pem", NULL), "missing.pem cannot be opened: No such file"},
        {text_file("empty.pem", ""), "empty.pem holds no PEM certificate"},
        {text_file("text.pem", "no certificate\n"), "text.pem holds no PEM certificate"},
        {file_of("second.pem", bio), "second.pem: PEM block 2 cannot be read as a certificate"},
        {text_file("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"), "cut.pem: PEM block 1 cannot be read as a certificate (bad end line"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        STACK_OF(X509) *certs;
        ASSERT_ROW(pki_load_certs(&certs, rows[i].path, pool), EST_E_file, rows[i].why, rows[i].path);
        assert_int_equal(ERR_peek_error(), 0);
    }
}

/* ---- Keys ---- */

typedef enum { PKCS8, PKCS8_ENCRYPTED, TRADITIONAL, TRADITIONAL_ENCRYPTED } form_t;

static const char *key_in_form(const char *name, EVP_PKEY *key, form_t form)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const EVP_CIPHER *cipher = form == PKCS8_ENCRYPTED || form == TRADITIONAL_ENCRYPTED ? EVP_aes_256_cbc() : NULL;
    unsigned char *pass = (unsigned char *)apr_pstrdup(pool, "secret");
    int len = cipher ? 6 : 0;
    if (form == PKCS8 || form == PKCS8_ENCRYPTED)
        assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, (char *)pass, len, NULL, NULL), 1);
    else
        assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, key, cipher, cipher ? pass : NULL, len, NULL, NULL),
                         1);
    return file_of(name, bio);
}

static void test_keys_in_every_form(void **state)
{
    (void)state;
    EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_RSA_gen(2048)};
    static const form_t forms[] = {PKCS8, PKCS8_ENCRYPTED, TRADITIONAL, TRADITIONAL_ENCRYPTED};
    for (int k = 0; k < 2; k++) {
        for (int f = 0; f < 4; f++) {
            const char *path = key_in_form("key.pem", keys[k], forms[f]);
            int encrypted = forms[f] == PKCS8_ENCRYPTED || forms[f] == TRADITIONAL_ENCRYPTED;
            EVP_PKEY *loaded;
            ASSERT_OK(pki_load_key(&loaded, path, encrypted ? "secret" : NULL, NULL, pool));
            assert_int_equal(EVP_PKEY_eq(loaded, keys[k]), 1);
            if (encrypted) {
                ASSERT_FAILS(pki_load_key(&loaded, path, NULL, NULL, pool), config, "is encrypted");
                ASSERT_FAILS(pki_load_key(&loaded, path, "wrong", NULL, pool), config, "cannot be decrypted");
                ASSERT_FAILS(pki_load_key(&loaded, path, "", NULL, pool), config, "cannot be decrypted");
            }
            assert_int_equal(ERR_peek_error(), 0);
        }
        EVP_PKEY_free(keys[k]);
    }
}

/* As `openssl ecparam -genkey` writes it, and with a certificate in front */
static void test_a_key_after_other_blocks(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256"), *loaded;
    X509 *cert = make_numbered(key, 1);
    BIO *bio = BIO_new(BIO_s_mem());
    BIO_puts(bio, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n");
    PEM_write_bio_X509(bio, cert);
    PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
    X509_free(cert);
    ASSERT_OK(pki_load_key(&loaded, file_of("key.pem", bio), NULL, NULL, pool));
    assert_int_equal(EVP_PKEY_eq(loaded, key), 1);
    EVP_PKEY_free(key);
}

static void test_key_files_that_cannot_be_used(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256"), *loaded;
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, key);
    EVP_PKEY_free(key);
    const struct {
        const char *path, *why;
    } rows[] = {
        {apr_pstrcat(pool, temp_dir(), "/missing.pem", NULL), "missing.pem cannot be opened: No such file"},
        {text_file("empty.pem", ""), "empty.pem holds no PEM private key"},
        {file_of("public.pem", bio), "public.pem holds no PEM private key"},
        {text_file("bad.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
         "bad.pem holds no PEM"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ASSERT_ROW(pki_load_key(&loaded, rows[i].path, NULL, NULL, pool), EST_E_file, rows[i].why, rows[i].path);
        assert_int_equal(ERR_peek_error(), 0);
    }
}

static void test_a_file_that_others_can_read_is_reported(void **state)
{
    static const struct {
        mode_t mode;
        int loose;
    } rows[] = {{0600, 0}, {0400, 0}, {0640, 1}, {0604, 1}, {0644, 1}, {0620, 0}};
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256"), *loaded;
    const char *path = key_in_form("key.pem", key, PKCS8);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int loose = -1;
        assert_int_equal(chmod(path, rows[i].mode), 0);
        ASSERT_OK(pki_load_key(&loaded, path, NULL, &loose, pool));
        assert_int_equal(loose, rows[i].loose);
    }
    EVP_PKEY_free(key);
}

/* ---- Passphrases ---- */

static const char *program(const char *name, const char *script)
{
    const char *path = text_file(name, apr_pstrcat(pool, "#!/bin/sh\n", script, "\n", NULL));
    assert_int_equal(chmod(path, 0700), 0);
    return apr_pstrcat(pool, "exec:", path, NULL);
}

static const char *file_spec(const char *name, const char *contents)
{
    return apr_pstrcat(pool, "file:", text_file(name, contents), NULL);
}

static int open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* OP-07: whoever has the descriptor has the key, and programs inherit descriptors */
static void test_no_file_stays_open(void **state)
{
    (void)state;
    int before = open_files();
    EVP_PKEY *key = EVP_EC_gen("P-256"), *loaded;
    X509 *cert = make_numbered(key, 1);
    STACK_OF(X509) *certs;
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    ASSERT_OK(pki_load_key(&loaded, file_of("open.key", bio), NULL, NULL, pool));
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, cert);
    ASSERT_OK(pki_load_certs(&certs, file_of("open.pem", bio), pool));
    assert_non_null(pki_load_key(&loaded, text_file("nothing", "nothing"), NULL, NULL, pool));
    assert_non_null(pki_load_certs(&certs, text_file("nothing.pem", "nothing"), pool));
    assert_int_equal(open_files(), before);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void test_passphrases(void **state)
{
    (void)state;
    char *longest = apr_palloc(pool, 1025);
    memset(longest, 'x', 1024);
    longest[1024] = '\0';
    const struct {
        const char *spec, *passphrase;
    } rows[] = {
        {file_spec("a", "secret"), "secret"},
        {file_spec("b", "secret\n"), "secret"},
        {file_spec("c", "secret\r\nsecond line\n"), "secret"},
        {file_spec("d", " blanks stay \n"), " blanks stay "},
        {file_spec("e", longest + 1), longest + 1},
        {program("f", "echo secret"), "secret"},
        {program("g", "printf 'sec'; sleep 0.1; printf 'ret\\nmore\\n'"), "secret"},
        {apr_pstrcat(pool, program("h", "printf %s \"$2-$1\""), " 'one two' three;id", NULL), "three;id-one two"},
        {program("i", "exec >&-; sleep 0.1; exit 1"), NULL},
        {program("j", "echo secret; exit 3"), NULL},
        {program("k", "echo secret; kill -TERM $$"), NULL},
        {program("l", "cat"), NULL}, /* stdin is empty: nothing comes */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *passphrase = NULL;
        est_err_t *err = pki_load_passphrase(&passphrase, rows[i].spec, pool);
        if (rows[i].passphrase) {
            est_test_ok(err, rows[i].spec, __FILE__, __LINE__);
            assert_string_equal(passphrase, rows[i].passphrase);
        } else if (!err || (err->code != EST_E_file && err->code != EST_E_config)) {
            fail_msg("%s", rows[i].spec);
        }
    }
}

static void test_passphrases_that_cannot_be_had(void **state)
{
    (void)state;
    char *too_long = apr_palloc(pool, 1025);
    memset(too_long, 'x', 1024);
    too_long[1024] = '\0';
    const struct {
        const char *spec;
        est_err_code_t code;
        const char *why;
    } rows[] = {
        {"secret", EST_E_config, "file:PATH or exec:PROGRAM"},
        {"", EST_E_config, "file:PATH or exec:PROGRAM"},
        {"exec:", EST_E_config, "names no program"},
        {"file:/nonexistent/x", EST_E_file, "No such file"},
        {"exec:/nonexistent/x", EST_E_file, "cannot be run"},
        {file_spec("a", ""), EST_E_config, "empty"},
        {file_spec("b", "\nsecret\n"), EST_E_config, "empty"},
        {file_spec("c", too_long), EST_E_config, "longer than 1023"},
        {program("d", "true"), EST_E_config, "empty"},
        {program("e", "echo x; exit 3"), EST_E_file, "ended with status 3"},
        {program("f", "yes"), EST_E_file, "ended with status"}, /* more than fits: it is not waited for */
    };
    clock_t start = clock();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *passphrase;
        ASSERT_ROW(pki_load_passphrase(&passphrase, rows[i].spec, pool), rows[i].code, rows[i].why, rows[i].spec);
    }
    assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
}

static apr_status_t look_at(void *seen)
{
    const char **passphrase = seen;
    assert_string_equal(*passphrase, "secret");
    return APR_SUCCESS;
}

/* The cleanup that was registered first runs last: what it sees has been cleansed */
static apr_status_t look_after(void *seen)
{
    const char **passphrase = seen;
    assert_string_equal(*passphrase, "");
    return APR_SUCCESS;
}

static void test_a_passphrase_is_cleansed_with_its_pool(void **state)
{
    (void)state;
    apr_pool_t *own;
    const char *passphrase, *spec = file_spec("a", "secret");
    apr_pool_create(&own, pool);
    apr_pool_cleanup_register(own, &passphrase, look_after, apr_pool_cleanup_null);
    ASSERT_OK(pki_load_passphrase(&passphrase, spec, own));
    apr_pool_cleanup_register(own, &passphrase, look_at, apr_pool_cleanup_null);
    apr_pool_destroy(own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_certificates_in_their_order),
        EST_TEST(test_certificate_files_that_cannot_be_used),
        EST_TEST(test_keys_in_every_form),
        EST_TEST(test_a_key_after_other_blocks),
        EST_TEST(test_key_files_that_cannot_be_used),
        EST_TEST(test_a_file_that_others_can_read_is_reported),
        EST_TEST(test_no_file_stays_open),
        EST_TEST(test_passphrases),
        EST_TEST(test_passphrases_that_cannot_be_had),
        EST_TEST(test_a_passphrase_is_cleansed_with_its_pool),
    };
    return EST_TEST_RUN(tests);
}
