# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What EstVerifyClient on one virtual host means for its neighbours."""

import http.client

import pytest

from harness import run
from harness.client import b64, basic, raw
from harness.pki import CLIENT_AUTH, make_csr, make_key

PLAIN = """
Listen 127.0.0.1:{port} http
<VirtualHost 127.0.0.1:{port}>
    ServerName localhost
    <Location "/.well-known/est">
        EstEngine on
        AuthType Basic
        AuthName "EST"
        AuthBasicProvider est
        Require est
    </Location>
</VirtualHost>
"""
NEIGHBOUR = """
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
    ServerName strict.example
    DocumentRoot {directory}/htdocs
    SSLEngine on
    SSLCertificateFile {directory}/server.pem
    SSLVerifyClient optional_no_ca
    <Directory "{directory}/htdocs">
        Require ssl-verify-client
    </Directory>"""


@pytest.fixture(scope="module")
def site(make_site):
    site = make_site("vhosts", start=False)
    site.config.locations = NEIGHBOUR.format(port=site.httpd.port, directory=site.httpd.directory)
    site.httpd.put("htdocs/secret.txt", "a secret")
    site.start()
    return site


@pytest.fixture(autouse=True)
def names_one_host(allow_log):
    """The certificate does not name the second host, which is said at start, in whichever test that is"""
    allow_log("AH01909")


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_HTTP_22_a_certificate_let_in_by_EstVerifyClient_opens_no_other_host(site, tls):
    """The handshake is that of the EST host; the Host header names one that believes mod_ssl"""
    stranger = site.pki.foreign.issue("CN=stranger", eku=(CLIENT_AUTH,))
    answer = raw(site, b"GET /secret.txt HTTP/1.1\r\nHost: strict.example\r\nConnection: close\r\n\r\n", stranger, tls)
    assert answer.status == 421
    assert b"a secret" not in answer.body


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_the_est_host_itself_goes_on(site, tls):
    answer = raw(site, b"GET /.well-known/est/cacerts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", None, tls)
    assert answer.status == 200


@pytest.fixture
def port():
    """Another one to listen on: none that the kernel gives to clients, or one may have it before httpd has"""
    lock = run.Port()
    yield lock.number
    lock.release()


@pytest.mark.row("AUTH-07")
@pytest.mark.parametrize("operation", ["cacerts", "simpleenroll"])
def test_TLS_01_no_est_without_tls(make_site, port, operation):
    site = make_site("plain", start=False)
    site.config.server = PLAIN.format(port=port)
    site.start()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Authorization": basic(site.user, site.PASSWORD), "Content-Type": "application/pkcs10"}
    method, body = ("GET", None) if operation == "cacerts" else ("POST", b64(make_csr(make_key())))
    connection.request(method, f"/.well-known/est/{operation}", body, headers)
    answer = connection.getresponse()
    assert answer.status == 403
    assert answer.read().startswith(b"tls_required: ")
    connection.close()


@pytest.mark.parametrize("binding", ["if-present", "required", "off"])
def test_CB_10_behind_a_proxy_that_ends_tls_nobody_enrols(make_site, port, binding):
    """Whatever the proxy says of the connection: the module does not believe headers, so nothing is left to bind to"""
    site = make_site("proxied", start=False)
    site.config.server = PLAIN.format(port=port)
    site.start()
    label = site.alias(binding=binding)
    for challenge in (None, b"c2VjcmV0"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", f"/.well-known/est/{label}/simpleenroll", b64(make_csr(make_key(), challenge=challenge)), {
            "Authorization": basic(site.user, site.PASSWORD), "Content-Type": "application/pkcs10", "X-Forwarded-Proto": "https",
            "Forwarded": "proto=https", "SSL_TLS_UNIQUE": "c2VjcmV0"})
        answer = connection.getresponse()
        assert answer.status == 403
        assert answer.read().startswith(b"tls_required: ")
        connection.close()
    assert site.counts() == 0


def test_HTTP_17_no_part_of_a_certificate(site):
    with site.client(site.user) as client:
        answer = client.request("POST", "simpleenroll", b64(make_csr(make_key())),
                                {"Content-Type": "application/pkcs10", "Range": "bytes=0-9"})
        assert answer.status == 200
        assert answer.cert()
        whole = client.request("GET", "cacerts", headers={"Range": "bytes=0-9"})
        assert whole.status == 200
