# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Which extensions a certificate must have, written from the rows in x509v3_config(5)'s syntax by python3-cryptography."""

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from .. import der

USAGES = ("digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign", "cRLSign",
          "encipherOnly", "decipherOnly")
# RFC 3279 2.3.1, RFC 8813 3, RFC 8410 5: what an end entity's key can do
ABLE = {
    "rsa": {"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment"},
    "ec": {"digitalSignature", "nonRepudiation", "keyAgreement", "encipherOnly", "decipherOnly"},
    "ed25519": {"digitalSignature", "nonRepudiation"}, "ed448": {"digitalSignature", "nonRepudiation"},
}
KP, MS = "1.3.6.1.5.5.7.3.", "1.3.6.1.4.1.311."
PURPOSES = {"serverAuth": KP + "1", "clientAuth": KP + "2", "codeSigning": KP + "3", "emailProtection": KP + "4", "ipsecEndSystem": KP + "5",
            "ipsecTunnel": KP + "6", "ipsecUser": KP + "7", "timeStamping": KP + "8", "OCSPSigning": KP + "9", "ipsecIKE": KP + "17",
            "cmcRA": KP + "28", "anyExtendedKeyUsage": "2.5.29.37.0", "msCodeInd": MS + "2.1.21", "msCodeCom": MS + "2.1.22",
            "msCTLSign": MS + "10.3.1", "msEFS": MS + "10.3.4", "msSmartcardLogin": MS + "20.2.2"}
# RFC 5280 4.2.1.12: one of these key usages for each purpose
NEEDS = {KP + "1": {"digitalSignature", "keyEncipherment", "keyAgreement"}, KP + "2": {"digitalSignature", "keyAgreement"},
         KP + "3": {"digitalSignature"}, KP + "4": {"digitalSignature", "nonRepudiation", "keyEncipherment", "keyAgreement"},
         KP + "8": {"digitalSignature", "nonRepudiation"}, KP + "9": {"digitalSignature", "nonRepudiation"}}
# Purposes that no request can ask for: they speak for others
POWERS = {KP + number for number in ("27", "28", "29", "8", "9")} | {"2.5.29.37.0"}
KEY_USAGE, PURPOSE, CONSTRAINTS = "2.5.29.15", "2.5.29.37", "2.5.29.19"
TLS_FEATURE, SKI, AKI, SAN = "1.3.6.1.5.5.7.1.24", "2.5.29.14", "2.5.29.35", "2.5.29.17"
# Extensions that only CAs have: name and policy constraints, mappings, inhibitAnyPolicy, a precertificate's poison
CA_ONLY = {"2.5.29.30", "2.5.29.36", "2.5.29.33", "2.5.29.54", "1.3.6.1.4.1.11129.2.4.3"}
# Others that are known, and given by nobody but the profile
NAMES = {"keyUsage": KEY_USAGE, "extendedKeyUsage": PURPOSE, "basicConstraints": CONSTRAINTS, "certificatePolicies": "2.5.29.32",
         "crlDistributionPoints": "2.5.29.31", "authorityInfoAccess": "1.3.6.1.5.5.7.1.1", "tlsfeature": TLS_FEATURE,
         "noCheck": "1.3.6.1.5.5.7.48.1.5", "nsComment": "2.16.840.1.113730.1.13"}


def words(value):
    return [word.strip() for word in value.split(",")]


# --- values

def key_usage(names):
    fields = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
              "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{field: name in names for field, name in zip(fields, USAGES)}).public_bytes()


def usages_of(value):
    """Names of the bits of a keyUsage's octets, None where it is malformed"""
    try:
        tag, bits = value[0], value[2:]
        if tag != 3 or value[1] != len(bits) or not 2 <= len(bits) <= 3 or bits[0] > 7:
            return None
        return {name for number, name in enumerate(USAGES) if number // 8 + 1 < len(bits) and bits[1 + number // 8] & 0x80 >> number % 8}
    except IndexError:
        return None


def purposes_of(value):
    """Dotted OIDs of an extendedKeyUsage's octets, None where it is malformed"""
    try:
        parts = der.children(value) if value[0] == 0x30 and len(value) > 2 else []
        return [dotted(part[2:]) for part in parts if part[0] == 6] if parts and all(part[0] == 6 for part in parts) else None
    except (IndexError, ValueError):
        return None


def dotted(body):
    numbers, current = [], 0
    for octet in body:
        current = current << 7 | octet & 0x7f
        if octet < 0x80:
            numbers.append(current)
            current = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))


