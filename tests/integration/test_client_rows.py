# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
What five real clients send and what they accept, each row with each client: docs/conformance.md, rows SND, ACC and I.
The octets are those of clients/replay.py; test_clients.py runs the clients that can be run.
"""

import base64
import subprocess
from concurrent import futures

import pytest

from clients import replay
from clients.replay import CERTS_ONLY, CLIENTS
from harness.cms import check_certs_only
from harness.client import basic, connect
from harness.pki import make_csr, make_key, shared_key

KEY = make_key()
CSR = make_csr(KEY, "CN=client")
LARGE = "rsa:4096"
LIBEST_KNOWS = {200, 202, 204, 400, 401, 404, 423, 500, 502, 504}


@pytest.fixture(scope="module")
def site(make_site):
    """Global headers and a realm as people set them; aliases for each client, and one whose CA is not there"""
    site = make_site("rows", start=False, modules=("headers",),
                     vhost="RequestReadTimeout header=10-20,MinRate=500 body=2,MinRate=500",
                     location='AuthName "' + "Enrolment of devices " * 6 + '"')
    site.config.server = "\n".join(f"Header always set {field}" for field in (
        'Strict-Transport-Security "max-age=63072000; includeSubDomains; preload"', "X-Content-Type-Options nosniff",
        "X-Frame-Options DENY", "Referrer-Policy no-referrer",
        "Content-Security-Policy \"default-src 'none'; frame-ancestors 'none'\""))
    site.start()
    site.alias("compat", compat="libest")
    site.alias("binding", binding="required")
    site.alias("down", ca="nowhere")
    site.alias("compat-down", compat="libest", ca="nowhere")
    site.alias("certificates", auth_enroll="cert")
    site.alias("compat-certificates", compat="libest", auth_enroll="cert")
    return site


@pytest.fixture(autouse=True)
def complaints_of_the_answers(allow_log):
    """Beside the answers 429 and 503, which the first test that wants any asks for"""
    allow_log("EST1095", "AH01618")


@pytest.fixture(scope="module")
def ra(site):
    return basic(site.user, site.PASSWORD)


@pytest.fixture(scope="module")
def holders(site):
    """Certificates to renew, small and large"""
    return {kind: site.holder("CN=client", key=shared_key(kind)) for kind in ("ec:P-256", LARGE)}


def each(clients=CLIENTS):
    return pytest.mark.parametrize("name", clients)


# --- what they send

def fields_of(octets):
    return dict(line.split(b": ", 1) for line in octets.split(b"\r\n\r\n")[0].split(b"\r\n")[1:])


# Row -> what is particular in what each client sends, by its octets
SENDS = {
    "SND-04": {"libest": lambda f, o: f[b"Connection"] == b"close", "bouncy_castle": lambda f, o: f[b"Connection"] == b"close",
               "globalsign": lambda f, o: b"Connection" not in f, "strongswan": lambda f, o: b"Connection" not in f,
               "curl": lambda f, o: b"Connection" not in f},
    "SND-05": {"libest": lambda f, o: (f[b"User-Agent"], f[b"Accept"]) == (b"libest 3.2.0p", b"*/*"),
               "globalsign": lambda f, o: f[b"Accept"] == CERTS_ONLY and f[b"Accept-Encoding"] == b"gzip",
               "bouncy_castle": lambda f, o: not {b"User-Agent", b"Accept"} & f.keys(),
               "strongswan": lambda f, o: not {b"User-Agent", b"Accept"} & f.keys(),
               "curl": lambda f, o: f[b"User-Agent"].startswith(b"curl/") and f[b"Accept"] == b"*/*"},
    "SND-06": {"libest": lambda f, o: o.count(b"\n", o.index(b"\r\n\r\n") + 4) > 5 and b"\r" not in o[o.index(b"\r\n\r\n") + 4:-2],
               "globalsign": lambda f, o: replay.GLOBALSIGN.body(CSR).count(b"\r\n") >= 4,
               "bouncy_castle": lambda f, o: o.endswith(b"\n") and b"\r" not in o[o.index(b"\r\n\r\n") + 4:],
               "strongswan": lambda f, o: b"\n" not in o[o.index(b"\r\n\r\n") + 4:],
               "curl": lambda f, o: {len(line) for line in replay.CURL.body(CSR).split(b"\n")[:-2]} == {76}},
    "SND-07": {"globalsign": lambda f, o: f[b"Transfer-Encoding"] == b"chunked" and b"Content-Length" not in f,
               **{name: lambda f, o: f[b"Content-Length"].isdigit() for name in CLIENTS if name != "globalsign"}},
    "SND-08": {name: lambda f, o: f[b"Content-Type"] == b"application/pkcs10" for name in CLIENTS},
    "SND-09": {name: (lambda f, o: f[b"Content-Transfer-Encoding"] == b"base64") if name in ("globalsign", "bouncy_castle")
               else lambda f, o: b"Content-Transfer-Encoding" not in f for name in CLIENTS},
    "SND-12": {"libest": lambda f, o: o.endswith(b"\n\r\n")},
    "SND-14": {"strongswan": None},
}


@pytest.mark.parametrize("row, name", [pytest.param(row, name, id=f"{row}-{name}") for row in SENDS for name in SENDS[row] if SENDS[row][name]])
def test_what_a_client_sends_is_accepted(site, ra, holders, row, name):
    """First that it is sent, then that it is answered as it should"""
    client = CLIENTS[name]
    octets = client.octets(site, CSR, authorization=ra)
    assert SENDS[row][name](fields_of(octets), octets)
    replay.check_enrolled(client.ask(site, CSR, authorization=ra))
    replay.check_enrolled(client.ask(site, CSR, "simplereenroll", identity=holders["ec:P-256"]))
    assert client.ask(site, operation="cacerts").status == 200
    assert client.ask(site, operation="csrattrs").status == 204


@pytest.mark.parametrize("name, tls", [pytest.param(name, tls, id=f"SND-01-{name}-{tls}") for name in CLIENTS for tls in (*CLIENTS[name].tls, "both") if tls != "both" or len(CLIENTS[name].tls) == 2])
def test_versions_of_tls(site, ra, holders, name, tls):
    client = CLIENTS[name]
    replay.check_enrolled(client.ask(site, CSR, authorization=ra, tls=tls))
    replay.check_enrolled(client.ask(site, CSR, "simplereenroll", identity=holders["ec:P-256"], tls=tls))


@pytest.mark.parametrize("name, sni", [pytest.param(name, sni, id=f"SND-02-{name}-{sni}") for name in CLIENTS
                                       for sni in ("localhost", "127.0.0.1", None)])
def test_server_names(site, ra, name, sni):
    """Whatever a client calls the server: as itself, by address, not at all"""
    octets = CLIENTS[name].octets(site, CSR, authorization=ra)
    if sni == "127.0.0.1":
        closing = octets if CLIENTS[name].closes() else octets.replace(b"\r\nHost:", b"\r\nConnection: close\r\nHost:", 1)
        replay.check_enrolled(replay.converse_with_ip_sni(site, closing))
    else:
        replay.check_enrolled(replay.converse(site, [octets], sni=sni, to_end=CLIENTS[name].closes()))


@pytest.mark.parametrize("alpn", [(), ("http/1.1",), ("h2", "http/1.1")], ids=["SND-03-none", "SND-03-http1", "SND-03-h2"])
def test_protocols_offered(site, ra, alpn):
    replay.check_enrolled(replay.converse(site, replay.CURL.records(site, CSR, authorization=ra), alpn=alpn, to_end=False))


@each()
@pytest.mark.row("SND-08")
def test_parameters_of_the_content_type(site, ra, name):
    replay.check_enrolled(CLIENTS[name].ask(site, CSR, authorization=ra, content_type="application/pkcs10; charset=x"))


@each()
@pytest.mark.row("SND-11")
def test_credentials_at_once_or_after_a_challenge(site, ra, name):
    client = CLIENTS[name]
    if not client.at_once:
        challenge = client.ask(site, CSR)
        replay.check_form(challenge)
        assert challenge.status == 401
    replay.check_enrolled(client.ask(site, CSR, authorization=ra))  # on another connection


@pytest.mark.row("SND-12")
def test_stray_line_end_behind_everything_that_libest_sends(site, ra):
    assert replay.LIBEST.octets(site, operation="cacerts").endswith(b"\r\n\r\n\r\n")
    for operation in ("cacerts", "csrattrs"):
        assert replay.LIBEST.ask(site, operation=operation).status in (200, 204)
    assert replay.LIBEST.ask(site, CSR, authorization=ra).status == 200
    refused = replay.LIBEST.ask(site, CSR, authorization=ra, content_type="text/plain")
    replay.check_form(refused)
    assert refused.status == 415


@pytest.mark.row("SND-13")
@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_a_record_for_each_header_line(site, ra, tls):
    records = replay.BOUNCY_CASTLE.records(site, CSR, authorization=ra)
    assert len(records) == 9 and all(record.endswith(b"\n") for record in records)
    replay.check_enrolled(replay.BOUNCY_CASTLE.ask(site, CSR, authorization=ra, tls=tls))
    assert replay.BOUNCY_CASTLE.ask(site, operation="cacerts", tls=tls).status == 200


@pytest.mark.row("SND-14")
def test_a_get_with_nothing_but_a_host(site):
    octets = replay.STRONGSWAN.octets(site, operation="cacerts")
    assert list(fields_of(octets)) == [b"Host"]
    assert replay.STRONGSWAN.ask(site, operation="cacerts").status == 200


@pytest.mark.row("SND-15")
def test_credentials_where_none_are_needed(site, ra, holders):
    """Right ones, wrong ones and a certificate, on a connection beside one on which an enrolment is under way"""
    octets = replay.CURL.octets(site, CSR, authorization=ra)
    # An enrolment for each: its body has to be there within 2 seconds
    for credentials in (*({"authorization": value} for value in (ra, basic("nobody", "wrong"), "Bearer x", "Basic =")),
                        {"identity": holders["ec:P-256"]}):
        with connect(site) as enrolling:
            enrolling.sendall(octets[:-20])
            assert replay.CURL.ask(site, operation="cacerts", **credentials).status == 200
            enrolling.sendall(octets[-20:])
            replay.check_enrolled(replay.entered(site, replay.Reply(replay.read_one(enrolling))))


@pytest.mark.row("SND-16")
@each()
def test_a_long_label_for_each_operation(site, ra, name):
    labels = {operation: site.alias(f"{name}-{operation}-".ljust(64, "x")) for operation in ("cacerts", "csrattrs", "simpleenroll")}
    for operation, label in labels.items():
        reply = CLIENTS[name].ask(site, CSR if operation == "simpleenroll" else None, operation, label=label, authorization=ra)
        assert reply.status == (204 if operation == "csrattrs" else 200)
    assert CLIENTS[name].ask(site, operation="cacerts", label=labels["cacerts"] + "x").status == 400


# --- what they accept: each kind of answer as the client would get it

KINDS = ("cacerts", "csrattrs", "csrattrs_wanted", "enrolled", "enrolled_large", "renewed", "renewed_large", "400", "401", "403", "404",
         "405", "408", "411", "413", "415", "429", "503")
STATUS = {"csrattrs": 204, **{kind: int(kind) for kind in KINDS if kind.isdigit()}}


def get_answer(kind, site, client, holders, ra, prefix=""):
    """prefix: of the aliases. A request of the client's own form that is answered so"""
    label = prefix.rstrip("-") or None
    if kind == "cacerts" or kind == "csrattrs":
        return client.ask(site, operation=kind, label=label)
    if kind == "csrattrs_wanted":
        return client.ask(site, operation="csrattrs", label="binding")
    if kind.startswith("enrolled"):
        return client.ask(site, make_csr(shared_key(LARGE if "large" in kind else "ec:P-256"), "CN=client"), authorization=ra, label=label)
    if kind.startswith("renewed"):
        holder = holders[LARGE if "large" in kind else "ec:P-256"]
        return client.ask(site, make_csr(holder.key, "CN=client"), "simplereenroll", identity=holder)
    requests = {
        "400": {"body": b"AAAA"}, "403": {"label": prefix + "certificates", "body": b"AAAA"}, "404": {"operation": "nothing"},
        "405": {"method": "PUT"}, "408": {"body": client.body(CSR), "cut": 40}, "411": {"length": False, "body": b"AAAA"},
        "413": {"body": b"A" * 70000}, "415": {"content_type": "text/plain"}, "503": {"label": prefix + "down"}, "401": {}, "429": {},
    }[kind]
    cut = requests.pop("cut", 0)
    operation, requests = requests.pop("operation", "simpleenroll"), {"label": label, **requests}
    authorization = basic("guesser" + prefix, "wrong") if kind == "429" else None if kind == "401" else ra
    if not cut:
        return client.ask(site, CSR, operation, authorization=authorization, **requests)
    octets = client.octets(site, CSR, operation, authorization=authorization, **requests)
    return replay.converse(site, [octets[:-cut]], sni=None, to_end=client.closes())


