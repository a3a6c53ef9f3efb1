/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pki_key.h"

#include "pki_der.h"
#include "pki_ossl.h"
#include "pki_rsa.h"

#include <stdlib.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/param_build.h>

#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 8192
#define RSA_MAX_EXPONENT_OCTETS 32

/* ---- Algorithms ---- */

typedef struct {
    est_slice_t oid;
    const char *label;
    int allowed;
    pki_key_type_t type;
} algorithm_t;

static const algorithm_t algorithms[] = {
    {PKI_OID("\x2a\x86\x48\xce\x3d\x02\x01"), "EC", 1, PKI_KEY_EC},
    {PKI_OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"), "RSA", 1, PKI_KEY_RSA},
    {PKI_OID("\x2b\x65\x70"), "Ed25519", 1, PKI_KEY_ED25519},
    {PKI_OID("\x2b\x65\x71"), "Ed448", 1, PKI_KEY_ED448},
    /* named only to say what they are */
    {PKI_OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"), "RSASSA-PSS", 0, 0},
    {PKI_OID("\x2b\x65\x6e"), "X25519", 0, 0},
    {PKI_OID("\x2b\x65\x6f"), "X448", 0, 0},
    {PKI_OID("\x2a\x86\x48\xce\x38\x04\x01"), "DSA", 0, 0},
};

typedef struct {
    est_slice_t oid;
    const char *label;      /* of a key */
    const char *name;       /* in a rule */
    const char *group_name; /* OpenSSL's */
    int bits;
} curve_t;

static const curve_t curves[] = {
    [PKI_CURVE_P256] = {PKI_OID("\x2a\x86\x48\xce\x3d\x03\x01\x07"), "EC P-256", "P-256", SN_X9_62_prime256v1, 256},
    [PKI_CURVE_P384] = {PKI_OID("\x2b\x81\x04\x00\x22"), "EC P-384", "P-384", SN_secp384r1, 384},
    [PKI_CURVE_P521] = {PKI_OID("\x2b\x81\x04\x00\x23"), "EC P-521", "P-521", SN_secp521r1, 521},
};
#define N_CURVES ((int)(sizeof(curves) / sizeof(curves[0])))

/* The parts of a SubjectPublicKeyInfo */
typedef struct {
    est_slice_t oid;
    est_slice_t parameters; /* whole value; n 0 when absent */
    est_slice_t bits;       /* of subjectPublicKey */
} parts_t;

static int split(parts_t *out, est_slice_t spki)
{
    pki_der_t info, algorithm, oid, bits;

    if (!pki_der_take(&spki, PKI_DER_SEQUENCE, &info) || spki.n ||
        !pki_der_take(&info.body, PKI_DER_SEQUENCE, &algorithm) ||
        !pki_der_take(&info.body, PKI_DER_BIT_STRING, &bits) || info.body.n || bits.body.n < 1 || bits.body.p[0] != 0 ||
        !pki_der_take(&algorithm.body, PKI_DER_OID, &oid))
        return 0;
    out->oid = oid.body;
    out->parameters = algorithm.body;
    out->bits = est_slice(bits.body.p + 1, bits.body.n - 1);
    return 1;
}

/* ---- Elliptic curves ---- */

/* One empty key a curve, made once and never changed: a copy of it that takes a point costs a quarter of
 * EVP_PKEY_fromdata, which builds the group anew. */
static EVP_PKEY *templates[sizeof(curves) / sizeof(curves[0])];
static CRYPTO_ONCE templates_once = CRYPTO_ONCE_STATIC_INIT;

static void make_templates(void)
{
    for (int i = PKI_CURVE_P256; i < N_CURVES; i++) {
        char group[32];

        apr_cpystrn(group, curves[i].group_name, sizeof(group));
        OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                               OSSL_PARAM_construct_end()};
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
        if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
            EVP_PKEY_fromdata(ctx, &templates[i], EVP_PKEY_KEY_PARAMETERS, params);
        EVP_PKEY_CTX_free(ctx);
    }
}

static est_err_t *decode_ec(pki_key_t *key, const parts_t *parts, apr_pool_t *pool)
{
    est_slice_t rest = parts->parameters;
    pki_der_t oid;

    if (!pki_der_take(&rest, PKI_DER_OID, &oid) || rest.n) /* ECParameters are explicit or implicit (K-14, K-15) */
        return EST_FAIL(pool, key_rejected, "EC key without a named curve");
    for (int i = PKI_CURVE_P256; i < N_CURVES; i++) {
        if (est_slice_equal(oid.body, curves[i].oid))
            key->curve = (pki_curve_t)i;
    }
    if (key->curve == PKI_CURVE_NONE)
        return EST_FAIL(pool, key_rejected, "curve %s; allowed are P-256, P-384 and P-521",
                        pki_oid_to_text(oid.body, pool));

    const curve_t *curve = &curves[key->curve];
    apr_size_t coordinate = ((apr_size_t)curve->bits + 7) / 8;
    key->bits = curve->bits;
    key->label = curve->label;
    if (parts->bits.n != 1 + 2 * coordinate || parts->bits.p[0] != 4)
        return EST_FAIL(pool, key_rejected, "%s point is not in uncompressed form", curve->label);

    if (!CRYPTO_THREAD_run_once(&templates_once, make_templates) || !templates[key->curve])
        return EST_FAIL(pool, internal, "%s cannot be set up: %s", curve->label, pki_ossl_reason(pool));
    key->pkey = EVP_PKEY_dup(templates[key->curve]);
    if (!key->pkey)
        return EST_FAIL(pool, internal, "%s: %s", curve->label, pki_ossl_reason(pool));
    pki_ossl_own_pkey(key->pkey, pool);
    /* refuses coordinates >= p and points that are not on the curve */
    if (EVP_PKEY_set1_encoded_public_key(key->pkey, parts->bits.p, parts->bits.n) != 1)
        return EST_FAIL(pool, key_rejected, "%s point: %s", curve->label, pki_ossl_reason(pool));
    return NULL;
}

/* ---- Edwards curves ---- */

/* y of the points of small order, little-endian, without the sign of x. A signature under such a key verifies for
 * anyone (K-19). Ed25519 has 8 such points, Ed448 has 4 with y = 0, 1 and -1. */
static const unsigned char ed25519_small[][32] = {
    {0},
    {1},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
     0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
     0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
};

/* Little-endian p of each field */
static const unsigned char ed25519_p[32] = {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
static const unsigned char ed448_p[57] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00};

/* a < b, little-endian, n octets */
static int is_less(const unsigned char *a, const unsigned char *b, apr_size_t n)
{
    while (n-- > 0) {
        if (a[n] != b[n])
            return a[n] < b[n];
    }
    return 0;
}

static int is_small_ed448(const unsigned char y[57])
{
    static const unsigned char zeros[57];
    unsigned char minus_one[57];

    memcpy(minus_one, ed448_p, 57);
    minus_one[0]--;
    return (y[0] <= 1 && memcmp(y + 1, zeros, 56) == 0) || memcmp(y, minus_one, 57) == 0;
}

static int is_small_ed25519(const unsigned char y[32])
{
    for (apr_size_t i = 0; i < sizeof(ed25519_small) / sizeof(ed25519_small[0]); i++) {
        if (memcmp(y, ed25519_small[i], 32) == 0)
            return 1;
    }
    return 0;
}

static est_err_t *decode_edwards(pki_key_t *key, const parts_t *parts, apr_pool_t *pool)
{
    int is_25519 = key->type == PKI_KEY_ED25519;
    apr_size_t n = is_25519 ? 32 : 57;

    key->bits = is_25519 ? 256 : 456;
    if (parts->parameters.n) /* RFC 8410 3 */
        return EST_FAIL(pool, key_rejected, "%s key with parameters", key->label);
    if (parts->bits.n != n)
        return EST_FAIL(pool, key_rejected, "%s key of %d octets, not %d", key->label, (int)parts->bits.n, (int)n);

    unsigned char y[57];
    memcpy(y, parts->bits.p, n);
    y[n - 1] &= 0x7f;
    if (!is_less(y, is_25519 ? ed25519_p : ed448_p, n))
        return EST_FAIL(pool, key_rejected, "%s key is not canonically encoded", key->label);
    if (is_25519 ? is_small_ed25519(y) : is_small_ed448(y))
        return EST_FAIL(pool, key_rejected, "%s key of small order", key->label);

    key->pkey = EVP_PKEY_new_raw_public_key(is_25519 ? EVP_PKEY_ED25519 : EVP_PKEY_ED448, NULL, parts->bits.p, n);
    if (!key->pkey)
        return EST_FAIL(pool, key_rejected, "%s key: %s", key->label, pki_ossl_reason(pool));
    pki_ossl_own_pkey(key->pkey, pool);
    return NULL;
}

/* ---- RSA ---- */

static int bit_length(est_slice_t s)
{
    int bits = (int)s.n * 8;

    for (unsigned char top = 0x80; s.n && top && !(s.p[0] & top); top >>= 1)
        bits--;
    return bits;
}

/* Takes an INTEGER that is minimal and positive; its magnitude has no leading zero octet */
static int take_positive(est_slice_t *in, est_slice_t *magnitude)
{
    pki_der_t v;

    if (!pki_der_take(in, PKI_DER_INTEGER, &v) || v.body.n == 0 || v.body.p[0] & 0x80)
        return 0;
    *magnitude = v.body;
    if (v.body.p[0] != 0)
        return 1;
    *magnitude = est_slice(v.body.p + 1, v.body.n - 1);
    return magnitude->n > 0 && magnitude->p[0] & 0x80;
}

static est_err_t *import_rsa(pki_key_t *key, const BIGNUM *n, const BIGNUM *e, apr_pool_t *pool)
{
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);

    if (bld && ctx && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) && (params = OSSL_PARAM_BLD_to_param(bld)) != NULL &&
        EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &key->pkey, EVP_PKEY_PUBLIC_KEY, params) == 1)
        pki_ossl_own_pkey(key->pkey, pool);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    EVP_PKEY_CTX_free(ctx);
    return key->pkey ? NULL : EST_FAIL(pool, key_rejected, "%s key: %s", key->label, pki_ossl_reason(pool));
}

