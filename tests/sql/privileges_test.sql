-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Who may do what: each role against each table and function, and by trying

\set ON_ERROR_STOP on
BEGIN;
SET search_path = est, public;
SELECT no_plan();

SELECT results_eq($$SELECT rolname::text COLLATE "default", rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname LIKE 'est\_%' ORDER BY 1$$,
    $$VALUES ('est_admin', false, false, false, false, false), ('est_module', true, false, false, false, false), ('est_owner', false, false, false, false, false)$$, 'the three roles');
SELECT is_empty($$SELECT c.relname FROM pg_class c WHERE relnamespace = 'est'::regnamespace AND pg_get_userbyid(relowner) <> 'est_owner'
    UNION ALL SELECT p.proname FROM pg_proc p WHERE pronamespace = 'est'::regnamespace AND pg_get_userbyid(proowner) <> 'est_owner'
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')$$, 'est_owner owns everything but pgcrypto''s functions');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS a WHERE pronamespace = 'est'::regnamespace AND a.grantee = 0$$, 'PUBLIC executes nothing');
SELECT is_empty($$SELECT c.oid::regclass FROM pg_class c, aclexplode(relacl) AS a WHERE relnamespace = 'est'::regnamespace AND a.grantee = 0$$, 'PUBLIC has no right on a table');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace = 'est'::regnamespace AND prosecdef
    AND NOT 'search_path=pg_catalog, est, pg_temp' = ANY (coalesce(proconfig, '{}'))$$, 'every SECURITY DEFINER function has its search_path');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE pronamespace = 'est'::regnamespace
    AND NOT 'search_path=pg_catalog, est, pg_temp' = ANY (coalesce(proconfig, '{}'))$$, 'so has every trigger function');
SELECT set_eq($$SELECT p.proname FROM pg_proc p WHERE pronamespace = 'est'::regnamespace AND prosecdef$$, ARRAY['record_issued', 'holder_status', 'client_get', 'register_client', 'set_client_password', 'revoke',
    'api_properties_update', 'policy_changed', 'client_group_changed', 'group_in_use', 'quota_changed', 'entity_get', 'client_by_certificate', 'order_open', 'order_forwarded', 'record_refused', 'maintain', 'explain_issue', 'explain_request',
    'register_entity', 'issue_code', 'suspend', 'reinstate', 'approve', 'deny', 'give_up'], 'SECURITY DEFINER is these functions alone');

-- est_module
SELECT set_eq($$SELECT c.relname || ' ' || wish FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS wish
        WHERE relnamespace = 'est'::regnamespace AND relkind IN ('r', 'v') AND has_table_privilege('est_module', c.oid, wish)$$,
    ARRAY['schema_version SELECT', 'policy_version SELECT', 'alias SELECT', 'certificate_profile SELECT', 'profile_subject_rule SELECT', 'profile_san_rule SELECT', 'profile_extension SELECT',
        'profile_extension_section SELECT', 'profile_request_extension SELECT', 'entity_group SELECT', 'trust_anchor SELECT'], 'est_module reads policy and has no other right on a table');
SELECT is_empty($$SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0 WHERE relnamespace = 'est'::regnamespace AND relkind IN ('r', 'v')
    AND NOT has_table_privilege('est_module', c.oid, 'SELECT') AND has_column_privilege('est_module', c.oid, a.attnum, 'SELECT,INSERT,UPDATE')$$, 'nor on a column');
SELECT set_eq($$SELECT p.proname FROM pg_proc p WHERE pronamespace = 'est'::regnamespace AND has_function_privilege('est_module', p.oid, 'EXECUTE')$$,
    ARRAY['client_get', 'client_by_certificate', 'entity_get', 'record_issued', 'order_open', 'order_forwarded', 'record_refused', 'holder_status', 'maintain'], 'est_module executes these functions alone');
SET ROLE est_module;
SELECT throws_like(s, '%permission denied%', 'est_module: ' || s) FROM unnest(ARRAY['SELECT * FROM client', 'SELECT password_hash FROM client', 'SELECT * FROM certificate', 'SELECT * FROM blocked_key', 'SELECT * FROM end_entity', 'SELECT hash FROM enrollment_code', 'SELECT * FROM vendor_device', 'SELECT * FROM approval',
    'SELECT * FROM pending', 'SELECT * FROM forwarded', 'SELECT csr FROM enrollment', 'DELETE FROM rate_bucket', 'UPDATE group_day SET issued = 0', 'UPDATE enrollment SET outcome = ''approved''', 'INSERT INTO approval DEFAULT VALUES',
    'SELECT approve(''00000000'')', 'SELECT deny(''00000000'', ''x'')', 'SELECT give_up(''00000000'')', 'SELECT register_entity(''x'')', 'SELECT issue_code(''x'', ''est'')', 'SELECT suspend(''x'')', 'SELECT reinstate(''x'')',
    'SELECT est.use_limits(1, ''user'', ''x'', 1)', 'SELECT est.rate_use(1, '''', 1, ''1 minute'')', 'SELECT est.order_find(''00000000'')', 'UPDATE alias SET enabled = true',
    'UPDATE certificate_profile SET validity = ''1 day''', 'INSERT INTO certificate_profile (name) VALUES (''x'')', 'UPDATE certificate SET status = ''valid''', 'UPDATE policy_version SET version = 1', 'DELETE FROM enrollment',
    'SELECT revoke(''01'')', 'SELECT register_client(''x'')', 'SELECT set_client_password(''x'')', 'UPDATE api_properties SET prop_status = 1', 'SELECT * FROM api_properties', 'CREATE TABLE est.x ()',
    'SELECT est.crypt(''a'', ''b'')', 'SELECT est.policy_changed()', 'TRUNCATE alias']) AS s;
