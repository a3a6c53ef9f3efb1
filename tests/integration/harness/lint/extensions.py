# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Extensions but for subjectAltName: RFC 5280 4.2, RFC 8813, RFC 8410 5."""

import hashlib

from pyasn1.codec.der import decoder
from pyasn1.error import PyAsn1Error
from pyasn1_modules import rfc5280

from .. import der
from .view import Table

LINTS = Table()
SKI, USAGE, CONSTRAINTS, CRLDP, POLICIES, AKI, PURPOSES = ("2.5.29." + arc for arc in ("14", "15", "19", "31", "32", "35", "37"))
AIA, POISON = "1.3.6.1.5.5.7.1.1", "1.3.6.1.4.1.11129.2.4.3"
BITS = ("digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign", "cRLSign",
        "encipherOnly", "decipherOnly")
SIGNING = {"digitalSignature", "nonRepudiation"}
AGREEMENT = {"keyAgreement", "encipherOnly", "decipherOnly"}
FITTING = {"rsa": SIGNING | {"keyEncipherment", "dataEncipherment"}, "ec": SIGNING | AGREEMENT, "ed25519": SIGNING, "ed448": SIGNING}
KP, ANY_PURPOSE = "1.3.6.1.5.5.7.3.", "2.5.29.37.0"
# RFC 5280 4.2.1.12: the usages of which one at least goes with a purpose
CONSISTENT = {
    KP + "1": {"digitalSignature", "keyEncipherment", "keyAgreement"}, KP + "2": {"digitalSignature", "keyAgreement"},
    KP + "3": {"digitalSignature"}, KP + "4": SIGNING | {"keyEncipherment", "keyAgreement"}, KP + "8": SIGNING, KP + "9": SIGNING,
}
POWERS = {KP + "8": "timeStamping", KP + "9": "OCSPSigning", KP + "27": "cmcCA", KP + "28": "cmcRA", KP + "29": "cmcArchive"}


