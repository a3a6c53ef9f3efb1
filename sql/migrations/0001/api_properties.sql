-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Every setting of every alias as a row of key, value, status, to be changed by UPDATE:
--
--     est.<alias>.<setting>           and for alias est besides
--     est.ca.server.user.profile      its certificate profile, by name or id
--     est.ca.server.group.id          its group, by id or name
--
-- prop_status belongs to the references profile and group: 1 active, 0 not active. Of any other setting it is 1;
-- writing 0 puts the default back.

CREATE VIEW est.api_properties (prop_key, prop_value, prop_status) AS
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
    ('reason_text',       a.reason_text::text,       1)) AS s (setting, value, status)
UNION ALL
SELECT 'est.ca.server.user.profile', p.name, a.profile_active::int
FROM est.alias a LEFT JOIN est.certificate_profile p ON p.id = a.profile_id WHERE a.name = 'est'
UNION ALL
SELECT 'est.ca.server.group.id', a.group_id::text, a.group_active::int
FROM est.alias a WHERE a.name = 'est';

-- By id when all digits, else by name
CREATE FUNCTION est.profile_find(what text, wanted text) RETURNS int
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    found_id int := (SELECT p.id FROM est.certificate_profile p
                     WHERE CASE WHEN wanted ~ '^[0-9]+$' THEN p.id::text = ltrim(wanted, '0') ELSE p.name = wanted END);
BEGIN
    PERFORM est.check_that(found_id IS NOT NULL, what, wanted, 'name or id of a row of certificate_profile: '
        || coalesce((SELECT string_agg(quote_literal(p.name), ', ' ORDER BY p.name) FROM est.certificate_profile p),
                    '(there is none yet)'));
    RETURN found_id;
END $$;

CREATE FUNCTION est.group_find(what text, wanted text) RETURNS int
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    found_id int := (SELECT g.id FROM est.entity_group g
                     WHERE CASE WHEN wanted ~ '^[0-9]+$' THEN g.id::text = ltrim(wanted, '0') ELSE g.name = wanted END);
BEGIN
    PERFORM est.check_that(found_id IS NOT NULL, what, wanted, 'id or name of a row of entity_group: '
        || (SELECT string_agg(format('%s (%L)', g.id, g.name), ', ' ORDER BY g.id) FROM est.entity_group g));
    RETURN found_id;
END $$;

-- The default of a column of alias, as the table was made with it
CREATE FUNCTION est.alias_default(setting text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    expression text := (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d
                        JOIN pg_attribute t ON t.attrelid = d.adrelid
                        AND t.attnum = d.adnum WHERE d.adrelid = 'est.alias'::regclass AND t.attname = setting);
    value text;
BEGIN
    EXECUTE 'SELECT (' || coalesce(expression, 'NULL') || ')::text' INTO value;
    RETURN value;
END $$;

CREATE FUNCTION est.alias_set(p_alias text, setting text, value text, status int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, est, pg_temp AS $$
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
    value := CASE WHEN status = 0 THEN est.alias_default(setting) WHEN setting = 'ca' THEN nullif(value, '')
        ELSE value END;
    IF setting IN ('enabled', 'auth_cacerts', 'enroll_chain', 'transfer_encoding', 'reason_text') THEN
        PERFORM est.check_one_of('prop_value', lower(coalesce(value, '')), 'true', 'false', 'on', 'off', 'yes', 'no',
                                 '1', '0');
        EXECUTE format('UPDATE est.alias SET %I = $1::boolean WHERE name = $2', setting) USING value, p_alias;
    ELSIF setting = 'idempotency' THEN
        PERFORM est.check_that(value <> '', 'prop_value', value,
                               'an interval such as 10 minutes, or seconds; 0 for none');
        UPDATE est.alias SET idempotency = value::interval WHERE name = p_alias;
    ELSE
        PERFORM est.check_that(value IS NOT NULL OR setting = 'ca', 'prop_value', value, 'a value');
        EXECUTE format('UPDATE est.alias SET %I = $1 WHERE name = $2', setting) USING value, p_alias;
    END IF;
END $$;

CREATE FUNCTION est.api_properties_update() RETURNS trigger
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
            USING ERRCODE = 'check_violation', HINT = 'Allowed is an interval such as 10 minutes, or seconds.';
END $$;
CREATE TRIGGER set INSTEAD OF UPDATE ON est.api_properties FOR EACH ROW EXECUTE FUNCTION est.api_properties_update();

CREATE FUNCTION est.api_properties_fixed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, est, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'api_properties: % is not possible, its rows are the settings of the aliases; use UPDATE', TG_OP
        USING ERRCODE = 'feature_not_supported',
              HINT = 'An alias, with all of its rows here, is made by INSERT INTO est.alias and ended by '
                     'DELETE FROM est.alias.';
END $$;
CREATE TRIGGER fixed INSTEAD OF INSERT OR DELETE ON est.api_properties FOR EACH ROW
    EXECUTE FUNCTION est.api_properties_fixed();
