# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Certificate requests that no honest client sends, or that ask for what is not offered; each correctly signed where it can be."""

import concurrent.futures
import datetime

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509.oid import ExtensionOID

from harness import der
from harness.client import b64
from harness.pki import (EXTENSION_REQUEST, CertificateAuthority, days, dns, make_csr, make_key, now, raw_attribute, raw_csr, raw_info,
                         raw_name, shared_key, sign)

EC, RSA = shared_key("ec:P-256"), shared_key("rsa:2048")
INFO = raw_info(EC)
ALGORITHM, SIGNATURE = sign(EC, INFO)
CN, MICROSOFT, CHANGE = "2.5.4.3", "1.3.6.1.4.1.311.2.1.14", "1.3.6.1.5.5.7.7.36"
TRUE = der.tlv(der.BOOLEAN, b"\xff")
KP, PE, CE = "1.3.6.1.5.5.7.3.", "1.3.6.1.5.5.7.1.", "2.5.29."


def request(info=INFO, algorithm=ALGORITHM, signature=None):
    return der.seq(info, algorithm, der.bit_string(SIGNATURE) if signature is None else signature)


def flip(octets, position):
    return octets[:position] + bytes([octets[position] ^ 1]) + octets[position + 1:]


def rsa_signed(oid, digest, parameters=der.tlv(der.NULL)):
    info = raw_info(RSA)
    return der.seq(info, der.seq(der.oid(oid), parameters), der.bit_string(RSA.sign(info, padding.PKCS1v15(), digest)))


def ec_signed(oid, digest):
    return request(algorithm=der.seq(der.oid(oid)), signature=der.bit_string(EC.sign(INFO, ec.ECDSA(digest))))


def extension(oid, value, critical=b""):
    return der.seq(der.oid(oid), critical, der.tlv(der.OCTET_STRING, value))


def asking(*extensions):
    return raw_csr(EC, attributes=[raw_attribute(EXTENSION_REQUEST, der.seq(*extensions))])


def uri_extension(oid, *around):
    uri = der.tlv(0x86, b"http://attacker.example/")
    for tag in around:
        uri = der.tlv(tag, uri)
    return extension(oid, uri)


USAGE = extension(CE + "15", der.tlv(der.BIT_STRING, b"\x07\x80"))
PURPOSE = extension(CE + "37", der.seq(der.oid(KP + "2")))
CENTURIES = der.tlv(0xA4, der.tlv(0xA0, der.tlv(0x18, b"19500101000000Z")), der.tlv(0xA1, der.tlv(0x18, b"99991231235959Z")))
POLICY = der.seq(der.seq(der.oid("1.2.3.4")))

