/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Which upstream gets a request, and what is said when none takes it */
#include "remote_test.h"

/* What an attempt is to do at an upstream, and what has come */
typedef struct {
    const char *upstream;
    const char *fails; /* name of an error; NULL: a certificate */
    const char *detail;
    int retry_after;
    apr_interval_time_t takes;
} script_t;

typedef struct {
    const char *upstream;
    int resume;
    apr_interval_time_t left; /* until the deadline */
    est_slice_t state;
    const char *request_upstream;
} call_t;

static const script_t *plan; /* ends with upstream NULL */
static call_t calls[16];
static int n_calls;

static void start(const char *const *urls)
{
    prepare(urls);
    ASSERT_OK(ca_remote_open(&t.remote, &t.config, "https http", pool));
    ASSERT_OK(ca_remote_start(&t.remote, &t.env, pool));
}

static est_err_code_t code_of(const char *name)
{
    for (int i = 0; i < EST_E__COUNT; i++)
        if (!strcmp(est_err_row((est_err_code_t)i)->name, name))
            return (est_err_code_t)i;
    fail_msg("there is no error %s", name);
    return EST_E_internal;
}

static est_err_t *attempt(ca_remote_t *remote, const char *upstream, int resume, ca_answer_t *answer,
                          const ca_request_t *request, apr_time_t deadline, apr_pool_t *p)
{
    call_t *call = &calls[n_calls++];

    assert_ptr_equal(remote, &t.remote);
    assert_true(n_calls < (int)(sizeof(calls) / sizeof(calls[0])));
    assert_int_equal(answer->der.n + answer->state.n, 0);
    assert_null(answer->upstream);
    call->upstream = upstream;
    call->resume = resume;
    call->left = deadline - t.now;
    call->state = request->state;
    call->request_upstream = request->upstream;
    for (const script_t *s = plan; s && s->upstream; s++)
        if (!strcmp(s->upstream, upstream)) {
            t.now += s->takes;
            if (!s->fails)
                break;
            est_err_t *err = est_err_make(p, code_of(s->fails), __FILE__, __LINE__, "%s", s->detail);
            err->retry_after = s->retry_after;
            if (!strcmp(s->fails, "ca_wrong"))
                answer->der = text("wrong");
            return err;
        }
    answer->der = text("certificate");
    return NULL;
}

static est_err_t *try(const script_t *script)
{
    plan = script;
    n_calls = 0;
    memset(calls, 0, sizeof(calls));
    return ca_remote_try(&t.remote, &t.answer, &t.request, attempt, pool);
}

static void assert_calls(const char *first, const char *second, const char *third)
{
    const char *const wanted[] = {first, second, third};

    for (int i = 0; i < 3; i++)
        if (wanted[i])
            assert_string_equal(calls[i].upstream, wanted[i]);
        else
            assert_null(calls[i].upstream);
}

/* The gate of an upstream, of which all places are taken */
static void fill(int number, int *places)
{
    ca_gate_t *gate = (ca_gate_t *)((char *)t.remote.ca.gates + (apr_size_t)number * ca_gate_size());
    int wait;

    for (int i = 0; i < t.remote.rules.places; i++)
        assert_int_equal(ca_gate_enter(&places[i], &wait, gate, &t.remote.rules, t.now), CA_GATE_OPEN);
}

/* ---- fail-over */

static void test_the_first_that_answers(void **state)
{
    static const script_t down[] = {{A, "ca_unavailable", "refused", 0, SECOND}, {NULL}};

    (void)state;
    start(three);
    ASSERT_OK(try(NULL));
    assert_calls(A, NULL, NULL);
    assert_string_equal(t.answer.upstream, A);
    ASSERT_SLICE(t.answer.der, text("certificate"));
    assert_int_equal(calls[0].left, 10 * SECOND);
    assert_int_equal(calls[0].resume, 0);

    ASSERT_OK(try(down));
    assert_calls(A, B, NULL);
    assert_string_equal(t.answer.upstream, B);
    assert_int_equal(calls[1].left, 9 * SECOND); /* what is left */
    assert_string_equal(t.log, "");
}

static void test_answers_end_it(void **state)
{
    static const struct {
        const char *error, *upstream;
    } rows[] = {{"ca_timeout", A}, {"ca_refused", A},      {"ca_answer", A},
                {"ca_wrong", A},   {"alias_broken", NULL}, {"internal", NULL}};

    (void)state;
    start(three);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        script_t script[] = {{A, rows[i].error, "so it is", 0, 0}, {NULL}};

        ASSERT_ROW(try(script), code_of(rows[i].error), "so it is", rows[i].error);
        assert_calls(A, NULL, NULL);
        if (rows[i].upstream)
            assert_string_equal(t.answer.upstream, rows[i].upstream);
        else
            assert_null(t.answer.upstream);
        assert_int_equal(t.answer.der.n, strcmp(rows[i].error, "ca_wrong") ? 0 : 5);
    }
}

