# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""The statements of sql/estctl.sql: each is known to the database, for the role that they are for."""

import os
import re

import pytest

from harness.postgres import TOP

with open(os.path.join(TOP, "sql", "estctl.sql"), encoding="utf-8") as file:
    STATEMENTS = dict(re.findall(r"^-- name: (\w+)\n((?:(?!-- name: ).*\n?)*)", file.read(), re.M))
CONTROL = {"begin", "commit", "rollback", "read_only"}


@pytest.fixture(scope="module")
def site(make_site):
    site = make_site("estctlsql", start=False)
    text = STATEMENTS["import_table"].replace("ON COMMIT DROP", "")
    site.db.execute(text)
    return site


@pytest.mark.parametrize("name", sorted(set(STATEMENTS) - CONTROL - {"import_table"}))
def test_statements_can_be_prepared(site, name):
    site.db.execute(f"PREPARE {name} AS {STATEMENTS[name]}")
    site.db.execute(f"DEALLOCATE {name}")


def test_each_is_used():
    sources = ""
    for entry in os.scandir(os.path.join(TOP, "mod_est", "cli")):
        with open(entry.path, encoding="utf-8") as source:
            sources += source.read()
    assert {name for name in STATEMENTS if f'"{name}"' not in sources} == set()
