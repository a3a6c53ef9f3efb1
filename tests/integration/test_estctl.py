# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""estctl: connection, clients, search, revocation. Its other commands: test_estctl_*.py"""

import os
import re
import subprocess

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness import run
from harness.estctl import Estctl, argv, issue
from harness.pki import pem
from harness.postgres import PostgresServer

PASSWORD = re.compile(r"^[A-Za-z0-9_-]{27}$")


@pytest.fixture(scope="module")
def site(make_site):
    return make_site("estctl", start=False)


@pytest.fixture(scope="module")
def estctl(site):
    return Estctl(site)


def password_of(site, user, password):
    return site.db.value("SELECT password_hash = est.crypt(%s, password_hash) FROM client WHERE user_name = %s", password, user, user="postgres")


# --- the connection


def test_the_database_is_found_as_psql_finds_it(site, estctl, session_directory):
    where = psycopg.conninfo.conninfo_to_dict(site.db.url("admin"))
    environment = {"PGHOST": where["host"], "PGPORT": where["port"], "PGUSER": "admin", "PGDATABASE": where["dbname"]}
    assert " ra " in estctl("client", "list", environment=environment, url=False).replace("\n", " ")
    del environment["PGDATABASE"]
    assert "ra" in estctl("client", "list", "-d", where["dbname"], environment=environment, url=False)
    services = run.write(os.path.join(session_directory, "pg_service.conf"),
                         f"[est]\nhost={where['host']}\nport={where['port']}\nuser=admin\ndbname={where['dbname']}\n")
    assert "ra" in estctl("client", "list", environment={"PGSERVICE": "est", "PGSERVICEFILE": services}, url=False)
    uri = f"postgresql://admin@/{where['dbname']}?host={where['host']}"
    assert "ra" in estctl("client", "list", "--dbname", uri, url=False)


def test_no_database(site, estctl, allow_log):
    allow_log('database "nonesuch" does not exist', 'role "nobody_known" does not exist')
    assert "/nonexistent" in estctl.refused("-d", "host=/nonexistent dbname=est", "client", "list", status=3, url=False)
    assert '"nonesuch" does not exist' in estctl.refused("-d", f"{estctl.url} dbname=nonesuch", "pending", status=3, url=False)
    assert '"nobody_known" does not exist' in estctl.refused("-d", f"{estctl.url} user=nobody_known", "pending", status=3, url=False)


@pytest.mark.parametrize("conninfo", ["password=geheim host", "host=x password=ge heim", "postgres://u:ge@heim@h/", "postgres://u:ge/heim@h/",
                                      "postgres://u:geheim@[h/", "passwort=geheim"])
def test_a_connection_string_that_cannot_be_read_is_not_quoted(estctl, conninfo):
    message = estctl.refused("-d", conninfo, "pending", status=2, url=False)
    assert message.startswith("connection string cannot be read") and "heim" not in message


def test_a_connection_string_without_secrets_is_explained(estctl):
    assert 'invalid connection option "hots"' in estctl.refused("-d", "hots=x", "pending", status=2, url=False)


def test_a_role_without_rights(site, estctl, allow_log):
    allow_log("permission denied")
    message = estctl.refused("-d", site.db.url("est_module"), "client", "list", status=3, url=False)
    assert message == "permission denied for table client (your role has to be a member of est_admin)"


def test_a_database_of_something_else(site, postgres, estctl, allow_log):
    allow_log('relation "est.client" does not exist')
    message = estctl.refused("-d", postgres.url("postgres"), "client", "list", status=3, url=False)
    assert message.startswith('relation "est.client" does not exist (estctl and schema do not fit')


class LockedServer(PostgresServer):
    """Asks for passwords"""

    def configure(self, durable):
        super().configure(durable)
        path = os.path.join(self.data, "pg_hba.conf")
        with open(path, encoding="ascii") as file:
            rest = file.read()
        run.write(path, "local all locked scram-sha-256\n" + rest)


def test_passwords_are_those_of_pgpass(estctl, session_directory):
    server = LockedServer(os.path.join(session_directory, "locked"))
    server.start()
    try:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE ROLE locked LOGIN PASSWORD 'geheim'")
        passfile = os.path.join(session_directory, "pgpass")
        url = server.url("postgres", "locked")

        def message(password):
            with open(passfile, "w", encoding="ascii") as file:
                file.write(f"*:*:*:locked:{password}\n" if password else "")
            os.chmod(passfile, 0o600)
            return estctl.refused("-d", url, "pending", status=3, url=False, environment={"PGPASSFILE": passfile})

        assert 'password authentication failed for user "locked"' in message("falsch") and "falsch" not in message("falsch")
        assert message(None).endswith("fe_sendauth: no password supplied (put it into ~/.pgpass)")
        assert 'relation "est.pending" does not exist' in message("geheim")
    finally:
        server.stop()


