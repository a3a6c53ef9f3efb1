/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op_test.h"

/* ---- judging a client's certificate */

/* What the certificate counts as, at path */
typedef enum { COUNTS, COUNTS_AS_NONE, REFUSED } verdict_t;

static verdict_t verdict(const char *path, X509 *leaf, STACK_OF(X509) *chain, const char *part)
{
    est_req_t *req = op_routed(path);
    policy_access_t access;
    est_err_t *why;

    req->leaf = leaf;
    req->chain = chain;
    ASSERT_OK(est_auth_require(&access, &why, req, &op.service));
    if (req->cred.cert_error) {
        ASSERT_ROW(req->cred.cert_error, EST_E_certificate_refused, part, path);
        assert_int_equal(access, POLICY_ACCESS_DENIED);
        assert_ptr_equal(why, req->cred.cert_error);
        assert_false(req->granted);
        return REFUSED;
    }
    /* the log is told why */
    assert_int_equal(req->cred.cert_ignored != NULL, leaf && !req->cred.cert);
    return req->cred.cert ? COUNTS : COUNTS_AS_NONE;
}

static X509 *client_cert(const cert_spec_t *spec)
{
    cert_spec_t full = *spec;

    full.issuer = op.ca_cert;
    full.issuer_key = op.ca_key;
    return make_cert(&full);
}

/* Conformance decision 12, A-07, A-08, A-10 */
static void test_which_certificates_count(void **state)
{
    (void)state;
    op_start();
    assert_int_equal(verdict("/simpleenroll", op_holder("CN=dev7", NULL), NULL, NULL), COUNTS);

    cert_spec_t foreign = {.subject = "CN=dev7", .exts = {"extendedKeyUsage=clientAuth"}};
    assert_int_equal(verdict("/simpleenroll", make_cert(&foreign), NULL, NULL), COUNTS_AS_NONE);
    /* a stranger's CA of the same name */
    EVP_PKEY *namesake_key = make_key("P-256");
    foreign.issuer = make_ca("CN=Issuing,O=Example", namesake_key, NULL, NULL);
    foreign.issuer_key = namesake_key;
    assert_int_equal(verdict("/simpleenroll", make_cert(&foreign), NULL, NULL), COUNTS_AS_NONE);

    cert_spec_t expired = {.subject = "CN=dev7", .from = TEST_NOW - 9 * TEST_DAY, .until = TEST_NOW - TEST_DAY};
    assert_int_equal(verdict("/simpleenroll", client_cert(&expired), NULL, "\"CN=dev7\": certificate has expired"),
                     REFUSED);
    cert_spec_t early = {.subject = "CN=dev7", .from = TEST_NOW + TEST_DAY};
    assert_int_equal(verdict("/simpleenroll", client_cert(&early), NULL, "not yet valid"), REFUSED);
    cert_spec_t server = {.subject = "CN=dev7", .exts = {"extendedKeyUsage=serverAuth"}};
    assert_int_equal(verdict("/simpleenroll", client_cert(&server), NULL, "purpose"), REFUSED);
    cert_spec_t ra = {.subject = "CN=dev7", .exts = {"extendedKeyUsage=1.3.6.1.5.5.7.3.28"}};
    assert_int_equal(verdict("/simpleenroll", client_cert(&ra), NULL, "purpose"), REFUSED);
    assert_int_equal(verdict("/simpleenroll", NULL, NULL, NULL), COUNTS_AS_NONE);
}

/* SSLVerifyClient optional: mod_ssl's verdict is a precondition. Of a certificate that counts as none, nobody asks. */
static void test_the_transports_refusal_counts(void **state)
{
    est_req_t *req;
    policy_access_t access;
    est_err_t *why;

    (void)state;
    op_start();
    req = op_routed("/simpleenroll");
    req->leaf = op_holder("CN=dev7", NULL);
    req->leaf_refused = "revoked by the CRL";
    ASSERT_OK(est_auth_require(&access, &why, req, &op.service));
    assert_int_equal(access, POLICY_ACCESS_DENIED);
    ASSERT_FAILS(why, certificate_refused, "revoked by the CRL");

    cert_spec_t foreign = {.subject = "CN=dev7"};
    req = op_routed("/simpleenroll");
    req->leaf = make_cert(&foreign);
    req->leaf_refused = "self-signed";
    ASSERT_OK(est_auth_require(&access, &why, req, &op.service));
    assert_int_equal(access, POLICY_ACCESS_NEED_USER);
}

