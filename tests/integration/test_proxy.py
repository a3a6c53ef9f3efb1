# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Clients behind a proxy that ends their TLS connection (EstTrustedProxy, EstClientCertHeader): requests made by hand, from
addresses that are trusted and not, and a real httpd with mod_proxy in front.
"""

import base64
import http.client
import os
import socket
import urllib.parse

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness import run
from harness.client import LIMIT, Answer, EstClient, b64, basic, context, curl
from harness.httpd import MODULES, USER_NOT_FOUND, Config, Httpd
from harness.pki import CLIENT_AUTH, CertificateAuthority, days, make_csr, make_key, now
from harness.site import BAD_HTTPD

PROXY, STRANGER, OTHER_PROXY = "127.0.0.1", "127.0.0.2", "127.0.0.3"
LOCATION = """
    <Location "/.well-known/est">
        EstEngine on
        AuthType Basic
        AuthName "EST"
        AuthBasicProvider est
        Require est
        Header always set X-Seen "expr=[%{HTTP:Client-Cert}%{HTTP:Client-Cert-Chain}]"
        Header always set X-Seen-Early yes env=SEEN
    </Location>"""
PLAIN = """
</VirtualHost>
Listen {address}:{port} http
<VirtualHost {address}:{port}>
    ServerName localhost
    {directives}"""
TRUST = f"EstTrustedProxy {PROXY} {OTHER_PROXY}/32 ::1\n    EstClientCertHeader "
SEEN = 'SetEnvIf Client-Cert "." SEEN\n    SetEnvIf Client-Cert-Chain "." SEEN\n    '


def has_ipv6():
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


def plain_host(address, port, directives):
    return PLAIN.format(address=address, port=port, directives=directives) + LOCATION


@pytest.fixture(scope="module")
def ports():
    locks = {name: run.Port() for name in ("plain", "pem", "xfcc", "none")}
    yield {name: lock.number for name, lock in locks.items()}
    for lock in locks.values():
        lock.release()


@pytest.fixture(scope="module")
def site(make_site, ports):
    site = make_site("proxy", start=False, modules=("headers", "http2", "remoteip"), protocols="h2 http/1.1")
    trust = TRUST + "rfc9440\n    " + SEEN
    # A mod_remoteip that believes strangers has no say in who the proxy is
    site.config.vhost = trust + f"RemoteIPHeader X-Forwarded-For\n    RemoteIPInternalProxy {PROXY} {STRANGER}"
    site.config.location = LOCATION.partition("Require est\n")[2].partition("</Location>")[0]
    site.config.locations = "".join([
        plain_host("127.0.0.1", ports["plain"], trust), plain_host("127.0.0.1", ports["pem"], TRUST + "PEM X-My-Cert"),
        plain_host("127.0.0.1", ports["xfcc"], TRUST + "xfcc"), plain_host("127.0.0.1", ports["none"], ""),
        plain_host("[::1]", ports["plain"], trust) if has_ipv6() else ""])
    return site.start()


@pytest.fixture(scope="module")
def label(site):
    label = site.alias()
    site.held = site.holder("CN=dev1", label)
    site.sql("UPDATE alias SET auth_enroll = 'cert' WHERE name = %s", label)
    return label


def der(cert):
    return cert.public_bytes(serialization.Encoding.DER)


def sequence(cert):
    """Byte Sequence of RFC 8941 3.3.5"""
    return ":" + base64.b64encode(der(cert)).decode() + ":"


def pem(*certs):
    return b"".join(cert.public_bytes(serialization.Encoding.PEM) for cert in certs).decode()


def connection(site, source, identity, port):
    """port None: TLS, as site.client; else plain HTTP"""
    if port is None:
        return http.client.HTTPSConnection("localhost", site.port, timeout=LIMIT, context=context(site, identity), source_address=(source, 0))
    return http.client.HTTPConnection("::1" if ":" in source else "127.0.0.1", port, timeout=LIMIT, source_address=(source, 0))


def ask(site, path, *headers, source=PROXY, identity=None, port=None, csr=None, user=None, password=None):
    """headers: (name, value); each is sent as a line of its own. csr: a POST with it."""
    body = b64(csr) if csr else b""
    opened = connection(site, source, identity, port)
    try:
        opened.putrequest("POST" if csr else "GET", f"{site.mount}/{path}")
        for name, value in headers:
            opened.putheader(name, value)
        opened.putheader("User-Agent", "est-test")
        if user:
            opened.putheader("Authorization", basic(user, password or site.PASSWORD))
        if csr:
            opened.putheader("Content-Type", "application/pkcs10")
            opened.putheader("Content-Length", str(len(body)))
        opened.endheaders(body)
        response = opened.getresponse()
        answer = Answer(response.status, response.headers, response.read()).enter(site)
    finally:
        opened.close()
    assert answer.header("X-Seen") in (None, "[]"), "another module saw the header"
    assert answer.header("X-Seen-Early") is None, "another module saw the header"
    return answer


def enroll(site, label, *headers, subject="CN=dev1", **more):
    return ask(site, f"{label}/simpleenroll", *headers, csr=make_csr(make_key(), subject), **more)


# --- who is believed

@pytest.mark.parametrize("source", [PROXY, OTHER_PROXY, *(["::1"] if has_ipv6() else [])])
@pytest.mark.parametrize("hop", ["tls", "plain"])
def test_AUTH_09_the_certificate_in_a_trusted_proxys_header_is_the_clients(site, label, ports, source, hop):
    port = None if hop == "tls" and ":" not in source else ports["plain"]
    held = ("Client-Cert", sequence(site.held.cert))
    assert enroll(site, label, held, source=source, port=port).status == 200
    answer = ask(site, f"{label}/simplereenroll", held, source=source, port=port, csr=make_csr(make_key(), "CN=dev1"))
    assert answer.cert().subject == site.held.cert.subject
    assert enroll(site, label, held, source=source, port=port, subject="CN=dev2").reason == "name_not_yours"


@pytest.mark.parametrize("hop", ["tls", "plain"])
def test_AUTH_09_A_02_nobody_else_is_believed(site, label, ports, hop, allow_log):
    """mod_remoteip makes the stranger's address that of the proxy"""
    port = None if hop == "tls" else ports["plain"]
    answer = enroll(site, label, ("Client-Cert", sequence(site.held.cert)), ("X-Forwarded-For", PROXY), source=STRANGER, port=port)
    assert (answer.status, answer.reason) == (403, "certificate_required" if port is None else "tls_required")
    answer = enroll(site, label, ("Client-Cert", "rubbish"), source=STRANGER, port=port)
    assert answer.status == 403, "what a stranger sends is not even read"


