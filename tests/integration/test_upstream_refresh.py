# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""cacerts of an EST server upstream, looked at again while nobody waits for it."""

import time

import pytest

from harness import run
from harness.upstream import UpstreamEst

TIMEOUT = 30  # nobody is to wait for it
AT_ONCE = 1 * run.SLOW


@pytest.fixture(scope="module")
def upstream(session_directory):
    with UpstreamEst(session_directory, "refresh") as server:
        yield server


@pytest.fixture(scope="module")
def site(upstream, make_site):
    site = make_site("refresh", start=False)
    site.config.ca_blocks = [site.httpd.ca_block("issuing"), upstream.block("refreshed", EstCARefresh=1, EstCATimeout=TIMEOUT)]
    site.alias("refreshed", ca="refreshed")
    return site.start()


def cacerts(site):
    """What they are, and how long that took"""
    with site.client() as client:
        client.open()
        begin = time.monotonic()
        certs = client.get("cacerts", "refreshed").certs()
        return set(certs), time.monotonic() - begin


def hang(upstream):
    """Returns when somebody hangs there"""
    upstream.cacerts_mode = "hang"
    upstream.wait_for(upstream.count("cacerts") + 1, "cacerts")


def test_it_is_looked_at_without_any_request(site, upstream):
    upstream.wait_for(2, "cacerts")
    assert cacerts(site)[0] == set(upstream.known)


def test_nobody_waits_for_one_that_is_slow(site, upstream):
    before, _ = cacerts(site)
    asked, upstream.cacerts_mode = upstream.count("cacerts"), "hang"

    def still_the_same():
        certs, seconds = cacerts(site)
        assert certs == before and seconds < AT_ONCE
        return True
    run.wait_until(lambda: still_the_same() and upstream.count("cacerts") > asked, 10, "somebody to hang there")
    upstream.new_ca()
    for _ in range(5):
        still_the_same()
    upstream.cacerts_mode = "good"
    upstream.let_go()
    run.wait_until(lambda: cacerts(site)[0] == set(upstream.known), 10, "the new certificates")


def test_the_end_of_a_child_does_not_wait_for_an_upstream_that_hangs(site, upstream):
    """libcurl asks once a second whether it is to go on"""
    hang(upstream)
    begin = time.monotonic()
    site.httpd.stop()
    assert time.monotonic() - begin < 2 + 2 * AT_ONCE
    upstream.let_go()
