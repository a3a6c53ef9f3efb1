# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Distribution of CA certificates, RFC 7030 4.1."""

import subprocess

import pytest
from cryptography.hazmat.primitives import serialization

from harness.client import curl
from harness.cms import check_certs_only
from harness.httpd import PASSWORD_MISMATCH
from harness.pki import CertificateAuthority, make_csr, make_key


@pytest.fixture(scope="module")
def site(make_site):
    """Two CAs: the alias "est" has the one, the alias "other" the other."""
    site = make_site("cacerts", start=False)
    site.other = CertificateAuthority("O=Test,CN=Other CA", CertificateAuthority("O=Test,CN=Other root"))
    site.httpd.put_ca("other", site.other)
    site.config.ca_blocks = [site.httpd.ca_block("issuing"), site.httpd.ca_block("other")]
    site.start()
    site.alias("other", ca="other")
    return site


def ders(*authorities):
    return sorted(ca.der() for ca in authorities)


@pytest.mark.row("CA-02")
def test_CA_01_anonymous_get_is_a_certs_only_message(site):
    with site.client() as client:
        answer = client.get("cacerts")
    assert answer.status == 200
    assert answer.header("Content-Type") == "application/pkcs7-mime"
    assert answer.header("Content-Transfer-Encoding") == "base64"
    assert int(answer.header("Content-Length")) == len(answer.body)
    assert answer.body.endswith(b"\n")
    check_certs_only(answer.der())


@pytest.mark.row("CA-06")
def test_CA_03_the_bag_holds_the_chain_with_the_root_and_nothing_else(site):
    with site.client() as client:
        found = check_certs_only(client.get("cacerts").der())
    assert found == ders(site.pki.issuing, site.pki.root)


def test_CA_04_an_enrolled_certificate_verifies_with_the_bag_alone(site, tmp_path):
    with site.ra() as client:
        bag = client.get("cacerts").certs()
        cert = client.enroll(make_csr(make_key())).cert()
    roots = [cert for cert in bag if cert.issuer == cert.subject]
    for name, certs in (("roots", roots), ("all", bag), ("leaf", [cert])):
        (tmp_path / name).write_bytes(b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certs))
    done = subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", "roots", "-untrusted", "all", "leaf"],
                          cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True)
    assert done.returncode == 0, done.stdout


def test_CA_07_same_octets_each_time(site):
    with site.client() as client:
        bodies = {client.get("cacerts").body for _ in range(3)}
    assert len(bodies) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_CA_09_other_methods_get_405_with_allow(site, method):
    with site.client() as client:
        answer = client.request(method, "cacerts", b"x" if method != "DELETE" else None)
    assert answer.status == 405
    assert answer.header("Allow") == "GET, HEAD"


def test_URI_02_a_label_selects_its_own_ca(site):
    with site.client() as client:
        assert check_certs_only(client.get("cacerts", "other").der()) == ders(site.other, site.other.issuer)
        assert check_certs_only(client.get("cacerts", "est").der()) == ders(site.pki.issuing, site.pki.root)


def test_HTTP_02_head_has_the_headers_of_get(site):
    with site.client() as client:
        get, head = client.get("cacerts"), client.request("HEAD", "cacerts")
    assert head.status == 200
    assert head.body == b""

    def without_date(answer):
        return [(name, value) for name, value in answer.headers.items() if name != "Date"]
    assert without_date(head) == without_date(get)


def test_HTTP_11_accept_never_causes_406(site):
    for accept in ("text/html", "application/pkcs7-mime", "multipart/mixed", "image/*;q=0.1"):
        assert curl(site, "cacerts", "-H", f"Accept: {accept}").status == 200


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_TLS_03_both_versions(site, tls):
    with site.client(tls=tls) as client:
        assert client.get("cacerts").status == 200
        assert client.open().sock.version() == f"TLSv{tls}"


def test_HTTP_13_header_block_is_small(site):
    with site.client() as client:
        headers = client.get("cacerts").headers
    assert len(headers.items()) <= 16
    assert sum(len(name) + len(value) + 4 for name, value in headers.items()) < 900


@pytest.fixture(scope="module")
def closed_alias(site):
    site.other_client = site.register(names="own")
    return site.alias(auth_cacerts=True)


@pytest.mark.row("CA-02")
def test_auth_cacerts_on_asks_the_anonymous_for_credentials(site, closed_alias):
    with site.client() as client:
        answer = client.get("cacerts", closed_alias)
    assert answer.status == 401
    assert answer.header("WWW-Authenticate") == 'Basic realm="EST"'


@pytest.mark.row("CA-02", "HTTP-20")
def test_auth_cacerts_on_serves_password_and_certificate(site, closed_alias, expect_log):
    """To whoever may have it, and not to a cache: RFC 9440 2.4 for certificates in a header, and no less for the others"""
    expect_log(PASSWORD_MISMATCH)
    with site.client(site.other_client) as client:
        answer = client.get("cacerts", closed_alias)
        assert (answer.status, answer.header("Cache-Control")) == (200, "no-store")
        assert client.get("cacerts").header("Cache-Control") is None
    with site.client(site.other_client, "wrong") as client:
        assert client.get("cacerts", closed_alias).status == 401
    identity = site.holder("CN=reader", closed_alias)
    with site.client(identity=identity) as client:
        assert client.get("cacerts", closed_alias).status == 200


def test_auth_cacerts_on_refuses_a_certificate_of_another_alias(site, closed_alias):
    with site.client(identity=site.holder("CN=stranger")) as client:
        answer = client.get("cacerts", closed_alias)
    assert (answer.status, answer.reason) == (403, "certificate_unknown")


def test_transfer_encoding_can_be_left_out(site):
    name = site.alias(transfer_encoding=False)
    with site.client() as client:
        assert client.get("cacerts", name).header("Content-Transfer-Encoding") is None