def test_A_02_a_host_without_the_directives_does_not_know_the_header(site, label, ports):
    answer = enroll(site, label, ("Client-Cert", sequence(site.held.cert)), port=ports["none"])
    assert (answer.status, answer.reason) == (403, "tls_required")


def test_a_client_that_comes_without_the_proxy_has_its_own_certificate(site, label):
    other = site.pki.foreign.issue("CN=other")
    assert enroll(site, label, source=STRANGER, identity=site.held).status == 200
    answer = enroll(site, label, ("Client-Cert", sequence(other.cert)), source=STRANGER, identity=site.held)
    assert answer.status == 200, "the header of a stranger is nothing"


@pytest.mark.parametrize("header", [(), ("foreign",)])
def test_the_proxys_own_certificate_is_no_clients(site, label, header):
    headers = [("Client-Cert", sequence(site.pki.foreign.issue("CN=dev1").cert)) for _ in header]
    answer = enroll(site, label, *headers, identity=site.held)
    assert (answer.status, answer.reason) == (403, "certificate_required")


def test_no_header_is_no_certificate(site, label):
    assert enroll(site, label).reason == "certificate_required"
    assert ask(site, "cacerts").status == 200
    assert ask(site, "simpleenroll", csr=make_csr(make_key())).status == 401