@pytest.fixture(scope="module")
def answers(site, holders, ra):
    """Of each client and kind, asked for once: (client, kind) -> Reply"""
    for user in ("guesser", "guessercompat-"):
        for _ in range(11):
            with site.client(user, "wrong") as client:
                client.post("simpleenroll", b"AAAA")
    wanted = [(client, kind, "") for client in CLIENTS.values() for kind in KINDS] + [(replay.LIBEST, kind, "compat-") for kind in KINDS]
    with futures.ThreadPoolExecutor(8) as pool:  # an answer 408 has to be waited for
        replies = list(pool.map(lambda want: get_answer(want[1], site, want[0], holders, ra, want[2]), wanted))
    return {("libest compat" if prefix else client.name, kind): reply for (client, kind, prefix), reply in zip(wanted, replies)}


def text_of(reply):
    return base64.b64decode(b"".join(reply.body.split()), validate=True)


def longest(reply):
    return max(len(line) for line in reply.body.split(b"\n"))


SUCCESS = ("cacerts", "csrattrs_wanted", "enrolled", "enrolled_large", "renewed", "renewed_large")
BAGS = ("cacerts", "enrolled", "enrolled_large", "renewed", "renewed_large")
ISSUED = BAGS[1:]
EVERY = KINDS
NOT_STRONGSWAN = tuple(name for name in CLIENTS if name != "strongswan")

