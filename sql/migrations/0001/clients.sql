-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Registered clients. Not part of the policy the module keeps in memory: it fetches one by name when it needs it.

CREATE TABLE est.client (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Counts every change of the row and of its groups: what record_issued() compares
    version       bigint NOT NULL DEFAULT 1,
    -- RFC 7617 2: no colon and no control character in a user name
    user_name     text NOT NULL UNIQUE CHECK (est.check_that(
                      octet_length(user_name) BETWEEN 1 AND 256 AND user_name !~ ':|^ | $|  '
                      AND NOT est.has_control(user_name),
                      'client.user_name', user_name,
                      '1 to 256 bytes without colon, control characters, double blanks and blanks at the ends')),
    -- The value is left out of the message: a password that was put here by mistake would end in a log
    password_hash text
                  CHECK (est.check_that(password_hash ~ '^\$2[ay]\$(0[4-9]|1[0-2])\$[./A-Za-z0-9]{53}$' IS NOT FALSE,
                      'client.password_hash', '(not shown)',
                      'NULL or a bcrypt hash $2a$ or $2y$ of cost 4 to 12, 60 characters: '
                      'est.set_client_password() makes one, so does htpasswd -B')),
    names         text[] NOT NULL DEFAULT '{own}' CHECK (est.check_client_names('client.names', names)),
    networks      cidr[] CHECK (est.check_networks('client.networks', networks)),
    enabled       boolean NOT NULL DEFAULT true,
    valid_from    timestamptz CHECK (est.check_time('client.valid_from', valid_from)),
    valid_until   timestamptz CHECK (est.check_time('client.valid_until', valid_until)),
    description   text CHECK (est.check_text('client.description', description, 1000)),
    created_at    timestamptz NOT NULL DEFAULT now(),
    CHECK (est.check_that(valid_from < valid_until IS NOT FALSE, 'client.valid_until', valid_until::text,
                          'a time after valid_from'))
);
-- Names in certificates compare without case (RFC 5280 7.1): two clients must not differ by it alone
CREATE UNIQUE INDEX client_user_name_folded ON est.client (lower(user_name COLLATE "C"));

CREATE TABLE est.client_group (
    client_id int NOT NULL REFERENCES est.client ON DELETE CASCADE,
    group_id  int NOT NULL REFERENCES est.entity_group ON DELETE RESTRICT,
    PRIMARY KEY (client_id, group_id)
);

CREATE FUNCTION est.client_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, est, pg_temp AS $$
BEGIN
    NEW.version := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE OLD.version + 1 END;
    RETURN NEW;
END $$;
CREATE TRIGGER version BEFORE INSERT OR UPDATE ON est.client FOR EACH ROW EXECUTE FUNCTION est.client_version();

-- A change of membership is a change of the client: its version, and with it the notification, follows
CREATE FUNCTION est.client_group_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE est.client SET version = version WHERE id IN (SELECT n.client_id FROM new_rows n);
    ELSIF TG_OP = 'DELETE' THEN
        UPDATE est.client SET version = version WHERE id IN (SELECT o.client_id FROM old_rows o);
    ELSE
        UPDATE est.client SET version = version
        WHERE id IN (SELECT n.client_id FROM new_rows n UNION SELECT o.client_id FROM old_rows o);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER changed_insert AFTER INSERT ON est.client_group REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION est.client_group_changed();
CREATE TRIGGER changed_update AFTER UPDATE ON est.client_group REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION est.client_group_changed();
CREATE TRIGGER changed_delete AFTER DELETE ON est.client_group REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION est.client_group_changed();

-- The module's only way to a client: by name, so that it can never list them. Times are seconds since 1970
CREATE FUNCTION est.client_get(p_user_name text,
    OUT id int, OUT version bigint, OUT user_name text, OUT password_hash text, OUT names text, OUT networks text,
    OUT groups text,
    OUT enabled boolean, OUT valid_from bigint, OUT valid_until bigint)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp
BEGIN ATOMIC
    SELECT c.id, c.version, c.user_name, c.password_hash, array_to_string(c.names, E'\n'),
           array_to_string(c.networks, E'\n'),
           coalesce((SELECT string_agg(m.group_id::text, E'\n' ORDER BY m.group_id) FROM est.client_group m
                     WHERE m.client_id = c.id), ''),
           c.enabled, floor(extract(epoch FROM c.valid_from))::bigint, floor(extract(epoch FROM c.valid_until))::bigint
    FROM est.client c WHERE c.user_name = p_user_name;
END;
