/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_test.h"

#include "policy/policy_access.h"

/* ---- the matrix of authentication modes, credentials and operations */

enum {
    PASSWORD_NONE,   /* no Authorization header */
    PASSWORD_UNREAD, /* a header, not looked at yet */
    PASSWORD_GOOD    /* verified by a provider */
};
enum { CERT_NONE, CERT_GOOD };

typedef struct {
    policy_op_t op;
    policy_auth_t auth;
    int auth_cacerts, cert, password;
    policy_access_t access;
    policy_identity_kind_t kind; /* GRANTED */
    est_err_code_t code;         /* DENIED */
} access_row_t;

#define GRANTED(kind) POLICY_ACCESS_GRANTED, POLICY_IDENTITY_##kind, EST_E__COUNT
#define NEED_USER POLICY_ACCESS_NEED_USER, POLICY_IDENTITY_NONE, EST_E__COUNT
#define DENIED(code) POLICY_ACCESS_DENIED, POLICY_IDENTITY_NONE, EST_E_##code

/* The six combinations of what may be brought, in the order of the enumerations: expected, for an operation under a
 * mode */
static const access_row_t access_rows[] = {
#define ROWS(op, auth, on, e00, e01, e02, e10, e11, e12)                                                               \
    {op, auth, on, CERT_NONE, PASSWORD_NONE, e00}, {op, auth, on, CERT_NONE, PASSWORD_UNREAD, e01},                    \
        {op, auth, on, CERT_NONE, PASSWORD_GOOD, e02}, {op, auth, on, CERT_GOOD, PASSWORD_NONE, e10},                  \
        {op, auth, on, CERT_GOOD, PASSWORD_UNREAD, e11},                                                               \
    {                                                                                                                  \
        op, auth, on, CERT_GOOD, PASSWORD_GOOD, e12                                                                    \
    }
    ROWS(POLICY_OP_ENROLL, POLICY_AUTH_BASIC, 0, NEED_USER, NEED_USER, GRANTED(USER), NEED_USER, NEED_USER,
         GRANTED(USER)),
    ROWS(POLICY_OP_ENROLL, POLICY_AUTH_CERT, 0, DENIED(certificate_required), DENIED(certificate_required),
         DENIED(certificate_required), GRANTED(CERTIFICATE), GRANTED(CERTIFICATE), GRANTED(CERTIFICATE)),
    /* a password that was sent is looked at, even beside a good certificate */
    ROWS(POLICY_OP_ENROLL, POLICY_AUTH_BASIC_OR_CERT, 0, NEED_USER, NEED_USER, GRANTED(USER), GRANTED(CERTIFICATE),
         NEED_USER, GRANTED(USER)),
    /* both are needed, the certificate first */
    ROWS(POLICY_OP_ENROLL, POLICY_AUTH_BASIC_AND_CERT, 0, DENIED(certificate_required), DENIED(certificate_required),
         DENIED(certificate_required), NEED_USER, NEED_USER, GRANTED(USER)),
/* decision 6: re-enrolment takes the certificate that is renewed, whatever enrolment takes */
#define REENROLL(auth)                                                                                                 \
    ROWS(POLICY_OP_REENROLL, auth, 0, DENIED(certificate_required), DENIED(certificate_required),                      \
         DENIED(certificate_required), GRANTED(CERTIFICATE), GRANTED(CERTIFICATE), GRANTED(CERTIFICATE))
    REENROLL(POLICY_AUTH_BASIC),
    REENROLL(POLICY_AUTH_CERT),
    REENROLL(POLICY_AUTH_BASIC_OR_CERT),
    REENROLL(POLICY_AUTH_BASIC_AND_CERT),
#undef REENROLL
    ROWS(POLICY_OP_CACERTS, POLICY_AUTH_BASIC_AND_CERT, 0, GRANTED(NONE), GRANTED(NONE), GRANTED(NONE), GRANTED(NONE),
         GRANTED(NONE), GRANTED(NONE)),
    ROWS(POLICY_OP_CSRATTRS, POLICY_AUTH_BASIC_AND_CERT, 0, GRANTED(NONE), GRANTED(NONE), GRANTED(NONE), GRANTED(NONE),
         GRANTED(NONE), GRANTED(NONE)),
    ROWS(POLICY_OP_CSRATTRS, POLICY_AUTH_BASIC, 1, NEED_USER, NEED_USER, GRANTED(USER), NEED_USER, NEED_USER,
         GRANTED(USER)),
    ROWS(POLICY_OP_CACERTS, POLICY_AUTH_BASIC, 1, NEED_USER, NEED_USER, GRANTED(USER), NEED_USER, NEED_USER,
         GRANTED(USER)),
    ROWS(POLICY_OP_CACERTS, POLICY_AUTH_CERT, 1, DENIED(certificate_required), DENIED(certificate_required),
         DENIED(certificate_required), GRANTED(CERTIFICATE), GRANTED(CERTIFICATE), GRANTED(CERTIFICATE)),
    ROWS(POLICY_OP_CACERTS, POLICY_AUTH_BASIC_OR_CERT, 1, NEED_USER, NEED_USER, GRANTED(USER), GRANTED(CERTIFICATE),
         NEED_USER, GRANTED(USER)),
    ROWS(POLICY_OP_CACERTS, POLICY_AUTH_BASIC_AND_CERT, 1, DENIED(certificate_required), DENIED(certificate_required),
         DENIED(certificate_required), NEED_USER, NEED_USER, GRANTED(USER)),
#undef ROWS
};

