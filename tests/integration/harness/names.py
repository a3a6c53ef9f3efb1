# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Requests with names written octet by octet, and what is to be seen of them when they are refused or issued.

make_aliases(site)              three aliases with the names of their profiles; the checks below take one as label
request(subject, *names)        a certificate request; subject: Name (cn(...), one(...)), names: GeneralName each
check_refused, check_issued     enrol as a registration authority; the latter returns the certificate
subject_of, san_of, row_of      octets of the certificate; what PostgreSQL has
"""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from . import der
from .lint import lint
from .pki import EXTENSION_REQUEST, make_key, raw_attribute, raw_csr

KEY = make_key()
CN, SERIAL, C, L, ST, O, OU = "2.5.4.3", "2.5.4.5", "2.5.4.6", "2.5.4.7", "2.5.4.8", "2.5.4.10", "2.5.4.11"
EMAIL, DC, UNKNOWN = "1.2.840.113549.1.9.1", "0.9.2342.19200300.100.1.25", "1.3.6.1.4.1.55555.8"
NUMERIC, VISIBLE = 18, 26
UPN = "1.3.6.1.4.1.311.20.2.3"

# GeneralName, RFC 5280 4.2.1.6
OTHER, MAIL, DNS, X400, DIRECTORY, EDI, URI, IP, RID = 0xA0, 0x81, 0x82, 0xA3, 0xA4, 0xA5, 0x86, 0x87, 0x88


def attr(oid, tag, value):
    return der.seq(der.oid(oid), der.tlv(tag, value))


def rdn(*attributes):
    return der.set_of(*attributes)


def cn(value, tag=der.UTF8):
    """Name with one CN. value: octets or text"""
    return der.seq(rdn(attr(CN, tag, value if isinstance(value, bytes) else value.encode())))


def one(oid, value, tag=der.UTF8):
    """Name with a CN and one more attribute"""
    return der.seq(rdn(attr(CN, der.UTF8, b"device-1")), rdn(attr(oid, tag, value)))


def san_request(*names):
    """Attribute extensionRequest with a subjectAltName of these GeneralNames"""
    extension = der.seq(der.oid("2.5.29.17"), der.tlv(der.OCTET_STRING, der.seq(*names)))
    return raw_attribute(EXTENSION_REQUEST, der.seq(extension))


def request(subject=None, *names, key=KEY):
    subject = cn("device-1") if subject is None else subject
    return raw_csr(key, subject=subject, attributes=[san_request(*names)] if names else [])


def subject_of(cert):
    """Octets of the subject, as they stand in the certificate; the field before it but one is the issuer"""
    tbs = der.children(der.children(cert.public_bytes(Encoding.DER))[0])
    return tbs[5]


def san_of(cert):
    """Octets of each GeneralName of the certificate"""
    try:
        found = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return der.children(found.value.public_bytes())


def escaped(value):
    """RFC 2253 2.4"""
    out = "".join("\\" + c if c in ',+"\\<>;' else c for c in value)
    out = "\\" + out if out[0] in "# " else out
    return out[:-1] + "\\ " if out.endswith(" ") else out


def row_of(site, cert):
    """What PostgreSQL has of it: (subject, [SANs], name of the end entity)"""
    return site.db.rows("SELECT c.subject, c.san, e.name FROM certificate c JOIN end_entity e ON e.id = c.entity_id"
                        " WHERE c.serial = est.serial_parse(%s)", format(cert.serial_number, "x"), user="postgres")[0]


def make_aliases(site):
    """wide (nearly everything is allowed), dropping (CN and DNS names; the rest is left out), narrow (patterns)"""
    for profile, columns, attributes, types in (
            ("wide", "true, 'refuse', 'refuse'", "CN,SN,C,L,ST,O,OU,serialNumber,emailAddress,DC", "dns,ip,uri,email"),
            ("dropping", "false, 'drop', 'drop'", "CN", "dns"), ("narrow", "false, 'refuse', 'refuse'", "", "")):
        site.sql("INSERT INTO certificate_profile (name, dns_wildcards, subject_other, san_other)"
                 f" VALUES ('{profile}', {columns})")
        number = site.profile_id(profile)
        site.sql("INSERT INTO profile_subject_rule (profile_id, attribute, max_count)"
                 " SELECT %s, a, 32 FROM unnest(%s::text[]) AS a", number, f"{{{attributes}}}")
        site.sql("INSERT INTO profile_san_rule (profile_id, type, max_count)"
                 " SELECT %s, t, 256 FROM unnest(%s::text[]) AS t", number, f"{{{types}}}")
        site.sql("INSERT INTO profile_extension (profile_id, name, critical, value)"
                 " VALUES (%s, 'keyUsage', true, 'digitalSignature')", number)
        site.alias(profile, profile_id=number)
    number = site.profile_id("narrow")
    site.sql("INSERT INTO profile_subject_rule (profile_id, attribute, pattern) VALUES (%s, 'CN', '*.plant.example')", number)
    site.sql("INSERT INTO profile_san_rule (profile_id, type, pattern, max_count) VALUES (%s, 'dns', '*.plant.example', 4),"
             " (%s, 'ip', '10.0.0.0/8', 4)", number, number)


def enroll(site, csr, label="wide"):
    with site.ra() as client:
        return client.enroll(csr, label)


def check_refused(site, csr, label="wide", status=400, reasons=("name_invalid",), why=None):
    before, start = site.counts(), site.httpd.log.size()
    answer = enroll(site, csr, label)
    assert answer.status == status, (why, answer.text)
    assert answer.reason in reasons, (why, answer.text)
    assert site.counts() == before
    # Nothing that was sent reaches the log as it is (N-08)
    assert all(line.startswith("[") and line.isascii() and line.isprintable() for line in site.log_lines(start))
    return answer


def check_issued(site, csr, label="wide"):
    cert = enroll(site, csr, label).cert()
    lint(cert, site.pki.issuing.cert)
    return cert