/* rsaEncryption with NULL, which some requests leave out (RFC 3279 2.3.1 wants it) */
static est_slice_t encode_rsa(est_slice_t bits, apr_pool_t *pool)
{
    static const unsigned char algorithm[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                              0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    pki_der_out_t *out = pki_der_out_make(bits.n + 32, pool);

    pki_der_put_bits(out, bits);
    pki_der_put(out, est_slice(algorithm, sizeof(algorithm)));
    pki_der_wrap(out, PKI_DER_SEQUENCE, 0);
    return pki_der_result(out);
}

static est_err_t *decode_rsa(pki_key_t *key, const parts_t *parts, apr_pool_t *pool)
{
    est_slice_t bits = parts->bits, n, e, parameters = parts->parameters;
    pki_der_t seq, null;

    if (parameters.n && (!pki_der_take(&parameters, PKI_DER_NULL, &null) || null.body.n || parameters.n))
        return EST_FAIL(pool, key_rejected, "RSA key with parameters other than NULL");
    if (!pki_der_take(&bits, PKI_DER_SEQUENCE, &seq) || bits.n || !take_positive(&seq.body, &n) ||
        !take_positive(&seq.body, &e) || seq.body.n)
        return EST_FAIL(pool, key_rejected, "RSA key is not a SEQUENCE of two positive INTEGERs");

    key->bits = bit_length(n);
    key->label = apr_psprintf(pool, "RSA %d", key->bits);
    if (key->bits < RSA_MIN_BITS || key->bits > RSA_MAX_BITS)
        return EST_FAIL(pool, key_rejected, "%s; allowed are %d to %d bits", key->label, RSA_MIN_BITS, RSA_MAX_BITS);
    if (!(n.p[n.n - 1] & 1))
        return EST_FAIL(pool, key_rejected, "%s modulus is even", key->label);
    if (!(e.p[e.n - 1] & 1) || bit_length(e) < 17 || e.n > RSA_MAX_EXPONENT_OCTETS)
        return EST_FAIL(pool, key_rejected, "%s exponent must be odd, at least 65537 and below 2^256", key->label);
    if (parts->parameters.n == 0)
        key->spki = encode_rsa(parts->bits, pool);

    key->modulus = n;
    BIGNUM *bn = BN_bin2bn(n.p, (int)n.n, NULL), *be = BN_bin2bn(e.p, (int)e.n, NULL);
    est_err_t *err = bn && be ? import_rsa(key, bn, be, pool) : EST_FAIL(pool, internal, "out of memory");
    BN_free(bn);
    BN_free(be);
    return err;
}

/* ---- The public face ---- */

est_err_t *pki_key_decode(pki_key_t **out, est_slice_t spki, apr_pool_t *pool)
{
    parts_t parts;

    if (!split(&parts, spki))
        return EST_FAIL(pool, key_rejected, "not a SubjectPublicKeyInfo");
    const algorithm_t *algorithm = NULL;
    for (apr_size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]) && !algorithm; i++) {
        if (est_slice_equal(parts.oid, algorithms[i].oid))
            algorithm = &algorithms[i];
    }
    if (!algorithm || !algorithm->allowed) {
        const char *name = algorithm ? algorithm->label : pki_oid_to_text(parts.oid, pool);

        return EST_FAIL(pool, key_rejected, "key algorithm %s; allowed are RSA, EC, Ed25519 and Ed448",
                        name ? name : "malformed");
    }

    pki_key_t *key = apr_pcalloc(pool, sizeof(*key));
    key->type = algorithm->type;
    key->label = algorithm->label;
    key->spki = spki;
    switch (key->type) {
    case PKI_KEY_EC:
        EST_TRY(decode_ec(key, &parts, pool));
        break;
    case PKI_KEY_RSA:
        EST_TRY(decode_rsa(key, &parts, pool));
        break;
    case PKI_KEY_ED25519:
    case PKI_KEY_ED448:
        EST_TRY(decode_edwards(key, &parts, pool));
        break;
    }
    *out = key;
    return NULL;
}