static policy_group_t the_group = {.id = 5, .name = "devices"};

static policy_alias_t good_alias(void)
{
    policy_alias_t alias = {.id = 1, .name = "est", .enabled = 1, .group = &the_group, .group_active = 1};

    return alias;
}

static apr_sockaddr_t *address_of(const char *numeric)
{
    apr_sockaddr_t *address;

    assert_int_equal(apr_sockaddr_info_get(&address, numeric, APR_UNSPEC, 0, 0, pool), APR_SUCCESS);
    return address;
}

/* id, version, user_name, password_hash, names, networks, groups, enabled, valid_from, valid_until */
static policy_client_row_t good_row(void)
{
    policy_client_row_t row = {"9", "3", "dev7", "$2y$...", "own", NULL, "5", "t", NULL, NULL};

    return row;
}

static policy_client_t *client_of(const policy_client_row_t *row)
{
    policy_client_t *client;

    ASSERT_OK(policy_client_make(&client, row, pool));
    return client;
}

static void test_every_mode_with_every_credential_for_every_operation(void **state)
{
    static const pki_name_t subject = {.text = "CN=dev7"};
    static pki_cert_t cert;
    policy_client_row_t client = good_row();

    (void)state;
    cert.subject = (pki_name_t *)(uintptr_t)&subject;
    for (size_t i = 0; i < sizeof(access_rows) / sizeof(access_rows[0]); i++) {
        const access_row_t *row = &access_rows[i];
        policy_alias_t alias = good_alias();
        policy_credentials_t cred = {.address = address_of("192.0.2.1")};
        policy_identity_t identity;
        policy_access_t access;
        est_err_t *why;

        alias.auth_enroll = row->auth;
        alias.auth_cacerts = row->auth_cacerts;
        cred.cert = row->cert == CERT_GOOD ? &cert : NULL;
        cred.has_authorization = row->password != PASSWORD_NONE;
        cred.user = row->password == PASSWORD_GOOD ? "dev7" : NULL;
        cred.client = row->password == PASSWORD_GOOD ? client_of(&client) : NULL;
        access = policy_access(&identity, &why, &alias, row->op, &cred, TEST_NOW, pool);
        if (access != row->access || (why != NULL) != (access == POLICY_ACCESS_DENIED) ||
            (why && why->code != row->code))
            fail_msg("row %d: got %d, %s", (int)i, (int)access, why ? est_err_row(why->code)->name : "no reason");
        if (access != POLICY_ACCESS_GRANTED)
            continue;
        assert_int_equal(identity.kind, row->kind);
        if (row->kind == POLICY_IDENTITY_USER) {
            assert_string_equal(identity.name, "dev7");
            assert_ptr_equal(identity.client, cred.client);
        }
        if (row->kind == POLICY_IDENTITY_CERTIFICATE)
            assert_string_equal(identity.name, "CN=dev7");
        if (row->kind != POLICY_IDENTITY_NONE)
            assert_ptr_equal(identity.cert, cred.cert); /* also beside a user */
        else
            assert_true(!identity.cert && !identity.name && !identity.client);
    }
}

/* Conformance decision 12 */
static void test_a_bad_certificate_is_refused_even_beside_a_good_password(void **state)
{
    static const policy_auth_t modes[] = {POLICY_AUTH_BASIC, POLICY_AUTH_CERT, POLICY_AUTH_BASIC_OR_CERT,
                                          POLICY_AUTH_BASIC_AND_CERT};
    static const policy_op_t ops[] = {POLICY_OP_ENROLL, POLICY_OP_REENROLL, POLICY_OP_CACERTS};
    policy_client_row_t client = good_row();

    (void)state;
    for (int m = 0; m < 4; m++)
        for (int o = 0; o < 3; o++) {
            policy_alias_t alias = good_alias();
            policy_credentials_t cred = {.has_authorization = 1, .user = "dev7", .address = address_of("192.0.2.1")};
            policy_identity_t identity;
            est_err_t *why;

            alias.auth_enroll = modes[m];
            alias.auth_cacerts = 1;
            cred.client = client_of(&client);
            cred.cert_error = EST_FAIL(pool, certificate_refused, "expired");
            assert_int_equal(policy_access(&identity, &why, &alias, ops[o], &cred, TEST_NOW, pool),
                             POLICY_ACCESS_DENIED);
            assert_ptr_equal(why, cred.cert_error);
            alias.auth_cacerts = 0;
            if (ops[o] == POLICY_OP_CACERTS)
                assert_int_equal(policy_access(&identity, &why, &alias, ops[o], &cred, TEST_NOW, pool),
                                 POLICY_ACCESS_GRANTED);
        }
}

static void test_which_operations_take_what(void **state)
{
    policy_alias_t alias = good_alias();

    (void)state;
    alias.auth_enroll = POLICY_AUTH_BASIC;
    assert_true(policy_access_is_anonymous(&alias, POLICY_OP_CACERTS));
    assert_false(policy_access_is_anonymous(&alias, POLICY_OP_ENROLL));
    assert_false(policy_access_is_anonymous(&alias, POLICY_OP_REENROLL));
    assert_false(policy_access_takes_user(&alias, POLICY_OP_CACERTS));
    assert_true(policy_access_takes_user(&alias, POLICY_OP_ENROLL));
    assert_false(policy_access_takes_user(&alias, POLICY_OP_REENROLL));
    alias.auth_cacerts = 1;
    assert_false(policy_access_is_anonymous(&alias, POLICY_OP_CACERTS));
    assert_true(policy_access_takes_user(&alias, POLICY_OP_CACERTS));
    alias.auth_enroll = POLICY_AUTH_CERT;
    assert_false(policy_access_takes_user(&alias, POLICY_OP_CACERTS));
    assert_false(policy_access_takes_user(&alias, POLICY_OP_ENROLL));
    alias.auth_enroll = POLICY_AUTH_BASIC_AND_CERT;
    assert_true(policy_access_takes_user(&alias, POLICY_OP_ENROLL));
}

