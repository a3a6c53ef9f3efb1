-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Policy tables: what they refuse, and with which words

\set ON_ERROR_STOP on
BEGIN;
SET search_path = est, public;
SELECT no_plan();

INSERT INTO certificate_profile (name) VALUES ('p');
INSERT INTO entity_group (name) VALUES ('g');

-- Defaults of docs/sql.md
SELECT results_eq($$SELECT name, enabled, mode, profile_id, profile_active, group_id, group_active, ca, auth_enroll, auth_reenroll, auth_cacerts,
        binding, idempotency, unknown_holder, other_users, enroll_chain, base64, transfer_encoding, reason_text, compat FROM alias$$,
    $$VALUES ('est', true, 'ra', NULL::int, true, 1, true, NULL, 'basic-or-cert', 'cert', false, 'if-present', interval '10 minutes', 'refuse',
        'refuse', false, 'auto', true, true, 'none')$$, 'the migration makes alias est with the defaults of every setting');
SELECT results_eq($$SELECT id, name, names FROM entity_group WHERE id = 1$$, $$VALUES (1, 'default', ARRAY['**'])$$, 'group 1 is default');
SELECT results_eq($$SELECT validity, backdate, latest_end, beyond_ca, keys, digest, dns_wildcards, subject_other, san_other
        FROM certificate_profile WHERE name = 'p'$$,
    $$VALUES (interval '365 days', interval '5 minutes', NULL::timestamptz, 'cap', ARRAY['rsa:2048-8192', 'ec:P-256,P-384,P-521'], 'default', false,
        'refuse', 'refuse')$$, 'defaults of a profile');

-- URI-04 and the other reserved labels
SELECT throws_like(format('INSERT INTO alias (name) VALUES (%L)', label), format('alias.name = ''%s'' refused; allowed: a label that is not%%', label),
        format('URI-04: alias %s is refused', label))
    FROM unnest(ARRAY['cacerts', 'simpleenroll', 'simplereenroll', 'fullcmc', 'serverkeygen', 'csrattrs', 'pal', 'eecerts', 'crls',
        'symmetrickeys', 'firmware', 'tamp', 'return', 'crts', 'sen', 'sren', 'skg', 'skc', 'att', 'requestvoucher', 'voucher_status',
        'requestauditlog', 'enrollstatus', 'ca', 'CA', 'SimpleEnroll']) AS label;
SELECT throws_like(format('INSERT INTO alias (name) VALUES (%L)', label), 'alias.name = % refused; allowed: 1 to 64 letters, digits, _ and -',
        'alias name ' || shown(label) || ' is refused')
    FROM unnest(ARRAY['', 'a.b', 'a/b', 'a b', 'é', repeat('a', 65), E'a\n']) AS label;
SELECT lives_ok(format('INSERT INTO alias (name) VALUES (%L)', label), 'alias name ' || label) FROM unnest(ARRAY['a', 'EST', 'a-b_9', repeat('a', 64), '7']) AS label;
SELECT throws_like($$INSERT INTO alias (name) VALUES ('est')$$, '%duplicate key%', 'an alias name exists once');
SELECT throws_like($$DELETE FROM alias WHERE name = 'est'$$, 'alias ''est'' serves%neither deleted nor renamed', 'alias est cannot be deleted');
SELECT throws_like($$UPDATE alias SET name = 'x' WHERE name = 'est'$$, 'alias ''est'' serves%neither deleted nor renamed', 'alias est cannot be renamed');
SELECT lives_ok($$UPDATE alias SET name = 'b' WHERE name = 'a'$$, 'another alias can be renamed');
SELECT lives_ok($$DELETE FROM alias WHERE name = 'b'$$, 'another alias can be deleted');

-- column, bad value, what the message says is allowed
SELECT throws_like(format('UPDATE alias SET %I = %L WHERE name = ''est''', c, v), format('alias.%s = %% refused; allowed: %s', c, allowed),
        format('alias.%s = %s is refused', c, shown(v)))
    FROM (VALUES ('mode', 'both', 'ra, client'), ('auth_enroll', 'none', 'basic, cert, basic-or-cert, basic-and-cert'), ('auth_reenroll', 'basic', 'cert, cert-or-basic'),
        ('binding', 'always', 'if-present, required, off'), ('unknown_holder', 'maybe', 'refuse, accept'), ('other_users', 'accept', 'refuse, group'),
        ('base64', 'LINE', 'auto, line, wrap'), ('compat', 'LIBEST', 'none, libest'), ('idempotency', '-1 second', '% to %, whole seconds'), ('idempotency', '25 hours', '% to %, whole seconds'),
        ('idempotency', '0.5 seconds', '% to %, whole seconds'), ('ca', '', 'the name of an <EstCA>%'), ('ca', 'a b', 'the name of an <EstCA>%'),
        ('description', E'a\nb', '1 to 1000 characters%')) AS bad (c, v, allowed);
