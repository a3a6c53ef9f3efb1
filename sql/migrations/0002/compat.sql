-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- What an alias's clients know of HTTP.

-- libest knows few statuses: the others are answered with those of their kind that it knows
ALTER TABLE est.alias ADD COLUMN compat text NOT NULL DEFAULT 'none'
    CHECK (est.check_one_of('alias.compat', compat, 'none', 'libest'));

CREATE OR REPLACE VIEW est.api_properties (prop_key, prop_value, prop_status) AS
SELECT 'est.' || a.name || '.' || s.setting, s.value, s.status
FROM est.alias a
LEFT JOIN est.certificate_profile p ON p.id = a.profile_id
JOIN est.entity_group g ON g.id = a.group_id
CROSS JOIN LATERAL (VALUES
    ('enabled',           a.enabled::text,           1),
    ('mode',              a.mode,                    1),
    ('profile',           p.name,                    a.profile_active::int),
    ('group',             g.name,                    a.group_active::int),
    ('ca',                a.ca,                      1),
    ('auth_enroll',       a.auth_enroll,             1),
    ('auth_reenroll',     a.auth_reenroll,           1),
    ('auth_cacerts',      a.auth_cacerts::text,      1),
    ('binding',           a.binding,                 1),
    ('idempotency',       a.idempotency::text,       1),
    ('unknown_holder',    a.unknown_holder,          1),
    ('other_users',       a.other_users,             1),
    ('enroll_chain',      a.enroll_chain::text,      1),
    ('base64',            a.base64,                  1),
    ('transfer_encoding', a.transfer_encoding::text, 1),
    ('reason_text',       a.reason_text::text,       1),
    ('compat',            a.compat,                  1)) AS s (setting, value, status)
UNION ALL
SELECT 'est.ca.server.user.profile', p.name, a.profile_active::int
FROM est.alias a LEFT JOIN est.certificate_profile p ON p.id = a.profile_id WHERE a.name = 'est'
UNION ALL
SELECT 'est.ca.server.group.id', a.group_id::text, a.group_active::int
FROM est.alias a WHERE a.name = 'est';
