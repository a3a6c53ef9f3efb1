/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* store_pg against a real server and a real pooler. Started by run_store, which makes both; STORE_TEST_DIR is where. Orders
 * that are forwarded are in store_forward_test.c */

#include "store_pg_test.h"

#include <apr_general.h>
#include <apr_network_io.h>
#include <apr_strings.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define LIMIT apr_time_from_sec(20) /* for whatever is waited for */
#define MS APR_TIME_C(1000)

store_test_t t;

/* --- the world */

static apr_time_t real_now(const est_env_t *env)
{
    (void)env;
    return apr_time_now();
}

static int real_random(const est_env_t *env, unsigned char *buf, apr_size_t len)
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

static const char *conninfo(const char *port, const char *user, const char *db)
{
    return apr_psprintf(t.pool, "host=%s port=%s user=%s dbname=%s", t.dir, port, user, db);
}

/* One value of a statement run as superuser; the empty string when it returns none */
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

static apr_int64_t policy_now(void)
{
    return apr_atoi64(sql("SELECT version FROM est.policy_version"));
}

static PGconn *connect_as(const char *user, const char *db)
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

static store_t *open_store(const char *info, int size, apr_interval_time_t timeout)
{
    store_pg_config_t config = {info, size, timeout};
    store_t *store;
    est_err_t *err = store_pg_open(&store, &config, &t.env, t.pool);

    if (err)
        fail_msg("%s", err->detail);
    return store;
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

void wait_until(const char *query)
{
    apr_time_t until = apr_time_now() + LIMIT;

    while (strcmp(sql("%s", query), "t") != 0) {
        assert_true(apr_time_now() < until);
        apr_sleep(5 * MS);
    }
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

static void call_start(caller_t *c, store_t *store, const char *entity)
{
    call_prepare(c, store, entity);
    call_run(c);
}

void call_end(caller_t *c)
{
    apr_status_t ended;

    assert_int_equal(apr_thread_join(&ended, c->thread), APR_SUCCESS);
}

/* A session that holds the lock which record_issued takes on an entity */
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


/* --- configuration and start */

static void test_conninfo_is_checked_without_a_connection(void **state)
{
    (void)state;
    succeed(store_pg_config_check("host=192.0.2.1 dbname=est user=x passfile=/etc/est/pgpass", t.pool));
    succeed(store_pg_config_check("service=est", t.pool));
    succeed(store_pg_config_check("postgresql://est_module@db1,db2/est?target_session_attrs=read-write", t.pool));
    expect(store_pg_config_check("host=db password=x", t.pool), EST_E_config, "passfile=");
    expect(store_pg_config_check("postgresql://u:x@db/est", t.pool), EST_E_config, "passfile=");
    expect(store_pg_config_check("host=db sslpassword=x", t.pool), EST_E_config, "sslpassword=");
    expect(store_pg_config_check("host=db usr=x", t.pool), EST_E_config, "usr");
    expect(store_pg_config_check("host", t.pool), EST_E_config, "host");
    assert_null(strstr(store_pg_config_check("host=db password=hunter2", t.pool)->detail, "hunter2"));
}

static est_err_t *probe(const char *user, const char *db, policy_snapshot_t **snapshot)
{
    store_pg_config_t config = {conninfo("5432", user, db), 1, apr_time_from_sec(3)};

    return store_pg_probe(snapshot, &config, t.pool, t.pool);
}

static void test_probe_reads_policy_with_all_its_rules(void **state)
{
    policy_snapshot_t *snapshot;
    const policy_alias_t *alias;

    (void)state;
    sql("INSERT INTO est.certificate_profile (name) VALUES ('other'), ('device')");
    sql("INSERT INTO est.profile_subject_rule (profile_id, attribute) "
        "SELECT id, a FROM est.certificate_profile, unnest(ARRAY['CN', 'O', 'OU']) a WHERE a <> 'OU' OR name = "
        "'device'");
    sql("INSERT INTO est.profile_san_rule (profile_id, type, pattern) SELECT id, 'dns', '*.' || name || '.example' "
        "FROM est.certificate_profile");
    sql("UPDATE est.alias SET profile_id = (SELECT id FROM est.certificate_profile WHERE name = 'device'), ca = "
        "'issuing'");
    succeed(probe("est_module", "est", &snapshot));
    assert_int_equal(policy_snapshot_version(snapshot), policy_now());
    alias = policy_snapshot_alias(snapshot, NULL);
    assert_string_equal(alias->name, "est");
    if (alias->broken)
        fail_msg("%s", alias->broken);
    assert_string_equal(alias->profile->name, "device");
    assert_int_equal(alias->profile->n_subject_rules, 3);
    assert_int_equal(alias->profile->n_san_rules, 1);
    assert_string_equal(alias->profile->san_rules[0].pattern, "*.device.example");
}

static void test_probe_names_the_migration_of_a_schema_it_does_not_know(void **state)
{
    const int known = STORE_PG_SCHEMA_VERSION;
    policy_snapshot_t *snapshot;

    (void)state;
    expect(probe("est_module", "empty", &snapshot), EST_E_schema_version, "run sql/install.sql");
    sql("CREATE ROLE stranger LOGIN");
    expect(probe("stranger", "est", &snapshot), EST_E_schema_version, "grant est_module");
    sql("CREATE ROLE person LOGIN IN ROLE est_admin");
    expect(probe("person", "est", &snapshot), EST_E_schema_version, "has not the rights of est_module");
    sql("GRANT est_module TO person");
    succeed(probe("person", "est", &snapshot));
    sql("UPDATE est.schema_version SET version = 0 WHERE version = %d", known);
    expect(probe("est_module", "est", &snapshot), EST_E_schema_version, apr_psprintf(t.pool, "migration %04d", known));
    sql("UPDATE est.schema_version SET version = %d WHERE version = 0", known + 1);
    expect(probe("est_module", "est", &snapshot), EST_E_schema_version,
           apr_psprintf(t.pool, "migration %04d", known + 1));
    sql("UPDATE est.schema_version SET version = %d WHERE version = %d", known, known + 1);
    expect(probe("est_module", "absent", &snapshot), EST_E_store_unavailable, "absent");
    succeed(probe("est_module", "est", &snapshot));
}

/* --- record_issued */

static void test_a_certificate_is_recorded_as_it_was_given(void **state)
{
    store_outcome_t outcome;
    request_t r;

    (void)state;
    request_init(&r, "as given");
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_ISSUED);
    assert_null(outcome.der.p);
    assert_string_equal(
        sql("SELECT (c.serial, c.subject, encode(c.der, 'hex'), extract(epoch FROM c.not_after), n.network, n.outcome) "
            "= ('%s', E'CN=d\\u00fcse,O=\"x\\\\y', '300300ff27', 4102444800, inet '192.0.2.7', 'issued') "
            "FROM est.enrollment n JOIN est.certificate c ON c.id = n.certificate_id WHERE n.id = '%s'",
            est_hex(r.issue.serial, t.pool), r.id),
        "t");
    assert_string_equal(sql("SELECT c.san = ARRAY['%s', '%s', '%s'] FROM est.enrollment n JOIN est.certificate c "
                            "ON c.id = n.certificate_id WHERE n.id = '%s'",
                            pki_san_text(&r.san[0], t.pool), pki_san_text(&r.san[1], t.pool),
                            pki_san_text(&r.san[2], t.pool), r.id),
                        "t");
}

/* K-11 */
static void test_a_blocked_key_is_refused(void **state)
{
    const unsigned char modulus[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 0xa};
    unsigned char spki[32] = {0xb1};
    store_outcome_t outcome;
    request_t r;

    (void)state;
    sql("INSERT INTO est.blocked_key (kind, fingerprint, source) VALUES ('modulus', '\\x0102030405060708090a', 'a "
        "list')");
    request_init(&r, "blocked");
    r.issue.modulus_hash = modulus;
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_REFUSED);
    assert_string_equal(outcome.rule, "key_blocked");
    assert_string_equal(outcome.detail, "its modulus is listed (a list)");
    r.issue.modulus_hash = NULL;
    r.issue.spki_hash = spki;
    sql("INSERT INTO est.blocked_key (kind, fingerprint) SELECT 'spki', decode(rpad('b1', 64, '0'), 'hex')");
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_REFUSED);
    assert_string_equal(outcome.rule, "key_blocked");
    assert_int_equal(certificates_of("blocked"), 0);
    sql("DELETE FROM est.blocked_key");
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_ISSUED);
}