def test_AUTH_03_passwords_pass(site, ports, expect_log):
    expect_log(USER_NOT_FOUND)
    both = site.alias(auth_enroll="basic-and-cert")
    site.sql("UPDATE alias SET auth_enroll = 'basic' WHERE name = %s", both)
    held = ("Client-Cert", sequence(site.holder("CN=both", both).cert))
    site.sql("UPDATE alias SET auth_enroll = 'basic-and-cert' WHERE name = %s", both)
    for port in (None, ports["plain"]):
        assert enroll(site, "est", user=site.user, port=port).status == 200
        assert enroll(site, both, held, user=site.user, port=port).status == 200
        assert enroll(site, both, held, port=port).status == 401
        assert enroll(site, both, user=site.user, port=port).reason == "certificate_required"
        assert enroll(site, both, held, user="somebody", password="wrong", port=port).status == 401


# --- the chain is ours to judge

def test_chain_certificates_of_the_second_header(site):
    label = site.alias(auth_enroll="cert", unknown_holder="accept")
    vendor = CertificateAuthority("CN=Vendor")
    middle = CertificateAuthority("CN=Vendor Sub", vendor)
    site.sql("INSERT INTO trust_anchor (alias_id, certificate) SELECT id, %s FROM alias WHERE name = %s", vendor.der(), label)
    leaf = ("Client-Cert", sequence(middle.issue("CN=box").cert))
    chain = ("Client-Cert-Chain", f"{sequence(middle.cert)}, {sequence(vendor.cert)}")
    # With the chain, without it, with it: a verdict that is remembered is that of leaf and chain
    for _ in range(2):
        assert enroll(site, label, leaf, chain, subject="CN=box").status == 200
        assert enroll(site, label, leaf, subject="CN=box").reason == "certificate_required"
    # A List may come in several lines (RFC 8941 4.2)
    parts = [("Client-Cert-Chain", sequence(cert)) for cert in (middle.cert, vendor.cert)]
    assert enroll(site, label, leaf, *parts, subject="CN=box").status == 200


def test_A_10_a_chain_brings_no_anchor(site, label):
    """All that the sender vouches for is a root of its own"""
    impostor = CertificateAuthority("O=Test,CN=Root")
    middle = CertificateAuthority("O=Test,CN=Issuing CA", impostor)
    chain = ("Client-Cert-Chain", f"{sequence(middle.cert)}, {sequence(impostor.cert)}")
    answer = enroll(site, label, ("Client-Cert", sequence(middle.issue("CN=dev1").cert)), chain)
    assert (answer.status, answer.reason) == (403, "certificate_required")


def test_A_07_A_09_expired_and_revoked(site, label, expect_log):
    expired = site.pki.issuing.issue("CN=dev1", not_before=now() - days(9), not_after=now() - days(1))
    answer = enroll(site, label, ("Client-Cert", sequence(expired.cert)))
    assert (answer.status, answer.reason) == (403, "certificate_refused")
    site.sql("UPDATE alias SET auth_enroll = 'basic' WHERE name = %s", label)
    gone = site.holder("CN=gone", label)
    site.sql("UPDATE alias SET auth_enroll = 'cert' WHERE name = %s", label)
    site.revoke(gone.cert)
    answer = enroll(site, label, ("Client-Cert", sequence(gone.cert)), subject="CN=gone")
    assert (answer.status, answer.reason) == (403, "certificate_revoked")


# --- forms

def test_form_pem(site, label, ports):
    escaped = urllib.parse.quote(pem(site.held.cert))
    for value in (escaped, base64.b64encode(der(site.held.cert)).decode(), pem(site.held.cert).replace("\n", " "),
                  urllib.parse.quote(pem(site.held.cert, *site.held.chain))):
        assert enroll(site, label, ("X-My-Cert", value), port=ports["pem"]).status == 200
    # The usual name of the form is another here
    answer = enroll(site, label, ("X-SSL-Client-Cert", escaped), ("Client-Cert", escaped), port=ports["pem"])
    assert answer.reason == "certificate_required"


