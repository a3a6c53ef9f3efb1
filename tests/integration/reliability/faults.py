# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Scenarios in which something dies under load. Each takes a World and the seconds that the fault lasts, and returns Figures.
Clients are persistent: what gets 503 or no answer is sent again, so that a certificate too many would show.
"""

import contextlib
import os
import signal
import time

from clients import outage
from clients.load import Load
from harness import run
from harness.postgres import Database

from . import cluster
from .figures import books

AWAY = outage.AWAY
REFUSALS = ("store_unavailable", "policy_unavailable", "policy_changing", "not_durable")


class Watch:
    """The service can be back from mark() on."""

    def __init__(self):
        self.ready = None

    def mark(self):
        self.ready = time.time()

    def recovery(self, load):
        return min(outcome.ended for outcome in load.issued() if outcome.ended > self.ready) - self.ready


def under_load(site, strike, seconds, database=None, allowed=AWAY, unanswered=False):
    """
    strike(load, watch) does the damage and repairs it. database(): where the rows have to be afterwards. unanswered: clients
    may find their connection ended, since it was a child of httpd that died.
    """
    watch = Watch()
    # What the load may be at most, whatever happens
    with Load(site, prefix="f", limit=20000, seconds=60 + 6 * seconds, persistent=True) as load:
        load.more(20)
        strike(load, watch)
        load.more(30)
    with contextlib.closing(database() if database else Database(site.postgres, site.db.name)) as rows:
        figures = books(load.outcomes, rows, "f")
    if watch.ready:
        figures.recovery = watch.recovery(load)
    load.check_answers(REFUSALS)
    figures.must(unanswered or not load.broken(), f"{len(load.broken())} requests got no answer")
    figures.notes.append(f"longest time without a certificate {load.longest_pause():.2f} s")
    site.httpd.stop()  # its last words belong to the scenario
    return figures, allowed


def wait_seconds(load, seconds):
    """The fault lasts; the load goes on, and goes wrong as it may"""
    end = time.monotonic() + seconds
    run.wait_until(lambda: time.monotonic() >= end or load.problems, seconds + 10, "the fault to have lasted")


def cacerts_works(site, figures_notes):
    with site.client() as client:
        answer = client.get("cacerts")
    assert answer.status == 200, f"cacerts answers {answer.status} while the database is away"
    figures_notes.append("cacerts works meanwhile")


# --- httpd

def graceful(world, seconds):
    """httpd reloads again and again; not one request fails."""
    site = world.site(world.server(), forks=True)
    restarts = max(3, int(seconds))

    def strike(load, _):
        for _ in range(restarts):
            load.more(20)
            site.httpd.graceful()
    figures, allowed = under_load(site, strike, 4 * restarts, allowed=())
    # under_load() has complained of those that got no answer, kept connections excepted, which a server may end
    refused = figures.requests - figures.answers.get(200, 0) - figures.answers.get(None, 0)
    figures.must(not refused, f"{refused} requests were refused in a graceful restart")
    figures.notes.append(f"{restarts} restarts; {figures.answers.get(None, 0)} times a kept connection was closed meanwhile, "
                         "and the request sent again")
    return figures, allowed


def kill_children(world, seconds):
    """Children of httpd die by SIGKILL, one after the other."""
    site = world.site(world.server(), forks=True)
    kills = max(3, int(seconds))

    def strike(load, watch):
        for _ in range(kills):
            load.more(20)
            victim = site.httpd.children()[0]
            os.kill(victim, signal.SIGKILL)
            run.wait_until(lambda: len(set(site.httpd.children()) - {victim}) == 2, what="another child")  # pylint: disable=cell-var-from-loop
            watch.mark()
    figures, allowed = under_load(site, strike, 4 * kills, unanswered=True)
    figures.notes.append(f"{kills} children killed")
    return figures, allowed


# --- PostgreSQL, one server

def outage_of(end):
    def scenario(world, seconds):
        server = world.server()
        site, notes = world.site(server), []

        def strike(load, watch):
            end(server)
            wait_seconds(load, seconds)
            cacerts_works(site, notes)
            seen = server.log.size()
            server.start()
            cluster.wait_ready(server, seen)
            watch.mark()
        figures, allowed = under_load(site, strike, seconds)
        figures.notes += [f"down for {seconds:g} s", *notes]
        return figures, allowed
    return scenario


pg_restart = outage_of(lambda server: server.stop())
pg_restart.__doc__ = "PostgreSQL is stopped (fast) and started again."
pg_crash = outage_of(cluster.crash)
pg_crash.__doc__ = "Every process of PostgreSQL dies at once by SIGKILL; it is started again."


def pooler_restart(world, seconds):
    """PostgreSQL is stopped and started behind PgBouncer in transaction mode."""
    server = world.server()
    directory = world.ends.enter_context(outage.pooler(world.path("pgb"), server))
    site = world.site(server, lambda site: f"host={directory} port=5432 dbname={site.db.name} user=est_module")

    def strike(load, watch):
        server.stop()
        wait_seconds(load, seconds)
        seen = server.log.size()
        server.start()
        cluster.wait_ready(server, seen)
        watch.mark()
    figures, allowed = under_load(site, strike, seconds)
    figures.notes.append(f"down for {seconds:g} s")
    return figures, allowed


def has_ended(server):
    return server.process.poll() is not None


def full(disk):
    def scenario(world, seconds):
        server = world.server(disk)
        site, notes = world.site(server), []

        def strike(load, watch):
            seen = server.log.size()
            lines = lambda text: sum(text in line for line in server.log.since(seen))  # noqa: E731
            server.fill()
            run.wait_until(lambda: lines("No space left on device") or server.nudge(), 30, "the disk to be full")
            wait_seconds(load, seconds)
            cacerts_works(site, notes)
            server.make_room()
            run.wait_until(lambda: has_ended(server) or server.answers(), 60, "PostgreSQL to end or to be back")
            panics = f"{lines('PANIC:')} PANIC in PostgreSQL" + (", which went down by itself" if has_ended(server) else "")
            notes.insert(0, panics if lines("PANIC:") else f"{lines('ERROR:')} statements failed in PostgreSQL")
            if has_ended(server):
                server.hang_up()
                server.start()
            watch.mark()
        figures, allowed = under_load(site, strike, seconds)
        figures.notes += [f"full for {seconds:g} s", *notes]
        return figures, allowed
    return scenario


disk_full = full(cluster.SmallDisk)
disk_full.__doc__ = "No room is left on the disk of PostgreSQL's data: statements fail."
log_full = full(cluster.SmallLogDisk)
log_full.__doc__ = "No room is left on the disk of PostgreSQL's write-ahead log: it goes down; there is room, and it is started."


def read_only(world, seconds):
    """An administrator makes PostgreSQL read-only."""
    server = world.server()
    site, notes = world.site(server), []

    def strike(load, watch):
        cluster.configure(server, default_transaction_read_only="on")
        wait_seconds(load, seconds)
        cacerts_works(site, notes)
        cluster.configure(server, default_transaction_read_only=None)
        watch.mark()
    figures, allowed = under_load(site, strike, seconds)
    figures.notes += [f"read-only for {seconds:g} s", *notes]
    return figures, allowed


# --- PostgreSQL, two servers

def pair(world):
    primary = world.server()
    primary.clone("pair")  # so that the site's clone comes later than the copy, and arrives by streaming
    return primary, world.server(cluster.Standby, primary, install=False)


def both(primary, standby):
    return lambda site: (f"host={primary.directory},{standby.directory} port=5432 dbname={site.db.name} user=est_module"
                         " target_session_attrs=read-write")


def failover_of(synchronous, lag):
    def scenario(world, seconds):
        primary, standby = pair(world)
        site = world.site(primary, both(primary, standby))
        if synchronous:
            cluster.configure(primary, synchronous_standby_names=standby.name)

        def strike(load, watch):
            wait_seconds(load, seconds)
            if lag:
                os.kill(cluster.sender(primary), signal.SIGSTOP)  # the network between the two no longer keeps up
                wait_seconds(load, lag)
                if not synchronous:
                    load.more(3)  # whose rows do not get there
            cluster.crash(primary)
            standby.promote()
            watch.mark()
        figures, allowed = under_load(site, strike, seconds, lambda: Database(standby, site.db.name))
        figures.may_lose = not synchronous
        if lag:
            figures.notes.append(f"nothing reaches the standby for {lag:g} s before the crash")
        return figures, allowed
    return scenario


failover_sync = failover_of(True, 0)
failover_sync.__doc__ = "The primary dies, a synchronous standby is promoted."
failover_sync_lag = failover_of(True, 0.5)
failover_sync_lag.__doc__ = "The same when the standby has not heard of the primary for a moment."
failover_async = failover_of(False, 0)
failover_async.__doc__ = "The primary dies, an asynchronous standby is promoted: what it had not got is lost."
failover_async_lag = failover_of(False, 0.5)
failover_async_lag.__doc__ = "The same when the standby has not heard of the primary for a moment."


def standby_only(world, seconds):
    """EstDatabase names a standby, without target_session_attrs; then that is promoted."""
    primary, standby = pair(world)
    site = world.site(primary, lambda site: f"host={standby.directory} port=5432 dbname={site.db.name} user=est_module", start=False)
    run.wait_until(lambda: replayed(primary, standby), what="the standby to have all")
    site.start()
    notes, watch = [], Watch()
    with Load(site, prefix="f", limit=20000, seconds=60 + seconds, persistent=True) as load:
        wait_seconds(load, seconds)
        cacerts_works(site, notes)
        before = len(load.issued())
        standby.promote()
        watch.mark()
        load.more(30)
    with contextlib.closing(Database(standby, site.db.name)) as rows:
        figures = books(load.outcomes, rows, "f")
    load.check_answers(REFUSALS)
    figures.recovery = watch.recovery(load)
    figures.must(not before, f"{before} certificates while nothing could be recorded")
    figures.must(not load.broken(), f"{len(load.broken())} requests got no answer")
    figures.notes += [f"read-only for {seconds:g} s", *notes]
    site.httpd.stop()
    primary.stop()  # what it has on record is not what counts
    return figures, AWAY


def replayed(primary, standby):
    with contextlib.closing(Database(primary, "postgres")) as one, contextlib.closing(Database(standby, "postgres")) as other:
        return other.value("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", one.value("SELECT pg_current_wal_lsn()::text", user="postgres"),
                           user="postgres")
