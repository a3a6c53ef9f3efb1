-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- The one statement of an enrolment at a local CA: locks, then checks what only the database can know, then records.
-- Takes the place of the first migration's, and also refuses keys that are blocked.

DROP FUNCTION est.record_issued(uuid, int, bigint, text, text, text, int, bigint, inet, bytea, text, text, bytea, int, text,
                                text, bytea, text, text, text[], bytea, timestamptz, timestamptz, bytea);

-- outcome   rule                                      der
-- issued    NULL                                      NULL; what p_id recorded before, when this is a retry
-- replay    NULL                                      the certificate issued before under the same idempotency key
-- refused   the name of an error of the module        NULL; detail says what was wanted and got
-- stale     policy or client: reload, judge again     NULL
--
-- Every lock is taken by a statement of its own and every check is a later statement, which therefore sees what the
-- transaction that was waited for has committed. p_holder_issuer is the SHA-256 of the issuer name, like
-- p_issuer_hash. p_modulus_hash is the fingerprint of kind modulus of table blocked_key, NULL when the key is not RSA.
--
-- A session plans these statements, and those of the foreign keys, once. Planned while the tables are empty and
-- analysed, reading a whole table or index looks best, and stays while they grow: hence enable_seqscan, and look-ups
-- that leave no choice of join (OFFSET 0).
CREATE FUNCTION est.record_issued(
    p_id uuid, p_alias int, p_policy_version bigint, p_operation text, p_identity_kind text, p_identity text,
    p_client int, p_client_version bigint, p_network inet, p_holder_issuer bytea, p_holder_serial text, p_entity text,
    p_idem_key bytea, p_idem_seconds int, p_ca text, p_issuer text, p_issuer_hash bytea, p_serial text,
    p_subject text, p_san text[], p_spki_hash bytea, p_not_before timestamptz, p_not_after timestamptz, p_der bytea,
    p_modulus_hash bytea,
    OUT outcome text, OUT rule text, OUT detail text, OUT der bytea)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp SET enable_seqscan = off AS $$
DECLARE
    v_alias          text;
    v_group          int;
    v_unknown_holder text;
    v_entity         bigint;
    v_holder         bigint;
    v_holder_alias   int;
    v_holder_status  text;
    v_holder_counts  boolean;
    v_policy_version bigint;
    v_client_version bigint;
    v_same_request   boolean;
    v_blocked        text;
