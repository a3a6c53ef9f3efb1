# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Driver cmp against the server that the program openssl has (openssl cmp -port): messages are read and made by an implementation
that is not the stub's. It hands out a certificate that it was given, to whoever asks in the right way.
"""

import contextlib
import os

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from clients.orders import check_failed, check_waits, enrol, hurry, lines, one_row, rows
from harness import run
from harness.pki import CertificateAuthority, Identity, dns, make_csr, make_key, pem_key

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
CMC_CA = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.27")
TIMEOUT = 5 * run.SLOW

# <EstCA> block -> (protection, EstCACmpRequest, further directives)
BLOCKS = {f"{protection}-{request}": (protection, request, {}) for protection in ("secret", "signature") for request in ("p10cr", "ir", "cr")}
BLOCKS["explicit"] = ("signature", "ir", {"EstCACmpConfirm": "explicit", "EstCACmpRenewal": "same"})


class Authority:
    """The CA, its keys in files, and the place where its server listens when there is one"""

    def __init__(self, directory):
        self.directory = run.make_directory(os.path.join(directory, "openssl-cmp"))
        self.ca = CertificateAuthority("O=OpenSSL,CN=Issuing CA", CertificateAuthority("O=OpenSSL,CN=Root"))
        self.server = self.ca.issue("O=OpenSSL,CN=CMP server", eku=(CMC_CA,))
        self.clients = CertificateAuthority("O=Clients,CN=Clients CA")
        self.agent = self.clients.issue("O=Clients,CN=RA")
        self.port = run.Port()
        self.log = run.Log(os.path.join(self.directory, "log"))
        self.number = 0

    def file(self, name, data):
        return run.write(os.path.join(self.directory, name), data)

    def url(self):
        """openssl's server is at this path, and at none without the slash"""
        return f"http://127.0.0.1:{self.port.number}/pkix/"

    def block(self, name):
        protection, request, more = BLOCKS[name]
        chosen = {
            "EstCADriver": "cmp", "EstCAUpstream": self.url(), "EstCATimeout": TIMEOUT, "EstCAFailures": 100, "EstCACmpRequest": request,
            "EstCACertificate": self.file("ca.crt", self.ca.pem()), "EstCAChain": self.file("ca.chain", self.ca.issuer.pem()), **more}
        if protection == "secret":
            chosen.update({"EstCACmpReference": "ra-7", "EstCACmpSecret": "file:" + self.file("secret", "open sesame\n")})
        else:
            chosen.update({"EstCACmpCertificate": self.file("agent.crt", self.agent.pem_chain()),
                           "EstCACmpKey": self.file("agent.key", pem_key(self.agent.key))})
        return "\n".join([f"<EstCA {name}>", *[f"    {key} {value}" for key, value in chosen.items()], "</EstCA>"])

    @contextlib.contextmanager
    def serves(self, cert, *options, secret="open sesame"):
        """It answers with cert, if the options say nothing else"""
        self.number += 1
        argv = ["openssl", "cmp", "-port", str(self.port.number), "-config", "", "-srv_ref", "ra-7", "-srv_secret", f"pass:{secret}",
                "-srv_cert", self.file("server.crt", self.server.pem_chain()), "-srv_key", self.file("server.key", pem_key(self.server.key)),
                "-srv_trusted", self.file("clients.crt", self.clients.pem()), "-accept_raverified",
                "-rsp_cert", self.file("answer.crt", cert.public_bytes(PEM)), *options]
        process = run.start(argv, self.log.path)
        try:
            run.wait_until(self.listens, 10, "openssl cmp to listen")
            assert process.poll() is None, self.log.since()
            yield process
        finally:
            run.stop(process)

    def listens(self):
        """Without a connection, which the server would take for a client's"""
        with open("/proc/net/tcp", encoding="ascii") as file:
            ends = [line.split()[1:4] for line in file.readlines()[1:]]
        with open("/proc/net/tcp6", encoding="ascii") as file:
            ends += [line.split()[1:4] for line in file.readlines()[1:]]
        return any(local.endswith(f":{self.port.number:04X}") and state == "0A" for local, _, state in ends)


@pytest.fixture(scope="module")
def authority(session_directory):
    made = Authority(session_directory)
    yield made
    made.port.release()


@pytest.fixture(scope="module")
def site(authority, make_site):
    site = make_site("osslcmp", start=False, forks=True)
    site.httpd.authorities.append(authority.ca.der())
    site.config.ca_blocks = [site.httpd.ca_block("issuing"), *[authority.block(name) for name in BLOCKS]]
    for name in BLOCKS:
        site.alias(name, ca=name, unknown_holder="accept")
    return site.start()


def device(authority, name, san=()):
    """(key, subject, request, the certificate that the CA has for it)"""
    key, subject = make_key(), f"CN={name}"
    return key, subject, make_csr(key, subject, san), authority.ca.issue(subject, key, san).cert


@pytest.mark.parametrize("name", BLOCKS)
def test_a_certificate(site, authority, name):
    """With a confirmation, which the server checks"""
    _, subject, csr, cert = device(authority, "openssl-" + name, [dns("openssl.example")])
    with authority.serves(cert):
        assert enrol(site, csr, name).cert() == cert
        assert enrol(site, csr, name).cert() == cert
    row = one_row(site, subject, "issued")
    assert (row.cert_ca, row.issuer) == (name, authority.ca.cert.subject.rfc4514_string())


