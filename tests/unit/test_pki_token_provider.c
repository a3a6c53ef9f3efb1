/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Keys by way of OpenSSL's provider pkcs11, which is pkcs11_provider.c here */
#include "x509_test.h"

#include "pki/pki_token.h"

#include <libgen.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/provider.h>

#define PIN "pin-7391"

/* Where the provider has been built: beside this program */
static void find_provider(void)
{
    char self[PATH_MAX + 1] = "";
    const char *dir;

    assert_true(readlink("/proc/self/exe", self, PATH_MAX) > 0);
    dir = dirname(self);
    assert_int_equal(setenv("OPENSSL_MODULES", strstr(dir, "/.libs") ? dir : apr_pstrcat(pool, dir, "/.libs", NULL), 1),
                     0);
}

/* A "module" with that PIN, which has these keys under their types' names */
static const char *make_module(const char *dir, const char *name, const char *pin, int n, EVP_PKEY *const *keys)
{
    const char *path;
    FILE *file = temp_file(&path, dir, name);

    fprintf(file, "%s\n", pin);
    for (int i = 0; i < n; i++) {
        fprintf(file, "%s\n", EVP_PKEY_get0_type_name(keys[i]));
        assert_true(PEM_write_PKCS8PrivateKey(file, keys[i], NULL, NULL, 0, NULL, NULL));
    }
    fclose(file);
    return path;
}

static pki_token_key_t *start_key(const char *module, const char *label, const char *pin, EVP_PKEY *pkey)
{
    pki_token_spec_t spec = {.module = module, .pin = pin, .patience = apr_time_from_sec(10)};
    pki_token_key_t *key;

    spec.uri = apr_psprintf(pool, "pkcs11:token=est;object=%s;type=private", label);
    spec.cert = make_ca("CN=CA", pkey, NULL, NULL);
    pki_token_key_make(&key, &spec, pool);
    pki_token_key_start(key, NULL, pool);
    return key;
}

static est_err_t *sign_some(pki_token_key_t *key, EVP_PKEY *pkey)
{
    const EVP_MD *md = digest_for(pkey);
    est_slice_t signature;
    est_err_t *err = pki_token_sign(&signature, est_slice("to be signed", 12), md, key, pool);

    assert_int_equal(ERR_peek_error(), 0);
    if (!err) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, md, NULL, pkey), 1);
        assert_int_equal(EVP_DigestVerify(ctx, signature.p, signature.n, (const unsigned char *)"to be signed", 12), 1);
        EVP_MD_CTX_free(ctx);
    }
    return err;
}

static void test_keys_of_a_provider_sign(void **state)
{
    EVP_PKEY *keys[] = {make_key("P-256"), make_key("RSA"), make_key("Ed25519")};
    const char *module;

    (void)state;
    find_provider();
    module = make_module(temp_dir(), "module.so", PIN, 3, keys);
    for (int i = 0; i < 3; i++) {
        pki_token_key_t *key = start_key(module, EVP_PKEY_get0_type_name(keys[i]), PIN, keys[i]);
        const char *how;

        ASSERT_OK(pki_token_key_open(&how, key, pool));
        assert_string_equal(how, "provider");
        ASSERT_OK(sign_some(key, keys[i]));
        ASSERT_OK(sign_some(key, keys[i]));
    }
    /* mod_ssl and all others have none of it */
    assert_false(OSSL_PROVIDER_available(NULL, "pkcs11"));
}

/* The name is one that a configuration of OpenSSL has to have escaped */
static void test_modules_have_a_provider_each(void **state)
{
    EVP_PKEY *keys[] = {make_key("P-256"), make_key("P-384")};
    const char *dir;
    pki_token_key_t *one, *two;

    (void)state;
    find_provider();
    dir = temp_dir();
    one = start_key(make_module(dir, "one #1 $x\\,;=.so", "pin-1", 1, &keys[0]), "EC", "pin-1", keys[0]);
    two = start_key(make_module(dir, "two.so", "pin-2", 1, &keys[1]), "EC", "pin-2", keys[1]);
    for (int i = 0; i < 2; i++) {
        ASSERT_OK(sign_some(one, keys[0]));
        ASSERT_OK(sign_some(two, keys[1]));
    }
}

static void test_a_wrong_pin(void **state)
{
    EVP_PKEY *pkey = make_key("P-256");
    pki_token_key_t *key;
    est_err_t *err;

    (void)state;
    find_provider();
    key = start_key(make_module(temp_dir(), "module.so", PIN, 1, &pkey), "EC", "wrong-5150", pkey);
    for (int i = 0; i < 2; i++) {
        err = sign_some(key, pkey);
        ASSERT_ROW(err, EST_E_ca_failed, "refuses the PIN", "wrong PIN");
        assert_null(strstr(err->detail, "5150"));
    }
}

static void test_a_token_comes_and_a_key_does_not_fit(void **state)
{
    EVP_PKEY *keys[] = {make_key("P-256"), make_key("RSA"), make_key("P-256")};
    pki_token_key_t *key, *other;
    const char *dir, *path;

    (void)state;
    find_provider();
    dir = temp_dir();
    path = apr_pstrcat(pool, dir, "/module.so", NULL);
    key = start_key(path, "EC", PIN, keys[0]);
    other = start_key(path, "RSA", PIN, keys[1]);
    ASSERT_FAILS(sign_some(key, keys[0]), ca_unavailable, "cannot be had");
    make_module(dir, "module.so", PIN, 1, keys);
    ASSERT_OK(sign_some(key, keys[0]));
    ASSERT_FAILS(sign_some(other, keys[1]), ca_unavailable, "cannot be had");
    ASSERT_FAILS(sign_some(start_key(path, "EC", PIN, keys[2]), keys[2]), ca_failed, "does not fit EstCACertificate");
    /* the others' failures have closed it; it opens again */
    ASSERT_OK(sign_some(key, keys[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_keys_of_a_provider_sign),
        EST_TEST(test_modules_have_a_provider_each),
        EST_TEST(test_a_wrong_pin),
        EST_TEST(test_a_token_comes_and_a_key_does_not_fit),
    };
    return EST_TEST_RUN(tests);
}
