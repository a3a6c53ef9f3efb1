# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Base64 and DER of bodies through the whole server: docs/conformance.md, rows B64, DER and B that test_bad_input.py leaves."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

from harness import der
from harness.client import b64
from harness.cms import check_certs_only
from harness.form import check_refusal
from harness.pki import (hash_for, make_csr, make_key, now, days, pem, raw_attribute, raw_csr, raw_info, shared_key, sign)
from harness.run import SLOW, cpu_seconds

KEY = make_key()
CSR = make_csr(KEY)
TEXT = base64.b64encode(CSR)
OPERATIONS = ("simpleenroll", "simplereenroll")
LIMIT = 65536  # EstMaxBody's default
BAD_DER = "der_invalid|csr_invalid"

pytestmark = pytest.mark.usefixtures("no_row")


@pytest.fixture(scope="module")
def site(make_site):
    """Bodies up to EstMaxBody's largest value at /large, and base64 alone at /strict"""
    block = """<Location "{path}">
        EstEngine on
        {line}
        AuthType Basic
        AuthName "EST"
        AuthBasicProvider est
        Require est
    </Location>"""
    return make_site("octets", locations=block.format(path="/large", line="EstMaxBody 1048576") + "\n    "
                     + block.format(path="/strict", line="EstStrictBody on"))


@pytest.fixture(scope="module")
def holder(site):
    return site.holder("CN=octets")


def post(site, holder, operation, body, **more):
    """Each operation with what it lets in by"""
    with site.client(identity=holder) if operation == "simplereenroll" else site.ra() as client:
        return client.post(operation, body, **more)


# --- base64. What lenient decoders take, by both operations: (body, reason of the test)
def inside(octets):
    return TEXT[:40] + octets + TEXT[40:]


