/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* store_pg against a real server and a real pooler. Started by run_store, which makes both; STORE_TEST_DIR is where. The
 * tests are in the other files of this program; here is what they share. */

#include "store_pg_test.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

store_test_t t;

/* --- the world */

static apr_time_t real_now(const est_env_t *env)
{
    (void)env;
    return apr_time_now();
}

int real_random(const est_env_t *env, unsigned char *buf, apr_size_t len)
{
    (void)env;
    return getrandom(buf, len, 0) == (ssize_t)len;
}

static void count_log(const est_env_t *env, est_log_level_t level, const char *line)
{
    (void)env;
    t.warnings += level >= EST_LOG_WARNING;
    t.polling += strstr(line, "asking for changes of policy instead") != NULL;
    if (level >= EST_LOG_NOTICE)
        fprintf(stderr, "# log: %s\n", line);
}

const char *conninfo(const char *port, const char *user, const char *db)
{
    return apr_psprintf(t.pool, "host=%s port=%s user=%s dbname=%s", t.dir, port, user, db);
}

const char *sql_on(PGconn *pg, const char *fmt, ...)
{
    va_list ap;
    PGresult *result;
    const char *value = "";

    va_start(ap, fmt);
    result = PQexec(pg, apr_pvsprintf(t.pool, fmt, ap));
    va_end(ap);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s", PQresultErrorMessage(result));
    if (PQntuples(result) > 0 && PQnfields(result) > 0)
        value = apr_pstrdup(t.pool, PQgetvalue(result, 0, 0));
    PQclear(result);
    return value;
}

apr_int64_t policy_now(void)
{
    return apr_atoi64(sql("SELECT version FROM est.policy_version"));
}

PGconn *connect_as(const char *user, const char *db)
{
    PGconn *pg = PQconnectdb(conninfo("5432", user, db));

    if (PQstatus(pg) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(pg));
    return pg;
}

static void server(const char *what)
{
    int status = system(apr_pstrcat(t.pool, t.tools, "/", what, NULL));

    if (status)
        fail_msg("%s: status %d", what, status);
}

store_t *open_store_at(const char *info, int size, apr_interval_time_t timeout)
{
    store_pg_config_t config = {info, size, timeout};
    store_t *store;
    est_err_t *err = store_pg_open(&store, &config, &t.env, t.pool);

    if (err)
        fail_msg("%s", err->detail);
    return store;
}

store_t *open_store(int size, apr_interval_time_t timeout)
{
    return open_store_at(conninfo("5432", "est_module", "est"), size, timeout);
}

void stop_server(const char *how)
{
    PQfinish(t.admin);
    server(apr_pstrcat(t.pool, "stop ", how, NULL));
}

void start_server(void)
{
    server("start");
    t.admin = connect_as("postgres", "est");
}

void expect(const est_err_t *err, est_err_code_t code, const char *text)
{
    assert_non_null(err);
    if (err->code != code || !err->detail || !strstr(err->detail, text))
        fail_msg("%s: %s instead of %s with \"%s\"", est_err_row(err->code)->name, err->detail, est_err_row(code)->name,
                 text);
}

void succeed(const est_err_t *err)
{
    if (err)
        fail_msg("%s: %s (%s:%d)", est_err_row(err->code)->name, err->detail, err->file, err->line);
}

int comes_true(const char *query)
{
    apr_time_t until = apr_time_now() + LIMIT;

    while (strcmp(sql("%s", query), "t") != 0) {
        if (apr_time_now() >= until)
            return 0;
        apr_sleep(5 * MS);
    }
    return 1;
}

void wait_until(const char *query)
{
    if (!comes_true(query))
        fail_msg("never true: %s", query);
}

void reach(store_t *store)
{
    apr_time_t until = apr_time_now() + LIMIT;
    apr_int64_t version;
    est_err_t *err;

    while ((err = store->vt->policy_version(store, &version, t.pool)) && apr_time_now() < until)
        ;
    succeed(err);
}

void cut_off(PGconn *holder)
{
    wait_until(WAITING);
    sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'est_module' AND wait_event_type "
        "= 'Lock'");
    wait_until(WAITING);
    PQfinish(holder);
}

/* --- one request to record */

