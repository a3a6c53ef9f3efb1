/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "pki/pki_certhdr.h"

#include <openssl/err.h>

/* The example of RFC 9440 appendix A: client, intermediate and root certificate */
#define LEAF                                                                                                           \
    "MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0" \
    "ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaU" \
    "gmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAW" \
    "gBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1w" \
    "bGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBV" \
    "oU4hBVZ1yhk="
#define ISSUER                                                                                                         \
    "MIIB5jCCAYugAwIBAgIBFjAKBggqhkjOPQQDAjBWMQswCQYDVQQGEwJVUzEbMBkGA1UECgwSTGV0J3MgQXV0aGVudGljYXRlMSowKAYDVQQDDCFM" \
    "ZXQncyBBdXRoZW50aWNhdGUgUm9vdCBBdXRob3JpdHkwHhcNMjAwMTE0MjEzMjMwWhcNMzAwMTExMjEzMjMwWjA6MRswGQYDVQQKDBJMZXQncyBB" \
    "dXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJf+aA54RC5pyLAR5yfXVYmN" \
    "pgd+CGUTDp2KOGhc0gK91zxhHesEYkdXkpS2UN8Kati+yHtWCV3kkhCngGyv7RqjZjBkMB0GA1UdDgQWBBRm3WjLa38lbEYCuiCPct0ZaSED2DAf" \
    "BgNVHSMEGDAWgBTEA2Q6eecKu9g9yb5glbkhhVINGDASBgNVHRMBAf8ECDAGAQH/AgEAMA4GA1UdDwEB/wQEAwIBhjAKBggqhkjOPQQDAgNJADBG" \
    "AiEA5pLvaFwRRkxomIAtDIwg9D7gC1xzxBl4r28EzmSO1pcCIQCJUShpSXO9HDIQMUgH69fNDEMHXD3RRX5gP7kuu2KGMg=="
#define ROOT                                                                                                           \
    "MIICBjCCAaygAwIBAgIJAKS0yiqKtlhoMAoGCCqGSM49BAMCMFYxCzAJBgNVBAYTAlVTMRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxKjAo" \
    "BgNVBAMMIUxldCdzIEF1dGhlbnRpY2F0ZSBSb290IEF1dGhvcml0eTAeFw0yMDAxMTQyMTI1NDVaFw00MDAxMDkyMTI1NDVaMFYxCzAJBgNVBAYT" \
    "AlVTMRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxKjAoBgNVBAMMIUxldCdzIEF1dGhlbnRpY2F0ZSBSb290IEF1dGhvcml0eTBZMBMGByqG" \
    "SM49AgEGCCqGSM49AwEHA0IABFoaHU+Z5bPKmGzlYXtCf+E6HYj62fORaHDOrt+yyh3H/rTcs7ynFfGn+gyFsrSP3Ez88rajv+U2NfD0o0uZ4Pmj" \
    "YzBhMB0GA1UdDgQWBBTEA2Q6eecKu9g9yb5glbkhhVINGDAfBgNVHSMEGDAWgBTEA2Q6eecKu9g9yb5glbkhhVINGDAPBgNVHRMBAf8EBTADAQH/" \
    "MA4GA1UdDwEB/wQEAwIBhjAKBggqhkjOPQQDAgNIADBFAiEAmAeg1ycKHriqHnaD4M/UDBpQRpkmdcRFYGMg1Qyrkx4CIB4ivz3wQcQkGhcsUZ1S" \
    "OImd/lq1Q0FLf09rGfLQPWDc"

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"
#define PEM(base64) BEGIN "\n" base64 "\n" END "\n"

static void same_certificate(X509 *got, const char *base64, const char *label)
{
    est_slice_t der;

    ASSERT_OK(est_base64_decode(&der, text(base64), pool));
    if (!est_slice_equal(cert_der(got), der))
        fail_msg("%s: another certificate", label);
}

/* want: the leaf and issuers, NULL after the last */
static void decodes(pki_certhdr_form_t form, const char *value, const char *chain_value, const char *const *want,
                    const char *label)
{
    STACK_OF(X509) *chain = NULL;
    X509 *leaf = NULL;
    int n = 0;

    est_test_ok(pki_certhdr_decode(&leaf, &chain, form, value, chain_value, pool), label, __FILE__, __LINE__);
    same_certificate(leaf, want[0], label);
    while (want[1 + n]) {
        if (n >= sk_X509_num(chain))
            fail_msg("%s: %d issuers", label, sk_X509_num(chain));
        same_certificate(sk_X509_value(chain, n), want[1 + n], label);
        n++;
    }
    assert_int_equal(sk_X509_num(chain), n);
    assert_int_equal(ERR_peek_error(), 0);
}

