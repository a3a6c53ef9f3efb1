# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Where EST is served and in which form: mounts, EstAliases, limits, the reserved virtual host, HTTP/2, base64 lines."""

import base64

import pytest

from harness.client import b64, curl
from harness.lint import lint
from harness.pki import make_csr, make_key, pem, shared_key

BLOCK = """
    <Location "{mount}">
        EstEngine on
        AuthType Basic
        AuthName "EST"
        AuthBasicProvider est
        Require est
        {more}
    </Location>"""
PLAIN = """
    <Directory "{directory}/htdocs">
        Require all granted
    </Directory>"""


@pytest.fixture(scope="module")
def site(make_site):
    site = make_site("location", start=False, modules=("http2",), protocols="h2 http/1.1")
    site.config.locations = "".join([
        BLOCK.format(mount="/emCAServices/est", more=""),
        BLOCK.format(mount="/only", more="EstAliases first second"),
        BLOCK.format(mount="/small", more="EstMaxBody 1024"),
        BLOCK.format(mount="/strict", more="EstStrictBody on"),
        '\n    <Location "/only/first/simpleenroll">\n        EstMaxBody 2048\n    </Location>',
        '\n    <Location "/off/est">\n        EstEngine off\n        Require all granted\n    </Location>',
        PLAIN.format(directory=site.httpd.directory),
    ])
    site.config.vhost = 'SetEnvIf User-Agent "^liner" EST_BASE64=line\n    SetEnvIf User-Agent "^wrapper" EST_BASE64=wrap'
    site.httpd.put("htdocs/file.txt", "a file\n")
    site.start()
    for label in ("first", "second", "third"):
        site.alias(label)
    return site


def enroll(site, mount, label=None, csr=None):
    with site.ra(mount=mount) as client:
        return client.enroll(csr or make_csr(make_key()), label)


@pytest.mark.parametrize("mount", ["/.well-known/est", "/emCAServices/est", "/small", "/strict"])
def test_any_mount_works(site, mount):
    lint(enroll(site, mount).cert(), site.pki.issuing.cert)
    lint(enroll(site, mount, "third").cert(), site.pki.issuing.cert)


def test_EstAliases_limits_what_a_location_serves(site):
    assert enroll(site, "/only", "second").status == 200
    for label in ("third", "est", None):
        answer = enroll(site, "/only", label)
        assert (answer.status, answer.reason) == (400, "alias_unknown")


def test_EstMaxBody_limits_bodies(site):
    csr = make_csr(shared_key("rsa:4096"), "CN=large")
    assert len(base64.b64encode(csr)) > 1024
    assert enroll(site, "/small", csr=csr).reason == "body_too_large"
    assert enroll(site, "/.well-known/est", csr=csr).status == 200


def test_a_location_inside_inherits_the_mount(site):
    assert enroll(site, "/only", "first").status == 200
    with site.ra(mount="/only") as client:
        assert client.post("simpleenroll", b"A" * 3000, "first").reason == "body_too_large"
        assert client.post("simpleenroll", b"A" * 3000, "second").reason != "body_too_large"


@pytest.mark.parametrize("form, reason", [("pem", "body_armoured"), ("der", "body_der")])
def test_B64_05_B_03_EstStrictBody_takes_base64_alone(site, form, reason):
    csr = make_csr(make_key())
    body = pem(csr) if form == "pem" else csr
    with site.ra(mount="/strict") as client:
        answer = client.post("simpleenroll", body)
        assert (answer.status, answer.reason) == (400, reason)
    with site.ra() as client:
        assert client.post("simpleenroll", body).status == 200


@pytest.mark.parametrize("path", ["/file.txt", "/", "/off/est/cacerts"])
def test_reserved_virtual_host_serves_nothing_else(site, path):
    start = site.httpd.log.size()
    for identity in (None, site.pki.foreign.issue()):
        with site.client(identity=identity) as client:
            answer = client.request("GET", path)
        assert answer.status == 403
        assert answer.header("Content-Type").startswith("text/plain")
        assert b"a file" not in answer.body
    assert sum("EST1058" in line for line in site.log_lines(start)) == 2


def test_shared_virtual_host_serves_other_things(make_site):
    site = make_site("shared", start=False, verify_client="on shared")
    site.config.locations = PLAIN.format(directory=site.httpd.directory)
    site.httpd.put("htdocs/file.txt", "a file\n")
    site.start()
    with site.client() as client:
        assert client.request("GET", "/file.txt").body == b"a file\n"
    with site.ra() as client:
        assert client.enroll(make_csr(make_key())).status == 200


