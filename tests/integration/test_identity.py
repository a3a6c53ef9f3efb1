# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Attempts to be someone else (docs/conformance.md, rows AUTH and A): by headers, by credentials that are none, by certificates
that say too much, by tricks with TLS. On a host with EstVerifyClient on and on one with SSLVerifyClient optional.
"""

import base64
import contextlib
import http.client
import re
import socket
import ssl

import pytest
from cryptography import x509

from harness import der, pki as harness_pki
from harness.client import LIMIT, Answer, b64, basic, context, raw
from harness.httpd import PASSWORD_MISMATCH, USER_NOT_FOUND
from harness.openssl import SClient
from harness.pki import CLIENT_AUTH, CMC_RA, SERVER_AUTH, CertificateAuthority, Identity, days, dns, make_csr, make_key, now

CHALLENGE = 'Basic realm="EST"'
VERSIONS = ("1.2", "1.3")


@pytest.fixture(scope="module", params=["EstVerifyClient_on", "SSLVerifyClient_optional"])
def place(request, make_site):
    if request.param == "EstVerifyClient_on":
        site = make_site("ident")
    else:
        site = make_site("identopt", verify="optional", verify_client="")
    site.by_mod_ssl = request.param != "EstVerifyClient_on"
    # Certificates of its CA without a row are taken, so that only their contents decide
    site.cert = site.alias(auth_enroll="cert", unknown_holder="accept")
    site.either = site.alias(auth_enroll="basic-or-cert", unknown_holder="accept")
    site.strict = site.alias(auth_enroll="basic")
    site.own = site.pki.issuing.issue()
    site.held = site.holder("CN=device-1", site.strict)
    site.sql("UPDATE alias SET auth_enroll = 'cert' WHERE name = %s", site.strict)
    return site


@contextlib.contextmanager
def nothing_issued(site):
    before = site.counts()
    yield
    assert site.counts() == before


def enroll(site, label, subject="CN=device-1", headers=None, san=(), challenge=None, **more):
    with site.client(**more) as client:
        return client.enroll(make_csr(make_key(), subject, san, challenge=challenge), label, headers)


# --- headers

def claims(site):
    """Row and headers that would make the sender someone, were they believed"""
    pem = site.held.pem_chain().decode().replace("\n", " ")
    cert = base64.b64encode(site.held.cert.public_bytes(harness_pki.serialization.Encoding.DER)).decode()
    return {
        "A-01_ssl_variables": {"SSL_CLIENT_CERT": pem, "SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_S_DN": "CN=root", "SSL_CLIENT_S_DN_CN": "ra"},
        "A-02_certificate": {"SSL-Client-Cert": pem, "SSL-Client-Verify": "SUCCESS", "X-SSL-Client-Verify": "SUCCESS", "X-Client-Cert": pem},
        "A-02_other_proxies": {"Client-Cert": f":{cert}:", "X-SSL-Client-Cert": cert, "X-SSL-Cert": pem, "X-ARR-ClientCert": cert,
                               "X-Forwarded-Client-Cert": f"Cert={cert}", "X-Forwarded-Tls-Client-Cert": cert, "X-SSL-Client-S-DN": "CN=ra"},
        "A-02_users": {"REMOTE_USER": "ra", "Remote-User": "ra", "X-Remote-User": "ra", "X-Forwarded-User": "ra"},
        "A-03_forwarded": {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "localhost",
                           "Forwarded": "for=127.0.0.1;proto=https", "X-Real-IP": "127.0.0.1", "Via": "1.1 ra", "Proxy": "http://127.0.0.1:1/"},
    }


@pytest.mark.row("AUTH-09")
@pytest.mark.parametrize("row", ["A-01_ssl_variables", "A-02_certificate", "A-02_other_proxies", "A-02_users", "A-03_forwarded"])
def test_headers_make_nobody_anyone(place, row):
    headers = claims(place)[row]
    # All at once, and each by itself
    for sent in (headers, *({name: value} for name, value in headers.items())):
        with nothing_issued(place):
            assert enroll(place, place.cert, headers=sent).reason == "certificate_required", sent
            assert enroll(place, place.either, headers=sent).status == 401, sent
            assert enroll(place, "est", headers=sent).status == 401, sent


def test_A_03_failures_are_counted_for_the_real_peer(place, expect_log):
    expect_log(PASSWORD_MISMATCH)
    user = place.register()
    statuses = [enroll(place, "est", headers={"Authorization": basic(user, f"wrong {i}"), "X-Forwarded-For": f"203.0.113.{i}",
                                              "Forwarded": f"for=203.0.113.{i}", "X-Real-IP": f"203.0.113.{i}"}).status for i in range(11)]
    assert statuses == [401] * 10 + [429]


# --- credentials

def pair(octets):
    return "Basic " + base64.b64encode(octets).decode()


# What stands in Authorization, {good} being what lets user ra in; why it does not
BROKEN = {
    "A-04_no_colon": (pair(b"ra"), "user without colon"),
    "A-04_not_base64": ("Basic ???", "other characters"),
    "A-04_rubbish_behind": ("{good}?", "what is behind the base64 is not cut off"),
    "A-04_padding_missing": ("Basic cmE6eA", "no padding"),
    "A-04_padding_inside": ("Basic cmE=OnhjY2Nj", "data behind padding"),
    "A-04_scheme_alone": ("Basic", "no credentials"),
    "A-04_scheme_and_blank": ("Basic  ", "no credentials"),
    "A-04_scheme_missing": ("cmE6eA==", "credentials without scheme"),
    "A-04_nul_in_user": (pair(b"ra\0x:correct horse"), "must not be cut to ra"),
    "A-04_nul_behind_user": (pair(b"ra\0:correct horse"), "must not be cut to ra"),
    "A-04_nul_in_password": (pair(b"ra:correct horse\0x"), "must not be cut to the right one"),
    "A-04_long": (pair(b"ra:" + b"x" * 5000), "a long password"),
    "A-04_one_line_two_values": ("{good}, {good}", "as httpd joins two headers"),
    "A-04_one_line_other_first": ("{bad}, {good}", "as httpd joins two headers"),
    "A-04_one_line_scheme": ("{good}, Bearer x", "as httpd joins two headers"),
    "A-04_blank_inside": ("Basic cmE6 eA==", "two words"),
    "A-05_sql": (pair(b"' OR '1'='1:x"), "SQL"),
    "A-05_sql_comment": (pair(b"admin'--:x"), "SQL"),
    "A-05_percent": (pair(b"%:x"), "wildcard of LIKE"),
    "A-05_ldap": (pair(b"*)(uid=*:x"), "LDAP filter"),
    "A-05_crlf": (pair(b"a\r\nb: c:x"), "line break in the user"),
    "A-05_latin1": (pair(b"\xff\xfe:x"), "not UTF-8"),
    "A-05_long": (pair(b"u" * 5000 + b":x"), "a user of 5000 octets"),
    "A-06_bearer": ("Bearer abc", "another scheme"),
    "A-06_negotiate": ("Negotiate YIIB", "another scheme"),
    "A-06_unknown": ("Xyz a=b", "another scheme"),
    "A-06_basic_prefix": ("Basicx cmE6eA==", "another scheme"),
    "A-06_digest_stale": ('Digest username="ra", realm="EST", nonce="stale", uri="{uri}", qop=auth, nc=00000001, cnonce="c", response="' + "0" * 32 + '"',
                          "no nonce of ours"),
    "A-06_digest_other_uri": ('Digest username="ra", realm="EST", nonce="n", uri="/other", qop=auth, nc=00000001, cnonce="c", response="' + "0" * 32 + '"',
                              "made for another resource"),
    "A-06_digest_no_qop": ('Digest username="ra", realm="EST", nonce="n", uri="{uri}", response="' + "0" * 32 + '"', "RFC 2069"),
    "AUTH-08_empty_user": ("Basic OnNlY3JldA==", "nobody has the empty name"),
    "AUTH-08_both_empty": ("Basic Og==", "nobody has the empty name"),
}


@pytest.mark.parametrize("row", BROKEN)
def test_credentials_that_are_none(place, allow_log, row):
    allow_log(PASSWORD_MISMATCH, USER_NOT_FOUND)
    value, why = BROKEN[row]
    value = value.format(good=basic(place.user, place.PASSWORD), bad=basic(place.user, "wrong"), uri=f"{place.mount}/simpleenroll")
    offset = place.httpd.log.size()
    with nothing_issued(place):
        for _ in range(2):  # a nonce that is used again is no better
            answer = enroll(place, "est", headers={"Authorization": value})
            assert (answer.status, answer.reason) == (401, "authentication_required"), why
            assert answer.headers.get_all("WWW-Authenticate") == [CHALLENGE]
        # Neither does it help a certificate that would do by itself
        assert enroll(place, place.either, headers={"Authorization": value}, identity=place.own).status == 401, why
    lines = place.log_lines(offset)
    assert lines and all(line.startswith("[") for line in lines), "a line of the log is the sender's"
    assert not any("correct horse" in line or base64.b64encode(b"correct horse").decode() in line for line in lines)


@pytest.mark.parametrize("row", BROKEN)
def test_broken_credentials_do_not_matter_where_none_are_wanted(place, row):
    value = BROKEN[row][0].format(good=basic(place.user, place.PASSWORD), bad=basic(place.user, "wrong"), uri="/")
    with place.client() as client:
        assert client.get("cacerts", headers={"Authorization": value}).status == 200
    assert enroll(place, place.cert, headers={"Authorization": value}, identity=place.own).status == 200


def post(site, label, csr, *headers):
    lines = [f"POST {site.mount}/{label}/simpleenroll HTTP/1.1", "Host: localhost", "Connection: close", "User-Agent: est-test",
             "Content-Type: application/pkcs10", f"Content-Length: {len(b64(csr))}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + b64(csr)


@pytest.mark.parametrize("second", ["same", "wrong", "bearer", "empty"])
@pytest.mark.parametrize("order", [1, -1])
def test_A_04_two_headers(place, second, order):
    good = "Authorization: " + basic(place.user, place.PASSWORD)
    other = {"same": good, "wrong": "Authorization: " + basic(place.user, "wrong"), "bearer": "Authorization: Bearer x", "empty": "Authorization:"}
    with nothing_issued(place):
        answer = raw(place, post(place, "est", make_csr(make_key()), *[good, other[second]][::order]))
    assert (answer.status, answer.header("WWW-Authenticate")) == (401, CHALLENGE)


@pytest.mark.parametrize("row", ["A-04_64_KiB", "A-05_user_of_10_KiB"])
def test_headers_over_httpds_limit(place, row):
    value = pair(b"u" * 10240 + b":x") if row.startswith("A-05") else "Basic " + "QUFB" * 16384
    with nothing_issued(place):
        answer = raw(place, post(place, "est", make_csr(make_key()), "Authorization: " + value))
    assert answer.status == 400


def test_AUTH_05_a_wrong_password_is_asked_for_again(place, expect_log):
    expect_log(PASSWORD_MISMATCH)
    with place.client(place.register(), "wrong") as client:
        for _ in range(2):
            answer = client.enroll(make_csr(make_key()))
            assert (answer.status, answer.headers.get_all("WWW-Authenticate")) == (401, [CHALLENGE])


@pytest.mark.parametrize("tls", VERSIONS)
def test_AUTH_06_who_has_a_certificate_is_not_asked_for_a_password(place, tls):
    for label, identity in ((place.cert, place.own), (place.either, place.own), (place.strict, place.held)):
        answer = enroll(place, label, identity=identity, tls=tls)
        assert (answer.status, answer.header("WWW-Authenticate")) == (200, None)
        with place.client(identity=identity, tls=tls) as client:
            assert client.reenroll(make_csr(make_key()), label).status == 200


def test_AUTH_02_nobody_gets_anything(place):
    """serverkeygen is not offered: an operation that is not there (URI-05), to whom ever"""
    with nothing_issued(place):
        assert enroll(place, "est").status == 401
        assert enroll(place, place.cert).status == 403
        with place.client() as client:
            assert client.reenroll(make_csr(make_key()), "est").status == 403
        with place.ra() as client:
            assert client.post("serverkeygen", b64(make_csr(make_key()))).status == 404
        unrecorded = place.pki.issuing.issue()
        assert enroll(place, place.strict, identity=unrecorded).reason == "certificate_unknown", "a good handshake is no right"


@pytest.mark.parametrize("how", ["certificate", "password"])
def test_AUTH_12_nobody_gets_the_name_of_another(place, how, allow_log):
    user = place.register("device-1", names="own") if how == "password" else None
    label, who = ("est", {"user": user}) if user else (place.strict, {"identity": place.held})
    assert enroll(place, label, **who).status == 200
    for subject, san in (("CN=device-2", ()), ("CN=device-1,CN=device-2", ()), ("CN=device-1", [dns("device-2")]), ("CN=device-10", ()),
                         ("CN=device-", ()), ("CN=DEVICE-2", ())):
        with nothing_issued(place):
            answer = enroll(place, label, subject, san=san, **who)
        assert answer.status == 403, (subject, san)


# --- certificates

def impostor(kind, site):
    """A certificate that a client presents, by name of the attempt"""
    issue, old, ahead = site.pki.issuing.issue, days(9), days(9)
    namesake = CertificateAuthority("O=Test,CN=Issuing CA")
    elsewhere = CertificateAuthority("CN=Unknown CA")
    self_signed = CertificateAuthority("CN=device-1", ca=False)
    makers = {
        "A-07_expired": lambda: issue(not_before=now() - old, not_after=now() - days(1)),
        "A-07_not_yet_valid": lambda: issue(not_before=now() + days(1), not_after=now() + ahead),
        "A-07_unknown_CA": elsewhere.issue,
        "A-07_self_signed": lambda: Identity(self_signed.key, self_signed.cert),
        "A-08_serverAuth": lambda: issue(eku=(SERVER_AUTH,)),
        "A-08_cmcRA": lambda: issue(eku=(CMC_RA,)),
        "A-10_issuer_copied": lambda: namesake.issue(with_chain=False),
        "A-10_issuer_copied_and_sent": lambda: Identity(*(lambda made: (made.key, made.cert, [namesake.cert]))(namesake.issue())),
        "A-10_self_signed_as_our_CA": lambda: Identity(namesake.key, namesake.cert),
        "A-10_same_subject_elsewhere": lambda: site.pki.foreign.issue("CN=device-1"),
    }
    return makers[kind]()


# Attempt: (reason where EST judges, where only a certificate will do; alert where mod_ssl does, None = it lets it in)
IMPOSTORS = {
    "A-07_expired": ("certificate_refused", "CERTIFICATE_EXPIRED"),
    "A-07_not_yet_valid": ("certificate_refused", "BAD_CERTIFICATE"),
    "A-07_unknown_CA": ("certificate_required", "UNKNOWN_CA"),
    "A-07_self_signed": ("certificate_required", "UNKNOWN_CA|UNSUPPORTED_CERTIFICATE"),
    "A-08_serverAuth": ("certificate_refused", "UNSUPPORTED_CERTIFICATE"),
    "A-08_cmcRA": ("certificate_refused", "UNSUPPORTED_CERTIFICATE"),
    "A-10_issuer_copied": ("certificate_required", "UNKNOWN_CA|DECRYPT_ERROR"),
    "A-10_issuer_copied_and_sent": ("certificate_required", "UNKNOWN_CA"),
    "A-10_self_signed_as_our_CA": ("certificate_required", "UNKNOWN_CA|UNSUPPORTED_CERTIFICATE"),
    "A-10_same_subject_elsewhere": ("certificate_required", None),
}


@pytest.mark.parametrize("tls", VERSIONS)
@pytest.mark.parametrize("row", IMPOSTORS)
def test_certificates_that_are_not_good(place, allow_log, row, tls):
    reason, alert = IMPOSTORS[row]
    identity = impostor(row, place)
    with nothing_issued(place):
        if place.by_mod_ssl and alert:
            allow_log("AH02039")
            with pytest.raises((ssl.SSLError, ConnectionError)) as error:
                enroll(place, place.cert, identity=identity, tls=tls)
            if isinstance(error.value, ssl.SSLError) and "ALERT" in (error.value.reason or ""):
                assert re.search(alert, error.value.reason)
            return
        answer = enroll(place, place.cert, identity=identity, tls=tls)
        assert (answer.status, answer.reason) == (403, reason)
        # Where a password will do, one of no anchor counts as none, and the others are refused all the same
        answer = enroll(place, place.either, identity=identity, tls=tls)
        assert answer.status == (401 if reason == "certificate_required" else 403)
        if reason == "certificate_refused":
            answer = enroll(place, place.either, identity=identity, tls=tls, user=place.user)
            assert (answer.status, answer.reason) == (403, reason)


def test_the_log_says_why_a_certificate_counts_as_none(place):
    offset = place.httpd.log.size()
    assert enroll(place, place.cert, identity=place.pki.foreign.issue("CN=lost")).reason == "certificate_required"
    assert enroll(place, place.either, identity=place.pki.foreign.issue("CN=lost")).status == 401
    lines = [line for line in place.log_lines(offset) if '"CN=lost", is under no trust anchor of alias "' in line]
    assert len(lines) == 2 and "EST1052" in lines[0] and "EST1050" in lines[1]
    offset = place.httpd.log.size()
    assert "anchor" not in enroll(place, place.cert).text
    assert not any("anchor" in line for line in place.log_lines(offset))


def send(sock, site, label, csr):
    sock.sendall(post(site, label, csr).replace(b"Connection: close\r\n", b""))
    response = http.client.HTTPResponse(sock, method="POST")
    response.begin()
    return Answer(response.status, response.headers, response.read()).enter(site)


def open_tls(made, site, session=None):
    sock = socket.create_connection(("127.0.0.1", site.port), LIMIT)
    return made.wrap_socket(sock, server_hostname="localhost", session=session)


@pytest.mark.parametrize("tls", VERSIONS)
def test_A_09_revoked_and_on_a_resumed_session(place, tls):
    place.sql("UPDATE alias SET auth_enroll = 'basic' WHERE name = %s", place.strict)
    holder = place.holder(f"CN=gone-{tls}", place.strict)
    place.sql("UPDATE alias SET auth_enroll = 'cert' WHERE name = %s", place.strict)
    made = context(place, holder, tls)
    subject = f"CN=gone-{tls}"
    with open_tls(made, place) as sock:
        assert send(sock, place, place.strict, make_csr(make_key(), subject)).status == 200
        session = sock.session
        place.revoke(holder.cert)
        assert send(sock, place, place.strict, make_csr(make_key(), subject)).reason == "certificate_revoked"
    with open_tls(made, place, session) as sock:
        assert sock.session_reused == place.by_mod_ssl
        for label in (place.strict, place.either):
            with nothing_issued(place):
                answer = send(sock, place, label, make_csr(make_key(), subject))
            assert (answer.status, answer.reason) == (403, "certificate_revoked")
    with open_tls(context(place, holder, tls), place) as sock:
        assert send(sock, place, place.strict, make_csr(make_key(), subject)).reason == "certificate_revoked"


def named(*values):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, value) for value in values])


# Subject and SAN of a certificate of our own CA, the name asked for with it, reason
ODD_NAMES = {
    "A-11_nul_in_CN": (named("device-1\0.evil"), (), "CN=device-1", "certificate_required"),
    "A-11_nul_in_dns": (named("x"), [b"device-1\0.evil"], "CN=device-1", "certificate_required"),
    "A-11_wildcard": (named("*"), (), "CN=device-1", "name_not_yours"),
    "A-11_wildcard_dns": (named("x"), [b"*.example"], "CN=a.example", "name_not_yours"),
    "A-11_two_CN_first": (named("device-1", "device-2"), (), "CN=device-1", "name_not_yours"),
    "A-11_two_CN_last": (named("device-2", "device-1"), (), "CN=device-1", "name_not_yours"),
    "A-11_prefix": (named("device-10"), (), "CN=device-1", "name_not_yours"),
    "A-11_prefix_of_it": (named("device"), (), "CN=device-1", "name_not_yours"),
}


def odd_certificate(site, subject, dns_names):
    key, ca = make_key(), site.pki.issuing
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(ca.cert.subject).public_key(key.public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(now() - days(1)).not_valid_after(now() + days(9))
               .add_extension(x509.ExtendedKeyUsage((CLIENT_AUTH,)), False))
    if dns_names:
        san = der.seq(*[der.tlv(0x82, value) for value in dns_names])
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), san), False)
    return Identity(key, builder.sign(ca.key, harness_pki.hash_for(ca.key)), ca.chain())


@pytest.mark.parametrize("row", ODD_NAMES)
def test_names_in_client_certificates(place, row):
    subject, dns_names, wanted, reason = ODD_NAMES[row]
    with nothing_issued(place):
        answer = enroll(place, place.cert, wanted, identity=odd_certificate(place, subject, dns_names))
    assert (answer.status, answer.reason) == (403, reason)


def test_A_11_certificate_of_another_label(place):
    with nothing_issued(place):
        answer = enroll(place, place.alias(auth_enroll="cert"), identity=place.held)
    assert (answer.status, answer.reason) == (403, "certificate_unknown")


@pytest.mark.row("AUTH-10", "AUTH-11")
@pytest.mark.parametrize("row", ["A-12_of_nobody_known", "A-12_under_an_anchor"])
def test_nobody_elses_certificate_makes_a_registration_authority(place, row):
    """Neither another's name nor the binding value of another session. What our own CA says: test_ra_certificates.py"""
    label = place.alias(auth_enroll="cert", unknown_holder="accept")
    if row == "A-12_under_an_anchor":
        place.sql("INSERT INTO trust_anchor (alias_id, certificate) SELECT id, %s FROM alias WHERE name = %s", place.pki.foreign.der(), label)
    ra = place.pki.foreign.issue("CN=ra", eku=(CLIENT_AUTH, CMC_RA))
    ordinary = row != "A-12_of_nobody_known"
    with nothing_issued(place):
        answer = enroll(place, label, "CN=device-1", identity=ra)
        assert (answer.status, answer.reason) == (403, "name_not_yours" if ordinary else "certificate_required")
        answer = enroll(place, label, "CN=ra", identity=ra, challenge=base64.b64encode(b"x" * 12), tls="1.2")
        assert (answer.status, answer.reason) == ((400, "binding_failed") if ordinary else (403, "certificate_required"))
    if ordinary:
        assert enroll(place, label, "CN=ra", identity=ra).status == 200


