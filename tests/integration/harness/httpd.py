# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""A private httpd with the module under test, and the builder of its configuration."""

import contextlib
import dataclasses
import glob
import os
import signal
import socket
import subprocess

from . import run

MODULES = "/usr/lib/apache2/modules"
VALGRIND_OPTIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "valgrind.options")
# What httpd itself logs, at level error, beside a 401 or 403 of ours
PASSWORD_MISMATCH, USER_NOT_FOUND, DENIED_USER = "AH01617", "AH01618", "AH01631"

CA_BLOCK = """<EstCA {name}>
    EstCACertificate {directory}/{name}.crt
    EstCAKey {directory}/{name}.key
    EstCAChain {directory}/{name}.chain
    {more}
</EstCA>"""
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SHIPPED = os.path.join(TOP, "conf", "est.conf")


def module_path():
    path = os.environ.get("EST_MODULE")
    if not path:
        path = os.path.join(TOP, "build", "test", "obj", ".libs", "mod_est.so")
    if not os.path.exists(path):
        raise RuntimeError(f"no module at {path}: build it (./runtests does), or set EST_MODULE")
    return path


@dataclasses.dataclass
class Config:
    mpm: str = "event"
    children: int = 1
    threads: int = 16
    forks: bool = False
    modules: tuple = ()
    verify: str = "optional_no_ca"
    verify_client: str = "on"
    tls: str = "-all +TLSv1.2 +TLSv1.3"
    protocols: str = "http/1.1"
    provider: str = "est"
    mount: str = "/.well-known/est"
    pool: int = 4
    ca_blocks: list = None
    database: str = None
    server: str = ""
    vhost: str = ""
    location: str = ""
    locations: str = ""
    shipped: bool = False
    changes: tuple = ()
    environment: dict = dataclasses.field(default_factory=dict)

    def mpm_lines(self):
        if self.mpm == "prefork":
            return [f"StartServers {self.children}", f"MaxRequestWorkers {self.children}", f"MaxSpareServers {self.children + 1}"]
        total = self.children * self.threads
        # Beside a generation that ends there is room for the next; how many serve at once is MaxRequestWorkers / ThreadsPerChild
        return [f"ServerLimit {4 * self.children}", f"StartServers {self.children}", f"ThreadLimit {self.threads}",
                f"ThreadsPerChild {self.threads}", f"MaxRequestWorkers {total}", "MinSpareThreads 1",
                f"MaxSpareThreads {total}"]

    def shipped_text(self, httpd):
        """conf/est.conf, with what belongs to a machine replaced, inside the least that docs/install.md has httpd load"""
        directory = httpd.directory
        with open(SHIPPED, encoding="ascii") as file:
            text = file.read()
        for old, new in [
                ('EstDatabase "host=/var/run/postgresql dbname=est user=est_module"\n', f'EstDatabase "{self.database or httpd.database}"\n'),
                ("EstCACertificate /etc/est/issuing.crt\n", f"EstCACertificate {directory}/issuing.crt\n"),
                ("EstCAKey /etc/est/issuing.key\n", f"EstCAKey {directory}/issuing.key\n"),
                ("EstCAChain /etc/est/chain.pem\n", f"EstCAChain {directory}/issuing.chain\n"),
                ("<VirtualHost *:443>", f"<VirtualHost 127.0.0.1:{httpd.port}>"), ("ServerName est.example.org\n", "ServerName localhost\n"),
                ("SSLCertificateFile /etc/est/server.crt\n", f"SSLCertificateFile {directory}/server.pem\n"),
                ("SSLCertificateKeyFile /etc/est/server.key\n", f"SSLCertificateKeyFile {directory}/server.pem\n"), *self.changes]:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {SHIPPED}"
            text = text.replace(old, new)
        modules = ["mpm_" + self.mpm, "authn_core", "authz_core", "auth_basic", "setenvif", "reqtimeout", "ssl", "socache_shmcb",
                   *self.modules]
        return "\n".join([
            f"ServerRoot {directory}", f"DefaultRuntimeDir {directory}", f"PidFile {directory}/pid", "ServerName localhost",
            f"Listen 127.0.0.1:{httpd.port} https", f"ErrorLog {directory}/error.log", "LogLevel warn est:info",
            *[f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in modules],
            f"LoadModule est_module {directory}/mod_est.so", *self.mpm_lines(),
            f"SSLSessionCache shmcb:{directory}/scache(512000)", self.server, text])

    def text(self, httpd):
        if self.shipped:
            return self.shipped_text(httpd)
        directory = httpd.directory
        modules = ["mpm_" + self.mpm, "authn_core", "authz_core", "authn_file", "authz_user", "auth_basic", "setenvif",
                   "socache_shmcb", "ssl", "reqtimeout", *self.modules]
        blocks = self.ca_blocks if self.ca_blocks is not None else [httpd.ca_block("issuing")]
        trusted = f"SSLCACertificateFile {directory}/trusted.pem\n    SSLVerifyDepth 5" if self.verify == "optional" else ""
        est_verify = f"EstVerifyClient {self.verify_client}" if self.verify_client else ""
        return "\n".join([
            f"ServerRoot {directory}", f"DefaultRuntimeDir {directory}", f"PidFile {directory}/pid", "ServerName localhost",
            f"Listen 127.0.0.1:{httpd.port} https", f"ErrorLog {directory}/error.log", "LogLevel warn est:info",
            *[f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in modules],
            f"LoadModule est_module {directory}/mod_est.so", *self.mpm_lines(),
            "TraceEnable off", "ServerTokens Prod", f"Protocols {self.protocols}", "KeepAlive On", "KeepAliveTimeout 60",
            "MaxKeepAliveRequests 0", f"SSLSessionCache shmcb:{directory}/scache(512000)", f"SSLProtocol {self.tls}",
            "RequestReadTimeout header=10-20,MinRate=500 body=5,MinRate=500",
            f'EstDatabase "{self.database or httpd.database}"', f"EstDatabasePool {self.pool}", self.server, *blocks,
            f"""<VirtualHost 127.0.0.1:{httpd.port}>
    ServerName localhost
    DocumentRoot {directory}/htdocs
    SSLEngine on
    SSLCertificateFile {directory}/server.pem
    SSLVerifyClient {self.verify}
    {trusted}
    {est_verify}
    {self.vhost}
    <Location "{self.mount}">
        EstEngine on
        AuthType Basic
        AuthName "EST"
        AuthBasicProvider {self.provider}
        Require est
        {self.location}
    </Location>
    {self.locations}
</VirtualHost>
"""])


