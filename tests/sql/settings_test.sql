-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Settings of the registration authority's judgement: defaults, what they refuse and with which words, api_properties

\set ON_ERROR_STOP on
BEGIN;
SET search_path = est, public;
SELECT no_plan();

INSERT INTO certificate_profile (name) VALUES ('p');
INSERT INTO entity_group (name) VALUES ('g');

SELECT results_eq($$SELECT mode, auth_reenroll, code_source, entity_from, name_scheme, name_prefix, name_postfix, vendor, vendor_patterns, ra_certificates, ra_binding, unique_dn, unique_key, same_key,
        change_subject, renew_window, renew_expired, revoke_replaced, max_active, approval, approvals, retry_after, order_expiry, max_orders, rate_client, rate_alias, rate_interval FROM alias$$,
    $$VALUES ('ra', 'cert', 'basic', 'CN', 'dn:CN', '', '', 'off', ARRAY['**'], true, false, false, false, 'allow', false, NULL::interval, NULL::interval, NULL::interval, NULL::int, 'none', 1,
        interval '60 seconds', interval '7 days', 10, NULL::int, NULL::int, interval '1 minute')$$, 'defaults of alias est');
SELECT results_eq($$SELECT quota_day, quota_active, approval, contact FROM entity_group WHERE name = 'g'$$, $$VALUES (NULL::int, NULL::int, 'none', NULL::text)$$, 'defaults of a group');
SELECT results_eq($$SELECT subject_template FROM certificate_profile WHERE name = 'p'$$, $$VALUES (NULL::text)$$, 'default of a profile');

-- alias: column, bad value, what the message says is allowed
SELECT throws_like(format('UPDATE alias SET %I = %L WHERE name = ''est''', c, v), format('alias.%s = %% refused; allowed: %s', c, allowed), format('alias.%s = %s is refused', c, left(shown(v), 60)))
    FROM (VALUES ('mode', 'CLIENT', 'ra, client'), ('auth_reenroll', 'any', 'cert, cert-or-basic'),
        ('code_source', 'dn:', 'basic, challenge-password, otp-challenge, dn:ATTRIBUTE%'), ('code_source', 'dn:cn', 'basic, %'), ('code_source', 'otp', 'basic, %'), ('code_source', 'CN', 'basic, %'),
        ('entity_from', 'dn', 'DN (the whole), or an attribute%'), ('entity_from', '', 'DN (the whole)%'), ('entity_from', 'dn:CN', 'DN (the whole)%'),
        ('name_scheme', 'dn', 'dn:ATTRIBUTE%'), ('name_scheme', 'dn:', 'dn:ATTRIBUTE%'), ('name_scheme', 'dn:CN,,O', 'dn:ATTRIBUTE%'), ('name_scheme', 'dn:CN,x', 'dn:ATTRIBUTE%'), ('name_scheme', 'fixed:', 'dn:ATTRIBUTE%'),
        ('name_scheme', 'fixed:' || repeat('a', 101), 'dn:ATTRIBUTE%'), ('name_scheme', E'fixed:a\nb', 'dn:ATTRIBUTE%'), ('name_scheme', 'Random', 'dn:ATTRIBUTE%'),
        ('name_prefix', '$', 'up to 100 characters%'), ('name_prefix', '${random}', 'up to 100 characters%'), ('name_prefix', '${RANDOM}$', 'up to 100 characters%'), ('name_postfix', repeat('a', 101), 'up to 100 characters%'),
        ('name_postfix', E'\t', 'up to 100 characters%'), ('vendor', 'on', 'off, pattern, listed'), ('vendor_patterns', '{}', '1 to 1000 patterns%'), ('vendor_patterns', '{NULL}', '1 to 1000 patterns%'),
        ('same_key', 'deny', 'allow, forbid, require'), ('renew_window', '59 seconds', '% to %'), ('renew_window', '101 years', '% to %'), ('renew_expired', '0', '% to %'), ('renew_expired', '11 years', '% to %'),
        ('revoke_replaced', '-1 second', '% to %'), ('revoke_replaced', '11 years', '% to %'), ('revoke_replaced', '0.5 seconds', '% to %'), ('max_active', '0', '1 to 1000000'), ('max_active', '1000001', '1 to 1000000'),
        ('approval', 'some', 'none, first, all'), ('approvals', '0', '1 to 9'), ('approvals', '10', '1 to 9'), ('retry_after', '0', '% to %'), ('retry_after', '25 hours', '% to %'), ('order_expiry', '59 seconds', '% to %'),
        ('order_expiry', '367 days', '% to %'), ('max_orders', '0', '1 to 1000'), ('max_orders', '1001', '1 to 1000'), ('rate_client', '0', '1 to 1000000'), ('rate_alias', '1000001', '1 to 1000000'),
        ('rate_interval', '0', '% to %'), ('rate_interval', '25 hours', '% to %')) AS bad (c, v, allowed);
