# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Requests by chance: good ones (what a policy allows, by construction and by the judge's own word), near misses (a good one with
one thing changed), hostile ones. All are written octet by octet, so that nothing is too odd to be sent.
"""

import dataclasses
import ipaddress

from cryptography.hazmat.primitives.asymmetric import ed448

from .. import der
from ..pki import CHALLENGE_PASSWORD, EXTENSION_REQUEST, make_key, raw_attribute, raw_csr, shared_key
from . import chance as world, extensions, facts, verdict

TAGS = {"dns": 0x82, "email": 0x81, "uri": 0x86, "ip": 0x87}
PRINTABLE = ("C", "serialNumber", "dnQualifier")
KEYS = {"rsa": ("rsa:2048", "rsa:3072"), "ec": ("ec:P-256", "ec:P-384", "ec:P-521"), "ed25519": ("ed25519",), "ed448": ("ed448",)}
PURPOSE_OIDS = [extensions.PURPOSES.get(word, word) for word in world.PURPOSES]


@dataclasses.dataclass
class Request:
    """What is asked for. subject: [(TYPE, value)]; san: [(type, text)]; extensions: [(oid, critical, octets)]"""

    key: object
    subject: list
    san: list
    extensions: list
    challenge: str = None
    raw_san: tuple = ()  # more GeneralNames
    tag: int = der.UTF8
    odd: str = None
    hopeless: str = None
    broken: bool = False  # with a signature that is wrong
    subject_octets: bytes = None
    kind: str = "good"

    def octets(self):
        attributes = []
        if self.extensions or self.san or self.raw_san:
            listed = [extension_octets(*extension) for extension in self.extensions]
            if self.san or self.raw_san:
                names = [*map(san_octets, self.san), *self.raw_san]
                listed.append(extension_octets(extensions.SAN, False, der.seq(*names)))
            attributes.append(raw_attribute(EXTENSION_REQUEST, der.seq(*listed)))
        if self.challenge is not None:
            attributes.append(raw_attribute(CHALLENGE_PASSWORD, der.tlv(der.UTF8, self.challenge.encode())))
        subject = self.subject_octets or der.seq(*[der.set_of(attribute_octets(*pair, self.tag)) for pair in self.subject])
        algorithm = der.seq(der.oid("1.3.101.113")) if isinstance(self.key, ed448.Ed448PrivateKey) else None
        octets = raw_csr(self.key, subject=subject, attributes=attributes, algorithm=algorithm)
        return octets[:-1] + bytes([octets[-1] ^ 1]) if self.broken else octets

    def facts(self, who, operation="simpleenroll"):
        found = facts.read(self.octets(), who, operation, self.odd, self.hopeless)
        found.challenge = self.challenge
        return found


def extension_octets(oid, critical, value):
    flag = [der.tlv(der.BOOLEAN, b"\xff")] if critical else []
    return der.seq(der.oid(oid), *flag, der.tlv(der.OCTET_STRING, value))


def san_octets(name):
    kind, value = name
    return der.tlv(TAGS[kind], ipaddress.ip_address(value).packed if kind == "ip" else value.encode())


def attribute_octets(kind, value, tag=der.UTF8):
    tag = der.PRINTABLE if kind in PRINTABLE else der.IA5 if kind in ("DC", "emailAddress") else tag
    return der.seq(der.oid(facts.ATTRIBUTES.get(kind, kind)), der.tlv(tag, value.encode("utf-16-be" if tag == der.BMP else "utf-8")))


# --- good ones

def fit(chance, pattern, runs):
    """A text that the pattern takes; runs: what ** may be"""
    out = ""
    for part in pattern.replace("**", "\0"):
        out += {"\0": lambda: chance.choice(runs), "*": lambda: chance.choice(world.HOSTS), "?": lambda: chance.choice("abE1"),
                }.get(part, lambda: part)()  # pylint: disable=cell-var-from-loop
    return out


def host(chance):
    return f"{chance.choice(world.HOSTS)}.{chance.choice(world.DOMAINS)}"


def attribute_value(chance, kind, pattern):
    runs = {"O": world.ORGANIZATIONS, "C": ("DE", "SE"), "serialNumber": ("SN-0001", "SN-22/3"), "UID": ("u1", "u22"),
            "emailAddress": ("ra@plant.example", "a@b.example")}.get(kind, (host(chance), "dev-001", "Berlin", "Pump 4"))
    return fit(chance, pattern, runs)


def san_value(chance, kind, pattern):
    if kind == "ip":
        network = pattern if pattern != "**" else chance.choice(world.SAN_PATTERNS["ip"][1:])
        return str(ipaddress.ip_network(network)[chance.randint(1, 250)])
    runs = {"dns": (host(chance),), "email": ("ra@plant.example", f"u{chance.randint(1, 99)}@office.example"),
            "uri": (f"https://{host(chance)}/{chance.randint(1, 99)}", "x/y")}[kind]
    return fit(chance, pattern, runs)


def key_for(chance, rules):
    kind, _, sizes = chance.choice(rules).partition(":")
    fitting = [name for name in KEYS[kind] if verdict.key_allowed([f"{kind}:{sizes}" if sizes else kind], size_of(name))]
    name = chance.choice(fitting or KEYS[kind])
    return shared_key(name) if kind == "rsa" else make_key(name)


def size_of(name):
    kind, _, size = name.partition(":")
    return kind, int(size) if kind == "rsa" else size or None


def wanted_extensions(chance, policy):
    found = []
    for row in policy.requested:
        if row.action == "refuse" or row.action != "require" and chance.random() < 0.5:
            continue
        oid, critical = extensions.NAMES.get(row.name, row.name), chance.random() < 0.3
        if row.name == "keyUsage":
            value = extensions.key_usage({"digitalSignature", *world.some(chance, world.USAGES)})
        elif row.name == "extendedKeyUsage":
            value = der.seq(*map(der.oid, world.some(chance, PURPOSE_OIDS, 1, 2)))
        elif row.name == "tlsfeature":
            value = der.seq(der.integer(5))
        else:
            value = chance.choice((der.tlv(der.NULL), der.tlv(der.UTF8, b"asked for"), der.seq(der.integer(4))))
        found.append((oid, critical, value))
    return found


def candidate(chance, policy):
    subject, san = [], []
    for rule in policy.subject_rules:
        if rule.required or rule.attribute in ("CN", "serialNumber") or chance.random() < 0.3:
            subject += [(rule.attribute, attribute_value(chance, rule.attribute, rule.pattern))
                        for _ in range(chance.choice((1, 1, rule.max_count)) if rule.max_count <= 2 else 1)]
    for rule in policy.san_rules:
        if getattr(rule, "source", "csr") == "csr" and (rule.required or chance.random() < 0.4):
            san += [(rule.type, san_value(chance, rule.type, rule.pattern)) for _ in range(min(rule.max_count, chance.choice((1, 1, 3))))]
    san += [("email", value) for kind, value in subject if kind == "emailAddress"]
    return Request(key_for(chance, policy.profile.keys), subject, san, wanted_extensions(chance, policy))


def named_for(who, request, chance):
    """The request with the names that the identity may have, where those are its own"""
    if who.kind == "certificate":
        request.subject = [(part.type, part.value) for part in facts.attributes_of(who.cert.subject)]
        request.san = world.some(chance, facts.sans_of(who.cert.extensions))
    elif (who.client.names if who.client else ["own"]) == ["own"]:
        request.subject = [(kind, who.name if kind in facts.IDENTITY else value) for kind, value in request.subject]
        request.san = [("dns", who.name)] if chance.random() < 0.3 else []
    return request


def good(chance, policy, who, issuer, now, tries=30):
    """One of which the judge says that it must be issued; None where there is none to be found"""
    if verdict.judge_alias(policy, facts.Facts(who)):
        return None
    for _ in range(tries):
        request = named_for(who, candidate(chance, policy), chance)
        if verdict.judge(policy, request.facts(who), issuer, now).fine:
            return request
    return None


# --- near misses

def other_value(request, chance):
    if request.subject:
        number = chance.randrange(len(request.subject))
        kind, value = request.subject[number]
        request.subject[number] = kind, chance.choice((value + "x", "x" + value, value.upper(), value.lower(), value[1:] or "y", value * 20))


def more_attributes(request, chance):
    kind = chance.choice(world.ATTRIBUTES)
    request.subject.insert(chance.randint(0, len(request.subject)), (kind, attribute_value(chance, kind, "**")))


def fewer_attributes(request, chance):
    if request.subject:
        del request.subject[chance.randrange(len(request.subject))]


def repeated_attribute(request, chance):
    if request.subject:
        request.subject.append(chance.choice(request.subject))


def more_names(request, chance):
    kind = chance.choice(sorted(TAGS))
    request.san += [(kind, san_value(chance, kind, chance.choice(world.SAN_PATTERNS[kind]))) for _ in range(chance.choice((1, 1, 2, 9)))]


def fewer_names(request, chance):
    if request.san:
        del request.san[chance.randrange(len(request.san))]


def same_name_twice(request, chance):
    if request.san:
        kind, value = chance.choice(request.san)
        request.san.append((kind, value.upper() if kind == "dns" else value))


def wildcard(request, _):
    request.san.append(("dns", "*.plant.example"))


def other_key(request, chance):
    name = chance.choice([name for names in KEYS.values() for name in names])
    request.key = shared_key(name) if name.startswith("rsa") else make_key(name)


def other_usage(request, chance):
    request.extensions = [part for part in request.extensions if part[0] != extensions.KEY_USAGE]
    request.extensions.append((extensions.KEY_USAGE, True, extensions.key_usage(set(world.some(chance, world.USAGES, 1, 2)))))


def other_purpose(request, chance):
    request.extensions = [part for part in request.extensions if part[0] != extensions.PURPOSE]
    request.extensions.append((extensions.PURPOSE, chance.random() < 0.5, der.seq(*map(der.oid, world.some(chance, PURPOSE_OIDS, 1)))))


def unknown_extension(request, chance):
    request.extensions.append(("1.3.6.1.4.1.55555.7.8", chance.random() < 0.5, der.tlv(der.NULL)))


def fewer_extensions(request, chance):
    if request.extensions:
        del request.extensions[chance.randrange(len(request.extensions))]


MISSES = (other_value, more_attributes, fewer_attributes, repeated_attribute, more_names, fewer_names, same_name_twice, wildcard, other_key,
          other_usage, other_purpose, unknown_extension, fewer_extensions)


def near_miss(chance, request):
    for change in chance.sample(MISSES, chance.choice((1, 1, 2))):
        change(request, chance)
        request.kind = change.__name__
    return request


# --- hostile ones

def ask(oid, value, critical=True):
    return lambda request, _: request.extensions.append((oid, critical, value))


def set_field(**fields):
    def change(request, _):
        for name, value in fields.items():
            setattr(request, name, value)
    return change


def powers(*purposes):
    return ask(extensions.PURPOSE, der.seq(*map(der.oid, purposes)), False)


def add_raw(*names):
    return set_field(raw_san=names)


def add_subject(kind, value):
    return lambda request, _: request.subject.append((kind, value))


def add_san(kind, value):
    return lambda request, _: request.san.append((kind, value))


def crowd(request, _):
    request.san += [("dns", f"h{number}.plant.example") for number in range(300)]


def twice(request, chance):
    unknown_extension(request, chance)
    request.extensions.append(request.extensions[-1])


UPN = der.tlv(0xA0, der.oid("1.3.6.1.4.1.311.20.2.3"), der.tlv(0xA0, der.tlv(der.UTF8, b"admin@plant.example")))
HOSTILE = {
    "a CA": ask(extensions.CONSTRAINTS, der.seq(der.tlv(der.BOOLEAN, b"\xff"))),
    "a CA with a path": ask(extensions.CONSTRAINTS, der.seq(der.tlv(der.BOOLEAN, b"\xff"), der.integer(0)), False),
    "keyCertSign": ask(extensions.KEY_USAGE, extensions.key_usage({"digitalSignature", "keyCertSign"})),
    "cRLSign": ask(extensions.KEY_USAGE, extensions.key_usage({"digitalSignature", "cRLSign"}), False),
    "cmcRA": powers(extensions.PURPOSES["clientAuth"], extensions.KP + "28"), "cmcCA": powers(extensions.KP + "27"),
    "OCSPSigning": powers(extensions.KP + "9"), "timeStamping": powers(extensions.KP + "8"), "any purpose": powers("2.5.29.37.0"),
    "name constraints": ask("2.5.29.30", der.seq(der.tlv(0xA0)), False), "policy constraints": ask("2.5.29.36", der.seq(), False),
    "poison": ask("1.3.6.1.4.1.11129.2.4.3", der.tlv(der.NULL)), "subject key identifier": ask(extensions.SKI, der.tlv(der.OCTET_STRING, b"x" * 20)),
    "authority key identifier": ask(extensions.AKI, der.seq(der.tlv(0x80, b"x" * 20)), False),
    "malformed usage": ask(extensions.KEY_USAGE, b"\x03\x02\x09\x80"), "no usage": ask(extensions.KEY_USAGE, b"\x03\x01\x00", False),
    "an empty list of purposes": ask(extensions.PURPOSE, der.seq(), False), "an extension twice": twice,
    "principal name": add_raw(UPN), "directory name": add_raw(der.tlv(0xA4, der.seq(der.set_of(attribute_octets("CN", "a"))))),
    "registered id": add_raw(der.tlv(0x88, b"\x2a\x03")), "an address with a mask": add_raw(der.tlv(0x87, b"\x0a\0\0\0\xff\0\0\0")),
    "octets that are no name": add_raw(der.tlv(0x82, b"a\0.plant.example")), "umlaut": add_raw(der.tlv(0x82, "ü.example".encode("latin-1"))),
    "A-label": add_san("dns", "xn--mnchen-3ya.plant.example"), "bad A-label": add_san("dns", "xn--99999999.plant.example"),
    "unspecified address": add_san("ip", "0.0.0.0"), "mapped address": add_san("ip", "::ffff:10.0.0.1"),
    "dots": add_san("dns", "a..plant.example"), "a final dot": add_san("dns", "a.plant.example."), "an address as name": add_san("dns", "10.0.0.1"),
    "wildcards": add_san("dns", "*.*.plant.example"), "half a wildcard": add_san("dns", "w*.plant.example"),
    "user in a URI": add_san("uri", "https://root@a.plant.example/"), "a URI without host": add_san("uri", "urn:dev:1"),
    "two at signs": add_san("email", "a@b@plant.example"), "300 names": crowd,
    "control character": add_subject("CN", "dev-\n01"), "NUL": add_subject("CN", "dev-\x0001"), "blanks": add_subject("O", " Example  Works "),
    "override": add_subject("CN", "dev-\u202e001"), "Greek": add_subject("O", "Ex\u03b1mple"), "fullwidth": add_subject("O", "\uff25xample"),
    "a long name": add_subject("CN", "d" * 65), "an empty name": add_subject("CN", ""), "a long country": add_subject("C", "DEU"),
    "a small country": add_subject("C", "de"), "a star": add_subject("CN", "*"), "an unknown attribute": add_subject("1.3.6.1.4.1.55555.8", "x"),
    "an address in the subject": add_subject("emailAddress", "root@office.example"), "the user's name besides": add_subject("UID", "u77"),
    "BMPString": set_field(tag=der.BMP), "T61String": set_field(tag=der.T61), "nobody": set_field(subject=[], san=[]),
    "an empty relative name": set_field(subject_octets=der.seq(der.tlv(der.SET)), odd="relative names are not empty"),
    "a wrong signature": set_field(broken=True, hopeless="its signature is wrong"),
    "challengePassword": set_field(challenge="c2VjcmV0", hopeless="no channel binding of this connection"),
    "a small RSA key": lambda request, _: set_field(key=shared_key("rsa:1024"))(request, None),
    "nsCertType": ask("2.16.840.1.113730.1.1", b"\x03\x02\x00\x07", False), "resources": ask("1.3.6.1.5.5.7.1.7", der.seq(), True),
}
# What is refused before any rule is asked, or by rules about text that the judge does not know
NO_POLICY = {"an extension twice", "malformed usage", "no usage", "an empty list of purposes", "NUL", "control character", "override", "Greek",
            "fullwidth", "blanks", "an empty name"}


def hostile(chance, request, what=None):
    request.kind = what or chance.choice(sorted(HOSTILE))
    HOSTILE[request.kind](request, chance)
    if request.kind in NO_POLICY:
        request.odd = request.odd or request.kind
    return request


def by_chance(chance, policy, who, issuer, now):
    """A good one, a near miss or a hostile one; Request"""
    request = good(chance, policy, who, issuer, now)
    lot = chance.random()
    if request and lot < 0.4:
        return request
    request = request or (candidate(chance, policy) if policy.profile else Request(make_key(), [("CN", "a.plant.example")], [], []))
    if request.kind == "good":
        request.kind = "candidate"
    return near_miss(chance, request) if lot < 0.75 else hostile(chance, request)
