# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Keys through the whole server: docs/conformance.md, rows K, C-16, CP-06, CP-10, EN-12, EN-13. Each request is signed by its key
wherever that is possible, so that it is the key that is refused and nothing else."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, padding

from harness import der, weak_keys
from harness.lint import lint
from harness.pki import SIGNATURE_ALGORITHMS, CertificateAuthority, key_usage, make_csr, make_key, raw_csr, raw_info, shared_key, spki_of
from harness.run import SLOW, cpu_seconds
from harness.weak_keys import (F4, NEXT_TO_P, P, P256, P256_G, P256_P, PRIME_2048, Q, ROCA_P, ROCA_Q, SMALL_ED448, SMALL_ED25519,
                               coordinates, csr, ec_csr, ec_spki, ec_times, edwards_csr_forged, edwards_spki, explicit_p256, openssl_csr,
                               rabin_csr, rsa_algorithm, rsa_csr, rsa_csr_forged, rsa_spki)

N = P * Q
POINT = ec_times(7, P256_G)  # of the secret that ec_csr() signs with
OID_PSS, OID_X25519, OID_X448 = "1.2.840.113549.1.1.10", "1.3.101.110", "1.3.101.111"
OID_DH, OID_X942_DH, OID_NO_SIGNATURE = "1.2.840.113549.1.3.1", "1.2.840.10046.2.1", "1.3.6.1.5.5.7.6.2"
OID_GOST = "1.2.643.7.1.1.1.1"
OID_ML_DSA, OID_ML_KEM = "2.16.840.1.101.3.4.3", "2.16.840.1.101.3.4.4"


def pss_csr():
    sha256 = der.seq(der.oid("2.16.840.1.101.3.4.2.1"), der.tlv(der.NULL))
    algorithm = der.seq(der.oid(OID_PSS), der.seq(der.tlv(0xA0, sha256), der.tlv(0xA1, der.seq(der.oid("1.2.840.113549.1.1.8"), sha256)),
                                                  der.tlv(0xA2, der.integer(32))))
    info = raw_info(None, spki=rsa_spki(shared_key("rsa:2048").public_key().public_numbers().n, F4, der.seq(der.oid(OID_PSS))))
    return csr(info, algorithm, shared_key("rsa:2048").sign(info, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()))


def unsigned_csr(spki, algorithm="ecdsa-sha256", signature=bytes(64)):
    """For keys that cannot sign, or with which nobody here can"""
    return csr(raw_info(None, spki=spki), SIGNATURE_ALGORITHMS.get(algorithm) or der.seq(der.oid(algorithm)), signature)


def other_spki(oid, octets, *parameters):
    return der.seq(der.seq(der.oid(oid), *parameters), der.bit_string(octets))


def dh_spki(oid):
    return other_spki(oid, der.integer(pow(2, 12345, PRIME_2048)), der.seq(der.integer(PRIME_2048), der.integer(2)))


def negative_modulus_csr():
    """Without its zero octet in front the INTEGER is negative; OpenSSL does not look at the sign"""
    return rsa_csr({P: 1, Q: 1}, spki=rsa_spki(der.tlv(der.INTEGER, N.to_bytes(256, "big")), F4))


def x_only(prefix):
    return ec_csr(ec_spki(P256, prefix + coordinates(POINT)[:32]))


def hybrid(prefix):
    return ec_csr(ec_spki(P256, prefix + coordinates(POINT)))


def off_curve():
    octets = bytearray(coordinates(POINT))
    octets[-1] ^= 1
    return ec_csr(ec_spki(P256, b"\4" + octets))


