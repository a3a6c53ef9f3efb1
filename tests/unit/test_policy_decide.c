/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_test.h"

#include "pki/pki_time.h"
#include "policy/policy_decide.h"

/* A request that passes every rule; tests change one thing in it, then call judge() */
static struct {
    policy_subject_row_t subject_rules[2];
    policy_san_row_t san_rules[1];
    pki_ext_row_t exts[2];
    policy_profile_rows_t rows;
    const char *patterns[1];
    policy_group_t group;
    policy_alias_t alias;
    const char *names[1];
    policy_client_t client;
    policy_identity_t identity;
    csr_spec_t csr;
    pki_cert_t ca_certs[2]; /* the CA that signs, and the root */
    const pki_cert_t *chain[2];
    pki_issuer_t ca;
    policy_request_t request;
} t;

static void good_request(void)
{
    memset(&t, 0, sizeof(t));
    t.subject_rules[0] = (policy_subject_row_t)GOOD_SUBJECT("CN");
    t.subject_rules[1] = (policy_subject_row_t)GOOD_SUBJECT("O");
    t.san_rules[0] = (policy_san_row_t)GOOD_SAN("dns");
    t.exts[0] = (pki_ext_row_t){"keyUsage", 1, "digitalSignature"};
    t.exts[1] = (pki_ext_row_t){"extendedKeyUsage", 0, "clientAuth"};
    t.rows = (policy_profile_rows_t){.profile = GOOD_PROFILE,
                                     .subject_rules = t.subject_rules,
                                     .n_subject_rules = 2,
                                     .san_rules = t.san_rules,
                                     .n_san_rules = 1,
                                     .exts = t.exts,
                                     .n_exts = 2};
    t.patterns[0] = "**";
    t.group = (policy_group_t){5, "devices", t.patterns, 1};
    t.alias = (policy_alias_t){
        .id = 1, .name = "est", .enabled = 1, .profile_active = 1, .group = &t.group, .group_active = 1};
    t.names[0] = "*";
    t.client = (policy_client_t){.id = 9, .user = "ra", .names = t.names, .n_names = 1, .enabled = 1};
    t.identity = (policy_identity_t){POLICY_IDENTITY_USER, "ra", &t.client, NULL};
    t.csr = (csr_spec_t){.subject = "CN=dev7,O=Example", .exts = {"subjectAltName=DNS:dev7.example"}};
    t.request = (policy_request_t){
        .alias = &t.alias, .op = POLICY_OP_ENROLL, .identity = &t.identity, .now = TEST_NOW, .ca = &t.ca};
    t.ca_certs[0] = (pki_cert_t){.subject = name_of("CN=CA,O=Example"),
                                 .not_before = TEST_NOW - 1000 * TEST_DAY,
                                 .not_after = TEST_NOW + 1000 * TEST_DAY};
    t.ca_certs[1] = (pki_cert_t){.subject = name_of("CN=Root,O=Example")};
    t.chain[0] = &t.ca_certs[0];
    t.chain[1] = &t.ca_certs[1];
    t.ca = (pki_issuer_t){t.chain, 2, hex("300a 0603551d23 0403 300180")};
}

/* What t says, as a request */
static const policy_request_t *request(void)
{
    policy_profile_t *profile;
    pki_csr_t *csr;

    if (t.rows.profile.id) {
        ASSERT_OK(policy_profile_make(&profile, &t.rows, pool));
        t.alias.profile = profile;
    }
    ASSERT_OK(pki_csr_decode(&csr, make_csr(&t.csr), pool));
    t.request.csr = csr;
    return &t.request;
}

static policy_grant_t *granted(void)
{
    policy_grant_t *grant;

    ASSERT_OK(policy_decide(&grant, request(), pool));
    return grant;
}

