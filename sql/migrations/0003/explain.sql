-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- The judgement without its consequences: writes nothing, locks nothing.

-- A row a rule, in the order in which they are judged: those of judge_issue(), then those of issue_findings().
-- Parameters are those of record_issued(); verdict pass, fail or n/a. p_ordered: the request has an order
CREATE FUNCTION est.explain_issue(
    p_alias int, p_operation text, p_identity_kind text, p_identity text, p_network inet, p_holder_issuer bytea,
    p_holder_serial text, p_entity text, p_subject text, p_spki_hash bytea, p_modulus_hash bytea, p_code bigint,
    p_vendor text[], p_ordered boolean DEFAULT false)
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
    got := 'the certificate presented is ' || holder.status;
    RETURN NEXT;
    rule := 'certificate_unknown';
    verdict := CASE WHEN NOT counts THEN 'n/a' WHEN holder.alias_id = p_alias THEN 'pass'
        WHEN holder.id IS NULL AND a.unknown_holder = 'accept' AND p_identity_kind <> 'ra' THEN 'pass' ELSE 'fail' END;
    wanted := CASE WHEN counts THEN 'a certificate that was issued at alias ' || est.shown(a.name) END;
    got := CASE WHEN counts THEN CASE WHEN holder.id IS NULL THEN 'the certificate presented has no record'
        WHEN verdict = 'fail' THEN 'the certificate presented was issued at another alias' ELSE 'it was' END END;
    RETURN NEXT;
    blocked := est.key_blocked(p_spki_hash, p_modulus_hash);
    rule := 'key_blocked';
    verdict := CASE WHEN blocked IS NULL THEN 'pass' ELSE 'fail' END;
    wanted := 'a key that is not blocked';
    got := coalesce(blocked, 'it is not');
    RETURN NEXT;
    RETURN QUERY SELECT f.* FROM est.issue_findings(p_alias, p_identity_kind, p_identity, p_network, entity, p_entity,
        renewed, p_subject, p_spki_hash, p_code, p_vendor, p_ordered) AS f;
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

-- The same with what makes two requests the same: the certificate that was issued already (replay, pass), and the order
-- that is open for it (order, fail while it waits; approval_denied). Behind the last rule too_many_orders, of a request
-- that would open one.
CREATE FUNCTION est.explain_request(
    p_alias int, p_operation text, p_identity_kind text, p_identity text, p_network inet, p_holder_issuer bytea,
    p_holder_serial text, p_entity text, p_subject text, p_spki_hash bytea, p_modulus_hash bytea, p_code bigint,
    p_vendor text[], p_order_key bytea, p_idem_key bytea, p_idem_seconds int)
RETURNS TABLE (rule text, verdict text, wanted text, got text, retry_after int)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp SET enable_seqscan = off AS $$
DECLARE
    o record;
    s record;
    again text := (SELECT k.serial FROM est.enrollment e
                   CROSS JOIN LATERAL (SELECT c.serial FROM est.certificate c
                                       WHERE c.id = e.certificate_id AND c.status = 'valid' AND c.not_after > now()
                                           AND CASE WHEN e.order_key IS NULL THEN e.at ELSE c.issued_at END
                                               > now() - make_interval(secs => p_idem_seconds) OFFSET 0) AS k
                   WHERE e.idem_key = p_idem_key ORDER BY e.at DESC LIMIT 1);
    waits boolean;
    full_of text;
BEGIN
    SELECT e.id, e.outcome, e.reason, e.certificate_id, e.at, e.expires_at <= now() AS over INTO o
        FROM est.enrollment e WHERE e.order_key = p_order_key AND e.outcome <> 'expired' ORDER BY e.at DESC LIMIT 1;
    SELECT x.outcome, x.retry_after INTO s
        FROM est.order_state(p_alias, o.outcome, o.over, o.reason, o.certificate_id, p_idem_seconds) AS x;
    IF o.id IS NOT NULL AND s.outcome = 'replay' THEN
        again := coalesce(again, (SELECT c.serial FROM est.certificate c WHERE c.id = o.certificate_id));
    ELSIF s.outcome = 'over' THEN
        o.id := NULL;
    END IF;
    waits := o.id IS NOT NULL AND o.outcome IN ('pending', 'denied');

    FOR rule, verdict, wanted, got, retry_after IN
        SELECT f.* FROM est.explain_issue(p_alias, p_operation, p_identity_kind, p_identity, p_network, p_holder_issuer,
            p_holder_serial, p_entity, p_subject, p_spki_hash, p_modulus_hash, p_code, p_vendor, o.id IS NOT NULL) AS f
    LOOP
        IF rule = 'approval' AND waits AND verdict = 'pass' THEN
            verdict := 'fail'; got := 'no approved order'; retry_after := s.retry_after;
        END IF;
        RETURN NEXT;
        IF rule = 'approval' AND verdict = 'fail' AND NOT waits THEN
            full_of := est.orders_full(p_alias, p_identity_kind, p_identity);
            rule := 'too_many_orders'; retry_after := NULL;
            verdict := CASE WHEN full_of IS NULL THEN 'pass' ELSE 'fail' END;
            wanted := (SELECT 'fewer than ' || a.max_orders || ' open orders (max_orders)' FROM est.alias a WHERE a.id = p_alias);
            got := full_of;
            RETURN NEXT;
        ELSIF rule = 'key_blocked' THEN
            rule := 'replay'; retry_after := NULL;
            verdict := CASE WHEN again IS NULL THEN 'n/a' ELSE 'pass' END;
            wanted := CASE WHEN again IS NOT NULL THEN 'the same request within idempotency' END;
            got := 'certificate ' || again;
            RETURN NEXT;
            rule := 'order'; retry_after := CASE WHEN o.outcome = 'pending' THEN s.retry_after END;
            verdict := CASE WHEN o.id IS NULL OR o.outcome NOT IN ('pending', 'approved') THEN 'n/a'
                WHEN waits THEN 'fail' ELSE 'pass' END;
            wanted := CASE WHEN verdict <> 'n/a' THEN 'the order that is open for this request is approved' END;
            got := CASE WHEN verdict <> 'n/a' THEN format('order %s is %s', o.id, o.outcome) END;
            RETURN NEXT;
            rule := 'approval_denied'; retry_after := NULL;
            verdict := CASE WHEN o.id IS NULL THEN 'n/a' WHEN o.outcome = 'denied' THEN 'fail' ELSE 'pass' END;
            wanted := CASE WHEN o.id IS NOT NULL THEN 'an order that nobody has denied' END;
            got := CASE WHEN o.outcome = 'denied' AND o.id IS NOT NULL THEN o.reason END;
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;
