-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- The statements of estctl, each under its name; queries.awk makes a C header of them. Run as a member of est_admin, with
-- parameters of text. A parameter with a cast stands in exactly one place: PostgreSQL names it when its text is not of
-- that type. Arrays are given as JSON: an array to programs, a list to people.

-- name: begin
BEGIN

-- name: commit
COMMIT

-- name: rollback
ROLLBACK

-- name: read_only
-- From now on nothing is written over this connection
SET default_transaction_read_only = on

-- name: is_admin
-- Fails where the role may not see what people may: what httpd reads is not enough
SELECT FROM est.client LIMIT 0

-- name: client_add
-- $1 user, $2 password, $3 groups, $4 names, $5 networks, $6 valid until, $7 description, $8 certificate in PEM
SELECT est.register_client(user_name => $1, password => $2, groups => coalesce($3, 'default'), names => coalesce($4, 'own'),
                           networks => $5, valid_until => $6::timestamptz, description => $7, certificate => $8) AS password

-- name: client_list
-- $1 pattern
SELECT c.user_name AS "user",
       CASE WHEN NOT c.enabled THEN 'disabled' WHEN c.valid_from > now() THEN 'not yet' WHEN c.valid_until <= now() THEN 'ended'
            ELSE 'enabled' END AS state,
       coalesce((SELECT to_jsonb(array_agg(g.name ORDER BY g.name)) FROM est.client_group m JOIN est.entity_group g ON g.id = m.group_id
                 WHERE m.client_id = c.id), '[]') AS groups,
       to_jsonb(c.names) AS names, to_jsonb(c.networks) AS networks, c.valid_from, c.valid_until,
       encode(c.cert_fingerprint, 'hex') AS certificate, c.cert_subject, c.description, c.created_at
FROM est.client c WHERE $1::text IS NULL OR c.user_name ILIKE $1
ORDER BY c.user_name

-- name: client_switch
-- $1 user, $2 enabled
UPDATE est.client SET enabled = $2::boolean WHERE user_name = $1 RETURNING user_name

-- name: entity_add
-- $1 name, $2 group, $3 subject, $4 san, $5 alias, $6 uses, $7 expires, $8 networks, $9 valid until, $10 max active,
-- $11 description
SELECT est.register_entity(name => $1, grp => coalesce($2, 'default'), subject => $3, san => $4, alias => $5,
                           uses => coalesce($6::int, 1), expires => $7::timestamptz, networks => $8,
                           valid_until => $9::timestamptz, max_active => $10::int, description => $11) AS code

-- name: entity_list
-- $1 pattern, $2 group, $3 status
SELECT e.name, g.name AS "group", CASE WHEN e.status = 'active' AND e.valid_until <= now() THEN 'ended' ELSE e.status END AS status,
       e.preregistered, e.subject, to_jsonb(e.san) AS san, e.valid_until, e.max_active,
       (SELECT count(*) FROM est.certificate c WHERE c.entity_id = e.id AND c.status = 'valid' AND c.not_after > now()) AS certificates,
       coalesce((SELECT to_jsonb(array_agg(a.name || CASE
                     WHEN k.uses_left = 0 THEN ' (used up)' WHEN k.expires_at <= now() THEN ' (expired)'
                     ELSE format(' (%s left)', k.uses_left) END ORDER BY a.name))
                 FROM est.enrollment_code k JOIN est.alias a ON a.id = k.alias_id WHERE k.entity_id = e.id), '[]') AS codes,
       e.description, e.created_at
FROM est.end_entity e JOIN est.entity_group g ON g.id = e.group_id
WHERE ($1::text IS NULL OR e.name ILIKE $1) AND ($2::text IS NULL OR g.name = $2)
  AND ($3::text IS NULL OR CASE WHEN e.status = 'active' AND e.valid_until <= now() THEN 'ended' ELSE e.status END = $3)
ORDER BY e.name, g.name

-- name: entity_suspend
-- $1 name, $2 group
SELECT est.suspend(entity => $1, grp => coalesce($2, 'default')) AS result

-- name: entity_reinstate
SELECT est.reinstate(entity => $1, grp => coalesce($2, 'default')) AS result

-- name: code
-- $1 entity, $2 alias, $3 uses, $4 expires, $5 networks
SELECT est.issue_code(entity => $1, alias => $2, uses => coalesce($3::int, 1), expires => $4::timestamptz, networks => $5) AS code

