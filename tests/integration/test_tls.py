# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""docs/conformance.md, rows TLS, with conf/est.conf; and on a host where mod_ssl verifies (SSLVerifyClient optional)."""

import base64
import http.client
import os
import re
import socket
import ssl
import subprocess

import pytest
from cryptography import x509

from harness import hello, run
from harness.client import LIMIT, Answer, EstClient, connect, context, raw
from harness.form import check_refusal, enrol, head
from harness.hello import offer
from harness.httpd import TOP
from harness.lint import lint
from harness.openssl import s_client
from harness.pki import CLIENT_AUTH, CMC_RA, SERVER_AUTH, days, make_csr, make_key, now

TEXT = base64.b64encode(make_csr(make_key()))
VERSIONS = ("1.2", "1.3")
REFUSED_BY_MOD_SSL = "AH02039"


@pytest.fixture(scope="module")
def site(make_site):
    """conf/est.conf, with more time between the requests of a connection, and beside it httpd's own host on a port without TLS"""
    site = make_site("tls", start=False, shipped=True, changes=(("KeepAliveTimeout 5\n", "KeepAliveTimeout 60\n"),))
    site.plain_port = run.Port()
    site.config.server = (f"Listen 127.0.0.1:{site.plain_port.number} http\nDocumentRoot {site.httpd.directory}/htdocs\n"
                          f'<Directory "{site.httpd.directory}/htdocs">\n    Require all granted\n</Directory>')
    yield site.start()
    site.plain_port.release()


@pytest.fixture(scope="module")
def resuming(make_site):
    """Sessions are resumed here: no EstVerifyClient"""
    return make_site("tlsresume", verify="optional", verify_client="")


def plain(port, octets):
    with socket.create_connection(("127.0.0.1", port), LIMIT) as sock:
        sock.sendall(octets)
        received = b""
        while part := sock.recv(65536):
            received += part
    return received


# --- TLS-01, P-13

@pytest.mark.parametrize("octets", [head, lambda s: enrol(s, TEXT), lambda s: head(s, target="/")], ids=["cacerts", "enrol", "other"])
@pytest.mark.parametrize("place", ["site", "resuming"])
def test_TLS_01_P_13_plain_http_on_the_tls_port(request, place, octets):
    site = request.getfixturevalue(place)
    before = site.counts()
    received = plain(site.port, octets(site))
    top, _, body = received.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nContent-Type: text/plain; charset=utf-8" in top and b"\r\nContent-Length: %d" % len(body) in top
    assert re.fullmatch(rb"bad_request: [^\n]{1,400}\n", body)
    assert b"Location" not in top and site.counts() == before


@pytest.mark.parametrize("octets", [head, lambda s: enrol(s, TEXT)], ids=["cacerts", "enrol"])
def test_TLS_01_P_13_HTTP_16_the_same_path_without_tls(site, octets):
    """Where EST is not mounted it is not found, and nobody is sent elsewhere"""
    before = site.counts()
    received = plain(site.plain_port.number, octets(site).replace(b"\r\nHost:", b"\r\nConnection: close\r\nHost:"))
    assert received.split(b" ")[1] in (b"403", b"404")
    assert b"pkcs7" not in received and b"Location:" not in received
    assert site.counts() == before


# --- TLS-02 to TLS-04, TLS-16, TLS-17: what is negotiated

@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_TLS_02_openssl_is_refused(site, version):
    said = s_client(site, version, "-cipher", "ALL:@SECLEVEL=0")
    assert "alert protocol version" in said and "SSL alert number 70" in said


@pytest.mark.parametrize("version", [hello.SSL_3_0, hello.TLS_1_0, hello.TLS_1_1])
def test_TLS_02_old_versions_with_suites_that_this_server_likes(site, version):
    """Of SSL 3.0 OpenSSL knows nothing any more, so that it finds no suite"""
    alert = hello.HANDSHAKE_FAILURE if version == hello.SSL_3_0 else hello.PROTOCOL_VERSION
    assert offer(site, [0xC009, 0xC00A, 0xC013, 0x002F, 0xC02B], version).alert == alert


