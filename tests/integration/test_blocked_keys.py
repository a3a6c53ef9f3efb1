# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""The list of blocked keys (K-11), and sql/import-blocked-keys, which reads published ones."""

import base64
import hashlib
import os
import pathlib
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harness.pki import make_csr, make_key, pem, pem_key, shared_key, spki_of

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "sql" / "import-blocked-keys"

# A key of CVE-2008-0166, and its line in blacklist.RSA-2048 of Debian's openssl-blacklist
DEBIAN_MODULUS = int(
    "d673252af6723c3f72529403eab7c30def3c52f97e799825f4a70191c616adcf1ece1113f1625971074c492c592025fdeadbdb146a081826bdf0d77c3c913dcf"
    "1b6f0b3b78f5108d2e493ad0eee8ca5c021711adc13d358e61133870fcd19c8e5c22403959782aa82e72aee53a3d491e3912ce27b27e1a85ea69c19a527d28f7"
    "934c9823b7e56fdd657dac83fdc65bb22a98d843df73238919781b714c81a5e2afec71f5c54aa2a27c590ad94c03c1062d50efcffac743e3c8a3ae056846a1d7"
    "56eb862bf4224169d467c35215ade0afcc11e85fe629afb802c4786ff2e9c929bccf502b3d3b8876c6a11785cc398b389f1d86bdd9cb0bd4ec13956ec3fa270d", 16)
DEBIAN_LINE = "8df20e6961a16398b85a"
BOULDER = "cuwGhNNI6nfob5aqY90e7BleU6l7rfxku4X3UTJ3Z7M="
DEFAULT_SOURCE = "list"


def spki_hash(key):
    return hashlib.sha256(spki_of(key)).hexdigest()


def modulus_line(n):
    """What `openssl rsa -noout -modulus | sha1sum` says, without its first half"""
    return hashlib.sha1(b"Modulus=%X\n" % n).hexdigest()[20:]


def run_import(site, *arguments, files=(), stdin="", check=0):
    """files: (name, content) pairs, written below the site's directory"""
    paths = []
    for name, content in files:
        paths.append(os.path.join(site.httpd.directory, name))
        with open(paths[-1], "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
    done = subprocess.run([SCRIPT, "-d", site.db.url(user="admin"), *arguments, *paths], input=stdin, capture_output=True, text=True, check=False,
                          env={"PATH": os.environ["PATH"]})
    assert done.returncode == check, done.stderr
    return done.stdout if check == 0 else done.stderr


def listed(site):
    return set(site.db.rows("SELECT kind, encode(fingerprint, 'hex'), source FROM blocked_key"))


@pytest.fixture(autouse=True)
def empty_list(site):
    yield
    site.db.execute("DELETE FROM blocked_key")


KEY, RSA = make_key(), shared_key("rsa:2048")
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
COMPRESSED = serialization.load_pem_public_key(PUBLIC).public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
TRADITIONAL = RSA.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
PKCS1 = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)


# what: (content, rows without their source)
FORMATS = {
    "openssl-blacklist": (f"# comments first\n#\n{DEBIAN_LINE}\n{modulus_line(RSA.public_key().public_numbers().n)}\n",
                          {("modulus", DEBIAN_LINE), ("modulus", modulus_line(RSA.public_key().public_numbers().n))}),
    "hex": (f"{spki_hash(KEY)}\n\n{spki_hash(RSA).upper()}  # leaked\r\n", {("spki", spki_hash(KEY)), ("spki", spki_hash(RSA))}),
    "base64": (BOULDER + "\n", {("spki", base64.b64decode(BOULDER).hex())}),
    "yaml": (f'---\n# of Boulder\nblocked:\n  # why\n  - {BOULDER}\n  - "{base64.b64encode(bytes(32)).decode()}"\nblockedHashesHex:\n'
             f"  - '{spki_hash(KEY)}'\n\n", {("spki", base64.b64decode(BOULDER).hex()), ("spki", "00" * 32), ("spki", spki_hash(KEY))}),
    "twice_in_a_file": (f"{spki_hash(KEY)}\n{spki_hash(KEY)}\n", {("spki", spki_hash(KEY))}),
    "without_last_newline": (spki_hash(KEY), {("spki", spki_hash(KEY))}),
    "empty": ("", set()),
    "public_key": (PUBLIC, {("spki", spki_hash(KEY))}),
    "rsa_public_key": (PKCS1, {("spki", spki_hash(RSA))}),
    "private_key": (pem_key(KEY), {("spki", spki_hash(KEY))}),
    "rsa_private_key": (TRADITIONAL, {("spki", spki_hash(RSA))}),
    "request": (pem(make_csr(KEY)), {("spki", spki_hash(KEY))}),
    "new_request": (pem(make_csr(RSA), "NEW CERTIFICATE REQUEST"), {("spki", spki_hash(RSA))}),
    "several_with_text": (b"Key of somebody:\n    Data\n" + PUBLIC + b"\nand:\n" + TRADITIONAL, {("spki", spki_hash(KEY)), ("spki", spki_hash(RSA))}),
}


