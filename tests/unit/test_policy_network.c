/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "policy/policy_network.h"

static apr_sockaddr_t *address_of(const char *numeric)
{
    apr_sockaddr_t *address;

    assert_int_equal(apr_sockaddr_info_get(&address, numeric, APR_UNSPEC, 0, 0, pool), APR_SUCCESS);
    return address;
}

static void test_which_network_has_which_address(void **state)
{
    static const struct {
        const char *network, *address;
        int expected;
        const char *reason;
    } rows[] = {
        {"10.0.0.0/8", "10.255.0.1", 1, "inside"},
        {"10.0.0.0/8", "11.0.0.1", 0, "outside"},
        {"192.0.2.128/25", "192.0.2.128", 1, "lower edge"},
        {"192.0.2.128/25", "192.0.2.127", 0, "below the edge"},
        {"192.0.2.7", "192.0.2.7", 1, "one address"},
        {"192.0.2.7", "192.0.2.8", 0, "another address"},
        {"192.0.2.7/32", "192.0.2.7", 1, "one address, written out"},
        {"2001:db8::/32", "2001:db8:ffff::1", 1, "IPv6, inside"},
        {"2001:db8::/32", "2001:db9::1", 0, "IPv6, outside"},
        {"::1/128", "::1", 1, "IPv6, one address"},
        {"10.0.0.0/8", "::ffff:10.1.2.3", 1, "IPv4 inside IPv6"},
        {"10.0.0.0/8", "2001:db8::1", 0, "the other family"},
        {"2001:db8::/32", "10.1.2.3", 0, "the other family"},
        {"0.0.0.0/0", "10.1.2.3", 1, "all of IPv4, lower half"},
        {"0.0.0.0/0", "203.0.113.1", 1, "all of IPv4, upper half"},
        {"0.0.0.0/0", "::ffff:203.0.113.1", 1, "all of IPv4, inside IPv6"},
        {"0.0.0.0/0", "2001:db8::1", 0, "all of IPv4 is not IPv6"},
        {"::/0", "2001:db8::1", 1, "all of IPv6, lower half"},
        {"::/0", "fe80::1", 1, "all of IPv6, upper half"},
        {"::/0", "10.1.2.3", 0, "all of IPv6 is not IPv4"},
        {"nonsense", "10.1.2.3", 0, "not a network"},
        {"nonsense/0", "10.1.2.3", 0, "not a network of everything"},
        {"", "10.1.2.3", 0, "nothing"},
        {"10.0.0.0/33", "10.0.0.0", 0, "too long a prefix"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (policy_network_has(rows[i].network, address_of(rows[i].address), pool) != rows[i].expected)
            fail_msg("%s, %s: expected %d (%s)", rows[i].network, rows[i].address, rows[i].expected, rows[i].reason);
}

static void test_what_is_a_network(void **state)
{
    static const char *const good[] = {"10.0.0.0/8", "10.1.2.3", "0.0.0.0/0", "::/0", "2001:db8::/32", "fe80::1"};
    static const char *const bad[] = {"",           "/",        "/8", "10.0.0.0/", "10.0.0.0/33",    "10.0.0.0/-1",
                                      "10.0.0.0/x", "10.0.0.*", "**", "host",      "2001:db8::/129", "300.0.0.0/8",
                                      "10.0.0.0/00"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!policy_network_is_valid(good[i], pool))
            fail_msg("%s is a network", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (policy_network_is_valid(bad[i], pool))
            fail_msg("\"%s\" is not a network", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_which_network_has_which_address),
        EST_TEST(test_what_is_a_network),
    };
    return EST_TEST_RUN(tests);
}
