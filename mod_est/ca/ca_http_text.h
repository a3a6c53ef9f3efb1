/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_HTTP_TEXT_H
#define CA_HTTP_TEXT_H

/* What upstreams say, and who they are, in the words of our messages */

#include "ca_http.h"

#define CA_HTTP_TEXT_MAX 200 /* octets of a line; "..." comes after that many */

/* The first line that is not blank, cut, without control characters; "" when there is none. What is no UTF-8 becomes
 * "?", as does what a terminal obeys. In pool */
const char *ca_http_text_line(const char *text, apr_pool_t *pool);

/* The same of the body of an answer; "" also when that is no text to read. In pool */
const char *ca_http_text_reason(const ca_http_answer_t *answer, apr_pool_t *pool);

/* An HTML page: of a gateway in front of the upstream, or of another service, which have it for people with a browser.
 * What EST servers have to say is text/plain (RFC 7030 4.2.3). */
int ca_http_text_is_page(const ca_http_answer_t *answer);

/* "host:port" as it stands in the URL, without what could be before an @. In pool */
const char *ca_http_text_host(const char *url, apr_pool_t *pool);

#endif
