# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Which subject and subjectAltName a certificate must have, or why there can be none."""

import collections
import re

from . import globs, template
from .facts import IDENTITY, Attribute, attributes_of, sans_of

# RFC 5280 appendix A: upper bounds in characters
BOUNDS = {"CN": 64, "O": 64, "OU": 64, "C": 2, "serialNumber": 64, "L": 128, "ST": 128, "title": 64, "UID": 256, "emailAddress": 255,
          "pseudonym": 128}
PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,./:=?-]*")
LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([A-Za-z0-9.-]+)(:[0-9]{0,5})?([/?#][A-Za-z0-9/?#&=._~:@!$'()*+,;-]*)?")
SAN_TYPES = ("dns", "ip", "uri", "email")


class Names:
    """
    subject: Attributes; san: [(type, text)], without repetition; dropped: what was left out, as TYPE=value; refusals: (what, why)
    for which there can be no certificate; unclear: why nothing is foretold.
    """

    def __init__(self):
        self.subject, self.san, self.dropped, self.refusals, self.unclear = [], [], [], [], []

    def refuse(self, rule, why):
        self.refusals.append((rule, why))

    def leave_open(self, why):
        self.unclear.append(why)


# --- the subject

def is_plain(value):
    """ASCII, without blanks that could be taken for others: text that is not judged as a disguise of other text"""
    return value.isascii() and value.isprintable() and value == " ".join(value.split(" ")).strip() and "  " not in value and value != ""


def check_value(names, attribute):
    kind, value = attribute.type, attribute.value
    if not is_plain(value):
        names.leave_open(f"{kind}={value!r} is no plain text")
    elif len(value) > BOUNDS.get(kind, 1024):
        names.refuse("name_invalid", f"{kind} is longer than RFC 5280 has it")
    elif kind in ("serialNumber", "dnQualifier") and not PRINTABLE.fullmatch(value):
        names.refuse("name_invalid", f"{kind} is no PrintableString")
    elif kind == "C" and not re.fullmatch("[A-Z]{2}", value):
        names.refuse("name_invalid", "C is not two upper-case letters")


def wanted_subject(names, policy, facts):
    """What is judged: the certificate's names at its renewal, the template's result, or those of the request"""
    template_text = policy.profile.subject_template
    if template_text is None or facts.operation == "simplereenroll":
        # What a holder is called already it gets as it is, and not in another spelling
        its_name = facts.who.kind == "certificate" and same_subject(facts.who.cert, facts.subject)
        return attributes_of(facts.who.cert.subject) if its_name else facts.subject
    try:
        # As RFC 2253 writes names, and as records have them: the last relative name stands first
        found = template.subject(template_text, facts)[::-1]
        return [Attribute(kind, value, number) for number, (kind, value) in enumerate(found)]
    except template.Absent as error:
        names.refuse("name_invalid", str(error))
    except template.Unclear as error:
        names.leave_open(str(error))
    return []


def attribute_flaw(rule, attribute, seen):
    if rule is None:
        return "no rule for it"
    if seen >= rule.max_count:
        return f"more than {rule.max_count}"
    return None if globs.matches_attribute(rule.pattern, attribute.value) else f"pattern {rule.pattern}"


def judge_subject(names, policy, wanted):
    rules = {rule.attribute: rule for rule in policy.subject_rules}
    seen = collections.Counter()
    for attribute in wanted:
        rule = rules.get(attribute.type)
        flaw = attribute_flaw(rule, attribute, seen[attribute.type])
        if flaw is None:
            seen[attribute.type] += 1
            names.subject.append(attribute)
            check_value(names, attribute)
        elif (rule.on_violation if rule else policy.profile.subject_other) == "drop":
            names.dropped.append(f"{attribute.type}={attribute.value}")
        else:
            names.refuse("name_refused", f"{attribute.type}={attribute.value}: {flaw}")
            check_value(names, attribute)
    for rule in policy.subject_rules:
        if rule.required and not seen[rule.attribute]:
            names.refuse("name_invalid", f"{rule.attribute} is required")


# --- the subjectAltName

def dns_flaw(value, wildcard):
    labels = value.split(".")
    if wildcard and labels[0] == "*" and len(labels) > 1:
        labels = labels[1:]
    if len(value) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        return "no DNS name"
    return "an address" if labels[-1].isdigit() else None


def san_flaw(kind, value):
    """What no profile can allow"""
    if kind == "dns":
        return dns_flaw(value, True)
    if kind == "ip":
        return "nobody's address" if value in ("0.0.0.0", "::") or value.startswith("::ffff:") else None
    if kind == "email":
        local, at, domain = value.partition("@")
        return None if at and LOCAL.fullmatch(local) and len(local) <= 64 and not dns_flaw(domain, False) else "no e-mail address"
    found = URI.fullmatch(value)
    return None if found and not dns_flaw(found.group(1), False) else "no absolute URI with a host"


def normal(kind, value):
    """What makes two names the same (RFC 5280 7.2 to 7.5)"""
    if kind == "dns":
        return kind, value.lower()
    if kind == "email":
        local, at, domain = value.partition("@")
        return kind, local + at + domain.lower()
    found = URI.fullmatch(value) if kind == "uri" else None
    return (kind, value[:found.end(1)].lower() + value[found.end(1):]) if found else (kind, value)


def wanted_sans(names, policy, facts):
    """[(type, text, source)] in the order in which they are judged; of what a template makes the source is the id of its rule"""
    asked = [(kind, value, "csr") for kind, value in facts.san]
    if facts.operation == "simplereenroll":
        return [(kind, value, None) for kind, value in facts.san]  # whichever rule they came by
    found = []
    for rule in policy.san_rules:
        if rule.source == "entity":
            given = [name.partition(":") for name in (facts.who.entity and facts.who.entity.san) or ()]
            found += [(kind, value, "entity") for kind, _, value in given if kind == rule.type]
        elif rule.source == "template":
            try:
                value = template.name(rule.template, facts)
            except template.Absent:
                value = None  # the rule adds nothing
            except template.Unclear as error:
                names.leave_open(str(error))
                continue
            if value is not None:
                found.append((rule.type, value, rule.id))
    return found + asked


def take(policy, name, counts):
    """Counts the name at the first rule that takes it; None, or (what is wrong, what is done about it)"""
    kind, value, source = name
    rules = [rule for rule in policy.san_rules if rule.type == kind and
             (source in (None, rule.source) or rule.source == "template" and rule.id == source)]
    violation = policy.profile.san_other if not rules else \
        "refuse" if any(rule.on_violation == "refuse" for rule in rules) else "drop"
    if kind == "dns" and value.startswith("*") and not policy.profile.dns_wildcards:
        return "wildcards are not allowed", violation
    for rule in rules:
        if globs.matches_san(rule.pattern, kind, value) and counts[rule.id] < rule.max_count:
            counts[rule.id] += 1
            return None
    return "no rule takes it", violation


def judge_sans(names, policy, wanted):
    counts, taken = collections.Counter(), set()
    if len(wanted) > 256:
        names.refuse("name_invalid", f"{len(wanted)} names")
    for kind, value, source in wanted:
        if normal(kind, value) in taken:
            continue
        if kind in SAN_TYPES and (not value.isascii() or "xn--" in value.lower()):
            names.leave_open(f"{kind}:{value!r} is judged by IDNA")
        malformed = san_flaw(kind, value) if kind in SAN_TYPES else None
        flaw = take(policy, (kind, value, source), counts)
        if flaw is None:
            taken.add(normal(kind, value))
            names.san.append((kind, value))
        elif flaw[1] == "drop":
            names.dropped.append(f"{kind}={value}")
        else:
            names.refuse("name_refused" if kind in SAN_TYPES else "name_invalid", f"{kind}:{value}: {flaw[0]}")
        if malformed and flaw and flaw[1] == "drop":
            names.leave_open(f"{kind}:{value}, which is left out, is {malformed}")
        elif malformed:
            names.refuse("name_invalid", f"{kind}:{value}: {malformed}")
    came = {normal(kind, value): source for kind, value, source in wanted}
    for rule in policy.san_rules:
        # It may have been another rule of the type that has counted the name
        there = any(kind == rule.type and globs.matches_san(rule.pattern, kind, value) and came[normal(kind, value)] in (None, rule.source)
                    for kind, value in names.san)
        if rule.required and not counts[rule.id] and not there:
            names.refuse("name_invalid", f"a name of type {rule.type} ({rule.pattern}) is required")


# --- both

def identities(subject, san):
    """(is it a DNS name, text) of every name that says who somebody is"""
    return [(globs.looks_like_dns(part.value), part.value) for part in subject if part.type in IDENTITY] + \
        [(kind == "dns", value) for kind, value in san]


def uncovered(patterns, subject, san):
    """Names that no pattern covers; nobody's name is covered by none"""
    named = identities(subject, san)
    if not named:
        return ["nothing that names anybody"]
    return [text for dns, text in named if not any(globs.matches(pattern, text, dns) for pattern in patterns)]


def not_own(name, subject, san):
    named = identities(subject, san)
    if not named:
        return ["nothing that names anybody"]
    return [text for dns, text in named if not (text == name or dns and text.lower() == name.lower())]


def same_subject(cert, subject):
    """RFC 5280 7.1, for text in ASCII"""
    return [(part.type, part.value.lower()) for part in subject] == \
        [(part.type, part.value.lower()) for part in attributes_of(cert.subject)]


def of_certificate(cert, subject, san):
    """Names that a holder of this certificate may not have"""
    have = {normal(*name) for name in sans_of(cert.extensions)}
    return ([] if same_subject(cert, subject) else ["another subject"]) + [value for kind, value in san if normal(kind, value) not in have]


def foreign_names(who, subject, san):
    """Names that this identity may not ask for"""
    if who.kind == "certificate":
        return of_certificate(who.cert, subject, san)
    patterns = who.client.names if who.client else ["own"]
    if patterns == ["own"]:
        return not_own(who.name, subject, san)
    return [] if patterns == ["*"] else uncovered(patterns, subject, san)


def chosen(policy, facts, subject, san):
    """Of the names granted those that the client has chosen; what the profile makes of a request or adds to it is the profile's word"""
    if facts.operation == "simplereenroll":
        return subject, san
    asked = {normal(*name) for name in facts.san}
    mine = [name for name in san if normal(*name) in asked]
    if policy.profile.subject_template is not None:
        subject = facts.subject
    return subject, mine


def taken(policy, facts):
    """Values of the request out of which templates make names: who asks has chosen them, whatever stands around them"""
    if facts.operation == "simplereenroll":
        return []
    made = template.split(policy.profile.subject_template) if policy.profile.subject_template else []
    made = [pieces for kind, pieces in made if kind in IDENTITY]
    made += [template.parts(rule.template)[0] for rule in policy.san_rules if rule.source == "template"]
    values = []
    for pieces in made:
        found = [facts.attribute(text[4:]) for kind, text in pieces if kind == "variable" and text.startswith("csr.")]
        values += [] if None in found else found
    return values


def foreign_values(who, values):
    """Those among them that are no names which this identity may have"""
    if who.kind == "certificate":
        mine = {part.value for part in attributes_of(who.cert.subject)} | {value for _, value in sans_of(who.cert.extensions)}
        return [value for value in values if value not in mine]
    return foreign_names(who, [Attribute("CN", value, 0) for value in values], []) if values else []


def foreign_choice(policy, facts, subject, san):
    """Names granted that this identity may not ask for; where the profile alone says who somebody is, there are none"""
    mine = chosen(policy, facts, subject, san) if facts.subject is not None else (subject, san)
    if not identities(*mine) and identities(subject, san):
        return []
    return foreign_names(facts.who, *mine)


def lone_emails(subject, san):
    """RFC 5280 4.1.2.6: addresses that are in the subject alone"""
    return [part.value for part in subject if part.type == "emailAddress" and ("email", part.value) not in san]


def judge_renewal(names, facts):
    """RFC 7030 4.2.2: subject and subjectAltName are those of the certificate that is renewed"""
    have = sans_of(facts.who.cert.extensions)
    if of_certificate(facts.who.cert, facts.subject, facts.san) or {normal(*name) for name in have} != {normal(*name) for name in facts.san}:
        names.refuse("names_differ", "other names than those of the certificate")


def judge(policy, facts):
    names = Names()
    judge_subject(names, policy, wanted_subject(names, policy, facts))
    judge_sans(names, policy, wanted_sans(names, policy, facts))
    if not names.subject and not names.san:
        names.refuse("name_invalid", "neither subject nor subjectAltName")
    for address in lone_emails(names.subject, names.san):
        names.refuse("name_invalid", f"emailAddress {address} is not in the subjectAltName")
    if policy.group:
        for text in uncovered(policy.group.names, names.subject, names.san):
            names.refuse("name_refused", f"{text}: not of the group")
    for text in foreign_choice(policy, facts, names.subject, names.san) + foreign_values(facts.who, taken(policy, facts)):
        names.refuse("name_not_yours", text)
    if facts.operation == "simplereenroll":
        judge_renewal(names, facts)
    return names
