# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""The fields of a certificate that are no names and no extensions: RFC 5280 4.1, 4.1.2, RFC 3279, 4055, 5480, 8410."""

import datetime
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from pyasn1.codec.der import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1_modules import rfc5280

from .. import der
from .view import Table, value

LINTS = Table()
NULL = b"\x05\x00"
RSA, ECDSA = "1.2.840.113549.1.1.", "1.2.840.10045.4.3."
# Signature algorithm: (parameters, hash)
SIGNATURES = {
    RSA + "11": (NULL, hashes.SHA256), RSA + "12": (NULL, hashes.SHA384), RSA + "13": (NULL, hashes.SHA512),
    ECDSA + "2": (b"", hashes.SHA256), ECDSA + "3": (b"", hashes.SHA384), ECDSA + "4": (b"", hashes.SHA512),
    "1.3.101.112": (b"", None), "1.3.101.113": (b"", None),
}
CURVES = {"1.2.840.10045.3.1.7": 32, "1.3.132.0.34": 48, "1.3.132.0.35": 66}
EDWARDS = {"ed25519": 32, "ed448": 57}


def minimal_positive(integer):
    body = integer.body
    return integer.tag == der.INTEGER and body and not body[0] & 0x80 and any(body) and not (
        len(body) > 1 and body[0] == 0 and not body[1] & 0x80)


@LINTS.row("CP-01")
def structure_is_der(view):
    """pyasn1 knows the module of RFC 5280: what it writes is what it has read."""
    try:
        read, rest = decoder.decode(view.der, asn1Spec=rfc5280.Certificate())
        if rest or encoder.encode(read) != view.der:
            yield "not in DER"
    except PyAsn1Error as error:
        yield f"pyasn1: {error}"


@LINTS.row("CP-01")
def version_is_3(view):
    if not view.version or view.version.whole != b"\xa0\x03\x02\x01\x02":
        yield "version is not 3"


@LINTS.row("CP-01")
def serial_is_positive_and_short(view):
    if not minimal_positive(view.serial):
        yield "not a positive INTEGER in DER"
    if len(view.serial.body) > 20:
        yield f"{len(view.serial.body)} octets"


@LINTS.row("CP-02")
def serial_has_entropy(view):
    if int.from_bytes(view.serial.body, "big").bit_length() <= 64:
        yield "at most 64 bits"


TIMES = {0x17: (re.compile(rb"\d{12}Z"), "%y%m%d%H%M%SZ"), 0x18: (re.compile(rb"\d{14}Z"), "%Y%m%d%H%M%SZ")}


def time_of(field):
    pattern, form = TIMES.get(field.tag, (None, None))
    if not pattern or not pattern.fullmatch(field.body):
        raise ValueError(f"time {field.body!r}")
    text = field.body.decode()
    if field.tag == 0x17:  # RFC 5280 4.1.2.5.1: 50 to 99 are of the last century
        text, form = ("19" if text >= "50" else "20") + text, "%Y%m%d%H%M%SZ"
    return datetime.datetime.strptime(text, form)


@LINTS.row("CP-03")
def times_are_in_the_right_form(view):
    for field in view.validity.children():
        when = time_of(field)
        if (when.year >= 2050) != (field.tag == 0x18):
            yield f"{when} in a time of the other type"


@LINTS.row("CP-04")
def validity_is_positive(view):
    start, end = map(time_of, view.validity.children())
    if start >= end:
        yield f"from {start} until {end}"


@LINTS.row("CP-04")
def validity_is_within_the_issuers(view):
    if view.above:
        start, end = map(time_of, view.validity.children())
        first, last = map(time_of, view.above.validity.children())
        if start < first or end > last:
            yield f"{start} to {end}, the CA {first} to {last}"


@LINTS.row("CP-05")
def signature_algorithms_are_equal(view):
    if view.algorithm.whole != view.outer_algorithm.whole:
        yield "inside and outside differ"


