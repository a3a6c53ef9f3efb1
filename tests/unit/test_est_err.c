/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

static void test_every_row_is_complete(void **state)
{
    (void)state;
    for (int code = 0; code < EST_E__COUNT; code++) {
        const est_err_row_t *row = est_err_row((est_err_code_t)code);
        assert_non_null(row->name);
        assert_in_range(row->id, 1001, 9999);
        assert_in_range(row->status, 400, 599);
        assert_true(strlen(row->text) > 0 && strlen(row->text) < 120);
        for (int other = 0; other < code; other++) {
            assert_string_not_equal(row->name, est_err_row((est_err_code_t)other)->name);
            assert_int_not_equal(row->id, est_err_row((est_err_code_t)other)->id);
        }
    }
}

static void test_row_belongs_to_its_code(void **state)
{
    (void)state;
    assert_string_equal(est_err_row(EST_E_csr_signature)->name, "csr_signature");
    assert_int_equal(est_err_row(EST_E_csr_signature)->failinfo, EST_FAILINFO_popFailed);
    assert_int_equal(est_err_row(EST_E_store_unavailable)->status, 503);
    assert_int_equal(est_err_row(EST_E_store_unavailable)->level, EST_LOG_ERROR);
}

static void test_a_code_out_of_range_is_an_internal_error(void **state)
{
    (void)state;
    assert_string_equal(est_err_row((est_err_code_t)9999)->name, "internal");
    assert_string_equal(est_err_row((est_err_code_t)-1)->name, "internal");
}

static void test_error_records_where_and_why(void **state)
{
    (void)state;
    int line = __LINE__ + 1;
    est_err_t *err = EST_FAIL(pool, key_rejected, "RSA %d < %d", 1024, 2048);
    assert_int_equal(err->code, EST_E_key_rejected);
    assert_string_equal(err->detail, "RSA 1024 < 2048");
    assert_string_equal(err->file, __FILE__);
    assert_int_equal(err->line, line);
    assert_int_equal(err->retry_after, 0);
    assert_null(est_err_make(pool, EST_E_busy, __FILE__, __LINE__, NULL)->detail);
}

/* N-08, P-10: what a client sent cannot forge a log line */
static void test_control_characters_of_a_detail_are_replaced(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"a\r\nb", "a??b"},
        {"\x1b[2J", "?[2J"},
        {"\x7f", "?"},
        {"nel\xc2\x85", "nel??"},
        {"m\xc3\xbcnchen", "m\xc3\xbcnchen"},
        /* the database takes UTF-8 alone: what an upstream has said would be on no record */
        {"m\xfcnchen", "m?nchen"},
        {"cut \xc3", "cut ?"},
        {"\xc0\x9b \xed\xa0\x80", "?? ???"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(EST_FAIL(pool, name_invalid, "%s", rows[i].in)->detail, rows[i].out);
}

static est_err_t *forward(est_err_t *err, int *reached)
{
    EST_TRY(err);
    *reached = 1;
    return NULL;
}

static void test_try_returns_the_error_itself(void **state)
{
    (void)state;
    int reached = 0;
    est_err_t *err = EST_FAIL(pool, busy, "x");
    assert_ptr_equal(forward(err, &reached), err);
    assert_int_equal(reached, 0);
    assert_null(forward(NULL, &reached));
    assert_int_equal(reached, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_every_row_is_complete),
        EST_TEST(test_row_belongs_to_its_code),
        EST_TEST(test_a_code_out_of_range_is_an_internal_error),
        EST_TEST(test_error_records_where_and_why),
        EST_TEST(test_control_characters_of_a_detail_are_replaced),
        EST_TEST(test_try_returns_the_error_itself),
    };
    return EST_TEST_RUN(tests);
}
