# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""estctl pending, approve and deny, forwarded and give-up, and search for what became of orders"""

import pytest
from cryptography import x509

from harness.estctl import Estctl, order


@pytest.fixture(scope="module")
def site(make_site):
    site = make_site("estctlord", start=False)
    site.alias("slow", approval="all")
    site.alias("two", approval="all", approvals=2)
    site.alias("far")
    site.db.execute("DO $$ BEGIN CREATE ROLE bob LOGIN IN ROLE est_admin; EXCEPTION WHEN duplicate_object THEN NULL; END $$", user="postgres")
    return site


@pytest.fixture(scope="module")
def estctl(site):
    return Estctl(site)


@pytest.fixture(scope="module")
def bob(site):
    return Estctl(site, "bob")


def waiting(estctl, *arguments):
    return [row["id"] for row in estctl.json("pending", *arguments)]


def test_pending(site, estctl):
    assert estctl("pending") == "" and estctl.json("pending") == []
    first, second = order(site, "slow", "dev1", san=[x509.DNSName("dev1.example")]), order(site, "two", "dev2")
    assert waiting(estctl) == [first, second]
    assert waiting(estctl, "--alias", "two") == [second]
    row = estctl.json("pending")[0]
    assert (row["alias"], row["operation"], row["identity"], row["subject"], row["san"], row["approvals"], row["network"]) == \
        ("slow", "simpleenroll", "ra", "CN=dev1", ["dns:dev1.example"], "0 of 1", "192.0.2.1")
    heading, line, _ = estctl("pending").splitlines()
    assert heading.split()[:3] == ["id", "age", "alias"] and first in line and "dns:dev1.example" in line
    assert estctl.refused("pending", "--alias", "nonesuch") == 'there is no alias "nonesuch"'
    for entry in (first, second):
        estctl("deny", entry, "--reason", "end of the test")


def test_approve(site, estctl, allow_log):
    wanted = order(site, "slow", "dev3")
    line = estctl("approve", wanted[:8], "--note", "seen it")
    assert line.startswith(f"approved order {wanted}") and "CN=dev3" in line
    assert site.db.rows("SELECT approver, note FROM est.approval WHERE enrollment_id = %s", wanted) == [("admin", "seen it")]
    assert waiting(estctl) == []
    allow_log("was approved by admin", "there is no order", "id = ")
    assert f"order {wanted} was approved by admin at " in estctl.refused("approve", wanted)
    assert estctl.refused("approve", "00000000-0000-0000-0000-000000000000") == "there is no order '00000000-0000-0000-0000-000000000000'"
    assert "id = 'abc' refused; allowed: the id of an order" in estctl.refused("approve", "abc")


def test_four_eyes(site, estctl, bob, allow_log):
    wanted = order(site, "two", "dev4")
    assert estctl.json("approve", wanted)["result"].startswith("1 of 2 approvals for order")
    assert estctl.json("pending")[0]["approvals"] == "1 of 2"
    allow_log("has approved order")
    assert estctl.refused("approve", wanted) == f"admin has approved order {wanted} already (Another person must approve it too.)"
    assert bob("approve", wanted).startswith("approved order")
    assert waiting(estctl) == []


def test_deny(site, estctl, allow_log):
    wanted = order(site, "slow", "dev5")
    assert "--reason is missing" in estctl.refused("deny", wanted, status=2)
    allow_log("reason = ", "was denied by admin")
    assert "reason = " in estctl.refused("deny", wanted, "--reason", "x" * 301)
    assert waiting(estctl) == [wanted]
    assert estctl("deny", wanted, "--reason", "not one of ours").startswith(f"denied order {wanted}")
    assert "was denied by admin" in estctl.refused("deny", wanted, "--reason", "again")


def test_search_finds_orders(site, estctl):
    wanted = order(site, "slow", "dev6", san=[x509.DNSName("dev6.example")])
    (row,) = estctl.json("search", "dev6.example")
    assert (row["id"], row["outcome"], row["serial"], row["status"], row["alias"]) == (wanted, "pending", None, None, "slow")
    estctl("deny", wanted, "--reason", "no")
    (row,) = estctl.json("search", "--subject", "CN=dev6", "--outcome", "denied")
    assert (row["reason"], row["decided_by"], row["rule"]) == ("no", "admin", "approval_denied")
    assert estctl("search", "dev6", "--pem") == ""


def said(site, number, kind, upstream, rule=None, reason=None):
    """What became of the first attempt, as the module says it"""
    assert site.db.value("SELECT est.order_forwarded(%s, 1, %s, %s, NULL, 40, %s, %s, NULL)", number, kind, upstream, rule, reason, user="postgres")


def test_forwarded(site, estctl):
    assert estctl("forwarded") == "" and estctl.json("forwarded") == []
    busy, waits = order(site, "far", "far1", lease=60), order(site, "far", "far2", lease=60)
    said(site, waits, "waits", "https://ca.example/est")
    rows = estctl.json("forwarded", "--alias", "far")
    assert [(row["id"], row["subject"], row["ca"], row["upstream"], row["attempt"], row["busy"]) for row in rows] == [
        (busy, "CN=far1", "issuing", None, 1, True), (waits, "CN=far2", "issuing", "https://ca.example/est", 1, False)]
    assert rows[0]["ask_at"] is None and rows[1]["ask_at"] > rows[1]["at"]
    assert estctl.json("forwarded", "--alias", "slow") == [] and estctl.json("pending") == []
    assert "https://ca.example/est" in estctl("forwarded").splitlines()[2]
    assert estctl.refused("forwarded", "--alias", "nonesuch") == 'there is no alias "nonesuch"'
    found = [row["finding"] for row in estctl.json("check") if row["check"] == "order"]
    assert len(found) == 1 and found[0].startswith("1 order(s) wait for CA issuing, the oldest since ")
    for number in (busy, waits):
        estctl("give-up", number)
    assert estctl.json("forwarded") == []


def test_give_up(site, estctl, allow_log):
    wanted = order(site, "far", "far3", lease=60)
    allow_log("is forwarded to CA", "and not forwarded")
    assert f"order {wanted} is forwarded to CA 'issuing'" in estctl.refused("approve", wanted)
    assert estctl("give-up", wanted[:13], "--reason", "lost there").startswith(f"given up order {wanted}")
    assert f"order {wanted} is failed, and not forwarded" in estctl.refused("give-up", wanted)
    (row,) = estctl.json("search", "--subject", "CN=far3", "--outcome", "failed")
    assert (row["id"], row["rule"], row["reason"], row["decided_by"], row["ca"], row["upstream"]) == (wanted, "given_up", "lost there", "admin", "issuing", None)


def test_search_finds_what_the_ca_refused(site, estctl):
    wanted = order(site, "far", "far4", lease=60)
    (row,) = estctl.json("search", "--outcome", "forwarded")
    assert row["id"] == wanted
    said(site, wanted, "failed", "https://ca.example/est", "ca_refused", "unknown device")
    (row,) = estctl.json("search", "CN=far4")
    assert (row["outcome"], row["rule"], row["reason"], row["upstream"]) == ("failed", "ca_refused", "unknown device", "https://ca.example/est")
