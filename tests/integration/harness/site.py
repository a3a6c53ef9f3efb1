# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""A site: one httpd (more where a test adds nodes), one database, and the books of what it handed out."""

import hashlib
import itertools
import os
import re

from cryptography import x509

from . import run
from .client import EstClient
from .httpd import Config, Httpd
from .lint import findings
from .pki import Identity, make_csr, make_key

# A child of httpd that ends closes its pollset while threads still put connections into it: httpd's own, and of no consequence
ENDING = r"\[pid [^\]]*\] \(9\)Bad file descriptor: AH(03092|03093|03465|10503): process_"
BAD_HTTPD = re.compile(rf"\] \[[^\]:]*:(warn|error|crit|alert|emerg)\] (?!{ENDING})")
# Certificates of a site that are looked at in the end, unless a test does so itself: each takes some milliseconds
LINTED = 300
# CREATE DATABASE ends an autovacuum that has begun on the template, and ALTER TABLE one of its table; httpd ends while its
# maintenance waits for an answer
BAD_POSTGRES = re.compile(r"\b(WARNING|ERROR|FATAL|PANIC):  (?!terminating autovacuum process due to administrator command|"
                          r"canceling autovacuum task|connection to client lost)")

BASIC_POLICY = """
    INSERT INTO certificate_profile (name, validity, keys)
    VALUES ('device', '90 days', '{"ec:P-256,P-384,P-521", rsa:2048-8192, ed25519}');

    INSERT INTO profile_subject_rule (profile_id, attribute)
    SELECT id, attribute FROM certificate_profile, unnest('{CN,O,OU,C,serialNumber}'::text[]) AS attribute WHERE name = 'device';

    INSERT INTO profile_san_rule (profile_id, type, max_count)
    SELECT id, type, 8 FROM certificate_profile, unnest('{dns,ip,email,uri}'::text[]) AS type WHERE name = 'device';

    INSERT INTO profile_extension (profile_id, name, critical, value)
    SELECT p.id, e.name, e.critical, e.value
    FROM certificate_profile p,
         (VALUES ('keyUsage', true, 'digitalSignature'), ('extendedKeyUsage', false, 'clientAuth')) AS e (name, critical, value)
    WHERE p.name = 'device';

    UPDATE api_properties SET prop_value = 'issuing', prop_status = 1 WHERE prop_key = 'est.est.ca';
    UPDATE api_properties SET prop_value = 'device', prop_status = 1 WHERE prop_key = 'est.est.profile';
"""


class Ledger:
    """Certificates that clients were given, to be held against the rows."""

    def __init__(self, database):
        self.database = database
        self.given, self.settled = set(), set()
        self.may_have_more = False

    def add(self, certificate):
        self.given.add(hashlib.sha256(certificate).hexdigest())

    def complaint(self):
        """Says how books and rows differ, once."""
        rows = {value for (value,) in self.database.rows("SELECT encode(sha256(der), 'hex') FROM est.certificate", user="postgres")}
        unseen, missing = rows - self.given - self.settled, self.given - rows - self.settled
        self.settled |= unseen | missing
        if missing:
            return f"{len(missing)} certificates were handed out that have no row"
        if unseen and not self.may_have_more:
            return f"{len(unseen)} certificates have rows but were handed out to nobody"
        return None


