# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""estctl import-ejbca: aliases out of EJBCA's properties"""

import pytest

from harness.estctl import Estctl

KEYS = ["operationmode", "defaultca", "certprofile", "eeprofile", "requirecert", "requsername", "reqpassword", "allowupdatewithsamekey",
        "ra.namegenerationscheme", "ra.namegenerationparameters", "ra.namegenerationprefix", "ra.namegenerationpostfix",
        "vendorcertificatemode", "vendorcaids", "authenticationmodule", "extractusernamecomponent", "extractdnpartpwdcomponent",
        "allowchangesubjectname", "supportproxyca", "severkeygenenabled"]

# As the export of version 6 has them
RA = {"operationmode": "ra", "defaultca": "1652389506", "certprofile": "7", "eeprofile": "8", "requirecert": "true", "requsername": "factory",
      "reqpassword": "foo123geheim", "allowupdatewithsamekey": "false", "ra.namegenerationscheme": "DN",
      "ra.namegenerationparameters": "UID;SN;CN", "ra.namegenerationprefix": "p-", "ra.namegenerationpostfix": "-${RANDOM}",
      "vendorcertificatemode": "false", "vendorcaids": "", "authenticationmodule": "", "extractusernamecomponent": "DN",
      "extractdnpartpwdcomponent": "DN", "allowchangesubjectname": "true", "supportproxyca": "true", "severkeygenenabled": "true"}
CLIENT = {**RA, "operationmode": "client", "requsername": "", "reqpassword": "", "authenticationmodule": "DnPartPwd",
          "extractusernamecomponent": "SN", "extractdnpartpwdcomponent": "OU", "supportproxyca": "false", "severkeygenenabled": "false"}
MAPS = ["--ca-map", "1652389506=issuing", "--profile-map", "7=device", "--group-map", "8=plant"]
SETTINGS = ("mode", "ca", "auth_enroll", "same_key", "name_scheme", "name_prefix", "name_postfix", "vendor", "code_source", "entity_from",
            "change_subject")


@pytest.fixture(scope="module")
def site(make_site):
    site = make_site("estctlejb", start=False)
    site.db.execute("INSERT INTO entity_group (name) VALUES ('plant')")
    return site


@pytest.fixture(scope="module")
def estctl(site):
    return Estctl(site)


@pytest.fixture(autouse=True)
def no_aliases(site):
    yield
    site.db.execute("DELETE FROM alias WHERE name <> 'est'")
    site.db.execute("DELETE FROM client WHERE user_name = 'factory'")


def properties(prefix, keys):
    return "# made by a test\n" + "".join(f"{prefix}.{key} = {value}\n" for key, value in keys.items())


def settings(site, name):
    (row,) = site.db.rows(f"SELECT {', '.join('a.' + column for column in SETTINGS)}, p.name, g.name FROM alias a "
                          "LEFT JOIN certificate_profile p ON p.id = a.profile_id JOIN entity_group g ON g.id = a.group_id WHERE a.name = %s", name)
    return dict(zip((*SETTINGS, "profile", "group"), row))


def by_key(answer):
    return {row["key"]: row for row in answer["keys"]}


def test_an_alias_of_mode_ra(site, estctl):
    answer = estctl.json("import-ejbca", "-", *MAPS, "--register-clients", stdin=properties("est.factory", RA))
    assert answer["aliases"] == [{"alias": "factory", "result": "created"}] and answer["dry_run"] is False
    assert settings(site, "factory") == {
        "mode": "ra", "ca": "issuing", "profile": "device", "group": "plant", "auth_enroll": "basic-and-cert", "same_key": "forbid",
        "name_scheme": "dn:UID,serialNumber,CN", "name_prefix": "p-", "name_postfix": "-${RANDOM}", "vendor": "off", "code_source": "basic",
        "entity_from": "CN", "change_subject": True}
    assert [row["key"] for row in answer["keys"]] == KEYS
    verdicts = {key: row["verdict"] for key, row in by_key(answer).items()}
    assert {key for key, verdict in verdicts.items() if verdict == "no counterpart"} == {"supportproxyca", "severkeygenenabled"}
    assert {key for key, verdict in verdicts.items() if verdict == "of no effect"} == \
        {"vendorcaids", "authenticationmodule", "extractusernamecomponent", "extractdnpartpwdcomponent"}
    assert list(verdicts.values()).count("carried over") == 14
    assert site.db.rows("SELECT names, password_hash = est.crypt('foo123geheim', password_hash) FROM client WHERE user_name = 'factory'",
                        user="postgres") == [(["*"], True)]
    assert [row["groups"] for row in estctl.json("client", "list", "factory")] == [["plant"]]


def test_an_alias_of_mode_client(site, estctl):
    answer = estctl.json("import-ejbca", "-", *MAPS, stdin=properties("config.est.devices", CLIENT))
    got = settings(site, "devices")
    assert (got["mode"], got["auth_enroll"], got["code_source"], got["entity_from"], got["vendor"], got["name_scheme"]) == \
        ("client", "basic", "dn:OU", "serialNumber", "off", "dn:CN")
    assert {row["verdict"] for row in answer["keys"]} == {"carried over", "of no effect"}


def test_what_needs_a_decision(site, estctl):
    answer = estctl.json("import-ejbca", "-", stdin=properties("a", RA))
    wanted = {"defaultca": "--ca-map", "certprofile": "--profile-map", "eeprofile": "--group-map", "requsername": "--register-clients",
              "reqpassword": "see requsername"}
    rows = by_key(answer)
    assert {key for key, row in rows.items() if row["verdict"] == "needs a decision"} == set(wanted)
    for key, words in wanted.items():
        assert words in rows[key]["remark"]
    got = settings(site, "a")
    assert (got["ca"], got["profile"], got["group"]) == (None, None, "default")
    assert site.db.rows("SELECT FROM client WHERE user_name = 'factory'") == []