@pytest.mark.parametrize("tls", VERSIONS)
def test_TLS_03_every_operation_with_every_kind_of_identity(site, tls):
    csr = make_csr(make_key(), f"CN=tls-{tls}")
    with site.ra(tls=tls) as client:
        assert client.get("cacerts").status == 200
        assert client.open().sock.version() == f"TLSv{tls}"
        holder = site.holder(f"CN=tls-{tls}")
        lint(client.enroll(csr).cert(), site.pki.issuing.cert)
        check_refusal(client.reenroll(csr), 403, "certificate_required")
        check_refusal(client.post("simpleenroll", TEXT, content_type="text/plain"), 415)
        check_refusal(client.get("simpleenroll"), 405)
        assert client.get("csrattrs").status == 204
        check_refusal(client.post("simpleenroll", b"garbage"), 400)
    with site.client(identity=holder, tls=tls) as client:
        lint(client.reenroll(make_csr(make_key(), f"CN=tls-{tls}")).cert(), site.pki.issuing.cert)
        assert client.get("cacerts").status == 200
    with site.client(tls=tls) as client:
        check_refusal(client.enroll(csr), 401, "authentication_required")
        check_refusal(client.get("cacerts", "nosuch"), 400)


GOOD_SUITE = 0xC02B  # TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
# Suites: (numbers, what they are)
BAD_SUITES = {
    "TLS-04_null": ([0x0001, 0x0002, 0x003B, 0xC006, 0xC010], "no encryption"),
    "TLS-04_anonymous": ([0x0018, 0x001A, 0x001B, 0x0034, 0x003A, 0x006C, 0x006D, 0x00A6, 0x00A7, 0xC018, 0xC019], "no server certificate"),
    "TLS-04_export": ([0x0003, 0x0006, 0x0008, 0x000B, 0x0011, 0x0014, 0x0017, 0x0019], "40 bits"),
    "TLS-04_des": ([0x0009, 0x000C, 0x000F, 0x0012, 0x0015], "56 bits"),
    "TLS-04_3des": ([0x000A, 0x0016, 0xC008, 0xC012], "blocks of 64 bits"),
    "TLS-04_rc4": ([0x0004, 0x0005, 0xC007, 0xC011], "RFC 7465"),
    "TLS-04_rsa_key_transport": ([0x002F, 0x0035, 0x003C, 0x009C, 0x009D], "no forward secrecy"),
    "TLS-16_srp": ([0xC01A, 0xC01B, 0xC01C, 0xC01D, 0xC01E, 0xC01F, 0xC020, 0xC021, 0xC022], "SRP"),
    "TLS-16_psk": ([0x008C, 0x00A8, 0xC035, 0xCCAB, 0xCCAC], "PSK"),
}


@pytest.mark.parametrize("row", BAD_SUITES)
def test_suites_that_are_never_negotiated(site, row):
    suites, why = BAD_SUITES[row]
    srp = hello.extension(12, hello.block(1, b"user")) if "srp" in row else b""
    assert offer(site, suites, extensions=srp).alert == hello.HANDSHAKE_FAILURE, why
    assert offer(site, [*suites, GOOD_SUITE], extensions=srp).suite == GOOD_SUITE


@pytest.mark.parametrize("suites", ["aNULL", "eNULL", "aNULL:eNULL"])
def test_TLS_04_openssl_is_refused(site, suites):
    said = s_client(site, "-tls1_2", "-cipher", suites + ":@SECLEVEL=0")
    assert "alert handshake failure" in said and "SSL alert number 40" in said


def test_TLS_16_openssl_with_srp_is_refused(site):
    said = s_client(site, "-tls1_2", "-cipher", "SRP:@SECLEVEL=0", "-srpuser", "ra", "-srppass", "pass:x")
    assert "SSL alert number 40" in said


def test_TLS_17_no_compression(site):
    reaction = offer(site, [GOOD_SUITE], compressions=(1, 0))
    assert (reaction.suite, reaction.compression) == (GOOD_SUITE, 0)


@pytest.mark.parametrize("binding", ["if-present", "required"])
def test_TLS_17_without_extended_master_secret_there_is_no_binding(site, binding):
    label = site.alias(binding=binding)
    made = context(site, None, "1.2")
    made.options |= ssl.Options(1)  # SSL_OP_NO_EXTENDED_MASTER_SECRET
    with socket.create_connection(("127.0.0.1", site.port), LIMIT) as sock, made.wrap_socket(sock, server_hostname="localhost") as tls:
        own = base64.b64encode(tls.get_channel_binding("tls-unique"))
        client = EstClient(site, site.user, site.PASSWORD)
        client.open().sock.close()
        client.connection.sock = tls
        check_refusal(client.enroll(make_csr(make_key(), challenge=own), label), 400, "binding_failed")
    # With it the same is accepted
    with site.ra(tls="1.2") as client:
        own = base64.b64encode(client.tls_unique())
        assert client.enroll(make_csr(make_key(), challenge=own), label).status == 200


# --- TLS-05, TLS-06: the server's certificate