def extended_key_usage(value, _):
    return x509.ExtendedKeyUsage([x509.ObjectIdentifier(PURPOSES.get(word, word)) for word in words(value)]).public_bytes()


def lines_of(policy, reference):
    return [(line.name, line.value) for line in policy.sections if "@" + line.section == reference]


def notice(policy, reference):
    lines = dict(lines_of(policy, reference))
    numbers = [int(word) for word in words(lines["noticeNumbers"])] if "noticeNumbers" in lines else []
    about = x509.NoticeReference(lines["organization"], numbers) if "organization" in lines else None
    return x509.UserNotice(about, lines.get("explicitText"))


def policy_of(policy, word):
    any_policy = {"anyPolicy": "2.5.29.32.0"}
    if not word.startswith("@"):
        return x509.PolicyInformation(x509.ObjectIdentifier(any_policy.get(word, word)), None)
    lines = lines_of(policy, word)
    oid = dict(lines)["policyIdentifier"]
    qualifiers = [notice(policy, value) if name.startswith("userNotice") else value for name, value in lines if name != "policyIdentifier"]
    return x509.PolicyInformation(x509.ObjectIdentifier(any_policy.get(oid, oid)), qualifiers or None)


def certificate_policies(value, policy):
    return x509.CertificatePolicies([policy_of(policy, word) for word in words(value)])


def uris(value, policy):
    """[(what is before URI, URI)]"""
    if value.startswith("@"):
        return [(name.partition("URI")[0], text) for name, text in lines_of(policy, value)]
    return [(word.partition("URI:")[0], word.partition("URI:")[2]) for word in words(value)]


def crl_points(value, policy):
    points = [text for _, text in uris(value, policy)]
    return x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier(text)], None, None, None)
                                       for text in points]).public_bytes()


def info_access(value, policy):
    methods = {"OCSP;": AuthorityInformationAccessOID.OCSP, "caIssuers;": AuthorityInformationAccessOID.CA_ISSUERS}
    return x509.AuthorityInformationAccess([x509.AccessDescription(methods[method], x509.UniformResourceIdentifier(text))
                                            for method, text in uris(value, policy)]).public_bytes()


def tls_feature(value, _):
    kinds = {"status_request": x509.TLSFeatureType.status_request, "status_request_v2": x509.TLSFeatureType.status_request_v2}
    return x509.TLSFeature([kinds[word] for word in words(value)]).public_bytes()


def generic(value, _):
    kind, _, rest = value.partition(":")
    if kind == "DER":
        return bytes.fromhex(rest.replace(":", ""))
    kind, _, text = rest.partition(":")
    return {"NULL": lambda: der.tlv(der.NULL), "BOOLEAN": lambda: der.tlv(der.BOOLEAN, b"\xff" if text == "TRUE" else b"\0"),
            "INTEGER": lambda: der.integer(int(text)), "UTF8String": lambda: der.tlv(der.UTF8, text.encode()),
            "IA5STRING": lambda: der.tlv(der.IA5, text.encode()),
            "PRINTABLESTRING": lambda: der.tlv(der.PRINTABLE, text.encode())}[kind]()


WRITERS = {
    "keyUsage": lambda value, _: key_usage(words(value)), "extendedKeyUsage": extended_key_usage,
    "basicConstraints": lambda *_: x509.BasicConstraints(False, None).public_bytes(), "certificatePolicies": certificate_policies,
    "crlDistributionPoints": crl_points, "authorityInfoAccess": info_access, "tlsfeature": tls_feature,
    "noCheck": lambda *_: x509.OCSPNoCheck().public_bytes(), "nsComment": lambda value, _: der.tlv(der.IA5, value.encode()),
}


# --- what the profile and the request make of them

class Extensions:
    """wanted: oid -> (critical, value); a value is octets, or what python3-cryptography reads. refusals, unclear: as of Names"""

    def __init__(self):
        self.wanted, self.copied, self.dropped, self.refusals, self.unclear = {}, set(), [], [], []

    def refuse(self, rule, why):
        self.refusals.append((rule, why))