est_err_t *pki_key_check_quality(const pki_key_t *key, apr_pool_t *pool)
{
    if (key->type != PKI_KEY_RSA)
        return NULL;
    BIGNUM *n = BN_bin2bn(key->modulus.p, (int)key->modulus.n, NULL);
    const char *flaw = n ? pki_rsa_flaw(n) : "modulus: out of memory";
    BN_free(n);
    return flaw ? EST_FAIL(pool, key_rejected, "%s %s", key->label, flaw) : NULL;
}

int pki_key_modulus_hash(unsigned char out[PKI_KEY_MODULUS_HASH_SIZE], const pki_key_t *key, apr_pool_t *pool)
{
    unsigned char sha1[20];

    if (key->type != PKI_KEY_RSA)
        return 0;
    char *hex = apr_pstrdup(pool, est_hex(key->modulus, pool)), *digits = hex + (*hex == '0');
    for (char *p = digits; *p; p++)
        *p = (char)apr_toupper(*p);
    const char *line = apr_pstrcat(pool, "Modulus=", digits, "\n", NULL);
    if (EVP_Digest(line, strlen(line), sha1, NULL, EVP_sha1(), NULL) != 1)
        return 0;
    memcpy(out, sha1 + sizeof(sha1) - PKI_KEY_MODULUS_HASH_SIZE, PKI_KEY_MODULUS_HASH_SIZE);
    return 1;
}