@pytest.fixture(scope="module")
def demo_certificate(tmp_path_factory):
    """The server certificate of ./quickstart, made by its own steps"""
    directory = tmp_path_factory.mktemp("demo")
    script = r"""
        set -eu
        cd "$TOP"
        as_server() { "$@"; }
        . build-aux/servers.sh
        state=$OUT servers_dir=$OUT
        mkdir "$OUT/client"
        cp conf/quickstart/openssl.cnf "$OUT"
        servers_pki '/O=demo/CN=Demo'
    """
    done = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env={"PATH": os.environ["PATH"], "TOP": TOP, "OUT": str(directory)})
    assert done.returncode == 0, done.stdout.decode()

    def read(name):
        pieces = re.findall(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", (directory / "pki" / name).read_bytes(), re.S)
        return [x509.load_pem_x509_certificate(piece) for piece in pieces]
    return read("server.crt"), read("issuing.crt")[0], read("root.crt")[0]


def check_server_certificate(cert, issuer):
    lint(cert, issuer, excepted=("purposes_are_not_powers",))  # id-kp-cmcRA is a server's to have
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert names == ["localhost"]
    purposes = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert SERVER_AUTH in purposes and CMC_RA in purposes
    assert cert.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature


def test_TLS_05_certificate_of_the_quickstart(demo_certificate):
    chain, issuing, root = demo_certificate
    check_server_certificate(chain[0], issuing)
    assert issuing.issuer == root.subject


def test_TLS_06_quickstart_sends_its_intermediate(demo_certificate):
    chain, issuing, _ = demo_certificate
    assert chain[1:] == [issuing]


def test_TLS_05_certificate_that_is_sent_has_the_hosts_name(site):
    with connect(site) as sock:  # verifies the name
        check_server_certificate(x509.load_der_x509_certificate(sock.getpeercert(True)), site.pki.issuing.cert)
    assert "hostname mismatch" in s_client(site, "-verify_hostname", "other.example")


@pytest.mark.parametrize("tls", ["-tls1_2", "-tls1_3"])
def test_TLS_06_the_root_alone_verifies_what_is_sent(site, tls):
    said = s_client(site, "-showcerts", "-verify_return_error", tls)
    assert "Verify return code: 0 (ok)" in said
    pieces = re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", said, re.S)
    found = [x509.load_pem_x509_certificate(piece.encode()) for piece in pieces]
    assert found == [site.pki.server.cert, site.pki.issuing.cert], "the leaf, the intermediate, and no root"


# --- TLS-07, TLS-12: resumption

def twice(site, tls, identity=None, between=lambda: None, octets=lambda s, sock: enrol(s, TEXT)):
    """Answers of a connection and of one that resumes it: (resumed?, first, second)"""
    shared, session, answers = context(site, identity, tls), None, []
    for number in range(2):
        with socket.create_connection(("127.0.0.1", site.port), LIMIT) as sock, \
                shared.wrap_socket(sock, server_hostname="localhost", session=session) as sock:
            sock.sendall(octets(site, sock))
            answers.append(received(site, sock))
            reused, session = sock.session_reused, sock.session
        if not number:
            between()
    return reused, *answers


def received(site, sock):
    response = http.client.HTTPResponse(sock)
    response.begin()
    return Answer(response.status, response.headers, response.read()).enter(site)


def bound(site, sock):
    value = base64.b64encode(sock.get_channel_binding("tls-unique"))
    return enrol(site, base64.b64encode(make_csr(make_key(), challenge=value)))


@pytest.mark.parametrize("tls", VERSIONS)
def test_TLS_07_est_conf_resumes_no_session(site, tls):
    reused, first, second = twice(site, tls)
    assert not reused
    assert (first.status, second.status) == (200, 200)


@pytest.mark.parametrize("tls", VERSIONS)
def test_TLS_07_without_EstVerifyClient_sessions_are_resumed(resuming, tls):
    reused, first, second = twice(resuming, tls, octets=bound if tls == "1.2" else lambda s, _: enrol(s, TEXT))
    assert reused
    assert (first.status, second.status) == (200, 200)


def test_TLS_07_binding_of_the_session_before_is_wrong_after_resumption(resuming):
    values = []

    def stale(site, sock):
        values.append(base64.b64encode(sock.get_channel_binding("tls-unique")))
        return enrol(site, base64.b64encode(make_csr(make_key(), challenge=values[0])))
    reused, first, second = twice(resuming, "1.2", octets=stale)
    assert reused and values[0] != values[1]
    assert first.status == 200
    check_refusal(second, 400, "binding_failed")


@pytest.mark.parametrize("tls", VERSIONS)
def test_TLS_12_revocation_is_asked_for_with_each_request(site, tls):
    holder = site.holder("CN=revoked")
    with site.client(identity=holder, tls=tls) as client:
        assert client.reenroll(make_csr(make_key(), "CN=revoked")).status == 200
        site.revoke(holder.cert)
        check_refusal(client.reenroll(make_csr(make_key(), "CN=revoked")), 403, "certificate_revoked")
    with site.client(identity=holder, tls=tls) as client:
        check_refusal(client.reenroll(make_csr(make_key(), "CN=revoked")), 403, "certificate_revoked")
        assert client.get("cacerts").status == 200


@pytest.mark.parametrize("tls", VERSIONS)
def test_TLS_12_on_a_resumed_session_too(resuming, tls):
    holder = resuming.holder("CN=resumed")
    body = base64.b64encode(make_csr(make_key(), "CN=resumed"))
    reused, first, second = twice(resuming, tls, holder, lambda: resuming.revoke(holder.cert),
                                  lambda s, _: enrol(s, body, operation="simplereenroll").replace(b"Authorization", b"X"))
    assert reused
    assert first.status == 200
    check_refusal(second, 403, "certificate_revoked")


# --- TLS-08

@pytest.mark.parametrize("place", ["site", "resuming"])
def test_TLS_08_client_cannot_renegotiate(request, place, allow_log):
    allow_log("AH02042")
    place = request.getfixturevalue(place)
    said = s_client(place, "-tls1_2", stdin=b"R\n")
    assert "Secure Renegotiation IS supported" in said
    assert "RENEGOTIATING" in said
    assert "no renegotiation" in said or "alert" in said or "unexpected eof" in said, said
    assert raw(place, head(place)).status == 200


@pytest.mark.parametrize("directive", ["SSLVerifyClient optional", "SSLVerifyDepth 2", "SSLCipherSuite HIGH"])
def test_TLS_08_a_location_that_would_renegotiate_is_a_warning(make_site, directive):
    site = make_site("reneg", start=False, location=directive)
    seen = site.httpd.log.size()
    status, output = site.httpd.check()
    assert status == 0
    assert f"{directive.split(' ')[0]} in an EST location renegotiates" in output + "\n".join(site.httpd.log.since(seen))
    site.httpd.log.checked = site.httpd.log.size()


@pytest.mark.parametrize("tls", VERSIONS)
def test_TLS_08_no_handshake_between_request_and_answer(site, tls):
    """Without post-handshake authentication and renegotiation allowed by the client, certificates work all the same"""
    holder = site.holder("CN=once")
    made = context(site, holder, tls)
    made.post_handshake_auth = False
    made.options |= ssl.OP_NO_RENEGOTIATION
    with socket.create_connection(("127.0.0.1", site.port), LIMIT) as sock, made.wrap_socket(sock, server_hostname="localhost") as sock:
        before = sock.get_channel_binding("tls-unique")
        body = base64.b64encode(make_csr(make_key(), "CN=once"))
        sock.sendall(enrol(site, body, operation="simplereenroll").replace(b"Authorization", b"X"))
        assert received(site, sock).status == 200
        assert sock.get_channel_binding("tls-unique") == before


# --- TLS-09 to TLS-14: client certificates

@pytest.mark.parametrize("tls", VERSIONS)
@pytest.mark.parametrize("place", ["site", "resuming"])
def test_TLS_09_certificates_are_requested_and_not_required(request, place, tls):
    place = request.getfixturevalue(place)
    assert "Requested Signature Algorithms" in s_client(place, "-tls" + tls.replace(".", "_"))
    with place.client(tls=tls) as client:
        assert client.get("cacerts").status == 200
        check_refusal(client.enroll(make_csr(make_key())), 401)
    with place.ra(tls=tls) as client:
        assert client.enroll(make_csr(make_key())).status == 200


@pytest.fixture(scope="module")
def identities(pki):
    unknown = type(pki.root)("O=Unknown,CN=Nobody's CA")
    return {"expired": pki.issuing.issue(not_before=now() - days(9), not_after=now() - days(1)),
            "not_yet_valid": pki.issuing.issue(not_before=now() + days(1), not_after=now() + days(9)),
            "unknown_ca": unknown.issue(), "cmcRA_only": pki.issuing.issue(eku=(CMC_RA,)), "serverAuth_only": pki.issuing.issue(eku=(SERVER_AUTH,))}


# What mod_ssl says with SSLVerifyClient optional, and the module with EstVerifyClient on to a re-enrolment: (alert, reason)
BAD_IDENTITIES = {
    "TLS-10_expired": ("expired", 45, "certificate_refused"), "TLS-10_not_yet_valid": ("not_yet_valid", 42, "certificate_refused"),
    "TLS-10_unknown_ca": ("unknown_ca", 48, "certificate_required"), "TLS-11_cmcRA_only": ("cmcRA_only", 43, "certificate_refused"),
    "TLS-11_serverAuth_only": ("serverAuth_only", 43, "certificate_refused"),
}


@pytest.mark.parametrize("tls", VERSIONS)
@pytest.mark.parametrize("row", BAD_IDENTITIES)
def test_bad_certificate_with_EstVerifyClient(site, identities, row, tls):
    kind, _, reason = BAD_IDENTITIES[row]
    with site.client(identity=identities[kind], tls=tls) as client:
        check_refusal(client.reenroll(make_csr(make_key())), 403, reason)
        assert client.get("cacerts").status == 200
    # A good password makes up for a certificate of no anchor, not for a bad one of an anchor (decision 12)
    with site.ra(identity=identities[kind], tls=tls) as client:
        answer = client.enroll(make_csr(make_key()))
        assert answer.status == (200 if kind == "unknown_ca" else 403)


@pytest.mark.parametrize("tls", VERSIONS)
@pytest.mark.parametrize("row", BAD_IDENTITIES)
def test_bad_certificate_with_SSLVerifyClient_optional_gets_an_alert(resuming, identities, row, tls, allow_log):
    """and no HTTP at all"""
    allow_log(REFUSED_BY_MOD_SSL)
    kind, alert, _ = BAD_IDENTITIES[row]
    said = s_client(resuming, "-tls" + tls.replace(".", "_"), "-ign_eof", stdin=head(resuming, "Connection: close"), identity=identities[kind])
    assert f"SSL alert number {alert}\n" in said
    assert "HTTP/1.1" not in said


def test_TLS_11_TLS_13_a_certificate_of_a_vendor_or_an_ra_has_rights_where_it_has_an_anchor(site):
    """Without one it counts as none, and what it is for changes nothing (test_vendor.py, test_ra_certificates.py)"""
    ra = site.pki.foreign.issue("CN=RA", eku=(CLIENT_AUTH, CMC_RA))
    label = site.alias(auth_enroll="cert")
    with site.client(identity=ra) as client:
        check_refusal(client.enroll(make_csr(make_key(), "CN=other"), label), 403, "certificate_required")
        check_refusal(client.reenroll(make_csr(make_key(), "CN=RA"), label), 403, "certificate_required")


@pytest.mark.parametrize("place", ["site", "resuming"])
def test_TLS_14_anchors_are_explicit_and_belong_to_their_alias(request, place):
    """The foreign CA is one that mod_ssl trusts where it verifies (the second host): that alone gives nothing, at any alias"""
    place = request.getfixturevalue(place)
    foreign = place.pki.foreign.issue("CN=explicit")
    label, other = (place.alias(auth_enroll="cert", unknown_holder="accept") for _ in range(2))

    def enrolled(label):
        with place.client(identity=foreign) as client:
            return client.enroll(make_csr(make_key(), "CN=explicit"), label)
    check_refusal(enrolled(label), 403, "certificate_required")
    place.sql("INSERT INTO trust_anchor (alias_id, certificate) SELECT id, %s FROM alias WHERE name = %s", place.pki.foreign.der(), label)
    assert enrolled(label).status == 200
    check_refusal(enrolled(other), 403, "certificate_required")
    place.sql("DELETE FROM trust_anchor")
    check_refusal(enrolled(label), 403, "certificate_required")


# --- TLS-15

def test_TLS_15_early_data_is_not_offered(resuming, tmp_path):
    """Not even where sessions are resumed"""
    session, request = str(tmp_path / "session"), tmp_path / "request"
    request.write_bytes(head(resuming, "Connection: close"))
    said = s_client(resuming, "-tls1_3", "-ign_eof", "-sess_out", session, stdin=request.read_bytes())
    assert set(re.findall(r"Max Early Data: (\d+)", said)) == {"0"}
    said = s_client(resuming, "-tls1_3", "-sess_in", session, "-early_data", str(request))
    assert "Reused, TLSv1.3" in said
    assert "Early data was not sent" in said or "Early data was rejected" in said
    assert "HTTP/1.1 200" not in said


def test_TLS_15_est_conf_gives_out_no_ticket_to_send_it_with(site):
    said = s_client(site, "-tls1_3", "-ign_eof", stdin=head(site, "Connection: close"))
    assert "HTTP/1.1 200" in said
    assert "New Session Ticket arrived" not in said and "Early data was not sent" in said
