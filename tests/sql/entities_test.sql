-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Entities that are registered, their codes, clients that are known by a certificate

\set ON_ERROR_STOP on
BEGIN;
SET search_path = est, public;
SELECT no_plan();

INSERT INTO entity_group (name) VALUES ('floor 2');
INSERT INTO alias (name, mode) VALUES ('a', 'client'), ('b', 'client');
INSERT INTO alias (name, mode, group_id) SELECT 'far', 'client', id FROM entity_group WHERE name = 'floor 2';

SET ROLE est_admin;
-- register_entity
CREATE TEMP TABLE made AS SELECT register_entity('dev1', subject => 'CN=dev1, O=Example\, Inc', san => 'dns:a.example, ip:10.0.0.1 email:a@example.com,uri:urn:x', alias => 'a', uses => 3, expires => now() + interval '1 day',
    networks => '10.0.0.0/8, 192.0.2.1', valid_until => '2040-01-01', max_active => 2, description => 'd') AS code;
SELECT matches(code, '^[a-km-np-z2-9]{5}(-[a-km-np-z2-9]{5}){4}$', 'a code of 125 bits is made and returned') FROM made;
SELECT results_eq($$SELECT group_id, name::text, version, status::text, preregistered, subject::text, san::text[], valid_until::timestamptz, max_active::int, description::text FROM end_entity$$,
    $$VALUES (1, 'dev1', 1::bigint, 'active', true, 'CN=dev1, O=Example\, Inc', ARRAY['dns:a.example', 'ip:10.0.0.1', 'email:a@example.com', 'uri:urn:x'], timestamptz '2040-01-01', 2, 'd')$$, 'every argument arrives');
SELECT results_eq($$SELECT a.name, k.uses_left, k.expires_at = now() + interval '1 day', k.networks::text[], k.created_at = now(), k.created_by = session_user, k.hash = crypt(m.code, k.hash), k.hash ~ '^\$2a\$10\$'
        FROM enrollment_code k JOIN alias a ON a.id = k.alias_id, made m$$, $$VALUES ('a', 3, true, ARRAY['10.0.0.0/8', '192.0.2.1/32'], true, true, true, true)$$, 'the code is stored hashed, bound to the alias, with its limits');
SELECT is(register_entity('plain'), NULL, 'without an alias there is no code');
SELECT is(register_entity('given', alias => 'a', code => 's3cret'), NULL, 'a code given is not returned');
SELECT is(register_entity('dev1', grp => 'floor 2'), NULL, 'the same name in another group');
SELECT throws_like(call, said, call) FROM (VALUES
    ($$SELECT register_entity('dev1')$$, 'entity ''dev1'' is registered in group ''default'' already'), ($$SELECT register_entity(NULL)$$, 'name = NULL refused%'), ($$SELECT register_entity('')$$, 'name = '''' refused; allowed: 1 to 1024 bytes%'),
    ($$SELECT register_entity(E'a\nb')$$, 'name = % refused%'), ($$SELECT register_entity(repeat('é', 513))$$, 'name = % refused%'), ($$SELECT register_entity('x', grp => 'nosuch')$$, 'grp = ''nosuch'' refused; allowed: id or name%'),
    ($$SELECT register_entity('x', grp => NULL)$$, 'grp = '''' refused%'), ($$SELECT register_entity('x', subject => 'CN=${entity}')$$, 'end_entity.subject = % refused; allowed: ATTRIBUTE=text%'), ($$SELECT register_entity('x', subject => 'x')$$, 'end_entity.subject = ''x'' refused%'),
    ($$SELECT register_entity('x', san => 'a.example')$$, 'end_entity.san = % refused; allowed: NULL (none), or%'), ($$SELECT register_entity('x', san => 'ip:10.0.0.0/8')$$, 'end_entity.san = % refused%'), ($$SELECT register_entity('x', san => 'ip:a')$$, 'end_entity.san = % refused%'),
    ($$SELECT register_entity('x', san => 'dns:')$$, 'end_entity.san = % refused%'), ($$SELECT register_entity('x', valid_until => 'infinity')$$, 'end_entity.valid_until = % refused%'), ($$SELECT register_entity('x', max_active => 0)$$, 'end_entity.max_active = ''0'' refused; allowed: 1 to 1000000'),
    ($$SELECT register_entity('x', description => '')$$, 'end_entity.description = '''' refused; allowed: 1 to 1000%'), ($$SELECT register_entity('x', code => 'hunter2')$$, 'code = ''(not shown)'' refused; allowed: a code together with the alias%'),
    ($$SELECT register_entity('x', alias => 'nosuch')$$, 'there is no alias ''nosuch'''), ($$SELECT register_entity('x', alias => 'far')$$, 'grp = ''default'' refused; allowed: ''floor 2'', the group of alias ''far'''),
    ($$SELECT register_entity('x', alias => 'a', code => '')$$, 'code = ''(not shown)'' refused; allowed: 1 to 72 bytes%'), ($$SELECT register_entity('x', alias => 'a', code => repeat('é', 37))$$, 'code = ''(not shown)'' refused; allowed: 1 to 72 bytes%'),
    ($$SELECT register_entity('x', alias => 'a', uses => 0)$$, 'uses = ''0'' refused; allowed: 1 to 1000000'), ($$SELECT register_entity('x', alias => 'a', uses => NULL)$$, 'uses = NULL refused%'),
    ($$SELECT register_entity('x', alias => 'a', expires => now())$$, 'expires = % refused; allowed: NULL (never), or a time to come'), ($$SELECT register_entity('x', alias => 'a', networks => '10.0.0.1/8')$$, 'networks = ''10.0.0.1/8'' refused%')) AS bad (call, said);