def test_form_xfcc(site, label, ports):
    other = site.pki.foreign.issue("CN=other")
    own, others = (f'Hash=00;Cert="{urllib.parse.quote(pem(identity.cert))}";Subject="CN=x";URI=' for identity in (site.held, other))
    header = "X-Forwarded-Client-Cert"
    assert enroll(site, label, (header, own), port=ports["xfcc"]).status == 200
    assert enroll(site, label, (header, f"{others},{own}"), port=ports["xfcc"]).status == 200
    assert enroll(site, label, (header, f"{own},{others}"), port=ports["xfcc"]).reason == "certificate_required"


# header -> why it is no certificate; {cert} is one that would do
MALFORMED = {
    "empty": "", "no_certificate": "::", "null": "(null)", "no_colons": "{base64}", "cut": "{cert:.200}:", "text": "CN=dev1",
    "parameter": "{cert};a=1", "list": "{cert}, {cert}", "trailing": "{cert}x", "url_safe": ":-_-_:", "8-bit": ":\xff:",
}


@pytest.mark.parametrize("row", MALFORMED)
def test_malformed_header_is_400_and_never_nobody(site, label, expect_log, row):
    expect_log("EST1060")
    value = MALFORMED[row].format(cert=sequence(site.held.cert), base64=base64.b64encode(der(site.held.cert)).decode())
    answer = enroll(site, label, ("Client-Cert", value), user=site.user)
    assert (answer.status, answer.reason) == (400, "proxy_certificate")
    assert "Client-Cert" not in answer.text, "to strangers nothing of the configuration is told"


def test_two_headers_are_400(site, label, ports, expect_log):
    expect_log("EST1060", "Client-Cert from 127.0.0.1", "X-My-Cert from", "X-Forwarded-Client-Cert from", "two headers")
    held, other = site.held.cert, site.pki.foreign.issue("CN=other").cert
    for certs in ((held, other), (other, held), (held, held)):
        two = [urllib.parse.quote(pem(cert)) for cert in certs]
        for name, values, port in (("Client-Cert", [sequence(cert) for cert in certs], None), ("X-My-Cert", two, ports["pem"]),
                                   ("X-My-Cert", [base64.b64encode(der(cert)).decode() for cert in certs], ports["pem"]),
                                   ("X-Forwarded-Client-Cert", [f'Cert="{value}"' for value in two], ports["xfcc"]),
                                   ("X-My-Cert", ["", two[0]], ports["pem"])):
            answer = enroll(site, label, *[(name, value) for value in values], port=port)
            assert (answer.status, answer.reason) == (400, "proxy_certificate"), name


def test_a_chain_alone_is_400(site, label, expect_log):
    expect_log("Client-Cert-Chain from 127.0.0.1 without Client-Cert")
    assert enroll(site, label, ("Client-Cert-Chain", sequence(site.pki.issuing.cert))).status == 400


def test_a_malformed_header_does_not_keep_others_from_cacerts(site, expect_log):
    """Even what is anonymous is refused: the proxy is broken, and that is to be noticed"""
    expect_log("EST1060")
    assert ask(site, "cacerts", ("Client-Cert", "rubbish")).status == 400
    assert ask(site, "cacerts", ("Client-Cert", "rubbish"), source=STRANGER).status == 200


# --- CB-10: no channel binding

@pytest.mark.parametrize("hop", ["tls", "plain"])
def test_CB_10_a_challenge_cannot_be_checked(site, ports, hop):
    port = None if hop == "tls" else ports["plain"]
    before = site.counts()
    csr = make_csr(make_key(), challenge=base64.b64encode(b"x" * 32))
    answer = ask(site, "simpleenroll", csr=csr, user=site.user, port=port)
    assert (answer.status, answer.reason) == (400, "binding_behind_proxy")
    assert "behind a proxy" in answer.text
    assert site.counts() == before


