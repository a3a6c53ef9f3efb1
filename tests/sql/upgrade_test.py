#!/usr/bin/python3
# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""install.sql on a database of an older version: it comes up to date, whole or not at all, and loses nothing. Run by
./run, with the environment of libpq."""

import hashlib
import os
import re
import subprocess
import tempfile
import uuid

import psycopg

SQL = os.path.dirname(os.path.abspath(os.environ["EST_QUERIES"]))
INSTALL = os.path.join(SQL, "install.sql")
KEYS = {"good": "\\x" + "22" * 32, "stolen": "\\x" + "44" * 32}

done = failed = 0


def ok(condition, name, detail=""):
    global done, failed
    done += 1
    failed += not condition
    print(("ok " if condition else "not ok ") + f"{done} - {name}")
    if not condition and detail:
        print("# " + str(detail).replace("\n", "\n# "))


def same(got, wanted, name):
    ok(got == wanted, name, f"got    {got!r}\nwanted {wanted!r}")


def connect(database, user="postgres"):
    return psycopg.connect(autocommit=True, dbname=database, user=user)


def psql(database, script):
    return subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", script], capture_output=True, text=True,
                          check=False)


def install_version(database, version):
    """What install.sql was when there were so many migrations: itself without the later ones, whose files never change"""
    with open(INSTALL, encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"SELECT NOT EXISTS \(SELECT FROM est\.schema_version WHERE version = (\d+)\).*?\\endif\n",
                  lambda match: match[0] if int(match[1]) <= version else "", text, flags=re.S)
    text = text.replace("\\ir ", f"\\i {SQL}/").replace(f"\\i {SQL}/migrations/", f"\\ir {SQL}/migrations/")
    with connect("postgres") as db:
        db.execute(f"CREATE DATABASE {database}")
    with tempfile.NamedTemporaryFile("w", suffix=".sql", encoding="utf-8") as script:
        script.write(text)
        script.flush()
        run = psql(database, script.name)
    same((run.returncode, versions(database)), (0, list(range(1, version + 1))), f"{database}: version {version} is installed")


def versions(database):
    with connect(database) as db:
        return [version for (version,) in db.execute("SELECT version FROM est.schema_version ORDER BY version")]


def record(db, serial, key, version, **other):
    """As the module of version 1 does it, or with the arguments that later versions have added"""
    policy = db.execute("SELECT version FROM est.policy_version").fetchone()[0]
    values = [uuid.uuid4(), 1, policy, "simpleenroll", "user", "dev1", None, None, "192.0.2.1", None, None, "dev1", "\\x" + serial * 16, 600,
              "issuing", "CN=ca", "\\x" + "11" * 32, serial, "CN=dev1", ["dns:a.example"], KEYS[key], "2026-01-01", "2099-01-01", "\\x30" + serial]
    types = ["uuid", "int", "bigint", *["text"] * 3, "int", "bigint", "inet", "bytea", "text", "text", "bytea", "int", "text", "text", "bytea",
             "text", "text", "text[]", "bytea", "timestamptz", "timestamptz", "bytea"]
    if version >= 2:
        values.append(None)
        types.append("bytea")
    if version >= 3:  # and 4
        values += [None] * 5
        types += ["text", "bigint", "bigint", "uuid", "text[]"]
    if "holder" in other:
        values[3], values[4], values[9], values[10] = "simplereenroll", "certificate", "\\x" + "11" * 32, other["holder"]
    call = ", ".join(f"%s::{kind}" for kind in types)
    return db.execute(f"SELECT outcome, rule FROM est.record_issued({call})", values).fetchone()


def order(db, name, version):
    """What order_open() of that version answers, at alias other"""
    values = [uuid.uuid4(), 2, db.execute("SELECT version FROM est.policy_version").fetchone()[0], "simpleenroll", "user", "dev1", None, None, "192.0.2.1", None, None,
              name, hashlib.sha256(name.encode()).digest(), None, 600, f"CN={name}", [], KEYS["good"], None, "\\x3000", None, None, None, None]
    types = ["uuid", "int", "bigint", *["text"] * 3, "int", "bigint", "inet", "bytea", *["text"] * 2, "bytea", "bytea", "int", "text", "text[]", *["bytea"] * 3, "text",
             "bigint", "bigint", "text[]"]
    if version >= 4:
        values += ["issuing", 15]
        types += ["text", "int"]
    call = ", ".join(f"%s::{kind}" for kind in types)
    return db.execute(f"SELECT outcome, order_id FROM est.order_open({call})", values).fetchone()


def fill_orders(database):
    """Orders of version 3, each in its state, and a refusal"""
    with connect(database) as db, connect(database, "est_module") as module:
        for name, then in (("waits", "%s::uuid"), ("approved", "est.approve(%s::text)"), ("denied", "est.deny(%s::text, 'no')")):
            outcome, number = order(module, name, 3)
            same(outcome, "pending", f"{database}: an order, {name}")
            db.execute("SELECT " + then, [number])
        module.execute("SELECT est.record_refused(%s, 2, 'simpleenroll', 'user', 'dev1', NULL, NULL, 'CN=x', NULL, NULL, 'key_blocked', 'why')", [uuid.uuid4()])


def fill(database, version):
    with connect(database) as db:
        db.execute("SET search_path = est, public")
        db.execute("INSERT INTO certificate_profile (name, validity, keys) VALUES ('device', '90 days', '{rsa:3072-4096}')")
        db.execute("INSERT INTO profile_subject_rule (profile_id, attribute, required, pattern) SELECT id, 'CN', true, 'dev*' FROM certificate_profile")
        db.execute("INSERT INTO profile_san_rule (profile_id, type) SELECT id, 'dns' FROM certificate_profile")
        db.execute("BEGIN; INSERT INTO profile_extension (profile_id, name, value) SELECT id, 'crlDistributionPoints', '@dp' FROM certificate_profile;"
                   "INSERT INTO profile_extension_section (profile_id, section, name, value) SELECT id, 'dp', 'URI.1', 'http://a.example' FROM certificate_profile; COMMIT")
        db.execute("INSERT INTO entity_group (name, names) VALUES ('floor 2', '{dev*}')")
        db.execute("INSERT INTO alias (name, ca, binding, idempotency) VALUES ('other', 'issuing', 'required', '1 hour')")
        db.execute("UPDATE alias SET ca = 'issuing', profile_id = (SELECT id FROM certificate_profile), reason_text = false WHERE name = 'est'")
        db.execute("INSERT INTO trust_anchor (alias_id, certificate, comment) VALUES (1, '\\x3000', 'an old CA')")
        db.execute("SELECT register_client('dev1', 'pw', groups => 'default, floor 2')")
        if version >= 2:
            db.execute("UPDATE alias SET compat = 'libest' WHERE name = 'other'")
            db.execute("INSERT INTO blocked_key (kind, fingerprint, comment) VALUES ('modulus', '\\x00112233445566778899', 'weak')")
        if version >= 3:
            db.execute("UPDATE alias SET approval = 'first', retry_after = '7 seconds' WHERE name = 'other'; UPDATE alias SET revoke_replaced = '30 days' WHERE name = 'est'")
            db.execute("INSERT INTO profile_request_extension (profile_id, name, action) SELECT id, 'keyUsage', 'copy' FROM certificate_profile")
            db.execute("INSERT INTO vendor_device (alias_id, device) VALUES (1, 'SN1'); INSERT INTO maintenance VALUES (1, now()); INSERT INTO group_day VALUES (1, '2026-01-01', 3)")
            db.execute("INSERT INTO rate_bucket VALUES (1, '', now()); SELECT register_entity('dev7', alias => 'est', code => 'pw')")
    with connect(database, "est_module") as module:
        same(record(module, "51", "good", version), ("issued", None), f"{database}: the module of version {version} records")
        same(record(module, "52", "stolen", version), ("issued", None), f"{database}: and another")
        same(record(module, "5a", "good", version, holder="51"), ("issued", None), f"{database}: and a renewal")
    with connect(database) as db:
        db.execute("SELECT est.revoke('52', 'keyCompromise')")
    if version >= 3:
        fill_orders(database)


def contents(database):
    """{table or view: rows as dictionaries}"""
    with connect(database) as db:
        names = [name for (name,) in db.execute("SELECT relname FROM pg_class WHERE relnamespace = 'est'::regnamespace AND relkind IN ('r', 'v') ORDER BY 1")]
        return {name: [row for (row,) in db.execute(f"SELECT to_jsonb(t) - 'age' FROM est.{name} AS t ORDER BY t::text COLLATE \"C\"")] for name in names}


def lost(before, after):
    """Rows of before that no row of after has all columns of"""
    return [(name, row) for name, rows in before.items() for row in rows
            if not any(all(other.get(column) == value for column, value in row.items()) for other in after.get(name, []))]


def settings(database):
    """The keys of api_properties without their alias"""
    with connect(database) as db:
        return {key.split(".")[-1] for (key,) in db.execute("SELECT prop_key FROM est.api_properties WHERE prop_key LIKE 'est.other.%'")}


def test_upgrade_keeps_everything(database, version):
    install_version(database, version)
    fill(database, version)
    before = contents(database)
    ok(all(before[table] for table in before if table not in ("expiring_soon", "should_have_renewed")), "every table has rows to lose", {t: len(r) for t, r in before.items()})
    old_settings = settings(database)
    run = psql(database, INSTALL)
    with connect("est") as db:
        newest = [number for (number,) in db.execute("SELECT version FROM est.schema_version ORDER BY version")]
    same((run.returncode, run.stderr, versions(database)), (0, "", newest), f"install.sql brings version {version} up to date")
    after = contents(database)
    same(lost(before, after), [], "and every row is there with what it said")
    with connect("est") as db:
        fresh = db.execute("SELECT to_jsonb(a) FROM est.alias a WHERE name = 'est'").fetchone()[0]
    old_columns = before["alias"][0].keys()
    same([{c: v for c, v in row.items() if c not in old_columns} for row in after["alias"]],
         [{c: v for c, v in fresh.items() if c not in old_columns}] * 2, "new columns have the defaults that a new database has")
    gained = settings(database) - old_settings
    same(gained, {c for c in fresh if c not in old_columns}, "api_properties has gained the new settings, and no others")
    if version < 3:
        ok({"unique_dn", "approval", "rate_client"} <= gained, "those of version 3 among them")
        same([(row["status"], row["preregistered"], row["version"]) for row in after["end_entity"]], [("active", False, 1)], "entities that enrolment made are active and not registered")
    same({row[column] for row in after["enrollment"] for column in ("ca", "upstream", "state", "attempt", "busy_until", "ask_at", "answer")}, {None}, "nothing of before was forwarded")
    run = psql(database, INSTALL)
    same((run.returncode, contents(database)), (0, after), "a second run changes nothing")


def test_modules_after_the_upgrade(database):
    with connect(database, "est_module") as module:
        same(record(module, "53", "good", 3), ("issued", None), "the module of this version records")
        same(record(module, "54", "stolen", 3), ("refused", "key_blocked"), "a key that was compromised in an older version is blocked")
        same(record(module, "57", "good", 3, holder="5a"), ("issued", None), "a certificate of an older version is renewed")
        for version in (1, 2):
            try:
                record(module, "55", "good", version)
                ok(False, f"the module of version {version} cannot any more")
            except psycopg.errors.UndefinedFunction:
                ok(True, f"the module of version {version} cannot any more")
    with connect(database) as db:
        db.execute("UPDATE est.alias SET revoke_replaced = '0' WHERE name = 'est'")
        same(db.execute("SELECT revoked FROM est.maintain()").fetchone()[0], 2, "what an older version renewed is revoked by the new rule")


def test_orders_after_the_upgrade(database):
    with connect(database, "est_module") as module, connect(database) as db:
        same(order(module, "approved", 4)[0], "forward", "an order that was approved before is forwarded")
        outcome, number = order(module, "waits", 4)
        same(outcome, "pending", "one that waits for people waits")
        db.execute("SELECT est.approve(%s::text)", [number])
        same(order(module, "waits", 4), ("forward", number), "and is forwarded when they approve it")
        same(order(module, "denied", 4)[0], "refused", "one that was denied is refused")
        try:
            order(module, "waits", 3)
            ok(False, "the module of version 3 cannot any more")
        except psycopg.errors.UndefinedFunction:
            ok(True, "the module of version 3 cannot any more")


def test_an_upgrade_that_fails_leaves_the_old_version(database, version, in_the_way):
    install_version(database, version)
    fill(database, version)
    with connect(database) as db:
        db.execute(f"CREATE TABLE est.{in_the_way} (in_the_way int)")
    before = contents(database)
    run = psql(database, INSTALL)
    ok(run.returncode != 0 and in_the_way in run.stderr, "a migration that fails says why", run.stderr)
    same((versions(database), contents(database)), (list(range(1, version + 1)), before), "and nothing of it stays")
    with connect(database, "est_module") as module:
        same(record(module, "56", "good", version), ("issued", None), f"the module of version {version} goes on")
    with connect(database) as db:
        db.execute(f"DROP TABLE est.{in_the_way}")
    same(psql(database, INSTALL).returncode, 0, "once the reason is gone, it can be run again")


for old in (1, 2, 3):
    test_upgrade_keeps_everything(f"est_old_{old}", old)
    test_modules_after_the_upgrade(f"est_old_{old}")
test_orders_after_the_upgrade("est_old_3")
test_an_upgrade_that_fails_leaves_the_old_version("est_stuck_1", 1, "blocked_key")
test_an_upgrade_that_fails_leaves_the_old_version("est_stuck_2", 2, "group_day")
test_an_upgrade_that_fails_leaves_the_old_version("est_stuck_3", 3, "forwarded")
print(f"1..{done}")
raise SystemExit(1 if failed else 0)
