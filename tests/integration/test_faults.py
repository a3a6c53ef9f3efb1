# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What is lost when something dies: nothing that a client was told it has."""

import contextlib
import os
import signal
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from clients import outage
from clients.load import Load
from clients.proxy import LossyProxy
from harness import run
from harness.pki import make_csr, make_key

TIMEOUT = 2  # EstDatabaseTimeout, seconds
SLACK = 1.5  # for a cancelled statement's last words, and for two busy processors
DER = serialization.Encoding.DER


@pytest.fixture(scope="module")
def database(session_directory):
    with outage.private_postgres(session_directory, "pgf", durable=True) as server:
        yield server


@pytest.fixture(scope="module")
def make_fragile(database, make_site):  # in this order, so that the database outlives its clients
    def make(name, start=True, extra="", **fields):
        site = make_site(name, start=False, server=database, **fields)
        # A child that dies is replaced also when idle, and there is room for those of the next generation beside them
        total = site.config.children * site.config.threads
        site.config.server = "\n".join([
            f"EstDatabaseTimeout {TIMEOUT}", f"ServerLimit {4 * site.config.children}",
            f"MinSpareThreads {total - site.config.threads + 1}", f"MaxSpareThreads {2 * total}", extra])
        # Requests for the same key and name are to be seen as many
        site.db.execute("UPDATE alias SET idempotency = '0' WHERE name = 'est'")
        return site.start() if start else site
    return make


@pytest.fixture(scope="module")
def fragile(make_fragile):
    """Two children; rows whose certificate was lost on the way are in the nature of these tests"""
    site = make_fragile("faults", children=2, threads=12, pool=6)
    site.except_lint("key_usage_is_critical_and_says_something", "profiles() makes profiles of a validity and a policy")
    site.ledger.may_have_more = True
    return site


@pytest.fixture(autouse=True)
def crowded(allow_log):
    """httpd says so while fewer children serve than there should be."""
    allow_log("AH10159")


def enrol(site, name="CN=device", user=None, password=None):
    csr = make_csr(make_key(), name)
    with site.client(user or site.user, password or site.PASSWORD) as client:
        client.open()
        began = time.monotonic()
        answer = client.enroll(csr)
        answer.seconds = time.monotonic() - began
        return answer


def check_unavailable(answer, *reasons):
    assert answer.status == 503, answer.text
    assert answer.header("Retry-After").isdigit()
    assert answer.header("Content-Type").startswith("text/plain")
    assert answer.text.count("\n") == 1 and answer.text.endswith("\n")
    assert answer.reason in (reasons or ("store_unavailable",)), answer.text


def check_cacerts(site):
    with site.client() as client:
        answer = client.get("cacerts")
    assert answer.status == 200 and site.pki.issuing.cert in answer.certs()


def report(record_property, load, **times):
    for name, seconds in times.items():
        record_property(name, f"{seconds:.3f}")
    record_property("requests", str(load.tally()))


# --- deaths under load

@pytest.mark.row("EN-14")
def test_killed_children_lose_no_certificate(fragile, record_property):
    with Load(fragile, prefix="child", limit=5000, seconds=60) as load:
        for _ in range(3):
            load.more()
            victim = fragile.httpd.children()[0]
            os.kill(victim, signal.SIGKILL)
            run.wait_until(lambda: len(set(fragile.httpd.children()) - {victim}) == 2,  # pylint: disable=cell-var-from-loop
                           what="another child")
        load.more()
    load.check_answers()
    assert len(load.broken()) <= 3 * 8, "more requests broke than were under way"
    record_property("rows_without_client", load.check_books())
    report(record_property, load, recovery_seconds=load.longest_pause(), slowest_seconds=load.slowest())


def kill_backend(site):
    os.kill(outage.backends(site)[0], signal.SIGKILL)
    site.postgres.hang_up()  # the server ends all sessions


def crash(site):
    site.postgres.stop(signal.SIGQUIT)
    site.postgres.start()


def restart(site):
    site.postgres.stop()
    site.postgres.start()


@pytest.mark.parametrize("strike", [kill_backend, crash, restart])
def test_a_dying_database_loses_no_certificate(fragile, allow_log, record_property, strike):
    allow_log(*outage.AWAY)
    generation = set(fragile.httpd.children())
    log = fragile.postgres.log
    with Load(fragile, prefix=strike.__name__, limit=20000, seconds=80) as load:
        load.more()
        seen = log.size()
        strike(fragile)
        run.wait_until(lambda: any("ready to accept connections" in line for line in log.since(seen)), 20, "PostgreSQL to be back")
        ready = time.time()
        load.more(60)
    load.check_answers(allowed=("store_unavailable", "policy_unavailable"))
    assert not load.broken()
    record_property("rows_without_client", load.check_books())
    first = min((outcome for outcome in load.issued() if outcome.ended > ready), key=lambda outcome: outcome.ended)
    report(record_property, load, recovery_seconds=first.ended - ready, pause_seconds=load.longest_pause(), slowest_seconds=load.slowest())
    assert set(fragile.httpd.children()) == generation
    assert first.began - ready < 3 * run.SLOW