SELECT lives_ok(format('UPDATE alias SET %I = %L WHERE name = ''est''', c, v), format('alias.%s = %s', c, left(v, 60)))
    FROM (VALUES ('mode', 'client'), ('auth_reenroll', 'cert-or-basic'), ('code_source', 'otp-challenge'), ('code_source', 'dn:unstructuredName'), ('entity_from', 'DN'), ('entity_from', 'serialNumber'), ('name_scheme', 'username'),
        ('name_scheme', 'random'), ('name_scheme', 'fixed:a name, with $ and comma'), ('name_scheme', 'dn:CN, serialNumber,UID'), ('name_prefix', 'a-${RANDOM}${RANDOM}'), ('name_postfix', repeat('a', 100)), ('vendor', 'listed'),
        ('vendor_patterns', '{SN-*,"1.3.6.1.4.1.9:0a*"}'), ('same_key', 'require'), ('renew_window', '100 years'), ('renew_expired', '1 minute'), ('revoke_replaced', '0'), ('revoke_replaced', NULL), ('max_active', '1000000'),
        ('approval', 'first'), ('approvals', '9'), ('retry_after', '1 day'), ('order_expiry', '1 year'), ('max_orders', '1000'), ('rate_client', '1'), ('rate_alias', '1000000'), ('rate_interval', '1 second')) AS good (c, v);
SELECT throws_like(format('UPDATE alias SET %I = NULL WHERE name = ''est''', c), '%null value in column "' || c || '"%', 'alias.' || c || ' is never NULL')
    FROM unnest(ARRAY['code_source', 'entity_from', 'name_scheme', 'name_prefix', 'name_postfix', 'vendor', 'vendor_patterns', 'ra_certificates', 'ra_binding', 'unique_dn', 'unique_key', 'same_key', 'change_subject', 'approval',
        'approvals', 'retry_after', 'order_expiry', 'max_orders', 'rate_interval']) AS c;

-- Contradictions within a row
SELECT throws_like(format('INSERT INTO alias (name, %s) VALUES (''x'', %s)', c, v), said, 'alias: ' || v)
    FROM (VALUES ('code_source, binding', '''challenge-password'', ''required''', 'alias.code_source = ''challenge-password'' refused; allowed: another source where binding is required%'),
        ('code_source, entity_from', '''dn:CN'', ''CN''', 'alias.code_source = ''dn:CN'' refused; allowed: an attribute other than that of entity_from'),
        ('retry_after, order_expiry', '''2 minutes'', ''1 minute''', 'alias.retry_after = % refused; allowed: an interval not longer than order_expiry')) AS bad (c, v, said);
SELECT lives_ok(format('INSERT INTO alias (name, %s) VALUES (''x%s'', %s)', c, n, v), 'alias: ' || v)
    FROM (VALUES (1, 'code_source, binding', '''challenge-password'', ''off'''), (2, 'code_source, binding', '''otp-challenge'', ''required'''), (3, 'code_source, entity_from', '''dn:CN'', ''serialNumber'''),
        (4, 'retry_after, order_expiry', '''1 minute'', ''1 minute''')) AS good (n, c, v);

-- Templates of subjects
SELECT throws_like(format('UPDATE certificate_profile SET subject_template = %L WHERE name = ''p''', v), 'certificate_profile.subject_template = % refused; allowed: ATTRIBUTE=text%', 'subject template ' || left(shown(v), 60))
    FROM unnest(ARRAY['', ' ', 'CN', 'CN=', 'CN= ', 'cn=a', 'X=a', '=a', 'CN=a,', ',CN=a', 'CN=a,,O=b', 'CN=a,b', 'CN=$', 'CN=${csr.CN', 'CN=${csr.cn}', 'CN=${csr}', 'CN=${csr.CN.x}', 'CN=${Entity}', 'CN=${env.PATH}', 'CN=$ENV::PATH',
        'CN=a\', 'CN=a\x', E'CN=a\nb', 'CN=' || repeat('a', 998), 'commonName=a', '2.5.4.3=a', 'CN=a\ ',
        'CN=${ user}', 'CN=${csr.}', 'CN=${csr.commonName}', 'CN=${RANDOM}', 'CN+O=a', 'CN=a' || repeat(',CN=a', 32)]) AS v;
