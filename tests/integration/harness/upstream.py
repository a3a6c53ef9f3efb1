# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
An EST server (RFC 7030) to forward to, which does as a test tells it, right or wrong. It runs in threads of the test's own
process, on a port of 127.0.0.1 that stays its own over stop() and start(), and has a CA of its own.

    with UpstreamEst(directory) as upstream:
        upstream.block("central")       # an <EstCA> block for a Site's ca_blocks
        upstream.mode = "pend"          # see MODES: what becomes of enrolments
        upstream.next_modes = ["http-503", "issue"]  # of the next ones, before mode counts again
        upstream.enrolments             # what came in: list of Received
        upstream.issued                 # certificates, also those that were signed and never sent

The same CSR gets the same certificate, as long as idempotent is true.
"""

import base64
import collections
import http.server
import ipaddress
import os
import socket
import ssl
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID

from . import der, pki, run
from .client import ENROLLED

MOUNT = "/.well-known/est"
MOVED = "/moved"  # in front of it: where mode "redirect" leads to
LOOPBACK = ipaddress.ip_address("127.0.0.1")
OCSP_NO_CHECK = x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.5")

# What an enrolment is answered with
MODES = {
    "issue": "the certificate",
    "bare": "the certificate and those of the CA, up to the root, in the same message",
    "chunked": "the certificate, in an answer without Content-Length",
    "blanks": "the certificate; the base64 in lines of 20, CRLF, blanks in front",
    "refuse": "refuse_status (400, 401, 403...) with refuse_text",
    "pend": "202 with Retry-After: retry_after, until release(); then the certificate",
    "hang": "signs and remembers, answers after let_go()",
    "close": "signs and remembers, closes the connection in the stead of an answer",
    "truncated": "signs and remembers, closes the connection in the middle of the answer",
    "wrong-key": "a certificate for another key",
    "wrong-issuer": "one that a CA of another name has signed",
    "wrong-signature": "one that a CA of the same name with another key has signed",
    "wrong-name": "one whose subject is CN=somebody-else",
    "extra-san": "one with DNS:extra.example beside the names asked for",
    "no-san": "one without subjectAltName",
    "ca-certificate": "one of a CA",
    "extra-eku": "one with codeSigning in its extendedKeyUsage",
    "extra-extension": "one with an extension that nobody asked for",
    "long": "one that is valid for ten years",
    "expired": "one that ended yesterday",
    "garbage": "base64 of octets that are no message",
    "not-base64": "HTML",
    "latin-1": "an answer whose type and words are no UTF-8",
    "empty": "200 with nothing",
    "no-certificate": "a message without certificates",
    "only-chain": "a message with the CA's certificates alone",
    "http-204": "204", "http-404": "404", "http-500": "500", "http-502": "502", "http-504": "504, and signs",
    "bad-gateway": "502 with a page of HTML, as a gateway in front that cannot reach its server",
    "http-429": "429 with Retry-After: retry_after", "http-503": "503 with Retry-After: retry_after",
    "redirect": "302 to another path of this server, where it issues",
    "redirect-elsewhere": "307 to the same path at the URL elsewhere",
    "huge": "200 and more octets than anybody wants (4 MiB)",
    "demand-binding": "400; csrattrs lists challengePassword",
}
WRONG = ("wrong-key", "wrong-issuer", "wrong-signature", "wrong-name", "extra-san", "no-san", "ca-certificate", "extra-eku",
         "extra-extension", "long", "expired")
# ... and cacerts
CACERTS_MODES = ("good", "hang", "close", "garbage", "not-base64", "empty", "end-entity", "http-404", "http-500", "http-503", "huge")

# client: subject of the TLS client certificate in the form of RFC 4514; None: none
Received = collections.namedtuple("Received", "method path operation label headers body csr client user password")
# What a handler answers with; body None: nothing at all, the connection ends
Reply = collections.namedtuple("Reply", "status headers body", defaults=({}, b""))


def text(status, words, **headers):
    return Reply(status, {"Content-Type": "text/plain; charset=utf-8", **headers}, words.encode())


def b64(data, width=64, end="\n"):
    encoded = base64.b64encode(data).decode()
    return "".join(encoded[i:i + width] + end for i in range(0, len(encoded), width)).encode()


def certs_only(certs):
    """Also of no certificate at all, which the library would not write"""
    if certs:
        return pkcs7.serialize_certificates(certs, serialization.Encoding.DER)
    data = der.seq(der.oid("1.2.840.113549.1.7.1"))
    signed = der.seq(der.integer(1), der.set_of(), data, der.set_of())
    return der.seq(der.oid("1.2.840.113549.1.7.2"), der.tlv(0xA0, signed))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream):
        self.upstream, self.connections = upstream, set()
        super().__init__(("127.0.0.1", upstream.port), Handler)

    def finish_request(self, request, client_address):
        """In the connection's own thread, so that a client that is slow with its handshake keeps nobody waiting"""
        try:
            connection = self.upstream.context.wrap_socket(request, server_side=True) if self.upstream.context else request
        except (OSError, ValueError):  # it did not like our certificate, or has gone
            self.upstream.handshakes_failed += 1
            return
        with self.upstream.changed:
            self.connections.add(connection)
            if self.upstream.server is not self:  # stop() came in between
                cut(connection)
        try:
            self.RequestHandlerClass(connection, client_address, self)
        finally:
            with self.upstream.changed:
                self.connections.discard(connection)
                self.upstream.changed.notify_all()
            cut(connection)
            connection.close()

    def handle_error(self, request, client_address):
        """Clients that go away are what tests are about; anything else is a mistake of this file."""
        error = sys.exc_info()[1]
        if not isinstance(error, (OSError, EOFError)):
            self.upstream.errors.append(error)


