# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
What RFC 5280 and the rows CP of docs/conformance.md say of every certificate that is issued: a table of small checks over
the octets of a certificate, read by harness.der, pyasn1 and python3-cryptography, none of which is mod_est's.

    findings(certificate, issuer)   ["CP-01 serial: ...", ...]; both in DER
    lint(certificate, issuer)       the same as an assertion, for x509.Certificate objects
    LINTS                           the table: (row, name, function(View) that yields what it finds)

test_lint.py shows for each that it finds something.
"""

from cryptography.hazmat.primitives.serialization import Encoding

from . import extensions, fields, names
from .view import View

LINTS = [*fields.LINTS, *names.LINTS, *extensions.LINTS]


def findings(certificate, issuer, excepted=(), given=()):
    """excepted: names of checks that are left out. given: OIDs of extensions that a profile gives of its own."""
    try:
        view = View(certificate, issuer, given)
    except (ValueError, IndexError) as error:
        return [f"CP-01 structure: {error}"]
    found = []
    for row, name, check in LINTS:
        if name in excepted:
            continue
        try:
            found += [f"{row} {name}: {text}" for text in check(view)]
        except (ValueError, IndexError) as error:
            found.append(f"{row} {name}: cannot be read: {error!r}")
    return found


def lint(certificate, issuer, **more):
    found = findings(certificate.public_bytes(Encoding.DER), issuer.public_bytes(Encoding.DER), **more)
    assert not found, "\n".join(found)
