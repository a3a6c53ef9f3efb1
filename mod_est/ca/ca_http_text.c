/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_http_text.h"

#include <string.h>
#include <strings.h>

#include <apr_strings.h>

/* *is_utf8: there was nothing else */
static const char *line_of(int *is_utf8, est_slice_t rest, apr_pool_t *pool)
{
    char *line = apr_palloc(pool, CA_HTTP_TEXT_MAX + sizeof("..."));
    apr_size_t n = 0;

    *is_utf8 = 1;
    while (rest.n && (*rest.p <= ' ' || *rest.p == 0x7f))
        rest = est_slice(rest.p + 1, rest.n - 1);
    while (rest.n && *rest.p != '\r' && *rest.p != '\n') {
        const unsigned char *start = rest.p;
        long c = est_utf8_next(&rest);
        apr_size_t size = c < 0 ? 1 : (apr_size_t)(rest.p - start);

        if (c < 0) {
            *is_utf8 = 0;
            rest = est_slice(rest.p + 1, rest.n - 1);
        }
        if (n + size > CA_HTTP_TEXT_MAX) {
            memcpy(line + n, "...", 3);
            n += 3;
            break;
        }
        if (c < 0x20 || (c >= 0x7f && c < 0xa0)) /* no character, or one that a terminal obeys */
            line[n++] = '?';
        else
            for (apr_size_t i = 0; i < size; i++)
                line[n++] = (char)start[i];
    }
    line[n] = '\0';
    return line;
}

const char *ca_http_text_line(const char *text, apr_pool_t *pool)
{
    int is_utf8;

    return line_of(&is_utf8, est_slice(text, strlen(text)), pool);
}

int ca_http_text_is_page(const ca_http_answer_t *answer)
{
    return answer->content_type && !strncasecmp(answer->content_type, "text/html", 9);
}

/* The first line of a page says nothing */
static int is_text(const ca_http_answer_t *answer)
{
    const char *type = answer->content_type;

    if (!type)
        return 1;
    if (ca_http_text_is_page(answer))
        return 0;
    return !strncasecmp(type, "text/", 5) || !strncasecmp(type, "application/json", 16) ||
           !strncasecmp(type, "application/problem+json", 24);
}

const char *ca_http_text_reason(const ca_http_answer_t *answer, apr_pool_t *pool)
{
    int is_utf8;
    const char *line;

    if (!is_text(answer))
        return "";
    line = line_of(&is_utf8, answer->body, pool);
    return is_utf8 || answer->content_type ? line : ""; /* octets of we know not what */
}

const char *ca_http_text_host(const char *url, apr_pool_t *pool)
{
    const char *start = strstr(url, "://"), *at;
    apr_size_t n;

    start = start ? start + 3 : url;
    n = strcspn(start, "/?#");
    at = memchr(start, '@', n);
    if (at) {
        n -= (apr_size_t)(at + 1 - start);
        start = at + 1;
    }
    return apr_pstrmemdup(pool, start, n);
}
