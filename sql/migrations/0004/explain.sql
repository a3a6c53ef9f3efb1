-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- The judgement without its consequences: writes nothing, locks nothing.

-- The same with what makes two requests the same: the certificate that was issued already (replay, pass), and the order
-- that is open for it (order, fail while it waits for people or its CA; approval_denied). Behind the last rule
-- too_many_orders, of a request that would open one. Which CA is elsewhere only the module knows: an order that was
-- forwarded is taken to be forwarded again.
CREATE OR REPLACE FUNCTION est.explain_request(
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
    waits boolean; -- for people
    at_ca boolean;
    full_of text;
BEGIN
    SELECT e.id, e.outcome::text, e.reason, e.certificate_id, e.ca, e.upstream, e.busy_until > now() AS busy INTO o
        FROM est.enrollment e WHERE e.order_key = p_order_key AND e.outcome NOT IN ('expired', 'failed')
            -- Where people approve no more, what they have left is asked for by nobody
            AND (e.outcome = 'forwarded' OR (SELECT a.approval <> 'none' FROM est.alias a WHERE a.id = p_alias))
        ORDER BY e.at DESC LIMIT 1;
    SELECT x.outcome, x.retry_after INTO s FROM est.order_state(o.id, p_idem_seconds, NULL, o.ca, 1) AS x;
    IF o.id IS NOT NULL AND s.outcome = 'replay' THEN
        again := coalesce(again, (SELECT c.serial FROM est.certificate c WHERE c.id = o.certificate_id));
    ELSIF s.outcome = 'over' THEN
        o.id := NULL;
    END IF;
    waits := o.id IS NOT NULL AND o.outcome IN ('pending', 'denied');
    at_ca := o.id IS NOT NULL AND o.outcome = 'forwarded';

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
            rule := 'order'; retry_after := CASE WHEN s.outcome = 'pending' THEN s.retry_after END;
            verdict := CASE WHEN o.id IS NULL OR o.outcome NOT IN ('pending', 'approved', 'forwarded') THEN 'n/a'
                WHEN s.outcome = 'pending' THEN 'fail' ELSE 'pass' END;
            wanted := CASE WHEN verdict <> 'n/a' THEN 'the order that is open for this request is '
                || CASE WHEN at_ca THEN 'to be asked for at its CA' ELSE 'approved' END END;
            got := CASE WHEN verdict = 'n/a' THEN NULL
                WHEN at_ca THEN format('order %s %s%s', o.id, coalesce('is at ' || o.upstream, 'is to be sent to CA ' || o.ca),
                    CASE WHEN o.busy THEN ', which is being asked' WHEN verdict = 'fail' THEN ', and waits for it' ELSE '' END)
                ELSE format('order %s is %s', o.id, o.outcome) END;
            RETURN NEXT;
            rule := 'approval_denied'; retry_after := NULL;
            verdict := CASE WHEN o.id IS NULL THEN 'n/a' WHEN o.outcome = 'denied' THEN 'fail' ELSE 'pass' END;
            wanted := CASE WHEN o.id IS NOT NULL THEN 'an order that nobody has denied' END;
            got := CASE WHEN o.outcome = 'denied' AND o.id IS NOT NULL THEN o.reason END;
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;
