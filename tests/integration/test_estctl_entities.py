# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""estctl entity ... and code: end entities and their enrolment codes"""

import csv
import io
import os
import re
import stat

import pytest

from harness import run
from harness.estctl import Estctl, issue

CODE = re.compile(r"^[a-z0-9]{5}(-[a-z0-9]{5}){4}$")


@pytest.fixture(scope="module")
def site(make_site):
    site = make_site("estctlent", start=False)
    site.db.execute("INSERT INTO entity_group (name) VALUES ('plant')")
    site.alias("devices", mode="client")
    site.alias("plant", mode="client", group_id=site.db.value("SELECT id FROM entity_group WHERE name = 'plant'"))
    return site


@pytest.fixture(scope="module")
def estctl(site):
    return Estctl(site)


@pytest.fixture
def directory(site):
    with run.scratch() as path:
        yield path


def code_fits(site, name, alias, code):
    return site.db.value("SELECT bool_or(k.hash = est.crypt(%s, k.hash)) FROM enrollment_code k JOIN end_entity e ON e.id = k.entity_id "
                         "JOIN alias a ON a.id = k.alias_id WHERE e.name = %s AND a.name = %s", code, name, alias, user="postgres")


def count(site):
    return site.db.rows("SELECT (SELECT count(*) FROM est.end_entity), (SELECT count(*) FROM est.enrollment_code)", user="postgres")[0]


# --- one by one


def test_entity_add(site, estctl):
    assert estctl("entity", "add", "plain") == "entity plain is registered\n"
    line, code = estctl("entity", "add", "dev1", "--alias", "devices").splitlines()
    assert "dev1" in line and CODE.match(code) and code_fits(site, "dev1", "devices", code)
    answer = estctl.json("entity", "add", "dev2", "--group", "plant", "--subject", "CN=dev2,O=Example", "--san", "dns:dev2.example,ip:10.0.0.1",
                         "--alias", "plant", "--uses", "3", "--expires", "2031-01-02", "--networks", "10.0.0.0/8", "--valid-until", "2032-01-01",
                         "--max-active", "2", "--description", "second")
    assert (answer["name"], answer["alias"]) == ("dev2", "plant") and code_fits(site, "dev2", "plant", answer["code"])
    (row,) = estctl.json("entity", "list", "dev2")
    assert (row["group"], row["subject"], row["san"], row["max_active"], row["description"]) == \
        ("plant", "CN=dev2,O=Example", ["dns:dev2.example", "ip:10.0.0.1"], 2, "second")
    assert row["valid_until"] == "2032-01-01T00:00:00+00:00" and row["codes"] == ["plant (3 left)"] and row["preregistered"] is True
    assert site.db.rows("SELECT uses_left, expires_at::text, networks::text FROM enrollment_code k JOIN end_entity e ON e.id = k.entity_id "
                        "WHERE e.name = 'dev2'") [0][::2] == (3, "{10.0.0.0/8}")


