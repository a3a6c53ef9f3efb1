-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- The rules that the database judges, asked by record_issued() and shown by explain_issue()

\set ON_ERROR_STOP on
BEGIN;
SET search_path = est, public;
SELECT no_plan();
\ir calls.sql

INSERT INTO alias (name, ca) VALUES ('a', 'issuing'), ('b', 'issuing'), ('c', 'other');
-- The verdict of a rule, and what was got
CREATE FUNCTION pg_temp.explained(a_rule text, alias text DEFAULT 'a', operation text DEFAULT 'simpleenroll', kind text DEFAULT 'user', identity text DEFAULT 'dev1', network inet DEFAULT '192.0.2.7', holder text DEFAULT NULL,
    entity text DEFAULT 'dev1', spki text DEFAULT 'key', code bigint DEFAULT NULL, vendor text[] DEFAULT NULL, subject text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(x.verdict || coalesce(': ' || x.got, ''), '; ') FROM est.explain_issue((SELECT a.id FROM est.alias a WHERE a.name = $2), $3, $4, $5, $6, CASE WHEN $7 IS NOT NULL THEN sha256('ca') END, $7, $8,
        coalesce($12, 'CN=' || $8), sha256($9::bytea), NULL, $10, $11) AS x WHERE x.rule = $1 $$;

SELECT results_eq($$SELECT rule, verdict FROM explain_issue(1, 'simpleenroll', 'user', 'u', '10.0.0.1', NULL, NULL, 'nobody', 'CN=x', sha256('k'), NULL, NULL, NULL)$$,
    $$VALUES ('certificate_revoked', 'n/a'), ('certificate_unknown', 'n/a'), ('key_blocked', 'pass'), ('entity_unknown', 'n/a'), ('entity_suspended', 'n/a'), ('code_refused', 'n/a'), ('vendor_refused', 'n/a'), ('name_taken', 'n/a'),
        ('key_taken', 'n/a'), ('active_limit', 'n/a'), ('quota_exceeded', 'n/a'), ('quota_exceeded', 'n/a'), ('rate_exceeded', 'n/a'), ('rate_exceeded', 'n/a'), ('approval', 'n/a')$$, 'explain_issue: every rule in order; of an alias with defaults none applies');
SELECT throws_like($$SELECT explain_issue(9999, 'simpleenroll', 'user', 'u', NULL, NULL, NULL, 'x', 'CN=x', sha256('k'), NULL, NULL, NULL)$$, 'there is no alias 9999', 'explain_issue at no alias');

-- explain_request: the same, with what was asked for before. Nothing is known of the request; then it waits; then it has a certificate
CREATE FUNCTION pg_temp.requested(alias text DEFAULT 'a', order_key text DEFAULT 'explained', idem_key text DEFAULT NULL) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT x.rule || ' ' || x.verdict || coalesce(' ' || x.retry_after, '') FROM est.explain_request((SELECT a.id FROM est.alias a WHERE a.name = $1), 'simpleenroll', 'user', 'dev1', '192.0.2.7', NULL, NULL, 'explained',
        'CN=explained', sha256('key'), NULL, NULL, NULL, sha256($2::bytea), sha256($3::bytea), 600) AS x WHERE x.rule IN ('replay', 'order', 'approval_denied', 'approval', 'too_many_orders') $$;
SELECT results_eq('SELECT pg_temp.requested()', ARRAY['replay n/a', 'order n/a', 'approval_denied n/a', 'approval n/a'], 'explain_request: no order, no certificate');
UPDATE alias SET approval = 'all', max_orders = 1, retry_after = '7 seconds' WHERE name = 'a';
SELECT results_eq('SELECT pg_temp.requested()', ARRAY['replay n/a', 'order n/a', 'approval_denied n/a', 'approval fail 7', 'too_many_orders pass'], 'an order would be opened');
INSERT INTO enrollment (id, alias_id, alias, operation, identity_kind, identity, outcome, subject, spki_hash, order_key, csr, expires_at)
    SELECT '00000000-0000-4000-8000-0000000000ee', id, name, 'simpleenroll', 'user', 'dev1', 'pending', 'CN=explained', sha256('key'), sha256('explained'), '\x30', now() + interval '1 day' FROM alias WHERE name = 'a';
SELECT results_eq('SELECT pg_temp.requested()', ARRAY['replay n/a', 'order fail 7', 'approval_denied pass', 'approval fail 7'], 'the order waits');
SELECT results_eq($$SELECT pg_temp.requested(order_key => 'another')$$, ARRAY['replay n/a', 'order n/a', 'approval_denied n/a', 'approval fail 7', 'too_many_orders fail'], 'another one would be one too many');
UPDATE enrollment SET outcome = 'denied', reason = 'no', decided_at = now(), decided_by = 'x' WHERE order_key = sha256('explained');
SELECT results_eq('SELECT pg_temp.requested()', ARRAY['replay n/a', 'order n/a', 'approval_denied fail', 'approval fail'], 'it was denied');
UPDATE enrollment SET outcome = 'approved', reason = NULL WHERE order_key = sha256('explained');
SELECT results_eq('SELECT pg_temp.requested()', ARRAY['replay n/a', 'order pass', 'approval_denied pass', 'approval pass'], 'it was approved');
UPDATE enrollment SET expires_at = now() WHERE order_key = sha256('explained');
SELECT results_eq('SELECT pg_temp.requested()', ARRAY['replay n/a', 'order n/a', 'approval_denied n/a', 'approval fail 7', 'too_many_orders pass'], 'and is over');
DELETE FROM enrollment WHERE order_key = sha256('explained');
UPDATE alias SET approval = 'none', max_orders = 10, retry_after = '60 seconds' WHERE name = 'a';
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0100', entity => repeat('x', 1025))$$, $$VALUES ('refused', 'name_refused')$$, 'an entity name over 1024 bytes');

-- Dropped parts are on record
SELECT is(outcome, 'issued', 'something was dropped') FROM pg_temp.record('0101', dropped => 'O, dns:x');
SELECT is(n.dropped, 'O, dns:x', 'and is on record') FROM enrollment n JOIN certificate c ON c.id = n.certificate_id WHERE c.serial = '0101';

-- Suspended and over, in mode ra too
SELECT suspend('dev1');
SELECT results_eq($$SELECT outcome, rule, detail FROM pg_temp.record('0102')$$, $$VALUES ('refused', 'entity_suspended', '''dev1'' is suspended; wanted: an active end entity')$$, 'a suspended entity');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0102', operation => 'simplereenroll', kind => 'certificate', holder => '0101', entity => 'else')$$, $$VALUES ('refused', 'entity_suspended')$$, 'and its renewals, whatever name is asked for');
SELECT is(pg_temp.explained('entity_suspended'), 'fail: ''dev1'' is suspended', 'explained');
SELECT reinstate('dev1');
UPDATE end_entity SET valid_until = now() WHERE name = 'dev1';
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0102')$$, $$VALUES ('refused', 'entity_suspended')$$, 'an entity that is over');
SELECT matches(pg_temp.explained('entity_suspended'), '^fail: ''dev1'' is over since ', 'explained');
UPDATE end_entity SET valid_until = now() + interval '1 second' WHERE name = 'dev1';
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0102')$$, ARRAY['issued'], 'not yet over');
UPDATE end_entity SET valid_until = NULL WHERE name = 'dev1';

-- What was issued is given again to those alone who would get it still
SELECT is(outcome, 'issued', 'a certificate') FROM pg_temp.record('0110', entity => 'again', idem => 'again');
SELECT is(outcome, 'issued', 'and one whose entity is named by chance') FROM pg_temp.record('0111', entity => 'again-x7', id => '00000000-0000-0000-0000-000000000111', idem => 'chance');
SELECT suspend('again'), suspend('again-x7');
SELECT results_eq($$SELECT outcome, rule, der FROM pg_temp.record('0112', entity => 'again', idem => 'again')$$, $$VALUES ('refused', 'entity_suspended', NULL::bytea)$$, 'no replay for an entity that is suspended since');
SELECT results_eq($$SELECT outcome, rule, der FROM pg_temp.record('0112', entity => 'again-p3', idem => 'chance')$$, $$VALUES ('refused', 'entity_suspended', NULL::bytea)$$, 'nor under another name by chance');
SELECT is(outcome, 'issued', 'but the same request, whose answer was lost, is answered') FROM pg_temp.record('0112', entity => 'again-x7', id => '00000000-0000-0000-0000-000000000111', idem => 'chance');
SELECT reinstate('again'), reinstate('again-x7');
SELECT results_eq($$SELECT outcome, der FROM pg_temp.record('0112', entity => 'again', idem => 'again')$$, $$VALUES ('replay', '\x0110'::bytea)$$, 'a replay for one that is active again');
SELECT is(outcome, 'replay', 'also by chance') FROM pg_temp.record('0112', entity => 'again-p3', idem => 'chance');
SELECT is_empty($$SELECT FROM end_entity WHERE name = 'again-p3'$$, 'which makes no other entity');

-- Renewals keep the holder's entity
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0103', operation => 'simplereenroll', kind => 'certificate', holder => '0101', entity => 'another name')$$, ARRAY['issued'], 'a renewal under another name');
SELECT is(e.name::text, 'dev1', 'is the entity''s of the certificate renewed') FROM certificate c JOIN end_entity e ON e.id = c.entity_id WHERE c.serial = '0103';
SELECT is_empty($$SELECT FROM end_entity WHERE name = 'another name'$$, 'and makes no other');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0104', alias => 'b', operation => 'simplereenroll', kind => 'ra', holder => '0101')$$, $$VALUES ('refused', 'certificate_unknown')$$, 'an RA''s certificate must be on record at this alias, too');

-- Mode client
UPDATE alias SET mode = 'client' WHERE name = 'a';
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0201', entity => 'new')$$, $$VALUES ('refused', 'entity_unknown')$$, 'client: an entity that there is not');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0201', entity_version => 1)$$, $$VALUES ('stale', 'entity')$$, 'client: another version of the entity');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0201')$$, $$VALUES ('stale', 'entity')$$, 'client: the version must be told');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0201', entity_version => (SELECT version FROM end_entity WHERE name = 'dev1'))$$, $$VALUES ('refused', 'entity_unknown')$$, 'client: an entity that enrolment made is not registered');
SELECT is(pg_temp.explained('entity_unknown'), 'fail: ''dev1'' is not registered', 'explained');
SELECT is(pg_temp.explained('entity_unknown', entity => 'new'), 'fail: there is none of the name ''new''', 'explained');
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0202', operation => 'simplereenroll', kind => 'certificate', holder => '0101')$$, ARRAY['issued'], 'client: but renews what it has');
SELECT register_entity('dev1');
SELECT results_eq($$SELECT outcome FROM pg_temp.record('0203', entity_version => (SELECT version FROM end_entity WHERE name = 'dev1'))$$, ARRAY['issued'], 'client: a registered entity');
SELECT is(pg_temp.explained('entity_unknown'), 'pass: ''dev1'' is registered', 'explained');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0204', entity => 'new', entity_version => 1)$$, $$VALUES ('stale', 'entity')$$, 'client: an entity that is gone is looked for again');

-- Codes
SELECT register_entity('coded', alias => 'a', code => 'pw', uses => 2, expires => now() + interval '1 hour', networks => '192.0.2.0/24');
CREATE FUNCTION pg_temp.by_code(serial text, alias text DEFAULT 'a', network inet DEFAULT '192.0.2.7', entity text DEFAULT 'coded', id uuid DEFAULT gen_random_uuid(), idem text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', r.outcome, r.rule, split_part(r.detail, ';', 1)) FROM pg_temp.record($1, alias => $2, network => $3, entity => $4, id => $5, idem => $6, kind => 'entity', identity => $4,
        code => (SELECT max(k.id) FROM est.enrollment_code k JOIN est.end_entity e ON e.id = k.entity_id WHERE e.name = 'coded'), entity_version => (SELECT e.version FROM est.end_entity e WHERE e.name = $4 AND e.group_id = 1)) AS r $$;
SELECT is(pg_temp.by_code('0301', network => '198.51.100.1'), 'refused code_refused the request is from 198.51.100.1', 'a code from another network');
SELECT is(pg_temp.by_code('0301', network => NULL), 'refused code_refused the request is from an unknown address', 'a code from nowhere');
SELECT is(pg_temp.by_code('0301', alias => 'b'), 'refused code_refused there is no such code of the two', 'a code at another alias');
SELECT is(pg_temp.by_code('0301', entity => 'dev1'), 'refused code_refused there is no such code of the two', 'a code of another entity');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0301', kind => 'entity', identity => 'coded', entity => 'coded', entity_version => (SELECT version FROM end_entity WHERE name = 'coded'))$$, $$VALUES ('refused', 'code_refused')$$, 'who comes by a code has one');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0301', kind => 'entity', identity => 'coded', entity => 'coded', code => 99999, entity_version => (SELECT version FROM end_entity WHERE name = 'coded'))$$, $$VALUES ('refused', 'code_refused')$$, 'a code that was replaced meanwhile');
SELECT is(uses_left, 2, 'what is refused uses nothing') FROM enrollment_code;
SELECT is(pg_temp.by_code('0301', id => '00000000-0000-0000-0000-000000000301', idem => 'i'), 'issued', 'a code');
SELECT is(uses_left, 1, 'is used once') FROM enrollment_code;
SELECT is(pg_temp.by_code('0302', id => '00000000-0000-0000-0000-000000000301', idem => 'i'), 'issued', 'the same request again');
SELECT is(pg_temp.by_code('0303', idem => 'i'), 'replay', 'the same key and names again');
SELECT is(uses_left, 1, 'use nothing') FROM enrollment_code;
SELECT is(pg_temp.by_code('0304'), 'issued', 'the second use');
SELECT is(pg_temp.by_code('0305'), 'refused code_refused the code is used up', 'and no third');
SELECT is(pg_temp.by_code('0305', idem => 'i'), 'replay', 'a replay comes before the code');
SELECT is(pg_temp.explained('code_refused', kind => 'entity', entity => 'coded', code => (SELECT id FROM enrollment_code)), 'fail: the code is used up', 'explained');
UPDATE enrollment_code SET uses_left = 1, expires_at = now();
SELECT matches(pg_temp.by_code('0305'), '^refused code_refused the code is expired since', 'an expired code');
UPDATE enrollment_code SET expires_at = NULL, networks = NULL;
SELECT is(pg_temp.by_code('0306', network => NULL), 'issued', 'a code without limits');
UPDATE alias SET mode = 'ra' WHERE name = 'a';

