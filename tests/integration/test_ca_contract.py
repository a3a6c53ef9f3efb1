# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
What every driver of an <EstCA> owes: each case is a cell for each driver that can be in it, so that the list of tests says which
cells there are. A local CA, for one, refuses nothing and keeps nobody waiting.
"""

import collections
import os
import signal
import threading

import pytest
from cryptography.hazmat.primitives import serialization

from clients import outage
from clients.orders import Asking, check_failed, check_waits, enrol, hurry, lines, one_row, rows
from harness import run
from harness.backends import AWAY, FORWARD, ForwardingCmp, ForwardingEst, LocalFile, LocalToken, LocalTokenServer
from harness.bound import BoundConnection
from harness.client import ENROLLED
from harness.lint import lint
from harness.pki import Identity, dns, make_csr, make_key

TIMEOUT = 7 * run.SLOW  # EstCATimeout: what a test does to an exchange under way takes less, on a busy machine too
LEASE = TIMEOUT + 5     # after which an exchange is over, come what may
HASTY = 3 * run.SLOW    # EstCATimeout of the blocks whose names end so, for tests that wait for it
DER = serialization.Encoding.DER
FORWARDED = {"EstCATimeout": TIMEOUT, "EstCAFailures": 100}

# Driver -> (what it can be made to do, how it is made of directory and Pki)
DRIVERS = {
    "file": (LocalFile.can, lambda directory, pki: LocalFile("file", pki.issuing)),
    "softhsm": (LocalToken.can, lambda directory, pki: LocalToken(directory, "softhsm", pki.root)),
    "p11-kit": (LocalTokenServer.can, lambda directory, pki: LocalTokenServer(directory, "p11-kit", pki.root)),
    # with a file, so that a child that has asked nobody before has cacerts while the upstream is away
    "est": (ForwardingEst.can, lambda directory, pki: ForwardingEst(directory, "est", EstCACacheFile=f"{directory}/est-cacerts.pem",
                                                                    **FORWARDED)),
    "cmp-secret": (ForwardingCmp.can, lambda directory, pki: ForwardingCmp(directory, "cmp-secret", "secret", tls=False, **FORWARDED)),
    "cmp-signature": (ForwardingCmp.can, lambda directory, pki: ForwardingCmp(directory, "cmp-signature", "signature", **FORWARDED)),
    "cmp-ir": (ForwardingCmp.can, lambda directory, pki: ForwardingCmp(directory, "cmp-ir", "signature", request="ir", **FORWARDED)),
}
WRONG = ("wrong-key", "wrong-issuer", "wrong-signature", "wrong-name", "extra-san", "ca-certificate", "extra-eku")


def drivers(*abilities):
    return [name for name, (can, _) in DRIVERS.items() if can.issuperset(abilities)]


def cells(*abilities):
    """The case for each driver with these abilities"""
    return pytest.mark.parametrize("driver", drivers(*abilities), indirect=True)


@pytest.fixture(scope="module")
def database(session_directory):
    with outage.private_postgres(session_directory, "pgc") as server:
        yield server


@pytest.fixture(scope="module")
def backends(session_directory, pki):
    made = {}
    os.chmod(session_directory, 0o711)  # the other user of p11-kit's server has to get to the token
    try:
        for name, (_, make) in DRIVERS.items():
            made[name] = make(session_directory, pki)
        yield made
    finally:
        for backend in made.values():
            backend.close()
        os.chmod(session_directory, 0o700)


@pytest.fixture(scope="module")
def site(database, backends, make_site):  # in this order, so that database and upstreams outlive their clients
    """Two children, an alias for each driver and one where people approve first"""
    site = make_site("contract", start=False, server=database, children=2, threads=20, forks=True, pool=6,
                     environment={name: value for backend in backends.values() for name, value in backend.environment.items()})
    site.config.server = "EstDatabaseTimeout 2\nServerLimit 8\nMinSpareThreads 21\nMaxSpareThreads 80"
    hasty = [backends[name].block(site.httpd, "-hasty", EstCATimeout=HASTY) for name in drivers(FORWARD)]
    site.config.ca_blocks = [site.httpd.ca_block("issuing"), *[backend.block(site.httpd) for backend in backends.values()], *hasty]
    for name in drivers(FORWARD):
        site.alias(backends[name].label + "-hasty", ca=name + "-hasty")
    for name, backend in backends.items():
        site.alias(backend.label, ca=name)
        site.alias(backend.label + "-approved", ca=name, approval="all", retry_after="5 seconds")
    site.someone, site.other = site.register("someone", names="own"), site.register("other", names="*")
    return site.start()


@pytest.fixture
def driver(request, backends):
    backend = backends[request.param]
    backend.reset()
    return backend


@pytest.fixture(autouse=True)
def crowded(allow_log):
    """
    httpd says so while fewer children serve than there should be. Driver est says so in a child that looks at cacerts for the
    first time while the upstream is away: a thread does that, some seconds after the child has begun, or a request.
    """
    allow_log("AH10159", "cannot be looked at again, those of before are used")


# --- looking

def check_issued(site, driver, cert, subject, suffix=""):
    """The row of the one certificate for subject; suffix: of the block's name"""
    row = one_row(site, subject, "issued")
    assert bytes(row.der) == cert.public_bytes(DER)
    assert (row.cert_ca, row.issuer) == (driver.name + suffix, driver.authority.cert.subject.rfc4514_string())
    assert int(row.serial, 16) == cert.serial_number
    assert row.answer is None and not row.busy
    return row


