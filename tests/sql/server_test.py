#!/usr/bin/python3
# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What takes more than one session, or a client that is not SQL: the statements of queries.sql as the module prepares them, calls of
record_issued() at the same time, notifications, and psql's own words for the published script. Prints TAP; run by tests/sql/run."""

import hashlib
import os
import re
import subprocess
import threading
import time
import uuid

import psycopg

os.environ["PGDATABASE"] = "est_server"
done = failed = 0


def ok(condition, name, *wrong):
    global done, failed
    done += 1
    print(f"{'ok' if condition else 'not ok'} {done} - {name}", flush=True)
    if not condition:
        failed += 1
        for line in wrong:
            print("#", line, flush=True)


def same(got, want, name):
    ok(got == want, name, f"got:    {got!r}", f"wanted: {want!r}")


def connect(user="postgres"):
    return psycopg.connect(user=user, autocommit=True)


def queries():
    """The named statements, read independently of queries.awk."""
    with open(os.environ["EST_QUERIES"], encoding="utf-8") as f:
        blocks = re.split(r"^-- name: (\S+)\n", f.read(), flags=re.M)[1:]
    return {name: "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()
            for name, text in zip(blocks[::2], blocks[1::2])}


SQL = queries()
COLUMNS = {
    "schema_version": "max is_module",
    "policy_version": "version",
    "policy_aliases": "id name enabled mode profile_id profile_active group_id group_active ca auth_enroll auth_reenroll auth_cacerts binding"
                      " idempotency unknown_holder other_users enroll_chain base64 transfer_encoding reason_text compat code_source entity_from name_scheme"
                      " name_prefix name_postfix vendor vendor_patterns ra_certificates ra_binding same_key change_subject renew_window renew_expired approval"
                      " rate_client rate_alias",
    "policy_profiles": "id name validity backdate latest_end beyond_ca keys digest dns_wildcards subject_other san_other subject_template",
    "policy_subject_rules": "profile_id attribute required pattern max_count on_violation",
    "policy_san_rules": "profile_id type required pattern max_count on_violation source template",
    "policy_extensions": "profile_id name critical value",
    "policy_extension_sections": "profile_id section name value",
    "policy_request_extensions": "profile_id name action",
    "policy_groups": "id name names approval",
    "policy_anchors": "alias_id kind use certificate",
    "client_get": "id version user_name password_hash names networks groups enabled valid_from valid_until",
    "client_by_certificate": "id version user_name password_hash names networks groups enabled valid_from valid_until",
    "entity_get": "id version name status preregistered subject san valid_until code_id code_hash",
    "record_issued": "outcome rule detail der order_id retry_after",
    "order_open": "outcome rule detail der order_id retry_after waits_for_ca attempt csr upstream state",
    "order_forwarded": "order_forwarded",
    "record_refused": "retry_after",
    "maintain": "revoked expired",
    "holder_status": "holder_status",
    "listen": "",
    "explain_request": "rule verdict wanted got retry_after",
}
FOR_PEOPLE = {"explain_request"}  # not for est_module


def run_prepared(pg, name, params=()):
    result = pg.exec_prepared(name.encode(), [None if p is None else str(p).encode() for p in params])
    if result.status not in (psycopg.pq.ExecStatus.TUPLES_OK, psycopg.pq.ExecStatus.COMMAND_OK):
        raise RuntimeError(result.error_message.decode())
    text = [[None if (v := result.get_value(r, c)) is None else v.decode() for c in range(result.nfields)] for r in range(result.ntuples)]
    return [result.fname(c).decode() for c in range(result.nfields)], text


def issue_params(serial, entity="dev", idem=None, request=None, key="22", **other):
    """$1 to $30 of record_issued"""
    params = [request or uuid.uuid4(), 1, version(), "simpleenroll", "user", "tester", None, None, "192.0.2.1", None, None, entity,
              None if idem is None else "\\x" + hashlib.sha256(idem.encode()).hexdigest(), 600, "issuing", "CN=ca", "\\x" + "11" * 32, serial,
              f"CN={entity}", '{"dns:a.example"}', "\\x" + key * 32, int(time.time()) - 300, int(time.time()) + 86400, "\\x30" + serial,
              "\\x" + "33" * 10, None, None, None, None, None]
    for name, value in other.items():
        params[{"alias": 1, "kind": 4, "identity": 5, "dropped": 25, "code": 26, "entity_version": 27, "order": 28, "vendor": 29}[name]] = value
    return params


def order_params(order, entity="dev", request=None, key="22", **other):
    """$1 to $26 of order_open"""
    params = [request or uuid.uuid4(), 1, version(), "simpleenroll", "user", "tester", None, None, "192.0.2.1", None, None, entity,
              "\\x" + hashlib.sha256(order.encode()).hexdigest(), None, 600, f"CN={entity}", '{"dns:a.example"}', "\\x" + key * 32, None, "\\x3000",
              None, None, None, None, "issuing", 0]
    for name, value in other.items():
        params[{"alias": 1, "kind": 4, "identity": 5, "code": 21, "entity_version": 22, "lease": 25}[name]] = value
    return params


