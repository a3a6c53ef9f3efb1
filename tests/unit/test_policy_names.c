/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_test.h"

#include "policy/policy_names.h"

/* ---- the profile's rules for the subject */

/* CN required, at most 2, dev*; O dropped unless Example; others as the test says */
static policy_profile_t subject_profile(policy_violation_t other)
{
    static const policy_subject_rule_t rules[] = {
        {"CN", NID_commonName, 1, "dev*", 2, POLICY_REFUSE},
        {"O", NID_organizationName, 0, "Example", 1, POLICY_DROP},
    };
    policy_profile_t profile = {.name = "device", .subject_other = other, .subject_rules = rules, .n_subject_rules = 2};

    return profile;
}

static void test_the_subject_by_the_profile(void **state)
{
    static const struct {
        const char *wanted;
        policy_violation_t other;
        est_err_code_t code;
        const char *result; /* text of the subject, or part of the detail */
        const char *dropped, *reason;
    } rows[] = {
        {"CN=dev1", POLICY_REFUSE, EST_E__COUNT, "CN=dev1", NULL, "allowed"},
        {"O=Example,CN=dev1", POLICY_REFUSE, EST_E__COUNT, "CN=dev1,O=Example", NULL, "order kept"},
        {"CN=dev1,CN=dev2", POLICY_REFUSE, EST_E__COUNT, "CN=dev2,CN=dev1", NULL, "as many as allowed"},
        {"CN=dev1,CN=dev2,CN=dev3", POLICY_REFUSE, EST_E_name_refused, "at most 2", NULL, "one too many"},
        {"CN=host1", POLICY_REFUSE, EST_E_name_refused, "pattern is \"dev*\"", NULL, "other pattern"},
        {"CN=dev1,CN=host1", POLICY_REFUSE, EST_E_name_refused, "host1", NULL, "the second is bad"},
        {"CN=DEV1", POLICY_REFUSE, EST_E_name_refused, "DEV1", NULL, "case counts where it is no DNS name"},
        {"CN=DEV1.example", POLICY_REFUSE, EST_E_name_refused, "DEV1.example", NULL,
         "a star stops at dots of DNS names"},
        {"CN=dev 1.2", POLICY_REFUSE, EST_E__COUNT, "CN=dev 1.2", NULL, "but not of other text"},
        {"O=Example", POLICY_REFUSE, EST_E_name_invalid, "requires CN", NULL, "required one missing"},
        {"", POLICY_REFUSE, EST_E_name_invalid, "requires CN", NULL, "empty subject"},
        {"CN=dev1,O=Evil", POLICY_REFUSE, EST_E__COUNT, "CN=dev1", "O=Evil", "dropped by its rule"},
        {"CN=dev1,O=Example,O=Example", POLICY_REFUSE, EST_E__COUNT, "O=Example,CN=dev1", "O=Example",
         "dropped since there is one too many"},
        {"CN=dev1,L=Paris", POLICY_REFUSE, EST_E_name_refused, "no rule", NULL, "no rule: refused"},
        {"CN=dev1,L=Paris", POLICY_DROP, EST_E__COUNT, "CN=dev1", "L=Paris", "no rule: dropped"},
        {"C=FR,L=Paris,CN=dev1,O=Evil", POLICY_DROP, EST_E__COUNT, "CN=dev1", "C=FR, L=Paris, O=Evil",
         "several dropped, all named"},
        {"CN=host1", POLICY_DROP, EST_E_name_refused, "host1", NULL,
         "the rule's own violation counts, not the profile's"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_profile_t profile = subject_profile(rows[i].other);
        const pki_name_t *out = NULL;
        const char *dropped = NULL;
        est_err_t *err = policy_names_subject(&out, &dropped, &profile, name_of(rows[i].wanted), pool);

        if (rows[i].code != EST_E__COUNT) {
            ASSERT_ROW(err, rows[i].code, rows[i].result, rows[i].reason);
            continue;
        }
        ASSERT_OK(err);
        if (strcmp(out->text, rows[i].result) != 0)
            fail_msg("%s: got %s", rows[i].reason, out->text);
        if (!rows[i].dropped != !dropped || (dropped && strcmp(dropped, rows[i].dropped) != 0))
            fail_msg("%s: dropped %s", rows[i].reason, dropped ? dropped : "(null)");
    }
}

static void test_what_was_dropped_before_stays_in_the_list(void **state)
{
    policy_profile_t profile = subject_profile(POLICY_DROP);
    const char *dropped = "earlier";
    const pki_name_t *out;

    (void)state;
    ASSERT_OK(policy_names_subject(&out, &dropped, &profile, name_of("CN=dev1,L=Paris"), pool));
    assert_string_equal(dropped, "earlier, L=Paris");
}

/* CP-19: what OpenSSL lets through in a request is not written into a certificate */
static void test_the_subject_is_encoded_anew(void **state)
{
    static const policy_subject_rule_t rules[] = {{"C", NID_countryName, 0, "**", 1, POLICY_REFUSE}};
    policy_profile_t profile = {.name = "device", .subject_rules = rules, .n_subject_rules = 1};
    const char *dropped = NULL;
    const pki_name_t *out;

    (void)state;
    ASSERT_FAILS(policy_names_subject(&out, &dropped, &profile, name_of("C=fr"), pool), name_invalid, "upper-case");
}

/* ---- and for the subjectAltName */

static policy_profile_t san_profile(policy_violation_t other, int wildcards)
{
    static const policy_san_rule_t rules[] = {
        {.type = PKI_SAN_DNS, .pattern = "*.example.com", .required = 0, .max_count = 2, .on_violation = POLICY_REFUSE},
        {.type = PKI_SAN_DNS,
         .pattern = "**.lab.example.org",
         .required = 0,
         .max_count = 1,
         .on_violation = POLICY_DROP},
        {.type = PKI_SAN_IP, .pattern = "10.0.0.0/8", .required = 0, .max_count = 1, .on_violation = POLICY_REFUSE},
        {.type = PKI_SAN_IP, .pattern = "2001:db8::/32", .required = 0, .max_count = 1, .on_violation = POLICY_REFUSE},
        {.type = PKI_SAN_EMAIL, .pattern = "*@example.com", .required = 0, .max_count = 1, .on_violation = POLICY_DROP},
    };
    policy_profile_t profile = {
        .name = "device", .san_other = other, .dns_wildcards = wildcards, .san_rules = rules, .n_san_rules = 5};

    return profile;
}

static void test_the_san_by_the_profile(void **state)
{
    static const struct {
        const char *wanted;
        policy_violation_t other;
        int wildcards;
        est_err_code_t code;
        const char *result, *dropped, *reason;
    } rows[] = {
        {"", POLICY_REFUSE, 0, EST_E__COUNT, "(none)", NULL, "nothing asked for"},
        {"DNS:a.example.com", POLICY_REFUSE, 0, EST_E__COUNT, "dns:a.example.com", NULL, "allowed"},
        {"DNS:A.EXAMPLE.com", POLICY_REFUSE, 0, EST_E__COUNT, "dns:a.example.com", NULL, "case does not count"},
        {"DNS:a.b.example.com", POLICY_REFUSE, 0, EST_E_name_refused, "a.b.example.com", NULL,
         "two labels: one rule of the type refuses, another drops, and the stricter holds"},
        {"DNS:a.example.com,DNS:b.example.com", POLICY_REFUSE, 0, EST_E__COUNT, "dns:a.example.com, dns:b.example.com",
         NULL, "as many as allowed"},
        {"DNS:a.b.lab.example.org", POLICY_REFUSE, 0, EST_E__COUNT, "dns:a.b.lab.example.org", NULL, "the second rule"},
        {"DNS:a.lab.example.org,DNS:b.lab.example.org", POLICY_REFUSE, 0, EST_E_name_refused,
         "dns:b.lab.example.org: at most 1", NULL, "each rule counts for itself"},
        {"DNS:evil.org", POLICY_REFUSE, 0, EST_E_name_refused, "evil.org", NULL,
         "no rule of its type takes it: the strictest"},
        {"DNS:*.example.com", POLICY_REFUSE, 0, EST_E_name_refused, "wildcards", NULL, "no wildcards"},
        {"DNS:*.example.com", POLICY_DROP, 0, EST_E_name_refused, "wildcards", NULL,
         "no wildcards: by the rules of its type, not as a type without rules"},
        {"DNS:*.example.com", POLICY_REFUSE, 1, EST_E__COUNT, "dns:*.example.com", NULL, "wildcards allowed"},
        {"DNS:*.a.example.com", POLICY_REFUSE, 1, EST_E_name_refused, "*.a.example.com", NULL,
         "a wildcard that no pattern covers"},
        {"IP:10.1.2.3", POLICY_REFUSE, 0, EST_E__COUNT, "ip:10.1.2.3", NULL, "in the network"},
        {"IP:11.1.2.3", POLICY_REFUSE, 0, EST_E_name_refused, "11.1.2.3", NULL, "outside"},
        {"IP:2001:db8::1", POLICY_REFUSE, 0, EST_E__COUNT, "ip:2001:db8::1", NULL, "IPv6"},
        {"IP:2001:db9::1", POLICY_REFUSE, 0, EST_E_name_refused, "2001:db9::1", NULL, "IPv6, outside"},
        {"IP:10.1.2.3,IP:10.1.2.4", POLICY_REFUSE, 0, EST_E_name_refused, "10.1.2.4", NULL, "one too many"},
        {"email:a@example.com", POLICY_REFUSE, 0, EST_E__COUNT, "email:a@example.com", NULL, "mail"},
        {"email:a@evil.org", POLICY_REFUSE, 0, EST_E__COUNT, "(none)", "email=a@evil.org", "dropped by its rule"},
        {"URI:https://a.example.com/", POLICY_REFUSE, 0, EST_E_name_refused, "no rule for this type", NULL, "no rule"},
        {"URI:https://a.example.com/", POLICY_DROP, 0, EST_E__COUNT, "(none)", "uri=https://a.example.com/", "dropped"},
        {"otherName:1.3.6.1.4.1.311.20.2.3;UTF8:root@example.com", POLICY_REFUSE, 0, EST_E_name_invalid,
         "1.3.6.1.4.1.311.20.2.3: this type", NULL, "C-09: user principal name"},
        {"RID:1.2.3.4", POLICY_REFUSE, 0, EST_E_name_invalid, "rid:1.2.3.4: this type", NULL, "C-09: registeredID"},
        {"RID:1.2.3.4", POLICY_DROP, 0, EST_E__COUNT, "(none)", "rid=1.2.3.4", "C-09: dropped"},
        {"DNS:a.example.com,DNS:A.example.com,DNS:a.example.com", POLICY_REFUSE, 0, EST_E__COUNT, "dns:a.example.com",
         NULL, "once, and counted once"},
        {"IP:10.1.2.3,DNS:b.example.com,IP:10.1.2.3,DNS:a.example.com,DNS:b.example.com", POLICY_REFUSE, 0,
         EST_E__COUNT, "ip:10.1.2.3, dns:b.example.com, dns:a.example.com", NULL, "once, in the order of the request"},
        {"email:a@example.com,email:a@EXAMPLE.com", POLICY_REFUSE, 0, EST_E__COUNT, "email:a@example.com", NULL,
         "as the first of them is written"},
        {"otherName:1.3.6.1.4.1.311.20.2.3;UTF8:root@example.com,DNS:a.example.com", POLICY_DROP, 0, EST_E__COUNT,
         "dns:a.example.com", "other=1.3.6.1.4.1.311.20.2.3", "C-09: dropped"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_profile_t profile = san_profile(rows[i].other, rows[i].wildcards);
        pki_sans_t wanted = sans_of(rows[i].wanted), out = {0};
        const char *dropped = NULL, *got;
        est_err_t *err = policy_names_san(&out, &dropped, &profile, &(policy_names_sans_t){.csr = &wanted}, pool);

        if (rows[i].code != EST_E__COUNT) {
            ASSERT_ROW(err, rows[i].code, rows[i].result, rows[i].reason);
            continue;
        }
        ASSERT_OK(err);
        got = policy_names_text(&out, pool);
        if (strcmp(got, rows[i].result) != 0)
            fail_msg("%s: got %s", rows[i].reason, got);
        if (!rows[i].dropped != !dropped || (dropped && strcmp(dropped, rows[i].dropped) != 0))
            fail_msg("%s: dropped %s", rows[i].reason, dropped ? dropped : "(null)");
    }
}

/* Addresses are compared as such, though rules may say ** */
static void test_any_address_where_the_rule_says_so(void **state)
{
    static const policy_san_rule_t any = {
        .type = PKI_SAN_IP, .pattern = "**", .required = 0, .max_count = 9, .on_violation = POLICY_REFUSE};
    policy_profile_t profile = {.name = "device", .san_rules = &any, .n_san_rules = 1};
    pki_sans_t wanted = sans_of("IP:203.0.113.1,IP:fe80::1"), out;
    const char *dropped = NULL;

    (void)state;
    ASSERT_OK(policy_names_san(&out, &dropped, &profile, &(policy_names_sans_t){.csr = &wanted}, pool));
    assert_int_equal(out.n_names, 2);
}

static void test_a_required_name_must_be_left(void **state)
{
    static const policy_san_rule_t rules[] = {
        {.type = PKI_SAN_DNS, .pattern = "*.example.com", .required = 1, .max_count = 9, .on_violation = POLICY_DROP},
        {.type = PKI_SAN_IP, .pattern = "**", .required = 0, .max_count = 9, .on_violation = POLICY_REFUSE}};
    static const struct {
        const char *wanted;
        int good;
    } rows[] = {{"DNS:a.example.com", 1},
                {"DNS:a.example.com,IP:10.0.0.1", 1},
                {"", 0},
                {"IP:10.0.0.1", 0},
                {"DNS:evil.org", 0}};
    policy_profile_t profile = {.name = "device", .san_rules = rules, .n_san_rules = 2};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_sans_t wanted = sans_of(rows[i].wanted), out;
        const char *dropped = NULL;
        est_err_t *err = policy_names_san(&out, &dropped, &profile, &(policy_names_sans_t){.csr = &wanted}, pool);

        if (rows[i].good)
            ASSERT_OK(err);
        else
            ASSERT_ROW(err, EST_E_name_invalid, "requires a subjectAltName of type dns (*.example.com)",
                       rows[i].wanted);
    }
}

/* ---- subject and subjectAltName together */

/* CP-21 */
static void test_addresses_of_the_subject_alone(void **state)
{
    static const struct {
        const char *subject, *san, *lone;
    } rows[] = {
        {"CN=a", "", NULL},
        {"CN=a", "email:a@b.example", NULL},
        {"CN=a,emailAddress=a@b.example", "email:a@b.example", NULL},
        {"emailAddress=a@B.Example", "DNS:x.example,email:a@b.example", NULL},
        {"emailAddress=a@b.example", "", "a@b.example"},
        {"emailAddress=a@b.example", "DNS:b.example", "a@b.example"},
        {"emailAddress=A@b.example", "email:a@b.example", "A@b.example"},
        {"emailAddress=a@b.example,emailAddress=c@b.example", "email:a@b.example", "c@b.example"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_sans_t san = sans_of(rows[i].san);
        const char *lone = policy_names_lone_email(name_of(rows[i].subject), &san);

        if (rows[i].lone ? !lone || strcmp(lone, rows[i].lone) != 0 : lone != NULL)
            fail_msg("%s: %s", rows[i].subject, lone ? lone : "none");
    }
}

/* N-14 */
static void test_a_subject_that_is_a_name_or_spells_it(void **state)
{
    static const struct {
        const char *cn;
        int is;
    } rows[] = {
        {"CN=CA,O=Example", 1},
        {"cn=ca, o=example", 1},
        {" CN = CA , O = Example ", 1},
        {"CN=CA,O=Example,C=DE", 0},
        {"CN=CA", 0},
        {"CA", 0},
        {"CN=CA,O=Exampl", 0},
        {"CN=CB,O=Example", 0},
    };
    pki_name_t *ca = name_of("O=Example,CN=CA");

    (void)state;
    assert_true(policy_names_is(name_of("O=Example,CN=CA"), ca));
    assert_true(policy_names_is(name_of("O=EXAMPLE,CN=ca"), ca));
    assert_false(policy_names_is(name_of("CN=CA,O=Example"), ca)); /* other order, other name */
    assert_false(policy_names_is(name_of(""), ca));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_attr_t attr = {NID_commonName, "CN", rows[i].cn, 0};
        pki_name_t *name;

        ASSERT_OK(pki_name_encode(&name, &attr, 1, pool));
        if (policy_names_is(name, ca) != rows[i].is)
            fail_msg("CN=%s", rows[i].cn);
    }
}

/* ---- the group's patterns */

static void test_the_patterns_of_a_group(void **state)
{
    static const char *const patterns[] = {"dev*", "*.example.com", "10.0.0.*", "*@example.com"};
    static const struct {
        const char *subject, *san;
        int good;
        const char *reason;
    } rows[] = {
        {"CN=dev7", "", 1, "the first pattern"},
        {"CN=dev7,O=Anything", "", 1, "where somebody belongs is not who they are"},
        {"CN=host7", "", 0, "no pattern"},
        {"CN=a.example.com", "DNS:a.example.com", 1, "both"},
        {"CN=a.example.com", "DNS:b.example.org", 0, "the SAN is not covered"},
        {"CN=host7", "DNS:a.example.com", 0, "the CN is not covered"},
        {"CN=a.b.example.com", "", 0, "a CN that looks like a DNS name is matched like one"},
        {"", "DNS:a.example.com", 1, "SAN alone"},
        {"O=Example", "", 0, "nobody's name"},
        {"O=Example,OU=dev1", "", 0, "nobody's name"},
        {"", "", 0, "no name at all"},
        {"O=Example", "DNS:a.example.com", 1, "the SAN says who it is"},
        {"CN=dev7", "IP:10.0.0.9", 1, "an address as text"},
        {"CN=dev7", "IP:10.0.1.9", 0, "another address"},
        {"CN=dev7", "email:a@example.com", 1, "mail"},
        {"CN=dev7,serialNumber=42", "", 0, "serialNumber says who somebody is"},
        {"CN=dev7,serialNumber=dev42", "", 1, "serialNumber covered"},
        {"CN=dev7,UID=root", "", 0, "UID says who somebody is"},
        {"CN=dev7,emailAddress=a@evil.org", "", 0, "so does emailAddress"},
        {"CN=dev7,CN=root", "", 0, "every CN counts"},
    };
    policy_group_t group = {.id = 1, .name = "devices", .names = patterns, .n_names = 4};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_sans_t san = sans_of(rows[i].san);
        est_err_t *err = policy_names_group(&group, name_of(rows[i].subject), &san, pool);

        if (rows[i].good)
            ASSERT_OK(err);
        else
            ASSERT_ROW(err, EST_E_name_refused, "devices", rows[i].reason);
    }
    group.n_names = 0;
    pki_sans_t none = {0};
    ASSERT_FAILS(policy_names_group(&group, name_of("CN=dev7"), &none, pool), name_refused, "dev7");
}

