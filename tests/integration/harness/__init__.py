# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Private servers, certificates and clients for the integration tests.

Fixtures (conftest.py)

    postgres    session: the PostgreSQL server; postgres.clone(name) -> Database, a fresh copy of the installed schema
    pki         session: Pki; pki.root, pki.issuing, pki.foreign (each a CertificateAuthority), pki.server (Identity)
    site        module: one httpd with one database. SITE = dict(...) in the test module gives it Config fields
    make_site   module: make_site(name, **Config fields) -> Site, for modules that need more than one, or start=False
    expect_log  function: expect_log("EST1076", "text", ...): lines of level warning or above which MUST appear in this test
    allow_log   function: the same for lines which may appear

    same_child  module: no test of the module ends a process; no_row: nor leaves a certificate. For usefixtures

After each test everything written meanwhile to the logs of httpd and PostgreSQL is read: a line of level warning or above that
was not announced fails the test, and so does a difference between rows of est.certificate and certificates handed out by
200 answers (site.ledger; Answer objects enter it by themselves, other clients call site.ledger.add(der)).
site.ledger.may_have_more = True: rows that no client has seen are allowed from now on (tests that kill).

Modules

    run         wait_until(condition, limit=10, what=""), start(argv, ...) -> Popen as the servers' user that dies with
                us, stop(process), free_port(), own(path) (gives a file to the servers' user), SLOW (factor for limits)
    pki         make_key("ec:P-256" | "rsa:2048" | "ed25519"...), make_csr(key, "CN=a,O=b", san=[dns("a")], ...) -> DER,
                CertificateAuthority(...).issue("CN=x", ...) -> Identity(key, cert, chain), raw CSRs, names
    weak_keys   keys that nobody should have, and requests signed by them
    der         a small DER encoder, to write what no library wants to write
    postgres    PostgresServer(directory, durable=False), Database: .url(user), .execute(sql, *params), .rows, .value;
                role "admin" by default (a member of est_admin), user="postgres" for the superuser
    httpd       Config (fields below), Httpd: .start(), .stop(), .graceful(), .check() -> (status, output), .children(),
                .log (Log), .directory, .port, .pid
    site        Site: .db, .httpd, .client(...), .sql(sql, *params) (as admin; returns when the child has the new policy),
                .alias(name, **columns), .register(user, names=..., ...), .user (a registered RA: names *), .counts(),
                .node(**Config fields) -> Node, one more httpd on the same database: stop it before the fixture ends
    client      EstClient, Answer, curl(), raw(): see there
    entities    registered end entities with their codes, anchors of every kind, certificates that makers give to devices
    form        requests octet by octet, for raw(); the form that every answer and every refusal has
    bound       BoundConnection: TLS of which everything about channel binding is known, over HTTP/1.1 and HTTP/2
    hello       a ClientHello of one's own making, and what the server does about it
    openssl     s_client() and SClient: the program, for one exchange or as at a terminal
    cms         certs-only messages, read by an implementation that is not ours
    names       requests with names written octet by octet, and the checks of what becomes of them
    judge       a second opinion of what may be issued, from the rows of the policy: see its own text
    upstream    UpstreamEst: an EST server to forward to, which does as a test tells it
    upstream_cmp  UpstreamCmp: the same as a CA that speaks CMP
    lint        lint(cert, issuer): RFC 5280 and profile checks by an implementation that is not ours. When a site is closed,
                every certificate on record is checked; site.except_lint(name, reason) for what is made on purpose

Config fields: mpm "event" | "worker" | "prefork"; children, threads; forks (set it where a test restarts gracefully or
deals with the process of a lone child: under sanitizers that is one with the parent otherwise); modules (extra ones,
without "mod_"); verify ("optional_no_ca" | "optional"); verify_client ("on" | "off" | "on shared"); protocols; ca_blocks
(list of texts; default one, "issuing"); database (connection string); server, vhost, location (extra directives as text);
provider (AuthBasicProvider); locations (whole blocks beside the EST one); mount; pool (EstDatabasePool). Config.text() is
the file; Httpd.write(text) replaces it. shipped=True: the file is conf/est.conf as it is, with paths, port, host name and
database put in; of the other fields only mpm, children, threads, forks, modules, database and server count then, and changes:
(old text, new text) pairs, each of which must stand there once.

Environment: EST_SEED, EST_CASES (test_property), EST_ESTCTL (estctl to compare with), EST_MODULE (mod_est.so to test), EST_SANITIZE=1 (it was built with sanitizers; "thread": with ThreadSanitizer),
EST_VALGRIND=1 (run httpd under valgrind). A sanitizer's or valgrind's report fails the test in which it is found.
"""
