/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "pki/pki_name.h"

#include <openssl/err.h>
#include <openssl/objects.h>

enum {
    UTF8 = 0x0c,
    PRINTABLE = 0x13,
    T61 = 0x14,
    IA5 = 0x16,
    NUMERIC = 0x12,
    VISIBLE = 0x1a,
    UNIVERSAL = 0x1c,
    BMP = 0x1e
};

#define CN "0603550403"
#define O "060355040a"
#define OU "060355040b"
#define C "0603550406"

/* AttributeTypeAndValue */
static est_slice_t ava(const char *oid, unsigned tag, est_slice_t value)
{
    return tlv(0x30, join(2, hex(oid), tlv(tag, value)));
}

static est_slice_t rdn(est_slice_t avas)
{
    return tlv(0x31, avas);
}

/* Name of one attribute */
static est_slice_t single(const char *oid, unsigned tag, est_slice_t value)
{
    return tlv(0x30, rdn(ava(oid, tag, value)));
}

static pki_name_t *decoded(est_slice_t der)
{
    pki_name_t *name;
    ASSERT_OK(pki_name_decode(&name, der, pool));
    return name;
}

/* ---- Decoding ---- */

static void test_attributes_in_order(void **state)
{
    (void)state;
    est_slice_t der = tlv(0x30, join(3, rdn(ava(C, PRINTABLE, text("DE"))),
                                     rdn(join(2, ava(O, UTF8, text("Example")), ava(OU, UTF8, text("a, \"b\"")))),
                                     rdn(ava("06052a03046701", UTF8, text("v")))));
    pki_name_t *name = decoded(der);
    assert_int_equal(name->n_attrs, 4);
    ASSERT_SLICE(name->der, der);
    assert_int_equal(name->attrs[0].nid, NID_countryName);
    assert_string_equal(name->attrs[0].type, "C");
    assert_int_equal(name->attrs[0].rdn, 0);
    assert_string_equal(name->attrs[1].value, "Example");
    assert_int_equal(name->attrs[1].rdn, 1);
    assert_int_equal(name->attrs[2].rdn, 1);
    assert_int_equal(name->attrs[3].nid, NID_undef);
    assert_string_equal(name->attrs[3].type, "1.2.3.4.103.1");
    assert_int_equal(name->attrs[3].rdn, 2);
    assert_string_equal(name->text, "1.2.3.4.103.1=v,O=Example+OU=a\\, \\\"b\\\",C=DE");
    assert_int_equal(X509_NAME_entry_count(name->x509), 4);
}

static void test_the_empty_name(void **state)
{
    (void)state;
    pki_name_t *name = decoded(hex("3000"));
    assert_int_equal(name->n_attrs, 0);
    assert_string_equal(name->text, "");
    assert_true(pki_name_equal(name, decoded(hex("3000"))));
    assert_false(pki_name_equal(name, decoded(single(CN, UTF8, text("a")))));
}

