# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Two httpd on one database: what plain SQL writes, on any node, is in force on both within one second, over connections to the
server, through a pooler that lets no notification pass, and with prefork. The figures are printed and kept as properties.
"""

import os
import re
import threading
import time

import pytest
from cryptography import x509

from clients import outage
from harness.pki import dns, make_csr, make_key
from harness.run import SLOW

LIMIT = 1.0 * SLOW  # seconds from the end of the statement, from when on every request obeys
WATCHED = 10 * SLOW  # seconds after which a node that does not obey is given up
LABEL = "two"
# What httpd says besides the module, or what is refused on purpose here
NOISE = ("AH01617", "AH01618", "AH01631", "AH00161", "EST1095")
SETUPS = {"direct": {"children": 2, "threads": 8}, "pooled": {"children": 2, "threads": 8},
          "prefork": {"mpm": "prefork", "children": 2}, "pooled-prefork": {"mpm": "prefork", "children": 2}}
FIGURES = {}  # (set-up, change) -> seconds


class Pair:
    """Two nodes, and how to ask each of its children"""

    def __init__(self, site, name):
        self.site, self.name, self.nodes = site, name, [site, site.nodes[0]]
        self.profile = site.profile_id("device")

    def sql(self, statement, *params):
        self.site.db.execute(statement, *params)

    def ask(self, node, who=None, identity=None, label=LABEL, **request):
        """An enrolment over a new connection"""
        request = {"subject": f"CN={who or 'two'}", **request}
        with node.client(who or self.site.user, identity=identity) if not identity or who else node.client(identity=identity) as client:
            return client.enroll(make_csr(make_key(), **request), label)

    def until_obeyed(self, node, obeys, times, start):
        """Asks until every child has obeyed and none has not for a while; notes when the last request began that did not obey,
        and when the first answer came after which all obeyed"""
        since, late, good, offset = None, 0, 0, node.httpd.log.size()
        children = set(node.httpd.children())
        while good < 6 or not children <= answered(node, offset):
            asked = time.monotonic()
            if obeys(node):
                since = since or time.monotonic() - start
                good += 1
            else:
                since, late, good, offset = None, asked - start, 0, node.httpd.log.size()
            if asked - start > WATCHED:
                break
        times[node] = late, since or float("inf")

    def measure(self, what, write, obeys):
        """write() on the database, obeys(node) on each node at the same time"""
        write()
        times, threads, start = {}, [], time.monotonic()
        for node in self.nodes:
            threads.append(threading.Thread(target=self.until_obeyed, args=(node, obeys, times, start), daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join(WATCHED + 60 * SLOW)
        assert len(times) == 2, f"{what}: a node was not asked to the end"
        FIGURES[self.name, what] = max(since for _, since in times.values())
        worst = max(late for late, _ in times.values())
        assert worst < LIMIT, f"{what}: a request that began after {worst:.3f} s did not obey"

    def both(self, what, change, undo, before, after):
        """before and after: what a request gives without and with the change"""
        assert all(before(node) for node in self.nodes), f"{what}: as it should not be before"
        try:
            self.measure(what, change, after)
        finally:
            undo()
        self.measure(what + ", undone", lambda: None, before)


def answered(node, offset):
    """Children that have written a line about a request since"""
    return {int(match.group(1)) for line in node.httpd.log.since(offset) for match in re.finditer(r"\[pid (\d+)(?::tid \d+)?\].*EST", line)}


@pytest.fixture(scope="module", params=SETUPS)
def pair(request, make_site, session_directory, postgres):
    name, fields = request.param, dict(SETUPS[request.param])
    site = make_site("two", start=False, **fields)
    node = site.node(**fields)
    with outage.pooler(os.path.join(session_directory, f"pgb-{site.name}"), postgres) if "pooled" in name else no_pooler() as directory:
        if directory:
            site.config.database = node.config.database = f"host={directory} port=5432 dbname={site.db.name} user=est_module"
        prepare(site)
        site.start()
        node.start()
        yield Pair(site, name)
        for httpd in site.all_httpd():
            httpd.stop()


class no_pooler:  # pylint: disable=invalid-name
    def __enter__(self):
        return None

    def __exit__(self, *_):
        pass


def prepare(site):
    """An alias, profile and group of their own, so that nothing else is in the way"""
    for statement in (
            "INSERT INTO entity_group (name) VALUES ('two')",
            "INSERT INTO certificate_profile (name) VALUES ('other')",
            "INSERT INTO profile_subject_rule (profile_id, attribute) SELECT id, 'CN' FROM certificate_profile WHERE name = 'other'",
            "INSERT INTO profile_extension (profile_id, name, critical, value) SELECT id, 'keyUsage', true, 'digitalSignature'"
            " FROM certificate_profile WHERE name = 'other'",
            "INSERT INTO alias (name, ca, profile_id, group_id) SELECT 'two', 'issuing', p.id, g.id FROM certificate_profile p, entity_group g"
            " WHERE p.name = 'device' AND g.name = 'two'",
            "INSERT INTO client_group (client_id, group_id) SELECT c.id, g.id FROM client c, entity_group g WHERE g.name = 'two'"):
        site.db.execute(statement)
    site.register("single", groups="default, two")


@pytest.fixture(autouse=True)
def noise(allow_log):
    allow_log(*NOISE)


@pytest.fixture(scope="module", autouse=True)
def figures():
    yield
    print()
    for (name, what), seconds in FIGURES.items():
        print(f"{name}: {what}: {seconds * 1000:.0f} ms")


def gives(pair, status, reason=None, **asked):
    def check(node):
        answer = pair.ask(node, **asked)
        assert answer.status != 500, answer.text
        return answer.status == status and (reason is None or answer.reason == reason)
    return check


def issued(pair, test, **asked):
    def check(node):
        answer = pair.ask(node, **asked)
        return answer.status == 200 and test(answer.cert())
    return check


def days(cert):
    return (cert.not_valid_after - cert.not_valid_before).days


def purposes(cert):
    return [extension.value for extension in cert.extensions if isinstance(extension.value, x509.ExtendedKeyUsage)]


ALIAS_SETTINGS = {  # column -> (value, what an enrolment then gives)
    "profile_active": ("false", 403, "alias_inactive"), "enabled": ("false", 404, None), "binding": ("'required'", 400, "binding_required"),
    "auth_enroll": ("'cert'", 403, "certificate_required"), "ca": ("'nowhere'", 503, "alias_broken"),
}


@pytest.mark.parametrize("column", ALIAS_SETTINGS)
def test_a_setting_of_an_alias(pair, column):
    value, status, reason = ALIAS_SETTINGS[column]
    old = pair.site.db.value(f"SELECT {column} FROM alias WHERE name = '{LABEL}'")
    refused = gives(pair, status, reason)
    if column == "enabled":  # whichever way an alias that is out of service is refused
        refused = lambda node: 400 <= pair.ask(node).status < 500  # noqa: E731
    pair.both(f"alias.{column}", lambda: pair.sql(f"UPDATE alias SET {column} = {value} WHERE name = '{LABEL}'"),
              lambda: pair.sql(f"UPDATE alias SET {column} = %s WHERE name = '{LABEL}'", old), gives(pair, 200), refused)


def test_api_properties(pair):
    def set_property(name, value):
        pair.sql("UPDATE api_properties SET prop_value = %s, prop_status = 1 WHERE prop_key = %s", value, f"est.{LABEL}.{name}")
    pair.both("api_properties: profile", lambda: set_property("profile", "other"), lambda: set_property("profile", "device"),
              issued(pair, lambda cert: len(purposes(cert)) == 1), issued(pair, lambda cert: not purposes(cert)))
    pair.both("api_properties: binding", lambda: set_property("binding", "required"), lambda: set_property("binding", "if-present"),
              gives(pair, 200), gives(pair, 400, "binding_required"))


def test_the_published_keys(pair):
    """Those of docs/sql.md, on the alias without a label"""
    def publish(profile):
        pair.sql("UPDATE api_properties SET prop_value = %s, prop_status = 1 WHERE prop_key = 'est.ca.server.user.profile'", profile)
        pair.sql("UPDATE api_properties SET prop_value = '1', prop_status = 1 WHERE prop_key = 'est.ca.server.group.id'")
    pair.both("est.ca.server.user.profile", lambda: publish("other"), lambda: publish("device"),
              issued(pair, lambda cert: len(purposes(cert)) == 1, label=None), issued(pair, lambda cert: not purposes(cert), label=None))


def test_a_rule_of_a_profile(pair):
    def pattern(text):
        pair.sql("UPDATE profile_subject_rule SET pattern = %s WHERE profile_id = %s AND attribute = 'CN'", text, pair.profile)
    pair.both("profile_subject_rule", lambda: pattern("other*"), lambda: pattern("**"), gives(pair, 200), gives(pair, 403, "name_refused"))


def test_a_rule_of_a_profile_for_subject_alt_names(pair):
    asked = {"san": [dns("two.example")]}
    rows = "profile_id = %s AND type = 'dns'"
    pair.both("profile_san_rule", lambda: pair.sql(f"UPDATE profile_san_rule SET pattern = '*.org' WHERE {rows}", pair.profile),
              lambda: pair.sql(f"UPDATE profile_san_rule SET pattern = '**' WHERE {rows}", pair.profile),
              gives(pair, 200, **asked), gives(pair, 403, "name_refused", **asked))


def test_a_profile(pair):
    pair.both("certificate_profile.validity", lambda: pair.sql("UPDATE certificate_profile SET validity = '7 days' WHERE name = 'device'"),
              lambda: pair.sql("UPDATE certificate_profile SET validity = '90 days' WHERE name = 'device'"),
              issued(pair, lambda cert: days(cert) == 90), issued(pair, lambda cert: days(cert) == 7))


def test_an_extension_of_a_profile(pair):
    def value(text):
        pair.sql("UPDATE profile_extension SET value = %s WHERE profile_id = %s AND name = 'extendedKeyUsage'", text, pair.profile)
    pair.both("profile_extension", lambda: value("clientAuth,serverAuth"), lambda: value("clientAuth"),
              issued(pair, lambda cert: len(purposes(cert)[0]) == 1), issued(pair, lambda cert: len(purposes(cert)[0]) == 2))


def test_a_group(pair):
    pair.both("entity_group.names", lambda: pair.sql("UPDATE entity_group SET names = '{other*}' WHERE name = 'two'"),
              lambda: pair.sql("UPDATE entity_group SET names = '{**}' WHERE name = 'two'"), gives(pair, 200), gives(pair, 403, "name_refused"))


CLIENT = {  # what is done to a client, what takes it back, and what it then reads
    "disabled": ("UPDATE client SET enabled = false WHERE user_name = 'single'", "UPDATE client SET enabled = true WHERE user_name = 'single'",
                 403, "not_authorized"),
    "networks": ("UPDATE client SET networks = '{192.0.2.0/24}' WHERE user_name = 'single'",
                 "UPDATE client SET networks = NULL WHERE user_name = 'single'", 403, "network_refused"),
    "over": ("UPDATE client SET valid_until = now() - interval '1 second' WHERE user_name = 'single'",
             "UPDATE client SET valid_until = NULL WHERE user_name = 'single'", 403, "not_authorized"),
    "group": ("DELETE FROM client_group m USING client c, entity_group g WHERE m.client_id = c.id AND m.group_id = g.id"
              " AND c.user_name = 'single' AND g.name = 'two'",
              "INSERT INTO client_group (client_id, group_id) SELECT c.id, g.id FROM client c, entity_group g"
              " WHERE c.user_name = 'single' AND g.name = 'two'", 403, "group_refused"),
    "names": ("UPDATE client SET names = '{other*}' WHERE user_name = 'single'", "UPDATE client SET names = '{own}' WHERE user_name = 'single'",
              403, "name_not_yours"),
    "password": ("UPDATE client SET password_hash = est.crypt('another', est.gen_salt('bf', 4)) WHERE user_name = 'single'",
                 "UPDATE client SET password_hash = est.crypt('correct horse', est.gen_salt('bf', 4)) WHERE user_name = 'single'", 401, None),
}


@pytest.mark.parametrize("what", CLIENT)
def test_a_client(pair, what):
    change, undo, status, reason = CLIENT[what]
    if what == "password":  # ten failures a minute are the limit: this one is not asked again and again
        check_password(pair, change, undo)
        return
    pair.both(f"client: {what}", lambda: pair.sql(change), lambda: pair.sql(undo),
              gives(pair, 200, who="single"), gives(pair, status, reason, who="single"))


def check_password(pair, change, undo):
    """The old password is worth nothing on either node, at once, and the new one is"""
    def status(node, password):
        with node.client("single", password) as client:
            return client.enroll(make_csr(make_key(), "CN=single"), LABEL).status
    assert [status(node, "correct horse") for node in pair.nodes] == [200, 200]
    pair.sql(change)
    time.sleep(LIMIT)
    try:
        assert [status(node, "correct horse") for node in pair.nodes] == [401, 401]
        assert [status(node, "another") for node in pair.nodes] == [200, 200]
    finally:
        pair.sql(undo)
    time.sleep(LIMIT)
    assert [status(node, "correct horse") for node in pair.nodes] == [200, 200]


def test_a_trust_anchor(pair):
    """A holder of another CA's certificate gets in when that CA is an anchor, and out again"""
    identity = pair.site.pki.foreign.issue("CN=foreign")
    asked = {"identity": identity, "subject": "CN=foreign"}
    pair.sql(f"UPDATE alias SET unknown_holder = 'accept' WHERE name = '{LABEL}'")
    try:
        pair.both("trust_anchor", lambda: pair.sql(f"INSERT INTO trust_anchor (alias_id, certificate) SELECT id, %s FROM alias WHERE name = '{LABEL}'",
                                                   pair.site.pki.foreign.der()),
                  lambda: pair.sql("DELETE FROM trust_anchor"), gives(pair, 401, **asked), gives(pair, 200, **asked))
    finally:
        pair.sql(f"UPDATE alias SET unknown_holder = 'refuse' WHERE name = '{LABEL}'")


