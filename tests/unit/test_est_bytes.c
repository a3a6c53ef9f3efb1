/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

/* RFC 4648 section 10 */
static void test_vectors_of_rfc4648(void **state)
{
    static const struct {
        const char *plain, *encoded;
    } rows[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t out;
        apr_size_t len;
        ASSERT_OK(est_base64_decode(&out, text(rows[i].encoded), pool));
        ASSERT_SLICE(out, text(rows[i].plain));
        const char *encoded = est_base64_encode(text(rows[i].plain), 0, &len, pool);
        assert_string_equal(encoded, apr_pstrcat(pool, rows[i].encoded, "\n", NULL));
        assert_int_equal(len, strlen(encoded));
    }
}

/* B64-02 */
static void test_blanks_are_ignored_anywhere(void **state)
{
    static const char *const rows[] = {
        "Zm9vYmE=", "Zm9v\r\nYmE=\r\n", "Z m 9 v Y m E =", "\t\n Zm9vYmE=\n\n ", "Zm9vYmE\n=", "Zm9\tvYmE=",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t out;
        ASSERT_OK(est_base64_decode(&out, text(rows[i]), pool));
        ASSERT_SLICE(out, text("fooba"));
    }
}

/* B64-03, B64-04, B-01, B-02 */
static void test_what_is_not_base64_is_refused(void **state)
{
    static const struct {
        const char *in;
        apr_size_t n;
        const char *why;
    } rows[] = {
        {"====", 4, "misplaced padding at offset 0"},
        {"=", 1, "misplaced padding"},
        {"A", 1, "padding is missing"},
        {"AA", 2, "padding is missing"},
        {"AAA", 3, "padding is missing"},
        {"A===", 4, "misplaced padding"},
        {"A=", 2, "misplaced padding"},
        {"AA=", 3, "padding is missing"},
        {"AA===", 5, "misplaced padding"},
        {"AAA==", 5, "misplaced padding"},
        {"AAAA=", 5, "misplaced padding"},
        {"AAAA==", 6, "misplaced padding"},
        {"AAAA====", 8, "misplaced padding"},
        {"AB==", 4, "trailing bits"},
        {"AA==AAAA", 8, "data after the padding"},
        {"AAA=A", 5, "data after the padding"},
        {"AA=A", 4, "data after the padding"},
        {"AAB=", 4, "trailing bits"},
        {"AAAA-----END", 12, "0x2d at offset 4"},
        {"AA_A", 4, "0x5f"},
        {"AAA!", 4, "0x21"},
        {"AAA\0", 4, "0x00"},
        {"AA\vAA", 5, "0x0b"},
        {"\xef\xbb\xbf"
         "AAAA",
         7, "0xef at offset 0"},
        {"AAAA\xff", 5, "0xff"},
        {"{\"a\":1}", 7, "0x7b"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t out;
        ASSERT_ROW(est_base64_decode(&out, est_slice(rows[i].in, rows[i].n), pool), EST_E_base64_invalid, rows[i].why,
                   rows[i].in);
    }
}

/* B-01: no octets, which the caller refuses as an empty body */
static void test_nothing_but_blanks_decodes_to_nothing(void **state)
{
    (void)state;
    est_slice_t out;
    ASSERT_OK(est_base64_decode(&out, text(" \r\n\t "), pool));
    assert_int_equal(out.n, 0);
}

/* B-04 */
static void test_much_white_space_costs_nothing(void **state)
{
    (void)state;
    apr_size_t n = 1 << 16;
    char *in = apr_palloc(pool, n);
    memset(in, ' ', n);
    memcpy(in + n / 2, "Zm9v", 4);
    est_slice_t out;
    ASSERT_OK(est_base64_decode(&out, est_slice(in, n), pool));
    ASSERT_SLICE(out, text("foo"));
}

static void test_lines_break_at_the_width_and_end_once(void **state)
{
    static const struct {
        apr_size_t octets;
        int width;
        const char *out;
    } rows[] = {
        {6, 4, "AAAA\nAAAA\n"}, {7, 4, "AAAA\nAAAA\nAA==\n"}, {6, 8, "AAAAAAAA\n"}, {6, 0, "AAAAAAAA\n"},
        {0, 64, "\n"},          {6, 64, "AAAAAAAA\n"},
    };
    static const unsigned char zeros[16];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        apr_size_t len;
        assert_string_equal(est_base64_encode(est_slice(zeros, rows[i].octets), rows[i].width, &len, pool),
                            rows[i].out);
        assert_int_equal(len, strlen(rows[i].out));
    }
}

static void test_every_length_survives_both_ways(void **state)
{
    unsigned char in[200];
    (void)state;
    for (unsigned i = 0; i < sizeof(in); i++)
        in[i] = (unsigned char)(i * 37 + 11);
    for (apr_size_t n = 0; n <= sizeof(in); n++) {
        for (int width = 0; width <= 76; width += 76) {
            apr_size_t len;
            const char *encoded = est_base64_encode(est_slice(in, n), width, &len, pool);
            est_slice_t out;
            ASSERT_OK(est_base64_decode(&out, est_slice(encoded, len), pool));
            ASSERT_SLICE(out, est_slice(in, n));
        }
    }
}