NOT_BASE64 = {
    "B64-03_dash": (inside(b"-"), "ends the data for EVP_DecodeUpdate"),
    "B64-03_underscore": (inside(b"_"), "of the alphabet for URLs"),
    "B64-03_dash_at_the_end": (TEXT + b"-", "behind the data"),
    "B64-03_exclamation": (inside(b"!"), "no alphabet has it"),
    "B64-03_nul": (inside(b"\0"), "ends a C string"),
    "B64-03_nul_at_the_end": (TEXT + b"\0", "ends a C string"),
    "B64-03_vertical_tab": (inside(b"\v"), "white space to isspace()"),
    "B64-03_form_feed": (inside(b"\f"), "white space to isspace()"),
    "B64-03_byte_order_mark": (b"\xef\xbb\xbf" + TEXT, "of an editor"),
    "B64-03_no_break_space": (inside(b"\xc2\xa0"), "blank in UTF-8"),
    "B64-03_high_bit": (inside(bytes([ord("A") | 0x80])), "A to those who look at seven bits"),
    "B64-04_padding_missing": (base64.b64encode(CSR + b"\0" * (-(len(CSR) + 1) % 3)).rstrip(b"=") + b"AA", "an octet's worth without its ="),
    "B64-04_one_of_two": (b"AA=", "half of the padding"),
    "B64-04_data_behind": (b"AA==AAAA", "two texts"),
    "B64-04_padding_alone": (b"====", "three octets for EVP_DecodeBlock"),
    "B64-04_too_much": (base64.b64encode(b"ab") + b"=", "five characters"),
    "B64-04_bits_after_one": (b"AB==", "four unused bits are not zero"),
    "B64-04_bits_after_two": (b"AAB=", "two unused bits are not zero"),
    "B64-04_padding_within": (b"A=AA", "where data should be"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("row", NOT_BASE64)
def test_not_base64(site, holder, row, operation):
    body, why = NOT_BASE64[row]
    check_refusal(post(site, holder, operation, body), 400, "base64_invalid")
    assert why


@pytest.mark.parametrize("value", ["base64", None, "binary", "8bit", "quoted-printable", "no such thing", "base64, base64"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_B64_01_whatever_the_transfer_encoding_says(site, holder, operation, value):
    """RFC 8951 3: the header means nothing, base64 it is"""
    site.rows_wanted = True
    csr = make_csr(KEY, "CN=octets")
    answer = post(site, holder, operation, b64(csr), headers={"Content-Transfer-Encoding": value} if value else {})
    assert answer.cert().subject.rfc4514_string() == "CN=octets"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_B64_02_white_space_anywhere(site, holder, operation):
    site.rows_wanted = True
    text = base64.b64encode(make_csr(KEY, "CN=octets"))
    forms = {"lines of 64 and LF": b"\n".join(text[i:i + 64] for i in range(0, len(text), 64)),
             "lines of 76 and CRLF": b"".join(text[i:i + 76] + b"\r\n" for i in range(0, len(text), 76)),
             "one line": text, "blanks around": b" \t\r\n" + text + b"\n \t", "a tab in the middle": text[:99] + b"\t" + text[99:],
             "CR alone": text[:64] + b"\r" + text[64:], "each character on a line": b"\n".join(bytes([c]) for c in text)}
    for name, body in forms.items():
        assert post(site, holder, operation, body).status == 200, name


@pytest.mark.row("B-03")
@pytest.mark.parametrize("form", ["pem", "pem_new", "der"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_B64_05_other_forms(site, holder, operation, form):
    site.rows_wanted = True
    csr = make_csr(KEY, "CN=octets")
    body = {"pem": pem(csr), "pem_new": pem(csr, "NEW CERTIFICATE REQUEST"), "der": csr}[form]
    assert post(site, holder, operation, body).status == 200
    reason = "body_der" if form == "der" else "body_armoured"
    with site.client(site.user, identity=holder, mount="/strict") as client:
        answer = client.post(operation, body)
        check_refusal(answer, 400, reason)
        assert "base64" in answer.text
        assert client.post(operation, b64(csr)).status == 200


@pytest.mark.row("B64-07")
def test_B64_06_what_is_sent_is_der_in_plain_base64(site, holder):
    """Answer.der() decodes strictly; check_certs_only() encodes again and compares"""
    site.rows_wanted = True
    with site.ra() as client:
        answers = [client.get("cacerts"), client.enroll(make_csr(KEY)), client.enroll(make_csr(shared_key("rsa:4096"), "CN=long"))]
    answers.append(post(site, holder, "simplereenroll", b64(make_csr(KEY, "CN=octets"))))
    for answer in answers:
        assert answer.status == 200
        assert not set(answer.body) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\n")
        assert answer.body.endswith(b"\n") and b"\n\n" not in answer.body
        check_certs_only(answer.der())


# --- another object than a request, in base64 as it should be: (maker, hint)
def a_certificate():
    subject = x509.Name([])
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(KEY.public_key())
               .serial_number(1).not_valid_before(now()).not_valid_after(now() + days(1)))
    return builder.sign(KEY, hash_for(KEY))


def a_crl():
    builder = (x509.CertificateRevocationListBuilder().issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")]))
               .last_update(now()).next_update(now() + days(1)))
    return builder.sign(KEY, hash_for(KEY)).public_bytes(serialization.Encoding.DER)


def a_cms_message():
    builder = pkcs7.PKCS7SignatureBuilder().set_data(b"x").add_signer(a_certificate(), KEY, hashes.SHA256())
    return builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def a_crmf_message():
    """CertReqMessages of RFC 4211: one CertReqMsg with an id and a template"""
    return der.seq(der.seq(der.seq(der.integer(1), der.seq(der.tlv(0xA6, der.children(raw_info(KEY))[2])))))


OTHERS = {
    "B-03_certificate": (lambda: a_certificate().public_bytes(serialization.Encoding.DER), "certificate"),
    "B-03_crl": (a_crl, ""),
    "B-03_pkcs12": (lambda: pkcs12.serialize_key_and_certificates(b"x", KEY, a_certificate(), None, serialization.NoEncryption()), "PKCS#12"),
    "B-03_cms": (a_cms_message, "CMS or PKCS#7"),
    "B-03_crmf": (a_crmf_message, ""),
    "B-03_private_key": (lambda: KEY.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
                                                   serialization.NoEncryption()), "private key"),
    "B-03_public_key": (lambda: KEY.public_key().public_bytes(serialization.Encoding.DER,
                                                             serialization.PublicFormat.SubjectPublicKeyInfo), ""),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("mount", ["/.well-known/est", "/strict"])
@pytest.mark.parametrize("row", OTHERS)
def test_another_object_is_refused_with_a_hint(site, holder, row, mount, operation):
    make, hint = OTHERS[row]
    data = make()
    with site.client(site.user, identity=holder, mount=mount) as client:
        answer = client.post(operation, b64(data))
        check_refusal(answer, 400, "csr_invalid")
        assert "not a PKCS#10 certificate request" in answer.text and hint in answer.text
        if len(data) > 129:  # what is taken for DER
            check_refusal(client.post(operation, data), 400, "csr_invalid" if mount != "/strict" else "body_der")


def quoted_printable(data):
    return "".join(chr(octet) if 33 <= octet <= 126 and octet != 61 else f"={octet:02X}" for octet in data).encode()


TEXTS = {
    "B-03_hexadecimal": (CSR.hex().encode(), BAD_DER + "|base64_invalid", {}),
    "B-03_json": (b'{"csr": "' + TEXT + b'"}', "base64_invalid", {}),
    "B-03_xml": (b"<csr>" + TEXT + b"</csr>", "base64_invalid", {}),
    "B-03_quoted_printable": (quoted_printable(CSR), "base64_invalid", {"Content-Transfer-Encoding": "quoted-printable"}),
    "B-03_double_base64": (b64(TEXT), BAD_DER, {}),
    "B-03_form": (b"csr=" + TEXT, "base64_invalid", {}),
    "B-03_pem_of_a_certificate": (a_certificate().public_bytes(serialization.Encoding.PEM), "base64_invalid", {}),
    "B-03_data_url": (b"data:application/pkcs10;base64," + TEXT, "base64_invalid", {}),
}


@pytest.mark.parametrize("mount", ["/.well-known/est", "/strict"])
@pytest.mark.parametrize("row", TEXTS)
def test_another_text_is_refused(site, row, mount):
    body, reason, headers = TEXTS[row]
    with site.ra(mount=mount) as client:
        answer = client.post("simpleenroll", body, headers=headers)
    check_refusal(answer, 400, reason + "|body_armoured")
    assert "base64" in answer.text or "DER" in answer.text or "PKCS#10" in answer.text


# --- sizes, and what they cost

@pytest.mark.parametrize("where", ["before", "behind", "both", "within"])
def test_B_04_as_many_blanks_as_fit(site, where):
    site.rows_wanted = True
    room = LIMIT - len(TEXT)
    body = {"before": b" " * room + TEXT, "behind": TEXT + b"\n" * room, "both": b"\t" * (room // 2) + TEXT + b"\r" * (room - room // 2),
            "within": TEXT[:100] + b" " * room + TEXT[100:]}[where]
    assert len(body) == LIMIT
    with site.ra() as client:
        assert client.post("simpleenroll", body).status == 200
        check_refusal(client.post("simpleenroll", body + b" "), 413, "body_too_large")


NULL = der.tlv(der.NULL)
COSTLY = {
    "B-09_20000_nested": (lambda: der.nested(20000), BAD_DER),
    "B-09_20000_nested_in_the_attributes": (lambda: raw_csr(KEY, attributes=[raw_attribute("1.2.3", der.nested(20000))]), BAD_DER),
    "B-09_20000_nested_with_contexts": (lambda: der.nested(20000, 0xA0), BAD_DER),
    "B-09_60000_attributes": (lambda: raw_csr(KEY, attributes=[raw_attribute("1.2.3", NULL)] * 60000), BAD_DER + "|csr_attribute"),
    "B-09_60000_values": (lambda: raw_csr(KEY, attributes=[raw_attribute("1.2.3", *[NULL] * 60000)]), BAD_DER + "|csr_attribute"),
    "B-09_60000_extensions": (lambda: raw_csr(KEY, attributes=[raw_attribute("1.2.840.113549.1.9.14", der.seq(*[der.seq(
        der.oid("1.2.3"), der.tlv(der.OCTET_STRING, NULL))] * 60000))]), BAD_DER + "|csr_attribute"),
    "B-09_30000_names": (lambda: raw_csr(KEY, change=lambda p: [p[0], der.seq(*[der.set_of(der.seq(der.oid("2.5.4.3"), der.tlv(
        der.UTF8, b"a")))] * 30000), *p[2:]]), BAD_DER + "|name_invalid"),
    "DER-03_long_integer": (lambda: raw_csr(KEY, change=lambda p: [der.tlv(der.INTEGER, b"\x7f" * 700000), *p[1:]]), BAD_DER),
}


@pytest.mark.row("DER-03")
@pytest.mark.parametrize("row", COSTLY)
def test_much_of_it_costs_little(site, row):
    """Less than 100 ms of the server's time for each of ten"""
    make, reason = COSTLY[row]
    body, costs = b64(make()), []
    processes = [site.httpd.pid, *site.httpd.children()]
    assert len(body) <= 1048576
    with site.ra(mount="/large") as client:
        check_refusal(client.post("simpleenroll", body), 400, reason)
        for _ in range(10):
            before = cpu_seconds(processes)
            check_refusal(client.post("simpleenroll", body), 400, reason)
            costs.append(cpu_seconds(processes) - before)
    assert 0 < max(costs) < 0.1 * SLOW, costs
    with site.ra() as client:
        assert client.post("simpleenroll", body).status in (400, 413)


# --- DER: (request, reason)
ALGORITHM, SIGNATURE = sign(KEY, raw_info(KEY))
RSA = shared_key("rsa:2048")
RSA_SHA256 = "1.2.840.113549.1.1.11"
STRUCTURES = {
    "B-05_trailing_zeros": (CSR + b"\0\0", BAD_DER), "B-05_two_requests": (CSR + CSR, BAD_DER),
    "B-05_trailing_in_the_outer_sequence": (der.seq(raw_info(KEY), ALGORITHM, der.bit_string(SIGNATURE), NULL), BAD_DER),
    "B-05_trailing_in_the_info": (raw_csr(KEY, change=lambda p: [*p, NULL]), BAD_DER),
    "DER-01_one_octet_more": (CSR + b"\0", BAD_DER), "DER-01_an_end_of_contents": (CSR + b"\x00\x00", BAD_DER),
    "B-07_version_with_a_long_length": (raw_csr(KEY, change=lambda p: [b"\x02\x84\x00\x00\x00\x01\x00", *p[1:]]), BAD_DER),
    "B-07_info_with_a_long_length": (raw_csr(KEY, der.long_form(raw_info(KEY))), BAD_DER),
    "B-07_length_81_of_a_short_one": (raw_csr(KEY, change=lambda p: [b"\x02\x81\x01\x00", *p[1:]]), BAD_DER),
    "DER-02_indefinite_info": (raw_csr(KEY, b"\x30\x80" + b"".join(der.children(raw_info(KEY))) + b"\0\0"), BAD_DER),
    "DER-02_indefinite_attributes": (raw_csr(KEY, change=lambda p: [*p[:3], b"\xa0\x80\0\0"]), BAD_DER),
    "DER-02_constructed_string": (raw_csr(KEY, change=lambda p: [p[0], der.seq(der.set_of(der.seq(der.oid("2.5.4.3"), der.tlv(
        0x2C, der.tlv(der.UTF8, b"a"), der.tlv(der.UTF8, b"b"))))), *p[2:]]), BAD_DER + "|name_invalid"),
    "B-08_length_of_4_GiB": (b"\x30\x84\xff\xff\xff\xff" + CSR[4:], BAD_DER),
    "B-08_length_of_2_GiB": (b"\x30\x84\x80\x00\x00\x00" + CSR[4:], BAD_DER),
    "B-08_length_of_8_octets": (b"\x30\x88\x7f\xff\xff\xff\xff\xff\xff\xff" + CSR[4:], BAD_DER),
    "B-08_length_of_127_octets": (b"\x30\xff" + b"\x01" * 127 + CSR[4:], BAD_DER),
    "B-08_integer_without_octets": (raw_csr(KEY, change=lambda p: [b"\x02\x00", *p[1:]]), BAD_DER),
    "B-08_negative_version": (raw_csr(KEY, change=lambda p: [b"\x02\x01\xff", *p[1:]]), BAD_DER),
    "B-11_version_1": (raw_csr(KEY, version=1), "csr_invalid"), "B-11_version_256": (raw_csr(KEY, version=256), "csr_invalid"),
    "B-11_version_missing": (raw_csr(KEY, change=lambda p: [*p[1:]]), BAD_DER),
    "B-11_attributes_as_sequence": (raw_csr(KEY, change=lambda p: [*p[:3], der.seq()]), BAD_DER),
    "B-11_attributes_as_set": (raw_csr(KEY, change=lambda p: [*p[:3], der.tlv(der.SET)]), BAD_DER),
    "B-11_attributes_primitive": (raw_csr(KEY, change=lambda p: [*p[:3], der.tlv(0x80)]), BAD_DER),
    "B-12_rsa_algorithm_of_an_ec_key": (raw_csr(KEY, algorithm=der.seq(der.oid(RSA_SHA256), NULL)), "csr_algorithm"),
    "B-12_ec_algorithm_of_an_rsa_key": (raw_csr(RSA, algorithm=der.seq(der.oid("1.2.840.10045.4.3.2"))), "csr_algorithm"),
    "B-12_ed25519_algorithm_of_an_ec_key": (raw_csr(KEY, algorithm=der.seq(der.oid("1.3.101.112"))), "csr_algorithm"),
    "B-12_unknown_algorithm": (raw_csr(KEY, algorithm=der.seq(der.oid("1.2.3.4"))), "csr_algorithm"),
    "B-12_no_algorithm": (der.seq(raw_info(KEY), der.seq(), der.bit_string(SIGNATURE)), BAD_DER + "|csr_algorithm"),
    "B-12_rsa_without_null": (raw_csr(RSA, algorithm=der.seq(der.oid(RSA_SHA256))), "csr_algorithm"),
    "B-12_rsa_with_other_parameters": (raw_csr(RSA, algorithm=der.seq(der.oid(RSA_SHA256), der.seq())), "csr_algorithm"),
    "B-12_ecdsa_with_null": (raw_csr(KEY, algorithm=der.seq(der.oid("1.2.840.10045.4.3.2"), NULL)), "csr_algorithm"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("row", STRUCTURES)
def test_structures(site, holder, row, operation):
    request, reason = STRUCTURES[row]
    check_refusal(post(site, holder, operation, b64(request)), 400, reason)
    if len(request) > 129:
        check_refusal(post(site, holder, operation, request), 400, reason)


def test_B_11_attributes_may_be_missing(site):
    """RFC 2986 4.1 always has them; clients that want none are known to leave them out, and nobody is harmed"""
    site.rows_wanted = True
    with site.ra() as client:
        assert client.enroll(raw_csr(KEY, change=lambda parts: parts[:3])).status == 200
        assert client.enroll(raw_csr(KEY, change=lambda parts: parts)).status == 200, "the tests above change what is good"


def test_B_06_cut_off_at_every_octet(site, holder):
    csr = make_csr(KEY, "CN=octets")
    with site.client(site.user, identity=holder) as client:
        for length in range(1, len(csr)):
            for operation in OPERATIONS:
                assert client.post(operation, b64(csr[:length])).status == 400, length
            assert client.post("simpleenroll", csr[:length]).status == 400, length


@pytest.mark.row("B-02", "B64-04")
def test_base64_cut_off_at_every_character(site):
    with site.ra() as client:
        for length in range(1, len(TEXT)):
            assert client.post("simpleenroll", TEXT[:length]).status == 400, length