def test_A_13_a_certificate_does_not_make_a_wrong_password_good(place, expect_log):
    expect_log(PASSWORD_MISMATCH)
    user = place.register(names="*")
    for mode in ("basic-and-cert", "basic-or-cert"):
        label = place.alias(auth_enroll=mode, unknown_holder="accept")
        with nothing_issued(place):
            answer = enroll(place, label, identity=place.own, user=user, password="wrong")
        assert (answer.status, answer.header("WWW-Authenticate")) == (401, CHALLENGE)
        if mode == "basic-and-cert":
            with nothing_issued(place):
                assert enroll(place, label, identity=place.own).status == 401
                assert enroll(place, label, user=user).reason == "certificate_required"
        assert enroll(place, label, identity=place.own, user=user).status == 200


@pytest.mark.parametrize("tls", VERSIONS)
def test_A_17_the_exact_bytes_of_another(place, tls):
    """A's request, and so its answer, is A's alone, also within the window in which A itself would get it again"""
    own, other = place.register(names="own"), place.register(names="own")
    csr = make_csr(make_key(), f"CN={own}")
    with place.client(own, tls=tls) as client:
        given = client.enroll(csr).cert()
        assert client.enroll(csr).cert() == given
    with nothing_issued(place):
        with place.client(other, tls=tls) as client:
            assert client.enroll(csr).reason == "name_not_yours"
        with place.client(identity=place.own, tls=tls) as client:
            assert client.enroll(csr, place.cert).reason == "name_not_yours"
    if tls == "1.2":
        with place.client(own, tls=tls) as client:
            csr = make_csr(make_key(), f"CN={own}", challenge=base64.b64encode(client.tls_unique()))
            assert client.enroll(csr).status == 200
        with nothing_issued(place), place.client(other, tls=tls) as client:
            answer = client.enroll(csr)
            assert (answer.status, answer.reason) == (400, "binding_failed")


