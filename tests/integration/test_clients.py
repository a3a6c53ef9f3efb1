# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Real clients enrol and renew; those that cannot be run here are replayed octet by octet (clients/replay.py)."""

import os
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from clients import replay
from harness import run
from harness.client import basic, curl, raw_all
from harness.lint import lint
from harness.pki import Identity, dns, make_csr, make_key, pem, shared_key, spki_of

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
HERE = os.path.dirname(os.path.abspath(__file__))
JARS = ":".join(f"/usr/share/java/{name}.jar" for name in ("bcpkix", "bcprov", "bcutil"))
KINDS = ("ec:P-256", "rsa:4096")  # the answer for RSA 4096 has over 1023 base64 characters
ENROLL = ("-H", "Content-Type: application/pkcs10")


@pytest.fixture(scope="module")
def busy_site(make_site):
    """With the modules that like to change answers: HTTP/2 and compression of everything"""
    return make_site("clients_h2", protocols="h2 http/1.1", modules=("http2", "filter", "deflate"), location="SetOutputFilter DEFLATE")


@pytest.fixture
def ca_file(site, tmp_path):
    path = tmp_path / "root.pem"
    path.write_bytes(site.pki.root.pem())
    return str(path)


def call(argv, data=None, status=0):
    done = subprocess.run(argv, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * run.SLOW, check=False,
                          env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
    assert done.returncode == status, done.stderr.decode()[-2000:]
    return done


def write_key(path, key):
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return str(path)


def check_cert(site, cert, key, subject):
    lint(cert, site.pki.issuing.cert)
    assert cert.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo) == spki_of(key)
    assert cert.subject.rfc4514_string() == subject
    return cert


def authorization(site):
    return basic(site.user, site.PASSWORD)


# --- strongSwan

def strongswan(site, cert, key, subject):
    cert = x509.load_pem_x509_certificate(cert)
    site.ledger.add(cert.public_bytes(DER))
    return check_cert(site, cert, key, subject)


def test_strongswan_takes_the_ca_certificates(site, ca_file, tmp_path):
    done = call(["pki", "--estca", "--url", f"https://localhost:{site.port}", "--cacert", ca_file, "--caout", str(tmp_path / "ca"),
                 "--outform", "pem"])
    assert b"Root CA cert is trusted" in done.stderr and b"Sub CA cert is trusted" in done.stderr
    assert x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes()) == site.pki.root.cert
    assert x509.load_pem_x509_certificate((tmp_path / "ca-1.pem").read_bytes()) == site.pki.issuing.cert


@pytest.mark.parametrize("kind", KINDS)
def test_strongswan_enrols_and_renews(site, ca_file, tmp_path, kind):
    key, issuing, csr, cert = shared_key(kind), tmp_path / "issuing.pem", tmp_path / "csr", tmp_path / "cert.pem"
    issuing.write_bytes(site.pki.issuing.pem())
    csr.write_bytes(make_csr(key, "CN=swan", [dns("swan.example")]))
    common = ["pki", "--est", "--url", f"https://localhost:{site.port}", "--cacert", ca_file, "--cacert", str(issuing), "--in", str(csr),
              "--outform", "pem"]
    first = call([*common, "--userpass", f"{site.user}:{site.PASSWORD}"])
    assert b"Issued certificate is trusted" in first.stderr and b"negotiated TLS 1.2" in first.stderr
    enrolled = strongswan(site, first.stdout, key, "CN=swan")
    cert.write_bytes(first.stdout)
    second = call([*common, "--cert", str(cert), "--key", write_key(tmp_path / "key.pem", key)])
    assert b"Issued certificate is trusted" in second.stderr
    assert strongswan(site, second.stdout, key, "CN=swan").serial_number != enrolled.serial_number
    assert site.db.value("SELECT count(*) FROM certificate WHERE replaces IS NOT NULL AND serial = est.serial_parse(%s)",
                         format(x509.load_pem_x509_certificate(second.stdout).serial_number, "x"), user="postgres") == 1


# --- Bouncy Castle

@pytest.fixture(scope="module")
def bc_classes(tmp_path_factory):
    directory = str(tmp_path_factory.mktemp("bc"))
    call(["javac", "-Xlint:all,-path", "-Werror", "-cp", JARS, "-d", directory, os.path.join(HERE, "clients", "BcEst.java")])
    return directory


