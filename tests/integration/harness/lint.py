# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What RFC 5280 and the rows CP of docs/conformance.md say of every certificate that is issued, read by python3-cryptography."""

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtensionOID

from . import der

CRITICAL = {ExtensionOID.KEY_USAGE: True, ExtensionOID.SUBJECT_KEY_IDENTIFIER: False,
            ExtensionOID.AUTHORITY_KEY_IDENTIFIER: False, ExtensionOID.AUTHORITY_INFORMATION_ACCESS: False,
            ExtensionOID.CRL_DISTRIBUTION_POINTS: False}


def key_octets(public_key):
    """The contents of subjectPublicKey, of which RFC 5280 4.2.1.2 (1) takes the SHA-1"""
    spki = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return der.children(spki)[1][der.head(der.children(spki)[1])[0] + 1:]


def verify_signature(cert, issuer):
    key = issuer.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(cert.signature, cert.tbs_certificate_bytes, padding.PKCS1v15(), cert.signature_hash_algorithm)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(cert.signature, cert.tbs_certificate_bytes, ec.ECDSA(cert.signature_hash_algorithm))
    else:
        key.verify(cert.signature, cert.tbs_certificate_bytes)


def lint_serial(cert):
    serial = der.children(der.children(cert.public_bytes(serialization.Encoding.DER))[0])[1]
    contents = serial[der.head(serial)[0]:]
    assert cert.serial_number > 0, "serial is not positive"
    assert len(contents) <= 20, "serial has over 20 octets"
    assert cert.serial_number.bit_length() > 64, "serial has too little entropy"


def lint_names(cert, issuer):
    assert cert.issuer.public_bytes() == issuer.subject.public_bytes(), "issuer differs from the CA's subject"
    empty = not list(cert.subject)
    try:
        san = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        assert not empty, "neither subject nor subjectAltName"
        return
    assert list(san.value), "subjectAltName is empty"
    assert san.critical == empty, "subjectAltName is critical exactly when the subject is empty"


def lint_extensions(cert, issuer):
    oids = [extension.oid for extension in cert.extensions]
    assert len(oids) == len(set(oids)), "an extension is there twice"
    for extension in cert.extensions:
        assert CRITICAL.get(extension.oid, extension.critical) == extension.critical, f"criticality of {extension.oid}"
    ski = cert.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert len(ski) == 20, "subject key identifier"
    assert ski == hashlib.sha1(key_octets(cert.public_key())).digest(), "subject key identifier"
    aki = cert.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    above = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert aki.key_identifier == above, "authority key identifier"
    usage = cert.extensions.get_extension_for_class(x509.KeyUsage).value
    assert not usage.key_cert_sign and not usage.crl_sign, "powers of a CA"
    if isinstance(cert.public_key(), ec.EllipticCurvePublicKey):
        assert not usage.key_encipherment and not usage.data_encipherment, "key usage that the key cannot have"
    try:
        assert not cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca, "CA:TRUE"
    except x509.ExtensionNotFound:
        pass


def lint(cert, issuer):
    """issuer: the CA's certificate. Raises AssertionError or InvalidSignature."""
    assert cert.version == x509.Version.v3
    lint_serial(cert)
    assert cert.not_valid_before < cert.not_valid_after, "validity is not positive"
    assert issuer.not_valid_before <= cert.not_valid_before, "valid before its CA"
    assert cert.not_valid_after <= issuer.not_valid_after, "outlives its CA"
    outer, tbs = der.children(cert.public_bytes(serialization.Encoding.DER))[1], der.children(cert.tbs_certificate_bytes)[2]
    assert outer == tbs, "the two signature algorithms differ"
    lint_names(cert, issuer)
    lint_extensions(cert, issuer)
    verify_signature(cert, issuer)
