# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Requests that wait for people: PE-01 to PE-09, R-03, CB-15, ACC-17."""

import os
import subprocess
import threading

import psycopg
import pytest
from cryptography import x509

from harness import pki as pki_module, run
from harness.bound import BoundConnection
from harness.client import b64, curl
from harness.pki import dns, make_csr, make_key

SITE = {"children": 2, "forks": True, "modules": ("http2",), "protocols": "h2 http/1.1",
        "vhost": 'CustomLog result.log "%>s %{EST_RESULT}e %{EST_ALIAS}e"'}


@pytest.fixture(scope="module")
def waiting(site):
    """An alias where everything waits; clients ask again after 7 seconds"""
    return site.alias("waiting", approval="all", retry_after="7 seconds")


def check_pending(answer, seconds=7):
    assert answer.status == 202, answer.text
    assert answer.body == b"" and answer.header("Content-Length") == "0"
    assert answer.header("Retry-After") == str(seconds)
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("Content-Type") is None
    return answer


def orders(site, subject):
    return site.db.rows("SELECT id::text, outcome, operation, identity FROM est.enrollment WHERE subject = %s AND order_key IS NOT NULL"
                        " ORDER BY at", subject, user="postgres")


def order(site, subject):
    found = orders(site, subject)
    assert len(found) == 1, found
    return found[0][0]


def rows(site, subject):
    return site.db.value("SELECT count(*) FROM est.enrollment e LEFT JOIN est.certificate c ON c.id = e.certificate_id"
                         " WHERE coalesce(e.subject, c.subject) = %s", subject, user="postgres")


def approve(site, subject, user="admin"):
    return site.db.value("SELECT approve(%s)", order(site, subject), user=user)


def deny(site, subject, reason="not one of ours"):
    return site.db.value("SELECT deny(%s, %s)", order(site, subject), reason)


def poll(site, csr, label):
    """As most clients do: by a new connection"""
    with site.ra() as client:
        return client.enroll(csr, label)


# --- the way of an order

def test_PE_01_PE_02_PE_09_ACC_17_enrolment_waits_and_gets_its_certificate(site, waiting):
    csr, subject, seen = make_csr(make_key(), "CN=waits"), "CN=waits", site.httpd.log.size()
    check_pending(poll(site, csr, waiting))
    check_pending(poll(site, csr, waiting))
    lines = [line for line in site.log_lines(seen) if "waits for approval" in line]
    order = site.db.value("SELECT string_agg(id::text, ' ') FROM pending WHERE subject = %s AND alias = %s", subject, waiting)
    says = f'EST: "CN=waits" waits for approval, order {order} [alias=waiting'
    assert len(lines) == 2 and all(":info]" in line and says in line for line in lines)
    assert approve(site, subject)
    cert = poll(site, csr, waiting).cert()
    assert cert.subject.rfc4514_string() == subject
    assert rows(site, subject) == 1, "one row from the first request to the certificate"

    def results():
        with open(os.path.join(site.httpd.directory, "result.log"), encoding="ascii") as file:
            return file.read().splitlines()
    # httpd writes them when the client has its answer already
    run.wait_until(lambda: results().count("202 pending waiting") >= 2 and "200 ok waiting" in results(), what="lines of a CustomLog")


def test_PE_07_the_answer_that_was_lost_is_given_again(site, waiting):
    csr = make_csr(make_key(), "CN=lost")
    check_pending(poll(site, csr, waiting))
    approve(site, "CN=lost")
    first = poll(site, csr, waiting).cert()
    assert poll(site, csr, waiting).cert() == first
    assert rows(site, "CN=lost") == 1