# (row, clients, kinds of answer, the check)
NEEDS = [
    ("ACC-01", NOT_STRONGSWAN, ("enrolled_large", "renewed_large"),
     lambda r: (longest(r) == 64) != (b"\n" not in r.body[:-1])),
    ("ACC-02", CLIENTS, SUCCESS, lambda r: len(r.body) > 1024 or (r.body.count(b"\n") == 1 and r.body.endswith(b"\n"))),
    ("ACC-03", CLIENTS, SUCCESS, lambda r: r.body.endswith(b"\n") and not r.body.endswith(b"\n\n")),
    ("ACC-04", ("libest",), SUCCESS, lambda r: longest(r) < 1024),
    ("ACC-04", ("strongswan",), SUCCESS, lambda r: r.body.count(b"\n") == 1),
    ("ACC-05", CLIENTS, SUCCESS, lambda r: b"-----" not in r.body),
    ("ACC-06", CLIENTS, SUCCESS, lambda r: text_of(r)[0] == 0x30 and r.body[0] != 0x30),
    ("ACC-07", CLIENTS, SUCCESS, lambda r: r.one(b"Content-Transfer-Encoding") == b"base64"),
    ("ACC-08", CLIENTS, tuple(kind for kind in EVERY if kind != "csrattrs"),
     lambda r: int(r.one(b"Content-Length")) == len(r.body) and not r.all(b"Transfer-Encoding")),
    ("ACC-08", CLIENTS, ("csrattrs",), lambda r: not r.all(b"Transfer-Encoding") and not r.body),
    ("ACC-09", CLIENTS, ISSUED, lambda r: r.one(b"Content-Type") == CERTS_ONLY),
    ("ACC-10", CLIENTS, ("cacerts",), lambda r: r.one(b"Content-Type") == b"application/pkcs7-mime"),
    ("ACC-11", CLIENTS, EVERY, lambda r: all(name in replay.ODD_NAMES or name == b"-".join(w.capitalize() for w in name.split(b"-"))
                                             for name, _ in r.fields)),
    ("ACC-12", CLIENTS, EVERY, lambda r: len(r.fields) <= 16),
    ("ACC-13", CLIENTS, EVERY, lambda r: len(r.head) + 4 < 1024),
    ("ACC-14", CLIENTS, EVERY, lambda r: r.status_line.startswith(b"HTTP/1.1 ")),
    ("ACC-15", CLIENTS, SUCCESS, lambda r: r.status == 200),
    ("ACC-16", CLIENTS, ISSUED, lambda r: len(check_certs_only(text_of(r))) == 1),
    ("ACC-18", CLIENTS, ("401",), lambda r: r.one(b"WWW-Authenticate").startswith(b"Basic realm=")),
    ("ACC-18", CLIENTS, tuple(kind for kind in EVERY if kind != "401"), lambda r: not r.all(b"WWW-Authenticate")),
    ("ACC-19", CLIENTS, ("csrattrs",), lambda r: r.status == 204 and not r.body and not r.all(b"Content-Type")
     and not r.all(b"Content-Transfer-Encoding")),
    ("ACC-19", CLIENTS, ("csrattrs_wanted",), lambda r: r.one(b"Content-Type") == b"application/csrattrs"
     and r.body == b"MAsGCSqGSIb3DQEJBw==\n"),
    ("ACC-21", ("libest compat",), EVERY, lambda r: r.status in LIBEST_KNOWS),
    ("ACC-22", (*CLIENTS, "libest compat"), ("429", "503"), lambda r: 0 < int(r.one(b"Retry-After")) <= 60),
    ("ACC-22", CLIENTS, tuple(kind for kind in EVERY if kind not in ("429", "503")), lambda r: not r.all(b"Retry-After")),
    ("ACC-24", CLIENTS, EVERY, lambda r: not r.all(b"Content-Encoding")),
    ("I-01", ("libest", "strongswan"), tuple(kind for kind in EVERY if kind != "csrattrs"), lambda r: r.one(b"Content-Length").isdigit()),
    ("I-02", ("bouncy_castle",), SUCCESS, lambda r: r.one(b"Content-Transfer-Encoding") == b"base64"),
    ("I-03", ("libest",), ISSUED, lambda r: b"\r\nContent-Type: " + CERTS_ONLY + b"\r\n" in r.head + b"\r\n"),
    ("I-04", ("globalsign",), ISSUED, lambda r: len(check_certs_only(text_of(r))) == 1 and not set(r.body) & set(b" \t")),
    ("I-05", ("strongswan",), SUCCESS, lambda r: len(r.head) + 4 < 1024 and r.status_line.startswith(b"HTTP/1.1 200")),
    ("I-05", ("strongswan",), ("429", "503"), lambda r: r.one(b"Retry-After").isdigit()),
    ("I-06", ("libest",), ("401",), lambda r: [n for n, _ in r.fields].count(b"WWW-Authenticate") == 1),
    ("I-06", ("libest",), ("csrattrs",), lambda r: r.status == 204),
]


