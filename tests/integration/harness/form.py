# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Requests octet by octet, and the form that every answer has."""

import re

from .client import basic


def head(site, *lines, method="GET", target=None, version="HTTP/1.1", host="localhost"):
    """A request's head. target: below the mount point unless it begins with a slash, or is no path; host: None leaves it out."""
    target = "cacerts" if target is None else target
    if not target.startswith(("/", "*", "http")):
        target = f"{site.mount}/{target}"
    first = [f"{method} {target} {version}", *([f"Host: {host}"] if host is not None else [])]
    return "\r\n".join([*first, *lines, "", ""]).encode("latin-1")


def enrol_head(site, *lines, operation="simpleenroll", **more):
    """The head of an enrolment by the registered RA, which lines have to frame."""
    return head(site, f"Authorization: {basic(site.user, site.PASSWORD)}", "Content-Type: application/pkcs10", *lines,
                **{"method": "POST", "target": operation, **more})


def enrol(site, body, *lines, **more):
    return enrol_head(site, f"Content-Length: {len(body)}", *lines, **more) + body


def chunked(*parts):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def check_form(answer):
    """HTTP-12: a length, no chunks. HTTP-13: a header that strongSwan and libest can hold. HTTP-14: names as libest has them.
    HTTP-16: nobody is sent elsewhere."""
    assert answer.header("Transfer-Encoding") is None
    assert answer.header("Content-Length") is not None
    assert len(answer.headers.items()) <= 16
    assert sum(len(name) + len(value) + 4 for name, value in answer.headers.items()) + len("HTTP/1.1 431 \r\n\r\n") + 40 < 1024
    for name, _ in answer.headers.items():
        assert name in ("WWW-Authenticate",) or name == "-".join(part.capitalize() for part in name.split("-")), name
    assert answer.header("Location") is None and not 300 <= answer.status < 400


def check_refusal(answer, status, reason=None):
    """The form of every refusal: HTTP-12 to HTTP-14, HTTP-16, and HTTP-18 to HTTP-20"""
    assert answer.status == status, answer.body
    check_form(answer)
    assert answer.header("Content-Type").startswith("text/plain")
    assert int(answer.header("Content-Length")) == len(answer.body)
    assert answer.header("Cache-Control") == "no-store"
    assert 0 < len(answer.body) < 512
    assert answer.text.endswith("\n") and answer.text.count("\n") == 1
    assert answer.text[:-1].isprintable()
    assert not any(internal in answer.text for internal in ("/tmp", ".c:", "SELECT", "error:"))
    assert not re.search(r"0x[0-9a-f]{6}", answer.text), "an address in memory"
    assert (answer.header("WWW-Authenticate") is not None) == (status == 401)
    assert (answer.header("Retry-After") is not None) == (status in (429, 503))
    # The id by which the log knows it
    assert len(answer.text.rpartition("(request ")[2]) == len("0123456789abcdef" * 2 + ")\n")
    if reason:
        assert answer.reason in reason.split("|"), answer.text
