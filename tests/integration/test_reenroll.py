# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Re-enrolment, RFC 7030 4.2.2."""

import datetime

import pytest
from cryptography import x509

from harness import der
from harness.client import ENROLLED
from harness.lint import lint
from harness.names import NUMERIC
from harness.pki import CLIENT_AUTH, CertificateAuthority, Identity, days, dns, make_csr, make_key, name, now, raw_csr, raw_name

CN, O = "2.5.4.3", "2.5.4.10"


def reenroll(site, identity, csr, label=None, **more):
    with site.client(identity=identity, **more) as client:
        return client.reenroll(csr, label)


def serial_row(site, cert, columns):
    serial = format(cert.serial_number, "x")
    return site.db.rows(f"SELECT {columns} FROM certificate WHERE serial = est.serial_parse(%s)", serial, user="postgres")[0]


def test_RE_01_RE_09_rekey_replaces_and_revokes_nothing(site):
    old = site.holder("CN=device,O=Org", san=[dns("device.example")])
    key = make_key()
    answer = reenroll(site, old, make_csr(key, "CN=device,O=Org", [dns("device.example")]))
    assert answer.status == 200
    assert answer.header("Content-Type") == ENROLLED
    new = answer.cert()
    lint(new, site.pki.issuing.cert)
    assert new.serial_number != old.cert.serial_number
    assert new.public_key().public_numbers() == key.public_key().public_numbers()
    assert serial_row(site, new, "replaces") == serial_row(site, old.cert, "id")
    assert serial_row(site, old.cert, "status") == ("valid",)


def test_RE_05_renewal_with_the_same_key(site):
    old = site.holder("CN=same-key")
    new = reenroll(site, old, make_csr(old.key, "CN=same-key")).cert()
    assert new.serial_number != old.cert.serial_number


def test_PE_07_the_answer_can_be_asked_for_again(site):
    old = site.holder("CN=again")
    csr = make_csr(make_key(), "CN=again")
    assert reenroll(site, old, csr).cert() == reenroll(site, old, csr).cert()


# RE-02 and C-13, with RFC 5280 7.1: (subject, SAN, status, why); the certificate is CN=Device One,O=Org with two DNS names
HELD = "CN=Device One,O=Org", ("a.example", "b.example")
COMPARED = {
    "RE-02_equal": ("CN=Device One,O=Org", ("a.example", "b.example"), 200, "the same"),
    "RE-02_other_CN": ("CN=Device Two,O=Org", ("a.example", "b.example"), 400, "another name"),
    "RE-02_attribute_left_out": ("CN=Device One", ("a.example", "b.example"), 400, "fewer attributes"),
    "RE-02_attribute_added": ("CN=Device One,O=Org,OU=x", ("a.example", "b.example"), 400, "more attributes"),
    "RE-02_san_added": ("CN=Device One,O=Org", ("a.example", "b.example", "c.example"), 400, "SANs are compared as sets"),
    "RE-02_san_dropped": ("CN=Device One,O=Org", ("a.example",), 400, "SANs are compared as sets"),
    "RE-02_san_missing": ("CN=Device One,O=Org", (), 400, "missing in the request while the certificate has one"),
    "C-13_case": ("CN=device ONE,O=ORG", ("a.example", "b.example"), 200, "7.1: case is folded"),
    "C-13_blanks": ("CN= Device  One ,O=Org", ("a.example", "b.example"), 200, "7.1: blanks are folded"),
    "C-13_rdn_order": ("O=Org,CN=Device One", ("a.example", "b.example"), 400, "RDNs are a sequence"),
    "C-13_san_order": ("CN=Device One,O=Org", ("b.example", "a.example"), 200, "SANs are compared as sets"),
    "C-13_san_case": ("CN=Device One,O=Org", ("A.example", "b.EXAMPLE"), 200, "7.2: DNS names have no case"),
}


@pytest.fixture(scope="module")
def held(site):
    return site.holder(HELD[0], san=[dns(value) for value in HELD[1]])


@pytest.mark.parametrize("row", COMPARED)
def test_names_are_compared(site, held, row):
    subject, san, status, why = COMPARED[row]
    before = site.counts()
    answer = reenroll(site, held, make_csr(make_key(), subject, [dns(value) for value in san]))
    assert answer.status == status, (why, answer.text)
    if status == 200:
        lint(answer.cert(), site.pki.issuing.cert)
        # What compares as equal may be the name of another client: the holder keeps its own spelling
        assert answer.cert().subject == held.cert.subject
    else:
        assert answer.reason == "names_differ"
        assert site.counts() == before


@pytest.mark.parametrize("tag", [der.PRINTABLE, der.UTF8])
def test_C_13_string_type_does_not_matter(site, tag):
    key = make_key()
    with site.ra() as client:
        csr = raw_csr(key, subject=raw_name((CN, der.PRINTABLE, b"typed"), (O, der.UTF8, b"Org")))
        old = Identity(key, client.enroll(csr).cert(), site.pki.issuing.chain())
    csr = raw_csr(make_key(), subject=raw_name((CN, tag, b"typed"), (O, tag, b"Org")))
    assert reenroll(site, old, csr).status == 200


