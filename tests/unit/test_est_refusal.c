/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op/est_refusal.h"
#include "op_test.h"

static pki_csr_t *csr_of(const char *subject, const char *san)
{
    return op_csr(&(csr_spec_t){.subject = subject, .exts = {san}});
}

static est_err_t *ask_for(const char *subject)
{
    est_issued_t issued;

    return est_issue(&issued, op_granted("/simpleenroll", "dev7", NULL), &op.service,
                     csr_of(subject, "subjectAltName=DNS:dev7"));
}

/* ---- the row */

static store_refusal_t seen;
static unsigned char seen_hash[PKI_SHA256_SIZE];

static void keep(const store_refusal_t *row)
{
    seen = *row;
    memcpy(seen_hash, row->spki_hash, sizeof(seen_hash));
    assert_int_equal(row->san->n_names, 1);
    assert_string_equal(pki_san_text(&row->san->names[0], pool), "dns:dev7");
}

static void test_the_row_says_who_was_refused_what_and_why(void **state)
{
    unsigned char hash[PKI_SHA256_SIZE];
    est_err_t *err;

    (void)state;
    op_start();
    op.store.on_refusal = keep;
    err = ask_for("CN=dev8");
    ASSERT_ROW(err, EST_E_name_not_yours, NULL, "another's name");
    assert_int_equal(op.store.refusal_calls, 1);
    assert_string_equal(seen.id, "0123456789abcdef0123456789abcdef");
    assert_int_equal(seen.alias, 1);
    assert_string_equal(seen.operation, "simpleenroll");
    assert_int_equal(seen.identity->kind, POLICY_IDENTITY_USER);
    assert_string_equal(seen.identity->name, "dev7");
    assert_int_equal(seen.identity->client->id, 7);
    assert_string_equal(seen.network, "192.0.2.1");
    assert_string_equal(seen.subject, "CN=dev8");
    assert_string_equal(seen.rule, "own_names");
    assert_string_equal(seen.reason, err->detail);
    pki_sha256(hash, csr_of("CN=dev8", NULL)->key->spki);
    assert_memory_equal(seen_hash, hash, sizeof(hash));
}

static void test_a_refusal_by_the_database_is_named_after_its_error(void **state)
{
    (void)state;
    op_start();
    op.store.on_refusal = keep;
    op_record_says(
        (store_outcome_t){.kind = STORE_REFUSED, .rule = "active_limit", .detail = "2; wanted: fewer than 2"});
    ASSERT_ROW(ask_for("CN=dev7"), EST_E_active_limit, "fewer than 2", "active_limit");
    assert_string_equal(seen.rule, "active_limit");
    assert_string_equal(seen.reason, "2; wanted: fewer than 2");
}

