/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "pki/pki_csr.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <time.h>

#define ECDSA_SHA256 "300a06082a8648ce3d040302"
#define EXTENSION_REQUEST "06092a864886f70d01090e"
#define CHALLENGE_PASSWORD "06092a864886f70d010907"

/* ---- Requests by hand ---- */

static EVP_PKEY *ec_key; /* the same for all: this is not about keys */

static est_slice_t sign(EVP_PKEY *key, const EVP_MD *digest, est_slice_t octets)
{
    size_t n = (size_t)EVP_PKEY_get_size(key);
    unsigned char *sig = apr_palloc(pool, n);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, digest, NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, sig, &n, octets.p, octets.n), 1);
    EVP_MD_CTX_free(ctx);
    return est_slice(sig, n);
}

static est_slice_t subject(void)
{
    return tlv(0x30, tlv(0x31, tlv(0x30, hex("0603550403 0c0161"))));
}

static est_slice_t bits(est_slice_t octets)
{
    return tlv(0x03, join(2, hex("00"), octets));
}

/* The outer SEQUENCE around info, signed */
static est_slice_t signed_by(EVP_PKEY *key, const EVP_MD *digest, const char *algorithm, est_slice_t info)
{
    return tlv(0x30, join(3, info, hex(algorithm), bits(sign(key, digest, info))));
}

static est_slice_t info_of(EVP_PKEY *key, est_slice_t attributes)
{
    return tlv(0x30, join(4, hex("020100"), subject(), spki_of(key), tlv(0xa0, attributes)));
}

/* A request with these attributes (contents of [0]) */
static est_slice_t with_attributes(est_slice_t attributes)
{
    return signed_by(ec_key, EVP_sha256(), ECDSA_SHA256, info_of(ec_key, attributes));
}

static est_slice_t attribute(const char *oid, est_slice_t values)
{
    return tlv(0x30, join(2, hex(oid), tlv(0x31, values)));
}

static est_slice_t with_extensions(est_slice_t extensions)
{
    return with_attributes(attribute(EXTENSION_REQUEST, tlv(0x30, extensions)));
}

static est_slice_t extension(const char *oid, const char *critical, est_slice_t value)
{
    return tlv(0x30, join(3, hex(oid), hex(critical), tlv(0x04, value)));
}

static pki_csr_t *decoded(est_slice_t der)
{
    pki_csr_t *csr;
    ASSERT_OK(pki_csr_decode(&csr, der, pool));
    return csr;
}

static est_err_t *decode(est_slice_t der)
{
    pki_csr_t *csr;
    est_err_t *err = pki_csr_decode(&csr, der, pool);
    assert_int_equal(ERR_peek_error(), 0);
    return err;
}

static int group_setup(void **state)
{
    ec_key = EVP_EC_gen("P-256");
    return est_test_group_setup(state) || !ec_key;
}

static int group_teardown(void **state)
{
    EVP_PKEY_free(ec_key);
    return est_test_group_teardown(state);
}

/* ---- What comes out ---- */

static void test_request_made_by_openssl(void **state)
{
    (void)state;
    X509_REQ *req = X509_REQ_new();
    X509_NAME *name = X509_REQ_get_subject_name(req);
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Example", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"device 1", -1, -1, 0);
    X509_REQ_set_pubkey(req, ec_key);
    STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
    sk_X509_EXTENSION_push(exts, X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:A.example,IP:10.0.0.1"));
    sk_X509_EXTENSION_push(exts, X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, "critical,digitalSignature"));
    X509_REQ_add_extensions(req, exts);
    X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword, MBSTRING_UTF8, (const unsigned char *)"secret", -1);
    assert_true(X509_REQ_sign(req, ec_key, EVP_sha256()) > 0);
    est_slice_t der = DER_OF(i2d_X509_REQ, req);
    sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    X509_REQ_free(req);

    pki_csr_t *csr = decoded(der);
    ASSERT_SLICE(csr->der, der);
    assert_string_equal(csr->subject->text, "CN=device 1,O=Example");
    assert_string_equal(csr->key->label, "EC P-256");
    ASSERT_SLICE(csr->key->spki, spki_of(ec_key));
    assert_int_equal(csr->n_exts, 2);
    assert_string_equal(csr->exts[0].oid, "2.5.29.17");
    assert_int_equal(csr->exts[0].nid, NID_subject_alt_name);
    assert_int_equal(csr->exts[0].critical, 0);
    assert_int_equal(csr->exts[1].nid, NID_key_usage);
    assert_int_equal(csr->exts[1].critical, 1);
    ASSERT_SLICE(csr->exts[1].value, hex("03020780"));
    assert_int_equal(csr->san.n_names, 2);
    assert_string_equal(csr->san.names[0].value, "a.example");
    assert_string_equal(csr->san.names[1].value, "10.0.0.1");
    assert_string_equal(csr->challenge, "secret");
    assert_int_equal(csr->n_attrs, 0);
    ASSERT_OK(pki_csr_verify(csr, pool));
}