/* Names that we do not read are nobody's name */
static void test_a_certificate_with_unreadable_names_counts_as_none(void **state)
{
    cert_spec_t spec = {.subject = "CN=dev7", .exts = {"subjectAltName=DNS:a\x01name", "extendedKeyUsage=clientAuth"}};

    (void)state;
    op_start();
    assert_int_equal(verdict("/simpleenroll", client_cert(&spec), NULL, NULL), COUNTS_AS_NONE);
}

/* An anchor of one alias gives nothing at another */
static void test_anchors_and_helpers_are_an_aliass_own(void **state)
{
    EVP_PKEY *vendor_key = make_key("P-256"), *middle_key = make_key("P-256");
    X509 *vendor = make_ca("CN=Vendor", vendor_key, NULL, NULL);
    X509 *middle = make_ca("CN=Vendor Intermediate", middle_key, vendor, vendor_key);
    cert_spec_t spec = {.subject = "CN=box", .issuer = middle, .issuer_key = middle_key};
    X509 *leaf = make_cert(&spec);
    STACK_OF(X509) *chain = sk_X509_new_null();

    (void)state;
    op_start();
    op.store.anchors[0] = (policy_anchor_row_t){"2", "holder", "anchor", est_hex(cert_der(vendor), pool)};
    op.store.n_anchors = 1;
    sk_X509_push(chain, middle);
    assert_int_equal(verdict("/other/simpleenroll", leaf, chain, NULL), COUNTS);
    assert_int_equal(verdict("/other/simpleenroll", leaf, NULL, NULL), COUNTS_AS_NONE); /* the way is not known */
    assert_int_equal(verdict("/simpleenroll", leaf, chain, NULL), COUNTS_AS_NONE);

    op.store.anchors[1] = (policy_anchor_row_t){"2", "holder", "helper", est_hex(cert_der(middle), pool)};
    op.store.n_anchors = 2;
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    assert_int_equal(verdict("/other/simpleenroll", leaf, NULL, NULL), COUNTS);
    /* a helper alone is no anchor */
    op.store.anchors[0].alias_id = "1";
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    assert_int_equal(verdict("/other/simpleenroll", leaf, NULL, NULL), COUNTS_AS_NONE);
    sk_X509_free(chain);
}

/* ---- anchors of different kinds */

/* A CA of somebody else, as the anchor of an alias */
typedef struct {
    EVP_PKEY *key;
    X509 *cert;
} foreign_t;

static foreign_t foreign_anchor(const char *kind, int i)
{
    foreign_t ca = {.key = make_key("P-256")};

    ca.cert = make_ca(apr_pstrcat(pool, "CN=CA of a ", kind, NULL), ca.key, NULL, NULL);
    op.store.anchors[i] = (policy_anchor_row_t){"1", kind, "anchor", est_hex(cert_der(ca.cert), pool)};
    op.store.n_anchors = i + 1;
    return ca;
}

static X509 *of_foreign(const foreign_t *ca, const char *subject, const char *ext)
{
    cert_spec_t spec = {.subject = subject, .issuer = ca->cert, .issuer_key = ca->key, .exts = {ext}};

    return make_cert(&spec);
}

/* Fills identity, if granted */
static policy_access_t asked(est_req_t **req, est_err_t **why, const char *path, X509 *leaf)
{
    policy_access_t access;

    *req = op_routed(path);
    (*req)->leaf = leaf;
    ASSERT_OK(est_auth_require(&access, why, *req, &op.service));
    return access;
}

