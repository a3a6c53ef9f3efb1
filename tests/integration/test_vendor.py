# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Certificates that makers give to their devices (IDevIDs): good for a first enrolment under an anchor of kind vendor, where the
alias says so, for devices that it knows by pattern or by list, and for the device itself alone.
"""

import pytest

from harness.client import basic
from harness.entities import anchor, hardware_name, vendor
from harness.pki import CLIENT_AUTH, CMC_RA, CertificateAuthority, Identity, days, dns, make_csr, make_key, now

CISCO = "1.3.6.1.4.1.9"


@pytest.fixture(scope="module")
def place(site):
    site.label = site.alias(auth_enroll="cert", vendor="pattern", vendor_patterns=["AB-*", f"{CISCO}:0a*"])
    site.vendor = vendor(site, site.label)
    return site


def enroll(site, label, identity, subject, san=(), **more):
    with site.client(identity=identity, **more) as client:
        return client.enroll(make_csr(make_key(), subject, san), label)


def test_TLS_13_a_device_enrols_with_what_its_maker_gave_it(place):
    """Without extendedKeyUsage, as IDevIDs are (TLS-11)"""
    device = place.vendor.issue("CN=AB-1,serialNumber=AB-1", eku=())
    cert = enroll(place, place.label, device, "CN=AB-1").cert()
    row = place.db.rows("""SELECT r.identity_kind, r.identity, c.replaces FROM est.enrollment r JOIN est.certificate c ON c.id = r.certificate_id
                           WHERE c.serial = %s""", cert.serial_number.to_bytes(cert.serial_number.bit_length() // 8 + 1, "big").hex(),
                        user="postgres")
    assert row == [("vendor", "serialNumber=AB-1,CN=AB-1", None)]


@pytest.mark.row("TLS-13")
def test_TLS_13_and_renews_with_what_it_got_here(place):
    device = place.vendor.issue("CN=AB-2,serialNumber=AB-2", eku=())
    key = make_key()
    with place.client(identity=device) as client:
        cert = client.enroll(make_csr(key, "CN=AB-2"), place.label).cert()
        answer = client.reenroll(make_csr(make_key(), "CN=AB-2,serialNumber=AB-2"), place.label)
        assert (answer.status, answer.reason) == (403, "vendor_refused")
    with place.client(identity=Identity(key, cert, place.pki.issuing.chain())) as client:
        assert client.reenroll(make_csr(make_key(), "CN=AB-2"), place.label).status == 200


def test_TLS_13_no_password_makes_it_good_for_a_renewal(place):
    label = place.alias(auth_enroll="basic-or-cert", auth_reenroll="cert-or-basic", vendor="pattern")
    anchor(place, label, "vendor", place.vendor)
    device = place.vendor.issue("CN=AB-3,serialNumber=AB-3", eku=())
    with place.ra(identity=device) as client:
        assert client.reenroll(make_csr(make_key(), "CN=AB-3"), label).reason == "vendor_refused"


@pytest.mark.parametrize("subject, san, good", [
    ("CN=AB-1", (), False), ("CN=x,serialNumber=AB-1", (), True), ("CN=x,serialNumber=AC-1", (), False), ("CN=x,serialNumber=ab-1", (), False),
    ("CN=x", (hardware_name(CISCO, b"\x0a\xfb"),), True), ("CN=x", (hardware_name(CISCO, b"\x0b"),), False),
    ("CN=x", (hardware_name("1.3.6.1.4.1.8", b"\x0a\xfb"),), False), ("CN=x,serialNumber=AC-1", (hardware_name(CISCO, b"\x0a"),), True),
    ("CN=x", (), False)])
def test_devices_by_pattern(place, subject, san, good):
    before = place.counts()
    answer = enroll(place, place.label, place.vendor.issue(subject, san=san, eku=()), "CN=x")
    if subject == "CN=AB-1":
        answer = enroll(place, place.label, place.vendor.issue(subject, san=san, eku=()), "CN=AB-1")
    assert (answer.status, answer.reason if not good else None) == ((200, None) if good else (403, "vendor_refused"))
    assert place.counts() == before + good


def test_devices_by_list(place):
    label = place.alias(auth_enroll="cert", vendor="listed")
    anchor(place, label, "vendor", place.vendor)
    by_serial = place.vendor.issue("CN=x,serialNumber=L-1", eku=())
    by_hardware = place.vendor.issue("CN=x", san=(hardware_name(CISCO, b"\x0a\xfb"),), eku=())
    for device in (by_serial, by_hardware, place.vendor.issue("CN=x", eku=())):
        answer = enroll(place, label, device, "CN=x")
        assert (answer.status, answer.reason) == (403, "vendor_refused")
    for device, name in ((by_serial, "L-1"), (by_hardware, f"{CISCO}:0afb")):
        place.db.execute("INSERT INTO vendor_device (alias_id, device) SELECT id, %s FROM alias WHERE name = %s", name, label)
        assert enroll(place, label, device, "CN=x").status == 200
        assert enroll(place, place.alias(auth_enroll="cert", vendor="listed"), device, "CN=x").reason == "certificate_required"


@pytest.mark.row("AUTH-12", "TLS-13")
@pytest.mark.parametrize("subject, san, good", [
    ("CN=AB-7", (), True), ("CN=box", (), True), ("CN=box,serialNumber=AB-7", (), True), ("CN=0afb", (), True), ("CN=AB-8", (), False),
    ("CN=box,serialNumber=AB-8", (), False), ("CN=AB-7", (dns("other.example"),), False)])
def test_a_device_asks_for_itself_alone(place, subject, san, good):
    device = place.vendor.issue("CN=box,serialNumber=AB-7", san=(hardware_name(CISCO, b"\x0a\xfb"),), eku=())
    answer = enroll(place, place.label, device, subject, san)
    assert (answer.status, None if good else answer.reason) == ((200, None) if good else (403, "name_not_yours"))


def test_a_device_is_called_as_its_certificate_spells_it(place):
    """Names that differ in letter case alone are equal, and yet may be another's: they make no other end entity"""
    label = place.alias(auth_enroll="cert", vendor="pattern", max_active=1)
    anchor(place, label, "vendor", place.vendor)
    device = place.vendor.issue("CN=Box nine,serialNumber=AB-9", eku=())
    cert = enroll(place, label, device, "CN=BOX NINE,serialNumber=AB-9").cert()
    assert cert.subject.rfc4514_string() == "serialNumber=AB-9,CN=Box nine".replace("serialNumber", "2.5.4.5")
    answer = enroll(place, label, device, "CN=box nine,serialNumber=AB-9")
    assert (answer.status, answer.reason) == (403, "active_limit")


