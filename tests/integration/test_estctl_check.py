# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""estctl check: what it finds in a database"""

import datetime
import json

import pytest
from harness.estctl import Estctl, order
from harness.pki import CertificateAuthority


@pytest.fixture(scope="module")
def site(make_site):
    site = make_site("estctlchk", start=False)
    site.db.execute("DELETE FROM alias WHERE name <> 'est'")
    return site


@pytest.fixture(scope="module")
def estctl(site):
    return Estctl(site)


def findings(estctl, status=0, *arguments):
    got, out, error = estctl.run("check", "--json", *arguments)
    assert got == status, (out, error)
    return {(row["severity"], row["check"], row["object"], row["finding"]) for row in json.loads(out)}


@pytest.fixture
def found(site, estctl):
    """What a statement makes check find that it has not found before; undone at the end"""
    undo = []

    def run(statement, *params, back=None, status=0, user="admin"):
        before = findings(estctl)
        site.db.execute(statement, *params, user=user)
        undo.append((back, user))
        return findings(estctl, status) - before

    yield run
    for back, user in reversed(undo):
        site.db.execute(back, user=user)


def test_a_site_that_is_well(estctl):
    assert findings(estctl) == set()
    assert estctl("check") == "0 errors, 0 warnings, 0 notices\n"
    assert estctl("check", "--quiet") == ""


def test_a_new_database(postgres):
    class New:
        db = postgres.clone("estctl_new")
    text = Estctl(New)("check")
    assert "has no profile: nothing is issued there" in text and "has no CA: nothing is issued there" in text
    New.db.close()


# name: (statement, its undoing, (severity, check, object), words of the finding)
FINDINGS = {
    "no_profile": ("INSERT INTO alias (name, ca) VALUES ('a', 'x')", "DELETE FROM alias WHERE name = 'a'",
                   ("warning", "alias", "a"), "has no profile"),
    "profile_off": ("UPDATE alias SET profile_active = false", "UPDATE alias SET profile_active = true",
                    ("warning", "alias", "est"), "its profile is not active"),
    "group_off": ("UPDATE alias SET group_active = false", "UPDATE alias SET group_active = true",
                  ("warning", "alias", "est"), "its group is not active"),
    "vendor": ("UPDATE alias SET vendor = 'pattern'", "UPDATE alias SET vendor = 'off'",
               ("warning", "alias", "est"), "has no anchor of kind vendor"),
    "client_mode": ("UPDATE alias SET mode = 'client'", "UPDATE alias SET mode = 'ra'",
                    ("warning", "alias", "est"), 'no entity is registered in group "default"'),
    "approvals": ("UPDATE alias SET approval = 'all', approvals = 9", "UPDATE alias SET approval = 'none', approvals = 1",
                  ("warning", "alias", "est"), "wants more approvals (9)"),
    "unused_profile": ("INSERT INTO certificate_profile (name, subject_other) VALUES ('spare', 'drop')",
                       "DELETE FROM certificate_profile WHERE name = 'spare'", ("notice", "profile", "spare"), "is used by no alias"),
    "latest_end": ("UPDATE certificate_profile SET latest_end = '2001-01-01'", "UPDATE certificate_profile SET latest_end = NULL",
                   ("warning", "profile", "device"), "latest_end was 2001-01-01"),
    "unused_group": ("INSERT INTO entity_group (name) VALUES ('spare')", "DELETE FROM entity_group WHERE name = 'spare'",
                     ("notice", "group", "spare"), "is used by no alias"),
    "group_without_clients": ("UPDATE client SET enabled = false", "UPDATE client SET enabled = true",
                              ("warning", "group", "default"), "no client of it can log in, and alias est wants a password"),
    "client_without_group": ("DELETE FROM client_group", "INSERT INTO client_group SELECT id, 1 FROM client",
                             ("warning", "client", "ra"), "is in no group"),
    "client_without_password": ("INSERT INTO client (user_name) VALUES ('ldap')", "DELETE FROM client WHERE user_name = 'ldap'",
                                ("warning", "client", "ldap"), "has neither password nor certificate"),
    "client_over": ("SELECT register_client('over', valid_until => '2001-01-01')", "DELETE FROM client WHERE user_name = 'over'",
                    ("warning", "client", "over"), "ended at 2001-01-01"),
    "ra_without_anchor": ("INSERT INTO client (user_name, cert_subject) VALUES ('ra2', 'CN=ra2')", "DELETE FROM client WHERE user_name = 'ra2'",
                          ("warning", "client", "ra2"), "no alias of its groups has an anchor of kind ra"),
}