/* TLS-13 */
static void test_anchors_of_each_kind_are_told_apart(void **state)
{
    foreign_t vendor, ra;
    X509 *leaf;
    est_req_t *req;
    est_err_t *why;

    (void)state;
    op_start();
    vendor = foreign_anchor("vendor", 0);
    ra = foreign_anchor("ra", 1);
    op.store.aliases[0].vendor = "pattern";
    leaf = of_foreign(&vendor, "serialNumber=S1", NULL);
    for (int i = 0; i < 2; i++) { /* the second time from memory */
        assert_int_equal(asked(&req, &why, "/simpleenroll", leaf), POLICY_ACCESS_GRANTED);
        assert_int_equal(req->identity.kind, POLICY_IDENTITY_VENDOR);
        assert_int_equal(req->identity.cert_kind, POLICY_ANCHOR_VENDOR);
    }
    assert_int_equal(est_lru_size(op.service.paths), 1);
    assert_int_equal(asked(&req, &why, "/simplereenroll", leaf), POLICY_ACCESS_DENIED);
    ASSERT_FAILS(why, vendor_refused, "first enrolment only");
    assert_int_equal(asked(&req, &why, "/other/simpleenroll", leaf), POLICY_ACCESS_NEED_USER); /* not its anchor */

    leaf = of_foreign(&ra, "CN=ra", NULL);
    assert_int_equal(asked(&req, &why, "/simpleenroll", leaf), POLICY_ACCESS_DENIED);
    ASSERT_FAILS(why, not_authorized, "not registered as a client");
    op.store.ra_client = op.store.clients[1];
    op.now += apr_time_from_sec(2);
    assert_int_equal(asked(&req, &why, "/simpleenroll", leaf), POLICY_ACCESS_GRANTED);
    assert_int_equal(req->identity.kind, POLICY_IDENTITY_RA);
    assert_string_equal(req->identity.client->user, "ra");

    /* without vendor's being on, its anchors are none */
    op.store.aliases[0].vendor = "off";
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    assert_int_equal(asked(&req, &why, "/simpleenroll", of_foreign(&vendor, "serialNumber=S1", NULL)),
                     POLICY_ACCESS_NEED_USER);
    assert_null(req->cred.cert);
    assert_non_null(req->cred.cert_ignored);
}

static void test_what_is_not_good_under_an_anchor_of_any_kind_is_refused(void **state)
{
    static const char *const kinds[] = {"holder", "vendor", "ra"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        foreign_t ca;

        op_start();
        op.store.aliases[0].vendor = "pattern";
        op.store.ra_client = op.store.clients[1];
        ca = foreign_anchor(kinds[i], 0);
        cert_spec_t expired = {
            .subject = "CN=x", .issuer = ca.cert, .issuer_key = ca.key, .until = TEST_NOW - TEST_DAY};
        assert_int_equal(verdict("/simpleenroll", make_cert(&expired), NULL, "expired"), REFUSED);
        assert_int_equal(
            verdict("/simpleenroll", of_foreign(&ca, "CN=x", "extendedKeyUsage=serverAuth"), NULL, "purpose"), REFUSED);
    }
}

/* A CA that is an anchor of two kinds: what its certificates can do as holders goes first */
static void test_holders_go_first(void **state)
{
    foreign_t ca;
    est_req_t *req;
    est_err_t *why;

    (void)state;
    op_start();
    ca = foreign_anchor("vendor", 0);
    op.store.anchors[1] = op.store.anchors[0];
    op.store.anchors[1].kind = "holder";
    op.store.n_anchors = 2;
    op.store.aliases[0].vendor = "pattern";
    assert_int_equal(asked(&req, &why, "/simpleenroll", of_foreign(&ca, "serialNumber=S1", NULL)),
                     POLICY_ACCESS_GRANTED);
    assert_int_equal(req->identity.kind, POLICY_IDENTITY_CERTIFICATE);
}

/* An intermediate is on the way to whatever anchor */
static void test_helpers_help_anchors_of_every_kind(void **state)
{
    EVP_PKEY *middle_key = make_key("P-256");
    foreign_t vendor;
    est_req_t *req;
    est_err_t *why;

    (void)state;
    op_start();
    op.store.aliases[0].vendor = "pattern";
    vendor = foreign_anchor("vendor", 0);
    foreign_t middle = {middle_key, make_ca("CN=Middle", middle_key, vendor.cert, vendor.key)};
    op.store.anchors[1] = (policy_anchor_row_t){"1", "holder", "helper", est_hex(cert_der(middle.cert), pool)};
    op.store.n_anchors = 2;
    assert_int_equal(asked(&req, &why, "/simpleenroll", of_foreign(&middle, "serialNumber=S1", NULL)),
                     POLICY_ACCESS_GRANTED);
    assert_int_equal(req->identity.kind, POLICY_IDENTITY_VENDOR);
}