SELECT throws_like(format('UPDATE alias SET %I = NULL WHERE name = ''est''', c), '%null value in column "' || c || '"%', 'alias.' || c || ' is never NULL')
    FROM unnest(ARRAY['name', 'enabled', 'mode', 'profile_active', 'group_id', 'group_active', 'auth_enroll', 'auth_reenroll', 'auth_cacerts', 'binding',
        'idempotency', 'unknown_holder', 'other_users', 'enroll_chain', 'base64', 'transfer_encoding', 'reason_text', 'compat']) AS c;
SELECT throws_like($$UPDATE alias SET profile_id = 999$$, '%violates foreign key constraint%', 'a profile that does not exist is refused');
SELECT throws_like($$UPDATE alias SET group_id = 999$$, '%violates foreign key constraint%', 'a group that does not exist is refused');

SELECT throws_like(format('INSERT INTO certificate_profile (name, %I) VALUES (''q'', %L)', c, v), format('certificate_profile.%s = %% refused; allowed: %s', c, allowed),
        format('certificate_profile.%s = %s is refused', c, v))
    FROM (VALUES ('validity', '0', '% to %'), ('validity', '101 years', '% to %'), ('backdate', '-1 second', '% to %'), ('backdate', '32 days', '% to %'),
        ('latest_end', 'infinity', 'a time from 1970 to 9999%'), ('latest_end', '-infinity', 'a time from 1970 to 9999%'),
        ('beyond_ca', 'allow', 'cap, refuse'), ('digest', 'sha1', 'default, sha256, sha384, sha512'),
        ('subject_other', 'allow', 'refuse, drop'), ('san_other', 'allow', 'refuse, drop'),
        ('keys', '{}', 'rsa:N%'), ('keys', '{rsa:1024}', 'rsa:N%'), ('keys', '{rsa:2047-4096}', 'rsa:N%'), ('keys', '{rsa:4096-2048}', 'rsa:N%'),
        ('keys', '{rsa:2048-8193}', 'rsa:N%'), ('keys', '{rsa:16384}', 'rsa:N%'), ('keys', '{rsa}', 'rsa:N%'), ('keys', '{ec:P-224}', 'rsa:N%'),
        ('keys', '{ec:P-256,P-384}', 'rsa:N%'), ('keys', '{ec:}', 'rsa:N%'), ('keys', '{ed25519,NULL}', 'rsa:N%'), ('keys', '{dsa:2048}', 'rsa:N%'),
        ('keys', '{{ed25519},{ed448}}', 'rsa:N%')) AS bad (c, v, allowed);
SELECT lives_ok(format('INSERT INTO certificate_profile (name, keys) VALUES (%L, %L)', 'k' || n, v), 'keys ' || v)
    FROM (VALUES (1, '{rsa:2048}'), (2, '{rsa:3072-4096,"ec:P-256,P-384,P-521",ed25519,ed448}'), (3, '{ec:P-521}'), (4, '{rsa:8192-8192}')) AS good (n, v);
SELECT throws_like(format('INSERT INTO %I (name) VALUES (%L)', t, v), t || '.name = % refused; allowed: 1 to 100 characters, not all digits%', format('%s.name = %s is refused', t, shown(v)))
    FROM unnest(ARRAY['certificate_profile', 'entity_group']) AS t, unnest(ARRAY['', '123', ' a', 'a ', 'a,b', E'a\tb', repeat('a', 101)]) AS v;

SELECT throws_like(format('INSERT INTO profile_subject_rule (profile_id, attribute, %I) SELECT id, ''CN'', %L FROM certificate_profile WHERE name = ''p''', c, v),
        format('profile_subject_rule.%s = %% refused; allowed: %s', c, allowed), format('profile_subject_rule.%s = %s is refused', c, left(shown(v), 40)))
    FROM (VALUES ('pattern', '', '%patterns%'), ('pattern', E'a\nb', '%patterns%'), ('pattern', repeat('a', 513), '%patterns%'), ('max_count', '0', '1 to 32'),
        ('max_count', '33', '1 to 32'), ('on_violation', 'ignore', 'refuse, drop')) AS bad (c, v, allowed);
