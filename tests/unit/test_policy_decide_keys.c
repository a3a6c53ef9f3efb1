/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* The rules of policy_decide.c about the key, and what is asked for beside names: extensions and attributes. */

#include "decide_test.h"

static void test_key(void **state)
{
    static const struct {
        const char *rules, *key;
        int good;
    } rows[] = {
        {"ec:P-256", "P-256", 1},
        {"ec:P-256", "P-384", 0},
        {"ec:P-256,P-384", "P-384", 1},
        {"rsa:2048-4096", "P-256", 0},
        {"rsa:2048-4096\ned25519", "Ed25519", 1},
        {"ed448", "Ed25519", 0},
        {"ec:P-256\nrsa:2048", "RSA", 1},
        {"rsa:3072-8192", "RSA", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_request();
        t.rows.profile.keys = rows[i].rules;
        t.csr.key = make_key(rows[i].key);
        if (rows[i].good)
            granted();
        else
            assert_fails_alone("key", EST_E_key_not_allowed, "profile \"device\" wants");
    }
}

/* C-16 */
static void test_key_reserved(void **state)
{
    EVP_PKEY *key = make_key("P-256");
    unsigned char reserved[3][PKI_SHA256_SIZE] = {{1}, {2}, {3}};

    (void)state;
    good_request();
    t.csr.key = key;
    t.request.reserved_keys = (const unsigned char(*)[PKI_SHA256_SIZE])reserved;
    t.request.n_reserved_keys = 3;
    granted();
    pki_sha256(reserved[2], spki_of(key));
    assert_fails_alone("key_reserved", EST_E_key_reserved, "of a CA or a TLS server");
    t.request.n_reserved_keys = 2;
    granted();
    t.ca_certs[0].spki = spki_of(key);
    assert_fails_alone("key_reserved", EST_E_key_reserved, "the CA's own");
}

/* EN-12, K-04: asked only when the profile allows such a key */
static void test_key_quality(void **state)
{
    policy_grant_t *grant;
    const policy_request_t *judged;
    pki_csr_t csr;
    pki_key_t key;
    BIGNUM *prime = BN_get_rfc3526_prime_2048(NULL);
    unsigned char modulus[256];

    (void)state;
    assert_int_equal(BN_bn2bin(prime, modulus), 256);
    BN_free(prime);
    good_request();
    t.csr.key = make_key("RSA");
    judged = request();
    csr = *judged->csr;
    key = *csr.key;
    key.modulus = est_slice(modulus, sizeof(modulus));
    csr.key = &key;
    t.request.csr = &csr;
    est_err_t *err = policy_decide(&grant, &t.request, pool);
    ASSERT_ROW(err, EST_E_key_rejected, "modulus is prime", "prime");
    assert_string_equal(err->rule, "key_quality");

    t.rows.profile.keys = "ec:P-256";
    request();
    t.request.csr = &csr;
    err = policy_decide(&grant, &t.request, pool);
    assert_string_equal(err->rule, "key");
}

/* keyUsage bits of what was granted, by OpenSSL; -1 = none */
static int granted_usage(const policy_grant_t *grant)
{
    for (int i = 0; i < grant->n_exts; i++) {
        const unsigned char *p = grant->exts[i].p;
        X509_EXTENSION *ext = d2i_X509_EXTENSION(NULL, &p, (long)grant->exts[i].n);

        assert_non_null(ext);
        if (OBJ_obj2nid(X509_EXTENSION_get_object(ext)) == NID_key_usage) {
            ASN1_BIT_STRING *bits = X509V3_EXT_d2i(ext);
            int usage = 0;

            assert_int_equal(X509_EXTENSION_get_critical(ext), 1);
            for (int k = 0; k < 9; k++)
                usage |= ASN1_BIT_STRING_get_bit(bits, k) << k;
            ASN1_BIT_STRING_free(bits);
            X509_EXTENSION_free(ext);
            return usage;
        }
        X509_EXTENSION_free(ext);
    }
    return -1;
}

/* CP-10: the profile's keyUsage, cut to what the key is able to do */
static void test_key_usage(void **state)
{
    static const struct {
        const char *given, *purposes, *key;
        int usage; /* 0: refused */
        const char *dropped;
    } rows[] = {
        {"digitalSignature", "clientAuth", "P-256", 0x01, NULL},
        {"digitalSignature,keyEncipherment", "clientAuth", "P-256", 0x01, "keyUsage=keyEncipherment"},
        {"digitalSignature,keyEncipherment", "clientAuth", "RSA", 0x05, NULL},
        {"digitalSignature,keyEncipherment,dataEncipherment,keyAgreement", "serverAuth", "RSA", 0x0d,
         "keyUsage=keyAgreement"},
        {"digitalSignature,keyEncipherment,dataEncipherment,keyAgreement", "serverAuth", "P-256", 0x11,
         "keyUsage=keyEncipherment dataEncipherment"},
        {"digitalSignature,nonRepudiation,keyAgreement", "clientAuth", "Ed25519", 0x03, "keyUsage=keyAgreement"},
        {"digitalSignature,keyAgreement,decipherOnly", "clientAuth", "P-256", 0x111, NULL},
        {"digitalSignature,keyAgreement,encipherOnly", "clientAuth", "P-256", 0x91, NULL},
        {"digitalSignature,keyAgreement,encipherOnly", "clientAuth", "Ed25519", 0x01,
         "keyUsage=keyAgreement encipherOnly"},
        {"digitalSignature,encipherOnly", "clientAuth", "P-256", 0x01, "keyUsage=encipherOnly"},
        {"keyEncipherment", "serverAuth", "P-256", 0, NULL},
        {"keyEncipherment", "serverAuth", "RSA", 0x04, NULL},
        {"keyAgreement", "clientAuth", "RSA", 0, NULL},
        {"keyAgreement,decipherOnly", "clientAuth", "Ed25519", 0, NULL},
        /* what is left serves no purpose that the profile gives: RFC 5280 4.2.1.12 */
        {"nonRepudiation,keyEncipherment", "serverAuth", "P-256", 0, NULL},
        {"nonRepudiation,keyEncipherment", "serverAuth", "RSA", 0x06, NULL},
        {"nonRepudiation,keyEncipherment", "emailProtection", "P-256", 0x02, "keyUsage=keyEncipherment"},
        {"nonRepudiation,keyAgreement", "emailProtection,clientAuth", "Ed25519", 0, NULL},
        {"nonRepudiation,keyEncipherment", "1.3.6.1.5.5.7.3.17", "P-256", 0x02, "keyUsage=keyEncipherment"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_request();
        t.rows.profile.keys = "ec:P-256\nrsa:2048-4096\ned25519";
        t.exts[0].value = rows[i].given;
        t.exts[1].value = rows[i].purposes;
        t.csr.key = make_key(rows[i].key);
        if (!rows[i].usage) {
            assert_fails_alone("key_usage", EST_E_key_not_allowed, "gives no purpose");
            continue;
        }
        policy_grant_t *grant = granted();
        if (granted_usage(grant) != rows[i].usage)
            fail_msg("%s for %s: %#x", rows[i].given, rows[i].key, (unsigned)granted_usage(grant));
        assert_int_equal(grant->dropped == NULL, rows[i].dropped == NULL);
        if (rows[i].dropped)
            assert_string_equal(grant->dropped, rows[i].dropped);
    }

    good_request(); /* none given: none there */
    t.rows.n_exts = 0;
    assert_int_equal(granted_usage(granted()), -1);

    good_request(); /* asked for alone what this key cannot have, though the profile gives it to others */
    t.exts[0].value = "digitalSignature,keyEncipherment";
    t.csr.exts[1] = "keyUsage=keyEncipherment";
    assert_fails_alone("extensions", EST_E_extension_refused, "none of the requested key usages to EC P-256");
    t.csr.exts[1] = "keyUsage=digitalSignature,keyEncipherment";
    assert_int_equal(granted_usage(granted()), 0x01);
}

/* EN-08, EN-09, EN-11, CP-12; what is asked for and harmless is left out, the profile's extensions go in */
static void test_extensions(void **state)
{
    static const struct {
        const char *ext;
        int good;
        const char *reason;
    } rows[] = {
        {"keyUsage=digitalSignature", 1, "what the profile gives"},
        {"keyUsage=digitalSignature,keyAgreement", 1, "something of which the profile gives"},
        {"keyUsage=keyAgreement", 0, "EN-08: for nothing that the profile gives"},
        {"keyUsage=critical,keyEncipherment", 0, "EN-08: the same, critical"},
        {"keyUsage=keyCertSign", 0, "EN-09"},
        {"keyUsage=digitalSignature,cRLSign", 0, "EN-09"},
        {"basicConstraints=CA:TRUE", 0, "EN-09"},
        {"basicConstraints=critical,CA:TRUE,pathlen:0", 0, "EN-09"},
        {"basicConstraints=CA:FALSE", 1, "an end entity"},
        {"nameConstraints=permitted;DNS:example.com", 0, "EN-09"},
        {"policyConstraints=requireExplicitPolicy:0", 0, "EN-09"},
        {"extendedKeyUsage=clientAuth", 1, "what the profile gives"},
        {"extendedKeyUsage=1.3.6.1.5.5.7.3.28", 0, "CP-12: cmcRA"},
        {"extendedKeyUsage=clientAuth,1.3.6.1.5.5.7.3.28", 0, "CP-12: cmcRA, hidden"},
        {"extendedKeyUsage=1.3.6.1.5.5.7.3.27", 0, "CP-12: cmcCA"},
        {"extendedKeyUsage=OCSPSigning", 0, "CP-12"},
        {"extendedKeyUsage=timeStamping", 0, "CP-12"},
        {"extendedKeyUsage=anyExtendedKeyUsage", 0, "C-07"},
        {"certificatePolicies=DER:3007300506032a0304", 1, "left out"},
        {"certificatePolicies=critical,DER:3007300506032a0304", 0, "EN-11: critical, and never taken from a request"},
        {"authorityInfoAccess=OCSP;URI:http://evil.example/", 1, "left out"},
        {"crlDistributionPoints=URI:http://evil.example/", 1, "left out"},
        {"subjectKeyIdentifier=00112233", 1, "left out: it comes from the key"},
        {"1.2.3.4.5=DER:0500", 1, "EN-11: unknown"},
        {"1.2.3.4.5=critical,DER:0500", 0, "EN-11: unknown and critical"},
        {"keyUsage=DER:0500", 0, "C-08: malformed"},
        {"extendedKeyUsage=DER:3000", 0, "C-08: malformed"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_request();
        t.csr.exts[1] = rows[i].ext;
        if (rows[i].good)
            assert_int_equal(granted()->n_exts, 5);
        else
            assert_fails_alone("extensions", EST_E_extension_refused, NULL);
    }
    good_request(); /* a profile that gives no key usage reverses nothing */
    t.rows.n_exts = 0;
    t.csr.exts[1] = "keyUsage=keyAgreement";
    assert_int_equal(granted()->n_exts, 3);
}

/* CB-12, C-12, EN-10: what may not be ignored is refused while nobody may have it */
static void test_attributes_that_nobody_is_granted(void **state)
{
    static const struct {
        const char *oid, *values;
        est_err_code_t code;
        const char *why;
    } rows[] = {
        {"1.2.840.113549.1.9.16.2.58", "0c0161", EST_E_csr_attribute, "estIdentityLinking is not supported"},
        {"1.2.840.113549.1.9.16.2.56", "0c0161", EST_E_csr_attribute, "otpChallenge is not supported"},
        {"1.2.840.113549.1.9.16.2.57", "0c0161", EST_E_csr_attribute, "revocationChallenge is not supported"},
        {"1.2.840.113549.1.9.16.2.57", "0c00", EST_E_csr_attribute, "0 octets"},
        {"1.3.6.1.5.5.7.7.36", "3005 a103 820161", EST_E_name_refused, "ChangeSubjectName"},
        {"1.3.6.1.5.5.7.7.36", "3000", EST_E_csr_attribute, "neither subject nor subjectAlt"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        good_request();
        const policy_request_t *asked = request();
        const pki_req_attr_t attrs[] = {{"1.3.6.1.4.1.55555.7", hex("0500")}, {rows[i].oid, hex(rows[i].values)}};
        pki_csr_t csr = *asked->csr;
        policy_grant_t *grant;
        csr.attrs = attrs;
        csr.n_attrs = 2;
        t.request.csr = &csr;
        est_err_t *err = policy_decide(&grant, asked, pool);
        ASSERT_ROW(err, rows[i].code, rows[i].why, rows[i].oid);
        assert_string_equal(err->rule, "attributes");
        csr.n_attrs = 1; /* EN-11: the other one by itself */
        ASSERT_OK(policy_decide(&grant, asked, pool));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_key),       EST_TEST(test_key_reserved), EST_TEST(test_key_quality),
        EST_TEST(test_key_usage), EST_TEST(test_extensions),   EST_TEST(test_attributes_that_nobody_is_granted),
    };
    return EST_TEST_RUN(tests);
}
