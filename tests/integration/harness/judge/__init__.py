# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
A second opinion of what may be issued: from the rows of the policy (read by plain SQL), the facts of a request and
python3-cryptography alone. It knows nothing of the module's code; where the manual leaves something open it says so
(unclear) and judges only what came of it.

    rows        read(database, *aliases) -> {alias: Policy}; client(), entity(); record(database, cert)
    facts       read(csr, Who(...), operation) -> Facts
    verdict     judge(policy, facts, issuer, now) -> Expected: .fine: it must be issued; .refusals: it must not
                complaints(cert, policy, facts, issuer, (before, after)) -> [text], empty when it is as it must be
                record_complaints(row, cert, policy, facts): the same of the database's record
    names, extensions, template, globs: what verdict is made of
    chance      random policies (rows) and requests (CSRs), by a random.Random
    explain     what `estctl explain` says of a request
"""

from . import facts, globs, rows, verdict

__all__ = ["facts", "globs", "rows", "verdict"]
