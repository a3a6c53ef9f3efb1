# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""A scenario's figures, and the books they are taken from."""

import collections
import dataclasses

from cryptography.hazmat.primitives import serialization

HEAD = ("scenario", "requests", "answers", "certificates", "rows", "lost", "duplicates", "recovery s", "slowest s", "note")


@dataclasses.dataclass
class Figures:
    requests: int  # sent, those that were sent again included
    answers: dict  # status -> how many; None: the connection ended without an answer
    certificates: int  # different ones that were handed out
    rows: int  # certificates on record
    lost: int  # handed out without a row that has the same octets
    duplicates: int  # certificates on record beyond one for a request
    slowest: float  # seconds, of an answered request
    recovery: float = None  # seconds from when the service could be back to the first certificate
    notes: list = dataclasses.field(default_factory=list)
    complaints: list = dataclasses.field(default_factory=list)  # what must not be, in words
    may_lose: bool = False  # the one set-up that promises less

    def broken(self):
        """Which promises the scenario has found broken"""
        found = list(self.complaints)
        if self.lost and not self.may_lose:
            found.append(f"{self.lost} certificates were handed out that have no row")
        if self.duplicates:
            found.append(f"{self.duplicates} requests have more than one certificate")
        return found

    def must(self, condition, complaint):
        if not condition:
            self.complaints.append(complaint)

    def line(self, name):
        answers = ", ".join(f"{count} x {status or 'none'}" for status, count in
                            sorted(self.answers.items(), key=lambda item: item[0] or 999))
        cells = (name, self.requests, answers, self.certificates, self.rows, self.lost, self.duplicates,
                 "" if self.recovery is None else f"{self.recovery:.2f}", f"{self.slowest:.2f}", "; ".join(self.notes))
        return "| " + " | ".join(map(str, cells)) + " |"


def head():
    return "\n".join(("| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)))


def books(outcomes, database, prefix):
    """
    outcomes: clients.load.Outcome of every request there was. database: where the rows have to be, which after a failover
    is another server. A request is one key and one name, however often it was sent: CN=<prefix>-N.
    """
    issued = [outcome for outcome in outcomes if outcome.status == 200]
    given = {outcome.cert.public_bytes(serialization.Encoding.DER) for outcome in issued}
    rows = database.rows(
        "SELECT c.der, c.serial, c.subject, c.spki_hash FROM est.enrollment e JOIN est.certificate c ON c.id = e.certificate_id",
        user="postgres")
    mine = [row for row in rows if row[2].startswith(f"CN={prefix}-")]
    recorded = {bytes(der) for der, *_ in rows}
    serials = collections.Counter(serial for _, serial, *_ in rows)
    requests = collections.Counter((subject, bytes(spki)) for _, _, subject, spki in mine)
    handed = collections.defaultdict(set)
    for outcome in issued:
        handed[outcome.name].add(outcome.cert.serial_number)
    answered = [outcome.ended - outcome.began for outcome in outcomes if outcome.status is not None]
    return Figures(
        requests=len(outcomes), answers=dict(collections.Counter(outcome.status for outcome in outcomes)),
        certificates=len(given), rows=len(mine), lost=len(given - recorded), slowest=max(answered, default=0),
        duplicates=sum(count - 1 for counter in (serials, requests) for count in counter.values())
        + sum(len(numbers) - 1 for numbers in handed.values()))
