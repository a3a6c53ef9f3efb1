# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What mode client and anchors of every kind are made of: registered end entities, their codes, makers of devices."""

from cryptography import x509

from . import der
from .pki import CertificateAuthority

OTP_CHALLENGE = "1.2.840.113549.1.9.16.2.56"
HARDWARE_MODULE_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4")


def register(site, name, label=None, code=None, **more):
    """An end entity, with a code for label that is cheap to verify. more: parameters of register_entity()"""
    values = {"name": name, "alias": label, "code": code, **more}
    arguments = ", ".join(f"{key} => %s" for key in values)
    site.db.execute(f"SELECT register_entity({arguments})", *values.values())
    cheapen(site, name, label, code)


def cheapen(site, name, label, code):
    if code is not None:
        site.db.execute("""UPDATE est.enrollment_code k SET hash = est.crypt(%s, est.gen_salt('bf', 4))
                           FROM est.end_entity e, est.alias a
                           WHERE e.id = k.entity_id AND a.id = k.alias_id AND e.name = %s AND a.name = %s""",
                        code, name, label, user="postgres")


def anchor(site, label, kind, ca):
    """The CA's certificates count at the alias, as kind says."""
    site.sql("INSERT INTO trust_anchor (alias_id, kind, certificate) SELECT id, %s, %s FROM alias WHERE name = %s", kind, ca.der(), label)


def vendor(site, label):
    """The CA of a maker of devices, known to the alias"""
    made = CertificateAuthority("O=Vendor,CN=Vendor CA")
    anchor(site, label, "vendor", made)
    return made


def hardware_name(oid, serial):
    return x509.OtherName(HARDWARE_MODULE_NAME, der.seq(der.oid(oid), der.tlv(der.OCTET_STRING, serial)))