@pytest.mark.parametrize("number, client", [pytest.param(i, client, id=f"{row}-{client.replace(' ', '_')}-{i}")
                                            for i, (row, clients, _, _) in enumerate(NEEDS) for client in clients])
def test_what_a_client_needs_is_produced(answers, number, client):
    _, _, kinds, check = NEEDS[number]
    for kind in kinds:
        reply = answers[client, kind]
        if client != "libest compat":
            assert reply.status == STATUS.get(kind, 200), (kind, reply.octets)
        assert check(reply), (kind, reply.octets)


def test_ACC_01_long_answers_are_long(answers):
    """Or the rows on their lines would say nothing"""
    for name in CLIENTS:
        assert len(answers[name, "enrolled_large"].body) > 1024 and len(answers[name, "renewed_large"].body) > 1024


# Kind of answer -> (status with compat = libest, the reason in its body)
COMPAT = {"400": (400, "der_invalid"), "401": (401, "authentication_required"), "403": (400, "certificate_required"), "404": (404, "operation_unknown"),
          "405": (400, "method_not_allowed"), "408": (400, "request_timeout"), "411": (400, "length_required"),
          "413": (400, "body_too_large"), "415": (400, "media_type"), "429": (500, "too_many_failures"), "503": (500, "alias_broken")}


