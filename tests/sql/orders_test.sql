-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Orders: opened, decided, come back for; what time does to them; views of what was decided

\set ON_ERROR_STOP on
BEGIN;
SET search_path = est, public;
SELECT no_plan();
\ir calls.sql

INSERT INTO alias (name, ca, approval, approvals, retry_after) VALUES ('a', 'issuing', 'all', 1, '90 seconds'), ('b', 'issuing', 'none', 1, '60 seconds');
CREATE FUNCTION pg_temp.id_of(key text) RETURNS text LANGUAGE sql AS $$ SELECT e.id::text FROM est.enrollment e WHERE e.order_key = sha256($1::bytea) ORDER BY e.at DESC LIMIT 1 $$;
CREATE FUNCTION pg_temp.state_of(key text) RETURNS text LANGUAGE sql AS $$ SELECT e.outcome::text FROM est.enrollment e WHERE e.order_key = sha256($1::bytea) ORDER BY e.at DESC LIMIT 1 $$;

-- No approval needed
SELECT results_eq($$SELECT * FROM pg_temp.ask('n', alias => 'b')$$, $$VALUES ('go', NULL, NULL, NULL::bytea, NULL::uuid, NULL::int)$$, 'go: no approval is needed');
SELECT is(pg_temp.counts(), '0 entities, 0 certificates, 0 enrolments', 'and nothing is written');
SELECT throws_like($$SELECT pg_temp.ask(NULL)$$, 'an order has a key', 'an order has a key');

-- PE-01, PE-02, PE-04: one order for one request, whoever asks again
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0001', entity => 'e1')$$, $$VALUES ('stale', 'approval')$$, 'nothing is issued without an order');
SELECT results_eq($$SELECT * FROM pg_temp.ask('k1', id => '11111111-0000-0000-0000-000000000001', entity => 'e1')$$, $$VALUES ('pending', NULL, NULL, NULL::bytea, '11111111-0000-0000-0000-000000000001'::uuid, 90)$$, 'PE-01: an order is opened, and the client told when to come again');
SELECT results_eq($$SELECT outcome, order_id, retry_after FROM pg_temp.ask('k1', entity => 'e1')$$, $$VALUES ('pending', '11111111-0000-0000-0000-000000000001'::uuid, 90)$$, 'PE-02: the same request finds it; PE-08: however early it comes');
SELECT results_eq($$SELECT outcome, order_id FROM pg_temp.ask('k1', id => '11111111-0000-0000-0000-000000000001', entity => 'e1')$$, $$VALUES ('pending', '11111111-0000-0000-0000-000000000001'::uuid)$$, 'the same request id too');
SELECT is(pg_temp.counts(), '1 entities, 0 certificates, 1 enrolments', 'one order, one row');
SELECT results_eq($$SELECT n.alias, n.operation::text, n.identity_kind::text, n.identity, n.network, e.name::text, n.outcome::text, n.subject, n.san, n.spki_hash = sha256('key'), n.dropped, n.csr, n.expires_at - n.at, n.certificate_id
        FROM enrollment n JOIN end_entity e ON e.id = n.entity_id$$,
    $$VALUES ('a', 'simpleenroll', 'user', 'dev1', inet '192.0.2.7', 'e1', 'pending', 'CN=e1', ARRAY['dns:e1'], true, 'O dropped', '\x3000'::bytea, interval '7 days', NULL::bigint)$$, 'what was asked for is on record');
SAVEPOINT others;
SELECT results_eq(format('SELECT outcome, order_id <> %L FROM pg_temp.ask(%s)', '11111111-0000-0000-0000-000000000001', call), $$VALUES ('pending', true)$$, 'PE-05: an order is its identity''s, its alias''s and its key''s: ' || call)
    FROM unnest(ARRAY[$$'k1', identity => 'else'$$, $$'k1', kind => 'certificate'$$, $$'k1', spki => 'else'$$]) AS call;
