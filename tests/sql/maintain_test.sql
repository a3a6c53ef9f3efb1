-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- What time brings: maintain() and the views that show what was forgotten

\set ON_ERROR_STOP on
BEGIN;
SET search_path = est, public;
SELECT no_plan();
\ir calls.sql

INSERT INTO alias (name, ca) VALUES ('a', 'issuing'), ('b', 'issuing');
CREATE FUNCTION pg_temp.renew(serial text, old text, alias text DEFAULT 'a') RETURNS text LANGUAGE sql AS $$ SELECT outcome FROM pg_temp.record($1, alias => $3, operation => 'simplereenroll', kind => 'certificate', holder => $2) $$;
CREATE FUNCTION pg_temp.revoked() RETURNS text LANGUAGE sql AS $$ SELECT coalesce(string_agg(serial, ' ' ORDER BY serial), '') FROM est.certificate WHERE revocation_reason = 'superseded' $$;

-- revoke_replaced
SELECT results_eq('SELECT * FROM maintain()', 'VALUES (0, 0)', 'nothing to do');
SELECT pg_temp.record('0101'), pg_temp.record('0201', alias => 'b'), pg_temp.renew('0102', '0101'), pg_temp.renew('0202', '0201', 'b');
SELECT pg_temp.later('10 days');
SELECT results_eq('SELECT revoked FROM maintain()', 'VALUES (0)', 'without revoke_replaced nothing is revoked');
UPDATE alias SET revoke_replaced = '11 days' WHERE name = 'a';
SELECT results_eq('SELECT revoked FROM maintain()', 'VALUES (0)', 'nor before it is time');
UPDATE alias SET revoke_replaced = '10 days' WHERE name = 'a';
SELECT results_eq('SELECT revoked FROM maintain()', 'VALUES (1)', 'what was replaced then is revoked');
SELECT is(pg_temp.revoked(), '0101', 'at the alias that has the setting, and nothing else');
SELECT results_eq($$SELECT status::text, revoked_at = now() FROM certificate WHERE serial = '0101'$$, $$VALUES ('revoked', true)$$, 'with its time');
SELECT results_eq('SELECT revoked FROM maintain()', 'VALUES (0)', 'once');
UPDATE alias SET revoke_replaced = '0' WHERE name = 'b';
SELECT pg_temp.renew('0103', '0102'), pg_temp.renew('0203', '0202', 'b');
SELECT results_eq('SELECT revoked FROM maintain()', 'VALUES (2)', 'revoke_replaced 0: at once, and what was replaced before there was the setting');
SELECT is(pg_temp.revoked(), '0101 0201 0202', 'they are');
SELECT revoke('0103');
SELECT pg_temp.later('10 days');
SELECT results_eq('SELECT revoked FROM maintain()', 'VALUES (0)', 'where the successor was revoked the old one stays');
SELECT pg_temp.record('0301', ends => '1 day'), pg_temp.renew('0302', '0301');
SELECT pg_temp.later('10 days');
SELECT results_eq('SELECT revoked FROM maintain()', 'VALUES (0)', 'what is over is not revoked any more');
SELECT pg_temp.renew('0303', '0302'), pg_temp.renew('0304', '0303');
SELECT pg_temp.later('10 days');
SELECT results_eq('SELECT revoked FROM maintain()', 'VALUES (2)', 'renewed twice meanwhile: both');
UPDATE alias SET renew_expired = '30 days' WHERE name = 'a';
SELECT pg_temp.record('0311', ends => '1 day'), pg_temp.renew('0312', '0311');
SELECT pg_temp.later('10 days');
SELECT results_eq('SELECT revoked FROM maintain()', 'VALUES (1)', 'what is over, but could be renewed yet, is revoked');
SELECT is(pg_temp.renew('0313', '0311'), 'refused', 'and is not renewed any more');
UPDATE alias SET renew_expired = NULL, revoke_replaced = NULL;

-- Rates and days that limit no more
UPDATE alias SET rate_client = 1, rate_alias = 10 WHERE name = 'a';
UPDATE entity_group SET quota_day = 100;
SELECT pg_temp.record('0401', identity => 'one');
SELECT pg_temp.later('61 seconds');
SELECT pg_temp.record('0402', identity => 'two');
INSERT INTO group_day (group_id, day, issued) SELECT 1, quota_date() - i, 5 FROM generate_series(1, 3) AS i;
SELECT maintain();
SELECT results_eq('SELECT who FROM rate_bucket ORDER BY 1', $$VALUES (''), ('user:two')$$, 'rates that are whole again are forgotten');
SELECT results_eq('SELECT day FROM group_day ORDER BY 1 DESC', 'SELECT quota_date() - i FROM generate_series(0, 1) AS i', 'and days before yesterday');
UPDATE alias SET rate_client = NULL, rate_alias = NULL;

-- should_have_renewed
DELETE FROM enrollment; DELETE FROM certificate WHERE replaces IS NOT NULL AND id NOT IN (SELECT replaces FROM certificate WHERE replaces IS NOT NULL);
UPDATE certificate SET replaces = NULL; DELETE FROM certificate;
SELECT pg_temp.record('1001', entity => 'over', ends => '1 day'), pg_temp.record('1002', entity => 'renewed', ends => '1 day'), pg_temp.record('1003', entity => 'again', ends => '1 day'), pg_temp.record('1004', entity => 'revoked', ends => '1 day'),
    pg_temp.record('1005', entity => 'off', ends => '1 day'), pg_temp.record('1006', entity => 'badly', ends => '1 day'), pg_temp.record('1007', entity => 'fresh', ends => '90 days'), pg_temp.record('1008', entity => 'half', ends => '12 days'), pg_temp.record('1009', entity => 'early', ends => '20 days');
SELECT pg_temp.renew('1102', '1002'), pg_temp.record('1103', entity => 'again'), revoke('1004'), suspend('off'), pg_temp.renew('1106', '1006'), revoke('1106');
SELECT pg_temp.later('2 days');
SELECT results_eq('SELECT entity::text FROM should_have_renewed ORDER BY 1', ARRAY['badly', 'over'], 'should_have_renewed: over, and not renewed by a valid one; not revoked or suspended ones, nor those that enrolled again');
SELECT results_eq($$SELECT serial::text, subject, san, alias, not_after = now() - interval '1 day', due = not_after, late FROM should_have_renewed WHERE entity = 'over'$$, $$VALUES ('1001', 'CN=over', ARRAY['dns:over'], 'a', true, true, interval '1 day')$$, 'with what people need');
UPDATE alias SET renew_window = '30 days' WHERE name = 'a';
SELECT results_eq('SELECT entity::text FROM should_have_renewed ORDER BY 1', ARRAY['badly', 'half', 'over'], 'with a renew_window: when half of it is gone');
SELECT pg_temp.later('30 days');
SELECT results_eq($$SELECT entity::text FROM should_have_renewed WHERE entity IN ('over', 'half') ORDER BY 1$$, ARRAY['half'], 'for 30 days');

SELECT * FROM finish();
ROLLBACK;
