# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Each check of harness.lint finds what it is for, in a certificate written for it, and nothing in good ones."""

import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from harness import der
from harness.lint import LINTS, findings
from harness.pki import EXTENSION_REQUEST, CertificateAuthority, days, dns, make_key, now, raw_name, shared_key, sign, spki_of

CN, C = "2.5.4.3", "2.5.4.6"
KP, PE = "1.3.6.1.5.5.7.3.", "1.3.6.1.5.5.7.1."
UTC, GENERALIZED = 0x17, 0x18
CA, KEY = CertificateAuthority("O=Test,CN=Lint CA"), make_key()
CA_SKI = hashlib.sha1(spki_of(CA.key)[-65:]).digest()
OPTIONAL_TRUE = der.tlv(der.BOOLEAN, b"\xff")
EC_OID = der.oid("1.2.840.10045.2.1")


def extension(oid, value, critical=b""):
    return der.seq(der.oid(oid), critical, der.tlv(der.OCTET_STRING, value))


def time(text):
    return der.tlv(UTC if len(text) == 13 else GENERALIZED, text.encode())


def day(offset):
    """A day of the CA's time: it begins two days ago and lasts ten years"""
    return (now() + days(offset)).strftime("%y%m%d%H%M%SZ")


def san(*names, critical=b""):
    return extension("2.5.29.17", der.seq(*[der.tlv(0x80 | tag, body) for tag, body in names]), critical)


def usage(octets, critical=OPTIONAL_TRUE):
    return extension("2.5.29.15", der.tlv(der.BIT_STRING, octets), critical)


def purposes(*oids, critical=b""):
    return extension("2.5.29.37", der.seq(*map(der.oid, oids)), critical)


def certificate(key=KEY, signer=CA.key, version=None, serial=None, algorithm=None, outer=None, issuer=None, start=None, end=None,
                subject=None, spki=None, unique=b"", without=(), extensions=(), extension_list=None, signature=None):
    """A good certificate but for what is given."""
    spki = spki or spki_of(key)
    bits = der.children(spki)[1]
    identifier = hashlib.sha1(bits[der.head(bits)[0] + 1:]).digest()
    own = {"ski": extension("2.5.29.14", der.tlv(der.OCTET_STRING, identifier)),
           "aki": extension("2.5.29.35", der.seq(der.tlv(0x80, CA_SKI))), "usage": usage(b"\x07\x80"), "purposes": purposes(KP + "2")}
    listed = [value for name, value in own.items() if name not in without] + list(extensions)
    inner = algorithm or sign(signer, b"")[0]
    tbs = der.seq(
        der.tlv(0xA0, der.integer(2)) if version is None else version, serial or der.integer(1 << 150), inner,
        issuer or CA.cert.subject.public_bytes(), der.seq(time(start or day(-1)), time(end or day(30))),
        raw_name((CN, der.UTF8, b"device")) if subject is None else subject, spki, unique,
        der.tlv(0xA3, der.seq(*listed)) if extension_list is None else extension_list)
    return der.seq(tbs, outer or inner, der.bit_string(sign(signer, tbs)[1]) if signature is None else signature)


def without(name, *extensions, **more):
    return dict(without=(name,), extensions=extensions, **more)


def subject(oid, tag, value):
    return dict(subject=raw_name((CN, der.UTF8, b"device"), (oid, tag, value)))


def named(tag, body):
    return dict(extensions=[san((tag, body))])


def ec_spki(parameters, point):
    return der.seq(der.seq(EC_OID, parameters), der.bit_string(point))


P256, POINT = der.oid("1.2.840.10045.3.1.7"), spki_of(KEY)[-65:]
RSA = shared_key("rsa:2048")
RSA_NUMBERS = der.children(spki_of(RSA))[1]
BC, POLICIES, CRLDP, AIA = "2.5.29.19", "2.5.29.32", "2.5.29.31", PE + "1"
CRL = der.seq(der.seq(der.tlv(0xA0, der.tlv(0xA0, der.tlv(0x86, b"http://crl.example/a")))))
POLICY = der.seq(der.oid("1.2.3.4"))
PAIR = der.seq(der.oid(CN), der.tlv(der.UTF8, b"a")), der.seq(der.oid("2.5.4.11"), der.tlv(der.UTF8, b"a"))

