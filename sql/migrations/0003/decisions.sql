-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Orders and what became of requests, for people (est_admin).

-- The order that a person means: by its whole id, or by so many of its first digits that there is no other
CREATE FUNCTION est.order_find(wanted text) RETURNS uuid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    digits text := replace(lower(btrim(wanted)), '-', '');
    matches uuid[];
BEGIN
    PERFORM est.check_that(coalesce(digits ~ '^[0-9a-f]{4,32}$', false), 'id', wanted,
                           'the id of an order, or at least four of its first digits');
    -- Those that wait come first: a prefix need not tell them from what was decided long ago
    matches := ARRAY(SELECT e.id FROM est.enrollment e
                     WHERE e.id BETWEEN rpad(digits, 32, '0')::uuid AND rpad(digits, 32, 'f')::uuid
                         AND e.order_key IS NOT NULL AND e.outcome = 'pending' ORDER BY e.at);
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
CREATE FUNCTION est.order_to_decide(wanted text) RETURNS est.enrollment
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    found_id uuid := est.order_find(wanted);
    o est.enrollment;
BEGIN
    SELECT e.* INTO STRICT o FROM est.enrollment e WHERE e.id = found_id FOR UPDATE;
    IF o.decided_at IS NOT NULL THEN
        RAISE EXCEPTION 'order % was % by % at %', o.id,
            CASE WHEN o.outcome = 'denied' THEN 'denied' ELSE 'approved' END, o.decided_by, o.decided_at
            USING ERRCODE = 'object_not_in_prerequisite_state';
    ELSIF o.outcome <> 'pending' OR o.expires_at <= now() THEN
        RAISE EXCEPTION 'order % is expired since %', o.id, o.expires_at
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The client opens a new one when it comes again.';
    END IF;
    RETURN o;
END $$;

CREATE FUNCTION est.order_shown(o est.enrollment) RETURNS text
LANGUAGE sql STABLE
RETURN format('order %s: %s at alias %s by %s %s for %s', (o).id, (o).operation, (o).alias, (o).identity_kind,
              (o).identity, coalesce(nullif((o).subject, ''), 'no subject'));

-- What was decided is told to the client for as long as an order may wait: order_expiry, from now on
CREATE FUNCTION est.approve(id text, note text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    o est.enrollment := est.order_to_decide(approve.id);
    given int;
    needed int;
    expiry interval;
BEGIN
    INSERT INTO est.approval (enrollment_id, approver, note) VALUES (o.id, session_user, approve.note)
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% has approved order % already', session_user, o.id USING ERRCODE = 'unique_violation',
            HINT = 'Another person must approve it too.';
    END IF;
    given := (SELECT count(*) FROM est.approval p WHERE p.enrollment_id = o.id);
    SELECT a.approvals, a.order_expiry INTO needed, expiry FROM est.alias a WHERE a.id = o.alias_id;
    IF needed IS NULL THEN
        RAISE EXCEPTION 'alias % of order % is gone', est.shown(o.alias), o.id
            USING ERRCODE = 'object_not_in_prerequisite_state';
    ELSIF given < needed THEN
        RETURN format('%s of %s approvals for %s', given, needed, est.order_shown(o));
    END IF;
    UPDATE est.enrollment e
        SET outcome = 'approved', decided_at = now(), decided_by = session_user, expires_at = now() + expiry
        WHERE e.id = o.id;
    RETURN 'approved ' || est.order_shown(o);
END $$;

-- The client reads the reason
CREATE FUNCTION est.deny(id text, reason text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    o est.enrollment := est.order_to_decide(deny.id);
BEGIN
    PERFORM est.check_that(deny.reason IS NOT NULL, 'reason', NULL, 'a reason, for the client to read');
    PERFORM est.check_text('reason', deny.reason, 300);
    UPDATE est.enrollment e
        SET outcome = 'denied', rule = 'approval_denied', reason = deny.reason, decided_at = now(),
            decided_by = session_user,
            expires_at = now() + coalesce((SELECT a.order_expiry FROM est.alias a WHERE a.id = o.alias_id), '0')
        WHERE e.id = o.id;
    RETURN 'denied ' || est.order_shown(o);
END $$;

CREATE VIEW est.pending AS
SELECT n.id, n.at, n.expires_at, n.alias, n.operation, n.identity_kind, n.identity, n.network, e.name AS entity, n.subject,
       n.san, encode(n.spki_hash, 'hex') AS spki_hash,
       (SELECT count(*) FROM est.approval p WHERE p.enrollment_id = n.id) || ' of ' || coalesce(a.approvals, 0)
           AS approvals,
       date_trunc('second', now() - n.at) AS age
FROM est.enrollment n
LEFT JOIN est.end_entity e ON e.id = n.entity_id
LEFT JOIN est.alias a ON a.id = n.alias_id
WHERE n.outcome = 'pending' AND n.expires_at > now()
ORDER BY n.at;

-- 30 days of what was refused
CREATE VIEW est.denied_recently AS
SELECT n.at, n.id, n.alias, n.operation, n.identity_kind, n.identity, n.network, n.subject, n.rule,
       coalesce(n.reason, n.suppressed || ' refusals without a row of their own') AS reason
FROM est.enrollment n
WHERE n.outcome IN ('refused', 'denied', 'suppressed') AND n.at > now() - interval '30 days'
ORDER BY n.at DESC;

-- Valid certificates that nobody renewed though it was time: half of the alias's renew_window is gone, or, where there
-- is none, they are over, for up to 30 days. A certificate counts as renewed when its entity has a valid one that ends
-- later and replaces it or has its subject
CREATE VIEW est.should_have_renewed AS
SELECT c.serial, c.subject, c.san, c.alias, e.name AS entity, c.not_after, d.due,
       date_trunc('second', now() - d.due) AS late
FROM est.certificate c
JOIN est.end_entity e ON e.id = c.entity_id
LEFT JOIN est.alias a ON a.id = c.alias_id
CROSS JOIN LATERAL (SELECT c.not_after - coalesce(a.renew_window, '0') / 2 AS due) AS d
WHERE c.status = 'valid' AND d.due < now() AND c.not_after > now() - interval '30 days' AND e.status = 'active'
  AND NOT EXISTS (
    SELECT FROM est.certificate s
    WHERE s.entity_id = c.entity_id AND s.status = 'valid' AND s.not_after > greatest(c.not_after, now())
        AND (s.replaces = c.id OR lower(s.subject) = lower(c.subject)))
ORDER BY c.not_after;

-- By the day of the certificate: an order may have been opened on another
CREATE OR REPLACE VIEW est.issued_per_day AS
SELECT c.issued_at::date AS day, n.alias, n.operation, count(*) AS certificates
FROM est.enrollment n JOIN est.certificate c ON c.id = n.certificate_id
WHERE n.outcome = 'issued'
GROUP BY 1, 2, 3
ORDER BY 1 DESC, 2, 3;
