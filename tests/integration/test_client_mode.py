# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Mode client: a certificate is for an end entity that was registered before. Who may bring the request: the entity by its code,
alone or beside a certificate; a registered client for entities; the holder of an earlier certificate.
"""

import pytest
from cryptography import x509

from harness.client import basic
from harness.entities import OTP_CHALLENGE, anchor, register
from harness.httpd import PASSWORD_MISMATCH, USER_NOT_FOUND
from harness.pki import CertificateAuthority, Identity, dns, make_csr, make_key

CODE = "right-code"


@pytest.fixture(scope="module")
def label(site):
    return site.alias(mode="client", auth_enroll="basic-or-cert")


def entity_of(site, cert):
    return site.db.value("SELECT e.name FROM est.certificate c JOIN est.end_entity e ON e.id = c.entity_id WHERE c.serial = %s",
                         serial_text(cert), user="postgres")


def serial_text(cert):
    """As est.certificate has it: contents of the INTEGER in hex"""
    return cert.serial_number.to_bytes(cert.serial_number.bit_length() // 8 + 1, "big").hex()


def test_a_registered_client_acts_for_entities(site, label):
    register(site, "acted-for")
    with site.ra() as client:
        cert = client.enroll(make_csr(make_key(), "CN=acted-for"), label).cert()
        assert entity_of(site, cert) == "acted-for"
        before = site.counts()
        answer = client.enroll(make_csr(make_key(), "CN=unheard-of"), label)
        assert (answer.status, answer.reason) == (403, "entity_unknown")
        answer = client.enroll(make_csr(make_key(), "O=acted-for"), label)
        assert (answer.status, answer.reason) == (403, "entity_unknown")
        assert site.counts() == before


def test_a_registered_client_acts_for_those_its_names_cover(site, label):
    for name in ("dev-1", "own-1", "dep-1"):
        register(site, name)
    patterns = site.register(names="dev-*")
    own = site.register("own-1", names="own")
    for user, good, bad in ((patterns, "dev-1", "dep-1"), (own, "own-1", "dev-1")):
        with site.client(user) as client:
            assert client.enroll(make_csr(make_key(), f"CN={good}"), label).status == 200
            assert client.enroll(make_csr(make_key(), f"CN={bad}"), label).reason == "name_not_yours"


def test_an_entity_that_enrolment_has_made_is_not_registered(site, label):
    """One group, an alias of each mode"""
    with site.ra() as client:
        client.enroll(make_csr(make_key(), "CN=on-the-fly"), site.alias()).cert()
        answer = client.enroll(make_csr(make_key(), "CN=on-the-fly"), label)
        assert (answer.status, answer.reason) == (403, "entity_unknown")
        register(site, "on-the-fly")
        assert client.enroll(make_csr(make_key(), "CN=on-the-fly"), label).status == 200


@pytest.mark.parametrize("how", ["code", "client"])
def test_a_suspended_entity_gets_nothing(site, label, how):
    name = f"suspended-{how}"
    register(site, name, label, CODE, uses=5)
    user, password = (name, CODE) if how == "code" else (site.user, site.PASSWORD)
    site.db.execute("SELECT suspend(%s)", name)
    with site.client(user, password) as client:
        before = site.counts()
        answer = client.enroll(make_csr(make_key(), f"CN={name}"), label)
        assert (answer.status, answer.reason) == (403, "entity_suspended")
        assert site.counts() == before
        site.db.execute("SELECT reinstate(%s)", name)
        assert client.enroll(make_csr(make_key(), f"CN={name}"), label).status == 200


def test_an_entity_that_is_over_gets_nothing(site, label):
    register(site, "is-over", label, CODE)
    site.db.execute("UPDATE end_entity SET valid_until = now() - interval '1 minute' WHERE name = 'is-over'")
    with site.client("is-over", CODE) as client:
        answer = client.enroll(make_csr(make_key(), "CN=is-over"), label)
    assert (answer.status, answer.reason) == (403, "entity_suspended")


def test_a_code_before_a_client_of_the_same_name(site, label, expect_log):
    """The entity's code decides where there is one, and the client's password where there is none"""
    expect_log(PASSWORD_MISMATCH)
    user = site.register("twin")
    register(site, "twin")
    with site.client(user) as client:
        assert client.enroll(make_csr(make_key(), "CN=twin"), label).status == 200
    site.db.execute("SELECT issue_code('twin', %s, code => %s)", label, CODE)
    with site.client(user) as client:
        assert client.enroll(make_csr(make_key(), "CN=twin"), label).status == 401
    with site.client("twin", CODE) as client:
        assert client.enroll(make_csr(make_key(), "CN=twin"), label).status == 200


def test_an_entity_by_its_code_asks_for_itself(site, label):
    register(site, "self-1", label, CODE, uses=9)
    register(site, "self-2")
    with site.client("self-1", CODE) as client:
        before = site.counts()
        assert client.enroll(make_csr(make_key(), "CN=self-2"), label).reason == "name_not_yours"
        assert site.counts() == before
        assert client.enroll(make_csr(make_key(), "CN=self-1"), label).status == 200


def test_a_code_of_mode_client_is_nothing_in_mode_ra(site, label, expect_log):
    expect_log(USER_NOT_FOUND)
    register(site, "wrong-mode", label, CODE)
    other = site.alias()
    site.db.execute("SELECT issue_code('wrong-mode', %s, code => %s)", other, CODE)
    with site.client("wrong-mode", CODE) as client:
        assert client.enroll(make_csr(make_key(), "CN=wrong-mode"), other).status == 401


@pytest.mark.row("AUTH-03")
def test_code_and_certificate(site):
    """basic-and-cert: the code stands in the place of the password, and the certificate is needed besides"""
    label = site.alias(mode="client", code_source="challenge-password", auth_enroll="basic-and-cert", unknown_holder="accept")
    register(site, "both", label, CODE)
    known, unknown = site.pki.issuing.issue("CN=both"), site.pki.foreign.issue("CN=both")
    before = site.counts()
    for identity, code, status, reason in ((None, CODE, 403, "certificate_required"), (unknown, CODE, 403, "certificate_required"),
                                           (known, None, 401, "code_refused"), (known, "wrong", 401, "code_refused")):
        with site.client(identity=identity) as client:
            answer = client.enroll(make_csr(make_key(), "CN=both", challenge=code and code.encode()), label)
        assert (answer.status, answer.reason) == (status, reason)
    assert site.counts() == before
    with site.client(identity=known) as client:
        assert client.enroll(make_csr(make_key(), "CN=both", challenge=CODE.encode()), label).status == 200


@pytest.mark.row("AUTH-06")
def test_who_has_a_certificate_needs_no_code(site):
    label = site.alias(mode="client", code_source="otp-challenge", auth_enroll="basic-or-cert")
    register(site, "either", label, CODE)
    key = make_key()
    with site.client() as client:
        cert = client.enroll(make_csr(key, "CN=either", attributes=[(OTP_CHALLENGE, CODE.encode())]), label).cert()
    held = Identity(key, cert, site.pki.issuing.chain())
    with site.client(identity=held) as client:
        assert client.enroll(make_csr(make_key(), "CN=either"), label).status == 200
        assert client.reenroll(make_csr(make_key(), "CN=either"), label).status == 200
        # One that was sent is looked at all the same
        answer = client.enroll(make_csr(make_key(), "CN=either", attributes=[(OTP_CHALLENGE, b"wrong")]), label)
        assert (answer.status, answer.reason) == (401, "code_refused")


def test_a_renewal_is_of_the_entity_on_record(site, label):
    """Whatever its certificate says, and though its name may be another's"""
    register(site, "renewing", label, CODE)
    key = make_key()
    with site.client("renewing", CODE) as client:
        cert = client.enroll(make_csr(key, "CN=renewing"), label).cert()
    held = Identity(key, cert, site.pki.issuing.chain())
    site.db.execute("UPDATE est.end_entity SET name = 'renamed' WHERE name = 'renewing'", user="postgres")
    with site.client(identity=held) as client:
        cert = client.reenroll(make_csr(make_key(), "CN=renewing"), label).cert()
        assert entity_of(site, cert) == "renamed"
        site.db.execute("SELECT suspend('renamed')")
        answer = client.reenroll(make_csr(make_key(), "CN=renewing"), label)
    assert (answer.status, answer.reason) == (403, "entity_suspended")