@pytest.mark.parametrize("tag", [NUMERIC, der.PRINTABLE, der.UTF8])
def test_C_13_a_number_by_any_string_type(site, tag):
    """A NumericString is issued as UTF8String; the device goes on sending what it has always sent"""
    key = make_key()
    with site.ra() as client:
        cert = client.enroll(raw_csr(key, subject=raw_name((CN, NUMERIC, b"4711 12")))).cert()
    old = Identity(key, cert, site.pki.issuing.chain())
    assert reenroll(site, old, raw_csr(make_key(), subject=raw_name((CN, tag, b"4711 12")))).cert().subject == cert.subject
    other = reenroll(site, old, raw_csr(make_key(), subject=raw_name((CN, tag, b"4711 13"))))
    assert (other.status, other.reason) == (400, "names_differ")


def test_RE_03_certificate_of_A_with_request_of_B(site):
    a, b = site.holder("CN=A"), site.holder("CN=B")
    answer = reenroll(site, a, make_csr(b.key, "CN=B"))
    assert (answer.status, answer.reason) == (400, "names_differ")


def test_RE_04_a_password_alone_is_not_enough(site):
    with site.ra() as client:
        answer = client.reenroll(make_csr(make_key(), "CN=holder"))
    assert (answer.status, answer.reason) == (403, "certificate_required")
    assert answer.header("WWW-Authenticate") is None


def test_RE_04_nothing_at_all(site):
    with site.client() as client:
        assert client.reenroll(make_csr(make_key())).status == 403


def test_RE_06_foreign_certificate(site):
    answer = reenroll(site, site.pki.foreign.issue("CN=holder"), make_csr(make_key(), "CN=holder"))
    assert (answer.status, answer.reason) == (403, "certificate_required")


def test_RE_06_certificate_of_our_ca_without_a_record(site):
    """unknown_holder = refuse"""
    stranger = site.pki.issuing.issue("CN=unrecorded")
    answer = reenroll(site, stranger, make_csr(make_key(), "CN=unrecorded"))
    assert (answer.status, answer.reason) == (403, "certificate_unknown")


def test_unknown_holder_accept_lets_it_migrate(site):
    stranger = site.pki.issuing.issue("CN=migrated")
    label = site.alias(unknown_holder="accept")
    assert reenroll(site, stranger, make_csr(make_key(), "CN=migrated"), label).status == 200


def test_RE_06_certificate_of_another_alias(site):
    other = site.alias()
    answer = reenroll(site, site.holder("CN=elsewhere"), make_csr(make_key(), "CN=elsewhere"), other)
    assert (answer.status, answer.reason) == (403, "certificate_unknown")


def test_RE_06_C_14_revoked_certificate(site):
    old = site.holder("CN=revoked")
    site.revoke(old.cert)
    answer = reenroll(site, old, make_csr(make_key(), "CN=revoked"))
    assert (answer.status, answer.reason) == (403, "certificate_revoked")


def test_TLS_12_revoked_between_two_requests_of_a_connection(site):
    old = site.holder("CN=revoked-late")
    with site.client(identity=old) as client:
        assert client.reenroll(make_csr(make_key(), "CN=revoked-late")).status == 200
        site.revoke(old.cert)
        assert client.reenroll(make_csr(make_key(), "CN=revoked-late")).status == 403


@pytest.mark.parametrize("what, times", [("expired", (days(-10), days(-1))), ("not_yet_valid", (days(1), days(10)))])
def test_RE_07_outside_its_time(site, what, times):
    assert what
    late = site.pki.issuing.issue("CN=late", not_before=now() + times[0], not_after=now() + times[1])
    answer = reenroll(site, late, make_csr(make_key(), "CN=late"))
    assert (answer.status, answer.reason) == (403, "certificate_refused")


def test_certificate_under_an_added_anchor_may_reenroll_when_unknown_holders_may(site):
    label = site.alias(unknown_holder="accept")
    site.sql("INSERT INTO trust_anchor (alias_id, certificate) SELECT id, %s FROM alias WHERE name = %s", site.pki.foreign.der(), label)
    moved = site.pki.foreign.issue("CN=moved")
    new = reenroll(site, moved, make_csr(make_key(), "CN=moved"), label).cert()
    lint(new, site.pki.issuing.cert)


def test_leaf_under_an_intermediate_with_and_without_its_chain(site):
    sub = CertificateAuthority("O=Elsewhere,CN=Sub", site.pki.foreign)
    label = site.alias(unknown_holder="accept")
    site.sql("INSERT INTO trust_anchor (alias_id, certificate) SELECT id, %s FROM alias WHERE name = %s", site.pki.foreign.der(), label)
    whole, alone = sub.issue("CN=whole"), sub.issue("CN=alone", with_chain=False)
    assert reenroll(site, whole, make_csr(make_key(), "CN=whole"), label).status == 200
    assert reenroll(site, alone, make_csr(make_key(), "CN=alone"), label).status == 403
    # With the intermediate as a helper the chain need not be sent
    site.sql("INSERT INTO trust_anchor (alias_id, use, certificate) SELECT id, 'helper', %s FROM alias WHERE name = %s", sub.der(), label)
    assert reenroll(site, alone, make_csr(make_key(), "CN=alone"), label).status == 200


def test_empty_subject_with_critical_san(site):
    old = site.holder("", san=[dns("nameless.example")])
    new = reenroll(site, old, make_csr(make_key(), "", [dns("nameless.example")])).cert()
    assert new.subject == name("")
    assert new.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    assert datetime.datetime.utcnow() < new.not_valid_after
    assert CLIENT_AUTH in new.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
