# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Methods, headers, the form of answers, connections: docs/conformance.md, rows HTTP, and those of H that a handler sees."""

import base64
import contextlib
import gzip
import os
import re
import socket
import threading

import pytest

from harness import run
from harness.bound import BoundConnection
from harness.client import LIMIT, Answer, EstClient, basic, connect, context, curl, raw, raw_all
from harness.form import check_form, check_refusal, enrol, enrol_head, head
from harness.httpd import DENIED_USER, PASSWORD_MISMATCH
from harness.pki import make_csr, make_key

# The one difference from conf/est.conf: connections as long as a test wants, also where the machine is busy
SITE = {"shipped": True, "changes": (("MaxKeepAliveRequests 100\n", "MaxKeepAliveRequests 0\n"), ("KeepAliveTimeout 5\n", "KeepAliveTimeout 60\n"))}
CSR = make_csr(make_key())
TEXT = base64.b64encode(CSR)
OPERATIONS = {"cacerts": "GET, HEAD", "csrattrs": "GET, HEAD", "simpleenroll": "POST", "simplereenroll": "POST"}

pytestmark = pytest.mark.usefixtures("same_child")


@pytest.fixture(scope="module")
def http2(make_site):
    """What est.conf says of HTTP/2, done"""
    return make_site("http2", shipped=True, modules=("http2",), changes=(("    Protocols http/1.1\n", "    Protocols h2 http/1.1\n"),))


@pytest.fixture(scope="module")
def traceable(make_site):
    """With what est.conf switches off"""
    return make_site("traceable", shipped=True, changes=(
        ("    TraceEnable off\n", "    TraceEnable on\n"),
        ("    HttpProtocolOptions Strict RegisteredMethods Require1.0\n", "")))


def authorization(site):
    return f"Authorization: {basic(site.user, site.PASSWORD)}"


# --- methods

FOREIGN = {operation: [method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "OPTIONS", "TRACE", "MKCOL")
                       if method not in allow] for operation, allow in OPERATIONS.items()}


@pytest.mark.parametrize("operation, method", [(operation, method) for operation in OPERATIONS for method in FOREIGN[operation]])
def test_HTTP_01_HTTP_03_H_18_H_19_H_20_foreign_methods(site, operation, method):
    before = site.counts()
    octets = enrol(site, TEXT, method=method, operation=operation) if method != "TRACE" else \
        head(site, authorization(site), method=method, target=operation)
    answer = raw(site, octets)
    assert answer.status == 405
    assert answer.header("Allow") == OPERATIONS[operation]
    if method == "HEAD":
        assert answer.body == b""
    else:
        check_refusal(answer, 405, "method_not_allowed")
    assert b"Authorization" not in answer.body
    assert site.counts() == before


