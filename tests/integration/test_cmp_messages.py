# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Driver cmp and what only CMP has: protection, nonces, transactions of several messages, confirmation. The CA is
harness.upstream_cmp, which is as strict with nonces as RFC 4210 has it.
"""

import pytest
from cryptography.hazmat.primitives import serialization

from clients.orders import check_failed, check_waits, enrol, hurry, lines, one_row, rows
from harness import run
from harness.backends import ForwardingCmp
from harness.pki import dns, make_csr, make_key

DER = serialization.Encoding.DER
NAMES = ("cmp-secret", "cmp-signature", "cmp-cr")


@pytest.fixture(scope="module")
def backends(session_directory):
    forwarded = {"EstCATimeout": 3 * run.SLOW, "EstCAFailures": 100}
    made = {}
    try:
        for name, request in zip(NAMES, ("p10cr", "p10cr", "cr")):
            protection = "secret" if name == "cmp-secret" else "signature"
            made[name] = ForwardingCmp(session_directory, "m-" + name, protection, tls=name == "cmp-cr", request=request, **forwarded)
        yield made
    finally:
        for backend in made.values():
            backend.close()


@pytest.fixture(scope="module")
def site(backends, make_site):
    site = make_site("cmpmsg", start=False)
    site.config.ca_blocks = [site.httpd.ca_block("issuing"), *[backend.block(site.httpd) for backend in backends.values()]]
    for backend in backends.values():
        site.alias(backend.label, ca=backend.name)
    return site.start()


@pytest.fixture(params=NAMES)
def driver(request, backends):
    backend = backends[request.param]
    backend.reset()
    backend.upstream.implicit_confirm, backend.upstream.later_mode = False, None
    return backend


def device(case, driver):
    """(subject, CSR)"""
    subject = f"CN={case}-{driver.name}"
    return subject, make_csr(make_key(), subject, [dns("cmp.example")])


def der_of(cert):
    return cert.public_bytes(DER)


def test_the_certificate_is_confirmed_unless_the_ca_does_without(site, driver):
    upstream = driver.upstream
    cert = enrol(site, device("confirmed", driver)[1], driver.label).cert()
    assert upstream.confirmed == [cert] and not upstream.rejected
    upstream.implicit_confirm = True
    enrol(site, device("implicit", driver)[1], driver.label).cert()
    assert upstream.confirmed == [cert] and len(upstream.requests) == 3


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


@pytest.mark.parametrize("lost", [False, True], ids=["not-sent", "answer-lost"])
def test_a_certificate_whose_confirmation_failed_is_confirmed_later(site, driver, lost):
    upstream, (subject, csr) = driver.upstream, device(f"unconfirmed-{lost}", driver)
    upstream.later_mode = "close" if lost else "http-503"
    check_waits(enrol(site, csr, driver.label))
    assert len(upstream.issued) == 1 and not [row for row in rows(site, subject) if row.der]
    upstream.later_mode = None
    hurry(site, subject)
    cert = enrol(site, csr, driver.label).cert()
    assert upstream.issued == [cert] and upstream.confirmed == [cert]
    assert len(upstream.kinds) == 1
