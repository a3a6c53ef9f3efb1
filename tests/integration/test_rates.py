# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""How often a client may ask: OP-10. Two servers share a database."""

import time

import pytest

from harness import run
from harness.pki import make_csr, make_key


@pytest.fixture(scope="module")
def other(site):
    """Another httpd with the database of site"""
    return site.node().start()


def ask(site, user, label, subject=None):
    with site.client(user) as client:
        return client.enroll(make_csr(make_key(), subject or f"CN={user}"), label)


def check_limited(answer, most=60):
    assert answer.status == 429 and answer.reason == "rate_exceeded", answer.text
    assert 1 <= int(answer.header("Retry-After")) <= most
    return answer


def waits(site, seen):
    return [line for line in site.log_lines(seen) if "told to wait" in line]


def test_OP_10_a_client_that_asks_too_often_waits(site):
    label, user = site.alias(rate_client=3), site.register()
    assert [ask(site, user, label).status for _ in range(3)] == [200] * 3
    check_limited(ask(site, user, label))
    with site.client(user) as client:
        assert client.get("cacerts", label).status == 200
        assert client.get("csrattrs", label).status == 204
    # Others, and other aliases, are not its business
    assert ask(site, site.register(), label).status == 200
    assert ask(site, user, None).status == 200


def test_OP_10_nothing_is_asked_of_the_database_while_it_waits(site):
    label, user = site.alias(rate_client=1), site.register()
    ask(site, user, label).cert()
    seen = site.httpd.log.size()
    check_limited(ask(site, user, label))
    assert not waits(site, seen), "the first time it is the database that says it"
    for _ in range(3):
        check_limited(ask(site, user, label))
    assert len(waits(site, seen)) == 3
    assert site.db.value("SELECT count(*) FROM est.enrollment WHERE identity = %s", user, user="postgres") == 1


def test_OP_10_two_servers_count_together(site, other):
    label, user = site.alias(rate_client=4), site.register()
    with other.client() as client:
        run.wait_until(lambda: client.get("cacerts", label).status == 200, 5, "the other server to learn of the alias")
    assert [ask(server, user, label).status for server in (site, other, other, site)] == [200] * 4
    check_limited(ask(other, user, label))
    check_limited(ask(site, user, label))


def test_OP_10_an_alias_has_a_rate_of_its_own(site):
    label = site.alias(rate_alias=2)
    users = [site.register() for _ in range(3)]
    assert [ask(site, user, label).status for user in users[:2]] == [200] * 2
    check_limited(ask(site, users[2], label))


def test_OP_10_who_waits_as_told_is_served(site):
    label, user = site.alias(rate_client=1, rate_interval="2 seconds"), site.register()
    ask(site, user, label).cert()
    # At once, unless the machine was busy for the two seconds
    limited = run.wait_until(lambda: (lambda answer: answer.status != 200 and answer)(ask(site, user, label)))
    wait = int(check_limited(limited, 2).header("Retry-After"))
    time.sleep(wait)
    ask(site, user, label).cert()


def test_OP_10_refusals_count_too(site):
    label, user = site.alias(rate_client=2), site.register()
    for _ in range(2):
        assert ask(site, user, label, "CN=not-mine").reason == "name_not_yours"
    check_limited(ask(site, user, label))


def test_OP_10_refusals_without_a_row_count_too(site):
    """Of an identity ten a minute are recorded"""
    label, user = site.alias(rate_client=15, rate_interval="1 hour"), site.register()
    assert [ask(site, user, label, "CN=not-mine").status for _ in range(15)] == [403] * 15
    check_limited(ask(site, user, label), 240)
    assert site.db.value("SELECT count(*) FROM est.enrollment WHERE identity = %s AND rule = 'own_names'", user, user="postgres") == 10


def test_a_rate_that_is_taken_away_holds_nobody_back(site):
    label, user = site.alias(rate_client=1), site.register()
    ask(site, user, label).cert()
    check_limited(ask(site, user, label))
    site.sql("UPDATE alias SET rate_client = NULL WHERE name = %s", label)
    ask(site, user, label).cert()


def test_compat_libest_is_told_later(site):
    label, user = site.alias(rate_client=1, compat="libest"), site.register()
    ask(site, user, label).cert()
    answer = ask(site, user, label)
    assert answer.status == 500 and answer.reason == "rate_exceeded"
    assert 1 <= int(answer.header("Retry-After")) <= 60


def test_polls_of_an_order_are_in_its_rate(site):
    label, user = site.alias(rate_client=1, approval="all"), site.register()
    csr = make_csr(make_key(), f"CN={user}")
    with site.client(user) as client:
        assert [client.enroll(csr, label).status for _ in range(4)] == [202] * 4
        site.db.execute("SELECT approve(id::text) FROM pending WHERE identity = %s", user)
        client.enroll(csr, label).cert()
    run.wait_until(lambda: site.db.value("SELECT count(*) FROM pending WHERE identity = %s", user) == 0)