/* ---- certificates of every kind */

enum {
    HOLDER = POLICY_ANCHOR_HOLDER,
    VENDOR = POLICY_ANCHOR_VENDOR,
    RA = POLICY_ANCHOR_RA,
    RA_PURPOSES = PKI_CERT_CLIENT_AUTH | PKI_CERT_CMC_RA
};

typedef struct {
    policy_op_t op;
    int kind, ours;
    unsigned purposes;
    int registered; /* there is a row of a client for it */
    policy_access_t access;
    policy_identity_kind_t identity;
    est_err_code_t code;
    const char *reason;
} kind_row_t;

/* TLS-13, AUTH-10, AUTH-11: at an alias that takes certificates alone */
static void test_what_a_certificate_makes_of_its_holder(void **state)
{
    static const kind_row_t rows[] = {
        {POLICY_OP_ENROLL, HOLDER, 1, PKI_CERT_CLIENT_AUTH, 0, GRANTED(CERTIFICATE), "ordinary"},
        {POLICY_OP_ENROLL, HOLDER, 1, RA_PURPOSES, 0, GRANTED(RA), "an RA of our own CA needs no row"},
        {POLICY_OP_ENROLL, HOLDER, 1, RA_PURPOSES, 1, GRANTED(RA), "but may have one"},
        {POLICY_OP_CACERTS, HOLDER, 1, RA_PURPOSES, 0, GRANTED(RA), "at every operation but one"},
        {POLICY_OP_REENROLL, HOLDER, 1, RA_PURPOSES, 0, GRANTED(CERTIFICATE), "an RA renews its own certificate"},
        {POLICY_OP_ENROLL, HOLDER, 0, RA_PURPOSES, 0, GRANTED(CERTIFICATE), "an RA of somebody else is ordinary here"},
        {POLICY_OP_ENROLL, HOLDER, 1, PKI_CERT_CMC_RA, 0, GRANTED(CERTIFICATE), "cmcRA alone"},
        {POLICY_OP_ENROLL, HOLDER, 1, RA_PURPOSES | PKI_CERT_SERVER_AUTH, 0, GRANTED(CERTIFICATE), "a server, too"},
        {POLICY_OP_ENROLL, HOLDER, 1, RA_PURPOSES | PKI_CERT_ANY_PURPOSE, 0, GRANTED(CERTIFICATE), "anything, too"},
        {POLICY_OP_ENROLL, HOLDER, 1, RA_PURPOSES | PKI_CERT_OTHER_PURPOSE, 0, GRANTED(RA), "e-mail, too"},
        {POLICY_OP_ENROLL, RA, 0, PKI_CERT_CLIENT_AUTH, 1, GRANTED(RA), "registered under an anchor of RAs"},
        {POLICY_OP_ENROLL, RA, 0, 0, 1, GRANTED(RA), "without extendedKeyUsage"},
        {POLICY_OP_ENROLL, RA, 0, RA_PURPOSES, 0, DENIED(not_authorized), "not registered"},
        {POLICY_OP_ENROLL, RA, 0, RA_PURPOSES | PKI_CERT_SERVER_AUTH, 1, DENIED(certificate_refused), "a server"},
        {POLICY_OP_REENROLL, RA, 0, RA_PURPOSES, 1, DENIED(not_authorized), "we did not issue it"},
        {POLICY_OP_ENROLL, VENDOR, 0, PKI_CERT_CLIENT_AUTH, 0, GRANTED(VENDOR), "first enrolment"},
        {POLICY_OP_ENROLL, VENDOR, 1, RA_PURPOSES, 1, GRANTED(VENDOR), "a vendor's RA is a device"},
        {POLICY_OP_REENROLL, VENDOR, 0, PKI_CERT_CLIENT_AUTH, 0, DENIED(vendor_refused), "renews nothing"},
        {POLICY_OP_CSRATTRS, VENDOR, 0, 0, 0, GRANTED(VENDOR), "needs to know what to send"},
    };
    policy_client_row_t row = good_row();

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static const char *const any[] = {"**"};
        policy_alias_t alias = good_alias();
        pki_cert_t cert = {.subject = name_of("CN=box,serialNumber=S1"), .serial_number = "S1"};
        policy_credentials_t cred = {.cert = &cert, .address = address_of("192.0.2.1")};
        policy_identity_t identity;
        policy_access_t access;
        est_err_t *why;

        alias.auth_enroll = POLICY_AUTH_CERT;
        alias.auth_cacerts = alias.ra_certificates = 1;
        alias.vendor = POLICY_VENDOR_PATTERN;
        alias.vendor_patterns = any;
        alias.n_vendor_patterns = 1;
        cert.purposes = rows[i].purposes;
        cred.cert_kind = (policy_anchor_kind_t)rows[i].kind;
        cred.cert_is_ours = rows[i].ours;
        cred.ra = rows[i].registered ? client_of(&row) : NULL;
        access = policy_access(&identity, &why, &alias, rows[i].op, &cred, TEST_NOW, pool);
        if (access != rows[i].access || (why ? why->code : EST_E__COUNT) != rows[i].code)
            fail_msg("%s: got %d, %s", rows[i].reason, (int)access, why ? est_err_row(why->code)->name : "no reason");
        if (access != POLICY_ACCESS_GRANTED)
            continue;
        if (identity.kind != rows[i].identity)
            fail_msg("%s: identity %d", rows[i].reason, (int)identity.kind);
        assert_string_equal(identity.name, cert.subject->text);
        assert_ptr_equal(identity.cert, &cert);
        assert_int_equal(identity.cert_kind, rows[i].kind);
        assert_ptr_equal(identity.client, identity.kind == POLICY_IDENTITY_RA ? cred.ra : NULL);

        alias.ra_certificates = 0;
        policy_access(&identity, &why, &alias, rows[i].op, &cred, TEST_NOW, pool);
        if (rows[i].kind == HOLDER)
            assert_int_equal(identity.kind, POLICY_IDENTITY_CERTIFICATE);
    }
}

