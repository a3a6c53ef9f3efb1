# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Requests that are wrong before anybody knows what they are for: framing, header, request line. docs/conformance.md, rows H."""

import base64
import gzip
import re

import pytest

from harness import run
from harness.client import Answer, connect, raw, raw_all
from harness.form import check_refusal, chunked, enrol, enrol_head, head
from harness.pki import make_csr, make_key

SITE = {"shipped": True}
CSR = make_csr(make_key())
TEXT = base64.b64encode(CSR)
# Errors of httpd's that it logs as such
CORE = ("AH00565", "AH00566", "AH00567", "AH00569", "AH02427", "AH01588", "AH01589", "AH01590", "AH10122", "AH01587", "AH00127", "AH00026",
        "AH10244", "AH02996")
LISTENING = "\n    <Directory />\n        Require all granted\n    </Directory>"

pytestmark = pytest.mark.usefixtures("same_child")


@pytest.fixture(scope="module", params=["on_shared", "off"])
def place(request, make_site):
    """Hosts that serve other things too"""
    options = {"on_shared": {"verify_client": "on shared"}, "off": {"verify": "optional", "verify_client": ""}}[request.param]
    return make_site("framing_" + request.param, locations=LISTENING,
                     vhost="HttpProtocolOptions Strict RegisteredMethods Require1.0", **options)


def long_name(site):
    return enrol(site, TEXT, *[f"X-Header-{number}: a" for number in range(120)])


# Refused by httpd's core: (octets, status, reason)
REFUSED = {
    "H-01_no_host": (lambda s: head(s, host=None), 400, "bad_request"),
    "H-01_two_hosts": (lambda s: head(s, "Host: localhost"), 400, "bad_request"),
    "H-01_slash_in_host": (lambda s: head(s, host="lo/cal"), 400, "bad_request"),
    "H-02_negative": (lambda s: enrol_head(s, "Content-Length: -1"), 400, "bad_request"),
    "H-02_plus": (lambda s: enrol_head(s, "Content-Length: +4") + b"AAAA", 400, "bad_request"),
    "H-02_letters": (lambda s: enrol_head(s, "Content-Length: 4abc") + b"AAAA", 400, "bad_request"),
    "H-02_2_to_64": (lambda s: enrol_head(s, "Content-Length: 18446744073709551616"), 400, "bad_request"),
    "H-03_equal": (lambda s: enrol_head(s, "Content-Length: 4", "Content-Length: 4") + b"AAAA", 400, "bad_request"),
    "H-03_different": (lambda s: enrol_head(s, "Content-Length: 4", "Content-Length: 5") + b"AAAAA", 400, "bad_request"),
    "H-03_list": (lambda s: enrol_head(s, "Content-Length: 4, 4") + b"AAAA", 400, "bad_request"),
    "H-07_erratum_5904": (lambda s: enrol_head(s, "Transfer-Encoding: base64") + TEXT, 400, "bad_request"),
    "H-08_not_last": (lambda s: enrol_head(s, "Transfer-Encoding: chunked, identity") + chunked(TEXT), 400, "bad_request"),
    "H-08_xchunked": (lambda s: enrol_head(s, "Transfer-Encoding: xchunked") + chunked(TEXT), 400, "bad_request"),
    "H-08_space_before_colon": (lambda s: enrol_head(s, "Transfer-Encoding : chunked") + chunked(TEXT), 400, "bad_request"),
    "H-12_bare_lf": (lambda s: head(s).replace(b"\r\n", b"\n"), 400, "bad_request"),
    "H-12_nul": (lambda s: head(s, "X-A: a\0b"), 400, "bad_request"),
    "H-12_bare_cr": (lambda s: head(s, "X-A: a\rb"), 400, "bad_request"),
    "H-12_no_colon": (lambda s: head(s, "no colon"), 400, "bad_request"),
    "H-14_long_header": (lambda s: head(s, "X-A: " + "a" * 9000), 400, "bad_request"),
    "H-14_many_headers": (long_name, 400, "bad_request"),
    "H-15_long_request_line": (lambda s: head(s, target="a" * 9000), 414, "target_too_long"),
    "H-16_http_0.9": (lambda s: f"GET {s.mount}/cacerts\r\n".encode(), 400, "bad_request"),
    "H-17_junk": (lambda s: head(s, version="HTTP/1.1 junk"), 400, "bad_request"),
    "H-17_http2_preface": (lambda s: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 501, "not_implemented"),
    "H-20_unknown": (lambda s: head(s, method="FOO"), 501, "not_implemented"),
    "H-20_lower_case": (lambda s: enrol(s, TEXT, method="post"), 501, "not_implemented"),
    "H-22_expect": (lambda s: head(s, "Expect: 42"), 417, "expectation_failed"),
    "H-23_nul": (lambda s: head(s, "Content-Type: application/pkcs10\0", method="POST", target="simpleenroll"), 400, "bad_request"),
    "P-03_encoded_slash": (lambda s: enrol(s, TEXT, operation="a%2Fsimpleenroll"), 404, "not_found"),
    "P-08_encoded_nul": (lambda s: enrol(s, TEXT, operation="simpleenroll%00.txt"), 404, "not_found"),
    "P-08_fragment": (lambda s: enrol(s, TEXT, operation="simpleenroll#frag"), 400, "bad_request"),
    "P-08_raw_space": (lambda s: enrol(s, TEXT, operation="simple enroll"), 400, "bad_request"),
    "P-08_bad_escape": (lambda s: enrol(s, TEXT, operation="%zz"), 400, "bad_request"),
    "P-01_above_the_root": (lambda s: head(s, target="../../../etc/passwd"), 400, "bad_request"),
}