@pytest.mark.parametrize("name", ["secret-p10cr", "signature-ir"])
def test_implicit_confirmation(site, authority, name):
    _, _, csr, cert = device(authority, "implicit-" + name)
    with authority.serves(cert, "-grant_implicitconf", "-max_msgs", "1") as process:
        assert enrol(site, csr, name).cert() == cert
        run.wait_until(lambda: process.poll() is not None, 10, "the server to have had its one message")


def test_explicit_confirmation(site, authority, expect_log):
    """The server, which would do without, has the certificate confirmed or rejected"""
    expect_log("EST1105")
    _, _, csr, cert = device(authority, "explicit")
    _, subject, other, _ = device(authority, "explicit-other")
    with authority.serves(cert, "-grant_implicitconf", "-max_msgs", "2") as process:
        assert enrol(site, csr, "explicit").cert() == cert
        run.wait_until(lambda: process.poll() is not None, 10, "the server to have had its two messages")
    with authority.serves(cert, "-grant_implicitconf", "-max_msgs", "2") as process:
        check_failed(enrol(site, other, "explicit"), 502, "ca_wrong")
        run.wait_until(lambda: process.poll() is not None, 10, "the server to have had its two messages")
    assert "is not sure" not in one_row(site, subject, "failed").reason


@pytest.mark.parametrize("name", ["secret-p10cr", "signature-ir", "signature-cr"])
def test_PE_01_PE_02_a_certificate_that_is_waited_for(site, authority, name):
    """The server has to be asked twice more; the state of the transaction is in the row meanwhile"""
    _, subject, csr, cert = device(authority, "polls-" + name)
    with authority.serves(cert, "-poll_count", "2", "-check_after", "9"):
        check_waits(enrol(site, csr, name), 9)
        row = one_row(site, subject, "forwarded")
        assert row.state and row.upstream == authority.url()
        site.httpd.stop()
        site.httpd.start()
        answers = []

        def there():
            hurry(site, subject)
            answers.append(enrol(site, csr, name))
            return answers[-1].status != 202
        run.wait_until(there, 20, "the certificate")
        assert answers[-1].cert() == cert and len(answers) <= 3
    assert one_row(site, subject, "issued").id == row.id


@pytest.mark.parametrize("name", ["signature-ir", "explicit"])
def test_a_renewal(site, authority, name):
    """openssl's server takes no kur but those for the certificate that it answers with, which therefore is not on record yet; as ir
    it takes any"""
    key, subject, csr, old = device(authority, "renewal-" + name)
    cert = old if name == "signature-ir" else authority.ca.issue(subject, key).cert
    with authority.serves(cert), site.client(identity=Identity(key, old, authority.ca.chain())) as client:
        assert client.reenroll(csr, name).cert() == cert
    assert one_row(site, subject, "issued").operation == "simplereenroll"


# openssl's error messages have words of their own
@pytest.mark.parametrize("options, words", [(("-pkistatus", "2", "-failure", "2", "-statusstring", "not on the list"), "not on the list"),
                                            (("-send_error",), "error processing message")], ids=["rejection", "error"])
@pytest.mark.parametrize("name", ["secret-p10cr", "signature-ir"])
def test_a_rejection(site, authority, expect_log, name, options, words):
    _, subject, csr, cert = device(authority, f"rejected-{name}-{len(options)}")
    expect_log("EST1103")
    seen = site.httpd.log.size()
    with authority.serves(cert, *options):
        check_failed(enrol(site, csr, name), 502, "ca_refused")
    (line,) = lines(site, seen, "EST1103")
    assert words in line and words in one_row(site, subject, "failed").reason
    with authority.serves(cert):
        assert enrol(site, csr, name).cert() == cert
    assert [row.outcome for row in rows(site, subject)] == ["failed", "issued"]


def test_a_secret_that_is_not_the_servers(site, authority, expect_log):
    """Neither of the two can believe the other"""
    expect_log("EST11")
    _, subject, csr, cert = device(authority, "secrets")
    with authority.serves(cert, secret="close sesame"):
        answer = enrol(site, csr, "secret-p10cr")
    assert answer.status == 502 and answer.reason in ("ca_refused", "ca_answer")
    assert one_row(site, subject, "failed").rule == answer.reason


@pytest.mark.parametrize("name", ["secret-p10cr", "signature-ir"])
def test_another_certificate_than_was_asked_for(site, authority, expect_log, name):
    expect_log("EST1105")
    _, subject, csr, _ = device(authority, "other-" + name)
    other = authority.ca.issue("CN=somebody-else").cert
    with authority.serves(other):
        check_failed(enrol(site, csr, name), 502, "ca_wrong")
    row = one_row(site, subject, "failed")
    assert (row.rule, bytes(row.answer)) == ("ca_wrong", other.public_bytes(DER))


def test_nobody_listens(site, authority, expect_log):
    expect_log("EST1100")
    _, _, csr, cert = device(authority, "nobody-listens")
    check_failed(enrol(site, csr, "secret-p10cr"), 503, "ca_unavailable", retry=True)
    with authority.serves(cert):
        assert enrol(site, csr, "secret-p10cr").cert() == cert
