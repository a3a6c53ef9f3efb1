/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef STORE_PG_TEST_H
#define STORE_PG_TEST_H

/* What the files of this test program share; in store_pg_test.c */

#include "store/store_pg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <apr_thread_proc.h>
#include <cmocka.h>
#include <libpq-fe.h>
#include <stdatomic.h>

typedef struct {
    apr_pool_t *pool;  /* of one test */
    const char *tools; /* programs start and stop, of the server */
    const char *dir;
    PGconn *admin;
    est_env_t env;
    atomic_int warnings, polling;
    store_t *store;
} store_test_t;
extern store_test_t t;

#define LIMIT apr_time_from_sec(20) /* for whatever is waited for */
#define MS APR_TIME_C(1000)

/* --- the world */

int real_random(const est_env_t *env, unsigned char *buf, apr_size_t len);
const char *conninfo(const char *port, const char *user, const char *db);
PGconn *connect_as(const char *user, const char *db);
store_t *open_store_at(const char *info, int size, apr_interval_time_t timeout);
store_t *open_store(int size, apr_interval_time_t timeout); /* of the server itself, as the module */
/* how: "fast", "immediate" */
void stop_server(const char *how);
void start_server(void);
/* One value of a statement, copied; the empty string when it returns none */
const char *sql_on(PGconn *pg, const char *fmt, ...);
#define sql(...) sql_on(t.admin, __VA_ARGS__) /* as superuser */
apr_int64_t policy_now(void);
/* Until the query says t; 0: it does not */
int comes_true(const char *query);
void wait_until(const char *query);
/* A statement of the store's waits for a lock */
#define WAITING "SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'est_module' AND wait_event_type = 'Lock'"

/* Until the store has a connection: the time that it gives itself may be short for that on a busy machine */
void reach(store_t *store);

/* Ends the connection whose statement waits for holder's lock; holder goes when it waits again, over another one */
void cut_off(PGconn *holder);

void expect(const est_err_t *err, est_err_code_t code, const char *text);
void succeed(const est_err_t *err);
#define ASSERT_OUTCOME(outcome, of_kind, by_rule)                                                                      \
    do {                                                                                                               \
        assert_int_equal((outcome).kind, (of_kind));                                                                   \
        assert_string_equal((outcome).rule, (by_rule));                                                                \
    } while (0)

/* --- one request to record, one order */

typedef struct {
    store_issue_t issue;
    policy_identity_t identity;
    policy_client_t client;
    pki_cert_t holder;
    pki_sans_t sans;
    pki_san_t san[3];
    unsigned char serial[12], hash[32], idem_key[32];
    char id[33];
} request_t;

void request_init(request_t *r, const char *entity);
void record(store_outcome_t *out, const request_t *r);
int certificates_of(const char *entity);
/* A session that holds the lock which record_issued takes on an entity */
PGconn *lock_entity(const char *entity);

typedef struct {
    request_t request;
    unsigned char key[32];
} order_t;

void order_init(order_t *o, const char *entity);
void open_order(store_outcome_t *out, const order_t *o);
void set_approval(const char *approval);

/* --- a call in a thread of its own */

typedef struct {
    apr_thread_t *thread;
    request_t request;
    store_t *store;
    int opens_order; /* instead of recording */
    store_outcome_t outcome;
    est_err_t *err;
    apr_interval_time_t took;
    apr_pool_t *pool;
} caller_t;

void call_prepare(caller_t *c, store_t *store, const char *entity);
void call_run(caller_t *c);
void call_start(caller_t *c, store_t *store, const char *entity); /* both */
void call_end(caller_t *c);

/* The tests of each file, in the order in which they are run */

/* store_read_test.c */
#define STORE_READ_TESTS(TEST)                                                                                         \
    TEST(test_conninfo_is_checked_without_a_connection)                                                                \
    TEST(test_probe_reads_policy_with_all_its_rules)                                                                   \
    TEST(test_probe_names_the_migration_of_a_schema_it_does_not_know)                                                  \
    TEST(test_a_client_is_found_by_name)                                                                               \
    TEST(test_a_client_is_found_by_certificate)                                                                        \
    TEST(test_an_entity_is_found_by_name_with_its_code)

