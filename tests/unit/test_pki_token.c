/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "token_test.h"

#include "pki/pki_token_uri.h"

#include <apr_atomic.h>
#include <apr_thread_proc.h>
#include <openssl/err.h>

#define PIN "pin-7391"

static pki_token_key_t *make_key_of(const char *uri, const char *pin, X509 *cert)
{
    pki_token_spec_t spec = {.module = SOFTHSM, .pin = pin, .cert = cert, .patience = apr_time_from_sec(10)};
    pki_token_key_t *key;

    ASSERT_OK(pki_token_uri_check(&spec.uri, uri, pool));
    pki_token_key_make(&key, &spec, pool);
    return key;
}

static pki_token_key_t *start_key(const char *uri, const char *pin, X509 *cert)
{
    pki_token_key_t *key = make_key_of(uri, pin, cert);

    pki_token_key_start(key, NULL, pool);
    return key;
}

static X509 *cert_of(EVP_PKEY *key)
{
    return make_ca("CN=CA", key, NULL, NULL);
}

static est_err_t *sign_some(pki_token_key_t *key, est_slice_t *signature, const EVP_MD *md, apr_pool_t *p)
{
    est_err_t *err = pki_token_sign(signature, est_slice("to be signed", 12), md, key, p);

    assert_int_equal(ERR_peek_error(), 0); /* mod_ssl would come upon it */
    return err;
}

static int is_right(est_slice_t signature, const EVP_MD *md, EVP_PKEY *key)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int is = EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1 &&
             EVP_DigestVerify(ctx, signature.p, signature.n, (const unsigned char *)"to be signed", 12) == 1;

    EVP_MD_CTX_free(ctx);
    return is;
}

static void assert_signs(pki_token_key_t *key, const EVP_MD *md, EVP_PKEY *pkey)
{
    est_slice_t signature;

    ASSERT_OK(sign_some(key, &signature, md, pool));
    assert_true(is_right(signature, md, pkey));
}

/* ---- signatures */

static void test_each_type_of_key_signs(void **state)
{
    static const char *const kinds[] = {"P-256", "P-384", "P-521", "RSA", "RSA3072"};
    EVP_PKEY *keys[5];

    (void)state;
    make_hsm();
    make_token("est", PIN);
    for (int i = 0; i < 5; i++) {
        keys[i] = i == 4 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)3072) : make_key(kinds[i]);
        import_key("est", PIN, keys[i], kinds[i], apr_psprintf(pool, "0%d", i + 1));
    }
    for (int i = 0; i < 5; i++) {
        pki_token_key_t *key =
            start_key(apr_pstrcat(pool, "pkcs11:token=est;object=", kinds[i], NULL), PIN, cert_of(keys[i]));

        assert_signs(key, EVP_sha256(), keys[i]);
        assert_signs(key, EVP_sha384(), keys[i]);
        assert_signs(key, EVP_sha512(), keys[i]);
        key = start_key(apr_psprintf(pool, "pkcs11:token=est;id=%%0%d", i + 1), PIN, cert_of(keys[i]));
        assert_signs(key, EVP_sha256(), keys[i]);
    }
    EVP_PKEY_free(keys[4]);
}

/* One module, two tokens, of which each has a PIN of its own */
static void test_tokens_do_not_get_each_others_pin(void **state)
{
    EVP_PKEY *keys[] = {make_key("P-256"), make_key("RSA")};
    pki_token_key_t *one, *two;

    (void)state;
    make_hsm();
    make_token("one", "pin-1");
    make_token("two", "pin-2");
    import_key("one", "pin-1", keys[0], "ca", "01");
    import_key("two", "pin-2", keys[1], "ca", "01");
    one = start_key("pkcs11:token=one;object=ca", "pin-1", cert_of(keys[0]));
    two = start_key("pkcs11:token=two;object=ca", "pin-2", cert_of(keys[1]));
    for (int i = 0; i < 3; i++) {
        assert_signs(one, EVP_sha256(), keys[0]);
        assert_signs(two, EVP_sha256(), keys[1]);
    }
}

static void test_opening_says_how(void **state)
{
    EVP_PKEY *pkey = make_key("P-256");
    pki_token_key_t *key;
    const char *how = NULL;

    (void)state;
    make_hsm();
    make_token("est", PIN);
    import_key("est", PIN, pkey, "ca", "01");
    key = start_key("pkcs11:token=est;object=ca", PIN, cert_of(pkey));
    ASSERT_OK(pki_token_key_open(&how, key, pool));
    assert_true(!strcmp(how, "engine") || !strcmp(how, "provider"));
    ASSERT_OK(pki_token_key_open(&how, key, pool));
    assert_signs(key, EVP_sha256(), pkey);
}