-- Vendor certificates
CREATE FUNCTION pg_temp.by_vendor(serial text, device text[] DEFAULT '{SN-17}') RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', r.outcome, r.rule, r.detail) FROM pg_temp.record($1, kind => 'vendor', identity => 'serialNumber=SN-17', entity => 'SN-17', vendor => $2) AS r $$;
SELECT is(pg_temp.by_vendor('0401'), 'refused vendor_refused device SN-17; wanted: no vendor certificate (vendor is off)', 'vendor off');
UPDATE alias SET vendor = 'pattern', vendor_patterns = '{SN-1?,"1.3.6.1.4.1.9:0a*"}' WHERE name = 'a';
SELECT is(pg_temp.by_vendor('0401'), 'issued', 'vendor: a pattern that fits');
SELECT is(pg_temp.by_vendor('0402', '{x,1.3.6.1.4.1.9:0a1b}'), 'issued', 'vendor: one of several names is enough');
SELECT is(pg_temp.by_vendor('0403', '{SN-170}'), 'refused vendor_refused device SN-170; wanted: a device that matches one of {SN-1?,1.3.6.1.4.1.9:0a*}', 'vendor: patterns are anchored');
SELECT is(pg_temp.by_vendor('0403', '{}'), 'refused vendor_refused device without a serial number; wanted: a device that matches one of {SN-1?,1.3.6.1.4.1.9:0a*}', 'vendor: no name');
SELECT is(pg_temp.by_vendor('0403', NULL), 'refused vendor_refused device without a serial number; wanted: a device that matches one of {SN-1?,1.3.6.1.4.1.9:0a*}', 'vendor: no names');
UPDATE alias SET vendor = 'listed' WHERE name = 'a';
INSERT INTO vendor_device (alias_id, device) SELECT id, 'SN-17' FROM alias WHERE name = 'b';
SELECT is(pg_temp.by_vendor('0403'), 'refused vendor_refused device SN-17; wanted: a device of vendor_device', 'vendor: listed at another alias');
INSERT INTO vendor_device (alias_id, device) SELECT id, 'SN-17' FROM alias WHERE name = 'a';
SELECT is(pg_temp.by_vendor('0403'), 'issued', 'vendor: listed');
SELECT is(outcome, 'issued', 'vendor: a device') FROM pg_temp.record('0404', kind => 'vendor', identity => 'serialNumber=SN-17', entity => 'SN-17', vendor => '{SN-17}', idem => 'v');
SELECT is(outcome, 'replay', 'vendor: the same again') FROM pg_temp.record('0405', kind => 'vendor', identity => 'serialNumber=SN-17', entity => 'SN-17', vendor => '{SN-17}', idem => 'v');
DELETE FROM vendor_device;
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0405', kind => 'vendor', identity => 'serialNumber=SN-17', entity => 'SN-17', vendor => '{SN-17}', idem => 'v')$$, $$VALUES ('refused', 'vendor_refused')$$, 'vendor: no replay for a device that is struck off the list');

