-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Orders that are forwarded to a CA elsewhere: begun, taken over, given up; what their CA says; what people see of them

\set ON_ERROR_STOP on
BEGIN;
SET search_path = est, public;
SELECT no_plan();
\ir calls.sql

INSERT INTO alias (name, ca, retry_after) VALUES ('a', 'up', '90 seconds'), ('b', 'up', '60 seconds');
CREATE FUNCTION pg_temp.row_of(id text) RETURNS est.enrollment LANGUAGE sql AS $$ SELECT e FROM est.enrollment e WHERE e.id = rpad($1, 32, '0')::uuid $$;
CREATE FUNCTION pg_temp.state_of(id text) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', outcome, attempt, upstream, encode(state, 'hex'), CASE WHEN busy_until > now() THEN 'busy' END, ask_at - now(), rule, reason) FROM pg_temp.row_of($1) $$;
CREATE FUNCTION pg_temp.ended(id text, attempt int, kind text, upstream text DEFAULT NULL, state bytea DEFAULT NULL, retry_after int DEFAULT 0, rule text DEFAULT NULL, reason text DEFAULT NULL, answer bytea DEFAULT NULL)
    RETURNS boolean LANGUAGE sql AS $$ SELECT est.order_forwarded(rpad($1, 32, '0')::uuid, $2, $3, $4, $5, $6, $7, $8, $9) $$;
CREATE FUNCTION pg_temp.uuid(id text) RETURNS uuid LANGUAGE sql AS $$ SELECT rpad($1, 32, '0')::uuid $$;

-- A new one
SELECT results_eq($$SELECT * FROM pg_temp.forward('k1', id => pg_temp.uuid('11'), entity => 'e1', csr => '\x3001')$$,
    $$VALUES ('forward', NULL, NULL, NULL::bytea, pg_temp.uuid('11'), 90, NULL::boolean, 1, '\x3001'::bytea, NULL, NULL::bytea)$$, 'an order is opened and to be forwarded at once');
SELECT is(pg_temp.counts(), '1 entities, 0 certificates, 1 enrolments', 'it is on record');
SELECT results_eq($$SELECT n.alias, n.operation::text, n.identity, n.network, e.name::text, n.outcome::text, n.subject, n.san, n.spki_hash = sha256('key'), n.dropped, n.csr, n.expires_at - n.at, n.ca, n.attempt, n.attempt_by, n.upstream, n.state, n.ask_at,
        n.busy_until BETWEEN now() + interval '15 seconds' AND clock_timestamp() + interval '15 seconds'
        FROM enrollment n JOIN end_entity e ON e.id = n.entity_id$$,
    $$VALUES ('a', 'simpleenroll', 'dev1', inet '192.0.2.7', 'e1', 'forwarded', 'CN=e1', ARRAY['dns:e1'], true, 'O dropped', '\x3001'::bytea, interval '7 days', 'up', 1, pg_temp.uuid('11'), NULL, NULL::bytea, NULL::timestamptz, true)$$, 'with all that is known of it');

-- While it is somebody's
SELECT results_eq($$SELECT outcome, order_id, retry_after, waits_for_ca, attempt, csr_sent FROM pg_temp.forward('k1', entity => 'e1')$$, $$VALUES ('pending', pg_temp.uuid('11'), 5, true, NULL::int, NULL::bytea)$$, 'the same request of another connection waits, not for long');
SELECT results_eq($$SELECT outcome, order_id, attempt, csr_sent FROM pg_temp.forward('k1', id => pg_temp.uuid('11'), entity => 'e1', csr => '\x3002')$$, $$VALUES ('forward', pg_temp.uuid('11'), 1, '\x3001'::bytea)$$, 'the same request id is told again what it was told');
-- The end of a lease is counted from the clock, which goes on in a transaction: set here to what now() makes certain
UPDATE enrollment SET busy_until = now() + interval '2 seconds';
SELECT is(retry_after, 2, 'less when less is left of the lease') FROM pg_temp.forward('k1', entity => 'e1');
SELECT pg_temp.later('10 seconds');

