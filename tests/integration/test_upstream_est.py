# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
A mod_est that forwards to another one (driver est): two httpd, a database each. "upper" has the CA, and knows "site" as a
registration authority, by password and by TLS client certificate.
"""

import pytest
from cryptography.hazmat.primitives import serialization

from clients.orders import check_failed, check_waits, enrol, hurry, lines, one_row, rows
from harness import run
from harness.bound import BoundConnection
from harness.client import EstClient
from harness.entities import anchor
from harness.lint import lint
from harness.pki import CertificateAuthority, Identity, dns, make_csr, make_key, pem_key

DER = serialization.Encoding.DER
TIMEOUT = 5 * run.SLOW

# <EstCA> block, and alias, of the lower one -> (label at the upper one, how it is known there)
BLOCKS = {
    "bypassword": (None, "basic"),
    "bycert": ("certs", "certificate"),
    "labelled": ("labelled", "basic"),
    "approved": ("approved", "basic"),
    "strict": ("strict", "basic"),
    "carried": ("carried", "certificate"),
    "demanding": ("demanding", "certificate"),
    "notcarried": ("notcarried", "certificate"),
    "stranger": (None, "wrong"),
    "refreshed": (None, "basic"),
    "moved": ("labelled", "basic"),
    "elsewhere": ("labelled", "basic"),
}
# What its server redirects, in the stead of its mount; the last one leads to the same port by another name
MOVED = {"moved": "/moved", "elsewhere": "/elsewhere"}


@pytest.fixture(scope="module")
def upper(make_site, pki):
    """Its CA is not that of the TLS servers, so that one can be told from the other"""
    upper = make_site("upper", start=False, forks=True, modules=("alias",))
    upper.config.vhost = f"""Redirect 307 /moved {upper.mount}
    Redirect 308 /elsewhere https://127.0.0.1:{upper.port}{upper.mount}"""
    upper.ledger.may_have_more = True  # they go to clients of the lower one
    upper.ca = CertificateAuthority("O=Upper,CN=Issuing CA", CertificateAuthority("O=Upper,CN=Root"))
    upper.httpd.put_ca("issuing", upper.ca)
    upper.alias("labelled")
    upper.alias("approved", approval="all", retry_after="3 seconds")
    upper.alias("strict")
    upper.alias("certs", auth_enroll="cert")
    upper.alias("carried", auth_enroll="cert", ra_binding=True)
    upper.alias("notcarried", auth_enroll="cert")
    upper.alias("demanding", auth_enroll="cert", binding="required", ra_binding=True)
    authorities = CertificateAuthority("O=Upper,CN=Registration authorities")
    upper.agent = authorities.issue("CN=lower")
    for label in ("certs", "carried", "notcarried", "demanding"):
        anchor(upper, label, "ra", authorities)
    upper.db.execute("SELECT register_client('lower-cert', certificate => %s, names => '*')",
                     upper.agent.cert.public_bytes(serialization.Encoding.PEM).decode())
    upper.register("lower", names="*")
    return upper.start()


@pytest.fixture(scope="module")
def site(upper, make_site):
    site = make_site("lower", start=False, forks=True)
    httpd = site.httpd
    httpd.authorities.append(upper.ca.der())
    trust = httpd.put("trust.pem", site.pki.root.pem())
    password, wrong = httpd.put("secret", site.PASSWORD + "\n"), httpd.put("wrong", "wrong horse\n")
    credentials = {
        "basic": f"EstCAUser lower\n    EstCAPassword file:{password}",
        "wrong": f"EstCAUser lower\n    EstCAPassword file:{wrong}",
        "certificate": f"EstCAClientCertificate {httpd.put('ra.crt', upper.agent.pem_chain())}\n"
                       f"    EstCAClientKey {httpd.put('ra.key', pem_key(upper.agent.key))}",
    }
    cache = run.make_directory(httpd.directory + "/cache")
    site.config.ca_blocks = [httpd.ca_block("issuing")]
    for name, (label, how) in BLOCKS.items():
        url = f"https://localhost:{upper.port}{MOVED.get(name, upper.mount)}" + (f"/{label}" if label else "")
        site.config.ca_blocks.append(f"""<EstCA {name}>
    EstCADriver est
    EstCAUpstream {url}
    EstCATrust {trust}
    {credentials[how]}
    EstCATimeout {TIMEOUT}
    EstCAFailures 100
    EstCACacheFile {cache}/{name}.p7
    EstCARefresh {1 if name == "refreshed" else 3600}
</EstCA>""")
        site.alias(name, ca=name)
    return site.start()


@pytest.fixture(autouse=True)
def never_known(allow_log):
    """The cacerts of this one are sought in vain, and said to be, by a thread of its own some seconds after the child has begun."""
    allow_log("the certificates of the upstream of <EstCA elsewhere> are not known yet")


def issued_above(upper, subject):
    """(identity_kind, identity, DER) of what the upper one has issued"""
    return [(kind, identity, bytes(der)) for kind, identity, der in upper.db.rows(
        "SELECT e.identity_kind, e.identity, c.der FROM est.enrollment e JOIN est.certificate c ON c.id = e.certificate_id"
        " WHERE c.subject = %s ORDER BY e.at", subject, user="postgres")]


