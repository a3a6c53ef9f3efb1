/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_http_test.h"

#include "ca/ca_http_redirect.h"

/* ---- targets */

#define URL "https://ca.example:8443/.well-known/est/devices/simpleenroll"

static void test_where_redirections_lead(void **state)
{
    static const struct {
        const char *url, *location, *target;
    } rows[] = {
        {URL, "/est/simpleenroll", "https://ca.example:8443/est/simpleenroll"},
        {URL, "../other/simpleenroll", "https://ca.example:8443/.well-known/est/other/simpleenroll"},
        {URL, "x/y?z=1&a=%2F", "https://ca.example:8443/.well-known/est/devices/x/y?z=1&a=%2F"},
        {URL, "?node=2", URL "?node=2"},
        {URL, "//ca.example:8443/x", "https://ca.example:8443/x"},
        {URL, "https://ca.example:8443/x", "https://ca.example:8443/x"},
        {URL, "HTTPS://CA.Example:08443/X%2fy", "https://CA.Example:8443/X%2fy"},
        {URL, "https://ca.example:8443/x#part", "https://ca.example:8443/x"},
        {URL, "https://ca.example:8443", "https://ca.example:8443/"},
        {URL, "https://ca.example:8443#@other.example/", "https://ca.example:8443/"},
        {URL, "/../../x", "https://ca.example:8443/x"},
        {URL, "/x@other.example", "https://ca.example:8443/x@other.example"},
        {URL "?a=b", "/x", "https://ca.example:8443/x"},
        {"https://ca.example/x", "https://ca.example:443/y", "https://ca.example:443/y"},
        {"https://ca.example:443/x", "https://ca.example/y", "https://ca.example/y"},
        {"http://ca.example/x", "http://ca.example:80/y", "http://ca.example:80/y"},
        {"https://[::1]:8443/x", "https://[::1]:8443/y", "https://[::1]:8443/y"},
        {"https://[fe80::1%25eth0]/x", "/y", "https://[fe80::1%25eth0]/y"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int status = 301; status <= 308; status += status == 302 ? 5 : 1) {
            ca_http_redirect_t redirect = {rows[i].url, status, rows[i].location, 1, CA_HTTP_REDIRECT_MAX - 1};
            const char *target = NULL;

            ASSERT_OK(ca_http_redirect(&target, &redirect, pool));
            assert_string_equal(target, rows[i].target);
        }
}

static void test_redirections_that_are_not_followed(void **state)
{
    static const char host[] = "another host", port[] = "another port", scheme[] = "another scheme",
                      none[] = "that is no URL", user[] = "it has a user name";
    static const struct {
        const char *location, *reason;
    } rows[] = {
        /* other origins, by one word only */
        {"https://other.example:8443/x", host},
        {"https://ca.example.:8443/x", host},
        {"https://xca.example:8443/x", host},
        {"https://ca.example.other.example:8443/x", host},
        {"https://127.0.0.1:8443/x", host},
        {"https://[::1]:8443/x", host},
        {"//other.example/x", host},
        {"///other.example/x", host},
        {"https://ca.example/x", port},
        {"https://ca.example:443/x", port},
        {"https://ca.example:8444/x", port},
        {"https://ca.example:84430/x", none},
        {"//ca.example/x", port},
        {"http://ca.example:8443/x", scheme},
        {"http://ca.example/x", scheme},
        {"ftp://ca.example:8443/x", scheme},
        {"file:///etc/passwd", scheme},
        {"gopher://ca.example:8443/_x", scheme},
        /* what hides an origin */
        {"https://ca.example:8443@other.example/x", user},
        {"https://ra:secret@ca.example:8443/x", user},
        {"https://ra@ca.example:8443/x", user},
        {"https://@ca.example:8443/x", user},
        {"https://:@ca.example:8443/x", user},
        {"//ra:secret@ca.example:8443/x", user},
        {"imap://ra:x;secret@ca.example/x", user},
        {"https://ca.example:8443\\@other.example/x", none},
        /* which nobody can take apart, so that the password is not where one is looked for */
        {"https://ra:secret@ca.example:port/x", none},
        {"https://ra:secret@ca.example:84430/x", none},
        {"//ra:secret@/x", none},
        {"https://ra:secret@ca.example/\"", none},
        {"https://ra:sec\\secret@ca.example/", none},
        {"https://ra:se@secret@ca.example:84430/", none},
        {"ra:secret@ca.example", none},
        {"/\\other.example/x", none},
        {"\\\\other.example/x", none},
        {"https:\\\\ca.example:8443\\x", none},
        /* no URLs */
        {"", none},
        {"#", none},
        {" ", none},
        {"/a b", none},
        {"/x\t", none},
        {"/caf\xc3\xa9", none},
        {"https://ca.example:8443/\xff", none},
        {"/x\x1b[31m", none},
        {"/\"", none},
        {"https://", none},
        {"https://:8443/x", none},
        {"https://[::1/x", none},
        {"https://ca.example:port/x", none},
        {"https://ca.example:-1/x", none},
        {"https:ca.example", none},
        {"javascript:alert(1)", none},
        {"data:text/plain,x", none},
        {"mailto:ca@ca.example", none},
        {"//", none},
    };
    const char *target = "";

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ca_http_redirect_t redirect = {URL, 307, rows[i].location, 1, 0};
        est_err_t *err = ca_http_redirect(&target, &redirect, pool);

        ASSERT_ROW(err, EST_E_ca_answer, rows[i].reason, rows[i].location);
        ASSERT_ROW(err, EST_E_ca_answer, "ca.example:8443: HTTP 307: the redirection to \"", rows[i].location);
        assert_null(target);
        assert_null(strstr(err->detail, "secret"));
        for (const char *p = err->detail; *p; p++)
            assert_true((unsigned char)*p >= ' ' && *p != 0x7f);
    }
}

