# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What cacerts returns beyond one chain: after a root's rollover, and when it is asked again. Rows CA-03 to CA-09."""

import itertools
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness.client import Answer, raw
from harness.cms import check_certs_only
from harness.pki import CertificateAuthority, Identity, days, hash_for, key_usage, make_csr, make_key, now

PEM = serialization.Encoding.PEM


def cross(subject, signer):
    """A certificate for the key of one root, by another of the same name (RFC 4210 4.4)"""
    builder = (x509.CertificateBuilder().subject_name(subject.cert.subject).issuer_name(signer.cert.subject)
               .public_key(subject.key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now() - days(1)).not_valid_after(now() + days(3000))
               .add_extension(x509.BasicConstraints(True, None), True)
               .add_extension(key_usage(key_cert_sign=True, crl_sign=True), True)
               .add_extension(x509.SubjectKeyIdentifier.from_public_key(subject.key.public_key()), False)
               .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), False))
    return builder.sign(signer.key, hash_for(signer.key))


class Family:
    """A root before and after its rollover, what each has signed of the other, and an issuing CA under each"""

    def __init__(self):
        self.old = CertificateAuthority("O=Test,CN=Rolled root", not_after=now() + days(400))
        self.new = CertificateAuthority("O=Test,CN=Rolled root")
        self.old_with_new, self.new_with_old = cross(self.old, self.new), cross(self.new, self.old)
        self.all = [self.old.cert, self.new.cert, self.old_with_new, self.new_with_old]
        self.issuing = {"old": CertificateAuthority("O=Test,CN=Under the old root", self.old),
                        "new": CertificateAuthority("O=Test,CN=Under the new root", self.new)}


@pytest.fixture(scope="module")
def family():
    return Family()


@pytest.fixture(scope="module")
def site(make_site, family):
    """An <EstCA> under either root; the chain file of each has the whole family, some of it twice"""
    site = make_site("rollover", start=False)
    site.config.ca_blocks = [site.httpd.ca_block("issuing")]
    for name, issuing in family.issuing.items():
        site.httpd.put_ca(name, issuing)
        site.httpd.put(f"{name}.chain", b"".join(cert.public_bytes(PEM) for cert in [*family.all, *family.all[::-1], issuing.cert]))
        site.config.ca_blocks.append(site.httpd.ca_block(name))
    site.start()
    for name in family.issuing:
        site.alias(name, ca=name)
    return site


def bag_of(site, label=None):
    with site.client() as client:
        return check_certs_only(client.get("cacerts", label).der())


@pytest.mark.parametrize("label", ["old", "new"])
@pytest.mark.row("CA-03", "CA-06")
def test_CA_05_the_whole_family_once(site, family, label):
    wanted = [cert.public_bytes(serialization.Encoding.DER) for cert in [*family.all, family.issuing[label].cert]]
    assert bag_of(site, label) == sorted(wanted)
    current = max((cert for cert in map(x509.load_der_x509_certificate, bag_of(site, label)) if cert.issuer == cert.subject
                   and cert.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
                   == x509.SubjectKeyIdentifier.from_public_key(family.new.key.public_key()).digest), key=lambda cert: cert.not_valid_after)
    assert current == family.new.cert, "CA-03: the root with the latest end"


