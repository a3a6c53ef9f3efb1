# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Registration authorities that are known by a certificate: of the alias's own CA and for id-kp-cmcRA (RFC 7030 3.6.1), or under an
anchor of kind ra and registered as a client.
"""

import base64

import pytest
from cryptography.hazmat.primitives import serialization

from harness.entities import anchor
from harness.pki import CLIENT_AUTH, CMC_RA, SERVER_AUTH, CertificateAuthority, make_csr, make_key


@pytest.fixture(scope="module")
def place(site):
    site.db.execute("""
        INSERT INTO certificate_profile (name, validity, keys) SELECT 'ra', validity, keys FROM certificate_profile WHERE name = 'device';
        INSERT INTO profile_subject_rule (profile_id, attribute) SELECT id, 'CN' FROM certificate_profile WHERE name = 'ra';
        INSERT INTO profile_extension (profile_id, name, critical, value)
        SELECT p.id, e.name, e.critical, e.value FROM certificate_profile p,
            (VALUES ('keyUsage', true, 'digitalSignature'), ('extendedKeyUsage', false, 'clientAuth,cmcRA')) AS e (name, critical, value)
        WHERE p.name = 'ra'""")
    site.except_lint("purposes_are_not_powers", "registration authorities, whose profile says so")
    site.label = site.alias(auth_enroll="cert")
    site.authority = issued_as(site, site.label, "ra", "CN=our-ra")
    site.ordinary = issued_as(site, site.label, "device", "CN=device-1")
    return site


def issued_as(site, label, profile, subject):
    """A certificate of that profile, on record at the alias"""
    site.sql("UPDATE alias SET auth_enroll = 'basic', profile_id = %s WHERE name = %s", site.profile_id(profile), label)
    held = site.holder(subject, label)
    site.sql("UPDATE alias SET auth_enroll = 'cert', profile_id = %s WHERE name = %s", site.profile_id("device"), label)
    return held


def enroll(site, label, identity, subject="CN=device-7", **more):
    with site.client(identity=identity) as client:
        return client.enroll(make_csr(make_key(), subject, **more), label)


@pytest.mark.row("AUTH-10", "AUTH-11")
def test_AUTH_10_AUTH_11_an_ra_of_our_own_ca_enrols_others(place):
    cert = enroll(place, place.label, place.authority).cert()
    assert cert.subject.rfc4514_string() == "CN=device-7"
    rows = place.db.rows("SELECT identity_kind, identity FROM est.enrollment WHERE subject IS NULL OR subject = 'CN=device-7' ORDER BY at DESC LIMIT 1",
                         user="postgres")
    assert rows == [("ra", "CN=our-ra")]
    answer = enroll(place, place.label, place.ordinary)
    assert (answer.status, answer.reason) == (403, "name_not_yours")


def test_an_ra_renews_its_own_certificate_and_no_other(place):
    with place.client(identity=place.authority) as client:
        answer = client.reenroll(make_csr(make_key(), "CN=device-7"), place.label)
        assert (answer.status, answer.reason) == (400, "names_differ")
        assert client.reenroll(make_csr(make_key(), "CN=our-ra"), place.label).status == 200


def test_ra_certificates_can_be_switched_off(place):
    place.sql("UPDATE alias SET ra_certificates = false WHERE name = %s", place.label)
    assert enroll(place, place.label, place.authority).reason == "name_not_yours"
    assert enroll(place, place.label, place.authority, "CN=our-ra").status == 200
    place.sql("UPDATE alias SET ra_certificates = true WHERE name = %s", place.label)
    assert enroll(place, place.label, place.authority).status == 200


@pytest.mark.row("A-12", "AUTH-10")
@pytest.mark.parametrize("unknown_holder", ["refuse", "accept"])
def test_A_12_one_that_is_not_on_record_has_no_powers(place, unknown_holder):
    """Not even where unrecorded holders are accepted: those speak for themselves alone"""
    label = place.alias(auth_enroll="cert", unknown_holder=unknown_holder)
    before = place.counts()
    answer = enroll(place, label, place.pki.issuing.issue("CN=unrecorded", eku=(CLIENT_AUTH, CMC_RA)))
    assert (answer.status, answer.reason) == (403, "certificate_unknown")
    assert enroll(place, label, place.authority).reason == "certificate_unknown", "that of another alias"
    assert place.counts() == before


@pytest.mark.row("A-12", "A-08")
@pytest.mark.parametrize("purposes, reason", [((CLIENT_AUTH, CMC_RA, SERVER_AUTH), "name_not_yours"), ((CMC_RA,), "certificate_refused"),
                                              ((SERVER_AUTH, CMC_RA), "certificate_refused"), ((CLIENT_AUTH,), "name_not_yours")])
def test_A_12_what_makes_no_ra(place, purposes, reason):
    label = place.alias(auth_enroll="cert", unknown_holder="accept")
    answer = enroll(place, label, place.pki.issuing.issue("CN=half", eku=purposes))
    assert (answer.status, answer.reason) == (403, reason)


@pytest.mark.row("AUTH-10", "A-12")
def test_AUTH_10_a_third_partys_ra_is_an_ordinary_client(place):
    """Under an anchor of holders, and with what makes an RA of our own CA"""
    label = place.alias(auth_enroll="cert", unknown_holder="accept")
    anchor(place, label, "holder", place.pki.foreign)
    foreign = place.pki.foreign.issue("CN=their-ra", eku=(CLIENT_AUTH, CMC_RA))
    assert enroll(place, label, foreign).reason == "name_not_yours"
    assert enroll(place, label, foreign, "CN=their-ra").status == 200


def test_A_09_a_revoked_ra(place):
    label = place.alias()
    held = issued_as(place, label, "ra", "CN=gone-ra")
    assert enroll(place, label, held).status == 200
    place.revoke(held.cert)
    assert enroll(place, label, held).reason == "certificate_revoked"


def test_an_ra_has_no_powers_beside_a_password(place):
    """The password decides, as far as it goes"""
    user = place.register(names="own")
    label = place.alias(auth_enroll="basic-or-cert")
    held = issued_as(place, label, "ra", "CN=other-ra")
    place.sql("UPDATE alias SET auth_enroll = 'basic-or-cert' WHERE name = %s", label)
    with place.client(user, identity=held) as client:
        assert client.enroll(make_csr(make_key(), "CN=device-7"), label).reason == "name_not_yours"
        assert client.enroll(make_csr(make_key(), f"CN={user}"), label).status == 200


# --- under an anchor of kind ra

@pytest.fixture(scope="module")
def external(place):
    place.partner = CertificateAuthority("O=Partner,CN=Partner CA")
    place.theirs = place.alias(auth_enroll="basic-or-cert")
    anchor(place, place.theirs, "ra", place.partner)
    return place


def register(site, user, identity, names="*", **more):
    pem = identity.cert.public_bytes(serialization.Encoding.PEM).decode()
    arguments = "".join(f", {key} => %s" for key in more)
    site.db.execute(f"SELECT register_client(%s, certificate => %s, names => %s{arguments})", user, pem, names, *more.values())
    site.sync()


@pytest.mark.row("TLS-13")
def test_TLS_13_an_ra_of_another_ca_has_to_be_registered(external):
    known, unknown = external.partner.issue("CN=partner-ra"), external.partner.issue("CN=partner-ra-2")
    assert enroll(external, external.theirs, known).reason == "not_authorized"
    register(external, "partner", known)
    answer = enroll(external, external.theirs, known)
    assert answer.status == 200, "what was not registered a moment ago is remembered for a second at most, and no change is missed"
    answer = enroll(external, external.theirs, unknown)
    assert (answer.status, answer.reason) == (403, "not_authorized")
    assert enroll(external, external.alias(auth_enroll="cert"), known).reason == "certificate_required", "of that alias alone"
    with external.client(identity=known) as client:
        assert client.reenroll(make_csr(make_key(), "CN=partner-ra"), external.theirs).status == 403


def test_an_ra_by_its_subject(external):
    """Any certificate of that subject: it can be renewed elsewhere without a word here"""
    external.db.execute("SELECT register_client('by-subject', 'irrelevant password')")
    external.sql("UPDATE client SET cert_subject = 'CN=named-ra,O=Partner', names = '{*}' WHERE user_name = 'by-subject'")
    for _ in range(2):
        assert enroll(external, external.theirs, external.partner.issue("O=Partner,CN=named-ra")).status == 200
    assert enroll(external, external.theirs, external.partner.issue("CN=named-ra")).reason == "not_authorized"


@pytest.mark.row("AUTH-12")
def test_AUTH_12_an_ra_is_bound_by_its_row(external):
    held = external.partner.issue("CN=bound-ra")
    register(external, "bound", held, names="plant-*")
    assert enroll(external, external.theirs, held, "CN=plant-1").status == 200
    assert enroll(external, external.theirs, held, "CN=device-1").reason == "name_not_yours"
    for change, undo, reason in (("enabled = false", "enabled = true", "not_authorized"),
                                 ("networks = '{10.0.0.0/8}'", "networks = NULL", "network_refused"),
                                 ("valid_until = now() - interval '1 second'", "valid_until = NULL", "not_authorized")):
        external.sql(f"UPDATE client SET {change} WHERE user_name = 'bound'")
        answer = enroll(external, external.theirs, held, "CN=plant-1")
        assert (answer.status, answer.reason) == (403, reason), change
        external.sql(f"UPDATE client SET {undo} WHERE user_name = 'bound'")
    external.sql("INSERT INTO entity_group (name) VALUES ('ra-closed')")
    external.sql("UPDATE client_group SET group_id = (SELECT id FROM entity_group WHERE name = 'ra-closed')"
                 " WHERE client_id = (SELECT id FROM client WHERE user_name = 'bound')")
    assert enroll(external, external.theirs, held, "CN=plant-1").reason == "group_refused"


def test_an_external_ra_that_is_a_server_too(external):
    held = external.partner.issue("CN=server-ra", eku=(CLIENT_AUTH, SERVER_AUTH))
    register(external, "server-ra", held)
    answer = enroll(external, external.theirs, held)
    assert (answer.status, answer.reason) == (403, "certificate_refused")


# --- binding values of other connections

@pytest.mark.row("CB-11", "AUTH-11")
@pytest.mark.parametrize("binding", ["if-present", "required"])
def test_CB_11_AUTH_11_an_ra_may_carry_foreign_binding_values(place, binding):
    label = place.alias(binding="if-present")
    held = issued_as(place, label, "ra", f"CN=carrier-{binding}")
    device = issued_as(place, label, "device", "CN=device-7")
    place.sql("UPDATE alias SET binding = %s WHERE name = %s", binding, label)
    foreign = base64.b64encode(b"x" * 12)
    assert enroll(place, label, held, challenge=foreign).reason == "binding_failed"
    place.sql("UPDATE alias SET ra_binding = true WHERE name = %s", label)
    assert enroll(place, label, held, challenge=foreign).status == 200
    assert enroll(place, label, held, challenge=b"no base64!").reason == "binding_failed"
    assert enroll(place, label, device, challenge=foreign).reason == "binding_failed", "no RA"
    assert enroll(place, label, held).status == (200 if binding == "if-present" else 400)
