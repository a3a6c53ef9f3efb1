/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "ca/ca.h"
#include "ca/ca_local.h"

static ca_config_t config_of(const char *driver)
{
    EVP_PKEY *key = make_key("P-256");
    X509 *cert = make_ca("CN=CA", key, NULL, NULL);
    const char *dir = temp_dir();

    return (ca_config_t){.name = "issuing",
                         .driver = driver,
                         .certificate = cert_file(dir, "ca.pem", 1, &cert),
                         .key = key_file(dir, "ca.key", key),
                         .where = "est.conf:7"};
}

static void test_local_is_the_default_driver(void **state)
{
    ca_config_t config = config_of(NULL);
    ca_t *ca;

    (void)state;
    ASSERT_OK(ca_open(&ca, &config, pool));
    assert_ptr_equal(ca->driver, &ca_local_driver);
    assert_string_equal(ca->driver->name, "local");
}

static void test_a_driver_is_found_by_its_name(void **state)
{
    ca_config_t config = config_of("local");
    ca_t *ca;

    (void)state;
    ASSERT_OK(ca_open(&ca, &config, pool));
    assert_ptr_equal(ca->driver, &ca_local_driver);
}

static void test_an_unknown_driver_is_refused_and_the_known_ones_are_named(void **state)
{
    ca_config_t config = config_of("Local");
    ca_t *ca;

    (void)state;
    ASSERT_FAILS(ca_open(&ca, &config, pool), config,
                 "<EstCA issuing> at est.conf:7: there is no EstCADriver \"Local\" (known: local, est, cmp)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_local_is_the_default_driver),
        EST_TEST(test_a_driver_is_found_by_its_name),
        EST_TEST(test_an_unknown_driver_is_refused_and_the_known_ones_are_named),
    };
    return EST_TEST_RUN(tests);
}
