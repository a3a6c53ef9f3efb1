# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What stands in httpd's logs: OP-03, the environment for LogFormat, and the filter for fail2ban."""

import base64
import os
import re
import socket
import subprocess
from urllib.parse import quote

import pytest

from harness import der
from harness.client import b64, basic, connect, raw
from harness.httpd import PASSWORD_MISMATCH, USER_NOT_FOUND
from harness.pki import make_csr, make_key, raw_csr, raw_name, shared_key
from harness.run import wait_until

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILTER = os.path.join(TOP, "conf", "fail2ban", "filter.d", "mod_est.conf")
JAIL = os.path.join(TOP, "conf", "fail2ban", "jail.d", "mod_est.conf")
LINE = re.compile(r"^\[[^\]]+\] \[est:\w+\] \[pid \d+(?::tid \d+)?\] \[client 127\.0\.0\.1:\d+\] EST(?:\d{4})?: .* "
                  r"\[alias=(\S+) operation=(\S+)( (?:user|cert)=.*)? id=([0-9a-f]{32})\](?:, referer: .*)?$")
KEY = shared_key("ec:P-256")
SECRET = "hunter2-Marked-Secret"
# docs/directives.md has this line
FORMAT = r'LogFormat "%h %t \"%r\" %>s %{EST_ALIAS}e %{EST_OPERATION}e %{EST_RESULT}e %{EST_SERIAL}e %{EST_REASON}e %{EST_ID}e" est'


@pytest.fixture(scope="module")
def site(make_site):
    site = make_site("log", start=False)
    site.config.server = f"{FORMAT}\nCustomLog {site.httpd.directory}/access.log est"
    site.start()
    site.alias("certificates", auth_enroll="cert")
    site.alias("binding", binding="required")
    return site


@pytest.fixture(autouse=True)
def not_announced(allow_log):
    """httpd's own line beside each failed login, and what it says of requests that it refuses itself"""
    allow_log(PASSWORD_MISMATCH, USER_NOT_FOUND, "AH01614", "AH01625", "AH01627", "AH10244", "AH00026", "AH01631")


def est_lines(site, start):
    return [line for line in site.log_lines(start) if "] [est:" in line]


def access_log(site):
    with open(os.path.join(site.httpd.directory, "access.log"), encoding="utf-8") as file:
        return file.read().splitlines()


def access_lines(site, request_id):
    """httpd writes them when the client has its answer already"""
    def found():
        return [line for line in access_log(site) if line.endswith(f" {request_id}")]
    wait_until(found, what="a line in the access log")
    return found()


# --- one line a transaction: (request, level, alias, operation, identity, in the line)
TRANSACTIONS = {
    "OP-03_cacerts": (lambda c, h: c.get("cacerts"), "info", "est", "cacerts", "", 'EST: certificates of CA "issuing"'),
    "OP-03_csrattrs": (lambda c, h: c.get("csrattrs"), "info", "est", "csrattrs", "", "EST: no attributes wanted"),
    "OP-03_enrolled": (lambda c, h: c.enroll(make_csr(KEY, "CN=log")), "info", "est", "simpleenroll", " user=ra", 'for "CN=log"'),
    "OP-03_renewed": (lambda c, h: h.reenroll(make_csr(KEY, "CN=log")), "info", "est", "simplereenroll", " cert=CN=log", 'for "CN=log"'),
    "OP-03_refused": (lambda c, h: c.post("simpleenroll", b"!"), "info", "est", "simpleenroll", " user=ra", "EST1016: "),
    "OP-03_no_certificate": (lambda c, h: c.enroll(b"", "certificates"), "info", "certificates", "simpleenroll", "", "EST1052: "),
    "OP-03_no_operation": (lambda c, h: c.get("nothing"), "info", "-", "-", "", "EST1003: "),
    "OP-03_no_alias": (lambda c, h: c.get("cacerts", "nobody"), "info", "-", "-", "", 'EST1002: no such alias here: "nobody"'),
    "OP-03_method": (lambda c, h: c.request("PUT", c.path("simpleenroll")), "info", "est", "simpleenroll", "", "EST1004: "),
    "OP-03_content_type": (lambda c, h: c.post("simpleenroll", b"", content_type="a/b"), "info", "est", "simpleenroll", " user=ra", "EST1010: "),
    "OP-03_login_failed": (lambda c, h: c.request("POST", c.path("simpleenroll"), b"", {"Authorization": basic("ra", "wrong")}), "info", "est",
                           "simpleenroll", " user=ra", "EST1050: authentication required: login failed ["),
    "OP-03_challenge": (lambda c, h: c.request("POST", c.path("simpleenroll"), b"", {"Authorization": "None x"}), "info", "est",
                        "simpleenroll", "", "EST1050: authentication required: the scheme of Authorization is not Basic ["),
}


