# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Limits of passwords (decision 16): what is hashed when, what guessing costs."""

import threading
import time

from harness.client import basic
from harness.httpd import PASSWORD_MISMATCH, USER_NOT_FOUND
from harness.pki import make_csr, make_key
from harness.run import SLOW, cpu_seconds, wait_until

SITE = {"threads": 4}

TOO_MANY = 10


def attempt(site, user, password):
    """(answer, seconds of httpd's processor time) of a request that costs little but its password"""
    label = getattr(site, "closed", None)
    if not label:
        label = site.closed = site.alias(auth_cacerts=True)
    processes = [site.httpd.pid, *site.httpd.children()]
    with site.client() as client:
        client.open()
        before = cpu_seconds(processes)
        answer = client.get("cacerts", label, headers={"Authorization": basic(user, password)})
        return answer, cpu_seconds(processes) - before


def test_AUTH_13_ten_failures_then_429_without_hashing(site, expect_log):
    expect_log(PASSWORD_MISMATCH)
    user = site.register(cost=10)
    costs, free = [], []
    for number in range(TOO_MANY):
        answer, seconds = attempt(site, user, f"guess {number}")
        assert answer.status == 401
        costs.append(seconds)
    for password in ("guess 99", site.PASSWORD, "guess 98"):
        answer, seconds = attempt(site, user, password)
        assert (answer.status, answer.reason) == (429, "too_many_failures")
        assert 1 <= int(answer.header("Retry-After")) <= 61
        free.append(seconds)
    assert min(free) < min(costs) / 2


def test_a_429_is_for_one_user_and_needs_no_database(site, expect_log):
    expect_log(PASSWORD_MISMATCH)
    guessed, other = site.register(), site.register()
    for number in range(TOO_MANY):
        attempt(site, guessed, f"guess {number}")
    assert attempt(site, guessed, site.PASSWORD)[0].status == 429
    assert attempt(site, other, site.PASSWORD)[0].status == 200
    with site.client() as client:
        assert client.get("cacerts").status == 200


def test_AUTH_13_unknown_user_and_wrong_password_get_the_same_answer(site, expect_log):
    expect_log(PASSWORD_MISMATCH, USER_NOT_FOUND)
    user, costs = site.register(cost=10), {}
    processes = [site.httpd.pid, *site.httpd.children()]
    for number in range(5):
        answers = []
        for name in (user, "nobody-of-that-name"):
            before = cpu_seconds(processes)
            answers.append(attempt(site, name, f"wrong {number}")[0])
            costs.setdefault(name, []).append(cpu_seconds(processes) - before)
        wrong, unknown = answers
        assert wrong.status == unknown.status == 401
        assert wrong.text.split("(")[0] == unknown.text.split("(")[0]
        assert {name for name, _ in wrong.headers.items()} == {name for name, _ in unknown.headers.items()}
    # Both hash once at cost 10, which is more than all the rest of a request
    known, nobody = (min(spent) for spent in costs.values())
    assert 0.02 < nobody and 0.75 < known / nobody < 1.33, costs


def test_a_wrong_pair_is_remembered(site, expect_log):
    expect_log(PASSWORD_MISMATCH)
    user = site.register(cost=12)
    first, first_time = attempt(site, user, "wrong")
    later = [attempt(site, user, "wrong") for _ in range(3)]
    assert {first.status, *[answer.status for answer, _ in later]} == {401}
    assert min(seconds for _, seconds in later) < first_time / 3


def test_a_good_password_is_hashed_once(site):
    user = site.register(cost=12)
    answer, first_time = attempt(site, user, site.PASSWORD)
    assert answer.status == 200
    later = []
    for _ in range(5):
        answer, seconds = attempt(site, user, site.PASSWORD)
        assert answer.status == 200
        later.append(seconds)
    assert first_time > 0.1
    assert min(later) < first_time / 5


def test_a_crowd_with_one_password_waits_for_one_verification(make_site):
    """More than the quarter of the threads that may verify: whoever came first does it for all"""
    site = make_site("crowd", threads=16)
    somebody, user = (site.register(cost=12) for _ in range(2))
    assert attempt(site, site.register(), site.PASSWORD)[0].status == 200
    processes = [site.httpd.pid, *site.httpd.children()]
    began = cpu_seconds(processes)
    assert attempt(site, somebody, site.PASSWORD)[0].status == 200
    one = cpu_seconds(processes) - began
    barrier, statuses = threading.Barrier(12), []

    def come():
        with site.client() as client:
            client.open()
            barrier.wait(20 * SLOW)
            statuses.append(client.get("cacerts", site.closed, headers={"Authorization": basic(user, site.PASSWORD)}).status)
    crowd = [threading.Thread(target=come) for _ in range(12)]
    began = cpu_seconds(processes)
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert statuses == [200] * 12
    assert one > 0.1 and cpu_seconds(processes) - began < 2 * one


