-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- What has to be there before the first migration: the three roles, the schema, pgcrypto. Safe to run again.
-- Included by install.sql, which runs as superuser.

DO $$
BEGIN
    IF pg_catalog.current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'the database has encoding %; mod_est needs UTF8', pg_catalog.current_setting('server_encoding')
            USING HINT = 'createdb -E UTF8 -T template0 est';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'est_owner') THEN
        CREATE ROLE est_owner NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'est_admin') THEN
        CREATE ROLE est_admin NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'est_module') THEN
        CREATE ROLE est_module LOGIN;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
               WHERE e.extname = 'pgcrypto' AND n.nspname <> 'est') THEN
        RAISE EXCEPTION 'pgcrypto is installed in another schema of this database'
            USING HINT = 'ALTER EXTENSION pgcrypto SET SCHEMA est; after CREATE SCHEMA est AUTHORIZATION est_owner; '
                         'or use a database of its own.';
    END IF;
END $$;

CREATE SCHEMA IF NOT EXISTS est AUTHORIZATION est_owner;
GRANT USAGE ON SCHEMA est TO est_admin, est_module;

CREATE EXTENSION IF NOT EXISTS pgcrypto SCHEMA est;

-- Functions are for everybody by default: here, for those alone to whom they are granted
ALTER DEFAULT PRIVILEGES FOR ROLE est_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA est FROM PUBLIC;
GRANT EXECUTE ON FUNCTION est.crypt(text, text), est.gen_salt(text), est.gen_salt(text, integer)
    TO est_owner, est_admin;
GRANT EXECUTE ON FUNCTION est.gen_random_bytes(integer) TO est_owner;
