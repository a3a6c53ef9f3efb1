/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FORWARD_TEST_H
#define FORWARD_TEST_H

/* An upstream CA for the tests of est_issue() where one issues: a local CA signs for it, and tests say what it answers.
 * Each test begins with start(). */

#include "op_test.h"

#define ORDER "00112233-4455-6677-8899-aabbccddeeff"
#define UPSTREAM "https://ca.example/est"

static struct {
    ca_t ca;
    ca_t *signer;   /* a local CA that signs for it */
    est_err_t *err; /* what it fails with; NULL: it issues */
    ca_answer_t answer; /* besides the certificate */
    int waits;
    const char *other_subject; /* which it puts into the certificate; NULL: what was granted */
    int calls;
    ca_request_t seen;
} up;

static inline est_err_t *up_facts(ca_t *ca, const ca_facts_t **out, apr_pool_t *request)
{
    (void)ca;
    return up.signer->driver->facts(up.signer, out, request);
}

static inline est_err_t *up_issue(ca_t *ca, ca_answer_t *answer, const ca_request_t *request, apr_pool_t *request_pool)
{
    ca_request_t local = *request;
    const ca_request_t copy = *request; /* as drivers do that have found newer certificates of the CA */
    pki_tbs_t tbs = *request->tbs;

    assert_ptr_equal(ca, &up.ca);
    up.calls++;
    up.seen = *request;
    *answer = up.answer;
    if (up.err || up.waits)
        return up.err;
    tbs.serial[19] = 0x42;
    if (up.other_subject)
        tbs.subject = name_of(up.other_subject)->der;
    local.tbs = &tbs;
    ASSERT_OK(up.signer->driver->issue(up.signer, answer, &local, request_pool));
    return request->check(&copy, answer->der, request_pool);
}

static const ca_driver_t up_driver = {.name = "upstream", .remote = 1, .facts = up_facts, .issue = up_issue};

static inline void start(void)
{
    op_start();
    memset(&up, 0, sizeof(up));
    up.signer = op.cas[0];
    up.ca.driver = &up_driver;
    up.ca.name = "issuing";
    up.ca.lease = 15;
    up.answer.upstream = UPSTREAM;
    op.cas[0] = &up.ca;
}

static inline pki_csr_t *some_csr(void)
{
    return op_csr(&(csr_spec_t){.subject = "CN=dev7"});
}

static inline void to_forward(void)
{
    op_order_says((store_outcome_t){
        .kind = STORE_FORWARD, .order = ORDER, .attempt = 3, .csr = some_csr()->der, .retry_after = 77});
}

static inline est_err_t *ask_with(est_issued_t *issued, const pki_csr_t *csr)
{
    return est_issue(issued, op_granted("/simpleenroll", "dev7", NULL), &op.service, csr);
}

/* dev7 asks for its own name */
static inline est_err_t *ask(est_issued_t *issued)
{
    return ask_with(issued, some_csr());
}

static store_issue_t seen_row;
static unsigned char seen_issuer[PKI_SHA256_SIZE];

static inline void keep_row(const store_issue_t *row)
{
    seen_row = *row;
    memcpy(seen_issuer, row->issuer_hash, sizeof(seen_issuer));
}

static inline void assert_failed(const char *rule)
{
    assert_int_equal(op.store.forward_calls, 1);
    assert_int_equal(op.store.forwarded.kind, STORE_FORWARD_FAILED);
    assert_string_equal(op.store.forwarded.rule, rule);
    assert_string_equal(op.store.forwarded.order, ORDER);
    assert_int_equal(op.store.forwarded.attempt, 3);
    assert_int_equal(op.store.refusal_calls, 0);
}

#endif
