# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""The program openssl as a TLS client."""

import os
import subprocess

from . import pki, run


def s_client(site, *arguments, stdin=b"", identity=None):
    """What openssl s_client says of a connection to site; stdin is sent, then the end."""
    root = os.path.join(pki.Identity.directory, "root.pem")
    with open(root, "wb") as file:
        file.write(site.pki.root.pem())
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-servername", "localhost", "-verify_hostname", "localhost",
            "-CAfile", root, "-no-CApath", "-no-CAstore", *arguments]
    if identity:
        argv += ["-cert", identity.file(), "-key", identity.file(), "-cert_chain", identity.file()]
    done = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30 * run.SLOW, check=False)
    return done.stdout.decode(errors="replace")
