# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Several upstreams of one CA: who is asked, who is left alone, how many requests are there at once. Each test has an <EstCA> block,
and with it gates, of its own.
"""

import itertools
import os
import re
import signal
import socket
import threading
import time

import pytest
from cryptography.hazmat.primitives import serialization

from clients.orders import Asking, check_failed, check_waits, enrol, hurry, lines, one_row, rows
from harness import run
from harness.pki import make_csr, make_key
from harness.upstream import MOUNT, MOVED, UpstreamEst

DER = serialization.Encoding.DER
TIMEOUT = 5 * run.SLOW
HASTY = 2 * run.SLOW  # the time-out where a test waits for it
COOLDOWN = 1 * run.SLOW
TICK = 0.1  # the breaker's clock is that much coarser

# <EstCA> block, one for each test -> (number of upstreams, further directives)
BLOCKS = {
    "down": (2, {"EstCAFailures": 2, "EstCACooldown": 300}),
    "breaker": (2, {"EstCAFailures": 2, "EstCACooldown": COOLDOWN}),
    "lone": (1, {"EstCAFailures": 2, "EstCACooldown": COOLDOWN}),
    "busy": (2, {}),
    "third": (3, {}),
    "nobody": (3, {}),
    "gateway": (2, {"EstCAFailures": 3, "EstCACooldown": 300}),
    "hasty": (2, {"EstCATimeout": HASTY}),
    "resumed": (2, {}),
    "waits": (2, {}),
    "moved": (1, {}),
    "full": (1, {"EstCAConcurrency": 2, "EstCATimeout": 30}),
    "overflow": (2, {"EstCAConcurrency": 1, "EstCATimeout": 30}),
    "lease": (1, {"EstCAConcurrency": 1, "EstCATimeout": HASTY}),
}


@pytest.fixture(scope="module")
def servers(session_directory):
    """Three faces of one CA"""
    made = [UpstreamEst(session_directory, f"failover-{number}") for number in range(1, 4)]
    for server in made:
        server.root, server.issuing, server.known = made[0].root, made[0].issuing, made[0].known
        server.start()
    yield made
    for server in made:
        server.close()


@pytest.fixture(scope="module")
def site(servers, make_site):  # in this order, so that the upstreams outlive their client
    site = make_site("failover", start=False, children=2, threads=20, forks=True)
    site.config.server = "ServerLimit 8\nMinSpareThreads 21\nMaxSpareThreads 80"
    trust = servers[0].file("all.pem", b"".join(server.tls_root.pem() for server in servers))
    site.config.ca_blocks = [site.httpd.ca_block("issuing")]
    site.httpd.authorities.append(servers[0].issuing.der())

    def block(name, upstreams):
        directives = {"EstCATimeout": TIMEOUT, "EstCAFailures": 100, **BLOCKS[name][1], **servers[0].pinned(), "EstCATrust": trust,
                      "EstCAUpstream": " ".join(server.url for server in upstreams)}
        return servers[0].block(name, credentials="basic", **directives)
    site.block = block
    for name, (number, _) in BLOCKS.items():
        site.config.ca_blocks.append(block(name, servers[:number]))
        site.alias(name, ca=name)
    for server in servers:
        server.credentials = servers[0].credentials
    return site.start()


@pytest.fixture(autouse=True)
def reset(servers, allow_log):
    """Everybody is there and issues. httpd says so while fewer children serve than there should be."""
    allow_log("AH10159")
    for server in servers:
        if server.server is None:
            server.start()
        server.let_go()
        run.wait_until(lambda: not server.concurrent, what="the end of what hangs")  # pylint: disable=cell-var-from-loop
        server.mode, server.next_modes, server.latency, server.retry_after = "issue", [], 0, 7
        server.forget()


def asked(servers):
    """How many enrolments came to each"""
    return [len(server.enrolments) for server in servers]


def device(name):
    return make_csr(make_key(), f"CN={name}")


class Slammer:
    """Listens in the stead of an upstream that is down, and closes each connection as soon as it is there"""

    def __init__(self, port):
        self.times, self.listener = [], socket.create_server(("127.0.0.1", port))
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.times.append(time.monotonic())
            connection.close()

    @property
    def count(self):
        return len(self.times)

    def gaps(self):
        """Seconds between connections: what the breaker makes of the clock, however long a request may take on a busy machine"""
        times = list(self.times)
        return [after - before for before, after in zip(times, times[1:])]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)
        assert not self.thread.is_alive()


# --- who is asked

def test_the_second_serves_while_the_first_is_down(site, servers, expect_log):
    first, second = servers[:2]
    expect_log(first.url)
    seen = site.httpd.log.size()
    first.stop()
    for number in range(5):
        cert = enrol(site, device(f"down-{number}"), "down").cert()
        assert second.issued[-1] == cert
        assert one_row(site, f"CN=down-{number}", "issued").cert_ca == "down"
    assert asked(servers) == [0, 5, 0]
    assert len(lines(site, seen, first.url, ":warn]") + lines(site, seen, first.url, ":error]")) == 1, "said once, not with each request"


def test_a_busy_upstream_is_passed_over(site, servers):
    """503 and 429 say that nothing was done"""
    for number, mode in enumerate(["http-503", "http-429"], 1):
        servers[0].mode = mode
        assert enrol(site, device(f"busy-{number}"), "busy").cert() == servers[1].issued[-1]
        assert asked(servers) == [number, number, 0]


def test_the_third_serves_when_the_others_cannot(site, servers):
    servers[0].stop()
    servers[1].mode = "http-503"
    assert enrol(site, device("third"), "third").cert() == servers[2].issued[-1]
    assert asked(servers) == [0, 1, 1]


def test_nobody_serves_and_the_reason_of_each_is_in_the_log(site, servers, expect_log):
    expect_log("EST1100")
    csr, seen = device("nobody"), site.httpd.log.size()
    servers[0].stop()
    servers[1].stop()
    servers[2].mode = "http-503"
    check_failed(enrol(site, csr, "nobody"), 503, "ca_unavailable", retry=True)
    (line,) = lines(site, seen, "EST1100")
    for server in servers:
        assert f"127.0.0.1:{server.port}" in line
    assert one_row(site, "CN=nobody", "forwarded").upstream is None
    servers[1].start()
    assert enrol(site, csr, "nobody").cert() == servers[1].issued[-1]


def test_what_was_refused_is_not_asked_of_another(site, servers, expect_log):
    expect_log("EST1103")
    servers[0].mode = "refuse"
    check_failed(enrol(site, device("refused"), "busy"), 502, "ca_refused")
    assert asked(servers) == [1, 0, 0]


def test_what_moved_is_sent_there_and_to_no_other_origin(site, servers, expect_log):
    """RFC 7030 3.2.1. The next upstream is another origin, too, when it is the first that leads there"""
    first, second = servers[:2]
    first.mode = "redirect"
    assert enrol(site, device("moved-within"), "busy").cert() == first.issued[-1]
    assert [request.path for request in first.enrolments] == [MOUNT + "/simpleenroll", MOVED + MOUNT + "/simpleenroll"]
    assert len({request.body for request in first.enrolments}) == len({request.password for request in first.enrolments}) == 1
    expect_log("EST1104")
    first.mode, first.elsewhere = "redirect-elsewhere", second.url
    check_failed(enrol(site, device("moved-away"), "busy"), 502, "ca_answer")
    assert asked(servers) == [3, 0, 0]
    assert f'to "{second.url}/simpleenroll" is not followed: another port' in one_row(site, "CN=moved-away", "failed").reason


def test_words_that_are_no_utf8_are_on_record(site, servers, expect_log):
    """The database would refuse them, and the order would stay open, as if nobody knew what became of it"""
    expect_log("EST1104")
    servers[0].mode = "latin-1"
    check_failed(enrol(site, device("latin-1"), "busy"), 502, "ca_answer")
    row = one_row(site, "CN=latin-1", "failed")
    assert row.rule == "ca_answer" and "of type text/pl?in" in row.reason


def test_R_04_what_may_have_been_received_is_not_sent_to_another(site, servers, expect_log):
    expect_log("EST1102")
    csr, first = device("hasty"), servers[0]
    first.mode = "hang"
    check_failed(enrol(site, csr, "hasty"), 504, "ca_timeout", retry=True)
    assert asked(servers) == [1, 0, 0]
    assert one_row(site, "CN=hasty", "forwarded").upstream == first.url
    first.let_go()
    first.mode = "issue"
    cert = enrol(site, csr, "hasty").cert()
    assert first.issued == [cert] and not servers[1].issued


def test_R_04_an_order_goes_back_to_the_upstream_that_may_have_it(site, servers, expect_log):
    """Also when another one comes first"""
    expect_log("EST1102")
    csr, (first, second) = device("resumed"), servers[:2]
    first.stop()
    second.mode = "close"
    check_failed(enrol(site, csr, "resumed"), 504, "ca_timeout", retry=True)
    assert one_row(site, "CN=resumed", "forwarded").upstream == second.url
    first.start()
    second.mode = "issue"
    cert = enrol(site, csr, "resumed").cert()
    assert asked(servers) == [0, 2, 0] and second.issued == [cert]


def test_R_04_a_gateway_without_its_server_is_left_alone_after_some_time(site, servers, expect_log):
    """A server's own 502 is text and says that it lives; a gateway's may stand for a server that has the request"""
    expect_log("EST1102", "is left alone")
    csr, (first, second) = device("gateway"), servers[:2]
    first.mode = "bad-gateway"
    for _ in range(3):
        check_failed(enrol(site, csr, "gateway"), 504, "ca_timeout", retry=True)
        assert one_row(site, "CN=gateway", "forwarded").upstream == first.url
    assert enrol(site, csr, "gateway").cert() == second.issued[-1]
    assert enrol(site, device("gateway-next"), "gateway").cert() == second.issued[-1]
    assert asked(servers) == [3, 2, 0]


def test_PE_03_what_waits_waits_for_its_own_upstream(site, servers, expect_log):
    expect_log("EST1100")
    csr, (first, second) = device("waits"), servers[:2]
    first.mode = "pend"
    check_waits(enrol(site, csr, "waits"), 7)
    first.release()
    first.stop()
    hurry(site, "CN=waits")
    check_failed(enrol(site, csr, "waits"), 503, "ca_unavailable", retry=True)
    assert not second.enrolments and one_row(site, "CN=waits", "forwarded").upstream == first.url
    assert enrol(site, device("waits-not"), "waits").cert() == second.issued[-1], "others are served meanwhile"
    first.start()
    hurry(site, "CN=waits")
    assert [enrol(site, csr, "waits").cert()] == first.issued


def test_PE_03_what_waits_at_an_upstream_that_is_configured_no_more(site, servers, expect_log):
    """Both an order that it keeps waiting and one that it may have are sent to who is there now"""
    expect_log("EST1102")
    first, second = servers[:2]
    waits, unsure = device("moved-waits"), device("moved-unsure")
    first.next_modes = ["pend", "close", "close"]  # over a kept connection it is sent once more at once
    check_waits(enrol(site, waits, "moved"), 7)
    check_failed(enrol(site, unsure, "moved"), 504, "ca_timeout", retry=True)
    blocks = site.config.ca_blocks
    blocks[blocks.index(site.block("moved", [first]))] = site.block("moved", [second])
    site.httpd.write()
    site.httpd.graceful()
    first.stop()
    hurry(site, "CN=moved-waits")
    for name, csr in (("moved-waits", waits), ("moved-unsure", unsure)):
        assert enrol(site, csr, "moved").cert() == second.issued[-1]
        assert one_row(site, f"CN={name}", "issued").attempt == 2


# --- the circuit breaker

def test_an_upstream_that_fails_is_left_alone_and_tried_again(site, servers, expect_log):
    first, second = servers[:2]
    expect_log(first.url)
    seen = site.httpd.log.size()
    first.stop()
    with Slammer(first.port) as slammer:
        for number in range(2):
            enrol(site, device(f"breaker-{number}"), "breaker").cert()
            assert slammer.count == number + 1
        assert len(lines(site, seen, first.url)) == 1, "the second failure closes the gate"

        def probed():
            """Until the time is over nobody tries; then one does"""
            enrol(site, device(f"breaker-{len(second.issued)}"), "breaker").cert()
            return slammer.count > 2
        run.wait_until(probed, 10 * COOLDOWN, "another try")
        assert slammer.count == 3 and slammer.gaps()[1] >= COOLDOWN - TICK, "it was not left alone"
        enrol(site, device("breaker-after"), "breaker").cert()
        assert slammer.count == 3 or slammer.gaps()[2] >= 2 * COOLDOWN - TICK, "it is left alone for longer"
    first.start()
    run.wait_until(lambda: enrol(site, device(f"breaker-back-{len(second.issued)}"), "breaker").cert() and first.issued, 15 * COOLDOWN,
                   "the first to be asked again")
    before = len(second.issued)
    for number in range(3):
        enrol(site, device(f"breaker-normal-{number}"), "breaker").cert()
    assert len(first.issued) == 4 and len(second.issued) == before
    assert len(lines(site, seen, first.url)) == 2, "one line when it went, one when it came back"


def test_a_lone_upstream_that_is_left_alone_says_when_to_come_back(site, servers, expect_log):
    """No connection is made meanwhile; one probe at a time when the time is over"""
    expect_log("EST1100", servers[0].url)
    servers[0].stop()
    with Slammer(servers[0].port) as slammer:
        for number in range(2):
            check_failed(enrol(site, device(f"lone-{number}"), "lone"), 503, "ca_unavailable", retry=True)
        assert slammer.count == 2
        answer = enrol(site, device("lone-2"), "lone")
        check_failed(answer, 503, "ca_unavailable", retry=True)
        assert slammer.count == 2 or slammer.gaps()[1] >= COOLDOWN - TICK
        barrier, answers = threading.Barrier(10), []

        def at_once():
            csr = device(f"lone-{threading.get_ident()}")
            barrier.wait(20 * run.SLOW)
            answers.append(enrol(site, csr, "lone").status)

        def round_of_ten():
            threads = [threading.Thread(target=at_once) for _ in range(10)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return slammer.count > 2
        run.wait_until(round_of_ten, 10 * COOLDOWN, "another try")
        assert all(gap >= (COOLDOWN << number) - TICK for number, gap in enumerate(slammer.gaps()[1:])) and set(answers) == {503}
    servers[0].start()
    run.wait_until(lambda: enrol(site, device("lone-back"), "lone").status == 200, 15 * COOLDOWN, "the upstream to be asked again")


# --- how many

def children_that_say(site, since, text):
    return {re.search(r"\[pid (\d+)", line).group(1) for line in lines(site, since, text)}


def test_the_surplus_is_refused_at_once_and_others_are_not_held_up(site, servers, expect_log):
    """Over all children: the limit is no multiple of their number"""
    expect_log("EST1101")
    upstream, seen = servers[0], site.httpd.log.size()
    upstream.mode = "hang"
    inside = [Asking(site, device(f"full-{number}"), "full") for number in range(2)]
    upstream.wait_for(2)
    numbers = itertools.count()

    def refused():
        check_failed(enrol(site, device(f"full-surplus-{next(numbers)}"), "full"), 503, "ca_busy", retry=True)
        return len(children_that_say(site, seen, "EST1101")) == 2
    run.wait_until(refused, 20, "a refusal by either child")
    threads = [Asking(site, device(f"local-{number}"), None) for number in range(20)]
    assert [thread.end().status for thread in threads] == [200] * 20
    assert upstream.concurrent == upstream.most_concurrent == 2 and all(asking.is_alive() for asking in inside), \
        "the slow ones are slow no more: this proves nothing"
    upstream.let_go()
    assert {asking.end().cert() for asking in inside} == set(upstream.issued)
    upstream.mode = "issue"
    enrol(site, device("full-after"), "full").cert()
    assert one_row(site, "CN=full-surplus-0", "forwarded").upstream is None


def test_a_crowd_never_exceeds_the_limit(site, servers, expect_log):
    """Who was told to come again gets its certificate in the end"""
    expect_log("EST1101")
    upstream = servers[0]
    upstream.latency, upstream.mode = 0.1, "hang"
    csrs, statuses = [device(f"crowd-{number}") for number in range(12)], []

    def insist(csr):
        def served():
            statuses.append(enrol(site, csr, "full").status)
            return statuses[-1] == 200
        run.wait_until(served, 30, "a place")
    threads = [threading.Thread(target=insist, args=(csr,)) for csr in csrs]
    for thread in threads:
        thread.start()
    run.wait_until(lambda: upstream.concurrent == 2 and 503 in statuses, 20, "the limit to be reached")
    upstream.mode = "issue"
    upstream.let_go()
    for thread in threads:
        thread.join()
    assert statuses.count(200) == 12 and set(statuses) == {200, 503}
    assert upstream.most_concurrent == 2 and len(upstream.enrolments) == 12


def test_a_full_upstream_is_passed_over(site, servers):
    first, second = servers[:2]
    first.mode = "hang"
    inside = Asking(site, device("overflow-1"), "overflow")
    first.wait_for(1)
    assert enrol(site, device("overflow-2"), "overflow").cert() == second.issued[-1]
    first.let_go()
    assert inside.end().cert() == first.issued[-1]


def test_R_04_what_a_full_upstream_may_have_is_not_sent_to_another(site, servers, expect_log):
    expect_log("EST1101", "EST1102")
    csr, (first, second) = device("overflow-unsure"), servers[:2]
    first.next_modes = ["close", "close"]  # over a kept connection it is sent once more at once
    check_failed(enrol(site, csr, "overflow"), 504, "ca_timeout", retry=True)
    first.next_modes, first.mode = [], "hang"
    before = len(first.enrolments)
    inside = Asking(site, device("overflow-3"), "overflow")
    first.wait_for(before + 1)
    check_failed(enrol(site, csr, "overflow"), 503, "ca_busy", retry=True)
    assert not second.enrolments and one_row(site, "CN=overflow-unsure", "forwarded").upstream == first.url
    first.let_go()
    inside.end().cert()
    first.mode = "issue"
    assert enrol(site, csr, "overflow").cert() in first.issued and not second.issued


def test_places_of_a_child_that_died_come_back(site, servers, expect_log):
    expect_log("EST1101")
    upstream, before = servers[0], set(site.httpd.children())
    upstream.mode = "hang"
    inside = Asking(site, device("lease-dies"), "lease")
    upstream.wait_for(1)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert inside.end() is None, "the client had an answer"
    run.wait_until(lambda: len(set(site.httpd.children()) - before) >= 2, 20, "other children")
    upstream.let_go()
    upstream.mode = "issue"
    csr = device("lease-next")
    check_failed(enrol(site, csr, "lease"), 503, "ca_busy", retry=True)
    run.wait_until(lambda: enrol(site, csr, "lease").status == 200, HASTY + 15, "the end of the lease")
    # What the dead one left is resumed like anything else
    hurry(site, "CN=lease-dies")
    cert = enrol(site, inside.csr, "lease").cert()
    assert [bytes(row.der) for row in rows(site, "CN=lease-dies")] == [cert.public_bytes(DER)]
    assert one_row(site, "CN=lease-dies", "issued").attempt == 2