def version():
    with connect() as db:
        return db.execute("SELECT version FROM est.policy_version").fetchone()[0]


def test_every_statement_prepares_and_runs():
    with connect() as db:
        db.execute("INSERT INTO certificate_profile (name, validity, latest_end) VALUES ('prep', '2 days 1 second', '2031-01-01 00:00:00+00')")
        db.execute("INSERT INTO profile_subject_rule (profile_id, attribute) SELECT id, 'CN' FROM certificate_profile")
        db.execute("INSERT INTO profile_san_rule (profile_id, type) SELECT id, 'dns' FROM certificate_profile")
        db.execute("BEGIN; INSERT INTO profile_extension (profile_id, name, value) SELECT id, 'crlDistributionPoints', '@dp' FROM certificate_profile;"
                   "INSERT INTO profile_extension_section (profile_id, section, name, value) SELECT id, 'dp', 'URI.1', 'http://a.example' FROM certificate_profile; COMMIT")
        db.execute("INSERT INTO trust_anchor (alias_id, certificate) VALUES (1, '\\x3000')")
        db.execute("INSERT INTO profile_request_extension (profile_id, name, action) SELECT id, 'keyUsage', 'copy' FROM certificate_profile")
        db.execute("SELECT register_client('prep', 'pw')")
        db.execute("UPDATE client SET cert_subject = 'CN=prep' WHERE user_name = 'prep'")
        db.execute("SELECT register_entity('prepared', alias => 'est', code => 'pw')")
    same(sorted(SQL), sorted(COLUMNS), "queries.sql has the statements that are tested here")
    params = {"client_get": ["prep"], "client_by_certificate": ["\\x" + "00" * 32, "CN=prep"], "entity_get": [1, "prepared"],
              "holder_status": [1, "\\x" + "11" * 32, "01"], "record_issued": issue_params("5001", "prep", dropped="O", vendor='{"a b",c}'),
              "order_open": order_params("prep", "prep"), "order_forwarded": [uuid.uuid4(), 1, "waits", "https://a.example", "\\x00", 0, None, None, None],
              "explain_request": [1, "simpleenroll", "user", "tester", "192.0.2.1", None, None, "prep", "CN=prep", "\\x" + "22" * 32, None, None, None,
                                  "\\x" + "44" * 32, None, 600],
              "record_refused": [uuid.uuid4(), 1, "simpleenroll", "user", "tester", None, "192.0.2.1", "CN=x", '{"dns:a.example"}', "\\x" + "22" * 32, "key_not_allowed", "why"]}
    with connect("est_module") as db, connect() as people:
        people.execute("SET ROLE est_admin")
        for name, text in SQL.items():
            pg, role = (people.pgconn, "est_admin") if name in FOR_PEOPLE else (db.pgconn, "est_module")
            result = pg.prepare(name.encode(), text.encode())
            ok(result.status == psycopg.pq.ExecStatus.COMMAND_OK, f"{role} prepares {name}", result.error_message.decode())
            columns, rows = run_prepared(pg, name, params.get(name, ()))
            same(" ".join(columns), COLUMNS[name], f"columns of {name}")
            ok(rows or name == "listen", f"rows of {name}")
        pg = db.pgconn
        same(run_prepared(pg, "schema_version")[1], [["4", "t"]], "schema version")
        aliases = run_prepared(pg, "policy_aliases")[1]
        same(aliases[0], ["1", "est", "t", "ra", None, "t", "1", "t", None, "basic-or-cert", "cert", "f", "if-present", "600", "refuse", "refuse",
                          "f", "auto", "t", "t", "none", "basic", "CN", "dn:CN", "", "", "off", "**", "t", "f", "allow", "f", None, None, "none", None, None],
             "alias est as the module reads it")
        profile = run_prepared(pg, "policy_profiles")[1][0]
        same(profile[1:8], ["prep", "172801", "300", "1924992000", "cap", "rsa:2048-8192\nec:P-256,P-384,P-521", "default"], "a profile as the module reads it")
        same(run_prepared(pg, "policy_anchors")[1][0], ["1", "holder", "anchor", "3000"], "an anchor in hexadecimal")
        same(run_prepared(pg, "record_issued", issue_params("5002", "prep"))[1], [["issued"] + [None] * 5], "a second run of a prepared statement")
    with connect() as db:
        row = db.execute("SELECT c.san, extract(epoch FROM not_after - not_before)::int, der, network::text FROM certificate c JOIN enrollment n ON n.certificate_id = c.id"
                         " WHERE serial = '5002'").fetchone()
        same(row, (["dns:a.example"], 86700, b"\x30\x50\x02", "192.0.2.1/32"), "parameters arrive as they are meant")