# arguments: the message
REFUSED = {
    "twice": (["taken"], "entity 'taken' is registered in group 'default' already"),
    "alias": (["x", "--alias", "nonesuch"], "there is no alias 'nonesuch'"),
    "group": (["x", "--group", "nonesuch"], "grp = 'nonesuch' refused"),
    "group_of_the_alias": (["x", "--group", "plant", "--alias", "devices"], "refused; allowed: 'default', the group of alias 'devices'"),
    "subject": (["x", "--subject", "nonsense"], "end_entity.subject = 'nonsense' refused"),
    "san": (["x", "--san", "fax:1"], "end_entity.san = "),
    "uses": (["x", "--alias", "devices", "--uses", "0"], "uses = '0' refused; allowed: 1 to 1000000"),
    "uses_no_number": (["x", "--alias", "devices", "--uses", "two"], 'invalid input syntax for type integer: "two"'),
    "max_active": (["x", "--max-active", "0"], "end_entity.max_active = '0' refused"),
    "empty": ([""], "name = '' refused"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_entity_add_that_is_refused(site, estctl, row, allow_log):
    arguments, message = REFUSED[row]
    allow_log("ERROR")
    if row == "twice":
        estctl("entity", "add", "taken")
    before = count(site)
    assert message in estctl.refused("entity", "add", *arguments)
    assert count(site) == before


def test_options_of_a_code_need_an_alias(estctl):
    assert "which --alias makes" in estctl.refused("entity", "add", "x", "--expires", "tomorrow", status=2)


def test_entity_list(site, estctl):
    issue(site, "CN=made-by-enrolment")
    estctl("entity", "add", "listed-1", "--group", "plant")
    (row,) = estctl.json("entity", "list", "made-by-*")
    assert row["preregistered"] is False and row["certificates"] == 1 and row["codes"] == []
    assert {row["group"] for row in estctl.json("entity", "list", "--group", "plant")} == {"plant"}
    assert estctl.refused("entity", "list", "listed-?", "--group", "default") == 'no entity matches "listed-?"'
    assert estctl("entity", "list", "listed-1").splitlines()[0].split()[:3] == ["name", "group", "status"]
    estctl("entity", "add", "over", "--valid-until", "2001-01-01")
    assert [row["name"] for row in estctl.json("entity", "list", "--status", "ended")] == ["over"]


def test_entity_suspend_and_reinstate(site, estctl, allow_log):
    allow_log("is suspended already", "there is no entity", "grp = ")
    estctl("entity", "add", "shaky", "--group", "plant")
    assert estctl("entity", "suspend", "shaky", "--group", "plant").startswith("entity 'shaky' is suspended")
    assert estctl.json("entity", "list", "shaky")[0]["status"] == "suspended"
    assert "is suspended already" in estctl.refused("entity", "suspend", "shaky", "--group", "plant")
    assert "is active" in estctl.json("entity", "reinstate", "shaky", "--group", "plant")["result"]
    assert estctl.json("entity", "list", "shaky")[0]["status"] == "active"
    assert estctl.refused("entity", "suspend", "shaky") == "there is no entity 'shaky' in group 'default'"
    assert "grp = 'x' refused" in estctl.refused("entity", "reinstate", "shaky", "--group", "x")


def test_code(site, estctl, allow_log):
    first = estctl.json("entity", "add", "coded", "--alias", "devices")["code"]
    second = estctl("code", "coded", "devices", "--quiet", "--uses", "2", "--networks", "10.0.0.0/8").strip()
    assert CODE.match(second) and not code_fits(site, "coded", "devices", first) and code_fits(site, "coded", "devices", second)
    answer = estctl.json("code", "coded", "devices", "--expires", "2031-01-01")
    assert (answer["name"], answer["alias"]) == ("coded", "devices") and code_fits(site, "coded", "devices", answer["code"])
    assert "which is shown this once" in estctl("code", "coded", "devices")
    allow_log("there is no alias", "no entity", "expires = ")
    assert estctl.refused("code", "coded", "nonesuch") == "there is no alias 'nonesuch'"
    assert "no entity 'nonesuch' is registered in group 'default' of alias 'devices'" in estctl.refused("code", "nonesuch", "devices")
    assert "expires = " in estctl.refused("code", "coded", "devices", "--expires", "2001-01-01")


# --- import


def codes_of(text):
    return {(row["name"], row["alias"]): row["code"] for row in csv.DictReader(io.StringIO(text))}


def test_import(site, estctl, directory):
    path = run.write(os.path.join(directory, "in.csv"),
                     "name,alias,group,subject,san,uses,expires,networks,valid_until,max_active,description\n"
                     "i-1,devices,,\"CN=i-1,O=Example\",\"dns:i-1.example,ip:10.0.0.7\",5,2031-01-02,\"10.0.0.0/8,192.0.2.1\",2032-01-01,3,first\n"
                     "i-2,plant,plant,,,,,,,,\n"
                     "i-3,,,,,,,,,,no code\n")
    status, out, error = estctl.run("entity", "import", path)
    assert status == 0, error
    assert error == "3 entities registered, 2 with a code\n"
    codes = codes_of(out)
    assert set(codes) == {("i-1", "devices"), ("i-2", "plant")}
    assert all(CODE.match(code) and code_fits(site, *key, code) for key, code in codes.items())
    first, second, third = estctl.json("entity", "list", "i-?")
    assert (first["subject"], first["san"], first["codes"], first["max_active"], first["description"]) == \
        ("CN=i-1,O=Example", ["dns:i-1.example", "ip:10.0.0.7"], ["devices (5 left)"], 3, "first")
    assert (second["group"], second["codes"], second["subject"]) == ("plant", ["plant (1 left)"], None)
    assert (third["codes"], third["description"]) == ([], "no code")


def test_import_of_standard_input_and_json(site, estctl):
    answer = estctl.json("entity", "import", "-", stdin='"name" , alias\r\nj-1,devices\r\nj-2,\r\n')
    assert answer["entities"] == 2 and answer["dry_run"] is False
    (code,) = answer["codes"]
    assert (code["name"], code["alias"]) == ("j-1", "devices") and code_fits(site, "j-1", "devices", code["code"])
    assert estctl("entity", "import", "-", "-q", stdin="\ufeffname\nj-3\n") == ""
    assert estctl.json("entity", "list", "j-3")


def test_import_puts_codes_into_a_file_of_its_own(site, estctl, directory):
    out = os.path.join(directory, "codes")
    assert estctl("entity", "import", "-", "--codes-out", out, stdin='name,alias\n"k,1",devices\n"k""2",devices\n') == ""
    assert stat.S_IMODE(os.stat(out).st_mode) == 0o600
    with open(out, encoding="utf-8") as file:
        codes = codes_of(file.read())
    assert set(codes) == {("k,1", "devices"), ('k"2', "devices")} and all(code_fits(site, *key, code) for key, code in codes.items())
    before = count(site)
    assert estctl.refused("entity", "import", "-", "--codes-out", out, stdin="name,alias\nk-3,devices\n") == f"{out}: File exists"
    link = os.path.join(directory, "link")
    os.symlink(os.path.join(directory, "target"), link)
    assert "File exists" in estctl.refused("entity", "import", "-", "--codes-out", link, stdin="name,alias\nk-3,devices\n")
    assert not os.path.exists(os.path.join(directory, "target")) and count(site) == before


def test_import_that_is_tried(site, estctl, directory):
    before, out = count(site), os.path.join(directory, "codes")
    status, printed, error = estctl.run("entity", "import", "-", "--dry-run", "--codes-out", out, stdin="name,alias\nt-1,devices\n")
    assert (status, printed, error) == (0, "", "1 entity could be registered, 1 with a code\n")
    assert estctl.json("entity", "import", "-", "--dry-run", stdin="name,alias\nt-1,devices\n") == {"entities": 1, "dry_run": True, "codes": []}
    assert count(site) == before and not os.path.exists(out)


# file: the message, without the file's name in front
BROKEN = {
    "empty": ("", "is empty, not even a heading is there"),
    "no_name": ("alias\nx\n", 'line 1: column "name" is missing'),
    "unknown_column": ("name,colour\nx,red\n", 'line 1: there is no column "colour"; columns are name, group, subject'),
    "column_twice": ("name,alias,name\nx,,y\n", 'line 1: column "name" stands there twice'),
    "too_few": ("name,alias\na,devices\nb\n", 'line 3: missing data for column "alias"'),
    "too_many": ("name,alias\na,devices\nb,devices,c\n", "line 3: extra data after last expected column"),
    "quote": ('name,alias\na,devices\n"b,devices\n', "line 4: unterminated CSV quoted field"),
    "no_text": ("name\n\xff\n", "line 2: invalid byte sequence for encoding"),
    "name_empty": ("name,alias\na,\n,devices\n", "line 3, column name: is empty"),
    "uses": ("name,alias,uses\na,devices,1\nb,devices,many\n", 'line 3, column uses: invalid input syntax for type integer: "many"'),
    "uses_0": ("name,alias,uses\na,devices,0\n", "line 2, column uses: uses = '0' refused; allowed: 1 to 1000000"),
    "expires": ("alias,name,expires\ndevices,a,never ever\n", 'line 2, column expires: invalid input syntax for type timestamp with time zone: "never ever"'),
    "valid_until": ("name,valid_until\na,x\n", "line 2, column valid_until: invalid input syntax"),
    "max_active": ("name,max_active\na,9999999\n", "line 2, column max_active: end_entity.max_active = '9999999' refused"),
    "subject": ("name,subject\na,nonsense\n", "line 2, column subject: end_entity.subject = 'nonsense' refused"),
    "san": ("name,san\na,dns:ok\nb,fax:1\n", "line 3, column san: end_entity.san = "),
    "networks": ("name,alias,networks\na,devices,10.0.0.1/8\n", "line 2, column networks: networks = '10.0.0.1/8' refused"),
    "group": ("name,group\na,nonesuch\n", "line 2, column group: grp = 'nonesuch' refused"),
    "alias": ("name,alias\na,nonesuch\n", "line 2: there is no alias 'nonesuch'"),
    "twice": ("name\na\nb\na\n", "line 4: entity 'a' is registered in group 'default' already"),
    "value_of_two_lines": ('name,alias\n"a\nb",\nc,nonesuch\n', "line 2"),
}


@pytest.mark.parametrize("row", BROKEN)
def test_import_of_a_broken_file(site, estctl, row, allow_log, directory):
    content, message = BROKEN[row]
    allow_log("ERROR")
    path = run.write(os.path.join(directory, "in.csv"), content.encode("latin-1"))
    before, codes = count(site), os.path.join(directory, "codes")
    error = estctl.refused("entity", "import", path, "--codes-out", codes)
    assert error.startswith(f"{path}: {message}"), error
    assert count(site) == before and not os.path.exists(codes)


def test_import_counts_the_lines_of_values(site, estctl, allow_log):
    allow_log("ERROR")
    text = 'name,san,alias\nl-1,"dns:a.example,\ndns:b.example",\nl-2,,nonesuch\n'
    error = estctl.refused("entity", "import", "-", stdin=text)
    assert error == "standard input: line 4: there is no alias 'nonesuch'"


def test_import_of_files_that_are_not_there(estctl, directory):
    assert estctl.refused("entity", "import", "/nonexistent") == "/nonexistent: No such file or directory"
    assert "/: " in estctl.refused("entity", "import", "/")
    assert "No such file" in estctl.refused("entity", "import", "-", "--codes-out", "/nonexistent/codes", stdin="name\nx\n")


def test_codes_that_cannot_be_written_register_nobody(site, estctl, allow_log):
    before = count(site)
    assert "File exists" in estctl.refused("entity", "import", "-", "--codes-out", "/dev/full", stdin="name,alias\nf-1,devices\n")
    assert count(site) == before


def test_import_of_many(site, estctl):
    text = "name\n" + "".join(f"m-{n}\n" for n in range(3000))
    assert estctl.run("entity", "import", "-", stdin=text)[2] == "3000 entities registered, 0 with a code\n"
    assert len(estctl.json("entity", "list", "m-*")) == 3000
