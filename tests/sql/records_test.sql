-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- record_issued(), holder_status(), revoke() and the views, one outcome after the other

\set ON_ERROR_STOP on
BEGIN;
SET search_path = est, public;
SELECT no_plan();

INSERT INTO alias (name) VALUES ('a'), ('b');
SELECT register_client('dev1', 'pw');

\ir calls.sql

-- issued
SET synchronous_commit = off;
SELECT results_eq($$SELECT outcome, rule, detail, der FROM pg_temp.record('0a01', spki => 'first')$$, $$VALUES ('issued', NULL, NULL, NULL::bytea)$$, 'issued: the caller has the certificate');
SELECT is(current_setting('synchronous_commit'), 'on', 'the transaction commits synchronously whatever the session says');
SET LOCAL synchronous_commit = remote_apply;
SELECT results_eq($$SELECT outcome, rule, detail, der FROM pg_temp.record('0a02', entity => 'dev2', identity => 'ra')$$, $$VALUES ('issued', NULL, NULL, NULL::bytea)$$, 'issued to another entity');
SELECT is(current_setting('synchronous_commit'), 'remote_apply', 'a stronger synchronous_commit stays');
SELECT results_eq($$SELECT c.alias, e.name::text, c.ca, c.issuer, c.serial::text, c.subject, c.san, c.status::text, c.replaces, c.der, n.alias, n.operation::text, n.identity_kind::text, n.identity, n.network, n.outcome::text
        FROM certificate c JOIN end_entity e ON e.id = c.entity_id JOIN enrollment n ON n.certificate_id = c.id WHERE c.serial = '0a01'$$,
    $$VALUES ('a', 'dev1', 'issuing', 'CN=ca', '0a01', 'CN=dev1', ARRAY['dns:dev1'], 'valid', NULL::bigint, '\x0a01'::bytea, 'a', 'simpleenroll', 'user', 'dev1', inet '192.0.2.7', 'issued')$$,
    'what was issued is on record');
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0a03')$$, ARRAY['issued'], 'the same entity again');
SELECT is(pg_temp.counts(), '2 entities, 3 certificates, 3 enrolments', 'the entity is reused');
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0a04', alias => 'b')$$, ARRAY['issued'], 'the same entity at another alias of the group');
SELECT is(pg_temp.counts(), '2 entities, 4 certificates, 4 enrolments', 'entities belong to the group');

-- The same request id
SELECT results_eq($$SELECT outcome, rule, detail, der FROM pg_temp.record('0b01', id => '00000000-0000-0000-0000-000000000001')$$, $$VALUES ('issued', NULL, NULL, NULL::bytea)$$, 'first try');
SELECT results_eq($$SELECT outcome, rule, detail, der FROM pg_temp.record('0b02', id => '00000000-0000-0000-0000-000000000001')$$, $$VALUES ('issued', NULL, NULL, '\x0b01'::bytea)$$, 'a retry of the same request gets what is on record');
SELECT results_eq($$SELECT outcome, rule, detail, der FROM pg_temp.record('0b02', id => '00000000-0000-0000-0000-000000000001', policy => 0)$$, $$VALUES ('issued', NULL, NULL, '\x0b01'::bytea)$$, 'also when policy has changed since');
SELECT throws_like($$SELECT pg_temp.record('0b03', id => '00000000-0000-0000-0000-000000000001', spki => 'other')$$, 'request id %on record for another identity or key', 'the same id for another key is an error');
SELECT throws_like($$SELECT pg_temp.record('0b03', id => '00000000-0000-0000-0000-000000000001', identity => 'x')$$, 'request id %on record for another identity or key', 'the same id for another identity is an error');
SELECT throws_like($$SELECT pg_temp.record('0b03', id => '00000000-0000-0000-0000-000000000001', kind => 'certificate')$$, 'request id %on record for another identity or key', 'the same id for another kind of identity is an error');

