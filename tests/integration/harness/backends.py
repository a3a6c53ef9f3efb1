# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Every way of having certificates signed, as the tests of what all of them have in common see it: an <EstCA> block, the CA that
stands behind it, and what a test can have it do.
"""

import os

from cryptography.hazmat.primitives import serialization

from . import run
from .pki import CertificateAuthority
from .token import OTHER_USER, SOFTHSM, SoftToken, TokenServer, client_module
from .upstream import UpstreamEst
from .upstream_cmp import REQUESTS, UpstreamCmp

# What a driver can be made to do; a case is a cell for each driver that can
FORWARD = "forward"  # has its certificates from elsewhere, and with that everything that an upstream may do
AWAY = "away"        # what signs can go away and come back


class Backend:
    can = frozenset()
    environment = {}  # that httpd needs

    def __init__(self, name):
        self.name, self.label = name, "by-" + name  # of the block, and of its alias

    def block(self, httpd):
        """The <EstCA> block, with its files in place"""
        raise NotImplementedError

    @property
    def authority(self):
        """The CertificateAuthority that issues"""
        raise NotImplementedError

    def reset(self):
        """As it was in the beginning"""

    def go_away(self):
        raise NotImplementedError

    def come_back(self):
        raise NotImplementedError

    def close(self):
        pass


class LocalFile(Backend):
    def __init__(self, name, ca):
        super().__init__(name)
        self.ca = ca

    @property
    def authority(self):
        return self.ca

    def block(self, httpd):
        httpd.put_ca(self.name, self.ca)
        return httpd.ca_block(self.name)


class LocalToken(Backend):
    """Its key is in a token of SoftHSM that httpd has in its own processes; user: whose token it is"""

    can = frozenset({AWAY})
    user = run.SERVER_USER

    def __init__(self, directory, name, root):
        super().__init__(name)
        self.directory, self.ca = directory, CertificateAuthority(f"CN=CA {name}", root)
        self.token = SoftToken(os.path.join(directory, "tokens-" + name), self.user)
        self.token.make(name, self.pin)
        self.token.put_key(name, self.pin, "ca", self.ca.key)
        self.environment = self.token.environment

    @property
    def pin(self):
        return "pin-of-" + self.name

    @property
    def authority(self):
        return self.ca

    def module(self):
        return SOFTHSM

    def block(self, httpd):
        httpd.put_ca(self.name, self.ca)
        path, pin = f"{httpd.directory}/{self.name}.key", httpd.put(self.name + ".pin", self.pin)
        os.remove(path)
        more = [f"EstCAKeyModule {self.module()}", f"EstCAKeyPassphrase file:{pin}", "EstCAFailures 100", "EstCAConcurrency 64"]
        return httpd.ca_block(self.name, "\n    ".join(more)).replace(path, f"pkcs11:token={self.name};object=ca")

    def go_away(self):
        self.token.take_away()

    def come_back(self):
        self.token.bring_back()


class LocalTokenServer(LocalToken):
    """The token is another user's, behind p11-kit's server"""

    user = OTHER_USER

    def __init__(self, directory, name, root):
        super().__init__(directory, name, root)
        self.server = TokenServer(self.token, os.path.join(directory, "server-" + name))
        self.server.start()
        self.environment = self.server.environment

    def module(self):
        return client_module()

    def go_away(self):
        self.server.stop()

    def come_back(self):
        self.server.start()

    def close(self):
        self.server.stop()


class Forwarding(Backend):
    """upstream: UpstreamEst or UpstreamCmp; directives: of its block"""

    can = frozenset({FORWARD, AWAY})

    def __init__(self, name, upstream, directives, **credentials):
        super().__init__(name)
        self.upstream, self.directives, self.credentials = upstream.start(), directives, credentials

    @property
    def authority(self):
        return self.upstream.issuing

    @property
    def url(self):
        return self.upstream.url

    def block(self, httpd, suffix="", **more):
        """suffix: of the name, for another block at the same upstream; more: its directives"""
        httpd.authorities.append(self.authority.der())
        return self.upstream.block(self.name + suffix, **self.credentials, **{**self.directives, **more})

    def reset(self):
        upstream = self.upstream
        if upstream.server is None:
            upstream.start()
        upstream.let_go()
        run.wait_until(lambda: not upstream.concurrent, what=f"the end of what hangs at {self.name}")
        upstream.mode, upstream.latency, upstream.retry_after = "issue", 0, 7
        upstream.forget()

    def go_away(self):
        self.upstream.stop()

    def come_back(self):
        self.upstream.start()

    def close(self):
        self.upstream.close()

    # ---- what the tests tell it, and ask of it

    def does(self, mode, **settings):
        for name, value in settings.items():
            assert hasattr(self.upstream, name), name
            setattr(self.upstream, name, value)
        self.upstream.mode = mode

    def let_go(self):
        self.upstream.let_go()

    def release(self):
        self.upstream.release()

    def asked(self):
        """How often it was asked for a certificate, or whether that is there by now"""
        return len(self.upstream.enrolments)

    def signed(self):
        """DER of all that it has signed, handed out or not"""
        return [cert.public_bytes(serialization.Encoding.DER) for cert in list(self.upstream.issued)]

    def wait_signed(self, count=1):
        run.wait_until(lambda: len(self.upstream.issued) >= count, what=f"{count} certificates at {self.name}")


class ForwardingEst(Forwarding):
    def __init__(self, directory, name, **directives):
        super().__init__(name, UpstreamEst(directory, "up-" + name), directives)


class ForwardingCmp(Forwarding):
    """request: what EstCACmpRequest says"""

    def __init__(self, directory, name, protection, tls=True, request="p10cr", **directives):
        super().__init__(name, UpstreamCmp(directory, "up-" + name, tls=tls), {"EstCACmpRequest": request, **directives},
                         protection=protection)

    def asked(self):
        return sum(request.operation in (*REQUESTS, "pollReq") for request in list(self.upstream.requests))
