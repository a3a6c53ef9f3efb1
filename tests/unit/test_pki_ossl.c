/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "pki/pki_ossl.h"

#include <openssl/err.h>

static void test_the_reason_is_told_once(void **state)
{
    (void)state;
    const unsigned char junk[] = {0x30, 0x01};
    const unsigned char *p = junk;
    assert_null(d2i_X509(NULL, &p, sizeof(junk)));
    assert_int_not_equal(ERR_peek_error(), 0);
    assert_string_equal(pki_ossl_reason(pool), "too long, nested asn1 error");
    assert_int_equal(ERR_peek_error(), 0);
    assert_string_equal(pki_ossl_reason(pool), "no reason given");
}

/* Data can be paths and other internals */
static void test_the_reason_has_no_data(void **state)
{
    (void)state;
    BIO *bio = BIO_new_file("/nonexistent/secret-path", "r");
    assert_null(bio);
    assert_null(strstr(pki_ossl_reason(pool), "secret-path"));
}

/* The address sanitizer and valgrind see what would not be freed */
static void test_the_pool_frees_what_it_owns(void **state)
{
    (void)state;
    apr_pool_t *own;
    apr_pool_create(&own, pool);
    X509 *cert = X509_new();
    assert_ptr_equal(pki_ossl_own_x509(cert, own), cert);
    X509_up_ref(cert);
    STACK_OF(X509) *certs = sk_X509_new_null();
    sk_X509_push(certs, cert);
    assert_ptr_equal(pki_ossl_own_certs(certs, own), certs);
    assert_non_null(pki_ossl_own_pkey(EVP_PKEY_new(), own));
    assert_non_null(pki_ossl_own_name(X509_NAME_new(), own));
    assert_non_null(pki_ossl_own_store(X509_STORE_new(), own));
    X509_up_ref(cert);
    apr_pool_destroy(own);
    assert_int_equal(X509_set_version(cert, 2), 1); /* ours is still there */
    X509_free(cert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_the_reason_is_told_once),
        EST_TEST(test_the_reason_has_no_data),
        EST_TEST(test_the_pool_frees_what_it_owns),
    };
    return EST_TEST_RUN(tests);
}