class Httpd:
    def __init__(self, directory, pki, database, config):
        self.directory = run.make_directory(directory)
        self.database, self.config, self.pki = database, config, pki
        self.port_lock = run.Port()
        self.port = self.port_lock.number
        self.log = run.Log(os.path.join(directory, "error.log"))
        self.output = run.Log(os.path.join(directory, "output"))
        self.conf = os.path.join(directory, "httpd.conf")
        self.process = None
        self.authorities = []  # certificates of all CAs that were ever put here, in DER
        run.own_copy(module_path(), os.path.join(directory, "mod_est.so"))
        run.make_directory(os.path.join(directory, "htdocs"))
        run.make_directory(os.path.join(directory, "reports"))
        self.put("server.pem", pki.server.pem_chain() + self.key_pem(pki.server.key))
        self.put("trusted.pem", pki.root.pem() + pki.issuing.pem() + pki.foreign.pem())
        self.put_ca("issuing", pki.issuing)

    def put(self, name, data, mode=0o600):
        """A file beside the configuration; returns its path."""
        path = os.path.join(self.directory, name)
        run.write(path, data, mode)
        return path

    @staticmethod
    def key_pem(key, password=None):
        from .pki import pem_key
        return pem_key(key, password)

    def put_ca(self, name, ca, password=None):
        """The files of ca_block(name)."""
        self.authorities.append(ca.der())
        self.put(name + ".crt", ca.pem())
        self.put(name + ".key", self.key_pem(ca.key, password))
        chain, above = b"", ca.issuer
        while above:
            chain, above = chain + above.pem(), above.issuer
        self.put(name + ".chain", chain or ca.pem())

    def ca_block(self, name, more=""):
        return CA_BLOCK.format(name=name, directory=self.directory, more=more)

    def write(self, text=None):
        run.write(self.conf, text or self.config.text(self))

    def argv(self, *more):
        program = ["apache2", "-f", self.conf, *more]
        if run.VALGRIND:
            with open(VALGRIND_OPTIONS, encoding="ascii") as file:
                return ["valgrind", *file.read().split(), f"--log-file={self.directory}/reports/valgrind.%p", *program]
        return program

    @property
    def single(self):
        """Under a checker of memory a lone child is no process of its own: what the parent made before a fork looks leaked
        in a child, which cannot see all the memory it is referred from."""
        return (run.SANITIZE or run.VALGRIND) and self.config.children == 1 and not self.config.forks

    def environment(self):
        return {**self.config.environment, **self.checker_environment()}

    def checker_environment(self):
        def preload(*libraries):
            return " ".join(subprocess.run(["gcc", "-print-file-name=" + library], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
                            for library in libraries)
        if run.TSAN:
            # httpd and APR pass memory from thread to thread by atomics that are not instrumented, which looks like a race.
            # A child of prefork ends its pools within the handler of SIGTERM: httpd's way, and every module's.
            return {"LD_PRELOAD": preload("libtsan.so"),
                    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:report_signal_unsafe=0:"
                                    f"log_path={self.directory}/reports/tsan"}
        if run.SANITIZE:
            return {"LD_PRELOAD": preload("libasan.so", "libubsan.so"),
                    "ASAN_OPTIONS": f"detect_leaks={int(self.single)}:log_path={self.directory}/reports/asan",
                    "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={self.directory}/reports/ubsan"}
        return {}

    def check(self, text=None):
        """apachectl configtest: (status, what it says)"""
        self.write(text)
        return run.call(["apache2", "-f", self.conf, "-t"], self.environment())

    def try_start(self, text=None):
        """Starts what is expected not to start: (status, what it says there and in the error log)"""
        self.write(text)
        seen = self.log.size()
        status, output = run.call(["apache2", "-f", self.conf, "-DFOREGROUND"], self.environment(), limit=20)
        lines = self.log.since(seen)
        self.log.checked = self.log.size()
        return status, output + "\n".join(lines)

    def start(self, text=None):
        self.write(text)
        self.process = run.start(self.argv("-X" if self.single else "-DFOREGROUND"), self.output.path, self.environment())
        run.wait_until(self.is_up, 20, "httpd to start")
        return self

    def is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError("httpd did not start:\n" + "\n".join(self.output.since() + self.log.since())[-4000:])
        if self.single:  # it says nothing, but what connects is served
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0
        return len(self.children()) >= self.config.children and any("resuming normal operations" in line for line in self.log.since())

    @property
    def pid(self):
        return self.process.pid

    def children(self):
        """Process ids of the children that run."""
        try:
            with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
                return [int(pid) for pid in file.read().split()]
        except FileNotFoundError:
            return []

    def graceful(self):
        """Reads the configuration again; returns when a new generation serves. Config.forks has to be set."""
        assert self.config.forks or self.config.children > 1, "Config.forks is not set"
        seen, before = self.log.size(), set(self.children())
        self.process.send_signal(signal.SIGUSR1)
        run.wait_until(lambda: any("resuming normal operations" in line for line in self.log.since(seen)), 20, "the graceful restart")

        def replaced():  # the worker MPM makes fewer where the old ones take more than a second to end
            now = set(self.children())
            return len(now - before) >= self.config.children or now and not now & before
        run.wait_until(replaced, 20, "new children")
        # On a busy machine a new child may be there before an old one has heard of the restart: it would take connections still
        run.wait_until(lambda: not any(self.listens(pid) for pid in before), 20, "the old children to listen no more")

    def listens(self, pid):
        """Does that child still take connections at our port?"""
        with open("/proc/net/tcp", encoding="ascii") as file:
            fields = [line.split() for line in file.readlines()[1:]]
        sockets = {f"socket:[{each[9]}]" for each in fields if each[1] == f"0100007F:{self.port:04X}" and each[3] == "0A"}
        found = set()
        with contextlib.suppress(OSError):  # the child has gone
            for number in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(FileNotFoundError):
                    found.add(os.readlink(f"/proc/{pid}/fd/{number}"))
        return bool(found & sockets)

    def stop(self):
        if self.process:
            run.stop(self.process)
            self.process = None

    def reports(self):
        """What sanitizers and valgrind have written."""
        found = []
        for path in sorted(glob.glob(os.path.join(self.directory, "reports", "*"))):
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
            if text.strip():
                found.append(f"{os.path.basename(path)}:\n{text}")
        return found

    def release(self):
        self.port_lock.release()
