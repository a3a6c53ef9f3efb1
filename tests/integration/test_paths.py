# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Which path means what: docs/conformance.md, rows URI and P. What the core refuses is in test_framing.py."""

import base64

import pytest

from harness.client import raw
from harness.cms import check_certs_only
from harness.form import check_refusal, enrol, enrol_head, head
from harness.pki import CertificateAuthority, make_csr, make_key

CSR = make_csr(make_key())
TEXT = base64.b64encode(CSR)
LOGGED = ("AH00026", "AH10244", "AH00127")

pytestmark = pytest.mark.usefixtures("same_child")


@pytest.fixture(scope="module")
def site(make_site):
    """conf/est.conf with a second CA, so that a path without label has something to choose from"""
    site = make_site("paths", start=False, shipped=True)
    site.other = CertificateAuthority("O=Test,CN=Other CA", CertificateAuthority("O=Test,CN=Other root"))
    site.httpd.put_ca("other", site.other)
    site.config.server = site.httpd.ca_block("other")
    site.start()
    site.alias("other", ca="other")
    site.alias("closed", enabled=False)
    return site


@pytest.fixture(scope="module", params=["on_shared", "off"])
def place(request, make_site):
    """A host where a file is served to anyone"""
    options = {"on_shared": {"verify_client": "on shared"}, "off": {"verify": "optional", "verify_client": ""}}[request.param]
    site = make_site("paths_" + request.param, start=False, **options)
    site.config.locations = f'<Directory "{site.httpd.directory}/htdocs">\n        Require all granted\n    </Directory>'
    site.httpd.put("htdocs/file.txt", "a file\n")
    return site.start()


def bag(answer):
    assert answer.status == 200, answer.body
    return set(check_certs_only(answer.der()))


def bag_of(ca):
    return {ca.der(), ca.issuer.der()}


# --- the operations

# The six of RFC 7030 3.2.2: (method, what an RA with password and CSR gets without a label)
OPERATIONS = {"cacerts": ("GET", 200), "simpleenroll": ("POST", 200), "simplereenroll": ("POST", 403),
              "csrattrs": ("GET", 204), "serverkeygen": ("POST", 404), "fullcmc": ("POST", 404)}


