# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Channel binding by challengePassword, RFC 7030 3.5 and RFC 9266."""

import base64
import http.client
import re
import select
import socket
import subprocess
import time

import pytest

from harness import der
from harness.client import LIMIT, Answer, basic, context
from harness.pki import CHALLENGE_PASSWORD, make_csr, make_key, raw_attribute, raw_csr

OTHER_12, OTHER_32 = base64.b64encode(b"x" * 12), base64.b64encode(b"x" * 32)


@pytest.fixture(scope="module")
def labels(site):
    return {binding: site.alias(binding=binding) for binding in ("if-present", "required", "off")}


def enroll_bound(site, label, value, tls):
    """value(connection's own binding value in base64, None for TLS 1.3) -> challengePassword"""
    with site.ra(tls=tls) as client:
        own = base64.b64encode(client.tls_unique()) if tls == "1.2" else None
        return client.enroll(make_csr(make_key(), challenge=value(own)), label)


@pytest.mark.parametrize("binding", ["if-present", "required"])
def test_CB_03_own_value_on_tls_12(site, labels, binding):
    assert enroll_bound(site, labels[binding], lambda own: own, "1.2").status == 200


@pytest.mark.parametrize("tag", [der.PRINTABLE, der.UTF8])
def test_CB_06_string_types(site, labels, tag):
    with site.ra(tls="1.2") as client:
        own = base64.b64encode(client.tls_unique())
        csr = raw_csr(make_key(), attributes=[raw_attribute(CHALLENGE_PASSWORD, der.tlv(tag, own))])
        assert client.enroll(csr, labels["required"]).status == 200


# (value of the own one, why)
WRONG_12 = {
    "CB-02_static_password": (lambda own: b"secret", "must not be ignored"),
    "CB-04_other_connection": (lambda own: OTHER_12, "replayed from elsewhere"),
    "CB-05_longer": (lambda own: own + b"A", "exact length"),
    "CB-05_longer_by_a_block": (lambda own: own + b"AAAA", "exact length"),
    "CB-05_prefix": (lambda own: own[:8], "exact length"),
    "CB-05_case": (lambda own: own.swapcase(), "base64 has case"),
    "CB-06_newline": (lambda own: own + b"\n", "RFC 4648 without line break"),
    "C-11_long": (lambda own: own * 20, "over 255 octets"),
    "C-11_hex": (lambda own: base64.b64decode(own).hex().encode(), "not base64"),
}


@pytest.mark.parametrize("row", WRONG_12)
@pytest.mark.parametrize("binding", ["if-present", "required"])
def test_wrong_value_on_tls_12(site, labels, binding, row):
    value, why = WRONG_12[row]
    before = site.counts()
    answer = enroll_bound(site, labels[binding], value, "1.2")
    assert answer.status == 400, why
    assert answer.reason in ("binding_failed", "csr_attribute")
    assert site.counts() == before


@pytest.mark.parametrize("row", ["empty", "two_values", "two_attributes", "octet_string", "bmp"])
def test_CB_06_C_11_malformed_attribute(site, labels, row):
    with site.ra(tls="1.2") as client:
        own = base64.b64encode(client.tls_unique())
        good = der.tlv(der.UTF8, own)
        attributes = {
            "empty": [raw_attribute(CHALLENGE_PASSWORD, der.tlv(der.UTF8))],
            "two_values": [raw_attribute(CHALLENGE_PASSWORD, good, der.tlv(der.PRINTABLE, own))],
            "two_attributes": [raw_attribute(CHALLENGE_PASSWORD, good)] * 2,
            "octet_string": [raw_attribute(CHALLENGE_PASSWORD, der.tlv(der.OCTET_STRING, own))],
            "bmp": [raw_attribute(CHALLENGE_PASSWORD, der.tlv(der.BMP, own.decode().encode("utf-16-be")))],
        }[row]
        answer = client.enroll(raw_csr(make_key(), attributes=attributes), labels["if-present"])
    assert answer.status == 400
    assert answer.reason in ("binding_failed", "csr_attribute", "csr_invalid", "der_invalid")


def test_CB_04_value_of_the_connection_before(site, labels):
    with site.ra(tls="1.2") as first:
        old = base64.b64encode(first.tls_unique())
        csr = make_csr(make_key(), challenge=old)
        assert first.enroll(csr, labels["required"]).status == 200
    with site.ra(tls="1.2") as second:
        answer = second.enroll(csr, labels["required"])
    assert (answer.status, answer.reason) == (400, "binding_failed")


def test_CB_07_finished_message_on_tls_13(site, labels):
    """What clients send that think tls-unique were defined there"""
    with site.ra(tls="1.3") as client:
        finished = client.tls_unique()
        assert len(finished) in (32, 48)
        answer = client.enroll(make_csr(make_key(), challenge=base64.b64encode(finished)), labels["if-present"])
    assert (answer.status, answer.reason) == (400, "binding_failed")


