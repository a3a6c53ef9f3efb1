# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What clients that cannot be run here put on the wire, and the rules by which the pickiest of them read answers."""

import base64
import dataclasses
import socket
import ssl
import subprocess

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from harness import run
from harness.client import LIMIT, context

CERTS_ONLY = b"application/pkcs7-mime; smime-type=certs-only"
# Header names that are not simply capitalised words
ODD_NAMES = {b"WWW-Authenticate", b"ETag"}


@dataclasses.dataclass
class Reply:
    """An answer octet by octet: a status line, header fields in the order sent, all octets until the server closed."""

    octets: bytes

    def __post_init__(self):
        self.head, _, self.body = self.octets.partition(b"\r\n\r\n")
        self.status_line, *lines = self.head.split(b"\r\n")
        self.fields = [tuple(line.split(b": ", 1)) for line in lines]
        self.status = int(self.status_line.split(b" ")[1])

    def all(self, name):
        """Names compare octet by octet, as libest does it."""
        return [value for key, value in self.fields if key == name]

    def one(self, name):
        values = self.all(name)
        assert len(values) == 1, f"{name}: {values}"
        return values[0]

    def cert(self):
        found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(b"".join(self.body.split()), validate=True))
        assert len(found) == 1
        return found[0]


def check_form(reply):
    """What libest, Bouncy Castle, strongSwan and globalsign/est together want of any answer."""
    assert reply.status_line.startswith(b"HTTP/1.1 %d " % reply.status)
    assert len(reply.head) + 4 < 1024, "strongSwan reads the header block in 1024 octets"
    assert len(reply.fields) <= 16, "libest keeps 16 header fields"
    for field in reply.fields:
        assert len(field) == 2, f"libest wants a blank after the colon: {field}"
        assert field[0] in ODD_NAMES or field[0] == b"-".join(word.capitalize() for word in field[0].split(b"-")), field[0]
    assert int(reply.one(b"Content-Length")) == len(reply.body)
    assert not reply.all(b"Transfer-Encoding")
    assert not reply.all(b"Content-Encoding")
    assert len(reply.all(b"WWW-Authenticate")) == (1 if reply.status == 401 else 0)
    if reply.status in (202, 429, 503):
        assert reply.one(b"Retry-After").isdigit(), "libest fails on a date"


def check_enrolled(reply):
    check_form(reply)
    assert reply.status == 200, reply.octets
    assert reply.one(b"Content-Type") == CERTS_ONLY
    assert reply.one(b"Content-Transfer-Encoding") == b"base64"
    assert reply.body.endswith(b"\n")
    return reply.cert()


def entered(site, reply):
    """Tells the site's books."""
    if reply.status == 200 and reply.all(b"Content-Type") == [CERTS_ONLY]:
        site.ledger.add(reply.cert().public_bytes(serialization.Encoding.DER))
    return reply


def lines(data, width, end):
    text = base64.b64encode(data)
    if not width:
        return text
    return b"".join(text[i:i + width] + end for i in range(0, len(text), width))


def read_to_end(sock):
    received = b""
    while True:
        try:
            part = sock.recv(65536)
        except ssl.SSLEOFError:
            return received
        if not part:
            return received
        received += part


def converse(site, records, identity=None, tls=None, sni="localhost"):
    """Sends each of records as a TLS record of its own, without waiting; reads until the server closes."""
    settings = context(site, identity, tls)
    settings.check_hostname = sni is not None
    plain = socket.create_connection(("127.0.0.1", site.port), LIMIT)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with settings.wrap_socket(plain, server_hostname=sni) as sock:
        for record in records:
            sock.sendall(record)
        return entered(site, Reply(read_to_end(sock)))


def converse_with_ip_sni(site, octets, ca_file):
    """With the server name "127.0.0.1", which RFC 6066 3 forbids and Python's ssl therefore does not send."""
    done = subprocess.run(
        ["openssl", "s_client", "-quiet", "-tls1_2", "-connect", f"127.0.0.1:{site.port}", "-servername", "127.0.0.1",
         "-CAfile", ca_file, "-verify_hostname", "localhost", "-verify_return_error"],
        input=octets, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT * run.SLOW, check=False)
    assert done.stdout, done.stderr.decode()
    return entered(site, Reply(done.stdout))


# --- requests. stray: what libest sends behind a request, beyond its Content-Length

def libest(site, csr=None, operation="simpleenroll", authorization=None, stray=b"\r\n"):
    """libest 3.2.0p: 64 columns, Connection: close, credentials only after a challenge. Without csr: cacerts"""
    credentials = b"Authorization: %s\r\n" % authorization.encode() if authorization else b""
    common = b"User-Agent: libest 3.2.0p\r\nConnection: close\r\nHost: 127.0.0.1:%d\r\nAccept: */*\r\n" % site.port
    if csr is None:
        return b"GET %s/cacerts HTTP/1.1\r\n%s\r\n%s" % (site.mount.encode(), common, stray)
    body = lines(csr, 64, b"\n")
    return (b"POST %s/%s HTTP/1.1\r\n%s%sContent-Type: application/pkcs10\r\nContent-Length: %d\r\n\r\n%s%s"
            % (site.mount.encode(), operation.encode(), common, credentials, len(body), body, stray))


def globalsign(site, csr, authorization, close=True):
    """globalsign/est 1.0.6: Go's chunked body of 76 columns with CRLF, an Accept of the exact type, gzip wanted"""
    body = lines(csr, 76, b"\r\n")
    half = len(body) // 2
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:])) + b"0\r\n\r\n"
    return (b"POST %s/simpleenroll HTTP/1.1\r\nHost: localhost:%d\r\nUser-Agent: GlobalSign EST Client v1.0.6 github.com/globalsign/est\r\n"
            b"Transfer-Encoding: chunked\r\nAccept: application/pkcs7-mime; smime-type=certs-only\r\n"
            b"Authorization: %s\r\nContent-Transfer-Encoding: base64\r\nContent-Type: application/pkcs10\r\n"
            b"Accept-Encoding: gzip\r\n%s\r\n%s"
            % (site.mount.encode(), site.port, authorization.encode(), b"Connection: close\r\n" if close else b"", chunks))


def bouncy_castle(site, csr, authorization):
    """Bouncy Castle 1.72: a record for each header line and for its end, no User-Agent"""
    body = lines(csr, 64, b"\n")
    return [b"POST %s/simpleenroll HTTP/1.1\r\n" % site.mount.encode(), b"Authorization: %s\r\n" % authorization.encode(),
            b"Content-Type: application/pkcs10\r\n", b"Content-Length: %d\r\n" % len(body),
            b"Content-Transfer-Encoding: base64\r\n", b"Connection: close\r\n", b"Host: localhost:%d\r\n" % site.port, b"\r\n", body]


def strongswan(site, csr, authorization):
    """strongSwan 5.9.8: one line without its end, no User-Agent, no Connection header. Close is added, for read_to_end."""
    body = lines(csr, 0, b"")
    return (b"POST %s/simpleenroll HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: application/pkcs10\r\nContent-Length: %d\r\n"
            b"Authorization: %s\r\nConnection: close\r\n\r\n%s"
            % (site.mount.encode(), site.port, len(body), authorization.encode(), body))