def test_CB_10_the_value_of_the_proxys_connection_is_none(site):
    """Over TLS 1.2, where both ends know tls-unique: it is that of the wrong connection"""
    with EstClient(site, site.user, site.PASSWORD, tls="1.2") as client:
        answer = client.enroll(make_csr(make_key(), challenge=base64.b64encode(client.tls_unique())))
    assert (answer.status, answer.reason) == (400, "binding_behind_proxy")


@pytest.mark.parametrize("challenge", [None, b"c2VjcmV0"])
def test_CB_10_an_alias_that_requires_it_cannot_be_used(site, expect_log, challenge):
    expect_log("EST1063: channel binding is required, but cannot be checked behind a proxy")
    required, off = site.alias(binding="required"), site.alias(binding="off")
    answer = ask(site, f"{required}/simpleenroll", csr=make_csr(make_key(), challenge=challenge), user=site.user)
    assert answer.status == 503
    assert answer.header("Retry-After")
    assert ask(site, f"{off}/simpleenroll", csr=make_csr(make_key()), user=site.user).status == 200


# --- the client's address is httpd's

def test_A_03_networks_go_by_the_clients_address(site, expect_log):
    expect_log("AH01631")
    user = site.register(names="*")
    site.sql("UPDATE client SET networks = '{203.0.113.0/24}' WHERE user_name = %s", user)
    csr = make_csr(make_key())
    assert ask(site, "simpleenroll", ("X-Forwarded-For", "203.0.113.9"), csr=csr, user=user).status == 200
    assert ask(site, "simpleenroll", ("X-Forwarded-For", "198.51.100.9"), csr=csr, user=user).reason == "network_refused"
    # Of a proxy that mod_remoteip was not told of, the address counts
    assert ask(site, "simpleenroll", ("X-Forwarded-For", "203.0.113.9"), source=OTHER_PROXY, csr=csr, user=user).reason == "network_refused"


# --- HTTP/2

def test_http2_streams_are_their_connections(site, label, tmp_path, expect_log):
    expect_log("EST1060")
    (tmp_path / "csr").write_bytes(b64(make_csr(make_key(), "CN=dev1")))
    arguments = ["--http2", "-H", "Content-Type: application/pkcs10", "--data-binary", f"@{tmp_path}/csr"]
    held = ["-H", "Client-Cert: " + sequence(site.held.cert)]
    answer = curl(site, f"{label}/simpleenroll", *arguments, *held)
    assert (answer.version, answer.status) == ("HTTP/2", 200)
    answer = curl(site, f"{label}/simpleenroll", *arguments, *held, "--interface", STRANGER)
    assert (answer.version, answer.status, answer.reason) == ("HTTP/2", 403, "certificate_required")
    answer = curl(site, f"{label}/simpleenroll", *arguments, *held, *held)
    assert (answer.version, answer.status, answer.reason) == ("HTTP/2", 400, "proxy_certificate")


# --- configuration

WRONG = {
    "proxy_without_header": ("EstTrustedProxy 127.0.0.1", ["EstClientCertHeader", "httpd.conf:"]),
    "header_without_proxy": ("EstClientCertHeader rfc9440", ["EstTrustedProxy", "httpd.conf:"]),
    "network_is_a_name": ("EstTrustedProxy proxy.example", ["EstTrustedProxy", "proxy.example"]),
    "network_cut_short": ("EstTrustedProxy 10.1", ["EstTrustedProxy", "10.1"]),
    "network_of_everybody": ("EstTrustedProxy 0.0.0.0/0", ["EstTrustedProxy", "0.0.0.0/0"]),
    "network_of_everybody_6": ("EstTrustedProxy ::/0", ["EstTrustedProxy", "::/0"]),
    "network_with_a_mask": ("EstTrustedProxy 10.0.0.0/255.0.0.0", ["EstTrustedProxy", "255.0.0.0"]),
    "network_too_long": ("EstTrustedProxy 10.0.0.0/33", ["EstTrustedProxy", "10.0.0.0/33"]),
    "second_network": ("EstTrustedProxy 10.0.0.0/8 10.0.0.0/", ["EstTrustedProxy", "10.0.0.0/"]),
    "no_network": ("EstTrustedProxy", ["EstTrustedProxy"]),
    "form": ("EstClientCertHeader der", ["EstClientCertHeader", "rfc9440, pem or xfcc"]),
    "header_name": ('EstClientCertHeader pem "X Cert"', ["EstClientCertHeader", "X Cert"]),
    "header_of_http": ("EstClientCertHeader pem host", ["EstClientCertHeader", "for something else"]),
    "too_many_words": ("EstClientCertHeader pem X-Cert more", ["EstClientCertHeader"]),
    "in_a_location": ("<Location />\nEstTrustedProxy 127.0.0.1\n</Location>", ["EstTrustedProxy"]),
}


