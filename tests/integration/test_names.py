# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Which names a client may ask for, from where, and for how long (decision 17)."""

import ipaddress

import pytest
from cryptography import x509

from harness.httpd import DENIED_USER, PASSWORD_MISMATCH, USER_NOT_FOUND
from harness.lint import lint
from harness.pki import dns, make_csr, make_key

ADDRESS = x509.IPAddress(ipaddress.ip_address("192.0.2.9"))

# names of the client "pump.example": (names, subject, SAN, status, why)
NAMES = {
    "own_CN": ("own", "CN=pump.example", [], 200, "its own"),
    "own_CN_and_SAN": ("own", "CN=pump.example", [dns("pump.example")], 200, "its own, twice"),
    "own_SAN_alone": ("own", "", [dns("pump.example")], 200, "its own"),
    "own_dns_has_no_case": ("own", "CN=Pump.Example", [dns("PUMP.example")], 200, "RFC 5280 7.2"),
    "own_with_organization": ("own", "CN=pump.example,O=Org", [], 200, "O does not say who it is"),
    "AUTH-12_other_CN": ("own", "CN=valve.example", [], 403, "another device"),
    "AUTH-12_other_SAN": ("own", "CN=pump.example", [dns("valve.example")], 403, "another device in the SAN"),
    "AUTH-12_second_SAN": ("own", "CN=pump.example", [dns("pump.example"), dns("valve.example")], 403,
                           "another device behind the own name"),
    "AUTH-12_address": ("own", "CN=pump.example", [ADDRESS], 403, "an address is a name too"),
    "AUTH-12_prefix": ("own", "CN=pump.example.org", [], 403, "only begins like it"),
    "AUTH-12_no_identity": ("own", "O=pump.example", [], 403, "names nobody"),
    "own_serialNumber": ("own", "CN=pump.example,serialNumber=7", [], 403, "a serial number names a device too"),
    "pattern": ("*.example", "CN=valve.example", [dns("valve.example")], 200, "matches"),
    "pattern_dot": ("*.example", "CN=a.valve.example", [dns("a.valve.example")], 403, "* ends at dots in DNS names"),
    "pattern_run": ("**.example", "CN=a.valve.example", [dns("a.valve.example")], 200, "** is any run"),
    "pattern_anchored": ("pump", "CN=pump.example", [], 403, "globs are anchored"),
    "patterns": ("a.example,b.example", "CN=b.example", [dns("a.example")], 200, "several"),
    "any": ("*", "CN=whoever,O=Org", [dns("anything.example"), ADDRESS], 200, "a registration authority"),
}


@pytest.fixture(scope="module")
def client_names(site):
    return site.register("pump.example")


@pytest.mark.parametrize("row", NAMES)
def test_AUTH_12_names(site, client_names, row):
    names, subject, san, status, why = NAMES[row]
    site.sql("UPDATE client SET names = string_to_array(%s, ',') WHERE user_name = %s", names, client_names)
    before = site.counts()
    with site.client(client_names) as client:
        answer = client.enroll(make_csr(make_key(), subject, san))
    assert answer.status == status, (why, answer.text)
    if status == 200:
        lint(answer.cert(), site.pki.issuing.cert)
    else:
        # The group's patterns are asked first, and find nothing to match in a subject that names nobody
        assert answer.reason == ("name_refused" if row == "AUTH-12_no_identity" else "name_not_yours")
        assert site.counts() == before


def test_stars_in_a_user_name_mean_nothing(site):
    user = site.register("*")
    with site.client(user) as client:
        assert client.enroll(make_csr(make_key(), "CN=device-1")).reason == "name_not_yours"
        assert client.enroll(make_csr(make_key(), "CN=*")).status == 200


@pytest.mark.parametrize("networks, status", [
    ("127.0.0.0/8", 200), ("127.0.0.1/32", 200), ("10.0.0.0/8", 403), ("::/0", 403), ("10.0.0.0/8, 127.0.0.0/8", 200), (None, 200)])
def test_networks(site, allow_log, networks, status):
    allow_log(DENIED_USER, USER_NOT_FOUND)
    user = site.register(names="*", networks=networks)
    with site.client(user) as client:
        answer = client.enroll(make_csr(make_key()))
    assert answer.status == status
    if status == 403:
        assert answer.reason == "network_refused"


def test_A_03_forwarded_addresses_are_ignored(site, expect_log):
    expect_log(DENIED_USER)
    user = site.register(names="*", networks="10.0.0.0/8")
    with site.client(user) as client:
        answer = client.enroll(make_csr(make_key()), headers={
            "X-Forwarded-For": "10.1.1.1", "Forwarded": "for=10.1.1.1", "X-Real-IP": "10.1.1.1", "Via": "1.1 10.1.1.1"})
    assert (answer.status, answer.reason) == (403, "network_refused")


@pytest.mark.parametrize("change, status", [
    ("enabled = false", 403), ("valid_until = now() - interval '1 second'", 403), ("valid_until = now() + interval '1 hour'", 200),
    ("valid_from = now() + interval '1 hour'", 403), ("valid_from = now() - interval '1 hour'", 200),
    ("password_hash = NULL", 401)])
def test_registration(site, allow_log, change, status):
    allow_log(DENIED_USER, PASSWORD_MISMATCH, USER_NOT_FOUND)
    user = site.register(names="*")
    with site.client(user) as client:
        assert client.enroll(make_csr(make_key())).status == 200
        site.sql(f"UPDATE client SET {change} WHERE user_name = %s", user)
        answer = client.enroll(make_csr(make_key()))
    assert answer.status == status, answer.text
    if status == 403:
        assert answer.reason == "not_authorized"


def test_groups_of_the_client_open_aliases(site, expect_log):
    expect_log(DENIED_USER)
    site.sql("INSERT INTO entity_group (name) VALUES ('north'), ('south')")
    labels = {name: site.alias(group_id=site.db.value("SELECT id FROM entity_group WHERE name = %s", name)) for name in ("north", "south")}
    user = site.register(names="*", groups="north")
    with site.client(user) as client:
        assert client.enroll(make_csr(make_key()), labels["north"]).status == 200
        assert client.enroll(make_csr(make_key()), labels["south"]).reason == "group_refused"
        assert client.enroll(make_csr(make_key())).reason == "group_refused"
        site.sql("INSERT INTO client_group SELECT c.id, g.id FROM client c, entity_group g WHERE c.user_name = %s AND g.name = 'south'", user)
        assert client.enroll(make_csr(make_key()), labels["south"]).status == 200
        site.sql("DELETE FROM client_group USING client c WHERE client_id = c.id AND c.user_name = %s", user)
        assert client.enroll(make_csr(make_key()), labels["north"]).reason == "group_refused"