/* AUTH-10: what makes an RA is that our own CA says so */
static void test_who_is_a_registration_authority_by_its_certificate(void **state)
{
    static const char ra_purposes[] = "extendedKeyUsage=clientAuth,1.3.6.1.5.5.7.3.28";
    cert_spec_t spec = {.subject = "CN=ra", .exts = {ra_purposes}};
    foreign_t holders;
    est_req_t *req;
    est_err_t *why;

    (void)state;
    op_start();
    holders = foreign_anchor("holder", 0);
    for (int i = 0; i < 2; i++) { /* the second time from memory */
        assert_int_equal(asked(&req, &why, "/simpleenroll", client_cert(&spec)), POLICY_ACCESS_GRANTED);
        assert_int_equal(req->identity.kind, POLICY_IDENTITY_RA);
        assert_null(req->identity.client);
        assert_int_equal(asked(&req, &why, "/simplereenroll", client_cert(&spec)), POLICY_ACCESS_GRANTED);
        assert_int_equal(req->identity.kind, POLICY_IDENTITY_CERTIFICATE);
        assert_int_equal(asked(&req, &why, "/simpleenroll", of_foreign(&holders, "CN=ra", ra_purposes)),
                         POLICY_ACCESS_GRANTED);
        assert_int_equal(req->identity.kind, POLICY_IDENTITY_CERTIFICATE);
    }
    op.store.ra_client = op.store.clients[1];
    op.store.ra_client.enabled = "f";
    assert_int_equal(asked(&req, &why, "/simpleenroll", client_cert(&spec)), POLICY_ACCESS_DENIED);
    ASSERT_FAILS(why, not_authorized, "disabled");
    op.store.down = 1;
    req = op_routed("/simpleenroll");
    req->leaf = client_cert(&spec);
    policy_access_t access;
    ASSERT_FAILS(est_auth_require(&access, &why, req, &op.service), store_unavailable, NULL);
    assert_false(req->granted);
}

static void test_a_registration_authoritys_row_is_read_anew_after_stale(void **state)
{
    foreign_t ra;
    est_req_t *req;

    (void)state;
    op_start();
    ra = foreign_anchor("ra", 0);
    op.store.ra_client = op.store.clients[1];
    req = op_granted("/simpleenroll", NULL, of_foreign(&ra, "CN=ra", NULL));
    op.store.ra_client.version = "2";
    ASSERT_OK(est_auth_again(req, &op.service));
    assert_int_equal(req->identity.client->version, 2);
    op.store.ra_client.enabled = "f";
    ASSERT_FAILS(est_auth_again(req, &op.service), not_authorized, "disabled");
}

/* ---- grace for those who renew too late */