def test_reenrolment_waits_too(site, waiting):
    key = make_key()
    check_pending(poll(site, make_csr(key, "CN=renewed"), waiting))
    approve(site, "CN=renewed")
    cert = poll(site, make_csr(key, "CN=renewed"), waiting).cert()
    holder, new = pki_module.Identity(key, cert, site.pki.issuing.chain()), make_key()
    for _ in range(2):
        with site.client(identity=holder) as client:
            check_pending(client.reenroll(make_csr(new, "CN=renewed"), waiting))
    found = orders(site, "CN=renewed")
    assert [row[1:3] for row in found] == [("issued", "simpleenroll"), ("pending", "simplereenroll")]
    site.db.execute("SELECT approve(%s)", found[1][0])
    with site.client(identity=holder) as client:
        assert client.reenroll(make_csr(new, "CN=renewed"), waiting).cert().serial_number != cert.serial_number


def test_first_means_the_first_certificate_alone(site):
    label = site.alias(approval="first")
    csr = make_csr(make_key(), "CN=first")
    check_pending(poll(site, csr, label), 60)
    approve(site, "CN=first")
    poll(site, csr, label).cert()
    poll(site, make_csr(make_key(), "CN=first"), label).cert()


@pytest.mark.row("PE-03")
def test_other_children_and_other_processes_find_the_order(site, waiting):
    csr = make_csr(make_key(), "CN=restarted")
    check_pending(poll(site, csr, waiting))
    before = set(site.httpd.children())
    site.httpd.graceful()
    assert before != set(site.httpd.children())
    for _ in range(6):
        check_pending(poll(site, csr, waiting))
    approve(site, "CN=restarted")
    site.httpd.stop()
    site.httpd.start()
    poll(site, csr, waiting).cert()
    assert rows(site, "CN=restarted") == 1


def test_PE_03_another_node_finds_the_order(site, waiting):
    node, csr = site.node().start(), make_csr(make_key(), "CN=roams")
    check_pending(poll(site, csr, waiting))
    check_pending(poll(node, csr, waiting))
    approve(site, "CN=roams")
    assert poll(node, csr, waiting).cert() == poll(site, csr, waiting).cert()
    assert rows(site, "CN=roams") == 1


def test_PE_04_a_request_signed_anew_is_the_same_order(site, waiting):
    key = make_key()
    for _ in range(3):
        check_pending(poll(site, make_csr(key, "CN=signed-anew", [dns("signed-anew.example")]), waiting))
    approve(site, "CN=signed-anew")
    poll(site, make_csr(key, "CN=signed-anew", [dns("signed-anew.example")]), waiting).cert()
    assert rows(site, "CN=signed-anew") == 1


def test_another_key_or_name_is_another_order(site, waiting):
    key = make_key()
    check_pending(poll(site, make_csr(key, "CN=one-of-many"), waiting))
    check_pending(poll(site, make_csr(make_key(), "CN=one-of-many"), waiting))
    check_pending(poll(site, make_csr(key, "CN=one-of-many", [dns("many.example")]), waiting))
    assert len(orders(site, "CN=one-of-many")) == 3
    site.db.execute("SELECT deny(id::text, 'too many') FROM pending WHERE subject = 'CN=one-of-many'")


def test_what_is_approved_is_all_that_is_asked_for(site, waiting):
    """An extension that the profile takes over from requests is not slipped into an order that somebody has approved"""
    must_staple = [(x509.TLSFeature([x509.TLSFeatureType.status_request]), False)]
    key, device = make_key(), site.profile_id("device")
    site.sql("INSERT INTO profile_request_extension (profile_id, name, action) VALUES (%s, 'tlsfeature', 'copy')", device)
    try:
        check_pending(poll(site, make_csr(key, "CN=slipped"), waiting))
        approve(site, "CN=slipped")
        check_pending(poll(site, make_csr(key, "CN=slipped", extensions=must_staple), waiting))
        found = orders(site, "CN=slipped")
        assert [row[1] for row in found] == ["approved", "pending"]
        assert x509.TLSFeature not in [type(extension.value) for extension in poll(site, make_csr(key, "CN=slipped"), waiting).cert().extensions]
        site.db.execute("SELECT deny(%s, 'too many')", found[1][0])
    finally:
        site.sql("DELETE FROM profile_request_extension WHERE profile_id = %s", device)