SELECT lives_ok(format('UPDATE certificate_profile SET subject_template = %L WHERE name = ''p''', v), 'subject template ' || left(shown(v), 60))
    FROM unnest(ARRAY['CN=${csr.CN}', 'CN=${csr.CN},O=Example,OU=${user}', ' CN = ${entity} , O = Example\, Inc\\ \$5 ', 'CN=${entity.CN}-${csr.serialNumber},DC=a,DC=b', 'CN=a=b', 'CN=' || repeat('a', 997), NULL,
        'CN=a b  c', 'CN=a=b+c;d"<>#', 'CN=\\\$\,', 'CN=a' || repeat(',CN=a', 31), 'CN=a' || repeat('\,', 33), 'CN=a' || repeat('\\', 33) || ',O=b']) AS v;

-- SAN rules by source
SELECT throws_like(format('INSERT INTO profile_san_rule (profile_id, type, source, template) SELECT id, ''dns'', %L, %L FROM certificate_profile WHERE name = ''p''', s, t), 'profile_san_rule.' || said, format('SAN rule of source %s with template %s', s, left(shown(t), 50)))
    FROM (VALUES ('request', NULL, 'source = ''request'' refused; allowed: csr, template, entity'), ('template', NULL, 'template = NULL refused; allowed: a template where source is template%'), ('csr', 'a', 'template = ''a'' refused; allowed: a template where%'),
        ('entity', 'a', 'template = ''a'' refused; allowed: a template where%'), ('template', '', 'template = '''' refused; allowed: one name of%'), ('template', 'a,b', 'template = % refused; allowed: one name%'), ('template', '${x}', 'template = % refused; allowed: one name%'),
        ('template', 'a$', 'template = % refused; allowed: one name%'), ('template', repeat('a', 1001), 'template = % refused; allowed: one name%')) AS bad (s, t, said);
SELECT lives_ok(format('INSERT INTO profile_san_rule (profile_id, type, source, template) SELECT id, ''dns'', %L, %L FROM certificate_profile WHERE name = ''p''', s, t), format('SAN rule of source %s with template %s', s, t))
    FROM (VALUES ('csr', NULL), ('entity', NULL), ('template', '${csr.CN}.example.com'), ('template', 'www.${entity}.example.com'), ('template', 'a\,b')) AS good (s, t);
SELECT throws_like(format('INSERT INTO profile_san_rule (profile_id, type, source, template) SELECT id, ''dns'', %L, %L FROM certificate_profile WHERE name = ''p''', s, t), '%duplicate key%profile_san_rule_once%', 'once: ' || s)
    FROM (VALUES ('csr', NULL), ('entity', NULL), ('template', 'a\,b')) AS twice (s, t);
SELECT throws_like($$UPDATE profile_san_rule SET source = NULL$$, '%null value in column "source"%', 'a rule has a source');

-- Requested extensions
SELECT throws_like(format('INSERT INTO profile_request_extension (profile_id, name, action) SELECT id, %L, ''copy'' FROM certificate_profile WHERE name = ''p''', v), 'profile_request_extension.name = % refused; allowed: keyUsage, extendedKeyUsage, tlsfeature, or%', 'EN-09: requested extension ' || v || ' has no rule')
    FROM unnest(ARRAY['basicConstraints', 'subjectAltName', '2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.30', '2.5.29.36', '1.3.6.1.5.5.7.1.1', '1.3.6.1.5.5.7.1.24', '1.3.6.1.4.1.11129.2.4.3', '2.16.840.1.113730.1.1', 'x', '', '1', '01.2', 'noCheck']) AS v;
SELECT throws_like($$INSERT INTO profile_request_extension (profile_id, name, action) SELECT id, 'keyUsage', 'drop' FROM certificate_profile$$, 'profile_request_extension.action = ''drop'' refused; allowed: ignore, copy, require, refuse', 'action');
SELECT throws_like($$INSERT INTO profile_request_extension (profile_id, name) SELECT id, 'keyUsage' FROM certificate_profile$$, '%null value in column "action"%', 'a rule has an action');
SELECT lives_ok(format('INSERT INTO profile_request_extension (profile_id, name, action) SELECT id, %L, %L FROM certificate_profile WHERE name = ''p''', v, a), format('requested extension %s: %s', v, a))
    FROM (VALUES ('keyUsage', 'copy'), ('extendedKeyUsage', 'require'), ('tlsfeature', 'ignore'), ('1.3.6.1.4.1.311.20.2', 'refuse'), ('2.5.29.16', 'copy')) AS good (v, a);
