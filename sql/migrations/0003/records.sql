-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- The records: orders that wait for people, refusals, and what limits are counted with.

ALTER DOMAIN est.enrollment_operation DROP CONSTRAINT enrollment_operation_check;
ALTER DOMAIN est.enrollment_operation ADD CONSTRAINT enrollment_operation_check
    CHECK (VALUE IN ('simpleenroll', 'simplereenroll', 'serverkeygen', 'fullcmc'));
-- entity: by an enrolment code
ALTER DOMAIN est.enrollment_identity_kind DROP CONSTRAINT enrollment_identity_kind_check;
ALTER DOMAIN est.enrollment_identity_kind ADD CONSTRAINT enrollment_identity_kind_check
    CHECK (VALUE IN ('user', 'certificate', 'entity', 'vendor', 'ra'));
-- suppressed: a number of refusals that have no rows of their own
ALTER DOMAIN est.enrollment_outcome DROP CONSTRAINT enrollment_outcome_check;
ALTER DOMAIN est.enrollment_outcome ADD CONSTRAINT enrollment_outcome_check
    CHECK (VALUE IN ('issued', 'pending', 'approved', 'denied', 'expired', 'refused', 'suppressed'));
CREATE DOMAIN est.positive_count AS int CHECK (VALUE > 0);

ALTER TABLE est.enrollment
    ALTER alias_id DROP NOT NULL,
    ALTER alias DROP NOT NULL,
    ALTER operation DROP NOT NULL,
    ALTER identity_kind DROP NOT NULL,
    ALTER identity DROP NOT NULL,
    ALTER entity_id DROP NOT NULL,
    ALTER certificate_id DROP NOT NULL,
    -- Of orders and refusals; what was issued has them in its certificate
    ADD COLUMN subject    text,
    ADD COLUMN san        text[],
    ADD COLUMN spki_hash  est.sha256_hash,
    ADD COLUMN rule       text,
    ADD COLUMN reason     text,
    ADD COLUMN dropped    text,
    ADD COLUMN order_key  est.sha256_hash,
    ADD COLUMN csr        bytea,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN decided_at timestamptz,
    ADD COLUMN decided_by text,
    ADD COLUMN suppressed est.positive_count,
    -- Short: it is planned for each certificate
    ADD CONSTRAINT enrollment_whole CHECK (
        (outcome = 'issued') = (certificate_id IS NOT NULL AND entity_id IS NOT NULL)
        AND (outcome = 'suppressed') = (suppressed IS NOT NULL)
        AND (identity IS NOT NULL OR outcome = 'suppressed'));
CREATE INDEX enrollment_order_key ON est.enrollment (order_key) WHERE order_key IS NOT NULL;
CREATE INDEX enrollment_open ON est.enrollment (at) WHERE outcome IN ('pending', 'approved');
CREATE INDEX enrollment_denied ON est.enrollment (at) WHERE outcome IN ('refused', 'denied', 'suppressed');

-- Who has approved an order
CREATE TABLE est.approval (
    enrollment_id uuid NOT NULL REFERENCES est.enrollment,
    approver      text NOT NULL,
    at            timestamptz NOT NULL DEFAULT now(),
    note          text CHECK (est.check_text('approval.note', note, 1000)),
    PRIMARY KEY (enrollment_id, approver)
);

-- How much of its rate a client ('kind:identity'), or the alias as a whole (''), has used: until full_at some is used.
-- Without a log: after a crash everybody has the whole rate
CREATE UNLOGGED TABLE est.rate_bucket (
    alias_id int NOT NULL,
    who      text NOT NULL,
    full_at  timestamptz NOT NULL,
    PRIMARY KEY (alias_id, who)
);

-- Certificates that a group with a quota got on a day, of UTC
CREATE TABLE est.group_day (
    group_id int NOT NULL,
    day      date NOT NULL,
    issued   int NOT NULL,
    PRIMARY KEY (group_id, day)
);

-- A day that was counted with one quota is not the day of the next
CREATE FUNCTION est.quota_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp AS $$
BEGIN
    DELETE FROM est.group_day WHERE group_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER quota_changed AFTER UPDATE OF quota_day ON est.entity_group FOR EACH ROW
    EXECUTE FUNCTION est.quota_changed();

-- How far maintain() has come with the certificates that replace others
CREATE TABLE est.maintenance (
    alias_id   int PRIMARY KEY,
    done_until timestamptz NOT NULL
);
-- Only re-enrolments pay for it
CREATE INDEX certificate_successor ON est.certificate (alias_id, issued_at) WHERE replaces IS NOT NULL;

-- Certificates of an entity, of a key, of a name. Hashes are small, and take a new entry at a page that is likely at hand
CREATE INDEX end_entity_folded ON est.end_entity USING hash (lower(name COLLATE "C"));
CREATE INDEX certificate_entity ON est.certificate (entity_id);
CREATE INDEX certificate_spki ON est.certificate USING hash (spki_hash);
CREATE INDEX certificate_subject ON est.certificate USING hash (lower(subject));