@pytest.mark.parametrize("row", FINDINGS)
def test_findings(found, row):
    statement, back, where, words = FINDINGS[row]
    got = found(statement, back=back)
    assert [entry for entry in got if entry[:3] == where and words in entry[3]], got


# Of alias odd with profile odd, which has CN: name: (statements, severity, check, words; no severity: nothing is found)
SUBJECT = "INSERT INTO profile_subject_rule (profile_id, attribute, required, pattern, on_violation) SELECT id, {} FROM certificate_profile WHERE name = 'odd'"
SAN = "INSERT INTO profile_san_rule (profile_id, type, source, required, pattern) SELECT id, {} FROM certificate_profile WHERE name = 'odd'"
EXTENSION = "INSERT INTO profile_extension (profile_id, name, critical, value) SELECT id, {} FROM certificate_profile WHERE name = 'odd'"
ALIAS, PROFILE = "UPDATE alias SET {} WHERE name = 'odd'", "UPDATE certificate_profile SET {} WHERE name = 'odd'"
PLANT = "WITH g AS (INSERT INTO entity_group (name, names) VALUES ('odd', '{{{}}}') RETURNING id), c AS (INSERT INTO client_group (client_id, group_id) " \
        "SELECT c.id, g.id FROM client c, g WHERE c.user_name = 'ra') UPDATE alias SET group_id = g.id FROM g WHERE alias.name = 'odd'"
CN = "UPDATE profile_subject_rule SET {} WHERE profile_id = (SELECT id FROM certificate_profile WHERE name = 'odd')"
POLICY = {
    "well": ([PROFILE.format("subject_template = 'CN=${csr.CN},O=Example'"), SUBJECT.format("'O', true, 'Ex*', 'refuse'")], None, None, None),
    "template_without_rule": ([PROFILE.format("subject_template = 'CN=${csr.CN},O=Example'")],
                              "error", "profile", "gives O, for which there is no rule: every simpleenroll is refused"),
    "template_maybe_without_rule": ([PROFILE.format("subject_template = 'CN=${csr.CN},O=${csr.O}'")], "warning", "profile", "made from is refused"),
    "template_without_rule_dropped": ([PROFILE.format("subject_template = 'CN=${csr.CN},O=Example', subject_other = 'drop'")],
                                      "warning", "profile", "it is left out"),
    "template_against_pattern": ([PROFILE.format("subject_template = 'CN=${csr.CN},O=Example'"), SUBJECT.format("'O', false, 'Acme*', 'refuse'")],
                                 "error", "profile", '"Example" does not match the pattern "Acme*"'),
    "required_not_in_template": ([PROFILE.format("subject_template = 'CN=${csr.CN}'"), SUBJECT.format("'O', true, '**', 'refuse'")],
                                 "error", "profile", "requires O, which subject_template does not give"),
    "key_usage": ([EXTENSION.format("'keyUsage', true, 'keyEncipherment'"), PROFILE.format("keys = '{ed25519}'")],
                  "error", "profile", "has a keyUsage that no key type"),
    "key_usage_of_some": ([EXTENSION.format("'keyUsage', true, 'keyEncipherment'"), PROFILE.format("keys = '{ed25519,rsa:2048}'")],
                          "warning", "profile", "some of the key types"),
    "shadowed": ([SAN.format("'dns', 'csr', false, '**'"), SAN.format("'dns', 'csr', false, '*.example'")], "notice", "profile", "has no room for"),
    "shadowed_and_required": ([SAN.format("'dns', 'csr', false, '**'"), SAN.format("'dns', 'csr', true, '*.example'")],
                              "warning", "profile", "and is required"),
    "group_never": ([PLANT.format("plant-*"), CN.format("pattern = 'office-*'")], "warning", "alias", 'rule for CN "office-*"'),
    "group_never_required": ([PLANT.format("plant-*"), CN.format("pattern = 'office-*', required = true")],
                             "error", "alias", "it is required, so every request is refused"),
    "group_maybe": ([PLANT.format("*-?17,**.Plant.example"), CN.format("pattern = 'office-*', required = true"),
                     SAN.format("'dns', 'csr', true, '*.plant.example'")], None, None, None),
    "group_never_san": ([PLANT.format("plant-*"), SAN.format("'dns', 'csr', true, '*.office.example'")], "error", "alias", 'rule for dns "*.office.example"'),
    "group_and_template": ([PLANT.format("plant-*"), PROFILE.format("subject_template = 'CN=office'")],
                           "warning", "alias", "gives CN=office, which group"),
    "san_of_entities": ([SAN.format("'dns', 'entity', false, '**'")], "warning", "alias", "of which mode ra knows none"),
    "renew_window": ([ALIAS.format("renew_window = '100 days'")], "warning", "alias", "renew_window is longer than the validity"),
    "revoke_replaced": ([ALIAS.format("renew_expired = '30 days', revoke_replaced = '1 day'")], "warning", "alias", "revoke_replaced (1 day) comes before"),
    "code_source": ([ALIAS.format("code_source = 'otp-challenge'")], "warning", "alias", "counts in mode client alone"),
}


