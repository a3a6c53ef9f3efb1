# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Clients that are slow, stop, or go away: rows H-25 to H-27. conf/est.conf, with shorter times than it has: a header has 2 to
4 seconds, a body 2, where the file says 10 to 20, and 20.
"""

import base64
import contextlib
import http.client
import select
import socket
import time

import pytest

from harness import run
from harness.client import Answer, EstClient, basic, connect, raw
from harness.form import check_refusal, enrol, enrol_head, head
from harness.httpd import USER_NOT_FOUND
from harness.pki import make_csr, make_key

TIMES = "RequestReadTimeout handshake=10 header=10-20,MinRate=500 body=20,MinRate=500\n"
SITE = {"shipped": True, "threads": 120, "forks": True,
        "changes": ((TIMES, "RequestReadTimeout handshake=4 header=2-4,MinRate=500 body=2,MinRate=500\n"),)}
SLOW = 100  # connections at a time
TEXT = base64.b64encode(make_csr(make_key()))


def rest_of(sock, limit=20):
    """All that comes until the server closes"""
    sock.settimeout(limit * run.SLOW)
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := sock.recv(65536):
            received += part
    return received


def check_408(received):
    top, _, body = received.partition(b"\r\n\r\n")
    lines = top.decode().split("\r\n")
    assert lines[0].startswith("HTTP/1.1 408 "), received
    check_refusal(Answer(408, dict(line.split(": ", 1) for line in lines[1:]), body), 408, "request_timeout")


def test_H_25_a_body_that_does_not_come_gets_408(site):
    before = site.counts()
    answer = raw(site, enrol_head(site, "Content-Length: 400") + b"AAAA")
    check_refusal(answer, 408, "request_timeout")
    assert answer.header("Connection") == "close"
    assert site.counts() == before


# What is answered without a look at the body: (method, target, Authorization, status)
UNREAD = {
    "H-25_operation_unknown": ("POST", "nothing", None, 404),
    "H-25_method_not_allowed": ("POST", "cacerts", None, 405),
    "H-25_outside": ("POST", "/outside", None, 403),
    "H-25_challenge": ("POST", "simpleenroll", None, 401),
    "H-25_wrong_password": ("POST", "simpleenroll", basic("nobody", "wrong"), 401),
    "H-25_answer": ("GET", "cacerts", None, 200),
    "H-25_answer_without_body": ("GET", "csrattrs", None, 204),
    "H-25_head": ("HEAD", "cacerts", None, 200),
}


def unread_head(site, row, *lines):
    method, target, authorization, _ = UNREAD[row]
    return head(site, "User-Agent: a", "Content-Type: application/pkcs10", *lines,
                *([f"Authorization: {authorization}"] if authorization else []), method=method, target=target)


def next_answer(sock, method="GET"):
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    return Answer(response.status, response.headers, response.read())


@pytest.mark.parametrize("row", UNREAD)
def test_who_is_answered_without_its_body_need_not_send_it_first(site, row, allow_log):
    """And when it does send it, the connection goes on"""
    allow_log("EST1058", USER_NOT_FOUND)
    with connect(site) as sock:
        sock.sendall(unread_head(site, row, "Content-Length: 400") + b"AA")
        assert next_answer(sock, UNREAD[row][0]).status == UNREAD[row][3]
        sock.sendall(b"A" * 398 + head(site))
        assert next_answer(sock).status == 200


@pytest.mark.parametrize("row", UNREAD)
def test_H_25_nor_a_body_before_anybody_reads_it(site, row, allow_log):
    """What comes instead of it is not taken for a request"""
    allow_log("EST1058", USER_NOT_FOUND)
    with connect(site) as sock:
        sock.sendall(unread_head(site, row, "Content-Length: 4000") + head(site))
        received = rest_of(sock)
    assert received.startswith(b"HTTP/1.1 %d " % UNREAD[row][3])
    assert received.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("framing, part", [("Transfer-Encoding: chunked", b"400\r\n" + b"A" * 1024 + b"\r\n"),
                                           ("Content-Length: 1000000000", b"A" * 1024)], ids=["H-25_chunked", "H-25_long"])
def test_a_body_without_end_is_not_swallowed_before_anybody_is_authenticated(site, framing, part):
    """It comes as fast as RequestReadTimeout wants it"""
    with connect(site) as sock:
        sock.sendall(unread_head(site, "H-25_challenge", framing))
        end = time.monotonic() + 10 * run.SLOW
        while not select.select([sock], [], [], 0.1)[0]:
            assert time.monotonic() < end, "all of it is read"
            sock.sendall(part)
        received = rest_of(sock)
    assert received.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nConnection: close\r\n" in received


def test_H_26_a_header_that_does_not_end(site):
    """Its path says that it is for EST"""
    with connect(site) as sock:
        sock.sendall(head(site)[:-2])
        check_408(rest_of(sock))


def test_H_26_a_handshake_that_does_not_end(site):
    with socket.create_connection(("127.0.0.1", site.port)) as sock:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert b"HTTP" not in rest_of(sock)


def trickle(sock, octets, limit=20):
    """An octet a second, until the server answers; what it says"""
    end = time.monotonic() + limit * run.SLOW
    for octet in octets:
        # Wait for the answer, not for the second
        ready = select.select([sock], [], [], 1)[0]
        if ready:
            return rest_of(sock)
        assert time.monotonic() < end, "nobody minds"
        sock.sendall(bytes([octet]))
    raise AssertionError("everything was taken")


@pytest.mark.parametrize("part", ["request_line", "header", "body"])
def test_H_26_an_octet_a_second(site, part):
    """Who has not even said what it wants is not answered"""
    before = site.counts()
    octets = enrol(site, TEXT)
    sent = {"request_line": 4, "header": octets.index(b"\r\n") + 6, "body": octets.index(b"\r\n\r\n") + 4}[part]
    with connect(site) as sock:
        sock.sendall(octets[:sent])
        received = trickle(sock, octets[sent:])
    if part == "request_line":
        assert received == b""
    else:
        check_408(received)
    assert site.counts() == before


def test_H_26_many_slow_clients_hold_up_nobody(site):
    """As many as leave a few threads free; the others are served meanwhile, and in the end all are gone"""
    start = site.httpd.log.size()
    with contextlib.ExitStack() as stack:
        slow = []
        for number in range(SLOW):  # each at once: who says nothing until all are there may be cut off without an answer
            slow.append(stack.enter_context(connect(site)))
            slow[-1].sendall(head(site)[:-2] if number % 2 else enrol_head(site, "Content-Length: 400") + b"AA")
        with EstClient(site, site.user, site.PASSWORD) as client:
            for _ in range(20):
                assert client.get("cacerts").status == 200
                assert client.post("simpleenroll", TEXT).status == 200
        for sock in slow:
            check_408(rest_of(sock))
    assert sum("EST1113" in line for line in site.log_lines(start)) == SLOW
    assert len(site.httpd.children()) == 1 or site.httpd.single


# --- clients that go away

@pytest.mark.parametrize("kept", [1, 10, -40, -1])
def test_H_27_client_that_goes_away_in_its_body_gets_no_certificate(site, kept):
    before, start = site.counts(), site.httpd.log.size()
    body = base64.b64encode(make_csr(make_key()))
    with connect(site) as sock:
        sock.sendall(enrol_head(site, f"Content-Length: {len(body)}") + body[:kept])
    run.wait_until(lambda: any("EST1014" in line for line in site.log_lines(start)), 10, "httpd to notice")
    assert site.counts() == before


def test_H_27_nor_in_a_chunk(site):
    before, start = site.counts(), site.httpd.log.size()
    with connect(site) as sock:
        sock.sendall(enrol_head(site, "Transfer-Encoding: chunked") + b"%x\r\n" % len(TEXT) + TEXT)
    run.wait_until(lambda: any("EST1014" in line for line in site.log_lines(start)), 10, "httpd to notice")
    assert site.counts() == before


def test_H_27_client_that_does_not_wait_for_its_answer_finds_it_when_it_comes_back(site):
    """The certificate is on record; the same request has it (PE-07)"""
    before = site.counts()
    body = base64.b64encode(make_csr(make_key(), "CN=impatient"))
    sock = connect(site)
    sock.sendall(enrol(site, body))
    # Without close_notify, with a reset
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    run.wait_until(lambda: site.counts() == before + 1, 10, "the certificate")
    sock.close()
    answer = raw(site, enrol(site, body))
    assert answer.cert().subject.rfc4514_string() == "CN=impatient"
    assert site.counts() == before + 1
