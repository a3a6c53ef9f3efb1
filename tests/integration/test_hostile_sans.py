# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
subjectAltNames in requests, written octet by octet: docs/conformance.md, rows N, and those of C and CP that are about them.

As in test_hostile_names.py: what is refused leaves nothing behind, what is issued is the same in certificate and PostgreSQL.
"""

import ipaddress

import pytest

from harness import der
from harness.names import (DIRECTORY, DNS, EDI, IP, KEY, MAIL, OTHER, RID, UPN, URI, X400, check_issued, check_refused, cn,
                           make_aliases, request, row_of, san_of)
from harness.pki import EXTENSION_REQUEST, raw_attribute, raw_csr


@pytest.fixture(scope="module")
def labels(site):
    make_aliases(site)


# --- subjectAltNames that are refused: (GeneralName, why); 400 each

def dns_names(row, values):
    return {f"{row}_{key}": (der.tlv(DNS, value), why) for key, (value, why) in values.items()}


def uris(values):
    return {f"N-13_uri_{key}": (der.tlv(URI, value), why) for key, (value, why) in values.items()}


def mails(values):
    return {f"N-13_mail_{key}": (der.tlv(MAIL, value), why) for key, (value, why) in values.items()}


SANS = {
    **dns_names("N-01", {
        "nul_in_a_dns_name": (b"good.example\0.evil", "C strings end there"),
        "nul_at_the_end": (b"good.example\0", "C strings end there")}),
    **dns_names("N-10", {
        "empty": (b"", "no label"),
        "dot": (b".", "empty labels"),
        "leading_dot": (b".a", "empty label"),
        "trailing_dot": (b"a.", "absolute form"),
        "two_dots": (b"a..b", "empty label"),
        "leading_hyphen": (b"-a", "LDH"),
        "trailing_hyphen": (b"a-.example", "LDH"),
        "underscore": (b"a_b", "LDH"),
        "label_of_64": (b"a" * 64 + b".example", "label too long"),
        "254_characters": (b".".join([b"a" * 63] * 3 + [b"b" * 62]),
        "name too long"),
        "blank": (b"a b.example", "LDH"),
        "trailing_blank": (b"a.example ", "LDH"),
        "NUL": (b"a\0b", "LDH"),
        "star": (b"*", "a wildcard of everything"),
        "two_stars": (b"*.*", "not the leftmost label alone"),
        "star_at_the_end": (b"a.*", "not leftmost"),
        "star_in_a_label": (b"*a.b", "not the whole label"),
        "star_behind_a_letter": (b"a*.b", "not the whole label"),
        "two_wildcards": (b"*.*.b", "not the leftmost label alone"),
        "IPv4": (b"192.0.2.1", "an address"),
        "IPv6": (b"2001:db8::1", "an address"),
        "IPv6_in_brackets": (b"[2001:db8::1]", "an address"),
        "number": (b"3221225985", "an address, too"),
        "port": (b"a.example:443", "more than a name"),
        "URL": (b"https://a.example/", "more than a name"),
        "path": (b"a.example/x", "more than a name"),
        "U-label_in_UTF-8": ("m\u00fcnchen.de".encode(),
        "not an A-label"),
        "U-label_in_Latin-1": (b"m\xfcnchen.de", "not an A-label"),
        "xn_garbage": (b"xn--99999999.de", "not Punycode"),
        "xn_alone": (b"xn--", "nothing behind it"),
        "xn_of_ASCII": (b"xn--abc-.de", "nothing to encode"),
        "CRLF": (b"a.example\r\nb", "LDH")}),
    **dns_names("CP-18", {
        "octet_FF": (b"xn--\xff", "not ASCII"),
        "not_NFC": (b"xn--e-xbb.de", "e and U+0301"),
        "singleton": (b"xn--72g.de", "the sign Angstrom"),
        "order_of_marks": (b"xn--a-xbb6h.de", "U+0301 before U+0323"),
        "upper_case_inside": (b"xn--7ba.de", "not stable under IDNA"),
        "emoji": (b"xn--ls8h.de", "not allowed by IDNA 2008"),
        "joiner_alone": (b"xn--1ug.de", "joins nothing"),
        "overflow": (b"xn--" + b"9" * 59, "far beyond Unicode"),
        "in_a_wildcard": (b"*.xn--0", "behind the star, too")}),
    **uris({
        "javascript": (b"javascript:alert(1)", "no host"),
        "relative": (b"/x/y", "not absolute"),
        "network_path": (b"//host/x", "no scheme"),
        "word": (b"x", "no scheme"),
        "empty": (b"", "nothing"),
        "no_host": (b"http:///x", "no host"),
        "no_host_at_all": (b"http://", "no host"),
        "userinfo": (b"https://user@host.example/", "user information"),
        "password": (b"https://u:p@host.example/", "user information"),
        "10_KiB": (b"https://host.example/" + b"x" * 10240, "too long"),
        "mailto": (b"mailto:a@b.example", "no host"),
        "NUL": (b"https://a.example/\0b", "control character"),
        "CRLF": (b"https://a.example/\r\nX: y", "control characters"),
        "blank": (b"https://a.example/ b", "not a URI"),
        "UTF-8": ("https://a.example/\u00fc".encode(),
        "an IRI"),
        "host_with_underscore": (b"https://a_b.example/", "not a DNS name"),
        "bad_port": (b"https://a.example:x/", "not a number"),
        "bad_percent": (b"https://a.example/%zz", "not hexadecimal")}),
    **mails({
        "no_at": (b"nobody", "no domain"),
        "two_ats": (b"a@b@c.example", "two domains"),
        "CRLF": (b"a@b.example\r\nBcc: c@d.example", "a header"),
        "NUL": (b"a@b.example\0", "control character"),
        "empty": (b"", "nothing"),
        "no_local_part": (b"@b.example", "nobody"),
        "no_domain": (b"a@", "nowhere"),
        "blank": (b"a b@c.example", "not an atom"),
        "quoted": (b"\"a b\"@c.example", "not taken"),
        "display_name": (b"A <a@b.example>", "more than an address"),
        "UTF-8": ("\u00fc@b.example".encode(),
        "SmtpUTF8Mailbox is an otherName"),
        "address_literal": (b"a@[192.0.2.1]", "not a domain"),
        "local_part_of_65": (b"a" * 65 + b"@b.example", "RFC 5321 4.5.3.1.1")}),
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
    csr = request(None, der.tlv(OTHER, der.oid("1.2.3"), der.tlv(0xA0, der.nested(2000, inside=der.tlv(der.NULL)))))
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
    "C-10_name_of_another_behind_a_good_one": (
        [der.tlv(DNS, b"a.plant.example"), der.tlv(DNS, b"a.office.example")], "narrow", 403, "name_refused"),
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
