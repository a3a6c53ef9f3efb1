/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef STORE_PG_ISSUE_H
#define STORE_PG_ISSUE_H

/* The parameters of record_issued, order_open, order_forwarded and record_refused, and what the first two answer. For
 * store_pg.c. */

#include "store.h"
#include "store_pg_conn.h"

/* In the order of each statement in sql/queries.sql; all in pool or borrowed */
void store_pg_issue_params(store_pg_params_t *params, const store_issue_t *issue, apr_pool_t *pool);
void store_pg_issue_order_params(store_pg_params_t *params, const store_issue_t *issue, apr_pool_t *pool);
void store_pg_issue_forwarded_params(store_pg_params_t *params, const store_forward_t *forward, apr_pool_t *pool);
void store_pg_issue_explain_params(store_pg_params_t *params, const store_issue_t *issue, apr_pool_t *pool);
void store_pg_issue_refusal_params(store_pg_params_t *params, const store_refusal_t *refusal, apr_pool_t *pool);

/* statement: for messages. Fails with store_failed. */
est_err_t *store_pg_issue_outcome(store_outcome_t *out, const PGresult *result, const char *statement,
                                  apr_pool_t *pool);
/* What order_open says besides, into the same outcome. Fails with store_failed. */
est_err_t *store_pg_issue_forward(store_outcome_t *out, const PGresult *result, apr_pool_t *pool);

#endif
