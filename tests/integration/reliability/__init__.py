# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
What load and faults cost: scenarios with exact books. tests/bench/reliability runs them at length and prints a table, the
integration tests run each for a moment. docs/reliability.md says what the figures mean.

    figures     Figures, a scenario's row; books(): every certificate handed out against the rows of the database
    world       World: makes and ends the servers of a scenario; what they log and nobody announced
    cluster     PostgreSQL servers with a fate: on a full disk, primary and standby, behind a pooler
    faults      the scenarios in which something dies
    crowds      the scenarios in which there are many at once
"""

from . import crowds, faults
from .world import World

SCENARIOS = {
    "parallel-100": crowds.parallel_100,
    "one-key-50": crowds.one_key_50,
    "slow-500": crowds.slow_500,
    "slow-500-few": crowds.slow_500_few,
    "graceful": faults.graceful,
    "kill-children": faults.kill_children,
    "pg-restart": faults.pg_restart,
    "pg-crash": faults.pg_crash,
    "pooler-restart": faults.pooler_restart,
    "disk-full": faults.disk_full,
    "log-full": faults.log_full,
    "read-only": faults.read_only,
    "standby-only": faults.standby_only,
    "failover-sync": faults.failover_sync,
    "failover-sync-lag": faults.failover_sync_lag,
    "failover-async": faults.failover_async,
    "failover-async-lag": faults.failover_async_lag,
}


def perform(name, seconds, directory, pki, names, timeout=5):
    """Runs a scenario in a world of its own; Figures, with whatever the servers' logs complain of."""
    with World(directory, pki, names, timeout) as world:
        figures, allowed = SCENARIOS[name](world, seconds)
        figures.complaints += world.complaints(allowed)
    return figures