@pytest.mark.parametrize("kind", COMPAT)
@pytest.mark.row("ACC-21")
def test_statuses_for_libest(answers, kind):
    """Decision 19: the status is one that libest knows, the rest of the answer says what it said"""
    status, reason = COMPAT[kind]
    reply, plain = answers["libest compat", kind], answers["libest", kind]
    assert reply.status == status
    assert reply.status_line.startswith(b"HTTP/1.1 %d " % status) and plain.status == int(kind)
    assert reply.body.split(b" (request")[0] == plain.body.split(b" (request")[0] and reason.encode() in reply.body
    changing = (b"Date", b"Retry-After", b"Content-Length")
    assert [name for name, _ in reply.fields] == [name for name, _ in plain.fields]
    assert [f for f in reply.fields if f[0] not in changing] == [f for f in plain.fields if f[0] not in changing]
    assert len(reply.all(b"Retry-After")) == (kind in ("429", "503"))
    assert reply.all(b"Allow") == ([b"POST"] if kind == "405" else [])


def test_ACC_21_the_log_keeps_the_real_error(site, ra):
    seen = site.httpd.log.size()
    reply = replay.LIBEST.ask(site, CSR, authorization=ra, content_type="text/plain", label="compat")
    assert reply.status == 400 and any("EST1010: " in line for line in site.log_lines(seen))