def test_header_holds_the_same_statements():
    awk = os.environ["EST_AWK"]
    header = subprocess.run(["awk", "-f", awk, os.environ["EST_QUERIES"]], check=True, capture_output=True, text=True).stdout
    found = {}
    for name, literal in re.findall(r"static const char STORE_SQL_(\w+)\[\] =((?:\n    \".*\")+);", header):
        found[name.lower()] = "".join(re.findall(r"^    \"(.*)\"$", literal, flags=re.M)).encode().decode("unicode_escape")
    same(found, SQL, "queries.awk gives each statement as it stands")
    odd = '-- name: odd\nSELECT E\'a\\\\b\' AS "x??)y", \'\t\'\n\n-- comment */ here\nFROM t\n'
    out = subprocess.run(["awk", "-f", awk], input=odd, check=True, capture_output=True, text=True).stdout
    ok('    "SELECT E\'a\\\\\\\\b\' AS \\"x\\?\\?)y\\", \'\\t\'\\n"\n    "\\n"\n    "FROM t";' in out, "quotes, backslashes, trigraphs, tabs, empty lines", out)
    for bad, why in (("SELECT 1\n", "SQL before the first name"), ("-- name: a\n-- name: b\nSELECT 1\n", "an empty statement"),
                     ("-- name: A-b\nSELECT 1\n", "a name C cannot have"), ("-- name: a\nSELECT 1\n-- name: a\nSELECT 1\n", "a name twice"), ("-- name: a\n", "an empty last statement")):
        run = subprocess.run(["awk", "-f", awk], input=bad, capture_output=True, text=True, check=False)
        ok(run.returncode != 0 and run.stderr, f"queries.awk refuses {why}")


