/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "op_test.h"

#include "op/est_entity.h"

#define HASH "hash of correct"

/* A guard that knows one code, and counts */
static struct {
    int verified, failures, limit;
    const char *who;    /* last asked about */
    const char *hash;   /* last compared with; "" for none */
    est_err_t *trouble; /* of verify */
} guard;

static est_err_t *verify(int *good, const char *secret, const char *hash, const est_req_t *req)
{
    assert_non_null(req);
    guard.verified++;
    guard.hash = hash ? hash : "";
    *good = hash && !strcmp(hash, HASH) && !strcmp(secret, "correct");
    return guard.trouble;
}

static est_err_t *check_failures(const est_req_t *req, const char *who)
{
    guard.who = who;
    return guard.limit && guard.failures >= guard.limit ? EST_FAIL(req->pool, too_many_failures, NULL) : NULL;
}

static void add_failure(const est_req_t *req, const char *who)
{
    assert_non_null(req);
    guard.who = who;
    guard.failures++;
}

static const est_guard_t the_guard = {.verify = verify, .check_failures = check_failures, .add_failure = add_failure};

static policy_entity_t good_entity(void)
{
    policy_entity_t entity = {
        .id = 5, .version = 2, .name = "dev1", .preregistered = 1, .code_id = 9, .code_hash = HASH};

    return entity;
}

static void start(const char *code_source)
{
    static policy_entity_t entity;

    op_start();
    memset(&guard, 0, sizeof(guard));
    entity = good_entity();
    op.store.entity = &entity;
    op.store.aliases[0].mode = "client";
    op.store.aliases[0].code_source = code_source;
    op.service.guard = &the_guard;
}

/* ---- codes in requests */