static void test_the_grace_of_renew_expired(void **state)
{
    static const struct {
        const char *path, *grace; /* seconds; NULL: none */
        apr_time_t over;          /* since when the certificate is over */
        verdict_t verdict;
        const char *reason;
    } rows[] = {
        {"/simplereenroll", NULL, APR_TIME_C(1000000), REFUSED, "no grace"},
        {"/simplereenroll", "86400", APR_TIME_C(1000000), COUNTS, "just over"},
        {"/simplereenroll", "86400", TEST_DAY, COUNTS, "its last second"},
        {"/simplereenroll", "86400", TEST_DAY + APR_TIME_C(1000000), REFUSED, "too late"},
        {"/simpleenroll", "86400", APR_TIME_C(1000000), REFUSED, "not to enrol"},
        {"/other/simplereenroll", "86400", APR_TIME_C(1000000), REFUSED, "of another alias"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        op_start();
        op.now = apr_time_from_sec(apr_time_sec(op.now));
        op.store.aliases[0].renew_expired = rows[i].grace;
        cert_spec_t spec = {.subject = "CN=dev7", .until = op.now - rows[i].over};
        X509 *leaf = client_cert(&spec);
        for (int j = 0; j < 2; j++) /* the second time from memory */
            if (verdict(rows[i].path, leaf, NULL, "expired") != rows[i].verdict)
                fail_msg("%s", rows[i].reason);
    }
}

/* It forgives that the certificate is over, and nothing else */
static void test_the_grace_forgives_nothing_else(void **state)
{
    EVP_PKEY *middle_key = make_key("P-256");
    cert_spec_t over = {.subject = "CN=dev7", .until = TEST_NOW - TEST_DAY}, spec;
    STACK_OF(X509) *chain = sk_X509_new_null();
    foreign_t vendor;

    (void)state;
    op_start();
    op.store.aliases[0].renew_expired = "8640000";
    op.store.aliases[0].vendor = "pattern";
    vendor = foreign_anchor("vendor", 0);
    assert_int_equal(verdict("/simplereenroll", client_cert(&over), NULL, NULL), COUNTS);
    spec = over;
    spec.exts[0] = "extendedKeyUsage=serverAuth";
    assert_int_equal(verdict("/simplereenroll", client_cert(&spec), NULL, "purpose"), REFUSED);
    spec = over;
    spec.issuer = vendor.cert;
    spec.issuer_key = vendor.key;
    assert_int_equal(verdict("/simplereenroll", make_cert(&spec), NULL, "expired"), REFUSED);
    /* an issuer that is over is another matter */
    cert_spec_t middle = {.subject = "CN=Middle",
                          .key = middle_key,
                          .issuer = op.ca_cert,
                          .issuer_key = op.ca_key,
                          .until = TEST_NOW - TEST_DAY,
                          .exts = CA_EXTS};
    spec = over;
    spec.issuer = make_cert(&middle);
    spec.issuer_key = middle_key;
    sk_X509_push(chain, spec.issuer);
    assert_int_equal(verdict("/simplereenroll", make_cert(&spec), chain, "expired"), REFUSED);
    sk_X509_free(chain);

    est_req_t *req = op_routed("/simplereenroll");
    policy_access_t access;
    est_err_t *why;
    req->leaf = client_cert(&over);
    req->leaf_refused = "revoked by the CRL";
    ASSERT_OK(est_auth_require(&access, &why, req, &op.service));
    ASSERT_FAILS(why, certificate_refused, "CRL");
}

/* ---- what is remembered of a path */

static void test_a_verdict_is_remembered_for_a_minute(void **state)
{
    X509 *leaf;

    (void)state;
    op_start();
    leaf = op_holder("CN=dev7", NULL);
    assert_int_equal(verdict("/simpleenroll", leaf, NULL, NULL), COUNTS);
    assert_int_equal(est_lru_size(op.service.paths), 1);
    assert_int_equal(verdict("/simpleenroll", leaf, NULL, NULL), COUNTS);
    assert_int_equal(verdict("/simplereenroll", leaf, NULL, NULL), COUNTS);
    assert_int_equal(est_lru_size(op.service.paths), 1);

    /* proof that it is the memory that speaks: another CA under the same name and policy */
    EVP_PKEY *key = make_key("P-256");
    op.cas[0] = op_ca("issuing", make_ca("CN=Elsewhere", key, NULL, NULL), key);
    assert_int_equal(verdict("/simpleenroll", leaf, NULL, NULL), COUNTS);
    op.now += apr_time_from_sec(60);
    assert_int_equal(verdict("/simpleenroll", leaf, NULL, NULL), COUNTS_AS_NONE);
}

static void test_a_bad_verdict_is_remembered_with_its_reason(void **state)
{
    cert_spec_t expired = {.subject = "CN=dev7", .until = TEST_NOW - TEST_DAY};
    X509 *leaf;

    (void)state;
    op_start();
    leaf = client_cert(&expired);
    for (int i = 0; i < 2; i++)
        assert_int_equal(verdict("/simpleenroll", leaf, NULL, "certificate has expired"), REFUSED);
    assert_int_equal(est_lru_size(op.service.paths), 1);
}

static void test_a_verdict_is_not_shared_between_aliases_policies_and_chains(void **state)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *leaf;

    (void)state;
    op_start();
    leaf = op_holder("CN=dev7", NULL);
    verdict("/simpleenroll", leaf, NULL, NULL);
    assert_int_equal(est_lru_size(op.service.paths), 1);
    verdict("/other/simpleenroll", leaf, NULL, NULL);
    assert_int_equal(est_lru_size(op.service.paths), 2);
    sk_X509_push(chain, op.ca_cert);
    verdict("/simpleenroll", leaf, chain, NULL);
    assert_int_equal(est_lru_size(op.service.paths), 3);
    verdict("/simpleenroll", op_holder("CN=dev7", NULL), NULL, NULL);
    assert_int_equal(est_lru_size(op.service.paths), 4);
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    verdict("/simpleenroll", leaf, NULL, NULL);
    assert_int_equal(est_lru_size(op.service.paths), 5);
    sk_X509_free(chain);
}