static void test_nobody_answers(void **state)
{
    static const script_t down[] = {{A, "ca_unavailable", "a.example.com: refused", 0, 0},
                                    {B, "ca_unavailable", "no address", 0, 0},
                                    {C, "ca_unavailable", "busy", 7, 0},
                                    {NULL}};

    (void)state;
    start(three);
    est_err_t *err = try(down);
    ASSERT_FAILS(err, ca_unavailable,
                 "a.example.com: refused; http://b.example.com/est: no address; http://c.example.com/est: busy");
    assert_int_equal(err->retry_after, 7); /* the shortest */
    assert_null(t.answer.upstream);
    assert_string_equal(t.log, "");
    try(down); /* the second failure */
    assert_string_equal(t.log, "3 upstream http://a.example.com/est of <EstCA far> is left alone for 10 s: "
                               "a.example.com: refused\n"
                               "3 upstream http://b.example.com/est of <EstCA far> is left alone for 10 s: "
                               "http://b.example.com/est: no address\n"
                               "3 upstream http://c.example.com/est of <EstCA far> is left alone for 10 s: "
                               "http://c.example.com/est: busy\n");
    t.now += 4 * SECOND;
    err = try(down);
    ASSERT_FAILS(err, ca_unavailable, "http://b.example.com/est is left alone for 6 s after it failed; ");
    assert_int_equal(err->retry_after, 6);
    assert_calls(NULL, NULL, NULL);
}

/* Whatever number an upstream sends */
static void test_a_client_waits_a_day_at_most(void **state)
{
    static const char *const one[] = {A, NULL};
    static const script_t down[] = {{A, "ca_unavailable", "a.example.com: in a year", INT_MAX, 0}, {NULL}};

    (void)state;
    start(one);
    est_err_t *err = try(down);
    ASSERT_FAILS(err, ca_unavailable, "in a year");
    assert_int_equal(err->retry_after, 24 * 3600);
}

static void test_it_comes_back(void **state)
{
    static const script_t down[] = {{A, "ca_timeout", "hangs", 0, 0}, {NULL}};

    (void)state;
    start(three);
    ASSERT_FAILS(try(down), ca_timeout, NULL);
    ASSERT_FAILS(try(down), ca_timeout, NULL);
    t.log = "";
    ASSERT_OK(try(down)); /* closed: the next one */
    assert_calls(B, NULL, NULL);
    t.now += 11 * SECOND;
    ASSERT_OK(try(NULL));
    assert_calls(A, NULL, NULL);
    assert_string_equal(t.log, "2 upstream http://a.example.com/est of <EstCA far> answers again\n");
}

/* What it says no to, it has answered */
static void test_a_refusal_is_no_failure(void **state)
{
    static const script_t refuses[] = {{A, "ca_refused", "no", 0, 0}, {NULL}};

    (void)state;
    start(three);
    for (int i = 0; i < 5; i++)
        ASSERT_FAILS(try(refuses), ca_refused, "no");
    assert_string_equal(t.log, "");
}

static void test_full_upstreams(void **state)
{
    static const script_t busy[] = {{C, "ca_busy", "429", 30, 0}, {NULL}};
    static const script_t down[] = {{C, "ca_unavailable", "refused", 0, 0}, {NULL}};
    int places[CA_GATE_MAX];

    (void)state;
    start(three);
    fill(0, places);
    ASSERT_OK(try(NULL));
    assert_calls(B, NULL, NULL);
    fill(1, places);
    est_err_t *err = try(busy);
    ASSERT_FAILS(err, ca_busy, "http://a.example.com/est: 2 requests are there already; ");
    assert_in_range(err->retry_after, 1, 5);
    assert_calls(C, NULL, NULL);
    ASSERT_FAILS(try(down), ca_unavailable, "refused");
    fill(2, places);
    err = try(NULL);
    ASSERT_FAILS(err, ca_busy, "http://c.example.com/est: 2 requests are there already");
    assert_in_range(err->retry_after, 1, 5);
    assert_calls(NULL, NULL, NULL);
    assert_null(t.answer.upstream);
}

static void test_time_is_shared(void **state)
{
    static const script_t slow[] = {{A, "ca_unavailable", "no connection", 0, 6 * SECOND},
                                    {B, "ca_unavailable", "no connection", 0, 5 * SECOND},
                                    {NULL}};

    (void)state;
    start(three);
    est_err_t *err = try(slow);
    ASSERT_FAILS(err, ca_unavailable, "http://c.example.com/est: no time was left to ask it");
    assert_calls(A, B, NULL);
    assert_int_equal(calls[1].left, 4 * SECOND);
}

/* ---- requests that are somewhere already */

