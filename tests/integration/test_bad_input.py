# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Bodies, headers, paths and methods that are wrong: docs/conformance.md, rows URI, HTTP, B64, H, P, B."""

import base64
import gzip
import socket

import pytest

from harness import der
from harness.client import b64, basic, raw, raw_all
from harness.pki import dns, make_csr, make_key, pem, raw_attribute, raw_csr, raw_info, raw_name, sign
from harness.run import wait_until

KEY = make_key()
CSR = make_csr(KEY)
TEXT = base64.b64encode(CSR)
CN = "2.5.4.3"


def check_refusal(answer, status, reason=None):
    """The form of every refusal: HTTP-12, HTTP-18, HTTP-20"""
    assert answer.status == status, answer.body
    assert answer.header("Content-Type").startswith("text/plain")
    assert int(answer.header("Content-Length")) == len(answer.body)
    assert answer.header("Transfer-Encoding") is None
    assert answer.header("Cache-Control") == "no-store"
    assert 0 < len(answer.body) <= 512
    assert answer.text.endswith("\n") and answer.text.count("\n") == 1
    assert answer.text[:-1].isprintable()
    assert "/tmp" not in answer.text and ".c:" not in answer.text
    if reason:
        assert answer.reason in reason.split("|")


@pytest.fixture(autouse=True)
def no_row(site):
    """None of this may leave a row, and the same child serves at the end."""
    before, children, site.rows_wanted = site.counts(), site.httpd.children(), False
    yield
    with site.client() as client:
        assert client.get("cacerts").status == 200
    assert site.counts() == before or site.rows_wanted
    assert site.httpd.children() == children


def long_form(data):
    """The same element with a length in more octets than needed"""
    start, end = der.head(data)
    return data[:1] + bytes([0x84]) + (end - start).to_bytes(4, "big") + data[start:]


def indefinite(data):
    start, end = der.head(data)
    return data[:1] + b"\x80" + data[start:end] + b"\x00\x00"


def resigned(info):
    algorithm, signature = sign(KEY, info)
    return der.seq(info, algorithm, der.bit_string(signature))


def with_parts(change):
    """A request whose CertificationRequestInfo has been changed part by part and signed again"""
    parts = der.children(raw_info(KEY))
    return resigned(der.seq(*change(parts)))


def nested(depth):
    data = b""
    for _ in range(depth):
        data = der.seq(data)
    return data


