-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- What stands between a request and its certificate: takes the locks of an issuance, then judges. Called by
-- record_issued() and order_open(), whose parameters it has; they describe the outcomes.
--
-- Every lock is taken by a statement of its own and every check is a later statement, which therefore sees what the
-- transaction that was waited for has committed. Locks are taken in this order, so that no two calls wait for each other:
-- idempotency key, order key, subject, key; order, presented certificate, name of the end entity, end entity, code, group,
-- rates.
--
-- outcome NULL: nothing stands in the way. entity NULL then: there is none of the name yet. special: some setting wants
-- more than the certificate itself to be recorded.

DROP FUNCTION est.judge_issue(uuid, int, bigint, text, text, text, int, bigint, inet, bytea, text, text, bytea, int, text, bytea,
                              bytea, bigint, bigint, text[], uuid, bytea);
DROP FUNCTION est.order_state(int, text, boolean, text, bigint, int);

-- The settings are read before the locks; what they say is true when the policy's version, read after the locks, is the
-- caller's
CREATE FUNCTION est.judge_issue(
    p_id uuid, p_alias int, p_policy_version bigint, p_operation text, p_identity_kind text, p_identity text,
    p_client int, p_client_version bigint, p_network inet, p_holder_issuer bytea, p_holder_serial text, p_entity text,
    p_idem_key bytea, p_idem_seconds int, p_subject text, p_spki_hash bytea, p_modulus_hash bytea, p_code bigint,
    p_entity_version bigint, p_vendor text[], p_order uuid, p_order_key bytea, p_ca text, p_lease int,
    OUT outcome text, OUT rule text, OUT detail text, OUT der bytea, OUT retry_after int,
    OUT alias text, OUT group_id int, OUT entity bigint, OUT renewed bigint, OUT order_id uuid, OUT special boolean)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_unknown_holder text;
    v_holder_needed  boolean;
    v_client_mode    boolean;
    v_unique_dn      boolean;
    v_unique_key     boolean;
    v_quotas         boolean;
    v_rate_client    boolean;
    v_rate_alias     boolean;
    v_order          record;
    v_holder         bigint;
    v_holder_alias   int;
    v_holder_status  text;
    v_holder_entity  bigint;
    v_holder_counts  boolean;
    v_version        bigint;
    v_limited        boolean; -- the entity itself is
    v_limits         boolean; -- is there anything that issue_findings() could find? It takes longer than all the rest
    v_policy_version bigint;
    v_client_version bigint;
    v_done           text;
    v_same_request   boolean;
    v_blocked        text;
    v_replayed       bigint;
    v_refused        record;
