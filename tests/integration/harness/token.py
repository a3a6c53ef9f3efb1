# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Tokens of SoftHSM, and p11-kit's server, which lends one to processes of other users."""

import contextlib
import glob
import os
import pwd
import signal

from . import run
from .pki import pem_key

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
OTHER_USER = "daemon"  # neither root nor that of httpd
ACCEPTS = 0x10000      # flag of a socket that listens, in /proc/net/unix


def client_module():
    """p11-kit's module for the other end of TokenServer"""
    return glob.glob("/usr/lib/*/pkcs11/p11-kit-client.so")[0]


class SoftToken:
    """A directory of tokens, of one user: nobody else can read it."""

    def __init__(self, directory, user=run.SERVER_USER):
        self.directory, self.user = directory, user
        self.tokens, self.away = os.path.join(directory, "tokens"), os.path.join(directory, "away")
        self.environment = {"SOFTHSM2_CONF": os.path.join(directory, "softhsm2.conf")}
        self.make_directory(directory)
        self.make_directory(self.tokens)
        self.write(self.environment["SOFTHSM2_CONF"], f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")

    def own(self, path):
        if os.getuid() == 0:
            entry = pwd.getpwnam(self.user)
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def make_directory(self, path):
        os.mkdir(path, 0o700)
        self.own(path)

    def write(self, path, data):
        with open(path, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        os.chmod(path, 0o600)
        self.own(path)

    def util(self, *arguments):
        status, output = run.call(["softhsm2-util", *arguments], self.environment, user=self.user)
        assert status == 0, output

    def make(self, label, pin):
        self.util("--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "the-security-officer")

    def put_key(self, label, pin, name, key, number="01"):
        """key of python3-cryptography, under a name (CKA_LABEL) and a number (CKA_ID, hex)"""
        path = os.path.join(self.directory, "import.pem")
        self.write(path, pem_key(key))
        self.util("--import", path, "--token", label, "--pin", pin, "--label", name, "--id", number)
        os.remove(path)

    def take_away(self):
        """All tokens at once: an HSM without power"""
        os.rename(self.tokens, self.away)
        self.make_directory(self.tokens)

    def bring_back(self):
        os.rmdir(self.tokens)
        os.rename(self.away, self.tokens)


class TokenServer:
    """p11-kit server for a SoftToken of another user. It starts a process for each client, which holds the token."""

    def __init__(self, token, directory):
        self.token = token
        self.socket = os.path.join(directory, "p11")
        self.log = os.path.join(directory, "p11.log")
        self.environment = {"P11_KIT_SERVER_ADDRESS": "unix:path=" + self.socket}
        self.process = None
        os.mkdir(directory, 0o755)
        token.own(directory)

    def start(self):
        if os.path.exists(self.socket):
            os.remove(self.socket)
        self.process = run.start(["p11-kit", "server", "--foreground", "--name", self.socket, "--provider", SOFTHSM, "pkcs11:"],
                                 self.log, self.token.environment, user=self.token.user)
        run.wait_until(self.listens, 10, "p11-kit's server")
        os.chmod(self.socket, 0o666)  # for httpd's user; the server has a mode of its own for it
        return self

    def listens(self):
        """The name of a socket is there before anybody can connect"""
        with open("/proc/net/unix", encoding="ascii") as file:
            lines = [line.split() for line in file if line.rstrip().endswith(" " + self.socket)]
        return any(int(fields[3], 16) & ACCEPTS for fields in lines)

    def processes(self):
        """Process ids: its own, then those of clients"""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            return [self.process.pid, *[int(pid) for pid in file.read().split()]]

    def signal(self, number):
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):  # its client has gone meanwhile
                os.kill(pid, number)

    def pause(self):
        """It hangs; the server first, so that it makes no more processes"""
        os.kill(self.process.pid, signal.SIGSTOP)
        run.wait_until(self.is_stopped, what="p11-kit's server to stand still")
        self.signal(signal.SIGSTOP)

    def is_stopped(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] in "TZ"

    def go_on(self):
        self.signal(signal.SIGCONT)

    def stop(self):
        """With all that clients have of it"""
        if self.process:
            self.pause()
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None