# --- clients


def test_client_add_prints_a_password_that_works(site, estctl):
    lines = estctl("client", "add", "lamp1").splitlines()
    assert len(lines) == 2 and "lamp1" in lines[0] and PASSWORD.match(lines[1])
    assert password_of(site, "lamp1", lines[1])
    password = estctl("client", "add", "lamp2", "--quiet")
    assert PASSWORD.match(password.strip())
    answer = estctl.json("client", "add", "lamp3")
    assert set(answer) == {"user", "password"} and answer["user"] == "lamp3" and PASSWORD.match(answer["password"])


def test_client_add_with_a_password_of_ones_own(site, estctl, allow_log):
    assert estctl("client", "add", "given", "--password-stdin", stdin="a good one\n") == "client given is registered\n"
    assert password_of(site, "given", "a good one")
    assert estctl.json("client", "add", "given2", "--password-stdin", stdin="x")["password"] is None
    assert "more than one line" in estctl.refused("client", "add", "g", "--password-stdin", stdin="a\nb\n", status=2)
    allow_log("password = ")
    for password in ("", "x" * 73, "tab\there"):
        message = estctl.refused("client", "add", "g", "--password-stdin", stdin=password)
        assert message.startswith("password = '(not shown)' refused") and (not password or password not in message)


def test_client_add_with_all_options(site, estctl):
    site.db.execute("INSERT INTO entity_group (name) VALUES ('floor 2')")
    estctl("client", "add", "ra-x", "--groups", "default, floor 2", "--names", "a-*, *.example", "--networks", "10.0.0.0/8,192.0.2.1",
           "--valid-until", "2031-01-02", "--description", "of plant x")
    (row,) = estctl.json("client", "list", "ra-x")
    assert row["groups"] == ["default", "floor 2"] and row["names"] == ["a-*", "*.example"]
    assert row["networks"] == ["10.0.0.0/8", "192.0.2.1/32"] and row["valid_until"] == "2031-01-02T00:00:00+00:00"
    assert row["description"] == "of plant x" and row["state"] == "enabled" and row["valid_from"] is None


def test_client_add_with_a_certificate(site, estctl, pki, session_directory, allow_log):
    path = os.path.join(session_directory, "ra.pem")
    run.write(path, pem(pki.server.cert.public_bytes(serialization.Encoding.DER), "CERTIFICATE"))
    assert estctl("client", "add", "ra-c", "--names", "*", "--certificate", path) == "client ra-c is registered\n"
    (row,) = estctl.json("client", "list", "ra-c")
    assert len(row["certificate"]) == 64
    allow_log("pem = ", "the certificate is that of")
    assert "exactly one CERTIFICATE block" in estctl.refused("client", "add", "ra-d", "--certificate", "/etc/hostname")
    assert "is that of client 'ra-c'" in estctl.refused("client", "add", "ra-d", "--certificate", path)
    assert "No such file" in estctl.refused("client", "add", "ra-d", "--certificate", "/nonexistent")


# arguments: the message
REFUSED = {
    "user_name": (["a:b"], "client.user_name = 'a:b' refused"),
    "twice": (["ra"], "client 'ra' exists already (est.set_client_password() gives it another password"),
    "group": (["x", "--groups", "nonesuch"], "groups = 'nonesuch' refused; allowed:"),
    "network": (["x", "--networks", "10.0.0.1/8"], "networks = '10.0.0.1/8' refused"),
    "names": (["x", "--names", "own,b"], "client.names = "),
    "time": (["x", "--valid-until", "soon"], 'invalid input syntax for type timestamp with time zone: "soon"'),
}


@pytest.mark.parametrize("row", REFUSED)
def test_client_add_that_is_refused(site, estctl, row, allow_log):
    arguments, message = REFUSED[row]
    allow_log("ERROR")
    before = site.db.value("SELECT count(*) FROM client")
    assert message in estctl.refused("client", "add", *arguments)
    assert site.db.value("SELECT count(*) FROM client") == before


