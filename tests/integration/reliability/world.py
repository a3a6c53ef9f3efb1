# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""The servers of one scenario, and their end."""

import contextlib
import os
import re

from clients import outage
from harness.site import Site, complaints

# httpd: fewer idle threads than it would like to have, all of them busy
CROWDED = ("AH10159", "AH00161", "AH00484", "AH00485")
CORRUPT = re.compile(r"ERROR: .*(corrupt|invalid page|duplicate key)")
# As conf/est.conf has it, and in docs/reliability.md
SHIPPED = "RequestReadTimeout handshake=10 header=10-20,MinRate=500 body=20,MinRate=500"


class World:
    """
    A context. directory: short, of the servers' user; pki: harness.pki.Pki; names: a set of those in use, so that scenarios
    can follow each other in a directory. EstDatabaseTimeout is `timeout`, the default of the module.
    """

    def __init__(self, directory, pki, names, timeout=5):
        self.directory, self.pki, self.names, self.timeout = directory, pki, names, timeout
        self.ends = contextlib.ExitStack()
        self.sites, self.servers = [], []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return self.ends.__exit__(*exception)

    def name(self, prefix):
        number = len(self.names)
        self.names.add(number)
        return f"{prefix}{number}"

    def path(self, prefix):
        return os.path.join(self.directory, self.name(prefix))

    def server(self, kind=outage.FragileServer, *arguments, install=True, **more):
        """A PostgreSQL with durable commits, running; with the schema, unless it is a copy of another."""
        server = kind(self.path("pg"), *arguments, **more) if kind.__name__ == "Standby" else kind(self.path("pg"), True)
        self.servers.append(server)
        if hasattr(server, "release"):
            self.ends.callback(server.release)
        self.ends.callback(server.stop)
        server.start()
        if install:
            server.install()
        return server

    def site(self, server, database=None, start=True, **fields):
        """database(site): the connection string, where it is not that of server"""
        fields = {"children": 2, "threads": 16, "pool": 8, **fields}
        children, threads = fields["children"], fields["threads"]
        site = Site(self.name("rel"), self.directory, server, self.pki, **fields)
        self.sites.append(site)
        self.ends.callback(site.close)
        site.ledger.may_have_more = True  # the scenarios keep books of their own
        # Room for the children of the next generation, and no other numbers of children than these
        site.config.server = "\n".join([f"EstDatabaseTimeout {self.timeout}", f"ServerLimit {4 * children}", SHIPPED,
                                        f"MinSpareThreads {(children - 1) * threads + 1}", f"MaxSpareThreads {2 * children * threads}"])
        if database:
            site.config.database = database(site)
        return site.start() if start else site

    def complaints(self, allowed=()):
        """What httpd and PostgreSQL have logged that they should not have"""
        found = complaints(self.sites, [], (), (*CROWDED, *allowed))
        for server in self.servers:
            found += [line for line in server.log.since() if CORRUPT.search(line)]
        return found
