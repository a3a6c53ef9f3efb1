# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""A DER encoder without opinions: it writes what one asks for, right or wrong."""

SEQUENCE, SET = 0x30, 0x31
BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 1, 2, 3, 4, 5, 6
UTF8, PRINTABLE, T61, IA5, UNIVERSAL, BMP = 12, 19, 20, 22, 28, 30


def length(n):
    if n < 128:
        return bytes([n])
    octets = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def tlv(tag, *parts):
    body = b"".join(parts)
    return bytes([tag]) + length(len(body)) + body


def seq(*parts):
    return tlv(SEQUENCE, *parts)


def set_of(*parts):
    return tlv(SET, *sorted(parts))


def integer(n):
    return tlv(INTEGER, n.to_bytes(n.bit_length() // 8 + 1, "big", signed=True))


def bit_string(octets, unused=0):
    return tlv(BIT_STRING, bytes([unused]), octets)


def oid(dotted):
    numbers = [int(part) for part in dotted.split(".")]
    out = b""
    for number in [numbers[0] * 40 + numbers[1]] + numbers[2:]:
        groups = [number & 0x7F]
        while number > 0x7F:
            number >>= 7
            groups.append(0x80 | (number & 0x7F))
        out += bytes(reversed(groups))
    return tlv(OID, out)


def nested(depth, tag=SEQUENCE, inside=b""):
    """An element in an element and so on, put together without copying it each time"""
    heads, size = [], len(inside)
    for _ in range(depth):
        heads.append(bytes([tag]) + length(size))
        size += len(heads[-1])
    return b"".join(reversed(heads)) + inside


def long_form(data):
    """The same element with a length in more octets than needed"""
    start, end = head(data)
    return data[:1] + bytes([0x84]) + (end - start).to_bytes(4, "big") + data[start:]


def head(data):
    """(octets of the first header, octets of the first whole element)"""
    if data[1] < 0x80:
        return 2, 2 + data[1]
    count = data[1] & 0x7F
    return 2 + count, 2 + count + int.from_bytes(data[2:2 + count], "big")


def children(data):
    """The elements inside the first element of data."""
    start, end = head(data)
    found = []
    while start < end:
        size = head(data[start:])[1]
        found.append(data[start:start + size])
        start += size
    return found