def refused(site, row, allow_log):
    allow_log(*CORE)
    octets, status, reason = REFUSED[row]
    before, start = site.counts(), site.httpd.log.size()
    answer = raw(site, octets(site))
    check_refusal(answer, status, reason)
    assert answer.header("Allow") is None
    assert site.counts() == before
    lines = [line for line in site.log_lines(start) if "EST" in line]
    assert len(lines) == 1 and re.search(r"\(request ([0-9a-f]{32})\)", answer.text).group(1) in lines[0]
    return answer


@pytest.mark.parametrize("row", REFUSED)
def test_refused_by_the_core_in_our_form(site, row, allow_log):
    answer = refused(site, row, allow_log)
    # What cannot be framed ends the connection
    if row[:4] in ("H-02", "H-03", "H-07", "H-08"):
        assert answer.header("Connection") == "close"


# What climbs out of the mount point is nothing of EST's there
@pytest.mark.parametrize("row", [row for row in REFUSED if row != "P-01_above_the_root"])
def test_HTTP_18_on_hosts_that_serve_more_than_est(place, row, allow_log):
    refused(place, row, allow_log)


@pytest.mark.parametrize("octets, status", [
    (lambda s: head(s, target="/index.html", host=None), 400),
    (lambda s: head(s, "Expect: 42", target="/.well-known/estate"), 417),
    (lambda s: head(s, target="/a%2Fb"), 404),
], ids=["no_host", "expect", "encoded_slash"])
def test_errors_of_other_paths_stay_those_of_httpd(place, octets, status, allow_log):
    allow_log(*CORE)
    answer = raw(place, octets(place))
    assert answer.status == status
    assert answer.header("Content-Type").startswith("text/html")


@pytest.mark.parametrize("target", ["/.well-known//est/cacerts", "/.well-known/%65st/cacerts", "/a/../.well-known/est/cacerts"])
def test_an_error_of_est_by_another_spelling_of_its_path(place, target):
    check_refusal(raw(place, head(place, target=target, host=None)), 400, "bad_request")


# --- bodies whose framing is wrong, or only odd

def test_H_04_HTTP_07_length_beyond_the_limit_is_refused_before_the_body(site):
    answer = raw(site, enrol_head(site, "Content-Length: 99999999"))
    check_refusal(answer, 413, "body_too_large")
    assert answer.header("Connection") == "close"


def test_H_05_HTTP_07_chunked_beyond_the_limit(site):
    answer = raw(site, enrol_head(site, "Transfer-Encoding: chunked") + chunked(*[b"A" * 8000] * 9))
    check_refusal(answer, 413, "body_too_large")
    assert answer.header("Connection") == "close"


def test_HTTP_07_a_body_over_the_limit_is_413_though_it_was_sent(site):
    check_refusal(raw(site, enrol(site, TEXT + b"\n" * 70000)), 413, "body_too_large")


def test_HTTP_07_the_limit_itself_is_not_over_it(site):
    body = TEXT.ljust(65536)
    assert raw(site, enrol(site, body)).status == 200
    assert raw(site, enrol_head(site, "Transfer-Encoding: chunked") + chunked(body)).status == 200
    check_refusal(raw(site, enrol(site, body + b" ")), 413, "body_too_large")
    check_refusal(raw(site, enrol_head(site, "Transfer-Encoding: chunked") + chunked(body, b" ")), 413, "body_too_large")


def test_HTTP_08_neither_length_nor_chunked(site):
    check_refusal(raw(site, enrol_head(site)), 411, "length_required")


def test_HTTP_08_length_of_zero(site):
    check_refusal(raw(site, enrol(site, b"")), 400, "body_empty")
    check_refusal(raw(site, enrol_head(site, "Transfer-Encoding: chunked") + chunked()), 400, "body_empty")