@pytest.mark.parametrize("method", ["FOO", "post", "get", "Post"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_H_20_HTTP_03_methods_that_do_not_exist(site, traceable, operation, method):
    """501 by HttpProtocolOptions; 405 by the module where that is not set"""
    for place, status in ((site, 501), (traceable, 405)):
        before = place.counts()
        answer = raw(place, enrol(place, TEXT, method=method, operation=operation))
        check_refusal(answer, status, "not_implemented|method_not_allowed")
        assert answer.header("Allow") == (OPERATIONS[operation] if status == 405 else None)
        assert place.counts() == before


@pytest.mark.parametrize("operation", [*OPERATIONS, "est/cacerts"])
def test_H_18_trace_returns_no_credentials_even_if_it_is_on(traceable, operation):
    answer = raw(traceable, head(traceable, authorization(traceable), "Cookie: secret", method="TRACE", target=operation))
    check_refusal(answer, 405, "method_not_allowed")
    assert answer.header("Allow") == OPERATIONS[operation.rpartition("/")[2]]
    assert b"secret" not in answer.body and b"Basic" not in answer.body


def test_H_19_options_of_the_whole_server(site):
    answer = raw(site, head(site, method="OPTIONS", target="*"))
    assert (answer.status, answer.body, answer.header("Content-Length")) == (200, b"", "0")
    assert answer.header("Allow") == "GET, HEAD, POST"


def test_H_19_connect(site):
    answer = raw(site, head(site).replace(f"GET {site.mount}/cacerts".encode(), b"CONNECT localhost:443"))
    check_refusal(answer, 405, "method_not_allowed")


@pytest.mark.parametrize("label", ["", "est/"])
def test_HTTP_02_head_has_the_headers_of_get(site, label):
    def fields(method):
        octets = raw_all(site, head(site, "Connection: close", method=method, target=label + "cacerts"))
        top, _, body = octets.partition(b"\r\n\r\n")
        return re.sub(rb"\r\nDate: [^\r]*", b"", top), body
    (get, get_body), (found, body) = fields("GET"), fields("HEAD")
    assert found == get
    assert body == b""
    assert b"\r\nContent-Length: %d\r\n" % len(get_body) in get


def test_HTTP_02_head_of_a_refusal_has_no_body(site):
    octets = raw_all(site, head(site, "Connection: close", method="HEAD", target="simpleenroll"))
    assert octets.startswith(b"HTTP/1.1 405 ") and octets.endswith(b"\r\n\r\n")


# --- what a request says of its body

# Content-Type lines: (lines, status)
TYPES = {
    "HTTP-04_exact": (["Content-Type: application/pkcs10"], 200), "HTTP-04_case": (["Content-Type: Application/PKCS10"], 200),
    "HTTP-04_charset": (["Content-Type: application/pkcs10; charset=x"], 200),
    "HTTP-04_blank_before_parameter": (["Content-Type: application/pkcs10 ; a=b"], 200),
    "HTTP-04_text": (["Content-Type: text/plain"], 415), "HTTP-04_absent": ([], 415),
    "HTTP-04_x_pkcs10": (["Content-Type: application/x-pkcs10"], 415), "HTTP-04_pem": (["Content-Type: application/x-pem-file"], 415),
    "HTTP-04_form": (["Content-Type: application/x-www-form-urlencoded"], 415),
    "H-23_text": (["Content-Type: text/plain"], 415), "H-23_absent": ([], 415), "H-23_empty": (["Content-Type:"], 415),
    "H-23_two": (["Content-Type: application/pkcs10", "Content-Type: text/plain"], 415),
    "H-23_two_other_order": (["Content-Type: text/plain", "Content-Type: application/pkcs10"], 415),
    "H-23_longer": (["Content-Type: application/pkcs10x"], 415), "H-23_shorter": (["Content-Type: application/pkcs1"], 415),
    "H-23_list": (["Content-Type: application/pkcs10, text/plain"], 415),
    "H-23_long": (["Content-Type: application/pkcs10" + "x" * 8100], 415),
    "H-23_no_slash": (["Content-Type: pkcs10"], 415),
}


@pytest.mark.parametrize("operation", ["simpleenroll", "simplereenroll"])
@pytest.mark.parametrize("row", TYPES)
def test_content_types(site, row, operation):
    lines, status = TYPES[row]
    octets = head(site, authorization(site), *lines, f"Content-Length: {len(TEXT)}", method="POST", target=operation) + TEXT
    if operation == "simplereenroll":
        answer = raw(site, octets, holder(site))
    else:
        answer = raw(site, octets)
    if status == 415:
        check_refusal(answer, 415, "media_type")
    else:
        assert answer.status == 200


def holder(site):
    if not hasattr(site, "its_holder"):
        site.its_holder = site.holder("CN=device-1")
    return site.its_holder


# HTTP-05: none of them is right while fullcmc is not offered
@pytest.mark.parametrize("value", ["application/pkcs7-mime; smime-type=CMC-request", "application/pkcs7-mime",
                                   "application/pkcs7-mime; smime-type=certs-only"])
@pytest.mark.parametrize("label", ["", "est/"])
def test_HTTP_05_fullcmc_is_refused_whatever_its_type(site, value, label):
    octets = head(site, authorization(site), f"Content-Type: {value}", f"Content-Length: {len(TEXT)}", method="POST", target=label + "fullcmc")
    check_refusal(raw(site, octets + TEXT), 404, "operation_unknown")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip", "x-gzip", "GZIP"])
def test_H_24_HTTP_06_content_encoding(site, coding):
    before = site.counts()
    answer = raw(site, enrol(site, gzip.compress(TEXT), f"Content-Encoding: {coding}"))
    check_refusal(answer, 415, "content_encoding")
    assert answer.header("Accept-Encoding") == "identity"
    assert site.counts() == before


def test_HTTP_06_a_module_that_inflates_changes_nothing(make_site):
    site = make_site("inflate", shipped=True, modules=("filter", "deflate"),
                     changes=(("        EstEngine on\n", "        EstEngine on\n        SetInputFilter DEFLATE\n"),))
    answer = raw(site, enrol(site, gzip.compress(TEXT), "Content-Encoding: gzip"))
    check_refusal(answer, 415, "content_encoding")
    bomb = gzip.compress(b"A" * 10000000)
    check_refusal(raw(site, enrol(site, bomb, "Content-Encoding: gzip")), 415, "content_encoding")


def test_HTTP_10_expect_continue(site):
    """100 before the body is sent, and the answer after it"""
    with connect(site) as sock:
        sock.sendall(enrol_head(site, f"Content-Length: {len(TEXT)}", "Expect: 100-continue", "Connection: close"))
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(TEXT)
        octets = b""
        while part := sock.recv(65536):
            octets += part
    top, _, body = octets.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 200 OK\r\n")
    Answer(200, {"Content-Type": "application/pkcs7-mime; smime-type=certs-only"}, body).enter(site)


# What can be said without the body is said without a 100: (lines, status)
BEFORE_THE_BODY = {"HTTP-10_too_long": (["Content-Length: 999999"], 413), "HTTP-10_no_credentials": (["Content-Length: 400", "User-Agent: a"], 401)}


@pytest.mark.parametrize("row", BEFORE_THE_BODY)
def test_a_refusal_does_not_ask_for_the_body(site, row):
    lines, status = BEFORE_THE_BODY[row]
    octets = enrol_head(site, *lines, "Expect: 100-continue")
    if status == 401:
        octets = octets.replace(b"Authorization", b"X-Other")
    check_refusal(raw(site, octets), status)


@pytest.mark.parametrize("accept", ["text/html", "*/*", "application/pkcs7-mime", "multipart/mixed", "image/*;q=0.1", "application/pkcs7-mime;q=0", ""])
def test_HTTP_11_accept_never_causes_406(site, accept):
    for octets in (head(site, f"Accept: {accept}", f"Accept-Charset: {accept}"), enrol(site, TEXT, f"Accept: {accept}")):
        assert raw(site, octets).status == 200


# --- the form of answers

# (octets, status); the handler's and the core's
ANSWERS = {
    "cacerts": (head, 200), "head": (lambda s: head(s, method="HEAD"), 200), "enrolment": (lambda s: enrol(s, TEXT), 200),
    "400": (lambda s: enrol(s, b"garbage"), 400), "401": (lambda s: enrol(s, TEXT, "User-Agent: a").replace(b"Authorization", b"X"), 401),
    "403": (lambda s: enrol(s, TEXT, operation="simplereenroll"), 403), "404": (lambda s: head(s, target="x"), 404),
    "405": (lambda s: head(s, target="simpleenroll"), 405), "411": (enrol_head, 411), "413": (lambda s: enrol_head(s, "Content-Length: 9999999"), 413),
    "414": (lambda s: head(s, target="a" * 9000), 414), "415": (lambda s: head(s, "Content-Length: 0", authorization(s), method="POST",
                                                                                target="simpleenroll"), 415),
    "417": (lambda s: head(s, "Expect: 42"), 417), "501": (lambda s: head(s, method="FOO"), 501),
    "400_of_the_core": (lambda s: head(s, host=None), 400), "404_of_the_core": (lambda s: head(s, target="a%2Fb"), 404),
}


@pytest.mark.parametrize("row", ANSWERS)
def test_HTTP_12_HTTP_13_HTTP_14_HTTP_16_HTTP_18_HTTP_19_HTTP_20_form(site, row):
    octets, status = ANSWERS[row]
    answer = raw(site, octets(site))
    assert answer.status == status
    check_form(answer)
    if status != 200:
        check_refusal(answer, status)
    elif row != "head":
        assert int(answer.header("Content-Length")) == len(answer.body)


def first_record(site, octets):
    """What one read gives: no more than a TLS record"""
    with connect(site) as sock:
        sock.sendall(octets)
        return sock.recv(16384)


def test_HTTP_13_header_and_body_come_in_one_record(site):
    for octets in (head(site), enrol(site, TEXT), head(site, target="x")):
        got = first_record(site, octets)
        top, _, body = got.partition(b"\r\n\r\n")
        assert len(top) + 4 < 1024
        assert len(body) == int(re.search(rb"Content-Length: (\d+)", top).group(1))
    Answer(200, {"Content-Type": "application/pkcs7-mime; smime-type=certs-only"}, first_record(site, enrol(site, TEXT))
           .partition(b"\r\n\r\n")[2]).enter(site)


@pytest.mark.parametrize("row", ANSWERS)
def test_HTTP_15_connection_close_is_honoured(site, row):
    """libest reads until the end: it comes, with close_notify, before the client has closed anything"""
    octets = ANSWERS[row][0](site).replace(b"\r\nHost:", b"\r\nConnection: close\r\nHost:", 1)
    if row == "400_of_the_core":
        octets = octets[:-2] + b"Connection: close\r\n\r\n"
    with connect(site) as sock:
        sock.sendall(octets)
        received = b""
        while part := sock.recv(65536):
            received += part
    assert received.startswith(b"HTTP/1.1 ") and received.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in received
    if row == "enrolment":
        Answer(200, {"Content-Type": "application/pkcs7-mime; smime-type=certs-only"}, received.partition(b"\r\n\r\n")[2]).enter(site)


def test_HTTP_17_success_is_200(site):
    assert raw(site, head(site)).status == 200
    assert raw(site, enrol(site, TEXT)).status == 200
    assert raw(site, enrol(site, TEXT, operation="simplereenroll"), holder(site)).status == 200


# Conditions and ranges: each is answered as without it
CONDITIONS = {
    "H-31_range": ["Range: bytes=0-10"], "H-31_two_ranges": ["Range: bytes=0-1,5-6"], "H-31_if_range": ["Range: bytes=0-10", 'If-Range: "x"'],
    "H-31_if_match": ['If-Match: "x"'], "H-31_if_none_match": ["If-None-Match: *"],
    "H-31_if_modified_since": ["If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"],
    "H-31_if_unmodified_since": ["If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT"],
}


@pytest.mark.parametrize("row", CONDITIONS)
def test_HTTP_17_conditions_and_ranges_are_ignored(site, row):
    lines = CONDITIONS[row]
    whole = raw(site, head(site))
    assert raw(site, head(site, *lines)).body == whole.body
    answer = raw(site, enrol(site, TEXT, *lines))
    assert answer.status == 200 and answer.cert()
    assert answer.header("Content-Range") is None


def test_HTTP_19_failures_too_many_say_when_to_come_back(site, allow_log):
    allow_log(PASSWORD_MISMATCH, "AH01618")
    user = site.register()
    wrong = f"Authorization: {basic(user, 'wrong')}"
    answers = [raw(site, head(site, wrong, "User-Agent: a", "Content-Type: application/pkcs10", f"Content-Length: {len(TEXT)}",
                              method="POST", target="simpleenroll") + TEXT) for _ in range(11)]
    for answer in answers[:10]:
        check_refusal(answer, 401)
        assert answer.header("WWW-Authenticate") == 'Basic realm="EST"'
    check_refusal(answers[10], 429, "too_many_failures")
    assert 0 < int(answers[10].header("Retry-After")) <= 60


def test_HTTP_19_who_is_denied_with_the_right_password_has_not_failed_to_log_in(site, allow_log):
    """although httpd says 401 to itself"""
    allow_log(DENIED_USER)
    with site.client(site.register(networks="10.0.0.0/8")) as client:
        for _ in range(12):
            check_refusal(client.enroll(CSR), 403, "network_refused")


def empty(pipe, over):
    while not over.wait(0.01):
        with contextlib.suppress(BlockingIOError):
            os.read(pipe, 65536)


def test_HTTP_19_failures_are_counted_before_they_are_answered(make_site, allow_log):
    """and not by what httpd does behind an answer, which may be late: here its log is a pipe that takes nothing more"""
    allow_log(PASSWORD_MISMATCH)
    site, over = make_site("slowlog", start=False), threading.Event()
    path = os.path.join(site.httpd.directory, "access")
    os.mkfifo(path)
    pipe = os.open(run.own(path), os.O_RDWR | os.O_NONBLOCK)
    site.config.server = f'CustomLog {path} "%h"'
    user = site.start().register()
    with contextlib.suppress(BlockingIOError):
        while os.write(pipe, bytes(4096)):
            pass
    try:
        answers = []
        for _ in range(11):
            with site.client(user, "wrong") as client:
                answers.append(client.enroll(make_csr(make_key())))
        assert [answer.status for answer in answers] == [401] * 10 + [429]
    finally:
        reader = threading.Thread(target=empty, args=(pipe, over))
        reader.start()
        site.httpd.stop()
        over.set()
        reader.join()
        os.close(pipe)


def test_HTTP_20_nothing_that_was_issued_is_stored(site):
    assert raw(site, enrol(site, TEXT)).header("Cache-Control") == "no-store"
    assert raw(site, enrol(site, TEXT, operation="simplereenroll"), holder(site)).header("Cache-Control") == "no-store"


# --- HTTP/2

# By curl: (arguments, path, status)
OVER_HTTP2 = {
    "cacerts": ([], "cacerts", 200), "label": ([], "est/cacerts", 200), "head": (["--head"], "cacerts", 200),
    "unknown_label": ([], "nosuch/cacerts", 400), "unknown_operation": ([], "x", 404), "not_offered": ([], "serverkeygen", 404),
    "delete": (["-X", "DELETE"], "cacerts", 405), "get": ([], "simpleenroll", 405), "outside": ([], "/index.html", 403),
    "no_credentials": (["-H", "Content-Type: application/pkcs10", "--data-binary", "AAAA"], "simpleenroll", 401),
    "type": (["{ra}", "-H", "Content-Type: text/plain", "--data-binary", "AAAA"], "simpleenroll", 415),
    "encoding": (["{ra}", "-H", "Content-Type: application/pkcs10", "-H", "Content-Encoding: gzip", "--data-binary", "AAAA"], "simpleenroll", 415),
    "garbage": (["{ra}", "-H", "Content-Type: application/pkcs10", "--data-binary", "AAAA"], "simpleenroll", 400),
    "empty": (["{ra}", "-H", "Content-Type: application/pkcs10", "--data-binary", ""], "simpleenroll", 400),
    "too_large": (["{ra}", "-H", "Content-Type: application/pkcs10", "--data-binary", "A" * 70000], "simpleenroll", 413),
    "no_certificate": (["{ra}", "-H", "Content-Type: application/pkcs10", "--data-binary", TEXT.decode()], "simplereenroll", 403),
    "enrolment": (["{ra}", "-H", "Content-Type: application/pkcs10", "--data-binary", TEXT.decode()], "simpleenroll", 200),
    "range": (["-H", "Range: bytes=0-9"], "cacerts", 200), "encoded_slash": ([], "a%2Fcacerts", 404), "dots": (["--path-as-is"], "x/../cacerts", 200),
    "unknown_method": (["-X", "FOO"], "cacerts", 501), "accept": (["-H", "Accept: text/html"], "cacerts", 200),
}


@pytest.mark.parametrize("row", OVER_HTTP2)
def test_HTTP_21_over_http2_as_over_http1(http2, row):
    arguments, path, status = OVER_HTTP2[row]
    user = f"{http2.user}:{http2.PASSWORD}" if "{ra}" in arguments else None
    arguments = [argument for argument in arguments if argument != "{ra}"]
    answers = [curl(http2, path, version, *arguments, user=user) for version in ("--http1.1", "--http2")]
    assert [answer.version for answer in answers] == ["HTTP/1.1", "HTTP/2"]
    assert [answer.status for answer in answers] == [status, status]

    def comparable(answer):
        """Without what differs from request to request, and what a connection of HTTP/1.1 says of itself"""
        fields = {name.lower(): value for name, value in answer.headers.items()}
        body = b"" if row == "head" else re.sub(rb"request [0-9a-f]{32}", b"", answer.body)  # curl puts the header there
        return {name: value for name, value in fields.items() if name not in ("date", "connection", "keep-alive", "upgrade")}, body
    assert comparable(answers[0]) == comparable(answers[1])


def frame(kind, flags, payload, stream=1):
    """RFC 9113 4.1"""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name, value):
    """A field without index, table and Huffman code (RFC 7541 6.2.2); under 127 octets each"""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def http2_head(*fields):
    """What opens a connection, and the head of its first request"""
    block = b"".join(literal(*field) for field in ((":scheme", "https"), (":authority", "localhost"), *fields))
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, b"", 0) + frame(1, 4, block)