def at_once(calls, statement="record_issued"):
    """Runs each call in a session of its own, all released together; the results, or the errors."""
    results = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def one(i, params):
        with connect("est_module") as db:
            pg = db.pgconn
            pg.prepare(b"r", SQL[statement].encode())
            barrier.wait(60)
            try:
                results[i] = run_prepared(pg, "r", params)[1]
            except RuntimeError as error:
                results[i] = error
    threads = [threading.Thread(target=one, args=(i, params)) for i, params in enumerate(calls)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def count(sql):
    with connect() as db:
        return db.execute(sql).fetchone()[0]


def outcomes(results):
    return sorted(r[0][0] if isinstance(r, list) else f"error: {r}" for r in results)


def test_parallel_calls():
    results = at_once([issue_params(f"60{i:02x}", "idem", "one key") for i in range(50)])
    same(outcomes(results), ["issued"] + ["replay"] * 49, "50 calls at once with one idempotency key: one is issued")
    same(count("SELECT count(*) FROM enrollment n JOIN end_entity e ON e.id = n.entity_id WHERE e.name = 'idem'"), 1, "one row")
    stored = count("SELECT encode(der, 'hex') FROM certificate c JOIN end_entity e ON e.id = c.entity_id WHERE e.name = 'idem'")
    same({r[0][3] for r in results if r[0][0] == "replay"}, {"\\x" + stored}, "and all others get that certificate")

    results = at_once([issue_params(f"61{i:02x}", "busy") for i in range(50)])
    same(outcomes(results), ["issued"] * 50, "50 calls at once for one new entity: all are issued")
    same(count("SELECT count(*) FROM end_entity WHERE name = 'busy'"), 1, "one entity")
    same(count("SELECT count(*) FROM certificate c JOIN end_entity e ON e.id = c.entity_id WHERE e.name = 'busy'"), 50, "50 certificates")

    request = uuid.uuid4()
    results = at_once([issue_params(f"62{i:02x}", "retry", request=request) for i in range(20)])
    same(outcomes(results), ["issued"] * 20, "20 tries of one request at once")
    same(count("SELECT count(*) FROM certificate c JOIN end_entity e ON e.id = c.entity_id WHERE e.name = 'retry'"), 1, "one certificate")

    results = at_once([issue_params(f"63{i:02x}", f"e{i % 5}", f"key {i % 7}") for i in range(50)])
    same(outcomes(results), ["issued"] * 7 + ["replay"] * 43, "keys and entities crossed: no deadlock")


def rules(results):
    """{(outcome, rule): how many}"""
    found = {}
    for result in results:
        row = tuple(result[0][:2]) if isinstance(result, list) else ("error", str(result).split("\n", maxsplit=1)[0])
        found[row] = found.get(row, 0) + 1
    return found


def certificates(entity):
    return count(f"SELECT count(*) FROM certificate c JOIN end_entity e ON e.id = c.entity_id WHERE e.name = '{entity}'")


def set_alias(settings):
    """Settings of alias est, for a while"""
    with connect() as db:
        db.execute(f"UPDATE alias SET {settings} WHERE name = 'est'")


def test_one_code_at_once():
    with connect() as db:
        db.execute("SELECT register_entity('coded', alias => 'est', code => 'pw')")
        code, entity_version = db.execute("SELECT code_id, version FROM entity_get(1, 'coded')").fetchone()
    set_alias("mode = 'client'")
    by_code = {"kind": "entity", "identity": "coded", "code": code, "entity_version": entity_version}
    results = at_once([issue_params(f"64{i:02x}", "coded", key=f"{i:02x}", **by_code) for i in range(50)])
    same(rules(results), {("issued", None): 1, ("refused", "code_refused"): 49}, "50 requests at once with one code: one certificate")
    same(certificates("coded"), 1, "one is on record")
    with connect() as db:
        db.execute("SELECT issue_code('coded', 'est', 'pw', uses => 7)")
        by_code["code"] = db.execute("SELECT code_id FROM entity_get(1, 'coded')").fetchone()[0]
    results = at_once([issue_params(f"65{i:02x}", "coded", key=f"{i:02x}", **by_code) for i in range(50)])
    same(rules(results), {("issued", None): 7, ("refused", "code_refused"): 43}, "a code of 7 uses: seven")
    with connect() as db:
        db.execute("SELECT issue_code('coded', 'est', 'pw')")
        by_code["code"] = db.execute("SELECT code_id FROM entity_get(1, 'coded')").fetchone()[0]
    set_alias("approval = 'all', max_orders = 100")
    results = at_once([order_params(f"code {i}", "coded", key=f"{i:02x}", **by_code) for i in range(50)], "order_open")
    same(rules(results), {("pending", None): 1, ("refused", "code_refused"): 49}, "50 orders at once with one code: one is opened")
    set_alias("mode = 'ra', approval = 'none'")


def test_orders_at_once():
    set_alias("approval = 'all', max_orders = 100")
    results = at_once([order_params("same", "ordered") for i in range(50)], "order_open")
    same(rules(results), {("pending", None): 50}, "PE-02: 50 times the same request at once: all are told to wait")
    same(len({r[0][4] for r in results}), 1, "for the same order")
    same(count("SELECT count(*) FROM enrollment WHERE order_key = sha256('same')"), 1, "which is one row")
    request = uuid.uuid4()
    results = at_once([order_params("tried", "tried", request=request) for i in range(20)], "order_open")
    same({(r[0][0], r[0][4]) for r in results}, {("pending", str(request))}, "20 tries of one request at once: one order")
    results = at_once([order_params(f"many {i % 10}", f"o{i % 3}", identity=f"who {i % 10}") for i in range(50)], "order_open")
    same(rules(results), {("pending", None): 50}, "orders and entities crossed: no deadlock")
    set_alias("max_orders = 5")
    results = at_once([order_params(f"greedy {i}", "greedy", identity="greedy") for i in range(50)], "order_open")
    same(rules(results), {("pending", None): 5, ("refused", "too_many_orders"): 45}, "50 orders of one identity at once: max_orders")


def test_forwards_at_once():
    """Orders for a CA elsewhere: each is one request's at a time"""
    def ask(order, **other):
        return order_params(order, "forwarded", lease=30, **other)

    set_alias("approval = 'none'")
    results = at_once([ask("sent once") for i in range(50)], "order_open")
    same(rules(results), {("forward", None): 1, ("pending", None): 49}, "50 times the same request at once: one is to forward it")
    same({(r[0][4], r[0][6]) for r in results if r[0][0] == "pending"}, {(r[0][4], "t") for r in results if r[0][0] == "forward"}, "the others wait for the CA, with that order")
    same(count("SELECT count(*) FROM enrollment WHERE order_key = sha256('sent once')"), 1, "which is one row")
    for attempt in range(2, 5):
        with connect() as db:
            db.execute("UPDATE enrollment SET busy_until = now() WHERE order_key = sha256('sent once')")
        results = at_once([ask("sent once") for i in range(20)], "order_open")
        same(sorted((r[0][0], r[0][7]) for r in results), [("forward", str(attempt))] + [("pending", None)] * 19, "20 after the lease is over: one takes it over")
    order = results[0][0][4]
    results = at_once([[order, n % 4 + 1, "unsure", f"https://{n % 4 + 1}.example", None, 0, None, None, None] for n in range(20)], "order_forwarded")
    same(sorted(r[0][0] for r in results), ["f"] * 15 + ["t"] * 5, "of four who say what became of it, the last is heard")
    same(count(f"SELECT upstream FROM enrollment WHERE id = '{order}'"), "https://4.example", "and recorded")
    results = at_once([issue_params(f"a1{i:02x}", "forwarded", order=order) for i in range(20)])
    same(outcomes(results), ["issued"] + ["replay"] * 19, "20 certificates for it at once: one is recorded")
    request = uuid.uuid4()
    results = at_once([ask("tried again", request=request) for i in range(20)], "order_open")
    same({(r[0][0], r[0][4], r[0][7]) for r in results}, {("forward", str(request), "1")}, "20 tries of one request at once: one order, one attempt")
    results = at_once([ask(f"many {i % 10}", identity=f"sender {i % 10}", request=None) for i in range(50)], "order_open")
    same(rules(results), {("forward", None): 10, ("pending", None): 40}, "ten requests crossed: each is forwarded once")
    set_alias("approval = 'all', max_orders = 100")
    order = at_once([ask("approved")], "order_open")[0][0][4]
    decide([f"approve('{order}')"])
    results = at_once([ask("approved") for i in range(20)], "order_open")
    same(sorted((r[0][0], r[0][4]) for r in results), [("forward", order)] + [("pending", order)] * 19, "20 who come for an approved order: one forwards it")
    set_alias("approval = 'none'")
    order = at_once([ask("given up")], "order_open")[0][0][4]
    results = decide([f"give_up('{order}')"] * 5)
    same(sum(r.startswith("given up") for r in results), 1, "given up by five people at once: once")


def decide(calls):
    """Calls of people, each in a session of its own, at once: what they were told"""
    results = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def one(i, call):
        with connect() as db:
            barrier.wait(60)
            try:
                results[i] = db.execute("SELECT " + call).fetchone()[0]
            except psycopg.Error as error:
                results[i] = "ERROR: " + str(error)
    threads = [threading.Thread(target=one, args=(i, call)) for i, call in enumerate(calls)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def test_decisions_at_once():
    set_alias("approval = 'all', max_orders = 100")
    for n in range(5):
        order = at_once([order_params(f"decided {n}", f"decided {n}")], "order_open")[0][0][4]
        results = decide([f"approve('{order}')", f"deny('{order}', 'no')"] * 4)
        done = [r.split(" ")[0] for r in results if not r.startswith("ERROR")]
        same(len(done), 1, "approved and denied at once, by eight people: one of them decides")
        same(count(f"SELECT outcome::text FROM enrollment WHERE id = '{order}'"), done[0], "and it stays so")
        same([r for r in results if r.startswith("ERROR") and " by postgres at " not in r], [], "the others are told by whom and when")
    approved = at_once([order_params("polled", "polled")], "order_open")[0][0][4]
    same(decide([f"approve('{approved}')"])[0].split(" ")[0], "approved", "an approved order")
    polls = at_once([order_params("polled", "polled") for _ in range(10)], "order_open")
    same({(r[0][0], r[0][4]) for r in polls}, {("go", approved)}, "ten polls at once may all sign")
    results = at_once([issue_params(f"66{i:02x}", "polled", order=approved) for i in range(10)])
    same(outcomes(results), ["issued"] + ["replay"] * 9, "one certificate is recorded, and the others get it")
    same(certificates("polled"), 1, "one is on record")
    set_alias("approval = 'none'")


def test_limits_at_once():
    set_alias("max_active = 3")
    results = at_once([issue_params(f"67{i:02x}", "limited") for i in range(30)])
    same(rules(results), {("issued", None): 3, ("refused", "active_limit"): 27}, "max_active at once")
    set_alias("max_active = NULL, unique_dn = true, unique_key = true, ca = 'issuing'")
    params = [issue_params(f"68{i:02x}", f"unique {i}", key=f"{0xa0 + i % 4:02x}") for i in range(40)]
    for i, param in enumerate(params):
        param[18] = f"CN=unique {i % 3}"
    results = at_once(params)
    same(count("SELECT count(*) FROM certificate a JOIN certificate b ON lower(a.subject) = lower(b.subject) AND a.entity_id < b.entity_id WHERE a.subject LIKE 'CN=unique %'"), 0,
         "unique_dn at once: no two entities have one name")
    same(count("SELECT count(*) FROM certificate a JOIN certificate b ON a.spki_hash = b.spki_hash AND a.entity_id < b.entity_id WHERE a.subject LIKE 'CN=unique %'"), 0,
         "unique_key at once: nor one key")
    ok(rules(results).get(("issued", None), 0) in (1, 2, 3) and set(rules(results)) <= {("issued", None), ("refused", "name_taken"), ("refused", "key_taken")}, "the others are refused, without deadlock", rules(results))
    set_alias("unique_dn = false, unique_key = false, ca = NULL")
    with connect() as db:
        # At midnight there would be five for each day
        db.execute("SELECT pg_sleep(s + 0.1) FROM extract(epoch FROM est.quota_date() + 1 - now() AT TIME ZONE 'UTC') AS s WHERE s < 60")
        issued_today = db.execute("SELECT est.group_issued(1)").fetchone()[0]
        db.execute("UPDATE entity_group SET quota_day = %s WHERE id = 1", [issued_today + 5])
    results = at_once([issue_params(f"69{i:02x}", f"quota {i}") for i in range(30)])
    same(rules(results), {("issued", None): 5, ("refused", "quota_exceeded"): 25}, "quota_day at once")
    with connect() as db:
        db.execute("UPDATE entity_group SET quota_day = NULL, quota_active = est.group_active(1, NULL) + 4 WHERE id = 1")
    results = at_once([issue_params(f"6a{i:02x}", f"quota {i % 3}") for i in range(30)])
    same(rules(results), {("issued", None): 4, ("refused", "quota_exceeded"): 26}, "quota_active at once")
    with connect() as db:
        db.execute("UPDATE entity_group SET quota_active = NULL WHERE id = 1")
    set_alias("rate_client = 4, rate_alias = 10, rate_interval = '1 hour'")
    results = at_once([issue_params(f"6b{i:02x}", f"rated {i % 7}", identity=f"client {i % 5}") for i in range(40)])
    same(rules(results), {("issued", None): 10, ("refused", "rate_exceeded"): 30}, "rate_alias at once")
    ok(count("SELECT max(n) FROM (SELECT count(*) AS n FROM enrollment WHERE identity LIKE 'client _' GROUP BY identity) AS t") <= 4, "rate_client at once")
    set_alias("rate_client = NULL, rate_alias = NULL")


def test_everything_at_once():
    """Every lock is taken by somebody: nobody waits for one who waits for him"""
    set_alias("unique_dn = true, unique_key = true, max_active = 100, rate_client = 1000, rate_alias = 1000, rate_interval = '1 day', ca = 'issuing'")
    with connect() as db:
        db.execute("UPDATE entity_group SET quota_day = 100000, quota_active = 100000 WHERE id = 1")
    params = [issue_params(f"6c{i:02x}", f"all {i % 4}", f"all {i % 6}", key=f"{0xb0 + i % 4:02x}", identity=f"client {i % 3}") for i in range(60)]
    stop = threading.Event()

    def people():
        with connect() as db:
            while not stop.is_set():
                db.execute("SELECT maintain()")
                db.execute("UPDATE end_entity SET description = 'x' WHERE name LIKE 'all %'")
    busy = threading.Thread(target=people)
    busy.start()
    results = at_once(params)
    stop.set()
    busy.join()
    same({row[0] for row in rules(results)}, {"issued", "replay"}, "no call fails")
    with connect() as db:
        db.execute("UPDATE entity_group SET quota_day = NULL, quota_active = NULL WHERE id = 1")
    set_alias("unique_dn = false, unique_key = false, max_active = NULL, rate_client = NULL, rate_alias = NULL, ca = NULL")


def test_revocation_and_reenrolment_do_not_pass_each_other():
    with connect("est_module") as module, connect() as admin:
        module.pgconn.prepare(b"r", SQL["record_issued"].encode())
        run_prepared(module.pgconn, "r", issue_params("7001", "race"))
        again = issue_params("7002", "race")
        again[3], again[4], again[9], again[10] = "simplereenroll", "certificate", "\\x" + "11" * 32, "7001"
        admin.execute("BEGIN")
        admin.execute("SELECT revoke('7001')")
        got = []
        waiting = threading.Thread(target=lambda: got.append(run_prepared(module.pgconn, "r", again)[1][0][:2]))
        waiting.start()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not count("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            time.sleep(0.01)
        same(got, [], "re-enrolment waits for a revocation under way")
        admin.execute("COMMIT")
        waiting.join(30)
        same(got, [["refused", "certificate_revoked"]], "and sees it when it is committed")


def alone(db, other):
    """When sessions that were closed have ended, too, at which time what they have read is counted; db and other go on"""
    other.execute("SELECT pg_stat_force_next_flush()")
    deadline, other = time.monotonic() + 30, other.info.backend_pid
    while time.monotonic() < deadline and db.execute(f"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid NOT IN ({other}, pg_backend_pid())").fetchone()[0]:
        time.sleep(0.01)


def scans(db, table):
    """How often a table was read from end to end, and by an index"""
    db.execute("SELECT pg_stat_force_next_flush()")
    return db.execute("SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = %s", [table]).fetchone()


def test_blocked_keys_are_found_by_index():
    """K-11: by a plan made when the list was empty, too"""
    with connect("est_module") as module, connect() as admin:
        admin.execute("ANALYZE blocked_key, certificate")
        module.pgconn.prepare(b"r", SQL["record_issued"].encode())
        for i in range(10):  # beyond the fifth a plan is kept
            same(run_prepared(module.pgconn, "r", issue_params(f"74{i:02x}", "plan"))[1][0][0], "issued", "a key that is not blocked")
        admin.execute("INSERT INTO blocked_key (kind, fingerprint) SELECT 'modulus', substr(sha256(i::text::bytea), 1, 10) FROM generate_series(1, 20000) AS i")
        admin.execute("INSERT INTO blocked_key (kind, fingerprint) SELECT 'spki', sha256(i::text::bytea) FROM generate_series(1, 20000) AS i")
        alone(admin, module)
        before = scans(admin, "blocked_key"), scans(admin, "certificate")
        for i in range(10):
            same(run_prepared(module.pgconn, "r", issue_params(f"72{i:02x}", "plan"))[1][0][0], "issued", "nor now")
        alone(admin, module)
        after = scans(admin, "blocked_key"), scans(admin, "certificate")
        same([table[0] for table in after], [table[0] for table in before], "no table is read from end to end")
        ok(after[0][1] - before[0][1] >= 10, "both kinds are looked up by the index")
        admin.execute("INSERT INTO blocked_key (kind, fingerprint) VALUES ('modulus', %s)", [bytes([0x33] * 10)])
        same(run_prepared(module.pgconn, "r", issue_params("7300", "plan"))[1][0][:2], ["refused", "key_blocked"], "a session that is open sees what was added")
        admin.execute("DELETE FROM blocked_key")


def test_limits_are_found_by_index():
    """By plans made when the tables were empty, too"""
    with connect("est_module") as module, connect() as admin:
        admin.execute("UPDATE alias SET unique_dn = true, unique_key = true, max_active = 1000, rate_client = 100000, rate_alias = 100000, vendor = 'listed', ca = 'issuing', approval = 'first', max_orders = 1000"
                      " WHERE name = 'est'")
        admin.execute("UPDATE entity_group SET quota_day = 100000, quota_active = 100000 WHERE id = 1")
        admin.execute("ANALYZE")
        for name in ("record_issued", "order_open", "order_forwarded", "record_refused", "entity_get", "client_by_certificate"):
            module.pgconn.prepare(name.encode(), SQL[name].encode())

        def calls(start):
            for i in range(start, start + 10):  # beyond the fifth a plan is kept
                entity, key = f"index {i}", f"{0xd0 + i:02x}"
                order = run_prepared(module.pgconn, "order_open", order_params(entity, entity, key=key))[1][0]
                same(order[0], "pending", "an order")
                decide([f"approve('{order[4]}')"])
                same(run_prepared(module.pgconn, "record_issued", issue_params(f"75{i:02x}", entity, key=key, order=order[4]))[1][0][0], "issued", "its certificate")
                sent = run_prepared(module.pgconn, "order_open", order_params("sent " + entity, entity, key=key, lease=9))[1][0]
                same(sent[0], "forward", "one that is forwarded")
                same(run_prepared(module.pgconn, "order_forwarded", [sent[4], sent[7], "unsure", "https://a.example", None, 0, None, None, None])[1], [["t"]], "and what became of it")
                same(run_prepared(module.pgconn, "record_issued", issue_params(f"78{i:02x}", entity, key=key, order=sent[4]))[1][0][0], "issued", "its certificate")
                same(run_prepared(module.pgconn, "record_issued", issue_params(f"76{i:02x}", entity, "idem " + entity, key=key))[1][0][0], "issued", "another")
                same(run_prepared(module.pgconn, "record_issued", issue_params(f"77{i:02x}", entity, key=key, kind="vendor", vendor="{x}"))[1][0][1], "vendor_refused", "a refusal")
                run_prepared(module.pgconn, "record_refused", [uuid.uuid4(), 1, "simpleenroll", "user", "tester", None, None, "CN=x", None, None, "vendor_refused", "why"])
                run_prepared(module.pgconn, "entity_get", [1, entity])
                run_prepared(module.pgconn, "client_by_certificate", ["\\x" + "00" * 32, "CN=none"])
        calls(0)
        admin.execute("INSERT INTO end_entity (group_id, name) SELECT 2, 'far ' || i FROM generate_series(1, 3000) AS i")
        admin.execute("INSERT INTO certificate (alias_id, alias, entity_id, ca, issuer, issuer_hash, serial, subject, spki_hash, not_before, not_after, der)"
                      " SELECT 2, 'x', e.id, 'issuing', 'CN=far', sha256('far'), lpad(to_hex(i), 8, '0'), 'CN=far ' || i, sha256(i::text::bytea), now(), now() + interval '1 day', 'x'"
                      " FROM generate_series(1, 3000) AS i JOIN end_entity e ON e.name = 'far ' || i")
        admin.execute("INSERT INTO enrollment (id, alias_id, alias, operation, identity_kind, identity, outcome) SELECT gen_random_uuid(), 2, 'x', 'simpleenroll', 'user', 'u', 'refused' FROM generate_series(1, 3000)")
        admin.execute("INSERT INTO vendor_device (alias_id, device) SELECT 1, 'SN' || i FROM generate_series(1, 3000) AS i")
        admin.execute("INSERT INTO rate_bucket SELECT 2, 'user:' || i, now() FROM generate_series(1, 3000) AS i")
        admin.execute("INSERT INTO client (user_name) SELECT 'many ' || i FROM generate_series(1, 3000) AS i")
        tables = ("certificate", "end_entity", "enrollment", "vendor_device", "rate_bucket", "client", "blocked_key")

        def read():
            alone(admin, module)
            admin.execute("SELECT pg_stat_force_next_flush()")
            return {name: admin.execute("SELECT seq_scan, idx_tup_fetch FROM pg_stat_user_tables WHERE relname = %s", [name]).fetchone() for name in tables}
        before = read()
        calls(10)
        after = read()
        same({name: after[name][0] - before[name][0] for name in tables}, dict.fromkeys(tables, 0), "no table is read from end to end")
        # The group's certificates are counted for quota_active, and no others
        mine = count("SELECT count(*) FROM certificate c JOIN end_entity e ON e.id = c.entity_id WHERE e.group_id = 1")
        ok(after["certificate"][1] - before["certificate"][1] < 100 * (mine + 50), "nor all of an index", after["certificate"][1] - before["certificate"][1], mine)
        admin.execute("UPDATE alias SET unique_dn = false, unique_key = false, max_active = NULL, rate_client = NULL, rate_alias = NULL, vendor = 'off', ca = NULL, approval = 'none' WHERE name = 'est'")
        admin.execute("UPDATE entity_group SET quota_day = NULL, quota_active = NULL WHERE id = 1")
        admin.execute("DELETE FROM client WHERE user_name LIKE 'many %'")


def notifications(listener, statement):
    """What a statement of another session makes the listener hear, and nothing of what comes after."""
    with connect() as db:
        db.execute(statement)
        mark = uuid.uuid4().hex
        db.execute("SELECT pg_notify('est', %s)", [mark])
    heard = []
    for notify in listener.notifies():
        if notify.payload == mark:
            return heard
        heard.append(notify.payload)
    return heard


def test_changes_are_announced():
    took = []
    with connect("est_module") as listener:
        listener.execute(SQL["listen"])
        for table, statement in (
                ("alias", "UPDATE alias SET enabled = true"), ("certificate_profile", "UPDATE certificate_profile SET digest = 'sha384'"),
                ("profile_subject_rule", "DELETE FROM profile_subject_rule"), ("profile_san_rule", "UPDATE profile_san_rule SET required = true"),
                ("profile_extension_section", "UPDATE profile_extension_section SET position = 9"),
                ("profile_extension", "DELETE FROM profile_extension"), ("entity_group", "INSERT INTO entity_group (name) VALUES ('heard'), ('heard too')"),
                ("profile_request_extension", "UPDATE profile_request_extension SET action = 'ignore'"),
                ("trust_anchor", "UPDATE trust_anchor SET comment = 'x'"), ("api_properties", "UPDATE api_properties SET prop_value = 'true' WHERE prop_key = 'est.est.enabled'"),
                ("trust_anchor, emptied", "TRUNCATE trust_anchor")):
            before, started = version(), time.monotonic()
            same(notifications(listener, statement), [f"policy {before + 1}"], f"a statement on {table} raises the version by one and says so")
            took.append(time.monotonic() - started)
            ok(took[-1] < 20, f"soon ({table})", took[-1])
        ok(sorted(took)[len(took) // 2] < 1, "within a second, but for moments at which the machine is busy", took)
        same(notifications(listener, "INSERT INTO client (user_name) VALUES ('n1'), ('n2')"), ["client n1", "client n2"], "new clients")
        same(sorted(notifications(listener, "UPDATE client SET user_name = 'n3' WHERE user_name = 'n1'")), ["client n1", "client n3"], "a client with another name: both")
        same(notifications(listener, "INSERT INTO client_group SELECT id, 1 FROM client WHERE user_name = 'n2'"), ["client n2"], "a client in another group")
        same(notifications(listener, "SELECT register_client('n4', 'pw')"), ["client n4"], "register_client")
        same(notifications(listener, "DELETE FROM client WHERE user_name = 'n2'"), ["client n2"], "a client deleted")
        same(notifications(listener, "UPDATE client SET enabled = true WHERE false"), [], "no client changed")
        same(len(notifications(listener, "INSERT INTO client (user_name) SELECT 'm' || i FROM generate_series(1, 100) AS i")), 100, "100 clients one by one")
        same(notifications(listener, "INSERT INTO client (user_name) SELECT 'l' || i FROM generate_series(1, 101) AS i"), ["clients"], "101 clients at once")
        same(notifications(listener, "UPDATE client SET enabled = false WHERE user_name LIKE 'l%'"), ["clients"], "101 clients changed")
        same(notifications(listener, "DELETE FROM client"), ["clients"], "all clients deleted")
        same(notifications(listener, "BEGIN; UPDATE alias SET enabled = false; ROLLBACK"), [], "what is rolled back is not announced")
        before = version()
        with connect("est_module") as module:
            module.pgconn.prepare(b"r", SQL["record_issued"].encode())
            run_prepared(module.pgconn, "r", issue_params("7101", "quiet"))
        same(notifications(listener, "SELECT revoke('7101')"), [], "issuing and revoking announce nothing")
        same(version(), before, "and leave the policy version")


def test_published_script_by_psql():
    with connect() as db:
        db.execute("INSERT INTO certificate_profile (name) VALUES ('xxxx')")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "api_properties_script.sql")
    run = subprocess.run(["psql", "-X", "-v", "ON_ERROR_STOP=1", "-f", script], capture_output=True, text=True, check=False)
    same((run.returncode, run.stdout, run.stderr), (0, "UPDATE 1\nUPDATE 1\n", ""), "the published script by psql, word for word")
    same(count("SELECT prop_value FROM api_properties WHERE prop_key = 'est.ca.server.user.profile'"), "xxxx", "has taken effect")


test_every_statement_prepares_and_runs()
test_header_holds_the_same_statements()
test_parallel_calls()
test_one_code_at_once()
test_orders_at_once()
test_forwards_at_once()
test_decisions_at_once()
test_limits_at_once()
test_everything_at_once()
test_revocation_and_reenrolment_do_not_pass_each_other()
test_blocked_keys_are_found_by_index()
test_limits_are_found_by_index()
test_changes_are_announced()
test_published_script_by_psql()
print(f"1..{done}")
raise SystemExit(1 if failed else 0)