-- Nobody says what became of it: who comes next takes it over, and sends what was sent first
SELECT results_eq($$SELECT outcome, order_id, attempt, csr_sent FROM pg_temp.forward('k1', id => pg_temp.uuid('12'), entity => 'another name', csr => '\x3002')$$, $$VALUES ('forward', pg_temp.uuid('11'), 2, '\x3001'::bytea)$$, 'a lease that is over: taken over');
SELECT is(pg_temp.state_of('11'), 'forwarded 2 busy', 'and is busy again');
SELECT is(pg_temp.ended('11', 1, kind, 'https://late', '\x01', rule => 'x'), false, 'the one before is not heard any more: ' || kind) FROM unnest(ARRAY['waits', 'kept', 'unsure', 'unsent', 'failed']) AS kind;
SELECT is(pg_temp.ended('99', 1, 'unsent'), false, 'nor is one of an order that there is not');
SELECT is(pg_temp.state_of('11'), 'forwarded 2 busy', 'and nothing has changed');
SELECT throws_like($$SELECT pg_temp.ended('11', 2, 'lost')$$, 'order_forwarded: there is no kind lost', 'a kind that there is not');
SELECT throws_like($$SELECT pg_temp.ended('11', 2, NULL)$$, 'order_forwarded: there is no kind NULL', 'none');

-- unsent
SELECT is(pg_temp.ended('11', 2, 'unsent', 'https://not', '\x01'), true, 'unsent');
SELECT is(pg_temp.state_of('11'), 'forwarded 2', 'nobody has it');
SELECT is(pg_temp.ended('11', 2, 'unsent'), true, 'said again');
SELECT results_eq($$SELECT outcome, attempt, upstream FROM pg_temp.forward('k1', id => pg_temp.uuid('13'), entity => 'e1')$$, $$VALUES ('forward', 3, NULL)$$, 'who comes next sends it');

-- unsure
SELECT is(pg_temp.ended('11', 3, 'unsure', 'https://one'), true, 'unsure');
SELECT is(pg_temp.state_of('11'), 'forwarded 3 https://one', 'the upstream that may have it is on record');
SELECT results_eq($$SELECT outcome, attempt, upstream FROM pg_temp.forward('k1', id => pg_temp.uuid('14'), entity => 'e1')$$, $$VALUES ('forward', 4, 'https://one')$$, 'and told to who comes next');

-- kept
SELECT is(pg_temp.ended('11', 4, 'kept', 'https://half', '\x0a', 30), true, 'kept');
SELECT is(pg_temp.state_of('11'), 'forwarded 4 https://half 0a busy', 'with its state, and still somebody''s');
SELECT results_eq($$SELECT outcome, order_id, retry_after FROM pg_temp.forward('k1', entity => 'e1')$$, $$VALUES ('pending', pg_temp.uuid('11'), 5)$$, 'so that others wait');
SELECT results_eq($$SELECT outcome, attempt, upstream, state FROM pg_temp.forward('k1', id => pg_temp.uuid('14'), entity => 'e1')$$, $$VALUES ('forward', 4, 'https://half', '\x0a'::bytea)$$, 'its own request does not, and has the state');
UPDATE enrollment SET expires_at = now() WHERE id = pg_temp.uuid('11');
SELECT results_eq($$SELECT outcome, order_id FROM pg_temp.forward('k1', entity => 'e1')$$, $$VALUES ('pending', pg_temp.uuid('11'))$$, 'nor is there another order when its time is over meanwhile');
UPDATE enrollment SET expires_at = at + interval '7 days' WHERE id = pg_temp.uuid('11');