# --- credentials and labels

@pytest.mark.parametrize("label, kind, identity", [("bypassword", "user", "lower"), ("bycert", "ra", "CN=lower")])
def test_a_registration_authority_by_password_and_by_certificate(site, upper, label, kind, identity):
    subject = f"CN=known-{label}"
    cert = enrol(site, make_csr(make_key(), subject, [dns(label + ".example")]), label).cert()
    lint(cert, upper.ca.cert)
    assert issued_above(upper, subject) == [(kind, identity, cert.public_bytes(DER))]
    row = one_row(site, subject, "issued")
    assert (row.cert_ca, row.issuer, bytes(row.der)) == (label, upper.ca.cert.subject.rfc4514_string(), cert.public_bytes(DER))


def test_what_renews_here_enrols_there(site, upper):
    key, subject = make_key(), "CN=renews"
    cert = enrol(site, make_csr(key, subject), "bypassword").cert()
    with site.client(identity=Identity(key, cert, upper.ca.chain())) as client:
        new = client.reenroll(make_csr(make_key(), subject), "bypassword").cert()
    lint(new, upper.ca.cert)
    assert [der for _, _, der in issued_above(upper, subject)] == [each.public_bytes(DER) for each in (cert, new)]


def test_the_label_is_the_upstreams(site, upper):
    enrol(site, make_csr(make_key(), "CN=labelled-1"), "labelled").cert()
    assert upper.db.value("SELECT alias FROM est.certificate WHERE subject = 'CN=labelled-1'", user="postgres") == "labelled"


def test_wrong_credentials_are_named_in_the_log(site, expect_log, allow_log):
    expect_log("EST1103")
    allow_log("AH01617")
    seen = site.httpd.log.size()
    check_failed(enrol(site, make_csr(make_key(), "CN=stranger"), "stranger"), 502, "ca_refused")
    (line,) = lines(site, seen, "EST1103")
    assert "HTTP 401" in line and "EstCAUser" in line and "wrong horse" not in line


def test_a_redirection_to_the_same_origin_is_followed(site, upper):
    """RFC 7030 3.2.1, for cacerts and for an enrolment"""
    lint(enrol(site, make_csr(make_key(), "CN=moved"), "moved").cert(), upper.ca.cert)
    assert upper.db.value("SELECT alias FROM est.certificate WHERE subject = 'CN=moved'", user="postgres") == "labelled"
    assert upper.ca.cert in cacerts(site, "moved").certs()


def test_a_redirection_to_another_origin_is_not_followed(site, upper, expect_log):
    expect_log("EST1100")
    seen = site.httpd.log.size()
    check_failed(enrol(site, make_csr(make_key(), "CN=elsewhere"), "elsewhere"), 503, "ca_unavailable", retry=True)
    (line,) = lines(site, seen, "EST1100")
    target = f"https://127.0.0.1:{upper.port}{upper.mount}/labelled/cacerts"
    assert f'localhost:{upper.port}: HTTP 308: the redirection to "{target}" is not followed: another host' in line.replace('\\"', '"')


# --- what the upper one says

def test_its_approval_is_ours(site, upper):
    key, subject = make_key(), "CN=two-floors"
    check_waits(enrol(site, make_csr(key, subject), "approved"), 3)
    order = upper.db.value("SELECT id::text FROM pending WHERE subject = %s", subject)
    check_waits(enrol(site, make_csr(key, subject), "approved"), 1, 2, 3)
    upper.db.execute("SELECT approve(%s)", order)
    hurry(site, subject)
    cert = enrol(site, make_csr(key, subject), "approved").cert()
    assert issued_above(upper, subject) == [("user", "lower", cert.public_bytes(DER))]
    assert len(rows(site, subject)) == 1


def test_its_denial_is_ours(site, upper, expect_log):
    csr, subject = make_csr(make_key(), "CN=denied-above"), "CN=denied-above"
    expect_log("EST1103")
    check_waits(enrol(site, csr, "approved"), 3)
    upper.db.execute("SELECT deny(id::text, 'no such device was bought') FROM pending WHERE subject = %s", subject)
    hurry(site, subject)
    seen = site.httpd.log.size()
    check_failed(enrol(site, csr, "approved"), 502, "ca_refused")
    assert "no such device was bought" in one_row(site, subject, "failed").reason
    assert lines(site, seen, "EST1103", "no such device was bought")


def test_its_refusals_are_in_our_log(site, upper, expect_log):
    expect_log("EST1103")
    narrow = upper.db.value("INSERT INTO certificate_profile (name, validity, keys) VALUES ('narrow', '90 days', '{rsa:2048-8192}') RETURNING id")
    upper.sql("INSERT INTO profile_subject_rule (profile_id, attribute) VALUES (%s, 'CN')", narrow)
    upper.sql("UPDATE alias SET profile_id = %s WHERE name = 'strict'", narrow)
    seen = site.httpd.log.size()
    answer = enrol(site, make_csr(make_key(), "CN=strict"), "strict")
    check_failed(answer, 502, "ca_refused")
    (line,) = lines(site, seen, "EST1103")
    with EstClient(upper, "lower", upper.PASSWORD) as client:
        said = client.enroll(make_csr(make_key(), "CN=strict"), "strict")
    words = said.text.partition(" (request ")[0]
    assert said.status == 400 and "EC P-256" in words and words in line, "the words of the upper one"
    assert words in one_row(site, "CN=strict", "failed").reason