/* The row of an RA's certificate says as much as that of a user */
static void test_a_registration_authoritys_row_binds_it(void **state)
{
    static const struct {
        int kind;
        const char *groups, *networks, *enabled, *until;
        est_err_code_t code;
    } rows[] = {
        {RA, "5", "192.0.2.0/24", "t", NULL, EST_E__COUNT},
        {RA, "6", NULL, "t", NULL, EST_E_group_refused},
        {RA, "5", "10.0.0.0/8", "t", NULL, EST_E_network_refused},
        {RA, "5", NULL, "f", NULL, EST_E_not_authorized},
        {RA, "5", NULL, "t", "1", EST_E_not_authorized},
        {HOLDER, "5", NULL, "f", NULL, EST_E_not_authorized}, /* of our own CA, which needs none: but there is one */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_client_row_t row = good_row();
        policy_alias_t alias = good_alias();
        pki_cert_t cert = {.subject = name_of("CN=ra"), .purposes = RA_PURPOSES};
        policy_credentials_t cred = {.cert = &cert, .cert_is_ours = 1, .address = address_of("192.0.2.1")};
        policy_identity_t identity;
        est_err_t *why;

        alias.auth_enroll = POLICY_AUTH_CERT;
        alias.ra_certificates = 1;
        row.groups = rows[i].groups;
        row.networks = rows[i].networks;
        row.enabled = rows[i].enabled;
        row.valid_until = rows[i].until;
        cred.cert_kind = (policy_anchor_kind_t)rows[i].kind;
        cred.ra = client_of(&row);
        policy_access(&identity, &why, &alias, POLICY_OP_ENROLL, &cred, TEST_NOW, pool);
        if ((why ? why->code : EST_E__COUNT) != rows[i].code)
            fail_msg("row %d: %s", (int)i, why ? est_err_row(why->code)->name : "granted");
    }
}

static void test_which_devices_of_a_vendor_may_come(void **state)
{
    static const struct {
        policy_vendor_t vendor;
        const char *pattern, *serial, *type, *hardware;
        est_err_code_t code;
    } rows[] = {
        {POLICY_VENDOR_PATTERN, "AB-*", "AB-1", NULL, NULL, EST_E__COUNT},
        {POLICY_VENDOR_PATTERN, "AB-*", "AC-1", NULL, NULL, EST_E_vendor_refused},
        {POLICY_VENDOR_PATTERN, "ab-*", "AB-1", NULL, NULL, EST_E_vendor_refused},
        {POLICY_VENDOR_PATTERN, "1.3.6.1.4.1.9:0a*", NULL, "1.3.6.1.4.1.9", "0afb", EST_E__COUNT},
        {POLICY_VENDOR_PATTERN, "0a*", NULL, "1.3.6.1.4.1.9", "0afb", EST_E_vendor_refused},
        {POLICY_VENDOR_PATTERN, "1.3.**", "AB-1", "1.3.6.1.4.1.9", "0afb", EST_E__COUNT}, /* either name */
        {POLICY_VENDOR_PATTERN, "**", NULL, NULL, NULL, EST_E_vendor_refused},            /* a device without a name */
        {POLICY_VENDOR_LISTED, "nobody", "AB-1", NULL, NULL, EST_E__COUNT},               /* the database is asked */
        {POLICY_VENDOR_OFF, "**", "AB-1", NULL, NULL, EST_E_vendor_refused},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int both = 0; both < 2; both++) {
            policy_client_row_t row = good_row();
            policy_alias_t alias = good_alias();
            pki_cert_t cert = {.subject = name_of("O=Vendor"),
                               .serial_number = rows[i].serial,
                               .hardware_type = rows[i].type,
                               .hardware_serial = rows[i].hardware};
            policy_credentials_t cred = {
                .cert = &cert, .cert_kind = POLICY_ANCHOR_VENDOR, .address = address_of("192.0.2.1")};
            policy_identity_t identity;
            est_err_t *why;

            /* also where it is one of two things that are needed */
            alias.auth_enroll = both ? POLICY_AUTH_BASIC_AND_CERT : POLICY_AUTH_CERT;
            cred.user = "dev7";
            cred.client = client_of(&row);
            alias.vendor = rows[i].vendor;
            alias.vendor_patterns = &rows[i].pattern;
            alias.n_vendor_patterns = 1;
            policy_access(&identity, &why, &alias, POLICY_OP_ENROLL, &cred, TEST_NOW, pool);
            if ((why ? why->code : EST_E__COUNT) != rows[i].code)
                fail_msg("row %d: %s", (int)i, why ? est_err_row(why->code)->name : "granted");
            if (!why)
                assert_int_equal(identity.kind, both ? POLICY_IDENTITY_USER : POLICY_IDENTITY_VENDOR);
        }
}

