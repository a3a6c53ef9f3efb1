-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Functions and views for people (est_admin). docs/sql.md shows their use.

-- The bcrypt hash of a password, whose limits are those of RFC 7617 and of bcrypt, which reads 72 bytes
CREATE FUNCTION est.password_hash(password text) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, est, pg_temp AS $$
BEGIN
    PERFORM est.check_that(octet_length(password) BETWEEN 1 AND 72 AND NOT est.has_control(password),
        'password', '(not shown)', '1 to 72 bytes, no control characters');
    RETURN est.crypt(password, est.gen_salt('bf', 10));
END $$;

-- 160 bits in 27 letters that a URL, a shell and a configuration file leave alone
CREATE FUNCTION est.password_random() RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, est, pg_temp
BEGIN ATOMIC
    SELECT translate(encode(est.gen_random_bytes(20), 'base64'), '+/=', '-_');
END;

-- '10.0.0.0/8, 192.0.2.7' -> cidr[]
CREATE FUNCTION est.networks_parse(networks text) RETURNS cidr[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    words text[] := regexp_split_to_array(btrim(networks, E' \t\n,'), '[\s,]+');
    word text;
BEGIN
    FOREACH word IN ARRAY coalesce(words, '{}') LOOP
        PERFORM est.check_that(est.is_cidr(word), 'networks', word,
                               'networks such as 10.0.0.0/8 or 2001:db8::/32, separated by commas');
    END LOOP;
    RETURN words::cidr[];
END $$;

-- Registers a client. Returns its password when one was made, NULL when the caller gave one.
--   groups    names or ids of groups, separated by commas
--   names     own, * (any name: a registration authority), or patterns separated by commas or blanks
--   networks  NULL: from anywhere
CREATE FUNCTION est.register_client(user_name text, password text DEFAULT NULL, groups text DEFAULT 'default',
                                    names text DEFAULT 'own', networks text DEFAULT NULL,
                                    valid_until timestamptz DEFAULT NULL, description text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp AS $$
#variable_conflict use_column
DECLARE
    made text := CASE WHEN register_client.password IS NULL THEN est.password_random() END;
    existing text;
    new_id int;
    wanted text;
BEGIN
    PERFORM est.check_that(register_client.user_name IS NOT NULL, 'user_name', NULL, 'a user name');
    SELECT c.user_name INTO existing FROM est.client c
        WHERE lower(c.user_name COLLATE "C") = lower(register_client.user_name COLLATE "C");
    IF existing IS NOT NULL THEN
        RAISE EXCEPTION 'client % exists already', est.shown(existing) USING ERRCODE = 'unique_violation',
            HINT = 'est.set_client_password() gives it another password; UPDATE est.client changes the rest.';
    END IF;
    PERFORM est.check_that(btrim(register_client.groups, E' \t\n,') <> '', 'groups', register_client.groups,
                           'at least one group, by name or id');
    PERFORM est.check_that(register_client.names IS NOT NULL, 'names', NULL, 'own, *, or patterns');
    INSERT INTO est.client (user_name, password_hash, names, networks, valid_until, description)
        VALUES (register_client.user_name, est.password_hash(coalesce(register_client.password, made)),
                regexp_split_to_array(btrim(register_client.names, E' \t\n,'), '[\s,]+'),
                est.networks_parse(register_client.networks), register_client.valid_until, register_client.description)
        RETURNING id INTO new_id;
    FOREACH wanted IN ARRAY regexp_split_to_array(btrim(register_client.groups, E' \t\n,'), '\s*,\s*') LOOP
        INSERT INTO est.client_group (client_id, group_id) VALUES (new_id, est.group_find('groups', wanted))
            ON CONFLICT DO NOTHING;
    END LOOP;
    RETURN made;
END $$;

-- The same rule for the result as register_client()
CREATE FUNCTION est.set_client_password(user_name text, password text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    made text := CASE WHEN set_client_password.password IS NULL THEN est.password_random() END;
BEGIN
    UPDATE est.client c SET password_hash = est.password_hash(coalesce(set_client_password.password, made))
        WHERE c.user_name = set_client_password.user_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no client %', est.shown(set_client_password.user_name)
            USING ERRCODE = 'no_data_found';
    END IF;
    RETURN made;
END $$;

-- The contents of a DER INTEGER, from a serial number as people write it: 0x, colons, blanks, either case, with or
-- without leading zeros
CREATE FUNCTION est.serial_parse(serial text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    digits text := regexp_replace(lower(regexp_replace(serial, '[:\s]', '', 'g')), '^0x', '');
BEGIN
    PERFORM est.check_that(digits ~ '^[0-9a-f]+$', 'serial', serial,
                           'hexadecimal digits, with or without colons and 0x');
    digits := ltrim(digits, '0');
    digits := CASE WHEN length(digits) % 2 = 1 OR digits = '' THEN '0' ELSE '' END || digits;
    digits := CASE WHEN digits = '0' THEN '00' WHEN digits ~ '^[89a-f]' THEN '00' || digits ELSE digits END;
    RETURN digits;
END $$;

-- Revokes a certificate; ca (name of the <EstCA> or issuer) tells apart equal serials of several CAs. Returns a line
-- that says what was revoked
CREATE FUNCTION est.revoke(serial text, reason text DEFAULT 'unspecified', ca text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    wanted text := est.serial_parse(coalesce(revoke.serial, ''));
    matches bigint[];
    c est.certificate;
BEGIN
    PERFORM est.check_one_of('reason', coalesce(revoke.reason, 'NULL'), 'unspecified', 'keyCompromise', 'cACompromise',
                             'affiliationChanged',
        'superseded', 'cessationOfOperation', 'certificateHold', 'privilegeWithdrawn', 'aACompromise');
    matches := ARRAY(SELECT k.id FROM est.certificate k
                     WHERE k.serial = wanted AND (revoke.ca IS NULL OR revoke.ca IN (k.ca, k.issuer)));
    IF cardinality(matches) = 0 THEN
        RAISE EXCEPTION 'no certificate with serial %', wanted || coalesce(' of CA ' || quote_literal(revoke.ca), '')
            USING ERRCODE = 'no_data_found';
    ELSIF cardinality(matches) > 1 THEN
        RAISE EXCEPTION 'serial % is ambiguous: % certificates have it', wanted, cardinality(matches)
            USING ERRCODE = 'too_many_rows',
            HINT = 'Name the CA: ' || (SELECT string_agg(format('ca => %L', k.issuer), ' or ' ORDER BY k.id)
                                       FROM est.certificate k WHERE k.id = ANY (matches));
    END IF;
    SELECT k.* INTO STRICT c FROM est.certificate k WHERE k.id = matches[1] FOR UPDATE;
    IF c.status = 'revoked' THEN
        RAISE EXCEPTION 'certificate % is revoked since % (%)', wanted, c.revoked_at, c.revocation_reason
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    UPDATE est.certificate k SET status = 'revoked', revoked_at = now(), revocation_reason = revoke.reason
        WHERE k.id = c.id;
    RETURN format('revoked certificate %s: serial %s, subject %s, issued %s at alias %s by %s; reason %s',
        c.id, c.serial, c.subject, c.issued_at, c.alias, c.ca, revoke.reason);
END $$;

-- What ends within 30 days and has no valid successor: not replaced, or only by what is itself revoked or over
CREATE VIEW est.expiring_soon AS
SELECT c.serial, c.subject, c.san, c.alias, e.name AS entity, c.not_after,
       extract(day FROM c.not_after - now())::int AS days_left
FROM est.certificate c
JOIN est.end_entity e ON e.id = c.entity_id
WHERE c.status = 'valid' AND c.not_after >= now() AND c.not_after < now() + interval '30 days'
  AND NOT EXISTS (
    WITH RECURSIVE successor AS (
        SELECT s.id, s.status, s.not_after FROM est.certificate s WHERE s.replaces = c.id
        UNION
        SELECT s.id, s.status, s.not_after FROM est.certificate s JOIN successor ON s.replaces = successor.id)
    SELECT FROM successor WHERE successor.status = 'valid' AND successor.not_after > c.not_after)
ORDER BY c.not_after;

-- Days are those of the session's time zone
CREATE VIEW est.issued_per_day AS
SELECT n.at::date AS day, n.alias, n.operation, count(*) AS certificates
FROM est.enrollment n
WHERE n.outcome = 'issued'
GROUP BY 1, 2, 3
ORDER BY 1 DESC, 2, 3;