SELECT throws_like(format('INSERT INTO profile_subject_rule (profile_id, attribute) SELECT id, %L FROM certificate_profile WHERE name = ''p''', v),
        'profile_subject_rule.attribute = % refused; allowed: C, ST, L, O, OU, CN, %', 'attribute ' || v || ' is refused')
    FROM unnest(ARRAY['cn', 'commonName', '2.5.4.3', 'x', '']) AS v;
INSERT INTO profile_subject_rule (profile_id, attribute) SELECT id, 'CN' FROM certificate_profile WHERE name = 'p';
SELECT throws_like($$INSERT INTO profile_subject_rule (profile_id, attribute) SELECT id, 'CN' FROM certificate_profile WHERE name = 'p'$$, '%duplicate key%', 'one rule an attribute');

SELECT throws_like(format('INSERT INTO profile_san_rule (profile_id, type, pattern, max_count, on_violation) SELECT id, %L, %L, %L, %L FROM certificate_profile WHERE name = ''p''',
            t, p, n, o), format('profile_san_rule.%s refused; allowed: %s', said, allowed), format('SAN rule %s %s %s %s is refused', t, p, n, o))
    FROM (VALUES ('dirname', '**', 1, 'refuse', 'type = %', 'dns, ip, uri, email'), ('dns', '', 1, 'refuse', 'pattern = %', '%patterns%'),
        ('dns', '**', 0, 'refuse', 'max_count = %', '1 to 256'), ('dns', '**', 257, 'refuse', 'max_count = %', '1 to 256'),
        ('dns', '**', 1, 'x', 'on_violation = %', 'refuse, drop'), ('ip', '10.*', 1, 'refuse', 'pattern = ''10.*''', '%a network such as%'),
        ('ip', '10.0.0.1/8', 1, 'refuse', 'pattern = %', '%a network such as%'), ('ip', '*', 1, 'refuse', 'pattern = %', '%a network such as%')) AS bad (t, p, n, o, said, allowed);
SELECT lives_ok(format('INSERT INTO profile_san_rule (profile_id, type, pattern) SELECT id, %L, %L FROM certificate_profile WHERE name = ''p''', t, p), format('SAN rule %s %s', t, p))
    FROM (VALUES ('dns', '*.example.com'), ('dns', '*.example.net'), ('ip', '**'), ('ip', '10.0.0.0/8'), ('ip', '2001:db8::/32'), ('uri', '**'), ('email', '**@example.com')) AS good (t, p);

SELECT throws_like(format('UPDATE entity_group SET names = %L WHERE name = ''g''', v), 'entity_group.names = % refused; allowed: 1 to 1000 patterns%', 'group names ' || shown(v))
    FROM unnest(ARRAY['{}', '{""}', '{NULL}', E'{"a\nb"}', '{{a},{b}}']) AS v;
SELECT throws_like($$DELETE FROM entity_group WHERE id = 1$$, 'entity_group ''default'' can be neither%', 'group default cannot be deleted');
SELECT throws_like($$UPDATE entity_group SET name = 'x' WHERE id = 1$$, 'entity_group ''default'' can be neither%', 'group default cannot be renamed');

-- What is in use stays
INSERT INTO alias (name, profile_id, group_id) SELECT 'used', p.id, g.id FROM certificate_profile p, entity_group g WHERE p.name = 'p' AND g.name = 'g';
SELECT throws_like($$DELETE FROM certificate_profile WHERE name = 'p'$$, 'certificate_profile ''p'' is used by alias ''used''', 'a profile in use cannot be deleted');
SELECT throws_like($$DELETE FROM entity_group WHERE name = 'g'$$, 'entity_group ''g'' is used by alias ''used''', 'a group in use by an alias cannot be deleted');
DELETE FROM alias WHERE name = 'used';
SELECT register_client('m', 'pw', 'g');
SELECT throws_like($$DELETE FROM entity_group WHERE name = 'g'$$, 'entity_group ''g'' is used by clients', 'a group in use by a client cannot be deleted');
DELETE FROM client;
INSERT INTO end_entity (group_id, name) SELECT id, 'e' FROM entity_group WHERE name = 'g';
SELECT throws_like($$DELETE FROM entity_group WHERE name = 'g'$$, 'entity_group ''g'' is used by end entities', 'a group with entities cannot be deleted');
DELETE FROM end_entity;
SELECT lives_ok($$DELETE FROM entity_group WHERE name = 'g'$$, 'a group that nothing uses can be deleted');
SELECT lives_ok($$DELETE FROM certificate_profile WHERE name = 'p'$$, 'a profile that nothing uses can be deleted, with its rules');
SELECT is_empty($$SELECT FROM profile_subject_rule UNION ALL SELECT FROM profile_san_rule$$, 'rules go with their profile');

