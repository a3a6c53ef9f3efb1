# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Between the module and PostgreSQL: an answer that was given and does not arrive, a statement that never gets there."""

import os
import shutil
import socket
import threading

READY = b"Z\x00\x00\x00\x05I"  # ReadyForQuery, outside a transaction: what was done is committed


class LossyProxy:
    """
    A context. Passes everything on, but cuts the connection instead of `swallow` answers that hold `marker`, after their commit.
    With `hold` set, what the module sends from the first octets that hold it on is kept back, until the module hangs up; `held`
    is set then.
    """

    hold = None

    def __init__(self, directory, server_directory, marker):
        self.directory, self.server, self.marker = directory, os.path.join(server_directory, ".s.PGSQL.5432"), marker
        self.swallow = self.swallowed = 0
        self.lock = threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sockets, self.held = [], threading.Event()

    def __enter__(self):
        os.mkdir(self.directory)
        os.chmod(self.directory, 0o755)
        path = os.path.join(self.directory, ".s.PGSQL.5432")
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        for sock in [self.listener, *self.sockets]:
            self._cut(sock)
        shutil.rmtree(self.directory)

    @staticmethod
    def _cut(*sockets):
        for sock in sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sockets += [client, server]
            try:
                server.connect(self.server)
            except OSError:
                self._cut(client, server)
                continue
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _is_lost(self, data):
        with self.lock:
            if self.marker not in data or not self.swallow:
                return False
            self.swallow -= 1
            self.swallowed += 1
            return True

    def _pass(self, source, target, watched):
        try:
            while data := source.recv(65536):
                if watched and self._is_lost(data):
                    while data and not data.endswith(READY):
                        data = source.recv(65536)
                    break
                if not watched and self.hold and self.hold in data:
                    self.held.set()
                    while source.recv(65536):
                        pass
                    break
                target.sendall(data)
        except OSError:
            pass
        self._cut(source, target)