-- stale
CREATE TEMP TABLE had AS SELECT pg_temp.counts() AS counts;
CREATE TEMP TABLE dev AS SELECT id, version FROM client WHERE user_name = 'dev1';
SELECT results_eq($$SELECT outcome, rule, der FROM pg_temp.record('0c01', policy => 0, entity => 'new')$$, $$VALUES ('stale', 'policy', NULL::bytea)$$, 'another policy version');
SELECT results_eq($$SELECT outcome, rule FROM est.record_issued(gen_random_uuid(), 9999, (SELECT version FROM policy_version), 'simpleenroll', 'user', 'u', NULL, NULL, NULL, NULL, NULL, 'new', NULL, 0, 'ca', 'i',
        sha256('i'), '01', 's', NULL, sha256('k'), now(), now() + interval '1 day', 'x', NULL, NULL, NULL, NULL, NULL, NULL)$$, $$VALUES ('stale', 'policy')$$, 'an alias that is gone');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0c02', client => (SELECT id FROM dev), client_version => (SELECT version - 1 FROM dev), entity => 'new')$$, $$VALUES ('stale', 'client')$$, 'another client version');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0c03', client => 9999, client_version => 1, entity => 'new')$$, $$VALUES ('stale', 'client')$$, 'a client that is gone');
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0c04', client => (SELECT id FROM dev), client_version => (SELECT version FROM dev))$$, ARRAY['issued'], 'the client as it is');
UPDATE client SET enabled = false WHERE user_name = 'dev1';
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0c05', client => (SELECT id FROM dev), client_version => (SELECT version FROM dev), entity => 'new')$$, $$VALUES ('stale', 'client')$$, 'a client disabled meanwhile');

-- The certificate presented
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0d01', kind => 'certificate', holder => 'ffff', entity => 'new')$$, $$VALUES ('refused', 'certificate_unknown')$$, 'a certificate without a record');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0d01', kind => 'certificate', holder => '0a04', entity => 'new')$$, $$VALUES ('refused', 'certificate_unknown')$$, 'a certificate of another alias');
SELECT is(pg_temp.counts(), '2 entities, 6 certificates, 6 enrolments', 'what is stale or refused leaves no row');
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0d21', holder => '0a04')$$, ARRAY['issued'], 'beside a password that suffices, a certificate of another alias counts as none');
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0d22', holder => 'ffff')$$, ARRAY['issued'], 'and so does one without a record');
UPDATE alias SET auth_enroll = 'basic-and-cert' WHERE name = 'a';
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0d23', holder => '0a04')$$, $$VALUES ('refused', 'certificate_unknown')$$, 'where both are wanted, a certificate of another alias does not do');
UPDATE alias SET auth_enroll = DEFAULT WHERE name = 'a';
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0d02', operation => 'simplereenroll', kind => 'certificate', holder => '0a01')$$, ARRAY['issued'], 're-enrolment');
SELECT is(r.serial::text, '0a01', 're-enrolment names what it replaces') FROM certificate c JOIN certificate r ON r.id = c.replaces WHERE c.serial = '0d02';
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0d03', kind => 'certificate', holder => '0a01')$$, ARRAY['issued'], 'enrolment with a certificate');
SELECT is(replaces, NULL, 'an enrolment replaces nothing') FROM certificate WHERE serial = '0d03';
SELECT is(holder_status((SELECT id FROM alias WHERE name = 'a'), sha256('ca'), s), want, 'holder_status ' || s) FROM (VALUES ('0a01', 'valid'), ('0a04', 'unknown'), ('ffff', 'unknown')) AS t (s, want);
SELECT is(holder_status((SELECT id FROM alias WHERE name = 'a'), sha256('other'), '0a01'), 'unknown', 'holder_status: the issuer counts');
SELECT is(holder_status(9999, sha256('ca'), '0a01'), 'unknown', 'holder_status: no alias');
SELECT matches(revoke('0A:01', 'keyCompromise'), '^revoked certificate [0-9]+: serial 0a01, subject CN=dev1, .* reason keyCompromise$', 'revoke says what it revoked');
SELECT results_eq($$SELECT status::text, revoked_at, revocation_reason::text FROM certificate WHERE serial = '0a01'$$, $$VALUES ('revoked', now(), 'keyCompromise')$$, 'and that is on record');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0d04', holder => '0a01')$$, $$VALUES ('refused', 'certificate_revoked')$$, 'a revoked certificate');
SELECT is(holder_status((SELECT id FROM alias WHERE name = 'a'), sha256('ca'), '0a01'), 'revoked', 'holder_status: revoked');
UPDATE alias SET unknown_holder = 'accept' WHERE name = 'a';
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0d05', operation => 'simplereenroll', holder => 'ffff')$$, ARRAY['issued'], 'unknown_holder accept: without a record');
SELECT is(replaces, NULL, 'and it replaces nothing known') FROM certificate WHERE serial = '0d05';
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0d06', kind => 'certificate', holder => '0a04')$$, $$VALUES ('refused', 'certificate_unknown')$$, 'unknown_holder accept: a certificate of another alias stays refused');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0d06', holder => '0a01')$$, $$VALUES ('refused', 'certificate_revoked')$$, 'unknown_holder accept: a revoked one too');
SELECT is(holder_status((SELECT id FROM alias WHERE name = 'a'), sha256('ca'), s), want, 'holder_status, accept: ' || s) FROM (VALUES ('0a03', 'valid'), ('0a01', 'revoked'), ('0a04', 'unknown'), ('ffff', 'valid')) AS t (s, want);