-- unique_dn
SELECT is(outcome, 'issued', 'a name') FROM pg_temp.record('0501', entity => 'one', subject => 'CN=Shared,O=x', spki => 'k1');
SELECT is(outcome, 'issued', 'without unique_dn two entities may have it') FROM pg_temp.record('0502', entity => 'two', subject => 'CN=shared,O=x', spki => 'k2');
UPDATE alias SET unique_dn = true WHERE name IN ('a', 'c');
SELECT results_eq($$SELECT outcome, rule, detail FROM pg_temp.record('0503', entity => 'three', subject => 'CN=SHARED,O=X', spki => 'k3')$$,
    $$VALUES ('refused', 'name_taken', 'wanted: a subject that no other end entity has (unique_dn)')$$, 'unique_dn: a name that another has, in other letters; whose it is stays here');
SELECT matches(pg_temp.explained('name_taken', entity => 'three', subject => 'CN=SHARED,O=X'), '^fail: certificate 050[12] of ''(one|two)''$', 'explained to people');
SELECT is(outcome, 'issued', 'unique_dn: another CA') FROM pg_temp.record('0504', alias => 'c', entity => 'three', subject => 'CN=shared,O=x', spki => 'k3');
UPDATE certificate SET ca = 'other' WHERE serial = '0504';
SELECT revoke('0502');
SELECT is(outcome, 'issued', 'unique_dn: the entity itself, when the other''s is revoked') FROM pg_temp.record('0505', entity => 'one', subject => 'CN=Shared,O=x', spki => 'k1');
SELECT revoke('0501'), revoke('0505');
SELECT is(outcome, 'issued', 'unique_dn: a name that is free again') FROM pg_temp.record('0506', entity => 'two', subject => 'CN=Shared,O=x', spki => 'k2');
UPDATE alias SET unique_dn = false;