def test_HTTP_09_chunked(site):
    assert raw(site, enrol_head(site, "Transfer-Encoding: chunked") + chunked(TEXT)).status == 200
    assert raw(site, enrol_head(site, "Transfer-Encoding: chunked") + chunked(*[TEXT[i:i + 1] for i in range(len(TEXT))])).status == 200
    assert raw(site, enrol_head(site, "Transfer-Encoding: Chunked") + b"%x;a=b;c\r\n%s\r\n0;d\r\n\r\n" % (len(TEXT), TEXT)).status == 200


def test_H_10_chunked_on_http_1_0(site):
    """RFC 9112 6.1 calls it faulty framing; httpd takes it, and closes"""
    answer = raw(site, enrol_head(site, "Transfer-Encoding: chunked", version="HTTP/1.0") + chunked(TEXT))
    assert answer.status == 200
    assert answer.header("Connection") == "close"


# Chunk sizes: (size, status, reason)
SIZES = {
    "H-10_letters": (b"zz", 400, "bad_request"), "H-10_seventeen_digits": (b"f" * 17, 413, "body_too_large"),
    "H-10_sign": (b"-4", 400, "bad_request"), "H-10_hex_prefix": (b"0x4", 400, "bad_request"), "H-10_nothing": (b"", 400, "bad_request"),
    "H-10_2_to_63": (b"8000000000000000", 413, "body_too_large"),
}


@pytest.mark.parametrize("row", SIZES)
def test_chunk_sizes_that_are_none(site, row, allow_log):
    allow_log(*CORE)
    size, status, reason = SIZES[row]
    before = site.counts()
    answer = raw(site, enrol_head(site, "Transfer-Encoding: chunked") + size + b"\r\nAAAA\r\n0\r\n\r\n")
    check_refusal(answer, status, reason)
    assert answer.header("Connection") == "close"
    assert site.counts() == before


def responses(octets):
    """The answers of a connection, one after the other"""
    found = []
    while octets:
        top, _, rest = octets.partition(b"\r\n\r\n")
        lines = top.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        length = int(headers["Content-Length"])
        found.append(Answer(int(lines[0].split(" ")[1]), headers, rest[:length]))
        octets = rest[length:]
    return found


@pytest.mark.parametrize("order", [0, 1])
def test_H_06_smuggled_request_is_not_executed(site, order):
    """CL.TE: the hidden request would enrol"""
    before = site.counts()
    hidden = enrol(site, base64.b64encode(make_csr(make_key(), "CN=smuggled")))
    lines = [f"Content-Length: {5 + len(hidden)}", "Transfer-Encoding: chunked"]
    answers = responses(raw_all(site, enrol_head(site, *(lines if order else lines[::-1])) + b"0\r\n\r\n" + hidden))
    assert [answer.status for answer in answers] == [400]
    check_refusal(answers[0], 400, "body_empty")
    assert answers[0].header("Connection") == "close"
    assert site.counts() == before


def test_H_06_the_first_request_goes_by_its_chunks(site):
    before = site.counts()
    csr = base64.b64encode(make_csr(make_key(), "CN=outer"))
    hidden = enrol(site, base64.b64encode(make_csr(make_key(), "CN=smuggled")))
    answers = responses(raw_all(site, enrol_head(site, "Content-Length: 4", "Transfer-Encoding: chunked") + chunked(csr) + hidden))
    assert len(answers) == 1 and answers[0].header("Connection") == "close"
    assert answers[0].enter(site).cert().subject.rfc4514_string() == "CN=outer"
    assert site.counts() == before + 1


@pytest.mark.parametrize("coding", ["gzip, chunked", "deflate, chunked", "gzip"])
def test_H_09_transfer_codings_that_nobody_decodes(site, coding, allow_log):
    allow_log(*CORE)
    before = site.counts()
    answer = raw(site, enrol_head(site, f"Transfer-Encoding: {coding}") + chunked(gzip.compress(TEXT)))
    check_refusal(answer, 501 if "chunked" in coding else 400, "not_implemented|bad_request")
    assert site.counts() == before


def trailing(site, *trailers, authorized=True):
    request = enrol_head(site, "Transfer-Encoding: chunked", "Connection: close") if authorized else \
        head(site, "Transfer-Encoding: chunked", "Connection: close", "Content-Type: application/pkcs10", "User-Agent: a",
             method="POST", target="simpleenroll")
    return request + chunked(TEXT)[:-2] + b"".join(line.encode() + b"\r\n" for line in trailers) + b"\r\n"


def test_H_11_credentials_in_trailers_are_none(site):
    good = re.search(rb"Authorization: .*", enrol_head(site)).group().decode().strip()
    answers = responses(raw_all(site, trailing(site, good, authorized=False)))
    assert len(answers) == 1
    check_refusal(answers[0], 401, "authentication_required")


def test_H_11_trailers_are_ignored(site):
    answers = responses(raw_all(site, trailing(site, "X-A: b", "Content-Type: text/plain", "Content-Length: 4")))
    assert [answer.enter(site).status for answer in answers] == [200]


