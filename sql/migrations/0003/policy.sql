-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- What an alias, a profile and a group decide since this migration.

ALTER TABLE est.alias
    DROP CONSTRAINT alias_mode_check,
    ADD CONSTRAINT alias_mode_check CHECK (est.check_one_of('alias.mode', mode, 'ra', 'client')),
    DROP CONSTRAINT alias_auth_reenroll_check,
    ADD CONSTRAINT alias_auth_reenroll_check
        CHECK (est.check_one_of('alias.auth_reenroll', auth_reenroll, 'cert', 'cert-or-basic')),
    -- Mode client: where the code and the name of the entity stand
    ADD COLUMN code_source text NOT NULL DEFAULT 'basic' CHECK (est.check_that(
        code_source IN ('basic', 'challenge-password', 'otp-challenge')
            OR (code_source LIKE 'dn:%' AND est.is_attribute(substr(code_source, 4))),
        'alias.code_source', code_source,
        'basic, challenge-password, otp-challenge, dn:ATTRIBUTE (one of profile_subject_rule)')),
    ADD COLUMN entity_from text NOT NULL DEFAULT 'CN' CHECK (est.check_that(
        entity_from = 'DN' OR est.is_attribute(entity_from), 'alias.entity_from', entity_from,
        'DN (the whole), or an attribute of profile_subject_rule')),
    -- Mode ra: what the entity is called
    ADD COLUMN name_scheme text NOT NULL DEFAULT 'dn:CN'
        CHECK (est.check_name_scheme('alias.name_scheme', name_scheme)),
    ADD COLUMN name_prefix text NOT NULL DEFAULT '' CHECK (est.check_name_affix('alias.name_prefix', name_prefix)),
    ADD COLUMN name_postfix text NOT NULL DEFAULT '' CHECK (est.check_name_affix('alias.name_postfix', name_postfix)),
    ADD COLUMN vendor text NOT NULL DEFAULT 'off'
        CHECK (est.check_one_of('alias.vendor', vendor, 'off', 'pattern', 'listed')),
    ADD COLUMN vendor_patterns text[] NOT NULL DEFAULT '{**}'
        CHECK (est.check_patterns('alias.vendor_patterns', vendor_patterns)),
    ADD COLUMN ra_certificates boolean NOT NULL DEFAULT true,
    ADD COLUMN ra_binding boolean NOT NULL DEFAULT false,
    ADD COLUMN unique_dn boolean NOT NULL DEFAULT false,
    ADD COLUMN unique_key boolean NOT NULL DEFAULT false,
    ADD COLUMN same_key text NOT NULL DEFAULT 'allow'
        CHECK (est.check_one_of('alias.same_key', same_key, 'allow', 'forbid', 'require')),
    ADD COLUMN change_subject boolean NOT NULL DEFAULT false,
    ADD COLUMN renew_window interval
        CHECK (est.check_interval('alias.renew_window', renew_window, '1 minute', '100 years')),
    ADD COLUMN renew_expired interval
        CHECK (est.check_interval('alias.renew_expired', renew_expired, '1 minute', '10 years')),
    ADD COLUMN revoke_replaced interval
        CHECK (est.check_interval('alias.revoke_replaced', revoke_replaced, '0', '10 years')),
    ADD COLUMN max_active int CHECK (est.check_between('alias.max_active', max_active, 1, 1000000)),
    ADD COLUMN approval text NOT NULL DEFAULT 'none'
        CHECK (est.check_one_of('alias.approval', approval, 'none', 'first', 'all')),
    ADD COLUMN approvals int NOT NULL DEFAULT 1 CHECK (est.check_between('alias.approvals', approvals, 1, 9)),
    ADD COLUMN retry_after interval NOT NULL DEFAULT '60 seconds'
        CHECK (est.check_interval('alias.retry_after', retry_after, '1 second', '1 day')),
    ADD COLUMN order_expiry interval NOT NULL DEFAULT '7 days'
        CHECK (est.check_interval('alias.order_expiry', order_expiry, '1 minute', '1 year')),
    ADD COLUMN max_orders int NOT NULL DEFAULT 10 CHECK (est.check_between('alias.max_orders', max_orders, 1, 1000)),
    ADD COLUMN rate_client int CHECK (est.check_between('alias.rate_client', rate_client, 1, 1000000)),
    ADD COLUMN rate_alias int CHECK (est.check_between('alias.rate_alias', rate_alias, 1, 1000000)),
    ADD COLUMN rate_interval interval NOT NULL DEFAULT '1 minute'
        CHECK (est.check_interval('alias.rate_interval', rate_interval, '1 second', '1 day')),
    -- RFC 7030 3.5: the binding is the challengePassword
    ADD CONSTRAINT alias_code_and_binding CHECK (est.check_that(
        code_source <> 'challenge-password' OR binding <> 'required', 'alias.code_source', code_source,
        'another source where binding is required: both would be the challengePassword')),
    ADD CONSTRAINT alias_code_and_entity CHECK (est.check_that(
        code_source <> 'dn:' || entity_from, 'alias.code_source', code_source,
        'an attribute other than that of entity_from')),
    ADD CONSTRAINT alias_retry_and_expiry CHECK (est.check_that(
        retry_after <= order_expiry, 'alias.retry_after', retry_after::text,
        'an interval not longer than order_expiry'));