def test_PE_05_another_identity_sees_nothing_of_an_order(site, waiting):
    csr = make_csr(make_key(), "CN=somebody")
    check_pending(poll(site, csr, waiting))
    approve(site, "CN=somebody")
    with site.client(site.register(names="own")) as client:
        answer = client.enroll(csr, waiting)
        assert answer.status == 403 and answer.reason == "name_not_yours"
    other = site.register(names="*")
    with site.client(other) as client:
        check_pending(client.enroll(csr, waiting))
    assert [row[1::2] for row in orders(site, "CN=somebody")] == [("approved", site.user), ("pending", other)]
    poll(site, csr, waiting).cert()


def test_a_change_of_policy_keeps_the_order(site, waiting):
    csr = make_csr(make_key(), "CN=patient")
    check_pending(poll(site, csr, waiting))
    site.sql("UPDATE certificate_profile SET description = 'changed' WHERE name = 'device'")
    check_pending(poll(site, csr, waiting))
    approve(site, "CN=patient")
    poll(site, csr, waiting).cert()
    assert rows(site, "CN=patient") == 1


def test_what_is_approved_is_judged_again(site):
    label = site.alias(approval="all")
    csr = make_csr(make_key(), "CN=judged")
    check_pending(poll(site, csr, label), 60)
    approve(site, "CN=judged")
    site.sql("UPDATE client SET names = '{own}' WHERE user_name = %s", site.user)
    try:
        assert poll(site, csr, label).reason == "name_not_yours"
    finally:
        site.sql("UPDATE client SET names = '{*}' WHERE user_name = %s", site.user)
    poll(site, csr, label).cert()


# --- its other ends

def test_PE_06_a_denied_request_is_told_the_reason(site, waiting):
    csr = make_csr(make_key(), "CN=denied")
    check_pending(poll(site, csr, waiting))
    deny(site, "CN=denied", "no such device was bought")
    for _ in range(2):
        answer = poll(site, csr, waiting)
        assert answer.status == 403 and answer.reason == "approval_denied"
        assert "no such device was bought" in answer.text
    assert rows(site, "CN=denied") == 1
    assert site.db.value("SELECT reason FROM denied_recently WHERE subject = 'CN=denied'") == "no such device was bought"


def test_PE_06_an_order_that_expires_is_opened_anew(site, waiting):
    csr = make_csr(make_key(), "CN=expires")
    check_pending(poll(site, csr, waiting))
    site.db.execute("UPDATE est.enrollment SET expires_at = now() - interval '1 second' WHERE subject = 'CN=expires'", user="postgres")
    check_pending(poll(site, csr, waiting))
    assert [row[1] for row in orders(site, "CN=expires")] == ["expired", "pending"]
    site.db.execute("SELECT deny(id::text, 'done') FROM pending WHERE subject = 'CN=expires'")


def test_PE_08_asking_early_is_no_offence(site, waiting):
    csr = make_csr(make_key(), "CN=impatient")
    with site.ra() as client:
        for _ in range(10):
            check_pending(client.enroll(csr, waiting))
        approve(site, "CN=impatient")
        client.enroll(csr, waiting).cert()
    assert rows(site, "CN=impatient") == 1


def test_what_an_order_gave_is_not_given_again_to_who_is_suspended(site, waiting):
    csr = make_csr(make_key(), "CN=meanwhile")
    check_pending(poll(site, csr, waiting))
    approve(site, "CN=meanwhile")
    poll(site, csr, waiting).cert()
    site.db.execute("SELECT suspend('meanwhile')")
    assert poll(site, csr, waiting).reason == "entity_suspended", "nor is it given once more"
    site.db.execute("SELECT reinstate('meanwhile')")
    poll(site, csr, waiting).cert()