/* ---- What keys are able to do ---- */

unsigned pki_key_usages(pki_key_type_t type)
{
    const unsigned sign = PKI_USAGE_DIGITAL_SIGNATURE | PKI_USAGE_NON_REPUDIATION;

    switch (type) {
    case PKI_KEY_RSA:
        return sign | PKI_USAGE_KEY_ENCIPHERMENT | PKI_USAGE_DATA_ENCIPHERMENT;
    case PKI_KEY_EC:
        return sign | PKI_USAGE_KEY_AGREEMENT | PKI_USAGE_ENCIPHER_ONLY | PKI_USAGE_DECIPHER_ONLY;
    case PKI_KEY_ED25519:
    case PKI_KEY_ED448:
        return sign;
    }
    return 0;
}

/* ---- Rules of profiles ---- */

static const char rule_forms[] = "rsa:BITS, rsa:MIN-MAX (2048 to 8192), ec: with P-256, P-384, P-521 joined by commas, "
                                 "ed25519, ed448";

/* "2048" or "2048-8192" */
static int parse_bits(pki_key_rule_t *rule, const char *text)
{
    char *end;

    if (*text < '0' || *text > '9')
        return 0;
    long min = strtol(text, &end, 10), max = min;
    if (*end == '-') {
        text = end + 1;
        if (*text < '0' || *text > '9')
            return 0;
        max = strtol(text, &end, 10);
    }
    if (*end || min < RSA_MIN_BITS || max > RSA_MAX_BITS || min > max)
        return 0;
    rule->min_bits = (int)min;
    rule->max_bits = (int)max;
    return 1;
}

static int parse_curves(pki_key_rule_t *rule, const char *text)
{
    for (;;) {
        apr_size_t n = strcspn(text, ",");
        int found = PKI_CURVE_NONE;

        for (int i = PKI_CURVE_P256; i < N_CURVES; i++) {
            if (strlen(curves[i].name) == n && strncmp(text, curves[i].name, n) == 0)
                found = i;
        }
        if (found == PKI_CURVE_NONE)
            return 0;
        rule->curves |= 1u << found;
        if (text[n] == '\0')
            return 1;
        text += n + 1;
    }
}

est_err_t *pki_key_rule_parse(pki_key_rule_t *out, const char *text, apr_pool_t *pool)
{
    pki_key_rule_t rule = {PKI_KEY_RSA, 0, 0, 0};
    int ok = 0;

    if (strncmp(text, "rsa:", 4) == 0) {
        ok = parse_bits(&rule, text + 4);
    } else if (strncmp(text, "ec:", 3) == 0) {
        rule.type = PKI_KEY_EC;
        ok = parse_curves(&rule, text + 3);
    } else if (strcmp(text, "ed25519") == 0 || strcmp(text, "ed448") == 0) {
        rule.type = text[2] == '2' ? PKI_KEY_ED25519 : PKI_KEY_ED448;
        ok = 1;
    }
    if (!ok)
        return EST_FAIL(pool, config, "key rule \"%s\" is none of: %s", text, rule_forms);
    *out = rule;
    return NULL;
}

int pki_key_rule_allows(const pki_key_rule_t *rule, const pki_key_t *key)
{
    if (rule->type != key->type)
        return 0;
    if (rule->type == PKI_KEY_RSA)
        return key->bits >= rule->min_bits && key->bits <= rule->max_bits;
    return rule->type != PKI_KEY_EC || (rule->curves & 1u << key->curve) != 0;
}