-- name: import_table
-- Where the CSV goes: texts, since COPY would name no row of ours when it does not like one
CREATE TEMPORARY TABLE estctl_entity (
    n int GENERATED ALWAYS AS IDENTITY, name text, grp text, subject text, san text, alias text, uses text, expires text,
    networks text, valid_until text, max_active text, description text
) ON COMMIT DROP

-- name: import_rows
-- Each with the line of the file that it begins in: the heading is one line, a value may have several
SELECT name, grp, subject, san, alias, uses, expires, networks, valid_until, max_active, description,
       n + 1 + coalesce(sum(breaks) OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS line
FROM (SELECT t.*, length(v.all_values) - length(translate(v.all_values, E'\n', '')) AS breaks
      FROM pg_temp.estctl_entity t
      CROSS JOIN LATERAL concat(name, grp, subject, san, alias, uses, expires, networks, valid_until, max_active,
                                description) AS v (all_values)) AS counted
ORDER BY n

-- name: alias_find
SELECT id, name FROM est.alias WHERE name = $1

-- name: pending
-- $1 alias
SELECT id, date_trunc('second', age)::text AS age, at, expires_at, alias, operation, identity_kind, identity, host(network) AS network,
       entity, subject, to_jsonb(san) AS san, spki_hash, approvals
FROM est.pending WHERE $1::text IS NULL OR alias = $1
ORDER BY at, id

-- name: approve
SELECT est.approve(id => $1, note => $2) AS result

-- name: deny
SELECT est.deny(id => $1, reason => $2) AS result

-- name: forwarded
-- $1 alias
SELECT id, date_trunc('second', age)::text AS age, at, expires_at, alias, operation, identity_kind, identity, host(network) AS network,
       entity, subject, to_jsonb(san) AS san, spki_hash, ca, upstream, attempt, busy, ask_at
FROM est.forwarded WHERE $1::text IS NULL OR alias = $1
ORDER BY at, id

-- name: give_up
SELECT est.give_up(id => $1, reason => $2) AS result

-- name: revoke
-- $1 serial, $2 reason, $3 CA
SELECT est.revoke(serial => $1, reason => coalesce($2, 'unspecified'), ca => $3) AS result

-- name: search
-- $1 serial, $2 subject, $3 san, $4 entity, $5 identity, $6 alias, $7 status, $8 outcome, $9 issued after, $10 issued before,
-- $11 expires before, $12 any text, $13 the same as a serial, $14 limit, $15 with PEM
SELECT * FROM (
    SELECT n.at, n.outcome, coalesce(c.alias, n.alias) AS alias, n.operation, n.identity_kind, n.identity,
           host(n.network) AS network, e.name AS entity, c.serial, coalesce(c.subject, n.subject) AS subject,
           to_jsonb(coalesce(c.san, n.san)) AS san, coalesce(c.ca, n.ca) AS ca, n.upstream, c.issuer, c.not_before, c.not_after,
           CASE WHEN c.status = 'revoked' THEN 'revoked' WHEN c.not_after <= now() THEN 'expired' ELSE c.status END AS status,
           c.revoked_at, c.revocation_reason, encode(coalesce(c.spki_hash, n.spki_hash), 'hex') AS spki_hash,
           n.rule, n.reason, n.dropped, n.suppressed, n.expires_at, n.decided_at, n.decided_by, n.id,
           CASE WHEN $15::boolean AND c.id IS NOT NULL THEN E'-----BEGIN CERTIFICATE-----\n'
               || rtrim(regexp_replace(translate(encode(c.der, 'base64'), E'\n', ''), '(.{64})', E'\\1\n', 'g'), E'\n')
               || E'\n-----END CERTIFICATE-----' END AS pem
    FROM est.enrollment n
    LEFT JOIN est.certificate c ON c.id = n.certificate_id
    LEFT JOIN est.end_entity e ON e.id = coalesce(c.entity_id, n.entity_id)
    WHERE $1::text IS NULL OR c.serial = $1
) AS found
WHERE ($2::text IS NULL OR subject ILIKE $2)
  AND ($3::text IS NULL OR EXISTS (SELECT FROM jsonb_array_elements_text(san) AS s WHERE s ILIKE $3))
  AND ($4::text IS NULL OR entity ILIKE $4)
  AND ($5::text IS NULL OR identity ILIKE $5)
  AND ($6::text IS NULL OR alias = $6)
  AND ($7::text IS NULL OR status = $7)
  AND ($8::text IS NULL OR outcome = $8)
  AND ($9::timestamptz IS NULL OR at >= $9)
  AND ($10::timestamptz IS NULL OR at < $10)
  AND ($11::timestamptz IS NULL OR not_after < $11)
  AND ($12::text IS NULL OR subject ILIKE $12 OR entity ILIKE $12 OR identity ILIKE $12 OR serial = $13::text
       OR EXISTS (SELECT FROM jsonb_array_elements_text(san) AS s WHERE s ILIKE $12))
ORDER BY at DESC, id
LIMIT $14::bigint

-- name: check_version
-- $1 the version that estctl knows
SELECT 'error' AS severity, 'schema' AS "check", 'est.schema_version' AS object,
       format('the schema has version %s, estctl knows %s: %s', coalesce(max(version)::text, '(none)'), $1::int,
              CASE WHEN max(version) > $1::int THEN 'use estctl of the newer version' ELSE 'run sql/install.sql' END) AS finding
FROM est.schema_version HAVING max(version) IS DISTINCT FROM $1::int

-- name: check_rights
-- What est_module must be able to do, and what it must not
SELECT 'error' AS severity, 'rights' AS "check", 'est_module' AS object,
       format('may not execute %s: grants are missing, run sql/install.sql', p.oid::regprocedure) AS finding
FROM pg_catalog.pg_proc p
WHERE p.pronamespace = 'est'::regnamespace
  AND p.proname IN ('client_get', 'client_by_certificate', 'entity_get', 'holder_status', 'order_open', 'order_forwarded', 'record_refused',
                    'maintain')
  AND NOT has_function_privilege('est_module', p.oid, 'EXECUTE')
UNION ALL
SELECT 'error', 'rights', 'est_module', 'may execute no est.record_issued(): it can record nothing, run sql/install.sql'
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'est'::regnamespace AND p.proname = 'record_issued'
                  AND has_function_privilege('est_module', p.oid, 'EXECUTE'))