BEGIN
    -- Not as a SET of the function, which would be undone before the commit
    IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    -- The module must hear the warning that the wait for a standby was cancelled
    IF current_setting('client_min_messages') IN ('error', 'fatal', 'panic') THEN
        PERFORM set_config('client_min_messages', 'warning', true);
    END IF;
    IF coalesce(octet_length(p_entity), 0) NOT BETWEEN 1 AND 1024 THEN
        outcome := 'refused'; rule := 'name_refused'; detail := 'entity name is empty or over 1024 bytes';
        RETURN;
    END IF;
    IF p_idem_key IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(('x' || encode(substr(p_idem_key, 1, 8), 'hex'))::bit(64)::bigint);
    END IF;
    IF p_holder_issuer IS NOT NULL THEN
        SELECT c.id, c.alias_id, c.status INTO v_holder, v_holder_alias, v_holder_status
            FROM est.certificate c WHERE c.serial = p_holder_serial AND c.issuer_hash = p_holder_issuer FOR SHARE;
    END IF;

    LOOP
        SELECT e.id INTO v_entity
            FROM est.end_entity e
            WHERE e.group_id = (SELECT a.group_id FROM est.alias a WHERE a.id = p_alias) AND e.name = p_entity
            FOR NO KEY UPDATE;

        SELECT a.name, a.group_id, a.unknown_holder,
               -- Must the certificate presented be on record here? Not where the password was enough
               p_holder_issuer IS NOT NULL AND (p_identity_kind = 'certificate' OR a.auth_enroll = 'basic-and-cert'),
               pv.version, (SELECT cl.version FROM est.client cl WHERE cl.id = p_client),
               done.same, done.der,
               -- One look-up: the kinds differ in length, so that neither is taken for the other
               coalesce((SELECT CASE b.kind WHEN 'spki' THEN 'it' ELSE 'its modulus' END
                                    || ' is listed (' || b.source || ')'
                         FROM est.blocked_key b WHERE b.fingerprint = ANY (ARRAY[p_spki_hash, p_modulus_hash]) LIMIT 1),
                        (SELECT 'a certificate for it was revoked with reason keyCompromise' FROM est.certificate k
                         WHERE k.status = 'revoked' AND k.revocation_reason = 'keyCompromise'
                             AND k.spki_hash = p_spki_hash LIMIT 1))
            INTO v_alias, v_group, v_unknown_holder, v_holder_counts, v_policy_version, v_client_version,
                 v_same_request, der, v_blocked
            FROM est.policy_version pv
            LEFT JOIN est.alias a ON a.id = p_alias
            LEFT JOIN est.enrollment e ON e.id = p_id
            LEFT JOIN LATERAL (SELECT (e.identity, e.identity_kind, c.spki_hash)
                                          = (p_identity, p_identity_kind, p_spki_hash) AS same, c.der
                               FROM est.certificate c WHERE c.id = e.certificate_id OFFSET 0) AS done ON true
            WHERE pv.singleton;
        IF NOT v_same_request THEN
            RAISE EXCEPTION 'request id % is on record for another identity or key', p_id
                USING ERRCODE = 'unique_violation';
        ELSIF v_same_request THEN
            outcome := 'issued';
        ELSIF v_alias IS NULL OR v_policy_version IS DISTINCT FROM p_policy_version THEN
            outcome := 'stale'; rule := 'policy';
        ELSIF p_client IS NOT NULL AND v_client_version IS DISTINCT FROM p_client_version THEN
            outcome := 'stale'; rule := 'client';
        ELSIF v_holder_status = 'revoked' THEN
            outcome := 'refused'; rule := 'certificate_revoked'; detail := 'the certificate presented is revoked';
        ELSIF v_holder_counts AND v_holder IS NULL AND v_unknown_holder <> 'accept' THEN
            outcome := 'refused'; rule := 'certificate_unknown'; detail := 'the certificate presented has no record';
        ELSIF v_holder_counts AND v_holder_alias IS DISTINCT FROM p_alias AND v_holder IS NOT NULL THEN
            outcome := 'refused'; rule := 'certificate_unknown';
            detail := 'the certificate presented was issued at another alias';
        ELSIF v_blocked IS NOT NULL THEN
            outcome := 'refused'; rule := 'key_blocked'; detail := v_blocked;
        ELSIF p_idem_key IS NOT NULL THEN
            SELECT 'replay', c.der INTO outcome, der
                FROM est.enrollment e
                CROSS JOIN LATERAL (SELECT k.der FROM est.certificate k
                                    WHERE k.id = e.certificate_id AND k.status = 'valid'
                                        AND k.not_after > now() OFFSET 0) AS c
                WHERE e.idem_key = p_idem_key AND e.at > now() - make_interval(secs => p_idem_seconds)
                ORDER BY e.at DESC LIMIT 1;
        END IF;
        IF outcome IS NOT NULL THEN
            RETURN;
        END IF;

        EXIT WHEN v_entity IS NOT NULL;
        INSERT INTO est.end_entity AS e (group_id, name) VALUES (v_group, p_entity) ON CONFLICT DO NOTHING
            RETURNING e.id INTO v_entity;
        EXIT WHEN v_entity IS NOT NULL;
        -- Another call has made it meanwhile: lock it, and judge by what that call has committed
    END LOOP;

    WITH issued AS (
        INSERT INTO est.certificate (alias_id, alias, entity_id, ca, issuer, issuer_hash, serial, subject, san,
                                     spki_hash, not_before, not_after, replaces, der)
        VALUES (p_alias, v_alias, v_entity, p_ca, p_issuer, p_issuer_hash, p_serial, p_subject, coalesce(p_san, '{}'),
                p_spki_hash, p_not_before, p_not_after,
                CASE WHEN p_operation = 'simplereenroll' THEN v_holder END, p_der)
        RETURNING id)
    INSERT INTO est.enrollment (id, alias_id, alias, operation, identity_kind, identity, client_id, network, entity_id,
                                outcome, idem_key, certificate_id)
        SELECT p_id, p_alias, v_alias, p_operation, p_identity_kind, p_identity, p_client, p_network, v_entity,
               'issued', p_idem_key, issued.id
        FROM issued;
    outcome := 'issued';
END $$;

GRANT EXECUTE ON FUNCTION
    est.record_issued(uuid, int, bigint, text, text, text, int, bigint, inet, bytea, text, text, bytea, int, text, text,
                      bytea, text, text, text[], bytea, timestamptz, timestamptz, bytea, bytea)
    TO est_module;
