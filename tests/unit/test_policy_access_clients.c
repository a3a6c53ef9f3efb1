/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Registered clients: what their rows allow, and how these are read */
#include "access_test.h"

/* ---- what a registration says */

#define SECONDS(offset) ((int)(TEST_NOW / 1000000) + (offset))

static void test_what_a_registration_allows(void **state)
{
    const char *before = apr_psprintf(pool, "%d", SECONDS(-1)), *now = apr_psprintf(pool, "%d", SECONDS(0));
    const char *after = apr_psprintf(pool, "%d", SECONDS(1));
    const struct {
        const char *groups, *networks, *enabled, *from, *until, *address;
        answer_t answer;
        const char *reason;
    } rows[] = {
        {"5", NULL, "t", NULL, NULL, "192.0.2.1", GRANTED(USER), "unlimited"},
        {"4\n5\n6", NULL, "t", NULL, NULL, "192.0.2.1", GRANTED(USER), "one of its groups"},
        {"4\n6", NULL, "t", NULL, NULL, "192.0.2.1", DENIED(group_refused), "other groups"},
        {NULL, NULL, "t", NULL, NULL, "192.0.2.1", DENIED(group_refused), "no group"},
        {"5", NULL, "f", NULL, NULL, "192.0.2.1", DENIED(not_authorized), "disabled"},
        {"5", NULL, NULL, NULL, NULL, "192.0.2.1", DENIED(not_authorized), "not said to be enabled"},
        {"5", NULL, "t", now, NULL, "192.0.2.1", GRANTED(USER), "begins now"},
        {"5", NULL, "t", after, NULL, "192.0.2.1", DENIED(not_authorized), "begins later"},
        {"5", NULL, "t", NULL, after, "192.0.2.1", GRANTED(USER), "ends later"},
        {"5", NULL, "t", NULL, now, "192.0.2.1", DENIED(not_authorized), "has just ended"},
        {"5", NULL, "t", before, after, "192.0.2.1", GRANTED(USER), "between"},
        {"5", "192.0.2.0/24", "t", NULL, NULL, "192.0.2.1", GRANTED(USER), "in the network"},
        {"5", "192.0.2.0/24", "t", NULL, NULL, "192.0.3.1", DENIED(network_refused), "outside"},
        {"5", "10.0.0.0/8\n192.0.2.1/32", "t", NULL, NULL, "192.0.2.1", GRANTED(USER), "in the second network"},
        {"5", "192.0.2.0/24", "t", NULL, NULL, "::ffff:192.0.2.1", GRANTED(USER), "IPv4 inside IPv6"},
        {"5", "192.0.2.0/24", "t", NULL, NULL, "2001:db8::1", DENIED(network_refused), "IPv6"},
        {"5", "2001:db8::/32", "t", NULL, NULL, "2001:db8::1", GRANTED(USER), "in the IPv6 network"},
        {"5", "2001:db8::/32", "t", NULL, NULL, "2001:db9::1", DENIED(network_refused), "outside the IPv6 network"},
        {"5", "0.0.0.0/0", "t", NULL, NULL, "192.0.2.1", GRANTED(USER), "any IPv4 address"},
        {"5", "nonsense", "t", NULL, NULL, "192.0.2.1", DENIED(network_refused), "what is no network has nobody"},
        {"4", "10.0.0.0/8", "f", NULL, NULL, "192.0.2.1", DENIED(not_authorized), "disabled comes first"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_client_row_t row = good_row();
        question_t q = good_question();

        row.groups = rows[i].groups;
        row.networks = rows[i].networks;
        row.enabled = rows[i].enabled;
        row.valid_from = rows[i].from;
        row.valid_until = rows[i].until;
        q.cred.has_authorization = 1;
        q.cred.user = "dev7";
        q.cred.address = address_of(rows[i].address);
        q.cred.client = client_of(&row);
        ask(&q, POLICY_OP_ENROLL);
        ASSERT_ANSWER(&q, rows[i].answer, rows[i].reason);
    }
}

static void test_an_alias_without_group_has_no_members(void **state)
{
    policy_client_row_t row = good_row();
    question_t q = good_question();

    (void)state;
    q.alias.group = NULL;
    q.cred.user = "dev7";
    q.cred.client = client_of(&row);
    ask(&q, POLICY_OP_ENROLL);
    ASSERT_ANSWER(&q, (answer_t)DENIED(group_refused), "");
}

static void test_users_of_other_providers(void **state)
{
    question_t q = good_question();

    (void)state;
    q.cred.user = "ldap";
    ask(&q, POLICY_OP_ENROLL);
    ASSERT_ANSWER(&q, (answer_t)DENIED(not_authorized), "other_users = refuse");
    q.alias.other_users = 1;
    ask(&q, POLICY_OP_ENROLL);
    ASSERT_ANSWER(&q, (answer_t)GRANTED(USER), "other_users = group");
    assert_null(q.identity.client);
    assert_string_equal(q.identity.name, "ldap");
}

/* ---- rows of clients */

static void test_a_row_becomes_a_client(void **state)
{
    policy_client_row_t row = {"9",          "12345678901", "dev7", "$2y$...",    "a*\n**.example",
                               "10.0.0.0/8", "5\n6",        "t",    "1767225600", "1798761600"};
    policy_client_t *client = client_of(&row);

    (void)state;
    assert_int_equal(client->id, 9);
    assert_int_equal(client->version, APR_INT64_C(12345678901));
    assert_string_equal(client->user, "dev7");
    assert_string_equal(client->hash, "$2y$...");
    assert_int_equal(client->n_names, 2);
    assert_string_equal(client->names[1], "**.example");
    assert_int_equal(client->n_networks, 1);
    assert_int_equal(client->n_groups, 2);
    assert_int_equal(client->groups[1], 6);
    assert_true(client->enabled);
    assert_int_equal(client->valid_from, apr_time_from_sec(1767225600));
    assert_int_equal(client->valid_until, apr_time_from_sec(1798761600));
}

static void test_rows_that_cannot_be_understood_are_no_client(void **state)
{
    static const struct {
        size_t column;
        const char *value, *reason;
    } rows[] = {
#define COLUMN(name) offsetof(policy_client_row_t, name)
        {COLUMN(id), NULL, "no id"},
        {COLUMN(id), "0", "id 0"},
        {COLUMN(version), NULL, "no version"},
        {COLUMN(version), "-1", "negative version"},
        {COLUMN(groups), "5\nx", "group that is no number"},
        {COLUMN(groups), "0", "group 0"},
        {COLUMN(valid_from), "x", "no time"},
        {COLUMN(valid_until), "Infinity", "no time"},
#undef COLUMN
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_client_row_t row = good_row();
        policy_client_t *client;

        *(const char **)(void *)((char *)&row + rows[i].column) = rows[i].value;
        ASSERT_ROW(policy_client_make(&client, &row, pool), EST_E_alias_broken, "dev7", rows[i].reason);
    }
}

static void assert_same_client(const policy_client_t *a, const policy_client_t *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->version, b->version);
    assert_string_equal(a->user, b->user);
    assert_int_equal(a->hash == NULL, b->hash == NULL);
    if (a->hash)
        assert_string_equal(a->hash, b->hash);
    assert_int_equal(a->n_names, b->n_names);
    for (int i = 0; i < a->n_names; i++)
        assert_string_equal(a->names[i], b->names[i]);
    assert_int_equal(a->n_networks, b->n_networks);
    for (int i = 0; i < a->n_networks; i++)
        assert_string_equal(a->networks[i], b->networks[i]);
    assert_int_equal(a->n_groups, b->n_groups);
    for (int i = 0; i < a->n_groups; i++)
        assert_int_equal(a->groups[i], b->groups[i]);
    assert_int_equal(a->enabled, b->enabled);
    assert_int_equal(a->valid_from, b->valid_from);
    assert_int_equal(a->valid_until, b->valid_until);
}