static void test_the_same_id_is_recorded_once(void **state)
{
    store_outcome_t outcome;
    request_t r;

    (void)state;
    request_init(&r, "once");
    record(&outcome, &r);
    r.issue.der = est_slice("\x30\x00", 2);
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_ISSUED);
    assert_true(est_slice_equal(outcome.der, est_slice("\x30\x03\x00\xff\x27", 5)));
    assert_int_equal(certificates_of("once"), 1);
}

static void test_a_repeated_request_gets_the_earlier_certificate(void **state)
{
    store_outcome_t outcome;
    request_t r, again;

    (void)state;
    request_init(&r, "repeated");
    request_init(&again, "repeated");
    assert_true(real_random(NULL, r.idem_key, 32));
    r.issue.idem_key = again.issue.idem_key = r.idem_key;
    r.issue.idem_seconds = again.issue.idem_seconds = 600;
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_ISSUED);
    record(&outcome, &again);
    assert_int_equal(outcome.kind, STORE_REPLAY);
    assert_true(est_slice_equal(outcome.der, r.issue.der));
    assert_int_equal(certificates_of("repeated"), 1);
}

static void test_a_judgement_by_old_policy_or_client_is_stale(void **state)
{
    store_outcome_t outcome;
    request_t r;

    (void)state;
    request_init(&r, "stale");
    r.issue.policy_version--;
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_STALE);
    assert_string_equal(outcome.rule, "policy");
    r.issue.policy_version++;

    sql("SELECT est.register_client('stale-client')");
    r.client.id = atoi(sql("SELECT id FROM est.client WHERE user_name = 'stale-client'"));
    r.client.version = 99;
    r.identity.client = &r.client;
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_STALE);
    assert_string_equal(outcome.rule, "client");
    assert_int_equal(certificates_of("stale"), 0);
}

