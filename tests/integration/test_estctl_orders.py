# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""estctl pending, approve and deny, and search for what became of orders"""

import pytest
from cryptography import x509

from harness.estctl import Estctl, order


@pytest.fixture(scope="module")
def site(make_site):
    site = make_site("estctlord", start=False)
    site.alias("slow", approval="all")
    site.alias("two", approval="all", approvals=2)
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