/* IEEE 802.1AR lets an IDevID be without a subject */
static void test_a_device_without_a_subject_is_known_by_its_hardware(void **state)
{
    static const char *const any[] = {"**"};
    policy_alias_t alias = good_alias();
    pki_cert_t cert = {.subject = name_of(""), .hardware_type = "1.3.6.1.4.1.9", .hardware_serial = "0afb"};
    policy_credentials_t cred = {.cert = &cert, .cert_kind = POLICY_ANCHOR_VENDOR};
    policy_identity_t identity;
    est_err_t *why;

    (void)state;
    alias.auth_enroll = POLICY_AUTH_CERT;
    alias.vendor = POLICY_VENDOR_PATTERN;
    alias.vendor_patterns = any;
    alias.n_vendor_patterns = 1;
    assert_int_equal(policy_access(&identity, &why, &alias, POLICY_OP_ENROLL, &cred, TEST_NOW, pool),
                     POLICY_ACCESS_GRANTED);
    assert_string_equal(identity.name, "1.3.6.1.4.1.9:0afb");
}

/* ---- client mode */

enum { CODE_NONE, CODE_GOOD };

/* A code in the request stands in the place of user and password; Authorization is not looked at then */
static void test_codes_in_requests(void **state)
{
    static const struct {
        policy_op_t op;
        policy_auth_t auth;
        int by_password, cert, code;
        policy_access_t access;
        policy_identity_kind_t kind;
        est_err_code_t error;
        int to_come;
    } rows[] = {
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC, 0, CERT_NONE, CODE_NONE, GRANTED(ENTITY), 1},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC, 0, CERT_GOOD, CODE_NONE, GRANTED(ENTITY), 1},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC, 0, CERT_NONE, CODE_GOOD, GRANTED(ENTITY), 0},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC_OR_CERT, 0, CERT_NONE, CODE_NONE, GRANTED(ENTITY), 1},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC_OR_CERT, 0, CERT_GOOD, CODE_NONE, GRANTED(CERTIFICATE), 0},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC_OR_CERT, 0, CERT_GOOD, CODE_GOOD, GRANTED(ENTITY), 0},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC_AND_CERT, 0, CERT_NONE, CODE_NONE, DENIED(certificate_required), 0},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC_AND_CERT, 0, CERT_NONE, CODE_GOOD, DENIED(certificate_required), 0},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC_AND_CERT, 0, CERT_GOOD, CODE_NONE, GRANTED(ENTITY), 1},
        {POLICY_OP_ENROLL, POLICY_AUTH_BASIC_AND_CERT, 0, CERT_GOOD, CODE_GOOD, GRANTED(ENTITY), 0},
        {POLICY_OP_ENROLL, POLICY_AUTH_CERT, 0, CERT_NONE, CODE_GOOD, DENIED(certificate_required), 0},
        {POLICY_OP_ENROLL, POLICY_AUTH_CERT, 0, CERT_GOOD, CODE_GOOD, GRANTED(CERTIFICATE), 0},
        {POLICY_OP_REENROLL, POLICY_AUTH_BASIC, 0, CERT_NONE, CODE_GOOD, DENIED(certificate_required), 0},
        {POLICY_OP_REENROLL, POLICY_AUTH_BASIC, 0, CERT_GOOD, CODE_NONE, GRANTED(CERTIFICATE), 0},
        {POLICY_OP_REENROLL, POLICY_AUTH_CERT, 1, CERT_NONE, CODE_NONE, GRANTED(ENTITY), 1},
        {POLICY_OP_REENROLL, POLICY_AUTH_CERT, 1, CERT_GOOD, CODE_NONE, GRANTED(CERTIFICATE), 0},
        {POLICY_OP_REENROLL, POLICY_AUTH_CERT, 1, CERT_GOOD, CODE_GOOD, GRANTED(ENTITY), 0},
        /* a GET has no request to look for a code in: registered clients have passwords */
        {POLICY_OP_CACERTS, POLICY_AUTH_BASIC, 0, CERT_NONE, CODE_NONE, NEED_USER, 0},
        {POLICY_OP_CACERTS, POLICY_AUTH_BASIC_OR_CERT, 0, CERT_GOOD, CODE_NONE, NEED_USER, 0},
    };
    static const policy_code_source_t sources[] = {POLICY_CODE_CHALLENGE, POLICY_CODE_OTP, POLICY_CODE_DN};
    const policy_entity_t entity = {.id = 3, .name = "dev1"};
    pki_cert_t cert = {.subject = name_of("CN=dev7"), .purposes = PKI_CERT_CLIENT_AUTH};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int j = 0; j < 3; j++) {
            policy_alias_t alias = good_alias();
            policy_credentials_t cred = {.has_authorization = 1, .address = address_of("192.0.2.1")};
            policy_identity_t identity;
            policy_access_t access;
            est_err_t *why;

            alias.mode = POLICY_MODE_CLIENT;
            alias.code_source = sources[j];
            alias.auth_enroll = rows[i].auth;
            alias.auth_cacerts = 1;
            alias.reenroll_by_password = rows[i].by_password;
            cred.cert = rows[i].cert ? &cert : NULL;
            cred.entity = rows[i].code ? &entity : NULL;
            access = policy_access(&identity, &why, &alias, rows[i].op, &cred, TEST_NOW, pool);
            if (access != rows[i].access || (why ? why->code : EST_E__COUNT) != rows[i].error)
                fail_msg("row %d: got %d, %s", (int)i, (int)access, why ? est_err_row(why->code)->name : "no reason");
            if (access != POLICY_ACCESS_GRANTED)
                continue;
            if (identity.kind != rows[i].kind || identity.code_to_come != rows[i].to_come)
                fail_msg("row %d: identity %d, %d", (int)i, (int)identity.kind, identity.code_to_come);
            assert_ptr_equal(identity.cert, cred.cert);
            if (identity.kind == POLICY_IDENTITY_ENTITY) {
                assert_ptr_equal(identity.entity, cred.entity);
                assert_string_equal(identity.name, cred.entity ? "dev1" : "");
            }
            /* nobody is asked for a password where it plays no role */
            if (rows[i].op == POLICY_OP_ENROLL)
                assert_false(policy_access_takes_user(&alias, rows[i].op));
        }
}