@pytest.mark.row("CA-03", "CA-04", "CA-05")
@pytest.mark.parametrize("label", ["old", "new"])
@pytest.mark.parametrize("anchor", ["old", "new"])
def test_a_device_with_either_root_verifies_with_the_bag(site, family, tmp_path, label, anchor):
    """It trusts the one root that it has; what is not self-signed in the bag are its intermediates"""
    with site.ra() as client:
        cert = client.enroll(make_csr(make_key(), "CN=device"), label).cert()
    certs = [x509.load_der_x509_certificate(der) for der in bag_of(site, label)]
    root, is_own = getattr(family, anchor).cert, {family.old.cert, family.new.cert}
    for name, some in (("root", [root]), ("rest", [one for one in certs if one not in is_own]), ("leaf", [cert])):
        (tmp_path / name).write_bytes(b"".join(one.public_bytes(PEM) for one in some))
    done = subprocess.run(["openssl", "verify", "-no-CApath", "-no-CAstore", "-x509_strict", "-purpose", "sslclient", "-CAfile", "root",
                           "-untrusted", "rest", "leaf"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_CA_05_the_order_of_the_file_does_not_matter(site, family):
    """Every order of the four: there are circles among them, and more than one way up"""
    for order in itertools.permutations(family.all):
        site.httpd.put("new.chain", b"".join(cert.public_bytes(PEM) for cert in order))
        status, output = site.httpd.check()
        assert status == 0 and "Syntax OK" in output and "EST1" not in output, output


@pytest.mark.parametrize("what", ["end entity", "TLS server", "gap"])
def test_CA_06_what_does_not_belong_there_is_refused(make_site, family, what):
    site = make_site("rollover_bad", start=False)
    issuing = family.issuing["new"]
    site.httpd.put_ca("issuing", issuing)
    cert = {"end entity": issuing.issue().cert, "TLS server": site.pki.server.cert, "gap": family.new_with_old}[what]
    above = [] if what == "gap" else [family.new.cert]
    site.httpd.put("issuing.chain", b"".join(one.public_bytes(PEM) for one in [cert, *above]))
    status, output = site.httpd.check()
    assert status != 0
    assert ("has a gap" if what == "gap" else "is not a CA certificate") in output


def test_CA_06_each_alias_has_its_own(site, family):
    bags = {label: set(bag_of(site, label)) for label in ("est", "old", "new")}
    assert not bags["est"] & (bags["old"] | bags["new"])
    assert bags["old"] ^ bags["new"] == {ca.der() for ca in family.issuing.values()}
    for bag in bags.values():
        assert all(x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.BasicConstraints).value.ca for der in bag)
        assert site.pki.server.cert.public_bytes(serialization.Encoding.DER) not in bag


@pytest.mark.parametrize("condition", ["If-None-Match: *", 'If-None-Match: "x"', "If-Modified-Since: Sat, 21 Nov 2099 00:00:00 GMT",
                                       "If-Match: \"x\"", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:01 GMT", "Range: bytes=0-9"])
@pytest.mark.row("CA-07")
def test_conditions_are_not_looked_at(site, condition):
    """Decision 21: a client that must give up on anything but 200 never gets another, whatever a cache asked for it"""
    plain, asked = (raw(site, f"GET {site.mount}/cacerts HTTP/1.1\r\nHost: localhost\r\n{line}\r\n".encode())
                    for line in ("", condition + "\r\n"))
    assert isinstance(asked, Answer) and asked.status == 200 and asked.body == plain.body
    assert asked.header("ETag") is None and asked.header("Last-Modified") is None


@pytest.mark.row("CA-07")
def test_same_octets_at_every_process_and_connection(site):
    bodies = set()
    for tls in ("1.2", "1.3"):
        for _ in range(3):
            with site.client(tls=tls) as client:
                bodies |= {client.get("cacerts", "new").body for _ in range(2)}
    assert len(bodies) == 1


@pytest.mark.row("CA-08")
def test_order_of_a_set_and_a_size_for_small_buffers(site):
    """check_certs_only() looks at the order; libest takes 2 MB, and five certificates need less than a hundredth"""
    for label in ("est", "old", "new"):
        assert len(bag_of(site, label)) in (2, 5)
        with site.client() as client:
            assert len(client.get("cacerts", label).body) < 20000


@pytest.mark.row("CA-09")
@pytest.mark.parametrize("operation", ["cacerts", "csrattrs"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_what_is_read_only_says_so(site, operation, method):
    with site.client(identity=Identity(site.pki.server.key, site.pki.server.cert)) as client:
        for label in (None, "new"):
            answer = client.request(method, client.path(operation, label), b"x")
            assert (answer.status, answer.header("Allow"), answer.reason) == (405, "GET, HEAD", "method_not_allowed")
