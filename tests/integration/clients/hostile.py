# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Random and nearly right bodies for every operation that takes one, over kept connections (row B-10)."""

import base64
import collections
import random
import socket

from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from harness import der
from harness.client import basic, connect, context
from harness.form import chunked
from harness.pki import make_csr, make_key, raw_csr, raw_info

OPERATIONS = (b"simpleenroll", b"simplereenroll")
REFUSED = {400, 413, 415}
JUDGED = REFUSED | {200, 403}  # what is well-formed again after a change may be issued, or its name refused


def lengths(data, start=0, depth=0):
    """Where the elements of data begin, at any depth: (offset, header, end). What cannot be read is passed over."""
    found = []
    while start + 2 <= len(data) and depth < 12:
        header, whole = der.head(data[start:start + 130].ljust(2, b"\0")) if data[start + 1] < 0x85 else (2, 0)
        end = start + whole
        if whole < header or end > len(data):
            break
        found.append((start, start + header, end))
        if data[start] & 0x20:
            found += [(a + start + header, b + start + header, c + start + header)
                      for a, b, c in lengths(data[start + header:end], 0, depth + 1)]
        start = end
    return found


class Bodies:
    """An endless row of bodies; the same for the same seed, but for keys and signatures"""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.key, rsa = make_key(), make_key("rsa:2048")
        self.seeds = [make_csr(self.key), make_csr(self.key, "CN=a,O=b,C=DE", challenge=b"0123456789abcdef"),
                      make_csr(rsa), make_csr(make_key("ed25519")), raw_csr(self.key)]
        self.seed_set = set(self.seeds)
        self.infos = [raw_info(self.key), *(der.children(seed)[0] for seed in self.seeds[:2])]

    def octets(self, most):
        return self.random.randbytes(self.random.randint(0, most))

    def change(self, data):
        """One change: of an octet, a run, an element or a length"""
        pick, data = self.random, bytearray(data)
        where = pick.randrange(len(data) + 1)
        how = pick.randrange(8)
        if how == 0 and data:
            data[where % len(data)] ^= 1 << pick.randrange(8)
        elif how == 1:
            data[where:where] = self.octets(8)
        elif how == 2:
            del data[where:where + pick.randint(1, 16)]
        elif how == 3:
            data[where:where] = data[where:where + pick.randint(1, 64)]
        elif how == 4 and data:
            data[where % len(data)] = pick.choice((0x00, 0x7F, 0x80, 0x81, 0x84, 0x88, 0xFF))
        else:
            self.change_element(data, how)
        return bytes(data)

    def change_element(self, data, how):
        pick, elements = self.random, lengths(bytes(data))
        if not elements:
            return
        start, body, end = pick.choice(elements)
        other_start, _, other_end = pick.choice(elements)
        if how == 5:  # in the place of another
            data[start:end] = data[other_start:other_end]
        elif how == 6:  # another type
            data[start] = pick.choice((0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x1E, 0x30, 0x31, 0x80, 0xA0, 0x3F))
        else:  # a shorter or longer body under a length that fits it again
            inside = bytes(data[body:end])[:pick.randrange(end - body + 1)] + self.octets(4)
            data[start:end] = der.tlv(data[start], inside)

    def next(self):
        """(body, the statuses that may answer it)"""
        pick = self.random
        kind = pick.randrange(8)
        if kind == 0:
            return self.octets(pick.choice((4, 100, 3000))), REFUSED
        if kind == 1:
            return base64.b64encode(self.octets(pick.choice((4, 100, 3000)))), REFUSED
        if kind == 2:  # the base64 is wrong, or white space was added to it
            return self.change(base64.b64encode(pick.choice(self.seeds))), JUDGED
        if kind == 3:  # well signed, so that all the rules behind the signature are met
            return base64.b64encode(raw_csr(self.key, self.change(pick.choice(self.infos)))), JUDGED
        data = pick.choice(self.seeds)
        for _ in range(pick.randint(1, 4)):
            data = self.change(data)
        # In DER, which base64 never begins like
        return (data if kind == 4 else base64.b64encode(data)), (JUDGED if data in self.seed_set else REFUSED)


class Battery:
    """Sends bodies to a site and counts what is answered. identity: for renewals."""

    def __init__(self, site, seed, identity):
        self.site, self.bodies = site, Bodies(seed)
        self.statuses, self.surprises = collections.Counter(), []
        self.authorization = basic(site.user, site.PASSWORD).encode()
        self.context = context(site, identity)
        self.sock, self.buffer = None, b""

    def request(self, body):
        pick = self.bodies.random
        kind = b"application/pkcs10" if pick.randrange(20) else pick.choice((b"text/plain", b"application/pkcs7-mime", b"", b"\xff/\xfe"))
        head = (b"POST %s/%s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: hostile\r\nAuthorization: %s\r\nContent-Type: %s\r\n"
                % (self.site.mount.encode(), pick.choice(OPERATIONS), self.authorization, kind))
        if pick.randrange(4):
            return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        half = pick.randint(0, len(body))
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(*filter(None, (body[:half], body[half:])))

    def answer(self):
        """(status, body, whether the connection ends) of the next answer"""
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])
        while len(self.buffer) < length:
            self.more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return int(head[9:12]), body, b"\r\nConnection: close" in head

    def more(self):
        part = self.sock.recv(65536)
        assert part, "the server closed a connection without saying so"
        self.buffer += part

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock, self.buffer = None, b""

    def run(self, count):
        """That many requests more"""
        for _ in range(count):
            body, allowed = self.bodies.next()
            if not self.sock:
                self.sock = connect(self.site, made=self.context)
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.sendall(self.request(body))
            status, text, ends = self.answer()
            self.statuses[status] += 1
            if status == 200:
                self.enter(text)
            if status not in allowed:
                self.surprises.append((status, text, body))
            if ends:
                self.close()
        return self

    def enter(self, text):
        for cert in pkcs7.load_der_pkcs7_certificates(base64.b64decode(text)):
            self.site.ledger.add(cert.public_bytes(Encoding.DER))
