# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""The second opinion (harness/judge) can say no: every aspect of a certificate, of its record and of the rows, altered one by one."""

import datetime
import hashlib
import ipaddress
import os
import types

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from harness import der
from harness.judge import extensions, facts, globs, requests, rows, template, verdict
from harness.pki import CertificateAuthority, days, key_usage, make_key, name, now
from harness.postgres import TOP

KEY, OTHER = make_key(), make_key()
CA, STRANGER = CertificateAuthority("O=Test,CN=Judged CA", not_after=now() + days(400)), CertificateAuthority("O=Test,CN=Judged CA")
NOW = now()
SPAN = (NOW, NOW + datetime.timedelta(seconds=1))
PURPOSE = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.2")
OWN = "1.3.6.1.4.1.55555.3"


def row(**columns):
    return types.SimpleNamespace(**columns)


def policy():
    rule = {"required": False, "pattern": "**", "max_count": 1, "on_violation": "refuse"}
    san = {"source": "csr", "template": None, **rule}
    return rows.Policy(
        alias=row(name="judged", mode="ra", ca="issuing", profile_active=True, group_active=True, auth_enroll="basic-or-cert", binding="if-present",
                  name_scheme="dn:CN", name_prefix="p-", name_postfix="${RANDOM}"),
        profile=row(validity=days(30), backdate=datetime.timedelta(minutes=5), latest_end=None, beyond_ca="refuse", keys=["ec:P-256"],
                    digest="default", dns_wildcards=False, subject_other="refuse", san_other="refuse", subject_template=None),
        group=row(id=1, names=["**"]),
        subject_rules=[row(id=1, attribute="CN", **{**rule, "pattern": "dev-*", "required": True}), row(id=2, attribute="O", **rule)],
        san_rules=[row(id=1, type="dns", **{**san, "pattern": "*.plant.example", "max_count": 2, "required": True}),
                   row(id=2, type="ip", **{**san, "pattern": "10.0.0.0/8"})],
        extensions=[row(name="keyUsage", critical=True, value="digitalSignature, keyEncipherment, keyAgreement"),
                    row(name="extendedKeyUsage", critical=False, value="clientAuth"), row(name="basicConstraints", critical=True, value="CA:FALSE"),
                    row(name="certificatePolicies", critical=False, value="@pol"),
                    row(name="crlDistributionPoints", critical=False, value="URI:http://crl.example/a"),
                    row(name="authorityInfoAccess", critical=False, value="OCSP;URI:http://ocsp.example/")],
        sections=[row(section="pol", name="policyIdentifier", value="1.2.3.4"), row(section="pol", name="CPS.1", value="http://cps.example/")],
        requested=[row(name=OWN, action="copy")])


ASKED = requests.Request(KEY, [("CN", "dev-1"), ("O", "Example")], [("dns", "a.plant.example"), ("ip", "10.0.0.1")],
                         [(OWN, False, der.tlv(der.NULL))])
WHO = facts.Who("user", "ra", row(names=["*"], groups={1}))


def given(**changes):
    """What a certificate is made of that satisfies the policy; changes: other parts"""
    parts = {
        "subject": "CN=dev-1,O=Example", "san": [x509.DNSName("a.plant.example"), x509.IPAddress(ipaddress.ip_address("10.0.0.1"))],
        "key": KEY, "not_before": NOW - datetime.timedelta(minutes=5), "not_after": NOW + days(30), "signer": CA, "issuer": CA.cert.subject,
        "hash": hashes.SHA256(), "san_critical": False, "usage": (key_usage(digital_signature=True, key_agreement=True), True),
        "purposes": (x509.ExtendedKeyUsage([PURPOSE]), False), "constraints": (x509.BasicConstraints(False, None), True),
        "policies": (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), ["http://cps.example/"])]), False),
        "crl": (point("http://crl.example/a"), False), "access": (access("http://ocsp.example/"), False),
        "own": (x509.UnrecognizedExtension(x509.ObjectIdentifier(OWN), der.tlv(der.NULL)), False),
        "ski": (x509.SubjectKeyIdentifier.from_public_key(KEY.public_key()), False),
        "aki": (x509.AuthorityKeyIdentifier.from_issuer_public_key(CA.key.public_key()), False), "more": None}
    assert set(changes) <= set(parts), changes
    return {**parts, **changes}


