# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""The judgement of a request before it is made, and of the certificate that came of it."""

import dataclasses
import datetime
import hashlib
import re

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from . import extensions, names
from .facts import attributes_of, key_of, sans_of, spki_of

HASHES = {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}
DEFAULTS = {"secp256r1": "sha256", "secp384r1": "sha384", "secp521r1": "sha512"}
RANDOM = r"[A-Za-z0-9]+"


@dataclasses.dataclass
class Expected:
    """refusals: [(rule, why)]: nothing may be issued. unclear: why nothing is foretold. Else what is issued."""

    names: names.Names
    extensions: extensions.Extensions
    refusals: list
    unclear: list

    @property
    def fine(self):
        """Nothing is said against it: it must be issued"""
        return not self.refusals and not self.unclear


def utc(time):
    """Times of certificates have no zone, those of PostgreSQL do"""
    return time.astimezone(datetime.timezone.utc).replace(tzinfo=None) if time.tzinfo else time


def key_allowed(rules, key):
    kind, size = key
    for rule in rules:
        family, _, sizes = rule.partition(":")
        if family != kind:
            continue
        if kind == "rsa":
            low, _, high = sizes.partition("-")
            if int(low) <= size <= int(high or low):
                return True
        elif kind != "ec" or size in sizes.split(","):
            return True
    return False


def validity(profile, issuer, now):
    """(notBefore, notAfter, does it outlive the CA)"""
    start, end = now - profile.backdate, now + profile.validity
    if profile.latest_end and end > utc(profile.latest_end):
        end = utc(profile.latest_end).replace(microsecond=0)
    beyond = end > issuer.not_valid_after
    return max(start, issuer.not_valid_before), min(end, issuer.not_valid_after), beyond


def judge_alias(policy, facts):
    """Who may come here at all"""
    found, alias, who = [], policy.alias, facts.who
    if not policy.profile or not alias.profile_active or not policy.group or not alias.group_active:
        found.append(("alias_inactive", "no active profile and group"))
    if who.kind == "user" and who.client and policy.group and policy.group.id not in who.client.groups:
        found.append(("group_refused", "the client is not in the group"))
    if who.kind == "user" and alias.auth_enroll in ("cert", "basic-and-cert"):
        found.append(("certificate_required", "a password is not enough"))
    if who.kind == "certificate" and alias.auth_enroll in ("basic", "basic-and-cert") and facts.operation == "simpleenroll":
        found.append(("authentication_required", "a certificate is not enough"))
    if not facts.challenge and alias.binding == "required":
        found.append(("binding_required", "no channel binding"))
    return found


def judge_validity(policy, issuer, now):
    start, end, beyond = validity(policy.profile, issuer, now)
    if beyond and policy.profile.beyond_ca == "refuse":
        return [("ca_ends", "it would outlive the CA")]
    return [("ca_ends", "nothing is left of the validity")] if end <= now or start >= end else []


def judge(policy, facts, issuer, now):
    """Expected; issuer: the CA's certificate; now: without a zone, of whole seconds"""
    refusals = judge_alias(policy, facts)
    if facts.subject is None:  # python3-cryptography cannot read it, and what is issued it could not judge
        return Expected(names.Names(), extensions.Extensions(), [("csr_invalid", facts.odd)], [facts.odd])
    if not policy.profile:
        return Expected(names.Names(), extensions.Extensions(), refusals, [])
    if not key_allowed(policy.profile.keys, facts.key):
        refusals.append(("key_not_allowed", f"{facts.key}"))
    if facts.key[0] == "rsa" and not 2048 <= facts.key[1] <= 8192:
        refusals.append(("key_rejected", f"{facts.key}"))
    if facts.spki == spki_of(issuer.public_key()):
        refusals.append(("key_reserved", "the CA's own key"))
    named, extended = names.judge(policy, facts), extensions.judge(policy, facts)
    if named.subject and [(part.type, part.value) for part in named.subject] == \
            [(part.type, part.value) for part in attributes_of(issuer.subject)]:
        refusals.append(("name_invalid", "the CA's own name"))
    if facts.hopeless:
        refusals.append(("hopeless", facts.hopeless))
    if not named.subject:
        named.leave_open("what the end entity is called")
    refusals += named.refusals + extended.refusals + judge_validity(policy, issuer, now)
    return Expected(named, extended, refusals, named.unclear + extended.unclear + ([facts.odd] if facts.odd else []))


# --- a certificate against that

def subject_complaints(cert, expected):
    wanted = [(part.type, part.value) for part in expected.names.subject]
    have = [(part.type, part.value) for part in attributes_of(cert.subject)]
    rdns = len({part.rdn for part in expected.names.subject})
    if sorted(wanted) != sorted(have) or (rdns == len(wanted) and wanted != have) or len(cert.subject.rdns) != rdns:
        yield f"subject: {have}, not {wanted}"