SELECT throws_like($$INSERT INTO profile_request_extension (profile_id, name, action) SELECT id, 'keyUsage', 'ignore' FROM certificate_profile WHERE name = 'p'$$, '%duplicate key%', 'one rule an extension');

-- Groups, anchors, devices
SELECT throws_like(format('UPDATE entity_group SET %I = %L WHERE name = ''g''', c, v), format('entity_group.%s = %% refused; allowed: %s', c, allowed), format('entity_group.%s = %s is refused', c, shown(v)))
    FROM (VALUES ('quota_day', '0', '1 to 100000000'), ('quota_active', '100000001', '1 to 100000000'), ('approval', 'any', 'none, first, all'), ('contact', '', '1 to 1000%')) AS bad (c, v, allowed);
SELECT lives_ok($$UPDATE entity_group SET quota_day = 1, quota_active = 100000000, approval = 'all', contact = 'ops@example.com' WHERE name = 'g'$$, 'settings of a group');
SELECT lives_ok(format('INSERT INTO trust_anchor (alias_id, certificate, kind) VALUES (1, ''\x3003020101'', %L)', k), 'an anchor of kind ' || k) FROM unnest(ARRAY['holder', 'vendor', 'ra']) AS k;
SELECT lives_ok($$INSERT INTO vendor_device (alias_id, device, comment) SELECT id, '1.3.6.1.4.1.9:0a1b', 'c' FROM alias WHERE name = 'x1'$$, 'a device');
SELECT throws_like($$INSERT INTO vendor_device (alias_id, device) SELECT id, '1.3.6.1.4.1.9:0a1b' FROM alias WHERE name = 'x1'$$, '%duplicate key%', 'once an alias');
SELECT throws_like(format('INSERT INTO vendor_device (alias_id, device) VALUES (1, %L)', v), 'vendor_device.device = % refused; allowed: 1 to 256 characters%', 'device ' || left(shown(v), 30)) FROM unnest(ARRAY['', E'a\n', repeat('a', 257)]) AS v;
SELECT throws_like($$INSERT INTO vendor_device (alias_id, device) VALUES (1, '1.3.6.1.4.1.9:0A1b')$$, 'vendor_device.device = %lower case', 'capital digits would never match');
SELECT throws_like($$INSERT INTO vendor_device (alias_id, device) VALUES (99999, 'a')$$, '%violates foreign key%', 'of an alias that there is');
DELETE FROM alias WHERE name = 'x1';
SELECT is_empty('SELECT FROM vendor_device', 'devices go with their alias');
DELETE FROM profile_san_rule; DELETE FROM profile_request_extension WHERE action <> 'copy';
DELETE FROM certificate_profile WHERE name = 'p';
SELECT is_empty('SELECT FROM profile_request_extension', 'rules go with their profile');

-- Changes of policy count; devices are none
CREATE TEMP TABLE had AS SELECT version FROM policy_version;
INSERT INTO vendor_device (alias_id, device) VALUES (1, 'a');
SELECT is(version, (SELECT version FROM had), 'a device is no change of policy') FROM policy_version;
INSERT INTO certificate_profile (name) VALUES ('q');
INSERT INTO profile_request_extension (profile_id, name, action) SELECT id, 'keyUsage', 'copy' FROM certificate_profile;
UPDATE profile_request_extension SET action = 'ignore';
DELETE FROM profile_request_extension;
SELECT is(version, (SELECT version + 4 FROM had), 'a rule for requested extensions is') FROM policy_version;

-- api_properties
SET ROLE est_admin;
INSERT INTO alias (name) VALUES ('devices');
SELECT lives_ok(format('UPDATE api_properties SET prop_value = %L WHERE prop_key = ''est.devices.%s''', v, k), format('property %s = %s', k, v))
    FROM (VALUES ('mode', 'client'), ('auth_reenroll', 'cert-or-basic'), ('entity_from', 'serialNumber'), ('code_source', 'dn:CN'), ('name_scheme', 'dn:UID,CN'), ('name_prefix', 'p-'), ('name_postfix', '-${RANDOM}'), ('vendor', 'pattern'),
        ('vendor_patterns', 'SN-*, AB?'), ('ra_certificates', 'off'), ('ra_binding', '1'), ('unique_dn', 'yes'), ('unique_key', 'true'), ('same_key', 'forbid'), ('change_subject', 'on'), ('renew_window', '30 days'), ('renew_expired', '86400'),
        ('revoke_replaced', '0'), ('max_active', '2'), ('approval', 'all'), ('approvals', '2'), ('retry_after', '5 minutes'), ('order_expiry', '14 days'), ('max_orders', '3'), ('rate_client', '5'), ('rate_alias', '100'), ('rate_interval', '10')) AS t (k, v);