static void test_a_request_that_may_be_there_goes_there_first(void **state)
{
    static const script_t down[] = {{B, "ca_unavailable", "refused", 0, 0}, {NULL}};
    static const script_t all_down[] = {{A, "ca_unavailable", "refused", 0, 0},
                                        {B, "ca_unavailable", "refused", 0, 0},
                                        {C, "ca_unavailable", "refused", 0, 0},
                                        {NULL}};

    (void)state;
    start(three);
    t.request.upstream = B;
    ASSERT_OK(try(NULL));
    assert_calls(B, NULL, NULL);
    assert_int_equal(calls[0].resume, 1);
    assert_string_equal(t.answer.upstream, B);
    ASSERT_OK(try(down));
    assert_calls(B, A, NULL);
    assert_int_equal(calls[1].resume, 0);
    assert_string_equal(t.answer.upstream, A);
    start(three);
    t.request.upstream = B;
    ASSERT_FAILS(try(all_down), ca_unavailable, NULL);
    assert_calls(B, A, C);
    assert_string_equal(t.answer.upstream, B); /* it may still have it */
}

static void test_a_request_that_may_be_where_it_is_full_waits(void **state)
{
    int places[CA_GATE_MAX];

    (void)state;
    start(three);
    t.request.upstream = B;
    fill(1, places);
    ASSERT_FAILS(try(NULL), ca_busy, "http://b.example.com/est: 2 requests are there already");
    assert_calls(NULL, NULL, NULL);
    assert_string_equal(t.answer.upstream, B);
}

static void test_a_request_that_waits_goes_there_alone(void **state)
{
    static const script_t down[] = {{B, "ca_unavailable", "refused", 0, 0}, {NULL}};
    static const script_t slow[] = {{B, "ca_timeout", "hangs", 0, 0}, {NULL}};

    (void)state;
    start(three);
    t.request.upstream = B;
    t.request.state = text("transaction 7");
    ASSERT_OK(try(NULL));
    assert_calls(B, NULL, NULL);
    ASSERT_SLICE(calls[0].state, text("transaction 7"));
    assert_int_equal(t.answer.state.n, 0);
    ASSERT_FAILS(try(slow), ca_timeout, "hangs");
    assert_string_equal(t.answer.upstream, B);
    ASSERT_SLICE(t.answer.state, text("transaction 7"));
    ASSERT_FAILS(try(down), ca_unavailable, "refused");
    assert_calls(B, NULL, NULL);
    assert_string_equal(t.answer.upstream, B);
    ASSERT_SLICE(t.answer.state, text("transaction 7"));
    est_err_t *err = try(down); /* closed by now */
    ASSERT_FAILS(err, ca_unavailable, "left alone");
    assert_int_equal(err->retry_after, 10);
    assert_calls(NULL, NULL, NULL);
}

/* Who has it is configured no more: the others have not heard of it */
static void test_a_request_at_an_upstream_that_is_gone_begins_anew(void **state)
{
    static const script_t down[] = {{A, "ca_unavailable", "refused", 0, 0},
                                    {B, "ca_unavailable", "refused", 0, 0},
                                    {C, "ca_unavailable", "refused", 0, 0},
                                    {NULL}};

    (void)state;
    start(three);
    t.request.upstream = "http://gone.example.com";
    t.request.state = text("transaction 7");
    ASSERT_OK(try(NULL));
    assert_calls(A, NULL, NULL);
    assert_int_equal(calls[0].resume, 0);
    assert_int_equal(calls[0].state.n, 0);
    assert_null(calls[0].request_upstream);
    ASSERT_FAILS(try(down), ca_unavailable, NULL);
    assert_null(t.answer.upstream);
    assert_int_equal(t.answer.state.n, 0);
}

/* The gates of every process are the same memory */
static void test_gates_are_where_they_were_put(void **state)
{
    static const script_t down[] = {{A, "ca_timeout", "hangs", 0, 0}, {NULL}};

    (void)state;
    start(three);
    char *shared = apr_pcalloc(pool, ca_shared_size(&t.remote.ca));
    ca_share(&t.remote.ca, shared);
    ASSERT_FAILS(try(down), ca_timeout, NULL);
    int used = 0;
    for (apr_size_t i = 0; i < ca_shared_size(&t.remote.ca); i++)
        used |= shared[i] != 0;
    assert_true(used);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_the_first_that_answers),
        EST_TEST(test_answers_end_it),
        EST_TEST(test_nobody_answers),
        EST_TEST(test_a_client_waits_a_day_at_most),
        EST_TEST(test_it_comes_back),
        EST_TEST(test_a_refusal_is_no_failure),
        EST_TEST(test_full_upstreams),
        EST_TEST(test_time_is_shared),
        EST_TEST(test_a_request_that_may_be_there_goes_there_first),
        EST_TEST(test_a_request_that_may_be_where_it_is_full_waits),
        EST_TEST(test_a_request_that_waits_goes_there_alone),
        EST_TEST(test_a_request_at_an_upstream_that_is_gone_begins_anew),
        EST_TEST(test_gates_are_where_they_were_put),
    };

    return EST_TEST_RUN(tests);
}
