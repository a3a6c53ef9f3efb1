# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures; harness/__init__.py describes them."""

import os
import re
import signal

import pytest

pytest.register_assert_rewrite("harness")

from harness import pki as pki_module, run  # noqa: E402
from harness.postgres import PostgresServer  # noqa: E402
from harness.site import Site, complaints  # noqa: E402

SITES, SERVERS = [], []  # those that are alive, for the check after each test


# The rows of docs/conformance.md that a test's name carries, several if they follow each other
ROW = re.compile(r"(?:^test_|\[|-|(?<=[-_][0-9]{2})_)([A-Z]+[0-9]*)[-_]([0-9]{2})(?=[-_\]]|$)")
ROWS = {}  # test -> rows


def pytest_configure(config):
    config.addinivalue_line("markers", "row(id, ...): rows of docs/conformance.md that this test shows")
    # An orderly end, with fixtures torn down, also when we are told to stop
    def interrupted(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupted)


def pytest_itemcollected(item):
    rows = {row for mark in item.iter_markers("row") for row in mark.args}
    rows.update("-".join(match) for match in ROW.findall(item.name))
    ROWS[item.nodeid] = sorted(rows)


def write_rows(nodeid, outcome):
    """For build-aux/conformance.py: row, test, outcome"""
    path, _, name = nodeid.partition("::")
    test = f"integration/{os.path.basename(path)}::{name.partition('[')[0]}"
    with open(os.environ["EST_ROWS"], "a") as out:
        out.writelines(f"{row}\t{test}\t{outcome}\n" for row in ROWS[nodeid])


def pytest_collection_finish(session):
    if "EST_ROWS" in os.environ and session.config.option.collectonly:
        for item in session.items:
            write_rows(item.nodeid, "collected")


def pytest_runtest_logreport(report):
    if "EST_ROWS" in os.environ and (report.when == "call" or not report.passed):
        write_rows(report.nodeid, report.outcome)


@pytest.fixture(scope="session")
def session_directory():
    with run.scratch() as path:
        yield path


@pytest.fixture(scope="session")
def pki(session_directory):
    return pki_module.Pki(session_directory)


@pytest.fixture(scope="session")
def postgres(session_directory):
    server = PostgresServer(os.path.join(session_directory, "pg"))
    SERVERS.append(server)
    try:
        server.start()
        server.install()
        yield server
    finally:
        SERVERS.remove(server)
        server.stop()


@pytest.fixture(scope="session")
def site_names():
    return set()


@pytest.fixture(scope="module")
def make_site(session_directory, postgres, pki, site_names):
    made = []

    def make(name, start=True, server=None, **fields):
        number = 1
        while f"{name}{number}" in site_names:
            number += 1
        site_names.add(f"{name}{number}")
        site = Site(f"{name}{number}", session_directory, server or postgres, pki, **fields)
        made.append(site)
        SITES.append(site)
        return site.start() if start else site

    yield make
    problems = []
    for site in reversed(made):  # those that ask another one, which was made before, first
        SITES.remove(site)
        try:
            site.httpd.stop()
        except AssertionError as error:
            problems.append(str(error))
    for site in made:  # when all are down, so that none notices that a server it used has gone with its fixture
        problems += complaints([site], [], (), ())
        if site.postgres.process:
            problems += site.lint()
        site.close()
    assert not problems, "at the end of the server:\n" + "\n".join(problems)


@pytest.fixture(scope="module")
def site(make_site, request):
    short = request.module.__name__.rpartition(".")[2].replace("test_", "")
    return make_site(short, **getattr(request.module, "SITE", {}))


@pytest.fixture(scope="module")
def same_child(site):
    """None of the module's tests ends a process."""
    before = site.httpd.children()
    yield
    assert site.httpd.children() == before


@pytest.fixture
def no_row(site):
    """The test may leave no row, unless it sets site.rows_wanted, and the same child serves at the end."""
    before, children, site.rows_wanted = site.counts(), site.httpd.children(), False
    yield
    with site.client() as client:
        assert client.get("cacerts").status == 200
    assert site.counts() == before or site.rows_wanted
    assert site.httpd.children() == children


@pytest.fixture
def expect_log(request):
    def announce(*texts):
        request.node.announced = getattr(request.node, "announced", ()) + texts
    return announce


@pytest.fixture
def allow_log(request):
    def allow(*texts):
        request.node.allowed = getattr(request.node, "allowed", ()) + texts
    return allow


@pytest.fixture(autouse=True)
def check_logs(request):
    request.node.log_starts = {site.name: site.httpd.log.size() for site in SITES}
    yield
    found = complaints(SITES, SERVERS, getattr(request.node, "announced", ()), getattr(request.node, "allowed", ()))
    assert not found, "\n".join(found)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        starts = getattr(item, "log_starts", {})
        lines = [line for site in SITES for line in site.httpd.log.since(starts.get(site.name, 0))[-40:]]
        if lines:
            report.sections.append(("end of httpd's log", "\n".join(lines)))