class Site:
    PASSWORD = "correct horse"

    def __init__(self, name, directory, postgres, pki, **fields):
        self.name, self.pki, self.postgres = name, pki, postgres
        self.db = postgres.clone(name)
        self.ledger = Ledger(self.db)
        self.config = Config(**fields)
        self.mount = self.config.mount
        self.httpd = Httpd(os.path.join(directory, name), pki, self.db.url(), self.config)
        self.port = self.httpd.port
        self.numbers = itertools.count(1)
        self.seen_reports = {}
        self.lint_exceptions = {}
        self.nodes = []
        self.db.execute(BASIC_POLICY)
        self.user = self.register("ra", names="*")

    # --- policy

    def sql(self, statement, *params, user="admin"):
        """Runs it, and returns when every child that runs has the policy it made."""
        cursor = self.db.execute(statement, *params, user=user)
        if self.httpd.process:
            self.sync()
        return cursor

    def sync(self):
        """Notifications come in order: when a new alias is known, so is all that was changed before."""
        marker = f"sync-{next(self.numbers)}"
        self.db.execute("DELETE FROM alias WHERE name LIKE 'sync-%%' AND name <> %s", marker)
        self.db.execute("INSERT INTO alias (name, ca) SELECT %s, a.ca FROM alias a WHERE a.name = 'est'", marker)
        if self.config.children == 1:
            with self.client() as client:
                run.wait_until(lambda: client.get("cacerts", marker).status != 400, 20, "httpd to learn of a change of policy")
            return
        start = self.httpd.log.size()

        def known():  # to each of several children: a new connection comes to any, and the log says to which
            with self.client() as client:
                client.get("cacerts", marker)
            told = [re.search(r"\[pid (\d+)", line) for line in self.log_lines(start) if f"[alias={marker} " in line]
            return set(self.httpd.children()) <= {int(match[1]) for match in told}
        run.wait_until(known, 20, "each child of httpd to learn of a change of policy")

    def alias(self, name=None, **columns):
        """A new alias with the ca and profile of alias est; returns its name."""
        name = name or f"a{next(self.numbers)}"
        columns.setdefault("profile_id", self.profile_id("device"))
        columns.setdefault("ca", "issuing")
        names = ", ".join(["name", *columns])
        self.sql(f"INSERT INTO alias ({names}) VALUES ({', '.join(['%s'] * (len(columns) + 1))})", name, *columns.values())
        return name

    def profile_id(self, name):
        return self.db.value("SELECT id FROM certificate_profile WHERE name = %s", name)

    def register(self, user=None, password=PASSWORD, names="own", cost=4, **more):
        """A registered client with a cheap hash; returns its user name."""
        user = user or f"user-{next(self.numbers)}"
        arguments = "".join(f", {key} => %s" for key in more)
        self.db.execute(f"SELECT register_client(%s, %s, names => %s{arguments})", user, "x", names, *more.values())
        self.sql("UPDATE client SET password_hash = est.crypt(%s, est.gen_salt('bf', %s)) WHERE user_name = %s", password, cost, user)
        return user

    # --- clients

    def client(self, user=None, password=PASSWORD, identity=None, tls=None, mount=None):
        return EstClient(self, user, password, identity, tls, mount)

    def ra(self, **more):
        """A client that may ask for any name."""
        return self.client(self.user, **more)

    def holder(self, subject="CN=holder", label=None, san=(), key=None):
        """A certificate enrolled here, with its key."""
        key = key or make_key()
        with self.ra() as client:
            cert = client.enroll(make_csr(key, subject, san), label).cert()
        return Identity(key, cert, self.pki.issuing.chain())

    def revoke(self, cert, reason="keyCompromise"):
        self.db.execute("SELECT revoke(%s, %s)", format(cert.serial_number, "x"), reason)

    # --- what it has done

    def counts(self):
        return self.db.value("SELECT count(*) FROM est.certificate", user="postgres")

    def except_lint(self, check, reason):
        """The certificates of this site may have what check (a name of lint.LINTS) finds, on purpose."""
        self.lint_exceptions[check] = reason

    def lint(self):
        """What the checks find in certificates that are on record: in all of them, or LINTED that lie between the first and the last"""
        complaints, rows = [], self.db.rows("SELECT serial, der FROM est.certificate ORDER BY id", user="postgres")
        given = [oid for (oid,) in self.db.rows("SELECT DISTINCT name FROM est.profile_extension", user="postgres")]
        subjects = {der: x509.load_der_x509_certificate(der).subject.public_bytes() for der in self.httpd.authorities}
        for number in range(min(len(rows), LINTED)):
            serial, octets = rows[number * len(rows) // min(len(rows), LINTED)]
            issuer = x509.load_der_x509_certificate(bytes(octets)).issuer.public_bytes()
            # Each was issued by one of this site's CAs; several may have its name
            issuers = [der for der, subject in subjects.items() if subject == issuer] or subjects
            found = [findings(bytes(octets), der, self.lint_exceptions, given) for der in issuers]
            complaints += [f"certificate {serial}: {text}" for text in min(found, key=len)]
        return complaints[:20]

    def log_lines(self, offset=0):
        return self.httpd.log.since(offset)

    def start(self):
        self.httpd.start()
        return self

    def node(self, **fields):
        """One more httpd on this database, with the same CA; not started"""
        self.nodes.append(Node(self, f"{self.httpd.directory}-{len(self.nodes) + 2}", **fields))
        return self.nodes[-1]

    def all_httpd(self):
        return [self.httpd, *[node.httpd for node in self.nodes]]

    def close(self):
        for httpd in self.all_httpd():
            httpd.stop()
        self.db.close()
        for httpd in self.all_httpd():
            httpd.release()


class Node:
    """Another httpd of a site: what clients need of a Site, the books included"""

    def __init__(self, site, directory, **fields):
        self.site, self.pki, self.db, self.ledger, self.user = site, site.pki, site.db, site.ledger, site.user
        self.config = Config(**fields)
        self.mount = self.config.mount
        self.httpd = Httpd(directory, site.pki, site.db.url(), self.config)
        self.port = self.httpd.port

    def client(self, user=None, password=Site.PASSWORD, identity=None, tls=None, mount=None):
        return EstClient(self, user, password, identity, tls, mount)

    def ra(self, **more):
        return self.client(self.user, **more)

    def start(self):
        self.httpd.start()
        return self


def complaints(sites, postgres, announced, allowed):
    """What the logs and the books say against a test. announced: texts that must appear; allowed: that may."""
    lines = []
    for site in sites:
        lines += [line for httpd in site.all_httpd() for line in httpd.log.unchecked() + httpd.output.unchecked() if BAD_HTTPD.search(line)]
    for server in postgres:
        lines += [line for line in server.log.unchecked() if BAD_POSTGRES.search(line)]
    found = [f"not announced: {line}" for line in lines if not any(text in line for text in (*announced, *allowed))]
    found += [f"announced, but not logged: {text}" for text in announced if not any(text in line for line in lines)]
    for site in sites:
        for httpd in site.all_httpd():
            reports = httpd.reports()
            found += reports[site.seen_reports.get(httpd, 0):]
            site.seen_reports[httpd] = len(reports)
        if site.postgres.process:
            complaint = site.ledger.complaint()
            found += [complaint] if complaint else []
    return found
