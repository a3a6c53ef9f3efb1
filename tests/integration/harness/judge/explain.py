# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What `estctl explain` says of a request, to be compared with what the server then does."""

import functools
import json
import os
import subprocess
import tempfile

from cryptography.hazmat.primitives.serialization import Encoding

from .. import pki
from ..postgres import TOP


@functools.lru_cache(maxsize=None)
def program():
    """The estctl that was built beside the module and knows explain; None"""
    path = os.environ.get("EST_ESTCTL") or os.path.join(TOP, "build", "test", "obj", "estctl")
    if not os.access(path, os.X_OK):
        return None
    done = subprocess.run([path, "explain", "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return path if done.returncode == 0 and b"--csr" in done.stdout else None


def ask(site, label, csr, who, operation="simpleenroll", authority=None):
    """Its report as JSON has it, or None where there is no such program"""
    if program() is None:
        return None
    with tempfile.TemporaryDirectory() as directory:
        request = os.path.join(directory, "request.pem")
        with open(request, "wb") as file:
            file.write(pki.pem(csr))
        argv = [program(), "explain", "--json", "--alias", label, "--csr", request, "--operation", operation]
        if who.kind == "user":
            argv += ["--user", who.name]
        if who.cert is not None:
            holder = os.path.join(directory, "holder.pem")
            with open(holder, "wb") as file:
                file.write(who.cert.public_bytes(Encoding.PEM))
            argv += ["--cert", holder]
        if authority is not None:
            issuer = os.path.join(directory, "ca.pem")
            with open(issuer, "wb") as file:
                file.write(b"".join(cert.public_bytes(Encoding.PEM) for cert in authority.chain()))
            argv += ["--ca", issuer]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              env={"PATH": os.environ["PATH"], "PGHOST": site.postgres.directory, "PGPORT": "5432", "PGUSER": "admin",
                                   "PGDATABASE": site.db.name})
    assert done.stdout, done.stderr.decode(errors="replace")
    return json.loads(done.stdout)


def differences(report, answer):
    """Where the report and the server's answer are at odds"""
    status = report["status"]
    # What a challengePassword has to be, only the connection knows
    if answer.reason == "binding_failed" and any(rule["rule"] == "binding" and rule["verdict"] == "n/a" for rule in report["rules"]):
        return
    if status != answer.status:
        yield f"explain foretells {status} ({report.get('error')}), the server says {answer.status} {answer.reason if answer.status != 200 else ''}"
    elif status != 200 and report.get("error") != answer.reason:
        yield f"explain says {report.get('error')}, the server {answer.reason}"
