# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Scenarios in which there are many at once, and nothing dies."""

import contextlib
import os
import subprocess
import sys
import threading
import time

from clients import slow
from clients.load import BROKEN, Load, Outcome, is_for
from harness import run
from harness.client import basic
from harness.pki import make_csr, make_key
from harness.postgres import Database

from .figures import books


def at_once(site, requests):
    """Each (name, key) by a client of its own, all over connections that are open; sent when all are. Outcomes"""
    outcomes, problems, barrier = [], [], threading.Barrier(len(requests))

    def enrol(name, key):
        try:
            csr = make_csr(key, "CN=" + name)
            with site.ra() as client:
                client.open()
                barrier.wait(60)
                outcome = Outcome(time.time(), 0, False, name=name)
                try:
                    answer = client.enroll(csr)
                    outcome.status, outcome.text = answer.status, answer.text
                    outcome.cert = answer.cert() if answer.status == 200 else None
                except BROKEN as error:
                    outcome.text = repr(error)
            outcome.ended = time.time()
            outcomes.append(outcome)
            if outcome.cert and not is_for(outcome.cert, key):
                problems.append(f"{name} was given the certificate of another key")
        except Exception as error:  # pylint: disable=broad-except
            barrier.abort()
            problems.append(repr(error))
    threads = [threading.Thread(target=enrol, args=request, daemon=True) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120 * run.SLOW)
    problems += ["a client does not end" for thread in threads if thread.is_alive()]
    return outcomes, problems


def crowd(world, rounds):
    """rounds: lists of requests, one after the other"""
    site = world.site(world.server(), children=2, threads=64)
    outcomes, problems = [], []
    for requests in rounds:
        more, wrong = at_once(site, requests)
        outcomes += more
        problems += wrong
    with contextlib.closing(Database(site.postgres, site.db.name)) as rows:
        figures = books(outcomes, rows, "f")
    figures.complaints += problems
    refused = [outcome.text or "no answer" for outcome in outcomes if outcome.status != 200]
    figures.must(not refused, f"{len(refused)} requests failed: {refused[:3]}")
    figures.must(figures.rows == figures.certificates, f"{figures.rows} rows, {figures.certificates} certificates handed out")
    site.httpd.stop()
    return figures, ()


def rounds_in(seconds):
    return max(1, int(seconds / 2))


def parallel_100(world, seconds):
    """100 clients at the same moment, each with a key and a name of its own: each gets its own certificate."""
    rounds = rounds_in(seconds)
    figures = crowd(world, [[(f"f-{turn}.{number}", make_key()) for number in range(100)] for turn in range(rounds)])
    figures[0].must(figures[0].certificates == 100 * rounds, "not every client has a certificate")
    figures[0].notes.append(f"{rounds} times 100 at once")
    return figures


def one_key_50(world, seconds):
    """50 clients at the same moment with the same key and name: one certificate, and all get it."""
    rounds = rounds_in(seconds)
    figures = crowd(world, [[(f"f-{turn}", key)] * 50 for turn, key in enumerate(make_key() for _ in range(rounds))])
    figures[0].must(figures[0].certificates == rounds, f"{figures[0].certificates} certificates for {rounds} keys")
    figures[0].notes.append(f"{rounds} times 50 at once")
    return figures


# --- connections that hold threads

@contextlib.contextmanager
def slow_connections(site, directory, count):
    """Gives a function that says, afterwards, how many got through to httpd at first, and how many of them it has ended."""
    trusted, output = os.path.join(directory, "root.pem"), os.path.join(directory, "output")
    os.mkdir(directory)
    with open(trusted, "wb") as file:
        file.write(site.pki.root.pem())
    said = []
    with open(output, "w+", encoding="ascii") as file:
        process = subprocess.Popen([sys.executable, slow.__file__, str(site.port), trusted, basic(site.user, site.PASSWORD), str(count),
                                    site.mount], stdout=file, stderr=file)

        def text():
            with open(output, encoding="ascii") as lines:
                return lines.read()
        try:
            run.wait_until(lambda: "open " in text() or process.poll() is not None, 60, "the slow connections")
            yield lambda: said
        finally:
            run.stop(process)
    said += [int(word) for word in text().split() if word.isdigit()]
    assert len(said) == 2, text()


def latency(outcomes):
    times = sorted(outcome.ended - outcome.began for outcome in outcomes if outcome.status == 200)
    if not times:
        return "none was served"
    return f"p50 {1000 * times[len(times) // 2]:.0f} ms, p99 {1000 * times[len(times) * 99 // 100]:.0f} ms"


def slow_of(children, threads, must_serve):
    if run.SLOW > 1:  # everything in proportion: under valgrind a machine has not that many threads in it
        children, threads = 2, children * threads // run.SLOW // 2

    def scenario(world, seconds, count=500 // run.SLOW):
        site = world.site(world.server(), children=children, threads=threads)
        with Load(site, threads=4, limit=20000, seconds=seconds, prefix="f") as before:
            run.wait_until(lambda: time.monotonic() > before.end or before.problems, seconds + 5)
        with slow_connections(site, world.path("slow"), count) as cut:
            with Load(site, threads=4, limit=20000, seconds=seconds, prefix="f-s") as during:
                run.wait_until(lambda: time.monotonic() > during.end or during.problems, seconds + 5)
        with contextlib.closing(Database(site.postgres, site.db.name)) as rows:
            figures = books(before.outcomes + during.outcomes, rows, "f")
        if must_serve:
            for load in (before, during):
                figures.must(load.tally().get(200) and not load.broken(), "not every request was served")
                load.check_answers()
        opened, ended = cut()
        figures.notes += [f"{children * threads} threads; {opened} slow connections, {ended} were ended by httpd and came again",
                          f"others without them {latency(before.outcomes)}, with them {latency(during.outcomes)}"]
        site.httpd.stop()
        return figures, ()
    return scenario


slow_500 = slow_of(10, 64, True)
slow_500.__doc__ = "500 connections that send an octet a second, in the header or in the body, while others enrol."
slow_500_few = slow_of(4, 64, False)
slow_500_few.__doc__ = "The same with fewer threads than that: what others have to wait."