def cut(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one piece

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def serve(self):
        upstream = self.server.upstream
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = upstream.serve(self.received(body))
        if reply.body is None:
            self.close_connection = True
            return
        self.send_response(reply.status)
        chunked = reply.headers.get("Transfer-Encoding") == "chunked"
        cut_short = reply.headers.get("X-Cut-Short")
        for key, value in reply.headers.items():
            if value is not None and key != "X-Cut-Short":
                self.send_header(key, str(value))
        if not chunked and reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if chunked:
            half = len(reply.body) // 2
            for part in (reply.body[:half], reply.body[half:], b""):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        else:
            self.wfile.write(reply.body[:cut_short])
        self.wfile.flush()
        self.close_connection |= cut_short is not None

    def received(self, body):
        path = self.path.removeprefix(MOVED)
        label, _, operation = path.removeprefix(self.server.upstream.mount).strip("/").rpartition("/")
        user = password = client = None
        scheme, _, value = (self.headers.get("Authorization") or "").partition(" ")
        if scheme == "Basic":
            user, _, password = base64.b64decode(value).decode().partition(":")
        if isinstance(self.connection, ssl.SSLSocket) and self.connection.getpeercert():
            client = x509.load_der_x509_certificate(self.connection.getpeercert(True)).subject.rfc4514_string()
        csr = None
        if operation in ("simpleenroll", "simplereenroll"):
            try:
                csr = base64.b64decode(body, validate=False)
            except ValueError:
                pass
        return Received(self.command, self.path, operation, label or None, self.headers, body, csr, client, user, password)


class UpstreamEst:
    """
    directory: where its files go, which the servers' user can read. name: of this one, in files and subjects. label: the last
    part of its URL, or None; a request with another one is answered with 404.
    """

    def __init__(self, directory, name="upstream", label=None, tls=True, mount=MOUNT):
        self.name, self.label, self.mount = name, label, mount
        self.directory = run.make_directory(os.path.join(directory, name))
        self.lock_of_port = run.Port()
        self.port = self.lock_of_port.number
        self.changed = threading.Condition()
        self.server = self.thread = None
        # TLS: apart from the CA that issues, so that new_ca() changes nothing here
        self.tls_root = pki.CertificateAuthority(f"O={name},CN=TLS Root")
        self.clients = pki.CertificateAuthority(f"O={name},CN=Clients CA")
        self.ra = self.clients.issue(f"O={name},CN=RA")
        self.context = self.make_context() if tls else None
        # What the tests set
        self.mode, self.next_modes = "issue", []
        self.cacerts_mode = "good"
        self.csrattrs = None         # DER; None: 204 (but mode demand-binding)
        self.latency = 0             # seconds between a request for a certificate and its answer
        self.idempotent = True
        self.elsewhere = None        # a URL like that of url
        self.retry_after = 7         # a number, another text, or None: no such header
        self.refuse_status, self.refuse_text = 403, "the registration authority is not entitled to this name"
        self.credentials = None      # (user, password) that Basic must have; None: not looked at
        self.certificate_wanted = False  # refuses who has no TLS client certificate (401)
        self.lifetime = 30           # days
        self.eku, self.usage = [pki.CLIENT_AUTH], {"digital_signature": True}
        self.extensions = []         # (value, critical), further ones of what it issues: EstCAExtensions
        # What came of it
        self.requests = []           # Received, in the order in which they were complete
        self.issued = []             # x509.Certificate
        self.errors = []             # exceptions of this file itself; stop() fails when there are any
        self.handshakes_failed = 0
        self.concurrent = self.most_concurrent = 0  # enrolments
        self.hanging = 0             # cacerts
        self.pended = set()          # CSRs that were told to come again
        self.released, self.let_go_count = set(), 0
        self.answers = {}            # CSR -> certificate
        self.root = self.issuing = None
        self.known = []              # certificates of cacerts
        self.new_ca()

    # ---- life

    def start(self):
        assert self.server is None
        self.server = Server(self)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), name=self.name, daemon=True)
        self.thread.start()
        return self

    def stop(self):
        """An outage: nobody listens, and all connections end. start() brings it back, with what it has issued."""
        server, self.server = self.server, None
        if server:
            server.shutdown()
            server.server_close()
            self.thread.join()
            with self.changed:
                self.changed.notify_all()
                for connection in server.connections:
                    cut(connection)
            run.wait_until(lambda: not server.connections, what="the end of the upstream's connections")
        assert not self.errors, self.errors

    def drop_connections(self):
        """Those that clients keep open; it goes on listening."""
        with self.changed:
            for connection in self.server.connections:
                cut(connection)

    def close(self):
        self.stop()
        self.lock_of_port.release()

    def __enter__(self):
        return self if self.server else self.start()

    def __exit__(self, *_):
        self.close()

    # ---- what tests tell it

    def release(self):
        """Those that were told to wait find their certificates."""
        with self.changed:
            self.released |= self.pended

    def let_go(self):
        """Those that hang now get their answers."""
        with self.changed:
            self.let_go_count += 1
            self.changed.notify_all()

    def new_ca(self, keep_old=False, same_name=True):
        """Another CA issues from now on, below another root. keep_old: cacerts has those of before as well."""
        generation = "" if same_name or not self.root else f" {len(self.known)}"
        self.root = pki.CertificateAuthority(f"O={self.name},CN=Root{generation}")
        self.issuing = pki.CertificateAuthority(f"O={self.name},CN=Issuing CA{generation}", self.root)
        self.known = [self.issuing.cert, self.root.cert] + (self.known if keep_old else [])

    def forget(self):
        """Of requests and certificates"""
        with self.changed:
            for collection in (self.requests, self.issued, self.pended, self.released, self.answers):
                collection.clear()
            self.most_concurrent = self.concurrent

    # ---- what tests want to know of it

    @property
    def url(self):
        scheme = "https" if self.context else "http"
        return f"{scheme}://127.0.0.1:{self.port}{self.mount}" + (f"/{self.label}" if self.label else "")

    @property
    def enrolments(self):
        return [request for request in self.requests if request.csr is not None]

    def count(self, operation):
        return sum(request.operation == operation for request in list(self.requests))

    def wait_for(self, count, operation="simpleenroll"):
        """Until as many have come in"""
        run.wait_until(lambda: self.count(operation) >= count, what=f"{count} {operation} at {self.name}")

    def file(self, name, data):
        """Path of a file that the servers' user can read"""
        return run.write(os.path.join(self.directory, name), data)

    @property
    def trust(self):
        return self.file("trust.pem", self.tls_root.pem())

    def lines(self, credentials="certificate", url=True, **directives):
        """
        The directives of an <EstCA> block that forwards here. credentials: "certificate", "basic" (sets self.credentials) or
        None; directives: EstCATimeout=5 and so on, in the stead of a line here or beside them; None leaves one out.
        """
        chosen = {"EstCADriver": "est", "EstCAUpstream": self.url if url else None, "EstCATrust": self.trust}
        if credentials == "certificate":
            chosen["EstCAClientCertificate"] = self.file("ra.crt", self.ra.pem_chain())
            chosen["EstCAClientKey"] = self.file("ra.key", pki.pem_key(self.ra.key))
        elif credentials == "basic":
            self.credentials = ("ra", "upstream-secret")
            chosen["EstCAUser"] = "ra"
            chosen["EstCAPassword"] = "file:" + self.file("password", self.credentials[1] + "\n")
        return [f"    {name} {value}" for name, value in {**chosen, **directives}.items() if value is not None]

    def block(self, name="central", **more):
        return "\n".join([f"<EstCA {name}>", *self.lines(**more), "</EstCA>"])

    def pinned(self):
        """EstCACertificate and EstCAChain of the CA of now, for block(**upstream.pinned())"""
        return {"EstCACertificate": self.file("pinned.crt", self.issuing.pem()),
                "EstCAChain": self.file("pinned.chain", self.root.pem())}

    # ---- the server

    def make_context(self):
        server = self.tls_root.issue("CN=localhost", san=[x509.DNSName("localhost"), x509.IPAddress(LOOPBACK)],
                                     eku=(pki.SERVER_AUTH,))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file("server.pem", server.pem_chain() + pki.pem_key(server.key)))
        context.load_verify_locations(cadata=self.clients.pem().decode())
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def serve(self, request):
        enrols = request.operation in ("simpleenroll", "simplereenroll") and request.method == "POST"
        with self.changed:
            self.requests.append(request)
            mode = self.next_modes.pop(0) if enrols and self.next_modes else self.mode
            let_go, server = self.let_go_count, self.server
            if enrols:
                self.concurrent += 1
                self.most_concurrent = max(self.most_concurrent, self.concurrent)
        try:
            return self.answer(request, enrols, mode, let_go, server)
        finally:
            if enrols:
                with self.changed:
                    self.concurrent -= 1

    def answer(self, request, enrols, mode, let_go, server):
        if request.label != self.label:
            return text(404, f"no label {request.label}")
        if enrols:
            refusal = self.check(request)
            if refusal:
                return refusal
            reply = self.enrol(request, mode)
            with self.changed:
                if self.latency:
                    self.changed.wait_for(lambda: self.server is not server, self.latency)
                if mode == "hang":
                    self.changed.wait_for(lambda: self.let_go_count > let_go or self.server is not server)
            return reply
        if request.method == "GET" and request.operation == "cacerts":
            return self.cacerts(let_go, server)
        if request.method == "GET" and request.operation == "csrattrs":
            attributes = self.csrattrs
            if mode == "demand-binding" and attributes is None:
                attributes = der.seq(der.oid(pki.CHALLENGE_PASSWORD))
            return Reply(204) if attributes is None else Reply(200, {"Content-Type": "application/csrattrs"}, b64(attributes))
        return text(404, "no such operation")

    def check(self, request):
        """The refusal of who is not let in, or of what is no request; None: go on"""
        if self.credentials and (request.user, request.password) != self.credentials:
            return text(401, "who are you?", **{"WWW-Authenticate": 'Basic realm="upstream"'})
        if self.certificate_wanted and not request.client:
            return text(401, "a client certificate is wanted", **{"WWW-Authenticate": 'Basic realm="upstream"'})
        if request.headers.get_content_type() != "application/pkcs10":
            return text(415, "application/pkcs10 is wanted")
        try:
            csr = x509.load_der_x509_csr(request.csr)
        except ValueError as error:
            return text(400, f"no request: {error}")
        return None if csr.is_signature_valid else text(400, "the request's signature is wrong")

    def enrol(self, request, mode):
        assert mode in MODES, mode
        retry = {"Retry-After": self.retry_after}
        fixed = {
            "refuse": lambda: text(self.refuse_status, self.refuse_text),
            "demand-binding": lambda: text(400, "challengePassword is missing"),
            "redirect-elsewhere": lambda: text(307, "elsewhere", Location=self.elsewhere + "/simpleenroll"),
            "garbage": lambda: self.certificates(b"\x30\x82\x01garbage"),
            "not-base64": lambda: Reply(200, {"Content-Type": "text/html"}, b"<html>Welcome</html>"),
            "latin-1": lambda: Reply(200, {"Content-Type": "text/pl\xe4in"}, "schön".encode("latin-1")),
            "empty": lambda: Reply(200, {"Content-Type": ENROLLED}),
            "huge": lambda: Reply(200, {"Content-Type": ENROLLED}, b"A" * (4 << 20)),
            "no-certificate": lambda: self.certificates(certs_only([])),
            "only-chain": lambda: self.certificates(certs_only(self.known)),
            "http-204": lambda: Reply(204), "http-404": lambda: text(404, "not found"),
            "http-429": lambda: text(429, "too many requests", **retry),
            "http-500": lambda: text(500, "internal error"), "http-502": lambda: text(502, "bad gateway"),
            "bad-gateway": lambda: Reply(502, {"Content-Type": "text/html"}, b"<html><h1>502 Bad Gateway</h1></html>"),
            "http-503": lambda: text(503, "out of service", **retry),
        }
        if mode == "redirect" and not request.path.startswith(MOVED):
            return text(302, "moved", Location=MOVED + request.path)
        if mode in fixed:
            return fixed[mode]()
        if mode == "pend":
            with self.changed:
                if request.csr not in self.released:
                    self.pended.add(request.csr)
                    return Reply(202, retry)
        cert = self.certificate(request.csr, mode if mode in WRONG else "issue")
        reply = self.certificates(certs_only([cert, *(self.known if mode == "bare" else [])]))
        if mode == "blanks":
            return reply._replace(body=b" \t\r\n" + b64(base64.b64decode(reply.body), 20, "\r\n"))
        if mode == "chunked":
            return reply._replace(headers={**reply.headers, "Transfer-Encoding": "chunked"})
        if mode == "truncated":
            return reply._replace(headers={**reply.headers, "X-Cut-Short": len(reply.body) // 2})
        return {"close": reply._replace(body=None), "http-504": text(504, "gateway timeout")}.get(mode, reply)

    def cacerts(self, let_go, server):
        mode = self.cacerts_mode
        assert mode in CACERTS_MODES, mode
        if mode == "hang":
            with self.changed:
                self.hanging += 1
                self.changed.wait_for(lambda: self.let_go_count > let_go or self.server is not server)
                self.hanging -= 1
        if mode.startswith("http-"):
            return text(int(mode[5:]), "no cacerts today")
        return {
            "close": Reply(200, body=None), "garbage": self.certificates(b"\x30\x82\x01garbage"),
            "not-base64": Reply(200, {"Content-Type": "text/html"}, b"<html>Welcome</html>"),
            "empty": Reply(200, {"Content-Type": ENROLLED}), "huge": Reply(200, {"Content-Type": ENROLLED}, b"A" * (4 << 20)),
            "end-entity": self.certificates(certs_only([self.ra.cert])),
        }.get(mode) or self.certificates(certs_only(self.known))

    @staticmethod
    def certificates(message):
        return Reply(200, {"Content-Type": ENROLLED, "Content-Transfer-Encoding": "base64"}, b64(message))

    def certificate(self, csr, how):
        with self.changed:
            cert = self.answers.get((csr, how)) if self.idempotent else None
            if cert is None:
                cert = self.sign(x509.load_der_x509_csr(csr), how)
                self.answers[csr, how] = cert
                self.issued.append(cert)
            return cert

    def sign(self, csr, how):
        ca = self.issuing
        if how == "wrong-issuer":
            ca = pki.CertificateAuthority("O=Elsewhere,CN=Issuing CA")
        elif how == "wrong-signature":
            ca = pki.CertificateAuthority(f"O={self.name},CN=Issuing CA", self.root)
        key = pki.make_key().public_key() if how == "wrong-key" else csr.public_key()
        begin, end = pki.now() - pki.days(1), pki.now() + pki.days(3650 if how == "long" else self.lifetime)
        if how == "expired":
            begin, end = pki.now() - pki.days(30), pki.now() - pki.days(1)
        usage = {**self.usage, **({"key_cert_sign": True} if how == "ca-certificate" else {})}
        eku = [*self.eku, *([ExtendedKeyUsageOID.CODE_SIGNING] if how == "extra-eku" else [])]
        builder = (x509.CertificateBuilder().subject_name(pki.name("CN=somebody-else") if how == "wrong-name" else csr.subject)
                   .issuer_name(ca.cert.subject).public_key(key).serial_number(x509.random_serial_number())
                   .not_valid_before(begin).not_valid_after(end)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), False)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
                   .add_extension(pki.key_usage(**usage), True))
        if how == "ca-certificate":
            builder = builder.add_extension(x509.BasicConstraints(True, None), True)
        if eku:
            builder = builder.add_extension(x509.ExtendedKeyUsage(eku), False)
        names = [] if how == "no-san" else names_of(csr)
        if how == "extra-san":
            names.append(x509.DNSName("extra.example"))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), not list(csr.subject))
        for value, critical in self.extensions:
            builder = builder.add_extension(value, critical)
        if how == "extra-extension":
            builder = builder.add_extension(x509.UnrecognizedExtension(OCSP_NO_CHECK, b"\x05\x00"), False)
        return builder.sign(ca.key, pki.hash_for(ca.key))


def names_of(csr):
    try:
        return list(csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []
