# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
A CA that speaks CMP over HTTP (RFC 4210, RFC 6712, RFC 9483) to forward to: upstream.UpstreamEst with another protocol. It
issues for p10cr, ir, cr and kur, verifies and makes protection by signature and by a shared secret, and keeps to the order
of nonces, so that a transaction which another process goes on with is seen to be the same.

    with UpstreamCmp(directory) as upstream:
        upstream.block("central", protection="secret", EstCACmpRequest="cr")
        upstream.mode = "pend"             # see MODES, and those of upstream.py that are listed there
        upstream.later_mode = "http-503"   # what becomes of pollReq and certConf; None: what should
        upstream.confirmed, upstream.rejected  # certificates, by what certConf said

Everything is written and read octet by octet: nothing of OpenSSL's CMP is in it.
"""

import collections
import hashlib
import hmac
import os

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509.oid import NameOID

from . import der, pki
from .upstream import Reply, UpstreamEst, WRONG, text

PKIXCMP = "application/pkixcmp"
CMC_CA = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.27")
PBM, IMPLICIT_CONFIRM = "1.2.840.113533.7.66.13", "1.3.6.1.5.5.7.4.13"
OLD_CERT_ID = "1.3.6.1.5.5.7.5.1.5"
DIGESTS = {"1.3.14.3.2.26": "sha1", "2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384",
           "2.16.840.1.101.3.4.2.3": "sha512"}
MACS = {"1.3.6.1.5.5.8.1.2": "sha1", "1.2.840.113549.2.7": "sha1", "1.2.840.113549.2.9": "sha256",
        "1.2.840.113549.2.10": "sha384", "1.2.840.113549.2.11": "sha512"}
SIGNATURES = {"1.2.840.10045.4.3.2": hashes.SHA256, "1.2.840.10045.4.3.3": hashes.SHA384, "1.2.840.10045.4.3.4": hashes.SHA512,
              "1.2.840.113549.1.1.11": hashes.SHA256}
BODIES = {0: "ir", 2: "cr", 4: "p10cr", 7: "kur", 24: "certConf", 25: "pollReq", 23: "error"}
REQUESTS = ("ir", "cr", "p10cr", "kur")
ANSWERS = {"ir": 1, "cr": 3, "p10cr": 3, "kur": 8}  # tags of ip, cp, cp, kup
PKICONF, ERROR, POLLREP = 19, 23, 26
WAITING, REJECTION = 3, 2
# Bits of PKIFailureInfo
BAD_MESSAGE_CHECK, BAD_REQUEST, BAD_POP, CERT_CONFIRMED, NOT_AUTHORIZED, BAD_RECIPIENT_NONCE, SYSTEM_UNAVAIL = 1, 2, 9, 11, 23, 13, 24
INCORRECT_DATA = 7

# What a request is answered with
MODES = {
    "issue": "the certificate",
    "refuse": "status rejection with fail_info (a bit) and refuse_text",
    "error": "the same in an error message",
    "unavailable": "an error message with systemUnavail",
    "pend": "status waiting, and pollRep with retry_after until release(); then the certificate",
    "hang": "signs and remembers, answers after let_go()",
    "close": "signs and remembers, closes the connection in the stead of an answer",
    **{how: "as upstream.MODES says" for how in WRONG},
    "unprotected": "the certificate, in a message without protection",
    "unprotected-error": "rejection in an error message without protection",
    "bad-protection": "the certificate, in a message whose protection is wrong",
    "wrong-signer": "... that is signed by somebody who has a certificate of the CA",
    "wrong-nonce": "... that answers another message", "wrong-transaction": "... of another transaction",
    "two-certificates": "... with two certificates",
    "garbage": "octets that are no message", "html": "HTML, 200", "empty": "200 with nothing",
    "http-204": "204", "http-403": "403", "http-404": "404", "http-500": "500", "http-502": "502", "http-504": "504, and signs",
    "http-429": "429 with Retry-After: retry_after", "http-503": "503 with Retry-After: retry_after",
    "huge": "200 and more octets than anybody wants (4 MiB)",
}

Element = collections.namedtuple("Element", "tag body whole")
Message = collections.namedtuple("Message", "header body kind protection certs protected")
Header = collections.namedtuple("Header", "sender recipient algorithm sender_id transaction nonce recip_nonce implicit")


class Refused(Exception):
    """With the number of a bit of PKIFailureInfo, and words"""


# ---- reading

def elements(data):
    out = []
    while data:
        size, start = data[1], 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(data[2:start], "big")
        assert len(data) >= start + size
        out.append(Element(data[0], data[start:start + size], data[:start + size]))
        data = data[start + size:]
    return out


def only(data):
    (element,) = elements(data)
    return element


def dotted(body):
    numbers, value = [], 0
    for octet in body:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))


def algorithm(body):
    """(dotted OID, parameters or None) of the contents of an AlgorithmIdentifier"""
    parts = elements(body)
    return dotted(parts[0].body), parts[1] if len(parts) > 1 else None


def read_header(data):
    parts = elements(data)
    tagged = {part.tag & 0x1F: only(part.body) for part in parts[3:]}

    def octets(tag):
        return tagged[tag].body if tag in tagged else None
    general = [dotted(elements(item.body)[0].body) for item in elements(tagged[8].body)] if 8 in tagged else []
    return Header(parts[1].whole, parts[2].whole, tagged.get(1), octets(2), octets(4), octets(5), octets(6),
                  IMPLICIT_CONFIRM in general)


def read_message(data):
    parts = elements(only(data).body)
    tagged = {part.tag & 0x1F: only(part.body) for part in parts[2:]}
    protection = tagged[0].body[1:] if 0 in tagged else None
    certs = [x509.load_der_x509_certificate(item.whole) for item in elements(tagged[1].body)] if 1 in tagged else []
    return Message(read_header(parts[0].body), only(parts[1].body), BODIES.get(parts[1].tag & 0x1F, str(parts[1].tag & 0x1F)),
                   protection, certs, der.seq(parts[0].whole, parts[1].whole))


def read_reason(data):
    """(words, bit) of the contents of a PKIStatusInfo that has both"""
    _, words, fail_info = elements(data)
    bits = "".join(f"{octet:08b}" for octet in fail_info.body[1:])
    assert bits.count("1") == 1
    return only(words.body).body.decode(), bits.index("1")


# ---- protection

def pbm(secret, parameters, data):
    salt, owf, count, mac = elements(parameters.body)
    key, digest = secret + salt.body, DIGESTS[algorithm(owf.body)[0]]
    for _ in range(int.from_bytes(count.body, "big")):
        key = hashlib.new(digest, key).digest()
    return hmac.new(key, data, MACS[algorithm(mac.body)[0]]).digest()


def verify_signature(cert, oid, signature, data):
    key, digest = cert.public_key(), SIGNATURES[oid]()
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, data, ec.ECDSA(digest))
    else:
        key.verify(signature, data, padding.PKCS1v15(), digest)


# ---- requests

def request_from_template(template):
    """A PKCS#10 that says the same, by a key of nobody, for those who read PKCS#10"""
    parts = {part.tag & 0x1F: part.body for part in elements(template)}
    subject, spki = only(parts[5]).whole, der.seq(parts[6])
    attributes = [pki.raw_attribute(pki.EXTENSION_REQUEST, der.seq(parts[9]))] if 9 in parts else []
    return pki.raw_csr(pki.make_key(), info=der.seq(der.integer(0), subject, spki, der.tlv(0xA0, *attributes)))