@pytest.mark.parametrize("row", TRANSACTIONS)
def test_a_transaction_is_one_line(site, row):
    ask, level, alias, operation, identity, text = TRANSACTIONS[row]
    holder = site.holder("CN=log", key=KEY)
    start = site.httpd.log.size()
    with site.ra() as client, site.client(identity=holder) as holding:
        answer = ask(client, holding)
    lines = est_lines(site, start)
    assert len(lines) == 1 and f"[est:{level}]" in lines[0] and text in lines[0]
    found = LINE.match(lines[0])
    assert found and (found[1], found[2], found[3] or "") == (alias, operation, identity)
    if answer.status == 200 and "enrol" in operation:
        number = answer.cert().serial_number
        assert f"certificate {number.to_bytes(number.bit_length() // 8 + 1, 'big').hex()} " in lines[0]  # contents of the INTEGER
    elif answer.status >= 400:
        assert found[4] in answer.text
    access = access_lines(site, found[4])
    fields = access[0].rsplit('" ', 1)[1].split(" ")
    assert len(access) == 1 and fields[:3] == [str(answer.status), alias, operation]
    if answer.status < 400:
        assert (fields[3], fields[5]) == ("ok", "-")
        assert (fields[4] != "-") == ("enroll" in operation) and (fields[4] in lines[0] or fields[4] == "-")
    else:
        assert (fields[3], fields[4], fields[5]) == ("refused", "-", answer.reason)


# --- octets that would make more lines, or look like others
NASTY = b"x\r\n[Sat Nov 21 00:00:00 2026] [est:info] [pid 1] [client 6.6.6.6:1] EST1050: authentication required: login failed [alias=est\x1b[31m"


@pytest.mark.row("OP-03")
@pytest.mark.parametrize("where", ["label", "user", "name", "referer", "user_agent", "operation"])
def test_octets_of_a_client_stay_within_their_line(site, where):
    start = site.httpd.log.size()
    percent = "".join(f"%{octet:02x}" for octet in NASTY)
    with site.ra() as client:
        answer = {
            "label": lambda: client.get("cacerts", percent), "operation": lambda: client.get(percent, "est"),
            "user": lambda: client.request("POST", client.path("simpleenroll"), b"", {
                "Authorization": "Basic " + base64.b64encode(NASTY.replace(b":", b"") + b":x").decode()}),
            "name": lambda: client.enroll(raw_csr(KEY, subject=raw_name(("2.5.4.3", der.UTF8, NASTY)))),
            "referer": lambda: client.post("simpleenroll", b"!", headers={"Referer": NASTY.replace(b"\r\n", b"").replace(b"\x1b", b"\xe2\x80\xae")}),
            "user_agent": lambda: client.post("simpleenroll", b"!", headers={"User-Agent": "[client 6.6.6.6:1] EST1050"}),
        }[where]()
    assert answer.status >= 400
    lines = site.log_lines(start)
    assert len(est_lines(site, start)) == 1
    access = access_lines(site, LINE.match(est_lines(site, start)[0])[4])
    assert len(access) == 1
    for line in lines + access_log(site):
        assert line.isascii() and line.isprintable()
        assert line.startswith(("[", "127.0.0.1 "))
        assert "6.6.6.6" not in line.split("]")[3] if line.startswith("[") else True