@LINTS.row("CP-05")
def signature_algorithm_has_its_parameters(view):
    oid, *parameters = view.algorithm.children()
    wanted = SIGNATURES.get(oid.oid())
    if wanted and b"".join(parameter.whole for parameter in parameters) != wanted[0]:
        yield f"parameters of {oid.oid()}"


@LINTS.row("CP-05")
def signature_is_encoded(view):
    if view.signature.tag != der.BIT_STRING or view.signature.body[:1] != b"\0":
        yield "not a BIT STRING of whole octets"
    elif view.algorithm.children()[0].oid().startswith(ECDSA):
        pair = value(view.signature.body[1:]).children()
        if len(pair) != 2 or not all(minimal_positive(number) for number in pair):
            yield "r and s are not two positive INTEGERs"


def rsa_key(parameters, octets):
    if parameters != NULL:
        yield "RSA parameters are not NULL"
    numbers = value(octets).children()
    if len(numbers) != 2 or not all(minimal_positive(number) for number in numbers):
        yield "modulus and exponent are not two positive INTEGERs"


def ec_key(parameters, octets):
    size = CURVES.get(value(parameters).oid())
    if not size:
        yield "not a curve that is issued for"
    elif octets[:1] != b"\x04" or len(octets) != 1 + 2 * size:
        yield "not an uncompressed point"


@LINTS.row("CP-06")
def key_is_canonical(view):
    oid, *parameters = view.key_algorithm.children()
    parameters = b"".join(parameter.whole for parameter in parameters)
    if view.key_bits.tag != der.BIT_STRING or view.key_bits.body[:1] != b"\0":
        yield "not a BIT STRING of whole octets"
    octets, kind = view.key_bits.body[1:], view.key_kind()
    if kind == "rsa":
        yield from rsa_key(parameters, octets)
    elif kind == "ec":
        yield from ec_key(parameters, octets)
    elif kind in EDWARDS:
        if parameters or len(octets) != EDWARDS[kind]:
            yield f"{kind} with parameters or of another length"
    else:
        yield f"key of type {oid.oid()}"


@LINTS.row("CP-23")
def issuer_is_the_cas_subject(view):
    if view.above and view.issuer.whole != view.above.subject.whole:
        yield "other octets"


@LINTS.row("CP-25")
def no_unique_identifiers(view):
    if any(part.tag in (0x81, 0x82, 0xA1, 0xA2) for part in view.rest):
        yield "issuerUniqueID or subjectUniqueID"


@LINTS.row("CP-26")
def hash_is_sha256_at_least(view):
    oid = view.algorithm.children()[0].oid()
    if oid not in SIGNATURES:
        yield f"signature algorithm {oid}"


@LINTS.row("CP-26")
def issuer_may_sign(view):
    if not view.above:
        return
    constraints, usage = view.above.extension("2.5.29.19"), view.above.extension("2.5.29.15")
    if not constraints or not constraints.octets.startswith(b"\x30") or b"\x01\x01\xff" not in constraints.octets:
        yield "the issuer is not a CA"
    if usage and not usage.octets[3] & 0x04:
        yield "the issuer has no keyCertSign"


@LINTS.row("CP-26")
def signature_verifies(view):
    if not view.above:
        return
    key, algorithm = serialization.load_der_public_key(view.above.spki.whole), view.algorithm.children()[0].oid()
    digest = SIGNATURES.get(algorithm, (b"", None))[1]
    signature, signed = view.signature.body[1:], view.tbs.whole
    try:
        if isinstance(key, rsa.RSAPublicKey) and digest:
            key.verify(signature, signed, padding.PKCS1v15(), digest())
        elif isinstance(key, ec.EllipticCurvePublicKey) and digest:
            key.verify(signature, signed, ec.ECDSA(digest()))
        elif not isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)) and not digest:
            key.verify(signature, signed)
        else:
            yield f"{algorithm} is not an algorithm of the issuer's key"
    except InvalidSignature:
        yield "not made by the issuer's key"