static void test_a_key_is_closed_with_its_pool(void **state)
{
    EVP_PKEY *pkey = make_key("P-256");
    X509 *cert = cert_of(pkey);
    est_slice_t signature;

    (void)state;
    make_hsm();
    make_token("est", PIN);
    import_key("est", PIN, pkey, "ca", "01");
    for (int i = 0; i < 3; i++) {
        pki_token_key_t *key = make_key_of("pkcs11:token=est;object=ca", PIN, cert);
        apr_pool_t *process;

        ASSERT_FAILS(sign_some(key, &signature, EVP_sha256(), pool), ca_unavailable, "not made ready");
        apr_pool_create(&process, pool);
        pki_token_key_start(key, NULL, process);
        assert_signs(key, EVP_sha256(), pkey);
        apr_pool_destroy(process);
        ASSERT_FAILS(sign_some(key, &signature, EVP_sha256(), pool), ca_unavailable, "not made ready");
    }
}

/* ---- what is not there */

static void test_what_is_not_there_may_come(void **state)
{
    EVP_PKEY *pkey = make_key("P-256");
    X509 *cert = cert_of(pkey);
    pki_token_key_t *key;
    est_slice_t signature;
    const char *how;

    (void)state;
    make_hsm();
    key = start_key("pkcs11:token=est;object=ca", PIN, cert);
    ASSERT_FAILS(pki_token_key_open(&how, key, pool), ca_unavailable, "pkcs11:token=est;object=ca;type=private cannot");
    ASSERT_FAILS(sign_some(key, &signature, EVP_sha256(), pool), ca_unavailable, SOFTHSM);
    make_token("est", PIN);
    ASSERT_FAILS(sign_some(key, &signature, EVP_sha256(), pool), ca_unavailable, "cannot be had");
    import_key("est", PIN, pkey, "other", "02");
    ASSERT_FAILS(sign_some(key, &signature, EVP_sha256(), pool), ca_unavailable, "cannot be had");
    import_key("est", PIN, pkey, "ca", "01");
    assert_signs(key, EVP_sha256(), pkey);
}

static void test_a_token_goes_away_and_comes_back(void **state)
{
    EVP_PKEY *keys[] = {make_key("P-256"), make_key("RSA")};
    pki_token_key_t *ec, *rsa;
    est_slice_t signature;

    (void)state;
    make_hsm();
    make_token("est", PIN);
    import_key("est", PIN, keys[0], "ec", "01");
    import_key("est", PIN, keys[1], "rsa", "02");
    ec = start_key("pkcs11:token=est;object=ec", PIN, cert_of(keys[0]));
    rsa = start_key("pkcs11:token=est;object=rsa", PIN, cert_of(keys[1]));
    assert_signs(ec, EVP_sha256(), keys[0]);
    assert_signs(rsa, EVP_sha256(), keys[1]);
    for (int i = 0; i < 3; i++) {
        take_tokens_away();
        ASSERT_FAILS(sign_some(ec, &signature, EVP_sha256(), pool), ca_unavailable, "cannot be had");
        ASSERT_FAILS(sign_some(rsa, &signature, EVP_sha256(), pool), ca_unavailable, "cannot be had");
        ASSERT_FAILS(sign_some(ec, &signature, EVP_sha256(), pool), ca_unavailable, "cannot be had");
        bring_tokens_back();
        assert_signs(ec, EVP_sha256(), keys[0]);
        assert_signs(rsa, EVP_sha256(), keys[1]);
    }
    /* away and back while nobody signs: who comes next notices nothing */
    take_tokens_away();
    bring_tokens_back();
    assert_signs(rsa, EVP_sha256(), keys[1]);
    assert_signs(ec, EVP_sha256(), keys[0]);
}

static void test_modules_that_are_none(void **state)
{
    EVP_PKEY *pkey = make_key("P-256");
    pki_token_spec_t spec = {.uri = "pkcs11:token=est;object=ca;type=private", .patience = apr_time_from_sec(10)};
    const char *how;
    FILE *file = temp_file(&spec.module, temp_dir(), "module.so");

    (void)state;
    fputs("no library", file);
    fclose(file);
    spec.cert = cert_of(pkey);
    for (int i = 0; i < 2; i++) {
        pki_token_key_t *key;

        pki_token_key_make(&key, &spec, pool);
        pki_token_key_start(key, NULL, pool);
        ASSERT_FAILS(pki_token_key_open(&how, key, pool), ca_unavailable, spec.module);
        spec.module = "/nowhere/module.so";
    }
}

