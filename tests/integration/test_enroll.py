# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Simple enrolment, RFC 7030 4.2.1, and what is in the certificates."""

import datetime
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from harness import der
from harness.client import ENROLLED, b64, curl
from harness.cms import check_certs_only
from harness.lint import lint
from harness.pki import (CLIENT_AUTH, CMC_RA, SERVER_AUTH, dns, key_usage, make_csr, make_key, name, raw_attribute, raw_csr, shared_key,
                         spki_of)

UNKNOWN = x509.ObjectIdentifier("1.3.6.1.4.1.55555.1")


def enroll(site, csr, label=None):
    with site.ra() as client:
        return client.enroll(csr, label)


def issued(site, csr, label=None, **lint_more):
    cert = enroll(site, csr, label).cert()
    lint(cert, site.pki.issuing.cert, **lint_more)
    return cert


def test_EN_01_EN_02_answer_is_certs_only_with_the_certificate_alone(site):
    key = make_key()
    answer = enroll(site, make_csr(key, "CN=a,O=b"))
    assert answer.status == 200
    assert answer.header("Content-Type") == ENROLLED
    assert answer.header("Content-Transfer-Encoding") == "base64"
    assert answer.header("Cache-Control") == "no-store"
    assert int(answer.header("Content-Length")) == len(answer.body)
    assert answer.header("Transfer-Encoding") is None
    assert len(check_certs_only(answer.der())) == 1
    cert = answer.cert()
    lint(cert, site.pki.issuing.cert)
    assert cert.subject == name("CN=a,O=b")
    assert cert.public_key().public_numbers() == key.public_key().public_numbers()


def test_EN_03_flipped_bit_is_refused(site):
    csr = bytearray(make_csr(make_key()))
    csr[-1] ^= 1
    before = site.counts()
    answer = enroll(site, bytes(csr))
    assert (answer.status, answer.reason) == (400, "csr_signature")
    assert site.counts() == before


def test_C_16_the_key_of_the_ca_is_nobodys_else(site):
    before = site.counts()
    answer = enroll(site, make_csr(site.pki.issuing.key, "CN=device-1"))
    assert (answer.status, answer.reason) == (400, "key_reserved")
    assert site.counts() == before


def test_EN_14_the_row_says_what_was_issued(site):
    key = make_key()
    cert = issued(site, make_csr(key, "CN=recorded", san=[dns("a.example"), dns("b.example")]))
    row = site.db.rows("SELECT c.subject, c.san, c.status, c.der = %s, c.not_before, c.not_after, c.alias, n.operation, n.identity_kind,"
                       " n.identity, e.name FROM certificate c JOIN enrollment n ON n.certificate_id = c.id"
                       " JOIN end_entity e ON e.id = c.entity_id WHERE c.serial = est.serial_parse(%s)",
                       cert.public_bytes(Encoding.DER), format(cert.serial_number, "x"), user="postgres")
    utc = datetime.timezone.utc
    assert row == [("CN=recorded", ["dns:a.example", "dns:b.example"], "valid", True, cert.not_valid_before.replace(tzinfo=utc),
                    cert.not_valid_after.replace(tzinfo=utc), "est", "simpleenroll", "user", site.user, "recorded")]