/* Fails by that rule, in a decision and in an explanation, where every other rule passes or has nothing to say */
static void assert_fails_alone(const char *rule, est_err_code_t code, const char *part)
{
    const policy_request_t *judged = request();
    policy_grant_t *grant = NULL;
    est_err_t *err = policy_decide(&grant, judged, pool);
    const policy_finding_t *findings;
    int n;

    ASSERT_ROW(err, code, part, rule);
    assert_null(grant);
    assert_string_equal(err->rule, rule);
    findings = policy_explain(&grant, &n, judged, pool);
    assert_null(grant);
    for (int i = 0; i < n; i++) {
        int is_it = !strcmp(findings[i].rule, rule);

        if ((findings[i].verdict == POLICY_FAIL) != is_it || (findings[i].err != NULL) != is_it)
            fail_msg("%s fails, and %s is %d", rule, findings[i].rule, (int)findings[i].verdict);
        if (is_it)
            assert_int_equal(findings[i].err->code, code);
    }
}

/* ---- the rules */

static void test_rules_have_names_and_texts(void **state)
{
    static const char *const names[] = {"alias_active", "key",      "key_reserved", "key_quality", "same_names",
                                        "subject",      "san",      "named",        "disguise",    "email",
                                        "not_the_ca",   "group_names", "own_names", "key_usage",   "extensions",
                                        "attributes",   "validity"};
    int n = 0;

    (void)state;
    for (; policy_rule_name(n); n++) {
        assert_true(n < (int)(sizeof(names) / sizeof(names[0])));
        assert_string_equal(policy_rule_name(n), names[n]); /* records and manuals know them by these, in this order */
        assert_true(strlen(policy_rule_text(n)) > 10);
        for (int i = 0; i < n; i++) {
            assert_string_not_equal(policy_rule_name(i), policy_rule_name(n));
            assert_string_not_equal(policy_rule_text(i), policy_rule_text(n));
        }
    }
    assert_int_equal(n, sizeof(names) / sizeof(names[0]));
    assert_null(policy_rule_text(n));
    assert_null(policy_rule_name(-1));
    assert_null(policy_rule_text(-1));
}

static void test_a_good_request_is_granted(void **state)
{
    policy_grant_t *grant;

    (void)state;
    good_request();
    grant = granted();
    assert_string_equal(grant->subject->text, "O=Example,CN=dev7");
    assert_int_equal(grant->san.n_names, 1);
    assert_string_equal(grant->san.names[0].value, "dev7.example");
    assert_string_equal(grant->entity, "dev7");
    assert_null(grant->dropped);
    assert_int_equal(grant->digest, PKI_DIGEST_DEFAULT);
    assert_int_equal(apr_time_sec(grant->not_before), apr_time_sec(TEST_NOW) - 300);
    assert_int_equal(apr_time_sec(grant->not_after), apr_time_sec(TEST_NOW) + 31536000);
    assert_int_equal(grant->n_exts, 5);
    ASSERT_SLICE(grant->exts[0], hex("300e 0603551d0f 0101ff 0404 03020780"));
    ASSERT_SLICE(grant->exts[1], hex("3013 0603551d25 040c 300a 0608 2b06010505070302"));
    ASSERT_SLICE(grant->exts[2], pki_ext_ski(t.request.csr->key->spki, pool));
    ASSERT_SLICE(grant->exts[3], t.ca.aki);
    ASSERT_SLICE(grant->exts[4], join(3, hex("3017 0603551d11 0410 300e 820c"), text("dev7.example"), hex("")));
}

/* CP-15 */
static void test_san_is_critical_where_there_is_no_subject(void **state)
{
    policy_grant_t *grant;

    (void)state;
    good_request();
    t.csr.subject = "";
    grant = granted();
    assert_string_equal(grant->entity, "dns:dev7.example");
    ASSERT_SLICE(grant->exts[4], join(2, hex("301a 0603551d11 0101ff 0410 300e 820c"), text("dev7.example")));
}

static void test_without_san_there_is_no_extension(void **state)
{
    (void)state;
    good_request();
    t.csr.exts[0] = NULL;
    assert_int_equal(granted()->n_exts, 4);
}

