# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What clients that cannot be run here put on the wire, and the rules by which the pickiest of them read answers."""

import base64
import dataclasses
import socket
import ssl
import subprocess
import threading

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


def read_one(sock):
    """An answer by its Content-Length, as a client reads it that keeps its connection"""
    received = b""
    while b"\r\n\r\n" not in received:
        received += (part := sock.recv(65536))
        assert part, f"closed after {received!r}"
    end = received.index(b"\r\n\r\n") + 4
    length = Reply(received[:end]).all(b"Content-Length")
    while len(received) < end + int((length or [b"0"])[0]):
        received += (part := sock.recv(65536))
        assert part, f"closed after {received!r}"
    return received


def converse(site, records, identity=None, tls=None, sni="localhost", alpn=(), to_end=True):
    """Sends each of records as a TLS record of its own, without waiting; reads until the server closes, or one answer.
    tls: a version; "both" offers two."""
    settings = context(site, identity, None if tls == "both" else tls)
    settings.check_hostname = sni is not None
    if alpn:
        settings.set_alpn_protocols(list(alpn))
    plain = socket.create_connection(("127.0.0.1", site.port), LIMIT)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with settings.wrap_socket(plain, server_hostname=sni) as sock:
        assert sock.version() == ("TLSv1.2" if tls == "1.2" else "TLSv1.3")
        for record in records:
            sock.sendall(record)
        return entered(site, Reply(read_to_end(sock) if to_end else read_one(sock)))


def converse_with_ip_sni(site, octets, identity=None):
    """With the server name "127.0.0.1", which RFC 6066 3 forbids and Python's ssl therefore does not send."""
    credentials = ["-cert", identity.file(), "-key", identity.file(), "-cert_chain", identity.file()] if identity else []
    done = subprocess.run(
        ["openssl", "s_client", "-quiet", "-tls1_2", "-connect", f"127.0.0.1:{site.port}", "-servername", "127.0.0.1",
         "-verify_hostname", "localhost", "-verify_return_error", "-CAfile", site.httpd.put(f"root-{threading.get_ident()}.pem", site.pki.root.pem()), *credentials],
        input=octets, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT * run.SLOW, check=False)
    assert done.stdout, done.stderr.decode()
    return entered(site, Reply(done.stdout))


# --- the five clients

@dataclasses.dataclass(frozen=True)
class Client:
    """What one puts on the wire. fields: its header lines in its order; {auth}, {type}, {length} and {cte} stand for lines
    that are not always there, and a GET has none of the last three. width 0: base64 on one line without an end."""

    name: str
    tls: tuple
    sni: object  # a name, an address (which Python's ssl does not send), or None
    fields: tuple
    width: int = 64
    end: bytes = b"\n"
    chunked: bool = False
    at_once: bool = True  # credentials without having been asked
    stray: bytes = b""  # behind what it announced
    in_records: bool = False  # each header line in a TLS record of its own
    alpn: tuple = ()

    def body(self, csr):
        return lines(csr, self.width, self.end)

    def framed(self, body):
        if not self.chunked:
            return body
        half = len(body) // 2
        return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part) + b"0\r\n\r\n"

    def records(self, site, csr=None, operation="simpleenroll", authorization=None, **other):
        """As TLS records. csr None: a GET. other: method, body, content_type, label, mount; length False leaves it out"""
        body = other.get("body", csr and self.body(csr))
        path = "/".join([other.get("mount", site.mount), *([other["label"]] if other.get("label") else []), operation])
        values = {"auth": f"Authorization: {authorization}" if authorization else "",
                  "type": f"Content-Type: {other.get('content_type', 'application/pkcs10')}",
                  "length": "Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {len(body or b'')}",
                  "cte": "Content-Transfer-Encoding: base64"}
        if body is None:
            values.update(type="", cte="", length="")
        if other.get("length") is False:
            values["length"] = ""
        method = other.get("method") or ("GET" if body is None else "POST")
        head = [f"{method} {path} HTTP/1.1", *(field.format(port=site.port, **values) for field in self.fields)]
        parts = [line.encode() + b"\r\n" for line in head if line] + [b"\r\n"]
        if body is not None and other.get("length") is not False:
            parts.append(self.framed(body))
        parts.append(self.stray)
        return [part for part in parts if part] if self.in_records else [b"".join(parts)]

    def octets(self, *arguments, **more):
        return b"".join(self.records(*arguments, **more))

    def closes(self):
        return any(field == "Connection: close" for field in self.fields)

    def ask(self, site, *arguments, identity=None, tls=None, **more):
        """Sends a request on a new connection as this client does, and returns the answer"""
        records = self.records(site, *arguments, **more)
        if self.sni == "127.0.0.1":
            return converse_with_ip_sni(site, b"".join(records), identity)
        return converse(site, records, identity, tls or self.tls[-1], self.sni, self.alpn, to_end=self.closes())


LIBEST = Client("libest", ("1.2",), "127.0.0.1", at_once=False, stray=b"\r\n", fields=(
    "User-Agent: libest 3.2.0p", "Connection: close", "Host: 127.0.0.1:{port}", "Accept: */*", "{auth}", "{type}", "{length}"))
GLOBALSIGN = Client("globalsign", ("1.2", "1.3"), "localhost", width=76, end=b"\r\n", chunked=True, fields=(
    "Host: localhost:{port}", "User-Agent: GlobalSign EST Client v1.0.6 github.com/globalsign/est", "{length}",
    "Accept: application/pkcs7-mime; smime-type=certs-only", "{auth}", "{cte}", "{type}", "Accept-Encoding: gzip"))
BOUNCY_CASTLE = Client("bouncy_castle", ("1.2", "1.3"), None, at_once=False, in_records=True, fields=(
    "{auth}", "{type}", "{length}", "{cte}", "Connection: close", "Host: localhost:{port}"))
STRONGSWAN = Client("strongswan", ("1.2", "1.3"), "localhost", width=0, end=b"", fields=(
    "Host: localhost:{port}", "{type}", "{length}", "{auth}"))
CURL = Client("curl", ("1.2", "1.3"), "localhost", width=76, alpn=("h2", "http/1.1"), fields=(
    "Host: localhost:{port}", "{auth}", "User-Agent: curl/7.88.1", "Accept: */*", "{type}", "{length}"))
CLIENTS = {client.name: client for client in (LIBEST, GLOBALSIGN, BOUNCY_CASTLE, STRONGSWAN, CURL)}