/* ---- who may ask for which name */

static void test_what_a_user_may_ask_for(void **state)
{
    static const char *const own[] = {"own"}, *const star[] = {"*"}, *const patterns[] = {"dev*", "*.example.com"};
    static const char *const two[] = {"*", "dev7"};
    static const struct {
        const char *user;
        const char *const *names;
        int n_names; /* -1: a user of another provider */
        const char *subject, *san;
        int good;
        const char *reason;
    } rows[] = {
        {"dev7", own, 1, "CN=dev7", "", 1, "its own name"},
        {"dev7", own, 1, "CN=dev8", "", 0, "another's"},
        {"dev7", own, 1, "CN=DEV7", "", 0, "case counts"},
        {"dev7", own, 1, "CN=dev7,O=Example", "", 1, "where it belongs is the profile's matter"},
        {"dev7", own, 1, "O=Example", "", 0, "nobody's name"},
        {"dev7", own, 1, "", "", 0, "no name"},
        {"dev7", own, 1, "CN=dev7,CN=dev8", "", 0, "every CN counts"},
        {"dev7", own, 1, "CN=dev7,serialNumber=1", "", 0, "serialNumber says who somebody is"},
        {"dev7", own, 1, "CN=dev7", "DNS:dev7", 1, "SAN too"},
        {"dev7", own, 1, "CN=dev7", "DNS:dev8", 0, "SAN of another"},
        {"dev7", own, 1, "CN=dev7", "DNS:DEV7", 1, "DNS names have no case"},
        {"dev7", own, 1, "", "DNS:dev7", 1, "SAN alone"},
        {"a.example.com", own, 1, "CN=A.example.COM", "", 1, "a CN that is a DNS name has no case either"},
        {"10.0.0.1", own, 1, "CN=10.0.0.1", "IP:10.0.0.1", 1, "an address"},
        {"dev*", own, 1, "CN=dev7", "", 0, "a star in a user name is a star"},
        {"*", own, 1, "CN=dev7", "", 0, "a user called * owns nothing else"},
        {"**", own, 1, "CN=dev7", "", 0, "a user called ** neither"},
        {"dev*", own, 1, "CN=dev*", "", 1, "its own name, with a star"},
        {"ra", star, 1, "CN=anything", "DNS:any.where", 1, "an RA"},
        {"ra", star, 1, "O=Example", "", 1, "an RA, even nobody's name"},
        {"ra", patterns, 2, "CN=dev9", "DNS:a.example.com", 1, "patterns"},
        {"ra", patterns, 2, "CN=dev9", "DNS:a.example.org", 0, "patterns, SAN not covered"},
        {"ra", patterns, 2, "CN=root", "", 0, "patterns, CN not covered"},
        {"ra", patterns, 2, "O=Example", "", 0, "patterns, nobody's name"},
        {"ra", two, 2, "CN=a.b", "", 0, "* among others is a pattern, and stops at dots"},
        {"ra", NULL, 0, "CN=ra", "", 0, "no names: nothing"},
        {"ldap", NULL, -1, "CN=ldap", "", 1, "another provider's user: own"},
        {"ldap", NULL, -1, "CN=root", "", 0, "another provider's user: own"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        policy_client_t client = {.user = rows[i].user, .names = rows[i].names, .n_names = rows[i].n_names};
        policy_identity_t identity = {
            .kind = POLICY_IDENTITY_USER, .name = rows[i].user, .client = rows[i].n_names < 0 ? NULL : &client};
        pki_sans_t san = sans_of(rows[i].san);
        est_err_t *err = policy_names_identity(&identity, name_of(rows[i].subject), &san, pool);

        if (rows[i].good)
            ASSERT_OK(err);
        else
            ASSERT_ROW(err, EST_E_name_not_yours, rows[i].user, rows[i].reason);
    }
}

static void test_what_a_certificate_may_ask_for(void **state)
{
    static const struct {
        const char *subject, *san;
        int good;
        const char *reason;
    } rows[] = {
        {"CN=dev7,O=Example", "DNS:a.example.com,DNS:b.example.com", 1, "its own names"},
        {"CN=dev7,O=Example", "DNS:b.example.com,DNS:a.example.com", 1, "in another order"},
        {"CN=dev7,O=Example", "DNS:a.example.com", 1, "some of them"},
        {"CN=dev7,O=Example", "", 1, "without SAN"},
        {"CN=dev7,O=Example", "DNS:c.example.com", 0, "a name that it has not"},
        {"CN=dev7,O=Example", "DNS:a.example.com,IP:10.0.0.1", 0, "one more"},
        {"CN=dev8,O=Example", "DNS:a.example.com", 0, "another subject"},
        {"CN=dev7", "DNS:a.example.com", 0, "part of the subject"},
        {"O=Example,CN=dev7", "", 0, "RDNs in another order"},
        {"CN=DEV7,O=EXAMPLE", "", 1, "RFC 5280 7.1 folds case"},
        {"CN=a.example.com", "", 0, "a SAN as subject"},
    };
    pki_cert_t cert = {.subject = name_of("CN=dev7,O=Example"), .san = sans_of("DNS:a.example.com,DNS:b.example.com")};
    policy_identity_t identity = {.kind = POLICY_IDENTITY_CERTIFICATE, .name = "CN=dev7,O=Example", .cert = &cert};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pki_sans_t san = sans_of(rows[i].san);
        est_err_t *err = policy_names_identity(&identity, name_of(rows[i].subject), &san, pool);

        if (rows[i].good)
            ASSERT_OK(err);
        else
            ASSERT_ROW(err, EST_E_name_not_yours, "certificate", rows[i].reason);
    }
}