-- unique_key
UPDATE alias SET unique_key = true WHERE name = 'a';
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0601', entity => 'two', spki => 'k1')$$, $$VALUES ('refused', 'key_taken')$$, 'unique_key: a key that another has had, though revoked');
SELECT is(outcome, 'issued', 'unique_key: its own key') FROM pg_temp.record('0602', entity => 'two', spki => 'k2');
SELECT is(outcome, 'issued', 'unique_key: a new key') FROM pg_temp.record('0603', entity => 'two', spki => 'k9');
SELECT matches(pg_temp.explained('key_taken', entity => 'two', spki => 'k1'), '^fail: certificate 050[15] of ''one''$', 'explained to people');
SELECT is(pg_temp.explained('key_taken', entity => 'two', spki => 'k2'), 'pass: none has it', 'explained');
UPDATE alias SET unique_key = false;

-- max_active
UPDATE alias SET max_active = 1 WHERE name = 'a';
SELECT is(outcome, 'issued', 'max_active: the first') FROM pg_temp.record('0701', entity => 'm');
SELECT results_eq($$SELECT outcome, rule, detail FROM pg_temp.record('0702', entity => 'm')$$, $$VALUES ('refused', 'active_limit', '1; wanted: fewer than 1 valid certificates (max_active)')$$, 'max_active: no second');
SELECT is(outcome, 'issued', 'max_active: a renewal') FROM pg_temp.record('0703', entity => 'm', operation => 'simplereenroll', kind => 'certificate', holder => '0701');
SELECT is(outcome, 'issued', 'max_active: and another, though the first is still valid') FROM pg_temp.record('0704', entity => 'm', operation => 'simplereenroll', kind => 'certificate', holder => '0703');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0705', entity => 'm', operation => 'simplereenroll', kind => 'certificate', holder => '0701')$$, $$VALUES ('refused', 'active_limit')$$, 'max_active: what was renewed cannot be renewed again beside its successor');
SELECT revoke('0704');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0705', entity => 'm')$$, $$VALUES ('refused', 'active_limit')$$, 'max_active: where the successor is revoked, the old one counts');
SELECT revoke('0703'), revoke('0701');
SELECT is(outcome, 'issued', 'max_active: revoked ones do not count') FROM pg_temp.record('0705', entity => 'm', ends => '1 hour');
UPDATE end_entity SET max_active = 2 WHERE name = 'm';
SELECT is(outcome, 'issued', 'max_active of the entity goes before that of the alias') FROM pg_temp.record('0706', entity => 'm', ends => '2 hours');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0707', entity => 'm')$$, $$VALUES ('refused', 'active_limit')$$, 'and is a limit');
SELECT is(pg_temp.explained('active_limit', entity => 'm'), 'fail: 2', 'explained');
SELECT pg_temp.later('90 minutes');
SELECT is(outcome, 'issued', 'max_active: expired ones do not count') FROM pg_temp.record('0707', entity => 'm');
UPDATE alias SET max_active = NULL;
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0708', entity => 'm')$$, $$VALUES ('refused', 'active_limit')$$, 'max_active of the entity alone');