@pytest.mark.parametrize("row", POLICY)
def test_findings_in_the_policy(site, estctl, row):
    statements, severity, check, words = POLICY[row]
    site.db.execute("WITH p AS (INSERT INTO certificate_profile (name, validity) VALUES ('odd', '90 days') RETURNING id), "
                    "r AS (INSERT INTO profile_subject_rule (profile_id, attribute) SELECT id, 'CN' FROM p) "
                    "INSERT INTO alias (name, ca, profile_id) SELECT 'odd', 'issuing', id FROM p")
    try:
        assert findings(estctl) == set()
        for statement in statements:
            site.db.execute(statement)
        got = findings(estctl, int(severity == "error"))
        if severity is None:
            assert got == set()
        else:
            assert [entry for entry in got if entry[:3] == (severity, check, "odd") and words in entry[3]], got
            assert severity == "error" or not [entry for entry in got if entry[0] == "error"]
    finally:
        site.db.execute("DELETE FROM alias WHERE name = 'odd'")
        site.db.execute("DELETE FROM certificate_profile WHERE name = 'odd'")
        site.db.execute("DELETE FROM client_group WHERE group_id = (SELECT id FROM entity_group WHERE name = 'odd')")
        site.db.execute("DELETE FROM entity_group WHERE name = 'odd'")


def test_an_anchor_of_registration_authorities_that_knows_none(site, found, pki):
    got = found("INSERT INTO trust_anchor (alias_id, kind, certificate) SELECT id, 'ra', %s FROM alias WHERE name = 'est'", der_of(pki),
                back="DELETE FROM trust_anchor")
    assert {entry[:3] for entry in got} == {("warning", "alias", "est")} and "known by a certificate" in got.pop()[3]


def test_names_of_cas(estctl):
    assert findings(estctl, 0, "--cas", "other,issuing") == set()
    ((severity, check, what, finding),) = findings(estctl, 1, "--cas", "other")
    assert (severity, check, what) == ("error", "alias", "est") and 'names CA "issuing", for which httpd has no <EstCA>' in finding


def test_codes(site, estctl):
    site.db.execute("INSERT INTO entity_group (name) VALUES ('g')")
    site.db.execute("INSERT INTO alias (name, mode, ca, profile_id, group_id) SELECT 'coded', 'client', ca, profile_id, "
                    "(SELECT id FROM entity_group WHERE name = 'g') FROM alias WHERE name = 'est'")
    site.db.execute("SELECT register_entity('late', 'g', alias => 'coded')")
    assert findings(estctl) == set()
    site.db.execute("UPDATE enrollment_code SET expires_at = '2001-01-01'", user="postgres")
    ((severity, check, what, finding),) = findings(estctl)
    assert (severity, check, what) == ("notice", "code", "late at coded") and finding.startswith("expired at 2001-01-01") and "1 use(s) left" in finding
    site.db.execute("UPDATE alias SET mode = 'ra' WHERE name = 'coded'")
    assert any("the alias's mode is ra" in entry[3] for entry in findings(estctl))
    site.db.execute("DELETE FROM alias WHERE name = 'coded'")
    site.db.execute("UPDATE est.end_entity SET group_id = 1", user="postgres")
    site.db.execute("DELETE FROM entity_group WHERE name = 'g'")
    assert findings(estctl) == set()


