-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- The rules that only the database can judge, each a row with its verdict: record_issued() and order_open() ask them,
-- holding the locks that keep the answers true until the commit; explain_issue() shows them to people.
-- The functions of this file and of judge.sql run with the search_path that their callers set: setting it takes time.

-- As enrollment has it, of a length that an index takes
CREATE FUNCTION est.rate_who(identity_kind text, identity text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN identity_kind || CASE WHEN octet_length(identity) <= 1000 THEN ':' || identity
    ELSE '#' || encode(sha256(convert_to(identity, 'UTF8')), 'hex') END;

-- The generic cell rate algorithm: each request uses per / rate, and per can be used at once. Seconds to wait until the
-- next one is in the rate; 0: it is
CREATE FUNCTION est.rate_wait(full_at timestamptz, rate int, per interval) RETURNS int
LANGUAGE sql STABLE
RETURN greatest(0, ceil(extract(epoch FROM full_at + per / rate - per - now())))::int;

-- Counts a request, also one over the rate, up to where nothing is left
CREATE FUNCTION est.rate_use(p_alias int, p_who text, rate int, per interval) RETURNS timestamptz
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO est.rate_bucket AS b (alias_id, who, full_at) VALUES (p_alias, p_who, now() + per / rate)
    ON CONFLICT (alias_id, who) DO UPDATE
        SET full_at = least(greatest(b.full_at, now()) + rate_use.per / rate_use.rate, now() + rate_use.per)
    RETURNING b.full_at;
END;

-- The day of quota_day
CREATE FUNCTION est.quota_date() RETURNS date
LANGUAGE sql STABLE
RETURN (now() AT TIME ZONE 'UTC')::date;

-- What a group got today: counted once, when the day has no row yet
CREATE FUNCTION est.group_issued(p_group int) RETURNS bigint
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce((SELECT d.issued FROM est.group_day d WHERE d.group_id = p_group AND d.day = est.quota_date()),
                    (SELECT sum(c.today) FROM est.end_entity e CROSS JOIN LATERAL (
                         SELECT count(*) AS today FROM est.certificate c
                         WHERE c.entity_id = e.id AND c.issued_at >= est.quota_date()::timestamp AT TIME ZONE 'UTC'
                         OFFSET 0) AS c
                     WHERE e.group_id = p_group), 0);
END;

-- Certificates of an entity that count as active: valid, and not renewed by one that is. The one that is being renewed
-- does not count either
CREATE FUNCTION est.entity_active(p_entity bigint, p_renewed bigint) RETURNS bigint
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT count(*) FROM est.certificate c
    WHERE c.entity_id = p_entity AND c.status = 'valid' AND c.not_after > now() AND c.id IS DISTINCT FROM p_renewed
        AND NOT EXISTS (SELECT FROM est.certificate s WHERE s.replaces = c.id AND s.status = 'valid' AND s.not_after > now()
                        OFFSET 0);
END;

CREATE FUNCTION est.group_active(p_group int, p_renewed bigint) RETURNS bigint
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(sum(est.entity_active(e.id, p_renewed)), 0) FROM est.end_entity e WHERE e.group_id = p_group;
END;

CREATE FUNCTION est.vendor_allowed(p_alias int, vendor text, patterns text[], devices text[]) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT CASE vendor
        WHEN 'pattern' THEN EXISTS (SELECT FROM unnest(devices) AS d, unnest(patterns) AS p
                                    WHERE est.glob_match(p, d, false))
        WHEN 'listed' THEN EXISTS (SELECT FROM est.vendor_device v
                                   WHERE v.alias_id = p_alias AND v.device = ANY (devices))
        ELSE false END;
END;

-- none, first or all: the stricter of alias and group
CREATE FUNCTION est.stricter(one text, other text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN 'all' IN (one, other) THEN 'all' WHEN 'first' IN (one, other) THEN 'first' ELSE 'none' END;

-- In the order in which they are judged. p_entity: NULL when there is none of the name yet. p_renewed: the certificate
-- that a re-enrolment renews. p_ordered: with an order, for which code, rate and approval have been asked already.
-- rule is the name of an error of the module; approval is none, but asks for an order
CREATE FUNCTION est.issue_findings(
    p_alias int, p_identity_kind text, p_identity text, p_network inet, p_entity bigint, p_name text,
    p_renewed bigint, p_subject text, p_spki_hash bytea, p_code bigint, p_vendor text[], p_ordered boolean)
RETURNS TABLE (rule text, verdict text, wanted text, got text, retry_after int)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT f.rule, CASE WHEN f.applies IS NOT TRUE THEN 'n/a' WHEN f.ok THEN 'pass' ELSE 'fail' END,
           CASE WHEN f.applies THEN f.wanted END, CASE WHEN f.applies THEN f.got END,
           CASE WHEN f.applies AND f.ok IS NOT TRUE THEN f.wait END
    FROM est.alias a
    JOIN est.entity_group g ON g.id = a.group_id
    LEFT JOIN est.end_entity e ON e.id = p_entity
    LEFT JOIN est.enrollment_code k ON k.id = p_code
    CROSS JOIN LATERAL (SELECT
        est.stricter(a.approval, g.approval) AS approval,
        coalesce(e.max_active, a.max_active) AS max_active,
        CASE WHEN coalesce(e.max_active, a.max_active) IS NOT NULL THEN est.entity_active(e.id, p_renewed) END AS active,
        CASE WHEN g.quota_day IS NOT NULL THEN est.group_issued(g.id) END AS today,
        CASE WHEN g.quota_active IS NOT NULL THEN est.group_active(g.id, p_renewed) END AS in_group,
        CASE WHEN a.unique_dn THEN
            (SELECT c.serial || ' of ' || est.shown(o.name)
             FROM est.certificate c CROSS JOIN LATERAL (SELECT x.name FROM est.end_entity x WHERE x.id = c.entity_id
                                                        OFFSET 0) AS o
             WHERE lower(c.subject) = lower(p_subject) AND c.entity_id IS DISTINCT FROM e.id AND c.ca = a.ca
                 AND c.status = 'valid' AND c.not_after > now() LIMIT 1) END AS name_of,
        CASE WHEN a.unique_key THEN
            (SELECT c.serial || ' of ' || est.shown(o.name)
             FROM est.certificate c CROSS JOIN LATERAL (SELECT x.name FROM est.end_entity x WHERE x.id = c.entity_id
                                                        OFFSET 0) AS o
             WHERE c.spki_hash = p_spki_hash AND c.entity_id IS DISTINCT FROM e.id LIMIT 1) END AS key_of,
        CASE WHEN a.rate_client IS NOT NULL AND NOT p_ordered THEN
            est.rate_wait((SELECT b.full_at FROM est.rate_bucket b
                           WHERE b.alias_id = a.id AND b.who = est.rate_who(p_identity_kind, p_identity)),
                          a.rate_client, a.rate_interval) END AS client_wait,
        CASE WHEN a.rate_alias IS NOT NULL AND NOT p_ordered THEN
            est.rate_wait((SELECT b.full_at FROM est.rate_bucket b WHERE b.alias_id = a.id AND b.who = ''),
                          a.rate_alias, a.rate_interval) END AS alias_wait,
        EXISTS (SELECT FROM est.certificate c WHERE c.entity_id = e.id) AS known OFFSET 0) AS v
    CROSS JOIN LATERAL (VALUES
        (1, 'entity_unknown', a.mode = 'client',
            e.id IS NOT NULL AND (e.preregistered OR p_renewed IS NOT NULL),
            'an end entity that is registered in group ' || est.shown(g.name),
            CASE WHEN e.id IS NULL THEN 'there is none of the name ' || est.shown(p_name)
                ELSE est.shown(e.name) || ' is ' || CASE WHEN e.preregistered THEN '' ELSE 'not ' END || 'registered' END,
            NULL::int),
        (2, 'entity_suspended', e.id IS NOT NULL, e.status = 'active' AND (e.valid_until > now()) IS NOT FALSE,
            'an active end entity',
            est.shown(e.name) || CASE WHEN e.status <> 'active' THEN ' is ' || e.status
                WHEN e.valid_until <= now() THEN ' is over since ' || e.valid_until ELSE ' is active' END, NULL),
        (3, 'code_refused', (p_code IS NOT NULL OR p_identity_kind = 'entity') AND NOT p_ordered,
            k.entity_id = e.id AND k.alias_id = a.id AND k.uses_left > 0 AND (k.expires_at > now()) IS NOT FALSE
                AND (k.networks IS NULL OR p_network <<= ANY (k.networks)),
            'a code of this end entity and alias, with uses left, not expired, from its networks',
            CASE WHEN k.id IS NULL OR k.entity_id IS DISTINCT FROM e.id OR k.alias_id <> a.id
                    THEN 'there is no such code of the two'
                WHEN k.uses_left = 0 THEN 'the code is used up'
                WHEN k.expires_at <= now() THEN 'the code is expired since ' || k.expires_at
                WHEN (p_network <<= ANY (k.networks)) IS FALSE OR (p_network IS NULL AND k.networks IS NOT NULL)
                    THEN 'the request is from ' || coalesce(host(p_network), 'an unknown address')
                ELSE 'the code can be used ' || k.uses_left || ' times' END, NULL),
        (4, 'vendor_refused', p_identity_kind = 'vendor' OR p_vendor IS NOT NULL,
            est.vendor_allowed(a.id, a.vendor, a.vendor_patterns, p_vendor),
            CASE a.vendor WHEN 'off' THEN 'no vendor certificate (vendor is off)'
                WHEN 'listed' THEN 'a device of vendor_device'
                ELSE 'a device that matches one of ' || a.vendor_patterns::text END,
            'device ' || coalesce(nullif(array_to_string(p_vendor, ', '), ''), 'without a serial number'), NULL),
        (5, 'name_taken', a.unique_dn, v.name_of IS NULL, 'a subject that no other end entity has (unique_dn)',
            coalesce('certificate ' || v.name_of, 'none has it'), NULL),
        (6, 'key_taken', a.unique_key, v.key_of IS NULL, 'a key that no other end entity has (unique_key)',
            coalesce('certificate ' || v.key_of, 'none has it'), NULL),
        (7, 'active_limit', v.max_active IS NOT NULL, v.active < v.max_active,
            'fewer than ' || v.max_active || ' valid certificates (max_active)', v.active::text, NULL),
        (8, 'quota_exceeded', g.quota_day IS NOT NULL, v.today < g.quota_day,
            'fewer than ' || g.quota_day || ' certificates today in group ' || est.shown(g.name) || ' (quota_day)',
            v.today::text, NULL),
        (9, 'quota_exceeded', g.quota_active IS NOT NULL, v.in_group < g.quota_active,
            'fewer than ' || g.quota_active || ' valid certificates in group ' || est.shown(g.name)
                || ' (quota_active)', v.in_group::text, NULL),
        (10, 'rate_exceeded', v.client_wait IS NOT NULL, v.client_wait = 0,
            format('at most %s requests of a client in %s (rate_client)', a.rate_client, a.rate_interval),
            CASE v.client_wait WHEN 0 THEN 'fewer' ELSE 'the next one in ' || v.client_wait || ' seconds' END,
            v.client_wait),
        (11, 'rate_exceeded', v.alias_wait IS NOT NULL, v.alias_wait = 0,
            format('at most %s requests of all clients in %s (rate_alias)', a.rate_alias, a.rate_interval),
            CASE v.alias_wait WHEN 0 THEN 'fewer' ELSE 'the next one in ' || v.alias_wait || ' seconds' END,
            v.alias_wait),
        (12, 'approval', v.approval <> 'none', p_ordered OR (v.approval = 'first' AND v.known),
            CASE v.approval WHEN 'all' THEN 'approved by ' ELSE 'the first certificate approved by ' END
                || CASE a.approvals WHEN 1 THEN 'somebody' ELSE a.approvals || ' people' END,
            CASE WHEN p_ordered THEN 'an approved order'
                WHEN v.known AND v.approval = 'first' THEN 'the end entity has had certificates'
                ELSE 'no approved order' END,
            extract(epoch FROM a.retry_after)::int)
        ) AS f (place, rule, applies, ok, wanted, got, wait)
    WHERE a.id = p_alias
    ORDER BY f.place;
END $$;
