# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Channel binding by challengePassword, RFC 7030 3.5 and RFC 9266: each value on each kind of connection, by a client that
knows both Finished messages and what can be exported.
"""

import base64
import http.client
import socket

import pytest

from harness import der
from harness.bound import BoundConnection
from harness.client import LIMIT, Answer, basic, context
from harness.pki import CHALLENGE_PASSWORD, make_csr, make_key, raw_attribute, raw_csr

OTP, REVOCATION, LINKING = ("1.2.840.113549.1.9.16.2." + arc for arc in ("56", "57", "58"))
OTHER_12, OTHER_32 = base64.b64encode(b"x" * 12), base64.b64encode(b"x" * 32)

# Connections: (TLS, is the session one of an earlier connection, with tickets)
KINDS = {
    "tls12_full": ("1.2", False, True), "tls12_ticket": ("1.2", True, True), "tls12_session_id": ("1.2", True, False),
    "tls13_full": ("1.3", False, True), "tls13_resumed": ("1.3", True, True),
}
PROTOCOLS = ["http1", "http2"]
BINDINGS = ("if-present", "required", "off")


@pytest.fixture(scope="module")
def bound_site(make_site):
    """Resumption exists only without EstVerifyClient"""
    made = make_site("bound", verify="optional", verify_client="", modules=("http2",), protocols="h2 http/1.1")
    made.labels = {binding: made.alias(binding=binding, idempotency="0") for binding in BINDINGS}
    return made


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=PROTOCOLS)
def connect(request, bound_site, kind):
    """Makes connections of one kind; each has the binding value of one before it as .previous"""
    tls, resume, tickets = KINDS[kind]
    http2 = request.param == "http2"

    def make():
        with BoundConnection(bound_site, tls, tickets=tickets, http2=http2) as first:
            first.touch()
        made = BoundConnection(bound_site, tls, first.session() if resume else None, tickets, http2)
        assert made.resumed == resume
        made.previous = first.value
        return made

    return make


def enroll(connect, binding, attributes):
    """attributes: of the connection. One request a connection, since httpd closes after a 400."""
    with connect() as connection:
        asked = raw_csr(make_key(), attributes=attributes(connection))
        return connection.enroll(asked, connection.site.labels[binding])


def challenge(value, tag=der.UTF8):
    return raw_attribute(CHALLENGE_PASSWORD, der.tlv(tag, value))


@pytest.mark.row("I-07")
@pytest.mark.parametrize("binding, status", [("if-present", 200), ("required", 200), ("off", 400)])
def test_CB_01_CB_03_the_value_of_this_connection(connect, kind, binding, status):
    with connect() as connection:
        assert len(connection.value) == (16 if kind.startswith("tls12") else 44)
    assert enroll(connect, binding, lambda c: [challenge(c.value)]).status == status


def test_off_refuses_what_it_does_not_look_at(connect):
    assert enroll(connect, "off", lambda c: [challenge(b"secret")]).reason == "binding_failed"


@pytest.mark.parametrize("tag", [der.PRINTABLE, der.UTF8, der.IA5])
def test_CB_06_string_types(connect, tag):
    assert enroll(connect, "required", lambda c: [challenge(c.value, tag)]).status == 200


def test_CB_08_EN_07_absent(bound_site, connect):
    before = bound_site.counts()
    answer = enroll(connect, "required", lambda c: [])
    assert (answer.status, answer.reason) == (400, "binding_required")
    assert "challengePassword" in answer.text
    assert bound_site.counts() == before
    assert enroll(connect, "if-present", lambda c: []).status == 200
    assert enroll(connect, "off", lambda c: []).status == 200


def test_CB_08_EN_07_csrattrs_announces_it(site):
    with site.client() as client:
        assert client.get("csrattrs", site.alias(binding="required")).der() == der.seq(der.oid(CHALLENGE_PASSWORD))
        assert client.get("csrattrs", site.alias(binding="if-present")).status == 204


# (attributes of the connection, the token of the 400, why)
WRONG = {
    "CB-02_static_password": (lambda c: [challenge(b"secret")], "binding_failed", "the SCEP habit: must not be ignored"),
    "C-11_EN-06_other_value": (lambda c: [challenge(OTHER_12)], "binding_failed", "of the length of tls-unique"),
    "C-11_other_long_value": (lambda c: [challenge(OTHER_32)], "binding_failed", "of the length of tls-exporter"),
    "CB-04_CB-11_CB-15_C-11_previous_connection": (lambda c: [challenge(c.previous)], "binding_failed", "replayed"),
    "CB-05_C-11_longer": (lambda c: [challenge(c.value + b"A")], "binding_failed", "exact length"),
    "CB-05_longer_by_a_block": (lambda c: [challenge(c.value + b"AAAA")], "binding_failed", "exact length"),
    "CB-05_prefix": (lambda c: [challenge(c.value[:8])], "binding_failed", "exact length"),
    "CB-05_shorter": (lambda c: [challenge(c.value[:-1])], "binding_failed", "exact length"),
    "CB-05_case": (lambda c: [challenge(c.value.swapcase())], "binding_failed", "base64 has case"),
    "CB-06_newline": (lambda c: [challenge(c.value + b"\n")], "csr_attribute", "RFC 4648 4 without line break"),
    "CB-06_C-11_256_octets": (lambda c: [challenge((c.value * 20)[:256])], "csr_attribute", "over 255 octets"),
    "CB-06_255_octets": (lambda c: [challenge((c.value * 20)[:255])], "binding_failed", "as long as it may be, and wrong"),
    "CB-06_C-11_empty": (lambda c: [challenge(b"")], "csr_attribute", "nothing"),
    "CB-06_C-11_two_values": (lambda c: [raw_attribute(CHALLENGE_PASSWORD, *[der.tlv(der.UTF8, c.value)] * 2)], "csr_attribute",
                              "single-valued"),
    "CB-06_C-11_two_attributes": (lambda c: [challenge(c.value)] * 2, "csr_attribute", "which one counts?"),
    "C-11_octet_string": (lambda c: [challenge(c.value, der.OCTET_STRING)], "csr_attribute", "no text"),
    "C-11_bmp": (lambda c: [challenge(c.value.decode().encode("utf-16-be"), der.BMP)], "csr_attribute", "another text"),
    "C-11_t61": (lambda c: [challenge(c.value, der.T61)], "csr_attribute", "another text"),
    "C-11_no_base64": (lambda c: [challenge(b"%" * len(c.value))], "binding_failed", "no base64 at all"),
    "C-11_hex": (lambda c: [challenge(base64.b64decode(c.value).hex().encode())], "binding_failed", "another encoding"),
    "C-11_octets": (lambda c: [challenge(b"\x01" + base64.b64decode(c.value)[1:])], "csr_attribute", "no encoding"),
    "CB-12_linking_and_bad_challenge": (lambda c: [challenge(OTHER_12), raw_attribute(LINKING, der.tlv(der.UTF8, c.value))],
                                        "binding_failed", "all that are there must succeed"),
    "CB-12_linking_alone": (lambda c: [raw_attribute(LINKING, der.tlv(der.UTF8, c.value))], "csr_attribute|binding_required", "not read yet"),
    "CB-12_linking_and_good_challenge": (lambda c: [challenge(c.value), raw_attribute(LINKING, der.tlv(der.UTF8, c.value))],
                                         "csr_attribute", "not read yet"),
    "CB-12_AUTH-14_A-14_otp_and_good_challenge": (lambda c: [challenge(c.value), raw_attribute(OTP, der.tlv(der.UTF8, b"1234"))], "csr_attribute",
                                     "not read yet"),
    "CB-12_AUTH-14_A-14_otp_alone": (lambda c: [raw_attribute(OTP, der.tlv(der.UTF8, b"1234"))], "csr_attribute|binding_required",
                                     "whatever it holds: none is known"),
    "CB-13_revocation_and_good_challenge": (lambda c: [challenge(c.value), raw_attribute(REVOCATION, der.tlv(der.UTF8, b"1234"))],
                                            "csr_attribute", "not read yet"),
}


@pytest.mark.parametrize("row", WRONG)
def test_a_wrong_value_is_refused(bound_site, connect, row):
    attributes, reasons, why = WRONG[row]
    before = bound_site.counts()
    for binding in ("if-present", "required"):
        answer = enroll(connect, binding, attributes)
        assert answer.status == 400, why
        assert answer.reason in reasons.split("|"), why
    assert bound_site.counts() == before


@pytest.mark.parametrize("which", [0, 1])
def test_CB_04_CB_07_the_wrong_finished_message(connect, kind, which):
    """On TLS 1.2 the one that was sent second, on TLS 1.3 either"""
    def wrong(connection):
        found = [message for message in connection.finished if message != connection.value]
        assert len(found) == (1 if kind.startswith("tls12") else 2)
        return [challenge(found[which % len(found)])]
    assert enroll(connect, "if-present", wrong).reason == "binding_failed"
    assert enroll(connect, "required", wrong).reason == "binding_failed"


@pytest.mark.parametrize("suite, characters", [("TLS_AES_128_GCM_SHA256", 44), ("TLS_AES_256_GCM_SHA384", 64)])
def test_CB_07_finished_messages_of_tls_13_have_two_lengths(make_site, suite, characters):
    site = make_site("suite", vhost=f"SSLCipherSuite TLSv1.3 {suite}")
    label = site.alias(binding="required")
    for whose in (0, 1):
        with BoundConnection(site, "1.3") as connection:
            message = connection.finished[whose]
            assert len(message) == characters
            assert connection.enroll(make_csr(make_key(), challenge=message), label).reason == "binding_failed"
    with BoundConnection(site, "1.3") as connection:
        assert connection.enroll(make_csr(make_key(), challenge=connection.value), label).status == 200


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_TLS_17_without_extended_master_secret_there_is_no_binding(bound_site, protocol):
    def connect():
        return BoundConnection(bound_site, "1.2", http2=protocol == "http2", extended=False)
    for binding in BINDINGS:
        assert enroll(connect, binding, lambda c: [challenge(c.value)]).reason == "binding_failed"
    assert enroll(connect, "required", lambda c: []).reason == "binding_required"
    assert enroll(connect, "if-present", lambda c: []).status == 200


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_CB_03_where_the_module_verifies_certificates(site, tls):
    label = site.alias(binding="required")
    with BoundConnection(site, tls) as connection:
        assert connection.enroll(make_csr(make_key(), challenge=connection.value), label).status == 200


@pytest.fixture(scope="module")
def resuming(make_site):
    """Resumption exists only without EstVerifyClient"""
    return make_site("resume", verify="optional", verify_client="")


def resumed(site, tls):
    """Enrols on a second connection with the session of the first: (was it resumed, the answer). Bound where TLS 1.2 is."""
    shared, session = context(site, None, tls), None
    for _ in range(2):
        sock = socket.create_connection(("127.0.0.1", site.port), LIMIT)
        with shared.wrap_socket(sock, server_hostname="localhost", session=session) as sock:
            own = base64.b64encode(sock.get_channel_binding("tls-unique")) if tls == "1.2" else None
            body = base64.b64encode(make_csr(make_key(), challenge=own))
            sock.sendall(f"POST {site.mount}/simpleenroll HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/pkcs10\r\n"
                         f"Authorization: {basic(site.user, site.PASSWORD)}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            response = http.client.HTTPResponse(sock)
            response.begin()
            answer = Answer(response.status, response.headers, response.read()).enter(site)
            reused, session = sock.session_reused, sock.session
    return reused, answer


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_TLS_07_no_resumption_with_EstVerifyClient(site, tls):
    reused, answer = resumed(site, tls)
    assert not reused
    assert answer.status == 200


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_TLS_07_resumption_without_it(resuming, tls):
    assert resumed(resuming, tls)[0]