-- Quotas of a group
INSERT INTO entity_group (name) VALUES ('q');
UPDATE alias SET group_id = (SELECT id FROM entity_group WHERE name = 'q') WHERE name = 'b';
SELECT pg_temp.record('0801', alias => 'b', entity => 'q1'), pg_temp.record('0802', alias => 'b', entity => 'q2');
SELECT is_empty('SELECT FROM group_day', 'without a quota no day is counted');
UPDATE entity_group SET quota_day = 4 WHERE name = 'q';
SELECT is(pg_temp.explained('quota_exceeded', alias => 'b'), 'pass: 2; n/a', 'quota_day: what was issued today before there was a quota counts');
SELECT is(outcome, 'issued', 'quota_day: the third') FROM pg_temp.record('0803', alias => 'b', entity => 'q1', idem => 'q');
SELECT is(outcome, 'replay', 'quota_day: again') FROM pg_temp.record('0804', alias => 'b', entity => 'q1', idem => 'q');
SELECT results_eq($$SELECT d.day, d.issued FROM group_day d$$, $$VALUES ((now() AT TIME ZONE 'UTC')::date, 3)$$, 'the day is counted, without the replay');
SELECT is(outcome, 'issued', 'quota_day: the fourth') FROM pg_temp.record('0804', alias => 'b', entity => 'q3');
SELECT results_eq($$SELECT outcome, rule, detail FROM pg_temp.record('0805', alias => 'b', entity => 'q3')$$, $$VALUES ('refused', 'quota_exceeded', '4; wanted: fewer than 4 certificates today in group ''q'' (quota_day)')$$, 'quota_day: no fifth');
SELECT is(outcome, 'issued', 'quota_day: another group') FROM pg_temp.record('0805');
UPDATE entity_group SET quota_day = 5 WHERE name = 'q';
SELECT is_empty('SELECT FROM group_day', 'another quota: the day is counted anew');
SELECT is(outcome, 'issued', 'quota_day: the fifth') FROM pg_temp.record('0806', alias => 'b', entity => 'q3');
UPDATE group_day SET day = day - 1;
UPDATE certificate SET issued_at = issued_at - interval '1 day' WHERE alias = 'b';
SELECT is(outcome, 'issued', 'quota_day: the next day') FROM pg_temp.record('0807', alias => 'b', entity => 'q4');
UPDATE entity_group SET quota_day = NULL, quota_active = 6 WHERE name = 'q';
SELECT results_eq($$SELECT outcome, rule, detail FROM pg_temp.record('0808', alias => 'b', entity => 'q5')$$, $$VALUES ('refused', 'quota_exceeded', '6; wanted: fewer than 6 valid certificates in group ''q'' (quota_active)')$$, 'quota_active');
SELECT is(pg_temp.explained('quota_exceeded', alias => 'b'), 'n/a; fail: 6', 'explained');
SELECT is(outcome, 'issued', 'quota_active: a renewal') FROM pg_temp.record('0808', alias => 'b', operation => 'simplereenroll', kind => 'certificate', holder => '0807');
SELECT revoke('0801');
SELECT is(outcome, 'issued', 'quota_active: there is room again') FROM pg_temp.record('0809', alias => 'b', entity => 'q5');