UNION ALL
SELECT 'error', 'rights', 'est_module', format('may not read %s: grants are missing, run sql/install.sql', c.oid::regclass)
FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'est'::regnamespace
  AND c.relname IN ('schema_version', 'policy_version', 'alias', 'certificate_profile', 'profile_subject_rule', 'profile_san_rule',
                    'profile_extension', 'profile_extension_section', 'profile_request_extension', 'entity_group', 'trust_anchor')
  AND NOT has_table_privilege('est_module', c.oid, 'SELECT')
UNION ALL
SELECT 'error', 'rights', 'est_module', format('may change %s: httpd must not be able to; REVOKE it', c.oid::regclass)
FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'est'::regnamespace AND c.relkind IN ('r', 'p', 'v')
  AND has_table_privilege('est_module', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
UNION ALL
SELECT 'warning', 'rights', 'est_module', 'cannot log in, and no role that can is a member of it: httpd has no way in'
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolcanlogin AND NOT r.rolsuper AND pg_has_role(r.oid, 'est_module', 'MEMBER'))
UNION ALL
SELECT 'warning', 'rights', r.rolname, 'is a member of est_admin and of est_module: who has httpd''s login can change policy'
FROM pg_catalog.pg_roles r
WHERE NOT r.rolsuper AND pg_has_role(r.oid, 'est_module', 'MEMBER') AND pg_has_role(r.oid, 'est_admin', 'MEMBER')