static void test_other_reasons_not_to_follow(void **state)
{
    static const struct {
        ca_http_redirect_t redirect;
        const char *reason;
    } rows[] = {
        {{URL, 300, "/x", 1, 0},
         "HTTP 300: the redirection to \"https://ca.example:8443/x\" is not followed: only 301, 302"},
        {{URL, 303, "/x", 1, 0},
         "HTTP 303: the redirection to \"https://ca.example:8443/x\" is not followed: only 301, 302"},
        {{URL, 304, NULL, 0, 0}, "HTTP 304: the redirection is not followed: only 301, 302"},
        {{URL, 305, "/x", 1, 0}, "only 301, 302"},
        {{URL, 306, "/x", 1, 0}, "only 301, 302"},
        {{URL, 309, "/x", 1, 0}, "only 301, 302"},
        {{URL, 302, NULL, 0, 0}, "HTTP 302: the redirection is not followed: it has no Location"},
        {{URL, 302, "/x", 2, 0}, "it has several Locations"},
        {{URL, 302, "/x", 1, CA_HTTP_REDIRECT_MAX},
         "to \"https://ca.example:8443/x\" is not followed: too many in a row"},
        {{URL, 302, "//other.example", 1, CA_HTTP_REDIRECT_MAX}, "another host"},
        {{"https://[fe80::1%25eth0]/x", 302, "https://[fe80::1%25eth1]/x", 1, 0}, "another network"},
        {{"https://[fe80::1%25eth0]/x", 302, "https://[fe80::1]/x", 1, 0}, "another network"},
    };
    const char *target;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ASSERT_ROW(ca_http_redirect(&target, &rows[i].redirect, pool), EST_E_ca_answer, rows[i].reason, rows[i].reason);
    /* a text that is no longer than others of upstreams */
    char *much = apr_palloc(pool, 100001);
    memset(much, 'x', 100000);
    memcpy(much, "https://other.example/", 22);
    much[100000] = '\0';
    ca_http_redirect_t redirect = {URL, 302, much, 1, 0};
    est_err_t *err = ca_http_redirect(&target, &redirect, pool);
    ASSERT_FAILS(err, ca_answer, "xxx...\" is not followed: another host");
    assert_true(strlen(err->detail) < 400);
}

/* ---- with a server: /STATUS/... leads to /... */

static int redirect_by_path(http_connection_t *c)
{
    char header[1024], status[32];
    char *path = strchr(c->request, ' '), *rest = path ? strchr(path + 2, '/') : NULL;

    if (!rest || path[1] != '/' || path[2] != '3' || rest != path + 5)
        return answer_by_path(c);
    snprintf(status, sizeof(status), "%.3s Elsewhere", path + 2);
    snprintf(header, sizeof(header), "Location: %.*s\r\n", (int)strcspn(rest, " "), rest);
    http_answer(c, status, header, "elsewhere");
    return 1;
}

