/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "pki/pki_san_syntax.h"

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

static void check_syntax(pki_san_type_t type, const syntax_t *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        /* a copy of its own size, so that an over-read is seen */
        pki_san_t san = {type, apr_pstrdup(pool, rows[i].in), {NULL, 0}};
        const char *flaw = pki_san_syntax_flaw(&san);
        if (rows[i].why ? !flaw || !strstr(flaw, rows[i].why) : flaw != NULL)
            fail_msg("\"%s\": %s", rows[i].in, flaw ? flaw : "good");
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
        {"xn--", "hyphen"},
        {"xn--a-b-.de", "hyphen"},
        {"xn--\xff", "character"},
        {"xn--99999999.de", "IDNA"}, /* overflows */
        {"xn--0.de", "IDNA"},
        {"xn--abc-x.de", "IDNA"},
        {"a.xn--de-ga", "IDNA"},
        {"xn--e-xbb.de", "not in NFC"},   /* e, U+0301 */
        {"xn--72g.de", "not in NFC"},     /* U+212B */
        {"xn--a-xbb6h.de", "not in NFC"}, /* marks in the wrong order */
        {"xn--9ca.de", NULL},             /* the same e in one */
        {"xn--xlcm6b.de", NULL},          /* Tamil, with a mark that may stand in NFC or not */
        {"xn--j2bd4cyah0f.de", NULL},
        {"xn--7ba.de", "IDNA"},                                       /* upper case inside */
        {"xn--ls8h.de", "IDNA"},                                      /* emoji */
        {"xn--1ug.de", "IDNA"},                                       /* a joiner with nothing to join */
        {apr_pstrcat(pool, "xn--", repeated('9', 59), NULL), "IDNA"}, /* as long as a label can be */
        {apr_pstrcat(pool, "xn--", repeated('a', 59), NULL), "IDNA"},
        {"a\r\nb", "character"},
    };
    (void)state;
    check_syntax(PKI_SAN_DNS, rows, sizeof(rows) / sizeof(rows[0]));
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
    check_syntax(PKI_SAN_EMAIL, rows, sizeof(rows) / sizeof(rows[0]));
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
    check_syntax(PKI_SAN_URI, rows, sizeof(rows) / sizeof(rows[0]));
}

/* N-12 */
static void test_addresses(void **state)
{
    static const syntax_t rows[] = {
        {"10.0.0.1", NULL},
        {"2001:db8::1", NULL},
        {"::1", NULL},
        {"255.255.255.255", NULL},
        {"0.0.0.0", "unspecified"},
        {"::", "unspecified"},
        {"::ffff:10.0.0.1", "form of IPv6"},
        {"::ffff:0.0.0.0", "form of IPv6"},
    };
    (void)state;
    check_syntax(PKI_SAN_IP, rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_the_authority_of_a_uri(void **state)
{
    static const struct {
        const char *uri, *authority;
    } rows[] = {
        {"http://A:80/x", "A:80"},
        {"http://a?x", "a"},
        {"http://a#x", "a"},
        {"http://a", "a"},
        {"http:///x", ""},
        {"urn:a", ""},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ASSERT_SLICE(pki_san_syntax_authority(text(rows[i].uri)), text(rows[i].authority));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_dns_syntax), EST_TEST(test_email_syntax),           EST_TEST(test_uri_syntax),
        EST_TEST(test_addresses),  EST_TEST(test_the_authority_of_a_uri),
    };
    return EST_TEST_RUN(tests);
}
