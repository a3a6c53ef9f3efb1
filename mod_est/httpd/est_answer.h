/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_ANSWER_H
#define EST_ANSWER_H

/* The one place where an error becomes an HTTP answer and a log line, and where answers are sent. */

#include "est_request.h"

/* Sends the answer of an operation; from a handler */
int est_answer_send(est_request_t *request, const est_resp_t *resp);
/* Logs err and sends it; returns what a handler returns. From a hook before the handler, return DONE afterwards. */
int est_answer_error(est_request_t *request, est_err_t *err);

/* The same for a request that is in no EST location */
void est_answer_outside(request_rec *r, est_err_t *err);

/* Errors that httpd's core answers are given our shape, text/plain of one line: those inside an EST location; all of a
 * virtual host with EstVerifyClient on; and, on other hosts that have an EST location, those of requests which httpd
 * gave up before it looked for a location (a bad header, Host, request line), if their path lies below one or they have
 * none. (Which host that is, httpd knows from the Host header; before it is read, the first on the address counts.) A
 * request that has err set gets that one, whatever status the core came to. */
void est_answer_register_hooks(void);

#endif