def test_CP_extensions_are_those_of_the_profiles_rows(site):
    cert = issued(site, make_csr(make_key()))
    assert {extension.oid for extension in cert.extensions} == {
        ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE, ExtensionOID.SUBJECT_KEY_IDENTIFIER, ExtensionOID.AUTHORITY_KEY_IDENTIFIER}
    usage = cert.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value == key_usage(digital_signature=True)
    assert list(cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [CLIENT_AUTH]


@pytest.mark.row("CP-12", "CP-24", "CP-25")
def test_CP_all_kinds_of_extension_rows(site):
    # One transaction: a section has to have its rows when it is committed
    with site.db.connection().transaction():
        site.db.execute("INSERT INTO certificate_profile (name, backdate, validity) VALUES ('rich', '1 hour', '10 days')")
        profile = site.profile_id("rich")
        site.db.execute("INSERT INTO profile_subject_rule (profile_id, attribute) VALUES (%s, 'CN')", profile)
        for extension in (
                ("keyUsage", True, "digitalSignature, keyAgreement"), ("extendedKeyUsage", False, "serverAuth, 1.3.6.1.4.1.55555.9"),
                ("basicConstraints", True, "CA:FALSE"), ("certificatePolicies", False, "1.3.6.1.4.1.55555.2, @policy"),
                ("crlDistributionPoints", False, "URI:http://crl.example/ca.crl"),
                ("authorityInfoAccess", False, "OCSP;URI:http://ocsp.example/, caIssuers;URI:http://ca.example/ca.crt"),
                ("tlsfeature", False, "status_request"), ("1.3.6.1.4.1.55555.3", False, "ASN1:UTF8String:hello")):
            site.db.execute("INSERT INTO profile_extension (profile_id, name, critical, value) VALUES (%s, %s, %s, %s)", profile,
                *extension)
        for line in ((0, "policyIdentifier", "1.3.6.1.4.1.55555.4"), (1, "CPS.1", "http://cps.example/")):
            site.db.execute("INSERT INTO profile_extension_section (profile_id, section, position, name, value)"
                            " VALUES (%s, 'policy', %s, %s, %s)", profile, *line)
    cert = issued(site, make_csr(make_key()), site.alias(profile_id=profile), given=["1.3.6.1.4.1.55555.3"])
    extensions = {extension.oid: extension for extension in cert.extensions}
    assert extensions[ExtensionOID.KEY_USAGE].value == key_usage(digital_signature=True, key_agreement=True)
    assert list(extensions[ExtensionOID.EXTENDED_KEY_USAGE].value) == [SERVER_AUTH, x509.ObjectIdentifier("1.3.6.1.4.1.55555.9")]
    assert extensions[ExtensionOID.BASIC_CONSTRAINTS].value == x509.BasicConstraints(False, None)
    policies = [policy.policy_identifier.dotted_string for policy in extensions[ExtensionOID.CERTIFICATE_POLICIES].value]
    assert policies == ["1.3.6.1.4.1.55555.2", "1.3.6.1.4.1.55555.4"]
    assert extensions[ExtensionOID.CERTIFICATE_POLICIES].value[1].policy_qualifiers == ["http://cps.example/"]
    assert extensions[ExtensionOID.CRL_DISTRIBUTION_POINTS].value[0].full_name[0].value == "http://crl.example/ca.crl"
    assert {entry.access_location.value for entry in extensions[ExtensionOID.AUTHORITY_INFORMATION_ACCESS].value} == {
        "http://ocsp.example/", "http://ca.example/ca.crt"}
    assert list(extensions[ExtensionOID.TLS_FEATURE].value) == [x509.TLSFeatureType.status_request]
    assert extensions[x509.ObjectIdentifier("1.3.6.1.4.1.55555.3")].value.value == b"\x0c\x05hello"
    assert cert.not_valid_after - cert.not_valid_before == datetime.timedelta(days=10, hours=1)


def test_CP_04_validity_is_the_profiles(site):
    cert = issued(site, make_csr(make_key()))
    now = datetime.datetime.utcnow()
    minute = datetime.timedelta(minutes=1)
    assert abs(cert.not_valid_before - (now - 5 * minute)) < minute
    assert abs(cert.not_valid_after - (now + datetime.timedelta(days=90))) < minute


def test_CP_04_validity_beyond_the_ca_is_cut_or_refused(site, expect_log):
    site.sql("INSERT INTO certificate_profile (name, validity) VALUES ('long', '90 years')")
    profile = site.profile_id("long")
    site.sql("INSERT INTO profile_subject_rule (profile_id, attribute) VALUES (%s, 'CN')", profile)
    site.sql("INSERT INTO profile_extension (profile_id, name, critical, value) VALUES (%s, 'keyUsage', true, 'digitalSignature')", profile)
    label = site.alias(profile_id=profile)
    assert issued(site, make_csr(make_key()), label).not_valid_after == site.pki.issuing.cert.not_valid_after
    site.sql("UPDATE certificate_profile SET beyond_ca = 'refuse' WHERE name = 'long'")
    answer = enroll(site, make_csr(make_key()), label)
    assert (answer.status, answer.reason) == (403, "ca_ends")
    expect_log("EST1076")


def test_CP_15_san_is_critical_when_the_subject_is_empty(site):
    cert = issued(site, make_csr(make_key(), "", san=[dns("nameless.example")]))
    assert list(cert.subject) == []
    assert cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    cert = issued(site, make_csr(make_key(), "CN=named.example", san=[dns("named.example")]))
    assert not cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_CP_15_C_15_empty_subject_without_san_is_refused(site):
    answer = enroll(site, make_csr(make_key(), ""))
    assert (answer.status, answer.reason) == (400, "name_invalid")


def test_CP_16_san_of_all_types_is_taken(site):
    san = [dns("a.example"), dns("b.example"), x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
           x509.IPAddress(ipaddress.ip_address("2001:db8::1")), x509.RFC822Name("device@a.example"),
           x509.UniformResourceIdentifier("https://a.example/device")]
    cert = issued(site, make_csr(make_key(), san=san))
    assert set(cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == set(san)


def test_CP_01_CP_02_serials_differ(site):
    key = make_key()
    serials = {issued(site, make_csr(key, f"CN=serial-{i}")).serial_number for i in range(20)}
    assert len(serials) == 20
    assert max(serial.bit_length() for serial in serials) > 150


@pytest.mark.parametrize("kind", ["ec:P-256", "ec:P-384", "ec:P-521", "rsa:2048", "rsa:3072", "ed25519"])
def test_device_keys(site, kind):
    key = shared_key(kind)
    cert = issued(site, make_csr(key, "CN=key"))
    assert cert.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == spki_of(key)


@pytest.mark.parametrize("kind", ["ed448", "rsa:1024"])
def test_key_that_the_profile_does_not_allow_is_refused(site, kind):
    answer = enroll(site, make_csr(shared_key(kind)))
    assert answer.status == 400
    assert answer.reason in ("key_not_allowed", "key_rejected")


# EN-08, EN-09, EN-11, C-04 to C-09: what is asked for in extensionRequest: (extensions, status, why)
REQUESTED = {
    "EN-08_usage_that_is_given_anyway": ([(key_usage(digital_signature=True), True)], 200, "harmless"),
    "EN-08_usage_that_includes_it": ([(key_usage(digital_signature=True, key_agreement=True), True)], 200, "the rest is left out"),
    "EN-08_usage_is_never_reversed": ([(key_usage(key_agreement=True), True)], 400, "keyAgreement alone cannot become digitalSignature"),
    "EN-09_CA_TRUE": ([(x509.BasicConstraints(True, None), True)], 400, "C-06"),
    "EN-09_CA_TRUE_not_critical": ([(x509.BasicConstraints(True, 0), False)], 400, "C-06"),
    "EN-09_CA_FALSE": ([(x509.BasicConstraints(False, None), True)], 200, "asks for nothing"),
    "C-07_keyCertSign": ([(key_usage(key_cert_sign=True, digital_signature=True), True)], 400, "powers of a CA"),
    "C-07_cRLSign": ([(key_usage(crl_sign=True), True)], 400, "powers of a CA"),
    "CP-12_cmcRA": ([(x509.ExtendedKeyUsage([CLIENT_AUTH, CMC_RA]), False)], 400, "powers of an RA"),
    "C-07_OCSPSigning": ([(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)], 400, "speaks for a CA"),
    "C-07_anyEKU": ([(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)], 400, "is all of them"),
    "EKU_that_is_not_given": ([(x509.ExtendedKeyUsage([SERVER_AUTH]), False)], 200, "left out: purposes are the profile's"),
    "C-07_nameConstraints": ([(x509.NameConstraints([dns("example")], None), True)], 400, "for CAs"),
    "C-07_policies": ([(x509.CertificatePolicies([x509.PolicyInformation(UNKNOWN, None)]), False)], 200, "left out"),
    "EN-09_ski_of_the_clients_choice": ([(x509.SubjectKeyIdentifier(b"12345678901234567890"), False)], 200,
                                        "the module's own stands there"),
    "EN-11_unknown_not_critical": ([(x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"), False)], 200, "left out"),
    "EN-11_unknown_critical": ([(x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"), True)], 400, "cannot be ignored"),
    "C-08_malformed_key_usage": ([(x509.UnrecognizedExtension(ExtensionOID.KEY_USAGE, b"\x05\x00"), True)], 400, "not a BIT STRING"),
}


@pytest.mark.parametrize("row", REQUESTED)
def test_requested_extensions(site, row):
    extensions, status, why = REQUESTED[row]
    before = site.counts()
    answer = enroll(site, make_csr(make_key(), "CN=asks", extensions=extensions))
    assert answer.status == status, (why, answer.text)
    if status == 200:
        cert = answer.cert()
        lint(cert, site.pki.issuing.cert)
        assert {extension.oid for extension in cert.extensions} == {
            ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE, ExtensionOID.SUBJECT_KEY_IDENTIFIER,
                ExtensionOID.AUTHORITY_KEY_IDENTIFIER}
        assert cert.extensions.get_extension_for_class(x509.KeyUsage).value == key_usage(digital_signature=True)
        assert list(cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [CLIENT_AUTH]
    else:
        assert answer.reason == "extension_refused"
        assert site.counts() == before


def test_EN_11_unknown_attributes_are_ignored(site):
    csr = raw_csr(make_key(), attributes=[raw_attribute("1.3.6.1.4.1.55555.7", der.tlv(der.UTF8, b"x"))])
    issued(site, csr)


def test_enroll_chain_sends_the_chain_besides(site):
    answer = enroll(site, make_csr(make_key()), site.alias(enroll_chain=True))
    assert answer.status == 200
    assert len(check_certs_only(answer.der())) == 3


def test_group_of_the_alias_limits_names(site):
    site.sql("INSERT INTO entity_group (name, names) VALUES ('plant', '{plant-*}')")
    group = site.db.value("SELECT id FROM entity_group WHERE name = 'plant'")
    label = site.alias(group_id=group)
    site.sql("INSERT INTO client_group SELECT id, %s FROM client WHERE user_name = %s", group, site.user)
    assert issued(site, make_csr(make_key(), "CN=plant-7"), label)
    answer = enroll(site, make_csr(make_key(), "CN=office-7"), label)
    assert (answer.status, answer.reason) == (403, "name_refused")


def test_profile_without_rule_refuses_or_drops_attributes(site):
    csr = make_csr(make_key(), "CN=a,L=town", san=[dns("a.example")])
    answer = enroll(site, csr)
    assert (answer.status, answer.reason) == (403, "name_refused")
    site.sql("INSERT INTO certificate_profile (name, subject_other, san_other) VALUES ('dropping', 'drop', 'drop')")
    profile = site.profile_id("dropping")
    site.sql("INSERT INTO profile_subject_rule (profile_id, attribute) VALUES (%s, 'CN')", profile)
    site.sql("INSERT INTO profile_extension (profile_id, name, critical, value) VALUES (%s, 'keyUsage', true, 'digitalSignature')", profile)
    cert = issued(site, csr, site.alias(profile_id=profile))
    assert cert.subject == name("CN=a")
    with pytest.raises(x509.ExtensionNotFound):
        cert.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_profile_requires_attribute_and_pattern(site):
    site.sql("INSERT INTO certificate_profile (name) VALUES ('strict')")
    profile = site.profile_id("strict")
    site.sql("INSERT INTO profile_subject_rule (profile_id, attribute, required, pattern) VALUES (%s, 'CN', true, 'dev-????'),"
             " (%s, 'O', true, 'Example')", profile, profile)
    site.sql("INSERT INTO profile_extension (profile_id, name, critical, value) VALUES (%s, 'keyUsage', true, 'digitalSignature')", profile)
    label = site.alias(profile_id=profile)
    assert issued(site, make_csr(make_key(), "CN=dev-0001,O=Example"), label)
    for subject, status, reason in (("CN=dev-0001", 400, "name_invalid"), ("CN=dev-00012,O=Example", 403, "name_refused"),
                                    ("CN=dev-0001,O=Other", 403, "name_refused")):
        answer = enroll(site, make_csr(make_key(), subject), label)
        assert (answer.status, answer.reason) == (status, reason), subject


def test_curl_enrols(site, tmp_path):
    (tmp_path / "csr").write_bytes(b64(make_csr(make_key(), "CN=curl")))
    answer = curl(site, "simpleenroll", "-H", "Content-Type: application/pkcs10", "--data-binary", f"@{tmp_path}/csr",
                  user=f"{site.user}:{site.PASSWORD}")
    lint(answer.cert(), site.pki.issuing.cert)
