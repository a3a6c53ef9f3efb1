/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "pki/pki_reqattr.h"

#include <openssl/err.h>

#define OTP "1.2.840.113549.1.9.16.2.56"
#define REVOCATION "1.2.840.113549.1.9.16.2.57"
#define LINKING "1.2.840.113549.1.9.16.2.58"
#define CHANGE "1.3.6.1.5.5.7.7.36"

/* What pki_csr_decode leaves of the attributes is all that is looked at */
static est_err_t *read_attrs(pki_reqattrs_t *out, const pki_req_attr_t *attrs, int n)
{
    const pki_csr_t csr = {.attrs = attrs, .n_attrs = n};
    est_err_t *err = pki_reqattr_read(out, &csr, pool);

    assert_int_equal(ERR_peek_error(), 0);
    return err;
}

static est_err_t *read_one(pki_reqattrs_t *out, const char *oid, est_slice_t values)
{
    const pki_req_attr_t attr = {oid, values};

    return read_attrs(out, &attr, 1);
}

/* CN=a */
static est_slice_t name(void)
{
    return tlv(0x30, tlv(0x31, tlv(0x30, hex("0603550403 0c0161"))));
}

static est_slice_t change(est_slice_t contents)
{
    return tlv(0x30, contents);
}

/* EN-11: what is not known is not looked at, whatever it holds */
static void test_other_attributes_are_ignored(void **state)
{
    static const unsigned char any[] = {0x05, 0x00, 0x05, 0x00};
    const pki_req_attr_t attrs[] = {
        {"1.3.6.1.4.1.311.13.2.3", {any, 4}}, {NULL, {any, 4}}, {"1.2.840.113549.1.9.16.2.59", {any, 4}}};
    pki_reqattrs_t got;

    (void)state;
    memset(&got, 0xff, sizeof(got));
    ASSERT_OK(read_attrs(&got, attrs, 3));
    assert_true(!got.otp && !got.revocation && !got.identity_linking && !got.has_change && !got.subject);
    assert_int_equal(got.san.n_names, 0);
    ASSERT_OK(read_attrs(&got, NULL, 0));
}

/* CB-12: each of the three by itself, and all at once */
static void test_challenges_of_rfc_7894(void **state)
{
    pki_reqattrs_t got;

    (void)state;
    const pki_req_attr_t attrs[] = {{LINKING, hex("0c0161")}, {OTP, hex("0c03c3a962")}, {REVOCATION, hex("130163")}};
    ASSERT_OK(read_attrs(&got, attrs, 3));
    assert_string_equal(got.identity_linking, "a");
    assert_string_equal(got.otp, "\xc3\xa9"
                                 "b");
    assert_string_equal(got.revocation, "c");
    ASSERT_OK(read_one(&got, OTP, hex("160178")));
    assert_string_equal(got.otp, "x");
    assert_true(!got.identity_linking && !got.revocation);
}

/* CB-06, CB-12: the rules of challengePassword, which test_pki_csr shows, hold for these three */
static void test_malformed_challenges_are_refused(void **state)
{
    static const char *const oids[] = {OTP, REVOCATION, LINKING};
    (void)state;
    unsigned char *x = apr_palloc(pool, 256);
    memset(x, 'x', 256);
    const struct {
        est_slice_t values;
        const char *why;
    } rows[] = {
        {hex("0c00"), "0 octets"},
        {tlv(0x0c, est_slice(x, 256)), "256 octets"},
        {hex("1e020061"), "tag 0x1e"},
        {hex("140161"), "tag 0x14"},
        {hex("040161"), "tag 0x04"},
        {hex("3003 0c0161"), "tag 0x30"},
        {hex("0c0161 0c0162"), "one value"},
        {hex(""), "one value"},
        {hex("0c0100"), "control character"},
        {hex("0c01ff"), "not UTF-8"},
    };
    pki_reqattrs_t got;

    for (size_t o = 0; o < 3; o++) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
            ASSERT_ROW(read_one(&got, oids[o], rows[i].values), EST_E_csr_attribute, rows[i].why,
                       apr_psprintf(pool, "%s row %d", oids[o], (int)i));
        const pki_req_attr_t twice[] = {{oids[o], hex("0c0161")}, {oids[o], hex("0c0161")}};
        ASSERT_FAILS(read_attrs(&got, twice, 2), csr_attribute, "two ");
    }
    ASSERT_OK(read_one(&got, OTP, tlv(0x0c, est_slice(x, 255))));
    assert_int_equal(strlen(got.otp), 255);
}