@pytest.mark.parametrize("value", [b"secret", OTHER_12, OTHER_32, OTHER_32[:43]])
def test_CB_02_wrong_value_on_tls_13(site, labels, value):
    answer = enroll_bound(site, labels["if-present"], lambda _: value, "1.3")
    assert (answer.status, answer.reason) == (400, "binding_failed")


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_CB_08_required_and_absent(site, labels, tls):
    with site.ra(tls=tls) as client:
        answer = client.enroll(make_csr(make_key()), labels["required"])
    assert (answer.status, answer.reason) == (400, "binding_required")
    assert "challengePassword" in answer.text


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_absent_where_it_is_optional(site, labels, tls):
    with site.ra(tls=tls) as client:
        assert client.enroll(make_csr(make_key()), labels["if-present"]).status == 200
        assert client.enroll(make_csr(make_key()), labels["off"]).status == 200


def test_off_refuses_what_it_does_not_look_at(site, labels):
    assert enroll_bound(site, labels["off"], lambda own: own, "1.2").reason == "binding_failed"


class OpensslClient:
    """openssl s_client, which can say what RFC 9266 2 exports"""

    def __init__(self, site, tmp_path, tls):
        (tmp_path / "root.pem").write_bytes(site.pki.root.pem())
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-servername", "localhost", "-CAfile", str(tmp_path / "root.pem"),
             "-verify_return_error", "-nocommands", "-ign_eof", "-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32",
             "-tls" + tls.replace(".", "_")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.received = b""

    def read_until(self, pattern, limit=20):
        end = time.monotonic() + limit
        while not re.search(pattern, self.received, re.DOTALL):
            ready = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]
            part = self.process.stdout.read1(65536) if ready else b""
            assert part, self.received.decode(errors="replace")
            self.received += part
        return re.search(pattern, self.received, re.DOTALL)

    def close(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def enroll_with_exporter(site, tmp_path, label, change=lambda value: value):
    client = OpensslClient(site, tmp_path, "1.3")
    try:
        value = bytes.fromhex(client.read_until(rb"Keying material: ([0-9A-F]{64})\n.*---\n").group(1).decode())
        body = base64.b64encode(make_csr(make_key(), challenge=change(base64.b64encode(value))))
        client.received = b""
        client.process.stdin.write(
            f"POST {site.mount}/{label}/simpleenroll HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUser-Agent: s_client\r\n"
            f"Authorization: {basic(site.user, site.PASSWORD)}\r\nContent-Type: application/pkcs10\r\nContent-Length: {len(body)}\r\n\r\n"
            .encode() + body)
        client.process.stdin.flush()
        found = client.read_until(rb"HTTP/1.1 (\d+) .*?Content-Length: (\d+)\r\n.*?\r\n\r\n")
        length = int(found.group(2))
        client.read_until(rb"HTTP/1.1 .*?\r\n\r\n.{%d}" % length)
        body = client.received[found.end():found.end() + length]
        headers = dict(re.findall(r"^([^:\r\n]+): ([^\r\n]*)", found.group(0).decode(), re.MULTILINE))
        return Answer(int(found.group(1)), headers, body).enter(site)
    finally:
        client.close()


@pytest.mark.parametrize("binding", ["if-present", "required"])
def test_CB_03_own_value_on_tls_13(site, labels, tmp_path, binding):
    assert enroll_with_exporter(site, tmp_path, labels[binding]).status == 200


def test_CB_05_own_value_and_more_on_tls_13(site, labels, tmp_path):
    assert enroll_with_exporter(site, tmp_path, labels["required"], lambda own: own + b"A").reason == "binding_failed"
    assert enroll_with_exporter(site, tmp_path, labels["required"], lambda own: own[:-1]).reason == "binding_failed"


@pytest.fixture(scope="module")
def resuming(make_site):
    """Resumption exists only without EstVerifyClient"""
    return make_site("resume", verify="optional", verify_client="")


def resumed(site, tls):
    """Enrols on a second connection with the session of the first: (was it resumed, the answer). Bound where TLS 1.2 is."""
    shared, session = context(site, None, tls), None
    for _ in range(2):
        sock = socket.create_connection(("127.0.0.1", site.port), LIMIT)
        with shared.wrap_socket(sock, server_hostname="localhost", session=session) as sock:
            own = base64.b64encode(sock.get_channel_binding("tls-unique")) if tls == "1.2" else None
            body = base64.b64encode(make_csr(make_key(), challenge=own))
            sock.sendall(f"POST {site.mount}/simpleenroll HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/pkcs10\r\n"
                         f"Authorization: {basic(site.user, site.PASSWORD)}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            response = http.client.HTTPResponse(sock)
            response.begin()
            answer = Answer(response.status, response.headers, response.read()).enter(site)
            reused, session = sock.session_reused, sock.session
    return reused, answer


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_TLS_07_no_resumption_with_EstVerifyClient(site, tls):
    reused, answer = resumed(site, tls)
    assert not reused
    assert answer.status == 200


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_TLS_07_resumption_without_it(resuming, tls):
    assert resumed(resuming, tls)[0]


def test_CB_03_own_value_on_a_resumed_tls_12_session(resuming):
    """There it is the server's Finished message that comes first (RFC 5929 3.1)"""
    reused, answer = resumed(resuming, "1.2")
    assert reused
    assert answer.status == 200
