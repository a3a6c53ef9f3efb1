# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""conf/est.conf is clean, and each of its directives is in force; conf/quickstart/httpd.conf agrees with it."""

import base64
import os
import re
import socket
import subprocess

import pytest

from harness import run
from harness.client import connect, context, raw, raw_all
from harness.form import check_refusal, chunked, enrol, enrol_head, head
from harness.httpd import SHIPPED, TOP
from harness.openssl import s_client
from harness.pki import make_csr, make_key

SITE = {"shipped": True}
TEXT = base64.b64encode(make_csr(make_key()))
ACTIVE = re.compile(r"^\s*([A-Z]\w*)\s+(.*?)\s*$", re.M)


def directives(path):
    """[(name, arguments)] of the lines that are no comments, blocks left out"""
    with open(path, encoding="ascii") as file:
        return ACTIVE.findall(file.read())


def test_configtest_of_the_shipped_file_is_clean(site):
    assert site.httpd.check() == (0, "Syntax OK\n")


def test_it_starts_without_a_warning(site):
    assert not [line for line in site.log_lines() if re.search(r":(warn|error|crit|alert|emerg)\]", line)]


def negotiated(site, ciphers):
    made = context(site, None, "1.2")
    made.set_ciphers(ciphers)
    with socket.create_connection(("127.0.0.1", site.port), 20) as sock, made.wrap_socket(sock, server_hostname="localhost") as tls:
        return tls.cipher()[0]


def without_sni(site):
    made = context(site)
    made.check_hostname = False
    with socket.create_connection(("127.0.0.1", site.port), 20) as sock, made.wrap_socket(sock) as tls:
        tls.sendall(head(site))
        return tls.recv(20)


def silent(site):
    """A connection that says next to nothing, until the server closes it: 10 s. (The kernel keeps back those that say nothing.)"""
    with socket.create_connection(("127.0.0.1", site.port), 30 * run.SLOW) as sock:
        sock.sendall(b"\x16")
        return sock.recv(10)


def keep_alive(site):
    return raw(site, head(site, "Connection: keep-alive")).header("Keep-Alive")


def alpn(site):
    made = context(site)
    made.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", site.port), 20) as sock, made.wrap_socket(sock, server_hostname="localhost") as tls:
        return tls.selected_alpn_protocol()


def trailing(site):
    octets = enrol_head(site, "Transfer-Encoding: chunked", "User-Agent: a")
    line = re.search(rb"Authorization: [^\r]*\r\n", octets).group()
    return raw(site, octets.replace(line, b"") + chunked(TEXT)[:-2] + line + b"\r\n").status


def resumes(site, tls):
    shared = context(site, None, tls)
    sessions = []
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", site.port), 20) as sock, \
                shared.wrap_socket(sock, server_hostname="localhost", session=sessions[-1] if sessions else None) as sock:
            sock.sendall(head(site))
            sock.recv(100)
            sessions.append(sock.session)
    return sock.session_reused or sessions[0].has_ticket


def challenge(site):
    return raw(site, enrol(site, TEXT, "User-Agent: a").replace(b"Authorization", b"X")).header("WWW-Authenticate")


def bag(site):
    return {cert.subject.rfc4514_string() for cert in raw(site, head(site)).certs()}