SELECT results_eq($$SELECT mode, auth_reenroll, code_source, entity_from, name_scheme, name_prefix, name_postfix, vendor, vendor_patterns, ra_certificates, ra_binding, unique_dn, unique_key, same_key,
        change_subject, renew_window, renew_expired, revoke_replaced, max_active, approval, approvals, retry_after, order_expiry, max_orders, rate_client, rate_alias, rate_interval FROM alias WHERE name = 'devices'$$,
    $$VALUES ('client', 'cert-or-basic', 'dn:CN', 'serialNumber', 'dn:UID,CN', 'p-', '-${RANDOM}', 'pattern', ARRAY['SN-*', 'AB?'], false, true, true, true, 'forbid', true, interval '30 days', interval '1 day', interval '0', 2, 'all', 2,
        interval '5 minutes', interval '14 days', 3, 5, 100, interval '10 seconds')$$, 'every setting arrives in its column');
CREATE TEMP TABLE written AS SELECT * FROM alias;
SELECT lives_ok($$UPDATE api_properties SET prop_value = prop_value$$, 'what SELECT shows can be written back');
SELECT set_eq('SELECT * FROM alias', 'SELECT * FROM written', 'and changes nothing');
SELECT lives_ok($$UPDATE api_properties SET prop_value = '' WHERE prop_key IN ('est.devices.renew_window', 'est.devices.renew_expired', 'est.devices.revoke_replaced', 'est.devices.max_active', 'est.devices.rate_client', 'est.devices.name_prefix')$$, 'the empty value');
SELECT results_eq($$SELECT renew_window, renew_expired, revoke_replaced, max_active, rate_client, name_prefix FROM alias WHERE name = 'devices'$$, $$VALUES (NULL::interval, NULL::interval, NULL::interval, NULL::int, NULL::int, '')$$, 'takes away what can be without a value');
SELECT lives_ok($$UPDATE api_properties SET prop_value = '{"a b",c}' WHERE prop_key = 'est.devices.vendor_patterns'$$, 'patterns as an array');
SELECT is(vendor_patterns, ARRAY['a b', 'c'], 'arrive') FROM alias WHERE name = 'devices';
SELECT throws_like(format('UPDATE api_properties SET prop_value = %L WHERE prop_key = %L', v, 'est.devices.' || k), format('api_properties est.devices.%s: %%%s%%', k, said), format('property %s = %s is refused', k, coalesce(v, 'NULL')))
    FROM (VALUES ('approvals', '', 'prop_value = '''' refused; allowed: a whole number'), ('approvals', 'two', 'prop_value = ''two'' refused: invalid input'), ('max_active', '0', 'alias.max_active = ''0'' refused'), ('max_active', '99999999999', 'prop_value = % refused: value%out of range'),
        ('vendor_patterns', '', 'alias.vendor_patterns'), ('vendor_patterns', '{a', 'prop_value = ''{a'' refused: malformed array literal'), ('unique_dn', '2', 'allowed: true'), ('retry_after', '', 'an interval'), ('retry_after', 'soon', 'prop_value = ''soon'' refused'),
        ('renew_window', '1', 'alias.renew_window'), ('code_source', 'dn:serialNumber', 'alias.code_source = ''dn:serialNumber'' refused; allowed: an attribute other'), ('approval', NULL, 'prop_value = NULL refused')) AS bad (k, v, said);
SELECT lives_ok($$UPDATE api_properties SET prop_status = 0 WHERE prop_key LIKE 'est.devices.%' AND prop_key <> 'est.devices.group'$$, 'status 0 of everything');
SELECT results_eq($$SELECT mode, code_source, entity_from, vendor_patterns, max_active, approvals, rate_interval, rate_alias FROM alias WHERE name = 'devices'$$, $$VALUES ('ra', 'basic', 'CN', ARRAY['**'], NULL::int, 1, interval '1 minute', NULL::int)$$, 'puts the defaults back');

RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
