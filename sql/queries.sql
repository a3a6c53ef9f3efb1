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

-- name: client_by_certificate
SELECT id, version, user_name, password_hash, names, networks, groups, enabled, valid_from, valid_until
FROM est.client_by_certificate($1::bytea, $2::text)

-- name: entity_get
SELECT id, version, name, status, preregistered, subject, san, valid_until, code_id, code_hash
FROM est.entity_get($1::int, $2::text)

-- name: record_issued
-- $1 id, $2 alias, $3 policy version, $4 operation, $5 identity kind, $6 identity, $7 client, $8 client version,
-- $9 network, $10 SHA-256 of the presented certificate's issuer, $11 its serial, $12 entity, $13 idempotency key,
-- $14 window in seconds, $15 CA, $16 issuer, $17 SHA-256 of the issuer, $18 serial, $19 subject, $20 SAN,
-- $21 SHA-256 of the SubjectPublicKeyInfo, $22 not before, $23 not after (seconds since 1970), $24 certificate,
-- $25 fingerprint of the RSA modulus, $26 what was left out, $27 enrolment code, $28 entity's version, $29 approved
-- order, $30 names in the vendor's certificate
SELECT outcome, rule, detail, der, NULL AS order_id, retry_after
FROM est.record_issued($1::uuid, $2::int, $3::bigint, $4::text, $5::text, $6::text, $7::int, $8::bigint, $9::inet,
                       $10::bytea, $11::text, $12::text, $13::bytea, $14::int, $15::text, $16::text, $17::bytea,
                       $18::text, $19::text, $20::text[], $21::bytea,
                       to_timestamp($22::bigint), to_timestamp($23::bigint), $24::bytea, $25::bytea,
                       $26::text, $27::bigint, $28::bigint, $29::uuid, $30::text[])

-- name: order_open
-- $1 to $12 as in record_issued, $13 key of the order, $14 idempotency key, $15 window in seconds, $16 subject, $17 SAN,
-- $18 SHA-256 of the SubjectPublicKeyInfo, $19 fingerprint of the RSA modulus, $20 request, $21 what was left out,
-- $22 enrolment code, $23 entity's version, $24 names in the vendor's certificate, $25 CA, $26 lease in seconds
SELECT outcome, rule, detail, der, order_id, retry_after, waits_for_ca, attempt, csr, upstream, state
FROM est.order_open($1::uuid, $2::int, $3::bigint, $4::text, $5::text, $6::text, $7::int, $8::bigint, $9::inet,
                    $10::bytea, $11::text, $12::text, $13::bytea, $14::bytea, $15::int, $16::text, $17::text[],
                    $18::bytea, $19::bytea, $20::bytea, $21::text, $22::bigint, $23::bigint, $24::text[], $25::text,
                    $26::int)

-- name: order_forwarded
-- $1 order, $2 attempt, $3 kind, $4 upstream, $5 its state, $6 seconds to wait, $7 rule, $8 reason, $9 certificate that
-- was refused
SELECT est.order_forwarded($1::uuid, $2::int, $3::text, $4::text, $5::bytea, $6::int, $7::text, $8::text, $9::bytea)

-- name: record_refused
-- $1 id, $2 alias, $3 operation, $4 identity kind, $5 identity, $6 client, $7 network, $8 subject and $9 SAN as
-- requested, $10 SHA-256 of the SubjectPublicKeyInfo, $11 rule, $12 reason
SELECT est.record_refused($1::uuid, $2::int, $3::text, $4::text, $5::text, $6::int, $7::inet, $8::text, $9::text[],
                          $10::bytea, $11::text, $12::text) AS retry_after

-- name: maintain
SELECT revoked, expired FROM est.maintain()

-- name: holder_status
SELECT est.holder_status($1::int, $2::bytea, $3::text)

-- name: listen
LISTEN est

-- name: explain_request
-- For estctl. $1 alias, $2 operation, $3 identity kind, $4 identity, $5 network, $6 SHA-256 of the presented certificate's
-- issuer, $7 its serial, $8 entity, $9 subject, $10 SHA-256 of the SubjectPublicKeyInfo, $11 fingerprint of the RSA modulus,
-- $12 enrolment code, $13 names in the vendor's certificate, $14 order key, $15 idempotency key, $16 window in seconds
SELECT rule, verdict, wanted, got, retry_after
FROM est.explain_request($1::int, $2::text, $3::text, $4::text, $5::inet, $6::bytea, $7::text, $8::text, $9::text, $10::bytea,
                         $11::bytea, $12::bigint, $13::text[], $14::bytea, $15::bytea, $16::int)
