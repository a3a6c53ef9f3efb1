# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""renew_expired: for how long after its end a certificate can still be renewed, and that nothing else is forgiven with it."""

import hashlib

import pytest
from cryptography.hazmat.primitives import serialization

from harness.entities import anchor, vendor
from harness.pki import SERVER_AUTH, CertificateAuthority, days, make_csr, make_key, now


@pytest.fixture(scope="module")
def place(site):
    site.label = site.alias(auth_enroll="cert", unknown_holder="accept", renew_expired="5 days")
    return site


def over(ca, since, **more):
    """A certificate that has ended that many days ago"""
    return ca.issue("CN=late", not_before=now() - days(since + 30), not_after=now() - days(since), **more)


def renew(site, label, identity, operation="reenroll"):
    with site.client(identity=identity) as client:
        return getattr(client, operation)(make_csr(make_key(), "CN=late"), label)


@pytest.mark.row("A-07", "RE-07")
@pytest.mark.parametrize("since, status", [(1, 200), (4, 200), (6, 403), (400, 403)])
def test_the_grace_has_an_end(place, since, status):
    answer = renew(place, place.label, over(place.pki.issuing, since))
    assert (answer.status, None if status == 200 else answer.reason) == (status, None if status == 200 else "certificate_refused")


@pytest.mark.row("A-07")
def test_there_is_none_by_default(place):
    label = place.alias(auth_enroll="cert", unknown_holder="accept")
    assert renew(place, label, over(place.pki.issuing, 1)).reason == "certificate_refused"


@pytest.mark.row("A-07", "RE-07")
def test_it_is_for_renewals_alone(place):
    late = over(place.pki.issuing, 1)
    answer = renew(place, place.label, late, "enroll")
    assert (answer.status, answer.reason) == (403, "certificate_refused")
    label = place.alias(auth_enroll="basic-or-cert", auth_cacerts=True, unknown_holder="accept", renew_expired="5 days")
    with place.client(identity=late) as client:
        assert client.get("cacerts", label).status == 403


@pytest.mark.row("A-07", "A-08", "A-10")
def test_nothing_else_is_forgiven(place):
    old_ca = CertificateAuthority("O=Test,CN=Old CA", not_before=now() - days(90), not_after=now() - days(1))
    label = place.alias(auth_enroll="cert", unknown_holder="accept", renew_expired="5 days", vendor="pattern")
    makers = vendor(place, label)
    anchor(place, label, "holder", old_ca)
    namesake = CertificateAuthority("O=Test,CN=Issuing CA")
    before = place.counts()
    for identity, reason in ((over(place.pki.issuing, 1, eku=(SERVER_AUTH,)), "certificate_refused"),
                             (over(place.pki.issuing, 1, usage="key_cert_sign"), "certificate_refused"),
                             (over(namesake, 1, with_chain=False), "certificate_required"),
                             (over(place.pki.foreign, 1), "certificate_required"), (over(makers, 1), "certificate_refused"),
                             (old_ca.issue("CN=late"), "certificate_refused")):
        answer = renew(place, label, identity)
        assert (answer.status, answer.reason) == (403, reason)
    assert place.counts() == before


def test_a_revoked_certificate_stays_revoked(place):
    """Revocation is looked up in the transaction that issues, also of one that is over"""
    label = place.alias(renew_expired="5 days")
    held = place.holder("CN=late", label)
    aged = place.pki.issuing.issue("CN=late", not_before=now() - days(2), not_after=now() - days(1))
    # The row of the certificate that was issued here becomes that of the one that is over
    place.db.execute("UPDATE est.certificate SET serial = %s, der = %s WHERE serial = %s", serial_text(aged.cert),
                     der(aged.cert), serial_text(held.cert), user="postgres")
    place.ledger.may_have_more = True
    place.ledger.add(der(aged.cert))
    place.ledger.given.discard(hash_of(held.cert))
    assert renew(place, label, aged).status == 200
    place.revoke(aged.cert)
    assert renew(place, label, aged).reason == "certificate_revoked"


def serial_text(cert):
    return cert.serial_number.to_bytes(cert.serial_number.bit_length() // 8 + 1, "big").hex()


def der(cert):
    return cert.public_bytes(serialization.Encoding.DER)


def hash_of(cert):
    return hashlib.sha256(der(cert)).hexdigest()