def test_orders(site, estctl):
    site.db.execute("UPDATE alias SET approval = 'all'")
    wanted = order(site, "est", "waits")
    ((severity, check, what, finding),) = findings(estctl)
    assert (severity, check, what) == ("notice", "order", "est") and finding.startswith("1 order(s) wait for approval")
    estctl("deny", wanted, "--reason", "over")
    site.db.execute("UPDATE alias SET approval = 'none'")
    assert findings(estctl) == set()


def der_of(pki, ca=True, **dates):
    return CertificateAuthority("CN=Anchor", pki.root, ca=ca, **dates).der()


@pytest.mark.parametrize("row", ["ended", "soon", "early", "no_ca", "broken", "good"])
def test_anchors(site, estctl, found, pki, row):
    now = datetime.datetime.utcnow().replace(microsecond=0)
    day = datetime.timedelta(days=1)
    certificate, wanted, words = {
        "ended": (der_of(pki, not_before=now - 9 * day, not_after=now - day), "warning", "ended at "),
        "soon": (der_of(pki, not_after=now + 9 * day), "notice", "ends soon, at "),
        "early": (der_of(pki, not_before=now + day, not_after=now + 90 * day), "warning", "is not valid before "),
        "no_ca": (der_of(pki, ca=False, not_after=now + 90 * day), "warning", "is not the certificate of a CA"),
        "broken": (b"\x30\x03\x02\x01\x00", "error", "is no certificate"),
        "good": (der_of(pki, not_after=now + 90 * day), None, None),
    }[row]
    got = found("INSERT INTO trust_anchor (alias_id, certificate) SELECT id, %s FROM alias WHERE name = 'est'", certificate,
                back="DELETE FROM trust_anchor", status=int(row == "broken"))
    if row == "broken":
        assert ("error", "alias", "est", 'is broken and answers 503: a trust anchor of alias "est" is not a certificate') in got
        got = {entry for entry in got if entry[1] == "anchor"}
    if wanted is None:
        assert not got
    else:
        ((severity, check, what, finding),) = got
        assert (severity, check) == (wanted, "anchor") and "holder of alias est" in what and words in finding


def test_rights_of_httpd(site, found):
    got = found("GRANT UPDATE ON est.alias TO est_module", back="REVOKE UPDATE ON est.alias FROM est_module", status=1, user="postgres")
    assert got == {("error", "rights", "est_module", "may change alias: httpd must not be able to; REVOKE it")}


@pytest.mark.parametrize("what", ["TABLE est.alias", "FUNCTION est.maintain()"])
def test_rights_that_are_missing(site, found, what):
    right = "SELECT" if what.startswith("TABLE") else "EXECUTE"
    got = found(f"REVOKE {right} ON {what} FROM est_module", back=f"GRANT {right} ON {what} TO est_module", status=1, user="postgres")
    ((severity, check, _, finding),) = got
    assert (severity, check) == ("error", "rights") and "grants are missing" in finding


def test_a_role_of_both_kinds(site, found):
    site.db.execute("CREATE ROLE both_kinds LOGIN IN ROLE est_admin", user="postgres")
    got = found("GRANT est_module TO both_kinds", back="DROP ROLE both_kinds", user="postgres")
    assert {entry[:3] for entry in got} == {("warning", "rights", "both_kinds")}


@pytest.mark.parametrize("version", [2, 99])
def test_a_schema_of_another_version(site, estctl, found, version):
    latest = site.db.value("SELECT max(version) FROM schema_version")
    got = found("UPDATE est.schema_version SET version = %s WHERE version = (SELECT max(version) FROM est.schema_version)" if version == 99 else
                "UPDATE est.schema_version SET version = version - 10 * (version > %s)::int", version, status=1, user="postgres",
                back=f"UPDATE est.schema_version SET version = CASE WHEN version = 99 THEN {latest} ELSE version + 10 END "
                     f"WHERE version = 99 OR version < 0")
    ((severity, check, what, finding),) = got
    assert (severity, check, what) == ("error", "schema", "est.schema_version") and f"has version {version}, estctl knows {latest}" in finding


def test_output_for_people(estctl, found):
    found("INSERT INTO alias (name, ca) VALUES ('bare', 'x')", back="DELETE FROM alias WHERE name = 'bare'")
    lines = estctl("check").splitlines()
    assert lines[0].split() == ["severity", "check", "object", "finding"] and lines[1].split()[:3] == ["warning", "alias", "bare"]
    assert lines[2:] == ["", "0 errors, 1 warnings, 0 notices"]