@pytest.mark.parametrize("label", ["", "est/"], ids=["URI-03_without_label", "URI-02_with_label"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_URI_01_URI_06_the_six_operations(site, label, operation):
    """simplereenroll wants the certificate to be renewed; the last two are not offered yet"""
    method, status = OPERATIONS[operation]
    octets = head(site, target=label + operation) if method == "GET" else enrol(site, TEXT, operation=label + operation)
    answer = raw(site, octets)
    if status < 300:
        assert answer.status == status
    else:
        check_refusal(answer, status, "certificate_required" if status == 403 else "operation_unknown")


def test_URI_03_without_label_it_is_the_alias_est(site):
    assert bag(raw(site, head(site))) == bag(raw(site, head(site, target="est/cacerts"))) == bag_of(site.pki.issuing)


def test_URI_02_a_label_selects_its_ca(site):
    assert bag(raw(site, head(site, target="other/cacerts"))) == bag_of(site.other)
    cert = raw(site, enrol(site, base64.b64encode(make_csr(make_key())), operation="other/simpleenroll")).cert()
    assert cert.issuer == site.other.cert.subject


# RFC 7030 3.2.2, RFC 8295, RFC 9148, RFC 8995
RESERVED = ("cacerts simpleenroll simplereenroll fullcmc serverkeygen csrattrs pal eecerts crls symmetrickeys firmware tamp return "
            "crts sen sren skg skc att requestvoucher voucher_status requestauditlog enrollstatus").split()


@pytest.mark.parametrize("name", RESERVED)
def test_URI_04_P_11_an_alias_cannot_have_the_name_of_an_operation(site, name, allow_log):
    allow_log("ERROR:  ")
    with pytest.raises(Exception, match="23514|check|alias"):
        site.db.execute("INSERT INTO alias (name, ca) VALUES (%s, 'issuing')", name)
    check_refusal(raw(site, head(site, target=f"{name}/cacerts")), 400, "alias_unknown")
    check_refusal(raw(site, enrol(site, TEXT, operation=f"{name}/simpleenroll")), 400, "alias_unknown")


def test_URI_04_nor_can_EstAliases_say_so(make_site):
    site = make_site("reserved", start=False, location="EstAliases est cacerts")
    status, output = site.httpd.check()
    assert status != 0
    assert '"cacerts" cannot be an alias' in output


# --- paths below the mount point: (path, status)
PATHS = {
    "URI-05_unknown_label": ("nosuch/cacerts", 400), "URI-05_disabled_label": ("closed/cacerts", 400),
    "URI-05_unknown_operation": ("cacertsX", 404), "URI-05_known_label_unknown_operation": ("est/x", 404),
    "URI-05_unknown_label_and_operation": ("nosuch/x", 400), "URI-05_three_segments": ("a/b/cacerts", 404),
    "URI-06_serverkeygen": ("serverkeygen", 404), "URI-06_fullcmc_of_a_label": ("est/fullcmc", 404),
    "URI-07_case": ("CACERTS", 404), "URI-07_label_case": ("EST/cacerts", 400), "URI-07_parameter": ("cacerts;x=1", 404),
    "URI-07_parameter_of_label": ("est;x=1/cacerts", 404), "URI-07_query": ("cacerts?x=1", 200),
    "URI-07_query_of_label": ("est/cacerts?x=/../y", 200), "URI-07_empty_query": ("cacerts?", 200),
    "URI-08_trailing_slash": ("cacerts/", 404), "URI-08_label_trailing_slash": ("est/cacerts/", 404),
    "URI-09_dots": ("nosuch/../cacerts", 200), "URI-10_encoded_slash": ("est%2Fcacerts", 404),
    "URI-10_encoded_twice": ("est%252Fx/cacerts", 400),
    "P-02_collapsed": ("x/../cacerts", 200), "P-02_encoded_dots": ("x/%2e%2e/cacerts", 200), "P-02_single_dot": ("./cacerts", 200),
    "P-03_encoded_slash": ("a%2Fcacerts", 404), "P-03_encoded_backslash": ("a%5Ccacerts", 404), "P-03_backslash": ("a\\cacerts", 404),
    "P-03_backslash_in_label": ("a\\b/cacerts", 400),
    "P-04_encoded_twice": ("a%252Fb/cacerts", 400), "P-05_double_slash": ("/cacerts", 200),
    "P-05_double_slash_behind_label": ("est//cacerts", 200), "P-05_three": ("est///cacerts", 200),
    "P-06_trailing_slash": ("cacerts/", 404), "P-06_behind": ("cacerts/x", 400), "P-06_case": ("CACERTS", 404),
    "P-07_encoded_letter": ("%63acerts", 200), "P-07_encoded_letter_of_label": ("%65st/cacerts", 200),
    "P-08_parameter": ("cacerts;a=b", 404), "P-09_long_label": ("a" * 4000 + "/cacerts", 400),
    "P-09_label_of_65": ("a" * 65 + "/cacerts", 400), "P-09_sql": ("'%3B%20DROP%20TABLE%20x%3B--/cacerts", 404),
    "P-09_sql_without_semicolon": ("'%20OR%20'1'='1/cacerts", 400), "P-09_format": ("%25s%25n/cacerts", 400),
    "P-10_crlf": ("%0d%0aX-Evil:%201/cacerts", 400), "P-10_lf": ("a%0a[Sat]%20evil/cacerts", 400), "P-10_escape": ("%1b[2J/cacerts", 400),
    "P-10_utf8": ("%c3%a4/cacerts", 400), "P-10_raw_utf8": ("\xc3\xa4/cacerts", 400), "P-10_override": ("%e2%80%ae/cacerts", 400),
    "P-10_crlf_in_operation": ("est/%0d%0aX-Evil:%201", 404),
    "P-11_label_is_operation": ("cacerts/cacerts", 400), "P-11_other_operation": ("simpleenroll/cacerts", 400),
    "mount_alone": ("", 404), "dot_label": ("a.b/cacerts", 400),
}


@pytest.mark.parametrize("row", PATHS)
def test_paths(site, row, allow_log):
    allow_log(*LOGGED)
    path, status = PATHS[row]
    start = site.httpd.log.size()
    answer = raw(site, head(site, target=f"{site.mount}/{path}"))
    if status == 200:
        assert bag(answer) == bag_of(site.pki.issuing)
    else:
        check_refusal(answer, status)
        for echo in ("evil", "passwd", "nosuch", "DROP", "\x1b"):
            assert echo not in answer.text
        assert answer.header("X-Evil") is None
    # OP-03: a line each, whatever stands in the path
    lines = site.log_lines(start)
    assert all(line.startswith("[") and line.isprintable() and line.isascii() for line in lines)
    assert len([line for line in lines if "id=" in line]) == 1


# The same of a POST that would enrol: (path, status)
POSTED = {
    "URI-08_trailing_slash": ("simpleenroll/", 404), "P-02_collapsed": ("x/../simpleenroll", 200),
    "P-03_encoded_slash": ("a%2Fsimpleenroll", 404), "P-03_encoded_backslash": ("a%5Csimpleenroll", 404),
    "P-04_encoded_twice": ("a%252Fb/simpleenroll", 400), "P-05_double_slash": ("/simpleenroll", 200),
    "P-06_trailing_slash": ("simpleenroll/", 404), "P-06_behind": ("simpleenroll/x", 400), "P-06_case": ("SimpleEnroll", 404),
    "P-07_encoded_letter": ("%73impleenroll", 200), "P-08_parameter": ("simpleenroll;a=b", 404),
    "P-11_label_is_operation": ("cacerts/simpleenroll", 400),
}


@pytest.mark.parametrize("row", POSTED)
def test_paths_of_an_enrolment(site, row):
    path, status = POSTED[row]
    before = site.counts()
    answer = raw(site, enrol(site, TEXT, operation=f"{site.mount}/{path}"))
    if status == 200:
        # Another spelling is the same operation: the window of identical requests gives the same certificate
        assert answer.cert() == raw(site, enrol(site, TEXT)).cert()
    else:
        check_refusal(answer, status)
        assert site.counts() == before


@pytest.fixture(scope="module")
def labels(site):
    """One that asks nobody for a password to read, one that does"""
    return site.alias(auth_cacerts=False), site.alias(auth_cacerts=True)


# {open} and {secret} are aliases; the rules are those of secret in each
SECRET = {"URI-09_dots": "{open}/../{secret}/cacerts", "URI-09_encoded_dots": "{open}/%2e%2e/{secret}/cacerts",
          "P-02_dots": "cacerts/../{secret}/cacerts", "P-05_slashes": "{open}//..//{secret}//cacerts", "P-07_encoded": "{secret}/%63acerts"}


@pytest.mark.parametrize("row", SECRET)
def test_rules_are_those_of_the_path_that_is_served(site, labels, row):
    path = SECRET[row].format(open=labels[0], secret=labels[1])
    assert raw(site, head(site, target=f"{labels[0]}/cacerts")).status == 200
    check_refusal(raw(site, head(site, "User-Agent: a", target=f"{site.mount}/{path}")), 401, "authentication_required")
    assert raw(site, head(site, *enrol_head(site).decode().split("\r\n")[2:3], target=f"{site.mount}/{path}")).status == 200


@pytest.mark.parametrize("row", ["//.well-known//est//simpleenroll", "/.well-known/./est/simpleenroll", "/x/../.well-known/est/simpleenroll",
                                 "/.well-known/%65st/simpleenroll"])
def test_P_05_P_07_spellings_of_the_mount_point_have_its_rules(site, row):
    octets = enrol(site, TEXT, "User-Agent: a", operation=row)
    assert raw(site, octets).status == 200
    check_refusal(raw(site, octets.replace(b"Authorization", b"X-Other")), 401, "authentication_required")


# --- outside the mount point

@pytest.mark.parametrize("target", ["/.WELL-KNOWN/EST/cacerts", "/.well-known/EST/simpleenroll", "/.well-known/estx/cacerts", "/.well-known",
                                    "/", "/index.html", "/.well-known/brski/requestvoucher"])
def test_P_06_outside_the_mount_a_host_of_est_alone_serves_nothing(site, target):
    check_refusal(raw(site, head(site, target=target)), 403, "vhost_reserved")


@pytest.mark.parametrize("target", ["../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", ".%2e/%2e./etc/passwd"])
def test_P_01_climbing_out_of_the_mount_point(site, target):
    check_refusal(raw(site, head(site, target=target)), 403, "vhost_reserved")
    check_refusal(raw(site, enrol(site, TEXT, operation=target)), 403, "vhost_reserved")


@pytest.mark.parametrize("target", ["/.WELL-KNOWN/EST/cacerts", "/.well-known/estx/cacerts", "/.well-known/est/../../etc/passwd",
                                    "/.well-known/est/%2e%2e/%2e%2e/etc/passwd"])
def test_P_01_P_06_on_a_host_that_serves_files_it_is_404(place, target):
    answer = raw(place, head(place, target=target))
    assert answer.status == 404
    assert b"root:" not in answer.body
    assert raw(place, head(place, target="/.well-known/est/../../file.txt")).body == b"a file\n"


# --- what answers tell

def test_P_12_bodies_do_not_name_what_exists(site):
    site.alias("hidden")
    with site.client() as client:
        answers = [client.get("cacerts", "hiddem"), client.get("cacertz", "hidden"), client.get("x"), client.get("fullcmc")]
    assert [answer.status for answer in answers] == [400, 404, 404, 404]
    for answer in answers:
        assert not any(word in answer.text for word in ("hidde", "cacert", "enroll", "fullcmc"))


def test_P_12_a_disabled_alias_is_an_unknown_one(site):
    def told(label):
        answer = raw(site, head(site, target=f"{label}/cacerts"))
        check_refusal(answer, 400, "alias_unknown")
        return answer.text.partition("(request")[0]
    assert told("closed") == told("nosuch")
