# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""CA keys in tokens (PKCS#11): SoftHSM in httpd's own process, and in one of another user behind p11-kit's server."""

import concurrent.futures
import os
import re
import time

import pytest

from harness import run
from harness.lint import lint
from harness.pki import CertificateAuthority, make_csr, make_key
from harness.token import OTHER_USER, SOFTHSM, SoftToken, TokenServer, client_module

PINS = {"one": "pin-one-90125", "two": "pin-two-31415", "far": "pin-far-27182"}
WRONG_PIN = "pin-bad-16180"
# CA: (kind of key, token)
CAS = {"tok-ec": ("ec:P-256", "one"), "tok-rsa": ("rsa:3072", "one"), "tok-two": ("ec:P-384", "two"), "tok-far": ("ec:P-256", "far"),
       "tok-far-rsa": ("rsa:2048", "far")}
LIMITS = "EstCAConcurrency 2\n    EstCAFailures 2\n    EstCACooldown 1\n    EstCATimeout 5"


def token_block(httpd, name, uri, module=SOFTHSM, more=""):
    """A block whose key is in a token. The file with the key that put_ca made is gone."""
    path = f"{httpd.directory}/{name}.key"
    if os.path.exists(path):
        os.remove(path)
    return httpd.ca_block(name, f"EstCAKeyModule {module}\n    {LIMITS}\n    {more}").replace(f"EstCAKey {path}", f"EstCAKey {uri}")


@pytest.fixture(scope="module")
def tokens(session_directory):
    """name -> SoftToken: near is httpd's own, far is of the user of the server"""
    os.chmod(session_directory, 0o711)  # the other user has to get to the directories below
    near = SoftToken(os.path.join(session_directory, "near"))
    far = SoftToken(os.path.join(session_directory, "far"), OTHER_USER)
    for label in ("one", "two"):
        near.make(label, PINS[label])
    far.make("far", PINS["far"])
    yield {"one": near, "two": near, "far": far}
    os.chmod(session_directory, 0o700)


