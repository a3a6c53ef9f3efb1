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
    assert_int_equal(pki_san_type_from_name("x400"), -1);
    assert_int_equal(pki_san_type_from_name(""), -1);
}

static const char *repeated(char c, int n)
{
    char *s = apr_palloc(pool, (apr_size_t)n + 1);
    memset(s, c, (size_t)n);
    s[n] = '\0';
    return s;
}

typedef struct {
    const char *in;
    const char *why; /* NULL: good */
} syntax_t;

static void check_syntax(unsigned tag, const syntax_t *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        pki_sans_t sans;
        est_err_t *err = pki_san_decode(&sans, one(tag, text(rows[i].in)), pool);
        if (rows[i].why)
            ASSERT_ROW(err, EST_E_name_invalid, rows[i].why, rows[i].in);
        else
            est_test_ok(err, rows[i].in, __FILE__, __LINE__);
    }
}

/* N-10, CP-16, CP-18 */
static void test_dns_syntax(void **state)
{
    const char *l63 = repeated('a', 63), *l61 = repeated('b', 61);
    const syntax_t rows[] = {
        {"a", NULL},
        {"localhost", NULL},
        {"a.example", NULL},
        {"1.example", NULL},
        {"a-b.example", NULL},
        {"ab--cd.example", NULL},
        {"*.example", NULL},
        {"xn--mnchen-3ya.de", NULL},
        {"XN--MNCHEN-3YA.de", NULL},
        {"xn--e1afmkfd.xn--p1ai", NULL},
        {l63, NULL},
        {apr_pstrcat(pool, l63, ".", l63, ".", l63, ".", l61, NULL), NULL}, /* 253 */
        {apr_pstrcat(pool, l63, ".", l63, ".", l63, ".b", l61, NULL), "more than 253"},
        {"", "empty"},
        {".", "empty label"},
        {".a", "empty label"},
        {"a.", "empty label"},
        {"a..b", "empty label"},
        {"-a", "hyphen"},
        {"a-", "hyphen"},
        {"a.-b", "hyphen"},
        {"a_b", "character"},
        {repeated('a', 64), "more than 63"},
        {"a b", "character"},
        {" a", "character"},
        {"*", "character"},
        {"*.", "character"},
        {"*.*", "character"},
        {"a.*", "character"},
        {"*a.b", "character"},
        {"a*.b", "character"},
        {"*.*.b", "character"},
        {"a.*.b", "character"},
        {"10.0.0.1", "IP address"},
        {"1", "IP address"},
        {"a.1", "IP address"},
        {"2001:db8::1", "character"},
        {"[::1]", "character"},
        {"a.example:443", "character"},
        {"https://a.example", "character"},
        {"m\xc3\xbcnchen.de", "character"},
        {"m\xfcnchen.de", "character"},
        {"xn--", "hyphen"},
        {"xn--a-b-.de", "hyphen"},
        {"xn--\xff", "character"},
        {"xn--99999999.de", "Punycode"},
        {"xn--0.de", "Punycode"},
        {"a\r\nb", "character"},
    };
    (void)state;
    check_syntax(DNS, rows, sizeof(rows) / sizeof(rows[0]));
    pki_sans_t sans;
    ASSERT_FAILS(pki_san_decode(&sans, one(DNS, est_slice("a\0b", 3)), pool), name_invalid, "a\\x00b");
    ASSERT_FAILS(pki_san_decode(&sans, one(DNS, est_slice("a\0.evil", 7)), pool), name_invalid, "character");
}

/* N-13, CP-17 */
static void test_email_syntax(void **state)
{
    const syntax_t rows[] = {
        {"a@b", NULL},
        {"a.b+c@example.com", NULL},
        {"!#$%&'*+-/=?^_`{|}~@example.com", NULL},
        {apr_pstrcat(pool, repeated('a', 64), "@b", NULL), NULL},
        {apr_pstrcat(pool, repeated('a', 65), "@b", NULL), "local part"},
        {"", "no @"},
        {"a", "no @"},
        {"@b", "local part"},
        {"a@", "empty"},
        {"a@b@c", "character"},
        {".a@b", "local part"},
        {"a.@b", "local part"},
        {"a..b@c", "local part"},
        {"a b@c", "local part"},
        {"\"a\"@b", "local part"},
        {"a\r\n@b", "local part"},
        {"a@b\r\nBcc: c@d", "character"},
        {"\xc3\xbc@b", "local part"},
        {"a@*.b", "character"},
        {"a@[10.0.0.1]", "character"},
        {"a@10.0.0.1", "IP address"},
        {"a@-b", "hyphen"},
    };
    (void)state;
    check_syntax(EMAIL, rows, sizeof(rows) / sizeof(rows[0]));
}

/* N-13, CP-17 */
static void test_uri_syntax(void **state)
{
    const char *base = "http://a/";
    const syntax_t rows[] = {
        {"http://a", NULL},
        {"spiffe://td.example/ns/x", NULL},
        {"http://10.0.0.1:8080/a%20b", NULL},
        {"http://[2001:db8::1]/", NULL},
        {"http://[::1]:80", NULL},
        {"a+b-c.1://host?q", NULL},
        {apr_pstrcat(pool, base, repeated('x', 2048 - 9), NULL), NULL},
        {apr_pstrcat(pool, base, repeated('x', 2048 - 8), NULL), "more than 2048"},
        {"", "not absolute"},
        {"javascript:alert(1)", "not absolute"},
        {"mailto:a@b", "not absolute"},
        {"/relative", "not absolute"},
        {"//host/x", "not absolute"},
        {"a.example", "not absolute"},
        {"1http://a", "not absolute"},
        {"://a", "not absolute"},
        {"http:/a", "not absolute"},
        {"http://", "no host"},
        {"http:///x", "no host"},
        {"http://?x", "no host"},
        {"http://user@host/", "user information"},
        {"http://user:pw@host/", "user information"},
        {"http://:80/", "empty"},
        {"http://a:b/", "malformed port"},
        {"http://a:123456/", "malformed port"},
        {"http://a_b/", "character"},
        {"http://[::1", "malformed IPv6"},
        {"http://[::g]/", "malformed IPv6"},
        {"http://[::1]x/", "malformed host"},
        {"http://a/%zz", "percent"},
        {"http://a/%4", "percent"},
        {"http://a/ b", "cannot have"},
        {"http://a/\"", "cannot have"},
        {"http://a/<x>", "cannot have"},
        {"http://a/\xc3\xbc", "cannot have"},
        {"http://a/\r\n", "cannot have"},
        {"http://a\\b", "cannot have"},
    };
    (void)state;
    check_syntax(URI, rows, sizeof(rows) / sizeof(rows[0]));
}

/* N-12, C-09 and shapes */
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
        {one(0xa7, hex("0401 0a")), "tag 0xa7"}, /* iPAddress, constructed */
        {one(X400, hex("3000")), "not supported (tag 0xa3)"},
        {one(EDI, hex("a103 0c0161")), "not supported (tag 0xa5)"},
        {one(0x89, hex("00")), "not supported (tag 0x89)"},
        {one(0x0c, text("a.example")), "not supported (tag 0x0c)"},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_every_type),
        EST_TEST(test_dns_syntax),
        EST_TEST(test_email_syntax),
        EST_TEST(test_uri_syntax),
        EST_TEST(test_what_is_malformed_or_not_supported),
        EST_TEST(test_the_number_of_names_is_bounded),
        EST_TEST(test_comparison_is_of_sets),
        EST_TEST(test_encoding_is_what_openssl_reads),
    };
    return EST_TEST_RUN(tests);
}