@pytest.mark.parametrize("tls, kind", [("1.2", "ec:P-256"), ("1.3", "ec:P-256"), ("1.3", "rsa:4096")])
def test_bouncy_castle_enrols_and_renews(site, ca_file, bc_classes, tmp_path, tls, kind):
    key, csr, p8 = shared_key(kind), tmp_path / "csr", tmp_path / "key.p8"
    csr.write_bytes(make_csr(key, "CN=bouncy", [dns("bouncy.example")]))
    p8.write_bytes(key.private_bytes(DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    done = call(["java", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}:{bc_classes}", "BcEst", f"TLSv{tls}", f"localhost:{site.port}",
                 ca_file, str(csr), str(p8), kind[:3].strip(":").upper(), site.user, site.PASSWORD, str(tmp_path)])
    assert set(done.stdout.decode().split("\n")) == {f"connected TLSv{tls}", ""}
    bag = [x509.load_der_x509_certificate((tmp_path / f"cacerts-{i}.der").read_bytes()) for i in range(2)]
    assert {cert.serial_number for cert in bag} == {site.pki.root.cert.serial_number, site.pki.issuing.cert.serial_number}
    certs = [(tmp_path / name).read_bytes() for name in ("enrolled.der", "renewed.der")]
    for cert in certs:
        site.ledger.add(cert)
        check_cert(site, x509.load_der_x509_certificate(cert), key, "CN=bouncy")
    assert certs[0] != certs[1]


@pytest.mark.row("ACC-18")
def test_a_challenge_without_user_agent_has_no_body(site, expect_log):
    """Bouncy Castle closes the first answer unread, and takes it for an error that something was left."""
    reply = replay.converse(site, [b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                   b"Content-Type: application/pkcs10\r\nContent-Length: 4\r\n\r\nAAAA"])
    replay.check_form(reply)
    assert reply.status == 401 and reply.body == b"" and reply.one(b"WWW-Authenticate") == b'Basic realm="EST"'
    expect_log("AH01617")
    denied = replay.BOUNCY_CASTLE.ask(site, make_csr(shared_key("ec:P-256")), authorization=basic(site.user, "wrong"))
    replay.check_form(denied)
    assert denied.status == 401 and denied.body.startswith(b"authentication_required: ")


# --- curl

@pytest.fixture
def device(tmp_path):
    """A new key, and its request as curl sends it"""
    key = make_key()
    path = tmp_path / "device.p10"
    path.write_bytes(replay.lines(make_csr(key, "CN=curl", [dns("curl.example")]), 76, b"\n"))
    return key, str(path)


def check_curl(site, answer, key):
    assert answer.header("Content-Type") == replay.CERTS_ONLY.decode()
    return check_cert(site, answer.cert(), key, "CN=curl")


@pytest.mark.row("SND-01", "SND-03")
@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("protocol", ["http1.1", "http2"])
def test_curl_enrols_and_renews(busy_site, device, tls, protocol):
    key, csr = device
    common = [f"--tlsv{tls}", "--tls-max", tls, f"--{protocol}", *ENROLL, "--data-binary", "@" + csr, "--compressed"]
    first = curl(busy_site, "simpleenroll", *common, user=f"{busy_site.user}:{busy_site.PASSWORD}")
    cert = check_curl(busy_site, first, key)
    second = curl(busy_site, "simplereenroll", *common, identity=Identity(key, cert))
    check_curl(busy_site, second, key)
    for answer in (first, second, curl(busy_site, "cacerts", *common[:4], "--compressed")):
        assert answer.version == {"http1.1": "HTTP/1.1", "http2": "HTTP/2"}[protocol]
        assert answer.header("Content-Encoding") is None
        assert int(answer.header("Content-Length")) == len(answer.body)


@pytest.mark.row("SND-11")
def test_curl_waits_for_the_challenge(site, device):
    key, csr = device
    seen = site.httpd.log.size()
    answer = curl(site, "simpleenroll", "--anyauth", *ENROLL, "--data-binary", "@" + csr, user=f"{site.user}:{site.PASSWORD}")
    check_curl(site, answer, key)
    assert sum("EST1050" in line for line in site.log_lines(seen)) == 1


@pytest.mark.parametrize("protocol", ["http1.1", "http2"])
def test_curl_sends_a_body_of_unknown_length(busy_site, device, protocol):
    key, csr = device
    answer = curl(busy_site, "simpleenroll", f"--{protocol}", *ENROLL, "-H", "Transfer-Encoding: chunked", "-X", "POST", "-T", csr,
                  user=f"{busy_site.user}:{busy_site.PASSWORD}")
    check_curl(busy_site, answer, key)


@pytest.mark.row("SND-10")
def test_curl_asks_before_it_sends_the_body(site, device, expect_log):
    key, csr = device
    expect = ("-H", "Expect: 100-continue", "--expect100-timeout", "15", "--max-time", "10")
    answer = curl(site, "simpleenroll", *ENROLL, *expect, "--data-binary", "@" + csr, user=f"{site.user}:{site.PASSWORD}")
    check_curl(site, answer, key)
    expect_log("AH01617")
    denied = curl(site, "simpleenroll", *ENROLL, *expect, "--data-binary", "@" + csr, user=f"{site.user}:wrong")
    assert denied.status == 401


@pytest.mark.row("SND-10")
def test_curl_asks_by_itself_before_a_body_of_a_megabyte(site, tmp_path):
    """And is told at once that it is too long"""
    path = tmp_path / "large"
    path.write_bytes(b"A" * (1 << 20) + b"AAAA")
    answer = curl(site, "simpleenroll", *ENROLL, "--expect100-timeout", "15", "--data-binary", f"@{path}", user=f"{site.user}:{site.PASSWORD}")
    assert (answer.status, answer.reason) == (413, "body_too_large")


def test_curl_with_pem_by_mistake(site, tmp_path):
    key, path = make_key(), tmp_path / "pem"
    path.write_bytes(pem(make_csr(key, "CN=curl")))
    # -d, which people use, takes out line breaks; --data-binary does not
    for how in ("--data-binary", "-d"):
        answer = curl(site, "simpleenroll", *ENROLL, how, f"@{path}", user=f"{site.user}:{site.PASSWORD}")
        check_curl(site, answer, key)


# --- libest and globalsign/est

def test_libest_with_an_address_as_server_name(site):
    csr = make_csr(make_key(), "CN=libest")
    bag = replay.LIBEST.ask(site, operation="cacerts")
    replay.check_form(bag)
    assert (bag.status, bag.one(b"Content-Type")) == (200, b"application/pkcs7-mime")
    challenge = replay.LIBEST.ask(site, csr)
    replay.check_form(challenge)
    assert challenge.status == 401 and challenge.one(b"WWW-Authenticate").startswith(b"Basic ")
    assert challenge.body.startswith(b"authentication_required: ")
    reply = replay.LIBEST.ask(site, csr, authorization=authorization(site))
    lint(replay.check_enrolled(reply), site.pki.issuing.cert)


@pytest.mark.parametrize("kind", KINDS)
def test_libest_enrols_and_renews(site, kind):
    key = shared_key(kind)
    csr = make_csr(key, "CN=libest")
    reply = replay.LIBEST.ask(site, csr, authorization=authorization(site))
    cert = check_cert(site, replay.check_enrolled(reply), key, "CN=libest")
    assert max(map(len, reply.body.splitlines())) < 1024, "libest's base64 reader wants a line break within 1023 characters"
    again = replay.LIBEST.ask(site, csr, "simplereenroll", identity=Identity(key, cert))
    check_cert(site, replay.check_enrolled(again), key, "CN=libest")


@pytest.mark.row("SND-12")
def test_stray_line_end_does_not_spoil_a_kept_connection(site):
    """RFC 9112 2.2: a server ignores at least one empty line before a request line."""
    csr = make_csr(make_key(), "CN=libest")
    kept = replay.LIBEST.octets(site, csr, authorization=authorization(site)).replace(b"Connection: close\r\n", b"")
    octets = raw_all(site, kept + replay.LIBEST.octets(site, operation="cacerts"), tls="1.2")
    first, rest = octets[:octets.index(b"HTTP/1.1", 1)], octets[octets.index(b"HTTP/1.1", 1):]
    replay.check_enrolled(replay.entered(site, replay.Reply(first)))
    assert replay.Reply(rest).status == 200


def test_globalsign_enrols(busy_site):
    key = make_key()
    reply = replay.GLOBALSIGN.ask(busy_site, make_csr(key, "CN=globalsign"), authorization=authorization(busy_site))
    check_cert(busy_site, replay.check_enrolled(reply), key, "CN=globalsign")


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("sni", ["localhost", None])
def test_header_lines_in_records_of_their_own(site, tls, sni):
    records = replay.BOUNCY_CASTLE.records(site, make_csr(make_key(), "CN=slow"), authorization=authorization(site))
    replay.check_enrolled(replay.converse(site, records, tls=tls, sni=sni))
    octets = [bytes([octet]) for octet in b"".join(records)]
    replay.check_enrolled(replay.converse(site, octets, tls=tls, sni=sni))


@pytest.mark.parametrize("kind", KINDS)
def test_no_line_break_within_answers_to_strongswan(site, kind):
    reply = replay.STRONGSWAN.ask(site, make_csr(shared_key(kind), "CN=swan"), authorization=authorization(site), tls="1.2")
    replay.check_enrolled(reply)
    assert reply.body.count(b"\n") == 1
    assert (len(reply.body) > 1024) == (kind == "rsa:4096")


@pytest.mark.parametrize("request_line, extra, status", [
    ("GET cacerts", "", 200),
    ("HEAD cacerts", "", 200),
    ("POST simpleenroll", "Content-Type: application/pkcs10\r\nContent-Length: 4\r\n", 401),
    ("POST simpleenroll", "Content-Type: application/pkcs10\r\nContent-Length: 4\r\nAuthorization: {ra}\r\n", 400),
    ("POST simpleenroll", "Content-Type: text/plain\r\nContent-Length: 4\r\nAuthorization: {ra}\r\n", 415),
    ("POST simpleenroll", "Content-Type: application/pkcs10\r\nContent-Length: 4000000\r\nAuthorization: {ra}\r\n", 413),
    ("POST simplereenroll", "Content-Type: application/pkcs10\r\nContent-Length: 4\r\nAuthorization: {ra}\r\n", 403),
    ("GET nothing/cacerts", "", 400),
    ("GET nothing", "", 404),
    ("GET simpleenroll", "", 405),
], ids=lambda value: str(value).replace(" ", "-") if "\r" not in str(value) else "-")
def test_form_of_every_answer(site, request_line, extra, status):
    method, path = request_line.split(" ")
    octets = (f"{method} {site.mount}/{path} HTTP/1.1\r\nHost: localhost:{site.port}\r\nUser-Agent: any\r\nConnection: close\r\n"
              f"{extra.format(ra=authorization(site))}\r\n").encode() + (b"AAAA" if "Content-Length: 4\r" in extra else b"")
    reply = replay.Reply(raw_all(site, octets))
    assert reply.status == status, reply.octets
    if method == "HEAD":
        assert reply.body == b""
        got = replay.Reply(raw_all(site, octets.replace(b"HEAD", b"GET")))
        assert [field for field in reply.fields if field[0] != b"Date"] == [field for field in got.fields if field[0] != b"Date"]
        return
    replay.check_form(reply)
    if status == 200:
        assert (reply.one(b"Content-Type"), reply.one(b"Content-Transfer-Encoding")) == (b"application/pkcs7-mime", b"base64")
    else:
        assert reply.one(b"Content-Type").startswith(b"text/plain")
        assert 0 < len(reply.body) <= 512 and reply.body.count(b"\n") == 1 and reply.body.endswith(b"\n")


# --- the command line of people

def test_openssl_and_curl_are_enough(site, ca_file, tmp_path):
    """From nothing to a certificate that verifies against what cacerts gave, by shell and openssl alone"""
    script = r"""
        set -eu
        get() { curl --silent --show-error --fail --max-time 20 --cacert "$ROOT" "$@"; }
        get "$URL/cacerts" | openssl base64 -d | openssl pkcs7 -inform DER -print_certs -out bag.pem
        openssl req -new -newkey rsa:2048 -nodes -keyout key.pem -subj /CN=shell -outform DER 2>/dev/null | openssl base64 >shell.p10
        get --user "$CREDENTIALS" -H "Content-Type: application/pkcs10" --data-binary @shell.p10 "$URL/simpleenroll" |
            openssl base64 -d | openssl pkcs7 -inform DER -print_certs -out cert.pem
        openssl verify -no-CApath -no-CAstore -x509_strict -purpose sslclient -CAfile bag.pem cert.pem
        get --cert cert.pem --key key.pem -H "Content-Type: application/pkcs10" --data-binary @shell.p10 "$URL/simplereenroll" |
            openssl base64 -d | openssl pkcs7 -inform DER -print_certs -out renewed.pem
        openssl verify -no-CApath -no-CAstore -x509_strict -purpose sslclient -CAfile bag.pem renewed.pem
    """
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          timeout=60 * run.SLOW,
                          env={"PATH": os.environ["PATH"], "ROOT": ca_file, "URL": f"https://localhost:{site.port}{site.mount}",
                               "CREDENTIALS": f"{site.user}:{site.PASSWORD}"})
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().split() == ["cert.pem:", "OK", "renewed.pem:", "OK"]
    serials = set()
    for name in ("cert.pem", "renewed.pem"):
        cert = x509.load_pem_x509_certificate((tmp_path / name).read_bytes()[(tmp_path / name).read_bytes().index(b"-----BEGIN"):])
        site.ledger.add(cert.public_bytes(DER))
        lint(cert, site.pki.issuing.cert)
        serials.add(cert.serial_number)
    assert len(serials) == 2