static void test_a_revoked_or_unknown_certificate_is_refused(void **state)
{
    store_outcome_t outcome;
    store_holder_t status;
    request_t old, r, next;

    (void)state;
    request_init(&old, "holder");
    pki_sha256(old.hash, est_slice("issuer", 6));
    request_init(&r, "holder");
    r.holder.serial = old.issue.serial;
    r.holder.issuer = est_slice("issuer", 6);
    r.identity = (policy_identity_t){.kind = POLICY_IDENTITY_CERTIFICATE, .name = "CN=holder", .cert = &r.holder};
    r.issue.holder_issuer_hash = old.hash;
    r.issue.operation = "simplereenroll";

    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_REFUSED);
    assert_string_equal(outcome.rule, "certificate_unknown");
    assert_non_null(outcome.detail);
    succeed(t.store->vt->holder_status(t.store, &status, 1, &r.holder, t.pool));
    assert_int_equal(status, STORE_HOLDER_UNKNOWN);

    record(&outcome, &old);
    succeed(t.store->vt->holder_status(t.store, &status, 1, &r.holder, t.pool));
    assert_int_equal(status, STORE_HOLDER_VALID);
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_ISSUED);

    sql("UPDATE est.certificate SET status = 'revoked', revoked_at = now(), revocation_reason = 'superseded' WHERE "
        "serial = '%s'",
        est_hex(old.issue.serial, t.pool));
    succeed(t.store->vt->holder_status(t.store, &status, 1, &r.holder, t.pool));
    assert_int_equal(status, STORE_HOLDER_REVOKED);
    request_init(&next, "holder");
    r.issue.id = next.id;
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_REFUSED);
    assert_string_equal(outcome.rule, "certificate_revoked");
}

static void test_a_statement_that_the_server_refuses_is_a_failure_not_an_outage(void **state)
{
    store_outcome_t outcome;
    policy_client_row_t row;
    request_t r;

    (void)state;
    /* Names that the database cannot hold are nobody's, and not its error */
    succeed(t.store->vt->client_get(t.store, &row, "\xff\xfe", t.pool));
    assert_null(row.id);
    request_init(&r, "refused");
    r.issue.network = "nowhere";
    expect(t.store->vt->record_issued(t.store, &outcome, &r.issue, t.pool), EST_E_store_failed, "22P02");
    request_init(&r, "refused");
    r.issue.subject = "\x80";
    expect(t.store->vt->record_issued(t.store, &outcome, &r.issue, t.pool), EST_E_store_failed, "22021");
}

static void test_a_client_is_found_by_name(void **state)
{
    policy_client_row_t row;
    policy_client_t *client;

    (void)state;
    sql("SELECT est.register_client('found', 'secret', names => 'a*,b', networks => '10.0.0.0/8')");
    succeed(t.store->vt->client_get(t.store, &row, "found", t.pool));
    succeed(policy_client_make(&client, &row, t.pool));
    assert_string_equal(client->user, "found");
    assert_memory_equal(client->hash, "$2a$10$", 7);
    assert_int_equal(client->n_names, 2);
    assert_string_equal(client->networks[0], "10.0.0.0/8");
    assert_int_equal(client->n_groups, 1);
    assert_true(client->enabled);
    succeed(t.store->vt->client_get(t.store, &row, "found' OR true --", t.pool));
    assert_null(row.id);
}

static void test_a_client_is_found_by_certificate(void **state)
{
    policy_client_row_t row;
    pki_name_t subject = {.text = "CN=ra,O=Example"};
    pki_cert_t cert = {.subject = &subject};

    (void)state;
    memset(cert.fingerprint, 0x7e, sizeof(cert.fingerprint));
    succeed(t.store->vt->client_by_certificate(t.store, &row, &cert, t.pool));
    assert_null(row.id);
    sql("SELECT est.register_client('by-subject', 'x'), est.register_client('by-fingerprint', 'x')");
    sql("UPDATE est.client SET cert_subject = 'CN=ra,O=Example' WHERE user_name = 'by-subject'");
    succeed(t.store->vt->client_by_certificate(t.store, &row, &cert, t.pool));
    assert_string_equal(row.user_name, "by-subject");
    sql("UPDATE est.client SET cert_fingerprint = decode(repeat('7e', 32), 'hex') WHERE user_name = 'by-fingerprint'");
    succeed(t.store->vt->client_by_certificate(t.store, &row, &cert, t.pool));
    assert_string_equal(row.user_name, "by-fingerprint");
}