/* EN-10, C-12: what is absent is asked to be absent; the tag that erratum 3943 of RFC 6402 adds may be missing */
static void test_change_subject_name(void **state)
{
    (void)state;
    const est_slice_t dns = hex("820161");
    const struct {
        est_slice_t contents;
        const char *subject;
        int n_names;
    } rows[] = {
        {name(), "CN=a", 0},
        {join(2, name(), tlv(0xa1, dns)), "CN=a", 1},
        {tlv(0xa1, join(2, dns, hex("87040a000001"))), NULL, 2},
        {tlv(0x30, dns), NULL, 1},
        {join(2, name(), tlv(0x30, dns)), "CN=a", 1},
        {hex("3000"), "", 0},
        {join(2, hex("3000"), tlv(0xa1, dns)), "", 1},
    };
    pki_reqattrs_t got;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *label = apr_psprintf(pool, "row %d", (int)i);

        est_test_ok(read_one(&got, CHANGE, change(rows[i].contents)), label, __FILE__, __LINE__);
        assert_int_equal(got.has_change, 1);
        assert_int_equal(got.san.n_names, rows[i].n_names);
        assert_int_equal(got.subject != NULL, rows[i].subject != NULL);
        if (rows[i].subject)
            assert_string_equal(got.subject->text, rows[i].subject);
    }
    assert_string_equal(got.san.names[0].value, "a");
}

/* C-12 */
static void test_malformed_change_subject_name_is_refused(void **state)
{
    (void)state;
    const est_slice_t dns = hex("820161"), empty_value = tlv(0x30, tlv(0x31, tlv(0x30, hex("0603550403 0c00"))));
    const struct {
        est_slice_t values;
        const char *why;
    } rows[] = {
        {change(hex("")), "neither subject nor subjectAlt"},
        {hex(""), "one SEQUENCE"},
        {hex("0500"), "one SEQUENCE"},
        {join(2, change(name()), change(name())), "one SEQUENCE"},
        {change(hex("a100")), "0 names"},
        {change(join(2, name(), hex("a100"))), "0 names"},
        {change(join(2, name(), hex("3000"))), "0 names"},
        {change(tlv(0xa1, tlv(0x30, dns))), "ChangeSubjectName"}, /* EXPLICIT, which the module's tags are not */
        {change(hex("a103 82012a")), "dns \"*\""},
        {change(hex("a107 8705 0a00000001")), "ip"},
        {change(hex("3004 0c02 6161")), "ChangeSubjectName"},
        {change(empty_value), "empty"},
        {change(join(2, tlv(0xa1, dns), name())), "ChangeSubjectName"}, /* in the wrong order */
        {change(join(2, name(), name())), "ChangeSubjectName"},
        {change(join(3, name(), tlv(0xa1, dns), hex("0500"))), "malformed"},
        {change(hex("8100")), "malformed"},
        {change(hex("a2 03 820161")), "malformed"},
    };
    pki_reqattrs_t got;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ASSERT_ROW(read_one(&got, CHANGE, rows[i].values), EST_E_csr_attribute, rows[i].why,
                   apr_psprintf(pool, "row %d", (int)i));
    const pki_req_attr_t twice[] = {{CHANGE, change(name())}, {CHANGE, change(name())}};
    ASSERT_FAILS(read_attrs(&got, twice, 2), csr_attribute, "two ChangeSubjectName");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_other_attributes_are_ignored),
        EST_TEST(test_challenges_of_rfc_7894),
        EST_TEST(test_malformed_challenges_are_refused),
        EST_TEST(test_change_subject_name),
        EST_TEST(test_malformed_change_subject_name_is_refused),
    };
    return EST_TEST_RUN(tests);
}
