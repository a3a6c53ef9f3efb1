# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""The program estctl, run against a site's database as its administrator."""

import hashlib
import itertools
import json
import os
import subprocess
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from . import run
from .httpd import module_path
from .pki import spki_of

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


NUMBERS = itertools.count(1)
GENERAL = {x509.DNSName: "dns", x509.IPAddress: "ip", x509.RFC822Name: "email", x509.UniformResourceIdentifier: "uri"}


def san_texts(san):
    return [f"{GENERAL[type(name)]}:{name.value}" for name in san]


def issue(site, subject, alias="est", san=(), identity="ra", outcome="issued", **dates):
    """A certificate on record, as the module would have recorded it; returns its Identity."""
    made = site.pki.issuing.issue(subject, san=san, **dates)
    cert = made.cert
    der = cert.public_bytes(serialization.Encoding.DER)
    digits = format(cert.serial_number, "x")
    serial = "0" * (len(digits) % 2) + digits
    serial = "00" + serial if serial[0] >= "8" else serial
    got = site.db.rows(
        "SELECT outcome, rule, detail FROM est.record_issued(%s, (SELECT id FROM alias WHERE name = %s), (SELECT version FROM policy_version), "
        "'simpleenroll', 'user', %s, NULL, NULL, '192.0.2.1', NULL, NULL, %s, NULL, 0, 'issuing', %s, %s, %s, %s, %s, %s, %s, %s, %s, NULL, "
        "NULL, NULL, NULL, NULL, NULL)",
        uuid.uuid4(), alias, identity, cert.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value, cert.issuer.rfc4514_string(),
        hashlib.sha256(cert.issuer.public_bytes()).digest(), serial, cert.subject.rfc4514_string(), san_texts(san),
        hashlib.sha256(spki_of(made.key)).digest(), cert.not_valid_before, cert.not_valid_after, der, user="postgres")
    assert got[0][0] == outcome, got
    site.ledger.add(der)
    return made


def order(site, alias, entity, identity="ra", san=(), lease=0):
    """An order that waits for approval, as the module would open it, or with a lease one that is being forwarded; returns its id."""
    number = next(NUMBERS)
    ((outcome, detail, order_id),) = site.db.rows(
        "SELECT outcome, detail, order_id FROM est.order_open(%s, (SELECT id FROM alias WHERE name = %s), (SELECT version FROM policy_version), "
        "'simpleenroll', 'user', %s, NULL, NULL, '192.0.2.1', NULL, NULL, %s, %s, NULL, 0, %s, %s, %s, NULL, '\\x30', NULL, NULL, NULL, NULL, 'issuing', %s)",
        uuid.uuid4(), alias, identity, entity, hashlib.sha256(b"order%d" % number).digest(), f"CN={entity}", san_texts(san),
        hashlib.sha256(b"key%d" % number).digest(), lease, user="postgres")
    assert outcome == ("forward" if lease else "pending"), detail
    return str(order_id)