SELECT is(outcome, 'go', 'PE-05: nor does another alias see it') FROM pg_temp.ask('k1', alias => 'b');
ROLLBACK TO others;
SELECT throws_like($$SELECT pg_temp.record('0001', an_order => '11111111-0000-0000-0000-000000000001', identity => 'else')$$, 'order 11111111-% is of another identity, key or alias', 'an order that is named must be the identity''s');
SELECT throws_like($$SELECT pg_temp.record('0001', an_order => '11111111-0000-0000-0000-000000000001', spki => 'else')$$, 'order 11111111-% is of another identity, key or alias', 'and its key');
SELECT results_eq($$SELECT outcome, retry_after FROM pg_temp.record('0001', an_order => '11111111-0000-0000-0000-000000000001')$$, $$VALUES ('pending', 90)$$, 'nothing is issued for an order that waits');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0001', an_order => gen_random_uuid())$$, $$VALUES ('stale', 'approval')$$, 'nor for one that there is not');

-- pending
SELECT results_eq($$SELECT id::text, alias, operation::text, identity_kind::text, identity, network, entity::text, subject, san, spki_hash, approvals, age FROM pending$$,
    $$SELECT '11111111-0000-0000-0000-000000000001', 'a', 'simpleenroll', 'user', 'dev1', inet '192.0.2.7', 'e1', 'CN=e1', ARRAY['dns:e1'], encode(sha256('key'), 'hex'), '0 of 1', interval '0'$$, 'pending shows it');

-- approve
SELECT results_eq($$SELECT outcome, order_id FROM pg_temp.ask('k2', id => '11111111-0000-0000-0000-000000000002', entity => 'e2')$$, $$VALUES ('pending', '11111111-0000-0000-0000-000000000002'::uuid)$$, 'another order');
SET ROLE est_admin;
SELECT throws_like(call, said, call) FROM (VALUES ($$SELECT approve('1111')$$, 'order ''1111'' is ambiguous: 2 orders begin so'), ($$SELECT approve('2222')$$, 'there is no order ''2222'''), ($$SELECT approve('111')$$, 'id = ''111'' refused; allowed: the id of an order, or at least four%'),
    ($$SELECT approve('xyz1')$$, 'id = ''xyz1'' refused%'), ($$SELECT approve(NULL)$$, 'id = NULL refused%'), ($$SELECT approve('11111111000000000000000000000001', '')$$, 'approval.note = '''' refused%'),
    ($$SELECT deny('11111111000000000000000000000001', NULL)$$, 'reason = NULL refused; allowed: a reason%'), ($$SELECT deny('11111111000000000000000000000001', '')$$, 'reason = '''' refused; allowed: 1 to 300%')) AS bad (call, said);
SELECT is(approve('11111111-0000-0000-0000-000000000001', 'seen it'), 'approved order 11111111-0000-0000-0000-000000000001: simpleenroll at alias a by user dev1 for CN=e1', 'approve by the whole id');
SELECT matches(approve('11111111000000000000000000000002'), '^approved order 11111111-0000-0000-0000-000000000002', 'approve by 32 digits');
SELECT throws_like(call, said, call) FROM (VALUES ($$SELECT approve('11111111-0000-0000-0000-000000000001')$$, 'order 11111111-% was approved by ' || session_user || ' at %'), ($$SELECT deny('11111111-0000-0000-0000-000000000001', 'no')$$, 'order 11111111-% was approved by %')) AS bad (call, said);
RESET ROLE;
SELECT results_eq($$SELECT outcome::text, decided_by = session_user, decided_at = now(), expires_at = now() + interval '7 days' FROM enrollment WHERE id = '11111111-0000-0000-0000-000000000001'$$, $$VALUES ('approved', true, true, true)$$, 'who decided, and when');
SELECT results_eq($$SELECT approver = session_user, note FROM approval WHERE enrollment_id = '11111111-0000-0000-0000-000000000001'$$, $$VALUES (true, 'seen it')$$, 'and the note');
SELECT is_empty('SELECT FROM pending', 'what is decided is not pending');

