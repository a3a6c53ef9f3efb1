/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "pki/pki_token_uri.h"

static void test_what_is_a_uri(void **state)
{
    (void)state;
    assert_true(pki_token_is_uri("pkcs11:token=a;object=b"));
    assert_true(pki_token_is_uri("PKCS11:token=a;object=b"));
    assert_false(pki_token_is_uri("/etc/est/issuing.key"));
    assert_false(pki_token_is_uri("pkcs11"));
    assert_false(pki_token_is_uri("/pkcs11:"));
}

static void test_uris_that_name_a_key(void **state)
{
    static const struct {
        const char *uri, *made;
    } rows[] = {
        {"pkcs11:token=est;object=issuing", "pkcs11:token=est;object=issuing;type=private"},
        {"PKCS11:token=est;object=issuing", "pkcs11:token=est;object=issuing;type=private"},
        {"pkcs11:token=est;object=issuing;type=private", "pkcs11:token=est;object=issuing;type=private"},
        {"pkcs11:type=private;id=%01%aF;token=Our%20HSM", "pkcs11:type=private;id=%01%aF;token=Our%20HSM"},
        {"pkcs11:serial=0815;id=a", "pkcs11:serial=0815;id=a;type=private"},
        {"pkcs11:slot-id=1;object=a", "pkcs11:slot-id=1;object=a;type=private"},
        {"pkcs11:token=spin-value;object=a", "pkcs11:token=spin-value;object=a;type=private"},
        {"pkcs11:model=m;manufacturer=SoftHSM%20project;library-version=2.6;object=a",
         "pkcs11:model=m;manufacturer=SoftHSM%20project;library-version=2.6;object=a;type=private"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *made;

        ASSERT_OK(pki_token_uri_check(&made, rows[i].uri, pool));
        assert_string_equal(made, rows[i].made);
    }
}

static void test_uris_that_are_refused(void **state)
{
    static const struct {
        const char *uri, *text;
    } rows[] = {
        {"/etc/est/issuing.key", "not a pkcs11: URI"},
        {"pkcs11:", "names no token"},
        {"pkcs11:object=a", "names no token"},
        {"pkcs11:library-version=1;object=a", "names no token"},
        {"pkcs11:token=a", "names no key"},
        {"pkcs11:token=a;object=b;type=public", "type=private"},
        {"pkcs11:token=a;object=b;type=privat", "type=private"},
        {"pkcs11:token=a;object=b;type=private2", "type=private"},
        {"pkcs11:token=a;token=b;object=c", "token is there twice"},
        {"pkcs11:token=;object=c", "value of token"},
        {"pkcs11:token=a;object=%4", "value of object"},
        {"pkcs11:token=a;object=%4g", "value of object"},
        {"pkcs11:token=a b;object=c", "value of token"},
        {"pkcs11:token=a;object=\xc3\xa4", "value of object"},
        {"pkcs11:token=a;objects=c", "\"objects\" is no attribute"},
        {"pkcs11:token=a;;object=c", "\"\" is no attribute"},
        {"pkcs11:token=a;object=c;", "nothing follows the last \";\""},
        {"pkcs11:token", "\"token\" is no attribute"},
        {"pkcs11:token=a;object=b?module-path=/usr/lib/x.so", "EstCAKeyModule"},
        {"pkcs11:token=a;object=b?module-name=x", "EstCAKeyModule"},
        {"pkcs11:token=a;object=b?", "nothing may follow"},
        {"pkcs11:token=a;object=b?x-vendor=1", "nothing may follow"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *made;

        ASSERT_ROW(pki_token_uri_check(&made, rows[i].uri, pool), EST_E_config, rows[i].text, rows[i].uri);
    }
}

/* Wherever a PIN stands, and whatever else is wrong: no message repeats it */
static void test_a_pin_is_refused_and_not_repeated(void **state)
{
    static const char *const uris[] = {
        "pkcs11:token=a;object=b?pin-value=7391",
        "pkcs11:token=a;object=b?pin-source=file:7391",
        "pkcs11:token=a;object=b?x=1&pin-value=7391",
        "pkcs11:token=a;object=b;pin-value=7391",
        "pkcs11:pin-value=7391;token=a;object=b",
        "pkcs11:wrong=1;object=b;pin-value=7391",
        "pkcs11:wrong=1?pin-value=7391",
        "pkcs11:token=a b?module-path=x&pin-value=7391",
        "pkcs11:token=a;token=b;object=c?pin-value=7391",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
        const char *made;
        est_err_t *err = pki_token_uri_check(&made, uris[i], pool);

        ASSERT_ROW(err, EST_E_config, "EstCAKeyPassphrase", uris[i]);
        assert_null(strstr(err->detail, "7391"));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        EST_TEST(test_what_is_a_uri),
        EST_TEST(test_uris_that_name_a_key),
        EST_TEST(test_uris_that_are_refused),
        EST_TEST(test_a_pin_is_refused_and_not_repeated),
    };

    return EST_TEST_RUN(tests);
}