static void test_a_verdict_is_not_remembered_beyond_the_certificate(void **state)
{
    cert_spec_t spec = {.subject = "CN=dev7", .until = TEST_NOW + apr_time_from_sec(20)};
    X509 *leaf;

    (void)state;
    op_start();
    leaf = client_cert(&spec);
    assert_int_equal(verdict("/simpleenroll", leaf, NULL, NULL), COUNTS);
    op.now += apr_time_from_sec(21);
    assert_int_equal(verdict("/simpleenroll", leaf, NULL, "certificate has expired"), REFUSED);
}

/* httpd may ask more than once in a request */
static void test_trouble_does_not_turn_into_no_certificate(void **state)
{
    est_req_t *req;
    policy_access_t access;
    est_err_t *why;

    (void)state;
    op_start();
    op.store.aliases[0].ca = "elsewhere";
    req = op_routed("/simpleenroll");
    req->leaf = op_holder("CN=dev7", NULL);
    for (int i = 0; i < 2; i++) {
        ASSERT_FAILS(est_auth_require(&access, &why, req, &op.service), alias_broken, "elsewhere");
        assert_false(req->granted);
    }
}

/* ---- what Require est says */

static void test_anonymous_operations_look_at_nothing(void **state)
{
    cert_spec_t expired = {.subject = "CN=dev7", .until = TEST_NOW - TEST_DAY};
    est_req_t *req;

    (void)state;
    op_start();
    req = op_routed("/cacerts");
    req->leaf = client_cert(&expired);
    op_grant(req);
    assert_int_equal(req->identity.kind, POLICY_IDENTITY_NONE);
    assert_int_equal(est_lru_size(op.service.paths), 0);
    op.store.down = 1;
    req = op_request(EST_METHOD_GET);
    op.now += apr_time_from_sec(1);
    ASSERT_OK(est_route(req, &op.service, "/cacerts", NULL, 0));
    op_grant(req);
}

static void test_a_grant_is_for_one_operation_of_one_alias(void **state)
{
    est_req_t *req;

    (void)state;
    op_start();
    req = op_granted("/other/simpleenroll", "ra", NULL);
    assert_true(req->granted);
    assert_ptr_equal(req->granted_op, est_op_find("simpleenroll"));
    assert_int_equal(req->granted_alias, 2);
    assert_int_equal(req->identity.kind, POLICY_IDENTITY_USER);
}

static void test_a_later_refusal_takes_the_grant_back(void **state)
{
    est_req_t *req;
    policy_access_t access;
    est_err_t *why;

    (void)state;
    op_start();
    req = op_granted("/simpleenroll", "ra", NULL);
    req->cred.client->enabled = 0;
    ASSERT_OK(est_auth_require(&access, &why, req, &op.service));
    assert_int_equal(access, POLICY_ACCESS_DENIED);
    assert_int_equal(why->code, EST_E_not_authorized);
    assert_false(req->granted);
    req->cred.user = NULL;
    ASSERT_OK(est_auth_require(&access, &why, req, &op.service));
    assert_int_equal(access, POLICY_ACCESS_NEED_USER);
    assert_null(why);
    assert_false(req->granted);
}

