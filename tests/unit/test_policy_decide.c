/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* The table of rules, those about alias and validity, and the explanation; test_policy_decide_names.c and
 * test_policy_decide_keys.c have the other rules. */

#include "decide_test.h"

#include "pki/pki_time.h"

static void test_rules_have_names_and_texts(void **state)
{
    static const char *const names[] = {
        "alias_active", "entity",      "key",       "key_reserved", "key_quality", "same_key",   "renew_window",
        "same_names",   "attributes",  "subject",   "san",          "named",       "disguise",   "email",
        "not_the_ca",   "group_names", "own_names", "entity_name",  "key_usage",   "extensions", "extensions_fit",
        "validity"};
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

/* The same with what end entities, templates, renewals and rules on extensions bring */
static void random_settings(unsigned *seed)
{
    static const char *const templates[] = {NULL, NULL, "CN=${csr.CN},O=Example", "CN=${entity}",
                                            "CN=${user}-${csr.O}"};
    static const char *const sources[] = {"csr", "csr", "entity"};
    static const char *const rows[] = {NULL, "CN=dev7", "CN=dev7,O=Example", "CN=dev8", "CN=${user}"};
    static const char *const san[] = {"dns:dev7.example", "dns:dev7.example", "ip:10.0.0.1", "a"};
    static const char *const names[] = {"keyUsage", "extendedKeyUsage", "1.2.3.4.5"};
    static const char *const actions[] = {"ignore", "copy", "copy", "require", "refuse"};
    static const char *const changed[] = {NULL, "CN=dev7", "CN=dev8,O=Example", ""};
    static const char *const usages[] = {"digitalSignature", "digitalSignature", "keyEncipherment"};

    t.alias.mode = next_random(seed) % 2 ? POLICY_MODE_CLIENT : POLICY_MODE_RA;
    t.alias.name_scheme = (policy_name_scheme_t)(next_random(seed) % 3);
    t.identity.name = t.client.user = "dev7";
    t.alias.change_subject = next_random(seed) % 4 != 0;
    t.alias.renew_window = next_random(seed) % 4 ? 0 : 86400;
    t.alias.same_key = (policy_same_key_t)(next_random(seed) % 3);
    t.alias.reenroll_by_password = next_random(seed) % 2 != 0;
    t.identity.kind = (policy_identity_kind_t)(POLICY_IDENTITY_USER + next_random(seed) % 5);
    t.entity.subject = pick(seed, rows, 5);
    t.entity.san = &san[next_random(seed) % 4];
    t.entity.n_san = next_random(seed) % 2 != 0;
    t.entity.suspended = next_random(seed) % 8 == 0;
    t.identity.entity = t.alias.mode == POLICY_MODE_CLIENT && next_random(seed) % 8 ? &t.entity : NULL;
    t.rows.profile.subject_template = pick(seed, templates, 5);
    t.san_rules[0].source = pick(seed, sources, 3);
    t.rows.n_exts = next_random(seed) % 2 ? 2 : 1;
    t.exts[0].value = t.rows.n_exts == 2 ? "digitalSignature" : pick(seed, usages, 3);
    t.request_exts[0] = (policy_request_ext_row_t){pick(seed, names, 3), pick(seed, actions, 5)};
    t.rows.n_request_exts = next_random(seed) % 2 != 0;
    if (next_random(seed) % 8 == 0)
        change_names(pick(seed, changed, 4), next_random(seed) % 2 ? "DNS:dev7.example" : "DNS:dev8.example");
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
    unsigned seed = 1, grants[2] = {0, 0};

    (void)state;
    for (int round = 0; round < 3000; round++) {
        const policy_request_t *judged;
        policy_grant_t *decided = NULL, *explained;
        const policy_finding_t *findings;
        est_err_t *err;
        int n, failed = -1;

        random_request(&seed);
        if (next_random(&seed) % 2)
            t.identity.cert = &cert;
        if (round >= 1000) {
            random_settings(&seed);
            if (t.identity.kind != POLICY_IDENTITY_USER && t.identity.kind != POLICY_IDENTITY_ENTITY)
                t.identity.cert = &cert;
        }
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
            grants[round >= 1000]++;
            assert_true(failed < 0 && explained);
            assert_same_grant(decided, explained);
        }
    }
    assert_true(grants[0] > 20 && grants[0] < 980 && grants[1] > 20 && grants[1] < 1980);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_rules_have_names_and_texts),
        EST_TEST(test_a_good_request_is_granted),
        EST_TEST(test_alias_active),
        EST_TEST(test_without_profile_nothing_else_is_explained),
        EST_TEST(test_validity),
        EST_TEST(test_validity_is_in_whole_seconds),
        EST_TEST(test_a_profile_has_as_many_extensions_as_fit),
        EST_TEST(test_the_first_rule_that_fails_is_named),
        EST_TEST(test_the_explanation_agrees_with_the_decision),
    };
    return EST_TEST_RUN(tests);
}
