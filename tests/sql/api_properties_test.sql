-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- The published script and the rest of api_properties

\set ON_ERROR_STOP on
BEGIN;
SELECT no_plan();
SELECT is(current_setting('search_path'), 'est, public', 'the database finds est without a SET');

INSERT INTO certificate_profile (name) VALUES ('xxxx'), ('other');
INSERT INTO entity_group (name) VALUES ('floor 2');
UPDATE alias SET profile_active = false, group_active = false, group_id = (SELECT id FROM entity_group WHERE name = 'floor 2') WHERE name = 'est';

-- Word for word, by somebody who is granted est_admin; psql shows UPDATE 1 for each statement
SET ROLE est_admin;
\ir api_properties_script.sql
\set script_row_count :ROW_COUNT
RESET ROLE;
SELECT is(:script_row_count, 1, 'the published script says UPDATE 1');
SELECT results_eq($$SELECT p.name, a.profile_active, a.group_id, a.group_active FROM alias a JOIN certificate_profile p ON p.id = a.profile_id WHERE a.name = 'est'$$,
    $$VALUES ('xxxx', true, 1, true)$$, 'the published script sets profile and group of alias est and makes both active');
SELECT results_eq($$SELECT * FROM api_properties WHERE prop_key IN ('est.ca.server.user.profile', 'est.ca.server.group.id', 'est.est.profile', 'est.est.group') ORDER BY 1$$,
    $$VALUES ('est.ca.server.group.id', '1', 1), ('est.ca.server.user.profile', 'xxxx', 1), ('est.est.group', 'default', 1), ('est.est.profile', 'xxxx', 1)$$, 'both keys, and the alias''s own');

-- As est_admin from here on
SET ROLE est_admin;
SELECT lives_ok(format('UPDATE api_properties SET prop_value = %L WHERE prop_key = ''est.ca.server.user.profile''', (SELECT id FROM certificate_profile WHERE name = 'other')), 'a profile by id');
SELECT is(prop_value, 'other', 'a profile by id is set') FROM api_properties WHERE prop_key = 'est.est.profile';
SELECT lives_ok($$UPDATE api_properties SET prop_value = 'floor 2' WHERE prop_key = 'est.ca.server.group.id'$$, 'a group by name');
SELECT is(prop_value, 'floor 2', 'a group by name is set') FROM api_properties WHERE prop_key = 'est.est.group';
SELECT lives_ok($$UPDATE api_properties SET prop_status = 0 WHERE prop_key = 'est.ca.server.user.profile'$$, 'status 0 of a reference');
SELECT results_eq($$SELECT p.name, a.profile_active FROM alias a JOIN certificate_profile p ON p.id = a.profile_id WHERE a.name = 'est'$$, $$VALUES ('other', false)$$,
    'status 0 keeps the reference and makes it not active');
SELECT throws_like($$UPDATE api_properties SET prop_value = 'nosuch' WHERE prop_key = 'est.ca.server.user.profile'$$,
    'api_properties est.ca.server.user.profile: prop_value = ''nosuch'' refused; allowed: name or id of a row of certificate_profile: ''other'', ''xxxx''', 'an unknown profile is refused');
SELECT throws_like($$UPDATE api_properties SET prop_value = '99' WHERE prop_key = 'est.ca.server.group.id'$$,
    'api_properties est.ca.server.group.id: prop_value = ''99'' refused; allowed: id or name of a row of entity_group: 1 (''default''), %', 'an unknown group is refused');
SELECT throws_like($$UPDATE api_properties SET prop_value = NULL WHERE prop_key = 'est.ca.server.group.id'$$, 'api_properties est.ca.server.group.id: prop_value = NULL refused%', 'a group is always set');
SELECT set_eq($$SELECT substr(prop_key, 9) FROM api_properties WHERE prop_key LIKE 'est.est.%'$$,
    $$SELECT CASE attname WHEN 'profile_id' THEN 'profile' WHEN 'group_id' THEN 'group' ELSE attname END FROM pg_attribute WHERE attrelid = 'est.alias'::regclass AND attnum > 0 AND NOT attisdropped
        AND attname NOT IN ('id', 'name', 'description', 'profile_active', 'group_active')$$, 'every setting of an alias is a property');
UPDATE api_properties SET prop_value = 'x' WHERE prop_key = 'est.no.such.key';
SELECT is(:ROW_COUNT, 0, 'an unknown key is UPDATE 0');

-- Every setting of every alias
INSERT INTO alias (name) VALUES ('devices');
SELECT set_eq($$SELECT substr(prop_key, length('est.devices.') + 1) FROM api_properties WHERE prop_key LIKE 'est.devices.%'$$,
    $$SELECT CASE column_name WHEN 'profile_id' THEN 'profile' WHEN 'group_id' THEN 'group' ELSE column_name::text END FROM information_schema.columns
      WHERE table_schema = 'est' AND table_name = 'alias' AND column_name NOT IN ('id', 'name', 'profile_active', 'group_active', 'description')$$,
    'every column of alias that is a setting has its key');
