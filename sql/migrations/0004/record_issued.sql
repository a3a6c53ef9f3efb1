-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- The one statement of an enrolment: locks, then checks what only the database can know, then records. Where the CA is
-- elsewhere, order_open() came before it.

-- outcome   rule                                      der
-- issued    NULL                                      NULL; what p_id recorded before, when this is a retry
-- replay    NULL                                      the certificate issued before under the same idempotency key, or
--                                                     for the same order, or which the CA has given once more
-- pending   NULL                                      NULL; the order still waits: retry_after
-- refused   the name of an error of the module        NULL; detail says what was got and wanted
-- stale     policy, client, entity: reload, judge     NULL
--           again. approval: open an order
--
-- p_holder_issuer is the SHA-256 of the issuer name, like p_issuer_hash, of a certificate of our own CA. p_modulus_hash
-- is the fingerprint of kind modulus of table blocked_key, NULL when the key is not RSA. p_dropped: what of the request
-- was left out. p_code: the enrolment code that was verified. p_entity_version: as entity_get() had it. p_order: the
-- order that order_open() named; its row becomes that of the certificate, also when it was forwarded and has expired
-- meanwhile: the certificate is there. p_vendor: the names of the device that a vendor certificate has.
--
-- A session plans these statements, and those of the foreign keys, once. Planned while the tables are empty and
-- analysed, reading a whole table or index looks best, and stays while they grow: hence enable_seqscan, and look-ups
-- that leave no choice of join (OFFSET 0).
CREATE OR REPLACE FUNCTION est.record_issued(
    p_id uuid, p_alias int, p_policy_version bigint, p_operation text, p_identity_kind text, p_identity text,
    p_client int, p_client_version bigint, p_network inet, p_holder_issuer bytea, p_holder_serial text, p_entity text,
    p_idem_key bytea, p_idem_seconds int, p_ca text, p_issuer text, p_issuer_hash bytea, p_serial text,
    p_subject text, p_san text[], p_spki_hash bytea, p_not_before timestamptz, p_not_after timestamptz, p_der bytea,
    p_modulus_hash bytea, p_dropped text, p_code bigint, p_entity_version bigint, p_order uuid, p_vendor text[],
    OUT outcome text, OUT rule text, OUT detail text, OUT der bytea, OUT retry_after int)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp SET enable_seqscan = off AS $$
DECLARE
    j record;
    again record;
BEGIN
    PERFORM est.commit_surely();
    LOOP
        j := est.judge_issue(p_id, p_alias, p_policy_version, p_operation, p_identity_kind, p_identity, p_client,
                             p_client_version, p_network, p_holder_issuer, p_holder_serial, p_entity, p_idem_key,
                             p_idem_seconds, p_subject, p_spki_hash, p_modulus_hash, p_code, p_entity_version, p_vendor,
                             p_order, NULL, NULL, NULL);
        IF j.outcome IS NOT NULL THEN
            outcome := j.outcome; rule := j.rule; detail := j.detail; der := j.der; retry_after := j.retry_after;
            RETURN;
        END IF;
        EXIT WHEN j.entity IS NOT NULL;
        INSERT INTO est.end_entity AS e (group_id, name) VALUES (j.group_id, p_entity) ON CONFLICT DO NOTHING
            RETURNING e.id INTO j.entity;
        EXIT WHEN j.entity IS NOT NULL;
        -- Another call has made it meanwhile: lock it, and judge by what that call has committed
    END LOOP;

    -- A CA elsewhere may answer the same request with the same certificate, long after it was recorded
    IF j.order_id IS NOT NULL THEN
        SELECT c.id, c.der, c.status, (c.alias_id, c.entity_id, c.der) = (p_alias, j.entity, p_der) AS same INTO again
            FROM est.certificate c WHERE c.serial = p_serial AND c.issuer_hash = p_issuer_hash;
        IF again.same AND again.status = 'valid' THEN
            UPDATE est.enrollment e
                SET outcome = 'issued', certificate_id = again.id, entity_id = j.entity, idem_key = p_idem_key,
                    dropped = p_dropped, state = NULL, busy_until = NULL, ask_at = NULL
                WHERE e.id = j.order_id;
            outcome := 'replay'; der := again.der;
            RETURN;
        ELSIF again.id IS NOT NULL THEN
            outcome := 'refused'; rule := 'ca_wrong';
            detail := CASE WHEN again.same THEN format('the CA gave certificate %s once more, which is %s', p_serial, again.status)
                ELSE format('the CA has given serial number %s to another certificate before', p_serial) END;
            RETURN;
        END IF;
    END IF;

    IF j.special THEN
        IF j.order_id IS NULL THEN
            PERFORM est.use_limits(p_alias, p_identity_kind, p_identity, p_code);
        END IF;
        INSERT INTO est.group_day AS d (group_id, day, issued)
            SELECT g.id, est.quota_date(), est.group_issued(g.id) + 1 FROM est.entity_group g
            WHERE g.id = j.group_id AND g.quota_day IS NOT NULL
            ON CONFLICT ON CONSTRAINT group_day_pkey DO UPDATE SET issued = d.issued + 1;
    END IF;
    IF j.order_id IS NOT NULL THEN
        WITH issued AS (
            INSERT INTO est.certificate (alias_id, alias, entity_id, ca, issuer, issuer_hash, serial, subject, san,
                                         spki_hash, not_before, not_after, replaces, der)
            VALUES (p_alias, j.alias, j.entity, p_ca, p_issuer, p_issuer_hash, p_serial, p_subject,
                    coalesce(p_san, '{}'), p_spki_hash, p_not_before, p_not_after, j.renewed, p_der)
            RETURNING id)
        UPDATE est.enrollment e
            SET outcome = 'issued', certificate_id = issued.id, entity_id = j.entity, idem_key = p_idem_key,
                dropped = p_dropped, state = NULL, busy_until = NULL, ask_at = NULL
            FROM issued WHERE e.id = j.order_id;
    ELSE
        WITH issued AS (
            INSERT INTO est.certificate (alias_id, alias, entity_id, ca, issuer, issuer_hash, serial, subject, san,
                                         spki_hash, not_before, not_after, replaces, der)
            VALUES (p_alias, j.alias, j.entity, p_ca, p_issuer, p_issuer_hash, p_serial, p_subject,
                    coalesce(p_san, '{}'), p_spki_hash, p_not_before, p_not_after, j.renewed, p_der)
            RETURNING id)
        INSERT INTO est.enrollment (id, alias_id, alias, operation, identity_kind, identity, client_id, network,
                                    entity_id, outcome, idem_key, certificate_id, dropped)
            SELECT p_id, p_alias, j.alias, p_operation, p_identity_kind, p_identity, p_client, p_network, j.entity,
                   'issued', p_idem_key, issued.id, p_dropped
            FROM issued;
    END IF;
    outcome := 'issued';
END $$;
