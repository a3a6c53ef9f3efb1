# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Policy that no constraint would let pass, as a dump restored without them may hold it: for each column a value that cannot be
understood. Only the alias that it belongs to answers 503, with the reason in the log; all others go on, and it comes back by
itself when the row is mended.
"""

import pytest

from harness.pki import make_csr, make_key
from harness.run import wait_until

SITE = {"children": 2, "threads": 8}
TABLES = ("alias", "certificate_profile", "profile_san_rule", "profile_request_extension", "entity_group", "trust_anchor")

# Column -> values. A boolean that is NULL, and a word that none of the module's lists has
WORDS = ("", "no such word")
ALIAS = {
    "mode": WORDS, "auth_enroll": WORDS, "auth_reenroll": WORDS, "binding": WORDS, "compat": WORDS,
    "code_source": (*WORDS, "dn:", "dn:nosuch"), "entity_from": (*WORDS, "CN,O"),
    "name_scheme": (*WORDS, "dn:", "dn:nosuch", "dn:CN,", "fixed:", "fixed:a\nb", "fixed:" + "x" * 101),
    "name_prefix": ("${OTHER}", "$", "a\tb", "x" * 101), "name_postfix": ("${OTHER}", "$RANDOM", "\x7f"),
    "vendor": WORDS, "vendor_patterns": (["x" * 513], []), "same_key": WORDS, "approval": WORDS,
    "renew_window": ("-1 day", "0", "101 years"), "renew_expired": ("-1 day", "0", "11 years"),
    "rate_client": (0, -1), "rate_alias": (0, -1),
}
PROFILE = {"subject_template": ("CN", "CN=", "nosuch=a", "CN=${csr.nosuch}", "CN=${other}", "CN=${csr.CN", "CN=a\\x", "CN=a,,O=b", "CN=" + "x" * 1000)}
SAN_RULE = {"source": WORDS, "template": ("${csr.nosuch}", "${", "", "a,b", "a\\x")}
REQUEST_EXTENSION = {"name": ("basicConstraints", "nosuch", "2.5.29.19", "2.5.29.30", "1.2.", ""), "action": WORDS}
GROUP = {"approval": WORDS}
# Those that only functions of the database use, once the module's own rules have passed
IN_THE_DATABASE = {
    "unique_dn": (None,), "unique_key": (None,), "max_active": (0, -5), "approvals": (0, None), "retry_after": ("-1 day", None),
    "order_expiry": ("-1 day", None), "max_orders": (0, None), "revoke_replaced": ("-1 day",), "rate_interval": ("0", "-1 day", None),
}
GROUP_IN_THE_DATABASE = {"quota_day": (0, -1), "quota_active": (0, -1)}


def cases(table, columns):
    return [pytest.param(table, column, value, id=f"{table}.{column}-{number}")
            for column, values in columns.items() for number, value in enumerate(values)]


@pytest.fixture(scope="module")
def site(make_site):
    site = make_site("broken", **SITE)
    for (drop,) in site.db.rows(
            "SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname) FROM pg_constraint"
            " WHERE contype = 'c' AND conrelid = ANY (%s::regclass[])", [f"est.{table}" for table in TABLES], user="postgres"):
        site.db.execute(drop, user="postgres")
    for (drop,) in site.db.rows(
            "SELECT format('ALTER TABLE %%s ALTER %%I DROP NOT NULL', attrelid::regclass, attname) FROM pg_attribute"
            " WHERE attnotnull AND attnum > 0 AND attname NOT IN ('id', 'name', 'profile_id') AND attrelid = ANY (%s::regclass[])"
            "   AND attidentity = ''", [f"est.{table}" for table in TABLES], user="postgres"):
        site.db.execute(drop, user="postgres")
    return site


def enroll(site, label=None):
    with site.ra() as client:
        return client.enroll(make_csr(make_key()), label)


@pytest.fixture
def place(site):
    """An alias with rows of its own in every table; gives its name and the id of the row of each table"""
    label = f"b{next(site.numbers)}"
    group = site.db.value("INSERT INTO entity_group (name) VALUES (%s) RETURNING id", label)
    site.db.execute("INSERT INTO client_group SELECT id, %s FROM client WHERE user_name = %s", group, site.user)
    profile = site.db.value("INSERT INTO certificate_profile (name) VALUES (%s) RETURNING id", label)
    site.db.execute("INSERT INTO profile_subject_rule (profile_id, attribute) VALUES (%s, 'CN')", profile)
    site.db.execute("INSERT INTO profile_extension (profile_id, name, critical, value) VALUES (%s, 'keyUsage', true, 'digitalSignature')", profile)
    rows = {"certificate_profile": profile, "entity_group": group}
    for table, columns, values in (("profile_san_rule", "type, source, template", "'dns', 'template', 'a.example'"),
                                   ("profile_request_extension", "name, action", "'1.3.6.1.4.1.55555.9', 'ignore'")):
        rows[table] = site.db.value(f"INSERT INTO {table} (profile_id, {columns}) VALUES (%s, {values}) RETURNING id", profile)
    site.alias(label, profile_id=profile, group_id=group)
    rows["alias"] = site.db.value("SELECT id FROM alias WHERE name = %s", label)
    return label, rows


def write(site, table, number, column, value):
    """Returns what was there"""
    old = site.db.value(f"SELECT {column} FROM {table} WHERE id = %s", number, user="postgres")
    site.db.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", value, number, user="postgres")
    site.sync()
    return old


@pytest.mark.parametrize("table, column, value", cases("alias", ALIAS) + cases("certificate_profile", PROFILE) + cases("profile_san_rule", SAN_RULE)
                         + cases("profile_request_extension", REQUEST_EXTENSION) + cases("entity_group", GROUP))
def test_a_broken_row_answers_503_for_its_alias_alone(site, place, expect_log, table, column, value):
    expect_log("EST1095")
    label, rows = place
    wait_until(lambda: [enroll(site, label).status for _ in range(4)] == [200] * 4, 1, "the alias in each child")
    start = site.httpd.log.size()
    old = write(site, table, rows[table], column, value)
    answer = wait_until(lambda: (lambda answer: answer.status != 200 and answer)(enroll(site, label)), 1, "the row to be noticed")
    assert (answer.status, answer.reason) == (503, "alias_broken")
    assert int(answer.header("Retry-After")) > 0
    reasons = [line for line in site.log_lines(start) if "EST1095" in line and f"alias={label} " in line]
    assert reasons and all(f'"{label}"' in line for line in reasons), reasons  # alias, profile and group have the same name here
    assert enroll(site).status == 200
    write(site, table, rows[table], column, old)
    wait_until(lambda: enroll(site, label).status == 200, 1, "the mended alias")


@pytest.mark.parametrize("table, column, value", cases("alias", IN_THE_DATABASE) + cases("entity_group", GROUP_IN_THE_DATABASE))
def test_a_broken_row_that_functions_use_harms_its_alias_alone(site, place, allow_log, table, column, value):
    """Served or refused, but never an error of ours, and nobody else notices"""
    allow_log("EST1095", "EST1082")
    label, rows = place
    old = write(site, table, rows[table], column, value)
    answers = [enroll(site, label) for _ in range(3)]
    assert all(answer.status == 200 or 400 <= answer.status < 500 or answer.reason == "alias_broken" for answer in answers), \
        [answer.text for answer in answers if answer.status >= 500]
    assert enroll(site).status == 200
    write(site, table, rows[table], column, old)
    wait_until(lambda: enroll(site, label).status == 200, 1, "the mended alias")
