/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* store_pg: what is read, that is policy at start, clients and entities. Part of store_pg_test */

#include "store_pg_test.h"

#include <apr_strings.h>
#include <string.h>

/* --- configuration and start */

void test_conninfo_is_checked_without_a_connection(void **state)
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

void test_probe_reads_policy_with_all_its_rules(void **state)
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

void test_probe_names_the_migration_of_a_schema_it_does_not_know(void **state)
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

/* --- clients and entities */

void test_a_client_is_found_by_name(void **state)
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

void test_a_client_is_found_by_certificate(void **state)
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

void test_an_entity_is_found_by_name_with_its_code(void **state)
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