@pytest.mark.parametrize("row", ["K-11_" + row for row in FORMATS])
def test_lists_that_are_read(site, row):
    content, rows = FORMATS[row[5:]]
    assert f": {len(rows)} new, 0 known already" in run_import(site, files=[(DEFAULT_SOURCE, content)])
    assert listed(site) == {(*entry, DEFAULT_SOURCE) for entry in rows}
    assert f": 0 new, {len(rows)} known already" in run_import(site, "-s", "again", files=[(DEFAULT_SOURCE, content)])
    assert listed(site) == {(*entry, DEFAULT_SOURCE) for entry in rows}


def test_K_11_certificates_and_several_files(site, pki):
    out = run_import(site, "-s", "incident 4711", files=[("chain.pem", pki.server.pem_chain()), ("l", DEBIAN_LINE)])
    assert "3 entries read, 3 keys: 3 new" in out
    assert listed(site) == {("spki", spki_hash(pki.server.key), "incident 4711"), ("spki", spki_hash(pki.issuing.key), "incident 4711"),
                            ("modulus", DEBIAN_LINE, "incident 4711")}


def test_K_11_standard_input_and_dry_run(site):
    assert run_import(site, "-n", "-", stdin=DEBIAN_LINE) == "1 entries read\n"
    assert not listed(site)
    run_import(site, "-", stdin=DEBIAN_LINE + "\n")
    assert listed(site) == {("modulus", DEBIAN_LINE, "standard input")}


def test_K_11_compressed_points_are_listed_as_they_would_be_enrolled(site):
    compressed = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + COMPRESSED
    run_import(site, files=[(DEFAULT_SOURCE, pem(compressed, "PUBLIC KEY"))])
    assert listed(site) == {("spki", spki_hash(KEY), DEFAULT_SOURCE)}


# what: (content, complaint)
MALFORMED = {
    "19_digits": ("# a\n" + DEBIAN_LINE[1:], ":2: not a fingerprint: " + DEBIAN_LINE[1:]),
    "40_digits": (DEBIAN_LINE * 2, ":1: not a fingerprint"),
    "63_digits": (f"{spki_hash(KEY)}\n{spki_hash(KEY)[1:]}\n", ":2: not a fingerprint"),
    "no_digit": ("8df20e6961a16398b85g", ":1: not a fingerprint"),
    "base64_of_31": (base64.b64encode(bytes(31)).decode(), ":1: not a fingerprint"),
    "base64_pad_bits": (BOULDER[:-2] + "N=", ":1: not a fingerprint"),
    "words": ("hello world", ":1: not a fingerprint: hello world"),
    "sql": ("'); DROP TABLE est.blocked_key; --", ":1: not a fingerprint"),
    "end_of_copy": ("\\.", ":1: not a fingerprint"),
    "pem_without_end": (PUBLIC[:-30], "PEM block of line 1 does not end"),
    "pem_in_pem": (PUBLIC[:40] + b"\n" + PUBLIC, "PEM block of line 1 does not end"),
    "pem_garbage": (pem(b"garbage", "PUBLIC KEY"), ":1: no key can be read"),
    "pem_encrypted": (pem_key(KEY, b"secret"), ":1: this key has a passphrase"),
    "pem_encrypted_old": (RSA.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                            serialization.BestAvailableEncryption(b"secret")), ":1: no key can be read"),
    "pem_crl": (pem(b"0", "X509 CRL"), ":1: not a PEM block that holds a key"),
}


