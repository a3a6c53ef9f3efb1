# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What only the database can judge: how many certificates an entity and a group may have, and whose a name and a key are."""

import threading

import pytest

from harness.pki import Identity, make_csr, make_key


def enroll(site, label, subject, key=None):
    with site.ra() as client:
        return client.enroll(make_csr(key or make_key(), subject), label)


def check_refused(answer, reason, text=""):
    assert answer.status == 403 and answer.reason == reason, answer.text
    assert text in answer.text


@pytest.fixture
def group(site):
    """A group of its own, whose id it is; the site's client is a member"""
    number = site.db.value("INSERT INTO entity_group (name) VALUES (%s) RETURNING id", f"g{next(site.numbers)}")
    site.sql("INSERT INTO client_group (client_id, group_id) SELECT id, %s FROM client WHERE user_name = %s", number, site.user)
    return number


def test_an_entity_has_max_active_certificates(site):
    label = site.alias(max_active=2)
    first = enroll(site, label, "CN=few").cert()
    enroll(site, label, "CN=few").cert()
    check_refused(enroll(site, label, "CN=few"), "active_limit", "max_active")
    enroll(site, label, "CN=few-others").cert()
    site.revoke(first)
    enroll(site, label, "CN=few").cert()


def test_renewal_is_not_kept_by_max_active(site):
    label = site.alias(max_active=1)
    holder = site.holder("CN=single", label)
    for _ in range(2):
        with site.client(identity=holder) as client:
            key = make_key()
            cert = client.reenroll(make_csr(key, "CN=single"), label).cert()
            holder = Identity(key, cert, site.pki.issuing.chain())
    check_refused(enroll(site, label, "CN=single"), "active_limit")


def test_max_active_of_the_entity_counts_more(site):
    label = site.alias(max_active=1)
    enroll(site, label, "CN=many").cert()
    site.db.execute("UPDATE end_entity SET max_active = 3 WHERE name = 'many'")
    enroll(site, label, "CN=many").cert()
    enroll(site, label, "CN=many").cert()
    check_refused(enroll(site, label, "CN=many"), "active_limit")


@pytest.mark.parametrize("first, other", [("few.example", "Few.EXAMPLE"), ("Many.Example", "mANY.example")])
def test_letter_case_of_a_host_makes_no_other_entity(site, first, other):
    """Who may be called few.example may be called Few.Example, too: limits and suspension hold for both"""
    label, client = site.alias(max_active=1), site.register(first, names="own")

    def ask(subject):
        with site.client(client) as requester:
            return requester.enroll(make_csr(make_key(), subject), label)
    cert = ask(f"CN={first}").cert()
    check_refused(ask(f"CN={other}"), "active_limit")
    site.revoke(cert)
    site.db.execute("SELECT suspend(%s)", first)
    check_refused(ask(f"CN={other}"), "entity_suspended")
    check_refused(ask(f"CN={first}"), "entity_suspended")


def test_letter_case_of_other_names_counts(site):
    label = site.alias(max_active=1)
    for subject in ("CN=Few letters", "CN=few letters", "CN=FEW", "CN=few-or-none", "CN=Few-or-none"):
        enroll(site, label, subject).cert()


def test_max_active_holds_when_many_ask_at_once(site):
    label, answers, barrier = site.alias(max_active=2), [], threading.Barrier(8)

    def work():
        with site.ra() as client:
            client.get("cacerts")
            barrier.wait()
            answers.append(client.enroll(make_csr(make_key(), "CN=crowd"), label))
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] * 2 + [403] * 6


def test_the_repeated_request_is_no_other_certificate(site):
    label, csr = site.alias(max_active=1), make_csr(make_key(), "CN=repeated")
    with site.ra() as client:
        first = client.enroll(csr, label).cert()
        assert client.enroll(csr, label).cert() == first


def test_a_group_has_a_quota_a_day(site, group, expect_log):
    expect_log("EST1082")
    label = site.alias(group_id=group)
    site.sql("UPDATE entity_group SET quota_day = 2 WHERE id = %s", group)
    enroll(site, label, "CN=q1").cert()
    enroll(site, label, "CN=q2").cert()
    check_refused(enroll(site, label, "CN=q3"), "quota_exceeded", "quota_day")
    site.sql("UPDATE entity_group SET quota_day = 3 WHERE id = %s", group)
    enroll(site, label, "CN=q3").cert()


def test_a_group_has_a_quota_of_valid_certificates(site, group, expect_log):
    expect_log("EST1082")
    label = site.alias(group_id=group)
    site.sql("UPDATE entity_group SET quota_active = 1 WHERE id = %s", group)
    first = enroll(site, label, "CN=v1").cert()
    check_refused(enroll(site, label, "CN=v2"), "quota_exceeded", "quota_active")
    site.revoke(first)
    enroll(site, label, "CN=v2").cert()


def test_a_group_can_want_approval(site, group):
    label = site.alias(group_id=group)
    site.sql("UPDATE entity_group SET approval = 'all' WHERE id = %s", group)
    assert enroll(site, label, "CN=grouped").status == 202


def test_no_two_entities_have_one_subject(site, group):
    """The same name in another group is another entity"""
    label, elsewhere = site.alias(unique_dn=True), site.alias(group_id=group, unique_dn=True)
    first = enroll(site, label, "CN=same,O=Example").cert()
    enroll(site, label, "CN=same,O=Example").cert()
    enroll(site, elsewhere, "CN=same").cert()
    answer = enroll(site, elsewhere, "CN=SAME,O=example")
    check_refused(answer, "name_taken", "unique_dn")
    assert format(first.serial_number, "x") not in answer.text, "whose it is, is not for the client"


@pytest.mark.row("EN-15")
def test_no_two_entities_have_one_key(site):
    label, key = site.alias(unique_key=True), make_key()
    enroll(site, label, "CN=key-1", key).cert()
    enroll(site, label, "CN=key-1,O=Example", key).cert()
    check_refused(enroll(site, label, "CN=key-2", key), "key_taken")


def test_who_is_suspended_gets_nothing(site):
    holder = site.holder("CN=suspended")
    site.db.execute("SELECT suspend('suspended')")
    check_refused(enroll(site, None, "CN=suspended"), "entity_suspended")
    with site.client(identity=holder) as client:
        check_refused(client.reenroll(make_csr(make_key(), "CN=suspended")), "entity_suspended")
    site.db.execute("SELECT reinstate('suspended')")
    enroll(site, None, "CN=suspended").cert()
    site.db.execute("UPDATE end_entity SET valid_until = now() WHERE name = 'suspended'")
    check_refused(enroll(site, None, "CN=suspended"), "entity_suspended", "over")
