# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""The pattern language of docs/sql.md (Patterns), from its description alone: tests/glob.tsv is held against it too."""

import functools
import ipaddress
import string

LDH = frozenset(string.ascii_letters + string.digits + "-_.*")
FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def tokens(pattern):
    """Characters that stand for themselves, and "?", "*", "**" as ("any", ...)"""
    out, at = [], 0
    while at < len(pattern):
        if pattern.startswith("**", at):
            out.append(("any", "run"))
            at += 2
            continue
        out.append({"?": ("any", "one"), "*": ("any", "label")}.get(pattern[at], ("is", pattern[at])))
        at += 1
    return out


def matches(pattern, value, dns):
    """Anchored. dns: letters of either case are the same, and * stops at dots. Sets of positions, no going back"""
    if dns:
        pattern, value = pattern.translate(FOLD), value.translate(FOLD)
    reached = {0}
    for kind, what in tokens(pattern):
        following = set()
        for at in reached:
            if kind == "is":
                if value[at:at + 1] == what:
                    following.add(at + 1)
            elif what == "one":
                if at < len(value):
                    following.add(at + 1)
            else:
                end = len(value)
                if what == "label" and dns:
                    dot = value.find(".", at)
                    end = len(value) if dot < 0 else dot
                following.update(range(at, end + 1))
        reached = following
    return len(value) in reached


def looks_like_dns(value):
    """Is a value of the subject one of those whose dots end labels?"""
    return "." in value and set(value) <= LDH


def matches_attribute(pattern, value):
    return matches(pattern, value, looks_like_dns(value))


@functools.lru_cache(maxsize=None)
def network(text):
    return ipaddress.ip_network(text)


def matches_san(pattern, kind, value):
    """kind: dns, ip, uri, email; for ip a network counts as one"""
    if kind == "ip" and pattern != "**":
        address = ipaddress.ip_address(value)
        return network(pattern).version == address.version and address in network(pattern)
    return matches(pattern, value, kind == "dns")


def covers(pattern, kind, value):
    """Patterns of groups and clients have no type: an address is text there"""
    return matches(pattern, value, kind == "dns")