SELECT is_empty($$SELECT FROM end_entity WHERE name = 'x'$$, 'a call that fails leaves nothing');

-- One that enrolment has made before
RESET ROLE;
INSERT INTO end_entity (group_id, name) VALUES (1, 'flying');
SET ROLE est_admin;
SELECT throws_like($$SELECT issue_code('flying', 'a')$$, 'no entity ''flying'' is registered in group ''default'' of alias ''a''', 'who is not registered gets no code');
SELECT lives_ok($$SELECT register_entity('flying', subject => 'CN=f')$$, 'but can be registered');
SELECT results_eq($$SELECT preregistered, subject::text, version FROM end_entity WHERE name = 'flying'$$, $$VALUES (true, 'CN=f', 2::bigint)$$, 'and is the same entity');

-- issue_code
CREATE TEMP TABLE old AS SELECT k.id, k.hash FROM enrollment_code k JOIN end_entity e ON e.id = k.entity_id WHERE e.name = 'dev1';
SELECT matches(issue_code('dev1', 'a'), '^[a-z2-9-]{29}$', 'another code is made');
SELECT results_eq($$SELECT k.uses_left, k.expires_at, k.networks FROM enrollment_code k JOIN end_entity e ON e.id = k.entity_id WHERE e.name = 'dev1'$$, $$VALUES (1, NULL::timestamptz, NULL::cidr[])$$, 'in the place of the old one, with limits of its own');
SELECT is_empty($$SELECT FROM enrollment_code k JOIN old o ON o.id = k.id$$, 'and is another row: who has shown the old code cannot use the new one');
SELECT is(issue_code('dev1', 'b', 'pw'), NULL, 'a code for another alias besides');
SELECT results_eq($$SELECT a.name FROM enrollment_code k JOIN end_entity e ON e.id = k.entity_id JOIN alias a ON a.id = k.alias_id WHERE e.name = 'dev1' ORDER BY 1$$, ARRAY['a', 'b'], 'one code an alias');
SELECT lives_ok($$SELECT issue_code('dev1', 'far')$$, 'the group of the alias decides which entity');
SELECT is(g.name, 'floor 2', 'it is that of the group') FROM enrollment_code k JOIN alias a ON a.id = k.alias_id JOIN end_entity e ON e.id = k.entity_id JOIN entity_group g ON g.id = e.group_id WHERE a.name = 'far';
SELECT throws_like(call, said, call) FROM (VALUES ($$SELECT issue_code('dev1', 'nosuch')$$, 'there is no alias ''nosuch'''), ($$SELECT issue_code('nosuch', 'a')$$, 'no entity ''nosuch'' is registered in group%'), ($$SELECT issue_code(NULL, 'a')$$, 'no entity NULL is registered%'),
    ($$SELECT issue_code('dev1', NULL)$$, 'there is no alias NULL'), ($$SELECT issue_code('dev1', 'a', uses => 1000001)$$, 'uses = % refused%'), ($$SELECT issue_code('dev1', 'a', expires => now() - interval '1 second')$$, 'expires = % refused%')) AS bad (call, said);
SELECT lives_ok($$DELETE FROM enrollment_code k USING end_entity e WHERE e.id = k.entity_id AND e.name = 'given'$$, 'a code can be taken back');