/* ---- what is wrong */

static void test_a_key_of_another_certificate(void **state)
{
    EVP_PKEY *pkey = make_key("P-256");
    static const char *const kinds[] = {"P-256", "P-384", "RSA"};

    (void)state;
    make_hsm();
    make_token("est", PIN);
    import_key("est", PIN, pkey, "ca", "01");
    for (int i = 0; i < 3; i++) {
        pki_token_key_t *key = start_key("pkcs11:token=est;object=ca", PIN, cert_of(make_key(kinds[i])));
        est_slice_t signature;

        ASSERT_FAILS(sign_some(key, &signature, EVP_sha256(), pool), ca_failed,
                     "pkcs11:token=est;object=ca;type=private does not fit EstCACertificate");
    }
}

/* The token counts them, and locks: one attempt, of all processes that share the verdict, not one for each request */
static void test_a_wrong_pin_is_tried_once(void **state)
{
    EVP_PKEY *pkey = make_key("P-256");
    pki_token_pin_t *pin = apr_pcalloc(pool, sizeof(*pin));
    X509 *cert = cert_of(pkey);
    pki_token_key_t *key, *other;
    est_slice_t signature;
    est_err_t *err;

    (void)state;
    make_hsm();
    make_token("est", PIN);
    import_key("est", PIN, pkey, "ca", "01");
    key = make_key_of("pkcs11:token=est;object=ca", "wrong-5150", cert);
    pki_token_key_start(key, pin, pool);
    err = sign_some(key, &signature, EVP_sha256(), pool);
    ASSERT_ROW(err, EST_E_ca_failed, "refuses the PIN of EstCAKeyPassphrase", "wrong PIN");
    assert_null(strstr(err->detail, "5150"));
    /* It is not asked again: a process that has the right one is told no by the verdict, not by the token */
    other = make_key_of("pkcs11:token=est;object=ca", PIN, cert);
    pki_token_key_start(other, pin, pool);
    ASSERT_FAILS(sign_some(other, &signature, EVP_sha256(), pool), ca_failed, "refuses the PIN");
    ASSERT_FAILS(sign_some(key, &signature, EVP_sha256(), pool), ca_failed, "refuses the PIN");
    /* After a restart, with the right one */
    memset(pin, 0, sizeof(*pin));
    assert_signs(other, EVP_sha256(), pkey);
}

/* While one process tries the PIN the others wait; when it has died they go on */
static void test_one_process_tries_the_pin(void **state)
{
    EVP_PKEY *pkey = make_key("P-256");
    pki_token_pin_t *pin = apr_pcalloc(pool, sizeof(*pin));
    pki_token_spec_t spec = {.uri = "pkcs11:token=est;object=ca;type=private",
                             .module = SOFTHSM,
                             .pin = PIN,
                             .cert = cert_of(pkey),
                             .patience = apr_time_from_sec(1)};
    pki_token_key_t *key, *patient;
    est_slice_t signature;
    est_err_t *err;
    int tries = 10;

    (void)state;
    make_hsm();
    make_token("est", PIN);
    import_key("est", PIN, pkey, "ca", "01");
    do { /* again when this process stood still until the other one counts as dead */
        pki_token_key_make(&key, &spec, pool);
        pki_token_key_start(key, pin, pool);
        pin->state = (apr_uint32_t)apr_time_sec(apr_time_now());
        err = sign_some(key, &signature, EVP_sha256(), pool);
    } while (apr_time_sec(apr_time_now()) - pin->state > 2 && --tries);
    ASSERT_FAILS(err, ca_unavailable, "another process");
    spec.patience = apr_time_from_sec(10); /* which a busy machine may need for it */
    pki_token_key_make(&patient, &spec, pool);
    pki_token_key_start(patient, pin, pool);
    pin->state = (apr_uint32_t)apr_time_sec(apr_time_now()) - 60;
    assert_signs(patient, EVP_sha256(), pkey);
}

/* Nobody is asked for it, and no other's is taken. It has to be the first test: what the engine remembers does not end
 * with a test. */