def named(case, driver):
    """(key, CN=case-driver): of no other cell"""
    return make_key(), f"CN={case}-{driver.name}"


# --- issuing

@cells()
@pytest.mark.row("EN-01", "EN-02", "EN-14")
def test_a_certificate_is_valid_and_on_record(site, driver):
    key, subject = named("issued", driver)
    answer = enrol(site, make_csr(key, subject, [dns("issued.example")]), driver.label)
    cert = answer.cert()
    assert answer.header("Content-Type") == ENROLLED
    lint(cert, driver.authority.cert)
    assert cert.subject.rfc4514_string() == subject and cert.public_key().public_numbers() == key.public_key().public_numbers()
    check_issued(site, driver, cert, subject)


@cells()
def test_PE_07_the_same_request_gets_the_same_certificate(site, driver):
    key, subject = named("again", driver)
    cert = enrol(site, make_csr(key, subject), driver.label).cert()
    for _ in range(3):
        assert enrol(site, make_csr(key, subject), driver.label).cert() == cert
    check_issued(site, driver, cert, subject)
    if FORWARD in driver.can:
        assert driver.asked() == 1 and driver.signed() == [cert.public_bytes(DER)]


@cells()
def test_RE_05_a_holder_renews_with_another_key(site, driver):
    old, subject = named("renewed", driver)
    cert = enrol(site, make_csr(old, subject, [dns("renewed.example")]), driver.label).cert()
    holder, key = Identity(old, cert, driver.authority.chain()), make_key()
    with site.client(identity=holder) as client:
        new = client.reenroll(make_csr(key, subject, [dns("renewed.example")]), driver.label).cert()
    lint(new, driver.authority.cert)
    assert new.serial_number != cert.serial_number and new.public_key().public_numbers() == key.public_key().public_numbers()
    found = rows(site, subject)
    assert [row.operation for row in found] == ["simpleenroll", "simplereenroll"]
    assert [bytes(row.der) for row in found] == [each.public_bytes(DER) for each in (cert, new)]
    if driver.name == "cmp-ir":
        assert driver.upstream.kinds == ["ir", "kur"] and driver.upstream.old == [(cert.issuer.public_bytes(), cert.serial_number)]
    assert site.db.value("SELECT old.serial FROM est.certificate new JOIN est.certificate old ON old.id = new.replaces WHERE new.der = %s",
                         new.public_bytes(DER), user="postgres") == found[0].serial


@cells()
def test_RE_05_a_holder_renews_with_the_same_key(site, driver):
    key, subject = named("kept", driver)
    cert = enrol(site, make_csr(key, subject), driver.label).cert()
    with site.client(identity=Identity(key, cert, driver.authority.chain())) as client:
        new = client.reenroll(make_csr(key, subject), driver.label).cert()
    lint(new, driver.authority.cert)
    assert new.serial_number != cert.serial_number


