/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_est_test.h"

/* ---- requests and answers */

static void test_a_request_is_forwarded_as_it_is(void **state)
{
    est_slice_t body;

    (void)state;
    ready();
    X509 *cert = issued_by(&t.ca, t.key);
    answers_with(cert);
    ASSERT_OK(issue());
    ASSERT_SLICE(t.answer.der, cert_der(cert));
    assert_string_equal(t.answer.upstream, URL);
    assert_int_equal(t.answer.state.n, 0);
    assert_string_equal(up.last.url, URL "/simpleenroll");
    const unsigned char *end = memchr(up.last.body.p, '\n', up.last.body.n);
    assert_int_equal(end - up.last.body.p, 64);
    assert_int_equal(up.last.body.p[up.last.body.n - 1], '\n');
    ASSERT_OK(est_base64_decode(&body, up.last.body, pool));
    ASSERT_SLICE(body, t.request.csr);
    /* a renewal: the certificate that is renewed is not ours to present */
    t.request.holder = cert;
    ASSERT_OK(issue());
    assert_string_equal(up.last.url, URL "/simpleenroll");
}

static void test_the_certificate_is_found_among_those_of_the_chain(void **state)
{
    (void)state;
    ready();
    X509 *cert = issued_by(&t.ca, t.key), *chain[] = {t.ca.root, t.ca.cert, cert};
    up.enroll = message(3, chain);
    ASSERT_OK(issue());
    ASSERT_SLICE(t.answer.der, cert_der(cert));
    up.enroll = message(2, chain);
    ASSERT_FAILS(issue(), ca_answer, "no certificate came but those of 2 CAs");
    assert_int_equal(t.answer.der.n, 0);
}

static void test_a_certificate_for_another_key_is_wrong(void **state)
{
    (void)state;
    ready();
    X509 *cert = issued_by(&t.ca, make_key("P-256")), *chain[] = {t.ca.cert, cert, t.ca.root};
    for (int turn = 0; turn < 2; turn++) {
        up.enroll = turn ? message(3, chain) : message(1, &cert);
        ASSERT_FAILS(issue(), ca_wrong, "another key");
        ASSERT_SLICE(t.answer.der, cert_der(cert)); /* for the record */
        assert_string_equal(t.answer.upstream, URL);
    }
}

static void test_a_wait_is_handed_on(void **state)
{
    static const struct {
        int said, means;
    } rows[] = {{0, 0}, {17, 17}, {604800, 604800}, {604801, 604800}, {2000000000, 604800}};

    (void)state;
    ready();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        up.enroll = (reply_t){.status = 202, .retry_after = rows[i].said};
        ASSERT_OK(issue());
        assert_int_equal(t.answer.der.n, 0);
        assert_int_equal(t.answer.retry_after, rows[i].means);
        assert_string_equal(t.answer.upstream, URL);
        assert_true(t.answer.state.n > 0);
    }
    /* asked again: the same request */
    t.request.upstream = t.answer.upstream;
    t.request.state = t.answer.state;
    est_slice_t first = up.last.body;
    answers_with(issued_by(&t.ca, t.key));
    ASSERT_OK(issue());
    assert_true(t.answer.der.n > 0 && !t.answer.state.n);
    ASSERT_SLICE(up.last.body, first);
}

