# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Bodies that are wrong: docs/conformance.md, rows B64 and B. Headers, paths and methods: test_framing.py, test_http.py, test_paths.py."""

import base64

import pytest

from harness import der
from harness.client import b64
from harness.form import check_refusal
from harness.pki import dns, make_csr, make_key, pem, raw_attribute, raw_csr, raw_info, raw_name, sign

KEY = make_key()
CSR = make_csr(KEY)
TEXT = base64.b64encode(CSR)
CN = "2.5.4.3"

pytestmark = pytest.mark.usefixtures("no_row")


def indefinite(data):
    start, end = der.head(data)
    return data[:1] + b"\x80" + data[start:end] + b"\x00\x00"


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
    "B-07_long_length": (b64(der.long_form(CSR)), 400, "der_invalid|csr_invalid", "BER"),
    "B-07_long_length_inside": (b64(raw_csr(KEY, change=lambda p: [p[0], der.long_form(p[1]), *p[2:]])), 400, "der_invalid|csr_invalid",
                                "BER of the subject, which re-encoding keeps"),
    "B-07_indefinite_inside": (b64(raw_csr(KEY, change=lambda p: [p[0], indefinite(p[1]), *p[2:]])), 400, "der_invalid|csr_invalid", "BER inside"),
    "B-07_version_with_zeros": (b64(raw_csr(KEY, change=lambda p: [b"\x02\x02\x00\x00", *p[1:]])), 400, "der_invalid|csr_invalid",
                                "INTEGER not minimal"),
    "B-07_boolean_one": (b64(raw_csr(KEY, attributes=[raw_attribute("1.2.840.113549.1.9.14", der.seq(der.seq(
        der.oid("2.5.29.19"), b"\x01\x01\x01", der.tlv(der.OCTET_STRING, der.seq()))))])), 400, "der_invalid|csr_invalid", "TRUE is FF"),
    "B-07_set_not_sorted": (b64(raw_csr(KEY, der.seq(
        der.integer(0), der.seq(der.tlv(der.SET, der.seq(der.oid("2.5.4.10"), der.tlv(der.UTF8, b"z")),
                                        der.seq(der.oid(CN), der.tlv(der.UTF8, b"a")))), *der.children(raw_info(KEY))[2:]))),
                            400, "der_invalid|csr_invalid|name_invalid", "SET OF in the wrong order"),
    "B-08_length_of_4_GiB": (b64(b"\x30\x84\xff\xff\xff\xff"), 400, "der_invalid|csr_invalid", "no allocation of the size claimed"),
    "B-08_length_of_2_GiB": (b64(b"\x30\x84\x80\x00\x00\x00" + CSR), 400, "der_invalid|csr_invalid", "sign"),
    "B-08_integer_without_octets": (b64(raw_csr(KEY, change=lambda p: [b"\x02\x00", *p[1:]])), 400, "der_invalid|csr_invalid", "empty INTEGER"),
    "B-09_nested": (b64(der.nested(9000)), 400, "der_invalid|csr_invalid", "9000 deep"),
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
    "N-06_empty_rdn": (b64(raw_csr(KEY, change=lambda p: [p[0], der.seq(der.set_of()), *p[2:]])), 400,
                       "name_invalid|csr_invalid|der_invalid", "an RDN has one at least"),
    "N-06_empty_value": (b64(raw_csr(KEY, subject=raw_name((CN, der.UTF8, b"")))), 400, "name_invalid", "an empty name"),
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


def test_unauthenticated_garbage_is_answered_before_it_is_parsed(site):
    with site.client() as client:
        check_refusal(client.post("simpleenroll", b"garbage"), 401, "authentication_required")


def test_names_of_the_profile_are_in_the_answer_of_the_authenticated_only(site):
    with site.ra() as client:
        assert "wants" in client.enroll(make_csr(make_key("ed448"))).text
        label = site.alias(reason_text=False)
        assert "wants" not in client.enroll(make_csr(make_key("ed448"), san=[dns("a.example")]), label).text