# --- channel binding: to the connection between client and lower one

@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_AUTH_11_the_binding_of_our_connection_is_carried(site, tls):
    """ra_binding at the upper one: a registration authority may pass on what binds to its own client's connection"""
    with BoundConnection(site, tls) as client:
        client.enroll(make_csr(make_key(), "CN=carried-" + tls.replace(".", ""), challenge=client.value), "carried").cert()


def test_a_binding_that_the_upper_one_does_not_take(site, expect_log):
    """Without ra_binding it has to be that of the connection between the two, which no client knows"""
    expect_log("EST1103")
    seen = site.httpd.log.size()
    with BoundConnection(site, "1.3") as client:
        answer = client.enroll(make_csr(make_key(), "CN=bound-in-vain", challenge=client.value), "notcarried")
    check_failed(answer, 502, "ca_refused")
    assert lines(site, seen, "EST1103", "challengePassword")


def test_a_binding_that_the_upper_one_demands(site, expect_log):
    expect_log("EST1103")
    seen = site.httpd.log.size()
    check_failed(enrol(site, make_csr(make_key(), "CN=unbound"), "demanding"), 502, "ca_refused")
    assert lines(site, seen, "EST1103", "channel binding")
    with BoundConnection(site, "1.3") as client:
        client.enroll(make_csr(make_key(), "CN=bound", challenge=client.value), "demanding").cert()


def test_a_wrong_binding_is_refused_here(site, upper):
    with BoundConnection(site, "1.3") as other, BoundConnection(site, "1.3") as client:
        answer = client.enroll(make_csr(make_key(), "CN=misbound", challenge=other.value), "carried")
    assert (answer.status, answer.reason) == (400, "binding_failed")
    assert not issued_above(upper, "CN=misbound")


# --- its CA

def cacerts(site, label):
    with site.client() as client:
        return client.get("cacerts", label)


@pytest.mark.row("CA-03", "CA-04")
def test_CA_03_CA_04_its_cacerts_are_ours(site, upper):
    assert {cert.public_bytes(DER) for cert in cacerts(site, "bypassword").certs()} == {upper.ca.der(), upper.ca.issuer.der()}
    assert site.pki.issuing.cert in cacerts(site, None).certs()


def test_a_copy_serves_while_it_is_down_and_after_a_restart(site, upper, expect_log, allow_log):
    expect_log("EST1100")
    allow_log("cannot be looked at again, those of before are used")  # by a thread of its own, when it has come to that
    before = cacerts(site, "bypassword").body
    upper.httpd.stop()
    try:
        assert cacerts(site, "bypassword").body == before
        site.httpd.stop()
        site.httpd.start()
        assert cacerts(site, "bypassword").body == before
        csr = make_csr(make_key(), "CN=cached")
        check_failed(enrol(site, csr, "bypassword"), 503, "ca_unavailable", retry=True)
        enrol(site, make_csr(make_key(), "CN=local-meanwhile"), None).cert()
    finally:
        upper.httpd.start()
    lint(enrol(site, csr, "bypassword").cert(), upper.ca.cert)


def test_its_new_ca_is_taken_over(site, upper, allow_log):
    """The first certificate of the new one has us look; the old one's holders renew when the alias knows that by a row"""
    allow_log("connection to client lost")  # of children of a generation that ends
    allow_log("<EstCA refreshed> cannot be looked at again")  # at one of these, every second
    key, subject = make_key(), "CN=rolls-over"
    old = enrol(site, make_csr(key, subject), "bypassword").cert()
    before, upper.ca = upper.ca, CertificateAuthority("O=Upper,CN=Issuing CA 2", upper.ca.issuer)
    site.httpd.authorities.append(upper.ca.der())
    upper.httpd.put_ca("issuing", upper.ca)
    upper.httpd.graceful()
    cert = enrol(site, make_csr(make_key(), "CN=of-the-new"), "bypassword").cert()
    lint(cert, upper.ca.cert)
    assert one_row(site, "CN=of-the-new", "issued").issuer == upper.ca.cert.subject.rfc4514_string()
    assert upper.ca.cert in cacerts(site, "bypassword").certs()
    run.wait_until(lambda: upper.ca.cert in cacerts(site, "refreshed").certs(), 10, "EstCARefresh to be over")
    renewal, holder = make_csr(make_key(), subject), Identity(key, old, before.chain())
    with site.client(identity=holder) as client:
        assert client.reenroll(renewal, "bypassword").reason == "certificate_required", "whose CA is there no more"
    anchor(site, "bypassword", "holder", before)
    with site.client(identity=holder) as client:
        lint(client.reenroll(renewal, "bypassword").cert(), upper.ca.cert)
