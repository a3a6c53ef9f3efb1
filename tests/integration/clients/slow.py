# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Connections that hold a server up: slow.py PORT CA-FILE AUTHORIZATION COUNT MOUNT. One half sends a header field, the other a
body, an octet now and then; whoever is cut off comes again. A process of its own, so that it takes no time from the clients
whose latency is measured. Prints "open N" when all are or no more are taken, and at SIGTERM "cut N": how many connections
the server has ended.
"""

import select
import signal
import socket
import ssl
import sys
import time

PERIOD = 1.0  # seconds from octet to octet
PATIENCE = 3  # seconds for a handshake: beyond that no thread is left to do it


class Slow:
    def __init__(self, port, context, head):
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self.sock.sendall(head)
        self.sock.setblocking(False)

    def trickle(self):
        """False: it is over"""
        try:
            self.sock.send(b"A")
            self.sock.recv(4096)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            pass
        self.sock.close()  # an answer, or the end: either way it is over
        return False


def heads(mount, authorization):
    common = f"POST {mount}/simpleenroll HTTP/1.1\r\nHost: localhost\r\n"
    yield (common + "X-Slow: ").encode()
    yield (common + f"Authorization: {authorization}\r\nContent-Type: application/pkcs10\r\nContent-Length: 2000\r\n\r\n").encode()


def main():
    port, ca_file, authorization, count, mount = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]
    context = ssl.create_default_context(cafile=ca_file)
    kinds, slow, cut = list(heads(mount, authorization)), [], 0
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    said = False
    while not ended:
        began = time.monotonic()
        alive = [one for one in slow if one.trickle()]
        cut += len(slow) - len(alive)
        slow, full = alive, False
        while len(slow) < count and not full and not ended and time.monotonic() < began + PERIOD:
            try:
                slow.append(Slow(port, context, kinds[len(slow) % len(kinds)]))
            except OSError:
                full = True
        if not said and (full or len(slow) == count):
            said = True
            print("open", len(slow), flush=True)
        select.select([], [], [], max(0.0, began + PERIOD - time.monotonic()))
    print("cut", cut, flush=True)


if __name__ == "__main__":
    main()
