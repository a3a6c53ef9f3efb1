# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of the tests: unprivileged, on ports of their own, never outliving us."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

SANITIZE = os.environ.get("EST_SANITIZE") == "1"
TSAN = os.environ.get("EST_SANITIZE") == "thread"
VALGRIND = os.environ.get("EST_VALGRIND") == "1"
SLOW = 15 if VALGRIND else 5 if TSAN else 3 if SANITIZE else 1

SERVER_USER = "nobody"


def wait_until(condition, limit=10, what="the condition"):
    """Returns condition()'s first true value; fails when it was asked once more after limit seconds, to no avail."""
    end = time.monotonic() + limit * SLOW
    while True:
        late = time.monotonic() > end  # before it is asked: on a busy machine that takes a while
        value = condition()
        if value:
            return value
        if late:
            raise AssertionError(f"waited {limit * SLOW} s in vain for {what}")
        time.sleep(0.01)


def own(path, mode=None):
    """Gives a file or directory to the user that the servers run as."""
    if os.getuid() == 0:
        entry = pwd.getpwnam(SERVER_USER)
        os.chown(path, entry.pw_uid, entry.pw_gid)
    if mode is not None:
        os.chmod(path, mode)
    return path


def make_directory(path):
    os.mkdir(path)
    return own(path, 0o700)


@contextlib.contextmanager
def scratch():
    """A directory of the servers' user, gone at the end; short, since a socket's path has at most 107 octets."""
    path = tempfile.mkdtemp(prefix="mod_est-t.", dir="/tmp")
    try:
        yield own(path, 0o700)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def own_copy(source, path, mode=None):
    shutil.copyfile(source, path)
    return own(path, mode)


def write(path, data, mode=0o600):
    with open(path, "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
    return own(path, mode)


def command(argv, environment=None, dies_with_us=True, user=SERVER_USER):
    """argv as the servers' user, or another one. The kernel ends it when we die, however that happens."""
    prefix = ["setpriv"]
    if os.getuid() == 0:
        prefix += ["--reuid=" + user, f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]
    if dies_with_us:
        prefix += ["--pdeathsig", "TERM"]
    if len(prefix) == 1:
        prefix = []
    settings = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/", **(environment or {})}
    return prefix + ["env", "-i"] + [f"{name}={value}" for name, value in settings.items()] + list(argv)


def call(argv, environment=None, limit=60, user=SERVER_USER):
    """Runs argv to its end; returns (status, stdout and stderr)."""
    done = subprocess.run(command(argv, environment, user=user), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd="/",
                          stderr=subprocess.STDOUT, timeout=limit * SLOW, check=False)
    return done.returncode, done.stdout.decode(errors="replace")


def start(argv, log, environment=None, user=SERVER_USER):
    with open(log, "ab") as output:
        own(log)
        return subprocess.Popen(command(argv, environment, user=user), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/",
                                start_new_session=True)


def stop(process, how=signal.SIGTERM, limit=20):
    """Ends a process that start() made; returns its status."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(limit * SLOW)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"process {process.pid} did not end within {limit * SLOW} s") from None
    return process.returncode


def resident(pid):
    """Octets of memory that a process has in use"""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS:"))


class Port:
    """A TCP port of 127.0.0.1 that no other test run takes. The lock is a socket name: it cannot be left behind."""

    FIRST, COUNT = 21000, 9000

    def __init__(self):
        for offset in range(self.COUNT):
            number = self.FIRST + (os.getpid() * 7 + offset) % self.COUNT
            lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                lock.bind(f"\0mod_est-port-{number}")
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", number))
            except OSError:
                lock.close()
                continue
            self.number, self.lock = number, lock
            return
        raise RuntimeError("no free port")

    def release(self):
        self.lock.close()


def cpu_seconds(pids):
    """Processor time that the processes have used, all their threads, in nanoseconds' resolution"""
    # The clock of a process as clock_getcpuclockid(3) makes it
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in set(pids))


class Log:
    """A log file and how far it has been read."""

    def __init__(self, path):
        self.path = path
        self.checked = 0

    def size(self):
        return os.path.getsize(self.path) if os.path.exists(self.path) else 0

    def since(self, offset=0):
        if not os.path.exists(self.path):
            return []
        with open(self.path, "rb") as file:
            file.seek(offset)
            return file.read().decode(errors="replace").splitlines()

    def unchecked(self):
        """Complete lines that nobody has looked at yet. What is written meanwhile, or not yet to its end, is left for the next time."""
        if not os.path.exists(self.path):
            return []
        with open(self.path, "rb") as file:
            file.seek(self.checked)
            octets = file.read()
        complete = octets[:octets.rfind(b"\n") + 1]
        self.checked += len(complete)
        return complete.decode(errors="replace").splitlines()