-- PE-02: the client comes back
SELECT results_eq($$SELECT outcome, order_id FROM pg_temp.ask('k1', entity => 'another name')$$, $$VALUES ('go', '11111111-0000-0000-0000-000000000001'::uuid)$$, 'go: the order is approved');
SELECT results_eq($$SELECT outcome, der FROM pg_temp.record('0101', an_order => '11111111-0000-0000-0000-000000000001', entity => 'another name', idem => 'i1', dropped => 'd')$$, $$VALUES ('issued', NULL::bytea)$$, 'PE-02: the certificate is issued');
SELECT results_eq($$SELECT n.id::text, n.outcome::text, e.name::text, n.dropped, n.subject, c.entity_id = n.entity_id FROM enrollment n JOIN certificate c ON c.id = n.certificate_id JOIN end_entity e ON e.id = c.entity_id WHERE c.serial = '0101'$$,
    $$VALUES ('11111111-0000-0000-0000-000000000001', 'issued', 'e1', 'd', 'CN=e1', true)$$, 'the order''s row is the certificate''s, and its entity that of the order');
SELECT is(pg_temp.counts(), '2 entities, 1 certificates, 2 enrolments', 'no row more');
SELECT results_eq($$SELECT outcome, der FROM pg_temp.record('0102', an_order => '11111111-0000-0000-0000-000000000001')$$, $$VALUES ('replay', '\x0101'::bytea)$$, 'one order, one certificate: again it is given');
SELECT results_eq($$SELECT outcome, der FROM pg_temp.ask('k1', entity => 'e1')$$, $$VALUES ('replay', '\x0101'::bytea)$$, 'PE-07: and to the client who comes once more');
SELECT results_eq($$SELECT outcome, der FROM pg_temp.ask('other', idem => 'i1', entity => 'e1')$$, $$VALUES ('replay', '\x0101'::bytea)$$, 'also by its idempotency key');
SELECT results_eq($$SELECT outcome, der FROM pg_temp.record('0102', idem => 'i1')$$, $$VALUES ('replay', '\x0101'::bytea)$$, 'without an order as well');
SELECT results_eq($$SELECT outcome, der FROM pg_temp.ask('k1', id => '11111111-0000-0000-0000-000000000001', entity => 'e1', idem_seconds => 0)$$, $$VALUES ('replay', '\x0101'::bytea)$$, 'the request id that opened the order is answered as long as it is on record');
SELECT pg_temp.later('599 seconds');
SELECT is(outcome, 'replay', 'within the window') FROM pg_temp.ask('k1', entity => 'e1');
SELECT pg_temp.later('1 second');
SELECT results_eq($$SELECT outcome, order_id FROM pg_temp.ask('k1', id => '11111111-0000-0000-0000-00000000000a', entity => 'e1')$$, $$VALUES ('pending', '11111111-0000-0000-0000-00000000000a'::uuid)$$, 'after it: a new order');
SELECT results_eq($$SELECT outcome, der FROM pg_temp.record('0103', an_order => '11111111-0000-0000-0000-000000000001')$$, $$VALUES ('replay', '\x0101'::bytea)$$, 'the old order still stands for its certificate');
SELECT revoke('0101');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0103', an_order => '11111111-0000-0000-0000-000000000001')$$, $$VALUES ('stale', 'approval')$$, 'not when that is revoked');

-- Rules are asked again when the client comes back
SELECT suspend('e2');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.ask('k2', entity => 'e2')$$, $$VALUES ('refused', 'entity_suspended')$$, 'an approved order of a suspended entity');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0201', an_order => '11111111-0000-0000-0000-000000000002', entity => 'e2')$$, $$VALUES ('refused', 'entity_suspended')$$, 'is not issued');
SELECT reinstate('e2');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.ask('k2', entity => 'e2', policy => 0)$$, $$VALUES ('stale', 'policy')$$, 'another policy');
SELECT is(outcome, 'issued', 'then it is') FROM pg_temp.record('0201', an_order => '11111111-0000-0000-0000-000000000002', entity => 'e2');

