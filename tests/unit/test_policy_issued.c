/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_test.h"

#include "pki/pki_ext.h"
#include "policy/policy_issued.h"

#include <openssl/err.h>

#define MINUTE apr_time_from_sec(60)
#define SUBJECT "C=DE,O=Example,CN=Dev 7"
#define UNTIL (TEST_NOW + 365 * TEST_DAY)

/* What is granted, and what a CA makes of it that does as it is told; rows change some of them */
static const char *const base[] = {
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature,keyEncipherment",
    "extendedKeyUsage=clientAuth,serverAuth",
    "subjectAltName=DNS:dev7.example,IP:10.0.0.7,URI:urn:dev:7",
    "subjectKeyIdentifier=hash",
    "authorityKeyIdentifier=keyid:always",
    "certificatePolicies=1.2.3.4",
    "tlsfeature=status_request",
    "1.2.3.4.5=ASN1:UTF8String:seven",
};
#define N_BASE (sizeof(base) / sizeof(base[0]))
#define MAX_CHANGES 4

/* Made once for each test */
static struct {
    EVP_PKEY *ca_key, *key;
    X509 *ca;
} t;

static void make_ca_and_key(void)
{
    t.ca_key = make_key("P-256");
    t.key = make_key("P-256");
    t.ca = make_ca("CN=CA", t.ca_key, NULL, NULL);
}

static int same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");

    return n == strcspn(b, "=") && !strncmp(a, b, n);
}

/* base with changes: "name=value" takes the place of the one of that name, or is added; "name=" takes it away; "+name="
 * is added to it */
static int apply(const char **out, const char *const *changes)
{
    int n = 0;

    for (size_t i = 0; i < N_BASE; i++) {
        const char *ext = base[i];

        for (int j = 0; j < MAX_CHANGES && changes[j]; j++)
            if (same_name(base[i], changes[j]))
                ext = NULL;
        if (ext)
            out[n++] = ext;
    }
    for (int j = 0; j < MAX_CHANGES && changes[j]; j++) {
        const char *ext = changes[j] + (changes[j][0] == '+');

        if (strchr(ext, '=')[1])
            out[n++] = ext;
    }
    assert_true(n <= X509_TEST_EXTS);
    return n;
}

static est_slice_t ext_der(X509V3_CTX *ctx, const char *ext)
{
    X509_EXTENSION *made = make_ext(ctx, ext);
    unsigned char *der = NULL;
    int n = i2d_X509_EXTENSION(made, &der);
    est_slice_t copy;

    assert_true(n > 0);
    copy = est_slice_dup(est_slice(der, (apr_size_t)n), pool);
    OPENSSL_free(der);
    X509_EXTENSION_free(made);
    return copy;
}

static policy_grant_t *make_grant(const char *const *changes)
{
    policy_grant_t *grant = apr_pcalloc(pool, sizeof(*grant));
    const char *exts[X509_TEST_EXTS + 1];
    X509 *subject = make_cert(&(cert_spec_t){.subject = SUBJECT, .key = t.key});
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, t.ca, subject, NULL, NULL, 0);
    grant->entity = "dev7";
    grant->subject = name_of(SUBJECT);
    grant->not_before = TEST_NOW - 5 * MINUTE;
    grant->not_after = UNTIL;
    grant->n_exts = apply(exts, changes);
    for (int i = 0; i < grant->n_exts; i++) {
        grant->exts[i] = ext_der(&ctx, exts[i]);
        if (!strncmp(exts[i], "subjectAltName=", 15))
            grant->san = sans_of(exts[i] + 15);
    }
    return grant;
}

/* What a CA makes; members left out are those of the base */
typedef struct {
    const char *label;
    const char *part; /* of the error; NULL: it is within the grant */
    const char *cert[MAX_CHANGES];
    const char *grant[MAX_CHANGES];
    const char *subject;
    apr_time_t from, until;
    void (*tamper)(X509 *cert);
    EVP_PKEY *key;
    const char *extra[2];
} row_t;

static est_slice_t make_issued(const row_t *row)
{
    cert_spec_t spec = {.subject = row->subject ? row->subject : SUBJECT,
                        .key = row->key ? row->key : t.key,
                        .issuer = t.ca,
                        .issuer_key = t.ca_key,
                        .from = row->from ? row->from : TEST_NOW - 60 * MINUTE,
                        .until = row->until ? row->until : UNTIL};
    X509 *cert;

    apply(spec.exts, row->cert);
    cert = make_cert(&spec);
    if (row->tamper) {
        row->tamper(cert);
        assert_true(X509_sign(cert, t.ca_key, EVP_sha256()) > 0);
    }
    return cert_der(cert);
}

static est_err_t *check(const row_t *row)
{
    const char *extra[3] = {row->extra[0], row->extra[1], NULL};
    est_slice_t der = make_issued(row);
    est_err_t *err =
        policy_issued_check(make_grant(row->grant), spki_of(t.key), der, row->extra[0] ? extra : NULL, pool);

    assert_int_equal(ERR_peek_error(), 0); /* nothing is left for mod_ssl's log */
    return err;
}