static ca_http_t *make_follower(void)
{
    ca_http_t *http;

    ASSERT_OK(ca_http_make(&http, &t.config, pool));
    ca_http_follow(http);
    ASSERT_OK(ca_http_start(http, pool));
    return http;
}

static void test_the_same_request_is_sent_again(void **state)
{
    static const char *const paths[] = {"/301/echo", "/302/echo", "/307/echo", "/308/echo", "/308/302/301/echo"};
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *server = http_start(redirect_by_path, NULL);
    ca_http_t *http = make_follower();
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ca_http_ask_t get = {.url = url_of(server, paths[i]), .accept = "*/*", .timeout = 20 * SECOND};

        ASSERT_OK(ask(&answer, http, get.url));
        assert_int_equal(answer.status, 200);
        ASSERT_SLICE(answer.body,
                     text(apr_psprintf(pool,
                                       "POST /echo HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: mod_est\r\n"
                                       "Content-Type: application/pkcs10\r\nContent-Length: 9\r\n\r\na request",
                                       server->port)));
        ASSERT_OK(ca_http_do(&answer, http, &get, pool));
        ASSERT_SLICE(answer.body,
                     text(apr_psprintf(pool,
                                       "GET /echo HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: mod_est\r\n"
                                       "Accept: */*\r\n\r\n",
                                       server->port)));
    }
    assert_int_equal(http_count(&server->n_connections), 1);
    /* any answer at its end is one */
    ASSERT_OK(ask(&answer, http, url_of(server, "/302/wait")));
    assert_int_equal(answer.status, 202);
    assert_int_equal(answer.retry_after, 42);
    ASSERT_OK(ask(&answer, http, url_of(server, "/302/401")));
    assert_int_equal(answer.status, 401);
    ASSERT_SLICE(answer.body, text("who?"));
}

static void test_who_does_not_follow_gets_the_answer(void **state)
{
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *server = http_start(redirect_by_path, NULL);
    ASSERT_OK(ask(&answer, make_client(), url_of(server, "/307/ok")));
    assert_int_equal(answer.status, 307);
    assert_int_equal(http_count(&server->n_requests), 1);
}

static void test_three_in_a_row_are_enough(void **state)
{
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *server = http_start(redirect_by_path, NULL);
    ca_http_t *http = make_follower();
    ASSERT_FAILS(ask(&answer, http, url_of(server, "/307/302/307/302/ok")), ca_answer,
                 apr_psprintf(pool,
                              "127.0.0.1:%d: HTTP 302: the redirection to \"http://127.0.0.1:%d/ok\" is not followed: "
                              "too many in a row",
                              server->port, server->port));
    assert_int_equal(http_count(&server->n_requests), 4);
    ASSERT_FAILS(ask(&answer, http, url_of(server, "/303/ok")), ca_answer, "only 301, 302, 307 and 308");
    assert_int_equal(http_count(&server->n_requests), 5);
}

static void test_credentials_go_along(void **state)
{
    ca_http_answer_t answer;
    const char *path;

    (void)state;
    prepare();
    http_server_t *server = http_start(redirect_by_path, http_tls(t.cert, t.key, t.root));
    t.config.trust = t.trust;
    set_client("CN=registrar", t.root, t.root_key);
    FILE *file = temp_file(&path, t.dir, "password");
    fputs("open sesame\n", file);
    fclose(file);
    t.config.user = "registrar";
    t.config.password = apr_pstrcat(pool, "file:", path, NULL);
    ca_http_t *http = make_follower();
    ASSERT_OK(ask(&answer, http, url_of(server, "/307/who")));
    ASSERT_SLICE(answer.body, text("registrar"));
    ASSERT_OK(ask(&answer, http, url_of(server, "/307/echo")));
    assert_non_null(strstr(apr_pstrmemdup(pool, (const char *)answer.body.p, answer.body.n),
                           "\r\nAuthorization: Basic cmVnaXN0cmFyOm9wZW4gc2VzYW1l\r\n"));
}

/* Where the answer leads to; as it is in the response, all headers of it */
static char locations[1024];