def test_OP_03_no_secret_is_logged_anywhere(site):
    """Passwords right and wrong, challengePassword, Authorization of any kind: in none of the files that httpd writes"""
    user = site.register(password=SECRET)
    token = base64.b64encode(f"{user}:{SECRET}".encode()).decode()
    with site.client(user, SECRET) as client:
        assert client.enroll(make_csr(KEY, f"CN={user}")).status == 200
        assert client.enroll(make_csr(KEY, f"CN={user}", challenge=SECRET.encode())).status == 400
        assert client.enroll(make_csr(KEY, f"CN={user}", challenge=SECRET.encode()), "binding").status == 400
        assert client.post("simpleenroll", SECRET.encode()).status == 400
        assert client.post("simpleenroll", b64(SECRET.encode())).status == 400
        assert client.get("cacerts").status == 200
    for authorization in (basic(user, SECRET + "x"), basic("nobody", SECRET), f"Bearer {SECRET}", f"Digest {SECRET}", f"Basic {SECRET}",
                          f"Basic {token}=", SECRET):
        with site.client() as client:
            for operation in ("simpleenroll", "simplereenroll"):
                assert client.request("POST", client.path(operation), b"", {"Authorization": authorization}).status in (401, 403, 415)
    raw(site, f"GET {site.mount}/cacerts HTTP/1.1\r\nHost: localhost\r\nAuthorization {SECRET}\r\n\r\n".encode())
    site.httpd.process.poll()
    searched = 0
    for directory, _, names in os.walk(site.httpd.directory):
        for name in names:
            with open(os.path.join(directory, name), "rb") as file:
                content = file.read()
            searched += 1
            assert SECRET.encode() not in content and token.encode() not in content, name
            assert base64.b64encode(SECRET.encode()) not in content, name
    assert searched > 5
    with open(site.postgres.log.path, "rb") as file:
        assert SECRET.encode() not in file.read()


# --- fail2ban

