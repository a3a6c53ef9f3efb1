/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "pki/pki_path.h"

#include <openssl/err.h>

#define NOW 1767225600 /* 2026-01-01T00:00:00Z */
#define DAY 86400L
#define AT(seconds) apr_time_from_sec(seconds)

/* ---- Certificates ---- */

typedef struct {
    const char *cn;
    X509 *issuer; /* NULL: self-signed */
    EVP_PKEY *issuer_key;
    long from, to; /* days from NOW; both 0: -1 to 365 */
    const char *basic, *usage, *eku, *constraints, *san, *critical_unknown;
    const EVP_MD *digest; /* NULL: SHA-256 */
    int without_aki;
} spec_t;

typedef struct {
    X509 *cert;
    EVP_PKEY *key;
} pair_t;

static void add(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    if (!value)
        return;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

/* A certificate with a new key; both live as long as the test */
static pair_t make_with_key(spec_t spec, EVP_PKEY *key)
{
    static int serial = 1;
    X509 *cert = X509_new(), *issuer = spec.issuer ? spec.issuer : cert;
    apr_pool_cleanup_register(pool, cert, x509_test_free_cert, apr_pool_cleanup_null);
    if (!spec.from && !spec.to)
        spec.from = -1, spec.to = 365;
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8, (const unsigned char *)spec.cn, -1, -1,
                               0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    ASN1_TIME_set(X509_getm_notBefore(cert), NOW + spec.from * DAY);
    ASN1_TIME_set(X509_getm_notAfter(cert), NOW + spec.to * DAY);
    X509_set_pubkey(cert, key);
    add(cert, issuer, NID_basic_constraints, spec.basic);
    add(cert, issuer, NID_key_usage, spec.usage);
    add(cert, issuer, NID_ext_key_usage, spec.eku);
    add(cert, issuer, NID_name_constraints, spec.constraints);
    add(cert, issuer, NID_subject_alt_name, spec.san);
    add(cert, issuer, NID_subject_key_identifier, "hash");
    if (spec.issuer && !spec.without_aki)
        add(cert, issuer, NID_authority_key_identifier, "keyid");
    if (spec.critical_unknown) {
        ASN1_OBJECT *oid = OBJ_txt2obj(spec.critical_unknown, 1);
        ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
        ASN1_OCTET_STRING_set(value, (const unsigned char *)"\x05\x00", 2);
        X509_EXTENSION *ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value);
        X509_add_ext(cert, ext, -1);
        X509_EXTENSION_free(ext);
        ASN1_OCTET_STRING_free(value);
        ASN1_OBJECT_free(oid);
    }
    assert_true(X509_sign(cert, spec.issuer_key ? spec.issuer_key : key, spec.digest ? spec.digest : EVP_sha256()) > 0);
    return (pair_t){cert, key};
}

static pair_t make(spec_t spec)
{
    return make_with_key(spec, make_key("P-256"));
}

#define CA_BASIC "critical,CA:TRUE"
#define CA_USAGE "critical,keyCertSign,cRLSign"
#define MAKE(...) make((spec_t){__VA_ARGS__})
#define UNDER(ca) .issuer = (ca).cert, .issuer_key = (ca).key

typedef struct {
    pair_t root, sub, leaf, leaf_of_sub;
    pki_anchors_t *anchors;
} world_t;

static STACK_OF(X509) *stack(int n, ...)
{
    va_list ap;
    STACK_OF(X509) *certs = sk_X509_new_null();
    va_start(ap, n);
    while (n-- > 0)
        sk_X509_push(certs, va_arg(ap, X509 *));
    va_end(ap);
    return certs;
}

static pki_anchors_t *anchors_of(X509 *anchor, X509 *helper)
{
    pki_anchors_t *anchors;
    STACK_OF(X509) *certs = stack(1, anchor), *helpers = helper ? stack(1, helper) : NULL;
    ASSERT_OK(pki_anchors_make(&anchors, certs, helpers, pool));
    sk_X509_free(certs);
    sk_X509_free(helpers);
    return anchors;
}