static void test_an_entity_is_found_by_name_with_its_code(void **state)
{
    policy_entity_t *entity;

    (void)state;
    succeed(t.store->vt->entity_get(t.store, &entity, 1, "\xff\xfe", t.pool));
    assert_null(entity);
    succeed(t.store->vt->entity_get(t.store, &entity, 1, "nobody", t.pool));
    assert_null(entity);
    sql("SELECT est.register_entity('bare')");
    succeed(t.store->vt->entity_get(t.store, &entity, 1, "bare", t.pool));
    assert_string_equal(entity->name, "bare");
    assert_true(entity->id > 0 && entity->version == 1 && entity->preregistered && !entity->suspended);
    assert_null(entity->subject);
    assert_int_equal(entity->n_san, 0);
    assert_int_equal(entity->valid_until, 0);
    assert_int_equal(entity->code_id, 0);
    assert_null(entity->code_hash);

    sql("SELECT est.register_entity('full', subject => 'CN=full,O=Example', san => 'dns:full.example, ip:10.0.0.1', "
        "alias => 'est', code => 'secret', valid_until => '2100-01-01 00:00Z')");
    sql("SELECT est.suspend('full')");
    succeed(t.store->vt->entity_get(t.store, &entity, 1, "full", t.pool));
    assert_string_equal(entity->subject, "CN=full,O=Example");
    assert_int_equal(entity->n_san, 2);
    assert_string_equal(entity->san[0], "dns:full.example");
    assert_string_equal(entity->san[1], "ip:10.0.0.1");
    assert_int_equal(entity->valid_until, apr_time_from_sec(4102444800));
    assert_true(entity->suspended && entity->version > 1 && entity->code_id > 0);
    assert_memory_equal(entity->code_hash, "$2a$", 4);
}

/* --- orders */

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

static void test_an_order_waits_is_approved_and_issued(void **state)
{
    store_outcome_t outcome;
    const char *first;
    order_t o;

    (void)state;
    set_approval("all");
    order_init(&o, "ordered");
    open_order(&outcome, &o);
    assert_int_equal(outcome.kind, STORE_PENDING);
    assert_int_equal(outcome.retry_after, 9);
    assert_string_equal(sql("SELECT (outcome, subject, encode(csr, 'hex'), dropped, identity, order_key = "
                            "decode('%s', 'hex')) = ('pending', 'CN=ordered', '300100', 'L=Paris', 'someone', true) "
                            "FROM est.enrollment WHERE id = '%s'",
                            est_hex(est_slice(o.key, 32), t.pool), o.request.id),
                        "t");
    first = apr_pstrdup(t.pool, o.request.id);
    open_order(&outcome, &o); /* a repetition of the same call */
    assert_int_equal(outcome.kind, STORE_PENDING);
    strcpy(o.request.id, "000102030405060708090a0b0c0d0e0f"); /* the client comes again */
    open_order(&outcome, &o);
    assert_int_equal(outcome.kind, STORE_PENDING);
    sql("SELECT est.approve('%s')", first);
    open_order(&outcome, &o);
    assert_int_equal(outcome.kind, STORE_GO);
    assert_non_null(outcome.order);
    o.request.issue.order = outcome.order;
    record(&outcome, &o.request);
    assert_int_equal(outcome.kind, STORE_ISSUED);
    assert_string_equal(sql("SELECT outcome FROM est.enrollment WHERE id = '%s'", first), "issued");
    record(&outcome, &o.request);
    assert_int_equal(outcome.kind, STORE_REPLAY);
    assert_true(est_slice_equal(outcome.der, o.request.issue.der));
    assert_int_equal(certificates_of("ordered"), 1);
    set_approval("none");
}

static void test_a_denied_order_says_why(void **state)
{
    store_outcome_t outcome;
    order_t o;

    (void)state;
    set_approval("all");
    order_init(&o, "denied");
    open_order(&outcome, &o);
    sql("SELECT est.deny('%s', 'not bought')", o.request.id);
    strcpy(o.request.id, "100102030405060708090a0b0c0d0e0f");
    open_order(&outcome, &o);
    assert_int_equal(outcome.kind, STORE_REFUSED);
    assert_string_equal(outcome.rule, "approval_denied");
    assert_string_equal(outcome.detail, "not bought");
    set_approval("none");
}

static void test_without_an_order_what_needs_one_is_stale(void **state)
{
    store_outcome_t outcome;
    order_t o;

    (void)state;
    set_approval("first");
    order_init(&o, "first of its name");
    record(&outcome, &o.request);
    assert_int_equal(outcome.kind, STORE_STALE);
    assert_string_equal(outcome.rule, "approval");
    set_approval("none");
    order_init(&o, "needs no order");
    open_order(&outcome, &o);
    assert_int_equal(outcome.kind, STORE_GO);
    assert_null(outcome.order);
}

static void test_an_order_whose_connection_is_ended_is_opened_once(void **state)
{
    PGconn *holder = lock_entity("cut");
    unsigned char key[32] = {9};
    caller_t c;

    (void)state;
    set_approval("all");
    call_prepare(&c, t.store, "cut");
    c.opens_order = 1;
    c.request.issue.order_key = key;
    call_run(&c);
    wait_until(WAITING);
    sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'est_module' AND wait_event_type "
        "= 'Lock'");
    wait_until(WAITING);
    PQfinish(holder);
    call_end(&c);
    succeed(c.err);
    assert_int_equal(c.outcome.kind, STORE_PENDING);
    assert_string_equal(sql("SELECT count(*) FROM est.enrollment WHERE identity = 'someone' AND outcome = 'pending' "
                            "AND order_key = decode(rpad('09', 64, '0'), 'hex')"),
                        "1");
    set_approval("none");
    apr_pool_destroy(c.pool);
}

/* --- codes, entities, vendors: parameters that only some requests have */

