-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Orders: requests that wait for people, or that a CA elsewhere is asked about. A row of enrollment is the order; order_key
-- finds it again, whatever connection, process or node the client comes back to.

DROP FUNCTION est.order_open(uuid, int, bigint, text, text, text, int, bigint, inet, bytea, text, text, bytea, bytea, int, text,
                             text[], bytea, bytea, bytea, text, bigint, bigint, text[]);

-- outcome   meaning
-- go        issue: with order_id when the order is approved, without one when no approval is needed
-- forward   forward the order order_id: csr, as it was first sent, to upstream if that has it, with the state that it gave.
--           retry_after: what the client is told when the CA does not say how long it has to wait.
--           It is the caller's until the lease is over; attempt is to be named to order_forwarded()
-- pending   the order waits: come again after retry_after seconds. waits_for_ca: for its CA, and not for people
-- refused   rule and detail, as record_issued() has them. approval_denied: detail is the reason
-- replay    der: the certificate that was issued for the order, or under the same idempotency key
-- stale     policy, client, entity: reload, judge again
--
-- All rules of record_issued() are asked before an order is opened, and asked again, but for code, rate and approval,
-- each time the client comes. The code is used when the order is opened. p_order_key is the SHA-256 of what makes a
-- request the same: alias, operation, identity, key, names.
--
-- p_ca: the CA that the certificate is to come from. p_lease: 0, or where that CA is elsewhere the seconds after which an
-- exchange with it is over, come what may: then what would be go is forward. What the caller learns is
-- recorded by record_issued() or order_forwarded(); when it learns nothing, the lease runs out, and who comes next is
-- told to forward the order again. The same p_id is told again what it was told.
CREATE FUNCTION est.order_open(
    p_id uuid, p_alias int, p_policy_version bigint, p_operation text, p_identity_kind text, p_identity text,
    p_client int, p_client_version bigint, p_network inet, p_holder_issuer bytea, p_holder_serial text, p_entity text,
    p_order_key bytea, p_idem_key bytea, p_idem_seconds int, p_subject text, p_san text[], p_spki_hash bytea,
    p_modulus_hash bytea, p_csr bytea, p_dropped text, p_code bigint, p_entity_version bigint, p_vendor text[],
    p_ca text, p_lease int,
    OUT outcome text, OUT rule text, OUT detail text, OUT der bytea, OUT order_id uuid, OUT retry_after int,
    OUT waits_for_ca boolean, OUT attempt int, OUT csr bytea, OUT upstream text, OUT state bytea)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp SET enable_seqscan = off AS $$
DECLARE
    j record;
    v_forwards boolean;
    v_retry_after interval;
    v_expiry interval;
    v_lease_end timestamptz;
BEGIN
    PERFORM est.commit_surely();
    IF p_order_key IS NULL THEN
        RAISE EXCEPTION 'an order has a key' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    LOOP
        j := est.judge_issue(p_id, p_alias, p_policy_version, p_operation, p_identity_kind, p_identity, p_client,
                             p_client_version, p_network, p_holder_issuer, p_holder_serial, p_entity, p_idem_key,
                             p_idem_seconds, p_subject, p_spki_hash, p_modulus_hash, p_code, p_entity_version, p_vendor,
                             NULL, p_order_key, p_ca, coalesce(p_lease, 0));
        v_forwards := j.outcome IS NULL AND p_lease > 0;
        IF NOT v_forwards AND (j.outcome, j.rule) IS DISTINCT FROM ('stale', 'approval') THEN
            outcome := coalesce(j.outcome, 'go'); rule := j.rule; detail := j.detail; der := j.der;
            order_id := CASE WHEN outcome IN ('go', 'pending') THEN j.order_id END;
            retry_after := j.retry_after;
            waits_for_ca := (SELECT e.outcome = 'forwarded' FROM est.enrollment e
                             WHERE e.id = j.order_id AND j.outcome = 'pending');
            RETURN;
        END IF;
        EXIT WHEN j.entity IS NOT NULL
            OR (NOT v_forwards AND est.orders_full(p_alias, p_identity_kind, p_identity) IS NOT NULL);
        INSERT INTO est.end_entity AS e (group_id, name) VALUES (j.group_id, p_entity) ON CONFLICT DO NOTHING
            RETURNING e.id INTO j.entity;
        EXIT WHEN j.entity IS NOT NULL;
    END LOOP;

    SELECT a.retry_after, a.order_expiry INTO v_retry_after, v_expiry FROM est.alias a WHERE a.id = p_alias;
    IF v_forwards THEN
        -- Not now(): the locks may have been waited for, and the exchange begins when this is answered
        v_lease_end := clock_timestamp() + make_interval(secs => p_lease);
        outcome := 'forward';
        retry_after := extract(epoch FROM v_retry_after)::int;
        -- One that is busy is so by this very request, which did not hear what it was told
        UPDATE est.enrollment e
            SET outcome = 'forwarded', ca = p_ca, csr = coalesce(e.csr, p_csr),
                attempt = CASE WHEN e.busy_until > now() THEN e.attempt ELSE coalesce(e.attempt, 0) + 1 END,
                attempt_by = p_id, busy_until = v_lease_end,
                expires_at = CASE WHEN e.outcome = 'forwarded' THEN e.expires_at ELSE now() + v_expiry END
            WHERE e.id = j.order_id
            RETURNING e.id, e.attempt, e.csr, e.upstream, e.state INTO order_id, attempt, csr, upstream, state;
        IF FOUND THEN
            RETURN;
        END IF;
        attempt := 1;
        csr := p_csr;
    ELSE
        -- The last of all locks
        PERFORM pg_advisory_xact_lock(hashtextextended(format('mod_est orders %s %s %s', p_alias, p_identity_kind, p_identity), 0));
        detail := est.orders_full(p_alias, p_identity_kind, p_identity);
        IF detail IS NOT NULL THEN
            outcome := 'refused'; rule := 'too_many_orders';
            RETURN;
        END IF;
        outcome := 'pending';
        waits_for_ca := false;
        retry_after := extract(epoch FROM v_retry_after)::int;
    END IF;
    PERFORM est.use_limits(p_alias, p_identity_kind, p_identity, p_code);
    INSERT INTO est.enrollment AS n (id, alias_id, alias, operation, identity_kind, identity, client_id, network, entity_id,
                                     outcome, subject, san, spki_hash, dropped, order_key, csr, expires_at, ca, attempt,
                                     attempt_by, busy_until)
        -- Another id when the order that this request had opened is over
        VALUES (CASE WHEN EXISTS (SELECT FROM est.enrollment o WHERE o.id = p_id) THEN gen_random_uuid() ELSE p_id END,
                p_alias, j.alias, p_operation, p_identity_kind, p_identity, p_client, p_network, j.entity,
                CASE WHEN v_forwards THEN 'forwarded' ELSE 'pending' END, p_subject, coalesce(p_san, '{}'), p_spki_hash,
                p_dropped, p_order_key, p_csr, now() + v_expiry, CASE WHEN v_forwards THEN p_ca END, attempt,
                CASE WHEN v_forwards THEN p_id END, v_lease_end)
        RETURNING n.id INTO order_id;