static void test_nobody_may_ask_for_nothing(void **state)
{
    policy_identity_t identity = {0};
    pki_sans_t none = {0};

    (void)state;
    ASSERT_FAILS(policy_names_identity(&identity, name_of("CN=dev7"), &none, pool), name_not_yours, "nobody");
}

/* ---- texts */

static void test_the_text_of_a_list(void **state)
{
    pki_sans_t none = {0}, one = sans_of("DNS:a.example"), two = sans_of("DNS:a.example,IP:10.0.0.1");

    (void)state;
    assert_string_equal(policy_names_text(&none, pool), "(none)");
    assert_string_equal(policy_names_text(&one, pool), "dns:a.example");
    assert_string_equal(policy_names_text(&two, pool), "dns:a.example, ip:10.0.0.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_the_subject_by_the_profile),
        EST_TEST(test_what_was_dropped_before_stays_in_the_list),
        EST_TEST(test_the_subject_is_encoded_anew),
        EST_TEST(test_the_san_by_the_profile),
        EST_TEST(test_any_address_where_the_rule_says_so),
        EST_TEST(test_a_required_name_must_be_left),
        EST_TEST(test_addresses_of_the_subject_alone),
        EST_TEST(test_a_subject_that_is_a_name_or_spells_it),
        EST_TEST(test_the_patterns_of_a_group),
        EST_TEST(test_what_a_user_may_ask_for),
        EST_TEST(test_what_a_certificate_may_ask_for),
        EST_TEST(test_nobody_may_ask_for_nothing),
        EST_TEST(test_the_text_of_a_list),
    };
    return EST_TEST_RUN(tests);
}