def usages(view):
    """Names of the bits of keyUsage; None when there is none"""
    usage = view.extension(USAGE)
    if not usage:
        return None
    octets = usage.value.body[1:]
    return {name for bit, name in enumerate(BITS) if bit // 8 < len(octets) and octets[bit // 8] & (0x80 >> bit % 8)}


def purposes(view):
    extension = view.extension(PURPOSES)
    return [purpose.oid() for purpose in extension.value.children()] if extension else []


@LINTS.row("CP-07")
def aki_is_the_issuers_ski(view):
    aki, above = view.extension(AKI), view.above and view.above.extension(SKI)
    if not aki:
        yield "no authorityKeyIdentifier"
        return
    if aki.critical:
        yield "critical"
    identifier = [part.body for part in aki.value.children() if part.tag == 0x80]
    if len(identifier) != 1 or (above and identifier[0] != above.value.body):
        yield "its keyIdentifier is not the issuer's"


@LINTS.row("CP-08")
def ski_is_the_keys(view):
    ski = view.extension(SKI)
    if not ski or ski.critical:
        yield "critical" if ski else "no subjectKeyIdentifier"
    elif ski.value.tag != der.OCTET_STRING or ski.value.body != hashlib.sha1(view.key_bits.body[1:]).digest():
        yield "not the SHA-1 of the key (4.2.1.2 (1))"


@LINTS.row("CP-09")
def key_usage_is_critical_and_says_something(view):
    usage = view.extension(USAGE)
    if not usage or not usage.critical:
        yield "not critical" if usage else "no keyUsage"
    if usage and not usages(view):
        yield "no bit is set"


@LINTS.row("CP-09")
def key_usage_is_minimal(view):
    usage = view.extension(USAGE)
    if not usage:
        return
    body = usage.value.body
    if usage.value.tag != der.BIT_STRING or len(body) not in (2, 3) or body[0] > 7:
        yield "not a BIT STRING of one to nine bits"
    elif not body[-1] >> body[0] & 1 or body[-1] & ((1 << body[0]) - 1):
        yield "trailing zero bits, or bits that are not used"


@LINTS.row("CP-09")
def key_usage_of_an_end_entity(view):
    for name in (usages(view) or set()) & {"keyCertSign", "cRLSign"}:
        yield name


@LINTS.row("CP-10")
def key_usage_fits_the_key(view):
    present = usages(view) or set()
    fitting = FITTING.get(view.key_kind(), set(BITS))
    if present - fitting:
        yield f"{', '.join(sorted(present - fitting))} with a key of type {view.key_kind()}"
    if present & {"encipherOnly", "decipherOnly"} and "keyAgreement" not in present:
        yield "encipherOnly or decipherOnly without keyAgreement"


@LINTS.row("CP-11")
def key_usage_goes_with_each_purpose(view):
    present = usages(view)
    for purpose in purposes(view):
        if present is not None and not present & CONSISTENT.get(purpose, present):
            yield f"no usage for {purpose}"


@LINTS.row("CP-12")
def purposes_are_not_powers(view):
    extension = view.extension(PURPOSES)
    if extension and (not purposes(view) or len(set(purposes(view))) != len(purposes(view))):
        yield "no purpose, or one twice"
    if ANY_PURPOSE in purposes(view) and extension.critical:
        yield "critical anyExtendedKeyUsage"
    for purpose in purposes(view):
        if purpose in POWERS:
            yield POWERS[purpose]


@LINTS.row("CP-13")
def basic_constraints_are_empty(view):
    constraints = view.extension(CONSTRAINTS)
    if constraints and constraints.octets != b"\x30\x00":
        yield f"{constraints.octets.hex()}"


@LINTS.row("CP-14")
def no_extension_twice(view):
    oids = [extension.oid for extension in view.extensions]
    for oid in {oid for oid in oids if oids.count(oid) > 1}:
        yield oid


@LINTS.row("CP-14")
def extensions_are_written_as_der(view):
    if any(part.tag == 0xA3 for part in view.rest) and not view.extensions:
        yield "an empty list"
    for extension in view.extensions:
        if extension.written not in (None, b"\xff"):
            yield f"critical of {extension.oid} is {extension.written.hex()}"
        spec = rfc5280.certificateExtensionsMap.get(rfc5280.univ.ObjectIdentifier(extension.oid))
        try:
            if spec is not None and decoder.decode(extension.octets, asn1Spec=spec.clone())[1]:
                yield f"octets behind the value of {extension.oid}"
        except PyAsn1Error as error:
            yield f"value of {extension.oid}: {error}"


@LINTS.row("CP-24")
def pointers_are_not_critical(view):
    for oid in (CRLDP, AIA):
        if view.extension(oid) and view.extension(oid).critical:
            yield oid


def uris(part):
    """Every uniformResourceIdentifier [6] below part"""
    if part.tag == 0x86:
        return [part.body]
    return [uri for child in part.children() for uri in uris(child)] if part.tag & 0x20 else []


@LINTS.row("CP-24")
def pointers_are_http(view):
    for oid in (CRLDP, AIA):
        extension = view.extension(oid)
        found = uris(extension.value) if extension else [b"http://"]
        if not found or not all(uri.startswith(b"http://") for uri in found):
            yield f"{oid}: {found}"


@LINTS.row("CP-24")
def policies_are_given_once(view):
    extension = view.extension(POLICIES)
    found = [policy.children()[0].oid() for policy in extension.value.children()] if extension else []
    if len(set(found)) != len(found) or (extension and not found):
        yield f"{found}"


@LINTS.row("CP-25")
def no_poison(view):
    if view.extension(POISON):
        yield "a precertificate"


@LINTS.row("CP-25")
def no_proprietary_extension(view):
    for extension in view.extensions:
        if not extension.oid.startswith(("2.5.29.", "1.3.6.1.5.5.7.1.")) and extension.oid not in (POISON, *view.given):
            yield extension.oid