SELECT throws_like('ALTER TABLE est.alias DISABLE TRIGGER ALL', 'must be owner%', 'est_module: cannot touch triggers');
RESET ROLE;

-- est_admin
SELECT is_empty($$SELECT c.relname FROM pg_class c WHERE relnamespace = 'est'::regnamespace AND relkind IN ('r', 'v') AND NOT has_table_privilege('est_admin', c.oid, 'SELECT')$$, 'est_admin reads everything');
SELECT set_eq($$SELECT c.relname FROM pg_class c WHERE relnamespace = 'est'::regnamespace AND relkind IN ('r', 'v') AND has_table_privilege('est_admin', c.oid, 'INSERT') AND has_table_privilege('est_admin', c.oid, 'UPDATE')
        AND has_table_privilege('est_admin', c.oid, 'DELETE')$$,
    ARRAY['alias', 'certificate_profile', 'profile_subject_rule', 'profile_san_rule', 'profile_extension', 'profile_extension_section', 'profile_request_extension', 'entity_group', 'trust_anchor', 'vendor_device', 'client', 'client_group', 'api_properties'], 'est_admin changes policy, clients and devices');
SELECT set_eq($$SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = 'est.end_entity'::regclass AND a.attnum > 0 AND has_column_privilege('est_admin', a.attrelid, a.attnum, 'UPDATE')$$,
    ARRAY['subject', 'san', 'valid_until', 'max_active', 'description'], 'est_admin changes what is registered of an entity, and neither its name nor its status');
SELECT set_eq($$SELECT c.relname || ' ' || wish FROM pg_class c, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS wish WHERE relnamespace = 'est'::regnamespace AND relkind = 'r'
        AND relname IN ('enrollment_code', 'approval', 'rate_bucket', 'group_day', 'maintenance', 'end_entity') AND has_table_privilege('est_admin', c.oid, wish)$$,
    ARRAY['enrollment_code DELETE'], 'est_admin takes a code back, and writes none');
SELECT is_empty($$SELECT c.relname || ' ' || wish FROM pg_class c, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS wish WHERE relnamespace = 'est'::regnamespace
        AND relname IN ('certificate', 'enrollment', 'end_entity', 'policy_version', 'schema_version', 'expiring_soon', 'issued_per_day', 'should_have_renewed', 'pending', 'forwarded', 'denied_recently', 'approval') AND has_table_privilege('est_admin', c.oid, wish)$$, 'est_admin changes no record');
SELECT is_empty($$SELECT c.relname FROM pg_class c WHERE relnamespace = 'est'::regnamespace AND relkind = 'r' AND has_table_privilege('est_admin', c.oid, 'TRUNCATE,TRIGGER,REFERENCES')$$, 'est_admin truncates nothing');
SELECT ok(NOT has_function_privilege('est_admin', p.oid, 'EXECUTE'), 'est_admin does not execute ' || proname) FROM pg_proc p WHERE pronamespace = 'est'::regnamespace
    AND proname IN ('record_issued', 'order_open', 'order_forwarded', 'record_refused', 'judge_issue', 'issue_findings', 'order_state', 'order_to_decide', 'use_limits', 'set_entity_status', 'code_hash', 'policy_changed', 'alias_set', 'password_hash', 'gen_random_bytes');
SET ROLE est_admin;
SELECT throws_like(s, '%permission denied%', 'est_admin: ' || s) FROM unnest(ARRAY['DELETE FROM certificate', 'TRUNCATE certificate', 'UPDATE certificate SET status = ''valid''', 'INSERT INTO certificate DEFAULT VALUES',
    'DELETE FROM enrollment', 'UPDATE blocked_key SET kind = ''spki''', 'TRUNCATE blocked_key', 'TRUNCATE enrollment', 'UPDATE enrollment SET identity = ''x''', 'UPDATE enrollment SET outcome = ''approved''', 'INSERT INTO approval (enrollment_id, approver) VALUES (gen_random_uuid(), ''bob'')',
    'INSERT INTO enrollment_code DEFAULT VALUES', 'UPDATE enrollment_code SET uses_left = 9', 'UPDATE end_entity SET name = ''x''', 'UPDATE end_entity SET status = ''active''', 'INSERT INTO end_entity (group_id, name) VALUES (1, ''x'')', 'DELETE FROM end_entity', 'UPDATE policy_version SET version = 0', 'DELETE FROM policy_version', 'DELETE FROM schema_version',
    'TRUNCATE alias CASCADE', 'CREATE TABLE est.x ()', 'CREATE FUNCTION est.x() RETURNS int LANGUAGE sql RETURN 1', 'SELECT est.alias_set(''est'', ''mode'', ''ra'', 1)']) AS s;
