/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* store_pg: connections that end, servers that are down, slow or read-only. Part of store_pg_test */

#include "store_pg_test.h"

#include <apr_network_io.h>
#include <apr_strings.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

void test_an_idle_connection_that_was_ended_is_replaced(void **state)
{
    apr_int64_t version;

    (void)state;
    for (int i = 0; i < 3; i++) {
        succeed(t.store->vt->policy_version(t.store, &version, t.pool));
        sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'est_module'");
    }
    succeed(t.store->vt->policy_version(t.store, &version, t.pool));
}

void test_a_statement_whose_connection_is_ended_is_sent_again(void **state)
{
    PGconn *holder = lock_entity("ended");
    caller_t c;

    (void)state;
    call_start(&c, t.store, "ended");
    cut_off(holder);
    call_end(&c);
    succeed(c.err);
    assert_int_equal(c.outcome.kind, STORE_ISSUED);
    assert_int_equal(certificates_of("ended"), 2);
    apr_pool_destroy(c.pool);
}

/* A server that takes too long to cancel a statement, too, which a busy machine is enough for */
static int is_given_up(const est_err_t *err)
{
    return err && err->code == EST_E_store_unavailable && strstr(err->detail, "no answer in time");
}

void test_a_lock_held_too_long_ends_in_a_time_out(void **state)
{
    PGconn *holder;
    store_t *store = t.store;
    const char *pid;
    caller_t c;

    (void)state;
    holder = lock_entity("locked");
    t.store = open_store(1, 700 * MS);
    for (int tries = 10;; apr_pool_destroy(c.pool)) {
        reach(t.store);
        pid = sql("SELECT pid FROM pg_stat_activity WHERE usename = 'est_module' ORDER BY backend_start DESC LIMIT 1");
        call_start(&c, t.store, "locked");
        call_end(&c);
        if (!is_given_up(c.err) || !--tries)
            break;
    }
    expect(c.err, EST_E_store_unavailable, "57014");
    assert_in_range(c.took, 650 * MS, 5000 * MS);
    assert_int_equal(certificates_of("locked"), 1);
    /* The connection is still good */
    reach(t.store);
    assert_string_equal(sql("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", pid), "1");
    PQfinish(holder);
    apr_pool_destroy(c.pool);
    t.store = store;
}

void test_waiting_for_a_connection_is_bounded(void **state)
{
    PGconn *holder = lock_entity("exhausted");
    store_t *narrow = open_store(1, apr_time_from_sec(2));
    caller_t first, second;

    (void)state;
    reach(narrow);
    call_start(&first, narrow, "exhausted");
    wait_until(WAITING);
    call_start(&second, narrow, "other entity");
    call_end(&second);
    call_end(&first);
    expect(first.err, EST_E_store_unavailable, is_given_up(first.err) ? "" : "57014");
    assert_in_range(second.took, 0, 5000 * MS);
    if (second.err) /* the first gave its connection back a moment before or after the second gave up */
        expect(second.err, EST_E_store_unavailable, "");
    PQfinish(holder);
    apr_pool_destroy(first.pool);
    apr_pool_destroy(second.pool);
}

/* A port whose connections are never answered */
static const char *open_silent_port(void)
{
    apr_sockaddr_t *address;
    apr_socket_t *listener;

    assert_int_equal(apr_sockaddr_info_get(&address, "127.0.0.1", APR_INET, 0, 0, t.pool), APR_SUCCESS);
    assert_int_equal(apr_socket_create(&listener, APR_INET, SOCK_STREAM, APR_PROTO_TCP, t.pool), APR_SUCCESS);
    assert_int_equal(apr_socket_bind(listener, address), APR_SUCCESS);
    assert_int_equal(apr_socket_listen(listener, 16), APR_SUCCESS);
    assert_int_equal(apr_socket_addr_get(&address, APR_LOCAL, listener), APR_SUCCESS);
    return apr_itoa(t.pool, address->port);
}

void test_a_host_that_does_not_answer_is_given_up(void **state)
{
    const char *port = open_silent_port();
    apr_time_t began = apr_time_now();
    apr_int64_t version;
    store_t *store = open_store_at(apr_psprintf(t.pool, "host=127.0.0.1 port=%s user=est_module dbname=est", port), 2,
                                   apr_time_from_sec(3));

    (void)state;
    expect(store->vt->policy_version(store, &version, t.pool), EST_E_store_unavailable, "timeout expired");
    assert_in_range(apr_time_now() - began, 1900 * MS, 9000 * MS);

    began = apr_time_now();
    store = open_store_at(
        apr_psprintf(t.pool, "host=127.0.0.1,%s port=%s,5432 user=est_module dbname=est", t.dir, port), 2,
        apr_time_from_sec(5));
    succeed(store->vt->policy_version(store, &version, t.pool));
    assert_in_range(apr_time_now() - began, 1900 * MS, 9000 * MS);
}

/* The server's processes, one after another on a line */
static const char *server_processes(void)
{
    return sql(
        "SELECT string_agg(pid::text, ' ') || ' ' || (SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)) "
        "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'est_module'");
}

static void signal_processes(const char *pids, int number)
{
    char *end;

    for (long pid = strtol(pids, &end, 10); pid > 0; pid = strtol(end, &end, 10))
        kill((pid_t)pid, number);
}

void test_a_frozen_server_holds_nobody_up(void **state)
{
    store_t *store = open_store(1, 700 * MS);
    apr_time_t began, took;
    apr_int64_t version;
    const char *pids;
    est_err_t *err;

    (void)state;
    reach(store);
    pids = server_processes();
    signal_processes(pids, SIGSTOP);
    began = apr_time_now();
    err = store->vt->policy_version(store, &version, t.pool);
    took = apr_time_now() - began;
    signal_processes(pids, SIGCONT);
    expect(err, EST_E_store_unavailable, "no answer in time");
    assert_in_range(took, 600 * MS, 5000 * MS);
    reach(store);
}

