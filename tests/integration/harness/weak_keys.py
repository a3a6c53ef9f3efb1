# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Keys that nobody should have, and requests that they have signed all the same: arithmetic that no library wants to do.

RSA keys are a dict of prime -> exponent; the constants are primes that would take seconds to find.
"""

import functools
import hashlib
import math
import os
import subprocess

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

from . import der
from .pki import SIGNATURE_ALGORITHMS, raw_info, raw_name

# Both 3 modulo 4, so that a square root is a power, and not 1 modulo 3, so that 3 can be an exponent
P = int("c8ac778a5c0732cb04ed6805c68c01a0176ae8ec06ec35db990684e912dbcc6252d2d164b4b2c1306115eeed5d39518f8436529fbe6c8b50650b8ed8"
        "2c7075f3369ebcbbb78c06d23630a6d238887c4658fe39d6729f3ced05e1ec682d31873be8108208f33eb954f751053cacb720c71f31eb9f8a34326e"
        "922379254800c66b", 16)
Q = int("ee2c103ba8eb7c8a24861c0d6ebbd0949d0769e0cfc2f4ad93158aa12e7264b0e547b65b37e1efc9e22e288749ee59cb90ebe9b5e65ee8cfb0a697c7"
        "81c260597a38a6bacffeb416b437dd64f665841fc28cff9544259ea2f0d5f3e12032478d8dd3f1ab80a199418f8ca72d8c3f99f09fe7533e0fd330cf"
        "5421fb88dd20e6bf", 16)
NEXT_TO_P = P + 192
PRIME_2048 = int(
    "d3574163ae1c77f66e67bd36dca92df591755f7342dd3b9c5cf6aea087b2a62849cd57445f728441e39320816ae4dd63cd78ab119603e73f471e5154"
    "92c51a64e8b52fc27bb321a0be29d05d2a37bef1bb34dde47abf8e1a6004432707d1bb21163db3567fd1ff661d4c93925cca02069ae788fab14acbb6"
    "608c65951c1bba63d324d1219e53f305f8e94d4ac35cb2344fe782c4457bf7f9b1d8ee6f4832e0245de9a323bbea9d6dbbd6ce0caaad5e2b23315331"
    "8bfff424f6cda1339750d72b693c50fc0fe3b12db8b200211b8d63c4acab05be20ce69ac0f4d5a4f27dd4b52deb4e7e3d27e471c1c1b8cdf6fd16b81"
    "b680c04f08940b03d0856937083df475", 16)
F4 = 65537

# CVE-2017-15361: primes k * M + 65537^a mod M, where M is the product of the first 126 primes
ROCA_M = math.prod(n for n in range(2, 702) if all(n % d for d in range(2, math.isqrt(n) + 1)))
ROCA_P, ROCA_Q = (k * ROCA_M + pow(F4, a, ROCA_M)
                  for k, a in ((8597315743514633, 2947380198926319180), (8124549854060491, 2236772259587191847)))


def subject(name="device-1"):
    return raw_name(("2.5.4.3", der.UTF8, name.encode()))


def csr(info, algorithm, signature):
    return der.seq(info, algorithm, der.bit_string(signature))


# --- RSA

def rsa_algorithm(*parameters):
    return der.seq(der.oid("1.2.840.113549.1.1.1"), *parameters)


def rsa_spki(n, e, algorithm=None):
    """n: a number, or the INTEGER as it shall stand"""
    modulus = n if isinstance(n, bytes) else der.integer(n)
    return der.seq(algorithm or rsa_algorithm(der.tlv(der.NULL)), der.bit_string(der.seq(modulus, der.integer(e))))


def padded_hash(data, n):
    """What a signature of data becomes under the public exponent: RFC 8017 9.2"""
    digest_info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(data).digest()
    size = (n.bit_length() + 7) // 8
    return int.from_bytes(b"\0\1" + b"\xff" * (size - 3 - len(digest_info)) + b"\0" + digest_info, "big")


def octets(number, n):
    return number.to_bytes((n.bit_length() + 7) // 8, "big")


def modulus(factors):
    return math.prod(p ** k for p, k in factors.items())


def rsa_root(number, e, factors):
    """x with x^e = number, prime power by prime power: the exponent of thousands of bits would take half a minute"""
    n, root = modulus(factors), 0
    for p, k in factors.items():
        order, power = p ** (k - 1) * (p - 1), p ** k
        part = pow(number, pow(e, -1, order), power)
        rest = n // power
        root += part * rest * pow(rest, -1, power)
    return root % n


def rsa_csr(factors, e=F4, spki=None):
    """A request that verifies."""
    n = modulus(factors)
    info = raw_info(None, spki=spki or rsa_spki(n, e))
    return csr(info, SIGNATURE_ALGORITHMS["rsa-sha256"], octets(rsa_root(padded_hash(info, n), e, factors), n))


def rsa_csr_forged(n, e):
    """The padded hash itself, which is its own signature under exponent 1"""
    info = raw_info(None, spki=rsa_spki(n, e))
    return csr(info, SIGNATURE_ALGORITHMS["rsa-sha256"], octets(padded_hash(info, n), n))


def rabin_csr():
    """Exponent 2: a square root, of the first hash in a row of names that has one"""
    for number in range(1000):
        info = raw_info(None, subject=subject(f"device-{number}"), spki=rsa_spki(P * Q, 2))
        square = padded_hash(info, P * Q)
        roots = [pow(square, (p + 1) // 4, p) for p in (P, Q)]
        if all(pow(root, 2, p) == square % p for root, p in zip(roots, (P, Q))):
            root = (roots[0] * Q * pow(Q, -1, P) + roots[1] * P * pow(P, -1, Q)) % (P * Q)
            return csr(info, SIGNATURE_ALGORITHMS["rsa-sha256"], octets(root, P * Q))
    raise AssertionError("no square in a thousand")


# Exponents of Mersenne primes, whose sum is the size of their product: no two primes of thousands of bits have to be found
MERSENNE = {8192: (4423, 3217, 521, 31), 8193: (4423, 3217, 521, 19, 13), 16384: (4423, 4253, 3217, 2281, 2203, 7),
            16400: (4423, 4253, 3217, 2281, 2203, 13, 7, 3)}


@functools.lru_cache(maxsize=None)
def large_csr(bits):
    """A key of many primes"""
    factors = {2 ** exponent - 1: 1 for exponent in MERSENNE[bits]}
    assert modulus(factors).bit_length() == bits
    return rsa_csr(factors)


# --- elliptic curves

P256_P = 2 ** 256 - 2 ** 224 + 2 ** 192 + 2 ** 96 - 1
P256_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b
P256_N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
P256_G = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
          0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)
P256 = der.oid("1.2.840.10045.3.1.7")


def ec_add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P256_P == 0:
        return None
    slope = ((3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P256_P) if a == b
             else (b[1] - a[1]) * pow(b[0] - a[0], -1, P256_P)) % P256_P
    x = (slope * slope - a[0] - b[0]) % P256_P
    return x, (slope * (a[0] - x) - a[1]) % P256_P


def ec_times(factor, point):
    result = None
    while factor:
        if factor & 1:
            result = ec_add(result, point)
        point, factor = ec_add(point, point), factor >> 1
    return result


def coordinates(point):
    return point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def ec_spki(parameters, point):
    """parameters: the element that stands there, b"" for none; point: octets"""
    return der.seq(der.seq(der.oid("1.2.840.10045.2.1"), parameters), der.bit_string(point))


def ec_csr(spki, secret=7, generator=P256_G):
    """Signed with secret, by whatever generator"""
    info = raw_info(None, spki=spki)
    nonce = 0x1234567890abcdef1234567890abcdef
    r = ec_times(nonce, generator)[0] % P256_N
    s = pow(nonce, -1, P256_N) * (int.from_bytes(hashlib.sha256(info).digest(), "big") + r * secret) % P256_N
    return csr(info, SIGNATURE_ALGORITHMS["ecdsa-sha256"], der.seq(der.integer(r), der.integer(s)))


def explicit_p256(generator=P256_G):
    """ECParameters with the values of P-256 (RFC 3279 2.3.5)"""
    return der.seq(der.integer(1), der.seq(der.oid("1.2.840.10045.1.1"), der.integer(P256_P)),
                   der.seq(der.tlv(der.OCTET_STRING, (P256_P - 3).to_bytes(32, "big")),
                           der.tlv(der.OCTET_STRING, P256_B.to_bytes(32, "big"))),
                   der.tlv(der.OCTET_STRING, b"\4" + coordinates(generator)), der.integer(P256_N), der.integer(1))


def openssl_csr(curve):
    """For curves that python3-cryptography does not have"""
    argv = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:" + curve, "-nodes", "-keyout", os.devnull,
            "-subj", "/CN=device-1", "-sha256", "-outform", "DER"]
    if curve == "SM2":  # a kind of key of its own there
        argv[4:7] = ["SM2"]
        argv[-3] = "-sm3"
    done = subprocess.run(argv, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


# --- Edwards curves

ED25519_P, ED448_P = 2 ** 255 - 19, 2 ** 448 - 2 ** 224 - 1
ED25519_Y8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826  # of a point of order 8


def edwards_points(prime, size, more=()):
    """Each encoding of a y that belongs to a point of small order: both signs, and y + p where that fits"""
    names = {}
    for y in (0, 1, prime - 1, *more):
        for form, value in (("", y), ("_not_canonical", y + prime)):
            if value < 2 ** (8 * size - 1) and (size == 32 or value < 2 ** 448):
                for sign in (0, 1):
                    point = bytearray(value.to_bytes(size, "little"))
                    point[-1] |= sign << 7
                    label = {0: "0", 1: "1", prime - 1: "minus_1"}.get(y, f"{y >> 240:x}")
                    names[f"y_{label}{form}_sign_{sign}"] = bytes(point)
    return names


SMALL_ED25519 = edwards_points(ED25519_P, 32, (ED25519_Y8, ED25519_P - ED25519_Y8))
SMALL_ED448 = edwards_points(ED448_P, 57)


def edwards_spki(oid, point):
    return der.seq(der.seq(der.oid(oid)), der.bit_string(point))


def verifies(kind, point, signature, data):
    try:
        kind.from_public_bytes(point).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def edwards_csr_forged(point, signature=None):
    """
    A request that nobody's secret has signed, and whether OpenSSL takes the signature: S = 0 and R of small order fit one
    name in eight. Without a fit the last attempt is returned; some encodings are of no point at all.
    """
    small, oid, kind = ((SMALL_ED25519, "1.3.101.112", ed25519.Ed25519PublicKey) if len(point) == 32
                        else (SMALL_ED448, "1.3.101.113", ed448.Ed448PublicKey))
    signatures = [signature] if signature else [r + bytes(len(point)) for r in small.values()]
    for number in range(64):
        info = raw_info(None, subject=subject(f"device-{number}"), spki=edwards_spki(oid, point))
        for candidate in signatures:
            if verifies(kind, point, candidate, info):
                return csr(info, der.seq(der.oid(oid)), candidate), True
    return csr(info, der.seq(der.oid(oid)), candidate), False