-- name: check_aliases
SELECT 'warning' AS severity, 'alias' AS "check", a.name AS object, f.finding
FROM est.alias a
CROSS JOIN LATERAL (
    SELECT 'has no profile: nothing is issued there' AS finding WHERE a.profile_id IS NULL
    UNION ALL SELECT 'has no CA: nothing is issued there' WHERE a.ca IS NULL
    UNION ALL SELECT 'its profile is not active: enrolment answers 403' WHERE a.profile_id IS NOT NULL AND NOT a.profile_active
    UNION ALL SELECT 'its group is not active: enrolment answers 403' WHERE NOT a.group_active
    UNION ALL SELECT 'takes vendor certificates, but has no anchor of kind vendor: none fits'
    WHERE a.vendor <> 'off' AND NOT EXISTS (SELECT FROM est.trust_anchor t WHERE t.alias_id = a.id AND t.kind = 'vendor' AND t.use = 'anchor')
    UNION ALL SELECT 'takes vendor certificates of listed devices, and none is listed (vendor_device)'
    WHERE a.vendor = 'listed' AND NOT EXISTS (SELECT FROM est.vendor_device v WHERE v.alias_id = a.id)
    UNION ALL SELECT 'has anchors of kind vendor, but vendor is off' || ': they count for nothing'
    WHERE a.vendor = 'off' AND EXISTS (SELECT FROM est.trust_anchor t WHERE t.alias_id = a.id AND t.kind = 'vendor')
    UNION ALL SELECT format('mode is client, and no entity is registered in group "%s"', g.name)
    FROM est.entity_group g
    WHERE g.id = a.group_id AND a.mode = 'client'
      AND NOT EXISTS (SELECT FROM est.end_entity e WHERE e.group_id = a.group_id AND e.preregistered AND e.status = 'active')
    UNION ALL SELECT 'has an anchor of kind ra, and no client of its group is known by a certificate: all under it are refused'
    WHERE EXISTS (SELECT FROM est.trust_anchor t WHERE t.alias_id = a.id AND t.kind = 'ra' AND t.use = 'anchor')
      AND NOT EXISTS (SELECT FROM est.client_group m JOIN est.client c ON c.id = m.client_id
                      WHERE m.group_id = a.group_id AND c.enabled AND (c.cert_fingerprint IS NOT NULL OR c.cert_subject IS NOT NULL))
    UNION ALL SELECT format('code_source is %s, which counts in mode client alone', a.code_source)
    WHERE a.mode = 'ra' AND a.code_source <> 'basic'
    UNION ALL SELECT 'wants the binding and the code in challengePassword: the binding is not asked for'
    WHERE a.mode = 'client' AND a.code_source = 'challenge-password' AND a.binding = 'required'
    UNION ALL SELECT format('revoke_replaced (%s) comes before the end of renew_expired (%s): a device that has lost its new '
                            'certificate cannot renew the old one', a.revoke_replaced, a.renew_expired)
    WHERE a.revoke_replaced < a.renew_expired
    UNION ALL SELECT 'wants more approvals (' || a.approvals || ') than est_admin has members who can log in'
    WHERE (a.approval <> 'none' OR EXISTS (SELECT FROM est.entity_group g WHERE g.id = a.group_id AND g.approval <> 'none'))
      AND a.approvals > (SELECT count(*) FROM pg_catalog.pg_roles r WHERE r.rolcanlogin AND pg_has_role(r.oid, 'est_admin', 'MEMBER'))
) AS f
WHERE a.enabled
ORDER BY a.name

-- name: check_profiles
SELECT 'notice' AS severity, 'profile' AS "check", p.name AS object, 'is used by no alias' AS finding
FROM est.certificate_profile p WHERE NOT EXISTS (SELECT FROM est.alias a WHERE a.profile_id = p.id)
UNION ALL
SELECT 'warning', 'profile', p.name, 'has no rule for any name: every request that has a subject or subjectAltName is refused'
FROM est.certificate_profile p
WHERE p.subject_template IS NULL AND p.subject_other = 'refuse' AND p.san_other = 'refuse'
  AND NOT EXISTS (SELECT FROM est.profile_subject_rule r WHERE r.profile_id = p.id)
  AND NOT EXISTS (SELECT FROM est.profile_san_rule r WHERE r.profile_id = p.id)
UNION ALL
SELECT 'warning', 'profile', p.name, format('latest_end was %s: nothing can be issued', p.latest_end)
FROM est.certificate_profile p WHERE p.latest_end <= now()
ORDER BY 3

-- name: check_groups
SELECT 'warning' AS severity, 'group' AS "check", g.name AS object,
       format('no client of it can log in, and alias %s wants a password', string_agg(quote_ident(a.name), ', ' ORDER BY a.name)) AS finding
FROM est.entity_group g JOIN est.alias a ON a.group_id = g.id
WHERE a.enabled AND a.mode = 'ra' AND a.other_users = 'refuse' AND a.auth_enroll IN ('basic', 'basic-and-cert', 'basic-or-cert')
  AND NOT EXISTS (SELECT FROM est.client_group m JOIN est.client c ON c.id = m.client_id
                  WHERE m.group_id = g.id AND c.enabled AND c.valid_until > now() IS NOT FALSE)
GROUP BY g.id, g.name
UNION ALL
SELECT 'notice', 'group', g.name, 'is used by no alias'
FROM est.entity_group g WHERE g.id <> 1 AND NOT EXISTS (SELECT FROM est.alias a WHERE a.group_id = g.id)
ORDER BY 1 DESC, 3

