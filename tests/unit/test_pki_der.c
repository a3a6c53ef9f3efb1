/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "pki/pki_der.h"

#include <stdlib.h>

/* X.690 8.1.2, 8.1.3, 10.1 */
static void test_one_value_is_taken(void **state)
{
    static const struct {
        const char *in;
        unsigned tag;
        apr_size_t whole, body;
    } rows[] = {
        {"0500", 0x05, 2, 0},
        {"020105 ff", 0x02, 3, 1},
        {"bf1f 02 0500", 0xbf, 5, 2},
        {"9f8148 00", 0x9f, 4, 0},
        {"a080", 0, 0, 0},
        {"", 0, 0, 0},
        {"05", 0, 0, 0},
        {"0000", 0, 0, 0},
        {"0401", 0, 0, 0},
        {"308000 00", 0, 0, 0},   /* indefinite */
        {"048101 ff", 0, 0, 0},   /* long form for what fits the short one */
        {"04820001 ff", 0, 0, 0}, /* leading zero */
        {"0480", 0, 0, 0},
        {"04ff", 0, 0, 0},
        {"0484ffffffff 00", 0, 0, 0},   /* B-08 */
        {"048480000000 00", 0, 0, 0},   /* B-08: 2^31 */
        {"04850100000000 00", 0, 0, 0}, /* five octets of length */
        {"0482", 0, 0, 0},
        {"1f1e00", 0, 0, 0},   /* long tag for what fits the short form */
        {"1f801f00", 0, 0, 0}, /* tag with leading 80 */
        {"1f", 0, 0, 0},
        {"1f1f", 0, 0, 0},
        {"1f8181818101 00", 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t in = hex(rows[i].in), rest = in;
        pki_der_t v;
        int taken = pki_der_next(&rest, &v);
        if (taken != (rows[i].whole != 0))
            fail_msg("%s", rows[i].in);
        if (!taken) {
            assert_int_equal(rest.n, in.n);
            continue;
        }
        assert_int_equal(v.tag, rows[i].tag);
        assert_int_equal(v.whole.n, rows[i].whole);
        assert_int_equal(v.body.n, rows[i].body);
        assert_ptr_equal(rest.p, in.p + v.whole.n);
        assert_int_equal(rest.n, in.n - v.whole.n);
    }
}

static void test_lengths_at_the_borders(void **state)
{
    static const apr_size_t lengths[] = {0, 1, 127, 128, 255, 256, 65535, 65536};
    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        unsigned char *zeros = apr_pcalloc(pool, lengths[i] + 1);
        est_slice_t in = tlv(PKI_DER_OCTET_STRING, est_slice(zeros, lengths[i])), rest = in;
        pki_der_t v;
        assert_true(pki_der_next(&rest, &v));
        assert_int_equal(v.body.n, lengths[i]);
        assert_int_equal(rest.n, 0);

        pki_der_out_t *out = pki_der_out_make(0, pool);
        pki_der_put_value(out, PKI_DER_OCTET_STRING, est_slice(zeros, lengths[i]));
        ASSERT_SLICE(pki_der_result(out), in);
    }
}

static void test_take_leaves_another_tag_alone(void **state)
{
    (void)state;
    est_slice_t in = hex("020105");
    pki_der_t v;
    assert_false(pki_der_take(&in, PKI_DER_NULL, &v));
    assert_int_equal(in.n, 3);
    assert_true(pki_der_take(&in, PKI_DER_INTEGER, &v));
    assert_int_equal(in.n, 0);
    assert_false(pki_der_take(&in, PKI_DER_INTEGER, &v));
}

/* DER-01, DER-02, B-05, B-07 */
static void test_check_refuses_what_is_not_der(void **state)
{
    static const struct {
        const char *in, *why; /* NULL: is DER */
    } rows[] = {
        {"3000", NULL},
        {"30 03 020100", NULL},
        {"", "nothing at offset 0"},
        {"3000 00", "trailing octets at offset 2"},
        {"3000 3000", "trailing octets"},
        {"3001", "not DER at offset 0"},
        {"30 80 0000", "not DER at offset 0"},
        {"30 04 3080 0000", "not DER at offset 2"},
        {"30 04 02 8101 00", "not DER at offset 2"},
        {"30 84 00000003 020100", "not DER at offset 0"},
        {"30 02 0201", "not DER at offset 2"},
        {"30 02 0000", "not DER at offset 2"},
        {"0101ff", NULL},
        {"010100", NULL},
        {"010101", "BOOLEAN"},
        {"0100", "BOOLEAN"},
        {"0102ffff", "BOOLEAN"},
        {"020100", NULL},
        {"0201ff", NULL},
        {"02020080", NULL},
        {"0202ff7f", NULL},
        {"0200", "empty INTEGER"},
        {"0202007f", "INTEGER that is not minimal"},
        {"0202ff80", "INTEGER that is not minimal"},
        {"0a0100", NULL},
        {"0a020001", "INTEGER that is not minimal"},
        {"030100", NULL},
        {"030200ff", NULL},
        {"030207 80", NULL},
        {"0300", "BIT STRING with a bad count"},
        {"030108", "BIT STRING with a bad count"},
        {"030107", "BIT STRING with a bad count"},
        {"030208 00", "BIT STRING with a bad count"},
        {"030201 01", "unused bits that are not zero"},
        {"030207 40", "unused bits that are not zero"},
        {"0500", NULL},
        {"050100", "NULL with contents"},
        {"06032a0304", NULL},
        {"0600", "OBJECT IDENTIFIER"},
        {"060180", "OBJECT IDENTIFIER"},
        {"06028001", "OBJECT IDENTIFIER"},
        {"06032a8001", "OBJECT IDENTIFIER"},
        {"0603812a7f", NULL},
        {"170d 3236303130323033303430355a", NULL},
        {"1700", "malformed UTCTime"},
        {"170b 323630313032303330345a", "malformed UTCTime"},
        {"170d 32363031303230333034302f5a", "malformed UTCTime"},
        {"170d 32363031303230333034303535", "malformed UTCTime"},
        {"170f 3236303130323033303430352e355a", "malformed UTCTime"},
        {"180f 32303236303130323033303430355a", NULL},
        {"1812 32303236303130323033303430352e30355a", NULL},
        {"180e 3230323630313032303330343035", "malformed GeneralizedTime"},
        {"1810 32303236303130323033303430352e5a", "malformed GeneralizedTime"},
        {"1811 32303236303130323033303430352e305a", "malformed GeneralizedTime"},
        {"1811 32303236303130323033303430352c355a", "malformed GeneralizedTime"},
        {"1812 32303236303130323033303430352e35785a", "malformed GeneralizedTime"},
        {"1c04 00000041", NULL},
        {"1c01 61", "UniversalString with a part"},
        {"1e02 0041", NULL},
        {"1e03 004100", "BMPString with a part"},
        {"31 06 020100 020101", NULL},
        {"31 06 020101 020101", NULL},
        {"31 06 020101 020100", "SET OF that is not sorted at offset 5"},
        {"31 07 02020080 020101", "SET OF that is not sorted"},
        {"30 06 020101 020100", NULL},
        {"24 02 0400", "constructed and primitive form"},
        {"2c 02 0c00", "constructed and primitive form"},
        {"23 03 030100", "constructed and primitive form"},
        {"1000", "constructed and primitive form"},
        {"1100", "constructed and primitive form"},
        {"2000", "constructed and primitive form"},
        {"a0 02 0500", NULL},
        {"a0 01 05", "not DER at offset 2"},
        {"8001ff", NULL},
        {"8000", NULL},
        {"04 02 3080", NULL}, /* contents of OCTET STRING are not looked at */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_err_t *err = pki_der_check(hex(rows[i].in), pool);
        if (rows[i].why)
            ASSERT_ROW(err, EST_E_der_invalid, rows[i].why, rows[i].in);
        else
            est_test_ok(err, rows[i].in, __FILE__, __LINE__);
    }
}

/* B-06 */
static void test_every_truncation_is_refused(void **state)
{
    (void)state;
    est_slice_t in = hex("30 16 0603 2a0304 30 07 020100 0202 0080 0303 00ffff 0500");
    in = tlv(0x30, est_slice(in.p + 2, in.n - 2));
    ASSERT_OK(pki_der_check(in, pool));
    for (apr_size_t n = 0; n < in.n; n++) {
        /* an allocation of its own lets the address sanitizer see an over-read */
        unsigned char *cut = malloc(n ? n : 1);
        if (n)
            memcpy(cut, in.p, n);
        ASSERT_FAILS(pki_der_check(est_slice(cut, n), pool), der_invalid, NULL);
        free(cut);
    }
}

/* depth SEQUENCEs around nothing */
static est_slice_t nested(int depth)
{
    est_slice_t v = {NULL, 0};
    for (int i = 0; i < depth; i++)
        v = tlv(PKI_DER_SEQUENCE, v);
    return v;
}

/* DER-03, B-09 */
static void test_depth_and_number_are_bounded(void **state)
{
    (void)state;
    ASSERT_OK(pki_der_check(nested(PKI_DER_MAX_DEPTH), pool));
    ASSERT_FAILS(pki_der_check(nested(PKI_DER_MAX_DEPTH + 1), pool), der_invalid, "nested too deep");

    pki_der_out_t *deep = pki_der_out_make(100000, pool);
    for (int i = 0; i < 20000; i++)
        pki_der_wrap(deep, PKI_DER_SEQUENCE, 0);
    ASSERT_FAILS(pki_der_check(pki_der_result(deep), pool), der_invalid, "nested too deep");

    pki_der_out_t *wide = pki_der_out_make(200000, pool);
    for (int i = 0; i < PKI_DER_MAX_ELEMENTS - 1; i++)
        pki_der_put_value(wide, PKI_DER_NULL, est_slice(NULL, 0));
    apr_size_t limit = pki_der_mark(wide);
    pki_der_out_t *fits = pki_der_out_make(200000, pool);
    pki_der_put_value(fits, PKI_DER_SEQUENCE, est_slice(pki_der_result(wide).p, limit));
    ASSERT_OK(pki_der_check(pki_der_result(fits), pool));
    pki_der_put_value(wide, PKI_DER_NULL, est_slice(NULL, 0));
    pki_der_wrap(wide, PKI_DER_SEQUENCE, 0);
    ASSERT_FAILS(pki_der_check(pki_der_result(wide), pool), der_invalid, "too many values");
}

static void test_writing_nests_and_grows(void **state)
{
    (void)state;
    pki_der_out_t *out = pki_der_out_make(0, pool);
    unsigned char big[300] = {0};
    pki_der_put_bits(out, est_slice("\xab", 1));
    apr_size_t mark = pki_der_mark(out);
    pki_der_put(out, hex("020105"));
    pki_der_put_value(out, PKI_DER_OCTET_STRING, est_slice(big, sizeof(big)));
    pki_der_wrap(out, PKI_DER_SEQUENCE, mark);
    pki_der_wrap(out, PKI_DER_SEQUENCE, 0);
    est_slice_t inner = join(2, tlv(0x04, est_slice(big, sizeof(big))), hex("020105"));
    ASSERT_SLICE(pki_der_result(out), tlv(0x30, join(2, tlv(0x30, inner), hex("030200ab"))));
    ASSERT_OK(pki_der_check(pki_der_result(out), pool));
}

static void test_object_identifiers_both_ways(void **state)
{
    static const struct {
        const char *text, *octets;
    } rows[] = {
        {"1.2.840.113549.1.9.14", "2a864886f70d01090e"},
        {"2.5.4.3", "550403"},
        {"0.0", "00"},
        {"0.39", "27"},
        {"1.0", "28"},
        {"2.0", "50"},
        {"2.47", "7f"},
        {"2.48", "8100"},
        {"2.999.3", "883703"},
        {"2.25.340282366920938463463374607431768211374", "6983ffffffffffffffffffffffffffffffffff2e"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ASSERT_SLICE(pki_oid_from_text(rows[i].text, pool), hex(rows[i].octets));
        assert_string_equal(pki_oid_to_text(hex(rows[i].octets), pool), rows[i].text);
    }
}

static void test_malformed_object_identifiers(void **state)
{
    static const char *const texts[] = {
        "",
        "1",
        "1.",
        ".1",
        "1..2",
        "3.1",
        "1.40",
        "0.40",
        "1.2.",
        "1.02",
        "01.2",
        "1.2a",
        "a",
        "1.-2",
        "1 .2",
        "CN",
        "2.25.34028236692093846346337460743176821145600",
        "1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1",
    };
    static const char *const octets[] = {"",     "80",     "2a80",
                                         "8001", "2a8001", "2a87ffffffffffffffffffffffffffffffffffff7f"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (pki_oid_from_text(texts[i], pool).n != 0)
            fail_msg("%s", texts[i]);
    }
    for (size_t i = 0; i < sizeof(octets) / sizeof(octets[0]); i++) {
        if (pki_oid_to_text(hex(octets[i]), pool))
            fail_msg("%s", octets[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_one_value_is_taken),
        EST_TEST(test_lengths_at_the_borders),
        EST_TEST(test_take_leaves_another_tag_alone),
        EST_TEST(test_check_refuses_what_is_not_der),
        EST_TEST(test_every_truncation_is_refused),
        EST_TEST(test_depth_and_number_are_bounded),
        EST_TEST(test_writing_nests_and_grows),
        EST_TEST(test_object_identifiers_both_ways),
        EST_TEST(test_malformed_object_identifiers),
    };
    return EST_TEST_RUN(tests);
}
