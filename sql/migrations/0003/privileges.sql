-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Who may do what.

-- People
GRANT SELECT ON est.profile_request_extension, est.vendor_device, est.enrollment_code, est.approval, est.rate_bucket,
    est.group_day TO est_admin;
GRANT INSERT, UPDATE, DELETE ON est.profile_request_extension, est.vendor_device TO est_admin;
GRANT UPDATE (subject, san, valid_until, max_active, description) ON est.end_entity TO est_admin;
-- To take a code back
GRANT DELETE ON est.enrollment_code TO est_admin;
GRANT EXECUTE ON FUNCTION
    est.subject_attributes(), est.is_attribute(text), est.template_regex(boolean), est.is_subject(text, boolean),
    est.check_subject_template(text, text), est.check_subject(text, text), est.check_name_template(text, text),
    est.is_address(text), est.check_san(text, text[]), est.check_name_scheme(text, text),
    est.check_name_affix(text, text), est.check_request_extension(text, text), est.check_hash(text, text)
    TO est_admin;

-- httpd
GRANT SELECT ON est.profile_request_extension TO est_module;
GRANT EXECUTE ON FUNCTION est.client_by_certificate(bytea, text), est.entity_get(int, text) TO est_module;