class Enrolment:
    """A transaction. key: octets that are the same for the same request; old: (issuer Name, serial number) of kur"""

    def __init__(self, kind, body):
        self.kind, self.old = kind, None
        self.certs, self.nonce, self.mode, self.over = [], None, None, False
        if kind == "p10cr":
            self.id, self.key, self.csr = -1, body.whole, body.whole
            if not x509.load_der_x509_csr(self.csr).is_signature_valid:
                raise Refused(BAD_POP, "the PKCS#10 is signed wrongly")
            return
        message = only(body.body)
        request, popo = elements(message.body)[:2]
        number, template, *controls = elements(request.body)
        if popo.tag != 0x80:
            raise Refused(BAD_POP, "raVerified is missing")
        self.id, self.key, self.csr = int.from_bytes(number.body, "big", signed=True), kind.encode() + template.whole, None
        self.csr = request_from_template(template.body)
        self.template = template
        for control in elements(controls[0].body) if controls else []:
            oid, value = elements(control.body)
            if dotted(oid.body) == OLD_CERT_ID:
                issuer, serial = elements(value.body)
                self.old = only(issuer.body).whole, int.from_bytes(serial.body, "big")
        if kind == "kur" and not self.old:
            raise Refused(BAD_REQUEST, "oldCertId is missing")