-- waits
SELECT is(pg_temp.ended('11', 4, 'waits', 'https://two', '\x0a0b', 30), true, 'waits');
SELECT is(pg_temp.state_of('11'), 'forwarded 4 https://two 0a0b 00:00:30', 'with its state, and not to be asked before');
SELECT results_eq($$SELECT outcome, order_id, retry_after, waits_for_ca FROM pg_temp.forward('k1', entity => 'e1')$$, $$VALUES ('pending', pg_temp.uuid('11'), 30, true)$$, 'the client is told how long');
SELECT pg_temp.later('29.5 seconds');
SELECT is(retry_after, 1, 'and what is left of it') FROM pg_temp.forward('k1', entity => 'e1');
SELECT pg_temp.later('0.5 seconds');
SELECT results_eq($$SELECT outcome, attempt, upstream, state FROM pg_temp.forward('k1', id => pg_temp.uuid('15'), entity => 'e1')$$, $$VALUES ('forward', 5, 'https://two', '\x0a0b'::bytea)$$, 'then its upstream is asked, with the state');
SELECT is(pg_temp.ended('11', 5, 'unsent', 'https://not'), true, 'an upstream that cannot be reached now');
SELECT is(pg_temp.state_of('11'), 'forwarded 5 https://two 0a0b', 'has it still');
SELECT is(outcome, 'forward', 'asked again') FROM pg_temp.forward('k1', entity => 'e1');
SELECT is(pg_temp.ended('11', 6, 'waits', retry_after => 0), true, 'waits, nobody knows how long');
SELECT is(pg_temp.state_of('11'), 'forwarded 6 https://two 0a0b 00:01:30', 'as long as the alias says; upstream and state stay');
SELECT is(pg_temp.ended('11', 6, 'waits', retry_after => 8640000), true, 'waits longer than the order may');
SELECT is(ask_at = expires_at AND expires_at > now(), true, 'as long as that') FROM pg_temp.row_of('11');

-- Its certificate
SELECT pg_temp.later('91 seconds');
UPDATE enrollment SET ask_at = NULL;
SELECT is(outcome, 'forward', 'asked again') FROM pg_temp.forward('k1', id => pg_temp.uuid('17'), entity => 'e1');
SELECT throws_like($$SELECT pg_temp.record('0101', an_order => pg_temp.uuid('11'), identity => 'else')$$, 'order 11000000-% is of another identity, key or alias', 'it is its identity''s alone');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0101', id => pg_temp.uuid('17'), an_order => pg_temp.uuid('11'), policy => 0)$$, $$VALUES ('stale', 'policy')$$, 'the rules are asked again');
SELECT results_eq($$SELECT outcome, der FROM pg_temp.record('0101', id => pg_temp.uuid('17'), an_order => pg_temp.uuid('11'), idem => 'i1', dropped => 'd')$$, $$VALUES ('issued', NULL::bytea)$$, 'it is recorded');
SELECT results_eq($$SELECT n.outcome::text, n.upstream, n.state, n.busy_until, n.ask_at, n.attempt, n.dropped, n.csr, c.serial::text, e.name::text FROM enrollment n JOIN certificate c ON c.id = n.certificate_id JOIN end_entity e ON e.id = n.entity_id WHERE n.id = pg_temp.uuid('11')$$,
    $$VALUES ('issued', 'https://two', NULL::bytea, NULL::timestamptz, NULL::timestamptz, 7, 'd', '\x3001'::bytea, '0101', 'e1')$$, 'the order''s row is the certificate''s, and keeps where it came from');
SELECT is(pg_temp.counts(), '1 entities, 1 certificates, 1 enrolments', 'one row');
SELECT results_eq($$SELECT outcome, der FROM pg_temp.record('0102', id => pg_temp.uuid('17'), an_order => pg_temp.uuid('11'))$$, $$VALUES ('replay', '\x0101'::bytea)$$, 'recorded again: the first is given');
SELECT results_eq($$SELECT outcome, der FROM pg_temp.forward('k1', entity => 'e1')$$, $$VALUES ('replay', '\x0101'::bytea)$$, 'and to the client who comes again');
SELECT is(pg_temp.ended('11', 7, 'failed', rule => 'ca_wrong', answer => '\x99'), false, 'it cannot fail any more');
SELECT pg_temp.later('600 seconds');
SELECT results_eq($$SELECT outcome, order_id, attempt FROM pg_temp.forward('k1', id => pg_temp.uuid('18'), entity => 'e1')$$, $$VALUES ('forward', pg_temp.uuid('18'), 1)$$, 'after the window: a new order');
-- Late, and by somebody who was taken for dead
SELECT pg_temp.later('8 days');
SELECT is(outcome, 'issued', 'an order that is over takes its certificate still') FROM pg_temp.record('0103', an_order => pg_temp.uuid('18'), entity => 'e1');

