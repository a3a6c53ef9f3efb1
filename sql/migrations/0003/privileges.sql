-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Who may do what.

-- People
GRANT SELECT ON est.profile_request_extension, est.vendor_device, est.enrollment_code, est.approval, est.rate_bucket,
    est.group_day, est.maintenance, est.pending, est.denied_recently, est.should_have_renewed TO est_admin;
GRANT INSERT, UPDATE, DELETE ON est.profile_request_extension, est.vendor_device TO est_admin;
GRANT UPDATE (subject, san, valid_until, max_active, description) ON est.end_entity TO est_admin;
-- To take a code back
GRANT DELETE ON est.enrollment_code TO est_admin;
GRANT EXECUTE ON FUNCTION
    est.subject_attributes(), est.is_attribute(text), est.template_regex(boolean), est.is_subject(text, boolean),
    est.check_subject_template(text, text), est.check_subject(text, text), est.check_name_template(text, text),
    est.is_address(text), est.check_san(text, text[]), est.check_name_scheme(text, text),
    est.check_name_affix(text, text), est.check_request_extension(text, text), est.check_hash(text, text),
    est.check_entity_subject(text), est.check_entity_san(text[]), est.check_entity_end(timestamptz),
    est.check_entity_max_active(int), est.check_entity_description(text)
    TO est_admin;

GRANT EXECUTE ON FUNCTION
    est.explain_issue(int, text, text, text, inet, bytea, text, text, text, bytea, bytea, bigint, text[], boolean),
    est.explain_request(int, text, text, text, inet, bytea, text, text, text, bytea, bytea, bigint, text[], bytea, bytea, int),
    -- What the module asks, to explain what it would answer: people can read the tables anyway
    est.client_get(text), est.client_by_certificate(bytea, text), est.entity_get(int, text),
    est.holder_status(int, bytea, text), est.maintain(),
    est.register_entity(text, text, text, text, text, text, int, timestamptz, text, timestamptz, int, text),
    est.issue_code(text, text, text, int, timestamptz, text), est.suspend(text, text), est.reinstate(text, text),
    est.register_client(text, text, text, text, text, timestamptz, text, text), est.approve(text, text),
    est.deny(text, text)
    TO est_admin;

-- httpd
GRANT SELECT ON est.profile_request_extension TO est_module;
GRANT EXECUTE ON FUNCTION
    est.client_by_certificate(bytea, text), est.entity_get(int, text), est.maintain(),
    est.record_issued(uuid, int, bigint, text, text, text, int, bigint, inet, bytea, text, text, bytea, int, text, text,
                      bytea, text, text, text[], bytea, timestamptz, timestamptz, bytea, bytea, text, bigint, bigint,
                      uuid, text[]),
    est.order_open(uuid, int, bigint, text, text, text, int, bigint, inet, bytea, text, text, bytea, bytea, int, text,
                   text[], bytea, bytea, bytea, text, bigint, bigint, text[]),
    est.record_refused(uuid, int, text, text, text, int, inet, text, text[], bytea, text, text)
    TO est_module;
