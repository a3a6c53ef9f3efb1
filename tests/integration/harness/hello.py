# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""A ClientHello that offers what no library would (RFC 5246 7.4.1.2), and what the server makes of it."""

import socket

from . import run

SSL_3_0, TLS_1_0, TLS_1_1, TLS_1_2 = 0x0300, 0x0301, 0x0302, 0x0303
HANDSHAKE_FAILURE, PROTOCOL_VERSION = 40, 70


def block(size, data):
    return len(data).to_bytes(size, "big") + data


def extension(number, data):
    return number.to_bytes(2, "big") + block(2, data)


def client_hello(suites, version=TLS_1_2, compressions=(0,), extensions=b""):
    """suites: numbers. With the curves and signatures that every server has, secure renegotiation, SNI localhost."""
    pairs = b"".join(number.to_bytes(2, "big") for number in suites)
    body = version.to_bytes(2, "big") + bytes(range(32)) + block(1, b"") + block(2, pairs) + block(1, bytes(compressions)) + block(2, b"".join([
        extension(0, block(2, b"\0" + block(2, b"localhost"))), extension(10, block(2, b"\0\x17\0\x18\0\x1d")), extension(11, block(1, b"\0")),
        extension(13, block(2, b"\4\3\5\3\6\3\4\1\5\1\6\1\2\3\2\1")), extension(0xFF01, b"\0"), extensions]))
    return b"\x16" + TLS_1_0.to_bytes(2, "big") + block(2, b"\1" + block(3, body))


class Reaction:
    """alert: number of the fatal alert, or None; suite, compression, version: of the ServerHello, or None"""

    def __init__(self, record):
        self.alert = self.suite = self.compression = self.version = None
        if record[0] == 21:
            assert record[5] == 2, "not fatal"
            self.alert = record[6]
        elif record[0] == 22 and record[5] == 2:
            hello = record[9:]
            self.version = int.from_bytes(hello[:2], "big")
            rest = hello[35 + hello[34]:]
            self.suite, self.compression = int.from_bytes(rest[:2], "big"), rest[2]


def offer(site, *arguments, **more):
    with socket.create_connection(("127.0.0.1", site.port), 20 * run.SLOW) as sock:
        sock.sendall(client_hello(*arguments, **more))
        record = b""
        while len(record) < 5 or len(record) < 5 + int.from_bytes(record[3:5], "big"):
            part = sock.recv(4096)
            assert part, "closed without an alert"
            record += part
        return Reaction(record)
