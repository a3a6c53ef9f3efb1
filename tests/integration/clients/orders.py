# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Requests whose certificates come from elsewhere: asking for them, and what became of their rows."""

import collections
import contextlib
import http.client
import threading

from harness import run


def enrol(site, csr, label, user=None, **more):
    """By a new connection, as most clients do; user None: the RA"""
    with site.client(user or site.user, **more) as client:
        return client.enroll(csr, label)


class Asking(threading.Thread):
    """An enrolment under way; answer None afterwards: the connection broke"""

    def __init__(self, site, csr, label, user=None):
        super().__init__(daemon=True)
        self.site, self.csr, self.label, self.user, self.answer = site, csr, label, user, None
        self.start()

    def run(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.answer = enrol(self.site, self.csr, self.label, self.user)

    def end(self):
        self.join(30 * run.SLOW)
        assert not self.is_alive(), f"{self.label} hangs"
        return self.answer


Row = collections.namedtuple("Row", "id outcome operation identity rule reason ca upstream state attempt busy answer cert_ca issuer serial der")


def rows(site, subject):
    """Enrolments for a subject, the oldest first"""
    found = site.db.rows("SELECT e.id, e.outcome, e.operation, e.identity, e.rule, e.reason, e.ca, e.upstream, e.state, e.attempt,"
                         " coalesce(e.busy_until > now(), false), e.answer, c.ca, c.issuer, c.serial, c.der"
                         " FROM est.enrollment e LEFT JOIN est.certificate c ON c.id = e.certificate_id"
                         " WHERE coalesce(e.subject, c.subject) = %s ORDER BY e.at, e.id", subject, user="postgres")
    return [Row(*values) for values in found]


def one_row(site, subject, outcome):
    found = rows(site, subject)
    assert [row.outcome for row in found] == [outcome]
    return found[0]


def hurry(site, subject):
    """The time that the upstream asked for is over, and so is a lease"""
    site.db.execute("UPDATE est.enrollment SET ask_at = now(), busy_until = now() WHERE subject = %s AND outcome = 'forwarded'",
                    subject, user="postgres")


def check_waits(answer, *seconds):
    """seconds: what Retry-After may say; nothing: some"""
    assert answer.status == 202, f"{answer.status} {answer.text!r}"
    assert answer.body == b"" and answer.header("Content-Length") == "0"
    assert answer.header("Cache-Control") == "no-store" and answer.header("Content-Type") is None
    assert int(answer.header("Retry-After")) in (seconds or range(1, 121))


def check_failed(answer, status, reason, retry=False):
    assert (answer.status, answer.reason) == (status, reason), f"{answer.status} {answer.text!r}"
    assert answer.header("Content-Type").startswith("text/plain")
    assert answer.text.count("\n") == 1 and answer.text.endswith("\n") and len(answer.body) < 512
    if retry:
        assert int(answer.header("Retry-After")) > 0
    else:
        assert answer.header("Retry-After") is None


def lines(site, since, *texts):
    return [line for line in site.log_lines(since) if all(text in line for text in texts)]
