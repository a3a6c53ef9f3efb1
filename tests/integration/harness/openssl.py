# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""The program openssl as a TLS client."""

import contextlib
import os
import re
import select
import subprocess
import time

from . import pki, run


def command(site, *arguments):
    root = os.path.join(pki.Identity.directory, "root.pem")
    with open(root, "wb") as file:
        file.write(site.pki.root.pem())
    return ["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-servername", "localhost", "-verify_hostname", "localhost",
            "-CAfile", root, "-no-CApath", "-no-CAstore", *arguments]


def s_client(site, *arguments, stdin=b"", identity=None):
    """What openssl s_client says of a connection to site; stdin is sent, then the end."""
    argv = command(site, *arguments)
    if identity:
        argv += ["-cert", identity.file(), "-key", identity.file(), "-cert_chain", identity.file()]
    done = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30 * run.SLOW, check=False)
    return done.stdout.decode(errors="replace")


class SClient:
    """The same, spoken to as at a terminal"""

    def __init__(self, site, *arguments):
        self.process = subprocess.Popen(command(site, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.received = b""

    def read_until(self, pattern, limit=20):
        end = time.monotonic() + limit * run.SLOW
        while not re.search(pattern, self.received, re.DOTALL):
            ready = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]
            part = self.process.stdout.read1(65536) if ready else b""
            assert part, self.received.decode(errors="replace")
            self.received += part

    def write(self, data):
        with contextlib.suppress(BrokenPipeError):  # what it has to say of that is in its output
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def read_all(self):
        self.received += self.process.stdout.read()
        self.process.wait(20 * run.SLOW)
        return self.received

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