# (the check, what is wrong with the certificate, why)
BAD = {
    "CP-01_version_1": ("version_is_3", dict(version=b""), "extensions need version 3"),
    "CP-01_version_2": ("version_is_3", dict(version=der.tlv(0xA0, der.integer(1))), "extensions need version 3"),
    "CP-01_version_default": ("structure_is_der", dict(version=der.tlv(0xA0, der.integer(0))), "a default is not encoded"),
    "CP-01_serial_negative": ("serial_is_positive_and_short", dict(serial=der.integer(-(1 << 100))), "4.1.2.2"),
    "CP-01_serial_zero": ("serial_is_positive_and_short", dict(serial=der.integer(0)), "4.1.2.2"),
    "CP-01_serial_padded": ("serial_is_positive_and_short", dict(serial=der.tlv(der.INTEGER, b"\0\x01" + b"1" * 15)), "not minimal"),
    "CP-01_serial_long": ("serial_is_positive_and_short", dict(serial=der.integer(1 << 159)), "21 octets with the sign"),
    "CP-02_serial_counted": ("serial_has_entropy", dict(serial=der.integer(4711)), "at most 64 bits"),
    "CP-03_utc_without_seconds": ("times_are_in_the_right_form", dict(end=day(30)[:10] + "Z"), "seconds are always there"),
    "CP-03_utc_offset": ("times_are_in_the_right_form", dict(end=day(30)[:12] + "+0000"), "always Z"),
    "CP-03_generalized_before_2050": ("times_are_in_the_right_form", dict(end="20" + day(30)), "UTCTime until 2049"),
    "CP-03_fraction": ("times_are_in_the_right_form", dict(end="20500101000000.5Z"), "no fractions"),
    "CP-03_no_day": ("times_are_in_the_right_form", dict(end="270230000000Z"), "February has no 30th"),
    "CP-04_backwards": ("validity_is_positive", dict(start=day(2), end=day(1)), "ends before it begins"),
    "CP-04_before_its_ca": ("validity_is_within_the_issuers", dict(start=day(-3)), "the CA was not valid"),
    "CP-04_beyond_its_ca": ("validity_is_within_the_issuers", dict(end="20500101000000Z"), "the CA has ended"),
    "CP-05_two_algorithms": ("signature_algorithms_are_equal", dict(outer=der.seq(der.oid("1.2.840.10045.4.3.3"))), "4.1.1.2"),
    "CP-05_ecdsa_with_null": ("signature_algorithm_has_its_parameters",
                              dict(algorithm=der.seq(der.oid("1.2.840.10045.4.3.2"), der.tlv(der.NULL))), "RFC 5758: absent"),
    "CP-05_rsa_without_null": ("signature_algorithm_has_its_parameters", dict(algorithm=der.seq(der.oid("1.2.840.113549.1.1.11"))),
                               "RFC 4055: NULL"),
    "CP-05_signature_no_pair": ("signature_is_encoded", dict(signature=der.bit_string(der.seq(der.integer(5)))), "r and s"),
    "CP-05_signature_negative": ("signature_is_encoded", dict(signature=der.bit_string(der.seq(der.integer(5), der.integer(-5)))),
                                 "r and s"),
    "CP-05_signature_unused_bits": ("signature_is_encoded", dict(signature=der.bit_string(b"\x30\x00", 4)), "whole octets"),
    "CP-06_rsa_without_null": ("key_is_canonical", dict(spki=der.seq(der.seq(der.oid("1.2.840.113549.1.1.1")), RSA_NUMBERS)), "RFC 3279"),
    "CP-06_rsa_negative": ("key_is_canonical", dict(spki=der.seq(der.seq(der.oid("1.2.840.113549.1.1.1"), der.tlv(der.NULL)),
                           der.bit_string(der.seq(der.integer(-(1 << 2047)), der.integer(65537))))), "a sign that is not ignored"),
    "CP-06_ec_compressed": ("key_is_canonical", dict(spki=ec_spki(P256, b"\x02" + POINT[1:33])), "RFC 5480 2.2"),
    "CP-06_ec_other_curve": ("key_is_canonical", dict(spki=ec_spki(der.oid("1.3.132.0.10"), POINT)), "secp256k1"),
    "CP-06_ec_explicit": ("key_is_canonical", dict(spki=ec_spki(der.seq(der.integer(1)), POINT)), "named curves alone"),
    "CP-06_ed25519_with_null": ("key_is_canonical", dict(spki=der.seq(der.seq(der.oid("1.3.101.112"), der.tlv(der.NULL)),
                                der.bit_string(b"1" * 32))), "RFC 8410 3"),
    "CP-06_x25519": ("key_is_canonical", dict(spki=der.seq(der.seq(der.oid("1.3.101.110")), der.bit_string(b"1" * 32))), "cannot sign"),
    "CP-07_no_aki": ("aki_is_the_issuers_ski", without("aki"), "4.2.1.1"),
    "CP-07_other_aki": ("aki_is_the_issuers_ski", without("aki", extension("2.5.29.35", der.seq(der.tlv(0x80, b"1" * 20)))), "another's"),
    "CP-07_aki_critical": ("aki_is_the_issuers_ski",
                           without("aki", extension("2.5.29.35", der.seq(der.tlv(0x80, CA_SKI)), OPTIONAL_TRUE)), "MUST NOT"),
    "CP-07_aki_without_identifier": ("aki_is_the_issuers_ski", without("aki", extension("2.5.29.35", der.seq())), "no keyIdentifier"),
    "CP-08_no_ski": ("ski_is_the_keys", without("ski"), "4.2.1.2"),
    "CP-08_other_ski": ("ski_is_the_keys", without("ski", extension("2.5.29.14", der.tlv(der.OCTET_STRING, b"1" * 20))), "client's choice"),
    "CP-08_ski_critical": ("ski_is_the_keys", without("ski", extension("2.5.29.14", der.tlv(der.OCTET_STRING, b"1" * 20), OPTIONAL_TRUE)),
                           "MUST NOT"),
    "CP-09_no_usage": ("key_usage_is_critical_and_says_something", without("usage"), "anything goes"),
    "CP-09_usage_not_critical": ("key_usage_is_critical_and_says_something", without("usage", usage(b"\x07\x80", b"")), "4.2.1.3"),
    "CP-09_usage_without_bits": ("key_usage_is_critical_and_says_something", without("usage", usage(b"\0")), "at least one"),
    "CP-09_usage_not_minimal": ("key_usage_is_minimal", without("usage", usage(b"\x00\x80")), "X.690 11.2.2"),
    "CP-09_usage_unused_bits_set": ("key_usage_is_minimal", without("usage", usage(b"\x07\xc0")), "X.690 11.2.1"),
    "CP-09_usage_two_octets": ("key_usage_is_minimal", without("usage", usage(b"\x07\x80\x00")), "X.690 11.2.2"),
    "CP-09_keyCertSign": ("key_usage_of_an_end_entity", without("usage", usage(b"\x02\x84")), "the power of a CA"),
    "CP-09_cRLSign": ("key_usage_of_an_end_entity", without("usage", usage(b"\x01\x82")), "the power of a CA"),
    "CP-10_ec_keyEncipherment": ("key_usage_fits_the_key", without("usage", usage(b"\x05\xa0")), "RFC 8813 3"),
    "CP-10_rsa_keyAgreement": ("key_usage_fits_the_key", without("usage", usage(b"\x03\x88"), key=RSA), "RFC 3279 2.3.1"),
    "CP-10_ed25519_keyAgreement": ("key_usage_fits_the_key", without("usage", usage(b"\x03\x88"), key=make_key("ed25519")), "RFC 8410 5"),
    "CP-10_encipherOnly_alone": ("key_usage_fits_the_key", without("usage", usage(b"\x00\x81")), "only beside keyAgreement"),
    "CP-11_serverAuth": ("key_usage_goes_with_each_purpose", without("usage", usage(b"\x06\x40"), purposes(KP + "1")), "4.2.1.12"),
    "CP-11_codeSigning": ("key_usage_goes_with_each_purpose",
                          dict(without=("usage", "purposes"), extensions=[usage(b"\x03\x08"), purposes(KP + "3")]), "4.2.1.12"),
    "CP-11_clientAuth": ("key_usage_goes_with_each_purpose", without("usage", usage(b"\x05\x20"), key=RSA), "4.2.1.12"),
    "CP-12_cmcRA": ("purposes_are_not_powers", without("purposes", purposes(KP + "2", KP + "28")), "makes a registration authority"),
    "CP-12_cmcCA": ("purposes_are_not_powers", without("purposes", purposes(KP + "27")), "speaks for the CA"),
    "CP-12_OCSPSigning": ("purposes_are_not_powers", without("purposes", purposes(KP + "9")), "speaks for the CA"),
    "CP-12_timeStamping": ("purposes_are_not_powers", without("purposes", purposes(KP + "8")), "speaks for a service"),
    "CP-12_any_critical": ("purposes_are_not_powers", without("purposes", purposes("2.5.29.37.0", critical=OPTIONAL_TRUE)), "4.2.1.12"),
    "CP-12_none": ("purposes_are_not_powers", without("purposes", purposes()), "SIZE (1..MAX)"),
    "CP-12_twice": ("purposes_are_not_powers", without("purposes", purposes(KP + "2", KP + "2")), "once is enough"),
    "CP-13_ca": ("basic_constraints_are_empty", dict(extensions=[extension(BC, der.seq(OPTIONAL_TRUE))]), "a CA"),
    "CP-13_false": ("basic_constraints_are_empty", dict(extensions=[extension(BC, der.seq(der.tlv(der.BOOLEAN, b"\0")))]), "a default"),
    "CP-13_path_length": ("basic_constraints_are_empty", dict(extensions=[extension(BC, der.seq(der.integer(0)))]), "for CAs"),
    "CP-14_twice": ("no_extension_twice", dict(extensions=[usage(b"\x07\x80")]), "4.2"),
    "CP-14_no_extensions": ("extensions_are_written_as_der", dict(extension_list=der.tlv(0xA3, der.seq())), "SIZE (1..MAX)"),
    "CP-14_critical_false": ("extensions_are_written_as_der", without("usage", usage(b"\x07\x80", der.tlv(der.BOOLEAN, b"\0"))),
                             "a default is not encoded"),
    "CP-14_critical_true_as_1": ("extensions_are_written_as_der", without("usage", usage(b"\x07\x80", der.tlv(der.BOOLEAN, b"\1"))),
                                 "X.690 11.1"),
    "CP-14_value_of_another_type": ("extensions_are_written_as_der", dict(extensions=[extension(BC, der.integer(5))]), "its OID says"),
    "CP-14_value_and_more": ("extensions_are_written_as_der", dict(extensions=[extension(BC, der.seq() + der.tlv(der.NULL))]), "one value"),
    "CP-15_nameless": ("san_is_critical_without_subject_alone", dict(subject=der.seq()), "nobody"),
    "CP-15_not_critical": ("san_is_critical_without_subject_alone", dict(subject=der.seq(), **named(2, b"a.example")), "4.1.2.6"),
    "CP-15_critical": ("san_is_critical_without_subject_alone",
                       dict(extensions=[san((2, b"a.example"), critical=OPTIONAL_TRUE)]), "4.2.1.6"),
    "CP-16_no_names": ("san_is_not_empty", dict(extensions=[san()]), "SIZE (1..MAX)"),
    "CP-16_empty_name": ("san_is_not_empty", named(2, b""), "4.2.1.6"),
    **{f"CP-16_dns_{number}": ("dns_names_are_well_formed", named(2, body), "RFC 1034 3.5") for number, body in enumerate(
        [b".a", b"a.", b"a..b", b"-a.b", b"a-.b", b"a_b", b"a b", b"a\0b", b"*", b"a.*", b"*a.b", b"*.*.b", b"a" * 64, b"\xfc.de",
         b".".join([b"a" * 49] * 6)])},
    **{f"CP-17_{number}": ("addresses_uris_and_mailboxes", named(*name), "4.2.1.6") for number, name in enumerate(
        [(7, b"12345"), (7, b"12345678"), (7, b""), (6, b"/relative"), (6, b"//host/x"), (6, b"urn:x:y"), (6, b"http://a..b/"),
         (6, b"http:///x"), (6, b"http://\xfc.de/"), (1, b"nobody"), (1, b"a@b@c"), (1, b"a@b\r\n"), (1, b"@b"), (1, b"A <a@b.example>")])},
    **{f"CP-18_{number}": ("international_labels_are_valid", named(2, body), "RFC 5890 2.3.2.1") for number, body in enumerate(
        [b"xn--\xff", b"xn--a.example", b"xn--", b"xn--99999999.example", b"xn--abc-.example"])},
    "CP-19_country_of_three": ("attributes_keep_their_bounds", subject(C, der.PRINTABLE, b"USA"), "two letters"),
    "CP-19_country_lower_case": ("attributes_keep_their_bounds", subject(C, der.PRINTABLE, b"us"), "ISO 3166"),
    "CP-19_long_cn": ("attributes_keep_their_bounds", subject(CN, der.UTF8, b"a" * 65), "ub-common-name"),
    "CP-19_long_locality": ("attributes_keep_their_bounds", subject("2.5.4.7", der.UTF8, b"a" * 129), "ub-locality-name"),
    "CP-19_country_utf8": ("attributes_keep_their_types", subject(C, der.UTF8, b"US"), "PrintableString"),
    "CP-19_serial_utf8": ("attributes_keep_their_types", subject("2.5.4.5", der.UTF8, b"12"), "PrintableString"),
    "CP-19_email_utf8": ("attributes_keep_their_types", subject("1.2.840.113549.1.9.1", der.UTF8, b"a@b"), "IA5String"),
    "CP-20_bmp": ("strings_are_utf8_or_printable", subject(CN, der.BMP, b"\0a"), "4.1.2.4"),
    "CP-20_t61": ("strings_are_utf8_or_printable", subject(CN, der.T61, b"a"), "4.1.2.4"),
    "CP-20_printable_with_at": ("strings_hold_their_characters", subject(CN, der.PRINTABLE, b"a@b"), "X.680 41.4"),
    "CP-20_empty": ("strings_hold_their_characters", subject(CN, der.UTF8, b""), "SIZE (1..MAX)"),
    "CP-20_bad_utf8": ("strings_hold_their_characters", subject(CN, der.UTF8, b"\xff"), "RFC 3629"),
    "CP-20_override": ("strings_hold_their_characters", subject(CN, der.UTF8, "a\u202eb".encode()), "not what it looks like"),
    "CP-20_email_not_ascii": ("strings_hold_their_characters", subject("1.2.840.113549.1.9.1", der.IA5, b"\xfc@b"), "IA5String"),
    "CP-21_email_in_dn_alone": ("mail_address_of_the_subject_is_in_the_san", subject("1.2.840.113549.1.9.1", der.IA5, b"a@b.example"),
                                "4.1.2.6"),
    "CP-22_empty_rdn": ("relative_names_are_sets", dict(subject=der.seq(der.tlv(der.SET))), "SIZE (1..MAX)"),
    "CP-22_unsorted_rdn": ("relative_names_are_sets", dict(subject=der.seq(der.tlv(der.SET, *sorted(PAIR, reverse=True)))), "X.690 11.6"),
    "CP-22_type_twice": ("relative_names_are_sets", dict(subject=der.seq(der.tlv(der.SET, PAIR[0], PAIR[0]))), "X.501 9.3"),
    "CP-23_other_string_type": ("issuer_is_the_cas_subject", dict(issuer=raw_name(("2.5.4.10", der.PRINTABLE, b"Test"),
                                (CN, der.PRINTABLE, b"Lint CA"))), "compared octet by octet by many"),
    "CP-24_crldp_critical": ("pointers_are_not_critical", dict(extensions=[extension(CRLDP, CRL, OPTIONAL_TRUE)]), "4.2.1.13"),
    "CP-24_aia_critical": ("pointers_are_not_critical", dict(extensions=[extension(AIA, CRL, OPTIONAL_TRUE)]), "4.2.2.1"),
    "CP-24_crldp_ldap": ("pointers_are_http", dict(extensions=[extension(CRLDP, CRL.replace(b"http", b"ldap"))]), "nobody reads it"),
    "CP-24_crldp_empty": ("pointers_are_http", dict(extensions=[extension(CRLDP, der.seq(der.seq()))]), "points nowhere"),
    "CP-24_policy_twice": ("policies_are_given_once", dict(extensions=[extension(POLICIES, der.seq(POLICY, POLICY))]), "4.2.1.4"),
    "CP-24_no_policy": ("policies_are_given_once", dict(extensions=[extension(POLICIES, der.seq())]), "SIZE (1..MAX)"),
    "CP-25_poison": ("no_poison", dict(extensions=[extension("1.3.6.1.4.1.11129.2.4.3", der.tlv(der.NULL), OPTIONAL_TRUE)]), "RFC 6962"),
    "CP-25_proprietary": ("no_proprietary_extension", dict(extensions=[extension("1.3.6.1.4.1.311.20.2", der.tlv(der.BMP, b"\0a"))]),
                          "copied from the request"),
    "CP-25_extension_request": ("no_proprietary_extension", dict(extensions=[extension(EXTENSION_REQUEST, der.seq())]), "is an attribute"),
    "CP-25_unique_identifier": ("no_unique_identifiers", dict(unique=der.tlv(0x82, b"\0x")), "4.1.2.8"),
    "CP-26_sha1": ("hash_is_sha256_at_least", dict(algorithm=der.seq(der.oid("1.2.840.10045.4.1"))), "broken"),
    "CP-26_other_signer": ("signature_verifies", dict(signer=KEY), "not the CA"),
    "CP-26_other_kind_of_signer": ("signature_verifies", dict(signer=RSA), "not the CA"),
}