def test_a_new_alias_and_its_end(pair):
    with_alias = gives(pair, 200, label="fresh")
    pair.both("a new alias", lambda: pair.sql("INSERT INTO alias (name, ca, profile_id) VALUES ('fresh', 'issuing', %s)", pair.profile),
              lambda: pair.sql("DELETE FROM alias WHERE name = 'fresh'"), gives(pair, 400, "alias_unknown", label="fresh"), with_alias)


def test_a_revoked_certificate_is_worth_nothing_anywhere(pair):
    """No policy, and so nothing to wait for: the very next request"""
    identity = pair.site.holder("CN=gone", LABEL)
    assert [pair.ask(node, identity=identity, subject="CN=gone").status for node in pair.nodes] == [200, 200]
    pair.site.revoke(identity.cert)
    assert [pair.ask(node, identity=identity, subject="CN=gone").reason for node in pair.nodes] == ["certificate_revoked"] * 2


def test_a_key_blocked_on_one_node_is_blocked_on_both(pair):
    key = make_key()
    pair.site.db.execute("INSERT INTO blocked_key (kind, fingerprint) VALUES ('spki', sha256(%s))", spki(key))
    for node in pair.nodes:
        with node.ra() as client:
            assert client.enroll(make_csr(key, "CN=two"), LABEL).reason == "key_blocked"


def spki(key):
    from harness.pki import spki_of  # noqa: PLC0415
    return spki_of(key)