END $$;

-- What became of an order that order_open() said to forward, when it was not a certificate that record_issued() took. The
-- order is nobody's from now on, but for kept. p_attempt: as order_open() said; where another request has taken over
-- since, nothing is done. Returns whether something was
--
-- p_kind    meaning
-- waits     p_upstream has it, and is not asked again before p_retry_after seconds; 0: before the alias's retry_after
-- kept      p_upstream has it, and the exchange goes on: it stays the caller's until the lease is over, and whoever takes it
--           over then needs p_state
-- unsure    p_upstream may have it: it is asked again when the client comes again
-- unsent    nobody has it: who comes next sends it
-- failed    it is over, and the same request opens another one. p_rule and p_reason: why; p_answer: the certificate that
--           was refused, if one came
--
-- p_upstream and p_state that are NULL stay as they were.
CREATE FUNCTION est.order_forwarded(
    p_order uuid, p_attempt int, p_kind text, p_upstream text, p_state bytea, p_retry_after int, p_rule text, p_reason text,
    p_answer bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp SET enable_seqscan = off AS $$
BEGIN
    PERFORM est.commit_surely();
    IF (p_kind IN ('waits', 'kept', 'unsure', 'unsent', 'failed')) IS NOT TRUE THEN
        RAISE EXCEPTION 'order_forwarded: there is no kind %', coalesce(p_kind, 'NULL') USING ERRCODE = 'invalid_parameter_value';
    ELSIF p_kind = 'failed' THEN
        UPDATE est.enrollment e
            SET outcome = 'failed', upstream = coalesce(p_upstream, e.upstream), rule = p_rule, reason = left(p_reason, 2000),
                answer = p_answer, decided_at = now(), decided_by = NULL, busy_until = NULL, ask_at = NULL
            WHERE e.id = p_order AND e.outcome = 'forwarded' AND e.attempt = p_attempt;
        -- It was given up meanwhile: the certificate exists all the same
        IF NOT FOUND AND p_answer IS NOT NULL THEN
            UPDATE est.enrollment e SET upstream = coalesce(p_upstream, e.upstream), answer = p_answer
                WHERE e.id = p_order AND e.outcome IN ('failed', 'expired') AND e.attempt = p_attempt AND e.answer IS NULL;
        END IF;
    ELSE
        UPDATE est.enrollment e
            SET upstream = CASE WHEN p_kind <> 'unsent' THEN coalesce(p_upstream, e.upstream) ELSE e.upstream END,
                state = CASE WHEN p_kind IN ('waits', 'kept') THEN coalesce(p_state, e.state) ELSE e.state END,
                busy_until = CASE WHEN p_kind = 'kept' THEN e.busy_until END,
                ask_at = CASE WHEN p_kind = 'waits' THEN
                    least(e.expires_at, now() + coalesce(make_interval(secs => nullif(p_retry_after, 0)),
                                                         (SELECT a.retry_after FROM est.alias a WHERE a.id = e.alias_id),
                                                         '1 minute')) END
            WHERE e.id = p_order AND e.outcome = 'forwarded' AND e.attempt = p_attempt;
    END IF;
    RETURN FOUND;
END $$;