-- suspend, reinstate
SELECT is(suspend('dev1'), 'entity ''dev1'' is suspended; it has 0 valid certificates', 'suspend');
SELECT results_eq($$SELECT g.name, e.status::text FROM end_entity e JOIN entity_group g ON g.id = e.group_id WHERE e.name = 'dev1' ORDER BY 1$$, $$VALUES ('default', 'suspended'), ('floor 2', 'active')$$, 'that of the group alone');
SELECT is(reinstate('dev1'), 'entity ''dev1'' is active; it has 0 valid certificates', 'reinstate');
SELECT matches(suspend('dev1', 'floor 2'), 'suspended', 'suspend in a group');
SELECT throws_like(call, said, call) FROM (VALUES ($$SELECT suspend('nosuch')$$, 'there is no entity ''nosuch'' in group ''default'''), ($$SELECT suspend('dev1', 'floor 2')$$, 'entity ''dev1'' is suspended already'), ($$SELECT reinstate('dev1')$$, 'entity ''dev1'' is active already'),
    ($$SELECT suspend('dev1', 'nosuch')$$, 'grp = ''nosuch'' refused%'), ($$SELECT suspend(NULL)$$, 'there is no entity NULL%')) AS bad (call, said);

-- Plain SQL, and versions
CREATE TEMP TABLE had AS SELECT version FROM end_entity WHERE name = 'plain';
SELECT lives_ok($$UPDATE end_entity SET subject = 'CN=plain', san = '{dns:p.example}', valid_until = '2041-01-01', max_active = 1, description = 'by hand' WHERE name = 'plain'$$, 'what is registered can be changed');
SELECT is(version, (SELECT version + 1 FROM had), 'and counts') FROM end_entity WHERE name = 'plain';
RESET ROLE;
UPDATE end_entity SET version = 1 WHERE name = 'plain';
SELECT is(version, (SELECT version + 2 FROM had), 'a version cannot be set back') FROM end_entity WHERE name = 'plain';
SELECT throws_like(format('UPDATE end_entity SET %I = %L WHERE name = ''plain''', c, v), said, format('end_entity.%s = %s is refused', c, shown(v)))
    FROM (VALUES ('status', 'over', '%violates check constraint%'), ('subject', 'CN', 'end_entity.subject = ''CN'' refused%'), ('san', '{}', 'end_entity.san = % refused%'), ('san', '{x:a}', 'end_entity.san = % refused%'), ('san', '{NULL}', 'end_entity.san = % refused%'),
        ('san', '{{dns:a},{dns:b}}', 'end_entity.san = % refused%'), ('san', '{"dns:a b"}', 'end_entity.san = % refused%'), ('san', '{ip:10.0.0.01}', 'end_entity.san = % refused%'), ('san', '{ip:010.0.0.1}', 'end_entity.san = % refused%'),
        ('san', '{ip:::ffff:10.0.0.01}', 'end_entity.san = % refused%'), ('san', '{ip:10.1}', 'end_entity.san = % refused%'), ('valid_until', '-infinity', 'end_entity.valid_until = % refused%'), ('max_active', '1000001', 'end_entity.max_active = % refused%'),
        ('description', E'a\nb', 'end_entity.description = % refused%')) AS bad (c, v, said);
SELECT lives_ok(format('UPDATE end_entity SET san = %L WHERE name = ''plain''', ARRAY['ip:' || a]), 'an address ' || a)
    FROM unnest(ARRAY['10.0.0.1', '10.0.10.100', '0.0.0.0', '2001:0db8::01', '::ffff:10.0.0.1', '0123::1']) AS a;
SELECT throws_like(format('UPDATE end_entity SET %I = NULL WHERE name = ''plain''', c), '%null value in column "' || c || '"%', 'end_entity.' || c || ' is never NULL') FROM unnest(ARRAY['status', 'preregistered']) AS c;
SELECT throws_like(format('UPDATE enrollment_code SET %I = %L', c, v), format('enrollment_code.%s = %% refused%%', c), format('enrollment_code.%s = %s is refused', c, v))
    FROM (VALUES ('hash', 'secret'), ('hash', '$2b$10$' || repeat('a', 53)), ('hash', '$2y$13$' || repeat('a', 53)), ('uses_left', '-1'), ('uses_left', '1000001'), ('expires_at', 'infinity'), ('networks', '{}')) AS bad (c, v);
SELECT throws_like($$UPDATE enrollment_code SET hash = 'hunter2'$$, 'enrollment_code.hash = ''(not shown)''%', 'a code in clear is not in the message');
SELECT throws_like($$INSERT INTO enrollment_code (entity_id, alias_id, hash) SELECT entity_id, alias_id, hash FROM enrollment_code LIMIT 1$$, '%duplicate key%', 'one code of an entity for an alias');
DELETE FROM alias WHERE name = 'b';
SELECT is_empty($$SELECT FROM enrollment_code k WHERE NOT EXISTS (SELECT FROM alias a WHERE a.id = k.alias_id)$$, 'codes go with their alias');

