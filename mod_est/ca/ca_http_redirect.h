/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_HTTP_REDIRECT_H
#define CA_HTTP_REDIRECT_H

/* Where an upstream sends us, and whether we go there. RFC 7030 3.2.1: a client follows a redirection to the same
 * origin by itself; to follow one to another origin is for its user to decide, and there is none. */

#include "base/est_err.h"

#define CA_HTTP_REDIRECT_MAX 3 /* in a row */

/* An answer of status 3xx */
typedef struct {
    const char *url; /* that was asked: absolute, without a user */
    int status;
    const char *location; /* the header, NULL: none */
    int n_locations;      /* how many of them there were */
    int n_before;         /* redirections of this request that were followed */
} ca_http_redirect_t;

/* *out: the URL that the same request goes to next, with the scheme, host and port of url, and without a fragment.
 * Fails with ca_answer for a redirection that is not followed: the text says whose it is, whereto (printable, cut, no
 * password) and why not. Everything in pool. */
est_err_t *ca_http_redirect(const char **out, const ca_http_redirect_t *redirect, apr_pool_t *pool);

#endif