@pytest.mark.parametrize("row", BAD)
def test_a_bad_certificate_is_found(row):
    check, changes, why = BAD[row]
    found = findings(certificate(**changes), CA.der())
    assert any(line.startswith(f"{row[:5]} {check}: ") for line in found), (why, found)


@pytest.mark.parametrize("what, ca", {"no_ca": {"ca": False}, "no_keyCertSign": {"sign_certs": False}}.items())
def test_CP_26_an_issuer_that_may_not_sign_is_found(what, ca):
    issuer = CertificateAuthority("CN=No CA", **ca)
    found = findings(issuer.issue().cert.public_bytes(Encoding.DER), issuer.der())
    assert [line.split(":")[0] for line in found] == ["CP-26 issuer_may_sign"], what


def test_every_check_has_a_certificate_that_it_finds():
    names = [name for _, name, _ in LINTS]
    assert len(set(names)) == len(names)
    assert set(names) == {check for check, _, _ in BAD.values()} | {"issuer_may_sign"}


@pytest.mark.parametrize("octets", [b"", b"\x30\x00", b"\x30\x80\x00\x00", certificate()[:-1], certificate() + b"\0"])
def test_CP_01_what_is_no_certificate_is_found(octets):
    assert findings(octets, CA.der())


# What is good although it is unusual
GOOD = {
    "plain": {}, "rsa": dict(key=RSA), "ed25519": dict(key=make_key("ed25519")), "P-521": dict(key=make_key("ec:P-521")),
    "serial_of_20_octets": dict(serial=der.integer((1 << 158) + 1)),
    "nameless": dict(subject=der.seq(), extensions=[san((2, b"a.example"), critical=OPTIONAL_TRUE)]),
    "all_names": dict(extensions=[san((2, b"*.a.example"), (2, b"xn--mnchen-3ya.de"), (7, b"\x0a\0\0\1"), (7, b"1" * 16),
                                      (6, b"https://a.example:8443/x?y"), (6, b"http://[2001:db8::1]/"), (1, b"a+b@a.example"))]),
    "email": dict(subject=raw_name(("1.2.840.113549.1.9.1", der.IA5, b"a@b.example")), extensions=[san((1, b"a@b.example"))]),
    "multi_valued_rdn": dict(subject=der.seq(der.set_of(*PAIR))),
    "constraints": dict(extensions=[extension(BC, der.seq(), OPTIONAL_TRUE)]),
    "pointers": dict(extensions=[extension(CRLDP, CRL), extension(POLICIES, der.seq(POLICY))]),
    "decipherOnly": without("usage", usage(b"\x07\x08\x80")),
}


@pytest.mark.parametrize("row", GOOD)
def test_a_good_certificate_has_no_findings(row):
    assert findings(certificate(**GOOD[row]), CA.der()) == []


def test_certificates_of_another_maker_have_no_findings():
    made = CA.issue("CN=a,O=b", san=[dns("a.example")]).cert
    assert findings(made.public_bytes(Encoding.DER), CA.der()) == []


def test_the_certificates_of_a_site_are_checked_at_its_end(site, monkeypatch):
    site.holder("CN=checked")
    assert site.lint() == []
    monkeypatch.setattr(site.httpd, "authorities", [site.pki.foreign.der()])
    found = site.lint()
    assert any("CP-26 signature_verifies" in line for line in found), found
