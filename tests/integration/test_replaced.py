# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What is done now and then: certificates that were replaced are revoked, orders expire."""

import os
import time

import pytest

from clients import outage
from harness import run
from harness.pki import make_csr, make_key

INTERVAL = 1  # EstMaintenanceInterval, seconds


@pytest.fixture(scope="module")
def make_maintained(make_site):
    def make(name, interval=INTERVAL, **fields):
        site = make_site(name, start=False, forks=True, **fields)
        site.config.server = f"EstMaintenanceInterval {interval}\nEstDatabaseTimeout 2"
        return site.start()
    return make


@pytest.fixture(scope="module")
def site(make_maintained):
    return make_maintained("replaced", children=3)


def renew(site, label, subject):
    """(the old certificate, its successor)"""
    holder = site.holder(subject, label)
    with site.client(identity=holder) as client:
        return holder.cert, client.reenroll(make_csr(make_key(), subject), label).cert()


def status(site, cert):
    return site.db.rows("SELECT status, revocation_reason FROM certificate WHERE serial = est.serial_parse(%s)",
                        format(cert.serial_number, "x"), user="postgres")[0]


def notices(site, text, seen=0):
    return [line for line in site.log_lines(seen) if text in line]


@pytest.mark.row("RE-09")
def test_a_replaced_certificate_is_revoked(site):
    label, seen = site.alias(revoke_replaced="0"), site.httpd.log.size()
    old, new = renew(site, label, "CN=replaced")
    run.wait_until(lambda: status(site, old) == ("revoked", "superseded"), INTERVAL + 5, "the old certificate to be revoked")
    assert status(site, new)[0] == "valid"
    run.wait_until(lambda: notices(site, "revoked since they were replaced: 1 ", seen), 5, "the line that says so")
    assert ":notice]" in notices(site, "revoked since they were replaced", seen)[0]


@pytest.mark.row("RE-09")
def test_not_before_its_time_and_not_elsewhere(site):
    kept, later = site.alias(), site.alias(revoke_replaced="1 day")
    first, second = renew(site, kept, "CN=kept")[0], renew(site, later, "CN=later")[0]
    time.sleep(2.5 * INTERVAL)
    assert status(site, first)[0] == status(site, second)[0] == "valid"


def test_the_revoked_one_renews_nothing(site):
    label = site.alias(revoke_replaced="0")
    holder = site.holder("CN=again", label)
    with site.client(identity=holder) as client:
        client.reenroll(make_csr(make_key(), "CN=again"), label).cert()
        run.wait_until(lambda: status(site, holder.cert)[0] == "revoked", INTERVAL + 5, "the old certificate to be revoked")
        assert client.reenroll(make_csr(make_key(), "CN=again"), label).reason == "certificate_revoked"


@pytest.mark.row("PE-06")
def test_orders_expire(site):
    label = site.alias(approval="all")
    with site.ra() as client:
        assert client.enroll(make_csr(make_key(), "CN=forgotten"), label).status == 202
    site.db.execute("UPDATE est.enrollment SET expires_at = now() WHERE subject = 'CN=forgotten'", user="postgres")
    run.wait_until(lambda: site.db.value("SELECT outcome FROM est.enrollment WHERE subject = 'CN=forgotten'", user="postgres") == "expired",
                   INTERVAL + 5, "the order to expire")
    run.wait_until(lambda: notices(site, "expired before anybody decided: 1 "), 5, "the line that says so")


def test_it_goes_on_after_a_graceful_restart_and_a_death(site, allow_log):
    allow_log("AH10159")
    label = site.alias(revoke_replaced="0")
    # mod_watchdog waits some ten seconds before it goes on in another process
    for strike in (site.httpd.graceful, lambda: os.kill(site.httpd.children()[0], 9), site.httpd.graceful):
        strike()
        old, _ = renew(site, label, "CN=survivor")
        run.wait_until(lambda: status(site, old)[0] == "revoked", INTERVAL + 25, "the old certificate to be revoked")  # pylint: disable=cell-var-from-loop


def test_one_process_alone_does_it(site):
    """Each round is a connection of its own that ends; what is left are those of requests and listeners"""
    run.wait_until(lambda: len(notices(site, "listening for changes")) >= 3, what="the listeners of the children")
    start, began = time.monotonic(), site.db.value("SELECT sessions FROM pg_stat_database WHERE datname = current_database()")
    time.sleep(4 * INTERVAL)
    site.db.execute("SELECT pg_stat_clear_snapshot()")
    run.wait_until(lambda: site.db.value("SELECT sessions FROM pg_stat_database WHERE datname = current_database()") > began, 5)
    # Three processes would have made thrice as many as there were intervals
    assert site.db.value("SELECT sessions FROM pg_stat_database WHERE datname = current_database()") - began <= (time.monotonic() - start) * 7 / 4


def test_an_outage_is_one_warning(make_maintained, session_directory, expect_log, allow_log):
    with outage.private_postgres(session_directory, "pgr") as database:
        site = make_maintained("outage", server=database, children=2)
        expect_log("maintenance has to wait")
        allow_log(*outage.AWAY)
        with outage.stopped(database):
            run.wait_until(lambda: notices(site, "maintenance has to wait"), 10, "the warning")
            time.sleep(3 * INTERVAL)
            assert len(notices(site, "maintenance has to wait")) == 1
        run.wait_until(lambda: notices(site, "maintenance goes on"), 10, "the notice that it is over")
        site.httpd.stop()  # before its database goes


def test_zero_switches_it_off(make_maintained):
    site = make_maintained("off", interval=0)
    label = site.alias(revoke_replaced="0")
    old, _ = renew(site, label, "CN=off")
    time.sleep(2.5)
    assert status(site, old)[0] == "valid"


def test_under_prefork_too(make_maintained):
    site = make_maintained("prefork", mpm="prefork", children=8)
    old, _ = renew(site, site.alias(revoke_replaced="0"), "CN=prefork")
    run.wait_until(lambda: status(site, old)[0] == "revoked", INTERVAL + 5, "the old certificate to be revoked")


def test_a_running_server_ends_at_once(make_maintained):
    site = make_maintained("ends")
    began = time.monotonic()
    site.httpd.stop()
    assert time.monotonic() - began < 5 * run.SLOW
