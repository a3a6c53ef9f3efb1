-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- What time brings: run now and then by the module, or by any scheduler.

-- Revokes certificates that were replaced revoke_replaced ago, ends orders that nobody decided or came back for, also those
-- that their CA has, unless it is being asked just now, and forgets what limits no more. One at a time; others have nothing to do. What a row's lock keeps it from is done next
-- time
CREATE OR REPLACE FUNCTION est.maintain(OUT revoked int, OUT expired int)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp SET enable_seqscan = off AS $$
DECLARE
    a record;
    n int;
BEGIN
    revoked := 0;
    expired := 0;
    IF NOT pg_try_advisory_xact_lock(hashtextextended('mod_est maintain', 0)) THEN
        RETURN;
    END IF;
    FOR a IN SELECT k.id, now() - k.revoke_replaced AS until, coalesce(m.done_until, '-infinity') AS since,
                    -- One that is over, and could still be renewed, is worth as much as one that is not
                    now() - coalesce(k.renew_expired, '0') AS worthless
             FROM est.alias k LEFT JOIN est.maintenance m ON m.alias_id = k.id
             WHERE k.revoke_replaced IS NOT NULL ORDER BY k.id LOOP
        -- Looks back an hour: a transaction may commit later than another that began after it, or hold a lock
        UPDATE est.certificate c SET status = 'revoked', revoked_at = now(), revocation_reason = 'superseded'
            WHERE c.id IN (SELECT o.id
                FROM est.certificate s
                CROSS JOIN LATERAL (SELECT r.id FROM est.certificate r
                                    WHERE r.id = s.replaces AND r.status = 'valid' AND r.not_after > a.worthless
                                    FOR UPDATE SKIP LOCKED) AS o
                WHERE s.replaces IS NOT NULL AND s.alias_id = a.id AND s.issued_at > a.since - interval '1 hour'
                    AND s.issued_at <= a.until
                    -- Where the successor is worth nothing, the old one is what the device has
                    AND (s.status = 'valid' OR s.revocation_reason = 'superseded'));
        GET DIAGNOSTICS n = ROW_COUNT;
        revoked := revoked + n;
        INSERT INTO est.maintenance AS m (alias_id, done_until) VALUES (a.id, a.until)
            ON CONFLICT (alias_id) DO UPDATE SET done_until = greatest(m.done_until, excluded.done_until);
    END LOOP;

    UPDATE est.enrollment n SET outcome = 'expired'
        WHERE n.id IN (SELECT e.id FROM est.enrollment e
                       WHERE e.outcome IN ('pending', 'approved', 'forwarded') AND e.expires_at <= now()
                           AND (e.busy_until > now()) IS NOT TRUE
                       FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS expired = ROW_COUNT;

    DELETE FROM est.rate_bucket b USING (SELECT o.alias_id, o.who FROM est.rate_bucket o WHERE o.full_at < now()
                                         FOR UPDATE SKIP LOCKED) AS old
        WHERE (b.alias_id, b.who) = (old.alias_id, old.who);
    DELETE FROM est.group_day d WHERE d.day < est.quota_date() - 1;
END $$;
