# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Policies and requests by chance, each answer against a second opinion (harness/judge): whatever is issued is what the rows
allow, whatever is refused is refused by a 4xx, and what nothing speaks against is issued.

EST_SEED and EST_CASES in the environment: another seed, more cases.
"""

import collections
import datetime
import hashlib
import os
import random
import re

import pytest
from cryptography import x509

from harness.httpd import DENIED_USER
from harness.judge import chance, explain, requests, rows, verdict
from harness.judge.facts import Who
from harness.pki import CertificateAuthority, Identity, days, now
from harness.run import SLOW

CASES = int(os.environ.get("EST_CASES", 300 // SLOW))
# The same cases in each run of the suite; EST_SEED=0 for others each time
SEED = int(os.environ.get("EST_SEED", 859921491)) or random.SystemRandom().randrange(1, 10 ** 9)
EXPLAINED = 0.4  # of the cases are put to estctl explain first
BATCH, PER_POLICY = 20, 8  # policies that are written in one transaction; requests to each
# Extensions that a holder's certificate may have marked critical, so that it is understood when it is presented
UNDERSTOOD = {"2.5.29.15", "2.5.29.19", "2.5.29.37", "2.5.29.17", "2.5.29.32"}
# Refusals of an identity that are rows of their own in so many seconds; the rest of them is counted
CAP, CAP_WINDOW = 10, datetime.timedelta(seconds=90)
# What a request reads that was decoded and judged, of somebody who is known: each such refusal is a row
BY_RULES = {"alias_inactive", "name_refused", "name_not_yours", "names_differ", "key_not_allowed", "extension_refused", "ca_ends", "key_reserved"}
CLIENT_AUTH, ANY = "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"


def utcnow():
    return datetime.datetime.utcnow()


class World:
    """A site with several CAs, groups and clients, and what was enrolled at it"""

    def __init__(self, site, seed):
        self.site, self.chance, self.seed = site, random.Random(seed), seed
        with site.db.connection().transaction():
            self.groups = chance.make_groups(site.db)
        every = ", ".join(map(str, self.groups))
        self.authorities, self.connections, self.holders, self.spans, self.tally = {}, {}, [], {}, collections.Counter()
        self.users = [site.register("ra-all", names="*", groups=every), site.register("ra-half", names="*", groups=str(self.groups[0])),
                      site.register("web-1.plant.example", groups=every), site.register("dev-001", groups=every),
                      site.register("patterns", names="**.plant.example, dev-*, u*, SN-*, 10.**, *@plant.example", groups=every)]
        self.clients = {user: rows.client(site.db, user) for user in self.users}

    def batch(self, count):
        """New aliases with their profiles, in one transaction; returns when httpd has them"""
        name = f"p{len(self.tally)}-{self.chance.randrange(10 ** 9)}"
        with self.site.db.connection().transaction():
            made = [chance.make_policy(self.site.db, self.chance, f"{name}-{number}", self.groups, self.digests) for number in range(count)]
        self.site.sync()
        return rows.read(self.site.db, *made)

    @property
    def digests(self):
        return {name: name != "edwards" for name in self.authorities}

    def who(self, label):
        """Somebody who may come: a user mostly, or a holder of a certificate of this alias"""
        mine = [holder for holder in self.holders if holder[0] == label]
        if mine and self.chance.random() < 0.4:
            identity = self.chance.choice(mine)[1]
            return Who("certificate", cert=identity.cert), identity
        user = self.chance.choice(self.users + self.users[:1] * 12)
        return Who("user", user, self.clients[user]), None

    def connection(self, who, identity):
        if identity:
            return self.site.client(identity=identity)
        if who.name not in self.connections:
            self.connections[who.name] = self.site.client(who.name)
        return self.connections[who.name]

    def close(self):
        for client in self.connections.values():
            client.close()

    def keep(self, label, key, cert, issuer):
        """As an identity for later requests, where it can be one"""
        usages = [extension.value for extension in cert.extensions if isinstance(extension.value, x509.ExtendedKeyUsage)]
        purposes = {purpose.dotted_string for usage in usages for purpose in usage}
        bits = cert.extensions.get_extension_for_class(x509.KeyUsage).value
        if bits.digital_signature and (not usages or purposes & {CLIENT_AUTH, ANY}) and cert.not_valid_after > utcnow() + days(1) \
                and not any(extension.critical and extension.oid.dotted_string not in UNDERSTOOD for extension in cert.extensions):
            self.holders.append((label, Identity(key, cert, issuer.chain())))


@pytest.fixture(scope="module")
def world(make_site):
    site = make_site("property", start=False, children=1, threads=16)
    site.config.server = "EstRefusalLimit 100000"  # that of an identity is enough for refused()
    made = World(site, SEED)
    root = site.pki.root
    made.authorities = {
        "issuing": site.pki.issuing, "rsa": CertificateAuthority("O=Test,CN=RSA CA", root, key=requests.make_key("rsa:2048")),
        "edwards": CertificateAuthority("O=Test,CN=Edwards CA", root, key=requests.make_key("ed25519")),
        "ends": CertificateAuthority("O=Test,CN=Old CA", root, key=requests.make_key("ec:P-384"), not_before=now() - days(20),
                                     not_after=now() + days(40))}
    for name, authority in made.authorities.items():
        site.httpd.put_ca(name, authority)
    site.config.ca_blocks = [site.httpd.ca_block(name) for name in made.authorities]
    for check in ("key_usage_is_critical_and_says_something", "key_usage_goes_with_each_purpose", "no_proprietary_extension",
                  "pointers_are_not_critical"):
        site.except_lint(check, "profiles by chance ask for it")
    site.start()
    yield made
    made.close()


def fate(world, label, policy, request, who, identity):
    """Sends it and judges what comes of it: (what is wrong, the answer)"""
    operation = "simplereenroll" if identity and world.chance.random() < 0.5 else "simpleenroll"
    authority = world.authorities[policy.alias.ca]
    facts = request.facts(who, operation)
    # It takes longer than an enrolment
    report = explain.ask(world.site, label, request.octets(), who, operation, authority) if world.chance.random() < EXPLAINED else None
    world.tally["explained"] += report is not None
    before = utcnow()
    client = world.connection(who, identity)
    answer = (client.enroll if operation == "simpleenroll" else client.reenroll)(request.octets(), label)
    span = before, utcnow()
    if identity:
        client.close()
    expected = verdict.judge(policy, facts, authority.cert, before.replace(microsecond=0))
    found = list(explain.differences(report, answer)) if report else []
    world.tally[answer.status] += 1
    world.tally["fine"] += expected.fine
    if answer.status == 200:
        found += issued(world, policy, request, facts, answer, span)
    elif not 400 <= answer.status < 500:
        found.append(f"status {answer.status}")
    elif expected.fine:
        found.append("nothing speaks against it")
    else:
        found += refused(world, label, facts, answer, expected)
    return found, answer, facts


def is_capped(database, who):
    """Are there as many refusals of this identity on record within the window as there may be?"""
    return database.value("SELECT count(*) >= %s FROM est.enrollment WHERE outcome = 'refused' AND identity_kind = %s AND at > now() - %s"
                          " AND (%s::text IS NULL OR identity = %s)", CAP, who.kind, CAP_WINDOW, who.name, who.name, user="postgres")


def refused(world, label, facts, answer, expected):
    if not expected.unclear and not facts.hopeless and answer.reason not in {rule for rule, _ in expected.refusals}:
        yield f"refused by {answer.reason}, expected {expected.refusals}"
    if answer.reason in BY_RULES:
        number = re.search(r"request ([0-9a-f]{32})", answer.text).group(1)
        columns = "alias, operation, identity_kind, identity, outcome, rule, reason, spki_hash, certificate_id"
        found = world.site.db.rows(f"SELECT {columns} FROM est.enrollment WHERE id = %s::uuid", number, user="postgres")
        name = facts.who.name if facts.who.kind == "user" else found and found[0][3]
        wanted = (label, facts.operation, facts.who.kind, name, "refused")
        if not found and is_capped(world.site.db, facts.who):
            world.tally["not recorded"] += 1
            return
        if len(found) != 1 or found[0][:5] != wanted or not found[0][5] or not found[0][6] or \
                facts.spki and bytes(found[0][7]) != hashlib.sha256(facts.spki).digest() or found[0][8] is not None:
            yield f"record of the refusal: {found}, not {wanted}"
        world.tally["recorded"] += len(found)


def issued(world, policy, request, facts, answer, span):
    leaf = [cert for cert in answer.certs() if not verdict.is_ca(cert)]
    if len(leaf) != 1:
        return [f"{len(leaf)} certificates"]
    cert, authority = leaf[0], world.authorities[policy.alias.ca]
    # The same key and names once more within alias.idempotency give the same certificate, which is judged by the first request
    span, facts = world.spans.setdefault(cert.serial_number, (span, facts))
    found = verdict.complaints(cert, policy, facts, authority.cert, span)
    found += verdict.record_complaints(rows.record(world.site.db, cert), cert, policy, facts)
    if facts.operation == "simpleenroll" and facts.who.kind == "user":
        world.keep(policy.alias.name, request.key, cert, authority)
    return found


def describe(world, number, policy, request, facts, answer, found):
    wrong = "\n  ".join(found)
    return (f"seed {world.seed}, case {number}, {request.kind}: {answer.status} {'' if answer.status == 200 else answer.text.strip()}\n  {wrong}\n"
            f"  who {facts.who.kind} {facts.who.name}, {facts.operation}\n  subject {request.subject}\n  san {request.san}\n"
            f"  extensions {request.extensions}\n  key {facts.key}\n  alias {vars(policy.alias)}\n  profile {vars(policy.profile)}\n"
            + "".join(f"  {member}: {[vars(row) for row in getattr(policy, member)]}\n" for member in rows.CHILDREN))


def run_cases(world, count):
    """Complaints, in words"""
    wrong, number = [], 0
    while number < count:
        for label, policy in world.batch(min(BATCH, (count - number + PER_POLICY - 1) // PER_POLICY)).items():
            for _ in range(min(PER_POLICY, count - number)):
                number += 1
                who, identity = world.who(label)
                authority = world.authorities[policy.alias.ca].cert
                request = requests.by_chance(world.chance, policy, who, authority, utcnow().replace(microsecond=0))
                found, answer, facts = fate(world, label, policy, request, who, identity)
                world.tally[request.kind if request.kind in ("good", "candidate") else "others"] += 1
                if found:
                    wrong.append(describe(world, number, policy, request, facts, answer, found))
    return wrong


def test_what_is_issued_is_what_the_rows_allow(world, record_property, allow_log):
    allow_log(DENIED_USER, "EST1076")
    print(f"EST_SEED={SEED} EST_CASES={CASES}")
    record_property("seed", SEED)
    start = utcnow()
    wrong = run_cases(world, CASES)
    record_property("tally", dict(world.tally))
    print(world.tally, utcnow() - start)
    assert not wrong, f"{len(wrong)} of {CASES} cases, seed {SEED}:\n" + "\n".join(wrong[:20])
    # A server that refuses everything, or policies that allow nothing, would show nothing
    assert world.tally["fine"] >= CASES // 8, world.tally
    assert sum(world.tally[status] for status in range(400, 500)) >= CASES // 8, world.tally
    assert explain.program() is None or world.tally["explained"] >= CASES // 8, world.tally
    assert world.tally["recorded"] >= min(CASES // 20, CAP), world.tally


@pytest.mark.parametrize("what", sorted(requests.HOSTILE))
def test_hostile_requests_gain_nothing(world, what):
    """Each once, where nearly everything is allowed"""
    policy = wide_policy(world)
    who = Who("user", world.users[0], world.clients[world.users[0]])
    request = requests.hostile(world.chance, requests.good(world.chance, policy, who, world.authorities["issuing"].cert, utcnow()), what)
    found, answer, facts = fate(world, "wide", policy, request, who, None)
    assert not found, describe(world, 0, policy, request, facts, answer, found)


def wide_policy(world):
    database = world.site.db
    if not database.rows("SELECT FROM alias WHERE name = 'wide'"):
        with database.connection().transaction():
            profile = chance.insert(database, "certificate_profile", name="wide", keys=list(chance.KEYS), dns_wildcards=True)
            chance.insert_all(database, "profile_subject_rule", profile, [{"attribute": kind, "max_count": 3} for kind in chance.ATTRIBUTES])
            chance.insert_all(database, "profile_san_rule", profile, [{"type": kind, "max_count": 256} for kind in chance.SAN_PATTERNS])
            chance.insert_all(database, "profile_extension", profile, [{"name": "keyUsage", "critical": True, "value": "digitalSignature"}])
            chance.insert(database, "alias", name="wide", profile_id=profile, group_id=world.groups[0], ca="issuing")
        world.site.sync()
    return rows.read(database, "wide")["wide"]


@pytest.mark.parametrize("rule, other, status", [("refuse", "drop", 403), ("drop", "refuse", 200)])
def test_a_wildcard_is_left_out_or_refused_as_the_rule_of_its_type_says(world, rule, other, status):
    """san_other is for types without a rule"""
    database, label = world.site.db, f"wildcard-{rule}"
    with database.connection().transaction():
        profile = chance.insert(database, "certificate_profile", name=label, san_other=other)
        chance.insert_all(database, "profile_subject_rule", profile, [{"attribute": "CN"}])
        chance.insert_all(database, "profile_san_rule", profile, [{"type": "dns", "max_count": 8, "on_violation": rule}])
        chance.insert_all(database, "profile_extension", profile, [{"name": "keyUsage", "critical": True, "value": "digitalSignature"}])
        chance.insert(database, "alias", name=label, profile_id=profile, group_id=world.groups[0], ca="issuing")
    world.site.sync()
    request = requests.Request(requests.make_key(), [("CN", "a.plant.example")], [("dns", "a.plant.example"), ("dns", "*.plant.example")], [])
    who = Who("user", world.users[0], world.clients[world.users[0]])
    found, answer, facts = fate(world, label, rows.read(database, label)[label], request, who, None)
    assert answer.status == status and not found, describe(world, 0, rows.read(database, label)[label], request, facts, answer, found)
