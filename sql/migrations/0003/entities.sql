-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- End entities that are registered before they enrol, and their enrolment codes.

-- Rules of columns of end_entity are domains, as records.sql has them, since enrolment makes entities; and domains call
-- functions that PostgreSQL does not take apart: it would set up all that is in them for each INSERT, also of NULL
CREATE FUNCTION est.check_entity_subject(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN est.check_subject('end_entity.subject', value);
END $$;
CREATE FUNCTION est.check_entity_san(value text[]) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN est.check_san('end_entity.san', value);
END $$;
CREATE FUNCTION est.check_entity_end(value timestamptz) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN est.check_time('end_entity.valid_until', value);
END $$;
CREATE FUNCTION est.check_entity_max_active(value int) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN est.check_between('end_entity.max_active', value, 1, 1000000);
END $$;
CREATE FUNCTION est.check_entity_description(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN est.check_text('end_entity.description', value, 1000);
END $$;

CREATE DOMAIN est.entity_status AS text CHECK (VALUE IN ('active', 'suspended'));
CREATE DOMAIN est.entity_subject AS text CHECK (VALUE IS NULL OR est.check_entity_subject(VALUE));
CREATE DOMAIN est.entity_san AS text[] CHECK (VALUE IS NULL OR est.check_entity_san(VALUE));
CREATE DOMAIN est.entity_end AS timestamptz CHECK (VALUE IS NULL OR est.check_entity_end(VALUE));
CREATE DOMAIN est.entity_max_active AS int CHECK (VALUE IS NULL OR est.check_entity_max_active(VALUE));
CREATE DOMAIN est.entity_description AS text CHECK (VALUE IS NULL OR est.check_entity_description(VALUE));

ALTER TABLE est.end_entity
    -- Counts changes: what record_issued() compares in mode client
    ADD COLUMN version       bigint NOT NULL DEFAULT 1,
    ADD COLUMN status        est.entity_status NOT NULL DEFAULT 'active',
    ADD COLUMN preregistered boolean NOT NULL DEFAULT false,
    ADD COLUMN subject       est.entity_subject,
    ADD COLUMN san           est.entity_san,
    ADD COLUMN valid_until   est.entity_end,
    ADD COLUMN max_active    est.entity_max_active,
    ADD COLUMN description   est.entity_description;

CREATE FUNCTION est.entity_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, est, pg_temp AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER version BEFORE UPDATE ON est.end_entity FOR EACH ROW EXECUTE FUNCTION est.entity_version();

-- A code stays when it is used up: who comes with it again is to be recognised
CREATE TABLE est.enrollment_code (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id  bigint NOT NULL REFERENCES est.end_entity ON DELETE CASCADE,
    alias_id   int NOT NULL REFERENCES est.alias ON DELETE CASCADE,
    hash       text NOT NULL CHECK (est.check_hash('enrollment_code.hash', hash)),
    uses_left  int NOT NULL DEFAULT 1 CHECK (est.check_between('enrollment_code.uses_left', uses_left, 0, 1000000)),
    expires_at timestamptz CHECK (est.check_time('enrollment_code.expires_at', expires_at)),
    networks   cidr[] CHECK (est.check_networks('enrollment_code.networks', networks)),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL DEFAULT session_user,
    UNIQUE (entity_id, alias_id)
);

-- The module's only way to an entity: by name, with the code that is bound to the alias
CREATE FUNCTION est.entity_get(p_alias int, p_name text,
    OUT id bigint, OUT version bigint, OUT name text, OUT status text, OUT preregistered boolean, OUT subject text,
    OUT san text, OUT valid_until bigint, OUT code_id bigint, OUT code_hash text)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp
BEGIN ATOMIC
    SELECT e.id, e.version, e.name, e.status, e.preregistered, e.subject, array_to_string(e.san, E'\n'),
           floor(extract(epoch FROM e.valid_until))::bigint, k.id, k.hash
    FROM est.alias a
    JOIN est.end_entity e ON e.group_id = a.group_id AND e.name = p_name
    LEFT JOIN est.enrollment_code k ON k.entity_id = e.id AND k.alias_id = a.id
    WHERE a.id = p_alias;
END;