ALTER TABLE est.certificate_profile ADD COLUMN subject_template text
    CHECK (est.check_subject_template('certificate_profile.subject_template', subject_template));

-- csr: names that the request asks for. template: one more name, made of the template. entity: those of the entity's row
ALTER TABLE est.profile_san_rule
    ADD COLUMN source text NOT NULL DEFAULT 'csr'
        CHECK (est.check_one_of('profile_san_rule.source', source, 'csr', 'template', 'entity')),
    ADD COLUMN template text CHECK (est.check_name_template('profile_san_rule.template', template)),
    ADD CONSTRAINT profile_san_rule_template_and_source CHECK (est.check_that(
        (source = 'template') = (template IS NOT NULL), 'profile_san_rule.template', template,
        'a template where source is template, NULL elsewhere')),
    DROP CONSTRAINT profile_san_rule_profile_id_type_pattern_key,
    ADD CONSTRAINT profile_san_rule_once UNIQUE NULLS NOT DISTINCT (profile_id, type, source, pattern, template);

-- Extensions of the request: taken into the certificate or not. No row: what the module does of itself
CREATE TABLE est.profile_request_extension (
    id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile_id int NOT NULL REFERENCES est.certificate_profile ON DELETE CASCADE,
    name       text NOT NULL CHECK (est.check_request_extension('profile_request_extension.name', name)),
    action     text NOT NULL CHECK (est.check_one_of('profile_request_extension.action', action, 'ignore', 'copy',
                                                     'require', 'refuse')),
    UNIQUE (profile_id, name)
);
CREATE TRIGGER policy_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON est.profile_request_extension
    FOR EACH STATEMENT EXECUTE FUNCTION est.policy_changed();

ALTER TABLE est.entity_group
    ADD COLUMN quota_day int CHECK (est.check_between('entity_group.quota_day', quota_day, 1, 100000000)),
    ADD COLUMN quota_active int CHECK (est.check_between('entity_group.quota_active', quota_active, 1, 100000000)),
    ADD COLUMN approval text NOT NULL DEFAULT 'none'
        CHECK (est.check_one_of('entity_group.approval', approval, 'none', 'first', 'all')),
    ADD COLUMN contact text CHECK (est.check_text('entity_group.contact', contact, 1000));

-- holder: as itself. vendor: a device, by the certificate that its maker gave it. ra: on behalf of others, when registered
ALTER TABLE est.trust_anchor
    DROP CONSTRAINT trust_anchor_kind_check,
    ADD CONSTRAINT trust_anchor_kind_check
        CHECK (est.check_one_of('trust_anchor.kind', kind, 'holder', 'vendor', 'ra'));

-- Devices that may come with a vendor certificate where alias.vendor is listed. Not in the module's memory: lists are long
CREATE TABLE est.vendor_device (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alias_id int NOT NULL REFERENCES est.alias ON DELETE CASCADE,
    device   text NOT NULL CHECK (est.check_text('vendor_device.device', device, 256))
        CHECK (est.check_that(device !~ '^[0-9.]+:[0-9a-fA-F]*[A-F]', 'vendor_device.device', device,
                              'a serialNumber, or OID:HEX with the digits of HEX in lower case')),
    comment  text CHECK (est.check_text('vendor_device.comment', comment, 1000)),
    added_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (alias_id, device)
);
