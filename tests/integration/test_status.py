# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""What the page of mod_status says of the CAs."""

import contextlib
import html.parser
import http.client

import pytest

from clients.orders import Asking, check_failed, enrol
from harness import run
from harness.pki import make_csr, make_key
from harness.upstream import UpstreamEst

COOLDOWN = 3 * run.SLOW
HOSTILE = "https://127.0.0.1:1/<script>alert(1)</script>&amp;'<!--"
PAGE = """Listen 127.0.0.1:{0} http
<VirtualHost 127.0.0.1:{0}>
    <Location "/server-status">
        SetHandler server-status
        Require local
    </Location>
</VirtualHost>"""


@pytest.fixture(scope="module")
def upstream(session_directory):
    with UpstreamEst(session_directory, "status") as server:
        yield server


@pytest.fixture(scope="module")
def site(upstream, make_site):
    site = make_site("status", start=False, forks=True, children=2, modules=("status", "authz_host"))
    site.httpd.authorities.append(upstream.issuing.der())
    port = run.Port()
    site.status_port = port.number
    site.config.server = PAGE.format(port.number)
    numbers = {"EstCATimeout": 30, "EstCAFailures": 2, "EstCACooldown": COOLDOWN, "EstCAConcurrency": 5}
    site.config.ca_blocks = [site.httpd.ca_block("issuing"),
                             upstream.block("up", **upstream.pinned(), **numbers, EstCAUpstream=f"{upstream.url} https://127.0.0.1:1/"),
                             upstream.block("lone", **upstream.pinned(), **numbers),
                             upstream.block("A-Z_09", **upstream.pinned(), EstCAUpstream=f'"{HOSTILE}"')]
    for name in ("up", "lone"):
        site.alias(name, ca=name)
    yield site.start()
    port.release()


def page(site, query=""):
    """By a new connection, which any child may take"""
    connection = http.client.HTTPConnection("127.0.0.1", site.status_port, timeout=20 * run.SLOW)
    with contextlib.closing(connection):
        connection.request("GET", "/server-status" + query)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode("latin-1")


def auto(site):
    """key -> value of what is ours"""
    found = [line.partition(": ") for line in page(site, "?auto").splitlines() if line.startswith("EstCA")]
    assert len({key for key, _, _ in found}) == len(found), "a key is there twice"
    return {key: value for key, _, value in found}


def gate(site, ca, number=0):
    """member -> value"""
    prefix = f"EstCA[{ca}]Gate[{number}]"
    return {key.removeprefix(prefix): value for key, value in auto(site).items() if key.startswith(prefix)}


class Cells(html.parser.HTMLParser):
    """Rows of tables, as a browser shows them; and every element"""

    def __init__(self, text):
        super().__init__()
        self.rows, self.elements, self.inside = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        if tag == "tr":
            self.rows.append([])
        self.inside = tag == "td"
        if self.inside and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if tag == "td":
            self.inside = False

    def handle_data(self, data):
        if self.inside and self.rows:
            self.rows[-1][-1] += data

    def of(self, ca):
        return [row[1:] for row in self.rows if row and row[0] == ca]


def device(name):
    return make_csr(make_key(), f"CN={name}")


def test_each_ca_is_there(site, upstream):
    found = auto(site)
    assert [found[f"EstCA[{name}]Driver"] for name in ("issuing", "up", "lone", "A-Z_09")] == ["local", "est", "est", "est"]
    assert [found[f"EstCA[{name}]Gates"] for name in ("issuing", "up", "lone", "A-Z_09")] == ["0", "2", "1", "1"]
    assert gate(site, "up") == {"Name": upstream.url, "State": "open", "WaitSeconds": "0", "Requests": "0", "RequestsMax": "5",
                                "Failures": "0", "FailuresMax": "2"}
    assert found["EstCA[up]Gate[1]Name"] == "https://127.0.0.1:1" and found["EstCA[A-Z_09]Gate[0]Name"] == HOSTILE
    cells = Cells(page(site))
    assert cells.of("issuing") == [["local", "a key in a file"]]
    assert cells.of("up") == [["est", upstream.url, "open", "0 of 5 requests", "0 of 2 failures"],
                              ["est", "https://127.0.0.1:1", "open", "0 of 5 requests", "0 of 2 failures"]]


@pytest.mark.parametrize("query", ["", "?notable"])
def test_what_the_configuration_has_is_escaped(site, query):
    text = page(site, query)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;" in text and "<script" not in text and "<!--" not in text
    if query:
        assert "<table" not in text.partition("EST: ")[2].partition("<hr")[0]
    else:
        assert Cells(text).of("A-Z_09")[0][1] == HOSTILE


def test_a_request_that_is_there_counts_in_every_process(site, upstream):
    before = len(upstream.enrolments)
    upstream.mode = "hang"
    inside = Asking(site, device("hangs"), "up")
    upstream.wait_for(before + 1)
    for _ in range(6):
        assert gate(site, "up")["Requests"] == "1" and gate(site, "up", 1)["Requests"] == "0"
    assert Cells(page(site)).of("up")[0][3] == "1 of 5 requests"
    upstream.mode = "issue"
    upstream.let_go()
    inside.end().cert()
    assert gate(site, "up")["Requests"] == "0"


def test_an_upstream_goes_down_and_comes_back(site, upstream, expect_log):
    expect_log("EST1100", upstream.url)
    upstream.stop()
    for number in (1, 2):
        assert gate(site, "lone")["State"] == "open"
        check_failed(enrol(site, device(f"down-{number}"), "lone"), 503, "ca_unavailable", retry=True)
        found = gate(site, "lone")
        assert found["Failures"] == str(number)
    assert found["State"] == "closed" and 1 <= int(found["WaitSeconds"]) <= COOLDOWN
    state = Cells(page(site)).of("lone")[0][2]
    assert state in [f"closed, tried again in {seconds} s" for seconds in range(1, COOLDOWN + 1)]
    upstream.start()
    run.wait_until(lambda: gate(site, "lone")["State"] == "half-open", COOLDOWN + 5, "the end of the cooldown")
    assert gate(site, "lone")["WaitSeconds"] == "0" and Cells(page(site)).of("lone")[0][2] == "half-open"
    assert gate(site, "lone")["State"] == "half-open", "who looks has let somebody through"
    enrol(site, device("back"), "lone").cert()
    found = gate(site, "lone")
    assert (found["State"], found["Failures"]) == ("open", "0")
    assert gate(site, "up")["State"] == "open", "that of another CA at the same upstream is another gate"


def test_without_extended_status_nobody_is_named(site, upstream):
    site.httpd.write(site.config.text(site.httpd) + "\nExtendedStatus Off\n")
    site.httpd.graceful()
    found = gate(site, "up")
    assert "Name" not in found and found["State"] == "open"
    for query in ("", "?notable", "?auto"):
        text = page(site, query)
        assert "up" in text and upstream.url not in text and "script" not in text.partition("EST")[2]
    assert Cells(page(site)).of("up")[1][1] == "Gate[1]", "as in ?auto"
