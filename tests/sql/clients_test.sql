-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Clients: constraints, functions for people, versions

\set ON_ERROR_STOP on
BEGIN;
SET search_path = est, public;
SELECT no_plan();
INSERT INTO entity_group (name) VALUES ('floor 2'), ('third');

-- Message, detail and hint of a statement that fails
CREATE FUNCTION pg_temp.message_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RAISE EXCEPTION 'hunter2: it did not fail';
EXCEPTION WHEN check_violation THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' / ', SQLERRM, detail, hint);
END $$;

SET ROLE est_admin;
-- register_client
CREATE TEMP TABLE made AS SELECT register_client('dev1') AS password;
SELECT matches(password, '^[A-Za-z0-9_-]{27}$', 'a password of 160 bits is made and returned') FROM made;
SELECT ok(c.password_hash = crypt(m.password, c.password_hash), 'the password returned fits the hash') FROM client c, made m WHERE c.user_name = 'dev1';
SELECT matches(password_hash, '^\$2a\$10\$', 'bcrypt, cost 10') FROM client WHERE user_name = 'dev1';
SELECT results_eq($$SELECT names, networks, enabled, valid_from, valid_until, version FROM client WHERE user_name = 'dev1'$$,
    $$VALUES (ARRAY['own'], NULL::cidr[], true, NULL::timestamptz, NULL::timestamptz, 2::bigint)$$, 'defaults of a client');
SELECT results_eq($$SELECT g.name FROM client c JOIN client_group m ON m.client_id = c.id JOIN entity_group g ON g.id = m.group_id WHERE user_name = 'dev1'$$, $$VALUES ('default')$$, 'group default');
SELECT isnt(register_client('dev2'), (SELECT password FROM made), 'another client, another password');
SELECT is(register_client('ra', password => 's3cret', groups => '1, floor 2', names => '*', networks => '10.0.0.0/8, 2001:db8::/32 192.0.2.1', valid_until => '2040-01-01', description => 'd'), NULL,
    'a password given is not returned');
SELECT results_eq($$SELECT names, networks::text[], valid_until, description, password_hash = crypt('s3cret', password_hash) FROM client WHERE user_name = 'ra'$$,
    $$VALUES (ARRAY['*'], ARRAY['10.0.0.0/8', '2001:db8::/32', '192.0.2.1/32'], timestamptz '2040-01-01', 'd', true)$$, 'every argument arrives');
SELECT set_eq($$SELECT g.name FROM client c JOIN client_group m ON m.client_id = c.id JOIN entity_group g ON g.id = m.group_id WHERE user_name = 'ra'$$, ARRAY['default', 'floor 2'], 'groups by id and by name');
SELECT lives_ok($$SELECT register_client('many', names => 'a-*, b-*  *.example.com')$$, 'patterns by comma and blank');
SELECT is(names, ARRAY['a-*', 'b-*', '*.example.com'], 'patterns arrive') FROM client WHERE user_name = 'many';
SELECT throws_like(call, said, call) FROM (VALUES
    ($$SELECT register_client('dev1')$$, 'client ''dev1'' exists already'), ($$SELECT register_client(NULL)$$, 'user_name = NULL refused%'),
    ($$SELECT register_client('DEV1')$$, 'client ''dev1'' exists already'), ($$SELECT register_client(' x')$$, 'client.user_name = '' x'' refused%'),
    ($$SELECT register_client('x  y')$$, 'client.user_name = ''x  y'' refused%'),
    ($$SELECT register_client('')$$, 'client.user_name = '''' refused; allowed: 1 to 256 bytes%'), ($$SELECT register_client('a:b')$$, 'client.user_name = ''a:b'' refused%'),
    ($$SELECT register_client('x', password => '')$$, 'password = % refused; allowed: 1 to 72 bytes%'), ($$SELECT register_client('x', password => repeat('é', 37))$$, 'password = % refused; allowed: 1 to 72 bytes%'),
    ($$SELECT register_client('x', groups => 'nosuch')$$, 'groups = ''nosuch'' refused; allowed: id or name%'), ($$SELECT register_client('x', groups => '')$$, 'groups = '''' refused; allowed: at least one group%'),
    ($$SELECT register_client('x', groups => NULL)$$, 'groups = NULL refused%'), ($$SELECT register_client('x', names => NULL)$$, 'names = NULL refused%'),
    ($$SELECT register_client('x', names => '')$$, 'client.names = % refused%'), ($$SELECT register_client('x', names => 'own, a*')$$, 'client.names = % refused; allowed: {own}%stand alone'),
    ($$SELECT register_client('x', names => '* a')$$, 'client.names = % refused; allowed: {own}%stand alone'), ($$SELECT register_client('x', networks => '10.0.0.1/8')$$, 'networks = ''10.0.0.1/8'' refused; allowed: networks such as%'),
    ($$SELECT register_client('x', networks => 'localhost')$$, 'networks = ''localhost'' refused%'), ($$SELECT register_client('x', valid_until => 'infinity')$$, 'client.valid_until = % refused%')) AS bad (call, said);
SELECT is_empty($$SELECT FROM client WHERE user_name = 'x'$$, 'a call that fails leaves nothing');

-- set_client_password
SELECT matches(set_client_password('dev2'), '^[A-Za-z0-9_-]{27}$', 'another password is made');
SELECT is(set_client_password('dev2', 'pw'), NULL, 'another password is given');
SELECT ok(password_hash = crypt('pw', password_hash), 'and set') FROM client WHERE user_name = 'dev2';
SELECT throws_like($$SELECT set_client_password('nosuch')$$, 'there is no client ''nosuch''', 'of nobody');
SELECT throws_like($$SELECT set_client_password('dev2', repeat('a', 73))$$, 'password = % refused%', 'over 72 bytes');