static void test_what_each_status_means(void **state)
{
    static const struct {
        int status, retry_after;
        const char *words;
        est_err_code_t code;
        const char *detail;
        int wait;
    } rows[] = {
        {200, 0, "<html>Hello</html>", EST_E_ca_answer, "HTTP 200, and the answer of type text/plain is no base64", 0},
        {200, 0, "", EST_E_ca_answer, "it is empty", 0},
        {200, 0, "MAMCAQE=", EST_E_ca_answer, "not a certs-only message", 0},
        {201, 0, "made", EST_E_ca_answer, "HTTP 201: made", 0},
        {204, 0, "", EST_E_ca_answer, "HTTP 204: no certificate", 0},
        {400, 0, "bad name", EST_E_ca_refused, "HTTP 400: bad name", 0},
        {401, 0, "", EST_E_ca_refused, "EstCAUser and EstCAPassword, or EstCAClientCertificate, are not accepted", 0},
        {403, 0, "", EST_E_ca_refused, "HTTP 403: no reason given", 0},
        {404, 0, "nothing here", EST_E_ca_refused, "HTTP 404: nothing here: is EstCAUpstream the URL", 0},
        {405, 0, "", EST_E_ca_refused, "HTTP 405", 0},
        {409, 0, "is there already", EST_E_ca_refused, "HTTP 409: is there already", 0},
        {413, 0, "too long", EST_E_ca_refused, "HTTP 413: too long", 0},
        {415, 0, "what is that?", EST_E_ca_refused, "HTTP 415: what is that?", 0},
        {408, 0, "too slow", EST_E_ca_unavailable, "HTTP 408: too slow", 10},
        {429, 40, "slowly", EST_E_ca_unavailable, "HTTP 429: slowly", 40},
        {500, 0, "oops", EST_E_ca_answer, "HTTP 500: oops", 0},
        {501, 0, "what?", EST_E_ca_answer, "HTTP 501: what?", 0},
        {502, 0, "", EST_E_ca_answer, "HTTP 502", 0},
        {503, 50, "closed", EST_E_ca_unavailable, "HTTP 503: closed", 50},
        {503, 2000000000, "closed", EST_E_ca_unavailable, "HTTP 503: closed", 86400},
        {504, 0, "no answer", EST_E_ca_timeout, "HTTP 504: no answer", 0},
        {0, 0, "", EST_E_ca_timeout, "no answer in time", 0},
    };

    (void)state;
    ready();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        up.enroll = plain(rows[i].status, rows[i].words);
        up.enroll.retry_after = rows[i].retry_after;
        est_err_t *err = issue();
        ASSERT_ROW(err, rows[i].code, rows[i].detail, rows[i].detail);
        if (rows[i].wait)
            assert_int_equal(err->retry_after, rows[i].wait);
        assert_int_equal(t.answer.der.n, 0);
        assert_int_equal(t.answer.state.n, 0);
        /* who may have it */
        if (rows[i].code == EST_E_ca_unavailable)
            assert_null(t.answer.upstream);
        else
            assert_string_equal(t.answer.upstream, URL);
    }
    /* a gateway's, about a server behind it */
    up.enroll = (reply_t){502, 0, "text/html; charset=utf-8", text("<html>Bad Gateway")};
    ASSERT_FAILS(issue(), ca_timeout, "HTTP 502: no certificate");
    assert_string_equal(t.answer.upstream, URL);
    up.is_down = 1;
    ASSERT_FAILS(issue(), ca_unavailable, "connection refused");
    assert_null(t.answer.upstream);
}

static void test_why_a_forwarded_request_may_be_refused(void **state)
{
    /* CsrAttrs: challengePassword as an OID; estIdentityLinking with a value behind another one; neither */
    static const struct {
        const char *csrattrs;
        int is_binding;
    } rows[] = {
        {"300b 0609 2a864886f70d010907", 1}, {"301c 0608 2a8648ce3d040302 3010 060b 2a864886f70d010910023a 3101 00", 1},
        {"300a 0608 2a8648ce3d040302", 0},   {"3000", 0},
        {"0609 2a864886f70d010907", 0},      {"30", 0},
    };

    (void)state;
    ready();
    up.enroll = plain(400, "no");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        up.csrattrs = plain(200, est_base64_encode(hex(rows[i].csrattrs), 0, NULL, pool));
        up.n_csrattrs = 0;
        world.now += apr_time_from_sec(61);
        for (int again = 0; again < 2; again++) { /* at most once in a minute */
            est_err_t *err = issue();
            ASSERT_ROW(err, EST_E_ca_refused, "HTTP 400: no", rows[i].csrattrs);
            assert_int_equal(strstr(err->detail, "demands channel binding") != NULL, rows[i].is_binding);
            assert_null(strstr(err->detail, "challengePassword"));
        }
        assert_int_equal(up.n_csrattrs, 1);
    }
    /* that the upstream does not say it is no harm */
    up.csrattrs = plain(404, "nothing here");
    world.now += apr_time_from_sec(61);
    ASSERT_FAILS(issue(), ca_refused, "HTTP 400: no");
    csr_spec_t spec = {.subject = "CN=dev7", .key = t.key, .challenge = "dGxzLXVuaXF1ZQ=="};
    ask_for(&spec);
    ASSERT_FAILS(issue(), ca_refused, "HTTP 400: no; the request has a challengePassword");
}

