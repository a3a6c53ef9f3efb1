# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
EST clients: EstClient (http.client, one TLS connection kept open), curl() (the program), raw() (octet by octet).
All return an Answer and tell the site's ledger of certificates they were given.
"""

import base64
import http.client
import os
import re
import socket
import ssl
import subprocess
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from . import pki, run

ENROLLED = "application/pkcs7-mime; smime-type=certs-only"
LIMIT = 20 * run.SLOW
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def is_ca(cert):
    try:
        return cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        return self.headers.get(name)

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def reason(self):
        """The token at the start of an error body."""
        return self.text.split(":", 1)[0]

    def der(self):
        """What the base64 holds. Strict: nothing but the alphabet and line breaks (RFC 8951 3)."""
        return base64.b64decode(self.body.replace(b"\r", b"").replace(b"\n", b""), validate=True)

    def certs(self):
        return pkcs7.load_der_pkcs7_certificates(self.der())

    def cert(self):
        """The one certificate of an enrolment."""
        assert self.status == 200, f"{self.status} {self.text!r}"
        found = self.certs()
        assert len(found) == 1, f"{len(found)} certificates"
        return found[0]

    def enter(self, site):
        if self.status == 200 and (self.header("Content-Type") or "").startswith(ENROLLED):
            for cert in self.certs():
                if not is_ca(cert):
                    site.ledger.add(cert.public_bytes(serialization.Encoding.DER))
        return self


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def b64(data):
    return base64.b64encode(data) + b"\n"


def context(site, identity=None, tls=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(cadata=site.pki.root.pem().decode())
    if tls:
        made.minimum_version = made.maximum_version = VERSIONS[tls]
    if identity:
        made.load_cert_chain(identity.file())
    return made


def connect(site, identity=None, tls=None, made=None):
    """made: the context that an earlier call of context() has made, for many connections"""
    sock = socket.create_connection(("127.0.0.1", site.port), LIMIT)
    return (made or context(site, identity, tls)).wrap_socket(sock, server_hostname="localhost")


class EstClient:
    """One connection, opened by the first request. user and password, identity: what it authenticates with."""

    def __init__(self, site, user=None, password=None, identity=None, tls=None, mount=None):
        self.site, self.identity, self.tls = site, identity, tls
        self.mount = mount or site.mount
        self.authorization = basic(user, password) if user is not None else None
        self.connection = None

    def open(self):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(
                "localhost", self.site.port, timeout=LIMIT, context=context(self.site, self.identity, self.tls))
            self.connection.connect()
        return self.connection

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def path(self, operation, label=None):
        return "/".join([self.mount] + ([label] if label else []) + [operation])

    def request(self, method, path, body=None, headers=None):
        """path: an operation of alias est when it has no slash. headers: User-Agent None leaves it out."""
        if not path.startswith("/"):
            path = self.path(path)
        headers = {"User-Agent": "est-test", **(headers or {})}
        if headers["User-Agent"] is None:
            del headers["User-Agent"]
        if self.authorization:
            headers.setdefault("Authorization", self.authorization)
        connection = self.open()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except BaseException:
            self.close()
            raise
        if response.will_close:
            self.close()
        return answer.enter(self.site)

    def get(self, operation, label=None, **more):
        return self.request("GET", self.path(operation, label), **more)

    def post(self, operation, body, label=None, headers=None, content_type="application/pkcs10"):
        headers = dict(headers or {})
        if content_type is not None:
            headers.setdefault("Content-Type", content_type)
        return self.request("POST", self.path(operation, label), body, headers)

    def enroll(self, csr, label=None, headers=None):
        return self.post("simpleenroll", b64(csr), label, headers)

    def reenroll(self, csr, label=None, headers=None):
        return self.post("simplereenroll", b64(csr), label, headers)

    def tls_unique(self):
        """Of the open connection; only TLS 1.2 has it."""
        return self.open().sock.get_channel_binding("tls-unique")


def raw(site, data, identity=None, tls=None, end=False):
    """Sends data as it is and returns the first answer. end: closes our direction afterwards."""
    with connect(site, identity, tls) as sock:
        sock.sendall(data)
        if end:
            sock.unwrap()
        response = http.client.HTTPResponse(sock, method="HEAD" if data.startswith(b"HEAD ") else None)
        response.begin()
        return Answer(response.status, response.headers, response.read()).enter(site)


def raw_all(site, data, identity=None, tls=None):
    """All that the server sends until it closes: ask it to (Connection: close)."""
    received = b""
    with connect(site, identity, tls) as sock:
        sock.sendall(data)
        while True:
            try:
                part = sock.recv(65536)
            except ssl.SSLEOFError:
                break
            if not part:
                break
            received += part
    return received


def curl(site, path, *arguments, user=None, identity=None, stdin=None):
    """The program curl. path as in EstClient.request; user: "name:password"; stdin: what it reads from "-"."""
    if not path.startswith("/"):
        path = site.mount + "/" + path
    with tempfile.TemporaryDirectory(dir=pki.Identity.directory) as directory:
        ca, head, body = (os.path.join(directory, name) for name in ("ca", "head", "body"))
        with open(ca, "wb") as file:
            file.write(site.pki.root.pem())
        argv = ["curl", "--silent", "--show-error", "--max-time", str(LIMIT), "--cacert", ca, "--dump-header", head, "--output", body,
                "--resolve", f"localhost:{site.port}:127.0.0.1", *arguments]
        if user:
            argv += ["--user", user]
        if identity:
            argv += ["--cert", identity.file()]
        done = subprocess.run([*argv, f"https://localhost:{site.port}{path}"], input=stdin or b"", stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False, env={"PATH": os.environ["PATH"], "HOME": directory})
        assert done.returncode == 0, done.stderr.decode()
        with open(head, "rb") as file:
            blocks = file.read().decode().strip().split("\r\n\r\n")
        content = b""
        if os.path.exists(body):
            with open(body, "rb") as file:
                content = file.read()
    lines = blocks[-1].split("\r\n")
    headers = http.client.HTTPMessage()
    for line in lines[1:]:
        key, _, value = line.partition(":")
        headers[key] = value.strip()
    answer = Answer(int(re.match(r"HTTP/\S+ (\d+)", lines[0]).group(1)), headers, content)
    answer.version = lines[0].split(" ")[0]
    return answer.enter(site)
