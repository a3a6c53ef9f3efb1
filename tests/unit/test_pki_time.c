/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "pki/pki_time.h"

#define SECONDS(s) ((apr_time_t)(s)*1000000)

static const struct {
    apr_int64_t seconds;
    const char *der, *text; /* contents of UTCTime or GeneralizedTime; RFC 3339 */
} rows[] = {
    {-631152001, "19491231235959Z", "1949-12-31T23:59:59Z"},
    {-631152000, "500101000000Z", "1950-01-01T00:00:00Z"},
    {0, "700101000000Z", "1970-01-01T00:00:00Z"},
    {951782399, "000228235959Z", "2000-02-28T23:59:59Z"},
    {951782400, "000229000000Z", "2000-02-29T00:00:00Z"},
    {1767225600, "260101000000Z", "2026-01-01T00:00:00Z"},
    {2524607999, "491231235959Z", "2049-12-31T23:59:59Z"},
    {2524608000, "20500101000000Z", "2050-01-01T00:00:00Z"},
    {253402300799, "99991231235959Z", "9999-12-31T23:59:59Z"},
};

static est_slice_t encoded(const char *contents)
{
    return tlv(strlen(contents) == 13 ? 0x17 : 0x18, text(contents));
}

static void test_every_form_of_a_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_der_out_t *out = pki_der_out_make(0, pool);
        est_slice_t rest = encoded(rows[i].der);
        const unsigned char *p = rest.p;
        ASN1_TIME *time = d2i_ASN1_TIME(NULL, &p, (long)rest.n);
        apr_time_t read, openssl;

        assert_int_equal(pki_time_put(out, SECONDS(rows[i].seconds)), 1);
        ASSERT_SLICE(pki_der_result(out), rest);
        assert_int_equal(pki_time_from_asn1(&openssl, time), 1);
        assert_int_equal(openssl, SECONDS(rows[i].seconds));
        assert_int_equal(pki_time_take(&read, &rest), 1);
        assert_int_equal(read, SECONDS(rows[i].seconds));
        assert_int_equal(rest.n, 0);
        assert_string_equal(pki_time_text(SECONDS(rows[i].seconds), pool), rows[i].text);
        ASN1_TIME_free(time);
    }
    assert_string_equal(pki_time_text(SECONDS(1767225600) + 999999, pool), "2026-01-01T00:00:00Z");
}

static void test_other_forms_are_refused(void **state)
{
    static const char *const bad[] = {
        "2601010000Z",       /* no seconds */
        "260101000000+0100", /* not UTC */
        "20500101000000.5Z", /* fractions */
        "260001000000Z",     "261301000000Z", "260100000000Z",
        "260132000000Z",     "260101240000Z", "260101006000Z",
        "260101000060Z",     "26o101000000Z", "",
    };
    apr_time_t t;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        est_slice_t utc = tlv(0x17, text(bad[i])), general = tlv(0x18, text(bad[i])), empty = hex("0500");

        assert_int_equal(pki_time_take(&t, &utc), 0);
        assert_int_equal(pki_time_take(&t, &general), 0);
        assert_int_equal(pki_time_take(&t, &empty), 0);
    }
    assert_int_equal(pki_time_put(pki_der_out_make(0, pool), SECONDS(253402300800)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_every_form_of_a_time),
        EST_TEST(test_other_forms_are_refused),
    };
    return EST_TEST_RUN(tests);
}