static void test_other_names_than_the_request_has_cannot_be_had(void **state)
{
    const char *const hint = "the profile grants other names than the request has";

    (void)state;
    ready();
    answers_with(issued_by(&t.ca, t.key));
    t.fault = "its subject is CN=dev7";
    est_err_t *err = issue();
    ASSERT_ROW(err, EST_E_ca_wrong, t.fault, "the same names");
    assert_null(strstr(err->detail, hint));
    t.tbs.subject = name_of("CN=dev7,O=Example");
    ASSERT_FAILS(issue(), ca_wrong, t.fault);
    ASSERT_FAILS(issue(), ca_wrong, hint);
    answers_with(issued_by(&t.ca, make_key("P-256")));
    err = issue();
    ASSERT_ROW(err, EST_E_ca_wrong, "another key", "names are not all that is wrong");
    assert_null(strstr(err->detail, hint));
    answers_with(issued_by(&t.ca, t.key));
    /* the subject is the same, other names are not */
    csr_spec_t spec = {.subject = "CN=dev7", .key = t.key, .exts = {"subjectAltName=DNS:a.example"}};
    ask_for(&spec);
    ASSERT_FAILS(issue(), ca_wrong, hint);
    est_slice_t value = hex("300b 8209 612e6578616d706c65");
    est_slice_t san = tlv(0x30, join(2, hex("0603551d11"), tlv(0x04, value)));
    t.tbs.exts = &san;
    t.tbs.n_exts = 1;
    err = issue();
    ASSERT_ROW(err, EST_E_ca_wrong, t.fault, "the same subjectAltName");
    assert_null(strstr(err->detail, hint));
    t.fault = NULL;
    ASSERT_OK(issue()); /* nobody asks why when all is well */
}

/* ---- configuration */

static void test_what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    prepare();
    const ca_config_t good = t.config;
    const struct {
        const char **member;
        const char *directive;
    } rows[] = {
        {&t.config.key, "EstCAKey"},
        {&t.config.passphrase, "EstCAKeyPassphrase"},
        {&t.config.key_module, "EstCAKeyModule"},
        {&t.config.cmp_request, "EstCACmpRequest"},
        {&t.config.cmp_renewal, "EstCACmpRenewal"},
        {&t.config.cmp_confirm, "EstCACmpConfirm"},
        {&t.config.cmp_recipient, "EstCACmpRecipient"},
        {&t.config.cmp_certificate, "EstCACmpCertificate"},
        {&t.config.cmp_key, "EstCACmpKey"},
        {&t.config.cmp_passphrase, "EstCACmpKeyPassphrase"},
        {&t.config.cmp_reference, "EstCACmpReference"},
        {&t.config.cmp_secret, "EstCACmpSecret"},
        {&t.config.cmp_trust, "EstCACmpTrust"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        t.config = good;
        *rows[i].member = "x";
        ASSERT_ROW(open_driver(), EST_E_config,
                   apr_psprintf(pool, "<EstCA central> at est.conf:7: %s makes no sense with EstCADriver est: it is for %s",
                                rows[i].directive, strstr(rows[i].directive, "Cmp") ? "cmp" : "local"),
                   rows[i].directive);
    }
    t.config = good;
    t.config.chain = cert_file(t.dir, "chain.pem", 1, &t.ca.root);
    ASSERT_FAILS(open_driver(), config, "EstCAChain makes no sense without EstCACertificate");
    t.config.certificate = cert_file(t.dir, "ca.pem", 1, &t.ca.cert);
    ASSERT_OK(open_driver());
    t.config.cache = "cache.pem";
    ASSERT_FAILS(open_driver(), config, "EstCACacheFile makes no sense with EstCACertificate");
    t.config = good;
    t.config.certificate = "/none.pem";
    ASSERT_FAILS(open_driver(), file, "<EstCA central> at est.conf:7: certificate file /none.pem");
    t.config = good;
    t.config.upstreams = NULL;
    ASSERT_FAILS(open_driver(), config, "EstCAUpstream is missing");
}

static void test_who_does_not_say_who_he_is_gets_a_warning(void **state)
{
    (void)state;
    prepare();
    ASSERT_OK(open_driver());
    assert_null(t.driver->warning);
    t.config.user = NULL;
    ASSERT_OK(open_driver());
    assert_non_null(strstr(t.driver->warning, "neither EstCAClientCertificate nor EstCAUser"));
    t.config.client_certificate = "ra.pem";
    ASSERT_OK(open_driver());
    assert_null(t.driver->warning);
    assert_true(t.driver->driver->remote);
    assert_int_equal(t.driver->lease, 15);
    assert_int_equal(t.driver->n_gates, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_a_request_is_forwarded_as_it_is),
        EST_TEST(test_the_certificate_is_found_among_those_of_the_chain),
        EST_TEST(test_a_certificate_for_another_key_is_wrong),
        EST_TEST(test_a_wait_is_handed_on),
        EST_TEST(test_what_each_status_means),
        EST_TEST(test_why_a_forwarded_request_may_be_refused),
        EST_TEST(test_other_names_than_the_request_has_cannot_be_had),
        EST_TEST(test_what_makes_no_sense_is_refused),
        EST_TEST(test_who_does_not_say_who_he_is_gets_a_warning),
    };
    return EST_TEST_RUN(tests);
}
