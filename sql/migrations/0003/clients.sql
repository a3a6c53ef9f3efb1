-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Clients that are known by a certificate: registration authorities under an anchor of kind ra.

ALTER TABLE est.client
    ADD COLUMN cert_fingerprint bytea UNIQUE CHECK (est.check_that(octet_length(cert_fingerprint) = 32 IS NOT FALSE,
        'client.cert_fingerprint', encode(cert_fingerprint, 'hex'), 'NULL, or 32 octets: SHA-256 of the certificate')),
    -- Two clients of one subject: neither could be told from the other
    ADD COLUMN cert_subject text UNIQUE CHECK (est.check_text('client.cert_subject', cert_subject, 1000)
        AND est.check_that(cert_subject ~ '^[^=]+=' IS NOT FALSE, 'client.cert_subject', cert_subject,
                           'the subject of a certificate, such as CN=ra,O=Example'));

-- As client_get(); the certificate itself goes before its subject
CREATE FUNCTION est.client_by_certificate(p_fingerprint bytea, p_subject text,
    OUT id int, OUT version bigint, OUT user_name text, OUT password_hash text, OUT names text, OUT networks text,
    OUT groups text,
    OUT enabled boolean, OUT valid_from bigint, OUT valid_until bigint)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp
BEGIN ATOMIC
    SELECT g.*
    FROM (SELECT c.user_name, 1 AS place FROM est.client c WHERE c.cert_fingerprint = p_fingerprint
          UNION ALL
          SELECT c.user_name, 2 FROM est.client c WHERE c.cert_subject = p_subject) AS known
    CROSS JOIN LATERAL est.client_get(known.user_name) AS g
    ORDER BY known.place LIMIT 1;
END;