def test_ACC_13_what_the_module_adds_is_little(answers):
    """Beside what httpd and its configuration send: at most four fields and 200 octets"""
    ours = {b"Cache-Control", b"Content-Transfer-Encoding", b"Retry-After", b"Allow", b"Accept-Encoding"}
    for (client, kind), reply in answers.items():
        added = [field for field in reply.fields if field[0] in ours]
        assert len(added) <= 4 and sum(map(len, sum(added, ()))) < 200, (client, kind)


@pytest.mark.row("ACC-23")
@pytest.mark.parametrize("kind", SUCCESS)
def test_openssl_reads_the_base64(answers, kind):
    """Lines of at most 76 columns, or option -A for one line"""
    for name in CLIENTS:
        reply = answers[name, kind]
        argv = ["openssl", "base64", "-d"] + ([] if longest(reply) <= 76 else ["-A"])
        done = subprocess.run(argv, input=reply.body, capture_output=True, check=True)
        assert done.stdout == text_of(reply), name


@pytest.mark.row("ACC-24", "I-06")
@pytest.mark.parametrize("kind", KINDS)
def test_the_connection_ends_when_the_client_says_close(site, answers, kind):
    """ask() reads to the end of the connection there: nothing follows the body that was announced"""
    for name in ("libest", "bouncy_castle"):
        reply = answers[name, kind]
        assert CLIENTS[name].closes() and reply.one(b"Connection") == b"close"
        assert len(reply.body) == int((reply.all(b"Content-Length") or [b"0"])[0])


