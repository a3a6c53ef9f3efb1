/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "pki/pki_reqext.h"

#include <openssl/objects.h>

static pki_req_ext_t ext_of(const char *name, const char *value)
{
    pki_req_ext_t ext = {.oid = name, .nid = OBJ_txt2nid(name), .value = hex(value)};

    return ext;
}

/* Conformance EN-08, EN-09, EN-11, CP-12 */
static void test_what_requested_extensions_ask_for(void **state)
{
    static const struct {
        const char *name, *value;
        pki_reqext_kind_t kind;
        const char *what; /* NULL: not looked at */
        const char *reason;
    } rows[] = {
        {"keyUsage", "03 02 05a0", PKI_REQEXT_PLAIN, NULL, "digitalSignature, keyEncipherment"},
        {"keyUsage", "03 03 07 0080", PKI_REQEXT_PLAIN, NULL, "decipherOnly, in the second octet"},
        {"keyUsage", "03 02 0204", PKI_REQEXT_POWER, "keyCertSign", "keyCertSign"},
        {"keyUsage", "03 02 0102", PKI_REQEXT_POWER, "cRLSign", "cRLSign"},
        {"keyUsage", "03 02 0106", PKI_REQEXT_POWER, "keyCertSign", "both"},
        {"keyUsage", "03 02 0184", PKI_REQEXT_POWER, "keyCertSign", "beside harmless ones"},
        {"keyUsage", "03 01 00", PKI_REQEXT_MALFORMED, NULL, "no bit at all (RFC 5280 4.2.1.3)"},
        {"keyUsage", "03 00", PKI_REQEXT_MALFORMED, NULL, "no octet of unused bits"},
        {"keyUsage", "03 04 00 010203", PKI_REQEXT_MALFORMED, NULL, "three octets of bits"},
        {"keyUsage", "03 02 0880", PKI_REQEXT_MALFORMED, NULL, "eight unused bits"},
        {"keyUsage", "04 02 0780", PKI_REQEXT_MALFORMED, NULL, "an OCTET STRING"},
        {"keyUsage", "03 02 0780 00", PKI_REQEXT_MALFORMED, NULL, "octets behind"},
        {"keyUsage", "", PKI_REQEXT_MALFORMED, NULL, "empty"},

        {"extendedKeyUsage", "30 0a 06 08 2b06010505070302", PKI_REQEXT_PLAIN, NULL, "clientAuth"},
        {"extendedKeyUsage", "30 0a 06 08 2b06010505070301", PKI_REQEXT_PLAIN, NULL, "serverAuth"},
        {"extendedKeyUsage", "30 0a 06 08 2b0601050507031b", PKI_REQEXT_POWER, "id-kp-cmcCA", "cmcCA"},
        {"extendedKeyUsage", "30 0a 06 08 2b0601050507031c", PKI_REQEXT_POWER, "id-kp-cmcRA", "cmcRA"},
        {"extendedKeyUsage", "30 0a 06 08 2b0601050507031d", PKI_REQEXT_POWER, "id-kp-cmcArchive", "cmcArchive"},
        {"extendedKeyUsage", "30 0a 06 08 2b06010505070308", PKI_REQEXT_POWER, "timeStamping", "timeStamping"},
        {"extendedKeyUsage", "30 0a 06 08 2b06010505070309", PKI_REQEXT_POWER, "OCSPSigning", "OCSPSigning"},
        {"extendedKeyUsage", "30 06 06 04 551d2500", PKI_REQEXT_POWER, "anyExtendedKeyUsage", "anyExtendedKeyUsage"},
        {"extendedKeyUsage", "30 14 06 08 2b06010505070302 06 08 2b0601050507031c", PKI_REQEXT_POWER, "id-kp-cmcRA",
         "cmcRA as the second one"},
        {"extendedKeyUsage", "30 05 06 03 2a0304", PKI_REQEXT_PLAIN, NULL, "a purpose nobody knows"},
        {"extendedKeyUsage", "30 00", PKI_REQEXT_MALFORMED, NULL, "no purpose (SIZE 1..MAX)"},
        {"extendedKeyUsage", "30 03 02 01 01", PKI_REQEXT_MALFORMED, NULL, "not OIDs"},
        {"extendedKeyUsage", "06 08 2b06010505070302", PKI_REQEXT_MALFORMED, NULL, "not a SEQUENCE"},

        {"basicConstraints", "30 00", PKI_REQEXT_PLAIN, NULL, "an end entity"},
        {"basicConstraints", "30 03 01 01 00", PKI_REQEXT_PLAIN, NULL, "an end entity, written out"},
        {"basicConstraints", "30 03 01 01 ff", PKI_REQEXT_POWER, "CA:TRUE", "a CA"},
        {"basicConstraints", "30 06 01 01 ff 02 01 00", PKI_REQEXT_POWER, "CA:TRUE", "a CA with a path length"},
        {"basicConstraints", "30 06 01 01 00 02 01 00", PKI_REQEXT_POWER, "CA:TRUE", "no CA, but a path length"},
        {"basicConstraints", "30 03 01 01 01", PKI_REQEXT_POWER, "CA:TRUE", "any octet but 0 is TRUE in BER"},
        {"basicConstraints", "30 03 02 01 00", PKI_REQEXT_MALFORMED, NULL, "a path length alone"},
        {"basicConstraints", "30 02 01 00", PKI_REQEXT_MALFORMED, NULL, "a BOOLEAN without octet"},
        {"basicConstraints", "31 00", PKI_REQEXT_MALFORMED, NULL, "a SET"},

        {"nameConstraints", "30 00", PKI_REQEXT_POWER, "nameConstraints", "only a CA has them"},
        {"policyConstraints", "30 00", PKI_REQEXT_POWER, "policyConstraints", "only a CA has them"},
        {"policyMappings", "30 00", PKI_REQEXT_POWER, "policyMappings", "only a CA has them"},
        {"inhibitAnyPolicy", "02 01 00", PKI_REQEXT_POWER, "inhibitAnyPolicy", "only a CA has it"},
        {"ct_precert_poison", "05 00", PKI_REQEXT_POWER, "ct_precert_poison", "C-07"},

        {"subjectAltName", "30 03 82 01 61", PKI_REQEXT_PLAIN, NULL, "judged as a name"},
        {"authorityInfoAccess", "30 00", PKI_REQEXT_PLAIN, NULL, "left out"},
        {"crlDistributionPoints", "30 00", PKI_REQEXT_PLAIN, NULL, "left out"},
        {"certificatePolicies", "30 00", PKI_REQEXT_PLAIN, NULL, "left out"},
        {"tlsfeature", "30 03 02 01 05", PKI_REQEXT_PLAIN, NULL, "must-staple"},
        {"tlsfeature", "30 06 02 01 05 02 01 11", PKI_REQEXT_PLAIN, NULL, "two features"},
        {"tlsfeature", "30 00", PKI_REQEXT_MALFORMED, NULL, "no feature"},
        {"tlsfeature", "30 03 0c 01 61", PKI_REQEXT_MALFORMED, NULL, "a text"},
        {"tlsfeature", "30 03 02 01 05 00", PKI_REQEXT_MALFORMED, NULL, "octets behind"},
        {"1.2.3.4.5", "05 00", PKI_REQEXT_UNKNOWN, "1.2.3.4.5", "nobody knows it"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_req_ext_t ext = ext_of(rows[i].name, rows[i].value);
        const char *what = NULL;
        pki_reqext_kind_t kind = pki_reqext_judge(&what, &ext);

        assert_non_null(what);
        if (kind != rows[i].kind || (rows[i].what && strcmp(what, rows[i].what) != 0))
            fail_msg("%s, %s: got %d \"%s\"", rows[i].name, rows[i].reason, (int)kind, what);
    }
}

static void test_key_usage_bits_are_those_of_rfc_5280(void **state)
{
    static const struct {
        const char *value;
        int bits;
    } rows[] = {
        {"03 02 0780", 1 << 0},    {"03 02 0640", 1 << 1},     {"03 02 0520", 1 << 2},        {"03 02 0410", 1 << 3},
        {"03 02 0308", 1 << 4},    {"03 02 0204", 1 << 5},     {"03 02 0102", 1 << 6},        {"03 02 0001", 1 << 7},
        {"03 03 07 0080", 1 << 8}, {"03 02 05a0", 1 | 1 << 2}, {"03 03 07 8080", 1 | 1 << 8}, {"03 01 00", 0},
        {"04 02 0780", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_req_ext_t ext = ext_of("keyUsage", rows[i].value);
        est_slice_t value = tlv(0x04, hex(rows[i].value)), oid = hex("0603551d0f");

        assert_int_equal(pki_reqext_key_usage(&ext), rows[i].bits);
        assert_int_equal(pki_reqext_given_key_usage(tlv(0x30, join(2, oid, value))), rows[i].bits);
        assert_int_equal(pki_reqext_given_key_usage(tlv(0x30, join(3, oid, hex("0101ff"), value))), rows[i].bits);
    }
}

/* CP-10, and CP-09: as short as DER has it */
static void test_an_extension_with_other_bits(void **state)
{
    static const struct {
        unsigned usage;
        const char *value;
    } rows[] = {{1, "0780"}, {3, "06c0"}, {0x15, "03a8"}, {0x10, "0308"}, {0x91, "0089"}, {0x111, "078880"}};
    est_slice_t given = hex("300e 0603551d0f 0101ff 0404 030205a0"), plain = hex("300b 0603551d0f 0404 030205a0");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t value = tlv(4, tlv(3, hex(rows[i].value))), oid = hex("0603551d0f");

        ASSERT_SLICE(pki_reqext_with_key_usage(given, rows[i].usage, pool),
                     tlv(0x30, join(3, oid, hex("0101ff"), value)));
        ASSERT_SLICE(pki_reqext_with_key_usage(plain, rows[i].usage, pool), tlv(0x30, join(2, oid, value)));
    }
}

static void test_other_extensions_have_no_key_usage(void **state)
{
    pki_req_ext_t purposes = ext_of("extendedKeyUsage", "03 02 0780");

    (void)state;
    assert_int_equal(pki_reqext_key_usage(&purposes), 0);
    assert_int_equal(pki_reqext_given_key_usage(hex("3009 0603551d25 0402 3000")), 0);
    assert_int_equal(pki_reqext_given_key_usage(hex("")), 0);
    assert_int_equal(pki_reqext_given_key_usage(hex("3005 0603551d0f")), 0);
    assert_int_equal(pki_reqext_given_key_usage(hex("300b 0603551d0f 0404 0302")), 0);
}

/* What a profile's Extension gives: DER of extnID, critical where it is, extnValue */
static void test_what_a_profile_cannot_give(void **state)
{
    static const struct {
        const char *oid, *value, *what; /* what NULL: no power */
    } rows[] = {
        {"0603551d0f", "03020780", NULL},
        {"0603551d0f", "03020204", "keyCertSign"},
        {"0603551d0f", "03020102", "cRLSign"},
        {"0603551d13", "3000", NULL},
        {"0603551d13", "30030101ff", "CA:TRUE"},
        {"0603551d1e", "3000", "nameConstraints"},
        {"0603551d25", "300a06082b0601050507031c", NULL},
        {"0603551d25", "300a06082b06010505070309", NULL},
        {"0603551d25", "301406082b0601050507031c06082b0601050507031b", "id-kp-cmcCA"},
        {"06096086480186f8420101", "03020780", NULL},
        {"06096086480186f8420101", "03020204", "nsCertType of a CA"},
        {"06096086480186f8420101", "0303020400", "nsCertType of a CA"},
        {"06032a0304", "0500", NULL},
    };
    const char *what = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t oid = hex(rows[i].oid), value = tlv(0x04, hex(rows[i].value));

        for (int critical = 0; critical < 2; critical++) {
            est_slice_t ext = tlv(0x30, critical ? join(3, oid, hex("0101ff"), value) : join(2, oid, value));

            assert_int_equal(pki_reqext_given_ca_power(&what, ext), rows[i].what != NULL);
            if (rows[i].what)
                assert_string_equal(what, rows[i].what);
        }
    }
    assert_int_equal(pki_reqext_given_ca_power(&what, hex("")), 0);
    assert_int_equal(pki_reqext_given_ca_power(&what, hex("3005 0603551d13")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_what_requested_extensions_ask_for), EST_TEST(test_key_usage_bits_are_those_of_rfc_5280),
        EST_TEST(test_an_extension_with_other_bits),      EST_TEST(test_other_extensions_have_no_key_usage),
        EST_TEST(test_what_a_profile_cannot_give),
    };
    return EST_TEST_RUN(tests);
}