def test_over_72_octets_is_refused_not_cut(site, expect_log):
    expect_log(PASSWORD_MISMATCH)
    user = site.register(password="x" * 72)
    assert attempt(site, user, "x" * 72)[0].status == 200
    assert attempt(site, user, "x" * 73)[0].status == 401
    assert attempt(site, user, "x" * 71)[0].status == 401


def test_passwords_of_unusual_characters(site):
    for password in (":", "a:b", " blank ", "Grüße", "'--", "%00", "\\"):
        user = site.register(password=password)
        assert attempt(site, user, password)[0].status == 200, password


def test_a_changed_password_is_effective_within_a_second(site, expect_log):
    expect_log(PASSWORD_MISMATCH)
    user = site.register()
    assert attempt(site, user, site.PASSWORD)[0].status == 200
    site.db.execute("SELECT set_client_password(%s, 'another')", user)
    start = time.monotonic()
    # By the old one: the new one would be a wrong one so far, and ten of those a minute are the limit
    wait_until(lambda: attempt(site, user, site.PASSWORD)[0].status == 401, 1, "the old password to be worth nothing")
    assert attempt(site, user, "another")[0].status == 200
    assert time.monotonic() - start < 5 * SLOW


def test_a_disabled_client_cannot_enrol_even_at_once(site, allow_log):
    """The version that record_issued compares makes it certain, whatever a notification does"""
    allow_log("AH01631")
    user = site.register(names="*")
    with site.client(user) as client:
        assert client.enroll(make_csr(make_key())).status == 200
        site.db.execute("UPDATE client SET enabled = false WHERE user_name = %s", user)
        assert client.enroll(make_csr(make_key())).status == 403


def test_a_changed_password_cannot_issue_even_at_once(site, allow_log):
    allow_log(PASSWORD_MISMATCH, USER_NOT_FOUND)
    user = site.register(names="*")
    with site.client(user) as client:
        assert client.enroll(make_csr(make_key())).status == 200
        site.db.execute("SELECT set_client_password(%s, 'another')", user)
        assert client.enroll(make_csr(make_key())).status == 401


def test_a_client_made_just_now_is_known(site, allow_log):
    allow_log(PASSWORD_MISMATCH, USER_NOT_FOUND)
    assert attempt(site, "newcomer", site.PASSWORD)[0].status == 401
    site.register("newcomer")
    assert attempt(site, "newcomer", site.PASSWORD)[0].status == 200


def test_OP_03_no_password_in_any_log(site, expect_log):
    expect_log(PASSWORD_MISMATCH)
    user = site.register(password="sekret-good")
    attempt(site, user, "sekret-good")
    attempt(site, user, "sekret-bad")
    assert not any("sekret" in line for line in site.log_lines() + site.postgres.log.since())


def test_failures_count_whatever_ErrorDocument_answers(make_site, expect_log):
    expect_log(PASSWORD_MISMATCH)
    site = make_site("errordoc", start=False, verify_client="on shared",
                     vhost='ErrorDocument 401 /401.txt\n    <Location "/401.txt">\n        Require all granted\n    </Location>')
    site.httpd.put("htdocs/401.txt", "a page")
    site.start()
    user = site.register()
    statuses = [attempt(site, user, f"wrong {i}")[0].status for i in range(11)]
    assert statuses == [401] * 10 + [429]


def test_AUTH_13_failures_are_counted_for_all_children(make_site, expect_log):
    """policy: ten a minute for an address and user, however many processes there are"""
    expect_log(PASSWORD_MISMATCH)
    site = make_site("counted", children=4, threads=2)
    user = site.register(cost=4)
    statuses = [attempt(site, user, f"wrong {i}")[0].status for i in range(20)]
    assert statuses == [401] * 10 + [429] * 10


def test_a_page_of_ErrorDocument_takes_no_challenge_away(make_site):
    """On a host that serves EST alone the page itself would be refused"""
    site = make_site("challenge", vhost="ErrorDocument 401 /401.html\n    ErrorDocument 403 /403.html")
    with site.client() as client:
        answer = client.enroll(make_csr(make_key()))
    assert (answer.status, answer.reason) == (401, "authentication_required")
    assert answer.header("WWW-Authenticate") == 'Basic realm="EST"'