/* code_source basic: the password of a user was the code of the entity of that name */
static void test_codes_as_passwords(void **state)
{
    const policy_entity_t entity = {.id = 3, .name = "dev7"};
    policy_client_row_t row = good_row();
    policy_alias_t alias = good_alias();
    policy_credentials_t cred = {.has_authorization = 1, .address = address_of("192.0.2.1")};
    policy_identity_t identity;
    est_err_t *why;

    (void)state;
    alias.auth_enroll = POLICY_AUTH_BASIC;
    alias.mode = POLICY_MODE_CLIENT;
    assert_true(policy_access_takes_user(&alias, POLICY_OP_ENROLL));
    assert_false(policy_access_takes_code(&alias, POLICY_OP_ENROLL));
    assert_int_equal(policy_access(&identity, &why, &alias, POLICY_OP_ENROLL, &cred, TEST_NOW, pool),
                     POLICY_ACCESS_NEED_USER);
    cred.user = "dev7";
    cred.entity = &entity;
    assert_int_equal(policy_access(&identity, &why, &alias, POLICY_OP_ENROLL, &cred, TEST_NOW, pool),
                     POLICY_ACCESS_GRANTED);
    assert_int_equal(identity.kind, POLICY_IDENTITY_ENTITY);
    assert_ptr_equal(identity.entity, &entity);
    assert_false(identity.code_to_come);
    /* it is nobody's in the other mode */
    alias.mode = POLICY_MODE_RA;
    assert_int_equal(policy_access(&identity, &why, &alias, POLICY_OP_ENROLL, &cred, TEST_NOW, pool),
                     POLICY_ACCESS_DENIED);
    assert_int_equal(why->code, EST_E_not_authorized);
    /* a registered client may act for entities */
    alias.mode = POLICY_MODE_CLIENT;
    cred.entity = NULL;
    cred.client = client_of(&row);
    assert_int_equal(policy_access(&identity, &why, &alias, POLICY_OP_ENROLL, &cred, TEST_NOW, pool),
                     POLICY_ACCESS_GRANTED);
    assert_int_equal(identity.kind, POLICY_IDENTITY_USER);
    assert_null(identity.entity);
}

/* auth_reenroll cert-or-basic */
static void test_a_password_in_the_place_of_the_certificate_that_is_renewed(void **state)
{
    static const struct {
        int cert, password;
        policy_access_t access;
        policy_identity_kind_t kind;
        est_err_code_t code;
    } rows[] = {
        {CERT_NONE, PASSWORD_NONE, NEED_USER},     {CERT_NONE, PASSWORD_UNREAD, NEED_USER},
        {CERT_NONE, PASSWORD_GOOD, GRANTED(USER)}, {CERT_GOOD, PASSWORD_NONE, GRANTED(CERTIFICATE)},
        {CERT_GOOD, PASSWORD_UNREAD, NEED_USER},   {CERT_GOOD, PASSWORD_GOOD, GRANTED(USER)},
    };
    policy_client_row_t client = good_row();
    pki_cert_t cert = {.subject = name_of("CN=dev7"), .purposes = PKI_CERT_CLIENT_AUTH};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_alias_t alias = good_alias();
        policy_credentials_t cred = {.address = address_of("192.0.2.1")};
        policy_identity_t identity;
        est_err_t *why;

        alias.auth_enroll = POLICY_AUTH_CERT;
        alias.reenroll_by_password = 1;
        cred.cert = rows[i].cert ? &cert : NULL;
        cred.has_authorization = rows[i].password != PASSWORD_NONE;
        cred.user = rows[i].password == PASSWORD_GOOD ? "dev7" : NULL;
        cred.client = rows[i].password == PASSWORD_GOOD ? client_of(&client) : NULL;
        assert_true(policy_access_takes_user(&alias, POLICY_OP_REENROLL));
        assert_false(policy_access_takes_user(&alias, POLICY_OP_ENROLL));
        assert_int_equal(policy_access(&identity, &why, &alias, POLICY_OP_REENROLL, &cred, TEST_NOW, pool),
                         rows[i].access);
        assert_int_equal(identity.kind, rows[i].kind);
        assert_null(why);
    }
}

/* ---- what a registration says */

#define SECONDS(offset) ((int)(TEST_NOW / 1000000) + (offset))