-- Blocked keys: K-11, and of C-16 the revoked ones
CREATE TEMP TABLE before_blocked AS SELECT pg_temp.counts() AS counts;
INSERT INTO blocked_key (kind, fingerprint, source) VALUES ('spki', sha256('listed'), 'a list'), ('modulus', '\x8df20e6961a16398b85a', 'openssl-blacklist'), ('spki', sha256('other'), 'a list');
SELECT results_eq(format('SELECT outcome, rule, detail FROM pg_temp.record(''0d31'', spki => %L, modulus => %L, entity => ''new'')', s, m), format('VALUES (''refused'', ''key_blocked'', %L)', want), 'a blocked key: ' || want)
    FROM (VALUES ('listed', NULL, 'it is listed (a list)'), ('listed', '00000000000000000000', 'it is listed (a list)'), ('debian', '8df20e6961a16398b85a', 'its modulus is listed (openssl-blacklist)'),
        ('first', NULL, 'a certificate for it was revoked with reason keyCompromise')) AS t (s, m, want);
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0d32', spki => 'listed', operation => 'simplereenroll', kind => 'certificate', holder => '0a03')$$, $$VALUES ('refused', 'key_blocked')$$, 're-enrolment with a blocked key');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0d33', spki => 'listed', policy => 0)$$, $$VALUES ('stale', 'policy')$$, 'what is stale is judged again first');
SELECT is(pg_temp.counts(), counts, 'nothing is recorded for a blocked key') FROM before_blocked;
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0d34', spki => 'debian', modulus => '8df20e6961a16398b85b')$$, ARRAY['issued'], 'a modulus that differs in one bit of its fingerprint');
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0d35', idem => 'b', spki => 'soon')$$, ARRAY['issued'], 'a key that is not blocked');
INSERT INTO blocked_key (kind, fingerprint) VALUES ('spki', sha256('soon'));
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0d36', idem => 'b', spki => 'soon')$$, $$VALUES ('refused', 'key_blocked')$$, 'blocked since: no replay either');
DELETE FROM blocked_key;
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0d37', idem => 'b', spki => 'soon')$$, ARRAY['replay'], 'and no longer');
SELECT revoke('0d35', 'superseded');
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0d38', spki => 'soon')$$, ARRAY['issued'], 'a certificate revoked for another reason blocks no key');