typedef struct {
    const char *label, *value, *chain_value, *want[4];
} good_t;

#define ALL_GOOD(form, rows)                                                                                           \
    for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++)                                                      \
    decodes((form), (rows)[i].value, (rows)[i].chain_value, (rows)[i].want, (rows)[i].label)

static const char *percent(const char *in, const char *literal)
{
    char *buf = apr_palloc(pool, strlen(in) * 3 + 1), *w = buf;

    for (; *in; in++) {
        if (strchr(literal, *in) || (*in >= '0' && *in <= '9') || ((*in | 32) >= 'a' && (*in | 32) <= 'z'))
            *w++ = *in;
        else
            w += sprintf(w, "%%%02X", (unsigned)(unsigned char)*in);
    }
    *w = '\0';
    return buf;
}

static const char *with(const char *fmt, const char *part)
{
    return apr_psprintf(pool, fmt, part);
}

/* ---- What proxies send */

static void test_rfc_9440(void **state)
{
    (void)state;
    const good_t rows[] = {
        {"A.1 Client-Cert", ":" LEAF ":", NULL, {LEAF}},
        {"A.2 with Client-Cert-Chain", ":" LEAF ":", ":" ISSUER ":, :" ROOT ":", {LEAF, ISSUER, ROOT}},
        {"one issuer", ":" LEAF ":", ":" ISSUER ":", {LEAF, ISSUER}},
        {"blanks around the comma", ":" LEAF ":", " :" ISSUER ": \t,\t:" ROOT ": ", {LEAF, ISSUER, ROOT}},
        {"no blank at all", ":" LEAF ":", ":" ISSUER ":,:" ROOT ":", {LEAF, ISSUER, ROOT}},
    };
    ALL_GOOD(PKI_CERTHDR_RFC9440, rows);
}

static void test_pem(void **state)
{
    (void)state;
    const good_t rows[] = {
        {"nginx $ssl_client_escaped_cert", percent(PEM(LEAF), "-"), NULL, {LEAF}},
        {"everything escaped", percent(PEM(LEAF), ""), NULL, {LEAF}},
        {"lower-case digits", "%2d----BEGIN%20CERTIFICATE-----%0a" LEAF "%0a-----END%20CERTIFICATE-----", NULL, {LEAF}},
        {"+, / and = as they are, chain behind (AWS)", percent(PEM(LEAF) PEM(ISSUER), "-+/="), NULL, {LEAF, ISSUER}},
        {"+ for the blanks of the armour",
         "-----BEGIN+CERTIFICATE-----%0A" LEAF "%0A-----END+CERTIFICATE-----",
         NULL,
         {LEAF}},
        {"blanks for line ends (Apache)", BEGIN " " LEAF " " END " ", NULL, {LEAF}},
        {"tabs behind line ends (nginx $ssl_client_cert)", BEGIN "\n\t" LEAF "\n\t" END "\n\t", NULL, {LEAF}},
        {"CR LF", BEGIN "\r\n" LEAF "\r\n" END "\r\n", NULL, {LEAF}},
        {"commas between blocks", PEM(LEAF) "," PEM(ISSUER) "," PEM(ROOT), NULL, {LEAF, ISSUER, ROOT}},
        {"no armour (HAProxy ssl_c_der,base64)", LEAF, NULL, {LEAF}},
        {"no armour, commas (Traefik)", LEAF "," ISSUER "," ROOT, NULL, {LEAF, ISSUER, ROOT}},
        {"no armour, escaped (Traefik 2.2)", percent(LEAF "," ISSUER, ""), NULL, {LEAF, ISSUER}},
    };
    ALL_GOOD(PKI_CERTHDR_PEM, rows);
}

