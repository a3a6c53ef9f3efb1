# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Keys, certificate requests and certificates, made by python3-cryptography."""

import base64
import datetime
import functools
import os
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import der

CLIENT_AUTH, SERVER_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
CMC_RA = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")
CHALLENGE_PASSWORD, EXTENSION_REQUEST = "1.2.840.113549.1.9.7", "1.2.840.113549.1.9.14"

ATTRIBUTES = {
    "CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "C": NameOID.COUNTRY_NAME, "L": NameOID.LOCALITY_NAME, "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER, "emailAddress": NameOID.EMAIL_ADDRESS, "UID": NameOID.USER_ID,
}
CURVES = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}


def make_key(kind="ec:P-256"):
    family, _, size = kind.partition(":")
    if family == "rsa":
        return rsa.generate_private_key(65537, int(size))
    if family == "ec":
        return ec.generate_private_key(CURVES[size]())
    return {"ed25519": ed25519.Ed25519PrivateKey, "ed448": ed448.Ed448PrivateKey}[family].generate()


@functools.lru_cache(maxsize=None)
def shared_key(kind):
    """One key a kind for tests that do not care which: RSA keys take long to make."""
    return make_key(kind)


def hash_for(key):
    return None if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)) else hashes.SHA256()


def name(text):
    """"CN=a,O=b" in this order, an attribute an RDN"""
    pairs = [part.split("=", 1) for part in text.split(",")] if text else []
    return x509.Name([x509.NameAttribute(ATTRIBUTES[key], value) for key, value in pairs])


def dns(value):
    return x509.DNSName(value)