static const policy_client_row_t packed_rows[] = {
    {"9", "3", "dev7", "$2y$...", "own", "10.0.0.0/8\n::1", "5\n6", "t", "1767225600", "1798761600"},
    {"1", "0", "x", NULL, NULL, NULL, NULL, "f", NULL, NULL},
    {"1", "0", "", "", "", "", "", "", NULL, NULL}, /* empty is not NULL */
};

static void test_packing_and_unpacking_gives_the_same_client(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(packed_rows) / sizeof(packed_rows[0]); i++) {
        policy_client_t *client;
        est_slice_t packed = policy_client_pack(&packed_rows[i], pool);

        ASSERT_OK(policy_client_unpack(&client, packed, pool));
        assert_same_client(client, client_of(&packed_rows[i]));
    }
}

/* A copy of exactly the octets that are there, so that a sanitizer sees a read beyond them */
static void test_cut_off_octets_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(packed_rows) / sizeof(packed_rows[0]); i++) {
        est_slice_t packed = policy_client_pack(&packed_rows[i], pool);

        for (apr_size_t n = 0; n < packed.n; n++) {
            unsigned char *cut = malloc(n ? n : 1);
            policy_client_t *client;
            est_err_t *err;

            assert_non_null(cut);
            memcpy(cut, packed.p, n);
            err = policy_client_unpack(&client, est_slice(cut, n), pool);
            free(cut);
            ASSERT_ROW(err, EST_E_internal, "cut off", apr_psprintf(pool, "row %d cut at %d", (int)i, (int)n));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_what_a_registration_allows),
        EST_TEST(test_an_alias_without_group_has_no_members),
        EST_TEST(test_users_of_other_providers),
        EST_TEST(test_a_row_becomes_a_client),
        EST_TEST(test_rows_that_cannot_be_understood_are_no_client),
        EST_TEST(test_packing_and_unpacking_gives_the_same_client),
        EST_TEST(test_cut_off_octets_are_refused),
    };

    return EST_TEST_RUN(tests);
}
