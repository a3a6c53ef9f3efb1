-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Who may do what. EXECUTE is nobody's by default (roles.sql).

-- People
GRANT SELECT ON ALL TABLES IN SCHEMA est TO est_admin;
GRANT INSERT, UPDATE, DELETE ON est.alias, est.certificate_profile, est.profile_subject_rule, est.profile_san_rule,
    est.profile_extension, est.profile_extension_section, est.entity_group, est.trust_anchor, est.client, est.client_group
    TO est_admin;
-- INSERT and DELETE so that the trigger can say why not
GRANT INSERT, UPDATE, DELETE ON est.api_properties TO est_admin;
GRANT EXECUTE ON FUNCTION
    est.register_client(text, text, text, text, text, timestamptz, text), est.set_client_password(text, text),
    est.revoke(text, text, text), est.pem_to_der(text), est.glob_match(text, text, boolean),
    est.glob_regex(text, boolean)
    TO est_admin;
-- What constraints and triggers call in the name of the one who writes
GRANT EXECUTE ON FUNCTION
    est.shown(text), est.check_that(boolean, text, text, text), est.check_one_of(text, text, text[]),
    est.has_control(text), est.check_name(text, text), est.check_text(text, text, int),
    est.check_interval(text, interval, interval, interval), est.check_time(text, timestamptz),
    est.check_between(text, int, int, int), est.is_pattern(text), est.check_patterns(text, text[]),
    est.check_client_names(text, text[]), est.is_cidr(text), est.check_networks(text, cidr[]), est.is_key_rule(text),
    est.check_keys(text, text[]), est.is_der(bytea), est.extension_names(), est.is_reserved_extension(text),
    est.is_dotted_oid(text), est.check_conf_text(text, text), est.comma_list(text),
    est.check_list(text, text, text, text), est.check_key_usage(text, text),
    est.check_extended_key_usage(text, text, boolean), est.is_section_reference(text),
    est.check_generic_extension(text, text), est.check_extension_name(text, text),
    est.check_extension(text, boolean, text), est.check_section_line(text, text, text, text),
    est.check_section(int, text, text)
    TO est_admin;

-- httpd: reads policy, asks for one client by name, records
GRANT SELECT ON est.schema_version, est.policy_version, est.alias, est.certificate_profile, est.profile_subject_rule,
    est.profile_san_rule,
    est.profile_extension, est.profile_extension_section, est.entity_group, est.trust_anchor TO est_module;
GRANT EXECUTE ON FUNCTION
    est.client_get(text), est.holder_status(int, bytea, text),
    est.record_issued(uuid, int, bigint, text, text, text, int, bigint, inet, bytea, text, text, bytea, int, text, text,
                      bytea, text, text, text[], bytea, timestamptz, timestamptz, bytea)
    TO est_module;