def test_connections_that_are_cut_all_the_time_cost_nobody_a_certificate(fragile, allow_log, record_property):
    allow_log(*outage.AWAY)
    stop, cuts = threading.Event(), []

    def cut():
        took = 0
        while not stop.wait(0.03 + 2 * took):  # less often where the machine is slow: some have to get through
            began = time.monotonic()
            cuts.extend(fragile.db.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE random() < 0.5"
                                        " AND usename = 'est_module' AND datname = %s", fragile.db.name, user="postgres"))
            took = time.monotonic() - began
    cutter = threading.Thread(target=cut, daemon=True)
    try:
        with Load(fragile, prefix="cut", limit=20000, seconds=80) as load:
            load.more()
            cutter.start()
            run.wait_until(lambda: len(cuts) >= 150, 30, "connections to cut")
            load.more(100, limit=40)
    finally:
        stop.set()
        cutter.join(10)
    assert not cutter.is_alive()
    load.check_answers(allowed=("store_unavailable",))
    assert not load.broken()
    record_property("connections_cut", len(cuts))
    report(record_property, load, slowest_seconds=load.slowest())
    # An answer 503 says that it is not known whether there is a row
    assert load.check_books() <= load.tally().get(503, 0)


@pytest.mark.row("EN-14", "OP-02")
def test_an_ambiguous_commit_is_asked_about(make_fragile, session_directory, record_property):
    """The answer to a committed record_issued() is lost: the module repeats the request's id and finds what was recorded."""
    # Several answers of a request may be lost, and the module asks again until then
    site = make_fragile("lossy", start=False, extra="EstDatabaseTimeout 20")
    with LossyProxy(os.path.join(session_directory, "lossy"), site.postgres.directory, b"issued") as proxy:
        site.config.database = f"host={proxy.directory} port=5432 dbname={site.db.name} user=est_module"
        site.start()
        assert enrol(site).status == 200
        proxy.swallow = 30
        with Load(site, prefix="lossy", limit=400) as load:
            run.wait_until(lambda: not proxy.swallow, 15, "answers to be lost")
            load.more()
        site.httpd.stop()  # before its database goes
    assert proxy.swallowed == 30
    load.check_answers()
    assert not load.broken() and load.check_books() == 0
    report(record_property, load, slowest_seconds=load.slowest())


@pytest.mark.row("OP-05")
def test_graceful_restarts_fail_no_request(fragile, allow_log, record_property):
    with Load(fragile, prefix="graceful", limit=5000, seconds=60) as load:
        for _ in range(3):
            load.more()
            fragile.httpd.graceful()
        load.more()
    load.check_answers()
    assert not load.broken(), load.broken()
    assert load.check_books() == 0
    report(record_property, load, slowest_seconds=load.slowest())


# --- a policy that does not keep still

PROFILES = 20


@pytest.fixture(scope="module")
def profiles(fragile):
    """Each recognised by two things, so that a mixture shows: p1 has 101 days and the certificate policy ...1"""
    ids = []
    for number in range(1, PROFILES + 1):
        ids.append(fragile.db.value(
            "INSERT INTO certificate_profile (name, validity) VALUES (%s, make_interval(days => %s)) RETURNING id",
            f"p{number}", 100 + number))
        fragile.db.execute("INSERT INTO profile_subject_rule (profile_id, attribute) VALUES (%s, 'CN')", ids[-1])
        fragile.db.execute("INSERT INTO profile_extension (profile_id, name, value) VALUES (%s, 'certificatePolicies', %s)",
                           ids[-1], f"1.3.6.1.4.1.99999.{number}")
    return ids


def profile_of(cert):
    days = (cert.not_valid_after - cert.not_valid_before).days
    policies = cert.extensions.get_extension_for_class(x509.CertificatePolicies).value
    number = int(policies[0].policy_identifier.dotted_string.rpartition(".")[2])
    assert days == 100 + number, "validity of one profile, extension of another"
    return number


