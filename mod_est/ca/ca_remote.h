/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_REMOTE_H
#define CA_REMOTE_H

/* What the drivers that forward have in common: several upstreams for one CA, in order, each behind its gate. */

#include "ca_gate.h"
#include "ca_http.h"

/* Drivers put this first in their own struct */
typedef struct {
    ca_t ca;
    const char *const *upstreams; /* URLs without a slash at the end (cmp: as configured), at least one */
    int n_upstreams;
    ca_gate_rules_t rules;
    apr_interval_time_t timeout; /* of a whole exchange */
    ca_http_t *http;
    const est_env_t *env; /* from ca_remote_start */
} ca_remote_t;

/* Fills in everything but ca.driver: checks URLs (schemes: "https", or "http https"), numbers, files. The errors name
 * the block. Fails with config or file. */
est_err_t *ca_remote_open(ca_remote_t *remote, const ca_config_t *config, const char *schemes, apr_pool_t *pool);
est_err_t *ca_remote_start(ca_remote_t *remote, const est_env_t *env, apr_pool_t *pool);

/*
 * One exchange with one upstream. deadline: when all of it must be over. Fills in answer as ca_driver_t.issue does, but
 * for upstream. Fails as that does: ca_unavailable and ca_timeout count as failures of the upstream, everything else is
 * an answer. resume: it is where the request has been before; what is in request->state is for this upstream alone.
 */
typedef est_err_t *ca_attempt_t(ca_remote_t *remote, const char *upstream, int resume, ca_answer_t *answer,
                                const ca_request_t *request, apr_time_t deadline, apr_pool_t *pool);

/*
 * Fail-over. A request that is at an upstream (request->upstream) goes there first; with a state, or while that one is
 * full, there alone. Else, and when that one cannot be reached, the upstreams are tried in their order; the next one is
 * asked only when nothing was sent to the one before (ca_unavailable, gate closed or full). What answers in the end,
 * and when it may have the request, stands in answer->upstream. When all are full: ca_busy; when none can be reached:
 * ca_unavailable, with the reason of each, and retry_after. Writes a line to the log when an upstream goes down or
 * comes back.
 */
est_err_t *ca_remote_try(ca_remote_t *remote, ca_answer_t *answer, const ca_request_t *request, ca_attempt_t *attempt,
                         apr_pool_t *pool);

/* What an HTTP status means that carries no answer of the protocol: ca_unavailable (408, 429, 503: not taken on),
 * ca_timeout (504, and 502 with an HTML page: a gateway has no answer of the server behind it, which may have the
 * request; a registration authority's own 502 is text), ca_refused (other 4xx), ca_answer. The text is the status and
 * the answer's words, or those of "otherwise". */
est_err_t *ca_remote_status(const ca_http_answer_t *http, const char *otherwise, apr_pool_t *pool);

/* The certificate that came back: readable, for the key of the request, issued by one of facts' issuers (name and
 * signature), and what request->check says. ca_wrong otherwise, with answer->der set. *issuer_unknown, when not NULL:
 * what is wrong is only that none of the issuers has signed it. On success answer->der is set. */
est_err_t *ca_remote_accept(ca_answer_t *answer, int *issuer_unknown, est_slice_t der, const ca_facts_t *facts,
                            const ca_request_t *request, apr_pool_t *pool);

#endif
