# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Ways in which a database goes away, and a database server to do that to."""

import contextlib
import os
import re
import signal
import time

from cryptography.hazmat.primitives import serialization

from harness import run
from harness.pki import make_csr, shared_key
from harness.postgres import PostgresServer

# What the module logs while the database is away; lines of these tests about anything else are complaints
AWAY = ("EST1090", "EST1093")
DER = serialization.Encoding.DER


class FragileServer(PostgresServer):
    """One that tests end: nobody goes on with a connection from before."""

    def __init__(self, directory, durable):
        self.databases = []
        super().__init__(directory, durable)

    def clone(self, name):
        self.databases.append(super().clone(name))
        return self.databases[-1]

    def hang_up(self):
        for database in self.databases:
            database.close()

    def stop(self, how=signal.SIGINT):
        self.hang_up()
        super().stop(how)


@contextlib.contextmanager
def private_postgres(directory, name, durable=False):
    """A server of one module's own. What it logs is expected to be bad, but not as bad as this."""
    server = FragileServer(os.path.join(directory, name), durable)
    try:
        server.start()
        server.install()
        yield server
    finally:
        server.stop()
    panics = [line for line in server.log.since() if re.search(r"PANIC: |ERROR: .*(corrupt|invalid page|duplicate key)", line)]
    assert not panics, panics


def processes(server):
    """The postmaster and its children"""
    pid = server.process.pid
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [pid, *map(int, file.read().split())]


@contextlib.contextmanager
def frozen(server):
    """Nothing of it moves: connections stay open, new ones are not answered."""
    stopped = []
    try:
        os.kill(server.process.pid, signal.SIGSTOP)  # first, so that it makes no more children
        stopped.append(server.process.pid)
        for pid in processes(server)[1:]:
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
        yield
    finally:
        for pid in reversed(stopped):
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def stopped(server):
    """It is down within, and up again afterwards."""
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextlib.contextmanager
def pooler(directory, server):
    """
    PgBouncer in transaction mode: no session is ours, no notification arrives. Gives the directory of its socket.
    server_login_retry: it would not try a server that it has not reached again for 15 seconds (docs/install.md).
    """
    run.make_directory(directory)
    users, config, log = (os.path.join(directory, name) for name in ("users", "ini", "log"))
    run.write(users, '"est_module" ""\n')
    run.write(config, f"""[databases]
* = host={server.directory} port=5432
[pgbouncer]
listen_addr =
unix_socket_dir = {directory}
listen_port = 5432
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = 3
server_login_retry = 1
""")
    process = run.start(["pgbouncer", config], log)
    try:
        run.wait_until(lambda: os.path.exists(os.path.join(directory, ".s.PGSQL.5432")) or process.poll() is not None, 10, "pgbouncer")
        yield directory
    finally:
        run.stop(process)


def backends(site):
    """Process ids at the other end of the module's connections"""
    return [pid for (pid,) in site.db.rows("SELECT pid FROM pg_stat_activity WHERE usename = 'est_module' AND datname = %s",
                                           site.db.name, user="postgres")]


def recovery(site, in_a_row=1, limit=10):
    """Seconds from now until enrolments succeed again, as each does that begins after limit. in_a_row: where children notice one by one"""
    began, good, recovered = time.monotonic(), 0, None
    while good < in_a_row:
        asked = time.monotonic() - began
        with site.ra() as client:
            answer = client.enroll(make_csr(shared_key("ec:P-256"), "CN=recovery"))
        assert answer.status in (200, 503), answer.text
        if answer.status == 200:
            good, recovered = good + 1, recovered or time.monotonic() - began
            continue
        assert asked < limit * run.SLOW, f"after {asked:.1f} s: {answer.text}"
        good, recovered = 0, None
        time.sleep(0.01)
    return recovered
