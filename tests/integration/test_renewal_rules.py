# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What an alias says of renewals, and of other names than those of the request: same_key, renew_window, change_subject."""

import datetime

import pytest
from cryptography import x509

from harness import der
from harness.pki import Identity, dns, make_csr, make_key, raw_attribute, raw_csr, raw_name

CN = "2.5.4.3"
CHANGE = "1.3.6.1.5.5.7.7.36"


def renew(site, label, identity, csr):
    with site.client(identity=identity) as client:
        return client.reenroll(csr, label)


def check_refused(answer, reason, text=""):
    assert (answer.status, answer.reason) == (403, reason), answer.text
    assert text in answer.text


# --- the key

@pytest.mark.parametrize("setting, renewed, rekeyed", [("allow", True, True), ("forbid", False, True), ("require", True, False)])
def test_RE_05_policy_forbids_the_old_key_or_a_new_one(site, setting, renewed, rekeyed):
    label = site.alias(same_key=setting)
    old = site.holder(f"CN=key-{setting}", label)
    for key, good in ((old.key, renewed), (make_key(), rekeyed)):
        before = site.counts()
        answer = renew(site, label, old, make_csr(key, f"CN=key-{setting}"))
        if good:
            assert answer.cert().public_key().public_numbers() == key.public_key().public_numbers()
        else:
            check_refused(answer, "key_reuse", "a renewal")
            assert site.counts() == before


def test_first_enrolments_do_not_mind_same_key(site):
    label, key = site.alias(same_key="forbid", idempotency="0"), make_key()
    with site.ra() as client:
        for _ in range(2):
            client.enroll(make_csr(key, "CN=twice"), label).cert()


# --- the window

def test_RE_10_a_renewal_before_its_window_is_refused(site):
    """The certificate lasts 90 days"""
    label = site.alias(renew_window="30 days")
    old = site.holder("CN=early", label)
    check_refused(renew(site, label, old, make_csr(make_key(), "CN=early")), "renewal_early", "can be renewed from ")
    earliest = old.cert.not_valid_after - datetime.timedelta(days=30)
    assert f"{earliest:%Y-%m-%d}" in renew(site, label, old, make_csr(make_key(), "CN=early")).text
    site.sql("UPDATE alias SET renew_window = '91 days' WHERE name = %s", label)
    renew(site, label, old, make_csr(make_key(), "CN=early")).cert()


def test_RE_10_the_window_is_for_renewals_alone(site):
    label = site.alias(renew_window="1 minute")
    with site.ra() as client:
        for _ in range(2):
            client.enroll(make_csr(make_key(), "CN=first-and-second"), label).cert()


# --- other names than those of the request

def changing(key, subject=None, san=None, old=b"before", old_san=()):
    """A request for CN=before and old_san that asks for others"""
    parts = [raw_name((CN, der.UTF8, subject))] if subject is not None else []
    parts += [der.tlv(0xA1, *(der.tlv(0x82, name.encode()) for name in san))] if san is not None else []
    extensions = [raw_san(old_san)] if old_san else []
    return raw_csr(key, subject=raw_name((CN, der.UTF8, old)), attributes=[*extensions, raw_attribute(CHANGE, der.seq(*parts))])


def raw_san(names):
    value = der.seq(*(der.tlv(0x82, name.encode()) for name in names))
    return raw_attribute("1.2.840.113549.1.9.14", der.seq(der.seq(der.oid("2.5.29.17"), der.tlv(der.OCTET_STRING, value))))


def names_of(cert):
    subject = [attribute.value for attribute in cert.subject]
    try:
        return subject, cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        return subject, []


# (subject, SAN) of the attribute; those of the certificate. Absent is not unchanged
CHANGED = {
    "subject": ((b"after", None), (["after"], [])),
    "san": ((None, ["after.example"]), ([], ["after.example"])),
    "both": ((b"after", ["after.example", "more.example"]), (["after"], ["after.example", "more.example"])),
}


@pytest.mark.parametrize("row", CHANGED)
def test_EN_10_the_names_of_the_attribute_are_granted(site, row):
    asked, granted = CHANGED[row]
    label = site.alias(change_subject=True)
    with site.ra() as client:
        cert = client.enroll(changing(make_key(), *asked, old_san=["before.example"]), label).cert()
    assert names_of(cert) == granted


@pytest.mark.row("EN-10", "AUTH-12")
def test_the_names_of_the_attribute_are_those_that_the_client_may_have(site):
    label, user = site.alias(change_subject=True), site.register(names="before, after")
    with site.client(user) as client:
        check_refused(client.enroll(changing(make_key(), b"else"), label), "name_not_yours")
        assert names_of(client.enroll(changing(make_key(), b"after"), label).cert())[0] == ["after"]


@pytest.mark.parametrize("row", CHANGED)
def test_RE_08_a_renewal_takes_other_names(site, row):
    asked, granted = CHANGED[row]
    label = site.alias(change_subject=True)
    old = site.holder("CN=before", label, [dns("before.example")])
    new = renew(site, label, old, changing(make_key(), *asked, old_san=["before.example"])).cert()
    assert names_of(new) == granted
    assert site.db.value("SELECT n.serial FROM certificate o JOIN certificate n ON n.replaces = o.id WHERE o.serial = est.serial_parse(%s)",
                         format(old.cert.serial_number, "x"), user="postgres") == site.db.value(
                             "SELECT est.serial_parse(%s)", format(new.serial_number, "x"), user="postgres")


def test_RE_08_the_request_keeps_the_old_names(site):
    label = site.alias(change_subject=True)
    key = make_key()
    old = site.holder("CN=before", label, key=key)
    before = site.counts()
    for csr in (changing(make_key(), b"after", old=b"after"), changing(make_key(), b"after", old_san=["after.example"]),
                make_csr(make_key(), "CN=after")):
        answer = renew(site, label, old, csr)
        assert (answer.status, answer.reason) == (400, "names_differ")
    assert site.counts() == before
    # and with those it is renewed under the new one, which the next renewal keeps
    new = Identity(key, renew(site, label, old, changing(key, b"after")).cert(), site.pki.issuing.chain())
    assert names_of(renew(site, label, new, make_csr(make_key(), "CN=after")).cert())[0] == ["after"]


@pytest.mark.row("RE-08")
def test_profile_and_group_hold_for_other_names_too(site):
    label = site.alias(change_subject=True)
    old = site.holder("CN=before", label)
    group = site.db.value("INSERT INTO entity_group (name, names) VALUES ('narrow', '{before,after*}') RETURNING id")
    site.sql("UPDATE alias SET group_id = %s WHERE name = %s", group, label)
    assert renew(site, label, old, changing(make_key(), b"else")).status == 403
    assert names_of(renew(site, label, old, changing(make_key(), b"after-all")).cert())[0] == ["after-all"]