# --- TLS

@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_AUTH_07_no_password_below_TLS_12(place, version, allow_log):
    allow_log("AH02008", "SSL Library Error")
    with SClient(place, version, "-cipher", "DEFAULT:@SECLEVEL=0") as client:
        client.write(post(place, "est", make_csr(make_key()), "Authorization: " + basic(place.user, place.PASSWORD)))
        seen = client.read_all()
    assert b"alert protocol version" in seen
    assert b"HTTP/1.1" not in seen


def with_early_data(pem):
    """The session of a server that would take 16384 octets: element [15] of OpenSSL's SSL_SESSION"""
    elements = der.children(base64.b64decode(b"".join(pem.split(b"\n")[1:-2])))
    added = der.tlv(0xaf, der.tlv(der.INTEGER, b"\x40\x00"))
    before = [element for element in elements if element[0] < 0xaf]
    whole = der.seq(*before, added, *elements[len(before):])
    return b"-----BEGIN SSL SESSION PARAMETERS-----\n" + base64.encodebytes(whole) + b"-----END SSL SESSION PARAMETERS-----\n"


def test_A_15_early_data_is_not_processed(place, tmp_path, allow_log):
    session, early = tmp_path / "session", tmp_path / "early"
    with SClient(place, "-tls1_3", "-sess_out", str(session), "-ign_eof") as client:
        client.write(b"GET %s/cacerts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % place.mount.encode())
        assert b"HTTP/1.1 200" in client.read_all()
    assert session.exists() == place.by_mod_ssl, "EstVerifyClient on hands out no session"
    if not place.by_mod_ssl:
        return
    assert b"Max Early Data: 0" in client.received or b"Max Early Data" not in client.received
    session.write_bytes(with_early_data(session.read_bytes()))
    early.write_bytes(post(place, "est", make_csr(make_key()), "Authorization: " + basic(place.user, place.PASSWORD)))
    with nothing_issued(place):
        with SClient(place, "-tls1_3", "-sess_in", str(session), "-early_data", str(early), "-ign_eof") as client:
            client.write(b"GET %s/cacerts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % place.mount.encode())
            seen = client.read_all()
    assert b"Early data was rejected" in seen
    assert seen.count(b"HTTP/1.1 ") == 1 and b"HTTP/1.1 200" in seen, "the request behind the handshake is the first"


def test_A_16_renegotiation_in_mid_request_is_refused(place):
    request = post(place, "est", make_csr(make_key()), "Authorization: " + basic(place.user, place.PASSWORD))
    with nothing_issued(place), SClient(place, "-tls1_2", "-msg", "-cert", place.held.file(), "-key", place.held.file()) as client:
        client.read_until(rb"\n---\n.*Extended master secret.*\n---\n")
        client.received = b""
        client.write(request[:-20])
        client.read_until(rb">>> TLS 1.2")
        client.write(b"R\n")
        seen = client.read_all()
    assert b"RENEGOTIATING" in seen
    assert b"<<< TLS 1.2, Alert [length 0002], warning no_renegotiation" in seen
    assert b"HTTP/1.1" not in seen