@pytest.mark.parametrize("driver", ["est", "cmp-secret"], indirect=True)
def test_what_the_upstream_gives_once_more_is_given_once_more(site, driver):
    """
    A renewal whose octets are those of the enrolment (a signature of Ed25519 is always the same) is the same request for who knows
    nothing of renewals: one certificate, that both have asked for
    """
    key, subject = make_key("ed25519"), f"CN=once-more-{driver.name}"
    csr = make_csr(key, subject)
    cert = enrol(site, csr, driver.label).cert()
    for _ in range(2):
        with site.client(identity=Identity(key, cert, driver.authority.chain())) as client:
            assert client.reenroll(csr, driver.label).cert() == cert
    assert driver.signed() == [cert.public_bytes(DER)]
    assert site.db.value("SELECT count(*) FROM est.certificate WHERE subject = %s", subject, user="postgres") == 1
    assert not [row for row in rows(site, subject) if row.outcome == "forwarded"]


@cells()
def test_cacerts_has_the_ca_that_issues(site, driver):
    with site.client() as client:
        certs = client.get("cacerts", driver.label).certs()
    assert driver.authority.cert in certs and driver.authority.issuer.cert in certs


@cells()
@pytest.mark.row("R-01")
def test_R_01_thirty_identical_requests_at_once(site, driver):
    (key, subject), barrier, answers = named("thirty", driver), threading.Barrier(30), []
    csr = make_csr(key, subject)
    if FORWARD in driver.can:
        driver.does("issue", latency=0.3)

    def work():
        with site.ra() as client:
            client.open()
            barrier.wait(20 * run.SLOW)
            answers.append(client.enroll(csr, driver.label))
    threads = [threading.Thread(target=work) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 30 and {answer.status for answer in answers} <= {200, 202}
    assert FORWARD in driver.can or {answer.status for answer in answers} == {200}
    given = {answer.cert() for answer in answers if answer.status == 200}
    assert given == {enrol(site, csr, driver.label).cert()}
    check_issued(site, driver, given.pop(), subject)
    if FORWARD in driver.can:
        assert driver.asked() == len(driver.signed()) == 1


@cells()
def test_what_policy_refuses_is_not_signed(site, driver):
    """Nor does anybody elsewhere hear of it"""
    key, subject = named("refused-here", driver)
    with site.client(site.someone) as client:
        answer = client.enroll(make_csr(key, subject), driver.label)
    assert (answer.status, answer.reason) == (403, "name_not_yours")
    answer = enrol(site, make_csr(key, subject + ",L=Nowhere"), driver.label)
    assert (answer.status, answer.reason) == (403, "name_refused"), answer.text
    assert not [row for row in rows(site, subject) if row.outcome != "refused"]
    if FORWARD in driver.can:
        assert driver.asked() == 0


# --- the answers of an upstream

@cells(FORWARD)
def test_a_refusal_is_told_and_may_be_taken_back(site, driver, expect_log):
    key, subject = named("refused", driver)
    expect_log("EST1103")
    driver.does("refuse", refuse_text="the device is not in our books")
    seen = site.httpd.log.size()
    check_failed(enrol(site, make_csr(key, subject), driver.label), 502, "ca_refused")
    row = one_row(site, subject, "failed")
    assert (row.rule, row.ca, row.answer, row.busy) == ("ca_refused", driver.name, None, False)
    assert "the device is not in our books" in row.reason and row.upstream in (driver.url, None)
    assert len(lines(site, seen, "EST1103", "the device is not in our books")) == 1
    driver.does("issue")
    cert = enrol(site, make_csr(key, subject), driver.label).cert()
    found = rows(site, subject)
    assert [row.outcome for row in found] == ["failed", "issued"] and bytes(found[1].der) == cert.public_bytes(DER)


@cells(FORWARD)
def test_PE_01_PE_02_PE_04_PE_08_PE_09_what_the_upstream_keeps_waiting_waits(site, driver):
    """A request that was signed anew, by another connection, is the same order; asking early troubles nobody"""
    key, subject = named("waits", driver)
    driver.does("pend", retry_after=70)  # which is longer than what follows takes

    def poll():
        return enrol(site, make_csr(key, subject, [dns("waits.example")]), driver.label)
    check_waits(poll(), 70)
    asked, row = driver.asked(), one_row(site, subject, "forwarded")
    assert (row.ca, row.upstream, row.busy) == (driver.name, driver.url, False) and row.reason is None
    for _ in range(3):
        check_waits(poll(), *range(1, 71))
    assert driver.asked() == asked, "the upstream was asked before it wanted to be"
    hurry(site, subject)
    check_waits(poll(), 70)
    assert driver.asked() > asked and one_row(site, subject, "forwarded").id == row.id
    driver.release()
    check_waits(poll(), *range(1, 71))
    hurry(site, subject)
    cert = poll().cert()
    assert poll().cert() == cert
    assert check_issued(site, driver, cert, subject).id == row.id
    assert driver.signed() == [cert.public_bytes(DER)]


@cells(FORWARD)
def test_CB_15_each_poll_is_bound_to_its_own_connection(site, driver):
    """The upstream keeps waiting what was bound to the first one"""
    key, subject = named("bound", driver)

    def poll(value=None):
        with BoundConnection(site, "1.3") as client:
            answer = client.enroll(make_csr(key, subject, challenge=value or client.value), driver.label)
            return answer, client.value
    driver.does("pend", retry_after=70)
    answer, first = poll()
    check_waits(answer, 70)
    row = one_row(site, subject, "forwarded")
    answer, _ = poll(first)
    assert (answer.status, answer.reason) == (400, "binding_failed")
    check_waits(poll()[0], *range(1, 71))
    driver.release()
    hurry(site, subject)
    cert = poll()[0].cert()
    assert [found.id for found in rows(site, subject) if found.outcome == "issued"] == [row.id]
    assert driver.signed() == [cert.public_bytes(DER)]


@cells(FORWARD)
def test_PE_05_an_order_is_of_the_one_who_asked(site, driver):
    key, subject = named("whose", driver)
    csr = make_csr(key, subject)
    driver.does("pend")
    check_waits(enrol(site, csr, driver.label), 7)
    with site.client(site.someone) as client:
        assert client.enroll(csr, driver.label).reason == "name_not_yours"
    with site.client(site.other) as client:
        check_waits(client.enroll(csr, driver.label), 7)
    found = [row for row in rows(site, subject) if row.outcome != "refused"]
    assert [row.outcome for row in found] == ["forwarded"] * 2 and [row.identity for row in found] == [site.user, site.other]
    driver.release()
    hurry(site, subject)
    enrol(site, csr, driver.label).cert()
    assert [row.outcome for row in rows(site, subject) if row.outcome != "refused"] == ["issued", "forwarded"]


@cells(FORWARD)
def test_PE_03_an_order_outlives_children_and_server(site, driver):
    key, subject = named("outlives", driver)
    csr, before = make_csr(key, subject), set(site.httpd.children())
    driver.does("pend")
    check_waits(enrol(site, csr, driver.label), 7)
    hurry(site, subject)
    site.httpd.graceful()
    run.wait_until(lambda: not before & set(site.httpd.children()), 20, "the end of the children of before")
    check_waits(enrol(site, csr, driver.label), 7)
    site.httpd.stop()
    site.httpd.start()
    driver.release()
    hurry(site, subject)
    cert = enrol(site, csr, driver.label).cert()
    check_issued(site, driver, cert, subject)
    assert driver.signed() == [cert.public_bytes(DER)]


@cells(FORWARD)
def test_R_04_no_answer_in_time_and_the_retry_gets_it(site, driver, expect_log):
    (key, subject), label = named("timeout", driver), driver.label + "-hasty"
    expect_log("EST1102")
    driver.does("hang")
    check_failed(enrol(site, make_csr(key, subject), label), 504, "ca_timeout", retry=True)
    row = one_row(site, subject, "forwarded")
    assert (row.upstream, row.busy, row.answer) == (driver.url, False, None)
    driver.let_go()
    driver.does("issue")
    cert = enrol(site, make_csr(key, subject), label).cert()
    assert check_issued(site, driver, cert, subject, "-hasty").id == row.id
    assert driver.signed() == [cert.public_bytes(DER)]


@cells(FORWARD)
def test_R_04_an_answer_is_lost_and_the_retry_gets_it(site, driver, expect_log):
    key, subject = named("lost", driver)
    expect_log("EST1102")
    driver.does("close")
    check_failed(enrol(site, make_csr(key, subject), driver.label), 504, "ca_timeout", retry=True)
    row = one_row(site, subject, "forwarded")
    assert (row.upstream, row.busy) == (driver.url, False)
    driver.does("issue")
    cert = enrol(site, make_csr(key, subject), driver.label).cert()
    assert check_issued(site, driver, cert, subject).id == row.id
    assert driver.signed() == [cert.public_bytes(DER)]


@cells(FORWARD)
@pytest.mark.parametrize("kind", WRONG)
def test_another_certificate_than_was_asked_for_is_not_handed_out(site, driver, expect_log, kind):
    key, subject = named(kind, driver)
    expect_log("EST1105")
    driver.does(kind)
    csr = make_csr(key, subject, [dns(kind + ".example")])
    check_failed(enrol(site, csr, driver.label), 502, "ca_wrong")
    row = one_row(site, subject, "failed")
    assert (row.rule, row.ca, row.upstream, row.serial) == ("ca_wrong", driver.name, driver.url, None)
    assert row.reason and [bytes(row.answer)] == driver.signed()
    assert site.db.value("SELECT count(*) FROM est.certificate WHERE der = %s", row.answer, user="postgres") == 0
    driver.does("issue")
    cert = enrol(site, csr, driver.label).cert()
    assert [each.outcome for each in rows(site, subject)] == ["failed", "issued"]
    lint(cert, driver.authority.cert)


@cells(FORWARD)
def test_no_proper_answer(site, driver, expect_log):
    key, subject = named("garbage", driver)
    expect_log("EST1104")
    driver.does("garbage")
    check_failed(enrol(site, make_csr(key, subject), driver.label), 502, "ca_answer")
    row = one_row(site, subject, "failed")
    assert (row.rule, row.answer, row.upstream) == ("ca_answer", None, driver.url)
    driver.does("issue")
    enrol(site, make_csr(key, subject), driver.label).cert()


# --- what is away

@cells(AWAY)
def test_what_is_away_is_waited_for_and_comes_back(site, driver, expect_log):
    key, subject = named("away", driver)
    csr, children = make_csr(key, subject), site.httpd.children()
    expect_log("EST1100")
    enrol(site, make_csr(make_key(), subject + ",O=before"), driver.label).cert()
    driver.go_away()
    try:
        for _ in range(2):
            check_failed(enrol(site, csr, driver.label), 503, "ca_unavailable", retry=True)
        with site.client() as client:
            assert driver.authority.cert in client.get("cacerts", driver.label).certs()
        if FORWARD in driver.can:
            row = one_row(site, subject, "forwarded")
            assert (row.upstream, row.busy) == (None, False)
        else:
            assert not rows(site, subject)
    finally:
        driver.come_back()
    answers = []

    def back():
        answers.append(enrol(site, csr, driver.label))
        return answers[-1].status == 200
    if FORWARD in driver.can:
        assert back(), "the next request finds it"
    else:
        run.wait_until(back, 10, "the token to be opened again")
    check_issued(site, driver, answers[-1].cert(), subject)
    assert site.httpd.children() == children


@cells(FORWARD)
def test_PE_03_an_order_waits_for_the_upstream_that_has_it(site, driver, expect_log):
    key, subject = named("gone", driver)
    csr = make_csr(key, subject)
    expect_log("EST1100")
    driver.does("pend")
    check_waits(enrol(site, csr, driver.label), 7)
    driver.release()
    driver.go_away()
    hurry(site, subject)
    check_failed(enrol(site, csr, driver.label), 503, "ca_unavailable", retry=True)
    row = one_row(site, subject, "forwarded")
    assert (row.upstream, row.busy) == (driver.url, False)
    driver.come_back()
    hurry(site, subject)
    check_issued(site, driver, enrol(site, csr, driver.label).cert(), subject)


# --- what ends in the middle

Story = collections.namedtuple("Story", "subject broken early asked late cert")


def hanging(site, backends, case):
    """At every upstream a request that is signed and not answered: [(driver, subject, csr, Asking)]"""
    asked, begun = [], []
    for name in drivers(FORWARD):
        driver = backends[name]
        driver.reset()
        driver.does("hang")
        key, subject = named(case, driver)
        asked.append((driver, subject, make_csr(key, subject)))
    for driver, subject, csr in asked:  # at once, for the time is short that they may hang
        begun.append((driver, subject, csr, Asking(site, csr, driver.label)))
    for driver, *_ in begun:
        driver.wait_signed()
    return begun


@pytest.fixture(scope="module")
def killed(site, backends):
    """The children are killed in the middle of exchanges with all upstreams; what became of these: driver -> Story"""
    begun, stories, before = hanging(site, backends, "killed"), {}, set(site.httpd.children())
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    run.wait_until(lambda: len(set(site.httpd.children()) - before) >= 2, 20, "other children")
    for driver, subject, csr, asking in begun:
        broken = asking.end()
        driver.let_go()
        driver.does("issue")
        early = enrol(site, csr, driver.label)
        stories[driver.name] = [subject, broken, early, driver.asked()]

    for driver, subject, csr, _ in begun:
        late = []

        def over():
            late.append(enrol(site, csr, driver.label))  # pylint: disable=cell-var-from-loop
            return late[-1].status != 202
        run.wait_until(over, LEASE + 10, "the end of the lease")
        stories[driver.name] += [late, late[-1]]
    return {name: Story(*story) for name, story in stories.items()}


@cells(FORWARD)
def test_R_05_a_child_dies_while_the_upstream_has_the_request(site, killed, driver, allow_log):
    allow_log("<EstCA softhsm> cannot sign yet")  # SoftHSM's files are as the killed ones left them, for a moment
    story = killed[driver.name]
    assert story.broken is None, "the client had an answer"
    check_waits(story.early, *range(1, 6))
    assert story.asked == 1, "the upstream was asked while the lease ran"
    assert {answer.status for answer in story.late} <= {200, 202}
    check_issued(site, driver, story.cert.cert(), story.subject)
    assert one_row(site, story.subject, "issued").attempt == 2


@pytest.fixture(scope="module")
def without_database(site, database, backends):
    """The database is away when the upstreams answer: driver -> Story"""
    begun, stories = hanging(site, backends, "unrecorded"), {}
    with outage.stopped(database):
        for driver, *_ in begun:
            driver.let_go()
        for driver, subject, _, asking in begun:
            stories[driver.name] = [subject, asking.end()]
    for driver, subject, csr, _ in begun:
        driver.does("issue")
        late = []

        def back():
            late.append(enrol(site, csr, driver.label))  # pylint: disable=cell-var-from-loop
            return late[-1].status != 503
        run.wait_until(back, 10, "the database to be back")
        early, asked = late[-1], driver.asked()
        hurry(site, subject)
        stories[driver.name] += [early, asked, late, enrol(site, csr, driver.label)]
    return {name: Story(*story) for name, story in stories.items()}


@cells(FORWARD)
@pytest.mark.row("OP-01", "OP-02")
def test_R_04_OP_01_the_database_is_away_when_the_upstream_answers(site, allow_log, without_database, driver):
    allow_log(*outage.AWAY)
    story = without_database[driver.name]
    check_failed(story.broken, 503, "store_unavailable", retry=True)
    check_waits(story.early)
    assert story.asked == 1
    check_issued(site, driver, story.cert.cert(), story.subject)


# --- people

@cells(FORWARD)
def test_what_is_approved_is_forwarded(site, driver):
    key, subject = named("approved", driver)
    csr, label = make_csr(key, subject), driver.label + "-approved"
    check_waits(enrol(site, csr, label), 5)
    assert driver.asked() == 0, "nobody had approved it"
    row = one_row(site, subject, "pending")
    site.db.execute("SELECT approve(%s)", str(row.id))
    driver.does("pend", retry_after=9)
    check_waits(enrol(site, csr, label), 9)
    assert one_row(site, subject, "forwarded").id == row.id
    driver.release()
    hurry(site, subject)
    cert = enrol(site, csr, label).cert()
    assert check_issued(site, driver, cert, subject).id == row.id


@cells(FORWARD)
def test_what_is_denied_is_not_forwarded(site, driver):
    key, subject = named("denied", driver)
    csr, label = make_csr(key, subject), driver.label + "-approved"
    check_waits(enrol(site, csr, label), 5)
    site.db.execute("SELECT deny(%s, 'not one of ours')", str(one_row(site, subject, "pending").id))
    assert enrol(site, csr, label).reason == "approval_denied"
    assert driver.asked() == 0


@cells(FORWARD)
def test_who_is_suspended_while_the_upstream_keeps_it_waiting_gets_nothing(site, driver):
    key, subject = named("suspended", driver)
    csr = make_csr(key, subject)
    driver.does("pend")
    check_waits(enrol(site, csr, driver.label), 7)
    site.db.execute("SELECT suspend(%s)", subject.removeprefix("CN="))
    driver.release()
    hurry(site, subject)
    asked = driver.asked()
    for _ in range(2):
        answer = enrol(site, csr, driver.label)
        assert (answer.status, answer.reason) == (403, "entity_suspended")
    assert driver.asked() == asked and not driver.signed()
    site.db.execute("SELECT reinstate(%s)", subject.removeprefix("CN="))
    cert = enrol(site, csr, driver.label).cert()
    assert [row.outcome for row in rows(site, subject) if row.outcome != "refused"] == ["issued"]
    assert driver.signed() == [cert.public_bytes(DER)]


@cells(FORWARD)
def test_who_is_suspended_while_the_upstream_signs_gets_nothing(site, driver, expect_log):
    """The certificate exists: it is on record, and the log says so"""
    key, subject = named("too-late", driver)
    csr = make_csr(key, subject)
    expect_log("which is not handed out")
    driver.does("hang")
    asking = Asking(site, csr, driver.label)
    driver.wait_signed()
    site.db.execute("SELECT suspend(%s)", subject.removeprefix("CN="))
    driver.let_go()
    answer = asking.end()
    assert (answer.status, answer.reason) == (403, "entity_suspended"), answer.text
    failed = [row for row in rows(site, subject) if row.outcome != "refused"]
    assert [row.outcome for row in failed] == ["failed"] and failed[0].rule == "entity_suspended"
    assert [bytes(failed[0].answer)] == driver.signed() and failed[0].serial is None


# --- policy

@cells(FORWARD)
def test_policy_changes_while_the_upstream_signs(site, driver):
    """It is judged again, and not signed again"""
    key, subject = named("judged", driver)
    driver.does("hang")
    asking = Asking(site, make_csr(key, subject), driver.label)
    driver.wait_signed()
    site.db.execute("UPDATE certificate_profile SET description = %s WHERE name = 'device'", subject)
    driver.let_go()
    cert = asking.end().cert()
    assert driver.asked() == 1 and driver.signed() == [cert.public_bytes(DER)]
    check_issued(site, driver, cert, subject)


@cells(FORWARD)
def test_policy_forbids_what_the_upstream_has_signed(site, driver, expect_log):
    """What a client may no longer have it is not given; what it may have again it gets as soon as the child that it asks has heard of it"""
    key, subject = named("forbidden", driver)
    csr, user = make_csr(key, subject), site.register(f"narrowed-{driver.name}", names="*")

    def may_ask_for(names):
        site.db.execute("UPDATE client SET names = %s WHERE user_name = %s", names, user)
    expect_log("which is not handed out")
    driver.does("hang")
    asking = Asking(site, csr, driver.label, user)
    driver.wait_signed()
    may_ask_for("{own}")
    driver.let_go()
    answer = asking.end()
    assert (answer.status, answer.reason) == (403, "name_not_yours"), answer.text
    (row,) = rows(site, subject)
    assert (row.outcome, row.rule, row.serial) == ("failed", "name_not_yours", None) and [bytes(row.answer)] == driver.signed()
    driver.does("issue")
    may_ask_for("{*}")
    run.wait_until(lambda: enrol(site, csr, driver.label, user).status == 200, 10, "the client to be let")
    assert [row.outcome for row in rows(site, subject) if row.outcome != "refused"] == ["failed", "issued"]
