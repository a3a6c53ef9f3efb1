# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Policy changed by plain SQL: live in every child within a second, and never half."""

import os
import re
import time

import psycopg
import pytest
from cryptography import x509

from harness.lint import lint
from harness.pki import make_csr, make_key
from harness.postgres import TOP
from harness.run import SLOW, wait_until

SITE = {"children": 2, "threads": 8}


def profile_of(cert):
    """Profiles of this file are told apart by their organization units' absence and purposes"""
    usages = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return {"1.3.6.1.5.5.7.3.2": "device", "1.3.6.1.5.5.7.3.1": "xxxx"}[list(usages)[0].dotted_string]


@pytest.fixture(scope="module")
def site(make_site):
    site = make_site("live", **SITE)
    site.db.execute("INSERT INTO certificate_profile (name) VALUES ('xxxx')")
    profile = site.profile_id("xxxx")
    site.db.execute("INSERT INTO profile_subject_rule (profile_id, attribute) VALUES (%s, 'CN')", profile)
    site.db.execute("INSERT INTO profile_extension (profile_id, name, critical, value) VALUES (%s, 'keyUsage', true, 'digitalSignature'),"
                    " (%s, 'extendedKeyUsage', false, 'serverAuth')", profile, profile)
    return site


def in_each_child(site, work):
    """Calls work until both children have answered once; returns what it returned."""
    start, results = site.httpd.log.size(), []

    def pids():
        results.append(work())
        return {match.group(1) for line in site.log_lines(start) for match in re.finditer(r"\[pid (\d+):tid \d+\].*EST.* id=", line)}

    wait_until(lambda: len(pids()) >= 2, 20, "both children to answer")
    return results


def soon_in_each_child(site, work, expected):
    """What both children answer once they know of a change"""
    answers = []

    def ask():
        answers[:] = in_each_child(site, work)
        return all(answer.status == expected for answer in answers)

    wait_until(ask, 3, f"{expected} from both children")
    return answers


def enroll(site, label=None):
    with site.ra() as client:
        return client.enroll(make_csr(make_key()), label)


@pytest.fixture
def put_back(site):
    yield
    site.db.execute("UPDATE api_properties SET prop_value = 'device', prop_status = 1 WHERE prop_key = 'est.ca.server.user.profile'")
    site.db.execute("UPDATE api_properties SET prop_value = '1', prop_status = 1 WHERE prop_key = 'est.ca.server.group.id'")
    # What an old policy refuses is refused until the notification has arrived: only certificates need the newest
    wait_until(lambda: {answer.status for answer in in_each_child(site, lambda: enroll(site))} == {200}, 2, "the old policy")


def test_the_published_script_changes_the_next_certificate_of_every_child(site, put_back):
    """docs/sql.md, api_properties, word for word; no waiting between the script and the requests"""
    assert {profile_of(answer.cert()) for answer in in_each_child(site, lambda: enroll(site))} == {"device"}
    with open(os.path.join(TOP, "tests", "sql", "api_properties_script.sql"), encoding="utf-8") as file:
        script = file.read()
    assert "SET prop_value = 'xxxx', prop_status = 1 WHERE prop_key = 'est.ca.server.user.profile';" in script
    assert "SET prop_value = '1',    prop_status = 1 WHERE prop_key = 'est.ca.server.group.id';" in script
    site.db.execute(script)
    start = time.monotonic()
    answers = in_each_child(site, lambda: enroll(site))
    assert {profile_of(answer.cert()) for answer in answers} == {"xxxx"}
    lint(answers[0].cert(), site.pki.issuing.cert)
    assert time.monotonic() - start < 20 * SLOW


def test_by_id_too(site, put_back):
    site.db.execute("UPDATE api_properties SET prop_value = %s, prop_status = 1 WHERE prop_key = 'est.ca.server.user.profile'",
                    str(site.profile_id("xxxx")))
    assert profile_of(enroll(site).cert()) == "xxxx"


@pytest.mark.parametrize("key", ["est.ca.server.user.profile", "est.ca.server.group.id"])
def test_status_0_stops_enrolment(site, put_back, key):
    site.db.execute("UPDATE api_properties SET prop_status = 0 WHERE prop_key = %s", key)
    for answer in in_each_child(site, lambda: enroll(site)):
        assert (answer.status, answer.reason) == (403, "alias_inactive")