static world_t make_world(void)
{
    world_t w;
    w.root = MAKE(.cn = "Root", .basic = CA_BASIC, .usage = CA_USAGE, .from = -100, .to = 3650);
    w.sub = MAKE(.cn = "Sub", UNDER(w.root), .basic = CA_BASIC, .usage = CA_USAGE, .from = -100, .to = 1000);
    w.leaf = MAKE(.cn = "leaf", UNDER(w.root), .eku = "clientAuth");
    w.leaf_of_sub = MAKE(.cn = "leaf of sub", UNDER(w.sub));
    w.anchors = anchors_of(w.root.cert, NULL);
    return w;
}

static void check(pki_path_t want, const char *part, const pki_anchors_t *anchors, X509 *leaf, X509 *intermediate,
                  long now, const char *label)
{
    pki_path_t got;
    const char *detail = NULL;
    apr_time_t until = 0;
    STACK_OF(X509) *chain = intermediate ? stack(1, intermediate) : NULL;
    ASSERT_OK(pki_path_check(&got, &detail, &until, anchors, leaf, chain, AT(now), pool));
    sk_X509_free(chain);
    if (got != want || (part && !strstr(detail, part)))
        fail_msg("%s: wanted %d \"%s\", got %d \"%s\"", label, (int)want, part ? part : "", (int)got, detail);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(until != 0, want == PKI_PATH_OK);
}

/* ---- Verdicts ---- */

static void test_paths_that_are_good(void **state)
{
    (void)state;
    world_t w = make_world();
    check(PKI_PATH_OK, "ok", w.anchors, w.leaf.cert, NULL, NOW, "leaf");
    check(PKI_PATH_OK, NULL, w.anchors, w.leaf_of_sub.cert, w.sub.cert, NOW, "with its intermediate");
    check(PKI_PATH_OK, NULL, w.anchors, w.leaf.cert, w.sub.cert, NOW, "with a needless certificate");
    /* a resumed session has no chain: helpers stand in */
    check(PKI_PATH_OK, NULL, anchors_of(w.root.cert, w.sub.cert), w.leaf_of_sub.cert, NULL, NOW, "helper");
    /* an intermediate as anchor */
    check(PKI_PATH_OK, NULL, anchors_of(w.sub.cert, NULL), w.leaf_of_sub.cert, NULL, NOW, "sub as anchor");
    /* a certificate as its own anchor */
    check(PKI_PATH_OK, NULL, anchors_of(w.leaf.cert, NULL), w.leaf.cert, NULL, NOW, "pinned");
    /* IDevIDs often have neither keyUsage nor extendedKeyUsage */
    check(PKI_PATH_OK, NULL, w.anchors, MAKE(.cn = "bare", UNDER(w.root)).cert, NULL, NOW, "no EKU");
    check(PKI_PATH_OK, NULL, w.anchors, MAKE(.cn = "ra", UNDER(w.root), .eku = "clientAuth,1.3.6.1.5.5.7.3.28").cert,
          NULL, NOW, "cmcRA and clientAuth");
}

static void test_until_is_the_earliest_end(void **state)
{
    (void)state;
    world_t w = make_world();
    pki_path_t path;
    const char *detail;
    apr_time_t until;
    ASSERT_OK(pki_path_check(&path, &detail, &until, w.anchors, w.leaf.cert, NULL, AT(NOW), pool));
    assert_true(until == AT(NOW + 365 * DAY));

    pair_t long_leaf = MAKE(.cn = "long", UNDER(w.sub), .from = -1, .to = 2000);
    STACK_OF(X509) *chain = stack(1, w.sub.cert);
    ASSERT_OK(pki_path_check(&path, &detail, &until, w.anchors, long_leaf.cert, chain, AT(NOW), pool));
    assert_int_equal(path, PKI_PATH_OK);
    assert_true(until == AT(NOW + 1000 * DAY));
    sk_X509_free(chain);
}