-- name: check_clients
SELECT 'warning' AS severity, 'client' AS "check", c.user_name AS object, f.finding
FROM est.client c
CROSS JOIN LATERAL (
    SELECT 'is in no group: it may enrol nowhere' AS finding WHERE NOT EXISTS (SELECT FROM est.client_group m WHERE m.client_id = c.id)
    UNION ALL SELECT 'has neither password nor certificate: it can only be known to another provider of httpd'
    WHERE c.password_hash IS NULL AND c.cert_fingerprint IS NULL AND c.cert_subject IS NULL
    UNION ALL SELECT format('ended at %s', date_trunc('second', c.valid_until)) WHERE c.valid_until <= now()
    UNION ALL SELECT 'is known by its certificate, but no alias of its groups has an anchor of kind ra'
    WHERE (c.cert_fingerprint IS NOT NULL OR c.cert_subject IS NOT NULL)
      AND NOT EXISTS (SELECT FROM est.client_group m JOIN est.alias a ON a.group_id = m.group_id
                      JOIN est.trust_anchor t ON t.alias_id = a.id AND t.kind = 'ra' WHERE m.client_id = c.id)
) AS f
WHERE c.enabled
ORDER BY c.user_name

-- name: check_codes
SELECT 'notice' AS severity, 'code' AS "check", e.name || ' at ' || a.name AS object, f.finding
FROM est.enrollment_code k JOIN est.end_entity e ON e.id = k.entity_id JOIN est.alias a ON a.id = k.alias_id
CROSS JOIN LATERAL (
    SELECT format('expired at %s, with %s use(s) left', date_trunc('second', k.expires_at), k.uses_left) AS finding
    WHERE k.expires_at <= now() AND k.uses_left > 0
    UNION ALL SELECT 'is of no use: the alias''s mode is ra' WHERE a.mode = 'ra'
    UNION ALL SELECT 'is of no use: the entity is not of the alias''s group' WHERE a.group_id <> e.group_id
) AS f
ORDER BY 3

-- name: check_orders
SELECT 'notice' AS severity, 'order' AS "check", alias AS object,
       format('%s order(s) wait for approval, the oldest since %s', count(*), date_trunc('second', min(at))) AS finding
FROM est.pending GROUP BY alias
UNION ALL
SELECT 'notice', 'order', alias,
       format('%s order(s) wait for CA %s, the oldest since %s', count(*), ca, date_trunc('second', min(at)))
FROM est.forwarded WHERE NOT busy GROUP BY alias, ca
ORDER BY object, finding

-- name: check_anchors
-- Not findings: the certificates, for who can read them
SELECT a.name AS alias, t.kind, t.use, t.subject, encode(t.certificate, 'hex') AS certificate
FROM est.trust_anchor t JOIN est.alias a ON a.id = t.alias_id
ORDER BY a.name, t.kind, t.id

-- name: ejbca_references
-- What an import names and may not be there: $1 profile, $2 group
SELECT (SELECT p.id FROM est.certificate_profile p WHERE p.name = $1 OR p.id::text = $1) AS profile_id,
       (SELECT g.id FROM est.entity_group g WHERE g.name = $2 OR g.id::text = $2) AS group_id

-- name: ejbca_alias
-- Makes the alias unless it is there
INSERT INTO est.alias (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING name

-- name: ejbca_set
-- What is NULL stays. $1 alias, $2 mode, $3 profile id, $4 group id, $5 CA, $6 auth_enroll, $7 same_key, $8 name_scheme,
-- $9 name_prefix, $10 name_postfix, $11 vendor, $12 code_source, $13 entity_from, $14 change_subject
UPDATE est.alias SET
    mode = coalesce($2, mode), profile_id = coalesce($3::int, profile_id), group_id = coalesce($4::int, group_id), ca = coalesce($5, ca),
    auth_enroll = coalesce($6, auth_enroll), same_key = coalesce($7, same_key), name_scheme = coalesce($8, name_scheme),
    name_prefix = coalesce($9, name_prefix), name_postfix = coalesce($10, name_postfix), vendor = coalesce($11, vendor),
    code_source = coalesce($12, code_source), entity_from = coalesce($13, entity_from),
    change_subject = coalesce($14::boolean, change_subject)
WHERE name = $1 RETURNING name

-- name: ejbca_group
-- The group of an alias, by name
SELECT g.name FROM est.alias a JOIN est.entity_group g ON g.id = a.group_id WHERE a.name = $1

-- name: ejbca_client
-- Whether there is a client of that name, and then puts it into the group of an alias: $1 user, $2 alias
WITH known AS (SELECT c.id FROM est.client c WHERE lower(c.user_name COLLATE "C") = lower($1 COLLATE "C")),
     put AS (INSERT INTO est.client_group (client_id, group_id)
             SELECT k.id, a.group_id FROM known k, est.alias a WHERE a.name = $2 ON CONFLICT DO NOTHING)
SELECT id FROM known