static void test_what_a_registration_allows(void **state)
{
    const char *before = apr_psprintf(pool, "%d", SECONDS(-1)), *now = apr_psprintf(pool, "%d", SECONDS(0));
    const char *after = apr_psprintf(pool, "%d", SECONDS(1));
    const struct {
        const char *groups, *networks, *enabled, *from, *until, *address;
        est_err_code_t code; /* EST_E__COUNT: granted */
        const char *reason;
    } rows[] = {
        {"5", NULL, "t", NULL, NULL, "192.0.2.1", EST_E__COUNT, "unlimited"},
        {"4\n5\n6", NULL, "t", NULL, NULL, "192.0.2.1", EST_E__COUNT, "one of its groups"},
        {"4\n6", NULL, "t", NULL, NULL, "192.0.2.1", EST_E_group_refused, "other groups"},
        {NULL, NULL, "t", NULL, NULL, "192.0.2.1", EST_E_group_refused, "no group"},
        {"5", NULL, "f", NULL, NULL, "192.0.2.1", EST_E_not_authorized, "disabled"},
        {"5", NULL, NULL, NULL, NULL, "192.0.2.1", EST_E_not_authorized, "not said to be enabled"},
        {"5", NULL, "t", now, NULL, "192.0.2.1", EST_E__COUNT, "begins now"},
        {"5", NULL, "t", after, NULL, "192.0.2.1", EST_E_not_authorized, "begins later"},
        {"5", NULL, "t", NULL, after, "192.0.2.1", EST_E__COUNT, "ends later"},
        {"5", NULL, "t", NULL, now, "192.0.2.1", EST_E_not_authorized, "has just ended"},
        {"5", NULL, "t", before, after, "192.0.2.1", EST_E__COUNT, "between"},
        {"5", "192.0.2.0/24", "t", NULL, NULL, "192.0.2.1", EST_E__COUNT, "in the network"},
        {"5", "192.0.2.0/24", "t", NULL, NULL, "192.0.3.1", EST_E_network_refused, "outside"},
        {"5", "10.0.0.0/8\n192.0.2.1/32", "t", NULL, NULL, "192.0.2.1", EST_E__COUNT, "in the second network"},
        {"5", "192.0.2.0/24", "t", NULL, NULL, "::ffff:192.0.2.1", EST_E__COUNT, "IPv4 inside IPv6"},
        {"5", "192.0.2.0/24", "t", NULL, NULL, "2001:db8::1", EST_E_network_refused, "IPv6"},
        {"5", "2001:db8::/32", "t", NULL, NULL, "2001:db8::1", EST_E__COUNT, "in the IPv6 network"},
        {"5", "2001:db8::/32", "t", NULL, NULL, "2001:db9::1", EST_E_network_refused, "outside the IPv6 network"},
        {"5", "0.0.0.0/0", "t", NULL, NULL, "192.0.2.1", EST_E__COUNT, "any IPv4 address"},
        {"5", "nonsense", "t", NULL, NULL, "192.0.2.1", EST_E_network_refused, "what is no network has nobody"},
        {"4", "10.0.0.0/8", "f", NULL, NULL, "192.0.2.1", EST_E_not_authorized, "disabled comes first"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_client_row_t row = good_row();
        policy_alias_t alias = good_alias();
        policy_credentials_t cred = {.has_authorization = 1, .user = "dev7", .address = address_of(rows[i].address)};
        policy_identity_t identity;
        policy_access_t access;
        est_err_t *why;

        row.groups = rows[i].groups;
        row.networks = rows[i].networks;
        row.enabled = rows[i].enabled;
        row.valid_from = rows[i].from;
        row.valid_until = rows[i].until;
        cred.client = client_of(&row);
        access = policy_access(&identity, &why, &alias, POLICY_OP_ENROLL, &cred, TEST_NOW, pool);
        if ((why ? why->code : EST_E__COUNT) != rows[i].code ||
            access != (why ? POLICY_ACCESS_DENIED : POLICY_ACCESS_GRANTED))
            fail_msg("%s: got %s", rows[i].reason, why ? est_err_row(why->code)->name : "granted");
    }
}

static void test_an_alias_without_group_has_no_members(void **state)
{
    policy_client_row_t row = good_row();
    policy_alias_t alias = good_alias();
    policy_credentials_t cred = {.user = "dev7", .client = client_of(&row), .address = address_of("192.0.2.1")};
    policy_identity_t identity;
    est_err_t *why;

    (void)state;
    alias.group = NULL;
    assert_int_equal(policy_access(&identity, &why, &alias, POLICY_OP_ENROLL, &cred, TEST_NOW, pool),
                     POLICY_ACCESS_DENIED);
    assert_int_equal(why->code, EST_E_group_refused);
}

static void test_users_of_other_providers(void **state)
{
    policy_alias_t alias = good_alias();
    policy_credentials_t cred = {.user = "ldap", .address = address_of("192.0.2.1")};
    policy_identity_t identity;
    est_err_t *why;

    (void)state;
    assert_int_equal(policy_access(&identity, &why, &alias, POLICY_OP_ENROLL, &cred, TEST_NOW, pool),
                     POLICY_ACCESS_DENIED);
    assert_int_equal(why->code, EST_E_not_authorized);
    alias.other_users = 1;
    assert_int_equal(policy_access(&identity, &why, &alias, POLICY_OP_ENROLL, &cred, TEST_NOW, pool),
                     POLICY_ACCESS_GRANTED);
    assert_int_equal(identity.kind, POLICY_IDENTITY_USER);
    assert_null(identity.client);
    assert_string_equal(identity.name, "ldap");
}

/* ---- rows of clients */

static void test_a_row_becomes_a_client(void **state)
{
    policy_client_row_t row = {"9",          "12345678901", "dev7", "$2y$...",    "a*\n**.example",
                               "10.0.0.0/8", "5\n6",        "t",    "1767225600", "1798761600"};
    policy_client_t *client = client_of(&row);

    (void)state;
    assert_int_equal(client->id, 9);
    assert_int_equal(client->version, APR_INT64_C(12345678901));
    assert_string_equal(client->user, "dev7");
    assert_string_equal(client->hash, "$2y$...");
    assert_int_equal(client->n_names, 2);
    assert_string_equal(client->names[1], "**.example");
    assert_int_equal(client->n_networks, 1);
    assert_int_equal(client->n_groups, 2);
    assert_int_equal(client->groups[1], 6);
    assert_true(client->enabled);
    assert_int_equal(client->valid_from, apr_time_from_sec(1767225600));
    assert_int_equal(client->valid_until, apr_time_from_sec(1798761600));
}

static void test_rows_that_cannot_be_understood_are_no_client(void **state)
{
    static const struct {
        size_t column;
        const char *value, *reason;
    } rows[] = {
#define COLUMN(name) offsetof(policy_client_row_t, name)
        {COLUMN(id), NULL, "no id"},
        {COLUMN(id), "0", "id 0"},
        {COLUMN(version), NULL, "no version"},
        {COLUMN(version), "-1", "negative version"},
        {COLUMN(groups), "5\nx", "group that is no number"},
        {COLUMN(groups), "0", "group 0"},
        {COLUMN(valid_from), "x", "no time"},
        {COLUMN(valid_until), "Infinity", "no time"},
#undef COLUMN
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_client_row_t row = good_row();
        policy_client_t *client;

        *(const char **)(void *)((char *)&row + rows[i].column) = rows[i].value;
        ASSERT_ROW(policy_client_make(&client, &row, pool), EST_E_alias_broken, "dev7", rows[i].reason);
    }
}

static void assert_same_client(const policy_client_t *a, const policy_client_t *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->version, b->version);
    assert_string_equal(a->user, b->user);
    assert_int_equal(a->hash == NULL, b->hash == NULL);
    if (a->hash)
        assert_string_equal(a->hash, b->hash);
    assert_int_equal(a->n_names, b->n_names);
    for (int i = 0; i < a->n_names; i++)
        assert_string_equal(a->names[i], b->names[i]);
    assert_int_equal(a->n_networks, b->n_networks);
    for (int i = 0; i < a->n_networks; i++)
        assert_string_equal(a->networks[i], b->networks[i]);
    assert_int_equal(a->n_groups, b->n_groups);
    for (int i = 0; i < a->n_groups; i++)
        assert_int_equal(a->groups[i], b->groups[i]);
    assert_int_equal(a->enabled, b->enabled);
    assert_int_equal(a->valid_from, b->valid_from);
    assert_int_equal(a->valid_until, b->valid_until);
}

