# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
The scenarios of tests/bench/reliability, each for a moment: no certificate without its committed row, none twice, and service
that comes back by itself. reliability/ has them, docs/reliability.md the figures of long runs.
"""

import pytest

from reliability import SCENARIOS, perform

SECONDS = 1  # that a fault lasts
TIMEOUT = 3  # EstDatabaseTimeout
ROWS = {
    "parallel-100": ["OP-04"],
    "one-key-50": ["R-01"],
    "slow-500": ["H-26"],
    "graceful": ["OP-05"],
    "kill-children": ["R-05"],
    "pg-restart": ["OP-01"],
    "pg-crash": ["OP-01", "OP-02"],
}


@pytest.fixture(scope="module")
def names():
    return set()


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.row(row) for row in ROWS.get(name, ())]) for name in SCENARIOS])
def test_nothing_is_lost(name, session_directory, pki, names, record_property):
    figures = perform(name, SECONDS, session_directory, pki, names, TIMEOUT)
    record_property("figures", figures.line(name))
    assert not figures.broken()
    assert figures.certificates


def test_an_asynchronous_standby_can_lose(session_directory, pki, names):
    """What the books would say if something was lost: here is the one set-up that promises less."""
    assert perform("failover-async-lag", SECONDS, session_directory, pki, names, TIMEOUT).lost > 0