def matches(path, mode="normal"):
    """Addresses that fail2ban finds in a log file, in their order"""
    done = subprocess.run(["fail2ban-regex", "--out", "ip", path, f"{FILTER}[mode={mode}]"],
                          capture_output=True, text=True, check=False, timeout=120, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
    assert not done.stderr.strip() and done.returncode in (0, 1), done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def battery(site):
    """Many requests that are no failed logins: (offset of the log before them, offset behind)"""
    start = site.httpd.log.size()
    holder = site.holder("CN=battery")
    revoked = site.holder("CN=revoked")
    site.revoke(revoked.cert)
    with site.ra() as client:
        for path in ("cacerts", "csrattrs", "nothing", "simpleenroll", "[client 6.6.6.6:1]", "EST1050: authentication required: login failed [alias="):
            client.get(quote(path))
            client.get(quote(path), quote("login failed [alias="))
        client.enroll(make_csr(KEY, "CN=EST1050: authentication required: login failed [alias=est"))
        for body in (b"", b"!", b64(make_csr(make_key("ed448"))), b64(make_csr(KEY, "CN=x", challenge=b"login failed"))):
            client.post("simpleenroll", body, headers={"Referer": "http://x/] [client 6.6.6.6:1] EST1050: authentication required: login failed [alias="})
    for identity in (None, holder, revoked, site.pki.foreign.issue("CN=[client 6.6.6.6:1] EST1050: authentication required: login failed [alias=")):
        with site.client(identity=identity) as client:
            for subject in ("CN=battery", "CN=revoked"):
                client.enroll(make_csr(KEY, subject))
                client.reenroll(make_csr(KEY, subject))
            client.post("simpleenroll", b"!", "certificates")
            client.request("POST", client.path("simpleenroll"), b"", {"Authorization": "Digest username=\"login failed [alias=\""})
    with connect(site) as sock:
        sock.sendall(b"EST1050: authentication required: login failed [alias=\r\n\r\n")
        sock.recv(1000)
    return start, site.httpd.log.size()


def excerpt(site, tmp_path, start, end):
    path = tmp_path / "error.log"
    with open(site.httpd.log.path, "rb") as file:
        path.write_bytes(file.read()[start:end])
    return str(path)


def test_fail2ban_matches_nothing_but_failed_logins(site, battery, tmp_path):
    path = excerpt(site, tmp_path, *battery)
    with open(path, encoding="utf-8") as file:
        assert sum(" EST1050: authentication required" in line and "required: login failed [" not in line for line in file) >= 4, "the battery has challenges"
    assert matches(path) == []
    assert any(" EST1054: " in line for line in site.log_lines(battery[0])), "the battery has a certificate that was revoked"
    assert set(matches(path, "aggressive")) == {"127.0.0.1"}


USERS = ("ra", "nobody", "6.6.6.6", "[client 6.6.6.6:1]", "x] [client 6.6.6.6:1] EST1050: authentication required: login failed [alias=est",
         "\r\n[Sat Nov 21 00:00:00 2026] [est:info] [pid 1] [client 6.6.6.6:1] EST1050", "a user=b id=0]", "é", "")


def test_fail2ban_matches_each_failed_login_once_with_its_address(site, tmp_path):
    start, count = site.httpd.log.size(), 0
    for user in USERS:
        with site.client(user.replace(":", ""), "wrong") as client:
            assert client.enroll(make_csr(KEY), headers={"Referer": "http://6.6.6.6/"}).status == 401
            count += 1
    for number in range(12):  # from the eleventh on 429
        with site.client("guesser", f"wrong {number}") as client:
            assert client.enroll(make_csr(KEY)).status == (401 if number < 10 else 429)
            count += 1
    label = site.alias(mode="client", code_source="challenge-password")
    with site.client() as client:  # an enrolment code is as good as a password, and a request without one is no guess
        assert client.enroll(make_csr(KEY, "CN=nobody] [client 6.6.6.6:1]", challenge=b"wrong"), label).reason == "code_refused"
        assert client.enroll(make_csr(KEY, "CN=nobody"), label).reason == "code_refused"
        count += 1
    with site.ra() as client:
        assert client.enroll(make_csr(KEY)).status == 200
    assert matches(excerpt(site, tmp_path, start, site.httpd.log.size())) == ["127.0.0.1"] * count


# The address as httpd writes it, and what fail2ban shall make of it
ADDRESSES = [("192.0.2.7:1", "192.0.2.7"), ("192.0.2.7:65535", "192.0.2.7"), ("192.0.2.7", "192.0.2.7"), ("2001:db8::7:8", "2001:db8::7"),
             ("2001:db8::7:54321", "2001:db8::7"), ("2001:db8:1:2:3:4:5:6:4430", "2001:db8:1:2:3:4:5:6"), ("::1:4567", "::1"),
             ("2001:db8::", "2001:db8::"), ("fe80::1:2:3:4:5555", "fe80::1:2:3:4")]
MIDDLES = ("[pid 7:tid 8] ", "[pid 7] ", "", "[pid 7:tid 8] est_answer.c(55): ")


def test_fail2ban_reads_each_form_of_an_address(site, tmp_path):
    """Lines as the server writes them, with other addresses, with and without what a log format may leave out"""
    start = site.httpd.log.size()
    with site.client("nobody", "wrong") as client:
        client.enroll(make_csr(KEY))
    line, head = est_lines(site, start)[0], re.compile(r"\[pid \d+:tid \d+\] \[client 127\.0\.0\.1:\d+\] ")
    assert head.search(line)
    path = tmp_path / "error.log"
    path.write_text("".join(head.sub(f"{middle}[client {written}] ", line) + "\n" for middle in MIDDLES for written, _ in ADDRESSES))
    found = [socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip) for ip in matches(str(path))]
    assert found == [socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip) for _, ip in ADDRESSES] * len(MIDDLES)


def test_the_jail_of_fail2ban_is_understood(tmp_path):
    """fail2ban-client reads the two files where they are installed"""
    for name, path in (("filter.d", FILTER), ("jail.d", JAIL)):
        (tmp_path / name).mkdir()
        with open(path, encoding="utf-8") as file:
            (tmp_path / name / "mod_est.conf").write_text(file.read().replace("/var/log/apache2/error.log", str(tmp_path / "error.log")))
    (tmp_path / "error.log").write_text("")
    for name in ("fail2ban.conf", "jail.conf", "action.d", "paths-debian.conf", "paths-common.conf"):
        os.symlink(f"/etc/fail2ban/{name}", tmp_path / name)
    (tmp_path / "filter.d" / "common.conf").symlink_to("/etc/fail2ban/filter.d/common.conf")
    done = subprocess.run(["fail2ban-client", "-c", str(tmp_path), "-d"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 and "'mod_est'" in done.stdout and "EST1050" in done.stdout, done.stdout + done.stderr
    assert "maxretry', 20" in done.stdout