def test_too_many_orders_are_refused(site):
    label = site.alias(approval="all", max_orders=2)
    user = site.register(names="*")
    with site.client(user) as client:
        for number in range(2):
            check_pending(client.enroll(make_csr(make_key(), f"CN=greedy-{number}"), label), 60)
        answer = client.enroll(make_csr(make_key(), "CN=greedy-2"), label)
    assert answer.status == 403 and answer.reason == "too_many_orders"


# --- channel binding

@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_CB_15_each_connection_brings_its_own_value(site, tls):
    label = site.alias(approval="all", binding="required")
    key, subject = make_key(), "CN=bound-" + tls.replace(".", "")
    with BoundConnection(site, tls) as first:
        old = first.value.decode()
        assert first.enroll(make_csr(key, subject, challenge=first.value), label).status == 202
    with BoundConnection(site, tls) as second:
        answer = second.enroll(make_csr(key, subject, challenge=old.encode()), label)
        assert answer.status == 400 and answer.reason == "binding_failed"
    approve(site, subject)
    with BoundConnection(site, tls) as third:
        third.enroll(make_csr(key, subject, challenge=third.value), label).cert()
    assert len(orders(site, subject)) == 1


# --- people

@pytest.fixture(scope="module")
def second(site):
    """Another person with the rights to approve"""
    site.db.execute("DO $$ BEGIN CREATE ROLE second LOGIN IN ROLE est_admin; EXCEPTION WHEN duplicate_object THEN END $$", user="postgres")
    return "second"


def test_four_eyes(site, second, allow_log):
    allow_log("ERROR:")
    label = site.alias(approval="all", approvals=2)
    csr = make_csr(make_key(), "CN=four-eyes")
    check_pending(poll(site, csr, label), 60)
    approve(site, "CN=four-eyes")
    check_pending(poll(site, csr, label), 60)
    with pytest.raises(psycopg.Error):
        approve(site, "CN=four-eyes")
    check_pending(poll(site, csr, label), 60)
    approve(site, "CN=four-eyes", second)
    poll(site, csr, label).cert()


@pytest.mark.parametrize("number", range(5))
def test_R_03_approving_and_denying_at_once_has_one_outcome(site, second, waiting, allow_log, number):
    allow_log("ERROR:")
    subject = f"CN=race-{number}"
    csr, barrier, failed = make_csr(make_key(), subject), threading.Barrier(4), []
    check_pending(poll(site, csr, waiting))
    number = order(site, subject)

    def decide(user, statement, *params):
        with psycopg.connect(site.db.url(user), autocommit=True) as connection:
            barrier.wait()
            try:
                connection.execute(statement, params)
            except psycopg.Error as error:
                failed.append(str(error))

    def ask():
        barrier.wait()
        answers.append(poll(site, csr, waiting).status)

    answers = []
    threads = [threading.Thread(target=decide, args=("admin", "SELECT approve(%s)", number)),
               threading.Thread(target=decide, args=(second, "SELECT deny(%s, 'no')", number)),
               threading.Thread(target=ask), threading.Thread(target=ask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failed) == 1, failed
    final = poll(site, csr, waiting)
    assert final.status in (200, 403)
    assert set(answers) <= {202, final.status}
    assert site.db.value("SELECT count(*) FROM est.certificate WHERE subject = %s", subject, user="postgres") == (final.status == 200)


def test_R_03_polls_at_once_get_one_certificate(site, waiting):
    csr, answers = make_csr(make_key(), "CN=stampede"), []
    check_pending(poll(site, csr, waiting))
    approve(site, "CN=stampede")
    barrier = threading.Barrier(8)

    def work():
        with site.ra() as client:
            client.get("cacerts")
            barrier.wait()
            answers.append(client.enroll(csr, waiting))
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.cert().serial_number for answer in answers}) == 1
    assert rows(site, "CN=stampede") == 1


