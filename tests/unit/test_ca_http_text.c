/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_test.h"

#include "ca/ca_http_text.h"

static void test_reasons(void **state)
{
    static const struct {
        const char *type, *body, *reason;
    } rows[] = {
        {"text/plain", "no such profile\r\nmore", "no such profile"},
        {"text/plain; charset=utf-8", "\r\n  no\tsuch\x1b[1m profile", "no?such?[1m profile"},
        {"text/plain", "Schl\xc3\xbcssel \xc2\x85 fehlt", "Schl\xc3\xbcssel ? fehlt"},
        {"text/plain", "Schl\xfcssel", "Schl?ssel"},
        {"application/problem+json", "{\"title\":\"no\"}", "{\"title\":\"no\"}"},
        {"text/html", "<!DOCTYPE html>", ""},
        {"application/pkcs7-mime", "MIIB", ""},
        {"text/plain", "", ""},
        {"text/plain", " \r\n ", ""},
        {NULL, "plainly no", "plainly no"},
        {NULL, "\x30\x82\xff", ""},
    };
    ca_http_answer_t answer = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        answer.content_type = rows[i].type;
        answer.body = text(rows[i].body);
        assert_string_equal(ca_http_text_reason(&answer, pool), rows[i].reason);
    }
    char *much = apr_palloc(pool, 1000);
    memset(much, 'x', 1000);
    answer.content_type = "text/plain";
    answer.body = est_slice(much, 200);
    assert_int_equal(strlen(ca_http_text_reason(&answer, pool)), 200);
    answer.body = est_slice(much, 1000);
    assert_int_equal(strlen(ca_http_text_reason(&answer, pool)), 203);
    memcpy(much + 199, "\xc3\xbc", 2); /* is not cut in two */
    assert_string_equal(ca_http_text_reason(&answer, pool) + 195, "xxxx...");
    answer.body = est_slice(NULL, 0);
    assert_string_equal(ca_http_text_reason(&answer, pool), "");
}

static void test_lines(void **state)
{
    char much[300];

    (void)state;
    assert_string_equal(ca_http_text_line("\n /a\x1b]0;b\xff\xc2\x9b\rc", pool), "/a?]0;b??");
    assert_string_equal(ca_http_text_line("", pool), "");
    memset(much, 'x', sizeof(much) - 1);
    much[sizeof(much) - 1] = '\0';
    assert_int_equal(strlen(ca_http_text_line(much, pool)), CA_HTTP_TEXT_MAX + 3);
}

static void test_hosts(void **state)
{
    static const char *const rows[][2] = {
        {"https://ca.example/x", "ca.example"},
        {"https://ca.example:8443", "ca.example:8443"},
        {"https://ra:secret@ca.example:8443?@x", "ca.example:8443"},
        {"https://[::1]:8443/a@b", "[::1]:8443"},
        {"ca.example/x", "ca.example"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(ca_http_text_host(rows[i][0], pool), rows[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_reasons),
        EST_TEST(test_lines),
        EST_TEST(test_hosts),
    };
    return EST_TEST_RUN(tests);
}
