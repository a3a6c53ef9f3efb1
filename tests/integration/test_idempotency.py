# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""The same request again: PE-04, PE-07, R-01, R-02, A-17."""

import threading

import pytest

from harness.pki import dns, make_csr, make_key


def test_PE_07_same_request_same_certificate(site):
    csr = make_csr(make_key())
    with site.ra() as client:
        first = client.enroll(csr).cert()
    with site.ra() as client:
        assert client.enroll(csr).cert() == first


def test_PE_04_a_request_signed_anew_is_the_same(site):
    key = make_key()
    with site.ra() as client:
        first = client.enroll(make_csr(key, "CN=resigned")).cert()
        assert client.enroll(make_csr(key, "CN=resigned")).cert() == first


def test_PE_05_A_17_another_identity_gets_another_certificate(site):
    other = site.register(names="*")
    csr = make_csr(make_key())
    with site.ra() as client:
        first = client.enroll(csr).cert()
    with site.client(other) as client:
        assert client.enroll(csr).cert().serial_number != first.serial_number


@pytest.mark.row("EN-15")
def test_other_key_names_or_alias_are_other_requests(site):
    key, label = make_key(), site.alias()
    with site.ra() as client:
        serials = [client.enroll(*request).cert().serial_number for request in (
            (make_csr(key, "CN=one"),), (make_csr(key, "CN=two"),), (make_csr(key, "CN=one", [dns("one.example")]),),
            (make_csr(make_key(), "CN=one"),), (make_csr(key, "CN=one"), label))]
    assert len(set(serials)) == 5


def test_zero_switches_it_off(site):
    label = site.alias(idempotency="0")
    csr = make_csr(make_key())
    with site.ra() as client:
        assert client.enroll(csr, label).cert().serial_number != client.enroll(csr, label).cert().serial_number


def test_window_ends(site):
    label = site.alias(idempotency="1 hour")
    csr = make_csr(make_key())
    with site.ra() as client:
        first = client.enroll(csr, label).cert()
        site.db.execute("UPDATE enrollment SET at = at - interval '61 minutes' WHERE alias = %s", label, user="postgres")
        assert client.enroll(csr, label).cert().serial_number != first.serial_number


def test_R_02_never_a_revoked_certificate(site):
    csr = make_csr(make_key())
    with site.ra() as client:
        first = client.enroll(csr).cert()
        site.revoke(first, "superseded")
        assert client.enroll(csr).cert().serial_number != first.serial_number


def test_a_change_of_policy_makes_it_another_request(site):
    csr = make_csr(make_key())
    with site.ra() as client:
        first = client.enroll(csr).cert()
        site.sql("UPDATE certificate_profile SET validity = '80 days' WHERE name = 'device'")
        second = client.enroll(csr).cert()
    assert second.serial_number != first.serial_number
    assert second.not_valid_after < first.not_valid_after


def test_rules_are_asked_again(site):
    user, csr = site.register(names="*"), make_csr(make_key(), "CN=anything")
    with site.client(user) as client:
        assert client.enroll(csr).status == 200
        site.sql("UPDATE client SET names = '{own}' WHERE user_name = %s", user)
        assert client.enroll(csr).reason == "name_not_yours"


def test_R_01_many_at_once_get_one_certificate(site):
    csr, answers = make_csr(make_key(), "CN=parallel"), []
    clients = [site.ra() for _ in range(12)]
    for client in clients:
        assert client.get("cacerts").status == 200
    barrier = threading.Barrier(len(clients))

    def work(client):
        barrier.wait()
        answers.append(client.enroll(csr))

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    assert [answer.status for answer in answers] == [200] * len(clients)
    assert len({answer.cert().serial_number for answer in answers}) == 1


def test_OP_04_different_requests_at_once_get_their_own(site):
    keys, answers = [make_key() for _ in range(12)], {}
    barrier = threading.Barrier(len(keys))

    def work(number):
        with site.ra() as client:
            client.get("cacerts")
            barrier.wait()
            answers[number] = client.enroll(make_csr(keys[number], f"CN=parallel-{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(keys))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, key in enumerate(keys):
        cert = answers[number].cert()
        assert cert.public_key().public_numbers() == key.public_key().public_numbers()
        assert cert.subject.rfc4514_string() == f"CN=parallel-{number}"