@pytest.mark.row("ACC-23", "ACC-25")
@pytest.mark.parametrize("base64_lines", ["wrap", "line"])
def test_lines_as_the_alias_says(site, ra, base64_lines):
    """Azure IoT's client pastes the body between PEM lines: wrapped, with an end"""
    label = site.alias(base64=base64_lines)
    for name in CLIENTS:
        reply = CLIENTS[name].ask(site, make_csr(shared_key(LARGE), "CN=client"), authorization=ra, label=label)
        replay.check_enrolled(reply)
        assert longest(reply) == 64 if base64_lines == "wrap" else reply.body.count(b"\n") == 1
    if base64_lines == "wrap":
        pasted = b"-----BEGIN PKCS7-----\n" + reply.body + b"-----END PKCS7-----\n"
        done = subprocess.run(["openssl", "pkcs7", "-print_certs", "-noout"], input=pasted, capture_output=True, check=True)
        assert b"CN = client" in done.stdout


# --- what belongs to operations that are not there yet

@pytest.mark.row("ACC-20")
@pytest.mark.parametrize("operation", ["serverkeygen", "fullcmc"])
@each()
def test_operations_to_come_are_404(site, ra, name, operation):
    reply = CLIENTS[name].ask(site, CSR, operation, authorization=ra)
    replay.check_form(reply)
    assert reply.status == 404


@pytest.mark.row("ACC-17", "AUTH-15", "R-03")
def test_nothing_is_pending(answers):
    assert not any(reply.status == 202 for reply in answers.values())


# --- csrattrs, decision 20

@pytest.mark.row("HTTP-01", "HTTP-02", "HTTP-20")
def test_csrattrs_of_head_and_of_other_methods(site):
    with site.client() as client:
        for label, status in ((None, 204), ("binding", 200)):
            get, head = client.get("csrattrs", label), client.request("HEAD", client.path("csrattrs", label))
            assert (get.status, head.status, head.body) == (status, status, b"")
            assert [f for f in get.headers.items() if f[0] != "Date"] == [f for f in head.headers.items() if f[0] != "Date"]
            assert get.header("Cache-Control") == "no-store"
        post = client.post("csrattrs", b"AAAA")
    assert (post.status, post.header("Allow")) == (405, "GET, HEAD")


def test_csrattrs_asks_for_what_cacerts_asks_for(site):
    label = site.alias(auth_cacerts=True, binding="required")
    with site.client() as client:
        assert client.get("csrattrs", label).status == 401
    with site.ra() as client:
        assert client.get("csrattrs", label).body == b"MAsGCSqGSIb3DQEJBw==\n"


@pytest.mark.row("I-07")
@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_a_binding_that_is_always_sent(site, tls):
    """CycloneEST: exactly the value of this connection is taken, whether or not the alias asks for one. That of TLS 1.3 needs
    a client that can export it: test_CB_01_CB_03_the_value_of_this_connection."""
    with site.ra(tls=tls) as client:
        refused = client.enroll(make_csr(KEY, "CN=client", challenge=b"AAAAAAAAAAAAAAAA"))
    assert (refused.status, refused.reason) == (400, "binding_failed")
    if tls == "1.3":
        return
    for label in (None, "binding"):
        with site.ra(tls=tls) as client:
            value = base64.b64encode(client.tls_unique())
            assert client.enroll(make_csr(KEY, "CN=client", challenge=value), label).status == 200
