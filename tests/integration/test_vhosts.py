# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What EstVerifyClient on one virtual host means for its neighbours."""

import pytest

from harness.client import raw
from harness.pki import CLIENT_AUTH

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


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_HTTP_22_a_certificate_let_in_by_EstVerifyClient_opens_no_other_host(site, allow_log, tls):
    """The handshake is that of the EST host; the Host header names one that believes mod_ssl"""
    allow_log("AH01909")  # at start: the test certificate does not name the second host
    stranger = site.pki.foreign.issue("CN=stranger", eku=(CLIENT_AUTH,))
    answer = raw(site, b"GET /secret.txt HTTP/1.1\r\nHost: strict.example\r\nConnection: close\r\n\r\n", stranger, tls)
    assert answer.status == 421
    assert b"a secret" not in answer.body


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_the_est_host_itself_goes_on(site, tls):
    answer = raw(site, b"GET /.well-known/est/cacerts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", None, tls)
    assert answer.status == 200