# body, status, reason, why
BODIES = {
    "B-01_empty": (b"", 400, "body_empty", "CL: 0"),
    "B-01_blanks": (b" \r\n\t ", 400, "body_empty", "nothing but white space"),
    "B-01_padding_alone": (b"====", 400, "base64_invalid", "EVP_DecodeBlock takes it"),
    "B-01_one_character": (b"A", 400, "base64_invalid", "no octet"),
    "B-01_three_characters": (b"AAA", 400, "base64_invalid", "padding missing"),
    "B-02_trailing_bits": (b"AB==", 400, "base64_invalid", "EVP_DecodeUpdate takes it"),
    "B-02_data_after_padding": (b"AA==AAAA", 400, "base64_invalid", "two messages"),
    "B-02_armour_end": (b"AAAA-----END", 400, "base64_invalid", "EVP_DecodeUpdate stops at the dash"),
    "B-02_url_alphabet": (TEXT.replace(b"+", b"-").replace(b"/", b"_").replace(b"M", b"_", 1), 400, "base64_invalid", "another alphabet"),
    "B-02_exclamation": (TEXT[:40] + b"!" + TEXT[40:], 400, "base64_invalid", "not of the alphabet"),
    "B-02_nul": (TEXT[:40] + b"\0" + TEXT[40:], 400, "base64_invalid", "not of the alphabet"),
    "B-02_vertical_tab": (TEXT[:40] + b"\v" + TEXT[40:], 400, "base64_invalid", "not among CR LF SP TAB"),
    "B-02_bom": (b"\xef\xbb\xbf" + TEXT, 400, "base64_invalid", "not of the alphabet"),
    "B-02_cut": (TEXT[:-3], 400, "base64_invalid|der_invalid", "padding missing"),
    "B-03_hex": (CSR.hex().encode(), 400, "der_invalid|csr_invalid|base64_invalid", "hexadecimal"),
    "B-03_json": (b'{"csr": "' + TEXT + b'"}', 400, "base64_invalid", "JSON"),
    "B-03_xml": (b"<csr>" + TEXT + b"</csr>", 400, "base64_invalid", "XML"),
    "B-03_double_base64": (b64(TEXT), 400, "der_invalid|csr_invalid", "base64 of base64"),
    "B-03_pem_of_a_certificate": (pem(CSR, "CERTIFICATE"), 400, "base64_invalid", "the wrong armour"),
    "B-03_pem_without_end": (b"-----BEGIN CERTIFICATE REQUEST-----\n" + TEXT, 400, "base64_invalid", "cut off"),
    "B-05_trailing_octets": (b64(CSR + b"\0\0"), 400, "der_invalid|csr_invalid", "d2i ignores the tail"),
    "B-05_two_requests": (b64(CSR + CSR), 400, "der_invalid|csr_invalid", "two"),
    "B-05_two_requests_in_der": (CSR + CSR, 400, "der_invalid|csr_invalid", "two, raw"),
    "B-07_indefinite_length": (b64(indefinite(CSR)), 400, "der_invalid|csr_invalid", "BER"),
    "B-07_long_length": (b64(long_form(CSR)), 400, "der_invalid|csr_invalid", "BER"),
    "B-07_long_length_inside": (b64(with_parts(lambda p: [p[0], long_form(p[1]), *p[2:]])), 400, "der_invalid|csr_invalid",
                                "BER of the subject, which re-encoding keeps"),
    "B-07_indefinite_inside": (b64(with_parts(lambda p: [p[0], indefinite(p[1]), *p[2:]])), 400, "der_invalid|csr_invalid", "BER inside"),
    "B-07_version_with_zeros": (b64(with_parts(lambda p: [b"\x02\x02\x00\x00", *p[1:]])), 400, "der_invalid|csr_invalid",
                                "INTEGER not minimal"),
    "B-07_boolean_one": (b64(raw_csr(KEY, attributes=[raw_attribute("1.2.840.113549.1.9.14", der.seq(der.seq(
        der.oid("2.5.29.19"), b"\x01\x01\x01", der.tlv(der.OCTET_STRING, der.seq()))))])), 400, "der_invalid|csr_invalid", "TRUE is FF"),
    "B-07_set_not_sorted": (b64(resigned(der.seq(
        der.integer(0), der.seq(der.tlv(der.SET, der.seq(der.oid("2.5.4.10"), der.tlv(der.UTF8, b"z")),
                                        der.seq(der.oid(CN), der.tlv(der.UTF8, b"a")))), *der.children(raw_info(KEY))[2:]))),
                            400, "der_invalid|csr_invalid|name_invalid", "SET OF in the wrong order"),
    "B-08_length_of_4_GiB": (b64(b"\x30\x84\xff\xff\xff\xff"), 400, "der_invalid|csr_invalid", "no allocation of the size claimed"),
    "B-08_length_of_2_GiB": (b64(b"\x30\x84\x80\x00\x00\x00" + CSR), 400, "der_invalid|csr_invalid", "sign"),
    "B-08_integer_without_octets": (b64(with_parts(lambda p: [b"\x02\x00", *p[1:]])), 400, "der_invalid|csr_invalid", "empty INTEGER"),
    "B-09_nested": (b64(nested(9000)), 400, "der_invalid|csr_invalid", "9000 deep"),
    "B-09_many_attributes": (b64(raw_csr(KEY, attributes=[raw_attribute("1.2.3", der.tlv(der.NULL))] * 3000)), 400,
                             "csr_attribute|csr_invalid|der_invalid", "3000 attributes"),
    "B-11_version_1": (b64(raw_csr(KEY, version=1)), 400, "csr_invalid", "v1 is 0"),
    "B-12_algorithm_of_another_key": (b64(raw_csr(KEY, algorithm=der.seq(der.oid("1.2.840.113549.1.1.11"), der.tlv(der.NULL)))), 400,
                                      "csr_algorithm|csr_signature", "RSA signature for an EC key"),
    "B-12_unknown_algorithm": (b64(raw_csr(KEY, algorithm=der.seq(der.oid("1.2.3.4")))), 400, "csr_algorithm|csr_signature", "unknown OID"),
    "C-01_empty_signature": (b64(der.seq(raw_info(KEY), sign(KEY, b"")[0], der.bit_string(b""))), 400,
                             "csr_signature|csr_invalid", "no signature"),
    "C-01_signature_of_another_key": (b64(raw_csr(make_key(), info=raw_info(KEY))), 400, "csr_signature", "not the key's own"),
    "C-01_unused_bits": (b64(der.seq(raw_info(KEY), sign(KEY, b"")[0], der.bit_string(sign(KEY, raw_info(KEY))[1][:-1] + b"\0", 4))), 400,
                         "csr_signature|csr_invalid|der_invalid", "X509_REQ_verify says -1"),
    "C-04_extension_request_twice": (b64(raw_csr(KEY, attributes=[raw_attribute("1.2.840.113549.1.9.14", der.seq(der.seq(
        der.oid("2.5.29.15"), der.tlv(der.OCTET_STRING, b"\x03\x02\x07\x80"))))] * 2)), 400, "csr_attribute|csr_invalid",
            "which one counts?"),
    "N-01_nul_in_cn": (b64(raw_csr(KEY, subject=raw_name((CN, der.UTF8, b"good.example\0.evil")))), 400, "name_invalid", "cut at NUL"),
    "N-02_long_cn": (b64(raw_csr(KEY, subject=raw_name((CN, der.UTF8, b"a" * 65)))), 400, "name_invalid", "ub-common-name is 64"),
    "N-03_odd_bmp": (b64(raw_csr(KEY, subject=raw_name((CN, der.BMP, b"abc")))), 400, "name_invalid|csr_invalid|der_invalid", "half a character"),
    "N-03_bad_utf8": (b64(raw_csr(KEY, subject=raw_name((CN, der.UTF8, b"a\xffb")))), 400, "name_invalid|csr_invalid", "not UTF-8"),
    "N-05_country_of_three": (b64(raw_csr(KEY, subject=raw_name((CN, der.UTF8, b"a"), ("2.5.4.6", der.PRINTABLE, b"USA")))), 400,
                              "name_invalid", "two letters"),
    "N-06_empty_rdn": (b64(with_parts(lambda p: [p[0], der.seq(der.set_of()), *p[2:]])), 400,
                       "name_invalid|csr_invalid|der_invalid", "an RDN has one at least"),
    "N-06_empty_value": (b64(raw_csr(KEY, subject=raw_name((CN, der.UTF8, b"")))), 400, "name_invalid", "an empty name"),
    "HTTP-07_too_long": (TEXT + b"\n" * 70000, 413, "body_too_large", "by Content-Length"),
}