SELECT lives_ok(format('UPDATE api_properties SET prop_value = %L, prop_status = 1 WHERE prop_key = %L', v, 'est.devices.' || k), format('%s = %s', k, v))
    FROM (VALUES ('enabled', 'false'), ('mode', 'ra'), ('profile', 'xxxx'), ('group', 'floor 2'), ('ca', 'issuing'), ('auth_enroll', 'cert'), ('auth_reenroll', 'cert'), ('auth_cacerts', 'on'),
        ('binding', 'required'), ('idempotency', '90'), ('unknown_holder', 'accept'), ('other_users', 'group'), ('enroll_chain', 'YES'), ('base64', 'line'), ('transfer_encoding', '0'),
        ('reason_text', 'off'), ('compat', 'libest')) AS s (k, v);
SELECT results_eq($$SELECT a.enabled, p.name, g.name, ca, auth_enroll, auth_cacerts, binding, idempotency, unknown_holder, other_users, enroll_chain, base64, transfer_encoding, reason_text, compat
        FROM alias a JOIN certificate_profile p ON p.id = a.profile_id JOIN entity_group g ON g.id = a.group_id WHERE a.name = 'devices'$$,
    $$VALUES (false, 'xxxx', 'floor 2', 'issuing', 'cert', true, 'required', interval '90 seconds', 'accept', 'group', true, 'line', false, false, 'libest')$$, 'every setting arrives in its column');
CREATE TEMP TABLE before AS SELECT * FROM api_properties;
SELECT lives_ok($$UPDATE api_properties p SET prop_value = b.prop_value, prop_status = b.prop_status FROM before b WHERE b.prop_key = p.prop_key$$, 'what SELECT shows can be written back');
SELECT results_eq($$SELECT * FROM api_properties ORDER BY 1$$, $$SELECT * FROM before ORDER BY 1$$, 'writing back changes nothing');
SELECT lives_ok($$UPDATE api_properties SET prop_status = 0 WHERE prop_key LIKE 'est.devices.%' AND prop_key !~ 'profile|group'$$, 'status 0 of the other settings');
SELECT results_eq($$SELECT a.enabled, ca, auth_enroll, auth_cacerts, binding, idempotency, unknown_holder, other_users, enroll_chain, base64, transfer_encoding, reason_text, compat FROM alias a WHERE name = 'devices'$$,
    $$VALUES (true, NULL, 'basic-or-cert', false, 'if-present', interval '10 minutes', 'refuse', 'refuse', false, 'auto', true, true, 'none')$$, 'status 0 puts the defaults back');
SELECT lives_ok($$UPDATE api_properties SET prop_value = '' WHERE prop_key IN ('est.devices.profile', 'est.devices.ca')$$, 'profile and ca can be taken away');
SELECT results_eq($$SELECT profile_id, ca FROM alias WHERE name = 'devices'$$, $$VALUES (NULL::int, NULL)$$, 'an empty value takes them away');

SELECT throws_like(format('UPDATE api_properties SET prop_value = %L WHERE prop_key = %L', v, 'est.devices.' || k), format('api_properties est.devices.%s: %%%s%%', k, said), format('%s = %s is refused', k, coalesce(v, 'NULL')))
    FROM (VALUES ('enabled', 'maybe', 'prop_value = ''maybe'' refused; allowed: true, false, on, off, yes, no, 1, 0'), ('enabled', NULL, 'allowed: true, false'), ('mode', 'both', 'alias.mode = ''both'' refused; allowed: ra, client'),
        ('profile', '99', 'prop_value = ''99'' refused'), ('group', '', 'prop_value = '''' refused'), ('ca', 'a b', 'alias.ca = ''a b'' refused'), ('auth_enroll', 'none', 'alias.auth_enroll = ''none'' refused; allowed: basic'),
        ('auth_reenroll', '', 'allowed: cert'), ('auth_cacerts', '2', 'allowed: true'), ('binding', NULL, 'prop_value = NULL refused'), ('idempotency', 'soon', 'prop_value = ''soon'' refused'), ('idempotency', '-1', 'alias.idempotency'),
        ('idempotency', '', 'an interval'), ('unknown_holder', 'x', 'refuse, accept'), ('other_users', 'x', 'refuse, group'), ('enroll_chain', 'x', 'allowed: true'), ('base64', 'x', 'auto, line, wrap'),
        ('transfer_encoding', 'x', 'allowed: true'), ('reason_text', 'x', 'allowed: true'),
        ('compat', 'cisco', 'alias.compat = ''cisco'' refused; allowed: none, libest')) AS bad (k, v, said);
SELECT throws_like(format('UPDATE api_properties SET prop_status = %L WHERE prop_key = ''est.est.profile''', v), 'api_properties est.est.profile: prop_status = % refused; allowed: 0, 1', 'status ' || coalesce(v, 'NULL'))
    FROM unnest(ARRAY['2', '-1', NULL]) AS v;
SELECT throws_like($$UPDATE api_properties SET prop_key = 'est.x.mode' WHERE prop_key = 'est.est.mode'$$, '%prop_key ''est.est.mode'' cannot be changed', 'a key cannot be changed');
SELECT throws_like($$INSERT INTO api_properties VALUES ('est.x.mode', 'ra', 1)$$, 'api_properties: INSERT is not possible%use UPDATE', 'INSERT is refused');
SELECT throws_like($$DELETE FROM api_properties$$, 'api_properties: DELETE is not possible%use UPDATE', 'DELETE is refused');

SELECT * FROM finish();
ROLLBACK;