-- failed
SELECT is(outcome, 'forward', 'another') FROM pg_temp.forward('k2', id => pg_temp.uuid('21'), entity => 'e2');
SELECT is(pg_temp.ended('21', 1, 'failed', 'https://one', rule => 'ca_wrong', reason => repeat('x', 3000), answer => '\x3099'), true, 'failed');
SELECT results_eq($$SELECT outcome::text, upstream, rule, length(reason), answer, decided_at = now(), decided_by, busy_until FROM pg_temp.row_of('21')$$, $$VALUES ('failed', 'https://one', 'ca_wrong', 2000, '\x3099'::bytea, true, NULL, NULL::timestamptz)$$, 'with why, and what came');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0201', an_order => pg_temp.uuid('21'), entity => 'e2')$$, $$VALUES ('stale', 'approval')$$, 'it takes no certificate');
SELECT results_eq($$SELECT outcome, order_id, attempt FROM pg_temp.forward('k2', id => pg_temp.uuid('22'), entity => 'e2')$$, $$VALUES ('forward', pg_temp.uuid('22'), 1)$$, 'and gives way to a new one at once');
SELECT is(pg_temp.ended('22', 1, 'failed', rule => 'ca_refused', reason => 'no'), true, 'which fails without an answer');
SELECT results_eq($$SELECT id, rule, reason, has_certificate FROM denied_recently ORDER BY id$$, $$VALUES (pg_temp.uuid('21'), 'ca_wrong', repeat('x', 2000), true), (pg_temp.uuid('22'), 'ca_refused', 'no', false)$$, 'denied_recently shows both');
SELECT throws_like($$SELECT approve('2200')$$, 'order 22000000-% failed at %: ca_refused, no', 'nothing to approve');

-- Its time is over
SELECT is(outcome, 'forward', 'another') FROM pg_temp.forward('k3', id => pg_temp.uuid('31'), entity => 'e3', lease => 60);
SELECT pg_temp.later('7 days');
UPDATE enrollment SET busy_until = now() + interval '1 second' WHERE id = pg_temp.uuid('31');
SELECT results_eq('SELECT expired FROM maintain()', 'VALUES (0)', 'one that is busy is left alone');
SELECT results_eq($$SELECT outcome, order_id FROM pg_temp.forward('k3', entity => 'e3')$$, $$VALUES ('pending', pg_temp.uuid('31'))$$, 'by who comes, too');
SELECT is(count(*), 1::bigint, 'and is shown') FROM forwarded;
UPDATE enrollment SET busy_until = now() WHERE id = pg_temp.uuid('31');
SELECT is(count(*), 0::bigint, 'then no more') FROM forwarded;
SAVEPOINT over;
SELECT results_eq('SELECT expired FROM maintain()', 'VALUES (1)', 'then it expires');
SELECT is(pg_temp.state_of('31'), 'expired 1', 'is marked');
ROLLBACK TO over;
SELECT results_eq($$SELECT outcome, order_id FROM pg_temp.forward('k3', id => pg_temp.uuid('32'), entity => 'e3')$$, $$VALUES ('forward', pg_temp.uuid('32'))$$, 'or gives way to a new one');
SELECT is(pg_temp.state_of('31'), 'expired 1', 'and is marked');

