# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""CA keys of every kind, each for device keys of every kind; keys under a passphrase."""

import itertools

import pytest
from cryptography.hazmat.primitives import hashes, serialization

from harness.lint import lint
from harness.pki import CertificateAuthority, make_csr, make_key, shared_key

CA_KEYS = ("rsa:2048", "rsa:3072", "ec:P-256", "ec:P-384", "ec:P-521", "ed25519")
DEVICE_KEYS = ("rsa:2048", "ec:P-256", "ec:P-384", "ed25519")


def label_of(kind):
    return "ca-" + kind.replace(":", "-").lower()


@pytest.fixture(scope="module")
def site(make_site):
    site = make_site("cakeys", start=False, forks=True)
    httpd, blocks, site.cas = site.httpd, [site.httpd.ca_block("issuing")], {}
    for kind in CA_KEYS:
        site.cas[kind] = CertificateAuthority(f"CN=CA {kind}", site.pki.root, make_key(kind))
        httpd.put_ca(label_of(kind), site.cas[kind])
        blocks.append(httpd.ca_block(label_of(kind)))
    httpd.put("passphrase", "open sesame\nsecond line\n")
    program = httpd.put("passphrase.sh", '#!/bin/sh\nprintf "open %s\\n" "$1"\n', 0o700)
    for name, source in (("byfile", f"file:{httpd.directory}/passphrase"), ("byprogram", f"exec:{program} sesame")):
        httpd.put_ca(name, site.pki.issuing, b"open sesame")
        blocks.append(httpd.ca_block(name, f"EstCAKeyPassphrase {source}"))
    # Keys of one's own format: SEC1 and PKCS#1 are what people have
    traditional = CertificateAuthority("CN=Traditional", site.pki.root)
    httpd.put_ca("traditional", traditional)
    httpd.put("traditional.key", traditional.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))
    blocks.append(httpd.ca_block("traditional"))
    site.cas["traditional"] = traditional
    # A root that issues by itself needs no chain
    site.cas["lone"] = CertificateAuthority("CN=Lone root")
    httpd.put_ca("lone", site.cas["lone"])
    blocks.append(httpd.ca_block("lone").replace(f"EstCAChain {httpd.directory}/lone.chain", ""))
    site.config.ca_blocks = blocks
    site.start()
    for name in [label_of(kind) for kind in CA_KEYS] + ["byfile", "byprogram", "traditional", "lone"]:
        site.alias(name, ca=name)
    return site


@pytest.mark.parametrize("ca, device", itertools.product(CA_KEYS, DEVICE_KEYS))
def test_every_ca_key_issues_for_every_device_key(site, ca, device):
    with site.ra() as client:
        cert = client.enroll(make_csr(shared_key(device), f"CN={device}"), label_of(ca)).cert()
    lint(cert, site.cas[ca].cert)


@pytest.mark.parametrize("name", ["byfile", "byprogram"])
def test_encrypted_keys(site, name):
    with site.ra() as client:
        lint(client.enroll(make_csr(make_key()), name).cert(), site.pki.issuing.cert)


def test_key_in_the_traditional_format(site):
    with site.ra() as client:
        lint(client.enroll(make_csr(make_key()), "traditional").cert(), site.cas["traditional"].cert)


def test_a_self_signed_ca_needs_no_chain(site):
    with site.ra() as client:
        lint(client.enroll(make_csr(make_key()), "lone").cert(), site.cas["lone"].cert)
        assert len(client.get("cacerts", "lone").certs()) == 1


@pytest.mark.parametrize("digest, wanted", [("sha256", hashes.SHA256), ("sha384", hashes.SHA384), ("sha512", hashes.SHA512),
                                            ("default", hashes.SHA256)])
def test_digest_of_the_profile(site, digest, wanted):
    site.sql("UPDATE certificate_profile SET digest = %s WHERE name = 'device'", digest)
    with site.ra() as client:
        cert = client.enroll(make_csr(make_key()), label_of("ec:P-256")).cert()
    site.sql("UPDATE certificate_profile SET digest = 'default' WHERE name = 'device'")
    lint(cert, site.cas["ec:P-256"].cert)
    assert isinstance(cert.signature_hash_algorithm, wanted)


def test_C_16_the_cas_own_key_is_no_devices_key(site):
    with site.ra() as client:
        answer = client.enroll(make_csr(site.pki.issuing.key, "CN=thief"))
    assert (answer.status, answer.reason) == (400, "key_reserved")


def test_a_graceful_restart_takes_new_keys_and_serves_on(site):
    renewed = CertificateAuthority("CN=Renewed", site.pki.root)
    before = site.cas["lone"]
    site.httpd.put_ca("lone", renewed)
    site.config.ca_blocks = [block if "<EstCA lone>" not in block else site.httpd.ca_block("lone") for block in site.config.ca_blocks]
    site.httpd.write()
    with site.ra() as client:
        assert client.enroll(make_csr(make_key()), "lone").cert().issuer == before.cert.subject
    site.httpd.graceful()
    with site.ra() as client:
        lint(client.enroll(make_csr(make_key()), "lone").cert(), renewed.cert)
    site.cas["lone"] = renewed
