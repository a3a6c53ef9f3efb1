#!/usr/bin/python3
# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""install.sql on a database of an older version: it comes up to date, whole or not at all, and loses nothing. Run by
./run, with the environment of libpq."""

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


def install_version_1(database):
    """What install.sql was when there was one migration: itself without the later ones, whose files never change"""
    with open(INSTALL, encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"SELECT NOT EXISTS \(SELECT FROM est\.schema_version WHERE version = (?!1\)).*?\\endif\n", "", text, flags=re.S)
    text = text.replace("\\ir ", f"\\i {SQL}/").replace(f"\\i {SQL}/migrations/", f"\\ir {SQL}/migrations/")
    with connect("postgres") as db:
        db.execute(f"CREATE DATABASE {database}")
    with tempfile.NamedTemporaryFile("w", suffix=".sql", encoding="utf-8") as script:
        script.write(text)
        script.flush()
        run = psql(database, script.name)
    same((run.returncode, versions(database)), (0, [1]), f"{database}: version 1 is installed")


def versions(database):
    with connect(database) as db:
        return [version for (version,) in db.execute("SELECT version FROM est.schema_version ORDER BY version")]


def record(db, serial, key, newest):
    """As the module of version 1 does it, or with the argument that version 2 has added"""
    policy = db.execute("SELECT version FROM est.policy_version").fetchone()[0]
    values = [uuid.uuid4(), 1, policy, "simpleenroll", "user", "dev1", None, None, "192.0.2.1", None, None, "dev1", "\\x" + serial * 16, 600,
              "issuing", "CN=ca", "\\x" + "11" * 32, serial, "CN=dev1", ["dns:a.example"], KEYS[key], "2026-01-01", "2099-01-01", "\\x30" + serial]
    types = ["uuid", "int", "bigint", *["text"] * 3, "int", "bigint", "inet", "bytea", "text", "text", "bytea", "int", "text", "text", "bytea",
             "text", "text", "text[]", "bytea", "timestamptz", "timestamptz", "bytea"]
    if newest:
        values.append(None)
        types.append("bytea")
    call = ", ".join(f"%s::{kind}" for kind in types)
    return db.execute(f"SELECT outcome, rule FROM est.record_issued({call})", values).fetchone()


def fill(database):
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
    with connect(database, "est_module") as module:
        same(record(module, "51", "good", False), ("issued", None), f"{database}: the module of version 1 records")
        same(record(module, "52", "stolen", False), ("issued", None), f"{database}: and another")
    with connect(database) as db:
        db.execute("SELECT est.revoke('52', 'keyCompromise')")


def contents(database):
    """{table or view: rows as dictionaries}"""
    with connect(database) as db:
        names = [name for (name,) in db.execute("SELECT relname FROM pg_class WHERE relnamespace = 'est'::regnamespace AND relkind IN ('r', 'v') ORDER BY 1")]
        return {name: [row for (row,) in db.execute(f"SELECT to_jsonb(t) FROM est.{name} AS t ORDER BY t::text COLLATE \"C\"")] for name in names}


def lost(before, after):
    """Rows of before that no row of after has all columns of"""
    return [(name, row) for name, rows in before.items() for row in rows
            if not any(all(other.get(column) == value for column, value in row.items()) for other in after.get(name, []))]


def test_upgrade_keeps_everything():
    install_version_1("est_old")
    fill("est_old")
    before = contents("est_old")
    ok(all(before[table] for table in before if table not in ("expiring_soon",)), "every table has rows to lose", {t: len(r) for t, r in before.items()})
    run = psql("est_old", INSTALL)
    with connect("est") as db:
        newest = [version for (version,) in db.execute("SELECT version FROM est.schema_version ORDER BY version")]
    same((run.returncode, run.stderr, versions("est_old")), (0, "", newest), "install.sql brings version 1 up to date")
    after = contents("est_old")
    same(lost(before, after), [], "and every row is there with what it said")
    same([row for row in after["alias"] if row["compat"] != "none"], [], "a new column has its default")
    same({row["prop_key"] for row in after["api_properties"]} - {row["prop_key"] for row in before["api_properties"]},
         {"est.est.compat", "est.other.compat"}, "api_properties has gained its keys, and no others")
    run = psql("est_old", INSTALL)
    same((run.returncode, contents("est_old")), (0, after), "a second run changes nothing")


def test_modules_after_the_upgrade():
    with connect("est_old", "est_module") as module:
        same(record(module, "53", "good", True), ("issued", None), "the module of this version records")
        same(record(module, "54", "stolen", True), ("refused", "key_blocked"), "a key that was compromised in version 1 is blocked")
        try:
            record(module, "55", "good", False)
            ok(False, "that of version 1 cannot any more")
        except psycopg.errors.UndefinedFunction:
            ok(True, "that of version 1 cannot any more")


def test_an_upgrade_that_fails_leaves_the_old_version():
    install_version_1("est_stuck")
    fill("est_stuck")
    with connect("est_stuck") as db:
        db.execute("CREATE TABLE est.blocked_key (in_the_way int)")
    before = contents("est_stuck")
    run = psql("est_stuck", INSTALL)
    ok(run.returncode != 0 and "blocked_key" in run.stderr, "a migration that fails says why", run.stderr)
    same((versions("est_stuck"), contents("est_stuck")), ([1], before), "and nothing of it stays")
    with connect("est_stuck", "est_module") as module:
        same(record(module, "56", "good", False), ("issued", None), "the module of version 1 goes on")
    with connect("est_stuck") as db:
        db.execute("DROP TABLE est.blocked_key")
    same(psql("est_stuck", INSTALL).returncode, 0, "once the reason is gone, it can be run again")


test_upgrade_keeps_everything()
test_modules_after_the_upgrade()
test_an_upgrade_that_fails_leaves_the_old_version()
print(f"1..{done}")
raise SystemExit(1 if failed else 0)
