-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- The judgement without its consequences: writes nothing, locks nothing.

-- A row a rule, in the order in which they are judged: those of judge_issue(), then those of issue_findings().
-- Parameters are those of record_issued(); verdict pass, fail or n/a
CREATE FUNCTION est.explain_issue(
    p_alias int, p_operation text, p_identity_kind text, p_identity text, p_network inet, p_holder_issuer bytea,
    p_holder_serial text, p_entity text, p_subject text, p_spki_hash bytea, p_modulus_hash bytea, p_code bigint,
    p_vendor text[])
RETURNS TABLE (rule text, verdict text, wanted text, got text, retry_after int)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp SET enable_seqscan = off AS $$
DECLARE
    a record;
    holder record;
    entity bigint;
    renewed bigint;
    blocked text;
    counts boolean;
BEGIN
    SELECT k.id, k.name, k.group_id, k.mode, k.unknown_holder, k.auth_enroll INTO a FROM est.alias k WHERE k.id = p_alias;
    IF a.id IS NULL THEN
        RAISE EXCEPTION 'there is no alias %', p_alias USING ERRCODE = 'no_data_found';
    END IF;
    SELECT c.id, c.alias_id, c.alias, c.status, c.entity_id INTO holder FROM est.certificate c
        WHERE c.serial = p_holder_serial AND c.issuer_hash = p_holder_issuer;
    IF holder.alias_id = p_alias AND p_operation = 'simplereenroll' THEN
        renewed := holder.id;
        entity := holder.entity_id;
    ELSE
        entity := (SELECT e.id FROM est.end_entity e WHERE e.group_id = a.group_id AND e.name = p_entity);
        IF entity IS NULL AND a.mode = 'ra' AND est.is_host_name(p_entity) THEN
            entity := (SELECT e.id FROM est.end_entity e
                       WHERE e.group_id = a.group_id AND lower(e.name COLLATE "C") = lower(p_entity COLLATE "C")
                       ORDER BY e.id LIMIT 1);
        END IF;
    END IF;
    counts := p_holder_issuer IS NOT NULL
        AND (p_identity_kind IN ('certificate', 'ra') OR a.auth_enroll = 'basic-and-cert');

    rule := 'certificate_revoked';
    verdict := CASE WHEN holder.id IS NULL THEN 'n/a' WHEN holder.status = 'revoked' THEN 'fail' ELSE 'pass' END;
    wanted := CASE WHEN holder.id IS NOT NULL THEN 'a certificate that is valid' END;
    got := holder.status;
    RETURN NEXT;
    rule := 'certificate_unknown';
    verdict := CASE WHEN NOT counts THEN 'n/a' WHEN holder.alias_id = p_alias THEN 'pass'
        WHEN holder.id IS NULL AND a.unknown_holder = 'accept' AND p_identity_kind <> 'ra' THEN 'pass' ELSE 'fail' END;
    wanted := CASE WHEN counts THEN 'a certificate that was issued at alias ' || est.shown(a.name) END;
    got := CASE WHEN counts THEN CASE WHEN holder.id IS NULL THEN 'one without a record'
        ELSE 'one of alias ' || est.shown(holder.alias) END END;
    RETURN NEXT;
    blocked := est.key_blocked(p_spki_hash, p_modulus_hash);
    rule := 'key_blocked';
    verdict := CASE WHEN blocked IS NULL THEN 'pass' ELSE 'fail' END;
    wanted := 'a key that is not blocked';
    got := coalesce(blocked, 'it is not');
    RETURN NEXT;
    RETURN QUERY SELECT f.* FROM est.issue_findings(p_alias, p_identity_kind, p_identity, p_network, entity, p_entity,
        renewed, p_subject, p_spki_hash, p_code, p_vendor, false) AS f;
END $$;

CREATE FUNCTION est.key_blocked(p_spki_hash bytea, p_modulus_hash bytea) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce((SELECT CASE b.kind WHEN 'spki' THEN 'it' ELSE 'its modulus' END || ' is listed (' || b.source || ')'
                     FROM est.blocked_key b WHERE b.fingerprint = ANY (ARRAY[p_spki_hash, p_modulus_hash]) LIMIT 1),
                    (SELECT 'a certificate for it was revoked with reason keyCompromise' FROM est.certificate k
                     WHERE k.status = 'revoked' AND k.revocation_reason = 'keyCompromise'
                         AND k.spki_hash = p_spki_hash LIMIT 1));
END;