def http2_frames(sock):
    """(type, flags, payload) one after another"""
    received = b""
    while True:
        while len(received) < 9 or len(received) < 9 + int.from_bytes(received[:3], "big"):
            part = sock.recv(65536)
            assert part, "closed"
            received += part
        length = 9 + int.from_bytes(received[:3], "big")
        yield received[3], received[4], received[9:length]
        received = received[length:]


@pytest.mark.parametrize("operation, reason", [("nothing", b"operation_unknown"), ("simpleenroll", b"authentication_required")])
def test_HTTP_21_an_answer_without_a_look_at_the_body_does_not_wait_for_it(http2, operation, reason):
    """Of the module, and of httpd's core. The stream ends after its request has ended: no RST_STREAM (type 3), which some clients take
    for a failure"""
    made = context(http2)
    made.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", http2.port), LIMIT) as sock, made.wrap_socket(sock, server_hostname="localhost") as sock:
        sock.sendall(http2_head((":method", "POST"), (":path", f"{http2.mount}/{operation}"), ("user-agent", "a")))
        sock.settimeout(8 * run.SLOW)  # RequestReadTimeout is 20
        frames = http2_frames(sock)
        content = b""
        while not content.endswith(b")\n"):
            kind, flags, payload = next(frames)
            assert kind != 3 and not (kind in (0, 1) and flags & 1)
            content += payload if kind == 0 else b""
        assert content.startswith(reason + b": ")
        sock.sendall(frame(0, 1, b"A" * 400))
        ends = next((kind, flags) for kind, flags, _ in frames if kind == 3 or (kind in (0, 1) and flags & 1))
        assert ends == (0, 1)


