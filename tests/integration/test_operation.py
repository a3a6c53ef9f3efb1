# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What operation does to a single request, step by step: rows OP and R of docs/conformance.md. Under load: test_reliability."""

import base64
import contextlib
import os
import signal
import threading

import psycopg
import pytest

from clients import outage
from clients.proxy import LossyProxy
from harness import der, run
from harness.client import b64, basic, raw
from harness.pki import make_csr, make_key, raw_csr, raw_name

TIMEOUT = 8  # EstDatabaseTimeout
CN = "2.5.4.3"


@pytest.fixture(scope="module")
def database(session_directory):
    with outage.private_postgres(session_directory, "pgo", durable=True) as server:
        yield server


@pytest.fixture(scope="module")
def fragile(database, make_site):
    site = make_site("operation", start=False, server=database, forks=True)
    site.config.server = f"EstDatabaseTimeout {TIMEOUT}"
    return site.start()


def rows(site, subject):
    return site.db.value("SELECT count(*) FROM est.certificate c JOIN est.enrollment e ON e.certificate_id = c.id WHERE c.subject = %s",
                         subject, user="postgres")


class Enrolment(threading.Thread):
    """One that goes on in the background; .answer is None when the connection ended without one"""

    def __init__(self, site, csr):
        super().__init__(daemon=True)
        self.site, self.csr, self.answer = site, csr, None
        self.start()

    def run(self):
        with self.site.ra() as client, contextlib.suppress(OSError):  # http.client's broken connections are OSErrors
            self.answer = client.enroll(self.csr)

    def result(self):
        self.join(30 * run.SLOW)
        assert not self.is_alive()
        return self.answer


@contextlib.contextmanager
def signed_and_waiting(site, subject, csr):
    """Gives an Enrolment whose certificate is signed, and whose record_issued() waits for a lock within the database."""
    with site.ra() as client:
        site.ledger.add(client.enroll(make_csr(make_key(), subject)).cert().public_bytes(outage.DER))
    connection = psycopg.connect(site.db.url("postgres"))
    try:
        connection.execute("SELECT FROM est.end_entity WHERE name = %s FOR UPDATE", [subject.removeprefix("CN=")])
        enrolment = Enrolment(site, csr)
        run.wait_until(lambda: site.db.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'est_module' AND datname = %s"
                                             " AND wait_event_type = 'Lock'", site.db.name, user="postgres"), what="record_issued() to wait")
        yield enrolment
    finally:
        connection.close()


# --- the database is away

def test_OP_01_only_what_issues_needs_the_database(fragile, allow_log):
    allow_log(*outage.AWAY)
    holder = fragile.holder("CN=op-01")
    with fragile.client() as client:
        before = {operation: client.get(operation) for operation in ("cacerts", "csrattrs")}
    assert before["cacerts"].status == 200
    with outage.stopped(fragile.postgres):
        with fragile.ra() as client:
            answers = [client.enroll(make_csr(make_key()))]
        with fragile.client(identity=holder) as client:
            answers.append(client.reenroll(make_csr(holder.key, "CN=op-01")))
        for answer in answers:
            assert answer.status == 503 and answer.header("Retry-After").isdigit(), answer.text
        with fragile.client() as client:
            for operation, earlier in before.items():
                answer = client.get(operation)
                assert answer.status == earlier.status, operation
                assert answer.status >= 300 or answer.body == earlier.body, operation
    outage.recovery(fragile, limit=30)


@pytest.fixture
def patient(fragile):
    """Waits for a database about as long as a client for its answer"""
    node = fragile.node(server="EstDatabaseTimeout 19", forks=True).start()
    yield node
    node.httpd.stop()


@pytest.mark.parametrize("place, back_in_time", [("fragile", False), ("patient", True)], ids=["it_stays_away", "it_is_back_in_time"])
def test_OP_02_a_database_that_dies_after_the_signature(request, fragile, allow_log, place, back_in_time):
    allow_log(*outage.AWAY)
    subject = f"CN=op-02-{back_in_time}"
    with signed_and_waiting(request.getfixturevalue(place), subject, make_csr(make_key(), subject)) as enrolment:
        fragile.postgres.stop(signal.SIGQUIT)
        if back_in_time:
            fragile.postgres.start()
        answer = enrolment.result()
    if back_in_time:
        assert answer.status == 200, answer.text
    else:
        assert answer.status == 503 and answer.header("Retry-After").isdigit(), answer.text
        fragile.postgres.start()
        outage.recovery(fragile, limit=30)
    assert rows(fragile, subject) == 1 + back_in_time


# --- the child dies

def test_R_05_killed_before_the_statement_arrives(fragile, session_directory, make_site):
    site = make_site("held", start=False, server=fragile.postgres, forks=True)
    csr = make_csr(make_key(), "CN=held")
    with LossyProxy(os.path.join(session_directory, "held"), fragile.postgres.directory, b"issued") as proxy:
        site.config.database = f"host={proxy.directory} port=5432 dbname={site.db.name} user=est_module"
        site.start()
        with site.ra() as client:
            assert client.enroll(make_csr(make_key(), "CN=warm")).status == 200
        proxy.hold = b"simpleenroll"
        enrolment = Enrolment(site, csr)
        assert proxy.held.wait(20 * run.SLOW)
        proxy.hold = None
        os.kill(site.httpd.children()[0], signal.SIGKILL)
        assert enrolment.result() is None, "nothing left the server"
        assert rows(site, "CN=held") == 0
        with site.ra() as client:
            assert client.enroll(csr).status == 200
        assert rows(site, "CN=held") == 1
        site.httpd.stop()  # before its database goes