def test_client_list(site, estctl, allow_log):
    estctl("client", "add", "list-a")
    estctl("client", "add", "list-b")
    table = estctl("client", "list", "list-*").splitlines()
    assert table[0].split()[:4] == ["user", "state", "groups", "names"] and len(table) == 3
    assert [line.split()[0] for line in table[1:]] == ["list-a", "list-b"]
    assert [row["user"] for row in estctl.json("client", "list", "LIST-?")] == ["list-a", "list-b"]
    assert [row["user"] for row in estctl.json("client", "list", "ist-a")] == ["list-a"]
    assert estctl("client", "list", "list-a", "--quiet").split()[0] == "list-a"
    assert estctl.refused("client", "list", "nonesuch") == 'no client matches "nonesuch"'
    assert estctl.run("client", "list", "nonesuch", "--json")[:2] == (1, "[]\n")
    assert "a%" not in [row["user"] for row in estctl.json("client", "list")]
    assert estctl.refused("client", "list", "%")


def test_client_disable_and_enable(site, estctl):
    estctl("client", "add", "off")
    assert estctl("client", "disable", "off") == "client off is disabled\n"
    assert estctl.json("client", "list", "off")[0]["state"] == "disabled"
    assert site.db.value("SELECT NOT enabled FROM client WHERE user_name = 'off'")
    assert estctl.json("client", "enable", "off") == {"user": "off", "state": "enabled"}
    assert site.db.value("SELECT enabled FROM client WHERE user_name = 'off'")
    for command in ("enable", "disable"):
        assert estctl.refused("client", command, "nonesuch") == 'there is no client "nonesuch"'


# --- search and revoke


@pytest.fixture(scope="module")
def lamps(site):
    """Three certificates: lamp-1 (with names), lamp-2, and one at another alias"""
    site.alias("lamps")
    return {"lamp-1": issue(site, "CN=lamp-1,O=Search", san=[x509.DNSName("lamp-1.example")]), "lamp-2": issue(site, "CN=lamp-2,O=Search"),
            "lamp-3": issue(site, "CN=lamp-3,O=Search", alias="lamps")}


def names(found):
    return sorted(re.search("lamp-.", row["subject"]).group() for row in found)


# options, and whom they find of the three; a subject is as RFC 2253 has it, the last attribute first
SEARCHES = [
    (["Search"], "123"), (["lamp-1"], "1"), (["LAMP-2"], "2"), (["lamp-1.example"], "1"), (["*lamp-1.example"], "1"), (["lamp-?"], "123"),
    (["--subject", "O=Search,CN=lamp-?"], "123"), (["--subject", "O=Search,CN=lamp-3"], "3"), (["--san", "dns:lamp-1.example"], "1"),
    (["--san", "*.example"], "1"), (["--entity", "lamp-?"], "123"), (["--entity", "lamp-2"], "2"), (["--subject", "search", "--alias", "lamps"], "3"),
    (["--subject", "search", "--identity", "ra"], "123"), (["--subject", "search", "--status", "valid"], "123"),
    (["--subject", "search", "--outcome", "issued"], "123"), (["--subject", "search", "--issued-after", "yesterday"], "123"),
    (["--subject", "search", "--issued-before", "tomorrow"], "123"), (["--subject", "search", "--expires-before", "2100-01-01"], "123"),
    (["lamp", "--subject", "search", "--san", "lamp"], "1"), (["--subject", "search", "--limit", "2"], "23"),
]
NOTHING = [["nonesuch"], ["--serial", "00"], ["--alias", "lamp"], ["--subject", "search", "--status", "revoked"], ["--subject", "search", "--status", "expired"],
           ["--subject", "search", "--outcome", "refused"], ["--subject", "search", "--issued-after", "tomorrow"], ["--subject", "CN=lamp?1"],
           ["--subject", "search", "--issued-before", "yesterday"], ["--subject", "search", "--expires-before", "yesterday"], ["%"]]


@pytest.mark.parametrize("number", range(len(SEARCHES)))
def test_search(lamps, estctl, number):
    arguments, found = SEARCHES[number]
    assert names(estctl.json("search", *arguments)) == [f"lamp-{n}" for n in found]


@pytest.mark.parametrize("number", range(len(NOTHING)))
def test_search_that_finds_nothing(lamps, estctl, number):
    assert estctl.refused("search", *NOTHING[number]) == "nothing found"
    assert estctl.run("search", *NOTHING[number], "--json")[:2] == (1, "[]\n")


def test_search_by_serial_in_every_form(lamps, estctl):
    serial = format(lamps["lamp-1"].cert.serial_number, "x")
    for form in (serial, serial.upper(), "0x" + serial, "00" + serial, ":".join(re.findall("..", serial.zfill(len(serial) + len(serial) % 2)))):
        assert names(estctl.json("search", "--serial", form)) == ["lamp-1"]
        assert names(estctl.json("search", form)) == ["lamp-1"]
    assert estctl.refused("search", "--serial", "xyz", status=2) == "--serial xyz is not a hexadecimal number"


