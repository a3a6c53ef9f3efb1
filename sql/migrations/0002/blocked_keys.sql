-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Keys that nobody gets a certificate for: those on this list, and those of certificates that were revoked because
-- their key was compromised. record_issued() looks, so a key is blocked from the moment its row is committed.

-- What a fingerprint of each kind is:
-- spki     SHA-256 of the SubjectPublicKeyInfo, DER
-- modulus  of an RSA key, as Debian's openssl-blacklist has it: the last 10 octets of the SHA-1 of "Modulus=", the
--          modulus in upper-case hexadecimal, and a newline
CREATE FUNCTION est.check_fingerprint(what text, kind text, value bytea) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value IS NULL OR CASE kind
    WHEN 'spki' THEN est.check_that(octet_length(value) = 32, what, encode(value, 'hex'),
        '32 octets for kind spki (SHA-256 of the SubjectPublicKeyInfo)')
    WHEN 'modulus' THEN est.check_that(octet_length(value) = 10, what, encode(value, 'hex'),
        '10 octets for kind modulus (the last 10 of SHA-1 of "Modulus=<HEX>\n")')
    ELSE true END;

-- No foreign key, no trigger, and not in the module's memory: lists have millions of rows
CREATE TABLE est.blocked_key (
    kind        text NOT NULL CHECK (est.check_one_of('blocked_key.kind', kind, 'spki', 'modulus')),
    fingerprint bytea NOT NULL CHECK (est.check_fingerprint('blocked_key.fingerprint', kind, fingerprint)),
    source      text NOT NULL DEFAULT 'by hand' CHECK (est.check_text('blocked_key.source', source, 100)),
    comment     text CHECK (est.check_text('blocked_key.comment', comment, 1000)),
    added_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (fingerprint, kind)
);

-- A certificate enters when it is revoked for that reason, so issuing one does not pay for it
CREATE INDEX certificate_compromised ON est.certificate (spki_hash)
    WHERE status = 'revoked' AND revocation_reason = 'keyCompromise';

GRANT SELECT, INSERT, DELETE ON est.blocked_key TO est_admin;
GRANT EXECUTE ON FUNCTION est.check_fingerprint(text, text, bytea) TO est_admin;
