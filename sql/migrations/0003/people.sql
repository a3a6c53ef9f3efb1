-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Functions for people (est_admin): entities, codes, clients. docs/sql.md shows their use.

-- 125 bits in five groups of five letters and digits: to be typed, and fit for any string type of a request
CREATE FUNCTION est.code_random() RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, est, pg_temp
BEGIN ATOMIC
    SELECT string_agg(substr('abcdefghijkmnpqrstuvwxyz23456789', get_byte(r.bytes, i) % 32 + 1, 1)
                      || CASE WHEN i IN (4, 9, 14, 19) THEN '-' ELSE '' END, '' ORDER BY i)
    FROM (SELECT est.gen_random_bytes(25) AS bytes) AS r, generate_series(0, 24) AS i;
END;

-- bcrypt reads 72 bytes
CREATE FUNCTION est.code_hash(code text) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, est, pg_temp AS $$
BEGIN
    PERFORM est.check_that(octet_length(code) BETWEEN 1 AND 72 AND NOT est.has_control(code),
        'code', '(not shown)', '1 to 72 bytes, no control characters');
    RETURN est.crypt(code, est.gen_salt('bf', 10));
END $$;

-- Gives a registered entity a code for an alias, whose group it is of; the code it had there is worth nothing any more.
-- Returns the code when one was made, NULL when the caller gave one
CREATE FUNCTION est.issue_code(entity text, alias text, code text DEFAULT NULL, uses int DEFAULT 1,
                               expires timestamptz DEFAULT NULL, networks text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    made text := CASE WHEN issue_code.code IS NULL THEN est.code_random() END;
    a record;
    e record;
BEGIN
    SELECT k.id, k.group_id, g.name AS grp INTO a
        FROM est.alias k JOIN est.entity_group g ON g.id = k.group_id WHERE k.name = issue_code.alias;
    IF a.id IS NULL THEN
        RAISE EXCEPTION 'there is no alias %', est.shown(issue_code.alias) USING ERRCODE = 'no_data_found';
    END IF;
    SELECT k.id, k.preregistered INTO e FROM est.end_entity k
        WHERE k.group_id = a.group_id AND k.name = issue_code.entity FOR NO KEY UPDATE;
    IF e.id IS NULL OR NOT e.preregistered THEN
        RAISE EXCEPTION 'no entity % is registered in group % of alias %', est.shown(issue_code.entity),
            est.shown(a.grp), est.shown(issue_code.alias)
            USING ERRCODE = 'no_data_found', HINT = 'est.register_entity() registers one.';
    END IF;
    PERFORM est.check_that(issue_code.uses BETWEEN 1 AND 1000000, 'uses', issue_code.uses::text, '1 to 1000000');
    PERFORM est.check_that((issue_code.expires > now()) IS NOT FALSE, 'expires', issue_code.expires::text,
                           'NULL (never), or a time to come');
    -- A new row with a new id: who has shown the old code does not use the new one
    DELETE FROM est.enrollment_code k WHERE k.entity_id = e.id AND k.alias_id = a.id;
    INSERT INTO est.enrollment_code (entity_id, alias_id, hash, uses_left, expires_at, networks)
        VALUES (e.id, a.id, est.code_hash(coalesce(issue_code.code, made)), issue_code.uses, issue_code.expires,
                est.networks_parse(issue_code.networks));
    RETURN made;
END $$;

-- 'dns:a.example, ip:10.0.0.1' -> text[]
CREATE FUNCTION est.san_parse(san text) RETURNS text[]
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN btrim(san, E' \t\n,') <> '' THEN regexp_split_to_array(btrim(san, E' \t\n,'), '[\s,]+') END;

-- Registers an entity for mode client, also one that enrolment has made before; with an alias it gets a code there, and
-- the result is that of issue_code()
CREATE FUNCTION est.register_entity(name text, grp text DEFAULT 'default', subject text DEFAULT NULL,
    san text DEFAULT NULL, alias text DEFAULT NULL, code text DEFAULT NULL, uses int DEFAULT 1,
    expires timestamptz DEFAULT NULL, networks text DEFAULT NULL, valid_until timestamptz DEFAULT NULL,
    max_active int DEFAULT NULL, description text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp AS $$
#variable_conflict use_column
DECLARE
    wanted int := est.group_find('grp', coalesce(register_entity.grp, ''));
    other text;
BEGIN
    PERFORM est.check_that(coalesce(octet_length(register_entity.name) BETWEEN 1 AND 1024
                                    AND NOT est.has_control(register_entity.name), false),
        'name', register_entity.name, '1 to 1024 bytes, no control characters');
    PERFORM est.check_that(register_entity.alias IS NOT NULL OR register_entity.code IS NULL, 'code', '(not shown)',
        'a code together with the alias that it is for');
    SELECT g.name INTO other FROM est.alias a JOIN est.entity_group g ON g.id = a.group_id
        WHERE a.name = register_entity.alias AND a.group_id <> wanted;
    PERFORM est.check_that(other IS NULL, 'grp', register_entity.grp,
        format('%L, the group of alias %L', other, register_entity.alias));
    PERFORM est.lock_name(wanted, register_entity.name);
    INSERT INTO est.end_entity AS e (group_id, name, preregistered, subject, san, valid_until, max_active, description)
        VALUES (wanted, register_entity.name, true, register_entity.subject, est.san_parse(register_entity.san),
                register_entity.valid_until, register_entity.max_active, register_entity.description)
        ON CONFLICT (group_id, name) DO UPDATE
            SET preregistered = true, subject = excluded.subject, san = excluded.san,
                valid_until = excluded.valid_until, max_active = excluded.max_active,
                description = excluded.description
            WHERE NOT e.preregistered;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'entity % is registered in group % already', est.shown(register_entity.name),
            est.shown(register_entity.grp)
            USING ERRCODE = 'unique_violation',
            HINT = 'est.issue_code() gives it another code; UPDATE est.end_entity changes the rest.';
    END IF;
    IF register_entity.alias IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN est.issue_code(register_entity.name, register_entity.alias, register_entity.code, register_entity.uses,
                          register_entity.expires, register_entity.networks);
END $$;

-- suspend() and reinstate()
CREATE FUNCTION est.set_entity_status(p_entity text, p_grp text, p_status text) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    wanted int := est.group_find('grp', coalesce(p_grp, ''));
    old text;
    certificates bigint;
BEGIN
    SELECT e.status INTO old FROM est.end_entity e WHERE e.group_id = wanted AND e.name = p_entity FOR NO KEY UPDATE;
    IF old IS NULL THEN
        RAISE EXCEPTION 'there is no entity % in group %', est.shown(p_entity), est.shown(p_grp)
            USING ERRCODE = 'no_data_found';
    ELSIF old = p_status THEN
        RAISE EXCEPTION 'entity % is % already', est.shown(p_entity), old
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    UPDATE est.end_entity e SET status = p_status WHERE e.group_id = wanted AND e.name = p_entity;
    certificates := (SELECT count(*) FROM est.certificate c JOIN est.end_entity e ON e.id = c.entity_id
                     WHERE e.group_id = wanted AND e.name = p_entity AND c.status = 'valid' AND c.not_after > now());
    RETURN format('entity %L is %s; it has %s valid certificates', p_entity, p_status, certificates)
        || CASE WHEN p_status = 'suspended' AND certificates > 0 THEN ', which revoke() ends' ELSE '' END;
END $$;

-- A suspended entity gets no certificate, at no alias; what it has stays valid
CREATE FUNCTION est.suspend(entity text, grp text DEFAULT 'default') RETURNS text
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp
BEGIN ATOMIC
    SELECT est.set_entity_status(entity, grp, 'suspended');
END;

CREATE FUNCTION est.reinstate(entity text, grp text DEFAULT 'default') RETURNS text
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp
BEGIN ATOMIC
    SELECT est.set_entity_status(entity, grp, 'active');
END;

-- As before, and with certificate (PEM) one that is known by it, under an anchor of kind ra: it needs no password
DROP FUNCTION est.register_client(text, text, text, text, text, timestamptz, text);
CREATE FUNCTION est.register_client(user_name text, password text DEFAULT NULL, groups text DEFAULT 'default',
                                    names text DEFAULT 'own', networks text DEFAULT NULL,
                                    valid_until timestamptz DEFAULT NULL, description text DEFAULT NULL,
                                    certificate text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp AS $$
#variable_conflict use_column
DECLARE
    made text := CASE WHEN register_client.password IS NULL AND register_client.certificate IS NULL
        THEN est.password_random() END;
    fingerprint bytea := CASE WHEN register_client.certificate IS NOT NULL
        THEN sha256(est.pem_to_der(register_client.certificate)) END;
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
    SELECT c.user_name INTO existing FROM est.client c WHERE c.cert_fingerprint = fingerprint;
    IF existing IS NOT NULL THEN
        RAISE EXCEPTION 'the certificate is that of client %', est.shown(existing) USING ERRCODE = 'unique_violation';
    END IF;
    PERFORM est.check_that(btrim(register_client.groups, E' \t\n,') <> '', 'groups', register_client.groups,
                           'at least one group, by name or id');
    PERFORM est.check_that(register_client.names IS NOT NULL, 'names', NULL, 'own, *, or patterns');
    INSERT INTO est.client (user_name, password_hash, names, networks, valid_until, description, cert_fingerprint)
        VALUES (register_client.user_name,
                CASE WHEN coalesce(register_client.password, made) IS NOT NULL
                    THEN est.password_hash(coalesce(register_client.password, made)) END,
                regexp_split_to_array(btrim(register_client.names, E' \t\n,'), '[\s,]+'),
                est.networks_parse(register_client.networks), register_client.valid_until, register_client.description,
                fingerprint)
        RETURNING id INTO new_id;
    FOREACH wanted IN ARRAY regexp_split_to_array(btrim(register_client.groups, E' \t\n,'), '\s*,\s*') LOOP
        INSERT INTO est.client_group (client_id, group_id) VALUES (new_id, est.group_find('groups', wanted))
            ON CONFLICT DO NOTHING;
    END LOOP;
    RETURN made;
END $$;
