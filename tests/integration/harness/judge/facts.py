# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What is known of a request: who asks, and what python3-cryptography reads in it."""

import dataclasses
import ipaddress
import warnings

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# OpenSSL's short names, docs/sql.md (profile_subject_rule)
ATTRIBUTES = {
    "CN": "2.5.4.3", "SN": "2.5.4.4", "serialNumber": "2.5.4.5", "C": "2.5.4.6", "L": "2.5.4.7", "ST": "2.5.4.8", "street": "2.5.4.9",
    "O": "2.5.4.10", "OU": "2.5.4.11", "title": "2.5.4.12", "description": "2.5.4.13", "businessCategory": "2.5.4.15",
    "postalCode": "2.5.4.17", "postOfficeBox": "2.5.4.18", "telephoneNumber": "2.5.4.20", "name": "2.5.4.41", "GN": "2.5.4.42",
    "initials": "2.5.4.43", "generationQualifier": "2.5.4.44", "dnQualifier": "2.5.4.46", "houseIdentifier": "2.5.4.51",
    "pseudonym": "2.5.4.65", "organizationIdentifier": "2.5.4.97", "UID": "0.9.2342.19200300.100.1.1",
    "DC": "0.9.2342.19200300.100.1.25", "emailAddress": "1.2.840.113549.1.9.1", "unstructuredName": "1.2.840.113549.1.9.2",
    "unstructuredAddress": "1.2.840.113549.1.9.8", "jurisdictionL": "1.3.6.1.4.1.311.60.2.1.1",
    "jurisdictionST": "1.3.6.1.4.1.311.60.2.1.2", "jurisdictionC": "1.3.6.1.4.1.311.60.2.1.3",
}
SHORT = {oid: name for name, oid in ATTRIBUTES.items()}
# Those that say who somebody is: group and client names are about these and every subjectAltName
IDENTITY = {"CN", "UID", "serialNumber", "emailAddress", "dnQualifier", "pseudonym", "unstructuredName", "unstructuredAddress"}
SAN_OID, CHALLENGE = "2.5.29.17", "1.2.840.113549.1.9.7"
SAN_TYPES = ((x509.DNSName, "dns"), (x509.IPAddress, "ip"), (x509.UniformResourceIdentifier, "uri"), (x509.RFC822Name, "email"))
CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


@dataclasses.dataclass(frozen=True)
class Attribute:
    type: str  # short name, or dotted OID
    value: str
    rdn: int  # which relative name it stands in


def attributes_of(name):
    return [Attribute(SHORT.get(part.oid.dotted_string, part.oid.dotted_string), part.value, number)
            for number, rdn in enumerate(name.rdns) for part in rdn]


def sans_of(extensions):
    """[(type, text)]; of types that are never issued the type is "other" """
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [san_of(name) for name in names]


def san_of(name):
    for kind, word in SAN_TYPES:
        if isinstance(name, kind):
            return word, str(ipaddress.ip_address(name.value)) if word == "ip" else name.value
    return "other", repr(name)


def key_of(public):
    """("rsa", bits), ("ec", "P-256"), ("ed25519", None), ...; ("unknown", ...)"""
    if isinstance(public, rsa.RSAPublicKey):
        return "rsa", public.key_size
    if isinstance(public, ec.EllipticCurvePublicKey):
        return "ec", CURVES.get(public.curve.name, public.curve.name)
    if isinstance(public, ed25519.Ed25519PublicKey):
        return "ed25519", None
    return ("ed448", None) if isinstance(public, ed448.Ed448PublicKey) else ("unknown", None)


def spki_of(public):
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclasses.dataclass
class Who:
    """An authenticated identity. kind: user (client: its row, None with another provider), certificate (cert), entity (row)"""

    kind: str
    name: str = None
    client: object = None
    cert: x509.Certificate = None
    entity: object = None


@dataclasses.dataclass
class Facts:
    who: Who
    operation: str = "simpleenroll"
    subject: list = None  # Attributes
    san: list = None
    key: tuple = None
    spki: bytes = None
    extensions: list = None  # (dotted oid, critical, octets of the value)
    challenge: str = None
    odd: str = None  # why nothing is foretold of it: what it has is judged by rules that are not the policy's
    hopeless: str = None  # why nothing may come of it, whatever the policy says

    def attribute(self, kind):
        """Value of the first such attribute of the request, None"""
        return next((attribute.value for attribute in self.subject if attribute.type == kind), None)


def read(csr, who, operation="simpleenroll", odd=None, hopeless=None):
    """Facts of a request in DER. odd: says why its fate is left open; what is issued all the same is judged"""
    facts = Facts(who, operation, odd=odd, hopeless=hopeless)
    with warnings.catch_warnings():  # of what the library finds odd: that is for the judge to say
        warnings.simplefilter("ignore")
        fill(facts, csr)
    return facts


def fill(facts, csr):
    try:
        request = x509.load_der_x509_csr(csr)
        facts.subject, facts.san = attributes_of(request.subject), sans_of(request.extensions)
        facts.key, facts.spki = key_of(request.public_key()), spki_of(request.public_key())
        facts.extensions = [(extension.oid.dotted_string, extension.critical, extension.value.public_bytes())
                            for extension in request.extensions if extension.oid.dotted_string != SAN_OID]
        valid = request.is_signature_valid
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, NotImplementedError) as error:
        facts.odd = facts.odd or f"it cannot be read: {error!r}"
        facts.subject = None
        return
    if not valid:
        facts.hopeless = facts.hopeless or "its signature is wrong"