-- Constraints
SELECT throws_like(format('INSERT INTO client (user_name, %I) VALUES (''bad'', %L)', c, v), format('client.%s = %% refused; allowed: %s', c, allowed), format('client.%s = %s is refused', c, shown(v)))
    FROM (VALUES ('password_hash', 'secret', '%bcrypt%'), ('password_hash', '$2b$10$' || repeat('a', 53), '%bcrypt%'), ('password_hash', '$2y$03$' || repeat('a', 53), '%bcrypt%'),
        ('password_hash', '$2y$13$' || repeat('a', 53), '%bcrypt%'), ('password_hash', '$2y$10$' || repeat('a', 52), '%bcrypt%'), ('password_hash', '$2y$10$' || repeat('a', 54), '%bcrypt%'),
        ('password_hash', '$2y$10$' || repeat('a', 52) || ' ', '%bcrypt%'), ('password_hash', '$apr1$x$y', '%bcrypt%'),
        ('names', '{}', '%patterns%'), ('names', '{""}', '%patterns%'), ('names', '{own,a}', '%stand alone'), ('names', '{*,own}', '%stand alone'),
        ('networks', '{}', 'NULL (any network)%'), ('networks', '{NULL}', 'NULL (any network)%'), ('valid_from', '-infinity', 'a time%'), ('valid_until', '10000-01-01', 'a time%'), ('description', '', '1 to 1000%')) AS bad (c, v, allowed);
SELECT throws_like(format('INSERT INTO client (user_name) VALUES (%L)', v), 'client.user_name = % refused; allowed: 1 to 256 bytes%', 'user name ' || shown(v)) FROM unnest(ARRAY['', ':', 'a:b', E'a\nb', E'a\u007f', repeat('é', 129)]) AS v;
SELECT throws_like($$INSERT INTO client (user_name, valid_from, valid_until) VALUES ('bad', '2030-01-02', '2030-01-01')$$, 'client.valid_until = % refused; allowed: a time after valid_from', 'ends before it starts');
SELECT unalike(pg_temp.message_of(call), '%hunter2%', 'a password is not in the message of ' || left(call, 35)) FROM unnest(ARRAY[
    $$UPDATE est.client SET password_hash = 'hunter2'$$, $$SELECT est.register_client('x', password => E'hunter2\n')$$]) AS call;
SELECT lives_ok(format('INSERT INTO client (user_name, password_hash) VALUES (%L, %L)', 'h' || n, v), 'hash ' || left(v, 7))
    FROM (VALUES (1, '$2y$05$' || repeat('./aZ9', 10) || 'abc'), (2, '$2a$12$' || repeat('a', 53)), (3, '$2a$04$' || repeat('a', 53)), (4, NULL)) AS good (n, v);

-- Versions
CREATE TEMP TABLE v AS SELECT id, version FROM client WHERE user_name = 'dev1';
UPDATE client SET enabled = false WHERE user_name = 'dev1';
SELECT is(c.version, v.version + 1, 'an UPDATE counts') FROM client c JOIN v USING (id);
UPDATE client SET version = 1 WHERE user_name = 'dev1';
SELECT is(c.version, v.version + 2, 'a version cannot be set back') FROM client c JOIN v USING (id);
INSERT INTO client_group SELECT v.id, g.id FROM v, entity_group g WHERE g.name IN ('floor 2', 'third');
SELECT is(c.version, v.version + 3, 'joining groups counts once a statement') FROM client c JOIN v USING (id);
UPDATE client_group SET client_id = (SELECT id FROM client WHERE user_name = 'many') WHERE client_id = (SELECT id FROM v) AND group_id = (SELECT id FROM entity_group WHERE name = 'third');
SELECT is(c.version, v.version + 4, 'a membership given to another counts') FROM client c JOIN v USING (id);
DELETE FROM client_group WHERE client_id = (SELECT id FROM v);
SELECT is(c.version, v.version + 5, 'leaving groups counts') FROM client c JOIN v USING (id);
INSERT INTO client (user_name, version) VALUES ('fresh', 77);
SELECT is(version, 1::bigint, 'a version starts at 1') FROM client WHERE user_name = 'fresh';
SELECT throws_like($$UPDATE client SET id = 1$$, '%can only be updated to DEFAULT%', 'an id stays');
SELECT lives_ok($$DELETE FROM client WHERE user_name = 'ra'$$, 'a client can be deleted, with its memberships');

-- What the module sees
SET ROLE est_module;
SELECT results_eq($$SELECT user_name, names, networks, groups, enabled, valid_from, valid_until FROM client_get('dev1')$$, $$VALUES ('dev1', 'own', NULL, '', false, NULL::bigint, NULL::bigint)$$, 'client_get without groups');
SELECT is_empty($$SELECT * FROM client_get('nosuch')$$, 'client_get of nobody');
SET ROLE est_admin;
SELECT register_client('full', 'pw', 'default, floor 2', 'a*, b*', '10.0.0.0/8 192.0.2.1', '2030-01-01 00:00:00+00');
SET ROLE est_module;
SELECT results_eq($$SELECT version, names, networks, groups ~ '^1\n[0-9]+$', enabled, valid_until, length(password_hash) FROM client_get('full')$$,
    $$VALUES (3::bigint, E'a*\nb*', E'10.0.0.0/8\n192.0.2.1/32', true, true, 1893456000::bigint, 60)$$, 'client_get: one element a line, times in seconds');

RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
