-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Installs mod_est's schema, or brings it up to date:
--
--     psql -v ON_ERROR_STOP=1 -d est -f install.sql
--
-- as a superuser, in a database of encoding UTF8. Everything happens in one transaction: it is done wholly or not at
-- all. Safe to run again: migrations that schema_version lists are passed over.

\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;

BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('mod_est install', 0)) \g /dev/null

\ir roles.sql

ALTER DATABASE :"DBNAME" SET search_path = est, public;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL ROLE est_owner;

CREATE TABLE IF NOT EXISTS est.schema_version (
    version    int PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

SELECT NOT EXISTS (SELECT FROM est.schema_version WHERE version = 1) AS missing \gset
\if :missing
    \ir migrations/0001_initial.sql
    INSERT INTO est.schema_version (version, name) VALUES (1, 'initial');
\endif

SELECT NOT EXISTS (SELECT FROM est.schema_version WHERE version = 2) AS missing \gset
\if :missing
    \ir migrations/0002_conformance.sql
    INSERT INTO est.schema_version (version, name) VALUES (2, 'conformance');
\endif

SELECT NOT EXISTS (SELECT FROM est.schema_version WHERE version = 3) AS missing \gset
\if :missing
    \ir migrations/0003_judgement.sql
    INSERT INTO est.schema_version (version, name) VALUES (3, 'judgement');
\endif

SELECT NOT EXISTS (SELECT FROM est.schema_version WHERE version = 4) AS missing \gset
\if :missing
    \ir migrations/0004_backends.sql
    INSERT INTO est.schema_version (version, name) VALUES (4, 'backends');
\endif

COMMIT;

\echo 'mod_est: schema is up to date'
SELECT version, name, applied_at FROM est.schema_version ORDER BY version;
