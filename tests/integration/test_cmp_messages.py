# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Driver cmp and what only CMP has: protection, nonces, transactions of several messages, confirmation. The CA is
harness.upstream_cmp, which is as strict with nonces as RFC 4210 has it.
"""

import os
import signal

import pytest
from cryptography.hazmat.primitives import serialization

from clients.orders import Asking, check_failed, check_waits, enrol, hurry, lines, one_row, rows
from harness import run
from harness.backends import ForwardingCmp
from harness.pki import Identity, dns, make_csr, make_key
from harness.upstream_cmp import INCORRECT_DATA

DER = serialization.Encoding.DER
NAMES = ("cmp-secret", "cmp-signature", "cmp-cr", "cmp-explicit")
EXPLICIT = {"EstCACmpConfirm": "explicit", "EstCACmpRenewal": "same"}


@pytest.fixture(scope="module")
def backends(session_directory):
    forwarded = {"EstCATimeout": 30, "EstCAFailures": 100}
    made = {}
    try:
        for name, request in zip(NAMES, ("p10cr", "p10cr", "cr", "ir")):
            protection = "secret" if name == "cmp-secret" else "signature"
            more = EXPLICIT if name == "cmp-explicit" else {}
            made[name] = ForwardingCmp(session_directory, "m-" + name, protection, tls=name == "cmp-cr", request=request, **forwarded, **more)
        yield made
    finally:
        for backend in made.values():
            backend.close()


@pytest.fixture(scope="module")
def site(backends, make_site):
    site = make_site("cmpmsg", start=False, forks=True)
    site.config.ca_blocks = [site.httpd.ca_block("issuing"), *[backend.block(site.httpd) for backend in backends.values()]]
    for backend in backends.values():
        site.alias(backend.label, ca=backend.name)
    return site.start()


@pytest.fixture(params=NAMES)
def driver(request, backends):
    backend = backends[request.param]
    backend.reset()
    backend.upstream.implicit_confirm, backend.upstream.later_mode, backend.upstream.takes_kur = False, None, True
    backend.upstream.unavailable_text = "come back tomorrow"
    return backend


def device(case, driver):
    """(subject, CSR)"""
    subject = f"CN={case}-{driver.name}"
    return subject, make_csr(make_key(), subject, [dns("cmp.example")])


def der_of(cert):
    return cert.public_bytes(DER)


@pytest.mark.parametrize("driver", NAMES[:3], indirect=True)
def test_the_certificate_is_confirmed_unless_the_ca_does_without(site, driver):
    upstream = driver.upstream
    cert = enrol(site, device("confirmed", driver)[1], driver.label).cert()
    assert upstream.confirmed == [cert] and not upstream.rejected
    upstream.implicit_confirm = True
    enrol(site, device("implicit", driver)[1], driver.label).cert()
    assert upstream.confirmed == [cert] and len(upstream.requests) == 3


@pytest.mark.parametrize("grants, told", [(True, True), ("always", False)], ids=["on-demand", "unasked"])
@pytest.mark.parametrize("driver", ["cmp-explicit"], indirect=True)
def test_explicit_confirmation_does_not_let_the_ca_do_without(site, driver, grants, told):
    """Unless it does so unasked"""
    upstream = driver.upstream
    upstream.implicit_confirm = grants
    cert = enrol(site, device(f"explicit-{told}", driver)[1], driver.label).cert()
    assert upstream.issued == [cert] and upstream.confirmed == ([cert] if told else [])


@pytest.mark.parametrize("driver, told", [("cmp-cr", False), ("cmp-explicit", True)], indirect=["driver"])
def test_who_does_without_confirmation_does_not_hear_of_a_wrong_certificate(site, driver, told, expect_log):
    """That, too, is on record; who hears of it hears why"""
    subject, csr = device("unheard", driver)
    upstream = driver.upstream
    expect_log("EST1105")
    upstream.implicit_confirm = True
    driver.does("wrong-name")
    check_failed(enrol(site, csr, driver.label), 502, "ca_wrong")
    row = one_row(site, subject, "failed")
    assert [bytes(row.answer)] == [der_of(cert) for cert in upstream.issued]
    assert ("the CA does without confirmation" in row.reason) == (not told)
    assert upstream.rejected == (upstream.issued if told else []) and not upstream.confirmed
    if told:
        ((words, bit),) = upstream.rejections
        assert words in row.reason and bit == INCORRECT_DATA


@pytest.mark.parametrize("mode", ["wrong-key", "wrong-name", "ca-certificate"])
def test_a_wrong_certificate_is_rejected_to_the_ca(site, driver, mode, expect_log):
    _, csr = device("rejected-" + mode, driver)
    expect_log("EST1105")
    driver.does(mode)
    check_failed(enrol(site, csr, driver.label), 502, "ca_wrong")
    assert driver.upstream.rejected == driver.upstream.issued and len(driver.upstream.issued) == 1 and not driver.upstream.confirmed


@pytest.mark.parametrize("mode, words", [
    ("unprotected", "missing protection"), ("unprotected-error", "missing protection"), ("bad-protection", "error validating protection"),
    ("wrong-nonce", "recipnonce unmatched"), ("wrong-transaction", "transactionid unmatched"),
    ("two-certificates", "multiple responses"), ("html", "text/html"), ("garbage", "no PKIMessage"), ("empty", "no PKIMessage")])
def test_an_answer_that_is_not_to_be_believed_is_refused(site, driver, mode, words, expect_log):
    subject, csr = device(mode, driver)
    expect_log("EST1104")
    driver.does(mode)
    seen = site.httpd.log.size()
    check_failed(enrol(site, csr, driver.label), 502, "ca_answer")
    (line,) = lines(site, seen, "EST1104")
    assert words in line and "a secret between" not in line
    assert one_row(site, subject, "failed").rule == "ca_answer"
    driver.does("issue")
    assert enrol(site, csr, driver.label).cert() in driver.upstream.issued


@pytest.mark.parametrize("driver", NAMES[1:], indirect=True)
def test_who_has_a_certificate_of_the_ca_is_not_the_ca(site, driver, expect_log):
    _, csr = device("stranger", driver)
    expect_log("EST1104", "must not sign for the CA")
    driver.does("wrong-signer")
    check_failed(enrol(site, csr, driver.label), 502, "ca_answer")


@pytest.mark.parametrize("mode", ["refuse", "error"])
def test_the_words_of_the_ca_are_on_record(site, driver, mode, expect_log):
    subject, csr = device(mode, driver)
    expect_log("EST1103")
    driver.does(mode, refuse_text="not this one")
    check_failed(enrol(site, csr, driver.label), 502, "ca_refused")
    reason = one_row(site, subject, "failed").reason
    assert "not this one" in reason and "notAuthorized" in reason


def test_a_transaction_goes_on_after_polls_that_failed(site, driver, expect_log):
    """Of one, the CA got nothing; of the other, the answer was lost: the CA then wants a nonce that nobody knows"""
    upstream, (subject, csr) = driver.upstream, device("polled", driver)
    expect_log("EST1100", "EST1102")
    driver.does("pend")
    check_waits(enrol(site, csr, driver.label), 7)
    for mode, status, reason in (("http-503", 503, "ca_unavailable"), ("close", 504, "ca_timeout")):
        hurry(site, subject)
        upstream.later_mode = mode
        check_failed(enrol(site, csr, driver.label), status, reason, retry=True)
        upstream.later_mode = None
        if mode == "http-503":
            hurry(site, subject)
            check_waits(enrol(site, csr, driver.label), 7)
            assert len(upstream.kinds) == 1
    hurry(site, subject)
    check_waits(enrol(site, csr, driver.label), 7)
    assert len(upstream.kinds) == 2  # begun anew
    driver.release()
    hurry(site, subject)
    cert = enrol(site, csr, driver.label).cert()
    assert upstream.issued == [cert] and upstream.confirmed == [cert]
    assert one_row(site, subject, "issued").der == der_of(cert)


@pytest.mark.parametrize("mode", ["http-503", "close", "unavailable"], ids=["not-sent", "answer-lost", "put-off"])
def test_a_certificate_whose_confirmation_failed_is_confirmed_later(site, driver, mode, expect_log):
    """The device cannot tell it from any other waiting; the log says which certificate of which CA it is"""
    upstream, (subject, csr) = driver.upstream, device("unconfirmed-" + mode, driver)
    expect_log("has not acknowledged the confirmation")
    upstream.later_mode, upstream.unavailable_text = mode, "in a \x1b[31mwhile"
    seen = site.httpd.log.size()
    check_waits(enrol(site, csr, driver.label))
    (line,) = lines(site, seen, "has not acknowledged the confirmation")
    for text in (upstream.url, f"<EstCA {driver.name}>", f"{upstream.issued[0].serial_number:x}", f'"{subject}"'):
        assert text in line.replace('\\"', '"')
    assert ("in a ?[31mwhile" in line) == (mode == "unavailable")
    assert len(upstream.issued) == 1 and not [row for row in rows(site, subject) if row.der]
    upstream.later_mode = None
    hurry(site, subject)
    cert = enrol(site, csr, driver.label).cert()
    assert upstream.issued == [cert] and upstream.confirmed == [cert]
    assert len(upstream.kinds) == 1


@pytest.mark.parametrize("mode", ["html", "http-404"])
@pytest.mark.parametrize("driver", ["cmp-explicit"], indirect=True)
def test_a_server_in_front_of_the_ca_ends_no_order_that_is_to_be_confirmed(site, driver, mode, expect_log):
    """However often: the CA may have had the confirmation, and another certificate would be the second"""
    upstream, (subject, csr) = driver.upstream, device("in-front-" + mode, driver)
    expect_log("has not acknowledged the confirmation")
    upstream.later_mode = mode
    for _ in range(3):
        check_waits(enrol(site, csr, driver.label))
        hurry(site, subject)
    upstream.later_mode = None
    cert = enrol(site, csr, driver.label).cert()
    assert upstream.issued == [cert] and upstream.confirmed == [cert] and len(upstream.kinds) == 1
    assert one_row(site, subject, "issued").der == der_of(cert)


@pytest.mark.parametrize("driver", ["cmp-explicit"], indirect=True)
def test_whatever_the_ca_says_of_a_rejection_the_order_ends(site, driver, expect_log):
    """Octets that are no UTF-8, which the database would not take, and those that a terminal obeys"""
    upstream, (subject, csr) = driver.upstream, device("babble", driver)
    expect_log("EST1105")
    upstream.later_mode, upstream.unavailable_text = "unavailable", "to\x1b[31m\udcff\udcc3day"
    driver.does("wrong-name")
    check_failed(enrol(site, csr, driver.label), 502, "ca_wrong")
    row = one_row(site, subject, "failed")
    assert "is not sure" in row.reason and "to?[31m??day" in row.reason
    assert [bytes(row.answer)] == [der_of(cert) for cert in upstream.issued]


@pytest.mark.parametrize("driver", ["cmp-explicit"], indirect=True)
def test_what_is_given_up_in_the_midst_of_an_exchange_is_not_confirmed(site, driver):
    """The CA takes back what nobody confirms, and the device is given one that was"""
    upstream, (subject, csr) = driver.upstream, device("given-up", driver)
    driver.does("hang")
    asking = Asking(site, csr, driver.label)
    run.wait_until(lambda: upstream.issued, what="the certificate")
    order = one_row(site, subject, "forwarded").id
    site.db.execute("SELECT est.give_up(%s)", str(order), user="postgres")
    driver.does("issue")
    driver.let_go()
    check_waits(asking.end())
    assert len(upstream.issued) == 1 and not upstream.confirmed
    cert = enrol(site, csr, driver.label).cert()
    assert upstream.confirmed == [cert] and len(upstream.kinds) == 2
    assert {row.outcome: row.id == order for row in rows(site, subject)} == {"failed": True, "issued": False}


@pytest.mark.parametrize("driver", ["cmp-secret", "cmp-explicit"], indirect=True)
def test_a_process_that_ends_between_confirmation_and_acknowledgement(site, driver):
    """The CA has the confirmation, so that the certificate counts: the next process gets that one, and no other"""
    upstream, (subject, csr) = driver.upstream, device("ended", driver)
    upstream.later_mode = "hang"
    asking, before = Asking(site, csr, driver.label), set(site.httpd.children())
    run.wait_until(lambda: upstream.confirmed, what="the confirmation")
    row = one_row(site, subject, "forwarded")
    assert row.state and row.upstream == upstream.url and row.busy
    check_waits(enrol(site, csr, driver.label))  # it is in the first one's hands
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert asking.end() is None, "the client had an answer"
    run.wait_until(lambda: set(site.httpd.children()) - before, 20, "other children")
    upstream.later_mode = None
    driver.let_go()
    check_waits(enrol(site, csr, driver.label))
    hurry(site, subject)
    cert = enrol(site, csr, driver.label).cert()
    assert upstream.issued == [cert] and upstream.confirmed == [cert] and len(upstream.kinds) == 1
    assert one_row(site, subject, "issued").id == row.id


@pytest.mark.parametrize("driver, kinds", [("cmp-cr", ["cr", "kur"]), ("cmp-explicit", ["ir", "ir"])], indirect=["driver"])
def test_a_ca_that_takes_a_kur_of_nobody_but_the_holder(site, driver, kinds, expect_log):
    key, subject = make_key(), f"CN=holder-{driver.name}"
    upstream, csr = driver.upstream, make_csr(make_key(), subject)
    upstream.takes_kur = False
    cert = enrol(site, make_csr(key, subject), driver.label).cert()
    with site.client(identity=Identity(key, cert, driver.authority.chain())) as client:
        if "kur" in kinds:
            expect_log("EST1103", "kur (EstCACmpRenewal)")
            check_failed(client.reenroll(csr, driver.label), 502, "ca_refused")
            upstream.takes_kur = True
            assert client.reenroll(csr, driver.label).cert() == upstream.issued[-1]
            kinds = [*kinds, "kur"]
        else:
            assert client.reenroll(csr, driver.label).cert() == upstream.issued[-1]
    assert upstream.kinds == kinds and len(upstream.issued) == 2
    assert [row.operation for row in rows(site, subject)][-1] == "simplereenroll"