-- Idempotency
SELECT results_eq($$SELECT outcome, der FROM pg_temp.record('0e01', idem => 'i')$$, $$VALUES ('issued', NULL::bytea)$$, 'first of its key');
SELECT results_eq($$SELECT outcome, rule, detail, der FROM pg_temp.record('0e02', idem => 'i')$$, $$VALUES ('replay', NULL, NULL, '\x0e01'::bytea)$$, 'again: the first certificate');
SELECT is_empty($$SELECT FROM certificate WHERE serial = '0e02'$$, 'and nothing is recorded');
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0e03', idem => 'j')$$, ARRAY['issued'], 'another key');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0e04', idem => 'i', holder => '0a01')$$, $$VALUES ('refused', 'certificate_revoked')$$, 'rules come before a replay');
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0e05', idem => 'i', idem_seconds => 0)$$, ARRAY['issued'], 'outside the window');
UPDATE enrollment SET at = at - interval '11 minutes' WHERE idem_key = sha256('i');
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0e06', idem => 'i')$$, ARRAY['issued'], 'after the window');
SELECT revoke('0e06');
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0e07', idem => 'i')$$, ARRAY['issued'], 'a revoked certificate is not handed out again');
UPDATE certificate SET not_after = now() - interval '1 second' WHERE serial = '0e07';
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0e08', idem => 'i')$$, ARRAY['issued'], 'nor is one that is over');

-- Data at the edge
SELECT results_eq(format($$SELECT outcome, rule FROM pg_temp.record('0f01', entity => %L)$$, e), $$VALUES ('refused', 'name_refused')$$, 'entity name of ' || octet_length(e) || ' bytes') FROM unnest(ARRAY['', repeat('é', 513)]) AS e;
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0f02', entity => repeat('é', 512))$$, ARRAY['issued'], 'entity name of 1024 bytes');
SELECT results_eq($$SELECT outcome FROM est.record_issued(gen_random_uuid(), 1, (SELECT version FROM policy_version), 'simpleenroll', 'certificate', '', NULL, NULL, NULL, NULL, NULL, 'x', NULL, 0, 'ca', '',
        sha256('i'), repeat('7f', 20), '', NULL, sha256('k'), now(), '9999-12-31 23:59:59+00', repeat('x', 100000)::bytea, NULL, NULL, NULL, NULL, NULL, NULL)$$, ARRAY['issued'], 'empty names, no SAN, no network, 99991231235959Z, 20 octets of serial');
SELECT throws_like($$SELECT pg_temp.record('0a02')$$, '%duplicate key%certificate_serial_issuer_hash_key%', 'a serial twice is an error: nothing leaves');
SELECT lives_ok($$SELECT pg_temp.record('0a02', issuer => 'ca2')$$, 'the same serial of another issuer');

-- revoke
SELECT throws_like(call, said, call) FROM (VALUES
    ($$SELECT revoke('0a02')$$, 'serial 0a02 is ambiguous: 2 certificates have it'), ($$SELECT revoke('0a02', ca => 'issuing')$$, 'serial 0a02 is ambiguous%'),
    ($$SELECT revoke('0a02', ca => 'CN=none')$$, 'no certificate with serial 0a02 of CA ''CN=none'''), ($$SELECT revoke('dead')$$, 'no certificate with serial 00dead'), ($$SELECT revoke('xyz')$$, 'serial = ''xyz'' refused; allowed: hexadecimal%'),
    ($$SELECT revoke('')$$, 'serial = '''' refused%'), ($$SELECT revoke(NULL)$$, 'serial = '''' refused%'), ($$SELECT revoke('0a01')$$, 'certificate 0a01 is revoked since % (keyCompromise)'),
    ($$SELECT revoke('0a03', 'removeFromCRL')$$, 'reason = ''removeFromCRL'' refused; allowed: unspecified, keyCompromise%'), ($$SELECT revoke('0a03', NULL)$$, 'reason = ''NULL'' refused%')) AS bad (call, said);
SELECT is(serial_parse(s), want, 'serial ' || s) FROM (VALUES ('0x0A:03', '0a03'), (' A0 3 ', '0a03'), ('00000a03', '0a03'), ('80', '0080'), ('0080', '0080'), ('0', '00'), ('000', '00'), ('FFFF', '00ffff')) AS t (s, want);
SELECT matches(revoke('0xA02', 'superseded', 'CN=ca2'), '^revoked certificate .* reason superseded$', 'revoke with the issuer named');
SELECT results_eq($$SELECT issuer, status::text FROM certificate WHERE serial = '0a02' ORDER BY 1$$, $$VALUES ('CN=ca', 'valid'), ('CN=ca2', 'revoked')$$, 'only that one');