def point(uri):
    return x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier(uri)], None, None, None)])


def access(uri):
    return x509.AuthorityInformationAccess([x509.AccessDescription(x509.oid.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(uri))])


def certificate(**changes):
    parts = given(**changes)
    builder = (x509.CertificateBuilder().subject_name(name(parts["subject"])).issuer_name(parts["issuer"]).public_key(parts["key"].public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(parts["not_before"]).not_valid_after(parts["not_after"]))
    if parts["san"]:
        builder = builder.add_extension(x509.SubjectAlternativeName(parts["san"]), parts["san_critical"])
    for part in ("usage", "purposes", "constraints", "policies", "crl", "access", "own", "ski", "aki", "more"):
        if parts[part]:
            builder = builder.add_extension(*parts[part])
    return builder.sign(parts["signer"].key, parts["hash"])


def judged(cert, policy_rows=None, who=WHO, asked=ASKED, issuer=CA, operation="simpleenroll"):
    return verdict.complaints(cert, policy_rows or policy(), asked.facts(who, operation), issuer.cert, SPAN)


def test_what_is_right_is_not_complained_of():
    assert judged(certificate()) == []
    assert verdict.judge(policy(), ASKED.facts(WHO), CA.cert, NOW).fine


DNS = [x509.DNSName("a.plant.example")]
# What is altered in the certificate, and what the complaint begins with
ALTERED = {
    "subject_other_value": (dict(subject="CN=dev-2,O=Example"), "subject: "), "subject_order": (dict(subject="O=Example,CN=dev-1"), "subject: "),
    "subject_less": (dict(subject="CN=dev-1"), "subject: "), "subject_more": (dict(subject="CN=dev-1,O=Example,OU=x"), "subject rule: "),
    "subject_pattern": (dict(subject="CN=x,O=Example"), "subject rule: CN=x"), "subject_count": (dict(subject="CN=dev-1,CN=dev-2"), "subject rule: more"),
    "subject_required": (dict(subject="O=Example"), "subject rule: CN is required"),
    "san_less": (dict(san=DNS), "subjectAltName: "), "san_more": (dict(san=[*given()["san"], x509.DNSName("b.plant.example")]), "subjectAltName: "),
    "san_twice": (dict(san=[*given()["san"], *DNS]), "subjectAltName: a name stands twice"),
    "san_pattern": (dict(san=[x509.DNSName("a.office.example")]), "SAN rule: no pattern"),
    "san_network": (dict(san=[*DNS, x509.IPAddress(ipaddress.ip_address("11.0.0.1"))]), "SAN rule: no pattern"),
    "san_type": (dict(san=[*DNS, x509.RFC822Name("a@plant.example")]), "SAN rule: no pattern"),
    "san_wildcard": (dict(san=[x509.DNSName("*.plant.example")]), "SAN rule: wildcard"),
    "san_count": (dict(san=[x509.DNSName(f"h{number}.plant.example") for number in range(3)]), "SAN rule: too many"),
    "san_required": (dict(san=[]), "SAN rule: dns"), "san_critical": (dict(san_critical=True), "subjectAltName: critical"),
    "key": (dict(key=OTHER), "key: not that of the request"), "key_type": (dict(key=make_key("ec:P-384")), "key: ('ec', 'P-384')"),
    "key_rsa": (dict(key=make_key("rsa:2048")), "key: ('rsa', 2048)"),
    "not_before": (dict(not_before=NOW - days(1)), "notBefore: "), "not_before_late": (dict(not_before=NOW), "notBefore: "),
    "not_after": (dict(not_after=NOW + days(31)), "notAfter: "), "not_after_early": (dict(not_after=NOW + days(29)), "notAfter: "),
    "beyond_the_ca": (dict(not_after=NOW + days(500)), "validity: not within"),
    "usage_uncut": (dict(usage=(key_usage(digital_signature=True, key_agreement=True, key_encipherment=True), True)), "extension 2.5.29.15: "),
    "usage_less": (dict(usage=(key_usage(digital_signature=True), True)), "extension 2.5.29.15: "),
    "usage_not_critical": (dict(usage=(given()["usage"][0], False)), "extension 2.5.29.15: critical"),
    "usage_gone": (dict(usage=None), "extension 2.5.29.15: is missing"),
    "usage_of_a_ca": (dict(usage=(key_usage(digital_signature=True, key_agreement=True, key_cert_sign=True), True)), "power: key usage"),
    "usage_of_a_crl_issuer": (dict(usage=(key_usage(digital_signature=True, crl_sign=True), True)), "power: key usage"),
    "purposes": (dict(purposes=(x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.1")]), False)), "extension 2.5.29.37: "),
    "purposes_of_an_ra": (dict(purposes=(x509.ExtendedKeyUsage([PURPOSE, x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")]), False)), "power: purposes"),
    "any_purpose": (dict(purposes=(x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.5.29.37.0")]), False)), "power: purposes"),
    "purposes_critical": (dict(purposes=(given()["purposes"][0], True)), "extension 2.5.29.37: critical"),
    "a_ca": (dict(constraints=(x509.BasicConstraints(True, None), True)), "power: a CA"),
    "constraints_gone": (dict(constraints=None), "extension 2.5.29.19: is missing"),
    "policies": (dict(policies=(x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), None)]), False)),
                 "extension 2.5.29.32: "),
    "crl": (dict(crl=(point("http://crl.example/b"), False)), "extension 2.5.29.31: "),
    "access": (dict(access=(access("http://ocsp.example/b"), False)), "extension 1.3.6.1.5.5.7.1.1: "),
    "copied_value": (dict(own=(x509.UnrecognizedExtension(x509.ObjectIdentifier(OWN), der.integer(1)), False)), f"extension {OWN}: "),
    "copied_gone": (dict(own=None), f"extension {OWN}: is missing"),
    "ski": (dict(ski=(x509.SubjectKeyIdentifier(b"x" * 20), False)), "extension 2.5.29.14: "),
    "aki": (dict(aki=(x509.AuthorityKeyIdentifier(b"x" * 20, None, None), False)), "extension 2.5.29.35: "),
    "unasked_extension": (dict(more=(x509.TLSFeature([x509.TLSFeatureType.status_request]), False)), "extension 1.3.6.1.5.5.7.1.24: nobody"),
    "name_constraints": (dict(more=(x509.NameConstraints([x509.DNSName("example")], None), True)), "power: extension 2.5.29.30"),
    "signer": (dict(signer=STRANGER), "signature: "), "issuer": (dict(issuer=name("CN=Other")), "issuer: "),
    "digest": (dict(hash=hashes.SHA384()), "digest: "),
}


@pytest.mark.parametrize("what", ALTERED)
def test_an_altered_certificate_is_found(what):
    changes, complaint = ALTERED[what]
    found = judged(certificate(**changes))
    assert any(text.startswith(complaint) for text in found), found


def set_to(part, number=None, **columns):
    def change(found):
        target = getattr(found, part)
        vars(target if number is None else target[number]).update(columns)
    return change


def add(part, **columns):
    return lambda found: getattr(found, part).append(row(**columns))


# What is altered in the rows, so that the same certificate is wrong
OTHER_ROWS = {
    "profile_inactive": (set_to("alias", profile_active=False), "refusal: alias_inactive"),
    "group_inactive": (set_to("alias", group_active=False), "refusal: alias_inactive"),
    "certificates_only": (set_to("alias", auth_enroll="cert"), "refusal: certificate_required"),
    "binding": (set_to("alias", binding="required"), "refusal: binding_required"),
    "group": (set_to("group", id=2), "refusal: group_refused"), "group_names": (set_to("group", names=["dev-*"]), "group: a.plant.example"),
    "validity": (set_to("profile", validity=days(31)), "notAfter: "), "backdate": (set_to("profile", backdate=days(1)), "notBefore: "),
    "latest_end": (set_to("profile", latest_end=(NOW + days(3)).replace(tzinfo=datetime.timezone.utc)), "notAfter: "),
    "beyond_ca": (set_to("profile", validity=days(500)), "refusal: ca_ends"), "digest": (set_to("profile", digest="sha512"), "digest: "),
    "keys": (set_to("profile", keys=["rsa:2048-4096", "ec:P-384", "ed25519"]), "refusal: key_not_allowed"),
    "subject_pattern": (set_to("subject_rules", 0, pattern="x*"), "refusal: name_refused"),
    "subject_dropped": (set_to("subject_rules", 1, pattern="x*", on_violation="drop"), "subject: "),
    "subject_required": (add("subject_rules", id=3, attribute="OU", required=True, pattern="**", max_count=1, on_violation="refuse"),
                         "refusal: name_invalid: OU is required"),
    "subject_no_rule": (lambda found: found.subject_rules.pop(), "refusal: name_refused: O=Example"),
    "subject_template": (set_to("profile", subject_template="O=Other,CN=${csr.CN}"), "subject: "),
    "subject_template_absent": (set_to("profile", subject_template="CN=dev-${csr.UID}"), "refusal: name_invalid"),
    "san_pattern": (set_to("san_rules", 0, pattern="*.office.example"), "refusal: name_refused: dns:a.plant.example"),
    "san_network": (set_to("san_rules", 1, pattern="11.0.0.0/8"), "refusal: name_refused: ip:10.0.0.1"),
    "san_dropped": (set_to("san_rules", 1, pattern="11.0.0.0/8", on_violation="drop"), "subjectAltName: "),
    "san_source": (set_to("san_rules", 1, source="entity"), "refusal: name_refused: ip:10.0.0.1"),
    "san_template": (add("san_rules", id=3, type="dns", source="template", template="b.plant.example", required=False, pattern="**", max_count=1,
                         on_violation="refuse"), "subjectAltName: "),
    "san_required": (add("san_rules", id=3, type="uri", source="csr", template=None, required=True, pattern="**", max_count=1,
                         on_violation="refuse"), "refusal: name_invalid"),
    "extension": (set_to("extensions", 1, value="serverAuth"), "extension 2.5.29.37: "),
    "extension_critical": (set_to("extensions", 4, critical=True), "extension 2.5.29.31: critical"),
    "section": (set_to("sections", 1, value="http://cps.example/b"), "extension 2.5.29.32: "),
    "one_more_extension": (add("extensions", name="tlsfeature", critical=False, value="status_request"), "extension 1.3.6.1.5.5.7.1.24: is missing"),
    "requested_ignored": (set_to("requested", 0, action="ignore"), f"extension {OWN}: nobody"),
    "requested_refused": (set_to("requested", 0, action="refuse"), "refusal: extension_refused"),
    "requested_required": (set_to("requested", 0, action="require", name="1.2.3.4.5"), "refusal: extension_refused"),
    "no_row_for_it": (lambda found: found.requested.pop(), f"extension {OWN}: nobody"),
}


@pytest.mark.parametrize("what", OTHER_ROWS)
def test_a_certificate_of_other_rows_is_found(what):
    change, complaint = OTHER_ROWS[what]
    changed = policy()
    change(changed)
    found = judged(certificate(), changed)
    assert any(text.startswith(complaint) for text in found), found


CLIENTS = {
    "own": (facts.Who("user", "dev-2", row(names=["own"], groups={1})), "client: "),
    "own_san": (facts.Who("user", "dev-1", row(names=["own"], groups={1})), "client: a.plant.example"),
    "patterns": (facts.Who("user", "ra", row(names=["dev-*", "10.**"], groups={1})), "client: a.plant.example"),
    "no_client": (facts.Who("user", "ldap", None), "client: "),
    "certificate": (facts.Who("certificate", cert=certificate(subject="CN=dev-3,O=Example")), "client: another subject"),
    "certificate_san": (facts.Who("certificate", cert=certificate(san=DNS)), "client: 10.0.0.1"),
}


@pytest.mark.parametrize("what", CLIENTS)
def test_names_that_are_not_the_clients_are_found(what):
    who, complaint = CLIENTS[what]
    found = judged(certificate(), who=who)
    assert any(text.startswith(complaint) for text in found), found


def test_a_renewal_keeps_its_names():
    holder = facts.Who("certificate", cert=certificate())
    assert judged(certificate(), who=holder, operation="simplereenroll") == []
    other = facts.Who("certificate", cert=certificate(san=[*given()["san"], x509.DNSName("b.plant.example")]))
    assert any("names_differ" in text for text in judged(certificate(), who=other, operation="simplereenroll"))


POWERS = ["a CA", "a CA with a path", "keyCertSign", "cRLSign", "cmcRA", "cmcCA", "OCSPSigning", "any purpose", "name constraints", "poison",
          "a small RSA key", "a wrong signature", "challengePassword"]


@pytest.mark.parametrize("what", POWERS)
def test_whatever_comes_of_a_hostile_request_is_found(what):
    asked = requests.hostile(None, requests.Request(KEY, list(ASKED.subject), list(ASKED.san), list(ASKED.extensions)), what)
    found = judged(certificate(), asked=asked)
    assert any(text.startswith("refusal: ") for text in found), found


# --- the record

def recorded(cert):
    when = {"not_before": cert.not_valid_before.replace(tzinfo=datetime.timezone.utc), "not_after": cert.not_valid_after.replace(tzinfo=datetime.timezone.utc)}
    return row(der=cert.public_bytes(Encoding.DER), alias="judged", ca="issuing", status="valid", **when,
               spki_hash=hashlib.sha256(facts.spki_of(cert.public_key())).digest(), subject="O=Example,CN=dev-1",
               san=["dns:a.plant.example", "ip:10.0.0.1"], entity=row(group_id=1, name="p-dev-1aB3"),
               enrollments=[row(outcome="issued", operation="simpleenroll", identity_kind="user")])


RECORDS = {
    "der": dict(der=b"0"), "alias": dict(alias="other"), "ca": dict(ca="other"), "status": dict(status="revoked"),
    "not_after": dict(not_after=NOW.replace(tzinfo=datetime.timezone.utc)), "spki_hash": dict(spki_hash=b"0" * 32), "subject": dict(subject="CN=dev-1"),
    "san": dict(san=["dns:a.plant.example"]), "entity_name": dict(entity=row(group_id=1, name="dev-1")),
    "entity_group": dict(entity=row(group_id=2, name="p-dev-1aB3")), "no_enrolment": dict(enrollments=[]),
    "operation": dict(enrollments=[row(outcome="issued", operation="simplereenroll", identity_kind="user")]),
}


def test_a_right_record_is_not_complained_of():
    cert = certificate()
    assert not list(verdict.record_complaints(recorded(cert), cert, policy(), ASKED.facts(WHO)))


@pytest.mark.parametrize("what", [*RECORDS, "none"])
def test_a_wrong_record_is_found(what):
    cert = certificate()
    found = None if what == "none" else recorded(cert)
    if found:
        vars(found).update(RECORDS[what])
    assert list(verdict.record_complaints(found, cert, policy(), ASKED.facts(WHO)))


# --- what it is made of

def glob_table():
    with open(os.path.join(TOP, "tests", "glob.tsv"), encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t")[:4] for line in file if not line.startswith("# ")]


def test_patterns_mean_what_the_table_says():
    wrong = [line for line in glob_table() if globs.matches(*line[:2], line[2] == "t") != (line[3] == "t")]
    assert len(glob_table()) > 80 and not wrong, wrong


@pytest.mark.parametrize("text, wanted", [
    ("CN=${csr.CN},O=Example", [("CN", "dev-1"), ("O", "Example")]), (" CN = a b , O=x", [("CN", "a b"), ("O", "x")]),
    ("CN=a\\,b\\\\\\$", [("CN", "a,b\\$")]), ("CN=${user}-${csr.O}", [("CN", "ra-Example")]), ("CN=x,OU=${csr.OU}", [("CN", "x")])])
def test_templates(text, wanted):
    assert template.subject(text, ASKED.facts(WHO)) == wanted


def test_a_template_without_its_value_has_none():
    with pytest.raises(template.Absent):
        template.subject("CN=x-${csr.OU}", ASKED.facts(WHO))


@pytest.mark.parametrize("rules, key, wanted", [
    (["rsa:2048"], ("rsa", 2048), True), (["rsa:2048"], ("rsa", 3072), False), (["rsa:2048-4096"], ("rsa", 4096), True),
    (["rsa:2048-4096"], ("rsa", 4097), False), (["ec:P-256,P-384"], ("ec", "P-384"), True), (["ec:P-256"], ("ec", "P-521"), False),
    (["ed25519"], ("ed25519", None), True), (["ed25519"], ("ed448", None), False)])
def test_keys(rules, key, wanted):
    assert verdict.key_allowed(rules, key) == wanted


def test_bits_and_purposes_are_read():
    assert extensions.usages_of(b"\x03\x02\x07\x80") == {"digitalSignature"} and extensions.usages_of(b"\x03\x01\x00") is None
    assert extensions.purposes_of(der.seq(der.oid("2.5.29.37.0"), der.oid("1.3.6.1.5.5.7.3.2"))) == ["2.5.29.37.0", "1.3.6.1.5.5.7.3.2"]
    assert extensions.purposes_of(der.seq()) is None
