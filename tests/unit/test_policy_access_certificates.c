/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* What certificates of every kind make of their holders */
#include "access_test.h"

enum {
    HOLDER = POLICY_ANCHOR_HOLDER,
    VENDOR = POLICY_ANCHOR_VENDOR,
    RA = POLICY_ANCHOR_RA,
    RA_PURPOSES = PKI_CERT_CLIENT_AUTH | PKI_CERT_CMC_RA
};

/* At an alias that takes certificates alone, those of any vendor among them */
static question_t question_of(const pki_cert_t *cert, int kind)
{
    static const char *const any[] = {"**"};
    question_t q = good_question();

    q.alias.auth_enroll = POLICY_AUTH_CERT;
    q.alias.vendor = POLICY_VENDOR_PATTERN;
    q.alias.vendor_patterns = any;
    q.alias.n_vendor_patterns = 1;
    q.cred.cert = cert;
    q.cred.cert_kind = (policy_anchor_kind_t)kind;
    return q;
}

typedef struct {
    policy_op_t op;
    int kind, ours;
    unsigned purposes;
    int registered; /* there is a row of a client for it */
    answer_t answer;
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
        pki_cert_t cert = {.subject = name_of("CN=box,serialNumber=S1"), .serial_number = "S1"};
        question_t q = question_of(&cert, rows[i].kind);

        q.alias.auth_cacerts = q.alias.ra_certificates = 1;
        cert.purposes = rows[i].purposes;
        q.cred.cert_is_ours = rows[i].ours;
        q.cred.ra = rows[i].registered ? client_of(&row) : NULL;
        ask(&q, rows[i].op);
        ASSERT_ANSWER(&q, rows[i].answer, rows[i].reason);
        if (q.access != POLICY_ACCESS_GRANTED)
            continue;
        assert_string_equal(q.identity.name, cert.subject->text);
        assert_ptr_equal(q.identity.cert, &cert);
        assert_int_equal(q.identity.cert_kind, rows[i].kind);
        assert_ptr_equal(q.identity.client, q.identity.kind == POLICY_IDENTITY_RA ? q.cred.ra : NULL);

        q.alias.ra_certificates = 0;
        ask(&q, rows[i].op);
        if (rows[i].kind == HOLDER)
            assert_int_equal(q.identity.kind, POLICY_IDENTITY_CERTIFICATE);
    }
}

/* The row of an RA's certificate says as much as that of a user */
static void test_a_registration_authoritys_row_binds_it(void **state)
{
    static const struct {
        int kind;
        const char *groups, *networks, *enabled, *until;
        answer_t answer;
    } rows[] = {
        {RA, "5", "192.0.2.0/24", "t", NULL, GRANTED(RA)},
        {RA, "6", NULL, "t", NULL, DENIED(group_refused)},
        {RA, "5", "10.0.0.0/8", "t", NULL, DENIED(network_refused)},
        {RA, "5", NULL, "f", NULL, DENIED(not_authorized)},
        {RA, "5", NULL, "t", "1", DENIED(not_authorized)},
        {HOLDER, "5", NULL, "f", NULL, DENIED(not_authorized)}, /* of our own CA, which needs none: but there is one */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_client_row_t row = good_row();
        pki_cert_t cert = {.subject = name_of("CN=ra"), .purposes = RA_PURPOSES};
        question_t q = question_of(&cert, rows[i].kind);

        q.alias.ra_certificates = 1;
        q.cred.cert_is_ours = 1;
        row.groups = rows[i].groups;
        row.networks = rows[i].networks;
        row.enabled = rows[i].enabled;
        row.valid_until = rows[i].until;
        q.cred.ra = client_of(&row);
        ask(&q, POLICY_OP_ENROLL);
        ASSERT_ANSWER(&q, rows[i].answer, row_label(i));
    }
}

static void test_which_devices_of_a_vendor_may_come(void **state)
{
    static const struct {
        policy_vendor_t vendor;
        const char *pattern, *serial, *type, *hardware;
        answer_t answer;
    } rows[] = {
        {POLICY_VENDOR_PATTERN, "AB-*", "AB-1", NULL, NULL, GRANTED(VENDOR)},
        {POLICY_VENDOR_PATTERN, "AB-*", "AC-1", NULL, NULL, DENIED(vendor_refused)},
        {POLICY_VENDOR_PATTERN, "ab-*", "AB-1", NULL, NULL, DENIED(vendor_refused)},
        {POLICY_VENDOR_PATTERN, "1.3.6.1.4.1.9:0a*", NULL, "1.3.6.1.4.1.9", "0afb", GRANTED(VENDOR)},
        {POLICY_VENDOR_PATTERN, "0a*", NULL, "1.3.6.1.4.1.9", "0afb", DENIED(vendor_refused)},
        {POLICY_VENDOR_PATTERN, "1.3.**", "AB-1", "1.3.6.1.4.1.9", "0afb", GRANTED(VENDOR)}, /* either name */
        {POLICY_VENDOR_PATTERN, "**", NULL, NULL, NULL, DENIED(vendor_refused)},             /* it has no name */
        {POLICY_VENDOR_LISTED, "nobody", "AB-1", NULL, NULL, GRANTED(VENDOR)},               /* the database is asked */
        {POLICY_VENDOR_OFF, "**", "AB-1", NULL, NULL, DENIED(vendor_refused)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int both = 0; both < 2; both++) {
            policy_client_row_t row = good_row();
            pki_cert_t cert = {.subject = name_of("O=Vendor"),
                               .serial_number = rows[i].serial,
                               .hardware_type = rows[i].type,
                               .hardware_serial = rows[i].hardware};
            question_t q = question_of(&cert, VENDOR);
            answer_t wanted = rows[i].answer;

            if (both) { /* also where it is one of two things that are needed */
                q.alias.auth_enroll = POLICY_AUTH_BASIC_AND_CERT;
                wanted.kind = wanted.kind ? POLICY_IDENTITY_USER : POLICY_IDENTITY_NONE;
            }
            q.cred.user = "dev7";
            q.cred.client = client_of(&row);
            q.alias.vendor = rows[i].vendor;
            q.alias.vendor_patterns = &rows[i].pattern;
            ask(&q, POLICY_OP_ENROLL);
            ASSERT_ANSWER(&q, wanted, row_label(i));
        }
}

/* IEEE 802.1AR lets an IDevID be without a subject */
static void test_a_device_without_a_subject_is_known_by_its_hardware(void **state)
{
    pki_cert_t cert = {.subject = name_of(""), .hardware_type = "1.3.6.1.4.1.9", .hardware_serial = "0afb"};
    question_t q = question_of(&cert, VENDOR);

    (void)state;
    q.cred.address = NULL; /* nobody needs it */
    ask(&q, POLICY_OP_ENROLL);
    ASSERT_ANSWER(&q, (answer_t)GRANTED(VENDOR), "");
    assert_string_equal(q.identity.name, "1.3.6.1.4.1.9:0afb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_what_a_certificate_makes_of_its_holder),
        EST_TEST(test_a_registration_authoritys_row_binds_it),
        EST_TEST(test_which_devices_of_a_vendor_may_come),
        EST_TEST(test_a_device_without_a_subject_is_known_by_its_hardware),
    };

    return EST_TEST_RUN(tests);
}