void request_init(request_t *r, const char *entity)
{
    unsigned char octets[16];

    memset(r, 0, sizeof(*r));
    assert_true(real_random(NULL, octets, 16) && real_random(NULL, r->serial, 12));
    r->serial[0] = 0x00;
    r->serial[1] |= 0x80;
    strcpy(r->id, est_hex(est_slice(octets, 16), t.pool));
    memset(r->hash, 0x5a, sizeof(r->hash));
    r->san[0] = (pki_san_t){.type = PKI_SAN_DNS, .value = "a.example"};
    r->san[1] = (pki_san_t){.type = PKI_SAN_URI, .value = "urn:x:\"quoted\\,{}"};
    r->san[2] = (pki_san_t){.type = PKI_SAN_IP, .value = "2001:db8::1"};
    r->sans = (pki_sans_t){r->san, 3};
    r->identity = (policy_identity_t){.kind = POLICY_IDENTITY_USER, .name = "someone"};
    r->issue = (store_issue_t){
        .id = r->id,
        .alias = 1,
        .policy_version = policy_now(),
        .operation = "simpleenroll",
        .identity = &r->identity,
        .network = "192.0.2.7",
        .entity = entity,
        .ca = "issuing",
        .issuer = "CN=Issuing",
        .issuer_hash = r->hash,
        .serial = est_slice(r->serial, sizeof(r->serial)),
        .subject = "CN=d\xc3\xbcse,O=\"x\\y",
        .san = &r->sans,
        .spki_hash = r->hash,
        .not_before = apr_time_from_sec(1700000000),
        .not_after = apr_time_from_sec(4102444800),
        .der = est_slice("\x30\x03\x00\xff\x27", 5),
    };
}

void record(store_outcome_t *out, const request_t *r)
{
    succeed(t.store->vt->record_issued(t.store, out, &r->issue, t.pool));
}

int certificates_of(const char *entity)
{
    return atoi(
        sql("SELECT count(*) FROM est.certificate c JOIN est.end_entity e ON e.id = c.entity_id WHERE e.name = '%s'",
            entity));
}

/* --- one order */

void order_init(order_t *o, const char *entity)
{
    request_init(&o->request, entity);
    assert_true(real_random(NULL, o->key, 32));
    o->request.issue.order_key = o->key;
    o->request.issue.csr = est_slice("\x30\x01\x00", 3);
    o->request.issue.dropped = "L=Paris";
    o->request.issue.subject = apr_pstrcat(t.pool, "CN=", entity, NULL);
}

void open_order(store_outcome_t *out, const order_t *o)
{
    succeed(t.store->vt->order_open(t.store, out, &o->request.issue, t.pool));
}

void set_approval(const char *approval)
{
    sql("UPDATE est.alias SET approval = '%s', retry_after = '9 seconds' WHERE name = 'est'", approval);
}

/* --- threads */

static void *APR_THREAD_FUNC call(apr_thread_t *thread, void *data)
{
    caller_t *c = data;
    apr_time_t began = apr_time_now();

    (void)thread;
    c->err = (c->opens_order ? c->store->vt->order_open : c->store->vt->record_issued)(c->store, &c->outcome,
                                                                                       &c->request.issue, c->pool);
    c->took = apr_time_now() - began;
    return NULL;
}

void call_prepare(caller_t *c, store_t *store, const char *entity)
{
    memset(c, 0, sizeof(*c));
    c->store = store;
    request_init(&c->request, entity);
    apr_pool_create_unmanaged(&c->pool);
}

void call_run(caller_t *c)
{
    assert_int_equal(apr_thread_create(&c->thread, NULL, call, c, t.pool), APR_SUCCESS);
}

void call_start(caller_t *c, store_t *store, const char *entity)
{
    call_prepare(c, store, entity);
    call_run(c);
}

void call_end(caller_t *c)
{
    apr_status_t ended;

    assert_int_equal(apr_thread_join(&ended, c->thread), APR_SUCCESS);
}

PGconn *lock_entity(const char *entity)
{
    PGconn *pg = connect_as("postgres", "est");
    request_t r;
    store_outcome_t outcome;

    request_init(&r, entity);
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_ISSUED);
    sql_on(pg, "BEGIN");
    sql_on(pg, "SELECT FROM est.end_entity WHERE name = '%s' FOR UPDATE", entity);
    return pg;
}

static int setup(void **state)
{
    (void)state;
    apr_pool_create(&t.pool, NULL);
    t.admin = connect_as("postgres", "est");
    t.store = open_store(4, apr_time_from_sec(30));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    PQfinish(t.admin);
    apr_pool_destroy(t.pool);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown),
    const struct CMUnitTest tests[] = {STORE_TESTS(TEST)};
    int failed;

    if (!(t.dir = getenv("STORE_TEST_DIR")) || !(t.tools = getenv("STORE_TEST_TOOLS"))) {
        fputs("STORE_TEST_DIR or STORE_TEST_TOOLS is not set: start this by run_store\n", stderr);
        return 99;
    }
    t.env = (est_env_t){.now = real_now, .random = real_random, .log = count_log};
    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
