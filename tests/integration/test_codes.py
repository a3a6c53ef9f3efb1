# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Enrolment codes (mode client), wherever an alias takes them from: as a password, in challengePassword, in otpChallenge, in an
attribute of the subject. Whose code it is, how often it is good, and that it is nowhere but in the request.
"""

import concurrent.futures
import statistics
import time

import pytest

from harness.client import b64, basic
from harness.entities import OTP_CHALLENGE, cheapen, register
from harness.httpd import PASSWORD_MISMATCH, USER_NOT_FOUND
from harness.pki import Identity, make_csr, make_key

SITE = {"threads": 208}  # a quarter of them may verify codes at once
SOURCES = ("basic", "challenge-password", "otp-challenge", "dn:serialNumber")
# Beside a 401 that a password got, httpd has a line of its own
HTTPD_LINES = (PASSWORD_MISMATCH, USER_NOT_FOUND)


@pytest.fixture(scope="module", params=SOURCES)
def source(request, site):
    return request.param


@pytest.fixture(scope="module")
def label(site, source):
    return site.alias(mode="client", code_source=source, auth_enroll="basic")


def request_of(source, name, code, key=None):
    """(DER, headers) of a request for name that brings code, or none"""
    key, headers, more = key or make_key(), {}, {}
    subject = f"CN={name}"
    if code is None:
        pass
    elif source == "basic":
        headers["Authorization"] = basic(name, code)
    elif source == "challenge-password":
        more["challenge"] = code.encode()
    elif source == "otp-challenge":
        more["attributes"] = [(OTP_CHALLENGE, code.encode())]
    else:
        subject += f",serialNumber={code}"
    return make_csr(key, subject, **more), headers


def enroll(site, label, source, name, code, key=None):
    csr, headers = request_of(source, name, code, key)
    with site.client() as client:
        return client.enroll(csr, label, headers)


def check_refused(answer, source):
    assert answer.status == 401, answer.text
    assert answer.headers.get_all("WWW-Authenticate") == ['Basic realm="EST"']
    assert answer.text.startswith(("code_refused: enrolment code not accepted (request ",
                                   "authentication_required: authentication required (request "))
    if source != "basic":
        assert answer.reason == "code_refused"


def uses_left(site, name):
    return site.db.value("SELECT k.uses_left FROM est.enrollment_code k JOIN est.end_entity e ON e.id = k.entity_id WHERE e.name = %s",
                         name, user="postgres")


def test_AUTH_14_a_code_is_good_for_its_entity_once(site, label, source):
    register(site, f"once-{source}", label, "right-code")
    answer = enroll(site, label, source, f"once-{source}", "right-code")
    assert answer.cert().subject.rfc4514_string() == f"CN=once-{source}"
    assert uses_left(site, f"once-{source}") == 0
    rows = site.db.rows("""SELECT r.identity_kind, r.identity, e.name FROM est.enrollment r JOIN est.end_entity e ON e.id = r.entity_id
                           WHERE r.identity = %s""", f"once-{source}", user="postgres")
    assert rows == [("entity", f"once-{source}", f"once-{source}")]
    before = site.counts()
    check_refused(enroll(site, label, source, f"once-{source}", "right-code"), source)
    assert site.counts() == before


def test_a_code_can_be_good_several_times(site, label, source):
    register(site, f"thrice-{source}", label, "right-code", uses=3)
    for left in (2, 1, 0):
        assert enroll(site, label, source, f"thrice-{source}", "right-code").status == 200
        assert uses_left(site, f"thrice-{source}") == left
    check_refused(enroll(site, label, source, f"thrice-{source}", "right-code"), source)


def test_AUTH_14_the_same_request_again_is_no_second_use(site, label, source):
    """Idempotency comes before the code is looked at: who lost the answer gets it again"""
    register(site, f"again-{source}", label, "right-code")
    key = make_key()
    given = enroll(site, label, source, f"again-{source}", "right-code", key).cert()
    assert enroll(site, label, source, f"again-{source}", "right-code", key).cert() == given
    assert uses_left(site, f"again-{source}") == 0


@pytest.mark.row("A-14", "AUTH-14")
def test_A_14_fifty_at_once_with_one_code(site, label, source):
    register(site, f"crowd-{source}", label, "right-code")
    before = site.counts()
    requests = [request_of(source, f"crowd-{source}", "right-code") for _ in range(50)]

    def send(pair):
        with site.client() as client:
            return client.enroll(pair[0], label, pair[1])
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, requests))
    assert sorted(answer.status for answer in answers) == [200] + [401] * 49
    assert site.counts() == before + 1
    assert uses_left(site, f"crowd-{source}") == 0
    for answer in answers:
        if answer.status == 401:
            check_refused(answer, source)


# Attempt -> what is done to the code, with parameters
OFF_THE_MARK = {
    "A-14_late": "UPDATE est.enrollment_code k SET expires_at = now() - interval '1 second' FROM est.end_entity e WHERE e.id = k.entity_id AND e.name = %s",
    "A-14_other_network": "UPDATE est.enrollment_code k SET networks = '{10.0.0.0/8}' FROM est.end_entity e WHERE e.id = k.entity_id AND e.name = %s",
    "A-14_used_up": "UPDATE est.enrollment_code k SET uses_left = 0 FROM est.end_entity e WHERE e.id = k.entity_id AND e.name = %s",
}


@pytest.mark.parametrize("row", OFF_THE_MARK)
def test_a_code_off_the_mark(site, label, source, row):
    name = f"off-{row}-{source}"
    register(site, name, label, "right-code")
    site.db.execute(OFF_THE_MARK[row], name, user="postgres")
    before = site.counts()
    check_refused(enroll(site, label, source, name, "right-code"), source)
    assert site.counts() == before


def test_A_14_a_code_of_another(site, label, source, allow_log):
    allow_log(*HTTPD_LINES)
    register(site, f"mine-{source}", label, "my-own-code")
    register(site, f"yours-{source}", label, "your-own-code")
    before = site.counts()
    check_refused(enroll(site, label, source, f"yours-{source}", "my-own-code"), source)
    check_refused(enroll(site, label, source, f"nobody-{source}", "my-own-code"), source)
    other = site.alias(mode="client", code_source=source, auth_enroll="basic")
    check_refused(enroll(site, other, source, f"mine-{source}", "my-own-code"), source)
    assert site.counts() == before
    assert enroll(site, label, source, f"mine-{source}", "my-own-code").status == 200


def test_a_request_without_a_code_is_asked_for_one(site, label, source):
    register(site, f"none-{source}", label, "right-code")
    check_refused(enroll(site, label, source, f"none-{source}", None), source)


def test_a_new_code_takes_the_place_of_the_old_one(site, label, source, allow_log):
    allow_log(*HTTPD_LINES)
    register(site, f"new-{source}", label, "old-code")
    site.db.execute("SELECT issue_code(%s, %s, code => 'new-code')", f"new-{source}", label)
    cheapen(site, f"new-{source}", label, "new-code")
    check_refused(enroll(site, label, source, f"new-{source}", "old-code"), source)
    assert enroll(site, label, source, f"new-{source}", "new-code").status == 200


@pytest.mark.row("AUTH-13", "A-14")
def test_A_14_guesses_are_throttled(site, label, source, allow_log):
    allow_log(*HTTPD_LINES)
    register(site, f"guessed-{source}", label, "right-code")
    statuses = [enroll(site, label, source, f"guessed-{source}", f"wrong-{i}").status for i in range(10)]
    assert statuses == [401] * 10
    answer = enroll(site, label, source, f"guessed-{source}", "right-code")
    assert (answer.status, answer.reason) == (429, "too_many_failures")
    assert 0 < int(answer.header("Retry-After")) <= 60
    assert uses_left(site, f"guessed-{source}") == 1
    # Of that entity alone
    register(site, f"unguessed-{source}", label, "right-code")
    assert enroll(site, label, source, f"unguessed-{source}", "right-code").status == 200


@pytest.mark.row("AUTH-13")
def test_AUTH_13_nobody_learns_which_entities_there_are(site, label, source, allow_log):
    """Neither by what is said nor by how long it takes"""
    allow_log(*HTTPD_LINES)
    arguments = {"name": f"known-{source}", "alias": label, "code": "right-code"}
    site.db.execute("SELECT register_entity(name => %s, alias => %s, code => %s)", *arguments.values())  # at its full cost
    register(site, f"codeless-{source}")
    answers, times = {}, {}
    for attempt in range(5):
        for name in (f"known-{source}", f"unknown-{source}", f"codeless-{source}"):
            started = time.monotonic()
            answer = enroll(site, label, source, name, f"wrong-{attempt}")
            times.setdefault(name, []).append(time.monotonic() - started)
            answers.setdefault(name, set()).add((answer.status, answer.text.partition(" (request")[0]))
    assert len(set().union(*answers.values())) == 1
    fastest = [min(each) for each in times.values()]
    assert max(fastest) < 3 * min(fastest), times
    assert statistics.median(fastest) > 0.01, "one bcrypt at least"


def test_the_code_is_nowhere_but_in_the_request(site, label, source, allow_log):
    """Not in the log, not in a table, not in a certificate, not in an answer"""
    allow_log(*HTTPD_LINES)
    name, code, wrong = f"quiet-{source}", "quiet-Secret-7", "loud-Secret-8"
    offset = site.httpd.log.size()
    register(site, name, label, code)
    answers = [enroll(site, label, source, name, wrong), enroll(site, label, source, name, code), enroll(site, label, source, name, code)]
    assert [answer.status for answer in answers] == [401, 200, 401]
    lines = "\n".join(site.log_lines(offset))
    assert f'"{name}"' in lines or f"={name}" in lines
    rows = repr(site.db.rows("SELECT r::text FROM est.enrollment r", user="postgres")) + \
        repr(site.db.rows("SELECT c.subject, c.san, encode(c.der, 'escape') FROM est.certificate c", user="postgres"))
    for secret in (code, wrong):
        for place in (lines, rows, *[answer.body.decode("latin-1") for answer in answers]):
            assert secret not in place
        assert secret.encode() not in answers[1].der()


def test_an_order_keeps_the_request_without_its_code(site, source):
    """Who approves sees the request, and the code is none of his business"""
    waiting = site.alias(mode="client", code_source=source, auth_enroll="basic", approval="all")
    register(site, f"waits-{source}", waiting, "waiting-code-9", uses=2)
    key = make_key()
    assert enroll(site, waiting, source, f"waits-{source}", "waiting-code-9", key).status == 202
    rows = site.db.rows("SELECT csr, r::text FROM est.enrollment r WHERE identity = %s", f"waits-{source}", user="postgres")
    assert len(rows) == 1 and rows[0][0]
    assert b"waiting-code-9" not in bytes(rows[0][0]) and "waiting-code-9" not in rows[0][1]


@pytest.mark.row("AUTH-15")
def test_AUTH_15_asking_again_needs_no_second_code(site, source):
    waiting = site.alias(mode="client", code_source=source, auth_enroll="basic", approval="all")
    name, key = f"again202-{source}", make_key()
    register(site, name, waiting, "right-code")
    for _ in range(3):
        assert enroll(site, waiting, source, name, "right-code", key).status == 202
    assert uses_left(site, name) == 0
    order = site.db.value("SELECT id FROM pending WHERE identity = %s", name)
    site.db.execute("SELECT approve(%s)", str(order))
    assert enroll(site, waiting, source, name, "right-code", key).status == 200
    # The code of an order is the order's: another key finds it used up
    check_refused(enroll(site, waiting, source, name, "right-code"), source)


def test_EN_07_csrattrs_says_where_the_code_belongs(site, label, source):
    wanted = {"challenge-password": "MAsGCSqGSIb3DQEJBw==", "otp-challenge": "MA0GCyqGSIb3DQEJEAI4"}.get(source)
    with site.client() as client:
        answer = client.get("csrattrs", label)
    assert answer.status == (200 if wanted else 204)
    if wanted:
        assert answer.text.strip() == wanted


def test_malformed_requests_are_malformed_before_anybody_is_known(site, label, source):
    """The code is in the request, so that is read first; nothing about it is told but that"""
    if source == "basic":
        with site.client() as client:
            assert client.post("simpleenroll", b64(b"rubbish"), label).status == 401
        return
    with site.client() as client:
        answer = client.post("simpleenroll", b64(b"rubbish"), label)
    assert answer.status == 400
    assert ": " not in answer.text.partition(" (request")[0].partition(": ")[2]


def test_a_code_in_the_subject_of_a_renewal_is_recorded_nowhere(site):
    """A renewal needs no code. A device that puts it into every request is refused, and the code is in no log, no answer and no table"""
    label = site.alias(mode="client", code_source="dn:serialNumber", auth_enroll="basic")
    register(site, "forgetful", label, "s3cret-of-forgetful", uses=9)
    key, seen = make_key(), site.httpd.log.size()
    cert = enroll(site, label, "dn:serialNumber", "forgetful", "s3cret-of-forgetful", key).cert()
    with site.client(identity=Identity(key, cert, site.pki.issuing.chain())) as client:
        answer = client.reenroll(request_of("dn:serialNumber", "forgetful", "s3cret-of-forgetful", key)[0], label)
        assert answer.status == 400 and answer.reason == "names_differ", answer.text
        assert "s3cret" not in answer.text
        assert client.reenroll(make_csr(key, "CN=forgetful"), label).status == 200
    assert not [line for line in site.log_lines(seen) if "s3cret" in line]
    assert site.db.value("SELECT count(*) FROM est.enrollment e WHERE e::text LIKE '%%s3cret%%'", user="postgres") == 0