-- PE-06: deny
SELECT pg_temp.ask('k3', id => '33333333-0000-0000-0000-000000000003', entity => 'e3');
SET ROLE est_admin;
SELECT is(deny('3333', 'unknown device'), 'denied order 33333333-0000-0000-0000-000000000003: simpleenroll at alias a by user dev1 for CN=e3', 'deny by a prefix');
SELECT throws_like(call, said, call) FROM (VALUES ($$SELECT approve('3333')$$, 'order 33333333-% was denied by ' || session_user || ' at %'), ($$SELECT deny('3333', 'again')$$, 'order 33333333-% was denied by %')) AS bad (call, said);
RESET ROLE;
SELECT results_eq($$SELECT outcome, rule, detail FROM pg_temp.ask('k3', entity => 'e3')$$, $$VALUES ('refused', 'approval_denied', 'unknown device')$$, 'PE-06: the reason reaches the client');
SELECT results_eq($$SELECT outcome, rule, detail FROM pg_temp.record('0301', an_order => '33333333-0000-0000-0000-000000000003', entity => 'e3')$$, $$VALUES ('refused', 'approval_denied', 'unknown device')$$, 'and nothing is issued');
SELECT pg_temp.later('7 days');
SELECT results_eq($$SELECT outcome FROM pg_temp.ask('k3', entity => 'e3', id => '33333333-0000-0000-0000-00000000000b')$$, ARRAY['pending'], 'a denied order is over with its expiry: a new one');
SELECT matches(deny('3333', 'once more'), '33333333-0000-0000-0000-00000000000b', 'a prefix means the one that waits');

-- Expiry
SELECT pg_temp.ask('k4', id => '44444444-0000-0000-0000-000000000004', entity => 'e4');
SELECT pg_temp.later('7 days');
SELECT is_empty($$SELECT FROM pending WHERE id = '44444444-0000-0000-0000-000000000004'$$, 'what is expired is not pending');
SELECT throws_like($$SELECT approve('4444')$$, 'order 44444444-% is expired since %', 'and not to be approved');
SELECT throws_like($$SELECT deny('4444', 'no')$$, 'order 44444444-% is expired since %', 'nor denied');
SELECT results_eq($$SELECT outcome, order_id FROM pg_temp.ask('k4', id => '44444444-0000-0000-0000-00000000000c', entity => 'e4')$$, $$VALUES ('pending', '44444444-0000-0000-0000-00000000000c'::uuid)$$, 'PE-06: an expired order gives way to a new one');
SELECT is(outcome::text, 'expired', 'and the old one is marked') FROM enrollment WHERE id = '44444444-0000-0000-0000-000000000004';
SELECT approve('4444');
SELECT pg_temp.later('7 days');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0401', an_order => '44444444-0000-0000-0000-00000000000c', entity => 'e4')$$, $$VALUES ('stale', 'approval')$$, 'an approved order that nobody came back for is over, too');
SELECT is(pg_temp.state_of('k4'), 'expired', 'and is marked');

-- Four eyes
UPDATE alias SET approvals = 2 WHERE name = 'a';
CREATE ROLE est_test_alice LOGIN IN ROLE est_admin;
CREATE ROLE est_test_bob LOGIN IN ROLE est_admin;
SELECT pg_temp.ask('k5', id => '55555555-0000-0000-0000-000000000005', entity => 'e5');
SET SESSION AUTHORIZATION est_test_alice;
SELECT is(est.approve('5555'), '1 of 2 approvals for order 55555555-0000-0000-0000-000000000005: simpleenroll at alias a by user dev1 for CN=e5', 'four eyes: the first');
SELECT throws_like($$SELECT est.approve('5555')$$, 'est_test_alice has approved order 55555555-% already', 'four eyes: not twice by one person');
SET ROLE est_admin;
SELECT throws_like($$SELECT est.approve('5555')$$, 'est_test_alice has approved order 55555555-% already', 'four eyes: not by another role of the same person');
RESET SESSION AUTHORIZATION;
SELECT is(approvals, '1 of 2', 'pending shows how many') FROM pending WHERE id = '55555555-0000-0000-0000-000000000005';
SELECT is(outcome, 'pending', 'four eyes: one approval is not enough') FROM pg_temp.ask('k5', entity => 'e5');
SET SESSION AUTHORIZATION est_test_bob;
SELECT matches(est.approve('5555'), '^approved order', 'four eyes: the second');
RESET SESSION AUTHORIZATION;
SELECT results_eq($$SELECT approver FROM approval WHERE enrollment_id = '55555555-0000-0000-0000-000000000005' ORDER BY 1$$, ARRAY['est_test_alice', 'est_test_bob'], 'both are on record');
SELECT is(decided_by, 'est_test_bob', 'the last has decided') FROM enrollment WHERE id = '55555555-0000-0000-0000-000000000005';
SELECT is(outcome, 'go', 'and the client may have it') FROM pg_temp.ask('k5', entity => 'e5');
SELECT pg_temp.ask('k6', id => '66666666-0000-0000-0000-000000000006', entity => 'e6');
SELECT approve('6666');
SET SESSION AUTHORIZATION est_test_bob;
SELECT matches(est.deny('6666', 'no'), '^denied', 'four eyes: one person is enough to deny');
RESET SESSION AUTHORIZATION;
UPDATE alias SET approvals = 1 WHERE name = 'a';