def test_R_05_killed_before_the_commit(fragile):
    """The statement has arrived, and is carried out: the client that comes again gets what is on record."""
    csr = make_csr(make_key(), "CN=r-05")
    with signed_and_waiting(fragile, "CN=r-05", csr) as enrolment:
        os.kill(fragile.httpd.children()[0], signal.SIGKILL)
        assert enrolment.result() is None, "nothing left the server"
        assert rows(fragile, "CN=r-05") == 1, "the one that made the entity"
    run.wait_until(lambda: rows(fragile, "CN=r-05") == 2, what="the statement to be carried out")
    with fragile.ra() as client:
        cert = client.enroll(csr).cert()
    recorded = fragile.db.rows("SELECT der FROM est.certificate WHERE subject = 'CN=r-05' ORDER BY id DESC LIMIT 1", user="postgres")
    assert bytes(recorded[0][0]) == cert.public_bytes(outage.DER)
    assert rows(fragile, "CN=r-05") == 2


# --- a request that was overheard

def captured(site, csr, label=None):
    path = "/".join([site.mount, *([label] if label else []), "simpleenroll"])
    body = b64(csr)
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: est-test\r\nAuthorization: {basic(site.user, site.PASSWORD)}\r\n"
            f"Content-Type: application/pkcs10\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


def test_R_06_replayed_without_binding(fragile):
    octets = captured(fragile, make_csr(make_key(), "CN=r-06"))
    first, again = (raw(fragile, octets).cert() for _ in range(2))
    assert again == first
    assert rows(fragile, "CN=r-06") == 1


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("binding", ["if-present", "required"])
def test_R_06_replayed_with_binding(fragile, binding, tls):
    label, subject = fragile.alias(binding=binding), f"CN=r-06-{binding}-{tls}"
    with fragile.ra(tls="1.2") as client:
        csr = make_csr(make_key(), subject, challenge=base64.b64encode(client.tls_unique()))
        assert client.enroll(csr, label).status == 200
    answer = raw(fragile, captured(fragile, csr, label), tls=tls)
    assert (answer.status, answer.reason) == (400, "binding_failed"), answer.text
    assert rows(fragile, subject) == 1


def test_R_06_replayed_where_binding_is_required(fragile):
    label = fragile.alias(binding="required")
    answer = raw(fragile, captured(fragile, make_csr(make_key(), "CN=unbound"), label))
    assert (answer.status, answer.reason) == (400, "binding_required"), answer.text
    assert rows(fragile, "CN=unbound") == 0


# --- the key of the CA

def files_of(process):
    """What its descriptors are of; connections come and go meanwhile"""
    found = set()
    for entry in os.scandir(f"/proc/{process}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(entry.path))
    return found


def test_OP_07_children_need_no_access_to_the_key(fragile):
    """The parent reads it: whoever has the rights of a child, and is not that process, has no way to it."""
    path = os.path.join(fragile.httpd.directory, "issuing.key")
    mode = os.stat(path).st_mode
    if os.getuid() == 0:
        os.chown(path, 0, 0)
        os.chmod(path, 0o600)
    else:
        os.chmod(path, 0)
    try:
        assert run.call(["cat", path])[0] != 0, "the children's user cannot read it"
        children = fragile.httpd.children()
        os.kill(children[0], signal.SIGKILL)  # a new child does not read it either
        run.wait_until(lambda: set(fragile.httpd.children()) - set(children), what="another child")
        with fragile.ra() as client:
            assert client.enroll(make_csr(make_key(), "CN=op-07")).status == 200
        for child in fragile.httpd.children():
            assert path not in files_of(child), "no descriptor is left open, which a program started by the child would inherit"
    finally:
        run.own(path, mode & 0o777)


# --- SQL

HOSTILE = {  # N-07: what means something elsewhere; stored as it is
    "quote": "'; DROP TABLE est.certificate;--",
    "format": "%s%n%x %(name)s {0}",
    "shell": "$(id) `id` | id",
    "path": "../../etc/passwd",
    "markup": "<script>alert(1)</script>",
    "copy": "a\\.b\\N\\\\",
    "array": "{\"a\",NULL}",
    "dollar": "$1 $$ $a$",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_OP_09_text_is_a_parameter(fragile, what):
    before = fragile.counts()
    with fragile.ra() as client:
        answer = client.enroll(raw_csr(make_key(), subject=raw_name((CN, der.UTF8, HOSTILE[what].encode()))))
    assert answer.status == 200, answer.text
    entity = fragile.db.value("SELECT n.name FROM est.enrollment e JOIN est.end_entity n ON n.id = e.entity_id ORDER BY e.at DESC LIMIT 1",
                              user="postgres")
    assert entity == HOSTILE[what]
    assert fragile.counts() == before + 1


@pytest.mark.parametrize("value", [b"a\0b", b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3"])
def test_OP_09_what_the_database_cannot_hold_is_400(fragile, value):
    with fragile.ra() as client:
        answer = client.enroll(raw_csr(make_key(), subject=raw_name((CN, der.UTF8, value))))
    assert (answer.status, answer.reason) == (400, "name_invalid"), answer.text


@pytest.mark.parametrize("user", [b"a\0b", b"\xff\xfe", b"' OR 1=1 --", b"$1"])
def test_OP_09_such_user_names_are_nobodys(fragile, allow_log, user):
    allow_log("AH01618")
    credentials = b"Basic " + base64.b64encode(user + b":x")
    with fragile.client() as client:
        answer = client.enroll(make_csr(make_key()), headers={"Authorization": credentials.decode()})
    assert answer.status == 401, answer.text