/* Rules of the database, and whether a refusal by them is a row of its own */
static void test_each_rule_of_the_database_is_an_error(void **state)
{
    static const struct {
        est_err_code_t code;
        int status, rows;
    } rows[] = {
        {EST_E_certificate_revoked, 403, 1}, {EST_E_certificate_unknown, 403, 1}, {EST_E_key_blocked, 400, 1},
        {EST_E_name_refused, 403, 1},        {EST_E_entity_unknown, 403, 1},      {EST_E_entity_suspended, 403, 1},
        {EST_E_code_refused, 401, 0},        {EST_E_vendor_refused, 403, 1},      {EST_E_name_taken, 403, 1},
        {EST_E_key_taken, 403, 1},           {EST_E_active_limit, 403, 1},        {EST_E_quota_exceeded, 403, 1},
        {EST_E_rate_exceeded, 429, 0},       {EST_E_approval_denied, 403, 0},     {EST_E_too_many_orders, 403, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *name = est_err_row(rows[i].code)->name;
        est_err_t *err;

        op_start();
        op_record_says((store_outcome_t){.kind = STORE_REFUSED, .rule = name, .detail = "so", .retry_after = 11});
        err = ask_for("CN=dev7");
        ASSERT_ROW(err, rows[i].code, "so", name);
        assert_int_equal(err->retry_after, 11);
        assert_int_equal(est_err_row(err->code)->status, rows[i].status);
        if (op.store.refusal_calls != rows[i].rows)
            fail_msg("%s: %d rows", name, op.store.refusal_calls);
    }
}

/* ---- what is no row */

static void test_trouble_of_our_own_is_no_refusal(void **state)
{
    (void)state;
    op_start();
    op.store.issue_error = EST_FAIL(pool, store_unavailable, "away");
    ASSERT_FAILS(ask_for("CN=dev7"), store_unavailable, "away");
    op.store.aliases[0].ca = "elsewhere";
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    ASSERT_FAILS(ask_for("CN=dev7"), alias_broken, "elsewhere");
    assert_int_equal(op.store.refusal_calls, 0);
}

static void test_who_is_not_known_makes_no_row(void **state)
{
    est_err_t *err;
    est_req_t *req;

    (void)state;
    op_start();
    req = op_granted("/simpleenroll", "dev7", NULL);
    err = EST_FAIL(pool, name_refused, "no");
    req->identity.code_to_come = 1;
    est_refusal_note(err, req, &op.service, csr_of("CN=a", NULL));
    memset(&req->identity, 0, sizeof(req->identity));
    est_refusal_note(err, req, &op.service, csr_of("CN=a", NULL));
    assert_int_equal(op.store.refusal_calls, 0);
}

static void test_the_guard_says_when_it_is_enough(void **state)
{
    (void)state;
    op_start();
    op.full = 1;
    ASSERT_ROW(ask_for("CN=dev8"), EST_E_name_not_yours, NULL, "not on record");
    assert_int_equal(op.store.refusal_calls, 0);
    op.service.guard = NULL;
    ASSERT_ROW(ask_for("CN=dev8"), EST_E_name_not_yours, NULL, "no guard");
    assert_int_equal(op.store.refusal_calls, 1);
}

static void test_a_row_that_fails_changes_no_answer(void **state)
{
    (void)state;
    op_start();
    op.store.refusal_error = EST_FAIL(pool, store_failed, "permission denied");
    ASSERT_ROW(ask_for("CN=dev8"), EST_E_name_not_yours, NULL, "the answer");
    assert_int_equal(op.store.refusal_calls, 1);
}

/* ---- rates (OP-10) */

static void limit_rates(void)
{
    op_start();
    op.store.aliases[0].rate_client = op.store.aliases[1].rate_client = "10";
}

static void test_who_has_been_told_to_wait_waits(void **state)
{
    est_err_t *err;

    (void)state;
    limit_rates();
    op.wait = 17;
    err = ask_for("CN=dev7");
    ASSERT_ROW(err, EST_E_rate_exceeded, "17 s", "waits");
    assert_int_equal(err->retry_after, 17);
    assert_int_equal(op.store.issue_calls + op.store.order_calls + op.store.refusal_calls, 0);
    op_start(); /* an alias without rates */
    op.wait = 17;
    ASSERT_OK(ask_for("CN=dev7"));
}

static void test_what_the_database_says_is_remembered(void **state)
{
    unsigned char key[PKI_SHA256_SIZE];

    (void)state;
    limit_rates();
    op_record_says((store_outcome_t){.kind = STORE_REFUSED, .rule = "rate_exceeded", .retry_after = 9});
    ASSERT_ROW(ask_for("CN=dev7"), EST_E_rate_exceeded, NULL, "rate");
    assert_int_equal(op.until, op.now + apr_time_from_sec(9));
    est_refusal_key(key, op_granted("/simpleenroll", "dev7", NULL), 0);
    assert_memory_equal(op.limited, key, sizeof(key));
    op.until = 0;
    op.store.refusal_wait = 4;
    ASSERT_ROW(ask_for("CN=dev8"), EST_E_name_not_yours, NULL, "a refusal that uses the rate up");
    assert_int_equal(op.until, op.now + apr_time_from_sec(4));
    op.until = 0;
    op.store.refusal_wait = 0;
    ASSERT_ROW(ask_for("CN=dev8"), EST_E_name_not_yours, NULL, "one that does not");
    assert_int_equal(op.until, 0);
}

/* Also those that have no row */
static void test_every_refusal_counts_in_a_rate_of_clients(void **state)
{
    (void)state;
    op_start();
    limit_rates();
    op.full = 1;
    op.store.on_refusal = keep;
    op.store.refusal_wait = 30;
    ASSERT_ROW(ask_for("CN=dev8"), EST_E_name_not_yours, NULL, "the answer");
    assert_int_equal(op.store.refusal_calls, 1);
    assert_null(seen.id);
    assert_string_equal(seen.identity->name, "dev7");
}

static void test_keys_tell_identities_and_aliases_apart(void **state)
{
    unsigned char keys[5][PKI_SHA256_SIZE], again[PKI_SHA256_SIZE];
    X509 *leaf;

    (void)state;
    limit_rates();
    leaf = op_holder("CN=dev7", NULL);
    est_refusal_key(keys[0], op_granted("/simpleenroll", "dev7", NULL), 0);
    est_refusal_key(keys[1], op_granted("/simpleenroll", "dev7", NULL), 1);
    est_refusal_key(keys[2], op_granted("/other/simpleenroll", "dev7", NULL), 0);
    est_refusal_key(keys[3], op_granted("/simpleenroll", "ra", NULL), 0);
    est_refusal_key(keys[4], op_granted("/simpleenroll", NULL, leaf), 0);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(keys[i], keys[j], sizeof(keys[i]));
    est_refusal_key(again, op_granted("/other/simpleenroll", "dev7", NULL), 1);
    assert_memory_equal(keys[1], again, sizeof(again));
    est_refusal_key(again, op_granted("/simplereenroll", NULL, leaf), 0);
    assert_memory_equal(keys[4], again, sizeof(again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_the_row_says_who_was_refused_what_and_why),
        EST_TEST(test_a_refusal_by_the_database_is_named_after_its_error),
        EST_TEST(test_each_rule_of_the_database_is_an_error),
        EST_TEST(test_trouble_of_our_own_is_no_refusal),
        EST_TEST(test_who_is_not_known_makes_no_row),
        EST_TEST(test_the_guard_says_when_it_is_enough),
        EST_TEST(test_a_row_that_fails_changes_no_answer),
        EST_TEST(test_who_has_been_told_to_wait_waits),
        EST_TEST(test_what_the_database_says_is_remembered),
        EST_TEST(test_every_refusal_counts_in_a_rate_of_clients),
        EST_TEST(test_keys_tell_identities_and_aliases_apart),
    };
    return EST_TEST_RUN(tests);
}