static void test_AUTH_14_a_code_of_every_place_makes_the_entity(void **state)
{
    static const struct {
        const char *source;
        csr_spec_t spec;
    } rows[] = {
        {"challenge-password", {.subject = "CN=dev1", .challenge = "correct"}},
        {"otp-challenge", {.subject = "CN=dev1", .otp = "correct"}},
        {"dn:serialNumber", {.subject = "CN=dev1,serialNumber=correct"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const pki_csr_t *csr;
        est_req_t *req;

        start(rows[i].source);
        req = op_granted("/simpleenroll", NULL, NULL);
        assert_true(req->identity.code_to_come);
        csr = op_csr(&rows[i].spec);
        ASSERT_OK(est_entity_authenticate(&csr, req, &op.service));
        assert_int_equal(req->identity.kind, POLICY_IDENTITY_ENTITY);
        assert_string_equal(req->identity.name, "dev1");
        assert_ptr_equal(req->identity.entity, op.store.entity);
        assert_false(req->identity.code_to_come);
        assert_int_equal(guard.verified, 1);
        assert_int_equal(guard.failures, 0);
        /* the judged request has it no more */
        assert_string_equal(csr->subject->text, "CN=dev1");
        assert_true(!csr->challenge && !csr->n_attrs);
        /* nothing is left to be found out */
        ASSERT_OK(est_entity_resolve(req, &op.service, csr));
        assert_ptr_equal(req->identity.entity, op.store.entity);
    }
}

static void test_which_name_the_code_is_of(void **state)
{
    static const struct {
        const char *entity_from, *subject, *name;
    } rows[] = {
        {"CN", "CN=dev1,O=Example", "dev1"},
        {"O", "CN=dev1,O=Example", "Example"},
        {"CN", "CN=dev1,CN=dev2", "dev1"},
        {"DN", "CN=dev1,O=Example", "O=Example,CN=dev1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        csr_spec_t spec = {.subject = rows[i].subject, .challenge = "correct"};
        const pki_csr_t *csr;
        est_req_t *req;

        start("challenge-password");
        op.store.aliases[0].entity_from = rows[i].entity_from;
        req = op_granted("/simpleenroll", NULL, NULL);
        csr = op_csr(&spec);
        ASSERT_OK(est_entity_authenticate(&csr, req, &op.service));
        assert_string_equal(guard.who, rows[i].name);
    }
}

/* whatever is wrong, it is one answer and costs one verification, of nothing if need be */
static void test_wrong_codes(void **state)
{
    static const struct {
        csr_spec_t spec;
        int is_there;
        const char *hash; /* of its code */
        int verified, failures;
        const char *detail;
    } rows[] = {
        {{.subject = "CN=dev1", .challenge = "wrong"}, 1, HASH, 1, 1, "\"dev1\": not its code"},
        {{.subject = "CN=dev1", .challenge = "correct"}, 1, "another", 1, 1, "\"dev1\": not its code"},
        {{.subject = "CN=dev1", .challenge = "correct"}, 1, NULL, 1, 1, "no code for this alias"},
        {{.subject = "CN=dev1", .challenge = "correct"}, 0, NULL, 1, 1, "is not registered"},
        {{.subject = "CN=dev1"}, 1, HASH, 0, 0, "none in the request"},
        {{.subject = "O=dev1", .challenge = "correct"}, 1, HASH, 0, 0, "has no CN"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const pki_csr_t *csr;
        est_req_t *req;
        est_err_t *err;

        start("challenge-password");
        op.store.entity->code_hash = rows[i].hash;
        if (!rows[i].is_there)
            op.store.entity = NULL;
        req = op_granted("/simpleenroll", NULL, NULL);
        csr = op_csr(&rows[i].spec);
        err = est_entity_authenticate(&csr, req, &op.service);
        ASSERT_ROW(err, EST_E_code_refused, rows[i].detail, rows[i].detail);
        assert_null(strstr(err->detail, "correct"));
        assert_null(strstr(err->detail, "wrong"));
        assert_int_equal(guard.verified, rows[i].verified);
        assert_int_equal(guard.failures, rows[i].failures);
        if (guard.verified)
            assert_string_equal(guard.hash, rows[i].hash ? rows[i].hash : "");
        /* nobody is authenticated, so nobody hears a detail */
        assert_int_equal(req->identity.kind, POLICY_IDENTITY_NONE);
        assert_null(req->cred.entity);
    }
}

static void test_guesses_are_limited_before_anything_is_verified(void **state)
{
    csr_spec_t wrong = {.subject = "CN=dev1", .challenge = "wrong"},
               good = {.subject = "CN=dev1", .challenge = "correct"};
    const pki_csr_t *csr;
    est_req_t *req;

    (void)state;
    start("challenge-password");
    guard.limit = 3;
    for (int i = 0; i < 3; i++) {
        csr = op_csr(&wrong);
        ASSERT_FAILS(est_entity_authenticate(&csr, op_granted("/simpleenroll", NULL, NULL), &op.service), code_refused,
                     NULL);
    }
    req = op_granted("/simpleenroll", NULL, NULL);
    csr = op_csr(&good);
    ASSERT_FAILS(est_entity_authenticate(&csr, req, &op.service), too_many_failures, NULL);
    assert_int_equal(guard.verified, 3);
    assert_int_equal(req->identity.kind, POLICY_IDENTITY_NONE);
}

static void test_trouble_is_no_failure(void **state)
{
    csr_spec_t good = {.subject = "CN=dev1", .challenge = "correct"};
    const pki_csr_t *csr = NULL;
    est_req_t *req;

    (void)state;
    start("challenge-password");
    req = op_granted("/simpleenroll", NULL, NULL);
    guard.trouble = EST_FAIL(pool, busy, NULL);
    csr = op_csr(&good);
    ASSERT_FAILS(est_entity_authenticate(&csr, req, &op.service), busy, NULL);
    guard.trouble = NULL;
    op_grant(req);
    op.store.down = 1;
    csr = op_csr(&good);
    ASSERT_FAILS(est_entity_authenticate(&csr, req, &op.service), store_unavailable, NULL);
    op.store.down = 0;
    op_grant(req);
    op.service.guard = NULL; /* fails closed */
    csr = op_csr(&good);
    ASSERT_FAILS(est_entity_authenticate(&csr, req, &op.service), internal, NULL);
    assert_int_equal(guard.failures, 0);
}

/* Beside a certificate that is enough: a code that was sent is looked at, and without one the certificate speaks */
static void test_a_code_beside_a_certificate(void **state)
{
    csr_spec_t none = {.subject = "CN=dev1"}, wrong = {.subject = "CN=dev1", .challenge = "wrong"};
    csr_spec_t good = {.subject = "CN=dev1", .challenge = "correct"};
    const pki_csr_t *csr;
    est_req_t *req;

    (void)state;
    start("challenge-password");
    req = op_granted("/simpleenroll", NULL, op_holder("CN=dev1", NULL));
    csr = op_csr(&none);
    ASSERT_OK(est_entity_authenticate(&csr, req, &op.service));
    assert_int_equal(req->identity.kind, POLICY_IDENTITY_CERTIFICATE);
    csr = op_csr(&good);
    ASSERT_OK(est_entity_authenticate(&csr, req, &op.service));
    assert_int_equal(req->identity.kind, POLICY_IDENTITY_ENTITY);
    assert_non_null(req->identity.cert);
    req = op_granted("/simpleenroll", NULL, op_holder("CN=dev1", NULL));
    csr = op_csr(&wrong);
    ASSERT_FAILS(est_entity_authenticate(&csr, req, &op.service), code_refused, NULL);
}

/* Where no code plays a role, nothing is looked for, and the request is judged as it is */
static void test_places_without_codes(void **state)
{
    static const struct {
        const char *mode, *source, *auth, *path;
    } rows[] = {
        {"ra", "challenge-password", "cert", "/simpleenroll"},
        {"client", "basic", "basic-or-cert", "/simpleenroll"},
        {"client", "challenge-password", "cert", "/simpleenroll"},
        {"client", "challenge-password", "basic-or-cert", "/simplereenroll"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        csr_spec_t spec = {.subject = "CN=dev1", .challenge = "wrong"};
        const pki_csr_t *csr, *before;
        est_req_t *req;

        start(rows[i].source);
        op.store.aliases[0].mode = rows[i].mode;
        op.store.aliases[0].auth_enroll = rows[i].auth;
        req = op_granted(rows[i].path, NULL, op_holder("CN=dev1", NULL));
        csr = before = op_csr(&spec);
        ASSERT_OK(est_entity_authenticate(&csr, req, &op.service));
        assert_ptr_equal(csr, before);
        assert_int_equal(guard.verified, 0);
        assert_int_equal(req->identity.kind, POLICY_IDENTITY_CERTIFICATE);
    }
}

/* ---- stale */

static void test_after_a_change_the_code_is_good_while_its_hash_is_the_same(void **state)
{
    csr_spec_t good = {.subject = "CN=dev1", .challenge = "correct"};
    policy_entity_t changed = good_entity(), another = good_entity();
    const pki_csr_t *csr;
    est_req_t *req;

    (void)state;
    start("challenge-password");
    req = op_granted("/simpleenroll", NULL, NULL);
    csr = op_csr(&good);
    ASSERT_OK(est_entity_authenticate(&csr, req, &op.service));
    changed.version = 3;
    op.store.entity = &changed;
    ASSERT_OK(est_auth_again(req, &op.service));
    assert_int_equal(req->identity.entity->version, 3);
    another.code_hash = "another";
    op.store.entity = &another;
    ASSERT_FAILS(est_auth_again(req, &op.service), code_refused, "was changed");
    op.store.entity = NULL;
    ASSERT_FAILS(est_auth_again(req, &op.service), code_refused, "was changed");
}

/* An alias that takes codes since the request was let in: nothing is issued for a code that nobody has seen */
static void test_a_code_to_come_is_never_passed_over(void **state)
{
    csr_spec_t spec = {.subject = "CN=dev1"};
    est_req_t *req;

    (void)state;
    start("challenge-password");
    req = op_granted("/simpleenroll", NULL, NULL);
    assert_true(req->identity.code_to_come);
    ASSERT_FAILS(est_entity_resolve(req, &op.service, op_csr(&spec)), policy_changing, NULL);
}

/* ---- entities that others name */

static X509 *vendor_leaf(const char *subject, const char *san)
{
    EVP_PKEY *key = make_key("P-256");
    X509 *vendor = make_ca("CN=Vendor", key, NULL, NULL);
    cert_spec_t spec = {.subject = subject, .issuer = vendor, .issuer_key = key, .exts = {san}};

    op.store.anchors[0] = (policy_anchor_row_t){"1", "vendor", "anchor", est_hex(cert_der(vendor), pool)};
    op.store.n_anchors = 1;
    op.store.aliases[0].vendor = "pattern";
    return make_cert(&spec);
}

static void test_whom_a_certificate_is_for(void **state)
{
    static const struct {
        const char *user, *holder, *vendor; /* who comes; the latter two are subjects */
        const char *path, *entity_from, *subject;
        int is_there, is_registered;
        int looked; /* the database is asked */
        est_err_code_t code;
    } rows[] = {
        {"ra", NULL, NULL, "/simpleenroll", "CN", "CN=dev1", 1, 1, 1, EST_E__COUNT},
        {"ra", NULL, NULL, "/simpleenroll", "CN", "O=dev1", 1, 1, 0, EST_E_entity_unknown},
        {"ra", NULL, NULL, "/simpleenroll", "DN", "", 1, 1, 0, EST_E_entity_unknown},
        {"ra", NULL, NULL, "/simpleenroll", "CN", "CN=dev1", 0, 1, 1, EST_E_entity_unknown},
        {"ra", NULL, NULL, "/simpleenroll", "CN", "CN=dev1", 1, 0, 1, EST_E_entity_unknown},
        {NULL, "CN=dev1", NULL, "/simpleenroll", "CN", "CN=dev1", 1, 1, 1, EST_E__COUNT},
        {NULL, "CN=dev1", NULL, "/simplereenroll", "CN", "CN=dev1", 0, 1, 0, EST_E__COUNT},
        {NULL, NULL, "CN=box,serialNumber=dev1", "/simpleenroll", "serialNumber", "CN=x", 1, 1, 1, EST_E__COUNT},
        {NULL, NULL, "CN=box,serialNumber=dev1", "/simpleenroll", "O", "O=dev1", 1, 1, 0, EST_E_entity_unknown},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        csr_spec_t spec = {.subject = rows[i].subject};
        X509 *leaf = NULL;
        est_req_t *req;
        est_err_t *err;

        start("basic");
        op.store.aliases[0].entity_from = rows[i].entity_from;
        op.store.entity->preregistered = rows[i].is_registered;
        if (!rows[i].is_there)
            op.store.entity = NULL;
        if (rows[i].holder)
            leaf = op_holder(rows[i].holder, NULL);
        else if (rows[i].vendor)
            leaf = vendor_leaf(rows[i].vendor, NULL);
        req = op_granted(rows[i].path, rows[i].user, leaf);
        err = est_entity_resolve(req, &op.service, op_csr(&spec));
        if ((err ? err->code : EST_E__COUNT) != rows[i].code)
            fail_msg("row %d: %s", (int)i, err ? err->detail : "found");
        assert_ptr_equal(req->identity.entity, err || !rows[i].looked ? NULL : op.store.entity);
        op.store.down = 1; /* is it asked? */
        err = est_entity_resolve(req, &op.service, op_csr(&spec));
        if (!req->identity.entity)
            assert_int_equal(err && err->code == EST_E_store_unavailable, rows[i].looked);
    }
}

static void test_in_ra_mode_nobody_is_asked(void **state)
{
    csr_spec_t spec = {.subject = "CN=dev1"};
    est_req_t *req;

    (void)state;
    start("basic");
    op.store.aliases[0].mode = "ra";
    req = op_granted("/simpleenroll", "ra", NULL);
    op.store.down = 1;
    ASSERT_OK(est_entity_resolve(req, &op.service, op_csr(&spec)));
    assert_null(req->identity.entity);
}

/* ---- names of a vendor's device */

static void test_names_of_the_device(void **state)
{
    est_req_t *req;
    const char *const *names;
    int n;

    (void)state;
    start("basic");
    op.store.aliases[0].mode = "ra";
    req = op_routed("/simpleenroll");
    req->leaf = vendor_leaf("CN=box,serialNumber=S1", NULL);
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    req = op_granted("/simpleenroll", NULL, req->leaf);
    assert_int_equal(req->identity.kind, POLICY_IDENTITY_VENDOR);
    names = est_entity_vendor_names(&n, req);
    assert_int_equal(n, 1);
    assert_string_equal(names[0], "S1");

    /* beside a password that is enough, it says nothing; where both are needed, it does */
    req->identity.kind = POLICY_IDENTITY_USER;
    assert_null(est_entity_vendor_names(&n, req));
    op.store.aliases[0].auth_enroll = "basic-and-cert";
    op_policy_changed();
    op.now += apr_time_from_sec(1);
    req = op_granted("/simpleenroll", "ra", req->leaf);
    assert_int_equal(req->identity.kind, POLICY_IDENTITY_USER);
    assert_non_null(est_entity_vendor_names(&n, req));
    assert_int_equal(n, 1);

    assert_null(est_entity_vendor_names(&n, op_granted("/other/simpleenroll", NULL, op_holder("CN=dev1", NULL))));
    assert_int_equal(n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_AUTH_14_a_code_of_every_place_makes_the_entity),
        EST_TEST(test_which_name_the_code_is_of),
        EST_TEST(test_wrong_codes),
        EST_TEST(test_guesses_are_limited_before_anything_is_verified),
        EST_TEST(test_trouble_is_no_failure),
        EST_TEST(test_a_code_beside_a_certificate),
        EST_TEST(test_places_without_codes),
        EST_TEST(test_after_a_change_the_code_is_good_while_its_hash_is_the_same),
        EST_TEST(test_a_code_to_come_is_never_passed_over),
        EST_TEST(test_whom_a_certificate_is_for),
        EST_TEST(test_in_ra_mode_nobody_is_asked),
        EST_TEST(test_names_of_the_device),
    };
    return EST_TEST_RUN(tests);
}