BEGIN
    SELECT a.name, a.group_id, a.unknown_holder, a.auth_enroll = 'basic-and-cert', a.mode = 'client', a.unique_dn,
           a.unique_key, g.quota_day IS NOT NULL OR g.quota_active IS NOT NULL, a.rate_client IS NOT NULL,
           a.rate_alias IS NOT NULL,
           a.mode = 'client' OR a.unique_dn OR a.unique_key OR a.approval <> 'none' OR g.approval <> 'none'
               OR num_nonnulls(a.max_active, a.rate_client, a.rate_alias, g.quota_day, g.quota_active) > 0
               OR p_identity_kind IN ('vendor', 'entity') OR num_nonnulls(p_code, p_vendor) > 0
        INTO alias, group_id, v_unknown_holder, v_holder_needed, v_client_mode, v_unique_dn, v_unique_key, v_quotas,
             v_rate_client, v_rate_alias, v_limits
        FROM est.alias a JOIN est.entity_group g ON g.id = a.group_id WHERE a.id = p_alias;

    IF p_idem_key IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(('x' || encode(substr(p_idem_key, 1, 8), 'hex'))::bit(64)::bigint);
    END IF;
    IF p_order_key IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(('x' || encode(substr(p_order_key, 1, 8), 'hex'))::bit(64)::bigint);
        SELECT e.id INTO order_id FROM est.enrollment e
            WHERE e.order_key = p_order_key AND e.outcome NOT IN ('expired', 'failed')
                -- The key holds them, too; what is somebody else's is never shown, whatever the key was made of
                AND e.alias_id = p_alias AND e.identity_kind = p_identity_kind AND e.identity = p_identity
                AND e.spki_hash = p_spki_hash
            ORDER BY e.at DESC LIMIT 1;
    ELSE
        order_id := p_order;
    END IF;
    IF v_unique_dn THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('mod_est subject ' || lower(p_subject), 0));
    END IF;
    IF v_unique_key THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('mod_est key ' || encode(p_spki_hash, 'hex'), 0));
    END IF;
    IF order_id IS NOT NULL THEN
        SELECT e.outcome::text, e.entity_id, e.expires_at <= now() AS over,
               (e.alias_id, e.identity_kind::text, e.identity, e.spki_hash::bytea)
                   = (p_alias, p_identity_kind, p_identity, p_spki_hash) AS same
            INTO v_order FROM est.enrollment e WHERE e.id = order_id FOR UPDATE;
        IF NOT v_order.same THEN
            RAISE EXCEPTION 'order % is of another identity, key or alias', order_id USING ERRCODE = 'unique_violation';
        END IF;
    END IF;
    IF p_holder_issuer IS NOT NULL THEN
        SELECT c.id, c.alias_id, c.status, c.entity_id INTO v_holder, v_holder_alias, v_holder_status, v_holder_entity
            FROM est.certificate c WHERE c.serial = p_holder_serial AND c.issuer_hash = p_holder_issuer FOR SHARE;
        IF v_holder_alias = p_alias AND p_operation = 'simplereenroll' THEN
            renewed := v_holder;
            entity := v_holder_entity;
        END IF;
    END IF;
    IF order_id IS NOT NULL THEN
        entity := coalesce(v_order.entity_id, entity);
    END IF;

    IF entity IS NOT NULL THEN
        SELECT e.version, e.status <> 'active' OR num_nonnulls(e.valid_until, e.max_active) > 0
            INTO v_version, v_limited FROM est.end_entity e WHERE e.id = entity FOR NO KEY UPDATE;
    ELSIF coalesce(octet_length(p_entity), 0) NOT BETWEEN 1 AND 1024 THEN
        outcome := 'refused'; rule := 'name_refused'; detail := 'entity name is empty or over 1024 bytes';
        RETURN;
    ELSE
        PERFORM est.lock_name(group_id, p_entity);
        SELECT e.id, e.version, e.status <> 'active' OR num_nonnulls(e.valid_until, e.max_active) > 0
            INTO entity, v_version, v_limited
            FROM est.end_entity e WHERE e.group_id = judge_issue.group_id AND e.name = p_entity FOR NO KEY UPDATE;
        -- In mode client it is the one that the module was told of
        IF entity IS NULL AND NOT v_client_mode AND est.is_host_name(p_entity) THEN
            SELECT e.id, e.version, e.status <> 'active' OR num_nonnulls(e.valid_until, e.max_active) > 0
                INTO entity, v_version, v_limited
                FROM est.end_entity e
                WHERE e.group_id = judge_issue.group_id AND lower(e.name COLLATE "C") = lower(p_entity COLLATE "C")
                ORDER BY e.id LIMIT 1 FOR NO KEY UPDATE;
        END IF;
    END IF;
    v_limits := coalesce(v_limits, false) OR coalesce(v_limited, false);
    special := v_limits OR num_nonnulls(p_order, p_order_key) > 0;
    IF special THEN
        PERFORM est.lock_limits(p_alias, group_id, p_code, v_quotas, v_rate_alias,
                                CASE WHEN v_rate_client THEN est.rate_who(p_identity_kind, p_identity) END);
    END IF;

    -- Must the certificate presented be on record here? Not where the password was enough
    v_holder_counts := p_holder_issuer IS NOT NULL AND (p_identity_kind IN ('certificate', 'ra') OR v_holder_needed);
    SELECT pv.version, (SELECT cl.version FROM est.client cl WHERE cl.id = p_client), e.outcome,
           (e.identity, e.identity_kind::text, coalesce(e.spki_hash::bytea, done.spki_hash))
               = (p_identity, p_identity_kind, p_spki_hash), done.der,
           -- One look-up: the kinds differ in length, so that neither is taken for the other
           coalesce((SELECT CASE b.kind WHEN 'spki' THEN 'it' ELSE 'its modulus' END
                                || ' is listed (' || b.source || ')'
                     FROM est.blocked_key b WHERE b.fingerprint = ANY (ARRAY[p_spki_hash, p_modulus_hash]) LIMIT 1),
                    (SELECT 'a certificate for it was revoked with reason keyCompromise' FROM est.certificate k
                     WHERE k.status = 'revoked' AND k.revocation_reason = 'keyCompromise'
                         AND k.spki_hash = p_spki_hash LIMIT 1))
        INTO v_policy_version, v_client_version, v_done, v_same_request, der, v_blocked
        FROM est.policy_version pv
        LEFT JOIN est.enrollment e ON e.id = p_id
        LEFT JOIN LATERAL (SELECT c.spki_hash::bytea, c.der FROM est.certificate c WHERE c.id = e.certificate_id
                           OFFSET 0) AS done ON true
        WHERE pv.singleton;
    IF v_done IS NOT NULL AND v_same_request IS NOT TRUE THEN
        RAISE EXCEPTION 'request id % is on record for another identity or key', p_id
            USING ERRCODE = 'unique_violation';
    -- An order that was given up while the request that had opened it was at the CA: it opens another
    ELSIF v_done <> 'issued' AND p_id IS DISTINCT FROM order_id
          AND (v_done IN ('expired', 'failed') AND num_nonnulls(p_order, p_order_key) > 0) IS NOT TRUE THEN
        RAISE EXCEPTION 'request id % is on record as %', p_id, v_done USING ERRCODE = 'unique_violation';
    ELSIF v_done = 'issued' THEN
        outcome := CASE WHEN p_order_key IS NULL AND p_order IS NULL THEN 'issued' ELSE 'replay' END;
    ELSIF alias IS NULL OR v_policy_version IS DISTINCT FROM p_policy_version THEN
        outcome := 'stale'; rule := 'policy';
    ELSIF p_client IS NOT NULL AND v_client_version IS DISTINCT FROM p_client_version THEN
        outcome := 'stale'; rule := 'client';
    ELSIF v_holder_status = 'revoked' THEN
        outcome := 'refused'; rule := 'certificate_revoked'; detail := 'the certificate presented is revoked';
    ELSIF v_holder_counts AND v_holder IS NULL AND (v_unknown_holder <> 'accept' OR p_identity_kind = 'ra') THEN
        outcome := 'refused'; rule := 'certificate_unknown'; detail := 'the certificate presented has no record';
    ELSIF v_holder_counts AND v_holder_alias IS DISTINCT FROM p_alias AND v_holder IS NOT NULL THEN
        outcome := 'refused'; rule := 'certificate_unknown';
        detail := 'the certificate presented was issued at another alias';
    ELSIF v_blocked IS NOT NULL THEN
        outcome := 'refused'; rule := 'key_blocked'; detail := v_blocked;
    ELSIF p_entity_version IS DISTINCT FROM v_version
          AND (p_entity_version IS NOT NULL OR (v_client_mode AND renewed IS NULL)) THEN
        outcome := 'stale'; rule := 'entity';
    ELSIF p_idem_key IS NOT NULL THEN
        SELECT 'replay', c.der, e.entity_id INTO outcome, der, v_replayed
            FROM est.enrollment e
            CROSS JOIN LATERAL (SELECT k.der FROM est.certificate k
                                WHERE k.id = e.certificate_id AND k.status = 'valid' AND k.not_after > now()
                                    -- An order was opened before
                                    AND CASE WHEN e.order_key IS NULL THEN e.at ELSE k.issued_at END
                                        > now() - make_interval(secs => p_idem_seconds) OFFSET 0) AS c
            WHERE e.idem_key = p_idem_key
            ORDER BY e.at DESC LIMIT 1;
    END IF;
    -- With a name by chance the request would be of another entity than the certificate
    IF v_replayed IS DISTINCT FROM entity AND v_replayed IS NOT NULL THEN
        entity := v_replayed;
        v_limits := true;
        special := true;
    END IF;
    IF NOT special OR v_done = 'issued' OR outcome <> 'replay' THEN
        RETURN;
    END IF;

    IF order_id IS NOT NULL AND outcome IS NULL THEN
        SELECT s.outcome, s.rule, s.detail, s.der, s.retry_after INTO outcome, rule, detail, der, retry_after
            FROM est.order_state(order_id, CASE WHEN p_order IS NULL THEN p_idem_seconds END, p_id, p_ca, p_lease) AS s;
        IF outcome = 'over' THEN
            outcome := CASE WHEN p_order IS NOT NULL THEN 'stale' END;
            rule := CASE WHEN p_order IS NOT NULL THEN 'approval' END;
            IF v_order.outcome IN ('pending', 'approved') THEN
                UPDATE est.enrollment e SET outcome = 'expired' WHERE e.id = order_id;
            ELSIF v_order.outcome = 'forwarded' THEN
                UPDATE est.enrollment e
                    SET outcome = CASE WHEN v_order.over THEN 'expired' ELSE 'failed' END, busy_until = NULL,
                        ask_at = NULL
                    WHERE e.id = order_id;
                UPDATE est.enrollment e
                    SET rule = 'ca_changed', decided_at = now(), decided_by = NULL,
                        reason = format('it was for CA %s, and the alias has %s now', e.ca,
                                        CASE WHEN p_ca = e.ca THEN 'one here of the same name' ELSE coalesce(p_ca, 'none') END)
                    WHERE e.id = order_id AND e.outcome = 'failed';
            END IF;
            order_id := NULL;
        END IF;
        IF outcome <> 'replay' THEN
            RETURN;
        END IF;
    END IF;
    IF NOT v_limits THEN
        RETURN;
    END IF;
    -- What was issued is given again to those who may have it still. Limits do not count it once more
    IF outcome = 'replay' THEN
        SELECT f.rule, format('%s; wanted: %s', f.got, f.wanted) AS detail INTO v_refused
            FROM est.issue_findings(p_alias, p_identity_kind, p_identity, p_network, entity, p_entity, renewed, p_subject,
                                    p_spki_hash, p_code, p_vendor, true) AS f
            WHERE f.verdict = 'fail' AND f.rule IN ('entity_unknown', 'entity_suspended', 'vendor_refused') LIMIT 1;
        IF v_refused.rule IS NOT NULL THEN
            outcome := 'refused'; rule := v_refused.rule; detail := v_refused.detail; der := NULL;
        END IF;
        RETURN;
    END IF;

    -- Whose the name or key is, is not for the client: explain_issue() says it
    SELECT CASE f.rule WHEN 'approval' THEN 'stale' ELSE 'refused' END, f.rule,
           concat_ws('; ', CASE WHEN f.rule NOT IN ('name_taken', 'key_taken') THEN f.got END, 'wanted: ' || f.wanted),
           f.retry_after
        INTO outcome, rule, detail, retry_after
        FROM est.issue_findings(p_alias, p_identity_kind, p_identity, p_network, entity, p_entity, renewed, p_subject,
                                p_spki_hash, p_code, p_vendor, order_id IS NOT NULL) AS f
        WHERE f.verdict = 'fail' LIMIT 1;