-- Rates
UPDATE alias SET rate_client = 2, rate_interval = '1 minute' WHERE name = 'a';
SELECT is(outcome, 'issued', 'rate_client: the first') FROM pg_temp.record('0901', identity => 'r1', idem => 'r');
SELECT is(outcome, 'replay', 'rate_client: a replay is not counted') FROM pg_temp.record('0902', identity => 'r1', idem => 'r');
SELECT is(outcome, 'issued', 'rate_client: the second, at once') FROM pg_temp.record('0902', identity => 'r1');
SELECT results_eq($$SELECT outcome, rule, retry_after, detail FROM pg_temp.record('0903', identity => 'r1')$$, $$VALUES ('refused', 'rate_exceeded', 30, 'the next one in 30 seconds; wanted: at most 2 requests of a client in 00:01:00 (rate_client)')$$, 'rate_client: the third waits');
SELECT is(outcome, 'issued', 'rate_client: another client') FROM pg_temp.record('0904', identity => 'r2');
SELECT is(outcome, 'issued', 'rate_client: another kind of identity') FROM pg_temp.record('0905', identity => 'r1', kind => 'certificate');
SELECT is(outcome, 'issued', 'rate_client: another alias') FROM pg_temp.record('0906', identity => 'r1', alias => 'c', subject => 'CN=q');
SELECT is(outcome, 'issued', 'rate_client: an identity over what an index holds') FROM pg_temp.record('0907', identity => repeat(md5('x'), 200));
SELECT pg_temp.later('29 seconds');
SELECT is(retry_after, 1, 'a second is left') FROM pg_temp.record('0908', identity => 'r1');
SELECT pg_temp.later('1 second');
SELECT is(outcome, 'issued', 'and then it is in the rate') FROM pg_temp.record('0908', identity => 'r1');
SELECT is(retry_after, 30, 'one at a time') FROM pg_temp.record('0909', identity => 'r1');
SELECT is(pg_temp.explained('rate_exceeded', identity => 'r1'), 'fail: the next one in 30 seconds; n/a', 'explained');
UPDATE alias SET rate_client = NULL, rate_alias = 3 WHERE name = 'a';
SELECT results_eq($$SELECT string_agg(outcome || coalesce(retry_after::text, ''), ' ') FROM (SELECT r.* FROM generate_series(1, 4) AS i, pg_temp.record('091' || i, identity => 'r' || i) AS r ORDER BY i) AS t$$, ARRAY['issued issued issued refused20'], 'rate_alias counts all clients together');
UPDATE alias SET rate_alias = NULL;

