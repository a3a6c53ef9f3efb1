/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../unit/op_test.h"

#include "fuzz.h"

#include "der_mutator.h"
#include "op/op_enroll.h"
#include "pki/pki_der.h"
#include "pki/pki_text.h"

#include <openssl/err.h>

/*
 * A whole enrolment behind the transport: body, request, proof of possession, policy, signature, record. The input is
 * two octets of options and a certificate request; the mutator signs it, so that it gets as far as policy.
 */

#define OPTIONS 2
/* Of the first octet */
enum { AS_ENVELOPE = 3, AS_RA = 4, AS_REENROLMENT = 8, STRICT = 16, BOUND = 32, ALIAS_SHIFT = 6 };
/* Of the second */
enum { POLICY_CHANGES = 1, NAMED_BY_SAN = 2, NEEDS_APPROVAL = 4, WAITS = 8 };

DER_MUTATOR(OPTIONS, DER_MUTATOR_SIGN)

#define SUBJECT_RULE(name, text, what)                                                                                 \
    {                                                                                                                  \
        .attribute = name, .required = "f", .pattern = text, .max_count = "2", .on_violation = what                    \
    }
#define SAN_RULE(kind, text, what)                                                                                     \
    {                                                                                                                  \
        .type = kind, .required = "f", .pattern = text, .max_count = "10", .on_violation = what, .source = "csr"       \
    }

/* Takes everything that a profile can allow */
static const policy_subject_row_t wide_subject[] = {
    SUBJECT_RULE("CN", "**", "refuse"),
    SUBJECT_RULE("O", "**", "refuse"),
    SUBJECT_RULE("OU", "**", "refuse"),
    SUBJECT_RULE("C", "**", "refuse"),
    SUBJECT_RULE("L", "**", "refuse"),
    SUBJECT_RULE("ST", "**", "refuse"),
    SUBJECT_RULE("serialNumber", "**", "refuse"),
    SUBJECT_RULE("emailAddress", "**", "refuse"),
    SUBJECT_RULE("UID", "**", "refuse"),
    SUBJECT_RULE("DC", "**", "refuse"),
    SUBJECT_RULE("dnQualifier", "**", "refuse"),
    SUBJECT_RULE("pseudonym", "**", "refuse"),
};
static const policy_san_row_t wide_san[] = {
    SAN_RULE("dns", "**", "refuse"),
    SAN_RULE("ip", "**", "refuse"),
    SAN_RULE("uri", "**", "refuse"),
    SAN_RULE("email", "**", "refuse"),
};
/* Leaves out what it does not take, by patterns that make the matcher try */
static const policy_subject_row_t narrow_subject[] = {SUBJECT_RULE("CN", "*e*v*", "drop"),
                                                      SUBJECT_RULE("O", "Example", "drop")};
static const policy_san_row_t narrow_san[] = {
    SAN_RULE("dns", "*.example", "drop"), SAN_RULE("ip", "10.0.0.0/8", "drop"),
    SAN_RULE("uri", "https://**.example/**", "drop"), SAN_RULE("email", "*@c.example", "drop")};

static est_err_t *load_policy(store_t *store, policy_snapshot_t **out, apr_pool_t *own)
{
    policy_profile_rows_t profiles[2] = {{.profile = GOOD_PROFILE}, {.profile = GOOD_PROFILE}};
    policy_alias_row_t aliases[4] = {GOOD_ALIAS, GOOD_ALIAS, GOOD_ALIAS, GOOD_ALIAS};
    policy_rows_t rows = {.version = ((op_store_t *)store)->version,
                          .aliases = aliases,
                          .n_aliases = 4,
                          .profiles = profiles,
                          .n_profiles = 2,
                          .groups = &((op_store_t *)store)->group,
                          .n_groups = 1};

    profiles[0].subject_rules = wide_subject;
    profiles[0].n_subject_rules = sizeof(wide_subject) / sizeof(wide_subject[0]);
    profiles[0].san_rules = wide_san;
    profiles[0].n_san_rules = sizeof(wide_san) / sizeof(wide_san[0]);
    profiles[0].profile.keys = profiles[1].profile.keys = "ec:P-256,P-384,P-521\nrsa:2048-8192\ned25519\ned448";
    profiles[0].profile.dns_wildcards = "t";
    profiles[1].profile.id = "2";
    profiles[1].profile.name = "narrow";
    profiles[1].profile.subject_other = profiles[1].profile.san_other = "drop";
    profiles[1].subject_rules = narrow_subject;
    profiles[1].n_subject_rules = sizeof(narrow_subject) / sizeof(narrow_subject[0]);
    profiles[1].san_rules = narrow_san;
    profiles[1].n_san_rules = sizeof(narrow_san) / sizeof(narrow_san[0]);

    aliases[1].id = "2";
    aliases[1].name = "narrow";
    aliases[2].id = "3";
    aliases[2].name = "bound";
    aliases[2].binding = "required";
    aliases[2].enroll_chain = "t";
    aliases[3].id = "4";
    aliases[3].name = "unbound";
    aliases[3].binding = "off";
    aliases[3].idempotency = "0";
    aliases[1].profile_id = aliases[3].profile_id = "2";
    return policy_snapshot_make(out, &rows, own);
}

