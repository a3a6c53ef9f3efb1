-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- The policy of the quickstart: a certificate profile for devices on the alias "est", and one client. Run as a member of
-- est_admin; the client's password comes from the environment (EST_PASSWORD).

\set ON_ERROR_STOP on
\getenv password EST_PASSWORD

BEGIN;

INSERT INTO certificate_profile (name, validity, keys, description)
VALUES ('device', '90 days', '{"ec:P-256,P-384,P-521", rsa:2048-8192, ed25519}', 'TLS client certificates of devices');

INSERT INTO profile_subject_rule (profile_id, attribute, required)
SELECT id, attribute, attribute = 'CN'
FROM certificate_profile, unnest('{CN,O,OU,serialNumber}'::text[]) AS attribute
WHERE name = 'device';

INSERT INTO profile_san_rule (profile_id, type, max_count)
SELECT id, type, 8
FROM certificate_profile, unnest('{dns,ip,email}'::text[]) AS type
WHERE name = 'device';

INSERT INTO profile_extension (profile_id, name, critical, value)
SELECT id, e.name, e.critical, e.value
FROM certificate_profile p,
     (VALUES ('keyUsage', true, 'digitalSignature'), ('extendedKeyUsage', false, 'clientAuth')) AS e (name, critical, value)
WHERE p.name = 'device';

-- Idempotency 0: the same request sent twice gives two certificates, which a demo and a benchmark want to see
UPDATE alias SET ca = 'issuing', idempotency = '0' WHERE name = 'est';

-- Group 1 is "default", which allows any name
UPDATE api_properties SET prop_value = 'device', prop_status = 1 WHERE prop_key = 'est.ca.server.user.profile';
UPDATE api_properties SET prop_value = '1',      prop_status = 1 WHERE prop_key = 'est.ca.server.group.id';

SELECT register_client('demo', :'password', names => '*', description => 'made by quickstart') \g /dev/null

COMMIT;
