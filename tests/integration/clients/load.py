# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Several devices that enrol at the same time, and what became of each request."""

import collections
import dataclasses
import http.client
import threading
import time

from cryptography.hazmat.primitives import serialization

from harness import run
from harness.pki import make_csr, make_key

BROKEN = (http.client.HTTPException, OSError)  # ssl.SSLError is an OSError


@dataclasses.dataclass
class Outcome:
    began: float  # time.time(), to compare with the database's clock
    ended: float
    kept: bool  # on a connection that had served before
    status: int = None  # None: no complete answer
    retry_after: str = None
    text: str = ""
    cert: object = None
    name: str = None  # two outcomes with the same one: the same request, sent again


def is_for(cert, key):
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return cert.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)


class Load:
    """
    A context: `threads` clients enrol a new key and name each time until it is left, `limit` requests were sent or
    `seconds` are over. Half of them keep their connection; a kept one that turns out to be closed is not a failure
    (RFC 9112 9.3.1), the request is sent again, once, over a new one. persistent: what was answered 503, or not at all,
    is sent again until there is a certificate, as a device does it (sooner than Retry-After says, to see recovery).
    """

    PAUSE = 0.05  # before a persistent client comes back, seconds

    def __init__(self, site, threads=8, limit=600, seconds=20, prefix="load", persistent=False):
        self.site, self.limit, self.prefix, self.persistent = site, limit, prefix, persistent
        self.end = time.monotonic() + seconds * run.SLOW
        self.outcomes, self.problems = [], []
        self.lock, self.stopped, self.number = threading.Lock(), threading.Event(), 0
        self.threads = [threading.Thread(target=self._run, args=(i % 2 == 0,), daemon=True) for i in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join(40 * run.SLOW)
            assert not thread.is_alive(), "a client does not end"
        assert not self.problems, self.problems

    def _next(self):
        with self.lock:
            if self.stopped.is_set() or self.number >= self.limit or time.monotonic() > self.end:
                return None
            self.number += 1
            return f"{self.prefix}-{self.number}"

    def _run(self, keeps):
        try:
            client = self.site.ra()
            while name := self._next():
                self._enrol(client, name)
                if not keeps:
                    client.close()
            client.close()
        except Exception as error:  # pylint: disable=broad-except
            self.problems.append(repr(error))

    def _enrol(self, client, name):
        key = make_key()
        csr = make_csr(key, "CN=" + name)
        while True:
            outcome = Outcome(time.time(), 0, client.connection is not None, name=name)
            try:
                answer = client.enroll(csr)
                outcome.status, outcome.retry_after = answer.status, answer.header("Retry-After")
                if answer.status == 200:
                    outcome.cert = answer.cert()
                    assert is_for(outcome.cert, key), f"{name} was given the certificate of another key"
                else:
                    outcome.text = answer.text
            except BROKEN as error:
                outcome.text = repr(error)
            outcome.ended = time.time()
            self.outcomes.append(outcome)
            if outcome.status == 200 or not (self._again(outcome) or outcome.status is None and outcome.kept):
                return

    def _again(self, outcome):
        return self.persistent and outcome.status in (503, None) and not self.stopped.wait(self.PAUSE)

    # --- while it runs

    def more(self, count=20, limit=20):
        """Returns when that many further requests were answered with a certificate."""
        wanted = len(self.issued()) + count
        run.wait_until(lambda: len(self.issued()) >= wanted, limit, f"{count} more certificates, after {self.tally()}")

    # --- what came of it

    def issued(self):
        return [outcome for outcome in list(self.outcomes) if outcome.status == 200]

    def broken(self):
        """Requests without an answer on connections of their own: those have no excuse."""
        return [outcome for outcome in list(self.outcomes) if outcome.status is None and not outcome.kept]

    def tally(self):
        return dict(collections.Counter(outcome.status for outcome in list(self.outcomes)))

    def slowest(self):
        return max(outcome.ended - outcome.began for outcome in self.outcomes)

    def longest_pause(self):
        """Seconds during which nobody was given a certificate"""
        times = sorted(outcome.ended for outcome in self.issued())
        return max(after - before for before, after in zip(times, times[1:]))

    def check_answers(self, allowed=()):
        """Nothing but certificates, and refusals of `allowed` (reasons) that tell when to come back"""
        for outcome in self.outcomes:
            if outcome.status in (200, None):
                continue
            assert outcome.status == 503 and outcome.retry_after.isdigit(), f"{outcome.status} {outcome.text}"
            assert outcome.text.split(":")[0] in allowed, outcome.text

    def check_books(self):
        """Each certificate that a client holds has its row, octet by octet. Returns how many rows no client has seen."""
        rows = {serial: bytes(der) for serial, der in self.site.db.rows("SELECT serial, der FROM est.certificate", user="postgres")}
        received = {}
        for outcome in self.issued():
            octets = outcome.cert.public_bytes(serialization.Encoding.DER)
            number = outcome.cert.serial_number
            serial = number.to_bytes(number.bit_length() // 8 + 1, "big").hex()
            assert serial not in received, "a serial number was handed out twice"
            received[serial] = octets
            assert rows.get(serial) == octets, f"certificate {serial} has no row, or another one"
        odd = self.site.db.value(
            "SELECT count(*) FROM est.certificate c FULL JOIN est.enrollment e ON e.certificate_id = c.id"
            " WHERE c.id IS NULL OR e.id IS NULL", user="postgres")
        twice = self.site.db.value("SELECT count(*) - count(DISTINCT certificate_id) FROM est.enrollment", user="postgres")
        assert (odd, twice) == (0, 0), "enrolments and certificates are not one to one"
        names = [name for (name,) in self.site.db.rows("SELECT subject FROM est.certificate", user="postgres")]
        mine = [name for name in names if name.startswith(f"CN={self.prefix}-")]
        return len(mine) - len(received)