def san_complaints(cert, expected):
    have = sans_of(cert.extensions)
    normal = [names.normal(*name) for name in have]
    if len(set(normal)) != len(normal):
        yield f"subjectAltName: a name stands twice in {have}"
    wanted = {names.normal(*name) for name in expected.names.san}
    if set(normal) != wanted:
        yield f"subjectAltName: {sorted(normal)}, not {sorted(wanted)}"


def rule_complaints(cert, policy, facts):
    """The same once more, from the certificate alone: what no path through the rules may let through"""
    subject, san = attributes_of(cert.subject), sans_of(cert.extensions)
    for part in subject:
        rules = [rule for rule in policy.subject_rules if rule.attribute == part.type]
        if not rules:
            yield f"subject rule: none for {part.type}"
        elif names.attribute_flaw(rules[0], part, 0):
            yield f"subject rule: {part.type}={part.value}: pattern {rules[0].pattern}"
        elif sum(other.type == part.type for other in subject) > rules[0].max_count:
            yield f"subject rule: more than {rules[0].max_count} {part.type}"
    for kind, value in san:
        rules = [rule for rule in policy.san_rules if rule.type == kind]
        if not any(names.globs.matches_san(rule.pattern, kind, value) for rule in rules):
            yield f"SAN rule: no pattern has {kind}:{value}"
        elif sum(other == kind for other, _ in san) > sum(rule.max_count for rule in rules):
            yield f"SAN rule: too many of type {kind}"
        if kind == "dns" and value.startswith("*") and not policy.profile.dns_wildcards:
            yield f"SAN rule: wildcard {value}"
    for rule in policy.subject_rules:
        if rule.required and rule.attribute not in {part.type for part in subject}:
            yield f"subject rule: {rule.attribute} is required"
    for rule in policy.san_rules:
        if rule.required and not any(kind == rule.type and names.globs.matches_san(rule.pattern, kind, value) for kind, value in san):
            yield f"SAN rule: {rule.type} ({rule.pattern}) is required"
    for text in names.uncovered(policy.group.names, subject, san):
        yield f"group: {text}"
    for text in names.foreign_choice(policy, facts, subject, san):
        yield f"client: {text}"
    for address in names.lone_emails(subject, san):
        yield f"emailAddress: {address} is in the subject alone"


def key_complaints(cert, policy, facts):
    if spki_of(cert.public_key()) != facts.spki:
        yield "key: not that of the request"
    if not key_allowed(policy.profile.keys, key_of(cert.public_key())):
        yield f"key: {key_of(cert.public_key())}, allowed are {policy.profile.keys}"


def validity_complaints(cert, policy, issuer, span):
    """span: (before, after) the request, without a zone"""
    first = validity(policy.profile, issuer, span[0].replace(microsecond=0))
    last = validity(policy.profile, issuer, span[1].replace(microsecond=0))
    if not first[0] <= cert.not_valid_before <= last[0]:
        yield f"notBefore: {cert.not_valid_before}, not {first[0]} to {last[0]}"
    if not first[1] <= cert.not_valid_after <= last[1]:
        yield f"notAfter: {cert.not_valid_after}, not {first[1]} to {last[1]}"
    if first[2] and last[2] and policy.profile.beyond_ca == "refuse":
        yield "notAfter: cut to the CA's, which the profile does not want"
    if cert.not_valid_after > issuer.not_valid_after or cert.not_valid_before < issuer.not_valid_before:
        yield "validity: not within the CA's"


def extension_complaints(cert, expected, issuer):
    wanted = dict(expected.extensions.wanted)
    wanted[extensions.SKI] = (False, x509.SubjectKeyIdentifier.from_public_key(cert.public_key()))
    above = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    wanted[extensions.AKI] = (False, x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above))
    have = {extension.oid.dotted_string: extension for extension in cert.extensions}
    san = have.pop(extensions.SAN, None)
    if san and san.critical != (not list(cert.subject)):
        yield "subjectAltName: critical exactly where there is no subject"
    for oid in sorted(set(have) | set(wanted)):
        if oid not in wanted:
            yield f"extension {oid}: nobody gave it"
        elif oid not in have:
            yield f"extension {oid}: is missing"
        elif have[oid].critical != wanted[oid][0]:
            yield f"extension {oid}: critical is {have[oid].critical}"
        elif not extensions.same(wanted[oid][1], have[oid]):
            yield f"extension {oid}: {have[oid].value}, not {wanted[oid][1]}"


def power_complaints(cert, policy):
    """What no subscriber ever gets, whatever the rows say, and what only the profile's own row can give"""
    given = {oid for row in policy.extensions if row.name == "extendedKeyUsage"
             for oid in (extensions.PURPOSES.get(word, word) for word in extensions.words(row.value))}
    for extension in cert.extensions:
        oid, value = extension.oid.dotted_string, extension.value.public_bytes()
        if oid in extensions.CA_ONLY:
            yield f"power: extension {oid}"
        if isinstance(extension.value, x509.BasicConstraints) and (extension.value.ca or extension.value.path_length is not None):
            yield "power: a CA"
        if isinstance(extension.value, x509.KeyUsage) and (extension.value.key_cert_sign or extension.value.crl_sign):
            yield "power: key usage of a CA"
        if isinstance(extension.value, x509.ExtendedKeyUsage):
            speaks = extensions.POWERS & set(extensions.purposes_of(value)) - given
            if speaks or extensions.KP + "27" in extensions.purposes_of(value):
                yield f"power: purposes {speaks}"