@pytest.mark.parametrize("value, status", [(lambda own: own, 200), (lambda own: own[:-4] + b"AAA=", 400)], ids=["own", "other"])
def test_HTTP_21_channel_binding_is_that_of_the_connection(http2, value, status):
    with BoundConnection(http2, "1.2", http2=True) as connection:
        answer = connection.enroll(make_csr(make_key(), challenge=value(connection.value)))
    assert answer.status == status
    assert status == 200 or answer.reason == "binding_failed"


# --- HTTP-22, H-30: names of hosts

@pytest.mark.parametrize("host", ["other.example", "localhost:1", "127.0.0.1", "[::1]"])
def test_HTTP_22_another_name_has_the_rules_of_this_host(site, host):
    """It is the only one: the first on its address"""
    assert raw(site, head(site, host=host)).status == 200
    assert raw(site, enrol(site, TEXT, host=host)).status == 200
    check_refusal(raw(site, enrol(site, TEXT, "User-Agent: a", host=host).replace(b"Authorization", b"X")), 401)
    check_refusal(raw(site, head(site, host=host, target="/")), 403, "vhost_reserved")


def test_H_30_absolute_form(site):
    for authority in ("https://localhost", "https://other.example", "http://other.example:80"):
        assert raw(site, head(site, target=authority + "/.well-known/est/cacerts")).status == 200
        check_refusal(raw(site, enrol(site, TEXT, "User-Agent: a", operation=authority + "/.well-known/est/simpleenroll")
                          .replace(b"Authorization", b"X")), 401)
        check_refusal(raw(site, head(site, target=authority + "/etc/passwd")), 403, "vhost_reserved")


