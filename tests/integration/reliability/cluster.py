# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL servers with a fate."""

import contextlib
import ctypes
import os
import signal

import psycopg

from clients import outage
from harness import run
from harness.postgres import Database, program

LIBC = ctypes.CDLL(None, use_errno=True)


def wait_ready(server, offset):
    run.wait_until(lambda: any("ready to accept connections" in line for line in server.log.since(offset)), 30, "PostgreSQL to be back")


def crash(server):
    """As when the machine loses its power: every process at once, none has a last word."""
    server.hang_up()
    victims = outage.processes(server)
    for how in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: the postmaster, then what it could not replace any more
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
    server.process.wait()
    server.process = None


class SmallDisk(outage.FragileServer):
    """Its data are on a file system of their own, which fill() leaves without room. Mounting needs root."""

    SIZE = 160 << 20
    PLACE = "data"
    mounted = None

    def make_data(self, durable):
        place = os.path.join(self.directory, self.PLACE)
        os.mkdir(place)
        if LIBC.mount(b"none", place.encode(), b"tmpfs", 0, f"size={self.SIZE},mode=0700".encode()):
            raise RuntimeError(f"a disk of its own for PostgreSQL cannot be mounted: {os.strerror(ctypes.get_errno())}; "
                               "this scenario needs root's rights")
        self.mounted = place
        run.own(place, 0o700)
        try:
            super().make_data(durable)
        except BaseException:
            self.release()
            raise

    @property
    def filler(self):
        return os.path.join(self.mounted, "filler")

    def fill(self):
        """As a log that nobody rotates does it"""
        with open(self.filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def nudge(self):
        """Makes want of room felt sooner"""

    def make_room(self):
        os.truncate(self.filler, 0)

    def release(self):
        if self.mounted and LIBC.umount2(self.mounted.encode(), 0):
            raise RuntimeError(f"{self.mounted} stays mounted: {os.strerror(ctypes.get_errno())}")
        self.mounted = None


class SmallLogDisk(SmallDisk):
    """The same for its write-ahead log alone."""

    SIZE = 24 << 20
    PLACE = "wal"

    @property
    def INITDB(self):  # pylint: disable=invalid-name
        return "--wal-segsize=1", "-X", os.path.join(self.directory, self.PLACE)  # small files, so that soon one more is wanted

    def nudge(self):
        with contextlib.suppress(psycopg.Error), psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("SELECT pg_switch_wal()")

    def configure(self, durable):
        super().configure(durable)
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="ascii") as file:
            file.write("min_wal_size = 2MB\nmax_wal_size = 4MB\n")


class Standby(outage.FragileServer):
    """A streaming copy of primary, as docs/reliability.md sets it up."""

    def __init__(self, directory, primary, name="standby"):
        self.primary, self.name = primary, name
        super().__init__(directory, durable=True)

    def make_data(self, durable):
        status, output = run.call([program("pg_basebackup"), "-D", self.data, "-R", "-X", "stream", "-c", "fast", "--no-sync", "-d",
                                   f"host={self.primary.directory} port=5432 user=postgres application_name={self.name}"])
        if status != 0:
            raise RuntimeError(output)
        self.configure(durable=True)

    def start(self):
        super().start()
        with contextlib.closing(Database(self.primary, "postgres")) as database:
            run.wait_until(lambda: database.rows("SELECT FROM pg_stat_replication WHERE application_name = %s AND state = 'streaming'",
                                                 self.name, user="postgres"), 20, "the standby to stream")

    def promote(self):
        status, output = run.call([program("pg_ctl"), "promote", "-w", "-D", self.data])
        if status != 0:
            raise RuntimeError(output)


def sender(server):
    """The process that sends a primary's changes to its standby"""
    with contextlib.closing(Database(server, "postgres")) as database:
        return database.value("SELECT pid FROM pg_stat_replication", user="postgres")


def configure(server, **settings):
    """ALTER SYSTEM; returns when new sessions see it. None takes a setting back."""
    with contextlib.closing(Database(server, "postgres")) as database:
        execute = lambda sql: database.execute(sql, user="postgres")  # noqa: E731
        execute("SET default_transaction_read_only = off")
        execute("SET synchronous_commit = local")
        for name, value in settings.items():
            execute(f"ALTER SYSTEM RESET {name}" if value is None else f"ALTER SYSTEM SET {name} = '{value}'")
        execute("SELECT pg_reload_conf()")

    def arrived():
        with contextlib.closing(Database(server, "postgres")) as database:
            return all(value is None or database.value(f"SHOW {name}", user="postgres") == value for name, value in settings.items())
    run.wait_until(arrived, what="the new settings")
