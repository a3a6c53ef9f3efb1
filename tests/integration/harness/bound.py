# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
TLS connections of which everything about channel binding is known (python3-openssl), with just enough HTTP/1.1 and HTTP/2
for enrolment.
"""

import base64
import re
import socket
import struct

from OpenSSL import SSL, crypto

from . import run
from .client import Answer, basic

VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
NO_EXTENDED_MASTER_SECRET = 1  # SSL_OP_NO_EXTENDED_MASTER_SECRET of OpenSSL 3
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4
STATUSES = {0x88: 200, 0x8C: 400, 0x8D: 404, 0x8E: 500}  # :status in the static table of RFC 7541


class BoundConnection:
    """
    session: of an earlier connection, to resume; tickets=False: by session id; extended=False: without RFC 7627.
    value: what RFC 7030 3.5 and RFC 9266 want, in base64; finished: both Finished messages in base64, ours first.
    """

    def __init__(self, site, tls, session=None, tickets=True, http2=False, extended=True):
        self.site, self.http2, self.stream = site, http2, -1
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(VERSIONS[tls])
        context.set_max_proto_version(VERSIONS[tls])
        context.get_cert_store().add_cert(crypto.X509.from_cryptography(site.pki.root.cert))
        context.set_verify(SSL.VERIFY_PEER)
        context.set_session_cache_mode(SSL.SESS_CACHE_CLIENT)
        context.set_alpn_protos([b"h2" if http2 else b"http/1.1"])
        if not tickets:
            context.set_options(SSL.OP_NO_TICKET)
        if not extended:
            context.set_options(NO_EXTENDED_MASTER_SECRET)
        self.socket = socket.create_connection(("127.0.0.1", site.port))
        # A timeout of Python's would make the socket one that does not block, which pyOpenSSL leaves to its caller
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(20 * run.SLOW), 0))
        self.tls = SSL.Connection(context, self.socket)
        self.tls.set_tlsext_host_name(b"localhost")
        if session:
            self.tls.set_session(session)
        self.tls.set_connect_state()
        self.tls.do_handshake()
        self.resumed = SSL._lib.SSL_session_reused(self.tls._ssl) == 1
        self.finished = [base64.b64encode(message) for message in (self.tls.get_finished(), self.tls.get_peer_finished())]
        if tls == "1.2":
            self.value = self.finished[1 if self.resumed else 0]  # the one that came first (RFC 5929 3.1)
        else:
            self.value = base64.b64encode(self.tls.export_keying_material(b"EXPORTER-Channel-Binding", 32, b""))
        if http2:
            assert self.tls.get_alpn_proto_negotiated() == b"h2"
            self.tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b""))

    def session(self):
        """To resume; TLS 1.3 has it after the first answer."""
        return self.tls.get_session()

    def enroll(self, csr, label=None):
        path = "/".join([self.site.mount, *([label] if label else []), "simpleenroll"])
        body, authorization = base64.b64encode(csr), basic(self.site.user, self.site.PASSWORD)
        return self.send("POST", path, {"authorization": authorization, "content-type": "application/pkcs10"}, body).enter(self.site)

    def touch(self):
        """An exchange, behind which TLS 1.3 has a session"""
        assert self.send("GET", self.site.mount + "/cacerts", {}, b"").status == 200

    def send(self, method, path, fields, body):
        fields = {"user-agent": "bound", "content-length": str(len(body)), **fields}
        return (self.send_http2 if self.http2 else self.send_http1)(method, path, fields, body)

    def read(self, size, received=b""):
        while len(received) < size:
            received += self.tls.recv(65536)
        return received

    def send_http1(self, method, path, fields, body):
        head = "".join(f"{key}: {value}\r\n" for key, value in {"host": "localhost", **fields}.items())
        self.tls.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        received = b""
        while b"\r\n\r\n" not in received:
            received = self.read(len(received) + 1, received)
        head, _, rest = received.partition(b"\r\n\r\n")
        headers = dict(re.findall(r"^([^:\r\n]+): ([^\r\n]*)", head.decode(), re.MULTILINE))
        return Answer(int(head.split(b" ")[1]), headers, self.read(int(headers["Content-Length"]), rest))

    def send_http2(self, method, path, fields, body):
        self.stream += 2
        fields = {":method": method, ":scheme": "https", ":authority": "localhost", ":path": path, **fields}
        block = b"".join(b"\0" + literal(key) + literal(value) for key, value in fields.items())
        self.tls.sendall(frame(HEADERS, END_HEADERS, self.stream, block) + frame(DATA, END_STREAM, self.stream, body))
        status, content, flags = None, b"", 0
        while not flags & END_STREAM:
            head = self.read_exactly(9)
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            payload = self.read_exactly(int.from_bytes(head[:3], "big"))
            if stream != self.stream:
                flags = 0
            elif kind == HEADERS and status is None:
                status = STATUSES[re.sub(rb"^(\x3f[\x80-\xff]*.|[\x20-\x3e])*", b"", payload, flags=re.DOTALL)[0]]
            elif kind == DATA:
                content += payload
        # What is compared by clients is in test_clients.py; here the media type tells a certificate from an error
        return Answer(status, {"Content-Type": "application/pkcs7-mime; smime-type=certs-only"} if status == 200 else {}, content)

    def read_exactly(self, size):
        received = b""
        while len(received) < size:
            received += self.tls.recv(size - len(received))
        return received

    def close(self):
        # Without it OpenSSL takes the session for broken and resumes it no more
        self.tls.set_shutdown(SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN)
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(text):
    """A string of RFC 7541 5.2, not compressed"""
    length = len(text)
    if length < 127:
        return bytes([length]) + text.encode()
    octets, length = [127], length - 127
    while length >= 128:
        octets.append(length % 128 | 128)
        length //= 128
    return bytes([*octets, length]) + text.encode()