/* ---- what is recorded */

static est_slice_t recorded;

static void check_names(const char *subject, const pki_sans_t *san)
{
    FUZZ_ASSERT(!pki_text_flaw(subject, strlen(subject)));
    for (int i = 0; i < san->n_names; i++)
        FUZZ_ASSERT(!pki_text_flaw(san->names[i].value, strlen(san->names[i].value)));
}

static void remember(const store_issue_t *issue)
{
    recorded = issue->der;
    check_names(issue->subject, issue->san);
}

static void check_order(const store_issue_t *issue)
{
    FUZZ_ASSERT(issue->order_key && !pki_der_check(issue->csr, pool) && !issue->der.n);
    check_names(issue->subject, issue->san);
}

static void check_refusal(const store_refusal_t *refusal)
{
    FUZZ_ASSERT(refusal->identity->kind != POLICY_IDENTITY_NONE && *refusal->rule);
    FUZZ_ASSERT(!pki_text_flaw(refusal->reason, strlen(refusal->reason)));
    check_names(refusal->subject, refusal->san);
}

static void check_purposes(X509 *cert)
{
    FUZZ_ASSERT(!(X509_get_extension_flags(cert) & (EXFLAG_INVALID | EXFLAG_CA)) && X509_check_ca(cert) == 0);
    for (int i = 0; i < X509_get_ext_count(cert); i++) {
        X509_EXTENSION *ext = X509_get_ext(cert, i);
        void *value = X509V3_EXT_d2i(ext);

        FUZZ_ASSERT(value);
        FUZZ_ASSERT(X509_get_ext_by_OBJ(cert, X509_EXTENSION_get_object(ext), i) == -1);
        ASN1_item_free(value, ASN1_ITEM_ptr(X509V3_EXT_get(ext)->it));
    }
}

/* A certificate that others can read, for the key that asked, of nobody but who asked */
static void check_certificate(const pki_csr_t *csr, const est_req_t *req)
{
    const unsigned char *p = recorded.p;
    X509 *cert = d2i_X509(NULL, &p, (long)recorded.n);
    char name[256];

    FUZZ_ASSERT(cert && p == recorded.p + recorded.n && !pki_der_check(recorded, pool));
    FUZZ_ASSERT(EVP_PKEY_eq(X509_get0_pubkey(cert), csr->key->pkey) == 1 && X509_verify(cert, op.ca_key) == 1);
    check_purposes(cert);
    if (!req->leaf && !strcmp(req->cred.user, "dev7") &&
        X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof(name)) >= 0)
        FUZZ_ASSERT(!strcmp(name, "dev7"));
    if (req->op->op == POLICY_OP_REENROLL)
        FUZZ_ASSERT(X509_NAME_cmp(X509_get_subject_name(cert), X509_get_subject_name(req->leaf)) == 0);
    X509_free(cert);
}

/* ---- requests */

static X509 *holder, *holder_by_san;