@pytest.mark.parametrize("row", BODIES)
def test_bodies(site, row):
    body, status, reason, why = BODIES[row]
    with site.ra() as client:
        answer = client.post("simpleenroll", body)
    check_refusal(answer, status, reason)
    assert why


def test_B_06_truncated_at_every_octet(site):
    with site.ra() as client:
        for length in range(1, len(CSR)):
            assert client.post("simpleenroll", b64(CSR[:length])).status == 400, length


def test_B_06_raw_der_truncated(site):
    with site.ra() as client:
        for length in range(1, len(CSR), 7):
            assert client.post("simpleenroll", CSR[:length]).status == 400, length


# What is right although it looks unusual; each is the same request, so each gets the same certificate
GOOD_BODIES = {
    "B64-02_one_line": TEXT,
    "B64-02_lf": base64.encodebytes(CSR),
    "B64-02_crlf": base64.encodebytes(CSR).replace(b"\n", b"\r\n"),
    "B64-02_64_columns": b"\n".join(TEXT[i:i + 64] for i in range(0, len(TEXT), 64)),
    "B64-02_blanks": b" \t\r\n" + TEXT[:33] + b"\t \n" + TEXT[33:] + b"  \n\n",
    "B-04_many_blanks": b" " * 30000 + TEXT + b"\n" * 30000,
    "B64-05_pem": pem(CSR),
    "B64-05_pem_new": pem(CSR, "NEW CERTIFICATE REQUEST"),
    "B64-05_pem_crlf": pem(CSR).replace(b"\n", b"\r\n"),
    "B64-05_pem_blank_before": b"\n\n" + pem(CSR),
    "B64-05_der": CSR,
}


@pytest.mark.parametrize("row", GOOD_BODIES)
def test_good_bodies(site, row):
    site.rows_wanted = True
    with site.ra() as client:
        assert client.post("simpleenroll", GOOD_BODIES[row]).cert() == client.enroll(CSR).cert()