def test_every_certificate_fits_the_policy_of_its_moment(fragile, profiles, record_property):
    stop, changes = threading.Event(), []  # (from when it may have been in force, since when it was, number of the profile)

    def change():
        number = 0
        while not stop.is_set():
            number = number % PROFILES + 1
            before = time.time()
            fragile.db.execute("UPDATE alias SET profile_id = %s WHERE name = 'est'", profiles[number - 1])
            changes.append((before, time.time(), number))
            stop.wait(0.05 * run.SLOW)  # slower than a request is judged, most of the time
    changer = threading.Thread(target=change, daemon=True)
    try:
        changer.start()
        run.wait_until(lambda: changes)
        with Load(fragile, prefix="policy", limit=20000, seconds=80) as load:
            run.wait_until(lambda: len(changes) > 3 * PROFILES and len(load.issued()) > 150, 60)
    finally:
        stop.set()
        changer.join(10)
        fragile.sql("UPDATE alias SET profile_id = %s WHERE name = 'est'", fragile.profile_id("device"))
    assert not changer.is_alive() and len(load.issued()) > 100
    load.check_answers(allowed=("policy_changing",))
    assert not load.broken() and load.check_books() == 0
    rows = fragile.db.rows("SELECT der, issued_at FROM est.certificate", user="postgres")
    began = {bytes(der): at.timestamp() for der, at in rows}
    ends = [after for _, after, _ in changes[1:]] + [float("inf")]
    telling = 0  # those that took so long that any profile was in force meanwhile prove nothing
    for outcome in load.issued():
        # issued_at is the start of the transaction that compares versions; it was over when the answer came
        first, last = began[outcome.cert.public_bytes(DER)], outcome.ended
        in_force = {number for (since, _, number), until in zip(changes, ends) if since <= last and until >= first}
        assert profile_of(outcome.cert) in in_force
        telling += len(in_force) < PROFILES
    assert telling > 100
    record_property("policy_changes", len(changes))
    report(record_property, load, slowest_seconds=load.slowest())


# --- a database that is not there

@pytest.mark.row("HTTP-19", "OP-01")
def test_without_database_requests_are_told_when_to_come_back(fragile, allow_log, record_property):
    allow_log(*outage.AWAY)
    fragile.register("cold")
    assert enrol(fragile).status == 200
    with outage.stopped(fragile.postgres):
        answers = [enrol(fragile), enrol(fragile, user="cold"), enrol(fragile, user="cold", password="wrong"),
                   enrol(fragile, user="unknown")]
        for answer in answers:
            check_unavailable(answer, "store_unavailable", "policy_unavailable")
        check_cacerts(fragile)
        fragile.httpd.graceful()
        check_cacerts(fragile)
        answers.append(enrol(fragile))
        check_unavailable(answers[-1], "store_unavailable", "policy_unavailable")
    record_property("slowest_refusal_seconds", f"{max(answer.seconds for answer in answers):.3f}")
    record_property("recovery_seconds", f"{outage.recovery(fragile, in_a_row=10, limit=5):.3f}")
    assert max(answer.seconds for answer in answers) < (TIMEOUT + SLACK) * run.SLOW


def test_httpd_starts_without_database(make_fragile, allow_log, record_property):
    site = make_fragile("late", start=False)
    allow_log(*outage.AWAY)
    with outage.stopped(site.postgres):
        site.start()
        check_cacerts(site)
        check_unavailable(enrol(site), "store_unavailable", "policy_unavailable")
    record_property("recovery_seconds", f"{outage.recovery(site, limit=5):.3f}")
    assert enrol(site).status == 200


def test_a_policy_too_old_is_not_used(make_fragile, allow_log, record_property):
    site = make_fragile("aged", extra=f"EstPolicyMaxAge {6 * run.SLOW}")
    allow_log(*outage.AWAY)
    assert enrol(site).status == 200
    with outage.stopped(site.postgres):
        check_unavailable(enrol(site), "store_unavailable")
        began = time.monotonic()
        run.wait_until(lambda: enrol(site).reason == "policy_unavailable", 15)
        record_property("aged_after_seconds", f"{time.monotonic() - began:.3f}")
        check_unavailable(enrol(site), "policy_unavailable")
        check_cacerts(site)
    record_property("recovery_seconds", f"{outage.recovery(site, limit=5):.3f}")


@pytest.mark.row("R-04")
def test_a_database_that_hangs_is_given_up_in_time(make_fragile, allow_log, record_property):
    allow_log(*outage.AWAY)
    site = make_fragile("hung")
    site.ledger.may_have_more = True  # what it was told before it hung, it does afterwards
    site.register("cold")
    with site.client() as client:
        run.wait_until(lambda: any("listening for changes" in line for line in site.log_lines()), what="the listener")
        assert enrol(site).status == client.get("cacerts").status == 200
    with outage.frozen(site.postgres):
        at_once = [enrol(site), enrol(site, user="cold")]
        run.wait_until(lambda: any("database connection lost" in line for line in site.log_lines()), 20, "the listener to notice")
        later = [enrol(site), enrol(site, user="cold")]
        check_cacerts(site)
    for answer in at_once + later:
        check_unavailable(answer, "store_unavailable", "policy_unavailable")
    record_property("at_once_seconds", [f"{answer.seconds:.3f}" for answer in at_once])
    record_property("later_seconds", [f"{answer.seconds:.3f}" for answer in later])
    record_property("recovery_seconds", f"{outage.recovery(site, in_a_row=10, limit=5):.3f}")
    assert max(answer.seconds for answer in at_once + later) < (TIMEOUT + SLACK) * run.SLOW