# --- HTTP/2

def body_file(tmp_path, csr):
    path = tmp_path / "csr"
    path.write_bytes(b64(csr))
    return f"@{path}"


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_HTTP_21_enrolment_over_http2(site, tmp_path, tls):
    answer = curl(site, "simpleenroll", "--http2", f"--tlsv{tls}", "--tls-max", tls, "-H", "Content-Type: application/pkcs10",
                  "--data-binary", body_file(tmp_path, make_csr(make_key(), "CN=h2")), user=f"{site.user}:{site.PASSWORD}")
    assert answer.version == "HTTP/2"
    assert int(answer.header("content-length")) == len(answer.body)
    lint(answer.cert(), site.pki.issuing.cert)


def test_HTTP_21_reenrolment_over_http2_with_the_connections_certificate(site, tmp_path):
    holder = site.holder("CN=h2-holder")
    answer = curl(site, "simplereenroll", "--http2", "-H", "Content-Type: application/pkcs10",
                  "--data-binary", body_file(tmp_path, make_csr(make_key(), "CN=h2-holder")), identity=holder)
    assert answer.version == "HTTP/2"
    lint(answer.cert(), site.pki.issuing.cert)


def test_HTTP_21_body_without_length_over_http2(site, tmp_path):
    answer = curl(site, "simpleenroll", "--http2", "-H", "Content-Type: application/pkcs10", "-H", "Content-Length:", "-T", "-",
                  "-X", "POST", user=f"{site.user}:{site.PASSWORD}", stdin=b64(make_csr(make_key(), "CN=h2-stream")))
    assert answer.version == "HTTP/2"
    lint(answer.cert(), site.pki.issuing.cert)


@pytest.mark.parametrize("arguments, status", [
    (["-X", "DELETE"], 405), (["-H", "Content-Type: text/plain", "--data-binary", "AAAA"], 415),
    (["-H", "Content-Type: application/pkcs10", "--data-binary", "AAAA"], 400)])
def test_HTTP_21_errors_over_http2(site, arguments, status):
    answer = curl(site, "simpleenroll", "--http2", *arguments, user=f"{site.user}:{site.PASSWORD}")
    assert (answer.version, answer.status) == ("HTTP/2", status)
    assert answer.header("content-type").startswith("text/plain")


def test_HTTP_21_no_credentials_over_http2(site, tmp_path):
    answer = curl(site, "simpleenroll", "--http2", "-H", "Content-Type: application/pkcs10",
                  "--data-binary", body_file(tmp_path, make_csr(make_key())))
    assert answer.status == 401
    assert answer.header("www-authenticate") == 'Basic realm="EST"'


# --- lines of base64, decision 11: (setting of the alias, User-Agent, lines of 64 when the answer is long)
LINES = {
    "auto_without_user_agent": ("auto", None, False), "auto_with_user_agent": ("auto", "libest 3.2.0p", True),
    "line": ("line", "libest 3.2.0p", False), "wrap": ("wrap", None, True),
    "EST_BASE64_line": ("auto", "liner/1", False), "EST_BASE64_wrap": ("line", "wrapper/1", True),
}


@pytest.mark.parametrize("row", LINES)
def test_base64_lines_of_long_answers(site, row):
    setting, agent, wrapped = LINES[row]
    label = site.alias(base64=setting)
    with site.ra() as client:
        answer = client.enroll(make_csr(shared_key("rsa:4096"), "CN=long"), label, {"User-Agent": agent})
    assert answer.status == 200
    assert len(answer.body) > 1024
    lines = answer.body.split(b"\n")
    assert lines.pop() == b""
    if wrapped:
        assert {len(line) for line in lines[:-1]} == {64} and 0 < len(lines[-1]) <= 64
    else:
        assert len(lines) == 1


@pytest.mark.parametrize("agent", [None, "libest 3.2.0p"])
def test_base64_of_short_answers_is_one_line(site, agent):
    with site.ra() as client:
        answer = client.enroll(make_csr(make_key()), headers={"User-Agent": agent})
    assert len(answer.body) < 1024
    assert answer.body.count(b"\n") == 1 and answer.body.endswith(b"\n")


def test_bare_challenge_has_no_body_for_clients_without_user_agent(site):
    """Bouncy Castle and strongSwan take the next answer for the rest of this one"""
    with site.client() as client:
        answer = client.enroll(make_csr(make_key()), headers={"User-Agent": None})
    assert (answer.status, answer.body, answer.header("Content-Length")) == (401, b"", "0")
