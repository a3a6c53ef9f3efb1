# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Who may enrol: every way to authenticate that an alias can ask for, against every combination of password and certificate,
with EstVerifyClient on and with mod_ssl's own verification (SSLVerifyClient optional).
"""

import itertools
import ssl

import pytest

from harness.client import basic
from harness.httpd import DENIED_USER, PASSWORD_MISMATCH, USER_NOT_FOUND
from harness.pki import SERVER_AUTH, days, make_csr, make_key, now

MODES = ("basic", "cert", "basic-or-cert", "basic-and-cert")
PASSWORDS = ("none", "good", "bad")
CERTIFICATES = ("none", "good", "revoked", "expired", "not-yet-valid", "wrong-eku", "wrong-usage", "foreign", "copied-issuer", "unrecorded")
# Those of no anchor of the alias, which count as none (decision 12), and those of an anchor that are refused whatever else is there
NO_ANCHOR = ("foreign", "copied-issuer")
REFUSED = ("expired", "not-yet-valid", "wrong-eku", "wrong-usage")
# In TLS 1.3 the client notices when it has sent its request: by the alert, or by a connection that is closed, or reset
HANDSHAKE_ENDED = (ssl.SSLError, ConnectionError)


def expected(mode, password, certificate):
    """(status, reason) by decisions 1, 10 and 12"""
    if certificate in REFUSED:
        return 403, "certificate_refused"
    has_cert = certificate != "none" and certificate not in NO_ANCHOR
    if mode in ("cert", "basic-and-cert") and not has_cert:
        return 403, "certificate_required"
    if mode in ("basic", "basic-and-cert") and password == "none":
        return 401, "authentication_required"
    if mode == "basic-or-cert" and password == "none" and not has_cert:
        return 401, "authentication_required"
    if mode != "cert" and password == "bad":
        return 401, "authentication_required"
    if certificate == "revoked":
        return 403, "certificate_revoked"
    # Beside a password that suffices it counts as none: the password decides
    if certificate == "unrecorded" and not (mode in ("basic", "basic-or-cert") and password == "good"):
        return 403, "certificate_unknown"
    return 200, None


def accepted_by_mod_ssl(certificate):
    """With SSLVerifyClient optional a certificate that mod_ssl does not like ends the handshake (TLS-10)."""
    return certificate in ("none", "good", "revoked", "foreign", "unrecorded")


@pytest.fixture(scope="module", params=["EstVerifyClient_on", "SSLVerifyClient_optional"])
def place(request, make_site, pki):
    if request.param == "EstVerifyClient_on":
        site = make_site("auth")
    else:
        site = make_site("authopt", verify="optional", verify_client="")
    site.by_mod_ssl = request.param != "EstVerifyClient_on"
    site.labels = {mode: site.alias(auth_enroll=mode) for mode in MODES}
    site.own_user = site.register("device-1", names="*")
    return site


@pytest.fixture(scope="module")
def identities(place):
    """certificate kind -> label -> Identity. Recorded ones belong to an alias."""
    issue, made = place.pki.issuing.issue, {}
    impostor = type(place.pki.issuing)("O=Test,CN=Issuing CA")
    fixed = {
        "expired": issue(not_before=now() - days(9), not_after=now() - days(1)),
        "not-yet-valid": issue(not_before=now() + days(1), not_after=now() + days(9)),
        "wrong-eku": issue(eku=(SERVER_AUTH,)), "wrong-usage": issue(usage="key_cert_sign"),
        "foreign": place.pki.foreign.issue(), "copied-issuer": impostor.issue(), "unrecorded": issue(), "none": None,
    }
    for mode, label in place.labels.items():
        place.sql("UPDATE alias SET auth_enroll = 'basic' WHERE name = %s", label)
        good, revoked = place.holder("CN=device-1", label), place.holder("CN=device-1", label)
        place.revoke(revoked.cert)
        place.sql("UPDATE alias SET auth_enroll = %s WHERE name = %s", mode, label)
        made[label] = {**fixed, "good": good, "revoked": revoked}
    return made


@pytest.mark.row("AUTH-01", "AUTH-02", "AUTH-03", "AUTH-05", "AUTH-06", "A-07", "A-08", "A-09", "A-10", "A-13")
@pytest.mark.parametrize("mode, password, certificate", itertools.product(MODES, PASSWORDS, CERTIFICATES))
def test_AUTH_matrix(place, identities, allow_log, mode, password, certificate):
    allow_log(PASSWORD_MISMATCH, USER_NOT_FOUND, DENIED_USER)
    label = place.labels[mode]
    # A user of its own: ten wrong passwords a minute are the limit
    user = None if password == "none" else place.own_user if password == "good" else f"guess-{mode}-{certificate}"
    client = place.client(user, place.PASSWORD if password == "good" else "wrong", identity=identities[label][certificate])
    before = place.counts()
    with client:
        if place.by_mod_ssl and not accepted_by_mod_ssl(certificate):
            allow_log("AH02039")
            with pytest.raises(HANDSHAKE_ENDED):
                client.enroll(make_csr(make_key()), label)
            answer = None
        else:
            answer = client.enroll(make_csr(make_key()), label)
    if answer is None:
        assert place.counts() == before
        return
    status, reason = expected(mode, password, certificate)
    assert answer.status == status, answer.text
    assert (answer.header("WWW-Authenticate") is not None) == (status == 401)
    if status != 200:
        assert answer.reason == reason
        assert place.counts() == before


@pytest.mark.parametrize("certificate", CERTIFICATES)
def test_TLS_10_cacerts_is_anonymous_whatever_certificate_is_there(place, identities, allow_log, certificate):
    with place.client(identity=identities[place.labels["cert"]][certificate]) as client:
        if place.by_mod_ssl and not accepted_by_mod_ssl(certificate):
            allow_log("AH02039")
            with pytest.raises(HANDSHAKE_ENDED):
                client.get("cacerts")
        else:
            assert client.get("cacerts").status == 200


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_TLS_03_certificate_in_both_versions(place, identities, tls):
    label = place.labels["cert"]
    with place.client(identity=identities[label]["good"], tls=tls) as client:
        assert client.enroll(make_csr(make_key()), label).status == 200


def test_AUTH_04_one_challenge_with_realm(place):
    with place.client() as client:
        answer = client.enroll(make_csr(make_key()), place.labels["basic-or-cert"])
    assert answer.status == 401
    assert answer.headers.get_all("WWW-Authenticate") == ['Basic realm="EST"']


def test_AUTH_05_authenticated_but_not_registered_for_this_group(place, expect_log):
    expect_log(DENIED_USER)
    place.sql("INSERT INTO entity_group (name) VALUES ('closed')")
    label = place.alias(group_id=place.db.value("SELECT id FROM entity_group WHERE name = 'closed'"))
    with place.ra() as client:
        answer = client.enroll(make_csr(make_key()), label)
    assert (answer.status, answer.reason) == (403, "group_refused")


def test_a_certificate_is_good_for_its_alias_only(place, identities):
    """Decision 15: a certificate that is good for one alias gives nothing at another"""
    with place.client(identity=identities[place.labels["cert"]]["good"]) as client:
        answer = client.enroll(make_csr(make_key()), place.labels["basic-or-cert"])
    assert (answer.status, answer.reason) == (403, "certificate_unknown")


def test_a_certificate_asks_for_its_own_names_only(place, identities):
    label = place.labels["cert"]
    with place.client(identity=identities[label]["good"]) as client:
        answer = client.enroll(make_csr(make_key(), "CN=someone-else"), label)
    assert (answer.status, answer.reason) == (403, "name_not_yours")


def test_H_32_identity_is_taken_anew_with_each_request(place, expect_log):
    """One connection, alternating users"""
    expect_log(PASSWORD_MISMATCH)
    first, second = place.register("first"), place.register("second")
    with place.client() as client:
        for _ in range(3):
            for user in (first, second):
                answer = client.enroll(make_csr(make_key(), f"CN={user}"), place.labels["basic"],
                                       {"Authorization": basic(user, place.PASSWORD)})
                assert answer.status == 200
                other = second if user == first else first
                answer = client.enroll(make_csr(make_key(), f"CN={other}"), place.labels["basic"],
                                       {"Authorization": basic(user, place.PASSWORD)})
                assert answer.reason == "name_not_yours"
        answer = client.enroll(make_csr(make_key(), "CN=first"), place.labels["basic"], {"Authorization": basic(first, "wrong")})
        assert answer.status == 401
        assert client.enroll(make_csr(make_key(), "CN=first"), place.labels["basic"]).status == 401


@pytest.fixture(scope="module")
def without_verdict(make_site):
    """SSLVerifyClient optional_no_ca alone: mod_ssl knows no CA, and the module is the judge"""
    site = make_site("authnoca", verify="optional_no_ca", verify_client="", vhost="SSLVerifyDepth 5")
    site.label = site.alias()
    site.held = site.holder("CN=device-1", site.label)
    site.sql("UPDATE alias SET auth_enroll = 'cert' WHERE name = %s", site.label)
    return site


@pytest.mark.row("AUTH-01")
@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_optional_no_ca_alone_is_the_same_in_both_versions(without_verdict, tls):
    site = without_verdict
    with site.client(identity=site.held, tls=tls) as client:
        assert client.enroll(make_csr(make_key()), site.label).status == 200
        assert client.reenroll(make_csr(make_key()), site.label).status == 200
    impostor = type(site.pki.issuing)("O=Test,CN=Issuing CA")
    for stranger in (site.pki.foreign.issue(), impostor.issue()):
        with site.client(identity=stranger, tls=tls) as client:
            answer = client.enroll(make_csr(make_key()), site.label)
        assert (answer.status, answer.reason) == (403, "certificate_required")


@pytest.mark.row("AUTH-01", "A-07", "A-08")
@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_optional_no_ca_alone_ends_the_handshake_for_all_but_want_of_a_CA(without_verdict, allow_log, tls):
    allow_log("AH02039")
    issue = without_verdict.pki.issuing.issue
    for wrong in (issue(not_before=now() - days(9), not_after=now() - days(1)), issue(eku=(SERVER_AUTH,))):
        with without_verdict.client(identity=wrong, tls=tls) as client, pytest.raises(HANDSHAKE_ENDED):
            client.get("cacerts")