# directive -> (what shows it, what that gives)
IN_FORCE = {
    "EstDatabase": (lambda s: raw(s, enrol(s, TEXT)).cert() and s.counts() > 0, True),
    "EstCADriver": (lambda s: raw(s, enrol(s, TEXT)).cert().issuer == s.pki.issuing.cert.subject, True),
    "EstCACertificate": (lambda s: "CN=Issuing CA,O=Test" in bag(s), True),
    "EstCAKey": (lambda s: raw(s, enrol(s, TEXT)).status, 200),
    "EstCAChain": (lambda s: "CN=Root,O=Test" in bag(s), True),
    "ServerName": (lambda s: raw(s, head(s)).status, 200),
    "LogLevel": (lambda s: raw(s, head(s)).status == 200 and any("[est:info]" in line for line in s.httpd.log.since(0)), True),
    "SSLEngine": (lambda s: connect(s).close(), None),
    "SSLCertificateFile": (lambda s: s_client(s, "-showcerts").count("-----BEGIN CERTIFICATE-----"), 2),
    "SSLCertificateKeyFile": (lambda s: "Verify return code: 0 (ok)" in s_client(s), True),
    "SSLProtocol": (lambda s: ["alert number 70" in s_client(s, f"-tls1_{minor}" if minor else "-tls1", "-cipher", "DEFAULT@SECLEVEL=0")
                               for minor in range(4)], [True, True, False, False]),
    "SSLCipherSuite": (lambda s: "alert number 40" in s_client(s, "-tls1_2", "-cipher", "kRSA:PSK:aNULL:eNULL:CAMELLIA:ARIA:@SECLEVEL=0"), True),
    "SSLHonorCipherOrder": (lambda s: negotiated(s, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"), "ECDHE-ECDSA-AES256-GCM-SHA384"),
    "SSLCompression": (lambda s: "Compression: NONE" in s_client(s, "-tls1_2", "-comp"), True),
    "SSLInsecureRenegotiation": (lambda s: "Secure Renegotiation IS supported" in s_client(s, "-tls1_2"), True),
    "SSLSessionTickets": (lambda s: [resumes(s, tls) for tls in ("1.2", "1.3")], [False, False]),
    "SSLStrictSNIVHostCheck": (lambda s: without_sni(s)[:12], b"HTTP/1.1 200"),
    "SSLVerifyClient": (lambda s: "Requested Signature Algorithms" in s_client(s) and raw(s, head(s)).status, 200),
    "EstVerifyClient": (lambda s: raw(s, head(s, target="/")).reason, "vhost_reserved"),
    "Protocols": (alpn, "http/1.1"),
    "HttpProtocolOptions": (lambda s: [raw(s, octets).status for octets in (
        head(s).replace(b"\r\n", b"\n"), head(s, method="FOO"), f"GET {s.mount}/cacerts\r\n".encode())], [400, 501, 400]),
    "TraceEnable": (lambda s: raw(s, head(s, method="TRACE", target="/")).status, 405),
    "AllowEncodedSlashes": (lambda s: raw(s, head(s, target="est%2Fcacerts")).status, 404),
    "MergeTrailers": (trailing, 401),
    "LimitRequestLine": (lambda s: [raw(s, head(s, target="a" * n)).status for n in (8100, 8200)], [404, 414]),
    "LimitRequestFields": (lambda s: [raw(s, head(s, *["X: a"] * n)).status for n in (63, 64)], [200, 400]),
    "LimitRequestFieldSize": (lambda s: [raw(s, head(s, "X: " + "a" * n)).status for n in (8180, 8200)], [200, 400]),
    "RequestReadTimeout": (silent, b""),
    "KeepAlive": (lambda s: raw_all(s, head(s) + head(s, "Connection: close")).count(b"HTTP/1.1 200 OK"), 2),
    "KeepAliveTimeout": (lambda s: keep_alive(s).split(", ")[0], "timeout=5"),
    "MaxKeepAliveRequests": (lambda s: keep_alive(s).split(", ")[1], "max=100"),
    "EstEngine": (lambda s: raw(s, head(s)).status, 200),
    "AuthType": (lambda s: challenge(s).split(" ")[0], "Basic"),
    "AuthName": (lambda s: challenge(s).split(" ")[1], 'realm="EST"'),
    "AuthBasicProvider": (lambda s: raw(s, enrol(s, TEXT)).status, 200),
    "Require": (lambda s: raw(s, enrol(s, TEXT, operation="simplereenroll")).reason, "certificate_required"),
}


def test_the_table_has_each_directive_of_the_file():
    assert [name for name, _ in directives(SHIPPED)] == list(IN_FORCE), "in the order of the file, each once"


@pytest.mark.parametrize("name", IN_FORCE)
def test_directive_is_in_force(site, name, allow_log):
    allow_log("AH00565", "AH00127", "AH00026")
    what, expected = IN_FORCE[name]
    assert what(site) == expected


def test_the_limits_leave_room_for_what_is_valid(site):
    check_refusal(raw(site, enrol(site, TEXT, operation="a" * 64 + "/simpleenroll")), 400, "alias_unknown")
    assert raw(site, enrol(site, TEXT.ljust(65536))).status == 200


# What belongs to the machine or to the demo; "on shared": beside EST it serves a file to compare speeds with
OWN = ("EstDatabase", "EstCACertificate", "EstCAKey", "EstCAChain", "ServerName", "SSLCertificateFile", "SSLCertificateKeyFile", "EstVerifyClient",
       "Require")


def test_quickstart_has_the_same_settings():
    demo = dict(directives(os.path.join(TOP, "conf", "quickstart", "httpd.conf")))
    assert {name: demo.get(name) for name, _ in directives(SHIPPED) if name not in OWN} == \
        {name: value for name, value in directives(SHIPPED) if name not in OWN}


def test_strongswan_can_agree_with_its_tls(site, tmp_path):
    """A client that knows TLS 1.2 only and sends no SNI for an address"""
    root = tmp_path / "root.pem"
    root.write_bytes(site.pki.root.pem())
    done = subprocess.run(["pki", "--estca", "--url", f"https://localhost:{site.port}", "--cacert", str(root), "--caout", str(tmp_path / "ca")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60 * run.SLOW)
    assert done.returncode == 0, done.stdout.decode()