void test_a_server_that_turned_read_only_is_left(void **state)
{
    store_t *store = open_store(1, apr_time_from_sec(10));
    apr_int64_t version;
    caller_t c;

    (void)state;
    succeed(store->vt->policy_version(store, &version, t.pool));
    sql("ALTER SYSTEM SET default_transaction_read_only = on");
    sql("SELECT pg_reload_conf()");
    wait_until("SELECT current_setting('default_transaction_read_only') = 'on'");
    call_start(&c, store, "demoted");
    /* It comes back again and again */
    wait_until("SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = 'est_module' AND backend_start > now() - "
               "interval '1 s'");
    sql("SET default_transaction_read_only = off");
    sql("ALTER SYSTEM RESET default_transaction_read_only");
    sql("SELECT pg_reload_conf()");
    call_end(&c);
    succeed(c.err);
    assert_int_equal(certificates_of("demoted"), 1);
    sql("RESET default_transaction_read_only");
    apr_pool_destroy(c.pool);
}

void test_a_restart_of_the_server_fails_no_request(void **state)
{
    static const char *const modes[] = {"fast", "immediate"};
    enum { CALLERS = 4 };

    (void)state;
    for (int m = 0; m < 2; m++) {
        store_outcome_t outcome;
        caller_t callers[CALLERS];
        request_t r;
        const char *entity = apr_psprintf(t.pool, "restart %s", modes[m]);

        request_init(&r, "before");
        record(&outcome, &r);
        for (int i = 0; i < CALLERS; i++)
            call_prepare(&callers[i], t.store, entity);
        stop_server(modes[m]);
        for (int i = 0; i < CALLERS; i++)
            call_run(&callers[i]);
        start_server();
        for (int i = 0; i < CALLERS; i++) {
            call_end(&callers[i]);
            succeed(callers[i].err);
            apr_pool_destroy(callers[i].pool);
        }
        assert_int_equal(certificates_of(entity), CALLERS);
    }
}

void test_a_server_that_is_down_is_unavailable(void **state)
{
    store_t *store = open_store(2, 500 * MS);
    apr_time_t began;
    apr_int64_t version;
    est_err_t *err;

    (void)state;
    reach(store);
    stop_server("fast");
    began = apr_time_now();
    err = store->vt->policy_version(store, &version, t.pool);
    began = apr_time_now() - began;
    start_server();
    expect(err, EST_E_store_unavailable, "");
    assert_in_range(began, 300 * MS, 5000 * MS);
    reach(store);
}

void test_a_prepared_statement_survives_a_change_of_its_columns(void **state)
{
    apr_int64_t version;

    (void)state;
    succeed(t.store->vt->policy_version(t.store, &version, t.pool));
    sql("ALTER TABLE est.policy_version ALTER version TYPE numeric");
    succeed(t.store->vt->policy_version(t.store, &version, t.pool));
    assert_int_equal(version, policy_now());
    sql("ALTER TABLE est.policy_version ALTER version TYPE bigint");
    succeed(t.store->vt->policy_version(t.store, &version, t.pool));
}

/* The checkpointer tells all others that there is a standby to wait for, at some time after the reload. 0: it does not */
static int standby_counts(void)
{
    PGconn *pg = connect_as("postgres", "est");
    const char *waits = apr_psprintf(t.pool, "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = %d",
                                     PQbackendPID(pg));
    apr_time_t until = apr_time_now() + LIMIT;
    int is_waiting = 0;

    while (!is_waiting && apr_time_now() < until) {
        PGresult *result;

        (void)PQsendQuery(pg, "SELECT pg_logical_emit_message(true, 'probe', '')");
        while (!is_waiting && PQconsumeInput(pg) && PQisBusy(pg)) {
            is_waiting = !strcmp(sql("%s", waits), "t");
            apr_sleep(MS);
        }
        while (!is_waiting && (result = PQgetResult(pg)))
            PQclear(result);
    }
    sql("SELECT pg_terminate_backend(%d, 5000)", PQbackendPID(pg));
    PQfinish(pg);
    return is_waiting;
}

void test_a_commit_without_its_synchronous_standby_is_not_durable(void **state)
{
    store_t *store = open_store(1, 700 * MS);
    caller_t cancelled, ended;
    int counts, waits;

    (void)state;
    sql("ALTER SYSTEM SET synchronous_standby_names = 'absent'");
    sql("SELECT pg_reload_conf()");
    wait_until("SELECT current_setting('synchronous_standby_names') = 'absent'");
    /* Nothing may fail before that is undone: all commits of other tests would wait */
    counts = standby_counts();

    /* A machine may be too busy to come as far as that in so short a time */
    for (int tries = 10;; apr_pool_destroy(cancelled.pool)) {
        call_start(&cancelled, store, "not durable");
        call_end(&cancelled);
        if (!cancelled.err || cancelled.err->code != EST_E_store_unavailable || !--tries)
            break;
    }
    call_start(&ended, t.store, "not durable");
    waits = comes_true("SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    call_end(&ended);

    sql("SET synchronous_commit = local");
    sql("ALTER SYSTEM RESET synchronous_standby_names");
    sql("SELECT pg_reload_conf()");
    wait_until("SELECT current_setting('synchronous_standby_names') = ''");
    assert_true(counts && waits);
    expect(cancelled.err, EST_E_not_durable, "standby");
    expect(ended.err, EST_E_not_durable, "standby");
    apr_pool_destroy(cancelled.pool);
    apr_pool_destroy(ended.pool);
}
