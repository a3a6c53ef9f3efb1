/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "pki/pki_der.h"
#include "pki/pki_reqattr.h"
#include "pki/pki_reqcode.h"

#define SECRET "correct-horse"

static pki_csr_t *decoded(const csr_spec_t *spec)
{
    pki_csr_t *csr;

    ASSERT_OK(pki_csr_decode(&csr, make_csr(spec), pool));
    return csr;
}

static int occurs(est_slice_t in, const char *text)
{
    return memmem(in.p, in.n, text, strlen(text)) != NULL;
}

/* Every place, beside what is not to be touched: another attribute, a name that has the same letters, an extension */
static void test_a_code_is_taken_out_of_the_request(void **state)
{
    static const struct {
        csr_spec_t spec;
        pki_reqcode_place_t place;
        const char *attribute, *subject; /* NULL: none, the same */
    } rows[] = {
        {{.subject = "CN=dev1,O=Example", .challenge = SECRET, .otp = "other"}, PKI_REQCODE_CHALLENGE, NULL, NULL},
        {{.subject = "CN=dev1,O=Example", .challenge = "other", .otp = SECRET}, PKI_REQCODE_OTP, NULL, NULL},
        {{.subject = "CN=dev1,serialNumber=" SECRET ",O=Example", .challenge = "other"},
         PKI_REQCODE_SUBJECT,
         "serialNumber",
         "O=Example,CN=dev1"},
        {{.subject = "serialNumber=" SECRET}, PKI_REQCODE_SUBJECT, "serialNumber", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        csr_spec_t spec = rows[i].spec;
        const pki_csr_t *without;
        pki_csr_t *csr, *again;
        pki_reqattrs_t attrs;
        const char *code;

        spec.exts[0] = "subjectAltName=DNS:a.example";
        csr = decoded(&spec);
        ASSERT_OK(pki_reqcode_take(&code, &without, csr, rows[i].place, rows[i].attribute, pool));
        assert_string_equal(code, SECRET);
        assert_string_equal(without->subject->text, rows[i].subject ? rows[i].subject : csr->subject->text);
        assert_int_equal(without->san.n_names, 1);
        assert_ptr_equal(without->key, csr->key);
        ASSERT_OK(pki_reqattr_read(&attrs, without, pool));
        if (rows[i].place == PKI_REQCODE_CHALLENGE) {
            assert_null(without->challenge);
            assert_string_equal(attrs.otp, "other");
        } else {
            assert_ptr_equal(without->challenge, csr->challenge);
            assert_null(attrs.otp);
        }
        /* nowhere in what may be kept, which can be read, and proves nothing */
        assert_true(occurs(csr->der, SECRET) && !occurs(without->der, SECRET) && !occurs(without->info, SECRET));
        assert_int_equal(without->der.n, csr->der.n);
        ASSERT_OK(pki_der_check(without->der, pool));
        ASSERT_OK(pki_csr_decode(&again, without->der, pool));
        ASSERT_FAILS(pki_csr_verify(again, pool), csr_signature, NULL);
        assert_true(rows[i].spec.challenge == NULL || rows[i].place == PKI_REQCODE_CHALLENGE ||
                    occurs(without->der, "other"));
        ASSERT_OK(pki_csr_verify(csr, pool)); /* the original is as it was */
    }
}

/* The same octets elsewhere are no secret */
static void test_only_the_code_is_masked(void **state)
{
    csr_spec_t spec = {.subject = "CN=dev1,O=dev1", .challenge = "dev1"};
    const pki_csr_t *without;
    pki_csr_t *again;
    const char *code;

    (void)state;
    ASSERT_OK(pki_reqcode_take(&code, &without, decoded(&spec), PKI_REQCODE_CHALLENGE, NULL, pool));
    ASSERT_OK(pki_csr_decode(&again, without->der, pool));
    assert_string_equal(again->subject->text, "O=dev1,CN=dev1");
    assert_string_equal(again->challenge, "****");
}

static void test_a_request_without_a_code_stays_as_it_is(void **state)
{
    static const pki_reqcode_place_t places[] = {PKI_REQCODE_CHALLENGE, PKI_REQCODE_OTP, PKI_REQCODE_SUBJECT};
    csr_spec_t spec = {.subject = "CN=dev1"};
    pki_csr_t *csr = decoded(&spec);

    (void)state;
    for (int i = 0; i < 3; i++) {
        const pki_csr_t *without;
        const char *code = "x";

        ASSERT_OK(pki_reqcode_take(&code, &without, csr, places[i], "serialNumber", pool));
        assert_null(code);
        assert_ptr_equal(without, csr);
    }
}

static void test_requests_that_are_unclear_are_refused(void **state)
{
    csr_spec_t two = {.subject = "CN=dev1,serialNumber=a,serialNumber=b"};
    csr_spec_t unwritable = {.subject = "CN=dev1,serialNumber=a"};
    const pki_csr_t *without;
    pki_csr_t *csr;
    const char *code;

    (void)state;
    ASSERT_FAILS(pki_reqcode_take(&code, &without, decoded(&two), PKI_REQCODE_SUBJECT, "serialNumber", pool),
                 csr_attribute, "two attributes serialNumber");
    /* what remains of the subject is a name that could be issued */
    csr = decoded(&unwritable);
    pki_attr_t attrs[] = {{NID_commonName, "CN", apr_psprintf(pool, "%065d", 1), 0}, csr->subject->attrs[1]};
    csr->subject->attrs = attrs;
    ASSERT_FAILS(pki_reqcode_take(&code, &without, csr, PKI_REQCODE_SUBJECT, "serialNumber", pool), name_invalid,
                 "CN: too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_a_code_is_taken_out_of_the_request),
        EST_TEST(test_only_the_code_is_masked),
        EST_TEST(test_a_request_without_a_code_stays_as_it_is),
        EST_TEST(test_requests_that_are_unclear_are_refused),
    };
    return EST_TEST_RUN(tests);
}