static void test_hex_both_ways(void **state)
{
    static const char *const bad[] = {"0", "0g", "zz", "0x", " 0", "00 "};
    (void)state;
    apr_size_t n;
    assert_string_equal(est_hex(est_slice("\x00\xab\xff", 3), pool), "00abff");
    assert_string_equal(est_hex(est_slice("", 0), pool), "");
    const unsigned char *p = est_unhex("00aBfF", &n, pool);
    ASSERT_SLICE(est_slice(p, n), est_slice("\x00\xab\xff", 3));
    assert_non_null(est_unhex("", &n, pool));
    assert_int_equal(n, 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_null(est_unhex(bad[i], &n, pool));
}

static void test_escape_leaves_printable_ascii_only(void **state)
{
    (void)state;
    assert_string_equal(est_escape(text("a b~"), 100, pool), "a b~");
    assert_string_equal(est_escape(est_slice("\r\n\0\\\x7f\xc3", 6), 100, pool), "\\x0d\\x0a\\x00\\x5c\\x7f\\xc3");
    assert_string_equal(est_escape(text("abcdef"), 3, pool), "abc...");
    assert_string_equal(est_escape(text("abc"), 3, pool), "abc");
}

static void test_comparisons(void **state)
{
    (void)state;
    assert_true(est_slice_equal(text("ab"), text("ab")));
    assert_false(est_slice_equal(text("ab"), text("ac")));
    assert_false(est_slice_equal(text("ab"), text("abc")));
    assert_true(est_slice_equal(est_slice(NULL, 0), text("")));
    assert_true(est_bytes_equal_ct("abc", "abd", 2));
    assert_false(est_bytes_equal_ct("abc", "abd", 3));
    assert_false(est_bytes_equal_ct("xbc", "abc", 3));
    assert_true(est_bytes_equal_ct("", "", 0));
}

static void test_cleansing_overwrites(void **state)
{
    char secret[] = "secret", around[] = {'a', 'b', 'c'};

    (void)state;
    est_bytes_cleanse(secret, sizeof(secret));
    for (size_t i = 0; i < sizeof(secret); i++)
        assert_int_equal(secret[i], 0);
    est_bytes_cleanse(around + 1, 1);
    assert_int_equal(around[0], 'a');
    assert_int_equal(around[1], 0);
    assert_int_equal(around[2], 'c');
}

/* RFC 3629 3 and 4: the limits of every length from both sides */
static void test_utf8_is_well_formed_or_refused(void **state)
{
    static const struct {
        const char *s;
        long c; /* -1: not well-formed */
    } rows[] = {
        {"\x01", 0x01},
        {"\x7f", 0x7f},
        {"\xc2\x80", 0x80},
        {"\xdf\xbf", 0x7ff},
        {"\xe0\xa0\x80", 0x800},
        {"\xed\x9f\xbf", 0xd7ff},
        {"\xee\x80\x80", 0xe000},
        {"\xef\xbf\xbf", 0xffff},
        {"\xf0\x90\x80\x80", 0x10000},
        {"\xf4\x8f\xbf\xbf", 0x10ffff},
        /* longer than need be */
        {"\xc0\x80", -1},
        {"\xc1\xbf", -1},
        {"\xe0\x9f\xbf", -1},
        {"\xf0\x8f\xbf\xbf", -1},
        /* surrogates */
        {"\xed\xa0\x80", -1},
        {"\xed\xbf\xbf", -1},
        /* cut off, by the end or by something else */
        {"\xc2", -1},
        {"\xe2\x82", -1},
        {"\xf0\x9f\x98", -1},
        {"\xe2\x82z", -1},
        {"\xc2\xc2\x80", -1},
        /* continuation without a start, over 10FFFF, no octet of UTF-8 */
        {"\x80", -1},
        {"\xbf", -1},
        {"\xf4\x90\x80\x80", -1},
        {"\xf5\x80\x80\x80", -1},
        {"\xf8\x88\x80\x80\x80", -1},
        {"\xff", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t whole = text(rows[i].s), rest = whole;

        assert_int_equal(est_utf8_next(&rest), rows[i].c);
        assert_int_equal(rest.n, rows[i].c < 0 ? whole.n : 0);
        assert_int_equal(est_is_utf8(rows[i].s), rows[i].c >= 0);
        assert_int_equal(est_is_utf8(apr_pstrcat(pool, "a", rows[i].s, NULL)), rows[i].c >= 0);
        assert_int_equal(est_is_utf8(apr_pstrcat(pool, rows[i].s, "b", NULL)), rows[i].c >= 0);
    }
    assert_true(est_is_utf8(""));
}

static void test_a_copy_is_independent(void **state)
{
    (void)state;
    char buf[] = "abc";
    est_slice_t copy = est_slice_dup(est_slice(buf, 3), pool);
    buf[0] = 'x';
    ASSERT_SLICE(copy, text("abc"));
    assert_int_equal(est_slice_dup(est_slice(NULL, 0), pool).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_vectors_of_rfc4648),
        EST_TEST(test_blanks_are_ignored_anywhere),
        EST_TEST(test_what_is_not_base64_is_refused),
        EST_TEST(test_nothing_but_blanks_decodes_to_nothing),
        EST_TEST(test_much_white_space_costs_nothing),
        EST_TEST(test_lines_break_at_the_width_and_end_once),
        EST_TEST(test_every_length_survives_both_ways),
        EST_TEST(test_hex_both_ways),
        EST_TEST(test_escape_leaves_printable_ascii_only),
        EST_TEST(test_comparisons),
        EST_TEST(test_cleansing_overwrites),
        EST_TEST(test_utf8_is_well_formed_or_refused),
        EST_TEST(test_a_copy_is_independent),
    };
    return EST_TEST_RUN(tests);
}