/* TLS-10: counts as no certificate */
static void test_certificates_of_no_anchor(void **state)
{
    (void)state;
    world_t w = make_world();
    pair_t twin = MAKE(.cn = "Root", .basic = CA_BASIC, .usage = CA_USAGE); /* our CA's name, another key */
    pair_t stranger = MAKE(.cn = "Stranger", .basic = CA_BASIC, .usage = CA_USAGE);
    pair_t fake_sub = MAKE(.cn = "Sub", UNDER(twin), .basic = CA_BASIC, .usage = CA_USAGE, .without_aki = 1);
    /* issuer says Root, AKI and all, and a stranger's key signed it */
    const spec_t forged = {.cn = "forged", .issuer = w.root.cert, .issuer_key = stranger.key};
    spec_t forged_server = forged, forged_expired = forged;
    forged_server.eku = "serverAuth";
    forged_expired.from = -20;
    forged_expired.to = -10;
    const struct {
        X509 *leaf, *intermediate;
        const char *label;
    } rows[] = {
        {w.leaf_of_sub.cert, NULL, "intermediate missing"},
        {MAKE(.cn = "x", UNDER(stranger)).cert, NULL, "unknown CA"},
        {MAKE(.cn = "x", UNDER(stranger)).cert, stranger.cert, "unknown CA, sent along: never trusted"},
        {MAKE(.cn = "leaf").cert, NULL, "self-signed"},
        {twin.cert, NULL, "self-signed with our CA's name"},
        {MAKE(.cn = "leaf", UNDER(twin)).cert, NULL, "CA of the same name"},
        {MAKE(.cn = "leaf", UNDER(twin)).cert, twin.cert, "CA of the same name, sent along"},
        {MAKE(.cn = "leaf", UNDER(twin), .without_aki = 1).cert, twin.cert, "the same without AKI"},
        {MAKE(.cn = "leaf", UNDER(fake_sub)).cert, fake_sub.cert, "below a sub-CA of such a CA"},
        {make(forged).cert, NULL, "names our CA"},
        {make(forged_server).cert, NULL, "names our CA, purpose wrong as well"},
        {make(forged_expired).cert, NULL, "names our CA, expired as well"},
        {MAKE(.cn = "x", UNDER(stranger), .eku = "serverAuth", .from = -20, .to = -10).cert, NULL,
         "nothing right at all"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check(PKI_PATH_NO_ANCHOR, NULL, w.anchors, rows[i].leaf, rows[i].intermediate, NOW, rows[i].label);
}

/* A-07, decision 12 */
static void test_times(void **state)
{
    (void)state;
    world_t w = make_world();
    check(PKI_PATH_EXPIRED, "expired", w.anchors, w.leaf.cert, NULL, NOW + 366 * DAY, "a day after");
    check(PKI_PATH_OK, NULL, w.anchors, w.leaf.cert, NULL, NOW + 365 * DAY - 1, "the last second but one");
    check(PKI_PATH_NOT_YET, "not yet valid", w.anchors, w.leaf.cert, NULL, NOW - 2 * DAY, "before");
    /* grace is for the leaf: what is expired above it is another matter */
    check(PKI_PATH_INVALID, "expired (issuer at depth 1)", w.anchors,
          MAKE(.cn = "long", UNDER(w.sub), .from = -1, .to = 2000).cert, w.sub.cert, NOW + 1500 * DAY,
          "expired sub-CA");
    check(PKI_PATH_INVALID, "expired", w.anchors, w.leaf.cert, NULL, NOW + 4000 * DAY, "expired root and leaf");
}

/* A-08, TLS-11 */
static void test_purposes(void **state)
{
    (void)state;
    world_t w = make_world();
    const struct {
        X509 *leaf;
        const char *label;
    } rows[] = {
        {MAKE(.cn = "x", UNDER(w.root), .eku = "serverAuth").cert, "serverAuth only"},
        {MAKE(.cn = "x", UNDER(w.root), .eku = "1.3.6.1.5.5.7.3.28").cert, "cmcRA only"},
        {MAKE(.cn = "x", UNDER(w.root), .usage = "critical,keyEncipherment").cert, "no digitalSignature"},
        {MAKE(.cn = "x", UNDER(w.root), .eku = "serverAuth", .from = -20, .to = -10).cert, "serverAuth and expired"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check(PKI_PATH_PURPOSE, "purpose", w.anchors, rows[i].leaf, NULL, NOW, rows[i].label);
}

static void test_paths_that_are_invalid(void **state)
{
    (void)state;
    world_t w = make_world();
    pair_t plays_ca =
        MAKE(.cn = "plays CA", UNDER(w.root), .basic = "critical,CA:FALSE", .usage = "critical,digitalSignature");
    pair_t narrow = MAKE(.cn = "narrow", UNDER(w.root), .basic = "critical,CA:TRUE,pathlen:0", .usage = CA_USAGE);
    pair_t below_narrow = MAKE(.cn = "below", UNDER(narrow), .basic = CA_BASIC, .usage = CA_USAGE);
    pair_t limited = MAKE(.cn = "limited", UNDER(w.root), .basic = CA_BASIC, .usage = CA_USAGE,
                          .constraints = "critical,permitted;DNS:a.example");
    check(PKI_PATH_INVALID, "CA", w.anchors, MAKE(.cn = "x", UNDER(plays_ca)).cert, plays_ca.cert, NOW,
          "an end entity's issue");
    check(PKI_PATH_INVALID, "critical extension", w.anchors,
          MAKE(.cn = "x", UNDER(w.root), .critical_unknown = "1.2.3.4").cert, NULL, NOW, "unknown critical extension");
    check(PKI_PATH_INVALID, "path length", anchors_of(w.root.cert, narrow.cert),
          MAKE(.cn = "x", UNDER(below_narrow)).cert, below_narrow.cert, NOW, "a CA too many");
    check(PKI_PATH_INVALID, "permitted subtree", w.anchors,
          MAKE(.cn = "x", UNDER(limited), .san = "DNS:b.example").cert, limited.cert, NOW, "name outside");
    check(PKI_PATH_OK, NULL, w.anchors, MAKE(.cn = "x", UNDER(limited), .san = "DNS:b.a.example").cert, limited.cert,
          NOW, "name inside");
    check(PKI_PATH_INVALID, "weak", w.anchors, MAKE(.cn = "x", UNDER(w.root), .digest = EVP_sha1()).cert, NULL, NOW,
          "SHA-1");
}

/* ---- Lifetimes ---- */

static void test_anchors_hold_their_certificates(void **state)
{
    (void)state;
    apr_pool_t *own;
    apr_pool_create(&own, pool);
    world_t w = make_world();
    pki_anchors_t *anchors;
    X509 *root = X509_dup(w.root.cert), *sub = X509_dup(w.sub.cert);
    STACK_OF(X509) *certs = stack(1, root), *helpers = stack(1, sub);
    ASSERT_OK(pki_anchors_make(&anchors, certs, helpers, own));
    sk_X509_pop_free(certs, X509_free);
    sk_X509_pop_free(helpers, X509_free);
    check(PKI_PATH_OK, NULL, anchors, w.leaf_of_sub.cert, NULL, NOW, "after the caller's are gone");
    apr_pool_destroy(own);
}

static void test_no_anchors_trust_nobody(void **state)
{
    (void)state;
    world_t w = make_world();
    pki_anchors_t *anchors;
    STACK_OF(X509) *none = sk_X509_new_null();
    ASSERT_OK(pki_anchors_make(&anchors, none, NULL, pool));
    sk_X509_free(none);
    check(PKI_PATH_NO_ANCHOR, NULL, anchors, w.leaf.cert, NULL, NOW, "leaf");
    check(PKI_PATH_NO_ANCHOR, NULL, anchors, w.root.cert, NULL, NOW, "root");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_paths_that_are_good),
        EST_TEST(test_until_is_the_earliest_end),
        EST_TEST(test_certificates_of_no_anchor),
        EST_TEST(test_times),
        EST_TEST(test_purposes),
        EST_TEST(test_paths_that_are_invalid),
        EST_TEST(test_anchors_hold_their_certificates),
        EST_TEST(test_no_anchors_trust_nobody),
    };
    return EST_TEST_RUN(tests);
}
