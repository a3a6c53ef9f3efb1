-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- What was done: entities, certificates, enrolments. Written by functions alone, read by people.
--
-- alias_id, client_id and group_id have no foreign key here: each would lock the same alias, client or group row for
-- every certificate issued (docs/sql.md has the measurement). Their ids come from sequences and are never used again,
-- so what a deleted alias leaves behind points to nothing and gives no right; alias and identity are kept as text
-- besides. A group with entities cannot be deleted (group_in_use).

-- Rules of single columns are domains: a CHECK of a table is parsed and planned anew by each INSERT, which for these
-- tables would take a quarter of the time of record_issued(); a domain's is kept.
CREATE DOMAIN est.sha256_hash AS bytea CHECK (octet_length(VALUE) = 32);
CREATE DOMAIN est.entity_name AS text CHECK (octet_length(VALUE) BETWEEN 1 AND 1024);
-- Contents octets of the INTEGER, in lower-case hexadecimal
CREATE DOMAIN est.serial_number AS text CHECK (VALUE ~ '^([0-9a-f]{2})+$' AND length(VALUE) <= 42);
CREATE DOMAIN est.certificate_status AS text CHECK (VALUE IN ('valid', 'revoked'));
-- RFC 5280 5.3.1 without removeFromCRL, which is no state
CREATE DOMAIN est.revocation_reason AS text
    CHECK (VALUE IN ('unspecified', 'keyCompromise', 'cACompromise', 'affiliationChanged',
    'superseded', 'cessationOfOperation', 'certificateHold', 'privilegeWithdrawn', 'aACompromise'));
CREATE DOMAIN est.enrollment_operation AS text CHECK (VALUE IN ('simpleenroll', 'simplereenroll'));
CREATE DOMAIN est.enrollment_identity_kind AS text CHECK (VALUE IN ('user', 'certificate'));
CREATE DOMAIN est.enrollment_outcome AS text CHECK (VALUE IN ('issued'));

CREATE TABLE est.end_entity (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_id   int NOT NULL,
    name       est.entity_name NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (group_id, name)
);

CREATE TABLE est.certificate (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alias_id          int NOT NULL,
    alias             text NOT NULL,
    entity_id         bigint NOT NULL REFERENCES est.end_entity,
    ca                text NOT NULL,
    issuer            text NOT NULL,
    issuer_hash       est.sha256_hash NOT NULL,
    serial            est.serial_number NOT NULL,
    subject           text NOT NULL,
    san               text[] NOT NULL DEFAULT '{}',
    spki_hash         est.sha256_hash NOT NULL,
    not_before        timestamptz NOT NULL,
    not_after         timestamptz NOT NULL,
    status            est.certificate_status NOT NULL DEFAULT 'valid',
    revoked_at        timestamptz,
    revocation_reason est.revocation_reason,
    replaces          bigint REFERENCES est.certificate,
    issued_at         timestamptz NOT NULL DEFAULT now(),
    der               bytea NOT NULL,
    CHECK (not_before < not_after AND (status = 'revoked') = (revoked_at IS NOT NULL)
           AND (status = 'revoked') = (revocation_reason IS NOT NULL)),
    -- The serial first: one index for the holder's look-up and for people, who know the serial alone
    UNIQUE (serial, issuer_hash)
);
-- Only re-enrolments pay for it; expiring_soon asks for successors
CREATE INDEX certificate_replaces ON est.certificate (replaces) WHERE replaces IS NOT NULL;
-- expiring_soon. Certificates are inserted about in the order in which they end, so block ranges do, and cost an
-- insertion next to nothing
CREATE INDEX certificate_not_after ON est.certificate USING brin (not_after) WITH (autosummarize = on);

CREATE TABLE est.enrollment (
    id             uuid PRIMARY KEY,
    at             timestamptz NOT NULL DEFAULT now(),
    alias_id       int NOT NULL,
    alias          text NOT NULL,
    operation      est.enrollment_operation NOT NULL,
    identity_kind  est.enrollment_identity_kind NOT NULL,
    identity       text NOT NULL,
    client_id      int,
    network        inet,
    entity_id      bigint NOT NULL REFERENCES est.end_entity,
    outcome        est.enrollment_outcome NOT NULL,
    idem_key       bytea,
    certificate_id bigint NOT NULL REFERENCES est.certificate
);
CREATE INDEX enrollment_idem_key ON est.enrollment (idem_key) WHERE idem_key IS NOT NULL;