@pytest.mark.parametrize("value", ["base64", "BASE64", "binary", "8bit", "quoted-printable", "nonsense"])
def test_B64_01_content_transfer_encoding_is_ignored(site, value):
    site.rows_wanted = True
    with site.ra() as client:
        assert client.enroll(CSR, headers={"Content-Transfer-Encoding": value}).status == 200


# Content-Type: (value, status)
TYPES = {
    "exact": ("application/pkcs10", 200), "HTTP-04_case": ("Application/PKCS10", 200),
              "HTTP-04_charset": ("application/pkcs10; charset=x", 200),
    "blank_before_parameter": ("application/pkcs10 ; a=b", 200), "HTTP-04_text": ("text/plain", 415), "HTTP-04_absent": (None, 415),
    "HTTP-04_x_pkcs10": ("application/x-pkcs10", 415), "form": ("application/x-www-form-urlencoded", 415),
                         "H-23_longer": ("application/pkcs10x", 415),
    "H-23_prefix": ("application/pkcs1", 415), "H-23_list": ("application/pkcs10, text/plain", 415),
                    "H-23_long": ("application/pkcs10" + "x" * 7000, 415),
    "empty": ("", 415),
}


@pytest.mark.parametrize("row", TYPES)
def test_HTTP_04_content_type(site, row):
    value, status = TYPES[row]
    site.rows_wanted = True
    with site.ra() as client:
        answer = client.post("simpleenroll", TEXT, content_type=value)
    if status == 200:
        assert answer.status == 200
    else:
        check_refusal(answer, status, "media_type")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip"])
def test_H_24_HTTP_06_content_encoding(site, coding):
    with site.ra() as client:
        answer = client.post("simpleenroll", gzip.compress(TEXT), headers={"Content-Encoding": coding})
    check_refusal(answer, 415, "content_encoding")
    assert answer.header("Accept-Encoding") == "identity"


def request_head(site, *lines, path="simpleenroll", method="POST", version="HTTP/1.1"):
    return "\r\n".join([f"{method} {site.mount}/{path} {version}", "Host: localhost", f"Authorization: {basic(site.user, site.PASSWORD)}",
                        "Content-Type: application/pkcs10", *lines, "", ""]).encode()


def chunked(*parts):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_HTTP_08_neither_length_nor_chunked(site):
    check_refusal(raw(site, request_head(site)), 411, "length_required")


def test_HTTP_09_chunked(site):
    site.rows_wanted = True
    assert raw(site, request_head(site, "Transfer-Encoding: chunked") + chunked(TEXT)).status == 200
    assert raw(site, request_head(site, "Transfer-Encoding: chunked") + chunked(*[TEXT[i:i + 1] for i in range(len(TEXT))])).status == 200


def test_H_05_HTTP_07_chunked_beyond_the_limit(site):
    answer = raw(site, request_head(site, "Transfer-Encoding: chunked") + chunked(*[b"A" * 8000] * 9))
    check_refusal(answer, 413, "body_too_large")
    assert answer.header("Connection") == "close"


def test_H_04_length_beyond_the_limit_is_refused_before_the_body(site):
    answer = raw(site, request_head(site, "Content-Length: 99999999"))
    check_refusal(answer, 413, "body_too_large")
    assert answer.header("Connection") == "close"


def test_HTTP_10_expect_continue(site):
    site.rows_wanted = True
    answer = raw_all(site, request_head(site, f"Content-Length: {len(TEXT)}", "Expect: 100-continue", "Connection: close") + TEXT)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    site.ledger.add(last_certificate(site))


def last_certificate(site):
    return site.db.value("SELECT der FROM certificate ORDER BY id DESC LIMIT 1", user="postgres")


# Framing that the core answers: (lines after the head, body, status)
FRAMING = {
    "H-02_negative": (["Content-Length: -1"], b"", 400), "H-02_plus": (["Content-Length: +4"], b"AAAA", 400),
    "H-02_letters": (["Content-Length: 4abc"], b"AAAA", 400), "H-02_huge": (["Content-Length: 18446744073709551616"], b"", 400),
    "H-03_list": (["Content-Length: 4, 4"], b"AAAA", 400), "H-07_erratum_5904": (["Transfer-Encoding: base64"], TEXT, 400),
    "H-10_chunk_size": (["Transfer-Encoding: chunked"], b"zz\r\nAAAA\r\n0\r\n\r\n", 400),
}