# (request, the token of the 400, why)
REFUSED = {
    "C-01_EN-03_flipped_tbs": (request(flip(INFO, INFO.index(b"device-1"))), "csr_signature", "another name"),
    "C-01_EN-03_flipped_key": (request(flip(INFO, len(INFO) - 10)), "csr_signature|key_rejected", "another key"),
    "C-01_flipped_signature": (request(signature=der.bit_string(flip(SIGNATURE, len(SIGNATURE) - 1))), "csr_signature", "s changed"),
    "C-01_empty_signature": (request(signature=der.bit_string(b"")), "csr_invalid", "nothing signed"),
    "C-01_no_signature_octets": (request(signature=der.tlv(der.BIT_STRING)), "csr_invalid|der_invalid", "not even unused bits"),
    "C-01_other_key": (request(signature=der.bit_string(sign(make_key(), INFO)[1])), "csr_signature", "signed by another"),
    "C-01_unused_bits": (request(signature=der.bit_string(SIGNATURE[:-1] + bytes([SIGNATURE[-1] & 0xF0]), 4)), "csr_invalid",
                         "OpenSSL says -1, which is not false"),
    "C-01_signature_and_more": (request(signature=der.bit_string(SIGNATURE + b"\0")), "csr_signature", "DER has an end"),
    "C-02_md5": (rsa_signed("1.2.840.113549.1.1.4", hashes.MD5()), "csr_algorithm", "OpenSSL would verify it"),
    "C-02_md2": (rsa_signed("1.2.840.113549.1.1.2", hashes.SHA256()), "csr_algorithm", "refused before it is verified"),
    "C-02_sha1": (rsa_signed("1.2.840.113549.1.1.5", hashes.SHA1()), "csr_algorithm", "OpenSSL would verify it"),
    "C-02_sha224": (rsa_signed("1.2.840.113549.1.1.14", hashes.SHA224()), "csr_algorithm", "SHA-256 at least"),
    "C-02_ecdsa_sha1": (ec_signed("1.2.840.10045.4.1", hashes.SHA1()), "csr_algorithm", "OpenSSL would verify it"),
    "C-03_no_signature": (request(algorithm=der.seq(der.oid("1.3.6.1.5.5.7.6.2"))), "csr_algorithm", "id-alg-noSignature"),
    "C-03_ed25519_with_rsa": (der.seq(raw_info(RSA), der.seq(der.oid("1.3.101.112")), der.bit_string(b"1" * 64)), "csr_algorithm",
                              "another kind of key"),
    "C-03_rsa_with_ec": (request(algorithm=der.seq(der.oid("1.2.840.113549.1.1.11"), der.tlv(der.NULL))), "csr_algorithm",
                         "another kind of key"),
    "C-04_two_attributes": (raw_csr(EC, attributes=[raw_attribute(EXTENSION_REQUEST, der.seq(USAGE)),
                            raw_attribute(EXTENSION_REQUEST, der.seq(PURPOSE))]), "csr_attribute", "which one counts?"),
    "C-04_two_values": (raw_csr(EC, attributes=[raw_attribute(EXTENSION_REQUEST, der.seq(USAGE), der.seq(PURPOSE))]), "csr_attribute",
                        "single-valued"),
    "C-04_no_value": (raw_csr(EC, attributes=[raw_attribute(EXTENSION_REQUEST)]), "csr_attribute", "SIZE (1..MAX)"),
    "C-04_empty": (asking(), "csr_attribute", "SIZE (1..MAX)"),
    "C-05_CP-14_twice": (asking(USAGE, USAGE), "csr_attribute", "OpenSSL parses it happily"),
    "C-05_CP-14_twice_with_others": (asking(extension(CE + "19", der.seq()), USAGE, extension(CE + "19", der.seq(TRUE))), "csr_attribute",
                                     "the second would evade a filter"),
    "C-06_EN-09_critical": (asking(extension(CE + "19", der.seq(TRUE), TRUE)), "extension_refused", "a CA"),
    "C-06_EN-09_not_critical": (asking(extension(CE + "19", der.seq(TRUE))), "extension_refused", "a CA"),
    "C-06_EN-09_path_length": (asking(extension(CE + "19", der.seq(TRUE, der.integer(0)), TRUE)), "extension_refused", "a CA"),
    "C-06_path_length_alone": (asking(extension(CE + "19", der.seq(der.integer(0)), TRUE)), "extension_refused", "malformed"),
    "C-06_integer": (asking(extension(CE + "19", der.seq(der.integer(1)))), "extension_refused", "malformed"),
    "C-06_no_sequence": (asking(extension(CE + "19", TRUE)), "extension_refused", "malformed"),
    "C-06_boolean_of_1": (asking(extension(CE + "19", der.seq(der.tlv(der.BOOLEAN, b"\1")))), "csr_attribute", "X.690 11.1"),
    "C-07_EN-09_keyCertSign_cRLSign": (asking(extension(CE + "15", der.tlv(der.BIT_STRING, b"\x01\x06"), TRUE)), "extension_refused", "a CA"),
    "C-07_EN-09_keyCertSign": (asking(extension(CE + "15", der.tlv(der.BIT_STRING, b"\x02\x84"))), "extension_refused", "a CA"),
    "C-07_EN-09_cRLSign": (asking(extension(CE + "15", der.tlv(der.BIT_STRING, b"\x01\x82"))), "extension_refused", "a CA"),
    **{f"C-07_CP-12_{name}": (asking(extension(CE + "37", der.seq(der.oid(KP + "2"), der.oid(oid)))), "extension_refused", "a power")
       for name, oid in {"cmcRA": KP + "28", "cmcCA": KP + "27", "OCSPSigning": KP + "9", "timeStamping": KP + "8",
                         "anyEKU": CE + "37.0"}.items()},
    "C-07_EN-09_nameConstraints": (asking(extension(CE + "30", der.seq(der.tlv(0xA0, der.seq(der.tlv(0x82, b"a")))))), "extension_refused",
                                   "for CAs"),
    "EN-09_policyConstraints": (asking(extension(CE + "36", der.seq(der.tlv(0x80, b"\0")))), "extension_refused", "for CAs"),
    "EN-09_policyMappings": (asking(extension(CE + "33", der.seq(der.seq(der.oid("1.2.3"), der.oid("1.2.4"))))), "extension_refused",
                             "for CAs"),
    "C-07_CP-25_poison": (asking(extension("1.3.6.1.4.1.11129.2.4.3", der.tlv(der.NULL), TRUE)), "extension_refused", "no certificate"),
    "C-07_EN-09_policies_critical": (asking(extension(CE + "32", POLICY, TRUE)), "extension_refused", "never from a request"),
    "C-08_usage_is_null": (asking(extension(CE + "15", der.tlv(der.NULL))), "extension_refused", "not a BIT STRING"),
    "C-08_usage_is_empty": (asking(extension(CE + "15", b"")), "csr_attribute", "no value at all"),
    "C-08_usage_and_more": (asking(extension(CE + "15", der.tlv(der.BIT_STRING, b"\x07\x80") + der.tlv(der.NULL))), "csr_attribute",
                            "one value"),
    "C-08_purposes_are_integers": (asking(extension(CE + "37", der.seq(der.integer(1)))), "extension_refused", "not OIDs"),
    "C-08_purposes_are_none": (asking(extension(CE + "37", der.seq())), "extension_refused", "SIZE (1..MAX)"),
    "C-08_san_is_text": (asking(extension(CE + "17", der.tlv(der.UTF8, b"a"))), "name_invalid", "not GeneralNames"),
    "C-08_indefinite_length": (asking(extension(CE + "37", b"\x30\x80\x00\x00")), "csr_attribute", "BER"),
    "C-08_EN-11_unknown_critical": (asking(extension("1.3.6.1.4.1.55555.1", der.tlv(der.NULL), TRUE)), "extension_refused",
                                    "cannot be ignored"),
    "C-08_200_extensions": (asking(*[extension(f"1.3.6.1.4.1.55555.{i}", der.tlv(der.NULL)) for i in range(200)]), "csr_attribute", "64"),
    "C-08_60_KiB": (asking(extension("1.3.6.1.4.1.55555.1", der.tlv(der.OCTET_STRING, b"x" * 61440))), "csr_attribute", "32 KiB"),
    "C-12_neither_field": (raw_csr(EC, attributes=[raw_attribute(CHANGE, der.seq())]), "csr_attribute", "RFC 6402 2.8: at least one"),
    **{f"C-12_subjectAlt_{name}": (raw_csr(EC, attributes=[raw_attribute(CHANGE, der.seq(raw_name((CN, der.UTF8, b"new")), alt))]),
                                   "csr_attribute", "malformed")
       for name, alt in {"empty": der.tlv(0xA1), "no_names": der.seq(), "text": der.tlv(0xA1, der.tlv(der.UTF8, b"a")),
                         "bad_dns": der.tlv(0xA1, der.tlv(0x82, b"a..b")), "short_ip": der.tlv(0xA1, der.tlv(0x87, b"123")),
                         "other_tag": der.tlv(0xA2, der.tlv(0x82, b"a"))}.items()},
    "C-12_two_values": (raw_csr(EC, attributes=[raw_attribute(CHANGE, *[der.seq(raw_name((CN, der.UTF8, b"new")))] * 2)]), "csr_attribute",
                        "single-valued"),
    "C-18_crmf": (der.seq(der.seq(der.seq(der.integer(0), der.seq(CENTURIES)))), "csr_invalid", "CertReqMessages belong into a fullcmc"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_EN_04_a_hostile_request_is_refused(site, row):
    csr, reasons, why = REFUSED[row]
    before = site.counts()
    with site.ra() as client:
        # as DER where the base64 would not pass the limit of a body
        answer = client.post("simpleenroll", csr) if len(csr) > 48000 else client.enroll(csr)
    assert answer.status == 400, (why, answer.text)
    assert answer.reason in reasons.split("|"), why
    assert site.counts() == before


# (request, why): what is asked for is not in the certificate
STRIPPED = {
    "C-04_microsofts_request": (raw_csr(EC, attributes=[
        raw_attribute(EXTENSION_REQUEST, der.seq(USAGE)),
        raw_attribute(MICROSOFT, der.seq(extension(CE + "19", der.seq(TRUE)), extension(CE + "17", der.seq(der.tlv(0x82, b"evil")))))]),
        "the other OID is ignored, whatever it holds"),
    "C-04_microsofts_request_alone": (raw_csr(EC, attributes=[raw_attribute(MICROSOFT, der.seq(extension(CE + "19", der.seq(TRUE))))]),
                                      "not merged"),
    "C-07_EN-09_policies": (asking(extension(CE + "32", POLICY)), "the profile's to give"),
    "C-07_EN-09_aia": (asking(extension(PE + "1", der.seq(der.seq(der.oid("1.3.6.1.5.5.7.48.2"), der.tlv(0x86, b"http://evil.example/"))))),
                       "points to the attacker"),
    "C-07_EN-09_crldp": (asking(uri_extension(CE + "31", 0xA0, 0xA0, der.SEQUENCE, der.SEQUENCE)), "points to the attacker"),
    "EN-09_aki": (asking(extension(CE + "35", der.seq(der.tlv(0x80, b"1" * 20)))), "another issuer"),
    "EN-09_ski": (asking(extension(CE + "14", der.tlv(der.OCTET_STRING, b"1" * 20))), "another key"),
    "EN-11_unknown": (asking(extension("1.3.6.1.4.1.55555.1", der.tlv(der.NULL))), "not critical"),
    "CP-25_microsofts_template": (asking(extension("1.3.6.1.4.1.311.20.2", der.tlv(der.BMP, b"\0D\0C"))), "proprietary"),
    "EN-11_unknown_attribute": (raw_csr(EC, attributes=[raw_attribute("1.3.6.1.4.1.55555.7", der.tlv(der.NULL), der.tlv(der.NULL))]),
                                "means nothing here"),
}


@pytest.mark.parametrize("row", STRIPPED)
def test_what_nobody_grants_is_left_out(site, row):
    csr, why = STRIPPED[row]
    with site.ra() as client:
        cert = client.enroll(csr).cert()
    assert {extension.oid for extension in cert.extensions} == {
        ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE, ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER}, why


# EN-10, C-12, RE-08: absent is not unchanged, so none of these may be ignored either
CHANGES = {
    "subject": der.seq(raw_name((CN, der.UTF8, b"new"))),
    "subjectAlt": der.seq(der.tlv(0xA1, der.tlv(0x82, b"new.example"))),
    "both": der.seq(raw_name((CN, der.UTF8, b"new")), der.tlv(0xA1, der.tlv(0x82, b"new.example"))),
    "both_as_printed": der.seq(raw_name((CN, der.UTF8, b"new")), der.seq(der.tlv(0x82, b"new.example"))),
    "the_same": der.seq(raw_name((CN, der.UTF8, b"device-1"))),
}


@pytest.mark.parametrize("row", CHANGES)
def test_C_12_EN_10_ChangeSubjectName_is_granted_to_nobody(site, row):
    before = site.counts()
    with site.ra() as client:
        answer = client.enroll(raw_csr(EC, attributes=[raw_attribute(CHANGE, CHANGES[row])]))
    assert (answer.status, answer.reason) == (403, "name_refused")
    assert site.counts() == before


@pytest.mark.parametrize("row", CHANGES)
def test_RE_08_nor_when_a_certificate_is_renewed(site, row):
    old = site.holder("CN=device-1", key=make_key())
    change = [raw_attribute(CHANGE, CHANGES[row])]
    before = site.counts()
    with site.client(identity=old) as client:
        answer = client.reenroll(raw_csr(make_key(), attributes=change))
    assert (answer.status, answer.reason) == (403, "name_refused")
    with site.client(identity=old) as client:  # and not by writing the new name into the request
        answer = client.reenroll(raw_csr(make_key(), subject=raw_name((CN, der.UTF8, b"new")), attributes=change))
    assert (answer.status, answer.reason) == (400, "names_differ")
    assert site.counts() == before


@pytest.mark.parametrize("operation", [pytest.param("serverkeygen", id="C-17_CB-14_serverkeygen"),
                                       pytest.param("fullcmc", id="CB-09_fullcmc")])
def test_operations_that_are_not_offered(site, operation):
    with site.ra() as client:
        answer = client.post(operation, b64(make_csr(make_key(), challenge=b"secret")))
    assert (answer.status, answer.reason) == (404, "operation_unknown")


def asked(client, path, body=b64(make_csr(make_key())), **more):
    return client.request("POST", client.path(path), body, {"Content-Type": "application/pkcs10", **more})


# (who asks, for what, status): a failure of each kind
FAILURES = {
    "content": ("ra", lambda c: c.post("simpleenroll", b"AAAA"), 400),
    "no_credentials": (None, lambda c: c.enroll(make_csr(make_key())), 401),
    "policy": ("ra", lambda c: c.enroll(make_csr(make_key(), "CN=a,L=town")), 403),
    "operation": ("ra", lambda c: asked(c, "simpleenrol"), 404),
    "method": ("ra", lambda c: c.get("simpleenroll"), 405),
    "size": ("ra", lambda c: c.post("simpleenroll", b"A" * 70000), 413),
    "type": ("ra", lambda c: c.post("simpleenroll", b"AAAA", content_type="text/plain"), 415),
}


@pytest.mark.parametrize("row", FAILURES)
def test_EN_04_EN_05_every_failure_has_its_status_and_is_plain_text(site, row):
    who, ask, status = FAILURES[row]
    with site.client(who and site.user) as client:
        answer = ask(client)
    assert answer.status == status
    assert answer.header("Content-Type").startswith("text/plain")  # no CMC message: people and clients show the text
    assert answer.text.startswith(answer.reason + ": ") and answer.text.count("\n") <= 1


def test_CP_02_serial_numbers_of_two_children_at_once(make_site):
    """Nothing is shared by them but their length: 159 random bits each"""
    site = make_site("serials", children=2)

    def many(number):
        with site.ra() as client:
            return [client.enroll(make_csr(make_key(), f"CN=serial-{number}-{i}")).cert().serial_number for i in range(32)]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        serials = [serial for part in pool.map(many, range(4)) for serial in part]
    assert len(set(serials)) == len(serials) == 128
    assert all(0 < serial < 1 << 159 for serial in serials)
    assert len({serial >> 100 for serial in serials}) == len({serial & (1 << 60) - 1 for serial in serials}) == 128
    for bit in range(159):
        assert len({serial >> bit & 1 for serial in serials}) == 2, f"bit {bit} is the same in 128 serial numbers"


def test_CP_02_the_database_knows_a_serial_number_once(site):
    assert site.db.value("SELECT count(*) FROM pg_constraint WHERE conrelid = 'est.certificate'::regclass AND contype = 'u'"
                         " AND pg_get_constraintdef(oid) = 'UNIQUE (serial, issuer_hash)'", user="postgres") == 1


def profile(site, name, *extensions, **columns):
    names = ", ".join(["name", *columns])
    site.sql(f"INSERT INTO certificate_profile ({names}) VALUES ({', '.join(['%s'] * (1 + len(columns)))})", name, *columns.values())
    number = site.profile_id(name)
    site.sql("INSERT INTO profile_subject_rule (profile_id, attribute) VALUES (%s, 'CN')", number)
    for extension_name, critical, value in extensions or [("keyUsage", True, "digitalSignature")]:
        site.sql("INSERT INTO profile_extension (profile_id, name, critical, value) VALUES (%s, %s, %s, %s)", number, extension_name,
                 critical, value)
    return number


def last_time(cert):
    """notAfter as it is encoded: (tag, text)"""
    field = der.children(der.children(cert.tbs_certificate_bytes)[4])[1]
    return field[0], field[2:].decode()


@pytest.mark.parametrize("end, tag, text", [
    ("2049-12-31 23:59:59+00", 0x17, "491231235959Z"), ("2050-01-01 00:00:00+00", 0x18, "20500101000000Z"),
    ("2061-07-08 09:10:11+00", 0x18, "20610708091011Z")])
def test_CP_03_validity_on_both_sides_of_2050(make_site, end, tag, text):
    site = make_site("century", start=False)
    old = CertificateAuthority("O=Test,CN=Old Age CA", not_after=now() + days(20000))
    site.httpd.put_ca("oldage", old)
    site.config.ca_blocks = [site.httpd.ca_block("issuing"), site.httpd.ca_block("oldage")]
    site.start()
    label = site.alias(ca="oldage", profile_id=profile(site, "far", validity="50 years", latest_end=end))
    with site.ra() as client:
        cert = client.enroll(make_csr(make_key()), label).cert()
    assert last_time(cert) == (tag, text)


@pytest.mark.parametrize("name, usage, purposes, key", [
    ("server", "digitalSignature, keyEncipherment", "serverAuth", "rsa:2048"), ("signer", "digitalSignature", "codeSigning", "ec:P-256"),
    ("mail", "nonRepudiation", "emailProtection", "ed25519"), ("agreement", "keyAgreement", "clientAuth", "ec:P-384")])
def test_CP_11_usages_that_go_with_their_purposes_are_given(site, name, usage, purposes, key):
    """The checks of harness.lint run over each at the end of the site"""
    number = profile(site, name, ("keyUsage", True, usage), ("extendedKeyUsage", False, purposes), keys=[key.replace("rsa:2048", "rsa:2048-8192")])
    with site.ra() as client:
        cert = client.enroll(make_csr(shared_key(key), f"CN={name}"), site.alias(profile_id=number)).cert()
    assert len(cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == 1


def test_CP_13_basic_constraints_are_an_empty_sequence(site):
    number = profile(site, "leaf", ("basicConstraints", True, "CA:FALSE"), ("keyUsage", True, "digitalSignature"))
    with site.ra() as client:
        cert = client.enroll(make_csr(make_key()), site.alias(profile_id=number)).cert()
    assert b"\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x02\x30\x00" in cert.tbs_certificate_bytes


# What a profile cannot give. The database refuses what it can see in one row:
WRONG_ROWS = {
    "CP-09_usage_without_bits": ("keyUsage", True, "DER:030100"), "CP-12_any_critical": ("extendedKeyUsage", True, "anyExtendedKeyUsage"),
    "CP-12_cmcCA": ("extendedKeyUsage", False, "1.3.6.1.5.5.7.3.27"), "CP-13_path_length": ("basicConstraints", True, "CA:FALSE,pathlen:0"),
    "CP-24_aia_critical": ("authorityInfoAccess", True, "OCSP;URI:http://ocsp.example/"),
    "CP-24_policies_twice": ("certificatePolicies", False, "1.2.3.4, 1.2.3.4"),
}
# and the module the rest: (extensions, a part of the detail)
WRONG_PROFILES = {
    "CP-11_server_that_signs_mail": ([("keyUsage", True, "nonRepudiation"), ("extendedKeyUsage", False, "serverAuth")], "serverAuth needs one of the key usages"),
    "CP-24_crldp_critical": ([("crlDistributionPoints", True, "URI:http://crl.example/")], "must not be critical"),
}


@pytest.mark.parametrize("row", WRONG_ROWS)
def test_a_row_against_rfc_5280_is_refused_when_it_is_written(site, row, expect_log):
    with pytest.raises(psycopg.errors.CheckViolation):
        profile(site, row, WRONG_ROWS[row])
    expect_log("profile_extension.")


@pytest.mark.parametrize("row", WRONG_PROFILES)
def test_a_profile_against_rfc_5280_breaks_its_alias(site, row, expect_log):
    extensions, detail = WRONG_PROFILES[row]
    label = site.alias(profile_id=profile(site, row, *extensions))
    start = site.httpd.log.size()
    with site.ra() as client:
        answer = client.enroll(make_csr(make_key()), label)
    assert (answer.status, answer.reason) == (503, "alias_broken")
    assert any("EST1095" in line and detail in line for line in site.log_lines(start))
    expect_log("EST1095")


def test_C_14_a_certificate_that_was_renewed_already_can_be_renewed_again(site):
    """The device may never have received the new one; no answer from the record, since the key is another"""
    old = site.holder("CN=lost-answer", san=[dns("lost.example")])
    serials = set()
    for _ in range(2):
        with site.client(identity=old) as client:
            serials.add(client.reenroll(make_csr(make_key(), "CN=lost-answer", [dns("lost.example")])).cert().serial_number)
    assert len(serials) == 2


@pytest.mark.parametrize("reason", ["superseded", "keyCompromise", "cessationOfOperation"])
def test_C_14_a_revoked_certificate_is_not_renewed_whatever_the_reason(site, reason):
    old = site.holder("CN=revoked-" + reason)
    site.revoke(old.cert, reason)
    with site.client(identity=old) as client:
        answer = client.reenroll(make_csr(make_key(), "CN=revoked-" + reason))
    assert (answer.status, answer.reason) == (403, "certificate_revoked")


def test_C_14_a_certificate_of_another_alias_is_not_renewed(site):
    old, other = site.holder("CN=of-another"), site.alias()
    with site.client(identity=old) as client:
        assert client.reenroll(make_csr(make_key(), "CN=of-another"), other).status == 403


def test_RE_10_no_window_holds_a_renewal_back(site):
    old = site.holder("CN=eager")
    assert old.cert.not_valid_after - datetime.datetime.utcnow() > datetime.timedelta(days=89)
    with site.client(identity=old) as client:
        assert client.reenroll(make_csr(make_key(), "CN=eager")).status == 200