# --- connections

def test_H_28_pipelined_enrolments_are_judged_each(site):
    """Two by different users for the same name, then one without credentials"""
    own = site.register("device-7")
    mine, theirs = (base64.b64encode(make_csr(make_key(), f"CN={name}")) for name in ("device-7", "device-8"))
    as_own = f"Authorization: {basic(own, site.PASSWORD)}"

    def post(body, *lines):
        return head(site, "Content-Type: application/pkcs10", "User-Agent: a", f"Content-Length: {len(body)}", *lines, method="POST",
                    target="simpleenroll") + body
    octets = raw_all(site, post(mine, as_own) + post(theirs, as_own) + post(theirs) + post(theirs, authorization(site), "Connection: close"))
    parts = re.split(rb"(?=HTTP/1\.1 \d)", octets)[1:]
    assert [int(part.split(b" ")[1]) for part in parts] == [200, 403, 401, 200]
    names = []
    for part in (parts[0], parts[3]):
        answer = Answer(200, {"Content-Type": "application/pkcs7-mime; smime-type=certs-only"}, part.partition(b"\r\n\r\n")[2]).enter(site)
        names.append(answer.cert().subject.rfc4514_string())
    assert names == ["CN=device-7", "CN=device-8"]


def test_H_32_a_thousand_requests_of_alternating_users_on_one_connection(site, allow_log):
    """The second user is registered for its own name alone: what the first may do tells nothing about it"""
    allow_log(PASSWORD_MISMATCH)
    users = [site.register("even"), site.register("odd")]
    bodies = [base64.b64encode(make_csr(make_key(), f"CN={user}")) for user in users]
    client = EstClient(site)
    sock = client.open().sock
    wrong = 0
    for number in range(1000):
        user = users[number % 2]
        # Every seventh asks for the other's name, a few come without or with a wrong password
        kind = "wrong" if number % 200 == 199 else "none" if number % 50 == 49 else "other" if number % 7 == 3 else "own"
        headers = {"none": {}, "wrong": {"Authorization": basic(user, "wrong")}}.get(kind, {"Authorization": basic(user, site.PASSWORD)})
        body = bodies[(number + (kind == "other")) % 2]
        answer = client.request("POST", "simpleenroll", body, {"Content-Type": "application/pkcs10", **headers})
        assert answer.status == {"own": 200, "other": 403}.get(kind, 401), (number, answer.text)
        if kind == "own":
            assert answer.cert().subject.rfc4514_string() == f"CN={user}"
        wrong += kind == "wrong"
    assert client.open().sock is sock, "it was one connection"
    assert wrong == 5
    client.close()


def test_HTTP_15_a_connection_is_kept_or_closed_as_the_answer_says(site):
    """httpd closes after 400 and 413, whose framing may be to blame; after other refusals the next request is served"""
    with EstClient(site, site.user, site.PASSWORD) as client:
        sock = client.open().sock
        for operation, body, content_type, status in (
                ("simplereenroll", TEXT, "application/pkcs10", 403), ("simpleenroll", TEXT, "text/plain", 415),
                ("fullcmc", TEXT, "application/pkcs10", 404), ("cacerts", TEXT, "application/pkcs10", 405),
                ("simpleenroll", TEXT, "application/pkcs10", 200)):
            assert client.post(operation, body, content_type=content_type).status == status
            assert client.connection and client.connection.sock is sock, status
        assert client.post("simpleenroll", b"garbage").header("Connection") == "close"