def test_a_setting_of_any_alias_changes_within_a_second(site):
    label = "a-live"
    site.db.execute("INSERT INTO alias (name, ca, profile_id) VALUES (%s, 'issuing', %s)", label, site.profile_id("device"))

    def status():
        with site.client() as client:
            return client.get("cacerts", label).status

    wait_until(lambda: status() == 200, 1, "the new alias")
    site.db.execute("UPDATE api_properties SET prop_value = 'on' WHERE prop_key = 'est.a-live.auth_cacerts'")
    wait_until(lambda: status() == 401, 1, "the change")
    wait_until(lambda: set(in_each_child(site, status)) == {401}, 1, "the change in each child")
    site.db.execute("UPDATE api_properties SET prop_status = 0 WHERE prop_key = 'est.a-live.auth_cacerts'")
    wait_until(lambda: status() == 200, 1, "the default")
    site.db.execute("DELETE FROM alias WHERE name = %s", label)
    wait_until(lambda: status() == 400, 1, "the alias to go")


def test_every_change_is_in_force_for_the_very_next_certificate(site):
    """record_issued compares the policy's version: no interval, however small"""
    with site.ra() as client:
        for number in range(20):
            site.db.execute("UPDATE certificate_profile SET validity = make_interval(days => %s) WHERE name = 'device'", 30 + number)
            cert = client.enroll(make_csr(make_key())).cert()
            assert (cert.not_valid_after - cert.not_valid_before).days == 30 + number


def test_a_broken_alias_answers_503_for_itself_alone(site, expect_log):
    """A row that the triggers would have refused, written by a superuser behind their back"""
    expect_log("EST1095")
    site.db.execute("INSERT INTO certificate_profile (name) VALUES ('broken')")
    profile = site.profile_id("broken")
    site.db.execute("INSERT INTO profile_subject_rule (profile_id, attribute) VALUES (%s, 'CN')", profile)
    site.db.execute("INSERT INTO alias (name, ca, profile_id) VALUES ('breaks', 'issuing', %s)", profile)
    check = site.db.value("SELECT conname FROM pg_constraint WHERE conrelid = 'est.profile_extension'::regclass AND contype = 'c'"
                          " AND pg_get_constraintdef(oid) LIKE '%%check_extension(%%'", user="postgres")
    site.db.execute(f"ALTER TABLE est.profile_extension DROP CONSTRAINT {check}", user="postgres")
    site.db.execute("INSERT INTO profile_extension (profile_id, name, critical, value) VALUES (%s, 'keyUsage', true, 'no such usage')",
                    profile, user="postgres")
    for answer in soon_in_each_child(site, lambda: enroll(site, "breaks"), 503):
        assert answer.status == 503
        assert answer.reason == "alias_broken"
        assert int(answer.header("Retry-After")) > 0
        assert "no such usage" not in answer.text
    assert enroll(site).status == 200
    site.db.execute("UPDATE profile_extension SET value = 'digitalSignature' WHERE profile_id = %s", profile)
    wait_until(lambda: enroll(site, "breaks").status == 200, 1, "the repaired alias")


def test_an_alias_whose_ca_is_not_configured_answers_503_for_itself_alone(site, expect_log):
    expect_log("EST1095")
    site.db.execute("INSERT INTO alias (name, ca, profile_id) VALUES ('no-ca', 'nowhere', %s)", site.profile_id("device"))
    for answer in soon_in_each_child(site, lambda: enroll(site, "no-ca"), 503):
        assert (answer.status, answer.reason) == (503, "alias_broken")
    assert enroll(site).status == 200


def test_a_wrong_value_is_refused_when_written(site, expect_log):

    expect_log("ERROR:  api_properties est.ca.server.user.profile: prop_value = 'nosuch'")
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        site.db.execute("UPDATE api_properties SET prop_value = 'nosuch' WHERE prop_key = 'est.ca.server.user.profile'")
    assert "nosuch" in str(caught.value)
    assert profile_of(enroll(site).cert()) == "device"