static void test_xfcc(void **state)
{
    (void)state;
    const char *leaf = percent(PEM(LEAF), "-"), *both = percent(PEM(LEAF) PEM(ISSUER), "-");
    const good_t rows[] = {
        {"Cert alone", with("Cert=\"%s\"", leaf), NULL, {LEAF}},
        {"without quotation marks", with("Cert=%s", leaf), NULL, {LEAF}},
        {"keys in any case", with("cert=\"%s\"", leaf), NULL, {LEAF}},
        {"among others",
         with("By=spiffe://a/b;Hash=0123;Cert=\"%s\";Subject=\"CN=a\\\"b,O=c;d=e\";URI=;DNS=x;DNS=y", leaf),
         NULL,
         {LEAF}},
        {"Chain alone begins with the leaf", with("Hash=01;Chain=\"%s\"", both), NULL, {LEAF, ISSUER}},
        {"Cert and Chain", apr_psprintf(pool, "Cert=\"%s\";Chain=\"%s\"", leaf, both), NULL, {LEAF, ISSUER}},
        {"Chain before Cert", apr_psprintf(pool, "Chain=\"%s\";Cert=\"%s\"", both, leaf), NULL, {LEAF, ISSUER}},
        {"the last of two elements counts",
         apr_psprintf(pool, "Cert=\"%s\",Cert=\"%s\"", percent(PEM(ISSUER), "-"), leaf),
         NULL,
         {LEAF}},
        {"the first need not have one", with("By=x;Hash=00;URI=u,Hash=01;Cert=\"%s\"", leaf), NULL, {LEAF}},
        {"comma and brackets inside a value", with("Subject=\"CN=a\\\\,b\";Cert=\"%s\"", leaf), NULL, {LEAF}},
    };
    ALL_GOOD(PKI_CERTHDR_XFCC, rows);
}

/* ---- What nobody may send */

typedef struct {
    const char *label, *value, *chain_value, *part;
} bad_t;

static void all_fail(pki_certhdr_form_t form, const bad_t *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        STACK_OF(X509) *chain = NULL;
        X509 *leaf = NULL;
        est_err_t *err = pki_certhdr_decode(&leaf, &chain, form, rows[i].value, rows[i].chain_value, pool);

        ASSERT_ROW(err, EST_E_proxy_certificate, rows[i].part, rows[i].label);
        assert_null(leaf);
        assert_null(chain);
        assert_int_equal(ERR_peek_error(), 0);
    }
}
#define ALL_FAIL(form, rows) all_fail((form), (rows), sizeof(rows) / sizeof((rows)[0]))

static const char *base64_of(est_slice_t der)
{
    return apr_pstrmemdup(pool, est_base64_encode(der, 0, NULL, pool), (der.n + 2) / 3 * 4);
}

static est_slice_t der_of(const char *base64)
{
    est_slice_t der;

    ASSERT_OK(est_base64_decode(&der, text(base64), pool));
    return der;
}

/* The outer SEQUENCE with a length of indefinite form, which OpenSSL would read */
static est_slice_t indefinite(est_slice_t der)
{
    return join(3, hex("30 80"), est_slice(der.p + 4, der.n - 4), hex("00 00"));
}

static void test_malformed_rfc_9440(void **state)
{
    (void)state;
    est_slice_t leaf = der_of(LEAF);
    const bad_t rows[] = {
        {"empty", "", NULL, "no header is to be sent"},
        {"no octets (HAProxy without a certificate)", "::", NULL, "certificate 1"},
        {"no colons", LEAF, NULL, "begin with a colon"},
        {"no colon at the end", ":" LEAF, NULL, "end with a colon"},
        {"no colon at the start", LEAF ":", NULL, "begin with a colon"},
        {"two certificates", ":" LEAF ":, :" ISSUER ":", NULL, "something behind"},
        {"a parameter", ":" LEAF ":;a=1", NULL, "something behind"},
        {"a blank inside", ":" LEAF " :", NULL, "blank"},
        {"a line end inside", ":" LEAF "\n:", NULL, "blank"},
        {"url-safe alphabet", ":-_8=:", NULL, "not base64"},
        {"padding missing", ":MIIBqA:", NULL, "padding"},
        {"a text for an absent variable (Apache)", "(null)", NULL, "begin with a colon"},
        {"PEM", PEM(LEAF), NULL, "begin with a colon"},
        {"half a certificate", with(":%s:", base64_of(est_slice(leaf.p, leaf.n / 2))), NULL, "certificate 1"},
        {"an octet behind the certificate", with(":%s:", base64_of(join(2, leaf, hex("00")))), NULL, "certificate 1"},
        {"two certificates in one value", with(":%s:", base64_of(join(2, leaf, leaf))), NULL, "certificate 1"},
        {"BER", with(":%s:", base64_of(indefinite(leaf))), NULL, "certificate 1"},
        {"DER of something else", with(":%s:", base64_of(hex("30 03 02 01 05"))), NULL, "certificate 1 is none"},
        {"an empty chain", ":" LEAF ":", "", "begin with a colon"},
        {"a comma at the end of the chain", ":" LEAF ":", ":" ISSUER ":,", "begin with a colon"},
        {"no comma in the chain", ":" LEAF ":", ":" ISSUER ": :" ROOT ":", "behind the chain"},
        {"rubbish in the chain", ":" LEAF ":", ":" ISSUER ":, :AAAA:", "certificate 3"},
        {"a parameter in the chain", ":" LEAF ":", ":" ISSUER ":;a", "behind the chain"},
    };
    ALL_FAIL(PKI_CERTHDR_RFC9440, rows);
}

