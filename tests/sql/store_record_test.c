/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* store_pg: what is recorded, certificates and refusals. Part of store_pg_test */

#include "store_pg_test.h"

#include <stdlib.h>
#include <string.h>

/* --- certificates */

void test_a_certificate_is_recorded_as_it_was_given(void **state)
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
void test_a_blocked_key_is_refused(void **state)
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
    ASSERT_OUTCOME(outcome, STORE_REFUSED, "key_blocked");
    assert_string_equal(outcome.detail, "its modulus is listed (a list)");
    r.issue.modulus_hash = NULL;
    r.issue.spki_hash = spki;
    sql("INSERT INTO est.blocked_key (kind, fingerprint) SELECT 'spki', decode(rpad('b1', 64, '0'), 'hex')");
    record(&outcome, &r);
    ASSERT_OUTCOME(outcome, STORE_REFUSED, "key_blocked");
    assert_int_equal(certificates_of("blocked"), 0);
    sql("DELETE FROM est.blocked_key");
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_ISSUED);
}

void test_the_same_id_is_recorded_once(void **state)
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

void test_a_repeated_request_gets_the_earlier_certificate(void **state)
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

void test_a_judgement_by_old_policy_or_client_is_stale(void **state)
{
    store_outcome_t outcome;
    request_t r;

    (void)state;
    request_init(&r, "stale");
    r.issue.policy_version--;
    record(&outcome, &r);
    ASSERT_OUTCOME(outcome, STORE_STALE, "policy");
    r.issue.policy_version++;

    sql("SELECT est.register_client('stale-client')");
    r.client.id = atoi(sql("SELECT id FROM est.client WHERE user_name = 'stale-client'"));
    r.client.version = 99;
    r.identity.client = &r.client;
    record(&outcome, &r);
    ASSERT_OUTCOME(outcome, STORE_STALE, "client");
    assert_int_equal(certificates_of("stale"), 0);
}

void test_a_revoked_or_unknown_certificate_is_refused(void **state)
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
    ASSERT_OUTCOME(outcome, STORE_REFUSED, "certificate_unknown");
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
    ASSERT_OUTCOME(outcome, STORE_REFUSED, "certificate_revoked");
}

void test_a_statement_that_the_server_refuses_is_a_failure_not_an_outage(void **state)
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

/* --- codes, entities, vendors: parameters that only some requests have */

void test_a_code_is_used_up_and_an_entity_compared(void **state)
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
    ASSERT_OUTCOME(outcome, STORE_STALE, "entity");
    entity->version--;
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_ISSUED);
    assert_string_equal(sql("SELECT uses_left FROM est.enrollment_code WHERE id = %d", (int)entity->code_id), "0");
    request_init(&next, "coded");
    r.issue.id = next.id;
    r.issue.serial = next.issue.serial;
    record(&outcome, &r);
    ASSERT_OUTCOME(outcome, STORE_REFUSED, "code_refused");
}

void test_names_of_a_vendors_device_are_held_against_the_list(void **state)
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
    ASSERT_OUTCOME(outcome, STORE_REFUSED, "vendor_refused");
    sql("INSERT INTO est.vendor_device (alias_id, device) VALUES (1, '1.3.6.1.4.1.9:0a1b')");
    record(&outcome, &r);
    assert_int_equal(outcome.kind, STORE_ISSUED);
    sql("UPDATE est.alias SET vendor = 'off' WHERE name = 'est'");
}

/* --- refusals and rates */

void test_a_refusal_is_recorded_once(void **state)
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

void test_refusals_without_rows_are_one_row(void **state)
{
    store_refusal_t row = {.rule = "suppressed", .reason = "140"};
    int wait = -1;

    (void)state;
    succeed(t.store->vt->record_refused(t.store, &wait, &row, t.pool));
    assert_int_equal(wait, 0);
    assert_string_equal(sql("SELECT suppressed FROM est.enrollment WHERE outcome = 'suppressed' AND alias IS NULL"),
                        "140");
}

void test_a_rate_says_how_long_to_wait(void **state)
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
    ASSERT_OUTCOME(outcome, STORE_REFUSED, "rate_exceeded");
    assert_in_range(outcome.retry_after, 40, 50);
    sql("UPDATE est.alias SET rate_client = NULL WHERE name = 'est'");
}