-- What is refused is counted when it is recorded
UPDATE alias SET rate_client = 2 WHERE name = 'a';
SELECT is(pg_temp.refuse('key_not_allowed', '00000000-0000-0000-0000-00000000ef01', identity => 's1'), 0, 'one refused request is in the rate');
SELECT is(pg_temp.refuse('key_not_allowed', '00000000-0000-0000-0000-00000000ef01', identity => 's1'), 0, 'the same again is not counted');
SELECT is(pg_temp.refuse('key_not_allowed', identity => 's1'), 30, 'after the second the client waits');
SELECT is(pg_temp.refuse('rate_exceeded', identity => 's1'), 30, 'one that came too early makes it no longer');
SELECT is(pg_temp.refuse('key_not_allowed', identity => 's1'), 30, 'nor do others: nothing is counted beyond the rate');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0a01', identity => 's1')$$, $$VALUES ('refused', 'rate_exceeded')$$, 'refused and issued are one rate');
SELECT is(pg_temp.refuse('key_not_allowed', NULL, identity => 's2'), 0, 'a refusal without a row');
SELECT is(pg_temp.refuse('key_not_allowed', NULL, identity => 's2'), 30, 'counts, too');
SELECT is_empty($$SELECT FROM enrollment WHERE identity = 's2'$$, 'and makes no row');
UPDATE alias SET rate_client = NULL;
SELECT is(pg_temp.refuse('key_not_allowed', identity => 's1'), 0, 'without a rate nobody waits');
SELECT results_eq($$SELECT alias, operation::text, identity_kind::text, identity, network, entity_id, outcome::text, subject, san, spki_hash = sha256('key'), rule, reason, certificate_id FROM enrollment WHERE id = '00000000-0000-0000-0000-00000000ef01'$$,
    $$VALUES ('a', 'simpleenroll', 'user', 's1', inet '192.0.2.7', NULL::bigint, 'refused', 'CN=x', ARRAY['dns:x'], true, 'key_not_allowed', 'why', NULL::bigint)$$, 'a refusal is on record');
