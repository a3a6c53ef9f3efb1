# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What is recorded of a refusal, and how many: ACC-15 to ACC-17, view denied_recently."""

import threading

import pytest

from harness import run
from harness.client import b64
from harness.pki import dns, make_csr, make_key, spki_of

COLUMNS = "operation, identity_kind, identity, host(network), subject, san, rule, reason, encode(spki_hash, 'hex')"


def refused(site, outcome="refused"):
    return site.db.value("SELECT count(*) FROM est.enrollment WHERE outcome = %s", outcome, user="postgres")


def last(site):
    return site.db.rows(f"SELECT {COLUMNS} FROM est.enrollment WHERE outcome = 'refused' ORDER BY at DESC LIMIT 1", user="postgres")[0]


def sha256(octets):
    import hashlib
    return hashlib.sha256(octets).hexdigest()


def test_a_refusal_by_policy_is_on_record(site):
    key, user = make_key(), site.register()
    with site.client(user) as client:
        answer = client.enroll(make_csr(key, "CN=not-mine", [dns("not-mine.example")]))
    assert answer.reason == "name_not_yours"
    row = last(site)
    assert row[:7] == ("simpleenroll", "user", user, "127.0.0.1", "CN=not-mine", ["dns:not-mine.example"], "own_names")
    assert row[7] in answer.text
    assert row[8] == sha256(spki_of(key))
    found = site.db.rows("SELECT alias, rule, reason FROM denied_recently WHERE identity = %s", user)
    assert found == [("est", "own_names", row[7])]


def test_the_row_has_the_id_of_the_answer(site):
    user = site.register()
    with site.client(user) as client:
        answer = client.enroll(make_csr(make_key(), "CN=whose"))
    number = site.db.value("SELECT replace(id::text, '-', '') FROM est.enrollment WHERE identity = %s", user, user="postgres")
    assert f"(request {number})" in answer.text


def test_a_refusal_by_the_database_is_on_record(site):
    key, before = make_key(), refused(site)
    site.db.execute("INSERT INTO est.blocked_key (kind, fingerprint, source) VALUES ('spki', decode(%s, 'hex'), 'a list')",
                    sha256(spki_of(key)), user="postgres")
    with site.ra() as client:
        assert client.enroll(make_csr(key, "CN=blocked")).reason == "key_blocked"
    assert refused(site) == before + 1
    assert last(site)[4:8] == ("CN=blocked", [], "key_blocked", "it is listed (a list)")


def test_a_refused_certificate_is_on_record_with_its_subject(site):
    holder = site.holder("CN=once-valid")
    site.revoke(holder.cert)
    with site.client(identity=holder) as client:
        assert client.reenroll(make_csr(make_key(), "CN=once-valid")).reason == "certificate_revoked"
    assert last(site)[:3] == ("simplereenroll", "certificate", "CN=once-valid")
    assert last(site)[6] == "certificate_revoked"


@pytest.mark.parametrize("what", ["no credentials", "wrong password", "no request", "broken signature", "unknown alias", "other method"])
def test_what_is_no_refusal_of_policy_is_no_row(site, what, allow_log):
    allow_log("EST1", "AH01617")
    before = refused(site)
    csr = make_csr(make_key(), "CN=nobody")
    with site.client(*(() if what == "no credentials" else (site.user, "wrong") if what == "wrong password" else (site.user,))) as client:
        if what == "no request":
            answer = client.post("simpleenroll", b64(b"\x30\x00"))
        elif what == "broken signature":
            answer = client.enroll(csr[:-1] + bytes([csr[-1] ^ 1]))
        elif what == "unknown alias":
            answer = client.enroll(csr, "nowhere")
        elif what == "other method":
            answer = client.get("simpleenroll")
        else:
            answer = client.enroll(csr)
    assert 400 <= answer.status < 500
    assert refused(site) == before


def test_an_answer_does_not_depend_on_its_row(site, expect_log):
    expect_log("is not on record: record_refused", "permission denied")
    site.db.execute("REVOKE EXECUTE ON FUNCTION est.record_refused FROM est_module", user="postgres")
    try:
        with site.client(site.register()) as client:
            answer = client.enroll(make_csr(make_key(), "CN=not-mine"))
    finally:
        site.db.execute("GRANT EXECUTE ON FUNCTION est.record_refused TO est_module", user="postgres")
    assert answer.status == 403 and answer.reason == "name_not_yours"


def test_what_was_left_out_is_on_record(site):
    site.sql("UPDATE certificate_profile SET subject_other = 'drop' WHERE name = 'device'")
    try:
        with site.ra() as client:
            client.enroll(make_csr(make_key(), "CN=trimmed,L=Paris")).cert()
    finally:
        site.sql("UPDATE certificate_profile SET subject_other = 'refuse' WHERE name = 'device'")
    assert site.db.value("SELECT n.dropped FROM est.enrollment n JOIN est.certificate c ON c.id = n.certificate_id"
                         " WHERE c.subject = 'CN=trimmed'", user="postgres") == "L=Paris"


# --- how many

def flood(site, users, requests):
    """requests refused requests of each user"""
    statuses = []

    def work(user):
        with site.client(user) as client:
            for number in range(requests):
                statuses.append(client.enroll(make_csr(KEY, f"CN=flood-{number}")).status)
    threads = [threading.Thread(target=work, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [403] * len(users) * requests


KEY = make_key()


def test_an_identity_has_ten_rows_a_minute(site):
    user = site.register()
    flood(site, [user], 25)
    assert site.db.value("SELECT count(*) FROM est.enrollment WHERE identity = %s", user, user="postgres") == 10


@pytest.fixture
def make_limited(make_site):
    def make(name, limit, **fields):
        site = make_site(name, start=False, **fields)
        site.config.server = f"EstRefusalLimit {limit}\nEstMaintenanceInterval 1"
        return site.start()
    return make


def test_rows_are_bounded_and_the_rest_is_one_row(make_limited):
    site = make_limited("bounded", 20, children=2)
    flood(site, [site.register()], 1)  # alone: processes that begin a window together may count a few rows less in it
    flood(site, [site.register() for _ in range(8)], 25)
    assert refused(site) == 20
    run.wait_until(lambda: refused(site, "suppressed"), 10, "the row of those that have none")
    count = site.db.value("SELECT suppressed FROM est.enrollment WHERE outcome = 'suppressed'", user="postgres")
    assert 1 <= count <= 181
    run.wait_until(lambda: any(f"{count} refusals were not recorded one by one" in line for line in site.log_lines()), 5, "its line")
    flood(site, [site.register() for _ in range(4)], 5)
    assert refused(site) == 20 and refused(site, "suppressed") == 1
    assert site.db.value("SELECT count(*) FROM denied_recently") == 21


def test_zero_records_their_number_alone(make_limited):
    site = make_limited("numbers", 0)
    flood(site, [site.register()], 3)
    run.wait_until(lambda: refused(site, "suppressed"), 10, "the row of those that have none")
    assert refused(site) == 0


def test_refusals_without_a_row_count_against_the_rate(site):
    """Ten of an identity are recorded in a minute: what is refused after that is in its rate all the same"""
    label, user = site.alias(rate_client=15, rate_interval="1 hour"), site.register()
    with site.client(user) as client:
        answers = [client.enroll(make_csr(make_key(), "CN=somebody else"), label) for _ in range(18)]
    assert [answer.reason for answer in answers] == ["name_not_yours"] * 15 + ["rate_exceeded"] * 3
    assert site.db.value("SELECT count(*) FROM est.enrollment WHERE identity = %s", user, user="postgres") == 10