@pytest.mark.parametrize("command, option, words", [
    (["search"], "--status", "valid, revoked, expired"),
    (["search"], "--outcome", "issued, pending, approved, denied, forwarded, failed, expired, refused, suppressed"),
    (["entity", "list"], "--status", "active, suspended, ended")])
def test_a_state_that_there_is_not_is_wrong_usage(estctl, command, option, words):
    """Not an empty list, which says that all is well"""
    assert estctl.refused(*command, option, "refusd", status=2) == f"{option} refusd: it is one of {words}"


def test_search_says_all_there_is(lamps, estctl):
    (row,) = estctl.json("search", "lamp-1")
    cert = lamps["lamp-1"].cert
    assert int(row["serial"], 16) == cert.serial_number and row["san"] == ["dns:lamp-1.example"] and row["pem"] is None
    assert (row["outcome"], row["status"], row["alias"], row["operation"], row["identity"], row["entity"]) == \
        ("issued", "valid", "est", "simpleenroll", "ra", "lamp-1")
    assert row["not_after"].startswith(cert.not_valid_after.isoformat())
    heading, line = estctl("search", "lamp-1").splitlines()
    assert heading.split()[:4] == ["at", "outcome", "alias", "operation"]
    assert row["serial"] in line and "dns:lamp-1.example" in line and row["id"] in line


def test_search_prints_certificates(lamps, estctl):
    text = estctl("search", "--subject", "search", "--pem")
    found = re.findall("-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----\n", text, re.S)
    assert {x509.load_pem_x509_certificate(part.encode()).serial_number for part in found} == {lamp.cert.serial_number for lamp in lamps.values()}
    assert "lamp-1" in text
    quiet = estctl("search", "lamp-1", "--pem", "-q")
    assert quiet.startswith("-----BEGIN CERTIFICATE-----\n") and quiet.endswith("-----END CERTIFICATE-----\n")
    assert max(map(len, quiet.splitlines())) == 64
    assert x509.load_pem_x509_certificate(estctl.json("search", "lamp-2", "--pem")[0]["pem"].encode()) == lamps["lamp-2"].cert


@pytest.mark.parametrize("option", ["--issued-after", "--issued-before", "--expires-before", "--limit"])
def test_search_with_values_that_are_none(estctl, allow_log, option):
    allow_log("invalid input syntax")
    assert 'invalid input syntax for type' in estctl.refused("search", option, "soonish")


def test_revoke(site, lamps, estctl, allow_log):
    holder = issue(site, "CN=lost")
    serial = format(holder.cert.serial_number, "X")
    allow_log("no certificate with serial", "reason = ", "is revoked since", "serial = ")
    assert "reason = 'stolen' refused; allowed: unspecified, keyCompromise" in estctl.refused("revoke", serial, "--reason", "stolen")
    assert "of CA 'other'" in estctl.refused("revoke", serial, "--ca", "other")
    line = estctl("revoke", serial, "--reason", "superseded", "--ca", "issuing")
    assert line.startswith("revoked certificate ") and "CN=lost" in line and line.endswith("reason superseded\n")
    assert "is revoked since" in estctl.refused("revoke", serial)
    assert estctl.json("search", "--subject", "CN=lost", "--status", "revoked")[0]["revocation_reason"] == "superseded"
    assert estctl.refused("revoke", "00") == "no certificate with serial 00"
    assert "serial = 'xyz' refused" in estctl.refused("revoke", "xyz")
    other = issue(site, "CN=lost2")
    assert "reason unspecified" in estctl.json("revoke", format(other.cert.serial_number, "x"))["result"]


# --- output


def test_names_of_strangers_do_nothing_to_a_terminal(site, estctl):
    site.db.execute("INSERT INTO est.end_entity (group_id, name) VALUES (1, E'evil\\x1b[2J\\nname')", user="postgres")
    text = estctl("entity", "list", "evil")
    assert "evil?[2J?name" in text and "\x1b" not in text
    assert estctl.json("entity", "list", "evil")[0]["name"] == "evil\x1b[2J\nname"


def test_what_cannot_be_written_is_an_error(estctl):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(argv("-d", estctl.url, "client", "list"), stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1 and done.stderr == b"estctl: standard output: No space left on device\n"


def test_usage_errors_need_no_database(estctl):
    for arguments in ([], ["frob"], ["client"], ["client", "add"], ["deny", "7f3a"], ["pending", "--frob"], ["entity", "add", "x", "--uses", "3"]):
        assert estctl.refused(*arguments, status=2, url=False)
    assert estctl("--version", url=False).startswith("estctl ")
    assert "usage: estctl deny" in estctl("deny", "--help", url=False)