END $$;

-- What an order says to one who comes with it: NULL (go on), over (it counts no more), pending, refused, replay.
-- p_idem_seconds: how long its certificate is given again; NULL: as long as it is valid. p_lease NULL: the certificate is
-- there, and is to be recorded for it. Else the request p_id is about to go to p_ca, with p_lease > 0 to one elsewhere
CREATE FUNCTION est.order_state(p_order uuid, p_idem_seconds int, p_id uuid, p_ca text, p_lease int,
    OUT outcome text, OUT rule text, OUT detail text, OUT der bytea, OUT retry_after int)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    o record;
    others boolean; -- another request's exchange with the CA is under way
    mine boolean;   -- this one's is: it has asked for its order before
BEGIN
    SELECT e.outcome::text, e.alias_id, e.reason, e.certificate_id, e.expires_at <= now() AS over, e.ca, e.busy_until,
           e.busy_until > now() AS busy, e.attempt_by, e.ask_at
        INTO o FROM est.enrollment e WHERE e.id = p_order;
    IF o.outcome = 'issued' THEN
        SELECT 'replay', c.der INTO outcome, der FROM est.certificate c
            WHERE c.id = o.certificate_id AND c.status = 'valid' AND c.not_after > now()
                AND (c.issued_at > now() - make_interval(secs => p_idem_seconds)) IS NOT FALSE;
        outcome := coalesce(outcome, 'over');
    ELSIF o.outcome = 'forwarded' THEN
        mine := o.busy IS TRUE AND o.attempt_by IS NOT DISTINCT FROM p_id;
        others := o.busy IS TRUE AND NOT mine;
        IF others AND p_lease IS NOT NULL THEN
            -- Soon over: most exchanges take less than their lease
            outcome := 'pending';
            retry_after := least(5, ceil(extract(epoch FROM o.busy_until - now())))::int;
        ELSIF p_lease = 0 OR (p_lease > 0 AND (o.ca IS DISTINCT FROM p_ca OR (o.over AND NOT mine))) THEN
            outcome := 'over';
        ELSIF p_lease > 0 AND NOT mine AND o.ask_at > now() THEN
            outcome := 'pending';
            retry_after := ceil(extract(epoch FROM o.ask_at - now()))::int;
        END IF;
    ELSIF o.over OR (o.outcome IN ('pending', 'approved', 'denied')) IS NOT TRUE THEN
        outcome := 'over';
    ELSIF o.outcome = 'denied' THEN
        outcome := 'refused'; rule := 'approval_denied'; detail := o.reason;
    ELSIF o.outcome = 'pending' THEN
        SELECT 'pending', extract(epoch FROM a.retry_after)::int INTO outcome, retry_after
            FROM est.alias a WHERE a.id = o.alias_id;
    END IF;
END $$;
