/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DECIDE_TEST_H
#define DECIDE_TEST_H

/* What the tests of policy_decide.c share: one request, and what is said of it. */

#include "policy_test.h"

#include "policy/policy_decide.h"
#include "policy/policy_names.h"

/* A request that passes every rule; tests change one thing in it, then call judge() */
static struct {
    policy_subject_row_t subject_rules[4];
    policy_san_row_t san_rules[4];
    pki_ext_row_t exts[2];
    policy_request_ext_row_t request_exts[4];
    policy_profile_rows_t rows;
    const char *patterns[1];
    policy_group_t group;
    policy_alias_t alias;
    const char *name_attributes[1];
    const char *names[1];
    policy_client_t client;
    policy_identity_t identity;
    policy_entity_t entity; /* for identity.entity */
    csr_spec_t csr;
    pki_req_attr_t attrs[2]; /* of the request, put into it once it was read */
    int n_attrs;
    pki_cert_t ca_certs[2]; /* the CA that signs, and the root */
    const pki_cert_t *chain[2];
    pki_issuer_t ca;
    policy_request_t request;
} t;

static inline void good_request(void)
{
    memset(&t, 0, sizeof(t));
    t.subject_rules[0] = (policy_subject_row_t)GOOD_SUBJECT("CN");
    t.subject_rules[1] = (policy_subject_row_t)GOOD_SUBJECT("O");
    t.san_rules[0] = (policy_san_row_t)GOOD_SAN("dns");
    t.exts[0] = (pki_ext_row_t){"keyUsage", 1, "digitalSignature"};
    t.exts[1] = (pki_ext_row_t){"extendedKeyUsage", 0, "clientAuth"};
    t.rows = (policy_profile_rows_t){.profile = GOOD_PROFILE,
                                     .subject_rules = t.subject_rules,
                                     .n_subject_rules = 2,
                                     .san_rules = t.san_rules,
                                     .n_san_rules = 1,
                                     .exts = t.exts,
                                     .n_exts = 2,
                                     .request_exts = t.request_exts};
    t.patterns[0] = "**";
    t.group = (policy_group_t){.id = 5, .name = "devices", .names = t.patterns, .n_names = 1};
    t.alias = (policy_alias_t){.id = 1,
                               .name = "est",
                               .enabled = 1,
                               .profile_active = 1,
                               .group = &t.group,
                               .group_active = 1,
                               .name_attributes = t.name_attributes,
                               .n_name_attributes = 1,
                               .name_prefix = "",
                               .name_postfix = ""};
    t.name_attributes[0] = "CN";
    t.names[0] = "*";
    t.client = (policy_client_t){.id = 9, .user = "ra", .names = t.names, .n_names = 1, .enabled = 1};
    t.identity = (policy_identity_t){.kind = POLICY_IDENTITY_USER, .name = "ra", .client = &t.client};
    t.entity = (policy_entity_t){.id = 3, .version = 1, .name = "dev7", .preregistered = 1};
    t.csr = (csr_spec_t){.subject = "CN=dev7,O=Example", .exts = {"subjectAltName=DNS:dev7.example"}};
    t.request = (policy_request_t){
        .alias = &t.alias, .op = POLICY_OP_ENROLL, .identity = &t.identity, .now = TEST_NOW, .ca = &t.ca};
    t.request.random = "abcdefghijklmnopqrstuvwx";
    t.ca_certs[0] = (pki_cert_t){.subject = name_of("CN=CA,O=Example"),
                                 .not_before = TEST_NOW - 1000 * TEST_DAY,
                                 .not_after = TEST_NOW + 1000 * TEST_DAY};
    t.ca_certs[1] = (pki_cert_t){.subject = name_of("CN=Root,O=Example")};
    t.chain[0] = &t.ca_certs[0];
    t.chain[1] = &t.ca_certs[1];
    t.ca = (pki_issuer_t){t.chain, 2, hex("300a 0603551d23 0403 300180")};
}

/* What t says, as a request */
static inline const policy_request_t *request(void)
{
    policy_profile_t *profile;
    pki_csr_t *csr;

    if (t.rows.profile.id) {
        ASSERT_OK(policy_profile_make(&profile, &t.rows, pool));
        t.alias.profile = profile;
    }
    ASSERT_OK(pki_csr_decode(&csr, make_csr(&t.csr), pool));
    if (t.n_attrs) {
        csr->attrs = t.attrs;
        csr->n_attrs = t.n_attrs;
    }
    t.request.csr = csr;
    return &t.request;
}

/* ChangeSubjectName (RFC 6402 2.8) in the request; NULL = that part is absent */
static inline void change_names(const char *subject, const char *san)
{
    est_slice_t name = subject ? name_of(subject)->der : hex(""), names = hex("");

    if (san) {
        pki_sans_t sans = sans_of(san);
        unsigned char *implicit;

        names = est_slice_dup(pki_san_encode(&sans, pool), pool);
        implicit = apr_pmemdup(pool, names.p, names.n);
        implicit[0] = 0xa1;
        names.p = implicit;
    }
    t.attrs[0] = (pki_req_attr_t){"1.3.6.1.5.5.7.7.36", tlv(0x30, join(2, name, names))};
    t.n_attrs = 1;
}

static inline policy_grant_t *granted(void)
{
    policy_grant_t *grant;

    ASSERT_OK(policy_decide(&grant, request(), pool));
    return grant;
}

/* What is granted: "subject | names", or "rule: detail" */
static inline const char *verdict(void)
{
    const policy_request_t *judged = request();
    policy_grant_t *grant = NULL, *explained;
    est_err_t *err = policy_decide(&grant, judged, pool);
    int n;

    policy_explain(&explained, &n, judged, pool); /* which goes on where the decision ends */
    assert_int_equal(explained == NULL, err != NULL);
    if (err)
        return apr_pstrcat(pool, err->rule, ": ", err->detail ? err->detail : est_err_row(err->code)->text, NULL);
    return apr_pstrcat(pool, grant->subject->text, " | ", policy_names_text(&grant->san, pool), NULL);
}

/* wanted: all of it, or how it begins, up to "..." */
static inline void assert_verdict(const char *wanted, const char *reason)
{
    const char *got = verdict(), *dots = strstr(wanted, "...");

    if (dots ? strncmp(got, wanted, (size_t)(dots - wanted)) != 0 : strcmp(got, wanted) != 0)
        fail_msg("%s: %s", reason, got);
}

/* Fails by that rule, in a decision and in an explanation, where every other rule passes or has nothing to say */
static inline void assert_fails_alone(const char *rule, est_err_code_t code, const char *part)
{
    const policy_request_t *judged = request();
    policy_grant_t *grant = NULL;
    est_err_t *err = policy_decide(&grant, judged, pool);
    const policy_finding_t *findings;
    int n;

    ASSERT_ROW(err, code, part, rule);
    assert_null(grant);
    assert_string_equal(err->rule, rule);
    findings = policy_explain(&grant, &n, judged, pool);
    assert_null(grant);
    for (int i = 0; i < n; i++) {
        int is_it = !strcmp(findings[i].rule, rule);

        if ((findings[i].verdict == POLICY_FAIL) != is_it || (findings[i].err != NULL) != is_it)
            fail_msg("%s fails, and %s is %d", rule, findings[i].rule, (int)findings[i].verdict);
        if (is_it)
            assert_int_equal(findings[i].err->code, code);
    }
}

#endif