SELECT is(record_refused(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'suppressed', '42'), 0, 'refusals without rows');
SELECT results_eq($$SELECT suppressed::int, reason, alias FROM enrollment WHERE outcome = 'suppressed'$$, $$VALUES (42, NULL, NULL)$$, 'are a number');
SELECT throws_like($$SELECT pg_temp.record('0b01', id => '00000000-0000-0000-0000-00000000ef01', identity => 's1')$$, 'request id %is on record as refused', 'what was refused is not issued under the same id');

-- Constraints of the records
SELECT throws_like(s, '%violates check constraint%', s) FROM unnest(ARRAY['UPDATE enrollment SET certificate_id = NULL WHERE outcome = ''issued''', 'UPDATE enrollment SET entity_id = NULL WHERE outcome = ''issued''', 'UPDATE enrollment SET outcome = ''issued'' WHERE outcome = ''refused''',
    'UPDATE enrollment SET identity = NULL WHERE outcome = ''refused''', 'UPDATE enrollment SET suppressed = NULL WHERE outcome = ''suppressed''', 'UPDATE enrollment SET suppressed = 1 WHERE outcome = ''refused''', 'UPDATE enrollment SET suppressed = 0 WHERE outcome = ''suppressed''',
    'UPDATE enrollment SET outcome = ''failed''', 'UPDATE enrollment SET operation = ''cacerts''', 'UPDATE enrollment SET identity_kind = ''x''', 'UPDATE enrollment SET order_key = ''x''', 'UPDATE enrollment SET spki_hash = ''x''']) AS s;

SELECT * FROM finish();
ROLLBACK;