static void test_a_code_is_used_up_and_an_entity_compared(void **state)
{
    store_outcome_t outcome;
    policy_entity_t *entity;
    request_t r, next;

    (void)state;
    sql("SELECT est.register_entity('coded', alias => 'est', code => 'secret')");
    succeed(t.store->vt->entity_get(t.store, &entity, 1, "coded", t.pool));
    request_init(&r, "coded");
    r.identity = (policy_identity_t){.kind = POLICY_IDENTITY_ENTITY, .name = "coded", .entity = entity};
    r.issue.code = entity->code_id;
    entity->version++;
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_STALE);
    assert_string_equal(outcome.rule, "entity");
    entity->version--;
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_ISSUED);
    assert_string_equal(sql("SELECT uses_left FROM est.enrollment_code WHERE id = %d", (int)entity->code_id), "0");
    request_init(&next, "coded");
    r.issue.id = next.id;
    r.issue.serial = next.issue.serial;
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_REFUSED);
    assert_string_equal(outcome.rule, "code_refused");
}

static void test_names_of_a_vendors_device_are_held_against_the_list(void **state)
{
    static const char *const names[] = {"SN 1", "1.3.6.1.4.1.9:0a1b"};
    store_outcome_t outcome;
    request_t r;

    (void)state;
    sql("UPDATE est.alias SET vendor = 'listed' WHERE name = 'est'");
    request_init(&r, "device");
    r.identity = (policy_identity_t){.kind = POLICY_IDENTITY_VENDOR, .name = "CN=device"};
    r.issue.vendor = names;
    r.issue.n_vendor = 2;
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_REFUSED);
    assert_string_equal(outcome.rule, "vendor_refused");
    sql("INSERT INTO est.vendor_device (alias_id, device) VALUES (1, '1.3.6.1.4.1.9:0a1b')");
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_ISSUED);
    sql("UPDATE est.alias SET vendor = 'off' WHERE name = 'est'");
}

/* --- refusals and rates */

static void test_a_refusal_is_recorded_once(void **state)
{
    store_refusal_t row;
    request_t r;
    int wait = -1;

    (void)state;
    request_init(&r, "refused");
    row = (store_refusal_t){.id = r.id,
                            .alias = 1,
                            .operation = "simpleenroll",
                            .identity = &r.identity,
                            .network = "2001:db8::7",
                            .subject = "CN=wanted",
                            .san = &r.sans,
                            .spki_hash = r.hash,
                            .rule = "own_names",
                            .reason = "asks for \"wanted\""};
    for (int i = 0; i < 2; i++) {
        succeed(t.store->vt->record_refused(t.store, &wait, &row, t.pool));
        assert_int_equal(wait, 0);
    }
    assert_string_equal(sql("SELECT count(*) FROM est.enrollment WHERE (outcome, subject, rule, reason, identity, "
                            "network, san[1], alias) = ('refused', 'CN=wanted', 'own_names', 'asks for \"wanted\"', "
                            "'someone', inet '2001:db8::7', 'dns:a.example', 'est')"),
                        "1");
}

static void test_refusals_without_rows_are_one_row(void **state)
{
    store_refusal_t row = {.rule = "suppressed", .reason = "140"};
    int wait = -1;

    (void)state;
    succeed(t.store->vt->record_refused(t.store, &wait, &row, t.pool));
    assert_int_equal(wait, 0);
    assert_string_equal(sql("SELECT suppressed FROM est.enrollment WHERE outcome = 'suppressed' AND alias IS NULL"),
                        "140");
}

static void test_a_rate_says_how_long_to_wait(void **state)
{
    store_outcome_t outcome;
    store_refusal_t row;
    request_t r, next;
    int wait = -1;

    (void)state;
    sql("UPDATE est.alias SET rate_client = 2, rate_interval = '100 seconds' WHERE name = 'est'");
    request_init(&r, "rated");
    r.identity.name = "in a hurry";
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_ISSUED);
    row = (store_refusal_t){.alias = 1, .operation = "simpleenroll", .identity = &r.identity, .rule = "own_names"};
    request_init(&next, "rated");
    row.id = next.id;
    succeed(t.store->vt->record_refused(t.store, &wait, &row, t.pool));
    assert_in_range(wait, 40, 50);
    request_init(&next, "rated");
    next.identity.name = "in a hurry";
    record(&outcome, &next);
    assert_int_equal(outcome.kind, STORE_REFUSED);
    assert_string_equal(outcome.rule, "rate_exceeded");
    assert_in_range(outcome.retry_after, 40, 50);
    sql("UPDATE est.alias SET rate_client = NULL WHERE name = 'est'");
}

static void test_maintenance_says_what_it_did(void **state)
{
    store_outcome_t outcome;
    int revoked = -1, expired = -1;
    order_t o;

    (void)state;
    set_approval("all");
    order_init(&o, "forgotten");
    open_order(&outcome, &o);
    set_approval("none");
    succeed(t.store->vt->maintain(t.store, &revoked, &expired, t.pool));
    sql("UPDATE est.enrollment SET expires_at = now() WHERE id = '%s'", o.request.id);
    succeed(t.store->vt->maintain(t.store, &revoked, &expired, t.pool));
    assert_int_equal(revoked, 0);
    assert_int_equal(expired, 1);
    assert_string_equal(sql("SELECT outcome FROM est.enrollment WHERE id = '%s'", o.request.id), "expired");
}

/* --- trouble */