def spki_of(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def make_csr(key, subject="CN=device-1", san=(), extensions=(), challenge=None, attributes=()):
    """A certificate request in DER. extensions: (value, critical) pairs; attributes: (dotted oid, octets) pairs."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(subject) if isinstance(subject, str) else subject)
    if san:
        builder = builder.add_extension(x509.SubjectAlternativeName(san), critical=False)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    if challenge is not None:
        builder = builder.add_attribute(x509.ObjectIdentifier(CHALLENGE_PASSWORD), challenge)
    for oid, value in attributes:
        builder = builder.add_attribute(x509.ObjectIdentifier(oid), value)
    return builder.sign(key, hash_for(key)).public_bytes(serialization.Encoding.DER)


# --- requests written octet by octet, for what the library above would not write

SIGNATURE_ALGORITHMS = {
    "ecdsa-sha256": der.seq(der.oid("1.2.840.10045.4.3.2")),
    "rsa-sha256": der.seq(der.oid("1.2.840.113549.1.1.11"), der.tlv(der.NULL)),
    "ed25519": der.seq(der.oid("1.3.101.112")),
}


def sign(key, data):
    """(AlgorithmIdentifier, signature)"""
    if isinstance(key, rsa.RSAPrivateKey):
        return SIGNATURE_ALGORITHMS["rsa-sha256"], key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return SIGNATURE_ALGORITHMS["ecdsa-sha256"], key.sign(data, ec.ECDSA(hashes.SHA256()))
    return SIGNATURE_ALGORITHMS["ed25519"], key.sign(data)


def raw_name(*attributes):
    """attributes: (dotted oid, string tag, octets), each in an RDN of its own"""
    return der.seq(*[der.set_of(der.seq(der.oid(oid), der.tlv(tag, value))) for oid, tag, value in attributes])


def raw_attribute(oid, *values):
    return der.seq(der.oid(oid), der.tlv(der.SET, *values))


def raw_info(key, subject=None, attributes=(), version=0, spki=None, change=list):
    """CertificationRequestInfo; spki: instead of that of key; change: makes other parts of version, subject, key, attributes"""
    subject = raw_name(("2.5.4.3", der.UTF8, b"device-1")) if subject is None else subject
    return der.seq(*change([der.integer(version), subject, spki or spki_of(key), der.tlv(0xA0, *attributes)]))


def raw_csr(key, info=None, algorithm=None, **fields):
    """A request whose signature is right. fields: of raw_info"""
    info = raw_info(key, **fields) if info is None else info
    own_algorithm, signature = sign(key, info)
    return der.seq(info, algorithm or own_algorithm, der.bit_string(signature))


def pem(data, label="CERTIFICATE REQUEST"):
    text = base64.b64encode(data).decode()
    lines = [text[i:i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


# --- certificates

def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def days(count):
    return datetime.timedelta(days=count)


def pem_key(key, password=None):
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


class Identity:
    """A key with its certificate and the certificates between that and a root."""

    def __init__(self, key, cert, chain=()):
        self.key, self.cert, self.chain = key, cert, list(chain)
        self._file = None

    def pem_chain(self):
        return b"".join(cert.public_bytes(serialization.Encoding.PEM) for cert in [self.cert, *self.chain])

    def file(self):
        """Path of a PEM file with key and certificates, for clients that want one. It goes away with the session."""
        if self._file is None:
            handle, self._file = tempfile.mkstemp(suffix=".pem", dir=Identity.directory)
            with os.fdopen(handle, "wb") as file:
                file.write(self.pem_chain() + pem_key(self.key))
        return self._file

    directory = None


def key_usage(**bits):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{bit: bits.get(bit, False) for bit in names})


class CertificateAuthority:
    def __init__(self, subject, issuer=None, key=None, not_before=None, not_after=None, ca=True, sign_certs=True):
        self.key = key or make_key()
        self.issuer = issuer
        signer = issuer or self
        subject_name = name(subject)
        builder = (x509.CertificateBuilder().subject_name(subject_name).public_key(self.key.public_key())
                   .issuer_name(issuer.cert.subject if issuer else subject_name)
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(not_before or now() - days(2)).not_valid_after(not_after or now() + days(3650))
                   .add_extension(x509.BasicConstraints(ca, None), True)
                   .add_extension(key_usage(key_cert_sign=sign_certs, crl_sign=True, digital_signature=True), True)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False))
        if issuer:
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), False)
        self.cert = builder.sign(signer.key, hash_for(signer.key))

    def chain(self):
        """From this CA up to and without the root."""
        return [self.cert, *self.issuer.chain()] if self.issuer else []

    def issue(self, subject="CN=device-1", key=None, san=(), eku=(CLIENT_AUTH,), not_before=None, not_after=None,
              usage="digital_signature", with_chain=True):
        """A certificate made behind the module's back."""
        key = key or make_key()
        builder = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(self.cert.subject)
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(not_before or now() - days(1)).not_valid_after(not_after or now() + days(30))
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
                   .add_extension(key_usage(**{usage: True}), True))
        if eku:
            builder = builder.add_extension(x509.ExtendedKeyUsage(eku), False)
        if san:
            builder = builder.add_extension(x509.SubjectAlternativeName(san), False)
        return Identity(key, builder.sign(self.key, hash_for(self.key)), self.chain() if with_chain else ())

    def pem(self):
        return self.cert.public_bytes(serialization.Encoding.PEM)

    def der(self):
        return self.cert.public_bytes(serialization.Encoding.DER)


class Pki:
    """
    root -> issuing -> server certificate; foreign: another root that nobody here trusts. directory: where the files of
    clients go.
    """

    def __init__(self, directory):
        Identity.directory = os.path.join(directory, "clients")
        os.mkdir(Identity.directory, 0o700)
        self.root = CertificateAuthority("O=Test,CN=Root")
        self.issuing = CertificateAuthority("O=Test,CN=Issuing CA", self.root)
        self.foreign = CertificateAuthority("O=Elsewhere,CN=Foreign CA")
        self.server = self.issuing.issue("CN=localhost", san=[x509.DNSName("localhost")], eku=(SERVER_AUTH, CMC_RA))