-- The alias has another CA
SELECT is(pg_temp.ended('32', 1, 'waits', 'https://one', '\x01'), true, 'an order waits');
SELECT results_eq($$SELECT outcome, order_id, attempt, upstream FROM pg_temp.forward('k3', id => pg_temp.uuid('33'), entity => 'e3', ca => 'other')$$, $$VALUES ('forward', pg_temp.uuid('33'), 1, NULL)$$, 'another CA: another order, at once');
SELECT is(pg_temp.state_of('32'), 'failed 1 https://one 01 ca_changed it was for CA up, and the alias has other now', 'the old one is given up');
SELECT is(outcome, 'pending', 'one that is busy at the old CA is waited for') FROM pg_temp.forward('k3', entity => 'e3', ca => 'third');
SELECT results_eq($$SELECT outcome, order_id <> pg_temp.uuid('33'), attempt FROM pg_temp.forward('k3', id => pg_temp.uuid('33'), entity => 'e3', ca => 'third')$$, $$VALUES ('forward', true, 1)$$, 'not by the request that is busy: it has an order of another id');
SELECT is(pg_temp.state_of('33'), 'failed 1 ca_changed it was for CA other, and the alias has third now', 'and the one of its own is given up');
SELECT results_eq($$SELECT outcome, attempt FROM pg_temp.forward('k3', id => pg_temp.uuid('33'), entity => 'e3', ca => 'third')$$, $$VALUES ('forward', 1)$$, 'told again');
SELECT is(r.outcome, 'issued', 'and recorded by it') FROM enrollment e, LATERAL pg_temp.record('0301', id => pg_temp.uuid('33'), an_order => e.id, entity => 'e3') AS r WHERE e.outcome = 'forwarded' AND e.ca = 'third';
SELECT is(outcome, 'forward', 'another') FROM pg_temp.forward('k4', id => pg_temp.uuid('41'), entity => 'e4');
SELECT is(outcome, 'pending', 'a CA here waits for it, too') FROM pg_temp.forward('k4', entity => 'e4', lease => 0);
SELECT pg_temp.later('1 minute');
SELECT results_eq($$SELECT outcome, order_id FROM pg_temp.forward('k4', entity => 'e4', lease => 0)$$, $$VALUES ('go', NULL::uuid)$$, 'and then issues without it');
SELECT is(pg_temp.state_of('41'), 'failed 1 ca_changed it was for CA up, and the alias has one here of the same name now', 'which is given up');

-- Approval first
UPDATE alias SET approval = 'all' WHERE name = 'a';
SELECT results_eq($$SELECT outcome, order_id, retry_after, waits_for_ca FROM pg_temp.forward('k5', id => pg_temp.uuid('51'), entity => 'e5', csr => '\x3051')$$, $$VALUES ('pending', pg_temp.uuid('51'), 90, false)$$, 'what has to be approved is not forwarded');
SELECT results_eq($$SELECT outcome, waits_for_ca FROM pg_temp.forward('k5', entity => 'e5')$$, $$VALUES ('pending', false)$$, 'nor later');
SELECT is(concat(ca, attempt, busy_until), '', 'and is of no CA yet') FROM pg_temp.row_of('51');
SELECT is_empty($$SELECT FROM forwarded$$, 'nor shown as that');
SELECT approve('5100');
SELECT pg_temp.later('6 days');
SELECT results_eq($$SELECT outcome, order_id, attempt, csr_sent FROM pg_temp.forward('k5', id => pg_temp.uuid('52'), entity => 'e5', csr => '\x3052')$$, $$VALUES ('forward', pg_temp.uuid('51'), 1, '\x3051'::bytea)$$, 'approved, it is: as it was when it was approved');
SELECT results_eq($$SELECT outcome::text, ca, decided_by = session_user, expires_at - now() FROM pg_temp.row_of('51')$$, $$VALUES ('forwarded', 'up', true, interval '7 days')$$, 'and has its time from now on');
SELECT throws_like(call, 'order 51000000-% is forwarded to CA ''up''', call) FROM unnest(ARRAY[$$SELECT approve('5100')$$, $$SELECT deny('5100', 'no')$$]) AS call;
SELECT is(pg_temp.ended('51', 1, 'unsent'), true, 'not sent');
SELECT results_eq($$SELECT outcome, order_id, attempt FROM pg_temp.forward('k5', entity => 'e5')$$, $$VALUES ('forward', pg_temp.uuid('51'), 2)$$, 'it need not be approved again');
SELECT is(outcome, 'issued', 'and its certificate is recorded') FROM pg_temp.record('0501', an_order => pg_temp.uuid('51'), entity => 'e5');
SELECT is(pg_temp.ended('51', 2, 'waits'), false, 'after which there is nothing to wait for');
SELECT is(outcome, 'pending', 'another') FROM pg_temp.forward('k6', id => pg_temp.uuid('61'), entity => 'e6');
SELECT deny('6100', 'no');
SELECT results_eq($$SELECT outcome, rule, detail FROM pg_temp.forward('k6', entity => 'e6')$$, $$VALUES ('refused', 'approval_denied', 'no')$$, 'what is denied is not forwarded');
-- Only people's orders are counted
UPDATE alias SET max_orders = 1;
SELECT is(outcome, 'forward', 'forwarded orders are not few') FROM generate_series(1, 3) AS i, pg_temp.forward('m' || i, alias => 'b', identity => 'many', entity => 'm' || i);
SELECT is(outcome, 'pending', 'and do not keep one from asking people') FROM pg_temp.forward('m9', identity => 'many', entity => 'm9');
UPDATE alias SET approval = 'none', max_orders = 100;