-- What the module sees
CREATE TEMP TABLE ids AS SELECT (SELECT id FROM alias WHERE name = 'a') AS a, (SELECT k.id FROM enrollment_code k JOIN end_entity e ON e.id = k.entity_id JOIN alias a ON a.id = k.alias_id WHERE e.name = 'dev1' AND a.name = 'a') AS code;
GRANT SELECT ON ids TO est_module;
SET ROLE est_module;
SELECT results_eq($$SELECT e.name, e.status, e.preregistered, e.subject, e.san, e.valid_until, e.code_id, e.code_hash ~ '^\$2a' FROM ids i, entity_get(i.a, 'dev1') AS e$$,
    $$SELECT 'dev1', 'active', true, 'CN=dev1, O=Example\, Inc', E'dns:a.example\nip:10.0.0.1\nemail:a@example.com\nuri:urn:x', 2208988800::bigint, i.code, true FROM ids i$$, 'entity_get: one name a line, times in seconds, the code of the alias');
SELECT results_eq($$SELECT e.status, e.code_id, e.code_hash, e.san FROM ids i, entity_get(i.a, 'flying') AS e$$, $$VALUES ('active', NULL::bigint, NULL, NULL)$$, 'entity_get without a code');
SELECT is_empty($$SELECT FROM ids i, entity_get(i.a, 'nosuch') AS e$$, 'entity_get of nobody');
SELECT is_empty($$SELECT FROM entity_get(99999, 'dev1')$$, 'entity_get at no alias');
RESET ROLE;

-- Clients that are known by a certificate
SET ROLE est_admin;
SELECT is(register_client('ra1', names => '*', certificate => E'-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----'), NULL, 'a client with a certificate needs no password');
SELECT results_eq($$SELECT cert_fingerprint, cert_subject, password_hash FROM client WHERE user_name = 'ra1'$$, $$VALUES (sha256('\x3003020101'), NULL::text, NULL::text)$$, 'its fingerprint is on record');
SELECT is(register_client('ra2', 'pw', certificate => E'-----BEGIN CERTIFICATE-----\nMAMCAQI=\n-----END CERTIFICATE-----'), NULL, 'and can have a password too');
SELECT ok(password_hash IS NOT NULL, 'which is set') FROM client WHERE user_name = 'ra2';
SELECT throws_like($$SELECT register_client('ra3', certificate => E'-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----')$$, 'the certificate is that of client ''ra1''', 'one certificate, one client');
SELECT throws_like($$SELECT register_client('ra3', certificate => 'x')$$, 'pem = ''x'' refused%', 'a certificate is PEM');
SELECT lives_ok($$INSERT INTO client (user_name, cert_subject) VALUES ('ra4', 'CN=ra4,O=Example')$$, 'a client by the subject of its certificate');
SELECT throws_like($$INSERT INTO client (user_name, cert_subject) VALUES ('ra5', 'CN=ra4,O=Example')$$, '%duplicate key%', 'one subject, one client');
SELECT throws_like($$UPDATE client SET cert_fingerprint = '\x00' WHERE user_name = 'ra4'$$, 'client.cert_fingerprint = ''00'' refused; allowed: NULL, or 32 octets%', 'a fingerprint has 32 octets');
SELECT throws_like($$UPDATE client SET cert_subject = '' WHERE user_name = 'ra4'$$, 'client.cert_subject = '''' refused%', 'a subject is not empty');
SELECT throws_like($$UPDATE client SET cert_subject = 'ra4' WHERE user_name = 'ra4'$$, 'client.cert_subject = ''ra4'' refused; allowed: the subject of a certificate, such as CN=ra,O=Example', 'a name alone would never match');
SELECT lives_ok($$UPDATE client SET cert_subject = 'CN=ra1' WHERE user_name = 'ra1'$$, 'a fingerprint and a subject');
SET ROLE est_module;
SELECT results_eq($$SELECT user_name, names, password_hash FROM client_by_certificate(sha256('\x3003020101'), 'CN=none')$$, $$VALUES ('ra1', '*', NULL::text)$$, 'client_by_certificate: by fingerprint');
SELECT results_eq($$SELECT user_name, groups FROM client_by_certificate(sha256('x'), 'CN=ra4,O=Example')$$, $$VALUES ('ra4', '')$$, 'by subject');
SELECT results_eq($$SELECT user_name FROM client_by_certificate(sha256('\x3003020102'), 'CN=ra1')$$, ARRAY['ra2'], 'the certificate itself goes before its subject');
SELECT is_empty($$SELECT FROM client_by_certificate(sha256('x'), 'CN=none')$$, 'nobody');
SELECT is_empty($$SELECT FROM client_by_certificate(NULL, NULL)$$, 'nothing');

RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