static const policy_client_row_t packed_rows[] = {
    {"9", "3", "dev7", "$2y$...", "own", "10.0.0.0/8\n::1", "5\n6", "t", "1767225600", "1798761600"},
    {"1", "0", "x", NULL, NULL, NULL, NULL, "f", NULL, NULL},
    {"1", "0", "", "", "", "", "", "", NULL, NULL}, /* empty is not NULL */
};

static void test_packing_and_unpacking_gives_the_same_client(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(packed_rows) / sizeof(packed_rows[0]); i++) {
        policy_client_t *client;
        est_slice_t packed = policy_client_pack(&packed_rows[i], pool);

        ASSERT_OK(policy_client_unpack(&client, packed, pool));
        assert_same_client(client, client_of(&packed_rows[i]));
    }
}

/* A copy of exactly the octets that are there, so that a sanitizer sees a read beyond them */
static void test_cut_off_octets_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(packed_rows) / sizeof(packed_rows[0]); i++) {
        est_slice_t packed = policy_client_pack(&packed_rows[i], pool);

        for (apr_size_t n = 0; n < packed.n; n++) {
            unsigned char *cut = malloc(n ? n : 1);
            policy_client_t *client;
            est_err_t *err;

            assert_non_null(cut);
            memcpy(cut, packed.p, n);
            err = policy_client_unpack(&client, est_slice(cut, n), pool);
            free(cut);
            ASSERT_ROW(err, EST_E_internal, "cut off", apr_psprintf(pool, "row %d cut at %d", (int)i, (int)n));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_every_mode_with_every_credential_for_every_operation),
        EST_TEST(test_a_bad_certificate_is_refused_even_beside_a_good_password),
        EST_TEST(test_which_operations_take_what),
        EST_TEST(test_what_a_certificate_makes_of_its_holder),
        EST_TEST(test_a_registration_authoritys_row_binds_it),
        EST_TEST(test_which_devices_of_a_vendor_may_come),
        EST_TEST(test_a_device_without_a_subject_is_known_by_its_hardware),
        EST_TEST(test_codes_in_requests),
        EST_TEST(test_codes_as_passwords),
        EST_TEST(test_a_password_in_the_place_of_the_certificate_that_is_renewed),
        EST_TEST(test_what_a_registration_allows),
        EST_TEST(test_an_alias_without_group_has_no_members),
        EST_TEST(test_users_of_other_providers),
        EST_TEST(test_a_row_becomes_a_client),
        EST_TEST(test_rows_that_cannot_be_understood_are_no_client),
        EST_TEST(test_packing_and_unpacking_gives_the_same_client),
        EST_TEST(test_cut_off_octets_are_refused),
    };
    return EST_TEST_RUN(tests);
}