-- The rules are asked before, and each time
SELECT register_entity('coded', alias => 'a', code => 'pw');
UPDATE alias SET mode = 'client', rate_client = 1 WHERE name = 'a';
CREATE FUNCTION pg_temp.by_code(key text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', outcome, rule) FROM pg_temp.forward($1, kind => 'entity', identity => 'coded', entity => 'coded', code => (SELECT max(id) FROM est.enrollment_code), entity_version => (SELECT version FROM est.end_entity WHERE name = 'coded')) $$;
SELECT is(pg_temp.by_code('c1'), 'forward', 'by a code');
SELECT is(uses_left, 0, 'which is used when the order is opened') FROM enrollment_code;
SELECT pg_temp.later('20 seconds');
UPDATE enrollment SET busy_until = now() WHERE identity = 'coded';
SELECT is(pg_temp.by_code('c1'), 'forward', 'and not asked for again, nor the rate');
SELECT is(pg_temp.by_code('c2'), 'refused code_refused', 'another one is refused');
SELECT is(concat_ws(' ', r.outcome, r.rule), 'issued', 'the certificate is recorded with the code used up')
    FROM enrollment e, LATERAL pg_temp.record('0701', kind => 'entity', identity => 'coded', entity => 'coded', code => (SELECT max(id) FROM enrollment_code), entity_version => (SELECT version FROM end_entity WHERE name = 'coded'), an_order => e.id) AS r
    WHERE e.outcome = 'forwarded' AND e.identity = 'coded';
UPDATE alias SET mode = 'ra', rate_client = NULL WHERE name = 'a';
SELECT is(outcome, 'forward', 'another') FROM pg_temp.forward('k8', id => pg_temp.uuid('81'), entity => 'e8');
SELECT pg_temp.ended('81', 1, 'unsent');
SELECT suspend('e8');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.forward('k8', entity => 'e8')$$, $$VALUES ('refused', 'entity_suspended')$$, 'of a suspended entity nothing is forwarded');
SELECT is(pg_temp.state_of('81'), 'forwarded 1', 'the order stays');
SELECT reinstate('e8');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.forward('k8', entity => 'e8', policy => 0)$$, $$VALUES ('stale', 'policy')$$, 'nor by another policy');
SELECT is(outcome, 'refused', 'what is refused opens no order') FROM pg_temp.forward('k9', entity => '');
SELECT is_empty($$SELECT FROM enrollment WHERE order_key = sha256('k9')$$, 'and has no row');

-- give_up, forwarded
SET LOCAL TimeZone = 'UTC';
SELECT pg_temp.forward('k8', id => pg_temp.uuid('82'), entity => 'e8'), pg_temp.ended('81', 2, 'waits', 'https://one', retry_after => 40);
SET ROLE est_admin;
SELECT results_eq($$SELECT id, alias, operation::text, identity_kind::text, identity, network, entity::text, subject, san, spki_hash, ca, upstream, attempt, busy, ask_at - now(), expires_at > now(), age FROM forwarded WHERE alias = 'a'$$,
    $$VALUES (pg_temp.uuid('81'), 'a', 'simpleenroll', 'user', 'dev1', inet '192.0.2.7', 'e8', 'CN=e8', ARRAY['dns:e8'], encode(sha256('key'), 'hex'), 'up', 'https://one', 2, false, interval '40 seconds', true, interval '0')$$, 'forwarded shows it');
