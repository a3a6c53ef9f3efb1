# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""The program estctl, run against a site's database as its administrator."""

import json
import os
import subprocess

from . import run
from .httpd import module_path

VALGRIND = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "valgrind.options")


def program():
    """Beside the module's directory, unless EST_ESTCTL says where"""
    path = os.environ.get("EST_ESTCTL") or os.path.join(os.path.dirname(os.path.dirname(module_path())), "estctl")
    if not os.path.exists(path):
        raise RuntimeError(f"no program at {path}: build it (./runtests does), or set EST_ESTCTL")
    return path


def argv(*arguments):
    checker = []
    if run.VALGRIND:
        with open(VALGRIND, encoding="ascii") as file:
            checker = ["valgrind", *file.read().split()]
    return [*checker, program(), *arguments]


class Estctl:
    """estctl(words...) runs it, and says what it printed when the exit status is the expected one."""

    def __init__(self, site, user="admin"):
        self.url = site.db.url(user)

    def run(self, *arguments, stdin="", environment=None, url=True):
        """(status, stdout, stderr)"""
        given = ["-d", self.url] if url else []
        done = subprocess.run(argv(*given, *arguments), input=stdin.encode(), capture_output=True, check=False, timeout=60 * run.SLOW,
                              env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/nonexistent", "PGTZ": "UTC",
                                   **(environment or {})})
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def __call__(self, *arguments, **more):
        """What is printed by a run that succeeds"""
        status, out, error = self.run(*arguments, **more)
        assert status == 0, error
        return out

    def refused(self, *arguments, status=1, **more):
        """The one line of a run that does not, without the program's name"""
        got, out, error = self.run(*arguments, **more)
        assert got == status, (got, out, error)
        assert error.startswith("estctl: ") and error.endswith("\n") and error.count("\n") == 1, error
        return error[len("estctl: "):-1]

    def json(self, *arguments, **more):
        return json.loads(self(*arguments, "--json", **more))