-- Trust anchors
SELECT throws_like(format('INSERT INTO trust_anchor (alias_id, certificate) VALUES (1, %L)', v), 'trust_anchor.certificate = % refused; allowed: one certificate in DER%',
        'anchor ' || v || ' is refused')
    FROM unnest(ARRAY['', '\x30', '\x3003020101ff', '\x300302', '\x020101', '-----BEGIN CERTIFICATE-----']) AS v;
SELECT throws_like($$INSERT INTO trust_anchor (alias_id, certificate, kind) VALUES (1, '\x3003020101', 'idevid')$$, 'trust_anchor.kind = ''idevid'' refused; allowed: holder, vendor, ra', 'kind');
SELECT throws_like($$INSERT INTO trust_anchor (alias_id, certificate, use) VALUES (1, '\x3003020101', 'root')$$, 'trust_anchor.use = ''root'' refused; allowed: anchor, helper', 'use');
SELECT lives_ok($$INSERT INTO trust_anchor (alias_id, certificate) VALUES (1, '\x3003020101')$$, 'an anchor');
SELECT throws_like($$INSERT INTO trust_anchor (alias_id, certificate) VALUES (1, '\x3003020101')$$, '%duplicate key%', 'an anchor once an alias');
SELECT lives_ok(format('INSERT INTO trust_anchor (alias_id, certificate) VALUES (1, %L)', '\x308203e8'::bytea || decode(repeat('00', 1000), 'hex')), 'a long form length');
SELECT is(pem_to_der(E'-----BEGIN CERTIFICATE-----\nMAMC\nAQE=\n-----END CERTIFICATE-----\n'), '\x3003020101', 'pem_to_der');
SELECT throws_like(format('SELECT pem_to_der(%L)', v), 'pem = % refused; allowed: exactly one CERTIFICATE block', 'pem_to_der refuses ' || shown(v))
    FROM unnest(ARRAY['', 'MAMCAQE=', E'-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n']) AS v;

-- Blocked keys (K-11)
SELECT lives_ok($$INSERT INTO blocked_key (kind, fingerprint, source, comment) VALUES ('spki', sha256('x'), 'a list', 'why'), ('modulus', '\x00112233445566778899', 'another', NULL)$$, 'a key of each kind is blocked');
SELECT throws_like($$INSERT INTO blocked_key (kind, fingerprint) VALUES ('spki', sha256('x'))$$, '%duplicate key%', 'once');
SELECT throws_like(format('INSERT INTO blocked_key (kind, fingerprint) VALUES (%L, %L)', k, f), 'blocked_key.' || want, 'blocked_key: ' || want)
    FROM (VALUES ('ssh', '\x00', 'kind = ''ssh'' refused; allowed: spki, modulus'), ('spki', '\x0011', 'fingerprint = ''0011'' refused; allowed: 32 octets for kind spki%'), ('spki', '', 'fingerprint = % refused; allowed: 32 octets%'),
        ('modulus', '\x001122334455667788', 'fingerprint = % refused; allowed: 10 octets for kind modulus%')) AS t (k, f, want);
SELECT throws_like(format('INSERT INTO blocked_key (kind, fingerprint, %I) VALUES (''spki'', sha256(''y''), %L)', c, v), format('blocked_key.%s = %% refused; allowed: 1 to %% characters, no control characters', c), 'blocked_key.' || c)
    FROM (VALUES ('source', ''), ('source', repeat('x', 101)), ('source', E'a\nb'), ('comment', ''), ('comment', repeat('x', 1001))) AS t (c, v);
SELECT throws_like($$INSERT INTO blocked_key (kind, fingerprint, source) VALUES ('spki', sha256('y'), NULL)$$, '%null value in column "source"%', 'a row says where it is from');

SELECT * FROM finish();
ROLLBACK;