-- A deleted alias leaves its records and no right
DELETE FROM alias WHERE name = 'b';
INSERT INTO alias (name) VALUES ('b');
SELECT is(alias, 'b', 'the record says where') FROM certificate WHERE serial = '0a04';
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('1001', alias => 'b', kind => 'certificate', holder => '0a04')$$, $$VALUES ('refused', 'certificate_unknown')$$, 'a new alias of an old name does not know its certificates');

-- Views
SELECT lives_ok($$SELECT pg_temp.record('2001', entity => 'v1', ends => '10 days 1 hour'), pg_temp.record('2002', entity => 'v2', ends => '10 days'), pg_temp.record('2003', entity => 'v3', ends => '10 days'),
    pg_temp.record('2004', entity => 'v4', ends => '31 days'), pg_temp.record('2005', entity => 'v5', ends => '10 days'), pg_temp.record('2006', entity => 'v6', ends => '10 days')$$, 'some end soon');
SELECT pg_temp.record('2012', entity => 'v2', operation => 'simplereenroll', holder => '2002');
SELECT pg_temp.record('2013', entity => 'v3', operation => 'simplereenroll', holder => '2003');
SELECT revoke('2013'), revoke('2005');
SELECT pg_temp.record('2016', entity => 'v6', operation => 'simplereenroll', holder => '2006');
SELECT pg_temp.record('2026', entity => 'v6', operation => 'simplereenroll', holder => '2016');
SELECT revoke('2016');
SELECT results_eq($$SELECT serial::text, subject, san, alias, entity::text, days_left FROM expiring_soon WHERE entity LIKE 'v%' ORDER BY 1$$,
    $$VALUES ('2001', 'CN=v1', ARRAY['dns:v1'], 'a', 'v1', 10), ('2003', 'CN=v3', ARRAY['dns:v3'], 'a', 'v3', 10)$$,
    'expiring_soon: not replaced, or by a revoked one alone; not the replaced, the revoked, the later, one whose successor''s successor is valid');
SELECT results_eq($$SELECT day, certificates FROM issued_per_day WHERE alias = 'a' AND operation = 'simplereenroll'$$, $$SELECT current_date, count(*) FROM enrollment WHERE alias = 'a' AND operation = 'simplereenroll'$$, 'issued_per_day');
SELECT is((SELECT sum(certificates) FROM issued_per_day), (SELECT count(*)::numeric FROM certificate), 'issued_per_day counts each certificate once');

-- Constraints of the records
SELECT throws_like(format('UPDATE certificate SET %s WHERE serial = ''0a03''', c), '%violates check constraint%', 'certificate: ' || c) FROM unnest(ARRAY['status = ''x''', 'status = ''revoked''', 'revoked_at = now()',
    'revocation_reason = ''superseded''', 'status = ''revoked'', revoked_at = now(), revocation_reason = ''removeFromCRL''', 'serial = ''0A''', 'serial = ''abc''', 'serial = ''''', 'issuer_hash = ''x''', 'spki_hash = ''x''', 'not_after = not_before']) AS c;
SELECT throws_like(format('UPDATE enrollment SET %s', c), '%violates check constraint%', 'enrolment: ' || c) FROM unnest(ARRAY['operation = ''cacerts''', 'identity_kind = ''x''', 'outcome = ''denied''']) AS c;
SELECT throws_like($$UPDATE end_entity SET name = ''$$, '%violates check constraint%', 'entity: a name');
SELECT throws_like($$DELETE FROM end_entity WHERE name = 'dev1'$$, '%violates foreign key constraint%', 'an entity with certificates stays');
SELECT throws_like($$DELETE FROM certificate WHERE serial = '0a03'$$, '%violates foreign key constraint%', 'a certificate with its enrolment stays');

SELECT * FROM finish();
ROLLBACK;