def of_profile(found, policy):
    for row in policy.extensions:
        writer = WRITERS.get(row.name, generic)
        found.wanted[NAMES.get(row.name, row.name)] = (row.critical, writer(row.value, policy))


def power_of(oid, value):
    """Why it would make somebody of a subscriber; None, or "malformed" """
    if oid in CA_ONLY:
        return "it is a CA's"
    if oid == KEY_USAGE:
        usages = usages_of(value)
        return "malformed" if usages is None else "a CA's key usage" if usages & {"keyCertSign", "cRLSign"} else None
    if oid == PURPOSE:
        purposes = purposes_of(value)
        return "malformed" if purposes is None else "a purpose that speaks for others" if POWERS & set(purposes) else None
    if oid == CONSTRAINTS:
        return None if value in (b"\x30\x00", b"\x30\x03\x01\x01\x00") else "CA:TRUE or malformed"
    return None


def judge_requested(found, facts, action, extension):
    """action: of the profile's row for it, None without one"""
    oid, critical, value = extension
    power = power_of(oid, value)
    if power:
        found.refuse("extension_refused", f"{oid}: {power}")
    elif action == "refuse":
        found.refuse("extension_refused", f"{oid}: the profile refuses it")
    elif action in ("copy", "require"):
        # As critical as the profile's own, where it has one: that is the default which the request fills
        found.wanted[oid] = (found.wanted[oid][0] if oid in found.wanted else critical, value)
        found.copied.add(oid)
    elif action is None and critical and oid not in (KEY_USAGE, PURPOSE, CONSTRAINTS):
        found.refuse("extension_refused", f"{oid} is critical, and taken from no request")


def cut_usage(found, facts):
    """keyUsage, whether the profile's or a copy, cut to what the key can do; what is left; None without one"""
    if KEY_USAGE not in found.wanted:
        return None
    critical, value = found.wanted[KEY_USAGE]
    asked = usages_of(value)
    left = asked & ABLE.get(facts.key[0], set())
    if not left & {"keyAgreement"}:
        left -= {"encipherOnly", "decipherOnly"}  # they mean nothing by themselves
    if asked - left:
        found.dropped.append("keyUsage=" + ", ".join(name for name in USAGES if name in asked - left))
    if not left:
        found.refuse("extension_refused" if KEY_USAGE in found.copied else "key_not_allowed", "no key usage is left")
        return left
    found.wanted[KEY_USAGE] = (critical, key_usage(left))
    return left


def check_purposes(found, usage):
    value = found.wanted.get(PURPOSE, (False, b""))[1]
    for purpose in purposes_of(value) or []:
        if usage is not None and NEEDS.get(purpose, usage) and not usage & NEEDS.get(purpose, usage):
            found.refuse("extension_refused" if found.copied & {KEY_USAGE, PURPOSE} else "key_not_allowed",
                         f"{purpose} has no key usage that it needs")


def check_wishes(found, facts, usage, actions):
    """A key that is wanted only for what is not given"""
    for oid, _, value in facts.extensions:
        asked = usages_of(value) if oid == KEY_USAGE and actions.get(KEY_USAGE) is None else None
        if asked and usage and not asked & usage:
            found.refuse("extension_refused", "none of the requested key usages is given")


def judge(policy, facts):
    """All but those that are made of names and keys: see verdict"""
    found = Extensions()
    of_profile(found, policy)
    actions = {NAMES.get(row.name, row.name): row.action for row in policy.requested}
    for extension in facts.extensions:
        judge_requested(found, facts, actions.get(extension[0]), extension)
    for oid, action in actions.items():
        if action == "require" and not any(oid == asked for asked, _, _ in facts.extensions):
            found.refuse("extension_refused", f"{oid} is required")
    usage = cut_usage(found, facts)
    check_purposes(found, usage)
    check_wishes(found, facts, usage, actions)
    return found


def same(wanted, extension):
    """Does an extension of a certificate have the value that is wanted?"""
    if isinstance(wanted, bytes):
        return extension.value.public_bytes() == wanted
    return extension.value == wanted

