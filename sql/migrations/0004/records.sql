-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- The records: orders that are forwarded to a CA elsewhere.

-- forwarded: it is, or may be, at the CA, or is to be sent there. failed: the CA refused it, its certificate was refused,
-- or it was given up
ALTER DOMAIN est.enrollment_outcome DROP CONSTRAINT enrollment_outcome_check;
ALTER DOMAIN est.enrollment_outcome ADD CONSTRAINT enrollment_outcome_check
    CHECK (VALUE IN ('issued', 'pending', 'approved', 'denied', 'expired', 'refused', 'suppressed', 'forwarded', 'failed'));

ALTER TABLE est.enrollment
    ADD COLUMN ca         text,        -- <EstCA> that it is forwarded to
    ADD COLUMN upstream   text,        -- the one of its upstreams that has it, or may have it
    ADD COLUMN state      bytea,       -- what that said, for the module
    ADD COLUMN attempt    int,         -- exchanges that were begun
    ADD COLUMN attempt_by uuid,        -- id of the request that began the last one
    ADD COLUMN busy_until timestamptz, -- lease of the process that has begun it
    ADD COLUMN ask_at     timestamptz, -- upstream is not to be asked before
    ADD COLUMN answer     bytea,       -- a certificate that was refused: it exists at the CA
    DROP CONSTRAINT enrollment_whole,
    -- Short: it is planned for each certificate
    ADD CONSTRAINT enrollment_whole CHECK (
        (outcome = 'issued') = (certificate_id IS NOT NULL AND entity_id IS NOT NULL)
        AND (outcome = 'suppressed') = (suppressed IS NOT NULL)
        AND (identity IS NOT NULL OR outcome = 'suppressed')
        AND (outcome <> 'forwarded' OR num_nonnulls(csr, ca, attempt, expires_at) = 4));

DROP INDEX est.enrollment_open;
CREATE INDEX enrollment_open ON est.enrollment (at) WHERE outcome IN ('pending', 'approved', 'forwarded');
DROP INDEX est.enrollment_denied;
CREATE INDEX enrollment_denied ON est.enrollment (at) WHERE outcome IN ('refused', 'denied', 'suppressed', 'failed');