static void test_an_idle_connection_that_was_ended_is_replaced(void **state)
{
    apr_int64_t version;

    (void)state;
    for (int i = 0; i < 3; i++) {
        succeed(t.store->vt->policy_version(t.store, &version, t.pool));
        sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'est_module'");
    }
    succeed(t.store->vt->policy_version(t.store, &version, t.pool));
}

static void test_a_statement_whose_connection_is_ended_is_sent_again(void **state)
{
    PGconn *holder = lock_entity("ended");
    caller_t c;

    (void)state;
    call_start(&c, t.store, "ended");
    wait_until(WAITING);
    sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'est_module' AND wait_event_type "
        "= 'Lock'");
    wait_until(WAITING);
    PQfinish(holder);
    call_end(&c);
    succeed(c.err);
    assert_int_equal(c.outcome.kind, STORE_ISSUED);
    assert_int_equal(certificates_of("ended"), 2);
    apr_pool_destroy(c.pool);
}

static void test_a_lock_held_too_long_ends_in_a_time_out(void **state)
{
    PGconn *holder;
    store_t *store = t.store;
    apr_int64_t version;
    const char *pid;
    caller_t c;

    (void)state;
    holder = lock_entity("locked");
    t.store = open_store(conninfo("5432", "est_module", "est"), 1, 700 * MS);
    succeed(t.store->vt->policy_version(t.store, &version, t.pool));
    pid = sql("SELECT pid FROM pg_stat_activity WHERE usename = 'est_module' ORDER BY backend_start DESC LIMIT 1");
    call_start(&c, t.store, "locked");
    call_end(&c);
    expect(c.err, EST_E_store_unavailable, "57014");
    assert_in_range(c.took, 650 * MS, 5000 * MS);
    assert_int_equal(certificates_of("locked"), 1);
    /* The connection is still good */
    succeed(t.store->vt->policy_version(t.store, &version, t.pool));
    assert_string_equal(sql("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", pid), "1");
    PQfinish(holder);
    apr_pool_destroy(c.pool);
    t.store = store;
}