@pytest.mark.parametrize("more", [[], ["--register-clients"], ["--json"], ["--json", "--register-clients"], ["--dry-run"]])
def test_the_password_is_shown_nowhere(site, estctl, more, postgres):
    before = postgres.log.size()
    status, out, error = estctl.run("import-ejbca", "-", *more, stdin=properties("a", RA))
    assert status == 0, error
    assert "geheim" not in out + error and "(not shown)" in out
    assert not any("geheim" in line for line in postgres.log.since(before))


def test_a_password_that_is_refused_is_not_shown(site, estctl, allow_log):
    allow_log("password = ")
    message = estctl.refused("import-ejbca", "-", "--register-clients", stdin=properties("a", {**RA, "reqpassword": "geheim" * 20}))
    assert message.startswith("alias a: password = '(not shown)' refused") and "geheim" not in message
    assert site.db.rows("SELECT FROM alias WHERE name = 'a'") == []


def test_an_alias_that_is_there_is_updated(site, estctl):
    site.alias("factory", description="old", same_key="require", idempotency="1 hour", ca="other")
    answer = estctl.json("import-ejbca", "-", stdin=properties("factory", RA))
    assert answer["aliases"] == [{"alias": "factory", "result": "updated"}]
    assert settings(site, "factory")["same_key"] == "forbid" and settings(site, "factory")["ca"] == "other"
    assert site.db.rows("SELECT description, idempotency::text FROM alias WHERE name = 'factory'") == [("old", "01:00:00")]


def test_a_client_that_is_there_keeps_its_password(site, estctl):
    site.db.execute("SELECT register_client('factory', 'old password')")
    answer = estctl.json("import-ejbca", "-", *MAPS, "--register-clients", stdin=properties("a", RA))
    assert "is there already" in by_key(answer)["requsername"]["remark"]
    assert site.db.rows("SELECT names, password_hash = est.crypt('old password', password_hash) FROM client WHERE user_name = 'factory'",
                        user="postgres") == [(["own"], True)]
    assert estctl.json("client", "list", "factory")[0]["groups"] == ["default", "plant"]


def test_several_aliases_and_some_of_them(site, estctl):
    text = properties("est.one", RA) + properties("est.two", CLIENT) + properties("est.est", RA)
    answer = estctl.json("import-ejbca", "-", "--dry-run", stdin=text)
    assert answer["aliases"] == [{"alias": "one", "result": "created"}, {"alias": "two", "result": "created"},
                                 {"alias": "est", "result": "updated"}] and answer["dry_run"] is True
    assert site.db.rows("SELECT name FROM alias") == [("est",)]
    answer = estctl.json("import-ejbca", "-", "--alias", "two", stdin=text)
    assert {row["alias"] for row in answer["keys"]} == {"two"} and len(answer["keys"]) == 20
    assert site.db.rows("SELECT name FROM alias ORDER BY name") == [("est",), ("two",)]
    assert estctl.refused("import-ejbca", "-", "--alias", "three", stdin=text) == '-: there is no alias "three" in it'


# lines of the second alias of two, arguments: the message. Nothing of the first may be left
REFUSED = {
    "alias_name": ({"operationmode": "ra"}, [], "b!", "alias b!: alias.name = 'b!' refused"),
    "profile": (RA, ["--profile-map", "7=nonesuch"], "b", 'alias b: there is no certificate_profile "nonesuch"'),
    "group": (RA, ["--group-map", "8=nonesuch"], "b", 'alias b: there is no entity_group "nonesuch"'),
    "ca": (RA, ["--ca-map", "1652389506=not a name"], "b", "alias b: alias.ca = 'not a name' refused"),
    "prefix": ({**RA, "ra.namegenerationprefix": "$x"}, [], "b", "alias b: alias.name_prefix = '$x' refused"),
    "code_and_entity": ({**CLIENT, "extractusernamecomponent": "OU"}, [], "b", "alias b: alias.code_source = 'dn:OU' refused"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_all_or_nothing(site, estctl, row, allow_log):
    keys, arguments, name, message = REFUSED[row]
    allow_log("refused; allowed")
    assert message in estctl.refused("import-ejbca", "-", *arguments, stdin=properties("a", {"operationmode": "ra"}) + properties(name, keys))
    assert site.db.rows("SELECT name FROM alias") == [("est",)]


def test_files_and_options_that_are_none(site, estctl):
    assert "no key of an EST alias is there" in estctl.refused("import-ejbca", "-", stdin="a=b\n")
    assert estctl.refused("import-ejbca", "-", stdin="a.operationmode=\\u12\n").startswith("-: line 1: \\u")
    assert "No such file" in estctl.refused("import-ejbca", "/nonexistent")
    for value in ("7", "=x", "7="):
        assert estctl.refused("import-ejbca", "-", "--ca-map", value, status=2) == f"--ca-map {value}: has to be ID=NAME"


def test_the_report_for_people(estctl):
    text = estctl("import-ejbca", "-", stdin=properties("factory", RA) + "factory.frobnicate = 1\n")
    lines = text.splitlines()
    assert lines[0].split() == ["alias", "key", "value", "verdict", "setting", "remark"]
    assert lines[-2:] == ["alias factory: created", "keys: 9 carried over, 3 without counterpart, 5 need a decision, 4 of no effect"]
    assert "is no key of an EST alias" in text and "same_key = forbid" in text
    assert len(estctl("import-ejbca", "-", "--quiet", stdin=properties("factory", RA)).splitlines()) == 20
