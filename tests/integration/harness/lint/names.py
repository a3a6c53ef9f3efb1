# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""subject and subjectAltName: RFC 5280 4.1.2.6, 4.2.1.6 and appendix A, RFC 5890."""

import ipaddress
import re
import unicodedata
import urllib.parse

from .. import der
from .view import Table

LINTS = Table()
CN, SERIAL, COUNTRY, LOCALITY, STATE, ORGANIZATION, UNIT = ("2.5.4." + arc for arc in ("3", "5", "6", "7", "8", "10", "11"))
EMAIL, DOMAIN, QUALIFIER = "1.2.840.113549.1.9.1", "0.9.2342.19200300.100.1.25", "2.5.4.46"
UPPER = {CN: 64, SERIAL: 64, LOCALITY: 128, STATE: 128, ORGANIZATION: 64, UNIT: 64, EMAIL: 255}
TYPES = {COUNTRY: (der.PRINTABLE,), SERIAL: (der.PRINTABLE,), QUALIFIER: (der.PRINTABLE,), EMAIL: (der.IA5,), DOMAIN: (der.IA5,)}
PRINTABLE = re.compile(rb"[A-Za-z0-9 '()+,\-./:=?]*")
RFC822, DNS, URI, IP = 1, 2, 6, 7
LDH = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
MAILBOX = re.compile(rb"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
WORD = ("Ll", "Lo", "Lm", "Mn", "Mc", "Nd")  # what IDNA2008 allows, but for a few characters by context (RFC 5892)
SAN = "2.5.29.17"


@LINTS.row("CP-15")
def san_is_critical_without_subject_alone(view):
    empty, san = not view.subject.body, view.extension(SAN)
    if empty and not san:
        yield "neither subject nor subjectAltName"
    elif san and san.critical != empty:
        yield "critical beside a subject" if san.critical else "not critical without a subject"


@LINTS.row("CP-16")
def san_is_not_empty(view):
    san = view.extension(SAN)
    if san and not view.names():
        yield "no names"
    for tag, body in view.names():
        if not body:
            yield f"name [{tag}] is empty"


@LINTS.row("CP-16")
def dns_names_are_well_formed(view):
    for tag, body in view.names():
        if tag != DNS:
            continue
        if not body.isascii():
            yield f"{body!r} is not ASCII"
            continue
        first, *others = body.decode().split(".")
        labels = others if first == "*" and others else [first, *others]
        if len(body) > 253 or not all(LDH.fullmatch(label) for label in labels):
            yield f"{body!r}"


@LINTS.row("CP-17")
def addresses_uris_and_mailboxes(view):
    for tag, body in view.names():
        if tag == IP and len(body) not in (4, 16):
            yield f"address of {len(body)} octets"
        elif tag == RFC822 and not MAILBOX.fullmatch(body):
            yield f"mail address {body!r}"
        elif tag == URI:
            uri = urllib.parse.urlsplit(body.decode("ascii", "replace"))
            if not body.isascii() or not uri.scheme or not is_host(uri.hostname or ""):
                yield f"URI {body!r}"


def is_host(host):
    try:
        ipaddress.ip_address(host)
        return True
    except ValueError:
        return bool(host) and all(LDH.fullmatch(label) for label in host.split("."))


@LINTS.row("CP-18")
def international_labels_are_valid(view):
    for tag, body in view.names():
        for label in body.split(b".") if tag == DNS else ():
            if label[:4].lower() != b"xn--":
                continue
            try:
                text = label[4:].decode("punycode")
                good = (text.encode("punycode") == label[4:] and unicodedata.normalize("NFC", text) == text and not text.isascii()
                        and all(c == "-" or unicodedata.category(c) in WORD for c in text))
            except (UnicodeError, OverflowError):
                good = False
            if not good:
                yield f"{label!r}"


@LINTS.row("CP-19")
def attributes_keep_their_bounds(view):
    for _, oid, text in view.attributes():
        if len(text.body.decode("utf-8", "replace")) > UPPER.get(oid, 32768):
            yield f"{oid} has {len(text.body)} octets"
        if oid == COUNTRY and not re.fullmatch(rb"[A-Z]{2}", text.body):
            yield f"country {text.body!r}"


@LINTS.row("CP-19")
def attributes_keep_their_types(view):
    for _, oid, text in view.attributes():
        if oid in TYPES and text.tag not in TYPES[oid]:
            yield f"{oid} has tag {text.tag}"


@LINTS.row("CP-20")
def strings_are_utf8_or_printable(view):
    for _, oid, text in view.attributes():
        if oid not in TYPES and text.tag not in (der.UTF8, der.PRINTABLE):
            yield f"{oid} has tag {text.tag}"


@LINTS.row("CP-20")
def strings_hold_their_characters(view):
    for _, oid, text in view.attributes():
        if not text.body:
            yield f"{oid} is empty"
        if text.tag == der.PRINTABLE and not PRINTABLE.fullmatch(text.body):
            yield f"{oid}: {text.body!r} in a PrintableString"
        elif text.tag == der.IA5 and not text.body.isascii():
            yield f"{oid}: {text.body!r} in an IA5String"
        elif text.tag == der.UTF8 and any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") for c in text.body.decode("utf-8")):
            yield f"{oid}: control or format characters"


@LINTS.row("CP-21")
def mail_address_of_the_subject_is_in_the_san(view):
    names = {body.lower() for tag, body in view.names() if tag == RFC822}
    for _, oid, text in view.attributes():
        if oid == EMAIL and text.body.lower() not in names:
            yield f"{text.body!r}"


@LINTS.row("CP-22")
def relative_names_are_sets(view):
    for rdn in view.subject.children():
        parts = [part.whole for part in rdn.children()]
        types = [part.children()[0].oid() for part in rdn.children()]
        if not parts or parts != sorted(parts) or len(set(types)) != len(types):
            yield "a SET that is empty, not sorted, or has a type twice"