static void test_malformed_pem(void **state)
{
    (void)state;
    const bad_t rows[] = {
        {"empty", "", NULL, "no header is to be sent"},
        {"blank", " ", NULL, "certificate 1"},
        {"% at the end", LEAF "%", NULL, "hexadecimal"},
        {"% and one digit", LEAF "%4", NULL, "hexadecimal"},
        {"% and no digits", "%zz" LEAF, NULL, "hexadecimal"},
        {"escaped NUL", LEAF "%00", NULL, "octet 0x00"},
        {"escaped twice", percent(percent(PEM(LEAF), "-"), "-"), NULL, "expected"},
        {"another kind of block", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", NULL, "BEGIN"},
        {"no end", BEGIN "\n" LEAF, NULL, "END"},
        {"no beginning", LEAF "\n" END, NULL, "octet 0x2d"},
        {"words before the block", "Bag Attributes\n" PEM(LEAF), NULL, "octet 0x2d"},
        {"words behind the block", PEM(LEAF) "x", NULL, "BEGIN"},
        {"headers in the block", BEGIN "\nProc-Type: 4,ENCRYPTED\n\n" LEAF "\n" END, NULL, "END"},
        {"nothing in the block", BEGIN "\n" END "\n", NULL, "certificate 1"},
        {"a comma at the end", PEM(LEAF) ",", NULL, "last comma"},
        {"a comma at the end, no armour", LEAF ",", NULL, "certificate 2"},
        {"a comma at the start", "," LEAF, NULL, "certificate 1"},
        {"+ in the place of line ends", BEGIN "+" LEAF "+" END, NULL, "certificate 1"},
        {"a Byte Sequence", ":" LEAF ":", NULL, "octet 0x3a"},
        {"rubbish as issuer", LEAF ",AAAA", NULL, "certificate 2"},
        {"a second header", LEAF, ISSUER, "no second header"},
        {"two headers", PEM(LEAF) ", " PEM(ISSUER), NULL, "two headers"},
        {"two headers, no armour", LEAF ", " ISSUER, NULL, "two headers"},
        {"two headers, the first empty", ", " LEAF, NULL, "two headers"},
    };
    ALL_FAIL(PKI_CERTHDR_PEM, rows);
}

static void test_malformed_xfcc(void **state)
{
    (void)state;
    const char *leaf = percent(PEM(LEAF), "-"), *issuer = percent(PEM(ISSUER), "-");
    const bad_t rows[] = {
        {"empty", "", NULL, "no header is to be sent"},
        {"a hash alone", "By=x;Hash=00;URI=u", NULL, "neither Cert nor Chain"},
        {"the certificate is not in the last element", with("Cert=\"%s\",Hash=01", leaf), NULL, "neither Cert"},
        {"an empty certificate", "Cert=", NULL, "certificate 1"},
        {"an empty certificate in quotation marks", "Cert=\"\"", NULL, "certificate 1"},
        {"Cert twice", apr_psprintf(pool, "Cert=\"%s\";Cert=\"%s\"", leaf, issuer), NULL, "twice"},
        {"Chain is another's", apr_psprintf(pool, "Cert=\"%s\";Chain=\"%s\"", leaf, issuer), NULL, "begin with Cert"},
        {"Cert holds two", with("Cert=\"%s\"", percent(PEM(LEAF) PEM(ISSUER), "-")), NULL, "holds 2"},
        {"quotation mark not closed", with("Cert=\"%s", leaf), NULL, "quotation marks"},
        {"quotation mark in the middle", with("Cert=a\"%s\"", leaf), NULL, "quotation marks"},
        {"an open value of the client's swallows the proxy's element",
         with("Hash=00;Subject=\",Hash=01;Cert=\"%s\"", leaf), NULL, "comma or semicolon"},
        {"text behind a quotation mark", with("Cert=\"%s\"x", leaf), NULL, "comma or semicolon"},
        {"no key", with("=\"%s\"", leaf), NULL, "expected"},
        {"a key without value", with("Hash;Cert=\"%s\"", leaf), NULL, "without a value"},
        {"a comma at the end", with("Cert=\"%s\",", leaf), NULL, "expected"},
        {"a semicolon at the end", with("Cert=\"%s\";", leaf), NULL, "expected"},
        {"a backslash at the end", "Cert=\"\\", NULL, "quotation marks"},
        {"PEM alone", leaf, NULL, "expected"},
        {"two headers", apr_psprintf(pool, "Cert=\"%s\", Cert=\"%s\"", issuer, leaf), NULL, "two headers"},
        {"two headers, the first not closed", apr_psprintf(pool, "Cert=\"%s, Cert=\"%s\"", issuer, leaf), NULL,
         "comma or semicolon"},
    };
    ALL_FAIL(PKI_CERTHDR_XFCC, rows);
}

static const char *repeated(const char *head, const char *part, int n)
{
    char *all = apr_palloc(pool, strlen(head) + strlen(part) * (size_t)n + 1), *w = all;

    w = apr_cpystrn(w, head, strlen(head) + 1);
    for (int i = 0; i < n; i++)
        w = apr_cpystrn(w, part, strlen(part) + 1);
    return all;
}

static void test_sizes(void **state)
{
    (void)state;
    const char *ten = repeated(":" ISSUER ":", ",:" ISSUER ":", 9);
    STACK_OF(X509) *chain = NULL;
    X509 *leaf = NULL;
    const bad_t rows[] = {
        {"eleven issuers", ":" LEAF ":", with("%s,:" ROOT ":", ten), "more than 10"},
        {"too long", repeated(":" LEAF ":", "A", PKI_CERTHDR_MAX_SIZE), NULL, "longer than"},
        {"chain too long", ":" LEAF ":", repeated("", "A", PKI_CERTHDR_MAX_SIZE + 1), "longer than"},
    };

    ASSERT_OK(pki_certhdr_decode(&leaf, &chain, PKI_CERTHDR_RFC9440, ":" LEAF ":", ten, pool));
    assert_int_equal(sk_X509_num(chain), PKI_CERTHDR_MAX_CHAIN);
    ALL_FAIL(PKI_CERTHDR_RFC9440, rows);
    const bad_t many[] = {{"many in one header", repeated(LEAF, "," LEAF, 11), NULL, "more than 10"}};
    ALL_FAIL(PKI_CERTHDR_PEM, many);
}

/* OpenSSL looks into the extensions when it compares two certificates */
static void test_no_error_is_left_of_extensions_that_are_malformed(void **state)
{
    est_slice_t der;
    unsigned char *basic;
    const char *base64, *want[2] = {NULL};

    (void)state;
    ASSERT_OK(est_base64_decode(&der, text(LEAF), pool));
    der = est_slice_dup(der, pool);
    basic = memmem(der.p, der.n, "\x55\x1d\x13\x04\x02\x30", 6);
    assert_non_null(basic);
    basic[5] = 0x05; /* NULL instead of a SEQUENCE */
    want[0] = base64 = est_base64_encode(der, 0, NULL, pool);
    base64 = percent(base64, "");
    decodes(PKI_CERTHDR_XFCC, apr_psprintf(pool, "Cert=\"%s\";Chain=\"%s\"", base64, base64), NULL, want,
            "basicConstraints");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_rfc_9440),      EST_TEST(test_pem),
        EST_TEST(test_xfcc),          EST_TEST(test_malformed_rfc_9440),
        EST_TEST(test_malformed_pem), EST_TEST(test_malformed_xfcc),
        EST_TEST(test_sizes),         EST_TEST(test_no_error_is_left_of_extensions_that_are_malformed),
    };
    return EST_TEST_RUN(tests);
}
