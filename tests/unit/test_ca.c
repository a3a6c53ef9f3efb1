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

/* Each gate has its own; a CA without any has none to tell of */
static void test_the_state_of_its_gates(void **state)
{
    static const char *const urls[] = {"https://a/est", "https://b/est", NULL};
    ca_gate_rules_t rules = {4, 1, apr_time_from_sec(10), apr_time_from_sec(15)};
    ca_t ca = {.n_gates = 2, .guarded = urls, .rules = &rules}, bare = {.n_gates = 0};
    apr_time_t now = APR_TIME_C(1770091506789012);
    const ca_gate_status_t *gates;
    int place, wait;

    (void)state;
    ca_gate_t *memory = apr_pcalloc(pool, ca_shared_size(&ca));
    ca_gate_t *second = (ca_gate_t *)((char *)memory + ca_gate_size());
    ca_share(&ca, memory);
    assert_int_equal(ca_gate_enter(&place, &wait, memory, &rules, now), CA_GATE_OPEN);
    assert_int_equal(ca_gate_enter(&place, &wait, second, &rules, now), CA_GATE_OPEN);
    ca_gate_leave(second, &rules, place, CA_GATE_BAD, now);
    assert_int_equal(ca_status(&gates, &ca, now, pool), 2);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(gates[i].name, urls[i]);
        assert_int_equal(gates[i].places, 4);
        assert_int_equal(gates[i].failures, 1);
    }
    assert_int_equal(gates[0].look.state, CA_GATE_IS_OPEN);
    assert_int_equal(gates[0].look.inside, 1);
    assert_int_equal(gates[1].look.state, CA_GATE_IS_CLOSED);
    assert_int_equal(gates[1].look.wait, 10);
    assert_int_equal(gates[1].look.inside, 0);
    assert_int_equal(ca_status(&gates, &bare, now, pool), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_local_is_the_default_driver),
        EST_TEST(test_a_driver_is_found_by_its_name),
        EST_TEST(test_an_unknown_driver_is_refused_and_the_known_ones_are_named),
        EST_TEST(test_the_state_of_its_gates),
    };
    return EST_TEST_RUN(tests);
}
