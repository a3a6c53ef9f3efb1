-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Orders that are forwarded, for people (est_admin).

-- The order that a person means: by its whole id, or by so many of its first digits that there is no other. Those in the
-- state that it must be in come first: a prefix need not tell them from what was decided long ago
DROP FUNCTION est.order_find(text);
CREATE FUNCTION est.order_find(wanted text, state text DEFAULT 'pending') RETURNS uuid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    digits text := replace(lower(btrim(wanted)), '-', '');
    matches uuid[];
BEGIN
    PERFORM est.check_that(coalesce(digits ~ '^[0-9a-f]{4,32}$', false), 'id', wanted,
                           'the id of an order, or at least four of its first digits');
    matches := ARRAY(SELECT e.id FROM est.enrollment e
                     WHERE e.id BETWEEN rpad(digits, 32, '0')::uuid AND rpad(digits, 32, 'f')::uuid
                         AND e.order_key IS NOT NULL AND e.outcome = order_find.state ORDER BY e.at);
    IF matches = '{}' THEN
        matches := ARRAY(SELECT e.id FROM est.enrollment e
                         WHERE e.id BETWEEN rpad(digits, 32, '0')::uuid AND rpad(digits, 32, 'f')::uuid
                             AND e.order_key IS NOT NULL ORDER BY e.at);
    END IF;
    IF matches = '{}' THEN
        RAISE EXCEPTION 'there is no order %', est.shown(wanted) USING ERRCODE = 'no_data_found';
    ELSIF cardinality(matches) > 1 THEN
        RAISE EXCEPTION 'order % is ambiguous: % orders begin so', est.shown(wanted), cardinality(matches)
            USING ERRCODE = 'too_many_rows', HINT = 'They are ' || array_to_string(matches[:10], ', ');
    END IF;
    RETURN matches[1];
END $$;

-- An order that can be decided, locked: of two who decide at once, the second finds it decided
CREATE OR REPLACE FUNCTION est.order_to_decide(wanted text) RETURNS est.enrollment
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    found_id uuid := est.order_find(wanted);
    o est.enrollment;
BEGIN
    SELECT e.* INTO STRICT o FROM est.enrollment e WHERE e.id = found_id FOR UPDATE;
    IF o.outcome = 'forwarded' THEN
        RAISE EXCEPTION 'order % is forwarded to CA %', o.id, est.shown(o.ca)
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'est.give_up() ends it.';
    ELSIF o.outcome = 'failed' THEN
        RAISE EXCEPTION 'order % failed at %: %', o.id, o.decided_at, concat_ws(', ', o.rule, o.reason)
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The client opens a new one when it comes again.';
    ELSIF o.decided_at IS NOT NULL THEN
        RAISE EXCEPTION 'order % was % by % at %', o.id,
            CASE WHEN o.outcome = 'denied' THEN 'denied' ELSE 'approved' END, o.decided_by, o.decided_at
            USING ERRCODE = 'object_not_in_prerequisite_state';
    ELSIF o.outcome <> 'pending' OR o.expires_at <= now() THEN
        RAISE EXCEPTION 'order % is expired since %', o.id, o.expires_at
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The client opens a new one when it comes again.';
    END IF;
    RETURN o;
END $$;

-- Ends an order that is forwarded: the same request, when it comes again, opens a new one and is sent anew. What its CA
-- makes of it is not known here then, unless the answer is on its way just now
CREATE FUNCTION est.give_up(id text, reason text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    found_id uuid := est.order_find(give_up.id, 'forwarded');
    o est.enrollment;
BEGIN
    PERFORM est.check_text('reason', give_up.reason, 300);
    SELECT e.* INTO STRICT o FROM est.enrollment e WHERE e.id = found_id FOR UPDATE;
    IF o.outcome <> 'forwarded' THEN
        RAISE EXCEPTION 'order % is %, and not forwarded', o.id, o.outcome
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    UPDATE est.enrollment e
        SET outcome = 'failed', rule = 'given_up', reason = give_up.reason, decided_at = now(), decided_by = session_user,
            busy_until = NULL, ask_at = NULL
        WHERE e.id = o.id;
    RETURN 'given up ' || est.order_shown(o);
END $$;

CREATE VIEW est.forwarded AS
SELECT n.id, n.at, n.expires_at, n.alias, n.operation, n.identity_kind, n.identity, n.network, e.name AS entity, n.subject,
       n.san, encode(n.spki_hash, 'hex') AS spki_hash, n.ca, n.upstream, n.attempt, (n.busy_until > now()) IS TRUE AS busy,
       n.ask_at, date_trunc('second', now() - n.at) AS age
FROM est.enrollment n
LEFT JOIN est.end_entity e ON e.id = n.entity_id
WHERE n.outcome = 'forwarded' AND (n.expires_at > now() OR n.busy_until > now())
ORDER BY n.at;

-- has_certificate: one that was refused, in enrollment.answer
CREATE OR REPLACE VIEW est.denied_recently AS
SELECT n.at, n.id, n.alias, n.operation, n.identity_kind, n.identity, n.network, n.subject, n.rule,
       coalesce(n.reason, n.suppressed || ' refusals without a row of their own') AS reason,
       n.answer IS NOT NULL AS has_certificate
FROM est.enrollment n
WHERE n.outcome IN ('refused', 'denied', 'suppressed', 'failed') AND n.at > now() - interval '30 days'
ORDER BY n.at DESC;
