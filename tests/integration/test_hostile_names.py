# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Names in requests, written octet by octet: docs/conformance.md, rows N, and those of C and CP that are about names.

What is refused is 400, leaves no row and no odd line in the log. What is issued passes the lint, and PostgreSQL gives back
the very text.
"""

import base64
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from harness import der
from harness.client import raw
from harness.httpd import DENIED_USER, PASSWORD_MISMATCH, USER_NOT_FOUND
from harness.lint import lint
from harness.pki import EXTENSION_REQUEST, Identity, dns, make_csr, make_key, name, raw_attribute, raw_csr

SITE = dict(location="EstMaxBody 262144")  # so that a name of 64 KiB arrives

KEY = make_key()
CN, SN, SERIAL, C, L, ST, O, OU = "2.5.4.3", "2.5.4.4", "2.5.4.5", "2.5.4.6", "2.5.4.7", "2.5.4.8", "2.5.4.10", "2.5.4.11"
EMAIL, DC, UNKNOWN = "1.2.840.113549.1.9.1", "0.9.2342.19200300.100.1.25", "1.3.6.1.4.1.55555.8"
NUMERIC, VISIBLE = 18, 26
UPN = "1.3.6.1.4.1.311.20.2.3"

# GeneralName, RFC 5280 4.2.1.6
OTHER, MAIL, DNS, X400, DIRECTORY, EDI, URI, IP, RID = 0xA0, 0x81, 0x82, 0xA3, 0xA4, 0xA5, 0x86, 0x87, 0x88


def attr(oid, tag, value):
    return der.seq(der.oid(oid), der.tlv(tag, value))


def rdn(*attributes):
    return der.set_of(*attributes)


def cn(value, tag=der.UTF8):
    """Name with one CN. value: octets or text"""
    return der.seq(rdn(attr(CN, tag, value if isinstance(value, bytes) else value.encode())))


def one(oid, value, tag=der.UTF8):
    """Name with a CN and one more attribute"""
    return der.seq(rdn(attr(CN, der.UTF8, b"device-1")), rdn(attr(oid, tag, value)))


def san_request(*names):
    """Attribute extensionRequest with a subjectAltName of these GeneralNames"""
    extension = der.seq(der.oid("2.5.29.17"), der.tlv(der.OCTET_STRING, der.seq(*names)))
    return raw_attribute(EXTENSION_REQUEST, der.seq(extension))


def request(subject=None, *names, key=KEY):
    return raw_csr(key, subject=cn("device-1") if subject is None else subject, attributes=[san_request(*names)] if names else [])


def subject_of(cert):
    """Octets of the subject, as they stand in the certificate; the field before it but one is the issuer"""
    tbs = der.children(der.children(cert.public_bytes(Encoding.DER))[0])
    return tbs[5]


def san_of(cert):
    """Octets of each GeneralName of the certificate"""
    try:
        found = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return der.children(found.value.public_bytes())


def escaped(value):
    """RFC 2253 2.4"""
    out = "".join("\\" + c if c in ',+"\\<>;' else c for c in value)
    out = "\\" + out if out[0] in "# " else out
    return out[:-1] + "\\ " if out.endswith(" ") else out


def row_of(site, cert):
    """What PostgreSQL has of it: (subject, [SANs], name of the end entity)"""
    return site.db.rows("SELECT c.subject, c.san, e.name FROM certificate c JOIN end_entity e ON e.id = c.entity_id"
                        " WHERE c.serial = est.serial_parse(%s)", format(cert.serial_number, "x"), user="postgres")[0]


@pytest.fixture(scope="module")
def labels(site):
    """Aliases: wide (nearly everything is allowed), dropping (CN and DNS names; the rest is left out), narrow (patterns)"""
    for profile, columns, attributes, types in (
            ("wide", "true, 'refuse', 'refuse'", "CN,SN,C,L,ST,O,OU,serialNumber,emailAddress,DC", "dns,ip,uri,email"),
            ("dropping", "false, 'drop', 'drop'", "CN", "dns"), ("narrow", "false, 'refuse', 'refuse'", "", "")):
        site.sql(f"INSERT INTO certificate_profile (name, dns_wildcards, subject_other, san_other) VALUES ('{profile}', {columns})")
        number = site.profile_id(profile)
        site.sql("INSERT INTO profile_subject_rule (profile_id, attribute, max_count) SELECT %s, a, 32 FROM unnest(%s::text[]) a", number,
                 f"{{{attributes}}}")
        site.sql("INSERT INTO profile_san_rule (profile_id, type, max_count) SELECT %s, t, 256 FROM unnest(%s::text[]) t", number,
                 f"{{{types}}}")
        site.sql("INSERT INTO profile_extension (profile_id, name, critical, value) VALUES (%s, 'keyUsage', true, 'digitalSignature')", number)
        site.alias(profile, profile_id=number)
    number = site.profile_id("narrow")
    site.sql("INSERT INTO profile_subject_rule (profile_id, attribute, pattern) VALUES (%s, 'CN', '*.plant.example')", number)
    site.sql("INSERT INTO profile_san_rule (profile_id, type, pattern, max_count) VALUES (%s, 'dns', '*.plant.example', 4),"
             " (%s, 'ip', '10.0.0.0/8', 4)", number, number)


def enroll(site, csr, label="wide"):
    with site.ra() as client:
        return client.enroll(csr, label)


def check_refused(site, csr, label="wide", status=400, reasons=("name_invalid",), why=None):
    before, start = site.counts(), site.httpd.log.size()
    answer = enroll(site, csr, label)
    assert answer.status == status, (why, answer.text)
    assert answer.reason in reasons, (why, answer.text)
    assert site.counts() == before
    # Nothing that was sent reaches the log as it is (N-08)
    assert all(line.startswith("[") and line.isascii() and line.isprintable() for line in site.log_lines(start))
    return answer


def check_issued(site, csr, label="wide"):
    cert = enroll(site, csr, label).cert()
    lint(cert, site.pki.issuing.cert)
    return cert


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
    "N-06_empty_RDN": (der.seq(rdn(attr(CN, der.UTF8, b"a")), der.tlv(der.SET)), "SET SIZE (1..MAX)"),
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
    "N-05_C_as_UTF8String": (one(C, b"DE"), one(C, b"DE", der.PRINTABLE), "C=DE,CN=device-1"),
    "N-06_multi-valued_RDN": same(der.seq(rdn(attr(CN, der.UTF8, b"a"), attr(SERIAL, der.PRINTABLE, b"7")), rdn(attr(O, der.UTF8, b"Org"))),
                                  "O=Org,CN=a+serialNumber=7"),
    "N-06_two_CNs_where_allowed": same(der.seq(rdn(attr(CN, der.UTF8, b"a")), rdn(attr(CN, der.UTF8, b"b"))), "CN=b,CN=a"),
    "N-06_two_CNs_in_an_RDN": same(der.seq(rdn(attr(CN, der.UTF8, b"a"), attr(CN, der.UTF8, b"b"))), "CN=a+CN=b"),
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
ODD_TEXTS = ["'; DROP TABLE certs;--", "%s%n", "$(id)", "`id`", "../../x", "<script>", "<script>alert('x')</script>", "Grüße 木", "a\\b",
             "a\\x00b", "\\u0000", "a,b+c=\"d\";<e>#", "#x", "{a,NULL}", "$1", "E'\\''", "%00", "NULL", "\U0001f600", "\U0010fffd", "\ufffd",
             "*", "**", "a?b", "own", "=1+1"]


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
USERS = {"nul": b"ra\0", "nul_inside": b"r\0a", "not_utf8": b"ra\xff", "cut_utf8": b"ra\xc3", "surrogate": b"\xed\xa0\x80", "overlong": b"\xc0\x80",
         "quote": b"ra'--", "control": b"ra\x1b[2J"}


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


# --- subjectAltNames that are refused: (GeneralName, why); 400 each

def dns_names(row, values):
    return {f"{row}_{key}": (der.tlv(DNS, value), why) for key, (value, why) in values.items()}


def uris(values):
    return {f"N-13_uri_{key}": (der.tlv(URI, value), why) for key, (value, why) in values.items()}


def mails(values):
    return {f"N-13_mail_{key}": (der.tlv(MAIL, value), why) for key, (value, why) in values.items()}


SANS = {
    **dns_names("N-01", {
        "nul_in_a_dns_name": (b"good.example\0.evil", "C strings end there"), "nul_at_the_end": (b"good.example\0", "C strings end there")}),
    **dns_names("N-10", {
        "empty": (b"", "no label"), "dot": (b".", "empty labels"), "leading_dot": (b".a", "empty label"), "trailing_dot": (b"a.", "absolute form"),
        "two_dots": (b"a..b", "empty label"), "leading_hyphen": (b"-a", "LDH"), "trailing_hyphen": (b"a-.example", "LDH"),
        "underscore": (b"a_b", "LDH"), "label_of_64": (b"a" * 64 + b".example", "label too long"),
        "254_characters": (b".".join([b"a" * 63] * 3 + [b"b" * 62]), "name too long"), "blank": (b"a b.example", "LDH"),
        "trailing_blank": (b"a.example ", "LDH"), "NUL": (b"a\0b", "LDH"), "star": (b"*", "a wildcard of everything"),
        "two_stars": (b"*.*", "not the leftmost label alone"), "star_at_the_end": (b"a.*", "not leftmost"),
        "star_in_a_label": (b"*a.b", "not the whole label"), "star_behind_a_letter": (b"a*.b", "not the whole label"),
        "two_wildcards": (b"*.*.b", "not the leftmost label alone"), "IPv4": (b"192.0.2.1", "an address"),
        "IPv6": (b"2001:db8::1", "an address"), "IPv6_in_brackets": (b"[2001:db8::1]", "an address"), "number": (b"3221225985", "an address, too"),
        "port": (b"a.example:443", "more than a name"), "URL": (b"https://a.example/", "more than a name"),
        "path": (b"a.example/x", "more than a name"), "U-label_in_UTF-8": ("m\u00fcnchen.de".encode(), "not an A-label"),
        "U-label_in_Latin-1": (b"m\xfcnchen.de", "not an A-label"), "xn_garbage": (b"xn--99999999.de", "not Punycode"),
        "xn_alone": (b"xn--", "nothing behind it"), "xn_of_ASCII": (b"xn--abc-.de", "nothing to encode"), "CRLF": (b"a.example\r\nb", "LDH")}),
    **dns_names("CP-18", {
        "octet_FF": (b"xn--\xff", "not ASCII"), "not_NFC": (b"xn--e-xbb.de", "e and U+0301"), "singleton": (b"xn--72g.de", "the sign Angstrom"),
        "order_of_marks": (b"xn--a-xbb6h.de", "U+0301 before U+0323"), "upper_case_inside": (b"xn--7ba.de", "not stable under IDNA"),
        "emoji": (b"xn--ls8h.de", "not allowed by IDNA 2008"), "joiner_alone": (b"xn--1ug.de", "joins nothing"),
        "overflow": (b"xn--" + b"9" * 59, "far beyond Unicode"), "in_a_wildcard": (b"*.xn--0", "behind the star, too")}),
    **uris({
        "javascript": (b"javascript:alert(1)", "no host"), "relative": (b"/x/y", "not absolute"), "network_path": (b"//host/x", "no scheme"),
        "word": (b"x", "no scheme"), "empty": (b"", "nothing"), "no_host": (b"http:///x", "no host"), "no_host_at_all": (b"http://", "no host"),
        "userinfo": (b"https://user@host.example/", "user information"), "password": (b"https://u:p@host.example/", "user information"),
        "10_KiB": (b"https://host.example/" + b"x" * 10240, "too long"), "mailto": (b"mailto:a@b.example", "no host"),
        "NUL": (b"https://a.example/\0b", "control character"), "CRLF": (b"https://a.example/\r\nX: y", "control characters"),
        "blank": (b"https://a.example/ b", "not a URI"), "UTF-8": ("https://a.example/\u00fc".encode(), "an IRI"),
        "host_with_underscore": (b"https://a_b.example/", "not a DNS name"), "bad_port": (b"https://a.example:x/", "not a number"),
        "bad_percent": (b"https://a.example/%zz", "not hexadecimal")}),
    **mails({
        "no_at": (b"nobody", "no domain"), "two_ats": (b"a@b@c.example", "two domains"), "CRLF": (b"a@b.example\r\nBcc: c@d.example", "a header"),
        "NUL": (b"a@b.example\0", "control character"), "empty": (b"", "nothing"), "no_local_part": (b"@b.example", "nobody"),
        "no_domain": (b"a@", "nowhere"), "blank": (b"a b@c.example", "not an atom"), "quoted": (b"\"a b\"@c.example", "not taken"),
        "display_name": (b"A <a@b.example>", "more than an address"), "UTF-8": ("\u00fc@b.example".encode(), "SmtpUTF8Mailbox is an otherName"),
        "address_literal": (b"a@[192.0.2.1]", "not a domain"), "local_part_of_65": (b"a" * 65 + b"@b.example", "RFC 5321 4.5.3.1.1")}),
    **{f"N-12_{size}_octets": (der.tlv(IP, bytes(range(1, size + 1))), "neither IPv4 nor IPv6") for size in (0, 3, 5, 8, 32)},
    "N-12_unspecified": (der.tlv(IP, bytes(4)), "nobody's address"),
    "N-12_unspecified_IPv6": (der.tlv(IP, bytes(16)), "nobody's address"),
    "N-12_mapped": (der.tlv(IP, ipaddress.ip_address("::ffff:192.0.2.1").packed), "a second way to write an address of IPv4"),
    "N-13_otherName_nested": (der.tlv(OTHER, der.oid("1.2.3"), der.tlv(0xA0, b"".join(
        [b"\x30\x84" + (6 * (400 - i) + 2).to_bytes(4, "big") for i in range(400)]) + b"\x05\x00")), "nested, and not even DER"),
    "C-09_otherName_without_value": (der.tlv(OTHER, der.oid(UPN)), "malformed"),
    "C-09_dirName_without_name": (der.tlv(DIRECTORY, der.seq()), "empty"),
    "C-09_a_tenth_type": (der.tlv(0x89, b"a"), "there are nine"),
}


@pytest.mark.row("CP-16", "CP-17", "CP-18")
@pytest.mark.parametrize("row", SANS)
def test_subjectAltNames_that_are_refused(site, labels, row):
    general_name, why = SANS[row]
    for label in ("wide", "dropping"):  # leaving it out does not make it right
        check_refused(site, request(None, general_name), label, reasons=("name_invalid", "csr_attribute", "der_invalid"), why=why)


def test_CP_16_an_empty_subjectAltName_is_refused(site, labels):
    extension = der.seq(der.oid("2.5.29.17"), der.tlv(der.OCTET_STRING, der.seq()))
    check_refused(site, raw_csr(KEY, attributes=[raw_attribute(EXTENSION_REQUEST, der.seq(extension))]))


# --- types that no profile can allow: (GeneralName, what the log calls it)

def nested(depth):
    data = der.tlv(der.NULL)
    for _ in range(depth):
        data = der.seq(data)
    return data


NEVER_ISSUED = {
    "C-09_UPN": der.tlv(OTHER, der.oid(UPN), der.tlv(0xA0, der.tlv(der.UTF8, b"admin@ad.example"))),
    "C-09_SmtpUTF8Mailbox": der.tlv(OTHER, der.oid("1.3.6.1.5.5.7.8.9"), der.tlv(0xA0, der.tlv(der.UTF8, "ü@b.example".encode()))),
    "C-09_dirName": der.tlv(DIRECTORY, cn("admin")),
    "C-09_registeredID": der.tlv(RID, b"\x2a\x03\x04"),
    "C-09_x400Address": der.tlv(X400, der.seq()),
    "C-09_ediPartyName": der.tlv(EDI, der.tlv(0xA1, der.tlv(der.UTF8, b"x"))),
    "N-13_otherName_of_30_KiB": der.tlv(OTHER, der.oid("1.2.3"), der.tlv(0xA0, der.tlv(der.OCTET_STRING, bytes(30720)))),
    "N-13_otherName_of_many_parts": der.tlv(OTHER, der.oid("1.2.3"), der.tlv(0xA0, der.seq(*[der.tlv(der.NULL)] * 3000))),
}


@pytest.mark.parametrize("row", NEVER_ISSUED)
def test_types_that_no_profile_can_allow(site, labels, row):
    csr = request(None, der.tlv(DNS, b"a.example"), NEVER_ISSUED[row])
    check_refused(site, csr, "wide")
    assert san_of(check_issued(site, csr, "dropping")) == [der.tlv(DNS, b"a.example")]
    assert san_of(check_issued(site, request(None, NEVER_ISSUED[row]), "dropping")) == []


def test_N_13_otherName_nested_too_deep(site, labels):
    """Depth is bounded before anybody asks what the profile drops"""
    csr = request(None, der.tlv(OTHER, der.oid("1.2.3"), der.tlv(0xA0, nested(2000))))
    for label in ("wide", "dropping"):
        check_refused(site, csr, label, reasons=("name_invalid", "csr_attribute", "der_invalid"))


# --- subjectAltNames that are issued: (asked for, in the certificate, in PostgreSQL)

def unchanged(tag, value, text):
    return [der.tlv(tag, value)], [der.tlv(tag, value)], [text]


ISSUED_SANS = {
    "N-10_uppercase": ([der.tlv(DNS, b"Device.EXAMPLE")], [der.tlv(DNS, b"device.example")], ["dns:device.example"]),
    "N-10_wildcard_where_allowed": unchanged(DNS, b"*.a.example", "dns:*.a.example"),
    "N-10_label_of_63": unchanged(DNS, b"a" * 63 + b".example", "dns:" + "a" * 63 + ".example"),
    "N-10_253_characters": unchanged(DNS, b".".join([b"a" * 63] * 3 + [b"b" * 61]), "dns:" + ".".join(["a" * 63] * 3 + ["b" * 61])),
    "N-10_digits": unchanged(DNS, b"7.4.example", "dns:7.4.example"),
    "CP-18_A-label": unchanged(DNS, b"xn--mnchen-3ya.de", "dns:xn--mnchen-3ya.de"),
    "CP-18_A-labels_of_Cyrillic": unchanged(DNS, b"xn--e1afmkfd.xn--p1ai", "dns:xn--e1afmkfd.xn--p1ai"),
    "CP-18_A-label_of_Tamil": unchanged(DNS, b"xn--xlcm6b.example", "dns:xn--xlcm6b.example"),
    "N-12_IPv4": unchanged(IP, bytes([192, 0, 2, 1]), "ip:192.0.2.1"),
    "N-12_IPv6": unchanged(IP, ipaddress.ip_address("2001:db8::1").packed, "ip:2001:db8::1"),
    "N-13_URI": unchanged(URI, b"spiffe://td.example/ns/a%20b", "uri:spiffe://td.example/ns/a%20b"),
    "N-13_URI_with_an_address": unchanged(URI, b"https://[2001:db8::1]:8443/x", "uri:https://[2001:db8::1]:8443/x"),
    "N-13_mail": unchanged(MAIL, b"a.b+c@mail.example", "email:a.b+c@mail.example"),
    "C-10_repeated_names_once_and_in_order": (
        [der.tlv(DNS, b"b.example"), der.tlv(DNS, b"a.example"), der.tlv(DNS, b"B.example"), der.tlv(IP, bytes([10, 0, 0, 1])),
         der.tlv(DNS, b"a.example"), der.tlv(IP, bytes([10, 0, 0, 1]))],
        [der.tlv(DNS, b"b.example"), der.tlv(DNS, b"a.example"), der.tlv(IP, bytes([10, 0, 0, 1]))],
        ["dns:b.example", "dns:a.example", "ip:10.0.0.1"]),
    "N-14_CN_that_is_in_no_SAN": unchanged(DNS, b"other.example", "dns:other.example"),
}


@pytest.mark.row("CP-16", "CP-17", "CP-18")
@pytest.mark.parametrize("row", ISSUED_SANS)
def test_subjectAltNames_that_are_issued(site, labels, row):
    asked, expected, texts = ISSUED_SANS[row]
    cert = check_issued(site, request(None, *asked))
    assert san_of(cert) == expected
    assert row_of(site, cert)[1] == texts


# --- policy on subjectAltNames that are well formed: (GeneralNames, label, status, reason)

SANS_BY_POLICY = {
    "CP-16_wildcard_where_not_allowed": ([der.tlv(DNS, b"*.example")], "est", 403, "name_refused"),
    "N-10_wildcard_where_not_allowed": ([der.tlv(DNS, b"*.plant.example")], "narrow", 403, "name_refused"),
    "N-12_address_outside_the_network": ([der.tlv(IP, bytes([192, 0, 2, 1]))], "narrow", 403, "name_refused"),
    "C-10_name_outside_the_pattern": ([der.tlv(DNS, b"a.office.example")], "narrow", 403, "name_refused"),
    "C-10_name_of_another_behind_a_good_one": ([der.tlv(DNS, b"a.plant.example"), der.tlv(DNS, b"a.office.example")], "narrow", 403, "name_refused"),
    "C-10_more_than_the_profile_allows": ([der.tlv(DNS, b"%d.plant.example" % i) for i in range(5)], "narrow", 403, "name_refused"),
    "C-10_257_names": ([der.tlv(DNS, b"n%d.example" % i) for i in range(257)], "wide", 400, "name_invalid"),
    "C-10_1000_names": ([der.tlv(DNS, b"n%d.example" % i) for i in range(1000)], "wide", 400, "name_invalid"),
    "C-10_1000_times_one_name": ([der.tlv(DNS, b"a.example")] * 1000, "wide", 400, "name_invalid"),
}


@pytest.mark.parametrize("row", SANS_BY_POLICY)
def test_policy_on_subjectAltNames(site, labels, row):
    names, label, status, reason = SANS_BY_POLICY[row]
    check_refused(site, request(cn("a.plant.example"), *names), label, status, (reason,))


def test_C_10_as_many_names_as_can_be(site, labels):
    names = [der.tlv(DNS, b"n%d.example" % i) for i in range(256)]
    cert = check_issued(site, request(None, *names))
    assert san_of(cert) == names
    assert row_of(site, cert)[1] == [f"dns:n{i}.example" for i in range(256)]


@pytest.mark.parametrize("subject, san, status", [
    ("CN=own.example", [dns("own.example")], 200), ("CN=own.example", [dns("other.example")], 403),
    ("CN=other.example", [dns("own.example")], 403), ("CN=192.0.2.9", [], 403)])
def test_N_14_C_10_a_client_for_its_own_name(site, subject, san, status):
    """CN and SAN are names alike: neither vouches for the other"""
    user = site.register("own.example") if not site.db.value("SELECT count(*) FROM client WHERE user_name = 'own.example'") else "own.example"
    with site.client(user) as client:
        answer = client.enroll(make_csr(make_key(), subject, san))
    assert answer.status == status, answer.text
    assert status == 200 or answer.reason == "name_not_yours"


# --- subject and subjectAltName together

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
    ("dropping", der.seq(), [NEVER_ISSUED["C-09_UPN"]], "nothing is left of the subjectAltName"),
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
    old: Identity = site.pki.issuing.issue(f"CN=holder {row}", san=[value])
    with site.client(identity=old) as client:
        assert client.enroll(make_csr(make_key(), f"CN=holder {row}"), taking).status == 200
        answer = client.reenroll(make_csr(make_key(), f"CN=holder {row}", [value]), taking)
    assert (answer.status, answer.reason) == (400, "name_invalid")
