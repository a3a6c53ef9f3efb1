# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL, the schema in a template database, copies of it for tests."""

import glob
import os
import signal
import subprocess
import threading

import psycopg

from . import run

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
TEMPLATE = "est_template"


def program(name):
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/" + name))
    if not found:
        raise RuntimeError(f"{name} of PostgreSQL is not installed")
    return found[-1]


class PostgresServer:
    """durable: with fsync, for tests that kill it. It listens on a socket in directory, which must be short."""

    INITDB = ()  # further options

    def __init__(self, directory, durable=False):
        self.directory = run.make_directory(directory)
        self.data = os.path.join(directory, "data")
        self.log = run.Log(os.path.join(directory, "log"))
        self.process = None
        self.make_data(durable)

    def make_data(self, durable):
        """self.data as initdb makes it, with the settings of a test"""
        status, output = run.call([program("initdb"), "-D", self.data, "-A", "trust", "-U", "postgres", "--no-sync",
                                   "--no-instructions", "-E", "UTF8", "--locale=C", *self.INITDB])
        if status != 0:
            raise RuntimeError(output)
        self.configure(durable)

    def configure(self, durable):
        settings = ["listen_addresses = ''", f"unix_socket_directories = '{self.directory}'", "unix_socket_permissions = 0700",
                    "max_connections = 200", "log_line_prefix = '%m [%p] %q%u@%d '", "log_statement = none"]
        if not durable:
            settings += ["fsync = off", "full_page_writes = off", "synchronous_commit = off"]
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="ascii") as file:
            file.write("\n".join(settings) + "\n")

    def start(self):
        self.process = run.start([program("postgres"), "-D", self.data], self.log.path)
        run.wait_until(self.answers, 30, "PostgreSQL to accept connections")

    def answers(self):
        if self.process.poll() is not None:
            raise RuntimeError("PostgreSQL ended:\n" + "\n".join(self.log.since()[-20:]))
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            return True
        except psycopg.OperationalError:
            self.log.checked = self.log.size()
            return False

    def stop(self, how=signal.SIGINT):
        """SIGINT: fast, SIGQUIT: immediate, SIGKILL: a crash"""
        if self.process:
            run.stop(self.process, how)
            self.process = None

    def url(self, database, user="postgres"):
        return f"host={self.directory} port=5432 dbname={database} user={user}"

    def install(self):
        """The schema, as an administrator installs it, in a database that clone() copies."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {TEMPLATE}")
        done = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", os.path.join(TOP, "sql", "install.sql"),
                               self.url(TEMPLATE)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stdout.decode())
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE ROLE admin LOGIN IN ROLE est_admin")

    def clone(self, name):
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
            # A property of the database that copying leaves behind; install.sql sets it
            connection.execute(f"ALTER DATABASE {name} SET search_path = est, public")
        return Database(self, name)


class Database:
    """Connections by role, opened when first used, each statement a transaction of its own."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.connections, self.lock = {}, threading.Lock()

    def url(self, user="est_module"):
        return self.server.url(self.name, user)

    def connection(self, user="admin"):
        with self.lock:  # threads of a test may be the first together
            connection = self.connections.get(user)
            if connection is None or connection.closed:
                connection = self.connections[user] = psycopg.connect(self.url(user), autocommit=True)
            return connection

    def execute(self, sql, *params, user="admin"):
        return self.connection(user).execute(sql, params or None)

    def rows(self, sql, *params, user="admin"):
        return self.execute(sql, *params, user=user).fetchall()

    def value(self, sql, *params, user="admin"):
        return self.execute(sql, *params, user=user).fetchone()[0]

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections.clear()
