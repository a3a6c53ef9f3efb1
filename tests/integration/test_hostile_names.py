# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Subjects in requests, written octet by octet: docs/conformance.md, rows N, and those of C and CP that are about subjects.

What is refused is 400, leaves no row and no odd line in the log. What is issued passes the lint, and PostgreSQL gives back
the very text. subjectAltNames: test_hostile_sans.py.
"""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from harness import der
from harness.client import raw
from harness.httpd import DENIED_USER, PASSWORD_MISMATCH, USER_NOT_FOUND
from harness.lint import lint
from harness.names import (C, CN, DC, DNS, EMAIL, KEY, L, MAIL, NUMERIC, O, OU, RID, SERIAL, ST, UNKNOWN, UPN, URI, VISIBLE, attr,
                           check_issued, check_refused, cn, escaped, make_aliases, one, rdn, request, row_of, san_of, subject_of)
from harness.pki import dns, make_csr, make_key, name

SITE = dict(location="EstMaxBody 262144")  # so that a name of 64 KiB arrives


@pytest.fixture(scope="module")
def labels(site):
    make_aliases(site)


# --- subjects that are refused: (subject, why); 400 each

DECODING = ("name_invalid", "der_invalid", "csr_invalid")
SUBJECTS = {
    "N-01_nul": (cn(b"good.example\0.evil"), "OpenSSL parses it, and C strings end there"),
    "N-01_nul_alone": (cn(b"\0"), "nothing but a NUL"),
    "N-01_nul_at_the_end": (cn(b"good.example\0"), "as long as the C string, and one more"),
    "N-01_nul_in_PrintableString": (cn(b"a\0b", der.PRINTABLE), "another string type"),
    "N-01_nul_in_IA5String": (cn(b"a\0b", der.IA5), "another string type"),
    "N-01_nul_in_BMPString": (cn("a\0b".encode("utf-16-be"), der.BMP), "another string type"),
    "N-01_nul_in_UniversalString": (cn("a\0b".encode("utf-32-be"), der.UNIVERSAL), "another string type"),
    "N-01_nul_in_T61String": (cn(b"a\0b", der.T61), "another string type"),
    "N-01_nul_in_O": (one(O, b"a\0b"), "another attribute"),
    "N-02_CN_of_65": (cn("x" * 65), "ub-common-name"),
    "N-02_CN_of_65_wide_characters": (cn("ü" * 65), "characters count"),
    "N-02_CN_of_64_KiB": (cn("x" * 65536), "much more"),
    "N-02_O_of_65": (one(O, b"x" * 65), "ub-organization-name"),
    "N-02_O_of_64_KiB": (one(O, b"x" * 65536), "much more"),
    "N-02_OU_of_65": (one(OU, b"x" * 65), "ub-organizational-unit-name"),
    "N-02_100_RDNs": (der.seq(*[rdn(attr(OU, der.UTF8, b"%d" % i)) for i in range(100)]), "more than anybody needs"),
    "N-02_100_attributes_in_an_RDN": (der.seq(rdn(*[attr(OU, der.UTF8, b"%02d" % i) for i in range(100)])), "the same, in one"),
    "N-03_T61String_beyond_ASCII": (cn(b"m\xfcller", der.T61), "Latin-1, or T.61, or the code page of the day"),
    "N-03_odd_BMPString": (cn(b"\0a\0", der.BMP), "half a character"),
    "N-03_odd_UniversalString": (cn(b"\0\0\0a\0", der.UNIVERSAL), "a quarter of a character"),
    "N-03_surrogates_in_BMPString": (cn(b"\xd8\x3d\xde\x00", der.BMP), "a BMPString has none"),
    "N-03_surrogates_in_UTF8String": (cn(b"\xed\xa0\xbd\xed\xb8\x80"), "CESU-8"),
    "N-03_invalid_UTF-8": (cn(b"a\xc3("), "cut off inside"),
    "N-03_Latin-1_as_UTF8String": (cn(b"m\xfcller"), "not UTF-8"),
    "N-03_overlong_UTF-8": (cn(b"\xc0\xaf"), "a slash in two octets"),
    "N-03_UniversalString_beyond_Unicode": (cn(b"\0\x11\0\0", der.UNIVERSAL), "no such character"),
    "N-03_IA5String_beyond_ASCII": (cn(b"m\xfcller", der.IA5), "not IA5"),
    "N-05_C_USA": (one(C, b"USA", der.PRINTABLE), "three letters"),
    "N-05_c_us": (one(C, b"us", der.PRINTABLE), "ISO 3166 has upper case"),
    "N-05_C_of_one_letter": (one(C, b"U", der.PRINTABLE), "too short"),
    "N-05_C_of_digits": (one(C, b"12", der.PRINTABLE), "no letters"),
    "N-05_C_as_UTF8String": (one(C, b"DE"), "X520countryName is a PrintableString"),
    "N-05_C_as_IA5String": (one(C, b"DE", der.IA5), "X520countryName is a PrintableString"),
    "N-05_C_as_BMPString": (one(C, b"\0D\0E", der.BMP), "X520countryName is a PrintableString"),
    "N-06_empty_RDN": (der.seq(rdn(attr(CN, der.UTF8, b"a")), der.tlv(der.SET)), "SET SIZE (1..MAX)"),
    "N-06_two_CNs_in_an_RDN": (der.seq(rdn(attr(CN, der.UTF8, b"a"), attr(CN, der.UTF8, b"b"))), "X.501 9.3: types differ"),
    "N-06_empty_value": (cn(""), "DirectoryString SIZE (1..MAX)"),
    "N-06_empty_value_of_O": (one(O, b""), "in another attribute"),
    "N-06_value_is_a_SEQUENCE": (cn(der.oid("1.2.3"), der.SEQUENCE), "no string"),
    "N-06_value_is_an_INTEGER": (cn(b"\x07", der.INTEGER), "no string"),
    "N-06_value_is_an_OCTET_STRING": (cn(b"abc", der.OCTET_STRING), "no string"),
    "N-06_value_is_NULL": (cn(b"", der.NULL), "no string"),
    "N-06_value_is_a_VisibleString": (cn(b"abc", VISIBLE), "a string, but none of DirectoryString"),
    "N-06_two_values": (der.seq(rdn(der.seq(der.oid(CN), der.tlv(der.UTF8, b"a"), der.tlv(der.UTF8, b"b")))), "one too many"),
    "N-06_no_value": (der.seq(rdn(der.seq(der.oid(CN)))), "one too few"),
    "N-08_CRLF_and_a_log_line": (cn("a\r\n[est:info] [pid 1] EST1000: granted"), "a line of its own"),
    "N-08_LF": (cn("a\nb"), "line break"),
    "N-08_escape_sequence": (cn("a\x1b[2Jb"), "clears a terminal"),
    "N-08_CSI": (cn("a\x9b2Jb"), "the same in C1"),
    "N-08_tab": (cn("a\tb"), "control character"),
    "N-08_DEL": (cn("a\x7fb"), "control character"),
    "N-08_NEL": (cn("a\u0085b"), "line break of C1"),
    "N-08_line_separator": (cn("a\u2028b"), "line break of Unicode"),
    "N-08_paragraph_separator": (cn("a\u2029b"), "line break of Unicode"),
    "N-08_right_to_left_override": (cn("a\u202eb"), "turns the rest around"),
    "N-08_isolate": (cn("a\u2066b"), "the newer way to do so"),
    "N-08_zero_width_space": (cn("a\u200bb"), "not seen"),
    "N-08_zero_width_joiner": (cn("a\u200db"), "not seen"),
    "N-08_soft_hyphen": (cn("a\u00adb"), "not seen"),
    "N-08_BOM": (cn("\ufeffab"), "not seen"),
    "N-08_BOM_in_BMPString": (cn("\ufeffab".encode("utf-16-be"), der.BMP), "not seen"),
    "N-08_no_character": (cn("a\ufffeb"), "never assigned"),
    "N-09_leading_blank": (cn(" device"), "the same as \"device\" by RFC 5280 7.1"),
    "N-09_trailing_blank": (cn("device "), "the same"),
    "N-09_double_blank": (cn("device  7"), "the same as with one"),
    "N-09_blank_alone": (cn(" "), "nothing else"),
    "N-09_blanks_alone": (cn("   "), "nothing else"),
    "N-09_leading_blank_in_O": (one(O, b" Org"), "in another attribute"),
    "N-09_leading_blank_in_PrintableString": (cn(b" device", der.PRINTABLE), "another string type"),
    "N-09_no-break_space": (cn("device\u00a07"), "looks like a blank"),
    "N-09_en_quad": (cn("device\u20007"), "looks like a blank"),
    "N-09_thin_space": (cn("device\u20097"), "looks like a blank"),
    "N-09_narrow_no-break_space": (cn("device\u202f7"), "looks like a blank"),
    "N-09_mathematical_space": (cn("device\u205f7"), "looks like a blank"),
    "N-09_ogham_space": (cn("device\u16807"), "looks like a blank in some fonts"),
    "N-09_ideographic_space": (cn("device\u30007"), "looks like two blanks"),
    "N-09_Braille_blank": (cn("device\u28007"), "looks like a blank"),
    "N-09_fullwidth": (cn("\uff41dmin"), "a second a"),
    "N-09_fullwidth_alone": (cn("\uff41\uff42"), "second letters"),
    "N-09_halfwidth": (cn("\uff71"), "a second katakana"),
    "N-09_mathematical": (cn("\U0001d41admin"), "a third a"),
    "N-09_Cyrillic_in_Latin": (cn("\u0430dmin"), "U+0430"),
    "N-09_Latin_in_Cyrillic": (cn("\u041a\u043e\u043c\u043fa\u043d\u0438\u044f"), "the other way round"),
    "N-09_Cyrillic_in_a_DNS_name": (cn("www.p\u0430ypal.example"), "in one label"),
    "N-09_Greek_in_Latin": (cn("p\u03b1yments"), "U+03B1"),
    "N-09_Greek_in_Cyrillic": (cn("\u0391\u0411"), "no better"),
    "N-09_Cyrillic_in_Latin_of_O": (one(O, "B\u0430nk".encode()), "in another attribute"),
    "N-14_DN_of_the_CA": (der.seq(rdn(attr(O, der.UTF8, b"Test")), rdn(attr(CN, der.UTF8, b"Issuing CA"))), "looks self-issued"),
    "N-14_DN_of_the_CA_in_other_case": (der.seq(rdn(attr(O, der.UTF8, b"TEST")), rdn(attr(CN, der.UTF8, b"issuing ca"))), "RFC 5280 7.1"),
    "N-14_DN_of_the_CA_in_other_types": (
        der.seq(rdn(attr(O, der.PRINTABLE, b"Test")), rdn(attr(CN, der.BMP, "Issuing CA".encode("utf-16-be")))), "RFC 5280 7.1"),
    "N-14_DN_of_the_root": (der.seq(rdn(attr(O, der.UTF8, b"Test")), rdn(attr(CN, der.UTF8, b"Root"))), "any CA of the chain"),
    "N-14_CN_is_the_DN_of_the_CA": (cn("CN=Issuing CA,O=Test"), "read aloud they are one"),
    "N-14_CN_is_the_DN_of_the_CA_with_blanks": (cn("cn=issuing ca, o=test"), "the same"),
    "N-14_CN_is_the_DN_of_the_root": (cn("CN=Root,O=Test"), "any CA of the chain"),
    "CP-19_L_of_129": (one(L, b"x" * 129), "ub-locality-name"),
    "CP-19_ST_of_129": (one(ST, b"x" * 129), "ub-state-name"),
    "CP-19_serialNumber_of_65": (one(SERIAL, b"1" * 65, der.PRINTABLE), "ub-serial-number"),
    "CP-19_serialNumber_not_printable": (one(SERIAL, b"a_b"), "PrintableString has no underscore"),
    "CP-19_email_of_256": (one(EMAIL, b"a@" + b"b" * 254, der.IA5), "ub-emailaddress-length"),
    "CP-19_email_beyond_ASCII": (one(EMAIL, "ü@b.example".encode()), "IA5String"),
    "CP-21_email_not_in_SAN": (one(EMAIL, b"a@b.example", der.IA5), "RFC 5280 4.1.2.6"),
}


@pytest.mark.parametrize("row", SUBJECTS)
def test_subjects_that_are_refused(site, labels, row):
    subject, why = SUBJECTS[row]
    check_refused(site, request(subject), reasons=DECODING, why=why)


@pytest.mark.parametrize("row", [row for row in SUBJECTS if row[:4] in ("N-01", "N-03", "N-06", "N-08")])
def test_what_no_text_is_cannot_be_dropped_either(site, labels, row):
    """A profile that leaves out what it has no rule for: the request is wrong all the same"""
    check_refused(site, request(SUBJECTS[row][0]), "dropping", reasons=DECODING)


# --- subjects that are issued: (subject asked for, subject in the certificate, text in PostgreSQL)

def same(subject, text):
    return subject, subject, text


ACCEPTED = {
    "N-02_CN_of_64": same(cn("x" * 64), "CN=" + "x" * 64),
    "N-02_CN_of_64_wide_characters": same(cn("ü" * 64), "CN=" + "ü" * 64),
    "N-03_BMPString": (cn("mü€".encode("utf-16-be"), der.BMP), cn("mü€"), "CN=mü€"),
    "N-03_UniversalString": (cn("m\U0001f600".encode("utf-32-be"), der.UNIVERSAL), cn("m\U0001f600"), "CN=m\U0001f600"),
    "N-03_T61String": (cn(b"plain", der.T61), cn("plain"), "CN=plain"),
    "N-03_IA5String": (cn(b"a@b", der.IA5), cn("a@b"), "CN=a@b"),
    "N-03_NumericString": (cn(b"12 34", NUMERIC), cn("12 34"), "CN=12 34"),
    "N-04_at_sign": (cn(b"a@b", der.PRINTABLE), cn("a@b"), "CN=a@b"),
    "N-04_underscore": (cn(b"a_b", der.PRINTABLE), cn("a_b"), "CN=a_b"),
    "N-04_star": (cn(b"a*b", der.PRINTABLE), cn("a*b"), "CN=a*b"),
    "N-04_ampersand": (cn(b"a&b", der.PRINTABLE), cn("a&b"), "CN=a&b"),
    "N-05_C_as_PrintableString": same(one(C, b"DE", der.PRINTABLE), "C=DE,CN=device-1"),
    "N-06_multi-valued_RDN": same(
        der.seq(rdn(attr(CN, der.UTF8, b"a"), attr(SERIAL, der.PRINTABLE, b"7")), rdn(attr(O, der.UTF8, b"Org"))),
        "O=Org,CN=a+serialNumber=7"),
    "N-06_two_CNs_where_allowed": same(der.seq(rdn(attr(CN, der.UTF8, b"a")), rdn(attr(CN, der.UTF8, b"b"))), "CN=b,CN=a"),
    "N-09_words_of_one_script_each": same(cn("\u041a\u043e\u043c\u043f\u0430\u043d\u0438\u044f ABC"),
                                          "CN=\u041a\u043e\u043c\u043f\u0430\u043d\u0438\u044f ABC"),
    "N-09_labels_of_one_script_each": same(cn("\u0430\u0431\u0432.example"), "CN=\u0430\u0431\u0432.example"),
    "N-09_hyphen_between_scripts": same(cn("USB-\u043f\u043e\u0440\u0442"), "CN=USB-\u043f\u043e\u0440\u0442"),
    "N-09_single_blanks": same(cn("a b c"), "CN=a b c"),
    "N-09_other_scripts": same(cn("\u65e5\u672c ABC\u65e5"), "CN=\u65e5\u672c ABC\u65e5"),
    "N-14_only_the_CN_of_the_CA": same(cn("Issuing CA"), "CN=Issuing CA"),
    "N-14_CN_is_an_address": same(cn("192.0.2.7"), "CN=192.0.2.7"),
    "CP-20_DC_is_IA5String": (one(DC, b"example"), one(DC, b"example", der.IA5), "DC=example,CN=device-1"),
    "CP-20_serialNumber_is_PrintableString": (one(SERIAL, b"A-7"), one(SERIAL, b"A-7", der.PRINTABLE), "serialNumber=A-7,CN=device-1"),
}


@pytest.mark.row("CP-19", "CP-20", "CP-22")
@pytest.mark.parametrize("row", ACCEPTED)
def test_subjects_that_are_issued(site, labels, row):
    asked, expected, text = ACCEPTED[row]
    cert = check_issued(site, request(asked))
    assert subject_of(cert) == expected
    assert row_of(site, cert)[0] == text


# N-07, N-11: nothing of this has a meaning to anything on its way
ODD_TEXTS = ["'; DROP TABLE certs;--", "%s%n", "$(id)", "`id`", "../../x", "<script>", "<script>alert('x')</script>", "Grüße 木",
             "a\\b", "a\\x00b", "\\u0000", "a,b+c=\"d\";<e>#", "#x", "{a,NULL}", "$1", "E'\\''", "%00", "NULL",
             "\U0001f600", "\U0010fffd", "\ufffd", "*", "**", "a?b", "own", "=1+1"]


@pytest.mark.row("N-07", "N-11")
@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_text_is_stored_literally(site, labels, text):
    cert = check_issued(site, request(cn(text)))
    assert subject_of(cert) == cn(text)
    assert row_of(site, cert) == (f"CN={escaped(text)}", [], text)
    assert site.db.value("SELECT count(*) FROM end_entity WHERE name = %s", text, user="postgres") == 1


def test_N_11_quotes_and_percents_in_uris_and_mail_are_stored_literally(site, labels):
    uri, mail = b"https://a.example/%00%ff/';--?$1", b"o'brien%s$`{|}@a.example"
    cert = check_issued(site, request(None, der.tlv(URI, uri), der.tlv(MAIL, mail)))
    assert san_of(cert) == [der.tlv(URI, uri), der.tlv(MAIL, mail)]
    assert row_of(site, cert)[1] == ["uri:" + uri.decode(), "email:" + mail.decode()]


# What else of a request could reach PostgreSQL: the name of the user
USERS = {"nul": b"ra\0", "nul_inside": b"r\0a", "not_utf8": b"ra\xff", "cut_utf8": b"ra\xc3", "surrogate": b"\xed\xa0\x80",
         "overlong": b"\xc0\x80", "quote": b"ra'--", "control": b"ra\x1b[2J"}


@pytest.mark.parametrize("row", USERS)
def test_N_11_user_names_that_no_text_is(site, allow_log, row):
    allow_log(USER_NOT_FOUND, PASSWORD_MISMATCH, DENIED_USER)
    credentials = base64.b64encode(USERS[row] + b":wrong").decode()
    head = (f"POST {site.mount}/simpleenroll HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {credentials}\r\n"
            "Content-Type: application/pkcs10\r\nUser-Agent: x\r\nConnection: close\r\n")
    body = base64.b64encode(make_csr(KEY))
    before = site.counts()
    answer = raw(site, head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert answer.status == 401, answer.text
    assert site.counts() == before


# --- policy on subjects that are well formed: (subject, label, status, subject in the certificate)

BY_POLICY = {
    "N-06_two_CNs_where_one_is_allowed": (der.seq(rdn(attr(CN, der.UTF8, b"a")), rdn(attr(CN, der.UTF8, b"b"))), "est", 403, None),
    "CP-22_an_RDN_of_which_a_part_is_not_allowed": (
        der.seq(rdn(attr(CN, der.UTF8, b"a"), attr(L, der.UTF8, b"town"))), "est", 403, None),
    "CP-22_an_RDN_of_which_a_part_is_dropped": (
        der.seq(rdn(attr(CN, der.UTF8, b"a"), attr(L, der.UTF8, b"town"))), "dropping", 200, cn("a")),
    "N-06_an_unknown_attribute": (one(UNKNOWN, b"x"), "wide", 403, None),
    "N-09_odd_blanks_of_what_is_dropped": (one(O, b" Org  "), "dropping", 200, cn("device-1")),
    "N-14_CN_is_an_address": (cn("10.0.0.7"), "narrow", 403, None),
}


@pytest.mark.parametrize("row", BY_POLICY)
def test_policy_on_subjects(site, labels, row):
    subject, label, status, expected = BY_POLICY[row]
    if status == 200:
        assert subject_of(check_issued(site, request(subject), label)) == expected
    else:
        check_refused(site, request(subject), label, status, ("name_refused",))


# --- subject and subjectAltName together

@pytest.fixture(scope="module")
def own(site):
    return site.register("own.example")


@pytest.mark.parametrize("subject, san, status", [
    ("CN=own.example", [dns("own.example")], 200), ("CN=own.example", [dns("other.example")], 403),
    ("CN=other.example", [dns("own.example")], 403), ("CN=192.0.2.9", [], 403)])
def test_N_14_C_10_a_client_for_its_own_name(site, own, subject, san, status):
    """CN and SAN are names alike: neither vouches for the other"""
    with site.client(own) as client:
        answer = client.enroll(make_csr(make_key(), subject, san))
    assert answer.status == status, answer.text
    assert status == 200 or answer.reason == "name_not_yours"


MAILS = {
    "in_both": (b"a@b.example", [b"a@b.example"], 200, "RFC 5280 4.1.2.6"),
    "domain_in_other_case": (b"a@B.Example", [b"a@b.example"], 200, "a domain has no case"),
    "among_others": (b"a@b.example", [b"x@b.example", b"a@b.example"], 200, "one of them"),
    "another_in_the_SAN": (b"a@b.example", [b"x@b.example"], 400, "not that one"),
    "local_part_in_other_case": (b"a@b.example", [b"A@b.example"], 400, "a local part has case"),
    "no_address_at_all": (b"nobody", [b"a@b.example"], 400, "not in the SAN"),
}


@pytest.mark.parametrize("row", MAILS)
def test_CP_21_addresses_of_the_subject_are_in_the_subjectAltName(site, labels, row):
    subject, names, status, why = MAILS[row]
    csr = request(one(EMAIL, subject, der.IA5), *[der.tlv(MAIL, value) for value in names])
    if status == 200:
        cert = check_issued(site, csr)
        assert subject_of(cert) == one(EMAIL, subject, der.IA5)
        assert san_of(cert) == [der.tlv(MAIL, value) for value in names]
    else:
        assert "emailAddress" in check_refused(site, csr, why=why).text


def test_CP_21_an_address_that_is_dropped_needs_no_other(site, labels):
    assert subject_of(check_issued(site, request(one(EMAIL, b"a@b.example", der.IA5)), "dropping")) == cn("device-1")


@pytest.mark.row("CP-15", "C-15")
@pytest.mark.parametrize("label, subject, names, why", [
    ("wide", der.seq(), [], "neither subject nor subjectAltName"),
    ("dropping", der.seq(), [der.tlv(RID, b"\x2a\x03")], "nothing is left of the subjectAltName"),
    ("dropping", der.seq(rdn(attr(O, der.UTF8, b"Org"))), [], "nothing is left of the subject")])
def test_nobody(site, labels, label, subject, names, why):
    check_refused(site, request(subject, *names), label, why=why)


def test_CP_15_critical_exactly_without_a_subject(site, labels):
    for subject, critical in ((der.seq(), True), (cn("a"), False)):
        cert = check_issued(site, request(subject, der.tlv(DNS, b"a.example")))
        assert cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical == critical


def test_CP_23_the_issuer_is_the_cas_subject_octet_by_octet(site, labels):
    cert = check_issued(site, request(cn("a")))
    issuer = der.children(der.children(cert.public_bytes(Encoding.DER))[0])[3]
    assert issuer == subject_of(site.pki.issuing.cert)


# --- certificates that exist have the names they have

@pytest.fixture(scope="module")
def taking(site):
    """An alias that takes certificates which it has not issued itself"""
    return site.alias(unknown_holder="accept")


def test_N_09_a_holder_keeps_an_odd_name_and_gets_no_new_one(site, taking):
    key = make_key()
    for subject, again, other in (("CN=pump  7", "CN=pump 7", "CN=pump  8"), ("CN=\u0430dmin", "CN=\u0430dmin", "CN=\u0430dmin2")):
        old = site.pki.issuing.issue(subject, key)
        with site.client(identity=old) as client:
            cert = client.reenroll(make_csr(make_key(), again), taking).cert()
            lint(cert, site.pki.issuing.cert)
            assert cert.subject == name(subject)
            assert client.enroll(make_csr(make_key(), subject), taking).status == 200
            answer = client.enroll(make_csr(make_key(), other), taking)
            assert (answer.status, answer.reason) == (400, "name_invalid")


@pytest.mark.parametrize("row, value", [
    ("underscore", dns("a_b.example")), ("uri_without_host", x509.UniformResourceIdentifier("urn:uuid:f81d4fae")),
    ("upn", x509.OtherName(x509.ObjectIdentifier(UPN), b"\x0c\x05admin")), ("not_NFC", dns("xn--e-xbb.de"))])
def test_N_10_a_holder_with_other_names_is_read_and_does_not_get_them_again(site, taking, row, value):
    old = site.pki.issuing.issue(f"CN=holder {row}", san=[value])
    with site.client(identity=old) as client:
        assert client.enroll(make_csr(make_key(), f"CN=holder {row}"), taking).status == 200
        answer = client.reenroll(make_csr(make_key(), f"CN=holder {row}", [value]), taking)
    assert (answer.status, answer.reason) == (400, "name_invalid")
