# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""A certificate taken apart without judging it."""

import dataclasses
import functools

from .. import der


@dataclasses.dataclass
class Value:
    """One encoding: its identifier octet, its contents, and all of it."""
    tag: int
    body: bytes
    whole: bytes

    def children(self):
        return [value(child) for child in der.children(self.whole)]

    def oid(self):
        if self.tag != der.OID or not self.body:
            raise ValueError("not an object identifier")
        return oid_text(self.body)


def value(octets):
    start, end = der.head(octets)
    if end != len(octets):
        raise ValueError("octets behind the end")
    return Value(octets[0], octets[start:end], octets)


def oid_text(body):
    numbers, number = [], 0
    for octet in body:
        number = number << 7 | octet & 0x7F
        if octet < 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(str(part) for part in [first, numbers[0] - 40 * first, *numbers[1:]])


@dataclasses.dataclass
class Extension:
    oid: str
    critical: bool
    written: bytes  # the contents of the BOOLEAN; None when there is none
    octets: bytes   # contents of extnValue

    @property
    def value(self):
        return value(self.octets)


class View:
    """issuer: the DER of the CA's certificate, or None where there is nothing to compare with. given: see findings()."""

    def __init__(self, certificate, issuer=None, given=()):
        self.der, self.given = certificate, given
        self.tbs, self.outer_algorithm, self.signature = value(certificate).children()
        parts = self.tbs.children()
        self.version = parts.pop(0) if parts[0].tag == 0xA0 else None
        self.serial, self.algorithm, self.issuer, self.validity, self.subject, self.spki = parts[:6]
        self.rest = parts[6:]
        self.key_algorithm, self.key_bits = self.spki.children()
        self.above = View(issuer) if issuer else None

    @functools.cached_property
    def extensions(self):
        found = []
        for part in self.rest:
            if part.tag != 0xA3:
                continue
            for extension in part.children()[0].children():
                oid, *middle, octets = extension.children()
                written = middle[0].body if middle else None
                found.append(Extension(oid.oid(), bool(written and written != b"\0"), written, octets.body))
        return found

    def extension(self, oid):
        return next((extension for extension in self.extensions if extension.oid == oid), None)

    def key_kind(self):
        """"rsa", "ec", "ed25519", "ed448", or the OID."""
        oid = self.key_algorithm.children()[0].oid()
        return {"1.2.840.113549.1.1.1": "rsa", "1.2.840.10045.2.1": "ec", "1.3.101.112": "ed25519", "1.3.101.113": "ed448"}.get(oid, oid)

    def attributes(self):
        """[(index of the RDN, OID, value)] of the subject"""
        return [(index, pair.children()[0].oid(), pair.children()[1])
                for index, rdn in enumerate(self.subject.children()) for pair in rdn.children()]

    def names(self):
        """The GeneralNames of the subjectAltName: [(number of the tag, contents)]"""
        san = self.extension("2.5.29.17")
        return [(name.tag & 0x1F, name.body) for name in san.value.children()] if san else []


class Table(list):
    """Rows of a table of checks, entered by a decorator."""

    def row(self, row):
        def enter(function):
            self.append((row, function.__name__, function))
            return function
        return enter