# --- locks

@contextlib.contextmanager
def holding(site, *statements):
    """A transaction of an administrator who went to lunch"""
    import psycopg
    with psycopg.connect(site.db.url("postgres")) as connection:
        for statement in statements:
            connection.execute(statement)
        yield connection
        connection.rollback()


def count(site, name):
    return site.db.value("SELECT count(*) FROM est.certificate WHERE subject = %s", name, user="postgres")


def waits_for_lock(site):
    return site.db.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'est_module' AND datname = %s"
                         " AND wait_event_type = 'Lock'", site.db.name, user="postgres")


LOCK_ENTITY = "SELECT FROM est.end_entity WHERE name = 'locked' FOR UPDATE"


def test_a_locked_entity_is_given_up_and_nothing_is_issued(fragile, expect_log, record_property):
    expect_log("EST1090")
    assert enrol(fragile, "CN=locked").status == 200
    before = count(fragile, "CN=locked")
    with holding(fragile, LOCK_ENTITY):
        answer = enrol(fragile, "CN=locked")
        check_unavailable(answer)
        assert enrol(fragile, "CN=unlocked").status == 200, "another entity has nothing to do with it"
    record_property("given_up_after_seconds", f"{answer.seconds:.3f}")
    assert TIMEOUT - 0.1 < answer.seconds < (TIMEOUT + SLACK) * run.SLOW
    run.wait_until(lambda: not waits_for_lock(fragile))
    assert count(fragile, "CN=locked") == before
    assert enrol(fragile, "CN=locked").status == 200


def test_a_lock_that_goes_away_in_time_delays_only(fragile):
    enrol(fragile, "CN=locked")
    before, answers = count(fragile, "CN=locked"), []
    thread = threading.Thread(target=lambda: answers.append(enrol(fragile, "CN=locked")), daemon=True)
    with holding(fragile, LOCK_ENTITY):
        thread.start()
        run.wait_until(lambda: waits_for_lock(fragile), TIMEOUT)
    thread.join(20)
    assert [answer.status for answer in answers] == [200]
    assert count(fragile, "CN=locked") == before + 1


def test_an_uncommitted_change_of_the_client_disturbs_nobody(fragile):
    with holding(fragile, f"UPDATE est.client SET description = 'x' WHERE user_name = '{fragile.user}'"):
        assert enrol(fragile).status == 200


def test_a_locked_client_table_is_given_up(fragile, expect_log):
    expect_log("EST1090")
    with holding(fragile, "LOCK TABLE est.client IN ACCESS EXCLUSIVE MODE"):
        check_unavailable(enrol(fragile, user="not-in-any-cache"))
    assert enrol(fragile).status == 200


# --- a pooler

@pytest.fixture(scope="module")
def pgbouncer(database, session_directory):
    with outage.pooler(os.path.join(session_directory, "pgb"), database) as directory:
        yield directory


def test_a_pooler_in_transaction_mode_is_no_obstacle(make_fragile, pgbouncer, record_property):
    site = make_fragile("pooled", start=False, children=2, threads=12)
    site.config.database = f"host={pgbouncer} port=5432 dbname={site.db.name} user=est_module"
    site.start()
    polling = "no notifications arrive from the database"
    run.wait_until(lambda: sum(polling in line for line in site.log_lines()) >= 2, 10, "both children to find out")
    with Load(site, prefix="pooled", limit=200) as load:
        load.more(100)
    load.check_answers()
    assert not load.broken() and load.check_books() == 0
    times, clients = [], [site.client() for _ in range(8)]
    for name in ("first", "second", "third"):
        site.db.execute("INSERT INTO alias (name, ca) VALUES (%s, 'issuing')", name)
        began = time.monotonic()
        for client in clients:
            asked = time.monotonic()
            while client.get("cacerts", name).status != 200:
                times.append(asked - began)  # it did not know yet
                assert times[-1] < 1 * run.SLOW, "the new alias is not known in time"
                time.sleep(0.01)
                asked = time.monotonic()
    for client in clients:
        client.close()
    report(record_property, load, policy_change_seconds=max(times, default=0))
    site.db.execute("UPDATE certificate_profile SET validity = '7 days' WHERE name = 'device'")
    cert = enrol(site).cert()
    assert (cert.not_valid_after - cert.not_valid_before).days == 7
    site.httpd.stop()  # before its pooler goes