static void start(void)
{
    static const store_vtable_t vtable = {.load_policy = load_policy,
                                          .policy_version = op_policy_version,
                                          .client_get = op_client_get,
                                          .record_issued = op_record_issued,
                                          .holder_status = op_holder_status,
                                          .order_open = op_order_open,
                                          .record_refused = op_record_refused,
                                          .client_by_certificate = op_client_by_certificate,
                                          .entity_get = op_entity_get};

    pool = fuzz_pool(); /* for good */
    op_start();
    op.store.base.vt = &vtable;
    op.store.on_issue = remember;
    op.store.on_order = check_order;
    op.store.on_refusal = check_refusal;
    op.store.orders[0] = (store_outcome_t){.kind = STORE_PENDING, .retry_after = 60};
    holder = op_holder("CN=dev7", NULL);
    holder_by_san = op_holder("CN=dev7,O=Example", "subjectAltName=DNS:a.example,IP:10.0.0.1");
}

static est_slice_t envelope(est_slice_t der, int which)
{
    static const char begin[] = "-----BEGIN CERTIFICATE REQUEST-----\n", end[] = "-----END CERTIFICATE REQUEST-----\n";

    switch (which) {
    case 0:
        return text(est_base64_encode(der, 0, NULL, pool));
    case 1:
        return text(est_base64_encode(der, 64, NULL, pool));
    case 2:
        return text(apr_pstrcat(pool, begin, est_base64_encode(der, 64, NULL, pool), end, NULL));
    default:
        return der;
    }
}

static est_req_t *make_request(unsigned first, unsigned second)
{
    static const char *const paths[2][4] = {
        {"/simpleenroll", "/narrow/simpleenroll", "/bound/simpleenroll", "/unbound/simpleenroll"},
        {"/simplereenroll", "/narrow/simplereenroll", "/bound/simplereenroll", "/unbound/simplereenroll"}};
    const char *path = paths[(first & AS_REENROLMENT) != 0][first >> ALIAS_SHIFT & 3];
    est_req_t *req;

    op.binding = first & BOUND ? text("a value") : est_slice(NULL, 0);
    op.store.issue_calls = op.store.order_calls = 0;
    op.store.outcomes[0] =
        (store_outcome_t){.kind = STORE_STALE, .rule = second & NEEDS_APPROVAL ? "approval" : "policy"};
    op.store.n_outcomes = (second & (POLICY_CHANGES | NEEDS_APPROVAL)) != 0;
    op.store.n_orders = (second & WAITS) != 0;
    if (first & AS_REENROLMENT)
        req = op_granted(path, NULL, second & NAMED_BY_SAN ? holder_by_san : holder);
    else
        req = op_granted(path, first & AS_RA ? "ra" : "dev7", NULL);
    req->strict_body = (first & STRICT) != 0;
    return req;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *service_pool;
    est_slice_t der = size > OPTIONS ? est_slice(data + OPTIONS, size - OPTIONS) : est_slice(NULL, 0);
    unsigned first = size > 0 ? data[0] : 0, second = size > 1 ? data[1] : 0;
    est_resp_t resp = {0};
    est_req_t *req;
    est_err_t *err;
    pki_csr_t *csr;

    if (!service_pool) {
        start();
        service_pool = pool;
    }
    pool = fuzz_pool();
    op.body = envelope(der, first & AS_ENVELOPE);
    recorded.n = 0;
    req = make_request(first, second);
    err = op_enroll(&resp, req, &op.service);
    if (err) {
        const est_err_row_t *row = est_err_row(err->code);

        if (row->status != 400 && row->status != 403)
            fail_msg("%s: %s", row->name, est_err_text(err));
        FUZZ_ASSERT(op.store.issue_calls == 0 && !resp.status);
    } else if ((second & (NEEDS_APPROVAL | WAITS)) == (NEEDS_APPROVAL | WAITS)) {
        FUZZ_ASSERT(resp.status == 202 && resp.retry_after == 60 && !resp.length && op.store.issue_calls == 1);
    } else {
        FUZZ_ASSERT(resp.status == 200 && resp.length && op.store.issue_calls == 1 + op.store.n_outcomes);
        ASSERT_OK(pki_csr_decode(&csr, der, pool));
        check_certificate(csr, req);
    }
    FUZZ_ASSERT(ERR_peek_error() == 0);
    apr_pool_destroy(pool);
    pool = service_pool;
    return 0;
}