@pytest.mark.parametrize("row", ["K-11_" + row for row in MALFORMED])
def test_lists_that_are_refused(site, row):
    content, complaint = MALFORMED[row[5:]]
    error = run_import(site, files=[("good", DEBIAN_LINE), ("bad", content)], check=1)
    assert "bad:" in error and complaint in error
    assert not listed(site)


def test_K_11_options(site):
    for arguments in (["-x", "f"], ["--no-such"], []):
        assert run_import(site, *arguments, check=2)
    assert run_import(site, "/nonexistent", check=1) == "import-blocked-keys: /nonexistent: cannot be read\n"
    for arguments in (["-h"], ["--help"]):
        assert "SYNOPSIS" in run_import(site, *arguments)


def test_K_11_source_that_the_table_refuses(site, allow_log):
    allow_log("blocked_key.source")
    assert "blocked_key.source" in run_import(site, "-s", "x" * 101, files=[("l", DEBIAN_LINE)], check=1)
    assert not listed(site)


def test_K_11_source_is_data(site):
    run_import(site, "-s", "a\\N\tb'; --", files=[("l", DEBIAN_LINE)])
    assert listed(site) == {("modulus", DEBIAN_LINE, "a?N?b'; --")}


def test_K_11_a_key_of_debians_list(site):
    """Its fingerprint by the script's own computation is the published one. (Nobody here has the secret to enrol with.)"""
    assert modulus_line(DEBIAN_MODULUS) == DEBIAN_LINE
    key = rsa.RSAPublicNumbers(65537, DEBIAN_MODULUS).public_key()
    run_import(site, files=[("list", DEBIAN_LINE)])
    got = site.db.rows("SELECT outcome, rule FROM est.record_issued(gen_random_uuid(), 1, (SELECT version FROM policy_version), 'simpleenroll', "
                       "'user', 'u', NULL, NULL, NULL, NULL, NULL, 'weak', NULL, 0, 'issuing', 'CN=x', sha256('x'), '01', 'CN=weak', NULL, %s, "
                       "now(), now() + interval '1 day', 'x', decode(%s, 'hex'), NULL, NULL, NULL, NULL, NULL)",
                       hashlib.sha256(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).digest(),
                       modulus_line(DEBIAN_MODULUS), user="postgres")
    assert got == [("refused", "key_blocked")]


@pytest.mark.parametrize("how", ["K-11_modulus_4096", "K-11_modulus_2048", "K-11_spki_rsa", "K-11_spki_ec", "K-11_pem"])
def test_blocked_keys_are_refused(site, how):
    """Signed by its key, refused while it is on the list, and issued before and after."""
    kind = {"K-11_modulus_4096": "rsa:4096", "K-11_spki_ec": "ec:P-384"}.get(how, "rsa:2048")
    key = shared_key(kind)
    label = site.alias(idempotency="0")
    content = (modulus_line(key.public_key().public_numbers().n) if "modulus" in how else pem_key(key) if "pem" in how else spki_hash(key))
    with site.ra() as client:
        assert client.enroll(make_csr(key), label).status == 200
        run_import(site, "-s", "a published list", files=[("l", content)])
        before = site.counts()
        answer = client.enroll(make_csr(key), label)
        assert (answer.status, answer.reason) == (400, "key_blocked"), answer.text
        assert "listed (a published list)" in answer.text
        assert site.counts() == before
        site.db.execute("DELETE FROM blocked_key")
        assert client.enroll(make_csr(key), label).status == 200


def test_K_11_a_blocked_key_is_not_renewed_and_not_replayed(site):
    holder = site.holder("CN=renews")
    with site.client(identity=holder) as client, site.ra() as again:
        request = make_csr(make_key(), "CN=replayed")
        key = serialization.load_der_public_key(spki_of(holder.key))
        assert again.enroll(request).cert() == again.enroll(request).cert()
        csr = x509.load_der_x509_csr(request)
        for public in (key, csr.public_key()):
            run_import(site, "-", stdin=public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode())
        assert client.reenroll(make_csr(holder.key, "CN=renews")).reason == "key_blocked"
        assert again.enroll(request).reason == "key_blocked"
        assert client.reenroll(make_csr(make_key(), "CN=renews")).status == 200
