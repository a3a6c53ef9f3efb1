# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Authentication by other means than table client, and attempts to get by without any."""

import base64
import hashlib

import pytest

from harness.client import curl
from harness.httpd import DENIED_USER, PASSWORD_MISMATCH
from harness.pki import CLIENT_AUTH, make_csr, make_key

BLOCK = """
    <Location "/{name}">
        EstEngine on
        AuthType Basic
        AuthName "EST"
        AuthBasicProvider {provider}
        {require}
        {more}
    </Location>"""


def hashed(password):
    return "{SHA}" + base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()


@pytest.fixture(scope="module")
def site(make_site):
    site = make_site("providers", start=False)
    users = site.httpd.put("users", f"filed:{hashed('of the file')}\n/CN=faked:{hashed('password')}\nsecond:{hashed('of the file')}\nra:{hashed('of the file')}\n")
    file = f"AuthUserFile {users}"
    any_of = "<RequireAny>\n            Require all granted\n            Require est\n        </RequireAny>"
    site.config.locations = "".join([
        BLOCK.format(name="file", provider="file", require="Require est", more=file),
        BLOCK.format(name="two", provider="file est", require="Require est", more=file),
        BLOCK.format(name="three", provider="est file", require="Require est", more=file),
        # What some configurations do to have a user name beside a certificate
        BLOCK.format(name="named", provider="est", require="Require est", more="SSLUserName SSL_CLIENT_S_DN_CN"),
        BLOCK.format(name="faked", provider="file", require="Require est", more=f"{file}\n        SSLOptions +FakeBasicAuth"),
        BLOCK.format(name="open", provider="est", require=any_of, more=""),
        BLOCK.format(name="valid", provider="file",
                     require="<RequireAny>\n            Require valid-user\n            Require est\n        </RequireAny>", more=file),
        BLOCK.format(name="limited", provider="est",
                     require="<RequireAll>\n            Require est\n            Require ip 10.0.0.0/8\n        </RequireAll>", more=""),
    ])
    site.config.modules = ("authz_host",)
    site.start()
    site.register("tabled", password="of the table", names="*")
    site.group_label = site.alias(other_users="group")
    site.certificate_only = site.alias(auth_enroll="cert")
    return site


def enroll(site, mount, user, password, label=None, subject=None):
    with site.client(user, password, mount=mount) as client:
        return client.enroll(make_csr(make_key(), subject or f"CN={user}"), label)


def test_user_of_a_file_is_refused_where_other_users_are(site, expect_log):
    expect_log(DENIED_USER)
    answer = enroll(site, "/file", "filed", "of the file")
    assert (answer.status, answer.reason) == (403, "not_authorized")


def test_user_of_a_file_enrols_its_own_name_where_the_group_is_theirs(site):
    assert enroll(site, "/file", "filed", "of the file", site.group_label).status == 200
    answer = enroll(site, "/file", "filed", "of the file", site.group_label, "CN=device-1")
    assert (answer.status, answer.reason) == (403, "name_not_yours")


def test_wrong_password_of_a_file(site, expect_log):
    expect_log(PASSWORD_MISMATCH)
    assert enroll(site, "/file", "filed", "wrong", site.group_label).status == 401


def test_user_of_a_file_who_is_registered_too_has_the_rights_of_the_table(site):
    assert enroll(site, "/file", "ra", "of the file", subject="CN=anything").status == 200


def test_two_providers_are_asked_in_turn(site):
    assert enroll(site, "/two", "tabled", "of the table").status == 200
    assert enroll(site, "/two", "filed", "of the file", site.group_label).status == 200


def test_a_user_of_the_second_provider_does_not_fail_at_the_first(site, expect_log):
    for _ in range(12):  # more than the failed logins that are allowed in a minute
        assert enroll(site, "/three", "second", "of the file", site.group_label).status == 200
    assert enroll(site, "/three", "tabled", "of the table").status == 200
    expect_log(PASSWORD_MISMATCH)
    statuses = [enroll(site, "/three", "second", f"wrong {i}", site.group_label).status for i in range(11)]
    assert statuses == [401] * 10 + [429], "a wrong password counts, whichever provider refused it"


def test_require_all_granted_beside_require_est_opens_nothing(site, expect_log):
    """docs/architecture.md 2: what Require est has not granted is refused"""
    expect_log("EST1057")
    with site.client(mount="/open") as client:
        answer = client.enroll(make_csr(make_key()))
    assert (answer.status, answer.reason) == (403, "not_granted")


def test_require_valid_user_beside_require_est_opens_nothing(site, expect_log):
    expect_log("EST1057")
    answer = enroll(site, "/valid", "filed", "of the file")
    assert (answer.status, answer.reason) == (403, "not_granted")


def test_require_est_can_be_narrowed(site, expect_log):
    expect_log("AH01630")
    answer = enroll(site, "/limited", site.user, site.PASSWORD)
    assert (answer.status, answer.reason) == (403, "forbidden")


@pytest.mark.parametrize("subject", ["CN=ra", "CN=tabled", "CN=device-1"])
def test_SSLUserName_gives_nothing(site, subject):
    """A certificate of anybody's making whose CN is a user's name"""
    stranger = site.pki.foreign.issue(subject, eku=(CLIENT_AUTH,))
    with site.client(identity=stranger, mount="/named") as client:
        assert client.enroll(make_csr(make_key(), subject)).status == 401
        assert client.enroll(make_csr(make_key(), subject), site.certificate_only).status == 403


def test_FakeBasicAuth_gives_nothing(site, expect_log):
    """With EstVerifyClient mod_ssl makes a user of any certificate; its fixed password stands in some files"""
    expect_log("AH01629")
    stranger = site.pki.foreign.issue("CN=faked", eku=(CLIENT_AUTH,))
    with site.client(identity=stranger, mount="/faked") as client:
        assert client.enroll(make_csr(make_key(), "CN=faked"), site.group_label).status in (401, 403)


def test_curl_anyauth_gets_in_after_the_challenge(site, tmp_path):
    (tmp_path / "csr").write_bytes(base64.b64encode(make_csr(make_key(), "CN=curl")))
    answer = curl(site, "simpleenroll", "--anyauth", "-H", "Content-Type: application/pkcs10", "--data-binary", f"@{tmp_path}/csr",
                  user=f"{site.user}:{site.PASSWORD}")
    assert answer.status == 200
