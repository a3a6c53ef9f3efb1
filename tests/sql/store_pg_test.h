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

/* One value of a statement, copied; the empty string when it returns none */
const char *sql_on(PGconn *pg, const char *fmt, ...);
#define sql(...) sql_on(t.admin, __VA_ARGS__) /* as superuser */
/* Until the query says t */
void wait_until(const char *query);
/* A statement of the store's waits for a lock */
#define WAITING "SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'est_module' AND wait_event_type = 'Lock'"

void expect(const est_err_t *err, est_err_code_t code, const char *text);
void succeed(const est_err_t *err);

/* One request to record */
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

/* A call in a thread of its own */
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
void call_end(caller_t *c);

/* store_forward_test.c */
void test_an_order_is_forwarded_and_its_certificate_recorded(void **state);
void test_what_became_of_an_order_is_recorded(void **state);
void test_an_attempt_that_was_taken_over_changes_nothing(void **state);
void test_an_order_is_forwarded_when_it_is_approved(void **state);
void test_an_order_whose_connection_is_ended_is_forwarded_once(void **state);
void test_what_became_of_an_order_is_sent_again_when_the_connection_is_ended(void **state);

#endif