@pytest.fixture(scope="module")
def idle(make_site):
    return make_site("proxyconf", start=False)


@pytest.mark.parametrize("row", WRONG)
def test_configuration_errors(idle, row):
    directives, texts = WRONG[row]
    idle.config.vhost = directives
    status, output = idle.httpd.check()
    output += "\n".join(idle.httpd.log.since())
    assert status != 0
    for text in texts:
        assert text in output


@pytest.mark.parametrize("directives", [
    "EstTrustedProxy 10.0.0.0/8 2001:db8::/32 192.0.2.1\nEstClientCertHeader rfc9440", "EstTrustedProxy ::1/128\nEstClientCertHeader XFCC",
    "EstTrustedProxy 127.0.0.1\nEstTrustedProxy 127.0.0.9\nEstClientCertHeader pem SSL_CLIENT_CERT"])
def test_configurations_that_are_right(idle, directives):
    idle.config.vhost = directives
    status, output = idle.httpd.check()
    assert status == 0, output


# --- a real proxy in front

FRONT = """
ServerRoot {directory}
DefaultRuntimeDir {directory}
PidFile {directory}/pid
ServerName localhost
Listen 127.0.0.1:{port} https
ErrorLog {directory}/error.log
LogLevel warn
{modules}
ServerLimit 1
StartServers 1
ThreadsPerChild 8
MaxRequestWorkers 8
MinSpareThreads 1
MaxSpareThreads 8
SSLSessionCache shmcb:{directory}/scache(512000)
Protocols h2 http/1.1
<VirtualHost 127.0.0.1:{port}>
    ServerName localhost
    SSLEngine on
    SSLCertificateFile {directory}/server.pem
    SSLVerifyClient optional_no_ca
    SSLVerifyDepth 5
    RequestHeader unset X-SSL-Client-Cert early
    RequestHeader set X-SSL-Client-Cert "expr=%{{escape:%{{SSL_CLIENT_CERT}}}}" "expr=-n %{{SSL_CLIENT_CERT}}"
    SSLProxyEngine on
    SSLProxyCACertificateFile {directory}/trusted.pem
    SSLProxyCheckPeerName on
    SSLProxyMachineCertificateFile {machine}
    ProxyPass "/.well-known/est" "{scheme}://localhost:{behind}/.well-known/est"
</VirtualHost>
"""
FRONT_MODULES = ("mpm_event", "authz_core", "socache_shmcb", "ssl", "headers", "http2", "proxy", "proxy_http", "proxy_http2")