@pytest.mark.parametrize("source", ["basic", "challenge-password"])
def test_a_renewal_by_code(site, source):
    """auth_reenroll cert-or-basic: for devices that have lost their certificate"""
    label = site.alias(mode="client", code_source=source, auth_enroll="basic", auth_reenroll="cert-or-basic")
    name = f"lost-{source}"
    register(site, name, label, CODE, uses=2)
    headers = {"Authorization": basic(name, CODE)} if source == "basic" else {}
    csr = [make_csr(make_key(), f"CN={name}", challenge=None if source == "basic" else CODE.encode()) for _ in range(3)]
    with site.client() as client:
        assert client.enroll(csr[0], label, headers).status == 200
        assert client.reenroll(csr[1], label).status == (401 if source == "basic" else 200)
        if source == "basic":
            assert client.reenroll(csr[1], label, headers).status == 200
        assert client.reenroll(csr[2], label, headers).status == 401, "used up"


def test_a_renewal_by_password(site, expect_log):
    """The same of registered clients in mode ra; the default is the certificate alone"""
    expect_log(PASSWORD_MISMATCH)
    user = site.register(names="own")
    label, strict = site.alias(auth_reenroll="cert-or-basic"), site.alias()
    csr = make_csr(make_key(), f"CN={user}")
    with site.client(user) as client:
        assert client.enroll(csr, label).status == 200
        assert client.reenroll(make_csr(make_key(), f"CN={user}"), label).status == 200
        answer = client.reenroll(csr, strict)
        assert (answer.status, answer.reason) == (403, "certificate_required")
        assert client.reenroll(make_csr(make_key(), "CN=another"), label).status == 403
    with site.client() as client:
        answer = client.reenroll(csr, label)
        assert (answer.status, answer.header("WWW-Authenticate")) == (401, 'Basic realm="EST"')
    with site.client(user, "wrong") as client:
        assert client.reenroll(csr, label).status == 401