/* Issuing looks a certificate up in its transaction; an operation that issues nothing does it here */
static void test_cacerts_behind_authentication_looks_the_certificate_up(void **state)
{
    static const struct {
        store_holder_t holder;
        const char *auth;
        const char *user;
        est_err_code_t code; /* EST_E__COUNT: granted */
        const char *reason;
    } rows[] = {
        {STORE_HOLDER_VALID, "basic-or-cert", NULL, EST_E__COUNT, "on record"},
        {STORE_HOLDER_REVOKED, "basic-or-cert", NULL, EST_E_certificate_revoked, "revoked"},
        {STORE_HOLDER_UNKNOWN, "basic-or-cert", NULL, EST_E_certificate_unknown, "not on record"},
        {STORE_HOLDER_REVOKED, "basic-or-cert", "ra", EST_E_certificate_revoked, "revoked, beside a password"},
        {STORE_HOLDER_UNKNOWN, "basic-or-cert", "ra", EST_E__COUNT, "not on record, but the password decides"},
        {STORE_HOLDER_VALID, "basic-and-cert", "ra", EST_E__COUNT, "both, on record"},
        {STORE_HOLDER_UNKNOWN, "basic-and-cert", "ra", EST_E_certificate_unknown, "both are needed: not on record"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_access_t access;
        est_req_t *req;
        est_err_t *why, *again;

        op_start();
        op.store.aliases[0].auth_cacerts = "t";
        op.store.aliases[0].auth_enroll = rows[i].auth;
        op.store.holder = rows[i].holder;
        req = op_routed("/cacerts");
        req->leaf = op_holder("CN=dev7", NULL);
        if (rows[i].user)
            op_log_in(req, rows[i].user);
        ASSERT_OK(est_auth_require(&access, &why, req, &op.service));
        ASSERT_OK(est_auth_require(&access, &again, req, &op.service)); /* httpd asks twice */
        assert_ptr_equal(again, why);
        assert_int_equal(op.store.holder_calls, 1);
        if ((why ? why->code : EST_E__COUNT) != rows[i].code)
            fail_msg("%s: got %s", rows[i].reason, why ? est_err_row(why->code)->name : "granted");
        assert_int_equal(access, why ? POLICY_ACCESS_DENIED : POLICY_ACCESS_GRANTED);
        assert_int_equal(req->granted, why == NULL);
    }
    op_start();
    op_granted("/simpleenroll", NULL, op_holder("CN=dev7", NULL));
    assert_int_equal(op.store.holder_calls, 0);
}

/* ---- the CA of an alias */

static void test_the_ca_of_an_alias(void **state)
{
    policy_alias_t alias = {.name = "est", .ca = "issuing"};
    const ca_facts_t *facts = NULL;
    ca_t *ca = NULL;

    (void)state;
    op_start();
    op.cas[1] = op_ca("second", op.ca_cert, op.ca_key);
    op.service.n_cas = 2;
    ASSERT_OK(est_auth_ca(&ca, &facts, &alias, &op.service, pool));
    assert_ptr_equal(ca, op.cas[0]);
    alias.ca = "second";
    ASSERT_OK(est_auth_ca(&ca, &facts, &alias, &op.service, pool));
    assert_ptr_equal(ca, op.cas[1]);
    alias.ca = "third";
    ASSERT_FAILS(est_auth_ca(&ca, &facts, &alias, &op.service, pool), alias_broken, "alias \"est\" names CA \"third\"");
    alias.ca = NULL;
    ASSERT_FAILS(est_auth_ca(&ca, &facts, &alias, &op.service, pool), alias_broken, "alias \"est\" has no CA");
    ASSERT_OK(est_auth_ca(&ca, &facts, NULL, &op.service, pool));
    assert_ptr_equal(ca, op.cas[0]);
}

/* ---- once more, after something has changed */

static void change_nothing(void)
{
}

static void touch_client(void)
{
    op.store.clients[1].version = "2";
}

static void disable_client(void)
{
    op.store.clients[1].enabled = "f";
}

static void change_password(void)
{
    op.store.clients[1].password_hash = "$2y$c";
}

static void drop_password(void)
{
    op.store.clients[1].password_hash = NULL;
}

static void remove_client(void)
{
    op.store.clients[1].id = NULL;
}

static void leave_group(void)
{
    op.store.clients[1].groups = "2";
}

static void disable_alias(void)
{
    op.store.aliases[0].enabled = "f";
    op_policy_changed();
}

static void remove_alias(void)
{
    op.store.aliases[0].name = "renamed";
    op_policy_changed();
}

static void replace_alias(void)
{
    op.store.aliases[0].id = "9";
    op_policy_changed();
}

static void demand_certificates(void)
{
    op.store.aliases[0].auth_enroll = "cert";
    op_policy_changed();
}

static void lose_the_store(void)
{
    op.store.down = 1;
}

static void test_a_user_is_judged_again(void **state)
{
    static const struct {
        void (*change)(void);
        est_err_code_t code; /* EST_E__COUNT: still granted */
        const char *reason;
    } rows[] = {
        {change_nothing, EST_E__COUNT, "nothing"},
        {touch_client, EST_E__COUNT, "the row, but not its password"},
        {disable_client, EST_E_not_authorized, "disabled"},
        {change_password, EST_E_authentication_required, "another password"},
        {drop_password, EST_E_authentication_required, "no password any more"},
        {remove_client, EST_E_authentication_required, "no row any more"},
        {leave_group, EST_E_group_refused, "another group"},
        {disable_alias, EST_E_alias_unknown, "alias disabled"},
        {remove_alias, EST_E_alias_unknown, "alias removed"},
        {replace_alias, EST_E_alias_unknown, "another alias under the name"},
        {demand_certificates, EST_E_certificate_required, "certificates are wanted now"},
        {lose_the_store, EST_E_store_unavailable, "no database"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        est_req_t *req;
        est_err_t *err;

        op_start();
        req = op_granted("/simpleenroll", "ra", NULL);
        rows[i].change();
        op.now += apr_time_from_sec(1);
        err = est_auth_again(req, &op.service);
        if (rows[i].code == EST_E__COUNT) {
            ASSERT_OK(err);
            assert_true(req->granted);
            assert_string_equal(req->cred.client->version == 2 ? "2" : "1", op.store.clients[1].version);
        } else {
            ASSERT_ROW(err, rows[i].code, NULL, rows[i].reason);
        }
    }
}

static void test_a_certificate_is_judged_again(void **state)
{
    est_req_t *req;

    (void)state;
    op_start();
    req = op_granted("/simpleenroll", NULL, op_holder("CN=dev7", NULL));
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    ASSERT_OK(est_auth_again(req, &op.service));
    assert_int_equal(policy_snapshot_version(req->snapshot), 4);
    assert_int_equal(req->identity.kind, POLICY_IDENTITY_CERTIFICATE);
    op.store.aliases[0].auth_enroll = "basic";
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    ASSERT_FAILS(est_auth_again(req, &op.service), authentication_required, NULL);
}

/* A user of another provider who becomes a registered client meanwhile is judged as one */
static void test_another_providers_user_is_judged_again(void **state)
{
    est_req_t *req;

    (void)state;
    op_start();
    op.store.aliases[0].other_users = "group";
    op.store.clients[1].id = NULL;
    req = op_granted("/simpleenroll", "ra", NULL);
    assert_null(req->cred.client);
    ASSERT_OK(est_auth_again(req, &op.service));
    op.store.clients[1].id = "8";
    op.store.clients[1].enabled = "f";
    ASSERT_FAILS(est_auth_again(req, &op.service), not_authorized, "disabled");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_which_certificates_count),
        EST_TEST(test_the_transports_refusal_counts),
        EST_TEST(test_a_certificate_with_unreadable_names_counts_as_none),
        EST_TEST(test_anchors_and_helpers_are_an_aliass_own),
        EST_TEST(test_anchors_of_each_kind_are_told_apart),
        EST_TEST(test_what_is_not_good_under_an_anchor_of_any_kind_is_refused),
        EST_TEST(test_holders_go_first),
        EST_TEST(test_helpers_help_anchors_of_every_kind),
        EST_TEST(test_who_is_a_registration_authority_by_its_certificate),
        EST_TEST(test_a_registration_authoritys_row_is_read_anew_after_stale),
        EST_TEST(test_the_grace_of_renew_expired),
        EST_TEST(test_the_grace_forgives_nothing_else),
        EST_TEST(test_a_verdict_is_remembered_for_a_minute),
        EST_TEST(test_a_bad_verdict_is_remembered_with_its_reason),
        EST_TEST(test_a_verdict_is_not_shared_between_aliases_policies_and_chains),
        EST_TEST(test_a_verdict_is_not_remembered_beyond_the_certificate),
        EST_TEST(test_trouble_does_not_turn_into_no_certificate),
        EST_TEST(test_anonymous_operations_look_at_nothing),
        EST_TEST(test_a_grant_is_for_one_operation_of_one_alias),
        EST_TEST(test_a_later_refusal_takes_the_grant_back),
        EST_TEST(test_cacerts_behind_authentication_looks_the_certificate_up),
        EST_TEST(test_the_ca_of_an_alias),
        EST_TEST(test_a_user_is_judged_again),
        EST_TEST(test_a_certificate_is_judged_again),
        EST_TEST(test_another_providers_user_is_judged_again),
    };
    return EST_TEST_RUN(tests);
}