/* store_record_test.c */
#define STORE_RECORD_TESTS(TEST)                                                                                       \
    TEST(test_a_certificate_is_recorded_as_it_was_given)                                                               \
    TEST(test_a_blocked_key_is_refused)                                                                                \
    TEST(test_the_same_id_is_recorded_once)                                                                            \
    TEST(test_a_repeated_request_gets_the_earlier_certificate)                                                         \
    TEST(test_a_judgement_by_old_policy_or_client_is_stale)                                                            \
    TEST(test_a_revoked_or_unknown_certificate_is_refused)                                                             \
    TEST(test_a_statement_that_the_server_refuses_is_a_failure_not_an_outage)                                          \
    TEST(test_a_code_is_used_up_and_an_entity_compared)                                                                \
    TEST(test_names_of_a_vendors_device_are_held_against_the_list)                                                     \
    TEST(test_a_refusal_is_recorded_once)                                                                              \
    TEST(test_refusals_without_rows_are_one_row)                                                                       \
    TEST(test_a_rate_says_how_long_to_wait)

/* store_order_test.c */
#define STORE_ORDER_TESTS(TEST)                                                                                        \
    TEST(test_an_order_waits_is_approved_and_issued)                                                                   \
    TEST(test_a_denied_order_says_why)                                                                                 \
    TEST(test_without_an_order_what_needs_one_is_stale)                                                                \
    TEST(test_an_order_whose_connection_is_ended_is_opened_once)                                                       \
    TEST(test_maintenance_says_what_it_did)

/* store_forward_test.c */
#define STORE_FORWARD_TESTS(TEST)                                                                                      \
    TEST(test_an_order_is_forwarded_and_its_certificate_recorded)                                                      \
    TEST(test_what_became_of_an_order_is_recorded)                                                                     \
    TEST(test_what_is_kept_of_an_order_is_on_record_or_fails)                                                          \
    TEST(test_an_attempt_that_was_taken_over_changes_nothing)                                                          \
    TEST(test_an_order_is_forwarded_when_it_is_approved)                                                               \
    TEST(test_an_order_whose_connection_is_ended_is_forwarded_once)                                                    \
    TEST(test_what_became_of_an_order_is_sent_again_when_the_connection_is_ended)

/* store_trouble_test.c */
#define STORE_TROUBLE_TESTS(TEST)                                                                                      \
    TEST(test_an_idle_connection_that_was_ended_is_replaced)                                                           \
    TEST(test_a_statement_whose_connection_is_ended_is_sent_again)                                                     \
    TEST(test_a_lock_held_too_long_ends_in_a_time_out)                                                                 \
    TEST(test_waiting_for_a_connection_is_bounded)                                                                     \
    TEST(test_a_host_that_does_not_answer_is_given_up)                                                                 \
    TEST(test_a_frozen_server_holds_nobody_up)                                                                         \
    TEST(test_a_server_that_turned_read_only_is_left)                                                                  \
    TEST(test_a_restart_of_the_server_fails_no_request)                                                                \
    TEST(test_a_server_that_is_down_is_unavailable)                                                                    \
    TEST(test_a_prepared_statement_survives_a_change_of_its_columns)                                                   \
    TEST(test_a_commit_without_its_synchronous_standby_is_not_durable)

/* store_listen_test.c */
#define STORE_LISTEN_TESTS(TEST)                                                                                       \
    TEST(test_changes_arrive_by_notification)                                                                          \
    TEST(test_a_listener_that_lost_its_connection_misses_nothing)                                                      \
    TEST(test_a_pooler_in_transaction_mode_works)

#define STORE_TESTS(TEST)                                                                                              \
    STORE_READ_TESTS(TEST)                                                                                             \
    STORE_RECORD_TESTS(TEST)                                                                                           \
    STORE_ORDER_TESTS(TEST)                                                                                            \
    STORE_FORWARD_TESTS(TEST)                                                                                          \
    STORE_TROUBLE_TESTS(TEST)                                                                                          \
    STORE_LISTEN_TESTS(TEST)

#define DECLARE(name) void name(void **state);
STORE_TESTS(DECLARE)
#undef DECLARE

#endif