@pytest.mark.parametrize("row", FRAMING)
def test_framing_of_the_core_has_our_form(site, row, allow_log):
    allow_log("AH02427", "AH01588", "AH01589", "AH01590", "AH10122", "AH01587")
    lines, body, status = FRAMING[row]
    answer = raw(site, request_head(site, *lines) + body)
    assert answer.status == status
    assert int(answer.header("Content-Length")) == len(answer.body)


def test_H_06_smuggled_request_is_not_executed(site):
    hidden = request_head(site, f"Content-Length: {len(TEXT)}") + TEXT
    received = raw_all(site, request_head(site, f"Content-Length: {5 + len(hidden)}", "Transfer-Encoding: chunked", "Connection: close")
                       + b"0\r\n\r\n" + hidden)
    assert received.count(b"HTTP/1.1 ") == 1


def test_H_21_a_body_of_a_get_is_discarded(site):
    get = f"GET {site.mount}/cacerts HTTP/1.1\r\nHost: localhost\r\n".encode()
    received = raw_all(site, get + b"Content-Length: 5\r\n\r\nGET /" + get + b"Connection: close\r\n\r\n")
    assert received.count(b"HTTP/1.1 200 OK") == 2


def test_H_28_pipelined_requests_are_judged_each(site):
    head = request_head(site, f"Content-Length: {len(TEXT)}")
    anonymous = head.replace(b"Authorization", b"X-Authorization")
    closing = head.replace(b"Host:", b"Connection: close\r\nHost:")
    site.rows_wanted = True
    received = raw_all(site, anonymous + TEXT + closing + TEXT)
    assert [part.split(b" ")[0] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"401", b"200"]
    site.ledger.add(last_certificate(site))


def test_stray_crlf_after_a_body_does_no_harm(site):
    """libest sends it"""
    site.rows_wanted = True
    head = request_head(site, f"Content-Length: {len(TEXT)}")
    assert raw(site, head + TEXT + b"\r\n").status == 200


def test_H_25_a_body_that_does_not_come_gets_408(site):
    answer = raw(site, request_head(site, "Content-Length: 400") + b"AAAA")
    check_refusal(answer, 408)


def test_H_27_client_that_goes_away_gets_no_certificate(site):
    start = site.httpd.log.size()
    with site.client() as client:
        client.open().sock.sendall(request_head(site, f"Content-Length: {len(TEXT)}") + TEXT[:-40])
    wait_until(lambda: any("EST1014" in line for line in site.log_lines(start)), 10, "httpd to notice")


# Paths: GET of what is no operation: (path below the mount, status)
PATHS = {
    "URI-05_unknown_label": ("nosuch/cacerts", 400), "URI-05_unknown_operation": ("cacertsX", 404),
    "URI-05_known_label_unknown_operation": ("est/x", 404), "URI-05_three_segments": ("a/b/cacerts", 404),
    "URI-06_csrattrs": ("est/fullcmcX", 404), "URI-07_case": ("CACERTS", 404), "URI-07_parameter": ("cacerts;x=1", 404),
    "URI-07_query": ("cacerts?x=1", 200), "URI-07_query_label": ("est/cacerts?x=/../y", 200), "URI-08_trailing_slash": ("cacerts/", 404),
    "URI-08_label_trailing_slash": ("est/cacerts/", 404), "P-01_dots": ("../../etc/passwd", 403),
                                    "P-01_encoded_dots": ("%2e%2e/%2e%2e/etc/passwd", 403),
    "P-02_collapsed": ("x/../cacerts", 200), "P-03_encoded_slash": ("a%2Fcacerts", 404), "P-03_backslash": ("a%5Ccacerts", 404),
    "P-04_double_encoding": ("a%252Fb/cacerts", 400), "P-05_double_slash": ("/cacerts", 200),
                             "P-05_double_slash_label": ("est//cacerts", 200),
    "P-06_behind": ("cacerts/x", 400), "P-07_encoded_letter": ("%63acerts", 200), "P-08_encoded_nul": ("cacerts%00.txt", 404),
    "P-09_long_label": ("a" * 4000 + "/cacerts", 400), "P-09_sql": ("'%3B%20DROP%20TABLE%20x%3B--/cacerts", 404),
    "P-09_sql_without_semicolon": ("'%20OR%20'1'='1/cacerts", 400), "P-09_format": ("%25s%25n/cacerts", 400),
    "P-10_crlf": ("%0d%0aX-Evil:%201/cacerts", 400), "P-10_escape": ("%1b[2J/cacerts", 400), "P-10_override": ("%e2%80%ae/cacerts", 400),
    "P-11_label_is_operation": ("cacerts/cacerts", 400), "mount_alone": ("", 404), "dot_label": ("a.b/cacerts", 400),
}


