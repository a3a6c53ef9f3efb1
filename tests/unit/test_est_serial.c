/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op_test.h"

#include <openssl/rand.h>

#define SERIAL_SIZE 20
enum { MANY = 10000 };

static int real_random(const est_env_t *env, unsigned char *buf, apr_size_t len)
{
    (void)env;
    return RAND_bytes(buf, (int)len) == 1;
}

/* The serial number of a certificate that is issued now */
static void next_serial(unsigned char serial[SERIAL_SIZE], const pki_csr_t *csr)
{
    est_issued_t issued;

    ASSERT_OK(est_issue(&issued, op_granted("/simpleenroll", "dev7", NULL), &op.service, csr));
    const unsigned char *p = issued.der.p;
    X509 *cert = d2i_X509(NULL, &p, (long)issued.der.n);
    assert_non_null(cert);
    const ASN1_INTEGER *encoded = X509_get0_serialNumber(cert);
    BIGNUM *number = ASN1_INTEGER_to_BN(encoded, NULL);
    assert_false(BN_is_negative(number) || BN_is_zero(number));
    assert_true(i2d_ASN1_INTEGER((ASN1_INTEGER *)encoded, NULL) <= 2 + SERIAL_SIZE);
    assert_int_equal(BN_bn2binpad(number, serial, SERIAL_SIZE), SERIAL_SIZE);
    BN_free(number);
    X509_free(cert);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, SERIAL_SIZE);
}

/* CP-01, CP-02: positive, at most 20 octets in DER, no two the same, and each of the 159 bits is 0 here and 1 there */
static void test_ten_thousand_serial_numbers(void **state)
{
    static unsigned char serials[MANY][SERIAL_SIZE];
    unsigned char ones[SERIAL_SIZE] = {0}, zeros[SERIAL_SIZE] = {0};
    apr_pool_t *whole = pool;
    pki_csr_t *csr;

    (void)state;
    op_start();
    op.env.random = real_random;
    csr = op_csr(&(csr_spec_t){.subject = "CN=dev7"});
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(apr_pool_create(&pool, whole), APR_SUCCESS);
        next_serial(serials[i], csr);
        apr_pool_destroy(pool);
        pool = whole;
        for (int j = 0; j < SERIAL_SIZE; j++) {
            ones[j] |= serials[i][j];
            zeros[j] |= (unsigned char)~serials[i][j];
        }
    }
    for (int j = 0; j < SERIAL_SIZE; j++) {
        assert_int_equal(ones[j], j ? 0xff : 0x7f);
        assert_int_equal(zeros[j], 0xff);
    }
    qsort(serials, MANY, SERIAL_SIZE, compare);
    for (int i = 1; i < MANY; i++)
        assert_true(compare(serials[i - 1], serials[i]) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_ten_thousand_serial_numbers),
    };
    return EST_TEST_RUN(tests);
}
