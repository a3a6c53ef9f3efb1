# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""prefork and worker, each with several children. The other modules run under event."""

import re
import signal
import time

import pytest

from clients import outage
from harness import run
from harness.client import b64
from harness.lint import lint
from harness.pki import Identity, make_csr, make_key

CHILDREN = 3
TIMEOUT = 2  # EstDatabaseTimeout, seconds
THREADS = {"prefork": 1, "worker": 4}


@pytest.fixture(scope="module")
def database(session_directory):
    with outage.private_postgres(session_directory, "pgm") as server:
        yield server


@pytest.fixture(scope="module", params=["prefork", "worker"])
def mpm_site(request, database, make_site):  # in this order, so that the database outlives its clients
    site = make_site(request.param, start=False, server=database, mpm=request.param, children=CHILDREN, threads=THREADS[request.param])
    site.config.server = f"EstDatabaseTimeout {TIMEOUT}"
    return site.start()


@pytest.fixture(autouse=True)
def crowded(allow_log):
    """httpd says within a second or so, be it in the next test, that all workers were busy."""
    allow_log("AH00161", "AH00286")


@pytest.fixture
def children(mpm_site):
    """A client at each child: as many connections at once as there are workers leave none idle."""
    site, found = mpm_site, {}
    clients = [site.ra() for _ in range(CHILDREN * THREADS[site.config.mpm])]
    for client in clients:
        client.open()
    for client in clients:
        seen = site.httpd.log.size()
        assert client.enroll(make_csr(make_key(), "CN=probe")).status == 200
        line = run.wait_until(lambda: [line for line in site.log_lines(seen) if "EST: certificate" in line], what="the log line")[0]
        found[int(re.search(r"\[pid (\d+)", line).group(1))] = client
    assert set(found) == set(site.httpd.children()) and len(found) == CHILDREN
    yield list(found.values())
    for client in clients:
        client.close()


def enrol(client, name="CN=device"):
    key = make_key()
    answer = client.enroll(make_csr(key, name))
    return answer.status, key, answer


@pytest.mark.row("OP-06")
def test_every_child_issues_and_renews(mpm_site, children):
    for client in children:
        assert client.get("cacerts").status == 200
        _, key, answer = enrol(client)
        cert = answer.cert()
        lint(cert, mpm_site.pki.issuing.cert)
    for client in children:  # each makes room for a connection to the same child
        client.close()
        with mpm_site.client() as anonymous:
            assert anonymous.get("cacerts").status == 200
        with mpm_site.client(identity=Identity(key, cert)) as holder:
            answer = holder.reenroll(make_csr(key, "CN=device"))
            lint(answer.cert(), mpm_site.pki.issuing.cert)


def test_a_bad_password_is_refused(mpm_site, expect_log):
    expect_log("AH01617")
    for _ in range(CHILDREN):
        with mpm_site.client(mpm_site.user, "wrong") as client:
            answer = client.enroll(make_csr(make_key()))
        assert (answer.status, answer.reason) == (401, "authentication_required")
    with mpm_site.ra() as client:
        assert enrol(client)[0] == 200


def test_every_child_has_a_change_of_policy_within_a_second(mpm_site, children, record_property):
    site = mpm_site
    site.db.execute("UPDATE certificate_profile SET validity = '7 days' WHERE name = 'device'")
    # At once where a certificate is made: record_issued() compares versions
    for client in children:
        cert = enrol(client)[2].cert()
        assert 7 <= (cert.not_valid_after - cert.not_valid_before).total_seconds() / 86400 < 7.1

    def seconds(name):
        """From a new alias to when all know it"""
        site.db.execute("INSERT INTO alias (name, ca) VALUES (%s, 'issuing')", name)
        began, waiting = time.monotonic(), list(children)

        def known():
            waiting[:] = [client for client in waiting if client.get("cacerts", name).status != 200]
            return not waiting
        run.wait_until(known, 10, "all children to know of it")
        return time.monotonic() - began
    # Whatever else the machine does, there is one time of four when it is as quick as it should be
    times = [seconds(f"changed-{site.config.mpm}-0")]
    while times[-1] >= 1 * run.SLOW and len(times) < 4:
        times.append(seconds(f"changed-{site.config.mpm}-{len(times)}"))
    record_property("policy_change_seconds", f"{times[-1]:.3f}")
    assert times[-1] < 1 * run.SLOW, times


def test_a_restart_of_the_database_is_survived(mpm_site, allow_log, record_property):
    site = mpm_site
    allow_log(*outage.AWAY)
    with outage.stopped(site.postgres):
        for _ in range(CHILDREN):
            with site.ra() as client:
                began = time.monotonic()
                answer = client.enroll(make_csr(make_key()))
                assert answer.status == 503 and answer.header("Retry-After").isdigit(), answer.text
                assert time.monotonic() - began < (TIMEOUT + 1.5) * run.SLOW
                assert client.get("cacerts").status == 200
    record_property("recovery_seconds", f"{outage.recovery(site, in_a_row=3 * CHILDREN):.3f}")


def test_a_crash_of_the_database_is_survived(mpm_site, allow_log, record_property):
    site = mpm_site
    allow_log(*outage.AWAY)
    site.postgres.stop(signal.SIGQUIT)
    site.postgres.start()
    record_property("recovery_seconds", f"{outage.recovery(site):.3f}")


def test_a_graceful_restart_serves_on(mpm_site):
    before = set(mpm_site.httpd.children())
    mpm_site.httpd.graceful()
    assert set(mpm_site.httpd.children()) - before
    with mpm_site.ra() as client:
        answer = client.post("simpleenroll", b64(make_csr(make_key())))
    assert answer.status == 200