static void test_alias_active(void **state)
{
    (void)state;
    good_request();
    t.alias.profile_active = 0;
    assert_fails_alone("alias_active", EST_E_alias_inactive, "switched off");
    good_request();
    t.alias.group_active = 0;
    assert_fails_alone("alias_active", EST_E_alias_inactive, "no active group");
    good_request();
    t.alias.group = NULL;
    assert_fails_alone("alias_active", EST_E_alias_inactive, "no active group");
    good_request();
    t.rows.profile.id = NULL; /* no profile is set */
    assert_fails_alone("alias_active", EST_E_alias_inactive, "has no profile");
}

static void test_without_profile_nothing_else_is_explained(void **state)
{
    policy_grant_t *grant;
    int n;

    (void)state;
    good_request();
    t.rows.profile.id = NULL;
    policy_explain(&grant, &n, request(), pool);
    assert_int_equal(n, 1);
}

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

/* RFC 7030 4.2.2 */
static void test_same_names(void **state)
{
    static const struct {
        const char *subject, *san;
        int good;
        const char *reason;
    } rows[] = {
        {"CN=dev7,O=Example", "subjectAltName=DNS:dev7.example,DNS:b.example", 1, "the same"},
        {"CN=dev7,O=Example", "subjectAltName=DNS:b.example,DNS:dev7.example", 1, "C-13: SAN in another order"},
        {"CN=DEV7,O=Example", "subjectAltName=DNS:dev7.example,DNS:b.example", 1, "C-13: case folded"},
        {"CN=dev7,O=Example", "subjectAltName=DNS:DEV7.example,DNS:b.example", 1, "DNS without case"},
        {"CN=dev7,O=Example", "subjectAltName=DNS:dev7.example", 0, "a SAN less"},
        {"CN=dev7,O=Example", NULL, 0, "no SAN"},
        {"CN=dev7,O=Example", "subjectAltName=DNS:dev7.example,DNS:b.example,DNS:c.example", 0, "a SAN more"},
        {"CN=dev8,O=Example", "subjectAltName=DNS:dev7.example,DNS:b.example", 0, "another subject"},
        {"O=Example,CN=dev7", "subjectAltName=DNS:dev7.example,DNS:b.example", 0, "C-13: RDNs in another order"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_cert_t cert = {.subject = name_of("CN=dev7,O=Example"), .san = sans_of("DNS:dev7.example,DNS:b.example")};

        good_request();
        t.request.op = POLICY_OP_REENROLL;
        t.identity.cert = &cert; /* beside the RA's name, so that own_names has nothing against it */
        t.csr.subject = rows[i].subject;
        t.csr.exts[0] = rows[i].san;
        if (rows[i].good)
            granted();
        else
            assert_fails_alone("same_names", EST_E_names_differ, "certificate");
        t.request.op = POLICY_OP_ENROLL;
        granted();
    }
    good_request();
    t.request.op = POLICY_OP_REENROLL;
    assert_fails_alone("same_names", EST_E_certificate_required, NULL);
}

static void test_subject(void **state)
{
    (void)state;
    good_request();
    t.csr.subject = "CN=dev7,L=Paris";
    assert_fails_alone("subject", EST_E_name_refused, "L=");
    t.rows.profile.subject_other = "drop";
    policy_grant_t *grant = granted();
    assert_string_equal(grant->subject->text, "CN=dev7");
    assert_string_equal(grant->dropped, "L=Paris");
}

static void test_san(void **state)
{
    (void)state;
    good_request();
    t.csr.exts[0] = "subjectAltName=DNS:dev7.example,IP:10.0.0.1";
    assert_fails_alone("san", EST_E_name_refused, "ip:10.0.0.1");
    t.rows.profile.san_other = "drop";
    policy_grant_t *grant = granted();
    assert_int_equal(grant->san.n_names, 1);
    assert_string_equal(grant->dropped, "ip=10.0.0.1");
    /* with a subject that is empty: the explanation does not say "named" too, for without the flaw there would be a
     * name */
    good_request();
    t.csr.subject = "";
    t.csr.exts[0] = "subjectAltName=IP:10.0.0.1";
    assert_fails_alone("san", EST_E_name_refused, "ip:10.0.0.1");
}

static void test_named(void **state)
{
    (void)state;
    good_request(); /* C-15 */
    t.csr.subject = "";
    t.csr.exts[0] = NULL;
    t.patterns[0] = "**";
    policy_grant_t *grant = NULL;
    est_err_t *err = policy_decide(&grant, request(), pool);
    ASSERT_ROW(err, EST_E_name_invalid, "neither subject nor subjectAltName", "empty");
    assert_string_equal(err->rule, "named");

    good_request(); /* everything dropped */
    t.csr.subject = "L=Paris";
    t.csr.exts[0] = NULL;
    t.rows.profile.subject_other = "drop";
    err = policy_decide(&grant, request(), pool);
    ASSERT_ROW(err, EST_E_name_invalid, "L=Paris", "dropped");
    assert_string_equal(err->rule, "named");
}

/* N-14 */
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

static void test_not_the_ca(void **state)
{
    (void)state;
    good_request();
    t.csr.subject = "CN=CA,O=Example";
    assert_fails_alone("not_the_ca", EST_E_name_invalid, "that of a CA, \"O=Example,CN=CA\"");
    t.csr.subject = "CN=ca,O=EXAMPLE"; /* the same by RFC 5280 7.1 */
    assert_fails_alone("not_the_ca", EST_E_name_invalid, "that of a CA");
    t.csr.subject = "CN=Root,O=Example";
    assert_fails_alone("not_the_ca", EST_E_name_invalid, "\"O=Example,CN=Root\"");
    t.csr.subject = "CN=CA"; /* the whole name counts */
    granted();
}

/* N-09 */
static void test_disguise(void **state)
{
    pki_cert_t cert = {.subject = name_of("CN=dev  7")};

    (void)state;
    good_request();
    t.csr.subject = "CN=dev  7";
    assert_fails_alone("disguise", EST_E_name_invalid, "value of CN: two blanks");
    t.csr.subject = "CN=d\xd0\xb5v7,O=Example";
    assert_fails_alone("disguise", EST_E_name_invalid, "Cyrillic");
    t.csr.subject = "CN=dev7,O= Example";
    assert_fails_alone("disguise", EST_E_name_invalid, "value of O: blank");
    t.subject_rules[1].pattern = "Example"; /* what is dropped does not count */
    t.subject_rules[1].on_violation = "drop";
    assert_string_equal(granted()->subject->text, "CN=dev7");

    good_request(); /* a holder keeps the name it has, and gets no other of that kind */
    t.identity = (policy_identity_t){POLICY_IDENTITY_CERTIFICATE, "dev  7", NULL, &cert};
    t.csr.exts[0] = NULL;
    t.csr.subject = "CN=dev 7";
    assert_string_equal(granted()->subject->text, "CN=dev  7");
    t.csr.subject = "CN=dev  8";
    policy_grant_t *grant;
    est_err_t *err = policy_decide(&grant, request(), pool);
    ASSERT_ROW(err, EST_E_name_invalid, "two blanks", "another name");
}

/* CP-21 */
static void test_email(void **state)
{
    (void)state;
    good_request();
    t.subject_rules[1] = (policy_subject_row_t)GOOD_SUBJECT("emailAddress");
    t.san_rules[0] = (policy_san_row_t)GOOD_SAN("email");
    t.csr.subject = "CN=dev7,emailAddress=dev7@b.example";
    t.csr.exts[0] = NULL;
    assert_fails_alone("email", EST_E_name_invalid, "emailAddress \"dev7@b.example\"");
    t.csr.exts[0] = "subjectAltName=email:dev8@b.example";
    assert_fails_alone("email", EST_E_name_invalid, "emailAddress \"dev7@b.example\"");
    t.csr.exts[0] = "subjectAltName=email:dev7@b.example";
    assert_int_equal(granted()->san.n_names, 1);
    t.san_rules[0].pattern = "*@c.example"; /* dropped: it would not be in the certificate */
    t.san_rules[0].on_violation = "drop";
    assert_fails_alone("email", EST_E_name_invalid, "emailAddress");
}

static void test_group_names(void **state)
{
    (void)state;
    good_request();
    t.patterns[0] = "dev*";
    assert_fails_alone("group_names", EST_E_name_refused, "dev7.example");
    t.csr.exts[0] = NULL;
    granted();
}

static void test_own_names(void **state)
{
    (void)state;
    good_request();
    t.names[0] = "own";
    assert_fails_alone("own_names", EST_E_name_not_yours, "client \"ra\"");
    t.identity.name = "dev7";
    t.csr.exts[0] = NULL;
    granted();
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

/* Days from now; 0 = not set. OP-08: whatever the clock says, no certificate ends before it begins */
static void test_validity(void **state)
{
    static const struct {
        int validity, backdate, latest_end, ca_start, ca_end;
        const char *beyond_ca;
        int start, end; /* 0 both: refused */
        const char *reason;
    } rows[] = {
        {30, 1, 0, -100, 100, "cap", -1, 30, "as the profile says"},
        {30, 0, 0, -100, 100, "cap", 0, 30, "no backdate"},
        {30, 1, 20, -100, 100, "cap", -1, 20, "latest end"},
        {30, 1, 40, -100, 100, "cap", -1, 30, "latest end is later"},
        {200, 1, 0, -100, 100, "cap", -1, 100, "cut at the CA's end"},
        {200, 1, 0, -100, 100, "refuse", 0, 0, "refused beyond the CA's end"},
        {100, 1, 0, -100, 100, "refuse", -1, 100, "exactly the CA's end"},
        {200, 1, 20, -100, 100, "refuse", -1, 20, "latest end is before the CA's"},
        {30, 9, 0, -5, 100, "cap", -5, 30, "not before the CA"},
        {30, 1, 0, -100, -2, "cap", 0, 0, "the CA has ended"},
        {30, 1, -2, -100, 100, "cap", 0, 0, "latest end is over"},
        {30, 1, 0, 50, 100, "cap", 0, 0, "the CA has not begun"},
        {30, 1, 0, 20000, 23650, "cap", 0, 0, "the clock has gone back by decades"},
        {30, 1, 0, -20000, -16350, "cap", 0, 0, "the clock has gone forward by decades"},
        {30, 20000, 0, -100, 100, "cap", -100, 30, "backdate beyond the CA's beginning"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        apr_time_t now = apr_time_sec(TEST_NOW);

        good_request();
        t.rows.profile.validity = apr_psprintf(pool, "%d", rows[i].validity * 86400);
        t.rows.profile.backdate = apr_psprintf(pool, "%d", rows[i].backdate * 86400);
        if (rows[i].latest_end)
            t.rows.profile.latest_end = apr_psprintf(pool, "%" APR_TIME_T_FMT, now + rows[i].latest_end * 86400);
        t.rows.profile.beyond_ca = rows[i].beyond_ca;
        t.ca_certs[0].not_before = apr_time_from_sec(now + rows[i].ca_start * 86400);
        t.ca_certs[0].not_after = apr_time_from_sec(now + rows[i].ca_end * 86400);
        if (!rows[i].start && !rows[i].end) {
            assert_fails_alone("validity", EST_E_ca_ends, NULL);
            continue;
        }
        policy_grant_t *grant = granted();
        assert_true(grant->not_before < grant->not_after);
        if (apr_time_sec(grant->not_before) != now + rows[i].start * 86400 ||
            apr_time_sec(grant->not_after) != now + rows[i].end * 86400)
            fail_msg("%s: got %s to %s", rows[i].reason, pki_time_text(grant->not_before, pool),
                     pki_time_text(grant->not_after, pool));
    }
}

/* The certificate says whole seconds, and the record shall say the same */
static void test_validity_is_in_whole_seconds(void **state)
{
    (void)state;
    good_request();
    assert_int_equal(apr_time_usec(granted()->not_before), 0);
    assert_int_equal(apr_time_usec(granted()->not_after), 0);
    assert_true(granted()->not_before <= TEST_NOW);
}

static void test_a_profile_has_as_many_extensions_as_fit(void **state)
{
    static pki_ext_row_t many[POLICY_PROFILE_MAX_EXTS + 1];
    policy_profile_t *profile;

    (void)state;
    good_request();
    for (int i = 0; i <= POLICY_PROFILE_MAX_EXTS; i++)
        many[i] = (pki_ext_row_t){apr_psprintf(pool, "1.2.3.4.%d", i), 0, "DER:0500"};
    t.rows.exts = many;
    t.rows.n_exts = POLICY_PROFILE_MAX_EXTS;
    assert_int_equal(granted()->n_exts, POLICY_PROFILE_MAX_EXTS + 3);
    t.rows.n_exts++;
    ASSERT_FAILS(policy_profile_make(&profile, &t.rows, pool), config, "extensions");
}

/* ---- order, and the explanation */

static void test_the_first_rule_that_fails_is_named(void **state)
{
    policy_grant_t *grant;
    est_err_t *err;

    (void)state;
    good_request();
    t.rows.profile.keys = "ed25519";
    t.csr.subject = "CN=dev7,L=Paris";
    t.names[0] = "own";
    err = policy_decide(&grant, request(), pool);
    assert_string_equal(err->rule, "key");
    t.rows.profile.keys = "ec:P-256";
    err = policy_decide(&grant, request(), pool);
    assert_string_equal(err->rule, "subject");
    t.csr.subject = "CN=dev7";
    err = policy_decide(&grant, request(), pool);
    assert_string_equal(err->rule, "own_names");
}

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

static const char *pick(unsigned *seed, const char *const *from, unsigned n)
{
    return from[next_random(seed) % n];
}

/* t with good and bad parts at random */
static void random_request(unsigned *seed)
{
    static const char *const subjects[] = {"CN=dev7,O=Example", "CN=dev7",         "",
                                           "CN=dev7,L=Paris",   "CN=CA,O=Example", "O=Example"};
    static const char *const sans[] = {NULL, "subjectAltName=DNS:dev7.example", "subjectAltName=IP:10.0.0.1",
                                       "subjectAltName=DNS:a.b"};
    static const char *const asked[] = {NULL, NULL, "keyUsage=digitalSignature", "keyUsage=keyAgreement",
                                        "basicConstraints=CA:TRUE"};
    static const char *const keys[] = {"ec:P-256", "ec:P-256", "ed25519"};
    static const char *const patterns[] = {"**", "dev*"};
    static const char *const names[] = {"*", "own", "dev*"};
    static const char *const violations[] = {"refuse", "drop"};
    static const char *const validities[] = {"86400", "31536000", "315360000"};
    static const char *const beyonds[] = {"cap", "refuse"};

    good_request();
    t.csr.subject = pick(seed, subjects, 6);
    t.csr.exts[0] = pick(seed, sans, 4);
    *(t.csr.exts[0] ? &t.csr.exts[1] : &t.csr.exts[0]) = pick(seed, asked, 5);
    t.rows.profile.keys = pick(seed, keys, 3);
    t.rows.profile.subject_other = pick(seed, violations, 2);
    t.rows.profile.san_other = pick(seed, violations, 2);
    t.rows.profile.validity = pick(seed, validities, 3);
    t.rows.profile.beyond_ca = pick(seed, beyonds, 2);
    t.patterns[0] = pick(seed, patterns, 2);
    t.names[0] = pick(seed, names, 3);
    t.alias.profile_active = next_random(seed) % 8 != 0;
    t.alias.group = next_random(seed) % 8 ? &t.group : NULL;
    t.request.op = next_random(seed) % 4 ? POLICY_OP_ENROLL : POLICY_OP_REENROLL;
    if (next_random(seed) % 8 == 0)
        t.rows.profile.id = NULL;
}

static void assert_same_grant(const policy_grant_t *a, const policy_grant_t *b)
{
    assert_string_equal(a->entity, b->entity);
    ASSERT_SLICE(a->subject->der, b->subject->der);
    ASSERT_SLICE(pki_san_encode(&a->san, pool), pki_san_encode(&b->san, pool));
    assert_int_equal(a->not_before, b->not_before);
    assert_int_equal(a->not_after, b->not_after);
    assert_int_equal(a->digest, b->digest);
    assert_int_equal(a->n_exts, b->n_exts);
    for (int i = 0; i < a->n_exts; i++)
        ASSERT_SLICE(a->exts[i], b->exts[i]);
    assert_int_equal(a->dropped == NULL, b->dropped == NULL);
    if (a->dropped)
        assert_string_equal(a->dropped, b->dropped);
}

static void test_the_explanation_agrees_with_the_decision(void **state)
{
    pki_cert_t cert = {.subject = name_of("CN=dev7,O=Example"), .san = sans_of("DNS:dev7.example")};
    unsigned seed = 1, grants = 0;

    (void)state;
    for (int round = 0; round < 1000; round++) {
        const policy_request_t *judged;
        policy_grant_t *decided = NULL, *explained;
        const policy_finding_t *findings;
        est_err_t *err;
        int n, failed = -1;

        random_request(&seed);
        if (next_random(&seed) % 2)
            t.identity.cert = &cert;
        judged = request();
        err = policy_decide(&decided, judged, pool);
        findings = policy_explain(&explained, &n, judged, pool);
        for (int i = n - 1; i >= 0; i--) {
            assert_string_equal(findings[i].rule, policy_rule_name(i));
            if (findings[i].verdict == POLICY_FAIL)
                failed = i;
        }
        assert_true(judged->alias->profile ? !policy_rule_name(n) : n == 1);
        if (err) {
            assert_true(failed >= 0 && !explained);
            assert_string_equal(err->rule, findings[failed].rule);
            assert_int_equal(err->code, findings[failed].err->code);
        } else {
            grants++;
            assert_true(failed < 0 && explained);
            assert_same_grant(decided, explained);
        }
    }
    assert_true(grants > 20 && grants < 980);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_rules_have_names_and_texts),
        EST_TEST(test_a_good_request_is_granted),
        EST_TEST(test_san_is_critical_where_there_is_no_subject),
        EST_TEST(test_without_san_there_is_no_extension),
        EST_TEST(test_alias_active),
        EST_TEST(test_without_profile_nothing_else_is_explained),
        EST_TEST(test_key),
        EST_TEST(test_key_reserved),
        EST_TEST(test_key_quality),
        EST_TEST(test_key_usage),
        EST_TEST(test_same_names),
        EST_TEST(test_subject),
        EST_TEST(test_san),
        EST_TEST(test_named),
        EST_TEST(test_attributes_that_nobody_is_granted),
        EST_TEST(test_disguise),
        EST_TEST(test_email),
        EST_TEST(test_not_the_ca),
        EST_TEST(test_group_names),
        EST_TEST(test_own_names),
        EST_TEST(test_extensions),
        EST_TEST(test_validity),
        EST_TEST(test_validity_is_in_whole_seconds),
        EST_TEST(test_a_profile_has_as_many_extensions_as_fit),
        EST_TEST(test_the_first_rule_that_fails_is_named),
        EST_TEST(test_the_explanation_agrees_with_the_decision),
    };
    return EST_TEST_RUN(tests);
}