static int lead_astray(http_connection_t *c)
{
    http_answer(c, "307 Elsewhere", locations, "");
    return 1;
}

static void test_nobody_else_is_asked(void **state)
{
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *server = http_start(lead_astray, NULL), *other = http_start(answer_by_path, NULL);
    ca_http_t *http = make_follower();
    const struct {
        const char *locations, *reason;
    } rows[] = {
        {apr_psprintf(pool, "Location: http://127.0.0.1:%d/ok\r\n", other->port), "another port"},
        {apr_psprintf(pool, "Location: http://localhost:%d/ok\r\n", server->port), "another host"},
        {apr_psprintf(pool, "Location: https://127.0.0.1:%d/ok\r\n", server->port), "another scheme"},
        {apr_psprintf(pool, "Location: http://ra@127.0.0.1:%d/ok\r\n", server->port), "it has a user name"},
        {apr_psprintf(pool, "Location: /ok\r\nLocation: http://127.0.0.1:%d/ok\r\n", other->port), "several Locations"},
        {"", "no Location"},
        {"Location:\r\n", "no URL"},
        {"Location: /\xff\r\n", "no URL"},
        {"Content-Location: /ok\r\n", "no Location"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        apr_cpystrn(locations, rows[i].locations, sizeof(locations));
        ASSERT_ROW(ask(&answer, http, url_of(server, "/")), EST_E_ca_answer, rows[i].reason, rows[i].locations);
    }
    assert_int_equal(http_count(&server->n_requests), sizeof(rows) / sizeof(rows[0]));
    assert_int_equal(http_count(&other->n_connections), 0);
}

/* ---- time, and what was sent */

static int dawdle(http_connection_t *c)
{
    apr_sleep(SECOND / 5);
    http_answer(c, "307 Elsewhere", "Location: /\r\n", "");
    return 1;
}

/* Each one would have time enough */
static void test_the_time_is_that_of_all(void **state)
{
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *server = http_start(dawdle, NULL);
    ca_http_ask_t get = {.url = url_of(server, "/"), .timeout = SECOND / 2};
    est_err_t *err = ca_http_do(&answer, make_follower(), &get, pool);
    assert_non_null(err);
    if (err->code != EST_E_ca_unavailable) /* no time was left for another */
        ASSERT_ROW(err, EST_E_ca_timeout, "no whole answer", "slow");
}

static int redirect_and_leave(http_connection_t *c)
{
    http_hang_up(c->server);
    http_answer(c, "307 Elsewhere", "Location: /ok\r\nConnection: close\r\n", "");
    return 0;
}

/* Who redirects has not carried it out */
static void test_a_target_that_is_not_there_has_nothing(void **state)
{
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *server = http_start(redirect_and_leave, NULL);
    ASSERT_FAILS(ask(&answer, make_follower(), url_of(server, "/")), ca_unavailable, NULL);
    assert_int_equal(http_count(&server->n_requests), 1);
}

static int redirect_and_drop(http_connection_t *c)
{
    if (http_is_for(c, "POST /there "))
        return 0;
    http_answer(c, "307 Elsewhere", "Location: /there\r\nConnection: close\r\n", "");
    return 0;
}

static void test_a_target_that_says_nothing_may_have_it(void **state)
{
    ca_http_answer_t answer;

    (void)state;
    prepare();
    http_server_t *server = http_start(redirect_and_drop, NULL);
    ASSERT_FAILS(ask(&answer, make_follower(), url_of(server, "/")), ca_timeout, "the request was sent");
    assert_int_equal(http_count(&server->n_requests), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_where_redirections_lead),
        EST_TEST(test_redirections_that_are_not_followed),
        EST_TEST(test_other_reasons_not_to_follow),
        EST_TEST(test_the_same_request_is_sent_again),
        EST_TEST(test_who_does_not_follow_gets_the_answer),
        EST_TEST(test_three_in_a_row_are_enough),
        EST_TEST(test_credentials_go_along),
        EST_TEST(test_nobody_else_is_asked),
        EST_TEST(test_the_time_is_that_of_all),
        EST_TEST(test_a_target_that_is_not_there_has_nothing),
        EST_TEST(test_a_target_that_says_nothing_may_have_it),
    };
    return EST_TEST_RUN(tests);
}