def is_ca(cert):
    found = [extension.value.ca for extension in cert.extensions if isinstance(extension.value, x509.BasicConstraints)]
    return any(found)


def verifies(cert, issuer):
    key, hashed = issuer.public_key(), cert.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(cert.signature, cert.tbs_certificate_bytes, padding.PKCS1v15(), hashed)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(cert.signature, cert.tbs_certificate_bytes, ec.ECDSA(hashed))
        else:
            key.verify(cert.signature, cert.tbs_certificate_bytes)
    except InvalidSignature:
        return False
    return True


def signature_complaints(cert, policy, issuer):
    key = issuer.public_key()
    if cert.issuer.public_bytes() != issuer.subject.public_bytes():
        yield "issuer: not the CA's subject"
    if cert.version != x509.Version.v3 or not 0 < cert.serial_number < 1 << 159:
        yield "serial number or version"
    if not verifies(cert, issuer):
        yield "signature: does not verify"
    if isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        digest = policy.profile.digest
        if digest == "default":
            digest = DEFAULTS[key.curve.name] if isinstance(key, ec.EllipticCurvePublicKey) else "sha256"
        if cert.signature_hash_algorithm.name != HASHES[digest]().name:
            yield f"digest: {cert.signature_hash_algorithm.name}, not {digest}"


def complaints(cert, policy, facts, issuer, span):
    """Everything that is wrong with a certificate that was issued, "aspect: what" each; none: it is what it must be"""
    expected = judge(policy, facts, issuer, span[0].replace(microsecond=0))
    found = [f"refusal: {rule}: {why}" for rule, why in expected.refusals]
    for check in (subject_complaints(cert, expected), san_complaints(cert, expected), rule_complaints(cert, policy, facts),
                  key_complaints(cert, policy, facts), validity_complaints(cert, policy, issuer, span),
                  extension_complaints(cert, expected, issuer), power_complaints(cert, policy), signature_complaints(cert, policy, issuer)):
        found += check
    return found


# --- the record of it

def subject_text(cert):
    """RFC 2253: the last relative name first"""
    from ..names import escaped  # noqa: PLC0415
    rdns = []
    for part in reversed(attributes_of(cert.subject)):
        rdns.append((part.rdn, f"{part.type}={escaped(part.value)}"))
    return ",".join(text for _, text in rdns) if len({rdn for rdn, _ in rdns}) == len(rdns) else None


def entity_pattern(alias, cert, who):
    """A regular expression of the end entity's name; None where the documentation leaves it open"""
    scheme, _, detail = alias.name_scheme.partition(":")
    subject = attributes_of(cert.subject)
    if alias.mode == "client":
        return re.escape(who.entity.name) if who.entity else None
    middle = {"fixed": lambda: re.escape(detail), "random": lambda: RANDOM,
              "username": lambda: subject_text(cert) and re.escape(subject_text(cert))}.get(scheme)
    if middle:
        middle = middle()
    else:
        found = [next((part.value for part in subject if part.type == kind), None) for kind in detail.split(",")]
        middle = next((re.escape(value) for value in found if value), None)
    if not middle:
        return None
    prefix, postfix = (RANDOM.join(map(re.escape, text.split("${RANDOM}"))) for text in (alias.name_prefix, alias.name_postfix))
    return prefix + middle + postfix


def record_complaints(row, cert, policy, facts):
    """What the database has of it; row: of rows.record(), or None"""
    if row is None:
        yield "record: there is none"
        return
    if bytes(row.der) != cert.public_bytes(Encoding.DER):
        yield "record: another certificate"
    if row.alias != policy.alias.name or row.ca != policy.alias.ca or row.status != "valid":
        yield f"record: {row.alias}, {row.ca}, {row.status}"
    if (utc(row.not_before), utc(row.not_after)) != (cert.not_valid_before, cert.not_valid_after):
        yield "record: validity"
    if bytes(row.spki_hash) != hashlib.sha256(spki_of(cert.public_key())).digest():
        yield "record: hash of the key"
    if subject_text(cert) not in (None, row.subject):
        yield f"record: subject {row.subject!r}"
    if {names.normal(*name.split(":", 1)) for name in row.san} != {names.normal(*name) for name in sans_of(cert.extensions)}:
        yield f"record: subjectAltName {row.san}"
    enrolments = [line for line in row.enrollments if line.outcome == "issued"]
    if len(enrolments) != 1 or enrolments[0].operation != facts.operation or enrolments[0].identity_kind != facts.who.kind:
        yield "record: enrolment"
    pattern = entity_pattern(policy.alias, cert, facts.who)
    if row.entity.group_id != policy.group.id or pattern and not re.fullmatch(pattern, row.entity.name, re.DOTALL):
        yield f"record: entity {row.entity.name!r} is not {pattern}"
