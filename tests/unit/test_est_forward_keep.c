/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* What a driver has put on record in the midst of its exchange with the CA. */
#include "op_test.h"

#define ORDER "00112233-4455-6677-8899-aabbccddeeff"
#define UPSTREAM "https://ca.example/cmp"

static ca_t *signer; /* whose certificates the CA has */
static est_err_t *keep_err;
static store_forward_t kept;
static int kept_calls;

static est_err_t *facts(ca_t *ca, const ca_facts_t **out, apr_pool_t *request)
{
    (void)ca;
    return signer->driver->facts(signer, out, request);
}

/* Gets half way, and no further */
static est_err_t *issue(ca_t *ca, ca_answer_t *answer, const ca_request_t *request, apr_pool_t *request_pool)
{
    const ca_request_t copy = *request; /* as drivers may do */

    (void)ca;
    keep_err = request->keep(&copy, UPSTREAM, est_slice_of("half way"), request_pool);
    kept = op.store.forwarded;
    kept_calls = op.store.forward_calls;
    answer->upstream = UPSTREAM;
    return EST_FAIL(request_pool, ca_timeout, "no answer");
}

static const ca_driver_t driver = {.name = "upstream", .remote = 1, .facts = facts, .issue = issue};

static void start(void)
{
    ca_t *ca = apr_pcalloc(pool, sizeof(*ca));

    op_start();
    signer = op.cas[0];
    *ca = (ca_t){.driver = &driver, .name = "issuing", .lease = 15};
    op.cas[0] = ca;
}

static est_err_t *ask(void)
{
    est_slice_t der = make_csr(&(csr_spec_t){.subject = "CN=dev7", .key = op.key});
    est_issued_t issued;
    pki_csr_t *csr;

    op.store.orders[op.store.n_orders++] =
        (store_outcome_t){.kind = STORE_FORWARD, .order = ORDER, .attempt = 3, .csr = der, .retry_after = 77};
    ASSERT_OK(pki_csr_decode(&csr, der, pool));
    return est_issue(&issued, op_granted("/simpleenroll", "dev7", NULL), &op.service, csr);
}

/* The order stays this process's, and whoever takes it over goes on from there */
static void test_what_a_driver_has_kept_is_in_the_row_before_the_exchange_goes_on(void **state)
{
    (void)state;
    start();
    ASSERT_FAILS(ask(), ca_timeout, "no answer");
    ASSERT_OK(keep_err);
    assert_int_equal(kept_calls, 1);
    assert_int_equal(kept.kind, STORE_FORWARD_KEPT);
    assert_string_equal(kept.order, ORDER);
    assert_int_equal(kept.attempt, 3);
    assert_string_equal(kept.upstream, UPSTREAM);
    ASSERT_SLICE(kept.state, est_slice_of("half way"));
    assert_int_equal(op.store.forward_calls, 2); /* and what became of it */
    assert_int_equal(op.store.forwarded.kind, STORE_FORWARD_UNSURE);
}

static void test_a_driver_is_told_that_it_is_not_on_record(void **state)
{
    (void)state;
    start();
    op.store.forward_error = EST_FAIL(pool, store_unavailable, "no database");
    ASSERT_FAILS(ask(), ca_timeout, "no answer");
    ASSERT_FAILS(keep_err, store_unavailable, "no database");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_what_a_driver_has_kept_is_in_the_row_before_the_exchange_goes_on),
        EST_TEST(test_a_driver_is_told_that_it_is_not_on_record),
    };
    return EST_TEST_RUN(tests);
}