def beyond_p():
    """x + p, for the first x so small that it fits in 32 octets and belongs to a point"""
    x = next(x for x in range(1, 1000) if pow((x ** 3 - 3 * x + weak_keys.P256_B) % P256_P, (P256_P - 1) // 2, P256_P) == 1)
    y = pow((x ** 3 - 3 * x + weak_keys.P256_B) % P256_P, (P256_P + 1) // 4, P256_P)
    return ec_csr(ec_spki(P256, b"\4" + (x + P256_P).to_bytes(32, "big") + y.to_bytes(32, "big")))


def foreign_generator():
    """CVE-2020-0601: somebody's public point as generator, so that the secret that belongs to it is 1"""
    victim = make_key().public_key().public_numbers()
    point = victim.x, victim.y
    return ec_csr(ec_spki(explicit_p256(point), b"\4" + coordinates(point)), 1, point)


def named_curve_missing(parameters):
    return ec_csr(ec_spki(parameters, b"\4" + coordinates(POINT)))


# row: (request, part of the detail, why)
REFUSED = {
    "K-01_exponent_1_forged": (lambda: rsa_csr_forged(N, 1), "exponent must be", "anyone makes such a signature"),
    "K-02_exponent_0": (lambda: rsa_csr_forged(N, 0), "positive", "1 is every signature's power"),
    "K-02_exponent_2": (rabin_csr, "exponent must be", "a square root is a signature"),
    "K-02_exponent_65536": (lambda: rsa_csr_forged(N, 65536), "exponent must be", "even"),
    "K-02_modulus_even": (lambda: rsa_csr({2: 1, P: 1, Q: 1}), "modulus is even", "a factor is known"),
    "K-03_exponent_3": (lambda: rsa_csr({P: 1, Q: 1}, 3), "exponent must be", "decision 8: 65537 at least"),
    "K-03_exponent_65535": (lambda: rsa_csr_forged(N, 65535), "exponent must be", "one below"),
    "K-03_exponent_2_256": (lambda: rsa_csr({P: 1, Q: 1}, 2 ** 256 + 3), "exponent must be", "decision 8: below 2^256"),
    "K-03_exponent_2_2047": (lambda: rsa_csr({P: 1, Q: 1}, 2 ** 2047 + 1), "exponent must be", "OpenSSL's check takes it"),
    "K-03_exponent_beyond_n": (lambda: rsa_csr({P: 1, Q: 1}, N + 2), "exponent must be", "larger than the modulus"),
    "K-04_modulus_prime": (lambda: rsa_csr({PRIME_2048: 1}), "modulus is prime", "everybody knows the secret"),
    "K-04_modulus_square": (lambda: rsa_csr({P: 2}), "too close", "so does a square root"),
    "K-04_modulus_cube": (lambda: rsa_csr({P: 3}), "power of a prime", "and a cube root"),
    "K-04_factor_3": (lambda: rsa_csr({3: 1, P: 1, Q: 1}), "small factor", "smaller than it looks"),
    "K-04_factor_167": (lambda: rsa_csr({167: 1, P: 1, Q: 1}), "small factor", "the largest that is looked for"),
    "K-05_close_primes": (lambda: rsa_csr({P: 1, NEXT_TO_P: 1}), "too close", "found by one round of Fermat's method"),
    "K-06_512": (lambda: raw_csr(make_key("rsa:512")), "RSA 512; allowed", "broken since 1999"),
    "K-06_1024": (lambda: raw_csr(make_key("rsa:1024")), "RSA 1024; allowed", "80 bits"),
    "K-06_2047": (lambda: raw_csr(make_key("rsa:2047")), "RSA 2047; allowed", "one bit below"),
    "K-08_8193": (lambda: weak_keys.large_csr(8193), "RSA 8193; allowed", "one bit above"),
    "K-08_16384": (lambda: weak_keys.large_csr(16384), "RSA 16384; allowed", "1.2 s of OpenSSL's time"),
    "K-08_16400": (lambda: weak_keys.large_csr(16400), "RSA 16400; allowed", "beyond OpenSSL"),
    "K-09_modulus_negative": (negative_modulus_csr, "positive", "OpenSSL does not look at the sign"),
    "K-10_ROCA": (lambda: rsa_csr({ROCA_P: 1, ROCA_Q: 1}), "ROCA", "CVE-2017-15361"),
    "K-12_parameters_not_null": (lambda: rsa_csr({P: 1, Q: 1}, spki=rsa_spki(N, F4, rsa_algorithm(der.integer(0)))), "other than NULL",
                                 "RFC 3279 2.3.1"),
    "K-13_RSASSA-PSS": (pss_csr, "RSASSA-PSS", "no profile allows it"),
    "K-13_DSA": (lambda: make_csr(dsa.generate_private_key(1024)), "DSA", "given up by FIPS 186-5"),
    "K-13_DH": (lambda: unsigned_csr(dh_spki(OID_DH)), OID_DH, "cannot sign"),
    "K-13_X9.42_DH": (lambda: unsigned_csr(dh_spki(OID_X942_DH)), OID_X942_DH, "cannot sign"),
    "K-13_GOST": (lambda: unsigned_csr(other_spki(OID_GOST, der.tlv(der.OCTET_STRING, bytes(64)),
                                                  der.seq(der.oid("1.2.643.2.2.35.1"), der.oid("1.2.643.7.1.1.2.2")))), OID_GOST, "not supported"),
    "K-13_SM2": (lambda: openssl_csr("SM2"), "1.2.156.10197.1.301", "a curve like another, signed with SM3"),
    "K-13_unknown": (lambda: unsigned_csr(other_spki("1.3.6.1.4.1.99999.1", bytes(32))), "1.3.6.1.4.1.99999.1", "nobody's"),
    "K-14_explicit_P-256": (lambda: named_curve_missing(explicit_p256()), "without a named curve", "RFC 5480 2.1.1: named curves alone"),
    "K-14_foreign_generator": (foreign_generator, "without a named curve", "CVE-2020-0601"),
    "K-15_parameters_NULL": (lambda: named_curve_missing(der.tlv(der.NULL)), "without a named curve", "implicitCA"),
    "K-15_parameters_absent": (lambda: named_curve_missing(b""), "without a named curve", "which curve?"),
    "K-15_unknown_curve": (lambda: named_curve_missing(der.oid("1.3.6.1.4.1.99999.2")), "1.3.6.1.4.1.99999.2", "which curve?"),
    "K-15_off_the_curve": (off_curve, "EC P-256 point", "a point of another curve"),
    "K-15_coordinate_beyond_p": (beyond_p, "EC P-256 point", "not reduced: two encodings of one key"),
    "K-15_short_point": (lambda: ec_csr(ec_spki(P256, b"\4" + coordinates(POINT)[:-1])), "not in uncompressed form", "an octet is missing"),
    "K-15_long_point": (lambda: ec_csr(ec_spki(P256, b"\4" + coordinates(POINT) + b"\0")), "not in uncompressed form", "an octet too many"),
    "K-15_no_point": (lambda: ec_csr(ec_spki(P256, b"")), "not in uncompressed form", "empty"),
    "K-15_Ed25519_31": (lambda: unsigned_csr(edwards_spki("1.3.101.112", bytes(31)), "ed25519"), "31 octets", "too short"),
    "K-15_Ed25519_33": (lambda: unsigned_csr(edwards_spki("1.3.101.112", bytes(33)), "ed25519"), "33 octets", "too long"),
    "K-16_infinity": (lambda: ec_csr(ec_spki(P256, b"\0")), "not in uncompressed form", "OpenSSL decodes it"),
    "K-17_compressed_02": (lambda: x_only(b"\2"), "not in uncompressed form", "RFC 5480 2.2: MAY be supported; it is not"),
    "K-17_compressed_03": (lambda: x_only(b"\3"), "not in uncompressed form", "the other sign"),
    "K-17_hybrid_06": (lambda: hybrid(b"\6"), "not in uncompressed form", "RFC 5480 2.2: MUST NOT be used"),
    "K-17_hybrid_07": (lambda: hybrid(b"\7"), "not in uncompressed form", "RFC 5480 2.2: MUST NOT be used"),
    **{f"K-18_{name}": (lambda name=name: openssl_csr(name), "allowed are P-256, P-384 and P-521", "decision 8") for name in
       ("secp112r1", "secp160r1", "prime192v1", "sect163k1", "secp224r1", "secp256k1", "brainpoolP256r1", "brainpoolP384r1")},
    **{f"K-19_Ed25519_{name}": (lambda point=point: edwards_csr_forged(point)[0], "not canonically|small order", "small order")
       for name, point in SMALL_ED25519.items()},
    **{f"K-19_Ed448_{name}": (lambda point=point: edwards_csr_forged(point)[0], "not canonically|small order", "small order")
       for name, point in SMALL_ED448.items()},
    "K-20_X25519": (lambda: unsigned_csr(edwards_spki(OID_X25519, b"\x09" + bytes(31)), "ed25519"), "X25519", "cannot sign"),
    "K-20_X448": (lambda: unsigned_csr(edwards_spki(OID_X448, b"\x05" + bytes(55)), "ed25519"), "X448", "cannot sign"),
    "EN-13_X25519": (lambda: unsigned_csr(edwards_spki(OID_X25519, b"\x09" + bytes(31)), OID_NO_SIGNATURE), "X25519", "RFC 10002: no proof"),
    "EN-13_X448": (lambda: unsigned_csr(edwards_spki(OID_X448, b"\x05" + bytes(55)), OID_NO_SIGNATURE), "X448", "no proof"),
    "EN-13_DH": (lambda: unsigned_csr(dh_spki(OID_DH), OID_NO_SIGNATURE), OID_DH, "no proof"),
    **{f"K-21_ML-DSA_{number}": (lambda number=number, size=size: unsigned_csr(other_spki(f"{OID_ML_DSA}.{number}", bytes(size)),
                                                                               f"{OID_ML_DSA}.{number}", bytes(3309)),
                                 f"{OID_ML_DSA}.{number}", "not in OpenSSL 3.0") for number, size in ((17, 1312), (18, 1952), (19, 2592))},
    **{f"K-21_ML-KEM_{number}": (lambda number=number, size=size: unsigned_csr(other_spki(f"{OID_ML_KEM}.{number}", bytes(size)),
                                                                               OID_NO_SIGNATURE), f"{OID_ML_KEM}.{number}", "cannot sign")
       for number, size in ((1, 800), (2, 1184), (3, 1568))},
}


@pytest.mark.parametrize("row", REFUSED)
def test_keys_that_are_refused(site, row):
    make, details, why = REFUSED[row]
    before, request = site.counts(), make()
    with site.ra() as client:
        answer = client.enroll(request)
    assert (answer.status, answer.reason) == (400, "key_rejected"), answer.text
    assert any(detail in answer.text for detail in details.split("|")), answer.text
    assert site.counts() == before
    assert why


@pytest.mark.parametrize("point, signature", [(bytes(32), bytes(64)), (b"\1" + bytes(31), b"\1" + bytes(63))],
                         ids=["K-19_all_zero", "K-19_identity"])
def test_forged_proofs_of_possession(site, point, signature):
    """OpenSSL takes these signatures, which are nobody's: the key has to be refused for itself."""
    request, taken = edwards_csr_forged(point, signature)
    assert taken
    with site.ra() as client:
        answer = client.enroll(request)
    assert (answer.status, answer.reason) == (400, "key_rejected"), answer.text


def test_K_19_most_forgeries_would_do():
    """What the rows above send are forgeries indeed."""
    assert sum(edwards_csr_forged(point)[1] for point in SMALL_ED25519.values()) >= 8
    assert sum(edwards_csr_forged(point)[1] for point in SMALL_ED448.values()) >= 2


# row: (request, SubjectPublicKeyInfo of the certificate)
ACCEPTED = {
    "K-03_exponent_2_32": (lambda: rsa_csr({P: 1, Q: 1}, 2 ** 32 + 15), rsa_spki(N, 2 ** 32 + 15)),
    "K-03_exponent_2_255": (lambda: rsa_csr({P: 1, Q: 1}, 2 ** 255 + 95), rsa_spki(N, 2 ** 255 + 95)),
    "K-07_2051": (lambda: raw_csr(shared_key("rsa:2051")), lambda: spki_of(shared_key("rsa:2051"))),
    "K-12_parameters_absent": (lambda: rsa_csr({P: 1, Q: 1}, spki=rsa_spki(N, F4, rsa_algorithm())), rsa_spki(N, F4)),
    "CP-06_rsa_parameters_absent": (lambda: rsa_csr({P: 1, Q: 1}, spki=rsa_spki(N, F4, rsa_algorithm())), rsa_spki(N, F4)),
    "CP-06_rsa_parameters_null": (lambda: rsa_csr({P: 1, Q: 1}), rsa_spki(N, F4)),
    "CP-06_ec_named_uncompressed": (lambda: ec_csr(ec_spki(P256, b"\4" + coordinates(POINT))), ec_spki(P256, b"\4" + coordinates(POINT))),
}


@pytest.mark.parametrize("row", ACCEPTED)
def test_keys_that_are_accepted(site, row):
    make, expected = ACCEPTED[row]
    label = site.alias(idempotency="0")
    with site.ra() as client:
        cert = client.enroll(make(), label).cert()
    lint(cert, site.pki.issuing.cert)
    spki = der.children(cert.tbs_certificate_bytes)[6]
    assert spki == (expected() if callable(expected) else expected)


@pytest.mark.parametrize("bits", [8192, 16384], ids=["EN-12_not_allowed_8192", "EN-12_K-08_16384"])
@pytest.mark.row("K-08")
def test_large_keys_cost_nothing(site, bits):
    """8192 bits are below the ceiling and above what the profile allows here: their arithmetic is 90 ms in the quality check."""
    request, costs = weak_keys.large_csr(bits), []
    processes = [site.httpd.pid, *site.httpd.children()]
    site.sql("UPDATE certificate_profile SET keys = %s WHERE name = 'device'", ["ec:P-256,P-384,P-521", "rsa:2048-4096", "ed25519"])
    with site.ra() as client:
        client.enroll(request)
        for _ in range(20):
            before = cpu_seconds(processes)
            answer = client.enroll(request)
            costs.append(cpu_seconds(processes) - before)
            assert (answer.status, answer.reason) == (400, "key_rejected" if bits > 8192 else "key_not_allowed"), answer.text
    site.sql("UPDATE certificate_profile SET keys = %s WHERE name = 'device'", ["ec:P-256,P-384,P-521", "rsa:2048-8192", "ed25519"])
    assert 0 < max(costs) < 0.05 * SLOW, costs


# --- keys of the server and of its CAs

NEIGHBOUR = """
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
    ServerName neighbour.example
    DocumentRoot {directory}/htdocs
    SSLEngine on
    SSLCertificateFile {directory}/neighbour.pem"""
RESERVED = ("issuing_CA", "chain", "other_CA", "chain_of_other_CA", "server", "second_certificate_of_server", "other_host")


@pytest.fixture(scope="module", name="crowd")
def crowded_site(make_site, pki):
    """Two CAs, two TLS hosts, one of them with two certificates; crowd.keys: whose key is which"""
    crowd = make_site("crowd", start=False)
    above = CertificateAuthority("O=Test,CN=Other Root")
    other = CertificateAuthority("O=Test,CN=Other CA", above)
    second, neighbour = (pki.issuing.issue(name, key=make_key(kind), san=[x509.DNSName("localhost")], eku=())
                         for name, kind in (("CN=localhost", "rsa:2048"), ("CN=neighbour.example", "ec:P-384")))
    httpd = crowd.httpd
    httpd.put_ca("other", other)
    for name, identity in (("second", second), ("neighbour", neighbour)):
        httpd.put(name + ".pem", identity.pem_chain() + httpd.key_pem(identity.key))
    crowd.config.ca_blocks = [httpd.ca_block("issuing"), httpd.ca_block("other")]
    crowd.config.vhost = f"SSLCertificateFile {httpd.directory}/second.pem"
    crowd.config.locations = NEIGHBOUR.format(port=httpd.port, directory=httpd.directory)
    crowd.keys = dict(zip(RESERVED, (pki.issuing.key, pki.root.key, other.key, above.key, pki.server.key, second.key, neighbour.key)))
    return crowd.start()


@pytest.mark.parametrize("whose", RESERVED, ids=["C-16_" + whose for whose in RESERVED])
def test_keys_of_the_server_are_nobody_elses(crowd, whose):
    before = crowd.counts()
    with crowd.ra() as client:
        answer = client.enroll(make_csr(crowd.keys[whose]))
        assert (answer.status, answer.reason) == (400, "key_reserved"), answer.text
        assert crowd.counts() == before
        assert client.enroll(make_csr(make_key())).status == 200


def test_C_16_both_certificates_of_a_host_are_still_served(crowd):
    """Looking at them has left TLS as it was."""
    with crowd.client(tls="1.2") as client:
        assert client.get("cacerts").status == 200


@pytest.mark.parametrize("reason, status", [("keyCompromise", 400), ("superseded", 200)], ids=["C-16_compromised", "superseded"])
def test_key_of_a_revoked_certificate(site, reason, status):
    holder = site.holder("CN=victim")
    site.revoke(holder.cert, reason)
    before = site.counts()
    with site.ra() as client:
        answer = client.enroll(make_csr(holder.key, "CN=somebody-else"))
    assert answer.status == status, answer.text
    if status == 400:
        assert answer.reason == "key_blocked" and "keyCompromise" in answer.text
        assert site.counts() == before


# --- what keys are for

def make_profile(site, usage, purpose):
    name = f"usage-{next(site.numbers)}"
    site.db.execute("INSERT INTO certificate_profile (name, keys) VALUES (%s, '{\"ec:P-256,P-384,P-521\",rsa:2048-8192,ed25519,ed448}')", name)
    site.db.execute("INSERT INTO profile_subject_rule (profile_id, attribute) SELECT id, 'CN' FROM certificate_profile WHERE name = %s", name)
    for extension, value in (("keyUsage", usage), ("extendedKeyUsage", purpose)):
        site.db.execute("INSERT INTO profile_extension (profile_id, name, critical, value) SELECT id, %s, %s, %s FROM certificate_profile "
                        "WHERE name = %s", extension, extension == "keyUsage", value, name)
    return site.alias(profile_id=site.profile_id(name))


BOTH = "digitalSignature, keyEncipherment"
# row: (kind of key, keyUsage of the profile, its purpose, keyUsage asked for, keyUsage given or the reason of a 400)
USAGES = {
    "RSA": ("rsa:2048", BOTH, "serverAuth", (), "digital_signature key_encipherment"),
    "RSA_agreement_cut": ("rsa:2048", BOTH + ", keyAgreement", "serverAuth", (), "digital_signature key_encipherment"),
    "RSA_all_four": ("rsa:2048", BOTH + ", nonRepudiation, dataEncipherment", "serverAuth", (),
                     "digital_signature content_commitment key_encipherment data_encipherment"),
    "EC": ("ec:P-256", BOTH, "serverAuth", (), "digital_signature"),
    "EC_agreement": ("ec:P-384", BOTH + ", keyAgreement, dataEncipherment", "serverAuth", (), "digital_signature key_agreement"),
    "EC_agreement_one_way": ("ec:P-521", "digitalSignature, keyAgreement, encipherOnly", "clientAuth", (),
                             "digital_signature key_agreement encipher_only"),
    "EC_nothing_left": ("ec:P-256", "keyEncipherment", "serverAuth", (), "key_not_allowed"),
    "EC_nothing_useful_left": ("ec:P-256", "keyEncipherment, nonRepudiation", "serverAuth", (), "key_not_allowed"),
    "EC_asks_and_gets_less": ("ec:P-256", BOTH, "serverAuth", ("digital_signature", "key_encipherment"), "digital_signature"),
    "EC_asks_what_it_cannot": ("ec:P-256", BOTH, "serverAuth", ("key_encipherment",), "extension_refused"),
    "RSA_asks_what_it_can": ("rsa:2048", BOTH, "serverAuth", ("key_encipherment",), "digital_signature key_encipherment"),
    "Ed25519": ("ed25519", BOTH + ", nonRepudiation, keyAgreement, encipherOnly", "clientAuth", (), "digital_signature content_commitment"),
    "Ed448": ("ed448", BOTH, "clientAuth", (), "digital_signature"),
    "Ed25519_nothing_left": ("ed25519", "keyAgreement", "clientAuth", (), "key_not_allowed"),
}


def usages(cert):
    extension = cert.extensions.get_extension_for_class(x509.KeyUsage)
    assert extension.critical
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"]
    if extension.value.key_agreement:
        names += ["encipher_only", "decipher_only"]
    return " ".join(name for name in names if getattr(extension.value, name))


@pytest.mark.parametrize("row", ["CP-10_" + row for row in USAGES])
def test_key_usage_fits_the_key(site, row):
    kind, usage, purpose, wanted, expected = USAGES[row[6:]]
    label = make_profile(site, usage, purpose)
    extensions = [(key_usage(**{name: True for name in wanted}), True)] if wanted else []
    start, before = site.httpd.log.size(), site.counts()
    with site.ra() as client:
        answer = client.enroll(make_csr(shared_key(kind), "CN=usage", extensions=extensions), label)
    if "_" in expected and answer.status != 200:
        assert (answer.status, answer.reason) == (400, expected), answer.text
        assert site.counts() == before
        return
    assert usages(answer.cert()) == expected
    cut = len(usage.split(", ")) != len(expected.split())
    assert any("left out: keyUsage=" in line for line in site.log_lines(start)) == cut