@pytest.mark.parametrize("row", PATHS)
def test_paths(site, row, allow_log):
    allow_log("AH00026", "AH10244", "AH00128", "AH00127")
    path, status = PATHS[row]
    start = site.httpd.log.size()
    answer = raw(site, f"GET {site.mount}/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert answer.status == status, answer.body
    if status != 200:
        check_refusal(answer, status)
        assert "evil" not in answer.text.lower() and "passwd" not in answer.text
        assert answer.header("X-Evil") is None
    # OP-03: a line each, whatever stands in the path
    assert all(line.startswith("[") and line.isprintable() and line.isascii() for line in site.log_lines(start))


@pytest.mark.parametrize("path", ["/.WELL-KNOWN/EST/cacerts", "/", "/index.html", "/.well-known/brski/requestvoucher"])
def test_P_06_outside_the_mount_nothing_is_served(site, path):
    answer = raw(site, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    check_refusal(answer, 403)


def test_P_12_bodies_do_not_name_what_exists(site):
    site.alias("hidden")
    with site.client() as client:
        answers = [client.get("cacerts", "hiddem"), client.get("cacertz", "hidden"), client.get("x")]
    for answer in answers:
        assert "hidden" not in answer.text and "cacerts" not in answer.text and "simpleenroll" not in answer.text


def test_disabled_alias_is_an_unknown_one(site):
    label = site.alias(enabled=False)
    with site.client() as client:
        check_refusal(client.get("cacerts", label), 400, "alias_unknown")


# HTTP-01, HTTP-03, H-18 to H-20: (method, operation, status, Allow)
METHODS = {
    "get_simpleenroll": ("GET", "simpleenroll", 405, "POST"), "head_simpleenroll": ("HEAD", "simpleenroll", 405, "POST"),
    "get_simplereenroll": ("GET", "simplereenroll", 405, "POST"), "delete_cacerts": ("DELETE", "cacerts", 405, "GET, HEAD"),
    "put_simpleenroll": ("PUT", "simpleenroll", 405, "POST"), "patch": ("PATCH", "simpleenroll", 405, "POST"),
    "propfind": ("PROPFIND", "cacerts", 405, "GET, HEAD"), "H-20_unknown": ("FOO", "cacerts", 405, "GET, HEAD"),
    "H-20_lower_case": ("post", "simpleenroll", 405, "POST"), "HTTP-03_options": ("OPTIONS", "cacerts", 405, "GET, HEAD"),
    "H-18_trace": ("TRACE", "cacerts", 405, None),
}


@pytest.mark.parametrize("row", METHODS)
def test_HTTP_01_methods(site, row, allow_log):
    allow_log("AH00135")
    method, operation, status, allow = METHODS[row]
    answer = raw(site, f"{method} {site.mount}/{operation} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
    assert answer.status == status
    if allow:
        assert answer.header("Allow") == allow
    assert b"Authorization" not in answer.body


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.2"])
def test_H_17_other_versions(site, version):
    site.rows_wanted = True
    head = request_head(site, f"Content-Length: {len(TEXT)}", version=version)
    assert raw(site, head + TEXT).status == 200


def test_TLS_01_plain_http_gets_nothing(site):
    with socket.create_connection(("127.0.0.1", site.port), 20) as sock:
        sock.sendall(f"GET {site.mount}/cacerts HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        received = b""
        while part := sock.recv(65536):
            received += part
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"pkcs7" not in received


def test_unauthenticated_garbage_is_answered_before_it_is_parsed(site):
    with site.client() as client:
        check_refusal(client.post("simpleenroll", b"garbage"), 401, "authentication_required")


def test_names_of_the_profile_are_in_the_answer_of_the_authenticated_only(site):
    with site.ra() as client:
        assert "wants" in client.enroll(make_csr(make_key("ed448"))).text
        label = site.alias(reason_text=False)
        assert "wants" not in client.enroll(make_csr(make_key("ed448"), san=[dns("a.example")]), label).text