def test_first_requests_at_once_open_one_order(site, waiting):
    csr, answers, barrier = make_csr(make_key(), "CN=at-once"), [], threading.Barrier(8)

    def work():
        with site.ra() as client:
            client.get("cacerts")
            barrier.wait()
            answers.append(client.enroll(csr, waiting).status)
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [202] * 8
    assert len(orders(site, "CN=at-once")) == 1
    deny(site, "CN=at-once")


# --- other clients

def test_http2(site, waiting):
    body = b64(make_csr(make_key(), "CN=h2"))

    def ask():
        return curl(site, waiting + "/simpleenroll", "--http2", "--header", "Content-Type: application/pkcs10", "--data-binary", "@-",
                    user=f"{site.user}:{site.PASSWORD}", stdin=body)
    assert check_pending(ask()).version == "HTTP/2"
    approve(site, "CN=h2")
    assert ask().cert()


def test_compat_libest_knows_202(site):
    label = site.alias(approval="all", compat="libest")
    csr = make_csr(make_key(), "CN=libest")
    check_pending(poll(site, csr, label), 60)
    deny(site, "CN=libest")
    assert poll(site, csr, label).status == 400


@pytest.fixture
def est_waits(site):
    """The alias without label, which is what strongSwan's client asks"""
    site.sql("UPDATE alias SET approval = 'all', retry_after = '1 second' WHERE name = 'est'")
    yield
    site.sql("UPDATE alias SET approval = 'none' WHERE name = 'est'")


@pytest.mark.row("PE-01", "PE-03")
@pytest.mark.usefixtures("est_waits")
def test_strongswan_polls_until_it_has_its_certificate(site, tmp_path):
    for name, octets in (("root", site.pki.root.pem()), ("issuing", site.pki.issuing.pem()), ("csr", make_csr(make_key(), "CN=swan"))):
        (tmp_path / name).write_bytes(octets)
    seen = site.httpd.log.size()
    with subprocess.Popen(["pki", "--est", "--url", f"https://localhost:{site.port}", "--cacert", str(tmp_path / "root"), "--cacert",
                           str(tmp_path / "issuing"), "--in", str(tmp_path / "csr"), "--userpass", f"{site.user}:{site.PASSWORD}",
                           "--interval", "1", "--maxpolltime", "60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        run.wait_until(lambda: sum("waits for approval" in line for line in site.log_lines(seen)) >= 3, 20, "strongSwan to ask again")
        approve(site, "CN=swan")
        out, err = process.communicate(timeout=30 * run.SLOW)
    assert process.returncode == 0, err.decode()
    site.ledger.add(out)
    assert rows(site, "CN=swan") == 1


# --- enrolment codes

@pytest.mark.parametrize("source", ["basic", "challenge-password"])
def test_AUTH_15_coming_again_needs_no_second_code(site, source):
    label, name = site.alias(approval="all", mode="client", code_source=source, binding="if-present"), f"coded-{source}"
    site.db.execute("SELECT register_entity(%s, alias => %s, code => 'a secret')", name, label)
    key = make_key()

    def ask(code="a secret"):
        if source == "basic":
            with site.client(name, code) as client:
                return client.enroll(make_csr(key, f"CN={name}"), label)
        with site.client() as client:
            return client.enroll(make_csr(key, f"CN={name}", challenge=code.encode()), label)
    check_pending(ask(), 60)
    assert site.db.value("SELECT uses_left FROM est.enrollment_code k JOIN est.end_entity e ON e.id = k.entity_id WHERE e.name = %s",
                         name, user="postgres") == 0
    check_pending(ask(), 60)
    assert b"a secret" not in bytes(site.db.value("SELECT csr FROM est.enrollment WHERE identity = %s", name, user="postgres"))
    approve(site, f"CN={name}")
    first = ask().cert()
    assert ask().cert() == first
    # Another key is another order, for which the code is used up
    key = make_key()
    answer = ask()
    assert answer.status == 401 and answer.reason == "code_refused"
    assert answer.text.startswith("code_refused: enrolment code not accepted (request")