static void check_rows(const row_t *rows, size_t n)
{
    make_ca_and_key();
    for (size_t i = 0; i < n; i++) {
        if (rows[i].part)
            ASSERT_ROW(check(&rows[i]), EST_E_ca_wrong, rows[i].part, rows[i].label);
        else
            est_test_ok(check(&rows[i]), rows[i].label, __FILE__, __LINE__);
    }
}
#define CHECK_ROWS(rows) check_rows((rows), sizeof(rows) / sizeof((rows)[0]))

/* ---- names and time */

/* The subject once more, its values of another string type */
static void retype(X509 *cert, int type)
{
    X509_NAME *name = X509_get_subject_name(cert);

    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i));
        const char *text =
            apr_pstrmemdup(pool, (const char *)ASN1_STRING_get0_data(value), (apr_size_t)ASN1_STRING_length(value));

        assert_true(X509_NAME_ENTRY_set_data(X509_NAME_get_entry(name, i), type, (const unsigned char *)text, -1));
    }
}

static void as_printable(X509 *cert)
{
    retype(cert, V_ASN1_PRINTABLESTRING);
}

static void as_t61(X509 *cert)
{
    retype(cert, V_ASN1_T61STRING);
}

static void test_names(void **state)
{
    static const row_t rows[] = {
        {.label = "as granted"},
        {"PrintableString", NULL, .tamper = as_printable},
        {"T61String", NULL, .tamper = as_t61},
        {"letter case and blanks", NULL, .subject = "C=DE,O=EXAMPLE,CN=dev  7"},
        {"another CN", "subject \"CN=Dev 8,O=Example,C=DE\"; granted: \"CN=Dev 7,",
         .subject = "C=DE,O=Example,CN=Dev 8"},
        {"without C", "subject \"CN=Dev 7,O=Example\"", .subject = "O=Example,CN=Dev 7"},
        {"one more", "subject \"OU=x,CN=Dev 7", .subject = SUBJECT ",OU=x"},
        {"another order", "subject \"O=Example,CN=Dev 7", .subject = "C=DE,CN=Dev 7,O=Example"},
        {"none", "subject \"\"; granted", .subject = ""},
        {"unreadable", "subject of the certificate", .subject = "C=DE,O=Example,CN=Dev\n7"},
        {"order of alternative names", NULL, .cert = {"subjectAltName=URI:urn:dev:7,IP:10.0.0.7,DNS:dev7.example"}},
        {"one twice", NULL, .cert = {"subjectAltName=DNS:dev7.example,IP:10.0.0.7,DNS:dev7.example,URI:urn:dev:7"}},
        {"case of DNS names", NULL, .cert = {"subjectAltName=DNS:Dev7.EXAMPLE,IP:10.0.0.7,URI:urn:dev:7"}},
        {"critical", NULL, .cert = {"subjectAltName=critical,DNS:dev7.example,IP:10.0.0.7,URI:urn:dev:7"}},
        {"case of URIs", "subjectAltName uri:urn:DEV:7 was not granted",
         .cert = {"subjectAltName=DNS:dev7.example,IP:10.0.0.7,URI:urn:DEV:7"}},
        {"one more name", "subjectAltName dns:evil.example was not granted; granted: dns:dev7.example, ip:10.0.0.7",
         .cert = {"subjectAltName=DNS:dev7.example,IP:10.0.0.7,URI:urn:dev:7,DNS:evil.example"}},
        {"CN as a name", "subjectAltName dns:dev7 was not granted",
         .cert = {"subjectAltName=DNS:dev7,DNS:dev7.example,IP:10.0.0.7,URI:urn:dev:7"}},
        {"wildcard", "subjectAltName dns:*.example was not granted",
         .cert = {"subjectAltName=DNS:*.example,DNS:dev7.example,IP:10.0.0.7,URI:urn:dev:7"}},
        {"one less", "subjectAltName ip:10.0.0.7 was granted, and is not there; there: dns:dev7.example, uri:urn",
         .cert = {"subjectAltName=DNS:dev7.example,URI:urn:dev:7"}},
        {"no names", "was granted, and is not there; there: (none)", .cert = {"subjectAltName="}},
        {"names where none are granted", "was not granted; granted: (none)", .grant = {"subjectAltName="}},
        {"none where none are granted", NULL, .cert = {"subjectAltName="}, .grant = {"subjectAltName="}},
        {"empty list of names", "subjectAltName", .cert = {"subjectAltName=DER:3000"}},
        {"name of another type", "subjectAltName other:1.2.3 was not granted",
         .cert = {"subjectAltName=DNS:dev7.example,IP:10.0.0.7,URI:urn:dev:7,otherName:1.2.3;UTF8:x"}},
        {"names that EstCAExtensions has", "subjectAltName dns:evil.example was not granted",
         .cert = {"subjectAltName=DNS:evil.example"}, .extra = {"2.5.29.17"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_time(void **state)
{
    static const row_t rows[] = {
        {"shorter", NULL, .until = UNTIL - 300 * TEST_DAY},
        {"begins long ago", NULL, .from = TEST_NOW - 30 * TEST_DAY},
        {"clocks that differ", NULL, .until = UNTIL + 9 * MINUTE},
        {"as much as they may", NULL, .until = UNTIL + 10 * MINUTE},
        {"a second more", "valid until 2027-02-03T04:15:07Z", .until = UNTIL + 10 * MINUTE + apr_time_from_sec(1)},
        {"longer", "valid until 2027-02-03T04:16:06Z; granted: until 2027-02-03T04:05:06Z",
         .until = UNTIL + 11 * MINUTE},
        {"for ever", "valid until 9999-12-31T23:59:59Z", .until = apr_time_from_sec(APR_INT64_C(253402300799))},
        {"ended long ago", "it has ended 2026-01-", .from = TEST_NOW - 60 * TEST_DAY, .until = TEST_NOW - 20 * TEST_DAY},
        {"ended when it was granted", "it has ended", .until = TEST_NOW - 5 * MINUTE},
        {"ends soon", NULL, .until = TEST_NOW + MINUTE},
        {"ends as it begins", "before it begins", .from = UNTIL, .until = UNTIL},
        {"ends before it begins", "before it begins", .from = UNTIL, .until = UNTIL - MINUTE},
    };

    (void)state;
    CHECK_ROWS(rows);
}

/* ---- the certificate as such */

static void negative_serial(X509 *cert)
{
    ASN1_INTEGER_set(X509_get_serialNumber(cert), -5);
}

static void zero_serial(X509 *cert)
{
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 0);
}

static void set_serial(X509 *cert, const char *digits)
{
    BIGNUM *n = NULL;

    assert_true(BN_hex2bn(&n, digits));
    assert_non_null(BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)));
    BN_free(n);
}

static void long_serial(X509 *cert)
{
    set_serial(cert, "8000000000000000000000000000000000000000"); /* 20 octets, and one for the sign */
}

static void longest_serial(X509 *cert)
{
    set_serial(cert, "7fffffffffffffffffffffffffffffffffffffff");
}

static void version_2(X509 *cert)
{
    X509_set_version(cert, X509_VERSION_2);
}

static void version_huge(X509 *cert)
{
    X509_set_version(cert, 1000000);
}

static void version_1(X509 *cert)
{
    while (X509_get_ext_count(cert))
        X509_EXTENSION_free(X509_delete_ext(cert, 0));
    X509_set_version(cert, X509_VERSION_1);
}

static void test_the_certificate(void **state)
{
    static const row_t rows[] = {
        {"largest serial number", NULL, .tamper = longest_serial},
        {"negative serial number", "serial number fb", .tamper = negative_serial},
        {"serial number zero", "serial number 00", .tamper = zero_serial},
        {"serial number of 21 octets", "at most 20 octets", .tamper = long_serial},
        {"version 1", "version 3", .tamper = version_1},
        {"version 2", "version 3", .tamper = version_2},
        {"a version that there is not", "version 3", .tamper = version_huge},
        {"an extension twice", "extension certificatePolicies is there twice",
         .cert = {"+certificatePolicies=1.2.3.5"}},
        {"the names twice", "subjectAltName", .cert = {"+subjectAltName=DNS:dev7.example"}},
        {"key usage twice", "extension keyUsage is there twice", .cert = {"+keyUsage=digitalSignature"}},
        {"one of the CA's that cannot be read", "extension crlDistributionPoints is malformed",
         .cert = {"crlDistributionPoints=DER:0500"}},
        {"policies in BER", "extension certificatePolicies (2.5.29.32) is malformed",
         .cert = {"certificatePolicies=DER:30800000"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static est_err_t *check_der(est_slice_t der)
{
    static const char *const none[MAX_CHANGES];
    est_err_t *err = policy_issued_check(make_grant(none), spki_of(t.key), der, NULL, pool);

    assert_int_equal(ERR_peek_error(), 0);
    return err;
}

/* The signature as BER may have it, in parts, which OpenSSL reads */
static est_slice_t in_parts(est_slice_t der)
{
    pki_der_t cert, tbs, algorithm, signature;

    assert_true(pki_der_take(&der, PKI_DER_SEQUENCE, &cert));
    assert_true(pki_der_take(&cert.body, PKI_DER_SEQUENCE, &tbs));
    assert_true(pki_der_take(&cert.body, PKI_DER_SEQUENCE, &algorithm));
    assert_true(pki_der_take(&cert.body, PKI_DER_BIT_STRING, &signature));
    return tlv(0x30, join(3, tbs.whole, algorithm.whole, tlv(0x23, signature.whole)));
}

static void test_encoding(void **state)
{
    row_t row = {.label = ""};
    est_slice_t der;

    (void)state;
    make_ca_and_key();
    der = make_issued(&row);
    ASSERT_OK(check_der(der));
    ASSERT_FAILS(check_der(join(2, der, hex("00"))), ca_wrong, NULL);
    ASSERT_FAILS(check_der(join(2, der, der)), ca_wrong, NULL);
    ASSERT_FAILS(check_der(join(3, hex("3080"), est_slice(der.p + 4, der.n - 4), hex("0000"))), ca_wrong, NULL);
    ASSERT_FAILS(check_der(in_parts(der)), ca_wrong, NULL);
    ASSERT_FAILS(check_der(hex("")), ca_wrong, NULL);
    ASSERT_FAILS(check_der(text("-----BEGIN CERTIFICATE-----")), ca_wrong, NULL);
    ASSERT_FAILS(check_der(spki_of(t.key)), ca_wrong, NULL);
    for (apr_size_t n = 0; n < der.n; n += 7)
        ASSERT_FAILS(check_der(est_slice(der.p, n)), ca_wrong, NULL);
}

/* der with the length of its at-th value (counted as they begin) one octet longer than it need be, and those around it
 * as that makes them. What is in an extension's OCTET STRING counts, too. */
static est_slice_t lengthen(est_slice_t der, int *at, int in_octets)
{
    est_slice_t out = est_slice("", 0);
    pki_der_t item;

    while (pki_der_next(&der, &item)) {
        int is_this = (*at)-- == 0, is_octets = item.tag == PKI_DER_OCTET_STRING && !in_octets;
        est_slice_t body = item.body, value;

        if ((item.tag & 0x20) || is_octets)
            body = lengthen(body, at, in_octets || is_octets);
        value = tlv(item.tag, body);
        if (is_this && value.p[1] < 0x80)
            value = join(3, est_slice(value.p, 1), hex("81"), est_slice(value.p + 1, value.n - 1));
        else if (is_this)
            value = join(4, est_slice(value.p, 1), est_slice((unsigned char[]){(unsigned char)(value.p[1] + 1)}, 1),
                         hex("00"), est_slice(value.p + 2, value.n - 2));
        out = join(2, out, value);
    }
    return out;
}

/* Wherever it stands, BER is none of what we hand out: another reader may see other names in it */
static void test_lengths_of_ber(void **state)
{
    row_t row = {.label = ""};
    est_slice_t der;
    int left = -1, n;

    (void)state;
    make_ca_and_key();
    der = make_issued(&row);
    ASSERT_SLICE(lengthen(der, &left, 0), der);
    for (n = 0;; n++) {
        int at = n;
        est_slice_t longer = lengthen(der, &at, 0);

        if (at >= 0)
            break;
        assert_true(longer.n > der.n);
        ASSERT_ROW(check_der(longer), EST_E_ca_wrong, NULL, apr_psprintf(pool, "value %d", n));
    }
    assert_true(n > 80); /* what the certificate has, at least */
}

static est_slice_t signed_by(EVP_PKEY *key, const EVP_MD *md, int pss)
{
    X509 *cert = make_cert(&(cert_spec_t){
        .subject = SUBJECT, .key = t.key, .until = UNTIL, .exts = {base[0], base[1], base[2], base[3], base[7]}});
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx;

    assert_true(EVP_DigestSignInit(ctx, &pctx, md, NULL, key));
    if (pss)
        assert_true(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) > 0);
    assert_true(X509_sign_ctx(cert, ctx) > 0);
    EVP_MD_CTX_free(ctx);
    return cert_der(cert);
}

/* Only what is signed with is looked at: RSA-PSS is no request's, but a CA's to choose */
static void test_signatures(void **state)
{
    EVP_PKEY *rsa;

    (void)state;
    make_ca_and_key();
    rsa = make_key("RSA");
    ASSERT_OK(check_der(signed_by(t.ca_key, EVP_sha384(), 0)));
    ASSERT_OK(check_der(signed_by(rsa, EVP_sha256(), 0)));
    ASSERT_OK(check_der(signed_by(rsa, EVP_sha512(), 1)));
    ASSERT_OK(check_der(signed_by(make_key("Ed25519"), NULL, 0)));
    ASSERT_FAILS(check_der(signed_by(rsa, EVP_sha1(), 0)), ca_wrong, "signed with sha1WithRSAEncryption");
    ASSERT_FAILS(check_der(signed_by(rsa, EVP_sha1(), 1)), ca_wrong, "signed with rsassaPss; wanted: SHA-256");
    ASSERT_FAILS(check_der(signed_by(t.ca_key, EVP_sha1(), 0)), ca_wrong, "signed with ecdsa-with-SHA1");
    ASSERT_FAILS(check_der(signed_by(rsa, EVP_md5(), 0)), ca_wrong, "signed with md5WithRSAEncryption");
}

/* ---- the key */

/* rsaEncryption without the NULL that RFC 3279 2.3.1 wants */
static void drop_parameters(X509 *cert)
{
    ASN1_OBJECT *oid;
    X509_ALGOR *algorithm;

    assert_true(X509_PUBKEY_get0_param(&oid, NULL, NULL, &algorithm, X509_get_X509_PUBKEY(cert)));
    assert_true(X509_ALGOR_set0(algorithm, OBJ_dup(oid), V_ASN1_UNDEF, NULL));
}

static void test_the_key(void **state)
{
    static const char *const none[MAX_CHANGES];
    row_t row = {.label = ""};
    policy_grant_t *grant;
    EVP_PKEY *rsa;

    (void)state;
    make_ca_and_key();
    grant = make_grant(none);
    row.key = make_key("P-256");
    ASSERT_FAILS(policy_issued_check(grant, spki_of(t.key), make_issued(&row), NULL, pool), ca_wrong, "another key");
    row.key = t.ca_key;
    ASSERT_FAILS(policy_issued_check(grant, spki_of(t.key), make_issued(&row), NULL, pool), ca_wrong, "another key");
    row.key = rsa = make_key("RSA");
    ASSERT_OK(policy_issued_check(grant, spki_of(rsa), make_issued(&row), NULL, pool));
    row.tamper = drop_parameters;
    ASSERT_OK(policy_issued_check(grant, spki_of(rsa), make_issued(&row), NULL, pool));
    row.key = make_key("RSA");
    ASSERT_FAILS(policy_issued_check(grant, spki_of(rsa), make_issued(&row), NULL, pool), ca_wrong, "another key");
}

/* ---- powers */

static void test_powers_of_cas(void **state)
{
    static const row_t rows[] = {
        {"CA", "CA:TRUE, which no end entity is given", .cert = {"basicConstraints=critical,CA:TRUE"}},
        {"CA, not critical", "CA:TRUE, which", .cert = {"basicConstraints=CA:TRUE"}},
        {"CA of a path", "CA:TRUE, which", .cert = {"basicConstraints=critical,CA:TRUE,pathlen:0"}},
        {"CA that EstCAExtensions has", "CA:TRUE, which", .cert = {"basicConstraints=CA:TRUE"}, .extra = {"2.5.29.19"}},
        {"path without CA", "basicConstraints holds more", .cert = {"basicConstraints=DER:3003020100"}},
        {"no constraints", NULL, .cert = {"basicConstraints="}},
        {"no CA, written out", NULL, .cert = {"basicConstraints=critical,DER:3003010100"}},
        {"no CA, not critical", NULL, .cert = {"basicConstraints=CA:FALSE"}},
        {"no CA where nothing is said", NULL, .grant = {"basicConstraints="}},
        {"keyCertSign", "keyCertSign, which", .cert = {"keyUsage=critical,digitalSignature,keyCertSign"}},
        {"keyCertSign where nothing is said", "keyCertSign, which", .cert = {"keyUsage=keyCertSign"},
         .grant = {"keyUsage="}},
        {"cRLSign", "cRLSign, which", .cert = {"keyUsage=critical,digitalSignature,cRLSign"}},
        {"cRLSign where nothing is said", "cRLSign, which", .cert = {"keyUsage=digitalSignature,cRLSign"},
         .grant = {"keyUsage="}},
        {"name constraints", "nameConstraints, which", .cert = {"nameConstraints=permitted;DNS:example"}},
        {"name constraints that EstCAExtensions has", "nameConstraints, which",
         .cert = {"nameConstraints=permitted;DNS:example"}, .extra = {"2.5.29.30"}},
        {"policy mappings", "policyMappings, which", .cert = {"policyMappings=1.2.3.4:1.2.3.5"}},
        {"policy constraints", "policyConstraints, which", .cert = {"policyConstraints=requireExplicitPolicy:0"}},
        {"inhibitAnyPolicy", "inhibitAnyPolicy, which", .cert = {"inhibitAnyPolicy=0"}},
        {"precertificate", "ct_precert_poison, which", .cert = {"ct_precert_poison=critical,DER:0500"}},
        {"Netscape's CA", "nsCertType of a CA, which", .cert = {"nsCertType=client,sslCA"},
         .extra = {"2.16.840.1.113730.1.1"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_key_usage(void **state)
{
    static const row_t rows[] = {
        {"fewer", NULL, .cert = {"keyUsage=critical,digitalSignature"}},
        {"not critical", NULL, .cert = {"keyUsage=digitalSignature,keyEncipherment"}},
        {"more", "key usage nonRepudiation was not granted; granted: digitalSignature keyEncipherment",
         .cert = {"keyUsage=critical,digitalSignature,nonRepudiation"}},
        {"another", "key usage dataEncipherment keyAgreement was not granted",
         .cert = {"keyUsage=dataEncipherment,keyAgreement"}},
        {"the ninth", "key usage decipherOnly was not granted", .cert = {"keyUsage=digitalSignature,decipherOnly"}},
        {"a tenth", "key usage (unknown bits) was not granted", .cert = {"keyUsage=DER:0303068040"}},
        {"missing", "no keyUsage, which is every usage; granted: digitalSignature", .cert = {"keyUsage="}},
        {"empty", "malformed", .cert = {"keyUsage=DER:030100"}},
        {"no bits", "malformed", .cert = {"keyUsage=DER:03020700"}, .grant = {"keyUsage="}},
        {"not a BIT STRING", "extension keyUsage is malformed", .cert = {"keyUsage=DER:0500"}},
        {"longer than there are usages", "keyUsage is malformed, or empty", .cert = {"keyUsage=DER:030407800080"}},
        {"longer, and with keyCertSign", "keyUsage is malformed, or empty", .cert = {"keyUsage=DER:030407840080"},
         .grant = {"keyUsage="}},
        {"missing where none is granted", NULL, .cert = {"keyUsage="}, .grant = {"keyUsage="}},
        {"any where none is granted", NULL, .cert = {"keyUsage=nonRepudiation,keyAgreement,decipherOnly"},
         .grant = {"keyUsage="}},
        {"narrowed", NULL, .cert = {"keyUsage=keyAgreement,encipherOnly"},
         .grant = {"keyUsage=keyAgreement,encipherOnly"}},
        {"no more narrowed", "keyAgreement without encipherOnly; granted: keyAgreement encipherOnly",
         .cert = {"keyUsage=keyAgreement"}, .grant = {"keyUsage=keyAgreement,encipherOnly"}},
        {"nothing to narrow", NULL, .cert = {"keyUsage=digitalSignature"},
         .grant = {"keyUsage=digitalSignature,keyAgreement,decipherOnly"}},
        {"that EstCAExtensions has", "key usage nonRepudiation was not granted",
         .cert = {"keyUsage=critical,digitalSignature,nonRepudiation"}, .extra = {"2.5.29.15"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_purposes(void **state)
{
    static const row_t rows[] = {
        {"fewer", NULL, .cert = {"extendedKeyUsage=clientAuth"}},
        {"critical", NULL, .cert = {"extendedKeyUsage=critical,serverAuth,clientAuth"}},
        {"more", "purpose 1.3.6.1.5.5.7.3.3 (extendedKeyUsage) was not granted; granted: TLS Web Client",
         .cert = {"extendedKeyUsage=clientAuth,codeSigning"}},
        {"any", "purpose 2.5.29.37.0", .cert = {"extendedKeyUsage=clientAuth,anyExtendedKeyUsage"}},
        {"one of a RA", "purpose 1.3.6.1.5.5.7.3.28", .cert = {"extendedKeyUsage=clientAuth,1.3.6.1.5.5.7.3.28"}},
        {"one that nobody knows", "purpose 1.2.3.4.99", .cert = {"extendedKeyUsage=clientAuth,1.2.3.4.99"}},
        {"missing", "no extendedKeyUsage, which is every purpose; granted: TLS Web Client",
         .cert = {"extendedKeyUsage="}},
        {"empty", "extendedKeyUsage", .cert = {"extendedKeyUsage=DER:3000"}},
        {"no list", "extendedKeyUsage", .cert = {"extendedKeyUsage=DER:0500"}},
        {"number that is not minimal", "extension extendedKeyUsage is malformed",
         .cert = {"extendedKeyUsage=DER:300b06092b8006010505070302"}, .grant = {"extendedKeyUsage="}},
        {"missing where none is granted", NULL, .cert = {"extendedKeyUsage="}, .grant = {"extendedKeyUsage="}},
        {"one where none is granted", NULL, .cert = {"extendedKeyUsage=codeSigning,1.2.3.4.99"},
         .grant = {"extendedKeyUsage="}},
        {"a RA where none is granted",
         "purpose 1.3.6.1.5.5.7.3.28 (extendedKeyUsage) was not granted; granted: any but",
         .cert = {"extendedKeyUsage=clientAuth,1.3.6.1.5.5.7.3.28"}, .grant = {"extendedKeyUsage="}},
        {"any where none is granted", "purpose 2.5.29.37.0", .cert = {"extendedKeyUsage=anyExtendedKeyUsage"},
         .grant = {"extendedKeyUsage="}},
        {"OCSP where none is granted", "purpose 1.3.6.1.5.5.7.3.9", .cert = {"extendedKeyUsage=OCSPSigning"},
         .grant = {"extendedKeyUsage="}},
        {"time where none is granted", "purpose 1.3.6.1.5.5.7.3.8", .cert = {"extendedKeyUsage=timeStamping"},
         .grant = {"extendedKeyUsage="}},
        {"asking for others where none is granted", "purpose 1.3.6.1.4.1.311.20.2.1",
         .cert = {"extendedKeyUsage=1.3.6.1.4.1.311.20.2.1"}, .grant = {"extendedKeyUsage="}},
        {"OCSP where it is granted", NULL, .cert = {"extendedKeyUsage=OCSPSigning"},
         .grant = {"extendedKeyUsage=OCSPSigning"}},
        {"any where any is granted", NULL, .cert = {"extendedKeyUsage=anyExtendedKeyUsage"},
         .grant = {"extendedKeyUsage=anyExtendedKeyUsage"}},
        {"one where any is granted", NULL, .cert = {"extendedKeyUsage=clientAuth"},
         .grant = {"extendedKeyUsage=anyExtendedKeyUsage"}},
        {"none where any is granted", NULL, .cert = {"extendedKeyUsage="},
         .grant = {"extendedKeyUsage=anyExtendedKeyUsage"}},
        {"a RA where any is granted", "purpose 1.3.6.1.5.5.7.3.28", .cert = {"extendedKeyUsage=1.3.6.1.5.5.7.3.28"},
         .grant = {"extendedKeyUsage=anyExtendedKeyUsage"}},
        {"a CA, even if it were granted", "id-kp-cmcCA, which no end entity",
         .cert = {"extendedKeyUsage=1.3.6.1.5.5.7.3.27"}, .grant = {"extendedKeyUsage=1.3.6.1.5.5.7.3.27"}},
        {"that EstCAExtensions has", "purpose 1.3.6.1.5.5.7.3.3", .cert = {"extendedKeyUsage=clientAuth,codeSigning"},
         .extra = {"2.5.29.37"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

/* ---- extensions */

#define SCTS "1.3.6.1.4.1.11129.2.4.2"
#define TEMPLATE "1.3.6.1.4.1.311.21.7"

static void test_extensions_of_the_ca(void **state)
{
    static const row_t rows[] = {
        {"where to find it", NULL,
         .cert = {"authorityInfoAccess=OCSP;URI:http://ocsp.example/,caIssuers;URI:http://ca.example/ca.cer",
                  "crlDistributionPoints=URI:http://ca.example/ca.crl", "freshestCRL=URI:http://ca.example/delta.crl",
                  "subjectInfoAccess=ad_timestamping;URI:http://ca.example/"}},
        {"what it says", NULL,
         .cert = {"issuerAltName=DNS:ca.example", "nsComment=made by a CA", "privateKeyUsagePeriod=DER:3000",
                  SCTS "=DER:04020000"}},
        {"other policies", NULL, .cert = {"certificatePolicies=1.2.3.5,2.23.140.1.2.1"}},
        {"no policies", NULL, .cert = {"certificatePolicies="}},
        {"policies where none are granted", NULL, .grant = {"certificatePolicies="}},
        {"other identifiers", NULL, .cert = {"subjectKeyIdentifier=0102", "authorityKeyIdentifier="}},
        {"critical policies", "critical extension certificatePolicies (2.5.29.32) was not granted",
         .cert = {"certificatePolicies=critical,1.2.3.4"}},
        {"critical policies, granted", NULL, .cert = {"certificatePolicies=critical,1.2.3.5"},
         .grant = {"certificatePolicies=critical,1.2.3.4"}},
        {"critical CRL", "critical extension crlDistributionPoints (2.5.29.31) was not granted",
         .cert = {"crlDistributionPoints=critical,URI:http://ca.example/ca.crl"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_granted_extensions(void **state)
{
    static const row_t rows[] = {
        {"left out, which restricts nothing", NULL, .cert = {"1.2.3.4.5="}},
        {"another value", "extension 1.2.3.4.5 is \"", .cert = {"1.2.3.4.5=ASN1:UTF8String:eight"}},
        {"critical", "critical extension 1.2.3.4.5 was not granted",
         .cert = {"1.2.3.4.5=critical,ASN1:UTF8String:seven"}},
        {"critical, granted", NULL, .cert = {"1.2.3.4.5=critical,ASN1:UTF8String:seven"},
         .grant = {"1.2.3.4.5=critical,ASN1:UTF8String:seven"}},
        {"no more critical", "extension 1.2.3.4.5 is not critical, as was granted",
         .cert = {"1.2.3.4.5=ASN1:UTF8String:seven"}, .grant = {"1.2.3.4.5=critical,ASN1:UTF8String:seven"}},
        {"critical, left out", "extension 1.2.3.4.5 was granted, and is not there", .cert = {"1.2.3.4.5="},
         .grant = {"1.2.3.4.5=critical,ASN1:UTF8String:seven"}},
        {"must-staple left out", "extension tlsfeature (1.3.6.1.5.5.7.1.24) was granted, and is not there",
         .cert = {"tlsfeature="}},
        {"must-staple of another kind",
         "extension tlsfeature (1.3.6.1.5.5.7.1.24) is \"status_request_v2\"; granted: \"s",
         .cert = {"tlsfeature=status_request_v2"}},
        {"Netscape type left out", "extension nsCertType (2.16.840.1.113730.1.1) was granted, and is not there",
         .grant = {"nsCertType=client"}},
        {"Netscape type wider", "extension nsCertType (2.16.840.1.113730.1.1) is \"SSL Client, S/MIME\"; granted",
         .cert = {"nsCertType=client,email"}, .grant = {"nsCertType=client"}},
        {"critical one of the CA's left out", NULL, .cert = {"certificatePolicies="},
         .grant = {"certificatePolicies=critical,1.2.3.4"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_other_extensions(void **state)
{
    static const row_t rows[] = {
        {"must-staple of the CA's own",
         "extension tlsfeature (1.3.6.1.5.5.7.1.24) was not granted; if this CA adds it to "
         "all certificates, EstCAExtensions can say so",
         .grant = {"tlsfeature="}},
        {"not checked by OCSP", "extension noCheck (1.3.6.1.5.5.7.48.1.5) was not granted",
         .cert = {"noCheck=ignored"}},
        {"unknown", "extension " TEMPLATE " was not granted; if this CA", .cert = {TEMPLATE "=DER:3000"}},
        {"unknown, named", NULL, .cert = {TEMPLATE "=DER:3000"}, .extra = {TEMPLATE}},
        {"two, named", NULL, .cert = {TEMPLATE "=DER:3000", "noCheck=ignored"},
         .extra = {"1.3.6.1.5.5.7.48.1.5", TEMPLATE}},
        {"named, and no DER", NULL, .cert = {TEMPLATE "=DER:ff"}, .extra = {TEMPLATE}},
        {"another one named", "extension " TEMPLATE " was not granted", .cert = {TEMPLATE "=DER:3000"},
         .extra = {TEMPLATE "1"}},
        {"named and critical", "critical extension " TEMPLATE " was not granted",
         .cert = {TEMPLATE "=critical,DER:3000"}, .extra = {TEMPLATE}},
        {"granted and named, another value", "extension 1.2.3.4.5 is \"", .cert = {"1.2.3.4.5=ASN1:UTF8String:eight"},
         .extra = {"1.2.3.4.5"}},
        {"no number that fits", "was not granted",
         .cert = {"2.5.4294967295.340282366920938463463374607431768211456=DER:3000"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

/* A certificate with what is given behind the key in the place of its extensions; nobody verifies its signature here */
static est_slice_t with_tail(est_slice_t der, est_slice_t tail)
{
    pki_der_t cert, tbs, item;
    est_slice_t head;

    assert_true(pki_der_take(&der, PKI_DER_SEQUENCE, &cert));
    assert_true(pki_der_take(&cert.body, PKI_DER_SEQUENCE, &tbs));
    head = tbs.body;
    while (pki_der_next(&tbs.body, &item) && item.tag != PKI_DER_CONTEXT_CONSTRUCTED(3))
        head.n = (apr_size_t)(item.whole.p - head.p) + item.whole.n;
    return tlv(0x30, join(2, tlv(0x30, join(2, head, tail)), cert.body));
}

/* What OpenSSL does not write: FALSE, which is the default and has no place in DER (some CAs write it), among others */
static void test_extensions_by_hand(void **state)
{
    static const struct {
        const char *tail, *part;
    } rows[] = {
        {"", NULL},
        {"a317 3015 3013 06092b0601040182371507 010100 0403020100", NULL},
        {"a317 3015 3013 06092b0601040182371507 0101ff 0403020100", "critical extension " TEMPLATE},
        {"a302 3000", "empty list of extensions"},
        {"a300", "not the DER of a certificate"},
        {"8102 0001", "unique identifiers"},
        {"8202 0001", "unique identifiers"},
    };
    static const char *const extra[] = {TEMPLATE, NULL};
    row_t row = {.cert = {NULL}, .grant = {"keyUsage=", "extendedKeyUsage=", "subjectAltName=", "tlsfeature="}};

    (void)state;
    make_ca_and_key();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t der = with_tail(make_issued(&row), hex(rows[i].tail));
        est_err_t *err = policy_issued_check(make_grant(row.grant), spki_of(t.key), der, extra, pool);

        assert_int_equal(ERR_peek_error(), 0);
        if (rows[i].part)
            ASSERT_ROW(err, EST_E_ca_wrong, rows[i].part, rows[i].tail);
        else
            est_test_ok(err, rows[i].tail, __FILE__, __LINE__);
    }
}

/* As many as nobody has */
static void test_too_many_extensions(void **state)
{
    static const char *const none[MAX_CHANGES];
    row_t row = {.label = ""};
    X509V3_CTX ctx = {0};
    X509 *cert;

    (void)state;
    make_ca_and_key();
    cert = parse_cert(make_issued(&row));
    for (int i = 0; i < 64; i++) {
        X509_EXTENSION *ext = make_ext(&ctx, apr_psprintf(pool, "1.2.3.4.6.%d=DER:0500", i));

        X509_add_ext(cert, ext, -1);
        X509_EXTENSION_free(ext);
    }
    assert_true(X509_sign(cert, t.ca_key, EVP_sha256()) > 0);
    ASSERT_FAILS(policy_issued_check(make_grant(none), spki_of(t.key), cert_der(cert), NULL, pool), ca_wrong,
                 "more than 64 extensions");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_names),
        EST_TEST(test_time),
        EST_TEST(test_the_certificate),
        EST_TEST(test_encoding),
        EST_TEST(test_lengths_of_ber),
        EST_TEST(test_signatures),
        EST_TEST(test_the_key),
        EST_TEST(test_powers_of_cas),
        EST_TEST(test_key_usage),
        EST_TEST(test_purposes),
        EST_TEST(test_extensions_of_the_ca),
        EST_TEST(test_granted_extensions),
        EST_TEST(test_other_extensions),
        EST_TEST(test_extensions_by_hand),
        EST_TEST(test_too_many_extensions),
    };

    return EST_TEST_RUN(tests);
}
