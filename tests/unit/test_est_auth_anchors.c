/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Certificates of other CAs: anchors of an alias, of each kind */
#include "auth_test.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_anchors_and_helpers_are_an_aliass_own),
        EST_TEST(test_anchors_of_each_kind_are_told_apart),
        EST_TEST(test_what_is_not_good_under_an_anchor_of_any_kind_is_refused),
        EST_TEST(test_holders_go_first),
        EST_TEST(test_helpers_help_anchors_of_every_kind),
        EST_TEST(test_who_is_a_registration_authority_by_its_certificate),
    };

    return EST_TEST_RUN(tests);
}