class Front:
    """A proxy for the site behind it, in the form that clients take a site in"""

    def __init__(self, behind, directory, scheme):
        self.behind, self.pki, self.ledger, self.mount = behind, behind.pki, behind.ledger, behind.mount
        self.user, self.PASSWORD = behind.user, behind.PASSWORD
        self.httpd = Httpd(directory, behind.pki, behind.db.url(), Config())
        self.port = self.httpd.port
        # The proxy has a certificate of its own, which would do for the request
        machine = self.httpd.put("machine.pem", behind.held.cert.public_bytes(serialization.Encoding.PEM) + self.httpd.key_pem(behind.held.key))
        modules = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in FRONT_MODULES)
        self.httpd.start(FRONT.format(directory=self.httpd.directory, port=self.port, modules=modules, machine=machine, scheme=scheme,
                                      behind=behind.port))

    def client(self, user=None, identity=None, tls=None):
        return EstClient(self, user, self.PASSWORD, identity, tls)

    def close(self):
        self.httpd.stop()
        self.httpd.release()
        bad = [line for line in self.httpd.log.since() if BAD_HTTPD.search(line)]
        assert not bad, "\n".join(bad + self.behind.httpd.log.since()[-20:])


@pytest.fixture(scope="module", params=["optional_no_ca", "none"])
def hidden(request, make_site):
    """EST behind the proxy, which is asked for a certificate of its own or not"""
    site = make_site("hidden", verify=request.param, verify_client="off", modules=("headers", "http2"), protocols="h2 http/1.1",
                     vhost=f"SSLVerifyDepth 5\n    EstTrustedProxy {PROXY}\n    EstClientCertHeader pem")
    site.label = site.alias()
    site.held = site.holder("CN=dev1", site.label)
    site.sql("UPDATE alias SET auth_enroll = 'cert' WHERE name = %s", site.label)
    return site


@pytest.fixture(scope="module", params=["https", "h2"])
def front(request, hidden, session_directory):
    front = Front(hidden, os.path.join(session_directory, f"front-{hidden.name}-{request.param}"), request.param)
    yield front
    front.close()


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_enrolment_and_renewal_through_a_real_proxy(front, hidden, tls):
    with front.client(identity=hidden.held, tls=tls) as client:
        assert client.get("cacerts").status == 200
        assert client.enroll(make_csr(make_key(), "CN=dev1"), hidden.label).status == 200
        new = client.reenroll(make_csr(make_key(), "CN=dev1"), hidden.label)
        assert new.cert().subject == hidden.held.cert.subject
        assert client.enroll(make_csr(make_key(), "CN=dev2"), hidden.label).reason == "name_not_yours"


def test_passwords_through_a_real_proxy(front, hidden):
    with front.client(hidden.user) as client:
        assert client.enroll(make_csr(make_key())).status == 200
        assert client.reenroll(make_csr(make_key())).reason == "certificate_required"
    with front.client() as client:
        answer = client.enroll(make_csr(make_key()))
    assert (answer.status, answer.header("WWW-Authenticate")) == (401, 'Basic realm="EST"')


def test_AUTH_09_what_a_client_puts_into_the_header_is_taken_out_by_the_proxy(front, hidden):
    claim = {"X-SSL-Client-Cert": urllib.parse.quote(pem(hidden.held.cert))}
    with front.client() as client:
        answer = client.enroll(make_csr(make_key(), "CN=dev1"), hidden.label, claim)
    assert answer.reason == "certificate_required"
    stranger = hidden.pki.foreign.issue("CN=dev1", eku=(CLIENT_AUTH,))
    with front.client(identity=stranger) as client:
        answer = client.enroll(make_csr(make_key(), "CN=dev1"), hidden.label, claim)
    assert answer.reason == "certificate_required"


def test_http2_through_a_real_proxy(front, hidden, tmp_path):
    (tmp_path / "csr").write_bytes(b64(make_csr(make_key(), "CN=dev1")))
    answer = curl(front, f"{hidden.label}/simplereenroll", "--http2", "-H", "Content-Type: application/pkcs10", "--data-binary",
                  f"@{tmp_path}/csr", identity=hidden.held)
    assert (answer.version, answer.status) == ("HTTP/2", 200)
    assert answer.cert().subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == "dev1"


def test_CB_10_binding_through_a_real_proxy(front):
    with front.client(front.user, tls="1.2") as client:
        answer = client.enroll(make_csr(make_key(), challenge=base64.b64encode(client.tls_unique())))
    assert (answer.status, answer.reason) == (400, "binding_behind_proxy")
