-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- The module's statements, each under its name; queries.awk makes a C header of them. Names are qualified, so that
-- they mean the same whatever the search_path of the connection. Times are seconds since 1970, intervals seconds,
-- arrays one element a line.

-- name: schema_version
-- A role with other rights may read this, and policy, and would fail at the first enrolment
SELECT max(version), (SELECT pg_has_role(oid, 'USAGE') FROM pg_catalog.pg_roles WHERE rolname = 'est_module') AS is_module
FROM est.schema_version

-- name: policy_version
SELECT version FROM est.policy_version

-- name: policy_aliases
SELECT id, name, enabled, mode, profile_id, profile_active, group_id, group_active, ca, auth_enroll, auth_reenroll,
       auth_cacerts, binding, extract(epoch FROM idempotency)::bigint AS idempotency, unknown_holder, other_users,
       enroll_chain, base64, transfer_encoding, reason_text, compat, code_source, entity_from, name_scheme, name_prefix,
       name_postfix, vendor, array_to_string(vendor_patterns, E'\n') AS vendor_patterns, ra_certificates, ra_binding,
       same_key, change_subject, extract(epoch FROM renew_window)::bigint AS renew_window,
       extract(epoch FROM renew_expired)::bigint AS renew_expired, approval, rate_client, rate_alias
FROM est.alias ORDER BY id

-- name: policy_profiles
SELECT id, name, extract(epoch FROM validity)::bigint AS validity, extract(epoch FROM backdate)::bigint AS backdate,
       floor(extract(epoch FROM latest_end))::bigint AS latest_end, beyond_ca, array_to_string(keys, E'\n') AS keys,
       digest, dns_wildcards, subject_other, san_other, subject_template
FROM est.certificate_profile ORDER BY id

-- name: policy_subject_rules
SELECT profile_id, attribute, required, pattern, max_count, on_violation
FROM est.profile_subject_rule ORDER BY profile_id, id

-- name: policy_san_rules
SELECT profile_id, type, required, pattern, max_count, on_violation, source, template
FROM est.profile_san_rule ORDER BY profile_id, id

-- name: policy_extensions
SELECT profile_id, name, critical, value
FROM est.profile_extension ORDER BY profile_id, position, id

-- name: policy_extension_sections
SELECT profile_id, section, name, value
FROM est.profile_extension_section ORDER BY profile_id, section, position, id

-- name: policy_request_extensions
SELECT profile_id, name, action
FROM est.profile_request_extension ORDER BY profile_id, id

-- name: policy_groups
SELECT id, name, array_to_string(names, E'\n') AS names, approval
FROM est.entity_group ORDER BY id

-- name: policy_anchors
SELECT alias_id, kind, use, encode(certificate, 'hex') AS certificate
FROM est.trust_anchor ORDER BY alias_id, id

-- name: client_get
SELECT id, version, user_name, password_hash, names, networks, groups, enabled, valid_from, valid_until
FROM est.client_get($1::text)

-- name: record_issued
-- $1 id, $2 alias, $3 policy version, $4 operation, $5 identity kind, $6 identity, $7 client, $8 client version,
-- $9 network, $10 SHA-256 of the presented certificate's issuer, $11 its serial, $12 entity, $13 idempotency key,
-- $14 window in seconds, $15 CA, $16 issuer, $17 SHA-256 of the issuer, $18 serial, $19 subject, $20 SAN,
-- $21 SHA-256 of the SubjectPublicKeyInfo, $22 not before, $23 not after (seconds since 1970), $24 certificate,
-- $25 fingerprint of the RSA modulus
SELECT outcome, rule, detail, der
FROM est.record_issued($1::uuid, $2::int, $3::bigint, $4::text, $5::text, $6::text, $7::int, $8::bigint, $9::inet,
                       $10::bytea, $11::text, $12::text, $13::bytea, $14::int, $15::text, $16::text, $17::bytea,
                       $18::text, $19::text, $20::text[], $21::bytea,
                       to_timestamp($22::bigint), to_timestamp($23::bigint), $24::bytea, $25::bytea)

-- name: holder_status
SELECT est.holder_status($1::int, $2::bytea, $3::text)

-- name: listen
LISTEN est