def test_H_11_ten_thousand_trailers(site, allow_log):
    allow_log(*CORE)
    before = site.counts()
    answers = responses(raw_all(site, trailing(site, *[f"X-{number}: a" for number in range(10000)])))
    assert len(answers) == 1
    check_refusal(answers[0], 400)
    assert site.counts() == before


def test_H_12_lf_alone_on_http_1_0(site):
    """Strict means every version"""
    check_refusal(raw(site, head(site, version="HTTP/1.0").replace(b"\r\n", b"\n")), 400, "bad_request")


def test_H_13_folded_header(site, allow_log):
    """httpd unfolds it; the value has a blank in it then, and what is authenticated is that value"""
    assert raw(site, head(site, "X-A: a\r\n b")).status == 200
    folded = enrol(site, TEXT).replace(b"Authorization: Basic ", b"Authorization: Basic\r\n ")
    assert raw(site, folded).status == 200
    allow_log("AH01614", "AH01617", "AH01618")
    broken = re.sub(rb"(Authorization: Basic ....)", rb"\1\r\n ", enrol(site, TEXT, "User-Agent: a"))
    check_refusal(raw(site, broken), 401, "authentication_required")


def test_H_14_limits_are_those_of_the_file(site):
    lines = [f"X-{number}: a" for number in range(63)]
    assert raw(site, head(site, *lines)).status == 200
    check_refusal(raw(site, head(site, *lines, "X-63: a")), 400, "bad_request")
    assert raw(site, head(site, "X-A: " + "a" * 8000)).status == 200


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.2", "HTTP/2.0"])
def test_H_17_other_versions(site, version):
    """The answer is one of HTTP/1.1, whatever the request line says"""
    octets = raw_all(site, enrol(site, TEXT, "Connection: close", version=version))
    assert octets.startswith(b"HTTP/1.1 200 OK\r\n")


def test_H_21_a_body_of_a_get_is_discarded(site):
    octets = raw_all(site, head(site, "Content-Length: 5") + b"GET /" + head(site, "Connection: close"))
    assert [answer.status for answer in responses(octets)] == [200, 200]


def test_H_21_a_request_in_the_body_of_a_get_is_not_executed(site):
    before = site.counts()
    hidden = enrol(site, base64.b64encode(make_csr(make_key(), "CN=smuggled")))
    octets = raw_all(site, head(site, f"Content-Length: {len(hidden)}") + hidden + head(site, "Connection: close"))
    assert [answer.status for answer in responses(octets)] == [200, 200]
    assert site.counts() == before


def test_H_29_upgrades_are_ignored(site):
    for lines in (["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"],
                  ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"],
                  ["Upgrade: TLS/1.2", "Connection: Upgrade"]):
        answer = raw(site, head(site, *lines))
        assert answer.status == 200
        assert answer.header("Upgrade") is None
        assert raw(site, enrol(site, TEXT, *lines)).status == 200


def test_stray_crlf_after_a_body_does_no_harm(site):
    """libest sends it"""
    assert raw(site, enrol(site, TEXT) + b"\r\n").status == 200


# --- errors of requests that could not be read to the end

@pytest.mark.parametrize("row", ["H-01_no_host", "H-02_letters", "H-14_many_headers"])
def test_an_early_error_does_not_wait_for_a_body(site, row, allow_log):
    """which would be taken from the octets of the connection"""
    allow_log(*CORE)
    octets = {"H-01_no_host": enrol_head(site, "Content-Length: 400", host=None), "H-02_letters": enrol_head(site, "Content-Length: 400x"),
              "H-14_many_headers": enrol_head(site, "Content-Length: 400", *["X: a"] * 120)}[row]
    with connect(site) as sock:
        sock.settimeout(5 * run.SLOW)  # RequestReadTimeout gives it 10 and more
        sock.sendall(octets + b"AA")
        received = sock.recv(4096)
    assert received.startswith(b"HTTP/1.1 400 ") and b"\r\nConnection: close\r\n" in received


def test_H_22_the_request_behind_is_not_taken_for_a_body(site):
    octets = raw_all(site, enrol(site, b"A" * 10, "Expect: 42") + head(site))
    assert [answer.status for answer in responses(octets)] == [417]
    assert b"\r\nConnection: close\r\n" in octets


def test_the_log_has_the_reason_of_httpd(site, allow_log):
    allow_log(*CORE)
    start = site.httpd.log.size()
    raw(site, long_name(site))
    raw(site, head(site, "X-<b>: a" + "<i>" * 3000))
    lines = [line for line in site.log_lines(start) if "EST1110" in line]
    assert len(lines) == 2
    assert "number of request header fields" in lines[0] and "ize of a request header field" in lines[1]
    assert "<" not in lines[1]