SELECT throws_like(s, 'must be owner%', 'est_admin: ' || s) FROM unnest(ARRAY['ALTER TABLE est.client DISABLE TRIGGER ALL', 'DROP VIEW est.api_properties', 'DROP FUNCTION est.revoke(text, text, text)']) AS s;
SELECT lives_ok(s, 'est_admin: ' || s) FROM unnest(ARRAY['INSERT INTO entity_group (name) VALUES (''g'')', 'INSERT INTO certificate_profile (name, keys) VALUES (''p'', ''{ed25519}'')',
    'INSERT INTO profile_subject_rule (profile_id, attribute) SELECT id, ''CN'' FROM certificate_profile', 'INSERT INTO profile_san_rule (profile_id, type, pattern) SELECT id, ''ip'', ''10.0.0.0/8'' FROM certificate_profile',
    'INSERT INTO profile_extension (profile_id, name, value) SELECT id, ''certificatePolicies'', ''1.2.3,@s'' FROM certificate_profile',
    'INSERT INTO profile_extension_section (profile_id, section, name, value) SELECT id, ''s'', ''policyIdentifier'', ''1.2.4'' FROM certificate_profile', 'SET CONSTRAINTS ALL IMMEDIATE',
    'INSERT INTO alias (name, ca) VALUES (''a'', ''issuing'')', 'INSERT INTO trust_anchor (alias_id, certificate) VALUES (1, ''\x3000'')', 'SELECT register_client(''dev'', networks => ''10.0.0.0/8'')', 'INSERT INTO blocked_key (kind, fingerprint) VALUES (''spki'', sha256(''x'')) ON CONFLICT DO NOTHING', 'DELETE FROM blocked_key', 'UPDATE client SET names = ''{a*}''',
    'INSERT INTO client (user_name, password_hash) VALUES (''c'', est.crypt(''pw'', est.gen_salt(''bf'', 4)))', 'DELETE FROM client_group', 'DELETE FROM client', 'DELETE FROM profile_extension', 'DELETE FROM trust_anchor', 'DELETE FROM alias WHERE name = ''a''',
    'SELECT register_entity(''dev'', alias => ''est'')', 'SELECT issue_code(''dev'', ''est'')', 'DELETE FROM enrollment_code', 'UPDATE end_entity SET subject = ''CN=dev'', san = ''{dns:dev}'', valid_until = NULL, max_active = 2, description = ''d''',
    'SELECT suspend(''dev'')', 'SELECT reinstate(''dev'')', 'SELECT * FROM maintain()', 'SELECT * FROM entity_get(1, ''dev'')', 'SELECT * FROM explain_issue(1, ''simpleenroll'', ''user'', ''u'', NULL, NULL, NULL, ''dev'', ''CN=dev'', sha256(''k''), NULL, NULL, NULL)',
    'INSERT INTO profile_request_extension (profile_id, name, action) SELECT id, ''keyUsage'', ''copy'' FROM certificate_profile', 'UPDATE profile_request_extension SET action = ''refuse''', 'DELETE FROM profile_request_extension',
    'INSERT INTO vendor_device (alias_id, device) VALUES (1, ''SN1'')', 'UPDATE vendor_device SET comment = ''c''', 'DELETE FROM vendor_device', 'SELECT * FROM pending', 'SELECT * FROM forwarded', 'SELECT * FROM denied_recently', 'SELECT * FROM should_have_renewed', 'SELECT * FROM expiring_soon', 'SELECT * FROM issued_per_day', 'DELETE FROM certificate_profile', 'DELETE FROM entity_group WHERE name = ''g''', 'SELECT glob_match(''a*'', ''abc'', false)']) AS s;
RESET ROLE;

-- A table of one's own in front does not lead a function astray
CREATE ROLE est_test_person LOGIN IN ROLE est_admin;
GRANT TEMPORARY ON DATABASE est TO est_test_person;
SET ROLE est_test_person;
CREATE TEMP TABLE alias (id int, name text, profile_id int);
CREATE TEMP TABLE client (user_name text);
CREATE FUNCTION pg_temp.crypt(text, text) RETURNS text LANGUAGE sql AS $$SELECT 'stolen'$$;
SET LOCAL search_path = pg_temp, est, pg_catalog, public;
SELECT lives_ok($$SELECT est.register_client('shadow', 'pw')$$, 'a person who is granted est_admin registers a client');
SELECT ok(password_hash LIKE '$2a$10$%', 'with the real hash, in the real table') FROM est.client WHERE user_name = 'shadow';
SELECT lives_ok($$UPDATE est.api_properties SET prop_value = 'false' WHERE prop_key = 'est.est.enabled'$$, 'and sets a property');
SELECT is(enabled, false, 'of the real alias') FROM est.alias WHERE name = 'est';
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