static void test_waiting_for_a_connection_is_bounded(void **state)
{
    PGconn *holder = lock_entity("exhausted");
    store_t *narrow = open_store(conninfo("5432", "est_module", "est"), 1, apr_time_from_sec(2));
    caller_t first, second;

    (void)state;
    call_start(&first, narrow, "exhausted");
    wait_until(WAITING);
    call_start(&second, narrow, "other entity");
    call_end(&second);
    call_end(&first);
    expect(first.err, EST_E_store_unavailable, "57014");
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

static void test_a_host_that_does_not_answer_is_given_up(void **state)
{
    const char *port = open_silent_port();
    apr_time_t began = apr_time_now();
    apr_int64_t version;
    store_t *store = open_store(apr_psprintf(t.pool, "host=127.0.0.1 port=%s user=est_module dbname=est", port), 2,
                                apr_time_from_sec(3));

    (void)state;
    expect(store->vt->policy_version(store, &version, t.pool), EST_E_store_unavailable, "timeout expired");
    assert_in_range(apr_time_now() - began, 1900 * MS, 9000 * MS);

    began = apr_time_now();
    store = open_store(apr_psprintf(t.pool, "host=127.0.0.1,%s port=%s,5432 user=est_module dbname=est", t.dir, port),
                       2, apr_time_from_sec(5));
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

static void test_a_frozen_server_holds_nobody_up(void **state)
{
    store_t *store = open_store(conninfo("5432", "est_module", "est"), 1, 700 * MS);
    apr_time_t began, took;
    apr_int64_t version;
    const char *pids;
    est_err_t *err;

    (void)state;
    succeed(store->vt->policy_version(store, &version, t.pool));
    pids = server_processes();
    signal_processes(pids, SIGSTOP);
    began = apr_time_now();
    err = store->vt->policy_version(store, &version, t.pool);
    took = apr_time_now() - began;
    signal_processes(pids, SIGCONT);
    expect(err, EST_E_store_unavailable, "no answer in time");
    assert_in_range(took, 600 * MS, 5000 * MS);
    succeed(store->vt->policy_version(store, &version, t.pool));
}

static void test_a_server_that_turned_read_only_is_left(void **state)
{
    store_t *store = open_store(conninfo("5432", "est_module", "est"), 1, apr_time_from_sec(10));
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

static void test_a_restart_of_the_server_fails_no_request(void **state)
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
        PQfinish(t.admin);
        server(apr_psprintf(t.pool, "stop %s", modes[m]));
        for (int i = 0; i < CALLERS; i++)
            call_run(&callers[i]);
        server("start");
        t.admin = connect_as("postgres", "est");
        for (int i = 0; i < CALLERS; i++) {
            call_end(&callers[i]);
            succeed(callers[i].err);
            apr_pool_destroy(callers[i].pool);
        }
        assert_int_equal(certificates_of(entity), CALLERS);
    }
}

static void test_a_server_that_is_down_is_unavailable(void **state)
{
    store_t *store = open_store(conninfo("5432", "est_module", "est"), 2, 500 * MS);
    apr_time_t began;
    apr_int64_t version;
    est_err_t *err;

    (void)state;
    succeed(store->vt->policy_version(store, &version, t.pool));
    PQfinish(t.admin);
    server("stop fast");
    began = apr_time_now();
    err = store->vt->policy_version(store, &version, t.pool);
    began = apr_time_now() - began;
    server("start");
    t.admin = connect_as("postgres", "est");
    expect(err, EST_E_store_unavailable, "");
    assert_in_range(began, 300 * MS, 5000 * MS);
    succeed(store->vt->policy_version(store, &version, t.pool));
}

static void test_a_prepared_statement_survives_a_change_of_its_columns(void **state)
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

static void test_a_commit_without_its_synchronous_standby_is_not_durable(void **state)
{
    store_t *store = open_store(conninfo("5432", "est_module", "est"), 1, 700 * MS);
    apr_int64_t version;
    caller_t cancelled, ended;

    (void)state;
    succeed(store->vt->policy_version(store, &version, t.pool));
    sql("ALTER SYSTEM SET synchronous_standby_names = 'absent'");
    sql("SELECT pg_reload_conf()");
    wait_until("SELECT current_setting('synchronous_standby_names') = 'absent'");

    call_start(&cancelled, store, "not durable");
    call_end(&cancelled);
    call_start(&ended, t.store, "not durable");
    wait_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    call_end(&ended);

    sql("SET synchronous_commit = local");
    sql("ALTER SYSTEM RESET synchronous_standby_names");
    sql("SELECT pg_reload_conf()");
    wait_until("SELECT current_setting('synchronous_standby_names') = ''");
    expect(cancelled.err, EST_E_not_durable, "standby");
    expect(ended.err, EST_E_not_durable, "standby");
    apr_pool_destroy(cancelled.pool);
    apr_pool_destroy(ended.pool);
}

/* --- changes */

typedef struct {
    apr_pool_t *pool;
    store_cache_t *cache;
} listening_t;

static void listen_start(listening_t *l, const char *info)
{
    store_pg_config_t config = {info, 2, apr_time_from_sec(5)};
    store_t *store;

    apr_pool_create(&l->pool, t.pool);
    succeed(store_pg_open(&store, &config, &t.env, l->pool));
    succeed(store_cache_make(&l->cache, store, &t.env, l->pool));
    succeed(store_pg_listen(store, l->cache, l->pool));
}

static apr_int64_t cached_version(const listening_t *l)
{
    const policy_snapshot_t *snapshot;
    apr_pool_t *request;
    apr_int64_t version;

    apr_pool_create(&request, l->pool);
    succeed(store_cache_policy(l->cache, &snapshot, 0, request));
    version = policy_snapshot_version(snapshot);
    apr_pool_destroy(request);
    return version;
}

static apr_int64_t cached_client(const listening_t *l, const char *user)
{
    policy_client_t *client;

    succeed(store_cache_client(l->cache, &client, user, t.pool));
    return client ? client->version : 0;
}

/* Until a change of policy is seen; how long that took */
static apr_interval_time_t await_version(const listening_t *l, apr_int64_t version)
{
    apr_time_t began = apr_time_now();

    while (cached_version(l) != version) {
        assert_true(apr_time_now() - began < LIMIT);
        apr_sleep(MS);
    }
    return apr_time_now() - began;
}

/* Until a change of a client is seen: nothing but a notification drops one from memory */
static void await_listening(const listening_t *l)
{
    apr_time_t until = apr_time_now() + LIMIT;

    for (;;) {
        apr_int64_t version = cached_client(l, "ping"), next;

        sql("UPDATE est.client SET description = 'x' WHERE user_name = 'ping'");
        for (int i = 0; i < 100 && (next = cached_client(l, "ping")) == version; i++)
            apr_sleep(MS);
        if (next != version)
            return;
        assert_true(apr_time_now() < until);
    }
}

static void change_policy(void)
{
    sql("UPDATE est.entity_group SET description = coalesce(description, '') || '.'");
}

static void test_changes_arrive_by_notification(void **state)
{
    listening_t l;
    apr_int64_t version;

    (void)state;
    sql("SELECT est.register_client('ping')");
    sql("SELECT est.register_client('ping2')");
    listen_start(&l, conninfo("5432", "est_module", "est"));
    await_listening(&l);

    for (int i = 0; i < 5; i++) {
        change_policy();
        assert_in_range(await_version(&l, policy_now()), 0, apr_time_from_sec(1));
    }

    version = cached_client(&l, "ping2");
    sql("UPDATE est.client SET enabled = false WHERE user_name = 'ping2'");
    for (int i = 0; cached_client(&l, "ping2") == version; i++) {
        assert_in_range(i, 0, 1000);
        apr_sleep(MS);
    }

    /* What else is said on the channel does no harm */
    sql("SELECT pg_notify('est', x) FROM unnest(ARRAY['', 'probe', 'probe abc', 'policy', 'policy x', 'client', "
        "'client ', 'nonsense']) x");
    change_policy();
    assert_in_range(await_version(&l, policy_now()), 0, apr_time_from_sec(1));
    apr_pool_destroy(l.pool);
    wait_until("SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'est_module'");
}

static void test_a_listener_that_lost_its_connection_misses_nothing(void **state)
{
    listening_t l;
    apr_int64_t client;
    int before = t.warnings;

    (void)state;
    listen_start(&l, conninfo("5432", "est_module", "est"));
    await_listening(&l);
    client = cached_client(&l, "ping2");
    PQfinish(t.admin);
    server("stop fast");
    server("start");
    t.admin = connect_as("postgres", "est");
    change_policy();
    sql("UPDATE est.client SET description = 'y' WHERE user_name = 'ping2'");
    assert_in_range(await_version(&l, policy_now()), 0, apr_time_from_sec(5));
    await_listening(&l);
    assert_true(cached_client(&l, "ping2") != client);
    assert_in_range(t.warnings - before, 1, 2); /* once by the listener, perhaps by a request that asked meanwhile */
    change_policy();
    assert_in_range(await_version(&l, policy_now()), 0, apr_time_from_sec(1));
    apr_pool_destroy(l.pool);
}

static void test_a_pooler_in_transaction_mode_works(void **state)
{
    const char *info = conninfo("6432", "est_module", "est");
    store_t *direct = t.store;
    policy_client_row_t row;
    listening_t l;

    (void)state;
    t.store = open_store(info, 4, apr_time_from_sec(5));
    for (int round = 0; round < 10; round++) {
        caller_t callers[4];

        for (int i = 0; i < 4; i++)
            call_start(&callers[i], t.store, "pooled");
        for (int i = 0; i < 4; i++) {
            call_end(&callers[i]);
            succeed(callers[i].err);
            assert_int_equal(callers[i].outcome.kind, STORE_ISSUED);
            apr_pool_destroy(callers[i].pool);
        }
        succeed(t.store->vt->client_get(t.store, &row, "ping", t.pool));
    }
    assert_int_equal(certificates_of("pooled"), 40);
    t.store = direct;

    /* Notifications do not come through: the listener finds that out and asks */
    listen_start(&l, info);
    for (int i = 0; !t.polling; i++) {
        assert_in_range(i, 0, 10000);
        apr_sleep(MS);
    }
    for (int i = 0; i < 5; i++) {
        change_policy();
        assert_in_range(await_version(&l, policy_now()), 0, apr_time_from_sec(1));
    }
    apr_pool_destroy(l.pool);
}

static int setup(void **state)
{
    (void)state;
    apr_pool_create(&t.pool, NULL);
    t.admin = connect_as("postgres", "est");
    t.store = open_store(conninfo("5432", "est_module", "est"), 4, apr_time_from_sec(10));
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_conninfo_is_checked_without_a_connection),
        TEST(test_probe_reads_policy_with_all_its_rules),
        TEST(test_probe_names_the_migration_of_a_schema_it_does_not_know),
        TEST(test_a_certificate_is_recorded_as_it_was_given),
        TEST(test_a_blocked_key_is_refused),
        TEST(test_the_same_id_is_recorded_once),
        TEST(test_a_repeated_request_gets_the_earlier_certificate),
        TEST(test_a_judgement_by_old_policy_or_client_is_stale),
        TEST(test_a_revoked_or_unknown_certificate_is_refused),
        TEST(test_a_statement_that_the_server_refuses_is_a_failure_not_an_outage),
        TEST(test_a_client_is_found_by_name),
        TEST(test_a_client_is_found_by_certificate),
        TEST(test_an_entity_is_found_by_name_with_its_code),
        TEST(test_an_order_waits_is_approved_and_issued),
        TEST(test_a_denied_order_says_why),
        TEST(test_without_an_order_what_needs_one_is_stale),
        TEST(test_an_order_whose_connection_is_ended_is_opened_once),
        TEST(test_an_order_is_forwarded_and_its_certificate_recorded),
        TEST(test_what_became_of_an_order_is_recorded),
        TEST(test_an_attempt_that_was_taken_over_changes_nothing),
        TEST(test_an_order_is_forwarded_when_it_is_approved),
        TEST(test_an_order_whose_connection_is_ended_is_forwarded_once),
        TEST(test_what_became_of_an_order_is_sent_again_when_the_connection_is_ended),
        TEST(test_a_code_is_used_up_and_an_entity_compared),
        TEST(test_names_of_a_vendors_device_are_held_against_the_list),
        TEST(test_a_refusal_is_recorded_once),
        TEST(test_refusals_without_rows_are_one_row),
        TEST(test_a_rate_says_how_long_to_wait),
        TEST(test_maintenance_says_what_it_did),
        TEST(test_an_idle_connection_that_was_ended_is_replaced),
        TEST(test_a_statement_whose_connection_is_ended_is_sent_again),
        TEST(test_a_lock_held_too_long_ends_in_a_time_out),
        TEST(test_waiting_for_a_connection_is_bounded),
        TEST(test_a_host_that_does_not_answer_is_given_up),
        TEST(test_a_frozen_server_holds_nobody_up),
        TEST(test_a_server_that_turned_read_only_is_left),
        TEST(test_a_server_that_is_down_is_unavailable),
        TEST(test_a_restart_of_the_server_fails_no_request),
        TEST(test_a_prepared_statement_survives_a_change_of_its_columns),
        TEST(test_a_commit_without_its_synchronous_standby_is_not_durable),
        TEST(test_changes_arrive_by_notification),
        TEST(test_a_listener_that_lost_its_connection_misses_nothing),
        TEST(test_a_pooler_in_transaction_mode_works),
    };
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