-- first
UPDATE alias SET approval = 'first' WHERE name = 'a';
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0701', entity => 'e7')$$, $$VALUES ('stale', 'approval')$$, 'first: a new entity');
SELECT pg_temp.ask('k7', id => '77777777-0000-0000-0000-000000000007', entity => 'e7'), approve('7777');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0701', entity => 'e7')$$, $$VALUES ('stale', 'approval')$$, 'first: one that has an order is new still');
SELECT is(outcome, 'issued', 'first: with its order') FROM pg_temp.record('0701', entity => 'e7', an_order => '77777777-0000-0000-0000-000000000007');
SELECT is(outcome, 'issued', 'first: and from then on without') FROM pg_temp.record('0702', entity => 'e7');
SELECT results_eq($$SELECT outcome, order_id FROM pg_temp.ask('k7b', entity => 'e7')$$, $$VALUES ('go', NULL::uuid)$$, 'first: no order is opened any more');
SELECT is(outcome, 'issued', 'first: renewals are none') FROM pg_temp.record('0703', operation => 'simplereenroll', kind => 'certificate', holder => '0702');
UPDATE alias SET approval = 'all' WHERE name = 'a';
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0704', operation => 'simplereenroll', kind => 'certificate', holder => '0702')$$, $$VALUES ('stale', 'approval')$$, 'all: renewals too');
SELECT results_eq($$SELECT outcome FROM pg_temp.ask('k7c', operation => 'simplereenroll', kind => 'certificate', holder => '0702')$$, ARRAY['pending'], 'all: a renewal waits');
SELECT approve(pg_temp.id_of('k7c'));
SELECT is(outcome, 'issued', 'all: and is issued') FROM pg_temp.record('0705', operation => 'simplereenroll', kind => 'certificate', holder => '0702', an_order => pg_temp.id_of('k7c')::uuid);
SELECT is(r.serial::text, '0702', 'as what it replaces') FROM certificate c JOIN certificate r ON r.id = c.replaces WHERE c.serial = '0705';
UPDATE alias SET approval = 'none' WHERE name = 'a';
UPDATE entity_group SET approval = 'first';
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0801', entity => 'e8')$$, $$VALUES ('stale', 'approval')$$, 'first of the group');
UPDATE alias SET approval = 'all' WHERE name = 'a';
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0801', entity => 'e7')$$, $$VALUES ('stale', 'approval')$$, 'all of the alias is stricter');
UPDATE entity_group SET approval = 'none';