def status_info(status, words=None, fail_info=None):
    parts = [der.integer(status)]
    if words is not None:
        parts.append(der.seq(der.tlv(der.UTF8, words.encode(errors="surrogateescape"))))
    if fail_info is not None:
        bits = bytearray(fail_info // 8 + 1)
        bits[-1] = 0x80 >> fail_info % 8
        parts.append(der.bit_string(bytes(bits), 7 - fail_info % 8))
    return der.seq(*parts)


def cert_der(cert):
    return cert.public_bytes(serialization.Encoding.DER)


class UpstreamCmp(UpstreamEst):
    """As UpstreamEst; the requests that count are those of REQUESTS, by the name of the body as operation."""

    def __init__(self, directory, name="upstream-cmp", label=None, tls=True, mount="/pkix"):
        self.protection = "signature"       # what block() sets up; what comes decides how it is answered
        self.reference, self.secret = b"ra-1", b"a secret between the two"
        self.implicit_confirm = False       # grants it to who asks; "always": to everybody
        self.takes_kur = True               # or to nobody: only the holder may ask for one
        self.fail_info = NOT_AUTHORIZED
        self.unavailable_text = "come back tomorrow"  # \udc80 to \udcff: octets
        self.later_mode = None
        self.transactions = {}              # transactionID -> Enrolment
        self.kinds = []                     # of the requests: names in REQUESTS
        self.confirmed, self.rejected = [], []  # x509.Certificate
        self.rejections = []                # (words, bit of PKIFailureInfo) of these
        self.old = []                       # (issuer Name, serial number) that kur named
        super().__init__(directory, name, label, tls, mount)
        self.signer_of_requests = self.clients.issue(f"O={name},CN=CMP RA", eku=(pki.CMC_RA,))

    def new_ca(self, keep_old=False, same_name=True):
        super().new_ca(keep_old, same_name)
        self.signer = self.issuing.issue(f"O={self.name},CN=CMP", eku=(CMC_CA,))
        self.stranger = self.issuing.issue(f"O={self.name},CN=Device")

    def forget(self):
        super().forget()
        with self.changed:
            for collection in (self.transactions, self.kinds, self.confirmed, self.rejected, self.rejections, self.old):
                collection.clear()

    @property
    def enrolments(self):
        return [request for request in self.requests if request.operation in REQUESTS]

    def wait_for(self, count, operation="p10cr"):
        super().wait_for(count, operation)

    def lines(self, credentials="certificate", url=True, protection=None, **directives):
        """
        The directives of an <EstCA> block that forwards here. credentials: of TLS, as in UpstreamEst, None without TLS;
        protection: "signature" or "secret"
        """
        self.protection = protection or self.protection
        chosen = {"EstCADriver": "cmp", **self.pinned()}
        if self.protection == "signature":
            chosen["EstCACmpCertificate"] = self.file("cmp.crt", self.signer_of_requests.pem_chain())
            chosen["EstCACmpKey"] = self.file("cmp.key", pki.pem_key(self.signer_of_requests.key))
        else:
            chosen["EstCACmpReference"] = self.reference.decode()
            chosen["EstCACmpSecret"] = "file:" + self.file("cmp.secret", self.secret + b"\n")
        if not self.context:
            credentials, chosen["EstCATrust"] = None, None
        return super().lines(credentials, url, **{**chosen, **directives})

    # ---- the server

    def serve(self, request):
        if request.method != "POST" or request.path.rstrip("/") != self.mount + (f"/{self.label}" if self.label else ""):
            return text(404, "no such path")
        if request.headers.get_content_type() != PKIXCMP:
            return text(415, f"{PKIXCMP} is wanted")
        message = read_message(request.body)
        enrols = message.kind in REQUESTS
        with self.changed:
            self.requests.append(request._replace(operation=message.kind))
            mode = self.later_mode or "issue"
            if enrols:
                self.kinds.append(message.kind)
                mode = self.next_modes.pop(0) if self.next_modes else self.mode
                self.concurrent += 1
                self.most_concurrent = max(self.most_concurrent, self.concurrent)
            let_go, server = self.let_go_count, self.server
        try:
            assert mode in MODES, mode
            reply = self.fixed(mode) or self.reply(message, mode)
            with self.changed:
                if self.latency and enrols:
                    self.changed.wait_for(lambda: self.server is not server, self.latency)
                if mode == "hang":
                    self.changed.wait_for(lambda: self.let_go_count > let_go or self.server is not server)
            return {"close": reply._replace(body=None), "http-504": text(504, "gateway timeout")}.get(mode, reply)
        finally:
            if enrols:
                with self.changed:
                    self.concurrent -= 1

    def fixed(self, mode):
        """The answer of modes that look at no message; None: go on"""
        retry = {"Retry-After": self.retry_after}
        made = {
            "garbage": lambda: Reply(200, {"Content-Type": PKIXCMP}, b"\x30\x82\x01garbage"),
            "html": lambda: Reply(200, {"Content-Type": "text/html"}, b"<html>Welcome</html>"),
            "empty": lambda: Reply(200, {"Content-Type": PKIXCMP}),
            "huge": lambda: Reply(200, {"Content-Type": PKIXCMP}, b"A" * (4 << 20)),
            "http-204": lambda: Reply(204), "http-403": lambda: text(403, "not from there"),
            "http-404": lambda: text(404, "not found"), "http-429": lambda: text(429, "too many requests", **retry),
            "http-500": lambda: text(500, "internal error"), "http-502": lambda: text(502, "bad gateway"),
            "http-503": lambda: text(503, "out of service", **retry),
        }.get(mode)
        return made() if made else None

    def reply(self, message, mode):
        try:
            self.verify(message)
            with self.changed:
                tag, body = self.react(message, mode)
        except Refused as error:
            tag, body = ERROR, der.seq(status_info(REJECTION, error.args[1], error.args[0]))
        return Reply(200, {"Content-Type": PKIXCMP}, self.write(message, mode, tag, body))

    def verify(self, message):
        header = message.header
        if message.protection is None or header.algorithm is None:
            raise Refused(BAD_MESSAGE_CHECK, "no protection")
        oid, parameters = algorithm(header.algorithm.body)
        if oid == PBM:
            if header.sender_id != self.reference or pbm(self.secret, parameters, message.protected) != message.protection:
                raise Refused(BAD_MESSAGE_CHECK, "wrong reference or secret")
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.reference.decode())])
            if header.sender != der.tlv(0xA4, name.public_bytes()):
                raise Refused(BAD_MESSAGE_CHECK, "the sender is not named by its reference")  # RFC 9483 3.1
            return
        if not message.certs or message.certs[0] != self.signer_of_requests.cert:
            raise Refused(NOT_AUTHORIZED, "who is that?")
        try:
            verify_signature(message.certs[0], oid, message.protection, message.protected)
        except InvalidSignature as error:
            raise Refused(BAD_MESSAGE_CHECK, "wrong signature") from error

    def react(self, message, mode):
        """(tag, contents) of the body to answer with"""
        number, body = message.header.transaction, message.body
        if message.kind in REQUESTS:
            if number in self.transactions:
                raise Refused(BAD_REQUEST, "the transaction is there")
            transaction = self.transactions[number] = Enrolment(message.kind, body)
            transaction.mode = mode
            if message.kind == "kur" and not self.takes_kur:
                raise Refused(NOT_AUTHORIZED, "only the holder updates its certificate")
            if transaction.old:
                self.old.append(transaction.old)
            return self.enrol_in(transaction)
        if mode == "unavailable":
            raise Refused(SYSTEM_UNAVAIL, self.unavailable_text)
        transaction = self.transactions.get(number)
        if not transaction:
            raise Refused(BAD_REQUEST, "no such transaction")
        if transaction.over:
            raise Refused(CERT_CONFIRMED, "that was confirmed")
        if message.header.recip_nonce != transaction.nonce:
            raise Refused(BAD_RECIPIENT_NONCE, "that answers another message")
        if message.kind == "pollReq" and transaction.mode == "pend" and not transaction.certs:
            if transaction.key in self.released:
                return self.enrol_in(transaction)
            return POLLREP, der.seq(der.seq(der.integer(transaction.id), der.integer(self.retry_after or 0)))
        if message.kind == "certConf" and transaction.certs:
            return self.confirm(transaction, only(body.body))
        raise Refused(BAD_REQUEST, f"{message.kind} is not expected")

    def enrol_in(self, transaction):
        mode = transaction.mode
        if mode == "unavailable":
            raise Refused(SYSTEM_UNAVAIL, self.unavailable_text)
        if mode in ("error", "unprotected-error"):
            raise Refused(self.fail_info, self.refuse_text)
        parts = [der.integer(transaction.id)]
        if mode == "refuse":
            parts.append(status_info(REJECTION, self.refuse_text, self.fail_info))
        elif mode == "pend" and transaction.key not in self.released:
            self.pended.add(transaction.key)
            parts.append(status_info(WAITING))
        else:
            cert = self.certificate_for(transaction, mode if mode in WRONG else "issue")
            transaction.certs.append(cert)
            parts += [status_info(0), der.seq(der.tlv(0xA0, cert_der(cert)))]
        answers = [der.seq(*parts)] * (2 if mode == "two-certificates" else 1)
        return ANSWERS[transaction.kind], der.seq(der.seq(*answers))

    def certificate_for(self, transaction, how):
        cert = self.answers.get((transaction.key, how)) if self.idempotent else None
        if cert is None:
            cert = self.sign(x509.load_der_x509_csr(transaction.csr), how)
            self.answers[transaction.key, how] = cert
            self.issued.append(cert)
        return cert

    def confirm(self, transaction, status):
        digest, number, *info = elements(status.body)
        cert = transaction.certs[0]
        if digest.body != cert.fingerprint(hashes.SHA256()) or number.body != der.integer(transaction.id)[2:]:
            raise Refused(BAD_REQUEST, "that is another certificate")
        accepted = not info or elements(info[0].body)[0].body == b"\0"
        (self.confirmed if accepted else self.rejected).append(cert)
        if not accepted:
            self.rejections.append(read_reason(info[0].body))
        transaction.over = True
        return PKICONF, der.tlv(der.NULL)

    def write(self, message, mode, tag, body):
        header, nonce = message.header, os.urandom(16)
        transaction = self.transactions.get(header.transaction)
        if transaction and tag != ERROR:  # after an error it stands where it stood
            transaction.nonce = nonce
        by_secret = header.algorithm is not None and algorithm(header.algorithm.body)[0] == PBM
        signer = self.stranger if mode == "wrong-signer" else self.signer
        how = (der.seq(der.oid(PBM), der.seq(der.tlv(der.OCTET_STRING, os.urandom(16)), der.seq(der.oid("2.16.840.1.101.3.4.2.1")),
                                             der.integer(1000), der.seq(der.oid("1.2.840.113549.2.9"))))
               if by_secret else pki.SIGNATURE_ALGORITHMS["ecdsa-sha256"])
        fields = [der.integer(2), der.tlv(0xA4, signer.cert.subject.public_bytes()), header.sender]
        unprotected = mode in ("unprotected", "unprotected-error")
        if not unprotected:
            fields.append(der.tlv(0xA1, how))
        if by_secret:
            fields.append(der.tlv(0xA2, der.tlv(der.OCTET_STRING, self.reference)))
        number = os.urandom(16) if mode == "wrong-transaction" else header.transaction
        answered = os.urandom(16) if mode == "wrong-nonce" else header.nonce
        fields += [der.tlv(0xA4, der.tlv(der.OCTET_STRING, number)), der.tlv(0xA5, der.tlv(der.OCTET_STRING, nonce)),
                   der.tlv(0xA6, der.tlv(der.OCTET_STRING, answered))]
        granted = self.implicit_confirm == "always" or header.implicit and self.implicit_confirm
        if granted and tag in ANSWERS.values():
            fields.append(der.tlv(0xA8, der.seq(der.seq(der.oid(IMPLICIT_CONFIRM), der.tlv(der.NULL)))))
            if transaction and transaction.certs:
                transaction.over = True
        parts = [der.seq(*fields), der.tlv(0xA0 | tag, body)]
        protected = der.seq(*parts)
        if not unprotected:
            value = (pbm(self.secret, elements(only(how).body)[1], protected) if by_secret
                     else pki.sign(signer.key, protected)[1])
            if mode == "bad-protection":
                value = value[:-1] + bytes([value[-1] ^ 1])
            parts.append(der.tlv(0xA0, der.bit_string(value)))
        if not by_secret:
            parts.append(der.tlv(0xA1, der.seq(*[cert_der(cert) for cert in [signer.cert, *signer.chain]])))
        return der.seq(*parts)
