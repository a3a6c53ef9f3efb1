-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Orders: requests that wait for people. A row of enrollment is the order; order_key finds it again, whatever connection,
-- process or node the client comes back to.

-- What is wrong when an identity opens one more order at an alias; NULL: nothing
CREATE FUNCTION est.orders_full(p_alias int, p_identity_kind text, p_identity text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    most int := (SELECT a.max_orders FROM est.alias a WHERE a.id = p_alias);
    open bigint := (SELECT count(*) FROM est.enrollment e
                    WHERE e.outcome IN ('pending', 'approved') AND e.expires_at > now() AND e.alias_id = p_alias
                        AND e.identity_kind = p_identity_kind AND e.identity = p_identity);
BEGIN
    RETURN CASE WHEN open >= most THEN format('%s open orders; wanted: fewer than %s (max_orders)', open, most) END;
END $$;

-- outcome   meaning
-- go        issue: with order_id when the order is approved, without one when no approval is needed
-- pending   the order waits: come again after retry_after seconds
-- refused   rule and detail, as record_issued() has them. approval_denied: detail is the reason
-- replay    der: the certificate that was issued for the order, or under the same idempotency key
-- stale     policy, client, entity: reload, judge again
--
-- All rules of record_issued() are asked before an order is opened, and asked again, but for code, rate and approval,
-- each time the client comes. The code is used when the order is opened. p_order_key is the SHA-256 of what makes a
-- request the same: alias, operation, identity, key, names.
CREATE FUNCTION est.order_open(
    p_id uuid, p_alias int, p_policy_version bigint, p_operation text, p_identity_kind text, p_identity text,
    p_client int, p_client_version bigint, p_network inet, p_holder_issuer bytea, p_holder_serial text, p_entity text,
    p_order_key bytea, p_idem_key bytea, p_idem_seconds int, p_subject text, p_san text[], p_spki_hash bytea,
    p_modulus_hash bytea, p_csr bytea, p_dropped text, p_code bigint, p_entity_version bigint, p_vendor text[],
    OUT outcome text, OUT rule text, OUT detail text, OUT der bytea, OUT order_id uuid, OUT retry_after int)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp SET enable_seqscan = off AS $$
DECLARE
    j record;
BEGIN
    PERFORM est.commit_surely();
    IF p_order_key IS NULL THEN
        RAISE EXCEPTION 'an order has a key' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    LOOP
        j := est.judge_issue(p_id, p_alias, p_policy_version, p_operation, p_identity_kind, p_identity, p_client,
                             p_client_version, p_network, p_holder_issuer, p_holder_serial, p_entity, p_idem_key,
                             p_idem_seconds, p_subject, p_spki_hash, p_modulus_hash, p_code, p_entity_version, p_vendor,
                             NULL, p_order_key);
        IF j.outcome IS NULL OR (j.outcome, j.rule) IS DISTINCT FROM ('stale', 'approval') THEN
            outcome := coalesce(j.outcome, 'go'); rule := j.rule; detail := j.detail; der := j.der;
            order_id := CASE WHEN outcome IN ('go', 'pending') THEN j.order_id END;
            retry_after := j.retry_after;
            RETURN;
        END IF;
        EXIT WHEN j.entity IS NOT NULL OR est.orders_full(p_alias, p_identity_kind, p_identity) IS NOT NULL;
        INSERT INTO est.end_entity AS e (group_id, name) VALUES (j.group_id, p_entity) ON CONFLICT DO NOTHING
            RETURNING e.id INTO j.entity;
        EXIT WHEN j.entity IS NOT NULL;
    END LOOP;

    -- The last of all locks
    PERFORM pg_advisory_xact_lock(hashtextextended(format('mod_est orders %s %s %s', p_alias, p_identity_kind, p_identity), 0));
    detail := est.orders_full(p_alias, p_identity_kind, p_identity);
    IF detail IS NOT NULL THEN
        outcome := 'refused'; rule := 'too_many_orders';
        RETURN;
    END IF;
    PERFORM est.use_limits(p_alias, p_identity_kind, p_identity, p_code);
    INSERT INTO est.enrollment AS n (id, alias_id, alias, operation, identity_kind, identity, client_id, network, entity_id,
                                     outcome, subject, san, spki_hash, dropped, order_key, csr, expires_at)
        SELECT p_id, p_alias, j.alias, p_operation, p_identity_kind, p_identity, p_client, p_network, j.entity, 'pending',
               p_subject, coalesce(p_san, '{}'), p_spki_hash, p_dropped, p_order_key, p_csr, now() + a.order_expiry
        FROM est.alias a WHERE a.id = p_alias
        RETURNING n.id INTO order_id;
    outcome := 'pending';
    retry_after := (SELECT extract(epoch FROM a.retry_after)::int FROM est.alias a WHERE a.id = p_alias);
END $$;

-- A request that was refused, or with rule suppressed a number of them (p_reason) that have no rows of their own. One of
-- these, without p_id, is counted as the others are, and nothing else. Returns the seconds that the client must wait for
-- its rate, 0: none
CREATE FUNCTION est.record_refused(
    p_id uuid, p_alias int, p_operation text, p_identity_kind text, p_identity text, p_client int, p_network inet,
    p_subject text, p_san text[], p_spki_hash bytea, p_rule text, p_reason text) RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp SET enable_seqscan = off AS $$
DECLARE
    a record;
    full_at timestamptz;
    many boolean := p_rule IS NOT DISTINCT FROM 'suppressed';
    is_new boolean := true;
BEGIN
    SELECT k.name, k.rate_client, k.rate_interval INTO a FROM est.alias k WHERE k.id = p_alias;
    IF p_id IS NOT NULL OR many THEN
        INSERT INTO est.enrollment (id, alias_id, alias, operation, identity_kind, identity, client_id, network, outcome, subject,
                                    san, spki_hash, rule, reason, suppressed)
            VALUES (coalesce(p_id, gen_random_uuid()), p_alias, a.name, p_operation, p_identity_kind, p_identity, p_client,
                    p_network, CASE WHEN many THEN 'suppressed' ELSE 'refused' END, p_subject, p_san, p_spki_hash, p_rule,
                    CASE WHEN NOT many THEN left(p_reason, 2000) END, CASE WHEN many THEN p_reason::int END)
            ON CONFLICT (id) DO NOTHING;
        is_new := FOUND;
    END IF;
    IF a.rate_client IS NULL OR many THEN
        RETURN 0;
    -- One that was over the rate is not counted: who waits as long as told is in it
    ELSIF is_new AND p_rule <> 'rate_exceeded' THEN
        full_at := est.rate_use(p_alias, est.rate_who(p_identity_kind, p_identity), a.rate_client, a.rate_interval);
    ELSE
        full_at := (SELECT b.full_at FROM est.rate_bucket b
                    WHERE b.alias_id = p_alias AND b.who = est.rate_who(p_identity_kind, p_identity));
    END IF;
    RETURN est.rate_wait(full_at, a.rate_client, a.rate_interval);
END $$;