-- Codes and rates are used when the order is opened
SELECT register_entity('coded', alias => 'a', code => 'pw');
UPDATE alias SET mode = 'client', rate_client = 1 WHERE name = 'a';
CREATE FUNCTION pg_temp.ask_by_code(key text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', outcome, rule) FROM pg_temp.ask($1, kind => 'entity', identity => 'coded', entity => 'coded', code => (SELECT max(id) FROM est.enrollment_code), entity_version => (SELECT version FROM est.end_entity WHERE name = 'coded')) $$;
SELECT is(pg_temp.ask_by_code('c1'), 'pending', 'an order by a code');
SELECT is(uses_left, 0, 'uses it') FROM enrollment_code;
SELECT is(pg_temp.ask_by_code('c1'), 'pending', 'and finds it again with the code used up, out of rate');
SELECT is(pg_temp.ask_by_code('c2'), 'refused code_refused', 'but opens no other');
SELECT approve(pg_temp.id_of('c1'));
SELECT is(pg_temp.ask_by_code('c1'), 'go', 'approved');
SELECT is(outcome, 'issued', 'and issued') FROM pg_temp.record('0901', kind => 'entity', identity => 'coded', entity => 'coded', code => (SELECT max(id) FROM enrollment_code), entity_version => (SELECT version FROM end_entity WHERE name = 'coded'), an_order => pg_temp.id_of('c1')::uuid);
SELECT issue_code('coded', 'a', 'pw');
SELECT is(pg_temp.ask_by_code('c2'), 'refused rate_exceeded', 'out of rate no order is opened');
SELECT is(uses_left, 1, 'and no code used') FROM enrollment_code;
UPDATE alias SET mode = 'ra', rate_client = NULL WHERE name = 'a';

-- Open orders of an identity
UPDATE alias SET max_orders = 2 WHERE name = 'a';
SELECT is((SELECT string_agg(concat_ws(' ', r.outcome, r.rule), ', ' ORDER BY i) FROM generate_series(1, 3) AS i, pg_temp.ask('m' || i, identity => 'greedy', entity => 'm' || i) AS r), 'pending, pending, refused too_many_orders', 'max_orders');
SELECT is(detail, '2 open orders; wanted: fewer than 2 (max_orders)', 'and why') FROM pg_temp.ask('m3', identity => 'greedy', entity => 'm3');
SELECT is_empty($$SELECT FROM end_entity WHERE name = 'm3'$$, 'no entity is made for it');
SELECT is(outcome, 'pending', 'another identity has its own') FROM pg_temp.ask('m4', identity => 'modest', entity => 'm4');
SELECT approve(pg_temp.id_of('m1'));
SELECT is(rule, 'too_many_orders', 'an approved one that waits for its client is open') FROM pg_temp.ask('m3', identity => 'greedy', entity => 'm3');
SELECT deny(pg_temp.id_of('m2'), 'no');
SELECT is(outcome, 'pending', 'a denied one is not') FROM pg_temp.ask('m3', identity => 'greedy', entity => 'm3');

-- An order outlives its alias as a record
INSERT INTO alias (name, ca, approval) VALUES ('gone', 'issuing', 'all');
SELECT pg_temp.ask('g', alias => 'gone', entity => 'g');
DELETE FROM alias WHERE name = 'gone';
SELECT throws_like(format('SELECT approve(%L)', pg_temp.id_of('g')), 'alias ''gone'' of order % is gone', 'nothing to approve at an alias that is gone');

-- maintain
SELECT pg_temp.later('8 days');
CREATE TEMP TABLE over AS SELECT count(*)::int AS n FROM enrollment WHERE outcome IN ('pending', 'approved');
SELECT cmp_ok(n, '>', 3, 'some orders are over') FROM over;
SELECT results_eq('SELECT revoked, expired FROM maintain()', 'SELECT 0, n FROM over', 'maintain ends them');
SELECT is_empty($$SELECT FROM enrollment WHERE outcome IN ('pending', 'approved')$$, 'all that were over');
SELECT results_eq('SELECT revoked, expired FROM maintain()', 'VALUES (0, 0)', 'once');

-- denied_recently, issued_per_day
SELECT pg_temp.refuse('name_not_allowed', '99999999-0000-0000-0000-000000000009', why => 'CN is not yours');
SELECT record_refused(NULL, (SELECT id FROM alias WHERE name = 'a'), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'suppressed', '7');
SELECT results_eq($$SELECT identity, subject, rule, reason FROM denied_recently WHERE at = now() ORDER BY rule$$, $$VALUES ('dev1', 'CN=x', 'name_not_allowed', 'CN is not yours'), (NULL, NULL, 'suppressed', '7 refusals without a row of their own')$$, 'denied_recently: refusals');
SELECT is((SELECT count(*) FROM denied_recently WHERE rule = 'approval_denied'), (SELECT count(*) FROM enrollment WHERE outcome = 'denied' AND at > now() - interval '30 days'), 'denied_recently: denied orders');
SELECT pg_temp.later('30 days');
SELECT is_empty('SELECT FROM denied_recently', 'denied_recently: 30 days');
SELECT results_eq($$SELECT day, sum(certificates) FROM issued_per_day GROUP BY 1 ORDER BY 1$$, $$SELECT issued_at::date, count(*)::numeric FROM certificate GROUP BY 1 ORDER BY 1$$, 'issued_per_day: by the day of the certificate, not of the order');

SELECT * FROM finish();
ROLLBACK;
