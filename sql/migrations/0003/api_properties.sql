-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- The settings of this migration in api_properties. Values are written as the type of their column; a setting that can
-- be without a value takes the empty one for that.

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
    ('code_source',       a.code_source,             1),
    ('entity_from',       a.entity_from,             1),
    ('name_scheme',       a.name_scheme,             1),
    ('name_prefix',       a.name_prefix,             1),
    ('name_postfix',      a.name_postfix,            1),
    ('vendor',            a.vendor,                  1),
    ('vendor_patterns',   a.vendor_patterns::text,   1),
    ('ra_certificates',   a.ra_certificates::text,   1),
    ('ra_binding',        a.ra_binding::text,        1),
    ('unique_dn',         a.unique_dn::text,         1),
    ('unique_key',        a.unique_key::text,        1),
    ('same_key',          a.same_key,                1),
    ('change_subject',    a.change_subject::text,    1),
    ('renew_window',      a.renew_window::text,      1),
    ('renew_expired',     a.renew_expired::text,     1),
    ('revoke_replaced',   a.revoke_replaced::text,   1),
    ('max_active',        a.max_active::text,        1),
    ('approval',          a.approval,                1),
    ('approvals',         a.approvals::text,         1),
    ('retry_after',       a.retry_after::text,       1),
    ('order_expiry',      a.order_expiry::text,      1),
    ('max_orders',        a.max_orders::text,        1),
    ('rate_client',       a.rate_client::text,       1),
    ('rate_alias',        a.rate_alias::text,        1),
    ('rate_interval',     a.rate_interval::text,     1),
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

CREATE OR REPLACE FUNCTION est.alias_set(p_alias text, setting text, value text, status int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    kind text;
    required boolean;
    allowed text;
BEGIN
    IF setting = 'profile' THEN
        UPDATE est.alias SET profile_id = CASE WHEN value <> '' THEN est.profile_find('prop_value', value) END,
            profile_active = (status = 1)
        WHERE name = p_alias;
        RETURN;
    ELSIF setting = 'group' THEN
        UPDATE est.alias SET group_id = est.group_find('prop_value', value), group_active = (status = 1)
            WHERE name = p_alias;
        RETURN;
    END IF;
    SELECT format_type(t.atttypid, t.atttypmod), t.attnotnull INTO STRICT kind, required
        FROM pg_attribute t WHERE t.attrelid = 'est.alias'::regclass AND t.attname = setting;
    value := CASE WHEN status = 0 THEN est.alias_default(setting)
        WHEN NOT required THEN nullif(value, '')
        -- Patterns as an array, or as register_client() takes them
        WHEN kind = 'text[]' AND value !~ '^\s*\{' THEN regexp_split_to_array(btrim(value, E' \t\n,'), '[\s,]+')::text
        ELSE value END;
    IF kind = 'boolean' THEN
        PERFORM est.check_one_of('prop_value', lower(coalesce(value, '')), 'true', 'false', 'on', 'off', 'yes', 'no',
                                 '1', '0');
    ELSIF required THEN
        allowed := CASE kind WHEN 'interval' THEN 'an interval such as 10 minutes, or seconds'
            WHEN 'integer' THEN 'a whole number' ELSE 'a value' END;
        PERFORM est.check_that(value IS NOT NULL AND (kind = 'text' OR value <> ''), 'prop_value', value, allowed);
    END IF;
    EXECUTE format('UPDATE est.alias SET %I = $1::%s WHERE name = $2', setting, kind) USING value, p_alias;
END $$;

CREATE OR REPLACE FUNCTION est.api_properties_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    part text[] := CASE OLD.prop_key
        WHEN 'est.ca.server.user.profile' THEN ARRAY['est', 'profile']
        WHEN 'est.ca.server.group.id' THEN ARRAY['est', 'group']
        ELSE regexp_match(OLD.prop_key, '^est\.([^.]+)\.([a-z0-9_]+)$') END;
BEGIN
    IF NEW.prop_key IS DISTINCT FROM OLD.prop_key THEN
        RAISE EXCEPTION 'prop_key % cannot be changed', quote_literal(OLD.prop_key)
            USING ERRCODE = 'restrict_violation',
            HINT = 'A setting belongs to its alias: INSERT INTO est.alias makes a new alias with all of its settings.';
    END IF;
    IF NEW.prop_status IS NULL OR NEW.prop_status NOT IN (0, 1) THEN
        PERFORM est.check_that(false, 'prop_status', NEW.prop_status::text, '0, 1');
    END IF;
    PERFORM est.alias_set(part[1], part[2], NEW.prop_value, NEW.prop_status);
    RETURN NEW;
EXCEPTION
    WHEN check_violation OR restrict_violation OR not_null_violation THEN
        RAISE EXCEPTION 'api_properties %: %', OLD.prop_key, SQLERRM USING ERRCODE = SQLSTATE;
    WHEN data_exception THEN
        RAISE EXCEPTION 'api_properties %: prop_value = % refused: %', OLD.prop_key, est.shown(NEW.prop_value), SQLERRM
            USING ERRCODE = 'check_violation', HINT = 'Intervals are such as 10 minutes, or seconds.';
END $$;
