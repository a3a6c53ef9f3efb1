/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "pki/pki_san.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

enum {
    EMAIL = 0x81,
    DNS = 0x82,
    URI = 0x86,
    IP = 0x87,
    RID = 0x88,
    OTHER = 0xa0,
    X400 = 0xa3,
    DIRNAME = 0xa4,
    EDI = 0xa5
};

static est_slice_t one(unsigned tag, est_slice_t value)
{
    return tlv(0x30, tlv(tag, value));
}

static pki_sans_t decoded(est_slice_t der)
{
    pki_sans_t sans;
    ASSERT_OK(pki_san_decode(&sans, der, pool));
    return sans;
}

static est_slice_t dirname_of(const char *cn)
{
    return tlv(0x30, tlv(0x31, tlv(0x30, join(2, hex("0603550403"), tlv(0x0c, text(cn))))));
}

static void test_every_type(void **state)
{
    static const char upn[] = "060a2b060104018237140203"; /* 1.3.6.1.4.1.311.20.2.3 */
    const struct {
        unsigned tag;
        est_slice_t in;
        pki_san_type_t type;
        const char *value;
    } rows[] = {
        {DNS, text("a.example"), PKI_SAN_DNS, "a.example"},
        {DNS, text("A.ExAmple"), PKI_SAN_DNS, "a.example"},
        {IP, hex("0a000001"), PKI_SAN_IP, "10.0.0.1"},
        {IP, hex("20010db8 00000000 00000000 00000001"), PKI_SAN_IP, "2001:db8::1"},
        {URI, text("https://a.Example/x?y#z"), PKI_SAN_URI, "https://a.Example/x?y#z"},
        {EMAIL, text("Joe@Example.com"), PKI_SAN_EMAIL, "Joe@Example.com"},
        {DIRNAME, dirname_of("a,b"), PKI_SAN_DIRNAME, "CN=a\\,b"},
        {OTHER, join(2, hex(upn), tlv(0xa0, tlv(0x0c, text("u@d")))), PKI_SAN_OTHER, "1.3.6.1.4.1.311.20.2.3"},
        {RID, hex("2a0304"), PKI_SAN_RID, "1.2.3.4"},
        {X400, hex("3000"), PKI_SAN_X400, "?"},
        {EDI, hex("a103 0c0161"), PKI_SAN_EDI, "?"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_sans_t sans = decoded(one(rows[i].tag, rows[i].in));
        assert_int_equal(sans.n_names, 1);
        assert_int_equal(sans.names[0].type, rows[i].type);
        assert_string_equal(sans.names[0].value, rows[i].value);
        if (rows[i].type != PKI_SAN_DNS)
            ASSERT_SLICE(sans.names[0].der, tlv(rows[i].tag, rows[i].in));
        assert_string_equal(pki_san_text(&sans.names[0], pool),
                            apr_pstrcat(pool, pki_san_type_name(rows[i].type), ":", rows[i].value, NULL));
        assert_int_equal(pki_san_type_from_name(pki_san_type_name(rows[i].type)), rows[i].type);
    }
    ASSERT_SLICE(decoded(one(DNS, text("A.B"))).names[0].der, tlv(DNS, text("a.b")));
    assert_int_equal(pki_san_type_from_name("x500"), -1);
    assert_int_equal(pki_san_type_from_name(""), -1);
}

static const char *type_of(unsigned tag)
{
    return tag == DNS ? "dns \"" : tag == EMAIL ? "email \"" : "uri \"";
}

/* What is no name for a new certificate may stand in one that somebody presents (rows N are about what is issued) */
static void test_names_of_others_can_be_read(void **state)
{
    static const struct {
        unsigned tag;
        const char *in, *value;
    } rows[] = {
        {DNS, "", ""},
        {DNS, "A_B.example", "a_b.example"},
        {DNS, "xn--99999999.de", "xn--99999999.de"},
        {DNS, "m\xc3\xbcnchen.de", "m\xc3\xbcnchen.de"},
        {EMAIL, "nobody", "nobody"},
        {URI, "urn:uuid:f81d4fae", "urn:uuid:f81d4fae"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_sans_t sans = decoded(one(rows[i].tag, text(rows[i].in)));
        assert_string_equal(sans.names[0].value, rows[i].value);
        ASSERT_FAILS(pki_san_check(&sans, pool), name_invalid, type_of(rows[i].tag));
    }
    pki_sans_t good = decoded(tlv(0x30, join(2, tlv(DNS, text("a.example")), tlv(RID, hex("2a03")))));
    ASSERT_OK(pki_san_check(&good, pool));
}

/* N-01, N-12, C-09 and shapes */
static void test_what_is_malformed_or_not_supported(void **state)
{
    est_slice_t deep = hex("0500");
    for (int i = 0; i < 100; i++)
        deep = tlv(0x30, deep);
    const struct {
        est_slice_t der;
        const char *why;
    } rows[] = {
        {hex(""), "subjectAltName: nothing"},
        {hex("3000"), "with 0 names"},
        {hex("3100"), "malformed"},
        {hex("3000 00"), "trailing"},
        {hex("30 80 0000"), "not DER"},
        {one(IP, hex("")), "ip: not 4 or 16"},
        {one(IP, hex("0a0000")), "ip: not 4 or 16"},
        {one(IP, hex("0a00000101")), "ip: not 4 or 16"},
        {one(IP, hex("0a000000 ff000000")), "ip: not 4 or 16"},
        {one(IP, join(2, est_slice(apr_pcalloc(pool, 16), 16), est_slice(apr_pcalloc(pool, 16), 16))),
         "ip: not 4 or 16"},
        {one(0xa7, hex("0401 0a")), "tag 0xa7"},          /* iPAddress, constructed */
        {one(0x83, hex("3000")), "not known (tag 0x83)"}, /* x400Address, primitive */
        {one(0x89, hex("00")), "not known (tag 0x89)"},
        {one(0x0c, text("a.example")), "not known (tag 0x0c)"},
        {one(DNS, est_slice("a\0b", 3)), "dns \"a\\x00b\": control character"}, /* N-01 */
        {one(DNS, est_slice("a\0.evil", 7)), "control character"},
        {one(EMAIL, text("a\r\n@b")), "control character"},
        {one(URI, text("http://a/\x1b")), "control character"},
        {one(DNS, text("m\xfcnchen.de")), "not UTF-8"},
        {one(URI, text("http://a/\xe2\x80\xae")), "format character"},
        {one(DIRNAME, hex("3000")), "dirname: empty"},
        {one(DIRNAME, hex("0500")), "malformed"},
        {one(DIRNAME, dirname_of("a\nb")), "control character"},
        {one(OTHER, hex("06022a03")), "other: malformed"},
        {one(OTHER, hex("06022a03 0500")), "other: malformed"},
        {one(OTHER, hex("06022a03 a000")), "other: malformed"},
        {one(OTHER, hex("06022a03 a004 0500 0500")), "other: malformed"},
        {one(OTHER, join(2, hex("06022a03"), tlv(0xa0, deep))), "nested too deep"},
        {one(RID, hex("")), "rid: malformed"},
        {one(RID, hex("2a80")), "rid: malformed"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_sans_t sans;
        ASSERT_ROW(pki_san_decode(&sans, rows[i].der, pool), EST_E_name_invalid, rows[i].why,
                   apr_psprintf(pool, "row %d", (int)i));
        assert_int_equal(ERR_peek_error(), 0);
    }
}

/* C-10 */
static void test_the_number_of_names_is_bounded(void **state)
{
    (void)state;
    est_slice_t all = {NULL, 0}, name = tlv(DNS, text("a"));
    for (int i = 0; i < PKI_SAN_MAX; i++)
        all = join(2, all, name);
    assert_int_equal(decoded(tlv(0x30, all)).n_names, PKI_SAN_MAX);
    pki_sans_t sans;
    ASSERT_FAILS(pki_san_decode(&sans, tlv(0x30, join(2, all, name)), pool), name_invalid, "with 257 names");
}

/* RE-02, C-13 */
static void test_comparison_is_of_sets(void **state)
{
    est_slice_t a = tlv(DNS, text("a")), upper = tlv(DNS, text("A")), b = tlv(DNS, text("b")),
                ip = tlv(IP, hex("0a000001"));
    const struct {
        est_slice_t left, right;
        int subset, equal;
    } rows[] = {
        {a, a, 1, 1},
        {a, upper, 1, 1},
        {a, b, 0, 0},
        {a, join(2, b, a), 1, 0},
        {join(2, b, a), a, 0, 0},
        {join(2, a, b), join(2, b, a), 1, 1},
        {join(3, a, a, b), join(2, b, a), 1, 1},
        {join(2, a, ip), join(2, ip, a), 1, 1},
        {ip, tlv(IP, hex("0a000002")), 0, 0},
        {tlv(EMAIL, text("Joe@A.b")), tlv(EMAIL, text("Joe@a.B")), 1, 1},
        {tlv(EMAIL, text("Joe@a.b")), tlv(EMAIL, text("joe@a.b")), 0, 0},
        {tlv(EMAIL, text("a@b")), tlv(EMAIL, text("a@bc")), 0, 0},
        {tlv(URI, text("HTTP://A/x")), tlv(URI, text("http://a/x")), 1, 1},
        {tlv(URI, text("http://a/X")), tlv(URI, text("http://a/x")), 0, 0},
        {tlv(URI, text("http://a/x")), tlv(URI, text("http://ax/")), 0, 0},
        {tlv(DIRNAME, dirname_of("A  b")), tlv(DIRNAME, dirname_of("a B")), 1, 1},
        {tlv(DIRNAME, dirname_of("a")), tlv(DIRNAME, dirname_of("b")), 0, 0},
        {tlv(RID, hex("2a03")), tlv(RID, hex("2a03")), 1, 1},
        {tlv(RID, hex("2a03")), tlv(RID, hex("2a04")), 0, 0},
        {tlv(URI, text("urn:A")), tlv(URI, text("urn:a")), 0, 0}, /* no host that could be folded */
        {tlv(EMAIL, text("A")), tlv(EMAIL, text("a")), 0, 0},
        {tlv(EDI, hex("a103 0c0161")), tlv(EDI, hex("a103 0c0162")), 0, 0},
        {a, tlv(EMAIL, text("a@a")), 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_sans_t left = decoded(tlv(0x30, rows[i].left)), right = decoded(tlv(0x30, rows[i].right));
        if (pki_san_subset(&left, &right) != rows[i].subset || pki_san_equal(&left, &right) != rows[i].equal ||
            pki_san_equal(&right, &left) != rows[i].equal)
            fail_msg("row %d", (int)i);
    }
    pki_sans_t none = {NULL, 0}, some = decoded(tlv(0x30, a));
    assert_true(pki_san_equal(&none, &none));
    assert_true(pki_san_subset(&none, &some));
    assert_false(pki_san_subset(&some, &none));
    assert_false(pki_san_equal(&none, &some));
}

static void test_encoding_is_what_openssl_reads(void **state)
{
    (void)state;
    est_slice_t der = tlv(0x30, join(4, tlv(DNS, text("A.example")), tlv(IP, hex("0a000001")),
                                     tlv(DIRNAME, dirname_of("x")), tlv(URI, text("http://a/"))));
    pki_sans_t sans = decoded(der);
    est_slice_t out = pki_san_encode(&sans, pool);
    ASSERT_SLICE(out, tlv(0x30, join(4, tlv(DNS, text("a.example")), tlv(IP, hex("0a000001")),
                                     tlv(DIRNAME, dirname_of("x")), tlv(URI, text("http://a/")))));
    const unsigned char *p = out.p;
    GENERAL_NAMES *names = d2i_GENERAL_NAMES(NULL, &p, (long)out.n);
    assert_non_null(names);
    assert_int_equal(sk_GENERAL_NAME_num(names), 4);
    GENERAL_NAMES_free(names);
}

/* Names of templates and rows: what nobody could ask for nobody gets so */
static void test_names_made_of_text(void **state)
{
    static const struct {
        pki_san_type_t type;
        const char *text, *value; /* NULL: refused */
    } rows[] = {
        {PKI_SAN_DNS, "a.example", "a.example"},
        {PKI_SAN_DNS, "A.Example", "a.example"},
        {PKI_SAN_DNS, "*.a.example", "*.a.example"},
        {PKI_SAN_DNS, "", NULL},
        {PKI_SAN_DNS, " a.example", NULL},
        {PKI_SAN_DNS, "a_b.example", NULL},
        {PKI_SAN_DNS, "a..example", NULL},
        {PKI_SAN_DNS, "10.0.0.1", NULL},
        {PKI_SAN_DNS, "a\n.example", NULL},
        {PKI_SAN_DNS, "m\xc3\xbcnchen.de", NULL},
        {PKI_SAN_DNS, "m\xfcnchen.de", NULL},
        {PKI_SAN_IP, "10.0.0.1", "10.0.0.1"},
        {PKI_SAN_IP, "2001:DB8:0::1", "2001:db8::1"},
        {PKI_SAN_IP, "", NULL},
        {PKI_SAN_IP, "10.0.0.01", NULL},
        {PKI_SAN_IP, "10.1", NULL},
        {PKI_SAN_IP, "0x0a000001", NULL},
        {PKI_SAN_IP, "10.0.0.0/8", NULL},
        {PKI_SAN_IP, " 10.0.0.1", NULL},
        {PKI_SAN_IP, "[::1]", NULL},
        {PKI_SAN_IP, "fe80::1%eth0", NULL},
        {PKI_SAN_IP, "a.example", NULL},
        {PKI_SAN_URI, "https://a.example/x", "https://a.example/x"},
        {PKI_SAN_URI, "/x", NULL},
        {PKI_SAN_URI, "", NULL},
        {PKI_SAN_EMAIL, "Joe@a.example", "Joe@a.example"},
        {PKI_SAN_EMAIL, "Joe", NULL},
        {PKI_SAN_DIRNAME, "CN=a", NULL},
        {PKI_SAN_OTHER, "1.2.3", NULL},
        {PKI_SAN_RID, "1.2.3", NULL},
        {PKI_SAN_X400, "?", NULL},
        {PKI_SAN_EDI, "?", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_san_t san = {0};
        est_err_t *err = pki_san_make(&san, rows[i].type, rows[i].text, pool);

        if (!rows[i].value) {
            ASSERT_ROW(err, EST_E_name_invalid, "subjectAltName", rows[i].text);
            assert_null(san.value);
            continue;
        }
        ASSERT_OK(err);
        assert_int_equal(san.type, rows[i].type);
        assert_string_equal(san.value, rows[i].value);
        pki_sans_t asked = decoded(tlv(0x30, san.der)); /* the same as somebody else would write it */
        assert_int_equal(asked.n_names, 1);
        assert_true(pki_san_same(&asked.names[0], &san));
        assert_string_equal(asked.names[0].value, san.value);
    }
    pki_san_t san;
    ASSERT_OK(pki_san_make(&san, PKI_SAN_IP, "10.0.0.1", pool));
    ASSERT_SLICE(san.der, tlv(IP, hex("0a000001")));
    char longest[300] = "http://a.example/";
    memset(longest + 17, 'x', 282);
    ASSERT_OK(pki_san_make(&san, PKI_SAN_URI, longest, pool));
    ASSERT_SLICE(san.der, tlv(URI, text(longest)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_every_type),
        EST_TEST(test_names_of_others_can_be_read),
        EST_TEST(test_what_is_malformed_or_not_supported),
        EST_TEST(test_the_number_of_names_is_bounded),
        EST_TEST(test_comparison_is_of_sets),
        EST_TEST(test_encoding_is_what_openssl_reads),
        EST_TEST(test_names_made_of_text),
    };
    return EST_TEST_RUN(tests);
}
