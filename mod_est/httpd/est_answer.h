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

/* Where httpd's core answers an error inside an EST location (or on a virtual host with EstVerifyClient on) it is given
 * our shape: text/plain, one line. A request that has err set gets that one, whatever status the core came to. */
void est_answer_register_hooks(void);

#endif
