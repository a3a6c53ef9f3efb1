# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
estctl explain: what it says of a request is what the server then does, for each rule that can refuse, and of what is issued
subject, names, extensions and times. It writes nothing.
"""

import datetime
import hashlib
import json
import os
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness import der, run
from harness.client import b64, basic
from harness.entities import OTP_CHALLENGE, hardware_name, register, vendor
from harness.estctl import Estctl
from harness.httpd import DENIED_USER
from harness.pki import Identity, days, dns, make_csr, make_key, now, pem, spki_of

HERE = "127.0.0.1"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|(?<= in )\d+(?= seconds)")  # when, or how long from now

STATE = """
    SELECT c.relname, (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM est.%I', c.relname), false, true, '')))[1]::text
    FROM pg_class c WHERE c.relnamespace = 'est'::regnamespace AND c.relkind = 'r'
    UNION ALL SELECT sequencename, last_value::text FROM pg_sequences WHERE schemaname = 'est' ORDER BY 1
"""


@pytest.fixture(scope="module")
def site(make_site):
    """Without maintenance, which counts as something that estctl has written"""
    site = make_site("explain", start=False)
    site.config.server = "EstMaintenanceInterval 86400"
    return site.start()


@pytest.fixture(scope="module")
def explain(site, session_directory):
    return Explain(site, session_directory)


class Explain:
    """explain(label, csr, ...) has both asked, and returns the report and the server's answer."""

    def __init__(self, site, directory):
        self.site, self.directory, self.estctl = site, directory, Estctl(site)
        self.ca = run.write(os.path.join(directory, "explain-ca.pem"), site.pki.issuing.pem().decode())

    def put(self, name, octets):
        path = os.path.join(self.directory, name)
        with open(path, "wb") as file:
            file.write(octets)
        return path

    def state(self):
        return self.site.db.rows(STATE, user="postgres")

    def report(self, label, csr, user=None, identity=None, operation="simpleenroll", entity=None, ca=True, network=HERE):
        argv = ["explain", "--json", "--alias", label, "--csr", self.put("request", csr), "--operation", operation]
        argv += ["--network", network] if network else []
        argv += ["--user", user] if user else []
        argv += ["--entity", entity] if entity else []
        argv += ["--ca", self.ca] if ca else []
        argv += ["--cert", self.put("holder.pem", identity.pem_chain())] if identity else []
        before = self.state()
        status, out, error = self.estctl.run(*argv)
        assert self.state() == before
        assert not error and status in (0, 1), error
        report = json.loads(out)
        assert (status == 1) == (report["outcome"] == "refused")
        check_schema(report)
        return report

    def answer(self, label, csr, user=None, identity=None, operation="simpleenroll", headers=None):
        with self.site.client(user, identity=identity) as client:
            return client.post(operation, csr if csr.startswith(b"!") else b64(csr), label, headers)

    def __call__(self, label, csr, headers=None, entity=None, **who):
        began = now()
        report = self.report(label, csr, entity=entity, **who)
        answer = self.answer(label, csr, headers=headers, **who)
        self.between = (now() - began).total_seconds() + 1  # at most, in whole seconds
        assert (report["status"], report["error"]) == (answer.status, None if answer.status in (200, 202) else answer.reason), answer.text
        if report["error"]:
            (said, times), (told, others) = (apart(text) for text in (report["text"], answer.text.rstrip("\n").rsplit(" (request ", 1)[0]))
            assert told == said and len(times) == len(others)
            assert all(abs(one - other) <= self.between for one, other in zip(times, others))
        return report, answer


def time_of(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


def apart(text):
    """A text without the times in it, which go on between the report and the answer, and those in seconds"""
    return TIME.sub("TIME", text), [int(found) if found.isdigit() else time_of(found).timestamp() for found in TIME.findall(text)]


KEYS = {"alias", "operation", "outcome", "status", "error", "text", "retry_after", "replay", "identity", "rules", "certificate"}
CERTIFICATE = {"subject", "san", "not_before", "not_after", "spki_hash", "digest", "extensions", "entity", "dropped"}


def check_schema(report):
    assert set(report) == KEYS
    assert set(report["identity"]) == {"kind", "name"}
    for rule in report["rules"]:
        assert set(rule) == {"rule", "verdict", "wanted", "got", "error", "status"}
        assert rule["verdict"] in ("pass", "fail", "n/a") and (rule["error"] is None or rule["verdict"] == "fail")
    refused = report["outcome"] == "refused"
    assert refused == (report["error"] is not None) == (report["text"] is not None) == (report["certificate"] is None)
    if refused:
        assert report["error"] == next(rule["error"] for rule in report["rules"] if rule["error"] and rule["rule"] != "certificate")
    else:
        assert set(report["certificate"]) == CERTIFICATE
        for extension in report["certificate"]["extensions"]:
            assert set(extension) == {"name", "oid", "critical", "text", "der"}


def rule(report, name):
    return next(row for row in report["rules"] if row["rule"] == name)


# --- what is issued

def extension_der(extension):
    critical = [der.tlv(1, b"\xff")] if extension.critical else []
    return der.seq(der.oid(extension.oid.dotted_string), *critical, der.tlv(der.OCTET_STRING, extension.value.public_bytes())).hex()


def seconds_between(text, time):
    return abs((time_of(text) - time).total_seconds())


def check_same(explain, report, cert):
    said = report["certificate"]
    assert said["subject"] == cert.subject.rfc4514_string()
    assert [extension["der"] for extension in said["extensions"]] == [extension_der(extension) for extension in cert.extensions]
    assert seconds_between(said["not_before"], cert.not_valid_before) <= explain.between
    assert seconds_between(said["not_after"], cert.not_valid_after) <= explain.between
    assert said["digest"] == cert.signature_hash_algorithm.name
    assert said["spki_hash"] == hashlib.sha256(cert.public_key().public_bytes(serialization.Encoding.DER,
                                                                            serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def test_a_certificate_for_a_user(site, explain):
    csr = make_csr(make_key(), "CN=first,O=Example", [dns("first.example")])
    report, answer = explain("est", csr, user="ra")
    check_same(explain, report, answer.cert())
    assert report["outcome"] == "issued" and report["certificate"]["entity"] == "first"
    assert report["certificate"]["san"] == ["dns:first.example"] and report["identity"] == {"kind": "user", "name": "ra"}


def test_templates_drops_and_extensions_taken_over(site, explain):
    site.sql("""WITH p AS (INSERT INTO certificate_profile (name, validity, subject_template, digest, subject_other, san_other)
                           VALUES ('made', '10 days', 'CN=${csr.CN},OU=${user}', 'sha384', 'drop', 'drop') RETURNING id),
                s AS (INSERT INTO profile_subject_rule (profile_id, attribute) SELECT id, unnest('{CN,OU}'::text[]) FROM p),
                e AS (INSERT INTO profile_extension (profile_id, name, critical, value)
                      SELECT id, 'keyUsage', true, 'digitalSignature,keyEncipherment' FROM p),
                r AS (INSERT INTO profile_request_extension (profile_id, name, action) SELECT id, 'extendedKeyUsage', 'copy' FROM p)
                INSERT INTO profile_san_rule (profile_id, type, source, template) SELECT id, 'dns', 'template', '${csr.CN}.example' FROM p""")
    label = site.alias(profile_id=site.profile_id("made"), name_scheme="fixed:all of them")
    csr = make_csr(make_key(), "CN=made,O=Example", [dns("else.example")],
                   [(x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.2")]), False)])
    report, answer = explain(label, csr, user="ra")
    check_same(explain, report, answer.cert())
    said = report["certificate"]
    assert said["subject"] == "CN=made,OU=ra" and said["san"] == ["dns:made.example"] and said["entity"] == "all of them"
    assert said["dropped"] == "O=Example, dns=else.example, keyUsage=keyEncipherment" and said["digest"] == "sha384"
    usage = said["extensions"][0]
    assert usage["name"] == "keyUsage" and usage["critical"] and usage["text"] == "Digital Signature"


def test_renewal(site, explain):
    holder = site.holder("CN=renews")
    csr = make_csr(make_key(), "CN=renews")
    report, answer = explain("est", csr, identity=holder, operation="simplereenroll")
    check_same(explain, report, answer.cert())
    assert rule(report, "certificate")["verdict"] == "pass" and report["identity"]["kind"] == "certificate"


def test_without_the_ca_what_it_says_is_less(site, explain):
    holder = site.holder("CN=unsure")
    csr = make_csr(make_key(), "CN=unsure")
    report = explain.report("est", csr, identity=holder, operation="simplereenroll", ca=False)
    assert report["status"] == 200 and report["certificate"]["digest"] is None
    for name in ("certificate", "ca", "not_the_ca", "key_reserved"):
        assert rule(report, name)["verdict"] == "n/a"
    assert "is not given" in rule(report, "certificate")["got"] and "is not given" in rule(report, "ca")["got"]
    stranger = Identity(*(lambda made: (made.key, made.cert))(site.pki.foreign.issue("CN=unsure")))
    report = explain.report("est", csr, identity=stranger, operation="simplereenroll", ca=False)
    assert (report["status"], report["error"]) == (403, "certificate_unknown")


def test_the_same_request_again(site, explain):
    csr = make_csr(make_key(), "CN=again")
    _, first = explain("est", csr, user="ra")
    report, second = explain("est", csr, user="ra")
    assert report["outcome"] == "replay" and first.cert() == second.cert()
    assert format(first.cert().serial_number, "x") in report["replay"]


@pytest.mark.parametrize("source", ("basic", "challenge-password", "otp-challenge", "dn:serialNumber"))
def test_codes(site, explain, source):
    label, name = site.alias(mode="client", code_source=source), f"coded-{source[:3]}"
    register(site, name, label, "right-code", subject=f"CN={name},O=Example")
    more, subject, headers = {}, f"CN={name}", None
    if source == "challenge-password":
        more["challenge"] = b"right-code"
    elif source == "otp-challenge":
        more["attributes"] = [(OTP_CHALLENGE, b"right-code")]
    elif source.startswith("dn:"):
        subject += ",serialNumber=right-code"
    else:
        headers = {"Authorization": basic(name, "right-code")}
    csr = make_csr(make_key(), subject, **more)
    report, answer = explain(label, csr, entity=name if headers else None, headers=headers)
    check_same(explain, report, answer.cert())
    assert report["identity"] == {"kind": "entity", "name": name} and report["certificate"]["subject"] == f"CN={name},O=Example"
    # The code is used up
    csr = make_csr(make_key(), subject, **more)
    report, answer = explain(label, csr, entity=name if headers else None, headers=headers)
    assert report["error"] == "code_refused" and rule(report, "code_refused")["got"] == "the code is used up"
    assert "used up" not in answer.text


def test_a_code_that_is_still_to_be_put_into_the_request(site, explain):
    label = site.alias(mode="client", code_source="challenge-password")
    register(site, "bare", label, "right-code")
    csr = make_csr(make_key(), "CN=bare")
    assert explain.report(label, csr)["error"] == "code_refused"
    assert explain.report(label, csr, entity="bare")["status"] == 200
    report = explain.report(label, csr, entity="nobody")
    assert report["error"] == "code_refused" and rule(report, "code")["got"] == 'end entity "nobody" is not registered'


def test_a_device_of_a_maker(site, explain):
    label = site.alias(vendor="pattern", vendor_patterns=["SN-1*"])
    maker = vendor(site, label)
    good, bad = maker.issue("CN=pump,serialNumber=SN-17"), maker.issue("CN=pump,serialNumber=SN-27")
    report, answer = explain(label, make_csr(make_key(), "CN=SN-17"), identity=good)
    check_same(explain, report, answer.cert())
    assert report["identity"]["kind"] == "vendor"
    assert explain(label, make_csr(make_key(), "CN=SN-27"), identity=bad)[0]["error"] == "vendor_refused"
    # An anchor of the table is known without the CA
    assert explain.report(label, make_csr(make_key(), "CN=SN-17"), identity=good, ca=False)["identity"]["kind"] == "vendor"


# --- what waits

def test_orders(site, explain):
    label = site.alias(approval="all", retry_after="7 seconds", max_orders=1)
    csr = make_csr(make_key(), "CN=orders")
    report, answer = explain(label, csr, user="ra")
    assert (report["outcome"], report["retry_after"]) == ("pending", 7) and report["certificate"]["subject"] == "CN=orders"
    assert answer.header("Retry-After") == "7"
    report, _ = explain(label, csr, user="ra")
    assert report["outcome"] == "pending" and rule(report, "order")["verdict"] == "fail"
    assert explain(label, make_csr(make_key(), "CN=more"), user="ra")[0]["error"] == "too_many_orders"
    ((order,),) = site.db.rows("SELECT id::text FROM est.enrollment WHERE subject = 'CN=orders' AND outcome = 'pending'", user="postgres")
    site.db.execute("SELECT approve(%s)", order)
    report, answer = explain(label, csr, user="ra")
    assert rule(report, "order")["verdict"] == "pass"
    check_same(explain, report, answer.cert())


def test_an_order_that_its_ca_has(site, explain):
    """A row as forwarding leaves it: the CA of the alias signs here, so that the server is not asked"""
    label = site.alias(approval="all")
    csr = make_csr(make_key(), "CN=forwarded")
    explain(label, csr, user="ra")
    site.db.execute("UPDATE est.enrollment SET outcome = 'forwarded', ca = 'issuing', upstream = 'https://ca.example', attempt = 1, ask_at = now() + interval '1 hour' "
                    "WHERE subject = 'CN=forwarded'", user="postgres")
    report = explain.report(label, csr, user="ra")
    assert (report["outcome"], report["status"]) == ("pending", 202) and 3500 < report["retry_after"] <= 3600
    waits = rule(report, "order")
    assert waits["verdict"] == "fail" and "is at https://ca.example" in waits["got"] and rule(report, "approval")["verdict"] == "pass"
    _, text, _ = explain.estctl.run("explain", "--alias", label, "--csr", explain.put("request", csr), "--network", HERE, "--user", "ra", "--ca", explain.ca)
    assert "would wait for the CA that has its order: 202, Retry-After " in text
    site.db.execute("UPDATE est.enrollment SET ask_at = now() WHERE subject = 'CN=forwarded'", user="postgres")
    report = explain.report(label, csr, user="ra")
    assert report["outcome"] == "issued" and rule(report, "order")["verdict"] == "pass"


def test_a_denied_order(site, explain):
    label = site.alias(approval="first")
    csr = make_csr(make_key(), "CN=denied")
    explain(label, csr, user="ra")
    ((order,),) = site.db.rows("SELECT id::text FROM est.enrollment WHERE subject = 'CN=denied' AND outcome = 'pending'", user="postgres")
    site.db.execute("SELECT deny(%s, 'not one of ours')", order)
    report, _ = explain(label, csr, user="ra")
    assert report["error"] == "approval_denied" and rule(report, "approval_denied")["got"] == "not one of ours"


# --- what is refused: name: (error, columns of the alias, statement before, request, who)

def csr(subject="CN=device", san=(), key="ec:P-256", **more):
    return lambda site: make_csr(make_key(key), subject, san, **more)


def broken_signature(site):
    made = make_csr(make_key("ed25519"), "CN=device")
    return made[:-1] + bytes([made[-1] ^ 1])


def blocked(site):
    key = make_key()
    site.db.execute("INSERT INTO blocked_key (kind, fingerprint) VALUES ('spki', %s)", hashlib.sha256(spki_of(key)).digest())
    return make_csr(key, "CN=device")


def group(names, more=""):
    return f"WITH g AS (INSERT INTO entity_group (name, names) VALUES ('%(label)s', '{names}') RETURNING id), " \
           "m AS (INSERT INTO client_group (client_id, group_id) SELECT c.id, g.id FROM client c, g) " \
           f"UPDATE alias a SET group_id = g.id{more} FROM g WHERE a.name = '%(label)s'"


RULES = "WITH p AS (INSERT INTO certificate_profile (name) VALUES ('%(label)s') RETURNING id), " \
        "r AS (INSERT INTO profile_subject_rule (profile_id, attribute, required) SELECT id, a, a = 'O' FROM p, unnest('{CN,O}'::text[]) AS a) " \
        "UPDATE alias a SET profile_id = p.id FROM p WHERE a.name = '%(label)s'"
CA_TRUE = [(x509.BasicConstraints(True, None), True)]
REFUSED = {
    "disabled_alias": ("alias_unknown", {"enabled": False}, None, csr(), "ra"),
    "nobody": ("authentication_required", {}, None, csr(), None),
    "disabled": ("not_authorized", {}, "SELECT register_client('off', NULL); UPDATE client SET enabled = false WHERE user_name = 'off'", csr(), "off"),
    "ended": ("not_authorized", {}, "UPDATE client SET valid_until = now() - interval '1 day' WHERE user_name = 'off'; "
                                    "UPDATE client SET enabled = true WHERE user_name = 'off'", csr(), "off"),
    "network": ("network_refused", {}, "UPDATE client SET valid_until = NULL, networks = '{192.0.2.0/24}' WHERE user_name = 'off'", csr(), "off"),
    "group": ("group_refused", {}, "WITH g AS (INSERT INTO entity_group (name) VALUES ('%(label)s') RETURNING id) "
                                   "UPDATE alias SET group_id = g.id FROM g WHERE alias.name = '%(label)s'", csr(), "ra"),
    "no_certificate": ("certificate_required", {"auth_enroll": "cert"}, None, csr(), "ra"),
    "no_ca": ("alias_broken", {"ca": None}, None, csr(), "ra"),
    "no_profile": ("alias_inactive", {"profile_id": None}, None, csr(), "ra"),
    "profile_off": ("alias_inactive", {"profile_active": False}, None, csr(), "ra"),
    "no_base64": ("base64_invalid", {}, None, lambda site: b"!!!!", "ra"),
    "no_request": ("csr_invalid", {}, None, lambda site: der.seq(*[der.integer(n) for n in range(60)]), "ra"),
    "signature": ("csr_signature", {}, None, broken_signature, "ra"),
    "key_type": ("key_not_allowed", {}, None, csr(key="ed448"), "ra"),
    "key_of_the_ca": ("key_reserved", {}, None, lambda site: make_csr(site.pki.issuing.key, "CN=device"), "ra"),
    "key_blocked": ("key_blocked", {}, None, blocked, "ra"),
    "attribute_missing": ("name_invalid", {}, RULES, csr(), "ra"),
    "attribute_refused": ("name_refused", {}, RULES, csr("CN=device,O=x,OU=y"), "ra"),
    "san_refused": ("name_refused", {}, RULES, csr("CN=device,O=x", [dns("a.example")]), "ra"),
    "name_of_the_ca": ("name_invalid", {}, None, lambda site: make_csr(make_key(), site.pki.issuing.cert.subject), "ra"),
    "not_named": ("name_invalid", {}, None, lambda site: make_csr(make_key(), ""), "ra"),
    "group_names": ("name_refused", {}, group("{plant-*}"), csr(), "ra"),
    "own_names": ("name_not_yours", {}, "SELECT register_client('own', NULL)", csr(), "own"),
    "ca_powers": ("extension_refused", {}, None, csr(extensions=CA_TRUE), "ra"),
    "no_binding": ("binding_required", {"binding": "required"}, None, csr(), "ra"),
    "binding_off": ("binding_failed", {"binding": "off"}, None, csr(challenge=b"YWJj"), "ra"),
    "binding_no_base64": ("binding_failed", {}, None, csr(challenge=b"not base64"), "ra"),
    "ca_ends": ("ca_ends", {}, "WITH p AS (INSERT INTO certificate_profile (name, validity, beyond_ca) VALUES ('%(label)s', '50 years', 'refuse') "
                               "RETURNING id), r AS (INSERT INTO profile_subject_rule (profile_id, attribute) SELECT id, 'CN' FROM p) "
                               "UPDATE alias a SET profile_id = p.id FROM p WHERE a.name = '%(label)s'", csr(), "ra"),
    "quota": ("quota_exceeded", {}, group("{**}") + "; UPDATE entity_group SET quota_day = 1 WHERE name = '%(label)s'", csr("CN=device,O=%d"), "ra"),
    "rate": ("rate_exceeded", {"rate_client": 1, "rate_interval": "1 hour"}, None, csr("CN=device,O=%d"), "ra"),
    "active": ("active_limit", {"max_active": 1}, None, csr("CN=device,O=%d"), "ra"),
    "not_registered": ("entity_unknown", {"mode": "client"}, None, csr("CN=stranger"), "ra"),
    "suspended": ("entity_suspended", {"mode": "client"}, "SELECT register_entity('resting'); SELECT suspend('resting')", csr("CN=resting"), "ra"),
    "suspended_in_ra_mode": ("entity_suspended", {}, None, csr("CN=resting"), "ra"),
    "libest": ("name_refused", {"compat": "libest"}, group("{plant-*}"), csr(), "ra"),
}
TWICE = ("quota", "rate", "active")


@pytest.mark.parametrize("name", REFUSED)
def test_refused(site, explain, allow_log, name):
    allow_log(DENIED_USER, "EST1095", "EST1076", "EST1082")
    error, columns, statement, request, user = REFUSED[name]
    label = site.alias(**columns) if columns.get("enabled", True) else "off"
    if label == "off":
        site.db.execute("INSERT INTO alias (name, enabled) VALUES ('off', false)")
    for line in (statement % {"label": label}).split("; ") if statement else ():
        site.sql(line)
    if user in ("off", "own"):
        site.sql("UPDATE client SET password_hash = est.crypt(%s, est.gen_salt('bf', 4)) WHERE user_name = %s", site.PASSWORD, user)
    if name in TWICE:
        explain(label, make_csr(make_key(), "CN=device"), user=user)
    report, answer = explain(label, request(site), user=user)
    assert report["error"] == answer.reason == error
    failed = next(row for row in report["rules"] if row["verdict"] == "fail")
    assert failed["error"] == error and failed["got"]


HOLDERS = {
    "ended": ("certificate_refused", {}, "simpleenroll"),
    "revoked": ("certificate_revoked", {}, "simplereenroll"),
    "of_another_alias": ("certificate_unknown", {}, "simplereenroll"),
    "of_nobody": ("certificate_unknown", {}, "simplereenroll"),
    "of_a_stranger": ("certificate_required", {}, "simplereenroll"),
    "other_names": ("names_differ", {}, "simplereenroll"),
    "same_key": ("key_reuse", {"same_key": "forbid"}, "simplereenroll"),
    "early": ("renewal_early", {"renew_window": "1 day"}, "simplereenroll"),
    "name_taken": ("name_taken", {"unique_dn": True, "name_scheme": "dn:O"}, None),
    "key_taken": ("key_taken", {"unique_key": True}, None),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_refused_holders(site, explain, allow_log, name):
    allow_log(DENIED_USER)
    error, columns, operation = HOLDERS[name]
    label = site.alias(**columns)
    subject = f"CN=holder-{name},O=first"
    if name == "ended":
        holder = site.pki.issuing.issue(subject, not_before=now() - days(9), not_after=now() - days(2))
    elif name == "of_nobody":
        holder = site.pki.issuing.issue(subject)
    elif name == "of_a_stranger":
        holder = site.pki.foreign.issue(subject)
    else:
        holder = site.holder(subject, "est" if name == "of_another_alias" else label)
    if name == "revoked":
        site.revoke(holder.cert, "superseded")
    if operation is None:
        if name == "key_taken":
            request = make_csr(holder.key, "CN=another")
        else:
            request = make_csr(make_key(), subject)
            site.sql("UPDATE alias SET name_scheme = 'random' WHERE name = %s", label)
        report, answer = explain(label, request, user="ra")
    else:
        request = make_csr(holder.key if name == "same_key" else make_key(), "CN=else" if name == "other_names" else subject)
        report, answer = explain(label, request, identity=holder, operation=operation)
    assert report["error"] == answer.reason == error


# --- the program

def test_for_people(site, explain):
    path = explain.put("people.pem", b"Certificate Request:\n" + pem(make_csr(make_key(), "CN=people", [dns("people.example")])))
    text = explain.estctl("explain", "--csr", path, "--user", "ra", "--ca", explain.ca)
    assert "would be issued\n" in text and "  subject      CN=people\n" in text and "  san          dns:people.example\n" in text
    assert "keyUsage (critical): Digital Signature" in text and "authorityKeyIdentifier" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["own_names", "pass"] in [line[:2] for line in lines]
    status, text, _ = explain.estctl.run("explain", "--csr", path, "--quiet")
    assert status == 1 and text.endswith("would be refused: 401 authentication_required: authentication required\n")
    assert ["access", "FAIL"] in [line.split()[:2] for line in text.splitlines()]


def test_the_ca_may_come_from_the_environment(site, explain):
    path = explain.put("env.pem", pem(make_csr(make_key(), "CN=env")))
    report = json.loads(explain.estctl("explain", "--csr", path, "--user", "ra", "--json", environment={"EST_CA_CERTIFICATE": explain.ca}))
    assert rule(report, "ca")["verdict"] == "pass"


def test_an_address_counts_where_a_client_is_bound_to_networks(site, explain):
    site.register("bound", names="*", networks="192.0.2.0/24")
    request = make_csr(make_key(), "CN=bound")
    assert explain.report("est", request, user="bound", network="192.0.2.7")["status"] == 200
    assert explain.report("est", request, user="bound", network="198.51.100.7")["error"] == "network_refused"
    assert explain.report("est", request, user="bound", network=None)["error"] == "network_refused"


@pytest.mark.parametrize("arguments, message", (
    ((), "--csr FILE is missing"), (("--csr", "/nonexistent"), "/nonexistent"),
    (("--csr", "CSR", "--operation", "cacerts"), "neither simpleenroll nor simplereenroll"), (("--csr", "CSR", "--network", "here"), "is no address"),
    (("--csr", "CSR", "--user", "a", "--entity", "b"), "one login"), (("--csr", "CSR", "--entity", "b"), "mode ra"),
    (("--csr", "CSR", "--ca", "/nonexistent"), "/nonexistent"), (("--csr", "CSR", "--cert", "CSR"), "certificate")))
def test_usage(site, explain, arguments, message):
    path = explain.put("usage.pem", pem(make_csr(make_key(), "CN=usage")))
    assert message in explain.estctl.refused("explain", *[path if word == "CSR" else word for word in arguments], status=2)


def test_who_may_ask(site, explain, allow_log):
    allow_log("permission denied")
    path = explain.put("role.pem", pem(make_csr(make_key(), "CN=role")))
    assert "est_admin" in explain.estctl.refused("-d", site.db.url("est_module"), "explain", "--csr", path, "--user", "ra", status=3, url=False)