/* B-11: [0] may be missing; EN-11: other attributes are kept apart; C-04: Microsoft's extension request is one of them
 */
static void test_what_a_request_may_lack_and_carry(void **state)
{
    (void)state;
    est_slice_t info = tlv(0x30, join(3, hex("020100"), subject(), spki_of(ec_key)));
    pki_csr_t *csr = decoded(signed_by(ec_key, EVP_sha256(), ECDSA_SHA256, info));
    assert_int_equal(csr->n_exts, 0);
    assert_null(csr->challenge);
    ASSERT_OK(pki_csr_verify(csr, pool));

    csr = decoded(with_attributes(hex("")));
    assert_int_equal(csr->n_attrs, 0);

    est_slice_t ms = tlv(0x30, extension("0603551d13", "0101ff", hex("30030101ff")));
    csr = decoded(with_attributes(
        join(2, attribute("060a2b0601040182370d0203", hex("1601 31")), attribute("060a2b060104018237020 10e", ms))));
    assert_int_equal(csr->n_exts, 0);
    assert_int_equal(csr->n_attrs, 2);
    assert_string_equal(csr->attrs[0].oid, "1.3.6.1.4.1.311.13.2.3");
    ASSERT_SLICE(csr->attrs[0].values, hex("160131"));
    assert_string_equal(csr->attrs[1].oid, "1.3.6.1.4.1.311.2.1.14");
    ASSERT_OK(pki_csr_verify(csr, pool));
}

/* The [0] of Go's requests is not in the order of DER */
static void test_attributes_may_stand_in_any_order(void **state)
{
    (void)state;
    est_slice_t challenge = attribute(CHALLENGE_PASSWORD, hex("0c0161"));
    est_slice_t exts = attribute(EXTENSION_REQUEST, tlv(0x30, extension("0603551d0f", "", hex("03020780"))));
    for (int order = 0; order < 2; order++) {
        pki_csr_t *csr = decoded(with_attributes(order ? join(2, challenge, exts) : join(2, exts, challenge)));
        assert_string_equal(csr->challenge, "a");
        assert_int_equal(csr->n_exts, 1);
    }
}

/* ---- Structure ---- */

