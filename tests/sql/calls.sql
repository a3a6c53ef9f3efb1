-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- For tests to include: calls as the module makes them. What a test wants otherwise than the defaults it says by name.

CREATE FUNCTION pg_temp.record(serial text, alias text DEFAULT 'a', id uuid DEFAULT gen_random_uuid(), policy bigint DEFAULT NULL, operation text DEFAULT 'simpleenroll',
    kind text DEFAULT 'user', identity text DEFAULT 'dev1', client int DEFAULT NULL, client_version bigint DEFAULT NULL, holder text DEFAULT NULL, entity text DEFAULT 'dev1',
    idem text DEFAULT NULL, idem_seconds int DEFAULT 600, spki text DEFAULT 'key', ends interval DEFAULT '1 year', issuer text DEFAULT 'ca', modulus text DEFAULT NULL,
    subject text DEFAULT NULL, network inet DEFAULT '192.0.2.7', dropped text DEFAULT NULL, code bigint DEFAULT NULL, entity_version bigint DEFAULT NULL, an_order uuid DEFAULT NULL,
    vendor text[] DEFAULT NULL,
    OUT outcome text, OUT rule text, OUT detail text, OUT der bytea, OUT retry_after int) LANGUAGE sql AS $$
    SELECT r.* FROM est.record_issued($3, (SELECT a.id FROM est.alias a WHERE a.name = $2), coalesce($4, (SELECT version FROM est.policy_version)), $5, $6, $7, $8, $9, $19,
        CASE WHEN $10 IS NOT NULL THEN sha256('ca') END, $10, $11, sha256($12::bytea), $13, 'issuing', 'CN=' || $16, sha256($16::bytea), $1, coalesce($18, 'CN=' || $11), ARRAY['dns:' || $11], sha256($14::bytea),
        now() - interval '5 minutes', now() + $15, decode($1, 'hex'), decode($17, 'hex'), $20, $21, $22, $23, $24) AS r;
$$;
CREATE FUNCTION pg_temp.ask(key text, alias text DEFAULT 'a', id uuid DEFAULT gen_random_uuid(), policy bigint DEFAULT NULL, operation text DEFAULT 'simpleenroll', kind text DEFAULT 'user',
    identity text DEFAULT 'dev1', holder text DEFAULT NULL, entity text DEFAULT 'dev1', idem text DEFAULT NULL, idem_seconds int DEFAULT 600, spki text DEFAULT 'key', subject text DEFAULT NULL,
    network inet DEFAULT '192.0.2.7', code bigint DEFAULT NULL, entity_version bigint DEFAULT NULL, vendor text[] DEFAULT NULL,
    OUT outcome text, OUT rule text, OUT detail text, OUT der bytea, OUT order_id uuid, OUT retry_after int) LANGUAGE sql AS $$
    SELECT r.outcome, r.rule, r.detail, r.der, r.order_id, r.retry_after FROM est.order_open($3, (SELECT a.id FROM est.alias a WHERE a.name = $2), coalesce($4, (SELECT version FROM est.policy_version)), $5, $6, $7, NULL, NULL, $14,
        CASE WHEN $8 IS NOT NULL THEN sha256('ca') END, $8, $9, sha256($1::bytea), sha256($10::bytea), $11, coalesce($13, 'CN=' || $9), ARRAY['dns:' || $9], sha256($12::bytea), NULL, '\x3000', 'O dropped',
        $15, $16, $17, 'issuing', 0) AS r;
$$;
-- The same where the CA is elsewhere
CREATE FUNCTION pg_temp.forward(key text, alias text DEFAULT 'a', id uuid DEFAULT gen_random_uuid(), policy bigint DEFAULT NULL, kind text DEFAULT 'user', identity text DEFAULT 'dev1', entity text DEFAULT 'dev1',
    idem text DEFAULT NULL, idem_seconds int DEFAULT 600, csr bytea DEFAULT '\x3000', code bigint DEFAULT NULL, entity_version bigint DEFAULT NULL, ca text DEFAULT 'up', lease int DEFAULT 15,
    OUT outcome text, OUT rule text, OUT detail text, OUT der bytea, OUT order_id uuid, OUT retry_after int, OUT waits_for_ca boolean, OUT attempt int, OUT csr_sent bytea, OUT upstream text, OUT state bytea) LANGUAGE sql AS $$
    SELECT r.* FROM est.order_open($3, (SELECT a.id FROM est.alias a WHERE a.name = $2), coalesce($4, (SELECT version FROM est.policy_version)), 'simpleenroll', $5, $6, NULL, NULL, '192.0.2.7', NULL, NULL, $7,
        sha256($1::bytea), sha256($8::bytea), $9, 'CN=' || $7, ARRAY['dns:' || $7], sha256('key'), NULL, $10, 'O dropped', $11, $12, NULL, $13, $14) AS r;
$$;
CREATE FUNCTION pg_temp.refuse(a_rule text, id uuid DEFAULT gen_random_uuid(), alias text DEFAULT 'a', kind text DEFAULT 'user', identity text DEFAULT 'dev1', why text DEFAULT 'why') RETURNS int LANGUAGE sql AS $$
    SELECT est.record_refused($2, (SELECT a.id FROM est.alias a WHERE a.name = $3), 'simpleenroll', $4, $5, NULL, '192.0.2.7', 'CN=x', '{dns:x}', sha256('key'), $1, $6);
$$;
CREATE FUNCTION pg_temp.counts() RETURNS text LANGUAGE sql AS $$
    SELECT format('%s entities, %s certificates, %s enrolments', (SELECT count(*) FROM est.end_entity), (SELECT count(*) FROM est.certificate), (SELECT count(*) FROM est.enrollment)) $$;
-- Time passes: for the records of the tests, since now() stands still in a transaction
CREATE FUNCTION pg_temp.later(how_much interval) RETURNS void LANGUAGE sql AS $$
    UPDATE est.certificate SET not_before = not_before - how_much, not_after = not_after - how_much, issued_at = issued_at - how_much;
    UPDATE est.enrollment SET at = at - how_much, expires_at = expires_at - how_much, decided_at = decided_at - how_much, busy_until = busy_until - how_much,
        ask_at = ask_at - how_much;
    UPDATE est.rate_bucket SET full_at = full_at - how_much;
    UPDATE est.enrollment_code SET expires_at = expires_at - how_much;
    UPDATE est.end_entity SET valid_until = valid_until - how_much WHERE valid_until IS NOT NULL;
$$;