/* RFC 2253 2.4 */
static void test_text_is_escaped(void **state)
{
    static const struct {
        const char *value, *text;
    } rows[] = {
        {"#x", "CN=\\#x"}, {" x ", "CN=\\ x\\ "}, {"a+b<c>;\\", "CN=a\\+b\\<c\\>\\;\\\\"},
        {"a=b", "CN=a=b"}, {" ", "CN=\\ "},       {"x#", "CN=x#"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(decoded(single(CN, UTF8, text(rows[i].value)))->text, rows[i].text);
}

/* N-01, N-03, N-04, N-06, N-08 and N-11 */
static void test_values_of_every_string_type(void **state)
{
    static const struct {
        unsigned tag;
        const char *in; /* hex */
        const char *value, *why;
    } rows[] = {
        {UTF8, "61", "a", NULL},
        {PRINTABLE, "40 5f 2a 26", "@_*&", NULL}, /* badalpha: to be re-encoded */
        {IA5, "61", "a", NULL},
        {NUMERIC, "31", "1", NULL},
        {T61, "61", "a", NULL},
        {UTF8, "6d c3bc", "m\xc3\xbc", NULL},
        {BMP, "006d 00fc", "m\xc3\xbc", NULL},
        {BMP, "20ac", "\xe2\x82\xac", NULL},
        {UNIVERSAL, "0000006d 0001f600", "m\xf0\x9f\x98\x80", NULL},
        {UTF8, "27 3b 20 44 52 4f 50 20 54 41 42 4c 45", "'; DROP TABLE", NULL}, /* N-07: stored as it is */
        {UTF8, "2573256e", "%s%n", NULL},
        {T61, "6d fc", "m\xc3\xbc", NULL}, /* such CA certificates exist; requests are refused */
        {T61, "61 85", NULL, "control character"},
        {PRINTABLE, "fc", NULL, "not a string"},
        {IA5, "80", NULL, "not a string"},
        {BMP, "006d 00", NULL, "not a string"},
        {UNIVERSAL, "0000006d 00", NULL, "not a string"},
        {BMP, "d83d de00", NULL, "not UTF-8"}, /* BMPString has no surrogates */
        {UNIVERSAL, "00110000", NULL, "control character"},
        {UNIVERSAL, "0000d800", NULL, "not UTF-8"},
        {UNIVERSAL, "ffffffff", NULL, "control character"},
        {UTF8, "", NULL, "empty"},
        {BMP, "", NULL, "empty"},
        {UTF8, "676f6f64 00 6576696c", NULL, "control character"}, /* N-01 */
        {PRINTABLE, "61 00", NULL, "control character"},
        {BMP, "0061 0000", NULL, "control character"},
        {UTF8, "61 0d0a 62", NULL, "control character"},
        {UTF8, "1b5b324a", NULL, "control character"},
        {UTF8, "61 c285", NULL, "control character"}, /* NEL */
        {UTF8, "e280a8", NULL, "control character"},  /* U+2028 */
        {UTF8, "e280ae", NULL, "format character"},   /* U+202E */
        {BMP, "202e", NULL, "format character"},
        {UTF8, "61 e2808b", NULL, "format character"},
        {UTF8, "efbbbf 61", NULL, "format character"},
        {UTF8, "c328", NULL, "not UTF-8"},
        {UTF8, "fc", NULL, "not UTF-8"},
        {0x1a, "61", NULL, "not a string"}, /* VisibleString is not in DirectoryString */
        {0x02, "01", NULL, "not a string"},
        {0x30, "0500", NULL, "not a string"},
        {0x04, "61", NULL, "not a string"},
        {0x05, "", NULL, "not a string"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *label = apr_psprintf(pool, "tag %02x %s", rows[i].tag, rows[i].in);
        pki_name_t *name;
        est_err_t *err = pki_name_decode(&name, single(CN, rows[i].tag, hex(rows[i].in)), pool);
        if (rows[i].why) {
            ASSERT_ROW(err, EST_E_name_invalid, rows[i].why, label);
        } else {
            est_test_ok(err, label, __FILE__, __LINE__);
            assert_string_equal(name->attrs[0].value, rows[i].value);
        }
        assert_int_equal(ERR_peek_error(), 0);
    }
}

/* N-06 */
static void test_malformed_names(void **state)
{
    (void)state;
    est_slice_t a = ava(CN, UTF8, text("a"));
    const est_slice_t rows[] = {
        hex(""),
        hex("3100"),
        hex("3000 00"),
        hex("3003 020100"),
        tlv(0x30, hex("3100")), /* empty RDN */
        tlv(0x30, join(2, rdn(a), hex("3100"))),
        tlv(0x30, a), /* without SET */
        tlv(0x30, rdn(hex("3000"))),
        tlv(0x30, rdn(tlv(0x30, hex(CN)))),
        tlv(0x30, rdn(tlv(0x30, join(3, hex(CN), hex("0c0161"), hex("0c0162"))))),
        tlv(0x30, rdn(tlv(0x30, join(2, hex("06028001"), hex("0c0161"))))),
        tlv(0x30, rdn(join(2, a, hex("0500")))),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_name_t *name;
        ASSERT_ROW(pki_name_decode(&name, rows[i], pool), EST_E_name_invalid, NULL, est_hex(rows[i], pool));
    }
}

/* N-02: 100 RDNs */
static void test_the_number_of_attributes_is_bounded(void **state)
{
    (void)state;
    est_slice_t one = rdn(ava(OU, UTF8, text("a"))), all = {NULL, 0};
    pki_name_t *name;
    for (int i = 0; i < PKI_NAME_MAX_ATTRIBUTES; i++)
        all = join(2, all, one);
    assert_int_equal(decoded(tlv(0x30, all))->n_attrs, PKI_NAME_MAX_ATTRIBUTES);
    ASSERT_FAILS(pki_name_decode(&name, tlv(0x30, join(2, all, one)), pool), name_invalid, "more than 32");
}

/* ---- Comparison ---- */

static est_slice_t two_numbers(unsigned o, unsigned cn)
{
    return tlv(0x30, join(2, rdn(ava(O, o, text("1"))), rdn(ava(CN, cn, text("2")))));
}

/* C-13: RFC 5280 7.1 */
static void test_equality_folds_case_blanks_and_string_type(void **state)
{
    (void)state;
    est_slice_t ab = tlv(0x30, join(2, rdn(ava(O, UTF8, text("A"))), rdn(ava(CN, UTF8, text("B")))));
    est_slice_t ba = tlv(0x30, join(2, rdn(ava(CN, UTF8, text("B"))), rdn(ava(O, UTF8, text("A")))));
    est_slice_t multi = tlv(0x30, rdn(join(2, ava(CN, UTF8, text("B")), ava(O, UTF8, text("A")))));
    const struct {
        est_slice_t a, b;
        int equal;
    } rows[] = {
        {single(CN, UTF8, text("Device")), single(CN, UTF8, text("dEVICE")), 1},
        {single(CN, UTF8, text("a  b")), single(CN, UTF8, text(" a b ")), 1},
        {single(CN, UTF8, text("a")), single(CN, PRINTABLE, text("a")), 1},
        {single(CN, UTF8, text("a")), single(CN, BMP, hex("0061")), 1},
        {single(CN, UTF8, text("12 34")), single(CN, NUMERIC, text("12 34")), 1},
        {single(CN, NUMERIC, text("12 34")), single(CN, PRINTABLE, text(" 12  34")), 1},
        {single(CN, NUMERIC, text("12 34")), single(CN, NUMERIC, text("12 35")), 0},
        {two_numbers(NUMERIC, UTF8), two_numbers(UTF8, NUMERIC), 1},
        {two_numbers(NUMERIC, NUMERIC), two_numbers(UTF8, PRINTABLE), 1},
        {single(CN, UTF8, text("a")), single(CN, UTF8, text("b")), 0},
        {single(CN, UTF8, text("ab")), single(CN, UTF8, text("a b")), 0},
        {single(CN, UTF8, text("a")), single(O, UTF8, text("a")), 0},
        {ab, ba, 0},
        {ab, ab, 1},
        {ab, multi, 0},
        {single(CN, UTF8, text("\xc3\x84")), single(CN, UTF8, text("\xc3\xa4")), 0}, /* ASCII alone is folded */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (pki_name_equal(decoded(rows[i].a), decoded(rows[i].b)) != rows[i].equal)
            fail_msg("row %d", (int)i);
    }
}

/* ---- Encoding ---- */

static pki_attr_t attr(int nid, const char *type, const char *value, int rdn_index)
{
    return (pki_attr_t){nid, type, value, rdn_index};
}

/* CP-19, CP-20, N-04, N-05 */
static void test_encoding_chooses_the_string_type(void **state)
{
    const struct {
        pki_attr_t attr;
        const char *oid;
        unsigned tag;
    } rows[] = {
        {attr(NID_commonName, "CN", "device 1", 0), CN, UTF8},
        {attr(NID_undef, "CN", "device 1", 0), CN, UTF8},
        {attr(NID_undef, "2.5.4.3", "device 1", 0), CN, UTF8},
        {attr(NID_commonName, NULL, "@_*&", 0), CN, UTF8},
        {attr(NID_countryName, "C", "DE", 0), C, PRINTABLE},
        {attr(NID_serialNumber, "serialNumber", "A-1 (x):/+=?'.,", 0), "0603550405", PRINTABLE},
        {attr(NID_dnQualifier, "dnQualifier", "q", 0), "060355042e", PRINTABLE},
        {attr(NID_pkcs9_emailAddress, "emailAddress", "a@b.example", 0), "06092a864886f70d010901", IA5},
        {attr(NID_domainComponent, "DC", "example", 0), "060a0992268993f22c640119", IA5},
        {attr(NID_undef, "1.2.3.4.103.1", "m\xc3\xbc", 0), "06052a03046701", UTF8},
        {attr(NID_streetAddress, "street", "s", 0), "0603550409", UTF8}, /* only OpenSSL's table has it */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_name_t *name;
        ASSERT_OK(pki_name_encode(&name, &rows[i].attr, 1, pool));
        ASSERT_SLICE(name->der, single(rows[i].oid, rows[i].tag, text(rows[i].attr.value)));
        assert_string_equal(name->attrs[0].value, rows[i].attr.value);
    }
}

static const char *many(const char *unit, int n)
{
    char *s = apr_palloc(pool, strlen(unit) * (size_t)n + 1), *w = s;
    while (n-- > 0)
        w = memcpy(w, unit, strlen(unit)), w += strlen(unit);
    *w = '\0';
    return s;
}

/* CP-19, N-02, N-05 */
static void test_encoding_enforces_bounds(void **state)
{
    const struct {
        pki_attr_t attr;
        const char *why; /* NULL: good */
    } rows[] = {
        {attr(NID_commonName, "CN", many("x", 64), 0), NULL},
        {attr(NID_commonName, "CN", many("\xc3\xbc", 64), 0), NULL}, /* characters count, not octets */
        {attr(NID_commonName, "CN", many("x", 65), 0), "too long (at most 64"},
        {attr(NID_commonName, "CN", many("\xc3\xbc", 65), 0), "too long"},
        {attr(NID_organizationName, "O", many("x", 65), 0), "too long"},
        {attr(NID_organizationalUnitName, "OU", many("x", 65), 0), "too long"},
        {attr(NID_localityName, "L", many("x", 128), 0), NULL},
        {attr(NID_localityName, "L", many("x", 129), 0), "too long"},
        {attr(NID_stateOrProvinceName, "ST", many("x", 129), 0), "too long"},
        {attr(NID_serialNumber, "serialNumber", many("1", 64), 0), NULL},
        {attr(NID_serialNumber, "serialNumber", many("1", 65), 0), "too long"},
        {attr(NID_serialNumber, "serialNumber", "a_b", 0), "not a PrintableString"},
        {attr(NID_pkcs9_emailAddress, "emailAddress", many("x", 256), 0), "too long"},
        {attr(NID_pkcs9_emailAddress, "emailAddress", "\xc3\xbc@a", 0), "not ASCII"},
        {attr(NID_countryName, "C", "USA", 0), "too long"},
        {attr(NID_countryName, "C", "us", 0), "two upper-case letters"},
        {attr(NID_countryName, "C", "U", 0), "two upper-case letters"},
        {attr(NID_countryName, "C", "1A", 0), "two upper-case letters"},
        {attr(NID_commonName, "CN", "", 0), "empty"},
        {attr(NID_commonName, "CN", "a\nb", 0), "control character"},
        {attr(NID_commonName, "CN", "\xe2\x80\xae", 0), "format character"},
        {attr(NID_commonName, "CN", "\xff", 0), "not UTF-8"},
        {attr(NID_undef, "noSuchAttribute", "a", 0), "noSuchAttribute is not known"},
        {attr(NID_undef, NULL, "a", 0), "not known"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_name_t *name;
        est_err_t *err = pki_name_encode(&name, &rows[i].attr, 1, pool);
        const char *label = apr_psprintf(pool, "row %d", (int)i);
        if (rows[i].why)
            ASSERT_ROW(err, EST_E_name_invalid, rows[i].why, label);
        else
            est_test_ok(err, label, __FILE__, __LINE__);
    }
}

/* CP-22; the parts of an RDN stand in the order of DER */
static void test_encoding_keeps_the_grouping(void **state)
{
    (void)state;
    const pki_attr_t attrs[] = {attr(NID_organizationName, "O", "Example", 0),
                                attr(NID_serialNumber, "serialNumber", "1234", 5), attr(NID_commonName, "CN", "a", 5),
                                attr(NID_commonName, "CN", "b", 6)};
    pki_name_t *name;
    ASSERT_OK(pki_name_encode(&name, attrs, 4, pool));
    ASSERT_SLICE(name->der,
                 tlv(0x30, join(3, rdn(ava(O, UTF8, text("Example"))),
                                rdn(join(2, ava(CN, UTF8, text("a")), ava("0603550405", PRINTABLE, text("1234")))),
                                rdn(ava(CN, UTF8, text("b"))))));
    assert_string_equal(name->text, "CN=b,CN=a+serialNumber=1234,O=Example");
    ASSERT_OK(pki_name_encode(&name, NULL, 0, pool));
    ASSERT_SLICE(name->der, hex("3000"));

    pki_attr_t too_many[PKI_NAME_MAX_ATTRIBUTES + 1];
    for (int i = 0; i <= PKI_NAME_MAX_ATTRIBUTES; i++)
        too_many[i] = attr(NID_commonName, "CN", "a", i);
    ASSERT_FAILS(pki_name_encode(&name, too_many, PKI_NAME_MAX_ATTRIBUTES + 1, pool), name_invalid, "more than");
}

/* X.501 9.3, also where another type stands between. Certificates that have it can be read. */
static void test_an_rdn_has_each_type_once(void **state)
{
    (void)state;
    const pki_attr_t across[] = {attr(NID_commonName, "CN", "a", 0), attr(NID_organizationName, "O", "a", 0),
                                 attr(NID_commonName, "CN", "b", 1)};
    const pki_attr_t within[] = {attr(NID_commonName, "CN", "a", 0), attr(NID_organizationName, "O", "a", 0),
                                 attr(NID_commonName, "CN", "b", 0)};
    const pki_attr_t unknown[] = {attr(NID_undef, "1.2.840.55555", "a", 0), attr(NID_undef, "1.2.840.55555", "b", 0)};
    pki_name_t *name;

    ASSERT_OK(pki_name_encode(&name, across, 3, pool));
    ASSERT_FAILS(pki_name_encode(&name, within, 3, pool), name_invalid, "CN stands twice");
    ASSERT_FAILS(pki_name_encode(&name, unknown, 2, pool), name_invalid, "1.2.840.55555 stands twice");
    name = decoded(tlv(0x30, rdn(join(2, ava(CN, UTF8, text("a")), ava(CN, UTF8, text("b"))))));
    ASSERT_FAILS(pki_name_encode(&name, name->attrs, name->n_attrs, pool), name_invalid, "CN stands twice");
}

/* N-03, CP-20 */
static void test_decoding_and_encoding_makes_a_name_canonical(void **state)
{
    (void)state;
    est_slice_t odd = tlv(0x30, join(2, rdn(ava(O, T61, text("Example"))), rdn(ava(CN, BMP, hex("006d 00fc")))));
    pki_name_t *name = decoded(odd), *canonical;
    ASSERT_OK(pki_name_encode(&canonical, name->attrs, name->n_attrs, pool));
    ASSERT_SLICE(canonical->der,
                 tlv(0x30, join(2, rdn(ava(O, UTF8, text("Example"))), rdn(ava(CN, UTF8, text("m\xc3\xbc"))))));
    assert_true(pki_name_equal(name, canonical));
}

/* N-09: a certificate with such a name can be read, and a new one is not issued */
static void test_the_check_of_a_new_name(void **state)
{
    (void)state;
    est_slice_t good = rdn(ava(CN, UTF8, text("pump 7")));
    ASSERT_OK(pki_name_check(decoded(tlv(0x30, good)), pool));
    ASSERT_OK(pki_name_check(decoded(hex("3000")), pool));
    pki_name_t *name = decoded(tlv(0x30, join(2, good, rdn(ava(O, UTF8, text("a  b"))))));
    assert_string_equal(name->attrs[1].value, "a  b");
    ASSERT_FAILS(pki_name_check(name, pool), name_invalid, "value of O: two blanks");
}

/* N-03, N-05 */
static void test_string_types_that_only_certificates_have(void **state)
{
    static const struct {
        const char *oid;
        unsigned tag;
        const char *in; /* hex */
        const char *unfit;
    } rows[] = {
        {CN, T61, "6dfc", "T61String beyond ASCII"},
        {CN, T61, "706c61696e", NULL},
        {CN, UTF8, "6dc3bc", NULL},
        {C, PRINTABLE, "4445", NULL},
        {C, UTF8, "4445", "countryName that is no PrintableString"},
        {C, IA5, "4445", "countryName that is no PrintableString"},
        {C, BMP, "00440045", "countryName that is no PrintableString"},
        {O, UTF8, "4445", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const pki_name_t *name = decoded(single(rows[i].oid, rows[i].tag, hex(rows[i].in)));
        if (!rows[i].unfit != !name->unfit || (name->unfit && strcmp(name->unfit, rows[i].unfit) != 0))
            fail_msg("row %d: %s", (int)i, name->unfit ? name->unfit : "fit");
    }
    assert_true(pki_name_equal(decoded(single(CN, T61, hex("6dfc"))), decoded(single(CN, UTF8, hex("6dc3bc")))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_attributes_in_order),
        EST_TEST(test_the_empty_name),
        EST_TEST(test_text_is_escaped),
        EST_TEST(test_values_of_every_string_type),
        EST_TEST(test_malformed_names),
        EST_TEST(test_the_number_of_attributes_is_bounded),
        EST_TEST(test_equality_folds_case_blanks_and_string_type),
        EST_TEST(test_encoding_chooses_the_string_type),
        EST_TEST(test_encoding_enforces_bounds),
        EST_TEST(test_encoding_keeps_the_grouping),
        EST_TEST(test_an_rdn_has_each_type_once),
        EST_TEST(test_decoding_and_encoding_makes_a_name_canonical),
        EST_TEST(test_the_check_of_a_new_name),
        EST_TEST(test_string_types_that_only_certificates_have),
    };
    return EST_TEST_RUN(tests);
}