def test_a_change_of_the_entity_is_seen_at_once(site, label):
    """Nothing about entities is remembered"""
    register(site, "changing", label, CODE, uses=9)
    with site.client("changing", CODE) as client:
        assert client.enroll(make_csr(make_key(), "CN=changing"), label).status == 200
        site.db.execute("UPDATE end_entity SET max_active = 1 WHERE name = 'changing'")
        answer = client.enroll(make_csr(make_key(), "CN=changing"), label)
    assert (answer.status, answer.reason) == (403, "active_limit")


def test_a_vendors_device_is_the_entity_its_certificate_names(site):
    label = site.alias(mode="client", auth_enroll="cert", vendor="pattern", entity_from="serialNumber")
    vendor = CertificateAuthority("O=Vendor,CN=Vendor CA")
    anchor(site, label, "vendor", vendor)
    register(site, "S-1")
    with site.client(identity=vendor.issue("CN=box,serialNumber=S-1", eku=())) as client:
        cert = client.enroll(make_csr(make_key(), "CN=S-1"), label).cert()
    assert entity_of(site, cert) == "S-1"
    with site.client(identity=vendor.issue("CN=S-1,serialNumber=S-2", eku=())) as client:
        answer = client.enroll(make_csr(make_key(), "CN=S-1"), label)
    assert (answer.status, answer.reason) == (403, "entity_unknown")


# --- what the row says

@pytest.fixture(scope="module")
def rich(site):
    """An alias whose certificates have the alternative names that are registered"""
    number = site.db.value("INSERT INTO certificate_profile (name, subject_template) VALUES ('rich', NULL) RETURNING id")
    for table, columns in (("profile_subject_rule", "attribute"), ("profile_extension", "name, critical, value")):
        site.db.execute(f"INSERT INTO {table} (profile_id, {columns}) SELECT %s, {columns} FROM {table} WHERE profile_id = %s", number,
                        site.profile_id("device"))
    site.sql("""INSERT INTO profile_san_rule (profile_id, type, source, max_count)
                VALUES (%s, 'dns', 'csr', 8), (%s, 'dns', 'entity', 8), (%s, 'ip', 'entity', 8)""", number, number, number)
    return site.alias(mode="client", profile_id=number)


def contents(cert):
    """Attributes of the subject, names of the subjectAltName"""
    subject = {(attribute.rfc4514_attribute_name, attribute.value) for attribute in cert.subject}
    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = ()
    return subject, {str(name.value) for name in names}


@pytest.mark.parametrize("asked, san, status", [
    ("CN=row-{}", (), 200), ("CN=row-{},O=Plant", ("row-{}.example",), 200), ("O=Plant,CN=row-{}", ("also-{}.example", "row-{}.example"), 200),
    ("CN=row-{},O=Other", (), 403), ("CN=row-x", (), 403), ("CN=row-{}", ("other.example",), 403), ("CN=row-{},serialNumber=7", (), 403)])
def test_what_is_registered_is_in_the_certificate(site, rich, asked, san, status):
    number = next(site.numbers)
    name = f"row-{number}"
    register(site, name, rich, CODE, subject=f"CN={name},O=Plant", san=f"dns:{name}.example, dns:also-{number}.example, ip:10.0.0.9")
    with site.client(name, CODE) as client:
        answer = client.enroll(make_csr(make_key(), asked.format(number), [dns(each.format(number)) for each in san]), rich)
    if status == 403:
        assert (answer.status, answer.reason) == (403, "name_not_yours")
    else:
        assert contents(answer.cert()) == ({("CN", name), ("O", "Plant")}, {f"{name}.example", f"also-{number}.example", "10.0.0.9"})


def test_the_request_fills_in_what_the_profile_allows(site, rich):
    register(site, "fills-in", rich, CODE, uses=9, subject="CN=fills-in,O=Plant")
    with site.client("fills-in", CODE) as client:
        cert = client.enroll(make_csr(make_key(), "CN=fills-in,OU=Third floor"), rich).cert()
        assert contents(cert) == ({("CN", "fills-in"), ("O", "Plant"), ("OU", "Third floor")}, set())
        answer = client.enroll(make_csr(make_key(), "CN=fills-in,L=Paris"), rich)
    assert (answer.status, answer.reason) == (403, "name_refused")


def test_a_row_that_is_changed_is_in_the_next_certificate(site, rich):
    register(site, "moves", rich, CODE, uses=9, san="dns:old.example")
    with site.client("moves", CODE) as client:
        assert contents(client.enroll(make_csr(make_key(), "CN=moves"), rich).cert())[1] == {"old.example"}
        site.db.execute("UPDATE end_entity SET san = '{dns:new.example}', subject = 'CN=moves,OU=New' WHERE name = 'moves'")
        assert contents(client.enroll(make_csr(make_key(), "CN=moves"), rich).cert()) == ({("CN", "moves"), ("OU", "New")}, {"new.example"})