/* B-03, B-05, B-11 */
static void test_what_is_not_a_request(void **state)
{
    (void)state;
    est_slice_t good = with_attributes(hex("")), info = info_of(ec_key, hex("")), name = subject(),
                spki = spki_of(ec_key);
    est_slice_t none = hex("a000"), signature = bits(hex("3006 020101 020101")), algorithm = hex(ECDSA_SHA256);
#define AROUND(...) tlv(0x30, join(3, tlv(0x30, join(__VA_ARGS__)), algorithm, signature))
    const struct {
        est_slice_t der;
        est_err_code_t code;
        const char *why;
    } rows[] = {
        {hex(""), EST_E_der_invalid, "nothing"},
        {join(2, good, hex("0000")), EST_E_der_invalid, "trailing octets"},
        {join(2, good, good), EST_E_der_invalid, "trailing octets"},
        {hex("3000"), EST_E_csr_invalid, "not a PKCS#10"},
        {hex("020100"), EST_E_csr_invalid, "not a SEQUENCE"},
        {tlv(0x30, join(2, info, algorithm)), EST_E_csr_invalid, "not a PKCS#10"},
        {tlv(0x30, join(4, info, algorithm, signature, hex("0500"))), EST_E_csr_invalid, "not a PKCS#10"},
        {AROUND(4, hex("020101"), name, spki, none), EST_E_csr_invalid, "version"},
        {AROUND(4, hex("02020100"), name, spki, none), EST_E_csr_invalid, "version"},
        {AROUND(3, hex("020100"), name, none), EST_E_csr_invalid, "missing"},
        {AROUND(3, hex("020100"), spki, none), EST_E_csr_invalid, "missing"},
        {AROUND(4, hex("020100"), name, spki, hex("3000")), EST_E_csr_invalid, "other than attributes"},
        {AROUND(5, hex("020100"), name, spki, none, none), EST_E_csr_invalid, "other than attributes"},
        {AROUND(4, hex("020100"), name, spki, hex("a100")), EST_E_csr_invalid, "other than attributes"},
        {AROUND(4, hex("020100"), hex("30023100"), spki, none), EST_E_name_invalid, "empty"},
        {AROUND(4, hex("020100"), name, hex("3000"), none), EST_E_key_rejected, "SubjectPublicKeyInfo"},
        {tlv(0x30, join(3, info, algorithm, hex("030100"))), EST_E_csr_invalid, "signature is empty"},
        {tlv(0x30, join(3, info, algorithm, hex("03020780"))), EST_E_csr_invalid, "unused bits"}, /* C-01 */
        /* what people send instead */
        {AROUND(4, hex("a003020102"), hex("020101"), algorithm, name), EST_E_csr_invalid, "but a certificate"},
        {tlv(0x30, join(2, hex("06092a864886f70d010702"), none)), EST_E_csr_invalid, "CMS or PKCS#7"},
        {tlv(0x30, join(2, hex("020103"), hex("3000"))), EST_E_csr_invalid, "PKCS#12 or private key"},
        {spki, EST_E_csr_invalid, "but a public key"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ASSERT_ROW(decode(rows[i].der), rows[i].code, rows[i].why, apr_psprintf(pool, "row %d", (int)i));
}

/* B-07: BER anywhere, inside the signed part too, though it verifies */
static void test_ber_is_refused_though_the_signature_is_good(void **state)
{
    (void)state;
    est_slice_t ber_version = hex("02810100"), name = subject(), spki = spki_of(ec_key), none = hex("a000");
    est_slice_t ber_name = join(2, hex("3080"), join(2, est_slice(name.p + 2, name.n - 2), hex("0000")));
    const est_slice_t infos[] = {
        tlv(0x30, join(4, ber_version, name, spki, none)),
        tlv(0x30, join(4, hex("02020000"), name, spki, none)),
        tlv(0x30, join(4, hex("020100"), ber_name, spki, none)),
        tlv(0x30, join(4, hex("020100"), name, spki, hex("a08000 00"))),
    };
    for (size_t i = 0; i < sizeof(infos) / sizeof(infos[0]); i++)
        ASSERT_ROW(decode(signed_by(ec_key, EVP_sha256(), ECDSA_SHA256, infos[i])), EST_E_der_invalid, NULL,
                   apr_psprintf(pool, "row %d", (int)i));
}

/* B-06 */
static void test_every_truncation_is_refused(void **state)
{
    (void)state;
    est_slice_t der = with_attributes(attribute(CHALLENGE_PASSWORD, hex("0c0161")));
    for (apr_size_t n = 0; n < der.n; n++) {
        unsigned char *cut = malloc(n ? n : 1);
        if (n)
            memcpy(cut, der.p, n);
        ASSERT_FAILS(decode(est_slice(cut, n)), der_invalid, NULL);
        free(cut);
    }
}

/* B-06's sister: any one octet changed is refused at the latest by the signature */
static void test_every_changed_octet_is_refused(void **state)
{
    (void)state;
    est_slice_t der = with_extensions(extension("0603551d0f", "0101ff", hex("03020780")));
    for (apr_size_t i = 0; i < der.n; i++) {
        unsigned char *copy = apr_pmemdup(pool, der.p, der.n);
        copy[i] ^= 1;
        pki_csr_t *csr;
        est_err_t *err = pki_csr_decode(&csr, est_slice(copy, der.n), pool);
        if (!err)
            err = pki_csr_verify(csr, pool);
        if (!err || est_err_row(err->code)->status != 400)
            fail_msg("octet %d", (int)i);
        assert_int_equal(ERR_peek_error(), 0);
    }
}

/* B-09 */
static void test_masses_are_refused_at_once(void **state)
{
    (void)state;
    apr_size_t n = 60000;
    unsigned char *many = apr_palloc(pool, n * 2);
    for (apr_size_t i = 0; i < n; i++)
        many[2 * i] = 0x05, many[2 * i + 1] = 0;
    est_slice_t nulls = est_slice(many, n * 2);
    unsigned char *sequences = apr_palloc(pool, n * 2);
    for (apr_size_t i = 0; i < n; i++)
        sequences[2 * i] = 0x30, sequences[2 * i + 1] = 0;
    clock_t start = clock();
    ASSERT_FAILS(decode(with_attributes(attribute("06022a03", nulls))), der_invalid, "too many values");
    ASSERT_FAILS(decode(with_attributes(est_slice(sequences, n * 2))), der_invalid, "too many values");
    assert_true(clock() - start < CLOCKS_PER_SEC / 10);
}

/* ---- Attributes ---- */

/* C-04, C-05, C-08, CP-14 */
static void test_requested_extensions(void **state)
{
    (void)state;
    est_slice_t usage = extension("0603551d0f", "", hex("03020780")), eku = extension("0603551d25", "", hex("3000"));
    est_slice_t many = {NULL, 0};
    const unsigned char *large = apr_pcalloc(pool, PKI_CSR_MAX_VALUE);
    for (int i = 0; i <= PKI_CSR_MAX_EXTENSIONS; i++)
        many = join(2, many, extension(apr_psprintf(pool, "06032a03%02x", i), "", hex("0500")));
    const struct {
        est_slice_t der;
        est_err_code_t code;
        const char *why;
    } rows[] = {
        {with_extensions(hex("")), EST_E_csr_attribute, "one non-empty Extensions"},
        {with_attributes(attribute(EXTENSION_REQUEST, hex(""))), EST_E_csr_attribute, "without a value"},
        {with_attributes(attribute(EXTENSION_REQUEST, hex("0500"))), EST_E_csr_attribute, "one non-empty Extensions"},
        {with_attributes(attribute(EXTENSION_REQUEST, join(2, tlv(0x30, usage), tlv(0x30, usage)))),
         EST_E_csr_attribute, "one non-empty Extensions"},
        {with_attributes(
             join(2, attribute(EXTENSION_REQUEST, tlv(0x30, usage)), attribute(EXTENSION_REQUEST, tlv(0x30, eku)))),
         EST_E_csr_attribute, "two extensionRequest"},
        {with_extensions(join(2, usage, usage)), EST_E_csr_attribute, "2.5.29.15 is requested twice"},
        {with_extensions(many), EST_E_csr_attribute, "more than 64"},
        {with_extensions(extension("06032a0304", "", tlv(0x04, est_slice(large, PKI_CSR_MAX_VALUE)))),
         EST_E_csr_attribute, "allowed are 32768"},
        {with_extensions(hex("3000")), EST_E_csr_attribute, "malformed"},
        {with_extensions(hex("0500")), EST_E_csr_attribute, "malformed"},
        {with_extensions(tlv(0x30, hex("0603551d0f"))), EST_E_csr_attribute, "2.5.29.15 is malformed"},
        {with_extensions(tlv(0x30, hex("0603551d0f 03020780"))), EST_E_csr_attribute, "malformed"},
        {with_extensions(tlv(0x30, hex("0603551d0f 0402 0500 0500"))), EST_E_csr_attribute, "malformed"},
        {with_extensions(extension("0603551d0f", "010100", hex("03020780"))), EST_E_csr_attribute, "critical FALSE"},
        {with_extensions(extension("0603551d0f", "", hex(""))), EST_E_csr_attribute, "2.5.29.15: nothing"},
        {with_extensions(extension("0603551d0f", "", hex("0302078000"))), EST_E_csr_attribute, "trailing"},
        {with_extensions(extension("0603551d13", "", hex("30030101 01"))), EST_E_csr_attribute, "BOOLEAN"},
        {with_extensions(extension("0603551d11", "", hex("3000"))), EST_E_name_invalid, "with 0 names"},
        {with_extensions(extension("0603551d11", "", hex("30038201 2a"))), EST_E_name_invalid, "dns \"*\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ASSERT_ROW(decode(rows[i].der), rows[i].code, rows[i].why, apr_psprintf(pool, "row %d", (int)i));

    ASSERT_OK(decode(with_extensions(extension("06032a0304", "", tlv(0x04, est_slice(large, PKI_CSR_MAX_VALUE - 4))))));
    /* not judged here: what a CA must never give is for policy to refuse (C-06, C-07) */
    pki_csr_t *csr = decoded(with_extensions(extension("0603551d13", "0101ff", hex("30030101ff"))));
    assert_int_equal(csr->exts[0].critical, 1);
    csr = decoded(with_extensions(extension("06032a0304", "", hex("0500"))));
    assert_int_equal(csr->exts[0].nid, NID_undef);
    assert_string_equal(csr->exts[0].oid, "1.2.3.4");
}

/* C-11, CB-06 */
static void test_challenge_password(void **state)
{
    (void)state;
    unsigned char *x = apr_palloc(pool, 256);
    memset(x, 'x', 256);
    const struct {
        est_slice_t values;
        const char *challenge, *why;
    } rows[] = {
        {hex("0c0161"), "a", NULL},          {hex("130161"), "a", NULL},
        {hex("160161"), "a", NULL},          {tlv(0x0c, est_slice(x, 255)), apr_pstrmemdup(pool, (char *)x, 255), NULL},
        {hex("0c00"), NULL, "0 octets"},     {tlv(0x0c, est_slice(x, 256)), NULL, "256 octets"},
        {hex("1e020061"), NULL, "tag 0x1e"}, {hex("140161"), NULL, "tag 0x14"},
        {hex("040161"), NULL, "tag 0x04"},   {hex("020101"), NULL, "tag 0x02"},
        {hex("3000"), NULL, "tag 0x30"},     {hex("0c0161 0c0162"), NULL, "one value"},
        {hex(""), NULL, "without a value"},  {hex("0c03610062"), NULL, "control character"},
        {hex("0c01ff"), NULL, "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t der = with_attributes(attribute(CHALLENGE_PASSWORD, rows[i].values));
        if (rows[i].why)
            ASSERT_ROW(decode(der), EST_E_csr_attribute, rows[i].why, apr_psprintf(pool, "row %d", (int)i));
        else
            assert_string_equal(decoded(der)->challenge, rows[i].challenge);
    }
    est_slice_t one = attribute(CHALLENGE_PASSWORD, hex("0c0161"));
    ASSERT_FAILS(decode(with_attributes(join(2, one, one))), csr_attribute, "two challengePassword");
}

static void test_malformed_attributes(void **state)
{
    (void)state;
    est_slice_t many = {NULL, 0};
    for (int i = 0; i <= PKI_CSR_MAX_ATTRIBUTES; i++)
        many = join(2, many, attribute(apr_psprintf(pool, "06032a03%02x", i), hex("0500")));
    const est_slice_t rows[] = {
        hex("0500"),
        hex("3000"),
        tlv(0x30, hex("06022a03")),
        tlv(0x30, hex("06022a03 0500")),
        tlv(0x30, hex("06022a03 3100")),
        tlv(0x30, hex("06022a03 31020500 0500")),
        many,
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ASSERT_ROW(decode(with_attributes(rows[i])), EST_E_csr_attribute, NULL, apr_psprintf(pool, "row %d", (int)i));
}

/* ---- Proof of possession ---- */

static void test_every_accepted_signature(void **state)
{
    (void)state;
    EVP_PKEY *rsa = EVP_RSA_gen(2048), *p521 = EVP_EC_gen("P-521"), *p384 = EVP_EC_gen("P-384");
    EVP_PKEY *ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), *ed448 = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
    const struct {
        EVP_PKEY *key;
        const EVP_MD *digest;
        const char *algorithm;
    } rows[] = {
        {ec_key, EVP_sha256(), ECDSA_SHA256},
        {ec_key, EVP_sha384(), "300a06082a8648ce3d040303"},
        {ec_key, EVP_sha512(), "300a06082a8648ce3d040304"},
        {p384, EVP_sha384(), "300a06082a8648ce3d040303"},
        {p521, EVP_sha512(), "300a06082a8648ce3d040304"},
        {rsa, EVP_sha256(), "300d06092a864886f70d01010b0500"},
        {rsa, EVP_sha384(), "300d06092a864886f70d01010c0500"},
        {rsa, EVP_sha512(), "300d06092a864886f70d01010d0500"},
        {ed25519, NULL, "300506032b6570"},
        {ed448, NULL, "300506032b6571"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t info = info_of(rows[i].key, hex(""));
        pki_csr_t *csr = decoded(signed_by(rows[i].key, rows[i].digest, rows[i].algorithm, info));
        est_test_ok(pki_csr_verify(csr, pool), rows[i].algorithm, __FILE__, __LINE__);
    }
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(p521);
    EVP_PKEY_free(ed25519);
    EVP_PKEY_free(ed448);
}

/* C-01 */
static void test_signatures_that_do_not_verify(void **state)
{
    (void)state;
    est_slice_t info = info_of(ec_key, hex("")), signature = sign(ec_key, EVP_sha256(), info), other = subject();
    EVP_PKEY *stranger = EVP_EC_gen("P-256");
    const est_slice_t rows[] = {
        sign(stranger, EVP_sha256(), info),
        sign(ec_key, EVP_sha256(), other),
        sign(ec_key, EVP_sha384(), info),
        est_slice(signature.p, signature.n - 1),
        join(2, signature, hex("00")),
        hex("3006020100020100"),
        hex("00"),
        hex("ffff"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_csr_t *csr = decoded(tlv(0x30, join(3, info, hex(ECDSA_SHA256), bits(rows[i]))));
        ASSERT_ROW(pki_csr_verify(csr, pool), EST_E_csr_signature, "EC P-256", apr_psprintf(pool, "row %d", (int)i));
        assert_int_equal(ERR_peek_error(), 0);
    }
    EVP_PKEY_free(stranger);
}

/* B-12, C-02, C-03, EN-13 */
static void test_algorithms_that_are_refused(void **state)
{
    static const struct {
        const char *algorithm, *why;
    } rows[] = {
        {"300906072a8648ce3d0401", "ecdsa-with-SHA1"},
        {"300a06082a8648ce3d040301", "ecdsa-with-SHA224"},
        {"300c06082a8648ce3d0403020500", "ecdsa-with-SHA256"}, /* parameters must be absent */
        {"300d06092a864886f70d01010b0500", "RSA-SHA256 with a key of type EC P-256"},
        {"300d06092a864886f70d0101040500", "RSA-MD5"},
        {"300d06092a864886f70d0101050500", "RSA-SHA1"},
        {"300b06092a864886f70d01010a", "RSASSA-PSS"},
        {"300506032b6570", "ED25519"},
        {"300a06082b06010505070602", "id-alg-noSignature"},
        {"300406022a03", "1.2.3"},
        {"3000", "unknown"},
        {"30020500", "unknown"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_slice_t info = info_of(ec_key, hex(""));
        pki_csr_t *csr = decoded(signed_by(ec_key, EVP_sha256(), rows[i].algorithm, info));
        ASSERT_ROW(pki_csr_verify(csr, pool), EST_E_csr_algorithm, rows[i].why, rows[i].algorithm);
    }
    EVP_PKEY *rsa = EVP_RSA_gen(2048); /* without the NULL that RFC 4055 5 demands */
    pki_csr_t *csr = decoded(signed_by(rsa, EVP_sha256(), "300b06092a864886f70d01010b", info_of(rsa, hex(""))));
    ASSERT_FAILS(pki_csr_verify(csr, pool), csr_algorithm, "RSA-SHA256");
    EVP_PKEY_free(rsa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_request_made_by_openssl),
        EST_TEST(test_what_a_request_may_lack_and_carry),
        EST_TEST(test_attributes_may_stand_in_any_order),
        EST_TEST(test_what_is_not_a_request),
        EST_TEST(test_ber_is_refused_though_the_signature_is_good),
        EST_TEST(test_every_truncation_is_refused),
        EST_TEST(test_every_changed_octet_is_refused),
        EST_TEST(test_masses_are_refused_at_once),
        EST_TEST(test_requested_extensions),
        EST_TEST(test_challenge_password),
        EST_TEST(test_malformed_attributes),
        EST_TEST(test_every_accepted_signature),
        EST_TEST(test_signatures_that_do_not_verify),
        EST_TEST(test_algorithms_that_are_refused),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