static void test_a_key_without_a_pin(void **state)
{
    EVP_PKEY *pkey = make_key("P-256");
    X509 *cert = cert_of(pkey);
    pki_token_key_t *key;
    est_slice_t signature;

    (void)state;
    make_hsm();
    make_token("est", PIN);
    import_key("est", PIN, pkey, "ca", "01");
    key = start_key("pkcs11:token=est;object=ca", NULL, cert);
    ASSERT_FAILS(sign_some(key, &signature, EVP_sha256(), pool), ca_unavailable, "cannot be had");
    assert_signs(start_key("pkcs11:token=est;id=%01", PIN, cert), EVP_sha256(), pkey);
    ASSERT_FAILS(sign_some(key, &signature, EVP_sha256(), pool), ca_failed, "EstCAKeyPassphrase is missing");
}

/* ---- threads */

#define N_THREADS 6
#define N_SIGNATURES 60

static struct {
    pki_token_key_t *keys[2];
    EVP_PKEY *pkeys[2];
    volatile apr_uint32_t signed_, refused, running;
    char wrong[N_THREADS][200]; /* what went wrong: cmocka's macros are for the test's own thread */
} t;

static void *APR_THREAD_FUNC sign_many(apr_thread_t *thread, void *data)
{
    intptr_t me = (intptr_t)data;
    apr_pool_t *p;

    (void)thread;
    apr_pool_create(&p, NULL);
    for (int i = 0; i < N_SIGNATURES && !*t.wrong[me]; i++) {
        int which = (i + (int)me) % 2;
        est_slice_t signature;
        est_err_t *err = pki_token_sign(&signature, est_slice("to be signed", 12), EVP_sha256(), t.keys[which], p);

        if (err && err->code != EST_E_ca_unavailable)
            apr_cpystrn(t.wrong[me], est_err_text(err), sizeof(t.wrong[me]));
        else if (ERR_peek_error())
            apr_snprintf(t.wrong[me], sizeof(t.wrong[me]), "left in the queue after %s: %s",
                         err ? est_err_text(err) : "success", ERR_reason_error_string(ERR_peek_error()));
        else if (!err && !is_right(signature, EVP_sha256(), t.pkeys[which]))
            apr_cpystrn(t.wrong[me], "a signature does not verify", sizeof(t.wrong[me]));
        apr_atomic_inc32(err ? &t.refused : &t.signed_);
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    apr_atomic_dec32(&t.running);
    return NULL;
}

static void test_threads_sign_while_the_token_comes_and_goes(void **state)
{
    apr_thread_t *threads[N_THREADS];
    est_slice_t signature;

    (void)state;
    make_hsm();
    make_token("est", PIN);
    for (int i = 0; i < 2; i++) {
        t.pkeys[i] = make_key(i ? "RSA" : "P-256");
        import_key("est", PIN, t.pkeys[i], i ? "rsa" : "ec", i ? "02" : "01");
        t.keys[i] =
            start_key(i ? "pkcs11:token=est;object=rsa" : "pkcs11:token=est;object=ec", PIN, cert_of(t.pkeys[i]));
        assert_signs(t.keys[i], EVP_sha256(), t.pkeys[i]);
    }
    t.running = N_THREADS;
    for (intptr_t i = 0; i < N_THREADS; i++)
        assert_int_equal(apr_thread_create(&threads[i], NULL, sign_many, (void *)i, pool), APR_SUCCESS);
    while (apr_atomic_read32(&t.running)) {
        take_tokens_away();
        (void)sign_some(t.keys[0], &signature, EVP_sha256(), pool);
        bring_tokens_back();
        (void)sign_some(t.keys[1], &signature, EVP_sha256(), pool);
    }
    for (int i = 0; i < N_THREADS; i++) {
        apr_status_t status;

        apr_thread_join(&status, threads[i]);
        assert_string_equal(t.wrong[i], "");
    }
    assert_int_equal(t.signed_ + t.refused, N_THREADS * N_SIGNATURES);
    assert_true(t.signed_ > 0);
    assert_signs(t.keys[0], EVP_sha256(), t.pkeys[0]);
    assert_signs(t.keys[1], EVP_sha256(), t.pkeys[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_a_key_without_a_pin),
        EST_TEST(test_each_type_of_key_signs),
        EST_TEST(test_tokens_do_not_get_each_others_pin),
        EST_TEST(test_opening_says_how),
        EST_TEST(test_a_key_is_closed_with_its_pool),
        EST_TEST(test_what_is_not_there_may_come),
        EST_TEST(test_a_token_goes_away_and_comes_back),
        EST_TEST(test_modules_that_are_none),
        EST_TEST(test_a_key_of_another_certificate),
        EST_TEST(test_a_wrong_pin_is_tried_once),
        EST_TEST(test_one_process_tries_the_pin),
        EST_TEST(test_threads_sign_while_the_token_comes_and_goes),
    };
    return EST_TEST_RUN(tests);
}