SELECT throws_like(call, said, call) FROM (VALUES ($$SELECT give_up('2222')$$, 'there is no order ''2222'''), ($$SELECT give_up('5100')$$, 'order 51000000-% is issued, and not forwarded'), ($$SELECT give_up('8100', '')$$, 'reason = '''' refused; allowed: 1 to 300%')) AS bad (call, said);
SELECT is(give_up('8100', 'lost at the CA'), 'given up order 81000000-0000-0000-0000-000000000000: simpleenroll at alias a by user dev1 for CN=e8', 'give_up');
RESET ROLE;
SELECT results_eq($$SELECT outcome::text, rule, reason, decided_by = session_user, decided_at = now(), upstream, ask_at FROM pg_temp.row_of('81')$$, $$VALUES ('failed', 'given_up', 'lost at the CA', true, true, 'https://one', NULL::timestamptz)$$, 'who did it, and why');
SELECT results_eq($$SELECT outcome, order_id, attempt FROM pg_temp.forward('k8', id => pg_temp.uuid('83'), entity => 'e8')$$, $$VALUES ('forward', pg_temp.uuid('83'), 1)$$, 'the client opens a new one');
SELECT is(give_up('8300'), 'given up order 83000000-0000-0000-0000-000000000000: simpleenroll at alias a by user dev1 for CN=e8', 'give_up without a reason, while it is busy');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.record('0801', id => pg_temp.uuid('83'), an_order => pg_temp.uuid('83'), entity => 'e8')$$, $$VALUES ('stale', 'approval')$$, 'its certificate has no order any more');
SELECT results_eq($$SELECT outcome, rule FROM pg_temp.forward('k8', id => pg_temp.uuid('83'), entity => 'e8', policy => 0)$$, $$VALUES ('stale', 'policy')$$, 'the request that has it asks for another');
CREATE TEMP TABLE anew AS SELECT outcome, order_id, attempt FROM pg_temp.forward('k8', id => pg_temp.uuid('83'), entity => 'e8');
SELECT results_eq($$SELECT outcome, order_id <> pg_temp.uuid('83'), attempt FROM anew$$, $$VALUES ('forward', true, 1)$$, 'and gets one');
SELECT is(r.outcome, 'issued', 'and the certificate is recorded') FROM anew, LATERAL pg_temp.record('0801', id => pg_temp.uuid('83'), an_order => anew.order_id, entity => 'e8') AS r;
SELECT is(pg_temp.ended('83', 1, 'failed', 'https://one', rule => 'ca_wrong', answer => '\x3083'), true, 'what came for one that was given up and is wrong is kept');
SELECT is(pg_temp.ended('83', 1, 'failed', 'https://one', rule => 'ca_wrong', answer => '\x3084'), false, 'once');
SELECT results_eq($$SELECT rule, upstream, answer FROM pg_temp.row_of('83')$$, $$VALUES ('given_up', 'https://one', '\x3083'::bytea)$$, 'with the order');

-- explain_request
CREATE FUNCTION pg_temp.explained(key text) RETURNS TABLE (r text, verdict text, wanted text, got text, retry_after int) LANGUAGE sql AS $$
    SELECT x.* FROM est.explain_request((SELECT a.id FROM est.alias a WHERE a.name = 'a'), 'simpleenroll', 'user', 'dev1', '192.0.2.7', NULL, NULL, 'e9', 'CN=e9', sha256('key'), NULL, NULL, NULL, sha256($1::bytea), NULL, 600) AS x
    WHERE x.rule = 'order' OR x.verdict = 'fail' $$;
SELECT pg_temp.forward('x', id => pg_temp.uuid('91'), entity => 'e9');
SELECT results_eq($$SELECT * FROM pg_temp.explained('x')$$, $$VALUES ('order', 'fail', 'the order that is open for this request is to be asked for at its CA', 'order 91000000-0000-0000-0000-000000000000 is to be sent to CA up, which is being asked', 5)$$, 'explained: busy');
SELECT pg_temp.ended('91', 1, 'waits', 'https://one', retry_after => 50);
SELECT results_eq($$SELECT verdict, got, retry_after FROM pg_temp.explained('x')$$, $$VALUES ('fail', 'order 91000000-0000-0000-0000-000000000000 is at https://one, and waits for it', 50)$$, 'explained: waits');
SELECT pg_temp.later('50 seconds');
SELECT results_eq($$SELECT verdict, got, retry_after FROM pg_temp.explained('x')$$, $$VALUES ('pass', 'order 91000000-0000-0000-0000-000000000000 is at https://one', NULL::int)$$, 'explained: to be asked for');
UPDATE alias SET approval = 'all' WHERE name = 'a';
SELECT results_eq($$SELECT r, verdict FROM pg_temp.explained('x')$$, $$VALUES ('order', 'pass')$$, 'explained: it was decided before');
UPDATE alias SET approval = 'none' WHERE name = 'a';
SELECT give_up('9100');
SELECT results_eq($$SELECT verdict, got FROM pg_temp.explained('x')$$, $$VALUES ('n/a', NULL)$$, 'explained: given up');
UPDATE alias SET approval = 'all' WHERE name = 'a';
SELECT is(outcome, 'pending', 'one that people are to decide') FROM pg_temp.forward('z', id => pg_temp.uuid('92'), entity => 'e9');
UPDATE alias SET approval = 'none' WHERE name = 'a';
SELECT results_eq($$SELECT verdict, got FROM pg_temp.explained('z')$$, $$VALUES ('n/a', NULL)$$, 'explained: nobody approves any more');

-- What a row must have
SELECT throws_like($$SELECT pg_temp.forward('y', entity => 'y', csr => NULL)$$, '%enrollment_whole%', 'a request to send');
SELECT throws_like($$SELECT pg_temp.forward('y', entity => 'y', ca => NULL)$$, '%enrollment_whole%', 'and a CA');

-- It outlives its alias as a record
INSERT INTO alias (name, ca) VALUES ('gone', 'up');
SELECT pg_temp.forward('g', alias => 'gone', id => pg_temp.uuid('a1'), entity => 'g');
DELETE FROM alias WHERE name = 'gone';
SELECT is(pg_temp.ended('a1', 1, 'waits', 'https://one'), true, 'the answer for an alias that is gone');
SELECT is(pg_temp.state_of('a1'), 'forwarded 1 https://one 00:01:00', 'is recorded');
SELECT matches(give_up('a100'), '^given up order a1', 'and the order ended');

-- The CA gives a certificate once more that is on record already
SELECT outcome FROM pg_temp.forward('twice1', id => pg_temp.uuid('c1'), entity => 'twice');
SELECT is(outcome, 'issued', 'a certificate') FROM pg_temp.record('0c01', an_order => pg_temp.uuid('c1'), entity => 'twice');
SELECT outcome FROM pg_temp.forward('twice2', id => pg_temp.uuid('c2'), entity => 'twice');
SELECT results_eq($$SELECT outcome, der FROM pg_temp.record('0c01', an_order => pg_temp.uuid('c2'), entity => 'twice')$$, $$VALUES ('replay', '\x0c01'::bytea)$$, 'given once more: handed out again');
SELECT results_eq($$SELECT count(*), count(DISTINCT certificate_id) FROM enrollment WHERE id IN (pg_temp.uuid('c1'), pg_temp.uuid('c2')) AND outcome = 'issued'$$, $$VALUES (2::bigint, 1::bigint)$$, 'it is one certificate of two orders');
SELECT outcome FROM pg_temp.forward('other', id => pg_temp.uuid('c3'), entity => 'other');
SELECT results_eq($$SELECT outcome, rule, detail, der FROM pg_temp.record('0c01', an_order => pg_temp.uuid('c3'), entity => 'other')$$, $$VALUES ('refused', 'ca_wrong', 'the CA has given serial number 0c01 to another certificate before', NULL::bytea)$$, 'to another entity: refused');
UPDATE certificate SET status = 'revoked', revoked_at = now(), revocation_reason = 'superseded' WHERE serial = '0c01';
SELECT outcome FROM pg_temp.forward('twice3', id => pg_temp.uuid('c4'), entity => 'twice');
SELECT results_eq($$SELECT outcome, rule, detail FROM pg_temp.record('0c01', an_order => pg_temp.uuid('c4'), entity => 'twice')$$, $$VALUES ('refused', 'ca_wrong', 'the CA gave certificate 0c01 once more, which is revoked')$$, 'revoked here: refused');

-- What is told is on disk
SET LOCAL synchronous_commit = off;
SELECT pg_temp.forward('s', id => pg_temp.uuid('b1'), entity => 's');
SELECT is(current_setting('synchronous_commit'), 'on', 'an order is on disk before it is forwarded');
SET LOCAL synchronous_commit = off;
SELECT pg_temp.ended('b1', 1, 'unsent');
SELECT is(current_setting('synchronous_commit'), 'on', 'and so is what became of it');

SELECT * FROM finish();
ROLLBACK;