@pytest.fixture(scope="module")
def server(tokens, session_directory):
    made = TokenServer(tokens["far"], os.path.join(session_directory, "p11"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def site(make_site, tokens, server):
    site = make_site("token", start=False, forks=True, environment={**tokens["one"].environment, **server.environment})
    httpd, blocks, site.cas = site.httpd, [site.httpd.ca_block("issuing")], {}
    httpd.put("pin-one", PINS["one"] + "\n")
    httpd.put("pin-two", f"{PINS['two']}\n")
    program = httpd.put("pin.sh", f'#!/bin/sh\nexec cat "{httpd.directory}/pin-$1"\n', 0o700)
    httpd.put("pin-far", PINS["far"])
    for number, (name, (kind, label)) in enumerate(CAS.items(), 1):
        site.cas[name] = CertificateAuthority(f"CN=CA {name}", site.pki.root, make_key(kind))
        httpd.put_ca(name, site.cas[name])
        tokens[label].put_key(label, PINS[label], name, site.cas[name].key, f"0{number}")
        source = f"exec:{program} {label}" if label == "two" else f"file:{httpd.directory}/pin-{label}"
        module = client_module() if label == "far" else SOFTHSM
        blocks.append(token_block(httpd, name, f"pkcs11:token={label};object={name}", module, f"EstCAKeyPassphrase {source}"))
    site.config.ca_blocks = blocks
    site.start()
    for name in CAS:
        site.alias(name, ca=name)
    return site


def issue(site, name):
    """A certificate of that CA, which is what it should be"""
    with site.ra() as client:
        cert = client.enroll(make_csr(make_key()), name).cert()
    lint(cert, site.cas[name].cert)
    return cert


def ask(site, name):
    with site.ra() as client:
        return client.enroll(make_csr(make_key()), name)


def wait_for_key(site, name, limit=10):
    """It issues again, by itself"""
    run.wait_until(lambda: ask(site, name).status == 200, limit, f"{name} to sign again")
    issue(site, name)


def is_refused(answer, reason):
    assert (answer.status, answer.reason) == (503, reason)
    assert int(answer.header("Retry-After")) >= 1


# --- what is to be

@pytest.mark.parametrize("name", CAS)
def test_keys_in_tokens_issue(site, name):
    issue(site, name)


def test_each_child_says_how_it_signs(site):
    for name, (_, label) in CAS.items():
        line = f"<EstCA {name}> signs with pkcs11:token={label};object={name};type=private, by OpenSSL's "
        wait_for_line(site, line)  # of a thread that has opened the token, as a request may have done before it


def test_the_far_key_is_not_in_httpds_reach(site, tokens, server):
    """The process that has it is of another user, who alone can read the token."""
    issue(site, "tok-far")
    if os.getuid() == 0:
        owner = os.stat(f"/proc/{server.processes()[1]}").st_uid
        assert owner != 0 and owner not in [os.stat(f"/proc/{pid}").st_uid for pid in site.httpd.children()]
        status, _ = run.call(["ls", tokens["far"].tokens])
        assert status != 0


def test_concurrent_requests(site):
    """Twice as many as may be at the token: those beyond are told to come back, and get it then"""
    def until_issued(name):
        answer = run.wait_until(lambda: (lambda got: got if got.status == 200 else None)(ask(site, name)), 20, "a certificate")
        lint(answer.cert(), site.cas[name].cert)
        return name
    names = ["tok-ec", "tok-rsa", "tok-two", "tok-far"] * 4
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        assert list(pool.map(until_issued, names)) == names


@pytest.fixture(autouse=True)
def busy_is_no_surprise(allow_log):
    allow_log("EST1101:")


def test_a_graceful_restart_opens_the_tokens_again(site):
    before = set(site.httpd.children())
    site.httpd.graceful()
    for name in CAS:
        issue(site, name)
    # Those that go on from here count who is there
    run.wait_until(lambda: not before & set(site.httpd.children()), 20, "the end of the child of before")


# --- tokens away

def test_a_token_goes_away_and_comes_back(site, tokens, expect_log, same_child):
    expect_log("EST1100:", "the token is left alone for a while")
    issue(site, "tok-ec")
    tokens["one"].take_away()
    try:
        for _ in range(4):
            is_refused(ask(site, "tok-ec"), "ca_unavailable")
        is_refused(ask(site, "tok-two"), "ca_unavailable")
        assert ask(site, "est").status == 200
        issue(site, "tok-far")
    finally:
        tokens["one"].bring_back()
    for name in ("tok-ec", "tok-rsa", "tok-two"):
        wait_for_key(site, name)
    run.wait_until(lambda: any("<EstCA tok-ec>: the token signs again" in line for line in site.log_lines()), 5, "the line in the log")


def test_the_server_dies_and_comes_back(site, server, expect_log, same_child):
    expect_log("EST1100:", "the token is left alone for a while")
    issue(site, "tok-far")
    server.stop()
    for _ in range(3):
        is_refused(ask(site, "tok-far"), "ca_unavailable")
    issue(site, "tok-ec")
    server.start()
    wait_for_key(site, "tok-far")
    wait_for_key(site, "tok-far-rsa")


def test_a_server_that_was_restarted_while_nobody_signed(site, server, same_child):
    issue(site, "tok-far")
    server.stop()
    server.start()
    issue(site, "tok-far")
    issue(site, "tok-far-rsa")


def test_a_token_that_hangs_holds_no_others(site, server, expect_log, same_child):
    """As many threads as EstCAConcurrency says wait for it, and get what they wait for at last"""
    expect_log("EST1101:")
    issue(site, "tok-far")
    offset = site.httpd.log.size()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        server.pause()
        try:
            asked = [pool.submit(ask, site, "tok-far") for _ in range(3)]
            done, hanging = concurrent.futures.wait(asked, 10 * run.SLOW, concurrent.futures.FIRST_COMPLETED)
            assert (len(done), len(hanging)) == (1, 2)
            is_refused(done.pop().result(), "ca_busy")
            began = time.monotonic()
            for _ in range(3):
                is_refused(ask(site, "tok-far"), "ca_busy")
                assert ask(site, "est").status == 200
                issue(site, "tok-ec")
            assert time.monotonic() - began < 15 * run.SLOW  # who waited for the token would do so until it goes on
            assert not any(each.done() for each in hanging)
        finally:
            server.go_on()
        for each in hanging:
            lint(each.result(20 * run.SLOW).cert(), site.cas["tok-far"].cert)
    assert not any("EST1100" in line for line in site.log_lines(offset))
    issue(site, "tok-far")


# --- what is wrong from the start

@pytest.fixture
def own_site(make_site, tokens, server):
    """Makes another httpd, with one CA in a token, and stops it after the test"""
    made = []

    def make(name, uri, pin, module=SOFTHSM, key=None, **fields):
        site = make_site(name, start=False, forks=True, environment={**tokens["one"].environment, **server.environment}, **fields)
        site.cas = {"odd": CertificateAuthority("CN=Odd", site.pki.root, key)}
        site.httpd.put_ca("odd", site.cas["odd"])
        site.httpd.put("pin", pin)
        site.config.ca_blocks = [site.httpd.ca_block("issuing"),
                                 token_block(site.httpd, "odd", uri, module, f"EstCAKeyPassphrase file:{site.httpd.directory}/pin")]
        made.append(site)
        return site
    yield make
    for site in made:
        site.httpd.stop()


def wait_for_line(site, text):
    run.wait_until(lambda: any(text in line for line in site.log_lines()), 10, text)


def test_a_wrong_pin_is_tried_once_and_never_told(own_site, expect_log, allow_log):
    expect_log("<EstCA odd> cannot sign yet", "EST1098:")
    allow_log("connection to client lost")  # children of a generation end that have hardly begun
    site = own_site("wrongpin", "pkcs11:token=one;object=tok-ec", WRONG_PIN, children=2)
    site.alias("odd", ca="odd")  # before there are children, since either is asked
    site.start()
    wait_for_line(site, "<EstCA odd> cannot sign yet")
    for _ in range(3):
        answer = ask(site, "odd")
        assert (answer.status, answer.reason) == (503, "ca_failed")
        assert WRONG_PIN not in answer.text and "EstCAKeyPassphrase" not in answer.text
    assert ask(site, "est").status == 200
    text = "\n".join(site.log_lines())
    assert "the token refuses the PIN of EstCAKeyPassphrase" in text and WRONG_PIN not in text
    # The right one, and a graceful restart: now the token is open, and the key not that of the certificate
    site.httpd.put("pin", PINS["one"])
    site.httpd.graceful()
    assert ask(site, "odd").status == 503
    wait_for_line(site, "EstCAKey pkcs11:token=one;object=tok-ec;type=private does not fit EstCACertificate")


def test_a_token_that_is_not_there_at_the_start(own_site, tokens, expect_log):
    expect_log("<EstCA odd> cannot sign yet", "EST1100:")
    key = make_key()
    site = own_site("late", "pkcs11:token=late;object=odd", "pin-late-1", key=key)
    status, output = site.httpd.check()
    assert status == 0, output
    site.start()
    site.alias("odd", ca="odd")
    wait_for_line(site, "<EstCA odd> cannot sign yet")
    is_refused(ask(site, "odd"), "ca_unavailable")
    assert ask(site, "est").status == 200
    tokens["one"].make("late", "pin-late-1")
    tokens["one"].put_key("late", "pin-late-1", "odd", key)
    wait_for_key(site, "odd")


def test_a_server_that_hangs_at_the_start(own_site, server, allow_log):
    """Children come up all the same, and others' keys sign."""
    allow_log("cannot sign yet", "EST1100", "is left alone")
    key = make_key()
    server.token.put_key("far", PINS["far"], "odd", key, "77")
    site = own_site("stopped", "pkcs11:token=far;object=odd", PINS["far"], client_module(), key)
    server.pause()
    try:
        site.start()
        assert ask(site, "est").status == 200
    finally:
        server.go_on()
    site.alias("odd", ca="odd")
    wait_for_key(site, "odd", 20)


# --- configurations that are refused

@pytest.mark.parametrize("change, text", [
    (("EstCAKey pkcs11:token=one;object=tok-ec", f"EstCAKey pkcs11:token=one;object=tok-ec?pin-value={WRONG_PIN}"), "EstCAKeyPassphrase"),
    (("EstCAKey pkcs11:token=one;object=tok-ec", "EstCAKey pkcs11:token=one"), "names no key"),
    ((f"EstCAKeyModule {SOFTHSM}", "EstCAKeyModule /nowhere/libhsm.so"), "EstCAKeyModule /nowhere/libhsm.so cannot be read"),
    (("EstCAKey pkcs11:token=one;object=tok-ec", "EstCAKey {issuing}"), "EstCAKeyModule"),
    ((f"EstCAKeyModule {SOFTHSM}", f"EstCAKeyModule {SOFTHSM}\n    EstCAUpstream https://ca.example.org/"), "EstCAUpstream makes no sense"),
    ((f"EstCAKeyModule {SOFTHSM}", f"EstCAKeyModule {SOFTHSM}\n    EstCATrust {{issuing}}"), "EstCATrust makes no sense"),
], ids=["pin", "no-key", "module", "file", "upstream", "trust"])
def test_configurations_that_are_refused(own_site, change, text):
    site = own_site("refused", "pkcs11:token=one;object=tok-ec", PINS["one"])
    whole = site.config.text(site.httpd)
    old, new = change
    # A file takes none of the limits either
    new = new.replace("{issuing}", f"{site.httpd.directory}/issuing.key")
    if "issuing.key" in new and old.startswith("EstCAKey "):
        whole = whole.replace(LIMITS, "")
    assert whole.count(old) == 1
    status, output = site.httpd.check(whole.replace(old, new))
    assert status != 0 and text in output
    assert WRONG_PIN not in output


# --- at the end

def test_no_pin_is_in_a_log(site):
    text = "\n".join(site.log_lines() + site.httpd.output.since())
    assert "<EstCA tok-ec>" in text
    assert not [pin for pin in [*PINS.values(), WRONG_PIN] if pin in text]
    assert not re.search("pin-value|pin-source", text)