def test_TLS_13_anchors_of_vendors_count_where_the_alias_says_so(place):
    """And a device's certificate makes its holder nothing else"""
    label = place.alias(auth_enroll="cert")
    anchor(place, label, "vendor", place.vendor)
    device = place.vendor.issue("CN=AB-1,serialNumber=AB-1", eku=(CLIENT_AUTH, CMC_RA))
    assert enroll(place, label, device, "CN=AB-1").reason == "certificate_required"
    place.sql("UPDATE alias SET vendor = 'pattern' WHERE name = %s", label)
    assert enroll(place, label, device, "CN=AB-1").status == 200
    assert enroll(place, label, device, "CN=other").reason == "name_not_yours", "no registration authority by a vendor's word"
    place.sql("UPDATE alias SET vendor = 'off' WHERE name = %s", label)
    assert enroll(place, label, device, "CN=AB-1").reason == "certificate_required"


def test_a_device_that_is_not_good_is_refused(place):
    stranger = CertificateAuthority("O=Vendor,CN=Vendor CA")
    for identity, reason in ((place.vendor.issue("CN=x,serialNumber=AB-1", eku=(), not_before=now() - days(9), not_after=now() - days(1)),
                              "certificate_refused"),
                             (stranger.issue("CN=x,serialNumber=AB-1", eku=()), "certificate_required")):
        answer = enroll(place, place.label, identity, "CN=x")
        assert (answer.status, answer.reason) == (403, reason)


@pytest.mark.parametrize("vendor_setting", ["pattern", "listed"])
def test_password_and_device(place, vendor_setting):
    """basic-and-cert: the device has to be one of those, though a password comes with it"""
    label = place.alias(auth_enroll="basic-and-cert", vendor=vendor_setting, vendor_patterns=["AB-*"])
    anchor(place, label, "vendor", place.vendor)
    place.db.execute("INSERT INTO vendor_device (alias_id, device) SELECT id, 'AB-1' FROM alias WHERE name = %s", label)
    headers = {"Authorization": basic(place.user, place.PASSWORD)}
    for serial, status in (("AB-1", 200), ("AC-1", 403)):
        with place.client(identity=place.vendor.issue(f"CN=x,serialNumber={serial}", eku=())) as client:
            answer = client.enroll(make_csr(make_key(), "CN=x"), label, headers)
        assert answer.status == status
        if status == 403:
            assert answer.reason == "vendor_refused"
